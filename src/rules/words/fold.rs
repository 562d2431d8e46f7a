//! Takes away the differences between a text and a word that do not count.
//!
//! In: a text and a [`Fold`]. Out: the folded text, the text itself when nothing changes, and on demand
//! which original character each folded byte comes from. What always holds: every character is folded
//! by itself, in the order invisible, gaps, compat, width, case, so that folding a text is folding its
//! parts; U+000A stays, so that the parts of a message stay apart; nothing touches the heap.

use crate::rules::source::file::Fold;
use bumpalo::Bump;
use bumpalo::collections::String as BumpString;
use std::ops::Range;
use unicode_normalization::char::{canonical_combining_class, compose, decompose_compatible};

/// Whether nobody sees the character: a control character but tab, line feed and carriage return, or
/// one that Unicode calls default-ignorable.
#[must_use]
pub const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{8}'
            | '\u{b}'..='\u{c}'
            | '\u{e}'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Whether the character is a space or a sign that people put between the letters of a word. A line
/// feed is none: it stands between the parts of a message.
#[must_use]
pub const fn is_gap(c: char) -> bool {
    matches!(
        c,
        '\u{9}' | '\u{d}' | '\u{20}'..='\u{2f}' | '\u{3a}'..='\u{40}' | '\u{5b}'..='\u{60}'
            | '\u{7b}'..='\u{7e}'
            | '\u{a0}'
            | '\u{b7}'
            | '\u{2000}'..='\u{206f}'
            | '\u{3000}'..='\u{303f}'
            | '\u{ff01}'..='\u{ff0f}'
            | '\u{ff1a}'..='\u{ff20}'
            | '\u{ff3b}'..='\u{ff40}'
            | '\u{ff5b}'..='\u{ff65}'
    )
}

/// The text in this folding; the text itself when nothing changes.
#[must_use]
pub fn fold<'a>(fold: Fold, text: &'a str, arena: &'a Bump) -> &'a str {
    let folder = Folder::new(fold);
    let same = folder.unchanged(text);
    if same == text.len() {
        return text;
    }
    let mut folded = BumpString::with_capacity_in(text.len(), arena);
    folded.push_str(&text[..same]);
    for c in text[same..].chars() {
        folder.each(c, |c| folded.push(c));
    }
    folded.into_bump_str()
}

/// The characters of a text, in order: where each stands, and how many bytes of the folded text come
/// from it.
pub fn origins(fold: Fold, text: &str) -> impl Iterator<Item = (Range<usize>, usize)> {
    let folder = Folder::new(fold);
    text.char_indices().map(move |(start, c)| {
        let mut bytes = 0;
        folder.each(c, |c| bytes += c.len_utf8());
        (start..start + c.len_utf8(), bytes)
    })
}

/// Where spans of the folded text come from: each from the first to the last original character that
/// gave it a byte, with all that was dropped in between. `folded` is sorted and its spans do not
/// overlap; so are those added to `spans`, but for two that come from one character.
pub(super) fn unfold(
    fold: Fold,
    text: &str,
    folded: &[Range<usize>],
    spans: &mut Vec<Range<usize>>,
) {
    let mut wanted = folded.iter().filter(|span| !span.is_empty()).peekable();
    let mut begin = None;
    let mut at = 0;
    for (original, bytes) in origins(fold, text) {
        at += bytes;
        while let Some(span) = wanted.peek() {
            if at <= span.start {
                break;
            }
            let start = *begin.get_or_insert(original.start);
            if at < span.end {
                break;
            }
            spans.push(start..original.end);
            begin = None;
            wanted.next();
        }
        if wanted.peek().is_none() {
            return;
        }
    }
}

/// What an ASCII character becomes when it is dropped.
const DROPPED: u8 = 0x80;

/// What becomes of the ASCII characters, by foldings that differ in it.
static ASCII: [[u8; 128]; 8] = {
    let mut tables = [[0; 128]; 8];
    let mut index = 0;
    while index < 8 {
        let mut byte = 0_u8;
        while byte < 128 {
            let c = byte as char;
            let dropped = index & 1 != 0 && is_invisible(c) || index & 2 != 0 && is_gap(c);
            let lower = if index & 4 != 0 { byte.to_ascii_lowercase() } else { byte };
            tables[index][byte as usize] = if dropped { DROPPED } else { lower };
            byte += 1;
        }
        index += 1;
    }
    tables
};

/// A folding, ready to be applied.
#[derive(Clone, Copy)]
struct Folder {
    fold: Fold,
    ascii: &'static [u8; 128],
}

impl Folder {
    fn new(fold: Fold) -> Self {
        let index =
            usize::from(fold.invisible) | usize::from(fold.gaps) << 1 | usize::from(fold.case) << 2;
        Self { fold, ascii: &ASCII[index] }
    }

    /// Length of the beginning that folding leaves as it is.
    fn unchanged(self, text: &str) -> usize {
        let mut at = 0;
        loop {
            let rest = &text[at..];
            let ascii = |byte: &u8| self.ascii.get(usize::from(*byte)) == Some(byte);
            at += rest.bytes().position(|byte| !ascii(&byte)).unwrap_or(rest.len());
            for c in text[at..].chars() {
                if c.is_ascii() {
                    break;
                }
                if !self.keeps(c) {
                    return at;
                }
                at += c.len_utf8();
            }
            match text.as_bytes().get(at) {
                Some(byte) if ascii(byte) => {}
                _ => return at,
            }
        }
    }

    /// Whether a character that is not ASCII stays as it is.
    #[inline]
    fn keeps(self, c: char) -> bool {
        if is_plain(c) {
            return true;
        }
        let mut same = false;
        let mut first = true;
        self.each(c, |folded| {
            same = first && folded == c;
            first = false;
        });
        same
    }

    /// Gives what becomes of a character.
    #[inline]
    fn each(self, c: char, mut put: impl FnMut(char)) {
        match self.ascii.get(c as usize) {
            Some(&DROPPED) => {}
            Some(&byte) => put(char::from(byte)),
            None if is_plain(c) => put(c),
            None => match lower(c) {
                Some(lower) => put(if self.fold.case { lower } else { c }),
                None => self.other(c, put),
            },
        }
    }

    /// The same for one that is none of the frequent ones.
    fn other(self, c: char, mut put: impl FnMut(char)) {
        if self.fold.invisible && is_invisible(c) || self.fold.gaps && is_gap(c) {
            return;
        }
        if self.fold.compat {
            nfkc(c, |c| self.narrow_and_lower(c, &mut put));
        } else {
            self.narrow_and_lower(c, &mut put);
        }
    }

    #[inline]
    fn narrow_and_lower(self, c: char, put: &mut impl FnMut(char)) {
        let c = if self.fold.width { narrow(c) } else { c };
        if self.fold.case && !is_caseless(c) {
            c.to_lowercase().for_each(put);
        } else {
            put(c);
        }
    }
}

/// Whether no folding ever changes the character: Arabic, Devanagari and Thai letters, kana, ideographs
/// and Hangul syllables, which most texts in scripts without case are made of.
#[inline]
const fn is_plain(c: char) -> bool {
    matches!(
        c,
        '\u{621}'..='\u{652}'
            | '\u{904}'..='\u{94d}'
            | '\u{e01}'..='\u{e32}'
            | '\u{e34}'..='\u{e5b}'
            | '\u{3041}'..='\u{3096}'
            | '\u{30a1}'..='\u{30fa}'
            | '\u{3400}'..='\u{9fff}'
            | '\u{ac00}'..='\u{d7a3}'
    )
}

/// The lower case of a letter of the scripts with case that most texts are made of; nothing but case
/// ever changes these letters.
#[inline]
const fn lower(c: char) -> Option<char> {
    let away = match c {
        '\u{c0}'..='\u{d6}'
        | '\u{d8}'..='\u{de}'
        | '\u{391}'..='\u{3a1}'
        | '\u{3a3}'..='\u{3ab}'
        | '\u{410}'..='\u{42f}' => 0x20,
        '\u{400}'..='\u{40f}' => 0x50,
        '\u{df}'..='\u{ff}' | '\u{3ac}'..='\u{3ce}' | '\u{430}'..='\u{45f}' => 0,
        _ => return None,
    };
    char::from_u32(c as u32 + away)
}

/// Whether the character is in a stretch of Unicode without upper case: from Hebrew to Burmese, and
/// from the CJK signs to Yi. The table of lower cases takes ten times as long to say so.
#[inline]
const fn is_caseless(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{109f}' | '\u{2e80}'..='\u{a63f}')
}

/// The half-width form of a full-width character.
#[inline]
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32(u32::from(c) - 0xfee0).expect("U+0021 to U+007E are characters")
        }
        '\u{3000}' => ' ',
        _ => c,
    }
}

/// The longest decomposition of one character has this many: that of U+FDFA.
const DECOMPOSED_MAX: usize = 18;

/// The NFKC form of one character. The crate's own iterator keeps longer forms on the heap.
fn nfkc(c: char, put: impl FnMut(char)) {
    let mut chars = ['\0'; DECOMPOSED_MAX];
    let mut len = 0;
    // Decompositions come in canonical order.
    decompose_compatible(c, |part| {
        chars[len] = part;
        len += 1;
    });
    let mut kept = 0;
    // The last character that others can join, and the class of the last one kept behind it.
    let mut starter = None;
    let mut class_before = 0;
    for at in 0..len {
        let part = chars[at];
        let class = canonical_combining_class(part);
        if let Some(starter) = starter
            && (kept == starter + 1 || class_before < class)
            && let Some(joined) = compose(chars[starter], part)
        {
            chars[starter] = joined;
            continue;
        }
        chars[kept] = part;
        if class == 0 {
            starter = Some(kept);
        }
        class_before = class;
        kept += 1;
    }
    chars[..kept].iter().copied().for_each(put);
}
