//! `imbridge journal cat`: records as they are on their way to Kafka.
//!
//! In: a journal. Out: a line per record, for people or as JSON. The exit status is 1 when some of
//! them cannot be read.

use super::place::Dir;
use super::records::{Stored, each};
use crate::cli::terminal::{BOLD, DIM, Line, PLAIN, Screen, YELLOW};
use crate::journal::Sequence;
use crate::json::{Json, push_text};
use crate::normalise::time::push_rfc3339;
use bumpalo::Bump;
use std::io::Write as _;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  imbridge journal cat --limit 10
  imbridge journal cat --from 120034 --limit 1 --json | jq .value

A line: position, receive time (UTC), topic, key, event id.
A JSON line: sequence (position), time (receive time, Kafka's timestamp), appended_at (when it
came into the journal), confirmed (whether Kafka has it), topic, key, id (of the event), headers
(journal and replay are added on the way), value (as it goes to Kafka).
Exit code 1: some of them cannot be read; a line on standard error says which.";

/// Show records, one a line
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Begin at this position; without it at the first one that is there, in Kafka or not
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
    /// Show no more than so many
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// JSON, an object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    dir: Dir,
}

/// Shows.
///
/// # Errors
/// There is no journal or it cannot be read; standard output cannot be written.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (place, view) = args.dir.view()?;
    let from = Sequence(args.from.unwrap_or_default());
    let limit = args.limit.unwrap_or(u64::MAX);
    let screen = Screen::stdout();
    each(&place, &view, from, limit, &mut |out, stored| {
        if args.json {
            out.write_all(&to_json(stored, stored.sequence <= view.confirmed))
        } else {
            writeln!(out, "{}", line(stored).render(screen.colour, screen.columns()))
        }
    })
}

fn line(stored: &Stored<'_>) -> Line {
    let Stored { sequence, record, .. } = stored;
    let key = record.key.map_or("-".into(), String::from_utf8_lossy);
    let mut line = Line::default();
    line.cell_right(BOLD, &sequence.to_string(), 12)
        .push(PLAIN, "  ")
        .push(DIM, &time(record.timestamp_ms))
        .push(PLAIN, "  ")
        .cell(PLAIN, record.topic, 30)
        .push(PLAIN, "  ")
        .cell(DIM, &key, 26)
        .push(PLAIN, "  ")
        .push(PLAIN, record.id);
    if record.is_replay() {
        line.push(YELLOW, "  replay");
    }
    line
}

fn time(ms: i64) -> String {
    let mut text = Vec::new();
    push_rfc3339(ms, &mut text);
    String::from_utf8(text).expect("digits")
}

/// A line of JSON, with its end.
fn to_json(stored: &Stored<'_>, confirmed: bool) -> Vec<u8> {
    let record = &stored.record;
    let mut out = Vec::with_capacity(record.value.len() + 400);
    write!(out, "{{\"sequence\":{},\"time\":\"", stored.sequence).expect("a Vec takes all");
    push_rfc3339(record.timestamp_ms, &mut out);
    out.extend_from_slice(b"\",\"appended_at\":\"");
    push_rfc3339(stored.appended_ms, &mut out);
    write!(out, "\",\"confirmed\":{confirmed},\"topic\":").expect("a Vec takes all");
    push_text(record.topic, &mut out);
    out.extend_from_slice(b",\"key\":");
    match record.key {
        Some(key) => push_text(&String::from_utf8_lossy(key), &mut out),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"id\":");
    push_text(record.id, &mut out);
    out.extend_from_slice(b",\"headers\":{");
    for (place, (name, value)) in record.headers().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        push_text(name, &mut out);
        out.push(b':');
        push_text(&String::from_utf8_lossy(value), &mut out);
    }
    out.extend_from_slice(b"},\"value\":");
    push_value(record.value, &mut out);
    out.extend_from_slice(b"}\n");
    out
}

/// A value as it is, or as a text should it be no JSON.
fn push_value(value: &[u8], out: &mut Vec<u8>) {
    let arena = Bump::new();
    let text = String::from_utf8_lossy(value);
    if Json::read_event(&text, &arena).is_ok() && !text.contains(['\n', '\r']) {
        out.extend_from_slice(text.as_bytes());
    } else {
        push_text(&text, out);
    }
}
