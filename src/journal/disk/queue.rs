//! What was appended and is not written yet, and whether more may be.
//!
//! In: batches from any thread. Out: [`Work`] for the journal's thread, in the order of the
//! positions, which are given away here. What always holds: positions are dense; what is refused
//! changes nothing; nothing here waits: the lock around it is held for a copy at most, never for a
//! device.

use super::frame::framed;
use super::segment::record_bytes;
use crate::journal::{AppendError, Aside, Sequence};
use crate::record::Batch;
use std::ops::RangeInclusive;
use std::time::Instant;

/// Above this many bytes that wait nothing more is taken: a quarter of a second of a fast sender,
/// and the most that a stalled device makes us keep in memory (twice).
const WAITING_BYTES_MAX: u64 = 16 << 20;
/// The same for files that are put aside; a body may have 16 MiB by itself.
const ASIDE_BYTES_MAX: usize = 64 << 20;
/// A buffer that grew above this is given back once it is empty.
pub(super) const BUFFER_BYTES_KEPT: usize = 2 << 20;

/// Records that were appended in the same millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Where they end in the bytes of the work.
    pub(super) end: usize,
    /// Unix milliseconds.
    pub(super) at_ms: i64,
}

/// What the journal's thread does next.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Records as batches wrote them.
    pub(super) bytes: Vec<u8>,
    pub(super) runs: Vec<Run>,
    /// Position of the first one.
    pub(super) first: u64,
    /// Files to write before the records.
    pub(super) asides: Vec<Aside>,
}

impl Work {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.asides.is_empty()
    }

    /// When its first record was appended, Unix milliseconds.
    pub(super) fn appended_ms(&self) -> i64 {
        self.runs.first().map_or(0, |run| run.at_ms)
    }

    /// Makes it ready to be filled again.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        if self.bytes.capacity() > BUFFER_BYTES_KEPT {
            self.bytes = Vec::new();
        }
        self.runs.clear();
        self.asides.clear();
    }
}

/// How much there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    pub(super) bytes_max: u64,
    pub(super) segment_bytes: u64,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Queue {
    budget: Budget,
    pending: Work,
    aside_bytes: usize,
    /// Position of the next record.
    next: u64,
    /// Bytes of records that are not written yet, the ones at hand included, and what they will
    /// take in segments.
    waiting: u64,
    charged: u64,
    /// Bytes of the segments.
    held: u64,
    full_since: Option<Instant>,
    /// Since when a batch that did not fit waits although there is room for smaller ones.
    refused_since: Option<Instant>,
    /// The disk has less free space than it must keep.
    disk_low: bool,
    /// Nothing is taken until half of what waits is written.
    choked: bool,
    /// When the oldest of `pending` was appended.
    pending_since: Option<Instant>,
    /// When the write at hand began, or the first of those that failed since.
    pub(super) busy_since: Option<Instant>,
    /// The journal's thread sleeps and wants to be woken.
    pub(super) sleeping: bool,
    /// Nothing is taken any more.
    pub(super) closing_since: Option<Instant>,
}

/// What an append found.
pub(super) struct Taken {
    pub(super) range: RangeInclusive<Sequence>,
    /// Whether the journal's thread must be woken.
    pub(super) wake: bool,
}

impl Queue {
    pub(super) fn new(budget: Budget, next: u64, held: u64) -> Self {
        Self {
            budget,
            pending: Work { first: next, ..Work::default() },
            aside_bytes: 0,
            next,
            waiting: 0,
            charged: 0,
            held,
            full_since: None,
            refused_since: None,
            disk_low: false,
            choked: false,
            pending_since: None,
            busy_since: None,
            sleeping: false,
            closing_since: None,
        }
    }

    /// Takes a batch's records and gives their positions; `charge` is what [`charge`] says of it.
    pub(super) fn append(
        &mut self,
        batch: &mut Batch,
        charge: u64,
        confirmed: u64,
        now: Instant,
        now_ms: i64,
    ) -> Result<Taken, AppendError> {
        self.check(charge, confirmed, now)?;
        let first = self.next;
        self.next += u64::from(batch.records());
        self.waiting += batch.bytes().len() as u64;
        if self.pending.bytes.is_empty() {
            // Nothing waits: buffers are exchanged, and the bytes stay where the worker wrote them.
            let fresh = std::mem::take(&mut self.pending.bytes);
            let batch = std::mem::replace(batch, Batch::from_parts(fresh, 0));
            self.pending.bytes = batch.into_bytes();
        } else {
            self.pending.bytes.extend_from_slice(batch.bytes());
            batch.clear();
        }
        let end = self.pending.bytes.len();
        match self.pending.runs.last_mut() {
            Some(run) if run.at_ms == now_ms => run.end = end,
            _ => self.pending.runs.push(Run { end, at_ms: now_ms }),
        }
        self.pending_since.get_or_insert(now);
        self.charged += charge;
        let range = Sequence(first)..=Sequence(self.next - 1);
        Ok(Taken { range, wake: std::mem::take(&mut self.sleeping) })
    }

    fn check(&mut self, charge: u64, confirmed: u64, now: Instant) -> Result<(), AppendError> {
        if let Some(since) = self.closing_since {
            return Err(AppendError::Stalled { since });
        }
        if let Some(since) = self.full_since {
            return Err(AppendError::Full { since });
        }
        if self.choked || self.waiting > WAITING_BYTES_MAX {
            self.choked = true;
            return Err(AppendError::Stalled { since: self.stalled_since().unwrap_or(now) });
        }
        let used = self.held + self.charged;
        if used + charge <= self.budget.bytes_max || self.next - 1 == confirmed {
            return Ok(());
        }
        // One large batch must not keep the small ones out while a segment or more is free.
        let since = if used > self.refill() {
            *self.full_since.get_or_insert(now)
        } else {
            *self.refused_since.get_or_insert(now)
        };
        Err(AppendError::Full { since })
    }

    /// A full log takes records again when it holds this much or less.
    const fn refill(&self) -> u64 {
        self.budget.bytes_max.saturating_sub(self.budget.segment_bytes)
    }

    /// Takes in a file to be put aside; what happened to it otherwise.
    pub(super) fn put_aside(&mut self, aside: Aside) -> Result<bool, Aside> {
        if self.closing_since.is_some() || self.aside_bytes > ASIDE_BYTES_MAX {
            return Err(aside);
        }
        self.aside_bytes += aside.json.len();
        self.pending.asides.push(aside);
        Ok(std::mem::take(&mut self.sleeping))
    }

    /// Takes out the files that wait: nobody will write them any more.
    pub(super) fn give_up_asides(&mut self) -> Vec<Aside> {
        self.aside_bytes = 0;
        std::mem::take(&mut self.pending.asides)
    }

    /// Hands over everything that waits in exchange for an empty work.
    pub(super) fn take(&mut self, work: &mut Work, now: Instant) -> bool {
        if self.pending.is_empty() {
            return false;
        }
        work.first = self.next;
        std::mem::swap(work, &mut self.pending);
        self.aside_bytes = 0;
        self.pending_since = None;
        self.busy_since = Some(now);
        true
    }

    /// Notes that bytes of records were written as frames that had been charged. Whether there is
    /// room for those who were refused.
    pub(super) fn wrote(&mut self, records: u64, frames: u64) -> bool {
        self.waiting = self.waiting.saturating_sub(records);
        self.charged = self.charged.saturating_sub(frames);
        self.held += frames;
        let relieved = self.choked && self.waiting <= WAITING_BYTES_MAX / 2;
        if relieved {
            self.choked = false;
        }
        relieved
    }

    /// Takes back what was told to [`Self::wrote`]: it is at hand again.
    pub(super) fn unwrote(&mut self, records: u64, frames: u64) {
        self.waiting += records;
        self.charged += frames;
    }

    /// Notes what the segments hold, after one was exchanged.
    pub(super) const fn set_held(&mut self, bytes: u64) {
        self.held = bytes;
    }

    /// Notes what the segments hold beside frames.
    pub(super) const fn hold(&mut self, bytes: u64) {
        self.held += bytes;
    }

    /// Notes that bytes of segments are gone. Whether there is room for those who were refused.
    pub(super) fn release(&mut self, bytes: u64, confirmed: u64) -> bool {
        self.held = self.held.saturating_sub(bytes);
        let refused = bytes > 0 && self.refused_since.take().is_some();
        self.relieve(confirmed) || refused
    }

    /// Notes whether the disk has too little space left. Whether there is room for those who were
    /// refused.
    pub(super) fn disk(&mut self, low: bool, confirmed: u64, now: Instant) -> bool {
        self.disk_low = low;
        if low {
            self.full_since.get_or_insert(now);
        }
        self.relieve(confirmed)
    }

    fn relieve(&mut self, confirmed: u64) -> bool {
        let empty = self.next - 1 == confirmed;
        if self.disk_low || (self.held + self.charged > self.refill() && !empty) {
            return false;
        }
        let refused = empty && self.refused_since.take().is_some();
        self.full_since.take().is_some() || refused
    }

    /// Since when a write has not ended or was not begun.
    pub(super) fn stalled_since(&self) -> Option<Instant> {
        self.busy_since.or(self.pending_since)
    }

    pub(super) const fn full_since(&self) -> Option<Instant> {
        self.full_since
    }

    pub(super) const fn is_disk_low(&self) -> bool {
        self.disk_low
    }

    pub(super) const fn head(&self) -> u64 {
        self.next - 1
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.held + self.charged
    }
}

/// Bytes that a batch's records will take in segments.
pub(super) fn charge(batch: &Batch) -> u64 {
    let (mut rest, mut bytes) = (batch.bytes(), 0);
    while let Some(length) = record_bytes(rest) {
        bytes += framed(length);
        rest = &rest[length..];
    }
    bytes
}
