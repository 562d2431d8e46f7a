//! The journal: a log between intake and Kafka.
//!
//! In: batches of finished records. Out: the same records, read back in order by the shipper until
//! it confirms them. Intake and shipper meet only here. What always holds: sequence numbers are
//! dense and begin at 1; a record that was appended is there until it is confirmed; records of one
//! batch stand next to each other, batches in the order in which `append` returned.
//!
//! [`Log`] is the seam: [`memory::MemoryLog`] keeps records in memory up to a budget, for trials and
//! benches; a log on disk is to stand beside it.

pub mod memory;
pub mod storage;

pub use crate::record::Sequence;

use crate::record::Batch;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Why a batch was not appended. Nothing of the batch is in the log, and the batch is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The budget or the disk is used up, since the given instant; wait for [`Log::room`], then try
    /// again.
    #[error("the journal is full")]
    Full {
        /// When the log ran full.
        since: Instant,
    },
    /// Too much waits to be written, and nothing has been written since the given instant; wait for
    /// [`Log::room`], then try again.
    #[error("the journal's device does not take writes")]
    Stalled {
        /// When the write began that has not ended.
        since: Instant,
    },
}

impl AppendError {
    /// Since when nothing more is taken.
    #[must_use]
    pub const fn since(self) -> Instant {
        match self {
            Self::Full { since } | Self::Stalled { since } => since,
        }
    }
}

/// Which folder of the journal's directory a file that is put aside goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// Whole events whose records went out without `raw`; bounded, the oldest are removed.
    Oversize,
    /// Events that Kafka cannot take at all; never removed.
    DeadLetter,
}

/// A whole structured event for a file of its own: `<folder>/<id>.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    /// Where it goes.
    pub folder: Folder,
    /// Event id; its file's name.
    pub id: String,
    /// The event as JSON.
    pub json: Vec<u8>,
}

/// Why [`Log::put_aside_now`] can never succeed: the log has no directory. Inside the
/// [`std::io::Error`], see [`NoDirectory::is`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at level memory there is no directory for files")]
pub struct NoDirectory;

impl NoDirectory {
    /// Whether an error says that there is no directory, as opposed to one that does not work now.
    #[must_use]
    pub fn is(error: &std::io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}

/// What was found at a position of the log.
#[derive(Debug, Clone)]
pub enum Read {
    /// Nothing was appended there yet.
    Nothing,
    /// A chunk that holds the position.
    Chunk(Arc<Chunk>),
    /// The records from the position up to this one cannot be read; they were counted, and what is
    /// left of them was put into quarantine.
    Damaged {
        /// The last of them.
        upto: Sequence,
    },
}

/// A stretch of the log that was read back.
#[derive(Debug)]
pub struct Chunk {
    /// Position of the first record in [`Chunk::batch`].
    pub first: Sequence,
    /// The records.
    pub batch: Batch,
    /// When the first record was appended.
    pub appended_at: Instant,
}

impl Chunk {
    /// Position of the last record.
    #[must_use]
    pub fn last(&self) -> Sequence {
        Sequence(self.first.0 + u64::from(self.batch.records()) - 1)
    }
}

/// How full the log is and how far its reader has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Bytes held.
    pub bytes: u64,
    /// Budget in bytes.
    pub bytes_max: u64,
    /// Records appended and not confirmed.
    pub records: u64,
    /// Last position appended.
    pub head: Sequence,
    /// Last position confirmed; everything up to it is.
    pub confirmed: Sequence,
    /// When the oldest record that is not confirmed was appended (exact to a chunk).
    pub oldest: Option<Instant>,
    /// Since when nothing more is taken, for the budget or the disk is used up.
    pub full_since: Option<Instant>,
    /// Since when a write has not ended or writing fails; a healthy log shows the write at hand.
    pub stalled_since: Option<Instant>,
    /// Whether the last write failed and so did opening another file.
    pub poisoned: bool,
    /// Free bytes on the journal's disk; `None` in memory.
    pub free_bytes: Option<u64>,
    /// Records that could not be read back, since the start.
    pub damaged: u64,
}

/// A log of records; all methods may be called from any thread. None but [`Log::put_aside_now`],
/// [`Log::read`] and [`Log::close`] waits for a device.
pub trait Log: Send + Sync + fmt::Debug {
    /// Gives all records of `batch` their place in the log, empties it and returns their positions.
    /// They are safe once [`Log::durable`] has reached them.
    ///
    /// # Errors
    /// Nothing was appended, `batch` is as it was.
    fn append(&self, batch: &mut Batch) -> Result<RangeInclusive<Sequence>, AppendError>;

    /// Appends records that may be dropped (decisions): fails rather than adds to a queue that is
    /// long already.
    ///
    /// # Errors
    /// As [`Self::append`].
    fn try_append(&self, batch: &mut Batch) -> Result<RangeInclusive<Sequence>, AppendError>;

    /// Whether [`Log::durable`] has reached a batch as soon as it is appended, always.
    fn is_immediate(&self) -> bool;

    /// Last position that outlives what the ack level promises; an after-callback is answered once
    /// its last record is at or below it.
    fn durable(&self) -> Sequence;

    /// Last position that is in the log, whatever the ack level: what can be read back.
    fn written(&self) -> Sequence;

    /// Told (all waiters) whenever [`Log::durable`] has moved.
    fn progress(&self) -> &tokio::sync::Notify;

    /// Since when a write has not ended or writing fails; `None` while nothing waits to be written.
    fn stalled_since(&self) -> Option<Instant>;

    /// What stands at `from`. Positions that were confirmed are gone: `from` must be above them.
    fn read(&self, from: Sequence) -> Read;

    /// Forgets everything up to and including `upto`.
    fn confirm(&self, upto: Sequence);

    /// Blocks the calling thread until something was written at or behind `from`, at most for
    /// `timeout`. For the shipper's thread only.
    fn wait_for(&self, from: Sequence, timeout: Duration);

    /// Told (all waiters) whenever a log that took nothing takes records again.
    fn room(&self) -> &tokio::sync::Notify;

    /// Puts an event into a file of its own, before any record that is appended later is written.
    /// Returns at once; a failure is counted and logged. Without a directory: counted and logged.
    fn put_aside(&self, aside: Aside);

    /// The same, done and synced on return.
    ///
    /// # Errors
    /// The device failed: it is worth trying again. Or there is no directory: [`NoDirectory`].
    fn put_aside_now(&self, aside: &Aside) -> std::io::Result<()>;

    /// State for metrics and status.
    fn usage(&self) -> Usage;

    /// Identity of the journal, part of the `journal` header of every record.
    fn uuid(&self) -> &str;

    /// Records up to here were found when the log was opened: an earlier run may have sent them.
    fn replay_upto(&self) -> Sequence;

    /// Writes and syncs what waits, at most for `within`; takes nothing afterwards. Returns the
    /// records that were appended and could not be written, or, without a disk, are not confirmed.
    fn close(&self, within: Duration) -> u64;
}
