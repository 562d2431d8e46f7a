//! `imbridge rules replay`: what other rules would have decided.
//!
//! In: two rule files, and recorded decisions, one event a line. Out: those that the two decide
//! differently, and how often which pair of verdicts came. What always holds: both decide from what
//! was recorded, at the time when it was; a line that is no decision is counted, not fatal.

use super::Usage;
use super::bench::Bench;
use super::report::Page;
use crate::cli::terminal::{BOLD, DIM, Line, PLAIN, Screen, YELLOW};
use crate::cli::{remark, written};
use crate::files;
use crate::rules::replay::{Changed, Outcome, Replay};
use crate::rules::set::RuleSet;
use anyhow::Context as _;
use serde_json::{Map, Value, json};
use std::io::{BufRead, Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  imbridge rules replay --old rules.yaml --new draft.yaml --records decisions.jsonl
  imbridge tail --topic im.decisions --from beginning --until-end --json \\
    | imbridge rules replay --old rules.yaml --new draft.yaml

Limits count records in the order of their lines, which with several partitions is not quite that
of their times.
Exit codes: 0 replayed, 1 a rule file is wrong, or with --fail something differs, 64 a file cannot
be read.";

/// Longest line in bytes: an event with `raw`, and some more.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Decide recorded decisions again, under two rule files
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Rule file to compare with
    #[arg(long, value_name = "FILE")]
    old: PathBuf,
    /// Rule file that is tried, in place of `IMBRIDGE_RULES`
    #[arg(long, value_name = "FILE")]
    new: Option<PathBuf>,
    /// Recorded decisions, one CloudEvent a line [default: standard input]
    #[arg(long, value_name = "FILE")]
    records: Option<PathBuf>,
    /// Exit with 1 if any is decided differently
    #[arg(long)]
    fail: bool,
    /// JSON in place of text: `{"records","skipped","changed":[{"id","command","old","new"}]}`
    #[arg(long)]
    json: bool,
}

/// Replays.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let new = args.new.clone().or_else(super::of_environment);
    let new =
        new.ok_or_else(|| Usage("no new rules: add --new, or set IMBRIDGE_RULES".to_owned()))?;
    let bench = Bench::of_environment()?;
    let (old, new) = (set(&bench, &args.old, args.json)?, set(&bench, &new, args.json)?);
    let (Ok(old), Ok(new)) = (old, new) else { return Ok(ExitCode::FAILURE) };
    let mut lines: Box<dyn BufRead> = match &args.records {
        Some(path) => Box::new(files::open_lines(path)?),
        None => Box::new(std::io::stdin().lock()),
    };
    let mut replay = Replay::new(bench.catalogue, old, new);
    let mut out = std::io::stdout().lock();
    let mut changed: Vec<Changed> = Vec::new();
    let (mut line, mut any) = (Vec::new(), false);
    let colour = Screen::stdout().colour;
    while next(&mut lines, &mut line)? {
        let Some(change) = std::str::from_utf8(&line).ok().and_then(|line| replay.record(line))
        else {
            continue;
        };
        any = true;
        if args.json {
            changed.push(change);
        } else if let done @ Err(_) = out.write_all(told(&change, colour).as_bytes()) {
            return written(done, ExitCode::SUCCESS);
        }
    }
    let text = if args.json { json(&replay, &changed) } else { sums(&replay, colour) };
    let decided = if any && args.fail { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()), decided)
}

/// The set of a file; a file that is wrong is told, both are if both are.
fn set(bench: &Bench, path: &Path, json: bool) -> anyhow::Result<Result<RuleSet, ()>> {
    let mut loaded = bench.load(path)?;
    if let Some(set) = loaded.built.set.take() {
        return Ok(Ok(set));
    }
    Page::new(path, &loaded).refuse(json)?;
    Ok(Err(()))
}

/// Reads the next line that is not empty; false at the end.
fn next(lines: &mut dyn BufRead, line: &mut Vec<u8>) -> anyhow::Result<bool> {
    loop {
        line.clear();
        let read = lines.take(LINE_BYTES_MAX).read_until(b'\n', line);
        if read.context("the records cannot be read")? == 0 {
            return Ok(false);
        }
        if line.len() as u64 == LINE_BYTES_MAX && line.last() != Some(&b'\n') {
            let what = format!("a line of the records has more than {LINE_BYTES_MAX} bytes");
            return Err(Usage(what).into());
        }
        if !line.trim_ascii().is_empty() {
            return Ok(true);
        }
    }
}

/// A record that is decided differently: which, and every field that differs.
fn told(change: &Changed, colour: bool) -> String {
    let mut head = Line::default();
    head.push(DIM, &change.recorded).push(PLAIN, "  ").push(BOLD, &change.command);
    head.push(PLAIN, "  ").push(DIM, &change.id);
    let mut text = head.render(colour, None) + "\n";
    for (field, old, new) in differences(&change.old, &change.new) {
        let mut line = Line::default();
        line.pad_to(2).cell(PLAIN, field, FIELD).push(PLAIN, "  ");
        line.push(DIM, &old).push(PLAIN, " → ").push(YELLOW, &new);
        text += &line.render(colour, None);
        text.push('\n');
    }
    text
}

/// Columns of a field's name.
const FIELD: usize = 12;

/// Fields that differ, with both values; versions always do.
fn differences<'v>(old: &'v Value, new: &'v Value) -> Vec<(&'v str, String, String)> {
    let members = |value: &'v Value| value.as_object().into_iter().flat_map(Map::iter);
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in members(old).chain(members(new)) {
        if name != "rules_version" && !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let word = |value: Option<&Value>| match value {
        None => "–".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    names.retain(|name| old.get(name) != new.get(name));
    names.into_iter().map(|name| (name, word(old.get(name)), word(new.get(name)))).collect()
}

/// How often which pair of verdicts came, and of how many records.
fn sums(replay: &Replay, colour: bool) -> String {
    let word = |(verdict, enforced): Outcome| {
        if enforced { verdict.to_owned() } else { format!("{verdict} (shadow)") }
    };
    let mut text = String::new();
    for ((old, new), count) in &replay.pairs {
        let style = if old == new { PLAIN } else { YELLOW };
        let mut line = Line::default();
        line.cell_right(style, &count.to_string(), COUNT).push(PLAIN, "  ");
        line.push(style, &format!("{} → {}", word(*old), word(*new)));
        text += &line.render(colour, None);
        text.push('\n');
    }
    let Replay { records, skipped, .. } = replay;
    if *records == 0 {
        remark("no line was a decision record: they are in the topic im.decisions");
    }
    text + &format!("{records} decided, {skipped} skipped\n")
}

/// Columns of a count.
const COUNT: usize = 8;

fn json(replay: &Replay, changed: &[Changed]) -> String {
    let entry = |change: &Changed| {
        let Changed { id, command, old, new, .. } = change;
        json!({"id": id, "command": command, "old": old, "new": new})
    };
    let changed: Vec<Value> = changed.iter().map(entry).collect();
    let all = json!({"records": replay.records, "skipped": replay.skipped, "changed": changed});
    format!("{all}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_field_by_field_and_versions_never() {
        let old = json!({"kind": "message.group.send", "verdict": "allow", "rules_version": "a"});
        let new = json!({"kind": "message.group.send", "verdict": "deny", "deny_code": 5001,
            "rules_version": "b"});
        let change = Changed {
            id: "7f".to_owned(),
            command: "callbackBeforeSendGroupMsgCommand".to_owned(),
            recorded: "2025-01-01T00:00:00.123Z".to_owned(),
            old,
            new,
        };
        let expected = "\
2025-01-01T00:00:00.123Z  callbackBeforeSendGroupMsgCommand  7f
  verdict       allow → deny
  deny_code     – → 5001
";
        assert_eq!(told(&change, false), expected);
    }

    #[test]
    fn lines_end_where_they_end_and_empty_ones_are_none() {
        let mut lines: &[u8] = b"\na\r\n \n\nb";
        let (mut line, mut all) = (Vec::new(), Vec::new());
        while next(&mut lines, &mut line).expect("memory can be read") {
            all.push(String::from_utf8(line.trim_ascii().to_vec()).expect("text"));
        }
        assert_eq!(all, ["a", "b"]);
    }
}
