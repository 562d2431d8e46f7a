//! Conditions: a typed subset of CEL.
//!
//! In: the text of a condition, and [`Names`] that says what the names in it stand for. Out: a
//! compiled expression that is evaluated on a [`Frame`](super::frame::Frame), or the first mistake
//! with its place. What always holds: what compiles fails in four ways only ([`EvalError`]), needs
//! neither recursion over the request nor heap, and gives what CEL gives.
//!
//! The way of a text:
//!
//! * `scan`, `parse`, `ast` – words and signs, then a tree; the `cel` crate reads the grammar
//! * `check`, `fold`, `ir` – names and types, constants computed
//! * `compile`, `scope` – closures over slots
//! * `price` – what it costs at most
//! * `expression` – what the rest of the engine holds

mod ast;
mod check;
mod compile;
mod expression;
mod fold;
mod ir;
mod parse;
mod price;
mod scan;
mod scope;
#[cfg(test)]
pub(in crate::rules) mod testing;
#[cfg(test)]
mod tests;

pub use expression::{Constant, Expr, Operand, Reads};
pub use price::{Memo, Prices};

use super::frame::{FieldId, ListId, RegexId, VarId, WindowId};
use super::schema::{FieldInfo, Root, Scalar};

/// What the names of an expression stand for. Every message of an error is ready for the author, with
/// what may have been meant; it is shown at the place of the name.
pub trait Names {
    /// A field: `msg.sender_id` has the path `sender_id`, `raw.GiftWater.Count` the path
    /// `GiftWater.Count`.
    ///
    /// # Errors
    /// No target of the rule has it.
    fn field(&mut self, root: Root, path: &str) -> Result<(FieldId, FieldInfo), String>;

    /// A list of ids, for `in`.
    ///
    /// # Errors
    /// There is none of that name, or it holds words.
    fn ids(&mut self, name: &str) -> Result<ListId, String>;

    /// A list of words, for `hits()`.
    ///
    /// # Errors
    /// There is none of that name, or it holds ids.
    fn words(&mut self, name: &str) -> Result<ListId, String>;

    /// A window.
    ///
    /// # Errors
    /// There is none of that name.
    fn window(&mut self, name: &str) -> Result<WindowId, String>;

    /// A variable. `Err(None)`: its own expression is broken, which is reported where it stands.
    ///
    /// # Errors
    /// There is none of that name above, or it is broken.
    fn var(&mut self, name: &str) -> Result<(VarId, Scalar), Option<String>>;

    /// A regular expression; equal ones have one id.
    ///
    /// # Errors
    /// It does not compile, is too large, or one too many.
    fn regex(&mut self, pattern: &str) -> Result<RegexId, String>;
}

/// The first mistake in an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExprError {
    /// Byte offset in the expression's text.
    pub offset: usize,
    /// What is wrong; `None`: it was reported elsewhere already.
    pub message: Option<String>,
}

/// What may fail when a condition that compiled is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// An integer leaves 64 bits.
    #[error("overflow")]
    Overflow,
    /// `/` or `%` by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// `x[i]` outside the list.
    #[error("index out of range")]
    OutOfRange,
    /// `exists` or `all` over more than 1,000 items.
    #[error("loop over more than 1,000 items")]
    LoopTooLong,
}

/// Compiles the text of a condition (`wanted` is bool) or of a variable (any single type).
///
/// # Errors
/// The first mistake, with its place.
pub fn compile(
    text: &str,
    wanted: Option<Scalar>,
    names: &mut dyn Names,
) -> Result<Expr, ExprError> {
    let node = parse::parse(text)?;
    let meaning = check::check(text, &node, wanted, names)?;
    Ok(Expr::new(text, meaning))
}

/// A mistake at a byte of the text.
fn wrong(offset: usize, message: impl Into<String>) -> ExprError {
    ExprError { offset, message: Some(message.into()) }
}
