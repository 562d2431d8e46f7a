//! The worked examples, with the plans of their commands built by hand: allow, deny, modify, drop and
//! the mixed answer to two friends, compared as JSON values.

use super::{answered, friends, modify, names, plan, reply_plan, roles};
use crate::catalogue::plan::{ModifyForm, ModifyPlan, Plan, ReplyPlan, ReplyStyle};
use crate::verdict::{Change, Decision, Verdict};
use serde_json::Value;

/// One case of a folder: what was decided, and the answer it asks for.
macro_rules! case {
    ($folder:literal, $case:literal) => {
        Case {
            name: concat!($folder, " ", $case),
            request: include_str!(concat!(
                "../../../tests/fixtures/golden/",
                $folder,
                "/request.json"
            )),
            decided: include_str!(concat!(
                "../../../tests/fixtures/golden/",
                $folder,
                "/case.",
                $case,
                ".json"
            )),
            reply: include_str!(concat!(
                "../../../tests/fixtures/golden/",
                $folder,
                "/reply.",
                $case,
                ".json"
            )),
        }
    };
}

struct Case {
    name: &'static str,
    request: &'static str,
    decided: &'static str,
    reply: &'static str,
}

impl Case {
    /// `rewritten` stands in for the content walker where the case asks for a mask.
    fn holds(&self, plan: &Plan, rewritten: &str) {
        let read = |text: &str| -> Value { serde_json::from_str(text).expect("fixtures are JSON") };
        let (request, decided) = (read(self.request), read(self.decided));
        let decisions: Vec<Decision> = match &decided {
            Value::Array(several) => several.iter().map(|one| decision(one, rewritten)).collect(),
            one => vec![decision(one, rewritten)],
        };
        let body = request["body"].as_str().expect("bodies are texts");
        let answer = answered(plan, body, &decisions);
        assert_eq!(read(&answer), read(self.reply), "{}", self.name);
    }
}

fn decision(case: &Value, rewritten: &str) -> Decision {
    let words = ["allow", "deny", "drop", "modify", "refuse"];
    let verdicts = [Verdict::Allow, Verdict::Deny, Verdict::Drop, Verdict::Modify, Verdict::Refuse];
    let word = case["verdict"].as_str().expect("every case has a verdict");
    let at = words.iter().position(|known| *known == word).expect("there are five verdicts");
    let changes = case["changes"].as_object().into_iter().flatten().map(|(field, value)| {
        let content = || Change::Content { text: String::new(), body: rewritten.to_owned() };
        let change = if value.is_object() { content() } else { Change::Value(value.clone()) };
        (field.clone(), change)
    });
    Decision {
        verdict: verdicts[at],
        enforced: case["enforced"].as_bool().expect("every case says so"),
        deny_code: case["deny_code"].as_i64(),
        deny_message: case["deny_message"].as_str().map(str::to_owned),
        changes: changes.collect(),
        ..Decision::ALLOW
    }
}

#[test]
fn updates_of_a_member_are_answered_as_documented() {
    let form = ModifyForm::Enum(roles());
    let modify =
        [modify("nickname", "nickName"), ModifyPlan { form, ..modify("role", "roleLevel") }];
    let plan = plan(ReplyPlan { modify: modify.into(), ..reply_plan(ReplyStyle::OpenIm) });
    for case in [
        case!("openim/callbackBeforeSetGroupMemberInfoCommand.documented", "allow"),
        case!("openim/callbackBeforeSetGroupMemberInfoCommand.documented", "deny"),
        case!("openim/callbackBeforeSetGroupMemberInfoCommand.documented", "modify"),
    ] {
        case.holds(&plan, "");
    }
}

#[test]
fn updates_of_a_group_are_echoed() {
    let must_echo = names(&[
        "groupID",
        "groupName",
        "introduction",
        "faceURL",
        "ex",
        "needVerification",
        "lookMemberInfo",
        "applyMemberFriend",
    ]);
    let modify = [modify("name", "groupName")];
    let plan =
        plan(ReplyPlan { must_echo, modify: modify.into(), ..reply_plan(ReplyStyle::OpenIm) });
    for case in [
        case!("openim/callbackBeforeSetGroupInfoExCommand.echo", "allow"),
        case!("openim/callbackBeforeSetGroupInfoExCommand.echo", "deny"),
        case!("openim/callbackBeforeSetGroupInfoExCommand.echo", "modify"),
    ] {
        case.holds(&plan, "");
    }
}

#[test]
fn masked_messages_go_back_whole() {
    let content = |to| [ModifyPlan { form: ModifyForm::Content, ..modify("text", to) }].into();
    let openim = plan(ReplyPlan { modify: content("content"), ..reply_plan(ReplyStyle::OpenIm) });
    let rewritten = r#"{"content":"buy **** now"}"#;
    case!("openim/callbackBeforeMsgModifyCommand.mask", "allow").holds(&openim, rewritten);
    case!("openim/callbackBeforeMsgModifyCommand.mask", "modify").holds(&openim, rewritten);

    let tencent = plan(ReplyPlan {
        modify: content("MsgBody"),
        drop_code: Some(2),
        ..reply_plan(ReplyStyle::Tencent)
    });
    let rewritten = r#"[{"MsgType":"TIMRelayElem","MsgContent":{"Title":"chat history","MsgNum":1,"CompatibleText":"please upgrade","AbstractList":["u1: ****"],"MsgList":[{"From_Account":"u1","GroupId":"g1","MsgSeq":1,"MsgRandom":2,"MsgTimeStamp":1735689000,"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"****"}}]}]}}]"#;
    for case in [
        case!("tencent/C2C.CallbackBeforeSendMsg.merged", "allow"),
        case!("tencent/C2C.CallbackBeforeSendMsg.merged", "deny"),
        case!("tencent/C2C.CallbackBeforeSendMsg.merged", "modify"),
        case!("tencent/C2C.CallbackBeforeSendMsg.merged", "drop"),
    ] {
        case.holds(&tencent, rewritten);
    }
}

#[test]
fn two_friends_get_two_answers_in_one() {
    case!("tencent/Sns.CallbackPrevFriendAdd.two", "mixed").holds(&friends(), "");
}
