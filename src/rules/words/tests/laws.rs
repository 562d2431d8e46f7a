//! What holds for all lists and texts.

use super::folding::odd_text;
use super::*;
use proptest::prelude::*;

/// Where the words of a list occur, by trying every word at every place; one span per occurrence.
fn naive(fold_as: Fold, token: bool, entries: &[String], text: &str) -> Vec<Range<usize>> {
    let arena = Bump::new();
    let folded = fold(fold_as, text, &arena);
    // The original character of every byte of the folded text.
    let bytes: Vec<Range<usize>> = origins(fold_as, text)
        .flat_map(|(original, bytes)| std::iter::repeat_n(original, bytes))
        .collect();
    let mut spans = Vec::new();
    for entry in entries {
        let word = fold(fold_as, entry, &arena);
        for start in (0..folded.len()).filter(|at| folded[..].is_char_boundary(*at)) {
            if !folded[start..].starts_with(word) {
                continue;
            }
            let end = start + word.len();
            let cut = |inside: Option<char>, outside: Option<char>| {
                inside.is_some_and(is_spaced_letter) && outside.is_some_and(is_spaced_letter)
            };
            let begins = cut(word.chars().next(), folded[..start].chars().next_back());
            let ends = cut(word.chars().next_back(), folded[end..].chars().next());
            if !token || !begins && !ends {
                spans.push(bytes[start].start..bytes[end - 1].end);
            }
        }
    }
    spans
}

/// A text, and lists whose words are mostly parts of it.
fn case() -> impl Strategy<Value = (String, Vec<(Fold, bool, Vec<String>)>)> {
    let folds = [
        Fold::DEFAULT,
        EXACT,
        Fold { gaps: true, ..Fold::DEFAULT },
        Fold { compat: true, ..Fold::DEFAULT },
    ];
    let few = proptest::collection::vec(proptest::sample::select(vec!['a', 'b', '-', '赌']), 1..60)
        .prop_map(String::from_iter);
    prop_oneof![odd_text(), few].prop_flat_map(move |text| {
        let chars: Vec<char> = text.chars().collect();
        let part = (0..=chars.len(), 1..6_usize)
            .prop_map(move |(at, len)| chars.iter().skip(at).take(len).collect::<String>());
        let word =
            prop_oneof![4 => part, 1 => odd_text().prop_map(|text| text.chars().take(4).collect())];
        let list = (
            proptest::sample::select(folds.to_vec()),
            any::<bool>(),
            proptest::collection::vec(word, 0..8),
        );
        (Just(text), proptest::collection::vec(list, 0..6))
    })
}

/// The lists without the words that fold to nothing.
fn usable(mut lists: Vec<(Fold, bool, Vec<String>)>) -> Vec<(Fold, bool, Vec<String>)> {
    for (fold_as, _, entries) in &mut lists {
        entries.retain(|entry| !fold(*fold_as, entry, &Bump::new()).is_empty());
    }
    lists
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_automaton_finds_what_a_naive_search_finds((text, lists) in case()) {
        let lists = usable(lists);
        let entries: Vec<Vec<&str>> = lists
            .iter()
            .map(|(_, _, entries)| entries.iter().map(String::as_str).collect())
            .collect();
        let built: Vec<WordList<'_>> = (0..)
            .zip(lists.iter().zip(&entries))
            .map(|(id, ((fold, token, _), entries))| list(id * 3, *fold, *token, entries))
            .collect();
        let words = words(&built);
        let mut expected = Vec::new();
        for ((fold, token, entries), list) in lists.iter().zip(&built) {
            let naive = naive(*fold, *token, entries, &text);
            if !naive.is_empty() {
                expected.push(list.id.0);
            }
            // Every character that an occurrence holds is covered, and no other.
            let mut spans = Vec::new();
            words.spans(&text, &[list.id], &mut spans);
            prop_assert_eq!(cover(&text, &[('*', &spans)]), cover(&text, &[('*', &naive)]));
            prop_assert!(spans.is_sorted_by(|one, next| one.start <= next.start && one.end <= next.end));
        }
        prop_assert_eq!(hit(&words, &text), expected);
        let all: Vec<ListId> = built.iter().map(|list| list.id).collect();
        let mut spans = Vec::new();
        words.spans(&text, &all, &mut spans);
        let naive: Vec<Range<usize>> = lists
            .iter()
            .flat_map(|(fold, token, entries)| naive(*fold, *token, entries, &text))
            .collect();
        prop_assert_eq!(cover(&text, &[('*', &spans)]), cover(&text, &[('*', &naive)]));
    }

    /// Where the sign neither is dropped nor is in a word, covering leaves nothing to cover. (With
    /// `gaps` a `*` is dropped and what stood apart stands together; beside a `*` there is a border.)
    #[test]
    fn what_is_covered_has_nothing_left_to_cover((text, lists) in case()) {
        for (_, _, entries) in usable(lists) {
            let entries: Vec<&str> =
                entries.iter().map(String::as_str).filter(|word| !word.contains('*')).collect();
            let fold = Fold::DEFAULT;
            let Ok(words) = Words::build(&[list(0, fold, false, &entries)], None) else { continue };
            let mask = |text: &str| {
                let mut spans = Vec::new();
                words.spans(text, &[ListId(0)], &mut spans);
                cover(text, &[('*', &spans)])
            };
            if let Some(covered) = mask(&text) {
                prop_assert_eq!(covered.chars().count(), text.chars().count());
                prop_assert_eq!(mask(&covered), None);
            }
        }
    }
}

#[test]
fn a_scan_touches_no_heap() {
    let slurs: Vec<String> = (0..500).map(|n| format!("slur{n}")).collect();
    let slurs: Vec<&str> = slurs.iter().map(String::as_str).collect();
    let words = words(&[
        list(0, Fold::DEFAULT, false, &["赌博", "casino"]),
        list(1, Fold::DEFAULT, true, &slurs),
    ]);
    let mut arena = Bump::with_capacity(1 << 16);
    let index = words.fold_of(ListId(0)).unwrap();
    for text in ["nothing to see here, 今天天气很好", "SLUR7 and 赌\u{200b}博, \u{fdfa} İ ㎞"]
    {
        let mut hit = false;
        let count = allocation_counter::measure(|| {
            for fold_as in
                [words.folding(index), Fold { compat: true, gaps: true, ..Fold::DEFAULT }]
            {
                let folded = fold(fold_as, text, &arena);
                let hits = words.hits(index, folded, &arena);
                hit |= hits.has(ListId(0)) && hits.has(ListId(1));
            }
        });
        assert_eq!((count.count_total, hit), (0, text.starts_with("SLUR")), "{text}");
        arena.reset();
    }
}

#[test]
fn a_text_made_of_one_letter_stays_cheap_for_words_made_of_it() {
    let words_of_a: Vec<String> = (1..=64).map(|n| "a".repeat(n)).collect();
    let entries: Vec<&str> = words_of_a.iter().map(String::as_str).collect();
    let words =
        words(&[list(0, Fold::DEFAULT, false, &entries), list(1, Fold::DEFAULT, true, &entries)]);
    let text = "a".repeat(1 << 20);
    assert_eq!(hit(&words, &text), [0]);
    let mut spans = Vec::new();
    words.spans(&text, &[ListId(0)], &mut spans);
    assert_eq!(spans, [0..1 << 20]);
}
