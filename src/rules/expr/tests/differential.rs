//! Random conditions on random requests, against the interpreter of the `cel` crate.
//!
//! Every condition is made twice: as an author writes it, and as the interpreter can be asked. The two
//! differ where the interpreter knows no such thing: `has` asks a second map that holds present
//! fields only, lists of the file are list variables, folding and patterns are functions bound to it.
//! Absent fields are bound as zero values, all integers as `int`. Which error it was is not compared:
//! operands may run in any order. Left out: loops over more than 1,000 items, which CEL allows.
//!
//! `PROPTEST_CASES=n` says how many seeds are tried, 256 if it says nothing; a seed is 4 conditions on
//! 8 requests each.

use super::super::testing::{Table, World};
use super::{Bump, compile};
use crate::event::{Item, Value};
use crate::rules::schema::{Root, Scalar, Type};
use cel::objects::{Key, Map};
use cel::{Context, Env, extractors::This};
use fastrand::Rng;
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

const TEXTS: [&str; 14] = [
    "",
    "a",
    "b",
    "A",
    "ab",
    "aB",
    "s1",
    "text",
    "owner",
    "CASINO",
    "赌博",
    "a赌\u{200B}博",
    "\u{FFFF}",
    "🎲",
];
const INTS: [i64; 12] = [0, 1, -1, 2, 3, -2, 7, 42, 1000, i64::MAX, i64::MIN, i64::MIN + 1];
const PATTERNS: [&str; 4] = ["^a", "[A-Z]", "赌.?博$", ""];
const KINDS: [&str; 4] = ["text", "image", "typing", "audio"];

/// As the author writes it, and as the interpreter is asked.
type Both = (String, String);

/// Makes conditions.
struct Author {
    rng: Rng,
    /// What the loop is over that the condition stands in.
    element: Option<Element>,
}

#[derive(Clone, Copy)]
enum Element {
    Text,
    Int,
    Member,
}

fn same(text: impl Into<String>) -> Both {
    let text = text.into();
    (text.clone(), text)
}

/// Puts operands into a pattern, `{0}`, `{1}`, ….
fn put(pattern: &str, operands: &[Both]) -> Both {
    let mut made = same(pattern);
    for (place, (ours, theirs)) in operands.iter().enumerate() {
        let hole = format!("{{{place}}}");
        made = (made.0.replace(&hole, ours), made.1.replace(&hole, theirs));
    }
    made
}

fn quoted(text: &str) -> String {
    format!("{text:?}").replace("\\u{200b}", "\\u200B").replace("\\u{ffff}", "\\uFFFF")
}

impl Author {
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.usize(..from.len())]
    }

    fn bool(&mut self, depth: u32) -> Both {
        if depth == 0 {
            return self.bool_leaf();
        }
        let d = depth - 1;
        match self.rng.u32(..22) {
            0..=3 => self.chain("&&", d),
            4..=7 => self.chain("||", d),
            8 => put("!({0})", &[self.bool(d)]),
            9 => put("({0} ? {1} : {2})", &[self.bool(d), self.bool(d), self.bool(d)]),
            10 => put("({0} == {1})", &[self.bool(d), self.bool(d)]),
            11 | 12 => {
                let sign = self.pick(&["==", "!=", "<", "<=", ">", ">="]);
                put(&format!("({{0}} {sign} {{1}})"), &[self.int(d), self.int(d)])
            }
            13 | 14 => {
                let sign = self.pick(&["==", "!=", "<", "<=", ">", ">="]);
                put(&format!("({{0}} {sign} {{1}})"), &[self.text(d), self.text(d)])
            }
            15 => {
                let name = self.pick(&["contains", "startsWith", "endsWith"]);
                put(&format!("{{0}}.{name}({{1}})"), &[self.text(d), self.text(d)])
            }
            16 => self.among(d),
            17 => self.of_file(d),
            18..=20 if self.element.is_none() => self.over(d),
            _ => self.bool_leaf(),
        }
    }

    fn chain(&mut self, sign: &str, depth: u32) -> Both {
        let terms = (0..self.rng.usize(2..5)).map(|_| self.bool(depth)).collect::<Vec<_>>();
        let holes: Vec<String> = (0..terms.len()).map(|place| format!("{{{place}}}")).collect();
        put(&format!("({})", holes.join(&format!(" {sign} "))), &terms)
    }

    fn bool_leaf(&mut self) -> Both {
        match self.rng.u32(..11) {
            0 => same(self.pick(&["true", "false"])),
            1 => same(self.pick(&["msg.pinned", "msg.text_incomplete", "vars.is_staff"])),
            2 => same("windows.night"),
            3 => {
                let field = self.pick(&["nickname", "sequence", "pinned", "mentions", "members"]);
                (format!("has(msg.{field})"), format!("has(given.{field})"))
            }
            4 if matches!(self.element, Some(Element::Member)) => {
                let field = self.pick(&["role", "level", "muted"]);
                (format!("has(it.{field})"), format!("has(it.given_{field})"))
            }
            5 if matches!(self.element, Some(Element::Member)) => same("it.muted"),
            // What fails on many requests, and on some items only.
            7 => put("({0} / {1} > 0)", &[self.int_leaf(), self.int_leaf()]),
            8 => put("(msg.mentions[{0}] == \"\")", &[self.int_leaf()]),
            6 => {
                let (sign, word) = (self.pick(&["==", "!="]), self.pick(&KINDS));
                same(format!("(msg.content_type {sign} {word:?})"))
            }
            9 => put("({0} == {1})", &[self.text_leaf(), self.text_leaf()]),
            _ => put("({0} > {1})", &[self.int_leaf(), self.int_leaf()]),
        }
    }

    fn among(&mut self, depth: u32) -> Both {
        let count = self.pick(&[1, 2, 3, 12]);
        match self.rng.u32(..4) {
            0 => {
                let texts: Vec<String> = (0..count).map(|_| quoted(self.pick(&TEXTS))).collect();
                put(&format!("({{0}} in [{}])", texts.join(", ")), &[self.text(depth)])
            }
            1 => {
                let ints: Vec<String> = (0..count).map(|_| self.pick(&INTS).to_string()).collect();
                put(&format!("({{0}} in [{}])", ints.join(", ")), &[self.int(depth)])
            }
            2 => put("({0} in msg.mentions)", &[self.text(depth)]),
            _ => put("({0} in msg.sequences)", &[self.int(depth)]),
        }
    }

    fn of_file(&mut self, depth: u32) -> Both {
        let text = self.text(depth);
        match self.rng.u32(..3) {
            0 => (format!("({} in lists.staff)", text.0), format!("({} in staff)", text.1)),
            1 => (
                format!("{}.hits(lists.banned)", text.0),
                format!("banned.exists(w, {}.fold().contains(w))", text.1),
            ),
            _ => {
                let pattern = self.pick(&PATTERNS);
                put(&format!("{{0}}.matches({pattern:?})"), &[text])
            }
        }
    }

    fn over(&mut self, depth: u32) -> Both {
        let (list, element) = self.pick(&[
            ("msg.mentions", Element::Text),
            ("msg.sequences", Element::Int),
            ("msg.members", Element::Member),
        ]);
        let name = self.pick(&["exists", "all"]);
        self.element = Some(element);
        let body = self.bool(depth);
        self.element = None;
        put(&format!("{list}.{name}(it, {{0}})"), &[body])
    }

    fn int(&mut self, depth: u32) -> Both {
        if depth == 0 {
            return self.int_leaf();
        }
        let d = depth - 1;
        match self.rng.u32(..9) {
            0..=2 => {
                let count = self.rng.usize(2..5);
                let terms: Vec<Both> = (0..count).map(|_| self.int(d)).collect();
                let mut pattern = "({0}".to_owned();
                for place in 1..count {
                    let sign = self.pick(&["+", "-", "*", "/", "%"]);
                    pattern = format!("{pattern} {sign} {{{place}}}");
                }
                put(&(pattern + ")"), &terms)
            }
            3 => put("(-({0}))", &[self.int(d)]),
            4 => put("({0} ? {1} : {2})", &[self.bool(d), self.int(d), self.int(d)]),
            5 => put("size({0})", &[self.text(d)]),
            6 => put("{0}.size()", &[self.text(d)]),
            7 => put("msg.sequences[{0}]", &[self.int(d)]),
            _ => self.int_leaf(),
        }
    }

    fn int_leaf(&mut self) -> Both {
        match self.rng.u32(..7) {
            0 | 1 => same(self.pick(&INTS).to_string()),
            2 => same(self.pick(&["size(msg.mentions)", "msg.members.size()"])),
            3 | 4 if matches!(self.element, Some(Element::Int)) => same("it"),
            3 | 4 if matches!(self.element, Some(Element::Member)) => same("it.level"),
            5 => same(self.pick(&["raw.roleLevel", "raw.GiftWater.Count", "now", "vars.length"])),
            _ => same(self.pick(&["msg.sequence", "msg.burn_seconds"])),
        }
    }

    fn text(&mut self, depth: u32) -> Both {
        if depth == 0 {
            return self.text_leaf();
        }
        let d = depth - 1;
        match self.rng.u32(..6) {
            0 => put("({0} ? {1} : {2})", &[self.bool(d), self.text(d), self.text(d)]),
            1 => put("{0}.lowerAscii()", &[self.text(d)]),
            2 => put("{0}.fold()", &[self.text(d)]),
            3 => put("msg.mentions[{0}]", &[self.int(d)]),
            _ => self.text_leaf(),
        }
    }

    fn text_leaf(&mut self) -> Both {
        match self.rng.u32(..6) {
            0 => same(quoted(self.pick(&TEXTS))),
            1 if matches!(self.element, Some(Element::Text)) => same("it"),
            2 if matches!(self.element, Some(Element::Member)) => same("it.user_id"),
            3 => same(self.pick(&["vars.who", "ctx.deployment"])),
            _ => same(self.pick(&["msg.sender_id", "msg.text", "msg.nickname", "msg.extra"])),
        }
    }
}

/// A value of a type; sometimes none.
fn value<'v>(rng: &mut Rng, arena: &'v Bump, kind: &Type, words: bool) -> Value<'v> {
    if rng.u32(..4) == 0 {
        return Value::Absent;
    }
    let mut single = |scalar: Scalar| match scalar {
        Scalar::Text if words => Value::Text(KINDS[rng.usize(..KINDS.len())]),
        Scalar::Text => Value::Text(TEXTS[rng.usize(..TEXTS.len())]),
        Scalar::Int => Value::Int(INTS[rng.usize(..INTS.len())]),
        Scalar::Bool => Value::Bool(rng.bool()),
    };
    match kind {
        Type::Scalar(scalar) => single(*scalar),
        Type::List(scalar) => {
            let values: Vec<Value<'v>> = (0..4).map(|_| single(*scalar)).collect();
            Value::List(&arena.alloc_slice_copy(&values)[..rng.usize(..5)])
        }
        Type::Items(fields) => {
            let items: Vec<Item<'v>> = (0..rng.usize(..4))
                .map(|_| {
                    let values: Vec<(&'v str, Value<'v>)> = fields
                        .iter()
                        .map(|field| {
                            let name: &'v str = arena.alloc_str(&field.name);
                            (name, value(rng, arena, &Type::Scalar(field.scalar), false))
                        })
                        .filter(|(_, value)| !value.is_absent())
                        .collect();
                    &*arena.alloc_slice_copy(&values)
                })
                .collect();
            Value::Items(arena.alloc_slice_copy(&items))
        }
    }
}

fn map(members: HashMap<String, cel::Value>) -> cel::Value {
    let keyed = |(name, value)| (Key::String(Arc::new(name)), value);
    cel::Value::Map(Map { map: Arc::new(members.into_iter().map(keyed).collect()) })
}

/// A value as the interpreter has it: absent is the zero of its type.
fn theirs(value: Value<'_>, kind: &Type) -> cel::Value {
    let text = |text: &str| cel::Value::String(Arc::new(text.to_owned()));
    match (value, kind) {
        (Value::Text(known), _) => text(known),
        (Value::Int(number), _) => cel::Value::Int(number),
        (Value::Bool(known), _) => cel::Value::Bool(known),
        (Value::List(list), Type::List(scalar)) => {
            let kind = Type::Scalar(*scalar);
            let list = list.iter().map(|element| theirs(*element, &kind)).collect();
            cel::Value::List(Arc::new(list))
        }
        (Value::Items(items), Type::Items(fields)) => {
            let item = |item: &Item<'_>| {
                let mut members = HashMap::new();
                for field in fields.iter() {
                    let kind = Type::Scalar(field.scalar);
                    let found = item.iter().find(|(name, _)| *name == &*field.name);
                    let value = found.map_or(Value::Absent, |(_, value)| *value);
                    if found.is_some() {
                        members.insert(format!("given_{}", field.name), cel::Value::Bool(true));
                    }
                    members.insert(field.name.to_string(), theirs(value, &kind));
                }
                map(members)
            };
            cel::Value::List(Arc::new(items.iter().map(item).collect()))
        }
        (_, Type::Scalar(Scalar::Text)) => text(""),
        (_, Type::Scalar(Scalar::Int)) => cel::Value::Int(0),
        (_, Type::Scalar(Scalar::Bool)) => cel::Value::Bool(false),
        (_, Type::List(_) | Type::Items(_)) => cel::Value::List(Arc::new(Vec::new())),
    }
}

/// The request as variables of the interpreter.
fn context<'c>(env: &Arc<Env>, world: &World<'_>) -> Context<'c, 'c> {
    let mut context = Context::with_env(env.clone());
    let mut roots: HashMap<&str, HashMap<String, cel::Value>> = HashMap::new();
    for (place, (root, path, info)) in world.table.fields.iter().enumerate() {
        let value = theirs(world.values[place], &info.kind);
        if *root == Root::Msg && !world.values[place].is_absent() {
            roots.entry("given").or_default().insert((*path).to_owned(), value.clone());
        }
        let members = roots.entry(root.name()).or_default();
        match path.split_once('.') {
            Some((outer, inner)) => {
                let inner = map(HashMap::from([(inner.to_owned(), value)]));
                members.insert(outer.to_owned(), inner);
            }
            None => drop(members.insert((*path).to_owned(), value)),
        }
    }
    roots.entry("given").or_default();
    for ((name, scalar), value) in world.table.vars.iter().zip(&world.vars) {
        if let (Some(scalar), Ok(value)) = (scalar, value) {
            let value = theirs(*value, &Type::Scalar(*scalar));
            roots.entry("vars").or_default().insert((*name).to_owned(), value);
        }
    }
    let night = cel::Value::Bool(world.inside);
    roots.entry("windows").or_default().insert("night".to_owned(), night);
    for (name, members) in roots {
        context.add_variable_from_value(name, map(members));
    }
    for (name, _, items) in &world.table.lists {
        let items = items.iter().map(|item| theirs(Value::Text(item), &Type::Scalar(Scalar::Text)));
        context.add_variable_from_value(*name, cel::Value::List(Arc::new(items.collect())));
    }
    context.add_variable_from_value("now", cel::Value::Int(world.now));
    let fold = |This(text): This<Arc<String>>| World::folded(&text);
    context.add_function("fold", fold).expect("a new function");
    let lower = |This(text): This<Arc<String>>| text.to_ascii_lowercase();
    context.add_function("lowerAscii", lower).expect("a new function");
    let matches = |This(text): This<Arc<String>>, pattern: Arc<String>| {
        regex::Regex::new(&pattern).is_ok_and(|regex| regex.is_match(&text))
    };
    context.add_function("matches", matches).expect("a new function");
    context
}

fn fill(world: &mut World<'_>, rng: &mut Rng) {
    for (place, (_, _, info)) in world.table.fields.iter().enumerate() {
        world.values[place] = value(rng, world.arena, &info.kind, info.words.is_some());
    }
    for (place, (_, scalar)) in world.table.vars.iter().enumerate() {
        let kind = Type::Scalar(scalar.unwrap_or(Scalar::Bool));
        let made = value(rng, world.arena, &kind, false);
        if !made.is_absent() {
            world.vars[place] = Ok(made);
        }
    }
    world.inside = rng.bool();
    world.now = rng.i64(0..2_000_000_000_000);
}

/// Compares one condition on some requests.
fn agree(author: &mut Author, env: &Arc<Env>) -> Result<(), TestCaseError> {
    let depth = author.rng.u32(1..4);
    let (ours, theirs) = author.bool(depth);
    let mut table = Table::of_all_kinds();
    let expr = match compile(&ours, Some(Scalar::Bool), &mut table) {
        Ok(expr) => expr,
        // Sizes are the only thing that may be wrong.
        Err(error) => {
            let message = error.message.unwrap_or_default();
            let large = message.contains("more than") || message.contains("the limit is");
            prop_assert!(large, "{ours}: {message} at {}", error.offset);
            return Ok(());
        }
    };
    let program =
        env.compile(&theirs).map_err(|e| TestCaseError::fail(format!("{theirs}: {e}")))?;
    for _ in 0..8 {
        let arena = Bump::new();
        let mut world = World::new(&table, &arena);
        fill(&mut world, &mut author.rng);
        let expected = program.execute(&context(env, &world));
        let found = expr.bool(&world.frame());
        let equal = match (&found, &expected) {
            (Ok(found), Ok(cel::Value::Bool(expected))) => found == expected,
            (Err(_), Err(_)) => true,
            _ => false,
        };
        let values = &world.values;
        prop_assert!(equal, "{ours}\n{theirs}\n{values:?}\nours {found:?}, cel {expected:?}");
        if let Some(super::super::Constant::Bool(constant)) = expr.constant() {
            prop_assert_eq!(Ok(constant), found);
        }
    }
    Ok(())
}

proptest! {
    // The seed is in the message; a file of seeds would be about generators that have changed.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn conditions_mean_what_the_interpreter_of_cel_gives(seed in any::<u64>()) {
        let env = Arc::new(Env::stdlib());
        let mut author = Author { rng: Rng::with_seed(seed), element: None };
        for _ in 0..4 {
            agree(&mut author, &env)?;
        }
    }
}
