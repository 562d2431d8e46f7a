//! The life of a rule set in a running bridge: loaded, reloaded, refused, switched off, watched.
//!
//! In: a bridge with a rule file that changes under it, operators on the admin port, signals, senders
//! that go on meanwhile. Out: answers to the senders, pages, metrics, log lines, exit codes.

use crate::cli::{NOBODY, USAGE, run};
use crate::support::process::{SOON, wait_for};
use crate::support::serve::{Builder, Kafka, TestBridge};
use crate::support::wire::{Response, Wire, post, post_with};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// What senders ask in these tests.
const ASKED: &str = "/openim/callbackBeforeSetGroupMemberInfoCommand";
const COMMAND: &str = "callbackBeforeSetGroupMemberInfoCommand";
/// Longer than the watch takes to look twice.
const TWO_LOOKS: Duration = Duration::from_secs(5);

/// A rule file and what lies beside it.
struct Files(TempDir);

impl Files {
    fn new(rules: &str) -> Self {
        let files = Self(TempDir::new().expect("a directory can be made"));
        files.write("rules.yaml", rules);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// In place, as editors and shells do: what reads meanwhile may see half of it.
    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("the directory is ours");
    }

    fn rules(&self) -> String {
        self.path("rules.yaml").to_str().expect("temporary names are text").to_owned()
    }

    fn builder(&self) -> Builder {
        Builder::new(Kafka::nobody()).set("RULES", &self.rules())
    }
}

/// Denies with this text.
fn denies(message: &str) -> String {
    format!(
        "version: 1\nrules:\n  - {{ id: no, on: [group.member.update], then: {{ deny: {{ message: {message} }} }} }}\n"
    )
}

/// What senders are told; empty when they may.
fn told(bridge: &TestBridge) -> String {
    let answer = bridge.post(ASKED, r#"{"groupID":"g","userID":"u","ownerID":"o"}"#);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["errMsg"].as_str().expect("a text").to_owned()
}

fn act(bridge: &TestBridge, path: &str) -> Response {
    act_with(bridge, path, "")
}

fn act_with(bridge: &TestBridge, path: &str, headers: &str) -> Response {
    let mut wire = Wire::connect(([127, 0, 0, 1], bridge.admin.port()).into());
    wire.send(post_with(path, headers, ""));
    wire.response()
}

fn degraded(bridge: &TestBridge) -> Vec<String> {
    let page = bridge.ready();
    assert_eq!(page.status, 200);
    let all = page.json()["degraded"].as_array().expect("a list").clone();
    let texts = all.iter().map(|text| text.as_str().expect("a text").to_owned());
    texts.filter(|text| text.starts_with("rules:")).collect()
}

/// Series whose names begin so, as they stand in a scrape.
fn series(bridge: &TestBridge, start: &str) -> Vec<String> {
    let text = bridge.page("/metrics").text();
    let start = format!("imbridge_{start}");
    text.lines().filter(|line| line.starts_with(&start)).map(str::to_owned).collect()
}

fn wait_until_told(bridge: &TestBridge, message: &str) {
    wait_for(message, SOON, || (told(bridge) == message).then_some(()));
}

#[test]
fn the_file_decides_from_the_start_and_every_page_says_so() {
    let files = Files::new(
        "version: 1
rules:
  - { id: later, on: [message.send], provider: tencent, priority: 7, mode: shadow, then: { tag: [t] } }
  - { id: no, on: [group.member.update], then: { deny: { message: one } } }
  - { id: never, on: [group.member.update], mode: off, priority: 9, then: { deny: true } }
",
    );
    let bridge = files.builder().start();
    assert_eq!(told(&bridge), "one");
    let page = bridge.page("/rules").json();
    let version = page["version"].as_str().expect("a text").to_owned();
    assert_eq!(version.len(), 12, "{version}");
    assert!(page["loaded_at_ms"].as_i64().expect("a time") > 1_700_000_000_000);
    assert_eq!((&page["active"], &page["last_error"]), (&json!(true), &Value::Null));
    let rules = page["rules"].as_array().expect("a list");
    let in_order: Vec<_> = rules
        .iter()
        .map(|rule| (rule["id"].as_str(), rule["mode"].as_str(), rule["priority"].as_i64()))
        .collect();
    let later = (Some("later"), Some("shadow"), Some(7));
    let never = (Some("never"), Some("off"), Some(9));
    let no = in_order.iter().position(|rule| rule.0 == Some("no")).expect("it is listed");
    assert_eq!(in_order.len(), 3);
    let others: Vec<_> = in_order.iter().filter(|rule| rule.0 != Some("no")).collect();
    assert_eq!(others, [&later, &never], "by priority");
    assert_eq!((&rules[no]["in_service"], &rules[no]["matches"]), (&json!(true), &json!(1)));
    assert_eq!(rules[no]["on"], json!(["group.member.update"]));
    let of = |id: &str| rules.iter().find(|rule| rule["id"] == id).expect("it is listed");
    assert_eq!(of("later")["provider"], "tencent");
    assert_eq!(of("never")["in_service"], false);

    assert_eq!(degraded(&bridge), Vec::<String>::new());
    let status = bridge.status();
    assert_eq!(status["rules"]["active"], 2);
    assert_eq!(status["rules"]["version"], version);
    assert_eq!(bridge.metric("rules_active"), 2);
    assert_eq!(bridge.metric(&format!("rules_info{{version=\"{version}\"}}")), 1);
    assert_eq!(bridge.metric("rules_last_reload_success"), 1);
    assert!(series(&bridge, "rules_last_reload_timestamp_seconds")[0].contains(" 1"));
    let decided = |verdict: &str, enforced: &str| {
        bridge.metric(&format!(
            "rules_decisions_total{{command=\"{COMMAND}\",enforced=\"{enforced}\",verdict=\"{verdict}\"}}"
        ))
    };
    assert_eq!((decided("deny", "true"), decided("allow", "true")), (1, 0));
    assert_eq!(bridge.metric("rule_matches_total{mode=\"enforce\",rule=\"no\"}"), 1);
    assert_eq!(bridge.metric("rule_matches_total{mode=\"shadow\",rule=\"later\"}"), 0);
    assert_eq!(bridge.metric("rules_errors_total{rule=\"no\"}"), 0);
    assert_eq!(bridge.metric("rule_evaluation_seconds_count"), 1);
    assert_eq!(series(&bridge, "rule_matches_total{").len(), 2, "not of a rule that is off");
    assert_eq!(series(&bridge, "rules_fail_open_total{").len(), 2);
    assert_eq!(bridge.metric("rules_deadline_exceeded_total"), 0);
    bridge.assert_ledger_even();
}

#[test]
fn a_reload_puts_the_file_in_force_or_says_why_not() {
    let files = Files::new(&denies("one"));
    let bridge = files.builder().start();
    let first = bridge.page("/rules").json()["version"].clone();
    assert_eq!(told(&bridge), "one");

    files.write(
        "rules.yaml",
        "version: 1
rules:
  - { id: no, on: [group.member.update], mode: shadow, then: { deny: { message: two } } }
  - { id: tags, on: [group.member.update], then: { tag: [t] } }
limits: { idle: { key: [msg.user_id], allow: 1, per: 1s } }
",
    );
    let reloaded = act(&bridge, "/rules/reload");
    assert_eq!(reloaded.status, 200, "{}", reloaded.text());
    let answer = reloaded.json();
    assert_eq!((&answer["ok"], &answer["rules"]), (&json!(true), &json!(2)));
    assert_ne!(answer["version"], first);
    let warnings = answer["warnings"].as_array().expect("a list");
    let idle = warnings.iter().find(|warning| warning["line"] == 5).expect("nobody uses it");
    assert_eq!((&idle["rule"], &idle["file"]), (&Value::Null, &json!(files.rules())));
    assert_eq!(told(&bridge), "", "it only watches now");
    let matches = series(&bridge, "rule_matches_total{");
    assert_eq!(
        matches,
        [
            "imbridge_rule_matches_total{mode=\"enforce\",rule=\"tags\"} 1",
            "imbridge_rule_matches_total{mode=\"shadow\",rule=\"no\"} 1",
        ],
        "the rule is no enforce rule any more"
    );
    assert_eq!(series(&bridge, "rules_info{").len(), 1);

    files.write(
        "rules.yaml",
        "version: 1\nrules:\n  - { id: x, on: [nowhere], then: {} }\nrulez: 1\n",
    );
    let refused = act(&bridge, "/rules/reload");
    assert_eq!(refused.status, 422, "{}", refused.text());
    let why = refused.json();
    assert_eq!(why["ok"], false);
    let errors = why["errors"].as_array().expect("a list");
    assert!(errors.len() >= 2, "all at once: {errors:?}");
    let nowhere = errors.iter().find(|error| error["line"] == 3).expect("there is no such kind");
    assert_eq!((&nowhere["rule"], &nowhere["file"]), (&json!("x"), &json!(files.rules())));
    assert!(nowhere["column"].is_u64() && nowhere["message"].is_string(), "{nowhere}");
    assert!(why["warnings"].is_array(), "{why}");
    let page = bridge.page("/rules").json();
    assert_eq!(page["last_error"], why["errors"]);
    assert_eq!((&page["version"], &page["active"]), (&answer["version"], &json!(true)));
    assert_eq!(bridge.metric("rules_last_reload_success"), 0);
    assert_eq!(bridge.metric("rules_active"), 2);
    let [reason] = &degraded(&bridge)[..] else { panic!("{:?}", degraded(&bridge)) };
    assert!(reason.contains("refused") && !reason.contains(&files.rules()), "{reason}");

    files.write("rules.yaml", &denies("three"));
    assert_eq!(act(&bridge, "/rules/reload").status, 200);
    assert_eq!(told(&bridge), "three");
    assert_eq!(bridge.page("/rules").json()["last_error"], Value::Null);
    assert_eq!((degraded(&bridge).len(), bridge.metric("rules_last_reload_success")), (0, 1));
    assert_eq!(series(&bridge, "rule_matches_total{").len(), 1, "of the rule that is left");
}

#[test]
fn without_a_rule_file_everything_is_allowed_and_there_is_nothing_to_reload() {
    let bridge = TestBridge::alone();
    assert_eq!(told(&bridge), "");
    let nothing = json!({ "active": false, "rules": [] });
    assert_eq!(bridge.page("/rules").json(), nothing);
    assert_eq!(act(&bridge, "/rules/reload").status, 409);
    for path in ["/rules/off", "/rules/on"] {
        let page = act(&bridge, path);
        assert_eq!((page.status, page.json()), (200, nothing.clone()), "{path}");
    }
    assert_eq!(degraded(&bridge), Vec::<String>::new());
    assert_eq!(bridge.status()["rules"], json!({ "active": 0, "version": null }));
    let allowed = format!(
        "rules_decisions_total{{command=\"{COMMAND}\",enforced=\"true\",verdict=\"allow\"}}"
    );
    assert_eq!(bridge.metric(&allowed), 1);
    assert_eq!(bridge.metric("rule_evaluation_seconds_count"), 0);
    assert_eq!((bridge.metric("rules_active"), bridge.metric("rules_last_reload_success")), (0, 1));
}

#[test]
fn what_acts_is_a_post_of_somebody_who_may() {
    let files = Files::new(&denies("one"));
    let bridge = files.builder().start();
    for (path, allowed) in
        [("/rules/reload", "POST"), ("/rules/off", "POST"), ("/rules/on", "POST")]
    {
        let page = bridge.page(path);
        assert_eq!((page.status, page.header("allow")), (405, Some(allowed)), "{path}");
    }
    let page = act(&bridge, "/rules");
    assert_eq!((page.status, page.header("allow")), (405, Some("GET, HEAD")));
    assert_eq!(act(&bridge, "/rules/never").status, 404);
    // A page of another site, open in a browser on this machine.
    let foreign = act_with(&bridge, "/rules/off", "Origin: https://elsewhere.example\r\n");
    assert_eq!(foreign.status, 403, "{}", foreign.text());
    assert_eq!(told(&bridge), "one");
    drop(bridge);

    let bridge = files.builder().set("ADMIN_TOKEN", "correct-horse").start();
    for path in ["/rules/reload", "/rules/off", "/rules/on"] {
        assert_eq!(act(&bridge, path).status, 401, "{path}");
        let mine = "Authorization: Bearer correct-horse\r\nOrigin: https://mine.example\r\n";
        assert_eq!(act_with(&bridge, path, mine).status, 200, "{path}");
    }
    assert_eq!(bridge.page_with("/rules", "").status, 401);
    assert_eq!(told(&bridge), "one");
}

#[test]
fn the_switch_lets_everything_pass_and_outlives_reloads() {
    let files = Files::new(&denies("one"));
    let bridge = files.builder().start();
    assert_eq!(told(&bridge), "one");
    let off = act(&bridge, "/rules/off");
    assert_eq!((off.status, &off.json()["active"]), (200, &json!(false)));
    assert_eq!(off.json()["rules"][0]["id"], "no", "they are there, and not run");
    assert_eq!(told(&bridge), "");
    assert_eq!(
        (bridge.metric("rules_active"), &bridge.status()["rules"]["active"]),
        (0, &json!(0))
    );
    let [reason] = &degraded(&bridge)[..] else { panic!("{:?}", degraded(&bridge)) };
    assert!(reason.contains("switched off"), "{reason}");
    assert_eq!(bridge.metric("rule_evaluation_seconds_count"), 1, "nothing is run");

    files.write("rules.yaml", &denies("two"));
    assert_eq!(act(&bridge, "/rules/reload").status, 200);
    assert_eq!(told(&bridge), "");
    let on = act(&bridge, "/rules/on");
    assert_eq!((on.status, &on.json()["active"]), (200, &json!(true)));
    assert_eq!(told(&bridge), "two");
    assert_eq!((bridge.metric("rules_active"), degraded(&bridge).len()), (1, 0));
}

#[test]
fn a_change_of_the_file_or_of_a_list_is_found_by_itself() {
    let rules = |message: &str| {
        format!(
            "version: 1
lists: {{ staff: {{ kind: ids, file: lists/staff.txt }} }}
rules:
  - {{ id: no, on: [group.member.update], when: msg.user_id in lists.staff, then: {{ deny: {{ message: {message} }} }} }}
"
        )
    };
    let files = Files::new(&rules("one"));
    fs::create_dir(files.path("lists")).expect("the directory is ours");
    files.write("lists/staff.txt", "somebody\n");
    let bridge = files.builder().start();
    assert_eq!(told(&bridge), "", "u is not in the list");
    files.write("lists/staff.txt", "somebody\nu\n");
    wait_until_told(&bridge, "one");
    // One of the same size, written over it.
    files.write("rules.yaml", &rules("two"));
    wait_until_told(&bridge, "two");

    // Half of it is written, and then it takes a while until the rest is.
    let whole = rules("three");
    files.write("rules.yaml", &whole[..whole.len() - 12]);
    wait_for("the half is refused", SOON, || (degraded(&bridge).len() == 1).then_some(()));
    assert_eq!(told(&bridge), "two");
    files.write("rules.yaml", &whole);
    wait_until_told(&bridge, "three");
    assert_eq!(degraded(&bridge).len(), 0);

    fs::remove_file(files.path("lists/staff.txt")).expect("it is ours");
    wait_for("the list is missed", SOON, || (degraded(&bridge).len() == 1).then_some(()));
    assert_eq!(told(&bridge), "three", "what is in force stays so");
    files.write("lists/staff.txt", "u\n");
    wait_for("the list is back", SOON, || degraded(&bridge).is_empty().then_some(()));
}

#[test]
fn a_list_file_that_is_no_file_is_an_error_at_the_place_of_its_name() {
    let files = Files::new(&denies("one"));
    let bridge = files.builder().start();
    fs::create_dir(files.path("folder")).expect("the directory is ours");
    let pipe = files.path("pipe");
    let (place, mode) = (rustix::fs::CWD, rustix::fs::Mode::from_raw_mode(0o600));
    rustix::fs::mknodat(place, &pipe, rustix::fs::FileType::Fifo, mode, 0).expect("ours");
    for name in ["folder", "pipe", "/dev/zero", "nowhere"] {
        let text = format!(
            "version: 1
lists:
  a: {{ kind: ids, file: {name} }}
rules:
  - {{ id: no, on: [group.member.update], when: msg.user_id in lists.a, then: {{ deny: true }} }}
"
        );
        files.write("rules.yaml", &text);
        let refused = act(&bridge, "/rules/reload");
        assert_eq!(refused.status, 422, "{name}: {}", refused.text());
        let errors = refused.json()["errors"].as_array().expect("a list").clone();
        let [error] = &errors[..] else { panic!("{name}: {errors:?}") };
        assert_eq!((&error["line"], &error["column"]), (&json!(3), &json!(25)), "{error}");
        assert!(error["message"].as_str().expect("a text").contains(name), "{error}");
        assert_eq!(told(&bridge), "one");
    }
}

#[test]
fn a_refused_file_is_told_in_the_log_once_and_each_mistake_in_a_line() {
    let files = Files::new(&denies("one"));
    let mut bridge = files.builder().spawn();
    let bad = "version: 1\nrules:\n  - { id: x, on: [nowhere], then: { deny: {} } }\n";
    files.write("rules.yaml", bad);
    let refusals = |log: &str| log.lines().filter(|line| line.contains("is refused")).count();
    wait_for("the refusal", SOON, || (refusals(&bridge.log()) == 1).then_some(()));
    // The same again, as a deployment does that goes over its files now and then.
    files.write("rules.yaml", bad);
    std::thread::sleep(TWO_LOOKS);
    let log = bridge.log();
    assert_eq!(refusals(&log), 1, "{log}");
    let place = format!("{}:3:", files.rules());
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(&place)).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("ERROR") && lines[0].contains("rule x: "), "{}", lines[0]);
    // Who asks is told each time.
    for count in 2..4 {
        bridge.signal("HUP");
        wait_for("it is told", SOON, || (refusals(&bridge.log()) == count).then_some(()));
    }
    files.write("rules.yaml", &denies("two"));
    wait_until_told(&bridge, "two");
    bridge.signal("TERM");
    assert_eq!(bridge.ended().code(), Some(0));
    let log = bridge.log();
    let in_force: Vec<&str> =
        log.lines().filter(|line| line.contains("in force, version")).collect();
    assert!(in_force.len() >= 2, "{log}");
    assert!(in_force[0].contains("(start)") && in_force[1].contains("(a file changed)"), "{log}");
}

#[test]
fn a_sighup_has_the_rules_read_again() {
    let files = Files::new(&denies("one"));
    let mut bridge = files.builder().spawn();
    assert_eq!(told(&bridge), "one");
    let loaded = |bridge: &TestBridge| bridge.page("/rules").json()["loaded_at_ms"].clone();
    let before = loaded(&bridge);
    // No watch would find a difference.
    bridge.signal("HUP");
    wait_for("another loading", SOON, || (loaded(&bridge) != before).then_some(()));
    files.write("rules.yaml", &denies("two"));
    bridge.signal("HUP");
    wait_until_told(&bridge, "two");
    bridge.signal("TERM");
    assert_eq!(bridge.ended().code(), Some(0));
    assert!(bridge.log().contains("(SIGHUP)"), "{}", bridge.log());
}

#[test]
fn a_start_with_a_bad_file_tells_all_mistakes_and_exits_with_64() {
    let bad = "version: 1
rules:
  - { id: x, on: [nowhere], then: { deny: {} } }
  - { id: y, on: [group.member.update], when: msg.usr_id == \"u\", then: { deny: {} } }
";
    let files = Files::new(bad);
    let rules = files.rules();
    let settings = [
        ("IMBRIDGE_KAFKA_BROKERS", NOBODY),
        ("IMBRIDGE_RULES", &*rules),
        ("IMBRIDGE_WORKERS", "many"),
    ];
    let ran = run(&["serve"], &settings);
    assert_eq!((ran.code, ran.out.as_str()), (Some(USAGE), ""), "{}", ran.err);
    let lines: Vec<&str> = ran.err.lines().collect();
    for start in [
        format!("{rules}:3:19: rule x: "),
        format!("{rules}:4:51: rule y: "),
        format!("{rules}: 2 errors"),
        "imbridge: IMBRIDGE_WORKERS is ".to_owned(),
        "imbridge: IMBRIDGE_RULES names a file that cannot be used: ".to_owned(),
    ] {
        assert!(lines.iter().any(|line| line.starts_with(&start)), "{start}\n{}", ran.err);
    }
    let caret = lines.iter().position(|line| line.trim_end().ends_with('^')).expect("a caret");
    assert_eq!(lines[caret - 1], bad.lines().nth(2).expect("the third line"));
    assert_eq!(lines[caret].find('^'), Some(18));

    let settings = [("IMBRIDGE_KAFKA_BROKERS", NOBODY), ("IMBRIDGE_RULES", "/nowhere/rules.yaml")];
    let ran = run(&["serve"], &settings);
    assert_eq!(ran.code, Some(USAGE), "{}", ran.err);
    assert!(ran.err.contains("file /nowhere/rules.yaml cannot be read"), "{}", ran.err);
}

#[test]
fn a_file_whose_tests_fail_is_refused_at_the_start_and_later() {
    let with_test = |expected: &str| {
        format!(
            "{}tests:
  - name: u may not
    on: group.member.update
    provider: openim
    given: {{ user_id: u, group_id: g }}
    expect: {{ verdict: {expected} }}
",
            denies("one")
        )
    };
    let files = Files::new(&with_test("deny"));
    let bridge = files.builder().start();
    assert_eq!(told(&bridge), "one");
    files.write("rules.yaml", &with_test("allow"));
    let refused = act(&bridge, "/rules/reload");
    assert_eq!(refused.status, 422, "{}", refused.text());
    let errors = refused.json()["errors"].clone();
    let message = errors[0]["message"].as_str().expect("a text");
    assert!(message.contains("u may not") && message.contains("deny"), "{message}");
    assert_eq!((told(&bridge).as_str(), errors.as_array().map(Vec::len)), ("one", Some(1)));

    let rules = files.rules();
    let settings = [("IMBRIDGE_KAFKA_BROKERS", NOBODY), ("IMBRIDGE_RULES", &*rules)];
    let ran = run(&["serve"], &settings);
    assert_eq!((ran.code, ran.out.as_str()), (Some(USAGE), ""), "{}", ran.err);
    assert!(ran.err.contains("test \"u may not\" failed"), "{}", ran.err);
}

/// Two rules that change two fields to the same word: an answer with two words is of two sets.
fn sets(word: &str) -> String {
    format!(
        "version: 1
rules:
  - {{ id: name, on: [group.member.update], then: {{ set: {{ msg.nickname: {word} }} }} }}
  - {{ id: face, on: [group.member.update], then: {{ set: {{ msg.face_url: {word} }} }} }}
"
    )
}

#[test]
fn decisions_go_on_during_reloads_and_each_is_of_one_whole_set() {
    let files = Files::new(&sets("one"));
    let bridge = files.builder().set("WORKERS", "2").start();
    let over = AtomicBool::new(false);
    let ask = || {
        let mut wire = bridge.connect();
        let mut seen = [0_u64; 2];
        while !over.load(Ordering::Relaxed) {
            wire.send(post(ASKED, r#"{"groupID":"g","userID":"u","ownerID":"o"}"#));
            let answer = wire.response();
            assert_eq!(answer.status, 200, "{}", answer.text());
            let answer = answer.json();
            assert_eq!(answer["nickName"], answer["faceURL"], "{answer}");
            match answer["nickName"].as_str() {
                Some("one") => seen[0] += 1,
                Some("two") => seen[1] += 1,
                _ => panic!("{answer}"),
            }
        }
        seen
    };
    std::thread::scope(|scope| {
        let senders = [(); 3].map(|()| scope.spawn(ask));
        for round in 0..30 {
            let file = match round % 3 {
                0 => sets("two"),
                1 => "version: 1\nrules: [".to_owned(),
                _ => sets("one"),
            };
            files.write("rules.yaml", &file);
            // Two at once: each gets an answer about this file.
            let reloads = [(); 2].map(|()| scope.spawn(|| act(&bridge, "/rules/reload").status));
            let wanted = if round % 3 == 1 { 422 } else { 200 };
            for reload in reloads {
                assert_eq!(reload.join().expect("it is answered"), wanted, "{round}");
            }
        }
        over.store(true, Ordering::Relaxed);
        let seen = senders.map(|sender| sender.join().expect("every request is answered"));
        assert!(seen.iter().all(|seen| seen[0] > 0 && seen[1] > 0), "{seen:?}");
    });
    bridge.assert_ledger_even();
}

#[test]
fn where_nothing_can_be_decided_the_operator_says_what_is_answered() {
    for (choice, denied) in [("allow", false), ("deny", true)] {
        let bridge = Builder::new(Kafka::nobody())
            .set("ON_FAULT", choice)
            .set("BODY_BYTES_MAX", "100")
            .start();
        let answer = bridge.post(ASKED, format!("{{\"groupID\":\"{}\"}}", "g".repeat(200)));
        assert_eq!(answer.status, 413, "{choice}");
        let told = answer.json();
        assert_eq!(told["errCode"] != 0 && told["nextCode"] == 1, denied, "{choice}: {told}");
    }
}
