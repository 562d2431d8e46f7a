//! The connections of the callback port, each by itself, so that a stop can close those that are
//! quiet while others are busy.
//!
//! In: connections as they open, requests as they begin and end, the moment of a look. Out: quiet
//! connections ended. What always holds: a request costs two counters of its own connection, which
//! no other thread touches; a connection is ended by closing its reading half, so that what arrived
//! before is still answered.

use super::Gauges;
use parking_lot::Mutex;
use socket2::{SockRef, Socket};
use std::collections::HashMap;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// All open connections.
#[derive(Debug, Default)]
pub(super) struct Connections {
    next: AtomicU64,
    open: Mutex<HashMap<u64, Arc<Connection>>>,
}

/// One of them.
#[derive(Debug)]
struct Connection {
    begun: AtomicU64,
    ended: AtomicU64,
    /// A second descriptor of its socket: actix keeps the first one to itself. `None` when there was
    /// none left; the connection is then served like any other, and closed with the server.
    socket: Option<Socket>,
}

impl Connection {
    /// Ends it, gently: actix finds no more to read, answers what it has, and closes.
    fn end(&self) {
        if let Some(socket) = &self.socket {
            // It may have been closed by the sender meanwhile.
            let _gone = socket.shutdown(Shutdown::Read).is_err();
        }
    }
}

/// Counts a connection while it is open; belongs to the connection.
pub(super) struct ConnectionGuard {
    number: u64,
    connection: Arc<Connection>,
    gauges: Arc<Gauges>,
}

impl ConnectionGuard {
    pub(super) fn open(gauges: &Arc<Gauges>, stream: Option<&impl AsFd>) -> Self {
        gauges.connections.fetch_add(1, Ordering::Relaxed);
        let socket = stream.and_then(|stream| SockRef::from(stream).try_clone().ok());
        let connection = Connection { begun: AtomicU64::new(0), ended: AtomicU64::new(0), socket };
        let connection = Arc::new(connection);
        let number = gauges.open.next.fetch_add(1, Ordering::Relaxed);
        gauges.open.open.lock().insert(number, Arc::clone(&connection));
        Self { number, connection, gauges: Arc::clone(gauges) }
    }

    pub(super) fn begin(&self) {
        self.connection.begun.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.connection.ended.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.gauges.open.open.lock().remove(&self.number);
        self.gauges.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Ends connections that are quiet, look by look.
#[derive(Debug, Default)]
pub struct QuietCloser {
    /// Requests that had begun, and since when there were no others.
    seen: HashMap<u64, (u64, Instant)>,
}

impl QuietCloser {
    /// Ends each connection that has had no request for `quiet`, or since the first look.
    pub fn look(&mut self, gauges: &Gauges, now: Instant, quiet: Duration) {
        let open = gauges.open.open.lock();
        self.seen.retain(|number, _| open.contains_key(number));
        for (number, connection) in &*open {
            let begun = connection.begun.load(Ordering::Relaxed);
            let busy = begun != connection.ended.load(Ordering::Relaxed);
            let (known, since) = self.seen.entry(*number).or_insert((begun, now));
            if busy || *known != begun {
                (*known, *since) = (begun, now);
            } else if now.saturating_duration_since(*since) >= quiet {
                connection.end();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};

    fn ended(stream: &mut TcpStream) -> bool {
        stream.set_nonblocking(true).unwrap();
        matches!(stream.read(&mut [0; 8]), Ok(0))
    }

    #[test]
    fn a_quiet_connection_ends_while_a_busy_one_goes_on() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connect = || {
            let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (ours, listener.accept().unwrap().0)
        };
        let gauges = Arc::new(Gauges::default());
        let ((_a, mut idle), (_b, mut serving), (_c, mut used)) = (connect(), connect(), connect());
        let guards: Vec<_> =
            [&idle, &serving, &used].map(|one| ConnectionGuard::open(&gauges, Some(one))).into();
        assert_eq!(gauges.connections.load(Ordering::Relaxed), 3);
        let (start, quiet) = (clock::now(), Duration::from_secs(1));
        let mut closer = QuietCloser::default();
        guards[1].begin();
        closer.look(&gauges, start, quiet);
        guards[2].begin();
        guards[2].end();
        closer.look(&gauges, start + quiet / 2, quiet);
        closer.look(&gauges, start + quiet, quiet);
        assert!(ended(&mut idle) && !ended(&mut serving) && !ended(&mut used));
        closer.look(&gauges, start + quiet * 3 / 2, quiet);
        assert!(!ended(&mut serving) && ended(&mut used));
        guards[1].end();
        closer.look(&gauges, start + quiet * 2, quiet);
        closer.look(&gauges, start + quiet * 5 / 2, quiet);
        assert!(ended(&mut serving));
        drop(guards);
        closer.look(&gauges, start + quiet * 3, quiet);
        assert!(closer.seen.is_empty() && gauges.open.open.lock().is_empty());
        assert_eq!(gauges.connections.load(Ordering::Relaxed), 0);
    }
}
