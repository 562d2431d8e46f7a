//! The admin port: metrics, probes, status, rules.
//!
//! In: requests of operators and their machines. Out: text for Prometheus, JSON for all else. What
//! always holds: `/metrics`, `/live` and `/ready` answer anybody; everything else asks for the token,
//! and without one set answers on a loopback address only; what changes something is a POST, and none
//! that a page of another site had a browser send.

use super::Running;
use actix_web::http::header::{ALLOW, AUTHORIZATION, HeaderValue, ORIGIN, WWW_AUTHENTICATE};
use actix_web::http::{Method, StatusCode};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::net::TcpListener;
use std::pin::Pin;
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

/// The pages about rules; `app` fills them.
pub trait RulePages: Send + Sync {
    /// What is in force.
    fn rules(&self) -> Value;
    /// Switches all rules off or on; what is in force then.
    fn switch(&self, on: bool) -> Value;
    /// Has the rule file read again; what came of it, once that is known.
    fn reload(&self) -> Pin<Box<dyn Future<Output = Reloaded>>>;
}

/// What came of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reloaded {
    /// The file is in force: 200.
    Done(Value),
    /// The file is refused, and what was in force stays so: 422.
    Refused(Value),
    /// There is no rule file: 409.
    NoFile,
    /// The bridge ends before it is known: 503.
    Stopping,
}

/// The admin port's own settings.
pub struct Admin {
    /// What the pages show.
    pub pages: Arc<dyn Pages>,
    /// What the pages about rules show and do.
    pub rules: Arc<dyn RulePages>,
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
            async move { page(&admin, &request).await }
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

async fn page(admin: &Admin, request: &HttpRequest) -> HttpResponse {
    let path = request.path();
    let open = matches!(path, "/metrics" | "/live" | "/ready");
    if !open && let Some(refused) = refuse(admin, request) {
        return refused;
    }
    let acts = matches!(path, "/rules/reload" | "/rules/off" | "/rules/on");
    let known = acts || open || matches!(path, "/status" | "/rules");
    let method = request.method();
    if acts && *method != Method::POST {
        return not_allowed("POST", "only POST here");
    }
    if !acts && known && !matches!(*method, Method::GET | Method::HEAD) {
        return not_allowed("GET, HEAD", "only GET here");
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
        "/rules" => HttpResponse::Ok().json(admin.rules.rules()),
        "/rules/off" => HttpResponse::Ok().json(admin.rules.switch(false)),
        "/rules/on" => HttpResponse::Ok().json(admin.rules.switch(true)),
        "/rules/reload" => reloaded(admin.rules.reload().await),
        _ => problem(
            StatusCode::NOT_FOUND,
            "there are /metrics, /live, /ready, /status, /rules, and by POST /rules/reload, \
             /rules/off and /rules/on",
        ),
    }
}

fn reloaded(reloaded: Reloaded) -> HttpResponse {
    match reloaded {
        Reloaded::Done(body) => HttpResponse::Ok().json(body),
        Reloaded::Refused(body) => HttpResponse::UnprocessableEntity().json(body),
        Reloaded::NoFile => {
            problem(StatusCode::CONFLICT, "there is no rule file: IMBRIDGE_RULES is not set")
        }
        Reloaded::Stopping => problem(StatusCode::SERVICE_UNAVAILABLE, "the bridge is stopping"),
    }
}

fn not_allowed(methods: &'static str, sentence: &str) -> HttpResponse {
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, sentence);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
}

/// The refusal of a request that may not see more than the probes.
fn refuse(admin: &Admin, request: &HttpRequest) -> Option<HttpResponse> {
    let Some(token) = &admin.token else {
        let sentence = "set IMBRIDGE_ADMIN_TOKEN to see this page on other than a loopback address";
        if !admin.loopback {
            return Some(problem(StatusCode::FORBIDDEN, sentence));
        }
        // A browser on this machine sends what any page wants it to, and says for whom.
        let foreign = request.method() == Method::POST && request.headers().contains_key(ORIGIN);
        let sentence = "set IMBRIDGE_ADMIN_TOKEN to do this from a browser";
        return foreign.then(|| problem(StatusCode::FORBIDDEN, sentence));
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
        let value = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
        response
    })
}

fn problem(status: StatusCode, sentence: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({ "error": sentence }))
}
