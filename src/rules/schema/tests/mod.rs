//! What an author is told about targets and fields, word for word.

mod values;

use super::*;
use crate::rules::frame::Place;
use crate::rules::probe::catalogue;

/// Every entry that the grammar's schema lists, with the number of its targets of OpenIM and of
/// Tencent, counted in the contract's table of events.
const ENTRIES: &str = include_str!("targets.txt");

fn schema() -> Schema {
    Schema::new(&catalogue())
}

fn targets(entries: &[&str]) -> Vec<Target> {
    entries.iter().flat_map(|entry| schema().targets(entry, None).expect("an entry")).collect()
}

fn commands(found: &[Target]) -> Vec<String> {
    found.iter().map(|target| schema().plan(*target).command.to_string()).collect()
}

#[test]
fn every_entry_of_the_grammar_names_the_targets_that_the_contract_has() {
    let mut known = Vec::new();
    for line in ENTRIES.lines() {
        let [entry, openim, tencent] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        for (provider, wanted) in Provider::ALL.into_iter().zip([openim, tencent]) {
            let found = schema().targets(entry, Some(provider));
            let count = found.as_ref().map_or(0, Vec::len);
            assert_eq!(count.to_string(), wanted, "{entry} of {provider}: {found:?}");
            assert!(found.is_ok() || wanted == "0");
        }
        let both = schema().targets(entry, None).unwrap();
        assert!(both.is_sorted_by(|a, b| (a.row, a.kind) < (b.row, b.kind)), "{entry}");
        known.push(entry.to_owned());
    }
    known.sort_unstable();
    assert_eq!(schema().entries(), known);
    assert_eq!(schema().all_targets().len(), 51);
}

#[test]
fn a_command_is_its_row_alone_with_every_kind_it_can_take() {
    let found = targets(&["callbackBeforeAddFriendAgreeCommand"]);
    let schema = schema();
    let kinds: Vec<&str> = found.iter().map(|target| &*schema.kind(*target).name).collect();
    assert_eq!(kinds, ["friend.request.refuse", "friend.request.accept"]);
    assert_eq!(
        commands(&targets(&["friend.request.accept"])),
        ["callbackBeforeAddFriendAgreeCommand", "Sns.CallbackPrevFriendResponse"]
    );
    let upper = targets(&["CallbackBeforeSetGroupMemberInfoCommand"]);
    assert_eq!(commands(&upper), ["CallbackBeforeSetGroupMemberInfoCommand"], "case counts");
    assert_eq!(
        commands(&targets(&["message.rewrite"])),
        [
            "callbackBeforeMsgModifyCommand",
            "callbackWordFilterCommand",
            "callbackMsgModifyCommand",
            "C2C.CallbackBeforeSendMsg",
            "Group.CallbackBeforeSendMsg",
            "OfficialAccount.CallbackBeforeSendMsg",
        ]
    );
}

#[test]
fn an_entry_that_names_nothing_says_why() {
    let said = |entry: &str| schema().targets(entry, None).unwrap_err();
    let wanted = "expected a kind or a command that asks before something happens";
    assert_eq!(
        said("message.grup.send"),
        format!(r#"{wanted}, found "message.grup.send", did you mean "message.group.send"?"#)
    );
    assert_eq!(said("nowhere"), format!(r#"{wanted}, found "nowhere""#));
    assert_eq!(
        said("message.*"),
        format!(
            r#"{wanted}, found "message.*": wildcards are not taken; name each, or say message.send or message.rewrite"#
        )
    );
    assert_eq!(
        said("message.group.sent"),
        r#""message.group.sent" tells what has happened, expected a kind or a command that asks before something happens, did you mean "message.group.send"?"#
    );
    assert_eq!(
        said("callbackAfterSendGroupMsgCommand"),
        r#""callbackAfterSendGroupMsgCommand" tells what has happened, expected a kind or a command that asks before something happens"#
    );
    assert_eq!(
        said("callbackbeforesendgroupmsgcommand"),
        format!(
            r#"{wanted}, found "callbackbeforesendgroupmsgcommand", did you mean "callbackBeforeSendGroupMsgCommand"?"#
        )
    );
}

#[test]
fn an_entry_that_the_provider_leaves_empty_is_a_mistake() {
    let said = |entry: &str, provider| schema().targets(entry, Some(provider)).unwrap_err();
    assert_eq!(
        said("message.modify", Provider::Tencent),
        r#"provider tencent leaves nothing of "message.modify": only openim sends it"#
    );
    assert_eq!(
        said("Group.CallbackBeforeSendMsg", Provider::OpenIm),
        r#"provider openim leaves nothing of "Group.CallbackBeforeSendMsg": only tencent sends it"#
    );
    let half = schema().targets("message.group.send", Some(Provider::Tencent)).unwrap();
    assert_eq!(commands(&half), ["Group.CallbackBeforeSendMsg"]);
}

fn said(entries: &[&str], name: &str) -> String {
    schema().msg(&targets(entries), name).unwrap_err()
}

#[test]
fn a_field_that_no_target_carries_is_told_from_one_that_no_kind_lists() {
    assert_eq!(
        said(&["message.group.send"], "groupid"),
        r#"message.group.send has no field "groupid", did you mean "group_id"?"#
    );
    assert_eq!(
        said(&["message.modify"], "group_id"),
        r#"message.modify has no field "group_id"; ctx.group_id may know it"#
    );
    assert_eq!(
        said(&["user.update", "block.add"], "text"),
        r#"no kind of this rule has a field "text""#
    );
    assert_eq!(said(&["user.update"], "group_id"), r#"user.update has no field "group_id""#);
    assert_eq!(
        said(&["C2C.CallbackBeforeSendMsg"], "sequence"),
        r#"no command of this rule carries "sequence""#,
        "the kind lists it, OpenIM's row maps it"
    );
    assert!(schema().msg(&targets(&["message.direct.send"]), "sequence").is_ok());
    assert_eq!(
        said(&["message.group.send"], "raw"),
        r#"msg has no field "raw": members of the body are raw.member"#
    );
    assert_eq!(
        said(&["message.group.send"], "kind"),
        r#"message.group.send has no field "kind", did you mean ctx.kind?"#
    );
    assert_eq!(
        said(&["callbackBeforeMsgModifyCommand"], "keyVersion"),
        r#"message.modify has no field "keyVersion", did you mean raw.keyVersion?"#
    );
    assert_eq!(said(&["group.create"], "verdict"), r#"group.create has no field "verdict""#);
}

#[test]
fn a_provider_s_own_name_is_answered_with_the_common_one() {
    for (entry, own, common) in [
        ("message.group.send", "From_Account", "sender_id"),
        ("Group.CallbackBeforeSendMsg", "From_Account", "sender_id"),
        // Also the other provider's.
        ("Group.CallbackBeforeSendMsg", "sendID", "sender_id"),
        ("callbackBeforeSendGroupMsgCommand", "GroupId", "group_id"),
        ("message.group.send", "groupID", "group_id"),
        ("message.direct.send", "recvID", "recipient_id"),
        ("message.direct.send", "To_Account", "recipient_id"),
        ("message.direct.send", "content", "text"),
        ("message.direct.send", "contentType", "content_type"),
        ("message.direct.send", "MsgBody", "text"),
        ("message.direct.send", "OptPlatform", "platform"),
        ("message.direct.send", "ex", "extra"),
        ("message.group.send", "atUserList", "mentions"),
        ("message.group.send", "EventTime", "occurred_at_ms"),
        ("friend.request.create", "fromUserID", "applicant_id"),
        ("friend.request.create", "To_Account", "recipient_id"),
        ("group.create", "ownerUserID", "owner_id"),
        ("group.create", "initMemberList", "members"),
        ("live.gift.send", "GiftId", "gift_id"),
        ("live.gift.send", "GiftWater.GiftId", "gift_id"),
    ] {
        assert_eq!(
            said(&[entry], own),
            format!("no field {own:?}, did you mean {common:?}?"),
            "{entry}"
        );
    }
    // Nearly written as the provider does.
    assert_eq!(
        said(&["message.group.send"], "from_account"),
        r#"message.group.send has no field "from_account", did you mean "sender_id"?"#
    );
}

#[test]
fn fields_have_the_types_and_closed_words_of_the_vocabulary() {
    let all = targets(&["message.send", "group.create", "user.register"]);
    let info = |name: &str| schema().msg(&all, name).unwrap();
    assert_eq!(info("sender_id"), FieldInfo { kind: Type::Scalar(Scalar::Text), words: None });
    assert_eq!(info("sequence").kind, Type::Scalar(Scalar::Int));
    assert_eq!(info("text_incomplete").kind, Type::Scalar(Scalar::Bool));
    assert_eq!(info("mentions").kind, Type::List(Scalar::Text));
    let words = info("content_type").words.unwrap();
    assert!(words.iter().any(|word| **word == *"image") && words.len() > 5);
    assert_eq!(
        info("content_types").words.is_some(),
        catalogue().word("content_types").is_some_and(|word| !word.open && !word.values.is_empty())
    );
    let Type::Items(items) = info("members").kind else { panic!("a list of objects") };
    let item = |name: &str| items.iter().find(|item| *item.name == *name).unwrap();
    assert_eq!(item("mute_until_at_ms").scalar, Scalar::Int);
    assert_eq!(item("state").scalar, Scalar::Text, "no word of the vocabulary");
    let role = catalogue().word("role").cloned().unwrap();
    assert_eq!(item("role").words.is_some(), !role.open && !role.values.is_empty());
    let Type::Items(users) = info("users").kind else { panic!("a list of objects") };
    assert_eq!(users[0].name, "user_id".into());
}

#[test]
fn open_words_may_be_compared_with_anything() {
    for word in &catalogue().vocabulary {
        let Ok(info) = schema().any_msg(&word.field) else { continue };
        let closed = !word.values.is_empty() && !word.open;
        assert_eq!(info.words.is_some(), closed, "{}", word.field);
    }
}

#[test]
fn in_texts_for_all_rules_any_field_of_the_vocabulary_may_stand() {
    assert_eq!(schema().any_msg("badge").unwrap_err(), r#"there is no field "badge""#);
    assert_eq!(
        schema().any_msg("sender-id").unwrap_err(),
        r#"there is no field "sender-id", did you mean "sender_id"?"#
    );
    assert_eq!(schema().any_msg("gift_count").unwrap().kind, Type::Scalar(Scalar::Int));
    assert!(schema().any_msg("raw").is_err(), "objects are no values of conditions");
}

#[test]
fn a_member_of_the_body_has_the_declared_type_of_the_targets_that_have_it() {
    let sends = targets(&["message.group.send"]);
    let raw = |targets: &[Target], path: &str| schema().raw(targets, path);
    assert_eq!(raw(&sends, "sessionType").unwrap().kind, Type::Scalar(Scalar::Int));
    assert_eq!(raw(&sends, "Random").unwrap().kind, Type::Scalar(Scalar::Int));
    assert_eq!(raw(&sends, "atUserList").unwrap().kind, Type::List(Scalar::Text));
    let gift = targets(&["live.gift.send"]);
    assert_eq!(raw(&gift, "GiftWater.Count").unwrap().kind, Type::Scalar(Scalar::Int));
    let push = targets(&["push.offline.send"]);
    assert_eq!(raw(&push, "iOSBadgeCount").unwrap().kind, Type::Scalar(Scalar::Bool));
    for (targets, path, message) in [
        (
            &gift,
            "GiftWater.Cont",
            r#"Live.CallbackBeforeSendGift has no member "GiftWater.Cont", did you mean "GiftWater.Count"?"#,
        ),
        (
            &sends,
            "sender_id",
            r#"no command of this rule has a member "sender_id", did you mean msg.sender_id?"#,
        ),
        (
            &sends,
            "MsgBody",
            r#"no command of this rule has a member "MsgBody", did you mean msg.text?"#,
        ),
        (&sends, "nothing", r#"no command of this rule has a member "nothing""#),
        (&sends, "token", "raw.token is redacted, so no rule reads it"),
    ] {
        assert_eq!(raw(targets, path).unwrap_err(), message);
    }
    let inside = raw(&gift, "GiftWater").unwrap_err();
    assert!(inside.contains("raw.GiftWater.Coins, raw.GiftWater.Count, "), "{inside}");
}

#[test]
fn one_name_of_two_types_is_a_mistake() {
    let both = targets(&["group.create", "group.member.apply"]);
    assert_eq!(
        schema().raw(&both, "groupType").unwrap_err(),
        "raw.groupType is int in openim callbackBeforeCreateGroupCommand and string in openim \
         callbackBeforeJoinGroupCommand: name commands of one of them"
    );
    let one = targets(&["callbackBeforeJoinGroupCommand"]);
    assert_eq!(schema().raw(&one, "groupType").unwrap().kind, Type::Scalar(Scalar::Text));
}

#[test]
fn fields_of_the_context_are_texts_and_two_of_them_have_closed_words() {
    let words = |name: &str| schema().ctx(name).unwrap().words;
    assert_eq!(words("provider").unwrap().to_vec(), ["openim".into(), "tencent".into()]);
    let kinds = words("kind").unwrap();
    assert_eq!(kinds.len(), 29);
    assert!(kinds.contains(&"topic.create".into()) && !kinds.contains(&"topic.created".into()));
    for name in ["command", "deployment", "correlation_id", "group_id", "recipient_id"] {
        assert_eq!(
            schema().ctx(name).unwrap(),
            FieldInfo { kind: Type::Scalar(Scalar::Text), words: None }
        );
    }
    let said = |name: &str| schema().ctx(name).unwrap_err();
    assert_eq!(said("groupid"), r#"ctx has no field "groupid", did you mean "group_id"?"#);
    assert_eq!(said("now"), r#"ctx has no field "now": the receive time is now, without ctx"#);
    assert_eq!(said("sender_id"), r#"ctx has no field "sender_id", did you mean msg.sender_id?"#);
    assert_eq!(
        said("weather"),
        "ctx has no field \"weather\"; its fields are provider, command, kind, deployment, \
         correlation_id, group_id, recipient_id, conversation_id"
    );
}

#[test]
fn without_targets_a_name_is_checked_against_all_there_are() {
    assert!(schema().msg(&[], "gift_id").is_ok());
    assert!(schema().raw(&[], "groupType").is_ok(), "which type is for the entry to say");
    assert_eq!(
        schema().msg(&[], "gift_idd").unwrap_err(),
        r#"no kind of this rule has a field "gift_idd", did you mean "gift_id"?"#
    );
}

#[test]
fn a_place_is_a_slot_of_the_kind_or_nowhere() {
    let schema = schema();
    let [openim, tencent] = targets(&["message.direct.send"])[..] else { panic!("two") };
    assert_eq!(schema.place(tencent, Root::Msg, "sequence"), Place::Absent);
    let Place::Slot(slot) = schema.place(openim, Root::Msg, "sequence") else { panic!("a slot") };
    assert_eq!(*schema.plan(openim).slots[usize::from(slot.0)], *"sequence");
    // The row has a slot for it, derived from the conversation, and the kind does not list it.
    assert!(schema.plan(openim).slots.contains(&"group_id".into()));
    assert_eq!(schema.place(openim, Root::Msg, "group_id"), Place::Absent);
    assert_eq!(schema.place(openim, Root::Raw, "sendID"), Place::Asked);
    assert_eq!(schema.place(tencent, Root::Raw, "sendID"), Place::Absent);
    assert_eq!(schema.place(tencent, Root::Ctx, "group_id"), Place::Asked);
    assert!(
        schema.carries(openim, Root::Raw, "sendID")
            && !schema.carries(tencent, Root::Raw, "sendID")
    );
}

/// An operator's row is as good as ours.
#[test]
fn added_before_rows_are_targets_with_their_own_fields_and_members() {
    let extra = serde_json::json!({
        "vocabulary": [{"field": "badge", "type": "string", "values": ["gold"], "meaning": "x"}],
        "kinds": [{
            "kind": "badge.award", "phase": "before", "topic": "im.decisions", "meaning": "x",
            "fields": [{"field": "user_id", "required": true}, {"field": "badge"}, {"field": "raw", "required": true}],
            "partition_key": ["user:{user_id}"], "subject": ["user/{user_id}"],
        }],
        "commands": [{
            "provider": "openim", "command": "callbackBeforeAwardBadge", "phase": "before",
            "aliases": ["callbackAward"], "kind": "badge.award",
            "fields": {"user_id": "$.userID|id", "badge": "$.b|str"}, "id": [],
            "raw": {"level": "int64"},
            "reply": {"no_answer": "deny", "deny": {"style": "openim", "codes": [5000, 9999], "default": 5001}},
        }],
    });
    let catalogue = Catalogue::with_extra("more.json", &extra.to_string());
    let schema = Schema::new(&Arc::new(catalogue.unwrap_or_else(|found| panic!("{found:?}"))));
    let found = schema.targets("badge.award", None).unwrap();
    assert_eq!(found, schema.targets("callbackBeforeAwardBadge", None).unwrap());
    assert_eq!(schema.msg(&found, "badge").unwrap().words.unwrap().to_vec(), ["gold".into()]);
    assert_eq!(schema.raw(&found, "level").unwrap().kind, Type::Scalar(Scalar::Int));
    assert_eq!(
        schema.targets("callbackAward", None).unwrap_err(),
        r#""callbackAward" is another name of "callbackBeforeAwardBadge", which is the one to write"#
    );
    assert!(schema.ctx("kind").unwrap().words.unwrap().contains(&"badge.award".into()));
}
