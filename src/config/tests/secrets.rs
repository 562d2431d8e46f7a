//! Secrets and librdkafka properties: where they come from, what is refused, and that nobody sees
//! them.

use std::io::Write;
use std::path::Path;

use tempfile::NamedTempFile;

use super::super::table::KAFKA_PROPERTY_PREFIX;
use super::*;

fn file(content: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a temporary file can be made");
    file.write_all(content.as_bytes()).expect("a temporary file can be written");
    file
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}

fn properties(config: &Config) -> Vec<(&str, &str)> {
    let all = config.kafka.properties.iter();
    all.map(|property| (property.name.as_str(), property.value.reveal())).collect()
}

#[test]
fn the_admin_token_may_come_from_a_file() {
    let token = file("\n  hunter,2  \r\n");
    let config = config(&[("IMBRIDGE_ADMIN_TOKEN_FILE", text(token.path()))]);
    assert_eq!(config.admin.token.as_ref().map(Secret::reveal), Some("hunter,2"));
}

#[test]
fn a_token_file_that_cannot_be_used_is_a_problem_that_names_it() {
    for (content, expected) in
        [(" \n", "is empty"), ("hunter2\nhunter3\n", "with 2 lines: expected one")]
    {
        let token = file(content);
        let sentence = sentence(&[("IMBRIDGE_ADMIN_TOKEN_FILE", text(token.path()))]);
        assert!(sentence.starts_with("IMBRIDGE_ADMIN_TOKEN_FILE names"), "{sentence}");
        assert!(sentence.contains(text(token.path())) && sentence.contains(expected), "{sentence}");
        assert!(!sentence.contains("hunter"), "{sentence}");
    }
    let sentence = sentence(&[("IMBRIDGE_ADMIN_TOKEN_FILE", "/nowhere/token")]);
    assert!(sentence.contains("file /nowhere/token cannot be read"), "{sentence}");
}

#[test]
fn both_forms_of_a_secret_are_a_problem() {
    let token = file("hunter2");
    let vars =
        [("IMBRIDGE_ADMIN_TOKEN", "hunter3"), ("IMBRIDGE_ADMIN_TOKEN_FILE", text(token.path()))];
    let expected = "IMBRIDGE_ADMIN_TOKEN and IMBRIDGE_ADMIN_TOKEN_FILE are both set: \
                    expected only one of them";
    assert_eq!(sentence(&vars), expected);
}

#[test]
fn a_token_that_no_header_can_carry_is_a_problem_without_its_value() {
    for token in ["hunter 2", "hünter2", "hunter\u{7f}2"] {
        let sentence = sentence(&[("IMBRIDGE_ADMIN_TOKEN", token)]);
        assert!(
            sentence.starts_with("IMBRIDGE_ADMIN_TOKEN has a value that cannot be a bearer token"),
            "{sentence}"
        );
        assert!(!sentence.contains("nter"), "{sentence}");
    }
}

#[test]
fn kafka_properties_come_from_the_file_and_variables_win_also_by_alias() {
    let file = file("# comment\nsasl.password = from=file \nsasl.mechanism=PLAIN\nlinger.ms=3\n");
    let config = config(&[
        ("IMBRIDGE_KAFKA_PROPERTIES", text(file.path())),
        ("IMBRIDGE_KAFKA_PROPERTY_SECURITY_PROTOCOL", "SASL_SSL"),
        ("IMBRIDGE_KAFKA_PROPERTY_SASL_MECHANISMS", "SCRAM-SHA-256"),
        ("IMBRIDGE_KAFKA_PROPERTY_LOG_LEVEL", "7"),
        ("IMBRIDGE_KAFKA_PROPERTY_DEBUG", ""),
    ]);
    let expected = [
        ("log_level", "7"),
        ("queue.buffering.max.ms", "3"),
        ("sasl.mechanisms", "SCRAM-SHA-256"),
        ("sasl.password", "from=file"),
        ("security.protocol", "SASL_SSL"),
    ];
    assert_eq!(properties(&config), expected);
}

#[test]
fn properties_that_promises_rest_on_are_refused_from_variables_and_file() {
    for suffix in [
        "ACKS",
        "ENABLE_IDEMPOTENCE",
        "DELIVERY_TIMEOUT_MS",
        "METADATA_BROKER_LIST",
        "TOPIC_ACKS",
        "max.in.flight",
    ] {
        let name = format!("{KAFKA_PROPERTY_PREFIX}{suffix}");
        let sentence = sentence(&[(&name, "hunter2")]);
        let property = suffix.to_ascii_lowercase().replace('_', ".");
        assert!(
            sentence.starts_with(&format!("{name} sets {property}, which is not allowed")),
            "{sentence}"
        );
        assert!(!sentence.contains("hunter2"), "{sentence}");
    }
    let file = file("linger.ms=5\nretries=1\ntopic.partitioner=hunter2\n");
    let found = sentences(&[("IMBRIDGE_KAFKA_PROPERTIES", text(file.path()))]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("IMBRIDGE_KAFKA_PROPERTIES names file "), "{found:?}");
    assert!(found[0].contains(r#"which sets "retries", which is not allowed"#), "{found:?}");
    assert!(!found[1].contains("hunter2"), "{found:?}");
}

#[test]
fn a_property_that_is_set_twice_or_has_no_name_is_a_problem() {
    let doubled = [
        ("IMBRIDGE_KAFKA_PROPERTY_LINGER_MS", "1"),
        ("IMBRIDGE_KAFKA_PROPERTY_QUEUE_BUFFERING_MAX_MS", "2"),
    ];
    let told = sentence(&doubled);
    assert!(told.contains("which IMBRIDGE_KAFKA_PROPERTY_LINGER_MS sets too"), "{told}");
    let file = file("sasl.password=hunter2\nsasl.password=hunter3\n");
    let twice = sentence(&[("IMBRIDGE_KAFKA_PROPERTIES", text(file.path()))]);
    assert!(
        twice.contains(r#"sets "sasl.password" twice"#) && !twice.contains("hunter"),
        "{twice}"
    );
    let nameless = sentence(&[(KAFKA_PROPERTY_PREFIX, "x")]);
    assert!(nameless.starts_with("IMBRIDGE_KAFKA_PROPERTY_ names no property"), "{nameless}");
}

#[test]
fn debug_never_shows_a_secret() {
    let shown = format!(
        "{:#?}",
        config(&[
            ("IMBRIDGE_ADMIN_TOKEN", "hunter2"),
            ("IMBRIDGE_KAFKA_PROPERTY_SASL_PASSWORD", "hunter3"),
            ("IMBRIDGE_KAFKA_BROKERS", "kafka:9092"),
        ])
    );
    assert!(!shown.contains("hunter"), "{shown}");
    assert!(
        shown.contains("sasl.password")
            && shown.contains("[redacted]")
            && shown.contains("kafka:9092"),
        "{shown}"
    );
}
