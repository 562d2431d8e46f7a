//! `defaults`, and what it shares with rules: modes, errors, texts and codes of a deny.
//!
//! In: nodes. Out: definitions. What always holds: what is wrong counts as not said.

use super::file::{Defaults, DenyDef, Mode, OnError};
use super::reader::{Reader, What};
use super::tree::{Kind, Node};
use crate::verdict::OnFault;
use std::time::Duration;

/// Words of `mode`.
pub(super) const MODES: &[(&str, Mode)] =
    &[("enforce", Mode::Enforce), ("shadow", Mode::Shadow), ("off", Mode::Off)];
/// Words of `on_error`.
pub(super) const ON_ERROR: &[(&str, OnError)] =
    &[("skip", OnError::Skip), ("match", OnError::Match)];
const ON_FAULT: &[(&str, OnFault)] = &[("allow", OnFault::Allow), ("deny", OnFault::Deny)];

/// Most codes of a deny.
const CODES_MAX: usize = 16;

/// Reads `defaults`.
pub(super) fn read(node: &Node, reader: &Reader<'_>) -> Defaults {
    let mut defaults = Defaults::default();
    let keys = ["mode", "on_error", "on_fault", "deadline", "deny"];
    let Some(fields) = reader.fields(node, What::Key("defaults"), &keys) else { return defaults };
    if let Some(node) = fields.get("mode") {
        defaults.mode = reader.word(node, What::Key("mode"), MODES).unwrap_or_default();
    }
    if let Some(node) = fields.get("on_error") {
        defaults.on_error = reader.word(node, What::Key("on_error"), ON_ERROR).unwrap_or_default();
    }
    if let Some(node) = fields.get("on_fault") {
        on_fault(node, reader, &mut defaults);
    }
    if let Some(node) = fields.get("deadline") {
        let range = Duration::from_millis(1)..=Duration::from_millis(100);
        let form = "a duration from 1ms to 100ms";
        defaults.deadline = reader.duration(node, "deadline", range, form);
    }
    if let Some(node) = fields.get("deny") {
        defaults.deny = deny(node, reader);
    }
    defaults
}

/// A word, or a map from kinds and commands with a `default`.
fn on_fault(node: &Node, reader: &Reader<'_>, defaults: &mut Defaults) {
    let Kind::Map(pairs) = &node.kind else {
        defaults.on_fault_default = match node.kind {
            Kind::List(_) => {
                reader.expected(node, What::Key("on_fault"), "allow, deny or a mapping");
                None
            }
            _ => reader.word(node, What::Key("on_fault"), ON_FAULT),
        };
        return;
    };
    if pairs.is_empty() {
        reader.error(node.at, "\"on_fault\" is an empty mapping");
    }
    for (key, node) in pairs {
        let Some(word) = reader.word(node, What::Key(&key.value), ON_FAULT) else { continue };
        if &*key.value == "default" {
            defaults.on_fault_default = Some(word);
        } else {
            defaults.on_fault.push((key.clone(), word));
        }
    }
}

/// Reads the mapping of a `deny`.
pub(super) fn deny(node: &Node, reader: &Reader<'_>) -> DenyDef {
    let mut deny = DenyDef::default();
    let keys = ["code", "message", "detail"];
    let Some(fields) = reader.fields(node, What::Key("deny"), &keys) else { return deny };
    if let Some(node) = fields.get("code") {
        let any = i64::MIN..=i64::MAX;
        let what = What::Key("code");
        if matches!(node.kind, Kind::List(_)) {
            let codes = reader.list(node, what, 1..=CODES_MAX).unwrap_or_default();
            let entry = What::Entry("code");
            deny.code =
                codes.iter().filter_map(|code| reader.integer(code, entry, any.clone())).collect();
        } else {
            deny.code = reader.integer(node, what, any).into_iter().collect();
        }
    }
    deny.message = fields.get("message").and_then(|node| reader.text(node, What::Key("message")));
    deny.detail = fields.get("detail").and_then(|node| reader.text(node, What::Key("detail")));
    deny
}
