//! Events that were put aside come back as the records that they were.
//!
//! In: all fixtures, in every form and under every way to name topics. Out: what writing an event
//! and then reading it back gives, beside the record that the normaliser made at once.

use crate::support::bridge::{Request, allow, catalogue, run_into, settings};
use imbridge::call::Provider;
use imbridge::event::{EventFormat, TopicBy};
use imbridge::normalise::{Class, NoEvent, Normaliser, Restored, Settings};
use imbridge::record::{Batch, Record};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Requests of all fixtures, with their names.
fn requests() -> Vec<(String, Request)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut found = Vec::new();
    let mut add = |name: String, text: &str| {
        let value: Value = serde_json::from_str(text).expect("fixtures are JSON");
        found.push((name, Request::read(&value)));
    };
    for kind in ["golden", "rows"] {
        for provider in Provider::ALL {
            for entry in fs::read_dir(root.join(kind).join(provider.name())).unwrap() {
                let path = entry.unwrap().path().join("request.json");
                add(path.display().to_string(), &fs::read_to_string(&path).unwrap());
            }
        }
    }
    for (number, line) in fs::read_to_string(root.join("edges.jsonl")).unwrap().lines().enumerate()
    {
        add(format!("edges.jsonl, line {}", number + 1), line);
    }
    found
}

fn structured(record: &Record<'_>) -> String {
    String::from_utf8(record.structured().into_owned()).expect("events are text")
}

/// Everything of a record but the header `replay`, and what that says.
#[derive(Debug, PartialEq)]
struct Parts {
    topic: String,
    id: String,
    key: Option<Vec<u8>>,
    timestamp_ms: i64,
    headers: Vec<(String, Vec<u8>)>,
    value: String,
}

fn parts(record: &Record<'_>) -> (Parts, Vec<Vec<u8>>) {
    let (replay, headers): (Vec<_>, Vec<_>) = record
        .headers()
        .map(|(name, value)| (name.to_owned(), value.to_vec()))
        .partition(|(name, _)| name == "replay");
    let parts = Parts {
        topic: record.topic.to_owned(),
        id: record.id.to_owned(),
        key: record.key.map(<[u8]>::to_vec),
        timestamp_ms: record.timestamp_ms,
        headers,
        value: String::from_utf8(record.value.to_vec()).expect("values are text"),
    };
    (parts, replay.into_iter().map(|(_, value)| value).collect())
}

/// What a restored record counts for: a kind, or a provider and why there is none.
fn counts_for(restored: Restored) -> String {
    match restored {
        Restored::Whole(Some(Class::Kind(kind))) => {
            catalogue().kinds[usize::from(kind.0)].name.to_string()
        }
        Restored::Whole(Some(Class::Unknown(provider, reason))) => {
            format!("{} {}", provider.name(), reason.word())
        }
        other => format!("{other:?}"),
    }
}

/// The same by the event itself.
fn classified(event: &str) -> String {
    let event: Value = serde_json::from_str(event).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    match text(&event["type"]).strip_prefix("im.").unwrap() {
        "unknown" => {
            format!("{} {}", text(&event["improvider"]), text(&event["data"]["unknown_reason"]))
        }
        kind => kind.to_owned(),
    }
}

#[test]
fn every_fixture_comes_back_from_its_event_as_the_record_that_it_was() {
    let requests = requests();
    let mut records = 0;
    for event_format in [EventFormat::Structured, EventFormat::Binary] {
        for topic_by in [TopicBy::Kind, TopicBy::Command, TopicBy::One] {
            let settings =
                Settings { topic_prefix: "chat.".to_owned(), topic_by, event_format, ..settings() };
            let normaliser = Normaliser::new(catalogue(), settings.clone());
            for (name, request) in &requests {
                let (mut made, mut back) = (Batch::new(), Batch::new());
                run_into(&catalogue(), request, settings.clone(), &allow, &mut made);
                for record in &made {
                    let event = structured(&record);
                    let restored = normaliser.restore(&event, &mut back);
                    assert_eq!(restored.map(counts_for), Ok(classified(&event)), "{name}: {event}");
                }
                assert_eq!(back.records(), made.records());
                for (back, made) in back.iter().zip(&made) {
                    let (back, replay) = parts(&back);
                    assert_eq!(back, parts(&made).0, "{name}");
                    assert_eq!(replay, [b"1"], "{name}");
                    records += 1;
                }
            }
        }
    }
    assert!(records > 2000, "{records} records came back");
}

#[test]
fn both_forms_of_a_record_give_the_same_event() {
    for (name, request) in requests() {
        let events = |event_format| {
            let mut batch = Batch::new();
            let settings = Settings { event_format, ..settings() };
            run_into(&catalogue(), &request, settings, &allow, &mut batch);
            batch.iter().map(|record| structured(&record)).collect::<Vec<_>>()
        };
        assert_eq!(events(EventFormat::Structured), events(EventFormat::Binary), "{name}");
    }
}

/// An event as files hold them.
pub(crate) const EVENT: &str = r#"{"specversion":"1.0","id":"0123456789abcdef0123456789abcdef","source":"/openim/default","type":"im.group.dismissed","subject":"group/g1","time":"2025-01-01T00:00:00.123Z","recordedtime":"2025-01-01T00:00:00.123Z","partitionkey":"group:g1","improvider":"openim","imcommand":"callbackAfterDisMissGroupCommand","datacontenttype":"application/json","data":{"group_id":"g1","raw":{"groupID":"g1"}}}"#;

fn restore(event: &str, settings: Settings) -> (Result<Restored, NoEvent>, Batch) {
    let mut batch = Batch::new();
    let restored = Normaliser::new(catalogue(), settings).restore(event, &mut batch);
    (restored, batch)
}

#[test]
fn the_limit_is_that_of_new_records_and_what_does_not_fit_is_left_alone() {
    for event_format in [EventFormat::Structured, EventFormat::Binary] {
        let settings = |event_bytes_max| Settings { event_format, event_bytes_max, ..settings() };
        let (_, batch) = restore(EVENT, settings(usize::MAX));
        let record = batch.iter().next().expect("it was restored");
        let (parts, _) = parts(&record);
        let headers: usize =
            parts.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let bytes = parts.value.len() + "group:g1".len() + headers;
        assert!(matches!(restore(EVENT, settings(bytes)).0, Ok(Restored::Whole(Some(_)))));
        let (restored, batch) = restore(EVENT, settings(bytes - 1));
        assert_eq!(restored, Ok(Restored::TooLarge(bytes)));
        assert!(batch.is_empty() && batch.bytes().is_empty());
    }
}

#[test]
fn an_event_that_somebody_laid_out_for_reading_goes_out_on_one_line() {
    let value: Value = serde_json::from_str(EVENT).unwrap();
    let pretty = serde_json::to_string_pretty(&value).unwrap() + "\n";
    let (restored, batch) = restore(&pretty, settings());
    assert_eq!(restored.map(counts_for), Ok("group.dismissed".to_owned()));
    assert_eq!(batch.iter().next().map(|record| record.value), Some(EVENT.as_bytes()));
}

/// A body may be nested 100 levels deep, and stands two levels below its event.
#[test]
fn the_deepest_body_comes_back() {
    let nested = |levels: usize| {
        let lists = format!("{}{}", "[".repeat(levels - 1), "]".repeat(levels - 1));
        EVENT.replace(r#"{"groupID":"g1"}"#, &format!(r#"{{"groupID":{lists}}}"#))
    };
    assert!(matches!(restore(&nested(100), settings()).0, Ok(Restored::Whole(Some(_)))));
    assert_eq!(restore(&nested(101), settings()).0, Err(NoEvent::NoJson));
}

#[test]
fn what_is_no_event_of_ours_is_refused_with_the_reason() {
    let cases = [
        ("", "", "it is no JSON object"),
        (EVENT, "[]", "it is no JSON object"),
        (r#"{"specversion":"1.0","#, "{", "it is no event: specversion is missing or odd"),
        (r#""1.0""#, r#""0.3""#, "it is no event: specversion is missing or odd"),
        (
            r#""id":"0123456789abcdef0123456789abcdef""#,
            r#""id":7"#,
            "it is no event: id is missing or odd",
        ),
        (r#""im.group.dismissed""#, r#""org.other""#, "it is no event: type is missing or odd"),
        (
            r#""recordedtime":"2025"#,
            r#""recordedtime":"25"#,
            "it is no event: recordedtime is missing or odd",
        ),
        (r#""openim""#, r#""icq""#, "it is no event: improvider is missing or odd"),
        (r#""group:g1""#, "7", "it is no event: partitionkey is missing or odd"),
        (
            r#""subject":"group/g1""#,
            r#""Sub ject":"x""#,
            "it is no event: Sub ject is missing or odd",
        ),
        (r#""subject":"group/g1""#, r#""subject":{}"#, "it is no event: subject is missing or odd"),
        (
            r#"{"group_id":"g1","raw":{"groupID":"g1"}}"#,
            "[]",
            "it is no event: data is missing or odd",
        ),
        (
            "im.group.dismissed",
            "im.group.exploded",
            "the catalogue has no topic for \"group.exploded\"",
        ),
        (
            "AfterDisMissGroup",
            "AfterOpenDoor",
            "the catalogue has no topic for \"callbackAfterOpenDoorCommand\"",
        ),
        ("im.group.dismissed", "im.user.online", "the catalogue has no topic for \"user.online\""),
    ];
    for (from, to, why) in cases {
        let event = if from.is_empty() { to.to_owned() } else { EVENT.replace(from, to) };
        let (restored, batch) = restore(&event, settings());
        assert_eq!(restored.map_err(|error| error.to_string()), Err(why.to_owned()), "{event}");
        assert!(batch.is_empty());
    }
}
