//! What a request has where a plan points, once its fields are made.
//!
//! In: compiled paths and the body they begin at. Out: the one value there, whether a change of an
//! answer is open to this request, and the message that a change of its texts must write again. What
//! always holds: null is absent, as for every locator; a path with `[*]` names no single value and
//! finds nothing. The rules and the dialects judge by the same functions, so that no change is
//! recorded that is not in the answer.

use super::path::{Found, find};
use super::{Known, coerce};
use crate::catalogue::plan::{ModifyPlan, Path, RootIndex, Roots, Source, Step};
use crate::event::Value;
use crate::json::{Kind, Node};
use bumpalo::Bump;

/// The value at `path`, that begins at `from`; a first step that was compiled into a root is looked
/// up in `from` as well.
#[must_use]
pub fn locate<'a>(path: &Path, roots: &Roots, from: Node<'a>) -> Option<Node<'a>> {
    let mut at = start(path, roots, from)?;
    for step in &path.steps {
        at = match step {
            Step::Member(name) => at.get_hashed(&name.text, name.hash)?,
            Step::Item(index) => at.items().nth(*index)?,
            Step::Find(key, wanted) => at.items().find(|item| {
                let found = item.get_hashed(&key.text, key.hash).and_then(|value| value.text());
                found == Some(wanted)
            })?,
            Step::All => return None,
        };
    }
    (!at.is_null()).then_some(at)
}

fn start<'a>(path: &Path, roots: &Roots, from: Node<'a>) -> Option<Node<'a>> {
    match path.root {
        Some(RootIndex(root)) => from.get(roots.names().get(usize::from(root))?),
        None => Some(from),
    }
}

/// Id text of a single value: the text, the literal, `true` or `false`; `None` when it is empty, null
/// or a container.
#[must_use]
pub fn id_text(node: Node<'_>) -> Option<&str> {
    match node.kind() {
        Kind::Text => node.text().filter(|text| !text.is_empty()),
        Kind::Number | Kind::True | Kind::False => Some(node.source()),
        Kind::Null | Kind::List | Kind::Object | Kind::Name => None,
    }
}

/// Whether the request is one that the server applies this change to.
#[must_use]
pub fn is_open(modify: &ModifyPlan, roots: &Roots, body: Node<'_>) -> bool {
    modify.only_if.as_ref().is_none_or(|path| locate(path, roots, body).is_some())
        && !is_shut(modify, roots, body)
}

/// Whether the request is of those that the server does not apply this change to, whatever it has.
#[must_use]
pub fn is_shut(modify: &ModifyPlan, roots: &Roots, body: Node<'_>) -> bool {
    modify.unless.as_ref().is_some_and(|(path, texts)| {
        let found = locate(path, roots, body).and_then(id_text);
        found.is_some_and(|found| texts.iter().any(|text| **text == *found))
    })
}

/// A message as it was received.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Id text of its type, which OpenIM sends beside it.
    pub code: Option<&'a str>,
    /// OpenIM: a text; Tencent: a list.
    pub body: Node<'a>,
}

/// The message whose fields those of the content are; `None` without one.
#[must_use]
pub fn message<'a>(known: &Known<'a>, arena: &'a Bump) -> Option<Message<'a>> {
    let content = known.plan.content.as_ref()?;
    let at = |source: &Source| {
        let (from, steps) = match source {
            Source::Body(path) => (start(path, &known.plan.roots, known.body)?, &path.steps),
            Source::Element(path) => (known.element?, &path.steps),
            _ => return None,
        };
        match find(from, steps, arena) {
            Found::One(node) => Some(node).filter(|node| !node.is_null()),
            Found::Nothing | Found::Many(_) => None,
        }
    };
    let code = content.kind.as_ref().and_then(|kind| at(&kind.source));
    let code = code.and_then(|code| coerce::id(Value::Json(code), arena).text());
    Some(Message { code, body: at(&content.body.source)? })
}
