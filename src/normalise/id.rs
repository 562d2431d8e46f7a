//! Event ids: the first half of SHA-256 over length-prefixed parts, as 32 hex digits.
//!
//! In: a plan's id parts and the scope of one event. Out: the natural id, or the fallback. What
//! always holds: no id depends on a secret, and records of one request that share a body never
//! share an id, for the position follows the body.

use super::scope::{Scope, push_part};
use crate::call::Callback;
use crate::catalogue::plan::{IdPart, Source};
use crate::json::{Node, Rewrite, rewritten};
use sha2::{Digest, Sha256};

/// What ids need beside the scope.
#[derive(Clone, Copy)]
pub(super) struct IdInput<'a> {
    pub(super) command: &'a str,
    /// Position in the fan-out, in the envelope, or both: `""`, `3`, `1.0`.
    pub(super) index: &'a str,
    /// The body of splitting step 1, when it is an object.
    pub(super) body: Option<Node<'a>>,
    /// Members to redact in it.
    pub(super) redact: &'a [Box<str>],
    /// The redacted text, when the body is no object and redaction replaced something.
    pub(super) redacted_text: Option<&'a str>,
}

/// The natural id of `parts`, or else the fallback of the provider.
pub(super) fn event_id<'a>(
    input: &IdInput<'a>,
    natural: &'a [IdPart],
    fallback: &'a [IdPart],
    scope: &Scope<'a>,
) -> &'a str {
    let special = |source: &Source, out: &mut Vec<u8>| special(input, scope.callback, source, out);
    let mut text = Vec::with_capacity(192);
    let start = |text: &mut Vec<u8>| {
        text.clear();
        push_part(scope.callback.provider.name().as_bytes(), text);
        push_part(input.command.as_bytes(), text);
    };
    start(&mut text);
    if natural.is_empty() || !scope.id_parts(natural, &special, &mut text) {
        start(&mut text);
        let _even_if_empty = scope.id_parts(fallback, &special, &mut text);
    }
    hex(&Sha256::digest(&text)[..16], scope)
}

/// Parts that are no values: true when `source` is one of them.
fn special(
    input: &IdInput<'_>,
    callback: &Callback<'_>,
    source: &Source,
    out: &mut Vec<u8>,
) -> bool {
    match source {
        Source::ReceivedMinute => {
            let minute = callback.received_at_ms.div_euclid(60_000);
            out.extend_from_slice(itoa::Buffer::new().format(minute).as_bytes());
        }
        Source::Index => out.extend_from_slice(input.index.as_bytes()),
        Source::RawBody => {
            let rewrite = Rewrite { redact: input.redact, cut: None };
            match (input.body, input.redacted_text) {
                (Some(body), _) if rewrite.redacts(body) => rewritten(body, rewrite, true, out),
                (None, Some(text)) => out.extend_from_slice(text.as_bytes()),
                _ => out.extend_from_slice(callback.body),
            }
        }
        _ => return false,
    }
    true
}

/// Digits of a half byte.
const HEX: &[u8; 16] = b"0123456789abcdef";

fn hex<'a>(bytes: &[u8], scope: &Scope<'a>) -> &'a str {
    let digits = bytes.iter().copied().flat_map(hex_digits);
    bumpalo::collections::String::from_iter_in(digits, scope.arena).into_bump_str()
}

fn hex_digits(byte: u8) -> [char; 2] {
    [byte >> 4, byte & 15].map(|digit| char::from(HEX[usize::from(digit)]))
}

/// SHA-256 in lower-case hex, for `raw_sha256`.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().copied().flat_map(hex_digits).collect()
}
