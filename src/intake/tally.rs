//! What one call will count for, kept until it is known what becomes of it.
//!
//! A [`Tally`] is of a call and counts when the call is accepted; [`Records`] are of one or many
//! calls and count when the log has taken them.

use crate::call::{CommandName, Part, Provider, RowIndex};
use crate::catalogue::plan::KindIndex;
use crate::journal::{Aside, Folder, Log};
use crate::normalise::{Event, Reason};
use crate::telemetry::{Ledger, Metrics};

/// Elements of a call from which on the memory of its tally is given back.
const LARGE: usize = 1024;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Tally {
    rows: Vec<Option<RowIndex>>,
    times_ms: Vec<i64>,
    known: bool,
    /// When the call came, Unix milliseconds.
    pub(super) received_at_ms: i64,
}

impl Tally {
    /// Whether a large call has blown it up, so that it is not worth keeping.
    pub(super) fn is_large(&self) -> bool {
        self.rows.capacity() > LARGE || self.times_ms.capacity() > LARGE
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.times_ms.clear();
        self.known = false;
    }

    pub(super) fn part(&mut self, part: &Part<'_>) {
        self.rows.push(match part.command {
            CommandName::Row(row) => Some(row),
            _ => None,
        });
    }

    pub(super) fn event(&mut self, event: &Event<'_>) {
        if let Ok(known) = &event.known {
            self.known = true;
            self.times_ms.extend(known.time_ms);
        }
    }

    /// Whether nothing of the call has a kind.
    pub(super) fn unknown(&self) -> bool {
        !self.known
    }

    /// Whether any of its commands is in the catalogue.
    pub(super) fn has_row(&self) -> bool {
        self.rows.iter().any(Option::is_some)
    }

    /// Counts an accepted call.
    pub(super) fn count(&self, metrics: &Metrics, provider: Provider) {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century are exact")]
        let seconds = |ms: i64| ms as f64 / 1000.0;
        for row in &self.rows {
            let command = metrics.command(provider, *row);
            command.callbacks.inc();
            command.last_seen.set(seconds(self.received_at_ms));
        }
        for time in &self.times_ms {
            metrics.delay(provider).observe(seconds((self.received_at_ms - time).max(0)));
        }
    }
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Records {
    kinds: Vec<KindIndex>,
    reasons: Vec<(Provider, Reason)>,
    /// Whole events whose records went out without `raw`, or that have none.
    asides: Vec<Aside>,
}

/// How many there were at a moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RecordsMark {
    kinds: usize,
    reasons: usize,
    asides: usize,
}

impl Records {
    pub(super) fn clear(&mut self) {
        self.kinds.clear();
        self.reasons.clear();
        self.asides.clear();
    }

    pub(super) fn mark(&self) -> RecordsMark {
        let (kinds, reasons) = (self.kinds.len(), self.reasons.len());
        RecordsMark { kinds, reasons, asides: self.asides.len() }
    }

    /// Forgets those that came after a mark.
    pub(super) fn cut(&mut self, mark: RecordsMark) {
        self.kinds.truncate(mark.kinds);
        self.reasons.truncate(mark.reasons);
        self.asides.truncate(mark.asides);
    }

    /// A record of this event stands in the batch.
    pub(super) fn add(&mut self, provider: Provider, event: &Event<'_>) {
        match &event.known {
            Ok(known) => self.kinds.push(known.kind.kind),
            Err(unknown) => self.reasons.push((provider, unknown.reason)),
        }
    }

    /// Adds those of another and empties it.
    pub(super) fn take_in(&mut self, other: &mut Self) {
        self.kinds.append(&mut other.kinds);
        self.reasons.append(&mut other.reasons);
        self.asides.append(&mut other.asides);
    }

    /// Keeps an event whole until its call's records are in the log.
    pub(super) fn put_aside(&mut self, aside: Aside) {
        self.asides.push(aside);
    }

    /// Whether nothing was put aside behind a mark.
    pub(super) fn is_whole_since(&self, mark: RecordsMark) -> bool {
        self.asides.len() == mark.asides
    }

    /// Gives the log what was put aside, in front of the records: there is no time at which the journal
    /// has neither. A log without room gets it only behind them, for it is asked again and again.
    pub(super) fn offer_asides(&mut self, log: &dyn Log, metrics: &Metrics, ledger: &Ledger) {
        if !self.asides.is_empty() && log.usage().full_since.is_none() {
            self.hand_asides_over(RecordsMark::default(), log, metrics, ledger);
        }
    }

    /// Gives the log what was put aside behind a mark. Behind the records while the log is full: a call
    /// that is refused then leaves no file and no count, however often its sender comes back with it.
    pub(super) fn hand_asides_over(
        &mut self,
        mark: RecordsMark,
        log: &dyn Log,
        metrics: &Metrics,
        ledger: &Ledger,
    ) {
        for aside in self.asides.drain(mark.asides..) {
            metrics.records_oversize.inc();
            if aside.folder == Folder::DeadLetter {
                metrics.kafka.dead_letters.with_label_values(&["too_large"]).inc();
                ledger.appended(1);
                ledger.dead_lettered(1);
            }
            log.put_aside(aside);
        }
    }

    /// How many are of a kind, and how many of none.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.kinds.len() as u64, self.reasons.len() as u64)
    }

    /// Counts records that are in the log.
    pub(super) fn count(&self, metrics: &Metrics) {
        for kind in &self.kinds {
            metrics.kind(*kind).inc();
        }
        for (provider, reason) in &self.reasons {
            metrics.records_unknown.with_label_values(&[provider.name(), reason.word()]).inc();
        }
    }
}
