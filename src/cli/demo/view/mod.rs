//! The live view: pairs of callback and event at a pace for reading, and a status line.
//!
//! In: news of the stage and the bridge's ledger. Out: lines on standard output, and [`Totals`] at
//! the end. What always holds: everything is counted, only some is shown; on a terminal the status
//! stays in the last line, elsewhere it comes every few seconds.

use super::pairs::{Chooser, Pair, Pairing};
use super::stage::{APP_ID, News};
use crate::call::{Phase, Provider};
use crate::cli::tail::envelope::Envelope;
use crate::cli::tail::line::{kind, story};
use crate::cli::terminal::{BOLD, DIM, GREEN, Line, PLAIN, RED, Screen, YELLOW, provider_style};
use crate::clock;
use crate::telemetry::Ledger;
use hdrhistogram::Histogram;
use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Between two shown pairs; a couple takes twice as long to read.
const PACE: Duration = Duration::from_millis(350);
/// Before the first pair, so that there is something to choose from.
const CURTAIN: Duration = Duration::from_millis(600);
/// Between two status lines, on a terminal and elsewhere.
const STATUS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
/// From so many columns on a pair is one line.
const WIDE: usize = 150;
/// From so many columns on the subject is shown.
const WITH_SUBJECT: usize = 130;
/// Longest latency told apart from longer ones, in µs.
const LATENCY_MAX: u64 = 60_000_000;

/// What was seen, shown or not.
#[derive(Debug)]
pub(super) struct Totals {
    /// Events read back, by kind and provider.
    pub(super) kinds: HashMap<String, [u64; 2]>,
    /// Request to answer, in µs, as the senders saw it.
    pub(super) latency: Histogram<u64>,
    /// Pairs that were shown.
    pub(super) shown: u64,
}

impl Totals {
    pub(super) fn new() -> Self {
        let latency = Histogram::new_with_bounds(1, LATENCY_MAX, 3);
        Self {
            kinds: HashMap::new(),
            latency: latency.expect("the bounds are fixed and valid"),
            shown: 0,
        }
    }

    /// Median and 99th percentile in words.
    pub(super) fn latencies(&self) -> String {
        if self.latency.is_empty() {
            return "-".to_owned();
        }
        let at =
            |quantile| duration(Duration::from_micros(self.latency.value_at_quantile(quantile)));
        format!("p50 {}  p99 {}", at(0.5), at(0.99))
    }
}

/// See the module's documentation.
pub(super) struct View {
    screen: Screen,
    ledger: Arc<Ledger>,
    pairing: Pairing,
    chooser: Chooser,
    totals: Totals,
    started: Instant,
    /// The last line of the terminal holds a status.
    status_stands: bool,
}

impl View {
    /// A view on a stage whose curtain rises now.
    pub(super) fn new(screen: Screen, ledger: Arc<Ledger>) -> Self {
        Self {
            screen,
            ledger,
            pairing: Pairing::new(format!("/tencent/{APP_ID}")),
            chooser: Chooser::default(),
            totals: Totals::new(),
            started: clock::now(),
            status_stands: false,
        }
    }

    /// Shows until there can be no more news.
    ///
    /// # Errors
    /// Nobody reads the output any more.
    pub(super) fn run(
        mut self,
        news: &Receiver<News>,
        out: &mut dyn Write,
    ) -> std::io::Result<Totals> {
        self.heading(out)?;
        let every = STATUS[usize::from(!self.screen.terminal)];
        let mut next_pair = self.started + CURTAIN;
        let mut next_status = self.started + every;
        loop {
            match news.recv_timeout(Duration::from_millis(20)) {
                Ok(news) => self.take(news),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = clock::now();
            if now >= next_pair {
                let chosen = self.chooser.choose(&mut self.pairing);
                let lines = u32::try_from(chosen.len()).expect("two at most");
                next_pair = now + PACE * lines;
                self.show(&chosen, out)?;
            }
            if now >= next_status {
                next_status = now + every;
                self.status(out)?;
            }
        }
        if self.status_stands {
            write!(out, "\r\x1b[K")?;
        }
        out.flush()?;
        Ok(self.totals)
    }

    fn take(&mut self, news: News) {
        match news {
            News::WentOut(call) => self.pairing.went_out(&call.sent()),
            News::CameBack(call, latency, outcome) => {
                let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
                self.totals.latency.saturating_record(micros);
                if outcome.is_good() {
                    self.pairing.came_back(&call.sent(), latency, clock::now());
                }
            }
            News::Read(record) => {
                let Some(event) = Envelope::read(&record) else { return };
                if let Some(provider) = Provider::from_name(event.attribute("improvider")) {
                    let (_, kind) = kind(&event);
                    self.totals.kinds.entry(kind).or_default()[provider.index()] += 1;
                }
                self.pairing.read(&record.topic, event, clock::now());
            }
        }
    }

    fn heading(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let columns = self.screen.columns();
        if columns.is_some_and(|columns| columns < WIDE) {
            return Ok(());
        }
        let mut line = Line::default();
        line.push(DIM, "  ").cell(DIM, "SERVER", 8).cell(DIM, "PHASE", 7);
        line.cell(DIM, "CALLBACK AS IT CAME", 39).cell_right(DIM, "ANSWERED", 9);
        line.push(DIM, "    ").cell(DIM, "TOPIC IN KAFKA", 30).cell(DIM, "KEY", 25);
        line.cell(DIM, "SUBJECT", 27).push(DIM, "EVENT AS IT CAME OUT");
        writeln!(out, "{}", line.render(self.screen.colour, columns))
    }

    fn show(&mut self, chosen: &[Pair], out: &mut dyn Write) -> std::io::Result<()> {
        if chosen.is_empty() {
            return Ok(());
        }
        if self.status_stands {
            write!(out, "\r\x1b[K")?;
        }
        let columns = self.screen.columns();
        for (at, pair) in chosen.iter().enumerate() {
            let gutter = match (chosen.len(), at) {
                (1, _) => "  ",
                (_, 0) => "┌ ",
                _ => "└ ",
            };
            for line in lines(pair, gutter, columns) {
                writeln!(out, "{}", line.render(self.screen.colour, columns))?;
            }
            self.totals.shown += 1;
        }
        if self.status_stands { self.status(out) } else { out.flush() }
    }

    fn status(&mut self, out: &mut dyn Write) -> std::io::Result<()> {
        let seconds = clock::now().duration_since(self.started).as_secs();
        let line = status(seconds, &self.ledger, &self.totals);
        let (colour, columns) = (self.screen.colour, self.screen.columns());
        if self.screen.terminal {
            // One column less: a full line would wrap, and then not be drawn over.
            let columns = columns.map(|columns| columns.saturating_sub(1));
            write!(out, "\r\x1b[K{}", line.render(colour, columns))?;
            self.status_stands = true;
        } else {
            writeln!(out, "{}", line.render(colour, columns))?;
        }
        out.flush()
    }
}

fn status(seconds: u64, ledger: &Ledger, totals: &Totals) -> Line {
    let now = ledger.snapshot();
    let (requests, records) = (now.requests, now.records);
    let mut line = Line::default();
    line.push(BOLD, &format!("{seconds} s"));
    line.push(PLAIN, &format!("  received {}", requests.received));
    line.push(GREEN, &format!("  accepted {}", requests.accepted));
    if requests.refused > 0 {
        line.push(RED, &format!("  refused {}", requests.refused));
    }
    line.push(PLAIN, &format!("  in Kafka {}", records.confirmed));
    line.push(PLAIN, &format!("  waiting {}", records.waiting));
    line.push(PLAIN, &format!("  answered in {}", totals.latencies()));
    line.push(DIM, &format!("  {} pairs shown", totals.shown));
    line
}

/// A pair as one line, or as two where there are not enough columns.
fn lines(pair: &Pair, gutter: &str, columns: Option<usize>) -> Vec<Line> {
    let wide = columns.is_none_or(|columns| columns >= WIDE);
    let mut line = Line::default();
    line.push(DIM, gutter);
    let provider = pair.provider.name();
    line.cell(provider_style(provider), provider, 8);
    let (style, phase) = match pair.phase {
        Some(Phase::Before) => (YELLOW, "before"),
        Some(Phase::After) => (PLAIN, "after"),
        None => (BOLD, "yours"),
    };
    line.cell(style, phase, 7).cell(BOLD, &pair.command, 39);
    let latency = pair.latency.map_or_else(String::new, duration);
    line.cell_right(DIM, &latency, 9);
    let mut first = Vec::new();
    if wide {
        line.push(DIM, " →  ");
    } else {
        first.push(std::mem::take(&mut line));
        line.push(DIM, if gutter == "┌ " { "│ " } else { "  " }).push(DIM, "  └→ ");
    }
    let (style, kind) = kind(&pair.event);
    line.cell(style, &pair.topic, if wide { 30 } else { 28 });
    let key = pair.event.attribute("partitionkey");
    line.cell(PLAIN, if key.is_empty() { "no key" } else { key }, if wide { 24 } else { 20 });
    line.push(PLAIN, " ");
    if columns.is_none_or(|columns| columns >= WITH_SUBJECT) {
        line.cell(DIM, pair.event.attribute("subject"), 26).push(PLAIN, " ");
    }
    // A topic that holds many kinds does not say which one this is.
    if !pair.topic.ends_with(pair.event.kind()) {
        line.push(style, &kind).push(PLAIN, " ");
    }
    story(&pair.event, &mut line);
    if pair.more > 0 {
        line.push(DIM, &format!(" (+{} events)", pair.more));
    }
    first.push(line);
    first
}

/// A time in three digits or so.
pub(super) fn duration(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    match millis {
        ..10.0 => format!("{millis:.2} ms"),
        10.0..1000.0 => format!("{millis:.0} ms"),
        _ => format!("{:.1} s", millis / 1000.0),
    }
}

#[cfg(test)]
mod tests;
