//! Mistakes in the catalogue: what is wrong, where, and what was expected.
//!
//! In: whatever a reader of the data did not expect. Out: [`CatalogueProblem`]s. What always holds:
//! reading goes on behind a mistake, so that all are reported together; a mistake that many rows
//! run into (a field set, say) is reported once.

use std::cell::RefCell;
use std::fmt;

use serde_json::Value;

/// Longest part of a value that a message quotes, in characters.
const QUOTED_CHARS_MAX: usize = 80;

/// One mistake in a file of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueProblem {
    /// File, as it was named.
    pub file: String,
    /// Entry: `row openim callbackX`, `kind a.b`; empty when the file as a whole is meant.
    pub row: String,
    /// Normalised field, or key with dots (`reply.deny.codes`); empty when the entry is meant.
    pub field: String,
    /// What was expected and what was found.
    pub message: String,
}

impl fmt::Display for CatalogueProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file)?;
        if !self.row.is_empty() {
            write!(f, "{}: ", self.row)?;
        }
        if !self.field.is_empty() {
            write!(f, "field {:?}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for CatalogueProblem {}

/// Collects mistakes, without repeats.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<CatalogueProblem>>);

impl Problems {
    /// A place in `file`; `row` names the entry.
    pub(super) fn spot<'a>(&'a self, file: &str, row: &str) -> Spot<'a> {
        Spot { problems: self, file: file.to_owned(), row: row.to_owned(), field: String::new() }
    }

    pub(super) fn into_vec(self) -> Vec<CatalogueProblem> {
        self.0.into_inner()
    }
}

/// Where in the files something stands.
#[derive(Debug, Clone)]
pub(super) struct Spot<'a> {
    problems: &'a Problems,
    file: String,
    row: String,
    field: String,
}

impl Spot<'_> {
    /// The place of a key inside this one.
    pub(super) fn at(&self, key: &str) -> Self {
        let field = match self.field.as_str() {
            "" => key.to_owned(),
            outer => format!("{outer}.{key}"),
        };
        Self { field, ..self.clone() }
    }

    /// Reports a mistake here.
    pub(super) fn report(&self, message: impl Into<String>) {
        let problem = CatalogueProblem {
            file: self.file.clone(),
            row: self.row.clone(),
            field: self.field.clone(),
            message: message.into(),
        };
        let mut problems = self.problems.0.borrow_mut();
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    /// Reports that something else was expected here.
    pub(super) fn expected(&self, expected: &str, found: &Value) {
        self.report(format!("expected {expected}, found {}", quoted(&found.to_string())));
    }

    /// Reports a name that is not among the known ones.
    pub(super) fn unknown<'n>(
        &self,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'n str>,
    ) {
        let hint = did_you_mean(name, known);
        self.report(format!("expected {what}, found {name:?}{hint}"));
    }
}

/// `, did you mean "x"?`, or nothing when no known name is near.
pub(super) fn did_you_mean<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    nearest(name, known).map_or_else(String::new, |known| format!(", did you mean {known:?}?"))
}

/// The known name that is nearest, if it is near: a third of its characters may differ, at least 2.
pub(super) fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let folded = name.to_ascii_lowercase();
    let (distance, known) = known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(&known.to_ascii_lowercase(), &folded), known))
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= (known.chars().count() / 3).max(2)).then_some(known)
}

/// The text, cut when it is long.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_file_row_field_and_what_was_expected() {
        let problems = Problems::default();
        let spot = problems.spot("more.json", "row openim callbackX");
        spot.at("reply").at("deny").expected("an object", &Value::from(5));
        spot.at("reply").at("deny").expected("an object", &Value::from(5));
        problems.spot("more.json", "").unknown("a key", "comands", ["kinds", "commands"]);
        let lines: Vec<String> = problems.into_vec().iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                r#"more.json: row openim callbackX: field "reply.deny": expected an object, found 5"#,
                r#"more.json: expected a key, found "comands", did you mean "commands"?"#,
            ]
        );
    }

    #[test]
    fn only_near_names_are_suggested() {
        assert_eq!(nearest("positiv", ["int", "positive"]), Some("positive"));
        assert_eq!(nearest("weather", ["int", "positive"]), None);
        assert_eq!(nearest("x", []), None);
    }
}
