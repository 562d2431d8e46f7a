//! What senders and proxies really write: forms of URLs, and the corners of HTTP/1.1.
//!
//! In: bytes on a connection. Out: which command was understood (from the metrics), and what came
//! back, byte for byte. Each test ends with the ledger.

use crate::support::process::{SOON, wait_for};
use crate::support::routes::routes;
use crate::support::serve::{Builder, Kafka, TestBridge};
use crate::support::wire::{End, chunk, chunked, post, post_with};
use imbridge::call::{Phase, Provider};
use imbridge::simulate::Outcome;
use imbridge::simulate::answer;
use std::io::Write;
use std::thread;
use std::time::Duration;

const QUIT: &str = "callbackAfterQuitGroupCommand";
const DESTROYED: &str = "Group.CallbackAfterGroupDestroyed";

/// Whether exactly one callback more is counted for the command of this name.
fn assert_understood(
    bridge: &TestBridge,
    provider: Provider,
    command: &str,
    target: &str,
    body: &str,
) {
    let labels = format!("command=\"{command}\",provider=\"{provider}\"");
    let series = format!("callbacks_total{{{labels}}}");
    let before = bridge.metric(&series);
    let response = bridge.post(target, body);
    assert_eq!(response.status, 200, "{target}");
    let reading = match provider {
        Provider::OpenIm => answer::openim(Phase::After, 200, &response.body),
        Provider::Tencent => answer::tencent(Phase::After, command, 200, &response.body),
    };
    assert_eq!(reading.outcome, Outcome::Accepted, "{target}");
    assert_eq!(bridge.metric(&series), before + 1, "{target} {body} is {command}");
}

#[test]
fn openim_names_its_command_in_many_places() {
    let bridge = TestBridge::alone();
    let none = r#"{"groupID":"g1","userID":"u1"}"#;
    let named = format!(r#"{{"callbackCommand":"{QUIT}","groupID":"g1","userID":"u1"}}"#);
    let targets = [
        format!("/openim/{QUIT}"),
        format!("/openim/{QUIT}/"),
        format!("/openim//{QUIT}"),
        format!("/openim///{QUIT}//"),
        format!("/openim/any/prefix/{QUIT}"),
        format!("/openim/{}", QUIT.to_uppercase()),
        format!("/openim/{QUIT}?contenttype=json"),
        format!("/openim/{QUIT}?key=eyJzZW5kSUQiOiIxIn0%3D"),
        format!("/openim?command={QUIT}"),
        format!("/openim/?Command={QUIT}"),
        format!("/openim?CallbackCommand={QUIT}&x=y"),
        format!("/openim/hook?command={QUIT}"),
        format!("/openim?token=abc/{QUIT}"),
        format!("/openim?key=eyJ9&token=abc%2F{QUIT}"),
        format!("/openim?a=b?c/d/{QUIT}"),
        format!("http://bridge/openim/{QUIT}"),
        format!("http://user:pass@bridge:8080/openim/{QUIT}?a=b"),
    ];
    for target in &targets {
        assert_understood(&bridge, Provider::OpenIm, QUIT, target, none);
    }
    for target in ["/openim", "/openim/", "/openim/callbackNobodyKnows", "/openim?command=other"] {
        assert_understood(&bridge, Provider::OpenIm, QUIT, target, &named);
    }
    let capital = "CallbackBeforeSetGroupMemberInfoCommand";
    let row = "callbackBeforeSetGroupMemberInfoCommand";
    for (target, counted) in
        [(format!("/openim/{row}"), row), (format!("/openim?command={capital}"), capital)]
    {
        assert_understood(&bridge, Provider::OpenIm, counted, &target, none);
    }
    for target in ["/openim", "/openim/hook", "/openim?command=", "/openim/%63allback", "/openim?x"]
    {
        assert_understood(&bridge, Provider::OpenIm, "unknown", target, none);
    }
    bridge.assert_ledger_even();
}

#[test]
fn every_legacy_name_is_understood_at_each_place() {
    let bridge = TestBridge::alone();
    let catalogue = crate::support::bridge::catalogue();
    for (row, plan) in catalogue.indexed_rows() {
        let base = match plan.provider {
            Provider::OpenIm => "/openim?command=",
            Provider::Tencent => "/tencent?SdkAppid=1&CallbackCommand=",
        };
        let spellings = catalogue.aliases(row).iter().chain(std::iter::once(&plan.command));
        for name in spellings {
            assert_understood(
                &bridge,
                plan.provider,
                &plan.command,
                &format!("{base}{name}"),
                "{}",
            );
        }
    }
    bridge.assert_ledger_even();
}

#[test]
fn tencent_names_its_command_in_query_and_body() {
    let bridge = TestBridge::alone();
    let body = format!(r#"{{"CallbackCommand":"{DESTROYED}","GroupId":"g"}}"#);
    let query = format!("SdkAppid=1400000001&CallbackCommand={DESTROYED}&contenttype=json");
    for path in ["/tencent", "/tencent/", "/tencent//im/", "/tencent/im"] {
        assert_understood(&bridge, Provider::Tencent, DESTROYED, &format!("{path}?{query}"), "{}");
        assert_understood(&bridge, Provider::Tencent, DESTROYED, path, &body);
    }
    let encoded = "/tencent?callbackcommand=Group%2ECallbackAfterGroupDestroyed";
    assert_understood(&bridge, Provider::Tencent, DESTROYED, encoded, "{}");
    let other = "/tencent?CallbackCommand=State.StateChange";
    assert_understood(&bridge, Provider::Tencent, DESTROYED, other, &body);
    let small = DESTROYED.to_lowercase();
    let target = format!("/tencent?CallbackCommand={small}");
    assert_understood(&bridge, Provider::Tencent, "unknown", &target, "{}");
    bridge.assert_ledger_even();
}

#[test]
fn a_connection_is_kept_over_many_requests_and_pauses() {
    // The time for a head and for a body must not end a connection that rests between requests.
    let bridge = Builder::new(Kafka::nobody()).set("BODY_SECONDS_MAX", "1").start();
    let mut wire = bridge.connect();
    let route = &routes()[0];
    for round in 0..4 {
        for _ in 0..25 {
            wire.send(route.request());
            let response = wire.response();
            assert_eq!((response.status, response.closes()), (200, false), "{round}");
        }
        // This is the pause of a sender, not a wait for anything.
        thread::sleep(Duration::from_millis(1100));
    }
    assert_eq!(bridge.metric("http_connections"), 1);
    let status = bridge.assert_ledger_even();
    assert_eq!(status["ledger"]["requests"]["accepted"], 100);
    drop(wire);
    wait_for("no connection is open", SOON, || {
        (bridge.metric("http_connections") == 0).then_some(())
    });
}

#[test]
fn connections_are_kept_for_two_hours_unless_told_otherwise() {
    let pairs = [("IMBRIDGE_KAFKA_BROKERS".into(), "k:1".into())];
    let config = imbridge::config::Config::for_serve(pairs).expect("all else has a default");
    assert_eq!(config.http.keep_alive, Duration::from_hours(2));
    let bridge = Builder::new(Kafka::nobody()).set("KEEP_ALIVE_SECONDS", "1").start();
    let mut wire = bridge.connect();
    wire.send(routes()[0].request());
    assert_eq!(wire.response().status, 200);
    assert_eq!(wire.end(), End::Closed, "an idle connection ends after its second");
    bridge.assert_ledger_even();
}

#[test]
fn a_thousand_pipelined_requests_are_answered_in_order() {
    let bridge = TestBridge::alone();
    let mut wire = bridge.connect();
    let command = "callbackBeforeSetGroupInfoCommand";
    let request = |number: usize| {
        post(&format!("/openim/{command}"), format!(r#"{{"groupID":"{number}","groupName":"n"}}"#))
    };
    let all: Vec<u8> = (0..1000).flat_map(request).collect();
    let mut writer = wire.writer();
    let writing = thread::spawn(move || writer.write_all(&all).expect("the bridge reads"));
    for number in 0..1000 {
        let response = wire.response();
        assert_eq!(response.status, 200);
        assert_eq!(response.json()["groupID"], number.to_string(), "the echo tells which it is");
    }
    writing.join().expect("all was written");
    let status = bridge.assert_ledger_even();
    assert_eq!(status["ledger"]["requests"]["accepted"], 1000);
}

#[test]
fn who_expects_100_continue_is_told_to_go_on() {
    let bridge = TestBridge::alone();
    let mut wire = bridge.connect();
    for route in routes() {
        let request = route.request_with("Expect: 100-continue\r\n", &route.body);
        let head = request.len() - route.body.len();
        wire.send(&request[..head]);
        assert_eq!(wire.response().status, 100, "{}", route.name);
        wire.send(&request[head..]);
        let response = wire.response();
        assert_eq!(response.status, 200, "{}", route.name);
        route.assert_allows(&response, true);
    }
    bridge.assert_ledger_even();
}

#[test]
fn bodies_come_in_chunks_and_in_small_pieces() {
    let bridge = TestBridge::alone();
    let mut wire = bridge.connect();
    for route in routes() {
        wire.send(chunked(&route.target, ""));
        for part in route.body.as_bytes().chunks(7) {
            wire.send(chunk(part));
        }
        wire.send(chunk(b""));
        let response = wire.response();
        assert_eq!((response.status, response.closes()), (200, false), "{}", route.name);
        route.assert_allows(&response, true);
        for piece in route.request().chunks(3) {
            wire.send(piece);
        }
        let response = wire.response();
        assert_eq!((response.status, response.closes()), (200, false), "{}", route.name);
        route.assert_allows(&response, true);
    }
    let status = bridge.assert_ledger_even();
    assert_eq!(status["ledger"]["requests"]["accepted"], 12);
    assert_eq!(bridge.metric(r#"callbacks_total{command="unknown",provider="openim"}"#), 2);
}

#[test]
fn old_and_terse_clients_are_served_and_their_connections_end_as_they_ask() {
    let bridge = TestBridge::alone();
    let route = &routes()[0];
    let length = route.body.len();
    let (target, body) = (&route.target, &route.body);
    let ends = [
        format!("POST {target} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}"),
        format!(
            "POST {target} HTTP/1.1\r\nHost: b\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        ),
        format!(
            "POST {target} HTTP/1.1\r\nhost: b\r\nconnection: Close\r\ncontent-length: {length}\r\n\r\n{body}"
        ),
    ];
    for request in ends {
        let mut wire = bridge.connect();
        wire.send(&request);
        let response = wire.response();
        assert_eq!(response.status, 200, "{request}");
        route.assert_allows(&response, true);
        assert_eq!(wire.end(), End::Closed, "{request}");
    }
    let mut wire = bridge.connect();
    let keep = format!(
        "POST {target} HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    for _ in 0..3 {
        wire.send(&keep);
        assert_eq!(wire.response().status, 200);
    }
    wire.finish();
    assert_eq!(wire.end(), End::Closed, "a sender that is done");
    bridge.assert_ledger_even();
}

#[test]
fn a_sender_that_closes_its_half_still_gets_its_answer() {
    let bridge = TestBridge::alone();
    let route = &routes()[1];
    let mut wire = bridge.connect();
    wire.send(route.request());
    wire.finish();
    let response = wire.response();
    assert_eq!(response.status, 200);
    route.assert_allows(&response, true);
    assert_eq!(wire.end(), End::Closed);
    bridge.assert_ledger_even();
}

#[test]
fn header_values_need_not_be_ascii() {
    let bridge = TestBridge::alone();
    let route = &routes()[0];
    let mut wire = bridge.connect();
    for operation in ["пример", "", "a\tb", "\u{fffd}"] {
        let header = format!("Operationid: {operation}\r\n");
        wire.send(post_with(&route.target, &header, &route.body));
        assert_eq!(wire.response().status, 200, "{operation:?}");
    }
    bridge.assert_ledger_even();
}

#[test]
fn a_head_that_cannot_be_read_is_answered_by_the_server_and_counted_nowhere() {
    let bridge = TestBridge::alone();
    let large =
        format!("POST /openim HTTP/1.1\r\nHost: b\r\nX-Filling: {}\r\n\r\n", "x".repeat(200_000));
    for head in
        [&*large, "no http at all\r\n\r\n", "POST /openim HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
    {
        let mut wire = bridge.connect();
        let _read = wire.try_send(head);
        let response = wire.response();
        assert!((400..500).contains(&response.status), "{response:?}");
    }
    let both = "POST /openim HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let mut wire = bridge.connect();
    wire.send(both);
    assert_eq!(wire.response().status, 400, "two lengths are how requests are smuggled");
    let status = bridge.assert_ledger_even();
    assert_eq!(status["ledger"]["requests"]["received"], 0);
}
