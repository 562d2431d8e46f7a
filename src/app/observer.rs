//! What the shipper reports, as metrics and in the ledger.

use crate::kafka::{RecordFault, Stats};
use crate::shipper::observer::{Degraded, ErrorClass, Observer};
use crate::telemetry::{Ledger, Metrics};
use parking_lot::Mutex;
use prometheus::local::LocalHistogram;
use std::sync::Arc;
use std::time::Duration;

/// See the module's documentation.
pub(super) struct MetricsObserver {
    metrics: Arc<Metrics>,
    ledger: Arc<Ledger>,
    /// Gathers observations without touching what scrapes read; the shipper's thread alone uses it.
    delivery: Mutex<LocalHistogram>,
}

impl MetricsObserver {
    /// `topics` are all that records may go to; their counts start at 0.
    pub(super) fn new(metrics: Arc<Metrics>, ledger: Arc<Ledger>, topics: &[String]) -> Self {
        for topic in topics {
            let _at_zero = metrics.kafka.delivered.with_label_values(&[topic]);
        }
        for reason in crate::shipper::health::REASONS {
            metrics.kafka.degraded.with_label_values(&[reason]).set(0);
        }
        let delivery = Mutex::new(metrics.kafka.delivery_seconds.local());
        Self { metrics, ledger, delivery }
    }
}

impl Observer for MetricsObserver {
    fn delivered(&self, topic: &str, records: u64) {
        self.metrics.kafka.delivered.with_label_values(&[topic]).inc_by(records);
        self.ledger.confirmed(records);
    }

    fn confirmed(&self, records: u64, age: Duration) {
        let delivery = self.delivery.lock();
        for _record in 0..records {
            delivery.observe(age.as_secs_f64());
        }
        delivery.flush();
    }

    fn error(&self, class: ErrorClass) {
        self.metrics.kafka.errors.with_label_values(&[class.name()]).inc();
    }

    fn dead_letter(&self, reason: RecordFault, topic: Option<&str>) {
        if let Some(topic) = topic {
            self.metrics.kafka.delivered.with_label_values(&[topic]).inc();
        }
        self.metrics.kafka.dead_letters.with_label_values(&[reason.name()]).inc();
        self.ledger.dead_lettered(1);
    }

    fn damaged(&self, records: u64) {
        self.ledger.damaged(records);
    }

    fn session_started(&self) {
        self.metrics.kafka.sessions.inc();
    }

    fn stats(&self, stats: &Stats) {
        let kafka = &self.metrics.kafka;
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        kafka.queue_messages.set(whole(stats.queue_messages));
        kafka.queue_bytes.set(whole(stats.queue_bytes));
        for broker in &stats.brokers {
            let label = [&*broker.name];
            kafka.broker_up.with_label_values(&label).set(i64::from(broker.up));
            kafka.broker_rtt_seconds.with_label_values(&label).set(broker.rtt_seconds);
            kafka.throttle_seconds.with_label_values(&label).set(broker.throttle_seconds);
        }
    }

    fn degraded(&self, reasons: &[Degraded]) {
        for reason in crate::shipper::health::REASONS {
            let holds = reasons.iter().any(|degraded| degraded.reason == reason);
            self.metrics.kafka.degraded.with_label_values(&[reason]).set(i64::from(holds));
        }
    }

    fn heartbeat(&self, unix_ms: i64) {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century are exact")]
        self.metrics.kafka.heartbeat.set(unix_ms as f64 / 1000.0);
    }
}
