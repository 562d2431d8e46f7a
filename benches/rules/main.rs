//! What deciding costs: rules against the same rules written by hand, a decision against normalising
//! its body, finding words against the bare automaton.
//!
//! One command, one table: `cargo bench --bench rules`. Figures that count are ratios of rows of one
//! run; the least of several turns is shown, in processor time of this thread, and the rows that are
//! held against each other take turns. `--quick` runs each just long enough to see that it works.

#![allow(clippy::cast_precision_loss, reason = "figures are for people")]
#![allow(missing_docs, unreachable_pub, clippy::print_stdout, reason = "a program, not a library")]

mod by_hand;
mod words;

use bumpalo::Bump;
use by_hand::{Check, Plain, checks};
use imbridge::call::{Headers, Provider, RawCall};
use imbridge::catalogue::Catalogue;
use imbridge::dialect::door::{Door, Everybody};
use imbridge::event::{EventFormat, TopicBy};
use imbridge::normalise::{Known, Normaliser, Settings};
use imbridge::rules::engine::Engine;
use imbridge::rules::set::{RuleSet, Sources, build};
use imbridge::rules::{Intent, Rules};
use imbridge::verdict::{OnFault, Verdict};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::sync::Arc;

/// How long to measure.
#[derive(Clone, Copy)]
pub struct Effort {
    calls: u32,
    turns: u32,
}

const REQUEST: &str =
    include_str!("../../tests/fixtures/rows/openim/callbackBeforeSendGroupMsgCommand/request.json");

struct NoHeaders;

impl Headers for NoHeaders {
    fn get(&self, _name: &str) -> Option<&[u8]> {
        None
    }
}

fn processor_ns() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Nanoseconds of each call, the least of turns taken one after the other.
pub fn least<const N: usize>(effort: Effort, mut calls: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut least = [f64::INFINITY; N];
    for _ in 0..effort.turns {
        for (least, call) in least.iter_mut().zip(&mut calls) {
            let started = processor_ns();
            for _ in 0..effort.calls {
                call();
            }
            let spent = processor_ns() - started;
            *least = least.min(spent as f64 / f64::from(effort.calls));
        }
    }
    least
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let effort =
        if quick { Effort { calls: 20, turns: 2 } } else { Effort { calls: 500, turns: 400 } };
    let catalogue = Arc::new(Catalogue::embedded());
    let door = Door::new(Arc::clone(&catalogue), "default", Box::new(Everybody));
    let settings = Settings {
        topic_prefix: "im.".to_owned(),
        topic_by: TopicBy::Kind,
        event_format: EventFormat::Structured,
        event_bytes_max: 1_000_000,
    };
    let normaliser = Normaliser::new(Arc::clone(&catalogue), settings);
    let request: serde_json::Value = serde_json::from_str(REQUEST).expect("fixtures are JSON");
    let body = request["body"].as_str().expect("a text").to_owned();
    println!("{:<34} {:>9} {:>9} {:>7}", "", "ns", "against", "ratio");
    for count in [1, 20, 200] {
        rules(effort, &catalogue, &door, &normaliser, &body, count);
    }
    words::compare(effort, if quick { 1_000 } else { 100_000 });
}

fn rules(
    effort: Effort,
    catalogue: &Arc<Catalogue>,
    door: &Door,
    normaliser: &Normaliser,
    body: &str,
    count: usize,
) {
    let call = RawCall {
        provider: Provider::OpenIm,
        path: "/callbackBeforeSendGroupMsgCommand",
        query: "",
        headers: &NoHeaders,
        peer: None,
        body: body.as_bytes(),
        received_at_ms: 1_735_689_600_123,
    };
    let kept = Bump::new();
    let Ok(callback) = door.read(&call, &kept) else { unreachable!("everybody may call") };
    let events = normaliser.events(&callback, &kept);
    let known = events[0].known.as_ref().expect("a known command");
    let engine = Engine::new(|| 0);
    engine.install(Arc::new(set(catalogue, &by_hand::file(count))));
    let by_hand = checks(count);
    let plain = Plain::of(known, callback.received_at_ms);
    let mut arena = Bump::with_capacity(1 << 16);
    let mut other = Bump::with_capacity(1 << 16);
    let mut by_engine = || {
        arena.reset();
        let decision = decide(&engine, known, &arena);
        assert_eq!(decision, Verdict::Allow, "no rule matches");
    };
    let mut native = || {
        let found = by_hand.iter().position(|check: &Check| check(black_box(&plain)));
        assert_eq!(black_box(found), None, "no rule matches");
    };
    let mut normalise = || {
        other.reset();
        let Ok(callback) = door.read(&call, &other) else { unreachable!("everybody may call") };
        black_box(normaliser.events(&callback, &other).len());
    };
    let [engine_ns, native_ns, normalise_ns] =
        least(effort, [&mut by_engine, &mut native, &mut normalise]);
    show(&format!("{count} rules, by hand"), engine_ns, native_ns);
    show(&format!("{count} rules, normalising the body"), engine_ns, normalise_ns);
}

fn decide(engine: &Engine, known: &Known<'_>, arena: &Bump) -> Verdict {
    let intent = Intent {
        known,
        source: "/openim/default",
        correlation: None,
        received_at_ms: 1_735_689_600_123,
        received_ns: 0,
        arena,
        given: None,
    };
    black_box(engine.decide(black_box(&intent))).verdict
}

fn set(catalogue: &Arc<Catalogue>, file: &str) -> RuleSet {
    let read_list = |name: &str| -> Result<Arc<[u8]>, String> { Err(name.to_owned()) };
    let (file, on_fault) = (file.as_bytes(), OnFault::Allow);
    let built =
        build(&Sources { file, read_list: &read_list, catalogue, on_fault, previous: None });
    built.set.unwrap_or_else(|| panic!("{:?}", built.problems))
}

/// One row: ours against something else.
pub fn show(what: &str, ours: f64, other: f64) {
    println!("{what:<34} {ours:>9.1} {other:>9.1} {:>7.2}", ours / other);
}
