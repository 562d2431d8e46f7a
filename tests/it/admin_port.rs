//! The admin port: who may see which page, and what metrics, probes, status and logs say.
//!
//! In: a bridge with and without a token, on loopback and elsewhere. Out: statuses and pages; and a
//! log, at its most talkative, that keeps messages and secrets to itself.

use crate::support::process::{SOON, wait_for};
use crate::support::routes::routes;
use crate::support::serve::{Builder, Kafka, TestBridge, mock};
use crate::support::wire::{Wire, post, post_with};
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

const OPEN: [&str; 3] = ["/metrics", "/live", "/ready"];
const TOKEN: &str = "correct-horse-battery";

#[test]
fn on_loopback_all_pages_answer_without_a_token() {
    let bridge = TestBridge::alone();
    for path in OPEN.into_iter().chain(["/status"]) {
        assert_eq!(bridge.page(path).status, 200, "{path}");
    }
    assert_eq!(bridge.page("/live").json(), serde_json::json!({ "live": true }));
    assert_eq!(bridge.page("/nothing").status, 404);
    let mut wire = Wire::connect(bridge.admin);
    for path in OPEN.into_iter().chain(["/status"]) {
        wire.send(format!("POST {path} HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(wire.response().status, 405, "{path}");
        wire.send(format!("HEAD {path} HTTP/1.1\r\nHost: b\r\n\r\n"));
        assert_eq!(wire.head().status, 200, "{path}");
    }
    bridge.assert_ledger_even();
}

#[test]
fn elsewhere_pages_are_closed_until_a_token_is_set() {
    let bridge = Builder::new(Kafka::nobody()).set("ADMIN_LISTEN", "0.0.0.0:0").start();
    for path in OPEN {
        assert_eq!(bridge.page(path).status, 200, "{path}");
    }
    for path in ["/status", "/rules", "/nothing"] {
        let page = bridge.page_with(path, "Authorization: Bearer guess\r\n");
        assert_eq!(page.status, 403, "{path}");
        assert!(page.text().contains("IMBRIDGE_ADMIN_TOKEN"), "{}", page.text());
    }
}

#[test]
fn with_a_token_only_who_knows_it_sees_more_than_the_probes() {
    for listen in ["127.0.0.1:0", "0.0.0.0:0"] {
        let bridge = Builder::new(Kafka::nobody())
            .set("ADMIN_LISTEN", listen)
            .set("ADMIN_TOKEN", TOKEN)
            .start();
        for path in OPEN {
            assert_eq!(bridge.page_with(path, "").status, 200, "{path}");
        }
        let wrong = [
            String::new(),
            "Authorization: Bearer\r\n".to_owned(),
            "Authorization: Bearer wrong\r\n".to_owned(),
            format!("Authorization: Basic {TOKEN}\r\n"),
            format!("Authorization: {TOKEN}\r\n"),
            format!("Authorization: Bearer {TOKEN}x\r\n"),
            format!("Authorization: Bearer {}\r\n", TOKEN.to_uppercase()),
            "Authorization: Bearer \u{fc}\r\n".to_owned(),
        ];
        for headers in wrong {
            let page = bridge.page_with("/status", &headers);
            assert_eq!(page.status, 401, "{headers}");
            assert_eq!(page.header("www-authenticate"), Some("Bearer"));
            assert!(!page.text().contains(TOKEN));
        }
        for scheme in ["Bearer", "bearer", "BEARER "] {
            let headers = format!("Authorization: {scheme} {TOKEN}\r\n");
            assert_eq!(bridge.page_with("/status", &headers).status, 200, "{scheme}");
        }
        bridge.assert_ledger_even();
    }
}

/// Names of the metrics that DESIGN.md 10 lists, as far as their parts exist; those of single rules are
/// looked for where there are rules.
const NAMES: [&str; 47] = [
    "callbacks_total",
    "callbacks_refused_total",
    "callback_seconds",
    "callback_last_timestamp_seconds",
    "callback_delay_seconds",
    "records_total",
    "records_unknown_total",
    "records_oversize_total",
    "oversize_files_dropped_total",
    "http_connections",
    "http_inflight_bytes",
    "journal_bytes",
    "journal_bytes_max",
    "journal_records",
    "journal_oldest_age_seconds",
    "journal_head_sequence",
    "journal_confirmed_sequence",
    "journal_free_bytes",
    "journal_poisoned",
    "journal_write_seconds",
    "journal_sync_seconds",
    "journal_errors_total",
    "journal_damaged_records_total",
    "journal_quarantined_bytes",
    "kafka_delivered_total",
    "kafka_errors_total",
    "kafka_dead_letters_total",
    "kafka_sessions_total",
    "kafka_delivery_seconds",
    "kafka_degraded",
    "shipper_heartbeat_timestamp_seconds",
    "librdkafka_queue_messages",
    "librdkafka_queue_bytes",
    "librdkafka_broker_up",
    "librdkafka_broker_rtt_seconds",
    "librdkafka_throttle_seconds",
    "decisions_dropped_total",
    "records_dropped_total",
    "rules_decisions_total",
    "rules_fail_open_total",
    "rules_deadline_exceeded_total",
    "rule_evaluation_seconds",
    "rules_active",
    "rules_last_reload_success",
    "rules_last_reload_timestamp_seconds",
    "build_info",
    "process_",
];

#[test]
fn metrics_have_the_names_of_the_design_and_known_labels_start_at_zero() {
    let kafka = mock();
    let bridge = Builder::new(Kafka::at(&kafka.bootstrap())).on_disk().start();
    let text = bridge.page("/metrics").text();
    let series: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for line in &series {
        let counts = line.contains("_total") || line.contains("_count{");
        let own = line.starts_with("imbridge_") && !line.contains("kafka_sessions_total");
        assert!(!(counts && own) || line.ends_with(" 0"), "starts at 0: {line}");
    }
    let count = |start: &str| series.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!(count("imbridge_callbacks_total{"), 162 + 2);
    assert_eq!(count("imbridge_callback_last_timestamp_seconds{"), 162 + 2);
    assert_eq!(count("imbridge_callbacks_refused_total{"), 2 * 14 + 2);
    assert_eq!(count("imbridge_records_unknown_total{"), 2 * 5);
    assert_eq!(count("imbridge_records_total{"), crate::support::bridge::catalogue().kinds.len());
    assert_eq!(count("imbridge_callback_seconds_count{"), 4);
    assert_eq!(count("imbridge_decisions_dropped_total{"), 3);
    assert_eq!(count("imbridge_kafka_errors_total{"), 4);
    assert_eq!(count("imbridge_kafka_dead_letters_total{"), 2);
    let delivered = "imbridge_kafka_delivered_total{topic=\"im.events\"}";
    assert_eq!(count(delivered), 1, "all that are known beforehand");

    for route in routes() {
        assert_eq!(bridge.post(&route.target, &route.body).status, 200);
    }
    // The names of brokers come with librdkafka's first statistics.
    wait_for("records and statistics", SOON, || {
        let text = bridge.page("/metrics").text();
        let delivered = text
            .lines()
            .any(|line| line.strip_prefix(delivered).is_some_and(|count| count.trim() != "0"));
        (text.contains("librdkafka_broker_up{") && delivered).then_some(())
    });
    bridge.assert_ledger_even();
    let text = bridge.page("/metrics").text();
    let is_there = |name: &&str| {
        let own = format!("\nimbridge_{name}");
        text.contains(&own) || (*name == "process_" && text.contains("\nprocess_"))
    };
    let missing: Vec<&&str> = NAMES.iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let known: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE imbridge_")?.split(' ').next())
        .collect();
    assert!(known.len() >= NAMES.len() - 1, "{known:?}");
    assert_eq!(bridge.metric("callback_seconds_count{phase=\"before\",provider=\"openim\"}"), 1);
    check_with_promtool(&text);
}

/// Prometheus' own opinion, where it is installed.
fn check_with_promtool(text: &str) {
    let started = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut tool) = started else {
        eprintln!("skipped: promtool is not installed");
        return;
    };
    let mut input = tool.stdin.take().expect("it is piped");
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    let done = tool.wait_with_output().expect("it ends");
    let said =
        String::from_utf8_lossy(&done.stderr).into_owned() + &String::from_utf8_lossy(&done.stdout);
    // 3 is advice about names; anything it cannot parse is another code.
    assert!(matches!(done.status.code(), Some(0 | 3)), "{said}");
    let ours: Vec<&str> = said.lines().filter(|line| line.starts_with("imbridge_")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}

#[test]
fn the_log_keeps_messages_and_secrets_to_itself() {
    const WORDS: [&str; 7] = [
        "hush-message-text",
        "hush-secret",
        "hush-password",
        "hush-token-in-query",
        "hush-file-name",
        "hush-admin-token",
        "hush-unknown",
    ];
    for format in ["text", "json"] {
        let mut bridge = Builder::new(Kafka::nobody())
            .set("LOG", "trace")
            .set("LOG_FORMAT", format)
            .set("BODY_BYTES_MAX", "5000")
            .set("EVENT_BYTES_MAX", "700")
            .set("JOURNAL_BYTES_MAX", "3000")
            .set("HOLD_MILLISECONDS", "0")
            .set("ADMIN_TOKEN", "hush-admin-token")
            .spawn();
        let body = format!(
            r#"{{"callbackCommand":"callbackAfterSendSingleMsgCommand","secret":"hush-secret",
            "token":"hush-secret","sendID":"a","recvID":"b","contentType":101,"serverMsgID":"1",
            "content":"{{\"content\":\"hush-message-text {}\"}}","ex":"hush-file-name"}}"#,
            "x".repeat(900)
        );
        let basic = "Authorization: Basic aHVzaDpodXNoLXBhc3N3b3Jk\r\nX-Key: hush-password\r\n";
        for round in 0..8 {
            for target in [
                "/openim",
                "/openim/hush-unknown?token=hush-token-in-query",
                "/tencent?Sign=hush-secret&CallbackCommand=hush-unknown",
            ] {
                let mut wire = bridge.connect();
                wire.send(post_with(target, basic, &body));
                assert!(matches!(wire.response().status, 200 | 503), "{round}");
                wire.send(post(target, &body[..body.len() - 30]));
                assert!(matches!(wire.response().status, 200 | 503), "{round}");
            }
            let large = body.repeat(5);
            assert_eq!(bridge.post("/openim", &large).status, 413);
            assert_eq!(bridge.post("/hush-unknown?hush-token-in-query", &body).status, 404);
        }
        let mut wire = bridge.connect();
        wire.send(post_with("/openim", "Content-Encoding: hush-unknown\r\n", &body));
        assert_eq!(wire.response().status, 415);
        let denied = bridge.page_with("/status", "Authorization: Bearer hush-secret\r\n");
        assert_eq!(denied.status, 401);
        bridge.assert_ledger_even();
        bridge.signal("TERM");
        assert_eq!(bridge.ended().code(), Some(0));
        let log = bridge.log();
        for word in WORDS {
            let line = log.lines().find(|line| line.contains(word));
            assert_eq!(line, None, "{format}");
        }
        for word in ["aHVzaDpodXNoLXBhc3N3b3Jk", "refused", "journal"] {
            assert_eq!(log.contains(word), !word.starts_with("aHV"), "{word} in {format}: {log}");
        }
    }
}

#[test]
fn the_log_says_once_a_second_for_each_reason_what_was_refused() {
    let mut bridge = Builder::new(Kafka::nobody()).set("BODY_BYTES_MAX", "100").spawn();
    for _ in 0..50 {
        assert_eq!(bridge.post("/openim", "x".repeat(101)).status, 413);
        assert_eq!(bridge.post("/elsewhere", "{}").status, 404);
    }
    bridge.assert_ledger_even();
    bridge.signal("TERM");
    assert_eq!(bridge.ended().code(), Some(0));
    let log = bridge.log();
    for reason in ["too_large", "path"] {
        let word = format!("reason=\"{reason}\"");
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(&word)).collect();
        assert!((1..40).contains(&lines.len()), "{reason}: {log}");
    }
}
