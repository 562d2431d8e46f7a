//! Comparisons, and `in`.

use super::super::ast::{Comparison, Kind, Node};
use super::super::ir::Test;
use super::super::{ExprError, fold, wrong};
use super::names::list_name;
use super::{Checker, Got, Value};
use crate::rules::problem::did_you_mean;
use crate::rules::schema::{Scalar, Words};

impl Checker<'_> {
    pub(super) fn compare(
        &mut self,
        how: Comparison,
        left: &Node,
        right: &Node,
    ) -> Result<Got, ExprError> {
        let (l, r) = (self.left(left, how.sign())?, self.value(right)?);
        if how.is_equality() {
            self.known_word(left, l.words.as_ref(), right)?;
            self.known_word(right, r.words.as_ref(), left)?;
        }
        Ok(Got::Bool(match (l.got, r.got) {
            (Got::Text(l), Got::Text(r)) => fold::compare_texts(how, l, r),
            (Got::Int(l), Got::Int(r)) => fold::compare_ints(how, l, r),
            (Got::Bool(l), Got::Bool(r)) if how.is_equality() => fold::compare_bools(how, l, r),
            (bools @ Got::Bool(_), Got::Bool(_)) => {
                let rule = format!("{} is for ints and strings", how.sign());
                return Err(self.mistyped(left, &rule, &bools));
            }
            (l, r) => return Err(self.unequal_types(how, (left, &l), (right, &r))),
        }))
    }

    fn unequal_types(
        &self,
        how: Comparison,
        (left, l): (&Node, &Got),
        (right, r): (&Node, &Got),
    ) -> ExprError {
        let (a, b) = (self.shown(left), self.shown(right));
        let sign = how.sign();
        let message = match (l, r) {
            (Got::List(..), Got::List(..)) | (Got::Items(..), _) | (_, Got::Items(..)) => {
                let (shown, got) = if matches!(l, Got::List(..)) { (&b, r) } else { (&a, l) };
                format!(
                    "{sign} compares single values, {shown} is {}; ask size({shown}), or \
                     {shown}.exists(x, …)",
                    got.type_name()
                )
            }
            (Got::List(..), _) => {
                format!("{sign} compares single values, {a} is {}; write {b} in {a}", l.type_name())
            }
            (_, Got::List(..)) => {
                format!("{sign} compares single values, {b} is {}; write {a} in {b}", r.type_name())
            }
            _ => format!(
                "{sign} compares two of one type, {a} is {} and {b} is {}",
                l.type_name(),
                r.type_name()
            ),
        };
        wrong(right.at, message)
    }

    pub(super) fn is_in(&mut self, left: &Node, right: &Node) -> Result<Got, ExprError> {
        let value = self.left(left, "in")?;
        if let Some(parts) = list_name(right) {
            let Got::Text(text) = value.got else {
                return Err(self.mistyped(left, "lists hold strings", &value.got));
            };
            let list = self.ids(right.at, parts)?;
            return Ok(Got::Bool(Test::IdIn(text, list)));
        }
        if let Kind::List(constants) = &right.kind {
            return self.among(left, value, right, constants);
        }
        let there = self.value(right)?;
        self.known_word(right, there.words.as_ref(), left)?;
        Ok(Got::Bool(match (value.got, there.got) {
            (Got::Text(text), Got::List(field, Scalar::Text)) => Test::TextIn(text, field),
            (Got::Int(number), Got::List(field, Scalar::Int)) => Test::IntIn(number, field),
            (Got::Bool(test), Got::List(field, Scalar::Bool)) => {
                Test::BoolIn(Box::new(test), field)
            }
            (value, there) => return Err(self.not_in((left, &value), (right, &there))),
        }))
    }

    fn not_in(&self, (left, l): (&Node, &Got), (right, r): (&Node, &Got)) -> ExprError {
        let (a, b) = (self.shown(left), self.shown(right));
        let (at, message) = match (l, r) {
            (Got::Text(_), Got::Text(_)) => {
                let rule = format!("in looks in a list, {b} is string; write {b}.contains({a})");
                (right.at, rule)
            }
            (_, Got::Items(..)) => {
                (right.at, format!("{b} is a list of items; write {b}.exists(x, x.… == {a})"))
            }
            (_, Got::List(..)) => {
                (left.at, format!("{b} is {}, {a} is {}", r.type_name(), l.type_name()))
            }
            _ => (right.at, format!("in looks in a list, {b} is {}", r.type_name())),
        };
        wrong(at, message)
    }

    /// `x in ["a", "b"]`.
    fn among(
        &mut self,
        left: &Node,
        value: Value,
        list: &Node,
        constants: &[Node],
    ) -> Result<Got, ExprError> {
        if constants.is_empty() {
            return Err(wrong(list.at, "a list holds 1 to 64 constants, this one is empty"));
        }
        for constant in constants {
            self.known_word(left, value.words.as_ref(), constant)?;
        }
        Ok(Got::Bool(match value.got {
            Got::Text(text) => fold::text_among(
                text,
                self.constants(left, "string", constants, |kind| match kind {
                    Kind::Text(text) => Some(text.clone()),
                    _ => None,
                })?,
            ),
            Got::Int(number) => fold::int_among(
                number,
                self.constants(left, "int", constants, |kind| match kind {
                    Kind::Int(number) => Some(*number),
                    _ => None,
                })?,
            ),
            Got::Bool(test) => fold::bool_among(
                test,
                self.constants(left, "bool", constants, |kind| match kind {
                    Kind::Bool(value) => Some(*value),
                    _ => None,
                })?,
            ),
            list @ (Got::List(..) | Got::Items(..)) => {
                return Err(self.mistyped(left, "in looks for a single value", &list));
            }
        }))
    }

    fn constants<T>(
        &self,
        left: &Node,
        wanted: &str,
        constants: &[Node],
        read: impl Fn(&Kind) -> Option<T>,
    ) -> Result<Vec<T>, ExprError> {
        let mut values = Vec::with_capacity(constants.len());
        for constant in constants {
            let found = match &constant.kind {
                Kind::Text(_) => "string",
                Kind::Int(_) => "int",
                Kind::Bool(_) => "bool",
                _ => {
                    let shown = self.shown(constant);
                    let message = format!("a list holds constants only, {shown} is none");
                    return Err(wrong(constant.at, message));
                }
            };
            values.push(read(&constant.kind).ok_or_else(|| {
                let (value, shown) = (self.shown(left), self.shown(constant));
                wrong(constant.at, format!("{value} is {wanted}, {shown} is {found}"))
            })?);
        }
        Ok(values)
    }

    /// The left side. `!a in b` means `(!a) in b`, which only somebody who wrote the brackets wants.
    fn left(&mut self, left: &Node, sign: &str) -> Result<Value, ExprError> {
        let Kind::Not(operand) = &left.kind else { return self.value(left) };
        if !self.text[left.span.start..].starts_with('!') {
            return self.value(left);
        }
        if let Got::Bool(test) = self.value(operand)?.got {
            return Ok(Got::Bool(fold::not(test)).into());
        }
        let shown = self.shown(operand);
        let message =
            format!("!{shown} {sign} … means (!{shown}) {sign} …; write !({shown} {sign} …)");
        Err(wrong(left.at, message))
    }

    /// A constant that is compared with something of which all words are known.
    fn known_word(
        &self,
        field: &Node,
        words: Option<&Words>,
        constant: &Node,
    ) -> Result<(), ExprError> {
        let (Some(words), Kind::Text(constant_text)) = (words, &constant.kind) else {
            return Ok(());
        };
        if words.contains(constant_text) {
            return Ok(());
        }
        let name = self.shown(field);
        let all: Vec<&str> = words.iter().map(|word| &**word).collect();
        let hint = match did_you_mean(constant_text, all.iter().copied()) {
            hint if !hint.is_empty() => format!("{hint} Its words are {}", all.join(", ")),
            _ if constant_text.is_empty() => {
                format!("; ask !has({name}); its words are {}", all.join(", "))
            }
            _ => format!("; its words are {}", all.join(", ")),
        };
        Err(wrong(constant.at, format!("{name} is never {constant_text:?}{hint}")))
    }
}
