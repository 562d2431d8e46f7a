//! When the next callback is due.
//!
//! In: a rate or none, bounds on time and number, a stop signal. Out: numbered turns with the
//! moment each was meant for. Always holds: turns are handed out once each, in order, and never
//! beyond the bounds; a turn that is taken late keeps the moment it was meant for, so that a slow
//! receiver cannot make its own latencies look better.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::Options;
use crate::clock;

/// How fast callbacks are issued.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// As fast as the answers come.
    FlatOut,
    /// So many a second, whatever the receiver does.
    PerSecond(f64),
}

/// The permission to issue one callback.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// Position in the run, from 0.
    pub(super) index: u64,
    /// From when its latency counts.
    pub(super) due: Instant,
}

/// Hands out turns to any number of tasks.
pub(super) struct Schedule {
    started: Instant,
    interval: Option<f64>,
    next: AtomicU64,
    count_max: u64,
    time_max: Option<Duration>,
    stop: watch::Receiver<bool>,
}

impl Schedule {
    /// Part number `part` of `parts` equal shares of what `options` ask for.
    pub(super) fn part(
        options: &Options,
        started: Instant,
        part: u64,
        parts: u64,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let shares = u32::try_from(parts).map_or(1.0, f64::from);
        let interval = match options.pace {
            Pace::FlatOut => None,
            Pace::PerSecond(rate) => Some(shares / rate),
        };
        // The first part takes what does not divide.
        let share = |count: u64| count / parts + u64::from(part < count % parts);
        Self {
            started,
            interval,
            next: AtomicU64::new(0),
            count_max: options.count_max.map_or(u64::MAX, share),
            time_max: options.time_max,
            stop,
        }
    }

    /// Waits for the next turn; `None` when the run is over.
    pub(super) async fn next(&self) -> Option<Turn> {
        if *self.stop.borrow() || self.is_late(clock::now()) {
            return None;
        }
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        if index >= self.count_max {
            return None;
        }
        let Some(interval) = self.interval else {
            // Lets other tasks run even if every answer is ready at once.
            tokio::task::yield_now().await;
            return Some(Turn { index, due: clock::now() });
        };
        let due = self.started + offset(index, interval);
        if self.is_late(due) {
            return None;
        }
        if due <= clock::now() {
            return Some(Turn { index, due });
        }
        let mut stop = self.stop.clone();
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => {}
            _ = stop.wait_for(|stopped| *stopped) => return None,
        }
        // A timer wakes up to a millisecond late; that is ours and not the receiver's.
        Some(Turn { index, due: clock::now() })
    }

    /// How many turns the pace meant for this time; `None` without a rate.
    pub(super) fn planned(&self, elapsed: Duration) -> Option<u64> {
        let interval = self.interval?;
        let seconds = self.time_max.map_or(elapsed, |max| max.min(elapsed)).as_secs_f64();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let turns = (seconds / interval).ceil() as u64;
        Some(turns.min(self.count_max))
    }

    fn is_late(&self, moment: Instant) -> bool {
        self.time_max.is_some_and(|max| moment >= self.started + max)
    }
}

fn offset(index: u64, interval: f64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 turns")]
    let seconds = index as f64 * interval;
    // A year from now is as good as never; it keeps the sum of instants in range.
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).min(Duration::from_hours(8760))
}
