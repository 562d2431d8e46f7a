//! What an edit changes, by hand; `x` is the word that is masked.

use super::super::{Unwritable, rewrite_openim, rewrite_tencent, text_after};
use super::*;

fn mask(piece: &str) -> Option<String> {
    piece.contains('x').then(|| piece.replace('x', "*"))
}

fn write_openim(code: &str, content: &str) -> Result<Option<String>, Unwritable> {
    let arena = Bump::new();
    rewrite_openim(&OPENIM, Some(code), arena.alloc_str(content), &mut mask, &arena)
}

fn write_tencent(body: &str) -> Option<String> {
    let arena = Bump::new();
    let json = Json::read(arena.alloc_str(body), &arena).unwrap();
    rewrite_tencent(&TENCENT, json.root(), &mut mask, &arena)
}

#[test]
fn only_the_changed_texts_differ_from_what_was_received() {
    for (code, content, written) in [
        ("101", r#"{"content":"buy x"}"#, r#"{"content":"buy *"}"#),
        (
            "101",
            " { \"n\" : 1.50, \"x\":\"x\",\"content\" :\"\\u003cx\\/\" , \"big\":12345678901234567890}\n",
            " { \"n\" : 1.50, \"x\":\"x\",\"content\" :\"<*/\" , \"big\":12345678901234567890}\n",
        ),
        ("101", r#"{"content":"a\u0078b"}"#, r#"{"content":"a*b"}"#),
        ("101", r#"{"content":"a\u0001x\"\n"}"#, r#"{"content":"a\u0001*\"\n"}"#),
        (
            "107",
            r#"{"abstractList":["x","\u0061",1],"title":"\/"}"#,
            r#"{"abstractList":["*","\u0061",1],"title":"\/"}"#,
        ),
        ("101", r#"{"content":"x","content":"ax","m":1}"#, r#"{"content":"a*","m":1}"#),
        ("119", r#"{"x":["x",{"b":"y"}],"c":"x"}"#, r#"{"x":["*",{"b":"y"}],"c":"*"}"#),
    ] {
        assert_eq!(write_openim(code, content), Ok(Some(written.to_owned())), "{content}");
    }
    for same in [r#"{"content":"a\u0001b","z":"x"}"#, "{\"content\":\"\"}", "", "plain", "5", "{}"]
    {
        assert_eq!(write_openim("101", same), Ok(None), "{same}");
    }
    assert_eq!(write_openim("1500", r#"{"detail":"x"}"#), Ok(None), "nothing of a range is read");
}

#[test]
fn json_in_loose_texts_is_written_back_as_compact_json() {
    let content =
        r#"{"data":" { \"n\" : 1.50 ,\"x\":[ \"\\u003cx\" , 1e3 ]} ","extension":"{ \"k\" : 1 }"}"#;
    let written = r#"{"data":"{\"n\":1.50,\"x\":[\"<*\",1e3]}","extension":"{ \"k\" : 1 }"}"#;
    assert_eq!(write_openim("110", content), Ok(Some(written.to_owned())));
    let once = r#"{"data":"[\"[\\\"x\\\"]\"]"}"#;
    assert_eq!(
        write_openim("110", once),
        Ok(Some(once.replace('x', "*"))),
        "what is inside of the text inside is a text"
    );
}

#[test]
fn messages_in_messages_are_written_in_their_element_and_in_their_content() {
    for (message, written) in [
        (
            r#"{"contentType":101,"textElem":{"content":"x"},"content":"{\"content\":\"x\"}"}"#,
            Some(
                r#"{"contentType":101,"textElem":{"content":"*"},"content":"{\"content\":\"x\"}"}"#,
            ),
        ),
        (
            r#"{"contentType":101,"content":"{ \"content\":\"x\"}"}"#,
            Some(r#"{"contentType":101,"content":"{\"content\":\"*\"}"}"#),
        ),
        (
            r#"{"contentType":1400,"notificationElem":{"detail":"{\"text\":\"x\"}"},"x":"x"}"#,
            Some(
                r#"{"contentType":1400,"notificationElem":{"detail":"{\"text\":\"*\"}"},"x":"x"}"#,
            ),
        ),
        (
            r#"{"contentType":110,"content":"{\"data\":\"[\\\"x\\\"]\"}"}"#,
            Some(r#"{"contentType":110,"content":"{\"data\":\"[\\\"*\\\"]\"}"}"#),
        ),
        (r#"{"contentType":1500,"content":"x"}"#, None),
    ] {
        let quote = |message: &str| format!("{{\"text\":\"q\",\"quoteMessage\":{message}}}");
        assert_eq!(write_openim("114", &quote(message)), Ok(written.map(quote)), "{message}");
    }
}

#[test]
fn what_is_too_deep_to_be_read_is_not_written() {
    let body = quotes(9).replace("\"8\"", "\"x8\"").replace("\"9\"", "\"x9\"");
    assert_eq!(write_openim("114", &body), Ok(Some(body.replace("x8", "*8"))));
    let body = merges(9).replace("\"8\"", "\"x8\"").replace("\"9\"", "\"x9\"");
    assert_eq!(write_tencent(&body), Some(body.replace("x8", "*8")));
}

#[test]
fn content_that_is_no_object_cannot_be_written_and_the_rest_is() {
    let nothing = Err(Unwritable::NotAnObject { rest: None, pieces: vec![0] });
    for content in ["plain x", "\"x\"", "[\"x\"]", "{x"] {
        assert_eq!(write_openim("101", content), nothing, "{content}");
    }
    let quote = r#"{"text":"x","quoteMessage":{"contentType":101,"content":"plain x"}}"#;
    let rest = Some(quote.replacen("\"x\"", "\"*\"", 1));
    let pieces = vec![1];
    assert_eq!(write_openim("114", quote), Err(Unwritable::NotAnObject { rest, pieces }));
}

#[test]
fn tencent_bodies_are_written_in_place() {
    let body = r#"[ {"MsgType":"TIMTextElem","MsgContent":{"Text":"x","N":1.0}}, 7,
        {"MsgType":"TIMCustomElem","MsgContent":{"Data":"{ \"a\":\"x\"}","Sound":"x"}},
        {"MsgType":"TIMNew","MsgContent":"x"},
        {"MsgType":"TIMRelayElem","MsgContent":{"MsgList":[{"MsgBody":
            [{"MsgType":"TIMTextElem","MsgContent":{"Text":"\u0078"}}]}],"Title":"x"}}]"#;
    let written = body
        .replace(r#""Text":"x""#, r#""Text":"*""#)
        .replace(r#""{ \"a\":\"x\"}""#, r#""{\"a\":\"*\"}""#)
        .replace(r#""MsgContent":"x""#, r#""MsgContent":"*""#)
        .replace(r"\u0078", "*")
        .replace(r#""Title":"x""#, r#""Title":"*""#);
    assert_eq!(write_tencent(body), Some(written));
    let whole = format!("{{\"a\":[1 ],\"MsgBody\":{body} }}");
    let arena = Bump::new();
    let json = Json::read(&whole, &arena).unwrap();
    let in_place = json.root().get("MsgBody").unwrap();
    let inner = rewrite_tencent(&TENCENT, in_place, &mut mask, &arena);
    assert_eq!(inner, write_tencent(body), "wherever the body stands");
    for same in ["[]", "{}", "\"x\"", r#"[{"MsgType":"x","MsgContent":{"x":1}}]"#] {
        assert_eq!(write_tencent(same), None, "{same}");
    }
}

#[test]
fn a_number_that_is_edited_becomes_a_text() {
    let arena = Bump::new();
    let mut digits = |piece: &str| Some(piece.replace('7', "*"));
    let content = r#"{"data":178.50,"description":8}"#;
    assert_eq!(
        rewrite_openim(&OPENIM, Some("110"), content, &mut digits, &arena),
        Ok(Some(r#"{"data":"1*8.50","description":8}"#.to_owned()))
    );
}

#[test]
fn an_edit_sees_whole_pieces_in_reading_order_also_behind_the_cut() {
    let long = "a".repeat(70_000);
    let content = format!(
        r#"{{"quoteMessage":{{"contentType":101,"textElem":{{"content":"end\u0000x"}}}},"text":"{long}"}}"#
    );
    let arena = Bump::new();
    let mut shown = Vec::new();
    let mut edit = |piece: &str| {
        shown.push(piece.to_owned());
        mask(piece)
    };
    let written = rewrite_openim(&OPENIM, Some("114"), &content, &mut edit, &arena);
    assert_eq!(shown, [long.clone(), "end\0x".to_owned()]);
    let written = written.unwrap().unwrap();
    assert_eq!(written, content.replace("end\\u0000x", "end\\u0000*"));
    let text = text_after(&OPENIM, Some("114"), &written, &arena);
    assert_eq!(text, Some(&long[..65_536]), "cut as in reading");
}

#[test]
fn the_text_after_is_the_text_field_of_the_written_body() {
    let arena = Bump::new();
    let content = r#"{"text":"x","quoteMessage":{"contentType":101,"textElem":{"content":"bx"}}}"#;
    let written = write_openim("114", content).unwrap().unwrap();
    assert_eq!(text_after(&OPENIM, Some("114"), &written, &arena), Some("*\nb*"));
    let body = r#"[{"MsgType":"TIMTextElem","MsgContent":{"Text":"x"}}]"#;
    let written = write_tencent(body).unwrap();
    assert_eq!(text_after(&TENCENT, None, &written, &arena), Some("*"));
    assert_eq!(text_after(&TENCENT, None, "no JSON", &arena), None);
}

#[test]
fn a_value_that_two_paths_of_a_row_meet_in_is_written_once() {
    let mut twice = model(ContentForm::OpenIm, "openim");
    twice.other.text = [steps("a"), steps("a"), steps("b")].into();
    let arena = Bump::new();
    let content = r#"{"a":"x","b":"[\"x\"]","c":"ax"}"#;
    let written = rewrite_openim(&twice, Some("999"), content, &mut mask, &arena);
    assert_eq!(written, Ok(Some(content.replace('x', "*"))), "the first path's text counts");
}
