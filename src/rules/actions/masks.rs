//! Covers words and patterns in one text.
//!
//! In: a text and the masks of several rules, in their order. Out: the text covered, and which rules
//! had a part in it. What always holds: the number of characters stays, and so does every character
//! outside of all spans.

use super::super::frame::Frame;
use super::super::words::cover;
use super::field::Rules;
use super::{Mask, Masked};
use std::ops::Range;

/// A mask and the place of its rule among those that count.
pub(super) type RuleMask<'m> = (usize, &'m Mask);

/// The text covered by all masks; `None` when that changes nothing. Rules that covered something are
/// added to `rules`.
pub(super) fn masked(
    text: &str,
    masks: &[RuleMask<'_>],
    frame: &Frame<'_>,
    rules: &mut Rules,
) -> Option<String> {
    let spans: Vec<Vec<Range<usize>>> =
        masks.iter().map(|(_, mask)| spans_of(text, mask, frame)).collect();
    let signs: Vec<(char, &[Range<usize>])> =
        masks.iter().zip(&spans).map(|((_, mask), spans)| (mask.with, &**spans)).collect();
    let covered = cover(text, &signs).filter(|covered| covered != text)?;
    for ((rule, mask), spans) in masks.iter().zip(&spans) {
        let differs = |span: &Range<usize>| text[span.clone()].chars().any(|c| c != mask.with);
        if spans.iter().any(differs) {
            rules.insert(*rule);
        }
    }
    Some(covered)
}

fn spans_of(text: &str, mask: &Mask, frame: &Frame<'_>) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    match &mask.what {
        Masked::Words(lists) => frame.host.spans(text, lists, &mut spans),
        Masked::Pattern(regex) => {
            let found = frame.host.regex(*regex).find_iter(text);
            spans.extend(found.map(|found| found.range()).filter(|span| !span.is_empty()));
        }
    }
    spans
}
