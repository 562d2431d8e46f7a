//! One intent as conditions and actions see it.
//!
//! In: an [`Intent`](super::Intent), the set's fields, lists, windows and variables. Out: values of
//! fields, folded texts, hits of words, each made at most once per intent and only when somebody asks.
//! What always holds: everything that is remembered lives in the request's arena, so that nothing
//! touches the heap; absent is [`Value::Absent`] here, and it is the reader that takes it for empty.

/// Place of a field in the fields of a set, over all roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldId(pub u16);

/// Place of a list in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListId(pub u16);

/// Place of a window in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WindowId(pub u16);

/// Place of a variable, as typed for some rules, in a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VarId(pub u16);

/// Place of a regular expression in a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegexId(pub u16);

use super::expr::EvalError;
use crate::catalogue::plan::SlotIndex;
use crate::event::Value;
use bumpalo::Bump;
use regex::Regex;
use std::ops::Range;

/// Where a target has a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nowhere.
    Absent,
    /// In a slot.
    Slot(SlotIndex),
    /// The [`Host`] knows: fields of `raw` and `ctx`.
    Asked,
}

/// What conditions ask for besides slots. Every answer is remembered for the intent.
pub trait Host<'a> {
    /// A field that is not in a slot.
    fn value(&self, field: FieldId) -> Value<'a>;
    /// The text of a field, or of anything else (`field` is `None`), in the default folding.
    fn fold(&self, field: Option<FieldId>, text: &'a str) -> &'a str;
    /// Whether a word of the list occurs in the text of a field, or in any other text.
    fn hits(&self, field: Option<FieldId>, text: &'a str, list: ListId) -> bool;
    /// Where words of these lists occur in a text, in bytes, in any order, overlapping ones too.
    fn spans(&self, text: &str, lists: &[ListId], spans: &mut Vec<Range<usize>>);
    /// Whether the list of ids has this one.
    fn has_id(&self, list: ListId, id: &str) -> bool;
    /// Whether the receive time is inside the window.
    fn window(&self, window: WindowId) -> bool;
    /// The value of a variable: a text, an integer or a boolean, never absent.
    ///
    /// # Errors
    /// Those of its expression.
    fn var(&self, var: VarId) -> Result<Value<'a>, EvalError>;
    /// A compiled regular expression.
    fn regex(&self, regex: RegexId) -> &Regex;
}

/// One intent.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    /// Scratch of the request.
    pub arena: &'a Bump,
    /// Receive time, Unix milliseconds: `now`.
    pub now: i64,
    /// By [`FieldId`].
    pub places: &'a [Place],
    /// Fields of the event.
    pub slots: &'a [Value<'a>],
    /// Everything else.
    pub host: &'a dyn Host<'a>,
}

impl<'a> Frame<'a> {
    /// The value of a field.
    #[inline]
    #[must_use]
    pub fn value(&self, field: FieldId) -> Value<'a> {
        match self.places[usize::from(field.0)] {
            Place::Slot(slot) => self.slots[usize::from(slot.0)],
            Place::Absent => Value::Absent,
            Place::Asked => self.host.value(field),
        }
    }
}
