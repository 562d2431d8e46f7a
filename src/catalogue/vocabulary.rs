//! Words that fields are named with, and tables of codes.
//!
//! In: `vocabulary` and `enums` of the files. Out: [`Word`]s in the order of records, [`EnumTable`]s by
//! name. What always holds: names are `[a-z][a-z0-9_]*` and unique; words that the program fills by
//! itself have the type it fills them with.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::locator::Enums;
use super::object::{Object, boxed};
use super::plan::{EnumTable, Lookup, Other};
use super::problem::{Problems, Spot};
use super::source::Table;

/// Type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldType {
    /// `string`
    Text,
    /// `integer`
    Int,
    /// `boolean`
    Bool,
    /// `list<string>`
    Texts,
    /// `list<integer>`
    Ints,
    /// `list<object>`: flat objects.
    Items,
    /// `object`
    Object,
}

impl FieldType {
    const ALL: [Self; 7] =
        [Self::Text, Self::Int, Self::Bool, Self::Texts, Self::Ints, Self::Items, Self::Object];

    /// The word in the files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Int => "integer",
            Self::Bool => "boolean",
            Self::Texts => "list<string>",
            Self::Ints => "list<integer>",
            Self::Items => "list<object>",
            Self::Object => "object",
        }
    }

    /// As it stands in a sentence.
    pub(super) const fn article(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Int => "an integer",
            Self::Bool => "a boolean",
            Self::Texts => "a list of texts",
            Self::Ints => "a list of integers",
            Self::Items => "a list of objects",
            Self::Object => "an object",
        }
    }
}

/// A word of the vocabulary: one field, the same in every kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Name of the field.
    pub field: Box<str>,
    /// Type of its values.
    pub field_type: FieldType,
    /// The words that a text may be; empty: any.
    pub values: Box<[Box<str>]>,
    /// Whether other words than [`Self::values`] occur too.
    pub open: bool,
    /// Fields of the objects in a list.
    pub items: Box<[Box<str>]>,
    /// Unit of a number.
    pub unit: Option<Box<str>>,
    /// What it says.
    pub meaning: Box<str>,
}

/// Words that the program fills, or that other fields are derived from.
const BUILT_IN: [(&str, FieldType); 13] = [
    ("occurred_at_ms", FieldType::Int),
    ("conversation_id", FieldType::Text),
    ("conversation_type", FieldType::Text),
    ("group_id", FieldType::Text),
    ("content_type", FieldType::Text),
    ("content_types", FieldType::Texts),
    ("text", FieldType::Text),
    ("text_incomplete", FieldType::Bool),
    ("media_urls", FieldType::Texts),
    ("client_ip", FieldType::Text),
    ("raw", FieldType::Object),
    ("raw_bytes", FieldType::Int),
    ("raw_sha256", FieldType::Text),
];

/// Words that no row may map, because they are written by the program alone.
pub(super) const WRITTEN: [&str; 19] = [
    "kind",
    "verdict",
    "enforced",
    "rule_id",
    "deny_code",
    "deny_message",
    "changes",
    "refused_ids",
    "tags",
    "matches",
    "faults",
    "rules_version",
    "unknown_reason",
    "missing_fields",
    "raw_text",
    "occurred_at_ms",
    "raw",
    "raw_bytes",
    "raw_sha256",
];

/// All words.
#[derive(Debug)]
pub(super) struct Vocabulary {
    pub(super) words: Vec<Word>,
    order: HashMap<Box<str>, usize>,
}

impl Vocabulary {
    pub(super) fn read(table: &Table, problems: &Problems) -> Self {
        let mut words = Vec::with_capacity(table.entries.len());
        for entry in &table.entries {
            let spot = problems.spot(&entry.file, &format!("word {}", entry.name));
            if let Some(word) = Object::of(&entry.value, spot).and_then(|object| read_word(&object))
            {
                words.push(word);
            }
        }
        let order = words.iter().enumerate().map(|(at, word)| (word.field.clone(), at)).collect();
        Self { words, order }
    }

    pub(super) fn word(&self, name: &str) -> Option<&Word> {
        self.position(name).map(|at| &self.words[at])
    }

    /// Place in the order of records.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.order.get(name).copied()
    }

    /// The word, or a report that there is none.
    pub(super) fn expect(&self, name: &str, spot: &Spot<'_>) -> Option<&Word> {
        let word = self.word(name);
        if word.is_none() {
            let known = self.words.iter().map(|word| &*word.field);
            spot.unknown("a word of the vocabulary", name, known);
        }
        word
    }
}

fn read_word(object: &Object<'_, '_>) -> Option<Word> {
    object.only(&["field", "type", "meaning", "values", "open", "items", "unit", "privacy"]);
    let field = object.required_text("field")?;
    if !is_word(field) {
        let message =
            format!("expected a name of a-z, 0-9 and _ that begins with a letter, found {field:?}");
        object.spot.at("field").report(message);
    }
    let type_name = object.required_text("type")?;
    let Some(field_type) = FieldType::ALL.into_iter().find(|known| known.name() == type_name)
    else {
        let known = FieldType::ALL.map(FieldType::name);
        object.spot.at("type").unknown(&format!("one of {}", known.join(", ")), type_name, known);
        return None;
    };
    if let Some((_, wanted)) = BUILT_IN.iter().find(|(name, _)| *name == field)
        && *wanted != field_type
    {
        let message =
            format!("expected {:?}, which the program fills, found {type_name:?}", wanted.name());
        object.spot.at("type").report(message);
    }
    let items = boxed(&object.texts("items"));
    if items.is_empty() == (field_type == FieldType::Items) {
        object.spot.at("items").report("expected names of item fields for list<object>, else none");
    }
    Some(Word {
        field: field.into(),
        field_type,
        values: boxed(&object.texts("values")),
        open: object.flag("open"),
        items,
        unit: object.text("unit").map(Into::into),
        meaning: object.text("meaning").unwrap_or_default().into(),
    })
}

fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// The tables of codes.
pub(super) fn read_enums(table: &Table, problems: &Problems) -> Enums {
    let mut enums = Enums::new();
    for entry in &table.entries {
        let spot = problems.spot(&entry.file, &format!("enum {}", entry.name));
        let read =
            Object::of(&entry.value, spot).and_then(|object| read_enum(&entry.name, &object));
        if let Some(table) = read {
            enums.insert(entry.name.clone(), Arc::new(table));
        }
    }
    enums
}

fn read_enum(name: &str, object: &Object<'_, '_>) -> Option<EnumTable> {
    object.only(&["values", "other"]);
    object.require("values", "an object of code to word");
    let mut words = Lookup::default();
    let mut codes = Lookup::default();
    let values = object.object("values")?;
    for (code, word) in values.members() {
        let word: Option<Box<str>> = match word {
            Value::Null => None,
            Value::String(word) => Some(word.as_str().into()),
            _ => {
                values.spot.at(code).expected("a word or null", word);
                continue;
            }
        };
        if let Some(word) = &word {
            codes.entry(word.clone()).or_insert_with(|| code.into());
        }
        words.insert(code.into(), word);
    }
    let other = match object.get("other") {
        None | Some(Value::Null) => Other::Absent,
        Some(Value::String(word)) if word == "keep" => Other::Keep,
        Some(Value::String(word)) => Other::Word(word.as_str().into()),
        Some(value) => {
            object.spot.at("other").expected("keep, a word or null", value);
            return None;
        }
    };
    Some(EnumTable { name: name.into(), words, codes, other })
}
