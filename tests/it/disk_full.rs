//! A journal that has no room left: its budget is used up, or its disk is.
//!
//! In: little room, load, and Kafka that takes nothing for a while, or somebody else who fills the
//! disk. Out: what senders are told meanwhile (the load insists on answers that parse, `Retry-After`,
//! and decisions as ever), that it goes on by itself, and whether everything promised is in Kafka.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::kafka::{self, Broker, kafka_or_skip};
use crate::support::load::{Load, Obligations, Outcome, Plan, Sent};
use crate::support::process::{Bridge, SOON, wait_for};
use crate::support::scene::Scene;

/// `IMBRIDGE_HOLD_MILLISECONDS` of these tests.
const HOLD: Duration = Duration::from_millis(400);
/// How much longer than the hold a busy machine may take.
const SLACK: Duration = Duration::from_secs(2);

/// Messages of some 5 kB, so that little room is used up soon.
fn plan() -> Plan {
    Plan { text_bytes: 4_000, pause: Duration::from_millis(2), before_every: 2, ..Plan::default() }
}

fn scene(name: &str) -> Scene {
    let hold = HOLD.as_millis().to_string();
    Scene::new(name, "os")
        .set("HOLD_MILLISECONDS", &hold)
        .set("JOURNAL_SEGMENT_BYTES", "1048576")
        .set("JOURNAL_FREE_BYTES_MIN", "1")
}

fn wait_until_refusing(load: &Load) {
    let wanted = load.refused() + 30;
    wait_for("callbacks are refused", SOON, || (load.refused() >= wanted).then_some(()));
}

/// As [`wait_until_refusing`], while all room that the journal gives back is taken from it.
fn wait_until_refusing_on(disk: &SmallDisk, load: &Load) {
    let wanted = load.refused() + 30;
    wait_for("callbacks are refused", SOON, || {
        disk.fill();
        (load.refused() >= wanted).then_some(())
    });
}

/// Stops Kafka until callbacks are refused for a while and `/ready` says why, looks what that is
/// like, and lets Kafka and the callbacks go on. Returns between which moments everything was refused.
fn refuse_while_kafka_rests(
    broker: &mut Broker,
    (bridge, load): (&Bridge, &Load),
    why: &str,
    look: impl FnOnce(),
) -> (Instant, Instant) {
    broker.sigstop();
    wait_until_refusing(load);
    let full = Instant::now();
    wait_until_refusing(load);
    bridge.wait_until_degraded(why, SOON);
    look();
    let upto = Instant::now();
    broker.sigcont();
    load.wait_for_accepted(200, SOON);
    (full, upto)
}

/// No callback was refused before the hold time was over: the journal still had room when the last
/// one was sent that it took before the first refusal.
fn assert_held_at_first(obligations: &Obligations) {
    let after = || obligations.sent.iter().filter(|one| !one.message.asks);
    let answered = |one: &Sent| one.at + one.took;
    let refused = after().filter(|one| one.outcome == Outcome::Refused(503)).map(answered);
    let first = refused.min().expect("callbacks were refused");
    let taken = after().filter(|one| one.outcome == Outcome::Accepted && answered(one) < first);
    let last = taken.map(|one| one.at).max().expect("callbacks were taken before");
    let held = first - last;
    eprintln!("the first refusal came {held:?} after the last callback that was taken");
    assert!(held >= HOLD, "refused {held:?} after one was taken, before the hold time was over");
}

/// Refusals of after-callbacks were as promised: none before the hold time was over, none much
/// later; once it is over, at once.
fn assert_held_and_refused(obligations: &Obligations, (from, upto): (Instant, Instant)) {
    assert_held_at_first(obligations);
    let answers = obligations.latencies(false, from, upto);
    let refused: Vec<Duration> = answers
        .iter()
        .filter(|(_, outcome)| *outcome == Outcome::Refused(503))
        .map(|one| one.0)
        .collect();
    let (median, slowest) = (refused[refused.len() / 2], refused[refused.len() - 1]);
    eprintln!("{} refused: median {median:?}, slowest {slowest:?}", refused.len());
    assert!(slowest < HOLD + SLACK, "held for {slowest:?}");
    assert!(median < HOLD / 2, "held although the hold time was over: {median:?}");
    let asked = obligations.latencies(true, from, upto);
    let (median, _) = asked[asked.len() / 2];
    eprintln!("{} decided meanwhile: median {median:?}", asked.len());
    assert!(asked.iter().all(|(_, outcome)| *outcome == Outcome::Accepted));
    assert!(median < HOLD / 4, "decisions waited: {median:?}");
}

fn dropped(bridge: &Bridge, reason: &str) -> u64 {
    bridge.count(&format!("decisions_dropped_total{{reason=\"{reason}\"}}"))
}

#[test]
fn a_budget_that_is_used_up_refuses_with_an_answer_and_takes_again_when_there_is_room() {
    kafka_or_skip!();
    let mut broker = kafka::breakable();
    let scene = scene("budget").set("JOURNAL_BYTES_MAX", "8388608");
    let bridge = scene.start(&broker.bootstrap());
    let load = Load::start(plan());
    load.aim(Some(bridge.callbacks()));
    load.wait_for_accepted(50, SOON);
    let refused = "callbacks_refused_total{provider=\"openim\",reason=\"journal\"}";
    let both = (&bridge, &load);
    let full = refuse_while_kafka_rests(&mut broker, both, "journal: full", || {
        assert!(bridge.metric(refused) > 0.0);
        wait_for("decisions are dropped", SOON, || (dropped(&bridge, "full") > 0).then_some(()));
        let journal = &bridge.status()["journal"];
        assert!(journal["bytes"].as_u64() <= journal["bytes_max"].as_u64(), "{journal}");
    });
    let proof = scene.finish(&broker, bridge, load);
    proof.assert_whole();
    assert_held_and_refused(&proof.obligations, full);
}

/// A file system of its own, gone with the handle.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where nothing can be mounted.
    ///
    /// # Panics
    /// There, when `REQUIRE_KAFKA` is `1`: nothing may be skipped then.
    fn mount(at: &Path, bytes: u64) -> Option<Self> {
        fs::create_dir_all(at).expect("the build's directory can be written to");
        let size = format!("size={bytes}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "imbridge-test"])
            .arg(at)
            .output();
        if mounted.as_ref().is_ok_and(|done| done.status.success()) {
            return Some(Self(at.to_owned()));
        }
        let required = std::env::var_os("REQUIRE_KAFKA").is_some_and(|value| value == "1");
        assert!(!required, "nothing may be skipped, and no tmpfs can be mounted: {mounted:?}");
        eprintln!("skipped: no tmpfs can be mounted here");
        None
    }

    /// Fills it to the last byte with a file that is not the journal's.
    fn fill(&self) {
        use std::io::Write;
        let mut file = fs::OpenOptions::new().create(true).append(true).open(self.ballast());
        let file = file.as_mut().expect("a name is left");
        for size in [1 << 20, 4096, 1] {
            let piece = vec![0; size];
            while file.write_all(&piece).is_ok() {}
        }
    }

    fn empty(&self) {
        fs::remove_file(self.ballast()).expect("it was filled");
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open does not keep it.
        let _unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_is_full_refuses_with_an_answer_and_loses_nothing_even_over_a_kill() {
    kafka_or_skip!();
    let mut broker = kafka::breakable();
    // No floor: the disk itself says that it is full, in the middle of a write.
    let scene =
        scene("disk").set("JOURNAL_BYTES_MAX", "1073741824").set("JOURNAL_FREE_BYTES_MIN", "0");
    let at = scene.dir().join("small");
    let Some(disk) = SmallDisk::mount(&at, 16 << 20) else { return };
    let journal = at.join("journal");
    let scene = scene.set("JOURNAL_DIR", journal.to_str().expect("cargo's paths are UTF-8"));
    let bridge = scene.start(&broker.bootstrap());
    let load = Load::start(plan());
    load.aim(Some(bridge.callbacks()));
    load.wait_for_accepted(50, SOON);

    // Filled by the journal itself, for Kafka takes nothing.
    let errors = |operation: &str| {
        bridge.count(&format!("journal_errors_total{{operation=\"{operation}\"}}"))
    };
    let full = refuse_while_kafka_rests(&mut broker, (&bridge, &load), "journal", || {
        let errors = ["create", "prepare", "write"].map(errors);
        eprintln!("create, prepare, write: {errors:?} errors of the disk");
        assert!(errors.iter().sum::<u64>() > 0, "the disk itself has said that it is full");
    });
    eprintln!("full by records: taken again");

    // Filled by somebody else while Kafka takes everything.
    wait_until_refusing_on(&disk, &load);
    bridge.wait_until_degraded("journal", SOON);
    // Killed, and started again on a disk without a free byte.
    let log = bridge.kill();
    assert!(!log.iter().any(|line| line.contains("panicked")), "{log:#?}");
    let bridge = scene.start(&broker.bootstrap());
    load.aim(Some(bridge.callbacks()));
    wait_until_refusing_on(&disk, &load);
    disk.empty();
    load.wait_for_accepted(200, SOON);
    eprintln!("full by somebody else: taken again");

    let proof = scene.finish(&broker, bridge, load);
    proof.assert_whole();
    assert_held_and_refused(&proof.obligations, full);
}
