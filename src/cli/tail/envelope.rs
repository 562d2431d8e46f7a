//! One CloudEvent out of a Kafka record, whichever form it was written in.
//!
//! In: a record in structured mode (the value is the event) or in binary mode (attributes in `ce_`
//! headers, the value is `data`). Out: an [`Envelope`] with the event's members and its structured
//! form on one line. What always holds: that line is what was written, literal for literal, but for
//! white space between lines; a record that is no CloudEvent gives none.

use crate::kafka::consumer::Event as Record;
use serde_json::{Map, Value};

/// What the name of every `type` begins with, whatever the topics' prefix.
const TYPE_PREFIX: &str = "im.";
/// Names of headers that carry attributes in binary mode begin with it.
const ATTRIBUTE_PREFIX: &str = "ce_";

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Envelope {
    members: Map<String, Value>,
    text: String,
}

impl Envelope {
    /// Reads a record; `None` when it is no CloudEvent.
    pub(crate) fn read(record: &Record) -> Option<Self> {
        let is_binary = record.headers.iter().any(|(name, _)| name == "ce_specversion");
        if is_binary { Self::binary(record) } else { Self::structured(record.payload.as_deref()?) }
    }

    fn structured(payload: &[u8]) -> Option<Self> {
        let Ok(Value::Object(members)) = serde_json::from_slice(payload) else { return None };
        members.get("specversion")?;
        let text = one_line(payload).unwrap_or_else(|| Value::Object(members.clone()).to_string());
        Some(Self { members, text })
    }

    fn binary(record: &Record) -> Option<Self> {
        let mut members = Map::new();
        for (name, value) in &record.headers {
            let value = String::from_utf8_lossy(value.as_deref().unwrap_or_default()).into_owned();
            if let Some(attribute) = name.strip_prefix(ATTRIBUTE_PREFIX) {
                members.insert(attribute.to_owned(), Value::String(value));
            }
        }
        if let Some(content_type) = record.header("content-type") {
            let content_type = String::from_utf8_lossy(content_type).into_owned();
            members.insert("datacontenttype".to_owned(), Value::String(content_type));
        }
        let mut text = Value::Object(members.clone()).to_string();
        if let Some(payload) = &record.payload {
            let data = serde_json::from_slice(payload)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(payload).into_owned()));
            let as_received = if data.is_string() { None } else { one_line(payload) };
            text.pop().filter(|last| *last == '}')?;
            text.push_str(",\"data\":");
            text.push_str(&as_received.unwrap_or_else(|| data.to_string()));
            text.push('}');
            members.insert("data".to_owned(), data);
        }
        Some(Self { members, text })
    }

    /// The event in structured form, compact, without a line end.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// An attribute; empty where there is none.
    pub(crate) fn attribute(&self, name: &str) -> &str {
        self.members.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The members of `data`.
    pub(crate) fn data(&self) -> Option<&Map<String, Value>> {
        self.members.get("data").and_then(Value::as_object)
    }

    /// A field of `data`.
    pub(crate) fn field(&self, name: &str) -> Option<&Value> {
        self.data()?.get(name)
    }

    /// The kind: `type` without its prefix.
    pub(crate) fn kind(&self) -> &str {
        let name = self.attribute("type");
        name.strip_prefix(TYPE_PREFIX).unwrap_or(name)
    }

    /// The verdict, of a decision record.
    pub(crate) fn verdict(&self) -> Option<&str> {
        self.field("kind")?;
        self.field("verdict")?.as_str()
    }
}

/// The bytes as they are, if they are one line.
fn one_line(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.contains(['\n', '\r'])).then(|| text.trim().to_owned())
}

#[cfg(test)]
pub(in crate::cli) mod tests {
    use super::*;

    /// A record of `im.t` with this value and these headers.
    pub(crate) fn record(value: &str, headers: &[(&str, &str)]) -> Record {
        let header =
            |(name, value): &(&str, &str)| ((*name).to_owned(), Some(value.as_bytes().to_vec()));
        Record {
            topic: "im.t".to_owned(),
            partition: 0,
            offset: 7,
            timestamp_ms: Some(0),
            key: None,
            headers: headers.iter().map(header).collect(),
            payload: Some(value.as_bytes().to_vec()),
        }
    }

    const EVENT: &str = r#"{"specversion":"1.0","id":"1","type":"im.group.dismissed","datacontenttype":"application/json","data":{"group_id":"g","raw":{"n":1.50,"big":123456789012345678901234567890}}}"#;

    #[test]
    fn a_structured_record_is_the_event_literal_for_literal() {
        let envelope = Envelope::read(&record(EVENT, &[])).unwrap();
        assert_eq!(envelope.text(), EVENT);
        assert_eq!((envelope.kind(), envelope.verdict()), ("group.dismissed", None));
    }

    #[test]
    fn a_structured_record_of_several_lines_becomes_one() {
        let lines = EVENT.replace(',', ",\n  ");
        let envelope = Envelope::read(&record(&lines, &[])).unwrap();
        assert_eq!(envelope.text(), EVENT);
    }

    #[test]
    fn a_binary_record_gives_the_same_event_as_a_structured_one() {
        let data = r#"{"group_id":"g","raw":{"n":1.50,"big":123456789012345678901234567890}}"#;
        let headers = [
            ("content-type", "application/json"),
            ("ce_specversion", "1.0"),
            ("ce_id", "1"),
            ("ce_type", "im.group.dismissed"),
            ("journal", "u:1"),
        ];
        let binary = Envelope::read(&record(data, &headers)).unwrap();
        assert_eq!(binary.text(), EVENT);
        assert_eq!(binary, Envelope::read(&record(EVENT, &[])).unwrap());
    }

    #[test]
    fn a_binary_record_may_be_without_data_or_hold_anything() {
        let headers = [("ce_specversion", "1.0"), ("ce_id", "1")];
        let mut empty = record("", &headers);
        empty.payload = None;
        let text = Envelope::read(&empty).unwrap().text;
        assert_eq!(text, r#"{"specversion":"1.0","id":"1"}"#);
        let text = Envelope::read(&record("a \"b\"\nc", &headers)).unwrap().text;
        assert_eq!(text, r#"{"specversion":"1.0","id":"1","data":"a \"b\"\nc"}"#);
    }

    #[test]
    fn what_is_no_cloud_event_is_none() {
        for value in ["", "null", "[1]", r#"{"id":"1"}"#, "plain text"] {
            assert_eq!(Envelope::read(&record(value, &[])), None, "{value}");
        }
    }
}
