//! The fuzz targets of `fuzz/`, run on stable for a while: random bytes, and seeds that are bent.
//!
//! In: seeds from the fixtures. Out: whatever a target asserts. `FUZZ_CASES=n` gives each target
//! n times as many cases as usual.

#[allow(unreachable_pub, reason = "a package of its own shows these")]
#[path = "../../fuzz/src/lib.rs"]
mod targets;

use crate::support::bridge::catalogue;
use crate::support::routes::fixture;
use imbridge::call::Provider;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

/// How many cases a target gets as a rule.
const CASES: u32 = 300;

/// What bends put in: pieces that mean something in JSON.
const SYNTAX: &[&[u8]] =
    &[b"{", b"}", b"[", b"]", b"\"", b"\\", b"\\u", b"\xff", b",", b":", b"1e999", b"\0"];

/// A change of some bytes.
#[derive(Debug, Clone)]
enum Bend {
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, u8),
    /// Copies a stretch to another place: members and elements that are repeated.
    Repeat(Index, Index, u8),
    Cut(Index),
}

fn bend() -> impl Strategy<Value = Bend> {
    let syntax = proptest::sample::select(SYNTAX);
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, with)| Bend::Flip(at, with)),
        (any::<Index>(), syntax).prop_map(|(at, what)| Bend::Insert(at, what.to_vec())),
        (any::<Index>(), vec(any::<u8>(), 1..8)).prop_map(|(at, what)| Bend::Insert(at, what)),
        (any::<Index>(), 1_u8..40).prop_map(|(at, length)| Bend::Remove(at, length)),
        (any::<Index>(), any::<Index>(), 1_u8..80)
            .prop_map(|(from, to, length)| Bend::Repeat(from, to, length)),
        any::<Index>().prop_map(Bend::Cut),
    ]
}

fn bent(mut bytes: Vec<u8>, bends: &[Bend]) -> Vec<u8> {
    for bend in bends {
        if bytes.is_empty() {
            break;
        }
        let place = |at: &Index| at.index(bytes.len());
        match bend {
            Bend::Flip(at, with) => {
                let at = place(at);
                bytes[at] ^= *with;
            }
            Bend::Insert(at, what) => {
                let at = place(at);
                bytes.splice(at..at, what.iter().copied());
            }
            Bend::Remove(at, length) => {
                let at = place(at);
                let end = bytes.len().min(at + usize::from(*length));
                bytes.drain(at..end);
            }
            Bend::Repeat(from, to, length) => {
                let (from, to) = (place(from), place(to));
                let end = bytes.len().min(from + usize::from(*length));
                let copy = bytes[from..end].to_vec();
                bytes.splice(to..to, copy);
            }
            Bend::Cut(at) => bytes.truncate(place(at)),
        }
    }
    bytes
}

/// Runs a target over random bytes and over bent seeds; a failure prints the bytes, made small.
fn run(target: fn(&[u8]), seeds: Vec<Vec<u8>>, usual: u32) {
    let cases = std::env::var("FUZZ_CASES").ok().and_then(|text| text.parse().ok());
    let config = Config {
        cases: cases.map_or(usual, |factor: u32| usual * factor),
        failure_persistence: None,
        ..Config::default()
    };
    for seed in &seeds {
        target(seed);
    }
    let bytes = prop_oneof![
        1 => vec(any::<u8>(), 0..600),
        9 => (proptest::sample::select(seeds), vec(bend(), 1..6))
            .prop_map(|(seed, bends)| bent(seed, &bends)),
    ];
    let ran = TestRunner::new(config).run(&bytes, |bytes| {
        target(&bytes);
        Ok(())
    });
    ran.expect("the target takes any bytes");
}

/// The worked example of every command of a provider, head line first.
fn examples(provider: Provider) -> Vec<Vec<u8>> {
    let rows = catalogue();
    let rows = rows.rows.iter().filter(|plan| plan.provider == provider);
    rows.map(|plan| {
        let request = fixture(provider, &plan.command);
        let mut bytes = format!("{}?{}\n", request.path, request.query).into_bytes();
        bytes.extend(request.body);
        bytes
    })
    .collect()
}

#[test]
fn openim_callbacks_of_any_bytes_give_legal_records_and_answers() {
    run(targets::openim, examples(Provider::OpenIm), CASES);
}

#[test]
fn tencent_callbacks_of_any_bytes_give_legal_records_and_answers() {
    run(targets::tencent, examples(Provider::Tencent), CASES);
}

/// Each case opens a journal twice, with its threads and files.
const JOURNAL_CASES: u32 = 60;

#[test]
fn a_journal_opens_whatever_its_segment_holds() {
    let [segment, ..] = targets::journal::seeds();
    run(targets::journal::segment, vec![segment], JOURNAL_CASES);
}

#[test]
fn a_journal_opens_whatever_its_checkpoint_holds() {
    let [_, checkpoint, _] = targets::journal::seeds();
    run(targets::journal::checkpoint, vec![checkpoint], JOURNAL_CASES);
}

#[test]
fn a_journal_opens_whatever_its_files_hold() {
    let [.., both] = targets::journal::seeds();
    run(targets::journal::journal, vec![both], JOURNAL_CASES);
}

#[test]
fn a_target_that_fails_fails_its_test() {
    let broken = |bytes: &[u8]| assert!(!bytes.contains(&b'\\'), "a backslash");
    let failed = std::panic::catch_unwind(|| run(broken, vec![b"\"harmless\"".to_vec()], CASES));
    assert!(failed.is_err(), "the bends bring a backslash sooner or later");
}
