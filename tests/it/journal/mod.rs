//! The journal on disk, over storage that loses and refuses what real devices may.
//!
//! In: runs of the log that are killed, lose power, meet faults, and files that were bent by hand.
//! Out: one verdict each, always by the same judge, [`oracle`]: what was promised is there, in order,
//! byte for byte, and nothing else is. The files are those of issue 5's proof: [`model`] is the state
//! machine, [`crash_images`] takes recorded runs to each of their moments, [`bent_files`] flips bits,
//! cuts and pads, [`golden`] opens journals of every format that was ever written.
//!
//! `JOURNAL_CASES=n` multiplies the work of the seeded ones by n; `JOURNAL_SEED=n` repeats one run.

mod bent_files;
mod crash_images;
mod golden;
mod model;
mod oracle;

use imbridge::journal::disk::{DiskLog, JournalObserver, OpenError, Settings};
use imbridge::journal::storage::sim::{Disk, SimStorage};
use imbridge::journal::{Level, Log, Sequence};
use imbridge::record::{Batch, Head};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

/// Longest that anything may take that is bound to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the log tells while it works.
#[derive(Debug, Default)]
struct Told {
    damaged: AtomicU64,
    quarantined_bytes: AtomicU64,
}

impl Told {
    /// Records that could not be read, and bytes in quarantine.
    fn counts(&self) -> (u64, u64) {
        (self.damaged.load(Ordering::SeqCst), self.quarantined_bytes.load(Ordering::SeqCst))
    }
}

impl JournalObserver for Told {
    fn written(&self, _seconds: f64) {}
    fn synced(&self, _seconds: f64) {}
    fn error(&self, _operation: &'static str) {}
    fn damaged(&self, records: u64) {
        self.damaged.fetch_add(records, Ordering::SeqCst);
    }
    // Two threads tell it, and nothing is taken out in these tests.
    fn quarantined_bytes(&self, bytes: u64) {
        self.quarantined_bytes.fetch_max(bytes, Ordering::SeqCst);
    }
    fn oversize_file_dropped(&self) {}
    fn poisoned(&self, _now: bool) {}
}

/// Settings with which a few frames fill a segment.
fn tiny(ack: Level, segment_bytes: u64) -> Settings {
    Settings { ack, bytes_max: 1 << 20, free_bytes_min: 0, segment_bytes, oversize_bytes_max: 4096 }
}

/// Threads of the log that panicked, in all tests: a panic there is seen by nobody else.
static PANICS: AtomicU64 = AtomicU64::new(0);
static WATCH: Once = Once::new();

/// Fails when a thread of a log has panicked.
fn assert_no_panic() {
    assert_eq!(PANICS.load(Ordering::SeqCst), 0, "a thread of a log panicked, see above");
}

fn watch_panics() {
    WATCH.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            before(panic);
            // Tests are named by their path.
            let thread = std::thread::current();
            let is_ours = |name: &str| name.starts_with("journal") && !name.contains("::");
            PANICS.fetch_add(u64::from(thread.name().is_some_and(is_ours)), Ordering::SeqCst);
        }));
    });
}

fn open(storage: &Arc<SimStorage>, settings: &Settings) -> Result<Arc<DiskLog>, OpenError> {
    open_told(storage, settings).map(|(log, _)| log)
}

/// The same, and what it tells.
fn open_told(
    storage: &Arc<SimStorage>,
    settings: &Settings,
) -> Result<(Arc<DiskLog>, Arc<Told>), OpenError> {
    watch_panics();
    assert_no_panic();
    let told = Arc::new(Told::default());
    let observer = Arc::<Told>::clone(&told);
    let log = DiskLog::open(Arc::clone(storage) as Arc<_>, settings.clone(), observer)?;
    Ok((log, told))
}

/// An empty queue was written like any other: nothing had been appended within a second of the start,
/// the position in front of the first of no records was asked for, and the journal's thread panicked.
#[test]
fn a_log_that_had_nothing_to_do_for_a_second_takes_records() {
    for level in [Level::Os, Level::Fsync] {
        let storage = Arc::new(SimStorage::new(Disk::default()));
        let log = open(&storage, &tiny(level, 500)).expect("an empty directory can be used");
        std::thread::sleep(Duration::from_millis(1300));
        log.append(&mut record(1, 10)).expect("there is room");
        assert!(wait_durable(&log, 1, PATIENCE));
        assert_eq!(log.close(PATIENCE), 0);
    }
    assert_no_panic();
}

/// A record that no other one equals, of about so many bytes.
fn record(number: u64, bytes: usize) -> Batch {
    let id = format!("{number:032x}");
    let filler = u8::try_from(number % 251).expect("below 251");
    let head = Head { id: &id, topic: "t", key: Some(b"k"), timestamp_ms: 0 };
    let mut batch = Batch::new();
    batch.push(&head, &[("h", b"v")], &vec![filler; bytes]);
    batch
}

/// Whether a file is a segment that the journal looks at.
fn is_segment(name: &str) -> bool {
    name.strip_suffix(".seg").is_some_and(|first| !first.contains('/'))
}

/// Waits until something holds; `false` when it does not in time.
fn eventually(within: Duration, holds: impl Fn() -> bool) -> bool {
    let started = Instant::now();
    while !holds() {
        if started.elapsed() > within {
            return false;
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    true
}

/// Waits until a position is as safe as the level promises.
fn wait_durable(log: &DiskLog, upto: u64, within: Duration) -> bool {
    eventually(within, || log.durable() >= Sequence(upto))
}

/// How many times the usual work is to be done.
fn effort() -> u32 {
    std::env::var("JOURNAL_CASES").map_or(1, |times| times.parse().expect("a number"))
}

/// The seed of this run; every failure names it.
fn seed() -> u64 {
    std::env::var("JOURNAL_SEED")
        .map_or_else(|_| fastrand::u64(..), |seed| seed.parse().expect("a number"))
}
