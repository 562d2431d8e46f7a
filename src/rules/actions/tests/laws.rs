//! Whatever a request says: what masks, ranges and refusals keep to, and that answers are JSON.

use super::super::super::source::file::OnError;
use super::super::testing::{Ran, World, openim_message, tencent_message};
use crate::verdict::{Change, Verdict};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const WORDS: [&str; 4] = ["gold", "old g", "赌博", "**"];

fn world() -> World {
    World::new().words("bad", &WORDS).ids("bots", &["u1", "u2"])
}

fn run(then: &Json, on: &str, command: &str, body: &Json) -> Ran {
    let mut world = world();
    let actions = world.actions(&[on], then);
    world.one(&[("r", OnError::Skip, &actions)], command, body)
}

/// Texts in which words of the list are likely.
fn texts() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop_oneof![
            Just("gold".to_owned()),
            Just("old gold".to_owned()),
            Just("赌博".to_owned()),
            Just("*".to_owned()),
            "[a-z\"\\\\\u{1F600}\n ]{0,4}",
            any::<char>().prop_map(String::from),
        ],
        0..6,
    )
    .prop_map(|parts| parts.concat())
}

/// A Tencent body of several elements, with a custom one that has JSON in a text.
fn bodies() -> impl Strategy<Value = Json> {
    let text = texts().prop_map(
        |text| json!({"MsgType": "TIMTextElem", "MsgContent": {"Text": text, "N": 1.50}}),
    );
    let custom = (texts(), texts(), any::<bool>()).prop_map(|(data, desc, inner)| {
        let data = if inner { json!({"a": data, "b": [1, null, {"c": data}]}).to_string() } else { data };
        json!({"MsgType": "TIMCustomElem", "MsgContent": {"Data": data, "Desc": desc, "Ext": "", "Sound": "s"}})
    });
    let other = texts().prop_map(
        |text| json!({"MsgType": "TIMNew", "MsgContent": {"X": [text, 5]}, "more": text}),
    );
    prop::collection::vec(prop_oneof![text, custom, other], 0..4).prop_map(Json::from)
}

/// Holds `after` against `before`: the same but for texts, and those differ in signs only.
fn same_but_for_signs(before: &Json, after: &Json, sign: char) -> bool {
    match (before, after) {
        (Json::String(a), Json::String(b)) => {
            if a == b {
                return true;
            }
            let read = |text: &str| {
                serde_json::from_str::<Json>(text).ok().filter(|v| v.is_object() || v.is_array())
            };
            if let (Some(a), Some(b)) = (read(a), read(b)) {
                return same_but_for_signs(&a, &b, sign);
            }
            let (mut a, mut b) = (a.chars(), b.chars());
            let same = a.by_ref().zip(b.by_ref()).all(|(a, b)| a == b || b == sign);
            same && a.next().is_none() && b.next().is_none()
        }
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_but_for_signs(a, b, sign))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.keys().eq(b.keys())
                && a.iter().zip(b).all(|((_, a), (_, b))| same_but_for_signs(a, b, sign))
        }
        (a, b) => a == b,
    }
}

fn message_mask() -> Json {
    json!({"mask": {"msg.text": {"list": "bad", "with": "·"}}})
}

proptest! {
    #[test]
    fn masked_tencent_bodies_keep_everything_but_what_is_covered(body in bodies()) {
        let mut request = tencent_message("");
        request["MsgBody"] = body.clone();
        let command = "C2C.CallbackBeforeSendMsg";
        let ran = run(&message_mask(), "message.rewrite", command, &request);
        let Some(after) = ran.answer.get("MsgBody") else {
            prop_assert!(ran.outcome.is_plain());
            return Ok(());
        };
        prop_assert!(same_but_for_signs(&body, after, '·'), "{body} {after}");
        let recorded = ran.changes()["text"].as_str().unwrap().to_owned();
        prop_assert!(WORDS.iter().all(|word| !recorded.contains(word)), "{recorded}");
        request["MsgBody"] = after.clone();
        let again = run(&message_mask(), "message.rewrite", command, &request);
        prop_assert!(again.outcome.is_plain(), "a second time nothing is left: {after}");
    }

    #[test]
    fn masked_openim_texts_keep_their_length(text in texts(), more in texts()) {
        let content = json!({"content": text, "more": more}).to_string();
        let request = openim_message(101, &content, &json!({}));
        let command = "callbackBeforeMsgModifyCommand";
        let ran = run(&message_mask(), "message.rewrite", command, &request);
        let Some(after) = ran.answer.get("content") else {
            prop_assert!(ran.outcome.is_plain());
            return Ok(());
        };
        let after: Json = serde_json::from_str(after.as_str().unwrap()).unwrap();
        prop_assert_eq!(&after["more"], &json!(more));
        prop_assert!(same_but_for_signs(&json!(text), &after["content"], '·'), "{} {}", text, after);
        // Words are looked for in what a reader sees.
        let seen = |c: &char| !c.is_ascii_control() || matches!(c, '\t' | '\n' | '\r');
        let covered: String = after["content"].as_str().unwrap().chars().filter(seen).collect();
        prop_assert!(WORDS.iter().all(|word| !covered.contains(word)));
    }

    #[test]
    fn free_texts_are_covered_whole_and_once(text in texts()) {
        let then = json!({"mask": {"msg.extra": {"list": "bad", "with": "·"}}});
        let command = "callbackBeforeMsgModifyCommand";
        let ran = run(&then, "message.modify", command, &openim_message(101, "", &json!({"ex": text})));
        let covered = ran.answer.get("ex").and_then(Json::as_str).unwrap_or(&text).to_owned();
        prop_assert_eq!(covered.chars().count(), text.chars().count());
        prop_assert!(WORDS.iter().all(|word| !covered.contains(word)));
        prop_assert_eq!(ran.outcome.is_plain(), covered == text);
        let again = run(&then, "message.modify", command, &openim_message(101, "", &json!({"ex": covered})));
        prop_assert!(again.outcome.is_plain());
    }

    #[test]
    fn clamped_numbers_are_in_range_and_move_no_further_than_needed(
        number in prop_oneof![any::<i64>(), -20_i64..20],
        min in prop::option::of(-10_i64..=0),
        max in prop::option::of(0_i64..10),
    ) {
        prop_assume!(min.is_some() || max.is_some());
        let then = json!({"clamp": {"msg.apply_member_friend": {"min": min, "max": max}}});
        let body = json!({"groupID": "g1", "applyMemberFriend": number});
        let ran = run(&then, "group.update", "callbackBeforeSetGroupInfoExCommand", &body);
        let low = min.unwrap_or(i64::MIN);
        let high = max.unwrap_or(i64::MAX);
        prop_assert_eq!(&ran.answer["applyMemberFriend"], &json!(number.clamp(low, high)));
        prop_assert_eq!(ran.outcome.is_plain(), (low..=high).contains(&number));
    }

    #[test]
    fn those_refused_are_in_the_list_and_in_the_request(ids in prop::collection::vec("u[1-4]", 0..6)) {
        let then = json!({"remove": {"msg.member_ids": {"list": "bots"}}});
        let list: Vec<Json> = ids.iter().map(|id| json!({"Member_Account": id})).collect();
        let body = json!({"GroupId": "g1", "DestinationMembers": list});
        let command = "Group.CallbackBeforeInviteJoinGroup";
        let ran = run(&then, command, command, &body);
        let mut wanted: Vec<String> = Vec::new();
        for id in ids.into_iter().filter(|id| ["u1", "u2"].contains(&id.as_str())) {
            if !wanted.contains(&id) {
                wanted.push(id);
            }
        }
        let verdict = if wanted.is_empty() { Verdict::Allow } else { Verdict::Refuse };
        prop_assert_eq!((ran.outcome.verdict, ran.outcome.refused_ids), (verdict, wanted));
    }

    #[test]
    fn what_is_recorded_as_set_is_in_the_answer(
        name in texts(), nick in texts(), need in any::<i32>(), was in texts(),
    ) {
        let then = json!({"set": {"msg.name": name, "msg.extra": nick, "msg.need_verification": need}});
        let body = json!({"groupID": "g1", "groupName": was, "needVerification": 5});
        let ran = run(&then, "group.update", "callbackBeforeSetGroupInfoExCommand", &body);
        for (field, member) in [("name", "groupName"), ("extra", "ex"), ("need_verification", "needVerification")] {
            let change = ran.outcome.changes.iter().find(|(known, _)| known == field);
            if let Some((_, Change::Value(value))) = change {
                prop_assert_eq!(&ran.answer[member], value);
            } else {
                let unchanged = match field {
                    "name" => name == was,
                    "need_verification" => need == 5,
                    _ => false,
                };
                prop_assert!(unchanged, "{field}");
            }
        }
    }

    #[test]
    fn any_text_in_a_hole_makes_an_answer_of_256_bytes_at_most(said in any::<String>()) {
        let then = json!({"deny": {"message": "{msg.request_message}", "detail": "{raw.reqMsg}"}});
        let body = json!({"fromUserID": "u1", "toUserID": "u2", "reqMsg": said});
        let ran = run(&then, "callbackBeforeAddFriendCommand", "callbackBeforeAddFriendCommand", &body);
        for text in [&ran.answer["errMsg"], &ran.answer["errDlt"]] {
            let text = text.as_str().unwrap();
            prop_assert!(text.len() <= 256 && !text.chars().any(char::is_control));
            let kept: String = said.chars().filter(|c| !c.is_control()).collect();
            prop_assert!(kept.starts_with(text) && (text == kept || text.len() > 252));
        }
    }
}
