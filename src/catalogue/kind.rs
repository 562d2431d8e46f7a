//! Kinds, and the templates of their subjects and keys.
//!
//! In: `kinds` of the files. Out: [`KindInfo`]s and, for each row that can give a kind, a [`KindPlan`]
//! that knows the row's slots. What always holds: a kind makes a legal topic name, lists only words
//! of the vocabulary, marks at least one of them as required, and its templates name only fields
//! that it lists.

use super::object::Object;
use super::plan::{KindIndex, KindPlan, Segment, SlotIndex, Template};
use super::problem::{Problems, Spot};
use super::source::Table;
use super::vocabulary::Vocabulary;
use crate::call::Phase;

/// Longest topic name that Kafka takes, in bytes.
const TOPIC_BYTES_MAX: usize = 249;
/// What topics begin with, unless a setting says otherwise.
pub(super) const TOPIC_PREFIX: &str = "im.";
/// Topics that are no kind's own.
const RESERVED: [&str; 2] = ["decisions", "unknown"];

/// A kind of event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindInfo {
    /// Lower-case words joined by dots.
    pub name: Box<str>,
    /// Whether it is an intent or something that happened.
    pub phase: Phase,
    /// Topic behind the configured prefix: the name, or `decisions` for intents.
    pub topic: Box<str>,
    /// What it says.
    pub meaning: Box<str>,
    /// Fields in the order of the vocabulary, and whether each is required.
    pub fields: Box<[(Box<str>, bool)]>,
}

/// A kind with its templates, not yet bound to a row.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) info: KindInfo,
    subject: Vec<Vec<Piece>>,
    partition_key: Vec<Vec<Piece>>,
}

/// A piece of a template, by field name.
#[derive(Debug)]
enum Piece {
    Text(String),
    Field(String),
    First(String),
    Pair(String, String),
}

/// All kinds, in the order of the files.
pub(super) fn read_kinds(table: &Table, vocabulary: &Vocabulary, problems: &Problems) -> Vec<Kind> {
    let mut kinds = Vec::with_capacity(table.entries.len());
    for entry in &table.entries {
        let spot = problems.spot(&entry.file, &format!("kind {}", entry.name));
        let kind = Object::of(&entry.value, spot).and_then(|object| read_kind(&object, vocabulary));
        kinds.extend(kind);
    }
    kinds
}

fn read_kind(object: &Object<'_, '_>, vocabulary: &Vocabulary) -> Option<Kind> {
    object.only(&["kind", "phase", "topic", "meaning", "fields", "partition_key", "subject"]);
    let name = object.required_text("kind")?;
    check_name(name, &object.spot.at("kind"));
    let phase = read_phase(object)?;
    let topic = if phase == Phase::Before { "decisions" } else { name };
    if let Some(found) = object.text("topic")
        && found.strip_prefix(TOPIC_PREFIX) != Some(topic)
    {
        let message = format!("expected \"{TOPIC_PREFIX}{topic}\", found {found:?}");
        object.spot.at("topic").report(message);
    }
    object.require("fields", "a list of fields");
    let mut fields = read_fields(object, vocabulary);
    fields.sort_by_key(|(name, _)| vocabulary.position(name));
    if object.has("fields") && !fields.iter().any(|(_, required)| *required) {
        object.spot.at("fields").report("expected at least one required field, found none");
    }
    let subject = read_templates(object, "subject", &fields);
    let partition_key = read_templates(object, "partition_key", &fields);
    let info = KindInfo {
        name: name.into(),
        phase,
        topic: topic.into(),
        meaning: object.text("meaning").unwrap_or_default().into(),
        fields: fields.into(),
    };
    Some(Kind { info, subject, partition_key })
}

/// `phase` of a kind or row.
pub(super) fn read_phase(object: &Object<'_, '_>) -> Option<Phase> {
    match object.required_text("phase")? {
        "before" => Some(Phase::Before),
        "after" => Some(Phase::After),
        found => {
            object.spot.at("phase").unknown("before or after", found, ["before", "after"]);
            None
        }
    }
}

fn check_name(name: &str, spot: &Spot<'_>) {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let words = name.split('.').all(|word| !word.is_empty() && word.bytes().all(legal));
    if !words {
        spot.report(format!(
            "expected a name that makes a legal topic, words of a-z and 0-9 joined by dots, \
             found {name:?}"
        ));
    }
    if TOPIC_PREFIX.len() + name.len() > TOPIC_BYTES_MAX {
        spot.report(format!(
            "expected a name that makes a topic of at most {TOPIC_BYTES_MAX} bytes, found {} bytes",
            TOPIC_PREFIX.len() + name.len()
        ));
    }
    if RESERVED.contains(&name) {
        spot.report(format!("expected another name: im.{name} has a use of its own"));
    }
}

fn read_fields(object: &Object<'_, '_>, vocabulary: &Vocabulary) -> Vec<(Box<str>, bool)> {
    let mut fields: Vec<(Box<str>, bool)> = Vec::new();
    for value in object.list("fields").unwrap_or_default() {
        let Some(field) = Object::of(value, object.spot.at("fields")) else { continue };
        field.only(&["field", "required"]);
        let Some(name) = field.required_text("field") else { continue };
        let spot = object.spot.at(name);
        if vocabulary.expect(name, &spot).is_none() {
            continue;
        }
        if fields.iter().any(|(known, _)| **known == *name) {
            spot.report("expected a field once, found it twice");
            continue;
        }
        fields.push((name.into(), field.flag("required")));
    }
    fields
}

fn read_templates(
    object: &Object<'_, '_>,
    key: &str,
    fields: &[(Box<str>, bool)],
) -> Vec<Vec<Piece>> {
    let spot = object.spot.at(key);
    let mut templates = Vec::new();
    for text in object.texts(key) {
        let Some(pieces) = pieces(text) else {
            spot.report(format!(
                "expected text with {{field}}, {{field[0]}} or {{pair:field,field}}, found {text:?}"
            ));
            continue;
        };
        for name in pieces.iter().flat_map(Piece::fields) {
            if !fields.iter().any(|(known, _)| **known == *name) {
                let known = fields.iter().map(|(known, _)| &**known);
                spot.unknown("a field that the kind lists", name, known);
            }
        }
        templates.push(pieces);
    }
    templates
}

/// `user/{user_id}`; `None` when the braces make no sense.
fn pieces(text: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        if before.contains('}') {
            return None;
        }
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        let (inner, behind) = behind.split_once('}')?;
        pieces.push(if let Some(pair) = inner.strip_prefix("pair:") {
            let (a, b) = pair.split_once(',')?;
            Piece::Pair(a.to_owned(), b.to_owned())
        } else if let Some(list) = inner.strip_suffix("[0]") {
            Piece::First(list.to_owned())
        } else {
            Piece::Field(inner.to_owned())
        });
        rest = behind;
    }
    if rest.contains('}') {
        return None;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Some(pieces)
}

impl Piece {
    fn fields(&self) -> Vec<&str> {
        match self {
            Self::Text(_) => Vec::new(),
            Self::Field(name) | Self::First(name) => vec![name],
            Self::Pair(a, b) => vec![a, b],
        }
    }
}

impl Kind {
    /// The kind for a plan with these slots.
    pub(super) fn plan(&self, kind: KindIndex, slots: &[Box<str>]) -> KindPlan {
        let slot = |name: &str| slot(slots, name);
        let bind = |templates: &[Vec<Piece>]| -> Box<[Template]> {
            let bound = |piece: &Piece| match piece {
                Piece::Text(text) => Segment::Text(text.as_str().into()),
                Piece::Field(name) => Segment::Field(slot(name)),
                Piece::First(name) => Segment::First(slot(name)),
                Piece::Pair(a, b) => Segment::Pair(slot(a), slot(b)),
            };
            templates.iter().map(|pieces| pieces.iter().map(bound).collect()).collect()
        };
        let fields = &self.info.fields;
        KindPlan {
            kind,
            name: self.info.name.clone(),
            keep: fields
                .iter()
                .filter_map(|(name, _)| Some((slot(name)?, format!("\"{name}\":").into())))
                .collect(),
            required: fields
                .iter()
                .filter(|(name, required)| *required && &**name != "raw")
                .map(|(name, _)| (name.clone(), slot(name)))
                .collect(),
            subject: bind(&self.subject),
            partition_key: bind(&self.partition_key),
            privacy: super::plan::PrivacyStep::default(),
        }
    }
}

/// The slot of that name.
pub(super) fn slot(slots: &[Box<str>], name: &str) -> Option<SlotIndex> {
    let at = slots.iter().position(|slot| **slot == *name)?;
    Some(SlotIndex(u16::try_from(at).expect("the vocabulary is far smaller")))
}
