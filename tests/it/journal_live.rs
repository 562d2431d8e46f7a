//! The journal's tools beside a running bridge: looking into a journal that is being written, and
//! putting events back.

use crate::cli::{Ran, run};
use crate::restore::EVENT;
use crate::support::process::{SOON, wait_for};
use crate::support::routes::routes;
use crate::support::serve::{Builder, Kafka, TOPIC, TestBridge, mock};
use imbridge::kafka::KafkaSettings;
use imbridge::kafka::consumer::{Event, Next, Reader, Start};
use imbridge::kafka::mock::MockKafka;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// A directory for a journal.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn dir(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts an event there as an operator should: whole at once.
    fn put(&self, name: &str, event: &str) {
        fs::create_dir_all(self.file(name).parent().unwrap()).unwrap();
        fs::write(self.file("unfinished"), event).unwrap();
        fs::rename(self.file("unfinished"), self.file(name)).unwrap();
    }

    fn bridge(&self, kafka: Kafka, ack: &str) -> Builder {
        Builder::new(kafka).set("ACK", ack).set("JOURNAL_DIR", self.dir())
    }

    fn tool(&self, arguments: &[&str]) -> Ran {
        run(&[&["journal"], arguments, &["--dir", self.dir()]].concat(), &[])
    }

    fn wait_until_gone(&self, name: &str) {
        wait_for("the file goes", SOON, || (!self.file(name).exists()).then_some(()));
    }
}

/// All records so far.
fn records(kafka: &MockKafka) -> Vec<Event> {
    let settings = KafkaSettings::new(kafka.bootstrap());
    let mut reader = Reader::open(&settings, |topic| topic == TOPIC, Start::Beginning, true, SOON)
        .expect("the mock answers");
    let mut records = Vec::new();
    wait_for("the end of the topic", SOON, || {
        loop {
            match reader.next(Duration::from_secs(1)) {
                Next::Event(event) => records.push(event),
                Next::End => return Some(()),
                Next::Nothing => return None,
            }
        }
    });
    records
}

/// Waits for so many.
fn wait_for_records(kafka: &MockKafka, count: usize) -> Vec<Event> {
    wait_for("the records are in Kafka", SOON, || {
        Some(records(kafka)).filter(|records| records.len() >= count)
    })
}

/// The one value of a header that must not come twice.
fn header<'a>(record: &'a Event, name: &str) -> Option<&'a str> {
    let mut values = record.headers.iter().filter(|(known, _)| known == name);
    let value = values.next()?.1.as_deref().map(|value| str::from_utf8(value).unwrap());
    assert!(values.next().is_none(), "{name} comes twice: {record:?}");
    value
}

fn assert_requeued(record: &Event) {
    assert_eq!(record.payload.as_deref(), Some(EVENT.as_bytes()));
    assert_eq!(record.key.as_deref(), Some(b"group:g1".as_slice()));
    assert_eq!(header(record, "replay"), Some("1"));
    assert!(header(record, "journal").is_some());
    assert_eq!(header(record, "content-type"), Some("application/cloudevents+json; charset=UTF-8"));
    assert_eq!(record.timestamp_ms, Some(1_735_689_600_123));
}

fn waiting(bridge: &TestBridge) -> u64 {
    bridge.status()["journal"]["records"].as_u64().unwrap()
}

#[test]
fn an_event_in_requeue_is_published_at_the_start_and_while_the_bridge_runs() {
    let (place, kafka) = (Place::new(), mock());
    place.put("requeue/first.json", EVENT);
    let bridge = place.bridge(Kafka::at(&kafka.bootstrap()), "os").start();
    assert_requeued(&wait_for_records(&kafka, 1)[0]);
    place.wait_until_gone("requeue/first.json");
    place.put("oversize/0123456789abcdef0123456789abcdef.json", EVENT);
    let ran = place.tool(&["requeue", "0123456789abcdef0123456789abcdef"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert_requeued(&wait_for_records(&kafka, 2)[1]);
    place.wait_until_gone("requeue/0123456789abcdef0123456789abcdef.json");
    let status = bridge.assert_ledger_even();
    assert_eq!(status["ledger"]["records"]["appended"], 2);
    assert_eq!(bridge.stop(), 0);
}

/// At level `kafka` a record is safe when Kafka has it, so until then the file must stay. What was
/// appended is sent after a restart, and so is the file's event: both say that they may be repeats,
/// each once.
#[test]
fn a_file_stays_until_its_record_is_safe() {
    let place = Place::new();
    place.put("requeue/a.json", EVENT);
    let bridge = place.bridge(Kafka::nobody(), "kafka").start();
    wait_for("the record is in the journal", SOON, || (waiting(&bridge) == 1).then_some(()));
    // Long enough for another look, which must not append it again.
    thread::sleep(Duration::from_secs(6));
    assert!(waiting(&bridge) == 1 && place.file("requeue/a.json").exists());
    bridge.stop();
    assert!(place.file("requeue/a.json").exists());
    let kafka = mock();
    let bridge = place.bridge(Kafka::at(&kafka.bootstrap()), "kafka").start();
    place.wait_until_gone("requeue/a.json");
    let records = wait_for_records(&kafka, 2);
    assert_eq!(records.len(), 2);
    records.iter().for_each(assert_requeued);
    bridge.stop();
}

#[test]
fn what_cannot_be_taken_stays_and_is_logged_once() {
    let (place, kafka) = (Place::new(), mock());
    place.put("requeue/large.json", &EVENT.replace("\"g1\"", &format!("\"{:0>2000}\"", 7)));
    place.put("requeue/odd.json", "{}");
    let bridge = place.bridge(Kafka::at(&kafka.bootstrap()), "os");
    let bridge = bridge.set("EVENT_BYTES_MAX", "1000").spawn();
    // Three looks.
    thread::sleep(Duration::from_secs(11));
    let log = bridge.log();
    for (file, why) in
        [("large.json", "more than IMBRIDGE_EVENT_BYTES_MAX"), ("odd.json", "no event")]
    {
        assert!(place.file(&format!("requeue/{file}")).exists(), "{file}");
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(file)).collect();
        assert!(lines.len() == 1 && lines[0].contains(why), "{lines:?}\n{log}");
    }
    assert!(records(&kafka).is_empty());
}

#[test]
fn the_tools_read_a_journal_while_it_is_written() {
    let place = Place::new();
    let bridge = place.bridge(Kafka::nobody(), "os").set("JOURNAL_SEGMENT_BYTES", "65536").start();
    let routes = routes();
    let after: Vec<_> = routes.iter().filter(|route| route.name.contains("after")).collect();
    assert!(!after.is_empty());
    let mut wire = bridge.connect();
    for round in 0..200 {
        let route = &after[round % after.len()];
        wire.send(route.request());
        assert_eq!(wire.response().status, 200);
        if round % 40 == 0 {
            let ran = place.tool(&["verify"]);
            assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
        }
    }
    let waiting = waiting(&bridge);
    assert!(waiting >= 200);
    let segments: Value = serde_json::from_str(&place.tool(&["ls", "--json"]).out).unwrap();
    let segments = segments.as_array().unwrap();
    let records: u64 = segments.iter().map(|one| one["records"].as_u64().unwrap()).sum();
    assert_eq!(records, waiting);
    assert!(segments.len() > 2, "{segments:?}");
    let (last, others) = segments.split_last().unwrap();
    assert!(last["state"] == "open" && others.iter().all(|one| one["state"] == "sealed"));
    let exported = place.tool(&["export"]);
    assert_eq!((exported.code, exported.out.lines().count() as u64), (Some(0), waiting));
    let shown = place.tool(&["cat", "--from", "150", "--limit", "3"]).out;
    let first: Vec<&str> =
        shown.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(first, ["150", "151", "152"]);
    bridge.stop();
}

/// Says that it is over when it is dropped.
struct EndsIt<'a>(&'a AtomicBool);

impl Drop for EndsIt<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Kafka confirms and the bridge deletes segments while they are looked at: what is gone was not
/// lost, and must not be told as damage.
#[test]
fn segments_that_come_and_go_are_no_damage() {
    let (place, kafka) = (Place::new(), mock());
    let bridge = place.bridge(Kafka::at(&kafka.bootstrap()), "os");
    let bridge = bridge.set("JOURNAL_SEGMENT_BYTES", "16384").start();
    let after = &routes()[0];
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut wire = bridge.connect();
            while !over.load(Ordering::Relaxed) {
                wire.send(after.request());
                assert_eq!(wire.response().status, 200);
            }
        });
        // A failed assertion must end the sender too.
        let _end = EndsIt(&over);
        let first = |place: &Place| {
            let listed = place.tool(&["ls", "--json"]).out;
            let segments: Value = serde_json::from_str(&listed).unwrap();
            segments[0]["first_sequence"].as_u64()
        };
        wait_for("the first segment goes", SOON, || first(&place).filter(|first| *first > 1));
        for tool in [&["verify"][..], &["ls"], &["export", "--all"], &["cat"]].repeat(5) {
            let mut ran = place.tool(tool);
            if ran.code == Some(1) {
                // A tool that opens a segment in the very moment in which it is replaced sees damage
                // that the next look does not; damage stays.
                ran = place.tool(tool);
            }
            assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{tool:?}");
        }
    });
    bridge.assert_ledger_even();
    bridge.stop();
}
