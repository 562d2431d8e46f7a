//! The tree: what YAML a rule file may be, and where its texts are.

use super::super::file::{Condition, Text, TextLayout};
use super::{good, mistakes, read, read_bytes};

/// The condition of the only rule, which is written as `when` says.
fn when(when: &str) -> Text {
    let text = format!(
        "version: 1\nrules:\n  - id: r\n    on: [a]\n    when: {when}\n    then: {{ drop: true }}\n"
    );
    let mut file = good(&text);
    match file.rules.pop().and_then(|rule| rule.when) {
        Some(Condition::Expression(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// Value, then line and column of each of these parts of it.
fn places(text: &Text, parts: &[&str]) -> Vec<(u32, u32)> {
    let place = |part: &&str| text.position(text.value.find(part).expect("is in the text"));
    parts.iter().map(place).map(|place| (place.line, place.column)).collect()
}

#[test]
fn characters_of_a_plain_condition_have_places() {
    let text = when("msg.text == a && 赌.b # why");
    assert_eq!(&*text.value, "msg.text == a && 赌.b");
    assert_eq!(places(&text, &["msg", "a &&", "b"]), [(5, 11), (5, 23), (5, 30)]);
}

#[test]
fn characters_of_a_quoted_condition_have_places_behind_the_quotation_mark() {
    for written in ["'msg.text == \"a\"'", "\"msg.text == 'a'\""] {
        let text = when(written);
        assert_eq!(text.layout, TextLayout::Line, "{written}");
        assert_eq!(places(&text, &["msg", "a"]), [(5, 12), (5, 25)], "{written}");
    }
}

#[test]
fn characters_of_a_condition_that_goes_on_in_the_next_line_have_places() {
    for (written, column) in [
        ("msg.text ==  \n\n      'b' &&\n        msg.赌.a # why", 11),
        ("\"msg.text ==  \n\n      'b' &&\n        msg.赌.a\"", 12),
        ("'msg.text ==\r\n\n      \"b\" &&\r\n        msg.赌.a'", 12),
    ] {
        let text = when(written);
        let value = text.value.replace('"', "'");
        assert_eq!(value, "msg.text ==\n'b' && msg.赌.a", "{written}");
        assert_eq!(places(&text, &["msg", "b", "a"]), [(5, column), (7, 8), (8, 15)], "{written}");
    }
}

#[test]
fn of_escaped_and_folded_conditions_the_beginning_is_known() {
    let cases = [
        ("\"msg.text == \\\"a\\\"\"", (5, 12)),
        ("'msg.text == ''a'''", (5, 12)),
        ("\"msg.text == \\\n      a\"", (5, 12)),
        (">\n      msg.text ==\n      a", (6, 7)),
    ];
    for (written, place) in cases {
        let text = when(written);
        assert_eq!(text.layout, TextLayout::Unknown, "{written}");
        assert_eq!(places(&text, &["msg", "a"]), [place, place], "{written}");
    }
}

#[test]
fn characters_of_a_literal_condition_have_places() {
    for header in ["|", "|-", "|+", "| # why", "|6-"] {
        // The explicit indentation counts from the mapping's own, which is 4.
        let deep = if header == "|6-" { "          " } else { "      " };
        let text = when(&format!("{header}\n{deep}msg.a ||\n\n{deep}  赌.b\n{deep}|| c"));
        assert_eq!(text.value.trim_end(), "msg.a ||\n\n  赌.b\n|| c", "{header}");
        let column = u32::try_from(deep.len()).expect("short");
        let expected = [(6, column + 1), (8, column + 5), (9, column + 4)];
        assert_eq!(places(&text, &["msg", "b", "c"]), expected, "{header}");
    }
}

#[test]
fn empty_lines_before_a_literal_condition_move_no_place() {
    let text = when("|\n\n\n      msg.a ||\n      b");
    assert_eq!(&*text.value, "\n\nmsg.a ||\nb\n");
    assert_eq!(places(&text, &["msg", "b\n"]), [(8, 7), (9, 7)]);
}

#[test]
fn a_folded_condition_of_one_line_has_places() {
    let text = when(">-\n      msg.a || b");
    assert_eq!(places(&text, &["msg", "b"]), [(6, 7), (6, 16)]);
}

#[test]
fn line_ends_of_windows_and_a_byte_order_mark_move_no_place() {
    let text = "\u{feff}version: 1\r\nrules:\r\n  - id: r\r\n    on: [a]\r\n    when: |\r\n      赌 ||\r\n      b\r\n    thn: { drop: true }\r\n";
    let (file, lines) = read(text);
    let file = file.expect("readable");
    let Some(Condition::Expression(when)) = &file.rules[0].when else { panic!("{file:?}") };
    assert_eq!(&*when.value, "赌 ||\nb\n");
    assert_eq!(places(when, &["||", "b"]), [(6, 9), (7, 7)]);
    let expected = [
        "3:5 rule r: a rule lacks the key \"then\"",
        "8:5 rule r: a rule has no key \"thn\", did you mean \"then\"?",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn anchors_aliases_and_tags_are_refused_where_they_stand() {
    mistakes(
        "version: 1\nnote: &a x\nlists: *a\nvars: *b\nlimits: !foo\n  x: !!str y\nrules: &c []\n",
        &[
            "2:7 anchors are not for rule files; a text that begins with & stands in quotes",
            "3:8 aliases are not for rule files; a text that begins with * stands in quotes",
            "4:7 aliases are not for rule files; a text that begins with * stands in quotes",
            "5:9 tags are not for rule files; a text that begins with ! stands in quotes",
            "6:6 tags are not for rule files; a text that begins with ! stands in quotes",
            "7:8 anchors are not for rule files; a text that begins with & stands in quotes",
        ],
    );
}

#[test]
fn a_negation_without_quotes_is_answered_with_quotes() {
    let rule = "version: 1\nrules:\n  - { id: r, on: [a], when: !vars.a, then: { drop: true } }\n";
    let message =
        "3:29 rule r: tags are not for rule files; a text that begins with ! stands in quotes";
    // Tags are seen before rules are known.
    mistakes(rule, &[&message.replace("rule r: ", "")]);
}

#[test]
fn a_repeated_key_is_refused_at_its_second_place() {
    mistakes(
        "version: 1\nversion: 2\nrules: []\n\"rules\": x\nvars: { a: true, b: true, a: 1 }\n",
        &[
            "2:1 \"version\" stands here twice, first in line 1",
            "4:2 \"rules\" stands here twice, first in line 3",
            "5:27 \"a\" stands here twice, first in line 5",
        ],
    );
}

#[test]
fn keys_are_texts() {
    mistakes(
        "version: 1\n1: a\ntrue: a\nnull: a\n? [a]\n: b\n? {a: b}\n: c\n: d\nrules: []\n*x : y\n",
        &[
            "2:1 a key is a text, not 1; put it in quotes",
            "3:1 a key is a text, not true; put it in quotes",
            "4:1 a key is a text, not null; put it in quotes",
            "5:3 a key is a text, not a list or mapping",
            "7:3 a key is a text, not a list or mapping",
            "9:1 a key is missing",
            "11:1 aliases are not for rule files; a text that begins with * stands in quotes",
        ],
    );
}

#[test]
fn nulls_are_refused_where_the_key_is_or_the_null_itself() {
    mistakes(
        "version: 1\nnote: ~\nlists:\nvars: { a, b: null }\nrules:\n  -\n  - null\n",
        &[
            "2:7 \"note\" takes a text, not null",
            "3:1 \"lists\" takes a mapping, not null",
            "4:9 the variable \"a\" takes a text, not null",
            "4:15 the variable \"b\" takes a text, not null",
            "6:4 a rule takes a mapping, not null",
            "7:5 a rule takes a mapping, not null",
        ],
    );
}

#[test]
fn a_second_document_is_refused_and_the_first_is_read() {
    let (file, lines) = read("version: 2\nrules: []\n---\nversion: 1\n");
    assert!(file.is_some());
    let expected = [
        "1:10 version 2 is not known here; this reads version 1",
        "3:1 a second document; a rule file is one document",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn one_document_may_have_marks_of_its_beginning_and_end() {
    good("%YAML 1.2\n---\nversion: 1\nrules: []\n...\n");
}

#[test]
fn what_is_no_yaml_ends_the_search_with_its_place() {
    let cases: [(&[u8], &str); 13] = [
        (b"", "1:1 the file is empty; it begins with version: 1"),
        (b"\xef\xbb\xbf# only a comment\n", "1:1 the file is empty; it begins with version: 1"),
        (b"version: 1\nrules: [\n", "2:8 not valid YAML: unclosed bracket '['"),
        (b"version: 1\nvars: { a: \xff }\n", "2:12 the file is not UTF-8 from here on"),
        (b"\xff\xfev\0", "1:1 the file is not UTF-8 from here on"),
        ("赌: \"\u{1}\"\n".as_bytes(), "1:5 the character U+0001 may not stand in YAML"),
        (b"version: 1\0\n", "1:11 the character U+0000 may not stand in YAML"),
        ("a: \u{80}\n".as_bytes(), "1:4 the character U+0080 may not stand in YAML"),
        (
            b"vars:\n  a: x ? y : z\n",
            "2:12 not valid YAML: \": \" inside a text; put the text in quotes",
        ),
        (b"a: @b\n", "1:4 not valid YAML: a text that begins with '@' stands in quotes"),
        (
            b"a: !b!c d\n",
            "1:4 tags are not for rule files; a text that begins with ! stands in quotes",
        ),
        (
            b"a:\n\t- b\n",
            "2:2 not valid YAML: tabs disallowed within this context (block indentation)",
        ),
        (b"a: 'b\n", "2:1 not valid YAML: invalid indentation in multiline quoted scalar"),
    ];
    for (bytes, expected) in cases {
        let (file, lines) = read_bytes(bytes);
        assert!(file.is_none(), "{expected}");
        assert_eq!(lines, [expected]);
    }
}

#[test]
fn what_is_no_mapping_is_no_rule_file() {
    mistakes("- version: 1\n", &["1:1 a rule file takes a mapping, not a list"]);
    mistakes("a text\n", &["1:1 a rule file takes a mapping, not \"a text\""]);
}

#[test]
fn a_list_that_is_not_indented_is_at_its_first_dash() {
    mistakes("version: 1\nrules: []\nvars:\n- a\n", &["4:1 \"vars\" takes a mapping, not a list"]);
    mistakes(
        "version: 1\nrules: []\nvars:\n  - a\n",
        &["4:3 \"vars\" takes a mapping, not a list"],
    );
}

#[test]
fn sixteen_levels_are_read_and_not_one_more() {
    let file = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        // The file, its tests, the test and `given` are four.
        format!(
            "version: 1\nrules: []\ntests:\n  - name: t\n    on: a\n    given: {{ b: {open}{close} }}\n    expect: {{ tags: [] }}\n"
        )
    };
    good(&file(12));
    let (none, lines) = read(&file(13));
    assert!(none.is_none());
    assert_eq!(lines, ["6:29 more than 16 mappings and lists around one another"]);
}

#[test]
fn a_hundred_thousand_nodes_are_read_and_not_one_more() {
    let file = |entries: usize| {
        let entries = "a,".repeat(entries);
        format!("version: 1\nrules: []\nlists: {{ a: {{ kind: ids, items: [{entries}] }} }}\n")
    };
    // Eleven are something else.
    assert_eq!(good(&file(99_987)).lists.len(), 1);
    let (none, lines) = read(&file(99_990));
    assert!(none.is_none());
    assert_eq!(lines.len(), 1);
    assert!(lines[0].ends_with("more than 100000 keys and values"), "{lines:?}");
}

#[test]
fn a_mebibyte_is_read_and_not_one_byte_more() {
    let mut text = "version: 1\nrules: []\n".to_owned();
    text.extend(std::iter::repeat_n('#', 1024 * 1024 - text.len()));
    good(&text);
    text.push('#');
    let (none, lines) = read(&text);
    assert!(none.is_none());
    assert_eq!(lines, ["1:1 the file is 1048577 bytes, limit is 1048576"]);
}
