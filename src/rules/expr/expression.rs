//! A compiled expression as the rest of the engine holds it.
//!
//! In: what `check` found. Out: its value on a frame, and what there is to say about it without one:
//! its type, whether it is constant, what it reads, what it costs. What always holds: evaluation
//! takes shared borrows only, so that one expression serves all workers.

use super::EvalError;
use super::check::{Meaning, Shown};
use super::compile::{Run, compile};
use super::ir::{Ir, Number, Test, Words};
use super::price::{Memo, Prices, price};
use super::scope::Scope;
use crate::event::Value;
use crate::rules::frame::{FieldId, Frame, ListId, RegexId, VarId, WindowId};
use crate::rules::schema::Scalar;
use std::fmt;
use std::ops::Range;

/// A compiled expression. What is run stands in front, beside what else is asked of a rule.
#[repr(C)]
pub struct Expr {
    run: Run,
    source: Box<str>,
    ir: Ir,
    reads: Reads,
    operands: Box<[(Range<usize>, Shown)]>,
}

/// What an expression asks for, each once, in order of first use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// Fields, with the byte of the name where each is used first; those of `has` too.
    pub fields: Vec<(FieldId, usize)>,
    /// Lists of both kinds.
    pub lists: Vec<ListId>,
    /// Windows.
    pub windows: Vec<WindowId>,
    /// Variables.
    pub vars: Vec<VarId>,
    /// Regular expressions.
    pub regexes: Vec<RegexId>,
}

impl Reads {
    pub(super) fn field(&mut self, field: FieldId, at: usize) {
        if self.fields.iter().all(|(known, _)| *known != field) {
            self.fields.push((field, at));
        }
    }

    pub(super) fn list(&mut self, list: ListId) -> ListId {
        once(&mut self.lists, list);
        list
    }

    pub(super) fn window(&mut self, window: WindowId) {
        once(&mut self.windows, window);
    }

    pub(super) fn var(&mut self, var: VarId) {
        once(&mut self.vars, var);
    }

    pub(super) fn regex(&mut self, regex: RegexId) {
        once(&mut self.regexes, regex);
    }
}

fn once<T: PartialEq>(known: &mut Vec<T>, new: T) {
    if !known.contains(&new) {
        known.push(new);
    }
}

/// What an expression gives for every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Constant {
    /// A text.
    Text(Box<str>),
    /// An integer.
    Int(i64),
    /// A boolean.
    Bool(bool),
    /// It always fails.
    Fails(EvalError),
}

/// A part of an expression with its value, for an author who wonders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operand {
    /// As written.
    pub text: String,
    /// A text in quotes, a number, `true`, `false`, or a list of them in brackets.
    pub value: Result<String, EvalError>,
}

impl Expr {
    pub(super) fn new(source: &str, meaning: Meaning) -> Self {
        let Meaning { ir, reads, operands } = meaning;
        Self { source: source.into(), run: compile(&ir), ir, reads, operands: operands.into() }
    }

    /// Its type.
    #[must_use]
    pub const fn scalar(&self) -> Scalar {
        self.ir.scalar()
    }

    /// Its value as a condition; false for an expression of another type, which no condition is.
    ///
    /// # Errors
    /// One of the four that are left for a run.
    #[inline]
    pub fn bool(&self, frame: &Frame<'_>) -> Result<bool, EvalError> {
        match &self.run {
            Run::Bool(run) => run(&Scope { frame, element: Value::Absent }),
            Run::Int(_) | Run::Text(_) => Ok(false),
        }
    }

    /// Its value: a text, an integer or a boolean.
    ///
    /// # Errors
    /// One of the four that are left for a run.
    pub fn value<'a>(&self, frame: &Frame<'a>) -> Result<Value<'a>, EvalError> {
        value(&self.run, frame)
    }

    /// What it gives for every request, when that is known without one.
    #[must_use]
    pub fn constant(&self) -> Option<Constant> {
        match &self.ir {
            Ir::Bool(Test::Const(value)) => Some(Constant::Bool(*value)),
            Ir::Int(Number::Const(value)) => Some(Constant::Int(*value)),
            Ir::Text(Words::Const(value)) => Some(Constant::Text(value.clone())),
            Ir::Bool(Test::Fail(error))
            | Ir::Int(Number::Fail(error))
            | Ir::Text(Words::Fail(error)) => Some(Constant::Fails(*error)),
            _ => None,
        }
    }

    /// Nanoseconds at most, by the fixed list of prices, when nothing is remembered yet and regular
    /// expressions are large; `text_chars` says how long a field may be.
    #[must_use]
    pub fn price(&self, text_chars: &dyn Fn(FieldId) -> u64) -> u64 {
        self.price_with(&mut Alone { text_chars, paid: Vec::new() })
    }

    /// Nanoseconds at most, where the caller knows what other expressions have paid for.
    #[must_use]
    pub fn price_with(&self, prices: &mut dyn Prices) -> u64 {
        price(&self.ir, prices)
    }

    /// What it asks for.
    #[must_use]
    pub const fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Its operands with their values, in order of their places, each text once. Parts of loops are
    /// left out: they have a value per item. Not for the hot path.
    #[must_use]
    pub fn operands(&self, frame: &Frame<'_>) -> Vec<Operand> {
        let mut found: Vec<Operand> = Vec::new();
        for (span, shown) in &self.operands {
            let text = self.source.get(span.clone()).unwrap_or_default();
            if found.iter().any(|known| known.text == text) {
                continue;
            }
            let value = match shown {
                Shown::Single(ir) => value(&compile(ir), frame),
                Shown::List(field) => Ok(frame.value(*field)),
            };
            found.push(Operand { text: text.to_owned(), value: value.map(rendered) });
        }
        found
    }
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expr")
            .field("source", &self.source)
            .field("ir", &self.ir)
            .finish_non_exhaustive()
    }
}

fn value<'a>(run: &Run, frame: &Frame<'a>) -> Result<Value<'a>, EvalError> {
    let scope = Scope { frame, element: Value::Absent };
    match run {
        Run::Bool(run) => run(&scope).map(Value::Bool),
        Run::Int(run) => run(&scope).map(Value::Int),
        Run::Text(run) => run(&scope).map(Value::Text),
    }
}

/// A value as an author reads it.
fn rendered(value: Value<'_>) -> String {
    let listed = |parts: Vec<String>| format!("[{}]", parts.join(", "));
    match value {
        Value::Text(text) => format!("{text:?}"),
        Value::Int(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        // An absent list; single values never are.
        Value::Absent | Value::Json(_) => "[]".to_owned(),
        Value::List(list) => listed(list.iter().map(|element| rendered(*element)).collect()),
        Value::Items(items) => listed(
            items
                .iter()
                .map(|item| {
                    let member =
                        |(name, value): &(&str, _)| format!("{name}: {}", rendered(*value));
                    let members: Vec<String> = item.iter().map(member).collect();
                    format!("{{{}}}", members.join(", "))
                })
                .collect(),
        ),
    }
}

/// Prices of an expression that stands alone.
struct Alone<'t> {
    text_chars: &'t dyn Fn(FieldId) -> u64,
    paid: Vec<Memo>,
}

impl Prices for Alone<'_> {
    fn chars(&mut self, field: FieldId) -> u64 {
        (self.text_chars)(field)
    }

    fn regex(&mut self, _regex: RegexId) -> u64 {
        const LARGE: u64 = 20;
        LARGE
    }

    fn first(&mut self, memo: Memo) -> bool {
        let first = !self.paid.contains(&memo);
        if first {
            self.paid.push(memo);
        }
        first
    }
}
