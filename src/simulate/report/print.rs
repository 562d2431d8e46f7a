//! A report as people and programs read it.
//!
//! In: a `Report`. Out: an aligned table, or JSON. Always holds: both say the same numbers; the
//! table leaves out what did not happen.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{Blocked, Line, Outcome, Report, micros};

impl Report {
    /// For programs. Latencies are in microseconds.
    #[must_use]
    pub fn json(&self) -> Value {
        let line = |line: &Line| {
            let outcomes: Map<String, Value> = Outcome::ALL
                .iter()
                .map(|outcome| (outcome.name().to_owned(), line.count(*outcome).into()))
                .collect();
            json!({
                "provider": line.provider.name(),
                "phase": line.phase.name(),
                "issued": line.issued(),
                "sent": line.sent(),
                "outcomes": outcomes,
                "answer_us": line.answer,
                "event_us": line.event,
            })
        };
        json!({
            "good": self.is_good(),
            "seconds": self.elapsed.as_secs_f64(),
            "planned": self.planned,
            "issued": self.issued(),
            "lines": self.lines.iter().map(line).collect::<Vec<_>>(),
            "callers_blocked": {
                "times": self.blocked.times,
                "longest_us": micros(self.blocked.longest),
            },
            "complaints": self.complaints,
        })
    }

    /// For people: what was sent, what became of it, how long it took, what went wrong.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = String::new();
        let seconds = self.elapsed.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate for reading")]
        let rate = self.issued() as f64 / seconds.max(0.001);
        put(&mut out, format_args!("{} callbacks in {seconds:.1} s, {rate:.0}/s", self.issued()));
        if let Some(planned) = self.planned
            && planned > self.issued()
        {
            let behind = planned - self.issued();
            put(&mut out, format_args!("{behind} more were due, but all senders were waiting"));
        }
        out.push('\n');
        out.push_str(&aligned(&self.outcome_rows()));
        out.push('\n');
        out.push_str(&aligned(&self.latency_rows()));
        if self.blocked.times > 0 {
            let Blocked { times, longest } = self.blocked;
            let longest = duration(micros(longest));
            out.push('\n');
            put(
                &mut out,
                format_args!(
                    "OpenIM users waited for a slot in the queue {times} times, at most {longest}"
                ),
            );
        }
        if !self.complaints.is_empty() {
            out.push_str("\nwhat went wrong\n");
        }
        for c in &self.complaints {
            put(
                &mut out,
                format_args!("  {} × {}: {} (first: {})", c.times, c.outcome, c.reason, c.command),
            );
        }
        out
    }

    fn outcome_rows(&self) -> Vec<Vec<String>> {
        // Columns that are zero throughout would only hide the others.
        let shown: Vec<Outcome> = Outcome::ALL
            .into_iter()
            .filter(|o| *o == Outcome::Accepted || self.count(*o) > 0)
            .collect();
        let mut head = vec!["provider".to_owned(), "phase".to_owned(), "sent".to_owned()];
        head.extend(shown.iter().map(|outcome| outcome.name().replace('_', " ")));
        let mut rows = vec![head];
        for line in &self.lines {
            let mut row = vec![line.provider.name().to_owned(), line.phase.name().to_owned()];
            row.push(line.sent().to_string());
            row.extend(shown.iter().map(|outcome| line.count(*outcome).to_string()));
            rows.push(row);
        }
        rows
    }

    fn latency_rows(&self) -> Vec<Vec<String>> {
        let head = ["provider", "phase", "latency", "p50", "p90", "p99", "p99.9", "max"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for line in &self.lines {
            let kinds = [("request to answer", line.answer), ("event to answer", line.event)];
            for (name, latency) in kinds {
                let Some(l) = latency else { continue };
                let (provider, phase) = (line.provider.name(), line.phase.name());
                let mut row = vec![provider.to_owned(), phase.to_owned(), name.to_owned()];
                row.extend([l.p50, l.p90, l.p99, l.p999, l.max].map(duration));
                rows.push(row);
            }
        }
        rows
    }
}

/// Three digits or so, in the unit that reads best.
pub(super) fn duration(micros: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for reading")]
    let value = micros as f64;
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{:.1} ms", value / 1e3),
        _ => format!("{:.2} s", value / 1e6),
    }
}

/// Words to the left, numbers to the right, two spaces between.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let is_word = |column: usize| {
        let cell = rows.get(1).and_then(|row| row.get(column));
        cell.is_some_and(|cell| !cell.starts_with(|c: char| c.is_ascii_digit()))
    };
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(column, cell)| match (widths[column], is_word(column)) {
                (width, true) => format!("{cell:<width$}"),
                (width, false) => format!("{cell:>width$}"),
            })
            .collect();
        put(&mut out, format_args!("{}", cells.join("  ").trim_end()));
    }
    out
}

fn put(out: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(out, "{line}").expect("writing to a String cannot fail");
}
