//! The cases of the rule engine: rule files with requests, answers, records, errors and tests.
//!
//! In: `tests/fixtures/rules`, whose README says what a case looks like. Out: one list of all that came
//! out otherwise, each with the name of its case. Invariants: one bridge serves all cases, and its rule
//! file is loaded again before each; a case that panics does not keep the others from running.
//!
//! `case` reads them, `compare` judges, `run` talks to the bridge, `tools` runs `imbridge rules`.

mod case;
mod compare;
mod run;
mod tools;

use case::{Case, Wants, cases};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The folders of cases.
const FOLDERS: [&str; 3] = ["contract", "recipes", "more"];

fn selected(wanted: impl Fn(&Wants) -> bool) -> Vec<Case> {
    cases(&FOLDERS).into_iter().filter(|case| wanted(&case.wants)).collect()
}

/// Runs each case and fails with all that went wrong.
fn all(cases: &[Case], mut run: impl FnMut(&Case) -> Vec<String>) {
    let mut failed = 0;
    let mut lines = Vec::new();
    for case in cases {
        let found = catch_unwind(AssertUnwindSafe(|| run(case)))
            .unwrap_or_else(|panic| vec![format!("panics: {}", panic_text(&*panic))]);
        failed += usize::from(!found.is_empty());
        lines.extend(found.into_iter().map(|line| format!("{}: {line}", case.name)));
    }
    assert!(lines.is_empty(), "{failed} of {} cases failed\n{}", cases.len(), lines.join("\n"));
}

fn panic_text(panic: &dyn std::any::Any) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a text")
}

#[test]
fn requests_are_answered_and_recorded_as_the_cases_say() {
    let cases = selected(|wants| matches!(wants, Wants::Steps(_)));
    let mut runner = run::Runner::default();
    all(&cases, |case| runner.run(case));
}

#[test]
fn files_with_errors_are_refused_by_the_reload_with_every_error_in_its_place() {
    let cases = selected(|wants| matches!(wants, Wants::Errors(_)));
    let mut runner = run::Runner::default();
    all(&cases, |case| runner.run(case));
}

#[test]
fn files_with_errors_are_refused_by_rules_check_in_the_same_words() {
    all(&selected(|wants| matches!(wants, Wants::Errors(_))), tools::check_refuses);
}

#[test]
fn files_that_the_bridge_takes_are_taken_by_rules_check() {
    all(&selected(|wants| matches!(wants, Wants::Steps(_))), tools::check_takes);
}

#[test]
fn embedded_tests_end_as_the_cases_say() {
    all(&selected(|wants| matches!(wants, Wants::Test { .. })), tools::test_ends);
}

#[test]
fn a_case_that_panics_is_named_beside_those_that_fail() {
    let case = |name: &str| Case {
        name: name.to_owned(),
        rules: String::new(),
        files: std::collections::BTreeMap::new(),
        wants: Wants::Steps(Vec::new()),
    };
    let cases = [case("good"), case("bad"), case("worse")];
    let panic = catch_unwind(|| {
        all(&cases, |case| match &*case.name {
            "good" => Vec::new(),
            "bad" => vec!["one".to_owned(), "two".to_owned()],
            name => panic!("{name} indeed"),
        });
    });
    assert_eq!(
        panic_text(&*panic.expect_err("two of them fail")),
        "2 of 3 cases failed\nbad: one\nbad: two\nworse: panics: worse indeed"
    );
}
