//! `imbridge journal verify`: reads everything and says what is damaged.
//!
//! In: a journal. Out: the positions of records that cannot be read or are not there, and the
//! counts. The exit status is 1 when there is anything of the kind.

use super::ls::totals;
use super::place::{Dir, Place};
use super::{counted, human};
use crate::cli::terminal::{GREEN, Line, PLAIN, RED, Screen};
use crate::cli::written;
use crate::journal::Sequence;
use crate::journal::disk::scan::View;
use serde_json::{Value, json};
use std::io::Write as _;
use std::ops::RangeInclusive;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  imbridge journal verify
  imbridge journal verify --json --dir /var/lib/imbridge

JSON: segments, records, bytes, confirmed_sequence, damaged_records, damage, damaged_headers,
foreign (files of another journal). In damage, what is unreadable (its segment is there) or
missing, and confirmed says whether Kafka has all of it.

What is damaged is skipped by the bridge, counted and kept in quarantine/ when it meets it. An
unfinished record at the end is no damage: nobody was told that it is safe.
Exit code 0: all is well. 1: something is damaged or missing.";

/// Read every record and say what is damaged
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// JSON in place of text: an object of counts, with `damage`:
    /// `[{"segment","first_sequence","last_sequence","what","confirmed"}]`
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    dir: Dir,
}

/// Positions whose records are not to be had.
#[derive(Debug, PartialEq, Eq)]
struct Damage {
    /// Where; `None` for what lies between or behind segments.
    segment: Option<String>,
    range: RangeInclusive<Sequence>,
    /// `unreadable`, or `missing`.
    what: &'static str,
}

impl Damage {
    fn records(&self) -> u64 {
        self.range.end().0 - self.range.start().0 + 1
    }

    /// Whether Kafka has all of them.
    fn is_confirmed(&self, view: &View) -> bool {
        *self.range.end() <= view.confirmed
    }
}

/// Verifies.
///
/// # Errors
/// There is no journal or it cannot be read; standard output cannot be written.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let place = args.dir.look()?;
    let (view, damage) = settled(&place)?;
    let well = damage.is_empty() && view.unsealed.is_empty();
    let decided = if well { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    written(show(args.json, &view, &damage), decided)
}

fn show(as_json: bool, view: &View, damage: &[Damage]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if as_json {
        return writeln!(out, "{}", to_json(view, damage));
    }
    let colour = Screen::stdout().colour;
    lines(view, damage).iter().try_for_each(|line| writeln!(out, "{}", line.render(colour, None)))
}

/// Looks again when something seems to be missing: a running bridge may have deleted it between our
/// looks at the checkpoint and at the segments, and then the checkpoint has moved.
fn settled(place: &Place) -> anyhow::Result<(View, Vec<Damage>)> {
    let view = place.scan()?;
    let damage = damage(&view);
    if damage.iter().all(|one| one.segment.is_some()) {
        return Ok((view, damage));
    }
    let view = place.scan()?;
    let damage = self::damage(&view);
    Ok((view, damage))
}

/// The last position that the segments hold, readable or not; the confirmed one where there is no
/// segment.
pub(super) fn tail(view: &View) -> Sequence {
    let Some(last) = view.segments.last() else { return view.confirmed };
    let damaged: u64 = last.damage.iter().map(|range| range.end().0 - range.start().0 + 1).sum();
    Sequence(last.first.0 - 1 + last.records + damaged)
}

fn damage(view: &View) -> Vec<Damage> {
    let mut found = Vec::new();
    let due = view.confirmed.next();
    if let Some(first) = view.segments.first().filter(|first| first.first > due) {
        let range = due..=Sequence(first.first.0 - 1);
        found.push(Damage { segment: None, range, what: "missing" });
    }
    for segment in &view.segments {
        found.extend(segment.damage.iter().map(|range| Damage {
            segment: Some(segment.name.clone()),
            range: range.clone(),
            what: "unreadable",
        }));
    }
    let tail = tail(view);
    if view.synced > tail {
        let range = tail.next()..=view.synced;
        found.push(Damage { segment: None, range, what: "missing" });
    }
    found
}

fn to_json(view: &View, damage: &[Damage]) -> Value {
    let (records, bytes) = totals(view);
    let one = |one: &Damage| {
        json!({
            "segment": one.segment,
            "first_sequence": one.range.start().0,
            "last_sequence": one.range.end().0,
            "what": one.what,
            "confirmed": one.is_confirmed(view),
        })
    };
    json!({
        "segments": view.segments.len(),
        "records": records,
        "bytes": bytes,
        "confirmed_sequence": view.confirmed.0,
        "damaged_records": damage.iter().map(Damage::records).sum::<u64>(),
        "damage": damage.iter().map(one).collect::<Vec<_>>(),
        "damaged_headers": view.unsealed,
        "foreign": view.foreign,
    })
}

fn lines(view: &View, damage: &[Damage]) -> Vec<Line> {
    let mut lines = Vec::new();
    for one in damage {
        let (from, upto) = (one.range.start(), one.range.end());
        let which = match one.records() {
            1 => format!("record {from}"),
            records => format!("records {from} to {upto} ({records})"),
        };
        let what = match (&one.segment, one.what) {
            (Some(name), _) => format!(" of {name} cannot be read"),
            (None, _) => " not there".to_owned(),
        };
        let kafka = if one.is_confirmed(view) { "; Kafka has what stood there" } else { "" };
        let mut line = Line::default();
        line.push(RED, &which).push(PLAIN, &format!("{what}{kafka}"));
        lines.push(line);
    }
    for name in &view.unsealed {
        let mut line = Line::default();
        line.push(RED, name).push(PLAIN, " has a damaged head; it can be done without");
        lines.push(line);
    }
    for name in &view.foreign {
        let mut line = Line::default();
        line.push(RED, name).push(PLAIN, " belongs to another journal and is left alone");
        lines.push(line);
    }
    let (records, bytes) = totals(view);
    let segments = counted(view.segments.len() as u64, "segment");
    let mut last = Line::default();
    last.push(
        PLAIN,
        &format!("{segments}, {} readable, {}: ", counted(records, "record"), human(bytes)),
    );
    match damage.iter().map(Damage::records).sum() {
        0 if view.unsealed.is_empty() => last.push(GREEN, "all is well"),
        lost => last.push(RED, &format!("{} damaged or missing", counted(lost, "record"))),
    };
    lines.push(last);
    lines
}
