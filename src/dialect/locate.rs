//! Finds what the request has where a reply plan points.
//!
//! In: a compiled path and the object it starts from. Out: the one value there. What always holds:
//! null is absent, as for every locator; a path with `[*]` names no single value and finds nothing.

use crate::catalogue::plan::{Path, RootIndex, Roots, Step};
use crate::json::{Kind, Node};

/// The value at `path`, that begins at `from`; a first step that was compiled into a root is looked
/// up in `from` as well.
pub(super) fn locate<'a>(path: &Path, roots: &Roots, from: Node<'a>) -> Option<Node<'a>> {
    let mut at = from;
    if let Some(RootIndex(root)) = path.root {
        at = at.get(roots.names().get(usize::from(root))?)?;
    }
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

/// Id text of a single value: the text, the literal, `true` or `false`; `None` when it is empty, null
/// or a container.
pub(super) fn id_text(node: Node<'_>) -> Option<&str> {
    match node.kind() {
        Kind::Text => node.text().filter(|text| !text.is_empty()),
        Kind::Number | Kind::True | Kind::False => Some(node.source()),
        Kind::Null | Kind::List | Kind::Object | Kind::Name => None,
    }
}
