//! The one door: from a call that arrived to a callback that may be acted upon.
//!
//! In: a [`RawCall`]. Out: a [`Callback`], or [`Refused`] with what could be read of it, so that even
//! a refused caller gets an answer that fits its command. What always holds: a [`Callback`] went
//! past the [`Authenticator`]; nothing else in the program makes one.

use super::{openim, tencent};
use crate::call::{
    Authentic, Callback, CommandName, Headers, Parameter, Part, Provider, RawCall, RowIndex,
};
use crate::catalogue::Catalogue;
use crate::json::Json;
use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;
use std::borrow::Cow;
use std::sync::Arc;

/// Why a caller is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Credentials or parameters are missing, wrong, doubled or malformed.
    Unauthenticated,
    /// The signature's digest differs.
    Forged,
    /// The signature is too old, or from the future.
    Stale,
    /// The application is not on the list.
    AppId,
    /// The sender's address is not on the list.
    Address,
}

impl Refusal {
    /// The word in metrics and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Forged => "forged",
            Self::Stale => "stale",
            Self::AppId => "app_id",
            Self::Address => "address",
        }
    }
}

/// Decides who may call. `query` is decoded.
pub trait Authenticator: Send + Sync {
    /// Looks at address, credentials and application, in this order.
    ///
    /// # Errors
    /// Why not; final: answer, count, keep nothing.
    fn check(&self, call: &RawCall<'_>, query: &[Parameter<'_>]) -> Result<(), Refusal>;
}

/// Lets everybody pass: what stands at the door while no setting says who may call.
#[derive(Debug, Clone, Copy, Default)]
pub struct Everybody;

impl Authenticator for Everybody {
    fn check(&self, _call: &RawCall<'_>, _query: &[Parameter<'_>]) -> Result<(), Refusal> {
        Ok(())
    }
}

/// A call that was read and turned away: enough to answer it, not to act upon.
pub struct Refused<'a> {
    /// Why.
    pub refusal: Refusal,
    /// Bodies and commands, for the answer.
    pub parts: &'a [Part<'a>],
}

/// Both dialects behind one door.
pub struct Door {
    catalogue: Arc<Catalogue>,
    openim_source: String,
    authenticator: Box<dyn Authenticator>,
}

/// What a call says about itself, whoever sent it.
struct Reading<'a> {
    text: &'a str,
    json: Option<&'a Json<'a>>,
    query: &'a [Parameter<'a>],
    parts: &'a [Part<'a>],
    whole: Part<'a>,
}

impl Door {
    /// A door; `deployment` is the name in OpenIM's `source`.
    #[must_use]
    pub fn new(
        catalogue: Arc<Catalogue>,
        deployment: &str,
        authenticator: Box<dyn Authenticator>,
    ) -> Self {
        Self { catalogue, openim_source: format!("/openim/{deployment}"), authenticator }
    }

    /// Reads a call; what it borrows lives in `arena`.
    ///
    /// # Errors
    /// [`Refused`] when the authenticator turns the caller away.
    pub fn read<'a>(
        &'a self,
        call: &RawCall<'a>,
        arena: &'a Bump,
    ) -> Result<Callback<'a>, Refused<'a>> {
        let reading = self.reading(call, arena);
        if let Err(refusal) = self.authenticator.check(call, reading.query) {
            return Err(Refused { refusal, parts: reading.parts });
        }
        let source = match call.provider {
            Provider::OpenIm => &*self.openim_source,
            Provider::Tencent => tencent::source(reading.query, arena),
        };
        Ok(Callback {
            provider: call.provider,
            source,
            body: call.body,
            text: reading.text,
            json: reading.json,
            parts: reading.parts,
            whole: reading.whole,
            envelope: reading.parts[0].position.is_some(),
            query: reading.query,
            headers: call.headers,
            received_at_ms: call.received_at_ms,
            authentic: Authentic::vouch(),
        })
    }

    /// Row of the command that path and query name, for answers before the body is there; `None`
    /// when they name none that has one.
    #[must_use]
    pub fn row_of_head(&self, provider: Provider, path: &str, query: &str) -> Option<RowIndex> {
        let arena = Bump::new();
        let call = RawCall {
            provider,
            path,
            query,
            headers: &NoHeaders,
            peer: None,
            body: b"",
            received_at_ms: 0,
        };
        match self.reading(&call, &arena).parts.first()?.command {
            CommandName::Row(row) => Some(row),
            _ => None,
        }
    }

    fn reading<'a>(&'a self, call: &RawCall<'a>, arena: &'a Bump) -> Reading<'a> {
        let text = match std::str::from_utf8(call.body) {
            Ok(text) => text,
            Err(_) => &*arena.alloc_str(&String::from_utf8_lossy(call.body)),
        };
        let json = Json::read(text, arena).ok().map(|json| &*arena.alloc(json));
        let json = json.filter(|json| json.root().is_object());
        let query = query(call.query, arena);
        let root = json.map(Json::root);
        let (whole, parts) = match call.provider {
            Provider::OpenIm => {
                let command = openim::command(&self.catalogue, root, call.path, query);
                let whole = Part { body: root, command, position: None };
                (whole, &*arena.alloc_slice_copy(&[whole]))
            }
            Provider::Tencent => tencent::parts(&self.catalogue, root, query, arena),
        };
        Reading { text, json, query, parts, whole }
    }
}

/// Split at `&` and the first `=`, `+` and `%XX` decoded, invalid UTF-8 replaced.
fn query<'a>(query: &'a str, arena: &'a Bump) -> &'a [Parameter<'a>] {
    if query.is_empty() {
        return &[];
    }
    // What the arena holds is never dropped, so decoded texts must live in it themselves.
    let keep = |text: Cow<'a, str>| match text {
        Cow::Borrowed(text) => text,
        Cow::Owned(text) => arena.alloc_str(&text),
    };
    let pairs = form_urlencoded::parse(query.as_bytes());
    let pairs = pairs.map(|(name, value)| (keep(name), keep(value)));
    BumpVec::from_iter_in(pairs, arena).into_bump_slice()
}

struct NoHeaders;

impl Headers for NoHeaders {
    fn get(&self, _name: &str) -> Option<&[u8]> {
        None
    }
}

/// Last value of a parameter, ASCII case of its name ignored.
pub(super) fn parameter<'a>(query: &'a [Parameter<'a>], name: &str) -> Option<&'a str> {
    let found = query.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some(found.1)
}
