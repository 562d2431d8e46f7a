//! Finding words of one list in texts, against the bare automaton.
//!
//! In: how many words. Out: a row per length of text. What always holds: both see the same folded
//! text and the same words, and no word is in it.

use super::{Effort, least, show};
use bumpalo::Bump;
use daachorse::CharwiseDoubleArrayAhoCorasick;
use imbridge::rules::frame::ListId;
use imbridge::rules::source::file::Fold;
use imbridge::rules::words::{WordList, Words};
use std::collections::BTreeSet;
use std::hint::black_box;

/// First of the characters that words are made of.
const FIRST: u32 = 0x4e00;
/// How many of them there are.
const LETTERS: u32 = 2_000;

/// Shows the rows.
pub fn compare(effort: Effort, count: usize) {
    let mut random = fastrand::Rng::with_seed(7);
    let letter = |random: &mut fastrand::Rng| {
        char::from_u32(FIRST + random.u32(..LETTERS)).expect("a CJK character")
    };
    let mut set = BTreeSet::new();
    while set.len() < count {
        let length = random.usize(2..=5);
        set.insert((0..length).map(|_| letter(&mut random)).collect::<String>());
    }
    let words: Vec<&str> = set.iter().map(String::as_str).collect();
    let id = ListId(0);
    let list = WordList { id, fold: Fold::DEFAULT, token: false, entries: &words };
    let ours = Words::build(&[list], None).expect("plain words");
    let bare: CharwiseDoubleArrayAhoCorasick<u32> =
        CharwiseDoubleArrayAhoCorasick::new(&words).expect("plain words");
    let fold = ours.fold_of(id).expect("a list of words");
    for length in [50, 500, 2_000] {
        let text = text_without(&bare, length, || letter(&mut random));
        let mut arena = Bump::with_capacity(1 << 12);
        let mut with_ours = || {
            arena.reset();
            assert!(!ours.hits(fold, black_box(&text), &arena).has(id), "no word is in it");
        };
        let mut with_bare = || {
            let found = bare.find_overlapping_iter(black_box(&text)).next();
            assert!(found.is_none(), "no word is in it");
        };
        let [ours_ns, bare_ns] = least(effort, [&mut with_ours, &mut with_bare]);
        show(&format!("{count} words, {length} characters"), ours_ns, bare_ns);
    }
}

/// A text in which no word occurs.
fn text_without(
    bare: &CharwiseDoubleArrayAhoCorasick<u32>,
    length: usize,
    mut letter: impl FnMut() -> char,
) -> String {
    let mut text = String::new();
    while text.chars().count() < length {
        text.push(letter());
        if bare.find_overlapping_iter(&text).next().is_some() {
            text.pop();
        }
    }
    text
}
