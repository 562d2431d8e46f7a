//! Makes the parts of a checked expression, and computes those that do not depend on a request.
//!
//! In: operands of the right types. Out: a constant where CEL gives one for every request, else the
//! operation. What always holds: a fault of constants stays a fault of the run, because `false && 1 /
//! 0 > 0` is false.

use super::EvalError;
use super::ast::{Arithmetic, Comparison};
use super::ir::{Number, Search, Test, Words, step};

/// What an operand is known to be.
enum Known<T> {
    Value(T),
    Fails(EvalError),
    Asked,
}

impl Test {
    fn known(&self) -> Known<bool> {
        match self {
            Self::Const(value) => Known::Value(*value),
            Self::Fail(error) => Known::Fails(*error),
            _ => Known::Asked,
        }
    }
}

impl Number {
    fn known(&self) -> Known<i64> {
        match self {
            Self::Const(value) => Known::Value(*value),
            Self::Fail(error) => Known::Fails(*error),
            _ => Known::Asked,
        }
    }
}

impl Words {
    fn known(&self) -> Known<&str> {
        match self {
            Self::Const(value) => Known::Value(value),
            Self::Fail(error) => Known::Fails(*error),
            _ => Known::Asked,
        }
    }
}

pub(super) fn not(operand: Test) -> Test {
    match operand {
        Test::Const(value) => Test::Const(!value),
        Test::Not(inner) => *inner,
        fail @ Test::Fail(_) => fail,
        other => Test::Not(Box::new(other)),
    }
}

/// `&&` (`and`) or `||` over any number of operands: one that decides makes it a constant, those that
/// decide nothing go.
pub(super) fn logic(and: bool, operands: Vec<Test>) -> Test {
    let mut terms = Vec::with_capacity(operands.len());
    for operand in operands {
        match operand {
            Test::Const(value) if value != and => return Test::Const(value),
            Test::Const(_) => {}
            Test::And(more) if and => terms.extend(more),
            Test::Or(more) if !and => terms.extend(more),
            other => terms.push(other),
        }
    }
    if terms.iter().all(|term| matches!(term, Test::Fail(_))) {
        return terms.pop().unwrap_or(Test::Const(and));
    }
    match terms.len() {
        1 => terms.pop().expect("there is one"),
        _ if and => Test::And(terms),
        _ => Test::Or(terms),
    }
}

/// `?:`: the branch that is taken, where that is known.
pub(super) fn choose<T>(
    condition: Test,
    yes: T,
    no: T,
    fail: fn(EvalError) -> T,
    make: fn(Box<(Test, T, T)>) -> T,
) -> T {
    match condition.known() {
        Known::Value(true) => yes,
        Known::Value(false) => no,
        Known::Fails(error) => fail(error),
        Known::Asked => make(Box::new((condition, yes, no))),
    }
}

pub(super) fn compare_bools(how: Comparison, left: Test, right: Test) -> Test {
    match (left.known(), right.known()) {
        (Known::Value(left), Known::Value(right)) => Test::Const(how.holds(&left, &right)),
        (Known::Fails(error), _) | (_, Known::Fails(error)) => Test::Fail(error),
        _ => Test::Bools(how, Box::new((left, right))),
    }
}

pub(super) fn compare_ints(how: Comparison, left: Number, right: Number) -> Test {
    match (left.known(), right.known()) {
        (Known::Value(left), Known::Value(right)) => Test::Const(how.holds(&left, &right)),
        (Known::Fails(error), _) | (_, Known::Fails(error)) => Test::Fail(error),
        // The constant stands on the right, so that `compile` looks in one place.
        (Known::Value(_), Known::Asked) => Test::Ints(turned(how), Box::new((right, left))),
        _ => Test::Ints(how, Box::new((left, right))),
    }
}

pub(super) fn compare_texts(how: Comparison, left: Words, right: Words) -> Test {
    match (left.known(), right.known()) {
        // UTF-8 sorts by bytes as by code points.
        (Known::Value(left), Known::Value(right)) => Test::Const(how.holds(left, right)),
        (Known::Fails(error), _) | (_, Known::Fails(error)) => Test::Fail(error),
        (Known::Value(_), Known::Asked) => Test::Texts(turned(how), Box::new((right, left))),
        _ => Test::Texts(how, Box::new((left, right))),
    }
}

/// The comparison with its sides changed.
const fn turned(how: Comparison) -> Comparison {
    match how {
        Comparison::Less => Comparison::Greater,
        Comparison::AtMost => Comparison::AtLeast,
        Comparison::Greater => Comparison::Less,
        Comparison::AtLeast => Comparison::AtMost,
        same => same,
    }
}

pub(super) fn bool_among(value: Test, constants: Vec<bool>) -> Test {
    match value.known() {
        Known::Value(value) => Test::Const(constants.contains(&value)),
        Known::Fails(error) => Test::Fail(error),
        Known::Asked => Test::BoolAmong(Box::new(value), constants),
    }
}

pub(super) fn int_among(value: Number, constants: Vec<i64>) -> Test {
    match value.known() {
        Known::Value(value) => Test::Const(constants.contains(&value)),
        Known::Fails(error) => Test::Fail(error),
        Known::Asked => Test::IntAmong(value, constants),
    }
}

pub(super) fn text_among(value: Words, constants: Vec<Box<str>>) -> Test {
    match value.known() {
        Known::Value(value) => Test::Const(constants.iter().any(|constant| **constant == *value)),
        Known::Fails(error) => Test::Fail(error),
        Known::Asked => Test::TextAmong(value, constants),
    }
}

pub(super) fn search(how: Search, text: Words, part: Words) -> Test {
    match (text.known(), part.known()) {
        (Known::Value(text), Known::Value(part)) => Test::Const(match how {
            Search::Anywhere => text.contains(part),
            Search::Start => text.starts_with(part),
            Search::End => text.ends_with(part),
        }),
        (Known::Fails(error), _) | (_, Known::Fails(error)) => Test::Fail(error),
        _ => Test::Search(how, Box::new((text, part))),
    }
}

pub(super) fn length(text: Words) -> Number {
    match text.known() {
        Known::Value(text) => {
            Number::Const(i64::try_from(text.chars().count()).unwrap_or(i64::MAX))
        }
        Known::Fails(error) => Number::Fail(error),
        Known::Asked => Number::Length(Box::new(text)),
    }
}

pub(super) fn lower(text: Words) -> Words {
    match text.known() {
        Known::Value(text) => Words::Const(text.to_ascii_lowercase().into()),
        Known::Fails(error) => Words::Fail(error),
        Known::Asked => Words::Lower(Box::new(text)),
    }
}

pub(super) fn negate(operand: Number) -> Number {
    match operand.known() {
        Known::Value(value) => {
            value.checked_neg().map_or(Number::Fail(EvalError::Overflow), Number::Const)
        }
        Known::Fails(error) => Number::Fail(error),
        Known::Asked => Number::Negate(Box::new(operand)),
    }
}

/// A sum or product: its beginning is computed as far as it is constant.
pub(super) fn chain(first: Number, rest: Vec<(Arithmetic, Number)>) -> Number {
    let fails = |operand: &Number| match operand.known() {
        Known::Fails(error) => Some(error),
        _ => None,
    };
    if let Some(error) = fails(&first).or_else(|| rest.iter().find_map(|(_, next)| fails(next))) {
        return Number::Fail(error);
    }
    let mut first = first;
    let mut left = rest.into_iter().peekable();
    while let Some((sign, next)) = left.peek() {
        let (Known::Value(so_far), Known::Value(value)) = (first.known(), next.known()) else {
            break;
        };
        match step(*sign, so_far, value) {
            Ok(value) => first = Number::Const(value),
            Err(error) => return Number::Fail(error),
        }
        left.next();
    }
    let rest: Vec<_> = left.collect();
    if rest.is_empty() { first } else { Number::Chain(Box::new(first), rest) }
}
