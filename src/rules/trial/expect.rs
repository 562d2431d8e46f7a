//! A decision against what was expected of it.
//!
//! In: `expect` of a test, and the decision. Out: a clause for each member that differs. What always
//! holds: only what is named is compared; null, `[]` and `{}` mean absent.

use super::super::source::file::{At, Text};
use crate::verdict::{Change, Decision};
use serde_json::{Map, Value};

/// `verdict is "deny", expected "allow"`, for each member that differs.
pub(super) fn differences(expect: &[(Text, At<Value>)], decision: &Decision) -> Vec<String> {
    let all = expect.iter();
    all.filter_map(|(name, wanted)| {
        let found = there(member(&name.value, decision));
        let wanted = there(wanted.value.clone());
        let told =
            |value: &Option<Value>| value.as_ref().map_or("absent".to_owned(), Value::to_string);
        (found != wanted)
            .then(|| format!("{} is {}, expected {}", name.value, told(&found), told(&wanted)))
    })
    .collect()
}

fn there(value: Value) -> Option<Value> {
    let is_absent = match &value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    };
    (!is_absent).then_some(value)
}

/// A member of `expect` as the decision has it.
fn member(name: &str, decision: &Decision) -> Value {
    let text = |text: &str| Value::from(text);
    match name {
        "verdict" => text(decision.verdict.word()),
        "rule_id" => decision.rule_id.as_deref().map_or(Value::Null, text),
        "enforced" => Value::from(decision.enforced),
        "deny_code" => decision.deny_code.map_or(Value::Null, Value::from),
        "deny_message" => decision.deny_message.as_deref().map_or(Value::Null, text),
        "changes" => changes(decision),
        "refused_ids" => Value::from(decision.refused_ids.clone()),
        "tags" => decision.tags.iter().map(|tag| text(tag)).collect(),
        "matched" => decision.matches.iter().map(|hit| text(&hit.rule_id)).collect(),
        // The reader of the file knows no others.
        _ => Value::Null,
    }
}

fn changes(decision: &Decision) -> Value {
    let mut changes = Map::new();
    for (field, change) in &decision.changes {
        let value = match change {
            Change::Value(value) => value.clone(),
            Change::Content { text, .. } => Value::from(text.as_str()),
        };
        changes.insert(field.clone(), value);
    }
    Value::Object(changes)
}

#[cfg(test)]
mod tests {
    use super::super::super::problem::Position;
    use super::super::super::source::file::TextLayout;
    use super::*;
    use crate::verdict::{Match, Verdict};
    use serde_json::json;

    fn decision() -> Decision {
        let hit =
            |id: &str| Match { rule_id: id.into(), mode: "enforce", action: "deny", late: false };
        Decision {
            verdict: Verdict::Deny,
            rule_id: Some("flood".into()),
            deny_code: Some(5001),
            matches: vec![hit("watch"), hit("flood")],
            changes: vec![
                ("role".to_owned(), Change::Value(json!("admin"))),
                (
                    "text".to_owned(),
                    Change::Content { text: "a*".to_owned(), body: "{}".to_owned() },
                ),
            ],
            ..Decision::ALLOW
        }
    }

    fn judged(expect: &Value) -> Vec<String> {
        let at = Position::START;
        let members = expect.as_object().expect("an object").iter();
        let expect: Vec<(Text, At<Value>)> = members
            .map(|(name, value)| {
                let name = Text { value: name.as_str().into(), at, layout: TextLayout::Line };
                (name, At { value: value.clone(), at })
            })
            .collect();
        differences(&expect, &decision())
    }

    #[test]
    fn what_is_as_expected_and_what_is_not_named_is_no_difference() {
        let expect = json!({
            "verdict": "deny", "rule_id": "flood", "enforced": true, "deny_code": 5001,
            "deny_message": null, "tags": [], "refused_ids": null, "matched": ["watch", "flood"],
            "changes": {"text": "a*", "role": "admin"}
        });
        assert_eq!(judged(&expect), Vec::<String>::new());
        assert_eq!(judged(&json!({})), Vec::<String>::new());
    }

    #[test]
    fn every_member_that_differs_is_told_with_both_values() {
        let expect = json!({
            "verdict": "allow", "rule_id": null, "tags": ["a"], "matched": ["flood", "watch"],
            "deny_code": 5002
        });
        assert_eq!(
            judged(&expect),
            [
                r#"verdict is "deny", expected "allow""#,
                r#"rule_id is "flood", expected absent"#,
                r#"tags is absent, expected ["a"]"#,
                r#"matched is ["watch","flood"], expected ["flood","watch"]"#,
                "deny_code is 5001, expected 5002",
            ]
        );
    }
}
