//! What is wrong with the settings: one sentence per mistake, all mistakes together.
//!
//! In: sentences from the parsers. Out: [`Problems`], which the caller prints before it exits with
//! 64. Invariant: every sentence names its variable, and none quotes the value of a secret.

use std::fmt;

/// Longest part of a value that a sentence quotes, in characters: enough to recognise it in a
/// terminal.
const QUOTED_CHARS_MAX: usize = 120;

/// One mistake in the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Name of the variable, as it was set.
    pub variable: String,
    /// The sentence for the operator, which begins with the variable's name.
    pub sentence: String,
}

impl Problem {
    /// A value that is not what the setting needs. The value is quoted, so never for secrets.
    pub(super) fn unexpected(variable: &str, value: &str, expected: &str) -> Self {
        Self::of(variable, &format!("is {}: expected {expected}", quoted(value)))
    }

    /// Any other mistake; `what` follows the variable's name.
    #[must_use]
    pub fn of(variable: &str, what: &str) -> Self {
        Self { variable: variable.to_owned(), sentence: format!("{variable} {what}") }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// Everything that is wrong with the settings; never empty. Displays as one line per problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub(super) Vec<Problem>);

impl Problems {
    /// An error if there are any.
    ///
    /// # Errors
    /// The problems.
    pub fn none_in(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self(problems)) }
    }

    /// The problems, in the order in which the settings were read.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The value in quotes, control characters escaped, long ones cut.
pub(super) fn quoted(value: &str) -> String {
    match value.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("{:?}…", &value[..end]),
        None => format!("{value:?}"),
    }
}
