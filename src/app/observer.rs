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
    /// Those that the last statistics named.
    brokers: Mutex<Vec<String>>,
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
        Self { metrics, ledger, delivery, brokers: Mutex::default() }
    }

    /// Forgets what was said of brokers that are not in the cluster any more.
    fn keep_brokers(&self, named: Vec<String>) {
        let kafka = &self.metrics.kafka;
        let mut known = self.brokers.lock();
        for gone in known.iter().filter(|broker| !named.contains(broker)) {
            let label = [gone.as_str()];
            // One that has no value is as good as gone.
            let _was_there = [
                kafka.broker_up.remove_label_values(&label).is_ok(),
                kafka.broker_rtt_seconds.remove_label_values(&label).is_ok(),
                kafka.throttle_seconds.remove_label_values(&label).is_ok(),
            ];
        }
        *known = named;
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

    fn session_ended(&self) {
        self.metrics.kafka.queue_messages.set(0);
        self.metrics.kafka.queue_bytes.set(0);
        self.keep_brokers(Vec::new());
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
        self.keep_brokers(stats.brokers.iter().map(|broker| broker.name.clone()).collect());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::stats::BrokerStats;

    /// A cluster that was gone was shown with its brokers up and its messages queued.
    #[test]
    fn gauges_of_librdkafka_say_nothing_of_what_is_no_longer_there() {
        let catalogue = crate::catalogue::Catalogue::embedded();
        let metrics = Arc::new(Metrics::new(&catalogue, "", ""));
        let observer = MetricsObserver::new(Arc::clone(&metrics), Arc::new(Ledger::default()), &[]);
        let shown = || {
            let text = String::from_utf8(metrics.text()).expect("it is text");
            let ours = text.lines().filter(|line| line.starts_with("imbridge_librdkafka_"));
            ours.map(str::to_owned).collect::<Vec<_>>()
        };
        let nothing = shown();
        let broker =
            |name: &str| BrokerStats { name: name.to_owned(), up: true, ..BrokerStats::default() };
        let stats = |names: &[&str]| Stats {
            queue_messages: 3,
            queue_bytes: 400,
            brokers: names.iter().map(|name| broker(name)).collect(),
        };
        observer.stats(&stats(&["a:1", "b:1"]));
        assert_eq!(shown().len(), nothing.len() + 6);
        observer.stats(&stats(&["b:1"]));
        assert!(!shown().iter().any(|line| line.contains("a:1")), "{:?}", shown());
        observer.session_ended();
        assert_eq!(shown(), nothing);
    }
}
