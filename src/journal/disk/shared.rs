//! What the threads of the log have in common.
//!
//! In: progress of the writer, the syncs and the reader. Out: positions that anyone may ask for,
//! and wake-ups. What always holds: a position is published before anyone is woken for it, and who
//! sleeps looks again after saying so; no lock here is held while a device is asked, but for
//! `surgery` and the reader's.

use super::queue::Queue;
use super::recover::complain;
use super::segments::Segments;
use super::tail::Tail;
use super::{JournalObserver, Level, Settings};
use crate::clock;
use crate::journal::folders;
use crate::journal::storage::{Storage, StoredFile};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Ages that are remembered, so that the oldest record's is known without asking a file.
const AGES: usize = 4096;
/// Records appended within this time count as of one age.
const AGE_STEP: Duration = Duration::from_millis(100);

/// A file that has something to be synced or cut.
#[derive(Debug, Clone)]
pub(super) struct OpenFile {
    /// First position of its segment.
    pub(super) first: u64,
    pub(super) file: Arc<dyn StoredFile>,
    /// Where its frames end, once nothing more is written to it.
    pub(super) sealed_at: Option<u64>,
}

/// A segment that is ready to be used: space made, file and name synced.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) name: String,
    pub(super) file: Arc<dyn StoredFile>,
}

/// Which threads have ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    #[default]
    None,
    /// The writer has: the keeper does its last round.
    Writer,
    Both,
}

/// What writer and keeper hand to each other.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pub(super) ahead: Option<Prepared>,
    /// In the order of their positions.
    pub(super) open: VecDeque<OpenFile>,
    /// First positions of segments whose sync failed: they must be written again.
    pub(super) failed: Vec<u64>,
    /// Files that were put aside, with their folder.
    pub(super) asides: Vec<(Arc<dyn StoredFile>, &'static str)>,
    /// Names were made that are not synced.
    pub(super) names_dirty: bool,
    /// Oversize files were written: look at their budget.
    pub(super) oversize_grew: bool,
    /// Bytes written since the last sync was asked for.
    pub(super) unsynced_bytes: u64,
    /// The keeper has something to do before its time.
    pub(super) woken: bool,
    pub(super) ended: Ended,
    /// Until when a stop may take.
    pub(super) deadline: Option<Instant>,
}

/// How old records are, coarsely: up to a position, appended at or after an instant.
#[derive(Debug, Default)]
struct Ages {
    list: VecDeque<(u64, Instant)>,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) storage: Arc<dyn Storage>,
    pub(super) observer: Arc<dyn JournalObserver>,
    pub(super) uuid: [u8; 16],
    pub(super) queue: Mutex<Queue>,
    /// The journal's thread sleeps here.
    pub(super) work: Condvar,
    pub(super) segments: Mutex<Segments>,
    pub(super) desk: Mutex<Desk>,
    /// The keeper sleeps here, and a stop.
    pub(super) desk_changed: Condvar,
    pub(super) tail: Mutex<Tail>,
    /// Held while files of segments are exchanged or removed.
    pub(super) surgery: Mutex<()>,
    written: AtomicU64,
    pub(super) synced: AtomicU64,
    confirmed: AtomicU64,
    reader_waits: AtomicBool,
    reader_gate: Mutex<()>,
    appended: Condvar,
    pub(super) progress: Notify,
    pub(super) room: Notify,
    /// Something was refused for want of room.
    pub(super) wants_room: AtomicBool,
    pub(super) free_bytes: AtomicU64,
    pub(super) damaged: AtomicU64,
    poisoned: AtomicBool,
    /// A thread of the journal panicked.
    died: AtomicBool,
    ages: Mutex<Ages>,
    /// The same moment on both clocks: the times in the files do not jump while we run.
    base: (Instant, i64),
}

impl Shared {
    pub(super) fn new(
        storage: Arc<dyn Storage>,
        settings: Settings,
        observer: Arc<dyn JournalObserver>,
        state: &super::recover::State,
        queue: Queue,
    ) -> Self {
        let base = (clock::now(), clock::unix_ms());
        let mut ages = Ages::default();
        for segment in &state.segments {
            // A segment is as old as its first record. Where that one is confirmed, the age of the
            // others is not known before they are read; they wait since now at least.
            let whole = segment.first > state.confirmed;
            let since = if whole { instant(base, segment.created_ms) } else { base.0 };
            ages.list.push_back((segment.last, since));
        }
        ages.forget(state.confirmed);
        ages.thin();
        Self {
            settings,
            storage,
            observer,
            uuid: state.uuid,
            queue: Mutex::new(queue),
            work: Condvar::new(),
            segments: Mutex::new(Segments::new(state.segments.clone())),
            desk: Mutex::new(Desk { failed: state.unsynced.clone(), ..Desk::default() }),
            desk_changed: Condvar::new(),
            tail: Mutex::new(Tail::default()),
            surgery: Mutex::new(()),
            written: AtomicU64::new(state.tail),
            synced: AtomicU64::new(state.synced),
            confirmed: AtomicU64::new(state.confirmed),
            reader_waits: AtomicBool::new(false),
            reader_gate: Mutex::new(()),
            appended: Condvar::new(),
            progress: Notify::new(),
            room: Notify::new(),
            wants_room: AtomicBool::new(false),
            free_bytes: AtomicU64::new(u64::MAX),
            damaged: AtomicU64::new(state.report.damaged + state.report.synced_data_lost),
            poisoned: AtomicBool::new(false),
            died: AtomicBool::new(false),
            ages: Mutex::new(ages),
            base,
        }
    }

    pub(super) const fn is_fsync(&self) -> bool {
        matches!(self.settings.ack, Level::Fsync)
    }

    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }

    pub(super) fn confirmed(&self) -> u64 {
        self.confirmed.load(Ordering::SeqCst)
    }

    pub(super) fn durable(&self) -> u64 {
        match self.settings.ack {
            Level::Kafka => self.confirmed(),
            Level::Os | Level::Fsync => self.written(),
        }
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::SeqCst) || self.died.load(Ordering::SeqCst)
    }

    /// Notes that a thread of the journal panicked; nothing but another start helps.
    pub(super) fn thread_died(&self, name: &str) {
        self.died.store(true, Ordering::SeqCst);
        self.observer.poisoned(true);
        tracing::error!(
            thread = name,
            "journal: its thread {name} panicked, see the line before; start the bridge again"
        );
    }

    /// Notes whether nothing can be written at all.
    pub(super) fn set_poisoned(&self, now: bool) {
        if self.poisoned.swap(now, Ordering::SeqCst) == now {
            return;
        }
        self.observer.poisoned(self.is_poisoned());
        if now {
            tracing::error!("journal: neither the segment at hand nor another one takes writes");
        } else {
            tracing::info!("journal: writes are taken again");
        }
    }

    /// Publishes that everything up to a position can be read, and tells who waits for it.
    pub(super) fn publish(&self, upto: u64, at_ms: i64) {
        self.ages.lock().add(upto, self.instant(at_ms), self.confirmed());
        self.written.store(upto, Ordering::SeqCst);
        if self.settings.ack != Level::Kafka {
            self.progress.notify_waiters();
        }
        // The reader announces itself, then looks at `written` again before it sleeps; `written` is
        // set before this look. One of the two sees the other (both are SeqCst).
        if self.reader_waits.load(Ordering::SeqCst) {
            let _gate = self.reader_gate.lock();
            self.appended.notify_all();
        }
    }

    /// Sleeps until something was written at or behind a position.
    pub(super) fn wait_for(&self, from: u64, timeout: Duration) {
        let mut gate = self.reader_gate.lock();
        self.reader_waits.store(true, Ordering::SeqCst);
        if self.written() < from {
            let _timed_out = self.appended.wait_for(&mut gate, timeout);
        }
        self.reader_waits.store(false, Ordering::SeqCst);
    }

    /// Notes that everything up to a position is in Kafka.
    pub(super) fn confirm(&self, upto: u64) {
        let upto = upto.min(self.written());
        let before = self.confirmed.fetch_max(upto, Ordering::SeqCst);
        if before >= upto {
            return;
        }
        self.ages.lock().forget(upto);
        if self.settings.ack == Level::Kafka {
            self.progress.notify_waiters();
        }
        if self.wants_room.load(Ordering::SeqCst) {
            self.wake_keeper();
        }
    }

    pub(super) fn wake_keeper(&self) {
        self.desk.lock().woken = true;
        self.desk_changed.notify_all();
    }

    /// Tells those who were refused that there is room.
    pub(super) fn tell_room(&self) {
        self.wants_room.store(false, Ordering::SeqCst);
        self.room.notify_waiters();
    }

    /// When the oldest record was appended that is not confirmed.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.ages.lock().list.front().map(|(_, at)| *at)
    }

    /// Notes when the record at a position was really appended, which is known once it is read.
    pub(super) fn refine_age(&self, sequence: u64, at: Instant) {
        self.ages.lock().refine(sequence, at, self.confirmed());
    }

    pub(super) fn unix_ms(&self, at: Instant) -> i64 {
        let since = at.saturating_duration_since(self.base.0).as_millis();
        self.base.1.saturating_add(i64::try_from(since).unwrap_or(i64::MAX))
    }

    pub(super) fn instant(&self, unix_ms: i64) -> Instant {
        instant(self.base, unix_ms)
    }

    /// Nothing is taken from here on; the threads end when they have written what waits.
    pub(super) fn close(&self) {
        self.queue.lock().closing_since.get_or_insert(clock::now());
        self.work.notify_all();
        self.wake_keeper();
    }

    /// Whether a stop has taken all the time it may.
    pub(super) fn is_time_up(&self) -> bool {
        self.desk.lock().deadline.is_some_and(|deadline| clock::now() >= deadline)
    }

    /// Counts and logs a failure of the device.
    pub(super) fn complain(&self, operation: &'static str, what: &str, error: &io::Error) {
        complain(&*self.observer, operation, what, error);
    }

    /// Counts and logs records that cannot be read.
    pub(super) fn count_damaged(&self, from: u64, upto: u64) {
        let records = upto - from + 1;
        tracing::error!(from, upto, "journal: records {from} to {upto} cannot be read");
        self.damaged.fetch_add(records, Ordering::SeqCst);
        self.observer.damaged(records);
    }

    /// Tells what the quarantine holds.
    pub(super) fn observe_quarantine(&self) {
        match folders::size(&*self.storage, folders::QUARANTINE) {
            Ok((_, bytes)) => self.observer.quarantined_bytes(bytes),
            Err(error) => self.complain("quarantine", "the folder", &error),
        }
    }
}

/// The instant of a time in a file; what lies before the machine's start, or ahead of us, is now.
fn instant(base: (Instant, i64), unix_ms: i64) -> Instant {
    let ms = unix_ms.saturating_sub(base.1);
    let distance = Duration::from_millis(ms.unsigned_abs());
    if ms < 0 {
        base.0.checked_sub(distance).unwrap_or(base.0)
    } else {
        base.0.checked_add(distance).unwrap_or(base.0)
    }
}

impl Ages {
    fn add(&mut self, upto: u64, at: Instant, confirmed: u64) {
        match self.list.back_mut() {
            Some((last, since)) if *last > confirmed && at < *since + AGE_STEP => *last = upto,
            _ => self.list.push_back((upto, at)),
        }
        self.thin();
    }

    /// From a position on, those of one age are of another one.
    fn refine(&mut self, from: u64, at: Instant, confirmed: u64) {
        if from <= confirmed {
            return;
        }
        let found = self.list.partition_point(|(upto, _)| *upto < from);
        let in_front = found.checked_sub(1).map_or(confirmed, |before| self.list[before].0);
        let Some((_, since)) = self.list.get_mut(found) else { return };
        let before = std::mem::replace(since, at);
        if from > in_front + 1 && before < at {
            self.list.insert(found, (from - 1, before));
        }
        self.thin();
    }

    /// Every second one goes, records become older than they are: by little, for what is many.
    fn thin(&mut self) {
        while self.list.len() > AGES {
            let mut kept = VecDeque::with_capacity(AGES);
            while let Some((upto, at)) = self.list.pop_front() {
                let upto = self.list.pop_front().map_or(upto, |(upto, _)| upto);
                kept.push_back((upto, at));
            }
            self.list = kept;
        }
    }

    fn forget(&mut self, confirmed: u64) {
        while self.list.front().is_some_and(|(upto, _)| *upto <= confirmed) {
            self.list.pop_front();
        }
    }
}
