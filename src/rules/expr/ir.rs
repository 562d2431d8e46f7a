//! A checked expression: every operation with its types.
//!
//! In: `check` makes it. Out: `compile` turns it into closures, `price` adds up what it costs. What
//! always holds: all names are found, what could be computed is a constant, and only the four errors
//! of a run are left.

use super::EvalError;
use super::ast::{Arithmetic, Comparison};
use crate::rules::frame::{FieldId, ListId, RegexId, VarId, WindowId};
use crate::rules::schema::Scalar;

/// A checked expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ir {
    Bool(Test),
    Int(Number),
    Text(Words),
}

impl Ir {
    /// Its type.
    pub(super) const fn scalar(&self) -> Scalar {
        match self {
            Self::Bool(_) => Scalar::Bool,
            Self::Int(_) => Scalar::Int,
            Self::Text(_) => Scalar::Text,
        }
    }
}

/// Where a single value is read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    /// A field.
    Field(FieldId),
    /// The element that a loop is at.
    Element,
    /// A field of the item that a loop is at.
    Member(Box<str>),
    /// An element of a list.
    Index(FieldId, Box<Number>),
    /// A variable.
    Var(VarId),
}

/// What gives a boolean.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Const(bool),
    Fail(EvalError),
    Read(Source),
    Window(WindowId),
    Not(Box<Test>),
    And(Vec<Test>),
    Or(Vec<Test>),
    Choose(Box<(Test, Test, Test)>),
    Bools(Comparison, Box<(Test, Test)>),
    Ints(Comparison, Box<(Number, Number)>),
    Texts(Comparison, Box<(Words, Words)>),
    BoolAmong(Box<Test>, Vec<bool>),
    IntAmong(Number, Vec<i64>),
    TextAmong(Words, Vec<Box<str>>),
    BoolIn(Box<Test>, FieldId),
    IntIn(Number, FieldId),
    TextIn(Words, FieldId),
    IdIn(Words, ListId),
    Has(FieldId),
    HasMember(Box<str>),
    Search(Search, Box<(Words, Words)>),
    Matches(Words, RegexId),
    Hits(Words, ListId),
    Loop { all: bool, list: FieldId, body: Box<Test> },
}

/// Where one text is looked for in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Search {
    Anywhere,
    Start,
    End,
}

/// What gives an integer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Number {
    Const(i64),
    Fail(EvalError),
    Read(Source),
    Now,
    /// Characters of a text.
    Length(Box<Words>),
    /// Items of a list.
    Count(FieldId),
    Negate(Box<Number>),
    Chain(Box<Number>, Vec<(Arithmetic, Number)>),
    Choose(Box<(Test, Number, Number)>),
}

/// What gives a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Words {
    Const(Box<str>),
    Fail(EvalError),
    Read(Source),
    Lower(Box<Words>),
    Fold(Box<Words>),
    Choose(Box<(Test, Words, Words)>),
}

impl Words {
    /// The field that it is, when it is one.
    pub(super) const fn field(&self) -> Option<FieldId> {
        match self {
            Self::Read(Source::Field(field)) => Some(*field),
            _ => None,
        }
    }
}

/// One step of a sum or product.
///
/// # Errors
/// It leaves 64 bits, or divides by zero.
#[inline]
pub(super) fn step(sign: Arithmetic, left: i64, right: i64) -> Result<i64, EvalError> {
    let result = match sign {
        Arithmetic::Add => left.checked_add(right),
        Arithmetic::Subtract => left.checked_sub(right),
        Arithmetic::Multiply => left.checked_mul(right),
        Arithmetic::Divide | Arithmetic::Remainder if right == 0 => {
            return Err(EvalError::DivisionByZero);
        }
        Arithmetic::Divide => left.checked_div(right),
        Arithmetic::Remainder => left.checked_rem(right),
    };
    result.ok_or(EvalError::Overflow)
}
