//! The pure floors as tests call them: a request of a fixture in, records and answer out.

use bumpalo::Bump;
use imbridge::call::{Headers, Provider, RawCall};
use imbridge::catalogue::Catalogue;
use imbridge::dialect::door::{Door, Everybody};
use imbridge::dialect::reply::{self, Question};
use imbridge::event::{EventFormat, TopicBy};
use imbridge::normalise::{Event, Normaliser, Settings, Written};
use imbridge::record::{Batch, Record};
use imbridge::verdict::Decision;
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};

/// Events of a request that are also written whole, and compared.
const WHOLE_MAX: usize = 100;

/// A request in the form of the fixtures' `request.json`.
pub(crate) struct Request {
    pub provider: Provider,
    pub deployment: String,
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub received_at_ms: i64,
}

impl Request {
    pub(crate) fn read(value: &Value) -> Self {
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let headers = value["headers"].as_object().into_iter().flatten();
        let body = match value["body_base64"].as_str() {
            Some(encoded) => base64(encoded),
            None => text("body").into_bytes(),
        };
        Self {
            provider: Provider::from_name(&text("provider")).expect("a provider"),
            deployment: text("deployment"),
            path: text("path"),
            query: text("query"),
            headers: headers
                .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
                .collect(),
            body,
            received_at_ms: value["received_at_ms"].as_i64().expect("a receive time"),
        }
    }
}

fn base64(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    for group in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits = group.iter().fold(0_u32, |bits, c| bits << 6 | u32::from(digit(*c)));
        let bits = bits << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}

struct Pairs<'a>(&'a [(String, String)]);

impl Headers for Pairs<'_> {
    fn get(&self, name: &str) -> Option<&[u8]> {
        let found = self.0.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(found.1.as_bytes())
    }
}

/// The embedded catalogue, compiled once.
pub(crate) fn catalogue() -> Arc<Catalogue> {
    static CATALOGUE: OnceLock<Arc<Catalogue>> = OnceLock::new();
    Arc::clone(CATALOGUE.get_or_init(|| Arc::new(Catalogue::embedded())))
}

pub(crate) fn settings() -> Settings {
    Settings {
        topic_prefix: "im.".to_owned(),
        topic_by: TopicBy::Kind,
        event_format: EventFormat::Structured,
        event_bytes_max: usize::MAX,
    }
}

/// What a bridge makes of a request.
pub(crate) struct Made {
    /// Records as `{"topic", "key", "event"}`.
    pub records: Vec<Value>,
    pub reply: Value,
}

/// Runs a request through door, normaliser and answer; `decide` is the rule engine.
pub(crate) fn run(
    request: &Request,
    settings: Settings,
    decide: &dyn Fn(usize, &Event<'_>) -> Option<Decision>,
) -> Made {
    run_with(&catalogue(), request, settings, decide)
}

/// As [`run`], with a catalogue of the caller's.
pub(crate) fn run_with(
    catalogue: &Arc<Catalogue>,
    request: &Request,
    settings: Settings,
    decide: &dyn Fn(usize, &Event<'_>) -> Option<Decision>,
) -> Made {
    let batch = &mut Batch::new();
    let reply = run_into(catalogue, request, settings, decide, batch);
    let records = batch.iter().map(|record| {
        let event: Value = serde_json::from_slice(record.value).expect("a record's value is JSON");
        assert_eq!(record.id, event["id"].as_str().unwrap_or_default());
        assert_eq!(record.timestamp_ms, request.received_at_ms);
        let key = record.key.map(|key| String::from_utf8(key.to_vec()).expect("keys are text"));
        json!({"topic": record.topic, "key": key, "event": event})
    });
    Made { records: records.collect(), reply: serde_json::from_slice(&reply).expect("JSON") }
}

/// As [`run_with`], records left in `batch`.
pub(crate) fn run_into(
    catalogue: &Arc<Catalogue>,
    request: &Request,
    settings: Settings,
    decide: &dyn Fn(usize, &Event<'_>) -> Option<Decision>,
    batch: &mut Batch,
) -> Vec<u8> {
    let normaliser = Normaliser::new(Arc::clone(catalogue), settings);
    let door = Door::new(Arc::clone(catalogue), &request.deployment, Box::new(Everybody));
    let arena = Bump::new();
    let headers = Pairs(&request.headers);
    let call = RawCall {
        provider: request.provider,
        path: &request.path,
        query: &request.query,
        headers: &headers,
        peer: None,
        body: &request.body,
        received_at_ms: request.received_at_ms,
    };
    let Ok(callback) = door.read(&call, &arena) else { panic!("everybody may call") };
    let events = normaliser.events(&callback, &arena);
    let mut decisions = Vec::new();
    let mut slots: &[imbridge::event::Value<'_>] = &[];
    for (index, event) in events.iter().enumerate() {
        let decision = decide(index, event);
        let before = batch.bytes().len();
        let written = normaliser.write(&callback, event, decision.as_ref(), batch);
        // Of many that are alike some will do; to write all twice would hide what writing costs.
        if written == Written::Whole && index < WHOLE_MAX {
            let written = Record::decode(&batch.bytes()[before..]);
            let (record, _) = written.expect("it was just written");
            let whole = normaliser.whole(&callback, event, decision.as_ref());
            assert!(*record.structured() == whole, "what a file would hold is the same event");
        }
        decisions.push(decision.unwrap_or(Decision::ALLOW));
        if let Ok(known) = &event.known {
            slots = known.slots;
        }
    }
    let part = callback.parts[0];
    let plan = match part.command {
        imbridge::call::CommandName::Row(row) if !callback.envelope => Some(catalogue.plan(row)),
        _ => None,
    };
    let question = Question { provider: request.provider, plan, body: part.body, slots };
    reply::reply(&question, &decisions).into_owned()
}

/// Allows what asks; leaves alone what reports.
pub(crate) fn allow(_index: usize, event: &Event<'_>) -> Option<Decision> {
    let known = event.known.ok()?;
    (known.plan.phase == imbridge::call::Phase::Before).then_some(Decision::ALLOW)
}
