//! The rules that every record keeps, whatever body it was made of.
//!
//! In: a request and the records that a bridge made of it. Out: silence, or a panic that names the
//! rule. What is expected of `raw` is worked out here with `serde_json` and nothing of the bridge's
//! own reader.

use super::bridge::{Request, catalogue};
use imbridge::call::{Phase, Provider};
use imbridge::catalogue::plan::Plan;
use imbridge::catalogue::{Catalogue, FieldType, KindInfo, Word};
use imbridge::record::{Batch, Record};
use serde_json::{Map, Value};

/// Longest attribute, bytes.
const ATTRIBUTE_BYTES_MAX: usize = 1024;
/// 2000-01-01 to 2100-01-01, Unix milliseconds: what a time in an event may be.
const TIMES_MS: std::ops::RangeInclusive<i64> = 946_684_800_000..=4_102_444_800_000;
/// What stands in front of an intent's fields.
const DECISION: [&str; 13] = [
    "kind",
    "verdict",
    "enforced",
    "rule_id",
    "deny_code",
    "deny_message",
    "changes",
    "refused_ids",
    "tags",
    "matches",
    "faults",
    "rules_version",
    "late",
];
const ATTRIBUTES: [&str; 13] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "recordedtime",
    "partitionkey",
    "improvider",
    "imcommand",
    "correlationid",
    "datacontenttype",
    "data",
];
const REASONS: [&str; 5] =
    ["not_json", "no_command", "unknown_command", "unmatched_kind", "missing_field"];

/// Looks at all records of a request; structured, topics by kind, prefix `im.`.
pub(crate) fn check(request: &Request, batch: &Batch) {
    assert!(batch.records() > 0, "every request leaves a record");
    assert_eq!(batch.iter().count(), batch.records() as usize);
    let whole = received(&request.body);
    for (position, record) in batch.iter().enumerate() {
        let event: Value = serde_json::from_slice(record.value).unwrap_or_else(|error| {
            panic!("a value is JSON: {error}: {}", String::from_utf8_lossy(record.value))
        });
        let event = event.as_object().expect("an event is an object");
        let data = event["data"].as_object().expect("data is an object");
        attributes(request, &record, event);
        let kind = event["type"].as_str().and_then(|text| text.strip_prefix("im."));
        let kind = kind.expect("a type begins with im.");
        let plan = event.get("imcommand").and_then(Value::as_str);
        let plan = plan.and_then(|name| plan_of(request.provider, name));
        if kind == "unknown" {
            assert_eq!(record.topic, "im.unknown");
            unknown(data);
        } else {
            known(catalogue().as_ref(), kind, &record, data);
        }
        if let Some(whole) = &whole {
            raw(request.provider, whole, plan, position, data);
        }
    }
}

fn plan_of(provider: Provider, name: &str) -> Option<&'static Plan> {
    static CATALOGUE: std::sync::OnceLock<std::sync::Arc<Catalogue>> = std::sync::OnceLock::new();
    let catalogue = CATALOGUE.get_or_init(catalogue);
    catalogue.find(provider, name).map(|row| catalogue.plan(row))
}

fn attributes(request: &Request, record: &Record<'_>, event: &Map<String, Value>) {
    let text = |name: &str| event.get(name).map(|value| value.as_str().expect("a text"));
    let names: Vec<&str> = event.keys().map(String::as_str).collect();
    let order: Vec<&str> =
        ATTRIBUTES.into_iter().filter(|name| event.contains_key(*name)).collect();
    assert_eq!(names, order, "attributes have a fixed order and no other names");
    for (name, value) in event.iter().filter(|(name, _)| *name != "data") {
        let value = value.as_str().unwrap_or_else(|| panic!("{name} is a text"));
        assert!(!value.is_empty(), "{name} is not empty");
        assert!(value.len() <= ATTRIBUTE_BYTES_MAX, "{name} has {} bytes", value.len());
        assert!(!value.contains(char::is_control), "{name}: {value:?}");
    }
    assert_eq!(text("specversion"), Some("1.0"));
    assert_eq!(text("datacontenttype"), Some("application/json"));
    assert_eq!(text("improvider"), Some(request.provider.name()));
    let id = text("id").expect("an event has an id");
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    assert!(id.len() == 32 && id.bytes().all(hex), "{id}");
    assert_eq!(record.id, id);
    let base = format!("/{}/", request.provider);
    assert!(text("source").is_some_and(|source| source.starts_with(&base)));
    assert_eq!(record.key, text("partitionkey").map(str::as_bytes), "the key is the attribute");
    assert_eq!(record.timestamp_ms, request.received_at_ms);
    assert_eq!(text("recordedtime"), Some("2025-01-01T00:00:00.123Z"));
    let time = text("time").expect("an event has a time");
    let digits = time.bytes().filter(u8::is_ascii_digit).count();
    assert!(time.len() == 24 && digits == 17 && time.ends_with('Z'), "{time}");
    assert!(("2000-01-01T00:00:00.000Z"..="2100-01-01T00:00:00.000Z").contains(&time), "{time}");
    let headers: Vec<_> = record.headers().collect();
    let content_type: &[u8] = b"application/cloudevents+json; charset=UTF-8";
    assert_eq!(headers, [("content-type", content_type)]);
}

fn unknown(data: &Map<String, Value>) {
    let reason = data["unknown_reason"].as_str().expect("a text");
    assert!(REASONS.contains(&reason), "{reason}");
    let allowed = ["unknown_reason", "missing_fields", "raw_text", "raw"];
    for name in data.keys() {
        assert!(allowed.contains(&&**name), "an unknown record has no {name}");
    }
    assert_eq!(data.contains_key("missing_fields"), reason == "missing_field");
    assert_eq!(data.contains_key("raw_text"), reason == "not_json");
    assert_eq!(data.contains_key("raw"), reason != "not_json");
    assert!(data.get("raw_text").is_none_or(|text| text.as_str().unwrap().len() <= 65_536));
}

fn known(catalogue: &Catalogue, kind: &str, record: &Record<'_>, data: &Map<String, Value>) {
    let info = catalogue.kinds.iter().find(|info| &*info.name == kind);
    let info = info.unwrap_or_else(|| panic!("{kind} is no kind"));
    let intent = data.contains_key("verdict");
    assert_eq!(intent, info.phase == Phase::Before, "{kind}");
    let topic = if intent { "im.decisions".to_owned() } else { format!("im.{kind}") };
    assert_eq!(record.topic, topic);
    if intent {
        let front: Vec<&str> = data.keys().take(3).map(String::as_str).collect();
        assert_eq!(front, ["kind", "verdict", "enforced"]);
        assert_eq!(data["kind"], kind);
    }
    let own = |name: &&str| !(name.starts_with("raw") || intent && DECISION.contains(name));
    let seen: Vec<&str> = data.keys().map(String::as_str).filter(own).collect();
    let listed: Vec<&str> = info.fields.iter().map(|(name, _)| &**name).filter(own).collect();
    let order: Vec<&str> = listed.iter().copied().filter(|name| seen.contains(name)).collect();
    assert_eq!(seen, order, "fields of {kind}, in the vocabulary's order");
    assert_eq!(data.keys().next_back().map(String::as_str), Some("raw"), "raw stands at the end");
    required(info, data);
    for name in seen {
        field(catalogue.word(name).expect("fields are words"), &data[name]);
    }
}

fn required(info: &KindInfo, data: &Map<String, Value>) {
    if info.phase == Phase::After {
        for (name, _) in info.fields.iter().filter(|(_, required)| *required) {
            assert!(data.contains_key(&**name), "{} without {name}", info.name);
        }
    }
}

fn field(word: &Word, value: &Value) {
    let name = &word.field;
    let texts =
        |value: &Value| value.as_array().is_some_and(|items| items.iter().all(Value::is_string));
    let ints =
        |value: &Value| value.as_array().is_some_and(|items| items.iter().all(Value::is_i64));
    let fits = match word.field_type {
        FieldType::Text => value.is_string(),
        FieldType::Int => value.is_i64(),
        FieldType::Bool => value.is_boolean(),
        FieldType::Texts => texts(value),
        FieldType::Ints => ints(value),
        FieldType::Items => value.as_array().is_some_and(|items| {
            items.iter().all(|item| {
                item.as_object().is_some_and(|item| {
                    !item.is_empty()
                        && item.iter().all(|(name, value)| {
                            word.items.iter().any(|known| **known == **name) && !value.is_null()
                        })
                })
            })
        }),
        FieldType::Object => value.is_object(),
    };
    assert!(fits, "{name} is {}: {value}", word.field_type.name());
    if name.ends_with("_at_ms") {
        let ms = value.as_i64().expect("just looked at");
        assert!(TIMES_MS.contains(&ms), "{name}: {ms}");
    }
    if !word.values.is_empty() && !word.open {
        let one = |value: &Value| {
            value.as_str().is_none_or(|text| word.values.iter().any(|known| **known == *text))
        };
        let all = value.as_array().map_or_else(|| one(value), |items| items.iter().all(one));
        assert!(all, "{name} is one of {:?}: {value}", word.values);
    }
}

/// The body as `serde_json` reads it: of equal names the last value at the first place, numbers as
/// received. `None` for what is deeper than it reads, and for unpaired surrogates, which it refuses.
fn received(body: &[u8]) -> Option<Value> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    let value: Value = serde_json::from_str(text).ok()?;
    value.is_object().then_some(value).filter(|value| depth(value) <= 100)
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn raw(
    provider: Provider,
    whole: &Value,
    plan: Option<&Plan>,
    position: usize,
    data: &Map<String, Value>,
) {
    let Some(raw) = data.get("raw") else { return };
    let split = provider == Provider::Tencent
        && whole["Events"].as_array().is_some_and(|events| !events.is_empty());
    let mut candidates = if split {
        whole["Events"].as_array().expect("just looked at").clone()
    } else {
        vec![whole.clone()]
    };
    for body in &mut candidates {
        redact(provider, body);
    }
    // An element that is split itself can only be found by value; records stand in its order.
    let each = plan.and_then(|plan| plan.each.as_ref()).map(|each| each.text.replace("$.", ""));
    if let Some(list) = each.as_deref() {
        let cut = |body: &Value| {
            let items = body.get(list).and_then(Value::as_array).filter(|items| !items.is_empty());
            let Some(items) = items else { return vec![body.clone()] };
            let with = |item: &Value| {
                let mut cut = body.clone();
                cut[list] = Value::Array(vec![item.clone()]);
                cut
            };
            items.iter().map(with).collect()
        };
        candidates = candidates.iter().flat_map(cut).collect();
    }
    // As text: equal values may differ in the order of members.
    let raw = raw.to_string();
    let texts: Vec<String> = candidates.iter().map(Value::to_string).collect();
    if split {
        assert!(texts.contains(&raw), "raw is what was received: {raw}");
    } else {
        let wanted = texts.get(position).unwrap_or_else(|| panic!("no element {position}"));
        assert_eq!(raw, *wanted, "raw is what was received");
    }
}

/// `OpenIM` sends secrets of its own at the top level.
fn redact(provider: Provider, body: &mut Value) {
    let Some(members) = body.as_object_mut().filter(|_| provider == Provider::OpenIm) else {
        return;
    };
    for name in ["secret", "token"] {
        if let Some(value) = members.get_mut(name)
            && !value.is_null()
            && *value != Value::String(String::new())
        {
            *value = "[redacted]".into();
        }
    }
}
