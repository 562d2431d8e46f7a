//! The admin port: metrics, probes, status.
//!
//! In: GET requests of operators and their machines. Out: text for Prometheus, JSON for all else. What
//! always holds: `/metrics`, `/live` and `/ready` answer anybody; everything else asks for the token,
//! and without one set answers on a loopback address only.

use super::Running;
use actix_web::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use actix_web::http::{Method, StatusCode};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

/// What the pages show; `app` fills it.
pub trait Pages: Send + Sync {
    /// Text for Prometheus.
    fn metrics(&self) -> Vec<u8>;
    /// Whether callbacks are served, and why not, or what is degraded.
    fn ready(&self) -> Readiness;
    /// For people and `doctor`.
    fn status(&self) -> Value;
}

/// State of `/ready`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readiness {
    /// 200, else 503.
    pub ready: bool,
    /// Why not ready.
    pub reasons: Vec<String>,
    /// What is wrong though callbacks are served.
    pub degraded: Vec<String>,
}

/// The admin port's own settings.
pub struct Admin {
    /// What the pages show.
    pub pages: Arc<dyn Pages>,
    /// Bearer token.
    pub token: Option<String>,
    /// Whether it listens on a loopback address.
    pub loopback: bool,
}

/// Starts the server on a bound listener; must be called inside an actix runtime.
///
/// # Errors
/// The listener cannot be used.
pub fn start(admin: Arc<Admin>, listener: TcpListener) -> std::io::Result<Running> {
    let server = HttpServer::new(move || {
        let admin = Arc::clone(&admin);
        App::new().default_service(web::to(move |request: HttpRequest, _body: web::Bytes| {
            let admin = Arc::clone(&admin);
            async move { page(&admin, &request) }
        }))
    })
    .workers(1)
    .client_request_timeout(Duration::from_secs(10))
    .shutdown_timeout(1)
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    Ok(Running { handle })
}

fn page(admin: &Admin, request: &HttpRequest) -> HttpResponse {
    let path = request.path();
    let open = matches!(path, "/metrics" | "/live" | "/ready");
    if !open && let Some(refused) = refuse(admin, request) {
        return refused;
    }
    let known = open || path == "/status";
    if known && !matches!(*request.method(), Method::GET | Method::HEAD) {
        return problem(StatusCode::METHOD_NOT_ALLOWED, "only GET here");
    }
    match path {
        "/metrics" => HttpResponse::Ok()
            .content_type("text/plain; version=0.0.4; charset=utf-8")
            .body(admin.pages.metrics()),
        "/live" => HttpResponse::Ok().json(json!({ "live": true })),
        "/ready" => {
            let Readiness { ready, reasons, degraded } = admin.pages.ready();
            let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            let body = json!({ "ready": ready, "reasons": reasons, "degraded": degraded });
            HttpResponse::build(status).json(body)
        }
        "/status" => HttpResponse::Ok().json(admin.pages.status()),
        _ => problem(StatusCode::NOT_FOUND, "there are /metrics, /live, /ready and /status"),
    }
}

/// The refusal of a request that may not see more than the probes.
fn refuse(admin: &Admin, request: &HttpRequest) -> Option<HttpResponse> {
    let Some(token) = &admin.token else {
        let sentence = "set IMBRIDGE_ADMIN_TOKEN to see this page on other than a loopback address";
        return (!admin.loopback).then(|| problem(StatusCode::FORBIDDEN, sentence));
    };
    let header = request.headers().get(AUTHORIZATION).and_then(|header| header.to_str().ok());
    let given = header.and_then(|header| {
        let (scheme, rest) = header.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(rest.trim())
    });
    // Digests are compared, not texts: how far two digests agree tells nothing about the token.
    let same = given.is_some_and(|given| Sha256::digest(given) == Sha256::digest(token));
    (!same).then(|| {
        let mut response =
            problem(StatusCode::UNAUTHORIZED, "give the token of IMBRIDGE_ADMIN_TOKEN");
        let value = actix_web::http::header::HeaderValue::from_static("Bearer");
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
        response
    })
}

fn problem(status: StatusCode, sentence: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({ "error": sentence }))
}
