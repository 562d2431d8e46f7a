//! Puts the parts together, runs them, and takes them apart in order.
//!
//! In: a checked configuration. Out: a running bridge, until somebody says stop. What always holds:
//! it starts and answers whatever state Kafka is in; the stop ([`stop`]) has a deadline.

mod journal;
mod observer;
mod pages;
pub(crate) mod requeue;
pub mod rules;
mod stop;
mod watch;

use crate::catalogue::Catalogue;
use crate::clock;
use crate::config::{AckLevel, Config};
use crate::dialect::door::{Door, Everybody};
use crate::http::callbacks::Callbacks;
use crate::http::{Gauges, Limits, Running, admin, bind, callbacks};
use crate::intake::{Intake, Verdicts};
use crate::journal::Log;
use crate::journal::storage::Storage;
use crate::kafka::KafkaSettings;
use crate::normalise::{Normaliser, Settings};
use crate::rules::engine::Engine;
use crate::rules::{AllowAll, Intent, Rules};
use crate::shipper::sink::KafkaSinks;
use crate::shipper::{self, Shipper, ShipperHandle};
use crate::telemetry::{Ledger, Limiter, Metrics, ReasonLimiters};
use crate::verdict::Decision;
use anyhow::Context;
use observer::MetricsObserver;
use pages::AppPages;
use rules::{Desk, First, Keeper};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Each event that is too large to go out whole is named in the log, up to so many a second.
const OVERSIZE_LINES: u32 = 10;

/// A bridge that is serving.
pub struct App {
    callbacks_address: SocketAddr,
    admin_address: SocketAddr,
    callbacks: Running,
    admin: Running,
    log: Arc<dyn Log>,
    /// What Kafka has not at the stop is there at the next start.
    on_disk: bool,
    shipper: Arc<ShipperHandle>,
    gauges: Arc<Gauges>,
    ledger: Arc<Ledger>,
    drain: Duration,
    watch: tokio::task::JoinHandle<()>,
    rules: Arc<Desk>,
    requeue: Option<tokio::task::JoinHandle<()>>,
}

impl App {
    /// Binds, builds and begins to serve; must be called inside an actix runtime.
    ///
    /// # Errors
    /// The catalogue or the rule file has a mistake ([`rules::Refused`]), an address is taken, another process has the journal or its
    /// directory cannot be used, a thread cannot be had.
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
        listeners: (TcpListener, TcpListener),
    ) -> anyhow::Result<Self> {
        Self::start_over(config, brokers, catalogue, listeners, None)
    }

    /// As [`Self::start_on`], with the journal in a storage of the caller's instead of
    /// `IMBRIDGE_JOURNAL_DIR`.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_over(
        config: &Config,
        brokers: &str,
        catalogue: Arc<Catalogue>,
        listeners: (TcpListener, TcpListener),
        storage: Option<Arc<dyn Storage>>,
    ) -> anyhow::Result<Self> {
        let policy = &config.policy;
        let load = |path: &PathBuf| First::load(path, &catalogue, policy.on_fault);
        let first = policy.rules.as_ref().map(load).transpose()?;
        Self::start_ruled(config, brokers, catalogue, listeners, (storage, first))
    }

    /// As [`Self::start_over`], with the rules loaded before instead of `IMBRIDGE_RULES`.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_ruled(
        config: &Config,
        brokers: &str,
        catalogue: Arc<Catalogue>,
        (for_callbacks, for_admin): (TcpListener, TcpListener),
        (storage, first): (Option<Arc<dyn Storage>>, Option<First>),
    ) -> anyhow::Result<Self> {
        let metrics = Arc::new(Metrics::new(&catalogue, crate::VERSION, crate::COMMIT));
        let ledger = Arc::new(Ledger::default());
        let gauges = Arc::new(Gauges::default());
        let log = journal::open(config, storage, &metrics, &ledger)?;
        let normaliser = Arc::new(Normaliser::new(Arc::clone(&catalogue), settings(config)));
        let shipper = ship(config, brokers, &normaliser, &log, (&metrics, &ledger))?;
        let requeue = (config.journal.ack != AckLevel::Memory)
            .then(|| requeue::start(&config.journal.dir, &normaliser, &log, (&metrics, &ledger)))
            .transpose()
            .context("the journal's directory is gone")?;
        let (callbacks_address, admin_address) =
            (for_callbacks.local_addr()?, for_admin.local_addr()?);
        let (desk, rules) = rules(first, &metrics)?;
        let intake = Intake {
            door: Door::new(catalogue, &config.openim.deployment, Box::new(Everybody)),
            normaliser,
            rules,
            log: Arc::clone(&log),
            metrics: Arc::clone(&metrics),
            ledger: Arc::clone(&ledger),
            hold: config.journal.hold,
            waits_for_kafka: config.journal.ack == AckLevel::Kafka,
            on_fault: config.policy.on_fault,
            refusals: ReasonLimiters::new(),
            oversize: Limiter::lines(OVERSIZE_LINES),
            dropped: Limiter::new(),
            verdicts: Verdicts::default(),
        };
        let shared = Callbacks { intake, limits: limits(config), gauges: Arc::clone(&gauges) };
        let watch = tokio::task::spawn_local(watch::watch(Arc::clone(&log), config.journal.hold));
        let pages = AppPages {
            metrics,
            ledger: Arc::clone(&ledger),
            log: Arc::clone(&log),
            rules: Arc::clone(&desk),
            shipper: Arc::clone(&shipper),
            gauges: Arc::clone(&gauges),
            started: clock::now(),
            ack: config.journal.ack,
            hold: config.journal.hold,
        };
        let operators = admin::Admin {
            pages: Arc::new(pages),
            rules: Arc::<Desk>::clone(&desk),
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
            log,
            on_disk: config.journal.ack != AckLevel::Memory,
            shipper,
            gauges,
            ledger,
            drain: config.http.drain,
            watch,
            rules: desk,
            requeue,
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

    /// Has the rule file read again, as after `POST /rules/reload`, whenever it is called; what comes of
    /// it is logged. False without a rule file.
    pub fn rule_reloader(&self) -> impl Fn() -> bool + use<> {
        let desk = Arc::clone(&self.rules);
        move || desk.hang_up()
    }

    /// The loss ledger.
    #[must_use]
    pub const fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }
}

/// Starts the way to Kafka.
fn ship(
    config: &Config,
    brokers: &str,
    normaliser: &Normaliser,
    log: &Arc<dyn Log>,
    (metrics, ledger): (&Arc<Metrics>, &Arc<Ledger>),
) -> anyhow::Result<Arc<ShipperHandle>> {
    let topics = normaliser.all_topics();
    let observer = MetricsObserver::new(Arc::clone(metrics), Arc::clone(ledger), &topics);
    let sinks = Arc::new(KafkaSinks::new(kafka_settings(config, brokers)));
    let plan = shipper::Settings {
        dead_letter_topic: Some(normaliser.dead_letter_topic().to_owned()),
        ..shipper::Settings::new(topics)
    };
    let shipper = Shipper::spawn(Arc::clone(log), sinks, plan, Arc::new(observer));
    shipper.map(Arc::new).context("cannot start the shipper's thread")
}

/// What operators and workers have of the rules.
fn rules(
    first: Option<First>,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<(Arc<Desk>, Box<dyn Rules>)> {
    let keeper = first.map(|first| Keeper::start(first, metrics)).transpose();
    let keeper = keeper.context("cannot start the thread that watches the rules")?;
    let rules: Box<dyn Rules> = match &keeper {
        Some(keeper) => Box::new(Ruled(Arc::clone(keeper.engine()))),
        None => Box::new(AllowAll),
    };
    Ok((Arc::new(Desk::new(keeper, metrics)), rules))
}

/// The engine as workers have it: operators have it too.
struct Ruled(Arc<Engine>);

impl Rules for Ruled {
    fn decide(&self, intent: &Intent<'_>) -> Decision {
        self.0.decide(intent)
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

/// How records are named and written under a configuration.
#[must_use]
pub fn settings(config: &Config) -> Settings {
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
        drain: config.http.drain,
        openim_path: config.openim.path.clone(),
        tencent_path: config.tencent.path.clone(),
    }
}
