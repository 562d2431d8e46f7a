//! The callback port.
//!
//! In: POST requests below the two base paths. Out: the answers that intake gives. What always holds:
//! every request whose head could be read is answered with JSON, whatever its method, path, size or
//! encoding, and even if the handler panics.

use super::body::{self, Body, BodyError};
use super::connections::ConnectionGuard;
use super::{CONNECTIONS_PER_WORKER, Gauges, Limits, Running};
use crate::call::{Headers, Provider, RawCall};
use crate::clock;
use crate::dialect::answers::{
    DISCARD_BYTES_MAX, DISCARD_MILLISECONDS_MAX, Route, Situation, answer,
};
use crate::dialect::reply;
use crate::intake::{Intake, Outgoing, Received, Seat, Turn};
use actix_http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
};
use actix_http::{ConnectionType, HttpMessage, Method, Payload, Request, Response, StatusCode};
use actix_service::{fn_service, map_config};
use actix_web::HttpServer;
use actix_web::dev::AppConfig;
use actix_web::rt::net::TcpStream;
use actix_web::web::Bytes;
use futures_util::FutureExt;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::convert::Infallible;
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

/// What one worker's thread serves with.
struct Worker {
    shared: Arc<Callbacks>,
    turn: Rc<Turn>,
}

/// A request to one of the two base paths.
struct Incoming {
    request: Request,
    provider: Provider,
    /// Where the path goes on behind the base.
    path_at: usize,
    received_at_ms: i64,
    /// Empty until it was read.
    body: OnceCell<Body>,
}

impl Incoming {
    fn path(&self) -> &str {
        &self.request.path()[self.path_at..]
    }

    fn query(&self) -> &str {
        self.request.uri().query().unwrap_or_default()
    }
}

impl Received for Incoming {
    fn call(&self) -> RawCall<'_> {
        RawCall {
            provider: self.provider,
            path: self.path(),
            query: self.query(),
            headers: self.request.headers(),
            peer: self.request.peer_addr().map(|address| address.ip()),
            body: self.body.get().map_or(&[], |body| &body.bytes),
            received_at_ms: self.received_at_ms,
        }
    }
}

impl Headers for HeaderMap {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.get_all(name).last().map(HeaderValue::as_bytes)
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
        let worker = Rc::new(Worker { shared, turn });
        // No `App`: there is one handler and nothing to route, and what an `App` does around a
        // handler costs as much as reading the head.
        let service = fn_service(move |request: Request| {
            let worker = Rc::clone(&worker);
            async move { Ok::<_, Infallible>(serve(&worker, request).await) }
        });
        map_config(service, |_: AppConfig| ())
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
    seat: &'a Seat<Incoming>,
}

impl Unanswered<'_> {
    /// Intake has counted the call.
    fn answered(self) {
        std::mem::forget(self);
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if !self.seat.is_counted() {
            self.intake.abandoned(self.seat.provider);
        }
    }
}

async fn serve(worker: &Worker, mut request: Request) -> Response<Bytes> {
    let shared = &*worker.shared;
    let mut payload = request.take_payload();
    let Some((provider, path_at)) = place(&shared.limits, request.path()) else {
        let _served = RequestGuard::begin(&shared.gauges, request.conn_data());
        return outside(shared, &mut payload, None, Situation::Path).await;
    };
    if request.method() != Method::POST {
        let _served = RequestGuard::begin(&shared.gauges, request.conn_data());
        return outside(shared, &mut payload, Some(provider), Situation::Method).await;
    }
    let started = clock::now();
    let received_at_ms = clock::unix_ms();
    let body = OnceCell::new();
    let seat = Seat::new(Incoming { request, provider, path_at, received_at_ms, body });
    let _served = RequestGuard::begin(&shared.gauges, seat.request.conn_data());
    shared.intake.ledger.received();
    let open = Unanswered { intake: &shared.intake, seat: &seat };
    let served = AssertUnwindSafe(answer_call(worker, &seat, &mut payload));
    let outgoing = served.catch_unwind().await.unwrap_or_else(|_| {
        shared.intake.refuse_unread(provider, seat.path(), seat.query(), Situation::Panicked)
    });
    open.answered();
    let seconds = started.elapsed().as_secs_f64();
    shared.intake.metrics.seconds(provider, outgoing.phase).observe(seconds);
    respond(shared, outgoing)
}

async fn answer_call(
    worker: &Worker,
    seat: &Rc<Seat<Incoming>>,
    payload: &mut Payload,
) -> Outgoing {
    let shared = &*worker.shared;
    let headers = seat.request.headers();
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
            seat.body.get_or_init(|| body);
            shared.intake.take_in_round(&worker.turn, seat).await
        }
        Err(situation) => {
            let time_max = Duration::from_millis(DISCARD_MILLISECONDS_MAX);
            let gauges = &shared.gauges;
            // In a box, for it is rare and large: the server moves the future of every request about.
            let discarded = body::discard(payload, DISCARD_BYTES_MAX, time_max, gauges);
            let _closed_in_any_case = Box::pin(discarded).await;
            shared.intake.refuse_unread(seat.provider, seat.path(), seat.query(), situation)
        }
    }
}

/// Provider, and where the path goes on behind its base; `None` outside of both.
fn place(limits: &Limits, path: &str) -> Option<(Provider, usize)> {
    let below = |base: &str| {
        let rest = path.strip_prefix(base)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(base.len())
    };
    below(&limits.openim_path)
        .map(|at| (Provider::OpenIm, at))
        .or_else(|| below(&limits.tencent_path).map(|at| (Provider::Tencent, at)))
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
) -> Response<Bytes> {
    let time_max = Duration::from_millis(DISCARD_MILLISECONDS_MAX);
    let discarded = body::discard(payload, DISCARD_BYTES_MAX, time_max, &shared.gauges);
    let whole = Box::pin(discarded).await;
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

fn respond(shared: &Callbacks, outgoing: Outgoing) -> Response<Bytes> {
    let status = StatusCode::from_u16(outgoing.status).unwrap_or(StatusCode::OK);
    let body = match outgoing.body {
        Cow::Borrowed(body) => Bytes::from_static(body),
        Cow::Owned(body) => Bytes::from(body),
    };
    let mut response = Response::with_body(status, body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    for (name, value) in outgoing.headers {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if outgoing.close || shared.gauges.is_stopping() {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    response
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
        let at =
            |path: &'static str| place(&limits, path).map(|(provider, at)| (provider, &path[at..]));
        assert_eq!(at("/openim"), Some((Provider::OpenIm, "")));
        assert_eq!(at("/openim//x/"), Some((Provider::OpenIm, "//x/")));
        assert_eq!(at("/tencent/"), Some((Provider::Tencent, "/")));
        assert_eq!((at("/openimx"), at("/"), at("/OpenIM")), (None, None, None));
    }
}
