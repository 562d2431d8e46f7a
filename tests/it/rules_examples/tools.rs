//! Runs `imbridge rules` on the files of a case.
//!
//! In: a [`Case`]. Out: what the program says or how it exits otherwise. Invariant: the program gets no
//! setting, only the file's name.

use super::case::{Case, WantedError, Wants, filled};
use super::run::missing_errors;
use crate::support::rules::{Files, Ran};
use jiff::Timestamp;

fn files(case: &Case) -> Files {
    let files = Files::new();
    for (name, text) in &case.files {
        files.write(name, text);
    }
    files.write("rules.yaml", &filled(&case.rules, Timestamp::now()));
    files
}

/// Exit code 1; every error as text, and as JSON, in its place.
pub(super) fn check_refuses(case: &Case) -> Vec<String> {
    let Wants::Errors(wanted) = &case.wants else { panic!("{} is refused", case.name) };
    let files = files(case);
    let mut found = Vec::new();
    let json = files.run(&["check", "rules.yaml", "--json"]);
    if json.code != Some(1) {
        found.push(format!("rules check --json exits with {:?}: {}", json.code, json.errors));
    }
    match serde_json::from_str(&json.output) {
        Ok(answer) => found.extend(missing_errors(&answer, wanted)),
        Err(error) => {
            found.push(format!("rules check --json prints no JSON: {error}: {}", json.output));
        }
    }
    let text = files.run(&["check", "rules.yaml"]);
    if text.code != Some(1) {
        found.push(format!("rules check exits with {:?}", text.code));
    }
    for wanted in wanted {
        if !text.errors.lines().any(|line| is_error_line(line, wanted)) {
            found.push(format!("rules check has no line for {wanted:?}\n{}", text.errors));
        }
    }
    let last = text.errors.lines().last().unwrap_or_default();
    if !(last.starts_with("rules.yaml: ") && last.contains(" error")) {
        found.push(format!("the last line of rules check is {last:?}"));
    }
    found
}

/// `rules.yaml:LINE:COLUMN: rule ID: message`.
fn is_error_line(line: &str, wanted: &WantedError) -> bool {
    let column = wanted.column.map_or_else(String::new, |column| format!("{column}: "));
    let rule = wanted.rule.as_ref().and_then(serde_json::Value::as_str);
    line.starts_with(&format!("rules.yaml:{}:{column}", wanted.line))
        && rule.is_none_or(|rule| line.contains(&format!(": rule {rule}: ")))
        && wanted.names.iter().all(|name| line.contains(name))
}

/// Exit code 0 and a line that says so.
pub(super) fn check_takes(case: &Case) -> Vec<String> {
    let ran = files(case).run(&["check", "rules.yaml"]);
    let says_ok = ran.output.lines().any(|line| line.starts_with("rules.yaml: ok, "));
    if ran.code == Some(0) && says_ok {
        return Vec::new();
    }
    vec![format!("rules check exits with {:?}\n{}{}", ran.code, ran.output, ran.errors)]
}

/// The exit code of `rules test`, and texts of what it prints.
pub(super) fn test_ends(case: &Case) -> Vec<String> {
    let Wants::Test { exit, output } = &case.wants else { panic!("{} has tests", case.name) };
    let Ran { code, output: printed, errors } = files(case).run(&["test", "rules.yaml"]);
    let mut found = Vec::new();
    if code != Some(*exit) {
        found.push(format!("rules test exits with {code:?}, wanted {exit}"));
    }
    let printed = format!("{printed}{errors}");
    for text in output {
        if !printed.contains(text) {
            found.push(format!("rules test does not print {text:?} but\n{printed}"));
        }
    }
    found
}
