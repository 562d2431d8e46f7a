//! A disk that does not answer for ten seconds, under load.
//!
//! In: the bridge in this process over storage whose writes can be made to wait. Out: whether
//! permissions are decided as fast as before, whether nobody else waits for longer than the hold
//! time, and whether everything promised is in Kafka afterwards.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use imbridge::journal::storage::disk::DiskStorage;
use imbridge::journal::storage::{Found, Space, Storage, StoredFile};

use crate::support::kafka::{self, kafka_or_skip};
use crate::support::load::{Load, Obligations, Outcome, Plan};
use crate::support::oracle::judge;
use crate::support::process::{SOON, wait_for};
use crate::support::serve::{Builder, Kafka};

const CALM: Duration = Duration::from_secs(3);
const STALL: Duration = Duration::from_secs(10);
/// What is sent until so long after the stall's beginning is answered before its end.
const LATE: Duration = Duration::from_secs(7);
/// `IMBRIDGE_HOLD_MILLISECONDS` of this test.
const HOLD: Duration = Duration::from_millis(500);
/// How much longer than the hold a busy machine may take; far below the stall.
const SLACK: Duration = Duration::from_secs(2);

/// Holds everything that changes the disk while it is closed.
#[derive(Debug, Default)]
struct Gate {
    closed: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn set_closed(&self, closed: bool) {
        *self.closed.lock().expect("nobody panics with it") = closed;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let closed = self.closed.lock().expect("nobody panics with it");
        let _open =
            self.opened.wait_while(closed, |closed| *closed).expect("nobody panics with it");
    }
}

/// A real directory behind a gate. What is in the page cache can be read all the time.
#[derive(Debug)]
struct Gated {
    disk: DiskStorage,
    gate: Arc<Gate>,
}

#[derive(Debug)]
struct GatedFile {
    file: Arc<dyn StoredFile>,
    gate: Arc<Gate>,
}

impl Gated {
    fn new(dir: &Path, gate: &Arc<Gate>) -> Self {
        let disk = DiskStorage::new(dir).expect("the build's directory can be written to");
        Self { disk, gate: Arc::clone(gate) }
    }

    fn gated(&self, file: Arc<dyn StoredFile>) -> Arc<dyn StoredFile> {
        Arc::new(GatedFile { file, gate: Arc::clone(&self.gate) })
    }
}

impl Storage for Gated {
    fn lock(&self) -> io::Result<()> {
        self.disk.lock()
    }

    fn list(&self, folder: &str) -> io::Result<Vec<Found>> {
        self.disk.list(folder)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        self.disk.open(name).map(|file| self.gated(file))
    }

    fn create(&self, name: &str, space: Space) -> io::Result<Arc<dyn StoredFile>> {
        self.gate.pass();
        self.disk.create(name, space).map(|file| self.gated(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.gate.pass();
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.gate.pass();
        self.disk.remove(name)
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.gate.pass();
        self.disk.sync_folder(folder)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.disk.free_bytes()
    }
}

impl StoredFile for GatedFile {
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        self.gate.pass();
        self.file.write_at(bytes, at)
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        self.file.read_at(into, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.gate.pass();
        self.file.sync()
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.gate.pass();
        self.file.truncate(bytes)
    }

    fn bytes(&self) -> io::Result<u64> {
        self.file.bytes()
    }
}

/// Median, 99th percentile and worst of rising latencies.
fn spread(latencies: &[(Duration, Outcome)]) -> [Duration; 3] {
    let at = |part: usize| latencies[(latencies.len() - 1) * part / 100].0;
    [at(50), at(99), at(100)]
}

/// Permissions were decided all the while, about as fast as before.
fn assert_decided_as_ever(all: &Obligations, calm: Instant, stalled: Instant, over: Instant) {
    let (before, during) = (all.latencies(true, calm, stalled), all.latencies(true, stalled, over));
    assert!(during.iter().all(|(_, outcome)| *outcome == Outcome::Accepted));
    let (calm, stall) = (spread(&before), spread(&during));
    eprintln!(
        "{} decided before: {calm:?}; {} during the stall: {stall:?}",
        before.len(),
        during.len()
    );
    assert!(during.len() > before.len(), "fewer in ten seconds than in three");
    assert!(stall[0] < 3 * calm[0] + Duration::from_millis(2), "{stall:?} after {calm:?}");
    assert!(stall[2] < HOLD, "one waited for the disk: {stall:?}");
}

/// Reports were held for the hold time at most; then they were refused at once.
fn assert_held_no_longer(all: &Obligations, stalled: Instant) {
    let first = all.latencies(false, stalled, stalled + HOLD);
    let later = all.latencies(false, stalled + HOLD + SLACK, stalled + LATE);
    let (first, late) = (spread(&first), spread(&later));
    eprintln!("reports at the beginning of the stall: {first:?}; later: {late:?}");
    assert!(first[2].max(late[2]) < HOLD + SLACK, "{first:?}, {late:?}");
    assert!(late[0] < HOLD / 2, "held although the hold time was over: {late:?}");
    assert!(later.iter().all(|(_, outcome)| *outcome == Outcome::Refused(503)));
}

#[test]
fn a_disk_that_stalls_for_ten_seconds_stops_neither_decisions_nor_answers() {
    kafka_or_skip!();
    let (broker, prefix) = (kafka::shared(), kafka::topic_prefix("stall"));
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("it can be written to");
    let gate = Arc::new(Gate::default());
    let storage = Arc::new(Gated::new(dir.path(), &gate));
    let hold = HOLD.as_millis().to_string();
    let bridge = Builder::new(Kafka::at(&broker.bootstrap()))
        .set("TOPIC_PREFIX", &prefix)
        .set("TOPIC_BY", "kind")
        .set("TOPICS_CREATE", "true")
        .set("TOPIC_PARTITIONS", "2")
        .set("ACK", "fsync")
        .set("JOURNAL_DIR", dir.path().to_str().expect("it is text"))
        .set("HOLD_MILLISECONDS", &hold)
        .set("JOURNAL_SEGMENT_BYTES", "1048576")
        .set("JOURNAL_FREE_BYTES_MIN", "1")
        .set("DRAIN_SECONDS", "5")
        .start_over(Some(storage));
    let load = Load::start(Plan { before_every: 2, ..Plan::default() });
    load.aim(Some(bridge.callbacks));
    load.wait_for_accepted(300, SOON);

    let calm = Instant::now();
    thread::sleep(CALM);
    let stalled = Instant::now();
    gate.set_closed(true);
    thread::sleep(STALL);
    let status = bridge.ready().text();
    let over = Instant::now();
    gate.set_closed(false);
    load.wait_for_accepted(300, SOON);
    let mut all = load.end();
    all.add(bridge.callbacks);

    wait_for("everything is in Kafka", SOON, || {
        (bridge.status()["ledger"]["records"]["waiting"] == 0).then_some(())
    });
    bridge.assert_ledger_even();
    assert_eq!(bridge.stop(), 0);
    let findings = judge(broker, &prefix, &all);
    eprintln!("{findings}");
    findings.assert_whole();
    assert!(status.contains("journal:"), "the stall is said aloud: {status}");
    assert_decided_as_ever(&all, calm, stalled, over);
    assert_held_no_longer(&all, stalled);
}
