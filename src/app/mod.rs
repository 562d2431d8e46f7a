//! Puts the parts together, runs them, and takes them apart in order.
//!
//! In: a checked configuration. Out: a running bridge, until somebody says stop. What always holds:
//! it starts and answers whatever state Kafka is in; the stop has a deadline: requests first, then
//! what the journal still has for Kafka.

mod observer;
mod pages;
mod watch;

use crate::catalogue::Catalogue;
use crate::clock;
use crate::config::Config;
use crate::dialect::door::{Door, Everybody};
use crate::http::callbacks::Callbacks;
use crate::http::{Gauges, Limits, Running, admin, bind, callbacks};
use crate::intake::Intake;
use crate::journal::Log;
use crate::journal::memory::MemoryLog;
use crate::kafka::KafkaSettings;
use crate::normalise::{Normaliser, Settings};
use crate::rules::AllowAll;
use crate::shipper::sink::KafkaSinks;
use crate::shipper::{self, Shipper, ShipperHandle};
use crate::telemetry::{Ledger, Limiter, Metrics, ReasonLimiters};
use crate::verdict::OnFault;
use anyhow::Context;
use observer::MetricsObserver;
use pages::AppPages;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a connection must be without a request before the stop takes it for quiet.
const QUIET: Duration = Duration::from_millis(1500);
/// The same while no connection is open. Senders open a new one for each request while the bridge
/// stops, and a balancer may send some more before it knows, so one quiet moment is not the end.
const QUIET_ALONE: Duration = Duration::from_millis(250);
/// How often the stop looks.
const LOOK: Duration = Duration::from_millis(20);

/// A bridge that is serving.
pub struct App {
    callbacks_address: SocketAddr,
    admin_address: SocketAddr,
    callbacks: Running,
    admin: Running,
    shipper: Arc<ShipperHandle>,
    gauges: Arc<Gauges>,
    ledger: Arc<Ledger>,
    drain: Duration,
    watch: tokio::task::JoinHandle<()>,
}

/// How far a stop has come, and whether somebody has lost patience with it.
#[derive(Default)]
struct Haste {
    asked: AtomicBool,
    shipping: AtomicBool,
}

impl Haste {
    fn shorten(&self, left: Duration) -> Duration {
        if self.asked.load(Ordering::Relaxed) { Duration::ZERO } else { left }
    }
}

impl App {
    /// Binds, builds and begins to serve; must be called inside an actix runtime.
    ///
    /// # Errors
    /// The catalogue has a mistake, an address is taken, a thread cannot be had.
    pub fn start(
        config: &Config,
        brokers: &str,
        catalogue: Arc<Catalogue>,
    ) -> anyhow::Result<Self> {
        Self::start_on(config, brokers, catalogue, listeners(config, None)?)
    }

    /// As [`Self::start`], on listeners for callbacks and for operators that somebody bound.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_on(
        config: &Config,
        brokers: &str,
        catalogue: Arc<Catalogue>,
        (for_callbacks, for_admin): (TcpListener, TcpListener),
    ) -> anyhow::Result<Self> {
        let metrics = Arc::new(Metrics::new(&catalogue, crate::VERSION, crate::COMMIT));
        let ledger = Arc::new(Ledger::default());
        let gauges = Arc::new(Gauges::default());
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new(config.journal.bytes_max));
        let normaliser = Arc::new(Normaliser::new(Arc::clone(&catalogue), settings(config)));
        let observer = MetricsObserver::new(Arc::clone(&metrics), Arc::clone(&ledger));
        let sinks = Arc::new(KafkaSinks::new(kafka_settings(config, brokers)));
        let plan = shipper::Settings::new(normaliser.all_topics());
        let shipper = Shipper::spawn(Arc::clone(&log), sinks, plan, Arc::new(observer))
            .context("cannot start the shipper's thread")?;
        let shipper = Arc::new(shipper);
        let (callbacks_address, admin_address) =
            (for_callbacks.local_addr()?, for_admin.local_addr()?);
        let intake = Intake {
            door: Door::new(catalogue, &config.openim.deployment, Box::new(Everybody)),
            normaliser,
            rules: Box::new(AllowAll),
            log: Arc::clone(&log),
            metrics: Arc::clone(&metrics),
            ledger: Arc::clone(&ledger),
            hold: config.journal.hold,
            on_fault: OnFault::Allow,
            refusals: ReasonLimiters::new(),
            oversize: Limiter::new(),
            dropped: Limiter::new(),
        };
        let shared = Callbacks { intake, limits: limits(config), gauges: Arc::clone(&gauges) };
        let watch = tokio::task::spawn_local(watch::watch(Arc::clone(&log)));
        let pages = AppPages {
            metrics,
            ledger: Arc::clone(&ledger),
            log,
            shipper: Arc::clone(&shipper),
            gauges: Arc::clone(&gauges),
            started: clock::now(),
            ack: config.journal.ack,
        };
        let operators = admin::Admin {
            pages: Arc::new(pages),
            token: config.admin.token.as_ref().map(|token| token.reveal().to_owned()),
            loopback: admin_address.ip().is_loopback(),
        };
        let callbacks = callbacks::start(Arc::new(shared), for_callbacks, config.http.workers)?;
        let admin = admin::start(Arc::new(operators), for_admin)?;
        Ok(Self {
            callbacks_address,
            admin_address,
            callbacks,
            admin,
            shipper,
            gauges,
            ledger,
            drain: config.http.drain,
            watch,
        })
    }

    /// Address of the callback port.
    #[must_use]
    pub const fn callbacks_address(&self) -> SocketAddr {
        self.callbacks_address
    }

    /// Address of the admin port.
    #[must_use]
    pub const fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// The loss ledger.
    #[must_use]
    pub const fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

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
        let start = clock::now();
        let deadline = start + self.drain;
        self.gauges.stopping.store(true, Ordering::Relaxed);
        tracing::info!(
            drain_seconds = self.drain.as_secs(),
            "stopping: answers end their connections"
        );
        // Senders that never fall silent must not use up the time in which the last records reach
        // Kafka: half of it is the shipper's.
        self.quiet(start + self.drain / 2, haste).await;
        let left = deadline.saturating_duration_since(clock::now()).max(QUIET);
        let left = haste.shorten(left);
        let _in_time = tokio::time::timeout(left, self.callbacks.stop()).await.is_ok();
        haste.shipping.store(true, Ordering::Relaxed);
        let left = haste.shorten(deadline.saturating_duration_since(clock::now()));
        let shipper = Arc::clone(&self.shipper);
        let stopped = tokio::task::spawn_blocking(move || shipper.stop(left)).await;
        let lost = stopped.unwrap_or_default();
        self.ledger.lost(lost);
        if lost > 0 {
            tracing::error!(
                lost,
                "{lost} records were not in Kafka at the end and are lost: the journal was in memory"
            );
        }
        self.watch.abort();
        self.admin.stop().await;
        tracing::info!("stopped");
        lost
    }

    /// Waits until no connection is open, or none has had a request for a while.
    async fn quiet(&self, deadline: Instant, haste: &Haste) {
        let mut begun = self.gauges.begun.load(Ordering::Relaxed);
        let mut since = clock::now();
        loop {
            let now = clock::now();
            let busy = self.gauges.requests.load(Ordering::Relaxed) > 0;
            let fresh = self.gauges.begun.load(Ordering::Relaxed);
            if busy || fresh != begun {
                (begun, since) = (fresh, now);
            }
            let none_open = self.gauges.connections.load(Ordering::Relaxed) <= 0;
            let long_enough = if none_open { QUIET_ALONE } else { QUIET };
            let quiet = !busy && now.duration_since(since) >= long_enough;
            if quiet || now >= deadline || haste.asked.load(Ordering::Relaxed) {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Listeners for callbacks and for operators; `passed_in` stands in place of the first.
///
/// # Errors
/// An address is taken or not ours.
pub fn listeners(
    config: &Config,
    passed_in: Option<TcpListener>,
) -> anyhow::Result<(TcpListener, TcpListener)> {
    let listen = |setting: &str, address: SocketAddr| {
        bind(address).with_context(|| format!("cannot listen on {address} ({setting})"))
    };
    let callbacks = match passed_in {
        Some(listener) => listener,
        None => listen("IMBRIDGE_LISTEN", config.http.listen)?,
    };
    Ok((callbacks, listen("IMBRIDGE_ADMIN_LISTEN", config.admin.listen)?))
}

fn settings(config: &Config) -> Settings {
    Settings {
        topic_prefix: config.kafka.topic_prefix.clone(),
        topic_by: config.kafka.topic_by,
        event_format: config.kafka.event_format,
        event_bytes_max: config.kafka.event_bytes_max,
    }
}

/// Kafka settings of a configuration.
#[must_use]
pub fn kafka_settings(config: &Config, brokers: &str) -> KafkaSettings {
    let properties = config.kafka.properties.iter();
    KafkaSettings {
        brokers: brokers.to_owned(),
        properties: properties
            .map(|property| (property.name.clone(), property.value.reveal().to_owned()))
            .collect(),
        topics_create: config.kafka.topics_create,
        partitions: config.kafka.partitions,
        replication: config.kafka.replication,
        event_bytes_max: config.kafka.event_bytes_max,
    }
}

fn limits(config: &Config) -> Limits {
    Limits {
        body_bytes_max: config.http.body_bytes_max,
        body_time_max: config.http.body_seconds_max,
        keep_alive: config.http.keep_alive,
        inflight_bytes_max: config.http.inflight_bytes_max,
        openim_path: config.openim.path.clone(),
        tencent_path: config.tencent.path.clone(),
    }
}
