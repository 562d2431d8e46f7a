//! Writes one event as a Kafka record, straight into the worker's batch.
//!
//! In: an event with its slots, for an intent also the decision. Out: topic, key, headers and value,
//! appended to a batch. What always holds: attributes and fields stand in a fixed order, fields in
//! that of the vocabulary; a record over the limit goes out without `raw`, with its length and
//! hash; one that is still too large is not written at all, and its caller is told. Of both the whole
//! event can be had, [`Normaliser::whole`], so that it can be kept elsewhere.

use super::id::sha256_hex;
use super::time::push_rfc3339;
use super::{Event, Known, Normaliser, Reason, UNKNOWN};
use crate::call::Callback;
use crate::event::{EventFormat, Item, Value};
use crate::json::{compact, copy, push_text, rewritten};
use crate::record::{Batch, Head, STRUCTURED};
use crate::verdict::{Change, Decision};
use std::io::Write;

const BINARY: &[u8] = b"application/json";

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// As it is.
    Whole,
    /// Without `raw`.
    WithoutRaw,
    /// Not at all: too large even so, by the given number of bytes in all.
    TooLarge(usize),
}

/// Attributes of one event, ready to be written.
struct Attributes<'a> {
    id: &'a str,
    source: &'a str,
    kind: &'a str,
    subject: Option<&'a str>,
    time_ms: i64,
    recorded_ms: i64,
    partition_key: Option<&'a str>,
    provider: &'a str,
    command: Option<&'a str>,
    correlation: Option<&'a str>,
}

impl Normaliser {
    /// Appends the record of `event`; `decision` makes it a decision record.
    pub fn write(
        &self,
        callback: &Callback<'_>,
        event: &Event<'_>,
        decision: Option<&Decision>,
        batch: &mut Batch,
    ) -> Written {
        let attributes = Attributes::of(callback, event);
        let topic = match &event.known {
            Err(_) => self.topics.unknown(),
            Ok(_) if decision.is_some() => self.topics.decisions(),
            Ok(known) => self.topics.event(known.row, known.kind.kind),
        };
        let head = Head {
            id: event.id,
            topic,
            key: event.partition_key.map(str::as_bytes),
            timestamp_ms: callback.received_at_ms,
        };
        for raw in [true, false] {
            let mut open = batch.begin(&head);
            let binary = self.settings.event_format == EventFormat::Binary;
            if binary {
                attributes.headers(batch, &mut open);
            } else {
                batch.header(&mut open, "content-type", STRUCTURED);
            }
            let value = batch.value(&mut open);
            if binary {
                push_data(event, decision, raw, value);
            } else {
                attributes.push_event(event, decision, raw, value);
            }
            let bytes = batch.finish(open);
            if bytes <= self.settings.event_bytes_max {
                return if raw { Written::Whole } else { Written::WithoutRaw };
            }
            batch.take_back(open, true);
            if !raw {
                return Written::TooLarge(bytes);
            }
        }
        unreachable!("the second round returns")
    }

    /// The whole event in structured form, `raw` included, whatever its size and the format of
    /// records: what [`Self::write`] would have written were there no limit.
    #[must_use]
    pub fn whole(
        &self,
        callback: &Callback<'_>,
        event: &Event<'_>,
        decision: Option<&Decision>,
    ) -> Vec<u8> {
        let mut out = Vec::new();
        Attributes::of(callback, event).push_event(event, decision, true, &mut out);
        out
    }
}

/// A decision as a JSON object of its own: the fields that stand in front of its record.
#[must_use]
pub fn decision_json(kind: &str, decision: &Decision) -> Vec<u8> {
    let mut out = vec![b'{'];
    push_decision(kind, decision, &mut out);
    out.push(b'}');
    out
}

impl<'a> Attributes<'a> {
    fn of(callback: &Callback<'a>, event: &Event<'a>) -> Self {
        let (kind, time_ms) = match &event.known {
            Ok(known) => (&*known.kind.name, known.time_ms.unwrap_or(callback.received_at_ms)),
            Err(_) => (UNKNOWN, callback.received_at_ms),
        };
        Self {
            id: event.id,
            source: callback.source,
            kind,
            subject: event.subject,
            time_ms,
            recorded_ms: callback.received_at_ms,
            partition_key: event.partition_key,
            provider: callback.provider.name(),
            command: event.command,
            correlation: event.correlation,
        }
    }

    /// The event in structured form.
    fn push_event(
        &self,
        event: &Event<'_>,
        decision: Option<&Decision>,
        raw: bool,
        out: &mut Vec<u8>,
    ) {
        self.push(out);
        out.extend_from_slice(b",\"datacontenttype\":\"application/json\",\"data\":");
        push_data(event, decision, raw, out);
        out.push(b'}');
    }

    /// Opens the event's object.
    fn push(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"specversion\":\"1.0\",\"id\":\"");
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(b"\",\"source\":");
        push_text(self.source, out);
        out.extend_from_slice(b",\"type\":\"im.");
        out.extend_from_slice(self.kind.as_bytes());
        out.push(b'"');
        optional("subject", self.subject, out);
        out.extend_from_slice(b",\"time\":\"");
        push_rfc3339(self.time_ms, out);
        out.extend_from_slice(b"\",\"recordedtime\":\"");
        push_rfc3339(self.recorded_ms, out);
        out.push(b'"');
        optional("partitionkey", self.partition_key, out);
        out.extend_from_slice(b",\"improvider\":\"");
        out.extend_from_slice(self.provider.as_bytes());
        out.push(b'"');
        optional("imcommand", self.command, out);
        optional("correlationid", self.correlation, out);
    }

    fn headers(&self, batch: &mut Batch, open: &mut crate::record::Open) {
        let mut add = |name: &str, value: &[u8]| batch.header(open, name, value);
        add("content-type", BINARY);
        add("ce_specversion", b"1.0");
        add("ce_id", self.id.as_bytes());
        add("ce_source", self.source.as_bytes());
        add("ce_type", format!("im.{}", self.kind).as_bytes());
        let mut time = Vec::new();
        push_rfc3339(self.time_ms, &mut time);
        let mut recorded = Vec::new();
        push_rfc3339(self.recorded_ms, &mut recorded);
        let texts = [
            ("ce_subject", self.subject.map(str::as_bytes)),
            ("ce_time", Some(&*time)),
            ("ce_recordedtime", Some(&*recorded)),
            ("ce_partitionkey", self.partition_key.map(str::as_bytes)),
            ("ce_improvider", Some(self.provider.as_bytes())),
            ("ce_imcommand", self.command.map(str::as_bytes)),
            ("ce_correlationid", self.correlation.map(str::as_bytes)),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                add(name, value);
            }
        }
    }
}

fn optional(name: &str, text: Option<&str>, out: &mut Vec<u8>) {
    if let Some(text) = text {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        push_text(text, out);
    }
}

/// Comma before all but the first member.
fn member(name: &str, out: &mut Vec<u8>) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn push_data(event: &Event<'_>, decision: Option<&Decision>, raw: bool, out: &mut Vec<u8>) {
    out.push(b'{');
    match &event.known {
        Ok(known) => {
            if let Some(decision) = decision {
                push_decision(&known.kind.name, decision, out);
            }
            push_fields(known, out);
        }
        Err(unknown) => {
            member("unknown_reason", out);
            push_text(unknown.reason.word(), out);
            if unknown.reason == Reason::MissingField {
                member("missing_fields", out);
                push_list(unknown.missing.iter(), out, |name, out| push_text(name, out));
            }
            if let Some(text) = unknown.raw_text {
                member("raw_text", out);
                push_text(text, out);
            }
        }
    }
    if let Some((body, rewrite)) = event.raw {
        if raw {
            member("raw", out);
            if rewrite.cut.is_none() && !rewrite.redacts(body) {
                copy(body, out);
            } else {
                rewritten(body, rewrite, false, out);
            }
        } else {
            let mut text = Vec::new();
            rewritten(body, rewrite, true, &mut text);
            member("raw_bytes", out);
            write!(out, "{}", text.len()).expect("writing into memory");
            member("raw_sha256", out);
            push_text(&sha256_hex(&text), out);
        }
    }
    out.push(b'}');
}

fn push_fields(known: &Known<'_>, out: &mut Vec<u8>) {
    for (slot, key) in &known.kind.keep {
        let value = known.slots[usize::from(slot.0)];
        if value.is_absent() {
            continue;
        }
        if out.last() != Some(&b'{') {
            out.push(b',');
        }
        out.extend_from_slice(key.as_bytes());
        push_value(value, out);
    }
}

/// Appends a value as compact JSON; absent is null.
pub(super) fn push_value(value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Absent => out.extend_from_slice(b"null"),
        Value::Json(node) => compact(node, out),
        Value::Text(text) => push_text(text, out),
        Value::Int(number) => push_int(number, out),
        Value::Bool(yes) => out.extend_from_slice(if yes { b"true" } else { b"false" }),
        Value::List(items) => push_list(items.iter(), out, |item, out| push_value(*item, out)),
        Value::Items(items) => push_list(items.iter(), out, |item, out| push_item(item, out)),
    }
}

fn push_int(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn push_item(item: &Item<'_>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (name, value) in *item {
        member(name, out);
        push_value(*value, out);
    }
    out.push(b'}');
}

fn push_list<T>(items: impl Iterator<Item = T>, out: &mut Vec<u8>, push: impl Fn(T, &mut Vec<u8>)) {
    out.push(b'[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push(item, out);
    }
    out.push(b']');
}

fn push_decision(kind: &str, decision: &Decision, out: &mut Vec<u8>) {
    let text = |name: &str, text: Option<&str>, out: &mut Vec<u8>| {
        if let Some(text) = text {
            member(name, out);
            push_text(text, out);
        }
    };
    member("kind", out);
    push_text(kind, out);
    member("verdict", out);
    push_text(decision.verdict.word(), out);
    member("enforced", out);
    out.extend_from_slice(if decision.enforced { b"true" } else { b"false" });
    text("rule_id", decision.rule_id.as_deref(), out);
    if let Some(code) = decision.deny_code {
        member("deny_code", out);
        push_int(code, out);
    }
    text("deny_message", decision.deny_message.as_deref(), out);
    if !decision.changes.is_empty() {
        member("changes", out);
        push_changes(&decision.changes, out);
    }
    push_texts("refused_ids", &decision.refused_ids, out);
    push_texts("tags", &decision.tags, out);
    push_matches(decision, out);
    text("rules_version", decision.rules_version.as_deref(), out);
}

fn push_texts(name: &str, items: &[impl AsRef<str>], out: &mut Vec<u8>) {
    if !items.is_empty() {
        member(name, out);
        push_list(items.iter(), out, |item, out| push_text(item.as_ref(), out));
    }
}

fn push_changes(changes: &[(String, Change)], out: &mut Vec<u8>) {
    out.push(b'{');
    for (field, change) in changes {
        member(field, out);
        match change {
            Change::Content { text, .. } => push_text(text, out),
            Change::Value(value) => {
                serde_json::to_writer(&mut *out, value).expect("writing into memory");
            }
        }
    }
    out.push(b'}');
}

fn push_matches(decision: &Decision, out: &mut Vec<u8>) {
    if !decision.matches.is_empty() {
        member("matches", out);
        push_list(decision.matches.iter(), out, |hit, out| {
            out.push(b'{');
            for (name, text) in
                [("rule_id", &*hit.rule_id), ("mode", hit.mode), ("action", hit.action)]
            {
                member(name, out);
                push_text(text, out);
            }
            if hit.late {
                member("late", out);
                out.extend_from_slice(b"true");
            }
            out.push(b'}');
        });
    }
    if !decision.faults.is_empty() {
        member("faults", out);
        push_list(decision.faults.iter(), out, |fault, out| {
            out.push(b'{');
            if let Some(rule_id) = &fault.rule_id {
                member("rule_id", out);
                push_text(rule_id, out);
            }
            member("fault", out);
            push_text(fault.fault, out);
            out.push(b'}');
        });
    }
}
