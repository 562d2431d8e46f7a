//! What one call will count for, kept until it is known whether it is accepted.

use crate::call::{CommandName, Part, Provider, RowIndex};
use crate::catalogue::plan::KindIndex;
use crate::normalise::{Event, Reason};
use crate::telemetry::Metrics;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Tally {
    rows: Vec<Option<RowIndex>>,
    kinds: Vec<KindIndex>,
    reasons: Vec<Reason>,
    times_ms: Vec<i64>,
    /// Set when the call has to wait.
    pub(super) received_at_ms: i64,
}

impl Tally {
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.kinds.clear();
        self.reasons.clear();
        self.times_ms.clear();
    }

    pub(super) fn part(&mut self, part: &Part<'_>) {
        self.rows.push(match part.command {
            CommandName::Row(row) => Some(row),
            _ => None,
        });
    }

    pub(super) fn event(&mut self, event: &Event<'_>) {
        match &event.known {
            Ok(known) => {
                self.kinds.push(known.kind.kind);
                self.times_ms.extend(known.time_ms);
            }
            Err(unknown) => self.reasons.push(unknown.reason),
        }
    }

    /// Whether nothing of the call has a kind.
    pub(super) fn unknown(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Whether any of its commands is in the catalogue.
    pub(super) fn has_row(&self) -> bool {
        self.rows.iter().any(Option::is_some)
    }

    /// Counts an accepted call.
    pub(super) fn count(&self, metrics: &Metrics, provider: Provider, received_at_ms: i64) {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century are exact")]
        let seconds = |ms: i64| ms as f64 / 1000.0;
        for row in &self.rows {
            let command = metrics.command(provider, *row);
            command.callbacks.inc();
            command.last_seen.set(seconds(received_at_ms));
        }
        for kind in &self.kinds {
            metrics.kind(*kind).inc();
        }
        for reason in &self.reasons {
            metrics.records_unknown.with_label_values(&[provider.name(), reason.word()]).inc();
        }
        for time in &self.times_ms {
            metrics.delay(provider).observe(seconds((received_at_ms - time).max(0)));
        }
    }
}
