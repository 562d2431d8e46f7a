//! Every field of users, friends and members that can be changed, in the answer as it goes out.

use super::changing::{alone, holds, world};
use serde_json::{Value as Json, json};

#[test]
fn users_change_what_was_sent_of_them() {
    let set = json!({"set": {"msg.nickname": "Bob", "msg.face_url": "f"}});
    let both = json!({"nickname": "Bob", "face_url": "f"});
    let ex = "callbackBeforeUpdateUserInfoExCommand";
    let old = "callbackBeforeUpdateUserInfoCommand";
    holds(vec![
        (
            "user.update",
            set.clone(),
            ex,
            json!({"userID": "u1", "nickName": "Ann", "faceURL": null, "ex": null}),
            json!({"nickName": "Bob"}),
            json!({"nickname": "Bob"}),
        ),
        (
            "user.update",
            set.clone(),
            ex,
            json!({"userID": "u1", "nickName": null, "faceURL": null, "ex": null}),
            json!({}),
            json!({}),
        ),
        (
            "user.update",
            set.clone(),
            ex,
            json!({"userID": "u1", "nickName": "", "faceURL": "g"}),
            json!({"nickName": "Bob", "faceURL": "f"}),
            both.clone(),
        ),
        (
            "user.update",
            set,
            old,
            json!({"userID": "u1", "nickName": "", "faceURL": "", "ex": ""}),
            json!({"nickName": "Bob", "faceURL": "f"}),
            both,
        ),
        (
            "user.update",
            json!({"set": {"msg.extra": "e"}}),
            old,
            json!({"userID": "u1"}),
            json!({"ex": "e"}),
            json!({"extra": "e"}),
        ),
        // A server that is sent `ex` back panics.
        (
            "user.update",
            json!({"set": {"msg.extra": "e"}}),
            ex,
            json!({"userID": "u1", "ex": "x"}),
            json!({}),
            json!({}),
        ),
    ]);
}

#[test]
fn every_registered_user_changes_by_itself() {
    let command = "callbackBeforeUserRegisterCommand";
    let body = json!({"users": [
        {"userID": "u1", "nickname": "gold", "faceURL": "", "ex": "x", "more": 1.50},
        {"userID": "u2", "nickname": "Ann", "faceURL": "f", "ex": "x"},
        {"userID": "", "nickname": "gold"}
    ]});
    let mask = json!({"mask": {"msg.users.nickname": {"list": "bad"}}});
    let masked = json!([
        {"userID": "u1", "nickname": "****", "faceURL": "", "ex": "x", "more": 1.50},
        {"userID": "u2", "nickname": "Ann", "faceURL": "f", "ex": "x"},
        {"userID": "", "nickname": "gold"}
    ]);
    let set = json!({"set": {"msg.users.face_url": "f", "msg.users.extra": "e"}});
    let set_both = json!([
        {"userID": "u1", "nickname": "gold", "faceURL": "f", "ex": "e", "more": 1.50},
        {"userID": "u2", "nickname": "Ann", "faceURL": "f", "ex": "e"},
        {"userID": "", "nickname": "gold"}
    ]);
    let unset = json!({"unset": ["msg.users.face_url"]});
    let nobody = json!({"users": []});
    let mut world = world();
    for (then, members, users) in [
        (mask, masked, json!([{"user_id": "u1", "nickname": "****"}])),
        (
            set.clone(),
            set_both,
            json!([{"user_id": "u1", "face_url": "f", "extra": "e"}, {"user_id": "u2", "extra": "e"}]),
        ),
    ] {
        let ran = alone(&mut world, "user.register", &then, command, &body);
        assert_eq!(ran.members(), json!({"users": members}));
        assert_eq!(ran.changes(), json!({"users": users}));
    }
    let ran = alone(&mut world, "user.register", &unset, command, &body);
    assert_eq!(ran.changes(), json!({"users": [{"user_id": "u2", "face_url": ""}]}));
    for body in [nobody, json!({"users": null}), json!({})] {
        let ran = alone(&mut world, "user.register", &set, command, &body);
        assert!(ran.outcome.is_plain(), "{body}");
        assert_eq!(ran.members(), json!({}), "{body}");
    }
}

#[test]
fn an_id_that_is_registered_twice_loses_no_change() {
    let mut world = world();
    let then = json!({"mask": {"msg.users.nickname": {"list": "bad"}, "msg.users.extra": {"list": "bad"}}});
    let body = json!({"users": [
        {"userID": "u1", "nickname": "gold", "ex": ""}, {"userID": "u1", "nickname": "", "ex": "gold"}
    ]});
    let ran = alone(&mut world, "user.register", &then, "callbackBeforeUserRegisterCommand", &body);
    assert_eq!(
        ran.changes(),
        json!({"users": [{"user_id": "u1", "nickname": "****", "extra": "****"}]})
    );
    assert!(!ran.answer.to_string().contains("gold"), "{}", ran.answer);
}

#[test]
fn friends_change_remarks_and_imports() {
    let remark = json!({"ownerUserID": "u1", "friendUserID": "u2", "remark": "my gold"});
    let mask = json!({"mask": {"msg.remark": {"list": "bad"}}});
    let import = json!({"ownerUserID": "u1", "friendUserIDs": ["u2", "u3", "u9", "u2"]});
    holds(vec![
        (
            "friend.remark.update",
            mask.clone(),
            "callbackBeforeSetFriendRemarkCommand",
            remark.clone(),
            json!({"remark": "my ****"}),
            json!({"remark": "my ****"}),
        ),
        (
            "friend.remark.update",
            mask,
            "callbackBeforeSetFriendRemark",
            remark,
            json!({"remark": "my ****"}),
            json!({"remark": "my ****"}),
        ),
        (
            "friend.import",
            json!({"remove": {"msg.friend_ids": {"list": "bots"}}}),
            "callbackBeforeImportFriendsCommand",
            import.clone(),
            json!({"friendUserIDs": ["u2", "u2"]}),
            json!({"friend_ids": ["u2", "u2"]}),
        ),
        (
            "friend.import",
            json!({"remove": {"msg.friend_ids": {"items": ["u4"]}}}),
            "callbackBeforeImportFriendsCommand",
            import.clone(),
            json!({}),
            json!({}),
        ),
        (
            "friend.import",
            json!({"set": {"msg.friend_ids": ["u2"]}}),
            "callbackBeforeImportFriendsCommand",
            import,
            json!({"friendUserIDs": ["u2"]}),
            json!({"friend_ids": ["u2"]}),
        ),
    ]);
}

#[test]
fn new_members_get_one_entry_each_and_nobody_none() {
    let then = json!({"set": {"msg.role": "member", "msg.nickname": "guest",
        "msg.mute_until_at_ms": 1_735_690_200_000_i64, "msg.extra": "new", "msg.face_url": ""}});
    let recorded = json!({"role": "member", "nickname": "guest",
        "mute_until_at_ms": 1_735_690_200_000_i64, "extra": "new", "face_url": ""});
    let one = |id: &str| {
        let mut member = json!({"roleLevel": 20, "nickname": "guest",
            "muteEndTime": 1_735_690_200_000_i64, "ex": "new", "faceURL": ""});
        if !id.is_empty() {
            member["userID"] = json!(id);
        }
        member
    };
    let batch = "callbackBeforeMembersJoinGroupCommand";
    let members = json!([{"userID": "u1", "ex": ""}, {"userID": "u2", "ex": "x"}]);
    holds(vec![
        (
            "group.member.join",
            then.clone(),
            batch,
            json!({"groupID": "g1", "memberList": members}),
            json!({"memberCallbackList": [one("u1"), one("u2")]}),
            recorded.clone(),
        ),
        (
            "group.member.join",
            then.clone(),
            batch,
            json!({"groupID": "g1", "memberList": []}),
            json!({}),
            json!({}),
        ),
        (
            "group.member.join",
            then.clone(),
            batch,
            json!({"groupID": "g1", "memberList": null}),
            json!({}),
            json!({}),
        ),
        (
            "group.member.join",
            then,
            "callbackBeforeMemberJoinGroupCommand",
            json!({"groupID": "g1", "userID": "u1", "ex": ""}),
            one(""),
            recorded,
        ),
    ]);
}

#[test]
fn what_is_told_of_a_new_member_can_be_masked_and_emptied() {
    let batch = "callbackBeforeMembersJoinGroupCommand";
    holds(vec![
        (
            "callbackBeforeMemberJoinGroupCommand",
            json!({"unset": ["msg.extra"]}),
            "callbackBeforeMemberJoinGroupCommand",
            json!({"groupID": "g1", "userID": "u1", "ex": "e"}),
            json!({"ex": ""}),
            json!({"extra": ""}),
        ),
        (
            "group.member.join",
            json!({"mask": {"msg.extra": {"list": "bad"}}}),
            "callbackBeforeMemberJoinGroupCommand",
            json!({"groupID": "g1", "userID": "u1", "ex": "gold"}),
            json!({"ex": "****"}),
            json!({"extra": "****"}),
        ),
        (
            "group.member.join",
            json!({"mask": {"msg.extra": {"list": "bad"}}}),
            batch,
            json!({"groupID": "g1", "memberList": [{"userID": "u1", "ex": "gold"}]}),
            json!({}),
            json!({}),
        ),
    ]);
}

#[test]
fn roles_are_answered_as_levels() {
    let body = |role: Json| json!({"groupID": "g1", "userID": "u1", "nickName": null, "faceURL": null, "roleLevel": role, "ex": null});
    let role = |role: &str| json!({"set": {"msg.role": role}});
    for command in
        ["callbackBeforeSetGroupMemberInfoCommand", "CallbackBeforeSetGroupMemberInfoCommand"]
    {
        holds(vec![
            (
                "group.member.update",
                role("admin"),
                command,
                body(json!(100)),
                json!({"roleLevel": 60}),
                json!({"role": "admin"}),
            ),
            ("group.member.update", role("admin"), command, body(json!(60)), json!({}), json!({})),
            (
                "group.member.update",
                role("admin"),
                command,
                body(json!(null)),
                json!({"roleLevel": 60}),
                json!({"role": "admin"}),
            ),
            (
                "group.member.update",
                role("80"),
                command,
                body(json!(20)),
                json!({"roleLevel": 80}),
                json!({"role": "80"}),
            ),
            ("group.member.update", role("80"), command, body(json!(80)), json!({}), json!({})),
            // A code with a word is that word.
            ("group.member.update", role("60"), command, body(json!(60)), json!({}), json!({})),
            (
                "group.member.update",
                role("060"),
                command,
                body(json!(20)),
                json!({"roleLevel": 60}),
                json!({"role": "admin"}),
            ),
        ]);
    }
    holds(vec![(
        "group.member.update",
        json!({"set": {"msg.nickname": "", "msg.face_url": "f"}, "unset": ["msg.extra"]}),
        "callbackBeforeSetGroupMemberInfoCommand",
        json!({"groupID": "g1", "userID": "u1", "nickName": "n", "faceURL": "f", "ex": "x"}),
        json!({"nickName": "", "ex": ""}),
        json!({"nickname": "", "extra": ""}),
    )]);
}
