//! Covers parts of a text with signs.
//!
//! In: a text and the spans of each mask, in the order in which masks count. Out: the text with every
//! character of a span replaced by one sign. What always holds: the number of characters stays, what
//! is in no span stays, and the first mask gives the sign where several cover a character.

use std::collections::BTreeMap;
use std::ops::Range;

/// The text with all spans covered, or `None` when they cover nothing. Spans are in bytes, in any
/// order, and may overlap and repeat; a character that is partly in a span is covered.
#[must_use]
pub fn cover(text: &str, masks: &[(char, &[Range<usize>])]) -> Option<String> {
    let edges = edges(text, masks);
    let mut covered = String::with_capacity(text.len());
    // How often each mask is open at the place reached.
    let mut open: BTreeMap<usize, usize> = BTreeMap::new();
    let mut at = 0;
    for edge in &edges {
        let part = &text[at..edge.at];
        match open.keys().next() {
            None => covered.push_str(part),
            Some(&mask) => covered.extend(part.chars().map(|_| masks[mask].0)),
        }
        at = edge.at;
        if edge.opens {
            *open.entry(edge.mask).or_default() += 1;
        } else {
            let times = open.get_mut(&edge.mask).expect("a span begins before it ends");
            *times -= 1;
            if *times == 0 {
                open.remove(&edge.mask);
            }
        }
    }
    covered.push_str(&text[at..]);
    (!edges.is_empty()).then_some(covered)
}

/// Where a span begins or ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    at: usize,
    /// Beginnings sort behind ends, so that a mask is open no more often than its spans overlap.
    opens: bool,
    mask: usize,
}

/// The ends of all spans that hold something, in order and on borders of characters.
fn edges(text: &str, masks: &[(char, &[Range<usize>])]) -> Vec<Edge> {
    let mut edges = Vec::new();
    for (mask, (_, spans)) in masks.iter().enumerate() {
        for span in *spans {
            let end = text.ceil_char_boundary(span.end);
            let start = text.floor_char_boundary(span.start).min(end);
            if span.start < span.end && start < end {
                edges.push(Edge { at: start, opens: true, mask });
                edges.push(Edge { at: end, opens: false, mask });
            }
        }
    }
    edges.sort_unstable();
    edges
}
