//! What a rule does.
//!
//! In: `then` of a rule ([`compile()`]), and later the rules that matched an intent ([`outcome`]). Out:
//! mistakes and warnings about what the answers of the rule's commands cannot do; then the verdict
//! that those rules make together, its texts filled, its changes made. What always holds: a change
//! is in the outcome only if the answer will have it and it differs from what the request says; the
//! outcome depends on the rules in their order and on the request alone.
//!
//! Read next: `able` (what an answer can change), `compile` and `possible` (checking `then`),
//! `constant` (values of `set`), `deny` and `template` (codes and texts), `combine` (several rules at one request), `field`,
//! `users`, `message` (one field of it), `masks`, `together` (rules that cannot go together).

mod able;
mod combine;
mod compile;
mod constant;
mod deny;
mod field;
mod masks;
mod message;
mod possible;
mod template;
mod together;
mod users;

pub use combine::{Counted, Outcome, outcome};
pub use compile::compile;
pub use deny::{DefaultDeny, allowed, compile_default_deny, default_deny};
pub use possible::Site;
pub use together::{Placed, check_together};

use super::frame::{FieldId, ListId, RegexId};
use super::problem::Position;
use std::collections::HashSet;
use std::sync::Arc;

use constant::Constant;
use deny::Deny;

/// What a rule does, checked. Changes are in the order of the file.
#[derive(Debug, Default)]
pub struct Actions {
    ending: Option<Ending>,
    changes: Box<[Change]>,
    tags: Box<[Arc<str>]>,
}

impl Actions {
    /// Whether a rule that does this decides.
    #[must_use]
    pub const fn decides(&self) -> bool {
        self.ending.is_some()
    }

    /// The word in `matches`: the ending, else `change`, else `tag`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self.ending {
            Some(Ending::Allow) => "allow",
            Some(Ending::Drop) => "drop",
            Some(Ending::Deny(_)) => "deny",
            None if self.changes.is_empty() => "tag",
            None => "change",
        }
    }

    /// Its tags.
    #[must_use]
    pub const fn tags(&self) -> &[Arc<str>] {
        &self.tags
    }

    /// Whether it only puts tags on records.
    #[must_use]
    pub const fn only_tags(&self) -> bool {
        self.ending.is_none() && self.changes.is_empty()
    }

    /// Fields that its texts read.
    pub fn reads(&self) -> impl Iterator<Item = FieldId> + '_ {
        let deny = match &self.ending {
            Some(Ending::Deny(deny)) => Some(deny),
            _ => None,
        };
        deny.into_iter().flat_map(Deny::reads)
    }
}

/// What ends the decision.
#[derive(Debug)]
enum Ending {
    Allow,
    Drop,
    Deny(Deny),
}

/// One change of one field of an answer.
#[derive(Debug)]
struct Change {
    field: Box<str>,
    /// Field of the objects in it: `nickname` of `users.nickname`.
    item: Option<Box<str>>,
    /// Places of both in the vocabulary, which records keep to.
    order: (usize, usize),
    /// Where the rule file names it.
    at: Position,
    action: Action,
}

impl Change {
    /// As rule files write it.
    fn name(&self) -> String {
        full_name(&self.field, self.item.as_deref())
    }
}

/// `msg.extra`, `msg.users.nickname`.
fn full_name(field: &str, item: Option<&str>) -> String {
    item.map_or_else(|| format!("msg.{field}"), |item| format!("msg.{field}.{item}"))
}

#[derive(Debug)]
enum Action {
    Set(Constant),
    Unset,
    Clamp(Bounds),
    Remove(Removal),
    Mask(Mask),
}

/// A range of integers, without bound where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    min: Option<i64>,
    max: Option<i64>,
}

impl Bounds {
    const ALL: Self = Self { min: None, max: None };

    fn holds(self, number: i64) -> bool {
        self.min.is_none_or(|min| min <= number) && self.max.is_none_or(|max| number <= max)
    }

    /// What both hold.
    fn and(self, other: Self) -> Self {
        Self { min: self.min.max(other.min), max: least(self.max, other.max) }
    }

    fn is_empty(self) -> bool {
        matches!((self.min, self.max), (Some(min), Some(max)) if min > max)
    }

    /// The nearest number that is in it.
    fn nearest(self, number: i64) -> i64 {
        let number = self.max.map_or(number, |max| number.min(max));
        self.min.map_or(number, |min| number.max(min))
    }
}

/// The smaller of two bounds; none is above all.
fn least(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

/// What `remove` takes out.
#[derive(Debug)]
struct Removal {
    lists: Box<[ListId]>,
    items: HashSet<Box<str>>,
}

/// What `mask` covers, and with what.
#[derive(Debug)]
struct Mask {
    what: Masked,
    with: char,
}

#[derive(Debug)]
enum Masked {
    Words(Box<[ListId]>),
    Pattern(RegexId),
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
