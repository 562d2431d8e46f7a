//! The language of CEL, expression by expression: what it gives, or why conditions leave it out.
//!
//! The reasons are a fixed list. An expression that is refused today may be accepted tomorrow, then its
//! line changes; one that is accepted stays.

use super::eval;
use crate::event::Value;
use crate::rules::expr::compile;
use crate::rules::expr::testing::Table;

/// What an expression of CEL comes to.
#[derive(Debug, Clone, Copy)]
enum Is {
    /// Its value.
    Value(&'static str),
    /// An error while it runs.
    Error,
    /// Left out.
    Refused(Why),
    /// An error in CEL too.
    Invalid,
}

/// Why conditions leave something out; the text is in the message.
#[derive(Debug, Clone, Copy)]
enum Why {
    Uint,
    Double,
    Bytes,
    Null,
    Map,
    ListValue,
    JoinedText,
    LeftOut,
    MixedTypes,
    TwoResults,
    BoolOrder,
    Optional,
    EmptyList,
    NestedLoop,
}

impl Why {
    const fn part(self) -> &'static str {
        match self {
            Self::Uint => "is a uint",
            Self::Double => "is a double",
            Self::Bytes => "bytes are not part",
            Self::Null => "null is not part",
            Self::Map => "maps and messages are not part",
            Self::ListValue => "a list of constants stands only behind in",
            Self::JoinedText => "do not join texts",
            Self::LeftOut => "is not part of conditions",
            Self::MixedTypes => "compares two of one type",
            Self::TwoResults => "both results of ?: have one type",
            Self::BoolOrder => "is for ints and strings",
            Self::Optional => "optional values are not part",
            Self::EmptyList => "this one is empty",
            Self::NestedLoop => "one level is allowed",
        }
    }
}

use Is::{Error, Invalid, Refused};
use Why::{
    BoolOrder, Bytes, Double, EmptyList, JoinedText, LeftOut, ListValue, Map, MixedTypes,
    NestedLoop, Null, Optional, TwoResults, Uint,
};

const T: Is = Is::Value("true");
const F: Is = Is::Value("false");

/// Values of any type, and how texts and numbers are written.
const LITERALS: &[(&str, Is)] = &[
    ("true", T),
    ("false", F),
    ("0", Is::Value("0")),
    ("-1", Is::Value("-1")),
    ("42", Is::Value("42")),
    ("0x55555555", Is::Value("1431655765")),
    ("-0x55555555", Is::Value("-1431655765")),
    ("9223372036854775807", Is::Value("9223372036854775807")),
    ("-9223372036854775808", Is::Value("-9223372036854775808")),
    ("9223372036854775808", Invalid),
    ("-9223372036854775809", Invalid),
    ("0x8000000000000000", Invalid),
    ("0u", Refused(Uint)),
    ("0x55u", Refused(Uint)),
    ("0.0", Refused(Double)),
    ("-2.3e+1", Refused(Double)),
    (".99", Refused(Double)),
    ("1e5", Refused(Double)),
    ("b'abc'", Refused(Bytes)),
    ("B\"\\xff\"", Refused(Bytes)),
    ("null", Refused(Null)),
    ("{}", Refused(Map)),
    ("{'k': 1}.k", Refused(Map)),
    ("[]", Refused(ListValue)),
    ("[1, 2, 3]", Refused(ListValue)),
    ("''", Is::Value("\"\"")),
    ("\"\"", Is::Value("\"\"")),
    ("'''x''x'''", Is::Value("\"x''x\"")),
    ("\"\"\"x\"\"x\"\"\"", Is::Value("\"x\\\"\\\"x\"")),
    ("r'\\''", Invalid),
    ("r\"\\\"", Is::Value("\"\\\\\"")),
    ("'\\u270c'", Is::Value("\"✌\"")),
    ("'\\U0001f431'", Is::Value("\"🐱\"")),
    ("'\\303\\277' == 'Ã¿'", T),
    ("'\\377' == 'ÿ'", T),
    ("'\\x7E'", Is::Value("\"~\"")),
    ("'\\8'", Invalid),
    ("'\\ud800'", Invalid),
    ("'\\U00110000'", Invalid),
    ("'a\nb'", Invalid),
    ("'''a\nb'''", Is::Value("\"a\\nb\"")),
    (
        "'\\a\\b\\f\\n\\r\\t\\v\\\"\\'\\\\' == '\\x07\\x08\\x0c\\x0a\\x0d\\x09\\x0b\\x22\\x27\\x5c'",
        T,
    ),
    ("1 // the rest is a comment", Is::Value("1")),
    ("// only\n 1", Is::Value("1")),
    ("/* c */ 1", Invalid),
    ("", Invalid),
];

const EQUALITY: &[(&str, Is)] = &[
    ("1 == 1", T),
    ("1 == 2", F),
    ("1 != 2", T),
    ("-1 == 1", F),
    ("'' == ''", T),
    ("'a' == 'b'", F),
    ("'abc' == 'ABC'", F),
    ("'ίσος' == 'ίσος'", T),
    // One letter, two ways to write it: code points count.
    ("'\\u00e9' == 'e\\u0301'", F),
    ("true == true", T),
    ("true != false", T),
    ("1 == 1u", Refused(Uint)),
    ("1 == 1.0", Refused(Double)),
    ("1 == '1'", Refused(MixedTypes)),
    ("true == 1", Refused(MixedTypes)),
    ("null == null", Refused(Null)),
    ("[1] == [1]", Refused(ListValue)),
    ("{'k': 1} == {'k': 1}", Refused(Map)),
    ("b'a' == b'a'", Refused(Bytes)),
    ("1 == 1 == true", T),
    ("1 < 2 == true", T),
    ("(1 / 0) == 1", Error),
];

const ORDER: &[(&str, Is)] = &[
    ("-1 < 0", T),
    ("0 < 0", F),
    ("0 <= 0", T),
    ("5 > 3 && 3 >= 3 && 3 <= 3", T),
    ("'a' < 'b'", T),
    ("'b' < 'a'", F),
    ("'' < 'a'", T),
    ("'abc' < 'abcd'", T),
    ("'Abc' < 'aBC'", T),
    ("'ﺝ' > 'z'", T),
    ("'\\uffff' < '\\U00010000'", T),
    ("false < true", Refused(BoolOrder)),
    ("1 < 1.5", Refused(Double)),
    ("1 < 2u", Refused(Uint)),
    ("'a' < 1", Refused(MixedTypes)),
    ("1 < 2 < 3", Refused(MixedTypes)),
];

const ARITHMETIC: &[(&str, Is)] = &[
    ("40 + 2", Is::Value("42")),
    ("42 - 12", Is::Value("30")),
    ("-2 * 3", Is::Value("-6")),
    ("13 / 4", Is::Value("3")),
    ("-13 / 4", Is::Value("-3")),
    ("13 / -4", Is::Value("-3")),
    ("-13 / -4", Is::Value("3")),
    ("47 % 5", Is::Value("2")),
    ("43 % -5", Is::Value("3")),
    ("-42 % 5", Is::Value("-2")),
    ("-42 % -5", Is::Value("-2")),
    ("2 + 3 * 4 - 8 / 2", Is::Value("10")),
    ("20 - 8 - 4", Is::Value("8")),
    ("64 / 8 / 2", Is::Value("4")),
    ("(2 + 3) * 4", Is::Value("20")),
    ("- 5", Is::Value("-5")),
    ("-(5)", Is::Value("-5")),
    ("--5", Is::Value("5")),
    ("-(-(5))", Is::Value("5")),
    ("9223372036854775807 + 0", Is::Value("9223372036854775807")),
    ("9223372036854775807 + 1", Error),
    ("-9223372036854775808 - 1", Error),
    ("5000000000 * 5000000000", Error),
    ("-(-9223372036854775808)", Error),
    ("-9223372036854775808 / -1", Error),
    ("-9223372036854775808 % -1", Error),
    ("0 - -9223372036854775808", Error),
    ("17 / 0", Error),
    ("34 % 0", Error),
    ("'a' + 'b'", Refused(JoinedText)),
    ("[1] + [2]", Refused(ListValue)),
    ("1 + 1u", Refused(Uint)),
    ("1.0 + 1.0", Refused(Double)),
];

const LOGIC: &[(&str, Is)] = &[
    ("true && true", T),
    ("true && false", F),
    ("false || true", T),
    ("false || false", F),
    ("!true", F),
    ("!!true", T),
    ("!!!true", F),
    ("1 / 0 != 0 && false", F),
    ("false && 1 / 0 != 0", F),
    ("1 / 0 != 0 && true", Error),
    ("true && 1 / 0 != 0", Error),
    ("1 / 0 != 0 || true", T),
    ("true || 1 / 0 != 0", T),
    ("1 / 0 != 0 || false", Error),
    ("false || 1 / 0 != 0", Error),
    ("1 / 0 > 0 || 2 / 0 > 0 || true", T),
    ("1 / 0 > 0 && (2 / 0 > 0 || false) && false", F),
    ("!(1 / 0 > 0)", Error),
    ("true || false && false", T),
    ("(true || false) && false", F),
    ("true ? 1 : 2", Is::Value("1")),
    ("false ? 'a' : 'b'", Is::Value("\"b\"")),
    ("true ? 1 : 1 / 0", Is::Value("1")),
    ("false ? 1 / 0 : 1", Is::Value("1")),
    ("1 / 0 > 0 ? 1 : 2", Error),
    ("false ? 1 : false ? 2 : 3", Is::Value("3")),
    ("true ? 1 : 'a'", Refused(TwoResults)),
    ("1 ? true : false", Invalid),
    ("1 && true", Invalid),
    ("!1", Invalid),
    ("-true", Invalid),
    ("true ? true ? 1 : 2 : 3", Invalid),
];

const LISTS: &[(&str, Is)] = &[
    ("2 in [7, 2, 3]", T),
    ("2 in [7, 8]", F),
    ("'a' in ['b', 'a']", T),
    ("true in [false]", F),
    ("2 in []", Refused(EmptyList)),
    ("2 in [7, 'a']", Invalid),
    ("'k' in {'k': 1}", Refused(Map)),
    ("!(2 in [7])", T),
    ("!true in [false]", T),
    ("(2 in [2]) in [true]", T),
    ("[1, 2][0]", Refused(ListValue)),
    ("msg.mentions[1]", Is::Value("\"b\"")),
    ("msg.mentions[2]", Error),
    ("msg.mentions[-1]", Error),
    ("msg.mentions[1 - 1]", Is::Value("\"a\"")),
    ("msg.mentions[1u]", Refused(Uint)),
    ("'b' in msg.mentions", T),
    ("size(msg.mentions)", Is::Value("2")),
    ("msg.mentions.size() == 2", T),
    ("size([1, 2])", Refused(ListValue)),
    ("size({})", Refused(Map)),
    ("msg.mentions.exists(e, e == 'b')", T),
    ("msg.mentions.all(e, e > 'a')", F),
    ("msg.mentions.all(e, size(e) == 1)", T),
    ("msg.sequences.exists(e, 3 / e > 0)", T),
    ("msg.sequences.exists(e, 3 / e > 5)", Error),
    ("msg.sequences.all(e, 3 / e > 5)", F),
    ("msg.sequences.all(e, 3 / e > 0)", Error),
    ("msg.mentions.exists_one(e, e == 'a')", Refused(LeftOut)),
    ("msg.mentions.map(e, e)", Refused(LeftOut)),
    ("msg.mentions.filter(e, true)", Refused(LeftOut)),
    ("msg.mentions.exists(e, msg.sequences.exists(f, true))", Refused(NestedLoop)),
    ("[1, 2].exists(e, e == 1)", Refused(ListValue)),
    ("msg.mentions.exists(e.f, true)", Invalid),
    ("msg.mentions[?0]", Refused(Optional)),
];

const TEXTS: &[(&str, Is)] = &[
    ("size('')", Is::Value("0")),
    ("size('αβγ')", Is::Value("3")),
    ("'four'.size()", Is::Value("4")),
    ("size('\\U0001f431\\u0301')", Is::Value("2")),
    ("'foobar'.startsWith('foo')", T),
    ("'foobar'.startsWith('')", T),
    ("''.startsWith('a')", F),
    ("'foobar'.endsWith('bar')", T),
    ("'завтра'.endsWith('тра')", T),
    ("'abracadabra'.contains('rac')", T),
    ("'abc'.contains('')", T),
    ("'Straße'.contains('aß')", T),
    ("'abc'.contains('B')", F),
    ("'hubba'.matches('ubb')", T),
    ("'hubba'.matches('^ubb')", F),
    ("'mañana'.matches('a+ñ+a+n+a+')", T),
    ("''.matches('foo|bar')", F),
    ("matches('hubba', 'ubb')", Invalid),
    ("'TacoCÆt'.lowerAscii()", Is::Value("\"tacocÆt\"")),
    ("'TacoCat'.upperAscii()", Refused(LeftOut)),
    ("'a b'.split(' ')", Refused(LeftOut)),
    ("string(1)", Refused(LeftOut)),
    ("int('1')", Refused(LeftOut)),
    ("double(1)", Refused(LeftOut)),
    ("type(1)", Refused(LeftOut)),
    ("dyn(1)", Refused(LeftOut)),
    ("timestamp('2009-02-13T23:31:30Z')", Refused(LeftOut)),
    ("duration('1s').getSeconds()", Refused(LeftOut)),
    ("msg.?text", Refused(Optional)),
    ("has(msg.text)", F),
    ("has(msg.mentions)", T),
    ("has(msg.mentions[0])", Invalid),
    ("has('a')", Invalid),
    ("msg.nothing", Invalid),
    ("nothing", Invalid),
    (".msg.text", Invalid),
    ("Msg{text: 'a'}", Refused(Map)),
    ("msg.text == ''", T),
];

fn check(cases: &[(&str, Is)]) -> usize {
    for (text, is) in cases {
        let compiled = compile(text, None, &mut Table::of_all_kinds());
        match is {
            Is::Value(_) | Error => {
                let found = eval(text, |world| {
                    world.set("mentions", Value::List(&[Value::Text("a"), Value::Text("b")]));
                    world.set("sequences", Value::List(&[Value::Int(0), Value::Int(2)]));
                });
                match is {
                    Is::Value(expected) => assert_eq!(found.as_deref(), Ok(*expected), "{text}"),
                    _ => assert!(found.is_err(), "{text} gives {found:?}"),
                }
            }
            Refused(why) => {
                let error = compiled.expect_err(text);
                let message = error.message.unwrap_or_default();
                assert!(message.contains(why.part()), "{text}: {message}, expected {why:?}");
            }
            Invalid => assert!(compiled.is_err(), "{text} is accepted"),
        }
    }
    cases.len()
}

#[test]
fn expressions_of_cel_give_what_cel_gives_or_are_left_out_for_a_reason() {
    let groups = [LITERALS, EQUALITY, ORDER, ARITHMETIC, LOGIC, LISTS, TEXTS];
    let count: usize = groups.iter().map(|cases| check(cases)).sum();
    assert!(count >= 200, "{count} expressions: the number may only rise");
}
