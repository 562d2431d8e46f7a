//! Counts outcomes and latencies while a run goes on, and prints them when it is over.
//!
//! In: what the senders saw. Out: a `Report`; `print` makes a table or JSON of it. Always
//! holds: `issued` of a line is the sum of its outcomes.
//!
//! Two latencies are kept: *answer*, from the request to the answer, and *event*, from the moment
//! the event was due to the answer. At a given rate the second one has the waiting that a slow
//! receiver causes (queues, late callers); flat out it would only measure the queue's length.

mod print;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde::Serialize;

use super::answer::{Reading, shorten};
use super::{Observer, Outcome, Pace, Phase, Provider, Sent};
use crate::clock;

/// How many different complaints are kept for the report.
const COMPLAINTS_MAX: usize = 6;
/// Longest latency told apart from longer ones, in µs.
const LATENCY_MAX: u64 = 120_000_000;
const LINES: [(Provider, Phase); 4] = [
    (Provider::OpenIm, Phase::Before),
    (Provider::OpenIm, Phase::After),
    (Provider::Tencent, Phase::Before),
    (Provider::Tencent, Phase::After),
];

/// Collects what the senders see.
pub(super) struct Recorder<O> {
    observer: Arc<O>,
    paced: bool,
    lines: [Mutex<Cells>; 4],
    blocked: Mutex<Histogram<u64>>,
    complaints: Mutex<Vec<Complaint>>,
}

struct Cells {
    outcomes: [u64; Outcome::ALL.len()],
    answer: Histogram<u64>,
    event: Histogram<u64>,
}

/// One way in which callbacks failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Complaint {
    /// Whose callback.
    pub provider: &'static str,
    /// The first command that met it.
    pub command: String,
    /// The outcome's word.
    pub outcome: &'static str,
    /// What was wrong.
    pub reason: String,
    /// How often this outcome had this reason, whatever the command.
    pub times: u64,
}

impl<O: Observer> Recorder<O> {
    pub(super) fn new(pace: Pace, observer: Arc<O>) -> Self {
        Self {
            observer,
            paced: pace != Pace::FlatOut,
            lines: LINES.map(|_| {
                let (answer, event) = (histogram(), histogram());
                Mutex::new(Cells { outcomes: [0; Outcome::ALL.len()], answer, event })
            }),
            blocked: Mutex::new(histogram()),
            complaints: Mutex::default(),
        }
    }

    pub(super) fn sent(&self, sent: &Sent<'_>) {
        self.observer.went_out(sent);
    }

    /// A callback that went out came to its end just now.
    pub(super) fn answered(
        &self,
        sent: &Sent<'_>,
        posted: Instant,
        due: Instant,
        reading: Reading,
    ) {
        let now = clock::now();
        let latency = now.duration_since(posted);
        {
            let mut cells = self.line(sent.provider, sent.phase).lock();
            cells.outcomes[reading.outcome as usize] += 1;
            cells.answer.saturating_record(micros(latency));
            if self.paced {
                cells.event.saturating_record(micros(now.duration_since(due)));
            }
        }
        if let Some(reason) = reading.reason {
            self.complain(sent.provider, sent.command, reading.outcome, &reason);
        }
        self.observer.came_back(sent, latency, reading.outcome);
    }

    /// A callback that never went out.
    pub(super) fn lost(
        &self,
        provider: Provider,
        command: &str,
        phase: Phase,
        outcome: Outcome,
        reason: &str,
    ) {
        self.line(provider, phase).lock().outcomes[outcome as usize] += 1;
        self.complain(provider, command, outcome, reason);
        self.observer.answered(provider, command, phase, Duration::ZERO, outcome);
    }

    /// A caller stood at a queue for this long.
    pub(super) fn blocked(&self, time: Duration) {
        // Less is the cost of a push and no waiting.
        if time >= Duration::from_millis(1) {
            self.blocked.lock().saturating_record(micros(time));
        }
    }

    pub(super) fn report(&self, elapsed: Duration, planned: Option<u64>) -> Report {
        let lines = LINES.iter().zip(&self.lines).map(|((provider, phase), cells)| {
            let cells = cells.lock();
            Line {
                provider: *provider,
                phase: *phase,
                outcomes: cells.outcomes,
                answer: Latency::of(&cells.answer),
                event: Latency::of(&cells.event),
            }
        });
        let blocked = self.blocked.lock();
        Report {
            elapsed,
            planned,
            lines: lines.filter(|line| line.issued() > 0).collect(),
            blocked: Blocked {
                times: blocked.len(),
                longest: Duration::from_micros(if blocked.is_empty() { 0 } else { blocked.max() }),
            },
            complaints: self.complaints.lock().clone(),
        }
    }

    fn line(&self, provider: Provider, phase: Phase) -> &Mutex<Cells> {
        let at = LINES.iter().position(|line| *line == (provider, phase));
        &self.lines[at.expect("every pair has a line")]
    }

    fn complain(&self, provider: Provider, command: &str, outcome: Outcome, reason: &str) {
        let reason = shorten(reason, 160);
        let (provider, outcome) = (provider.name(), outcome.name());
        let mut complaints = self.complaints.lock();
        let same = |c: &&mut Complaint| {
            (c.provider, c.outcome, c.reason.as_str()) == (provider, outcome, reason.as_str())
        };
        if let Some(known) = complaints.iter_mut().find(same) {
            known.times += 1;
        } else if complaints.len() < COMPLAINTS_MAX {
            let command = command.to_owned();
            complaints.push(Complaint { provider, command, outcome, reason, times: 1 });
        }
    }
}

/// What a run did.
#[derive(Clone, Debug)]
pub struct Report {
    /// From the first turn to the last answer.
    pub elapsed: Duration,
    /// How many callbacks the rate meant for the run; more than issued means that senders could
    /// not keep up with it. `None` when sent flat out.
    pub planned: Option<u64>,
    /// One line per provider and phase that had callbacks.
    pub lines: Vec<Line>,
    /// Callers of OpenIM that stood at a full queue.
    pub blocked: Blocked,
    /// The first few different failures.
    pub complaints: Vec<Complaint>,
}

/// What happened to the callbacks of one provider and phase.
#[derive(Clone, Debug)]
pub struct Line {
    /// Which server.
    pub provider: Provider,
    /// Before or after.
    pub phase: Phase,
    /// Request to answer.
    pub answer: Option<Latency>,
    /// Due moment to answer; with a rate only.
    pub event: Option<Latency>,
    outcomes: [u64; Outcome::ALL.len()],
}

impl Line {
    /// How many ended so.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// All callbacks, whatever became of them.
    #[must_use]
    pub fn issued(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// Those that went out on the wire.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.issued() - self.count(Outcome::Dropped) - self.count(Outcome::Abandoned)
    }
}

/// Users who had to wait because their server's queue was full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// How often, counted from 1 ms.
    pub times: u64,
    /// The longest wait.
    pub longest: Duration,
}

/// Percentiles in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Latency {
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    #[serde(rename = "p99.9")]
    pub p999: u64,
    pub max: u64,
}

impl Latency {
    fn of(histogram: &Histogram<u64>) -> Option<Self> {
        if histogram.is_empty() {
            return None;
        }
        let at = |quantile| histogram.value_at_quantile(quantile);
        let max = histogram.max();
        Some(Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max })
    }
}

impl Report {
    /// Whether all callbacks were taken, or denied by a rule.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let bad = |line: &Line| Outcome::ALL.iter().any(|o| !o.is_good() && line.count(*o) > 0);
        !self.lines.iter().any(bad)
    }

    /// How many ended so, over all lines.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.lines.iter().map(|line| line.count(outcome)).sum()
    }

    /// All callbacks of the run.
    #[must_use]
    pub fn issued(&self) -> u64 {
        self.lines.iter().map(Line::issued).sum()
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX, 3).expect("the bounds are fixed and valid")
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// An error with its causes, without the URL: that may carry a password or a signature.
pub(super) fn chain(error: &reqwest::Error) -> String {
    let mut text = "cannot reach the server".to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        write!(text, ": {error}").expect("writing to a String cannot fail");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
