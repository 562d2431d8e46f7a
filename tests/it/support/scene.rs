//! What the proofs of the journal have in common: a directory, settings, a beginning and an end.
//!
//! In: a name, an ack level, a broker. Out: bridges over one journal directory, one after the other,
//! and at last the judgement over all that was sent. Invariants: the directory is on the disk that
//! the build is on, and goes with the scene; the end is the same for every proof ([`Scene::finish`]).

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::kafka::{self, Broker};
use super::load::{Load, Obligations};
use super::oracle::{Findings, judge};
use super::process::{Bridge, SOON, wait_for};

/// Without a callback for so long, every thread of the bridge is asleep.
const IDLE: Duration = Duration::from_millis(1500);
/// An event that nothing is in the way of is in Kafka within this, on a busy machine.
const PASSES_WITHIN: Duration = Duration::from_secs(10);

/// One journal and its settings.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) prefix: String,
    dir: TempDir,
    vars: Vec<(String, String)>,
}

/// A load that has come to its end.
#[derive(Debug)]
pub(crate) struct Proof {
    pub(crate) findings: Findings,
    pub(crate) obligations: Obligations,
    /// `/status` after everything was drained.
    pub(crate) status: Value,
}

impl Scene {
    /// A journal with small segments, so that they are rolled over and removed all the time.
    pub(crate) fn new(name: &str, level: &str) -> Self {
        let dir =
            tempfile::Builder::new().prefix("journal-").tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        let scene = Self {
            prefix: kafka::topic_prefix(name),
            dir: dir.expect("the build's directory can be written to"),
            vars: Vec::new(),
        };
        let journal = scene.journal_dir();
        let journal = journal.to_str().expect("cargo's paths are UTF-8").to_owned();
        scene
            .set("ACK", level)
            .set("JOURNAL_DIR", &journal)
            .set("JOURNAL_SEGMENT_BYTES", "262144")
            .set("JOURNAL_BYTES_MAX", "268435456")
            .set("JOURNAL_FREE_BYTES_MIN", "1048576")
            // Few topics: a broker that was killed looks after all of them before it answers.
            .set("TOPIC_BY", "one")
            .set("TOPIC_PARTITIONS", "3")
    }

    /// Sets `IMBRIDGE_<name>` for the bridges to come.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        let name = format!("IMBRIDGE_{name}");
        self.vars.retain(|(known, _)| *known != name);
        self.vars.push((name, value.to_owned()));
        self
    }

    /// Where the journal is.
    pub(crate) fn journal_dir(&self) -> PathBuf {
        self.dir.path().join("journal")
    }

    /// A directory for whatever else a test needs.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A bridge over the journal.
    pub(crate) fn start(&self, brokers: &str) -> Bridge {
        Bridge::start(brokers, &self.prefix, &self.vars())
    }

    /// A bridge over the journal that is killed after `life`, wherever it is then.
    pub(crate) fn start_and_kill(&self, brokers: &str, life: Duration) {
        Bridge::start_and_kill(brokers, &self.prefix, &self.vars(), life);
    }

    fn vars(&self) -> Vec<(&str, &str)> {
        self.vars.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// Ends the load, drains, sends an event that must pass at once and one after all threads fell
    /// asleep, stops, and judges what is in Kafka.
    ///
    /// # Panics
    /// When something that every run must satisfy does not hold; what is missing is in the
    /// findings.
    pub(crate) fn finish(&self, broker: &Broker, bridge: Bridge, load: Load) -> Proof {
        let mut obligations = load.end();
        bridge.drained(2 * SOON);
        let fresh = passes(&bridge, &mut obligations);
        thread::sleep(IDLE);
        let lonely = passes(&bridge, &mut obligations);
        let status = bridge.drained(SOON);
        wait_for("nothing is degraded", SOON, || bridge.degraded().is_empty().then_some(()));
        let ended = bridge.stop();
        assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
        let findings = judge(broker, &self.prefix, &obligations);
        eprintln!("{}: {findings}; fresh {fresh:?}, lonely {lonely:?}", self.prefix);
        assert_eq!(status["journal"]["head_sequence"], findings.last, "{status}");
        Proof { findings, obligations, status }
    }
}

impl Proof {
    /// Insists that nothing is missing.
    pub(crate) fn assert_whole(&self) {
        self.findings.assert_whole();
    }
}

/// Records confirmed since the start of this bridge.
pub(crate) fn confirmed(bridge: &Bridge) -> u64 {
    bridge.status()["ledger"]["records"]["confirmed"].as_u64().expect("a count")
}

/// Waits until some of the load's records are confirmed.
pub(crate) fn wait_until_flowing(bridge: &Bridge) {
    let before = confirmed(bridge);
    wait_for("records are confirmed", SOON, || (confirmed(bridge) > before + 50).then_some(()));
}

/// Waits until more is confirmed than `before`; the time since `began`.
pub(crate) fn resumed(bridge: &Bridge, before: u64, began: Instant) -> Duration {
    wait_for("records are confirmed again", SOON, || (confirmed(bridge) > before).then_some(()));
    began.elapsed()
}

/// Sends one event and waits until it is in Kafka; how long that took.
fn passes(bridge: &Bridge, obligations: &mut Obligations) -> Duration {
    let before = confirmed(bridge);
    let began = Instant::now();
    obligations.add(bridge.callbacks());
    wait_for("a single event is in Kafka", PASSES_WITHIN, || {
        (confirmed(bridge) > before).then_some(())
    });
    began.elapsed()
}
