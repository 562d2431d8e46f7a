//! Writes a message's body again with its texts edited.
//!
//! In: a body and an edit that is shown every piece that reading reports, as received and whole,
//! also behind the cut. Out: the body with the edited pieces.
//! What always holds: all other bytes of the document are those received; JSON that stands in a
//! text of it, and had a piece changed, is compact JSON from then on; a number that is edited
//! becomes a text; an edit that changes no piece changes nothing.
//!
//! The walk is that of reading. It notes replacements by their place in the document's text, so that
//! nothing else needs to be written out again. Of equal member names only the last value was read,
//! so a body that has such (and one with unpaired surrogates) is written without what was not read:
//! an edit cannot be got round by saying things twice.

use super::element::{Walk, row_of};
use super::pieces::{Sink, reported};
use crate::catalogue::plan::{ContentForm, ContentModel};
use crate::json::{Json, Node, compact, push_text};
use bumpalo::Bump;
use std::ops::Range;

/// Why a piece that the edit wants to change cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// It is OpenIM content, or content of a nested message, that is no JSON object: no client
    /// would understand what we make of it. Deny, or send `rest` and say so.
    #[error("a text to change stands in content that is no JSON object")]
    NotAnObject {
        /// The body with all other pieces edited; `None` when nothing else changed.
        rest: Option<String>,
        /// Which of the pieces that the edit was shown they are, counted from 0.
        pieces: Vec<usize>,
    },
}

/// The OpenIM content `body` of a message with type `code`, edited; `None` when nothing changed. The
/// edit gives the new text of a piece, or `None` to leave it.
///
/// # Errors
/// See [`Unwritable`]; only when the edit changes such a piece.
pub fn rewrite_openim<'a>(
    model: &'a ContentModel,
    code: Option<&str>,
    body: &'a str,
    edit: &mut dyn FnMut(&str) -> Option<String>,
    arena: &'a Bump,
) -> Result<Option<String>, Unwritable> {
    let mut walk = Walk { model, arena, sink: Rewriter::new(edit, arena) };
    walk.openim_text(row_of(model, code), body, None, 0);
    let pieces = std::mem::take(&mut walk.sink.unwritable);
    let document = walk.sink.open.pop().and_then(Document::spliced);
    // White space around the document is outside of its root.
    let space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
    let before = &body[..body.len() - body.trim_start_matches(space).len()];
    let behind = &body[body.trim_end_matches(space).len()..];
    let rest = document.map(|document| [before, &document, behind].concat());
    if pieces.is_empty() { Ok(rest) } else { Err(Unwritable::NotAnObject { rest, pieces }) }
}

/// The Tencent `MsgBody` of a message, edited; `None` when nothing changed, or it is no list. All
/// its pieces can be written.
pub fn rewrite_tencent<'a>(
    model: &'a ContentModel,
    body: Node<'a>,
    edit: &mut dyn FnMut(&str) -> Option<String>,
    arena: &'a Bump,
) -> Option<String> {
    let mut walk = Walk { model, arena, sink: Rewriter::new(edit, arena) };
    walk.sink.enter(body);
    walk.tencent_body(body, 0);
    walk.sink.open.pop().and_then(Document::spliced)
}

/// The field `text` of a body that was rewritten: OpenIM content with its type code, or the JSON of
/// a Tencent `MsgBody`.
#[must_use]
pub fn text_after<'a>(
    model: &'a ContentModel,
    code: Option<&str>,
    rewritten: &'a str,
    arena: &'a Bump,
) -> Option<&'a str> {
    match model.form {
        ContentForm::OpenIm => super::openim_text(model, code, rewritten, arena).text,
        ContentForm::Tencent => {
            let body = arena.alloc(Json::read(rewritten, arena).ok()?).root();
            super::read_tencent(model, Some(body), arena)?.text
        }
    }
}

/// Notes what an edit changes.
struct Rewriter<'e, 'a> {
    edit: &'e mut dyn FnMut(&str) -> Option<String>,
    arena: &'a Bump,
    /// The document, and those in texts of the one before.
    open: Vec<Document<'a>>,
    /// Number of pieces shown to the edit.
    shown: usize,
    unwritable: Vec<usize>,
}

impl<'e, 'a> Rewriter<'e, 'a> {
    fn new(edit: &'e mut dyn FnMut(&str) -> Option<String>, arena: &'a Bump) -> Self {
        Self { edit, arena, open: Vec::new(), shown: 0, unwritable: Vec::new() }
    }

    /// Writes `text` over the value `place` of the open document.
    fn replace(&mut self, place: Node<'a>, text: &str) {
        if let Some(document) = self.open.last_mut() {
            let place = place_in(document.source, place.source());
            let mut json = Vec::with_capacity(text.len() + 2);
            push_text(text, &mut json);
            document.replacements.push((place, json));
        }
    }
}

impl<'a> Sink<'a> for Rewriter<'_, 'a> {
    fn piece(&mut self, text: &'a str, place: Option<Node<'a>>) {
        if reported(text, self.arena).is_none() {
            return;
        }
        let number = self.shown;
        self.shown += 1;
        let Some(edited) = (self.edit)(text).filter(|edited| edited != text) else {
            return;
        };
        match place {
            Some(place) => self.replace(place, &edited),
            None => self.unwritable.push(number),
        }
    }

    fn enter(&mut self, root: Node<'a>) {
        self.open.push(Document { source: root.source(), replacements: Vec::new() });
    }

    fn leave(&mut self, holder: Node<'a>) {
        if let Some(spliced) = self.open.pop().and_then(Document::spliced) {
            self.replace(holder, &compacted(spliced));
        }
    }
}

/// A document's text and the JSON that takes the place of parts of it, in reading order.
struct Document<'a> {
    source: &'a str,
    replacements: Vec<(Range<usize>, Vec<u8>)>,
}

impl Document<'_> {
    /// The text with all replacements; `None` when there are none.
    fn spliced(mut self) -> Option<String> {
        if self.replacements.is_empty() {
            return None;
        }
        self.replacements.sort_by_key(|(place, _)| place.start);
        let source = self.source.as_bytes();
        let mut out = Vec::with_capacity(source.len() + 64);
        let mut at = 0;
        for (place, json) in self.replacements {
            // Two paths of a row may meet in one value; it is written once.
            if place.start >= at {
                out.extend_from_slice(&source[at..place.start]);
                out.extend_from_slice(&json);
                at = place.end;
            }
        }
        out.extend_from_slice(&source[at..]);
        Some(String::from_utf8(out).expect("values are cut out and put in whole"))
    }
}

/// Where `part`, a slice of `whole`, stands in it.
fn place_in(whole: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}

/// The compact form of a JSON text.
fn compacted(json: String) -> String {
    let arena = Bump::new();
    let mut out = Vec::with_capacity(json.len());
    if let Ok(read) = Json::read(&json, &arena) {
        compact(read.root(), &mut out);
        return String::from_utf8(out).expect("texts in, texts out");
    }
    json
}
