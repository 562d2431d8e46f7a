//! Finds the types of an expression.
//!
//! In: the tree of `parse` and the names it may use. Out: a checked expression, what it reads, and the
//! parts of it that an author wants to see. What always holds: the first mistake is reported, at the
//! word that is wrong, with what was found and what was expected.

mod calls;
mod compare;
mod names;

use super::ast::{Arithmetic, Kind, Node};
use super::ir::{Ir, Number, Source, Test, Words};
use super::scan::cut;
use super::{ExprError, Names, Reads, fold, wrong};
use crate::rules::frame::FieldId;
use crate::rules::schema::{self, ItemField, Scalar};
use std::ops::Range;
use std::sync::Arc;

/// What a text means.
pub(super) struct Meaning {
    /// The whole of it.
    pub(super) ir: Ir,
    /// What it asks for.
    pub(super) reads: Reads,
    /// Its operands, with their places in the text.
    pub(super) operands: Vec<(Range<usize>, Shown)>,
}

/// What an operand shows.
#[derive(Debug, Clone)]
pub(super) enum Shown {
    /// A single value.
    Single(Ir),
    /// A field that is a list.
    List(FieldId),
}

/// Checks an expression; `wanted` is the type that it must have.
///
/// # Errors
/// The first mistake.
pub(super) fn check(
    text: &str,
    node: &Node,
    wanted: Option<Scalar>,
    names: &mut dyn Names,
) -> Result<Meaning, ExprError> {
    let mut checker =
        Checker { text, names, element: None, reads: Reads::default(), operands: Vec::new() };
    let value = checker.value(node)?;
    let found = value.got.type_name();
    let ir = match value.got {
        Got::Bool(test) => Ir::Bool(test),
        Got::Int(number) => Ir::Int(number),
        Got::Text(words) => Ir::Text(words),
        Got::List(..) | Got::Items(..) => {
            let wanted = wanted.map_or("a string, an int or a bool", Scalar::name);
            return Err(wrong(node.at, format!("expected {wanted}, this is {found}")));
        }
    };
    match wanted {
        Some(Scalar::Bool) if ir.scalar() != Scalar::Bool => {
            Err(wrong(node.at, format!("a condition is bool, this is {found}")))
        }
        Some(wanted) if ir.scalar() != wanted => {
            Err(wrong(node.at, format!("expected {}, this is {found}", wanted.name())))
        }
        _ => {
            let Checker { reads, mut operands, .. } = checker;
            operands.sort_by_key(|(span, _)| (span.start, std::cmp::Reverse(span.end)));
            Ok(Meaning { ir, reads, operands })
        }
    }
}

/// What a part of an expression turned out to be.
enum Got {
    Bool(Test),
    Int(Number),
    Text(Words),
    List(FieldId, Scalar),
    Items(FieldId, Arc<[ItemField]>),
}

impl Got {
    fn read(scalar: Scalar, source: Source) -> Self {
        match scalar {
            Scalar::Text => Self::Text(Words::Read(source)),
            Scalar::Int => Self::Int(Number::Read(source)),
            Scalar::Bool => Self::Bool(Test::Read(source)),
        }
    }

    /// As it stands in messages.
    const fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Text(_) => "string",
            Self::List(_, Scalar::Text) => "a list of strings",
            Self::List(_, Scalar::Int) => "a list of ints",
            Self::List(_, Scalar::Bool) => "a list of bools",
            Self::Items(..) => "a list of items",
        }
    }
}

/// A part of an expression, and the words that it is compared with, if there are no others.
struct Value {
    got: Got,
    words: Option<schema::Words>,
}

impl From<Got> for Value {
    fn from(got: Got) -> Self {
        Self { got, words: None }
    }
}

/// The name of a loop.
struct Element {
    name: Box<str>,
    kind: ElementKind,
}

#[derive(Clone)]
enum ElementKind {
    Scalar(Scalar, Option<schema::Words>),
    Item(Arc<[ItemField]>),
}

struct Checker<'c> {
    text: &'c str,
    names: &'c mut dyn Names,
    element: Option<Element>,
    reads: Reads,
    operands: Vec<(Range<usize>, Shown)>,
}

impl Checker<'_> {
    /// Any part that is a value.
    fn value(&mut self, node: &Node) -> Result<Value, ExprError> {
        let value = match &node.kind {
            Kind::Text(text) => Got::Text(Words::Const(text.clone())).into(),
            Kind::Int(number) => Got::Int(Number::Const(*number)).into(),
            Kind::Bool(value) => Got::Bool(Test::Const(*value)).into(),
            Kind::List(_) => {
                let message = "a list of constants stands only behind in: x in [\"a\", \"b\"]";
                return Err(wrong(node.at, message));
            }
            Kind::Path(parts) => self.path(node, parts)?,
            Kind::Member(operand, part) => {
                let name = self.shown(operand);
                self.value(operand)?;
                let message = format!("{name} has no fields, {:?} is none", part.name);
                return Err(wrong(part.at, message));
            }
            Kind::Index(both) => self.index(&both.0, &both.1)?,
            Kind::Call { target, name, args } => {
                self.call(node, target.as_deref(), name, args)?.into()
            }
            Kind::Not(operand) => {
                Got::Bool(fold::not(self.bool(operand, "! is for bools")?)).into()
            }
            Kind::Negate(operand) => {
                Got::Int(fold::negate(self.int(operand, "- is for ints")?)).into()
            }
            Kind::And(terms) => Got::Bool(self.logic(true, terms)?).into(),
            Kind::Or(terms) => Got::Bool(self.logic(false, terms)?).into(),
            Kind::Compare(how, both) => self.compare(*how, &both.0, &both.1)?.into(),
            Kind::In(both) => self.is_in(&both.0, &both.1)?.into(),
            Kind::Chain(first, rest) => self.chain(first, rest)?.into(),
            Kind::Choose(three) => self.choose(&three.0, &three.1, &three.2)?.into(),
        };
        self.show(node, &value.got);
        Ok(value)
    }

    /// Notes an operand that an author wants to see. In a loop it has no single value.
    fn show(&mut self, node: &Node, got: &Got) {
        let telling = matches!(
            node.kind,
            Kind::Path(_) | Kind::Index(_) | Kind::Call { .. } | Kind::Compare(..) | Kind::In(_)
        );
        if !telling || self.element.is_some() {
            return;
        }
        let shown = match got {
            Got::Bool(test) => Shown::Single(Ir::Bool(test.clone())),
            Got::Int(number) => Shown::Single(Ir::Int(number.clone())),
            Got::Text(words) => Shown::Single(Ir::Text(words.clone())),
            Got::List(field, _) | Got::Items(field, _) => Shown::List(*field),
        };
        self.operands.push((node.span.clone(), shown));
    }

    /// The source of a part, for messages.
    fn shown(&self, node: &Node) -> String {
        cut(self.text.get(node.span.clone()).unwrap_or_default())
    }

    /// A part that must be bool; `rule` says why.
    fn bool(&mut self, node: &Node, rule: &str) -> Result<Test, ExprError> {
        match self.value(node)?.got {
            Got::Bool(test) => Ok(test),
            other => Err(self.mistyped(node, rule, &other)),
        }
    }

    /// A part that must be an int.
    fn int(&mut self, node: &Node, rule: &str) -> Result<Number, ExprError> {
        match self.value(node)?.got {
            Got::Int(number) => Ok(number),
            other => Err(self.mistyped(node, rule, &other)),
        }
    }

    /// A part that must be a string.
    fn string(&mut self, node: &Node, rule: &str) -> Result<Words, ExprError> {
        match self.value(node)?.got {
            Got::Text(words) => Ok(words),
            other => Err(self.mistyped(node, rule, &other)),
        }
    }

    fn mistyped(&self, node: &Node, rule: &str, found: &Got) -> ExprError {
        let shown = self.shown(node);
        wrong(node.at, format!("{rule}, {shown} is {}", found.type_name()))
    }

    fn logic(&mut self, and: bool, terms: &[Node]) -> Result<Test, ExprError> {
        let rule = if and { "&& is for bools" } else { "|| is for bools" };
        let mut checked = Vec::with_capacity(terms.len());
        for term in terms {
            checked.push(self.bool(term, rule)?);
        }
        Ok(fold::logic(and, checked))
    }

    fn chain(&mut self, first: &Node, rest: &[(Arithmetic, Node)]) -> Result<Got, ExprError> {
        let sign = rest.first().map_or(Arithmetic::Add, |(sign, _)| *sign);
        let start = self.term(first, sign)?;
        let mut steps = Vec::with_capacity(rest.len());
        for (sign, operand) in rest {
            steps.push((*sign, self.term(operand, *sign)?));
        }
        Ok(Got::Int(fold::chain(start, steps)))
    }

    /// An operand of a sum or product.
    fn term(&mut self, node: &Node, sign: Arithmetic) -> Result<Number, ExprError> {
        match self.value(node)?.got {
            Got::Int(number) => Ok(number),
            Got::Text(_) if sign == Arithmetic::Add => {
                let shown = self.shown(node);
                let message =
                    format!("+ is for ints, {shown} is string; conditions do not join texts");
                Err(wrong(node.at, message))
            }
            other => Err(self.mistyped(node, &format!("{} is for ints", sign.sign()), &other)),
        }
    }

    fn choose(&mut self, condition: &Node, yes: &Node, no: &Node) -> Result<Got, ExprError> {
        let condition = self.bool(condition, "the condition before ? is bool")?;
        let (left, right) = (self.value(yes)?.got, self.value(no)?.got);
        Ok(match (left, right) {
            (Got::Bool(left), Got::Bool(right)) => {
                Got::Bool(fold::choose(condition, left, right, Test::Fail, Test::Choose))
            }
            (Got::Int(left), Got::Int(right)) => {
                Got::Int(fold::choose(condition, left, right, Number::Fail, Number::Choose))
            }
            (Got::Text(left), Got::Text(right)) => {
                Got::Text(fold::choose(condition, left, right, Words::Fail, Words::Choose))
            }
            (left @ (Got::List(..) | Got::Items(..)), _) => {
                return Err(self.mistyped(yes, "?: gives a string, an int or a bool", &left));
            }
            (left, right) => {
                let (found, wanted) = (right.type_name(), left.type_name());
                let (shown, other) = (self.shown(no), self.shown(yes));
                let message = format!(
                    "both results of ?: have one type, {other} is {wanted} and {shown} is {found}"
                );
                return Err(wrong(no.at, message));
            }
        })
    }

    fn index(&mut self, list: &Node, index: &Node) -> Result<Value, ExprError> {
        let value = self.value(list)?;
        match value.got {
            Got::List(field, scalar) => {
                let index = self.int(index, "an index is an int")?;
                let source = Source::Index(field, Box::new(index));
                Ok(Value { got: Got::read(scalar, source), words: value.words })
            }
            Got::Items(..) => {
                let shown = self.shown(list);
                let message = format!(
                    "{shown} is a list of items, [] is for lists of single values; \
                     ask {shown}.exists(x, …)"
                );
                Err(wrong(list.at, message))
            }
            other => Err(self.mistyped(list, "[] is for lists", &other)),
        }
    }
}
