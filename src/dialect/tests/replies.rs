//! Single answers, whole.

use super::accept::{self, Outcome};
use super::{
    answered, asked, asked_with, changed, deny, friends, modify, names, path, plan, reply_plan,
    roles, text, verdict,
};
use crate::catalogue::plan::{
    ModifyForm, ModifyPlan, Path, PerMember, Plan, ReplyPlan, ReplyStyle, RootIndex, Roots,
};
use crate::dialect::reply::{Question, fault_deny, plain_allow, reply};
use crate::event::Value;
use crate::verdict::{Change, Decision, Verdict};
use serde_json::json;
use std::borrow::Cow;

const OPENIM: &str = r#"{"actionCode":0,"errCode":0,"errMsg":"","errDlt":"","nextCode":0"#;
const TENCENT: &str = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0"#;

/// The allow with `members` behind its own.
fn allow(allow: &str, members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!("{allow}{comma}{members}}}")
}

fn changing(style: ReplyStyle, modify: impl Into<Box<[ModifyPlan]>>) -> Plan {
    plan(ReplyPlan { modify: modify.into(), ..reply_plan(style) })
}

fn openim(modify: impl Into<Box<[ModifyPlan]>>) -> Plan {
    changing(ReplyStyle::OpenIm, modify)
}

#[test]
fn a_plain_allow_without_echoes_is_a_constant() {
    for style in [ReplyStyle::OpenIm, ReplyStyle::OpenImLegacy, ReplyStyle::Tencent] {
        let plan = plan(reply_plan(style));
        for decisions in [&[][..], &[Decision::ALLOW]] {
            asked(&plan, r#"{"groupID":"g1"}"#, |question| {
                let Cow::Borrowed(answer) = reply(question, decisions) else {
                    panic!("{style:?} is no constant");
                };
                assert_eq!(answer, plain_allow(plan.provider));
            });
        }
    }
}

#[test]
fn commands_without_a_row_and_after_commands_get_the_constant() {
    let after = Plan { reply: None, ..plan(reply_plan(ReplyStyle::Tencent)) };
    let question = Question { provider: after.provider, plan: None, body: None, slots: &[] };
    for question in [question, Question { plan: Some(&after), ..question }] {
        assert_eq!(text(&reply(&question, &[deny(1, "no")])), allow(TENCENT, ""));
        assert_eq!(text(&fault_deny(&question)), allow(TENCENT, ""));
    }
}

#[test]
fn echoes_keep_their_json_value_and_what_the_request_lacks_is_left_out() {
    let must_echo = names(&["groupID", "groupName", "introduction", "faceURL", "ex"]);
    let plan = plan(ReplyPlan { must_echo, ..reply_plan(ReplyStyle::OpenIm) });
    let body = "{ \"ex\" : { \"a\" : [1.50, -0, 12345678901234567890] },\n\"groupID\":\"g\\u00e9\\\"\", \
                \"groupName\":null,\"faceURL\":\"\",\"other\":1}";
    let echoes = r#""groupID":"g\u00e9\"","groupName":null,"faceURL":"","ex":{"a":[1.50,-0,12345678901234567890]}"#;
    assert_eq!(answered(&plan, body, &[]), allow(OPENIM, echoes));
    assert_eq!(answered(&plan, "[1]", &[]), allow(OPENIM, ""));
}

#[test]
fn a_change_overwrites_the_echo_in_its_place() {
    let must_echo = names(&["groupID", "groupName", "ex"]);
    let modify = [modify("name", "groupName"), modify("need_verification", "needVerification")];
    let plan =
        plan(ReplyPlan { must_echo, modify: modify.into(), ..reply_plan(ReplyStyle::OpenIm) });
    let mut decision = changed("name", "quiet \"zone\"");
    decision.changes.push(("need_verification".to_owned(), Change::Value(json!(2))));
    let body = r#"{"groupID":"g1","groupName":"loud","ex":null}"#;
    let members = r#""groupID":"g1","groupName":"quiet \"zone\"","ex":null,"needVerification":2"#;
    assert_eq!(answered(&plan, body, &[decision]), allow(OPENIM, members));
}

#[test]
fn a_deny_echoes_nothing_and_speaks_the_command_s_style() {
    let no = Decision { deny_detail: Some("why".to_owned()), ..deny(5002, "no \"links\"\n") };
    let body = r#"{"groupID":"g1"}"#;
    for (style, action) in [(ReplyStyle::OpenIm, 0), (ReplyStyle::OpenImLegacy, 1)] {
        let must_echo = names(&["groupID"]);
        let plan = plan(ReplyPlan { must_echo, ..reply_plan(style) });
        let expected = format!(
            r#"{{"actionCode":{action},"errCode":5002,"errMsg":"no \"links\"\n","errDlt":"why","nextCode":1}}"#
        );
        assert_eq!(answered(&plan, body, std::slice::from_ref(&no)), expected);
        assert_eq!(
            accept::openim_legacy(expected.as_bytes()).is_ok_and(|read| read != Outcome::Passes),
            action == 1
        );
    }
    let plan = plan(reply_plan(ReplyStyle::Tencent));
    let expected = r#"{"ActionStatus":"OK","ErrorInfo":"no","ErrorCode":120005}"#;
    assert_eq!(answered(&plan, body, &[deny(120_005, "no")]), expected);
}

#[test]
fn a_deny_without_code_or_text_has_the_command_s_own_and_an_empty_text_stays_empty() {
    let plan = plan(reply_plan(ReplyStyle::OpenIm));
    let expected = |message: &str| {
        format!(
            r#"{{"actionCode":0,"errCode":5001,"errMsg":"{message}","errDlt":"","nextCode":1}}"#
        )
    };
    assert_eq!(answered(&plan, "{}", &[verdict(Verdict::Deny)]), expected("Not allowed"));
    asked(&plan, "{}", |question| {
        assert_eq!(text(&fault_deny(question)), expected("Not allowed"));
    });
    assert_eq!(answered(&plan, "{}", &[deny(5001, "")]), expected(""));
}

#[test]
fn a_code_that_the_command_does_not_take_is_never_sent() {
    // 0 would be a success without data, 1 to 99 and negative codes an internal error.
    let openim = plan(reply_plan(ReplyStyle::OpenIm));
    for code in [0, -1, 14, 99, 4999, 10_000, i64::MAX] {
        assert!(answered(&openim, "{}", &[deny(code, "")]).contains(r#""errCode":5001,"#));
    }
    let tencent = ReplyPlan { codes: None, ..reply_plan(ReplyStyle::Tencent) };
    assert!(answered(&plan(tencent), "{}", &[deny(120_001, "")]).ends_with(r#""ErrorCode":1}"#));
}

#[test]
fn a_drop_has_its_own_code_and_passes_where_the_command_knows_none() {
    let known = ReplyPlan { drop_code: Some(2), ..reply_plan(ReplyStyle::Tencent) };
    let drop = [verdict(Verdict::Drop)];
    let expected = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":2}"#;
    assert_eq!(answered(&plan(known), "{}", &drop), expected);
    let unknown = plan(reply_plan(ReplyStyle::Tencent));
    assert_eq!(answered(&unknown, "{}", &drop), allow(TENCENT, ""));
}

#[test]
fn what_is_not_enforced_does_not_show() {
    let plan = openim([modify("nickname", "nickName")]);
    for decision in [deny(5002, "no"), changed("nickname", "x")] {
        let shadow = Decision { enforced: false, ..decision };
        assert_eq!(answered(&plan, "{}", &[shadow]), allow(OPENIM, ""));
    }
    let shadow = Decision { enforced: false, ..deny(38_001, "no") };
    let body = r#"{"FriendItem":[{"To_Account":"u3"}]}"#;
    let items = r#""ResultItem":[{"To_Account":"u3","ResultCode":0,"ResultInfo":""}]"#;
    assert_eq!(answered(&friends(), body, &[shadow]), allow(TENCENT, items));
}

#[test]
fn friends_are_answered_one_by_one_with_the_very_id_that_came() {
    let body = r#"{"FriendItem":[{"To_Account":12345678901234567890},{"To_Account":null},
        {"AddWording":"x"},"odd",{"To_Account":""},{"To_Account":1.50}]}"#;
    let allowed = Decision::ALLOW;
    let decisions = [
        allowed.clone(),
        deny(38_002, "nobody sees this"),
        allowed.clone(),
        allowed,
        deny(38_001, "closed"),
        deny(7, ""),
    ];
    let items = r#""ResultItem":[{"To_Account":12345678901234567890,"ResultCode":0,"ResultInfo":""},{"To_Account":"","ResultCode":38001,"ResultInfo":"closed"},{"To_Account":1.50,"ResultCode":38000,"ResultInfo":""}]"#;
    assert_eq!(answered(&friends(), body, &decisions), allow(TENCENT, items));
}

#[test]
fn friends_that_are_not_listed_leave_the_plain_allow() {
    for body in ["{}", r#"{"FriendItem":[]}"#, r#"{"FriendItem":{"To_Account":"a"}}"#, "7"] {
        assert_eq!(answered(&friends(), body, &[]), allow(TENCENT, ""), "{body}");
    }
    let nameless = r#"{"FriendItem":[{}]}"#;
    assert_eq!(answered(&friends(), nameless, &[]), allow(TENCENT, r#""ResultItem":[]"#));
}

#[test]
fn the_list_of_friends_is_found_by_its_root_as_well() {
    let mut plan = friends();
    plan.roots = Roots::new(vec!["From_Account".into(), "FriendItem".into()]);
    let each = plan.each.as_mut().expect("friends have one");
    each.path = Path { root: Some(RootIndex(1)), steps: Box::default() };
    let items = r#""ResultItem":[{"To_Account":"u3","ResultCode":0,"ResultInfo":""}]"#;
    let body = r#"{"FriendItem":[{"To_Account":"u3"}]}"#;
    assert_eq!(answered(&plan, body, &[]), allow(TENCENT, items));
}

#[test]
fn refused_users_are_listed_beside_an_allow() {
    let refuse = Some(("member_ids".into(), "RefusedMembers_Account".into()));
    let known = plan(ReplyPlan { refuse, ..reply_plan(ReplyStyle::Tencent) });
    let refused_ids = vec!["u1".to_owned(), "u\"2".to_owned()];
    let decision = [Decision { refused_ids, ..verdict(Verdict::Refuse) }];
    let members = r#""RefusedMembers_Account":["u1","u\"2"]"#;
    assert_eq!(answered(&known, "{}", &decision), allow(TENCENT, members));
    let unknown = plan(reply_plan(ReplyStyle::Tencent));
    assert_eq!(answered(&unknown, "{}", &decision), allow(TENCENT, ""));
}

#[test]
fn values_go_out_in_the_type_of_their_field() {
    let plan = openim([modify("field", "member")]);
    let cases = [
        (json!("a\u{1}\\\"/\u{2028}"), "\"a\\u0001\\\\\\\"/\u{2028}\""),
        (json!(""), "\"\""),
        (json!(-7), "-7"),
        (json!(9_007_199_254_740_993_i64), "9007199254740993"),
        (json!(true), "true"),
        (json!([]), "[]"),
    ];
    for (value, expected) in cases {
        let expected = format!("\"member\":{expected}");
        assert_eq!(answered(&plan, "{}", &[changed("field", value)]), allow(OPENIM, &expected));
    }
    for value in [json!(null), json!(1.5)] {
        assert_eq!(answered(&plan, "{}", &[changed("field", value)]), allow(OPENIM, ""));
    }
}

#[test]
fn words_go_out_as_codes_and_codes_as_integers() {
    let form = ModifyForm::Enum(roles());
    let plan = openim([ModifyPlan { form, ..modify("role", "roleLevel") }]);
    let cases = [
        (json!("admin"), "60"),
        (json!("80"), "80"),
        (json!(80), "80"),
        (json!("guest"), "\"guest\""),
        (json!("007"), "7"),
        (json!("-0"), "0"),
        (json!("-12"), "-12"),
        (json!("-"), "\"-\""),
        (json!("+5"), "\"+5\""),
        (json!(""), "\"\""),
    ];
    for (value, expected) in cases {
        let expected = format!("\"roleLevel\":{expected}");
        assert_eq!(answered(&plan, "{}", &[changed("role", value)]), allow(OPENIM, &expected));
    }
}

#[test]
fn lists_of_ids_are_texts_and_an_empty_one_changes_nothing_where_it_must_not_be() {
    let ids = |nonempty| {
        let form = ModifyForm::Ids;
        openim([ModifyPlan { form, nonempty, ..modify("recipient_ids", "userIDList") }])
    };
    let decision = |value: serde_json::Value| [changed("recipient_ids", value)];
    let expected = allow(OPENIM, r#""userIDList":["u1","2"]"#);
    assert_eq!(answered(&ids(true), "{}", &decision(json!(["u1", 2]))), expected);
    assert_eq!(answered(&ids(true), "{}", &decision(json!([]))), allow(OPENIM, ""));
    let expected = allow(OPENIM, r#""userIDList":[]"#);
    assert_eq!(answered(&ids(false), "{}", &decision(json!([]))), expected);
    assert_eq!(answered(&ids(false), "{}", &decision(json!("u1"))), allow(OPENIM, ""));

    let remark = openim([ModifyPlan { nonempty: true, ..modify("remark", "remark") }]);
    assert_eq!(answered(&remark, "{}", &[changed("remark", "")]), allow(OPENIM, ""));
}

#[test]
fn a_rewritten_body_is_a_text_for_one_and_a_list_for_the_other() {
    let body = r#"[{"MsgType":"TIMTextElem"}]"#;
    let content = Change::Content { text: "masked".to_owned(), body: body.to_owned() };
    let changes = vec![("text".to_owned(), content)];
    let decision = [Decision { changes, ..verdict(Verdict::Modify) }];
    let form = || ModifyForm::Content;
    let openim = openim([ModifyPlan { form: form(), ..modify("text", "content") }]);
    let expected = r#""content":"[{\"MsgType\":\"TIMTextElem\"}]""#;
    assert_eq!(answered(&openim, "{}", &decision), allow(OPENIM, expected));
    let modify = [ModifyPlan { form: form(), ..modify("text", "MsgBody") }];
    let tencent = changing(ReplyStyle::Tencent, modify);
    let expected = format!("\"MsgBody\":{body}");
    assert_eq!(answered(&tencent, "{}", &decision), allow(TENCENT, &expected));
    assert_eq!(answered(&tencent, "{}", &[changed("text", "x")]), allow(TENCENT, ""));
}

#[test]
fn conditions_on_the_request_leave_a_change_out() {
    let only_if = Some(path("nickName"));
    let plan = openim([ModifyPlan { only_if, ..modify("nickname", "nickName") }]);
    let decision = [changed("nickname", "x")];
    for (body, made) in
        [(r#"{"nickName":""}"#, true), (r#"{"nickName":null}"#, false), ("{}", false)]
    {
        assert_eq!(answered(&plan, body, &decision).contains("nickName"), made, "{body}");
    }
    let unless = Some((path("contentType"), ["1504".into(), "1508".into()].into()));
    let plan = openim([ModifyPlan { unless, ..modify("nickname", "nickName") }]);
    let bodies = [
        (r#"{"contentType":1504}"#, false),
        (r#"{"contentType":"1508"}"#, false),
        (r#"{"contentType":1504.0}"#, true),
        (r#"{"contentType":101}"#, true),
        ("{}", true),
    ];
    for (body, made) in bodies {
        assert_eq!(answered(&plan, body, &decision).contains("nickName"), made, "{body}");
    }
}

#[test]
fn what_makes_the_server_panic_is_never_returned() {
    let never = Box::from(["ex".into(), "offlinePushInfo".into()]);
    let plan = plan(ReplyPlan {
        never,
        must_echo: names(&["ex"]),
        modify: [modify("extra", "ex"), modify("push_title", "offlinePushInfo.title")].into(),
        ..reply_plan(ReplyStyle::OpenIm)
    });
    let mut decision = changed("extra", "x");
    decision.changes.push(("push_title".to_owned(), Change::Value(json!("t"))));
    assert_eq!(answered(&plan, r#"{"ex":"y"}"#, &[decision]), allow(OPENIM, ""));
}

#[test]
fn an_object_starts_from_its_base() {
    let base = |()| -> Box<[(Box<str>, Path)]> {
        ["title", "desc", "ex", "iOSBadgeCount"].map(|name| (name.into(), path(name))).into()
    };
    let plan = openim([
        ModifyPlan { base: base(()), ..modify("push_title", "offlinePushInfo.title") },
        ModifyPlan { base: base(()), ..modify("push_body", "offlinePushInfo.desc") },
    ]);
    let body = r#"{"title":"t","desc":"d","ex":null,"iOSBadgeCount":false}"#;
    let mut decision = changed("push_title", "T");
    let expected = r#""offlinePushInfo":{"title":"T","desc":"d","iOSBadgeCount":false}"#;
    assert_eq!(answered(&plan, body, &[decision.clone()]), allow(OPENIM, expected));
    decision.changes.push(("push_body".to_owned(), Change::Value(json!("D"))));
    let expected = r#""offlinePushInfo":{"title":"T","desc":"D","iOSBadgeCount":false}"#;
    assert_eq!(answered(&plan, body, &[decision.clone()]), allow(OPENIM, expected));
    let expected = r#""offlinePushInfo":{"title":"T","desc":"D"}"#;
    assert_eq!(answered(&plan, "{}", &[decision]), allow(OPENIM, expected));
}

#[test]
fn members_are_changed_one_by_one() {
    let per_member = PerMember {
        to: "memberCallbackList".into(),
        id: "userID".into(),
        ids: "member_ids".into(),
    };
    let form = ModifyForm::Enum(roles());
    let modify =
        [modify("nickname", "nickname"), ModifyPlan { form, ..modify("role", "roleLevel") }];
    let mut plan = plan(ReplyPlan {
        modify: modify.into(),
        per_member: Some(per_member),
        ..reply_plan(ReplyStyle::OpenIm)
    });
    plan.slots = ["group_id".into(), "member_ids".into()].into();
    let mut decision = changed("nickname", "new");
    decision.changes.push(("role".to_owned(), Change::Value(json!("member"))));
    let ids = [Value::Text("u1"), Value::Text("u2")];
    let answer = |slots: &[Value<'_>], decision: &Decision| {
        let decisions = std::slice::from_ref(decision);
        asked_with(&plan, "{}", slots, |question| text(&reply(question, decisions)))
    };
    let slots = [Value::Text("g1"), Value::List(&ids)];
    let expected = r#""memberCallbackList":[{"userID":"u1","nickname":"new","roleLevel":20},{"userID":"u2","nickname":"new","roleLevel":20}]"#;
    assert_eq!(answer(&slots, &decision), allow(OPENIM, expected));
    for nobody in [Value::Absent, Value::List(&[])] {
        assert_eq!(answer(&[Value::Text("g1"), nobody], &decision), allow(OPENIM, ""));
    }
    assert_eq!(answer(&[], &decision), allow(OPENIM, ""));
    assert_eq!(answer(&slots, &verdict(Verdict::Modify)), allow(OPENIM, ""));
}

fn registering() -> Plan {
    let each = [("nickname", "nickname"), ("face_url", "faceURL"), ("extra", "ex")];
    let form = ModifyForm::Patch {
        list: path("users"),
        matches: ("user_id".into(), "userID".into()),
        each: each.map(|(field, member)| (field.into(), member.into())).into(),
    };
    openim([ModifyPlan { form, ..modify("users", "users") }])
}

#[test]
fn a_patched_list_is_copied_whole_with_the_matching_items_changed() {
    let body = r#"{"users":[{"userID":"u1","nickname":"a", "seq":1.50},{"userID":"u2","ex":"\u00e9"},null,{"userID":3}]}"#;
    let change = json!([
        {"user_id": "u1", "nickname": "***", "extra": ""},
        {"user_id": "3", "face_url": "f"},
        {"user_id": "u9", "nickname": "nobody"},
    ]);
    let expected = r#""users":[{"userID":"u1","nickname":"***","seq":1.50,"ex":""},{"userID":"u2","ex":"\u00e9"},{"userID":3,"faceURL":"f"}]"#;
    assert_eq!(
        answered(&registering(), body, &[changed("users", change)]),
        allow(OPENIM, expected)
    );
}

#[test]
fn nobody_to_patch_is_a_plain_allow() {
    let change = [changed("users", json!([{"user_id": "u1", "nickname": "x"}]))];
    let bodies = [
        "{}",
        r#"{"users":null}"#,
        r#"{"users":[]}"#,
        r#"{"users":[{"userID":"u2"}]}"#,
        r#"{"users":{"userID":"u1"}}"#,
    ];
    for body in bodies {
        assert_eq!(answered(&registering(), body, &change), allow(OPENIM, ""), "{body}");
    }
}

#[test]
fn one_answer_to_several_intents_is_the_strictest() {
    let plan = openim([modify("nickname", "nickName")]);
    let decisions = [
        Decision::ALLOW,
        Decision { enforced: false, ..deny(5009, "shadow") },
        changed("nickname", "x"),
        deny(5003, "no"),
    ];
    assert!(answered(&plan, "{}", &decisions).contains(r#""errCode":5003"#));
    assert!(answered(&plan, "{}", &decisions[..3]).contains(r#""nickName":"x""#));
}
