//! The journal: a log between intake and Kafka.
//!
//! In: batches of finished records. Out: the same records, read back in order by the shipper until
//! it confirms them. Intake and shipper meet only here. What always holds: sequence numbers are
//! dense and begin at 1; a record that was appended is there until it is confirmed; records of one
//! batch stand next to each other, batches in the order in which `append` returned.
//!
//! [`Log`] is the seam: [`memory::MemoryLog`] keeps records in memory up to a budget, for trials and
//! benches; [`disk::DiskLog`] keeps them in files, for everything else.
//!
//! # The format on disk, version 1
//!
//! Integers are little-endian, offsets in bytes. CRC32C is the Castagnoli checksum.
//!
//! ```text
//! LOCK                           flock, held while the journal is open
//! 00000000000000000001.seg       a segment; its name is the position of its first frame, 20 digits
//! checkpoint                     two slots of 512 bytes
//! ahead-<n>                      a segment prepared for later; removed at the start. One with a
//!                                header was in use and lost its name: it takes the one of its header
//! *.tmp                          an unfinished file; removed at the start
//! 00000000000000000001.new       a segment written again after a failed sync, complete and synced
//!                                before it has this name; at the start it takes the name .seg, and
//!                                what still has that one goes to quarantine
//! quarantine/                    damaged, foreign and unfinished files: copies and what was moved away
//! oversize/<id>.json             whole events whose records went out without `raw`
//! deadletter/<id>.json           events that Kafka cannot take
//! requeue/                       files of `imbridge journal requeue`, see there
//!
//! segment header, 64 bytes
//!  0  8  magic "imbr-seg"
//!  8  4  version, 1
//! 12  4  zero
//! 16 16  uuid of the journal
//! 32  8  position of the first frame, as in the name
//! 40  8  creation, Unix milliseconds, signed
//! 48 12  zero
//! 60  4  CRC32C of bytes 0 to 59
//!
//! frame, at a multiple of 8 behind the header
//!  0  4  length of the record, at least 1; 0: no frame is here, the segment ends
//!  4  4  CRC32C of the record
//!  8  8  position
//! 16  4  milliseconds between the segment's creation and the append, at most u32::MAX
//! 20  4  CRC32C of: uuid (16 bytes), position of the segment's first frame (8), bytes 0 to 19
//! 24  n  the record, as `record` encodes it
//!        zeroes up to the next multiple of 8
//!
//! checkpoint slot, 512 bytes
//!   0  8  magic "imbr-chk"
//!   8  4  version, 1
//!  12  4  zero
//!  16 16  uuid of the journal
//!  32  8  generation; of two valid slots the higher counts
//!  40  8  confirmed position: everything up to it is in Kafka
//!  48  8  synced position: everything up to it was synced
//!  56 16  uuid that is told with the positions, see below
//!  72  8  start of the machine in which this was written, 0 where that is not known
//!  80  1  1: positions above the synced one may have been told; 0 at level fsync and after a stop
//!  81 427 zero
//! 508  4  CRC32C of bytes 0 to 507
//! ```
//!
//! **The uuid that is told** (header `journal` of every record, `/status`, tools) is the journal's
//! own at first. At levels `os` and `kafka` a record may reach Kafka before it is synced, and a loss
//! of power may then take it from here, so that its position is used again. A consumer that takes
//! positions it has seen for repeats would drop the new record. Therefore a new uuid is told when the
//! checkpoint says so (offset 80) and the machine was started since (offset 72), or when there is no
//! checkpoint beside segments. The uuid in the files stays.
//!
//! Positions are dense: a frame's is one more than that of the frame before it. **A segment ends
//! where the next one begins**: frames of a segment whose position is at or above the name of a
//! later segment are not looked at. The last segment may end with an unfinished frame: what stands
//! behind its last valid frame is cut when the journal is opened. Elsewhere a frame whose checksum
//! is wrong is damage: reading goes on at the next multiple of 8 with a valid frame, the positions
//! in between are lost, and the whole file was copied to `quarantine/` before. A segment whose
//! header is damaged is read by its name and the uuid that the checkpoint and the other segments
//! have.

pub mod disk;
pub mod folders;
pub mod memory;
pub mod storage;

pub use crate::record::Sequence;

use crate::record::Batch;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What [`Log::durable`] waits for in a log on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The record is written: it outlives the process, not the machine.
    Os,
    /// The record is synced: it outlives a loss of power, if the device honours a flush.
    Fsync,
    /// Kafka has confirmed the record; until then the journal keeps it as at level `Os`.
    Kafka,
}

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
        matches!(error.get_ref(), Some(inner) if inner.is::<Self>())
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
    /// Returns at once; a failure is counted and logged. Without a directory nothing happens: the
    /// caller has counted the event and named it in the log.
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
