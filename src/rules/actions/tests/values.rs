//! Values of `set` and `clamp` that a field does not take.

use super::super::testing::line;
use super::loading::{error, errors};
use serde_json::{Value as Json, json};

/// Values that are refused: kind, field, value as JSON, message.
const REFUSED: [(&str, &str, &str, &str); 16] = [
    ("group.update", "name", "5", "expected a string (in quotes) for name, found 5"),
    (
        "group.update",
        "need_verification",
        "\"1\"",
        "expected an int for need_verification, found \"1\"",
    ),
    (
        "group.update",
        "need_verification",
        "2147483648",
        "expected a number of 32 bits for need_verification, found 2147483648",
    ),
    (
        "group.member.join",
        "mute_until_at_ms",
        "9007199254740992",
        "expected a number of 53 bits for mute_until_at_ms, found 9007199254740992",
    ),
    ("conversation.create", "pinned", "\"yes\"", "expected a bool for pinned, found \"yes\""),
    ("conversation.create", "pinned", "1", "expected a bool for pinned, found 1"),
    (
        "group.member.update",
        "role",
        "\"boss\"",
        "expected one of member, admin, owner, or a code in quotes such as \"80\", for role, found \"boss\"",
    ),
    (
        "group.member.update",
        "role",
        "\"2147483648\"",
        "expected one of member, admin, owner, or a code in quotes such as \"80\", for role, found \"2147483648\"",
    ),
    (
        "group.member.update",
        "role",
        "\"+80\"",
        "expected one of member, admin, owner, or a code in quotes such as \"80\", for role, found \"+80\"",
    ),
    ("group.member.update", "role", "80", "expected a string (in quotes) for role, found 80"),
    (
        "friend.remark.update",
        "remark",
        "\"\"",
        "remark cannot be emptied: the server takes that for unchanged",
    ),
    (
        "friend.import",
        "friend_ids",
        "\"u1\"",
        "expected a list of strings for friend_ids, found \"u1\"",
    ),
    ("friend.import", "friend_ids", "[\"u1\",5]", "expected a text, found 5: put it in quotes"),
    ("friend.import", "friend_ids", "[\"u1\",\"\"]", "an id is never empty"),
    (
        "friend.import",
        "friend_ids",
        "[]",
        "friend_ids cannot be emptied: the server takes that for unchanged",
    ),
    (
        "user.register",
        "users.nickname",
        "true",
        "expected a string (in quotes) for nickname, found true",
    ),
];

fn set(field: &str, value: &Json) -> Json {
    json!({"set": {format!("msg.{field}"): value}})
}

#[test]
fn values_have_the_type_and_the_size_of_their_field() {
    for (on, field, value, message) in REFUSED {
        let then = set(field, &serde_json::from_str(value).unwrap());
        assert_eq!(error(&[on], &then), (line::VALUE, message.to_owned()));
    }
    let (long, message) =
        ("x".repeat(4097), "expected a text of at most 4096 bytes, found 4097 bytes");
    let refused = error(&["group.update"], &set("name", &json!(long)));
    assert_eq!(refused, (line::VALUE, message.to_owned()));
    for (on, field, value) in [
        ("group.update", "need_verification", json!(i32::MIN)),
        ("group.member.join", "mute_until_at_ms", json!((1_i64 << 53) - 1)),
        ("group.member.update", "role", json!("owner")),
        ("group.member.update", "role", json!("-2147483648")),
        ("group.update", "name", json!("x".repeat(4096))),
    ] {
        assert_eq!(errors(&[on], &set(field, &value)), []);
    }
}

#[test]
fn bounds_have_the_size_of_their_field() {
    let then = json!({"clamp": {"msg.burn_seconds": {"min": -2_147_483_649_i64, "max": 2_147_483_648_i64}}});
    let message =
        |n: i64| (line::VALUE, format!("expected a number of 32 bits for burn_seconds, found {n}"));
    let expected = [message(-2_147_483_649), message(2_147_483_648)];
    assert_eq!(errors(&["conversation.create"], &then), expected);
}
