//! OpenIM messages: JSON in a text, by the code of the content type; and messages nested in them.
//!
//! A nested message carries its content twice in some releases: as the object of its type
//! (`textElem`), which is read, and as `content` text, which is read only when there is no object.

use super::element::{Chosen, Walk, row_of};
use super::pieces::Sink;
use crate::catalogue::plan::Step;
use crate::json::{Json, Node};

/// The text of the most frequent message, `{"content":"…"}` without escapes, found without reading
/// JSON: when the row takes nothing but one member, and that is all there is.
pub(super) fn only_text<'a>(chosen: Chosen<'_>, body: &'a str) -> Option<&'a str> {
    let row = chosen.row;
    let [path] = &*row.text else {
        return None;
    };
    let [Step::Member(wanted)] = &*path.steps else {
        return None;
    };
    let more = row.loose_all
        || row.hidden.is_some()
        || !(row.loose.is_empty() && row.urls.is_empty() && row.messages.is_empty());
    if chosen.unread || more {
        return None;
    }
    let inner = body.strip_prefix("{\"")?.strip_suffix("\"}")?;
    let value = inner.strip_prefix(&*wanted.text)?.strip_prefix("\":\"")?;
    let plain = |text: &str| !text.bytes().any(|byte| matches!(byte, ..0x20 | b'"' | b'\\'));
    (plain(&wanted.text) && plain(value)).then_some(value)
}

impl<'a, S: Sink<'a>> Walk<'a, S> {
    /// The content of a message at `depth`; `place` is the text that holds it when that is part of a
    /// larger document.
    pub(super) fn openim_text(
        &mut self,
        chosen: Chosen<'a>,
        text: &'a str,
        place: Option<Node<'a>>,
        depth: usize,
    ) {
        if text.is_empty() || chosen.unread {
            return;
        }
        let Ok(json) = Json::read(text, self.arena) else {
            return self.sink.piece(text, None);
        };
        let root = self.arena.alloc(json).root();
        if !root.is_object() {
            return self.sink.piece(root.text().unwrap_or(text), None);
        }
        self.sink.enter(root);
        self.element(chosen.row, root, depth);
        if let Some(place) = place {
            self.sink.leave(place);
        }
    }

    /// A message in a message; `depth` is its own.
    pub(super) fn openim_message(&mut self, message: Node<'a>, depth: usize) {
        if !message.is_object() {
            return;
        }
        if depth > self.model.depth_max {
            return self.sink.incomplete();
        }
        let code = message.get("contentType").and_then(|code| id(code));
        let chosen = row_of(self.model, code);
        let model = self.model;
        let own = code.and_then(|code| model.elements.get(code));
        let name = own.or_else(|| model.element_ranges.get(&chosen.row.word));
        let element = name.and_then(|name| message.get_hashed(&name.text, name.hash));
        if let Some(element) = element.filter(Node::is_object) {
            if !chosen.unread {
                self.element(chosen.row, element, depth);
            }
        } else if let Some(content) = message.get("content")
            && let Some(text) = content.text()
        {
            self.openim_text(chosen, text, Some(content), depth);
        }
    }
}

/// The coercion `id`.
fn id(node: Node<'_>) -> Option<&str> {
    node.text().filter(|text| !text.is_empty()).or_else(|| node.is_integer().then(|| node.source()))
}
