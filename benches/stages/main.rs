//! What the pure stages of the way cost, in processor time and allocations per call.
//!
//! One command, one table: `cargo bench --bench stages`. Each stage is timed with the ones before it
//! redone outside of the clock where it needs their result, so rows stand for themselves, but for
//! the last, which is the whole of intake. Processor time of this thread counts, not wall clock, so
//! a busy machine changes little; the least of several runs is shown. `--only WORD` runs the rows
//! that contain the word, for profilers.

#![allow(
    clippy::cast_precision_loss,
    clippy::must_use_candidate,
    clippy::unchecked_time_subtraction,
    reason = "figures are for people; a bench is no library and may stop at a broken clock"
)]
#![allow(missing_docs, unreachable_pub, clippy::print_stdout, reason = "a program, not a library")]

#[path = "../throughput/requests.rs"]
mod requests;

use bumpalo::Bump;
use futures_util::FutureExt;
use imbridge::call::{Headers, Provider, RawCall};
use imbridge::catalogue::Catalogue;
use imbridge::clock;
use imbridge::dialect::door::{Door, Everybody};
use imbridge::event::{EventFormat, TopicBy};
use imbridge::intake::{Intake, Verdicts};
use imbridge::journal::memory::MemoryLog;
use imbridge::journal::{Log, Read};
use imbridge::json::Json;
use imbridge::normalise::{Normaliser, Settings};
use imbridge::record::Batch;
use imbridge::rules::AllowAll;
use imbridge::telemetry::{Ledger, Limiter, Metrics, ReasonLimiters};
use imbridge::verdict::{Decision, OnFault};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

/// Calls between two looks at the clock.
const CALLS: u32 = 500;
/// Runs of so many calls; the least counts.
const RUNS: u32 = 500;

/// A call to measure with.
struct Sample {
    name: &'static str,
    provider: Provider,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    before: bool,
}

impl Headers for Sample {
    fn get(&self, name: &str) -> Option<&[u8]> {
        let found =
            self.headers.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(found.1.as_bytes())
    }
}

impl Sample {
    fn call(&self) -> RawCall<'_> {
        RawCall {
            provider: self.provider,
            path: &self.path,
            query: &self.query,
            headers: self,
            peer: None,
            body: &self.body,
            received_at_ms: clock::unix_ms(),
        }
    }

    fn fixture(name: &'static str, before: bool, text: &str) -> Self {
        let request: serde_json::Value = serde_json::from_str(text).expect("fixtures are JSON");
        let text = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
        let headers = request["headers"].as_object().into_iter().flatten();
        let value = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            name,
            provider: Provider::from_name(&text("provider")).expect("a provider"),
            path: text("path"),
            query: text("query"),
            headers: headers.map(|(name, of)| (name.clone(), value(of))).collect(),
            body: text("body").into_bytes(),
            before,
        }
    }
}

fn samples() -> Vec<Sample> {
    let request = String::from_utf8(requests::group_text(7)).expect("requests are text");
    let (_head, body) = request.split_once("\r\n\r\n").expect("there is an end of the head");
    assert_eq!(body.len(), requests::BODY_BYTES, "the body that the contract names");
    vec![
        Sample {
            name: "OpenIM group text",
            provider: Provider::OpenIm,
            path: "/callbackAfterSendGroupMsgCommand".to_owned(),
            query: "contenttype=json".to_owned(),
            headers: vec![("Operationid".to_owned(), "1735689600007".to_owned())],
            body: body.as_bytes().to_vec(),
            before: false,
        },
        Sample::fixture(
            "Tencent group text",
            false,
            include_str!(
                "../../tests/fixtures/rows/tencent/Group.CallbackAfterSendMsg/request.json"
            ),
        ),
        Sample::fixture(
            "OpenIM before group text",
            true,
            include_str!(
                "../../tests/fixtures/rows/openim/callbackBeforeSendGroupMsgCommand/request.json"
            ),
        ),
    ]
}

struct Parts {
    door: Door,
    normaliser: Arc<Normaliser>,
    log: Arc<MemoryLog>,
    intake: Intake,
}

fn parts() -> Parts {
    let catalogue = Arc::new(Catalogue::embedded());
    let settings = Settings {
        topic_prefix: "im.".to_owned(),
        topic_by: TopicBy::Kind,
        event_format: EventFormat::Structured,
        event_bytes_max: 1_000_000,
    };
    let normaliser = Arc::new(Normaliser::new(Arc::clone(&catalogue), settings));
    let door = || Door::new(Arc::clone(&catalogue), "default", Box::new(Everybody));
    let log = Arc::new(MemoryLog::new(1 << 30));
    let intake = Intake {
        door: door(),
        normaliser: Arc::clone(&normaliser),
        rules: Box::new(AllowAll),
        log: Arc::clone(&log) as Arc<dyn Log>,
        metrics: Arc::new(Metrics::new(&catalogue, "0", "0")),
        ledger: Arc::new(Ledger::default()),
        hold: Duration::ZERO,
        waits_for_kafka: false,
        on_fault: OnFault::Allow,
        verdicts: Verdicts::default(),
        refusals: ReasonLimiters::default(),
        oversize: Limiter::new(),
        dropped: Limiter::new(),
    };
    Parts { door: door(), normaliser, log, intake }
}

fn processor_ns() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Nanoseconds and allocations of one call.
fn measure(mut call: impl FnMut()) -> (f64, f64) {
    for _ in 0..CALLS {
        call();
    }
    let mut least = f64::INFINITY;
    for _ in 0..RUNS {
        let started = processor_ns();
        for _ in 0..CALLS {
            call();
        }
        let spent = processor_ns() - started;
        least = least.min(spent as f64 / f64::from(CALLS));
    }
    let allocations = allocation_counter::measure(|| {
        for _ in 0..CALLS {
            call();
        }
    });
    (least, allocations.count_total as f64 / f64::from(CALLS))
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let only = arguments.iter().position(|argument| argument == "--only");
    let only = only.and_then(|at| arguments.get(at + 1)).map_or("", String::as_str);
    println!("{:<26} {:<34} {:>8} {:>12}", "call", "stage", "ns", "allocations");
    for sample in &samples() {
        let mut row = |stage: &str, call: &mut dyn FnMut()| {
            if format!("{}: {stage}", sample.name).contains(only) {
                let (ns, allocations) = measure(call);
                println!("{:<26} {stage:<34} {ns:>8.0} {allocations:>12.2}", sample.name);
            }
        };
        stages(sample, &mut row);
    }
}

fn stages(sample: &Sample, row: &mut dyn FnMut(&str, &mut dyn FnMut())) {
    let parts = parts();
    let mut arena = Bump::with_capacity(1 << 16);
    let text = std::str::from_utf8(&sample.body).expect("samples are text");
    row("parse (Json::read)", &mut || {
        arena.reset();
        black_box(Json::read(black_box(text), &arena).is_ok());
    });
    row("door (parse, query, command)", &mut || {
        arena.reset();
        black_box(parts.door.read(&sample.call(), &arena).is_ok());
    });
    let kept = Bump::new();
    let call = sample.call();
    let Ok(callback) = parts.door.read(&call, &kept) else { unreachable!("everybody may call") };
    let callback = &callback;
    row("normalise (events)", &mut || {
        arena.reset();
        black_box(parts.normaliser.events(callback, &arena).len());
    });
    let events_arena = Bump::new();
    let events = parts.normaliser.events(callback, &events_arena);
    let allow = Decision::ALLOW;
    let decision = sample.before.then_some(&allow);
    let mut batch = Batch::new();
    let mut write = || {
        batch.clear();
        for event in events {
            black_box(parts.normaliser.write(callback, event, decision, &mut batch));
        }
    };
    write();
    row("write", &mut write);
    let record = batch.bytes().to_vec();
    assert!(record.len() > sample.body.len(), "the record holds the body");
    let mut appended = 0;
    row("append, read back, confirm", &mut || {
        let mut one = Batch::from_parts(record.clone(), batch.records());
        parts.log.append(&mut one).expect("there is room");
        appended += 1;
        drain(&parts.log, appended);
    });
    appended = 0;
    let turn = parts.intake.turn();
    row("intake (all of it, with metrics)", &mut || {
        let outgoing = parts.intake.take(&turn, &sample.call()).now_or_never();
        assert!(outgoing.is_some_and(|outgoing| outgoing.status == 200));
        appended += 1;
        drain(&parts.log, appended);
    });
}

/// Now and then does what the shipper does, without Kafka.
fn drain(log: &MemoryLog, appended: u64) {
    if !appended.is_multiple_of(256) {
        return;
    }
    let mut from = log.usage().confirmed.next();
    while let Read::Chunk(chunk) = log.read(from) {
        black_box(chunk.batch.iter().count());
        from = chunk.last().next();
    }
    log.confirm(log.durable());
}
