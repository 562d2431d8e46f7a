//! One event as one readable line.
//!
//! In: an event. Out: time (UTC), provider, kind, key, and the story: who, whom, what was said, then
//! what else the event says, the most important first. What always holds: every kind is told by the
//! same rules, so kinds that an operator adds are told too; nothing of `raw` is shown.

use super::envelope::Envelope;
use crate::cli::terminal::{
    BOLD, DIM, GREEN, Line, PLAIN, RED, YELLOW, clean, fit, provider_style,
};
use anstyle::Style;
use serde_json::{Map, Value};

/// Columns of the time, the provider, the kind and the key.
const TIME: usize = 12;
const PROVIDER: usize = 7;
const KIND: usize = 30;
const KEY: usize = 26;
/// Longest excerpt of a text that was said, in columns.
const SAID: usize = 100;
/// Longest value of any other field, in columns.
const VALUE: usize = 40;
/// So many other fields are told.
const OTHERS_MAX: usize = 5;
/// So many ids of a list are told.
const IDS_MAX: usize = 3;

/// Who acted; the first that is there.
const WHO: &[&str] = &[
    "sender_id",
    "caller_id",
    "reader_id",
    "applicant_id",
    "operator_id",
    "initiator_id",
    "user_id",
    "creator_id",
    "owner_id",
];
/// On whom; the first that is there and is somebody else.
const WHOM: &[&str] = &[
    "recipient_id",
    "recipient_ids",
    "friend_id",
    "friend_ids",
    "blocked_id",
    "followed_ids",
    "member_ids",
    "subscriber_ids",
    "callee_ids",
    "invitee_ids",
    "admin_ids",
    "reader_ids",
    "bot_ids",
    "user_ids",
    "user_id",
    "peer_id",
    "owner_id",
];
/// What was said; the first that is there and not empty.
const SAID_IN: &[&str] = &[
    "text",
    "push_body",
    "push_title",
    "request_message",
    "response_message",
    "remark",
    "name",
    "nickname",
    "notification",
    "reason",
    "signal_data",
    "raw_text",
];
/// What is told otherwise, or is of use to programs only.
const UNTOLD: &[&str] = &[
    "attached_info",
    "client_ip",
    "client_message_id",
    "client_random",
    "connection_id",
    "content_types",
    "conversation_id",
    "conversation_type",
    "created_at_ms",
    "enforced",
    "extra",
    "face_url",
    "group_extra",
    "kind",
    "members",
    "mention_all",
    "mentions",
    "message_id",
    "missing_fields",
    "occurred_at_ms",
    "online_only",
    "origin",
    "raw",
    "raw_bytes",
    "raw_sha256",
    "rules_version",
    "sender_face_url",
    "sender_nickname",
    "sent_at_ms",
    "task_at_ms",
    "task_data_id",
    "text_incomplete",
    "unknown_reason",
    "users",
    "verdict",
];

/// The whole line; `today` is the UTC date as `2024-12-31`, whose events show the time only.
pub(crate) fn line(event: &Envelope, today: &str) -> Line {
    let mut line = Line::default();
    let provider = event.attribute("improvider");
    line.cell(DIM, &when(event.attribute("time"), today), TIME).push(PLAIN, "  ");
    line.cell(provider_style(provider), provider, PROVIDER).push(PLAIN, "  ");
    let (style, kind) = kind(event);
    line.cell(style, &kind, KIND).push(PLAIN, "  ");
    let key = event.attribute("partitionkey");
    line.cell(DIM, if key.is_empty() { "-" } else { key }, KEY).push(PLAIN, "  ");
    story(event, &mut line);
    line
}

/// The kind as it is shown: a question, where it is an intent.
pub(crate) fn kind(event: &Envelope) -> (Style, String) {
    match (event.kind(), event.verdict()) {
        ("unknown", None) => (RED, "unknown".to_owned()),
        (kind, Some(_)) => (YELLOW, format!("{kind}?")),
        (kind, None) => (GREEN, kind.to_owned()),
    }
}

/// What happened, in a few words.
pub(crate) fn story(event: &Envelope, line: &mut Line) {
    let Some(data) = event.data() else {
        line.push(DIM, event.attribute("subject"));
        return;
    };
    let mut told = Told { data, key: event.attribute("partitionkey"), used: Vec::new() };
    let mut parts: Vec<(Style, String)> = Vec::new();
    if let Some(verdict) = event.verdict() {
        parts.push((verdict_style(verdict), verdict.to_owned()));
    }
    if let Some(reason) = told.text("unknown_reason") {
        parts.push((BOLD, event.attribute("imcommand").to_owned()));
        parts.push((RED, reason.replace('_', " ")));
        if let Some(missing) = told.people("missing_fields") {
            parts.push((PLAIN, missing));
        }
    }
    parts.extend(told.who().map(|who| (BOLD, who)));
    let said = told.first(SAID_IN, Told::text);
    parts.extend(said.map(|said| (PLAIN, format!("“{}”", fit(&clean(said), SAID)))));
    parts.extend(told.others().into_iter().map(|other| (DIM, other)));
    if parts.iter().all(|(_, part)| part.is_empty()) {
        parts.push((DIM, event.attribute("imcommand").to_owned()));
    }
    parts.retain(|(_, part)| !part.is_empty());
    for (at, (style, part)) in parts.iter().enumerate() {
        line.push(PLAIN, if at == 0 { "" } else { " " }).push(*style, part);
    }
}

fn verdict_style(verdict: &str) -> Style {
    match verdict {
        "allow" => GREEN,
        "modify" => YELLOW,
        _ => RED,
    }
}

/// The time alone for today, the date and the minute for any other day.
fn when(time: &str, today: &str) -> String {
    match (time.get(..10), time.get(11..23)) {
        (Some(date), Some(clock)) if date == today => clock.to_owned(),
        (Some(date), Some(clock)) => format!("{} {}", &date[5..], &clock[..5]),
        _ => time.to_owned(),
    }
}

/// Fields, and which of them were told.
struct Told<'a> {
    data: &'a Map<String, Value>,
    key: &'a str,
    used: Vec<&'a str>,
}

impl<'a> Told<'a> {
    /// The first of these fields for which `read` finds something; it counts as told.
    fn first<T>(
        &mut self,
        names: &[&'static str],
        read: impl Fn(&Self, &str) -> Option<T>,
    ) -> Option<T> {
        let (name, found) = names.iter().find_map(|name| Some((*name, read(self, name)?)))?;
        self.used.push(name);
        Some(found)
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.data.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// Ids of a field, one or several.
    fn people(&self, name: &str) -> Option<String> {
        match self.data.get(name)? {
            Value::String(one) if !one.is_empty() => Some(one.clone()),
            Value::Array(all) if !all.is_empty() && all.iter().all(Value::is_string) => {
                let first: Vec<&str> = all.iter().take(IDS_MAX).filter_map(Value::as_str).collect();
                let more = all.len() - first.len();
                let more = if more > 0 { format!(" +{more}") } else { String::new() };
                Some(format!("{}{more}", first.join(", ")))
            }
            _ => None,
        }
    }

    /// `alice → bob`, or whoever of the two is known.
    fn who(&mut self) -> Option<String> {
        let who = self.first(WHO, Self::people);
        let told = self.used.last().copied().unwrap_or_default();
        let whom = self.first(WHOM, |all, name| {
            all.people(name).filter(|whom| name != told && who.as_ref() != Some(whom))
        });
        match (who, whom) {
            (Some(who), Some(whom)) => Some(format!("{who} → {whom}")),
            (who, whom) => who.or(whom),
        }
    }

    /// `name=value` for what else is known.
    fn others(&self) -> Vec<String> {
        let told = |(name, value): (&'a String, &'a Value)| {
            let name = name.as_str();
            if UNTOLD.contains(&name) || self.used.contains(&name) {
                return None;
            }
            // The text says that it is a text.
            if name == "content_type" && value == "text" {
                return None;
            }
            let value = brief(value)?;
            // Ids that the key shows already: `group:g1` has the group.
            if name.ends_with("_id") && self.key.ends_with(&value) {
                return None;
            }
            Some(format!("{name}={}", fit(&clean(&value), VALUE)))
        };
        self.data.iter().filter_map(told).take(OTHERS_MAX).collect()
    }
}

/// A value in a few words; nothing for nothing.
fn brief(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => Some("\"\"".to_owned()),
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => Some(items.iter().map(item).collect::<Vec<_>>().join(",")),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{name}:{}", item(value)));
            Some(members.collect::<Vec<_>>().join(","))
        }
    }
}

/// An item of a list: attributes as `key:value`, other objects by their first member.
fn item(value: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        Value::Object(members) => match (members.get("key"), members.get("value")) {
            (Some(key), Some(value)) => format!("{}:{}", text(key), text(value)),
            _ => members.values().next().map_or_else(String::new, text),
        },
        other => text(other),
    }
}

#[cfg(test)]
mod tests;
