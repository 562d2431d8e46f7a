//! The main job against a real Apache Kafka: callbacks in over HTTP, events out of their topics.
//!
//! In: the fixtures, posted to the program. Out: whether every record has the value, key, headers,
//! time and partition that the contract gives, in topics of every form. Faults of Kafka are in
//! `real_faults`, credentials and properties in `real_security`.
//!
//! What depends on the moment of receiving and so differs from a fixture: `recordedtime` (always),
//! `time` (where the body has none), `id` (of rows whose id rests on the receive time). For these
//! the Kafka timestamp, which is the receive time, is put into the pure floors, which the golden
//! tests hold against the contract.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::cli::{self, Ran};
use crate::support::bridge::{Request, allow, run, settings};
use crate::support::kafka::{self, kafka_or_skip};
use crate::support::process::{Answer, Bridge, SOON};
use crate::support::shipped::{Shipped, Trail, java_partition};

fn fixtures(kind: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(kind);
    let mut found: Vec<PathBuf> = ["openim", "tencent"]
        .iter()
        .flat_map(|provider| std::fs::read_dir(root.join(provider)).expect("fixtures are there"))
        .map(|entry| entry.expect("a readable directory").path())
        .collect();
    found.sort();
    found
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("a fixture is readable");
    serde_json::from_str(&text).expect("fixtures are JSON")
}

fn golden(provider: &str, name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden");
    root.join(provider).join(name)
}

/// Posts a fixture's request as its provider would.
fn post(bridge: &Bridge, request: &Request) -> Answer {
    let Request { provider, path, query, .. } = request;
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    let target = format!("/{}{path}{query}", provider.name());
    bridge.post(&target, &request.headers, &request.body)
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        one => vec![one],
    }
}

/// The contract's own examples print `1.50` as `1.5`; nothing else may differ.
fn same_number_or_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        (Value::Array(x), Value::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same_number_or_equal(x, y))
        }
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len()
                && x.iter().all(|(name, x)| y.get(name).is_some_and(|y| same_number_or_equal(x, y)))
        }
        _ => a == b,
    }
}

/// Puts what depends on the receive time into an expected event, as far as it does.
fn at_receive_time(wanted: &mut Value, fixture: &Value, real: &Value) {
    let recorded = fixture["recordedtime"].clone();
    wanted["recordedtime"] = real["recordedtime"].clone();
    if wanted["time"] == recorded {
        wanted["time"] = real["recordedtime"].clone();
    }
    if fixture["id"] != real["id"] {
        wanted["id"] = real["id"].clone();
    }
}

/// Compares what came of one request, record by record.
fn check_events(request: &mut Request, wanted: &[Value], shipped: &[Shipped], what: &Path) {
    assert_eq!(shipped.len(), wanted.len(), "{}", what.display());
    let then = run(request, settings(), &allow).records;
    request.received_at_ms = shipped[0].record.timestamp_ms;
    let now = run(request, settings(), &allow).records;
    for (index, shipped) in shipped.iter().enumerate() {
        let mut wanted = wanted[index].clone();
        at_receive_time(&mut wanted, &then[index]["event"], &now[index]["event"]);
        let seen = shipped.value();
        assert!(same_number_or_equal(&seen, &wanted), "{}:\n{seen}\n{wanted}", what.display());
        assert_eq!(shipped.record.timestamp_ms, request.received_at_ms, "{}", what.display());
    }
}

fn unix_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is past 1970");
    i64::try_from(now.as_millis()).expect("this century")
}

/// Every key is where a Java producer would have put it.
fn assert_partitions(trail: &Trail, partitions: u32) {
    for shipped in &trail.records {
        let Some(key) = &shipped.record.key else { continue };
        let wanted = i32::try_from(java_partition(key, partitions)).expect("few partitions");
        assert_eq!(shipped.record.partition, wanted, "{shipped:?}");
    }
}

#[test]
fn the_reference_of_partitions_is_the_java_clients() {
    // From the client's own tests of `Utils.murmur2`, less the sign bit.
    for (key, hash) in [
        ("21", -973_932_308_i32),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ] {
        let positive = u32::from_ne_bytes(hash.to_ne_bytes()) & 0x7fff_ffff;
        assert_eq!(java_partition(key.as_bytes(), 0x7fff_ffff), positive % 0x7fff_ffff, "{key}");
    }
}

#[test]
fn every_command_comes_out_of_kafka_as_its_fixture_says() {
    kafka_or_skip!();
    let (broker, prefix) = (kafka::shared(), kafka::topic_prefix("rows"));
    let more = [("IMBRIDGE_TOPIC_PARTITIONS", "3")];
    let bridge = Bridge::start(&broker.bootstrap(), &prefix, &more);
    let began = unix_ms();
    let mut posted = Vec::new();
    for folder in fixtures("rows") {
        let request = Request::read(&read(&folder.join("request.json")));
        let answer = post(&bridge, &request);
        assert_eq!(answer.status, 200, "{}: {answer:?}", folder.display());
        assert_eq!(answer.json(), read(&folder.join("reply.json")), "{}", folder.display());
        posted.push((list(read(&folder.join("records.json"))), request, folder));
    }
    let status = bridge.drained(SOON);
    let ended = unix_ms();
    let trail = Trail::read(broker, &prefix);

    let records: usize = posted.iter().map(|(wanted, ..)| wanted.len()).sum();
    assert_eq!(status["ledger"]["requests"]["accepted"], 162);
    assert_eq!(status["ledger"]["records"]["confirmed"], records);
    trail.assert_whole(records as u64);
    assert_eq!(trail.repeats, 0);
    assert_partitions(&trail, 3);
    let mut shipped = &trail.records[..];
    for (wanted, mut request, folder) in posted {
        let (own, others) = shipped.split_at(wanted.len());
        shipped = others;
        for (shipped, wanted) in own.iter().zip(&wanted) {
            let topic = wanted["topic"].as_str().expect("a topic");
            assert_eq!(format!("im.{}", shipped.topic), topic, "{}", folder.display());
            assert_eq!(shipped.key(), wanted["key"].as_str(), "{}", folder.display());
            let names: Vec<&str> =
                shipped.record.headers.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["content-type", "journal"], "{}", folder.display());
            let form = shipped.header("content-type");
            assert_eq!(form, Some("application/cloudevents+json; charset=UTF-8"));
            assert!((began..=ended).contains(&shipped.record.timestamp_ms), "{shipped:?}");
        }
        let events: Vec<Value> = wanted.iter().map(|record| record["event"].clone()).collect();
        check_events(&mut request, &events, own, &folder);
    }
    assert_eq!(bridge.stop().code, Some(0));
}

#[test]
fn the_five_callbacks_of_the_readme_come_out_as_printed() {
    kafka_or_skip!();
    let (broker, prefix) = (kafka::shared(), kafka::topic_prefix("readme"));
    let more = [("IMBRIDGE_TOPIC_BY", "one"), ("IMBRIDGE_TOPIC_PARTITIONS", "1")];
    let bridge = Bridge::start(&broker.bootstrap(), &prefix, &more);
    let cases = [
        ("openim", "callbackAfterDisMissGroupCommand", "event.json", "reply.json"),
        ("openim", "callbackAfterKickGroupCommand", "event.json", "reply.json"),
        ("openim", "callbackAfterSendGroupMsgCommand", "event.json", "reply.json"),
        (
            "openim",
            "callbackBeforeSetGroupMemberInfoCommand",
            "decision.allow.json",
            "reply.allow.json",
        ),
        ("tencent", "Group.CallbackAfterGroupDestroyed", "event.json", "reply.json"),
    ];
    let mut posted = Vec::new();
    for (provider, command, event, reply) in cases {
        let folder = golden(provider, &format!("{command}.documented"));
        let request = Request::read(&read(&folder.join("request.json")));
        assert_eq!(post(&bridge, &request).json(), read(&folder.join(reply)), "{command}");
        posted.push((request, read(&folder.join(event)), folder));
    }
    // As its documentation prints it, Tencent's body has comments and is no JSON.
    let printed =
        b"{\n\"CallbackCommand\": \"Group.CallbackAfterGroupDestroyed\", // the command\n}";
    let target = "/tencent?SdkAppid=1400000001&CallbackCommand=Group.CallbackAfterGroupDestroyed";
    assert_eq!(bridge.post(target, &[], printed).status, 200);
    bridge.drained(SOON);

    let trail = Trail::read(broker, &prefix);
    trail.assert_whole(6);
    assert!(trail.records.iter().all(|one| one.topic == "events"));
    for (index, (mut request, event, folder)) in posted.into_iter().enumerate() {
        check_events(&mut request, &[event], &trail.records[index..=index], &folder);
    }
    let unknown = trail.records[5].value();
    assert_eq!(unknown["type"], "im.unknown");
    let text = unknown["data"]["raw_text"].as_str().expect("what is no JSON is kept as text");
    assert_eq!(text.as_bytes(), printed);
    assert_eq!(bridge.stop().code, Some(0));
}

fn dismissed(group: &str) -> Value {
    json!({
        "callbackCommand": "callbackAfterDisMissGroupCommand",
        "groupID": group,
        "groupType": 2,
        "ownerID": "u1",
        "membersID": ["u2"],
    })
}

#[test]
fn topics_by_command_have_one_for_each_command_and_are_made_when_missing() {
    kafka_or_skip!();
    let (broker, prefix) = (kafka::shared(), kafka::topic_prefix("command"));
    let more = [("IMBRIDGE_TOPIC_BY", "command"), ("IMBRIDGE_TOPIC_PARTITIONS", "1")];
    let bridge = Bridge::start(&broker.bootstrap(), &prefix, &more);
    bridge.accept("/openim/callbackAfterDisMissGroupCommand", &dismissed("g1"));
    let target = "/tencent?SdkAppid=1&CallbackCommand=Group.CallbackAfterGroupDestroyed";
    let body = json!({
        "CallbackCommand": "Group.CallbackAfterGroupDestroyed",
        "GroupId": "@g", "Type": "Public", "Owner_Account": "u1", "MemberList": [],
    });
    bridge.accept(target, &body);
    let asked = json!({
        "callbackCommand": "callbackBeforeSetGroupMemberInfoCommand",
        "groupID": "g1", "userID": "u2", "nickName": "n",
    });
    bridge.accept("/openim/callbackBeforeSetGroupMemberInfoCommand", &asked);
    bridge.accept("/openim/callbackAfterTheUnheardOfCommand", &json!({"a": 1}));
    bridge.drained(SOON);

    let trail = Trail::read(broker, &prefix);
    let topics: Vec<&str> = trail.records.iter().map(|one| one.topic.as_str()).collect();
    let wanted = [
        "openim.callbackAfterDisMissGroupCommand",
        "tencent.Group.CallbackAfterGroupDestroyed",
        "decisions",
        "unknown",
    ];
    assert_eq!(topics, wanted);
    let rows = crate::support::bridge::catalogue();
    let topics = broker.topics();
    for row in &rows.rows {
        let asks = row.phase == imbridge::call::Phase::Before;
        let name = format!("{prefix}{}.{}", row.provider.name(), row.command);
        assert_eq!(topics.get(&name).copied(), (!asks).then_some(1), "{name}");
    }
    assert_eq!(bridge.stop().code, Some(0));
}

#[test]
fn binary_events_have_their_attributes_in_headers_and_the_data_as_value() {
    kafka_or_skip!();
    let (broker, prefix) = (kafka::shared(), kafka::topic_prefix("binary"));
    let more = [
        ("IMBRIDGE_TOPIC_BY", "one"),
        ("IMBRIDGE_EVENT_FORMAT", "binary"),
        ("IMBRIDGE_TOPIC_PARTITIONS", "2"),
    ];
    let bridge = Bridge::start(&broker.bootstrap(), &prefix, &more);
    let folder = golden("openim", "callbackAfterSendGroupMsgCommand.documented");
    post(&bridge, &Request::read(&read(&folder.join("request.json"))));
    bridge.drained(SOON);

    let trail = Trail::read(broker, &prefix);
    trail.assert_whole(1);
    let (shipped, event) = (&trail.records[0], read(&folder.join("event.json")));
    assert_eq!(shipped.value(), event["data"]);
    assert_eq!(shipped.header("content-type"), Some("application/json"));
    let attributes = event.as_object().expect("an object");
    let attributes =
        attributes.iter().filter(|(name, _)| !["data", "datacontenttype"].contains(&&***name));
    let mut count = 0;
    for (name, value) in attributes {
        count += 1;
        let seen = shipped.header(&format!("ce_{name}")).expect("every attribute is a header");
        if name == "recordedtime" {
            assert!(seen.len() == 24 && seen.ends_with('Z') && seen > "2026", "{seen}");
        } else {
            assert_eq!(seen, value, "{name}");
        }
    }
    // Beside the attributes: content-type and journal.
    assert_eq!(shipped.record.headers.len(), count + 2);
    assert_eq!(bridge.stop().code, Some(0));
}

#[test]
fn decisions_come_one_per_intent_and_before_what_follows_in_their_partition() {
    kafka_or_skip!();
    let (broker, prefix) = (kafka::shared(), kafka::topic_prefix("decisions"));
    let more = [("IMBRIDGE_TOPIC_BY", "one"), ("IMBRIDGE_TOPIC_PARTITIONS", "3")];
    let bridge = Bridge::start(&broker.bootstrap(), &prefix, &more);
    let folder = golden("tencent", "Sns.CallbackPrevFriendAdd.two");
    let answer = post(&bridge, &Request::read(&read(&folder.join("request.json")))).json();
    assert_eq!(answer["ActionStatus"], "OK", "{answer}");
    for round in 0..20 {
        let asked = json!({
            "callbackCommand": "callbackBeforeSetGroupMemberInfoCommand",
            "groupID": "g1", "userID": "u2", "nickName": format!("round {round}"),
        });
        bridge.accept("/openim/callbackBeforeSetGroupMemberInfoCommand", &asked);
        bridge.accept("/openim/callbackAfterDisMissGroupCommand", &dismissed("g1"));
    }
    bridge.drained(SOON);

    let trail = Trail::read(broker, &prefix);
    trail.assert_whole(2 + 40);
    let friends: Vec<Value> = trail.records[..2].iter().map(Shipped::value).collect();
    let keys = [trail.records[0].key(), trail.records[1].key()];
    assert_eq!(keys, [Some("relation:u2:u3"), Some("relation:u2:u4")]);
    for event in &friends {
        assert_eq!(event["type"], "im.friend.request.create");
        assert_eq!(event["data"]["verdict"], "allow", "{event}");
        assert_eq!(event["data"]["raw"]["FriendItem"].as_array().map(Vec::len), Some(1));
    }
    // Trail has checked each partition; here decision and event share a key, so one partition.
    for pair in trail.records[2..].chunks(2) {
        assert_eq!(pair[0].value()["type"], "im.group.member.update");
        assert_eq!(pair[1].value()["type"], "im.group.dismissed");
        assert!(pair.iter().all(|one| one.key() == Some("group:g1")), "{pair:?}");
        assert_eq!(pair[0].record.partition, pair[1].record.partition);
        assert!(pair[0].record.offset < pair[1].record.offset, "{pair:?}");
    }
    assert_eq!(bridge.stop().code, Some(0));
}

#[test]
fn topics_are_created_by_command_as_the_settings_say_and_none_is_changed() {
    kafka_or_skip!();
    let (broker, prefix) = (kafka::shared(), kafka::topic_prefix("created"));
    let brokers = broker.bootstrap();
    let own = format!("{prefix}group.dismissed");
    broker.create_topic(&own, 1, &[]);
    let more = |replication| {
        [
            ("IMBRIDGE_KAFKA_BROKERS", &*brokers),
            ("IMBRIDGE_TOPIC_PREFIX", &*prefix),
            ("IMBRIDGE_TOPIC_PARTITIONS", "2"),
            ("IMBRIDGE_TOPIC_REPLICATION", replication),
        ]
    };
    let of = |ran: &Ran| -> Vec<(String, u64, u64)> {
        let rows: Vec<Value> = serde_json::from_str(&ran.out).expect("JSON");
        let number = |row: &Value, name: &str| row[name].as_u64().expect("a number");
        let row = |row: &Value| {
            let name = row["topic"].as_str().expect("a text").to_owned();
            (name, number(row, "partitions"), number(row, "replication"))
        };
        rows.iter().map(row).collect()
    };
    let before = of(&cli::run(&["topics", "list", "--json"], &more("1")));
    let missing = before.iter().filter(|(_, partitions, _)| *partitions == 0).count();
    assert_eq!(missing, before.len() - 1, "{before:?}");

    // One broker cannot keep two copies: every topic has its sentence, and none is made.
    let refused = cli::run(&["topics", "create", "--json"], &more("2"));
    assert_eq!(refused.code, Some(1), "{}", refused.err);
    let told = refused.err.lines().filter(|line| {
        line.starts_with(&format!("imbridge: topic {prefix}"))
            && line.contains(" cannot be created: ")
    });
    assert_eq!(told.count(), missing, "{}", refused.err);
    assert_eq!(of(&refused), before);

    let created = cli::run(&["topics", "create", "--json"], &more("1"));
    assert_eq!((created.code, created.err.as_str()), (Some(0), ""));
    for (topic, partitions, replication) in of(&created) {
        let wanted = if topic == own { 1 } else { 2 };
        assert_eq!((partitions, replication), (wanted, 1), "{topic}");
    }
    let there: BTreeMap<String, usize> = broker.topics();
    let there = there.into_iter().filter(|(topic, _)| topic.starts_with(&prefix));
    let expected =
        before.iter().map(|(topic, ..)| (topic.clone(), if *topic == own { 1 } else { 2 }));
    assert_eq!(there.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "and no others");

    let again = cli::run(&["topics", "create"], &more("1"));
    assert_eq!((again.code, again.err.as_str()), (Some(0), ""));
    let last = format!("{} topics, 0 missing\n", before.len());
    assert!(again.out.ends_with(&last), "{}", again.out);
}

#[test]
fn a_stop_ships_all_that_was_accepted() {
    kafka_or_skip!();
    let (broker, prefix) = (kafka::shared(), kafka::topic_prefix("stop"));
    // The linger keeps records in the client until the stop.
    let more = [
        // On disk what a short flush leaves is shipped by the next start.
        ("IMBRIDGE_ACK", "memory"),
        ("IMBRIDGE_TOPIC_BY", "one"),
        ("IMBRIDGE_TOPIC_PARTITIONS", "2"),
        ("IMBRIDGE_KAFKA_PROPERTY_LINGER_MS", "2000"),
    ];
    let bridge = Bridge::start(&broker.bootstrap(), &prefix, &more);
    for number in 0..300 {
        bridge.accept("/openim/callbackAfterDisMissGroupCommand", &dismissed(&number.to_string()));
    }
    let waiting = bridge.status()["ledger"]["records"]["waiting"].as_u64();
    assert!(waiting > Some(0), "there is something left to ship: {waiting:?}");
    let ended = bridge.stop();

    assert_eq!(ended.code, Some(0), "{:?}", ended.log);
    assert!(ended.took < Duration::from_secs(10), "{:?}", ended.took);
    assert_eq!(ended.status["ledger"]["records"]["lost"], 0, "{}", ended.status);
    assert!(
        !ended.log.iter().any(|line| line.contains("not in Kafka at the end")),
        "{:?}",
        ended.log
    );
    let trail = Trail::read(broker, &prefix);
    trail.assert_whole(300);
    assert_eq!(trail.repeats, 0);
}
