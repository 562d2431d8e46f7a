//! How texts are covered.

use super::*;
use proptest::prelude::*;

#[test]
fn every_character_of_a_span_becomes_one_sign() {
    let text = "今晚赌\u{200b}博吗";
    assert_eq!(cover(text, &[('*', &[6..15])]).as_deref(), Some("今晚***吗"));
    assert_eq!(cover(text, &[('某', &[0..3, 15..18])]).as_deref(), Some("某晚赌\u{200b}博某"));
    assert_eq!(cover("abc", &[('*', &[2..3, 0..1])]).as_deref(), Some("*b*"));
    assert_eq!(cover("abc", &[('*', &[0..2, 1..3, 1..3])]).as_deref(), Some("***"));
}

#[test]
fn the_first_mask_gives_the_sign() {
    let masks: &[(char, &[Range<usize>])] = &[('1', &[2..4]), ('2', &[0..3, 3..6]), ('3', &[5..8])];
    assert_eq!(cover("abcdefgh", masks).as_deref(), Some("22112233"));
    let masks: &[(char, &[Range<usize>])] = &[('1', &[0..1, 0..2]), ('2', &[0..3])];
    assert_eq!(cover("abcd", masks).as_deref(), Some("112d"));
}

#[test]
fn nothing_covered_is_nothing_made() {
    assert_eq!(cover("abc", &[]), None);
    assert_eq!(cover("abc", &[('*', &[])]), None);
    assert_eq!(cover("abc", &[('*', &[1..1, 3..3])]), None);
    assert_eq!(cover("", &[('*', &[0..0])]), None);
}

#[test]
fn a_span_beyond_the_text_or_in_a_character_does_no_harm() {
    assert_eq!(cover("赌a", &[('*', &[1..2])]).as_deref(), Some("*a"));
    assert_eq!(cover("ab", &[('*', &[1..9])]).as_deref(), Some("a*"));
    assert_eq!(cover("ab", &[('*', &[5..9])]), None);
}

proptest! {
    #[test]
    fn a_mask_covers_exactly_the_union_and_keeps_the_number_of_characters(
        text in folding::odd_text(),
        masks in proptest::collection::vec(
            proptest::collection::vec((0..60_usize, 0..12_usize), 0..5), 0..4),
    ) {
        let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let border = |at: usize| starts[at.min(starts.len() - 1)];
        let spans: Vec<Vec<Range<usize>>> = masks
            .iter()
            .map(|mask| mask.iter().map(|&(at, len)| border(at)..border(at + len)).collect())
            .collect();
        let signs = ['1', '二', '3', '4'];
        let masks: Vec<(char, &[Range<usize>])> =
            signs.into_iter().zip(spans.iter().map(|spans| &spans[..])).collect();
        let naive: String = text
            .char_indices()
            .map(|(at, c)| {
                let covers = |mask: &&(char, &[Range<usize>])| {
                    mask.1.iter().any(|span| span.contains(&at))
                };
                masks.iter().find(covers).map_or(c, |mask| mask.0)
            })
            .collect();
        let any = spans.iter().flatten().any(|span| !span.is_empty());
        prop_assert_eq!(cover(&text, &masks), any.then_some(naive));
    }
}
