//! Whatever a user, an operator or a rule writes, the answer stays JSON of the right shape.

use super::accept::{self, Outcome, object};
use super::{answered, changed, deny, friends, modify, names, plan, reply_plan, roles, verdict};
use crate::catalogue::plan::{ModifyForm, ModifyPlan, ReplyPlan, ReplyStyle};
use crate::verdict::{Change, Decision, Verdict};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Any JSON value without reals, whose literals are compared elsewhere.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn a_deny_carries_any_text(message: String, detail: String, code in 5000_i64..=9999) {
        let no = || Decision { deny_detail: Some(detail.clone()), ..deny(code, &message) };
        let denied = Outcome::Denied(code, message.clone());
        let answer = answered(&plan(reply_plan(ReplyStyle::OpenIm)), "{}", &[no()]);
        prop_assert_eq!(accept::openim(answer.as_bytes()), Ok(denied.clone()));
        let members = object(answer.as_bytes()).unwrap();
        prop_assert_eq!(members.get("errDlt"), Some(&json!(detail)));
        let answer = answered(&plan(reply_plan(ReplyStyle::OpenImLegacy)), "{}", &[no()]);
        prop_assert_eq!(accept::openim_legacy(answer.as_bytes()), Ok(denied));
        let answer = answered(&plan(reply_plan(ReplyStyle::Tencent)), "{}", &[no()]);
        let denied = Outcome::Denied(1, message.clone());
        prop_assert_eq!(accept::tencent(200, answer.as_bytes()), Ok(denied));
    }

    #[test]
    fn echoes_carry_any_value(values in prop::collection::vec(values(), 3), spaced: bool) {
        let must_echo = names(&["groupID", "groupName", "ex"]);
        let plan = plan(ReplyPlan { must_echo, ..reply_plan(ReplyStyle::OpenIm) });
        let body = json!({"ex": values[0], "more": values[1], "groupID": values[2]});
        let body = if spaced { format!("{body:#}") } else { body.to_string() };
        let answer = answered(&plan, &body, &[]);
        prop_assert_eq!(accept::openim(answer.as_bytes()), Ok(Outcome::Passes));
        let answer = object(answer.as_bytes()).unwrap();
        prop_assert_eq!(answer.get("ex"), Some(&values[0]));
        prop_assert_eq!(answer.get("groupID"), Some(&values[2]));
        prop_assert_eq!(answer.0.len(), 7);
    }

    #[test]
    fn items_carry_any_id(ids in prop::collection::vec(values(), 0..5), message: String) {
        let elements: Vec<_> = ids.iter().map(|id| json!({"To_Account": id})).collect();
        let body = json!({"FriendItem": elements}).to_string();
        let decisions: Vec<_> = ids.iter().map(|_| deny(38_001, &message)).collect();
        let named = ids.iter().filter(|id| !id.is_null());
        let expected: Vec<_> =
            named.map(|id| (id.to_string(), 38_001, message.clone())).collect();
        let read = accept::tencent(200, answered(&friends(), &body, &decisions).as_bytes());
        let expected =
            if ids.is_empty() { Outcome::Passes } else { Outcome::Friends(expected) };
        prop_assert_eq!(read, Ok(expected));
    }

    #[test]
    fn changes_carry_any_text(text: String, word: String, ids: Vec<String>) {
        let forms = [
            ("text", "content", ModifyForm::Content),
            ("nickname", "nickName", ModifyForm::Plain),
            ("role", "roleLevel", ModifyForm::Enum(roles())),
            ("recipient_ids", "userIDList", ModifyForm::Ids),
        ];
        let modify = forms.map(|(field, to, form)| ModifyPlan { form, ..modify(field, to) });
        let plan = plan(ReplyPlan { modify: modify.into(), ..reply_plan(ReplyStyle::OpenIm) });
        let content = Change::Content { text: String::new(), body: text.clone() };
        let mut decision = Decision {
            changes: vec![("text".to_owned(), content)],
            ..verdict(Verdict::Modify)
        };
        for (field, value) in
            [("nickname", json!(text)), ("role", json!(word)), ("recipient_ids", json!(ids))]
        {
            decision.changes.append(&mut changed(field, value).changes);
        }
        let answer = answered(&plan, "{}", &[decision]);
        prop_assert_eq!(accept::openim(answer.as_bytes()), Ok(Outcome::Passes));
        let answer = object(answer.as_bytes()).unwrap();
        prop_assert_eq!(answer.get("content"), Some(&json!(text)));
        prop_assert_eq!(answer.get("nickName"), Some(&json!(text)));
        prop_assert_eq!(answer.get("userIDList"), Some(&json!(ids)));
        prop_assert!(answer.get("roleLevel").is_some());
    }

    #[test]
    fn what_reads_as_an_integer_goes_out_as_one(word in "-?[0-9]{1,12}|[-0-9]{0,4}") {
        let form = ModifyForm::Enum(roles());
        let modify = [ModifyPlan { form, ..modify("role", "roleLevel") }];
        let plan = plan(ReplyPlan { modify: modify.into(), ..reply_plan(ReplyStyle::OpenIm) });
        let answer = answered(&plan, "{}", &[changed("role", word.as_str())]);
        let expected = word.parse::<i64>().map_or_else(|_| json!(word), |number| json!(number));
        let answer = object(answer.as_bytes()).unwrap();
        prop_assert_eq!(answer.get("roleLevel"), Some(&expected));
    }
}
