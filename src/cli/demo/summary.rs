//! What the demo says before it starts and after it ended.
//!
//! In: addresses; counts. Out: lines. What always holds: whether anything was lost is read off the
//! ledger, whose sums are shown.

use super::view::Totals;
use crate::cli::terminal::{BOLD, DIM, GREEN, Line, PLAIN, RED, Screen, provider_style};
use crate::simulate::{Outcome, Report};
use crate::telemetry::ledger::LedgerSnapshot;
use std::net::SocketAddr;

/// So many kinds are listed.
const KINDS_MAX: usize = 8;
/// Columns of the names in front.
const NAME: usize = 12;

/// Where to look.
pub(super) struct Place<'a> {
    /// The callback port.
    pub(super) callbacks: SocketAddr,
    /// The admin port.
    pub(super) admin: SocketAddr,
    /// The in-process Kafka.
    pub(super) bootstrap: &'a str,
    /// How many topics it has.
    pub(super) topics: usize,
    /// Whether they are those of the starter set, and how many.
    pub(super) rules: (bool, usize),
}

/// Callback that somebody may try: it becomes `im.group.dismissed`.
const CURL_BODY: &str =
    r#"{"callbackCommand":"callbackAfterDismissGroupCommand","groupID":"my-group","ownerID":"me"}"#;

fn named(name: &str, text: &str) -> Line {
    let mut line = Line::default();
    line.push(PLAIN, "  ").cell(DIM, name, NAME).push(PLAIN, text);
    line
}

/// The header.
pub(super) fn header(place: &Place<'_>, ignored: &[String]) -> Vec<Line> {
    let Place { callbacks, admin, bootstrap, topics, rules: (starter, rules) } = place;
    let mut title = Line::default();
    title.push(BOLD, &format!("imbridge {}", crate::VERSION));
    title.push(PLAIN, "  callbacks of ").push(provider_style("openim"), "OpenIM");
    title.push(PLAIN, " and ").push(provider_style("tencent"), "Tencent Cloud Chat");
    title.push(PLAIN, " in, normalised events on Kafka out; all in this process");
    let mut lines = vec![title, Line::default()];
    lines.push(named(
        "callbacks",
        &format!("http://{callbacks}/openim  http://{callbacks}/tencent"),
    ));
    lines.push(named("operators", &format!("http://{admin}/status  http://{admin}/metrics")));
    let kafka = format!("{bootstrap}  {topics} topics (a mock: Java clients cannot read it)");
    lines.push(named("Kafka", &kafka));
    let whose = if *starter { "of deploy/rules/rules.yaml, enforced" } else { "of IMBRIDGE_RULES" };
    lines.push(named("rules", &format!("{rules} {whose}  http://{admin}/rules")));
    lines.push(named("read it", &format!("imbridge tail --brokers {bootstrap}")));
    lines.push(named("try it", &format!("curl -sS http://{callbacks}/openim -d '{CURL_BODY}'")));
    if !ignored.is_empty() {
        lines.push(named("ignored", &format!("{}: the demo has its own", ignored.join(", "))));
    }
    lines.push(Line::default());
    let mut hint = Line::default();
    hint.push(
        DIM,
        "Commands of one meaning go to one topic, whichever server they come from (┌ └).",
    );
    hint.push(DIM, " before: it asks and waits, after: it tells. Ctrl-C ends.");
    lines.push(hint);
    lines
}

/// Everything that is known at the end.
pub(super) struct End<'a> {
    /// The bridge's ledger.
    pub(super) ledger: LedgerSnapshot,
    /// What the senders saw.
    pub(super) report: &'a Report,
    /// What the view saw.
    pub(super) totals: &'a Totals,
    /// Events that were read back.
    pub(super) read: u64,
}

/// Callbacks that were never taken, and records that never came to Kafka.
pub(super) fn lost(ledger: &LedgerSnapshot, report: &Report) -> u64 {
    let records = ledger.records;
    let bad = Outcome::ALL.into_iter().filter(|outcome| !outcome.is_good());
    let untaken: u64 = bad.map(|outcome| report.count(outcome)).sum();
    untaken + records.lost + records.dead_lettered + records.damaged + records.waiting
}

impl End<'_> {
    /// The summary.
    pub(super) fn lines(&self) -> Vec<Line> {
        let (requests, records) = (self.ledger.requests, self.ledger.records);
        let seconds = self.report.elapsed.as_secs_f64();
        let mut title = Line::default();
        title.push(BOLD, &format!("After {seconds:.1} s"));
        let mut lines = vec![Line::default(), title];
        lines.push(named(
            "callbacks",
            &format!(
                "received {} = accepted {} + refused {} + in flight {}",
                requests.received, requests.accepted, requests.refused, requests.in_flight
            ),
        ));
        lines.push(named(
            "records",
            &format!(
                "appended {} = in Kafka {} + dead-lettered {} + lost {} + waiting {}; {} read back",
                records.appended,
                records.confirmed,
                records.dead_lettered,
                records.lost,
                records.waiting,
                self.read
            ),
        ));
        lines.push(named("answered in", &self.totals.latencies()));
        lines.extend(self.kinds());
        let mut verdict = Line::default();
        verdict.push(PLAIN, "  ");
        match lost(&self.ledger, self.report) {
            0 => verdict.push(GREEN, "nothing lost"),
            lost => verdict.push(RED, &format!("{lost} lost")),
        };
        lines.push(verdict);
        let complaints = self.report.complaints.iter();
        lines.extend(complaints.map(|complaint| {
            let text = format!(
                "{} × {} {}: {}",
                complaint.times, complaint.command, complaint.outcome, complaint.reason
            );
            named("", &text)
        }));
        lines
    }

    /// The most frequent kinds, with how many came from each server.
    fn kinds(&self) -> Vec<Line> {
        let mut kinds: Vec<(&String, &[u64; 2])> = self.totals.kinds.iter().collect();
        kinds.sort_by_key(|(name, [a, b])| (std::cmp::Reverse(a + b), *name));
        let more = kinds.len().saturating_sub(KINDS_MAX);
        let mut lines: Vec<Line> = kinds
            .iter()
            .take(KINDS_MAX)
            .enumerate()
            .map(|(at, (name, [openim, tencent]))| {
                let mut line = Line::default();
                line.push(PLAIN, "  ").cell(DIM, if at == 0 { "kinds" } else { "" }, NAME);
                line.cell_right(BOLD, &(openim + tencent).to_string(), 6).push(PLAIN, "  ");
                line.cell(PLAIN, name, 30);
                line.push(provider_style("openim"), &format!("openim {openim}")).push(PLAIN, "  ");
                line.push(provider_style("tencent"), &format!("tencent {tencent}"));
                line
            })
            .collect();
        if more > 0 {
            lines.push(named("", &format!("        and {more} kinds more")));
        }
        lines
    }
}

/// Lines as text.
pub(super) fn text(lines: &[Line], screen: Screen) -> String {
    // Whole even on a narrow terminal: addresses are there to be copied.
    lines.iter().map(|line| line.render(screen.colour, None) + "\n").collect()
}
