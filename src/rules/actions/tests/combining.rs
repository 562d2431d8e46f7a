//! Several rules at one request.

use super::super::super::source::file::OnError;
use super::super::testing::{Ran, World, openim_message};
use super::super::{Actions, DefaultDeny};
use crate::normalise::Known;
use crate::rules::Given;
use crate::verdict::Verdict;
use serde_json::{Value as Json, json};

const MODIFY: &str = "callbackBeforeMsgModifyCommand";
const GROUP: &str = "callbackBeforeSetGroupInfoExCommand";

fn world() -> World {
    World::new().words("bad", &["gold"]).words("worse", &["old s"]).ids("bots", &["u3", "u9"])
}

/// Rules named a, b, c at one request.
fn together(world: &mut World, on: &str, thens: &[Json], command: &str, body: &Json) -> Ran {
    let actions: Vec<Actions> = thens.iter().map(|then| world.actions(&[on], then)).collect();
    let names = ["a", "b", "c", "d"];
    let rules: Vec<_> = names.iter().zip(&actions).map(|(id, a)| (*id, OnError::Skip, a)).collect();
    world.one(&rules, command, body)
}

fn message(extra: &str) -> Json {
    openim_message(101, r#"{"content":"hi"}"#, &json!({"ex": extra}))
}

fn group(need: &Json, name: &Json) -> Json {
    json!({"groupID": "g1", "groupName": name, "needVerification": need})
}

#[test]
fn nothing_counts_for_nothing() {
    let world = world();
    let ran = world.one(&[], MODIFY, &message("x"));
    assert!(ran.outcome.is_plain());
    assert_eq!(ran.members(), json!({}));
}

#[test]
fn the_first_set_or_unset_wins_and_the_rule_that_did_is_named() {
    let set = |value: &str| json!({"set": {"msg.extra": value}});
    let unset = json!({"unset": ["msg.extra"]});
    for (thens, extra, changes, rule) in [
        (vec![set("1"), set("2")], "x", json!({"extra": "1"}), Some("a")),
        (vec![unset.clone(), set("2")], "x", json!({"extra": ""}), Some("a")),
        (vec![set("1"), unset.clone()], "x", json!({"extra": "1"}), Some("a")),
        // The first wins also where it makes no difference.
        (vec![unset, set("2")], "", json!({}), None),
        (vec![set("x"), set("2")], "x", json!({}), None),
    ] {
        let ran = together(&mut world(), "message.modify", &thens, MODIFY, &message(extra));
        assert_eq!(ran.changes(), changes, "{thens:?}");
        assert_eq!(ran.rule(), rule, "{thens:?}");
    }
}

#[test]
fn masks_cover_what_a_set_has_put_there() {
    let thens = [
        json!({"mask": {"msg.extra": {"list": "worse", "with": "#"}}}),
        json!({"set": {"msg.extra": "my gold shop"}}),
        json!({"mask": {"msg.extra": {"list": "bad"}}}),
    ];
    let ran = together(&mut world(), "message.modify", &thens, MODIFY, &message("x"));
    assert_eq!(ran.members(), json!({"ex": "my *#####hop"}));
    assert_eq!(ran.rule(), Some("a"), "it had a part in what was made");
    let back =
        [json!({"set": {"msg.extra": "gold"}}), json!({"mask": {"msg.extra": {"list": "bad"}}})];
    let ran = together(&mut world(), "message.modify", &back, MODIFY, &message("****"));
    assert!(ran.outcome.is_plain(), "what comes out is what was there: {:?}", ran.outcome);
}

#[test]
fn ranges_meet_and_apply_to_what_was_set() {
    let clamp =
        |min: i64, max: i64| json!({"clamp": {"msg.need_verification": {"min": min, "max": max}}});
    let set = |value: i64| json!({"set": {"msg.need_verification": value}});
    let at_least = json!({"clamp": {"msg.need_verification": {"min": 3}}});
    for (thens, need, made, rule) in [
        (vec![clamp(0, 10), clamp(5, 20)], json!(1), json!(5), Some("b")),
        (vec![clamp(0, 10), clamp(5, 20)], json!(30), json!(10), Some("a")),
        (vec![clamp(0, 10), clamp(5, 20)], json!(7), json!(null), None),
        (vec![clamp(0, 10), at_least.clone()], json!(2), json!(3), Some("b")),
        (vec![clamp(0, 10), set(50)], json!(7), json!(10), Some("a")),
        (vec![set(50), clamp(0, 10)], json!(10), json!(null), None),
        // Nothing is told of it: clamp leaves it alone, set does not.
        (vec![at_least.clone()], json!(null), json!(null), None),
        (vec![at_least, set(1)], json!(null), json!(3), Some("a")),
    ] {
        let ran = together(&mut world(), "group.update", &thens, GROUP, &group(&need, &json!("n")));
        assert_eq!(
            ran.changes().get("need_verification").unwrap_or(&Json::Null),
            &made,
            "{thens:?}"
        );
        assert_eq!(ran.rule(), rule, "{thens:?}");
    }
}

#[test]
fn every_remove_takes_out_and_the_first_that_did_is_named() {
    let remove = |id: &str| json!({"remove": {"msg.friend_ids": {"items": [id]}}});
    let bots = json!({"remove": {"msg.friend_ids": {"list": "bots"}}});
    let set = json!({"set": {"msg.friend_ids": ["u3", "u7"]}});
    let command = "callbackBeforeImportFriendsCommand";
    let body = json!({"ownerUserID": "u1", "friendUserIDs": ["u2", "u3", "u4"]});
    for (thens, ids, rule, verdict) in [
        (vec![remove("u8"), remove("u4"), bots.clone()], json!(["u2"]), Some("b"), Verdict::Modify),
        (vec![remove("u7"), set.clone()], json!(["u3"]), Some("a"), Verdict::Modify),
        (
            vec![remove("u8"), set, bots.clone(), remove("u7")],
            json!(null),
            Some("c"),
            Verdict::Deny,
        ),
        (vec![remove("u2"), bots, remove("u4")], json!(null), Some("a"), Verdict::Deny),
    ] {
        let ran = together(&mut world(), "friend.import", &thens, command, &body);
        assert_eq!(ran.outcome.verdict, verdict, "{thens:?}");
        assert_eq!(ran.changes().get("friend_ids").unwrap_or(&Json::Null), &ids, "{thens:?}");
        assert_eq!(ran.rule(), rule, "{thens:?}");
    }
}

#[test]
fn refusals_of_several_rules_keep_the_order_of_the_request() {
    let thens = [
        json!({"remove": {"msg.member_ids": {"items": ["u8"]}}}),
        json!({"remove": {"msg.member_ids": {"items": ["u5", "u2"]}}}),
        json!({"remove": {"msg.member_ids": {"list": "bots"}}}),
    ];
    let ids = ["u9", "u2", "u4", "u2", "u3"].map(|id| json!({"Member_Account": id}));
    let command = "Group.CallbackBeforeInviteJoinGroup";
    let body = json!({"GroupId": "g1", "DestinationMembers": ids});
    let ran = together(&mut world(), command, &thens, command, &body);
    assert_eq!(ran.outcome.refused_ids, ["u9", "u2", "u3"]);
    assert_eq!(ran.rule(), Some("b"));
    assert_eq!(ran.members(), json!({"RefusedMembers_Account": ["u9", "u2", "u3"]}));
}

#[test]
fn changes_stand_in_the_order_of_the_vocabulary() {
    let thens = [
        json!({"set": {"msg.extra": "e"}}),
        json!({"set": {"msg.need_verification": 1, "msg.face_url": "f"}}),
        json!({"set": {"msg.name": "N"}}),
    ];
    let ran =
        together(&mut world(), "group.update", &thens, GROUP, &group(&json!(null), &json!("n")));
    let fields: Vec<&str> = ran.outcome.changes.iter().map(|(field, _)| &**field).collect();
    assert_eq!(fields, ["face_url", "name", "need_verification", "extra"]);
    assert_eq!(ran.rule(), Some("a"));
}

#[test]
fn a_deny_discards_changes_and_an_allow_keeps_them() {
    let stamp = json!({"set": {"msg.extra": "seen"}});
    let deny = json!({"deny": {"message": "stop"}});
    let allow = json!({"allow": true, "set": {"msg.sender_nickname": "N"}});
    let ran =
        together(&mut world(), "message.modify", &[stamp.clone(), deny], MODIFY, &message(""));
    assert_eq!((ran.outcome.verdict, ran.rule()), (Verdict::Deny, Some("b")));
    assert_eq!((ran.changes(), &ran.answer["errMsg"]), (json!({}), &json!("stop")));

    let late = json!({"set": {"msg.sender_face_url": "late"}});
    let thens = [stamp.clone(), allow.clone(), late];
    let ran = together(&mut world(), "message.modify", &thens, MODIFY, &message(""));
    assert_eq!((ran.outcome.verdict, ran.rule()), (Verdict::Modify, Some("a")));
    assert_eq!(
        ran.members(),
        json!({"senderNickname": "N", "ex": "seen"}),
        "nothing behind it counts"
    );

    let ran = together(
        &mut world(),
        "message.modify",
        &[stamp, allow],
        MODIFY,
        &openim_message(101, r#"{"content":"hi"}"#, &json!({"ex": "seen", "senderNickname": "N"})),
    );
    assert_eq!((ran.outcome.verdict, ran.rule()), (Verdict::Allow, Some("b")), "it decided");
    assert!(!ran.outcome.is_plain());
    assert_eq!(ran.members(), json!({}));
}

#[test]
fn a_rule_whose_change_is_left_out_is_not_named() {
    let command = "callbackBeforeUpdateUserInfoExCommand";
    let thens = [json!({"set": {"msg.face_url": "f"}}), json!({"set": {"msg.nickname": "Bob"}})];
    let body = json!({"userID": "u1", "nickName": "Ann", "faceURL": null});
    let ran = together(&mut world(), "user.update", &thens, command, &body);
    assert_eq!((ran.changes(), ran.rule()), (json!({"nickname": "Bob"}), Some("b")));
}

#[test]
fn what_is_given_by_its_fields_is_changed_as_if_the_members_were_there() {
    let mut world = world();
    let then = json!({"set": {"msg.nickname": "Bob", "msg.face_url": "f"}});
    let actions = world.actions(&["user.update"], &then);
    let rules = [("a", OnError::Skip, &actions)];
    // The fields of the one, with a body that has none of their members.
    let command = "callbackBeforeUpdateUserInfoExCommand";
    let body = r#"{"userID":"u1","nickName":"Ann","faceURL":null,"nothing":{}}"#;
    let given = Some(Given { ctx: &[], one_piece: true });
    let bare = |known: &mut Known<'_>| known.body = known.body.get("nothing").expect("it is there");
    let ran = world.all_but(&rules, &DefaultDeny::default(), command, body, given, bare).remove(0);
    assert_eq!(ran.changes(), json!({"nickname": "Bob"}), "{:?}", ran.outcome);
}
