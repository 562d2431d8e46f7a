//! The view without a stage: news in, lines out.

use super::super::stage::Call;
use super::*;
use crate::cli::tail::envelope::tests::record;
use crate::simulate::{Outcome, Sent};
use std::sync::mpsc::sync_channel;

const SCREEN: Screen = Screen { colour: false, terminal: false };

fn call(provider: Provider, command: &str, operation_id: &str) -> Call {
    Call::of(&Sent { provider, command, phase: Phase::After, operation_id })
}

fn read(provider: &str, command: &str, id: &str) -> News {
    let text = format!(
        r#"{{"specversion":"1.0","type":"im.group.dismissed","subject":"group/g1","partitionkey":"group:g1","improvider":"{provider}","imcommand":"{command}","correlationid":"{id}","data":{{"owner_id":"alice"}}}}"#
    );
    let mut record = record(&text, &[]);
    record.topic = "im.group.dismissed".to_owned();
    News::Read(Box::new(record))
}

fn played(news: Vec<News>) -> (View, Vec<Pair>) {
    let mut view = View::new(SCREEN, Arc::new(Ledger::default()));
    for news in news {
        view.take(news);
    }
    let chosen = view.chooser.choose(&mut view.pairing);
    (view, chosen)
}

fn couple() -> Vec<News> {
    let (a, b) = (call(Provider::OpenIm, "callbackA", "1"), call(Provider::Tencent, "T.B", "1"));
    let took = Duration::from_micros(420);
    vec![
        News::WentOut(a.clone()),
        News::WentOut(b.clone()),
        News::CameBack(a, took, Outcome::Accepted),
        News::CameBack(b, took, Outcome::Accepted),
        read("openim", "callbackA", "1"),
        read("tencent", "T.B", "1"),
    ]
}

fn drawn(columns: Option<usize>) -> Vec<String> {
    let (_, chosen) = played(couple());
    let text = |line: &Line| line.render(false, columns);
    chosen
        .iter()
        .zip(["┌ ", "└ "])
        .flat_map(|(pair, gutter)| {
            lines(pair, gutter, columns).iter().map(text).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn both_servers_that_mean_the_same_stand_together_with_one_topic() {
    assert_eq!(
        drawn(None),
        [
            "┌ openim  after  callbackA                                0.42 ms →  \
             im.group.dismissed            group:g1                 group/g1                   alice",
            "└ tencent after  T.B                                      0.42 ms →  \
             im.group.dismissed            group:g1                 group/g1                   alice",
        ]
    );
}

#[test]
fn a_narrow_terminal_has_two_lines_for_a_pair_and_none_too_long() {
    let lines = drawn(Some(80));
    assert_eq!(
        lines,
        [
            "┌ openim  after  callbackA                                0.42 ms",
            "│   └→ im.group.dismissed          group:g1             alice",
            "└ tencent after  T.B                                      0.42 ms",
            "    └→ im.group.dismissed          group:g1             alice",
        ]
    );
    for columns in [1, 20, 149, 150] {
        let too_long = |line: &String| crate::cli::terminal::width(line) > columns;
        assert!(!drawn(Some(columns)).iter().any(too_long), "{columns}");
    }
}

#[test]
fn everything_is_counted_and_a_refused_callback_makes_no_pair() {
    let mut news = couple();
    let refused = call(Provider::OpenIm, "callbackA", "2");
    news.push(News::WentOut(refused.clone()));
    news.push(News::CameBack(refused, Duration::from_millis(5), Outcome::Refused));
    let (view, _) = played(news);
    assert_eq!(view.totals.kinds["group.dismissed"], [1, 1]);
    assert_eq!(view.totals.latency.len(), 3);
    assert_eq!(view.totals.latencies(), "p50 0.42 ms  p99 5.00 ms");
}

#[test]
fn the_view_ends_when_there_can_be_no_more_news() {
    let (sender, news) = sync_channel(10);
    for one in couple() {
        sender.send(one).unwrap();
    }
    drop(sender);
    let mut out = Vec::new();
    let view = View::new(SCREEN, Arc::new(Ledger::default()));
    let totals = view.run(&news, &mut out).unwrap();
    assert_eq!(totals.kinds.len(), 1);
    assert!(String::from_utf8(out).unwrap().contains("CALLBACK AS IT CAME"));
}

#[test]
fn times_are_short() {
    let told = |micros| duration(Duration::from_micros(micros));
    assert_eq!(
        (told(4), told(1_234), told(56_789)),
        ("0.00 ms".into(), "1.23 ms".into(), "57 ms".into())
    );
    assert_eq!(told(2_345_678), "2.3 s");
}
