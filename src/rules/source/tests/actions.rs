//! `then`: every mistake of endings, changes and tags, with its place and words.

use super::rule_mistakes;

/// Asserts on the mistakes of a `then`, which begins in column 34 of line 3.
#[track_caller]
fn then_mistakes(then: &str, expected: &[&str]) {
    let expected: Vec<_> = expected.iter().map(|line| line.replacen(' ', " rule r: ", 1)).collect();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    rule_mistakes(&format!("  - {{ id: r, on: [aaaaaa], then: {then} }}\n"), &expected);
}

#[test]
fn a_then_has_one_ending() {
    then_mistakes(
        "{ allow: true, drop: true, deny: {} }",
        &[
            "3:49 \"drop\" is a second ending; \"then\" has at most one",
            "3:61 \"deny\" is a second ending; \"then\" has at most one",
        ],
    );
    then_mistakes("{ allow: false }", &["3:43 \"allow\" takes true, not the boolean false"]);
    then_mistakes("{ drop: yes }", &["3:42 \"drop\" takes true, not \"yes\""]);
    then_mistakes(
        "{ deny: false }",
        &["3:42 \"deny\" takes true or a mapping, not the boolean false"],
    );
    then_mistakes(
        "{ deny: { code: [1.5, 99999999999999999999], mesage: x } }",
        &[
            "3:51 an entry of \"code\" takes an integer of 64 bits, not the number 1.5",
            "3:56 an entry of \"code\" takes an integer of 64 bits, not the integer 99999999999999999999",
            "3:79 \"deny\" has no key \"mesage\", did you mean \"message\"?",
        ],
    );
}

#[test]
fn changes_beside_a_deny_or_drop_are_mistakes() {
    then_mistakes(
        "{ set: { msg.a: x }, deny: {}, unset: [msg.b], tag: [t] }",
        &[
            "3:36 \"set\" beside \"deny\", which discards changes",
            "3:65 \"unset\" beside \"deny\", which discards changes",
        ],
    );
    then_mistakes(
        "{ drop: true, mask: { msg.a: { list: b } } }",
        &["3:48 \"mask\" beside \"drop\", which discards changes"],
    );
}

#[test]
fn changes_name_fields_of_the_answer() {
    then_mistakes(
        "{ set: { extra: x, msg.A: x, raw.a: x }, unset: [msg.a.b.c, msg.], clamp: { msg: { min: 1 } } }",
        &[
            "3:43 \"extra\" is no field of the answer, did you mean \"msg.extra\"?",
            "3:53 \"msg.A\" is no field of the answer, such as msg.extra",
            "3:63 \"raw.a\" is no field of the answer, such as msg.extra",
            "3:83 \"msg.a.b.c\" is no field of the answer, such as msg.extra",
            "3:94 \"msg.\" is no field of the answer, such as msg.extra",
            "3:110 \"msg\" is no field of the answer, such as msg.extra",
        ],
    );
}

#[test]
fn a_set_takes_constants() {
    then_mistakes(
        "{ set: { msg.a: [], msg.b: [true, 1.5], msg.c: {}, msg.d: ~ } }",
        &[
            "3:50 \"set\" of \"msg.a\" is an empty list",
            "3:62 an entry of the list takes a text or an integer of 64 bits, not the boolean true",
            "3:68 an entry of the list takes a text or an integer of 64 bits, not the number 1.5",
            "3:81 \"set\" of \"msg.c\" takes a text, an integer of 64 bits, true, false or a list of texts or integers, not a mapping",
            "3:92 \"set\" of \"msg.d\" takes a text, an integer of 64 bits, true, false or a list of texts or integers, not null",
        ],
    );
    let text = |bytes: usize| format!("{{ set: {{ msg.a: '{}' }} }}", "a".repeat(bytes));
    then_mistakes(&text(4096), &[]);
    then_mistakes(&text(4097), &["3:51 \"set\" of \"msg.a\" has 4097 bytes, limit is 4096"]);
}

#[test]
fn a_clamp_has_bounds_in_order() {
    then_mistakes(
        "{ clamp: { msg.a: {}, msg.b: { min: 2, max: 1 }, msg.c: { min: x }, msg.d: 5 } }",
        &[
            "3:52 \"clamp\" of \"msg.a\" has neither \"min\" nor \"max\"",
            "3:70 \"min\" is 2, above \"max\", which is 1",
            "3:97 \"min\" takes an integer of 64 bits, not \"x\"",
            "3:109 \"clamp\" of \"msg.d\" takes a mapping, not the integer 5",
        ],
    );
    then_mistakes("{ clamp: { msg.a: { min: 1, max: 1 } } }", &[]);
}

#[test]
fn a_remove_has_lists_or_items() {
    then_mistakes(
        "{ remove: { msg.a: {}, msg.b: { items: [a], list: b }, msg.c: { items: [] }, msg.d: { list: [] } } }",
        &[
            "3:53 \"remove\" of \"msg.a\" has neither \"list\" nor \"items\"",
            "3:78 \"list\" beside \"items\": one of them is enough",
            "3:105 \"items\" is an empty list",
            "3:126 \"list\" is an empty list",
        ],
    );
    let names = "a, ".repeat(16);
    then_mistakes(
        &format!("{{ remove: {{ msg.a: {{ list: [{names}b] }}, msg.b: {{ list: B }} }} }}"),
        &[
            "3:110 \"list\" has 17 entries, limit is 16",
            "3:131 \"list\" takes a name of at most 64 of a-z, 0-9 and _ that begins with a letter, not \"B\"",
        ],
    );
}

#[test]
fn a_mask_has_lists_or_a_pattern_and_a_sign() {
    then_mistakes(
        "{ mask: { msg.a: {}, msg.b: { list: a, pattern: b }, msg.c: { pattern: 5, with: ab }, msg.d: x } }",
        &[
            "3:51 \"mask\" of \"msg.a\" has neither \"list\" nor \"pattern\"",
            "3:73 \"pattern\" beside \"list\": one of them is enough",
            "3:105 \"pattern\" takes a text, not the integer 5; put it in quotes",
            "3:114 \"with\" takes one character, not \"ab\"",
            "3:127 \"mask\" of \"msg.d\" takes a mapping, not \"x\"",
        ],
    );
    for (sign, code) in
        [(" ", "0020"), ("\\u3000", "3000"), ("\\u200b", "200B"), ("\\U000E0001", "E0001")]
    {
        then_mistakes(
            &format!("{{ mask: {{ msg.a: {{ list: a, with: \"{sign}\" }} }} }}"),
            &[&format!("3:69 \"with\" takes a visible character, not U+{code}")],
        );
    }
    let pattern =
        |bytes: usize| format!("{{ mask: {{ msg.a: {{ pattern: '{}' }} }} }}", "a".repeat(bytes));
    then_mistakes(&pattern(512), &[]);
    then_mistakes(&pattern(513), &["3:63 \"pattern\" has 513 bytes, limit is 512"]);
}

#[test]
fn tags_are_few_and_short() {
    then_mistakes(
        "{ tag: [A, .a, a b, ''] }",
        &["A", ".a", "a b", ""]
            .iter()
            .zip([42, 45, 49, 55])
            .map(|(tag, column)| format!("3:{column} an entry of \"tag\" takes at most 64 of a-z, 0-9, _, . and -, beginning with a letter or digit, not {tag:?}"))
            .collect::<Vec<_>>()
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
    );
    then_mistakes("{ tag: [] }", &["3:41 \"tag\" is an empty list"]);
    then_mistakes(
        "{ tag: [a, b, c, d, e, f, g, h, i] }",
        &["3:66 \"tag\" has 9 entries, limit is 8"],
    );
}
