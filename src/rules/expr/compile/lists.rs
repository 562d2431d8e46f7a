//! `in`, and loops.

use super::super::EvalError;
use super::super::ir::{Source, Test, Words};
use super::super::price::ROUNDS_MAX;
use super::super::scope::{Scope, as_bool, as_int, as_list, as_text};
use super::scalars::{number, words};
use super::{BoolFn, bool_fn, test};
use crate::event::Value;
use crate::rules::frame::FieldId;
use foldhash::{HashSet, HashSetExt};

/// Constants that are compared one by one; more are looked up. Lengths differ early, a hash reads all.
const FEW: usize = 8;

/// A value in a list of constants.
pub(super) fn among(ir: &Test) -> BoolFn {
    match ir {
        Test::BoolAmong(value, constants) => {
            let value = test(value);
            let (yes, no) = (constants.contains(&true), constants.contains(&false));
            bool_fn(move |scope| Ok(if value(scope)? { yes } else { no }))
        }
        Test::IntAmong(value, constants) => {
            let (value, mut constants) = (number(value), constants.clone());
            constants.sort_unstable();
            bool_fn(move |scope| Ok(constants.binary_search(&value(scope)?).is_ok()))
        }
        Test::TextAmong(text, constants) => text_among(text, constants),
        other => test(other),
    }
}

fn text_among(text: &Words, constants: &[Box<str>]) -> BoolFn {
    if constants.len() > FEW {
        let mut set: HashSet<Box<str>> = HashSet::new();
        set.extend(constants.iter().cloned());
        if let Words::Read(Source::Field(field)) = text {
            let field = *field;
            return bool_fn(move |scope| Ok(set.contains(scope.text(field))));
        }
        let text = words(text);
        return bool_fn(move |scope| Ok(set.contains(text(scope)?)));
    }
    let constants: Box<[Box<str>]> = constants.into();
    if let Words::Read(Source::Field(field)) = text {
        let field = *field;
        return bool_fn(move |scope| {
            let text = scope.text(field);
            Ok(constants.iter().any(|constant| **constant == *text))
        });
    }
    let text = words(text);
    bool_fn(move |scope| {
        let text = text(scope)?;
        Ok(constants.iter().any(|constant| **constant == *text))
    })
}

/// A value in a field that is a list.
pub(super) fn in_field(ir: &Test) -> BoolFn {
    match ir {
        Test::BoolIn(value, field) => {
            let (value, field) = (test(value), *field);
            bool_fn(move |scope| {
                let wanted = value(scope)?;
                Ok(list(scope, field).iter().any(|element| as_bool(*element) == wanted))
            })
        }
        Test::IntIn(value, field) => {
            let (value, field) = (number(value), *field);
            bool_fn(move |scope| {
                let wanted = value(scope)?;
                Ok(list(scope, field).iter().any(|element| as_int(*element) == wanted))
            })
        }
        Test::TextIn(Words::Const(wanted), field) => {
            let (wanted, field) = (wanted.clone(), *field);
            bool_fn(move |scope| {
                Ok(list(scope, field).iter().any(|element| as_text(*element) == &*wanted))
            })
        }
        Test::TextIn(text, field) => {
            let (text, field) = (words(text), *field);
            bool_fn(move |scope| {
                let wanted = text(scope)?;
                Ok(list(scope, field).iter().any(|element| as_text(*element) == wanted))
            })
        }
        other => test(other),
    }
}

fn list<'a>(scope: &Scope<'_, 'a>, field: FieldId) -> &'a [Value<'a>] {
    as_list(scope.frame.value(field))
}

/// `exists` and `all`: like `||` and `&&` over the elements.
pub(super) fn over(all: bool, field: FieldId, body: &Test) -> BoolFn {
    let (body, decides) = (test(body), !all);
    bool_fn(move |scope| {
        let value = scope.frame.value(field);
        let rounds = match value {
            Value::Items(items) => items.len(),
            other => as_list(other).len(),
        };
        if rounds > ROUNDS_MAX {
            return Err(EvalError::LoopTooLong);
        }
        let mut failed = None;
        for round in 0..rounds {
            let element = match value {
                Value::Items(items) => Value::Items(&items[round..=round]),
                other => as_list(other)[round],
            };
            match body(&Scope { frame: scope.frame, element }) {
                Ok(value) if value == decides => return Ok(decides),
                Ok(_) => {}
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(!decides), Err)
    })
}
