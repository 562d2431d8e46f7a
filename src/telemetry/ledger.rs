//! The loss ledger: two sums that must come out even.
//!
//! In: every request and every record, at each border they cross. Out: the counts in `/status`. What
//! always holds, in every snapshot: received = accepted + refused + in flight, and appended =
//! confirmed + dead-lettered + damaged + lost + waiting.

use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};

/// Running counts since the start.
#[derive(Debug, Default)]
pub struct Ledger {
    received: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    appended: AtomicU64,
    confirmed: AtomicU64,
    dead_lettered: AtomicU64,
    damaged: AtomicU64,
    lost: AtomicU64,
}

/// The ledger at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LedgerSnapshot {
    /// Requests.
    pub requests: RequestCounts,
    /// Records.
    pub records: RecordCounts,
}

/// Requests by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are those of the page")]
pub struct RequestCounts {
    pub received: u64,
    pub accepted: u64,
    pub refused: u64,
    pub in_flight: u64,
}

/// Records by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are those of the page")]
pub struct RecordCounts {
    pub appended: u64,
    pub confirmed: u64,
    pub dead_lettered: u64,
    pub damaged: u64,
    pub lost: u64,
    pub waiting: u64,
}

impl Ledger {
    /// A request arrived; it is in flight until one of the next two.
    pub fn received(&self) {
        add(&self.received, 1);
    }

    /// A request was taken: its records are safe, or its intent was decided.
    pub fn accepted(&self) {
        add(&self.accepted, 1);
    }

    /// A request was turned away, or its sender went away before it was answered.
    pub fn refused(&self) {
        add(&self.refused, 1);
    }

    /// Records go into the journal now, or were found there at the start. Counted before they can be
    /// read back: whoever confirms them must find them counted.
    pub fn appended(&self, records: u64) {
        add(&self.appended, records);
    }

    /// The journal did not take records that were counted as [`Self::appended`].
    pub fn not_appended(&self, records: u64) {
        self.appended.fetch_sub(records, Ordering::AcqRel);
    }

    /// Kafka has records.
    pub fn confirmed(&self, records: u64) {
        add(&self.confirmed, records);
    }

    /// Records were put aside for good.
    pub fn dead_lettered(&self, records: u64) {
        add(&self.dead_lettered, records);
    }

    /// Records could not be read back.
    pub fn damaged(&self, records: u64) {
        add(&self.damaged, records);
    }

    /// Records ended with the process.
    pub fn lost(&self, records: u64) {
        add(&self.lost, records);
    }

    /// Requests that are being served.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.snapshot().requests.in_flight
    }

    /// The counts now. What ends is read before what began, and the difference is what is under way:
    /// so both sums come out at every moment, and nothing is ever negative.
    #[must_use]
    pub fn snapshot(&self) -> LedgerSnapshot {
        let read = |count: &AtomicU64| count.load(Ordering::Acquire);
        let (confirmed, dead_lettered) = (read(&self.confirmed), read(&self.dead_lettered));
        let (damaged, lost) = (read(&self.damaged), read(&self.lost));
        let appended = read(&self.appended);
        let (accepted, refused) = (read(&self.accepted), read(&self.refused));
        let received = read(&self.received);
        LedgerSnapshot {
            requests: RequestCounts {
                received,
                accepted,
                refused,
                in_flight: received.saturating_sub(accepted + refused),
            },
            records: RecordCounts {
                appended,
                confirmed,
                dead_lettered,
                damaged,
                lost,
                waiting: appended.saturating_sub(confirmed + dead_lettered + damaged + lost),
            },
        }
    }
}

fn add(count: &AtomicU64, more: u64) {
    // Whoever sees an end sees the beginning that came before it.
    count.fetch_add(more, Ordering::AcqRel);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn both_sums_come_out_at_every_moment_while_everything_moves() {
        // Counts were read one after the other, those in flight from a count of their own: a page
        // that was read under load did not add up.
        let ledger = Ledger::default();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        ledger.received();
                        ledger.appended(3);
                        ledger.not_appended(3);
                        ledger.appended(3);
                        ledger.accepted();
                        ledger.confirmed(1);
                        ledger.dead_lettered(1);
                        ledger.damaged(1);
                    }
                });
            }
            for _ in 0..100_000 {
                let LedgerSnapshot { requests, records } = ledger.snapshot();
                let ends = requests.accepted + requests.refused + requests.in_flight;
                assert_eq!(requests.received, ends);
                let ends = records.confirmed + records.dead_lettered + records.damaged;
                assert_eq!(records.appended, ends + records.lost + records.waiting);
            }
            over.store(true, Ordering::Relaxed);
        });
        let LedgerSnapshot { requests, records } = ledger.snapshot();
        assert_eq!((requests.in_flight, records.waiting), (0, 0));
    }
}
