//! What an operation sees while it runs.
//!
//! In: a frame, and the element that a loop is at. Out: typed values of fields; absent ones, and those
//! of another type, read as empty. What always holds: reading touches no heap.

use super::EvalError;
use crate::event::Value;
use crate::rules::frame::{FieldId, Frame};

/// A frame, and what a loop is at.
#[derive(Clone, Copy)]
pub(super) struct Scope<'f, 'a> {
    pub(super) frame: &'f Frame<'a>,
    /// A single value, or a list of items that holds only the one.
    pub(super) element: Value<'a>,
}

impl<'a> Scope<'_, 'a> {
    #[inline]
    pub(super) fn text(&self, field: FieldId) -> &'a str {
        as_text(self.frame.value(field))
    }

    /// A field of the item that the loop is at.
    pub(super) fn member(&self, name: &str) -> Value<'a> {
        let Value::Items([item]) = self.element else { return Value::Absent };
        item.iter().find(|(known, _)| *known == name).map_or(Value::Absent, |(_, value)| *value)
    }

    /// The element of a list at a place.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn at(&self, field: FieldId, index: i64) -> Result<Value<'a>, EvalError> {
        let list = as_list(self.frame.value(field));
        let place = usize::try_from(index).map_err(|_| EvalError::OutOfRange)?;
        list.get(place).copied().ok_or(EvalError::OutOfRange)
    }
}

#[inline]
pub(super) fn as_text(value: Value<'_>) -> &str {
    if let Value::Text(text) = value { text } else { "" }
}

#[inline]
pub(super) fn as_int(value: Value<'_>) -> i64 {
    if let Value::Int(number) = value { number } else { 0 }
}

#[inline]
pub(super) fn as_bool(value: Value<'_>) -> bool {
    matches!(value, Value::Bool(true))
}

#[inline]
pub(super) fn as_list(value: Value<'_>) -> &[Value<'_>] {
    if let Value::List(list) = value { list } else { &[] }
}
