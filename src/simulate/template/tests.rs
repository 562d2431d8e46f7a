//! Bodies vary where they should and nowhere else.

use serde_json::json;

use super::*;

fn render(provider: Provider, body: &Value, seed: u64) -> Value {
    let text = text(provider, body, seed);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn text(provider: Provider, body: &Value, seed: u64) -> String {
    let mut rng = fastrand::Rng::with_seed(seed);
    let draw = &mut Draw {
        rng: &mut rng,
        now_ms: 1_801_234_567_890,
        index: 41,
        operation_id: "op-of-this-call",
        app_id: 1_400_000_777,
    };
    Template::compile(provider, body).render(draw)
}

#[test]
fn times_and_sequences_are_fresh_and_keep_their_form() {
    let body = json!({"sendTime": 1_735_689_600_000_u64, "MsgTime": 1_735_689_600,
        "EventTime": "1735689600000", "StartTime": 1_735_689_300, "CreateTime": 1_600_000_000,
        "seq": 18, "MuteTime": 0, "Timeout": 60, "Random": 9,
        "SdkAppId": 1_400_000_001, "operationID": "op-1"});
    let out = render(Provider::Tencent, &body, 1);
    assert_eq!(out["sendTime"], json!(1_801_234_567_890_u64));
    assert_eq!(out["MsgTime"], json!(1_801_234_567));
    assert_eq!(out["EventTime"], json!("1801234567890"));
    assert_eq!(out["StartTime"], json!(1_801_234_267));
    assert_eq!(out["CreateTime"], json!(1_801_234_567));
    assert_eq!(out["seq"], json!(336));
    assert_eq!((&out["MuteTime"], &out["Timeout"]), (&json!(0), &json!(60)));
    assert!(out["Random"].is_u64() && out["Random"] != json!(9), "{out}");
    assert_eq!(out["SdkAppId"], json!(1_400_000_777));
    assert_eq!(out["operationID"], json!("op-of-this-call"));
}

#[test]
fn presence_seq_is_a_time_and_zero_stays_zero() {
    let out = render(Provider::OpenIm, &json!({"seq": 1_735_689_599_000_u64}), 1);
    assert_eq!(out, json!({"seq": 1_801_234_566_890_u64}));
    assert_eq!(text(Provider::OpenIm, &json!({"seq": 0, "x": 1.50}), 1), r#"{"seq":0,"x":1.5}"#);
}

#[test]
fn one_person_is_one_person_everywhere_in_a_body() {
    let body = json!({"sendID": "u1", "recvID": "u2", "conversationID": "si_u1_u2",
        "membersID": ["u2", "u1", ""], "atUserList": ["AtAllTag"],
        "content": "{\"quoteMessage\":{\"sendID\":\"u2\"}}"});
    for seed in 0..50 {
        let out = render(Provider::OpenIm, &body, seed);
        let (a, b) = (out["sendID"].as_str().unwrap(), out["recvID"].as_str().unwrap());
        assert!(a < b && a != "u1", "{out}");
        assert_eq!(out["conversationID"], json!(format!("si_{a}_{b}")));
        assert_eq!(out["membersID"], json!([b, a, ""]));
        assert_eq!(out["atUserList"], json!(["AtAllTag"]));
        assert_eq!(out["content"], json!(format!("{{\"quoteMessage\":{{\"sendID\":\"{b}\"}}}}")));
    }
}

#[test]
fn ids_made_of_others_follow_them() {
    let body = json!({"MsgSeq": 5, "MsgRandom": 4_000_000_007_u64, "MsgTime": 1_735_689_599,
        "MsgKey": "5_4000000007_1735689599", "GroupId": "@TGS#_c1",
        "TopicId": "@TGS#_c1@TOPIC#_t1"});
    let out = render(Provider::Tencent, &body, 3);
    let key = format!("{}_{}_{}", out["MsgSeq"], out["MsgRandom"], out["MsgTime"]);
    assert_eq!(out["MsgKey"], json!(key));
    let (group, topic) = (out["GroupId"].as_str().unwrap(), out["TopicId"].as_str().unwrap());
    assert!(group.starts_with("@TGS#_") && group != "@TGS#_c1", "{out}");
    assert!(topic.starts_with(&format!("{group}@TOPIC#_")), "{out}");
}

#[test]
fn sequences_of_one_body_stay_apart_and_in_order() {
    let list = json!([{"MsgSeq": 1187}, {"MsgSeq": 1186}, {"MsgSeq": 1187}]);
    let out = render(Provider::Tencent, &list, 1);
    assert_eq!(out, json!([{"MsgSeq": 337}, {"MsgSeq": 336}, {"MsgSeq": 337}]));
}

#[test]
fn a_named_id_keeps_its_word() {
    let out = render(Provider::Tencent, &json!({"CallId": "call-310", "RoomId": "room-1"}), 1);
    let (call, room) = (out["CallId"].as_str().unwrap(), out["RoomId"].as_str().unwrap());
    assert!(call.starts_with("call-") && call.len() == 13, "{call}");
    assert!(room.starts_with("room-") && room.len() == 15, "{room}");
}

#[test]
fn message_ids_keep_their_alphabet_and_repeat_only_in_their_own_body() {
    let id = "d2a8c1f0b7e34a5f9c6d1e2f3a4b5c6d";
    let body = json!({"serverMsgID": id, "inner": {"serverMsgID": id}, "clientMsgID": "c9"});
    let (one, two) = (render(Provider::OpenIm, &body, 1), render(Provider::OpenIm, &body, 2));
    assert_eq!(one["serverMsgID"], one["inner"]["serverMsgID"]);
    assert_ne!(one["serverMsgID"], two["serverMsgID"]);
    let fresh = one["serverMsgID"].as_str().unwrap();
    assert!(fresh.len() == 32 && fresh.bytes().all(|b| b.is_ascii_hexdigit()), "{fresh}");
}

#[test]
fn what_is_said_survives_two_layers_of_json() {
    let inner = json!({"content": "hello"}).to_string();
    let body = json!({"content": inner});
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..400 {
        let out = render(Provider::OpenIm, &body, seed);
        let inner: Value = serde_json::from_str(out["content"].as_str().unwrap()).unwrap();
        seen.insert(inner["content"].as_str().unwrap().to_owned());
    }
    let all: std::collections::BTreeSet<String> =
        words::SENTENCES.iter().map(ToString::to_string).collect();
    assert_eq!(seen, all);
}

#[test]
fn openim_escapes_markup_as_go_does_and_tencent_does_not() {
    let body = json!({"groupName": "<Tea & \"Cake\">", "link": "a&b"});
    assert_eq!(
        text(Provider::OpenIm, &body, 1),
        r#"{"groupName":"\u003cTea \u0026 \"Cake\"\u003e","link":"a\u0026b"}"#
    );
    assert_eq!(
        text(Provider::Tencent, &body, 1),
        r#"{"groupName":"<Tea & \"Cake\">","link":"a&b"}"#
    );
    let nested = json!({"ex": "{\"a\":\"<\"}"});
    assert_eq!(text(Provider::OpenIm, &nested, 1), r#"{"ex":"{\"a\":\"\\u003c\"}"}"#);
}

#[test]
fn empty_and_odd_values_stay() {
    let body = json!({"sendID": "", "groupID": "", "content": "", "nickname": "", "a": null,
        "b": [], "c": {}, "d": true, "User_Account": 144_115_212_910_570_790_u64,
        "big": 12_345_678_901_234_567_890_u64, "groupType": "\u{2}"});
    assert_eq!(render(Provider::OpenIm, &body, 9), body);
}
