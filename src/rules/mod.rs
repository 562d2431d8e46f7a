//! What decides about before-callbacks.
//!
//! In: one intent, its fields in slots, before its record is written. Out: a decision. Synchronous
//! and pure: times come in as arguments, outcomes go out, `intake` counts them; nothing here reads a
//! file. What always holds: what can be refused when a rule file is read is refused then.
//!
//! The way of a rule file, and of an intent:
//!
//! * `problem` – mistakes and warnings with their places
//! * `source` – YAML into definitions with places
//! * `schema` – targets of `on`, fields with types and words, from the catalogue
//! * `expr` – conditions: parsed, typed, compiled
//! * `words` – lists of words: folding, finding, covering
//! * `windows` – times of the week in a zone
//! * `limits` – rates, counted by key
//! * `actions` – what a rule does: codes, texts, changes, masks, refusals
//! * `read`, `memory` – values of `raw` and `ctx`, and what an earlier callback said of a message
//! * `set` – all of it compiled, by target
//! * `run` – one decision; `sight` – what it looks up once
//! * `engine` – the set in force and the switch, shared by workers
//! * `frame` – one intent as conditions and actions see it
//! * `given`, `trial`, `explain`, `replay` – the author's tools: intents given by hand, embedded tests,
//!   rule by rule, recorded decisions again
//! * [`listing`] – all that rules may name, `docs/rules-fields.md`

pub mod actions;
pub mod engine;
pub mod explain;
pub mod expr;
pub mod frame;
pub mod given;
pub mod limits;
pub mod listing;
pub mod memory;
#[cfg(test)]
mod probe;
pub mod problem;
pub mod read;
pub mod replay;
pub mod run;
pub mod schema;
pub mod set;
mod sight;
pub mod source;
pub mod trial;
pub mod windows;
pub mod words;

use crate::normalise::Known;
use crate::verdict::Decision;
use bumpalo::Bump;

/// One intent of a before-callback.
#[derive(Clone, Copy)]
pub struct Intent<'a> {
    /// Its command, kind, fields and body.
    pub known: &'a Known<'a>,
    /// CloudEvents `source`; its last part is the deployment.
    pub source: &'a str,
    /// Operation id or `RequestID`.
    pub correlation: Option<&'a str>,
    /// Receive time, Unix milliseconds.
    pub received_at_ms: i64,
    /// Receive time on a clock that never goes back, in nanoseconds since any moment.
    pub received_ns: u64,
    /// Scratch of the request.
    pub arena: &'a Bump,
    /// What an author gives by hand instead of a request.
    pub given: Option<&'a Given<'a>>,
}

/// What the author of a test, or a record that is decided again, says about an intent. Its message is
/// one piece of text, and it has no answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'a> {
    /// Fields of `ctx` that are not derived from the intent.
    pub ctx: &'a [(&'a str, &'a str)],
    /// Whether the text is one piece: a mask covers the field itself and no message body is walked.
    pub one_piece: bool,
}

/// Decides about intents.
pub trait Rules: Send + Sync {
    /// The decision about one intent. Must not block, wait or panic on purpose.
    fn decide(&self, intent: &Intent<'_>) -> Decision;
}

/// No rules: everything is allowed.
#[derive(Debug, Clone, Copy, Default)]
pub struct AllowAll;

impl Rules for AllowAll {
    fn decide(&self, _intent: &Intent<'_>) -> Decision {
        Decision::ALLOW
    }
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
