//! Reads request bodies, bounded in bytes and time.
//!
//! In: a payload. Out: its bytes, or why not. What always holds: bytes of bodies in memory are
//! counted while they are there; a body that arrived with its head costs no timer.

use super::{Gauges, Limits};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
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
    let mut reading = pin!(collect(payload, announced, limits, share));
    // actix calls the handler before it has looked behind the head, so the body is never there on
    // the first look; it is on the second when it arrived with the head.
    second_look().await;
    match poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await {
        Poll::Ready(read) => read,
        Poll::Pending => tokio::select! {
            read = tokio::time::timeout(limits.body_time_max, reading) => {
                read.unwrap_or(Err(BodyError::TooSlow))
            }
            () = gauges.given_up() => Err(BodyError::TooSlow),
        },
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

async fn collect(
    payload: &mut Payload,
    announced: Option<usize>,
    limits: &Limits,
    mut share: Share,
) -> Result<Body, BodyError> {
    let mut next = async |read: usize| -> Result<Option<Bytes>, BodyError> {
        let Some(chunk) = payload.next().await else { return Ok(None) };
        let chunk = chunk.map_err(|_| BodyError::Broken)?;
        if read + chunk.len() > limits.body_bytes_max {
            return Err(BodyError::TooLarge);
        }
        if announced.is_none() {
            share.grow(chunk.len(), limits.inflight_bytes_max)?;
        }
        Ok(Some(chunk))
    };
    let Some(first) = next(0).await? else {
        return Ok(Body { bytes: Bytes::new(), _share: share });
    };
    let Some(second) = next(first.len()).await? else {
        return Ok(Body { bytes: first, _share: share });
    };
    let mut body = BytesMut::with_capacity(announced.unwrap_or(2 * first.len()));
    body.extend_from_slice(&first);
    body.extend_from_slice(&second);
    while let Some(chunk) = next(body.len()).await? {
        body.extend_from_slice(&chunk);
    }
    Ok(Body { bytes: body.freeze(), _share: share })
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
