//! What walkers give their finds to, and the one that gathers them into fields.
//!
//! In: pieces, addresses and marks in reading order. Out: [`Content`]. What always holds: a single
//! piece without control characters goes out as it is, borrowed; no more than the limits is ever
//! kept, however much a body holds.

use super::Content;
use crate::catalogue::plan::ContentModel;
use crate::event::Value;
use crate::json::Node;
use bumpalo::Bump;
use bumpalo::collections::{String as BumpString, Vec as BumpVec};

/// Takes what a walk finds.
pub(super) trait Sink<'a> {
    /// A piece as received; `place` is the value it stands in, if another text can be written there.
    fn piece(&mut self, text: &'a str, place: Option<Node<'a>>);
    /// A JSON document begins: places until the matching [`Self::leave`] are in it. The outermost
    /// one is never left.
    fn enter(&mut self, _root: Node<'a>) {}
    /// The document entered last is done; `holder` is the text of the outer one that it stands in.
    fn leave(&mut self, _holder: Node<'a>) {}
    /// An address, not empty.
    fn url(&mut self, _url: &'a str) {}
    /// Something is there that cannot be read.
    fn incomplete(&mut self) {}
}

/// The piece as it is reported: without control characters but tab, line feed and carriage return;
/// `None` when nothing but white space is left.
#[must_use]
pub fn reported<'a>(piece: &'a str, arena: &'a Bump) -> Option<&'a str> {
    let dropped = |b: u8| (b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r')) || b == 0x7f;
    let mut text = piece;
    // Most pieces have none: one pass without branches says so.
    if piece.bytes().fold(false, |any, b| any | dropped(b)) {
        let mut kept = BumpString::with_capacity_in(piece.len(), arena);
        kept.extend(piece.chars().filter(|c| u8::try_from(*c).map_or(true, |b| !dropped(b))));
        text = kept.into_bump_str();
    }
    (!text.chars().all(char::is_whitespace)).then_some(text)
}

/// Gathers pieces and addresses.
pub(super) struct Gather<'a> {
    model: &'a ContentModel,
    arena: &'a Bump,
    text: Joined<'a>,
    urls: BumpVec<'a, Value<'a>>,
    incomplete: bool,
}

enum Joined<'a> {
    Nothing,
    One(&'a str),
    More(BumpString<'a>),
    /// The limit is passed; nothing is added any more.
    Cut(&'a str),
}

impl<'a> Gather<'a> {
    pub(super) fn new(model: &'a ContentModel, arena: &'a Bump) -> Self {
        let urls = BumpVec::new_in(arena);
        Self { model, arena, text: Joined::Nothing, urls, incomplete: false }
    }

    /// The fields; `types` are those of the top-level elements.
    pub(super) fn finish(self, types: &'a [Value<'a>]) -> Content<'a> {
        let (text, cut) = match self.text {
            Joined::Nothing => (None, false),
            Joined::One(text) => (Some(text), false),
            Joined::More(text) => (Some(text.into_bump_str()), false),
            Joined::Cut(text) => (Some(text), true),
        };
        let content_type = match types {
            [Value::Text(word)] => word,
            _ => "mixed",
        };
        Content {
            content_type: Some(content_type),
            content_types: types,
            text,
            text_incomplete: self.incomplete || cut,
            media_urls: self.urls.into_bump_slice(),
        }
    }
}

impl<'a> Sink<'a> for Gather<'a> {
    fn piece(&mut self, text: &'a str, _: Option<Node<'a>>) {
        if matches!(self.text, Joined::Cut(_)) {
            return;
        }
        let Some(piece) = reported(text, self.arena) else {
            return;
        };
        let max = self.model.text_bytes_max;
        let mut joined = match std::mem::replace(&mut self.text, Joined::Nothing) {
            Joined::Nothing => {
                let short = &piece[..piece.floor_char_boundary(max)];
                let whole = short.len() == piece.len();
                self.text = if whole { Joined::One(piece) } else { Joined::Cut(short) };
                return;
            }
            Joined::One(first) => {
                let mut joined =
                    BumpString::with_capacity_in(first.len() + piece.len(), self.arena);
                joined.push_str(first);
                joined
            }
            Joined::More(joined) => joined,
            Joined::Cut(_) => return,
        };
        for part in ["\n", piece] {
            let short = &part[..part.floor_char_boundary(max - joined.len())];
            joined.push_str(short);
            if short.len() < part.len() {
                self.text = Joined::Cut(joined.into_bump_str());
                return;
            }
        }
        self.text = Joined::More(joined);
    }

    fn url(&mut self, url: &'a str) {
        let url = Value::Text(url);
        if self.urls.len() < self.model.urls_max && !self.urls.contains(&url) {
            self.urls.push(url);
        }
    }

    fn incomplete(&mut self) {
        self.incomplete = true;
    }
}
