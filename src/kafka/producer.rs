//! One producer session: an idempotent, gapless librdkafka producer that reports by sequence number.
//!
//! In: [`Outgoing`] records. Out: an [`Inbox`] of delivery reports, errors and statistics, filled
//! while the owner polls. What always holds: nothing happens on threads of ours, reports reach the
//! owner inside [`Producer::poll`] only; a producer that was retired reports to nobody; `send` never
//! blocks.

use super::context;
use super::errors::Fault;
use super::settings::KafkaSettings;
use super::stats::Stats;
use crate::record::{REPLAY, REPLAYED, Record, Sequence};
use parking_lot::Mutex;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{
    BaseProducer, BaseRecord, DeliveryResult, NoCustomPartitioner, Producer as _, ProducerContext,
    PurgeConfig,
};
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{ClientConfig, ClientContext};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Signals kept until the owner polls; an outage raises up to eight a second.
const SIGNALS_MAX: usize = 16;

/// A record on its way to Kafka, with what the shipper adds.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Position in the journal; comes back in the report.
    pub sequence: Sequence,
    /// The record.
    pub record: &'a Record<'a>,
    /// Value of the header `journal`.
    pub journal: &'a str,
    /// Whether the record may be in Kafka already: header `replay`.
    pub replay: bool,
    /// Kafka timestamp, never ahead of now.
    pub timestamp_ms: i64,
    /// Headers of a dead letter; none as a rule.
    pub more: &'a [(&'a str, &'a str)],
}

/// Why a record was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The queue is full; poll, then try again.
    Full,
    /// Refused for good in this session.
    Fault(Fault),
}

/// A record that was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    /// Its position.
    pub sequence: Sequence,
    /// Why.
    pub fault: Fault,
}

/// What an error that concerns no single record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignalClass {
    /// Brokers cannot be reached.
    Unreachable,
    /// Brokers refuse our credentials.
    Authentication,
    /// TLS failed.
    Tls,
    /// The session is over.
    Fatal,
    /// Anything else.
    Other,
}

/// An error that concerns no single record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// What it is about.
    pub class: SignalClass,
    /// In librdkafka's words.
    pub text: String,
}

/// What came in since the last poll.
#[derive(Debug, Default)]
pub struct Inbox {
    /// Positions of records that all in-sync replicas have.
    pub delivered: Vec<u64>,
    /// Records that were not delivered.
    pub failed: Vec<Failed>,
    /// Errors beside records.
    pub signals: Vec<Signal>,
    /// The latest statistics.
    pub stats: Option<Stats>,
}

impl Inbox {
    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.delivered.clear();
        self.failed.clear();
        self.signals.clear();
        self.stats = None;
    }
}

/// A producer session; see the module's documentation.
pub struct Producer {
    producer: BaseProducer<Context>,
    context: Arc<Context>,
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").finish_non_exhaustive()
    }
}

impl Producer {
    /// Makes a producer whose batches stay below `batch_bytes`. Does not wait for Kafka.
    ///
    /// # Errors
    /// A property is wrong or a file that one names cannot be read; the text says which, without
    /// its value.
    pub fn open(settings: &KafkaSettings, batch_bytes: usize) -> Result<Self, String> {
        Self::from_config(&settings.producer(batch_bytes))
    }

    /// The same for records that go one by one: it does not wait for company, a record that a broker
    /// refuses does not make it fatal, and it has no statistics.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_lone(settings: &KafkaSettings, batch_bytes: usize) -> Result<Self, String> {
        Self::from_config(&settings.lone_producer(batch_bytes))
    }

    fn from_config(config: &ClientConfig) -> Result<Self, String> {
        let producer: BaseProducer<Context> =
            config.create_with_context(Context::default()).map_err(|error| explain(&error))?;
        let context = Arc::clone(producer.context());
        Ok(Self { producer, context })
    }

    /// Queues a record.
    ///
    /// # Errors
    /// The record was not queued, and no report will come.
    pub fn send(&self, outgoing: &Outgoing<'_>) -> Result<(), Refusal> {
        // A record that was put aside and came back says itself that it may be a repeat.
        let replay = outgoing.replay && !outgoing.record.is_replay();
        let outgoing = &Outgoing { replay, ..*outgoing };
        let mut headers = OwnedHeaders::new_with_capacity(4);
        for (key, value) in outgoing.record.headers() {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        headers = headers.insert(Header { key: "journal", value: Some(outgoing.journal) });
        if outgoing.replay {
            headers = headers.insert(Header { key: REPLAY, value: Some(REPLAYED) });
        }
        for (key, value) in outgoing.more {
            headers = headers.insert(Header { key, value: Some(*value) });
        }
        let opaque = usize::try_from(outgoing.sequence.0).expect("pointers have 64 bits");
        let record: BaseRecord<'_, [u8], [u8], usize> = BaseRecord {
            topic: outgoing.record.topic,
            partition: None,
            payload: Some(outgoing.record.value),
            key: outgoing.record.key,
            timestamp: Some(outgoing.timestamp_ms),
            headers: Some(headers),
            delivery_opaque: opaque,
        };
        self.producer.send(record).map_err(|(error, _record)| match error.rdkafka_error_code() {
            Some(Code::QueueFull) => Refusal::Full,
            _ => Refusal::Fault(Fault::of_error(&error)),
        })
    }

    /// Sleeps for `timeout`, serves what happened meanwhile, and puts it into `inbox`, which must be
    /// empty.
    pub fn poll(&self, timeout: Duration, inbox: &mut Inbox) {
        // rust-rdkafka would spin through the last millisecond of a time-out, and librdkafka would
        // wake us for each batch of reports: sleep here, then serve what is there.
        if !timeout.is_zero() {
            std::thread::sleep(timeout);
        }
        // One call serves one event: a batch of reports, an error, statistics, a log line.
        loop {
            let before = self.context.events.load(Ordering::Relaxed);
            self.producer.poll(Duration::ZERO);
            if self.context.events.load(Ordering::Relaxed) == before {
                break;
            }
        }
        std::mem::swap(&mut *self.context.inbox.lock(), inbox);
        // A fatal error comes under the code of its cause; whether it was fatal must be asked.
        if let Some(signal) = inbox.signals.last_mut()
            && self.producer.client().fatal_error().is_some()
        {
            signal.class = SignalClass::Fatal;
        }
    }

    /// Gives up everything that was queued and not sent yet; the reports come as ever.
    pub fn purge(&self) {
        self.producer.purge(PurgeConfig::default().queue());
    }
}

/// Says what is wrong with a client's configuration, but no values: they may be secret.
pub(super) fn explain(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, text, name, _value) => format!("property {name}: {text}"),
        other => other.to_string(),
    }
}

/// Sorts an error that concerns no single record.
pub(super) const fn signal_class(code: Code) -> SignalClass {
    match code {
        Code::AllBrokersDown
        | Code::BrokerTransportFailure
        | Code::Resolve
        | Code::OperationTimedOut
        | Code::TimedOutQueue
        | Code::BrokerNotAvailable => SignalClass::Unreachable,
        Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState
        | Code::ClusterAuthorizationFailed => SignalClass::Authentication,
        Code::SSL => SignalClass::Tls,
        Code::Fatal => SignalClass::Fatal,
        _ => SignalClass::Other,
    }
}

/// Collects what callbacks say until the owner asks.
#[derive(Default)]
struct Context {
    inbox: Mutex<Inbox>,
    events: AtomicU64,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.events.fetch_add(1, Ordering::Relaxed);
        context::pass_on(level, facility, message);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.events.fetch_add(1, Ordering::Relaxed);
        if let Some(stats) = Stats::parse(statistics) {
            self.inbox.lock().stats = Some(stats);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.events.fetch_add(1, Ordering::Relaxed);
        let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
        let mut inbox = self.inbox.lock();
        // rust-rdkafka tells each producer error twice.
        let told = inbox.signals.last().is_some_and(|last| last.text == reason);
        if !told && (inbox.signals.len() < SIGNALS_MAX || code == Code::Fatal) {
            inbox.signals.push(Signal { class: signal_class(code), text: reason.to_owned() });
        }
    }
}

impl ProducerContext<NoCustomPartitioner> for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: usize) {
        self.events.fetch_add(1, Ordering::Relaxed);
        let sequence = opaque as u64;
        let mut inbox = self.inbox.lock();
        match result {
            Ok(_) => inbox.delivered.push(sequence),
            Err((error, _)) => inbox
                .failed
                .push(Failed { sequence: Sequence(sequence), fault: Fault::of_error(error) }),
        }
    }
}
