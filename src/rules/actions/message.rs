//! Masks over the pieces of a message.
//!
//! In: an intent with a message, and masks. Out: the message's body written again. What always holds:
//! pieces are those that the content walker finds, each masked by itself and whole; a piece that
//! cannot be written is told with the rules that wanted it covered.

use super::super::Intent;
use super::super::frame::Frame;
use super::field::Rules;
use super::masks::{RuleMask, masked};
use crate::catalogue::plan::{ContentForm, ContentPlan};
use crate::json::Node;
use crate::normalise::content::{
    Unwritable, reported, rewrite_openim, rewrite_tencent, text_after,
};
use crate::normalise::request::{Message, message};
use crate::verdict::Change;

/// What masks make of a message.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    /// The new body; `None` when it is the old one.
    pub(super) change: Option<Change>,
    /// Rules that had a part in it.
    pub(super) rules: Rules,
    /// Rules that wanted something covered where nothing can be written.
    pub(super) unmaskable: Rules,
}

/// Masks the message of an intent; without a message there is nothing to mask.
pub(super) fn mask_message(
    intent: &Intent<'_>,
    masks: &[RuleMask<'_>],
    frame: &Frame<'_>,
) -> Rewritten {
    let found = message(intent.known, intent.arena);
    let (Some(content), Some(message)) = (&intent.known.plan.content, found) else {
        return Rewritten::default();
    };
    // By number of the piece: the rules that covered something in it.
    let mut by_piece: Vec<Rules> = Vec::new();
    let mut edit = |piece: &str| {
        let mut rules = Rules::new();
        let seen = reported(piece, intent.arena);
        let covered = seen.and_then(|seen| masked(piece, seen, masks, frame, &mut rules));
        by_piece.push(rules);
        covered
    };
    let (body, unwritable) = rewrite(content, message, &mut edit, intent);
    let mut rewritten = Rewritten::default();
    for (number, rules) in by_piece.into_iter().enumerate() {
        if unwritable.binary_search(&number).is_ok() {
            rewritten.unmaskable.extend(rules);
        } else {
            rewritten.rules.extend(rules);
        }
    }
    rewritten.change = body.map(|body| {
        let kept = intent.arena.alloc_str(&body);
        let text = text_after(&content.model, message.code, kept, intent.arena);
        Change::Content { text: text.unwrap_or_default().to_owned(), body }
    });
    rewritten
}

/// The body with its pieces edited, if that changes it, and numbers of pieces that cannot be, in order.
fn rewrite<'a>(
    content: &'a ContentPlan,
    message: Message<'a>,
    edit: &mut dyn FnMut(&str) -> Option<String>,
    intent: &Intent<'a>,
) -> (Option<String>, Vec<usize>) {
    match content.model.form {
        ContentForm::OpenIm => {
            let body = message.body.text().unwrap_or_default();
            match rewrite_openim(&content.model, message.code, body, edit, intent.arena) {
                Ok(body) => (body, Vec::new()),
                Err(Unwritable::NotAnObject { rest, pieces }) => (rest, pieces),
            }
        }
        ContentForm::Tencent => {
            let list = Some(message.body).filter(Node::is_list);
            let body =
                list.and_then(|list| rewrite_tencent(&content.model, list, edit, intent.arena));
            (body, Vec::new())
        }
    }
}
