//! Properties on random messages. The edit masks `x`; names, addresses and members that are not read
//! hold many of them.

use super::super::element::{Walk, row_of};
use super::super::pieces::{Gather, Sink};
use super::super::{Unwritable, openim_text, reported, rewrite_openim, rewrite_tencent};
use super::*;
use crate::json::{Kind, Node, compact};
use proptest::prelude::*;
use serde_json::json;

/// A text without line feeds, so that pieces can be told apart in `text`.
fn text() -> impl Strategy<Value = Tree> {
    prop_oneof![
        "[xa \"\\\\<\u{e9}\u{1f600}\u{1}\u{7f}]{0,5}".prop_map(Tree::from),
        "[\\[{]x?".prop_map(Tree::from),
    ]
}

fn number() -> impl Strategy<Value = Tree> {
    prop_oneof![Just("1.50"), Just("-0"), Just("1e3"), Just("12345678901234567890")]
        .prop_map(|literal| serde_json::from_str(literal).unwrap())
}

/// Any value with texts in it.
fn any_value() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![text(), number(), Just(Tree::Null), Just(json!(true))];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Tree::from),
            proptest::collection::btree_map("[xa]{1,2}", inner, 0..3)
                .prop_map(|members| Tree::Object(members.into_iter().collect())),
        ]
    })
}

/// What may stand at a `loose` path.
fn loose() -> impl Strategy<Value = Tree> {
    let opened = (any_value(), any::<bool>()).prop_map(|(value, spaced)| {
        let json =
            if spaced { serde_json::to_string_pretty(&value) } else { Ok(value.to_string()) };
        Tree::from(json.unwrap())
    });
    prop_oneof![text(), number(), opened, any_value()]
}

/// Code and element of an OpenIM message, others in it where it may have some.
fn openim_message() -> impl Strategy<Value = (u32, Tree)> {
    let plain = prop_oneof![
        (text(), any_value()).prop_map(|(t, x)| (101, json!({"x": x, "content": t}))),
        (text(), number())
            .prop_map(|(t, n)| (105, json!({"fileName": t, "sourceUrl": "x", "n": n}))),
        (number(), loose()).prop_map(|(n, l)| (108, json!({"nickname": n, "ex": l}))),
        (loose(), loose()).prop_map(|(a, b)| (110, json!({"extension": a, "x": "x", "data": b}))),
        any_value().prop_map(|x| (119, json!({ "x": x }))),
        any_value().prop_map(|x| (999, json!({ "x": x }))),
        (text(), loose())
            .prop_map(|(t, l)| (1400, json!({"notificationName": t, "detail": l, "url": "x"}))),
        text().prop_map(|t| (1500, json!({ "detail": t }))),
    ];
    plain.prop_recursive(10, 24, 3, |inner| {
        let nested =
            (inner, 0..5_u8).prop_map(|((code, element), way)| in_message(code, &element, way));
        prop_oneof![
            (text(), nested.clone())
                .prop_map(|(t, m)| (114, json!({"quoteMessage": m, "text": t}))),
            (text(), nested.clone())
                .prop_map(|(t, m)| (106, json!({"text": t, "quoteMessage": m}))),
            (text(), proptest::collection::vec(nested, 0..3)).prop_map(|(t, list)| {
                (107, json!({"multiMessage": list, "title": t, "abstractList": ["x", t]}))
            }),
        ]
    })
}

/// A message in a message, written in one of the ways that occur.
fn in_message(code: u32, element: &Tree, way: u8) -> Tree {
    let name = OPENIM.elements.get(&*code.to_string()).map_or("notificationElem", |n| &n.text);
    match way {
        0 | 1 => json!({"contentType": code, name: element, "content": "x"}),
        2 => json!({"contentType": code.to_string(), "content": element.to_string()}),
        3 => {
            json!({"contentType": code, "content": serde_json::to_string_pretty(element).unwrap()})
        }
        _ => json!({"contentType": code, "content": "plain x"}),
    }
}

fn tencent_message() -> impl Strategy<Value = Tree> {
    let element =
        |name: &'static str, content: Tree| json!({"MsgType": name, "MsgContent": content});
    let plain = prop_oneof![
        text().prop_map(move |t| element("TIMTextElem", json!({"x": "x", "Text": t}))),
        (loose(), loose())
            .prop_map(move |(a, b)| element("TIMCustomElem", json!({"Data": a, "Ext": b}))),
        any_value().prop_map(move |x| element("TIMNewElem", x)),
        any_value(),
    ];
    let body = proptest::collection::vec(plain, 0..3).prop_map(Tree::from);
    body.prop_recursive(10, 16, 2, move |inner| {
        (text(), proptest::collection::vec(inner, 0..3)).prop_map(move |(title, bodies)| {
            let list: Vec<_> = bodies.into_iter().map(|body| json!({ "MsgBody": body })).collect();
            json!([element("TIMRelayElem", json!({"MsgList": list, "AbstractList": [title, "x"]}))])
        })
    })
}

/// A JSON text of the tree, with white space and needless escapes or without.
fn written(tree: &Tree, odd: bool) -> String {
    if !odd {
        return tree.to_string();
    }
    let spaced = serde_json::to_string_pretty(tree).unwrap();
    // `<` and `x` stand in texts and names only, never behind a lone backslash.
    format!(" {}\n", spaced.replace('<', "\\u003c").replace('x', "\\u0078"))
}

/// What a rewrite showed to its edit, and what came of it.
struct Rewrite {
    shown: Vec<String>,
    body: Option<String>,
    whole: bool,
}

/// Rewrites a body (OpenIM content when there is a code) with an edit.
fn rewrite(code: Option<u32>, body: &str, edit: fn(&str) -> Option<String>) -> Rewrite {
    let arena = Bump::new();
    let mut shown = Vec::new();
    let mut edit = |piece: &str| {
        shown.push(piece.to_owned());
        edit(piece)
    };
    let body = arena.alloc_str(body);
    let (body, whole) = if let Some(code) = code {
        match rewrite_openim(&OPENIM, Some(&*code.to_string()), body, &mut edit, &arena) {
            Ok(body) => (body, true),
            Err(Unwritable::NotAnObject { rest, .. }) => (rest, false),
        }
    } else {
        let json = Json::read(body, &arena).unwrap();
        (rewrite_tencent(&TENCENT, json.root(), &mut edit, &arena), true)
    };
    Rewrite { shown, body, whole }
}

fn mask(piece: &str) -> Option<String> {
    piece.contains('x').then(|| piece.replace('x', "*"))
}

fn read(code: Option<u32>, body: &str) -> Seen {
    code.map_or_else(|| tencent(body).unwrap(), |code| openim(&code.to_string(), body))
}

/// Fails when the two texts differ in anything but texts that were masked; gives how many were.
fn masked_places(before: &str, after: &str) -> usize {
    let arena = Bump::new();
    let [old, new] = [before, after].map(|text| Json::read(text, &arena).unwrap());
    let mut places = Vec::new();
    differences(old.root(), new.root(), &mut places);
    let outside = |whole: &str, sources: Vec<&str>| {
        let (mut outside, mut at) = (String::new(), 0);
        for source in sources {
            let start = source.as_ptr().addr() - whole.as_ptr().addr();
            outside.push_str(&whole[at..start]);
            outside.push('\0');
            at = start + source.len();
        }
        outside + &whole[at..]
    };
    let of_old = outside(before, places.iter().map(|(old, _)| *old).collect());
    let of_new = outside(after, places.iter().map(|(_, new)| *new).collect());
    assert_eq!(of_old, of_new, "{before}\n{after}");
    places.len()
}

/// Sources of the texts that differ, in document order.
fn differences<'a>(old: Node<'a>, new: Node<'a>, places: &mut Vec<(&'a str, &'a str)>) {
    if old.source() == new.source() {
        return;
    }
    if old.kind() == new.kind() && matches!(old.kind(), Kind::Object | Kind::List) {
        assert_eq!(old.members().count(), new.members().count());
        assert_eq!(old.items().count(), new.items().count());
        let members = old.members().zip(new.members()).map(|(o, n)| (o.value, n.value));
        members.chain(old.items().zip(new.items())).for_each(|(o, n)| differences(o, n, places));
        return;
    }
    assert_masked(old.text().unwrap(), new.text().unwrap());
    places.push((old.source(), new.source()));
}

/// The new text is the old one masked, or its compact JSON with masked texts in it.
fn assert_masked(old: &str, new: &str) {
    if mask(old).as_deref() == Some(new) {
        return;
    }
    let arena = Bump::new();
    let json = Json::read(arena.alloc_str(old), &arena).expect("not masked, so JSON");
    let mut canonical = Vec::new();
    compact(json.root(), &mut canonical);
    assert!(masked_places(std::str::from_utf8(&canonical).unwrap(), new) > 0, "{old}\n{new}");
}

fn check(code: Option<u32>, body: &str) -> Result<(), TestCaseError> {
    for identity in [|_: &str| None, |piece: &str| Some(piece.to_owned())] {
        let same = rewrite(code, body, identity);
        prop_assert_eq!((same.body, same.whole), (None, true), "nothing was edited");
        let arena = Bump::new();
        let reports = same.shown.iter().filter_map(|piece| reported(piece, &arena));
        let joined = (!same.shown.is_empty()).then(|| reports.collect::<Vec<_>>().join("\n"));
        prop_assert_eq!(joined, read(code, body).text, "the edit sees what is read");
    }
    let Rewrite { shown, body: after, whole } = rewrite(code, body, mask);
    let changes = shown.iter().any(|piece| piece.contains('x'));
    prop_assert_eq!(after.is_some() || !whole, changes);
    let Some(after) = after else {
        return Ok(());
    };
    prop_assert!(masked_places(body, &after) > 0);
    let (was, is) = (read(code, body), read(code, &after));
    let arena = Bump::new();
    let read_as = |piece: &str| reported(piece, &arena).expect("it was shown").to_owned();
    let edited = |piece: &String| read_as(&mask(piece).unwrap_or(piece.clone()));
    let text = is.text.clone().unwrap();
    if whole {
        prop_assert_eq!(&text, &shown.iter().map(edited).collect::<Vec<_>>().join("\n"));
    }
    let pieces: Vec<_> = text.split('\n').collect();
    prop_assert_eq!(pieces.len(), shown.len());
    for (piece, shown) in pieces.into_iter().zip(&shown) {
        prop_assert!(piece == read_as(shown) || piece == edited(shown), "{piece} was {shown}");
    }
    prop_assert_eq!(Seen { text: was.text.clone(), ..is }, was, "all else reads as before");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn openim_content_is_written_as_it_is_read((code, content) in openim_message(), odd: bool) {
        check(Some(code), &written(&content, odd))?;
    }

    #[test]
    fn tencent_bodies_are_written_as_they_are_read(body in tencent_message(), odd: bool) {
        // A body is a value in a request, so white space around it is not its own.
        check(None, written(&body, odd).trim())?;
    }

    #[test]
    fn the_short_way_to_a_text_gives_what_reading_json_gives(
        code in "10[159]|11[058]|1400|999|1500",
        content in "\\{\"(content|data|text|description|x)\"(:|: )\"([xa {}:,\u{0}-\u{2}\u{7f}]{0,4}|(\\\\)?[\"\\\\nu]){0,3}(\"|)\\}",
    ) {
        let arena = Bump::new();
        let short = openim_text(&OPENIM, Some(&code), &content, &arena);
        let chosen = row_of(&OPENIM, Some(&code));
        let mut walk = Walk { model: &OPENIM, arena: &arena, sink: Gather::new(&OPENIM, &arena) };
        walk.openim_text(chosen, &content, None, 0);
        prop_assert_eq!(short, walk.sink.finish(short.content_types));
        prop_assert_eq!(short.content_type, Some(&*chosen.row.word));
    }

    #[test]
    fn no_content_panics_or_breaks_the_limits(code: u16, content in any::<String>(), body in any_value()) {
        for content in [content, body.to_string()] {
            let seen = openim(&code.to_string(), &content);
            prop_assert!(seen.text.is_none_or(|text| text.len() <= OPENIM.text_bytes_max));
            rewrite(Some(u32::from(code)), &content, mask);
        }
        let element = json!({"MsgType": "TIMRelayElem", "MsgContent": body});
        let whole = Tree::from(vec![element, body.clone()]).to_string();
        prop_assert!(tencent(&whole).is_some());
        prop_assert_eq!(tencent(&body.to_string()).is_some(), body.is_array());
        rewrite(None, &body.to_string(), mask);
    }
}

#[test]
fn pieces_reach_a_sink_one_by_one_and_join_as_the_contract_says() {
    let arena = Bump::new();
    let mut gather = Gather::new(&TENCENT, &arena);
    for piece in ["a", "\u{1}", "b\u{7}", " c "] {
        gather.piece(piece, None);
    }
    for url in ["u", "v", "u"] {
        gather.url(url);
    }
    let seen = Seen::of(gather.finish(&[]));
    assert_eq!((seen.text(), &*seen.kind), ("a\nb\n c ", "mixed"));
    assert_eq!(seen.urls, ["u", "v"]);
}
