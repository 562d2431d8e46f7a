//! Keys and values one by one: every mistake of shape, with its place and words.

use super::{good, mistakes, rule_mistakes};

#[test]
fn all_mistakes_of_a_file_are_reported_at_once() {
    mistakes(
        "version: 1
lists:
  words: { kind: words, items: [a] }
rules:
  - id: one
    on: [message.group.send]
    when: msg.grup_id == \"x\"
    then: { deny: { code: x } }
  - id: two
    on: [nowhere]
    then: { deny: {} }
  - id: three
    on: [message.direct.send]
    prioritty: 5
    when: msg.text.hits(lists.word)
    then: { frobnicate: true }
",
        &[
            "8:27 rule one: \"code\" takes an integer of 64 bits, not \"x\"",
            "14:5 rule three: a rule has no key \"prioritty\", did you mean \"priority\"?",
            "16:13 rule three: \"then\" has no key \"frobnicate\"; it takes allow, drop, deny, set, unset, clamp, remove, mask or tag",
        ],
    );
}

#[test]
fn a_near_key_is_proposed() {
    rule_mistakes(
        "  - id: a\n    on: [message.group.send]\n    wehn: 'true'\n    then: { deny: {} }\n",
        &["5:5 rule a: a rule has no key \"wehn\", did you mean \"when\"?"],
    );
}

#[test]
fn a_missing_key_is_reported_at_the_mapping() {
    mistakes(
        "note: x\n",
        &["1:1 a rule file lacks the key \"rules\"", "1:1 a rule file lacks the key \"version\""],
    );
    mistakes(
        "version: 1
lists: { a: {} }
limits: { a: {} }
windows:
  a:
    tz: UTC
rules:
  - on: [a]
    then: { drop: true }
  - { id: b }
tests:
  - {}
",
        &[
            "2:13 a list has \"items\" or a \"file\"",
            "2:13 the list \"a\" lacks the key \"kind\"",
            "3:14 the limit \"a\" lacks the key \"allow\"",
            "3:14 the limit \"a\" lacks the key \"key\"",
            "3:14 the limit \"a\" lacks the key \"per\"",
            "6:5 the window \"a\" lacks the key \"from\"",
            "6:5 the window \"a\" lacks the key \"to\"",
            "8:5 a rule lacks the key \"id\"",
            "10:5 rule b: a rule lacks the key \"on\"",
            "10:5 rule b: a rule lacks the key \"then\"",
            "12:5 a test lacks the key \"expect\"",
            "12:5 a test lacks the key \"given\"",
            "12:5 a test lacks the key \"name\"",
            "12:5 a test lacks the key \"on\"",
        ],
    );
}

#[test]
fn where_a_text_is_expected_numbers_and_booleans_want_quotes() {
    mistakes(
        "version: '1'
note: 1.5
defaults: { deny: { message: 5, detail: true } }
windows: { a: { tz: 1, from: 700, to: \"08:00\" } }
rules: [{ id: 7, on: [true], limit: 0x1, when: 1, then: { tag: [1], set: { msg.a: 1.5 } } }]
",
        &[
            "1:11 \"version\" takes an integer from 1 to 1, not \"1\"",
            "2:7 \"note\" takes a text, not the number 1.5; put it in quotes",
            "3:30 \"message\" takes a text, not the integer 5; put it in quotes",
            "3:41 \"detail\" takes a text, not the boolean true; put it in quotes",
            "4:21 \"tz\" takes a text, not the integer 1; put it in quotes",
            "4:30 \"from\" takes a text, not the integer 700; put it in quotes",
            "5:15 \"id\" takes a text, not the integer 7; put it in quotes",
            "5:23 an entry of \"on\" takes a text, not the boolean true; put it in quotes",
            "5:37 \"limit\" takes a text, not the integer 0x1; put it in quotes",
            "5:48 \"when\" takes a text, not the integer 1; put it in quotes",
            "5:65 an entry of \"tag\" takes a text, not the integer 1; put it in quotes",
            "5:83 \"set\" of \"msg.a\" takes a text, an integer of 64 bits, true, false or a list of texts or integers, not the number 1.5",
        ],
    );
}

#[test]
fn defaults_take_words_and_durations() {
    mistakes(
        "version: 1
rules: []
defaults:
  mode: shadw
  on_error: true
  on_fault: refuse
  deadline: 101ms
  deny: { code: [], cod: 1 }
",
        &[
            "4:9 \"mode\" takes enforce, shadow or off, not \"shadw\", did you mean \"shadow\"?",
            "5:13 \"on_error\" takes skip or match, not the boolean true",
            "6:13 \"on_fault\" takes allow or deny, not \"refuse\"",
            "7:13 \"deadline\" takes a duration from 1ms to 100ms, not \"101ms\"",
            "8:17 \"code\" is an empty list",
            "8:21 \"deny\" has no key \"cod\", did you mean \"code\"?",
        ],
    );
    mistakes(
        "version: 1\nrules: []\ndefaults: { on_fault: { a: x, default: [] }, deadline: 5, deny: true }\n",
        &[
            "3:28 \"a\" takes allow or deny, not \"x\"",
            "3:40 \"default\" takes allow or deny, not a list",
            "3:56 \"deadline\" takes a duration from 1ms to 100ms, not the integer 5",
            "3:65 \"deny\" takes a mapping, not the boolean true",
        ],
    );
    mistakes(
        "version: 1\nrules: []\ndefaults: { on_fault: {} }\n",
        &["3:23 \"on_fault\" is an empty mapping"],
    );
}

#[test]
fn lists_are_of_one_kind_and_from_one_place() {
    mistakes(
        "version: 1
rules: []
lists:
  Staff: { kind: ids, items: [] }
  a: { kind: word, items: [] }
  b: { kind: ids, items: [], fold: [case], match: token }
  c: { kind: words, items: [], file: x }
  d: { kind: words, file: \"\" }
  e: { kind: words, items: x, fold: [cse, case, case], match: tokens }
  f: { kind: words, items: [], fold: [gaps], match: token }
  g: []
",
        &[
            "4:3 a key of \"lists\" is a name of at most 64 of a-z, 0-9 and _ that begins with a letter, not \"Staff\"",
            "5:14 \"kind\" takes ids or words, not \"word\", did you mean \"words\"?",
            "6:30 \"fold\" is for lists of words; ids are compared exactly",
            "6:44 \"match\" is for lists of words; ids are compared exactly",
            "7:32 \"file\" beside \"items\": a list has one of them",
            "8:28 \"file\" takes the path of a file, not \"\"",
            "9:28 \"items\" takes a list, not \"x\"",
            "9:38 an entry of \"fold\" takes invisible, width, case, compat or gaps, not \"cse\", did you mean \"case\"?",
            "9:49 stands twice in \"fold\"",
            "9:63 \"match\" takes anywhere or token, not \"tokens\", did you mean \"token\"?",
            "10:53 match: token cannot stand together with the fold gaps, which takes borders away",
            "11:6 the list \"g\" takes a mapping, not a list",
        ],
    );
}

#[test]
fn entries_of_lists_have_a_length() {
    let word = |chars: usize| "赌".repeat(chars);
    let id = |bytes: usize| "a".repeat(bytes);
    let file = |word: &str, id: &str| {
        format!(
            "version: 1\nrules: []\nlists:\n  w: {{ kind: words, items: [{word}] }}\n  i: {{ kind: ids, items: [{id}] }}\n"
        )
    };
    good(&file(&word(64), &id(256)));
    let shown = (word(60), id(60));
    mistakes(
        &file(&word(65), &id(257)),
        &[
            &format!("4:29 the word \"{}\"… has 65 characters, limit is 64", shown.0),
            &format!("5:27 the id \"{}\"… has 257 bytes, limit is 256", shown.1),
        ],
    );
    mistakes(
        &file("''", "[], {}, ~"),
        &[
            "4:30 an empty entry",
            "5:27 an entry of \"items\" takes a text, not a list",
            "5:31 an entry of \"items\" takes a text, not a mapping",
            "5:35 an entry of \"items\" takes a text, not null; put it in quotes",
        ],
    );
}

#[test]
fn limits_have_ranges() {
    mistakes(
        "version: 1
rules: []
limits:
  a: { key: [], allow: 0, per: 9ms, burst: 1000001, max_keys: 500001, when_full: deny }
  b: { key: [msg, msg.1, foo.a, msg.a.], allow: x, per: 25h, burst: 1.5 }
  c: { key: [msg.a, msg.b, msg.c, msg.d, msg.e], allow: 1, per: 1s }
  d: { key: msg.a, allow: 1, per: 10 }
  \"\": {}
",
        &[
            "4:13 \"key\" is an empty list",
            "4:24 \"allow\" takes an integer from 1 to 1000000, not the integer 0",
            "4:32 \"per\" takes a duration from 10ms to 1d, such as 30s, not \"9ms\"",
            "4:44 \"burst\" takes an integer from 1 to 1000000, not the integer 1000001",
            "4:63 \"max_keys\" takes an integer from 1 to 500000, not the integer 500001",
            "4:82 \"when_full\" takes pass or match, not \"deny\"",
            "5:14 an entry of \"key\" takes a field, such as msg.sender_id, not \"msg\"",
            "5:19 an entry of \"key\" takes a field, such as msg.sender_id, not \"msg.1\"",
            "5:26 an entry of \"key\" takes a field, such as msg.sender_id, not \"foo.a\"",
            "5:33 an entry of \"key\" takes a field, such as msg.sender_id, not \"msg.a.\"",
            "5:49 \"allow\" takes an integer from 1 to 1000000, not \"x\"",
            "5:57 \"per\" takes a duration from 10ms to 1d, such as 30s, not \"25h\"",
            "5:69 \"burst\" takes an integer from 1 to 1000000, not the number 1.5",
            "6:42 \"key\" has 5 entries, limit is 4",
            "7:13 \"key\" takes a list, not \"msg.a\"",
            "7:35 \"per\" takes a duration from 10ms to 1d, such as 30s, not the integer 10",
            "8:4 a key of \"limits\" is a name of at most 64 of a-z, 0-9 and _ that begins with a letter, not \"\"",
        ],
    );
}

#[test]
fn windows_have_times_and_days() {
    mistakes(
        "version: 1
rules: []
windows:
  a: { tz: UTC, from: 24:00, to: 24:01, days: mon-fry }
  b: { tz: UTC, from: \"7:00\", to: 07:60, days: \"\" }
  c: { tz: UTC, from: 07:00, to: 07:00, days: mon- tue }
  d: { tz: UTC, from: 07:00, to: 08:00, days: [mon] }
  e: { tz: UTC, from: 00:00, to: 24:00, days: Mon }
",
        &[
            "4:23 \"from\" takes a time from 00:00 to 23:59, not \"24:00\"",
            "4:34 \"to\" takes a time from 00:00 to 24:00, not \"24:01\"",
            "4:47 \"days\" takes days, such as mon-fri or sat,sun, not \"mon-fry\"",
            "5:24 \"from\" takes a time from 00:00 to 23:59, not \"7:00\"",
            "5:35 \"to\" takes a time from 00:00 to 24:00, not \"07:60\"",
            "5:49 \"days\" takes days, such as mon-fri or sat,sun, not \"\"",
            "6:34 \"to\" is the same time as \"from\"; the whole day is 00:00 to 24:00",
            "6:47 \"days\" takes days, such as mon-fri or sat,sun, not \"mon- tue\"",
            "7:47 \"days\" takes a text, not a list",
            "8:47 \"days\" takes days, such as mon-fri or sat,sun, not \"Mon\"",
        ],
    );
}

#[test]
fn expressions_have_a_length() {
    let file = |bytes: usize| {
        let long = "a".repeat(bytes);
        format!(
            "version: 1\nrules: [{{ id: r, on: [a], when: '{long}', then: {{ drop: true }} }}]\nvars: {{ v: '{long}' }}\n"
        )
    };
    good(&file(4096));
    mistakes(
        &file(4097),
        &[
            "2:34 rule r: the expression is 4097 bytes, limit is 4096",
            "3:13 the expression is 4097 bytes, limit is 4096",
        ],
    );
}

#[test]
fn rules_have_ids_of_their_own() {
    let then = "on: [a], then: { drop: true } }";
    rule_mistakes(
        &format!(
            "  - {{ id: Ab, {then}\n  - {{ id: a, {then}\n  - {{ id: -a, {then}\n  - {{ id: a, {then}\n  - {{ id: \"\", {then}\n"
        ),
        &[
            "3:11 rule Ab: \"id\" takes at most 64 of a-z, 0-9 and -, beginning with no -, not \"Ab\"",
            "5:11 rule -a: \"id\" takes at most 64 of a-z, 0-9 and -, beginning with no -, not \"-a\"",
            "6:11 rule a: the id \"a\" stands twice, first in line 4",
            "7:12 \"id\" takes at most 64 of a-z, 0-9 and -, beginning with no -, not \"\"",
        ],
    );
    rule_mistakes(
        &format!(
            "  - {{ id: {}, {then}\n  - {{ id: {}, {then}\n  - x\n",
            "a".repeat(64),
            "a".repeat(65)
        ),
        &[
            &format!(
                "4:11 \"id\" takes at most 64 of a-z, 0-9 and -, beginning with no -, not \"{}\"…",
                "a".repeat(60)
            ),
            "5:5 a rule takes a mapping, not \"x\"",
        ],
    );
}

#[test]
fn keys_of_rules_have_types_and_ranges() {
    let many = "a, ".repeat(64);
    rule_mistakes(
        &format!(
            "  - id: a\n    on: [{many}b]\n    provider: OpenIM\n    priority: -1\n    mode: on\n    on_error: deny\n    when: [a]\n    limit: Chatty\n    then: {{ tag: [x] }}\n"
        ),
        &[
            "4:202 rule a: \"on\" has 65 entries, limit is 64",
            "5:15 rule a: \"provider\" takes openim or tencent, not \"OpenIM\", did you mean \"openim\"?",
            "6:15 rule a: \"priority\" takes an integer from 0 to 1000000, not the integer -1",
            "7:11 rule a: \"mode\" takes enforce, shadow or off, not \"on\"",
            "8:15 rule a: \"on_error\" takes skip or match, not \"deny\"",
            "9:11 rule a: \"when\" takes a text, not a list",
            "10:12 rule a: \"limit\" takes a name of at most 64 of a-z, 0-9 and _ that begins with a letter, not \"Chatty\"",
        ],
    );
    rule_mistakes(
        "  - { id: a, on: [], then: { drop: true } }\n  - { id: b, on: a, then: [] }\n  - { id: c, on: [\"\"], then: {} }\n",
        &[
            "3:18 rule a: \"on\" is an empty list",
            "4:18 rule b: \"on\" takes a list, not \"a\"",
            "4:27 rule b: \"then\" takes a mapping, not a list",
            "5:20 rule c: an entry of \"on\" takes a kind or command, not \"\"",
            "5:30 rule c: \"then\" is empty: it holds an ending, changes or tags",
        ],
    );
}

#[test]
fn two_thousand_rules_and_two_hundred_tests_are_read_and_not_one_more() {
    use std::fmt::Write;
    let file = |rules: usize, tests: usize| {
        let mut text = "version: 1\nrules:\n".to_owned();
        for rule in 0..rules {
            writeln!(text, "- {{ id: r{rule}, on: [a], then: {{ drop: true }} }}")
                .expect("a string");
        }
        text.push_str("tests:\n");
        let test = "- { name: t, on: a, given: {}, expect: { tags: [] } }\n";
        text + &test.repeat(tests)
    };
    let most = good(&file(2000, 200));
    assert_eq!((most.rules.len(), most.tests.len()), (2000, 200));
    mistakes(
        &file(2001, 201),
        &[
            "2003:3 \"rules\" has 2001 entries, limit is 2000",
            "2205:3 \"tests\" has 201 entries, limit is 200",
        ],
    );
}
