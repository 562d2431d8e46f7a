//! Definitions of a rule file from JSON in its form.
//!
//! In: `then` and `deny` as JSON. Out: definitions as the reader of rule files makes them, with
//! places that tell their parts apart by the line, see [`line`].

use super::super::super::problem::Position;
use super::super::super::source::file::{
    At, ChangeAction, ChangeDef, DenyDef, EndingDef, MaskDef, RemoveDef, SetItem, SetValue, Text,
    TextLayout, ThenDef,
};
use serde_json::Value as Json;

/// First lines of the places of a definition's parts; the column is 1 unless it is in a text.
pub(in super::super) mod line {
    pub(in super::super::super) const ENDING: u32 = 1;
    pub(in super::super::super) const CODE: u32 = 2;
    pub(in super::super::super) const MESSAGE: u32 = 3;
    pub(in super::super::super) const DETAIL: u32 = 4;
    /// The key of a change.
    pub(in super::super::super) const FIELD: u32 = 5;
    /// The value of a change, an entry in it, a bound.
    pub(in super::super::super) const VALUE: u32 = 6;
    /// A name of a list, a pattern.
    pub(in super::super::super) const NAME: u32 = 7;
}

fn at<T>(line: u32, value: T) -> At<T> {
    At { value, at: Position { line, column: 1 } }
}

pub(super) fn text(line: u32, value: &str) -> Text {
    Text { value: value.into(), at: Position { line, column: 1 }, layout: TextLayout::Line }
}

/// `deny` as JSON.
pub(in super::super) fn deny_def(deny: &Json) -> DenyDef {
    let codes = match &deny["code"] {
        Json::Array(codes) => codes.iter().filter_map(Json::as_i64).collect(),
        code => code.as_i64().into_iter().collect::<Vec<_>>(),
    };
    DenyDef {
        code: codes.into_iter().map(|code| at(line::CODE, code)).collect(),
        message: deny["message"].as_str().map(|message| text(line::MESSAGE, message)),
        detail: deny["detail"].as_str().map(|detail| text(line::DETAIL, detail)),
    }
}

pub(super) fn then_def(then: &Json) -> ThenDef {
    let ending = match then {
        _ if then["allow"] == true => Some(EndingDef::Allow),
        _ if then["drop"] == true => Some(EndingDef::Drop),
        _ if then.get("deny").is_some() => Some(EndingDef::Deny(deny_def(&then["deny"]))),
        _ => None,
    };
    let mut changes = Vec::new();
    for (action, fields) in then.as_object().expect("then is a mapping") {
        if action == "unset" {
            let fields = fields.as_array().expect("unset is a list").iter();
            changes
                .extend(fields.map(|field| change(field.as_str().unwrap(), ChangeAction::Unset)));
        } else if ["set", "clamp", "remove", "mask"].contains(&&**action) {
            let fields = fields.as_object().expect("changes are a mapping");
            changes.extend(
                fields.iter().map(|(field, value)| change(field, change_action(action, value))),
            );
        }
    }
    let tags = then["tag"].as_array().into_iter().flatten();
    let tags = tags.map(|tag| tag.as_str().unwrap().into()).collect();
    let ending = ending.map(|ending| at(line::ENDING, ending));
    ThenDef { at: Position::START, ending, changes, tags }
}

fn change(field: &str, action: ChangeAction) -> ChangeDef {
    let field = field.strip_prefix("msg.").expect("fields of answers are of msg");
    ChangeDef { field: text(line::FIELD, field), action }
}

fn change_action(action: &str, value: &Json) -> ChangeAction {
    match action {
        "set" => ChangeAction::Set(at(line::VALUE, set_value(value))),
        "clamp" => {
            let bound = |name: &str| value[name].as_i64().map(|bound| at(line::VALUE, bound));
            ChangeAction::Clamp { min: bound("min"), max: bound("max") }
        }
        "remove" => ChangeAction::Remove(match value.get("items") {
            Some(items) => RemoveDef::Items(
                texts_of(items).iter().map(|item| at(line::VALUE, (**item).into())).collect(),
            ),
            None => RemoveDef::Lists(names_of(&value["list"])),
        }),
        _ => {
            let what = match value["pattern"].as_str() {
                Some(pattern) => MaskDef::Pattern(text(line::NAME, pattern)),
                None => MaskDef::Lists(names_of(&value["list"])),
            };
            let with = value["with"].as_str().and_then(|with| with.chars().next()).unwrap_or('*');
            ChangeAction::Mask { what, with }
        }
    }
}

fn texts_of(value: &Json) -> Vec<&str> {
    match value {
        Json::Array(items) => items.iter().filter_map(Json::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    }
}

fn names_of(value: &Json) -> Vec<Text> {
    texts_of(value).into_iter().map(|name| text(line::NAME, name)).collect()
}

fn set_value(value: &Json) -> SetValue {
    match value {
        Json::String(text) => SetValue::Text(text.as_str().into()),
        Json::Bool(yes) => SetValue::Bool(*yes),
        Json::Array(items) => SetValue::List(
            items
                .iter()
                .map(|item| match item {
                    Json::String(text) => SetItem::Text(text.as_str().into()),
                    number => SetItem::Int(number.as_i64().expect("an integer")),
                })
                .map(|item| at(line::VALUE, item))
                .collect(),
        ),
        number => SetValue::Int(number.as_i64().expect("an integer")),
    }
}
