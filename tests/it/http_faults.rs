//! What senders are told when a part of the bridge itself fails, or the door turns them away.
//!
//! In: a callback port over parts that misbehave on purpose: an engine, a log or an authenticator that
//! panics or says no. Out: the answers over HTTP, by each route, read as the provider would.

use crate::support::bridge::{catalogue, settings};
use crate::support::process::{SOON, wait_for};
use crate::support::routes::{Route, Statuses, routes, truth};
use crate::support::wire::{Response, Wire, post};
use imbridge::call::{Parameter, RawCall};
use imbridge::dialect::door::{Authenticator, Door, Everybody, Refusal};
use imbridge::http::callbacks::{self, Callbacks};
use imbridge::http::{self, Gauges, Limits};
use imbridge::intake::{Intake, Verdicts};
use imbridge::journal::memory::MemoryLog;
use imbridge::journal::{AppendError, Aside, Folder, Log, Read, Sequence, Usage};
use imbridge::normalise::{Normaliser, Settings};
use imbridge::record::Batch;
use imbridge::rules::{AllowAll, Intent, Rules};
use imbridge::telemetry::{Ledger, Limiter, Metrics, ReasonLimiters};
use imbridge::verdict::{Decision, OnFault};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Header with which a test asks a part to panic.
const PANIC: &str = "X-Panic: yes\r\n";

fn is_asked(call: &RawCall<'_>) -> bool {
    call.headers.get("x-panic").is_some()
}

struct Parts {
    authenticator: Box<dyn Authenticator>,
    rules: Box<dyn Rules>,
    log: Arc<dyn Log>,
    on_fault: OnFault,
}

impl Parts {
    fn sound() -> Self {
        Self {
            authenticator: Box::new(Everybody),
            rules: Box::new(AllowAll),
            log: Arc::new(MemoryLog::new(1 << 20)),
            on_fault: OnFault::Allow,
        }
    }
}

/// A callback port without the rest of the bridge.
struct Port {
    address: SocketAddr,
    ledger: Arc<Ledger>,
    metrics: Arc<Metrics>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Port {
    fn start(parts: Parts) -> Self {
        Self::with(parts, settings())
    }

    fn with(parts: Parts, settings: Settings) -> Self {
        let ledger = Arc::new(Ledger::default());
        let metrics = Arc::new(Metrics::new(&catalogue(), "0", "0"));
        let intake = Intake {
            door: Door::new(catalogue(), "demo", parts.authenticator),
            normaliser: Arc::new(Normaliser::new(catalogue(), settings)),
            rules: parts.rules,
            log: parts.log,
            metrics: Arc::clone(&metrics),
            ledger: Arc::clone(&ledger),
            hold: Duration::ZERO,
            waits_for_kafka: false,
            on_fault: parts.on_fault,
            refusals: ReasonLimiters::new(),
            oversize: Limiter::new(),
            dropped: Limiter::new(),
            verdicts: Verdicts::default(),
        };
        let limits = Limits {
            body_bytes_max: 1 << 20,
            body_time_max: SOON,
            keep_alive: SOON,
            inflight_bytes_max: 1 << 20,
            openim_path: "/openim".to_owned(),
            tencent_path: "/tencent".to_owned(),
            drain: Duration::ZERO,
        };
        let shared = Callbacks { intake, limits, gauges: Arc::new(Gauges::default()) };
        let (tell, told) = sync_channel(1);
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            http::block_on(async move {
                let listener = http::bind(([127, 0, 0, 1], 0).into()).expect("any port");
                let address = listener.local_addr().expect("it is bound");
                let running = callbacks::start(Arc::new(shared), listener, 1).expect("starts");
                tell.send(address).expect("it is waited for");
                let _dropped = stopped.await.is_err();
                running.stop().await;
            });
        });
        let address = told.recv_timeout(SOON).expect("the port opens");
        Self { address, ledger, metrics, stop: Some(stop), thread: Some(thread) }
    }

    fn refused(&self, reason: &str) -> u64 {
        let text = String::from_utf8(self.metrics.text()).expect("metrics are text");
        let of = |provider: &str| -> u64 {
            let start = format!(
                "imbridge_callbacks_refused_total{{provider=\"{provider}\",reason=\"{reason}\"}} "
            );
            let line = text.lines().find_map(|line| line.strip_prefix(&start));
            line.expect("it starts at 0").parse().expect("a number")
        };
        of("openim") + of("tencent")
    }

    /// Looks that every request was counted once: `accepted`, and `refused` for `reason`.
    fn assert_counted(&self, accepted: u64, refused: u64, reason: &str) {
        wait_for("nothing is in flight", SOON, || (self.ledger.in_flight() == 0).then_some(()));
        let requests = self.ledger.snapshot().requests;
        let seen = (requests.received, requests.accepted, requests.refused);
        assert_eq!(seen, (accepted + refused, accepted, refused));
        assert_eq!(self.refused(reason), refused);
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _failed = self.thread.take().is_some_and(|thread| thread.join().is_err());
    }
}

/// Asks by every route on one connection.
fn answers(port: &Port, headers: &str) -> Vec<(Route, Response)> {
    let mut wire = Wire::connect(port.address);
    let ask = |route: Route| {
        wire.send(route.request_with(headers, &route.body));
        let response = wire.response();
        assert!(!response.closes(), "{}: the body was read", route.name);
        (route, response)
    };
    routes().into_iter().map(ask).collect()
}

/// Statuses, and an allow (or where the route asks, and `deny`, a deny).
fn assert_fault(seen: &[(Route, Response)], statuses: Statuses, with_echoes: bool, deny: bool) {
    for ((route, response), status) in seen.iter().zip(statuses) {
        assert_eq!(response.status, status, "{}", route.name);
        if deny && route.asks() {
            route.assert_denies(response);
        } else {
            route.assert_allows(response, with_echoes);
        }
    }
}

/// A log that panics instead of taking certain records, and keeps what is put aside, with the last
/// position at that time.
#[derive(Debug)]
struct Trap(MemoryLog, Mutex<Vec<(u64, Aside)>>);

impl Trap {
    fn new(bytes_max: u64) -> Self {
        Self(MemoryLog::new(bytes_max), Mutex::default())
    }
}

impl Log for Trap {
    fn append(&self, batch: &mut Batch) -> Result<RangeInclusive<Sequence>, AppendError> {
        let asked = batch.iter().any(|record| record.value.windows(6).any(|six| six == b"panic!"));
        assert!(!asked, "the trap shuts");
        self.0.append(batch)
    }

    fn try_append(&self, batch: &mut Batch) -> Result<RangeInclusive<Sequence>, AppendError> {
        self.append(batch)
    }

    fn durable(&self) -> Sequence {
        self.0.durable()
    }

    fn written(&self) -> Sequence {
        self.0.written()
    }

    fn is_immediate(&self) -> bool {
        self.0.is_immediate()
    }

    fn progress(&self) -> &tokio::sync::Notify {
        self.0.progress()
    }

    fn stalled_since(&self) -> Option<Instant> {
        self.0.stalled_since()
    }

    fn read(&self, from: Sequence) -> Read {
        self.0.read(from)
    }

    fn put_aside(&self, aside: Aside) {
        self.1.lock().push((self.durable().0, aside));
    }

    fn put_aside_now(&self, aside: &Aside) -> std::io::Result<()> {
        self.0.put_aside_now(aside)
    }

    fn replay_upto(&self) -> Sequence {
        self.0.replay_upto()
    }

    fn close(&self, within: Duration) -> u64 {
        self.0.close(within)
    }

    fn confirm(&self, upto: Sequence) {
        self.0.confirm(upto);
    }

    fn wait_for(&self, from: Sequence, timeout: Duration) {
        self.0.wait_for(from, timeout);
    }

    fn room(&self) -> &tokio::sync::Notify {
        self.0.room()
    }

    fn usage(&self) -> Usage {
        self.0.usage()
    }

    fn uuid(&self) -> &str {
        self.0.uuid()
    }
}

#[test]
fn a_panic_behind_the_door_is_answered_with_echoes_and_the_next_request_is_served() {
    for (on_fault, deny) in [(OnFault::Allow, false), (OnFault::Deny, true)] {
        let log = Arc::new(Trap::new(1 << 20));
        let port = Port::start(Parts { log, on_fault, ..Parts::sound() });
        let mut seen = Vec::new();
        let mut wire = Wire::connect(port.address);
        for route in routes() {
            let body = route.body.replacen('{', "{\"trap\":\"panic!\",", 1);
            wire.send(route.request_with("", body));
            let response = wire.response();
            assert!(!response.closes(), "{}", route.name);
            seen.push((route, response));
        }
        assert_fault(&seen, truth(500), true, deny);
        port.assert_counted(0, 6, "panic");
        assert_fault(&answers(&port, ""), [200; 6], true, false);
        port.assert_counted(6, 6, "panic");
    }
}

#[test]
fn an_event_too_large_for_kafka_is_put_aside_whole_before_its_record_is_appended() {
    let log = Arc::new(Trap::new(1 << 24));
    let as_log: Arc<dyn Log> = Arc::<Trap>::clone(&log);
    let settings = Settings { event_bytes_max: 2000, ..settings() };
    let port = Port::with(Parts { log: as_log, ..Parts::sound() }, settings);
    let body = |group: &str, more: &str| {
        json!({"groupID": group, "userID": "u", "more": more}).to_string()
    };
    let long = "x".repeat(3000);
    let mut wire = Wire::connect(port.address);
    for body in [body("g", "few"), body("g", &long), body(&long, "few")] {
        wire.send(post("/openim/callbackAfterQuitGroupCommand", body));
        assert_eq!(wire.response().status, 200);
    }
    let Read::Chunk(chunk) = log.read(Sequence::FIRST) else { panic!("records were appended") };
    let ids: Vec<&str> = chunk.batch.iter().map(|record| record.id).collect();
    assert_eq!(ids.len(), 2, "the third is not for Kafka");
    let asides = log.1.lock().clone();
    let [(before_second, without_raw), (before_third, letter)] = &*asides else {
        panic!("two were too large: {asides:?}")
    };
    assert_eq!((*before_second, without_raw.folder), (1, Folder::Oversize));
    assert_eq!((*before_third, letter.folder), (2, Folder::DeadLetter));
    assert_eq!(without_raw.id, ids[1]);
    for (aside, field) in [(without_raw, "/data/raw/more"), (letter, "/data/group_id")] {
        let event: Value = serde_json::from_slice(&aside.json).expect("a whole event");
        assert_eq!(event["id"], aside.id);
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event.pointer(field).and_then(Value::as_str), Some(&*long));
    }
    let records = port.ledger.snapshot().records;
    assert_eq!((records.appended, records.dead_lettered), (3, 1));
    assert_eq!(port.metrics.records_oversize.get(), 2);
}

/// An envelope was answered as if nobody knew its command, with a 200, while one whose body was not
/// read got the status of the command that its query names.
#[test]
fn an_envelope_is_refused_with_the_status_of_the_command_that_its_query_names() {
    for on_fault in [OnFault::Allow, OnFault::Deny] {
        let log = Arc::new(Trap::new(1 << 20));
        let port = Port::start(Parts { log, on_fault, ..Parts::sound() });
        let authenticator = Box::new(Closed(Refusal::Stale));
        let closed = Port::start(Parts { authenticator, on_fault, ..Parts::sound() });
        for (number, route) in routes().into_iter().enumerate().skip(3) {
            let body = format!(r#"{{"Events":[{{"trap":"panic!"}},{}]}}"#, route.body);
            for (port, status) in [(&port, truth(500)), (&closed, truth(403))] {
                let mut wire = Wire::connect(port.address);
                wire.send(route.request_with("", body.clone()));
                let response = wire.response();
                assert_eq!(response.status, status[number], "{}", route.name);
                // Whatever the operator wants of faults: an envelope is always answered so.
                route.assert_allows(&response, false);
            }
        }
        port.assert_counted(0, 3, "panic");
        closed.assert_counted(0, 3, "stale");
    }
}

/// Panics when a test asks for it, on the second reading too.
struct Startled;

impl Authenticator for Startled {
    fn check(&self, call: &RawCall<'_>, _query: &[Parameter<'_>]) -> Result<(), Refusal> {
        assert!(!is_asked(call), "startled");
        Ok(())
    }
}

#[test]
fn a_panic_at_the_door_is_answered_by_what_the_head_tells() {
    for (on_fault, deny) in [(OnFault::Allow, false), (OnFault::Deny, true)] {
        let authenticator = Box::new(Startled);
        let port = Port::start(Parts { authenticator, on_fault, ..Parts::sound() });
        assert_fault(&answers(&port, PANIC), truth(500), false, deny);
        port.assert_counted(0, 6, "panic");
        assert_fault(&answers(&port, ""), [200; 6], true, false);
        port.assert_counted(6, 6, "panic");
    }
}

#[test]
fn a_body_that_is_not_read_is_denied_where_the_operator_wants_that() {
    // The command was known from the head, but only its phase was asked for: without the command's
    // plan there is no code to deny with, and the answer was an allow.
    let port = Port::start(Parts { on_fault: OnFault::Deny, ..Parts::sound() });
    for (route, status) in routes().into_iter().zip(truth(415)) {
        let mut wire = Wire::connect(port.address);
        wire.send(route.request_with("Content-Encoding: gzip\r\n", &route.body));
        let seen = wire.response();
        assert!(seen.closes(), "{}", route.name);
        let mut statuses = [0; 6];
        statuses[0] = status;
        assert_fault(&[(route, seen)], statuses, false, true);
    }
    port.assert_counted(0, 6, "encoding");
}

/// Panics about every intent.
struct Upset;

impl Rules for Upset {
    fn decide(&self, _intent: &Intent<'_>) -> Decision {
        panic!("upset")
    }
}

#[test]
fn an_engine_that_panics_does_not_touch_what_only_reports() {
    let port = Port::start(Parts { rules: Box::new(Upset), ..Parts::sound() });
    let seen = answers(&port, "");
    assert_fault(&seen, [200, 500, 200, 200, 200, 200], true, false);
    port.assert_counted(4, 2, "panic");
    let records = port.ledger.snapshot().records;
    assert_eq!(records.appended, 4, "an intent that was not decided leaves no record");
}

/// Turns everybody away.
struct Closed(Refusal);

impl Authenticator for Closed {
    fn check(&self, _call: &RawCall<'_>, _query: &[Parameter<'_>]) -> Result<(), Refusal> {
        Err(self.0)
    }
}

#[test]
fn who_is_turned_away_gets_an_answer_with_echoes_and_nothing_is_published() {
    let cases = [
        (Refusal::Unauthenticated, "unauthenticated", [401, 401, 401, 403, 200, 200]),
        (Refusal::Forged, "forged", truth(403)),
        (Refusal::Stale, "stale", truth(403)),
        (Refusal::AppId, "app_id", truth(403)),
        (Refusal::Address, "address", truth(403)),
    ];
    for (refusal, word, statuses) in cases {
        for (on_fault, deny) in [(OnFault::Allow, false), (OnFault::Deny, true)] {
            let authenticator = Box::new(Closed(refusal));
            let port = Port::start(Parts { authenticator, on_fault, ..Parts::sound() });
            let seen = answers(&port, "");
            assert_fault(&seen, statuses, true, deny);
            for (route, response) in &seen {
                let challenge = response.header("www-authenticate");
                assert_eq!(challenge.is_some(), response.status == 401, "{}", route.name);
            }
            port.assert_counted(0, 6, word);
            assert_eq!(port.ledger.snapshot().records.appended, 0);
        }
    }
}
