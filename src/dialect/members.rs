//! Members of an answer behind the fixed ones.
//!
//! In: names and JSON. Out: the constant answer, or the same with these members in it. What always
//! holds: a name stands once; a value set again takes the place of the first, so a change overwrites
//! an echo; without a member nothing is allocated.

use crate::json::push_text;
use std::borrow::Cow;

/// Members in order.
#[derive(Debug, Default)]
pub(super) struct Members<'p> {
    list: Vec<(&'p str, Value<'p>)>,
}

#[derive(Debug)]
enum Value<'p> {
    Json(Vec<u8>),
    Object(Members<'p>),
}

impl<'p> Members<'p> {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Members whose names are known to be distinct: an object that was read may have a million.
    pub(super) fn of(members: impl Iterator<Item = (&'p str, Vec<u8>)>) -> Self {
        Self { list: members.map(|(name, json)| (name, Value::Json(json))).collect() }
    }

    /// Sets the member `name` to `json`.
    pub(super) fn set(&mut self, name: &'p str, json: Vec<u8>) {
        self.put(name, Value::Json(json));
    }

    /// As [`Self::set`], unless there is one of that name.
    pub(super) fn set_if_new(&mut self, name: &'p str, json: Vec<u8>) {
        if self.list.iter().all(|(known, _)| *known != name) {
            self.set(name, json);
        }
    }

    /// The object at `name`, made if there is none.
    pub(super) fn object(&mut self, name: &'p str) -> &mut Self {
        let known = self
            .list
            .iter()
            .position(|(known, value)| *known == name && matches!(value, Value::Object(_)));
        let at = known.unwrap_or_else(|| self.put(name, Value::Object(Self::default())));
        match &mut self.list[at].1 {
            Value::Object(members) => members,
            Value::Json(_) => unreachable!("an object was found or put there"),
        }
    }

    fn put(&mut self, name: &'p str, value: Value<'p>) -> usize {
        if let Some(at) = self.list.iter().position(|(known, _)| *known == name) {
            self.list[at].1 = value;
            return at;
        }
        self.list.push((name, value));
        self.list.len() - 1
    }

    /// Appends the members with a comma in front of each but, where `first` says so, the first.
    pub(super) fn write(&self, mut first: bool, out: &mut Vec<u8>) {
        for (name, value) in &self.list {
            if !first {
                out.push(b',');
            }
            first = false;
            push_text(name, out);
            out.push(b':');
            match value {
                Value::Json(json) => out.extend_from_slice(json),
                Value::Object(members) => {
                    out.push(b'{');
                    members.write(true, out);
                    out.push(b'}');
                }
            }
        }
    }

    /// `allow`, an object that is not empty, with the members in it.
    pub(super) fn behind(&self, allow: &'static [u8]) -> Cow<'static, [u8]> {
        if self.is_empty() {
            return Cow::Borrowed(allow);
        }
        let mut out = Vec::with_capacity(allow.len() + 256);
        out.extend_from_slice(&allow[..allow.len() - 1]);
        self.write(false, &mut out);
        out.push(b'}');
        Cow::Owned(out)
    }
}

/// `text` as JSON.
pub(super) fn text_json(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    push_text(text, &mut out);
    out
}
