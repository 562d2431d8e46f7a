//! The shipper: one thread that reads the journal back and produces it to Kafka.
//!
//! In: a [`Log`], a way to make producer sessions, settings. Out: records in Kafka, the log
//! confirmed, an [`Observer`] told, a [`Status`] to show. What always holds:
//!
//! * Records of one partition reach Kafka in the journal's order, through errors, new sessions and
//!   restarts; one that may be there already carries the header `replay`.
//! * Nothing is confirmed that Kafka did not confirm, but for records that a broker refused when
//!   they were sent alone (those are in the dead-letter topic or in a file; only a log without a
//!   directory skips them) and records that the log cannot read back. All are counted and logged.
//! * What an operator can put right (a missing topic, rights, a property) holds everything, is said
//!   aloud and tried again for ever.
//!
//! The walk: [`worker`] looks at the cluster (topics, size limits), opens a session and runs it
//! ([`session`]); reports set bits of the [`window`], whose prefix is confirmed. When a session
//! fails it is thrown away, and the next one begins at the lowest record that is not done.

pub mod backoff;
mod dead_letter;
pub mod flight;
pub mod health;
pub mod isolation;
pub mod observer;
mod session;
pub mod sink;
pub mod status;
pub mod topics;
pub mod window;
mod worker;

#[cfg(test)]
mod letter_tests;
#[cfg(test)]
mod patchy;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;

pub use observer::{Degraded, ErrorClass, Observer};
pub use sink::{KafkaSinks, Sinks};
pub use status::{Ledger, State, Status};

use crate::clock;
use crate::journal::Log;
use parking_lot::Mutex;
use status::Stop;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Thread;
use std::time::Duration;

/// How long past the deadline a stop waits for the thread to notice: it looks every 100 ms at least.
const GRACE: Duration = Duration::from_millis(250);

/// How the shipper is to work. [`Settings::new`] has values that were measured.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Topics that records may name, as far as known; made sure of before the first record.
    pub topics: Vec<String>,
    /// Where records go that Kafka refuses by themselves; `None`: into files at once.
    pub dead_letter_topic: Option<String>,
    /// Most records in flight: a deeper queue means cold memory, a shallower one more wake-ups.
    pub in_flight_records: usize,
    /// Most bytes in flight.
    pub in_flight_bytes: usize,
    /// Rest between rounds while anything is in flight.
    pub active: Duration,
    /// Longest sleep while nothing is.
    pub idle: Duration,
    /// First rest after a failure.
    pub rest_first: Duration,
    /// Longest rest after failures.
    pub rest_longest: Duration,
    /// Longest rest between looks at a cluster that does not answer: it may be back.
    pub rest_unreachable: Duration,
}

impl Settings {
    /// The usual values.
    #[must_use]
    pub const fn new(topics: Vec<String>) -> Self {
        Self {
            topics,
            dead_letter_topic: None,
            in_flight_records: 5000,
            in_flight_bytes: 8 * 1024 * 1024,
            active: Duration::from_millis(2),
            idle: Duration::from_millis(100),
            rest_first: Duration::from_millis(100),
            rest_longest: Duration::from_secs(30),
            rest_unreachable: Duration::from_secs(1),
        }
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Shipper;

impl Shipper {
    /// Starts the shipper's thread. Returns at once, whatever state Kafka is in.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn spawn(
        log: Arc<dyn Log>,
        sinks: Arc<dyn Sinks>,
        settings: Settings,
        observer: Arc<dyn Observer>,
    ) -> std::io::Result<ShipperHandle> {
        let stop = Arc::new(Stop::default());
        let ledger = Arc::new(Ledger::new(log.usage().confirmed));
        let status = Arc::new(Mutex::new(Status::default()));
        let worker = worker::Worker::new(
            Arc::clone(&log),
            sinks,
            observer,
            settings,
            Arc::clone(&stop),
            Arc::clone(&ledger),
            Arc::clone(&status),
        );
        let (tell, ended) = sync_channel(1);
        let thread = std::thread::Builder::new().name("shipper".to_owned()).spawn(move || {
            // Nobody listens when the handle was dropped.
            let _unheard = tell.send(run_always(worker)).is_err();
        })?;
        let thread = thread.thread().clone();
        Ok(ShipperHandle { log, stop, ledger, status, thread, ended: Mutex::new(ended) })
    }
}

/// Runs the worker until it ends by itself. One that panics begins a new session at the lowest record
/// that is not done, and marks what may be in Kafka already: a defect must not end the way to Kafka
/// for good. What was reported stays reported, so nothing counts twice.
fn run_always(mut worker: worker::Worker) -> u64 {
    loop {
        let run = std::panic::AssertUnwindSafe(|| worker.run());
        if let Ok(left) = std::panic::catch_unwind(run) {
            return left;
        }
        tracing::error!("the shipper panicked, see the line before; it begins again");
        worker.recover();
        if worker.stop.is_over() {
            return worker.left();
        }
        std::thread::sleep(worker.settings.rest_first);
    }
}

/// The shipper as the rest of the program sees it.
#[derive(Debug)]
pub struct ShipperHandle {
    log: Arc<dyn Log>,
    stop: Arc<Stop>,
    ledger: Arc<Ledger>,
    status: Arc<Mutex<Status>>,
    thread: Thread,
    ended: Mutex<Receiver<u64>>,
}

impl ShipperHandle {
    /// Ships on until the log is drained or `within` has passed, then ends the thread. Returns how
    /// many records ended nowhere: those that Kafka has behind one that it does not have are not
    /// among them.
    pub fn stop(&self, within: Duration) -> u64 {
        self.stop.ask(clock::now() + within);
        self.thread.unpark();
        self.ended
            .lock()
            .recv_timeout(within + GRACE)
            .unwrap_or_else(|_| self.ledger.left(self.log.usage().head))
    }

    /// Lets a [`Self::stop`] that is under way on another thread end now.
    pub fn hurry(&self) {
        self.stop.ask(clock::now());
        self.thread.unpark();
    }

    /// What the shipper is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.lock().clone()
    }

    /// Where records ended.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

impl Drop for ShipperHandle {
    /// A shipper that nobody holds ends.
    fn drop(&mut self) {
        self.hurry();
    }
}
