//! `tests`: examples that an author writes beside the rules.
//!
//! In: nodes, and the lists of the file. Out: definitions in file order. What always holds: members of
//! `expect` have the types of a decision record; a test without readable `name`, `on` or `expect` is
//! left out, as there is nothing to run.

use super::file::{At, ListDef, RuleFile, TestDef, Text};
use super::lists::items;
use super::reader::{Fields, NAME_FORM, Reader, What, is_name, shown};
use super::rules::{provider, target};
use super::scalar::Core;
use super::tree::{Kind, Node};
use crate::verdict::Verdict;
use serde_json::Value;
use std::time::Duration;

/// Most tests of a file.
const TESTS_MAX: usize = 200;
/// Most requests of one test.
const REPEAT_MAX: u32 = 10_000;
/// `2025-01-01T00:00:00Z`
const AT_DEFAULT_MS: i64 = 1_735_689_600_000;
/// `9999-12-31T23:59:59.999Z`, the last time that can be written.
const AT_LAST_MS: i64 = 253_402_300_799_999;

/// Reads `tests`.
pub(super) fn read(node: &Node, reader: &Reader<'_>, file: &mut RuleFile) {
    let nodes = reader.list(node, What::Key("tests"), 0..=TESTS_MAX).unwrap_or_default();
    file.tests = nodes.iter().filter_map(|node| test(node, reader, &file.lists)).collect();
}

fn test(node: &Node, reader: &Reader<'_>, lists: &[ListDef]) -> Option<TestDef> {
    let keys = [
        "name", "on", "given", "expect", "provider", "raw", "ctx", "lists", "at", "repeat", "every",
    ];
    let fields = reader.fields(node, What::Words("a test"), &keys)?;
    let name =
        reader.required(&fields, "name").and_then(|node| reader.text(node, What::Key("name")));
    let on = reader.required(&fields, "on").and_then(|node| target(node, What::Key("on"), reader));
    let given = reader.required(&fields, "given");
    let expect = reader.required(&fields, "expect").and_then(|node| expect(node, reader));
    let members =
        |node: Option<&Node>, key| node.map(|node| members(node, key, reader)).unwrap_or_default();
    let received_at_ms =
        fields.get("at").and_then(|node| at(node, reader)).unwrap_or(AT_DEFAULT_MS);
    let repeat = fields.get("repeat").and_then(|node| reader.count(node, "repeat", 1..=REPEAT_MAX));
    let repeat = repeat.unwrap_or(1);
    let lists = fields.get("lists").map(|node| other_lists(node, reader, lists));
    let given = members(given, "given");
    let raw = members(fields.get("raw"), "raw");
    let ctx = members(fields.get("ctx"), "ctx");
    let provider = fields.get("provider").and_then(|node| provider(node, reader));
    let every = every(&fields, received_at_ms, repeat, reader);
    Some(TestDef {
        at: fields.at,
        name: name?,
        on: on?,
        provider,
        given,
        raw,
        ctx,
        lists: lists.unwrap_or_default(),
        received_at_ms,
        repeat,
        every,
        expect: expect?,
    })
}

/// Members with values of JSON; null is none.
fn members(node: &Node, key: &str, reader: &Reader<'_>) -> Vec<(Text, At<Value>)> {
    let pairs = reader.map(node, What::Key(key)).unwrap_or_default();
    let value = |(key, node): &(Text, Node)| {
        let value = json(node, What::Key(&key.value), false, reader)?;
        Some((key.clone(), At { value, at: node.at }))
    };
    pairs.iter().filter_map(value).collect()
}

/// A node as JSON. The depth of nodes is bounded, and with it that of calls.
fn json(node: &Node, what: What<'_>, nulls: bool, reader: &Reader<'_>) -> Option<Value> {
    match &node.kind {
        Kind::Quoted(text) | Kind::Plain(text, Core::Text) => {
            Some(Value::String(text.value.to_string()))
        }
        Kind::Plain(_, Core::Bool(value)) => Some(Value::Bool(*value)),
        Kind::Plain(_, Core::Int(Some(value))) => Some(Value::Number((*value).into())),
        Kind::Plain(_, Core::Null) if nulls => Some(Value::Null),
        Kind::Plain(..) => {
            reader.expected(
                node,
                what,
                "a text, an integer of 64 bits, a boolean, a list or a mapping",
            );
            None
        }
        Kind::List(entries) => {
            let values: Vec<_> =
                entries.iter().map(|node| json(node, what, nulls, reader)).collect();
            values.into_iter().collect::<Option<Vec<_>>>().map(Value::Array)
        }
        Kind::Map(pairs) => {
            let pairs: Vec<_> = pairs
                .iter()
                .map(|(key, node)| {
                    let value = json(node, What::Key(&key.value), nulls, reader)?;
                    Some((key.value.to_string(), value))
                })
                .collect();
            pairs.into_iter().collect::<Option<_>>().map(Value::Object)
        }
        Kind::Bad => None,
    }
}

fn other_lists(
    node: &Node,
    reader: &Reader<'_>,
    known: &[ListDef],
) -> Vec<(Text, Vec<At<Box<str>>>)> {
    let mut lists = Vec::new();
    for (name, node) in reader.map(node, What::Key("lists")).unwrap_or_default() {
        if !is_name(&name.value) {
            let message = format!("a key of \"lists\" is {NAME_FORM}, not {}", shown(&name.value));
            reader.error(name.at, message);
        }
        let kind = known.iter().find(|list| *list.name.value == *name.value).map(|list| &list.kind);
        lists.push((name.clone(), items(node, &name.value, 0, kind, reader)));
    }
    lists
}

/// RFC 3339, to Unix milliseconds.
fn at(node: &Node, reader: &Reader<'_>) -> Option<i64> {
    let form = "a time of RFC 3339, such as 2025-01-01T22:00:00+08:00";
    let text = reader.text_like(node, What::Key("at"), form, |text| rfc3339(text).is_some())?;
    rfc3339(&text.value)
}

/// A time of RFC 3339, as Unix milliseconds. The grammar is checked here, days and offsets by the
/// reader behind it, whose own grammar is wider.
#[must_use]
pub fn rfc3339(text: &str) -> Option<i64> {
    let shape = b"0000-00-00T00:00:00";
    let (head, tail) = text.as_bytes().split_at_checked(shape.len())?;
    let right = |(byte, wanted): (&u8, &u8)| match wanted {
        b'0' => byte.is_ascii_digit(),
        b'T' => matches!(byte, b'T' | b't' | b' '),
        sign => byte == sign,
    };
    if !head.iter().zip(shape).all(right) {
        return None;
    }
    let zone = match tail.strip_prefix(b".") {
        None => tail,
        Some(fraction) => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(1..=9).contains(&digits) {
                return None;
            }
            &fraction[digits..]
        }
    };
    let zone_is_right = match zone {
        b"Z" | b"z" => true,
        [b'+' | b'-', a, b, b':', c, d] => [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()),
        _ => false,
    };
    let at: jiff::Timestamp = if zone_is_right { text.parse().ok()? } else { return None };
    Some(at.as_millisecond())
}

/// The time between requests, zero where it is not said.
fn every(fields: &Fields<'_, '_>, from_ms: i64, repeat: u32, reader: &Reader<'_>) -> Duration {
    let Some(node) = fields.get("every") else { return Duration::ZERO };
    let form = "a duration, such as 10s";
    let Some(every) = reader.duration(node, "every", Duration::ZERO..=Duration::MAX, form) else {
        return Duration::ZERO;
    };
    let between = every.value.as_millis() * u128::from(repeat - 1);
    let last_ms =
        i128::try_from(between).map_or(i128::MAX, |between| i128::from(from_ms) + between);
    if last_ms > i128::from(AT_LAST_MS) {
        reader.error(every.at, "the last request would come after the year 9999");
        return Duration::ZERO;
    }
    every.value
}

/// Members of a decision record, each of its type.
fn expect(node: &Node, reader: &Reader<'_>) -> Option<Vec<(Text, At<Value>)>> {
    let keys = [
        "verdict",
        "rule_id",
        "enforced",
        "deny_code",
        "deny_message",
        "changes",
        "refused_ids",
        "tags",
        "matched",
    ];
    let fields = reader.fields(node, What::Key("expect"), &keys)?;
    if fields.pairs.is_empty() {
        reader.error(node.at, "\"expect\" is empty: it names at least one member of the record");
    }
    let mut members = Vec::new();
    for (key, node) in fields.pairs.iter().filter(|(key, _)| keys.contains(&&*key.value)) {
        if let Some(value) = member(&key.value, node, reader) {
            members.push((key.clone(), At { value, at: node.at }));
        }
    }
    Some(members)
}

fn member(key: &str, node: &Node, reader: &Reader<'_>) -> Option<Value> {
    let what = What::Key(key);
    let null = matches!(node.kind, Kind::Plain(_, Core::Null));
    match key {
        "verdict" => {
            const ALL: [Verdict; 5] =
                [Verdict::Allow, Verdict::Deny, Verdict::Drop, Verdict::Modify, Verdict::Refuse];
            let words = ALL.map(|verdict| (verdict.word(), verdict));
            Some(Value::from(reader.word(node, what, &words)?.word()))
        }
        "enforced" => reader.boolean(node, what).map(Value::Bool),
        "matched" => texts(node, key, reader),
        _ if null => Some(Value::Null),
        "rule_id" | "deny_message" => {
            reader.text(node, what).map(|text| Value::from(String::from(text.value)))
        }
        "deny_code" => {
            reader.integer(node, what, i64::MIN..=i64::MAX).map(|code| Value::from(code.value))
        }
        "changes" => {
            reader.map(node, what)?;
            json(node, what, true, reader)
        }
        _ => texts(node, key, reader),
    }
}

fn texts(node: &Node, key: &str, reader: &Reader<'_>) -> Option<Value> {
    let entries = reader.list(node, What::Key(key), 0..=usize::MAX)?;
    let text = |node| Some(Value::from(String::from(reader.text(node, What::Entry(key))?.value)));
    Some(Value::Array(entries.iter().filter_map(text).collect()))
}
