//! Watches the journal fill up or fail, and says so in the log before it is too late.
//!
//! In: the log's usage, once a second. Out: one line per change: a warning from 50 %, an error from
//! 80 %, when it is full and when writing has stopped, a line when it is well again. The same words
//! say in `/ready` what is degraded.

use crate::clock;
use crate::journal::{Log, Usage};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// Share of the budget, in percent, from which there is a warning.
const WARN_PERCENT: u64 = 50;
/// Share of the budget, in percent, from which the journal counts as degraded.
pub(super) const ALARM_PERCENT: u64 = 80;

/// How well the journal is, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Well,
    Warn,
    Alarm,
    Full,
    Stalled,
    Poisoned,
}

impl Level {
    /// `hold` is how long a write may last before callbacks are refused.
    pub(super) fn of(usage: &Usage, now: Instant, hold: Duration) -> Self {
        let stalled = |since: Instant| now.saturating_duration_since(since) >= hold;
        match percent(usage) {
            _ if usage.poisoned => Self::Poisoned,
            _ if usage.stalled_since.is_some_and(stalled) => Self::Stalled,
            _ if usage.full_since.is_some() => Self::Full,
            ALARM_PERCENT.. => Self::Alarm,
            WARN_PERCENT.. => Self::Warn,
            _ => Self::Well,
        }
    }

    /// The word in `/status`.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Warn => "half_full",
            Self::Alarm => "nearly_full",
            Self::Full => "full",
            Self::Stalled => "stalled",
            Self::Poisoned => "poisoned",
        }
    }

    /// What is degraded, if anything is.
    pub(super) fn degraded(self, usage: &Usage) -> Option<String> {
        let percent = percent(usage);
        match self {
            Self::Well | Self::Warn => None,
            Self::Alarm => Some(format!("journal: {percent} % of its budget is used")),
            // The budget is not used up, so it is the disk.
            Self::Full if percent < ALARM_PERCENT => Some(format!(
                "journal: full, the disk has {} bytes free; after-callbacks are refused until \
                 there is more, or Kafka takes records",
                usage.free_bytes.unwrap_or_default()
            )),
            Self::Full => Some(
                "journal: full, after-callbacks are refused until Kafka takes records".to_owned(),
            ),
            Self::Stalled => Some(
                "journal: its disk does not take writes, after-callbacks are refused until it does"
                    .to_owned(),
            ),
            Self::Poisoned => Some(
                "journal: writing fails, in a new file too; after-callbacks are refused until it \
                 works again"
                    .to_owned(),
            ),
        }
    }
}

/// Share of the budget in use.
pub(super) fn percent(usage: &Usage) -> u64 {
    usage.bytes.saturating_mul(100) / usage.bytes_max.max(1)
}

/// Watches until it is dropped.
pub(super) async fn watch(log: Arc<dyn Log>, hold: Duration) {
    let mut level = Level::Well;
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        let usage = log.usage();
        let now = Level::of(&usage, clock::now(), hold);
        if now != level {
            tell(now, &usage);
            level = now;
        }
    }
}

fn tell(level: Level, usage: &Usage) {
    let (percent, records) = (percent(usage), usage.records);
    match (level, level.degraded(usage)) {
        (Level::Well, _) => {
            tracing::info!(percent, records, "the journal is well again, at {percent} %");
        }
        (Level::Alarm, _) => tracing::error!(
            percent,
            records,
            "the journal is at {percent} %: when it is full, after-callbacks are refused"
        ),
        (_, Some(text)) => tracing::error!(percent, records, "{text}"),
        (_, None) => tracing::warn!(
            percent,
            records,
            "the journal is at {percent} %: Kafka does not keep up, or is away"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Sequence;

    const HOLD: Duration = Duration::from_secs(1);

    fn usage(bytes: u64, full_since: Option<Instant>) -> Usage {
        Usage {
            bytes,
            bytes_max: 1000,
            records: 1,
            head: Sequence(1),
            confirmed: Sequence(0),
            oldest: None,
            full_since,
            stalled_since: None,
            poisoned: false,
            free_bytes: Some(77),
            damaged: 0,
        }
    }

    #[test]
    fn half_full_warns_and_four_fifths_alarm() {
        let now = clock::now();
        let level = |bytes, full| Level::of(&usage(bytes, full), now, HOLD);
        let levels = [0, 499, 500, 799, 800, 1000].map(|bytes| level(bytes, None));
        let wanted =
            [Level::Well, Level::Well, Level::Warn, Level::Warn, Level::Alarm, Level::Alarm];
        assert_eq!(levels, wanted);
        assert_eq!(level(900, Some(now)), Level::Full);
        assert_eq!(Level::Warn.degraded(&usage(500, None)), None);
        let text = Level::Alarm.degraded(&usage(800, None)).expect("that is degraded");
        assert!(text.contains("80 %"), "{text}");
        let text = Level::Full.degraded(&usage(100, Some(now))).expect("that is degraded");
        assert!(text.contains("77 bytes free"), "{text}");
    }

    #[test]
    fn a_write_at_hand_is_healthy_until_it_lasts_for_the_hold_time() {
        let now = clock::now();
        let writing = Usage { stalled_since: Some(now), ..usage(0, None) };
        assert_eq!(Level::of(&writing, now, HOLD), Level::Well);
        assert_eq!(Level::of(&writing, now + HOLD, HOLD), Level::Stalled);
        let poisoned = Usage { poisoned: true, ..writing };
        assert_eq!(Level::of(&poisoned, now + HOLD, HOLD), Level::Poisoned);
        assert!(Level::Poisoned.degraded(&poisoned).is_some());
    }
}
