//! Rule files for people: the examples of docs/rules.md, the recipes and the starter set.
//!
//! In: the files as they stand. Out: a failure that names what an operator who copies them would stumble
//! over. Invariant: they are judged by the program that an operator runs. What they answer over HTTP is
//! in `rules_examples`.

use crate::readme::blocks;
use crate::support::rules::{Files, Ran};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const GUIDE: &str = "docs/rules.md";
const RECIPES: &str = "deploy/rules/recipes";
const STARTER: &str = "deploy/rules/rules.yaml";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Names of the files in a folder that end so, without the ending.
fn names(folder: &Path, ending: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| Some(name.strip_suffix(ending)?.to_owned())).collect()
}

fn recipes() -> BTreeSet<String> {
    let found = names(&root().join(RECIPES), ".yaml");
    assert!(found.len() >= 10, "{found:?}");
    found
}

/// A rule file with the lists of its folder beside it.
fn laid_out(rules: &str, folder: &Path) -> Files {
    let files = Files::new();
    files.write("rules.yaml", rules);
    for list in names(&folder.join("lists"), ".txt") {
        let text = fs::read_to_string(folder.join(format!("lists/{list}.txt"))).unwrap();
        files.write(&format!("lists/{list}.txt"), &text);
    }
    files
}

/// What keeps a rule file from being right, without warnings where `strict`, with tests that hold.
fn problems(name: &str, files: &Files, strict: bool) -> Vec<String> {
    let mut commands = vec![vec!["check", "rules.yaml"], vec!["test", "rules.yaml"]];
    if strict {
        commands[0].push("--strict");
    }
    let run = |arguments: Vec<&str>| {
        let Ran { code, output, errors } = files.run(&arguments);
        (code != Some(0))
            .then(|| format!("{name}: rules {}: {code:?}\n{output}{errors}", arguments[0]))
    };
    commands.into_iter().filter_map(run).collect()
}

#[test]
fn every_example_of_the_guide_is_right_or_refused_as_printed() {
    let (right, refused) = examples_of(GUIDE);
    assert!(right >= 8 && refused >= 1, "{right} right, {refused} refused");
}

#[test]
fn the_request_that_the_guide_explains_is_explained_as_printed() {
    let blocks = blocks(&page(GUIDE));
    let (_, rules) = blocks.iter().find(|(language, _)| language == "yaml").expect("a rule file");
    let at =
        blocks.iter().position(|(_, text)| text.starts_with("intent ")).expect("it is printed");
    let files = Files::new();
    files.write("rules.yaml", rules);
    files.write("body.json", &blocks[at - 1].1);
    let ran = files.run(&["explain", "rules.yaml", "--body", "body.json"]);
    assert_eq!((ran.code, ran.output), (Some(0), blocks[at].1.clone()), "{}", ran.errors);
}

#[test]
fn the_example_of_the_readme_is_right() {
    assert_eq!(examples_of("README.md"), (1, 0));
}

/// Runs the rule files that a page prints: how many are right, how many are refused as printed.
fn examples_of(path: &str) -> (usize, usize) {
    let blocks = blocks(&page(path));
    let (mut right, mut refused, mut wrong) = (0, 0, Vec::new());
    for (at, (language, text)) in blocks.iter().enumerate() {
        if language != "yaml" || !text.starts_with("version: ") {
            continue;
        }
        let files = Files::new();
        files.write("rules.yaml", text);
        let printed = blocks.get(at + 1).filter(|(_, next)| next.starts_with("rules.yaml:"));
        if let Some((_, printed)) = printed {
            refused += 1;
            let ran = files.run(&["check", "rules.yaml"]);
            assert_eq!(ran.code, Some(1));
            assert_eq!(&ran.errors, printed, "the guide prints what `rules check` says");
        } else {
            right += 1;
            let first = text.lines().find(|line| line.contains("id:")).unwrap_or(text).trim();
            wrong.extend(problems(first, &files, true));
        }
    }
    assert!(wrong.is_empty(), "{} of {right} are wrong\n{}", wrong.len(), wrong.join("\n"));
    (right, refused)
}

#[test]
fn every_recipe_is_right_and_its_tests_match_every_rule() {
    let mut wrong = Vec::new();
    for name in recipes() {
        let folder = root().join(RECIPES);
        let files = laid_out(&page(&format!("{RECIPES}/{name}.yaml")), &folder);
        wrong.extend(problems(&name, &files, true));
        let covered = files.run(&["test", "rules.yaml", "--cover"]).output;
        if !covered.contains("every rule is matched by a test") {
            wrong.push(format!("{name}: {covered}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_guide_lists_every_recipe_and_each_is_asked_over_http() {
    let recipes = recipes();
    let linked: BTreeSet<String> = page(GUIDE)
        .split(&format!("](../{RECIPES}/"))
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(".yaml)")?.0.to_owned()))
        .collect();
    assert_eq!(linked, recipes);
    let cases = root().join("tests/fixtures/rules/recipes");
    let asked: BTreeSet<String> = names(&cases, ".yaml")
        .iter()
        .map(|case| fs::read_to_string(cases.join(format!("{case}.yaml"))).unwrap())
        .filter_map(|case| {
            let path = case.lines().find_map(|line| line.strip_prefix("rules_file: "))?;
            Some(path.strip_prefix(RECIPES)?.strip_prefix('/')?.strip_suffix(".yaml")?.to_owned())
        })
        .collect();
    assert_eq!(asked, recipes, "tests/fixtures/rules/recipes");
}

#[test]
fn the_starter_set_only_watches_and_its_tests_hold_when_it_is_enforced_too() {
    let watching = page(STARTER);
    let folder: PathBuf = root().join("deploy/rules");
    let mode = "\n  mode: shadow\n";
    assert_eq!(watching.matches(mode).count(), 1, "one line says so for all rules");
    assert_eq!(watching.matches("mode:").count(), 2, "no rule says otherwise, one comment does");
    let enforcing = watching.replace(mode, "\n  mode: enforce\n");
    let mut wrong = problems("watching", &laid_out(&watching, &folder), false);
    wrong.extend(problems("enforcing", &laid_out(&enforcing, &folder), true));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let covered = laid_out(&watching, &folder).run(&["test", "rules.yaml", "--cover"]).output;
    assert!(covered.contains("every rule is matched by a test"), "{covered}");
}
