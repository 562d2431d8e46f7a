//! `imbridge rules` as its users meet it: files in, words, JSON and exit codes out.
//!
//! In: rule files, requests and records in a directory of the test's own, and the real binary. Out:
//! what it says and how it exits. `rules_examples` runs the contract's golden cases of the same tools.

mod explain;
mod replay;
mod test;

use crate::cli::{Ran, USAGE, run};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;

/// A directory with files that a test writes.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new(files: &[(&str, &str)]) -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            desk.write(name, text);
        }
        desk
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// Runs `imbridge rules`; `@name` stands for a file of the desk. In what it says, `@` stands for
    /// the desk.
    fn rules(&self, arguments: &[&str]) -> Ran {
        self.rules_with(arguments, &[])
    }

    fn rules_with(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Ran {
        let place =
            |text: &str| text.strip_prefix('@').map_or(text.to_owned(), |name| self.path(name));
        let arguments: Vec<String> = arguments.iter().map(|text| place(text)).collect();
        let settings: Vec<(&str, String)> =
            settings.iter().map(|(name, value)| (*name, place(value))).collect();
        let mut all = vec!["rules"];
        all.extend(arguments.iter().map(String::as_str));
        let settings: Vec<(&str, &str)> =
            settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let Ran { code, out, err } = run(&all, &settings);
        let folder = format!("{}/", self.0.path().to_str().unwrap());
        Ran { code, out: out.replace(&folder, "@"), err: err.replace(&folder, "@") }
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// First 12 hex digits over each file as length, `:`, bytes.
fn version(files: &[&str]) -> String {
    let mut hash = Sha256::new();
    for file in files {
        hash.update(format!("{}:{file}", file.len()));
    }
    let start = hash.finalize().iter().take(6).fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
    format!("{start:012x}")
}

const GOOD: &str = r#"version: 1
lists:
  staff: { kind: ids, file: lists/staff.txt }
  banned: { kind: words, items: [赌博, casino, 加微信] }
limits:
  chatty: { key: [msg.sender_id, msg.group_id], allow: 20, per: 10s, burst: 1 }
windows:
  night: { tz: Asia/Shanghai, from: "22:00", to: "07:00" }
vars:
  is_staff: msg.sender_id in lists.staff
rules:
  - id: staff-first
    on: [message.send]
    priority: 1
    when: vars.is_staff
    then: { allow: true }
  - id: flood
    on: [message.send]
    when: msg.content_type != "typing"
    limit: chatty
    then: { deny: { code: [5002, 10150, 120001], message: "Slow down, {msg.sender_id}" } }
  - id: night-mode
    on: [message.group.send]
    mode: shadow
    when: windows.night && msg.group_id in ["g1", "g2"]
    then: { deny: { message: "The group sleeps" } }
  - id: mask-banned
    on: [message.rewrite]
    when: msg.text.hits(lists.banned)
    then: { mask: { msg.text: { list: banned } }, tag: [banned-word] }
tests:
  - name: staff may flood
    on: message.group.send
    provider: openim
    given: { sender_id: s1, group_id: g1, content_type: text, text: hi }
    repeat: 100
    expect: { verdict: allow, rule_id: staff-first, matched: [staff-first] }
  - name: others may not
    on: message.group.send
    provider: tencent
    given: { sender_id: u1, group_id: g1, content_type: text, text: hi }
    repeat: 100
    expect: { verdict: deny, rule_id: flood, deny_code: 10150, deny_message: "Slow down, u1" }
"#;
const STAFF: &str = "# who works here\ns1\ns2\n";

fn good() -> Desk {
    Desk::new(&[("rules.yaml", GOOD), ("lists/staff.txt", STAFF)])
}

const BAD: &str = "\
version: 1
lists:
  words: { kind: words, items: [a] }
rules:
  - id: one
    on: [message.group.send]
    when: msg.grup_id == \"x\"
    then: { deny: { code: 99 } }
  - id: two
    on: [nowhere]
    then: { deny: {} }
";

fn openim_body(sender: &str, text: &str) -> Value {
    json!({
        "callbackCommand": "callbackBeforeSendGroupMsgCommand", "sendID": sender, "groupID": "g1",
        "serverMsgID": "srv1", "clientMsgID": "cli1", "senderPlatformID": 1, "sessionType": 3,
        "msgFrom": 100, "contentType": 101, "sendTime": 1_735_689_599_000_i64,
        "createTime": 1_735_689_598_900_i64, "content": json!({"content": text}).to_string(),
    })
}

fn tencent_request(sender: &str, text: &str) -> Value {
    json!({
        "provider": "tencent", "deployment": "1400000001", "method": "POST", "path": "/",
        "query": "SdkAppid=1400000001&CallbackCommand=Group.CallbackBeforeSendMsg&contenttype=json",
        "headers": {},
        "body": json!({
            "CallbackCommand": "Group.CallbackBeforeSendMsg", "GroupId": "g1", "Type": "Public",
            "From_Account": sender, "Operator_Account": sender, "Random": 7,
            "MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": {"Text": text}}],
            "EventTime": 1_735_689_599_500_i64,
        }).to_string(),
        "received_at_ms": 1_735_689_600_123_i64,
    })
}

#[test]
fn check_says_in_one_line_what_a_good_file_has() {
    let desk = good();
    let ran = desk.rules(&["check", "@rules.yaml"]);
    let numbers = "4 rules, 2 lists (3 words, 2 ids), 1 limit, 1 window";
    let version = version(&[GOOD, STAFF]);
    let out = format!("@rules.yaml: ok, {numbers}, version {version}\n");
    assert_eq!(ran, Ran { code: Some(0), out, err: String::new() });
    let ran = desk.rules(&["check", "@rules.yaml", "--strict", "--json"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let expected = json!({"ok": true, "rules": 4, "version": version, "warnings": []});
    assert_eq!(parsed(&ran.out), expected);
}

#[test]
fn without_a_file_the_one_of_the_settings_is_meant() {
    let desk = good();
    for tool in ["check", "test"] {
        let ran = desk.rules_with(&[tool], &[("IMBRIDGE_RULES", "@rules.yaml")]);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{tool}");
        let ran = desk.rules(&[tool]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(USAGE), ""), "{tool}");
        assert_eq!(ran.err, "imbridge: no rule file: name one, or set IMBRIDGE_RULES\n");
    }
}

#[test]
fn check_tells_all_mistakes_at_once_each_with_its_place_line_and_caret() {
    let desk = Desk::new(&[("rules.yaml", BAD)]);
    let ran = desk.rules(&["check", "@rules.yaml"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    let lines: Vec<&str> = ran.err.lines().collect();
    assert!(lines[0].starts_with("@rules.yaml:7:15: rule one: "), "{}", ran.err);
    assert!(lines[0].contains("grup_id") && lines[0].contains("group_id"), "{}", ran.err);
    assert_eq!(lines[1], "    when: msg.grup_id == \"x\"");
    assert_eq!(lines[2], "              ^");
    for place in ["@rules.yaml:8:27: rule one: ", "@rules.yaml:10:10: rule two: "] {
        assert!(lines.iter().any(|line| line.starts_with(place)), "{place}\n{}", ran.err);
    }
    assert_eq!(lines.last(), Some(&"@rules.yaml: 3 errors"));
    assert!(!ran.err.contains('\u{1b}'), "a pipe gets no colours");
}

#[test]
fn check_tells_mistakes_to_programs_as_a_reload_does() {
    let desk = Desk::new(&[("rules.yaml", BAD)]);
    for tool in ["check", "test"] {
        let ran = desk.rules(&[tool, "@rules.yaml", "--json"]);
        assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""), "{tool}");
        let told = parsed(&ran.out);
        assert_eq!(told["ok"], json!(false));
        let errors = told["errors"].as_array().unwrap();
        let place =
            |error: &Value| (error["line"].clone(), error["column"].clone(), error["rule"].clone());
        let places: Vec<_> = errors.iter().map(place).collect();
        let expected = [(7, 15, "one"), (8, 27, "one"), (10, 10, "two")];
        assert_eq!(
            places,
            expected.map(|(line, column, rule)| (json!(line), json!(column), json!(rule)))
        );
        assert!(errors[0]["file"].as_str().unwrap().ends_with("rules.yaml"));
        assert!(told["warnings"].is_array());
    }
}

#[test]
fn warnings_are_told_and_only_strict_takes_them_for_errors() {
    let rules = "\
version: 1
lists:
  nobody: { kind: ids, items: [a] }
rules:
  - { id: closed, on: [message.group.send], then: { deny: {} } }
";
    let desk = Desk::new(&[("rules.yaml", rules)]);
    let ran = desk.rules(&["check", "@rules.yaml"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.err.starts_with("@rules.yaml:3:3: warning: "), "{}", ran.err);
    assert!(ran.err.contains("nobody"), "{}", ran.err);
    assert!(
        ran.out.starts_with("@rules.yaml: ok, 1 rule, 1 list (0 words, 1 id), "),
        "{}",
        ran.out
    );
    let ran = desk.rules(&["check", "@rules.yaml", "--strict"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    assert_eq!(ran.err.lines().last(), Some("@rules.yaml: 1 warning, and --strict takes none"));
    let ran = desk.rules(&["check", "@rules.yaml", "--json"]);
    let told = parsed(&ran.out);
    assert_eq!((ran.code, &told["ok"]), (Some(0), &json!(true)));
    assert_eq!(told["warnings"][0]["line"], json!(3));
    let ran = desk.rules(&["check", "@rules.yaml", "--json", "--strict"]);
    assert_eq!((ran.code, &parsed(&ran.out)["ok"]), (Some(1), &json!(false)));
}

#[test]
fn a_file_that_cannot_be_read_is_wrong_usage_and_named() {
    let desk = good();
    let expect = |arguments: &[&str], words: &[&str]| {
        let ran = desk.rules(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (Some(USAGE), ""), "{arguments:?}");
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
        for word in words {
            assert!(ran.err.contains(word), "{word} is not in {}", ran.err);
        }
    };
    expect(&["check", "@nowhere.yaml"], &["file @nowhere.yaml cannot be read"]);
    expect(&["test", "@nowhere.yaml"], &["file @nowhere.yaml cannot be read"]);
    expect(&["explain", "@rules.yaml", "--body", "@no.json"], &["file @no.json cannot be read"]);
    let replay = ["replay", "--old", "@rules.yaml", "--new", "@rules.yaml", "--records", "@no"];
    expect(&replay, &["file @no cannot be read"]);
    expect(&["replay", "--old", "@rules.yaml"], &["no new rules", "--new", "IMBRIDGE_RULES"]);
}

#[test]
fn a_list_file_that_is_not_there_is_a_mistake_of_the_rule_file() {
    let desk = Desk::new(&[("rules.yaml", GOOD)]);
    let ran = desk.rules(&["check", "@rules.yaml"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    assert!(ran.err.starts_with("@rules.yaml:3:29: "), "{}", ran.err);
    assert!(ran.err.contains("lists/staff.txt cannot be read"), "{}", ran.err);
    assert_eq!(ran.err.lines().last(), Some("@rules.yaml: 1 error"));
}

#[test]
fn rows_of_an_operator_are_targets_with_fields_of_their_own() {
    let rows = json!({"commands": [{
        "provider": "openim", "command": "callbackBeforeRaffleCommand", "phase": "before",
        "kind": "group.member.apply",
        "fields": {"group_id": "$.gid|id", "applicant_id": "$.uid|id"},
        "raw": {"stake": "int"},
        "reply": {"no_answer": "allow", "deny": {"style": "openim", "codes": [5000, 9999], "default": 5001}},
    }]});
    let rules = "\
version: 1
rules:
  - { id: rich, on: [callbackBeforeRaffleCommand], when: raw.stake > 9 && msg.group_id == \"g1\", then: { deny: {} } }
tests:
  - { name: few, on: callbackBeforeRaffleCommand, given: { group_id: g1 }, raw: { stake: 9 }, expect: { verdict: allow } }
  - { name: many, on: callbackBeforeRaffleCommand, given: { group_id: g1 }, raw: { stake: 10 }, expect: { verdict: deny } }
";
    let body = json!({"callbackCommand": "callbackBeforeRaffleCommand", "gid": "g1", "stake": 50});
    let desk = Desk::new(&[
        ("rules.yaml", rules),
        ("rows.json", &rows.to_string()),
        ("body.json", &body.to_string()),
    ]);
    let with = [("IMBRIDGE_CATALOGUE", "@rows.json")];
    let ran = desk.rules_with(&["test", "@rules.yaml"], &with);
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (Some(0), "2 passed, 0 failed\n", "")
    );
    let ran = desk.rules_with(&["explain", "@rules.yaml", "--body", "@body.json", "--json"], &with);
    assert_eq!(parsed(&ran.out)["intents"][0]["decision"]["verdict"], json!("deny"));
    let ran = desk.rules(&["check", "@rules.yaml"]);
    assert_eq!(ran.code, Some(1), "without the row there is no such command");
    let ran = desk.rules_with(&["check", "@rules.yaml"], &[("IMBRIDGE_CATALOGUE", "@nothing")]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(USAGE), ""));
    assert!(ran.err.contains("IMBRIDGE_CATALOGUE"), "{}", ran.err);
}
