//! The tables of what each server's parser takes and turns down.

use super::*;

fn outcome(body: &str) -> Outcome {
    openim(Phase::Before, 200, body.as_bytes()).outcome
}

#[test]
fn openim_takes_what_its_go_decoder_takes() {
    let bodies = [
        "{}",
        "null",
        "{}\n",
        "  {\"unknown\":[1.5,\"x\"]}  ",
        r#"{"actionCode":null,"errCode":null,"errMsg":null,"nextCode":null,"users":null}"#,
        r#"{"ACTIONCODE":0,"NextCode":0}"#,
        r#"{"nextCode":1,"nextCode":0}"#,
        r#"{"actionCode":-2147483648,"errCode":2147483647}"#,
        r#"{"groupID":"g","groupName":null,"needVerification":1,"ex":""}"#,
        r#"{"users":[{"userID":"u"}],"userIDList":["a",null],"isPinned":true,"options":{}}"#,
        r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#,
        // More than zero, but continue means continue.
        r#"{"actionCode":1,"nextCode":1}"#,
    ];
    for body in bodies {
        assert_eq!(outcome(body), Outcome::Accepted, "{body}");
    }
}

#[test]
fn openim_turns_down_what_its_go_decoder_turns_down() {
    let bodies = [
        "",
        "OK",
        "<html></html>",
        "[]",
        "\"\"",
        "0",
        "true",
        r#"{"nextCode":""}"#,
        r#"{"nextCode":"0"}"#,
        r#"{"actionCode":0.0}"#,
        r#"{"errCode":1e0}"#,
        r#"{"nextCode":true}"#,
        r#"{"errCode":2147483648}"#,
        r#"{"NEXTCODE":"1"}"#,
        r#"{"nextCode":"1","nextCode":0}"#,
        "\u{feff}{}",
        "{} {}",
        "{}x",
        r#"{"ex":{"value":"x"}}"#,
        r#"{"needVerification":"1"}"#,
        r#"{"needVerification":1.0}"#,
        r#"{"users":{}}"#,
        r#"{"users":"u"}"#,
        r#"{"users":[null]}"#,
        r#"{"userIDList":[1]}"#,
        r#"{"errMsg":5}"#,
    ];
    for body in bodies {
        assert_eq!(outcome(body), Outcome::Rejected, "{body}");
    }
}

#[test]
fn openim_denies_with_next_code_one_and_action_code_zero_only() {
    let deny = r#"{"actionCode":0,"errCode":5001,"errMsg":"no","errDlt":"","nextCode":1}"#;
    assert_eq!(outcome(deny), Outcome::Denied);
    assert_eq!(outcome(r#"{"nextCode":1}"#), Outcome::Denied);
    assert_eq!(outcome(r#"{"NEXTcode":1,"nextCode":null}"#), Outcome::Denied);
    assert_eq!(outcome(r#"{"nextCode":2}"#), Outcome::Accepted);
    // An after-callback has nothing to deny.
    assert_eq!(openim(Phase::After, 200, deny.as_bytes()).outcome, Outcome::Accepted);
}

#[test]
fn a_status_that_says_no_is_told_from_an_answer_that_does_not_parse() {
    let refused = Reading::bad(Outcome::Refused, "status 503");
    assert_eq!(openim(Phase::After, 503, b"{}"), refused);
    assert_eq!(openim(Phase::After, 503, b"").outcome, Outcome::Rejected);
    let ok = br#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#;
    assert_eq!(tencent(Phase::Before, "C2C.X", 503, ok).outcome, Outcome::Refused);
}

#[test]
fn a_reason_names_the_member_and_its_value() {
    let reading = openim(Phase::Before, 200, br#"{"nextCode":"1"}"#);
    assert_eq!(
        reading.reason.as_deref(),
        Some("nextCode is \"1\", wanted a plain integer within int32")
    );
}

fn tencent_code(command: &str, code: &str) -> Outcome {
    let body = format!(r#"{{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":{code}}}"#);
    tencent(Phase::Before, command, 200, body.as_bytes()).outcome
}

#[test]
fn tencent_knows_the_codes_of_each_command() {
    use Outcome::{Accepted, Denied, Rejected};
    let rows = [
        ("C2C.CallbackBeforeSendMsg", "0", Accepted),
        ("C2C.CallbackBeforeSendMsg", "1", Denied),
        ("C2C.CallbackBeforeSendMsg", "2", Denied),
        ("C2C.CallbackBeforeSendMsg", "120001", Denied),
        ("C2C.CallbackBeforeSendMsg", "130001", Rejected),
        ("C2C.CallbackBeforeSendMsg", "10100", Rejected),
        ("Group.CallbackBeforeSendMsg", "10100", Denied),
        ("Group.CallbackBeforeSendMsg", "120001", Rejected),
        ("Group.CallbackBeforeCreateGroup", "2", Rejected),
        ("Group.CallbackBeforeCreateGroup", "10200", Denied),
        ("OfficialAccount.CallbackBeforeSendMsg", "130000", Denied),
        ("OfficialAccount.CallbackBeforeAddSubscriber", "1", Denied),
        ("OfficialAccount.CallbackBeforeAddSubscriber", "120001", Rejected),
        ("Live.CallbackBeforeSendGift", "7", Denied),
        ("C2C.CallbackBeforeSendMsg", "\"0\"", Rejected),
        ("C2C.CallbackBeforeSendMsg", "0.0", Rejected),
        ("C2C.CallbackBeforeSendMsg", "null", Rejected),
    ];
    for (command, code, wanted) in rows {
        assert_eq!(tencent_code(command, code), wanted, "{command} {code}");
    }
}

#[test]
fn tencent_wants_its_three_members() {
    let bodies = [
        "",
        "{}",
        "null",
        "[]",
        r#"{"ActionStatus":"OK","ErrorCode":0}"#,
        r#"{"ActionStatus":"OK","ErrorInfo":null,"ErrorCode":0}"#,
        r#"{"ActionStatus":"FAIL","ErrorInfo":"","ErrorCode":0}"#,
        r#"{"actionCode":0,"nextCode":0}"#,
    ];
    for body in bodies {
        let reading = tencent(Phase::After, "State.StateChange", 200, body.as_bytes());
        assert_eq!(reading.outcome, Outcome::Rejected, "{body}");
    }
}

#[test]
fn tencent_friend_commands_are_answered_friend_by_friend() {
    let read = |code: &str, items: &str| {
        let head = r#""ActionStatus":"OK","ErrorInfo":"""#;
        let body = format!(r#"{{{head},"ErrorCode":{code}{items}}}"#);
        tencent(Phase::Before, "Sns.CallbackPrevFriendAdd", 200, body.as_bytes()).outcome
    };
    let items = |code: u32| {
        format!(
            r#","ResultItem":[{{"To_Account":"a","ResultCode":0,"ResultInfo":""}},{{"To_Account":"b","ResultCode":{code},"ResultInfo":""}}]"#
        )
    };
    assert_eq!(read("0", &items(0)), Outcome::Accepted);
    assert_eq!(read("0", &items(38_000)), Outcome::Denied);
    assert_eq!(read("0", &items(1)), Outcome::Rejected);
    assert_eq!(read("1", &items(0)), Outcome::Rejected);
    assert_eq!(read("0", ""), Outcome::Rejected);
    assert_eq!(read("0", r#","ResultItem":[]"#), Outcome::Rejected);
    assert_eq!(read("0", r#","ResultItem":[{"To_Account":"a"}]"#), Outcome::Rejected);
}
