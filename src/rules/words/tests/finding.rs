//! Which words occur, and where.

use super::*;

const GAPS: Fold = Fold { gaps: true, ..Fold::DEFAULT };
const COMPAT: Fold = Fold { compat: true, ..Fold::DEFAULT };

#[test]
fn a_word_occurs_where_its_folded_form_is_part_of_the_folded_text() {
    let banned = ["赌博", "加微信", "Casino"];
    for text in
        ["今晚赌博吗", "CASINO", "mycasinos", "ｃａｓｉｎｏ", "加\u{200b}微信", "赌\u{fe0f}博"]
    {
        assert!(occurs(Fold::DEFAULT, false, &banned, text), "{text}");
    }
    for text in ["", "赌 博", "赌", "casin", "加微\n信", "ⓒasino"] {
        assert!(!occurs(Fold::DEFAULT, false, &banned, text), "{text}");
    }
    assert!(!occurs(EXACT, false, &banned, "casino"));
    assert!(occurs(COMPAT, false, &banned, "ⓒasino"));
    assert!(occurs(GAPS, false, &banned, "赌 。博"));
    // Parts of a message stay apart.
    assert!(!occurs(GAPS, false, &banned, "赌\n博"));
}

#[test]
fn words_are_folded_too() {
    assert!(occurs(Fold::DEFAULT, false, &["Ｃ\u{200b}ASINO"], "casino"));
    assert!(occurs(GAPS, false, &["c a s i n o"], "casino"));
    assert!(occurs(Fold::DEFAULT, false, &["STRASSE"], "Strasse"));
    assert!(!occurs(Fold::DEFAULT, false, &["STRASSE"], "Straße"));
    assert!(occurs(Fold::DEFAULT, false, &["İstanbul"], "İSTANBUL"));
}

#[test]
fn a_token_stands_between_borders() {
    for text in
        ["ass", "ASS", "an ass.", "(ass)", "ass_x", "傻ass", "ass傻", "ass\nx", "assess ass"]
    {
        assert!(occurs(Fold::DEFAULT, true, &["ass"], text), "{text}");
    }
    for text in ["class", "assess", "ass1", "1ass", "assä", "äass", "ＡＳＳＡ", "жass", "assع"]
    {
        assert!(!occurs(Fold::DEFAULT, true, &["ass"], text), "{text}");
        assert!(occurs(Fold::DEFAULT, false, &["ass"], text), "{text}");
    }
}

#[test]
fn what_folding_drops_makes_no_border() {
    assert!(!occurs(Fold::DEFAULT, true, &["ass"], "cl\u{200b}ass"));
    assert!(occurs(Fold::DEFAULT, true, &["ass"], "傻\u{200b}ass"));
    // A part of what one character becomes has letters beside it.
    assert!(!occurs(COMPAT, true, &["m"], "㎞"));
    assert!(occurs(COMPAT, true, &["km"], "5㎞".trim_start_matches('5')));
}

#[test]
fn only_spaced_letters_ask_for_borders() {
    // No border is needed at an end that is a sign or a letter of a script without spaces.
    assert!(occurs(Fold::DEFAULT, true, &["傻逼"], "你傻逼啊"));
    assert!(occurs(Fold::DEFAULT, true, &["$ass"], "a$ass"));
    assert!(!occurs(Fold::DEFAULT, true, &["$ass"], "a$assb"));
    assert!(occurs(Fold::DEFAULT, true, &["傻x"], "啊傻x啊"));
    assert!(!occurs(Fold::DEFAULT, true, &["傻x"], "傻xy"));
    for c in ['a', 'Z', '7', 'ä', 'я', 'ع', 'क', 'ა', '①'] {
        assert!(is_spaced_letter(c), "{c}");
    }
    for c in ['ไ', 'ລ', 'ၐ', 'ក', '中', 'あ', '각', '豈', 'ｱ', '𠀀', '-', ' ', '_', '\u{301}', '😀']
    {
        assert!(!is_spaced_letter(c), "{c}");
    }
}

#[test]
fn a_shorter_word_counts_where_a_longer_one_has_no_border() {
    // "x-ass" has a letter before it, "ass" that ends at the same place has not.
    assert!(occurs(Fold::DEFAULT, true, &["x-ass", "ass"], "yx-ass"));
    assert_eq!(found(Fold::DEFAULT, true, &["x-ass", "ass"], "yx-ass x-ass"), ["ass", "x-ass"]);
}

#[test]
fn one_scan_answers_for_lists_with_and_without_borders() {
    let words = words(&[
        list(0, Fold::DEFAULT, true, &["ass", "gold"]),
        list(3, Fold::DEFAULT, false, &["ass"]),
        list(4, Fold::DEFAULT, false, &["class"]),
        list(5, EXACT, false, &["Class"]),
        list(9, Fold::DEFAULT, true, &[]),
        list(70, Fold::DEFAULT, false, &["s", "ass"]),
    ]);
    assert_eq!(words.folds(), 2);
    assert_eq!(hit(&words, "first class"), [3, 4, 70]);
    assert_eq!(hit(&words, "first Class"), [3, 4, 5, 70]);
    assert_eq!(hit(&words, "ass"), [0, 3, 70]);
    assert_eq!(hit(&words, "golden gold"), [0]);
    assert_eq!(hit(&words, "golden"), [0; 0]);
    assert_eq!(words.fold_of(ListId(5)).map(|index| words.folding(index)), Some(EXACT));
    assert_eq!(words.fold_of(ListId(70)).map(|index| words.folding(index)), Some(Fold::DEFAULT));
    assert_eq!((words.fold_of(ListId(1)), words.fold_of(ListId(700))), (None, None));
}

#[test]
fn no_lists_have_no_hits() {
    let words = words(&[]);
    let mut spans = Vec::new();
    words.spans("text", &[ListId(0)], &mut spans);
    assert_eq!((words.folds(), spans.len()), (0, 0));
    assert!(!Hits::default().has(ListId(0)));
}

#[test]
fn spans_go_from_the_first_to_the_last_original_character() {
    let found = |fold, text| found(fold, false, &["赌博", "gold"], text);
    assert_eq!(found(Fold::DEFAULT, "x赌\u{200b}博\u{200b}y"), ["赌\u{200b}博"]);
    assert_eq!(found(Fold::DEFAULT, "\u{200b}ＧＯ\u{ad}ＬＤ!"), ["ＧＯ\u{ad}ＬＤ"]);
    assert_eq!(found(GAPS, "a 赌 - 博 b"), ["赌 - 博"]);
    assert_eq!(found(EXACT, "gold Gold"), ["gold"]);
    assert_eq!(found(COMPAT, "ⓖ𝐨ld"), ["ⓖ𝐨ld"]);
}

#[test]
fn a_word_in_a_part_of_what_a_character_becomes_takes_the_whole_character() {
    assert_eq!(found(COMPAT, false, &["mx"], "5㎞x"), ["㎞x"]);
    assert_eq!(found(COMPAT, false, &["5k"], "5㎞x"), ["5㎞"]);
    // Both halves of one character are words.
    assert_eq!(found(COMPAT, false, &["5k", "m"], "5㎞x"), ["5㎞", "㎞"]);
}

#[test]
fn occurrences_that_overlap_are_one_span_and_those_that_touch_are_two() {
    assert_eq!(found(Fold::DEFAULT, false, &["aba", "bab"], "xababax"), ["ababa"]);
    assert_eq!(found(Fold::DEFAULT, false, &["ab", "cd"], "abcd"), ["ab", "cd"]);
    // What was dropped between them belongs to neither.
    assert_eq!(found(Fold::DEFAULT, false, &["ab", "cd"], "ab\u{200b}cd"), ["ab", "cd"]);
    assert_eq!(found(Fold::DEFAULT, false, &["ab", "cd", "bc"], "ab\u{200b}cd"), ["ab\u{200b}cd"]);
    // A long word swallows what was found inside.
    assert_eq!(found(Fold::DEFAULT, false, &["b", "d", "abcde"], "abcdef d"), ["abcde", "d"]);
}

#[test]
fn spans_are_those_of_the_lists_that_are_asked_for() {
    let words = words(&[
        list(0, Fold::DEFAULT, false, &["gold"]),
        list(1, Fold::DEFAULT, false, &["old"]),
        list(2, EXACT, true, &["GOLD"]),
    ]);
    let spans = |lists: &[u16]| {
        let lists: Vec<ListId> = lists.iter().copied().map(ListId).collect();
        let mut spans = vec![0..0];
        words.spans("a gold GOLD", &lists, &mut spans);
        spans.split_off(1)
    };
    assert_eq!(spans(&[0]), [2..6, 7..11]);
    assert_eq!(spans(&[1]), [3..6, 8..11]);
    assert_eq!(spans(&[2]), [7..11]);
    assert_eq!(spans(&[0, 1]), [2..6, 7..11]);
    assert!(spans(&[]).is_empty());
    assert!(spans(&[7]).is_empty());
    let mut both = spans(&[1, 2]);
    both.sort_by_key(|span| span.start);
    assert_eq!(both, [3..6, 7..11, 8..11]);
}

#[test]
fn every_entry_that_cannot_be_used_is_named() {
    let long = "长".repeat(65);
    let fits = "长".repeat(64);
    let one = ["ok", "", "\u{200b}", &long, &fits];
    let other = ["-", "·"];
    let lists = [list(2, Fold::DEFAULT, false, &one), list(1, GAPS, false, &other)];
    let faults = Words::build(&lists, None).err().expect("some cannot be used");
    let named: Vec<_> =
        faults.iter().map(|fault| (fault.list.0, fault.entry, fault.kind)).collect();
    assert_eq!(
        named,
        [
            (1, 0, FaultKind::Empty),
            (1, 1, FaultKind::Empty),
            (2, 1, FaultKind::Empty),
            (2, 2, FaultKind::Empty),
            (2, 3, FaultKind::Long(65)),
        ]
    );
    assert_eq!(named[4].2.to_string(), "has 65 characters, at most 64 are allowed");
    // A sign is a word where gaps count.
    assert!(occurs(Fold::DEFAULT, false, &other, "a-b"));
}

#[test]
fn lists_and_files_have_a_size() {
    let full = vec!["a"; LIST_WORDS_MAX + 1];
    let list = |id, size| list(id, Fold::DEFAULT, false, &full[..size]);
    let first = |lists: &[WordList<'_>]| {
        Words::build(lists, None)
            .err()
            .map(|faults| (faults.len(), faults[0].list.0, faults[0].entry, faults[0].kind))
    };
    assert_eq!(first(&[list(0, 200_001)]), Some((1, 0, 200_000, FaultKind::ListFull)));
    assert_eq!(first(&[list(0, 200_000), list(1, 200_000), list(2, 100_000)]), None);
    let beyond = [list(0, 200_000), list(1, 200_000), list(2, 100_001), list(3, 1)];
    assert_eq!(first(&beyond), Some((1, 2, 100_000, FaultKind::FileFull)));
}

#[test]
fn what_did_not_change_is_shared_and_not_built_again() {
    let slurs = ["ass", "傻逼"];
    let old = words(&[
        list(0, Fold::DEFAULT, false, &["gold"]),
        list(1, EXACT, false, &slurs),
        list(2, EXACT, true, &slurs),
    ]);
    // Another place in the file, another order of the lists, another list beside them.
    let lists = [list(3, EXACT, true, &slurs), list(7, EXACT, false, &slurs)];
    let more = [lists[0], lists[1], list(0, Fold::DEFAULT, false, &["gold", "silver"])];
    let new = Words::build(&more, Some(&old)).unwrap();
    let automaton = |words: &Words, list: u16| {
        let index = words.fold_of(ListId(list)).unwrap();
        Arc::clone(&words.folds[usize::from(index.0)].parts[0].automaton)
    };
    assert!(Arc::ptr_eq(&automaton(&old, 1), &automaton(&new, 3)));
    assert!(!Arc::ptr_eq(&automaton(&old, 0), &automaton(&new, 0)));
    assert_eq!(hit(&new, "silver 傻逼 class"), [0, 3, 7]);
    assert_eq!(hit(&new, "class"), [7]);
    // One that now asks for borders is another one.
    let changed = Words::build(&[list(1, EXACT, true, &slurs), lists[1]], Some(&old)).unwrap();
    assert_eq!(hit(&changed, "class"), [7]);
}

#[test]
fn a_test_replaces_the_entries_of_a_list_and_shares_the_others() {
    let old = words(&[
        list(0, Fold::DEFAULT, false, &["gold"]),
        list(1, Fold::DEFAULT, false, &["silver"]),
        list(2, EXACT, false, &["iron"]),
    ]);
    let new = old.with_replaced(&[list(1, Fold::DEFAULT, true, &["tin"])]).unwrap();
    assert_eq!(hit(&new, "gold silver iron"), [0, 2]);
    assert_eq!(hit(&new, "TIN and iron"), [1, 2]);
    let mut spans = Vec::new();
    new.spans("gold silver tin", &[ListId(0), ListId(1)], &mut spans);
    assert_eq!(spans, [0..4, 12..15]);
    assert!(Arc::ptr_eq(&old.folds[0].parts[0].automaton, &new.folds[0].parts[0].automaton));
    let emptied = new.with_replaced(&[list(1, Fold::DEFAULT, false, &[])]).unwrap();
    assert_eq!(hit(&emptied, "gold silver tin"), [0]);
    assert_eq!(hit(&old, "silver tin"), [1]);
}
