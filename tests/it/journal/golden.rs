//! Journals of every format that was ever written open for ever.
//!
//! In: `tests/fixtures/journal/version-<n>.hex`, each the files of a small journal as the program
//! wrote them when that version of the format was new; none is ever written again. Out: identity,
//! positions, times and every byte of the records are what was appended then; and the log goes on
//! behind them.

use super::oracle::{append_fresh, walk};
use super::{PATIENCE, open, tiny};
use imbridge::journal::disk::scan::{Entry, State, scan};
use imbridge::journal::storage::sim::{Disk, SimStorage};
use imbridge::journal::{Level, Log, Sequence};
use imbridge::record::Record;
use std::sync::Arc;

/// The journal of a fixture: `file <name>` begins a file, then come hexadecimal digits, and
/// `zeroes <n>` for so many zero bytes.
fn journal(text: &str) -> Disk {
    let mut files: Vec<(&str, Vec<u8>)> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("file ") {
            files.push((name, Vec::new()));
            continue;
        }
        let content = &mut files.last_mut().expect("a file begins with its name").1;
        if let Some(zeroes) = line.strip_prefix("zeroes ") {
            content.resize(content.len() + zeroes.parse::<usize>().expect("a number"), 0);
        } else {
            let pairs = line.as_bytes().chunks(2);
            let byte = |pair| {
                let digits = std::str::from_utf8(pair).expect("ASCII");
                u8::from_str_radix(digits, 16).expect("two digits")
            };
            content.extend(pairs.map(byte));
        }
    }
    let borrowed: Vec<_> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    Disk::with(&borrowed)
}

const VERSION_1: &str = include_str!("../../fixtures/journal/version-1.hex");
const UUID_1: &str = "b4801428-0939-455d-8244-7bdbfc4e962d";
/// When its records were appended.
const TIMES_1: [i64; 5] =
    [1_795_284_924_874, 1_795_284_924_885, 1_795_284_924_892, 1_795_284_924_899, 1_795_284_924_907];

/// What was appended to it: event id, topic, key, headers, value.
type Line<'a> = (&'a str, &'a str, Option<&'a [u8]>, &'a [(&'a str, &'a [u8])], &'a [u8]);

const RECORDS: [Line<'_>; 5] = [
    ("00000000000000000000000000000001", "im.message.sent", Some(b"c1"), &[], b"{\"n\":1}"),
    ("00000000000000000000000000000002", "im.message.sent", Some(b"c2"), &[], b"{\"n\":2}"),
    (
        "00000000000000000000000000000003",
        "im.group.dismissed",
        None,
        &[("content-type", b"application/cloudevents+json"), ("x", b"")],
        b"{\"n\":3,\"text\":\"\xe4\xb8\xad\"}",
    ),
    ("00000000000000000000000000000004", "im.unknown", Some(b""), &[], b""),
    ("00000000000000000000000000000005", "im.decisions", Some(b"c1"), &[], b"{\"n\":5}"),
];

/// Whether it is that one of [`RECORDS`].
fn assert_is(record: &Record<'_>, at: usize) {
    let line = &RECORDS[at];
    assert_eq!(record.timestamp_ms, 1_700_000_000_000 + i64::try_from(at).expect("small"));
    let headers: Vec<_> = record.headers().collect();
    let found: Line<'_> = (record.id, record.topic, record.key, &headers, record.value);
    assert_eq!(&found, line);
}

#[test]
fn a_journal_of_version_1_opens_and_goes_on() {
    for level in [Level::Os, Level::Fsync, Level::Kafka] {
        let storage = Arc::new(SimStorage::new(journal(VERSION_1)));
        let log = open(&storage, &tiny(level, 400)).expect("it opens");
        assert_eq!(log.uuid(), UUID_1);
        assert_eq!((log.replay_upto(), log.usage().confirmed), (Sequence(5), Sequence(1)));
        let recovered = log.recovered();
        assert_eq!((recovered.unconfirmed, recovered.damaged, recovered.cut_bytes), (4, 0, 0));
        let found = walk(&log).expect("it can be read");
        assert_eq!(found.records.keys().copied().collect::<Vec<_>>(), [2, 3, 4, 5]);
        for (bytes, at) in found.records.values().zip(1..) {
            assert_is(&Record::decode(bytes).expect("a record").0, at);
        }
        assert_eq!(append_fresh(&log, 0).expect("it takes more").0, 6);
        assert_eq!(log.close(PATIENCE), 0);
    }
}

#[test]
fn the_tools_read_a_journal_of_version_1() {
    let storage = SimStorage::new(journal(VERSION_1));
    let view = scan(&storage).expect("it can be read");
    assert_eq!(view.uuid.as_deref(), Some(UUID_1));
    assert_eq!((view.confirmed, view.synced), (Sequence(1), Sequence(5)));
    let segments: Vec<_> = view
        .segments
        .iter()
        .map(|segment| (segment.first, segment.records, segment.state))
        .collect();
    assert_eq!(segments, [(Sequence(1), 3, State::Sealed), (Sequence(4), 2, State::Open)]);
    let mut seen = 0;
    let mut times = Vec::new();
    view.each(&storage, Sequence::FIRST, &mut |entry| {
        let Entry::Record { sequence, appended_ms, bytes } = entry else {
            panic!("nothing is damaged: {entry:?}");
        };
        seen += 1;
        assert_eq!(sequence, Sequence(seen));
        let at = usize::try_from(seen).expect("small") - 1;
        assert_is(&Record::decode(bytes).expect("a record").0, at);
        times.push(appended_ms);
        true
    })
    .expect("it can be read");
    assert_eq!(times, TIMES_1);
}
