//! What is in flight in this session: how many records, how many bytes, of which topics.
//!
//! In: records sent and reported. Out: whether there is room for more. What always holds: a report
//! for a record that is not in flight changes nothing; a record larger than the budget still flies
//! when it is the only one.

use super::window::CAPACITY;
use crate::journal::Sequence;

/// A record in flight.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// 0: nothing is in flight here.
    bytes: u32,
    topic: u16,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Flight {
    slots: Box<[Slot]>,
    records: usize,
    bytes: usize,
    records_max: usize,
    bytes_max: usize,
}

impl Flight {
    /// Nothing in flight, with limits.
    #[must_use]
    pub fn new(records_max: usize, bytes_max: usize) -> Self {
        let slots = (0..CAPACITY).map(|_| Slot::default()).collect();
        Self { slots, records: 0, bytes: 0, records_max, bytes_max }
    }

    /// Number of records in flight.
    #[must_use]
    pub const fn records(&self) -> usize {
        self.records
    }

    /// Whether one more may be sent.
    #[must_use]
    pub const fn has_room(&self) -> bool {
        self.records < self.records_max && self.bytes < self.bytes_max
    }

    /// A record was sent; its position is inside the window.
    pub fn add(&mut self, sequence: Sequence, topic: u16, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).max(1);
        self.slots[place(sequence)] = Slot { bytes, topic };
        self.records += 1;
        self.bytes += bytes as usize;
    }

    /// A record was reported; its topic, if it was in flight.
    pub fn take(&mut self, sequence: Sequence) -> Option<u16> {
        let slot = std::mem::take(&mut self.slots[place(sequence)]);
        if slot.bytes == 0 {
            return None;
        }
        self.records -= 1;
        self.bytes -= slot.bytes as usize;
        Some(slot.topic)
    }

    /// Forgets everything: the session is over.
    pub fn clear(&mut self) {
        self.slots.fill(Slot::default());
        self.records = 0;
        self.bytes = 0;
    }
}

const fn place(sequence: Sequence) -> usize {
    (sequence.0 % CAPACITY) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_until_either_limit_is_reached() {
        let mut flight = Flight::new(2, 100);
        flight.add(Sequence(1), 0, 99);
        assert!(flight.has_room());
        flight.add(Sequence(2), 7, 1);
        assert!(!flight.has_room());
        assert_eq!(flight.take(Sequence(2)), Some(7));
        assert!(flight.has_room());
        let mut lone = Flight::new(2, 100);
        lone.add(Sequence(1), 0, 5000);
        assert!(!lone.has_room());
    }

    #[test]
    fn a_second_report_counts_for_nothing() {
        let mut flight = Flight::new(2, 100);
        flight.add(Sequence(1), 0, 10);
        assert_eq!((flight.take(Sequence(1)), flight.take(Sequence(1))), (Some(0), None));
        assert_eq!(flight.records(), 0);
    }
}
