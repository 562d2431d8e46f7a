//! `imbridge rules test`: embedded tests, what they cover, and definitions that cannot be.

use super::{Desk, GOOD, good, parsed};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// A golden case with `test`: its name, the rule file, the exit code, texts of the output.
fn golden(path: &Path) -> (String, String, i64, Vec<String>) {
    let text = fs::read_to_string(path).unwrap();
    let case: Value = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{error}"));
    let rules = case["rules"].as_str().unwrap().to_owned();
    let texts = case["test"]["output"].as_array().unwrap().iter();
    let texts = texts.map(|text| text.as_str().unwrap().to_owned()).collect();
    let name = case["name"].as_str().unwrap().to_owned();
    (name, rules, case["test"]["exit"].as_i64().unwrap(), texts)
}

#[test]
fn the_golden_cases_about_tests_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rules");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_case = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_str().unwrap().starts_with("tests."))
    };
    let files: Vec<PathBuf> = files.filter(is_case).collect();
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        let (name, rules, exit, texts) = golden(&file);
        let desk = Desk::new(&[("rules.yaml", &rules)]);
        let ran = desk.rules(&["test", "@rules.yaml"]);
        assert_eq!((ran.code.map(i64::from), ran.err.as_str()), (Some(exit), ""), "{name}");
        for text in texts {
            assert!(ran.out.contains(&text), "{name}: {text} is not in\n{}", ran.out);
        }
    }
}

#[test]
fn test_tells_what_failed_and_what_no_test_has_matched() {
    let desk = good();
    let ran = desk.rules(&["test", "@rules.yaml", "--cover"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let expected =
        "2 passed, 0 failed\nnot matched by any test: night-mode (shadow), mask-banned\n";
    assert_eq!(ran.out, expected);
    desk.write("rules.yaml", &GOOD.replace("burst: 1 }", "burst: 1000 }"));
    let ran = desk.rules(&["test", "@rules.yaml"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""));
    let lines: Vec<&str> = ran.out.lines().collect();
    let headline = "@rules.yaml:38:5: test \"others may not\" failed: verdict is \"allow\", \
                    expected \"deny\"; ";
    assert!(lines[0].starts_with(headline), "{}", ran.out);
    assert_eq!(lines[1], "  - name: others may not");
    assert_eq!(lines.last(), Some(&"1 passed, 1 failed"));
    let ran = desk.rules(&["test", "@rules.yaml", "--cover", "--json"]);
    let told = parsed(&ran.out);
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        (&told["passed"], &told["failed"], &told["ok"]),
        (&json!(1), &json!(1), &json!(false))
    );
    assert_eq!(told["errors"][0]["line"], json!(38));
    assert_eq!(told["uncovered"], json!(["flood", "night-mode", "mask-banned"]));
}

#[test]
fn tests_that_cannot_be_are_mistakes_of_the_file() {
    let rules = "\
version: 1
rules: [{ id: r, on: [message.group.send], then: { deny: {} } }]
tests:
  - { name: a, on: message.group.send, given: {}, expect: { verdict: deny } }
  - { name: b, on: message.group.send, provider: openim, given: { senderid: u }, expect: { verdict: deny } }
";
    let desk = Desk::new(&[("rules.yaml", rules)]);
    for tool in ["check", "test"] {
        let ran = desk.rules(&[tool, "@rules.yaml"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{tool}");
        assert!(ran.err.starts_with("@rules.yaml:4:5: both providers ask"), "{}", ran.err);
        assert!(ran.err.contains("\n@rules.yaml:5:68: "), "{}", ran.err);
        assert!(ran.err.contains("did you mean \"sender_id\"?"), "{}", ran.err);
        assert!(ran.err.ends_with("@rules.yaml: 2 errors\n"), "{}", ran.err);
    }
}
