//! Signals to the real program, and what a stop promises.
//!
//! In: SIGTERM and SIGINT while connections are open, while Kafka is there or not. Out: answers up to
//! the end, an exit code within the drain time, and nothing lost in silence.

use crate::support::process::{SOON, wait_for};
use crate::support::routes::routes;
use crate::support::serve::{Builder, Kafka, TestBridge, mock};
use crate::support::wire::End;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Time that the end of a process and a busy machine may add to what was promised.
const SLACK: Duration = Duration::from_secs(10);

fn assert_stopping(bridge: &TestBridge) {
    wait_for("/ready says that it stops", SOON, || {
        let ready = bridge.ready();
        let page = ready.json();
        let stopping = ready.status == 503 && page["ready"] == false;
        (stopping && page["reasons"][0] == "stopping").then_some(())
    });
}

#[test]
fn a_stop_serves_to_the_end_closes_connections_and_leaves_nothing_behind() {
    for signal in ["TERM", "INT"] {
        let kafka = mock();
        let mut bridge = Builder::new(Kafka::at(&kafka.bootstrap()))
            .on_disk()
            .set("DRAIN_SECONDS", "20")
            .spawn();
        let mut wires: Vec<_> = (0..3).map(|_| bridge.connect()).collect();
        let mut idle = bridge.connect();
        let route = &routes()[0];
        for wire in &mut wires {
            wire.send(route.request());
            let response = wire.response();
            assert_eq!((response.status, response.closes()), (200, false));
        }
        assert_eq!(bridge.ready().status, 200);
        bridge.signal(signal);
        let asked = Instant::now();
        assert_stopping(&bridge);
        for (wire, route) in wires.iter_mut().zip(routes()) {
            wire.send(route.request());
            let response = wire.response();
            assert_eq!((response.status, response.closes()), (200, true), "{}", route.name);
            route.assert_allows(&response, true);
            assert_eq!(wire.end(), End::Closed);
        }
        let response = bridge.post(&route.target, &route.body);
        assert_eq!((response.status, response.closes()), (200, true), "new ones are served");
        let mut pipelined = bridge.connect();
        pipelined.send(route.request().repeat(3));
        for _ in 0..3 {
            let response = pipelined.response();
            assert_eq!((response.status, response.closes()), (200, true), "and pipelined ones");
        }
        let status = bridge.assert_ledger_even();
        assert_eq!(status["ledger"]["requests"]["accepted"], 10);
        assert_eq!(bridge.page("/live").status, 200);
        assert_eq!(idle.end(), End::Closed, "a connection without a request is closed");
        assert_eq!(bridge.ended().code(), Some(0), "{}", bridge.log());
        assert!(asked.elapsed() < Duration::from_secs(20), "quiet ends the wait");
        let log = bridge.log();
        assert!(log.contains(&format!("SIG{signal}")) && log.contains("stopped"), "{log}");
        assert!(!log.contains("lost="), "{log}");
    }
}

#[test]
fn without_kafka_a_stop_ends_at_its_deadline_and_names_what_is_lost() {
    let mut bridge = Builder::new(Kafka::nobody()).set("DRAIN_SECONDS", "3").spawn();
    for route in routes() {
        assert_eq!(bridge.post(&route.target, &route.body).status, 200);
    }
    let status = bridge.assert_ledger_even();
    assert_eq!(status["ledger"]["records"]["waiting"], 6);
    bridge.signal("TERM");
    let asked = Instant::now();
    assert_stopping(&bridge);
    assert_eq!(bridge.ended().code(), Some(0), "{}", bridge.log());
    let took = asked.elapsed();
    assert!(took > Duration::from_secs(2), "Kafka was waited for: {took:?}");
    assert!(took < Duration::from_secs(3) + SLACK, "{took:?}");
    let log = bridge.log();
    let lost = log.lines().find(|line| line.contains("lost=6")).expect("the loss is logged");
    assert!(lost.contains("ERROR"), "{lost}");
}

#[test]
fn what_a_stop_loses_is_counted() {
    let bridge = Builder::new(Kafka::nobody()).set("DRAIN_SECONDS", "1").start();
    for route in routes() {
        assert_eq!(bridge.post(&route.target, &route.body).status, 200);
    }
    bridge.assert_ledger_even();
    assert_eq!(bridge.stop(), 6);
}

#[test]
fn a_stop_waits_for_records_that_kafka_takes_late() {
    let kafka = mock();
    kafka.down().expect("the mock obeys");
    let bridge = Builder::new(Kafka::at(&kafka.bootstrap())).set("DRAIN_SECONDS", "60").start();
    for route in routes() {
        assert_eq!(bridge.post(&route.target, &route.body).status, 200);
    }
    bridge.assert_ledger_even();
    let lost = std::thread::scope(|scope| {
        let admin = bridge.admin;
        let stopping = scope.spawn(move || bridge.stop());
        wait_for("it stops", SOON, || {
            let mut wire = crate::support::wire::Wire::connect(admin);
            wire.send("GET /ready HTTP/1.1\r\nHost: b\r\n\r\n");
            (wire.response().status == 503).then_some(())
        });
        kafka.up().expect("the mock obeys");
        stopping.join().expect("it stops")
    });
    assert_eq!(lost, 0);
}

#[test]
fn a_second_signal_ends_the_wait_and_the_loss_is_named_all_the_same() {
    let mut bridge = Builder::new(Kafka::nobody()).set("DRAIN_SECONDS", "600").spawn();
    let route = &routes()[0];
    assert_eq!(bridge.post(&route.target, &route.body).status, 200);
    bridge.assert_ledger_even();
    bridge.signal("TERM");
    assert_stopping(&bridge);
    bridge.signal("INT");
    assert_eq!(bridge.ended().code(), Some(0), "{}", bridge.log());
    let log = bridge.log();
    assert!(log.contains("stopping at once") && log.contains("lost=1"), "{log}");
}

#[test]
fn senders_that_never_fall_silent_do_not_cost_the_last_records() {
    // The whole drain time went to serving requests, and the shipper had none left: records of the
    // last moment were lost though Kafka was there.
    let kafka = mock();
    kafka.round_trip_time(Duration::from_millis(300)).expect("the mock obeys");
    let mut bridge = Builder::new(Kafka::at(&kafka.bootstrap())).set("DRAIN_SECONDS", "6").spawn();
    let route = &routes()[0];
    // As much as this Kafka takes: what is shown is the last moment, not a backlog.
    let sender = busy(bridge.callbacks, route.request());
    wait_for("traffic", SOON, || {
        let accepted = bridge.status()["ledger"]["requests"]["accepted"].as_u64();
        accepted.is_some_and(|accepted| accepted > 20).then_some(())
    });
    bridge.signal("TERM");
    let asked = Instant::now();
    assert_eq!(bridge.ended().code(), Some(0), "{}", bridge.log());
    // It does not stop in the moment between two connections of its only sender.
    assert!(asked.elapsed() > Duration::from_secs(4), "{:?}", asked.elapsed());
    assert!(sender.join().expect("it only sends") > 20);
    let log = bridge.log();
    assert!(!log.contains("lost="), "{log}");
}

/// Keeps a bridge busy with one connection after the other until nobody listens; how many answers.
fn busy(callbacks: std::net::SocketAddr, request: Vec<u8>) -> std::thread::JoinHandle<u32> {
    std::thread::spawn(move || {
        let mut answered = 0;
        while let Ok(mut stream) = TcpStream::connect(callbacks) {
            let mut some = [0; 64];
            let sent = stream.write_all(&request).is_ok();
            if sent && stream.read(&mut some).is_ok_and(|read| read > 0) {
                answered += 1;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        answered
    })
}

#[test]
fn a_quiet_connection_is_closed_while_others_are_busy() {
    // Silence was judged for all connections together: one busy sender kept every idle one open.
    let kafka = mock();
    let mut bridge = Builder::new(Kafka::at(&kafka.bootstrap())).set("DRAIN_SECONDS", "30").spawn();
    let route = &routes()[0];
    let (mut used, mut fresh) = (bridge.connect(), bridge.connect());
    used.send(route.request());
    assert_eq!(used.response().status, 200);
    let sender = busy(bridge.callbacks, route.request());
    bridge.signal("TERM");
    let asked = Instant::now();
    assert_stopping(&bridge);
    assert_eq!(used.end(), End::Closed);
    let quiet = asked.elapsed();
    assert!(quiet > Duration::from_secs(1), "a sender is given time: {quiet:?}");
    assert_eq!(fresh.end(), End::Closed);
    assert!(asked.elapsed() < SLACK, "{:?}", asked.elapsed());
    let response = bridge.post(&route.target, &route.body);
    assert_eq!((response.status, response.closes()), (200, true), "and the others are served on");
    bridge.signal("TERM");
    assert_eq!(bridge.ended().code(), Some(0), "{}", bridge.log());
    assert!(sender.join().expect("it only sends") > 10);
}

#[test]
fn a_request_in_progress_is_answered_and_a_new_one_served_late_in_a_stop() {
    // From half the drain time on nobody was served any more, and a second later requests in
    // progress were cut off.
    let kafka = mock();
    let mut bridge = Builder::new(Kafka::at(&kafka.bootstrap())).set("DRAIN_SECONDS", "8").spawn();
    let route = &routes()[0];
    let request = route.request();
    let (first, rest) = request.split_at(request.len() - 10);
    let mut slow = bridge.connect();
    slow.send(first);
    let sender = busy(bridge.callbacks, route.request());
    bridge.signal("TERM");
    let asked = Instant::now();
    std::thread::sleep(Duration::from_millis(5200));
    let response = bridge.post(&route.target, &route.body);
    assert_eq!((response.status, response.closes()), (200, true));
    std::thread::sleep(Duration::from_millis(6400).saturating_sub(asked.elapsed()));
    slow.send(rest);
    let response = slow.response();
    assert_eq!((response.status, response.closes()), (200, true));
    route.assert_allows(&response, true);
    assert_eq!(bridge.ended().code(), Some(0), "{}", bridge.log());
    assert!(sender.join().expect("it only sends") > 10);
    let log = bridge.log();
    assert!(!log.contains("lost=") && !log.contains("cut off"), "{log}");
}

#[test]
fn a_body_that_does_not_come_is_answered_before_a_stop_is_over() {
    let mut bridge = Builder::new(Kafka::nobody())
        .set("DRAIN_SECONDS", "4")
        .set("BODY_SECONDS_MAX", "600")
        .spawn();
    let slow: Vec<_> = routes()
        .into_iter()
        .map(|route| {
            let mut wire = bridge.connect();
            let request = route.request();
            wire.send(&request[..request.len() - 1]);
            (wire, route)
        })
        .collect();
    wait_for("all have begun", SOON, || {
        let requests = &bridge.status()["ledger"]["requests"];
        (requests["in_flight"] == slow.len()).then_some(())
    });
    bridge.signal("TERM");
    let asked = Instant::now();
    for (mut wire, route) in slow {
        let response = wire.response();
        assert!([200, 408].contains(&response.status), "{} {}", route.name, response.status);
        assert!(response.closes(), "{}", route.name);
        route.assert_allows(&response, false);
    }
    assert!(asked.elapsed() > Duration::from_secs(2), "they were waited for");
    assert_eq!(bridge.ended().code(), Some(0), "{}", bridge.log());
    assert!(!bridge.log().contains("cut off"), "{}", bridge.log());
}

#[test]
fn a_stop_does_not_outlast_its_time_whatever_is_open() {
    // Each step had a least time of its own; with one second to drain it took three and more.
    let mut bridge = Builder::new(Kafka::nobody()).set("DRAIN_SECONDS", "1").spawn();
    let route = &routes()[0];
    assert_eq!(bridge.post(&route.target, &route.body).status, 200);
    let (_idle, mut slow) = (bridge.connect(), bridge.connect());
    slow.send("POST /openim HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\n\r\n{");
    let mut scraper = crate::support::wire::Wire::connect(bridge.admin);
    scraper.send("GET /metrics HTTP/1.1\r\nHost: b\r\n\r\n");
    assert_eq!(scraper.response().status, 200);
    bridge.signal("TERM");
    let asked = Instant::now();
    assert_eq!(bridge.ended().code(), Some(0), "{}", bridge.log());
    let took = asked.elapsed();
    assert!(took < Duration::from_millis(1900), "{took:?}\n{}", bridge.log());
    assert!(bridge.log().contains("lost=1"), "{}", bridge.log());
}

#[test]
fn the_shipper_has_its_share_of_a_second_too() {
    let kafka = mock();
    kafka.round_trip_time(Duration::from_millis(50)).expect("the mock obeys");
    let mut bridge = Builder::new(Kafka::at(&kafka.bootstrap())).set("DRAIN_SECONDS", "1").spawn();
    let sender = busy(bridge.callbacks, routes()[0].request());
    wait_for("traffic", SOON, || {
        let confirmed = bridge.status()["ledger"]["records"]["confirmed"].as_u64();
        confirmed.is_some_and(|confirmed| confirmed > 5).then_some(())
    });
    bridge.signal("TERM");
    assert_eq!(bridge.ended().code(), Some(0), "{}", bridge.log());
    assert!(sender.join().expect("it only sends") > 5);
    assert!(!bridge.log().contains("lost="), "{}", bridge.log());
}
