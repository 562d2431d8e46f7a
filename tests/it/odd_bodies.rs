//! Bodies that nobody should send: whatever comes, a record that keeps the rules, and an answer.
//!
//! In: arbitrary bytes, arbitrary JSON, and the worked example of every command with members replaced.
//! Out: `support::record_rules` on each record, the allow on each answer. Then the corners with a
//! defined outcome, each by name, and the forms of records: oversize, binary, topics, prefix.

use crate::support::bridge::{Made, Request, allow, catalogue, run, run_into, settings};
use crate::support::record_rules::check;
use crate::support::routes::fixture;
use crate::support::serve::{Builder, Kafka};
use imbridge::call::{Phase, Provider};
use imbridge::event::{EventFormat, TopicBy};
use imbridge::normalise::Settings;
use imbridge::record::Batch;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::sync::OnceLock;

/// When the requests of this file arrive: 2025-01-01T00:00:00.123Z.
const RECEIVED_AT_MS: i64 = 1_735_689_600_123;

fn request(provider: Provider, command: &str, body: impl Into<Vec<u8>>) -> Request {
    let in_query = match provider {
        Provider::OpenIm => format!("command={command}"),
        Provider::Tencent => format!("SdkAppid=1400000001&CallbackCommand={command}"),
    };
    Request {
        provider,
        deployment: "demo".to_owned(),
        path: String::new(),
        query: in_query,
        headers: vec![("Operationid".to_owned(), "op-1".to_owned())],
        body: body.into(),
        received_at_ms: RECEIVED_AT_MS,
    }
}

/// The worked example of every command.
fn examples() -> &'static [Request] {
    static EXAMPLES: OnceLock<Vec<Request>> = OnceLock::new();
    EXAMPLES.get_or_init(|| {
        let rows = &catalogue().rows;
        rows.iter().map(|plan| fixture(plan.provider, &plan.command)).collect()
    })
}

/// Makes records and answer of a request, and holds both against the rules.
fn obeys(request: &Request) -> Batch {
    let mut batch = Batch::new();
    let reply = run_into(&catalogue(), request, settings(), &allow, &mut batch);
    check(request, &batch);
    let reply: Value = serde_json::from_slice(&reply).expect("an answer is JSON");
    let code = match request.provider {
        Provider::OpenIm => ["actionCode", "errCode", "nextCode"].map(|name| reply[name].clone()),
        Provider::Tencent => ["ErrorCode"; 3].map(|name| reply[name].clone()),
    };
    assert_eq!(code, [0, 0, 0].map(Value::from), "{reply}");
    batch
}

fn made(request: &Request) -> Made {
    obeys(request);
    run(request, settings(), &allow)
}

/// Any JSON that a body may hold, wide at the top and flat below.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any_number(),
        ".{0,12}".prop_map(Value::from),
        any_text(),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((any_name(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Numbers by their literal: what no integer or real type holds is a number all the same.
fn any_number() -> impl Strategy<Value = Value> {
    let literal = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        "-?(0|[1-9][0-9]{0,60})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,6})?",
        select(vec!["0", "-0", "1.0", "1e400", "-1E-400", "946684800", "9223372036854775808"])
            .prop_map(str::to_owned),
    ];
    literal.prop_map(|literal| serde_json::from_str(&literal).expect("a literal is a number"))
}

/// Texts that mean something to somebody on the way.
fn any_text() -> impl Strategy<Value = Value> {
    let known = [
        "",
        "0",
        "1",
        "-5",
        "true",
        "null",
        "[",
        "[]",
        "[\"a\",5]",
        "{\"content\":\"x\"}",
        "AtAllTag",
        "si_a_b",
        "sg_g",
        "sn_",
        "\u{0}\u{1}\u{7f}\u{85}\u{ffff}",
        "\u{2028}",
        "1735689600123",
        "99999999999999999999",
        "TIMTextElem",
        "callbackAfterSendSingleMsgCommand",
    ];
    prop_oneof![
        select(known.to_vec()).prop_map(Value::from),
        (1_usize..3000).prop_map(|length| Value::from("é".repeat(length))),
        any_name().prop_map(Value::from),
    ]
}

/// Names that plans look for, and some that nobody does.
fn any_name() -> impl Strategy<Value = String> {
    let names = [
        "callbackCommand",
        "CallbackCommand",
        "groupID",
        "GroupId",
        "Events",
        "MsgBody",
        "content",
        "contentType",
        "secret",
        "token",
        "users",
        "EventTime",
        "sendTime",
        "seq",
        "From_Account",
        "MsgContent",
        "MsgType",
        "value",
        "raw",
        "data",
        "",
    ];
    prop_oneof![select(names.to_vec()).prop_map(str::to_owned), ".{0,8}"]
}

/// How many values a body has; each has a number, counted from the outside inwards.
fn values(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(values).sum(),
        Value::Object(members) => members.values().map(values).sum(),
        _ => 0,
    }
}

/// Puts `odd` in the place of a value, or leaves it out.
fn replace(value: &mut Value, at: &mut usize, odd: Option<&Value>) -> bool {
    if *at == 0 {
        match odd {
            Some(odd) => *value = odd.clone(),
            None => return true,
        }
    }
    *at = at.wrapping_sub(1);
    match value {
        Value::Array(items) => {
            items.retain_mut(|item| *at == usize::MAX || !replace(item, at, odd));
        }
        Value::Object(members) => {
            let names: Vec<String> = members.keys().cloned().collect();
            for name in names {
                if *at != usize::MAX && replace(&mut members[&name], at, odd) {
                    members.shift_remove(&name);
                }
            }
        }
        _ => {}
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_give_records_that_keep_the_rules(
        bytes in vec(any::<u8>(), 0..200), example in any::<Index>(),
    ) {
        let like = example.get(examples());
        obeys(&Request { body: bytes, ..clone(like) });
    }

    #[test]
    fn any_json_gives_records_that_keep_the_rules(json in any_json(), example in any::<Index>()) {
        let like = example.get(examples());
        obeys(&Request { body: json.to_string().into_bytes(), ..clone(like) });
    }

    #[test]
    fn any_member_of_an_example_may_be_anything(
        example in any::<Index>(),
        bends in vec((any::<Index>(), proptest::option::weighted(0.9, any_json())), 1..5),
    ) {
        let like = example.get(examples());
        let mut body: Value = serde_json::from_slice(&like.body).expect("examples are JSON");
        for (at, odd) in &bends {
            // Not the body itself: other properties have that.
            let count = values(&body);
            if count > 1 {
                replace(&mut body, &mut (1 + at.index(count - 1)), odd.as_ref());
            }
        }
        obeys(&Request { body: body.to_string().into_bytes(), ..clone(like) });
    }

    #[test]
    fn any_cut_or_changed_byte_of_an_example_is_survived(
        example in any::<Index>(), at in any::<Index>(), with in vec(any::<u8>(), 0..4), cut in any::<bool>(),
    ) {
        let like = example.get(examples());
        let mut body = like.body.clone();
        let at = at.index(body.len() + 1);
        if cut {
            body.truncate(at);
        }
        body.splice(at..at, with);
        obeys(&Request { body, ..clone(like) });
    }

    #[test]
    fn any_query_path_and_headers_are_survived(
        provider in select(Provider::ALL.to_vec()), path in "(/[ -~é]{0,12}){0,3}",
        query in "[ -~é\u{1}]{0,60}|SdkAppid=(%[0-9A-F]{2}|é){0,20}|SdkAppid=[0-9]{2000}",
        header in ".{0,40}", body in any_json(),
    ) {
        obeys(&Request {
            provider,
            deployment: "demo".to_owned(),
            path,
            query,
            headers: ["Operationid", "X"].map(|name| (name.to_owned(), header.clone())).to_vec(),
            body: body.to_string().into_bytes(),
            received_at_ms: RECEIVED_AT_MS,
        });
    }

    #[test]
    fn a_record_that_is_too_large_says_what_is_missing(
        example in any::<Index>(), limit in 200_usize..2500,
    ) {
        let like = example.get(examples());
        let whole = run(like, settings(), &allow);
        let mut batch = Batch::new();
        let small = Settings { event_bytes_max: limit, ..settings() };
        run_into(&catalogue(), like, small, &allow, &mut batch);
        let mut records = batch.iter();
        for full in &whole.records {
            let event = &full["event"];
            let head = b"content-typeapplication/cloudevents+json; charset=UTF-8".len();
            let key = full["key"].as_str().map_or(0, str::len);
            let size = |event: &Value| event.to_string().len() + head + key;
            let wanted = if size(event) <= limit { event.clone() } else { without_raw(event) };
            if size(&wanted) <= limit {
                let record = records.next().expect("what fits is written");
                let seen: Value = serde_json::from_slice(record.value).expect("JSON");
                prop_assert_eq!(seen.to_string(), wanted.to_string());
            }
        }
        prop_assert!(records.next().is_none(), "what does not fit is not written");
    }
}

fn clone(like: &Request) -> Request {
    Request {
        provider: like.provider,
        deployment: like.deployment.clone(),
        path: like.path.clone(),
        query: like.query.clone(),
        headers: like.headers.clone(),
        body: like.body.clone(),
        received_at_ms: like.received_at_ms,
    }
}

/// The event with length and hash of `raw` in its place.
fn without_raw(event: &Value) -> Value {
    let mut event = event.clone();
    let data = event["data"].as_object_mut().expect("an object");
    if let Some(raw) = data.shift_remove("raw") {
        let text = compact(&raw);
        data.insert("raw_bytes".to_owned(), text.len().into());
        let hash = Sha256::digest(text.as_bytes());
        let hex: String =
            hash.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(hex_digit).collect();
        data.insert("raw_sha256".to_owned(), hex.into());
    }
    event
}

fn hex_digit(digit: u8) -> char {
    char::from_digit(digit.into(), 16).expect("four bits")
}

/// `serde_json` writes what the contract calls compact JSON.
fn compact(value: &Value) -> String {
    value.to_string()
}

fn reason(request: &Request) -> String {
    let made = made(request);
    assert_eq!(made.records.len(), 1);
    assert_eq!(made.records[0]["topic"], "im.unknown");
    made.records[0]["event"]["data"]["unknown_reason"].as_str().expect("a text").to_owned()
}

const QUIT: &str = "callbackAfterQuitGroupCommand";

fn quit(body: impl Into<Vec<u8>>) -> Request {
    request(Provider::OpenIm, QUIT, body)
}

fn data(request: &Request) -> Map<String, Value> {
    let made = made(request);
    made.records[0]["event"]["data"].as_object().expect("an object").clone()
}

#[test]
fn what_is_no_json_object_is_kept_as_text() {
    let bodies: [(&[u8], &str); 9] = [
        (b"", ""),
        (b"\xef\xbb\xbf{\"groupID\":\"g\"}", "\u{feff}{\"groupID\":\"g\"}"),
        (b"[1]", "[1]"),
        (b"\"{}\"", "\"{}\""),
        (b"{\"a\":1} x", "{\"a\":1} x"),
        (b"{\"a\":01}", "{\"a\":01}"),
        (b"{\"a\":NaN}", "{\"a\":NaN}"),
        (b"{\"a\":1,}", "{\"a\":1,}"),
        (b"{\"a\":\xff\xc3", "{\"a\":\u{fffd}\u{fffd}"),
    ];
    for (body, text) in bodies {
        let seen = data(&quit(body));
        assert_eq!(Value::Object(seen), json!({"unknown_reason": "not_json", "raw_text": text}));
    }
}

#[test]
fn invalid_utf8_is_replaced_once_for_each_run() {
    let seen = data(&quit(&b"{\"groupID\":\"g\xff\xf0\x9f\x98\",\"userID\":\"\xe4\xbd\xa0\"}"[..]));
    assert_eq!(seen["group_id"], "g\u{fffd}\u{fffd}");
    assert_eq!(seen["raw"], json!({"groupID": "g\u{fffd}\u{fffd}", "userID": "你"}));
}

#[test]
fn an_unpaired_surrogate_reads_as_the_replacement_character_in_raw_too() {
    let body = r#"{"groupID":"\ud83d","userID":"\ude00\ud83d\ude00","\udc00":"\ud83dx"}"#;
    let seen = data(&quit(body));
    assert_eq!(seen["group_id"], "\u{fffd}");
    let raw = json!({"groupID": "\u{fffd}", "userID": "\u{fffd}😀", "\u{fffd}": "\u{fffd}x"});
    assert_eq!(seen["raw"], raw);
}

#[test]
fn of_equal_names_the_last_value_counts_at_the_place_of_the_first() {
    let seen = data(&quit(r#"{"groupID":"a","x":1,"userID":"u","groupID":"b","x":{"y":1,"y":2}}"#));
    assert_eq!(seen["group_id"], "b");
    assert_eq!(seen["raw"].to_string(), r#"{"groupID":"b","x":{"y":2},"userID":"u"}"#);
}

#[test]
fn numbers_of_any_size_stay_as_they_were_written() {
    let raw = r#"{"groupID":123456789012345678901234567890,"userID":-0,"a":1.50,"b":1E+400,"c":-0.0,"d":0.1e-9999}"#;
    let request = quit(raw);
    let mut batch = Batch::new();
    run_into(&catalogue(), &request, settings(), &allow, &mut batch);
    let record = batch.iter().next().expect("a record");
    let value = std::str::from_utf8(record.value).expect("UTF-8");
    assert!(value.ends_with(&format!("\"raw\":{raw}}}}}")), "byte for byte: {value}");
    let seen = data(&request);
    assert_eq!(seen["group_id"], "123456789012345678901234567890");
    assert_eq!(seen["member_ids"], json!(["-0"]));
}

#[test]
fn a_hundred_levels_are_read_and_ten_thousand_are_kept_as_text() {
    let nested = |levels: usize| {
        let inner = levels - 1;
        format!(r#"{{"groupID":"g","userID":"u","x":{}1{}}}"#, "[".repeat(inner), "]".repeat(inner))
    };
    let seen = data(&quit(nested(100)));
    assert_eq!(seen["group_id"], "g");
    assert_eq!(seen["raw"]["x"].to_string().len(), 199);
    for levels in [101, 128, 10_000] {
        assert_eq!(reason(&quit(nested(levels))), "not_json", "{levels}");
    }
    for open in ["[", "{\"a\":", "[[{\"a\":["] {
        assert_eq!(reason(&quit(open.repeat(100_000))), "not_json");
    }
    let inner = nested(10_000);
    let message = json!({
        "serverMsgID": "m", "sendID": "a", "recvID": "b", "contentType": 101, "content": inner,
    });
    let seen = request(Provider::OpenIm, "callbackAfterSendSingleMsgCommand", message.to_string());
    assert_eq!(data(&seen)["raw"]["content"], inner, "in a text it is a text like any other");
}

#[test]
fn each_reason_for_an_unknown_record_occurs() {
    let none = Request { query: String::new(), ..quit("{}") };
    assert_eq!(reason(&none), "no_command");
    assert_eq!(reason(&request(Provider::OpenIm, "callbackNew", "{}")), "unknown_command");
    assert_eq!(reason(&quit("{}")), "missing_field");
    assert_eq!(reason(&quit("")), "not_json");
    let state = request(Provider::Tencent, "State.StateChange", r#"{"Info":{"Action":"Dance"}}"#);
    assert_eq!(reason(&state), "unmatched_kind");
}

#[test]
fn an_sdk_app_id_that_is_none_makes_a_source_that_cloudevents_allows() {
    // The query was copied into `source` as it came: control characters, any length.
    let mut call = request(Provider::Tencent, "Group.CallbackAfterGroupDestroyed", "{}");
    call.query = "SdkAppid=1%00%0A%C2%852".to_owned();
    let source = |call: &Request| made(call).records[0]["event"]["source"].clone();
    assert_eq!(source(&call), "/tencent/1\u{fffd}\u{fffd}\u{fffd}2");
    call.query = format!("SdkAppid={}", "é".repeat(2000));
    assert_eq!(source(&call).as_str().map(str::len), Some(1023), "cut on a character's border");
    call.query = "SdkAppid=".to_owned();
    assert_eq!(source(&call), "/tencent/unknown");
}

#[test]
fn bodies_of_sixteen_mebibytes_are_taken_and_go_out_without_raw() {
    let bridge = Builder::new(Kafka::nobody()).set("BODY_SECONDS_MAX", "60").start();
    let size = 16 << 20;
    let start =
        r#"{"callbackCommand":"callbackAfterQuitGroupCommand","groupID":"g","userID":"u","x":""#;
    let text = format!("{start}{}\"}}", "x".repeat(size - start.len() - 2));
    let mut list = r#"{"groupID":"g","userID":"u","x":["#.to_owned();
    list.push_str(&"1,".repeat((size - list.len() - 4) / 2));
    list.push_str("1]}");
    let bad = "[".repeat(size);
    assert_eq!(text.len(), size);
    for (body, unknown) in [(text, 0), (list, 0), (bad, 1)] {
        assert_eq!(bridge.post(&format!("/openim/{QUIT}"), &body).status, 200);
        let labels = r#"provider="openim",reason="not_json""#;
        assert_eq!(bridge.metric(&format!("records_unknown_total{{{labels}}}")), unknown);
    }
    // Its head is enough: the whole of it could not be thrown away in time on a busy machine.
    let mut wire = bridge.connect();
    wire.send(format!("POST /openim HTTP/1.1\r\nHost: b\r\nContent-Length: {}\r\n\r\n", size + 1));
    assert_eq!(wire.response().status, 413);
    assert_eq!(bridge.metric("records_oversize_total"), 2);
    assert_eq!(bridge.metric(r#"records_total{kind="group.member.left"}"#), 2);
    let status = bridge.assert_ledger_even();
    assert_eq!(status["ledger"]["records"]["waiting"], 3);
    assert!(status["journal"]["bytes"].as_u64() < Some(200_000), "{status}");
}

#[test]
fn an_event_that_is_too_large_without_raw_is_counted_and_put_aside() {
    let bridge = Builder::new(Kafka::nobody()).set("EVENT_BYTES_MAX", "700").start();
    let body = |name: &str| json!({"groupID": name, "userID": "u"}).to_string();
    let target = format!("/openim/{QUIT}");
    assert_eq!(bridge.post(&target, body("g")).status, 200);
    assert_eq!(bridge.post(&target, body(&"g".repeat(2000))).status, 200, "accepted all the same");
    assert_eq!(bridge.metric("records_oversize_total"), 1);
    assert_eq!(bridge.metric(r#"kafka_dead_letters_total{reason="too_large"}"#), 1);
    let status = bridge.assert_ledger_even();
    let records = &status["ledger"]["records"];
    let seen = ["appended", "dead_lettered", "waiting"].map(|name| records[name].clone());
    assert_eq!(seen, [2, 1, 1].map(Value::from), "{status}");
}

#[test]
fn a_binary_record_holds_the_same_event_as_a_structured_one() {
    for example in examples() {
        let mut values = Batch::new();
        let structured = run(example, settings(), &allow);
        run_into(&catalogue(), example, settings(), &allow, &mut values);
        let mut batch = Batch::new();
        let binary = Settings { event_format: EventFormat::Binary, ..settings() };
        run_into(&catalogue(), example, binary, &allow, &mut batch);
        assert_eq!(batch.records() as usize, structured.records.len());
        for (record, whole) in batch.iter().zip(&values) {
            assert_eq!(&*record.structured(), whole.value, "put together for a file");
            assert_eq!(&*whole.structured(), whole.value);
        }
        for (record, wanted) in batch.iter().zip(&structured.records) {
            let mut event = Map::new();
            for (name, value) in record.headers() {
                let value = std::str::from_utf8(value).expect("headers are plain UTF-8");
                let name = name.strip_prefix("ce_").unwrap_or_else(|| {
                    assert_eq!((name, value), ("content-type", "application/json"));
                    "datacontenttype"
                });
                assert!(event.insert(name.to_owned(), value.into()).is_none(), "{name} twice");
            }
            event.insert("data".to_owned(), serde_json::from_slice(record.value).expect("JSON"));
            assert_eq!(Value::Object(event), wanted["event"]);
            assert_eq!(record.topic, wanted["topic"].as_str().unwrap());
            assert_eq!(record.key, wanted["key"].as_str().map(str::as_bytes));
        }
    }
}

#[test]
fn topics_are_named_by_kind_by_command_or_are_one_and_the_prefix_stands_in_front() {
    for example in examples() {
        let by_kind = run(example, settings(), &allow);
        let other = |by, prefix: &str| {
            run(
                example,
                Settings { topic_by: by, topic_prefix: prefix.to_owned(), ..settings() },
                &allow,
            )
        };
        let (by_command, one) = (other(TopicBy::Command, "im."), other(TopicBy::One, "im."));
        let prefixed = other(TopicBy::Kind, "chat-");
        for (index, record) in by_kind.records.iter().enumerate() {
            let topic = record["topic"].as_str().expect("a text");
            let event = &record["event"];
            let asks = plan(example, event).is_some_and(|phase| phase == Phase::Before);
            let of_command = format!(
                "im.{}.{}",
                example.provider,
                event["imcommand"].as_str().expect("examples have commands")
            );
            let wanted = if asks { "im.decisions" } else { &*of_command };
            assert_eq!(by_command.records[index]["topic"], wanted);
            assert_eq!(one.records[index]["topic"], "im.events");
            let own = topic.strip_prefix("im.").expect("the prefix");
            assert_eq!(prefixed.records[index]["topic"], format!("chat-{own}"));
            for made in [&by_command, &one, &prefixed] {
                assert_eq!(&made.records[index]["event"], event, "a topic changes no event");
            }
        }
    }
    let odd = run(&quit("no"), Settings { topic_by: TopicBy::Command, ..settings() }, &allow);
    assert_eq!(odd.records[0]["topic"], "im.unknown");
}

fn plan(request: &Request, event: &Value) -> Option<Phase> {
    let catalogue = catalogue();
    let row = catalogue.find(request.provider, event["imcommand"].as_str()?)?;
    Some(catalogue.plan(row).phase)
}
