//! The stop, in order and within its time.
//!
//! In: a bridge that serves, the wish to stop. Out: how many records were lost. What always holds:
//! every step has its share of the drain time, and the last ends with it:
//!
//! * until [`ACCEPT`]: everything is served as ever, with `Connection: close`; a connection that is
//!   quiet is closed; when none is open and nothing comes any more, the step is over early;
//! * until [`BODIES`]: nobody new is served; requests in progress go on;
//! * until [`REQUESTS`]: bodies that still are not whole are answered as too slow;
//! * to the end: the shipper has it for itself. It has shipped all along, so what is left is what
//!   the last requests appended, unless Kafka is away. With a journal on disk nothing waits for
//!   Kafka: the journal is written and synced, and the next start goes on with it.

use super::App;
use crate::clock;
use crate::http::connections::QuietCloser;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a connection must be without a request before the stop closes it.
const QUIET: Duration = Duration::from_millis(1500);
/// How long nothing may come while no connection is open. Senders open a new one for each request
/// while the bridge stops, and a balancer may send some more before it knows, so one quiet moment is
/// not the end.
const QUIET_ALONE: Duration = Duration::from_millis(250);
/// Connections that could not be closed one by one are not waited for any longer than this.
const QUIET_ALL: Duration = Duration::from_secs(2);
/// Requests on connections that were accepted at the last moment are waited for this long.
const SETTLE_MAX: Duration = Duration::from_millis(100);
/// How long records may still arrive in Kafka at the stop when the journal is on disk.
const FLUSH: Duration = Duration::from_millis(500);
/// How long the journal may take for its last write and sync at the stop.
const CLOSE: Duration = Duration::from_secs(5);
/// How often the stop looks.
const LOOK: Duration = Duration::from_millis(20);
/// Pages that the admin port is in the middle of get this long; all has been counted by then.
const ADMIN: Duration = Duration::from_millis(100);

/// Sixteenths of the drain time until which new requests are served.
const ACCEPT: u32 = 12;
/// Sixteenths until which bodies may still come in.
const BODIES: u32 = 14;
/// Sixteenths until which answers are waited for.
const REQUESTS: u32 = 15;

/// When which step of a stop is over.
#[derive(Debug, Clone, Copy)]
struct Marks {
    accept: Instant,
    bodies: Instant,
    requests: Instant,
    end: Instant,
}

impl Marks {
    fn new(start: Instant, drain: Duration) -> Self {
        let at = |sixteenths| start + drain / 16 * sixteenths;
        Self { accept: at(ACCEPT), bodies: at(BODIES), requests: at(REQUESTS), end: start + drain }
    }
}

/// How far a stop has come, and whether somebody has lost patience with it.
#[derive(Default)]
struct Haste {
    asked: AtomicBool,
    shipping: AtomicBool,
}

impl Haste {
    fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Time until a mark.
    fn until(&self, mark: Instant) -> Duration {
        if self.is_asked() { Duration::ZERO } else { mark.saturating_duration_since(clock::now()) }
    }
}

impl App {
    /// Stops: serves what still comes until it is quiet, closes, ships what is left, all within the
    /// drain time. Returns how many records were lost.
    pub async fn stop(self) -> u64 {
        self.stop_unless(std::future::pending()).await
    }

    /// As [`Self::stop`]; when `hurry` is ready before it is done, it waits for nothing any more:
    /// requests in progress are cut off, and what is not in Kafka is lost, counted and logged.
    pub async fn stop_unless(self, hurry: impl Future<Output = ()>) -> u64 {
        let haste = Haste::default();
        let shipper = Arc::clone(&self.shipper);
        let mut stopping = pin!(self.stopping(&haste));
        tokio::select! {
            lost = &mut stopping => return lost,
            () = hurry => {}
        }
        tracing::warn!("stopping at once, as asked again");
        haste.asked.store(true, Ordering::Relaxed);
        // Not before: what the last requests append would come after its end and be counted nowhere.
        if haste.shipping.load(Ordering::Relaxed) {
            shipper.hurry();
        }
        stopping.await
    }

    async fn stopping(self, haste: &Haste) -> u64 {
        let marks = Marks::new(clock::now(), self.drain);
        self.gauges.stopping.store(true, Ordering::Relaxed);
        // What it has not taken yet is there at the next start.
        if let Some(requeue) = &self.requeue {
            requeue.abort();
        }
        tracing::info!(
            drain_seconds = self.drain.as_secs(),
            "stopping: answers end their connections"
        );
        self.serve_until_quiet(marks.accept, haste).await;
        // actix drops what it has accepted and not yet looked at when it stops, so first it accepts
        // no more.
        self.callbacks.pause().await;
        self.settle(haste).await;
        let closed = self.callbacks.stop();
        self.finish_requests(&marks, haste).await;
        haste.shipping.store(true, Ordering::Relaxed);
        let lost = self.end_journal(haste.until(marks.end)).await;
        self.watch.abort();
        let _in_time = tokio::time::timeout(haste.until(marks.end), closed).await.is_ok();
        let _in_time = tokio::time::timeout(ADMIN, self.admin.stop()).await.is_ok();
        tracing::info!("stopped");
        lost
    }

    /// Ends the way to Kafka and then the journal. Returns how many records were lost.
    async fn end_journal(&self, left: Duration) -> u64 {
        let (shipper, log) = (Arc::clone(&self.shipper), Arc::clone(&self.log));
        // On disk nothing waits for Kafka: only what is under way may still arrive.
        let left = if self.on_disk { left.min(FLUSH) } else { left };
        let ended = tokio::task::spawn_blocking(move || (shipper.stop(left), log.close(CLOSE)));
        let (waiting, unwritten) = ended.await.unwrap_or_default();
        if !self.on_disk {
            self.ledger.lost(waiting);
            if waiting > 0 {
                tracing::error!(
                    lost = waiting,
                    "{waiting} records were not in Kafka at the end and are lost: the journal was \
                     in memory"
                );
            }
            return waiting;
        }
        if unwritten > 0 {
            tracing::error!(
                records = unwritten,
                "{unwritten} records could not be written at the end: their callbacks were not \
                 accepted, or they are decisions"
            );
        }
        let waiting = waiting.saturating_sub(unwritten);
        tracing::info!(
            records = waiting,
            "{waiting} records wait in the journal for the next start"
        );
        0
    }

    /// Serves until no connection is open and nothing comes any more, and closes quiet ones.
    async fn serve_until_quiet(&self, deadline: Instant, haste: &Haste) {
        let mut closer = QuietCloser::default();
        let mut begun = self.gauges.begun.load(Ordering::Relaxed);
        let mut since = clock::now();
        loop {
            let now = clock::now();
            closer.look(&self.gauges, now, QUIET);
            let fresh = self.gauges.begun.load(Ordering::Relaxed);
            if self.is_busy() || fresh != begun {
                (begun, since) = (fresh, now);
            }
            let enough = if self.none_open() { QUIET_ALONE } else { QUIET_ALL };
            if now.duration_since(since) >= enough || now >= deadline || haste.is_asked() {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Nobody comes any more: lets those that did just before be heard.
    async fn settle(&self, haste: &Haste) {
        let until = clock::now() + SETTLE_MAX.min(self.drain / 16);
        while !self.none_open() && !haste.until(until).is_zero() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits for requests in progress.
    async fn finish_requests(&self, marks: &Marks, haste: &Haste) {
        while (self.is_busy() || !self.none_open()) && !haste.until(marks.requests).is_zero() {
            if haste.until(marks.bodies).is_zero() {
                self.gauges.give_up_on_bodies();
            }
            tokio::time::sleep(LOOK).await;
        }
        let cut = self.gauges.requests.load(Ordering::Relaxed);
        if cut > 0 {
            tracing::warn!(cut, "{cut} requests were not done in time and are cut off");
        }
    }

    fn is_busy(&self) -> bool {
        self.gauges.requests.load(Ordering::Relaxed) > 0
    }

    fn none_open(&self) -> bool {
        self.gauges.connections.load(Ordering::Relaxed) <= 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_a_share_of_whatever_the_drain_time_is() {
        let start = clock::now();
        for seconds in [1, 2, 10, 365 * 24 * 60 * 60] {
            let drain = Duration::from_secs(seconds);
            let marks = Marks::new(start, drain);
            let share = |mark: Instant| mark - start;
            assert!(share(marks.accept) > drain / 2);
            assert!(share(marks.bodies) > share(marks.accept));
            assert!(share(marks.requests) > share(marks.bodies));
            assert_eq!(share(marks.end), drain);
            assert!(marks.end - marks.requests >= drain / 17, "the shipper's own share");
        }
    }
}
