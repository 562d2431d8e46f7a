//! What rules may name: targets and their fields.
//!
//! In: the catalogue with an operator's rows. Out: the targets that an entry of `on` names, and for
//! the fields of a set of targets their types and words. What always holds: a field has one type in
//! all targets of a rule; a target is a before-command of one provider with one of its kinds.

use crate::call::{Provider, RowIndex};
use std::sync::Arc;

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// A single value.
    Scalar(Scalar),
    /// A list of them.
    List(Scalar),
    /// A list of flat objects with these fields.
    Items(Arc<[ItemField]>),
}

/// A field of the objects in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
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
