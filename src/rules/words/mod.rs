//! Lists of words: how texts are folded, which words occur in them and where.
//!
//! In: the lists of a rule file, then texts. Out: which lists have a word in a text, the places of
//! these words, and texts in which they are covered. What always holds: a word occurs where its folded
//! form is a part of the folded text, and it is the folded text in which borders are looked for: what
//! folding drops neither makes nor breaks a border. One scan answers for all lists of one folding.
//!
//! * `fold` – what differences do not count
//! * `automaton` – the words of all lists of one folding, in one machine
//! * `mask` – signs in place of characters

mod automaton;
mod bits;
mod fold;
mod mask;
#[cfg(test)]
mod tests;

pub use automaton::is_spaced_letter;
pub use fold::{fold, is_gap, is_invisible, origins};
pub use mask::cover;

use super::frame::ListId;
use super::source::file::Fold;
use automaton::{Automaton, Local};
use bumpalo::Bump;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Most words of one list.
pub const LIST_WORDS_MAX: usize = 200_000;
/// Most words of all lists of a file.
pub const FILE_WORDS_MAX: usize = 500_000;
/// Most characters of a word, as written.
pub const WORD_CHARS_MAX: usize = 64;

/// A list of words, as given to [`Words::build`].
#[derive(Debug, Clone, Copy)]
pub struct WordList<'a> {
    /// Its place in the file. Lists of other kinds may stand in between.
    pub id: ListId,
    /// How its words and the texts are folded.
    pub fold: Fold,
    /// Whether an occurrence needs borders.
    pub token: bool,
    /// Its words as written.
    pub entries: &'a [&'a str],
}

/// Why lists cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The list.
    pub list: ListId,
    /// Place of the entry in it, from 0.
    pub entry: usize,
    /// What is wrong with it.
    pub kind: FaultKind,
}

/// What is wrong with an entry; reads on behind its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// Nothing is left to look for.
    #[error("is empty after folding")]
    Empty,
    /// It has so many characters.
    #[error("has {0} characters, at most {WORD_CHARS_MAX} are allowed")]
    Long(usize),
    /// It is the first one too many of its list.
    #[error("is one too many: a list has at most {LIST_WORDS_MAX} words")]
    ListFull,
    /// It is the first one too many of the file.
    #[error("is one too many: the lists of a file have at most {FILE_WORDS_MAX} words")]
    FileFull,
    /// It is the first of lists that are too large for their automaton, which takes 4 billion states.
    #[error("begins a list that is too large to be searched")]
    Large,
}

/// Place of a folding in [`Words`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FoldIndex(pub u8);

/// All lists of words of a file. A clone shares them.
#[derive(Clone, Default)]
pub struct Words {
    folds: Vec<Folding>,
    /// By list: its folding, if it is a list of words.
    lists: Vec<Option<FoldIndex>>,
}

/// The lists of one folding.
#[derive(Clone)]
struct Folding {
    fold: Fold,
    /// One, unless lists were replaced.
    parts: Vec<Part>,
}

/// Lists that are searched together.
#[derive(Clone)]
struct Part {
    automaton: Arc<Automaton>,
    /// What the automaton was built from.
    content: Content,
    /// By number of the automaton.
    lists: Box<[ListId]>,
    /// Lists that nobody looks for, by number of the automaton: without words, or replaced.
    idle: Box<[u64]>,
}

/// SHA-256 over the words of a part, with their lists' settings.
type Content = [u8; 32];

/// Which lists have a word in a text.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hits<'a>(&'a [u64]);

impl Hits<'_> {
    /// Whether this list has one.
    #[inline]
    #[must_use]
    pub fn has(self, list: ListId) -> bool {
        bits::has(self.0, list.0.into())
    }
}

impl Words {
    /// The words of these lists. Lists of one folding make one automaton; where `previous` has one of
    /// the very same words it is shared and nothing is built, whatever the lists' places are.
    ///
    /// # Errors
    /// Every entry that cannot be used, in order of the lists.
    pub fn build(lists: &[WordList<'_>], previous: Option<&Self>) -> Result<Self, Vec<Fault>> {
        check(lists)?;
        let mut groups: BTreeMap<Fold, Vec<&WordList<'_>>> = BTreeMap::new();
        for list in lists {
            groups.entry(list.fold).or_default().push(list);
        }
        let mut words = Self::default();
        let mut faults = Vec::new();
        for (fold, group) in groups {
            match Part::build(fold, group, previous) {
                Ok(part) => words.add(fold, part),
                Err(more) => faults.extend(more),
            }
        }
        faults.sort_by_key(|fault| (fault.list, fault.entry));
        if faults.is_empty() { Ok(words) } else { Err(faults) }
    }

    /// The same words with other entries for these lists, for a test; all else is shared. Each list
    /// must be one of these words and have its folding; whether it asks for borders counts anew.
    ///
    /// # Errors
    /// As for [`Self::build`].
    pub fn with_replaced(&self, lists: &[WordList<'_>]) -> Result<Self, Vec<Fault>> {
        let mut words = self.clone();
        for part in words.folds.iter_mut().flat_map(|folding| &mut folding.parts) {
            for (local, id) in part.lists.iter().enumerate() {
                if lists.iter().any(|list| list.id == *id) {
                    bits::set(&mut part.idle, local);
                }
            }
        }
        for folding in Self::build(lists, Some(self))?.folds {
            for part in folding.parts {
                words.add(folding.fold, part);
            }
        }
        Ok(words)
    }

    fn add(&mut self, fold: Fold, part: Part) {
        let known = self.folds.iter().position(|folding| folding.fold == fold);
        let at = known.unwrap_or_else(|| {
            self.folds.push(Folding { fold, parts: Vec::new() });
            self.folds.len() - 1
        });
        let index = FoldIndex(u8::try_from(at).expect("there are 32 foldings"));
        for list in &part.lists {
            let list = usize::from(list.0);
            if self.lists.len() <= list {
                self.lists.resize(list + 1, None);
            }
            self.lists[list] = Some(index);
        }
        self.folds[at].parts.push(part);
    }

    /// Number of foldings; [`FoldIndex`] counts them from 0.
    #[must_use]
    pub fn folds(&self) -> usize {
        self.folds.len()
    }

    /// The folding of a list of words.
    #[must_use]
    pub fn fold_of(&self, list: ListId) -> Option<FoldIndex> {
        self.lists.get(usize::from(list.0)).copied().flatten()
    }

    /// Which folding that is. Texts for [`Self::hits`] are folded with it.
    #[must_use]
    pub fn folding(&self, fold: FoldIndex) -> Fold {
        self.folds[usize::from(fold.0)].fold
    }

    /// Which lists of this folding have a word in the text, which is folded already: so one folded text
    /// serves all lists, and in [`Fold::DEFAULT`] `fold()` too. Keeps to the arena.
    #[must_use]
    pub fn hits<'a>(&self, fold: FoldIndex, folded: &str, arena: &'a Bump) -> Hits<'a> {
        let hits = arena.alloc_slice_fill_copy(bits::words(self.lists.len()), 0);
        for part in &self.folds[usize::from(fold.0)].parts {
            let seen = arena.alloc_slice_copy(&part.idle);
            part.automaton.hits(folded, seen, part.lists.len() - bits::count(seen));
            for (local, list) in part.lists.iter().enumerate() {
                if bits::has(seen, local) && !bits::has(&part.idle, local) {
                    bits::set(hits, list.0.into());
                }
            }
        }
        Hits(hits)
    }

    /// Adds where words of these lists occur in a text as received, in bytes: from the first to the
    /// last original character of an occurrence, what folding drops in between included. Occurrences
    /// that overlap make one span, so that a text has no more spans than characters; those of lists
    /// with different foldings may overlap still.
    pub fn spans(&self, text: &str, lists: &[ListId], spans: &mut Vec<Range<usize>>) {
        let mut found = Vec::new();
        for folding in &self.folds {
            let wanted = |part: &Part| part.wanted(lists);
            let parts: Vec<_> = folding.parts.iter().map(|part| (part, wanted(part))).collect();
            if parts.iter().all(|(_, wanted)| bits::count(wanted) == 0) {
                continue;
            }
            let arena = Bump::new();
            let folded = fold(folding.fold, text, &arena);
            for (part, wanted) in &parts {
                found.clear();
                part.automaton.spans(folded, wanted, &mut found);
                // Nothing was changed: the folded text is the text.
                if std::ptr::eq(folded, text) {
                    spans.append(&mut found);
                } else {
                    fold::unfold(folding.fold, text, &found, spans);
                }
            }
        }
    }
}

impl Part {
    fn build(
        fold_as: Fold,
        mut group: Vec<&WordList<'_>>,
        previous: Option<&Words>,
    ) -> Result<Self, Vec<Fault>> {
        // The automaton wants those with borders behind the others.
        group.sort_by_key(|list| (list.token, list.id));
        let content = content(fold_as, &group);
        let lists: Box<[ListId]> = group.iter().map(|list| list.id).collect();
        let parts =
            previous.into_iter().flat_map(|words| &words.folds).flat_map(|fold| &fold.parts);
        let automaton = match parts.into_iter().find(|part| part.content == content) {
            Some(same) => Arc::clone(&same.automaton),
            None => Arc::new(build(fold_as, &group)?),
        };
        let idle = automaton.wordless(lists.len());
        Ok(Self { automaton, content, lists, idle })
    }

    /// Which of these lists are looked for here.
    fn wanted(&self, lists: &[ListId]) -> Box<[u64]> {
        let mut wanted = bits::none(self.lists.len());
        for (local, list) in self.lists.iter().enumerate() {
            if lists.contains(list) && !bits::has(&self.idle, local) {
                bits::set(&mut wanted, local);
            }
        }
        wanted
    }
}

/// Counts the words.
fn check(lists: &[WordList<'_>]) -> Result<(), Vec<Fault>> {
    let mut faults = Vec::new();
    let mut room = FILE_WORDS_MAX;
    for list in lists {
        if list.entries.len() > LIST_WORDS_MAX {
            faults.push(Fault { list: list.id, entry: LIST_WORDS_MAX, kind: FaultKind::ListFull });
        } else if list.entries.len() > room {
            faults.push(Fault { list: list.id, entry: room, kind: FaultKind::FileFull });
            break;
        }
        room = room.saturating_sub(list.entries.len());
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// The automaton of these lists.
fn build(fold_as: Fold, group: &[&WordList<'_>]) -> Result<Automaton, Vec<Fault>> {
    let arena = Bump::new();
    let mut faults = Vec::new();
    let mut lists = Vec::new();
    for list in group {
        let mut words = Vec::with_capacity(list.entries.len());
        for (entry, text) in list.entries.iter().enumerate() {
            let chars = text.chars().count();
            let folded = fold(fold_as, text, &arena);
            let kind = match folded {
                _ if chars > WORD_CHARS_MAX => FaultKind::Long(chars),
                "" => FaultKind::Empty,
                word => {
                    words.push(word);
                    continue;
                }
            };
            faults.push(Fault { list: list.id, entry, kind });
        }
        lists.push(words);
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let bordered = group.iter().filter(|list| !list.token).count();
    let bordered = Local::try_from(bordered).expect("a file has at most 65,536 lists");
    let large = Fault { list: group[0].id, entry: 0, kind: FaultKind::Large };
    Automaton::build(&lists, bordered).map_err(|_| vec![large])
}

/// What the automaton of these lists depends on.
fn content(fold_as: Fold, group: &[&WordList<'_>]) -> Content {
    let mut hash = Sha256::new();
    let Fold { invisible, width, case, compat, gaps } = fold_as;
    hash.update([invisible, width, case, compat, gaps].map(u8::from));
    for list in group {
        hash.update([u8::from(list.token)]);
        hash.update(list.entries.len().to_le_bytes());
        for entry in list.entries {
            hash.update(entry.len().to_le_bytes());
            hash.update(entry);
        }
    }
    hash.finalize().into()
}
