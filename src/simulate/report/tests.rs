//! The report adds up and reads well.

use super::*;

fn reading(outcome: Outcome, reason: Option<&str>) -> Reading {
    Reading { outcome, reason: reason.map(str::to_owned) }
}

fn recorder() -> Recorder<()> {
    let recorder = Recorder::new(Pace::PerSecond(1.0), Arc::new(()));
    let now = clock::now();
    let (before, after) = (Phase::Before, Phase::After);
    recorder.answered(
        &sent(Provider::OpenIm, "b", before),
        now,
        now,
        reading(Outcome::Denied, None),
    );
    for _ in 0..3 {
        let late = reading(Outcome::TimedOut, Some("no answer within 5 s"));
        recorder.answered(&sent(Provider::OpenIm, "a", after), now, now, late);
    }
    recorder.lost(Provider::OpenIm, "a", after, Outcome::Dropped, "no slot within 3 s");
    recorder
}

fn sent(provider: Provider, command: &str, phase: Phase) -> Sent<'_> {
    Sent { provider, command, phase, operation_id: "op" }
}

#[test]
fn every_callback_is_in_one_column() {
    let report = recorder().report(Duration::from_secs(2), Some(9));
    assert_eq!(report.issued(), 5);
    let lines: Vec<_> = report.lines.iter().map(|l| (l.phase, l.issued(), l.sent())).collect();
    assert_eq!(lines, [(Phase::Before, 1, 1), (Phase::After, 4, 3)]);
    assert_eq!(report.count(Outcome::TimedOut), 3);
    assert!(!report.is_good());
}

#[test]
fn a_rule_that_denies_is_no_failure() {
    let recorder = Recorder::new(Pace::FlatOut, Arc::new(()));
    let now = clock::now();
    let denied = reading(Outcome::Denied, None);
    recorder.answered(&sent(Provider::Tencent, "c", Phase::Before), now, now, denied);
    let report = recorder.report(Duration::from_secs(1), None);
    assert!(report.is_good());
    // Flat out, the time since an event was due says nothing.
    assert_eq!(report.lines[0].event, None);
    assert!(report.lines[0].answer.is_some());
}

#[test]
fn the_table_is_aligned_and_leaves_empty_columns_out() {
    let table = recorder().report(Duration::from_secs(2), Some(9)).table();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(
        lines[..6],
        [
            "5 callbacks in 2.0 s, 2/s",
            "4 more were due, but all senders were waiting",
            "",
            "provider  phase   sent  accepted  denied  timed out  dropped",
            "openim    before     1         0       1          0        0",
            "openim    after      3         0       0          3        1",
        ]
    );
    assert!(lines[7].starts_with("provider  phase   latency"), "{table}");
    assert!(table.contains("  3 × timed_out: no answer within 5 s (first: a)\n"), "{table}");
}

#[test]
fn json_says_the_same_in_numbers() {
    let json = recorder().report(Duration::from_secs(2), None).json();
    assert_eq!(json["good"], false);
    assert_eq!(json["issued"], 5);
    assert_eq!(json["lines"][1]["outcomes"]["dropped"], 1);
    assert_eq!(json["lines"][1]["sent"], 3);
    assert!(json["lines"][0]["answer_us"]["p99.9"].is_u64(), "{json}");
}

#[test]
fn durations_read_well() {
    assert_eq!([999, 1_500, 2_500_000].map(print::duration), ["999 µs", "1.5 ms", "2.50 s"]);
}
