//! What senders are told, over HTTP: every situation of the table of answers that a sender, Kafka or
//! the settings can cause, by each of the six routes. `http_faults` has those that need a defect.
//!
//! Each answer is read as its provider would read it; each test ends with the ledger.

use crate::support::process::{SOON, wait_for};
use crate::support::routes::{Statuses, routes, truth};
use crate::support::serve::{Builder, Kafka, TestBridge, mock};
use crate::support::wire::{End, Response, Wire, chunk, chunked, post};
use imbridge::simulate::Outcome;
use imbridge::simulate::Phase;
use imbridge::simulate::answer;
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};

/// Sends by every route what `request` makes of it; each answer has its status, is a plain allow
/// without echoes, and ends its connection in order.
fn refused_and_closed(
    bridge: &TestBridge,
    statuses: Statuses,
    talk: impl Fn(&crate::support::routes::Route, &mut Wire) + Sync,
) {
    thread::scope(|scope| {
        for (route, status) in routes().into_iter().zip(statuses) {
            let talk = &talk;
            scope.spawn(move || {
                let mut wire = bridge.connect();
                talk(&route, &mut wire);
                let response = wire.response();
                assert_eq!(response.status, status, "{}: {response:?}", route.name);
                route.assert_allows(&response, false);
                assert!(response.closes(), "{}: {response:?}", route.name);
                assert_eq!(wire.end(), End::Closed, "{}", route.name);
            });
        }
    });
}

fn refused(bridge: &TestBridge, reason: &str) -> u64 {
    ["openim", "tencent"]
        .iter()
        .map(|provider| {
            let labels = format!("provider=\"{provider}\",reason=\"{reason}\"");
            bridge.metric(&format!("callbacks_refused_total{{{labels}}}"))
        })
        .sum()
}

#[test]
fn what_is_accepted_gets_a_plain_allow_and_a_verdict_comes_with_echoes() {
    let bridge = TestBridge::alone();
    let mut wire = bridge.connect();
    for route in routes() {
        wire.send(route.request());
        let response = wire.response();
        assert_eq!((response.status, response.closes()), (200, false), "{}", route.name);
        route.assert_allows(&response, true);
    }
    let status = bridge.assert_ledger_even();
    assert_eq!(status["ledger"]["requests"]["accepted"], 6);
    assert_eq!(status["ledger"]["records"]["waiting"], 6, "a decision is a record, too");
    let series = r#"callbacks_total{command="callbackAfterDisMissGroupCommand",provider="openim"}"#;
    assert_eq!(bridge.metric(series), 1);
    assert_eq!(bridge.metric(r#"callbacks_total{command="unknown",provider="tencent"}"#), 1);
}

#[test]
fn a_body_that_makes_no_sense_gets_the_plain_allow_and_is_kept() {
    let bridge = TestBridge::alone();
    let bodies: [&[u8]; 8] = [
        b"",
        b"null",
        b"[]",
        b"not json",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe\x00",
        b"{\"a\":1}{}",
        b"{\"callbackCommand\":{},\"groupID\":",
    ];
    let mut wire = bridge.connect();
    for body in bodies {
        for route in routes() {
            wire.send(route.request_with("", body));
            let response = wire.response();
            assert_eq!((response.status, response.closes()), (200, false), "{}", route.name);
            route.assert_allows(&response, false);
        }
    }
    let status = bridge.assert_ledger_even();
    assert_eq!(status["ledger"]["requests"]["accepted"], 48);
    assert_eq!(status["ledger"]["records"]["waiting"], 48, "one record of kind unknown each");
    for provider in ["openim", "tencent"] {
        let labels = format!("provider=\"{provider}\",reason=\"not_json\"");
        assert_eq!(bridge.metric(&format!("records_unknown_total{{{labels}}}")), 24);
    }
}

#[test]
fn an_encoded_body_is_refused_and_never_decoded() {
    let bridge = TestBridge::alone();
    let encodings = ["gzip", "deflate", "br", "zstd", "GZIP", "gzip, identity", "identity, br"];
    for encoding in encodings {
        let header = format!("Content-Encoding: {encoding}\r\n");
        refused_and_closed(&bridge, truth(415), |route, wire| {
            wire.send(route.request_with(&header, &route.body));
        });
    }
    assert_eq!(refused(&bridge, "encoding"), 6 * 7);
    let twice = "Content-Encoding: identity\r\nContent-Encoding: gzip\r\n";
    refused_and_closed(&bridge, truth(415), |route, wire| {
        wire.send(route.request_with(twice, &route.body));
    });
    let route = &routes()[0];
    let mut wire = bridge.connect();
    for header in [
        "Content-Encoding: identity\r\n",
        "Content-Encoding: Identity\r\n",
        "Content-Encoding:\r\n",
    ] {
        wire.send(route.request_with(header, &route.body));
        let response = wire.response();
        assert_eq!((response.status, response.closes()), (200, false), "{header}");
    }
    let status = bridge.assert_ledger_even();
    assert_eq!(status["ledger"]["records"]["appended"], 3, "nothing refused is published");
}

#[test]
fn a_body_that_is_too_large_is_refused_whether_its_length_is_announced_or_not() {
    let bridge = Builder::new(Kafka::nobody()).set("BODY_BYTES_MAX", "2000").start();
    let large = "x".repeat(2001);
    refused_and_closed(&bridge, truth(413), |route, wire| {
        wire.send(route.request_with("", &large));
    });
    refused_and_closed(&bridge, truth(413), |route, wire| {
        wire.send(chunked(&route.target, ""));
        for _ in 0..21 {
            wire.send(chunk(&large.as_bytes()[..100]));
        }
        wire.send(chunk(b""));
    });
    assert_eq!(refused(&bridge, "too_large"), 12);
    let just = "x".repeat(2000);
    assert_eq!(bridge.post("/openim", &just).status, 200, "the limit itself is not too large");
    bridge.assert_ledger_even();
}

#[test]
fn a_large_refused_body_is_read_to_its_end_so_that_the_answer_arrives() {
    let bridge = Builder::new(Kafka::nobody()).set("BODY_BYTES_MAX", "1000").start();
    let large = vec![b'x'; 4 << 20];
    let route = &routes()[0];
    let mut wire = bridge.connect();
    // Senders write all before they read, and what they write behind it must not reset the answer.
    wire.send(route.request_with("", &large));
    let _unread = wire.try_send(route.request());
    let response = wire.response();
    assert_eq!((response.status, response.closes()), (413, true));
    route.assert_allows(&response, false);
    // What was pipelined behind it may have been taken already: actix serves what it has read. Then
    // it is answered as ever, for a sender that reads on.
    let status = bridge.assert_ledger_even();
    let requests = &status["ledger"]["requests"];
    assert_eq!(requests["refused"], 1, "{status}");
    if requests["accepted"] == 1 {
        let behind = wire.response();
        assert_eq!(behind.status, 200);
        route.assert_allows(&behind, true);
    }
}

#[test]
fn a_body_that_comes_too_slowly_is_refused() {
    let bridge = Builder::new(Kafka::nobody()).set("BODY_SECONDS_MAX", "1").start();
    refused_and_closed(&bridge, truth(408), |route, wire| {
        let request = route.request();
        wire.send(&request[..request.len() - 1]);
    });
    assert_eq!(refused(&bridge, "slow"), 6);
    bridge.assert_ledger_even();
}

#[test]
fn large_bodies_are_refused_while_too_much_is_in_memory_and_small_ones_pass() {
    let bridge = Builder::new(Kafka::nobody()).set("INFLIGHT_BYTES_MAX", "150000").start();
    let large = "x".repeat(100_000);
    let mut first = bridge.connect();
    first.send(&post("/openim", &large)[..50_000]);
    wait_for("the first body is counted", SOON, || {
        (bridge.metric("http_inflight_bytes") == 100_000).then_some(())
    });
    refused_and_closed(&bridge, truth(503), |route, wire| {
        wire.send(route.request_with("", &large));
    });
    assert_eq!(refused(&bridge, "overloaded"), 6);
    refused_and_closed(&bridge, truth(503), |route, wire| {
        wire.send(chunked(&route.target, ""));
        for part in large.as_bytes().chunks(1000) {
            wire.send(chunk(part));
        }
        wire.send(chunk(b""));
    });
    for route in routes() {
        let response = bridge.post(&route.target, &route.body);
        assert_eq!(response.status, 200, "{}: small bodies have a share of their own", route.name);
        route.assert_allows(&response, true);
    }
    first.send(&post("/openim", &large)[50_000..]);
    assert_eq!(first.response().status, 200);
    bridge.assert_ledger_even();
    assert_eq!(bridge.metric("http_inflight_bytes"), 0);
}

#[test]
fn a_sender_that_goes_away_inside_its_body_does_not_stay_in_flight() {
    // A call was counted as received when its head came, and as refused only by its own handler,
    // which actix drops when the connection is reset. It stayed in flight in the ledger for ever.
    let bridge = TestBridge::alone();
    let both = [true, false];
    for (route, resets) in routes().iter().flat_map(|route| both.map(|resets| (route, resets))) {
        let mut wire = bridge.connect();
        let request = route.request();
        wire.send(&request[..request.len() - 1]);
        wait_for("the head is read", SOON, || {
            (bridge.status()["ledger"]["requests"]["in_flight"] == 1).then_some(())
        });
        if resets {
            wire.reset();
        } else {
            drop(wire);
        }
        wait_for("nothing is in flight", SOON, || {
            (bridge.status()["ledger"]["requests"]["in_flight"] == 0).then_some(())
        });
    }
    let status = bridge.assert_ledger_even();
    assert_eq!(status["ledger"]["requests"]["refused"], 12);
    assert_eq!(refused(&bridge, "slow"), 12);
    assert_eq!(status["ledger"]["records"]["appended"], 0);
}

/// Posts after-callbacks until one is refused: its answer, and how long it took.
fn fill(bridge: &TestBridge, target: &str) -> (Response, Duration) {
    let body = json!({ "groupID": "g1", "filling": "x".repeat(20_000) }).to_string();
    let mut wire = bridge.connect();
    for _ in 0..1000 {
        let asked = Instant::now();
        wire.send(post(target, &body));
        let response = wire.response();
        if response.status != 200 {
            return (response, asked.elapsed());
        }
    }
    panic!("a journal of 300 kB takes 20 MB: {}", bridge.status());
}

#[test]
fn a_full_journal_holds_then_refuses_after_callbacks_and_frees_itself_when_kafka_comes() {
    let kafka = mock();
    kafka.down().expect("the mock obeys");
    let bridge = Builder::new(Kafka::at(&kafka.bootstrap()))
        .set("JOURNAL_BYTES_MAX", "300000")
        .set("HOLD_MILLISECONDS", "1500")
        .start();
    let [after, before, unknown, tencent_after, tencent_before, tencent_unknown] = routes();
    let (first, took) = fill(&bridge, &after.target);
    assert_eq!((first.status, first.header("retry-after")), (503, Some("1")));
    assert!(took >= Duration::from_millis(1500), "held from the moment it ran full: {took:?}");
    assert!(!first.closes(), "a refused sender keeps its connection");

    let begun = Instant::now();
    for route in [&after, &unknown, &tencent_after] {
        let response = bridge.post(&route.target, &route.body);
        assert_eq!((response.status, response.closes()), (503, false), "{}", route.name);
        assert_eq!(response.header("retry-after"), Some("1"), "{}", route.name);
        route.assert_allows(&response, false);
    }
    let response = bridge.post(&tencent_unknown.target, &tencent_unknown.body);
    assert_eq!((response.status, response.header("retry-after")), (200, None));
    tencent_unknown.assert_allows(&response, false);
    assert!(begun.elapsed() < Duration::from_millis(1500), "later ones are refused at once");

    let asked = Instant::now();
    for route in [&before, &tencent_before] {
        let response = bridge.post(&route.target, &route.body);
        assert_eq!((response.status, response.closes()), (200, false), "{}", route.name);
        route.assert_allows(&response, true);
    }
    assert!(asked.elapsed() < Duration::from_millis(1500), "an intent never waits");
    assert_eq!(bridge.metric(r#"decisions_dropped_total{reason="full"}"#), 2);
    assert_eq!(refused(&bridge, "journal"), 5);
    let ready = bridge.ready();
    assert_eq!((ready.status, &ready.json()["ready"]), (200, &Value::Bool(true)));
    wait_for("both reasons are named", SOON, || {
        let degraded = bridge.ready().json()["degraded"].to_string();
        (degraded.contains("journal: full") && degraded.contains("kafka")).then_some(())
    });

    kafka.up().expect("the mock obeys");
    wait_for("room in the journal", SOON, || {
        (bridge.post(&after.target, &after.body).status == 200).then_some(())
    });
    wait_for("everything is in Kafka", SOON, || {
        (bridge.status()["ledger"]["records"]["waiting"] == 0).then_some(())
    });
    let status = bridge.assert_ledger_even();
    assert_eq!(status["ledger"]["records"]["lost"], 0);
    assert_eq!(bridge.stop(), 0);
}

#[test]
fn a_held_callback_is_accepted_when_room_comes_in_time() {
    let kafka = mock();
    kafka.down().expect("the mock obeys");
    let bridge = Builder::new(Kafka::at(&kafka.bootstrap()))
        .set("JOURNAL_BYTES_MAX", "300000")
        .set("HOLD_MILLISECONDS", "60000")
        .start();
    let body = json!({ "groupID": "g1", "filling": "x".repeat(20_000) }).to_string();
    let target = &routes()[0].target;
    let mut wire = bridge.connect();
    for _ in 0..40 {
        wire.send(post(target, &body));
    }
    let held = wait_for("a callback is held", SOON, || {
        let status = bridge.status();
        let degraded = bridge.ready().json()["degraded"].to_string();
        let one = status["ledger"]["requests"]["in_flight"] == 1;
        (one && degraded.contains("journal: full")).then_some(status)
    });
    assert_ne!(held["ledger"]["requests"]["accepted"], 40);
    let mut gone = bridge.connect();
    gone.send(post(target, &body));
    wait_for("another one is held", SOON, || {
        (bridge.status()["ledger"]["requests"]["in_flight"] == 2).then_some(())
    });
    gone.reset();
    wait_for("the one that went away is not in flight", SOON, || {
        (bridge.status()["ledger"]["requests"]["in_flight"] == 1).then_some(())
    });
    kafka.up().expect("the mock obeys");
    for _ in 0..40 {
        assert_eq!(wire.response().status, 200);
    }
    let status = bridge.assert_ledger_even();
    let requests = &status["ledger"]["requests"];
    let seen = ["received", "accepted", "refused"].map(|name| requests[name].clone());
    assert_eq!(seen, [41, 40, 1].map(Value::from), "{status}");
}

/// Whether both providers take the answer for an allow.
fn assert_allow_for_both(body: &[u8]) {
    let openim = answer::openim(Phase::Before, 200, body);
    let tencent = answer::tencent(Phase::Before, "C2C.CallbackBeforeSendMsg", 200, body);
    assert_eq!((openim.outcome, tencent.outcome), (Outcome::Accepted, Outcome::Accepted));
}

#[test]
fn other_methods_and_paths_get_an_allow_that_both_providers_can_parse() {
    let bridge = TestBridge::alone();
    let mut wire = bridge.connect();
    let ask = |wire: &mut Wire, method: &str, target: &str| {
        let head =
            format!("{method} {target} HTTP/1.1\r\nHost: bridge\r\nContent-Length: 2\r\n\r\n");
        wire.send(format!("{head}{{}}"));
        let response = if method == "HEAD" { wire.head() } else { wire.response() };
        assert!(!response.closes(), "{method} {target}: {response:?}");
        assert_eq!(response.header("content-type"), Some("application/json"));
        if method != "HEAD" {
            assert_allow_for_both(&response.body);
        }
        response
    };
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "PROPFIND"] {
        for target in ["/openim/callbackAfterDisMissGroupCommand", "/tencent"] {
            let response = ask(&mut wire, method, target);
            let allow = response.header("allow");
            assert_eq!((response.status, allow), (405, Some("POST")), "{method} {target}");
        }
    }
    for target in ["/", "/openimx", "/open", "/OpenIM/x", "/tencentx?CallbackCommand=a", "//openim"]
    {
        for method in ["POST", "GET", "HEAD"] {
            assert_eq!(ask(&mut wire, method, target).status, 404, "{method} {target}");
        }
    }
    let count = |series: &str| bridge.metric(&format!("callbacks_refused_total{{{series}}}"));
    assert_eq!(count(r#"provider="openim",reason="method""#), 7);
    assert_eq!(count(r#"provider="none",reason="path""#), 18);
    let status = bridge.assert_ledger_even();
    assert_eq!(status["ledger"]["requests"]["received"], 0, "no callback was received");
}

#[test]
fn a_large_body_to_a_wrong_place_ends_its_connection_when_it_was_not_read() {
    let bridge = TestBridge::alone();
    for (target, method, status) in [("/nowhere", "POST", 404), ("/openim", "PUT", 405)] {
        let mut wire = bridge.connect();
        let length = 40 << 20;
        wire.send(format!(
            "{method} {target} HTTP/1.1\r\nHost: b\r\nContent-Length: {length}\r\n\r\n"
        ));
        let mut writer = wire.writer();
        let writing = thread::spawn(move || {
            use std::io::Write;
            // The bridge may stop reading after 32 MiB, which is seen here as a reset.
            writer.write_all(&vec![b'x'; length]).is_ok()
        });
        let response = wire.response();
        assert_eq!(response.status, status);
        assert!(response.closes(), "{response:?}");
        assert_allow_for_both(&response.body);
        drop(wire);
        let _whole = writing.join().expect("it only writes");
    }
    bridge.assert_ledger_even();
}
