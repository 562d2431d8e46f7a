//! Members of the body that rules may read by the provider's own names.
//!
//! In: `raw` of a row and what the row redacts. Out: names with types, sorted by name. What always
//! holds: every name is one that a condition can write, leads through objects only, and is not
//! redacted.

use super::object::Object;
use super::plan::RawType;
use super::problem::Spot;

/// Words for types. Those of fixed width are what providers write; a rule's integers have 64 bits.
const TYPES: [(&str, RawType); 8] = [
    ("string", RawType::Text),
    ("int", RawType::Int),
    ("int32", RawType::Int),
    ("int64", RawType::Int),
    ("integer", RawType::Int),
    ("bool", RawType::Bool),
    ("boolean", RawType::Bool),
    ("array<string>", RawType::Texts),
];

/// `raw` of a row; a mistake is reported and left out.
pub(super) fn read_raw(row: &Object<'_, '_>, redact: &[Box<str>]) -> Box<[(Box<str>, RawType)]> {
    let Some(object) = row.object("raw") else { return Box::default() };
    let known = TYPES.map(|(name, _)| name);
    let what = format!("one of the types {}", known.join(", "));
    let mut members: Vec<(Box<str>, RawType)> = Vec::new();
    for (name, value) in object.members() {
        let spot = object.spot.at(name);
        let legal = check_name(name, redact, &spot);
        let Some(word) = value.as_str() else {
            spot.expected(&what, value);
            continue;
        };
        match TYPES.iter().find(|(known, _)| *known == word) {
            Some((_, found)) if legal => members.push((name.into(), *found)),
            Some(_) => {}
            None => spot.unknown(&what, word, known),
        }
    }
    members.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    members.into()
}

fn check_name(name: &str, redact: &[Box<str>], spot: &Spot<'_>) -> bool {
    if !name.split('.').all(is_identifier) {
        spot.report(format!(
            "expected a member that conditions can name (letters, digits and _, joined by dots), \
             found {name:?}"
        ));
        return false;
    }
    let top = name.split('.').next().unwrap_or_default();
    let redacted = redact.iter().any(|redacted| **redacted == *top);
    if redacted {
        spot.report(format!("expected a member that is not redacted, found {name:?}"));
    }
    !redacted
}

fn is_identifier(piece: &str) -> bool {
    piece.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && piece.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
