//! Settings of the connection to Kafka, of topics and of the form of events.
//!
//! In: texts and librdkafka properties. Out: [`Kafka`]. Invariant: with this prefix every built-in
//! kind and command gives a legal topic name.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::event::{EventFormat, TopicBy};

use super::properties::{self, Property};
use super::read::{self, Reader};

/// Longest topic prefix in characters. Kafka allows 249 for a name, which leaves 99 for the rest;
/// the longest built-in one, a provider and its command, has 63.
const TOPIC_PREFIX_CHARS_MAX: usize = 150;

/// Largest record in bytes: librdkafka's bound for `message.max.bytes`, less 1024 for what we add
/// to it.
const EVENT_BYTES_MAX: u64 = 1_000_000_000 - 1024;

/// Kafka.
#[derive(Debug, Clone)]
pub struct Kafka {
    /// `IMBRIDGE_KAFKA_BROKERS`, joined by commas; see `Config::require_brokers`.
    pub brokers: Option<String>,
    /// librdkafka properties from the file and from variables, under librdkafka's own names (never
    /// an alias), each once. Whether librdkafka takes them is another question.
    pub properties: Vec<Property>,
    /// `IMBRIDGE_TOPIC_PREFIX`.
    pub topic_prefix: String,
    /// `IMBRIDGE_TOPIC_BY`.
    pub topic_by: TopicBy,
    /// `IMBRIDGE_TOPICS_CREATE`.
    pub topics_create: bool,
    /// `IMBRIDGE_TOPIC_PARTITIONS`, at least 1; `None`: the broker's own.
    pub partitions: Option<i32>,
    /// `IMBRIDGE_TOPIC_REPLICATION`, at least 1; `None`: the broker's own.
    pub replication: Option<i32>,
    /// `IMBRIDGE_EVENT_FORMAT`.
    pub event_format: EventFormat,
    /// `IMBRIDGE_EVENT_BYTES_MAX`, at least 1.
    pub event_bytes_max: usize,
}

#[derive(Deserialize)]
pub(super) struct KafkaVars {
    kafka_brokers: Option<String>,
    kafka_properties: Option<String>,
    topic_prefix: Option<String>,
    topic_by: Option<String>,
    topics_create: Option<String>,
    topic_partitions: Option<String>,
    topic_replication: Option<String>,
    event_format: Option<String>,
    event_bytes_max: Option<String>,
}

pub(super) fn read(
    vars: KafkaVars,
    property_variables: &BTreeMap<String, String>,
    reader: &mut Reader,
) -> Kafka {
    let topics = [("kind", TopicBy::Kind), ("command", TopicBy::Command), ("one", TopicBy::One)];
    let formats = [("structured", EventFormat::Structured), ("binary", EventFormat::Binary)];
    let event_bytes_max =
        reader.number("IMBRIDGE_EVENT_BYTES_MAX", vars.event_bytes_max, 1..=EVENT_BYTES_MAX);
    Kafka {
        brokers: vars.kafka_brokers.and_then(|text| brokers(&text, reader)),
        properties: properties::read(property_variables, vars.kafka_properties, reader),
        topic_prefix: topic_prefix(vars.topic_prefix, reader),
        topic_by: reader.word("IMBRIDGE_TOPIC_BY", vars.topic_by, &topics),
        topics_create: reader.word(
            "IMBRIDGE_TOPICS_CREATE",
            vars.topics_create,
            &[("true", true), ("false", false)],
        ),
        partitions: count("IMBRIDGE_TOPIC_PARTITIONS", vars.topic_partitions, i32::MAX, reader),
        replication: count(
            "IMBRIDGE_TOPIC_REPLICATION",
            vars.topic_replication,
            i16::MAX.into(),
            reader,
        ),
        event_format: reader.word("IMBRIDGE_EVENT_FORMAT", vars.event_format, &formats),
        event_bytes_max: usize::try_from(event_bytes_max).expect("a billion fits into 32 bits"),
    }
}

/// The list of brokers in librdkafka's form.
fn brokers(text: &str, reader: &mut Reader) -> Option<String> {
    let items: Vec<&str> = read::list(text).collect();
    if items.is_empty() || !items.iter().copied().all(is_broker) {
        let expected =
            "a list of host:port, such as kafka-1:9092,kafka-2:9092 (IPv6 addresses in brackets)";
        reader.unexpected("IMBRIDGE_KAFKA_BROKERS", text, expected);
        return None;
    }
    Some(items.join(","))
}

/// `host`, `host:port`, `[IPv6]` or `[IPv6]:port`, with or without `protocol://` in front.
fn is_broker(text: &str) -> bool {
    let address = text.split_once("://").map_or(text, |(_, address)| address);
    let (host, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':').unwrap_or(""))),
        None => match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    let is_host =
        !host.is_empty() && host.chars().all(|c| c.is_alphanumeric() || "-._:%".contains(c));
    let is_port =
        |port: &str| read::digits(port).is_some_and(|number| (1..=65535).contains(&number));
    is_host && port.is_none_or(is_port)
}

fn topic_prefix(given: Option<String>, reader: &mut Reader) -> String {
    let expected =
        format!("letters, digits, '.', '_' and '-', at most {TOPIC_PREFIX_CHARS_MAX} characters");
    reader.value("IMBRIDGE_TOPIC_PREFIX", given, &expected, |text| {
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        (text.len() <= TOPIC_PREFIX_CHARS_MAX && text.bytes().all(is_legal))
            .then(|| text.to_owned())
    })
}

/// A number from 1 to `max`; −1 stands for the broker's own.
fn count(name: &'static str, given: Option<String>, max: i32, reader: &mut Reader) -> Option<i32> {
    let expected = format!("a whole number from 1 to {max}, or -1 for the broker's own");
    reader.value(name, given, &expected, |text| {
        if text == "-1" {
            return Some(None);
        }
        let number = read::digits(text).and_then(|number| i32::try_from(number).ok());
        number.filter(|number| (1..=max).contains(number)).map(Some)
    })
}

#[cfg(test)]
mod tests {
    use super::is_broker;

    #[test]
    fn brokers_are_hosts_with_or_without_a_port() {
        for text in [
            "kafka",
            "kafka:9092",
            "10.0.0.1:1",
            "[::1]:9092",
            "[::1]",
            "PLAINTEXT://kafka:9092",
            "a_b.c-d:65535",
        ] {
            assert!(is_broker(text), "{text}");
        }
        for text in [
            "",
            ":9092",
            "kafka:",
            "kafka:0",
            "kafka:65536",
            "kafka:abc",
            "::1",
            "[::1]9092",
            "a b:1",
            "a/b",
        ] {
            assert!(!is_broker(text), "{text}");
        }
    }
}
