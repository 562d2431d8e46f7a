//! Answers as `OpenIM` decodes them.
//!
//! In: codes and texts. Out: JSON. What always holds: all five members, integers as integers. An
//! allow has errCode 0, because 3.0 to 3.4 take every other one for a deny; a deny has nextCode 1,
//! and actionCode 0, which 3.7 and later insist on. Names of 2.x get actionCode 1 instead: there
//! that is what denies.

use crate::json::push_text;

/// Lets the action pass.
pub const ALLOW: &[u8] = br#"{"actionCode":0,"errCode":0,"errMsg":"","errDlt":"","nextCode":0}"#;

/// Makes the action fail; `message` and `detail` reach the user.
#[must_use]
pub fn deny(legacy: bool, code: i64, message: &str, detail: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(ALLOW.len() + 24 + message.len() + detail.len());
    let head: &[u8] = if legacy { br#"{"actionCode":1"# } else { br#"{"actionCode":0"# };
    out.extend_from_slice(head);
    out.extend_from_slice(br#","errCode":"#);
    out.extend_from_slice(code.to_string().as_bytes());
    out.extend_from_slice(br#","errMsg":"#);
    push_text(message, &mut out);
    out.extend_from_slice(br#","errDlt":"#);
    push_text(detail, &mut out);
    out.extend_from_slice(br#","nextCode":1}"#);
    out
}

/// A rewritten message body: a JSON document in a text.
pub(in crate::dialect) fn content(body: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + body.len() / 8 + 2);
    push_text(body, &mut out);
    out
}
