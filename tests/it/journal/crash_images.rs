//! Recorded runs, ended at every moment in every way.
//!
//! In: a scripted run with roll-over, checkpoints, deletion, quarantine, a failed sync and events put
//! aside, and for each change of the disk what the log had promised right before it. Out: for every
//! moment the disks that a kill, a kill in the middle of a write and power losses may leave, each
//! judged by [`oracle`]. Where few things are unsafe all power losses are tried, otherwise the
//! extremes and a seeded sample.

use super::oracle::{Promise, Truth, becomes_durable, judge, walk};
use super::{PATIENCE, effort, eventually, is_segment, open, record, seed, tiny};
use imbridge::journal::disk::{DiskLog, Settings};
use imbridge::journal::storage::sim::{Change, Disk, Failure, Fault, Operation, SimStorage, Trace};
use imbridge::journal::{Aside, Folder, Level, Log, Sequence};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

/// Power losses that are tried at a moment, at most.
const LOSSES_MAX: usize = 64;

/// What the log had said right before a change.
#[derive(Debug, Clone, Copy, Default)]
struct Moment {
    durable: u64,
    written: u64,
    confirmed: u64,
}

/// One process, recorded from before its opening to behind its stop.
struct Recorded {
    settings: Settings,
    truth: Truth,
    trace: Trace,
    /// One for each change, and one for the end.
    moments: Vec<Moment>,
    /// A file that was put aside at once, and the moment from which it is safe.
    aside: Option<(String, usize)>,
}

/// A process at work, whose every change is noted.
struct Process {
    settings: Settings,
    storage: Arc<SimStorage>,
    log: Arc<DiskLog>,
    truth: Truth,
    confirmed: Arc<AtomicU64>,
    moments: Arc<Mutex<Vec<Moment>>>,
    number: u64,
    aside: Option<(String, usize)>,
}

impl Process {
    /// `before`: what is known of the disk already.
    fn start(disk: Disk, settings: &Settings, truth: Truth, before: Moment) -> Self {
        let storage = Arc::new(SimStorage::new(disk));
        let moments = Arc::new(Mutex::new(Vec::new()));
        let confirmed = Arc::new(AtomicU64::new(before.confirmed));
        let opened: Arc<OnceLock<Weak<DiskLog>>> = Arc::default();
        {
            let (moments, confirmed) = (Arc::clone(&moments), Arc::clone(&confirmed));
            let opened = Arc::clone(&opened);
            storage.record(Box::new(move |_| {
                let log = opened.get().and_then(Weak::upgrade);
                let moment = log.map_or(before, |log| Moment {
                    durable: log.durable().0,
                    written: log.written().0,
                    confirmed: confirmed.load(Ordering::SeqCst),
                });
                moments.lock().push(moment);
            }));
        }
        let log = open(&storage, settings).expect("it opens");
        opened.set(Arc::downgrade(&log)).expect("set once");
        let number = 1000 * (1 + truth.last());
        let settings = settings.clone();
        Self { settings, storage, log, truth, confirmed, moments, number, aside: None }
    }

    fn append(&mut self, sizes: &[usize]) {
        let mut batch = imbridge::record::Batch::new();
        for bytes in sizes {
            self.number += 1;
            batch.extend(&record(self.number, *bytes));
        }
        let copy = batch.clone();
        let range = self.log.append(&mut batch).expect("there is room");
        self.truth.appended(&range, &copy);
    }

    fn settle(&self) {
        let last = self.truth.last();
        if self.settings.ack == Level::Kafka {
            assert!(eventually(PATIENCE, || self.log.written() >= Sequence(last)), "written");
        } else {
            becomes_durable(&self.log, last).expect("nothing stands in the way for ever");
        }
    }

    fn confirm(&self, upto: u64) {
        self.confirmed.store(upto, Ordering::SeqCst);
        self.log.confirm(Sequence(upto));
    }

    fn fail_once(&self, operation: Operation, ending: &'static str) {
        let (skip, times, failure) = (0, 1, Failure::Io);
        self.storage.fail(Fault { operation, ending, skip, times, failure });
    }

    fn end(mut self) -> Recorded {
        assert_eq!(self.log.close(PATIENCE), 0, "records left by the stop");
        let end = Moment {
            durable: self.truth.last(),
            written: self.truth.last(),
            confirmed: self.confirmed.load(Ordering::SeqCst),
        };
        self.log.uuid().clone_into(&mut self.truth.uuid);
        let trace = self.storage.recorded().expect("it was recorded");
        drop(self.log);
        let mut moments = std::mem::take(&mut *self.moments.lock());
        moments.truncate(trace.changes.len());
        assert_eq!(moments.len(), trace.changes.len());
        moments.push(end);
        let (settings, truth, aside) = (self.settings, self.truth, self.aside);
        Recorded { settings, truth, trace, moments, aside }
    }
}

/// The first process: everything that happens to a journal in its life.
fn first_run(level: Level) -> Recorded {
    let mut process =
        Process::start(Disk::default(), &tiny(level, 500), Truth::default(), Moment::default());
    for size in [10, 120, 60] {
        process.append(&[size]);
        process.settle();
    }
    process.append(&[20, 700, 20, 300]);
    let aside = |folder, id: &str| Aside { folder, id: id.to_owned(), json: vec![b'j'; 600] };
    process.log.put_aside(aside(Folder::Oversize, "a"));
    process.append(&[30]);
    process.settle();
    process.log.put_aside_now(&aside(Folder::DeadLetter, "b")).expect("there is room");
    process.aside = Some(("deadletter/b.json".to_owned(), process.moments.lock().len()));
    process.confirm(4);
    let first = "00000000000000000001.seg";
    assert!(eventually(PATIENCE, || process.storage.disk().content(first).is_none()), "deletion");
    process.append(&[35]);
    process.settle();
    process.fail_once(Operation::Sync, ".seg");
    process.append(&[40, 50]);
    assert!(eventually(PATIENCE, || process.storage.ordered() == 0), "a sync fails");
    process.append(&[60]);
    process.settle();
    process.fail_once(Operation::Write, ".seg");
    process.append(&[70]);
    process.append(&[80, 90]);
    assert!(eventually(PATIENCE, || process.storage.ordered() == 0), "a write fails");
    process.settle();
    process.confirm(6);
    process.append(&[100, 100, 100]);
    process.settle();
    process.end()
}

/// The second process: finds a segment with a bit that flipped, and goes on.
fn second_run(first: &Recorded) -> Recorded {
    let mut disk = first.trace.start.clone();
    first.trace.changes.iter().for_each(|change| disk.apply(change));
    let mut disk = disk.after_kill();
    let before = *first.moments.last().expect("there is an end");
    let mut truth = first.truth.clone();
    let bent = before.confirmed + 2;
    let bytes = truth.records.remove(&bent).expect("it was appended");
    flip_in(&mut disk, &bytes);
    truth.lost.insert(bent);
    let mut process = Process::start(disk, &first.settings, truth, before);
    process.append(&[10, 20]);
    process.settle();
    let found = walk(&process.log).expect("it can be read");
    assert_eq!(found.damaged, [bent..=bent]);
    process.confirm(bent + 1);
    process.append(&[30, 400]);
    process.settle();
    process.end()
}

/// Flips a bit in the last byte of a record, wherever it stands.
fn flip_in(disk: &mut Disk, record: &[u8]) {
    let mut flipped = false;
    for (name, mut content) in disk.contents() {
        let at = content.windows(record.len()).position(|bytes| bytes == record);
        if let Some(at) = at.filter(|_| is_segment(&name)) {
            content[at + record.len() - 1] ^= 1;
            disk.put(&name, &content);
            flipped = true;
        }
    }
    assert!(flipped, "the record is on the disk");
}

/// The record that stands behind the event that was put aside without waiting, and its file.
const BEHIND_ASIDE: u64 = 8;
const ASIDE: &str = "oversize/a.json";

/// Judges disks, each only once.
struct Bench<'r> {
    run: &'r Recorded,
    seen: HashSet<u64>,
    judged: u32,
}

impl Bench<'_> {
    fn judge(&mut self, what: &str, at: usize, disk: Disk, promise: Promise) {
        let mut hasher = DefaultHasher::new();
        (disk.contents(), promise.safe, promise.confirmed).hash(&mut hasher);
        if !self.seen.insert(hasher.finish()) {
            return;
        }
        self.judged += 1;
        let names: Vec<(String, usize)> =
            disk.contents().into_iter().map(|(name, bytes)| (name, bytes.len())).collect();
        let asides = self.asides(at, &disk, promise);
        let judged = judge(disk, &self.run.settings, &self.run.truth, promise);
        if let Err(problem) = asides.and_then(|()| judged.map(|_| ())) {
            let changes: Vec<String> =
                self.run.trace.changes[at.saturating_sub(12)..at].iter().map(short).collect();
            panic!("{what} before change {at}: {problem}\n{names:?}\n{}", changes.join("\n"));
        }
    }

    /// Whether the events that were put aside are whole, and there when they are promised to be.
    fn asides(&self, at: usize, disk: &Disk, promise: Promise) -> Result<(), String> {
        let Some((now, from)) = &self.run.aside else { return Ok(()) };
        let due = [(now.as_str(), at >= *from), (ASIDE, promise.safe >= BEHIND_ASIDE)];
        for (name, due) in due {
            match disk.content(name) {
                Some(content) if content == [b'j'; 600] => {}
                None if !due => {}
                // At level os a file that waits for its sync may be anything after a power loss.
                Some(_) if !due && self.run.settings.ack == Level::Os => {}
                found => return Err(format!("{name} is {:?}", found.map(|content| content.len()))),
            }
        }
        Ok(())
    }

    /// The ways in which the run may end before a change.
    fn end_before(&mut self, at: usize, disk: &Disk, random: &mut fastrand::Rng) {
        let moment = self.run.moments[at];
        let (told, confirmed) = (moment.written, moment.confirmed);
        let same = moment.written > 0;
        let killed = Promise { safe: moment.written, confirmed, told, same };
        self.judge("a kill", at, disk.after_kill(), killed);
        if let Some(Change::Write { file, at: offset, bytes }) = self.run.trace.changes.get(at) {
            for _ in 0..3 {
                let cut = random.usize(..=bytes.len());
                let change = Change::Write { file: *file, at: *offset, bytes: bytes[..cut].into() };
                let mut disk = disk.clone();
                disk.apply(&change);
                self.judge("a kill in a write", at, disk.after_kill(), killed);
            }
        }
        let fsync = self.run.settings.ack == Level::Fsync;
        let safe = if fsync { moment.durable } else { self.run.moments[0].durable };
        let lost = Promise { safe, confirmed, told, same: fsync && same };
        let mut all = all_losses(disk);
        if all.is_empty() {
            all.push(disk.after_power_loss(&mut |_| 0));
            all.push(disk.after_power_loss(&mut |of| of - 1));
            while all.len() < LOSSES_MAX {
                all.push(disk.after_power_loss(&mut |of| random.usize(..of)));
            }
        }
        for left in all {
            self.judge("a power loss", at, left, lost);
        }
    }
}

/// Every disk that a power loss may leave; none when those are more than are tried.
fn all_losses(disk: &Disk) -> Vec<Disk> {
    let mut left = Vec::new();
    let mut path: Vec<(usize, usize)> = Vec::new();
    loop {
        let mut depth = 0;
        left.push(disk.after_power_loss(&mut |of| {
            if depth == path.len() {
                path.push((0, of));
            }
            depth += 1;
            path[depth - 1].0
        }));
        if left.len() > LOSSES_MAX {
            return Vec::new();
        }
        while path.last().is_some_and(|(chosen, of)| chosen + 1 == *of) {
            path.pop();
        }
        match path.last_mut() {
            Some(last) => last.0 += 1,
            None => return left,
        }
    }
}

/// A change without its bytes.
fn short(change: &Change) -> String {
    match change {
        Change::Write { file, at, bytes } => format!("Write {file} {at}+{}", bytes.len()),
        other => format!("{other:?}"),
    }
}

/// Ends a recorded run everywhere.
fn end_everywhere(run: &Recorded, what: &str) {
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bench = Bench { run, seen: HashSet::new(), judged: 0 };
    let moments = run.moments.len();
    for _ in 0..effort() {
        let mut disk = run.trace.start.clone();
        for at in 0..moments {
            bench.end_before(at, &disk, &mut random);
            if let Some(change) = run.trace.changes.get(at) {
                disk.apply(change);
            }
        }
    }
    assert!(bench.judged > 30, "{what}: {} different disks", bench.judged);
    eprintln!("{what}: {moments} moments, {} disks, JOURNAL_SEED={seed}", bench.judged);
}

fn every_moment(level: Level) {
    let first = first_run(level);
    let second = second_run(&first);
    end_everywhere(&first, "first run");
    end_everywhere(&second, "second run");
}

#[test]
fn at_level_fsync_every_moment_of_a_run_may_be_its_last() {
    every_moment(Level::Fsync);
}

#[test]
fn at_level_os_every_moment_of_a_run_may_be_its_last() {
    every_moment(Level::Os);
}

/// A background sync had failed, and the segment waited a second for its next try to be written
/// again; a stop in that second closed the journal in good order, and a power loss behind it cost
/// records. Now the stop writes them again.
#[test]
fn a_stop_soon_after_a_failed_sync_leaves_everything_synced() {
    let settings = tiny(Level::Os, 200);
    let storage = Arc::new(SimStorage::new(Disk::default()));
    let log = open(&storage, &settings).expect("an empty directory can be used");
    // The sync of a segment, and that of the first try to write it again.
    let (operation, failure) = (Operation::Sync, Failure::Io);
    for ending in [".seg", ".tmp"] {
        storage.fail(Fault { operation, ending, skip: 0, times: 1, failure });
    }
    let mut truth = Truth { uuid: log.uuid().to_owned(), ..Truth::default() };
    for number in 1..=3 {
        let mut batch = record(number, 100);
        let copy = batch.clone();
        truth.appended(&log.append(&mut batch).expect("there is room"), &copy);
    }
    assert!(eventually(PATIENCE, || storage.ordered() == 0), "both syncs fail");
    assert_eq!(log.close(PATIENCE), 0);
    let left = storage.disk().after_power_loss(&mut |_| 0);
    let promise = Promise { safe: 3, confirmed: 0, told: 3, same: true };
    judge(left, &settings, &truth, promise).expect("a stop has synced everything");
}
