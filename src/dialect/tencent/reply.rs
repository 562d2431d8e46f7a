//! Answers as Tencent documents them.
//!
//! In: codes and texts. Out: JSON. What always holds: `ActionStatus`, `ErrorInfo` and `ErrorCode`
//! are there, the code is a number. Friend commands decide per person in `ResultItem`, and a code at
//! the top would be taken for a failure of ours, which lets everybody pass: there it stays 0.

use crate::json::{Node, copy, push_text};

/// Lets the action pass.
pub const ALLOW: &[u8] = br#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#;

/// An answer with a code: a deny shows `message` to the user, a silent drop has none.
#[must_use]
pub fn refusal(code: i64, message: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(ALLOW.len() + 20 + message.len());
    out.extend_from_slice(br#"{"ActionStatus":"OK","ErrorInfo":"#);
    push_text(message, &mut out);
    out.extend_from_slice(br#","ErrorCode":"#);
    out.extend_from_slice(code.to_string().as_bytes());
    out.push(b'}');
    out
}

/// Appends the item of one person; `id` goes out as the very value that came in.
pub(in crate::dialect) fn push_item(
    member: &str,
    id: Node<'_>,
    code: i64,
    message: &str,
    out: &mut Vec<u8>,
) {
    out.push(b'{');
    push_text(member, out);
    out.push(b':');
    copy(id, out);
    out.extend_from_slice(br#","ResultCode":"#);
    out.extend_from_slice(code.to_string().as_bytes());
    out.extend_from_slice(br#","ResultInfo":"#);
    push_text(message, out);
    out.push(b'}');
}

/// A rewritten message body: the list itself.
pub(in crate::dialect) fn content(body: &str) -> Vec<u8> {
    body.as_bytes().to_vec()
}
