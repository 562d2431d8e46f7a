//! Where records go: the seam between the shipper's loop and a producer.
//!
//! In: records, and a wish to look at the cluster. Out: reports, topics, limits. [`KafkaSinks`] is
//! the real thing; tests put a scripted one in its place. What always holds: only
//! [`Sinks::prepare`] may wait for Kafka, and it runs on a thread of its own.

use crate::clock;
use crate::kafka::admin::Created;
use crate::kafka::{Admin, Inbox, KafkaSettings, Outgoing, Producer, Refusal, Signal};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

/// How long to wait for a broker before saying that there is none.
const CONTACT_MAX: Duration = Duration::from_secs(2);
/// How long creating topics may take.
const CREATE_MAX: Duration = Duration::from_secs(15);
/// How long reading their limits may take: 15 ms as a rule, and a session waits for it.
const LIMITS_MAX: Duration = Duration::from_secs(1);
/// Limits that could not be read are not asked for again before this.
const LIMITS_PAUSE: Duration = Duration::from_mins(10);

/// One producer session.
pub trait Sink: Send {
    /// Queues a record; never blocks.
    ///
    /// # Errors
    /// It was not queued, and no report will come.
    fn send(&mut self, outgoing: &Outgoing<'_>) -> Result<(), Refusal>;
    /// Waits for `timeout` and puts what came in into `inbox`, which is empty.
    fn poll(&mut self, timeout: Duration, inbox: &mut Inbox);
    /// Gives up what is queued and not in flight; reports come as ever.
    fn purge(&mut self);
}

/// How a session is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SinkSettings {
    /// No batch is larger.
    pub batch_bytes: usize,
    /// Records will come one by one: none waits for company, and one that is refused does not make
    /// the producer fatal, for nothing is behind it.
    pub one_by_one: bool,
}

/// What the cluster has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prepared {
    /// Those of the wanted topics that exist.
    pub present: BTreeSet<String>,
    /// Those that could not be created, and why.
    pub not_created: Vec<(String, String)>,
    /// The smallest limit for a batch among them.
    pub smallest_limit: Option<usize>,
}

/// Makes sessions.
pub trait Sinks: Send + Sync + fmt::Debug {
    /// Looks at the cluster, creates what is missing if that is wished, reads limits.
    ///
    /// # Errors
    /// Kafka did not answer in time.
    fn prepare(&self, topics: &[String]) -> Result<Prepared, Signal>;

    /// Begins a session; does not wait for Kafka.
    ///
    /// # Errors
    /// A setting is wrong, in the words of librdkafka.
    fn open(&self, settings: SinkSettings) -> Result<Box<dyn Sink>, String>;

    /// The batch size for a smallest limit and our own.
    fn batch_bytes(&self, smallest_limit: Option<usize>, cap: Option<usize>) -> usize;
}

/// Sessions with a real Kafka.
#[derive(Debug)]
pub struct KafkaSinks {
    settings: KafkaSettings,
    /// When limits could not be read: not supported, or not allowed.
    limits_failed: Mutex<Option<Instant>>,
}

impl KafkaSinks {
    /// Sessions with these settings.
    #[must_use]
    pub const fn new(settings: KafkaSettings) -> Self {
        Self { settings, limits_failed: Mutex::new(None) }
    }
}

impl KafkaSinks {
    fn smallest_limit(&self, admin: &Admin, topics: &BTreeSet<String>) -> Option<usize> {
        let paused = self.limits_failed.lock().is_some_and(|at| at.elapsed() < LIMITS_PAUSE);
        if topics.is_empty() || paused {
            return None;
        }
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        match admin.smallest_limit(&topics, LIMITS_MAX) {
            Ok(limit) => limit,
            Err(error) => {
                tracing::debug!(%error, "the topics' size limits are not readable");
                *self.limits_failed.lock() = Some(clock::now());
                None
            }
        }
    }

    /// Creates topics; those that exist now, and those that do not.
    fn create(admin: &Admin, missing: &[&str], prepared: &mut Prepared) {
        match admin.create(missing, CREATE_MAX) {
            Ok(Created { made, refused }) => {
                if !made.is_empty() {
                    tracing::info!(topics = made.len(), "created missing topics");
                }
                prepared.not_created =
                    refused.into_iter().map(|one| (one.topic, one.why)).collect();
                let refused =
                    |topic: &str| prepared.not_created.iter().any(|(one, _)| one == topic);
                let there = missing.iter().copied().filter(|topic| !refused(topic));
                prepared.present.extend(there.map(str::to_owned));
            }
            Err(error) => {
                let why = |topic: &&str| ((*topic).to_owned(), error.text.clone());
                prepared.not_created = missing.iter().map(why).collect();
            }
        }
    }
}

impl Sinks for KafkaSinks {
    fn prepare(&self, topics: &[String]) -> Result<Prepared, Signal> {
        let signal = |error: crate::kafka::admin::AdminError| Signal {
            class: error.class,
            text: error.text,
        };
        let admin = Admin::open(&self.settings).map_err(signal)?;
        let names: BTreeSet<String> =
            admin.topics(CONTACT_MAX).map_err(signal)?.into_iter().map(|one| one.name).collect();
        let (present, missing): (Vec<&str>, Vec<&str>) =
            topics.iter().map(String::as_str).partition(|topic| names.contains(*topic));
        let mut prepared = Prepared::default();
        prepared.present.extend(present.into_iter().map(str::to_owned));
        if self.settings.topics_create && !missing.is_empty() {
            Self::create(&admin, &missing, &mut prepared);
        }
        prepared.smallest_limit = self.smallest_limit(&admin, &prepared.present);
        Ok(prepared)
    }

    fn open(&self, settings: SinkSettings) -> Result<Box<dyn Sink>, String> {
        let open = if settings.one_by_one { Producer::open_lone } else { Producer::open };
        let producer = open(&self.settings, settings.batch_bytes)?;
        Ok(Box::new(KafkaSink { producer: Some(producer) }))
    }

    fn batch_bytes(&self, smallest_limit: Option<usize>, cap: Option<usize>) -> usize {
        self.settings.batch_bytes(smallest_limit, cap)
    }
}

/// A session that ends on a thread of its own: that can take seconds.
struct KafkaSink {
    producer: Option<Producer>,
}

impl KafkaSink {
    fn producer(&self) -> &Producer {
        self.producer.as_ref().expect("only dropping takes it")
    }
}

impl Sink for KafkaSink {
    fn send(&mut self, outgoing: &Outgoing<'_>) -> Result<(), Refusal> {
        self.producer().send(outgoing)
    }

    fn poll(&mut self, timeout: Duration, inbox: &mut Inbox) {
        self.producer().poll(timeout, inbox);
    }

    fn purge(&mut self) {
        self.producer().purge();
    }
}

impl Drop for KafkaSink {
    fn drop(&mut self) {
        let producer = self.producer.take();
        let thread = std::thread::Builder::new().name("kafka-retire".to_owned());
        if let Err(error) = thread.spawn(move || drop(producer)) {
            tracing::warn!(%error, "no thread to end a producer on");
        }
    }
}
