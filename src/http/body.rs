//! Reads request bodies, bounded in bytes and time.
//!
//! In: a payload. Out: its bytes, or why not. What always holds: bytes of bodies in memory are
//! counted while they are there; a body that arrived with its head costs no timer.

use super::{Gauges, Limits};
use actix_http::Payload;
use actix_web::web::{Bytes, BytesMut};
use futures_util::StreamExt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Bodies up to this size have a share of their own, so that they can be read when large ones have
/// used up theirs.
const SMALL_BYTES: usize = 64 * 1024;
/// That share.
const SMALL_SHARE_BYTES: usize = 16 * 1024 * 1024;

/// Why a body is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    TooLarge,
    TooSlow,
    Overloaded,
    /// The sender went away, or broke the framing.
    Broken,
}

/// A body, counted as in memory until dropped.
pub(super) struct Body {
    pub(super) bytes: Bytes,
    _share: Share,
}

/// Bytes counted as in memory.
struct Share {
    gauges: Arc<Gauges>,
    bytes: usize,
}

impl Share {
    fn grow(&mut self, by: usize, limit: usize) -> Result<(), BodyError> {
        let small = self.bytes + by <= SMALL_BYTES;
        let limit = if small { limit.saturating_add(SMALL_SHARE_BYTES) } else { limit };
        // Bytes that do not fit are never counted, not even for a moment: a large body that is turned
        // away would use up the share of the small ones beside it.
        let fits = |all: usize| all.checked_add(by).filter(|all| *all <= limit);
        let all = &self.gauges.inflight_bytes;
        all.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .map_err(|_| BodyError::Overloaded)?;
        self.bytes += by;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.gauges.inflight_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Reads the whole body. `announced` is its Content-Length, if it has one.
pub(super) async fn read(
    payload: &mut Payload,
    announced: Option<usize>,
    limits: &Limits,
    gauges: &Arc<Gauges>,
) -> Result<Body, BodyError> {
    if announced.is_some_and(|bytes| bytes > limits.body_bytes_max) {
        return Err(BodyError::TooLarge);
    }
    let mut share = Share { gauges: Arc::clone(gauges), bytes: 0 };
    // A body that is announced is counted at once: a hundred large ones that all begin to arrive
    // would otherwise be found out only when memory is full of them.
    if let Some(bytes) = announced {
        share.grow(bytes, limits.inflight_bytes_max)?;
    }
    let mut reading = Reading { payload, announced, limits, share, parts: Parts::None };
    // actix calls the handler before it has looked behind the head, so the body is never there on
    // the first look; it is on the second when it arrived with the head.
    second_look().await;
    match poll_fn(|context| Poll::Ready(reading.poll(context))).await {
        Poll::Ready(read) => read?,
        // In a box, for it is rare and large: the server moves the future of every request about.
        Poll::Pending => Box::pin(read_slowly(&mut reading, limits, gauges)).await?,
    }
    Ok(reading.body())
}

/// Reads what is still to come, within the time there is for it.
async fn read_slowly(
    reading: &mut Reading<'_>,
    limits: &Limits,
    gauges: &Gauges,
) -> Result<(), BodyError> {
    let whole = poll_fn(|context| reading.poll(context));
    tokio::select! {
        read = tokio::time::timeout(limits.body_time_max, whole) => {
            read.unwrap_or(Err(BodyError::TooSlow))
        }
        () = gauges.given_up() => Err(BodyError::TooSlow),
    }
}

/// Ready when it is polled again, and asks to be.
async fn second_look() {
    let mut looked = false;
    poll_fn(|context| {
        if std::mem::replace(&mut looked, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What has arrived of a body. Most bodies are one chunk, which is not copied.
enum Parts {
    None,
    One(Bytes),
    Joined(BytesMut),
}

/// A body on its way.
struct Reading<'a> {
    payload: &'a mut Payload,
    announced: Option<usize>,
    limits: &'a Limits,
    share: Share,
    parts: Parts,
}

impl Reading<'_> {
    /// Ready when all of it has arrived.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        while let Some(chunk) = ready!(self.payload.poll_next_unpin(context)) {
            let chunk = chunk.map_err(|_| BodyError::Broken)?;
            if self.len() + chunk.len() > self.limits.body_bytes_max {
                return Poll::Ready(Err(BodyError::TooLarge));
            }
            if self.announced.is_none() {
                self.share.grow(chunk.len(), self.limits.inflight_bytes_max)?;
            }
            self.add(chunk);
        }
        Poll::Ready(Ok(()))
    }

    fn len(&self) -> usize {
        match &self.parts {
            Parts::None => 0,
            Parts::One(chunk) => chunk.len(),
            Parts::Joined(body) => body.len(),
        }
    }

    fn add(&mut self, chunk: Bytes) {
        match &mut self.parts {
            Parts::None => self.parts = Parts::One(chunk),
            Parts::One(first) => {
                let mut body = BytesMut::with_capacity(self.announced.unwrap_or(2 * first.len()));
                body.extend_from_slice(first);
                body.extend_from_slice(&chunk);
                self.parts = Parts::Joined(body);
            }
            Parts::Joined(body) => body.extend_from_slice(&chunk),
        }
    }

    fn body(self) -> Body {
        let bytes = match self.parts {
            Parts::None => Bytes::new(),
            Parts::One(chunk) => chunk,
            Parts::Joined(body) => body.freeze(),
        };
        Body { bytes, _share: self.share }
    }
}

/// Reads and throws away what is left, so that the answer arrives before the connection closes. Says
/// whether that was all, so that the next request can be found behind it.
pub(super) async fn discard(
    payload: &mut Payload,
    bytes_max: usize,
    time_max: Duration,
    gauges: &Gauges,
) -> bool {
    let rest = async {
        let mut thrown = 0;
        loop {
            match payload.next().await {
                None => return true,
                Some(Err(_)) => return false,
                Some(Ok(chunk)) => thrown += chunk.len(),
            }
            if thrown > bytes_max {
                return false;
            }
        }
    };
    tokio::select! {
        read = tokio::time::timeout(time_max, rest) => read.unwrap_or(false),
        () = gauges.given_up() => false,
    }
}
