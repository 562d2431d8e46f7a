//! librdkafka properties that operators set: names, aliases, and those that are refused.
//!
//! In: `IMBRIDGE_KAFKA_PROPERTY_*` variables and the pairs of the properties file. Out: property
//! names with values. Invariant: no property that our promises rest on gets through, under any of
//! its names, and no property comes twice, for librdkafka takes whichever it meets last.
//!
//! Source of all names: `CONFIGURATION.md` and `rdkafka_conf.c` of librdkafka 2.12.

use std::collections::BTreeMap;
use std::path::Path;

use super::problems::{Problem, quoted};
use super::read::Reader;
use super::secret::Secret;
use super::table::KAFKA_PROPERTY_PREFIX;
use crate::files::{self, PropertiesFile};

/// Properties that the bridge sets itself, by librdkafka's own names, with the reason to refuse
/// others.
///
/// Gapless, idempotent, never giving up: that is order and "nothing is lost". The partitioner
/// decides where Java consumers look for a key. Without reports of success no record would ever
/// count as delivered. Topics are created by us, with the settings that were asked for, or not at
/// all.
pub(super) const REFUSED: &[&str] = &[
    "metadata.broker.list",
    "message.max.bytes",
    "max.in.flight.requests.per.connection",
    "transactional.id",
    "enable.idempotence",
    "enable.gapless.guarantee",
    "message.send.max.retries",
    "request.required.acks",
    "request.timeout.ms",
    "message.timeout.ms",
    "partitioner",
    "delivery.report.only.error",
    "allow.auto.create.topics",
];

/// Every alias of librdkafka for a property that a producer or a consumer has, with the name it
/// stands for.
pub(super) const ALIASES: &[(&str, &str)] = &[
    ("bootstrap.servers", "metadata.broker.list"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("sasl.mechanism", "sasl.mechanisms"),
    ("sasl.oauthbearer.client.credentials.client.id", "sasl.oauthbearer.client.id"),
    ("sasl.oauthbearer.client.credentials.client.secret", "sasl.oauthbearer.client.secret"),
    ("max.partition.fetch.bytes", "fetch.message.max.bytes"),
    ("linger.ms", "queue.buffering.max.ms"),
    ("retries", "message.send.max.retries"),
    ("compression.type", "compression.codec"),
    ("acks", "request.required.acks"),
    ("delivery.timeout.ms", "message.timeout.ms"),
];

/// The names of librdkafka that have an underscore of their own.
pub(super) const WITH_UNDERSCORE: &[&str] = &[
    "background_event_cb",
    "closesocket_cb",
    "connect_cb",
    "consume_cb",
    "default_topic_conf",
    "dr_cb",
    "dr_msg_cb",
    "enabled_events",
    "error_cb",
    "log_cb",
    "log_level",
    "msg_order_cmp",
    "oauthbearer_token_refresh_cb",
    "offset_commit_cb",
    "open_cb",
    "partitioner_cb",
    "rebalance_cb",
    "resolve_cb",
    "socket_cb",
    "ssl.certificate.verify_cb",
    "ssl_ca",
    "ssl_certificate",
    "ssl_engine_callback_data",
    "ssl_key",
    "stats_cb",
    "throttle_cb",
];

/// A librdkafka property that somebody set.
#[derive(Debug, Clone)]
pub struct Property {
    /// librdkafka's own name, never an alias.
    pub name: String,
    /// Its value.
    pub value: Secret,
    /// The variable that set it, or that names the file.
    pub variable: String,
    /// What that variable does, in words that follow its name, with the property as it was written.
    pub sets: String,
}

impl Property {
    /// The problem that librdkafka has with it, in its own words.
    #[must_use]
    pub fn refused(&self, why: &str) -> Problem {
        Problem::of(&self.variable, &format!("{}, which librdkafka refuses: {why}", self.sets))
    }
}

/// Joins the variables with the pairs of the file (the value of `IMBRIDGE_KAFKA_PROPERTIES`); a
/// variable wins. The result has librdkafka's own names instead of aliases, sorted.
pub(super) fn read(
    variables: &BTreeMap<String, String>,
    file: Option<String>,
    reader: &mut Reader,
) -> Vec<Property> {
    let mut properties = from_variables(variables, reader);
    if let Some(path) = file {
        for (name, property) in from_file(&path, reader) {
            properties.entry(name).or_insert(property);
        }
    }
    properties.into_values().collect()
}

fn from_variables(
    variables: &BTreeMap<String, String>,
    reader: &mut Reader,
) -> BTreeMap<String, Property> {
    let mut properties: BTreeMap<String, Property> = BTreeMap::new();
    for (variable, value) in variables {
        let suffix = variable.strip_prefix(KAFKA_PROPERTY_PREFIX).unwrap_or_default();
        let property = property_name(suffix);
        let name = real_name(&property).to_owned();
        let sets = format!("sets {property}");
        if property.is_empty() {
            reader.problem(
                variable,
                "names no property: expected the name of a librdkafka property at its end",
            );
        } else if is_refused(&property) {
            reader.problem(variable, &format!("{sets}, {OWN_PROPERTY}"));
        } else if let Some(other) = properties.get(&name) {
            let what =
                format!("{sets}, which {} sets too: expected only one of them", other.variable);
            reader.problem(variable, &what);
        } else {
            let value = Secret::new(value.clone());
            let property = Property { name: name.clone(), value, variable: variable.clone(), sets };
            properties.insert(name, property);
        }
    }
    properties
}

fn from_file(path: &str, reader: &mut Reader) -> BTreeMap<String, Property> {
    let variable = "IMBRIDGE_KAFKA_PROPERTIES";
    let read = files::read_properties(Path::new(path));
    let PropertiesFile { pairs, wrong } =
        read.unwrap_or_else(|error| PropertiesFile { pairs: Vec::new(), wrong: vec![error] });
    for error in wrong {
        reader.problem(variable, &format!("names a file that cannot be used: {error}"));
    }
    let mut properties = BTreeMap::new();
    for (property, value) in pairs {
        let name = real_name(&property).to_owned();
        let sets = format!("names file {path}, which sets {}", quoted(&property));
        if is_refused(&property) {
            reader.problem(variable, &format!("{sets}, {OWN_PROPERTY}"));
        } else if properties.contains_key(&name) {
            reader.problem(variable, &format!("{sets} twice: expected one line for it"));
        } else {
            let (value, variable) = (Secret::new(value), variable.to_owned());
            properties.insert(name.clone(), Property { name, value, variable, sets });
        }
    }
    properties
}

const OWN_PROPERTY: &str = "which is not allowed: the bridge sets this librdkafka property itself";

/// Whether our promises rest on this property. Topic properties have a second spelling,
/// `topic.acks`.
fn is_refused(property: &str) -> bool {
    let bare = property.strip_prefix("topic.").unwrap_or(property);
    REFUSED.contains(&real_name(property)) || REFUSED.contains(&real_name(bare))
}

/// librdkafka's own name for a property, whichever of its names is given.
fn real_name(property: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == property).map_or(property, |(_, name)| name)
}

/// The property that the end of a variable's name stands for.
fn property_name(suffix: &str) -> String {
    let lower = suffix.to_ascii_lowercase();
    match WITH_UNDERSCORE.iter().find(|name| name.replace('.', "_") == lower) {
        Some(name) => (*name).to_owned(),
        None => lower.replace('_', "."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_underscore_becomes_a_dot_unless_the_property_has_it() {
        let cases = [
            ("SECURITY_PROTOCOL", "security.protocol"),
            ("SSL_KEY", "ssl_key"),
            ("SSL_KEY_LOCATION", "ssl.key.location"),
            ("SSL_CERTIFICATE", "ssl_certificate"),
            ("SSL_CA_PEM", "ssl.ca.pem"),
            ("SSL_CERTIFICATE_VERIFY_CB", "ssl.certificate.verify_cb"),
            ("LOG_LEVEL", "log_level"),
        ];
        for (suffix, property) in cases {
            assert_eq!(property_name(suffix), property);
        }
    }

    #[test]
    fn own_properties_are_refused_under_every_name() {
        let names = [
            "enable.idempotence",
            "enable.gapless.guarantee",
            "acks",
            "request.required.acks",
            "retries",
            "message.send.max.retries",
            "max.in.flight",
            "max.in.flight.requests.per.connection",
            "message.timeout.ms",
            "delivery.timeout.ms",
            "request.timeout.ms",
            "partitioner",
            "transactional.id",
            "message.max.bytes",
            "bootstrap.servers",
            "metadata.broker.list",
            "delivery.report.only.error",
            "allow.auto.create.topics",
            "topic.acks",
            "topic.request.required.acks",
            "topic.delivery.timeout.ms",
            "topic.partitioner",
        ];
        for name in names {
            assert!(is_refused(name), "{name}");
        }
        for name in ["linger.ms", "sasl.password", "topic.compression.type", "ssl.ca.location"] {
            assert!(!is_refused(name), "{name}");
        }
    }
}
