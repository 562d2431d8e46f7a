//! Tencent messages: a list of typed elements, and such lists nested in merged messages.

use super::element::{Walk, row_of};
use super::pieces::Sink;
use crate::catalogue::plan::{ContentModel, ContentRow};
use crate::event::Value;
use crate::json::Node;
use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;

impl<'a, S: Sink<'a>> Walk<'a, S> {
    /// The body of a message at `depth`.
    pub(super) fn tencent_body(&mut self, body: Node<'a>, depth: usize) {
        if !body.is_list() {
            return;
        }
        if depth > self.model.depth_max {
            return self.sink.incomplete();
        }
        for element in body.items().filter(Node::is_object) {
            if let Some(content) = element.get("MsgContent") {
                self.element(row(self.model, element), content, depth);
            }
        }
    }
}

/// Types of the elements in order, each once.
pub(super) fn types<'a>(
    model: &'a ContentModel,
    body: Node<'a>,
    arena: &'a Bump,
) -> &'a [Value<'a>] {
    let mut types = BumpVec::new_in(arena);
    for element in body.items().filter(Node::is_object) {
        let word = Value::Text(&row(model, element).word);
        if !types.contains(&word) {
            types.push(word);
        }
    }
    types.into_bump_slice()
}

fn row<'a>(model: &'a ContentModel, element: Node<'a>) -> &'a ContentRow {
    row_of(model, element.get("MsgType").and_then(|name| name.text())).row
}
