//! Reads members of a JSON object of the catalogue's files, and reports those that are not right.
//!
//! In: parsed JSON and its place. Out: texts, lists, numbers. What always holds: a member of the wrong
//! type is reported and then treated as if it were not there.

use serde_json::{Map, Value};

use super::problem::Spot;

/// An object and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Object<'v, 'p> {
    members: &'v Map<String, Value>,
    pub(super) spot: Spot<'p>,
}

impl<'v, 'p> Object<'v, 'p> {
    /// Reports anything but an object.
    pub(super) fn of(value: &'v Value, spot: Spot<'p>) -> Option<Self> {
        let members = value.as_object();
        if members.is_none() {
            spot.expected("an object", value);
        }
        Some(Self { members: members?, spot })
    }

    /// Reports members that are not among the known ones.
    pub(super) fn only(&self, known: &[&str]) -> &Self {
        for name in self.members.keys().filter(|name| !known.contains(&name.as_str())) {
            let what = format!("one of the keys {}", known.join(", "));
            self.spot.unknown(&what, name, known.iter().copied());
        }
        self
    }

    pub(super) fn members(&self) -> impl Iterator<Item = (&'v str, &'v Value)> + use<'v> {
        self.members.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub(super) fn get(&self, key: &str) -> Option<&'v Value> {
        self.members.get(key)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.members.contains_key(key)
    }

    /// The member, read by `read`; a mistake is reported as `expected`.
    fn read<T>(&self, key: &str, expected: &str, read: fn(&'v Value) -> Option<T>) -> Option<T> {
        let value = self.get(key)?;
        let found = read(value);
        if found.is_none() {
            self.spot.at(key).expected(expected, value);
        }
        found
    }

    /// Reports a member that is not there.
    pub(super) fn require(&self, key: &str, expected: &str) -> bool {
        if !self.has(key) {
            self.spot.at(key).report(format!("expected {expected}, found nothing"));
        }
        self.has(key)
    }

    pub(super) fn text(&self, key: &str) -> Option<&'v str> {
        self.read(key, "a text that is not empty", |value| {
            value.as_str().filter(|text| !text.is_empty())
        })
    }

    pub(super) fn required_text(&self, key: &str) -> Option<&'v str> {
        self.require(key, "a text that is not empty");
        self.text(key)
    }

    pub(super) fn integer(&self, key: &str) -> Option<i64> {
        self.read(key, "an integer", Value::as_i64)
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        self.read(key, "true or false", Value::as_bool).unwrap_or(false)
    }

    pub(super) fn list(&self, key: &str) -> Option<&'v [Value]> {
        self.read(key, "a list", |value| value.as_array().map(Vec::as_slice))
    }

    /// The texts of a list; no list, no texts.
    pub(super) fn texts(&self, key: &str) -> Vec<&'v str> {
        let items = self.list(key).unwrap_or_default();
        let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
        if texts.len() < items.len() {
            self.spot.at(key).expected("a list of texts", &self.members[key]);
        }
        texts
    }

    /// As [`Self::texts`]; reports a list without any.
    pub(super) fn some_texts(&self, key: &str) -> Vec<&'v str> {
        if self.list(key).is_some_and(<[Value]>::is_empty) {
            self.spot.at(key).report("expected at least one text, found []");
        }
        self.texts(key)
    }

    pub(super) fn object(&self, key: &str) -> Option<Self> {
        Self::of(self.get(key)?, self.spot.at(key))
    }
}

/// Texts as plans hold them.
pub(super) fn boxed(texts: &[&str]) -> Box<[Box<str>]> {
    texts.iter().map(|text| Box::from(*text)).collect()
}
