//! The callback port.
//!
//! In: POST requests below the two base paths. Out: the answers that intake gives. What always holds:
//! every request whose head could be read is answered with JSON, whatever its method, path, size or
//! encoding, and even if the handler panics.

use super::body::{self, BodyError};
use super::connections::ConnectionGuard;
use super::{CONNECTIONS_PER_WORKER, Gauges, Limits, Running};
use crate::call::{Headers, Provider, RawCall};
use crate::clock;
use crate::dialect::answers::{
    DISCARD_BYTES_MAX, DISCARD_MILLISECONDS_MAX, Route, Situation, answer,
};
use crate::dialect::reply;
use crate::intake::{Intake, Outgoing, Turn};
use actix_web::http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue,
};
use actix_web::http::{Method, StatusCode};
use actix_web::rt::net::TcpStream;
use actix_web::web::{self, Payload};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use futures_util::FutureExt;
use std::borrow::Cow;
use std::net::TcpListener;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Content type of all answers.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What every worker shares.
pub struct Callbacks {
    /// Takes calls.
    pub intake: Intake,
    /// Bounds.
    pub limits: Limits,
    /// Counts of now.
    pub gauges: Arc<Gauges>,
}

struct RequestHeaders<'a>(&'a HeaderMap);

impl Headers for RequestHeaders<'_> {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get_all(name).last().map(HeaderValue::as_bytes)
    }
}

/// Starts the server on a bound listener; must be called inside an actix runtime.
///
/// # Errors
/// The listener cannot be used.
pub fn start(
    shared: Arc<Callbacks>,
    listener: TcpListener,
    workers: usize,
) -> std::io::Result<Running> {
    let limits = shared.limits.clone();
    let gauges = Arc::clone(&shared.gauges);
    let server = HttpServer::new(move || {
        let shared = Arc::clone(&shared);
        // Called once by each worker, on its thread.
        let turn = shared.intake.turn();
        App::new().default_service(web::to(move |request: HttpRequest, payload: Payload| {
            let (shared, turn) = (Arc::clone(&shared), Rc::clone(&turn));
            async move { serve(&shared, &turn, request, payload).await }
        }))
    })
    .workers(workers)
    .keep_alive(limits.keep_alive)
    .client_request_timeout(limits.body_time_max)
    .client_disconnect_timeout(Duration::from_secs(1))
    .max_connections(CONNECTIONS_PER_WORKER)
    // The stop decides when it is over; this is only never to be sooner.
    .shutdown_timeout(limits.drain.as_secs() + 1)
    .disable_signals()
    .on_connect(move |io, extensions| {
        let stream = io.downcast_ref::<TcpStream>();
        if let Some(stream) = stream {
            // Answers are small and whole: waiting for more to send only delays them.
            let _kept_default = stream.set_nodelay(true).is_err();
        }
        extensions.insert(ConnectionGuard::open(&gauges, stream));
    })
    .listen(listener)?
    .run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    Ok(Running { handle })
}

/// A request being served.
struct RequestGuard<'a> {
    gauges: &'a Gauges,
    connection: Option<&'a ConnectionGuard>,
}

impl<'a> RequestGuard<'a> {
    fn begin(gauges: &'a Gauges, connection: Option<&'a ConnectionGuard>) -> Self {
        gauges.requests.fetch_add(1, Ordering::Relaxed);
        gauges.begun.fetch_add(1, Ordering::Relaxed);
        connection.inspect(|connection| connection.begin());
        Self { gauges, connection }
    }
}

impl Drop for RequestGuard<'_> {
    fn drop(&mut self) {
        self.connection.inspect(|connection| connection.end());
        self.gauges.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A call that was received and not yet answered. actix drops the handler when the sender goes away;
/// without this such a call would stay in flight in the ledger for ever.
struct Unanswered<'a> {
    intake: &'a Intake,
    provider: Provider,
}

impl Unanswered<'_> {
    /// Intake has counted the call.
    fn answered(self) {
        std::mem::forget(self);
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        self.intake.abandoned(self.provider);
    }
}

async fn serve(
    shared: &Callbacks,
    turn: &Rc<Turn>,
    request: HttpRequest,
    mut payload: Payload,
) -> HttpResponse {
    let _served = RequestGuard::begin(&shared.gauges, request.conn_data());
    let Some((provider, path)) = place(&shared.limits, request.uri().path()) else {
        return outside(shared, &mut payload, None, Situation::Path).await;
    };
    if request.method() != Method::POST {
        return outside(shared, &mut payload, Some(provider), Situation::Method).await;
    }
    let started = clock::now();
    shared.intake.ledger.received();
    let open = Unanswered { intake: &shared.intake, provider };
    let served =
        AssertUnwindSafe(answer_call(shared, turn, &request, (provider, path), &mut payload));
    let outgoing = served.catch_unwind().await.unwrap_or_else(|_| {
        let query = request.uri().query().unwrap_or_default();
        shared.intake.refuse_unread(provider, path, query, Situation::Panicked)
    });
    open.answered();
    let seconds = started.elapsed().as_secs_f64();
    shared.intake.metrics.seconds(provider, outgoing.phase).observe(seconds);
    respond(shared, outgoing)
}

async fn answer_call(
    shared: &Callbacks,
    turn: &Rc<Turn>,
    request: &HttpRequest,
    (provider, path): (Provider, &str),
    payload: &mut Payload,
) -> Outgoing {
    let received_at_ms = clock::unix_ms();
    let query = request.uri().query().unwrap_or_default();
    let headers = request.headers();
    let read = if encoded(headers) {
        Err(Situation::Encoded)
    } else {
        let announced = headers.get(CONTENT_LENGTH);
        let announced = announced.and_then(|text| text.to_str().ok()?.parse().ok());
        let read = body::read(payload, announced, &shared.limits, &shared.gauges).await;
        read.map_err(|error| match error {
            BodyError::TooLarge => Situation::TooLarge,
            BodyError::Overloaded => Situation::Overloaded,
            BodyError::TooSlow | BodyError::Broken => Situation::TooSlow,
        })
    };
    match read {
        Ok(body) => {
            let call = RawCall {
                provider,
                path,
                query,
                headers: &RequestHeaders(headers),
                peer: request.peer_addr().map(|address| address.ip()),
                body: &body.bytes,
                received_at_ms,
            };
            shared.intake.take(turn, &call).await
        }
        Err(situation) => {
            let time_max = Duration::from_millis(DISCARD_MILLISECONDS_MAX);
            let gauges = &shared.gauges;
            let _closed_in_any_case =
                body::discard(payload, DISCARD_BYTES_MAX, time_max, gauges).await;
            shared.intake.refuse_unread(provider, path, query, situation)
        }
    }
}

/// Provider and the path behind its base; `None` outside of both.
fn place<'a>(limits: &Limits, path: &'a str) -> Option<(Provider, &'a str)> {
    let below = |base: &str| {
        let rest = path.strip_prefix(base)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    };
    below(&limits.openim_path)
        .map(|rest| (Provider::OpenIm, rest))
        .or_else(|| below(&limits.tencent_path).map(|rest| (Provider::Tencent, rest)))
}

fn encoded(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).any(|value| {
        let mut codings = value.to_str().unwrap_or("unreadable").split(',').map(str::trim);
        codings.any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"))
    })
}

/// Answers a request that no provider sends; it is no callback, so the ledger does not know it.
async fn outside(
    shared: &Callbacks,
    payload: &mut Payload,
    provider: Option<Provider>,
    situation: Situation,
) -> HttpResponse {
    let time_max = Duration::from_millis(DISCARD_MILLISECONDS_MAX);
    let whole = body::discard(payload, DISCARD_BYTES_MAX, time_max, &shared.gauges).await;
    shared.intake.refuse_outside(provider, situation);
    let answer = answer(situation, Route::Outside, shared.intake.on_fault);
    respond(
        shared,
        Outgoing {
            status: answer.status,
            headers: answer.headers,
            body: Cow::Borrowed(reply::both_allow()),
            close: answer.close || !whole,
            phase: crate::call::Phase::After,
        },
    )
}

fn respond(shared: &Callbacks, outgoing: Outgoing) -> HttpResponse {
    let status = StatusCode::from_u16(outgoing.status).unwrap_or(StatusCode::OK);
    let mut response = HttpResponse::build(status);
    response.insert_header((CONTENT_TYPE, JSON));
    for header in outgoing.headers {
        response.insert_header(*header);
    }
    if outgoing.close || shared.gauges.is_stopping() {
        response.force_close();
    }
    match outgoing.body {
        Cow::Borrowed(body) => response.body(web::Bytes::from_static(body)),
        Cow::Owned(body) => response.body(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_encoded_when_any_of_its_codings_is_not_identity() {
        let told = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_ENCODING, HeaderValue::from_static(value));
            }
            encoded(&headers)
        };
        for plain in [&[][..], &[""], &["Identity"], &["identity, identity"], &["identity", " "]] {
            assert!(!told(plain), "{plain:?}");
        }
        for coded in [&["gzip"][..], &["identity, gzip"], &["identity", "br"], &["identity;q=1"]] {
            assert!(told(coded), "{coded:?}");
        }
    }

    #[test]
    fn a_base_path_ends_at_a_slash() {
        let limits = Limits {
            body_bytes_max: 1,
            body_time_max: Duration::ZERO,
            keep_alive: Duration::ZERO,
            inflight_bytes_max: 1,
            openim_path: "/openim".to_owned(),
            tencent_path: "/tencent".to_owned(),
            drain: Duration::ZERO,
        };
        let at = |path| place(&limits, path);
        assert_eq!(at("/openim"), Some((Provider::OpenIm, "")));
        assert_eq!(at("/openim//x/"), Some((Provider::OpenIm, "//x/")));
        assert_eq!(at("/tencent/"), Some((Provider::Tencent, "/")));
        assert_eq!((at("/openimx"), at("/"), at("/OpenIM")), (None, None, None));
    }
}
