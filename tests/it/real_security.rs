//! librdkafka's properties through the program to a real Apache Kafka: SASL, TLS, codecs, mistakes.
//!
//! In: `IMBRIDGE_KAFKA_PROPERTY_*` variables. Out: whether a secured broker lets the bridge in, what
//! is said when it does not, and whether a property has its effect.

use serde_json::json;

use crate::support::kafka::{
    self, Broker, Options, SASL_PASSWORD, SASL_USER, Security, kafka_or_skip,
};
use crate::support::process::{Bridge, SOON};
use crate::support::shipped::Trail;

/// Variables for librdkafka properties, and a single topic.
fn settings(properties: &[(&str, &str)]) -> Vec<(String, String)> {
    let variable = |name: &str| {
        format!("IMBRIDGE_KAFKA_PROPERTY_{}", name.replace('.', "_").to_ascii_uppercase())
    };
    let own = properties.iter().map(|(name, value)| (variable(name), (*value).to_owned()));
    let one = ("IMBRIDGE_TOPIC_BY".to_owned(), "one".to_owned());
    own.chain([one]).collect()
}

fn start(broker: &Broker, prefix: &str, properties: &[(&str, &str)]) -> Bridge {
    let settings = settings(properties);
    let more: Vec<(&str, &str)> =
        settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Bridge::start(&broker.bootstrap(), prefix, &more)
}

fn dismiss(bridge: &Bridge, group: &str) {
    let body = json!({
        "callbackCommand": "callbackAfterDisMissGroupCommand",
        "groupID": group, "groupType": 2, "ownerID": "u1", "membersID": vec!["u2"; 50],
    });
    bridge.accept("/openim/callbackAfterDisMissGroupCommand", &body);
}

/// Ships `records` callbacks and stops.
fn ships(bridge: Bridge, broker: &Broker, prefix: &str, records: u64) {
    for number in 0..records {
        dismiss(&bridge, &number.to_string());
    }
    bridge.drained(SOON);
    assert!(bridge.degraded().is_empty(), "{:?}", bridge.degraded());
    assert_eq!(bridge.stop().code, Some(0));
    Trail::read(broker, prefix).assert_whole(records);
}

#[test]
fn sasl_lets_the_right_password_in_and_the_wrong_one_is_named() {
    kafka_or_skip!();
    let broker = Broker::start(&Options::with(Security::Sasl));
    let with = |mechanism, password| {
        [
            ("security.protocol", "sasl_plaintext"),
            ("sasl.mechanism", mechanism),
            ("sasl.username", SASL_USER),
            ("sasl.password", password),
        ]
    };
    for mechanism in ["PLAIN", "SCRAM-SHA-256"] {
        let prefix = kafka::topic_prefix("sasl");
        let bridge = start(&broker, &prefix, &with(mechanism, SASL_PASSWORD));
        ships(bridge, &broker, &prefix, 3);
    }

    let prefix = kafka::topic_prefix("sasl");
    let bridge = start(&broker, &prefix, &with("SCRAM-SHA-512", "guessed in vain"));
    dismiss(&bridge, "g1");
    let text = bridge.wait_until_degraded("refuse our credentials", SOON);
    assert!(text.to_lowercase().contains("authentication"), "{text}");
    let gauge = bridge.metric("kafka_degraded{reason=\"authentication\"}");
    assert_eq!(gauge.to_bits(), 1_f64.to_bits());
    dismiss(&bridge, "g2");
    let records = &bridge.status()["ledger"]["records"];
    assert_eq!((&records["waiting"], &records["confirmed"]), (&json!(2), &json!(0)));
    let status = bridge.status().to_string();
    assert!(!status.contains("guessed in vain"), "{status}");
    let log = bridge.log().join("\n");
    assert!(!log.contains("guessed in vain"), "{log}");
}

#[test]
fn tls_trusts_the_right_authority_and_the_wrong_one_is_named() {
    kafka_or_skip!();
    let broker = Broker::start(&Options::with(Security::Tls));
    let properties = broker.client_properties();
    let properties: Vec<(&str, &str)> =
        properties.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let prefix = kafka::topic_prefix("tls");
    ships(start(&broker, &prefix, &properties), &broker, &prefix, 3);

    let foreign = broker.foreign_authority();
    let foreign = foreign.to_str().expect("cargo's paths are UTF-8");
    let wrong = [("security.protocol", "ssl"), ("ssl.ca.location", foreign)];
    let bridge = start(&broker, &kafka::topic_prefix("tls"), &wrong);
    dismiss(&bridge, "g1");
    bridge.wait_until_degraded("TLS fails", SOON);
    assert_eq!(bridge.metric("kafka_degraded{reason=\"tls\"}").to_bits(), 1_f64.to_bits());
}

/// The codec of the first batch of a topic's only partition, from the broker's own file.
fn codec(broker: &Broker, topic: &str) -> u8 {
    let segment = broker.dir().join(format!("data/{topic}-0/00000000000000000000.log"));
    let bytes = std::fs::read(segment).expect("the partition has a segment");
    // Behind offset (8), length (4), epoch (4), magic (1) and checksum (4): attributes (2).
    bytes[22] & 7
}

#[test]
fn a_property_has_its_effect_on_what_the_broker_stores() {
    kafka_or_skip!();
    let broker = kafka::shared();
    for (property, codec_there) in [(None, 3), (Some("zstd"), 4), (Some("gzip"), 1)] {
        let prefix = kafka::topic_prefix("codec");
        broker.create_topic(&format!("{prefix}events"), 1, &[]);
        let properties: Vec<(&str, &str)> =
            property.iter().map(|codec| ("compression.type", *codec)).collect();
        ships(start(broker, &prefix, &properties), broker, &prefix, 1);
        assert_eq!(codec(broker, &format!("{prefix}events")), codec_there, "{property:?}");
    }
}

#[test]
fn a_property_that_librdkafka_does_not_take_is_refused_at_the_start() {
    let refused = |properties: &[(&str, &str)]| {
        let settings = settings(properties);
        let more: Vec<(&str, &str)> =
            settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Bridge::refusal("127.0.0.1:1", "refused.", &more)
    };
    let unknown = refused(&[("lingr.ms", "5")]);
    assert!(unknown.contains("lingr.ms") && unknown.contains("IMBRIDGE_KAFKA_"), "{unknown}");
    let word = refused(&[("compression.type", "brotli")]);
    assert!(word.contains("compression.codec") || word.contains("compression.type"), "{word}");
    let file = refused(&[("security.protocol", "ssl"), ("ssl.ca.location", "/no/such/file.pem")]);
    assert!(file.contains("ssl.ca.location"), "{file}");
    let secret =
        refused(&[("sasl.password", "open sesame"), ("sasl.mechanism", "PLAIN"), ("no.such", "1")]);
    assert!(secret.contains("no.such") && !secret.contains("open sesame"), "{secret}");
}
