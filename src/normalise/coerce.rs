//! Coercions: from what was found to what a field may say.
//!
//! In: a value and one coercion of a locator. Out: a value, or none. The table of what each takes and
//! gives is the contract; `docs/catalogue.md` has it. Once absent, always absent.

use super::write::push_value;
use crate::catalogue::plan::{Coercion, EnumTable, Other, RawType};
use crate::event::Value;
use crate::json::{Json, Kind, Node, compact};
use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;
use std::collections::HashSet;

/// 2000-01-01 and 2100-01-01, in Unix milliseconds: event times outside are no event times.
const TIME_RANGE_MS: std::ops::RangeInclusive<i64> = 946_684_800_000..=4_102_444_800_000;
/// A time below this is in seconds.
const MS_FLOOR: i64 = 100_000_000_000;

/// Applies `coercions` left to right.
pub(super) fn all<'a>(
    mut value: Value<'a>,
    coercions: &'a [Coercion],
    arena: &'a Bump,
) -> Value<'a> {
    for coercion in coercions {
        if value.is_absent() {
            break;
        }
        value = one(value, coercion, arena);
    }
    value
}

fn one<'a>(value: Value<'a>, coercion: &'a Coercion, arena: &'a Bump) -> Value<'a> {
    match coercion {
        Coercion::Id => id(value, arena),
        Coercion::Ids | Coercion::Strs => list_of(value, arena, |item| id(item, arena)),
        Coercion::Ints => list_of(value, arena, integer),
        Coercion::Str => optional_text(text(value, false, arena).filter(|text| !text.is_empty())),
        Coercion::Text => optional_text(text(value, true, arena)),
        Coercion::Int => integer(value),
        Coercion::Uint => integer_if(value, |number| number >= 0),
        Coercion::Positive => integer_if(value, |number| number > 0),
        Coercion::Nonzero => integer_if(value, |number| number != 0),
        Coercion::Ms | Coercion::SToMs => time(value),
        Coercion::Bool => boolean(value),
        Coercion::Enum(table) => word(value, table, arena),
        Coercion::Enums(table) => match items(value, arena) {
            Some(items) => collect(items, arena, |item| word(item, table, arena)),
            None => Value::Absent,
        },
        Coercion::Char => character(value, arena),
        Coercion::Lower => match plain(value) {
            Some(text) if !text.is_empty() => lower(text, arena),
            _ => Value::Absent,
        },
        Coercion::Contains(wanted) => match list_of(value, arena, |item| id(item, arena)) {
            Value::List(items) => Value::Bool(items.contains(&Value::Text(wanted))),
            _ => Value::Absent,
        },
        Coercion::Join => join(value, arena),
        Coercion::List => Value::List(arena.alloc_slice_copy(&[value])),
        Coercion::Unique => items(value, arena).map_or(value, |items| unique(items, arena)),
        Coercion::Nonempty => match value {
            Value::List([]) => Value::Absent,
            Value::Json(node) if node.is_list() && node.is_empty_container() => Value::Absent,
            other => other,
        },
        Coercion::Without(unwanted) => items(value, arena).map_or(value, |items| {
            let wanted = items.filter(|item| plain(*item) != Some(unwanted));
            Value::List(BumpVec::from_iter_in(wanted, arena).into_bump_slice())
        }),
        // Read where the value is found: everywhere else null is nothing.
        Coercion::NullEmpty => value,
    }
}

/// What stands in a body, as rules read it by the provider's own name; null is nothing.
#[must_use]
pub fn raw_value<'a>(node: Node<'a>, wanted: RawType, arena: &'a Bump) -> Value<'a> {
    let coercion = match wanted {
        _ if node.is_null() => return Value::Absent,
        RawType::Text => &Coercion::Text,
        RawType::Int => &Coercion::Int,
        RawType::Bool => &Coercion::Bool,
        RawType::Texts => &Coercion::Strs,
    };
    one(Value::Json(node), coercion, arena)
}

fn optional_text(text: Option<&str>) -> Value<'_> {
    text.map_or(Value::Absent, Value::Text)
}

/// The text itself; nothing for other values.
fn plain(value: Value<'_>) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        Value::Json(node) => node.text(),
        _ => None,
    }
}

pub(super) fn id<'a>(value: Value<'a>, arena: &'a Bump) -> Value<'a> {
    let text = match value {
        Value::Text(text) => Some(text),
        Value::Int(number) => Some(decimal(number, arena)),
        Value::Json(node) if node.is_integer() => node.literal(),
        Value::Json(node) => node.text(),
        _ => None,
    };
    optional_text(text.filter(|text| !text.is_empty()))
}

fn decimal(number: i64, arena: &Bump) -> &str {
    arena.alloc_str(itoa::Buffer::new().format(number))
}

/// Text or literal; with `any` also booleans and, as compact JSON, lists and objects.
fn text<'a>(value: Value<'a>, any: bool, arena: &'a Bump) -> Option<&'a str> {
    match value {
        Value::Text(text) => Some(text),
        Value::Int(number) => Some(decimal(number, arena)),
        Value::Bool(yes) if any => Some(if yes { "true" } else { "false" }),
        Value::Json(node) => match node.kind() {
            Kind::Text => node.text(),
            Kind::Number => node.literal(),
            Kind::True | Kind::False if any => Some(node.source()),
            Kind::List | Kind::Object if any => Some(compacted(node, arena)),
            _ => None,
        },
        _ => None,
    }
}

/// Compact JSON of a node.
pub(super) fn compacted<'a>(node: Node<'_>, arena: &'a Bump) -> &'a str {
    let mut bytes = Vec::new();
    compact(node, &mut bytes);
    arena.alloc_str(std::str::from_utf8(&bytes).expect("what was read as text is text"))
}

fn integer(value: Value<'_>) -> Value<'_> {
    let digits = match value {
        Value::Int(_) => return value,
        Value::Text(text) => Some(text),
        Value::Json(node) if node.is_integer() => node.literal(),
        Value::Json(node) => node.text(),
        _ => None,
    };
    // `parse` also takes a plus sign, which no integer here has.
    let parsed = digits.filter(|digits| !digits.starts_with('+')).and_then(|d| d.parse().ok());
    parsed.map_or(Value::Absent, Value::Int)
}

fn integer_if(value: Value<'_>, holds: impl Fn(i64) -> bool) -> Value<'_> {
    match integer(value) {
        Value::Int(number) if holds(number) => Value::Int(number),
        _ => Value::Absent,
    }
}

fn time(value: Value<'_>) -> Value<'_> {
    let Value::Int(number) = integer_if(value, |number| number > 0) else { return Value::Absent };
    let ms = if number < MS_FLOOR { number * 1000 } else { number };
    if TIME_RANGE_MS.contains(&ms) { Value::Int(ms) } else { Value::Absent }
}

fn boolean(value: Value<'_>) -> Value<'_> {
    let word = match value {
        Value::Bool(_) => return value,
        Value::Int(0) => "0",
        Value::Int(1) => "1",
        Value::Text(text) => text,
        Value::Json(node) => match node.kind() {
            Kind::True | Kind::False | Kind::Number => node.source(),
            Kind::Text => node.text().unwrap_or_default(),
            _ => return Value::Absent,
        },
        _ => return Value::Absent,
    };
    match word {
        "true" | "1" => Value::Bool(true),
        "false" | "0" => Value::Bool(false),
        _ => Value::Absent,
    }
}

fn word<'a>(value: Value<'a>, table: &'a EnumTable, arena: &'a Bump) -> Value<'a> {
    let Value::Text(code) = id(value, arena) else { return Value::Absent };
    match (table.words.get(code), &table.other) {
        (Some(Some(word)), _) | (None, Other::Word(word)) => Value::Text(word),
        (Some(None), _) | (None, Other::Absent) => Value::Absent,
        (None, Other::Keep) => Value::Text(code),
    }
}

fn character<'a>(value: Value<'a>, arena: &'a Bump) -> Value<'a> {
    match plain(value).map(str::as_bytes) {
        Some(&[code]) if code < 0x20 => Value::Text(decimal(i64::from(code), arena)),
        _ => value,
    }
}

fn lower<'a>(text: &'a str, arena: &'a Bump) -> Value<'a> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Value::Text(arena.alloc_str(&text.to_ascii_lowercase()))
    } else {
        Value::Text(text)
    }
}

/// Items of a list, found or made.
fn items<'a>(
    value: Value<'a>,
    arena: &'a Bump,
) -> Option<impl Iterator<Item = Value<'a>> + use<'a>> {
    let items = match value {
        Value::List(items) => items,
        Value::Json(node) if node.is_list() => {
            BumpVec::from_iter_in(node.items().map(Value::Json), arena).into_bump_slice()
        }
        _ => return None,
    };
    Some(items.iter().copied())
}

/// Each item through `each`, those that fail dropped.
fn collect<'a>(
    items: impl Iterator<Item = Value<'a>>,
    arena: &'a Bump,
    each: impl Fn(Value<'a>) -> Value<'a>,
) -> Value<'a> {
    let kept = items.map(each).filter(|item| !item.is_absent());
    Value::List(BumpVec::from_iter_in(kept, arena).into_bump_slice())
}

fn list_of<'a>(
    value: Value<'a>,
    arena: &'a Bump,
    each: impl Fn(Value<'a>) -> Value<'a>,
) -> Value<'a> {
    if let Some(items) = items(value, arena) {
        return collect(items, arena, each);
    }
    if let Some(text) = plain(value).filter(|text| text.starts_with('['))
        && let Ok(json) = Json::read(text, arena)
    {
        let json = arena.alloc(json);
        return collect(json.root().items().map(Value::Json), arena, each);
    }
    match each(value) {
        Value::Absent => Value::Absent,
        item => Value::List(arena.alloc_slice_copy(&[item])),
    }
}

fn join<'a>(value: Value<'a>, arena: &'a Bump) -> Value<'a> {
    let Some(items) = items(value, arena) else {
        return optional_text(plain(value).filter(|text| !text.is_empty()));
    };
    let mut joined = bumpalo::collections::String::new_in(arena);
    for text in items.filter_map(plain).filter(|text| !text.is_empty()) {
        if !joined.is_empty() {
            joined.push('\n');
        }
        joined.push_str(text);
    }
    let joined = joined.into_bump_str();
    optional_text(Some(joined).filter(|text| !text.is_empty()))
}

fn unique<'a>(items: impl Iterator<Item = Value<'a>>, arena: &'a Bump) -> Value<'a> {
    let mut seen = HashSet::new();
    let fresh = items.filter(|item| seen.insert(Key::of(*item)));
    Value::List(BumpVec::from_iter_in(fresh, arena).into_bump_slice())
}

/// What equal values have in common, wherever they stand and whether they were coerced or not.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum Key<'a> {
    Absent,
    Text(&'a str),
    /// Compact JSON of anything else.
    Other(Vec<u8>),
}

impl<'a> Key<'a> {
    pub(super) fn of(value: Value<'a>) -> Self {
        if value.is_absent() {
            return Self::Absent;
        }
        plain(value).map_or_else(
            || {
                let mut json = Vec::new();
                push_value(value, &mut json);
                Self::Other(json)
            },
            Self::Text,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a list of the body, and the same list behind `[*]`, become.
    fn both(json: &str, coercions: &[Coercion]) -> [String; 2] {
        let arena = Bump::new();
        let json = Json::read(json, &arena).unwrap();
        let listed = BumpVec::from_iter_in(json.root().items().map(Value::Json), &arena);
        let shown = |value| {
            let mut text = Vec::new();
            push_value(all(value, coercions, &arena), &mut text);
            String::from_utf8(text).unwrap()
        };
        [shown(Value::Json(json.root())), shown(Value::List(listed.into_bump_slice()))]
    }

    /// Lists straight from the body went through untouched, and items behind `[*]` were compared by
    /// where they stand.
    #[test]
    fn lists_that_nobody_coerced_are_compared_by_value() {
        let list = r#"["a",5,{"k": 1},"\u0061",5.0,5,{"k":1},null,null]"#;
        let once = r#"["a",5,{"k":1},5.0,null]"#;
        assert_eq!(both(list, &[Coercion::Unique]), [once; 2]);
        let without = r#"[5,{"k":1},5.0,5,{"k":1},null,null]"#;
        assert_eq!(both(list, &[Coercion::Without("a".into())]), [without; 2]);
        assert_eq!(both(r#"[5,"5"]"#, &[Coercion::Without("5".into())]), ["[5]"; 2]);
        assert_eq!(both("[]", &[Coercion::Nonempty, Coercion::Unique]), ["null"; 2]);
        assert_eq!(both("[[]]", &[Coercion::Nonempty]), ["[[]]"; 2]);
    }

    /// Beyond 32 items only texts were compared.
    #[test]
    fn a_long_list_of_integers_loses_its_repeats_too() {
        let list: Vec<i64> = (0..100).map(|item| item % 40).collect();
        let once: Vec<i64> = (0..40).collect();
        let (list, once) = (format!("{list:?}"), format!("{once:?}").replace(' ', ""));
        assert_eq!(both(&list, &[Coercion::Ints, Coercion::Unique]), [once.as_str(); 2]);
        assert_eq!(both(&list, &[Coercion::Unique, Coercion::Ids])[0].matches("\"7\"").count(), 1);
    }

    #[test]
    fn what_is_no_list_passes_the_coercions_of_lists() {
        let arena = Bump::new();
        for coercion in [Coercion::Unique, Coercion::Nonempty, Coercion::Without("x".into())] {
            assert_eq!(all(Value::Text("x"), &[coercion], &arena), Value::Text("x"));
        }
    }
}
