//! The one table of answers: what happened, who asked, and what they are told.
//!
//! In: a [`Situation`], the [`Route`] it came by, and the operator's choice for what cannot be
//! decided. Out: an [`Answer`]: status, headers, which body, and whether the connection stays. Pure
//! and total: there is no request that it leaves without an answer.
//!
//! What always holds: `OpenIM` never looks at the status, so it tells operators and proxies the truth.
//! Tencent treats every status but 200 as a failed callback and falls back to a policy of its own
//! (which lets denied messages pass and blocks gifts), so its before-commands, and commands without a
//! row, which may be new before-commands, always get 200.
//!
//! | situation | `OpenIM` after, no row | `OpenIM` before | Tencent after | Tencent before | Tencent no row |
//! | --- | --- | --- | --- | --- | --- |
//! | accepted | 200 plain | 200 verdict | 200 plain | 200 verdict | 200 plain |
//! | unclassified | 200 plain | 200 plain | 200 plain | 200 plain | 200 plain |
//! | undecided | 200 plain | 200 fault | 200 plain | 200 fault | 200 plain |
//! | unauthorized | 401 plain | 401 fault | 403 plain | 200 fault | 200 plain |
//! | forbidden | 403 plain | 403 fault | 403 plain | 200 fault | 200 plain |
//! | too large, closes | 413 plain | 413 fault | 413 plain | 200 fault | 200 plain |
//! | too slow, closes | 408 plain | 408 fault | 408 plain | 200 fault | 200 plain |
//! | overloaded, closes | 503 plain | 503 fault | 503 plain | 200 fault | 200 plain |
//! | encoded, closes | 415 plain | 415 fault | 415 plain | 200 fault | 200 plain |
//! | journal refused | 503 plain | 200 verdict | 503 plain | 200 verdict | 200 plain |
//! | panicked | 500 plain | 500 fault | 500 plain | 200 fault | 200 plain |
//! | method | 405 both | 405 both | 405 both | 405 both | 405 both |
//! | path | 404 both | 404 both | 404 both | 404 both | 404 both |
//!
//! *Fault* is the plain allow, or with `IMBRIDGE_ON_FAULT=deny` the command's default deny. Outside
//! both bases every answer has the true status and the *both* body, for there is no telling who asks.
//! Two more situations need no row: an event that is too large for Kafka is accepted, and while the
//! bridge stops every request is answered as ever, with its connection closed.

use crate::call::Phase;
use crate::verdict::OnFault;

/// Bytes of an unread body that are read and thrown away before a closing answer's connection is
/// closed: closing at once would reset it, and the answer would be lost on the way.
pub const DISCARD_BYTES_MAX: usize = 32 << 20;

/// Longest time that is spent on [`DISCARD_BYTES_MAX`], milliseconds.
pub const DISCARD_MILLISECONDS_MAX: u64 = 2000;

/// What happened to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Situation {
    /// Everything went its way: the after-event is in the journal, the intent was decided. What the
    /// rule engine did about its own faults is part of its decision and comes here too.
    Accepted,
    /// The body is no JSON object, names no command, fits no case, or its command has no row.
    Unclassified,
    /// No decision came out of the rule engine at all.
    Undecided,
    /// `Authorization` is missing or wrong. Tencent knows no such thing: as [`Self::Forbidden`].
    Unauthorized,
    /// The address is not allowed, the SdkAppid is not ours, or the signature is missing, forged or
    /// stale.
    Forbidden,
    /// The body has more bytes than allowed.
    TooLarge,
    /// The body did not arrive in time.
    TooSlow,
    /// Too many bytes are in memory already.
    Overloaded,
    /// `Content-Encoding` is other than `identity`.
    Encoded,
    /// The journal is full, stalled or broken for longer than it may be waited for, or at level
    /// `kafka` there was no confirmation in time.
    JournalRefused,
    /// The handler panicked.
    Panicked,
    /// The method is not POST.
    Method,
    /// The path is outside both bases.
    Path,
}

impl Situation {
    /// All, in the order of the table.
    pub const ALL: [Self; 13] = [
        Self::Accepted,
        Self::Unclassified,
        Self::Undecided,
        Self::Unauthorized,
        Self::Forbidden,
        Self::TooLarge,
        Self::TooSlow,
        Self::Overloaded,
        Self::Encoded,
        Self::JournalRefused,
        Self::Panicked,
        Self::Method,
        Self::Path,
    ];
}

/// Who asked, as far as it is known.
///
/// The phase is that of the command's row, `None` without a row or before the command is known. When
/// the body could not be read, path and query may still have told the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// Below the base path of `OpenIM`.
    OpenIm {
        /// Phase of the command.
        phase: Option<Phase>,
    },
    /// Below the base path of Tencent.
    Tencent {
        /// Phase of the command.
        phase: Option<Phase>,
    },
    /// Below neither.
    Outside,
}

impl Route {
    /// All seven.
    pub const ALL: [Self; 7] = [
        Self::OpenIm { phase: None },
        Self::OpenIm { phase: Some(Phase::After) },
        Self::OpenIm { phase: Some(Phase::Before) },
        Self::Tencent { phase: None },
        Self::Tencent { phase: Some(Phase::After) },
        Self::Tencent { phase: Some(Phase::Before) },
        Self::Outside,
    ];

    /// Whether somebody waits for permission.
    const fn asks(self) -> bool {
        matches!(
            self,
            Self::OpenIm { phase: Some(Phase::Before) }
                | Self::Tencent { phase: Some(Phase::Before) }
        )
    }
}

/// Which JSON goes out; [`super::reply::body`] writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnswerBody {
    /// The allow of provider and command, with the command's echoes when the body could be read.
    PlainAllow,
    /// What was decided.
    Verdict,
    /// The command's default deny.
    FaultDeny,
    /// An allow that both providers can parse.
    BothAllow,
}

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Which JSON.
    pub body: AnswerBody,
    /// The connection ends with this answer: `Connection: close`. What is left of the body is thrown
    /// away first, see [`DISCARD_BYTES_MAX`]. All other answers need the whole body read, so that the
    /// next request of the connection is found behind it.
    pub close: bool,
    /// Headers beside Content-Type.
    pub headers: &'static [(&'static str, &'static str)],
}

/// The cell of the table.
#[must_use]
pub const fn answer(situation: Situation, route: Route, on_fault: OnFault) -> Answer {
    let status = status(situation, route);
    Answer {
        status,
        body: body(situation, route, on_fault),
        close: closes(situation),
        headers: headers(situation, status),
    }
}

/// What HTTP calls the situation.
const fn truth(situation: Situation) -> u16 {
    match situation {
        Situation::Accepted | Situation::Unclassified | Situation::Undecided => 200,
        Situation::Unauthorized => 401,
        Situation::Forbidden => 403,
        Situation::TooLarge => 413,
        Situation::TooSlow => 408,
        Situation::Overloaded | Situation::JournalRefused => 503,
        Situation::Encoded => 415,
        Situation::Panicked => 500,
        Situation::Method => 405,
        Situation::Path => 404,
    }
}

const fn status(situation: Situation, route: Route) -> u16 {
    match (route, situation) {
        // No sender of callbacks does either; whoever did is helped by the truth.
        (_, Situation::Method | Situation::Path) | (Route::Outside, _) => truth(situation),
        // An intent is decided without the journal; only its record is lost, and counted.
        (Route::OpenIm { phase: Some(Phase::Before) }, Situation::JournalRefused)
        | (Route::Tencent { phase: None | Some(Phase::Before) }, _) => 200,
        (Route::Tencent { phase: Some(Phase::After) }, Situation::Unauthorized) => {
            truth(Situation::Forbidden)
        }
        (Route::OpenIm { .. } | Route::Tencent { phase: Some(Phase::After) }, _) => {
            truth(situation)
        }
    }
}

const fn body(situation: Situation, route: Route, on_fault: OnFault) -> AnswerBody {
    match situation {
        Situation::Method | Situation::Path => AnswerBody::BothAllow,
        _ if matches!(route, Route::Outside) => AnswerBody::BothAllow,
        // Commands without a row are handled as after-callbacks: there is no deny to fall back to.
        _ if !route.asks() => AnswerBody::PlainAllow,
        Situation::Accepted | Situation::JournalRefused => AnswerBody::Verdict,
        // No intent, so nothing failed that could be decided otherwise.
        Situation::Unclassified => AnswerBody::PlainAllow,
        Situation::Undecided
        | Situation::Unauthorized
        | Situation::Forbidden
        | Situation::TooLarge
        | Situation::TooSlow
        | Situation::Overloaded
        | Situation::Encoded
        | Situation::Panicked => match on_fault {
            OnFault::Allow => AnswerBody::PlainAllow,
            OnFault::Deny => AnswerBody::FaultDeny,
        },
    }
}

/// Where the body was not read to its end, the next request cannot be found behind it.
const fn closes(situation: Situation) -> bool {
    match situation {
        Situation::TooLarge | Situation::TooSlow | Situation::Overloaded | Situation::Encoded => {
            true
        }
        Situation::Accepted
        | Situation::Unclassified
        | Situation::Undecided
        | Situation::Unauthorized
        | Situation::Forbidden
        | Situation::JournalRefused
        | Situation::Panicked
        | Situation::Method
        | Situation::Path => false,
    }
}

/// What HTTP asks to go with a status; nothing goes with the 200 that Tencent gets instead.
const fn headers(situation: Situation, status: u16) -> &'static [(&'static str, &'static str)] {
    match (situation, status) {
        (_, 200) => &[],
        (Situation::Unauthorized, 401) => {
            &[("www-authenticate", "Basic realm=\"imbridge\", charset=\"UTF-8\"")]
        }
        // The journal is asked anew by every request, so there is no reason to stay away for long.
        (Situation::JournalRefused, _) => &[("retry-after", "1")],
        (Situation::Encoded, _) => &[("accept-encoding", "identity")],
        (Situation::Method, _) => &[("allow", "POST")],
        _ => &[],
    }
}
