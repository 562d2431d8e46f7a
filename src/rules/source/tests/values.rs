//! What comes out of a file that is right, and what is left of one that is not.

use super::super::file::*;
use super::{FULL, good, mistakes, read};
use crate::call::Provider;
use crate::verdict::OnFault;
use serde_json::json;
use std::time::Duration;

fn written(entries: &[At<Box<str>>]) -> Vec<&str> {
    entries.iter().map(|entry| &*entry.value).collect()
}

fn texts(texts: &[Text]) -> Vec<&str> {
    texts.iter().map(|text| &*text.value).collect()
}

#[test]
fn defaults_are_read() {
    let defaults = good(FULL).defaults;
    assert_eq!((defaults.mode, defaults.on_error), (Mode::Enforce, OnError::Skip));
    assert_eq!(defaults.on_fault_default, Some(OnFault::Allow));
    let faults: Vec<_> =
        defaults.on_fault.iter().map(|(name, word)| (&*name.value, *word)).collect();
    assert_eq!(faults, [("live.gift.send", OnFault::Deny)]);
    assert_eq!(defaults.deadline.map(|deadline| deadline.value), Some(Duration::from_millis(20)));
    let codes: Vec<_> = defaults.deny.code.iter().map(|code| code.value).collect();
    assert_eq!(codes, [5900, 10100, 120_001, 38_000]);
    assert_eq!(defaults.deny.message.map(|text| text.value), Some("Not allowed".into()));
    assert_eq!(defaults.deny.detail.map(|text| text.value), Some("".into()));
}

#[test]
fn what_a_file_does_not_say_has_its_default() {
    let file = good(
        "version: 1\nlimits: { l: { key: [msg.a], allow: 7, per: 1m } }\nwindows: { w: { tz: UTC, from: 01:00, to: 02:00 } }\nrules: [{ id: r, on: [a], then: { mask: { msg.a: { list: w } } } }]\ntests: [{ name: t, on: a, given: {}, expect: { tags: [] } }]\n",
    );
    assert_eq!(file.defaults.on_fault_default, None);
    assert!(file.defaults.deadline.is_none());
    let limit = &file.limits[0];
    assert_eq!((limit.burst, limit.max_keys, limit.full_matches), (7, 100_000, false));
    assert_eq!(file.windows[0].days, [true; 7]);
    let rule = &file.rules[0];
    assert_eq!((rule.priority, rule.mode, rule.on_error), (1000, Mode::Enforce, OnError::Skip));
    assert!(rule.when.is_none() && rule.limit.is_none() && rule.provider.is_none());
    let ChangeAction::Mask { with, .. } = rule.then.changes[0].action else { panic!("{rule:?}") };
    assert_eq!(with, '*');
    let test = &file.tests[0];
    assert_eq!(
        (test.received_at_ms, test.repeat, test.every),
        (1_735_689_600_000, 1, Duration::ZERO)
    );
}

#[test]
fn rules_take_the_defaults_of_the_file() {
    let file = good(
        "version: 1\nrules:\n- { id: a, on: [a], then: { drop: true } }\n- { id: b, on: [a], mode: enforce, on_error: skip, then: { drop: true } }\ndefaults: { mode: off, on_error: match }\n",
    );
    let modes: Vec<_> = file.rules.iter().map(|rule| (rule.mode, rule.on_error)).collect();
    assert_eq!(modes, [(Mode::Off, OnError::Match), (Mode::Enforce, OnError::Skip)]);
}

#[test]
fn lists_are_read_as_written() {
    let lists = good(FULL).lists;
    let names: Vec<_> = lists.iter().map(|list| &*list.name.value).collect();
    assert_eq!(names, ["staff", "numbers", "banned", "slurs"]);
    assert!(
        matches!(&lists[0].source, ListSource::File(path) if &*path.value == "lists/staff.txt")
    );
    let ListSource::Items(items) = &lists[1].source else { panic!("{lists:?}") };
    assert_eq!(written(items), ["007", "true", "1.50", "null", "s1"]);
    assert_eq!((lists[0].kind.clone(), lists[1].kind.clone()), (ListKind::Ids, ListKind::Ids));
    assert_eq!(lists[2].kind, ListKind::Words { fold: Fold::DEFAULT, token: false });
    let fold = Fold { invisible: false, width: false, case: true, compat: true, gaps: false };
    assert_eq!(lists[3].kind, ListKind::Words { fold, token: true });
}

#[test]
fn limits_and_windows_are_read() {
    let file = good(FULL);
    let limit = &file.limits[0];
    assert_eq!(texts(&limit.key), ["msg.sender_id", "raw.GiftWater.Count"]);
    assert_eq!((limit.allow, limit.per, limit.burst), (20, Duration::from_secs(10), 30));
    let limit = &file.limits[1];
    assert_eq!(
        (limit.per, limit.max_keys, limit.full_matches),
        (Duration::from_hours(24), 7, true)
    );
    let [night, noon] = &file.windows[..] else { panic!("{file:?}") };
    assert_eq!(night.days, [true, false, false, false, true, true, true]);
    assert_eq!((night.from, night.to, &*night.tz.value), (22 * 60, 7 * 60, "Asia/Shanghai"));
    assert_eq!(noon.days, [false, false, false, false, false, true, true]);
    assert_eq!((noon.from, noon.to), (720, 1440));
}

#[test]
fn rules_are_read() {
    let file = good(FULL);
    let rule = &file.rules[0];
    assert_eq!((&*rule.id.value, rule.id.at.line, rule.id.at.column), ("staff-first", 24, 9));
    assert_eq!(rule.provider.as_ref().map(|provider| provider.value), Some(Provider::Tencent));
    assert_eq!((rule.priority, rule.mode, rule.on_error), (1, Mode::Shadow, OnError::Match));
    assert!(
        matches!(&rule.when, Some(Condition::Expression(text)) if &*text.value == "vars.is_staff")
    );
    assert!(matches!(&rule.limit, Some(name) if &*name.value == "chatty"));
    assert!(matches!(&rule.then.ending, Some(At { value: EndingDef::Allow, .. })));
    let rule = &file.rules[1];
    assert_eq!(texts(&rule.on), ["live.gift.send", "Live.CallbackBeforeSendGift"]);
    assert!(matches!(rule.when, Some(Condition::Constant(At { value: true, .. }))));
    let Some(At { value: EndingDef::Deny(deny), .. }) = &rule.then.ending else {
        panic!("{rule:?}")
    };
    assert_eq!(deny.code.iter().map(|code| code.value).collect::<Vec<_>>(), [102_100]);
    assert_eq!(rule.then.tags.iter().map(|tag| &**tag).collect::<Vec<_>>(), ["gift.a_b-c", "1"]);
    assert!(matches!(&file.rules[2].then.ending, Some(At { value: EndingDef::Drop, .. })));
    assert!(matches!(&file.rules[3].then.ending, Some(At { value: EndingDef::Deny(_), .. })));
}

#[test]
fn changes_are_read_in_order_with_the_place_of_their_key() {
    let file = good(FULL);
    let changes = &file.rules[4].then.changes;
    let place = |change: &ChangeDef| (change.field.at.line, change.field.at.column);
    let fields: Vec<_> = changes.iter().map(|change| &*change.field.value).collect();
    let expected = [
        "extra",
        "burn_seconds",
        "pinned",
        "recipient_ids",
        "attached_info",
        "users.extra",
        "burn_seconds",
        "count",
        "recipient_ids",
        "member_ids",
        "text",
        "extra",
    ];
    assert_eq!(fields, expected);
    assert_eq!((place(&changes[0]), place(&changes[5])), ((43, 14), (44, 34)));
    let set = |at: usize| match &changes[at].action {
        ChangeAction::Set(value) => value.value.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(set(0), SetValue::Text("5".into()));
    assert_eq!((set(1), set(2)), (SetValue::Int(16), SetValue::Bool(false)));
    let SetValue::List(entries) = set(3) else { panic!("{changes:?}") };
    let entries: Vec<_> = entries.into_iter().map(|entry| entry.value).collect();
    assert_eq!(entries, [SetItem::Text("u1".into()), SetItem::Int(2)]);
    let clamp = |at: usize| match &changes[at].action {
        ChangeAction::Clamp { min, max } => {
            (min.as_ref().map(|min| min.value), max.as_ref().map(|max| max.value))
        }
        other => panic!("{other:?}"),
    };
    assert_eq!((clamp(6), clamp(7)), ((Some(-5), Some(60)), (None, Some(3))));
    assert!(
        matches!(&changes[8].action, ChangeAction::Remove(RemoveDef::Lists(names)) if texts(names) == ["staff"])
    );
    assert!(
        matches!(&changes[9].action, ChangeAction::Remove(RemoveDef::Items(ids)) if written(ids) == ["007", "a"])
    );
    let ChangeAction::Mask { what: MaskDef::Lists(names), with: '█' } = &changes[10].action
    else {
        panic!("{changes:?}")
    };
    assert_eq!(texts(names), ["banned", "slurs"]);
    let ChangeAction::Mask { what: MaskDef::Pattern(pattern), with: '*' } = &changes[11].action
    else {
        panic!("{changes:?}")
    };
    assert_eq!((&*pattern.value, pattern.at.column), ("1[3-9]", 86));
}

#[test]
fn tests_are_read() {
    let file = good(FULL);
    let test = &file.tests[0];
    assert_eq!((test.at.line, test.at.column), (49, 5));
    assert_eq!((&*test.name.value, &*test.on.value), ("staff may flood", "message.group.send"));
    assert_eq!(test.provider.as_ref().map(|provider| provider.value), Some(Provider::OpenIm));
    let members = |members: &[(Text, At<serde_json::Value>)]| {
        let pairs = members.iter().map(|(key, value)| (key.value.to_string(), value.value.clone()));
        serde_json::Value::Object(pairs.collect())
    };
    let given =
        json!({"sender_id": "s1", "sequence": 16, "members": [{"user_id": "u1", "muted": true}]});
    assert_eq!(members(&test.given), given);
    assert_eq!(members(&test.raw), json!({"roleLevel": 5}));
    assert_eq!(members(&test.ctx), json!({"group_id": "g1"}));
    assert_eq!(written(&test.lists[0].1), ["s1", "007"]);
    assert_eq!(test.received_at_ms, 1_735_689_600_500);
    assert_eq!((test.repeat, test.every), (100, Duration::from_secs(2)));
    let expect = json!({
        "verdict": "modify", "rule_id": null, "enforced": true, "deny_code": null,
        "deny_message": "x", "changes": {"extra": null, "refused": [1]}, "refused_ids": [],
        "tags": ["a"], "matched": ["change"],
    });
    assert_eq!(members(&test.expect), expect);
}

#[test]
fn mistakes_of_tests_are_found() {
    mistakes(
        "version: 1
rules: []
lists: { w: { kind: words, items: [] } }
tests:
  - { name: 1, on: [a], given: [], provider: x, expect: {} }
  - name: a
    on: b
    given: { a: ~, b: 1.5, c: [~], d: 99999999999999999999 }
    raw: 1
    ctx: { a: { b: 1.5 } }
    lists: { W: [a], w: [\"\"], x: [[]] }
    at: 2025-01-01
    repeat: 10001
    every: 0s
    expect: { verdict: denied, enforced: null, rule_id: 1, deny_code: x, deny_message: [], changes: [], refused_ids: [1], tags: x, matched: null, mode: x }
  - { name: a, on: b, given: {}, repeat: 3, every: 999999999d, expect: { changes: { a: 1.5 } } }
",
        &[
            "5:13 \"name\" takes a text, not the integer 1; put it in quotes",
            "5:20 \"on\" takes a text, not a list",
            "5:32 \"given\" takes a mapping, not a list",
            "5:46 \"provider\" takes openim or tencent, not \"x\"",
            "5:57 \"expect\" is empty: it names at least one member of the record",
            "8:17 \"a\" takes a text, an integer of 64 bits, a boolean, a list or a mapping, not null",
            "8:23 \"b\" takes a text, an integer of 64 bits, a boolean, a list or a mapping, not the number 1.5",
            "8:32 \"c\" takes a text, an integer of 64 bits, a boolean, a list or a mapping, not null",
            "8:39 \"d\" takes a text, an integer of 64 bits, a boolean, a list or a mapping, not the integer 99999999999999999999",
            "9:10 \"raw\" takes a mapping, not the integer 1",
            "10:20 \"b\" takes a text, an integer of 64 bits, a boolean, a list or a mapping, not the number 1.5",
            "11:14 a key of \"lists\" is a name of at most 64 of a-z, 0-9 and _ that begins with a letter, not \"W\"",
            "11:27 an empty entry",
            "11:35 an entry of \"x\" takes a text, not a list",
            "12:9 \"at\" takes a time of RFC 3339, such as 2025-01-01T22:00:00+08:00, not \"2025-01-01\"",
            "13:13 \"repeat\" takes an integer from 1 to 10000, not the integer 10001",
            "14:12 \"every\" takes a duration, such as 10s, not \"0s\"",
            "15:24 \"verdict\" takes allow, deny, drop, modify or refuse, not \"denied\"",
            "15:42 \"enforced\" takes true or false, not null",
            "15:57 \"rule_id\" takes a text, not the integer 1; put it in quotes",
            "15:71 \"deny_code\" takes an integer of 64 bits, not \"x\"",
            "15:88 \"deny_message\" takes a text, not a list",
            "15:101 \"changes\" takes a mapping, not a list",
            "15:119 an entry of \"refused_ids\" takes a text, not the integer 1; put it in quotes",
            "15:129 \"tags\" takes a list, not \"x\"",
            "15:141 \"matched\" takes a list, not null",
            "15:147 \"expect\" has no key \"mode\"; it takes verdict, rule_id, enforced, deny_code, deny_message, changes, refused_ids, tags or matched",
            "16:52 the last request would come after the year 9999",
            "16:88 \"a\" takes a text, an integer of 64 bits, a boolean, a list or a mapping, not the number 1.5",
        ],
    );
}

#[test]
fn times_of_tests_are_those_of_rfc_3339() {
    let at = |at: &str| {
        let text = format!(
            "version: 1\nrules: []\ntests: [{{ name: t, on: a, given: {{}}, at: {at:?}, expect: {{ tags: [] }} }}]\n"
        );
        let (file, mistakes) = read(&text);
        let ms = file.expect("readable").tests[0].received_at_ms;
        mistakes.is_empty().then_some(ms)
    };
    assert_eq!(at("1970-01-01T00:00:00Z"), Some(0));
    assert_eq!(at("1970-01-01t01:00:01.5z"), Some(3_601_500));
    assert_eq!(at("1970-01-01 00:00:00-00:30"), Some(1_800_000));
    assert_eq!(at("2024-02-29T23:59:60Z"), at("2024-02-29T23:59:59Z"));
    for wrong in [
        "",
        "1970",
        "1970-01-01T00:00:00",
        "1970-01-01T00:00Z",
        "1970-01-01T00:00:00.Z",
        "1970-1-01T00:00:00Z",
        "1970-01-01T00:00:00+0100",
        "1970-01-01T00:00:00+01",
        "1970-01-01T00:00:00Z[UTC]",
        "2023-02-29T00:00:00Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:00:00+99:00",
        "赌970-01-01T00:00:00Z",
        " 1970-01-01T00:00:00Z",
    ] {
        assert_eq!(at(wrong), None, "{wrong:?}");
    }
}

#[test]
fn what_is_wrong_is_left_out_and_the_rest_is_there() {
    let (file, mistakes) = read(
        "version: 1
lists: { a: { kind: x, items: [] }, B: { kind: ids, items: [] }, c: { kind: ids, items: ['', d] } }
limits: { l: { key: [x, msg.b], allow: x, per: 1s } }
vars: { v: 1, w: true }
rules:
  - { id: r, on: [1, b], when: 1, then: { allow: 1, set: { msg.a: 1.5, msg.b: 2 } } }
  - { on: x, then: [] }
  - { id: r, on: [c], then: { drop: true } }
",
    );
    assert_eq!(mistakes.len(), 14, "{mistakes:#?}");
    let file = file.expect("readable");
    let reported: Vec<_> = file.reported.iter().map(|name| &**name).collect();
    assert_eq!(reported, ["lists.B", "lists.a", "vars.v"]);
    assert_eq!(file.lists.len(), 1);
    let ListSource::Items(items) = &file.lists[0].source else { panic!("{file:?}") };
    assert_eq!(written(items), ["d"]);
    assert_eq!((texts(&file.limits[0].key), file.limits[0].allow), (vec!["msg.b"], 1));
    assert_eq!(file.vars.len(), 1);
    let ids: Vec<_> = file.rules.iter().map(|rule| &*rule.id.value).collect();
    assert_eq!(ids, ["r", "", "r"]);
    assert_eq!(texts(&file.rules[0].on), ["b"]);
    assert!(file.rules[0].when.is_none());
    assert_eq!(file.rules[0].then.changes.len(), 1);
    assert!(file.rules[1].on.is_empty());
}
