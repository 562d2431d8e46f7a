//! Settings of the two ports: callbacks and admin.
//!
//! In: texts. Out: [`Http`] and [`Admin`]. Invariant: every bound is positive and in range.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use serde::Deserialize;

use super::read::Reader;
use super::secret::Secret;

/// More workers than any machine has use for; a larger number is a slip of the finger.
const WORKERS_MAX: u64 = 1024;

/// The callback port.
#[derive(Debug, Clone)]
pub struct Http {
    /// `IMBRIDGE_LISTEN`.
    pub listen: SocketAddr,
    /// `IMBRIDGE_WORKERS`, at least 1.
    pub workers: usize,
    /// `IMBRIDGE_BODY_BYTES_MAX`, at least 1.
    pub body_bytes_max: usize,
    /// `IMBRIDGE_BODY_SECONDS_MAX`, at least 1 s.
    pub body_seconds_max: Duration,
    /// `IMBRIDGE_KEEP_ALIVE_SECONDS`; zero: no keep-alive.
    pub keep_alive: Duration,
    /// `IMBRIDGE_INFLIGHT_BYTES_MAX`, at least 1.
    pub inflight_bytes_max: usize,
    /// `IMBRIDGE_DRAIN_SECONDS`; zero: stop without waiting.
    pub drain: Duration,
}

/// The admin port.
#[derive(Debug, Clone)]
pub struct Admin {
    /// `IMBRIDGE_ADMIN_LISTEN`.
    pub listen: SocketAddr,
    /// `IMBRIDGE_ADMIN_TOKEN` or its file; visible ASCII characters.
    pub token: Option<Secret>,
}

#[derive(Deserialize)]
pub(super) struct HttpVars {
    listen: Option<String>,
    workers: Option<String>,
    body_bytes_max: Option<String>,
    body_seconds_max: Option<String>,
    keep_alive_seconds: Option<String>,
    inflight_bytes_max: Option<String>,
    drain_seconds: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct AdminVars {
    admin_listen: Option<String>,
    admin_token: Option<String>,
    admin_token_file: Option<String>,
}

pub(super) fn read_http(vars: HttpVars, reader: &mut Reader) -> Http {
    let http = Http {
        listen: reader.address("IMBRIDGE_LISTEN", vars.listen),
        workers: workers(vars.workers, reader),
        body_bytes_max: reader.memory_bytes("IMBRIDGE_BODY_BYTES_MAX", vars.body_bytes_max),
        body_seconds_max: reader.seconds("IMBRIDGE_BODY_SECONDS_MAX", vars.body_seconds_max, 1),
        keep_alive: reader.seconds("IMBRIDGE_KEEP_ALIVE_SECONDS", vars.keep_alive_seconds, 0),
        inflight_bytes_max: reader
            .memory_bytes("IMBRIDGE_INFLIGHT_BYTES_MAX", vars.inflight_bytes_max),
        drain: reader.seconds("IMBRIDGE_DRAIN_SECONDS", vars.drain_seconds, 0),
    };
    if http.body_bytes_max > http.inflight_bytes_max {
        reader.warnings.push(format!(
            "IMBRIDGE_BODY_BYTES_MAX is {}, more than IMBRIDGE_INFLIGHT_BYTES_MAX ({}): bodies \
             above the latter are always answered as overloaded",
            http.body_bytes_max, http.inflight_bytes_max
        ));
    }
    http
}

/// The only number whose default is found at start: as many workers as this process may use cores.
fn workers(given: Option<String>, reader: &mut Reader) -> usize {
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let Some(text) = given else { return cores };
    let number = super::read::digits(&text).filter(|number| (1..=WORKERS_MAX).contains(number));
    let Some(number) = number.and_then(|number| usize::try_from(number).ok()) else {
        let expected = format!("a whole number from 1 to {WORKERS_MAX}");
        reader.unexpected("IMBRIDGE_WORKERS", &text, &expected);
        return cores;
    };
    number
}

pub(super) fn read_admin(vars: AdminVars, reader: &mut Reader) -> Admin {
    let names = ("IMBRIDGE_ADMIN_TOKEN", "IMBRIDGE_ADMIN_TOKEN_FILE");
    let token = reader.secret(names, vars.admin_token, vars.admin_token_file);
    if let Some((name, token)) = &token
        && !token.reveal().bytes().all(|byte| byte.is_ascii_graphic())
    {
        // Anything else could never arrive in an Authorization header, so nobody could log in.
        let what = "has a value that cannot be a bearer token: expected visible ASCII characters \
                    without spaces";
        reader.problem(name, what);
    }
    Admin {
        listen: reader.address("IMBRIDGE_ADMIN_LISTEN", vars.admin_listen),
        token: token.map(|(_, token)| token),
    }
}
