//! What a large journal costs: time to start and to stop, memory, and how fast it is worked off.
//!
//! In: a flood of callbacks in front of a Kafka that takes nothing. Out: the figures of DESIGN.md 9
//! on standard error; asserted with room for a debug build and a busy machine. With
//! `PROOF_BINARY=PATH` that program is measured instead of the debug build, and the gates are the
//! design's; `PROOF_BACKLOG_BYTES` sets the backlog.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::flood::flood;
use crate::support::kafka::{self, kafka_or_skip};
use crate::support::process::{Bridge, SOON, is_release, wait_for};
use crate::support::scene::Scene;
use crate::support::serve::Kafka;

/// Backlog unless `PROOF_BACKLOG_BYTES` says otherwise.
const BACKLOG_BYTES: u64 = 200 << 20;
/// Memory that a backlog may take beside what a bridge has at rest: what is in flight in the shipper
/// and in librdkafka, the queue of the journal's thread, pieces that are read back.
const BACKLOG_MEMORY: u64 = 64 << 20;

fn scene(name: &str) -> Scene {
    Scene::new(name, "os")
        .set("JOURNAL_SEGMENT_BYTES", "67108864")
        .set("JOURNAL_BYTES_MAX", "34359738368")
        .set("WORKERS", "1")
}

fn journal_bytes(bridge: &Bridge) -> u64 {
    bridge.status()["journal"]["bytes"].as_u64().expect("a size")
}

#[test]
fn it_starts_soon_with_a_journal_of_64_mib_and_stops_soon_without_kafka() {
    let nobody = Kafka::nobody();
    let scene = scene("start");
    let bridge = scene.start(nobody.brokers());
    while journal_bytes(&bridge) < 64 << 20 {
        flood(bridge.callbacks(), 30_000, 200);
    }
    let status = bridge.status();
    let records = &status["journal"]["records"];
    bridge.kill();
    let began = Instant::now();
    let bridge = scene.start(nobody.brokers());
    let started = began.elapsed();
    assert_eq!(&bridge.status()["journal"]["records"], records, "all of it is there");
    let ended = bridge.stop();
    eprintln!("{records} records in 64 MiB: started in {started:?}, stopped in {:?}", ended.took);
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    let limits = if is_release() { [500, 2_000] } else { [5_000, 4_000] };
    let [start_max, stop_max] = limits.map(Duration::from_millis);
    assert!(started < start_max, "{started:?}");
    assert!(ended.took < stop_max, "{:?}", ended.took);
}

/// Looks at a process's memory all the time.
struct Watch {
    most: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Watch {
    fn on(bridge: &Bridge) -> Self {
        let (most, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (seen, over, memory) = (Arc::clone(&most), Arc::clone(&stop), bridge.memory());
        let thread = thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                seen.fetch_max(memory.resident_bytes(), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(20));
            }
        });
        Self { most, stop, thread: Some(thread) }
    }

    /// The most since the last look.
    fn most(&self) -> u64 {
        self.most.swap(0, Ordering::Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A second panic would hide the first.
            let _failed = thread.join().is_err();
        }
    }
}

#[test]
fn memory_stays_flat_while_a_backlog_grows_and_is_worked_off() {
    kafka_or_skip!();
    let wanted = std::env::var("PROOF_BACKLOG_BYTES").ok();
    let wanted = wanted.map(|text| text.parse().expect("PROOF_BACKLOG_BYTES is a number"));
    let wanted: u64 = wanted.unwrap_or(BACKLOG_BYTES);
    let mut broker = kafka::breakable();
    let scene = scene("backlog");
    let bridge = scene.start(&broker.bootstrap());
    // Events of 1.5 kB as in the benches; larger ones where a debug build has to write them.
    let text_bytes = if is_release() { 200 } else { 30_000 };
    let warm = flood(bridge.callbacks(), text_bytes, 500);
    bridge.drained(SOON);
    let watch = Watch::on(&bridge);
    thread::sleep(Duration::from_millis(200));
    let rest = watch.most();

    broker.sigstop();
    let part = if is_release() { 50_000 } else { 500 };
    let (mut callbacks, mut took) = (0, Duration::ZERO);
    while journal_bytes(&bridge) < wanted {
        let part = flood(bridge.callbacks(), text_bytes, part);
        callbacks += part.callbacks;
        took += part.took;
    }
    let backlog = journal_bytes(&bridge);
    let grown = watch.most();
    let began = Instant::now();
    broker.sigcont();
    let limit = 10 * SOON;
    wait_for("the backlog is worked off", limit, || {
        let records = bridge.status()["ledger"]["records"]["waiting"].as_u64();
        (records == Some(0)).then_some(())
    });
    let drained_in = began.elapsed();
    let drained = watch.most();
    drop(watch);

    let mib = |bytes: u64| bytes >> 20;
    #[expect(clippy::cast_precision_loss, reason = "a rate to look at")]
    let (ingest, drain) = {
        let callbacks = callbacks as f64;
        (callbacks / took.as_secs_f64(), callbacks / drained_in.as_secs_f64())
    };
    eprintln!(
        "{}: backlog {} MiB, {callbacks} events; memory {} MiB at rest, {} growing, {} draining",
        if is_release() { "release" } else { "debug" },
        mib(backlog),
        mib(rest),
        mib(grown),
        mib(drained)
    );
    eprintln!(
        "ingest {ingest:.0}/s with Kafka frozen ({:.0}/s with Kafka), drain {drain:.0}/s: {:.1} times",
        warm.rate(),
        drain / ingest
    );
    let status = bridge.drained(SOON);
    assert_eq!(status["ledger"]["records"]["confirmed"], status["ledger"]["records"]["appended"]);
    assert_eq!(bridge.stop().code, Some(0));
    assert!(grown.max(drained) < rest + BACKLOG_MEMORY, "{grown} and {drained} after {rest}");
    let times = if is_release() { 3.0 } else { 1.0 };
    assert!(drain >= times * ingest, "{drain:.0}/s after {ingest:.0}/s");
    let found = broker.count_prefix(&scene.prefix);
    assert!(found >= callbacks + warm.callbacks, "{found} records in Kafka");
}
