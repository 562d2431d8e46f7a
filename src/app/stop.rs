//! The stop, in order and within its time.
//!
//! In: a bridge that serves, the wish to stop. Out: how many records were lost. What always holds:
//! every step has its share of the drain time, and the last ends with it, or [`CLOSE_MIN`] later when
//! the disk hangs:
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
use tokio::sync::oneshot;

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
/// How long the journal may take for its last write and sync at the stop, if there is so much time.
const CLOSE: Duration = Duration::from_secs(5);
/// It has this in any case, be the time up or the stop hurried: a disk that is well needs no more.
const CLOSE_MIN: Duration = Duration::from_millis(500);
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
        let lost = self.end_journal(&marks, haste).await;
        self.watch.abort();
        self.rules.stop();
        let _in_time = tokio::time::timeout(haste.until(marks.end), closed).await.is_ok();
        let _in_time = tokio::time::timeout(ADMIN, self.admin.stop()).await.is_ok();
        tracing::info!("stopped");
        lost
    }

    /// Ends the way to Kafka and then the journal. Returns how many records were lost.
    async fn end_journal(&self, marks: &Marks, haste: &Haste) -> u64 {
        if !self.on_disk {
            // What was accepted from here on would be lost and not be counted as such.
            self.log.close(Duration::ZERO);
        }
        let (shipper, left) = (Arc::clone(&self.shipper), haste.until(marks.end));
        // On disk nothing waits for Kafka: only what is under way may still arrive.
        let left = if self.on_disk { left.min(FLUSH) } else { left };
        let ended = tokio::task::spawn_blocking(move || shipper.stop(left));
        let waiting = ended.await.unwrap_or_default();
        let unwritten = self.close_log(marks, haste).await;
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

    /// Lets the journal write and sync the last of it, while there is time. Returns how many records
    /// it could not write.
    async fn close_log(&self, marks: &Marks, haste: &Haste) -> u64 {
        let within = haste.until(marks.end).clamp(CLOSE_MIN, CLOSE);
        let mut until = clock::now() + within;
        let (log, (tell, mut closed)) = (Arc::clone(&self.log), oneshot::channel());
        // No thread of the runtime: that would wait for it, however long the disk hangs.
        let thread = std::thread::Builder::new().name("journal-close".to_owned());
        let closing = move || {
            // Nobody listens when the stop was hurried meanwhile.
            let _unheard = tell.send(log.close(within)).is_err();
        };
        if let Err(error) = thread.spawn(closing) {
            tracing::warn!(%error, "no thread to close the journal on");
            return self.log.close(CLOSE_MIN);
        }
        loop {
            tokio::select! {
                unwritten = &mut closed => {
                    return unwritten.unwrap_or_else(|_| self.log.close(Duration::ZERO));
                }
                () = tokio::time::sleep(LOOK) => {}
            }
            let now = clock::now();
            if haste.is_asked() {
                until = until.min(now + CLOSE_MIN);
            }
            if now >= until {
                return self.log.close(Duration::ZERO);
            }
        }
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
    use crate::app::listeners;
    use crate::catalogue::Catalogue;
    use crate::config::Config;
    use crate::journal::storage::Storage;
    use crate::journal::storage::sim::{Disk, Operation, SimStorage};
    use crate::record::{Batch, Head};

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

    /// Stops a bridge whose disk syncs no more; how long that took.
    fn stop_over_a_stalled_disk(drain: &str, hurry: Option<Duration>) -> Duration {
        let dir = tempfile::tempdir().expect("there is a place for files");
        let dir = dir.path().to_str().expect("it is text");
        let vars = [
            ("IMBRIDGE_LISTEN", "127.0.0.1:0"),
            ("IMBRIDGE_ADMIN_LISTEN", "127.0.0.1:0"),
            ("IMBRIDGE_KAFKA_BROKERS", "127.0.0.1:1"),
            ("IMBRIDGE_JOURNAL_DIR", dir),
            ("IMBRIDGE_DRAIN_SECONDS", drain),
        ];
        let vars = vars.map(|(name, value)| (name.into(), value.into()));
        let config = Config::for_serve(vars).expect("the settings are right");
        let listeners = listeners(&config, None).expect("there are ports");
        let storage = Arc::new(SimStorage::new(Disk::default()));
        let disk: Arc<dyn Storage> = Arc::<SimStorage>::clone(&storage);
        let catalogue = Arc::new(Catalogue::embedded());
        let took = crate::http::block_on(async {
            let app = App::start_over(&config, "127.0.0.1:1", catalogue, listeners, Some(disk));
            let app = app.expect("it starts");
            storage.stall(&[Operation::Sync]);
            let mut batch = Batch::new();
            let head = Head { id: "0", topic: "t", key: None, timestamp_ms: 0 };
            batch.push(&head, &[], b"{}");
            app.log.append(&mut batch).expect("there is room");
            let started = clock::now();
            let lost = match hurry {
                Some(after) => app.stop_unless(tokio::time::sleep(after)).await,
                None => app.stop().await,
            };
            assert_eq!(lost, 0);
            started.elapsed()
        });
        storage.release();
        took
    }

    /// The journal had 5 s for its last sync, whatever the drain time was.
    #[test]
    fn a_disk_that_hangs_does_not_let_a_stop_outlast_its_time() {
        let took = stop_over_a_stalled_disk("1", None);
        assert!(took < Duration::from_secs(3), "{took:?}");
    }

    #[test]
    fn a_second_signal_ends_the_wait_for_a_disk_that_hangs() {
        // The first moment is before the journal is closed, the second while it is.
        for moment in [Duration::ZERO, Duration::from_millis(2500)] {
            let took = stop_over_a_stalled_disk("600", Some(moment));
            assert!(took < moment + Duration::from_millis(1800), "{took:?}");
        }
    }
}
