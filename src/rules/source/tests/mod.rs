//! What rule files may say, where mistakes are, and that no file does harm.
//!
//! `yaml` is about the tree below the definitions, `shape` and `actions` go through the keys of a file,
//! `values` looks at what comes out, `hostile` has files made to hurt and random ones.

mod actions;
mod hostile;
mod shape;
mod values;
mod yaml;

use super::super::problem::Problems;
use super::file::RuleFile;

/// A file with every section and every key of the grammar.
const FULL: &str = r#"version: 1
note: everything once
defaults:
  mode: enforce
  on_error: skip
  on_fault: { default: allow, live.gift.send: deny }
  deadline: 20ms
  deny: { code: [5900, 10100, 120001, 38000], message: "Not allowed", detail: "" }
lists:
  staff: { kind: ids, file: lists/staff.txt, note: who works here }
  numbers: { kind: ids, items: [007, true, 1.50, "null", s1] }
  banned: { kind: words, items: [赌博, 加微信, casino] }
  slurs: { kind: words, file: lists/slurs.txt, match: token, fold: [case, compat] }
limits:
  chatty: { key: [msg.sender_id, raw.GiftWater.Count], allow: 20, per: 10s, burst: 30 }
  calm: { key: [ctx.provider], allow: 5, per: 1d, max_keys: 7, when_full: match, note: x }
windows:
  night: { tz: Asia/Shanghai, days: fri-mon, from: "22:00", to: "07:00" }
  noon: { tz: UTC, days: "sat , sun", from: 12:00, to: 24:00, note: x }
vars:
  is_staff: msg.sender_id in lists.staff
  never: false
rules:
  - id: staff-first
    note: they know what they do
    on: [message.send]
    provider: tencent
    priority: 1
    mode: shadow
    on_error: match
    when: vars.is_staff
    limit: chatty
    then: { allow: true }
  - id: no-gifts
    on: [live.gift.send, Live.CallbackBeforeSendGift]
    when: true
    then: { deny: { code: 102100, message: "{msg.sender_id}", detail: d }, tag: [gift.a_b-c, "1"] }
  - { id: "2", on: [block.add], then: { drop: true } }
  - { id: d, on: [block.add], then: { deny: true } }
  - id: change
    on: [message.rewrite]
    then:
      set: { msg.extra: "5", msg.burn_seconds: 0x10, msg.pinned: false, msg.recipient_ids: [u1, 2] }
      unset: [msg.attached_info, msg.users.extra]
      clamp: { msg.burn_seconds: { min: -5, max: 60 }, msg.count: { max: 3 } }
      remove: { msg.recipient_ids: { list: staff }, msg.member_ids: { items: [007, a] } }
      mask: { msg.text: { list: [banned, slurs], with: "█" }, msg.extra: { pattern: "1[3-9]" } }
tests:
  - name: staff may flood
    on: message.group.send
    provider: openim
    given: { sender_id: s1, sequence: 0x10, members: [{ user_id: u1, muted: true }] }
    raw: { roleLevel: 5 }
    ctx: { group_id: g1 }
    lists: { staff: [s1, 007] }
    at: 2025-01-01T08:00:00.5+08:00
    repeat: 100
    every: 2s
    expect:
      verdict: modify
      rule_id: null
      enforced: true
      deny_code: null
      deny_message: x
      changes: { extra: null, refused: [1] }
      refused_ids: []
      tags: [a]
      matched: [change]
"#;

/// Reads a file without mistakes.
fn good(text: &str) -> RuleFile {
    let (file, mistakes) = read(text);
    assert_eq!(mistakes, Vec::<String>::new());
    file.expect("a file without mistakes")
}

/// What is read, and the mistakes as `line:column rule: message`, sorted by place.
fn read(text: &str) -> (Option<RuleFile>, Vec<String>) {
    read_bytes(text.as_bytes())
}

fn read_bytes(bytes: &[u8]) -> (Option<RuleFile>, Vec<String>) {
    let problems = Problems::default();
    let file = super::read(bytes, &problems);
    let lines = problems.into_sorted().into_iter().map(|problem| {
        let rule = problem.rule.map(|rule| format!("rule {rule}: ")).unwrap_or_default();
        format!("{}:{} {rule}{}", problem.at.line, problem.at.column, problem.message)
    });
    (file, lines.collect())
}

/// Asserts on all mistakes of a file.
#[track_caller]
fn mistakes(text: &str, expected: &[&str]) {
    assert_eq!(read(text).1, expected, "{text}");
}

/// Asserts on all mistakes of a file whose rules are these lines; the first is line 3.
#[track_caller]
fn rule_mistakes(rules: &str, expected: &[&str]) {
    mistakes(&format!("version: 1\nrules:\n{rules}"), expected);
}
