//! One request that becomes many records: what that costs, and where it ends.
//!
//! In: envelopes and lists of thousands of elements. Out: processor time as a ratio within one run,
//! and the bytes of the batch. What splitting means for each record is in the fixtures.

use crate::support::bridge::{Request, allow, catalogue, run, run_into, settings};
use imbridge::call::Provider;
use imbridge::catalogue::Catalogue;
use imbridge::record::Batch;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use std::sync::Arc;

/// Records of one request repeat no more of it than this.
const REPEATED_BYTES_MAX: usize = 64 << 20;

fn request(provider: Provider, command: &str, body: String) -> Request {
    Request {
        provider,
        deployment: "demo".to_owned(),
        path: String::new(),
        query: match provider {
            Provider::OpenIm => format!("command={command}"),
            Provider::Tencent => format!("SdkAppid=1400000001&CallbackCommand={command}"),
        },
        headers: Vec::new(),
        body: body.into_bytes(),
        received_at_ms: 1_735_689_600_123,
    }
}

fn registered(users: usize) -> Request {
    let users = vec![r#"{"userID":"u"}"#; users].join(",");
    let body = format!(r#"{{"users":[{users}]}}"#);
    request(Provider::OpenIm, "callbackAfterUserRegisterCommand", body)
}

fn envelope(command: &str, elements: &[&str]) -> Request {
    request(Provider::Tencent, command, format!(r#"{{"Events":[{}]}}"#, elements.join(",")))
}

fn batch(catalogue: &Arc<Catalogue>, request: &Request) -> Batch {
    let mut batch = Batch::new();
    run_into(catalogue, request, settings(), &allow, &mut batch);
    batch
}

/// Processor time of this thread, in seconds; the least of three.
fn seconds(request: &Request) -> f64 {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let whole = time.tv_sec.unsigned_abs() * 1_000_000_000;
        std::time::Duration::from_nanos(whole + time.tv_nsec.unsigned_abs())
    };
    let run = || {
        let started = now();
        assert!(batch(&catalogue(), request).records() > 1);
        now().abs_diff(started).as_secs_f64()
    };
    run().min(run()).min(run())
}

/// Each record passed over all elements three times: writing its own, and hashing the body for its
/// id. A body of 16 MiB would have held a worker for hours.
#[test]
fn the_cost_of_a_list_grows_with_its_length_not_with_its_square() {
    let (short, long) = (seconds(&registered(2000)), seconds(&registered(16_000)));
    assert!(long < short * 24.0, "8 times the elements took {:.0} times as long", long / short);
    let elements = vec![r#"{"PushID":"p"}"#; 16_000];
    let short = seconds(&envelope("Push.AllMemberPush", &elements[..2000]));
    let long = seconds(&envelope("Push.AllMemberPush", &elements));
    assert!(long < short * 24.0, "8 times the elements took {:.0} times as long", long / short);
}

/// Expects the whole body once.
fn unsplit(catalogue: &Arc<Catalogue>, request: &Request, list: &str) {
    let batch = batch(catalogue, request);
    assert_eq!(batch.records(), 1, "{list}");
    let record = batch.iter().next().unwrap();
    assert_eq!(record.topic, "im.unknown");
    let event: Value = serde_json::from_slice(record.value).unwrap();
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let data = json!({"unknown_reason": "missing_field", "missing_fields": [list], "raw": body});
    assert_eq!(event["data"], data);
}

/// Eleven kilobytes became 63 MB of journal, a megabyte all memory there was.
#[test]
fn a_request_that_would_repeat_too_much_of_itself_is_one_record() {
    let ours = catalogue();
    let tencent = |elements: &[&str]| envelope("Push.AllMemberPush", elements);
    // Texts of the whole body, records of nothing.
    unsplit(&ours, &tencent(&vec!["0"; 6000]), "$.Events");
    unsplit(&ours, &tencent(&vec!["{}"; 66_000]), "$.Events");
    unsplit(&ours, &registered(66_000), "$.users");
    // Much beside the list.
    let pad = "x".repeat(100_000);
    let users = ["{}"; 700].join(",");
    let body = format!(r#"{{"pad":"{pad}","users":[{users}]}}"#);
    unsplit(&ours, &request(Provider::OpenIm, "callbackAfterUserRegisterCommand", body), "$.users");
    // A body hashed for each of its commands.
    let commands: Vec<String> =
        (0..4000).map(|command| format!(r#"{{"CallbackCommand":"c{command}"}}"#)).collect();
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    unsplit(&ours, &tencent(&commands), "$.Events");
    // A row that reads the list it splits into each of its events.
    let row = json!({"commands": [{
        "provider": "openim",
        "command": "callbackAfterUserRegisterCommand",
        "phase": "after",
        "kind": "group.member.joined",
        "each": "$.users",
        "fields": {"group_id": "const:g", "member_ids": "$.users[*].userID|ids"},
        "id": ["@.userID"],
    }]});
    let theirs = Arc::new(Catalogue::with_extra("more.json", &row.to_string()).unwrap());
    unsplit(&theirs, &registered(3000), "$.users");
    assert_eq!(batch(&theirs, &registered(500)).records(), 500);
}

#[test]
fn a_hundred_events_of_any_ordinary_size_are_split() {
    let pad = format!(r#"{{"pad":"{}"}}"#, "x".repeat(150_000));
    let made = run(&envelope("Push.AllMemberPush", &[pad.as_str(); 100]), settings(), &allow);
    assert_eq!(made.records.len(), 100);
    let made = run(&envelope("Push.AllMemberPush", &["7"; 100]), settings(), &allow);
    assert_eq!(made.records.len(), 100);
    let ids: std::collections::HashSet<_> =
        made.records.iter().map(|record| record["event"]["id"].to_string()).collect();
    assert_eq!(ids.len(), 100, "the position follows the body");
}

#[test]
fn what_is_split_stays_within_the_bound() {
    for request in [
        registered(60_000),
        envelope("Push.AllMemberPush", &vec!["0"; 5000]),
        envelope("Push.AllMemberPush", &vec!["{}"; 60_000]),
    ] {
        let batch = batch(&catalogue(), &request);
        assert!(batch.records() >= 5000);
        assert!(batch.bytes().len() < REPEATED_BYTES_MAX + 2 * request.body.len());
    }
}

/// An element's members are redacted wherever it stands; in the body of an envelope nobody would
/// know where that is.
#[test]
fn an_envelope_that_stays_whole_shows_nothing_that_its_elements_would_hide() {
    let row = json!({"commands": [{
        "provider": "tencent",
        "command": "Push.AllMemberPush",
        "phase": "after",
        "kind": "push.sent",
        "fields": {"recipient_id": "$.To|id"},
        "redact": ["$.PushKey"],
    }]});
    let theirs = Catalogue::with_extra("more.json", &row.to_string());
    let theirs = Arc::new(theirs.unwrap_or_else(|problems| panic!("{problems:?}")));
    let elements = vec![r#"{"PushKey":"hidden"}"#; 66_000];
    let batch = batch(&theirs, &envelope("Push.AllMemberPush", &elements));
    assert_eq!(batch.records(), 1);
    let value = String::from_utf8(batch.iter().next().unwrap().value.to_vec()).unwrap();
    assert!(value.contains("not_json") && value.contains("[redacted]"));
    assert!(!value.contains("hidden"));
}
