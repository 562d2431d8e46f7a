//! Event ids: the first half of SHA-256 over length-prefixed parts, as 32 hex digits.
//!
//! In: a plan's id parts and the scope of one event. Out: the natural id, or the fallback. What
//! always holds: no id depends on a secret, and records of one request that share a body never
//! share an id, for the position follows the body.

use super::scope::{Scope, id_text_of, push_length, push_part};
use super::spent::Spent;
use crate::catalogue::plan::{IdPart, Source};
use crate::json::{Node, Rewrite, rewritten};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// What ids need beside the scope.
#[derive(Clone, Copy)]
pub(super) struct IdInput<'a> {
    pub(super) command: &'a str,
    /// Position in the fan-out, in the envelope, or both: `""`, `3`, `1.0`.
    pub(super) index: &'a str,
    /// The body of splitting step 1, when it is an object.
    pub(super) body: Option<Node<'a>>,
    /// Its position in the envelope.
    pub(super) position: Option<u32>,
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
    spent: &mut Spent<'a>,
) -> &'a str {
    let mut id = Hashing { input, scope, text: Vec::with_capacity(192), state: None };
    if natural.is_empty() || !id.parts(natural, spent) {
        let _even_if_empty = id.parts(fallback, spent);
    }
    spent.spend(id.text.len());
    let digest = match id.state {
        None => Sha256::digest(&id.text),
        Some(mut state) => {
            state.update(&id.text);
            state.finalize()
        }
    };
    hex(&digest[..16], scope)
}

/// The parts of one id on their way into its hash.
struct Hashing<'i, 'a> {
    input: &'i IdInput<'a>,
    scope: &'i Scope<'a>,
    /// What is not in `state` yet.
    text: Vec<u8>,
    /// Everything up to and including a body; without one nothing is hashed before the end.
    state: Option<Sha256>,
}

impl<'a> Hashing<'_, 'a> {
    /// Begins anew; false when a part that must be there is empty. All are taken even so: the fallback
    /// takes what it gets.
    fn parts(&mut self, parts: &'a [IdPart], spent: &mut Spent<'a>) -> bool {
        self.text.clear();
        self.state = None;
        push_part(self.scope.callback.provider.name().as_bytes(), &mut self.text);
        push_part(self.input.command.as_bytes(), &mut self.text);
        let mut made = Vec::new();
        let mut whole = true;
        for part in parts {
            made.clear();
            whole &= self.part(part, &mut made, spent) || part.optional;
        }
        whole
    }

    /// Takes one part; false when it is empty.
    fn part(&mut self, part: &'a IdPart, made: &mut Vec<u8>, spent: &mut Spent<'a>) -> bool {
        for locator in &part.any {
            let text = match &locator.source {
                Source::RawBody => {
                    self.body(spent);
                    return true;
                }
                Source::Index => self.input.index.as_bytes(),
                Source::ReceivedMinute => {
                    let minute = self.scope.callback.received_at_ms.div_euclid(60_000);
                    made.extend_from_slice(itoa::Buffer::new().format(minute).as_bytes());
                    made
                }
                _ => match self.scope.locate(locator) {
                    value if value.is_absent() => continue,
                    value => id_text_of(value, made),
                },
            };
            push_part(text, &mut self.text);
            return !text.is_empty();
        }
        push_part(b"", &mut self.text);
        false
    }

    /// Takes the body. Where many ids begin alike up to here, it is hashed for the first of them.
    fn body(&mut self, spent: &mut Spent<'a>) {
        let many = !self.input.index.is_empty() && self.state.is_none();
        let key = many.then(|| [&*self.text, &self.variant().to_le_bytes()].concat());
        if let Some(state) = key.as_ref().and_then(|key| spent.hashed.get(key)) {
            self.state = Some(state.clone());
            return self.text.clear();
        }
        let body = self.body_bytes();
        push_length(body.len(), &mut self.text);
        let mut state = self.state.take().unwrap_or_default();
        state.update(&self.text);
        self.text.clear();
        state.update(&body);
        spent.spend(body.len());
        if let Some(key) = key {
            spent.hashed.insert(key, state.clone());
        }
        self.state = Some(state);
    }

    fn redacted_body(&self) -> Option<(Node<'a>, Rewrite<'a>)> {
        let rewrite = Rewrite { redact: self.input.redact, cut: None };
        Some((self.input.body.filter(|body| rewrite.redacts(*body))?, rewrite))
    }

    /// Tells apart what [`Self::body_bytes`] may give within one request.
    fn variant(&self) -> u64 {
        match (self.redacted_body(), self.input.redacted_text) {
            (Some(_), _) => 2 + u64::from(self.input.position.unwrap_or_default()),
            (None, Some(_)) if self.input.body.is_none() => 1,
            _ => 0,
        }
    }

    fn body_bytes(&self) -> Cow<'a, [u8]> {
        match (self.redacted_body(), self.input.redacted_text) {
            (Some((body, rewrite)), _) => {
                let mut bytes = Vec::new();
                rewritten(body, rewrite, true, &mut bytes);
                Cow::Owned(bytes)
            }
            (None, Some(text)) if self.input.body.is_none() => Cow::Borrowed(text.as_bytes()),
            _ => Cow::Borrowed(self.scope.callback.body),
        }
    }
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
