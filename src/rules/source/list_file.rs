//! Files of lists: one entry per line.
//!
//! In: the bytes of a list file. Out: its entries with their places, and a problem with the file's
//! own name for each that cannot be one. What always holds: white space around an entry, empty lines
//! and lines that begin with `#` are no entries; a leading `\` protects what follows. An entry that
//! stands twice is there twice.

use super::super::problem::{Position, Problem, Problems, Severity};
use super::file::{At, ListKind};
use super::lines::{Lines, number};
use super::lists::{entries_max, mistake};
use std::sync::Arc;

/// Most mistakes of one list file that are reported each by itself: a file of the wrong kind has as
/// many as lines.
const MISTAKES_MAX: usize = 20;

/// Reads a list file. `name` is the path as written in the rule file.
pub fn parse(
    name: &Arc<str>,
    bytes: &[u8],
    kind: &ListKind,
    problems: &Problems,
) -> Vec<At<Box<str>>> {
    let report = |at: Position, message: String| {
        let file = Some(Arc::clone(name));
        problems.add(Problem { file, at, severity: Severity::Error, rule: None, message });
    };
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = str::from_utf8(&bytes[..error.valid_up_to()]).expect("checked as UTF-8");
            let valid = valid.strip_prefix('\u{feff}').unwrap_or(valid);
            let at = Lines::new(valid).position(valid.len());
            report(at, "the list is not UTF-8 from here on".to_owned());
            return Vec::new();
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let most = entries_max(kind);
    let mut entries = Vec::new();
    let mut mistakes = 0;
    for entry in Lines::new(text).iter().filter_map(|(line, text)| entry(line, text)) {
        if let Some(message) = mistake(entry.value, Some(kind)) {
            mistakes += 1;
            if mistakes <= MISTAKES_MAX {
                report(entry.at, message);
            } else if mistakes == MISTAKES_MAX + 1 {
                report(entry.at, "too many mistakes; those from here on are not shown".to_owned());
            }
        } else if entries.len() == most {
            report(entry.at, format!("the list has more entries than {most}, which is the limit"));
            break;
        } else {
            entries.push(At { value: entry.value.into(), at: entry.at });
        }
    }
    entries
}

/// What a line says, without what protects it.
fn entry(line: u32, text: &str) -> Option<At<&str>> {
    let begun = text.trim_start();
    let column = text[..text.len() - begun.len()].chars().count() + 1;
    let written = begun.trim_end();
    if written.is_empty() || written.starts_with('#') {
        return None;
    }
    let (value, column) = match written.strip_prefix('\\') {
        Some(rest) => (rest, column + 1),
        None => (written, column),
    };
    Some(At { value, at: Position { line, column: number(column) } })
}
