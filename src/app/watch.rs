//! Watches the journal fill up, and says so in the log before it is full.
//!
//! In: the log's usage, once a second. Out: one line per change: a warning from 50 %, an error from
//! 80 % and when it is full, a line when it is well again.

use crate::journal::{Log, Usage};
use std::sync::Arc;
use std::time::Duration;

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// Share of the budget, in percent, from which there is a warning.
const WARN_PERCENT: u64 = 50;
/// Share of the budget, in percent, from which the journal counts as degraded.
pub(super) const ALARM_PERCENT: u64 = 80;

/// How far the journal has filled up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Well,
    Warn,
    Alarm,
    Full,
}

impl Level {
    pub(super) fn of(usage: &Usage) -> Self {
        let percent = percent(usage);
        match percent {
            _ if usage.full_since.is_some() => Self::Full,
            ALARM_PERCENT.. => Self::Alarm,
            WARN_PERCENT.. => Self::Warn,
            _ => Self::Well,
        }
    }
}

/// Share of the budget in use.
pub(super) fn percent(usage: &Usage) -> u64 {
    usage.bytes.saturating_mul(100) / usage.bytes_max.max(1)
}

/// Watches until it is dropped.
pub(super) async fn watch(log: Arc<dyn Log>) {
    let mut level = Level::Well;
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        let usage = log.usage();
        let now = Level::of(&usage);
        if now != level {
            tell(now, &usage);
            level = now;
        }
    }
}

fn tell(level: Level, usage: &Usage) {
    let (percent, records) = (percent(usage), usage.records);
    match level {
        Level::Well => tracing::info!(percent, records, "the journal is at {percent} % again"),
        Level::Warn => tracing::warn!(
            percent,
            records,
            "the journal is at {percent} %: Kafka does not keep up, or is away"
        ),
        Level::Alarm => tracing::error!(
            percent,
            records,
            "the journal is at {percent} %: when it is full, after-callbacks are refused"
        ),
        Level::Full => tracing::error!(
            percent,
            records,
            "the journal is full: after-callbacks are held, then refused, until Kafka takes records"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::journal::Sequence;

    #[test]
    fn half_full_warns_and_four_fifths_alarm() {
        let level = |bytes, full| {
            Level::of(&Usage {
                bytes,
                bytes_max: 1000,
                records: 1,
                head: Sequence(1),
                confirmed: Sequence(0),
                oldest: None,
                full_since: full,
                stalled_since: None,
                poisoned: false,
                free_bytes: None,
                damaged: 0,
            })
        };
        let levels = [0, 499, 500, 799, 800, 1000].map(|bytes| level(bytes, None));
        let wanted =
            [Level::Well, Level::Well, Level::Warn, Level::Warn, Level::Alarm, Level::Alarm];
        assert_eq!(levels, wanted);
        assert_eq!(level(900, Some(clock::now())), Level::Full);
    }
}
