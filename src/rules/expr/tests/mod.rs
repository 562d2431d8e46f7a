//! What conditions mean, and what is said about those that mean nothing.
//!
//! * `values` – every operation on a request
//! * `messages` – every mistake, its place and its sentence
//! * `conformance` – the language of CEL, expression by expression
//! * `limits` – sizes, and texts that want to hurt
//! * `properties` – what an expression tells about itself; no heap
//! * `differential` – random conditions against the interpreter of the `cel` crate

mod conformance;
mod differential;
mod limits;
mod messages;
mod properties;
mod values;

use super::testing::{Table, World};
use super::{EvalError, Expr, ExprError, compile};
use crate::event::Value;
use crate::rules::schema::Scalar;
use bumpalo::Bump;

/// Compiles a text of any type against the table of all kinds.
fn compiled(text: &str) -> Result<(Expr, Table), ExprError> {
    let mut table = Table::of_all_kinds();
    compile(text, None, &mut table).map(|expr| (expr, table))
}

/// The mistake of a text: what stands at its place, up to a blank, and the message.
fn mistake(text: &str) -> (String, String) {
    let mut table = Table::of_all_kinds();
    match compile(text, Some(Scalar::Bool), &mut table) {
        Ok(expr) => panic!("{text} is accepted: {expr:?}"),
        Err(ExprError { offset, message }) => {
            let there = text[offset..].split_whitespace().next().unwrap_or_default();
            (there.to_owned(), message.unwrap_or_default())
        }
    }
}

/// What a text gives on a request, as an author would read it.
fn eval(text: &str, fill: impl FnOnce(&mut World<'_>)) -> Result<String, EvalError> {
    let (expr, table) = compiled(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    let arena = Bump::new();
    let mut world = World::new(&table, &arena);
    fill(&mut world);
    let frame = world.frame();
    let value = expr.value(&frame);
    if expr.scalar() == Scalar::Bool {
        assert_eq!(expr.bool(&frame).map(Value::Bool), value, "{text}");
    }
    value.map(|value| match value {
        Value::Text(text) => format!("{text:?}"),
        Value::Int(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        other => panic!("{text} gives {other:?}"),
    })
}
