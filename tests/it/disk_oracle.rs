//! The judge of the other `disk_…` tests is told lies, and must see through each of them.
//!
//! In: records as they might lie in Kafka after something went wrong. Out: whether it says so.

use std::panic::catch_unwind;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::kafka::Consumed;
use crate::support::load::{Message, Obligations, Outcome, Sent};
use crate::support::oracle::{Findings, judge_records};

/// The callbacks of one conversation each for two connections, sent by turns, each answered before
/// the next was sent: 0-1, 1-1, 0-2, 1-2.
fn obligations() -> Obligations {
    let sent = |index: u32| {
        let (connection, number) = (index % 2, index / 2 + 1);
        let began = 2 * u64::from(index);
        Sent {
            message: Message { connection, conversation: 0, number, asks: false, text_bytes: 10 },
            outcome: Outcome::Accepted,
            began,
            answered: began + 1,
            at: Instant::now(),
            took: Duration::ZERO,
        }
    };
    Obligations { sent: (0..4).map(sent).collect() }
}

/// The record of the callback at `index`, in the journal at `sequence`.
fn record(index: usize, sequence: u64) -> Consumed {
    let message = obligations().sent[index].message;
    let event = json!({"improvider": "openim", "data": {"raw": message.body()}});
    let journal = format!("one:{sequence}");
    Consumed {
        partition: 0,
        offset: 0,
        key: Some(format!("group:{}", message.group()).into_bytes()),
        payload: Some(event.to_string().into_bytes()),
        headers: vec![("journal".to_owned(), Some(journal.into_bytes()))],
        timestamp_ms: 1,
    }
}

fn replayed(index: usize, sequence: u64) -> Consumed {
    let mut record = record(index, sequence);
    record.headers.push(("replay".to_owned(), Some(b"1".to_vec())));
    record
}

fn judged(records: Vec<Consumed>) -> Findings {
    judge_records(|each| records.into_iter().for_each(|one| each("events", one)), &obligations())
}

fn whole() -> Vec<Consumed> {
    vec![record(0, 1), record(1, 2), record(2, 3), record(3, 4)]
}

#[test]
fn what_is_as_it_should_be_passes() {
    let findings = judged(whole());
    findings.assert_whole();
    assert_eq!((findings.records, findings.repeats, findings.last), (4, 0, 4));

    let mut again = whole();
    again.extend([replayed(1, 2), replayed(2, 3)]);
    let findings = judged(again);
    findings.assert_whole();
    assert_eq!((findings.records, findings.repeats, findings.marked), (4, 2, 0));

    let mut marked = whole();
    marked[3] = replayed(3, 4);
    assert_eq!(judged(marked).marked, 1);
}

#[test]
fn what_is_lost_is_missing() {
    let mut lost = whole();
    lost.remove(2);
    let findings = judged(lost);
    assert_eq!(findings.missing.len(), 1);
    assert_eq!(findings.missing[0].message, obligations().sent[2].message);
    assert_eq!(findings.gaps, [3]);
    assert!(catch_unwind(|| findings.assert_whole()).is_err());
    // The last one leaves no gap.
    assert_eq!(judged(whole()[..3].to_vec()).missing.len(), 1);
}

#[test]
fn every_lie_is_seen() {
    let with = |change: &dyn Fn(&mut Vec<Consumed>)| {
        let mut records = whole();
        change(&mut records);
        records
    };
    let lies: Vec<(&str, Vec<Consumed>)> = vec![
        ("an unmarked repeat", with(&|all| all.push(record(1, 2)))),
        ("a number given twice", with(&|all| all.push(replayed(3, 1)))),
        ("a callback published as two records", with(&|all| all.push(record(3, 5)))),
        ("records out of the journal's order", with(&|all| all.swap(0, 1))),
        ("a conversation out of order", vec![record(2, 1), record(0, 2)]),
        ("behind what was sent after its answer", vec![record(1, 1), record(0, 2)]),
        ("another key", with(&|all| all[0].key = Some(b"group:g9-9".to_vec()))),
        ("two journals", with(&|all| all[3].headers[0].1 = Some(b"two:4".to_vec()))),
        ("no place", with(&|all| all[3].headers.clear())),
        ("another body", {
            let mut records = whole();
            let payload = records[0].payload.take().expect("it has one");
            let text = String::from_utf8(payload).expect("it is text").replace("101", "102");
            records[0].payload = Some(text.into_bytes());
            records
        }),
    ];
    for (lie, records) in lies {
        assert!(catch_unwind(|| judged(records)).is_err(), "not seen: {lie}");
    }
}
