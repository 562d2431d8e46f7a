//! `lists`: ids and words, in the file or in files of their own.
//!
//! In: nodes. Out: definitions. What always holds: a word has 1 to 64 characters as written, an id 1 to
//! 256 bytes; a list whose kind cannot be read is left out and noted as reported.

use super::file::{At, Fold, ListDef, ListKind, ListSource, RuleFile};
use super::reader::{Fields, NAME_FORM, Reader, What, is_name, shown};
use super::tree::Node;
use std::sync::Arc;

/// Most characters of a word.
const WORD_CHARS_MAX: usize = 64;
/// Most bytes of an id.
const ID_BYTES_MAX: usize = 256;

/// Reads `lists`.
pub(super) fn read(node: &Node, reader: &Reader<'_>, file: &mut RuleFile) {
    for (name, node) in named(node, "lists", reader, file) {
        match list(&name, node, reader) {
            Some(list) => file.lists.push(list),
            None => left_out(file, "lists", &name.value),
        }
    }
}

/// Entries of a section whose keys are names; others are reported.
pub(super) fn named<'n>(
    node: &'n Node,
    section: &str,
    reader: &Reader<'_>,
    file: &mut RuleFile,
) -> Vec<(At<Arc<str>>, &'n Node)> {
    let pairs = reader.map(node, What::Key(section)).unwrap_or_default();
    let (right, wrong): (Vec<_>, Vec<_>) = pairs.iter().partition(|(key, _)| is_name(&key.value));
    for (key, _) in wrong {
        let message = format!("a key of {section:?} is {NAME_FORM}, not {}", shown(&key.value));
        reader.error(key.at, message);
        left_out(file, section, &key.value);
    }
    let name = |value: &str| Arc::<str>::from(value);
    right
        .into_iter()
        .map(|(key, node)| (At { value: name(&key.value), at: key.at }, node))
        .collect()
}

/// Notes that something was reported and is not in the result.
pub(super) fn left_out(file: &mut RuleFile, section: &str, name: &str) {
    file.reported.insert(format!("{section}.{name}").into());
}

/// One list; `None` when its kind cannot be read.
fn list(name: &At<Arc<str>>, node: &Node, reader: &Reader<'_>) -> Option<ListDef> {
    let what = format!("the list {:?}", name.value);
    let keys = ["kind", "items", "file", "fold", "match", "note"];
    let fields = reader.fields(node, What::Words(&what), &keys)?;
    reader.note(&fields);
    let kinds = [("ids", false), ("words", true)];
    let is_words = reader
        .required(&fields, "kind")
        .and_then(|node| reader.word(node, What::Key("kind"), &kinds));
    let kind = if is_words == Some(false) {
        for key in ["fold", "match"] {
            if let Some((key, _)) = fields.pair(key) {
                let message =
                    format!("{:?} is for lists of words; ids are compared exactly", key.value);
                reader.error(key.at, message);
            }
        }
        Some(ListKind::Ids)
    } else {
        // Fold and match are looked at even where the kind is wrong.
        let words = words(&fields, reader);
        is_words.map(|_| words)
    };
    let source = source(&fields, kind.as_ref(), reader);
    Some(ListDef { name: name.clone(), kind: kind?, source })
}

/// How words are looked for.
fn words(fields: &Fields<'_, '_>, reader: &Reader<'_>) -> ListKind {
    let fold = fields.get("fold").map_or(Fold::DEFAULT, |node| fold(node, reader));
    let token = fields.get("match").is_some_and(|node| {
        let words = [("anywhere", false), ("token", true)];
        let token = reader.word(node, What::Key("match"), &words).unwrap_or_default();
        if token && fold.gaps {
            reader.error(
                node.at,
                "match: token cannot stand together with the fold gaps, which takes borders away",
            );
        }
        token && !fold.gaps
    });
    ListKind::Words { fold, token }
}

/// One of the differences.
type Part = fn(&mut Fold) -> &mut bool;

fn fold(node: &Node, reader: &Reader<'_>) -> Fold {
    let mut fold = Fold { invisible: false, width: false, case: false, compat: false, gaps: false };
    let Some(entries) = reader.list(node, What::Key("fold"), 0..=usize::MAX) else {
        return Fold::DEFAULT;
    };
    let words: [(&str, Part); 5] = [
        ("invisible", |fold| &mut fold.invisible),
        ("width", |fold| &mut fold.width),
        ("case", |fold| &mut fold.case),
        ("compat", |fold| &mut fold.compat),
        ("gaps", |fold| &mut fold.gaps),
    ];
    for node in entries {
        let Some(part) = reader.word(node, What::Entry("fold"), &words) else { continue };
        if std::mem::replace(part(&mut fold), true) {
            reader.error(node.at, "stands twice in \"fold\"");
        }
    }
    fold
}

fn source(fields: &Fields<'_, '_>, kind: Option<&ListKind>, reader: &Reader<'_>) -> ListSource {
    let first = fields.pairs.iter().find(|(key, _)| matches!(&*key.value, "items" | "file"));
    let Some((key, node)) = first else {
        reader.error(fields.at, "a list has \"items\" or a \"file\"");
        return ListSource::Items(Vec::new());
    };
    let other = if &*key.value == "items" { "file" } else { "items" };
    if let Some((other, _)) = fields.pair(other) {
        let message = format!("{:?} beside {:?}: a list has one of them", other.value, key.value);
        reader.error(other.at, message);
    }
    if &*key.value == "items" {
        return ListSource::Items(items(node, "items", 0, kind, reader));
    }
    let form = "the path of a file";
    match reader.text_like(node, What::Key("file"), form, |path| !path.is_empty()) {
        Some(path) => ListSource::File(path),
        None => ListSource::Items(Vec::new()),
    }
}

/// At least so many entries as written, those of a wrong length left out. Where the kind is not
/// known, an entry may have the length of any kind.
pub(super) fn items(
    node: &Node,
    key: &str,
    least: usize,
    kind: Option<&ListKind>,
    reader: &Reader<'_>,
) -> Vec<At<Box<str>>> {
    let most = kind.map_or(usize::MAX, entries_max);
    let entries = reader.list(node, What::Key(key), least..=most).unwrap_or_default();
    let written = entries.iter().filter_map(|node| reader.written(node, What::Entry(key)));
    let mut right = Vec::with_capacity(entries.len());
    for entry in written {
        match mistake(&entry.value, kind) {
            Some(message) => reader.error(entry.at, message),
            None => right.push(entry),
        }
    }
    right
}

/// Most entries of a list.
pub(super) const fn entries_max(kind: &ListKind) -> usize {
    match kind {
        ListKind::Ids => 1_000_000,
        ListKind::Words { .. } => 200_000,
    }
}

/// What is wrong with the length of an entry.
pub(super) fn mistake(entry: &str, kind: Option<&ListKind>) -> Option<String> {
    if entry.is_empty() {
        return Some("an empty entry".to_owned());
    }
    let chars = entry.chars().count();
    match kind {
        Some(ListKind::Words { .. }) if chars > WORD_CHARS_MAX => Some(format!(
            "the word {} has {chars} characters, limit is {WORD_CHARS_MAX}",
            shown(entry)
        )),
        Some(ListKind::Words { .. }) => None,
        _ if entry.len() > ID_BYTES_MAX => Some(format!(
            "the id {} has {} bytes, limit is {ID_BYTES_MAX}",
            shown(entry),
            entry.len()
        )),
        _ => None,
    }
}
