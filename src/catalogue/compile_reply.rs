//! Compiles what a before-command may be answered.
//!
//! In: `reply` of a row. Out: a [`ReplyPlan`]. What always holds: before-rows have one, after-rows
//! have none; codes are those that the sender accepts; paths begin at the body itself or, for
//! `items`, at the element, so answers need no roots.

use serde_json::Value;

use super::compile::Context;
use super::locator::LocatorReader;
use super::object::{Object, boxed};
use super::plan::{ModifyForm, ModifyPlan, Name, Path, PerMember, ReplyPlan, ReplyStyle};
use super::problem::Spot;
use crate::call::{Phase, Provider};

/// Codes that OpenIM lets a webhook deny with.
const OPENIM_CODES: (i64, i64) = (5000, 9999);

const STYLES: [(&str, ReplyStyle, Provider); 4] = [
    ("openim", ReplyStyle::OpenIm, Provider::OpenIm),
    ("openim_legacy", ReplyStyle::OpenImLegacy, Provider::OpenIm),
    ("tencent", ReplyStyle::Tencent, Provider::Tencent),
    ("tencent_items", ReplyStyle::TencentItems, Provider::Tencent),
];

/// The answer of a row.
pub(super) fn compile_reply(
    context: &Context<'_>,
    row: &Object<'_, '_>,
    provider: Provider,
    phase: Option<Phase>,
) -> Option<ReplyPlan> {
    match phase? {
        Phase::After => {
            if row.has("reply") {
                row.spot.at("reply").report("expected nothing: only before-rows are answered");
            }
            return None;
        }
        Phase::Before => row.require("reply", "an object, as before-rows are answered"),
    };
    let object = row.object("reply")?;
    object.only(&[
        "no_answer",
        "deny",
        "drop",
        "must_echo",
        "never",
        "modify",
        "per_member",
        "refuse",
        "items",
    ]);
    let no_answer = object.required_text("no_answer");
    if let Some(found) = no_answer
        && !["allow", "deny"].contains(&found)
    {
        object.spot.at("no_answer").unknown("allow or deny", found, ["allow", "deny"]);
    }
    object.require("deny", "an object");
    let deny = read_deny(&object.object("deny")?, provider);
    let never = object.texts("never");
    let modify = match object.object("modify") {
        Some(modify) => read_modify(context, row, &modify, &never),
        None => Some(Box::default()),
    };
    let items = read_items(context, row, &object);
    let style = deny.as_ref().map(|deny| deny.style);
    if object.has("items") != (style == Some(ReplyStyle::TencentItems)) && style.is_some() {
        object.spot.at("items").report("expected with the style tencent_items, and only there");
    }
    let drop_code = object.integer("drop");
    if drop_code.is_some_and(|code| code <= 0 || style != Some(ReplyStyle::Tencent)) {
        object.spot.at("drop").report("expected a code above 0, and only with the style tencent");
    }
    let deny = deny?;
    Some(ReplyPlan {
        style: deny.style,
        no_answer_allows: no_answer? == "allow",
        codes: deny.codes,
        deny_code: deny.code,
        drop_code,
        must_echo: object.texts("must_echo").into_iter().map(Name::new).collect(),
        never: boxed(&never),
        modify: modify?,
        per_member: read_per_member(context, &object),
        refuse: read_refuse(context, &object),
        items,
    })
}

struct Deny {
    style: ReplyStyle,
    codes: Option<(i64, i64)>,
    code: i64,
}

fn read_deny(object: &Object<'_, '_>, provider: Provider) -> Option<Deny> {
    object.only(&["style", "codes", "default", "plain"]);
    let name = object.required_text("style")?;
    let fits = |(_, _, whose): &&(&str, ReplyStyle, Provider)| *whose == provider;
    let Some((_, style, _)) = STYLES.iter().filter(fits).find(|(known, ..)| *known == name) else {
        let known: Vec<&str> = STYLES.iter().filter(fits).map(|(known, ..)| *known).collect();
        let what = format!("one of the styles {}", known.join(", "));
        object.spot.at("style").unknown(&what, name, known);
        return None;
    };
    let codes = read_codes(object, provider);
    let (default, plain) = (object.integer("default"), object.integer("plain"));
    if let (Some(code), Some((low, high))) = (default, codes)
        && !(low..=high).contains(&code)
    {
        object.spot.at("default").report(format!("expected a code of {low}..{high}, found {code}"));
    }
    let Some(code) = default.or(plain) else {
        object.spot.report("expected a code: `default` (one of `codes`) or `plain`");
        return None;
    };
    if code <= 0 {
        object.spot.report(format!("expected a code above 0, found {code}"));
    }
    Some(Deny { style: *style, codes, code })
}

fn read_codes(object: &Object<'_, '_>, provider: Provider) -> Option<(i64, i64)> {
    let value = object.get("codes")?;
    let spot = object.spot.at("codes");
    let codes: Vec<i64> =
        value.as_array().into_iter().flatten().filter_map(Value::as_i64).collect();
    let (min, max) = match provider {
        Provider::OpenIm => OPENIM_CODES,
        Provider::Tencent => (1, i64::from(i32::MAX)),
    };
    match codes[..] {
        [low, high] if min <= low && low <= high && high <= max => Some((low, high)),
        _ => {
            spot.expected(&format!("two codes in order within {min}..{max}"), value);
            None
        }
    }
}

/// A path of the body, without roots.
fn body_path(context: &Context<'_>, text: &str, spot: &Spot<'_>) -> Option<Path> {
    let mut locators = LocatorReader::new(&context.enums);
    locators.body_path(text).map_err(|error| spot.report(error)).ok()
}

fn read_modify(
    context: &Context<'_>,
    row: &Object<'_, '_>,
    object: &Object<'_, '_>,
    never: &[&str],
) -> Option<Box<[ModifyPlan]>> {
    let mut plans = Vec::new();
    for (field, value) in object.members() {
        let spot = object.spot.at(field);
        context.vocabulary.expect(field, &spot);
        let plan = match value {
            Value::String(to) => Some(ModifyPlan {
                field: field.into(),
                to: read_to(to, &spot),
                form: ModifyForm::Plain,
                only_if: None,
                unless: None,
                nonempty: false,
                base: Box::default(),
            }),
            _ => Object::of(value, spot.clone())
                .and_then(|object| read_change(context, row, field, &object)),
        };
        if let Some(plan) = &plan
            && plan.to.first().is_some_and(|to| never.contains(&&**to))
        {
            spot.report("expected a member that `never` does not name");
        }
        plans.push(plan);
    }
    plans.into_iter().collect()
}

fn read_change(
    context: &Context<'_>,
    row: &Object<'_, '_>,
    field: &str,
    object: &Object<'_, '_>,
) -> Option<ModifyPlan> {
    object.only(&["to", "as", "only_if", "unless", "nonempty", "base", "patch", "match", "each"]);
    let path = |key: &str| {
        object.text(key).and_then(|text| body_path(context, text, &object.spot.at(key)))
    };
    let unless = object.object("unless").and_then(|unless| {
        unless.only(&["at", "is"]);
        unless.require("is", "a list of texts");
        let at = body_path(context, unless.required_text("at")?, &unless.spot.at("at"))?;
        Some((at, boxed(&unless.texts("is"))))
    });
    let base = object.object("base").map(|base| {
        let members = base.members().filter_map(|(name, _)| {
            let path = body_path(context, base.text(name)?, &base.spot.at(name))?;
            Some((name.into(), path))
        });
        members.collect()
    });
    let to = read_to(object.required_text("to")?, &object.spot.at("to"));
    if object.has("base") && to.len() != 2 {
        object.spot.at("base").report("expected only where `to` is a member of an object (a.b)");
    }
    Some(ModifyPlan {
        field: field.into(),
        to,
        form: read_form(context, row, object)?,
        only_if: path("only_if"),
        unless,
        nonempty: object.flag("nonempty"),
        base: base.unwrap_or_default(),
    })
}

/// `a` or `a.b`.
fn read_to(text: &str, spot: &Spot<'_>) -> Box<[Box<str>]> {
    let names: Vec<&str> = text.split('.').collect();
    if names.len() > 2 || names.iter().any(|name| name.is_empty()) {
        spot.report(format!("expected a member or a member of an object (a.b), found {text:?}"));
    }
    boxed(&names)
}

fn read_form(
    context: &Context<'_>,
    row: &Object<'_, '_>,
    object: &Object<'_, '_>,
) -> Option<ModifyForm> {
    let spot = object.spot.at("as");
    if let Some(list) = object.text("patch") {
        if object.has("as") {
            spot.report("expected either `as` or `patch`");
        }
        object.require("match", "an object of item field to member");
        object.require("each", "an object of item field to member");
        let list = body_path(context, list, &object.spot.at("patch"));
        let pairs = |key: &str| {
            let members = object.object(key)?;
            let pair = |name| Some((Box::from(name), Box::from(members.text(name)?)));
            let pairs: Option<Vec<(Box<str>, Box<str>)>> =
                members.members().map(|(name, _)| pair(name)).collect();
            pairs
        };
        let (matches, each) = (pairs("match")?, pairs("each")?);
        let [matches] = matches.try_into().ok().or_else(|| {
            object.spot.at("match").report("expected one item field and its member");
            None
        })?;
        return Some(ModifyForm::Patch { list: list?, matches, each: each.into() });
    }
    match object.text("as") {
        None if object.has("as") => None,
        None => Some(ModifyForm::Plain),
        Some("content") => {
            if !row.has("content") {
                spot.report("expected a row with `content`");
            }
            Some(ModifyForm::Content)
        }
        Some("ids") => Some(ModifyForm::Ids),
        Some(text) => {
            let Some(name) = text.strip_prefix("enum:") else {
                spot.unknown("content, ids or enum:T", text, ["content", "ids", "enum:"]);
                return None;
            };
            let table = LocatorReader::new(&context.enums).enum_table(name);
            table.map_err(|error| spot.report(error)).ok().map(ModifyForm::Enum)
        }
    }
}

fn read_per_member(context: &Context<'_>, reply: &Object<'_, '_>) -> Option<PerMember> {
    let object = reply.object("per_member")?;
    object.only(&["to", "id", "ids"]);
    let ids = object.required_text("ids")?;
    context.vocabulary.expect(ids, &object.spot.at("ids"))?;
    Some(PerMember {
        to: object.required_text("to")?.into(),
        id: object.required_text("id")?.into(),
        ids: ids.into(),
    })
}

fn read_refuse(context: &Context<'_>, reply: &Object<'_, '_>) -> Option<(Box<str>, Box<str>)> {
    let object = reply.object("refuse")?;
    object.only(&["field", "to"]);
    let field = object.required_text("field")?;
    context.vocabulary.expect(field, &object.spot.at("field"))?;
    Some((field.into(), object.required_text("to")?.into()))
}

fn read_items(
    context: &Context<'_>,
    row: &Object<'_, '_>,
    reply: &Object<'_, '_>,
) -> Option<(Box<str>, Path)> {
    let object = reply.object("items")?;
    object.only(&["to", "id"]);
    let (to, id) = (object.required_text("to")?, object.required_text("id")?);
    let locators = LocatorReader { element: row.has("each"), ..LocatorReader::new(&context.enums) };
    let path =
        locators.element_path(id).map_err(|error| object.spot.at("id").report(error)).ok()?;
    Some((to.into(), path))
}
