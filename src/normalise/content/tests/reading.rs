//! Every row of the tables, then every rule of the contract's "Message content".

use super::*;
use serde_json::json;

/// Types, text and addresses of one table row, nothing incomplete.
fn assert_reads(seen: &Seen, kind: &str, text: Option<&str>, urls: &[&str], case: &str) {
    let whole = Seen {
        kind: kind.to_owned(),
        kinds: vec![kind.to_owned()],
        text: text.map(str::to_owned),
        incomplete: false,
        urls: urls.iter().map(|&url| url.to_owned()).collect(),
    };
    assert_eq!(*seen, whole, "{case}");
}

/// Code, content, and what it gives: type, text (empty: none), addresses.
type Row = (&'static str, Tree, &'static str, &'static str, Vec<&'static str>);

fn openim_rows() -> Vec<Row> {
    let links = json!({"text": "see", "messageEntityList": [{"url": "u1"}, {"url": 2}]});
    vec![
        ("101", json!({"content": "hi", "x": "no"}), "text", "hi", vec![]),
        ("103", json!({"sourceUrl": "u", "uuid": "no"}), "audio", "", vec!["u"]),
        ("104", json!({"videoUrl": "u1", "snapshotUrl": "u2"}), "video", "", vec!["u1", "u2"]),
        ("105", json!({"fileName": "f", "sourceUrl": "u"}), "file", "f", vec!["u"]),
        (
            "108",
            json!({"nickname": "n", "faceURL": "no", "ex": "{\"k\":[\"e\",1]}"}),
            "card",
            "n\ne",
            vec![],
        ),
        ("109", json!({"description": "d", "longitude": 1.5}), "location", "d", vec![]),
        (
            "110",
            json!({"extension": 1.50, "data": "{\"a\":\"b\"}", "description": " d "}),
            "custom",
            "b\n d \n1.5",
            vec![],
        ),
        ("111", json!({"text": "no"}), "revoke", "", vec![]),
        ("113", json!({"msgTips": "no"}), "typing", "", vec![]),
        ("115", json!({"index": 1, "data": "face"}), "face", "face", vec![]),
        ("117", links, "rich_text", "see", vec!["u1"]),
        ("118", json!({"content": "# m"}), "markdown", "# m", vec![]),
        ("119", json!({"a": ["x", {"b": "{\"c\":\"y\"}"}], "n": 1}), "custom", "x\ny", vec![]),
        ("120", json!({"a": "x"}), "custom", "x", vec![]),
        ("121", json!({"a": "no"}), "reaction", "", vec![]),
        ("122", json!({"a": "no"}), "reaction", "", vec![]),
        ("202", json!({"a": "no"}), "signal", "", vec![]),
        ("203", json!({"a": "no"}), "notification", "", vec![]),
        ("1501", json!({"detail": "no"}), "notification", "", vec![]),
        ("999", json!({"a": {"b": "x"}, "c": "[]", "d": 5, "e": "5"}), "unknown", "x\n5", vec![]),
    ]
}

fn openim_rows_with_parts() -> Vec<Row> {
    let picture = json!({"sourcePicture": {"url": "u1"}, "bigPicture": {"url": "u2"},
        "snapshotPicture": {"url": "u3"}, "faceURL": "no"});
    let quoted = json!({"contentType": 102, "pictureElem": picture, "content": "not read"});
    let merged = json!({"title": "t", "abstractList": ["a", 1, null, "b"],
        "messageEntityList": [{"url": "u0"}, {}, {"url": ""}],
        "multiMessage": [quoted, {"contentType": 101, "content": "{\"content\":\"c\"}"}, 5]});
    let official = json!({"notificationName": "n", "text": "t", "url": "u1", "externalUrl": "u2",
        "notificationFaceURL": "no", "pictureElem": picture, "detail": "[\"d\"]",
        "soundElem": {"sourceUrl": "u4"}, "videoElem": {"videoUrl": "u5", "snapshotUrl": "u6"},
        "fileElem": {"fileName": "f", "sourceUrl": "u7"}});
    vec![
        ("102", picture.clone(), "image", "", vec!["u1", "u2", "u3"]),
        (
            "106",
            json!({"text": "@a", "quoteMessage": quoted, "atUserList": ["no"]}),
            "mention",
            "@a",
            vec!["u1", "u2", "u3"],
        ),
        ("107", merged, "merged", "t\na\n1\nb\nc", vec!["u0", "u1", "u2", "u3"]),
        ("114", json!({"quoteMessage": quoted, "text": "q"}), "quote", "q", vec!["u1", "u2", "u3"]),
        (
            "1400",
            official,
            "notification",
            "n\nt\nf\nd",
            vec!["u1", "u2", "u3", "u4", "u5", "u6", "u7"],
        ),
    ]
}

#[test]
fn every_openim_type_gives_its_texts_and_addresses() {
    let table: Vec<_> = openim_rows().into_iter().chain(openim_rows_with_parts()).collect();
    let mut codes: Vec<_> = table.iter().map(|(code, ..)| *code).collect();
    for (code, content, kind, text, urls) in &table {
        let text = Some(*text).filter(|text| !text.is_empty());
        let content = content.to_string();
        assert_reads(&openim(code, &content), kind, text, urls, code);
        if let Some(name) = OPENIM.elements.get(*code) {
            let message = json!({"contentType": code.parse::<u64>().unwrap(), &*name.text:
                serde_json::from_str::<Tree>(&content).unwrap()});
            let quote = json!({ "quoteMessage": message }).to_string();
            assert_reads(&openim("114", &quote), "quote", text, urls, &quote);
        }
    }
    codes.sort_unstable();
    let mut rows: Vec<&str> = OPENIM.types.keys().map(|code| &**code).collect();
    rows.extend(["1501", "999"]);
    rows.sort_unstable();
    assert_eq!(codes, rows, "a row is not in the table above");
}

#[test]
fn every_tencent_type_gives_its_texts_and_addresses() {
    let inner = json!([{"MsgType": "TIMTextElem", "MsgContent": {"Text": "i"}}, 7,
        {"MsgType": "TIMSoundElem", "MsgContent": {"Url": "u"}}, {"MsgType": "TIMTextElem"}]);
    let table = [
        ("TIMTextElem", json!({"Text": "hi"}), "text", "hi", vec![]),
        ("TIMLocationElem", json!({"Desc": "d", "Latitude": 1}), "location", "d", vec![]),
        ("TIMFaceElem", json!({"Index": 1, "Data": "f"}), "face", "f", vec![]),
        (
            "TIMCustomElem",
            json!({"Ext": "e", "Data": "{\"a\":\"b\"}", "Desc": 1, "Sound": "no"}),
            "custom",
            "b\n1\ne",
            vec![],
        ),
        ("TIMSoundElem", json!({"Url": "u", "UUID": "no"}), "audio", "", vec!["u"]),
        (
            "TIMImageElem",
            json!({"ImageInfoArray": [{"URL": "u1"}, {"URL": "u2"}, {"URL": "u1"}]}),
            "image",
            "",
            vec!["u1", "u2"],
        ),
        ("TIMFileElem", json!({"FileName": "f", "Url": "u"}), "file", "f", vec!["u"]),
        (
            "TIMVideoFileElem",
            json!({"ThumbUrl": "u2", "VideoUrl": "u1"}),
            "video",
            "",
            vec!["u1", "u2"],
        ),
        (
            "TIMRelayElem",
            json!({"MsgList": [{"MsgBody": inner}, {"MsgBody": {}}, {}, 1],
            "AbstractList": ["a", 2], "CompatibleText": "c", "Title": "t", "JsonMsgKey": ""}),
            "merged",
            "t\nc\na\n2\ni",
            vec!["u"],
        ),
        ("TIMNewElem", json!({"A": ["x", {"B": "[\"y\"]"}], "C": 1}), "unknown", "x\ny", vec![]),
    ];
    for (name, content, kind, text, urls) in &table {
        let text = Some(*text).filter(|text| !text.is_empty());
        let body = json!([{"MsgType": name, "MsgContent": content}]).to_string();
        assert_reads(&tencent(&body).unwrap(), kind, text, urls, name);
    }
    assert_eq!(table.len(), TENCENT.types.len() + 1, "a row is not in the table above");
}

#[test]
fn codes_outside_the_table_are_known_by_range_or_not_at_all() {
    let kind = |code: Option<&str>| openim_value(code, "\"{\\\"a\\\":\\\"x\\\"}\"");
    for (code, word, text) in [
        (Some("1000"), "notification", None),
        (Some("5000"), "notification", None),
        (Some("0005000"), "notification", None),
        (Some("999"), "unknown", Some("x")),
        (Some("5001"), "unknown", Some("x")),
        (Some("+1500"), "unknown", Some("x")),
        (Some("1500 "), "unknown", Some("x")),
        (Some("99999999999999999999999"), "unknown", Some("x")),
        (Some("TIMTextElem"), "unknown", Some("x")),
        (None, "unknown", Some("x")),
    ] {
        assert_reads(&kind(code), word, text, &[], &format!("{code:?}"));
    }
    let plain = openim("1500", "plain");
    assert_eq!(plain.text, None, "of a code in a range nothing is read, no plain text either");
}

#[test]
fn openim_content_that_is_no_object_is_itself_the_text() {
    for (content, text) in [
        ("", None),
        ("plain", Some("plain")),
        (" {broken ", Some(" {broken ")),
        ("\"a\\u0062\"", Some("ab")),
        ("\"\"", None),
        ("[\"x\"]", Some("[\"x\"]")),
        ("5", Some("5")),
        ("null", Some("null")),
        ("{}", None),
        (" {\"content\" : \"x\"} ", Some("x")),
        ("{\"content\":{\"a\":\"x\"}}", None),
        ("{\"content\":1.50}", Some("1.50")),
        ("{\"content\":true}", None),
        ("{\"content\":\"a\",\"content\":\"b\"}", Some("b")),
    ] {
        assert_reads(&openim("101", content), "text", text, &[], content);
    }
    for value in ["5", "null", "{\"content\":\"x\"}", "[]", "true"] {
        assert_reads(&openim_value(Some("101"), value), "text", None, &[], value);
    }
    let arena = Bump::new();
    assert_reads(&Seen::of(read_openim(&OPENIM, Some("101"), None, &arena)), "text", None, &[], "");
}

#[test]
fn tencent_bodies_list_their_types_and_odd_elements_are_skipped() {
    for body in ["null", "{}", "\"x\"", "5", "{\"MsgType\":\"TIMTextElem\"}"] {
        assert_eq!(tencent(body), None, "{body}");
    }
    let arena = Bump::new();
    assert_eq!(read_tencent(&TENCENT, None, &arena), None);
    let kinds = |body: &str| {
        let seen = tencent(body).unwrap();
        (seen.kind.clone(), seen.kinds.join(" "), seen.text().to_owned())
    };
    let is = |kind: &str, kinds: &str, text: &str| (kind.into(), kinds.into(), text.into());
    assert_eq!(kinds("[]"), is("mixed", "", "(none)"));
    assert_eq!(kinds("[1,null,\"x\",[]]"), is("mixed", "", "(none)"));
    assert_eq!(kinds("[{}]"), is("unknown", "unknown", "(none)"));
    assert_eq!(
        kinds(r#"[{"MsgType":5,"MsgContent":"a"},{"MsgType":"timtextelem","MsgContent":["b"]}]"#),
        is("unknown", "unknown", "a\nb")
    );
    let text = r#"{"MsgType":"TIMTextElem","MsgContent":{"Text":"a"}}"#;
    let face = r#"{"MsgType":"TIMFaceElem","MsgContent":{"Data":"b"}}"#;
    let merge = format!(
        r#"{{"MsgType":"TIMRelayElem","MsgContent":{{"MsgList":[{{"MsgBody":[{face}]}}]}}}}"#
    );
    assert_eq!(kinds(&format!("[{text},7,{text}]")), is("text", "text", "a\na"));
    assert_eq!(kinds(&format!("[{text},{face},{text}]")), is("mixed", "text face", "a\nb\na"));
    assert_eq!(kinds(&format!("[{merge}]")), is("merged", "merged", "b"), "nested types are none");
}

#[test]
fn depth_eight_is_read_and_depth_nine_makes_the_text_incomplete() {
    let said = |depth: usize| (0..=depth).map(|n| n.to_string()).collect::<Vec<_>>().join("\n");
    for (depth, text, incomplete) in [(8, said(8), false), (9, said(8), true), (30, said(8), true)]
    {
        let seen = openim("114", &quotes(depth));
        assert_eq!((seen.text(), seen.incomplete), (&*text, incomplete), "quotes {depth}");
        // Three levels of JSON for one message: the reader's own limit is not met.
        if depth < 15 {
            let seen = tencent(&merges(depth)).unwrap();
            assert_eq!((seen.text(), seen.incomplete), (&*text, incomplete), "merges {depth}");
        }
    }
    let wrong = quotes(9).replace("\"text\":\"9\"", "\"text\":\"y\"");
    let no_object = wrong
        .replace(r#"{"contentType":114,"quoteElem":{"text":"y"}}"#, "\"a text is no message\"");
    assert_ne!(wrong, no_object);
    assert!(!openim("114", &no_object).incomplete, "only an object is a message");
}

#[test]
fn nested_messages_are_read_from_their_element_or_else_their_content() {
    let quote = |message: Tree| openim("114", &json!({ "quoteMessage": message }).to_string());
    let content = "{\"content\":\"c\"}";
    for (message, text) in [
        (json!({"contentType": 101, "textElem": {"content": "e"}, "content": content}), "e"),
        (json!({"contentType": "101", "textElem": {"content": "e"}}), "e"),
        (json!({"contentType": 101, "textElem": {}, "content": content}), "(none)"),
        (json!({"contentType": 101, "textElem": null, "content": content}), "c"),
        (json!({"contentType": 101, "pictureElem": {"content": "e"}, "content": content}), "c"),
        (json!({"contentType": 101, "content": "plain"}), "plain"),
        (json!({"contentType": 101, "content": "\"s\""}), "s"),
        (json!({"contentType": 101, "content": {"content": "c"}}), "(none)"),
        (json!({"contentType": 101.0, "textElem": {"content": "e"}, "content": content}), "c"),
        (json!({"textElem": {"content": "e"}, "content": content}), "c"),
        (json!({"contentType": 1400, "notificationElem": {"detail": "{\"text\":\"d\"}"}}), "d"),
        (json!({"contentType": 1400, "content": "{\"text\":\"d\",\"detail\":\"e\"}"}), "d\ne"),
        (
            json!({"contentType": 1500, "notificationElem": {"detail": "{\"text\":\"d\"}"}}),
            "(none)",
        ),
        (json!({"contentType": 1500, "content": "plain"}), "(none)"),
        (json!({"contentType": 111, "content": "plain"}), "plain"),
        (json!([{"contentType": 101, "textElem": {"content": "e"}}]), "(none)"),
    ] {
        assert_eq!(quote(message.clone()).text(), text, "{message}");
    }
}

#[test]
fn a_merge_sent_by_key_makes_the_text_incomplete() {
    for (key, hidden) in
        [("\"k\"", true), ("0", true), ("[]", true), ("\"\"", false), ("null", false)]
    {
        let body = format!(
            r#"[{{"MsgType":"TIMRelayElem","MsgContent":{{"Title":"t","JsonMsgKey":{key}}}}}]"#
        );
        let seen = tencent(&body).unwrap();
        assert_eq!((seen.text(), seen.incomplete), ("t", hidden), "{key}");
    }
}

#[test]
fn text_is_cut_at_the_limit_on_the_border_of_a_character() {
    let of = |texts: &[&str]| {
        let list: Vec<_> = texts
            .iter()
            .map(|text| json!({"MsgType": "TIMTextElem", "MsgContent": {"Text": text}}))
            .collect();
        let seen = tencent(&Tree::from(list).to_string()).unwrap();
        (seen.text.unwrap(), seen.incomplete)
    };
    let a = |count| "a".repeat(count);
    assert_eq!(of(&[&a(65_536)]), (a(65_536), false));
    assert_eq!(of(&[&a(65_537)]), (a(65_536), true));
    assert_eq!(of(&[&a(65_535), "\u{20}"]), (a(65_535), false), "white space is no piece");
    assert_eq!(of(&[&a(65_535), "b"]), (a(65_535) + "\n", true));
    assert_eq!(of(&[&a(65_536), "b", "c"]), (a(65_536), true));
    assert_eq!(of(&[&a(65_534), "b"]), (a(65_534) + "\nb", false));
    assert_eq!(of(&[&(a(65_535) + "\u{e9}")]), (a(65_535), true), "two bytes do not fit");
    assert_eq!(of(&[&(a(65_533) + "\u{1f600}"), "b"]), (a(65_533), true));
    assert_eq!(of(&["b", &a(70_000), "c"]), ("b\n".to_owned() + &a(65_534), true));
}

#[test]
fn control_characters_are_removed_and_pieces_of_white_space_dropped() {
    let text = |piece: &str| openim("101", &json!({ "content": piece }).to_string()).text;
    assert_eq!(text("a\0b").as_deref(), Some("ab"));
    let controls: String = ('\0'..=' ').chain(['\u{7f}', '\u{80}', '\u{9f}', '\u{fffe}']).collect();
    assert_eq!(
        text(&format!("<{controls}>")).as_deref(),
        Some("<\t\n\r \u{80}\u{9f}\u{fffe}>"),
        "only those of ASCII"
    );
    assert_eq!(text(" a\u{3000}").as_deref(), Some(" a\u{3000}"), "kept untrimmed");
    for white in ["", " ", "\u{0}\u{1f}\u{7f}", "\u{b}\u{c}", "\u{3000}\u{85}\u{2028}\u{a0}\t"] {
        assert_eq!(text(white), None, "{white:?}");
    }
    assert_eq!(text("\u{200b}").as_deref(), Some("\u{200b}"), "invisible, but no white space");
    assert_eq!(openim("101", "a\u{7}b").text(), "ab", "of plain content too");
}

#[test]
fn json_in_loose_texts_is_opened_once() {
    let text = |data: Tree| openim("110", &json!({ "data": data }).to_string()).text;
    for (data, piece) in [
        (json!("{\"a\":[\"x\",{\"b\":\"y\"}],\"n\":5,\"t\":true}"), Some("x\ny")),
        (json!(" [\"x\"]\n"), Some("x")),
        (json!("{}"), None),
        (json!("[1,2]"), None),
        (json!("[1,2"), Some("[1,2")),
        (json!("\"x\""), Some("\"x\"")),
        (json!("5"), Some("5")),
        (json!(5), Some("5")),
        (json!(true), None),
        (json!(["x"]), None),
        (json!({"a": "x"}), None),
        (json!("[\"[\\\"x\\\"]\"]"), Some("[\"x\"]")),
        (json!("\u{a0}[1]"), Some("\u{a0}[1]")),
    ] {
        assert_eq!(text(data.clone()).as_deref(), piece, "{data}");
    }
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    assert_eq!(text(json!(deep)), Some(deep), "too deep for the reader is a text");
}

#[test]
fn addresses_are_kept_once_and_a_hundred_at_most() {
    let urls = |list: Vec<String>| {
        let list: Vec<_> = list.into_iter().map(|url| json!({ "URL": url })).collect();
        let content = json!({ "ImageInfoArray": list });
        let body = json!([{"MsgType": "TIMImageElem", "MsgContent": content}]).to_string();
        let seen = tencent(&body).unwrap();
        assert_eq!((seen.text, seen.incomplete), (None, false));
        seen.urls
    };
    let numbered = |to: usize| (0..to).map(|n| format!("u{}", n / 2)).collect::<Vec<_>>();
    assert_eq!(urls(numbered(400)), (0..100).map(|n| format!("u{n}")).collect::<Vec<_>>());
    assert_eq!(urls(vec!["b".into(), String::new(), "a".into(), "b".into()]), ["b", "a"]);
    assert_eq!(urls(vec![" \u{1}".into()]), [" \u{1}"], "unchanged");
}

#[test]
fn a_single_piece_is_borrowed_from_the_body() {
    let arena = Bump::new();
    let borrowed =
        |whole: &str, part: &str| whole.as_bytes().as_ptr_range().contains(&part.as_ptr());
    let content = "{\"content\":\"hi there\"}";
    let seen = super::super::openim_text(&OPENIM, Some("101"), content, &arena);
    assert!(borrowed(content, seen.text.unwrap()));
    let spaced = "{ \"content\":\"hi there\"}";
    let seen = super::super::openim_text(&OPENIM, Some("101"), spaced, &arena);
    assert!(borrowed(spaced, seen.text.unwrap()));
    let body = r#"[{"MsgType":"TIMTextElem","MsgContent":{"Text":"hi"}}]"#;
    let json = Json::read(body, &arena).unwrap();
    let seen = read_tencent(&TENCENT, Some(json.root()), &arena).unwrap();
    assert!(borrowed(body, seen.text.unwrap()));
}
