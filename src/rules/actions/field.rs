//! All changes of one field of one request.
//!
//! In: the field's value and the changes of the rules that count, in their order. Out: the new value,
//! and which rules had a part in it. What always holds: the first `set` or `unset` wins, then the
//! ranges of `clamp` meet, then every `remove` takes out, then every `mask` covers what is there by
//! then; a new value differs from the one of the request, and absent differs from everything.

use super::super::frame::Frame;
use super::masks::{RuleMask, masked};
use super::{Action, Bounds, Change, Removal};
use crate::event::Value;
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// Places of rules among those that count.
pub(super) type Rules = BTreeSet<usize>;

/// A change and the place of its rule among those that count.
pub(super) type RuleChange<'c> = (usize, &'c Change);

/// What the changes of a field make together.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// The new value; `None` when it is the old one.
    pub(super) value: Option<Json>,
    /// Rules that had a part in it.
    pub(super) rules: Rules,
    /// Rules that took something out of a list of which nothing is left; empty when something is.
    pub(super) emptied_by: Rules,
}

/// A value on its way.
#[derive(Debug, Clone, PartialEq)]
enum Working {
    Absent,
    Single(Json),
    List(Vec<Json>),
}

impl Working {
    fn of(value: Value<'_>) -> Self {
        match value {
            Value::Text(text) => Self::Single(Json::from(text)),
            Value::Int(number) => Self::Single(Json::from(number)),
            Value::Bool(yes) => Self::Single(Json::from(yes)),
            Value::List(items) => Self::List(
                items
                    .iter()
                    .filter_map(|item| match item {
                        Value::Text(text) => Some(Json::from(*text)),
                        Value::Int(number) => Some(Json::from(*number)),
                        _ => None,
                    })
                    .collect(),
            ),
            // Objects change one by one; fields are never JSON.
            Value::Absent | Value::Json(_) | Value::Items(_) => Self::Absent,
        }
    }

    fn of_json(json: Json) -> Self {
        match json {
            Json::Array(items) => Self::List(items),
            single => Self::Single(single),
        }
    }
}

/// Makes the changes of one field. `nonempty`: an empty value would change nothing.
pub(super) fn make(
    value: Value<'_>,
    changes: &[RuleChange<'_>],
    nonempty: bool,
    frame: &Frame<'_>,
) -> Made {
    let before = Working::of(value);
    let mut working = before.clone();
    let mut made = Made::default();
    first_set(&mut working, value, changes, &mut made.rules);
    if let Working::Single(Json::Number(number)) = &working
        && let Some(number) = number.as_i64()
    {
        let clamped = clamp(number, changes, &mut made.rules);
        working = Working::Single(Json::from(clamped));
    }
    if let Working::List(items) = &mut working {
        let taken = remove(items, changes, frame, &mut made.rules);
        if nonempty && items.is_empty() && !taken.is_empty() {
            made.emptied_by = taken;
            return made;
        }
    }
    if let Working::Single(Json::String(text)) = &working
        && let Some(covered) = masked(text, text, &masks(changes), frame, &mut made.rules)
    {
        working = Working::Single(Json::from(covered));
    }
    if working != before && !(nonempty && is_empty(&working)) {
        made.value = match working {
            Working::Absent => None,
            Working::Single(json) => Some(json),
            Working::List(items) => Some(Json::from(items)),
        };
    }
    made
}

fn is_empty(working: &Working) -> bool {
    match working {
        Working::Absent => true,
        Working::Single(json) => json.as_str().is_some_and(str::is_empty),
        Working::List(items) => items.is_empty(),
    }
}

fn first_set(
    working: &mut Working,
    value: Value<'_>,
    changes: &[RuleChange<'_>],
    rules: &mut Rules,
) {
    let set = changes.iter().find_map(|(rule, change)| match &change.action {
        Action::Set(constant) => Some((*rule, Some(constant))),
        Action::Unset => Some((*rule, None)),
        _ => None,
    });
    match set {
        Some((rule, Some(constant))) if !constant.is(value) => {
            *working = Working::of_json(constant.json());
            rules.insert(rule);
        }
        // What is absent or empty already is left alone.
        Some((rule, None)) if value.text().is_some_and(|text| !text.is_empty()) => {
            *working = Working::Single(Json::from(""));
            rules.insert(rule);
        }
        _ => {}
    }
}

fn clamp(number: i64, changes: &[RuleChange<'_>], rules: &mut Rules) -> i64 {
    let mut common = Bounds::ALL;
    for (rule, change) in changes {
        if let Action::Clamp(bounds) = change.action {
            common = common.and(bounds);
            if !bounds.holds(number) {
                rules.insert(*rule);
            }
        }
    }
    common.nearest(number)
}

/// Takes out of the items what any rule wants out; the rules that did.
fn remove(
    items: &mut Vec<Json>,
    changes: &[RuleChange<'_>],
    frame: &Frame<'_>,
    rules: &mut Rules,
) -> Rules {
    let mut taken = Rules::new();
    for (rule, removal) in removals(changes) {
        let goes = |item: &Json| item.as_str().is_some_and(|id| removal.has(id, frame));
        if items.iter().any(goes) {
            taken.insert(rule);
        }
    }
    let goes = |id: &str| removals(changes).any(|(_, removal)| removal.has(id, frame));
    items.retain(|item| !item.as_str().is_some_and(goes));
    rules.extend(&taken);
    taken
}

/// Every `remove` with its rule.
pub(super) fn removals<'c>(
    changes: &[RuleChange<'c>],
) -> impl Iterator<Item = (usize, &'c Removal)> {
    changes.iter().filter_map(|(rule, change)| match &change.action {
        Action::Remove(removal) => Some((*rule, removal)),
        _ => None,
    })
}

/// Every `mask` with its rule.
pub(super) fn masks<'c>(changes: &[RuleChange<'c>]) -> Vec<RuleMask<'c>> {
    let masks = changes.iter().filter_map(|(rule, change)| match &change.action {
        Action::Mask(mask) => Some((*rule, mask)),
        _ => None,
    });
    masks.collect()
}

impl Removal {
    /// Whether the id is taken out.
    pub(super) fn has(&self, id: &str, frame: &Frame<'_>) -> bool {
        self.items.contains(id) || self.lists.iter().any(|list| frame.host.has_id(*list, id))
    }
}
