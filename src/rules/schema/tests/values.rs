//! What is promised of fields, held against requests: every carried field has a slot, and whatever a
//! sender puts into a body, a slot has a value of the promised type or none.

use super::*;
use crate::event::Value;
use crate::rules::Intent;
use crate::rules::probe::{Request, samples};
use crate::rules::read::RawField;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// Whether conditions may take the value for one of the type.
fn fits(kind: &Type, value: &Value<'_>) -> bool {
    let scalar = |kind: Scalar, value: &Value<'_>| {
        matches!(
            (kind, value),
            (Scalar::Text, Value::Text(_))
                | (Scalar::Int, Value::Int(_))
                | (Scalar::Bool, Value::Bool(_))
        )
    };
    match (kind, value) {
        (_, Value::Absent) => true,
        (Type::Scalar(kind), value) => scalar(*kind, value),
        (Type::List(kind), Value::List(items)) => items.iter().all(|item| scalar(*kind, item)),
        (Type::Items(fields), Value::Items(items)) => items.iter().all(|item| {
            item.iter().all(|(name, value)| {
                fields.iter().any(|field| *field.name == **name && scalar(field.scalar, value))
            })
        }),
        _ => false,
    }
}

/// Checks all fields of an intent; tells the names of those that are there.
fn check(schema: &Schema, intent: &Intent<'_>) -> BTreeSet<String> {
    let target = Target::of(intent.known);
    let mut present = BTreeSet::new();
    let kind = schema.kind(target);
    assert!(std::ptr::eq(schema.plan(target).kinds.as_ptr(), intent.known.plan.kinds.as_ptr()));
    assert_eq!(kind.name, intent.known.kind.name);
    for name in schema.carried(&[target]) {
        let info = schema.msg(&[target], name).expect("carried");
        let Place::Slot(slot) = schema.place(target, Root::Msg, name) else { panic!("{name}") };
        let value = intent.known.slots[usize::from(slot.0)];
        assert!(fits(&info.kind, &value), "{} {name}: {value:?}", intent.known.plan.command);
        if let (Some(words), Some(text)) = (&info.words, value.text()) {
            assert!(words.iter().any(|word| **word == *text), "{name} is never {text:?}");
        }
        if !value.is_absent() {
            present.insert(name.to_owned());
        }
    }
    for (name, wanted) in &intent.known.plan.raw {
        let info = schema.raw(&[target], name).expect("declared");
        let field = RawField::new(name, *wanted);
        let field = &*intent.arena.alloc(field);
        let value = field.of(intent);
        assert!(fits(&info.kind, &value), "{} raw.{name}: {value:?}", intent.known.plan.command);
        if !value.is_absent() {
            present.insert(format!("raw.{name}"));
        }
    }
    present
}

#[test]
fn every_sample_of_a_before_command_gives_values_of_the_promised_types() {
    let schema = schema();
    let mut met = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for (command, request) in samples() {
        let mut intents = 0;
        request.intents(&mut |intent| {
            intents += 1;
            met.insert(Target::of(intent.known));
            seen.extend(check(&schema, intent));
        });
        assert!(intents > 0, "{command}");
    }
    let rows =
        |targets: &BTreeSet<Target>| -> BTreeSet<_> { targets.iter().map(|t| t.row).collect() };
    assert_eq!(rows(&met), rows(&schema.all_targets().into_iter().collect()));
    for name in ["text", "sender_id", "mentions", "members", "users", "raw.GiftWater.Count"] {
        assert!(seen.contains(name), "{name} is in no sample");
    }
}

/// Values that no member of a body is meant to have, and some that it is.
fn odd_values() -> Vec<Json> {
    [
        "null",
        "true",
        "\"\"",
        "\"x\"",
        "\"[1,\\\"a\\\"]\"",
        "0",
        "7",
        "-1.5",
        "1e3",
        "[]",
        "{}",
        "2",
        "99999999999999999999",
        "\"99999999999999999999\"",
        "[1,null,\"a\",{\"k\":1},[2]]",
        "{\"userID\":5,\"value\":\"x\"}",
        "[{\"userID\":5},{\"userID\":\"u\",\"To_Account\":1}]",
    ]
    .iter()
    .map(|text| serde_json::from_str(text).expect("JSON"))
    .collect()
}

/// Paths of all members of a value, to the third level.
fn pointers(value: &Json, at: &str, depth: usize, found: &mut Vec<String>) {
    let children: Vec<(String, &Json)> = match value {
        Json::Object(members) => members.iter().map(|(k, v)| (format!("{at}/{k}"), v)).collect(),
        Json::Array(items) => items.iter().take(1).map(|v| (format!("{at}/0"), v)).collect(),
        _ => return,
    };
    for (pointer, child) in children {
        if depth < 3 {
            pointers(child, &pointer, depth + 1, found);
        }
        found.push(pointer);
    }
}

#[test]
fn whatever_stands_in_a_body_a_slot_has_the_promised_type_or_nothing() {
    let schema = schema();
    let odd = odd_values();
    let mut intents = 0;
    for (_, request) in samples() {
        let body: Json = serde_json::from_str(&request.body).expect("JSON");
        let mut places = Vec::new();
        pointers(&body, "", 1, &mut places);
        for place in &places {
            for value in &odd {
                let mut body = body.clone();
                *body.pointer_mut(place).expect("it is there") = value.clone();
                let request = Request { body: body.to_string(), ..request.clone() };
                request.intents(&mut |intent| {
                    intents += 1;
                    check(&schema, intent);
                });
            }
        }
    }
    assert!(intents > 5_000, "{intents}");
}

/// A value of a field of the one intent of a body.
fn shown(provider: Provider, body: &Json, name: &str) -> String {
    let mut shown = None;
    Request::new(provider, body).intents(&mut |intent| {
        let schema = schema();
        let target = Target::of(intent.known);
        let value = match schema.place(target, Root::Msg, name) {
            Place::Slot(slot) => intent.known.slots[usize::from(slot.0)],
            place => panic!("{name} is {place:?}"),
        };
        shown = Some(format!("{value:?}"));
    });
    shown.expect("an intent")
}

/// `has()` tells cleared from unchanged: an empty value is there, null and nothing are not.
#[test]
fn in_changes_of_profiles_an_empty_value_is_present_and_null_is_absent() {
    for (command, member, field) in [
        ("callbackBeforeUpdateUserInfoExCommand", "nickName", "nickname"),
        ("callbackBeforeUpdateUserInfoExCommand", "faceURL", "face_url"),
        ("callbackBeforeSetGroupInfoExCommand", "groupName", "name"),
        ("callbackBeforeSetGroupInfoExCommand", "ex", "extra"),
        ("callbackBeforeSetGroupMemberInfoCommand", "nickName", "nickname"),
        ("callbackBeforeSetFriendRemarkCommand", "remark", "remark"),
    ] {
        let with = |value: Json| {
            let mut body = json!({"callbackCommand": command, "userID": "u1", "groupID": "g1"});
            body[member] = value;
            shown(Provider::OpenIm, &body, field)
        };
        assert_eq!(with(json!("")), "Text(\"\")", "{command} {field}");
        assert_eq!(with(json!("x")), "Text(\"x\")", "{command} {field}");
        assert_eq!(with(json!(null)), "Absent", "{command} {field}");
        let without = json!({"callbackCommand": command, "userID": "u1"});
        assert_eq!(shown(Provider::OpenIm, &without, field), "Absent", "{command} {field}");
    }
}

#[test]
fn a_number_beyond_64_bits_is_absent_and_the_greatest_ones_are_not() {
    let cases = [
        ("9223372036854775807", "Int(9223372036854775807)"),
        ("-9223372036854775808", "Int(-9223372036854775808)"),
        ("9223372036854775808", "Absent"),
        ("-9223372036854775809", "Absent"),
        ("\"9223372036854775808\"", "Absent"),
        ("1e3", "Absent"),
    ];
    for (literal, wanted) in cases {
        let number: Json = serde_json::from_str(literal).expect("JSON");
        let update = json!({
            "callbackCommand": "callbackBeforeSetGroupInfoExCommand", "groupID": "g",
            "needVerification": number,
        });
        assert_eq!(shown(Provider::OpenIm, &update, "need_verification"), wanted, "{literal}");
        let gift = json!({
            "CallbackCommand": "Live.CallbackBeforeSendGift", "GiftWater": {"Count": number},
        });
        let mut raw = String::new();
        Request::new(Provider::Tencent, &gift).intents(&mut |intent| {
            let field = intent
                .arena
                .alloc(RawField::new("GiftWater.Count", crate::catalogue::plan::RawType::Int));
            raw = format!("{:?}", field.of(intent));
        });
        assert_eq!(raw, wanted, "{literal}");
    }
}
