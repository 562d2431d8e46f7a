//! `imbridge rules explain`: each rule, the record and the answer, for both providers.

use super::{Desk, GOOD, STAFF, good, openim_body, parsed, tencent_request, version};
use crate::cli::USAGE;
use serde_json::{Value, json};

#[test]
fn explain_tells_a_program_every_rule_the_record_and_the_answer() {
    let desk = good();
    desk.write("body.json", &openim_body("u9", "来赌博").to_string());
    let ran = desk.rules(&[
        "explain",
        "@rules.yaml",
        "--body",
        "@body.json",
        "--at",
        "2025-01-01T23:30:00+08:00",
        "--json",
    ]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let expected = json!({
        "intents": [{
            "target": {"provider": "openim", "command": "callbackBeforeSendGroupMsgCommand",
                "kind": "message.group.send"},
            "rules": [
                {"id": "staff-first", "mode": "enforce", "when": false, "matched": false, "late": false},
                {"id": "flood", "mode": "enforce", "when": true, "limit": "under", "matched": false,
                    "late": false},
                {"id": "night-mode", "mode": "shadow", "when": true, "matched": true, "late": false},
            ],
            "decision": {
                "kind": "message.group.send", "verdict": "deny", "enforced": false,
                "rule_id": "night-mode", "deny_code": 5001, "deny_message": "The group sleeps",
                "matches": [{"rule_id": "night-mode", "mode": "shadow", "action": "deny"}],
                "rules_version": version(&[GOOD, STAFF]),
            },
        }],
        "reply": {"actionCode": 0, "errCode": 0, "errMsg": "", "errDlt": "", "nextCode": 0},
    });
    assert_eq!(parsed(&ran.out), expected);
    let ran = desk.rules(&[
        "explain",
        "@rules.yaml",
        "--body",
        "@body.json",
        "--at",
        "2025-01-01T12:00:00Z",
        "--json",
    ]);
    assert_eq!(parsed(&ran.out)["intents"][0]["rules"][2]["when"], json!(false));
}

#[test]
fn explain_takes_a_whole_request_and_shows_a_rewritten_body() {
    let desk = good();
    desk.write("request.json", &tencent_request("s1", "来赌博").to_string());
    let ran = desk.rules(&["explain", "@rules.yaml", "--body", "@request.json", "--json"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let told = parsed(&ran.out);
    let rules = told["intents"][0]["rules"].as_array().unwrap();
    let ids: Vec<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["staff-first", "flood", "night-mode", "mask-banned"]);
    assert_eq!(rules[1].get("when"), None, "it is decided before it");
    assert_eq!(told["intents"][0]["decision"]["rule_id"], json!("staff-first"));
    assert_eq!(told["reply"], json!({"ActionStatus": "OK", "ErrorInfo": "", "ErrorCode": 0}));
    desk.write("request.json", &tencent_request("u9", "来赌博").to_string());
    let ran = desk.rules(&["explain", "@rules.yaml", "--body", "@request.json", "--json"]);
    let told = parsed(&ran.out);
    assert_eq!(told["intents"][0]["decision"]["changes"], json!({"text": "来**"}));
    let body = json!([{"MsgType": "TIMTextElem", "MsgContent": {"Text": "来**"}}]);
    assert_eq!(told["reply"]["MsgBody"], body);
}

#[test]
fn explain_tells_people_each_operand_with_its_value() {
    let desk = good();
    desk.write("body.json", &openim_body("s1", "hi").to_string());
    let ran = desk.rules(&[
        "explain",
        "@rules.yaml",
        "--body",
        "@body.json",
        "--at",
        "2025-01-01T23:30:00+08:00",
    ]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines[0], "intent    openim callbackBeforeSendGroupMsgCommand message.group.send");
    let after = |rule: &str| {
        let at = lines.iter().position(|line| line.contains(&format!(" {rule} ")));
        &lines[at.unwrap_or_else(|| panic!("no {rule} in\n{}", ran.out))..]
    };
    assert!(after("staff-first")[0].ends_with("enforce  when true, matches"), "{}", ran.out);
    assert!(after("staff-first")[1].contains("vars.is_staff"), "{}", ran.out);
    assert!(after("staff-first")[1].ends_with("true"), "{}", ran.out);
    assert!(after("flood")[0].ends_with("enforce  skipped: it is decided"), "{}", ran.out);
    assert!(after("night-mode")[0].ends_with("shadow   when true, matches, late"), "{}", ran.out);
    let group = after("night-mode").iter().find(|line| line.ends_with("  \"g1\""));
    assert!(group.is_some_and(|line| line.contains(" msg.group_id ")), "{}", ran.out);
    assert!(lines.contains(&"decision  allow by rule staff-first"), "{}", ran.out);
    assert_eq!(
        lines.last(),
        Some(&r#"answer    {"actionCode":0,"errCode":0,"errMsg":"","errDlt":"","nextCode":0}"#)
    );
    assert!(!ran.out.contains('\u{1b}'), "a pipe gets no colours");
}

#[test]
fn explain_decides_each_element_of_a_friend_request() {
    let rules = r#"version: 1
rules:
  - { id: closed, on: [friend.request.create], when: msg.recipient_id == "u3", then: { deny: { code: [38001, 5005] } } }
"#;
    let body = json!({
        "CallbackCommand": "Sns.CallbackPrevFriendAdd", "Requester_Account": "u1",
        "From_Account": "u1", "FriendItem": [{"To_Account": "u2"}, {"To_Account": "u3"}],
    });
    let desk = Desk::new(&[("rules.yaml", rules), ("body.json", &body.to_string())]);
    let ran = desk.rules(&["explain", "@rules.yaml", "--body", "@body.json", "--json"]);
    let told = parsed(&ran.out);
    let verdicts: Vec<&Value> =
        told["intents"].as_array().unwrap().iter().map(|one| &one["decision"]["verdict"]).collect();
    assert_eq!(verdicts, [&json!("allow"), &json!("deny")]);
    let items = json!([
        {"To_Account": "u2", "ResultCode": 0, "ResultInfo": ""},
        {"To_Account": "u3", "ResultCode": 38001, "ResultInfo": "Not allowed"},
    ]);
    assert_eq!(told["reply"]["ResultItem"], items);
}

#[test]
fn explain_says_why_nobody_is_asked() {
    let desk = good();
    let silent = |body: &str, arguments: &[&str], why: &str| {
        desk.write("body.json", body);
        let all = [&["explain", "@rules.yaml", "--body", "@body.json"], arguments].concat();
        let ran = desk.rules(&all);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{body}");
        assert!(ran.out.starts_with(why), "{}", ran.out);
        let ran = desk.rules(&[&all[..], &["--json"]].concat());
        let told = parsed(&ran.out);
        assert_eq!(told["intents"], json!([]));
        assert!(told["reply"].is_object(), "{told}");
    };
    let after = r#"{"callbackCommand":"callbackAfterSendGroupMsgCommand","sendID":"u"}"#;
    silent(after, &[], "callbackAfterSendGroupMsgCommand reports what happened: no rule is run\n");
    let new = r#"{"callbackCommand":"callbackBeforeNewsCommand"}"#;
    silent(
        new,
        &[],
        "the catalogue has no command \"callbackBeforeNewsCommand\": no rule is run\n",
    );
    silent("no json", &["--provider", "tencent"], "the body is no JSON object: no rule is run\n");
    silent("{}", &["--provider", "openim"], "the request names no command: no rule is run");
    let nobody = r#"{"CallbackCommand":"Sns.CallbackPrevFriendAdd","FriendItem":[]}"#;
    silent(nobody, &[], "Sns.CallbackPrevFriendAdd asks about nobody");
}

#[test]
fn explain_asks_for_what_it_cannot_tell() {
    let desk = good();
    desk.write("body.json", "{}");
    let body = ["explain", "@rules.yaml", "--body", "@body.json"];
    let ran = desk.rules(&body);
    assert_eq!((ran.code, ran.out.as_str()), (Some(USAGE), ""));
    let expected =
        "imbridge: who sent this cannot be told from it: add --provider openim or tencent\n";
    assert_eq!(ran.err, expected);
    for (arguments, word) in [
        (["--provider", "whatsapp"], "expected openim or tencent"),
        (["--at", "yesterday"], "expected a time of RFC 3339"),
        (["--command", "callbackBeforeSendGroupMsg"], "--provider"),
    ] {
        let ran = desk.rules(&[&body[..], &arguments].concat());
        assert_eq!((ran.code, ran.out.as_str()), (Some(USAGE), ""), "{arguments:?}");
        assert!(ran.err.contains(word), "{}", ran.err);
    }
    let named = [&body[..], &["--command", "callbackBeforeSendGroupMsgCommand", "--json"]].concat();
    let target = &parsed(&desk.rules(&named).out)["intents"][0]["target"];
    assert_eq!(target["provider"], json!("openim"));
}
