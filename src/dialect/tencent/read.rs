//! Which commands a Tencent call carries, and for which application.
//!
//! The query names the command, the body is a cross-check; pushes come as an envelope of up to a
//! hundred bodies, each with a command of its own; moderation results name it in the query alone.

use crate::call::{CommandName, Parameter, Part, Provider};
use crate::catalogue::Catalogue;
use crate::dialect::door::parameter;
use crate::json::Node;
use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;

/// A longer SdkAppid, which is a number of ten digits, is cut, so that `source` keeps to the limit of
/// all attributes.
const APP_ID_BYTES_MAX: usize = 1024 - "/tencent/".len();

/// CloudEvents `source` of a call. What CloudEvents forbids in attributes is replaced: anybody may
/// write the query while no allow list says which applications there are.
pub(crate) fn source<'a>(query: &[Parameter<'_>], arena: &'a Bump) -> &'a str {
    let app_id = parameter(query, "SdkAppid").filter(|app_id| !app_id.is_empty());
    let app_id = app_id.unwrap_or("unknown");
    if app_id.len() <= APP_ID_BYTES_MAX && !app_id.contains(char::is_control) {
        return bumpalo::format!(in arena, "/tencent/{}", app_id).into_bump_str();
    }
    let clean = app_id.replace(char::is_control, "\u{fffd}");
    let cut = clean.floor_char_boundary(APP_ID_BYTES_MAX);
    bumpalo::format!(in arena, "/tencent/{}", &clean[..cut]).into_bump_str()
}

/// The whole call as one body, and the bodies of it: itself, or the elements of an envelope, which
/// have positions.
pub(crate) fn parts<'a>(
    catalogue: &Catalogue,
    body: Option<Node<'a>>,
    query: &'a [Parameter<'a>],
    arena: &'a Bump,
) -> (Part<'a>, &'a [Part<'a>]) {
    let row = |name: &str| catalogue.find(Provider::Tencent, name).map(CommandName::Row);
    let told = parameter(query, "CallbackCommand").filter(|name| !name.is_empty());
    let resolve = |name: Option<&'a str>| match name {
        Some(name) => row(name).unwrap_or(CommandName::Unknown(name)),
        None => CommandName::Missing,
    };
    let own = |body: Node<'a>| {
        body.get("CallbackCommand").and_then(|name| name.text()).filter(|name| !name.is_empty())
    };
    let named = body.and_then(own).filter(|name| told.is_none() || row(name).is_some());
    let whole = Part { body, command: resolve(named.or(told)), position: None };
    let split = catalogue.providers[Provider::Tencent.index()].split.as_ref();
    let events = body.zip(split).and_then(|(body, name)| body.get_hashed(&name.text, name.hash));
    if let Some(events) = events.filter(|events| events.is_list() && !events.is_empty_container()) {
        let mut parts = BumpVec::with_capacity_in(events.items().count(), arena);
        for (position, element) in (0..).zip(events.items()) {
            let body = element.is_object().then_some(element);
            let command = resolve(body.and_then(own).or(told));
            parts.push(Part { body, command, position: Some(position) });
        }
        return (whole, parts.into_bump_slice());
    }
    (whole, arena.alloc_slice_copy(&[whole]))
}
