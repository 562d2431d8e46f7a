//! Mistakes and warnings of a rule file, each with the place it points at.
//!
//! In: what the reading of a rule file finds, in any order. Out: [`Problem`]s, sorted by position, each
//! once. What always holds: reporting never ends the search, so that an operator sees all mistakes of
//! a file at once.

use std::cell::RefCell;
use std::sync::Arc;

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

impl Position {
    /// The first character.
    pub const START: Self = Self { line: 1, column: 1 };
}

/// Whether a problem keeps a file from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file works, and probably not as its author thinks.
    Warning,
}

/// One mistake or warning.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Problem {
    /// List file as written in the rule file; `None` is the rule file itself.
    pub file: Option<Arc<str>>,
    /// The offending name or value.
    pub at: Position,
    /// Mistake or warning.
    pub severity: Severity,
    /// Id of the rule it is in.
    pub rule: Option<Arc<str>>,
    /// What was written, what was expected, and what may have been meant.
    pub message: String,
}

/// Takes problems; a shared borrow of it is enough to report.
#[derive(Debug, Default)]
pub struct Problems {
    found: RefCell<Vec<Problem>>,
}

impl Problems {
    /// Reports a mistake in the rule file; `rule` is the id of the rule it is in. An empty one, of a
    /// rule whose id cannot be read, counts as none.
    pub fn error(&self, at: Position, rule: Option<&Arc<str>>, message: impl Into<String>) {
        self.report(Severity::Error, at, rule, message.into());
    }

    /// Reports a warning about the rule file.
    pub fn warning(&self, at: Position, rule: Option<&Arc<str>>, message: impl Into<String>) {
        self.report(Severity::Warning, at, rule, message.into());
    }

    fn report(&self, severity: Severity, at: Position, rule: Option<&Arc<str>>, message: String) {
        let rule = rule.filter(|id| !id.is_empty()).cloned();
        self.add(Problem { file: None, at, severity, rule, message });
    }

    /// Takes one that is made already.
    pub fn add(&self, problem: Problem) {
        self.found.borrow_mut().push(problem);
    }

    /// Number of mistakes so far.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.found.borrow().iter().filter(|found| found.severity == Severity::Error).count()
    }

    /// All, sorted by file and position, none twice.
    #[must_use]
    pub fn into_sorted(self) -> Vec<Problem> {
        let mut found = self.found.into_inner();
        found.sort();
        found.dedup();
        found
    }
}

/// `, did you mean "group_id"?` when one of `known` is at most two edits away, ignoring case, `_` and
/// `-`; else nothing.
pub fn did_you_mean<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // Nothing has a name that long, and a distance costs time in both lengths.
    if wanted.len() > 256 {
        return String::new();
    }
    let plain = |name: &str| name.replace(['_', '-'], "").to_lowercase();
    let plain_wanted = plain(wanted);
    let distance = |name: &str| strsim::damerau_levenshtein(&plain(name), &plain_wanted);
    let near = known.into_iter().map(|name| (distance(name), name)).min();
    // Of a name of two letters, two edits leave nothing.
    let allowed = plain_wanted.chars().count().saturating_sub(1).min(2);
    match near {
        Some((edits, name)) if edits <= allowed => format!(", did you mean {name:?}?"),
        _ => String::new(),
    }
}
