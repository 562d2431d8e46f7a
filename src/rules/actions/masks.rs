//! Covers words and patterns in one text.
//!
//! In: a text and the masks of several rules, in their order. Out: the text covered, and which rules
//! had a part in it. What always holds: the number of characters stays, and so does every character
//! outside of all spans.

use super::super::frame::Frame;
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

/// Covers the union of all spans: every character in it becomes its mask's sign, that of the first
/// mask where they overlap. `None` when nothing is covered.
fn cover(text: &str, masks: &[(char, &[Range<usize>])]) -> Option<String> {
    let mut spans: Vec<(usize, usize, usize)> = Vec::new();
    for (order, (_, ranges)) in masks.iter().enumerate() {
        spans.extend(ranges.iter().map(|range| (range.start, range.end, order)));
    }
    spans.retain(|(start, end, _)| start < end);
    if spans.is_empty() {
        return None;
    }
    spans.sort_unstable();
    let mut covered = String::with_capacity(text.len());
    // Of every mask only how far its spans reach so far matters.
    let mut reach = vec![0; masks.len()];
    let mut next = spans.into_iter().peekable();
    for (at, character) in text.char_indices() {
        while let Some((_, end, order)) = next.next_if(|(start, ..)| *start <= at) {
            reach[order] = reach[order].max(end);
        }
        let over = reach.iter().position(|end| *end > at);
        covered.push(over.map_or(character, |order| masks[order].0));
    }
    Some(covered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `masks`: signs with their spans.
    fn covered(text: &str, masks: &[(char, &[(usize, usize)])]) -> Option<String> {
        let spans: Vec<Vec<Range<usize>>> = masks
            .iter()
            .map(|(_, spans)| spans.iter().map(|(start, end)| *start..*end).collect())
            .collect();
        let masks: Vec<(char, &[Range<usize>])> =
            masks.iter().zip(&spans).map(|((sign, _), spans)| (*sign, &**spans)).collect();
        cover(text, &masks)
    }

    #[test]
    fn overlapping_spans_are_covered_once_and_the_first_mask_gives_the_sign() {
        assert_eq!(covered("abcdef", &[('*', &[(1, 3), (2, 4)])]).as_deref(), Some("a***ef"));
        assert_eq!(
            covered("abcdef", &[('*', &[(2, 4)]), ('#', &[(0, 3), (3, 5)])]).as_deref(),
            Some("##**#f")
        );
        assert_eq!(covered("赌博x", &[('*', &[(0, 6)])]).as_deref(), Some("**x"));
        assert_eq!(covered("ab", &[('*', &[]), ('#', &[(1, 1)])]), None);
        assert_eq!(covered("", &[('*', &[])]), None);
    }

    proptest! {
        #[test]
        fn every_character_in_a_span_is_covered_and_no_other(
            text in "[a赌ß\u{1F600}*]{0,12}",
            picks in prop::collection::vec((0_usize..3, 0_usize..13, 0_usize..13), 0..6),
        ) {
            let mut borders: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            borders.push(text.len());
            let mut ranges = vec![Vec::new(); 3];
            for (mask, from, to) in picks {
                let (from, to) = (from.min(to), from.max(to));
                if to < borders.len() {
                    ranges[mask].push(borders[from]..borders[to]);
                }
            }
            let signs = ['*', '#', '博'];
            let masks: Vec<(char, &[Range<usize>])> =
                signs.into_iter().zip(ranges.iter().map(|ranges| &**ranges)).collect();
            let expected: String = text.char_indices().map(|(at, character)| {
                let over = masks.iter().find(|(_, spans)| spans.iter().any(|span| span.contains(&at)));
                over.map_or(character, |(sign, _)| *sign)
            }).collect();
            let any = masks.iter().any(|(_, spans)| spans.iter().any(|span| !span.is_empty()));
            prop_assert_eq!(cover(&text, &masks), any.then_some(expected));
        }
    }
}
