//! The edge: sockets, HTTP/1.1, and nothing else.
//!
//! In: listeners that somebody bound. Out: two servers, one for callbacks and one for operators. What
//! always holds: a body is bounded in bytes and time and read before anything is answered; no answer
//! waits for Kafka; `actix_web` is used nowhere else.

pub mod admin;
mod body;
pub mod callbacks;
pub mod connections;

use actix_web::dev::ServerHandle;
use connections::Connections;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// Connections that may wait to be accepted.
pub const BACKLOG: i32 = 4096;
/// Connections of one worker; more wait in the backlog.
const CONNECTIONS_PER_WORKER: usize = 50_000;

/// Limits of the callback port.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Larger bodies are refused.
    pub body_bytes_max: usize,
    /// Time for a head, and for a body.
    pub body_time_max: Duration,
    /// Idle connections are kept so long.
    pub keep_alive: Duration,
    /// Bodies in memory at once.
    pub inflight_bytes_max: usize,
    /// Base path of `OpenIM`.
    pub openim_path: String,
    /// Base path of Tencent.
    pub tencent_path: String,
    /// Longest stop.
    pub drain: Duration,
}

/// What both servers and the stop look at.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Open connections.
    pub connections: AtomicI64,
    /// Bytes of bodies in memory.
    pub inflight_bytes: AtomicUsize,
    /// Requests being served.
    pub requests: AtomicI64,
    /// Requests that have ever begun; the stop watches it for silence.
    pub begun: AtomicUsize,
    /// The stop has begun: answers end their connections.
    pub stopping: AtomicBool,
    /// The open connections, each by itself.
    open: Connections,
    /// The stop waits no longer for bodies that are not whole.
    given_up: watch::Sender<bool>,
}

impl Gauges {
    /// Whether the stop has begun.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Bodies that are not whole by now are too slow.
    pub fn give_up_on_bodies(&self) {
        self.given_up.send_replace(true);
    }

    /// Ready once nobody waits for bodies any more.
    async fn given_up(&self) {
        let mut given_up = self.given_up.subscribe();
        if given_up.wait_for(|given_up| *given_up).await.is_err() {
            // Nobody is left who could say so.
            std::future::pending::<()>().await;
        }
    }
}

/// Binds a listener with our backlog; port 0 takes any.
///
/// # Errors
/// The address is taken or not ours; the text says which.
pub fn bind(address: std::net::SocketAddr) -> std::io::Result<TcpListener> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A server that was started; dropped, it runs on.
#[derive(Debug, Clone)]
pub struct Running {
    handle: ServerHandle,
}

impl Running {
    /// Accepts no more connections; the others are served on.
    pub async fn pause(&self) {
        self.handle.pause().await;
    }

    /// Ends the server, begun at once: stops accepting and closes its connections, those with a
    /// request in progress after it. Ready when all are closed; actix looks once a second.
    pub fn stop(&self) -> impl Future<Output = ()> + use<> {
        self.handle.stop(true)
    }
}

/// Runs a future, and the servers that it starts, on a runtime of this thread.
///
/// # Errors
/// Those of the future.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    actix_web::rt::System::new().block_on(future)
}
