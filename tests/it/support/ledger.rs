//! The loss ledger as every test of the whole program leaves it: what began has ended, or is there.
//!
//! In: the admin port of a bridge that a test is done with. Out: a failed test when records went
//! missing in silence, or more ended than began. What always holds: a bridge that has ended, or does
//! not show its status to this test, is left alone; a test that fails already is not made to fail
//! twice.
//!
//! What waits is what the ledger misses an end of, so its own sums cannot show a loss. The journal
//! counts by itself what it still holds: a record that waits by the ledger and is not in the journal
//! is lost.

use imbridge::journal::memory::MemoryLog;
use imbridge::journal::{Log, Sequence};
use imbridge::record::{Batch, Head};
use imbridge::telemetry::Ledger;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Longest wait for an answer of the admin port.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time that records on their way may need until they are seen at rest.
const SETTLES_WITHIN: Duration = Duration::from_secs(10);
/// A bridge whose requests do not end within this is looked at all the same.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
/// Rest between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks at a bridge that a test has done with.
pub(crate) fn assert_even_at_the_end(admin: SocketAddr, token: Option<&str>) {
    if !std::thread::panicking() {
        assert_kept(|| status(admin, token));
    }
}

/// Looks until nothing is on its way and the journal holds what waits; `look` gives `/status`, as
/// long as there is one.
///
/// # Panics
/// When that does not come to be.
pub(crate) fn assert_kept(look: impl FnMut() -> Option<Value>) {
    assert_kept_within(SETTLES_WITHIN, look);
}

fn assert_kept_within(limit: Duration, mut look: impl FnMut() -> Option<Value>) {
    let began = Instant::now();
    while let Some(status) = look() {
        assert_even(&status);
        let answered = count(&status, "/ledger/requests/in_flight") == 0;
        if (answered || began.elapsed() > ANSWERS_WITHIN) && is_kept(&status) {
            return;
        }
        assert!(
            began.elapsed() < limit,
            "what waits by the ledger is not in the journal: {status}"
        );
        std::thread::sleep(PAUSE);
    }
}

/// Whether the journal holds what waits. The two are not counted at one moment, so `false` may mean
/// that something was on its way.
fn is_kept(status: &Value) -> bool {
    let records = |name: &str| count(status, &format!("/ledger/records/{name}"));
    let (waiting, held) = (records("waiting"), count(status, "/journal/records"));
    let ended: u64 = ENDS.into_iter().map(records).sum();
    // What has ended stays in the journal as long as something in front of it waits.
    waiting == held || (waiting < held && ended > 0)
}

/// What may become of a record.
const ENDS: [&str; 4] = ["confirmed", "dead_lettered", "damaged", "lost"];

fn count(status: &Value, path: &str) -> u64 {
    let count = status.pointer(path).and_then(Value::as_u64);
    count.unwrap_or_else(|| panic!("no count at {path} in {status}"))
}

/// Whether no more has ended than began, and nothing is lost that was on a disk. That nothing is
/// missing is for [`assert_kept`].
pub(crate) fn assert_even(status: &Value) {
    let count = |path: &str| count(status, path);
    let requests = |name| count(&format!("/ledger/requests/{name}"));
    let records = |name| count(&format!("/ledger/records/{name}"));
    let ends = ["accepted", "refused", "in_flight"];
    assert_eq!(requests("received"), ends.into_iter().map(requests).sum::<u64>(), "{status}");
    let ended: u64 = ENDS.into_iter().map(records).sum();
    assert_eq!(records("appended"), ended + records("waiting"), "{status}");
    if status["ack"]["level"] != "memory" {
        assert_eq!(records("lost"), 0, "what is on disk is no loss: {status}");
    }
}

fn status(admin: SocketAddr, token: Option<&str>) -> Option<Value> {
    let address = SocketAddr::from(([127, 0, 0, 1], admin.port()));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let token = token.unwrap_or_default();
    let head = format!("GET /status HTTP/1.1\r\nHost: bridge\r\n{token}Connection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| serde_json::from_str(body).expect("status is JSON"))
}

/// `/status` of a bridge whose ledger and whose log stand so.
fn status_of(ledger: &Ledger, log: &MemoryLog) -> Value {
    serde_json::json!({
        "ack": {"level": "os"},
        "journal": {"records": log.usage().records},
        "ledger": ledger.snapshot(),
    })
}

fn assert_at_rest(ledger: &Ledger, log: &MemoryLog) {
    assert_kept_within(Duration::from_millis(50), || Some(status_of(ledger, log)));
}

fn two_records() -> (Ledger, MemoryLog) {
    let (ledger, log) = (Ledger::default(), MemoryLog::new(1 << 20));
    for id in ["a", "b"] {
        let mut batch = Batch::new();
        batch.push(&Head { id, topic: "t", key: None, timestamp_ms: 0 }, &[], b"{}");
        ledger.appended(1);
        log.append(&mut batch).expect("there is room");
    }
    (ledger, log)
}

/// The shipper lets the log forget two records, of which Kafka has one. Both sums come out.
#[test]
#[should_panic(expected = "what waits by the ledger is not in the journal")]
fn a_record_that_went_missing_is_seen() {
    let (ledger, log) = two_records();
    ledger.confirmed(1);
    log.confirm(Sequence(2));
    assert_at_rest(&ledger, &log);
}

#[test]
#[should_panic(expected = "what waits by the ledger is not in the journal")]
fn a_record_that_was_never_counted_is_seen() {
    let (_, log) = two_records();
    let ledger = Ledger::default();
    ledger.appended(1);
    assert_at_rest(&ledger, &log);
}

#[test]
#[should_panic(expected = "left == right")]
fn more_ends_than_records_are_seen() {
    let (ledger, log) = two_records();
    ledger.confirmed(3);
    assert_at_rest(&ledger, &log);
}

#[test]
fn records_at_rest_are_kept_in_whatever_order_they_end() {
    let (ledger, log) = two_records();
    assert_at_rest(&ledger, &log);
    // The second one first: the journal holds both.
    ledger.confirmed(1);
    assert_at_rest(&ledger, &log);
    ledger.dead_lettered(1);
    log.confirm(Sequence(2));
    assert_at_rest(&ledger, &log);
}
