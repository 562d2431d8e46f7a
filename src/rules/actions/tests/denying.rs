//! Codes and texts of denies and drops, at every command.

use super::super::super::source::file::OnError;
use super::super::testing::{CATALOGUE, World, deny_def, line, openim_message, tencent_message};
use super::super::{DefaultDeny, compile_default_deny};
use crate::call::Phase;
use crate::catalogue::plan::ReplyStyle;
use crate::rules::problem::Problems;
use crate::verdict::Verdict;
use serde_json::{Value as Json, json};
use std::sync::Arc;

fn default_of(world: &mut World, deny: &Json) -> DefaultDeny {
    let problems = Problems::default();
    let catalogue = Arc::clone(&world.catalogue);
    let default = compile_default_deny(&deny_def(deny), &catalogue, world, &problems);
    assert_eq!(problems.into_sorted(), []);
    default
}

/// A body that gives each before-command one intent.
fn body_of(command: &str) -> Json {
    if command.starts_with("Sns.") {
        return json!({"From_Account": "u1", "Requester_Account": "u1",
            "FriendItem": [{"To_Account": "u2"}], "ResponseFriendItem": [{"To_Account": "u2"}]});
    }
    json!({"userID": "u1", "GroupId": "g1"})
}

/// Code of the answer, wherever it stands.
fn code_of(answer: &Json) -> &Json {
    let item = &answer["ResultItem"][0]["ResultCode"];
    let codes = [item, &answer["errCode"], &answer["ErrorCode"]];
    codes.into_iter().find(|code| !code.is_null()).expect("answers have a code")
}

#[test]
fn every_command_denies_with_the_first_code_it_takes() {
    let all = [5100, 10_110, 120_010, 38_010, 102_110];
    for plan in CATALOGUE.rows.iter().filter(|plan| plan.phase == Phase::Before) {
        let command = &*plan.command;
        let (own, listed) = match command {
            "C2C.CallbackBeforeSendMsg"
            | "OfficialAccount.CallbackBeforeSendMsg"
            | "OfficialAccount.CallbackBeforeCreateOfficialAccount" => (1, 120_010),
            "OfficialAccount.CallbackBeforeAddSubscriber" => (1, 1),
            "Live.CallbackBeforeSendGift" => (1, 102_110),
            group if group.starts_with("Group.") => (1, 10_110),
            friend if friend.starts_with("Sns.") => (38_000, 38_010),
            _ => (5001, 5100),
        };
        let mut world = World::new();
        let default = default_of(&mut world, &json!({"code": all}));
        let bare = world.actions(&[command], &json!({"deny": {}}));
        let coded = world.actions(
            &["message.send", "live.gift.send", "friend.request.create", command],
            &json!({"deny": {"code": all}}),
        );
        let plain =
            world.actions(&["Group.CallbackBeforeSendMsg", command], &json!({"deny": {"code": 1}}));
        let items = plan.reply.as_ref().unwrap().style == ReplyStyle::TencentItems;
        let one = if command.contains('.') && !items { 1 } else { own };
        for (actions, default, code) in [
            (&bare, &DefaultDeny::default(), own),
            (&bare, &default, listed),
            (&coded, &DefaultDeny::default(), listed),
            (&plain, &DefaultDeny::default(), one),
        ] {
            let ran = world.one_with(
                &[("r", OnError::Skip, actions)],
                default,
                command,
                &body_of(command),
            );
            assert_eq!((ran.outcome.verdict, ran.rule()), (Verdict::Deny, Some("r")), "{command}");
            assert_eq!(ran.outcome.deny_code, Some(code), "{command}");
            assert_eq!(code_of(&ran.answer), &json!(code), "{command}: as answered");
            let legacy = plan.reply.as_ref().unwrap().style == ReplyStyle::OpenImLegacy;
            let action = (!command.contains('.')).then_some(i64::from(legacy));
            assert_eq!(ran.answer["actionCode"].as_i64(), action, "{command}");
        }
    }
}

#[test]
fn texts_default_one_by_one_and_an_empty_one_stays_empty() {
    let mut world = World::new();
    let default = default_of(&mut world, &json!({"message": "no", "detail": "why"}));
    let command = "callbackBeforeAddBlackCommand";
    for (deny, built_in, defaults) in [
        (json!({}), ["Not allowed", ""], ["no", "why"]),
        (json!({"message": ""}), ["", ""], ["", "why"]),
        (json!({"detail": "d"}), ["Not allowed", "d"], ["no", "d"]),
        (json!({"message": "m", "detail": ""}), ["m", ""], ["m", ""]),
    ] {
        let actions = world.actions(&[command], &json!({"deny": deny}));
        for (default, [message, detail]) in
            [(&DefaultDeny::default(), built_in), (&default, defaults)]
        {
            let rules = [("r", OnError::Skip, &actions)];
            let ran = world.one_with(&rules, default, command, &json!({"ownerUserID": "u1"}));
            assert_eq!(ran.answer["errMsg"], json!(message), "{deny}");
            assert_eq!(ran.answer["errDlt"], json!(detail), "{deny}");
            assert_eq!(ran.outcome.deny_message.as_deref(), Some(message));
        }
    }
}

#[test]
fn holes_are_filled_with_what_the_request_says() {
    let mut world = World::new();
    let message = "{{{msg.sender_id}}} in {msg.group_id}: {msg.content_type}, {msg.created_at_ms}, \
                   {msg.mention_all}{msg.sequence}, {raw.clientMsgID}";
    let deny = json!({"deny": {"message": message, "detail": "{ctx.provider}"}});
    let actions = world.actions(&["message.group.send"], &deny);
    assert_eq!(actions.reads().count(), 8);
    let rules = [("r", OnError::Skip, &actions)];
    let body = openim_message(
        101,
        r#"{"content":"hi"}"#,
        &json!({"groupID": "g1", "atUserList": ["AtAllTag"]}),
    );
    let ran = world.one(&rules, "callbackBeforeSendGroupMsgCommand", &body);
    assert_eq!(ran.answer["errMsg"], json!("{u1} in g1: text, 1735689598900, true, cli1"));
    assert_eq!(ran.answer["errDlt"], json!("openim"));
    let mut body = tencent_message("hi");
    body["GroupId"] = json!("g1");
    let ran = world.one(&rules, "Group.CallbackBeforeSendMsg", &body);
    assert_eq!(ran.answer["ErrorInfo"], json!("{u1} in g1: text, , , "), "absent is empty");
}

#[test]
fn a_filled_text_has_no_control_characters_and_256_bytes_at_most() {
    let mut world = World::new();
    let on = ["callbackBeforeAddFriendCommand"];
    let actions = world.actions(
        &on,
        &json!({"deny": {"message": "a\u{1}{msg.request_message}", "detail": "é".repeat(200)}}),
    );
    let said = format!("b\u{0}\u{9}\n\u{7f}\u{85}\u{9f}c{}", "赌".repeat(100));
    let body = json!({"fromUserID": "u1", "toUserID": "u2", "reqMsg": said});
    let ran = world.one(&[("r", OnError::Skip, &actions)], on[0], &body);
    // 3 letters and 84 of the others are 255 bytes, and one more would be cut in the middle.
    assert_eq!(ran.outcome.deny_message.unwrap(), format!("abc{}", "赌".repeat(84)));
    assert_eq!(ran.outcome.deny_detail.unwrap(), "é".repeat(128));
}

#[test]
fn texts_of_the_defaults_may_name_what_only_some_commands_have() {
    let mut world = World::new();
    let default =
        default_of(&mut world, &json!({"message": "not {msg.recipient_id}{msg.gift_id}"}));
    assert_eq!(default.reads().count(), 2);
    let actions = world.actions(&["friend.request.create"], &json!({"deny": {}}));
    let rules = [("r", OnError::Skip, &actions)];
    let body =
        json!({"From_Account": "u1", "FriendItem": [{"To_Account": "u2"}, {"To_Account": "u3"}]});
    let ran = world.all(&rules, &default, "Sns.CallbackPrevFriendAdd", &body.to_string(), None);
    let messages: Vec<_> =
        ran.iter().map(|ran| ran.outcome.deny_message.as_deref().unwrap()).collect();
    assert_eq!(messages, ["not u2", "not u3"]);
}

#[test]
fn a_drop_is_answered_by_those_who_know_it_and_decides_elsewhere_too() {
    let mut world = World::new();
    let actions = world.actions(&["C2C.CallbackBeforeSendMsg"], &json!({"drop": true}));
    let rules = [("r", OnError::Skip, &actions)];
    let ran = world.one(&rules, "C2C.CallbackBeforeSendMsg", &tencent_message("hi"));
    assert_eq!((ran.outcome.verdict, ran.rule()), (Verdict::Drop, Some("r")));
    assert_eq!(ran.answer, json!({"ActionStatus": "OK", "ErrorInfo": "", "ErrorCode": 2}));
    let ran = world.one(&rules, "callbackBeforeAddBlackCommand", &json!({}));
    assert_eq!((ran.outcome.verdict, ran.rule()), (Verdict::Allow, Some("r")));
}

#[test]
fn codes_of_the_defaults_have_to_fit_some_command() {
    let mut world = World::new();
    let problems = Problems::default();
    let catalogue = Arc::clone(&world.catalogue);
    let def = deny_def(&json!({"code": [5900, 4999, 1, 120_001], "message": "{msg.nobody}"}));
    compile_default_deny(&def, &catalogue, &mut world, &problems);
    let problems = problems.into_sorted();
    let found: Vec<_> = problems.iter().map(|p| (p.at.line, p.at.column, &*p.message)).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!((found[0].0, &found[0].2[..24]), (line::CODE, "code 4999 fits no comman"));
    assert_eq!(found[1], (line::MESSAGE, 6, "no field \"nobody\""));
}
