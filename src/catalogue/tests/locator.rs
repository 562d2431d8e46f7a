//! The locator language: every source, function and coercion, and what is said about mistakes.

use super::*;
use crate::catalogue::plan::{Lookup, Other, Roots};
use crate::catalogue::render::Renderer;

fn enums() -> Enums {
    let table = EnumTable {
        name: "openim_role".into(),
        words: Lookup::default(),
        codes: Lookup::default(),
        other: Other::Keep,
    };
    Enums::from([("openim_role".to_owned(), Arc::new(table))])
}

/// Reads in surroundings where everything is allowed; gives the text that it stands for.
fn round_trip(text: &str) -> String {
    let enums = enums();
    let mut reader =
        LocatorReader { enums: &enums, roots: Some(Vec::new()), element: true, ids: true };
    let locator = reader.locator(text).unwrap();
    let roots = Roots::new(reader.roots.unwrap());
    Renderer(&roots).locator(&locator)
}

fn error(text: &str) -> String {
    let enums = enums();
    LocatorReader::new(&enums).locator(text).unwrap_err()
}

#[test]
fn every_source_reads_as_what_it_says() {
    for text in [
        "$",
        "$.a",
        "$.a.b",
        "$[0].a",
        "$.a[0].b",
        "$.a[*].b",
        "$.ProfileItem[Tag=Tag_Profile_IM_Nick].Value",
        "$.a[K=].b",
        "@",
        "@.a.b",
        "query:RequestID",
        "header:operationID",
        "const:true",
        "const:",
        "const:a:b c",
        "correlation",
        "received:minute",
        "body",
        "index",
        "direct($.a,@.b)",
        "notification($.a,$.b)",
        "group($.a.b)",
        "topic(query:T)",
        "official_account($.o)",
        "native($.c)",
        "session($.t,$.f,$.to,$.g)",
    ] {
        assert_eq!(round_trip(text), text);
    }
    assert_eq!(round_trip("direct( $.a , $.b )"), "direct($.a,$.b)");
}

#[test]
fn every_coercion_reads_as_what_it_says() {
    for (name, _) in PLAIN {
        let text = format!("$.a|{name}");
        assert_eq!(round_trip(&text), text);
    }
    for text in [
        "$.a|enum:openim_role",
        "$.a|enums:openim_role",
        "$.a|contains:AtAllTag",
        "$.a|null_empty|ids|without:AtAllTag|unique|nonempty",
        "$.a|without:b:c",
    ] {
        assert_eq!(round_trip(text), text);
    }
}

#[test]
fn the_first_member_of_a_body_path_is_a_root_shared_by_its_users() {
    let enums = enums();
    let mut reader = LocatorReader { roots: Some(Vec::new()), ..LocatorReader::new(&enums) };
    let paths = ["$.a.b", "$.c", "$.a[*].d", "$[0].a", "$"]
        .map(|text| reader.body_path(text).expect("a path"));
    let roots = paths.each_ref().map(|path| path.root.map(|root| root.0));
    assert_eq!(roots, [Some(0), Some(1), Some(0), None, None]);
    assert_eq!(paths.each_ref().map(|path| path.steps.len()), [1, 0, 2, 2, 0]);
    assert_eq!(reader.roots.unwrap(), ["a".into(), "c".into()]);
}

#[test]
fn without_roots_a_body_path_keeps_all_its_steps() {
    let enums = enums();
    let path = LocatorReader::new(&enums).body_path("$.a.b").unwrap();
    assert_eq!((path.root, path.steps.len()), (None, 2));
}

#[test]
fn a_misspelt_coercion_or_function_is_answered_with_the_nearest_name() {
    let told = error("$.seq|positve");
    assert!(told.starts_with("expected one of the coercions id, ids, strs,"), "{told}");
    assert!(told.ends_with("found \"positve\", did you mean \"positive\"?"), "{told}");
    assert_eq!(
        error("native_id($.c)"),
        "expected one of the functions direct, notification, group, topic, official_account, \
         native, session, found \"native_id\""
    );
    assert!(error("grup($.g)").ends_with("found \"grup\", did you mean \"group\"?"));
    assert_eq!(
        error("$.r|enum:openim_roles"),
        "expected the name of an enum table, found \"openim_roles\", did you mean \"openim_role\"?"
    );
}

#[test]
fn each_mistake_says_what_was_expected() {
    for (text, part) in [
        ("", "expected a source"),
        ("userID|id", "expected a source"),
        ("querry:A", "did you mean \"query:\"?"),
        ("query:", "expected a name behind query:"),
        ("$.a..b", "expected steps like .name"),
        ("$.a[x]", "found \"[x]\" in \"$.a[x]\""),
        ("$.a[0", "expected steps like"),
        ("$.a[99999999999999999999999]", "expected steps like"),
        ("$a", "expected steps like"),
        ("$.a|", "expected one of the coercions"),
        ("$.a|enum", "expected an argument behind enum:"),
        ("$.a|ids|null_empty", "expected null_empty as the first coercion"),
        ("$.a|id:x", "expected one of the coercions"),
        ("@.a|id", "there is no element here"),
        ("body", "for id lists only"),
        ("received:minute", "for id lists only"),
        ("direct($.a)", "expected 2 arguments of direct, found \"direct($.a)\""),
        ("direct($.a,group($.b))", "expected plain sources as arguments of direct"),
        ("group(x)", "expected a source"),
    ] {
        let told = error(text);
        assert!(told.contains(part), "{text:?}: {told}");
    }
}

#[test]
fn paths_in_elements_have_no_dollar() {
    let path = relative_path("ImageInfoArray[*].URL").unwrap();
    assert_eq!(path.steps.len(), 3);
    assert!(path.root.is_none());
    assert!(relative_path("").is_err());
    assert!(relative_path("a..b").is_err());
}
