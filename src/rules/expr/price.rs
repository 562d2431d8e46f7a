//! What an expression costs at most.
//!
//! In: a checked expression and the longest texts. Out: nanoseconds by a fixed list, so that a rule
//! file is judged alike on every machine. What always holds: remembered answers are paid once.

use super::ir::{Ir, Number, Source, Test, Words};
use crate::rules::frame::{FieldId, ListId, RegexId};

/// Tenths of a nanosecond: a node, and per character searching, folding, finding words.
const NODE: u64 = 20;
const SEARCH: u64 = 1;
const FOLD: u64 = 20;
const HITS: u64 = 50;
/// Characters of texts that are no field, or a field without a cap of its own.
pub(super) const OTHER_CHARS: u64 = 256;
/// Rounds of a loop at most.
pub(super) const ROUNDS_MAX: usize = 1000;

/// What is remembered for an intent, and so paid once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Memo {
    /// The default folding of a field.
    Fold(FieldId),
    /// Words of a list in a field: one search per folding serves all lists.
    Hits(FieldId, ListId),
}

/// What the price of an expression depends on besides itself.
pub trait Prices {
    /// Characters of a field at the most.
    fn chars(&mut self, field: FieldId) -> u64;
    /// Nanoseconds per character of a regular expression: 4, or 20 for one over 32 KiB.
    fn regex(&mut self, regex: RegexId) -> u64;
    /// Whether this is asked for the first time; later ones cost nothing.
    fn first(&mut self, memo: Memo) -> bool;
}

/// Nanoseconds at most.
pub(super) fn price(ir: &Ir, prices: &mut dyn Prices) -> u64 {
    let mut sum = Sum { prices, once: 0 };
    let tenths = match ir {
        Ir::Bool(test) => sum.test(test),
        Ir::Int(number) => sum.number(number),
        Ir::Text(words) => sum.words(words),
    };
    (tenths + sum.once).div_ceil(10)
}

struct Sum<'p> {
    prices: &'p mut dyn Prices,
    /// What is remembered: not repeated by a loop.
    once: u64,
}

impl Sum<'_> {
    fn source(&mut self, source: &Source) -> u64 {
        match source {
            Source::Index(_, index) => NODE + self.number(index),
            _ => NODE,
        }
    }

    fn test(&mut self, test: &Test) -> u64 {
        match test {
            Test::Const(_)
            | Test::Fail(_)
            | Test::Window(_)
            | Test::Has(_)
            | Test::HasMember(_) => NODE,
            Test::Read(source) => self.source(source),
            Test::Not(inner) | Test::BoolAmong(inner, _) => NODE + self.test(inner),
            Test::And(terms) | Test::Or(terms) => {
                terms.iter().fold(NODE, |sum, term| sum + self.test(term))
            }
            Test::Choose(three) => {
                NODE + self.test(&three.0) + self.test(&three.1) + self.test(&three.2)
            }
            Test::Bools(_, both) => NODE + self.test(&both.0) + self.test(&both.1),
            Test::Ints(_, both) => NODE + self.number(&both.0) + self.number(&both.1),
            Test::Texts(_, both) => NODE + self.words(&both.0) + self.words(&both.1),
            Test::IntAmong(number, _) => NODE + self.number(number),
            Test::TextAmong(words, _) | Test::IdIn(words, _) => NODE + self.words(words),
            // Lists are no longer than loops may be, and each element is a look.
            Test::BoolIn(inner, _) => NODE + self.test(inner) + rounds(NODE),
            Test::IntIn(number, _) => NODE + self.number(number) + rounds(NODE),
            Test::TextIn(words, _) => NODE + self.words(words) + rounds(NODE),
            Test::Search(_, both) => {
                let chars = self.chars(&both.0);
                NODE + self.words(&both.0) + self.words(&both.1) + SEARCH * chars
            }
            Test::Matches(words, regex) => {
                let per_char = 10 * self.prices.regex(*regex);
                NODE + self.words(words) + per_char * self.chars(words)
            }
            Test::Hits(words, list) => {
                let memo = words.field().map(|field| Memo::Hits(field, *list));
                let search = HITS * self.chars(words);
                NODE + self.words(words) + self.remembered(memo, search)
            }
            Test::Loop { body, .. } => NODE + rounds(self.test(body)),
        }
    }

    fn number(&mut self, number: &Number) -> u64 {
        match number {
            Number::Const(_) | Number::Fail(_) | Number::Now | Number::Count(_) => NODE,
            Number::Read(source) => self.source(source),
            Number::Length(words) => NODE + self.words(words) + SEARCH * self.chars(words),
            Number::Negate(inner) => NODE + self.number(inner),
            Number::Chain(first, rest) => {
                let start = self.number(first);
                rest.iter().fold(start, |sum, (_, next)| sum + NODE + self.number(next))
            }
            Number::Choose(three) => {
                NODE + self.test(&three.0) + self.number(&three.1) + self.number(&three.2)
            }
        }
    }

    fn words(&mut self, words: &Words) -> u64 {
        match words {
            Words::Const(_) | Words::Fail(_) => NODE,
            Words::Read(source) => self.source(source),
            Words::Lower(inner) => NODE + self.words(inner) + SEARCH * self.chars(inner),
            Words::Fold(inner) => {
                let memo = inner.field().map(Memo::Fold);
                let fold = FOLD * self.chars(inner);
                NODE + self.words(inner) + self.remembered(memo, fold)
            }
            Words::Choose(three) => {
                NODE + self.test(&three.0) + self.words(&three.1) + self.words(&three.2)
            }
        }
    }

    /// What is paid where it stands; what is remembered is paid once and aside.
    fn remembered(&mut self, memo: Option<Memo>, price: u64) -> u64 {
        let Some(memo) = memo else { return price };
        self.once += if self.prices.first(memo) { price } else { 0 };
        0
    }

    /// Characters of a text at the most.
    fn chars(&mut self, words: &Words) -> u64 {
        match words {
            Words::Const(text) => text.chars().count() as u64,
            Words::Fail(_) => 0,
            Words::Read(Source::Field(field)) => self.prices.chars(*field),
            Words::Read(_) => OTHER_CHARS,
            Words::Lower(inner) | Words::Fold(inner) => self.chars(inner),
            Words::Choose(three) => self.chars(&three.1).max(self.chars(&three.2)),
        }
    }
}

const fn rounds(body: u64) -> u64 {
    ROUNDS_MAX as u64 * body
}
