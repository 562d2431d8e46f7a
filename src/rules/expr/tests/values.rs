//! Every operation on a request.

use super::{EvalError, compiled, eval};
use crate::event::Value;

const MENTIONS: &[Value<'static>] = &[Value::Text("u1"), Value::Text("Ü2"), Value::Text("")];
const SEQUENCES: &[Value<'static>] = &[Value::Int(7), Value::Int(-1)];
const MEMBERS: &[crate::event::Item<'static>] = &[
    &[
        ("user_id", Value::Text("u1")),
        ("role", Value::Text("owner")),
        ("level", Value::Int(100)),
        ("muted", Value::Bool(true)),
    ],
    &[("user_id", Value::Text("u2")), ("level", Value::Int(0))],
];

/// What a text gives on a request that has something everywhere but in `nickname`, `burn_seconds`,
/// `text_incomplete` and `ctx.deployment`.
fn on_full(text: &str) -> Result<String, EvalError> {
    eval(text, |world| {
        world.now = 1_700_000_000_000;
        world.inside = true;
        world.set("sender_id", Value::Text("s1"));
        world.set("group_id", Value::Text("g1"));
        world.set("text", Value::Text("Go to the CASINO, 赌博\u{200B}!"));
        world.set("extra", Value::Text(""));
        world.set("content_type", Value::Text("text"));
        world.set("sequence", Value::Int(42));
        world.set("pinned", Value::Bool(true));
        world.set("mentions", Value::List(MENTIONS));
        world.set("sequences", Value::List(SEQUENCES));
        world.set("members", Value::Items(MEMBERS));
        world.set("roleLevel", Value::Int(60));
        world.set("GiftWater.Count", Value::Int(3));
        world.set("provider", Value::Text("openim"));
        world.vars = vec![
            Ok(Value::Bool(true)),
            Ok(Value::Text("Zed")),
            Err(EvalError::Overflow),
            Ok(Value::Text("")),
        ];
    })
}

fn hold(texts: &[&str]) {
    for text in texts {
        assert_eq!(on_full(text).as_deref(), Ok("true"), "{text}");
    }
}

fn fail(error: EvalError, texts: &[&str]) {
    for text in texts {
        assert_eq!(on_full(text), Err(error), "{text}");
    }
}

#[test]
fn fields_are_read_wherever_they_are() {
    hold(&[
        r#"msg.sender_id == "s1""#,
        "msg.sequence == 42",
        "msg.pinned",
        "raw.roleLevel == 60",
        "raw.GiftWater.Count == 3",
        r#"ctx.provider == "openim""#,
        "now == 1700000000000",
        "windows.night",
        "vars.is_staff",
        r#"vars.who == "Zed""#,
    ]);
    fail(EvalError::Overflow, &["vars.length == 1", "vars.length > 1 && true"]);
}

#[test]
fn absent_reads_as_empty_and_has_tells_the_difference() {
    hold(&[
        r#"msg.nickname == """#,
        "msg.burn_seconds == 0",
        "!msg.text_incomplete",
        r#"ctx.deployment == """#,
        "!has(msg.nickname)",
        "!has(msg.burn_seconds)",
        "!has(ctx.deployment)",
        r#"has(msg.extra) && msg.extra == """#,
        "has(msg.mentions) && has(msg.members) && has(raw.roleLevel)",
        "msg.members.exists(m, has(m.role)) && !msg.members.all(m, has(m.role))",
        "msg.members.exists(m, !has(m.role) && m.role.size() == 0 && !m.muted)",
    ]);
}

#[test]
fn an_empty_request_answers_everything() {
    for (text, expected) in [
        (r#"msg.sender_id == """#, "true"),
        ("msg.mentions.all(x, false)", "true"),
        ("msg.members.exists(m, true)", "false"),
        ("size(msg.mentions) + msg.members.size() + msg.text.size()", "0"),
        (r#""" in msg.mentions"#, "false"),
        (r#"msg.text.contains("")"#, "true"),
        ("msg.text.fold().lowerAscii()", "\"\""),
        ("msg.text.hits(lists.banned)", "false"),
        ("msg.sender_id in lists.staff", "false"),
        ("now", "0"),
        ("vars.who", "\"\""),
        ("msg.sequence", "0"),
        ("msg.pinned", "false"),
    ] {
        assert_eq!(eval(text, |_| {}).as_deref(), Ok(expected), "{text}");
    }
    assert_eq!(eval("msg.mentions[0]", |_| {}), Err(EvalError::OutOfRange));
}

#[test]
fn texts_compare_by_code_point() {
    hold(&[
        r#""a" < "b" && "B" < "a" && "" < "a""#,
        // UTF-16 would put the emoji first.
        r#""\uffff" < "🎲""#,
        r#""赌" > "z""#,
        r#"msg.sender_id < "s2" && msg.sender_id <= "s1" && msg.sender_id >= "s1""#,
        r#"msg.sender_id > "s" && "s0" < msg.sender_id && msg.sender_id != "S1""#,
        "msg.sender_id < msg.sender_id == false",
        r#"vars.who > "A""#,
    ]);
}

#[test]
fn integers_compute_in_64_bits_and_cut_toward_zero() {
    hold(&[
        "7 / 2 == 3 && -7 / 2 == -3 && 7 % -2 == 1 && -7 % 2 == -1",
        "msg.sequence / -5 == -8 && -msg.sequence % 5 == -2",
        "1 + 2 * 3 - 4 / 2 == 5",
        "10 - 4 - 3 == 3 && 100 / 10 / 5 == 2",
        "msg.sequence - 40 - 1 == 1 && (msg.sequence - (40 - 1)) == 3",
        "0x2A == msg.sequence && -0x2a == -msg.sequence",
        "9223372036854775807 > -9223372036854775808",
        "-9223372036854775808 + 1 == -9223372036854775807",
        "msg.sequence <= 42 && msg.sequence >= 42 && msg.sequence < 43 && msg.sequence > 41",
        "43 > msg.sequence && 41 < msg.sequence && msg.sequence != 41",
    ]);
    fail(
        EvalError::Overflow,
        &[
            "9223372036854775807 + 1 > 0",
            "msg.sequence + 9223372036854775807 > 0",
            "-9223372036854775808 - msg.sequence < 0",
            "msg.sequence * 9223372036854775807 > 0",
            "-(msg.sequence - 42 + -9223372036854775808) > 0",
            "(msg.sequence - 42 + -9223372036854775808) / -1 > 0",
            "(msg.sequence - 42 + -9223372036854775808) % -1 == 0",
        ],
    );
    fail(
        EvalError::DivisionByZero,
        &["1 / msg.burn_seconds == 1", "msg.sequence % 0 == 1", "1 / 0 > 0", "1 % (1 - 1) == 0"],
    );
}

#[test]
fn in_looks_in_constants_fields_and_lists_of_ids() {
    hold(&[
        r#"msg.sender_id in ["a", "s1"]"#,
        r#"!(msg.sender_id in ["a", "s", "s11"])"#,
        r#"msg.sender_id in ["1","2","3","4","5","6","7","8","9","s1"]"#,
        r#"!(msg.sender_id in ["1","2","3","4","5","6","7","8","9","10"])"#,
        r#"vars.who in ["1","2","3","4","5","6","7","8","9","Zed"] && vars.who in ["Zed"]"#,
        "msg.sequence in [3, 42, -1] && !(msg.sequence in [1])",
        "msg.pinned in [true] && !(msg.pinned in [false]) && (1 == 1) in [true, false]",
        r#""u1" in msg.mentions && !("u9" in msg.mentions) && "" in msg.mentions"#,
        "-1 in msg.sequences && !(msg.sequence in msg.sequences)",
        r#"msg.sender_id in lists.staff && !(msg.group_id in lists.staff) && "s2" in lists.staff"#,
        "!msg.pinned in [false]",
    ]);
}

#[test]
fn lists_are_indexed_and_counted() {
    hold(&[
        r#"msg.mentions[0] == "u1" && msg.mentions[1 + 0] == "Ü2""#,
        "msg.sequences[1] == -1 && msg.sequences[size(msg.sequences) - 1] == -1",
        "size(msg.mentions) == 3 && msg.mentions.size() == 3 && size(msg.members) == 2",
    ]);
    fail(
        EvalError::OutOfRange,
        &[
            r#"msg.mentions[3] == """#,
            r#"msg.mentions[-1] == """#,
            "msg.sequences[msg.sequence] == 1",
            r#"msg.mentions[-9223372036854775808] == """#,
        ],
    );
}

#[test]
fn texts_are_searched() {
    hold(&[
        r#"msg.text.contains("CASINO") && !msg.text.contains("casino") && msg.text.contains("")"#,
        r#"msg.text.startsWith("Go") && !msg.text.startsWith("go") && msg.text.endsWith("!")"#,
        "msg.text.contains(msg.extra) && msg.text.startsWith(msg.extra)",
        "msg.text.endsWith(msg.extra)",
        "!msg.sender_id.contains(msg.text)",
        r#"msg.sender_id.startsWith(msg.pinned ? "s" : "x")"#,
        r#""abc".contains("b") && "abc".startsWith("ab") && "abc".endsWith("bc")"#,
        r#"msg.text.size() == 22 && size("赌博🎲") == 3"#,
        r#"msg.text.matches("[A-Z]{6}") && !msg.text.matches("^CASINO$")"#,
        r#"msg.text.matches("赌.") && msg.text.fold().matches("赌博!$")"#,
        "msg.text.hits(lists.banned) && !msg.sender_id.hits(lists.banned)",
        r#"msg.text.fold().contains("casino") && !msg.text.fold().contains("CASINO")"#,
        r#"msg.text.fold().hits(lists.banned) && "Casino".hits(lists.banned)"#,
        r#""ÀBC".lowerAscii() == "Àbc" && vars.who.lowerAscii() == "zed""#,
        r#"msg.sender_id.lowerAscii() == "s1""#,
    ]);
}

#[test]
fn loops_see_elements_and_fields_of_items() {
    hold(&[
        r#"msg.mentions.exists(x, x == "u1") && !msg.mentions.all(x, x == "u1")"#,
        r#"msg.mentions.exists(x, x.startsWith("Ü")) && msg.mentions.all(x, x.size() < 3)"#,
        "msg.sequences.exists(n, n < 0) && msg.sequences.all(n, n != 0)",
        r#"msg.members.exists(m, m.role == "owner") && !msg.members.all(m, m.role == "owner")"#,
        "msg.members.exists(m, m.muted && m.level > 60) && msg.members.all(m, m.level >= 0)",
        r#"msg.members.exists(m, m.user_id in ["u2", "x"] && !m.muted)"#,
        "msg.members.exists(m, m.user_id in msg.mentions)",
        r#"msg.members.exists(m, m.role in ["owner"]) && msg.members.exists(m, m.role < "p")"#,
        "msg.members.exists(m, m.user_id in lists.staff || msg.sender_id in lists.staff)",
    ]);
}

#[test]
fn the_first_operand_of_a_choice_decides_and_the_other_branch_is_not_asked() {
    hold(&[
        r#"(msg.pinned ? "a" : "b") == "a" && (msg.pinned ? 1 : 2) == 1"#,
        r#"(msg.text_incomplete ? "a" : vars.who) == "Zed""#,
        "msg.pinned ? true : msg.mentions[9] == \"\"",
        "(msg.pinned ? 1 : 1 / msg.burn_seconds) == 1",
        "true ? msg.pinned : 1 / 0 > 0",
        "msg.sequence > 0 ? (msg.sequence < 100 ? true : false) : false",
    ]);
    fail(EvalError::OutOfRange, &["msg.mentions[9] == \"\" ? true : true"]);
    fail(EvalError::DivisionByZero, &["1 / 0 == 1 ? true : true", "msg.pinned ? 1 / 0 > 0 : true"]);
}

/// A prototype had its one real bug in `exists`: an error before the item that decides.
#[test]
fn an_error_counts_only_where_no_other_operand_decides() {
    let error = r#"msg.mentions[9] == """#;
    for (text, expected) in [
        ("E && false", Ok("false")),
        ("false && E", Ok("false")),
        ("E || true", Ok("true")),
        ("true || E", Ok("true")),
        ("E && msg.text_incomplete", Ok("false")),
        ("msg.text_incomplete && E", Ok("false")),
        ("E || msg.pinned", Ok("true")),
        ("msg.pinned || E", Ok("true")),
        ("E || E || msg.pinned", Ok("true")),
        ("msg.pinned && E && msg.text_incomplete", Ok("false")),
        ("!(E && msg.text_incomplete)", Ok("true")),
        ("msg.sequences.exists(n, n < 0 || 1 / (n - 7) > 5)", Ok("true")),
        ("msg.sequences.all(n, 1 / (n - 7) > 5)", Ok("false")),
        ("msg.sequences.exists(n, n == -1 || E)", Ok("true")),
        ("msg.mentions.all(x, x == \"none\" && E)", Ok("false")),
        ("E", Err(EvalError::OutOfRange)),
        ("!(E)", Err(EvalError::OutOfRange)),
        ("E && true", Err(EvalError::OutOfRange)),
        ("E && msg.pinned", Err(EvalError::OutOfRange)),
        ("msg.pinned && E", Err(EvalError::OutOfRange)),
        ("E || msg.text_incomplete", Err(EvalError::OutOfRange)),
        ("msg.text_incomplete || E || false", Err(EvalError::OutOfRange)),
        ("(E) == (E)", Err(EvalError::OutOfRange)),
        ("msg.sequences.exists(n, n > 99 || E)", Err(EvalError::OutOfRange)),
        ("msg.sequences.all(n, n < 99 && E)", Err(EvalError::OutOfRange)),
    ] {
        assert_eq!(
            on_full(&text.replace('E', error)).as_deref(),
            expected.as_ref().copied(),
            "{text}"
        );
    }
}

#[test]
fn a_loop_over_more_than_a_thousand_items_is_an_error() {
    let many = |text: &str, items: usize| {
        let values: &'static [Value<'static>] = vec![Value::Int(1); items].leak();
        eval(text, |world| world.set("sequences", Value::List(values)))
    };
    assert_eq!(many("msg.sequences.all(n, n == 1)", 1000).as_deref(), Ok("true"));
    for text in ["msg.sequences.all(n, n == 1)", "msg.sequences.exists(n, n == 1)"] {
        assert_eq!(many(text, 1001), Err(EvalError::LoopTooLong), "{text}");
    }
    assert_eq!(
        many("1 in msg.sequences && size(msg.sequences) == 1001", 1001).as_deref(),
        Ok("true")
    );
}

#[test]
fn literals_are_those_of_cel() {
    hold(&[
        r#"'a' == "a" && '''a''' == """a""" && r"\n" == '\\n' && R'\'  == "\\""#,
        r#""\a\b\f\n\r\t\v\\\?\"\'\`" == '\x07\x08\x0C\x0A\X0d\x09\x0b\x5c\x3f\x22\x27\x60'"#,
        r#""\u8d4c\U0001F3B2\101\x41" == "赌🎲AA""#,
        "\"\"\"a\nb\"\"\" == \"a\\nb\" && '''it's''' == \"it's\"",
        "// a comment\n1 == 1 // another\n && 0x1f == 31",
        "true && !false && - -1 == 1 && !!true",
    ]);
}

#[test]
fn values_of_variables_have_their_type() {
    for (text, expected) in [
        ("msg.sequence * 2", "84"),
        ("msg.sender_id.lowerAscii()", "\"s1\""),
        (r#"msg.pinned ? "yes" : "no""#, "\"yes\""),
        (r#""constant""#, "\"constant\""),
        ("msg.pinned", "true"),
        ("vars.who", "\"Zed\""),
    ] {
        assert_eq!(on_full(text).as_deref(), Ok(expected), "{text}");
    }
    assert!(compiled("msg.sequence * 2").is_ok());
}
