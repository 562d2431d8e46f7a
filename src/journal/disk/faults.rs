//! The log over a device that fails, stalls and recovers, on a real directory.

use super::tests::{PATIENCE, Told, append_one, batch, dir, read_all, settings, until, whole};
use super::*;
use crate::journal::Folder;
use crate::journal::storage::disk::DiskStorage;
use crate::journal::storage::{Found, Space, StoredFile};
use parking_lot::{Condvar, Mutex};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};

/// What the device does at the moment.
#[derive(Debug, Default)]
struct Mood {
    /// Writes to segments fail, after a part of the bytes was taken.
    writes_fail: AtomicBool,
    /// Writes to segments panic, as a defect of ours would.
    writes_panic: AtomicBool,
    /// No file can be made.
    creates_fail: AtomicBool,
    /// Syncs of files that were written to fail.
    syncs_fail: AtomicBool,
    reads_fail: AtomicBool,
    /// Where they begin to fail.
    reads_fail_from: AtomicU64,
    /// Writes do not end.
    stalls: Mutex<bool>,
    stall_ends: Condvar,
    /// Bytes taken off what is free.
    used: AtomicU64,
    /// The file system has no way of reserving space.
    no_reserve: AtomicBool,
    /// The oldest oversize file goes between the listing and the look at it.
    ghost: AtomicBool,
}

impl Mood {
    fn stall(&self, now: bool) {
        *self.stalls.lock() = now;
        self.stall_ends.notify_all();
    }

    fn check(&self, fails: &AtomicBool) -> io::Result<()> {
        let _ = self;
        if fails.load(Ordering::SeqCst) {
            Err(io::Error::other("the device fails"))
        } else {
            Ok(())
        }
    }
}

#[derive(Debug)]
struct Moody {
    inner: DiskStorage,
    mood: Arc<Mood>,
}

impl Storage for Moody {
    fn lock(&self) -> io::Result<()> {
        self.inner.lock()
    }
    fn list(&self, folder: &str) -> io::Result<Vec<Found>> {
        let mut found = self.inner.list(folder)?;
        if folder == "oversize" && self.mood.ghost.load(Ordering::SeqCst) {
            found.push(Found { name: "ghost.json".to_owned(), bytes: 1000, changed_ms: 0 });
        }
        Ok(found)
    }
    fn open(&self, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        let (inner, mood) = (self.inner.open(name)?, Arc::clone(&self.mood));
        Ok(Arc::new(MoodyFile { inner, mood }))
    }
    fn create(&self, name: &str, space: Space) -> io::Result<Arc<dyn StoredFile>> {
        self.mood.check(&self.mood.creates_fail)?;
        if matches!(space, Space::Reserved(_)) && self.mood.no_reserve.load(Ordering::SeqCst) {
            self.inner.create(name, Space::Growing)?;
            return Err(io::ErrorKind::Unsupported.into());
        }
        let (inner, mood) = (self.inner.create(name, space)?, Arc::clone(&self.mood));
        Ok(Arc::new(MoodyFile { inner, mood }))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }
    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.inner.sync_folder(folder)
    }
    fn free_bytes(&self) -> io::Result<u64> {
        let free = self.inner.free_bytes()?;
        Ok(free.saturating_sub(self.mood.used.load(Ordering::SeqCst)))
    }
}

#[derive(Debug)]
struct MoodyFile {
    inner: Arc<dyn StoredFile>,
    mood: Arc<Mood>,
}

impl StoredFile for MoodyFile {
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        let mut stalls = self.mood.stalls.lock();
        while *stalls {
            self.mood.stall_ends.wait(&mut stalls);
        }
        drop(stalls);
        assert!(!self.mood.writes_panic.load(Ordering::SeqCst), "as the test asked");
        if self.mood.check(&self.mood.writes_fail).is_err() {
            return self.inner.write_at(&bytes[..bytes.len() / 2], at);
        }
        self.inner.write_at(bytes, at)
    }
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        if at + into.len() as u64 > self.mood.reads_fail_from.load(Ordering::SeqCst) {
            self.mood.check(&self.mood.reads_fail)?;
        }
        self.inner.read_at(into, at)
    }
    fn sync(&self) -> io::Result<()> {
        self.mood.check(&self.mood.syncs_fail)?;
        self.inner.sync()
    }
    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.inner.truncate(bytes)
    }
    fn bytes(&self) -> io::Result<u64> {
        self.inner.bytes()
    }
}

fn open(dir: &Path, settings: Settings) -> (Arc<DiskLog>, Arc<Mood>, Arc<Told>) {
    let mood = Arc::new(Mood::default());
    let (log, told) = open_in(dir, settings, &mood);
    (log.expect("it always opens"), mood, told)
}

fn open_in(
    dir: &Path,
    settings: Settings,
    mood: &Arc<Mood>,
) -> (Result<Arc<DiskLog>, OpenError>, Arc<Told>) {
    let inner = DiskStorage::new(dir).expect("a directory");
    let storage = Arc::new(Moody { inner, mood: Arc::clone(mood) });
    let told = Arc::new(Told::default());
    let observer = Arc::<Told>::clone(&told);
    (DiskLog::open(storage, settings, observer), told)
}

fn fails(flag: &AtomicBool, now: bool) {
    flag.store(now, Ordering::SeqCst);
}

fn in_quarantine(dir: &Path) -> usize {
    DiskStorage::existing(dir).expect("there").list("quarantine").expect("readable").len()
}

/// The journal's thread looked after failed segments once a second, took that for work whose first
/// record had the number 0, and ended: a bridge without a callback in its first second took none.
#[test]
fn a_journal_that_was_idle_from_the_start_takes_records() {
    for ack in [Level::Os, Level::Fsync] {
        let dir = dir();
        let (log, _mood, _told) = open(dir.path(), settings(ack));
        std::thread::sleep(Duration::from_millis(1300));
        assert_eq!(append_one(&log), 1);
        std::thread::sleep(Duration::from_millis(1300));
        assert_eq!(append_one(&log), 2);
    }
}

#[test]
fn what_a_failing_device_does_not_take_is_written_when_it_recovers() {
    for ack in [Level::Os, Level::Fsync] {
        let dir = dir();
        let large = Settings { segment_bytes: 1 << 16, ..settings(ack) };
        let (log, mood, told) = open(dir.path(), large.clone());
        append_one(&log);
        fails(&mood.writes_fail, true);
        log.append(&mut batch(2..=4)).expect("it is taken");
        until(|| log.usage().poisoned);
        log.append(&mut batch(5..=5)).expect("it is taken");
        assert_eq!((log.written(), log.durable()), (Sequence(1), Sequence(1)));
        assert!(log.stalled_since().is_some());
        fails(&mood.creates_fail, true);
        until(|| told.errors.lock().contains(&"create"));
        fails(&mood.writes_fail, false);
        fails(&mood.creates_fail, false);
        until(|| log.durable() == Sequence(5));
        until(|| !log.usage().poisoned && log.stalled_since().is_none());
        assert_eq!(append_one(&log), 6);
        assert_eq!(read_all(&log, 1), whole(1..=6));
        drop(log);
        let (log, _mood, told) = open(dir.path(), large);
        assert_eq!((log.recovered().unconfirmed, log.recovered().cut_bytes), (6, 0));
        assert_eq!(read_all(&log, 1), whole(1..=6));
        assert_eq!(*told.damaged.lock(), 0, "{ack:?}");
    }
}

#[test]
fn a_failed_sync_holds_the_answers_and_the_records_are_written_again_elsewhere() {
    let dir = dir();
    let large = Settings { segment_bytes: 1 << 16, ..settings(Level::Fsync) };
    let (log, mood, told) = open(dir.path(), large.clone());
    for _ in 0..4 {
        append_one(&log);
    }
    log.confirm(Sequence(2));
    fails(&mood.syncs_fail, true);
    log.append(&mut batch(5..=7)).expect("it is taken");
    until(|| log.usage().poisoned);
    assert_eq!((log.durable(), log.written()), (Sequence(4), Sequence(4)));
    assert_eq!(read_all(&log, 3), whole(3..=4), "what is not synced is not read back");
    fails(&mood.syncs_fail, false);
    until(|| log.durable() == Sequence(7));
    until(|| in_quarantine(dir.path()) == 1);
    assert_eq!(read_all(&log, 3), whole(3..=7));
    drop(log);
    assert!(told.errors.lock().contains(&"sync"));
    let (log, _mood, _told) = open(dir.path(), large);
    assert_eq!((log.recovered().unconfirmed, read_all(&log, 3)), (5, whole(3..=7)));
    assert_eq!(log.usage().damaged, 0);
}

#[test]
fn a_failed_sync_in_the_background_stops_nothing_and_the_segment_is_written_again() {
    let dir = dir();
    let large = Settings { segment_bytes: 1 << 16, ..settings(Level::Os) };
    let (log, mood, told) = open(dir.path(), large.clone());
    fails(&mood.syncs_fail, true);
    append_one(&log);
    until(|| told.errors.lock().contains(&"sync"));
    fails(&mood.syncs_fail, false);
    append_one(&log);
    until(|| in_quarantine(dir.path()) == 1);
    append_one(&log);
    assert_eq!(read_all(&log, 1), whole(1..=3));
    drop(log);
    let (log, _mood, _told) = open(dir.path(), large);
    assert_eq!((log.recovered().unconfirmed, read_all(&log, 1)), (3, whole(1..=3)));
}

#[test]
fn a_stalled_device_stops_nobody_but_the_journal() {
    let dir = dir();
    let large = Settings { bytes_max: 1 << 30, segment_bytes: 1 << 22, ..settings(Level::Os) };
    let (log, mood, _told) = open(dir.path(), large);
    append_one(&log);
    mood.stall(true);
    let mut head = 1;
    let started = clock::now();
    let refused = loop {
        match log.append(&mut batch(head + 1..=head + 5000)) {
            Ok(_) => head += 5000,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, AppendError::Stalled { .. }) && refused.since() >= started);
    assert!(log.usage().bytes < 64 << 20, "what waits is bounded");
    assert_eq!(log.durable(), Sequence(1));
    let room = log.room().notified();
    mood.stall(false);
    until(|| log.written().0 == head);
    let mut room = std::pin::pin!(room);
    assert!(room.as_mut().enable(), "those who wait are told");
    assert_eq!(append_one(&log), head + 1);
    assert_eq!(read_all(&log, 1).len() as u64, head + 1);
}

#[test]
fn a_disk_without_the_space_to_keep_is_full_until_there_is_some() {
    let dir = dir();
    let (log, mood, _told) = open(dir.path(), settings(Level::Os));
    append_one(&log);
    mood.used.store(u64::MAX, Ordering::SeqCst);
    until(|| log.usage().full_since.is_some());
    assert!(matches!(log.append(&mut batch(2..=2)), Err(AppendError::Full { .. })));
    mood.used.store(0, Ordering::SeqCst);
    until(|| log.usage().full_since.is_none());
    assert_eq!(append_one(&log), 2);
}

#[test]
fn a_device_that_cannot_be_read_holds_the_reader_up_and_costs_nothing() {
    let dir = dir();
    let (log, _mood, _told) = open(dir.path(), settings(Level::Os));
    for _ in 0..3 {
        append_one(&log);
    }
    drop(log);
    // What was just written would come from memory.
    let (log, mood, told) = open(dir.path(), settings(Level::Os));
    fails(&mood.reads_fail, true);
    assert!(matches!(log.read(Sequence(1)), Read::Nothing));
    fails(&mood.reads_fail, false);
    assert_eq!(read_all(&log, 1), whole(1..=3));
    assert_eq!((log.usage().damaged, told.errors.lock().as_slice()), (0, &["read"][..]));
}

#[test]
fn a_stop_does_not_wait_for_a_device_that_takes_nothing() {
    let dir = dir();
    let (log, mood, _told) = open(dir.path(), settings(Level::Os));
    append_one(&log);
    fails(&mood.writes_fail, true);
    log.append(&mut batch(2..=4)).expect("it is taken");
    let started = clock::now();
    assert_eq!(log.close(Duration::from_millis(300)), 3);
    assert!(started.elapsed() < PATIENCE / 2);
}

#[test]
fn a_journal_that_cannot_be_read_at_all_is_not_begun_anew() {
    let dir = dir();
    let (log, mood, _told) = open(dir.path(), settings(Level::Os));
    append_one(&log);
    drop(log);
    fails(&mood.reads_fail, true);
    let (refused, _told) = open_in(dir.path(), settings(Level::Os), &mood);
    assert!(matches!(refused, Err(OpenError::Unusable(_))));
    fails(&mood.reads_fail, false);
    let (log, _told) = open_in(dir.path(), settings(Level::Os), &mood);
    assert_eq!(read_all(&log.expect("it opens"), 1), whole(1..=1));
}

#[test]
fn an_end_that_cannot_be_read_is_not_cut_and_its_numbers_are_not_used_again() {
    let dir = dir();
    let large = Settings { segment_bytes: 1 << 16, ..settings(Level::Os) };
    let (log, mood, _told) = open(dir.path(), large.clone());
    log.append(&mut batch(1..=500)).expect("there is room");
    until(|| log.written() == Sequence(500));
    drop(log);
    mood.reads_fail_from.store(8192, Ordering::SeqCst);
    fails(&mood.reads_fail, true);
    let (log, _told) = open_in(dir.path(), large.clone(), &mood);
    let log = log.expect("its head can be read");
    let next = log.append(&mut batch(0..=0)).expect("there is room");
    assert!(*next.start() > Sequence(500), "{next:?}");
    fails(&mood.reads_fail, false);
    let Read::Chunk(chunk) = log.read(Sequence(1)) else { panic!("it can be read again") };
    assert_eq!(chunk.last(), Sequence(500));
}

#[test]
fn a_prepared_segment_that_lost_its_name_is_found_by_its_head() {
    let dir = dir();
    let (log, _mood, _told) = open(dir.path(), settings(Level::Os));
    for _ in 0..3 {
        append_one(&log);
    }
    drop(log);
    let storage = DiskStorage::existing(dir.path()).expect("there");
    storage.rename(&segment::name(1), "ahead-7").expect("there");
    let (log, _mood, _told) = open(dir.path(), settings(Level::Os));
    assert_eq!(read_all(&log, 1), whole(1..=3));
}

#[test]
fn a_panic_of_the_journals_thread_is_seen_from_outside() {
    let dir = dir();
    let (log, mood, _told) = open(dir.path(), settings(Level::Os));
    append_one(&log);
    assert!(!log.usage().poisoned);
    fails(&mood.writes_panic, true);
    log.append(&mut batch(2..=2)).expect("there is room");
    until(|| log.usage().poisoned);
    assert!(log.stalled_since().is_some(), "what waits is refused in the end");
}

fn oversize(id: &str) -> Aside {
    Aside { folder: Folder::Oversize, id: id.to_owned(), json: vec![b'x'; 40] }
}

/// Requeue may move a file while the budget is kept.
#[test]
fn an_oversize_file_that_somebody_took_away_does_not_end_the_keeping_of_the_budget() {
    let dir = dir();
    let (log, mood, told) = open(dir.path(), settings(Level::Os));
    fails(&mood.ghost, true);
    for id in ["a", "b", "c"] {
        log.put_aside(oversize(id));
        append_one(&log);
    }
    until(|| *told.dropped.lock() == 1);
    assert_eq!(*told.errors.lock(), [""; 0]);
}

#[test]
fn a_stop_that_gives_up_counts_the_files_that_it_did_not_write() {
    let dir = dir();
    let (log, mood, told) = open(dir.path(), settings(Level::Os));
    append_one(&log);
    fails(&mood.writes_fail, true);
    log.append(&mut batch(2..=2)).expect("it is taken");
    until(|| log.usage().poisoned);
    log.put_aside(oversize("a"));
    log.put_aside(oversize("b"));
    assert_eq!(log.close(Duration::from_millis(300)), 1);
    let asides = told.errors.lock().iter().filter(|error| **error == "aside").count();
    assert_eq!(asides, 2);
}

/// NFS and FUSE may not reserve space; segments were never prepared there, and each second said so.
#[test]
fn a_file_system_that_reserves_nothing_gets_segments_that_grow() {
    let dir = dir();
    let mood = Arc::new(Mood::default());
    fails(&mood.no_reserve, true);
    let (log, told) = open_in(dir.path(), settings(Level::Os), &mood);
    let log = log.expect("it opens");
    until(|| log.shared.desk.lock().ahead.is_some());
    for _ in 0..20 {
        append_one(&log);
    }
    assert_eq!(read_all(&log, 1), whole(1..=20));
    assert_eq!(*told.errors.lock(), [""; 0]);
}
