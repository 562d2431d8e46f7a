//! All metrics, as one typed struct; each field's help text is its doc.
//!
//! In: the catalogue, for labels that are known beforehand and so start at 0. Out: handles in arrays,
//! indexed by provider, row or kind, so that no request looks up a label; and the text that
//! Prometheus scrapes. What always holds: no label is an id of a user, group or message.

use crate::call::{Phase, Provider, RowIndex};
use crate::catalogue::Catalogue;
use crate::catalogue::plan::KindIndex;
use crate::normalise::Reason;
use crate::telemetry::maker::{Description, Maker};
use crate::telemetry::rules::RuleMetrics;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Registry, TextEncoder,
};

/// 25 µs to 5 s.
const ANSWER_BUCKETS: [f64; 17] = [
    0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.25, 0.5, 1.0, 2.5, 5.0,
];
/// 10 µs to 10 s.
const DEVICE_BUCKETS: [f64; 16] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025,
    0.05, 0.1, 0.5, 2.0, 10.0,
];
/// A few milliseconds to an hour.
const DELAY_BUCKETS: [f64; 15] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];

/// Why calls are refused; the label `reason` of `callbacks_refused_total`.
pub const REFUSALS: [&str; 14] = [
    "unauthenticated",
    "forged",
    "stale",
    "app_id",
    "address",
    "too_large",
    "slow",
    "overloaded",
    "encoding",
    "journal",
    "kafka",
    "method",
    "path",
    "panic",
];

/// Handles of one command.
#[derive(Debug)]
pub struct CommandMetrics {
    /// Accepted callbacks.
    pub callbacks: IntCounter,
    /// When the last one came.
    pub last_seen: Gauge,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    descriptions: Vec<Description>,
    commands: Vec<CommandMetrics>,
    unknown: [CommandMetrics; 2],
    refused: IntCounterVec,
    seconds: [[Histogram; 2]; 2],
    delay: [Histogram; 2],
    kinds: Vec<IntCounter>,
    /// Records that could not be classified, by provider and reason.
    pub records_unknown: IntCounterVec,
    /// Records that went out without raw, or not at all.
    pub records_oversize: IntCounter,
    /// Oversize files removed because their budget was used up; 0 without a journal on disk.
    pub oversize_files_dropped: IntCounter,
    /// Open connections on the callback port.
    pub http_connections: IntGauge,
    /// Bytes of bodies being read or answered.
    pub http_inflight_bytes: IntGauge,
    /// Decision records that were not written.
    pub decisions_dropped: IntCounterVec,
    /// Records of before-callbacks without an intent that were not written.
    pub records_dropped: IntCounterVec,
    /// Decisions and rules.
    pub rules: RuleMetrics,
    /// The journal's and the shipper's.
    pub journal: JournalMetrics,
    /// Kafka's.
    pub kafka: KafkaMetrics,
}

/// Gauges over the journal.
#[derive(Debug)]
#[expect(missing_docs, reason = "the help texts stand where they are made")]
pub struct JournalMetrics {
    pub bytes: IntGauge,
    pub bytes_max: IntGauge,
    pub records: IntGauge,
    pub oldest_age_seconds: Gauge,
    pub head_sequence: IntGauge,
    pub confirmed_sequence: IntGauge,
    pub free_bytes: IntGauge,
    pub poisoned: IntGauge,
    pub write_seconds: Histogram,
    pub sync_seconds: Histogram,
    pub errors: IntCounterVec,
    pub damaged_records: IntCounter,
    pub quarantined_bytes: IntGauge,
}

/// What the shipper and librdkafka report.
#[derive(Debug)]
#[expect(missing_docs, reason = "the help texts stand where they are made")]
pub struct KafkaMetrics {
    pub delivered: IntCounterVec,
    pub errors: IntCounterVec,
    pub dead_letters: IntCounterVec,
    pub sessions: IntCounter,
    pub delivery_seconds: Histogram,
    pub degraded: IntGaugeVec,
    pub heartbeat: Gauge,
    pub queue_messages: IntGauge,
    pub queue_bytes: IntGauge,
    pub broker_up: IntGaugeVec,
    pub broker_rtt_seconds: GaugeVec,
    pub throttle_seconds: GaugeVec,
}

impl Metrics {
    /// Registers all metrics; the labels of the catalogue start at 0. `version` and `commit` go
    /// into `build_info`.
    #[must_use]
    pub fn new(catalogue: &Catalogue, version: &str, commit: &str) -> Self {
        let make = &mut Maker::new();
        let build =
            make.gauges("build_info", "1, with version and commit.", &["version", "commit"]);
        build.with_label_values(&[version, commit]).set(1);
        let (commands, unknown) = commands(make, catalogue);
        let (seconds, delay) = durations(make);
        let kinds =
            make.counters("records_total", "Records written, by kind of the event.", &["kind"]);
        let metrics = Self {
            commands,
            unknown,
            seconds,
            delay,
            kinds: (catalogue.kinds.iter())
                .map(|kind| kinds.with_label_values(&[&*kind.name]))
                .collect(),
            refused: refused(make),
            records_unknown: records_unknown(make),
            records_oversize: make.counter(
                "records_oversize_total",
                "Records over `IMBRIDGE_EVENT_BYTES_MAX`: sent without raw, or put aside.",
            ),
            oversize_files_dropped: make.counter(
                "oversize_files_dropped_total",
                "Files of oversize events removed because their budget was used up.",
            ),
            http_connections: make.gauge("http_connections", "Open connections, callback port."),
            http_inflight_bytes: make.gauge("http_inflight_bytes", "Bytes of bodies in memory."),
            decisions_dropped: dropped(
                make,
                "decisions_dropped_total",
                "Decision records that were not written, for the journal could not take them at once.",
            ),
            records_dropped: dropped(
                make,
                "records_dropped_total",
                "Records of before-callbacks whose body fits no case, not written for the same reason.",
            ),
            rules: RuleMetrics::new(make, catalogue),
            journal: journal(make),
            kafka: kafka(make),
            registry: make.registry.clone(),
            descriptions: std::mem::take(&mut make.descriptions),
        };
        register_process(&metrics.registry);
        metrics
    }

    /// What there is, in the order in which it is made: for `docs/metrics.md`.
    #[must_use]
    pub fn descriptions(&self) -> &[Description] {
        &self.descriptions
    }

    /// Handles of a command; `None` for one without a row.
    #[must_use]
    pub fn command(&self, provider: Provider, row: Option<RowIndex>) -> &CommandMetrics {
        match row {
            Some(row) => &self.commands[usize::from(row.0)],
            None => &self.unknown[provider.index()],
        }
    }

    /// Counter of a kind.
    #[must_use]
    pub fn kind(&self, kind: KindIndex) -> &IntCounter {
        &self.kinds[usize::from(kind.0)]
    }

    /// Counts a refusal.
    pub fn refuse(&self, provider: Option<Provider>, reason: &str) {
        let provider = provider.map_or("none", Provider::name);
        self.refused.with_label_values(&[provider, reason]).inc();
    }

    /// Histogram of answer times.
    #[must_use]
    pub fn seconds(&self, provider: Provider, phase: Phase) -> &Histogram {
        let phase = usize::from(phase == Phase::After);
        &self.seconds[provider.index()][phase]
    }

    /// Histogram of delays.
    #[must_use]
    pub fn delay(&self, provider: Provider) -> &Histogram {
        &self.delay[provider.index()]
    }

    /// The text that Prometheus reads.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let encoded = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        encoded.expect("writing into memory");
        text
    }
}

fn commands(make: &mut Maker, catalogue: &Catalogue) -> (Vec<CommandMetrics>, [CommandMetrics; 2]) {
    let labels = ["provider", "command"];
    let callbacks = make.counters("callbacks_total", "Accepted callbacks.", &labels);
    let last_seen = make.seconds_by(
        "callback_last_timestamp_seconds",
        "When the last callback of the command came, Unix seconds; 0: never since the start.",
        &labels,
    );
    let handles = |provider: Provider, command: &str| CommandMetrics {
        callbacks: callbacks.with_label_values(&[provider.name(), command]),
        last_seen: last_seen.with_label_values(&[provider.name(), command]),
    };
    let rows = catalogue.rows.iter().map(|plan| handles(plan.provider, &plan.command)).collect();
    (rows, Provider::ALL.map(|provider| handles(provider, "unknown")))
}

fn refused(make: &mut Maker) -> IntCounterVec {
    let refused = make.counters(
        "callbacks_refused_total",
        "Calls that were turned away, by reason.",
        &["provider", "reason"],
    );
    for reason in REFUSALS {
        for provider in Provider::ALL {
            let _at_zero = refused.with_label_values(&[provider.name(), reason]);
        }
    }
    for reason in ["method", "path"] {
        let _at_zero = refused.with_label_values(&["none", reason]);
    }
    refused
}

fn records_unknown(make: &mut Maker) -> IntCounterVec {
    let unknown = make.counters(
        "records_unknown_total",
        "Records that could not be classified, by reason.",
        &["provider", "reason"],
    );
    for reason in Reason::ALL {
        for provider in Provider::ALL {
            let _at_zero = unknown.with_label_values(&[provider.name(), reason.word()]);
        }
    }
    unknown
}

fn dropped(make: &mut Maker, name: &str, help: &str) -> IntCounterVec {
    let dropped = make.counters(name, help, &["reason"]);
    for reason in ["full", "slow", "broken"] {
        let _at_zero = dropped.with_label_values(&[reason]);
    }
    dropped
}

/// Answer times by provider and phase, delays by provider.
fn durations(make: &mut Maker) -> ([[Histogram; 2]; 2], [Histogram; 2]) {
    let seconds = make.histograms(
        "callback_seconds",
        "Time from the parsed head to the answer handed to the HTTP server.",
        &["provider", "phase"],
        &ANSWER_BUCKETS,
    );
    let delay = make.histograms(
        "callback_delay_seconds",
        "Receive time less event time, where the sender tells one.",
        &["provider"],
        &DELAY_BUCKETS,
    );
    let phases = [Phase::Before, Phase::After];
    (
        Provider::ALL.map(|provider| {
            phases.map(|phase| seconds.with_label_values(&[provider.name(), phase.name()]))
        }),
        Provider::ALL.map(|provider| delay.with_label_values(&[provider.name()])),
    )
}

fn journal(make: &mut Maker) -> JournalMetrics {
    JournalMetrics {
        bytes: make.gauge("journal_bytes", "Bytes of the journal in use."),
        bytes_max: make.gauge("journal_bytes_max", "Budget of the journal in bytes."),
        records: make.gauge("journal_records", "Records that Kafka has not confirmed."),
        oldest_age_seconds: make.seconds(
            "journal_oldest_age_seconds",
            "Age of the oldest record that Kafka has not confirmed; 0 without one.",
        ),
        head_sequence: make.gauge("journal_head_sequence", "Last sequence number appended."),
        confirmed_sequence: make
            .gauge("journal_confirmed_sequence", "Everything up to this number is in Kafka."),
        free_bytes: make
            .gauge("journal_free_bytes", "Free bytes on the journal's disk; 0 at level `memory`."),
        poisoned: make.gauge(
            "journal_poisoned",
            "1 while nothing can be written: a write failed, and so did opening another file.",
        ),
        write_seconds: make.histogram(
            "journal_write_seconds",
            "Time of one write of records to the journal.",
            &DEVICE_BUCKETS,
        ),
        sync_seconds: make.histogram(
            "journal_sync_seconds",
            "Time of one sync of the journal.",
            &DEVICE_BUCKETS,
        ),
        errors: make.counters(
            "journal_errors_total",
            "Failures of the journal's device, by what was tried.",
            &["operation"],
        ),
        damaged_records: make.counter(
            "journal_damaged_records_total",
            "Records of the journal that could not be read back; their files are in quarantine.",
        ),
        quarantined_bytes: make
            .gauge("journal_quarantined_bytes", "Bytes of damaged files that were put aside."),
    }
}

fn kafka(make: &mut Maker) -> KafkaMetrics {
    let errors = make.counters("kafka_errors_total", "Failed deliveries by class.", &["class"]);
    for class in ["configuration", "retry", "record", "fatal"] {
        let _at_zero = errors.with_label_values(&[class]);
    }
    let dead_letters =
        make.counters("kafka_dead_letters_total", "Records put aside for good.", &["reason"]);
    for reason in ["too_large", "invalid"] {
        let _at_zero = dead_letters.with_label_values(&[reason]);
    }
    let broker = ["broker"];
    KafkaMetrics {
        delivered: make.counters("kafka_delivered_total", "Records in Kafka.", &["topic"]),
        errors,
        dead_letters,
        sessions: make.counter("kafka_sessions_total", "Producers made; more than 1: re-made."),
        delivery_seconds: make.histogram(
            "kafka_delivery_seconds",
            "Time from append to confirmation.",
            &DELAY_BUCKETS,
        ),
        degraded: make.gauges("kafka_degraded", "1 while this holds deliveries up.", &["reason"]),
        heartbeat: make.seconds(
            "shipper_heartbeat_timestamp_seconds",
            "When the shipper last went round its loop, Unix seconds.",
        ),
        queue_messages: make.gauge("librdkafka_queue_messages", "Messages inside librdkafka."),
        queue_bytes: make.gauge("librdkafka_queue_bytes", "Bytes of messages inside librdkafka."),
        broker_up: make.gauges("librdkafka_broker_up", "1 while connected.", &broker),
        broker_rtt_seconds: make.seconds_by(
            "librdkafka_broker_rtt_seconds",
            "Mean round trip of the last second.",
            &broker,
        ),
        throttle_seconds: make.seconds_by(
            "librdkafka_throttle_seconds",
            "Mean throttling of the last second.",
            &broker,
        ),
    }
}

fn register_process(registry: &Registry) {
    let process = prometheus::process_collector::ProcessCollector::for_self();
    registry.register(Box::new(process)).expect("registered once");
}
