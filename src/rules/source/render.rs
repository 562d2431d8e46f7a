//! Problems as people and programs read them.
//!
//! In: problems, and the text of the file they are in. Out: lines for a terminal, or a JSON object.
//! What always holds: one line per message; no control character of the file reaches the terminal;
//! the caret stands below the character that is meant, tabs and wide characters included.

use super::super::problem::{Position, Problem, Severity};
use super::lines::Lines;
use std::fmt::Write;
use unicode_width::UnicodeWidthChar;

/// Widest part of a source line that is shown.
const WIDTH_MAX: usize = 120;
/// How much of it stands before the place that is meant, at most.
const BEFORE_MAX: usize = 60;
/// Stands where a line was cut.
const CUT: char = '…';

/// A file that problems point into.
#[derive(Debug)]
pub struct Source<'a> {
    name: &'a str,
    lines: Lines<'a>,
}

impl<'a> Source<'a> {
    /// `name` stands in front of every message. What is not UTF-8 in a file is best replaced before.
    #[must_use]
    pub fn new(name: &'a str, text: &'a str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { name, lines: Lines::new(text) }
    }

    /// The line of a problem, then the line it is about and one with a caret where there is such
    /// a line; each ends with a line feed.
    #[must_use]
    pub fn render(&self, problem: &Problem) -> String {
        let mut out = headline(self.name, problem);
        out.push('\n');
        if let Some(line) = self.lines.get(problem.at.line) {
            excerpt(line, problem.at, &mut out);
        }
        out
    }
}

/// `rules.yaml:31:12: rule flood: …`, `rules.yaml:9:3: warning: rule x: …`; without its line's end.
#[must_use]
pub fn headline(file: &str, problem: &Problem) -> String {
    let Position { line, column } = problem.at;
    let mut out = format!("{file}:{line}:{column}: ");
    if problem.severity == Severity::Warning {
        out.push_str("warning: ");
    }
    if let Some(rule) = &problem.rule {
        write!(out, "rule {rule}: ").expect("strings take everything");
    }
    out.push_str(&problem.message);
    harmless(&out)
}

/// `{"file", "line", "column", "rule", "message"}`; `file` is the name of the file the problem is in.
#[must_use]
pub fn json(file: &str, problem: &Problem) -> serde_json::Value {
    serde_json::json!({
        "file": file,
        "line": problem.at.line,
        "column": problem.at.column,
        "rule": problem.rule.as_deref(),
        "message": problem.message,
    })
}

/// Control characters, which a terminal would obey, replaced.
fn harmless(text: &str) -> String {
    text.chars()
        .map(|char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char })
        .collect()
}

/// The source line and the caret line, cut around the place where the line is long.
fn excerpt(line: &str, at: Position, out: &mut String) {
    let column = usize::try_from(at.column).unwrap_or(usize::MAX);
    let place = line.char_indices().nth(column - 1).map_or(line.len(), |(offset, _)| offset);
    let (before, behind) = line.split_at(place);
    let whole = width(line) <= WIDTH_MAX;
    let before = if whole { before } else { last(before, BEFORE_MAX) };
    let shown = first(behind, WIDTH_MAX.saturating_sub(width(before)));
    let mut caret = String::new();
    if before.len() < place {
        out.push(CUT);
        caret.push(' ');
    }
    for char in before.chars() {
        if char == '\t' {
            caret.push('\t');
        } else {
            caret.extend(std::iter::repeat_n(' ', columns(char)));
        }
    }
    for char in before.chars().chain(shown.chars()) {
        let control = char.is_control() && char != '\t';
        out.push(if control { char::REPLACEMENT_CHARACTER } else { char });
    }
    if shown.len() < behind.len() {
        out.push(CUT);
    }
    out.push('\n');
    out.push_str(&caret);
    out.push_str("^\n");
}

/// Columns of a terminal that a character takes; a tab counts as one.
fn columns(char: char) -> usize {
    if char.is_control() { 1 } else { char.width().unwrap_or_default() }
}

fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// The last part that fits.
fn last(text: &str, width: usize) -> &str {
    let mut used = 0;
    for (offset, char) in text.char_indices().rev() {
        used += columns(char);
        if used > width {
            return &text[offset + char.len_utf8()..];
        }
    }
    text
}

/// The first part that fits.
fn first(text: &str, width: usize) -> &str {
    let mut used = 0;
    for (offset, char) in text.char_indices() {
        used += columns(char);
        if used > width {
            return &text[..offset];
        }
    }
    text
}
