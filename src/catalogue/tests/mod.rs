//! Laws of the whole embedded catalogue; `extra` has what becomes of an operator's file.

mod extra;

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use serde_json::Value;

use super::plan::{Coercion, Other, Source, Take};
use super::*;
use crate::call::Phase;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::embedded);

fn row(provider: Provider, name: &str) -> &'static Plan {
    CATALOGUE.plan(CATALOGUE.find(provider, name).expect("a row"))
}

#[test]
fn the_embedded_catalogue_is_whole() {
    let of = |provider| CATALOGUE.rows.iter().filter(|plan| plan.provider == provider).count();
    assert_eq!((of(Provider::OpenIm), of(Provider::Tencent)), (79, 83));
    assert_eq!(CATALOGUE.kinds.len(), 108);
    assert_eq!(CATALOGUE.vocabulary.len(), 161);
    let fed: HashSet<KindIndex> =
        CATALOGUE.rows.iter().flat_map(|plan| plan.kinds.iter().map(|kind| kind.kind)).collect();
    assert_eq!(fed.len(), 108, "a kind that no row gives");
}

#[test]
fn rows_of_openim_come_first_and_legacy_names_last() {
    let providers: Vec<Provider> = CATALOGUE.rows.iter().map(|plan| plan.provider).collect();
    assert!(providers.is_sorted());
    let found = CATALOGUE.find(Provider::OpenIm, "CALLBACKBEFORESETGROUPMEMBERINFOCOMMAND");
    let plan = CATALOGUE.plan(found.unwrap());
    assert_eq!(&*plan.command, "callbackBeforeSetGroupMemberInfoCommand");
}

#[test]
fn names_that_are_no_longer_sent_are_told_apart() {
    let legacy = |provider, name| CATALOGUE.is_legacy(CATALOGUE.find(provider, name).unwrap());
    for name in ["callbackWordFilterCommand", "callbackBeforeMemberJoinGroupCommand"] {
        assert!(legacy(Provider::OpenIm, name), "{name}");
    }
    assert!(!legacy(Provider::OpenIm, "callbackBeforeSetGroupInfoCommand"));
    assert!(!legacy(Provider::Tencent, "C2C.CallbackBeforeSendMsg"));
    assert_eq!(CATALOGUE.indexed_rows().filter(|(row, _)| CATALOGUE.is_legacy(*row)).count(), 27);
}

#[test]
fn a_command_takes_its_range_its_own_code_and_for_tencent_the_plain_one() {
    let takes = |provider, name, code| {
        let plan = CATALOGUE.plan(CATALOGUE.find(provider, name).unwrap());
        plan.reply.as_ref().unwrap().takes(code)
    };
    for (code, taken) in [(4999, false), (5000, true), (9999, true), (10_000, false), (1, false)] {
        assert_eq!(takes(Provider::OpenIm, "callbackBeforeAddBlackCommand", code), taken, "{code}");
    }
    for (name, codes) in [
        ("Group.CallbackBeforeSendMsg", [(1, true), (10_100, true), (10_201, false)]),
        ("Sns.CallbackPrevFriendAdd", [(1, false), (38_000, true), (39_001, false)]),
        ("OfficialAccount.CallbackBeforeAddSubscriber", [(1, true), (2, false), (120_001, false)]),
    ] {
        for (code, taken) in codes {
            assert_eq!(takes(Provider::Tencent, name, code), taken, "{name} {code}");
        }
    }
}

#[test]
fn names_are_found_exactly_by_alias_and_for_openim_without_case() {
    let command =
        |provider, name| CATALOGUE.find(provider, name).map(|row| &*CATALOGUE.plan(row).command);
    for (name, found) in [
        ("callbackAfterUserOnlineCommand", Some("callbackAfterUserOnlineCommand")),
        ("callbackafteruseronlinecommand", Some("callbackAfterUserOnlineCommand")),
        (
            "CallbackBeforeSetGroupMemberInfoCommand",
            Some("CallbackBeforeSetGroupMemberInfoCommand"),
        ),
        ("callbackNew", None),
        ("", None),
    ] {
        assert_eq!(command(Provider::OpenIm, name), found, "{name:?}");
    }
    let long = "x".repeat(1 << 20);
    assert_eq!(CATALOGUE.find(Provider::OpenIm, &long), None);
    assert_eq!(
        command(Provider::Tencent, "Live.CallbackMemberStateChanged"),
        Some("Live.CallbackAfterMemberStateChanged")
    );
    assert_eq!(command(Provider::Tencent, "live.callbackmemberstatechanged"), None);
    assert_eq!(command(Provider::Tencent, "callbackAfterUserOnlineCommand"), None);
}

#[test]
fn slots_are_in_the_order_of_the_vocabulary_and_without_repeats() {
    for plan in &CATALOGUE.rows {
        let order = |name: &str| CATALOGUE.vocabulary.iter().position(|w| *w.field == *name);
        let places: Vec<usize> = plan.slots.iter().map(|name| order(name).unwrap()).collect();
        assert!(places.is_sorted_by(|a, b| a < b), "{}", plan.command);
        for kind in &plan.kinds {
            assert!(kind.keep.is_sorted_by(|a, b| a.0 < b.0), "{}", plan.command);
            for (slot, key) in &kind.keep {
                assert_eq!(**key, format!("\"{}\":", plan.slots[usize::from(slot.0)]));
            }
        }
    }
}

#[test]
fn every_kind_carries_raw_and_has_a_subject_and_a_key() {
    for kind in &CATALOGUE.kinds {
        assert!(kind.fields.contains(&("raw".into(), true)), "{}", kind.name);
        assert!(!kind.meaning.is_empty(), "{}", kind.name);
        let topic = if kind.phase == Phase::Before { "decisions" } else { &kind.name };
        assert_eq!(*kind.topic, *topic);
    }
    for kind in CATALOGUE.rows.iter().flat_map(|plan| &plan.kinds) {
        // Reserved names, nothing of whose bodies is known.
        let reserved = kind.name.starts_with("message.extension.") && kind.required.is_empty();
        assert_eq!(kind.subject.is_empty(), reserved, "{}", kind.name);
        assert_eq!(kind.partition_key.is_empty(), reserved, "{}", kind.name);
    }
}

#[test]
fn every_word_has_a_meaning_and_is_used() {
    let mut used: HashSet<&str> = vocabulary::WRITTEN.into();
    used.extend(CATALOGUE.kinds.iter().flat_map(|kind| &kind.fields).map(|(name, _)| &**name));
    used.extend(CATALOGUE.vocabulary.iter().flat_map(|word| &word.items).map(|name| &**name));
    for word in &CATALOGUE.vocabulary {
        assert!(!word.meaning.is_empty(), "{}", word.field);
        assert!(used.contains(&*word.field), "no kind or item lists {}", word.field);
    }
}

/// Locators of a take that end in a field's value.
fn locators<'a>(take: &'a Take, found: &mut Vec<&'a Locator>) {
    match take {
        Take::First(takes) => takes.iter().for_each(|take| locators(take, found)),
        Take::Locator(locator) => found.push(locator),
        Take::When { take, .. } => locators(take, found),
        Take::Projection { fields, .. } => {
            fields.iter().for_each(|(_, take)| locators(take, found));
        }
    }
}

#[test]
fn enums_and_constants_give_only_words_that_the_vocabulary_lists() {
    let mut checked = 0;
    for plan in &CATALOGUE.rows {
        for (slot, take) in &plan.fields {
            let word = CATALOGUE.word(&plan.slots[usize::from(slot.0)]).unwrap();
            // Its table serves moderation too, where texts and images occur; calls have neither.
            let shares_table = &*word.field == "call_media";
            if word.values.is_empty() || shares_table || matches!(take, Take::Projection { .. }) {
                continue;
            }
            let mut found = Vec::new();
            locators(take, &mut found);
            for locator in found {
                let given: Vec<&str> = match (&locator.source, locator.coercions.last()) {
                    (_, Some(Coercion::Enum(table))) => {
                        assert!(word.open || table.other != Other::Keep, "{}", word.field);
                        let other = match &table.other {
                            Other::Word(word) => Some(&**word),
                            _ => None,
                        };
                        table.words.values().flatten().map(|word| &**word).chain(other).collect()
                    }
                    (Source::Const(text), None) => vec![text],
                    _ => continue,
                };
                for text in given {
                    checked += 1;
                    let listed = word.values.iter().any(|value| **value == *text);
                    assert!(listed, "{}: {} gives {text:?}", plan.command, word.field);
                }
            }
        }
    }
    assert!(checked > 500);
}

#[test]
fn before_rows_are_answered_and_after_rows_are_not() {
    for plan in &CATALOGUE.rows {
        assert_eq!(plan.reply.is_some(), plan.phase == Phase::Before, "{}", plan.command);
    }
}

#[test]
fn a_row_like_another_has_its_fields_and_its_own_answer() {
    let legacy = row(Provider::OpenIm, "callbackOfflinePushCommand");
    let current = row(Provider::OpenIm, "callbackBeforeOfflinePushCommand");
    assert_eq!(legacy.slots, current.slots);
    assert_eq!(legacy.reply.as_ref().unwrap().style, plan::ReplyStyle::OpenImLegacy);
    assert_eq!(current.reply.as_ref().unwrap().style, plan::ReplyStyle::OpenIm);
}

#[test]
fn message_rows_share_one_content_model_and_have_its_slots() {
    let before = row(Provider::OpenIm, "callbackBeforeSendSingleMsgCommand");
    let after = row(Provider::OpenIm, "callbackAfterSendGroupMsgCommand");
    let (a, b) = (before.content.as_ref().unwrap(), after.content.as_ref().unwrap());
    assert!(std::sync::Arc::ptr_eq(&a.model, &b.model));
    assert_eq!(&*before.slots[usize::from(a.media_urls.0)], "media_urls");
    let model = &a.model;
    assert_eq!((model.depth_max, model.text_bytes_max, model.urls_max), (8, 65_536, 100));
    assert_eq!(&*model.types["102"].word, "image");
    assert_eq!(model.types["102"].urls.len(), 3);
    assert!(model.types["119"].loose_all && model.types["119"].loose.is_empty());
    assert_eq!(&*model.elements["114"].text, "quoteElem");
    assert_eq!(&*model.element_ranges["notification"].text, "notificationElem");
    assert_eq!((model.ranges[0].0, model.ranges[0].1), (1000, 5000));
    let tencent = row(Provider::Tencent, "C2C.CallbackBeforeSendMsg").content.as_ref().unwrap();
    assert!(tencent.kind.is_none());
    let relay = &tencent.model.types["TIMRelayElem"];
    assert_eq!(&*relay.hidden.as_ref().unwrap().text, "JsonMsgKey");
    assert_eq!(relay.bodies.len(), 1);
}

#[test]
fn providers_have_what_all_their_rows_share() {
    let [openim, tencent] = &CATALOGUE.providers;
    assert_eq!((&*openim.pair_separator, &*tencent.pair_separator), ("_", ":"));
    assert_eq!(
        &*openim.allow,
        r#"{"actionCode":0,"errCode":0,"errMsg":"","errDlt":"","nextCode":0}"#
    );
    assert_eq!(&*tencent.allow, r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#);
    assert_eq!(openim.redact_text, ["secret".into(), "token".into()].into());
    assert!(tencent.redact.is_empty() && tencent.redact_text.is_empty());
    assert!(openim.split.is_none());
    assert_eq!(&*tencent.split.as_ref().unwrap().text, "Events");
    assert_eq!((openim.correlation.len(), openim.fallback_id.len()), (2, 4));
    assert_eq!((tencent.correlation.len(), tencent.fallback_id.len()), (1, 3));
    assert_eq!(tencent.fallback_id[0].any.len(), 2);
    assert!(openim.fallback_id[0].optional && !openim.fallback_id[1].optional);
}

/// `provider command` of all rows.
fn rows() -> BTreeSet<String> {
    CATALOGUE.rows.iter().map(|plan| format!("{} {}", plan.provider, plan.command)).collect()
}

#[test]
fn every_row_has_one_sample_and_every_sample_a_row() {
    let mut found = Vec::new();
    for (provider, text) in [
        ("openim", include_str!("../../../catalogue/samples/openim.json")),
        ("tencent", include_str!("../../../catalogue/samples/tencent.json")),
    ] {
        let samples: Value = serde_json::from_str(text).unwrap();
        for sample in samples["samples"].as_array().unwrap() {
            found.push(format!("{provider} {}", sample["command"].as_str().unwrap()));
        }
    }
    assert_eq!(found.len(), 162);
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), rows());
}

/// Every text at a place where locators stand.
fn locator_texts<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| locator_texts(item, texts)),
        Value::Object(members) => {
            for (name, value) in members {
                if !matches!(name.as_str(), "is" | "unique_by") {
                    locator_texts(value, texts);
                }
            }
        }
        _ => {}
    }
}

#[test]
fn a_rendered_locator_is_the_text_it_was_read_from() {
    let problems = Problems::default();
    let sources = Sources::read(None, &problems);
    let enums = vocabulary::read_enums(&sources.enums, &problems);
    let mut texts = Vec::new();
    for set in &sources.sets.entries {
        locator_texts(&set.value, &mut texts);
    }
    for row in &sources.rows.entries {
        for key in ["fields", "time", "id"] {
            locator_texts(row.value.get(key).unwrap_or(&Value::Null), &mut texts);
        }
    }
    assert!(texts.len() > 900, "{}", texts.len());
    for text in texts {
        let text = text.trim_end_matches('?');
        let roots = Some(Vec::new());
        let mut reader = LocatorReader { enums: &enums, roots, element: true, ids: true };
        let locator = reader.locator(text).unwrap();
        let roots = plan::Roots::new(reader.roots.unwrap());
        assert_eq!(render::Renderer(&roots).locator(&locator), text);
    }
}

/// Every before-command has its own name in its body, so none was forgotten.
#[test]
fn before_commands_name_members_that_rules_may_read_and_after_commands_none() {
    for plan in &CATALOGUE.rows {
        let before = plan.phase == Phase::Before;
        assert_eq!(!plan.raw.is_empty(), before, "{}", plan.command);
        if before {
            let own = match plan.provider {
                Provider::OpenIm => "callbackCommand",
                Provider::Tencent => "CallbackCommand",
            };
            assert_eq!(plan.raw_type(own), Some(plan::RawType::Text), "{}", plan.command);
        }
        assert!(plan.raw.is_sorted_by(|a, b| a.0 < b.0), "{}", plan.command);
        for (name, _) in &plan.raw {
            let top = name.split('.').next().unwrap();
            assert!(!plan.redact.iter().any(|hidden| **hidden == *top), "{name}");
        }
    }
    let gift = row(Provider::Tencent, "Live.CallbackBeforeSendGift");
    assert_eq!(gift.raw_type("GiftWater.To_Account"), Some(plan::RawType::Texts));
    assert_eq!(gift.raw_type("GiftWater.Count"), Some(plan::RawType::Int));
    assert_eq!(gift.raw_type("GiftWater"), None, "an object is no single value");
    let legacy = row(Provider::OpenIm, "callbackBeforePushCommand");
    assert_eq!(legacy.raw_type("iOSBadgeCount"), Some(plan::RawType::Bool));
    assert_eq!(row(Provider::OpenIm, "callbackBeforeUserRegisterCommand").raw_type("secret"), None);
}
