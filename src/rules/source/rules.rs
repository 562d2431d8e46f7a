//! `rules`.
//!
//! In: nodes, and the defaults that rules without their own take. Out: definitions in file order.
//! What always holds: every rule of the file is there, whatever is wrong with it, so that its other
//! parts can be checked, too.

use super::super::problem::Position;
use super::defaults::{MODES, ON_ERROR};
use super::file::{At, RuleDef, RuleFile, Text, ThenDef};
use super::limits::condition;
use super::reader::{Fields, NAME_FORM, Reader, What, is_name, is_slug};
use super::scalar::Core;
use super::then;
use super::tree::{Kind, Node};
use crate::call::Provider;
use std::collections::HashMap;
use std::sync::Arc;

/// Most rules of a file.
const RULES_MAX: usize = 2000;
/// Most entries of `on`.
const ON_MAX: usize = 64;
/// Highest priority.
const PRIORITY_MAX: u32 = 1_000_000;
/// Priority of a rule that does not say.
const PRIORITY_DEFAULT: u32 = 1000;

/// Reads `rules`.
pub(super) fn read(node: &Node, reader: &Reader<'_>, file: &mut RuleFile) {
    let nodes = reader.list(node, What::Key("rules"), 0..=RULES_MAX).unwrap_or_default();
    let mut lines = HashMap::new();
    for node in nodes {
        let keys = [
            "id", "on", "then", "provider", "priority", "mode", "on_error", "when", "limit", "note",
        ];
        // The id goes first: it stands in all messages about the rule.
        let id = written_id(node);
        let inside = reader.inside(&id);
        let Some(fields) = inside.fields(node, What::Words("a rule"), &keys) else { continue };
        let id = At { value: id, at: check_id(&fields, &inside) };
        if !id.value.is_empty()
            && let Some(first) = lines.insert(Arc::clone(&id.value), id.at.line)
        {
            let message = format!("the id {:?} stands twice, first in line {first}", id.value);
            inside.error(id.at, message);
        }
        file.rules.push(rule(id, &fields, &inside, file));
    }
}

/// The id as written, empty where it is none; an overlong one would be in every message.
fn written_id(node: &Node) -> Arc<str> {
    let Kind::Map(pairs) = &node.kind else { return "".into() };
    let id = pairs.iter().find(|(key, _)| &*key.value == "id").map(|(_, node)| &node.kind);
    match id {
        Some(Kind::Plain(text, Core::Text) | Kind::Quoted(text)) if text.value.len() <= 64 => {
            Arc::from(&*text.value)
        }
        _ => "".into(),
    }
}

/// Where the id is.
fn check_id(fields: &Fields<'_, '_>, reader: &Reader<'_>) -> Position {
    let Some(node) = reader.required(fields, "id") else { return fields.at };
    let form = "at most 64 of a-z, 0-9 and -, beginning with no -";
    reader.text_like(node, What::Key("id"), form, |id| is_slug(id, b""));
    node.at
}

fn rule(
    id: At<Arc<str>>,
    fields: &Fields<'_, '_>,
    reader: &Reader<'_>,
    file: &RuleFile,
) -> RuleDef {
    reader.note(fields);
    let on = reader.required(fields, "on").map(|node| on(node, reader)).unwrap_or_default();
    let then = match reader.required(fields, "then") {
        Some(node) => then::read(node, reader),
        None => ThenDef { at: fields.at, ending: None, changes: Vec::new(), tags: Vec::new() },
    };
    let priority = fields.get("priority");
    let mode = fields.get("mode");
    let on_error = fields.get("on_error");
    RuleDef {
        id,
        on,
        provider: fields.get("provider").and_then(|node| provider(node, reader)),
        priority: priority
            .and_then(|node| reader.count(node, "priority", 0..=PRIORITY_MAX))
            .unwrap_or(PRIORITY_DEFAULT),
        mode: mode
            .and_then(|node| reader.word(node, What::Key("mode"), MODES))
            .unwrap_or(file.defaults.mode),
        on_error: on_error
            .and_then(|node| reader.word(node, What::Key("on_error"), ON_ERROR))
            .unwrap_or(file.defaults.on_error),
        when: fields.get("when").and_then(|node| condition(node, What::Key("when"), reader)),
        limit: fields
            .get("limit")
            .and_then(|node| reader.text_like(node, What::Key("limit"), NAME_FORM, is_name)),
        then,
    }
}

fn on(node: &Node, reader: &Reader<'_>) -> Vec<Text> {
    let entries = reader.list(node, What::Key("on"), 1..=ON_MAX).unwrap_or_default();
    entries.iter().filter_map(|node| target(node, What::Entry("on"), reader)).collect()
}

/// A kind or command; whether there is one of that name is for `schema` to say.
pub(super) fn target(node: &Node, what: What<'_>, reader: &Reader<'_>) -> Option<Text> {
    reader.text_like(node, what, "a kind or command", |text| !text.is_empty())
}

/// `provider`
pub(super) fn provider(node: &Node, reader: &Reader<'_>) -> Option<At<Provider>> {
    let words = Provider::ALL.map(|provider| (provider.name(), provider));
    let value = reader.word(node, What::Key("provider"), &words)?;
    Some(At { value, at: node.at })
}

/// One name of a list, or a list of them.
pub(super) fn names(node: &Node, key: &str, reader: &Reader<'_>) -> Vec<Text> {
    const NAMES_MAX: usize = 16;
    let name = |node: &Node, what| reader.text_like(node, what, NAME_FORM, is_name);
    if matches!(node.kind, Kind::List(_)) {
        let entries = reader.list(node, What::Key(key), 1..=NAMES_MAX).unwrap_or_default();
        return entries.iter().filter_map(|node| name(node, What::Entry(key))).collect();
    }
    name(node, What::Key(key)).into_iter().collect()
}
