//! Every mistake that an author can make: where it points, and what it says.

use super::{compiled, mistake};
use crate::rules::expr::testing::Table;
use crate::rules::expr::{ExprError, compile};
use crate::rules::schema::Scalar;

/// Texts, the word that the mistake points at, and the sentence.
fn say(cases: &[(&str, &str, &str)]) {
    for (text, there, message) in cases {
        let found = mistake(text);
        assert_eq!((found.0.as_str(), found.1.as_str()), (*there, *message), "{text}");
    }
}

#[test]
fn names_that_are_none_get_the_one_that_may_be_meant() {
    say(&[
        (
            r#"msg.sender_id == "x" && msg.groupid == "g""#,
            "groupid",
            r#"no field "groupid", did you mean "group_id"?"#,
        ),
        (r#"sender_id == "a""#, "sender_id", r#"no name "sender_id", did you mean msg.sender_id?"#),
        ("is_staff", "is_staff", r#"no name "is_staff", did you mean vars.is_staff?"#),
        ("night", "night", r#"no name "night", did you mean windows.night?"#),
        (r#""a" in staff"#, "staff", r#"no name "staff", did you mean lists.staff?"#),
        (
            r#"deployment == "a""#,
            "deployment",
            r#"no name "deployment", did you mean ctx.deployment?"#,
        ),
        ("roleLevel > 5", "roleLevel", r#"no name "roleLevel", did you mean raw.roleLevel?"#),
        (r#"mgs.sender_id == "x""#, "mgs.sender_id", r#"no name "mgs", did you mean "msg"?"#),
        (
            "abracadabra",
            "abracadabra",
            "no name \"abracadabra\"; names begin with msg., raw., ctx., vars., windows. or \
             lists., texts stand in quotes",
        ),
        (
            "raw.GiftWater.Count > 5 && raw.GiftWater.Cont > 1",
            "GiftWater.Cont",
            r#"no field "GiftWater.Cont", did you mean "GiftWater.Count"?"#,
        ),
        ("has(msg.tet)", "tet)", r#"no field "tet", did you mean "text"?"#),
        ("windows.nigth", "nigth", r#"no window "nigth""#),
        ("vars.whom == 1", "whom", r#"no variable "whom""#),
        ("msg.text.hits(lists.banne)", "banne)", r#"no list "banne", did you mean "banned"?"#),
        (
            r#"msg.members.exists(m, m.rle == "owner")"#,
            "rle",
            r#"m has no field "rle", did you mean "role"?"#,
        ),
        (
            "msg.members.exists(m, has(m.something))",
            "something))",
            r#"m has no field "something"; it has user_id, role, level, muted"#,
        ),
    ]);
}

#[test]
fn roots_and_lists_are_no_values() {
    say(&[
        ("msg", "msg", "msg is no value: name a field, msg.…"),
        ("vars", "vars", "vars is no value: name one, vars.…"),
        (
            "lists.staff",
            "staff",
            "lists.staff is no value: write x in lists.staff, or x.hits(lists.staff)",
        ),
        (r#""a" in lists"#, "lists", "lists is no value: name a list, lists.…"),
        (r#""a" in lists.staff.x"#, "x", r#"lists have no fields, "x" is none"#),
        ("now.x == 1", "x", r#"now has no fields, "x" is none"#),
        ("vars.who.x", "x", r#"vars.who has no fields, "x" is none"#),
        ("msg.text.foo.bar == 1", "foo.bar", r#"msg.text is string, it has no field "foo""#),
        ("msg.text.size == 1", "size", "size is a function, write msg.text.size(…)"),
        ("msg.mentions.foo == 1", "foo", r#"msg.mentions is a list, it has no field "foo""#),
        ("msg.text.fold().foo == 1", "foo", r#"msg.text.fold() has no fields, "foo" is none"#),
        (
            r#"msg.members.role == "owner""#,
            "role",
            "msg.members is a list of items; ask msg.members.exists(x, x.role == …)",
        ),
        (
            r#"msg.members[0].role == "owner""#,
            "members[0].role",
            "msg.members is a list of items, [] is for lists of single values; ask \
             msg.members.exists(x, …)",
        ),
    ]);
}

#[test]
fn words_that_a_field_never_has_are_refused() {
    say(&[
        (
            r#"msg.content_type == "picture""#,
            r#""picture""#,
            "msg.content_type is never \"picture\"; its words are text, image, typing, audio",
        ),
        (
            r#"msg.content_type in ["text", "imag"]"#,
            r#""imag"]"#,
            "msg.content_type is never \"imag\", did you mean \"image\"? Its words are text, \
             image, typing, audio",
        ),
        (
            r#""Text" != msg.content_type"#,
            r#""Text""#,
            "msg.content_type is never \"Text\", did you mean \"text\"? Its words are text, \
             image, typing, audio",
        ),
        (
            r#"msg.content_type != """#,
            r#""""#,
            "msg.content_type is never \"\"; ask !has(msg.content_type); its words are text, \
             image, typing, audio",
        ),
        (
            r#"msg.members.all(m, m.role != "guest")"#,
            r#""guest")"#,
            "m.role is never \"guest\"; its words are owner, admin, member",
        ),
        (
            r#"ctx.provider == "opemin""#,
            r#""opemin""#,
            "ctx.provider is never \"opemin\", did you mean \"openim\"? Its words are openim, \
             tencent",
        ),
    ]);
    // Nothing is known about words that are made, or of open fields.
    for text in [r#"msg.content_type.fold() == "Text""#, r#"msg.content_type < "b""#] {
        assert!(compiled(text).is_ok(), "{text}");
    }
}

#[test]
fn types_that_do_not_fit_are_both_named() {
    say(&[
        (
            r#"msg.sequence == "a""#,
            r#""a""#,
            r#"== compares two of one type, msg.sequence is int and "a" is string"#,
        ),
        (
            "msg.sequence < true",
            "true",
            "< compares two of one type, msg.sequence is int and true is bool",
        ),
        ("1 == 1 == 2", "2", "== compares two of one type, 1 == 1 is bool and 2 is int"),
        ("msg.pinned < true", "pinned", "< is for ints and strings, msg.pinned is bool"),
        (
            r#"msg.mentions == "a""#,
            r#""a""#,
            "== compares single values, msg.mentions is a list of strings; write \"a\" in \
             msg.mentions",
        ),
        (
            r#""a" == msg.mentions"#,
            "mentions",
            "== compares single values, msg.mentions is a list of strings; write \"a\" in \
             msg.mentions",
        ),
        (
            "msg.members != msg.members",
            "members",
            "!= compares single values, msg.members is a list of items; ask size(msg.members), \
             or msg.members.exists(x, …)",
        ),
        ("msg.sequence", "sequence", "a condition is bool, this is int"),
        ("msg.mentions", "mentions", "expected bool, this is a list of strings"),
        ("msg.text && true", "text", "&& is for bools, msg.text is string"),
        ("true || msg.sequence + 1", "msg.sequence", "|| is for bools, msg.sequence + 1 is int"),
        ("!msg.text", "text", "! is for bools, msg.text is string"),
        (r#"-msg.text == """#, "text", "- is for ints, msg.text is string"),
        (
            r#"msg.text + "x" == "y""#,
            "text",
            "+ is for ints, msg.text is string; conditions do not join texts",
        ),
        ("1 - msg.pinned == 1", "pinned", "- is for ints, msg.pinned is bool"),
        (
            r#"msg.pinned ? 1 : "a""#,
            r#""a""#,
            r#"both results of ?: have one type, 1 is int and "a" is string"#,
        ),
        ("msg.text ? true : false", "text", "the condition before ? is bool, msg.text is string"),
        (
            "msg.pinned ? msg.mentions : msg.mentions",
            "mentions",
            "?: gives a string, an int or a bool, msg.mentions is a list of strings",
        ),
        (r#"msg.mentions["0"] == """#, r#""0"]"#, r#"an index is an int, "0" is string"#),
        (r#"msg.text[0] == """#, "text[0]", "[] is for lists, msg.text is string"),
    ]);
}

#[test]
fn in_says_what_to_write_instead() {
    say(&[
        (
            "!msg.sender_id in lists.staff",
            "!msg.sender_id",
            "!msg.sender_id in … means (!msg.sender_id) in …; write !(msg.sender_id in …)",
        ),
        (
            r#"!msg.sender_id == "a""#,
            "!msg.sender_id",
            "!msg.sender_id == … means (!msg.sender_id) == …; write !(msg.sender_id == …)",
        ),
        (
            r#""x" in msg.text"#,
            "text",
            r#"in looks in a list, msg.text is string; write msg.text.contains("x")"#,
        ),
        ("1 in msg.sequence", "sequence", "in looks in a list, msg.sequence is int"),
        (
            "msg.sender_id in lists.banned",
            "banned",
            "lists.banned is a list of words, in looks in lists of ids; use hits(lists.banned)",
        ),
        (
            "msg.text.hits(lists.staff)",
            "staff)",
            "lists.staff is a list of ids, hits looks for words; use x in lists.staff",
        ),
        ("msg.sequence in lists.staff", "sequence", "lists hold strings, msg.sequence is int"),
        ("1 in msg.mentions", "1", "msg.mentions is a list of strings, 1 is int"),
        (
            "msg.sender_id in msg.members",
            "members",
            "msg.members is a list of items; write msg.members.exists(x, x.… == msg.sender_id)",
        ),
        (r#"msg.sequence in [1, "a"]"#, r#""a"]"#, r#"msg.sequence is int, "a" is string"#),
        ("msg.sequence in []", "[]", "a list holds 1 to 64 constants, this one is empty"),
        (
            "msg.sequence in [msg.burn_seconds]",
            "burn_seconds]",
            "a list holds constants only, msg.burn_seconds is none",
        ),
        (
            r#"msg.mentions in ["a"]"#,
            "mentions",
            "in looks for a single value, msg.mentions is a list of strings",
        ),
    ]);
}

#[test]
fn functions_that_are_none_or_elsewhere() {
    say(&[
        (
            r#"msg.text.contain("x")"#,
            r#"contain("x")"#,
            r#"no function "contain", did you mean "contains"?"#,
        ),
        (
            r#"contains(msg.text, "x")"#,
            "contains(msg.text,",
            "contains stands behind what it asks: write x.contains(…)",
        ),
        ("msg.text.has()", "has()", "has stands before what it asks: write has(…)"),
        ("msg.mentions.map(x, x)", "map(x,", "map is not part of conditions"),
        (r#"int("5") == 5"#, r#"int("5")"#, "int is not part of conditions"),
        (
            "frobnicate(1)",
            "frobnicate(1)",
            "no function \"frobnicate\"; there are has, contains, startsWith, endsWith, \
             lowerAscii, fold, matches, hits, exists, all, size",
        ),
        ("msg.text.contains()", "contains()", "contains takes 1 argument, here are 0"),
        (
            "msg.text.lowerAscii(1) == \"\"",
            "lowerAscii(1)",
            "lowerAscii takes no arguments, here are 1",
        ),
        ("msg.mentions.exists(x)", "exists(x)", "exists takes 2 arguments, here are 1"),
        ("size() == 1", "size()", "size takes 1 argument, here are 0"),
        ("size(1) == 1", "1)", "size is for strings and lists, 1 is int"),
        ("msg.text.contains(1)", "1)", "contains looks for a string, 1 is int"),
        (
            r#"msg.sequence.contains("1")"#,
            r#"sequence.contains("1")"#,
            "contains is for strings, msg.sequence is int",
        ),
        (
            r#"msg.mentions.contains("x")"#,
            r#"contains("x")"#,
            "contains is for strings, msg.mentions is a list of strings; write \"x\" in \
             msg.mentions",
        ),
        (
            r#"msg.mentions.startsWith("x")"#,
            r#"startsWith("x")"#,
            "startsWith is for strings, msg.mentions is a list of strings; write \
             msg.mentions.exists(x, x.startsWith(\"x\"))",
        ),
        ("msg.text.matches(msg.extra)", "extra)", "a pattern is a constant, msg.extra is computed"),
        ("msg.text.matches(\"(\")", "\"(\")", "\"(\" is no pattern"),
        (
            "msg.text.hits(msg.extra)",
            "extra)",
            "hits looks for a list of words, hits(lists.…), msg.extra is none",
        ),
        (
            "lists.staff.contains(msg.text)",
            "staff.contains(msg.text)",
            "lists.staff is no value: write x in lists.staff, or x.hits(lists.staff)",
        ),
        (
            "has(vars.is_staff)",
            "is_staff)",
            "has asks for a field of msg, raw, ctx or of an item: has(msg.nickname)",
        ),
        ("has(msg)", "msg)", "msg is no value: name a field, msg.…"),
        ("has(msg.text.x)", "x)", r#"msg.text is string, it has no field "x""#),
    ]);
}

#[test]
fn loops_take_a_new_name_and_one_level() {
    say(&[
        (
            "msg.members.exists(m, msg.mentions.all(x, x == \"\"))",
            "all(x,",
            "all stands in another loop, one level is allowed",
        ),
        ("msg.members.exists(msg, true)", "msg,", "msg has a meaning already, choose another name"),
        (
            "msg.members.exists(1, true)",
            "1,",
            "exists begins with a name for the item, exists(x, …), 1 is none",
        ),
        (
            r#"msg.members.exists(m, m == "own")"#,
            "m",
            "m is an item: name a field of it, m.…; it has user_id, role, level, muted",
        ),
        ("msg.mentions.exists(x, x.a == \"\")", "a", r#"x has no fields, "a" is none"#),
        ("msg.mentions.exists(x, x)", "x)", "exists asks for a bool, x is string"),
        ("msg.text.exists(x, true)", "text.exists(x,", "exists is for lists, msg.text is string"),
        // The name is gone behind the loop.
        (
            "msg.mentions.exists(elem, true) && elem == \"\"",
            "elem",
            "no name \"elem\"; names begin with msg., raw., ctx., vars., windows. or lists., \
             texts stand in quotes",
        ),
    ]);
}

#[test]
fn what_conditions_leave_out_is_told_from_mistakes() {
    say(&[
        ("1u == 1", "1u", "1u is a uint; conditions know int only, leave the u out"),
        ("0x1FU == 1", "0x1FU", "0x1FU is a uint; conditions know int only, leave the u out"),
        ("1.5 == 1.5", "1.5", "1.5 is a double; conditions know whole numbers only"),
        ("1e3 == 1", "1e3", "1e3 is a double; conditions know whole numbers only"),
        (".5 == 1", ".5", ".5 is a double; conditions know whole numbers only"),
        ("12abc == 1", "12abc", "12abc is no number"),
        ("b\"x\" == b\"x\"", "b\"x\"", "bytes are not part of conditions, leave the b out"),
        ("rb\"x\" == \"\"", "rb\"x\"", "rb is no prefix of a text"),
        (
            "msg.text == null",
            "null",
            "null is not part of conditions: an absent field reads as empty, has() tells them apart",
        ),
        ("{\"a\": 1} == {}", "{\"a\":", "maps and messages are not part of conditions"),
        ("[1, 2] == [1]", "[1,", "a list of constants stands only behind in: x in [\"a\", \"b\"]"),
        (
            "msg.?text == \"\"",
            ".?text",
            "optional values are not part of conditions: an absent field reads as empty",
        ),
        (
            "msg.mentions[?0] == \"\"",
            "[?0]",
            "optional values are not part of conditions: an absent field reads as empty",
        ),
        (".msg.text == \"\"", "msg.text", ".msg begins with a dot that has no meaning"),
        ("`msg` == \"\"", "`msg`", "'`' has no meaning here"),
    ]);
}

#[test]
fn texts_that_are_no_expressions() {
    say(&[
        ("", "", "the expression is empty"),
        ("  // only a comment", "//", "the expression is empty"),
        ("msg.pinned &&", "", "the expression ends too early"),
        ("msg.pinned ? true", "", "the expression ends too early"),
        ("msg.pinned && )", ")", ") closes nothing"),
        ("(msg.pinned", "(msg.pinned", "( is not closed"),
        ("msg.mentions[0) == \"\"", ")", ") does not close ["),
        (
            "msg.pinned msg.pinned",
            "msg.pinned",
            "msg is not expected here, an operator is missing before it",
        ),
        ("msg.pinned AND msg.pinned", "AND", "AND has no meaning here, && is and"),
        ("not msg.pinned", "not", "not has no meaning here, ! is not"),
        (
            "true ? true ? true : true : true",
            "?",
            "? is not expected here, an inner ?: stands in brackets",
        ),
        ("msg.text contains \"x\"", "contains", "contains is a function: write x.contains(…)"),
        ("msg.pinned ? true : false : true", ":", ": is not expected here"),
        ("if == 1", "if", "if is a reserved word of CEL"),
        ("\"abc", "\"abc", "the text that begins here has no closing \""),
        ("'a\nb' == ''", "'a", "the text that begins here has no closing '"),
        ("'''a", "'''a", "the text that begins here has no closing '''"),
        (
            "\"\\q\" == \"\"",
            "\\q\"",
            "\\q is no escape; a backslash itself is \\\\, or put r before the text",
        ),
        ("\"\\ud800\" == \"\"", "\\ud800\"", "\\u here names no character"),
        (
            "9223372036854775808 == 1",
            "9223372036854775808",
            "9223372036854775808 does not fit 64 bits",
        ),
        (
            "0xFFFFFFFFFFFFFFFF == 1",
            "0xFFFFFFFFFFFFFFFF",
            "0xFFFFFFFFFFFFFFFF does not fit 64 bits",
        ),
        ("msg.sender_id = \"a\"", "=", "one = has no meaning, == compares"),
        ("true & true", "&", "one & has no meaning, && is and"),
        ("true | true", "|", "one | has no meaning, || is or"),
        ("“abc” == msg.text", "“abc”", "“ has no meaning here; texts stand in \" or '"),
        ("true\0", "\0", "'\\0' has no meaning here"),
    ]);
}

/// The place is exact behind characters of several bytes, line breaks and comments.
#[test]
fn places_are_bytes_wherever_the_mistake_stands() {
    say(&[
        (
            r#"(msg.text == "赌博🎲" && msg.tex == "")"#,
            "tex",
            r#"no field "tex", did you mean "text"?"#,
        ),
        (
            "// 中文\nmsg.pinned // 🎲\r\n  && \"é\" == 1",
            "1",
            r#"== compares two of one type, "é" is string and 1 is int"#,
        ),
        (
            "msg.pinned ||\n\t\"赌\" \"博\" == ''",
            "\"博\"",
            "\"博\" is not expected here, an operator is missing before it",
        ),
    ]);
}

#[test]
fn a_broken_variable_is_reported_where_it_stands_only() {
    let mut table = Table::of_all_kinds();
    let error = compile("true && vars.broken", Some(Scalar::Bool), &mut table).unwrap_err();
    assert_eq!(error, ExprError { offset: 13, message: None });
}

#[test]
fn a_wanted_type_is_asked_for() {
    let mut table = Table::of_all_kinds();
    let mut of = |text, wanted| compile(text, wanted, &mut table).map(|expr| expr.scalar());
    assert_eq!(of("msg.text", None), Ok(Scalar::Text));
    assert_eq!(of("msg.sequence", Some(Scalar::Int)), Ok(Scalar::Int));
    let error = of("msg.text", Some(Scalar::Int)).unwrap_err();
    assert_eq!(error.message.as_deref(), Some("expected int, this is string"));
    let error = of("msg.mentions", None).unwrap_err();
    let message = "expected a string, an int or a bool, this is a list of strings";
    assert_eq!(error.message.as_deref(), Some(message));
}
