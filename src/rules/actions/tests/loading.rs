//! Mistakes and warnings about what answers cannot do.

use super::super::super::problem::{Problem, Problems, Severity};
use super::super::testing::{CATALOGUE, World, line};
use super::super::{Placed, check_together};
use crate::call::Provider;
use crate::catalogue::Catalogue;
use serde_json::{Value as Json, json};
use std::sync::Arc;

fn world() -> World {
    World::new().words("bad", &["gold"]).ids("bots", &["u3"])
}

fn told(problems: &[Problem], severity: Severity) -> Vec<(u32, u32, &str)> {
    let wanted = problems.iter().filter(|problem| problem.severity == severity);
    wanted.map(|problem| (problem.at.line, problem.at.column, &*problem.message)).collect()
}

/// All mistakes of a rule: line and message.
pub(super) fn errors(on: &[&str], then: &Json) -> Vec<(u32, String)> {
    let (_, problems) = world().load(on, then);
    let found = told(&problems, Severity::Error);
    found.into_iter().map(|(line, _, message)| (line, message.to_owned())).collect()
}

/// The only mistake of a rule.
pub(super) fn error(on: &[&str], then: &Json) -> (u32, String) {
    let mut found = errors(on, then);
    assert_eq!(found.len(), 1, "{then}: {found:#?}");
    found.remove(0)
}

fn warnings(on: &[&str], then: &Json) -> Vec<String> {
    let (_, problems) = world().load(on, then);
    assert!(told(&problems, Severity::Error).is_empty(), "{problems:#?}");
    told(&problems, Severity::Warning).into_iter().map(|(.., m)| m.to_owned()).collect()
}

#[test]
fn what_no_answer_of_a_kind_can_have_is_told_with_where_it_can() {
    for (on, then, message) in [
        (
            vec!["message.group.send"],
            json!({"mask": {"msg.text": {"list": "bad"}}}),
            "the answer to openim message.group.send cannot change \"text\"; use on: [message.rewrite]",
        ),
        (
            vec!["callbackBeforeSendGroupMsgCommand"],
            json!({"mask": {"msg.text": {"list": "bad"}}}),
            "the answer to openim callbackBeforeSendGroupMsgCommand cannot change \"text\"; use on: [message.rewrite]",
        ),
        (
            vec!["message.send"],
            json!({"set": {"msg.extra": "x"}}),
            "the answer to openim message.direct.send and openim message.group.send cannot change \"extra\"; use on: [message.rewrite]",
        ),
        (
            vec!["group.create"],
            json!({"set": {"msg.name": "x"}}),
            "the answer to tencent group.create cannot change \"name\"; use provider: openim",
        ),
        (
            vec!["message.modify"],
            json!({"set": {"msg.name": "x"}}),
            "the answer to openim message.modify cannot change \"name\"; group.create, group.update can",
        ),
        (
            vec!["callbackWordFilterCommand"],
            json!({"set": {"msg.extra": "x"}}),
            "the answer to openim callbackWordFilterCommand cannot change \"extra\"; use on: [message.rewrite]",
        ),
        (
            vec!["callbackBeforeUpdateUserInfoExCommand"],
            json!({"set": {"msg.extra": "x"}}),
            "the answer to openim callbackBeforeUpdateUserInfoExCommand cannot change \"extra\"; message.modify, user.update, group.create, group.member.join can",
        ),
        (
            vec!["user.register"],
            json!({"set": {"msg.users.user_id": "x"}}),
            "the answer to openim user.register cannot change \"users.user_id\"",
        ),
        (
            vec!["friend.request.create"],
            json!({"unset": ["msg.extra"]}),
            "the answer to openim friend.request.create and tencent friend.request.create cannot change \"extra\"; message.modify, user.update, group.create, group.member.update can",
        ),
        (
            vec!["group.member.join"],
            json!({"clamp": {"msg.mute_until_at_ms": {"min": 0}}}),
            "openim group.member.join does not tell \"mute_until_at_ms\", so it can be set at most",
        ),
        (
            vec!["push.online.send"],
            json!({"remove": {"msg.recipient_ids": {"list": "bots"}}}),
            "openim push.online.send does not tell \"recipient_ids\", so it can be set at most",
        ),
        (
            vec!["Group.CallbackBeforeInviteJoinGroup"],
            json!({"set": {"msg.member_ids": ["u1"]}}),
            "the answer to tencent Group.CallbackBeforeInviteJoinGroup can only refuse some (remove) of \"member_ids\"",
        ),
        (
            vec!["group.member.invite"],
            json!({"remove": {"msg.member_ids": {"list": "bots"}}}),
            "the answer to openim group.member.invite cannot change \"member_ids\"; use provider: tencent",
        ),
    ] {
        assert_eq!(error(&on, &then), (line::FIELD, message.to_owned()));
    }
}

#[test]
fn a_drop_is_for_those_who_know_it() {
    let drop = json!({"drop": true});
    let message = "the answer to openim message.direct.send and openim message.group.send cannot \
                   drop; use provider: tencent";
    assert_eq!(error(&["message.send"], &drop), (line::ENDING, message.to_owned()));
    let message = "the answer to openim block.add cannot drop; deny instead";
    assert_eq!(error(&["block.add"], &drop), (line::ENDING, message.to_owned()));
    let mut world = world();
    let (actions, problems) = world.load_for(Provider::Tencent, &["message.send"], &drop);
    assert_eq!((actions.word(), problems), ("drop", vec![]));
}

#[test]
fn fields_that_are_none_are_told_with_what_may_be_meant() {
    for (on, then, message) in [
        (
            "group.update",
            json!({"set": {"msg.nmae": "x"}}),
            "no field \"nmae\", did you mean \"name\"?",
        ),
        (
            "group.update",
            json!({"set": {"msg.needVerification": 1}}),
            "no field \"needVerification\", did you mean \"need_verification\"?",
        ),
        (
            "user.register",
            json!({"set": {"msg.users": "x"}}),
            "msg.users changes by a field of its objects: msg.users.extra, msg.users.face_url, msg.users.nickname",
        ),
        (
            "user.register",
            json!({"set": {"msg.users.nick": "x"}}),
            "no field \"nick\" in msg.users",
        ),
        (
            "user.register",
            json!({"set": {"msg.users.nicknam": "x"}}),
            "no field \"nicknam\" in msg.users, did you mean \"nickname\"?",
        ),
        (
            "group.update",
            json!({"set": {"msg.name.first": "x"}}),
            "msg.name is string, it has no fields",
        ),
    ] {
        assert_eq!(error(&[on], &then), (line::FIELD, message.to_owned()));
    }
}

#[test]
fn actions_go_with_types() {
    let bad = json!({"list": "bad"});
    for (on, then, message) in [
        (
            "message.rewrite",
            json!({"set": {"msg.text": "x"}}),
            "msg.text is never set: mask what is in it",
        ),
        (
            "message.rewrite",
            json!({"unset": ["msg.text"]}),
            "unset goes with free text, msg.text is the message",
        ),
        (
            "group.member.update",
            json!({"unset": ["msg.role"]}),
            "unset goes with free text, msg.role is an id or a word of a table",
        ),
        (
            "conversation.create",
            json!({"unset": ["msg.pinned"]}),
            "unset goes with free text, msg.pinned is bool",
        ),
        (
            "friend.remark.update",
            json!({"unset": ["msg.remark"]}),
            "msg.remark cannot be emptied: the server takes that for unchanged",
        ),
        (
            "group.member.update",
            json!({"mask": {"msg.role": bad}}),
            "mask goes with free text and msg.text, msg.role is an id or a word of a table",
        ),
        (
            "callbackBeforeCreateGroupCommand",
            json!({"mask": {"msg.group_id": bad}}),
            "mask goes with free text and msg.text, msg.group_id is an id or a word of a table",
        ),
        (
            "conversation.create",
            json!({"mask": {"msg.burn_seconds": bad}}),
            "mask goes with free text and msg.text, msg.burn_seconds is int",
        ),
        (
            "group.update",
            json!({"clamp": {"msg.name": {"min": 1}}}),
            "clamp goes with int fields, msg.name is free text",
        ),
        (
            "push.offline.send",
            json!({"clamp": {"msg.recipient_ids": {"min": 1}}}),
            "clamp goes with int fields, msg.recipient_ids is list<string>",
        ),
        (
            "group.update",
            json!({"remove": {"msg.name": {"list": "bots"}}}),
            "remove goes with lists of ids, msg.name is free text",
        ),
    ] {
        assert_eq!(error(&[on], &then), (line::FIELD, message.to_owned()));
    }
}

#[test]
fn names_of_lists_and_patterns_are_looked_up() {
    let on = ["message.rewrite"];
    for (then, message) in [
        (json!({"mask": {"msg.text": {"list": ["bad", "worse"]}}}), "no list \"worse\""),
        (json!({"mask": {"msg.text": {"list": "bots"}}}), "no list \"bots\""),
    ] {
        assert_eq!(error(&on, &then), (line::NAME, message.to_owned()));
    }
    let then = json!({"remove": {"msg.friend_ids": {"list": "bad"}}});
    assert_eq!(error(&["friend.import"], &then), (line::NAME, "no list \"bad\"".to_owned()));
    let (at, message) = error(&on, &json!({"mask": {"msg.text": {"pattern": "("}}}));
    assert_eq!(at, line::NAME);
    assert!(message.contains("unclosed group"), "{message}");
}

#[test]
fn a_code_that_fits_no_command_of_the_rule_lists_what_they_allow() {
    let (at, message) = error(&["message.direct.send"], &json!({"deny": {"code": 4999}}));
    assert_eq!(at, line::CODE);
    assert_eq!(
        message,
        "code 4999 fits no command of this rule: openim allows 5000 to 9999, C2C.CallbackBeforeSendMsg \
         allows 1 and 120001 to 130000"
    );
    let (_, message) =
        error(&["friend.request.create"], &json!({"deny": {"code": [1, 5001, 38_001]}}));
    assert_eq!(
        message,
        "code 1 fits no command of this rule: openim allows 5000 to 9999, Sns.CallbackPrevFriendAdd allows \
         38000 to 39000"
    );
    let (_, message) =
        error(&["OfficialAccount.CallbackBeforeAddSubscriber"], &json!({"deny": {"code": 2}}));
    assert!(message.ends_with("OfficialAccount.CallbackBeforeAddSubscriber allows 1"), "{message}");
    assert_eq!(
        errors(&["message.send"], &json!({"deny": {"code": [5001, 10_150, 120_001, 1]}})),
        []
    );
}

#[test]
fn holes_are_checked_like_fields_and_braces_are_doubled() {
    let deny = |message: &str| {
        let (_, problems) = world().load(&["message.send"], &json!({"deny": {"message": message}}));
        let found = told(&problems, Severity::Error);
        found
            .into_iter()
            .map(|(_, column, message)| (column, message.to_owned()))
            .collect::<Vec<_>>()
    };
    for (message, column, expected) in [
        ("hi {msg.nobody}", 9, "no field \"nobody\""),
        (
            "é {msg.mentions}",
            8,
            "expected a string, int or bool, found msg.mentions, which is list<string>",
        ),
        (
            "{msg.members}",
            6,
            "expected a string, int or bool, found msg.members, which is list<object>",
        ),
        (
            "{sender_id}",
            2,
            "expected a field such as {msg.sender_id}, found {sender_id}; a brace is written {{ or }}",
        ),
        (
            "{vars.x}",
            2,
            "expected a field such as {msg.sender_id}, found {vars.x}; a brace is written {{ or }}",
        ),
        (
            "{}",
            2,
            "expected a field such as {msg.sender_id}, found {}; a brace is written {{ or }}",
        ),
        ("a } b", 3, "} closes nothing; a brace is written {{ or }}"),
        ("a { b", 3, "nothing closes this {; a brace is written {{ or }}"),
    ] {
        assert_eq!(deny(message), [(column, expected.to_owned())], "{message}");
    }
    assert_eq!(deny("{{}} {{{msg.sender_id}}}"), []);
    assert_eq!(deny("{msg.nobody} and {x}").len(), 2, "all are told");
}

#[test]
fn what_current_commands_of_a_kind_leave_alone_is_a_warning() {
    for (on, then, expected) in [
        (
            "user.update",
            json!({"set": {"msg.extra": "x"}}),
            vec![
                "\"extra\" cannot be changed at callbackBeforeUpdateUserInfoExCommand, which is left as it is",
            ],
        ),
        (
            "push.online.send",
            json!({"set": {"msg.recipient_ids": ["u1"]}}),
            vec![
                "\"recipient_ids\" cannot be changed at callbackBeforeOnlinePushCommand, which is left as it is",
            ],
        ),
        (
            "group.member.join",
            json!({"unset": ["msg.extra"]}),
            vec![
                "\"extra\" is not told at callbackBeforeMembersJoinGroupCommand, which is left as it is",
            ],
        ),
        // Only a name of old cannot.
        ("message.modify", json!({"set": {"msg.extra": "x"}}), vec![]),
        ("message.rewrite", json!({"mask": {"msg.text": {"list": "bad"}}}), vec![]),
        ("group.update", json!({"set": {"msg.name": "x"}}), vec![]),
    ] {
        assert_eq!(warnings(&[on], &then), expected, "{on} {then}");
    }
}

#[test]
fn what_the_wire_keeps_from_acting_is_a_warning() {
    let old = "callbackBeforeUpdateUserInfoCommand";
    let never =
        "OpenIM never fills \"extra\" of callbackBeforeUpdateUserInfoCommand: only set acts there";
    for then in [json!({"unset": ["msg.extra"]}), json!({"mask": {"msg.extra": {"list": "bad"}}})] {
        assert_eq!(warnings(&[old], &then), [never]);
        assert_eq!(warnings(&["user.update"], &then).len(), 2);
    }
    assert_eq!(warnings(&[old], &json!({"set": {"msg.extra": "x"}})), Vec::<String>::new());
    let clamp = |min: i64| json!({"clamp": {"msg.need_verification": {"min": min}}});
    let looks = "a 0 of \"need_verification\" at callbackBeforeSetGroupInfoCommand may as well mean \
                 untouched: clamp leaves it alone there";
    assert_eq!(warnings(&["group.update"], &clamp(1)), [looks]);
    for (on, min) in [("group.update", 0), ("callbackBeforeSetGroupInfoExCommand", 1)] {
        assert_eq!(warnings(&[on], &clamp(min)), Vec::<String>::new());
    }
}

#[test]
fn all_mistakes_of_a_rule_are_told() {
    let then = json!({
        "deny": {"code": [4999, 4998], "message": "{x} {msg.y}"},
        "set": {"msg.nobody": 1, "msg.need_verification": "x"},
        "clamp": {"msg.name": {"min": 1}}
    });
    assert_eq!(errors(&["group.update"], &then).len(), 7);
}

#[test]
fn a_rule_says_in_one_word_what_it_does() {
    for (then, word, decides) in [
        (json!({"allow": true, "set": {"msg.name": "x"}, "tag": ["t"]}), "allow", true),
        (json!({"deny": {}}), "deny", true),
        (json!({"set": {"msg.name": "x"}, "tag": ["t"]}), "change", false),
        (json!({"tag": ["t"]}), "tag", false),
    ] {
        let actions = world().actions(&["group.update"], &then);
        assert_eq!((actions.word(), actions.decides()), (word, decides));
        assert_eq!(actions.only_tags(), word == "tag");
        assert_eq!(actions.tags().len(), usize::from(word != "deny"));
    }
}

/// What is told about rules named a, b, c that may all match.
fn together(rules: &[(&str, Json)]) -> Vec<(Severity, String, String)> {
    let mut world = world();
    let ids: Vec<Arc<str>> = ["a", "b", "c"].map(Arc::from).to_vec();
    let loaded: Vec<_> = rules
        .iter()
        .map(|(on, then)| (world.on(&[on]).remove(0).1, world.actions(&[on], then)))
        .collect();
    let placed: Vec<_> = ids
        .iter()
        .zip(&loaded)
        .map(|(id, (targets, actions))| Placed { id, targets, actions })
        .collect();
    let problems = Problems::default();
    check_together(&placed, &CATALOGUE, &|_, _| true, &problems);
    let told = problems.into_sorted().into_iter();
    told.map(|p| (p.severity, p.rule.unwrap().to_string(), p.message)).collect()
}

#[test]
fn ranges_that_leave_nothing_together_are_a_mistake() {
    let clamp = |bounds: Json| json!({"clamp": {"msg.need_verification": bounds}});
    let (low, high) = (clamp(json!({"max": 5})), clamp(json!({"min": 6, "max": 9})));
    let message =
        "6 to 9 of msg.need_verification leaves nothing together with at most 5 of rule a";
    let expected = (Severity::Error, "b".to_owned(), message.to_owned());
    assert_eq!(
        together(&[("group.update", low.clone()), ("group.update", high.clone())]),
        [expected]
    );
    let meet = clamp(json!({"min": 5}));
    assert_eq!(together(&[("group.update", low.clone()), ("group.update", meet)]), []);
    let (ex, old) = ("callbackBeforeSetGroupInfoExCommand", "callbackBeforeSetGroupInfoCommand");
    assert_eq!(together(&[(ex, low), (old, high)]), [], "no request meets both");
}

#[test]
fn a_value_that_never_comes_is_a_warning() {
    let set = |value: &str| json!({"set": {"msg.extra": value}});
    let both = json!({"set": {"msg.extra": "x"}, "unset": ["msg.extra"]});
    let warning = |rule: &str, who: &str| {
        let message = format!("{who} sets msg.extra too, and comes first");
        (Severity::Warning, rule.to_owned(), message)
    };
    let (ex, group) = ("group.member.update", "group.update");
    assert_eq!(
        together(&[(ex, set("1")), (group, set("2")), (ex, set("3"))]),
        [warning("c", "rule a")]
    );
    assert_eq!(together(&[(ex, both)]), [warning("a", "this rule")]);
}

#[test]
fn rows_of_an_operator_are_judged_by_what_they_say() {
    let row = json!({"commands": [{
        "provider": "tencent", "command": "Group.CallbackBeforeRename", "phase": "before",
        "kind": "group.update",
        "fields": {"group_id": "$.GroupId|id", "name": "$.Name|str"},
        "reply": {"no_answer": "allow", "deny": {"style": "tencent", "plain": 1, "codes": [10100, 10200]},
            "modify": {"name": {"to": "Name", "nonempty": true}}}
    }]});
    let catalogue = Arc::new(Catalogue::with_extra("more.json", &row.to_string()).unwrap());
    let mut world = World::with(catalogue);
    let (_, problems) = world.load(&["group.update"], &json!({"set": {"msg.extra": "x"}}));
    assert_eq!(
        told(&problems, Severity::Error),
        [(
            line::FIELD,
            1,
            "the answer to tencent group.update cannot change \"extra\"; use provider: openim"
        )]
    );
    let (_, problems) = world.load(&["group.update"], &json!({"set": {"msg.name": ""}}));
    assert_eq!(problems.len(), 1);
    let actions = world.actions(&["group.update"], &json!({"set": {"msg.name": "New"}}));
    let rules = [("a", crate::rules::source::file::OnError::Skip, &actions)];
    let body = json!({"GroupId": "g1", "Name": "Old"});
    assert_eq!(
        world.one(&rules, "Group.CallbackBeforeRename", &body).members(),
        json!({"Name": "New"})
    );
}
