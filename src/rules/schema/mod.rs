//! What rules may name: targets and their fields.
//!
//! In: the catalogue with an operator's rows. Out: the targets that an entry of `on` names, and for
//! the fields of a set of targets their types and words. What always holds: a field has one type in
//! all targets of a rule; a target is a before-command of one provider with one of its kinds.
//!
//! * `targets` – entries of `on`
//! * `fields` – types, words and places of fields
//! * `hints` – what an author may have meant by a field that is not there

mod fields;
mod hints;
mod targets;

pub use targets::{REWRITE, SEND};

use crate::call::{Provider, RowIndex};
use crate::catalogue::Catalogue;
use crate::catalogue::plan::{KindPlan, Plan};
use crate::normalise::Known;
use std::sync::Arc;

/// Kinds of `message.send`.
pub(super) const SEND_KINDS: [&str; 3] =
    ["message.direct.send", "message.group.send", "message.official.send"];

/// Answers what rules ask about names.
#[derive(Debug, Clone)]
pub struct Schema {
    catalogue: Arc<Catalogue>,
}

impl Schema {
    /// One over a catalogue; costs nothing.
    #[must_use]
    pub fn new(catalogue: &Arc<Catalogue>) -> Self {
        Self { catalogue: Arc::clone(catalogue) }
    }

    /// The catalogue it answers from.
    #[must_use]
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// The row of a target.
    #[must_use]
    pub fn plan(&self, target: Target) -> &Plan {
        self.catalogue.plan(target.row)
    }

    /// The kind of a target, with what it takes of the row.
    #[must_use]
    pub fn kind(&self, target: Target) -> &KindPlan {
        &self.plan(target).kinds[usize::from(target.kind)]
    }
}

/// One command with one of its kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// Who sends it.
    pub provider: Provider,
    /// Its row.
    pub row: RowIndex,
    /// Place of the kind in the plan's kinds.
    pub kind: u8,
}

impl Target {
    /// The target of an intent.
    #[must_use]
    pub fn of(known: &Known<'_>) -> Self {
        let place = known.plan.kinds.iter().position(|kind| std::ptr::eq(kind, known.kind));
        let kind = place.and_then(|place| u8::try_from(place).ok());
        Self {
            provider: known.plan.provider,
            row: known.row,
            kind: kind.expect("the kind of an event is one of its row's few"),
        }
    }
}

/// Type of a single value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// A text.
    Text,
    /// An integer of 64 bits.
    Int,
    /// A boolean.
    Bool,
}

impl Scalar {
    /// As it stands in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Int => "int",
            Self::Bool => "bool",
        }
    }
}

/// Type of a field.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Type {
    /// A single value.
    Scalar(Scalar),
    /// A list of them.
    List(Scalar),
    /// A list of flat objects with these fields.
    Items(Arc<[ItemField]>),
}

/// A field of the objects in a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ItemField {
    /// Its name.
    pub name: Box<str>,
    /// Its type.
    pub scalar: Scalar,
    /// The words it is compared with; `None`: any.
    pub words: Option<Words>,
}

/// The words that a field may be, when there are no others.
pub type Words = Arc<[Box<str>]>;

/// Where a field is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Root {
    /// `msg`: the fields of the event.
    Msg,
    /// `raw`: the body's own members.
    Raw,
    /// `ctx`: what the bridge knows besides.
    Ctx,
}

impl Root {
    /// The word in conditions.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Msg => "msg",
            Self::Raw => "raw",
            Self::Ctx => "ctx",
        }
    }
}

/// What is known about a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldInfo {
    /// Its type.
    pub kind: Type,
    /// The words it is compared with; `None`: any.
    pub words: Option<Words>,
}

#[cfg(test)]
mod tests;
