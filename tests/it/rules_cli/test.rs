//! `imbridge rules test`: embedded tests, what they cover, and definitions that cannot be.

use super::{Desk, GOOD, good, parsed};
use serde_json::json;

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
        assert!(ran.err.contains("\n@rules.yaml:5:67: "), "{}", ran.err);
        assert!(ran.err.contains("did you mean \"sender_id\"?"), "{}", ran.err);
        assert!(ran.err.ends_with("@rules.yaml: 2 errors\n"), "{}", ran.err);
    }
}
