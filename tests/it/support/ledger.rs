//! The loss ledger as every test of the whole program leaves it: both sums come out.
//!
//! In: the admin port of a bridge that a test is done with. Out: a failed test when records or
//! requests went missing in silence. What always holds: a bridge that has ended, or does not show
//! its status to this test, is left alone; a test that fails already is not made to fail twice.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for an answer of the admin port.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks at a bridge that a test has done with.
pub(crate) fn assert_even_at_the_end(admin: SocketAddr, token: Option<&str>) {
    if !std::thread::panicking()
        && let Some(status) = status(admin, token)
    {
        assert_even(&status);
    }
}

/// Whether both sums come out and the journal holds what waits.
pub(crate) fn assert_even(status: &Value) {
    let count = |path: &str| {
        let count = status.pointer(path).and_then(Value::as_u64);
        count.unwrap_or_else(|| panic!("no count at {path} in {status}"))
    };
    let requests = |name| count(&format!("/ledger/requests/{name}"));
    let records = |name| count(&format!("/ledger/records/{name}"));
    let ends = ["accepted", "refused", "in_flight"];
    assert_eq!(requests("received"), ends.into_iter().map(requests).sum::<u64>(), "{status}");
    let ends = ["confirmed", "dead_lettered", "damaged", "lost", "waiting"];
    assert_eq!(records("appended"), ends.into_iter().map(records).sum::<u64>(), "{status}");
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

#[test]
#[should_panic(expected = "appended")]
fn a_record_that_went_missing_is_seen() {
    let status = serde_json::json!({
        "ack": {"level": "os"},
        "ledger": {
            "requests": {"received": 1, "accepted": 1, "refused": 0, "in_flight": 0},
            "records": {
                "appended": 2, "confirmed": 1, "dead_lettered": 0, "damaged": 0, "lost": 0, "waiting": 0
            }
        }
    });
    assert_even(&status);
}
