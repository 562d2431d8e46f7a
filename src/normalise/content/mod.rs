//! What a message says: its type, its texts, its addresses; and the same message with texts changed.
//!
//! In: the body of a message, the type code that OpenIM sends beside it, the content tables of the
//! catalogue. Out: [`Content`], or a new body. One walker per provider serves both, so what is
//! changed is exactly what is read: same places, same order, same depth. What always holds: `text`
//! has at most `text_bytes_max` bytes and `media_urls` at most `urls_max` addresses without repeats;
//! recursion is bounded by `depth_max` messages of `json::DEPTH_MAX` levels each.
//!
//! Rows here are walked from the element, so their paths have no root: all steps are in `steps`.
//!
//! Read next: `element` (one element by its row), `openim` and `tencent` (messages in messages),
//! `pieces` (what reading gathers), `rewrite` (what changing writes).

mod element;
mod openim;
mod pieces;
mod rewrite;
mod tencent;

pub use pieces::reported;
pub use rewrite::{Unwritable, rewrite_openim, rewrite_tencent, text_after};

use crate::catalogue::plan::ContentModel;
use crate::event::Value;
use crate::json::Node;
use bumpalo::Bump;
use element::Walk;
use pieces::{Gather, Sink};

/// Fields of a message's content.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Content<'a> {
    /// `content_type`: the type of the message, `mixed` when there is not exactly one.
    pub content_type: Option<&'a str>,
    /// `content_types`: types of the top-level elements in order, each once; maybe empty.
    pub content_types: &'a [Value<'a>],
    /// `text`: all pieces, joined by line feeds and cut.
    pub text: Option<&'a str>,
    /// `text_incomplete`: something could not be read; a field only when true.
    pub text_incomplete: bool,
    /// `media_urls`: addresses of media and links; a field only when not empty.
    pub media_urls: &'a [Value<'a>],
}

/// Content of an OpenIM message: `code` is the id text of its type, `body` its content, which
/// counts as empty text when it is anything but a text. There is always a type.
#[must_use]
pub fn read_openim<'a>(
    model: &'a ContentModel,
    code: Option<&str>,
    body: Option<Node<'a>>,
    arena: &'a Bump,
) -> Content<'a> {
    openim_text(model, code, body.and_then(|body| body.text()).unwrap_or_default(), arena)
}

/// As [`read_openim`], from the content's text.
fn openim_text<'a>(
    model: &'a ContentModel,
    code: Option<&str>,
    body: &'a str,
    arena: &'a Bump,
) -> Content<'a> {
    let chosen = element::row_of(model, code);
    let mut walk = Walk { model, arena, sink: Gather::new(model, arena) };
    match openim::only_text(chosen, body) {
        Some(text) => walk.sink.piece(text, None),
        None => walk.openim_text(chosen, body, None, 0),
    }
    let types = arena.alloc_slice_copy(&[Value::Text(&chosen.row.word)]);
    walk.sink.finish(types)
}

/// Content of a Tencent message; `None`, so no content fields at all, when `body` is no list.
#[must_use]
pub fn read_tencent<'a>(
    model: &'a ContentModel,
    body: Option<Node<'a>>,
    arena: &'a Bump,
) -> Option<Content<'a>> {
    let body = body.filter(Node::is_list)?;
    let mut walk = Walk { model, arena, sink: Gather::new(model, arena) };
    walk.tencent_body(body, 0);
    let types = tencent::types(model, body, arena);
    Some(walk.sink.finish(types))
}

#[cfg(test)]
mod tests;
