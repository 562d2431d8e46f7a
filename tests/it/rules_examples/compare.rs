//! Compares what came with what a case wants.
//!
//! In: two JSON values. Out: one line for every difference, with its place. Invariants: numbers are
//! compared by their literals; a wanted text that holds a JSON object or list is compared as that
//! document, so that spaces and the order of members do not count; nothing else is lenient.

use serde_json::{Map, Value};

/// Where `seen` is not `wanted`; empty when it is.
pub(super) fn differences(place: &str, seen: &Value, wanted: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(place, seen, wanted, &mut found);
    found
}

/// As [`differences`], of the data of a decision record: only members that are wanted are looked at,
/// and wanting null is wanting none.
pub(super) fn decision_differences(place: &str, seen: &Value, wanted: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (name, wanted) in members(wanted) {
        let place = format!("{place}.{name}");
        match (seen.get(name), wanted) {
            (None, Value::Null) => {}
            (Some(seen), wanted) => compare(&place, seen, wanted, &mut found),
            (None, wanted) => found.push(format!("{place} is not there, wanted {wanted}")),
        }
    }
    found
}

/// What of `wanted` is not in `seen`: members of objects may be more, nothing else.
pub(super) fn missing(place: &str, seen: &Value, wanted: &Value) -> Vec<String> {
    let (Value::Object(seen_members), Value::Object(wanted)) = (seen, wanted) else {
        return differences(place, seen, wanted);
    };
    let of_member = |(name, wanted): (&String, &Value)| {
        let place = format!("{place}.{name}");
        match seen_members.get(name) {
            Some(seen) => missing(&place, seen, wanted),
            None => vec![format!("{place} is not there, wanted {wanted}")],
        }
    };
    wanted.iter().flat_map(of_member).collect()
}

fn members(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("{value} is no object"))
}

fn compare(place: &str, seen: &Value, wanted: &Value, found: &mut Vec<String>) {
    match (seen, wanted) {
        (Value::Object(seen), Value::Object(wanted)) => compare_members(place, seen, wanted, found),
        (Value::Array(seen), Value::Array(wanted)) if seen.len() == wanted.len() => {
            for (index, (seen, wanted)) in seen.iter().zip(wanted).enumerate() {
                compare(&format!("{place}[{index}]"), seen, wanted, found);
            }
        }
        (Value::Number(seen), Value::Number(wanted)) if seen.as_str() == wanted.as_str() => {}
        (Value::String(seen_text), Value::String(wanted_text)) if seen_text != wanted_text => {
            match (document(seen_text), document(wanted_text)) {
                (Some(seen), Some(wanted)) => {
                    compare(&format!("{place} (read as JSON)"), &seen, &wanted, found);
                }
                _ => found.push(format!("{place} is {seen}, wanted {wanted}")),
            }
        }
        (seen, wanted) if seen == wanted => {}
        (seen, wanted) => found.push(format!("{place} is {seen}, wanted {wanted}")),
    }
}

fn compare_members(
    place: &str,
    seen: &Map<String, Value>,
    wanted: &Map<String, Value>,
    found: &mut Vec<String>,
) {
    for (name, wanted) in wanted {
        match seen.get(name) {
            Some(seen) => compare(&format!("{place}.{name}"), seen, wanted, found),
            None => found.push(format!("{place}.{name} is not there, wanted {wanted}")),
        }
    }
    for (name, seen) in seen {
        if !wanted.contains_key(name) {
            found.push(format!("{place}.{name} is {seen}, wanted none"));
        }
    }
}

/// The object or list that a text holds.
fn document(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    (value.is_object() || value.is_array()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parsed(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn equal_values_have_no_differences_whatever_the_order_of_members() {
        let one = parsed(r#"{"a": 1, "b": [true, null, "x"], "c": {}}"#);
        let other = parsed(r#"{"c": {}, "b": [true, null, "x"], "a": 1}"#);
        assert_eq!(differences("reply", &one, &other), [""; 0]);
    }

    #[test]
    fn every_difference_is_named_with_its_place() {
        let seen = json!({"a": 1, "b": [1, {"c": "x"}], "d": 1, "f": [1], "g": null});
        let wanted = json!({"a": 2, "b": [1, {"c": "y"}], "e": 1, "f": [1, 2], "g": false});
        assert_eq!(
            differences("reply", &seen, &wanted),
            [
                "reply.a is 1, wanted 2",
                "reply.b[1].c is \"x\", wanted \"y\"",
                "reply.e is not there, wanted 1",
                "reply.f is [1], wanted [1,2]",
                "reply.g is null, wanted false",
                "reply.d is 1, wanted none",
            ]
        );
    }

    #[test]
    fn numbers_are_compared_by_their_literals() {
        let of = |text: &str| differences("n", &parsed(text), &parsed("1"));
        assert_eq!(of("1"), [""; 0]);
        assert_eq!(of("1.0"), ["n is 1.0, wanted 1"]);
        assert_eq!(of("\"1\""), ["n is \"1\", wanted 1"]);
        let big = |last: char| parsed(&format!("1234567890123456789012345678{last}"));
        assert_eq!(differences("n", &big('1'), &big('2')).len(), 1);
        assert_eq!(differences("n", &big('1'), &big('1')), [""; 0]);
    }

    #[test]
    fn texts_that_hold_documents_are_compared_as_documents_and_others_as_texts() {
        let of = |seen: &str, wanted: &str| differences("t", &json!(seen), &json!(wanted));
        assert_eq!(of(r#"{"b": 2, "a": "\u0061"}"#, r#"{"a":"a","b":2}"#), [""; 0]);
        assert_eq!(of(r#"{"a":1.0}"#, r#"{"a":1}"#), ["t (read as JSON).a is 1.0, wanted 1"]);
        assert_eq!(of(r"[1]", r"[2]"), ["t (read as JSON)[0] is 1, wanted 2"]);
        assert_eq!(of("1", " 1"), ["t is \"1\", wanted \" 1\""], "a number is no document");
        assert_eq!(of("{}", "x").len(), 1);
        assert_eq!(of("{", "{ ").len(), 1, "what cannot be read is a text");
    }

    #[test]
    fn of_a_decision_only_written_members_count_and_null_means_absent() {
        let seen = json!({"verdict": "deny", "deny_code": 1, "kind": "x"});
        let of = |wanted: &Value| decision_differences("decisions[0]", &seen, wanted);
        assert_eq!(of(&json!({"verdict": "deny", "rule_id": null})), [""; 0]);
        assert_eq!(
            of(&json!({"deny_code": null, "rule_id": "r", "verdict": "allow"})),
            [
                "decisions[0].deny_code is 1, wanted null",
                "decisions[0].rule_id is not there, wanted \"r\"",
                "decisions[0].verdict is \"deny\", wanted \"allow\"",
            ]
        );
    }

    #[test]
    fn an_answer_of_the_admin_port_may_have_more_than_is_wanted_but_not_less() {
        let seen = json!({"active": true, "rules": [{"id": "a", "mode": "off"}], "more": 1});
        assert_eq!(missing("answer", &seen, &json!({"active": true})), [""; 0]);
        assert_eq!(
            missing("answer", &seen, &json!({"active": false, "less": 1})),
            ["answer.active is true, wanted false", "answer.less is not there, wanted 1"]
        );
        assert_eq!(missing("answer", &seen, &json!({"rules": [{"id": "a"}]})).len(), 1);
    }
}
