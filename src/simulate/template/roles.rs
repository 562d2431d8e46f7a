//! What the members of a body stand for, judged by their names and their form.
//!
//! In: a member's name and value. Out: a role, or the hole it becomes. Always holds: a member that
//! is not recognised stays as it stands in the sample.

use serde_json::Value;

use super::Piece;

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Role {
    User,
    Group,
    Composed,
    Fresh,
    Text,
    Nickname,
    Operation,
    Other,
}

/// What a text member stands for, judged by its name. Both providers are regular enough for that.
pub(super) fn role(key: &str) -> Role {
    let key = key.to_ascii_lowercase();
    match key.as_str() {
        "sendid"
        | "recvid"
        | "receiveid"
        | "ownerid"
        | "applyid"
        | "membersid"
        | "atuserlist"
        | "subscribeaccountlist" => Role::User,
        "groupid" | "togroupid" | "chatgroupid" | "topicid" | "topicidlist" | "roomid"
        | "fromroomid" | "toroomidlist" => Role::Group,
        "conversationid" | "msgkey" => Role::Composed,
        "servermsgid" | "clientmsgid" | "msgid" | "pushid" | "callid" | "battleid" | "taskid"
        | "ctxcbrequestid" => Role::Fresh,
        "content" | "text" => Role::Text,
        "nickname" | "sendernickname" => Role::Nickname,
        "operationid" => Role::Operation,
        _ if key.ends_with("_account") => Role::User,
        _ if ["userid", "userids", "useridlist"].iter().any(|end| key.ends_with(end)) => Role::User,
        _ => Role::Other,
    }
}

/// Names with a meaning of their own stay.
pub(super) fn is_person(text: &str) -> bool {
    !matches!(text, "" | "AtAllTag" | "imAdmin" | "admin" | "administrator" | "@all")
        && !text.starts_with('@')
}

/// What a number stands for, if it is one that differs from callback to callback. A sequence comes
/// with its own value, for the caller to rank.
pub(super) fn number_piece(key: &str, text: &str) -> Option<Piece> {
    if !text.bytes().all(|b| b.is_ascii_digit()) || text.starts_with('0') {
        return None;
    }
    let number: i64 = text.parse().ok()?;
    let key = key.to_ascii_lowercase();
    let is_time = (key.contains("time") || key == "seq") && text.starts_with('1');
    match (key.as_str(), text.len()) {
        (_, 13) if is_time => Some(Piece::Milliseconds(later(number))),
        (_, 10) if is_time => Some(Piece::Seconds(later(number * 1000) / 1000)),
        ("sdkappid", _) => Some(Piece::App),
        ("seq" | "msgseq", _) => Some(Piece::Sequence(number.unsigned_abs())),
        ("random" | "msgrandom", _) => Some(Piece::Random32),
        _ => None,
    }
}

/// How long after the event of its sample a time lies, so that starts stay before ends. Times far
/// from that moment, as in published examples, become the moment itself.
fn later(time_ms: i64) -> i64 {
    /// The moment around which the samples play.
    const SAMPLED_AT_MS: i64 = 1_735_689_600_000;
    const DAY_MS: i64 = 86_400_000;
    let later = time_ms - SAMPLED_AT_MS;
    if later.abs() < DAY_MS { later } else { 0 }
}

/// A text that is itself a JSON document, as message contents are.
pub(super) fn json_inside(text: &str) -> Option<Value> {
    if !text.starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str(text).ok()
}
