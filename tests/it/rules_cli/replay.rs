//! `imbridge rules replay`: recorded decisions under two rule files.

use super::{BAD, Desk, good, openim_body, parsed, tencent_request};
use crate::support::bridge::{Request, allow, catalogue, run_with, settings};
use serde_json::{Value, json};

/// Decision records as a bridge without rules writes them, one a line.
fn records(requests: &[Value]) -> String {
    let mut lines = String::new();
    for request in requests {
        let made = run_with(&catalogue(), &Request::read(request), settings(), &allow);
        for record in made.records {
            lines.push_str(&record["event"].to_string());
            lines.push('\n');
        }
    }
    lines
}

fn openim_request(body: &Value, received_at_ms: i64) -> Value {
    json!({
        "provider": "openim", "deployment": "demo", "method": "POST", "query": "",
        "path": "/", "headers": {}, "body": body.to_string(), "received_at_ms": received_at_ms,
    })
}

#[test]
fn replay_prints_what_is_decided_differently_and_counts_pairs_of_verdicts() {
    let old = "version: 1\nrules: []\n";
    let new = r"version: 1
lists: { banned: { kind: words, items: [赌博] } }
limits: { chatty: { key: [msg.sender_id], allow: 1, per: 10s } }
rules:
  - { id: flood, on: [message.send], limit: chatty, then: { deny: { message: slow } } }
  - { id: mask, on: [message.rewrite], then: { mask: { msg.text: { list: banned } } } }
";
    let at = 1_735_689_600_123_i64;
    let mut modify = openim_body("u1", "来赌博");
    modify["callbackCommand"] = json!("callbackBeforeMsgModifyCommand");
    let lines = records(&[
        openim_request(&openim_body("u1", "one"), at),
        openim_request(&openim_body("u1", "two"), at + 1_000),
        openim_request(&openim_body("u1", "three"), at + 12_000),
        openim_request(&modify, at + 12_000),
        tencent_request("u2", "来赌博"),
        openim_request(&json!({"callbackCommand": "callbackAfterSendGroupMsgCommand"}), at),
    ]);
    let (first, rest) = lines.split_once('\n').unwrap();
    let lines = format!("{{\"topic\":\"im.decisions\",\"event\":{first}}}\n{rest}\nnot an event\n");
    let desk = Desk::new(&[("old.yaml", old), ("new.yaml", new), ("records.jsonl", &lines)]);
    let replay =
        ["replay", "--old", "@old.yaml", "--new", "@new.yaml", "--records", "@records.jsonl"];
    let ran = desk.rules(&[&replay[..], &["--json"]].concat());
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let told = parsed(&ran.out);
    assert_eq!((&told["records"], &told["skipped"]), (&json!(5), &json!(2)));
    let changed = told["changed"].as_array().unwrap();
    let new: Vec<(&Value, &Value, &Value)> = changed
        .iter()
        .map(|one| (&one["command"], &one["new"]["verdict"], &one["new"]["changes"]["text"]))
        .collect();
    let expected = [
        (json!("callbackBeforeSendGroupMsgCommand"), json!("deny"), Value::Null),
        (json!("callbackBeforeMsgModifyCommand"), json!("modify"), json!("来**")),
        (json!("Group.CallbackBeforeSendMsg"), json!("modify"), json!("来**")),
    ];
    let expected: Vec<_> = expected.iter().map(|(a, b, c)| (a, b, c)).collect();
    assert_eq!(new, expected);
    let second: Value = serde_json::from_str(lines.lines().nth(1).unwrap()).unwrap();
    assert_eq!(changed[0]["id"], second["id"], "the second of three within ten seconds");
    assert_eq!(changed[0]["old"]["verdict"], json!("allow"));
    assert_eq!(changed[0]["new"]["deny_message"], json!("slow"));

    let ran = desk.rules(&[&replay[..], &["--fail"]].concat());
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""));
    let head = "2025-01-01T00:00:01.123Z  callbackBeforeSendGroupMsgCommand  ";
    assert!(ran.out.starts_with(head), "{}", ran.out);
    assert!(ran.out.contains("\n  verdict       allow → deny\n"), "{}", ran.out);
    let sums = "\
       2  allow → allow
       1  allow → deny
       2  allow → modify
5 decided, 2 skipped
";
    assert!(ran.out.ends_with(sums), "{}", ran.out);
}

#[test]
fn replay_of_equal_rules_finds_nothing_even_with_fail() {
    let desk = good();
    let at = 1_735_689_600_123_i64;
    let requests: Vec<Value> =
        (0..50).map(|n| openim_request(&openim_body("u1", "赌博"), at + n)).collect();
    desk.write("records.jsonl", &records(&requests));
    let replay = ["replay", "--old", "@rules.yaml", "--records", "@records.jsonl", "--fail"];
    let ran = desk.rules_with(&replay, &[("IMBRIDGE_RULES", "@rules.yaml")]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let sums = "       1  allow → allow\n      49  deny → deny\n50 decided, 0 skipped\n";
    assert_eq!(ran.out, sums);
}

#[test]
fn replay_with_a_file_that_is_wrong_says_so_and_exits_with_1() {
    let desk = Desk::new(&[("old.yaml", "version: 1\nrules: []\n"), ("new.yaml", BAD)]);
    let ran = desk.rules(&["replay", "--old", "@old.yaml", "--new", "@new.yaml"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    assert!(ran.err.ends_with("@new.yaml: 3 errors\n"), "{}", ran.err);
}
