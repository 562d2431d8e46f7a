//! Every field that can be changed, in the answer as it goes out.

use super::super::super::source::file::OnError;
use super::super::testing::{Ran, World, openim_message, tencent_message};
use crate::verdict::Verdict;
use serde_json::{Value as Json, json};

/// The only rule of a file at one request.
pub(super) fn alone(world: &mut World, on: &str, then: &Json, command: &str, body: &Json) -> Ran {
    let actions = world.actions(&[on], then);
    world.one(&[("c", OnError::Skip, &actions)], command, body)
}

pub(super) fn world() -> World {
    World::new().words("bad", &["gold"]).ids("bots", &["u3", "u9"]).ids("all", &["u1", "u2", "u3"])
}

/// One row: kind, `then`, command, body, members of the answer, changes as recorded.
pub(super) type Row = (&'static str, Json, &'static str, Json, Json, Json);

pub(super) fn holds(rows: Vec<Row>) {
    for (on, then, command, body, members, changes) in rows {
        let ran = alone(&mut world(), on, &then, command, &body);
        assert_eq!(ran.members(), members, "{command} {then}");
        assert_eq!(ran.changes(), changes, "{command} {then}");
        let verdict = if changes == json!({}) { Verdict::Allow } else { Verdict::Modify };
        assert_eq!(ran.outcome.verdict, verdict, "{command} {then}");
        let rule = (verdict == Verdict::Modify).then_some("c");
        assert_eq!(ran.rule(), rule, "{command} {then}");
    }
}

#[test]
fn messages_change_their_sender_and_extra() {
    let body = openim_message(101, r#"{"content":"hi"}"#, &json!({"ex": "a gold b"}));
    let set = json!({"set": {
        "msg.sender_nickname": "N", "msg.sender_face_url": "f", "msg.extra": "seen"
    }});
    let fields = json!({"sender_nickname": "N", "sender_face_url": "f", "extra": "seen"});
    let members = json!({"senderNickname": "N", "senderFaceURL": "f", "ex": "seen"});
    let mask = json!({"mask": {"msg.extra": {"list": "bad", "with": "#"}}});
    let tencent = {
        let mut body = tencent_message("hi");
        body["CloudCustomData"] = json!("gold");
        body
    };
    holds(vec![
        (
            "message.modify",
            set.clone(),
            "callbackBeforeMsgModifyCommand",
            body.clone(),
            members.clone(),
            fields.clone(),
        ),
        ("message.modify", set.clone(), "callbackMsgModifyCommand", body.clone(), members, fields),
        ("message.modify", set, "callbackWordFilterCommand", body.clone(), json!({}), json!({})),
        (
            "message.modify",
            mask.clone(),
            "callbackBeforeMsgModifyCommand",
            body,
            json!({"ex": "a #### b"}),
            json!({"extra": "a #### b"}),
        ),
        (
            "message.rewrite",
            mask,
            "C2C.CallbackBeforeSendMsg",
            tencent.clone(),
            json!({"CloudCustomData": "####"}),
            json!({"extra": "####"}),
        ),
        (
            "message.rewrite",
            json!({"unset": ["msg.extra"]}),
            "C2C.CallbackBeforeSendMsg",
            tencent,
            json!({"CloudCustomData": ""}),
            json!({"extra": ""}),
        ),
        (
            "message.rewrite",
            json!({"unset": ["msg.extra"]}),
            "C2C.CallbackBeforeSendMsg",
            tencent_message("hi"),
            json!({}),
            json!({}),
        ),
    ]);
}

#[test]
fn pushes_change_their_recipients_and_texts() {
    let push = json!({
        "sendID": "u1", "clientMsgID": "c", "sessionType": 1, "contentType": 101,
        "content": "{\"content\":\"hi\"}", "userIDList": ["u1", "u3"], "title": "buy gold",
        "desc": "d", "ex": "", "iOSPushSound": "s", "iOSBadgeCount": true, "signalInfo": null
    });
    let base = |title: &str, desc: &str| {
        json!({"offlinePushInfo": {"title": title, "desc": desc, "ex": "", "iOSPushSound": "s",
            "iOSBadgeCount": true}})
    };
    let trim = json!({"remove": {"msg.recipient_ids": {"list": "bots"}}});
    for command in [
        "callbackBeforeOfflinePushCommand",
        "callbackOfflinePushCommand",
        "callbackBeforePushCommand",
    ] {
        holds(vec![
            (
                "push.offline.send",
                trim.clone(),
                command,
                push.clone(),
                json!({"userIDList": ["u1"]}),
                json!({"recipient_ids": ["u1"]}),
            ),
            (
                "push.offline.send",
                json!({"mask": {"msg.push_title": {"list": "bad"}}}),
                command,
                push.clone(),
                base("buy ****", "d"),
                json!({"push_title": "buy ****"}),
            ),
            (
                "push.offline.send",
                json!({"set": {"msg.push_body": "x"}}),
                command,
                push.clone(),
                base("buy gold", "x"),
                json!({"push_body": "x"}),
            ),
        ]);
    }
}

#[test]
fn pushes_to_groups_can_be_told_whom_to_reach() {
    let group = |kind: u32| {
        json!({"sendID": "u1", "groupID": "g1", "sessionType": 3, "contentType": kind,
            "content": "{}", "clientMsgID": "c"})
    };
    let only = json!({"set": {"msg.recipient_ids": ["u1", "u2"]}});
    let members = json!({"userIDList": ["u1", "u2"]});
    let recorded = json!({"recipient_ids": ["u1", "u2"]});
    holds(vec![
        (
            "push.online.send",
            only.clone(),
            "callbackBeforeGroupOnlinePushCommand",
            group(101),
            members.clone(),
            recorded.clone(),
        ),
        (
            "push.online.send",
            only.clone(),
            "callbackSuperGroupOnlinePushCommand",
            group(101),
            members,
            recorded,
        ),
        // The server ignores the list for notifications that everybody has to get.
        (
            "push.online.send",
            only,
            "callbackBeforeGroupOnlinePushCommand",
            group(1504),
            json!({}),
            json!({}),
        ),
    ]);
}

#[test]
fn groups_change_at_birth_and_later() {
    let create = json!({"groupID": "", "groupName": "my gold", "ownerUserID": "u1", "needVerification": 0, "lookMemberInfo": 1, "initMemberList": []});
    let set = json!({"set": {
        "msg.group_id": "g7", "msg.name": "N", "msg.notification": "n", "msg.introduction": "i",
        "msg.face_url": "f", "msg.extra": "e", "msg.need_verification": 2, "msg.look_member_info": 0
    }});
    let answer = json!({"groupID": "g7", "groupName": "N", "notification": "n", "introduction": "i", "faceURL": "f", "ex": "e", "needVerification": 2, "lookMemberInfo": 0});
    let recorded = json!({"group_id": "g7", "name": "N", "notification": "n", "introduction": "i", "face_url": "f", "extra": "e", "need_verification": 2, "look_member_info": 0});
    let update = json!({"groupID": "g1", "groupName": "Old", "notification": null, "introduction": null, "faceURL": "", "ex": null, "needVerification": 0, "lookMemberInfo": null, "applyMemberFriend": 9});
    let clamp = json!({"clamp": {"msg.apply_member_friend": {"max": 1}, "msg.look_member_info": {"min": 1}}});
    let echo = |name: &str, friend: i64| json!({"groupID": "g1", "groupName": name, "introduction": null, "faceURL": "", "ex": null, "needVerification": 0, "lookMemberInfo": null, "applyMemberFriend": friend});
    let on = "callbackBeforeCreateGroupCommand";
    holds(vec![
        (on, set, on, create.clone(), answer, recorded),
        (
            on,
            json!({"mask": {"msg.name": {"list": "bad"}}}),
            on,
            create,
            json!({"groupName": "my ****"}),
            json!({"name": "my ****"}),
        ),
        (
            "group.update",
            json!({"set": {"msg.name": "New"}}),
            "callbackBeforeSetGroupInfoExCommand",
            update.clone(),
            echo("New", 9),
            json!({"name": "New"}),
        ),
        (
            "group.update",
            json!({"set": {"msg.name": "Old"}}),
            "callbackBeforeSetGroupInfoEXCommand",
            update.clone(),
            echo("Old", 9),
            json!({}),
        ),
        // An absent number is left alone by clamp.
        (
            "group.update",
            clamp,
            "callbackBeforeSetGroupInfoExCommand",
            update.clone(),
            echo("Old", 1),
            json!({"apply_member_friend": 1}),
        ),
        (
            "group.update",
            json!({"set": {"msg.name": "New"}}),
            "callbackBeforeSetGroupInfoCommand",
            json!({"groupID": "g1", "groupName": "Old", "introduction": "i", "faceURL": "f", "ex": "e", "needVerification": 1}),
            json!({"groupID": "g1", "groupName": "New", "introduction": "i", "faceURL": "f"}),
            json!({"name": "New"}),
        ),
    ]);
}

#[test]
fn conversations_change_before_they_are_stored() {
    let set = json!({"set": {
        "msg.receive_option": "silent", "msg.pinned": true, "msg.private_chat": false,
        "msg.mention_state": "me", "msg.attached_info": "a", "msg.extra": "e"
    }, "clamp": {"msg.burn_seconds": {"min": 5, "max": 60}}});
    let answer = |burn: i64| {
        json!({"recvMsgOpt": 2, "isPinned": true, "isPrivateChat": false, "groupAtType": 1,
            "attachedInfo": "a", "ex": "e", "burnDuration": burn})
    };
    let recorded = |burn: i64| {
        json!({"receive_option": "silent", "pinned": true, "private_chat": false,
            "burn_seconds": burn, "mention_state": "me", "attached_info": "a", "extra": "e"})
    };
    let direct = json!({"conversationId": "si_a_b", "conversationType": 1, "ownerUserId": "a", "userId": "b", "recvMsgOpt": 0, "burnDuration": 1, "groupAtType": 0});
    let group = json!({"conversation_id": "sg_g1", "conversation_type": 3, "owner_user_id": "a", "group_id": "g1", "burn_duration": 100});
    holds(vec![
        (
            "conversation.create",
            set.clone(),
            "callbackBeforeCreateSingleChatConversationsCommand",
            direct,
            answer(5),
            recorded(5),
        ),
        (
            "conversation.create",
            set,
            "callbackBeforeCreateGroupChatConversationsCommand",
            group,
            answer(60),
            recorded(60),
        ),
    ]);
}

#[test]
fn tencent_refuses_some_or_all_of_those_invited() {
    for (kind, command, list, member, field, to) in [
        (
            "Group.CallbackBeforeInviteJoinGroup",
            "Group.CallbackBeforeInviteJoinGroup",
            "DestinationMembers",
            "Member_Account",
            "member_ids",
            "RefusedMembers_Account",
        ),
        (
            "official.account.subscribe",
            "OfficialAccount.CallbackBeforeAddSubscriber",
            "SubscribeAccountList",
            "Subscriber_Account",
            "subscriber_ids",
            "RefusedSubscribers_Account",
        ),
    ] {
        let mut world = world();
        let then = json!({"remove": {format!("msg.{field}"): {"list": "bots"}}});
        let actions = world.actions(&[kind], &then);
        for (invited, refused) in [
            (vec!["u2", "u9", "u3", "u9"], json!(["u9", "u3"])),
            (vec!["u3"], json!(["u3"])),
            (vec!["u2"], json!([])),
            (vec![], json!([])),
        ] {
            let ids: Vec<Json> = invited.iter().map(|id| json!({member: id})).collect();
            let ran = world.one(
                &[("c", OnError::Skip, &actions)],
                command,
                &json!({"GroupId": "g1", "Official_Account": "o1", list: ids}),
            );
            assert_eq!(json!(ran.outcome.refused_ids), refused, "{command}");
            if refused == json!([]) {
                assert!(ran.outcome.is_plain());
                assert_eq!(ran.members(), json!({}));
            } else {
                assert_eq!((ran.outcome.verdict, ran.rule()), (Verdict::Refuse, Some("c")));
                assert_eq!(ran.members(), json!({to: refused}));
            }
        }
    }
}

#[test]
fn a_list_that_would_lose_everybody_denies_instead() {
    for (kind, command, body, field) in [
        (
            "friend.import",
            "callbackBeforeImportFriendsCommand",
            json!({"ownerUserID": "u1", "friendUserIDs": ["u3", "u9"]}),
            "friend_ids",
        ),
        (
            "push.offline.send",
            "callbackBeforeOfflinePushCommand",
            json!({"sendID": "u1", "userIDList": ["u3"], "contentType": 101, "content": ""}),
            "recipient_ids",
        ),
    ] {
        let then = json!({"remove": {format!("msg.{field}"): {"list": "bots"}}});
        let ran = alone(&mut world(), kind, &then, command, &body);
        assert_eq!((ran.outcome.verdict, ran.rule()), (Verdict::Deny, Some("c")), "{command}");
        assert_eq!(ran.outcome.deny_code, Some(5001));
        assert_eq!(ran.outcome.deny_message.as_deref(), Some("Not allowed"));
        assert_eq!(ran.changes(), json!({}));
        assert_eq!(ran.answer["nextCode"], json!(1));
    }
    // A list that was empty loses nobody.
    let then = json!({"remove": {"msg.friend_ids": {"list": "bots"}}});
    let body = json!({"ownerUserID": "u1", "friendUserIDs": []});
    let ran =
        alone(&mut world(), "friend.import", &then, "callbackBeforeImportFriendsCommand", &body);
    assert!(ran.outcome.is_plain());
}
