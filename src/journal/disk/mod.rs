//! The log on disk: segments of frames, written by a thread of its own.
//!
//! In: a [`Storage`], settings, batches of records. Out: the same records, read back until they are
//! confirmed, across every stop of the process. What always holds: a sequence number that was told
//! is never told of another record with the same uuid (after a loss of power that may have cost
//! records it has another one); nothing that was not confirmed is deleted; opening
//! succeeds whatever the files hold.
//!
//! Read next: the head of [`crate::journal`] for the bytes, `frame` and `segment` for reading
//! and writing them, `recover` for the opening, [`scan`] for the tools' view.

mod asides;
mod checkpoint;
mod frame;
mod keeper;
mod quarantine;
mod queue;
mod reader;
mod recover;
mod rewrite;
pub mod scan;
mod segment;
mod segments;
mod shared;
mod tail;
mod writer;

use super::storage::Storage;
use super::{AppendError, Aside, Level, Log, Read, Sequence, Usage};
use crate::clock;
use crate::record::Batch;
use keeper::Keeper;
use parking_lot::Mutex;
use queue::{Budget, Queue};
use reader::Reader;
use shared::{Ended, Shared};
use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use writer::Writer;

/// Segments that the budget must hold: confirmed ones are freed one by one.
const SEGMENTS_MIN: u64 = 4;
/// Smallest segment in bytes: its header and a frame.
const SEGMENT_BYTES_MIN: u64 = 128;
/// How long a log may take to write what waits when it is dropped without [`Log::close`].
const DROP_WITHIN: Duration = Duration::from_secs(1);

/// What the log promises and how much it may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What [`Log::durable`] waits for.
    pub ack: Level,
    /// Budget of the segments in bytes.
    pub bytes_max: u64,
    /// Free space in bytes that is left on the disk.
    pub free_bytes_min: u64,
    /// Size of a segment in bytes; a quarter of the budget at most is used.
    pub segment_bytes: u64,
    /// Budget of the files in `oversize/` in bytes; the oldest are removed.
    pub oversize_bytes_max: u64,
}

/// Why a journal could not be opened. All else is mended while opening.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it; end that one, or choose another directory.
    #[error("another process has the journal")]
    Locked,
    /// The directory cannot be used at all: not listed, not written.
    #[error("the journal's directory cannot be used: {0}")]
    Unusable(#[source] io::Error),
}

/// Is told what the journal does; must not block.
pub trait JournalObserver: Send + Sync + fmt::Debug {
    /// A write of frames took this long.
    fn written(&self, seconds: f64);
    /// A sync of a segment took this long.
    fn synced(&self, seconds: f64);
    /// The device failed; `operation` is one of [`OPERATIONS`].
    fn error(&self, operation: &'static str);
    /// So many records were found to be unreadable.
    fn damaged(&self, records: u64);
    /// The quarantine holds this many bytes now.
    fn quarantined_bytes(&self, bytes: u64);
    /// A file of an oversize event was removed to keep the budget.
    fn oversize_file_dropped(&self);
    /// Whether nothing can be written at all.
    fn poisoned(&self, now: bool);
}

/// The operations that [`JournalObserver::error`] knows.
pub const OPERATIONS: [&str; 10] = [
    "write",
    "sync",
    "read",
    "create",
    "prepare",
    "checkpoint",
    "delete",
    "quarantine",
    "aside",
    "free",
];

/// What was found when the journal was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Records that are there and not confirmed, the unreadable among them included.
    pub unconfirmed: u64,
    /// Of them those known to be unreadable so far; others may be found when they are read.
    pub damaged: u64,
    /// Bytes of unfinished frames that were cut off the end.
    pub cut_bytes: u64,
    /// Bytes that went into quarantine.
    pub quarantined_bytes: u64,
    /// Records that were synced and not confirmed, and are not there any more: the disk lost them.
    pub synced_data_lost: u64,
    /// Records between the confirmed position and the first one that is there.
    pub missing_prefix: u64,
    /// Bytes of the segments that were found.
    pub bytes: u64,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct DiskLog {
    shared: Arc<Shared>,
    reader: Mutex<Reader>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    recovered: Recovered,
    replay_upto: Sequence,
    uuid: String,
}

impl DiskLog {
    /// Locks the journal, finds its end, starts its threads.
    ///
    /// # Errors
    /// Another process has it, or the directory cannot be used at all.
    pub fn open(
        storage: Arc<dyn Storage>,
        mut settings: Settings,
        observer: Arc<dyn JournalObserver>,
    ) -> Result<Arc<Self>, OpenError> {
        match storage.lock() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(OpenError::Locked);
            }
            locked => locked.map_err(OpenError::Unusable)?,
        }
        let quarter = settings.bytes_max / SEGMENTS_MIN;
        settings.segment_bytes = settings.segment_bytes.min(quarter).max(SEGMENT_BYTES_MIN);
        let state = recover::recover(&*storage, &*observer, settings.ack != Level::Fsync)
            .map_err(OpenError::Unusable)?;
        let (bytes_max, segment_bytes) = (settings.bytes_max, settings.segment_bytes);
        let uuid = uuid::Uuid::from_bytes(state.told).to_string();
        tracing::info!(
            uuid,
            confirmed = state.confirmed,
            tail = state.tail,
            bytes_max,
            segment_bytes,
            "journal: opened {} to {}, budget {bytes_max} bytes in segments of {segment_bytes}",
            state.confirmed,
            state.tail
        );
        let budget = Budget { bytes_max, segment_bytes };
        let queue = Queue::new(budget, state.tail + 1, state.report.bytes);
        let shared = Arc::new(Shared::new(storage, settings, observer, &state, queue));
        let keeper = Keeper::new(Arc::clone(&shared), state.checkpoint);
        let writer = Writer::new(Arc::clone(&shared));
        let mut threads = vec![start(&shared, "journal", move || writer.run())?];
        match start(&shared, "journal-keeper", move || keeper.run()) {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                shared.close();
                return Err(error);
            }
        }
        Ok(Arc::new(Self {
            shared,
            reader: Mutex::new(Reader::new()),
            threads: Mutex::new(threads),
            recovered: state.report,
            replay_upto: Sequence(state.tail),
            uuid,
        }))
    }

    /// What was found when it was opened.
    #[must_use]
    pub const fn recovered(&self) -> &Recovered {
        &self.recovered
    }
}

impl Drop for DiskLog {
    fn drop(&mut self) {
        let _lost = self.close(DROP_WITHIN);
        // The lock goes with the last of them. A thread that hangs in the device is left to itself.
        if self.shared.desk.lock().ended == Ended::Both {
            for thread in self.threads.get_mut().drain(..) {
                let _panicked = thread.join();
            }
        }
    }
}

/// Starts a thread. A panic in it is a defect of ours; it is said aloud and shown as `poisoned` for
/// good, for nothing that waits would ever be written, or no segment removed.
fn start(
    shared: &Arc<Shared>,
    name: &'static str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, OpenError> {
    let shared = Arc::clone(shared);
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err() {
            shared.thread_died(name);
        }
    });
    thread.map_err(OpenError::Unusable)
}

impl Log for DiskLog {
    fn append(&self, batch: &mut Batch) -> Result<RangeInclusive<Sequence>, AppendError> {
        let shared = &*self.shared;
        let charge = queue::charge(batch);
        let now = clock::now();
        let now_ms = shared.unix_ms(now);
        let taken = shared.queue.lock().append(batch, charge, shared.confirmed(), now, now_ms);
        match taken {
            Ok(taken) => {
                if taken.wake {
                    shared.work.notify_one();
                }
                Ok(taken.range)
            }
            Err(error) => {
                shared.wants_room.store(true, Ordering::SeqCst);
                Err(error)
            }
        }
    }

    fn try_append(&self, batch: &mut Batch) -> Result<RangeInclusive<Sequence>, AppendError> {
        // An append never waits, and fails when much waits: there is nothing to do otherwise.
        self.append(batch)
    }

    fn is_immediate(&self) -> bool {
        false
    }

    fn durable(&self) -> Sequence {
        Sequence(self.shared.durable())
    }

    fn written(&self) -> Sequence {
        Sequence(self.shared.written())
    }

    fn progress(&self) -> &Notify {
        &self.shared.progress
    }

    fn stalled_since(&self) -> Option<Instant> {
        self.shared.queue.lock().stalled_since()
    }

    fn read(&self, from: Sequence) -> Read {
        self.reader.lock().read(&self.shared, from.0)
    }

    fn confirm(&self, upto: Sequence) {
        self.shared.confirm(upto.0);
    }

    fn wait_for(&self, from: Sequence, timeout: Duration) {
        self.shared.wait_for(from.0, timeout);
    }

    fn room(&self) -> &Notify {
        &self.shared.room
    }

    fn put_aside(&self, aside: Aside) {
        let taken = self.shared.queue.lock().put_aside(aside);
        match taken {
            Ok(true) => {
                self.shared.work.notify_one();
            }
            Ok(false) => {}
            Err(aside) => {
                let error = io::Error::other("too many files wait to be put aside");
                self.shared.complain("aside", &aside.id, &error);
            }
        }
    }

    fn put_aside_now(&self, aside: &Aside) -> io::Result<()> {
        asides::put_now(&self.shared, aside)
            .inspect_err(|error| self.shared.complain("aside", &aside.id, error))
    }

    fn usage(&self) -> Usage {
        let shared = &*self.shared;
        let confirmed = shared.confirmed();
        let free = shared.free_bytes.load(Ordering::SeqCst);
        let oldest = shared.oldest();
        let queue = shared.queue.lock();
        Usage {
            bytes: queue.bytes(),
            bytes_max: shared.settings.bytes_max,
            records: queue.head() - confirmed,
            head: Sequence(queue.head()),
            confirmed: Sequence(confirmed),
            oldest: oldest.or_else(|| queue.stalled_since()),
            full_since: queue.full_since(),
            stalled_since: queue.stalled_since(),
            poisoned: shared.is_poisoned(),
            free_bytes: (free != u64::MAX).then_some(free),
            damaged: shared.damaged.load(Ordering::SeqCst),
        }
    }

    fn uuid(&self) -> &str {
        &self.uuid
    }

    fn replay_upto(&self) -> Sequence {
        self.replay_upto
    }

    fn close(&self, within: Duration) -> u64 {
        let deadline = clock::now() + within;
        let shared = &*self.shared;
        shared.desk.lock().deadline.get_or_insert(deadline);
        shared.close();
        let mut desk = shared.desk.lock();
        while desk.ended != Ended::Both {
            if shared.desk_changed.wait_until(&mut desk, deadline).timed_out() {
                break;
            }
        }
        drop(desk);
        let given_up = shared.queue.lock().give_up_asides();
        for aside in given_up {
            let error = io::Error::other("the journal stopped before it was written");
            shared.complain("aside", &aside.id, &error);
        }
        shared.queue.lock().head() - shared.written()
    }
}

#[cfg(test)]
mod faults;
#[cfg(test)]
mod hiccups;
#[cfg(test)]
mod tests;
