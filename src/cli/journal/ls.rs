//! `imbridge journal ls`: what is in the directory.
//!
//! In: a journal. Out: a row per segment, and what stands beside them; or the rows as JSON. The
//! exit status is 0, damaged or not.

use super::place::{Dir, Place};
use super::{counted, human};
use crate::cli::terminal::{BOLD, DIM, GREEN, Line, PLAIN, RED, Screen};
use crate::cli::written;
use crate::journal::disk::scan::{SegmentView, State, View};
use crate::journal::folders::{self, DEAD_LETTERS, OVERSIZE, QUARANTINE, REQUEUE};
use serde_json::json;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  imbridge journal ls --dir /var/lib/imbridge
  imbridge journal ls --json | jq 'map(.records) | add'

States: open (the last one, still written), sealed (complete), damaged (some records cannot be
read: `imbridge journal verify` says which).";

/// List the segments, and how much was put aside
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// JSON in place of text: `[{"segment","first_sequence","records","bytes","state"}]`
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    dir: Dir,
}

/// Lists.
///
/// # Errors
/// There is no journal or it cannot be read; standard output cannot be written.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (place, view) = args.dir.view()?;
    let text = if args.json {
        to_json(&view.segments)
    } else {
        table(&view, &beside(&place)?, Screen::stdout().colour)
    };
    written(std::io::stdout().write_all(text.as_bytes()), ExitCode::SUCCESS)
}

/// The word of a state.
pub(super) const fn word(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::Sealed => "sealed",
        State::Damaged => "damaged",
    }
}

fn to_json(segments: &[SegmentView]) -> String {
    let line = |segment: &SegmentView| {
        let SegmentView { name, first, records, bytes, state, .. } = segment;
        let (first, state) = (first.0, word(*state));
        json!({
            "segment": name,
            "first_sequence": first,
            "records": records,
            "bytes": bytes,
            "state": state,
        })
        .to_string()
    };
    let lines: Vec<String> = segments.iter().map(line).collect();
    if lines.is_empty() { "[]\n".to_owned() } else { format!("[\n  {}\n]\n", lines.join(",\n  ")) }
}

/// Files and bytes of the folders beside the segments, as `(what, files, bytes)`.
fn beside(place: &Place) -> std::io::Result<Vec<(&'static str, usize, u64)>> {
    let folders = [
        ("quarantine", QUARANTINE),
        ("dead letters", DEAD_LETTERS),
        ("oversize", OVERSIZE),
        ("requeue", REQUEUE),
    ];
    let sized = folders.into_iter().map(|(what, folder)| {
        let (files, bytes) = folders::size(place.storage(), folder)?;
        Ok((what, files, bytes))
    });
    sized.collect()
}

fn table(view: &View, beside: &[(&str, usize, u64)], colour: bool) -> String {
    let mut text = String::new();
    let mut add = |line: &Line| {
        writeln!(text, "{}", line.render(colour, None)).expect("writing to a String cannot fail");
    };
    let mut head = Line::default();
    head.cell(BOLD, "SEGMENT", 24);
    for title in ["FIRST", "RECORDS", "BYTES"] {
        head.cell_right(BOLD, title, 14);
    }
    add(head.push(BOLD, "  STATE"));
    for segment in &view.segments {
        let mut line = Line::default();
        line.cell(PLAIN, &segment.name, 24);
        for number in [segment.first.0, segment.records, segment.bytes] {
            line.cell_right(PLAIN, &number.to_string(), 14);
        }
        let style = match segment.state {
            State::Open => GREEN,
            State::Sealed => PLAIN,
            State::Damaged => RED,
        };
        add(line.push(PLAIN, "  ").push(style, word(segment.state)));
    }
    let (records, bytes) = totals(view);
    let segments = counted(view.segments.len() as u64, "segment");
    let records = counted(records, "record");
    add(Line::default().push(DIM, &format!("{segments}, {records}, {}", human(bytes))));
    let mut fact = |name: &str, style, value: &str| {
        add(Line::default().cell(BOLD, name, 14).push(style, value));
    };
    fact("journal", PLAIN, view.uuid.as_deref().unwrap_or("-"));
    fact("confirmed", PLAIN, &confirmed(view));
    for (what, files, bytes) in beside {
        let style = if *what == "quarantine" && *files > 0 { RED } else { PLAIN };
        fact(what, style, &format!("{}, {}", counted(*files as u64, "file"), human(*bytes)));
    }
    for name in &view.foreign {
        fact("foreign", RED, name);
    }
    text
}

/// Records that can be read, and bytes.
pub(super) fn totals(view: &View) -> (u64, u64) {
    view.segments.iter().fold((0, 0), |(records, bytes), segment| {
        (records + segment.records, bytes + segment.bytes)
    })
}

fn confirmed(view: &View) -> String {
    let waiting = super::verify::tail(view).0.saturating_sub(view.confirmed.0);
    let up_to = match view.confirmed.0 {
        0 => "nothing yet".to_owned(),
        sequence => format!("up to {sequence}"),
    };
    format!("{up_to}, {} waiting for Kafka", counted(waiting, "record"))
}
