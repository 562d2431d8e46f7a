//! SIGKILL at random moments, again and again, over one journal.
//!
//! In: a seed. Out: whether everything that was promised before each death is in Kafka afterwards,
//! in order, once or marked. `KILL_ROUNDS` says how often (3 unless set); `KILL_SEED` repeats a run.
//! From the fourth round on Kafka has its own troubles, so that there is a backlog to recover.

use std::thread;
use std::time::{Duration, Instant};

use imbridge::journal::disk::scan::{SegmentView, scan};
use imbridge::journal::storage::disk::DiskStorage;

use crate::support::kafka::{self, kafka_or_skip};
use crate::support::load::{Load, Plan};
use crate::support::process::{SOON, wait_for};
use crate::support::scene::{Scene, confirmed};

/// Rounds unless `KILL_ROUNDS` says otherwise.
const ROUNDS: u64 = 3;
/// Rounds in which Kafka is left alone.
const QUIET_ROUNDS: u64 = 3;
/// What is confirmed is in the checkpoint within this, on a busy machine: it is written ten times a
/// second.
const CHECKPOINT_WITHIN: Duration = Duration::from_secs(2);

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text:?}")))
}

/// What a dead bridge has left in its journal.
struct Left {
    /// Kafka has everything up to here, by the checkpoint.
    confirmed: u64,
    /// Records behind that: those in flight, those confirmed since the checkpoint, and the backlog.
    /// Only these can come twice.
    records: u64,
}

fn left(scene: &Scene) -> Left {
    // Some die before they have made it.
    let Ok(storage) = DiskStorage::read_only(&scene.journal_dir()) else {
        return Left { confirmed: 0, records: 0 };
    };
    let view = scan(&storage).expect("a journal without an owner can be read");
    let records = |segment: &SegmentView| {
        let behind = view.confirmed.0.saturating_sub(segment.first.0 - 1);
        segment.records.saturating_sub(behind)
    };
    Left { confirmed: view.confirmed.0, records: view.segments.iter().map(records).sum() }
}

#[test]
fn a_bridge_that_is_killed_at_any_moment_has_lost_nothing_that_it_promised() {
    kafka_or_skip!();
    let rounds = number("KILL_ROUNDS").unwrap_or(ROUNDS);
    let seed = number("KILL_SEED").unwrap_or_else(|| fastrand::u64(..));
    eprintln!("KILL_ROUNDS={rounds} KILL_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut broker = kafka::breakable();
    let mut scene = Scene::new("killed", "os").set("JOURNAL_SEGMENT_BYTES", "131072");
    let load = Load::start(Plan { pause: Duration::ZERO, ..Plan::default() });
    let (mut deaths, mut starts, mut most) = (0, Vec::new(), 0);
    for round in 0..rounds {
        let level = if round % 2 == 0 { "os" } else { "fsync" };
        scene = scene.set("ACK", level);
        for _ in 0..random.u8(0..3) {
            // Within the start: before, while and after the journal is opened.
            scene.start_and_kill(&broker.bootstrap(), Duration::from_millis(random.u64(0..120)));
            deaths += 1;
            most += left(&scene).records;
        }
        let trouble = if round < QUIET_ROUNDS { 0 } else { random.u8(0..4) };
        if trouble == 1 {
            broker.sigstop();
        }
        let began = Instant::now();
        let bridge = scene.start(&broker.bootstrap());
        starts.push(began.elapsed());
        load.aim(Some(bridge.callbacks()));
        load.wait_for_accepted(random.u64(1..800), SOON);
        // Some die before anything is shipped: a producer's first record takes half a second.
        if round % 3 != 0 && trouble != 1 {
            wait_for("records are confirmed", SOON, || (confirmed(&bridge) > 0).then_some(()));
        }
        if trouble == 2 {
            broker.sigkill();
            broker.start_again();
        }
        // Of one round in three it is looked whether its checkpoint keeps up.
        let known = (round % 3 == 1).then(|| {
            let known = bridge.status()["journal"]["confirmed_sequence"].as_u64();
            thread::sleep(CHECKPOINT_WITHIN);
            known.expect("a position")
        });
        thread::sleep(Duration::from_millis(random.u64(0..200)));
        let log = bridge.kill();
        deaths += 1;
        let left = left(&scene);
        let known = known.unwrap_or_default();
        assert!(left.confirmed >= known, "{known} is not in the checkpoint, KILL_SEED={seed}");
        most += left.records;
        load.aim(None);
        if trouble == 1 {
            broker.sigcont();
        }
        let panicked = log.iter().find(|line| line.contains("panicked"));
        assert_eq!(panicked, None, "KILL_SEED={seed}");
        eprintln!("round {round} at {level}, trouble {trouble}: {} accepted", load.accepted());
    }
    let bridge = scene.start(&broker.bootstrap());
    load.aim(Some(bridge.callbacks()));
    load.wait_for_accepted(100, SOON);
    let proof = scene.finish(&broker, bridge, load);
    proof.assert_whole();
    let findings = &proof.findings;
    starts.sort();
    eprintln!(
        "{deaths} deaths, {most} records left by them; slowest start {:?}; KILL_SEED={seed}",
        starts.last()
    );
    assert!(findings.repeats <= most, "{findings} after {deaths} deaths, KILL_SEED={seed}");
}
