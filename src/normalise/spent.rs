//! How much of one request its records repeat, and when that is too much.
//!
//! In: what each record but the first costs: its own attributes, the part of the body that it shows
//! again, what was hashed anew for its id. Out: whether the request may go on becoming many records.
//! What always holds: a request that becomes one record is never too much; a sender cannot make the
//! bridge hold or hash more than the request's own size and [`REPEATED_BYTES_MAX`] a few times over.

use crate::event::Value;
use sha2::Sha256;
use std::collections::HashMap;

/// Bytes that the records of one request may repeat, about what its batch may have beyond the body.
/// A hundred events of an envelope, the most that Tencent sends, repeat 100 KB; a list of a thousand
/// users may stand in a body with 60 KB beside it.
pub(super) const REPEATED_BYTES_MAX: usize = 64 << 20;

/// What a record has beside its share of the body: id, topic, attributes, names of fields.
pub(super) const RECORD_BYTES: usize = 1024;

/// What one request has cost so far.
#[derive(Debug, Default)]
pub(super) struct Spent<'a> {
    repeated: usize,
    /// Whether a record was made: the first one repeats nothing.
    again: bool,
    /// Hash states behind a body, by all that was hashed before it.
    pub(super) hashed: HashMap<Vec<u8>, Sha256, foldhash::fast::FixedState>,
    /// The body as redacted text, and whether redaction replaced something.
    pub(super) raw_text: Option<(&'a str, bool)>,
}

impl Spent<'_> {
    /// Counts `bytes` so many times.
    pub(super) fn times(&mut self, times: usize, bytes: usize) {
        self.repeated = self.repeated.saturating_add(times.saturating_mul(bytes));
    }

    /// What comes from now on belongs to a further record.
    pub(super) fn next(&mut self) {
        self.again = true;
    }

    /// Counts bytes that were read or made for the record at hand.
    pub(super) fn spend(&mut self, bytes: usize) {
        if self.again {
            self.times(1, bytes);
        }
    }

    /// Counts the lists among the fields of the record at hand: a row may read into each of its
    /// events the very list that it splits.
    pub(super) fn fields(&mut self, slots: &[Value<'_>]) {
        if self.again {
            self.spend(slots.iter().map(weight).sum());
        }
    }

    /// Whether the request becomes more than it may.
    pub(super) fn too_much(&self) -> bool {
        self.repeated > REPEATED_BYTES_MAX
    }
}

fn weight(value: &Value<'_>) -> usize {
    let items = match value {
        Value::List(items) => items.len(),
        Value::Items(items) => items.len(),
        _ => 0,
    };
    items.saturating_mul(32)
}
