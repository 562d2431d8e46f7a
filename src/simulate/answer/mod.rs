//! Reads an answer as the server that sent the callback would read it.
//!
//! In: status and body as they arrived. Out: an outcome, with the reason where it is a bad one.
//! Always holds: what OpenIM's Go decoder or Tencent's parser would turn down is never counted as
//! accepted. Where a rule of the servers is unknown, the stricter reading counts.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::{Outcome, Phase};

/// What an answer meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// How the callback ended.
    pub outcome: Outcome,
    /// Why, for everything but `Accepted` and `Denied`.
    pub reason: Option<String>,
}

impl Reading {
    fn good(denied: bool) -> Self {
        let outcome = if denied { Outcome::Denied } else { Outcome::Accepted };
        Self { outcome, reason: None }
    }

    pub(super) fn bad(outcome: Outcome, reason: impl Into<String>) -> Self {
        Self { outcome, reason: Some(reason.into()) }
    }
}

/// Reads the answer to an OpenIM callback (3.7 and newer: actionCode 0 with nextCode 1 denies).
///
/// The server never looks at the status. Here a status of 400 and more counts as `Refused`, since
/// an operator wants to know that the event was not taken.
#[must_use]
pub fn openim(phase: Phase, status: u16, body: &[u8]) -> Reading {
    // Go turns invalid UTF-8 into U+FFFD instead of failing.
    let text = String::from_utf8_lossy(body);
    let members = match serde_json::from_str::<Option<Members>>(&text) {
        Ok(members) => members.unwrap_or_default().0,
        Err(e) => return Reading::bad(Outcome::Rejected, format!("answer does not parse: {e}")),
    };
    if let Some(problem) = members.iter().find_map(|(key, value)| misfit(key, value)) {
        return Reading::bad(Outcome::Rejected, problem);
    }
    if status >= 400 {
        return Reading::bad(Outcome::Refused, format!("status {status}"));
    }
    // A later member of the same name wins, but null leaves what was there.
    let code = |name: &str| {
        let mut codes = members.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        codes.rfind(|(_, value)| !value.is_null()).and_then(|(_, value)| value.as_i64())
    };
    let denies = code("actionCode").unwrap_or(0) == 0 && code("nextCode") == Some(1);
    Reading::good(phase == Phase::Before && denies)
}

/// Members of an object in their order, repeated names included: Go decodes each of them.
#[derive(Default)]
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object or null")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// The Go types of the answer structs, by member name in lower case. A name has one type in all
/// commands that know it; unlisted names are unknown to the server and ignored.
fn go_type(lower: &str) -> Option<GoType> {
    Some(match lower {
        "actioncode" | "errcode" | "nextcode" | "senderplatformid" | "sessiontype" | "msgfrom"
        | "contenttype" | "status" | "grouptype" | "needverification" | "lookmemberinfo"
        | "applymemberfriend" | "rolelevel" | "recvmsgopt" | "burnduration" | "groupattype" => {
            GoType::Int32
        }
        "errmsg" | "errdlt" | "content" | "recvid" | "groupid" | "clientmsgid" | "servermsgid"
        | "sendernickname" | "senderfaceurl" | "attachedinfo" | "ex" | "nickname" | "faceurl"
        | "remark" | "groupname" | "notification" | "introduction" | "owneruserid"
        | "creatoruserid" => GoType::Text,
        "ispinned" | "isprivatechat" => GoType::Bool,
        "atuseridlist" | "useridlist" | "frienduserids" | "refusedmembersaccount" => GoType::Texts,
        "users" | "membercallbacklist" => GoType::Objects,
        "options" | "offlinepushinfo" => GoType::Object,
        _ => return None,
    })
}

#[derive(Clone, Copy)]
enum GoType {
    Int32,
    Text,
    Bool,
    Texts,
    Objects,
    Object,
}

/// Says what is wrong with a member, if Go could not decode it.
fn misfit(key: &str, value: &Value) -> Option<String> {
    let go_type = go_type(&key.to_ascii_lowercase())?;
    let (fits, wanted) = match go_type {
        GoType::Int32 => (value.is_null() || is_int32(value), "a plain integer within int32"),
        GoType::Text => (value.is_null() || value.is_string(), "a string"),
        GoType::Bool => (value.is_null() || value.is_boolean(), "true or false"),
        GoType::Texts => (list_of(value, |v| v.is_null() || v.is_string()), "a list of strings"),
        // Null items decode, and then the server panics on them.
        GoType::Objects => (list_of(value, Value::is_object), "a list of objects"),
        GoType::Object => (value.is_null() || value.is_object(), "an object"),
    };
    (!fits).then(|| format!("{key} is {}, wanted {wanted}", shorten(&value.to_string(), 60)))
}

fn list_of(value: &Value, item: impl Fn(&Value) -> bool) -> bool {
    value.is_null() || value.as_array().is_some_and(|items| items.iter().all(item))
}

/// Numbers keep their text here, so that `0.0` and `1e0` are told from `0` and `1`.
fn is_int32(value: &Value) -> bool {
    value.is_number() && value.to_string().parse::<i32>().is_ok()
}

/// Reads the answer to a Tencent callback.
///
/// Any status but 200 is a failed callback. Codes outside the ranges that a command documents are
/// `Rejected`: nobody has written down what they do.
#[must_use]
pub fn tencent(phase: Phase, command: &str, status: u16, body: &[u8]) -> Reading {
    if status != 200 {
        return Reading::bad(Outcome::Refused, format!("status {status}, Tencent wants 200"));
    }
    let value = match serde_json::from_slice::<Value>(body) {
        Ok(value) => value,
        Err(e) => return Reading::bad(Outcome::Rejected, format!("answer does not parse: {e}")),
    };
    let rejected = |reason: String| Reading::bad(Outcome::Rejected, reason);
    let Some(answer) = value.as_object() else {
        return rejected("answer is no object".to_owned());
    };
    if answer.get("ActionStatus").and_then(Value::as_str) != Some("OK") {
        return rejected("ActionStatus is not OK".to_owned());
    }
    if !answer.get("ErrorInfo").is_some_and(Value::is_string) {
        return rejected("ErrorInfo is no string".to_owned());
    }
    let Some(code) = answer.get("ErrorCode").filter(|v| v.is_i64() || v.is_u64()) else {
        return rejected("ErrorCode is no integer".to_owned());
    };
    let code = code.as_i64().unwrap_or(i64::MAX);
    if phase == Phase::After {
        return match code {
            0 => Reading::good(false),
            _ => rejected(format!("ErrorCode {code} to an after-callback")),
        };
    }
    if command.starts_with("Sns.CallbackPrev") {
        return friends(code, answer.get("ResultItem"));
    }
    if code == 0 || denies(command, code) {
        return Reading::good(code != 0);
    }
    rejected(format!("ErrorCode {code} is outside the range of {command}"))
}

/// Friend commands answer per friend; a code at the top is a failure that lets all pass.
fn friends(code: i64, items: Option<&Value>) -> Reading {
    if code != 0 {
        return Reading::bad(Outcome::Rejected, format!("ErrorCode {code}, must be per friend"));
    }
    let code_of = |item: &Value| {
        item.get("To_Account").filter(|v| v.is_string() || v.is_number())?;
        item.get("ResultInfo").filter(|v| v.is_string())?;
        item.get("ResultCode").and_then(Value::as_i64)
    };
    let codes: Option<Vec<i64>> =
        items.and_then(Value::as_array).and_then(|items| items.iter().map(code_of).collect());
    match codes {
        Some(codes) if !codes.is_empty() => {
            match codes.iter().find(|c| **c != 0 && !(38_000..=39_000).contains(*c)) {
                None => Reading::good(codes.iter().any(|c| *c != 0)),
                Some(c) => {
                    Reading::bad(Outcome::Rejected, format!("ResultCode {c} is outside the range"))
                }
            }
        }
        _ => Reading::bad(
            Outcome::Rejected,
            "ResultItem is no list of To_Account, ResultCode, ResultInfo",
        ),
    }
}

/// Whether `code` is one of the documented ways to say no to this command.
fn denies(command: &str, code: i64) -> bool {
    let drops = code == 2 && command.ends_with(".CallbackBeforeSendMsg");
    match command {
        // "Any other" code blocks a gift.
        "Live.CallbackBeforeSendGift" => true,
        "OfficialAccount.CallbackBeforeAddSubscriber" => code == 1,
        _ if command.starts_with("Group.") => {
            drops || code == 1 || (10_100..=10_200).contains(&code)
        }
        _ => drops || code == 1 || (120_001..=130_000).contains(&code),
    }
}

/// Cuts a text for a message, at a character.
pub(super) fn shorten(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
