//! What the shipper's thread and the rest of the program share: counts, state, the wish to stop.
//!
//! In: the thread writes. Out: anyone reads. What always holds: counts only grow; every appended
//! record ends in exactly one of them, or is still waiting.

use super::observer::Degraded;
use crate::clock;
use crate::journal::Sequence;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// What the shipper is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    /// Looking for the cluster and its topics.
    #[default]
    Connecting,
    /// A producer session runs.
    Shipping,
    /// Sending refused records one by one.
    Isolating,
    /// Resting before the next attempt.
    Waiting,
    /// Ended.
    Stopped,
}

impl State {
    /// The state as `/status` names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Shipping => "shipping",
            Self::Isolating => "isolating",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
        }
    }
}

/// A snapshot for `/status`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// What the shipper is doing.
    pub state: State,
    /// What is wrong; empty when all is well.
    pub degraded: Vec<Degraded>,
    /// Producer sessions so far.
    pub sessions: u64,
    /// Records handed to librdkafka and not reported yet.
    pub in_flight: usize,
    /// Largest batch, in bytes.
    pub batch_bytes: usize,
    /// Why the last session or attempt failed.
    pub last_error: Option<String>,
}

/// Where records ended.
#[derive(Debug)]
pub struct Ledger {
    /// Everything up to here had ended before.
    start: Sequence,
    confirmed: AtomicU64,
    dead_lettered: AtomicU64,
    damaged: AtomicU64,
}

impl Ledger {
    pub(super) fn new(start: Sequence) -> Self {
        Self {
            start,
            confirmed: AtomicU64::new(0),
            dead_lettered: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
        }
    }

    /// Records up to `head` that ended nowhere yet.
    pub(super) fn left(&self, head: Sequence) -> u64 {
        let ended = self.confirmed() + self.dead_lettered() + self.damaged();
        head.0.saturating_sub(self.start.0 + ended)
    }

    /// Records that Kafka has.
    #[must_use]
    pub fn confirmed(&self) -> u64 {
        self.confirmed.load(Ordering::Relaxed)
    }

    /// Records that were refused alone and skipped.
    #[must_use]
    pub fn dead_lettered(&self) -> u64 {
        self.dead_lettered.load(Ordering::Relaxed)
    }

    /// Records that could not be read back.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    pub(super) fn count_confirmed(&self, records: u64) {
        self.confirmed.fetch_add(records, Ordering::Relaxed);
    }

    pub(super) fn count_dead_lettered(&self) {
        self.dead_lettered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_damaged(&self, records: u64) {
        self.damaged.fetch_add(records, Ordering::Relaxed);
    }
}

/// The wish to stop.
#[derive(Debug, Default)]
pub(super) struct Stop {
    asked: AtomicBool,
    deadline: Mutex<Option<Instant>>,
}

impl Stop {
    /// Asked twice, the earlier deadline counts.
    pub(super) fn ask(&self, deadline: Instant) {
        let mut asked = self.deadline.lock();
        *asked = Some(asked.map_or(deadline, |asked| asked.min(deadline)));
        drop(asked);
        self.asked.store(true, Ordering::Release);
    }

    /// Whether the shipper is to end once all is shipped.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// Whether the time to stop is up.
    pub(super) fn is_over(&self) -> bool {
        self.is_asked() && self.deadline.lock().is_some_and(|deadline| clock::now() >= deadline)
    }
}
