//! One element of a message by the row of its type.
//!
//! In: an element's object and its row. Out: pieces, addresses and marks, given to a [`Sink`] in the
//! order of the contract: `text` paths, `loose` paths, addresses, then what is nested.

use super::pieces::Sink;
use crate::catalogue::plan::{ContentModel, ContentRow};
use crate::json::{Json, Kind, Node};
use crate::normalise::path;
use bumpalo::Bump;

/// A walk through one message.
pub(super) struct Walk<'a, S> {
    pub(super) model: &'a ContentModel,
    pub(super) arena: &'a Bump,
    pub(super) sink: S,
}

/// The row of a type code.
#[derive(Clone, Copy)]
pub(super) struct Chosen<'a> {
    pub(super) row: &'a ContentRow,
    /// The code lies in a range: only the type is known, nothing of the body is read.
    pub(super) unread: bool,
}

/// The row of `code`: its own, that of its range, or that of all others.
pub(super) fn row_of<'a>(model: &'a ContentModel, code: Option<&str>) -> Chosen<'a> {
    let Some(code) = code else {
        return Chosen { row: &model.other, unread: false };
    };
    if let Some(row) = model.types.get(code) {
        return Chosen { row, unread: false };
    }
    let digits = code.bytes().all(|byte| byte.is_ascii_digit());
    let number = code.parse::<u64>().ok().filter(|_| digits);
    let mut ranges = model.ranges.iter();
    let range = number.and_then(|n| ranges.find(|(from, to, _)| (*from..=*to).contains(&n)));
    match range {
        Some((_, _, row)) => Chosen { row, unread: true },
        None => Chosen { row: &model.other, unread: false },
    }
}

impl<'a, S: Sink<'a>> Walk<'a, S> {
    /// Everything that `row` takes of `element`, which is part of a message at `depth`.
    pub(super) fn element(&mut self, row: &'a ContentRow, element: Node<'a>, depth: usize) {
        for path in &row.text {
            path::visit(element, &path.steps, &mut |node| self.plain(node));
        }
        for path in &row.loose {
            path::visit(element, &path.steps, &mut |node| self.loose(node));
        }
        if row.loose_all {
            texts_in(element, &mut |node| self.loose(node));
        }
        for path in &row.urls {
            path::visit(element, &path.steps, &mut |node| {
                if let Some(url) = node.text().filter(|url| !url.is_empty()) {
                    self.sink.url(url);
                }
            });
        }
        if let Some(name) = &row.hidden
            && let Some(node) = element.get_hashed(&name.text, name.hash)
            && !node.is_null()
            && node.source() != "\"\""
        {
            self.sink.incomplete();
        }
        for path in &row.messages {
            path::visit(element, &path.steps, &mut |node| self.openim_message(node, depth + 1));
        }
        for path in &row.bodies {
            path::visit(element, &path.steps, &mut |node| self.tencent_body(node, depth + 1));
        }
    }

    /// A text or a number.
    fn plain(&mut self, node: Node<'a>) {
        if let Some(text) = node.text().or_else(|| node.literal()) {
            self.sink.piece(text, Some(node));
        }
    }

    /// As [`Self::plain`]; but a text that is a JSON object or list stands for all texts in it.
    fn loose(&mut self, node: Node<'a>) {
        let Some(text) = node.text() else {
            return self.plain(node);
        };
        let Some(inner) = self.container(text) else {
            return self.sink.piece(text, Some(node));
        };
        self.sink.enter(inner);
        texts_in(inner, &mut |inner| self.plain(inner));
        self.sink.leave(node);
    }

    /// The JSON object or list that `text` is.
    fn container(&self, text: &'a str) -> Option<Node<'a>> {
        let first = text.bytes().find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        if !matches!(first, Some(b'{' | b'[')) {
            return None;
        }
        let json = Json::read(text, self.arena).ok()?;
        Some(self.arena.alloc(json).root())
    }
}

/// Shows `each` every text in `node`, itself included, in order; names are none. Depth is bounded by
/// `json::DEPTH_MAX`, so recursion is too.
fn texts_in<'a>(node: Node<'a>, each: &mut impl FnMut(Node<'a>)) {
    match node.kind() {
        Kind::Text => each(node),
        Kind::Object => node.members().for_each(|member| texts_in(member.value, each)),
        Kind::List => node.items().for_each(|item| texts_in(item, each)),
        _ => {}
    }
}
