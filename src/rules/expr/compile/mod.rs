//! Turns a checked expression into closures.
//!
//! In: the operations of `check`. Out: one closure per operation, made for its operands: a field that is
//! compared with a constant is one call, a chain of `&&` one loop. What always holds: a closure
//! touches no heap, recursion is as deep as the expression, and operands of `&&` and `||` may run in
//! any order, because an error counts only when no other operand decides.
//!
//! * `mod` – booleans
//! * `scalars` – integers and texts
//! * `lists` – `in`, and loops

mod lists;
mod scalars;

use super::EvalError;
use super::ast::Comparison;
use super::ir::{Ir, Number, Search, Source, Test, Words};
use super::scope::{Scope, as_bool};
use memchr::memmem::Finder;
use scalars::{number, words};

/// Gives a boolean.
pub(super) type BoolFn = Box<dyn Fn(&Scope<'_, '_>) -> Result<bool, EvalError> + Send + Sync>;
/// Gives an integer.
pub(super) type IntFn = Box<dyn Fn(&Scope<'_, '_>) -> Result<i64, EvalError> + Send + Sync>;
/// Gives a text that lives as long as the request.
pub(super) type TextFn =
    Box<dyn for<'a> Fn(&Scope<'_, 'a>) -> Result<&'a str, EvalError> + Send + Sync>;

/// A compiled expression.
pub(super) enum Run {
    Bool(BoolFn),
    Int(IntFn),
    Text(TextFn),
}

/// Compiles an expression.
pub(super) fn compile(ir: &Ir) -> Run {
    match ir {
        Ir::Bool(inner) => Run::Bool(test(inner)),
        Ir::Int(inner) => Run::Int(number(inner)),
        Ir::Text(inner) => Run::Text(words(inner)),
    }
}

/// A closure of the type that is wanted: helps the compiler to see it is good for all requests.
fn bool_fn<F>(run: F) -> BoolFn
where
    F: Fn(&Scope<'_, '_>) -> Result<bool, EvalError> + Send + Sync + 'static,
{
    Box::new(run)
}

fn test(ir: &Test) -> BoolFn {
    match ir {
        Test::Const(value) => {
            let value = *value;
            bool_fn(move |_| Ok(value))
        }
        Test::Fail(error) => {
            let error = *error;
            bool_fn(move |_| Err(error))
        }
        Test::Read(source) => read(source),
        Test::Window(window) => {
            let window = *window;
            bool_fn(move |scope| Ok(scope.frame.host.window(window)))
        }
        Test::Not(inner) => {
            let inner = test(inner);
            bool_fn(move |scope| inner(scope).map(|value| !value))
        }
        Test::And(terms) => logic::<false>(terms),
        Test::Or(terms) => logic::<true>(terms),
        Test::Choose(three) => {
            let (condition, yes, no) = (test(&three.0), test(&three.1), test(&three.2));
            bool_fn(move |scope| if condition(scope)? { yes(scope) } else { no(scope) })
        }
        Test::Bools(how, both) => {
            let (how, left, right) = (*how, test(&both.0), test(&both.1));
            bool_fn(move |scope| Ok(how.holds(&left(scope)?, &right(scope)?)))
        }
        Test::Ints(how, both) => ints(*how, &both.0, &both.1),
        Test::Texts(how, both) => texts(*how, &both.0, &both.1),
        Test::BoolAmong(..) | Test::IntAmong(..) | Test::TextAmong(..) => lists::among(ir),
        Test::BoolIn(..) | Test::IntIn(..) | Test::TextIn(..) => lists::in_field(ir),
        Test::IdIn(text, list) => {
            let (text, list) = (words(text), *list);
            bool_fn(move |scope| Ok(scope.frame.host.has_id(list, text(scope)?)))
        }
        Test::Has(field) => {
            let field = *field;
            bool_fn(move |scope| Ok(!scope.frame.value(field).is_absent()))
        }
        Test::HasMember(name) => {
            let name = name.clone();
            bool_fn(move |scope| Ok(!scope.member(&name).is_absent()))
        }
        Test::Search(how, both) => search(*how, &both.0, &both.1),
        Test::Matches(text, regex) => {
            let (text, regex) = (words(text), *regex);
            bool_fn(move |scope| Ok(scope.frame.host.regex(regex).is_match(text(scope)?)))
        }
        Test::Hits(text, list) => {
            let (field, text, list) = (text.field(), words(text), *list);
            bool_fn(move |scope| Ok(scope.frame.host.hits(field, text(scope)?, list)))
        }
        Test::Loop { all, list, body } => lists::over(*all, *list, body),
    }
}

fn read(source: &Source) -> BoolFn {
    match source {
        Source::Field(field) => {
            let field = *field;
            bool_fn(move |scope| Ok(as_bool(scope.frame.value(field))))
        }
        other => {
            let value = scalars::read(other);
            bool_fn(move |scope| value(scope).map(as_bool))
        }
    }
}

/// `&&` (decided by false) or `||` (decided by true).
fn logic<const DECIDES: bool>(terms: &[Test]) -> BoolFn {
    let mut terms: Vec<&Test> = terms.iter().collect();
    // What is looked at first does not change the result, and texts are dear.
    terms.sort_by_key(|term| weight(term));
    let terms: Vec<BoolFn> = terms.into_iter().map(test).collect();
    match <[BoolFn; 2]>::try_from(terms) {
        Ok([first, second]) => bool_fn(move |scope| match first(scope) {
            Ok(value) if value == DECIDES => Ok(DECIDES),
            Ok(_) => second(scope),
            Err(error) => match second(scope) {
                Ok(value) if value == DECIDES => Ok(DECIDES),
                _ => Err(error),
            },
        }),
        Err(terms) => {
            let terms = terms.into_boxed_slice();
            bool_fn(move |scope| {
                let mut failed = None;
                for term in &terms {
                    match term(scope) {
                        Ok(value) if value == DECIDES => return Ok(DECIDES),
                        Ok(_) => {}
                        Err(error) => failed = Some(error),
                    }
                }
                failed.map_or(Ok(!DECIDES), Err)
            })
        }
    }
}

/// How dear an operand is, roughly: a look at a slot, a search, a folding, a loop.
fn weight(term: &Test) -> u8 {
    match term {
        Test::Hits(..) | Test::Matches(..) => 3,
        Test::Loop { .. } => 4,
        Test::Search(_, both) | Test::Texts(_, both) => {
            text_weight(&both.0).max(text_weight(&both.1))
        }
        Test::TextAmong(text, _) | Test::IdIn(text, _) | Test::TextIn(text, _) => text_weight(text),
        Test::Not(inner) => weight(inner),
        Test::And(terms) | Test::Or(terms) => terms.iter().map(weight).max().unwrap_or(0),
        Test::Choose(three) => weight(&three.0).max(weight(&three.1)).max(weight(&three.2)),
        Test::Ints(_, both) => number_weight(&both.0).max(number_weight(&both.1)),
        // A variable may be anything, and is remembered.
        Test::Read(Source::Var(_)) => 1,
        _ => 0,
    }
}

fn text_weight(text: &Words) -> u8 {
    match text {
        Words::Fold(_) => 2,
        Words::Lower(_) | Words::Choose(_) | Words::Read(Source::Var(_)) => 1,
        _ => 0,
    }
}

fn number_weight(number: &Number) -> u8 {
    match number {
        Number::Length(text) => text_weight(text).max(1),
        Number::Chain(..) | Number::Choose(_) => 1,
        _ => 0,
    }
}

fn ints(how: Comparison, left: &Number, right: &Number) -> BoolFn {
    if let Number::Const(constant) = right {
        let constant = *constant;
        if let Number::Read(Source::Field(field)) = left {
            let field = *field;
            return bool_fn(move |scope| {
                Ok(how.holds(&super::scope::as_int(scope.frame.value(field)), &constant))
            });
        }
        let left = number(left);
        return bool_fn(move |scope| Ok(how.holds(&left(scope)?, &constant)));
    }
    let (left, right) = (number(left), number(right));
    bool_fn(move |scope| Ok(how.holds(&left(scope)?, &right(scope)?)))
}

fn texts(how: Comparison, left: &Words, right: &Words) -> BoolFn {
    let Words::Const(constant) = right else {
        let (left, right) = (words(left), words(right));
        return bool_fn(move |scope| Ok(how.holds(left(scope)?, right(scope)?)));
    };
    let constant = constant.clone();
    match (how, left) {
        (Comparison::Equal, Words::Read(Source::Field(field))) => {
            let field = *field;
            bool_fn(move |scope| Ok(scope.text(field) == &*constant))
        }
        (Comparison::Unequal, Words::Read(Source::Field(field))) => {
            let field = *field;
            bool_fn(move |scope| Ok(scope.text(field) != &*constant))
        }
        (_, Words::Read(Source::Member(name))) => {
            let name = name.clone();
            bool_fn(move |scope| {
                Ok(how.holds(super::scope::as_text(scope.member(&name)), &*constant))
            })
        }
        _ => {
            let left = words(left);
            bool_fn(move |scope| Ok(how.holds(left(scope)?, &*constant)))
        }
    }
}

fn search(how: Search, text: &Words, part: &Words) -> BoolFn {
    let field = text.field();
    let text = words(text);
    let Words::Const(part) = part else {
        let part = words(part);
        return bool_fn(move |scope| {
            let (text, part) = (text(scope)?.as_bytes(), part(scope)?.as_bytes());
            Ok(match how {
                Search::Anywhere => memchr::memmem::find(text, part).is_some(),
                Search::Start => text.starts_with(part),
                Search::End => text.ends_with(part),
            })
        });
    };
    match (how, field) {
        (Search::Anywhere, Some(field)) => {
            let finder = Finder::new(part.as_bytes()).into_owned();
            bool_fn(move |scope| Ok(finder.find(scope.text(field).as_bytes()).is_some()))
        }
        (Search::Anywhere, None) => {
            let finder = Finder::new(part.as_bytes()).into_owned();
            bool_fn(move |scope| Ok(finder.find(text(scope)?.as_bytes()).is_some()))
        }
        (Search::Start, _) => {
            let part = part.clone();
            bool_fn(move |scope| Ok(text(scope)?.starts_with(&*part)))
        }
        (Search::End, _) => {
            let part = part.clone();
            bool_fn(move |scope| Ok(text(scope)?.ends_with(&*part)))
        }
    }
}
