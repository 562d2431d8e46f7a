//! The only place that asks what time it is.
//!
//! Out: Unix milliseconds for what is written into records, and a monotonic instant for measuring
//! and waiting. Everything below this floor gets the time as a value.

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
