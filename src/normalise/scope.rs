//! What a locator can see, and what it finds there.
//!
//! In: a callback, one of its bodies, maybe one element of a list in it. Out: values for slots, ids
//! and conditions. What always holds: nothing here fails; what cannot be found is absent.

use super::coerce::{self, Key};
use super::path::{Found, find};
use crate::call::Callback;
use crate::catalogue::plan::{Coercion, Locator, Path, Source, Take, Test};
use crate::event::{Item, Value};
use crate::json::{Kind, Node};
use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;

/// Everything that sources refer to.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) callback: &'a Callback<'a>,
    pub(super) pair_separator: &'a str,
    /// The body of splitting step 1, when it is an object.
    pub(super) body: Option<Node<'a>>,
    /// The plan's roots, found in `body`.
    pub(super) roots: &'a [Option<Node<'a>>],
    /// The element that `@` means.
    pub(super) element: Option<Node<'a>>,
    pub(super) correlation: Option<&'a str>,
    pub(super) arena: &'a Bump,
}

impl<'a> Scope<'a> {
    /// The same for one element.
    pub(super) fn at(&self, element: Node<'a>) -> Self {
        Self { element: Some(element), ..*self }
    }

    pub(super) fn take(&self, take: &'a Take) -> Value<'a> {
        match take {
            Take::Locator(locator) => self.locate(locator),
            Take::First(alternatives) => {
                let mut values = alternatives.iter().map(|alternative| self.take(alternative));
                values.find(|value| !value.is_absent()).unwrap_or_default()
            }
            Take::When { at, test, take } => {
                if Self::holds(self.find(at), test) {
                    self.take(take)
                } else {
                    Value::Absent
                }
            }
            Take::Projection { each, fields, unique_by } => self.project(each, fields, *unique_by),
        }
    }

    pub(super) fn locate(&self, locator: &'a Locator) -> Value<'a> {
        let mut value = self.find(&locator.source);
        if let Value::Json(node) = value
            && node.is_null()
        {
            if !matches!(locator.coercions.first(), Some(Coercion::NullEmpty)) {
                return Value::Absent;
            }
            value = Value::List(&[]);
        }
        coerce::all(value, &locator.coercions, self.arena)
    }

    /// Of several locators the first value that is there.
    pub(super) fn first(&self, locators: &'a [Locator]) -> Value<'a> {
        let mut values = locators.iter().map(|locator| self.locate(locator));
        values.find(|value| !value.is_absent()).unwrap_or_default()
    }

    /// The value at a source; JSON null is still a value here.
    fn find(&self, source: &'a Source) -> Value<'a> {
        match source {
            Source::Body(path) => self.walk(self.start(path), path),
            Source::Element(path) => self.walk(self.element, path),
            Source::Query(name) => self.callback.parameter(name).map_or(Value::Absent, Value::Text),
            Source::Header(name) => self.header(name),
            Source::Const(text) => Value::Text(text),
            Source::Correlation => self.correlation.map_or(Value::Absent, Value::Text),
            Source::Pair(prefix, a, b) => self.pair(prefix, a, b),
            Source::Prefixed(prefix, id) => {
                self.id_at(id).map_or(Value::Absent, |id| Value::Text(self.joined(&[prefix, id])))
            }
            Source::Native(id) => self.native(id),
            Source::Session(parts) => self.session(parts),
            // Only in id lists, which read them themselves.
            Source::ReceivedMinute | Source::RawBody | Source::Index => Value::Absent,
        }
    }

    fn start(&self, path: &Path) -> Option<Node<'a>> {
        match path.root {
            Some(root) => self.roots[usize::from(root.0)],
            None => self.body,
        }
    }

    fn walk(&self, start: Option<Node<'a>>, path: &'a Path) -> Value<'a> {
        // Most paths are one member, and that is a root.
        if path.steps.is_empty() {
            return start.map_or(Value::Absent, Value::Json);
        }
        match start.map(|start| find(start, &path.steps, self.arena)) {
            None | Some(Found::Nothing) => Value::Absent,
            Some(Found::One(node)) => Value::Json(node),
            Some(Found::Many(nodes)) => {
                let values = nodes.iter().copied().map(Value::Json);
                Value::List(BumpVec::from_iter_in(values, self.arena).into_bump_slice())
            }
        }
    }

    /// The node at a path of the body; for lists that are not coerced.
    pub(super) fn node(&self, path: &'a Path) -> Option<Node<'a>> {
        match self.walk(self.start(path), path) {
            Value::Json(node) => Some(node),
            _ => None,
        }
    }

    fn header(&self, name: &str) -> Value<'a> {
        let Some(bytes) = self.callback.headers.get(name) else { return Value::Absent };
        Value::Text(match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(_) => self.arena.alloc_str(&String::from_utf8_lossy(bytes)),
        })
    }

    fn joined(&self, parts: &[&str]) -> &'a str {
        let mut text = bumpalo::collections::String::with_capacity_in(64, self.arena);
        for part in parts {
            text.push_str(part);
        }
        text.into_bump_str()
    }

    fn id_at(&self, source: &'a Source) -> Option<&'a str> {
        coerce::id(self.find(source), self.arena).text()
    }

    fn pair(&self, prefix: &str, a: &'a Source, b: &'a Source) -> Value<'a> {
        let (Some(a), Some(b)) = (self.id_at(a), self.id_at(b)) else { return Value::Absent };
        let (low, high) = if a <= b { (a, b) } else { (b, a) };
        Value::Text(self.joined(&[prefix, low, self.pair_separator, high]))
    }

    fn native(&self, id: &'a Source) -> Value<'a> {
        let Some((head, rest)) = self.id_at(id).and_then(|id| id.split_once('_')) else {
            return Value::Absent;
        };
        let prefix = match head {
            "si" => "direct:",
            "sg" => "group:",
            "sn" => "notification:",
            _ => return Value::Absent,
        };
        if rest.is_empty() { Value::Absent } else { Value::Text(self.joined(&[prefix, rest])) }
    }

    fn session(&self, [kind, from, to, group]: &'a [Source; 4]) -> Value<'a> {
        if let Some(group) = self.id_at(group) {
            return Value::Text(self.joined(&["group:", group]));
        }
        let prefix = if self.id_at(kind) == Some("4") { "notification:" } else { "direct:" };
        self.pair(prefix, from, to)
    }

    fn project(
        &self,
        each: &'a Source,
        fields: &'a [(Box<str>, Take)],
        unique_by: Option<usize>,
    ) -> Value<'a> {
        let Value::Json(list) = self.find(each) else { return Value::Absent };
        if !list.is_list() {
            return Value::Absent;
        }
        let mut items: BumpVec<'a, Item<'a>> = BumpVec::new_in(self.arena);
        let mut seen = std::collections::HashSet::new();
        for element in list.items() {
            let scope = self.at(element);
            let mut item = BumpVec::with_capacity_in(fields.len(), self.arena);
            let mut key = Key::Absent;
            for (index, (name, take)) in fields.iter().enumerate() {
                let value = scope.take(take);
                if unique_by == Some(index) {
                    key = Key::of(value);
                }
                if !value.is_absent() {
                    item.push((&**name, value));
                }
            }
            if !item.is_empty() && (unique_by.is_none() || seen.insert(key)) {
                items.push(item.into_bump_slice());
            }
        }
        Value::Items(items.into_bump_slice())
    }

    /// Whether the id text of what is at the first of `at` that is there passes; without `at`, yes.
    pub(super) fn matches(&self, at: &'a [Locator], test: &Test) -> bool {
        at.is_empty() || Self::holds(self.first(at), test)
    }

    fn holds(value: Value<'_>, test: &Test) -> bool {
        let mut made = Vec::new();
        let id_text = id_text_of(value, &mut made);
        if id_text.is_empty() {
            return false;
        }
        let among = |texts: &[Box<str>]| texts.iter().any(|known| known.as_bytes() == id_text);
        match test {
            Test::Is(texts) => among(texts),
            Test::Not(texts) => !among(texts),
        }
    }
}

/// The text that stands for a value in ids and conditions: where it stands already, or else made in
/// `made`, which is empty.
pub(super) fn id_text_of<'t>(value: Value<'t>, made: &'t mut Vec<u8>) -> &'t [u8] {
    match value {
        Value::Text(text) => text.as_bytes(),
        Value::Json(node) => match node.kind() {
            Kind::Text => node.text().unwrap_or_default().as_bytes(),
            Kind::Number | Kind::True | Kind::False => node.source().as_bytes(),
            _ => {
                push_id_text(value, made);
                made
            }
        },
        _ => {
            push_id_text(value, made);
            made
        }
    }
}

/// Appends the text that stands for a value in ids and conditions.
fn push_id_text(value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Absent | Value::Items(_) => {}
        Value::Text(text) => out.extend_from_slice(text.as_bytes()),
        Value::Int(number) => {
            out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        }
        Value::Bool(yes) => out.extend_from_slice(if yes { b"true" } else { b"false" }),
        Value::List(items) => {
            for item in items {
                let mut text = Vec::new();
                push_id_text(*item, &mut text);
                push_part(&text, out);
            }
        }
        Value::Json(node) => match node.kind() {
            Kind::Null => {}
            Kind::Text => out.extend_from_slice(node.text().unwrap_or_default().as_bytes()),
            Kind::List => {
                for item in node.items() {
                    let mut text = Vec::new();
                    push_id_text(Value::Json(item), &mut text);
                    push_part(&text, out);
                }
            }
            Kind::Object => crate::json::compact(node, out),
            _ => out.extend_from_slice(node.source().as_bytes()),
        },
    }
}

/// Appends one part of an id: its length in decimal, a colon, its bytes.
pub(super) fn push_part(part: &[u8], out: &mut Vec<u8>) {
    push_length(part.len(), out);
    out.extend_from_slice(part);
}

/// Appends what stands in front of a part of so many bytes.
pub(super) fn push_length(bytes: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(bytes).as_bytes());
    out.push(b':');
}
