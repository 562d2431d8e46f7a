//! Values of normalised fields.
//!
//! In: what locators find in a body. Out: what rules look at and what the event says. A value borrows
//! from the body or from the request's arena; copying one copies a pointer.

use crate::json::Node;

/// Value of a field, or a step on the way to one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Value<'a> {
    /// Unknown; the field is left out.
    #[default]
    Absent,
    /// Found and not yet coerced; never the value of a field.
    Json(Node<'a>),
    /// A text.
    Text(&'a str),
    /// An integer.
    Int(i64),
    /// A boolean.
    Bool(bool),
    /// A list, of texts or of integers once it is the value of a field.
    List(&'a [Value<'a>]),
    /// A list of flat objects.
    Items(&'a [Item<'a>]),
}

/// A flat object: names and values in the row's order, none absent.
pub type Item<'a> = &'a [(&'a str, Value<'a>)];

impl<'a> Value<'a> {
    /// Whether there is no value.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The text, when it is one.
    #[must_use]
    pub const fn text(&self) -> Option<&'a str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The integer, when it is one.
    #[must_use]
    pub const fn int(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }
}

/// What a topic stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TopicBy {
    /// One per normalised command, the same for both providers.
    #[default]
    Kind,
    /// One per command of a provider.
    Command,
    /// A single one for everything.
    One,
}

/// How a CloudEvent becomes a Kafka record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventFormat {
    /// The value is the whole event.
    #[default]
    Structured,
    /// The value is `data`, attributes are headers.
    Binary,
}
