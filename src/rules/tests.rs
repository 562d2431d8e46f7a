//! Sets as a whole, at real requests: order, shadow rules, faults, counts, what survives a reload.

use super::engine::Engine;
use super::memory::Memory;
use super::probe::{Request, catalogue, samples};
use super::problem::{Problem, Severity};
use super::replay::Replay;
use super::run::{Services, Unwatched};
use super::set::{Built, RuleSet, Sources, build};
use super::{Intent, Rules};
use crate::call::Provider;
use crate::verdict::{Decision, Fault, OnFault, Verdict};
use serde_json::json;
use std::cell::Cell;
use std::sync::Arc;

fn built(file: &str, on_fault: OnFault, previous: Option<&RuleSet>) -> Built {
    let read_list = |name: &str| -> Result<Arc<[u8]>, String> { Err(format!("no file {name}")) };
    let catalogue = catalogue();
    let sources = Sources {
        file: file.as_bytes(),
        read_list: &read_list,
        catalogue: &catalogue,
        on_fault,
        previous,
    };
    build(&sources)
}

fn shown(problems: &[Problem]) -> Vec<String> {
    let show = |problem: &Problem| {
        let Problem { at, severity, rule, message, .. } = problem;
        let rule = rule.as_deref().map_or_else(String::new, |rule| format!("rule {rule}: "));
        let word = if *severity == Severity::Warning { "warning: " } else { "" };
        format!("{}:{}: {word}{rule}{message}", at.line, at.column)
    };
    problems.iter().map(show).collect()
}

fn set(file: &str) -> RuleSet {
    let built = built(file, OnFault::Allow, None);
    built.set.unwrap_or_else(|| panic!("{:#?}", shown(&built.problems)))
}

fn group_text(sender: &str, text: &str) -> Request {
    Request::new(
        Provider::OpenIm,
        &json!({
            "callbackCommand": "callbackBeforeSendGroupMsgCommand", "sendID": sender,
            "groupID": "g1", "serverMsgID": "m1", "clientMsgID": "c1", "contentType": 101,
            "content": json!({ "content": text }).to_string(), "sendTime": 1, "createTime": 1,
        }),
    )
}

fn modify() -> Request {
    Request::new(
        Provider::OpenIm,
        &json!({
            "callbackCommand": "callbackBeforeMsgModifyCommand", "sendID": "u1",
            "serverMsgID": "m1", "clientMsgID": "c1", "contentType": 101,
            "content": json!({ "content": "hello" }).to_string(),
        }),
    )
}

/// The decision about the only intent of a request.
fn decide_at(set: &RuleSet, memory: &Memory, request: &Request, now_ns: u64) -> Decision {
    let mut decisions = Vec::new();
    let services = Services { ticks: &|| 0, memory };
    request.intents_at(now_ns, &mut |intent| {
        decisions.push(set.decide(set.tables(), intent, &services, &mut Unwatched));
    });
    assert_eq!(decisions.len(), 1);
    decisions.remove(0)
}

fn decide(set: &RuleSet, request: &Request) -> Decision {
    decide_at(set, &Memory::default(), request, 0)
}

fn matched(decision: &Decision) -> Vec<String> {
    let late = |late| if late { " late" } else { "" };
    let show = |hit: &crate::verdict::Match| {
        format!("{} {} {}{}", hit.rule_id, hit.mode, hit.action, late(hit.late))
    };
    decision.matches.iter().map(show).collect()
}

#[test]
fn the_first_enforce_rule_with_an_ending_decides_and_shadow_rules_go_on() {
    let set = set("
version: 1
rules:
  - { id: last, on: [message.send], priority: 2000, then: { deny: true } }
  - { id: watched, on: [message.send], mode: shadow, then: { deny: true } }
  - { id: staff, on: [message.group.send], priority: 1, when: 'msg.sender_id == \"s1\"', then: { allow: true, tag: [staff] } }
  - { id: seen, on: [message.send], priority: 1, then: { tag: [seen, staff] } }
  - { id: nobody, on: [message.send], mode: 'off', priority: 0, then: { deny: true } }
");
    let staff = decide(&set, &group_text("s1", "hi"));
    assert_eq!((staff.verdict, staff.enforced), (Verdict::Allow, true));
    assert_eq!(staff.rule_id.as_deref(), Some("staff"));
    assert_eq!(matched(&staff), ["staff enforce allow", "watched shadow deny late"]);
    assert_eq!(staff.tags, [Arc::from("staff")]);
    let other = decide(&set, &group_text("u1", "hi"));
    assert_eq!((other.verdict, other.rule_id.as_deref()), (Verdict::Deny, Some("last")));
    assert_eq!(matched(&other), ["seen enforce tag", "watched shadow deny", "last enforce deny"]);
    assert_eq!(other.tags, [Arc::from("seen"), Arc::from("staff")]);
    assert_eq!(other.rules_version, Some(Arc::clone(set.version())));
}

#[test]
fn what_shadow_rules_would_have_done_is_recorded_when_nothing_was_done() {
    let set = set("
version: 1
rules:
  - { id: would, on: [message.send], mode: shadow, when: 'msg.sender_id == \"u1\"', then: { deny: { code: 5005, message: No } } }
  - { id: tagged, on: [message.send], then: { tag: [t] } }
");
    let decision = decide(&set, &group_text("u1", "hi"));
    assert_eq!((decision.verdict, decision.enforced), (Verdict::Deny, false));
    assert_eq!(decision.rule_id.as_deref(), Some("would"));
    assert_eq!(decision.deny_code, Some(5005));
    assert_eq!(decision.tags, [Arc::from("t")]);
    let decision = decide(&set, &group_text("u2", "hi"));
    assert_eq!((decision.verdict, decision.enforced), (Verdict::Allow, true));
}

#[test]
fn an_error_counts_as_the_rule_says_and_is_recorded() {
    let file = |on_error: &str| {
        format!("
version: 1
rules:
  - {{ id: odd, on: [message.send], on_error: {on_error}, when: '1 / (msg.sent_at_ms - msg.sent_at_ms) == 1', then: {{ deny: true }} }}
")
    };
    for (on_error, verdict) in [("skip", Verdict::Allow), ("match", Verdict::Deny)] {
        let decision = decide(&set(&file(on_error)), &group_text("u1", "hi"));
        assert_eq!(decision.verdict, verdict);
        assert_eq!(decision.faults.len(), 1);
        assert_eq!(decision.faults[0].fault, "error");
        assert_eq!(decision.faults[0].rule_id.as_deref(), Some("odd"));
    }
}

#[test]
fn variables_windows_and_lists_are_what_the_file_says() {
    let set = set("
version: 1
lists:
  staff: { kind: ids, items: [s1] }
  banned: { kind: words, items: [赌博, CASINO] }
windows:
  always: { tz: UTC, from: '00:00', to: '24:00' }
vars:
  is_staff: msg.sender_id in lists.staff
  is_bad: msg.text.hits(lists.banned) && !vars.is_staff
rules:
  - { id: bad, on: [message.send], when: vars.is_bad && windows.always, then: { deny: true } }
");
    let verdict = |sender: &str, text: &str| decide(&set, &group_text(sender, text)).verdict;
    assert_eq!(verdict("u1", "去赌博吧"), Verdict::Deny);
    assert_eq!(verdict("u1", "my ｃａｓｉｎｏ"), Verdict::Deny);
    assert_eq!(verdict("s1", "去赌博吧"), Verdict::Allow);
    assert_eq!(verdict("u1", "hello"), Verdict::Allow);
}

const LIMITED: &str = "
version: 1
limits:
  chatty: { key: [msg.sender_id, msg.group_id], allow: 1, per: 10s, burst: 2 }
rules:
  - { id: flood, on: [message.send], limit: chatty, then: { deny: true } }
";

#[test]
fn counts_are_per_key_and_go_on_through_a_reload_that_leaves_them_alone() {
    let memory = Memory::default();
    let first = set(LIMITED);
    let at = |set: &RuleSet, sender: &str, seconds: u64| {
        decide_at(set, &memory, &group_text(sender, "hi"), seconds * 1_000_000_000).verdict
    };
    assert_eq!(at(&first, "u1", 1), Verdict::Allow);
    assert_eq!(at(&first, "u1", 1), Verdict::Allow);
    assert_eq!(at(&first, "u1", 1), Verdict::Deny);
    assert_eq!(at(&first, "u2", 1), Verdict::Allow);
    let same = LIMITED.replace("then: { deny: true }", "then: { deny: { code: 5007 } }");
    let second = built(&same, OnFault::Allow, Some(&first)).set.expect("no mistake");
    assert_eq!(at(&second, "u1", 2), Verdict::Deny);
    assert_eq!(at(&second, "u1", 12), Verdict::Allow);
    let other = LIMITED.replace("burst: 2", "burst: 3");
    let third = built(&other, OnFault::Allow, Some(&second)).set.expect("no mistake");
    assert_eq!(at(&third, "u1", 12), Verdict::Allow);
}

#[test]
fn a_panic_takes_its_rule_out_of_service_and_no_other() {
    let mut set = set("
version: 1
rules:
  - { id: broken, on: [message.group.send], priority: 1, when: 'msg.group_id == \"g1\"', then: { allow: true } }
  - { id: sound, on: [message.group.send], then: { deny: true } }
");
    set.forget_places();
    let decision = decide(&set, &group_text("u1", "hi"));
    assert_eq!((decision.verdict, decision.rule_id.as_deref()), (Verdict::Deny, Some("sound")));
    assert_eq!(decision.faults[0].fault, "panic");
    assert_eq!(decision.faults[0].rule_id.as_deref(), Some("broken"));
    assert_eq!(set.in_service(), 1);
    assert!(set.rules()[0].is_out_of_service());
    let again = decide(&set, &group_text("u1", "hi"));
    assert_eq!((again.verdict, again.faults.len()), (Verdict::Deny, 0));
}

#[test]
fn a_panic_over_what_shadow_rules_would_have_done_is_recorded_and_answers_nothing() {
    let mut set = set("
version: 1
defaults: { on_fault: deny }
rules:
  - { id: tagged, on: [message.group.send], then: { tag: [t] } }
  - { id: watched, on: [message.group.send], mode: shadow, then: { deny: { message: '{msg.sender_id}' } } }
");
    set.forget_places();
    let decision = decide(&set, &group_text("u1", "hi"));
    assert_eq!((decision.verdict, decision.enforced), (Verdict::Allow, true));
    assert_eq!(decision.faults, [Fault { rule_id: None, fault: "panic" }]);
    assert_eq!(matched(&decision), ["tagged enforce tag", "watched shadow deny"]);
    assert_eq!(decision.tags, [Arc::from("t")]);
}

#[test]
fn a_missed_deadline_goes_to_on_fault_of_the_kind() {
    let file = |on_fault: &str| {
        format!(
            "
version: 1
defaults: {{ on_fault: {on_fault}, deadline: 5ms }}
rules:
  - {{ id: a, on: [message.group.send], when: 'msg.text.matches(\"x+y\")', then: {{ tag: [a] }} }}
  - {{ id: b, on: [message.group.send], then: {{ deny: {{ code: 5009 }} }} }}
"
        )
    };
    let clock = Cell::new(0);
    let ticks = || {
        clock.set(clock.get() + 6_000_000);
        clock.get()
    };
    let memory = Memory::default();
    let decide = |on_fault: &str, text: &str| {
        let set = set(&file(on_fault));
        let mut found = Decision::ALLOW;
        let services = Services { ticks: &ticks, memory: &memory };
        group_text("u1", text).intents(&mut |intent| {
            found = set.decide(set.tables(), intent, &services, &mut Unwatched);
        });
        found
    };
    let long = "长".repeat(65_000);
    let kept = decide("allow", &long);
    assert_eq!(kept.faults.last().expect("the deadline").fault, "deadline");
    let denied = decide("{ default: allow, message.group.send: deny }", &long);
    assert_eq!((denied.verdict, denied.deny_code), (Verdict::Deny, Some(5001)));
    assert_eq!(denied.rule_id, None);
    // A short text never asks for the time.
    assert_eq!(decide("deny", "short").deny_code, Some(5009));
}

#[test]
fn a_long_text_of_any_field_has_the_clock_looked_at() {
    let set = set("
version: 1
defaults: { on_fault: deny }
rules:
  - { id: a, on: [message.group.send], when: 'msg.sender_nickname.contains(\"x\")', then: { tag: [a] } }
  - { id: b, on: [message.group.send], then: { allow: true } }
");
    let clock = Cell::new(0);
    let ticks = || {
        clock.set(clock.get() + 11_000_000);
        clock.get()
    };
    let memory = Memory::default();
    let services = Services { ticks: &ticks, memory: &memory };
    let decide = |nickname: &str| {
        let mut found = Decision::ALLOW;
        let mut request = group_text("u1", "hi");
        let name = format!(r#"{{"senderNickname":"{nickname}","#);
        request.body = request.body.replacen('{', &name, 1);
        request.intents(&mut |intent| {
            found = set.decide(set.tables(), intent, &services, &mut Unwatched);
        });
        found.verdict
    };
    assert_eq!(decide("y"), Verdict::Allow);
    assert_eq!(decide(&"y".repeat(70_000)), Verdict::Deny);
}

#[test]
fn a_panic_that_the_default_deny_repeats_is_answered_with_plain_texts() {
    let mut set = set("
version: 1
defaults: { on_fault: deny, deny: { code: 5009, message: 'No, {msg.sender_id}' } }
rules:
  - { id: r, on: [message.group.send], when: 'msg.text.matches(\"x+y\")', then: { tag: [t] } }
");
    set.forget_places();
    let decision = decide(&set, &group_text("u1", "hi"));
    assert_eq!((decision.verdict, decision.enforced), (Verdict::Deny, true));
    assert_eq!(decision.deny_message.as_deref(), Some("Not allowed"));
    assert_eq!(decision.faults, [Fault { rule_id: None, fault: "panic" }]);
    assert_eq!(decision.rules_version, Some(Arc::clone(set.version())));
}

#[test]
fn a_modify_knows_where_its_message_goes_from_the_callback_before() {
    let set = set("
version: 1
rules:
  - { id: g, on: [message.modify], when: 'ctx.group_id == \"g1\"', then: { set: { msg.extra: seen } } }
");
    let memory = Memory::default();
    let before = decide_at(&set, &memory, &modify(), 0);
    assert_eq!(before.verdict, Verdict::Allow);
    decide_at(&set, &memory, &group_text("u1", "hello"), 1);
    let after = decide_at(&set, &memory, &modify(), 59_000_000_000);
    assert_eq!((after.verdict, after.rule_id.as_deref()), (Verdict::Modify, Some("g")));
    assert_eq!(decide_at(&set, &memory, &modify(), 61_000_000_000).verdict, Verdict::Allow);
}

#[test]
fn where_messages_go_is_forgotten_when_no_rule_asks_any_more() {
    let asks = "version: 1\nrules: [{ id: g, on: [message.modify], when: 'ctx.group_id == \"g1\"', then: { tag: [t] } }]\n";
    let other = "version: 1\nrules: [{ id: g, on: [message.modify], then: { tag: [t] } }]\n";
    let engine = Engine::new(|| 0);
    let send = || {
        group_text("u1", "hi").intents(&mut |intent: &Intent<'_>| {
            engine.decide(intent);
        });
        engine.remembered()
    };
    engine.install(Arc::new(set(asks)));
    assert_eq!(send(), 1);
    engine.install(Arc::new(set(asks)));
    assert_eq!(engine.remembered(), 1, "a reload forgets nothing that is asked for");
    engine.install(Arc::new(set(other)));
    assert_eq!((engine.remembered(), send()), (0, 0));
}

#[test]
fn all_mistakes_are_reported_each_at_its_place() {
    let file = "\
version: 1
vars:
  broken: msg.sender_id + 1
rules:
  - { id: a, on: [message.groups.send], when: 'msg.nonsense == 1', then: { deny: true } }
  - { id: b, on: [message.group.send], when: vars.broken == 1, limit: none, then: { deny: true } }
  - { id: c, on: [message.group.send], when: vars.broken == 1, then: { deny: { code: 7 } } }
";
    let built = built(file, OnFault::Allow, None);
    assert!(built.set.is_none());
    let places: Vec<_> =
        built.problems.iter().map(|problem| (problem.at.line, problem.rule.as_deref())).collect();
    assert_eq!(
        places,
        [(3, None), (5, Some("a")), (5, Some("a")), (6, Some("b")), (7, Some("c"))],
        "{:#?}",
        shown(&built.problems)
    );
}

#[test]
fn warnings_name_what_is_odd() {
    let file = "\
version: 1
lists: { spare: { kind: ids, items: [x] } }
limits: { spare: { key: [msg.sender_id], allow: 1, per: 1s } }
windows: { spare: { tz: UTC, from: '01:00', to: '02:00' } }
vars: { spare: msg.sender_id == 'x' }
rules:
  - { id: first, on: [message.group.send], then: { deny: true } }
  - { id: behind, on: [message.group.send], when: 'msg.sender_id == \"x\"', then: { deny: true } }
  - { id: constant, on: [message.modify], when: '1 == 1', then: { tag: [x] } }
";
    let built = built(file, OnFault::Allow, None);
    assert!(built.set.is_some());
    let shown = shown(&built.problems);
    for (line, words) in [
        (2, "list \"spare\" is used nowhere"),
        (3, "limit \"spare\" is used nowhere"),
        (4, "window \"spare\" is used nowhere"),
        (5, "variable \"spare\" is used nowhere"),
        (8, "never reached: rule first"),
        (9, "always true"),
        (9, "only shadow or tag rules"),
    ] {
        let start = format!("{line}:");
        let found = shown.iter().any(|text| text.starts_with(&start) && text.contains(words));
        assert!(found, "{line} {words} in {shown:#?}");
    }
}

#[test]
fn what_one_provider_never_carries_is_told_of_conditions_variables_and_limits() {
    let file = "\
version: 1
limits: { calls: { key: [msg.sender_id, msg.client_ip], allow: 1, per: 1s } }
vars:
  near: msg.client_ip == 'x'
  far: \"!vars.near\"
rules:
  - { id: a, on: [message.group.send], when: vars.far && has(msg.sender_nickname), then: { deny: true } }
  - { id: b, on: [message.group.send], limit: calls, then: { deny: true } }
  - { id: c, on: [message.group.send], provider: tencent, when: vars.far, limit: calls, then: { deny: true } }
";
    let built = built(file, OnFault::Allow, None);
    let says = |provider: &str, field: &str| {
        format!(
            "no command of {provider} that this rule is for carries {field:?}: it is empty there"
        )
    };
    let expected = [
        format!("2:45: warning: rule b: {}", says("openim", "client_ip")),
        format!("4:13: warning: rule a: {}", says("openim", "client_ip")),
        format!("7:66: warning: rule a: {}", says("tencent", "sender_nickname")),
    ];
    assert_eq!(shown(&built.problems), expected);
}

#[test]
fn a_providers_own_name_of_a_field_to_change_is_answered_with_the_common_one() {
    let file =
        "version: 1\nrules: [{ id: r, on: [message.modify], then: { set: { msg.ex: x } } }]\n";
    let built = built(file, OnFault::Allow, None);
    let expected = "2:55: rule r: no field \"ex\", did you mean \"extra\"?";
    assert_eq!(shown(&built.problems), [expected]);
}

#[test]
fn records_with_any_time_of_rfc_3339_are_decided_again() {
    let day = "version: 1\nwindows: { day: { tz: UTC, from: '08:00', to: '20:00' } }\nrules: [{ id: r, on: [message.group.send], when: windows.day, then: { deny: true } }]\n";
    let mut replay = Replay::new(catalogue(), set("version: 1\nrules: []\n"), set(day));
    for (time, differs) in [
        ("2025-01-01T12:00:00Z", true),
        ("2025-01-01T12:00:00.123Z", true),
        ("2025-01-01T12:00:00.123456+08:00", false),
    ] {
        let line = json!({
            "id": "1", "source": "/openim/d", "improvider": "openim", "recordedtime": time,
            "imcommand": "callbackBeforeSendGroupMsgCommand",
            "data": {"kind": "message.group.send", "verdict": "allow", "enforced": true},
        });
        assert_eq!(replay.record(&line.to_string()).is_some(), differs, "{time}");
    }
}

#[test]
fn an_engine_without_a_set_or_switched_off_allows_everything() {
    let engine = Engine::new(|| 0);
    let verdict = |engine: &Engine| {
        let mut found = Decision::ALLOW;
        group_text("u1", "hi").intents(&mut |intent: &Intent<'_>| found = engine.decide(intent));
        found
    };
    assert_eq!(verdict(&engine), Decision::ALLOW);
    let deny = "version: 1\nrules: [{ id: no, on: [message.send], then: { deny: true } }]\n";
    engine.install(Arc::new(set(deny)));
    assert_eq!(verdict(&engine).verdict, Verdict::Deny);
    engine.switch(false);
    assert_eq!(verdict(&engine), Decision::ALLOW);
    engine.switch(true);
    assert_eq!(verdict(&engine).verdict, Verdict::Deny);
}

#[test]
fn adding_shadow_rules_never_changes_what_is_answered() {
    let enforced = "
  - { id: a, on: [message.send], when: 'msg.sender_id.contains(\"1\")', then: { deny: { code: [5002, 10102, 120002] } } }
  - { id: b, on: [message.rewrite], then: { set: { msg.extra: y } } }
";
    let shadow = "
  - { id: s1, on: [message.send], mode: shadow, priority: 1, then: { allow: true, tag: [s] } }
  - { id: s2, on: [message.rewrite], mode: shadow, priority: 1, then: { set: { msg.extra: x } } }
  - { id: s3, on: [message.send], mode: shadow, priority: 9999, then: { deny: true } }
";
    let one = set(&format!("version: 1\nrules:{enforced}"));
    let both = set(&format!("version: 1\nrules:{enforced}{shadow}"));
    let memory = Memory::default();
    let services = Services { ticks: &|| 0, memory: &memory };
    let mut seen = 0;
    for (command, request) in samples() {
        request.intents(&mut |intent| {
            let [a, b] = [&one, &both]
                .map(|set| set.decide(set.tables(), intent, &services, &mut Unwatched));
            if a.enforced && b.enforced {
                assert_eq!(
                    (a.verdict, a.changes, a.deny_code),
                    (b.verdict, b.changes, b.deny_code)
                );
            } else {
                assert_eq!(a.verdict, Verdict::Allow, "{command}");
            }
            seen += 1;
        });
    }
    assert!(seen > 30);
}

#[test]
fn what_a_walker_leaves_out_of_a_piece_hides_no_word_and_stays_where_it_is() {
    let set = set("
version: 1
lists: { banned: { kind: words, items: [casino], fold: [case] } }
rules:
  - { id: m, on: [message.rewrite], when: msg.text.hits(lists.banned), then: { mask: { msg.text: { list: banned } } } }
");
    let request = Request::new(
        Provider::OpenIm,
        &json!({
            "callbackCommand": "callbackBeforeMsgModifyCommand", "sendID": "u1",
            "serverMsgID": "m1", "clientMsgID": "c1", "contentType": 101,
            "content": json!({ "content": "a\u{1}b cas\u{2}ino\u{7}" }).to_string(),
        }),
    );
    let decision = decide(&set, &request);
    assert_eq!(decision.verdict, Verdict::Modify);
    let Some(crate::verdict::Change::Content { text, body }) = decision.change("text") else {
        panic!("{decision:?}");
    };
    assert_eq!(text, "ab *******");
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(body["content"], "a\u{1}b *******\u{7}");
}

#[test]
fn tags_behind_a_rule_that_turned_into_a_deny_do_not_count() {
    let set = set("
version: 1
rules:
  - { id: first, on: [push.offline.send], then: { tag: [a] } }
  - { id: empties, on: [push.offline.send], then: { remove: { msg.recipient_ids: { items: [u1] } }, tag: [b] } }
  - { id: behind, on: [push.offline.send], then: { tag: [c] } }
");
    let request = Request::new(
        Provider::OpenIm,
        &json!({
            "callbackCommand": "callbackBeforeOfflinePushCommand", "userIDList": ["u1"],
            "title": "t", "content": "{}", "clientMsgID": "c1", "sendID": "u2", "contentType": 101,
        }),
    );
    let decision = decide(&set, &request);
    assert_eq!((decision.verdict, decision.rule_id.as_deref()), (Verdict::Deny, Some("empties")));
    assert_eq!(decision.tags, [Arc::from("a"), Arc::from("b")]);
}
