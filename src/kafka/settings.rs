//! Kafka settings and what they become as librdkafka properties.
//!
//! In: brokers, an operator's own properties, limits. Out: configurations for producer, consumer and
//! admin client. What always holds: the properties that our promises rest on are ours, whatever an
//! operator set; what is merely a good default gives way, under the property's aliases too.

use super::admin::Admin;
use super::producer::explain;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

/// Properties (and their aliases) that operators must not set, for our promises rest on them.
pub const PROTECTED: &[&str] = &[
    "acks",
    "allow.auto.create.topics",
    "bootstrap.servers",
    "delivery.report.only.error",
    "delivery.timeout.ms",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "message.max.bytes",
    "message.send.max.retries",
    "message.timeout.ms",
    "metadata.broker.list",
    "partitioner",
    "request.required.acks",
    "request.timeout.ms",
    "retries",
    "transactional.id",
];

/// Room for what librdkafka counts on top of key, headers and value, and for our own two headers.
const RECORD_OVERHEAD_BYTES: usize = 1024;
/// What a batch costs beside its records; a batch stays this far below a topic's limit.
const BATCH_OVERHEAD_BYTES: usize = 1000;
/// Batch size when no topic's limit could be read: below the brokers' default limit of 1,048,588.
const BATCH_BYTES_UNKNOWN: usize = 900_000;
/// Nothing is gained beyond this.
const BATCH_BYTES_MAX: usize = 1_000_000;
/// No batch is made smaller than this, however often halving was called for.
pub const BATCH_BYTES_MIN: usize = 4096;

/// Defaults that operators may change: names (the first one is set) and value.
const DEFAULTS: &[(&[&str], &str)] = &[
    (&["client.id"], "imbridge"),
    (&["compression.type", "compression.codec"], "lz4"),
    (&["linger.ms", "queue.buffering.max.ms"], "5"),
    (&["reconnect.backoff.max.ms"], "1000"),
    (&["enable.metrics.push"], "false"),
    (&["log.connection.close"], "false"),
    (&["socket.keepalive.enable"], "true"),
    (&["statistics.interval.ms"], "1000"),
    // How long a topic that was just seen may be missing before it counts as gone. Nothing is sent
    // to a topic that the cluster was not seen to have, so the default of 30 s only makes a topic
    // that was deleted early hold everything for longer.
    (&["topic.metadata.propagation.max.ms"], "3000"),
];

/// How to reach Kafka and what to do about topics.
#[derive(Clone)]
pub struct KafkaSettings {
    /// Bootstrap servers, separated by commas.
    pub brokers: String,
    /// librdkafka properties of the operator.
    pub properties: Vec<(String, String)>,
    /// Create missing topics.
    pub topics_create: bool,
    /// Partitions of topics we create; the broker's default if `None`.
    pub partitions: Option<i32>,
    /// Replication of topics we create; the broker's default if `None`.
    pub replication: Option<i32>,
    /// Largest record that intake lets through: value, key, headers.
    pub event_bytes_max: usize,
}

impl std::fmt::Debug for KafkaSettings {
    /// Leaves out values of properties: they hold passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.properties.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("KafkaSettings")
            .field("brokers", &self.brokers)
            .field("properties", &names)
            .field("topics_create", &self.topics_create)
            .field("partitions", &self.partitions)
            .field("replication", &self.replication)
            .field("event_bytes_max", &self.event_bytes_max)
            .finish()
    }
}

/// What librdkafka has against properties, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The property, as far as that can be told.
    pub property: Option<String>,
    /// Why.
    pub why: String,
}

/// Why a property was refused, without its name, which is known.
fn without_name(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, text, _, _) => text.clone(),
        other => other.to_string(),
    }
}

impl KafkaSettings {
    /// Settings for `brokers` with everything else at its default.
    #[must_use]
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            properties: Vec::new(),
            topics_create: true,
            partitions: None,
            replication: None,
            event_bytes_max: 1_000_000,
        }
    }

    /// Asks librdkafka what it has against the operator's properties, files that they name included.
    /// No broker is waited for.
    #[must_use]
    pub fn refused(&self) -> Vec<Refused> {
        let alone = self.properties.iter().filter_map(|(name, value)| {
            let mut config = ClientConfig::new();
            let error = config.set(name, value).create_native_config().err()?;
            Some(Refused { property: Some(name.clone()), why: without_name(&error) })
        });
        let mut refused: Vec<Refused> = alone.collect();
        // Together they can be wrong though each is right, but what is wrong by itself comes first.
        if refused.is_empty()
            && let Err(why) = self.check()
        {
            let named =
                self.properties.iter().map(|(name, _)| name).filter(|name| why.contains(*name));
            let property = named.max_by_key(|name| name.len()).cloned();
            refused.push(Refused { property, why });
        }
        refused
    }

    /// Whether librdkafka takes the properties all together.
    fn check(&self) -> Result<(), String> {
        let config = self.producer(BATCH_BYTES_UNKNOWN);
        config.create_native_config().map_err(|error| explain(&error))?;
        Admin::open(self).map(drop).map_err(|error| error.text)
    }

    /// Batch size for topics whose smallest `max.message.bytes` is the given one, at most `cap`.
    #[must_use]
    pub fn batch_bytes(&self, smallest_limit: Option<usize>, cap: Option<usize>) -> usize {
        let by_topic = smallest_limit
            .map_or(BATCH_BYTES_UNKNOWN, |limit| limit.saturating_sub(BATCH_OVERHEAD_BYTES));
        let by_operator = self.property("batch.size").and_then(|text| text.trim().parse().ok());
        let smallest = [Some(BATCH_BYTES_MAX), Some(by_topic), by_operator, cap];
        let smallest = smallest.into_iter().flatten().min().unwrap_or(by_topic);
        smallest.max(BATCH_BYTES_MIN)
    }

    fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// What every kind of client gets.
    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (name, value) in &self.properties {
            if !PROTECTED.contains(&name.as_str()) {
                config.set(name, value);
            }
        }
        for (names, value) in DEFAULTS {
            if names.iter().all(|name| config.get(name).is_none()) {
                config.set(names[0], *value);
            }
        }
        config.set("bootstrap.servers", &self.brokers);
        config.set("allow.auto.create.topics", "false");
        config
    }

    /// A producer session.
    pub(super) fn producer(&self, batch_bytes: usize) -> ClientConfig {
        let mut config = self.client();
        config.set("enable.idempotence", "true");
        config.set("enable.gapless.guarantee", "true");
        config.set("message.timeout.ms", "0");
        config.set("partitioner", "murmur2_random");
        let message_bytes = self.event_bytes_max + RECORD_OVERHEAD_BYTES;
        config.set("message.max.bytes", message_bytes.to_string());
        config.set("batch.size", batch_bytes.to_string());
        config
    }

    /// A session of records that go one by one: with nothing behind a record there can be no gap.
    pub(super) fn lone_producer(&self, batch_bytes: usize) -> ClientConfig {
        let mut config = self.producer(batch_bytes);
        config.set("enable.gapless.guarantee", "false");
        config.set("statistics.interval.ms", "0");
        config.remove("queue.buffering.max.ms");
        config.set("linger.ms", "0");
        config
    }

    /// A client that asks about topics.
    pub(super) fn admin(&self) -> ClientConfig {
        let mut config = self.client();
        config.set("statistics.interval.ms", "0");
        config
    }

    /// A client that reads without belonging to a consumer group.
    pub(super) fn consumer(&self) -> ClientConfig {
        let mut config = self.client();
        config.set("statistics.interval.ms", "0");
        // librdkafka wants a name even where nothing is ever committed or joined.
        if config.get("group.id").is_none() {
            config.set("group.id", "imbridge-tail");
        }
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("auto.offset.reset", "earliest");
        config.set("fetch.wait.max.ms", "100");
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(properties: &[(&str, &str)]) -> KafkaSettings {
        let mut settings = KafkaSettings::new("broker:9092");
        for (name, value) in properties {
            settings.properties.push(((*name).to_owned(), (*value).to_owned()));
        }
        settings
    }

    #[test]
    fn promises_hold_whatever_an_operator_sets() {
        let settings = with(&[
            ("enable.idempotence", "false"),
            ("enable.gapless.guarantee", "false"),
            ("message.timeout.ms", "1000"),
            ("delivery.timeout.ms", "1000"),
            ("partitioner", "random"),
            ("acks", "1"),
            ("bootstrap.servers", "elsewhere:1"),
            ("metadata.broker.list", "elsewhere:1"),
            ("allow.auto.create.topics", "true"),
        ]);
        let config = settings.producer(1000);
        for (name, value) in [
            ("enable.idempotence", Some("true")),
            ("enable.gapless.guarantee", Some("true")),
            ("message.timeout.ms", Some("0")),
            ("delivery.timeout.ms", None),
            ("partitioner", Some("murmur2_random")),
            ("acks", None),
            ("bootstrap.servers", Some("broker:9092")),
            ("metadata.broker.list", None),
            ("allow.auto.create.topics", Some("false")),
            ("message.max.bytes", Some("1001024")),
        ] {
            assert_eq!(config.get(name), value, "{name}");
        }
    }

    #[test]
    fn good_defaults_give_way_under_either_name() {
        let config = with(&[("compression.codec", "zstd"), ("linger.ms", "50")]).producer(1000);
        assert_eq!(config.get("compression.codec"), Some("zstd"));
        assert_eq!(config.get("compression.type"), None);
        assert_eq!(config.get("linger.ms"), Some("50"));
        assert_eq!(with(&[]).producer(1000).get("compression.type"), Some("lz4"));
        for name in ["enable.metrics.push", "log.connection.close"] {
            assert_eq!(with(&[(name, "true")]).producer(1000).get(name), Some("true"), "{name}");
            assert_eq!(with(&[]).producer(1000).get(name), Some("false"), "{name}");
        }
    }

    #[test]
    fn batches_stay_below_the_smallest_limit() {
        let plain = with(&[]);
        assert_eq!(plain.batch_bytes(None, None), 900_000);
        assert_eq!(plain.batch_bytes(Some(1_048_588), None), 1_000_000);
        assert_eq!(plain.batch_bytes(Some(100_000), None), 99_000);
        assert_eq!(plain.batch_bytes(Some(100_000), Some(50_000)), 50_000);
        assert_eq!(plain.batch_bytes(Some(10), None), BATCH_BYTES_MIN);
        assert_eq!(with(&[("batch.size", "20000")]).batch_bytes(None, None), 20_000);
    }

    #[test]
    fn librdkafka_takes_our_configurations() {
        let settings = with(&[("security.protocol", "sasl_ssl"), ("sasl.mechanism", "PLAIN")]);
        let lone = settings.lone_producer(9_000);
        for config in [settings.producer(9_000), lone, settings.admin(), settings.consumer()] {
            assert!(config.create_native_config().is_ok());
        }
    }

    #[test]
    fn every_property_that_librdkafka_refuses_is_named() {
        assert_eq!(with(&[("linger.ms", "5"), ("ssl.ca.location", "probe")]).refused(), []);
        let wrong = with(&[("linger.ms", "soon"), ("client.id", "me"), ("linger.never", "1")]);
        let names: Vec<_> = wrong.refused().into_iter().filter_map(|one| one.property).collect();
        assert_eq!(names, ["linger.ms", "linger.never"]);
        let file = with(&[("security.protocol", "ssl"), ("ssl.ca.location", "/nowhere/ca.pem")]);
        let refused = file.refused();
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert_eq!(refused[0].property.as_deref(), Some("ssl.ca.location"), "{refused:?}");
        let both = with(&[("queue.buffering.max.ms", "7"), ("message.timeout.ms", "5")]);
        assert_eq!(both.refused(), [], "what is ours stays ours");
    }

    #[test]
    fn a_password_is_never_printed() {
        let printed = format!("{:?}", with(&[("sasl.password", "hunter2")]));
        assert!(printed.contains("sasl.password") && !printed.contains("hunter2"));
    }
}
