//! What operators can rely on about settings: values, mistakes, secrets, the table.
//!
//! Every test supplies its own variables; none looks at the environment of the process.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::verdict::OnFault;

mod librdkafka;
mod secrets;
mod table_laws;

fn pairs(vars: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    vars.iter().map(|(name, value)| (OsString::from(*name), OsString::from(*value))).collect()
}

fn config(vars: &[(&str, &str)]) -> Config {
    Config::from_vars(pairs(vars))
        .unwrap_or_else(|problems| panic!("{vars:?} should be fine: {problems}"))
}

fn sentences(vars: &[(&str, &str)]) -> Vec<String> {
    match Config::from_vars(pairs(vars)) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

/// The only problem with `vars`.
fn sentence(vars: &[(&str, &str)]) -> String {
    let mut found = sentences(vars);
    assert_eq!(found.len(), 1, "{vars:?} should have one problem: {found:?}");
    found.remove(0)
}

#[test]
fn without_any_variable_the_documented_defaults_count() {
    let config = config(&[]);
    assert_eq!(config.http.listen.to_string(), "0.0.0.0:8080");
    assert!(config.http.workers >= 1);
    assert_eq!(config.http.body_bytes_max, 16 << 20);
    assert_eq!(config.http.body_seconds_max, Duration::from_secs(10));
    assert_eq!(config.http.keep_alive, Duration::from_hours(2));
    assert_eq!(config.http.inflight_bytes_max, 256 << 20);
    assert_eq!(config.http.drain, Duration::from_secs(10));
    assert_eq!(config.admin.listen.to_string(), "127.0.0.1:9464");
    assert_eq!(config.admin.token, None);
    assert_eq!((config.log.filter.as_str(), config.log.format), ("info", LogFormat::Text));
    assert_eq!(config.kafka.brokers, None);
    assert!(config.kafka.properties.is_empty());
    assert_eq!((config.kafka.topic_prefix.as_str(), config.kafka.topic_by), ("im.", TopicBy::Kind));
    assert!(config.kafka.topics_create);
    assert_eq!((config.kafka.partitions, config.kafka.replication), (None, None));
    assert_eq!(config.kafka.event_format, EventFormat::Structured);
    assert_eq!(config.kafka.event_bytes_max, 1_000_000);
    assert_eq!(config.journal.ack, AckLevel::Os);
    assert_eq!(config.journal.hold, Duration::from_secs(1));
    assert_eq!(config.journal.dir, PathBuf::from("journal"));
    assert_eq!(config.journal.bytes_max, 8 << 30);
    assert_eq!((config.journal.free_bytes_min, config.journal.segment_bytes), (1 << 30, 64 << 20));
    assert!(config.journal.ignored_at_memory.is_empty());
    assert_eq!(
        (config.openim.path.as_str(), config.openim.deployment.as_str()),
        ("/openim", "default")
    );
    assert_eq!(
        (config.tencent.path.as_str(), config.tencent.sign_age),
        ("/tencent", Duration::from_mins(1))
    );
    assert_eq!((config.policy.catalogue, config.policy.rules), (None, None));
    assert_eq!(config.policy.on_fault, OnFault::Allow);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn every_setting_that_works_can_be_set() {
    let config = config(&[
        ("IMBRIDGE_LISTEN", "[::]:0"),
        ("IMBRIDGE_WORKERS", "3"),
        ("IMBRIDGE_BODY_BYTES_MAX", "1"),
        ("IMBRIDGE_BODY_SECONDS_MAX", "2"),
        ("IMBRIDGE_KEEP_ALIVE_SECONDS", "0"),
        ("IMBRIDGE_INFLIGHT_BYTES_MAX", "4"),
        ("IMBRIDGE_DRAIN_SECONDS", "0"),
        ("IMBRIDGE_ADMIN_LISTEN", "10.0.0.1:1"),
        ("IMBRIDGE_ADMIN_TOKEN", "a,b"),
        ("IMBRIDGE_LOG", "warn,imbridge::kafka=debug"),
        ("IMBRIDGE_LOG_FORMAT", "json"),
        ("IMBRIDGE_KAFKA_BROKERS", " a:9092 ,b:9093,\n[::1]:9094"),
        ("IMBRIDGE_TOPIC_PREFIX", "chat-"),
        ("IMBRIDGE_TOPIC_BY", "one"),
        ("IMBRIDGE_TOPICS_CREATE", "false"),
        ("IMBRIDGE_TOPIC_PARTITIONS", "12"),
        ("IMBRIDGE_TOPIC_REPLICATION", "3"),
        ("IMBRIDGE_EVENT_FORMAT", "binary"),
        ("IMBRIDGE_EVENT_BYTES_MAX", "5000"),
        ("IMBRIDGE_ACK", "memory"),
        ("IMBRIDGE_HOLD_MILLISECONDS", "1500"),
        ("IMBRIDGE_JOURNAL_BYTES_MAX", "10000000"),
        ("IMBRIDGE_OPENIM_PATH", "/im/open"),
        ("IMBRIDGE_OPENIM_DEPLOYMENT", "eu-1"),
        ("IMBRIDGE_TENCENT_PATH", "/im/tencent"),
        ("IMBRIDGE_TENCENT_SIGN_AGE_SECONDS_MAX", "5"),
        ("IMBRIDGE_RULES", "rules/rules.yaml"),
        ("IMBRIDGE_ON_FAULT", "deny"),
        ("IMBRIDGE_CLIENT_IP", "keep"),
        ("IMBRIDGE_CATALOGUE", "more.json"),
    ]);
    assert_eq!(config.http.listen.to_string(), "[::]:0");
    assert_eq!(
        (config.http.workers, config.http.body_bytes_max, config.http.inflight_bytes_max),
        (3, 1, 4)
    );
    assert_eq!(config.http.body_seconds_max, Duration::from_secs(2));
    assert_eq!((config.http.keep_alive, config.http.drain), (Duration::ZERO, Duration::ZERO));
    assert_eq!(config.admin.listen.to_string(), "10.0.0.1:1");
    assert_eq!(config.admin.token.as_ref().map(Secret::reveal), Some("a,b"));
    assert_eq!(config.log.filter, "warn,imbridge::kafka=debug");
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.require_brokers(), Ok("a:9092,b:9093,[::1]:9094"));
    assert_eq!(
        (config.kafka.topic_prefix.as_str(), config.kafka.topic_by),
        ("chat-", TopicBy::One)
    );
    assert!(!config.kafka.topics_create);
    assert_eq!((config.kafka.partitions, config.kafka.replication), (Some(12), Some(3)));
    assert_eq!(
        (config.kafka.event_format, config.kafka.event_bytes_max),
        (EventFormat::Binary, 5000)
    );
    assert_eq!(config.journal.ack, AckLevel::Memory);
    assert_eq!(config.journal.hold, Duration::from_millis(1500));
    assert_eq!(config.journal.bytes_max, 10_000_000);
    assert_eq!(
        (config.openim.path.as_str(), config.openim.deployment.as_str()),
        ("/im/open", "eu-1")
    );
    assert_eq!(
        (config.tencent.path.as_str(), config.tencent.sign_age),
        ("/im/tencent", Duration::from_secs(5))
    );
    let policy = &config.policy;
    assert_eq!(policy.catalogue, Some(PathBuf::from("more.json")));
    assert_eq!(policy.rules, Some(PathBuf::from("rules/rules.yaml")));
    assert_eq!(policy.on_fault, OnFault::Deny);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn a_wrong_value_is_one_sentence_with_name_value_and_what_was_expected() {
    assert_eq!(
        sentence(&[("IMBRIDGE_WORKERS", "zero")]),
        r#"IMBRIDGE_WORKERS is "zero": expected a whole number from 1 to 1024"#
    );
    assert_eq!(
        sentence(&[("IMBRIDGE_TOPIC_BY", "Kind")]),
        r#"IMBRIDGE_TOPIC_BY is "Kind": expected one of kind, command, one"#
    );
}

#[test]
fn wrong_values_of_every_form_are_problems() {
    let long = "x".repeat(151);
    let deployment = "x".repeat(129);
    let wrong: &[(&str, &[&str])] = &[
        ("IMBRIDGE_LISTEN", &["localhost:8080", "8080", "0.0.0.0", "0.0.0.0:65536", ":::8080"]),
        ("IMBRIDGE_ADMIN_LISTEN", &["0.0.0.0"]),
        ("IMBRIDGE_WORKERS", &["0", "-1", "1025", "2.5", "+1"]),
        ("IMBRIDGE_BODY_BYTES_MAX", &["0", "16MiB", "-5", "18446744073709551616"]),
        ("IMBRIDGE_BODY_SECONDS_MAX", &["0", "10s", "31536001"]),
        ("IMBRIDGE_KEEP_ALIVE_SECONDS", &["ever"]),
        ("IMBRIDGE_INFLIGHT_BYTES_MAX", &["0"]),
        ("IMBRIDGE_DRAIN_SECONDS", &["1e3"]),
        ("IMBRIDGE_LOG", &["verbose", "imbridge=loud"]),
        ("IMBRIDGE_LOG_FORMAT", &["JSON"]),
        ("IMBRIDGE_KAFKA_BROKERS", &["kafka:port", ",", "a:1 b:2"]),
        ("IMBRIDGE_TOPIC_PREFIX", &["im/", "im ", "é", &long]),
        ("IMBRIDGE_TOPICS_CREATE", &["yes", "1"]),
        ("IMBRIDGE_TOPIC_PARTITIONS", &["0", "-2", "2147483648"]),
        ("IMBRIDGE_TOPIC_REPLICATION", &["0", "32768"]),
        ("IMBRIDGE_EVENT_FORMAT", &["json"]),
        ("IMBRIDGE_EVENT_BYTES_MAX", &["0", "1000000000"]),
        ("IMBRIDGE_ACK", &["disk"]),
        ("IMBRIDGE_HOLD_MILLISECONDS", &["1s"]),
        ("IMBRIDGE_JOURNAL_BYTES_MAX", &["0", "1G"]),
        ("IMBRIDGE_JOURNAL_FREE_BYTES_MIN", &["some"]),
        ("IMBRIDGE_JOURNAL_SEGMENT_BYTES", &["0"]),
        (
            "IMBRIDGE_OPENIM_PATH",
            &["openim", "/", "/openim/", "//openim", "/a//b", "/a/../b", "/a?b", "/%61", "/a b"],
        ),
        ("IMBRIDGE_OPENIM_DEPLOYMENT", &["a/b", "a b", "..", "é", "a%20b", "a#b", &deployment]),
        ("IMBRIDGE_TENCENT_PATH", &["tencent"]),
        ("IMBRIDGE_TENCENT_SIGN_AGE_SECONDS_MAX", &["0", "minute"]),
        ("IMBRIDGE_ON_FAULT", &["block"]),
        ("IMBRIDGE_CLIENT_IP", &["hash"]),
    ];
    for (name, values) in wrong {
        for value in *values {
            // Space around values is ignored, so a wrong space has to stand inside.
            let value = value.replace("im ", "im im");
            let sentence = sentence(&[(name, &value)]);
            assert!(sentence.starts_with(&format!("{name} is \"")), "{sentence}");
            assert!(sentence.contains(": expected "), "{sentence}");
        }
    }
}

#[test]
fn all_problems_are_reported_together() {
    let found = sentences(&[
        ("IMBRIDGE_LISTEN", "x"),
        ("IMBRIDGE_WORKERS", "0"),
        ("IMBRIDGE_LISTN", "0.0.0.0:1"),
        ("IMBRIDGE_PRIVACY", "privacy.yaml"),
        ("IMBRIDGE_ACK", "disk"),
        ("IMBRIDGE_ADMIN_TOKEN_FILE", "/nowhere/token"),
        ("IMBRIDGE_KAFKA_PROPERTIES", "/nowhere/properties"),
        ("IMBRIDGE_KAFKA_PROPERTY_ACKS", "1"),
        ("IMBRIDGE_OPENIM_PATH", "/im"),
        ("IMBRIDGE_TENCENT_PATH", "/im"),
    ]);
    let named: BTreeSet<&str> =
        found.iter().filter_map(|sentence| sentence.split(' ').next()).collect();
    let expected = BTreeSet::from([
        "IMBRIDGE_LISTEN",
        "IMBRIDGE_WORKERS",
        "IMBRIDGE_LISTN",
        "IMBRIDGE_PRIVACY",
        "IMBRIDGE_ACK",
        "IMBRIDGE_ADMIN_TOKEN_FILE",
        "IMBRIDGE_KAFKA_PROPERTIES",
        "IMBRIDGE_KAFKA_PROPERTY_ACKS",
        "IMBRIDGE_OPENIM_PATH",
    ]);
    assert_eq!(named, expected, "{found:#?}");
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn an_unknown_variable_names_the_nearest_known_one_and_not_its_value() {
    let sentence = sentence(&[("IMBRIDGE_ADMIN_TOKN", "hunter2")]);
    assert_eq!(
        sentence,
        "IMBRIDGE_ADMIN_TOKN is not a setting: the nearest known one is IMBRIDGE_ADMIN_TOKEN"
    );
}

#[test]
fn kubernetes_service_links_and_foreign_variables_are_ignored() {
    config(&[
        ("IMBRIDGE_SERVICE_HOST", "10.0.0.7"),
        ("IMBRIDGE_SERVICE_PORT", "8080"),
        ("IMBRIDGE_SERVICE_PORT_CALLBACKS", "8080"),
        ("IMBRIDGE_PORT", "tcp://10.0.0.7:8080"),
        ("IMBRIDGE_PORT_8080_TCP", "tcp://10.0.0.7:8080"),
        ("IMBRIDGE_ADMIN_PORT_9464_TCP_ADDR", "10.0.0.8"),
        ("REQUIRE_KAFKA", "1"),
        ("imbridge_listen", "x"),
        ("IMBRIDGE", "x"),
    ]);
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let config = config(&[
        ("IMBRIDGE_WORKERS", ""),
        ("IMBRIDGE_RULES", "  "),
        ("IMBRIDGE_ACK", ""),
        ("IMBRIDGE_OTHER", ""),
    ]);
    assert_eq!(config.journal.ack, AckLevel::Os);
}

#[test]
fn text_that_is_not_utf_8_is_a_problem_and_never_a_panic() {
    let bytes = || OsString::from_vec(b"\xff\xfe".to_vec());
    let mut name = b"IMBRIDGE_".to_vec();
    name.push(0xff);
    let vars = vec![
        ("IMBRIDGE_ADMIN_TOKEN".into(), bytes()),
        (OsString::from_vec(name), "x".into()),
        ("OTHER".into(), bytes()),
        (bytes(), bytes()),
        ("IMBRIDGE_SERVICE_HOST".into(), bytes()),
    ];
    let problems = Config::from_vars(vars).expect_err("two variables are no text").to_string();
    let expected = "IMBRIDGE_ADMIN_TOKEN has a value that is not UTF-8 text\n\
                    IMBRIDGE_\u{fffd} is not a setting: its name is not UTF-8 text";
    assert_eq!(problems, expected);
}

#[test]
fn a_name_that_comes_twice_counts_once() {
    let config = config(&[("IMBRIDGE_WORKERS", "2"), ("IMBRIDGE_WORKERS", "3")]);
    assert_eq!(config.http.workers, 2);
}

#[test]
fn the_budget_follows_the_level_unless_it_is_set() {
    for level in AckLevel::ALL {
        let in_memory = level == AckLevel::Memory;
        let plain = config(&[("IMBRIDGE_ACK", level.word())]);
        assert_eq!(plain.journal.ack, level);
        assert_eq!(plain.journal.bytes_max, if in_memory { 256 << 20 } else { 8 << 30 });
        let set = [("IMBRIDGE_ACK", level.word()), ("IMBRIDGE_JOURNAL_BYTES_MAX", "9000000")];
        assert_eq!(config(&set).journal.bytes_max, 9_000_000);
    }
}

#[test]
fn a_hold_that_no_write_can_keep_is_lengthened_where_answers_wait_for_writes() {
    let hold = |level, hold| {
        let config = config(&[("IMBRIDGE_ACK", level), ("IMBRIDGE_HOLD_MILLISECONDS", hold)]);
        (config.journal.hold.as_millis(), config.warnings)
    };
    assert_eq!(hold("memory", "0"), (0, vec![]));
    assert_eq!(hold("fsync", "10"), (10, vec![]));
    let (counts, warnings) = hold("os", "0");
    assert_eq!((counts, warnings.len()), (10, 1));
    assert!(
        warnings[0].starts_with("IMBRIDGE_HOLD_MILLISECONDS is 0: at level os"),
        "{warnings:?}"
    );
}

#[test]
fn what_later_versions_do_is_refused_and_never_shown() {
    let names = [
        "IMBRIDGE_OPENIM_USERS",
        "IMBRIDGE_OPENIM_USERS_FILE",
        "IMBRIDGE_TENCENT_APP_IDS",
        "IMBRIDGE_TENCENT_TOKENS",
        "IMBRIDGE_TENCENT_TOKENS_FILE",
        "IMBRIDGE_ALLOW_FROM",
        "IMBRIDGE_TRUSTED_PROXIES",
        "IMBRIDGE_TLS_CERTIFICATE",
        "IMBRIDGE_TLS_KEY",
        "IMBRIDGE_TLS_CLIENT_CA",
        "IMBRIDGE_PRIVACY",
    ];
    for name in names {
        assert_eq!(
            sentence(&[(name, "hunter2")]),
            format!("{name} is not yet supported in this version")
        );
    }
    let expected = "IMBRIDGE_CLIENT_IP is \"drop\": not yet supported in this version, only keep";
    assert_eq!(sentence(&[("IMBRIDGE_CLIENT_IP", "drop")]), expected);
}

#[test]
fn settings_of_the_disk_journal_are_kept_and_named_where_they_have_no_effect() {
    let disk = [
        ("IMBRIDGE_JOURNAL_DIR", "/var/lib/imbridge"),
        ("IMBRIDGE_JOURNAL_FREE_BYTES_MIN", "0"),
        ("IMBRIDGE_JOURNAL_SEGMENT_BYTES", "6"),
    ];
    assert!(config(&disk).journal.ignored_at_memory.is_empty());
    let config = config(&[&disk[..], &[("IMBRIDGE_ACK", "memory")]].concat());
    let names = [
        "IMBRIDGE_JOURNAL_DIR",
        "IMBRIDGE_JOURNAL_FREE_BYTES_MIN",
        "IMBRIDGE_JOURNAL_SEGMENT_BYTES",
    ];
    assert_eq!(config.journal.ignored_at_memory, names);
    assert_eq!(config.journal.dir, PathBuf::from("/var/lib/imbridge"));
    assert_eq!((config.journal.free_bytes_min, config.journal.segment_bytes), (0, 6));
}

#[test]
fn equal_or_nested_base_paths_are_a_problem_and_neighbours_are_not() {
    for (openim, tencent) in
        [("/im", "/im"), ("/im", "/im/tencent"), ("/im/openim", "/im"), ("/tencent/x", "/tencent")]
    {
        let sentence =
            sentence(&[("IMBRIDGE_OPENIM_PATH", openim), ("IMBRIDGE_TENCENT_PATH", tencent)]);
        assert!(sentence.contains(openim) && sentence.contains(tencent), "{sentence}");
        assert!(sentence.contains("IMBRIDGE_TENCENT_PATH"), "{sentence}");
    }
    assert!(
        sentence(&[("IMBRIDGE_OPENIM_PATH", "/tencent")]).starts_with("IMBRIDGE_OPENIM_PATH is")
    );
    config(&[("IMBRIDGE_OPENIM_PATH", "/im"), ("IMBRIDGE_TENCENT_PATH", "/imx")]);
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let warnings = config(&[("IMBRIDGE_HOLD_MILLISECONDS", "1501")]).warnings;
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("IMBRIDGE_HOLD_MILLISECONDS is 1501: Tencent"), "{warnings:?}");
    let warnings = config(&[("IMBRIDGE_INFLIGHT_BYTES_MAX", "1000")]).warnings;
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].starts_with("IMBRIDGE_BODY_BYTES_MAX is 16777216, more than"),
        "{warnings:?}"
    );
    let warnings = config(&[("IMBRIDGE_JOURNAL_BYTES_MAX", "1000")]).warnings;
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].starts_with("IMBRIDGE_EVENT_BYTES_MAX is 1000000, more than"),
        "{warnings:?}"
    );
}

#[test]
fn serve_reports_missing_brokers_together_with_all_else() {
    let problems =
        Config::for_serve(pairs(&[("IMBRIDGE_WORKERS", "0")])).expect_err("two problems");
    let names: Vec<&str> = problems.iter().map(|problem| problem.variable.as_str()).collect();
    assert_eq!(names, ["IMBRIDGE_WORKERS", "IMBRIDGE_KAFKA_BROKERS"]);
    // A list that is wrong is not missing as well.
    let problems =
        Config::for_serve(pairs(&[("IMBRIDGE_KAFKA_BROKERS", ",")])).expect_err("one problem");
    assert_eq!(problems.iter().count(), 1, "{problems}");
    assert!(Config::for_serve(pairs(&[("IMBRIDGE_KAFKA_BROKERS", "kafka:9092")])).is_ok());
    let missing =
        config(&[]).require_brokers().map(str::to_owned).expect_err("no brokers").to_string();
    assert!(missing.starts_with("IMBRIDGE_KAFKA_BROKERS is not set: expected"), "{missing}");
}

#[test]
fn a_long_or_odd_value_is_cut_and_escaped() {
    let sentence = sentence(&[("IMBRIDGE_TOPIC_BY", &format!("\u{1b}[31m{}", "é".repeat(5000)))]);
    assert!(sentence.len() < 400 && !sentence.contains('\u{1b}'), "{sentence}");
}
