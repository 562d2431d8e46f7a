//! What is wrong with a rule file, in words and as JSON.
//!
//! In: problems, the name of the rule file, its bytes. Out: lines for the log, lines with an excerpt
//! for a terminal, entries for the admin port. What always holds: places in list files are told with
//! the list file's name, as the rule file writes it.

use crate::rules::problem::{Position, Problem, Severity};
use crate::rules::source::render::{self, Source};
use serde_json::Value;

/// One line about a problem.
pub(super) fn line(name: &str, problem: &Problem) -> String {
    render::headline(problem.file.as_deref().unwrap_or(name), problem)
}

/// The same, with the source line and a caret where the place is in the rule file.
pub(super) fn excerpt(name: &str, source: &[u8], problem: &Problem) -> String {
    match &problem.file {
        None => Source::new(name, &String::from_utf8_lossy(source)).render(problem),
        Some(_) => line(name, problem) + "\n",
    }
}

/// Entries of `errors` or `warnings`.
pub(super) fn entries(name: &str, problems: &[Problem], severity: Severity) -> Value {
    let of = problems.iter().filter(|problem| problem.severity == severity);
    of.map(|problem| render::json(problem.file.as_deref().unwrap_or(name), problem)).collect()
}

/// How many errors there are.
pub(super) fn errors(problems: &[Problem]) -> usize {
    problems.iter().filter(|problem| problem.severity == Severity::Error).count()
}

/// `3 errors`
pub(super) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// A mistake that concerns the whole file.
pub(super) fn of_all(message: String) -> Problem {
    let (at, severity) = (Position::START, Severity::Error);
    Problem { file: None, at, severity, rule: None, message }
}
