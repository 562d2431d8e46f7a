//! Integers and texts.

use super::super::EvalError;
use super::super::ast::Arithmetic;
use super::super::ir::{Number, Source, Words, step};
use super::super::scope::{Scope, as_int, as_list, as_text};
use super::{IntFn, TextFn, test};
use crate::event::Value;

/// Gives a value of any type.
type ValueFn = Box<dyn for<'a> Fn(&Scope<'_, 'a>) -> Result<Value<'a>, EvalError> + Send + Sync>;

fn int_fn<F>(run: F) -> IntFn
where
    F: Fn(&Scope<'_, '_>) -> Result<i64, EvalError> + Send + Sync + 'static,
{
    Box::new(run)
}

fn text_fn<F>(run: F) -> TextFn
where
    F: for<'a> Fn(&Scope<'_, 'a>) -> Result<&'a str, EvalError> + Send + Sync + 'static,
{
    Box::new(run)
}

fn value_fn<F>(run: F) -> ValueFn
where
    F: for<'a> Fn(&Scope<'_, 'a>) -> Result<Value<'a>, EvalError> + Send + Sync + 'static,
{
    Box::new(run)
}

/// Reads a single value, of whatever type it is.
pub(super) fn read(source: &Source) -> ValueFn {
    match source {
        Source::Field(field) => {
            let field = *field;
            value_fn(move |scope| Ok(scope.frame.value(field)))
        }
        Source::Element => value_fn(|scope| Ok(scope.element)),
        Source::Member(name) => {
            let name = name.clone();
            value_fn(move |scope| Ok(scope.member(&name)))
        }
        Source::Index(field, index) => {
            let field = *field;
            if let Number::Const(index) = &**index {
                let index = *index;
                return value_fn(move |scope| scope.at(field, index));
            }
            let index = number(index);
            value_fn(move |scope| scope.at(field, index(scope)?))
        }
        Source::Var(var) => {
            let var = *var;
            value_fn(move |scope| scope.frame.host.var(var))
        }
    }
}

pub(super) fn number(ir: &Number) -> IntFn {
    match ir {
        Number::Const(value) => {
            let value = *value;
            int_fn(move |_| Ok(value))
        }
        Number::Fail(error) => {
            let error = *error;
            int_fn(move |_| Err(error))
        }
        Number::Read(Source::Field(field)) => {
            let field = *field;
            int_fn(move |scope| Ok(as_int(scope.frame.value(field))))
        }
        Number::Read(source) => {
            let value = read(source);
            int_fn(move |scope| value(scope).map(as_int))
        }
        Number::Now => int_fn(|scope| Ok(scope.frame.now)),
        Number::Length(text) => {
            let text = words(text);
            int_fn(move |scope| Ok(wide(text(scope)?.chars().count())))
        }
        Number::Count(field) => {
            let field = *field;
            int_fn(move |scope| {
                Ok(wide(match scope.frame.value(field) {
                    Value::Items(items) => items.len(),
                    other => as_list(other).len(),
                }))
            })
        }
        Number::Negate(inner) => {
            let inner = number(inner);
            int_fn(move |scope| inner(scope)?.checked_neg().ok_or(EvalError::Overflow))
        }
        Number::Chain(first, rest) => {
            let first = number(first);
            let rest: Box<[(Arithmetic, IntFn)]> =
                rest.iter().map(|(sign, next)| (*sign, number(next))).collect();
            int_fn(move |scope| {
                let mut sum = first(scope)?;
                for (sign, next) in &rest {
                    sum = step(*sign, sum, next(scope)?)?;
                }
                Ok(sum)
            })
        }
        Number::Choose(three) => {
            let (condition, yes, no) = (test(&three.0), number(&three.1), number(&three.2));
            int_fn(move |scope| if condition(scope)? { yes(scope) } else { no(scope) })
        }
    }
}

fn wide(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn words(ir: &Words) -> TextFn {
    match ir {
        Words::Const(text) => {
            let text = text.clone();
            // A constant lives as long as the rule set, a text as long as the request. Where this
            // matters, in `c ? "a" : b` and the like, a copy is cheaper than two lifetimes everywhere.
            text_fn(move |scope| Ok(scope.frame.arena.alloc_str(&text)))
        }
        Words::Fail(error) => {
            let error = *error;
            text_fn(move |_| Err(error))
        }
        Words::Read(Source::Field(field)) => {
            let field = *field;
            text_fn(move |scope| Ok(scope.text(field)))
        }
        Words::Read(source) => {
            let value = read(source);
            text_fn(move |scope| value(scope).map(as_text))
        }
        Words::Lower(inner) => {
            let inner = words(inner);
            text_fn(move |scope| {
                let text = inner(scope)?;
                if !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    return Ok(text);
                }
                let copy = scope.frame.arena.alloc_str(text);
                copy.make_ascii_lowercase();
                Ok(copy)
            })
        }
        Words::Fold(inner) => {
            let (field, inner) = (inner.field(), words(inner));
            text_fn(move |scope| Ok(scope.frame.host.fold(field, inner(scope)?)))
        }
        Words::Choose(three) => {
            let (condition, yes, no) = (test(&three.0), words(&three.1), words(&three.2));
            text_fn(move |scope| if condition(scope)? { yes(scope) } else { no(scope) })
        }
    }
}
