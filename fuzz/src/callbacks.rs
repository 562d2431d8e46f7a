//! Reading a callback, making its records and its answer.
//!
//! In: a line with the path and query, then the body: what a sender controls. Out: nothing. What
//! always holds: no panic; every record can be decoded, has a legal topic and, as its value, a JSON
//! object with an id; every answer is a JSON object; the same bytes give the same records.

use bumpalo::Bump;
use imbridge::call::{CommandName, Headers, Phase, Provider, RawCall};
use imbridge::catalogue::Catalogue;
use imbridge::dialect::door::{Door, Everybody};
use imbridge::dialect::reply::{self, Question};
use imbridge::event::{EventFormat, TopicBy};
use imbridge::normalise::{Normaliser, Settings};
use imbridge::record::Batch;
use imbridge::verdict::Decision;
use std::sync::{Arc, OnceLock};

/// When every call arrives: 2025-01-01T00:00:00Z.
const RECEIVED_AT_MS: i64 = 1_735_689_600_000;

struct Machine {
    catalogue: Arc<Catalogue>,
    door: Door,
    normaliser: Normaliser,
}

fn machine() -> &'static Machine {
    static MACHINE: OnceLock<Machine> = OnceLock::new();
    MACHINE.get_or_init(|| {
        let catalogue = Arc::new(Catalogue::embedded());
        let settings = Settings {
            topic_prefix: "im.".to_owned(),
            topic_by: TopicBy::Kind,
            event_format: EventFormat::Structured,
            event_bytes_max: 1_000_000,
        };
        let door = Door::new(Arc::clone(&catalogue), "default", Box::new(Everybody));
        let normaliser = Normaliser::new(Arc::clone(&catalogue), settings);
        Machine { catalogue, door, normaliser }
    })
}

struct NoHeaders;

impl Headers for NoHeaders {
    fn get(&self, _name: &str) -> Option<&[u8]> {
        None
    }
}

/// An `OpenIM` callback.
pub fn openim(bytes: &[u8]) {
    callback(Provider::OpenIm, bytes);
}

/// A Tencent Cloud Chat callback.
pub fn tencent(bytes: &[u8]) {
    callback(Provider::Tencent, bytes);
}

fn callback(provider: Provider, bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or_default();
    // The HTTP server hands over paths and queries that are text.
    let head = String::from_utf8_lossy(&bytes[..end]);
    let (path, query) = head.split_once('?').unwrap_or((&head, ""));
    let body = bytes.get(end + 1..).unwrap_or_default();
    let call = RawCall {
        provider,
        path,
        query,
        headers: &NoHeaders,
        peer: None,
        body,
        received_at_ms: RECEIVED_AT_MS,
    };
    let (first, second) = (records(&call), records(&call));
    assert_eq!(first.bytes(), second.bytes(), "the same bytes give the same records");
    let mut seen = 0;
    for record in &first {
        seen += 1;
        let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        assert!(record.topic.len() <= 249 && record.topic.chars().all(legal), "{}", record.topic);
        let value: serde_json::Value = serde_json::from_slice(record.value).expect("JSON");
        assert_eq!(value["id"].as_str(), Some(record.id));
    }
    assert_eq!(seen, first.records(), "every record can be decoded");
}

fn records(call: &RawCall<'_>) -> Batch {
    let Machine { catalogue, door, normaliser } = machine();
    let arena = Bump::new();
    let mut batch = Batch::new();
    let Ok(callback) = door.read(call, &arena) else { panic!("everybody may call") };
    let mut decisions = Vec::new();
    for event in normaliser.events(&callback, &arena) {
        let asks = event.known.is_ok_and(|known| known.plan.phase == Phase::Before);
        normaliser.write(&callback, event, asks.then_some(&Decision::ALLOW), &mut batch);
        decisions.push(Decision::ALLOW);
    }
    let part = callback.parts.first().filter(|_| !callback.envelope);
    let plan = part.and_then(|part| match part.command {
        CommandName::Row(row) => Some(catalogue.plan(row)),
        _ => None,
    });
    let body = part.and_then(|part| part.body);
    let question = Question { provider: call.provider, plan, body, slots: &[] };
    let answer = reply::reply(&question, &decisions);
    let answer: serde_json::Value = serde_json::from_slice(&answer).expect("an answer is JSON");
    assert!(answer.is_object());
    batch
}
