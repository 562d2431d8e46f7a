//! `then`: what a rule does.
//!
//! In: the node. Out: ending, changes and tags. What always holds: at most one ending, no change
//! beside `deny` or `drop`, a change has what its action needs; a change with a mistake is left out.

use super::super::words::is_invisible;
use super::defaults::deny;
use super::file::ListKind;
use super::file::{
    At, ChangeAction, ChangeDef, DenyDef, EndingDef, MaskDef, RemoveDef, SetItem, SetValue, Text,
    TextLayout, ThenDef,
};
use super::lists::items;
use super::reader::{Fields, Reader, What, is_slug, shown};
use super::rules::names;
use super::scalar::Core;
use super::tree::{Kind, Node};
use std::sync::Arc;

const KEYS: [&str; 9] = ["allow", "drop", "deny", "set", "unset", "clamp", "remove", "mask", "tag"];
/// Most tags of a rule.
const TAGS_MAX: usize = 8;
/// Most bytes of a text that `set` writes.
const SET_BYTES_MAX: usize = 4096;
/// Most bytes of a regular expression.
const PATTERN_BYTES_MAX: usize = 512;

/// Reads a `then`.
pub(super) fn read(node: &Node, reader: &Reader<'_>) -> ThenDef {
    let mut then = ThenDef { at: node.at, ending: None, changes: Vec::new(), tags: Vec::new() };
    let Some(fields) = reader.fields(node, What::Key("then"), &KEYS) else { return then };
    if fields.pairs.is_empty() {
        reader.error(node.at, "\"then\" is empty: it holds an ending, changes or tags");
    }
    for (key, node) in fields.pairs {
        match &*key.value {
            "allow" | "drop" | "deny" => ending(key, node, reader, &mut then),
            "tag" => then.tags = tags(node, reader),
            "unset" => unset(node, reader, &mut then.changes),
            "set" => changes(key, node, reader, &mut then.changes, set),
            "clamp" => changes(key, node, reader, &mut then.changes, clamp),
            "remove" => changes(key, node, reader, &mut then.changes, remove),
            "mask" => changes(key, node, reader, &mut then.changes, mask),
            // Reported as unknown.
            _ => {}
        }
    }
    let discards = fields.pairs.iter().find(|(key, _)| matches!(&*key.value, "deny" | "drop"));
    if let Some((ending, _)) = discards {
        let is_change = |key: &str| matches!(key, "set" | "unset" | "clamp" | "remove" | "mask");
        for (key, _) in fields.pairs.iter().filter(|(key, _)| is_change(&key.value)) {
            let message =
                format!("{:?} beside {:?}, which discards changes", key.value, ending.value);
            reader.error(key.at, message);
        }
        then.changes.clear();
    }
    then
}

fn ending(key: &Text, node: &Node, reader: &Reader<'_>, then: &mut ThenDef) {
    let is_true = matches!(node.kind, Kind::Plain(_, Core::Bool(true)));
    let value = match (&*key.value, is_true) {
        ("allow", true) => EndingDef::Allow,
        ("drop", true) => EndingDef::Drop,
        ("deny", true) => EndingDef::Deny(DenyDef::default()),
        ("deny", false) if matches!(node.kind, Kind::Map(_)) => EndingDef::Deny(deny(node, reader)),
        ("deny", _) => {
            reader.expected(node, What::Key("deny"), "true or a mapping");
            EndingDef::Deny(DenyDef::default())
        }
        (word, _) => {
            reader.expected(node, What::Key(word), "true");
            if word == "drop" { EndingDef::Drop } else { EndingDef::Allow }
        }
    };
    if then.ending.is_some() {
        let message = format!("{:?} is a second ending; \"then\" has at most one", key.value);
        reader.error(key.at, message);
    } else {
        then.ending = Some(At { value, at: key.at });
    }
}

fn tags(node: &Node, reader: &Reader<'_>) -> Vec<Arc<str>> {
    let form = "at most 64 of a-z, 0-9, _, . and -, beginning with a letter or digit";
    let entries = reader.list(node, What::Key("tag"), 1..=TAGS_MAX).unwrap_or_default();
    let tag = |node| reader.text_like(node, What::Entry("tag"), form, |tag| is_slug(tag, b"_."));
    entries.iter().filter_map(tag).map(|tag| Arc::from(tag.value)).collect()
}

/// A field behind `msg.`, at the place of the whole.
fn field(text: &Text, reader: &Reader<'_>) -> Option<Text> {
    let name = |part: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        part.starts_with(|first: char| first.is_ascii_lowercase()) && part.bytes().all(inner)
    };
    let is_field = |path: &str| path.split('.').count() <= 2 && path.split('.').all(name);
    let path = text.value.strip_prefix("msg.").filter(|path| is_field(path));
    if let Some(path) = path {
        return Some(Text { value: path.into(), at: text.at, layout: TextLayout::Unknown });
    }
    let other_root = matches!(text.value.split('.').next(), Some("msg" | "raw" | "ctx"));
    let near = if is_field(&text.value) && !other_root {
        format!(", did you mean \"msg.{}\"?", text.value)
    } else {
        ", such as msg.extra".to_owned()
    };
    reader.error(text.at, format!("{} is no field of the answer{near}", shown(&text.value)));
    None
}

fn unset(node: &Node, reader: &Reader<'_>, changes: &mut Vec<ChangeDef>) {
    let entries = reader.list(node, What::Key("unset"), 1..=usize::MAX).unwrap_or_default();
    let fields = entries
        .iter()
        .filter_map(|node| reader.text(node, What::Entry("unset")))
        .filter_map(|text| field(&text, reader));
    changes.extend(fields.map(|field| ChangeDef { field, action: ChangeAction::Unset }));
}

/// A mapping from fields to what `read` makes of their values.
fn changes(
    key: &Text,
    node: &Node,
    reader: &Reader<'_>,
    changes: &mut Vec<ChangeDef>,
    read: fn(&Node, What<'_>, &Reader<'_>) -> Option<ChangeAction>,
) {
    for (name, node) in reader.map(node, What::Key(&key.value)).unwrap_or_default() {
        let field = field(name, reader);
        let what = format!("{:?} of {}", key.value, shown(&name.value));
        let action = read(node, What::Words(&what), reader);
        changes.extend(field.zip(action).map(|(field, action)| ChangeDef { field, action }));
    }
}

fn set(node: &Node, what: What<'_>, reader: &Reader<'_>) -> Option<ChangeAction> {
    let value = match &node.kind {
        Kind::Plain(_, Core::Bool(value)) => SetValue::Bool(*value),
        Kind::Plain(_, Core::Int(Some(value))) => SetValue::Int(*value),
        Kind::Plain(text, Core::Text) | Kind::Quoted(text) => {
            SetValue::Text(short(text, SET_BYTES_MAX, what, reader)?)
        }
        Kind::List(_) => {
            let entries = reader.list(node, what, 1..=usize::MAX)?;
            SetValue::List(entries.iter().filter_map(|node| set_item(node, reader)).collect())
        }
        _ => {
            let wanted =
                "a text, an integer of 64 bits, true, false or a list of texts or integers";
            reader.expected(node, what, wanted);
            return None;
        }
    };
    Some(ChangeAction::Set(At { value, at: node.at }))
}

fn set_item(node: &Node, reader: &Reader<'_>) -> Option<At<SetItem>> {
    let what = What::Words("an entry of the list");
    let value = match &node.kind {
        Kind::Plain(_, Core::Int(Some(value))) => SetItem::Int(*value),
        Kind::Plain(text, Core::Text) | Kind::Quoted(text) => {
            SetItem::Text(short(text, SET_BYTES_MAX, what, reader)?)
        }
        _ => {
            reader.expected(node, what, "a text or an integer of 64 bits");
            return None;
        }
    };
    Some(At { value, at: node.at })
}

/// A text of at most so many bytes.
fn short(text: &Text, most: usize, what: What<'_>, reader: &Reader<'_>) -> Option<Box<str>> {
    if text.value.len() <= most {
        return Some(text.value.clone());
    }
    reader.error(text.at, format!("{what} has {} bytes, limit is {most}", text.value.len()));
    None
}

fn clamp(node: &Node, what: What<'_>, reader: &Reader<'_>) -> Option<ChangeAction> {
    let fields = reader.fields(node, what, &["min", "max"])?;
    let bound = |key| {
        let node = fields.get(key)?;
        Some(reader.integer(node, What::Key(key), i64::MIN..=i64::MAX))
    };
    let (min, max) = match (bound("min"), bound("max")) {
        (None, None) => {
            reader.error(node.at, format!("{what} has neither \"min\" nor \"max\""));
            return None;
        }
        // A bound that was reported takes the change with it.
        (Some(None), _) | (_, Some(None)) => return None,
        (min, max) => (min.flatten(), max.flatten()),
    };
    if let (Some(min), Some(max)) = (&min, &max)
        && min.value > max.value
    {
        let message = format!("\"min\" is {}, above \"max\", which is {}", min.value, max.value);
        reader.error(min.at, message);
        return None;
    }
    Some(ChangeAction::Clamp { min, max })
}

/// The one key of two that is there, with its value.
fn one_of<'n>(
    fields: &Fields<'n, '_>,
    keys: [&str; 2],
    what: What<'_>,
    reader: &Reader<'_>,
) -> Option<(&'n Text, &'n Node)> {
    let mut there = fields.pairs.iter().filter(|(key, _)| keys.contains(&&*key.value));
    let Some((key, node)) = there.next() else {
        let [one, other] = keys;
        reader.error(fields.at, format!("{what} has neither {one:?} nor {other:?}"));
        return None;
    };
    if let Some((second, _)) = there.next() {
        let message = format!("{:?} beside {:?}: one of them is enough", second.value, key.value);
        reader.error(second.at, message);
    }
    Some((key, node))
}

fn remove(node: &Node, what: What<'_>, reader: &Reader<'_>) -> Option<ChangeAction> {
    let keys = ["list", "items"];
    let fields = reader.fields(node, what, &keys)?;
    let (key, node) = one_of(&fields, keys, what, reader)?;
    let removed = if &*key.value == "list" {
        RemoveDef::Lists(names(node, "list", reader))
    } else {
        RemoveDef::Items(items(node, "items", 1, Some(&ListKind::Ids), reader))
    };
    Some(ChangeAction::Remove(removed))
}

fn mask(node: &Node, what: What<'_>, reader: &Reader<'_>) -> Option<ChangeAction> {
    let fields = reader.fields(node, what, &["list", "pattern", "with"])?;
    let with = match fields.get("with") {
        Some(node) => cover(node, reader),
        None => Some('*'),
    };
    let (key, node) = one_of(&fields, ["list", "pattern"], what, reader)?;
    let covered = if &*key.value == "list" {
        MaskDef::Lists(names(node, "list", reader))
    } else {
        let pattern = reader.text(node, What::Key("pattern"))?;
        short(&pattern, PATTERN_BYTES_MAX, What::Key("pattern"), reader)?;
        MaskDef::Pattern(pattern)
    };
    Some(ChangeAction::Mask { what: covered, with: with.unwrap_or('*') })
}

/// What stands in place of covered characters.
fn cover(node: &Node, reader: &Reader<'_>) -> Option<char> {
    let what = What::Key("with");
    let text = reader.text(node, what)?;
    let mut chars = text.value.chars();
    match (chars.next(), chars.next()) {
        (Some(char), None) if !char.is_whitespace() && !is_invisible(char) => Some(char),
        (Some(char), None) => {
            let code = u32::from(char);
            reader.error(text.at, format!("{what} takes a visible character, not U+{code:04X}"));
            None
        }
        _ => {
            let written = shown(&text.value);
            reader.error(text.at, format!("{what} takes one character, not {written}"));
            None
        }
    }
}
