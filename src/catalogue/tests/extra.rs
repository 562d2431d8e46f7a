//! An operator's file: what it adds, what it replaces, and what is said about its mistakes.

use serde_json::json;

use super::*;
use crate::catalogue::plan::RawType;

fn problems(file: &Value) -> Vec<String> {
    let problems = Catalogue::with_extra("more.json", &file.to_string());
    problems.expect_err("a mistake").iter().map(ToString::to_string).collect()
}

/// A kind and a row that are right.
fn good() -> Value {
    json!({
        "vocabulary": [{"field": "badge", "type": "string", "meaning": "what was awarded"}],
        "enums": {"acme_badge": {"values": {"1": "gold"}, "other": "keep"}},
        "field_sets": {"acme": {"user_id": "$.userID|id", "badge": "$.badge|enum:acme_badge"}},
        "kinds": [{
            "kind": "badge.awarded",
            "phase": "after",
            "topic": "im.badge.awarded",
            "meaning": "a user was given a badge",
            "fields": [
                {"field": "badge", "required": true},
                {"field": "user_id", "required": true},
                {"field": "raw", "required": true},
            ],
            "partition_key": ["user:{user_id}"],
            "subject": ["user/{user_id}"],
        }],
        "commands": [{
            "provider": "openim",
            "command": "callbackAfterAwardBadgeCommand",
            "phase": "after",
            "kind": "badge.awarded",
            "use": ["acme"],
            "id": ["$.awardID"],
            "raw": {"awardID": "string"},
        }],
    })
}

#[test]
fn a_row_with_a_new_kind_is_added_behind_ours() {
    let catalogue = Catalogue::with_extra("more.json", &good().to_string()).unwrap();
    assert_eq!(catalogue.rows.len(), 163);
    let found = catalogue.find(Provider::OpenIm, "callbackafterawardbadgecommand").unwrap();
    assert_eq!(found, RowIndex(162));
    let plan = catalogue.plan(found);
    // Words that were added come last in records, so behind `user_id`.
    assert_eq!(plan.slots, ["user_id".into(), "badge".into()].into());
    assert_eq!(plan.redact, ["secret".into(), "token".into()].into());
    let kind = catalogue.kind(plan.kinds[0].kind);
    assert_eq!((&*kind.name, &*kind.topic), ("badge.awarded", "badge.awarded"));
    for (at, plan) in CATALOGUE.rows.iter().enumerate() {
        assert_eq!(catalogue.rows[at].command, plan.command);
    }
}

#[test]
fn a_row_of_the_same_name_replaces_ours_in_place() {
    let name = "callbackAfterQuitGroupCommand";
    let file = json!({"commands": [{
        "provider": "openim",
        "command": name,
        "phase": "after",
        "kind": "group.member.left",
        "fields": {"group_id": "$.gid|id", "member_ids": "$.uid|id|list"},
    }]});
    let catalogue = Catalogue::with_extra("more.json", &file.to_string()).unwrap();
    assert_eq!(catalogue.rows.len(), 162);
    let found = catalogue.find(Provider::OpenIm, name);
    assert_eq!(found, CATALOGUE.find(Provider::OpenIm, name));
    let roots = catalogue.plan(found.unwrap()).roots.names();
    assert_eq!(roots, ["gid".into(), "uid".into()]);
    // A row that is like it follows.
    let like = catalogue.find(Provider::OpenIm, "callbackQuitGroupCommand").unwrap();
    assert_eq!(catalogue.plan(like).roots.names(), roots);
}

#[test]
fn all_mistakes_are_reported_together_with_file_row_and_field() {
    let mut file = good();
    file["commands"][0]["fields"] = json!({
        "sequence": "$.seq|positve",
        "mentions": "$.at|id",
        "usr_id": "$.u|id",
    });
    file["commands"][0]["id"] = json!(["$.awardID", "body"]);
    file["kinds"][0]["subject"] = json!(["user/{usr_id}"]);
    let found = problems(&file);
    let row = "more.json: row openim callbackAfterAwardBadgeCommand";
    assert_eq!(found.len(), 5, "{found:#?}");
    assert_eq!(
        found[0],
        "more.json: kind badge.awarded: field \"subject\": expected a field that the kind lists, \
         found \"usr_id\", did you mean \"user_id\"?"
    );
    assert!(found[1].starts_with(&format!("{row}: field \"sequence\": expected one of the coer")));
    assert!(found[1].ends_with("found \"positve\", did you mean \"positive\"?"), "{}", found[1]);
    assert_eq!(
        found[2],
        format!(
            "{row}: field \"mentions\": expected a list of texts (ids, strs, enums:T, id|list), \
             found \"$.at|id\", which gives a text"
        )
    );
    assert_eq!(
        found[3],
        format!(
            "{row}: field \"usr_id\": expected a word of the vocabulary, found \"usr_id\", did \
             you mean \"user_id\"?"
        )
    );
    assert_eq!(
        found[4],
        format!(
            "{row}: field \"id\": expected \"index?\" behind \"body\", so that no two events \
             share an id"
        )
    );
}

/// Sets one value in the good file, and expects one sentence with these parts.
fn mistake(pointer: &str, value: Value, parts: [&str; 2]) {
    let mut file = good();
    let (outer, key) = pointer.rsplit_once('/').unwrap();
    file.pointer_mut(outer).unwrap()[key] = value;
    let found = problems(&file);
    assert_eq!(found.len(), 1, "{pointer}: {found:#?}");
    for part in parts {
        assert!(found[0].contains(part), "{pointer}: {part:?} is not in {}", found[0]);
    }
}

#[test]
fn each_mistake_in_a_row_names_its_field_and_what_was_expected() {
    let row = "row openim callbackAfterAwardBadgeCommand";
    let field = |name: &str| format!("{row}: field {name:?}: expected");
    for (key, value, expected) in [
        ("phase", json!("afer"), "before or after, found \"afer\", did you mean \"after\"?"),
        ("kind", json!("badge.awardet"), "a kind, found \"badge.awardet\", did you mean"),
        ("kind", json!("group.create"), "a kind of phase after"),
        ("use", json!(["acme", "acne"]), "a field set, found \"acne\", did you mean \"acme\"?"),
        ("like", json!("callbackX"), "a row of the same provider"),
        ("like", json!("callbackAfterAwardBadgeCommand"), "a row that is not like this one"),
        ("aliases", json!(["callbackAfterQuitGroupCommand"]), "a name of its own"),
        ("time", json!(["$.t|int"]), "ms or s_to_ms at the end"),
        ("each", json!("$.a[*]"), "the path of one list"),
        ("redact", json!(["secret"]), "a top-level member of the body ($.name)"),
        ("reply", json!({}), "nothing: only before-rows are answered"),
        ("id", json!("$.a"), "a list, found \"$.a\""),
        ("raw", json!("string"), "an object"),
    ] {
        mistake(&format!("/commands/0/{key}"), value, [&field(key), expected]);
    }
    mistake("/commands/0/filds", json!({}), [row, "found \"filds\", did you mean \"fields\"?"]);
    for (raw, name, expected) in [
        (json!({"a": "strng"}), "raw.a", "did you mean \"string\"?"),
        (json!({"a": 5}), "raw.a", "one of the types string, int,"),
        (json!({"a[0]": "string"}), "raw.a[0]", "a member that conditions can name"),
        (json!({"a..b": "int"}), "raw.a..b", "a member that conditions can name"),
        (json!({"a-b": "int"}), "raw.a-b", "a member that conditions can name"),
        (json!({"secret": "string"}), "raw.secret", "a member that is not redacted"),
        (json!({"token.x": "string"}), "raw.token.x", "a member that is not redacted"),
    ] {
        mistake("/commands/0/raw", raw, [&field(name), expected]);
    }
}

#[test]
fn members_that_rules_may_read_are_sorted_typed_and_taken_over_by_rows_that_are_alike() {
    let mut file = good();
    file["commands"][0]["raw"] = json!({
        "b.n": "int64", "a": "array<string>", "b.Flag": "boolean", "b.c": "bool", "_x": "string",
        "i": "int", "j": "int32", "k": "integer",
    });
    let mut alike = file["commands"][0].clone();
    alike["command"] = json!("callbackAwardBadgeCommand");
    alike["like"] = json!("callbackAfterAwardBadgeCommand");
    alike.as_object_mut().unwrap().remove("raw");
    file["commands"].as_array_mut().unwrap().push(alike);
    let catalogue = Catalogue::with_extra("more.json", &file.to_string()).unwrap();
    let expected = [
        ("_x", RawType::Text),
        ("a", RawType::Texts),
        ("b.Flag", RawType::Bool),
        ("b.c", RawType::Bool),
        ("b.n", RawType::Int),
        ("i", RawType::Int),
        ("j", RawType::Int),
        ("k", RawType::Int),
    ];
    for row in [162, 163].map(RowIndex) {
        let plan = catalogue.plan(row);
        let found = plan.raw.iter().map(|(name, found)| (&**name, *found));
        assert_eq!(found.collect::<Vec<_>>(), expected, "{}", plan.command);
        assert_eq!(plan.raw_type("b.n"), Some(RawType::Int));
        assert_eq!(plan.raw_type("b"), None);
    }
}

/// All of these were taken, and the row then gave nothing but unknown records, or read a member that
/// nobody sends.
#[test]
fn what_can_never_hold_or_never_be_there_is_a_mistake() {
    let row = "row openim callbackAfterAwardBadgeCommand: field";
    let when = |is: Value| json!({"when": {"at": "$.a", "is": is}, "take": "$.b|id"});
    for (key, value, field, expected) in [
        ("fields", json!({"badge": "$.b?|id"}), "badge", "? nowhere but at the very end"),
        ("fields", json!({"badge": "$.a?.b|id"}), "badge", "found \"a?\" in \"$.a?.b\""),
        ("id", json!(["$.a?|id"]), "id", "? nowhere but at the very end of a part of an id list"),
        ("id", json!([["$.a?", "$.b"]]), "id", "? nowhere but at the very end"),
        ("fields", json!({"badge": when(json!([]))}), "badge.when.is", "at least one text"),
    ] {
        let field = format!("{row} {field:?}: expected");
        mistake(&format!("/commands/0/{key}"), value, [&field, expected]);
    }
    for (cases, field, expected) in [
        (json!([]), "kinds_by", "at least one case, found []"),
        (
            json!([{"at": "$.a", "is": [], "kind": "badge.awarded"}]),
            "kinds_by.is",
            "at least one text, found []",
        ),
    ] {
        let mut file = good();
        file["commands"][0].as_object_mut().unwrap().remove("kind");
        file["commands"][0]["kinds_by"] = cases;
        assert_eq!(problems(&file), [format!("more.json: {row} {field:?}: expected {expected}")]);
    }
    let mut file = good();
    file["commands"][0]["id"] = json!(["$.a|id?", ["$.b", "$.c"], "index?"]);
    assert!(Catalogue::with_extra("more.json", &file.to_string()).is_ok());
}

/// The last of two equal keys counted, in silence.
#[test]
fn a_key_that_stands_twice_in_an_object_is_a_mistake() {
    let told = |text: &str| -> Vec<String> {
        let problems = Catalogue::with_extra("more.json", text);
        problems.expect_err("a mistake").iter().map(ToString::to_string).collect()
    };
    let expected = "expected one value, found the key twice";
    assert_eq!(
        told(r#"{"enums": {}, "kinds": [], "enums": {}}"#),
        [format!("more.json: field \"enums\": {expected}")]
    );
    assert_eq!(
        told(r#"{"enums": {"a": {"values": {"1": "x", "2": "y", "1": "z"}, "other": null}}}"#),
        [format!("more.json: enum a: field \"values.1\": {expected}")]
    );
    assert_eq!(
        told(r#"{"enums": {"a": {"values": {"1": "x"}}, "a": {"values": {"1": "y"}}}}"#),
        [format!("more.json: field \"enums.a\": {expected}")]
    );
    let row = r#"{"commands": [{"provider": "openim", "command": "callbackAfterQuitGroupCommand",
        "phase": "after", "kind": "group.member.left", "phase": "after",
        "fields": {"group_id": "$.g|id", "group_id": "$.h|id", "member_ids": "$.u|id|list"}}]}"#;
    let row_of = "more.json: row openim callbackAfterQuitGroupCommand: field";
    assert_eq!(
        told(row),
        [
            format!("{row_of} \"phase\": {expected}"),
            format!("{row_of} \"fields.group_id\": {expected}"),
        ]
    );
}

#[test]
fn an_after_row_must_have_what_its_kind_requires() {
    let mut file = good();
    file["commands"][0]["use"] = json!([]);
    let told = |field: &str| {
        format!(
            "more.json: row openim callbackAfterAwardBadgeCommand: field \"{field}\": expected a \
             locator, as the kind \"badge.awarded\" requires this field, found nothing"
        )
    };
    assert_eq!(problems(&file), [told("user_id"), told("badge")]);
}

#[test]
fn each_mistake_beside_rows_names_its_entry() {
    for (pointer, value, parts) in [
        (
            "/kinds/0/topic",
            json!("im.Badge Awarded"),
            ["kind badge.awarded: field \"topic\"", "im.badge.awarded"],
        ),
        (
            "/kinds/0/fields/0/field",
            json!("bagde"),
            ["field \"bagde\": expected a word", "\"badge\"?"],
        ),
        (
            "/vocabulary/0/type",
            json!("text"),
            ["word badge: field \"type\"", "one of string, integer"],
        ),
        (
            "/enums/acme_badge/values/1",
            json!(5),
            ["enum acme_badge: field \"values.1\"", "a word or null, found 5"],
        ),
        (
            "/field_sets/acme/badge",
            json!("$.b"),
            ["field set acme: field \"badge\"", "a coercion at the end"],
        ),
        (
            "/providers",
            json!({}),
            ["more.json: expected one of the keys commands", "\"providers\""],
        ),
        (
            "/kinds/0/partition_key",
            json!(["user:{user_id"]),
            ["field \"partition_key\"", "{pair:field,field}"],
        ),
    ] {
        let mut file = good();
        let (outer, key) = pointer.rsplit_once('/').unwrap();
        file.pointer_mut(outer).unwrap()[key] = value;
        let found = problems(&file);
        assert!(
            found.iter().any(|told| parts.iter().all(|part| told.contains(part))),
            "{found:#?}"
        );
    }
}

#[test]
fn a_kind_must_make_a_legal_topic() {
    for name in
        ["Badge.awarded", "badge_awarded", "badge..awarded", "badge awarded", ".", "decisions"]
    {
        let mut file = good();
        file["kinds"][0]["kind"] = json!(name);
        file["kinds"][0]["topic"] = json!(format!("im.{name}"));
        file["commands"][0]["kind"] = json!(name);
        let found = problems(&file);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].starts_with(&format!("more.json: kind {name}: field \"kind\": expected")));
    }
    let long = "a".repeat(247);
    let mut file = good();
    file["kinds"][0]["kind"] = json!(long);
    file["kinds"][0]["topic"] = json!(format!("im.{long}"));
    file["commands"][0]["kind"] = json!(long);
    assert!(problems(&file)[0].ends_with("a topic of at most 249 bytes, found 250 bytes"));
}

#[test]
fn a_before_row_needs_an_answer_with_sane_codes() {
    let base = json!({"commands": [{
        "provider": "openim",
        "command": "callbackBeforeNew",
        "phase": "before",
        "kind": "group.create",
        "reply": {"no_answer": "deny", "deny": {"style": "openim", "codes": [5000, 9999], "default": 5001}},
    }]});
    assert!(Catalogue::with_extra("more.json", &base.to_string()).is_ok());
    for (pointer, value, expected) in [
        (
            "/deny/style",
            json!("tencent"),
            "field \"reply.deny.style\": expected one of the styles openim, openim_legacy",
        ),
        (
            "/deny/codes",
            json!([9999, 5000]),
            "field \"reply.deny.codes\": expected two codes in order within 5000..9999",
        ),
        ("/deny/codes", json!([200, 300]), "field \"reply.deny.codes\": expected two codes"),
        (
            "/deny/default",
            json!(7),
            "field \"reply.deny.default\": expected a code of 5000..9999, found 7",
        ),
        ("/no_answer", json!("maybe"), "field \"reply.no_answer\": expected allow or deny"),
        ("/drop", json!(2), "field \"reply.drop\": expected"),
        ("/modify", json!({"nam": "groupName"}), "field \"reply.modify.nam\": expected a word"),
        ("/modify", json!({"name": {"to": "a", "as": "enum:x"}}), "the name of an enum table"),
        ("/modify", json!({"text": {"to": "a", "as": "content"}}), "expected a row with `content`"),
    ] {
        let mut file = base.clone();
        let (outer, key) = pointer.rsplit_once('/').unwrap();
        file.pointer_mut(&format!("/commands/0/reply{outer}")).unwrap()[key] = value;
        let found = problems(&file);
        assert!(found.iter().any(|told| told.contains(expected)), "{pointer}: {found:#?}");
    }
    let mut file = base;
    file["commands"][0].as_object_mut().unwrap().remove("reply");
    assert!(problems(&file)[0].contains("field \"reply\": expected an object"));
}

#[test]
fn the_message_of_a_row_stands_in_its_body() {
    let mut file = json!({"commands": [{
        "provider": "openim",
        "command": "callbackBeforeNew",
        "phase": "before",
        "kind": "message.modify",
        "content": {"model": "openim", "type": "$.contentType", "body": "$.content"},
        "reply": {"no_answer": "deny", "deny": {"style": "openim", "codes": [5000, 9999], "default": 5001}},
    }]});
    assert!(Catalogue::with_extra("more.json", &file.to_string()).is_ok());
    file["commands"][0]["content"]["type"] = json!("query:contentType");
    let expected = "field \"content.type\": expected a path ($.name), found";
    assert!(problems(&file)[0].contains(expected), "{:?}", problems(&file));
}

#[test]
fn a_name_that_stands_twice_is_a_mistake() {
    let mut file = good();
    let row = file["commands"][0].clone();
    file["commands"].as_array_mut().unwrap().push(row);
    assert_eq!(
        problems(&file),
        ["more.json: row openim callbackAfterAwardBadgeCommand: expected one entry of that name, \
          found two"]
    );
}

#[test]
fn json_that_is_broken_or_no_object_is_told_with_its_place() {
    let told = |text: &str| Catalogue::with_extra("more.json", text).unwrap_err()[0].to_string();
    assert_eq!(
        told("{\"commands\": [\n}"),
        "more.json: expected JSON: expected value at line 2 column 1"
    );
    assert_eq!(told("[]"), "more.json: expected an object, found []");
    assert_eq!(told(r#"{"commands": [5]}"#), "more.json: commands[0]: expected an object, found 5");
}
