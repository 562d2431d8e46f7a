//! A log whose writes end when a test says so.
//!
//! In: batches, and what the log is to do to them. Out: what it was offered and what it took. What
//! always holds: it does nothing by itself; positions are dense, as in every log.

use crate::clock;
use crate::journal::{AppendError, Aside, Folder, Log, Read, Sequence, Usage};
use crate::record::Batch;
use parking_lot::Mutex;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// A log that is as slow, full or broken as it is told to be.
#[derive(Debug, Default)]
pub(in crate::intake) struct Double {
    pub(in crate::intake) now: Mutex<Now>,
    progress: Notify,
    room: Notify,
}

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fault that a test turns on")]
pub(in crate::intake) struct Now {
    /// Group ids of the records of each batch that was taken.
    pub(in crate::intake) batches: Vec<Vec<String>>,
    pub(in crate::intake) head: u64,
    pub(in crate::intake) written: u64,
    pub(in crate::intake) durable: u64,
    pub(in crate::intake) full_since: Option<Instant>,
    /// When the write began that does not end.
    pub(in crate::intake) stalled_since: Option<Instant>,
    pub(in crate::intake) queue_is_full: bool,
    pub(in crate::intake) poisoned: bool,
    pub(in crate::intake) panics: bool,
    /// What is taken is safe, and the log says so.
    pub(in crate::intake) immediate: bool,
    pub(in crate::intake) offered: usize,
    /// Where files went.
    pub(in crate::intake) asides: Vec<Folder>,
    /// Batches of more bytes find no room since then.
    pub(in crate::intake) crowded: Option<(usize, Instant)>,
}

impl Double {
    /// All that was taken is written and safe.
    pub(in crate::intake) fn catch_up(&self) {
        let head = self.now.lock().head;
        self.catch_up_to(head);
    }

    /// All that was taken is written, and safe up to a position.
    pub(in crate::intake) fn catch_up_to(&self, durable: u64) {
        let mut now = self.now.lock();
        (now.written, now.durable, now.stalled_since) = (now.head, durable, None);
        drop(now);
        self.progress.notify_waiters();
    }

    /// All that was taken is written and not yet safe.
    pub(in crate::intake) fn write(&self) {
        let mut now = self.now.lock();
        (now.written, now.stalled_since) = (now.head, None);
    }

    pub(in crate::intake) fn run_full(&self) {
        self.now.lock().full_since = Some(clock::now());
    }

    pub(in crate::intake) fn make_room(&self) {
        self.now.lock().full_since = None;
        self.room.notify_waiters();
    }

    pub(in crate::intake) fn stall(&self) {
        self.now.lock().stalled_since = Some(clock::now());
    }

    pub(in crate::intake) fn batches(&self) -> Vec<Vec<String>> {
        self.now.lock().batches.clone()
    }
}

fn group(value: &[u8]) -> String {
    let event: serde_json::Value = serde_json::from_slice(value).expect("records are JSON");
    event["data"]["group_id"].as_str().unwrap_or("?").to_owned()
}

impl Log for Double {
    fn append(&self, batch: &mut Batch) -> Result<RangeInclusive<Sequence>, AppendError> {
        let mut now = self.now.lock();
        now.offered += 1;
        assert!(!now.panics, "the log panics as it was told");
        if let Some(since) = now.full_since {
            return Err(AppendError::Full { since });
        }
        if let Some((bytes, since)) = now.crowded
            && batch.bytes().len() > bytes
        {
            return Err(AppendError::Full { since });
        }
        if let Some(since) = now.stalled_since.filter(|_| now.queue_is_full) {
            return Err(AppendError::Stalled { since });
        }
        assert!(!batch.is_empty(), "no log is offered nothing");
        now.batches.push(batch.iter().map(|record| group(record.value)).collect());
        let first = now.head + 1;
        now.head += u64::from(batch.records());
        batch.clear();
        Ok(Sequence(first)..=Sequence(now.head))
    }

    fn try_append(&self, batch: &mut Batch) -> Result<RangeInclusive<Sequence>, AppendError> {
        self.append(batch)
    }

    fn is_immediate(&self) -> bool {
        self.now.lock().immediate
    }

    fn durable(&self) -> Sequence {
        Sequence(self.now.lock().durable)
    }

    fn written(&self) -> Sequence {
        Sequence(self.now.lock().written)
    }

    fn progress(&self) -> &Notify {
        &self.progress
    }

    fn stalled_since(&self) -> Option<Instant> {
        self.now.lock().stalled_since
    }

    fn read(&self, _from: Sequence) -> Read {
        Read::Nothing
    }

    fn confirm(&self, _upto: Sequence) {}

    fn wait_for(&self, _from: Sequence, _timeout: Duration) {}

    fn room(&self) -> &Notify {
        &self.room
    }

    fn put_aside(&self, aside: Aside) {
        self.now.lock().asides.push(aside.folder);
    }

    fn put_aside_now(&self, _aside: &Aside) -> std::io::Result<()> {
        Ok(())
    }

    fn usage(&self) -> Usage {
        let now = self.now.lock();
        Usage {
            bytes: 0,
            bytes_max: 1,
            records: now.head,
            head: Sequence(now.head),
            confirmed: Sequence::NONE,
            oldest: None,
            full_since: now.full_since,
            stalled_since: now.stalled_since,
            poisoned: now.poisoned,
            free_bytes: None,
            damaged: 0,
        }
    }

    fn uuid(&self) -> &'static str {
        "00000000-0000-4000-8000-000000000000"
    }

    fn replay_upto(&self) -> Sequence {
        Sequence::NONE
    }

    fn close(&self, _within: Duration) -> u64 {
        0
    }
}
