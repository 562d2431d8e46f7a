//! What decides about before-callbacks.
//!
//! In: one intent, its fields in slots, before its record is written. Out: a decision. Synchronous
//! and pure: the receive time comes in as an argument, outcomes go out, `intake` counts them.
//! [`AllowAll`] is the engine of a bridge without rules; an engine that reads rule files is to stand
//! beside it.

use crate::call::Callback;
use crate::normalise::Known;
use crate::verdict::Decision;
use std::borrow::Cow;

/// One intent of a before-callback.
#[derive(Clone, Copy)]
pub struct Intent<'a> {
    /// The call it came with.
    pub callback: &'a Callback<'a>,
    /// Its command, kind and fields.
    pub known: &'a Known<'a>,
}

/// Decides about intents.
pub trait Rules: Send + Sync {
    /// The decision about one intent. Must not block, wait or panic on purpose.
    fn decide(&self, intent: &Intent<'_>) -> Cow<'static, Decision>;
}

/// No rules: everything is allowed.
#[derive(Debug, Clone, Copy, Default)]
pub struct AllowAll;

static ALLOW: Decision = Decision::ALLOW;

impl Rules for AllowAll {
    fn decide(&self, _intent: &Intent<'_>) -> Cow<'static, Decision> {
        Cow::Borrowed(&ALLOW)
    }
}
