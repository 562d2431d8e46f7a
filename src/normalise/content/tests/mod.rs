//! The walkers on the tables of the catalogue.
//!
//! `reading`: every row and every limit. `writing`: what an edit changes and what stays. `laws`:
//! properties of both on random messages.

mod laws;
mod reading;
mod writing;

use super::{Content, read_openim, read_tencent};
use crate::catalogue::plan::{ContentForm, ContentModel, ContentRow, Name, Path, Step};
use crate::event::Value;
use crate::json::Json;
use bumpalo::Bump;
use serde_json::Value as Tree;
use std::sync::LazyLock;

static OPENIM: LazyLock<ContentModel> = LazyLock::new(|| model(ContentForm::OpenIm, "openim"));
static TENCENT: LazyLock<ContentModel> = LazyLock::new(|| model(ContentForm::Tencent, "tencent"));

/// The tables as a model. Small on purpose: what the catalogue's own compiler checks is not checked.
fn model(form: ContentForm, provider: &str) -> ContentModel {
    let text = include_str!("../../../../catalogue/content.json");
    let tree: Tree = serde_json::from_str(text).unwrap();
    let (tables, limits) = (&tree["content"][provider], &tree["content"]["limits"]);
    let limit = |name: &str| usize::try_from(limits[name].as_u64().unwrap()).unwrap();
    let members = |name: &str| tables[name].as_object().cloned().unwrap_or_default().into_iter();
    let names =
        |name| members(name).map(|(k, v)| (k.into(), Name::new(v.as_str().unwrap()))).collect();
    let ranges = tables["ranges"].as_array().cloned().unwrap_or_default().into_iter();
    ContentModel {
        form,
        types: members("types").map(|(code, r)| (code.into(), row(&r))).collect(),
        ranges: ranges
            .map(|r| (r["from"].as_u64().unwrap(), r["to"].as_u64().unwrap(), row(&r)))
            .collect(),
        other: row(&tables["other"]),
        elements: names("element"),
        element_ranges: names("element_ranges"),
        depth_max: limit("depth"),
        text_bytes_max: limit("text_bytes"),
        urls_max: limit("urls"),
    }
}

fn row(row: &Tree) -> ContentRow {
    let texts = |name: &str| {
        let list = row[name].as_array().cloned().unwrap_or_default().into_iter();
        list.map(|path| path.as_str().unwrap().to_owned())
    };
    let paths = |name| texts(name).filter(|path| path != "*").map(|path| steps(&path)).collect();
    ContentRow {
        word: row["type"].as_str().unwrap().into(),
        text: paths("text"),
        loose: paths("loose"),
        loose_all: texts("loose").any(|path| path == "*"),
        urls: paths("urls"),
        messages: paths("messages"),
        bodies: paths("bodies"),
        hidden: row["hidden"].as_str().map(Name::new),
    }
}

fn steps(path: &str) -> Path {
    let mut steps = Vec::new();
    for part in path.split('.') {
        steps.push(Step::Member(Name::new(part.trim_end_matches("[*]"))));
        if part.ends_with("[*]") {
            steps.push(Step::All);
        }
    }
    Path { root: None, steps: steps.into() }
}

/// [`Content`] that outlives its arena.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    kind: String,
    kinds: Vec<String>,
    text: Option<String>,
    incomplete: bool,
    urls: Vec<String>,
}

impl Seen {
    fn of(content: Content<'_>) -> Self {
        let texts = |values: &[Value<'_>]| {
            values.iter().map(|value| value.text().unwrap().to_owned()).collect()
        };
        Self {
            kind: content.content_type.unwrap().to_owned(),
            kinds: texts(content.content_types),
            text: content.text.map(str::to_owned),
            incomplete: content.text_incomplete,
            urls: texts(content.media_urls),
        }
    }

    fn text(&self) -> &str {
        self.text.as_deref().unwrap_or("(none)")
    }
}

/// Content of a message of type `code` whose `content` is that text.
fn openim(code: &str, content: &str) -> Seen {
    openim_value(Some(code), &Tree::from(content).to_string())
}

/// As [`openim`], `content` being any JSON value.
fn openim_value(code: Option<&str>, content: &str) -> Seen {
    let arena = Bump::new();
    let json = Json::read(arena.alloc_str(content), &arena).unwrap();
    Seen::of(read_openim(&OPENIM, code, Some(json.root()), &arena))
}

/// Content of a message with that `MsgBody`.
fn tencent(body: &str) -> Option<Seen> {
    let arena = Bump::new();
    let json = Json::read(arena.alloc_str(body), &arena).unwrap();
    read_tencent(&TENCENT, Some(json.root()), &arena).map(Seen::of)
}

/// Messages of type quote, each in the one before, as `content` of the outermost; the message at
/// depth `n` says `n`.
fn quotes(depth: usize) -> String {
    let quote = |depth: usize, inner: Option<Tree>| {
        let mut element = serde_json::json!({ "text": depth.to_string() });
        if let Some(inner) = inner {
            element["quoteMessage"] = serde_json::json!({ "contentType": 114, "quoteElem": inner });
        }
        element
    };
    let innermost = quote(depth, None);
    (0..depth).rev().fold(innermost, |inner, depth| quote(depth, Some(inner))).to_string()
}

/// As [`quotes`], of merged Tencent messages.
fn merges(depth: usize) -> String {
    let merge = |depth: usize, inner: Option<Tree>| {
        let mut content = serde_json::json!({ "Title": depth.to_string() });
        if let Some(inner) = inner {
            content["MsgList"] = serde_json::json!([{ "MsgBody": inner }]);
        }
        serde_json::json!([{ "MsgType": "TIMRelayElem", "MsgContent": content }])
    };
    let innermost = merge(depth, None);
    (0..depth).rev().fold(innermost, |inner, depth| merge(depth, Some(inner))).to_string()
}
