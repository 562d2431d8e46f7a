//! Keys that stand twice in one object of a file.
//!
//! In: the text of a file, and what was read of it, which has only the last value of each. Out:
//! reports with the entry and the key. What always holds: nothing is said about a text that is no
//! JSON; its reader does that.

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use super::problem::Problems;

/// Reports every key of `text` that its object has already; `top` is what was read of it.
pub(super) fn report(file: &str, text: &str, top: &Value, problems: &Problems) {
    let found = RefCell::new(Vec::new());
    let mut reader = serde_json::Deserializer::from_str(text);
    if (Walk { path: &[], found: &found }).deserialize(&mut reader).is_err() {
        return;
    }
    for path in found.into_inner() {
        let (row, key) = place(&path, top);
        let mut spot = problems.spot(file, &row);
        for step in key {
            spot = spot.at(step);
        }
        spot.report("expected one value, found the key twice");
    }
}

/// The entry that `path` leads into, as other reports name it, and what is left of the path.
fn place<'p>(path: &'p [String], top: &Value) -> (String, &'p [String]) {
    let [list, name, key @ ..] = path else { return (String::new(), path) };
    if key.is_empty() {
        return (String::new(), path);
    }
    let entry = &top[list.as_str()];
    let entry = name.parse::<usize>().map_or(&entry[name.as_str()], |at| &entry[at]);
    let text = |key: &str| entry[key].as_str().unwrap_or_default();
    let row = match list.as_str() {
        "commands" => format!("row {} {}", text("provider"), text("command")),
        "kinds" => format!("kind {}", text("kind")),
        "vocabulary" => format!("word {}", text("field")),
        "enums" => format!("enum {name}"),
        "field_sets" => format!("field set {name}"),
        _ => return (String::new(), path),
    };
    (row, key)
}

/// One value on the way through the text.
#[derive(Clone, Copy)]
struct Walk<'w> {
    path: &'w [String],
    found: &'w RefCell<Vec<Vec<String>>>,
}

impl Walk<'_> {
    fn behind(&self, step: String) -> Vec<String> {
        self.path.iter().cloned().chain([step]).collect()
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = members.next_key::<String>()? {
            let path = self.behind(key.clone());
            members.next_value_seed(Walk { path: &path, found: self.found })?;
            if !seen.insert(key) {
                self.found.borrow_mut().push(path);
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        for at in 0_usize.. {
            let path = self.behind(at.to_string());
            if items.next_element_seed(Walk { path: &path, found: self.found })?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _value: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _value: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _value: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _value: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _value: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
