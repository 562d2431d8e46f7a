//! Makes metrics, and remembers what was made for the page that lists them.
//!
//! In: names without prefix, help, labels. Out: registered metrics and their [`Description`]s. What
//! always holds: every metric of ours begins with `imbridge_` and is described.

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};
use std::fmt::Write as _;

/// One metric as people read about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Full name.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub form: &'static str,
    /// Names of its labels.
    pub labels: Vec<String>,
    /// One sentence.
    pub help: String,
}

pub(super) struct Maker {
    pub(super) registry: Registry,
    pub(super) descriptions: Vec<Description>,
}

impl Maker {
    pub(super) fn new() -> Self {
        Self { registry: Registry::new(), descriptions: Vec::new() }
    }

    fn add<C: Collector + Clone + 'static>(
        &mut self,
        form: &'static str,
        collector: prometheus::Result<C>,
    ) -> C {
        let collector = collector.expect("names and labels are our own constants");
        for about in collector.desc() {
            self.descriptions.push(Description {
                name: about.fq_name.clone(),
                form,
                labels: about.variable_labels.clone(),
                help: about.help.clone(),
            });
        }
        self.registry.register(Box::new(collector.clone())).expect("every name is used once");
        collector
    }

    pub(super) fn counter(&mut self, name: &str, help: &str) -> IntCounter {
        self.add("counter", IntCounter::with_opts(opts(name, help)))
    }

    pub(super) fn counters(&mut self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.add("counter", IntCounterVec::new(opts(name, help), labels))
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str) -> IntGauge {
        self.add("gauge", IntGauge::with_opts(opts(name, help)))
    }

    pub(super) fn gauges(&mut self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.add("gauge", IntGaugeVec::new(opts(name, help), labels))
    }

    pub(super) fn seconds(&mut self, name: &str, help: &str) -> Gauge {
        self.add("gauge", Gauge::with_opts(opts(name, help)))
    }

    pub(super) fn seconds_by(&mut self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.add("gauge", GaugeVec::new(opts(name, help), labels))
    }

    pub(super) fn histogram(&mut self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        let opts = HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec());
        self.add("histogram", Histogram::with_opts(opts))
    }

    pub(super) fn histograms(
        &mut self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> HistogramVec {
        let opts = HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec());
        self.add("histogram", HistogramVec::new(opts, labels))
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("imbridge_{name}"), help)
}

/// The text of `docs/metrics.md`.
#[must_use]
pub fn metrics_md(descriptions: &[Description]) -> String {
    let mut page = String::from(HEAD);
    for metric in descriptions {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
        let (name, form, help) = (&metric.name, metric.form, &metric.help);
        writeln!(page, "| `{name}` | {form} | {labels} | {help} |").expect("writing into memory");
    }
    page.push_str(TAIL);
    page
}

const HEAD: &str = "\
<!-- Written by `UPDATE=1 cargo test` from src/telemetry/metrics.rs: edit that file. -->

# Metrics

`GET /metrics` on the admin port (`IMBRIDGE_ADMIN_LISTEN`), in the text form of Prometheus.

No label is ever the id of a user, a group or a message. Labels with a known set of values (commands,
kinds, reasons) are there from the start with the value 0, so that an alert on a rate works from the
first event. `provider` is `openim` or `tencent` (`none` where a call belongs to neither), `command` a
name of [the catalogue](commands.md) or `unknown`, `kind` a normalised command.

| name | type | labels | meaning |
| --- | --- | --- | --- |
";

const TAIL: &str = "
Beside these there are the standard `process_…` metrics: CPU seconds, open and most files, memory,
threads, start time.

## What to look at first

| question | expression |
| --- | --- |
| Are callbacks coming in? | `rate(imbridge_callbacks_total[5m])` |
| Are any turned away? | `rate(imbridge_callbacks_refused_total[5m]) > 0` |
| How long do senders wait? | `histogram_quantile(0.99, sum by (le, phase) (rate(imbridge_callback_seconds_bucket[5m])))` |
| Does Kafka keep up? | `imbridge_journal_oldest_age_seconds` and `imbridge_journal_bytes / imbridge_journal_bytes_max` |
| Is something holding deliveries up? | `imbridge_kafka_degraded == 1` |
| Was anything given up? | `increase(imbridge_kafka_dead_letters_total[1h]) > 0` |
| What do rules decide? | `sum by (verdict, enforced) (rate(imbridge_rules_decisions_total[5m]))` |
| What would a rule in shadow do? | `rate(imbridge_rule_matches_total{mode=\"shadow\"}[5m])` |
| Are the rules that are in force the ones in the file? | `imbridge_rules_last_reload_success == 0`, `imbridge_rules_active == 0` |
| Do rules fail? | `increase(imbridge_rules_errors_total[1h]) > 0`, `increase(imbridge_rules_fail_open_total[1h]) > 0` |
| Does the sender say things we do not know? | `increase(imbridge_records_unknown_total[1d]) > 0` |
";
