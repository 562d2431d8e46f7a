//! Back from an event to its record: for events that were put aside and are to go to Kafka after
//! all.
//!
//! In: a structured event as JSON, as [`super::write`] or [`crate::record::Record::structured`]
//! wrote it into a file. Out: topic, key, headers and value, appended to a batch, as the settings of
//! now have them, with the header `replay`; and what the record counts for. What always holds: an event that `write` wrote comes
//! back as the record that it was, byte for byte, whatever the form; no record goes to a topic that
//! the catalogue does not lead to; nothing is left out of an event to make it fit.

use super::time::parse_rfc3339;
use super::{Normaliser, Reason, UNKNOWN};
use crate::call::{Phase, Provider};
use crate::catalogue::plan::KindIndex;
use crate::event::EventFormat;
use crate::json::{Json, Node, copy};
use crate::record::{Batch, Head, Open, REPLAY, REPLAYED, STRUCTURED};
use bumpalo::Bump;
use std::borrow::Cow;

/// Name of the header that says in which form the event is.
const CONTENT_TYPE: &str = "content-type";
/// Its value where the record's value is the event's data.
const BINARY: &[u8] = b"application/json";
/// What the names of attributes begin with in headers.
const ATTRIBUTE: &str = "ce_";
/// What a `type` begins with, whatever the topics' prefix.
const TYPE_PREFIX: &str = "im.";
/// Members of a structured event that are no header of the binary form.
const NO_HEADERS: [&str; 2] = ["datacontenttype", "data"];

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restored {
    /// Its record is in the batch. What it counts for is not known of an event without a kind that
    /// does not say why it has none.
    Whole(Option<Class>),
    /// Its record would have so many bytes, more than the limit; nothing was appended.
    TooLarge(usize),
}

/// What a record counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// An event of this kind.
    Kind(KindIndex),
    /// One that could not be classified.
    Unknown(Provider, Reason),
}

/// Why a text is no event of ours. All are final, until the text or the catalogue is another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoEvent {
    /// The text is no JSON object.
    #[error("it is no JSON object")]
    NoJson,
    /// What every event has is not there, or not as it must be.
    #[error("it is no event: {0} is missing or odd")]
    Attribute(Cow<'static, str>),
    /// There is no topic for it: its kind or its command is not in the catalogue.
    #[error("the catalogue has no topic for {0}")]
    NoTopic(String),
}

impl Normaliser {
    /// Limit of value, key and headers of a record.
    #[must_use]
    pub const fn event_bytes_max(&self) -> usize {
        self.settings.event_bytes_max
    }

    /// Appends the record of an event that was put aside.
    ///
    /// # Errors
    /// See [`NoEvent`]; nothing was appended.
    pub fn restore(&self, event: &str, batch: &mut Batch) -> Result<Restored, NoEvent> {
        let arena = Bump::new();
        let json = Json::read_event(event.trim(), &arena).map_err(|_| NoEvent::NoJson)?;
        let event = Some(json.root()).filter(Node::is_object).ok_or(NoEvent::NoJson)?;
        let data = event.get("data").filter(Node::is_object).ok_or_else(|| odd("data"))?;
        if text(event, "specversion")? != "1.0" {
            return Err(odd("specversion"));
        }
        let id = text(event, "id")?;
        if u8::try_from(id.len()).is_err() {
            return Err(odd("id"));
        }
        let received = text(event, "recordedtime")?;
        let timestamp_ms = parse_rfc3339(received).ok_or_else(|| odd("recordedtime"))?;
        let key = event.get("partitionkey").map(|_| text(event, "partitionkey")).transpose()?;
        if key.is_some_and(|key| u16::try_from(key.len()).is_err()) {
            return Err(odd("partitionkey"));
        }
        let attributes = attributes(event)?;
        let (topic, class) = self.topic(event, data)?;
        let head = Head { id, topic, key: key.map(str::as_bytes), timestamp_ms };
        let mut open = batch.begin(&head);
        let binary = self.settings.event_format == EventFormat::Binary;
        self.push_headers(&attributes, batch, &mut open);
        copy(if binary { data } else { event }, batch.value(&mut open));
        // The limit is one without what the way of a record adds to it.
        let bytes = batch.finish(open) - REPLAY.len() - REPLAYED.len();
        if bytes > self.settings.event_bytes_max {
            batch.take_back(open, true);
            return Ok(Restored::TooLarge(bytes));
        }
        Ok(Restored::Whole(class))
    }

    fn push_headers(&self, attributes: &[(String, &str)], batch: &mut Batch, open: &mut Open) {
        if self.settings.event_format == EventFormat::Binary {
            batch.header(open, CONTENT_TYPE, BINARY);
            for (name, value) in attributes {
                batch.header(open, name, value.as_bytes());
            }
        } else {
            batch.header(open, CONTENT_TYPE, STRUCTURED);
        }
        batch.header(open, REPLAY, REPLAYED.as_bytes());
    }

    /// Its topic, and what it counts for.
    fn topic(&self, event: Node<'_>, data: Node<'_>) -> Result<(&str, Option<Class>), NoEvent> {
        let kind = text(event, "type")?.strip_prefix(TYPE_PREFIX).ok_or_else(|| odd("type"))?;
        let provider =
            Provider::from_name(text(event, "improvider")?).ok_or_else(|| odd("improvider"))?;
        if kind == UNKNOWN {
            let word = data.get("unknown_reason").and_then(|reason| reason.text());
            let reason = Reason::ALL.into_iter().find(|reason| Some(reason.word()) == word);
            let class = reason.map(|reason| Class::Unknown(provider, reason));
            return Ok((self.topics.unknown(), class));
        }
        let none = |what: &str| NoEvent::NoTopic(format!("{what:?}"));
        let known = |index: &usize| *self.catalogue.kinds[*index].name == *kind;
        let index = (0..self.catalogue.kinds.len()).find(known).ok_or_else(|| none(kind))?;
        if self.catalogue.kinds[index].phase == Phase::Before {
            let index = u16::try_from(index).expect("kinds are numbered in 16 bits");
            return Ok((self.topics.decisions(), Some(Class::Kind(KindIndex(index)))));
        }
        let command = text(event, "imcommand")?;
        let row = self.catalogue.find(provider, command).ok_or_else(|| none(command))?;
        let kinds = &self.catalogue.plan(row).kinds;
        let kind = kinds.iter().find(|plan| *plan.name == *kind).ok_or_else(|| none(kind))?;
        Ok((self.topics.event(row, kind.kind), Some(Class::Kind(kind.kind))))
    }
}

fn odd(name: &'static str) -> NoEvent {
    NoEvent::Attribute(Cow::Borrowed(name))
}

/// A text that every event has.
fn text<'a>(event: Node<'a>, name: &'static str) -> Result<&'a str, NoEvent> {
    let found = event.get(name).and_then(|value| value.text());
    found.filter(|text| !text.is_empty()).ok_or_else(|| odd(name))
}

/// Names of headers and values for all attributes, in the event's order. Names are those that the
/// specification allows.
fn attributes(event: Node<'_>) -> Result<Vec<(String, &str)>, NoEvent> {
    let others = event.members().filter(|member| !NO_HEADERS.contains(&member.name));
    let legal = |name: &str| {
        !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    others
        .map(|member| {
            let value = member.value.text().filter(|_| legal(member.name));
            let value = value.ok_or_else(|| NoEvent::Attribute(member.name.to_owned().into()))?;
            Ok((format!("{ATTRIBUTE}{}", member.name), value))
        })
        .collect()
}
