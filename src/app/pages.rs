//! What the admin port shows: gauges brought up to date, readiness, status.

use super::rules::Desk;
use super::watch::Level;
use crate::clock;
use crate::config::AckLevel;
use crate::http::Gauges;
use crate::http::admin::{Pages, Readiness};
use crate::journal::{Log, Usage};
use crate::shipper::ShipperHandle;
use crate::telemetry::{Ledger, Metrics};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// See the module's documentation.
pub(super) struct AppPages {
    pub(super) metrics: Arc<Metrics>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) log: Arc<dyn Log>,
    pub(super) rules: Arc<Desk>,
    pub(super) shipper: Arc<ShipperHandle>,
    pub(super) gauges: Arc<Gauges>,
    pub(super) started: Instant,
    pub(super) ack: AckLevel,
    pub(super) hold: Duration,
}

fn age(usage: &Usage) -> Duration {
    usage.oldest.map_or(Duration::ZERO, |since| clock::now().saturating_duration_since(since))
}

impl AppPages {
    fn level(&self, usage: &Usage) -> Level {
        Level::of(usage, clock::now(), self.hold)
    }

    fn degraded(&self) -> Vec<String> {
        let usage = self.log.usage();
        let mut degraded: Vec<String> =
            self.shipper.status().degraded.iter().map(ToString::to_string).collect();
        degraded.extend(self.level(&usage).degraded(&usage));
        degraded.extend(self.rules.degraded());
        degraded
    }
}

impl Pages for AppPages {
    fn metrics(&self) -> Vec<u8> {
        let usage = self.log.usage();
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let journal = &self.metrics.journal;
        journal.bytes.set(whole(usage.bytes));
        journal.bytes_max.set(whole(usage.bytes_max));
        journal.records.set(whole(usage.records));
        journal.oldest_age_seconds.set(age(&usage).as_secs_f64());
        journal.head_sequence.set(whole(usage.head.0));
        journal.confirmed_sequence.set(whole(usage.confirmed.0));
        journal.free_bytes.set(whole(usage.free_bytes.unwrap_or_default()));
        self.rules.gauge();
        self.metrics.http_connections.set(self.gauges.connections.load(Ordering::Relaxed));
        let inflight = self.gauges.inflight_bytes.load(Ordering::Relaxed);
        self.metrics.http_inflight_bytes.set(whole(inflight as u64));
        self.metrics.text()
    }

    fn ready(&self) -> Readiness {
        let stopping = self.gauges.is_stopping();
        let reasons = if stopping { vec!["stopping".to_owned()] } else { Vec::new() };
        Readiness { ready: !stopping, reasons, degraded: self.degraded() }
    }

    fn status(&self) -> Value {
        let usage = self.log.usage();
        let shipper = self.shipper.status();
        let degraded: Vec<String> = shipper.degraded.iter().map(ToString::to_string).collect();
        json!({
            "version": crate::VERSION,
            "commit": crate::COMMIT,
            "uptime_seconds": clock::now().saturating_duration_since(self.started).as_secs(),
            "ack": { "level": self.ack.word(), "promise": self.ack.promise() },
            "journal": {
                "uuid": self.log.uuid(),
                "state": self.level(&usage).word(),
                "bytes": usage.bytes,
                "bytes_max": usage.bytes_max,
                "records": usage.records,
                "oldest_age_ms": u64::try_from(age(&usage).as_millis()).unwrap_or(u64::MAX),
                "head_sequence": usage.head.0,
                "confirmed_sequence": usage.confirmed.0,
                "free_bytes": usage.free_bytes,
                "damaged": usage.damaged,
            },
            "kafka": {
                "state": shipper.state.name(),
                "degraded": degraded,
                "sessions": shipper.sessions,
                "in_flight": shipper.in_flight,
                "last_error": shipper.last_error,
            },
            "rules": self.rules.status(),
            "ledger": self.ledger.snapshot(),
        })
    }
}
