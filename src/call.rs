//! A call on its way in and the answer on its way out.
//!
//! [`RawCall`] is what arrived: nobody has looked at who sent it. [`Callback`] is authentic and has
//! been read: its command is known, or known to be unknown. Only a dialect makes the second from
//! the first.

use crate::json::{Json, Node};
use std::fmt;
use std::net::IpAddr;

/// Who calls back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provider {
    /// OpenIM server, 2.x to 3.8.
    OpenIm,
    /// Tencent Cloud Chat.
    Tencent,
}

impl Provider {
    /// Both, in the order of the catalogue.
    pub const ALL: [Self; 2] = [Self::OpenIm, Self::Tencent];

    /// The word in events, metrics and settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenIm => "openim",
            Self::Tencent => "tencent",
        }
    }

    /// Reads [`Self::name`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.name() == name)
    }

    /// Position in [`Self::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a command reports or asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It asks for permission and waits for the answer.
    Before,
    /// It reports what happened and ignores the answer.
    After,
}

impl Phase {
    /// The word in the catalogue and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// Place of a command in the catalogue's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowIndex(pub u16);

/// Request headers; names ignore ASCII case.
pub trait Headers {
    /// Bytes of the header's (last) value.
    fn get(&self, name: &str) -> Option<&[u8]>;
}

/// A request as it arrived, body complete.
#[derive(Clone, Copy)]
pub struct RawCall<'a> {
    /// By the base path it came to.
    pub provider: Provider,
    /// Path behind the configured base, `""` or beginning with a slash.
    pub path: &'a str,
    /// Query, without the question mark.
    pub query: &'a str,
    /// Headers.
    pub headers: &'a dyn Headers,
    /// Address of the other end of the connection.
    pub peer: Option<IpAddr>,
    /// Body bytes.
    pub body: &'a [u8],
    /// When the head was read, Unix milliseconds.
    pub received_at_ms: i64,
}

/// Name of the command of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandName<'a> {
    /// It has a row.
    Row(RowIndex),
    /// It has none; the name as received.
    Unknown(&'a str),
    /// There is no name anywhere.
    Missing,
}

/// One body: the whole request, or an element of a Tencent envelope.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The object; `None` when it is no JSON object.
    pub body: Option<Node<'a>>,
    /// Its command.
    pub command: CommandName<'a>,
    /// Position in the envelope.
    pub position: Option<u32>,
}

/// One query parameter, decoded.
pub type Parameter<'a> = (&'a str, &'a str);

/// A call that may be acted upon. Dialects make it; everything behind them trusts it.
#[derive(Clone, Copy)]
pub struct Callback<'a> {
    /// Who calls.
    pub provider: Provider,
    /// CloudEvents `source`: `/openim/<deployment>`, `/tencent/<SdkAppid>`.
    pub source: &'a str,
    /// Body bytes as received.
    pub body: &'a [u8],
    /// Body as text, invalid UTF-8 replaced.
    pub text: &'a str,
    /// The body, when it is a JSON object.
    pub json: Option<&'a Json<'a>>,
    /// The bodies in it: one, or one per element of a Tencent envelope.
    pub parts: &'a [Part<'a>],
    /// The request as one body, whether or not it is an envelope.
    pub whole: Part<'a>,
    /// Whether the parts are elements of an envelope.
    pub envelope: bool,
    /// Query parameters in received order.
    pub query: &'a [Parameter<'a>],
    /// Request headers.
    pub headers: &'a dyn Headers,
    /// Receive time, Unix milliseconds.
    pub received_at_ms: i64,
    /// Says that a dialect has looked at who sent it.
    pub authentic: Authentic,
}

/// Proof that a dialect let a call through. Only `dialect/` calls [`Authentic::vouch`]; the tidy test
/// holds everybody else to that.
#[derive(Debug, Clone, Copy)]
pub struct Authentic(());

impl Authentic {
    /// For dialects, behind their authenticator.
    #[must_use]
    pub(crate) const fn vouch() -> Self {
        Self(())
    }
}

impl Callback<'_> {
    /// Last query parameter of that name, ASCII case ignored.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(found.1)
    }
}
