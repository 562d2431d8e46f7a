//! What each ack level says, and what is left when a bridge with a journal on disk ends.
//!
//! In: callbacks to the real program at `os`, `fsync` and `kafka`, with and without Kafka; directories
//! that are taken or of no use. Out: answers, what the next start finds, exit codes. What happens to
//! the journal when the process is killed or its disk fails is looked at elsewhere.

use crate::cli::run;
use crate::support::process::{SOON, wait_for};
use crate::support::routes::{Route, routes, truth};
use crate::support::serve::{Builder, Kafka, TOPIC, TestBridge, mock};
use crate::support::wire::Response;
use imbridge::kafka::KafkaSettings;
use imbridge::kafka::consumer::{Event, Next, Reader, Start};
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn dir() -> (TempDir, String) {
    let dir = TempDir::new().expect("a directory can be made");
    let name = dir.path().to_str().expect("temporary names are text").to_owned();
    (dir, name)
}

fn answers(bridge: &TestBridge) -> Vec<(Route, Response)> {
    let ask = |route: Route| {
        let response = bridge.post(&route.target, &route.body);
        (route, response)
    };
    routes().into_iter().map(ask).collect()
}

/// All that the topic holds, once it is so much.
fn read(brokers: &str, records: usize) -> Vec<Event> {
    let settings = KafkaSettings::new(brokers);
    let wanted = |topic: &str| topic == TOPIC;
    let mut reader = Reader::open(&settings, wanted, Start::Beginning, false, SOON).expect("opens");
    let mut found = Vec::new();
    wait_for("the records are in Kafka", SOON, || {
        while let Next::Event(event) = reader.next(Duration::from_millis(50)) {
            found.push(event);
        }
        (found.len() >= records).then_some(())
    });
    found
}

#[test]
fn what_a_stop_leaves_on_the_disk_is_sent_by_the_next_start() {
    for level in ["os", "fsync"] {
        let (_dir, dir) = dir();
        let at = |kafka: Kafka| {
            let builder = Builder::new(kafka).on_disk().set("ACK", level).set("JOURNAL_DIR", &dir);
            builder.set("DRAIN_SECONDS", "600").spawn()
        };
        let mut first = at(Kafka::nobody());
        for (route, response) in answers(&first) {
            assert_eq!(response.status, 200, "{}", route.name);
        }
        let status = first.assert_ledger_even();
        assert_eq!(status["ledger"]["records"]["waiting"], 6);
        assert_eq!(status["ack"]["level"], level);
        let uuid = status["journal"]["uuid"].clone();
        let asked = Instant::now();
        first.signal("TERM");
        assert_eq!(first.ended().code(), Some(0), "{}", first.log());
        assert!(asked.elapsed() < Duration::from_mins(1), "Kafka is not waited for");
        let log = first.log();
        assert!(!log.contains("lost") && log.contains("records=6"), "{log}");
        // Without a level in the settings it is `os`, which reads what `fsync` wrote.
        let kafka = mock();
        let second =
            Builder::new(Kafka::at(&kafka.bootstrap())).on_disk().set("JOURNAL_DIR", &dir).spawn();
        let found = read(&kafka.bootstrap(), 6);
        let header = |event: &Event, name: &str| {
            event.header(name).map(|value| String::from_utf8_lossy(value).into_owned())
        };
        assert!(found.iter().all(|event| header(event, "replay").as_deref() == Some("1")));
        let places: Vec<_> = found.iter().filter_map(|event| header(event, "journal")).collect();
        let uuid = uuid.as_str().expect("a text");
        assert_eq!(places, (1..=6).map(|at| format!("{uuid}:{at}")).collect::<Vec<_>>());
        let route = &routes()[0];
        assert_eq!(second.post(&route.target, &route.body).status, 200);
        wait_for("all is confirmed", SOON, || {
            let records = second.assert_ledger_even()["ledger"]["records"].clone();
            (records["confirmed"] == 7 && records["appended"] == 7).then_some(())
        });
        assert_eq!(second.status()["ack"]["level"], "os");
        assert_eq!(header(&read(&kafka.bootstrap(), 7)[6], "replay"), None, "it is new");
    }
}

#[test]
fn at_level_kafka_an_answer_waits_for_kafka_and_says_so_when_there_is_none() {
    let kafka = mock();
    let bridge = Builder::new(Kafka::at(&kafka.bootstrap()))
        .on_disk()
        .set("ACK", "kafka")
        .set("HOLD_MILLISECONDS", "60000")
        .start();
    for (route, response) in answers(&bridge) {
        assert_eq!(response.status, 200, "{}", route.name);
        route.assert_allows(&response, true);
    }
    let records = bridge.assert_ledger_even()["ledger"]["records"].clone();
    assert_eq!(records["appended"], 6);
    drop(bridge);
    let bridge = Builder::new(Kafka::nobody())
        .on_disk()
        .set("ACK", "kafka")
        .set("HOLD_MILLISECONDS", "300")
        .start();
    let mut held = truth(503);
    // Before-callbacks are decided, and Tencent gets 200 for what may be one.
    for (status, route) in held.iter_mut().zip(routes()) {
        if route.asks() {
            *status = 200;
        }
    }
    for ((route, response), status) in answers(&bridge).into_iter().zip(held) {
        assert_eq!(response.status, status, "{}", route.name);
        route.assert_allows(&response, true);
    }
    assert!(bridge.metric("callbacks_refused_total{provider=\"openim\",reason=\"kafka\"}") >= 1);
    let status = bridge.assert_ledger_even();
    assert_eq!(status["ledger"]["records"]["waiting"], 6, "they may be published later");
}

#[test]
fn a_journal_that_another_process_has_ends_the_start_with_one_sentence() {
    let (_dir, dir) = dir();
    let first = Builder::new(Kafka::nobody()).on_disk().set("JOURNAL_DIR", &dir).spawn();
    let settings = [
        ("IMBRIDGE_KAFKA_BROKERS", "127.0.0.1:1"),
        ("IMBRIDGE_LISTEN", "127.0.0.1:0"),
        ("IMBRIDGE_ADMIN_LISTEN", "127.0.0.1:0"),
        ("IMBRIDGE_JOURNAL_DIR", &dir),
        ("IMBRIDGE_LOG", "error"),
    ];
    let second = run(&["serve"], &settings);
    assert_eq!((second.code, second.out.as_str()), (Some(1), ""), "{}", second.err);
    assert_eq!(second.err.lines().count(), 1, "{}", second.err);
    assert!(second.err.contains(&dir) && second.err.contains("another process"), "{}", second.err);
    let route = &routes()[0];
    assert_eq!(first.post(&route.target, &route.body).status, 200, "the first serves on");
}

#[test]
fn a_directory_that_cannot_be_used_ends_the_start_with_one_sentence() {
    let (_dir, dir) = dir();
    let file = format!("{dir}/file");
    std::fs::write(&file, "not a directory").expect("the directory is writable");
    let settings = [
        ("IMBRIDGE_KAFKA_BROKERS", "127.0.0.1:1"),
        ("IMBRIDGE_LISTEN", "127.0.0.1:0"),
        ("IMBRIDGE_ADMIN_LISTEN", "127.0.0.1:0"),
        ("IMBRIDGE_JOURNAL_DIR", &file),
        ("IMBRIDGE_LOG", "error"),
    ];
    let ran = run(&["serve"], &settings);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{}", ran.err);
    assert!(ran.err.contains(&file) && ran.err.contains("cannot be used"), "{}", ran.err);
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
}

#[test]
fn the_start_says_what_is_promised_and_warns_only_of_a_journal_in_memory() {
    let told = |builder: Builder| {
        let mut bridge = builder.spawn();
        bridge.signal("TERM");
        bridge.ended();
        bridge.log()
    };
    let memory = told(Builder::new(Kafka::nobody()));
    assert!(memory.contains("IMBRIDGE_ACK is memory"), "{memory}");
    assert!(memory.contains("budget 268435456 bytes"), "{memory}");
    let disk = told(Builder::new(Kafka::nobody()).on_disk().set("JOURNAL_BYTES_MAX", "90000000"));
    assert!(!disk.contains("is memory"), "{disk}");
    assert!(disk.contains("budget 90000000 bytes") && disk.contains("ack=\"os\""), "{disk}");
}
