//! Embedded tests over small rule files: what holds, how the others fail, and definitions that cannot
//! be.

use super::super::problem::Problems;
use super::super::set::{Built, RuleSet, Sources, build};
use super::super::source;
use super::*;
use crate::verdict::OnFault;

/// What comes of a rule file without list files.
pub(in crate::rules) fn built(text: &str, catalogue: &Arc<Catalogue>) -> Built {
    let read_list = |name: &str| Err(format!("no file {name}"));
    build(&Sources {
        file: text.as_bytes(),
        read_list: &read_list,
        catalogue,
        on_fault: OnFault::Allow,
        previous: None,
    })
}

/// The set of a rule file without mistakes.
pub(in crate::rules) fn set(text: &str, catalogue: &Arc<Catalogue>) -> RuleSet {
    let Built { set, problems } = built(text, catalogue);
    set.unwrap_or_else(|| panic!("{problems:?}"))
}

fn report(text: &str) -> Report {
    let catalogue = Arc::new(Catalogue::embedded());
    run(&set(text, &catalogue), &catalogue)
}

/// How the tests of the file fail: `line: why`.
fn failures(text: &str) -> Vec<String> {
    let failures = report(text).failures;
    failures.iter().map(|failure| format!("{}: {}", failure.at.line, failure.why)).collect()
}

/// What of the definitions cannot be, as `line:column: what`.
fn mistakes(text: &str) -> Vec<String> {
    let catalogue = Arc::new(Catalogue::embedded());
    let problems = Problems::default();
    let file = source::read(text.as_bytes(), &problems).expect("the YAML can be read");
    assert_eq!(problems.errors(), 0, "the file is right in itself");
    check(&file, &Schema::new(&catalogue), &problems);
    let all = problems.into_sorted().into_iter();
    let line = |problem: Problem| {
        let Position { line, column } = problem.at;
        let warning = if problem.severity == Severity::Warning { "warning: " } else { "" };
        format!("{line}:{column}: {warning}{}", problem.message)
    };
    all.map(line).collect()
}

const FLOOD: &str = "\
version: 1
limits:
  chatty: { key: [msg.sender_id], allow: 2, per: 10s }
rules:
  - { id: flood, on: [message.send], limit: chatty, then: { deny: { message: \"{msg.sender_id}\" } } }
tests:
";

#[test]
fn the_last_of_many_requests_is_judged_and_counts_begin_anew_for_each_test() {
    let tests = "  \
  - { name: two, on: message.group.send, provider: openim, given: { sender_id: u }, repeat: 2, expect: { verdict: allow, matched: [] } }
  - { name: three, on: message.group.send, provider: openim, given: { sender_id: u }, repeat: 3, expect: { verdict: deny, deny_message: u, deny_code: 5001 } }
  - { name: slow, on: message.group.send, provider: openim, given: { sender_id: u }, repeat: 50, every: 5s, expect: { verdict: allow } }
  - { name: fast, on: message.group.send, provider: openim, given: { sender_id: u }, repeat: 4, every: 1s, expect: { verdict: deny } }
  - { name: tencent, on: message.group.send, provider: tencent, given: { sender_id: u }, repeat: 3, expect: { deny_code: 1 } }
";
    let report = report(&format!("{FLOOD}{tests}"));
    assert_eq!((report.passed, report.failures), (5, Vec::new()));
    assert_eq!(report.matched.iter().map(|id| &**id).collect::<Vec<_>>(), ["flood"]);
}

#[test]
fn a_test_that_fails_says_what_differs_and_where_it_stands() {
    let tests = "  \
  - { name: hopeful, on: message.group.send, provider: openim, given: { sender_id: u }, repeat: 3, expect: { verdict: allow, matched: [] } }
  - { name: fine, on: message.group.send, provider: openim, given: {}, repeat: 3, expect: { verdict: allow } }
";
    let report = report(&format!("{FLOOD}{tests}"));
    assert_eq!(report.passed, 1);
    let [failure] = &report.failures[..] else { panic!("{report:?}") };
    let problem = failure.problem();
    assert_eq!((problem.at.line, problem.rule.is_none()), (7, true));
    let expected = "test \"hopeful\" failed: verdict is \"deny\", expected \"allow\"; \
                    matched is [\"flood\"], expected absent";
    assert_eq!(problem.message, expected);
}

#[test]
fn other_entries_stand_in_for_those_of_a_list_in_one_test_alone() {
    let text = "\
version: 1
lists:
  staff: { kind: ids, items: [s1] }
  bad: { kind: words, items: [gold] }
  worse: { kind: words, items: [赌博] }
rules:
  - { id: out, on: [message.group.send], when: '!(msg.sender_id in lists.staff)', then: { deny: {} } }
  - { id: said, on: [message.group.send], when: msg.text.hits(lists.bad) || msg.text.hits(lists.worse), then: { tag: [said] } }
tests:
  - { name: a, on: callbackBeforeSendGroupMsgCommand, given: { sender_id: s1, text: gold }, expect: { verdict: allow, tags: [said] } }
  - { name: b, on: callbackBeforeSendGroupMsgCommand, given: { sender_id: s1 }, lists: { staff: [] }, expect: { verdict: deny } }
  - { name: c, on: callbackBeforeSendGroupMsgCommand, given: { sender_id: s1, text: gold }, lists: { bad: [ore] }, expect: { tags: null } }
  - { name: d, on: callbackBeforeSendGroupMsgCommand, given: { sender_id: s1, text: an ORE }, lists: { bad: [ore] }, expect: { tags: [said] } }
  - { name: e, on: callbackBeforeSendGroupMsgCommand, given: { sender_id: s1, text: 来赌博 }, lists: { bad: [ore] }, expect: { tags: [said] } }
  - { name: f, on: callbackBeforeSendGroupMsgCommand, given: { sender_id: s1, text: ore }, expect: { tags: [] } }
";
    assert_eq!(failures(text), Vec::<String>::new());
}

#[test]
fn a_test_chooses_its_time_its_body_and_its_context() {
    let text = "\
version: 1
windows:
  night: { tz: Asia/Shanghai, from: \"22:00\", to: \"07:00\" }
rules:
  - { id: night, on: [message.modify], when: windows.night, then: { tag: [night] } }
  - { id: group, on: [message.modify], when: ctx.group_id == \"g1\" && ctx.deployment == \"prod\", then: { tag: [group] } }
  - { id: rose, on: [live.gift.send], when: raw.GiftWater.Count > 3, then: { deny: {} } }
tests:
  - { name: night, on: message.modify, given: {}, at: 2025-01-01T23:30:00+08:00, expect: { tags: [night] } }
  - { name: morning, on: message.modify, given: {}, at: 2025-01-01T07:00:00+08:00, expect: { tags: [] } }
  - { name: noon, on: message.modify, given: {}, expect: { tags: [] } }
  - { name: group, on: message.modify, given: {}, ctx: { group_id: g1, deployment: prod, kind: message.modify }, expect: { matched: [group] } }
  - { name: few, on: live.gift.send, given: {}, raw: { GiftWater.Count: 3 }, expect: { verdict: allow } }
  - { name: many, on: live.gift.send, given: {}, raw: { GiftWater: { Count: 4 } }, expect: { verdict: deny } }
";
    assert_eq!(failures(text), Vec::<String>::new());
}

#[test]
fn a_text_is_one_piece_and_a_mask_covers_the_field() {
    let text = "\
version: 1
lists: { bad: { kind: words, items: [gold] } }
rules:
  - { id: m, on: [message.rewrite], then: { mask: { msg.text: { list: bad } } } }
tests:
  - { name: openim, on: message.modify, given: { content_type: text, text: buy gold }, expect: { verdict: modify, rule_id: m, changes: { text: buy **** } } }
  - { name: tencent, on: message.group.send, provider: tencent, given: { text: gold }, expect: { changes: { text: \"****\" } } }
  - { name: clean, on: message.modify, given: { text: tin }, expect: { verdict: allow, changes: null, rule_id: null } }
";
    assert_eq!(failures(text), Vec::<String>::new());
}

#[test]
fn a_command_of_several_kinds_stands_for_the_one_that_needs_no_reason() {
    let text = "\
version: 1
rules:
  - { id: yes, on: [friend.request.accept], then: { tag: [accept] } }
  - { id: no, on: [friend.request.refuse], then: { tag: [refuse] } }
tests:
  - { name: command, on: callbackBeforeAddFriendAgreeCommand, given: {}, expect: { tags: [accept] } }
  - { name: kind, on: friend.request.refuse, provider: openim, given: {}, expect: { tags: [refuse] } }
";
    assert_eq!(failures(text), Vec::<String>::new());
}

#[test]
fn definitions_that_cannot_be_are_told_with_their_places() {
    let text = "\
version: 1
rules: [{ id: r, on: [message.group.send], then: { deny: {} } }]
tests:
  - { name: a, on: message.grup.send, given: {}, expect: { verdict: deny } }
  - { name: b, on: message.group.send, given: {}, expect: { verdict: deny } }
  - { name: c, on: message.send, given: {}, expect: { verdict: deny } }
  - name: d
    on: callbackBeforeSendGroupMsgCommand
    given: { senderid: u, mentions: u, raw: {} }
    raw: { sendId: u, groupID: [g] }
    ctx: { grup_id: g, group_id: 5, provider: tencent }
    lists: { staf: [u] }
    expect: { verdict: deny }
";
    let found = mistakes(text);
    let expected: &[(&str, &[&str])] = &[
        ("4:20: ", &["message.grup.send", "message.group.send"]),
        (
            "5:5: ",
            &["both providers ask message.group.send", "provider: openim", "provider: tencent"],
        ),
        ("6:20: ", &["message.send", "several kinds", "message.direct.send"]),
        ("9:14: ", &["senderid", "did you mean \"sender_id\"?"]),
        ("9:37: ", &["mentions: expected a list of strings, found \"u\""]),
        ("9:40: ", &["raw stands beside given"]),
        ("10:12: ", &["sendId"]),
        ("10:23: ", &["raw.groupID: expected one value, found [\"g\"]"]),
        ("11:12: ", &["grup_id", "group_id"]),
        ("11:34: ", &["expected a string, found 5"]),
        ("11:47: ", &["ctx.provider is \"openim\" here"]),
        ("12:14: ", &["there is no list \"staf\""]),
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, (place, words)) in found.iter().zip(expected) {
        assert!(found.starts_with(place), "{found} does not begin with {place}");
        for word in *words {
            assert!(found.contains(word), "{found} does not name {word}");
        }
    }
}

#[test]
fn what_can_never_be_is_a_warning() {
    let text = "\
version: 1
rules: [{ id: r, on: [message.modify], then: { tag: [a] } }]
tests:
  - { name: a, on: callbackWordFilterCommand, given: { sent_at_ms: 5, content_type: imag }, expect: { tags: [a] } }
";
    let found = mistakes(text);
    let [carried, word] = &found[..] else { panic!("{found:#?}") };
    assert_eq!(
        carried,
        "4:56: warning: callbackWordFilterCommand never carries \"sent_at_ms\": rules read it \
         as empty"
    );
    let never = "4:85: warning: content_type is never \"imag\", did you mean \"image\"?";
    assert_eq!(word, never);
    assert_eq!(failures(text), Vec::<String>::new(), "they are taken as they are");
}
