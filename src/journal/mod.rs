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

pub use crate::record::Sequence;

use crate::record::Batch;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Why a batch was not appended. Nothing of the batch is in the log, and the batch is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The budget is used up, since the given instant; wait for [`Log::room`], then try again.
    #[error("the journal is full")]
    Full {
        /// When the log ran full.
        since: Instant,
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
    /// Since when nothing more is taken.
    pub full_since: Option<Instant>,
}

/// A log of records; all methods may be called from any thread, none waits for a device.
pub trait Log: Send + Sync + fmt::Debug {
    /// Appends all records of `batch`, empties it and returns their positions.
    ///
    /// # Errors
    /// [`AppendError::Full`]: nothing was appended, `batch` is as it was.
    fn append(&self, batch: &mut Batch) -> Result<RangeInclusive<Sequence>, AppendError>;

    /// Appends records that may be dropped (decisions): fails rather than waits.
    ///
    /// # Errors
    /// As [`Self::append`].
    fn try_append(&self, batch: &mut Batch) -> Result<RangeInclusive<Sequence>, AppendError>;

    /// Last position that outlives what the ack level promises; an after-callback is answered once
    /// its last record is at or below it.
    fn durable(&self) -> Sequence;

    /// The chunk that holds `from`, or `None` when nothing was appended there yet. Positions that
    /// were confirmed are gone: `from` must be above them.
    fn read(&self, from: Sequence) -> Option<Arc<Chunk>>;

    /// Forgets everything up to and including `upto`.
    fn confirm(&self, upto: Sequence);

    /// Blocks the calling thread until something was appended at or behind `from`, at most for
    /// `timeout`. For the shipper's thread only.
    fn wait_for(&self, from: Sequence, timeout: Duration);

    /// Told once whenever a full log has room again.
    fn room(&self) -> &tokio::sync::Notify;

    /// State for metrics and status.
    fn usage(&self) -> Usage;

    /// Identity of the journal, part of the `journal` header of every record.
    fn uuid(&self) -> &str;
}
