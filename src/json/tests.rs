//! The reader against `serde_json`, and the corners that the two do not share.

use super::*;
use proptest::prelude::*;

fn compacted(text: &str) -> Result<String, JsonError> {
    let arena = Bump::new();
    let json = Json::read(text, &arena)?;
    let mut out = Vec::new();
    compact(json.root(), &mut out);
    Ok(String::from_utf8(out).expect("texts in, texts out"))
}

#[test]
fn compact_keeps_order_and_literals_and_only_the_necessary_escapes() {
    let text = "\r\n{ \"b\" : [1.50, 1e3,-0 , 12345678901234567890],\"a\":\"\\u003c\\/\\n\\u001F\\\"\",\"\":{ } }\t";
    let compact = r#"{"b":[1.50,1e3,-0,12345678901234567890],"a":"</\n\u001f\"","":{}}"#;
    assert_eq!(compacted(text).as_deref(), Ok(compact));
}

#[test]
fn of_equal_names_the_last_value_stands_at_the_place_of_the_first() {
    assert_eq!(
        compacted(r#"{"a":1,"b":2,"\u0061":{"c":1,"c":[]}}"#).unwrap(),
        r#"{"a":{"c":[]},"b":2}"#
    );
    let many: Vec<String> = (0..1000).map(|n| format!("\"k{}\":{n}", n % 999)).collect();
    let kept = compacted(&format!("{{{}}}", many.join(","))).unwrap();
    assert!(kept.starts_with(r#"{"k0":999,"k1":1,"#), "{kept}");
}

#[test]
fn unpaired_surrogates_read_as_the_replacement_character() {
    assert_eq!(
        compacted(r#"["\ud83d\ude00","\ud83d","\ude00\ud83d\u0041","\uD83D\\ude00"]"#).unwrap(),
        "[\"\u{1f600}\",\"\u{fffd}\",\"\u{fffd}\u{fffd}A\",\"\u{fffd}\\\\ude00\"]"
    );
}

#[test]
fn a_hundred_levels_are_read_and_the_next_is_refused() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(compacted(&nested(100)).unwrap(), nested(100));
    assert_eq!(compacted(&nested(101)), Err(JsonError::TooDeep));
    assert_eq!(compacted(&"{\"a\":".repeat(10_000)), Err(JsonError::TooDeep));
}

#[test]
fn what_is_no_strict_json_is_refused() {
    for text in [
        "",
        " ",
        "\u{feff}{}",
        "{} {}",
        "{}x",
        "[1,]",
        "{\"a\":1,}",
        "{,}",
        "[,]",
        "{a:1}",
        "// c\n{}",
        "NaN",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "tru",
        "nullx",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"a\nb\"",
        "\"",
        "[1 2]",
        "{\"a\" 1}",
        "{\"a\":}",
        "[}",
        "\0",
        "\"\\u12",
        "[1]]",
        "{\"a\":1]",
    ] {
        assert!(compacted(text).is_err(), "{text:?} was read");
    }
}

#[test]
fn members_and_items_are_found() {
    let arena = Bump::new();
    let json = Json::read(r#"{"a":[1,{"b":"x"}],"long name of a member":null}"#, &arena).unwrap();
    let root = json.root();
    let items: Vec<_> = root.get("a").unwrap().items().collect();
    assert_eq!(items[0].literal(), Some("1"));
    assert_eq!(items[1].get("b").unwrap().text(), Some("x"));
    assert!(root.get("long name of a member").unwrap().is_null());
    assert!(root.get("long name of a Member").is_none() && items[0].get("b").is_none());
    assert_eq!(
        root.members().map(|member| member.name).collect::<Vec<_>>(),
        ["a", "long name of a member"]
    );
}

/// Texts that are JSON or nearly so: numbers, escapes, names that repeat.
fn nearly_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?[0-9]{1,3}(\\.[0-9]{1,2})?([eE][+-]?[0-9])?",
        "\"[ab\\\\nu0-9\u{e9}\u{1f600}]{0,6}\"",
        "\"(a|\\\\u00e9|\\\\ud83d|\\\\ude00|\\\\n){0,4}\"",
        "[\\[\\]{},:\" ]{0,3}",
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(" ,"))),
            proptest::collection::vec(("[ab]{0,2}", inner), 0..4).prop_map(|members| {
                let members: Vec<_> = members
                    .into_iter()
                    .map(|(name, value)| format!("\"{name}\": {value}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn reads_exactly_what_serde_json_reads(text in nearly_json()) {
        let lone = text.contains("\\ud") || text.contains("\\uD");
        let theirs: Result<serde_json::Value, _> = serde_json::from_str(&text);
        match compacted(&text) {
            Ok(ours) if !lone => {
                let again: serde_json::Value = serde_json::from_str(&ours).expect("compact form is JSON");
                prop_assert_eq!(Some(again), theirs.ok());
            }
            Ok(ours) => { serde_json::from_str::<serde_json::Value>(&ours).expect("compact form is JSON"); }
            Err(_) => prop_assert!(theirs.is_err(), "serde_json reads {:?}", text),
        }
    }

    #[test]
    fn any_text_is_read_or_refused_and_reading_the_compact_form_changes_nothing(text in any::<String>()) {
        if let Ok(once) = compacted(&text) {
            prop_assert_eq!(compacted(&once), Ok(once));
        }
    }

    #[test]
    fn a_text_written_is_the_text_read(text in any::<String>()) {
        let mut out = Vec::new();
        push_text(&text, &mut out);
        prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }
}
