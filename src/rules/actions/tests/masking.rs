//! Masks over messages, in the answer as it goes out.

use super::super::super::source::file::OnError;
use super::super::testing::{Ran, World, openim_message, tencent_message};
use super::super::{Actions, DefaultDeny, compile_default_deny};
use crate::rules::Given;
use crate::rules::problem::Problems;
use crate::verdict::{Change, Verdict};
use serde_json::{Value as Json, json};

const MODIFY: &str = "callbackBeforeMsgModifyCommand";
const DIRECT: &str = "C2C.CallbackBeforeSendMsg";

fn world() -> World {
    World::new().words("bad", &["gold", "赌博"]).words("worse", &["ld n"])
}

fn mask(world: &mut World, mask: &Json) -> Actions {
    world.actions(&["message.rewrite"], &json!({"mask": {"msg.text": mask}}))
}

fn masked(command: &str, body: &Json) -> Ran {
    let mut world = world();
    let actions = mask(&mut world, &json!({"list": "bad"}));
    world.one(&[("m", OnError::Skip, &actions)], command, body)
}

fn openim(kind: u32, content: &str) -> Ran {
    masked(MODIFY, &openim_message(kind, content, &json!({})))
}

#[test]
fn texts_go_back_covered_in_the_body_that_came() {
    for (content, answer, text) in [
        (r#"{"content":"buy gold now"}"#, r#"{"content":"buy **** now"}"#, "buy **** now"),
        (r#"{"content":"今晚赌博吗"}"#, r#"{"content":"今晚**吗"}"#, "今晚**吗"),
    ] {
        let ran = openim(101, content);
        assert_eq!(ran.members(), json!({"content": answer}));
        assert_eq!(ran.changes(), json!({"text": text}));
        assert_eq!((ran.outcome.verdict, ran.rule()), (Verdict::Modify, Some("m")));
    }
    for command in [DIRECT, "OfficialAccount.CallbackBeforeSendMsg", "Group.CallbackBeforeSendMsg"]
    {
        let ran = masked(command, &tencent_message("buy gold now"));
        let body = json!([{"MsgType": "TIMTextElem", "MsgContent": {"Text": "buy **** now"}}]);
        assert_eq!(ran.members(), json!({"MsgBody": body}), "{command}");
        assert_eq!(ran.changes(), json!({"text": "buy **** now"}), "{command}");
    }
    for command in ["callbackWordFilterCommand", "callbackMsgModifyCommand"] {
        let body = openim_message(101, r#"{"content":"gold"}"#, &json!({}));
        assert_eq!(masked(command, &body).members(), json!({"content": r#"{"content":"****"}"#}));
    }
}

#[test]
fn json_inside_a_custom_message_is_covered_too() {
    let content = r#"{"data":"{\"type\":\"gold-event\",\"list\":[\"gold\",1,true,null,{\"x\":\"ok\"}]}","description":"gold","extension":""}"#;
    let answer = r#"{"data":"{\"type\":\"****-event\",\"list\":[\"****\",1,true,null,{\"x\":\"ok\"}]}","description":"****","extension":""}"#;
    let ran = openim(110, content);
    assert_eq!(ran.members(), json!({"content": answer}));
    assert_eq!(ran.changes(), json!({"text": "****-event\n****\nok\n****"}));
}

#[test]
fn nothing_to_cover_is_no_change() {
    for ran in [
        openim(101, r#"{"content":"fine"}"#),
        openim(101, "fine"),
        openim(101, ""),
        masked(DIRECT, &tencent_message("fine")),
        masked(DIRECT, &json!({"From_Account": "u1", "MsgBody": null})),
        masked(DIRECT, &json!({"From_Account": "u1", "MsgBody": {"Text": "gold"}})),
        masked(MODIFY, &json!({"sendID": "u1", "content": 5})),
    ] {
        assert!(ran.outcome.is_plain() && ran.outcome.faults.is_empty(), "{:?}", ran.outcome);
        assert_eq!(ran.members(), json!({}));
    }
}

#[test]
fn patterns_cover_every_leftmost_match_and_nothing_where_they_match_nothing() {
    for (pattern, text, covered) in [
        (r"1[3-9]\d{9}", "call 13812345678 now", "call *********** now"),
        (r"1[3-9]\d{9}", "12345", "12345"),
        ("aa", "aaa", "**a"),
        ("x*", "axxb", "a**b"),
        ("(?i)GOLD", "gold Gold", "**** ****"),
    ] {
        let mut world = world();
        let actions = mask(&mut world, &json!({"pattern": pattern}));
        let ran = world.one(&[("m", OnError::Skip, &actions)], DIRECT, &tencent_message(text));
        let expected = if covered == text { json!({}) } else { json!({"text": covered}) };
        assert_eq!(ran.changes(), expected, "{pattern}");
    }
}

#[test]
fn masks_of_several_rules_are_one_and_the_first_gives_the_sign() {
    let mut world = world();
    let words = mask(&mut world, &json!({"list": "bad", "with": "#"}));
    let more = mask(&mut world, &json!({"list": "worse"}));
    let none = mask(&mut world, &json!({"pattern": "nothing"}));
    let body = tencent_message("buy gold now");
    for (rules, text, rule) in [
        ([("w", &words), ("x", &more)], "buy ####**ow", "w"),
        ([("x", &more), ("w", &words)], "buy ##****ow", "x"),
        ([("n", &none), ("x", &more)], "buy go****ow", "x"),
    ] {
        let rules = rules.map(|(id, actions)| (id, OnError::Skip, actions));
        let ran = world.one(&rules, DIRECT, &body);
        assert_eq!(ran.changes(), json!({"text": text}));
        assert_eq!(ran.rule(), Some(rule));
    }
}

#[test]
fn a_text_is_covered_behind_the_cut_as_well() {
    let long = format!("{}gold", "a".repeat(70_000));
    let ran = masked(DIRECT, &tencent_message(&long));
    assert_eq!(ran.outcome.verdict, Verdict::Modify);
    assert!(!ran.answer.to_string().contains("gold"));
}

#[test]
fn content_that_cannot_be_written_is_a_fault_or_a_deny() {
    let mut world = world();
    let actions = mask(&mut world, &json!({"list": "bad"}));
    let other = mask(&mut world, &json!({"list": "worse"}));
    let problems = Problems::default();
    let def = super::super::testing::deny_def(&json!({"code": 5900, "message": "not this"}));
    let catalogue = std::sync::Arc::clone(&world.catalogue);
    let default = compile_default_deny(&def, &catalogue, &mut world, &problems);
    assert_eq!(problems.errors(), 0);
    let body = openim_message(101, "gold plain", &json!({}));
    let run = |rules: &[(&str, OnError, &Actions)]| world.one_with(rules, &default, MODIFY, &body);
    let faults = |ran: &Ran| -> Vec<String> {
        ran.outcome
            .faults
            .iter()
            .map(|f| format!("{} {}", f.rule_id.as_deref().unwrap(), f.fault))
            .collect()
    };

    let ran = run(&[("m", OnError::Skip, &actions)]);
    assert!(ran.outcome.is_plain());
    assert_eq!((faults(&ran), ran.members()), (vec!["m unmaskable".to_owned()], json!({})));

    let ran = run(&[("o", OnError::Match, &other), ("m", OnError::Match, &actions)]);
    assert_eq!((ran.outcome.verdict, ran.rule()), (Verdict::Deny, Some("m")));
    assert_eq!((ran.outcome.deny_code, &ran.answer["errMsg"]), (Some(5900), &json!("not this")));
    assert_eq!(faults(&ran), ["m unmaskable"]);

    for content in [r#"{"content":"gold"}"#, "plain"] {
        let body = openim_message(101, content, &json!({}));
        let ran = world.one_with(&[("m", OnError::Match, &actions)], &default, MODIFY, &body);
        let expected = if content == "plain" {
            json!({})
        } else {
            json!({"content": r#"{"content":"****"}"#})
        };
        assert_eq!((ran.members(), faults(&ran)), (expected, vec![]));
    }
}

#[test]
fn other_places_are_covered_beside_one_that_cannot_be() {
    let content = r#"{"text":"gold","quoteMessage":{"contentType":101,"content":"plain gold"}}"#;
    let ran = openim(114, content);
    let covered = r#"{"text":"****","quoteMessage":{"contentType":101,"content":"plain gold"}}"#;
    assert_eq!(ran.members(), json!({"content": covered}));
    assert_eq!((ran.outcome.verdict, ran.rule()), (Verdict::Modify, Some("m")));
    assert_eq!(ran.outcome.faults.len(), 1);

    // The fault belongs to the rule that wanted that place, the change to the other.
    let mut world = world();
    let quote = mask(&mut world, &json!({"pattern": "plain"}));
    let words = mask(&mut world, &json!({"pattern": "^gold"}));
    let rules = [("q", OnError::Skip, &quote), ("w", OnError::Match, &words)];
    let ran = world.one(&rules, MODIFY, &openim_message(114, content, &json!({})));
    assert_eq!(ran.rule(), Some("w"));
    assert_eq!(ran.outcome.faults[0].rule_id.as_deref(), Some("q"));
    assert_eq!(ran.members(), json!({"content": covered}));
}

#[test]
fn a_text_that_is_given_as_one_piece_is_covered_itself() {
    let mut world = world();
    let actions = mask(&mut world, &json!({"list": "bad"}));
    let given = Some(Given { ctx: &[], one_piece: true });
    let body = openim_message(101, "gold plain", &json!({})).to_string();
    let rules = [("m", OnError::Match, &actions)];
    let ran = world.all(&rules, &DefaultDeny::default(), MODIFY, &body, given).remove(0);
    assert_eq!(ran.outcome.changes, [("text".to_owned(), Change::Value(json!("**** plain")))]);
    assert!(ran.outcome.faults.is_empty());
}
