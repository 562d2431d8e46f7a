//! How events read; the fixtures have one of every kind.

use super::super::envelope::tests::record;
use super::*;
use crate::catalogue::Catalogue;
use crate::files;
use std::collections::BTreeSet;
use std::path::Path;

fn shown(event: &Value) -> String {
    let envelope = Envelope::read(&record(&event.to_string(), &[])).expect("it is an event");
    line(&envelope, "2025-01-01").render(false, None)
}

/// Every record of `tests/fixtures/rows`, which has a folder for each row of the catalogue; of a row
/// that can give several kinds, each record as every one of them.
fn fixtures() -> Vec<Value> {
    let rows = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rows");
    let catalogue = Catalogue::embedded();
    let mut events = Vec::new();
    for plan in &catalogue.rows {
        let folder = rows.join(plan.provider.name()).join(&*plan.command);
        let text = files::read_text(&folder.join("records.json"), 1 << 20).unwrap();
        let records: Vec<Value> = serde_json::from_str(&text).unwrap();
        for mut event in records.into_iter().map(|mut record| record["event"].take()) {
            for kind in &plan.kinds {
                let name = &*catalogue.kind(kind.kind).name;
                event["type"] = Value::String(format!("im.{name}"));
                events.push(event.clone());
            }
        }
    }
    events
}

#[test]
fn every_kind_has_a_line_that_says_more_than_its_name() {
    let mut kinds = BTreeSet::new();
    for event in fixtures() {
        let text = shown(&event);
        let kind = event["type"].as_str().unwrap().strip_prefix("im.").unwrap();
        kinds.insert(kind.to_owned());
        let column: String = text.chars().skip(TIME + PROVIDER + 4).take(KIND + 1).collect();
        assert_eq!(column.trim_end().trim_end_matches('?'), kind);
        let start = TIME + PROVIDER + KIND + KEY + 8;
        let story: String = text.chars().skip(start).collect();
        assert!(!story.trim().is_empty(), "{kind} says nothing: {text}");
        assert!(!text.contains('\n') && !text.contains("raw="), "{text}");
    }
    let known: BTreeSet<String> =
        Catalogue::embedded().kinds.iter().map(|kind| kind.name.to_string()).collect();
    let untold: Vec<&String> = known.difference(&kinds).collect();
    assert!(untold.is_empty(), "no fixture, so no line was looked at: {untold:?}");
}

#[test]
fn columns_line_up_for_every_kind() {
    for event in fixtures() {
        let envelope = Envelope::read(&record(&event.to_string(), &[])).unwrap();
        let mut columns = Line::default();
        columns.cell(PLAIN, &when(envelope.attribute("time"), ""), TIME).push(PLAIN, "  ");
        assert_eq!(columns.width(), TIME + 2);
        let text = shown(&event);
        let provider: String = text.chars().skip(TIME + 2).take(PROVIDER).collect();
        assert!(["openim", "tencent"].contains(&provider.trim()), "{text}");
    }
}

fn event(kind: &str, data: &Value) -> Value {
    serde_json::json!({
        "specversion": "1.0", "type": format!("im.{kind}"), "time": "2025-01-01T10:20:30.456Z",
        "partitionkey": "group:g1", "improvider": "openim", "imcommand": "callbackX", "data": data,
    })
}

/// The line behind its fixed columns.
fn told(kind: &str, data: &Value) -> String {
    let text = shown(&event(kind, data));
    text.chars().skip(TIME + PROVIDER + KIND + KEY + 8).collect()
}

#[test]
fn a_message_reads_as_who_and_what() {
    let data = serde_json::json!({
        "conversation_id": "group:g1", "sender_id": "alice", "content_type": "text",
        "platform": "ios", "text": "Good\nmorning \u{1b}[31mall", "group_id": "g1", "raw": {"a": 1},
    });
    assert_eq!(
        shown(&event("message.group.sent", &data)),
        "10:20:30.456  openim   message.group.sent              group:g1                    \
         alice “Good⏎morning ·[31mall” platform=ios"
    );
}

#[test]
fn an_intent_is_a_question_with_its_verdict() {
    let data = serde_json::json!({
        "kind": "friend.request.create", "verdict": "deny", "enforced": true, "rule_id": "r1",
        "deny_code": 5001, "recipient_id": "bob", "applicant_id": "alice", "request_message": "Hi",
    });
    assert!(shown(&event("friend.request.create", &data)).contains("  friend.request.create?  "));
    assert_eq!(
        told("friend.request.create", &data),
        "deny alice → bob “Hi” rule_id=r1 deny_code=5001"
    );
}

#[test]
fn an_unknown_record_tells_why() {
    let data = serde_json::json!({
        "unknown_reason": "missing_field", "missing_fields": ["group_id", "name"], "raw": {},
    });
    assert_eq!(told("unknown", &data), "callbackX missing field group_id, name");
    let data = serde_json::json!({"unknown_reason": "not_json", "raw_text": "<xml>"});
    assert_eq!(told("unknown", &data), "callbackX not json “<xml>”");
}

#[test]
fn lists_are_cut_and_objects_are_told_by_what_names_them() {
    let data = serde_json::json!({"group_id": "g1", "member_ids": ["a", "b", "c", "d", "e"]});
    assert_eq!(told("group.member.joined", &data), "a, b, c +2");
    let data =
        serde_json::json!({"attributes": [{"key": "k", "value": "v"}, {"key": "l", "value": "w"}]});
    assert_eq!(told("group.attributes.updated", &data), "attributes=k:v,l:w");
    assert_eq!(told("message.extension.add", &serde_json::json!({})), "callbackX");
}

#[test]
fn other_days_show_their_date() {
    assert_eq!(when("2024-12-31T23:59:59.500Z", "2025-01-01"), "12-31 23:59");
    assert_eq!(when("2025-01-01T00:00:00.000Z", "2025-01-01"), "00:00:00.000");
    assert_eq!(when("", "2025-01-01"), "");
}
