//! Embedded tests: what an author expects of the rules, beside the rules.
//!
//! In: a compiled set with the tests of its file. Out: which tests hold, how the others fail, and
//! which rules matched on the way. What always holds: a test sees fresh counts, a fresh memory and no
//! clock but its own, so its outcome depends on the files alone; it changes nothing of the set in
//! force.
//!
//! * `prepare` – a test's definition, looked up in the catalogue
//! * `expect` – a decision against what was expected of it

mod expect;
mod prepare;

use super::given;
use super::memory::Memory;
use super::problem::{Position, Problem, Problems, Severity};
use super::run::{Services, Unwatched};
use super::schema::Schema;
use super::set::{RuleSet, Tables};
use super::source::file::{RuleFile, TestDef};
use super::{Given, Intent};
use crate::catalogue::Catalogue;
use crate::normalise::Known;
use crate::verdict::Decision;
use bumpalo::Bump;
use prepare::Prepared;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Last millisecond of the year 9999: repeated tests do not go beyond.
const LATEST_MS: i64 = 253_402_300_799_999;

/// Reports what of the tests' definitions cannot be: kinds, fields, types, lists.
pub fn check(file: &RuleFile, schema: &Schema, problems: &Problems) {
    for test in &file.tests {
        // What is wrong with it is reported on the way.
        let _prepared = Prepared::of(test, schema, problems);
        prepare::check_lists(test, file, problems);
    }
}

/// Reports entries that tests give a list and that it cannot have.
pub fn check_entries(set: &RuleSet, problems: &Problems) {
    for test in set.tests().iter().filter(|test| !test.lists.is_empty()) {
        if let Err((at, why)) = set.fresh_tables(&test.lists) {
            problems.error(at, None, why);
        }
    }
}

/// What came of the tests of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Number of tests that hold.
    pub passed: usize,
    /// The others, in file order.
    pub failures: Vec<Failure>,
    /// Ids of the rules that matched in any request of any test.
    pub matched: BTreeSet<Arc<str>>,
}

/// A test that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Where the test is, or what of it is wrong.
    pub at: Position,
    /// Its name.
    pub name: Box<str>,
    /// `verdict is "deny", expected "allow"`
    pub why: String,
}

impl Failure {
    /// `test "staff may flood" failed: verdict is "deny", expected "allow"`, at its place.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let message = format!("test {:?} failed: {}", self.name, self.why);
        Problem { file: None, at: self.at, severity: Severity::Error, rule: None, message }
    }
}

/// Runs all tests of the set's file.
#[must_use]
pub fn run(set: &RuleSet, catalogue: &Arc<Catalogue>) -> Report {
    let mut report = Report::default();
    if set.tests().is_empty() {
        return report;
    }
    let schema = Schema::new(catalogue);
    for test in set.tests() {
        let problems = Problems::default();
        let judged = match Prepared::of(test, &schema, &problems) {
            Some(prepared) => judge(set, catalogue, &prepared, &mut report.matched),
            None => Err(unprepared(test, problems)),
        };
        match judged {
            Ok(()) => report.passed += 1,
            Err((at, why)) => {
                report.failures.push(Failure { at, name: test.name.value.clone(), why });
            }
        }
    }
    report
}

/// A set that was built has none of these.
fn unprepared(test: &TestDef, problems: Problems) -> (Position, String) {
    let errors = problems.into_sorted().into_iter();
    let mut errors = errors.filter(|problem| problem.severity == Severity::Error);
    errors
        .next()
        .map_or((test.at, "it cannot be run".to_owned()), |first| (first.at, first.message))
}

/// Runs one test.
fn judge(
    set: &RuleSet,
    catalogue: &Catalogue,
    prepared: &Prepared<'_>,
    matched: &mut BTreeSet<Arc<str>>,
) -> Result<(), (Position, String)> {
    let test = prepared.test;
    let tables = set.fresh_tables(&test.lists)?;
    let memory = Memory::default();
    let arena = Bump::new();
    let known = prepared.known(catalogue, &arena);
    let ctx = prepared.ctx(&arena);
    let given = Given { ctx, one_piece: true };
    let requests = Requests { set, tables: &tables, memory: &memory, prepared, known, given };
    let mut scratch = Bump::new();
    let mut last = Decision::ALLOW;
    for turn in 0..test.repeat.max(1) {
        scratch.reset();
        last = requests.decide(turn, &scratch);
        for hit in &last.matches {
            if !matched.contains(&hit.rule_id) {
                matched.insert(Arc::clone(&hit.rule_id));
            }
        }
    }
    let differences = expect::differences(&test.expect, &last);
    if differences.is_empty() { Ok(()) } else { Err((test.at, differences.join("; "))) }
}

/// One request, as often as it is asked for.
struct Requests<'a> {
    set: &'a RuleSet,
    tables: &'a Tables,
    memory: &'a Memory,
    prepared: &'a Prepared<'a>,
    known: Known<'a>,
    given: Given<'a>,
}

impl Requests<'_> {
    /// The decision about the request number `turn`, from 0.
    fn decide(&self, turn: u32, scratch: &Bump) -> Decision {
        let test = self.prepared.test;
        let since = test.every.as_nanos().saturating_mul(turn.into());
        let since_ms = i64::try_from(since / 1_000_000).unwrap_or(LATEST_MS);
        let intent = Intent {
            known: &self.known,
            source: "",
            correlation: None,
            received_at_ms: test.received_at_ms.saturating_add(since_ms).min(LATEST_MS),
            received_ns: u64::try_from(since).unwrap_or(u64::MAX),
            arena: scratch,
            given: Some(&self.given),
        };
        // A clock that stands still: no test misses the deadline because a machine is busy.
        let services = Services { ticks: &|| 0, memory: self.memory };
        self.set.decide(self.tables, &intent, &services, &mut Unwatched)
    }
}

#[cfg(test)]
pub(super) mod tests;
