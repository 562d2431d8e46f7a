//! Follows the steps of a path through objects and lists.
//!
//! In: a value to begin at and the steps behind it. Out: what is there, nulls included, for a
//! coercion may want to see them. What always holds: names are exact; a step that does not fit what
//! is there (a member of a text, an item of an object) leads to nothing, never to a panic; no step
//! recurses but `[*]`, so a path's own length bounds the stack.

use crate::catalogue::plan::Step;
use crate::json::Node;
use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Found<'a> {
    /// The path leads nowhere.
    Nothing,
    /// The path has no `[*]`, and this is there; may be null.
    One(Node<'a>),
    /// The path has a `[*]`: what it finds, in order, nulls kept; maybe empty.
    Many(&'a [Node<'a>]),
}

/// What stands behind `steps`, as locators see it.
///
/// The first `[*]` makes it a list, absent only when it stands at no list. Items that lead nowhere
/// are skipped; lists of a second `[*]` are put one behind the other.
#[must_use]
pub fn find<'a>(start: Node<'a>, steps: &[Step], arena: &'a Bump) -> Found<'a> {
    let mut node = start;
    for (at, step) in steps.iter().enumerate() {
        if matches!(step, Step::All) {
            if !node.is_list() {
                return Found::Nothing;
            }
            let mut found = BumpVec::new_in(arena);
            visit(node, &steps[at..], &mut |item| found.push(item));
            return Found::Many(found.into_bump_slice());
        }
        match follow(node, step) {
            Some(next) => node = next,
            None => return Found::Nothing,
        }
    }
    Found::One(node)
}

/// Shows `each` all that stands behind `steps`, in order, nulls included; allocates nothing.
pub fn visit<'a>(start: Node<'a>, steps: &[Step], each: &mut impl FnMut(Node<'a>)) {
    let mut node = start;
    for (at, step) in steps.iter().enumerate() {
        if matches!(step, Step::All) {
            for item in node.items() {
                visit(item, &steps[at + 1..], each);
            }
            return;
        }
        match follow(node, step) {
            Some(next) => node = next,
            None => return,
        }
    }
    each(node);
}

/// One step to one value; `[*]` is none.
fn follow<'a>(node: Node<'a>, step: &Step) -> Option<Node<'a>> {
    match step {
        Step::Member(name) => node.get_hashed(&name.text, name.hash),
        Step::Item(index) => node.items().nth(*index),
        Step::Find(name, text) => node.items().find(|item| {
            let member = item.get_hashed(&name.text, name.hash);
            member.and_then(|member| member.text()) == Some(text)
        }),
        Step::All => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::plan::Name;
    use crate::json::Json;

    const BODY: &str = r#"{"a":{"b":[{"k":"x","v":1},5,{"k":"y"},{"k":2,"v":2},{"k":"y","v":3},
        {"v":null},{"v":{"w":4}},[7]],"n":null,"e":[],"t":"text"},
        "g":[{"m":[1,2]},{"m":"no list"},{"x":0},{"m":[]},{"m":[null,3]}]}"#;

    fn member(name: &str) -> Step {
        Step::Member(Name::new(name))
    }

    /// Sources of what was found, with a space between.
    fn found(steps: &[Step]) -> Option<String> {
        let arena = Bump::new();
        let json = Json::read(BODY, &arena).unwrap();
        match find(json.root(), steps, &arena) {
            Found::Nothing => None,
            Found::One(node) => Some(node.source().to_owned()),
            Found::Many(nodes) => {
                Some(nodes.iter().map(Node::source).collect::<Vec<_>>().join(" "))
            }
        }
    }

    #[test]
    fn members_items_and_nulls_are_found_and_what_does_not_fit_is_nothing() {
        let in_list = |step| found(&[member("a"), member("b"), step]);
        assert_eq!(in_list(Step::Item(1)).as_deref(), Some("5"));
        assert_eq!(in_list(Step::Item(8)), None);
        assert_eq!(in_list(member("v")), None, "a list has no members");
        assert_eq!(
            found(&[member("a"), member("n")]).as_deref(),
            Some("null"),
            "coercions see null"
        );
        assert_eq!(found(&[member("a"), member("n"), member("x")]), None);
        assert_eq!(found(&[member("a"), member("t"), member("x")]), None);
        assert_eq!(found(&[member("a"), Step::Item(0)]), None, "an object has no items");
        assert_eq!(found(&[member("A")]), None, "names are exact");
    }

    #[test]
    fn a_list_of_all_skips_what_lacks_the_member_and_keeps_nulls() {
        let all = |first: &[&str], then: &[&str]| {
            let mut steps: Vec<_> = first.iter().map(|name| member(name)).collect();
            steps.push(Step::All);
            steps.extend(then.iter().map(|name| member(name)));
            found(&steps)
        };
        assert_eq!(all(&["a", "b"], &["v"]).as_deref(), Some(r#"1 2 3 null {"w":4}"#));
        assert_eq!(all(&["a", "b"], &["v", "w"]).as_deref(), Some("4"));
        assert_eq!(all(&["a", "b"], &["zz"]).as_deref(), Some(""), "an empty list is a value");
        assert_eq!(all(&["a", "e"], &["v"]).as_deref(), Some(""));
        assert_eq!(all(&["a", "t"], &[]), None, "no list");
        assert_eq!(all(&["a", "n"], &[]), None, "null is no list");
        assert_eq!(all(&["a"], &["b"]), None, "an object is no list");
        assert_eq!(all(&["nothing"], &["b"]), None);
    }

    #[test]
    fn lists_in_lists_become_one_list() {
        let steps = [member("g"), Step::All, member("m"), Step::All];
        assert_eq!(found(&steps).as_deref(), Some("1 2 null 3"));
    }

    #[test]
    fn a_search_compares_texts_and_takes_the_first_hit_even_without_the_member() {
        let search = |text: &str, then: &str| {
            let hit = Step::Find(Name::new("k"), text.into());
            found(&[member("a"), member("b"), hit, member(then)])
        };
        assert_eq!(search("x", "v").as_deref(), Some("1"));
        assert_eq!(search("y", "v"), None, "the second y would have it");
        assert_eq!(search("y", "k").as_deref(), Some("\"y\""));
        assert_eq!(search("2", "v"), None, "a number is no text");
        assert_eq!(search("z", "v"), None);
    }
}
