//! `tail` and `topics` against librdkafka's mock cluster, which the test holds; events come there
//! through `imbridge serve`, as they do in life.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::time::{Duration, Instant};

use imbridge::kafka::mock::MockKafka;
use serde_json::{Value, json};

use crate::cli::{NOBODY, Ran, command, ended, run, signal};
use crate::support::process::Bridge;

const ONE_TOPIC: (&str, &str) = ("IMBRIDGE_TOPIC_BY", "one");
const LIMIT: Duration = Duration::from_mins(1);

fn message(group: &str, sender: &str, id: &str, text: &str) -> Value {
    json!({
        "callbackCommand": "callbackAfterSendGroupMsgCommand", "operationID": "op-1",
        "sendID": sender, "groupID": group, "serverMsgID": id, "clientMsgID": "c1",
        "contentType": 101, "sessionType": 3, "msgFrom": 100, "senderPlatformID": 1,
        "sendTime": 1_735_689_599_404_i64, "createTime": 1_735_689_599_284_i64,
        "content": json!({"content": text}).to_string(),
    })
}

/// A mock cluster with a topic for everything under each prefix.
fn kafka(prefixes: &[&str]) -> (MockKafka, String) {
    let kafka = MockKafka::start(1).expect("a mock cluster starts");
    for prefix in prefixes {
        for topic in ["events", "deadletter"] {
            kafka.create_topic(&format!("{prefix}{topic}"), 2).expect("the name is free");
        }
    }
    let brokers = kafka.bootstrap();
    (kafka, brokers)
}

/// Publishes three events under a prefix: two messages and a dismissed group.
fn publish(brokers: &str, prefix: &str, format: &str) {
    let settings = [ONE_TOPIC, ("IMBRIDGE_EVENT_FORMAT", format)];
    let bridge = Bridge::start(brokers, prefix, &settings);
    bridge.accept("/openim", &message("g1", "alice", "m1", "Good morning"));
    bridge.accept("/openim", &message("g2", "bob", "m2", "群组 \u{1b}[31mred\nline"));
    let dismissed = json!({
        "callbackCommand": "callbackAfterDismissGroupCommand", "operationID": "op-2",
        "groupID": "g1", "ownerID": "alice", "groupType": "\u{2}", "membersID": ["alice", "carol"],
    });
    bridge.accept("/openim", &dismissed);
    bridge.drained(LIMIT);
    let ended = bridge.stop();
    assert_eq!(ended.code, Some(0), "{:?}", ended.log);
}

fn tail(brokers: &str, prefix: &str, more: &[&str]) -> Ran {
    let arguments = [&["tail", "--from", "beginning", "--until-end"], more].concat();
    let settings = [("IMBRIDGE_KAFKA_BROKERS", brokers), ("IMBRIDGE_TOPIC_PREFIX", prefix)];
    run(&arguments, &settings)
}

/// The events of a run, the one-off times left out, in the order of their ids.
fn events(ran: &Ran) -> Vec<Value> {
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
    let mut events: Vec<Value> = ran
        .out
        .lines()
        .map(|line| {
            let mut event: Value = serde_json::from_str(line).expect("one event a line");
            let members = event.as_object_mut().expect("an object");
            members.shift_remove("recordedtime").expect("every event was recorded");
            // Without a natural time it is the receive time, without a natural id its minute.
            if members["type"] == "im.group.dismissed" {
                members.shift_remove("time").expect("every event has a time");
                members.insert("id".to_owned(), "dismissed".into());
            }
            event
        })
        .collect();
    events.sort_by_key(|event| event["id"].to_string());
    events
}

#[test]
fn tail_shows_the_same_events_whichever_form_the_topic_holds() {
    let (_kafka, brokers) = kafka(&["a.", "b."]);
    publish(&brokers, "a.", "structured");
    publish(&brokers, "b.", "binary");
    let structured = tail(&brokers, "a.", &["--json"]);
    let binary = tail(&brokers, "b.", &["--json"]);
    let expected = events(&structured);
    assert_eq!(expected.len(), 3, "{}", structured.out);
    assert_eq!(events(&binary), expected);
    let members = |ran: &Ran| -> Vec<Vec<String>> {
        let keys = |line: &str| {
            let event: Value = serde_json::from_str(line).expect("JSON");
            event.as_object().expect("an object").keys().cloned().collect()
        };
        let mut all: Vec<Vec<String>> = ran.out.lines().map(keys).collect();
        all.sort_unstable();
        all
    };
    assert_eq!(members(&binary), members(&structured), "attributes stand in the same order");

    let wrapped = tail(&brokers, "b.", &["--json", "--meta", "--kind", "group.dismissed"]);
    let wrapped: Value = serde_json::from_str(&wrapped.out).expect("one line");
    assert_eq!(wrapped["topic"], "b.events");
    assert_eq!(wrapped["key"], "group:g1");
    assert!(wrapped["partition"].is_u64() && wrapped["offset"].is_u64(), "{wrapped}");
    assert_eq!(wrapped["event"]["data"]["owner_id"], "alice");
}

#[test]
fn tail_filters_and_reads_well() {
    let (_kafka, brokers) = kafka(&["c."]);
    publish(&brokers, "c.", "structured");
    let shown = |more: &[&str]| -> Vec<String> {
        let ran = tail(&brokers, "c.", more);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
        let mut lines: Vec<String> = ran.out.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(shown(&[]).len(), 3);
    let bobs = shown(&["--user", "bob"]);
    assert_eq!(bobs.len(), 1);
    assert!(bobs[0].contains("message.group.sent"), "{bobs:?}");
    assert!(bobs[0].contains("bob “群组 [31mred⏎line”"), "{bobs:?}");
    assert!(!bobs[0].contains('\u{1b}'), "colours are for terminals: {bobs:?}");
    assert_eq!(shown(&["--user", "carol"]).len(), 1);
    assert_eq!(shown(&["--conversation", "group:g1"]).len(), 2);
    assert_eq!(shown(&["--conversation", "group:g1", "--kind", "message.*"]).len(), 1);
    assert_eq!(shown(&["--kind", "group.dismissed", "--kind", "message.group.sent"]).len(), 3);
    assert_eq!(shown(&["--user", "nobody"]).len(), 0);
    let other = tail(&brokers, "nothing.", &[]);
    assert_eq!((other.code, other.out.as_str()), (Some(0), ""));
    assert!(other.err.contains("no topic begins with nothing."), "{}", other.err);
    let named = tail(&brokers, "nothing.", &["--topic", "c.events", "--topic", "c.lost"]);
    assert_eq!((named.code, named.out.lines().count()), (Some(0), 3));
    assert_eq!(named.err, "imbridge: topic c.lost is not there\n");
}

fn follow(brokers: &str, prefix: &str) -> Child {
    let settings = [("IMBRIDGE_KAFKA_BROKERS", NOBODY), ("IMBRIDGE_TOPIC_PREFIX", prefix)];
    command(&["tail", "--json", "--brokers", brokers], &settings).spawn().expect("the binary")
}

#[test]
fn tail_follows_takes_up_new_topics_and_ends_cleanly_when_interrupted() {
    let (kafka, brokers) = kafka(&["d.old."]);
    publish(&brokers, "d.old.", "structured");
    let mut child = follow(&brokers, "d.");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    // It must stand at the end of what is there before more comes.
    std::thread::sleep(Duration::from_secs(3));
    kafka.create_topic("d.new.events", 1).expect("the name is free");
    publish(&brokers, "d.new.", "binary");
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..3 {
        let line = lines.next().expect("it follows").expect("its words are UTF-8");
        let event: Value = serde_json::from_str(&line).expect("JSON");
        seen.push(event["data"]["group_id"].as_str().expect("a group").to_owned());
    }
    seen.sort_unstable();
    assert_eq!(seen, ["g1", "g1", "g2"], "what was there before is not shown");
    signal(&child, "INT");
    let ran = ended(child);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert!(lines.next().is_none(), "and nothing else was");
}

#[test]
fn the_end_of_a_partition_without_a_leader_is_waited_for_and_never_made_up() {
    // Such a partition counted as read: `--until-end` ended well and had left its events out.
    let (kafka, brokers) = kafka(&["h."]);
    publish(&brokers, "h.", "structured");
    for partition in [0, 1] {
        kafka.lead("h.events", partition, false).expect("it is there");
    }
    let alone = tail(&brokers, "h.", &["--json"]);
    assert_eq!((alone.code, alone.out.as_str()), (Some(1), ""), "{}", alone.err);
    kafka.lead("h.events", 0, true).expect("it is there");
    let without = tail(&brokers, "h.", &["--json"]);
    assert_eq!((without.code, without.out.as_str()), (Some(1), ""), "{}", without.err);
    let words = "the end of partition 1 of topic h.events";
    assert!(without.err.contains(words) && without.err.lines().count() == 1, "{}", without.err);

    let back = Instant::now() + Duration::from_secs(2);
    let ran = std::thread::scope(|scope| {
        let tailed = scope.spawn(|| tail(&brokers, "h.", &["--json"]));
        std::thread::sleep(back.saturating_duration_since(Instant::now()));
        kafka.lead("h.events", 1, true).expect("it is there");
        tailed.join().expect("it only runs the program")
    });
    assert_eq!(events(&ran).len(), 3, "{}", ran.out);
}

#[test]
fn a_topic_that_is_in_trouble_for_a_while_is_read_on_from_where_it_was() {
    // One look at a cluster that could not speak of a topic forgot it; the next one took it for new
    // and showed everything that was in it.
    let (kafka, brokers) = kafka(&["i.", "j."]);
    publish(&brokers, "i.", "structured");
    publish(&brokers, "j.", "structured");
    kafka.trouble("j.events", true).expect("the mock obeys");
    let settings = [("IMBRIDGE_KAFKA_BROKERS", NOBODY)];
    let topics = ["--topic", "i.events", "--topic", "j.events"];
    let arguments = [&["tail", "--json", "--meta", "--brokers", &brokers][..], &topics].concat();
    let mut child = command(&arguments, &settings).spawn().expect("the binary");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    std::thread::sleep(Duration::from_secs(3));
    kafka.trouble("i.events", true).expect("the mock obeys");
    std::thread::sleep(Duration::from_secs(5));
    for topic in ["i.events", "j.events"] {
        kafka.trouble(topic, false).expect("the mock obeys");
    }
    // Both are looked at, and read on, before more comes.
    std::thread::sleep(Duration::from_secs(6));
    publish(&brokers, "i.", "structured");
    publish(&brokers, "j.", "structured");
    let mut seen = Vec::new();
    while seen.len() < 6 {
        let line = lines.next().expect("it follows").expect("its words are UTF-8");
        let wrapped: Value = serde_json::from_str(&line).expect("JSON");
        let named = (wrapped["topic"].to_string(), wrapped["partition"].to_string());
        seen.push((named, wrapped["offset"].as_i64().expect("a number")));
    }
    signal(&child, "INT");
    let ran = ended(child);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(lines.next().is_none(), "nothing twice");
    // Each was published twice: whatever is shown is the second half of its partition.
    let whole = tail(&brokers, "i.", &["--json", "--meta"]);
    let whole = whole.out + &tail(&brokers, "j.", &["--json", "--meta"]).out;
    assert_eq!(whole.lines().count(), 12);
    for (named, offset) in &seen {
        let of = |line: &&str| {
            let wrapped: Value = serde_json::from_str(line).expect("JSON");
            (wrapped["topic"].to_string(), wrapped["partition"].to_string()) == *named
        };
        let all = i64::try_from(whole.lines().filter(of).count()).expect("a few");
        assert!(*offset >= all / 2, "{named:?} offset {offset} of {all}");
    }
}

#[test]
fn tail_ends_quietly_when_nobody_reads_it_any_more() {
    let (_kafka, brokers) = kafka(&["e."]);
    let mut child = follow(&brokers, "e.");
    std::thread::sleep(Duration::from_secs(2));
    drop(child.stdout.take());
    publish(&brokers, "e.", "structured");
    let ran = ended(child);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
}

#[test]
fn kafka_that_cannot_be_reached_is_one_sentence_after_some_seconds() {
    for arguments in [&["tail"][..], &["topics", "list"], &["topics", "create"]] {
        let began = Instant::now();
        let ran = run(arguments, &[("IMBRIDGE_KAFKA_BROKERS", NOBODY)]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{arguments:?}: {}", ran.err);
        let start = format!(
            "imbridge: Kafka at {NOBODY} (--brokers, IMBRIDGE_KAFKA_BROKERS) cannot be reached: "
        );
        assert!(ran.err.starts_with(&start) && ran.err.lines().count() == 1, "{}", ran.err);
        assert!(began.elapsed() < Duration::from_secs(30), "{arguments:?}");
    }
}

#[test]
fn topics_lists_what_the_settings_lead_to_and_what_is_missing() {
    let (_kafka, brokers) = kafka(&["f."]);
    let list = |by: &str| {
        let settings = [("IMBRIDGE_TOPIC_PREFIX", "f."), ("IMBRIDGE_TOPIC_BY", by)];
        let ran = run(&["topics", "list", "--json", "--brokers", &brokers], &settings);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
        serde_json::from_str::<Vec<Value>>(&ran.out).expect("JSON")
    };
    let there = |topic| json!({"topic": topic, "partitions": 2, "replication": 1});
    assert_eq!(list("one"), [there("f.deadletter"), there("f.events")]);
    let by_kind = list("kind");
    let missing = json!({"topic": "f.group.dismissed", "partitions": 0, "replication": 0});
    assert!(by_kind.contains(&missing) && by_kind.len() > 70, "{} topics", by_kind.len());
    assert!(!by_kind.iter().any(|row| row["topic"] == "f.events"), "it is not written to");

    let settings = [("IMBRIDGE_TOPIC_PREFIX", "f."), ONE_TOPIC];
    let there = run(&["topics", "create", "--brokers", &brokers], &settings);
    assert_eq!((there.code, there.err.as_str()), (Some(0), ""), "nothing is missing");
    assert!(there.out.ends_with("2 topics, 0 missing\n"), "{}", there.out);
}

#[test]
fn a_topic_that_cannot_be_created_is_a_sentence_and_exit_code_1() {
    // The mock cluster takes no wishes for topics, and so stands for a cluster that refuses all.
    let (_kafka, brokers) = kafka(&[]);
    let settings = [("IMBRIDGE_TOPIC_PREFIX", "g."), ONE_TOPIC];
    let ran = run(&["topics", "create", "--brokers", &brokers], &settings);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.err.starts_with("imbridge: 2 missing topics cannot be created: "), "{}", ran.err);
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
}
