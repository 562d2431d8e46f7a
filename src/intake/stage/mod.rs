//! A worker with one intake over a log that does what a test says, in time that stands still.
//!
//! In: calls, and what the log does to them. Out: which call is answered when and how, what the log was
//! offered, and what was counted. For the tests of intake only.

pub(super) mod double;

use super::{Intake, Outgoing, Received, Seat, Turn, Verdicts};
use crate::call::{Headers, Provider, RawCall};
use crate::catalogue::Catalogue;
use crate::clock;
use crate::dialect::door::{Door, Everybody};
use crate::event::{EventFormat, TopicBy};
use crate::normalise::{Normaliser, Settings};
use crate::rules::AllowAll;
use crate::telemetry::{Ledger, Limiter, Metrics, ReasonLimiters};
use crate::verdict::OnFault;
use double::Double;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::task::{JoinHandle, LocalSet, spawn_local, yield_now};

pub(super) const HOLD: Duration = Duration::from_secs(1);
pub(super) const AFTER: &str = "/callbackAfterDisMissGroupCommand";
pub(super) const BEFORE: &str = "/callbackBeforeSetGroupMemberInfoCommand";
pub(super) const UNHEARD_OF: &str = "/callbackOfTomorrowCommand";

struct NoHeaders;

impl Headers for NoHeaders {
    fn get(&self, _name: &str) -> Option<&[u8]> {
        None
    }
}

/// An `OpenIM` request.
pub(super) struct Sent {
    pub(super) path: &'static str,
    pub(super) body: String,
}

impl Received for Sent {
    fn call(&self) -> RawCall<'_> {
        RawCall {
            provider: Provider::OpenIm,
            path: self.path,
            query: "",
            headers: &NoHeaders,
            peer: None,
            body: self.body.as_bytes(),
            received_at_ms: 1_735_689_600_123,
        }
    }
}

/// A body for all paths of the tests.
pub(super) fn body(group: &str) -> String {
    format!("{{\"groupID\":\"{group}\",\"userID\":\"u\",\"ownerID\":\"o\"}}")
}

/// One worker over a double.
pub(super) struct Stage {
    pub(super) log: Arc<Double>,
    pub(super) intake: Rc<Intake>,
    pub(super) turn: Rc<Turn>,
}

impl Stage {
    pub(super) fn new(waits_for_kafka: bool) -> Self {
        static CATALOGUE: OnceLock<Arc<Catalogue>> = OnceLock::new();
        let catalogue = CATALOGUE.get_or_init(|| Arc::new(Catalogue::embedded()));
        let settings = Settings {
            topic_prefix: "im.".to_owned(),
            topic_by: TopicBy::Kind,
            event_format: EventFormat::Structured,
            event_bytes_max: 1 << 20,
        };
        let log = Arc::new(Double::default());
        let intake = Intake {
            door: Door::new(Arc::clone(catalogue), "demo", Box::new(Everybody)),
            normaliser: Arc::new(Normaliser::new(Arc::clone(catalogue), settings)),
            rules: Box::new(AllowAll),
            log: Arc::<Double>::clone(&log),
            metrics: Arc::new(Metrics::new(catalogue, "0", "0")),
            ledger: Arc::new(Ledger::default()),
            hold: HOLD,
            waits_for_kafka,
            on_fault: OnFault::Allow,
            refusals: ReasonLimiters::new(),
            oversize: Limiter::new(),
            dropped: Limiter::new(),
            verdicts: Verdicts::default(),
        };
        let turn = intake.turn();
        Self { log, intake: Rc::new(intake), turn }
    }

    /// A call on a task of its own; what was answered, and after how long.
    pub(super) fn call(&self, path: &'static str, group: &str) -> JoinHandle<(Outgoing, Duration)> {
        self.send(path, body(group))
    }

    pub(super) fn send(
        &self,
        path: &'static str,
        body: String,
    ) -> JoinHandle<(Outgoing, Duration)> {
        let (intake, turn) = (Rc::clone(&self.intake), Rc::clone(&self.turn));
        intake.ledger.received();
        spawn_local(async move {
            let started = clock::now();
            let seat = Seat::new(Sent { path, body });
            let outgoing = intake.take_in_round(&turn, &seat).await;
            (outgoing, started.elapsed_now())
        })
    }

    pub(super) fn metric(&self, series: &str) -> u64 {
        let text = String::from_utf8(self.intake.metrics.text()).expect("metrics are text");
        let start = format!("imbridge_{series} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("no {series}")).parse().expect("a whole number")
    }

    pub(super) fn refused(&self, reason: &str) -> u64 {
        self.metric(&format!("callbacks_refused_total{{provider=\"openim\",reason=\"{reason}\"}}"))
    }

    pub(super) fn dismissed(&self) -> u64 {
        self.metric("records_total{kind=\"group.dismissed\"}")
    }
}

pub(super) trait ElapsedNow {
    fn elapsed_now(&self) -> Duration;
}

impl ElapsedNow for Instant {
    /// In the time that stands still.
    fn elapsed_now(&self) -> Duration {
        clock::now().duration_since(*self)
    }
}

/// Runs a test on a worker like those of the server, in time that moves only when all wait for it.
pub(super) fn on_a_worker<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime can be had");
    runtime.block_on(LocalSet::new().run_until(async { test().await }));
}

/// Lets everything run that does not wait for time.
pub(super) async fn settle() {
    for _ in 0..20 {
        yield_now().await;
    }
}

/// As status and the time it took, in milliseconds.
pub(super) async fn told(call: JoinHandle<(Outgoing, Duration)>) -> (u16, u128) {
    let (outgoing, took) = call.await.expect("no call panics");
    (outgoing.status, took.as_millis())
}
