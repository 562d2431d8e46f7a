//! What is wrong with a rule file, counted and as JSON.
//!
//! In: problems, the name of the rule file. Out: entries for the admin port, numbers for sentences.
//! What always holds: nothing is left out.

use crate::rules::problem::{Position, Problem, Severity};
use crate::rules::source::render;
use serde_json::Value;

/// Entries of `errors` or `warnings`.
pub(super) fn entries(name: &str, problems: &[Problem], severity: Severity) -> Value {
    let of = problems.iter().filter(|problem| problem.severity == severity);
    of.map(|problem| render::json(name, problem)).collect()
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
