//! Entries of lists, from the rule file and from files beside it.
//!
//! In: definitions of lists, bytes of list files. Out: what conditions look things up in, and the
//! version of the whole. What always holds: lists whose entries did not change are taken over from the
//! set before, the automata of words only if none of them changed.

use super::super::frame::ListId;
use super::super::limits::Limiter;
use super::super::problem::{Position, Problem, Problems, did_you_mean};
use super::super::source::file::{At, ListDef, ListKind, ListSource, RuleFile, Text};
use super::super::source::list_file;
use super::super::words::{WordList, Words};
use super::build::{Sources, version};
use super::tables::{Ids, Tables};
use foldhash::fast::FixedState;
use std::borrow::Cow;
use std::hash::BuildHasher;
use std::sync::Arc;

/// What became of the lists of a file.
pub(super) struct Lists {
    /// By the place in the file; none for lists of words.
    pub(super) ids: Box<[Option<Arc<Ids>>]>,
    /// All words.
    pub(super) words: Arc<Words>,
    /// Fingerprints by the place in the file.
    pub(super) marks: Box<[u64]>,
    /// Words in all.
    pub(super) words_count: usize,
    /// Ids in all.
    pub(super) ids_count: usize,
    /// Hash of all files.
    pub(super) version: Arc<str>,
}

/// Entries of one list.
struct Entries<'f> {
    def: &'f ListDef,
    entries: Cow<'f, [At<Box<str>>]>,
    mark: u64,
}

/// Reads and builds all lists; `None` when something was reported.
pub(super) fn read(file: &RuleFile, sources: &Sources<'_>, problems: &Problems) -> Option<Lists> {
    let mut files: Vec<Arc<[u8]>> = Vec::new();
    let mut lists = Vec::with_capacity(file.lists.len());
    for def in &file.lists {
        let entries = match &def.source {
            ListSource::Items(items) => Some(Cow::Borrowed(&items[..])),
            ListSource::File(name) => match (sources.read_list)(&name.value) {
                Ok(bytes) => {
                    let found = Problems::default();
                    let path = Arc::from(&*name.value);
                    let entries = list_file::parse(&path, &bytes, &def.kind, &found);
                    for Problem { at, message, .. } in found.into_sorted() {
                        report(name, at, &message, problems);
                    }
                    files.push(bytes);
                    Some(Cow::Owned(entries))
                }
                Err(why) => {
                    problems.error(name.at, None, why);
                    None
                }
            },
        };
        let Some(entries) = entries else { continue };
        let mark = FixedState::default().hash_one((
            format!("{:?}", def.kind),
            entries.iter().map(|entry| &entry.value).collect::<Vec<_>>(),
        ));
        lists.push(Entries { def, entries, mark });
    }
    if lists.len() < file.lists.len() {
        // Of a list that cannot be read nothing more is known; words of the others may be wrong too.
        let _of_no_use = build_words(&lists, None, problems).is_some();
        return None;
    }
    let version = version(std::iter::once(sources.file).chain(files.iter().map(|bytes| &**bytes)));
    let marks: Box<[u64]> = lists.iter().map(|list| list.mark).collect();
    let old = sources.previous;
    let ids = lists.iter().enumerate().map(|(place, list)| {
        (list.def.kind == ListKind::Ids).then(|| {
            let same = old.and_then(|old| old_ids(old, list, marks[place]));
            same.unwrap_or_else(|| Arc::new(ids_of(&list.entries)))
        })
    });
    let ids: Box<[Option<Arc<Ids>>]> = ids.collect();
    let words = build_words(&lists, old.map(|old| &*old.tables.words), problems)?;
    let count = |words: bool| {
        let of_kind = lists.iter().filter(|list| (list.def.kind != ListKind::Ids) == words);
        of_kind.map(|list| list.entries.len()).sum()
    };
    let (words_count, ids_count) = (count(true), count(false));
    Some(Lists { ids, words, marks, words_count, ids_count, version })
}

fn ids_of(entries: &[At<Box<str>>]) -> Ids {
    Ids::new(entries.iter().map(|entry| &*entry.value))
}

fn old_ids(old: &super::RuleSet, list: &Entries<'_>, mark: u64) -> Option<Arc<Ids>> {
    let lists = &old.file.lists;
    let place = lists.iter().position(|def| def.name.value == list.def.name.value)?;
    let same = old.list_marks[place] == mark;
    old.tables.ids[place].clone().filter(|_| same)
}

fn build_words(
    lists: &[Entries<'_>],
    previous: Option<&Words>,
    problems: &Problems,
) -> Option<Arc<Words>> {
    let words: Vec<Vec<&str>> = lists.iter().map(|list| texts(&list.entries)).collect();
    let parts = lists
        .iter()
        .zip(&words)
        .enumerate()
        .filter_map(|(place, (list, words))| word_list(place, &list.def.kind, words));
    let parts: Vec<WordList<'_>> = parts.collect();
    match Words::build(&parts, previous) {
        Ok(words) => Some(Arc::new(words)),
        Err(faults) => {
            for fault in faults {
                let list = &lists[usize::from(fault.list.0)];
                let entry = &list.entries[fault.entry];
                let message = format!("{:?} {}", entry.value, fault.kind);
                match &list.def.source {
                    ListSource::File(name) => report(name, entry.at, &message, problems),
                    ListSource::Items(_) => problems.error(entry.at, None, message),
                }
            }
            None
        }
    }
}

/// A mistake of a list file stands where the rule file names it, and says where it is.
fn report(file: &Text, at: Position, message: &str, problems: &Problems) {
    let (name, Position { line, column }) = (&file.value, at);
    problems.error(file.at, None, format!("{name}:{line}:{column}: {message}"));
}

fn texts(entries: &[At<Box<str>>]) -> Vec<&str> {
    entries.iter().map(|entry| &*entry.value).collect()
}

fn word_list<'a>(place: usize, kind: &ListKind, entries: &'a [&'a str]) -> Option<WordList<'a>> {
    match kind {
        ListKind::Words { fold, token } => {
            Some(WordList { id: list_id(place), fold: *fold, token: *token, entries })
        }
        ListKind::Ids => None,
    }
}

/// The place of a list in the file.
pub(super) fn list_id(place: usize) -> ListId {
    ListId(u16::try_from(place).expect("a file of 1 MiB has fewer lists"))
}

/// Tables with fresh counts, and other entries for some lists.
pub(super) fn replaced(
    file: &RuleFile,
    tables: &Tables,
    others: &[(Text, Vec<At<Box<str>>>)],
) -> Result<Tables, (Position, String)> {
    let mut ids = tables.ids.clone();
    let mut words: Vec<(usize, &Text, Vec<&str>)> = Vec::new();
    for (name, other) in others {
        let Some(place) = file.lists.iter().position(|def| *def.name.value == *name.value) else {
            let near = did_you_mean(&name.value, file.lists.iter().map(|def| &*def.name.value));
            return Err((name.at, format!("there is no list {:?}{near}", name.value)));
        };
        if file.lists[place].kind == ListKind::Ids {
            ids[place] = Some(Arc::new(ids_of(other)));
        } else {
            words.push((place, name, texts(other)));
        }
    }
    let parts = words
        .iter()
        .filter_map(|(place, _, entries)| word_list(*place, &file.lists[*place].kind, entries));
    let parts: Vec<WordList<'_>> = parts.collect();
    let words = tables.words.with_replaced(&parts).map_err(|faults| {
        let fault = faults[0];
        let place = usize::from(fault.list.0);
        let (_, name, entries) = words.iter().find(|(at, ..)| *at == place).expect("one of them");
        (name.at, format!("{:?} {}", entries[fault.entry], fault.kind))
    })?;
    let limiters =
        tables.limiters.iter().map(|limiter| Arc::new(Limiter::new(limiter.numbers()))).collect();
    Ok(Tables { ids, words: Arc::new(words), limiters })
}
