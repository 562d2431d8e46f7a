//! The catalogue's files: those in the binary, and the one an operator adds.
//!
//! In: the embedded texts and maybe one more. Out: [`Sources`], all entries with the file they come
//! from. What always holds: names are unique per list; an entry of the operator's file stands in
//! the place of the embedded one of the same name, new ones come last (new words of the vocabulary
//! before `raw`, which ends every record's data); so embedded rows keep their numbers.

use std::collections::HashMap;

use serde_json::Value;

use super::object::Object;
use super::problem::Problems;
use super::repeats;
use crate::call::Provider;

/// Name and text of an embedded file.
macro_rules! embedded {
    ($file:literal) => {
        (
            concat!("catalogue/", $file),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/catalogue/", $file)),
        )
    };
}
/// Embedded files in loading order; `catalogue/README.md` says what is in each.
const EMBEDDED: [(&str, &str); 30] = [
    embedded!("vocabulary.json"),
    embedded!("enums.json"),
    embedded!("content.json"),
    embedded!("kinds/messages.json"),
    embedded!("kinds/conversations.json"),
    embedded!("kinds/users.json"),
    embedded!("kinds/friends.json"),
    embedded!("kinds/groups.json"),
    embedded!("kinds/official.json"),
    embedded!("kinds/bots_push.json"),
    embedded!("kinds/rooms.json"),
    embedded!("kinds/operations.json"),
    embedded!("openim/provider.json"),
    embedded!("openim/messages.json"),
    embedded!("openim/push.json"),
    embedded!("openim/users.json"),
    embedded!("openim/friends.json"),
    embedded!("openim/groups.json"),
    embedded!("openim/conversations.json"),
    embedded!("openim/legacy.json"),
    embedded!("tencent/provider.json"),
    embedded!("tencent/alerts.json"),
    embedded!("tencent/users.json"),
    embedded!("tencent/friends.json"),
    embedded!("tencent/direct.json"),
    embedded!("tencent/groups.json"),
    embedded!("tencent/official.json"),
    embedded!("tencent/bots_push.json"),
    embedded!("tencent/rooms.json"),
    embedded!("tencent/calls.json"),
];

/// The file of names that servers of today no longer send.
pub(super) const LEGACY: &str = "catalogue/openim/legacy.json";

/// Keys of a file that an operator may use.
const OPEN_KEYS: [&str; 5] = ["commands", "kinds", "vocabulary", "enums", "field_sets"];
/// Keys that only embedded files have.
const OWN_KEYS: [&str; 3] = ["providers", "content", "replies"];

/// Words that end the vocabulary.
const ENDING: [&str; 3] = ["raw", "raw_bytes", "raw_sha256"];

/// One entry of a list or table.
#[derive(Debug)]
pub(super) struct Entry {
    /// File it comes from.
    pub(super) file: String,
    /// Name, unique in its list; for rows with the provider in front: `openim callbackX`.
    pub(super) name: String,
    pub(super) value: Value,
    /// Whether an operator's file gave it.
    extra: bool,
}

/// Entries of one list by name.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) entries: Vec<Entry>,
    index: HashMap<String, usize>,
}

impl Table {
    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        self.index.get(name).map(|at| &self.entries[*at])
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// Adds or replaces; false when the same layer has it already.
    fn put(&mut self, entry: Entry) -> bool {
        if let Some(at) = self.index.get(&entry.name) {
            let old = &mut self.entries[*at];
            let fresh = old.extra != entry.extra;
            *old = entry;
            return fresh;
        }
        self.index.insert(entry.name.clone(), self.entries.len());
        self.entries.push(entry);
        true
    }
}

/// Everything that the files say.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) rows: Table,
    pub(super) kinds: Table,
    pub(super) words: Table,
    pub(super) enums: Table,
    pub(super) sets: Table,
    pub(super) providers: Table,
    pub(super) content: Table,
    /// Plain allow of after-commands by provider.
    pub(super) allow: Table,
}

impl Sources {
    /// The embedded files, then the operator's.
    pub(super) fn read(extra: Option<(&str, &str)>, problems: &Problems) -> Self {
        let mut sources = Self::default();
        for (file, text) in EMBEDDED {
            sources.add(file, text, false, problems);
        }
        if let Some((file, text)) = extra {
            sources.add(file, text, true, problems);
            sources.end_with_raw();
        }
        sources
    }

    fn add(&mut self, file: &str, text: &str, extra: bool, problems: &Problems) {
        let spot = problems.spot(file, "");
        let value: Value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(error) => return spot.report(format!("expected JSON: {error}")),
        };
        let Some(top) = Object::of(&value, spot) else { return };
        if extra {
            repeats::report(file, text, &value, problems);
        }
        let own: &[&str] = if extra { &[] } else { &OWN_KEYS };
        top.only(&[&OPEN_KEYS, own].concat());
        let layer = Layer { file, extra, problems };
        layer.list(&top, "commands", &mut self.rows);
        layer.list(&top, "kinds", &mut self.kinds);
        layer.list(&top, "vocabulary", &mut self.words);
        layer.table(&top, "enums", "enum", &mut self.enums);
        layer.table(&top, "field_sets", "field set", &mut self.sets);
        if !extra {
            layer.table(&top, "providers", "provider", &mut self.providers);
            layer.table(&top, "content", "content", &mut self.content);
            if let Some(replies) = top.object("replies") {
                layer.table(&replies, "after", "answer", &mut self.allow);
            }
        }
    }

    /// Moves added words in front of `raw`.
    fn end_with_raw(&mut self) {
        let words = &mut self.words;
        let Some(raw) = words.index.get("raw").copied() else { return };
        let tail = words.entries.split_off(raw);
        let (added, rest): (Vec<Entry>, Vec<Entry>) =
            tail.into_iter().partition(|entry| entry.extra && !ENDING.contains(&&*entry.name));
        words.entries.extend(added);
        words.entries.extend(rest);
        words.index =
            words.entries.iter().enumerate().map(|(at, e)| (e.name.clone(), at)).collect();
    }
}

/// One file on its way into the tables.
struct Layer<'a> {
    file: &'a str,
    extra: bool,
    problems: &'a Problems,
}

impl Layer<'_> {
    /// Entries of a list, each with its name inside.
    fn list(&self, top: &Object<'_, '_>, key: &str, table: &mut Table) {
        for (at, value) in top.list(key).unwrap_or_default().iter().enumerate() {
            let place = self.problems.spot(self.file, &format!("{key}[{at}]"));
            let Some(object) = Object::of(value, place) else { continue };
            let name = match key {
                "commands" => row_name(&object),
                "kinds" => object.required_text("kind").map(str::to_owned),
                _ => object.required_text("field").map(str::to_owned),
            };
            let Some(name) = name else { continue };
            let what = match key {
                "commands" => "row",
                "kinds" => "kind",
                _ => "word",
            };
            self.put(what, &name, value, table);
        }
    }

    /// Entries of an object, by name.
    fn table(&self, top: &Object<'_, '_>, key: &str, what: &str, table: &mut Table) {
        let Some(object) = top.object(key) else { return };
        for (name, value) in object.members() {
            self.put(what, name, value, table);
        }
    }

    fn put(&self, what: &str, name: &str, value: &Value, table: &mut Table) {
        let entry = Entry {
            file: self.file.to_owned(),
            name: name.to_owned(),
            value: value.clone(),
            extra: self.extra,
        };
        if !table.put(entry) {
            let spot = self.problems.spot(self.file, &format!("{what} {name}"));
            spot.report("expected one entry of that name, found two");
        }
    }
}

/// `openim callbackX`.
fn row_name(row: &Object<'_, '_>) -> Option<String> {
    let (provider, command) = (row.required_text("provider"), row.required_text("command"));
    let provider = provider?;
    if Provider::from_name(provider).is_none() {
        let known = Provider::ALL.map(Provider::name);
        row.spot.at("provider").unknown("openim or tencent", provider, known);
        return None;
    }
    Some(format!("{provider} {}", command?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_files_are_those_the_readme_lists_in_its_order() {
        let readme = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/catalogue/README.md"));
        let listed: Vec<String> = readme
            .lines()
            .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()))
            .filter_map(|line| line.split('`').nth(1))
            .map(|name| format!("catalogue/{name}"))
            .take(EMBEDDED.len())
            .collect();
        assert_eq!(listed, EMBEDDED.map(|(file, _)| file));
    }

    #[test]
    fn no_key_of_the_embedded_files_stands_twice() {
        let problems = Problems::default();
        for (file, text) in EMBEDDED {
            repeats::report(file, text, &serde_json::from_str(text).unwrap(), &problems);
        }
        assert_eq!(problems.into_vec(), []);
    }

    #[test]
    fn an_added_entry_replaces_in_place_and_new_ones_come_last() {
        let problems = Problems::default();
        let text = r#"{
            "vocabulary": [{"field": "wine"}, {"field": "text"}],
            "commands": [
                {"provider": "tencent", "command": "New"},
                {"provider": "openim", "command": "callbackBeforeSendSingleMsgCommand"}
            ]
        }"#;
        let plain = Sources::read(None, &problems);
        let more = Sources::read(Some(("more.json", text)), &problems);
        assert_eq!(problems.into_vec(), []);
        assert_eq!(more.rows.entries[0].file, "more.json");
        assert_eq!(more.rows.entries.last().unwrap().name, "tencent New");
        assert!(plain.rows.names().eq(more.rows.names().take(plain.rows.entries.len())));
        let words: Vec<&str> = more.words.names().collect();
        let last: Vec<&str> = words[words.len() - 4..].to_vec();
        assert_eq!(last, ["wine", "raw", "raw_bytes", "raw_sha256"]);
        assert_eq!(more.words.get("wine").unwrap().name, "wine");
        assert_eq!(more.words.get("text").unwrap().file, "more.json");
    }

    #[test]
    fn a_file_that_is_no_json_is_reported_with_line_and_column() {
        let problems = Problems::default();
        Sources::read(Some(("more.json", "{\n  \"kinds\": [,]}")), &problems);
        let problems = problems.into_vec();
        assert_eq!(
            problems[0].to_string(),
            "more.json: expected JSON: expected value at line 2 column 13"
        );
    }
}
