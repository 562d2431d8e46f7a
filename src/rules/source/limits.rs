//! `limits`, `windows` and `vars`.
//!
//! In: nodes. Out: definitions. What always holds: a definition with a mistake in it is still there
//! under its name, with harmless values in place of the wrong ones, so that its uses are no mistakes,
//! too; a variable without a readable expression is left out and noted as reported.

use super::super::problem::Position;
use super::file::At;
use super::file::{Condition, LimitDef, RuleFile, Text, TextLayout, VarDef, WindowDef};
use super::lists::{left_out, named};
use super::reader::{Reader, What};
use super::scalar::Core;
use super::tree::{Kind, Node};
use std::sync::Arc;
use std::time::Duration;

/// Most fields of a key.
const KEY_FIELDS_MAX: usize = 4;
/// Most requests per period, and at once.
const RATE_MAX: u32 = 1_000_000;
/// Most keys of one limit.
const KEYS_MAX: u32 = 500_000;
/// Keys of a limit that does not say.
const KEYS_DEFAULT: u32 = 100_000;
/// Most bytes of an expression.
const EXPRESSION_BYTES_MAX: usize = 4096;
/// Minutes of a day.
const DAY_MINUTES: u16 = 24 * 60;

/// Reads `limits`.
pub(super) fn read(node: &Node, reader: &Reader<'_>, file: &mut RuleFile) {
    for (name, node) in named(node, "limits", reader, file) {
        file.limits.push(limit(name, node, reader));
    }
}

fn limit(name: At<Arc<str>>, node: &Node, reader: &Reader<'_>) -> LimitDef {
    let what = format!("the limit {:?}", name.value);
    let mut limit = LimitDef {
        name,
        key: Vec::new(),
        allow: 1,
        per: Duration::from_secs(1),
        burst: 1,
        max_keys: KEYS_DEFAULT,
        full_matches: false,
    };
    let keys = ["key", "allow", "per", "burst", "max_keys", "when_full", "note"];
    let Some(fields) = reader.fields(node, What::Words(&what), &keys) else { return limit };
    reader.note(&fields);
    if let Some(node) = reader.required(&fields, "key") {
        let entries = reader.list(node, What::Key("key"), 1..=KEY_FIELDS_MAX).unwrap_or_default();
        let form = "a field, such as msg.sender_id";
        limit.key = entries
            .iter()
            .filter_map(|node| reader.text_like(node, What::Entry("key"), form, is_field))
            .collect();
    }
    if let Some(node) = reader.required(&fields, "allow") {
        limit.allow = reader.count(node, "allow", 1..=RATE_MAX).unwrap_or(limit.allow);
    }
    limit.burst = limit.allow;
    if let Some(node) = reader.required(&fields, "per") {
        let range = Duration::from_millis(10)..=Duration::from_hours(24);
        let form = "a duration from 10ms to 1d, such as 30s";
        let per = reader.duration(node, "per", range, form);
        limit.per = per.map_or(limit.per, |per| per.value);
    }
    if let Some(node) = fields.get("burst") {
        limit.burst = reader.count(node, "burst", 1..=RATE_MAX).unwrap_or(limit.burst);
    }
    if let Some(node) = fields.get("max_keys") {
        limit.max_keys = reader.count(node, "max_keys", 1..=KEYS_MAX).unwrap_or(limit.max_keys);
    }
    if let Some(node) = fields.get("when_full") {
        let words = [("pass", false), ("match", true)];
        let matches = reader.word(node, What::Key("when_full"), &words);
        limit.full_matches = matches.unwrap_or_default();
    }
    limit
}

/// `msg`, `ctx` or `raw` and at least one name.
fn is_field(text: &str) -> bool {
    let mut parts = text.split('.');
    let root = matches!(parts.next(), Some("msg" | "ctx" | "raw"));
    let name = |part: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        part.bytes().all(inner)
            && !part.is_empty()
            && !part.starts_with(|c: char| c.is_ascii_digit())
    };
    let names: Vec<_> = parts.collect();
    root && !names.is_empty() && names.into_iter().all(name)
}

/// Reads `windows`.
pub(super) fn read_windows(node: &Node, reader: &Reader<'_>, file: &mut RuleFile) {
    for (name, node) in named(node, "windows", reader, file) {
        file.windows.push(window(name, node, reader));
    }
}

fn window(name: At<Arc<str>>, node: &Node, reader: &Reader<'_>) -> WindowDef {
    let what = format!("the window {:?}", name.value);
    let utc = Text { value: "UTC".into(), at: node.at, layout: TextLayout::Unknown };
    let mut window = WindowDef { name, tz: utc, days: [true; 7], from: 0, to: DAY_MINUTES };
    let keys = ["tz", "days", "from", "to", "note"];
    let Some(fields) = reader.fields(node, What::Words(&what), &keys) else { return window };
    reader.note(&fields);
    if let Some(tz) =
        reader.required(&fields, "tz").and_then(|node| reader.text(node, What::Key("tz")))
    {
        window.tz = tz;
    }
    if let Some(node) = fields.get("days") {
        let form = "days, such as mon-fri or sat,sun";
        let text = reader.text_like(node, What::Key("days"), form, |text| days(text).is_some());
        window.days = text.and_then(|text| days(&text.value)).unwrap_or(window.days);
    }
    let time = |key: &str, form: &str, last: u16| {
        let right = |text: &str| minutes(text).is_some_and(|minutes| minutes <= last);
        let node = reader.required(&fields, key)?;
        let text = reader.text_like(node, What::Key(key), form, right)?;
        Some((minutes(&text.value)?, text.at))
    };
    let from = time("from", "a time from 00:00 to 23:59", DAY_MINUTES - 1);
    let to: Option<(u16, Position)> = time("to", "a time from 00:00 to 24:00", DAY_MINUTES);
    if let (Some((from, _)), Some((to, at))) = (from, to) {
        if from == to {
            reader
                .error(at, "\"to\" is the same time as \"from\"; the whole day is 00:00 to 24:00");
        } else {
            (window.from, window.to) = (from, to);
        }
    }
    window
}

/// `HH:MM` as minutes of the day.
fn minutes(text: &str) -> Option<u16> {
    let [a, b, b':', c, d] = *text.as_bytes() else { return None };
    let two = |tens: u8, ones: u8| {
        let both = tens.is_ascii_digit() && ones.is_ascii_digit();
        both.then(|| u16::from(tens - b'0') * 10 + u16::from(ones - b'0'))
    };
    let (hours, minutes) = (two(a, b)?, two(c, d)?);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= DAY_MINUTES).then_some(all)
}

/// `mon-fri`, `sat,sun`, `fri-mon`, Monday first.
fn days(text: &str) -> Option<[bool; 7]> {
    const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let day = |name: &str| NAMES.iter().position(|known| *known == name);
    let mut days = [false; 7];
    let mut parts = text.split(',').peekable();
    let mut first = true;
    while let Some(part) = parts.next() {
        // Spaces may stand around commas only.
        let part = if first { part } else { part.trim_start_matches(' ') };
        let part = if parts.peek().is_none() { part } else { part.trim_end_matches(' ') };
        first = false;
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (mut at, to) = (day(from)?, day(to)?);
        days[at] = true;
        while at != to {
            at = (at + 1) % NAMES.len();
            days[at] = true;
        }
    }
    Some(days)
}

/// Reads `vars`.
pub(super) fn read_vars(node: &Node, reader: &Reader<'_>, file: &mut RuleFile) {
    for (name, node) in named(node, "vars", reader, file) {
        let what = format!("the variable {:?}", name.value);
        match condition(node, What::Words(&what), reader) {
            Some(value) => file.vars.push(VarDef { name, value }),
            None => left_out(file, "vars", &name.value),
        }
    }
}

/// An expression, or a YAML boolean.
pub(super) fn condition(node: &Node, what: What<'_>, reader: &Reader<'_>) -> Option<Condition> {
    if let Kind::Plain(_, Core::Bool(value)) = node.kind {
        return Some(Condition::Constant(At { value, at: node.at }));
    }
    let text = reader.text(node, what)?;
    if text.value.len() > EXPRESSION_BYTES_MAX {
        let bytes = text.value.len();
        let message = format!("the expression is {bytes} bytes, limit is {EXPRESSION_BYTES_MAX}");
        reader.error(text.at, message);
        return None;
    }
    Some(Condition::Expression(text))
}
