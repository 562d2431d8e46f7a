//! The loss ledger: two sums that must come out even.
//!
//! In: every request and every record, at each border they cross. Out: the counts in `/status`. What
//! always holds once nothing moves: received = accepted + refused + in flight, and appended =
//! confirmed + dead-lettered + damaged + lost + waiting.

use serde::Serialize;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Running counts since the start.
#[derive(Debug, Default)]
pub struct Ledger {
    received: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    in_flight: AtomicI64,
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
    pub in_flight: i64,
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
        self.received.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// A request was taken: its records are appended, or its intent was decided.
    pub fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// A request was turned away, or its sender went away before it was read.
    pub fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Records went into the journal.
    pub fn appended(&self, records: u64) {
        self.appended.fetch_add(records, Ordering::Relaxed);
    }

    /// Kafka has records.
    pub fn confirmed(&self, records: u64) {
        self.confirmed.fetch_add(records, Ordering::Relaxed);
    }

    /// Records were put aside for good.
    pub fn dead_lettered(&self, records: u64) {
        self.dead_lettered.fetch_add(records, Ordering::Relaxed);
    }

    /// Records of the journal could not be read back.
    pub fn damaged(&self, records: u64) {
        self.damaged.fetch_add(records, Ordering::Relaxed);
    }

    /// Records ended with the process.
    pub fn lost(&self, records: u64) {
        self.lost.fetch_add(records, Ordering::Relaxed);
    }

    /// Requests that are being served.
    #[must_use]
    pub fn in_flight(&self) -> i64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The counts now. While traffic runs they are read one after the other.
    #[must_use]
    pub fn snapshot(&self) -> LedgerSnapshot {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (confirmed, dead_lettered) = (read(&self.confirmed), read(&self.dead_lettered));
        let (damaged, lost) = (read(&self.damaged), read(&self.lost));
        let appended = read(&self.appended);
        let (accepted, refused) = (read(&self.accepted), read(&self.refused));
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        LedgerSnapshot {
            requests: RequestCounts {
                received: read(&self.received),
                accepted,
                refused,
                in_flight,
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
