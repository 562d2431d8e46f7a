//! What an expression tells about itself, and that it touches no heap.

use super::{EvalError, compiled};
use crate::event::Value;
use crate::rules::expr::testing::{Table, World};
use crate::rules::expr::{Expr, Memo, Operand, Prices, compile};
use crate::rules::frame::{FieldId, ListId, RegexId, VarId, WindowId};
use crate::rules::schema::Scalar;
use bumpalo::Bump;

#[test]
fn reads_are_noted_once_with_the_place_of_the_name() {
    let text = r#"has(msg.nickname) && msg.text.hits(lists.banned) || msg.text == msg.nickname &&
        msg.sender_id in lists.staff || windows.night && vars.who.matches("a") && vars.who != """#;
    let (expr, table) = compiled(text).expect(text);
    let reads = expr.reads();
    let at = |name: &str| text.find(name).expect(name) + 4;
    let fields = [("nickname", "msg.nick"), ("text", "msg.text"), ("sender_id", "msg.sender_id")];
    assert_eq!(reads.fields, fields.map(|(name, place)| (table.msg(name), at(place))));
    assert_eq!(reads.lists, [ListId(1), ListId(0)]);
    assert_eq!(reads.windows, [WindowId(0)]);
    assert_eq!(reads.vars, [VarId(1)]);
    assert_eq!(reads.regexes, [RegexId(0)]);
}

/// What is computed away is still used: its author wrote it.
#[test]
fn reads_keep_what_a_constant_makes_superfluous() {
    let (expr, table) = compiled("false && msg.pinned").expect("a condition");
    assert_eq!(expr.reads().fields, [(table.msg("pinned"), 13)]);
}

fn operands(
    text: &str,
    fill: impl FnOnce(&mut World<'_>),
) -> Vec<(String, Result<String, EvalError>)> {
    let (expr, table) = compiled(text).expect(text);
    let arena = Bump::new();
    let mut world = World::new(&table, &arena);
    fill(&mut world);
    let found = expr.operands(&world.frame());
    found.into_iter().map(|Operand { text, value }| (text, value)).collect()
}

#[test]
fn operands_show_what_every_part_came_to() {
    let text = r#"(msg.sender_id in ["a", "b"]) && !(size(msg.mentions) > 2 || msg.text == "x")"#;
    let shown = operands(text, |world| {
        world.set("sender_id", Value::Text("b\"赌"));
        world.set("mentions", Value::List(&[Value::Text("u1"), Value::Text("u2")]));
    });
    let expected = [
        (r#"(msg.sender_id in ["a", "b"])"#, "false"),
        ("msg.sender_id", r#""b\"赌""#),
        ("size(msg.mentions) > 2", "false"),
        ("size(msg.mentions)", "2"),
        ("msg.mentions", r#"["u1", "u2"]"#),
        (r#"msg.text == "x""#, "false"),
        ("msg.text", r#""""#),
    ];
    let expected = expected.map(|(text, value)| (text.to_owned(), Ok(value.to_owned())));
    assert_eq!(shown, expected);
}

const ITEM: &[(&str, Value<'static>)] =
    &[("user_id", Value::Text("u")), ("muted", Value::Bool(true))];

#[test]
fn operands_show_errors_items_and_each_text_once() {
    let text = "msg.mentions[0] == '' || msg.mentions[0] == 'a' || msg.members.exists(m, m.muted) \
                || vars.length * -(now) < 5";
    let shown = operands(text, |world| {
        world.set("members", Value::Items(&[ITEM]));
        world.now = 7;
    });
    let ok = |value: &str| Ok(value.to_owned());
    let out = Err(EvalError::OutOfRange);
    let expected = [
        ("msg.mentions[0] == ''", out.clone()),
        ("msg.mentions[0]", out.clone()),
        ("msg.mentions", ok("[]")),
        ("msg.mentions[0] == 'a'", out),
        ("msg.members.exists(m, m.muted)", ok("true")),
        ("msg.members", ok(r#"[{user_id: "u", muted: true}]"#)),
        ("vars.length * -(now) < 5", ok("true")),
        ("vars.length", ok("0")),
        ("(now)", ok("7")),
    ];
    assert_eq!(shown, expected.map(|(text, value)| (text.to_owned(), value)));
}

const CAP: u64 = 65_536;

/// Prices where `text` has the cap and other texts 256 characters.
fn price(text: &str) -> u64 {
    let (expr, table) = compiled(text).expect(text);
    let long = table.msg("text");
    expr.price(&|field| if field == long { CAP } else { 256 })
}

#[test]
fn prices_follow_the_list() {
    for (text, expected) in [
        ("msg.pinned", 2),
        // Two comparisons of two nodes each, and the chain.
        (r#"msg.sender_id == "a" && msg.content_type == "text""#, 14),
        ("msg.sender_id in lists.staff", 4),
        (r#"msg.text.contains("x")"#, 6 + CAP.div_ceil(10)),
        (r#"msg.sender_id.contains("x")"#, 6 + 26),
        ("msg.text.hits(lists.banned)", 4 + 5 * CAP),
        (r#"msg.text.fold() == """#, 8 + 2 * CAP),
        (r#"msg.text.matches("a")"#, 4 + 20 * CAP),
        // Of a list, each item may be asked.
        (r#"msg.mentions.exists(x, x == "")"#, 2 + 1000 * 6),
        ("msg.members.all(m, m.muted && m.level > 5)", 2 + 1000 * 10),
        // A text of unknown origin has 256 characters.
        ("vars.who.hits(lists.banned)", 4 + 5 * 256),
        ("now / 1000 > 5", 10),
        ("true", 2),
    ] {
        assert_eq!(price(text), expected, "{text}");
    }
}

#[test]
fn what_is_remembered_is_paid_once() {
    let once = price("msg.text.hits(lists.banned)");
    assert_eq!(price("msg.text.hits(lists.banned) && msg.text.hits(lists.banned)"), once + 6);
    let more = price(r#"msg.text.fold().contains("a") || msg.text.fold().contains("b")"#);
    assert_eq!(more, 18 + 2 * CAP + (2 * CAP).div_ceil(10));
    // A loop does not repeat it either.
    let looped = price("msg.mentions.all(x, msg.text.hits(lists.banned))");
    assert_eq!(looped, 2 + 1000 * 4 + 5 * CAP);
    // What is computed is not remembered.
    let lower = "msg.text.lowerAscii().hits(lists.banned)";
    assert!(price(&format!("{lower} && {lower}")) > 2 * 5 * CAP);
}

/// A command whose other rules have paid, with a small regular expression.
struct Paid;

impl Prices for Paid {
    fn chars(&mut self, _field: FieldId) -> u64 {
        100
    }

    fn regex(&mut self, _regex: RegexId) -> u64 {
        4
    }

    fn first(&mut self, _memo: Memo) -> bool {
        false
    }
}

#[test]
fn a_caller_may_say_what_is_paid_already() {
    let of = |text: &str| compiled(text).expect(text).0.price_with(&mut Paid);
    assert_eq!(of("msg.text.hits(lists.banned)"), 4);
    assert_eq!(of(r#"msg.text.fold().matches("a")"#), 6 + 400);
}

#[test]
fn an_expression_serves_all_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Expr>();
}

/// Everything that conditions do without making a new text.
const QUIET: &[&str] = &[
    r#"msg.sender_id in ["a", "b"] && msg.content_type == "text""#,
    r#"msg.sender_id in ["1","2","3","4","5","6","7","8","9","10"] || msg.sequence in [1, 2]"#,
    r#"msg.text.contains("x") || msg.text.contains(msg.extra) || msg.text.startsWith("y")"#,
    r#"msg.text.endsWith(msg.sender_id) || msg.text.matches("^[0-9]+$") || msg.text < "a""#,
    r#"msg.mentions.exists(x, x == "u") || msg.members.all(m, m.role == "owner" && m.level > 5)"#,
    r#"msg.text.lowerAscii().contains("quiet") || size(msg.text) > 1000 || "q" in msg.mentions"#,
    "msg.sequence * 2 + 1 > now / 1000 || -msg.sequence % 7 == 3 || msg.mentions[9] == msg.text",
    "has(msg.nickname) && (msg.pinned ? windows.night : vars.is_staff) || !has(ctx.deployment)",
    "msg.sender_id in lists.staff || raw.roleLevel > 60 || vars.who == ctx.provider",
];

#[test]
fn evaluation_touches_no_heap() {
    let mut table = Table::of_all_kinds();
    let compiled = |text: &&str| compile(text, Some(Scalar::Bool), &mut table).expect(text);
    let rules: Vec<Expr> = QUIET.iter().map(compiled).collect();
    let arena = Bump::new();
    let mut world = World::new(&table, &arena);
    world.set("text", Value::Text("nothing to see here, 中文"));
    world.set("mentions", Value::List(&[Value::Text("u1"), Value::Text("u2")]));
    world.set("members", Value::Items(&[&[("role", Value::Text("owner"))]]));
    let frame = world.frame();
    // A regular expression makes its scratch when it is first asked.
    let run = || rules.iter().filter(|rule| rule.bool(&frame) == Ok(true)).count();
    let first = run();
    let info = allocation_counter::measure(|| {
        assert_eq!(run(), first);
    });
    assert_eq!(info.count_total, 0);
}

#[test]
fn texts_that_are_made_live_in_the_arena() {
    let (expr, table) =
        compiled(r#"msg.text.lowerAscii() == (msg.pinned ? "a" : "quiet")"#).expect("a text");
    let arena = Bump::with_capacity(4096);
    let mut world = World::new(&table, &arena);
    world.set("text", Value::Text("QUIET"));
    let frame = world.frame();
    let info = allocation_counter::measure(|| assert_eq!(expr.bool(&frame), Ok(true)));
    assert_eq!(info.count_total, 0);
}
