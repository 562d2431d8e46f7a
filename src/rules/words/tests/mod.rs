//! What lists of words promise.

#![expect(clippy::single_range_in_vec_init, reason = "spans are ranges, and one is enough")]

mod finding;
mod folding;
mod laws;
mod masking;

use super::*;

/// No difference is left out.
const EXACT: Fold =
    Fold { invisible: false, width: false, case: false, compat: false, gaps: false };

fn list<'a>(id: u16, fold: Fold, token: bool, entries: &'a [&'a str]) -> WordList<'a> {
    WordList { id: ListId(id), fold, token, entries }
}

fn words(lists: &[WordList<'_>]) -> Words {
    Words::build(lists, None).expect("the lists are right")
}

/// Lists that have a word in the text as received.
fn hit(words: &Words, text: &str) -> Vec<u16> {
    let arena = Bump::new();
    let hits: Vec<Hits<'_>> = (0..words.folds())
        .map(|index| {
            let index = FoldIndex(u8::try_from(index).unwrap());
            words.hits(index, fold(words.folding(index), text, &arena), &arena)
        })
        .collect();
    (0..1000).filter(|list| hits.iter().any(|hits| hits.has(ListId(*list)))).collect()
}

/// Whether a list of these words occurs in the text.
fn occurs(fold: Fold, token: bool, entries: &[&str], text: &str) -> bool {
    hit(&words(&[list(0, fold, token, entries)]), text) == [0]
}

/// The parts of the text that words of the list occur in.
fn found<'a>(fold: Fold, token: bool, entries: &[&str], text: &'a str) -> Vec<&'a str> {
    let mut spans = Vec::new();
    words(&[list(0, fold, token, entries)]).spans(text, &[ListId(0)], &mut spans);
    spans.into_iter().map(|span| &text[span]).collect()
}
