//! What a keeper makes of files that change behind its back, of tests that fail, and of a compiler that
//! panics.

use super::keeper::{Cause, Outcome};
use super::{First, Keeper, Refused};
use crate::catalogue::Catalogue;
use crate::clock;
use crate::rules::problem::{Position, Problem, Severity};
use crate::rules::set::RuleSet;
use crate::telemetry::Metrics;
use crate::verdict::OnFault;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// Longer than the keeper takes to look, on a busy machine too.
const SOON: Duration = Duration::from_secs(30);

struct Stage {
    folder: TempDir,
    keeper: Keeper,
    metrics: Arc<Metrics>,
}

fn rules(id: &str) -> String {
    format!(
        "version: 1\nrules: [{{ id: {id}, on: [group.member.update], then: {{ tag: [t] }} }}]\n"
    )
}

fn write(path: &Path, text: &str, modified: Option<SystemTime>) {
    std::fs::write(path, text).expect("the directory is ours");
    if let Some(modified) = modified {
        let file = File::options().write(true).open(path).expect("it was just written");
        file.set_modified(modified).expect("it is ours");
    }
}

impl Stage {
    /// Begins with this file.
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a directory can be made");
        write(&folder.path().join("rules.yaml"), text, None);
        Self::of(folder, |_| {})
    }

    fn of(folder: TempDir, change: impl FnOnce(&mut First)) -> Self {
        let catalogue = Arc::new(Catalogue::embedded());
        let metrics = Arc::new(Metrics::new(&catalogue, "", ""));
        let path = folder.path().join("rules.yaml");
        let mut first = First::load(&path, &catalogue, OnFault::Allow).expect("the file is right");
        change(&mut first);
        let keeper = Keeper::start(first, &metrics).expect("a thread can be had");
        Self { folder, keeper, metrics }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("rules.yaml")
    }

    fn reload(&self) -> Outcome {
        self.keeper.ask(Cause::Request).blocking_recv().expect("it is answered")
    }

    /// Ids of the rules in force.
    fn ids(&self) -> Vec<String> {
        let set = self.keeper.engine().current().expect("a set is in force");
        set.rules().iter().map(|rule| rule.id.to_string()).collect()
    }

    fn wait_for(&self, id: &str) {
        let deadline = clock::now() + SOON;
        while self.ids() != [id] {
            assert!(clock::now() < deadline, "{id} is not in force, but {:?}", self.ids());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn fails(_set: &RuleSet, _catalogue: &Arc<Catalogue>) -> Vec<Problem> {
    let at = Position { line: 7, column: 3 };
    let message = "test \"t\" failed".to_owned();
    vec![Problem { file: None, at, severity: Severity::Error, rule: None, message }]
}

fn panics(_set: &RuleSet, _catalogue: &Arc<Catalogue>) -> Vec<Problem> {
    panic!("as a test wants it")
}

#[test]
fn a_set_whose_tests_fail_is_not_put_in_force() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    write(&folder.path().join("rules.yaml"), &rules("one"), None);
    let stage = Stage::of(folder, |first| first.shop.trials = fails);
    write(&stage.path(), &rules("two"), None);
    let outcome = stage.reload();
    assert!(!outcome.ok, "{}", outcome.body);
    assert_eq!(outcome.body["errors"][0]["line"], 7);
    assert_eq!(stage.ids(), ["one"]);
    assert_eq!(stage.keeper.news().errors.as_ref(), Some(&outcome.body["errors"]));
}

#[test]
fn a_panic_while_a_set_is_made_is_a_refusal_and_the_next_one_is_made() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    write(&folder.path().join("rules.yaml"), &rules("one"), None);
    let stage = Stage::of(folder, |first| first.shop.trials = panics);
    for _ in 0..2 {
        let outcome = stage.reload();
        let message = outcome.body["errors"][0]["message"].as_str().expect("a text");
        assert!(!outcome.ok && message.contains("the bridge itself failed"), "{}", outcome.body);
        assert_eq!(stage.ids(), ["one"]);
    }
}

/// Size and time are those of the file that was read: it was written twice within a tick.
#[test]
fn a_file_that_changed_without_a_trace_right_after_it_was_read_is_read_again() {
    let stage = Stage::new(&rules("one"));
    let stamp = |path: &Path| crate::files::stamp(path).expect("it is there");
    let before = stamp(&stage.path());
    let modified = std::fs::metadata(stage.path()).and_then(|about| about.modified());
    write(&stage.path(), &rules("two"), Some(modified.expect("it has a time")));
    assert_eq!(stamp(&stage.path()), before);
    stage.wait_for("two");
}

#[test]
fn a_file_that_did_not_change_stays_in_force_as_it_is() {
    let stage = Stage::new(&rules("one"));
    let (set, loaded) = (stage.keeper.engine().current(), stage.keeper.news().loaded_at_ms);
    // Longer than two looks.
    std::thread::sleep(Duration::from_millis(4500));
    assert_eq!(stage.keeper.news().loaded_at_ms, loaded);
    let same = set.zip(stage.keeper.engine().current()).map(|(a, b)| Arc::ptr_eq(&a, &b));
    assert_eq!(same, Some(true), "what rules have counted and suffered is kept");
    assert!(stage.reload().ok, "who asks gets another one");
    let now = stage.keeper.news().loaded_at_ms;
    assert!(now > loaded, "{now} {loaded}");
}

#[test]
fn many_that_ask_at_once_are_all_answered_about_the_file_as_it_is() {
    let stage = Stage::new(&rules("one"));
    write(&stage.path(), &rules("two"), None);
    let asked: Vec<_> = (0..100).map(|_| stage.keeper.ask(Cause::Request)).collect();
    for asked in asked {
        let outcome = asked.blocking_recv().expect("it is answered");
        assert!(outcome.ok, "{}", outcome.body);
        assert_eq!(stage.ids(), ["two"]);
    }
    stage.keeper.stop();
    assert!(stage.keeper.ask(Cause::Request).blocking_recv().is_err(), "nobody is there any more");
}

#[test]
fn a_rule_file_that_comes_back_is_found() {
    let stage = Stage::new(&rules("one"));
    std::fs::remove_file(stage.path()).expect("it is ours");
    let outcome = stage.reload();
    let message = outcome.body["errors"][0]["message"].as_str().expect("a text");
    assert!(!outcome.ok && message.contains("cannot be read"), "{}", outcome.body);
    write(&stage.path(), &rules("two"), None);
    stage.wait_for("two");
    assert_eq!(stage.keeper.news().errors, None);
    let text = String::from_utf8(stage.metrics.text()).expect("it is text");
    assert!(text.contains("\nimbridge_rules_last_reload_success 1\n"));
}

#[test]
fn a_refusal_shows_every_mistake_in_its_line_and_counts_them() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let path = folder.path().join("rules.yaml");
    write(
        &path,
        "version: 1\nrules:\n  - { id: x, on: [nowhere], then: { tag: [t] } }\nx: 1\n",
        None,
    );
    let catalogue = Arc::new(Catalogue::embedded());
    let refused: Refused =
        First::load(&path, &catalogue, OnFault::Allow).err().expect("it has mistakes");
    let name = path.display();
    assert_eq!(refused.summary(), format!("{name} has 2 errors"));
    let text = refused.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 7, "{text}");
    assert!(lines[0].starts_with(&format!("{name}:3:19: rule x: ")), "{text}");
    assert_eq!(lines[2], format!("{}^", " ".repeat(18)));
    assert_eq!(lines[6], format!("{name}: 2 errors"));
}
