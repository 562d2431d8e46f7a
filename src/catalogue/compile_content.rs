//! Compiles how message bodies are walked, and where rows have them.
//!
//! In: `content` of the files and of rows. Out: one [`ContentModel`] per provider, shared by its plans,
//! and [`ContentPlan`]s. What always holds: paths in a model begin at an element.

use std::sync::Arc;

use super::compile::Context;
use super::kind::slot;
use super::locator::{LocatorReader, relative_path};
use super::object::Object;
use super::plan::{
    ContentForm, ContentModel, ContentPlan, ContentRow, Locator, Lookup, Name, Path, SlotIndex,
    Source,
};
use super::problem::{Problems, Spot};
use super::source::Table;
use crate::call::Provider;

/// Limits of all models.
struct Limits {
    depth_max: usize,
    text_bytes_max: usize,
    urls_max: usize,
}

/// The models in the order of [`Provider::ALL`].
pub(super) fn read_models(content: &Table, problems: &Problems) -> [Option<Arc<ContentModel>>; 2] {
    let object = |name: &str| {
        let entry = content.get(name)?;
        Object::of(&entry.value, problems.spot(&entry.file, &format!("content {name}")))
    };
    let Some(limits) = object("limits").and_then(|object| read_limits(&object)) else {
        return [None, None];
    };
    Provider::ALL.map(|provider| {
        let object = object(provider.name())?;
        let form = match provider {
            Provider::OpenIm => ContentForm::OpenIm,
            Provider::Tencent => ContentForm::Tencent,
        };
        read_model(&object, form, &limits).map(Arc::new)
    })
}

fn read_limits(object: &Object<'_, '_>) -> Option<Limits> {
    object.only(&["depth", "text_bytes", "urls"]);
    let limit = |key: &str| {
        object.require(key, "a number");
        usize::try_from(object.integer(key)?).ok()
    };
    Some(Limits {
        depth_max: limit("depth")?,
        text_bytes_max: limit("text_bytes")?,
        urls_max: limit("urls")?,
    })
}

fn read_model(object: &Object<'_, '_>, form: ContentForm, limits: &Limits) -> Option<ContentModel> {
    object.only(&["types", "ranges", "other", "element", "element_ranges"]);
    let mut types = Lookup::default();
    let rows = object.object("types")?;
    for (code, value) in rows.members() {
        let row = Object::of(value, rows.spot.at(code))?;
        types.insert(code.into(), read_row(&row));
    }
    let mut ranges = Vec::new();
    for value in object.list("ranges").unwrap_or_default() {
        let range = Object::of(value, object.spot.at("ranges"))?;
        range.only(&["from", "to", "type"]);
        let bound = |key: &str| range.integer(key).and_then(|bound| u64::try_from(bound).ok());
        let word = range.required_text("type")?.into();
        ranges.push((bound("from")?, bound("to")?, ContentRow { word, ..ContentRow::default() }));
    }
    let names = |key: &str| -> Lookup<Name> {
        let Some(elements) = object.object(key) else { return Lookup::default() };
        let text = |code| Some((Box::from(code), Name::new(elements.text(code)?)));
        elements.members().filter_map(|(code, _)| text(code)).collect()
    };
    Some(ContentModel {
        form,
        types,
        ranges: ranges.into(),
        other: read_row(&object.object("other")?),
        elements: names("element"),
        element_ranges: names("element_ranges"),
        depth_max: limits.depth_max,
        text_bytes_max: limits.text_bytes_max,
        urls_max: limits.urls_max,
    })
}

fn read_row(object: &Object<'_, '_>) -> ContentRow {
    object.only(&["type", "text", "loose", "urls", "messages", "bodies", "hidden"]);
    let paths = |key: &str| -> Box<[Path]> {
        let texts = object.texts(key).into_iter().filter(|text| *text != "*");
        texts.filter_map(|text| reported(relative_path(text), &object.spot.at(key))).collect()
    };
    ContentRow {
        word: object.required_text("type").unwrap_or_default().into(),
        text: paths("text"),
        loose: paths("loose"),
        loose_all: object.texts("loose").contains(&"*"),
        urls: paths("urls"),
        messages: paths("messages"),
        bodies: paths("bodies"),
        hidden: object.text("hidden").map(Name::new),
    }
}

fn reported<T>(result: Result<T, String>, spot: &Spot<'_>) -> Option<T> {
    result.map_err(|error| spot.report(error)).ok()
}

/// Where a row has the message body.
pub(super) fn compile_content(
    context: &Context<'_>,
    row: &Object<'_, '_>,
    provider: Provider,
    slots: &[Box<str>],
    locators: &mut LocatorReader<'_>,
) -> Option<ContentPlan> {
    let object = row.object("content")?;
    object.only(&["model", "type", "body"]);
    let model = object.required_text("model")?;
    if model != provider.name() {
        object.spot.at("model").unknown("the row's provider", model, [provider.name()]);
    }
    if object.has("type") != (provider == Provider::OpenIm) {
        object.spot.at("type").report("expected a path for OpenIM, nothing for Tencent");
    }
    let mut place = |key: &str| -> Option<Locator> {
        let source = reported(locators.source(object.text(key)?), &object.spot.at(key))?;
        // A change of the message's texts looks there again, with nothing but the body at hand.
        if !matches!(source, Source::Body(_) | Source::Element(_)) {
            object.spot.at(key).expected("a path ($.name)", object.get(key)?);
        }
        Some(Locator { source, coercions: Box::default() })
    };
    let kind = place("type");
    object.require("body", "a path");
    let body = place("body");
    let slot = |name: &str| -> Option<SlotIndex> { slot(slots, name) };
    Some(ContentPlan {
        model: context.models[provider.index()].clone()?,
        kind,
        body: body?,
        content_type: slot("content_type")?,
        content_types: slot("content_types")?,
        text: slot("text")?,
        text_incomplete: slot("text_incomplete")?,
        media_urls: slot("media_urls")?,
    })
}
