//! What is wrong with a rule file, for people and for programs.
//!
//! In: what was built of a file. Out: lines with places, source lines and carets on standard error, or
//! JSON as the bridge answers a reload. What always holds: the last line for people says how many
//! errors there are.

use super::counted;
use crate::app::rules::load::Loaded;
use crate::cli::terminal::{BOLD, DIM, RED, YELLOW, colour_on_stderr};
use crate::cli::written;
use crate::rules::problem::{Problem, Severity};
use crate::rules::source::render::{self, Source};
use anstyle::Style;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// A rule file with the name that messages give it.
pub(super) struct Page<'a> {
    name: String,
    text: String,
    loaded: &'a Loaded,
}

impl<'a> Page<'a> {
    /// `path` as it was given.
    pub(super) fn new(path: &Path, loaded: &'a Loaded) -> Self {
        let text = String::from_utf8_lossy(&loaded.source).into_owned();
        Self { name: path.display().to_string(), text, loaded }
    }

    /// The name of the file.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How many problems are of that severity.
    pub(super) fn count(&self, severity: Severity) -> usize {
        self.of(severity).count()
    }

    fn of(&self, severity: Severity) -> impl Iterator<Item = &Problem> {
        let problems = self.loaded.built.problems.iter();
        problems.filter(move |problem| problem.severity == severity)
    }

    /// Says all that is wrong with the file, and that the answer is no.
    pub(super) fn refuse(&self, as_json: bool) -> anyhow::Result<ExitCode> {
        if as_json {
            let (errors, warnings) =
                (self.entries(Severity::Error), self.entries(Severity::Warning));
            let answer = json!({"ok": false, "errors": errors, "warnings": warnings});
            return written(writeln!(std::io::stdout(), "{answer}"), ExitCode::FAILURE);
        }
        self.tell_problems();
        self.tell_line(&counted(self.count(Severity::Error), "error"));
        Ok(ExitCode::FAILURE)
    }

    /// Errors and warnings, on standard error.
    pub(super) fn tell_problems(&self) {
        let colour = colour_on_stderr();
        let texts = self.loaded.built.problems.iter().map(|problem| self.text(problem, colour));
        let _unheard = write!(std::io::stderr(), "{}", texts.collect::<String>()).is_err();
    }

    /// `rules.yaml: 3 errors`, on standard error.
    pub(super) fn tell_line(&self, text: &str) {
        let _unheard = writeln!(std::io::stderr(), "{}: {text}", self.name).is_err();
    }

    /// A line with the place, and for a place in the rule file the source line and a caret.
    pub(super) fn text(&self, problem: &Problem, colour: bool) -> String {
        let text = match &problem.file {
            None => Source::new(&self.name, &self.text).render(problem),
            Some(list) => format!("{}\n", render::headline(list, problem)),
        };
        if colour { coloured(&text, problem.severity) } else { text }
    }

    /// An entry of `errors` and `warnings`.
    pub(super) fn entry(&self, problem: &Problem) -> Value {
        render::json(problem.file.as_deref().unwrap_or(&self.name), problem)
    }

    /// Entries of that severity.
    pub(super) fn entries(&self, severity: Severity) -> Vec<Value> {
        self.of(severity).map(|problem| self.entry(problem)).collect()
    }
}

/// The headline stands out, the source line does not, the caret is in the colour of the severity.
fn coloured(text: &str, severity: Severity) -> String {
    let mark = if severity == Severity::Error { RED } else { YELLOW };
    let styles = [BOLD, DIM, mark];
    let paint = |(line, style): (&str, Style)| {
        format!("{}{line}{}\n", style.render(), style.render_reset())
    };
    text.lines().zip(styles).map(paint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_tell_headline_source_and_caret_apart() {
        let text = "r.yaml:1:1: no\nversion: 2\n^\n";
        let painted = coloured(text, Severity::Error);
        let lines: Vec<&str> = painted.lines().collect();
        assert_eq!(lines[0], "\u{1b}[1mr.yaml:1:1: no\u{1b}[0m");
        assert_eq!(lines[2], "\u{1b}[31m^\u{1b}[0m");
        assert_eq!(lines.len(), 3);
        assert!(coloured(text, Severity::Warning).ends_with("\u{1b}[33m^\u{1b}[0m\n"));
    }
}
