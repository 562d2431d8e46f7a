//! The only place that asks what time it is.
//!
//! Out: Unix milliseconds for what is written into records, and a monotonic instant for measuring
//! and waiting. Everything below this floor gets the time as a value.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::time::Instant as RuntimeInstant;

/// Wall clock in Unix milliseconds; 0 for a clock set before 1970.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Monotonic clock; the one that timers run on, so that it stands still where a test has paused them.
#[must_use]
pub fn now() -> Instant {
    RuntimeInstant::now().into_std()
}

/// Nanoseconds on a clock that never goes back, since some moment in this process's life.
#[must_use]
pub fn ticks() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let since = now().saturating_duration_since(*START.get_or_init(now));
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
