//! SIGKILL at random moments, again and again, over one journal.
//!
//! In: a seed. Out: whether everything that was promised before each death is in Kafka afterwards,
//! in order, once or marked. `KILL_ROUNDS` says how often (3 unless set); `KILL_SEED` repeats a run.
//! From the fourth round on Kafka has its own troubles, so that there is a backlog to recover.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::kafka::{self, kafka_or_skip};
use crate::support::load::{Load, Plan};
use crate::support::process::{SOON, wait_for};
use crate::support::scene::{Scene, confirmed};

/// Rounds unless `KILL_ROUNDS` says otherwise.
const ROUNDS: u64 = 3;
/// Rounds in which Kafka is left alone.
const QUIET_ROUNDS: u64 = 3;
/// Records that one death may leave unconfirmed although Kafka has them: what is in flight, and
/// what was confirmed since the last checkpoint.
const REPEATS_PER_DEATH: u64 = 8_000;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text:?}")))
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
    let (mut deaths, mut starts) = (0, Vec::new());
    for round in 0..rounds {
        let level = if round % 2 == 0 { "os" } else { "fsync" };
        scene = scene.set("ACK", level);
        for _ in 0..random.u8(0..3) {
            // Within the start: before, while and after the journal is opened.
            scene.start_and_kill(&broker.bootstrap(), Duration::from_millis(random.u64(0..120)));
            deaths += 1;
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
        thread::sleep(Duration::from_millis(random.u64(0..200)));
        let log = bridge.kill();
        deaths += 1;
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
    eprintln!("{deaths} deaths; slowest start {:?}; KILL_SEED={seed}", starts.last());
    let most = deaths * REPEATS_PER_DEATH;
    assert!(findings.repeats <= most, "{findings} after {deaths} deaths, KILL_SEED={seed}");
}
