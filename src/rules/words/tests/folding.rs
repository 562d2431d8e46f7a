//! What folding takes away, and what it leaves.

use super::*;
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

const COMPAT: Fold = Fold { compat: true, ..Fold::DEFAULT };
const ALL: Fold = Fold { compat: true, gaps: true, ..Fold::DEFAULT };

fn all_folds() -> impl Iterator<Item = Fold> {
    (0..32).map(|bits| Fold {
        invisible: bits & 1 != 0,
        width: bits & 2 != 0,
        case: bits & 4 != 0,
        compat: bits & 8 != 0,
        gaps: bits & 16 != 0,
    })
}

fn folded(fold_as: Fold, text: &str) -> String {
    fold(fold_as, text, &Bump::new()).to_owned()
}

/// Word for word what the design says.
fn naive(fold: Fold, text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let invisible = INVISIBLE.iter().any(|range| range.contains(&u32::from(c)));
        let gap = GAPS.iter().any(|range| range.contains(&u32::from(c)));
        if fold.invisible && invisible || fold.gaps && gap {
            continue;
        }
        let compat: Vec<char> = if fold.compat { c.to_string().nfkc().collect() } else { vec![c] };
        for mut c in compat {
            if fold.width {
                c = match u32::from(c) {
                    code @ 0xff01..=0xff5e => char::from_u32(code - 0xfee0).unwrap(),
                    0x3000 => ' ',
                    _ => c,
                };
            }
            if fold.case {
                out.extend(c.to_lowercase());
            } else {
                out.push(c);
            }
        }
    }
    out
}

const INVISIBLE: &[std::ops::RangeInclusive<u32>] = &[
    0..=8,
    0xb..=0xc,
    0xe..=0x1f,
    0x7f..=0x9f,
    0xad..=0xad,
    0x34f..=0x34f,
    0x61c..=0x61c,
    0x115f..=0x1160,
    0x17b4..=0x17b5,
    0x180b..=0x180f,
    0x200b..=0x200f,
    0x202a..=0x202e,
    0x2060..=0x206f,
    0x3164..=0x3164,
    0xfe00..=0xfe0f,
    0xfeff..=0xfeff,
    0xffa0..=0xffa0,
    0xfff0..=0xfff8,
    0x1_bca0..=0x1_bca3,
    0x1_d173..=0x1_d17a,
    0xe_0000..=0xe_0fff,
];

const GAPS: &[std::ops::RangeInclusive<u32>] = &[
    9..=9,
    0xd..=0xd,
    0x20..=0x2f,
    0x3a..=0x40,
    0x5b..=0x60,
    0x7b..=0x7e,
    0xa0..=0xa0,
    0xb7..=0xb7,
    0x2000..=0x206f,
    0x3000..=0x303f,
    0xff01..=0xff0f,
    0xff1a..=0xff20,
    0xff3b..=0xff40,
    0xff5b..=0xff65,
];

#[test]
fn every_character_is_folded_as_the_design_says() {
    let only_compat = Fold { compat: true, ..EXACT };
    let only_case = Fold { case: true, ..EXACT };
    let mut bytes = [0; 4];
    // Behind the last ideograph come variation selectors and private use.
    let all = ('\0'..'\u{33480}').chain('\u{e0000}'..='\u{e1000}').chain(['\u{f0000}', char::MAX]);
    for c in all {
        let text = &*c.encode_utf8(&mut bytes);
        for fold in [Fold::DEFAULT, ALL, only_compat, only_case] {
            assert_eq!(folded(fold, text), naive(fold, text), "{c:?} {:x} {fold:?}", u32::from(c));
        }
    }
}

#[test]
fn a_text_that_folding_does_not_change_is_given_back_itself() {
    let arena = Bump::new();
    for text in ["", "hello, world 7", "今晚赌博吗", "mixed 中文 and кириллица", "a\nb\tc\r"]
    {
        let folded = fold(Fold::DEFAULT, text, &arena);
        assert!(std::ptr::eq(folded, text), "{text}");
    }
    assert_eq!(arena.allocated_bytes(), 0);
}

#[test]
fn case_is_that_of_one_character() {
    for (text, lower) in [
        ("GoLD", "gold"),
        ("ß", "ß"),
        ("ẞ", "ß"),
        ("İ", "i\u{307}"),
        // No final form: the letter does not see its neighbours.
        ("ΟΔΟΣ", "οδοσ"),
        ("ς", "ς"),
        ("ǅ", "ǆ"),
        ("ÀÉ", "àé"),
        ("ДА", "да"),
        ("Ⅻ", "ⅻ"),
        ("𐐀", "𐐨"),
        ("K", "k"),
    ] {
        assert_eq!(folded(Fold::DEFAULT, text), lower, "{text}");
        assert_eq!(folded(EXACT, text), text);
    }
}

#[test]
fn width_is_that_of_latin_letters_and_the_space() {
    assert_eq!(folded(Fold::DEFAULT, "Ｇｏｌｄ１～"), "gold1~");
    assert_eq!(folded(Fold::DEFAULT, "a\u{3000}b"), "a b");
    assert_eq!(folded(Fold { case: false, ..Fold::DEFAULT }, "ＧｏＬＤ"), "GoLD");
    assert_eq!(folded(Fold { width: false, ..Fold::DEFAULT }, "Ｇ"), "ｇ");
    // Half-width kana and signs stay.
    assert_eq!(folded(Fold::DEFAULT, "ｱ｡￥"), "ｱ｡￥");
}

#[test]
fn invisible_characters_go_and_white_space_stays() {
    assert_eq!(folded(Fold::DEFAULT, "g\u{200b}o\u{ad}l\u{fe0f}d\u{e0041}\0"), "gold");
    assert_eq!(
        folded(Fold::DEFAULT, "a\tb\nc\rd e\u{a0}f\u{2028}g"),
        "a\tb\nc\rd e\u{a0}f\u{2028}g"
    );
    assert_eq!(folded(EXACT, "g\u{200b}"), "g\u{200b}");
}

#[test]
fn compat_is_the_form_of_one_character_and_nothing_is_composed() {
    for (text, plain) in
        [("ⓖ", "g"), ("𝐠", "g"), ("㎞", "km"), ("ﬃ", "ffi"), ("①", "1"), ("ｱ", "ア")]
    {
        assert_eq!(folded(COMPAT, text), plain, "{text}");
    }
    assert_eq!(folded(COMPAT, "e\u{301}"), "e\u{301}");
    assert_eq!(folded(COMPAT, "ｶﾞ"), "カ\u{3099}");
    // The longest decomposition.
    assert_eq!(folded(COMPAT, "\u{fdfa}").chars().count(), 18);
    // The gaps are those of the text, not those that a form has.
    assert_eq!(folded(ALL, "a…\u{fe50}b"), "a,b");
}

#[test]
fn gaps_go_and_the_border_between_parts_stays() {
    let gaps = Fold { gaps: true, ..Fold::DEFAULT };
    assert_eq!(folded(gaps, "赌 ·博-！a_b。c～\u{3000}d"), "赌博abcd");
    assert_eq!(folded(gaps, "赌\n博"), "赌\n博");
    assert_eq!(folded(gaps, "1+1=２"), "112");
}

#[test]
fn origins_are_the_characters_of_the_text_with_what_they_gave() {
    let text = "Ａ\u{200b}㎞b";
    let origins: Vec<_> = origins(COMPAT, text).collect();
    assert_eq!(origins, [(0..3, 1), (3..6, 0), (6..9, 2), (9..10, 1)]);
}

/// Texts with much that folding changes.
pub(super) fn odd_text() -> impl Strategy<Value = String> {
    let odd =
        "aAbB ßİΣςǅＡｂ１\u{3000}赌博あガ각ｱﾞ\u{200b}\u{ad}\u{fe0f}㎞ⓖ\u{fdfa}é\u{301}\n\t\0-_·。…я";
    let one = proptest::sample::select(odd.chars().collect::<Vec<_>>());
    let any = prop_oneof![8 => one, 1 => any::<char>()];
    proptest::collection::vec(any, 0..40).prop_map(String::from_iter)
}

proptest! {
    #[test]
    fn any_text_is_folded_as_the_design_says(text in odd_text()) {
        for fold in all_folds() {
            prop_assert_eq!(folded(fold, &text), naive(fold, &text));
        }
    }

    #[test]
    fn folding_a_text_is_folding_its_parts(one in odd_text(), other in odd_text()) {
        for fold in all_folds() {
            let parts = folded(fold, &one) + &folded(fold, &other);
            prop_assert_eq!(folded(fold, &format!("{one}{other}")), parts);
        }
    }

    #[test]
    fn origins_cover_both_texts(text in odd_text()) {
        for fold in all_folds() {
            let mut at = 0;
            let mut bytes = 0;
            for (original, given) in origins(fold, &text) {
                prop_assert_eq!(original.start, at);
                at = original.end;
                bytes += given;
            }
            prop_assert_eq!(at, text.len());
            prop_assert_eq!(bytes, folded(fold, &text).len());
        }
    }
}
