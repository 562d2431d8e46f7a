//! Sizes, and texts that want to hurt: each is an expression or a mistake with a place in the text, soon,
//! on the stack of a test (2 MiB).

use super::{compiled, mistake};
use crate::rules::expr::testing::Table;
use crate::rules::expr::{Constant, compile};
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// Compiling takes less than this, whatever the text; tests run in the slow profile.
const SOON: Duration = Duration::from_millis(50);

/// Compiles a text of any kind, and looks at the time and at the place of the mistake.
fn survives(text: &str) -> bool {
    let shown: String = text.chars().take(60).collect();
    let mut table = Table::of_all_kinds();
    // The fastest of three: other tests run at the same time.
    let mut fastest = Duration::MAX;
    let mut accepted = false;
    for _ in 0..3 {
        let start = now();
        let result = compile(text, None, &mut table);
        fastest = fastest.min(start.elapsed());
        if let Err(error) = &result {
            assert!(text.is_char_boundary(error.offset), "{shown}: {error:?}");
            assert!(error.message.as_deref().is_none_or(|m| !m.is_empty() && m.len() < 1000));
        }
        accepted = result.is_ok();
        if fastest < SOON {
            break;
        }
    }
    assert!(fastest < SOON, "{shown} takes {fastest:?}");
    accepted
}

#[expect(clippy::disallowed_methods, reason = "a test of time")]
fn now() -> Instant {
    Instant::now()
}

fn joined(term: &str, sign: &str, count: usize) -> String {
    vec![term; count].join(sign)
}

fn nested(open: &str, inner: &str, close: &str, depth: usize) -> String {
    format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
}

#[test]
fn a_text_has_at_most_4_kib() {
    let full = format!("true //{}", "x".repeat(4096 - 7));
    assert!(compiled(&full).is_ok());
    let over = format!("{full}x");
    assert_eq!(mistake(&over).1, "the expression has 4097 bytes, the limit is 4096");
}

#[test]
fn an_expression_has_at_most_256_names_constants_and_operators() {
    // 128 constants and 127 signs; the comparison makes it 257.
    assert!(compiled(&joined("1", "+", 128)).is_ok());
    let (there, message) = mistake(&format!("{} == 7", joined("1", "+", 128)));
    assert_eq!(there, "7");
    assert!(message.contains("more than 256 names, constants and operators"), "{message}");
    // A path is one name, a list counts by its own limit.
    assert!(compiled(&joined("msg.pinned", " || ", 128)).is_ok());
    let list = joined("1", ",", 64);
    assert!(compiled(&joined(&format!("1 in [{list}]"), "||", 20)).is_ok());
}

#[test]
fn a_list_has_at_most_64_constants() {
    assert!(compiled(&format!("1 in [{}]", joined("1", ",", 64))).is_ok());
    let (there, message) = mistake(&format!("1 in [{},-2]", joined("1", ",", 64)));
    assert_eq!(there, "2]");
    assert!(message.contains("at most 64 constants"), "{message}");
}

#[test]
fn operations_nest_24_deep_and_chains_count_once() {
    assert!(compiled(&nested("!(", "msg.pinned", ")", 24)).is_ok());
    let (there, message) = mistake(&nested("!(", "msg.pinned", ")", 25));
    assert_eq!(there, "!(msg.pinned)))))))))))))))))))))))))");
    assert!(message.contains("more than 24 deep"), "{message}");
    for chain in ["&&", "||"] {
        assert!(compiled(&joined("msg.pinned", chain, 100)).is_ok(), "{chain}");
    }
    for chain in ["+", "-", "*", "/", "%"] {
        let text = joined("msg.sequence", chain, 100);
        assert!(compiled(&text).is_ok(), "{chain}");
    }
    let deep = nested("(true && (false || ", "msg.pinned", "))", 12);
    assert!(compiled(&deep).is_ok());
    assert!(mistake(&format!("({deep}) == !(true && {deep})")).1.contains("more than 24 deep"));
    // Needless brackets nest nothing.
    assert!(compiled(&nested("(", "msg.pinned", ")", 60)).is_ok());
    assert!(mistake(&nested("(", "msg.pinned", ")", 65)).1.contains("nest more than 64 deep"));
    let choices = "msg.pinned ? true : ".repeat(24);
    assert!(compiled(&format!("{choices}true")).is_ok());
    assert!(mistake(&format!("{choices}true ? true : true")).1.contains("more than 24 deep"));
}

#[test]
fn texts_that_want_to_hurt_are_told_so_soon() {
    let shapes = [
        "(",
        ")",
        "[",
        "]",
        "!",
        "-",
        "((",
        "!(",
        "-(",
        "[[",
        "1+",
        "1,",
        "a.",
        ".a",
        "a[",
        "f(",
        "a.f(",
        "true&&",
        "true||(",
        "a?",
        "a?b:",
        "a?(b:",
        ":",
        ",",
        ".",
        "\"",
        "'",
        "'''",
        "r'",
        "\\",
        "/",
        "//",
        "/*",
        "0x",
        "9",
        "9.",
        "1e",
        "in ",
        "a in ",
        "[1,",
        "x.all(y,",
        "\0",
        "\u{1}",
        "é",
        "🎲",
        "“",
        "=",
        "==",
        "<",
        "a==",
        "a<b<",
        "{",
        "}",
        "has(",
        "size(",
        "\n",
        "\r\n",
        "\t",
        "a ",
        "1 ",
        "'a' ",
        "!!a.",
        "--1",
        "- -1-",
        "a.b.c[0].d().",
        "msg.text.fold().",
        "b'",
        "br\"",
        "`",
        "a.`b`",
    ];
    for shape in shapes {
        for size in [3_usize, 96, 200, 4096, 100_000] {
            let text = shape.repeat(size.div_ceil(shape.len()));
            survives(&text);
            survives(&format!("true && {text}"));
            survives(&format!("{}1", &text[..text.floor_char_boundary(4095)]));
        }
    }
    for (open, close) in
        [("(", ")"), ("[", "]"), ("a[", "]"), ("f(", ")"), ("!(", ")"), ("x.all(y,", ")")]
    {
        for depth in [23, 24, 25, 60, 64, 65, 500, 2000] {
            survives(&nested(open, "1", close, depth));
        }
    }
    for sign in ["+", "&&", "||", "==", "<", "in", "?", ":", ",", ".", "?1:", "*", " "] {
        for count in [2, 128, 129, 2000, 10_000] {
            survives(&joined("1", &format!(" {sign} "), count));
            survives(&joined("msg.pinned", &format!(" {sign} "), count));
        }
    }
}

/// Left operands that are bools in `!a == b` are looked at once; looking twice at each level would
/// take 2^24 steps.
#[test]
fn a_negation_on_the_left_is_checked_once() {
    let mut text = "!msg.pinned == true".to_owned();
    for _ in 0..11 {
        text = format!("!({text}) == true");
    }
    assert!(survives(&text));
}

#[test]
fn what_holds_for_every_request_is_known_to_be_constant() {
    for (text, expected) in [
        ("1 + 1 == 2 && 'a' < 'b'", Some(Constant::Bool(true))),
        ("msg.pinned && 1 == 2", Some(Constant::Bool(false))),
        ("msg.pinned || true", Some(Constant::Bool(true))),
        ("1 / 0 > 0 || msg.pinned || 2 > 1", Some(Constant::Bool(true))),
        ("1 / 0 > 0", Some(Constant::Fails(super::EvalError::DivisionByZero))),
        ("1 / 0 > 0 || msg.pinned", None),
        ("'ABC'.lowerAscii()", Some(Constant::Text("abc".into()))),
        ("2 * 3 - size('abc')", Some(Constant::Int(3))),
        ("2 > 1 ? 5 : msg.sequence", Some(Constant::Int(5))),
        ("msg.pinned", None),
        ("!(1 == 2)", Some(Constant::Bool(true))),
        ("'b' in ['a', 'b'] == (3 in [1, 2])", Some(Constant::Bool(false))),
        (
            "'abc'.contains('b') && 'abc'.startsWith('a') && 'abc'.endsWith('c')",
            Some(Constant::Bool(true)),
        ),
    ] {
        assert_eq!(compiled(text).expect(text).0.constant(), expected, "{text}");
    }
}

const GOOD: [&str; 8] = [
    r#"msg.sender_id in ["a", "b"] && msg.content_type == "text""#,
    r#"msg.members.exists(m, m.role == "owner" && m.level > 0x1F) // why"#,
    r#"!(msg.text.fold().hits(lists.banned)) || msg.text.matches(r"^\d+$")"#,
    "has(msg.nickname) ? size(msg.nickname) > 5 : -msg.sequence % 7 == 0",
    r"msg.mentions[size(msg.mentions) - 1].lowerAscii().startsWith('ü\u00e9')",
    "(now - 5) / 1000 >= raw.GiftWater.Count * 2 + vars.length",
    r#"windows.night && vars.who in lists.staff && "x" in msg.mentions"#,
    "'''a\nb''' != \"\"\"c\"\"\" || ctx.provider == 'openim'",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_an_expression_or_a_mistake_in_it(text in "\\PC{0,120}") {
        survives(&text);
    }

    #[test]
    fn words_and_signs_in_any_order_too(
        words in proptest::collection::vec(proptest::sample::select(vec![
            "msg", ".", "text", "(", ")", "[", "]", "&&", "||", "!", "-", "1", "'a'", "in", "?", ":", ",",
            "==", "<", "+", "*", "has", "size", "exists", "msg.mentions", "lists.staff", "x", "true", "é",
            "msg.members.exists(m,", "m.role", "//", "\n", "\"", "0x", "raw", "vars.who", "windows.night",
        ]), 0..60),
        blank in any::<bool>(),
    ) {
        survives(&words.join(if blank { " " } else { "" }));
    }

    #[test]
    fn good_expressions_with_a_wound_too(
        which in 0..GOOD.len(),
        at in any::<proptest::sample::Index>(),
        length in 0..4_usize,
        patch in proptest::option::of(any::<char>()),
    ) {
        let good = GOOD[which];
        prop_assert!(compiled(good).is_ok(), "{}", good);
        let start = good.floor_char_boundary(at.index(good.len()));
        let end = good.ceil_char_boundary(start + length);
        let patch = patch.map(String::from).unwrap_or_default();
        survives(&format!("{}{patch}{}", &good[..start], &good[end.min(good.len())..]));
    }
}
