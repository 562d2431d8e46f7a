//! Finds the words of several lists in a folded text, all in one scan.
//!
//! In: folded words with the lists that have them. Out: which lists have a word in a text, and where.
//! What always holds: a scan visits each character once and touches no heap; of the words that end at
//! one place only the longest is looked at, unless a list asks for borders. What that word stands for
//! is worked out when the automaton is built: the lists of all words that it ends with.
//!
//! Lists are numbered as the builder of the automaton numbers them: those that look anywhere first,
//! behind them those that ask for borders.

use super::bits;
use daachorse::CharwiseDoubleArrayAhoCorasick;
use daachorse::errors::DaachorseError;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::ops::Range;

/// Whether the character belongs to the words of a script that puts spaces between them. An
/// occurrence that is cut out of such letters is no word of its own.
#[must_use]
pub fn is_spaced_letter(c: char) -> bool {
    c.is_alphanumeric()
        && !matches!(
            c,
            '\u{e00}'..='\u{eff}'
                | '\u{1000}'..='\u{109f}'
                | '\u{1780}'..='\u{17ff}'
                | '\u{2e80}'..='\u{a4cf}'
                | '\u{ac00}'..='\u{d7ff}'
                | '\u{f900}'..='\u{faff}'
                | '\u{ff66}'..='\u{ff9f}'
                | '\u{20000}'..='\u{3ffff}'
        )
}

/// Number of a list within an automaton.
pub(super) type Local = u16;

/// The words of some lists.
pub(super) struct Automaton {
    /// `None` without words.
    machine: Option<CharwiseDoubleArrayAhoCorasick<u32>>,
    words: Box<[Word]>,
    sets: Sets,
    /// Lists from this one on ask for borders.
    bordered: Local,
}

/// A folded word.
struct Word {
    /// Lists that have it.
    own: SetIndex,
    /// Lists that have it or a word that it ends with.
    all: SetIndex,
    /// The longest other word that it ends with, or [`NONE`].
    shorter: u32,
    bytes: u16,
    begins_spaced: bool,
    ends_spaced: bool,
}

/// No word.
const NONE: u32 = u32::MAX;

type SetIndex = u32;

impl Automaton {
    /// The automaton of these lists of folded words, none of them empty. Lists from `bordered` on ask
    /// for borders.
    ///
    /// # Errors
    /// The words are too many for one automaton.
    pub(super) fn build(lists: &[Vec<&str>], bordered: Local) -> Result<Self, DaachorseError> {
        let mut numbers: HashMap<&str, u32, RandomState> = HashMap::default();
        let mut texts = Vec::new();
        let mut members = Vec::new();
        for (list, entries) in (0..).zip(lists) {
            for &text in entries {
                let number = *numbers.entry(text).or_insert_with(|| {
                    texts.push(text);
                    u32::try_from(texts.len() - 1).expect("a file has far fewer words")
                });
                members.push((number, list));
            }
        }
        drop(numbers);
        members.sort_unstable();
        members.dedup();
        let mut sets = SetsMaker::default();
        let own = members.chunk_by(|one, next| one.0 == next.0).map(|lists| {
            let lists: Vec<Local> = lists.iter().map(|member| member.1).collect();
            sets.index(lists)
        });
        let own: Vec<SetIndex> = own.collect();
        let machine = match &texts[..] {
            [] => None,
            texts => {
                Some(CharwiseDoubleArrayAhoCorasick::with_values(texts.iter().copied().zip(0..))?)
            }
        };
        let words = machine.as_ref().map(|machine| words(machine, &texts, &own, &mut sets));
        let words = words.unwrap_or_default();
        Ok(Self { machine, words, sets: sets.sets, bordered })
    }

    /// Marks every list that has a word in the text in `seen`. Lists that are marked already are not
    /// looked for; `pending` is how many are not, and the scan ends when none is left.
    pub(super) fn hits(&self, folded: &str, seen: &mut [u64], mut pending: usize) {
        let Some(machine) = &self.machine else { return };
        if pending == 0 {
            return;
        }
        for found in machine.find_overlapping_no_suffix_iter(folded) {
            let word = &self.words[index(found.value())];
            for &list in self.sets.get(word.all) {
                if bits::has(seen, list.into()) {
                    continue;
                }
                if list < self.bordered {
                    bits::set(seen, list.into());
                    pending -= 1;
                } else {
                    pending -= self.bordered_hits(folded, found.end(), word, seen);
                    break;
                }
            }
            if pending == 0 {
                return;
            }
        }
    }

    /// Marks the lists with borders that have `word`, which ends at `end`, or a word that it ends
    /// with. Gives how many it marked.
    fn bordered_hits(&self, folded: &str, end: usize, word: &Word, seen: &mut [u64]) -> usize {
        let mut marked = 0;
        if !word.may_end(folded, end) {
            return marked;
        }
        let mut word = Some(word);
        while let Some(this) = word {
            let mut may_begin = None;
            for &list in self.sets.get(this.own) {
                if list >= self.bordered
                    && !bits::has(seen, list.into())
                    && *may_begin.get_or_insert_with(|| this.may_begin(folded, end))
                {
                    bits::set(seen, list.into());
                    marked += 1;
                }
            }
            word = self.words.get(index(this.shorter));
        }
        marked
    }

    /// Adds where words of the `wanted` lists occur, in order, as one span where they overlap.
    pub(super) fn spans(&self, folded: &str, wanted: &[u64], spans: &mut Vec<Range<usize>>) {
        let Some(machine) = &self.machine else { return };
        for found in machine.find_overlapping_no_suffix_iter(folded) {
            let end = found.end();
            let mut word = self.words.get(index(found.value()));
            // All that end here overlap: the longest that counts covers the others.
            while let Some(this) = word {
                let is_wanted = |set| {
                    self.sets.get(set).iter().copied().find(|&list| bits::has(wanted, list.into()))
                };
                if is_wanted(this.all).is_none() {
                    break;
                }
                // Lists without borders come first in a set.
                if let Some(list) = is_wanted(this.own)
                    && (list < self.bordered
                        || this.may_end(folded, end) && this.may_begin(folded, end))
                {
                    add_joined(end - usize::from(this.bytes)..end, spans);
                    break;
                }
                word = self.words.get(index(this.shorter));
            }
        }
    }

    /// Lists that have no word.
    pub(super) fn wordless(&self, lists: usize) -> Box<[u64]> {
        let mut wordless = bits::none(lists);
        (0..lists).for_each(|list| bits::set(&mut wordless, list));
        for word in &self.words {
            self.sets
                .get(word.own)
                .iter()
                .for_each(|&list| bits::clear(&mut wordless, list.into()));
        }
        wordless
    }
}

/// The words by number, with what they end with.
fn words(
    machine: &CharwiseDoubleArrayAhoCorasick<u32>,
    texts: &[&str],
    own: &[SetIndex],
    sets: &mut SetsMaker,
) -> Box<[Word]> {
    let word = |(text, own): (&&str, &SetIndex)| {
        let mut stepper = machine.find_overlapping_stepper();
        text.chars().for_each(|c| stepper.consume(c));
        // The first one is the word itself.
        let shorter = stepper.matches().nth(1).map_or(NONE, |found| found.value());
        Word {
            own: *own,
            all: *own,
            shorter,
            bytes: u16::try_from(text.len()).expect("64 characters fold to at most 4,608 bytes"),
            begins_spaced: text.chars().next().is_some_and(is_spaced_letter),
            ends_spaced: text.chars().next_back().is_some_and(is_spaced_letter),
        }
    };
    let mut words: Box<[Word]> = texts.iter().zip(own).map(word).collect();
    let mut by_length: Vec<usize> = (0..words.len()).collect();
    by_length.sort_unstable_by_key(|&at| words[at].bytes);
    for at in by_length {
        if let Some(shorter) = words.get(index(words[at].shorter)) {
            words[at].all = sets.union(words[at].own, shorter.all);
        }
    }
    words
}

impl Word {
    /// Whether nothing that stands behind it keeps it from being a word of its own. So it is for all
    /// words that it ends with.
    fn may_end(&self, folded: &str, end: usize) -> bool {
        !self.ends_spaced || !folded[end..].chars().next().is_some_and(is_spaced_letter)
    }

    /// The same for what stands before it when it ends at `end`.
    fn may_begin(&self, folded: &str, end: usize) -> bool {
        let start = end - usize::from(self.bytes);
        !self.begins_spaced || !folded[..start].chars().next_back().is_some_and(is_spaced_letter)
    }
}

/// Adds a span whose end is not before that of any other; those it overlaps become one with it. Spans
/// that only touch stay apart: what was dropped between them belongs to neither.
fn add_joined(mut span: Range<usize>, spans: &mut Vec<Range<usize>>) {
    while let Some(last) = spans.pop_if(|last| span.start < last.end) {
        span.start = span.start.min(last.start);
    }
    spans.push(span);
}

/// A number as a place; that of [`NONE`] is behind every table.
fn index(number: u32) -> usize {
    usize::try_from(number).expect("usize has 32 bits at least")
}

/// Sets of lists, each kept once, in ascending order.
#[derive(Default)]
struct Sets {
    /// Ends in `members`.
    ends: Vec<usize>,
    members: Vec<Local>,
}

impl Sets {
    fn get(&self, set: SetIndex) -> &[Local] {
        let set = index(set);
        let start = set.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.members[start..self.ends[set]]
    }
}

#[derive(Default)]
struct SetsMaker {
    sets: Sets,
    known: HashMap<Vec<Local>, SetIndex, RandomState>,
}

impl SetsMaker {
    /// Place of a sorted set.
    fn index(&mut self, lists: Vec<Local>) -> SetIndex {
        if let Some(&known) = self.known.get(&lists) {
            return known;
        }
        let number = SetIndex::try_from(self.sets.ends.len()).expect("no more sets than words");
        self.sets.members.extend(&lists);
        self.sets.ends.push(self.sets.members.len());
        self.known.insert(lists, number);
        number
    }

    fn union(&mut self, one: SetIndex, other: SetIndex) -> SetIndex {
        if one == other {
            return one;
        }
        let mut lists = [self.sets.get(one), self.sets.get(other)].concat();
        lists.sort_unstable();
        lists.dedup();
        self.index(lists)
    }
}
