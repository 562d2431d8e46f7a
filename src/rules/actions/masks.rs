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
/// added to `rules`. Spans are looked for in `seen`, the text or what a content walker leaves of it;
/// what it left out is covered where it stands inside of a span.
pub(super) fn masked(
    text: &str,
    seen: &str,
    masks: &[RuleMask<'_>],
    frame: &Frame<'_>,
    rules: &mut Rules,
) -> Option<String> {
    let mut spans: Vec<Vec<Range<usize>>> =
        masks.iter().map(|(_, mask)| spans_of(seen, mask, frame)).collect();
    if seen.len() < text.len() {
        let places = places(text, seen);
        for span in spans.iter_mut().flatten() {
            *span = places[span.start]..places[span.end - 1] + 1;
        }
    }
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

/// For each byte of `seen`, where it stands in `text`, of which some characters are left out.
fn places(text: &str, seen: &str) -> Vec<usize> {
    let mut places = Vec::with_capacity(seen.len());
    let mut left = seen.chars();
    let mut next = left.next();
    for (at, character) in text.char_indices() {
        if next == Some(character) {
            places.extend(at..at + character.len_utf8());
            next = left.next();
        }
    }
    places
}

fn spans_of(text: &str, mask: &Mask, frame: &Frame<'_>) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    match &mask.what {
        Masked::Words(lists) => frame.host.spans(text, lists, &mut spans),
        Masked::Pattern(regex) => {
            let found = frame.host.regex(*regex).find_iter(text);
            spans.extend(found.map(|found| found.range()));
        }
    }
    spans.retain(|span| !span.is_empty());
    spans
}
