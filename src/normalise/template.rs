//! Subjects, keys and other attributes: templates over slots, and the texts that attributes may be.

use crate::catalogue::plan::{Segment, SlotIndex, Template};
use crate::event::Value;
use bumpalo::Bump;
use bumpalo::collections::String as BumpString;

/// Attributes are cut here.
const ATTRIBUTE_BYTES_MAX: usize = 1024;

/// The first alternative whose placeholders all have a value.
pub(super) fn fill<'a>(
    alternatives: &[Template],
    slots: &[Value<'a>],
    separator: &str,
    arena: &'a Bump,
) -> Option<&'a str> {
    alternatives.iter().find_map(|template| {
        let mut text = BumpString::with_capacity_in(64, arena);
        let filled = template.iter().all(|segment| push(segment, slots, separator, &mut text));
        filled.then(|| attribute(text.into_bump_str(), arena))
    })
}

fn push(segment: &Segment, slots: &[Value<'_>], separator: &str, out: &mut BumpString<'_>) -> bool {
    let at =
        |slot: &Option<SlotIndex>| slot.map_or(Value::Absent, |slot| slots[usize::from(slot.0)]);
    match segment {
        Segment::Text(text) => {
            out.push_str(text);
            true
        }
        Segment::Field(slot) => push_value(at(slot), out),
        Segment::First(slot) => match at(slot) {
            Value::List([first, ..]) => push_value(*first, out),
            _ => false,
        },
        Segment::Pair(a, b) => match (at(a).text(), at(b).text()) {
            (Some(a), Some(b)) if !a.is_empty() && !b.is_empty() => {
                let (low, high) = if a <= b { (a, b) } else { (b, a) };
                out.push_str(low);
                out.push_str(separator);
                out.push_str(high);
                true
            }
            _ => false,
        },
    }
}

fn push_value(value: Value<'_>, out: &mut BumpString<'_>) -> bool {
    match value {
        Value::Text(text) if !text.is_empty() => out.push_str(text),
        Value::Int(number) => out.push_str(itoa::Buffer::new().format(number)),
        Value::Bool(yes) => out.push_str(if yes { "true" } else { "false" }),
        _ => return false,
    }
    true
}

/// `text` as an attribute: control characters replaced, then cut at 1024 bytes.
pub(super) fn attribute<'a>(text: &'a str, arena: &'a Bump) -> &'a str {
    // One pass without branches.
    let clean = |text: &str| text.bytes().fold(true, |all, b| all & (0x20..0x7f).contains(&b));
    if text.len() <= ATTRIBUTE_BYTES_MAX && clean(text) {
        return text;
    }
    let mut kept = BumpString::with_capacity_in(text.len().min(ATTRIBUTE_BYTES_MAX), arena);
    for character in text.chars() {
        let character =
            if character.is_control() { char::REPLACEMENT_CHARACTER } else { character };
        if kept.len() + character.len_utf8() > ATTRIBUTE_BYTES_MAX {
            break;
        }
        kept.push(character);
    }
    kept.into_bump_str()
}
