//! Finds the record at fault after a broker refused a batch.
//!
//! In: positions that were refused, and later what became of them alone. Out: when a record may be
//! sent, and who is at fault. What always holds: a suspect is sent alone, with nothing in flight
//! before it and nothing sent behind it until its report is in; so the journal's order is kept, and
//! only a record that was refused alone is condemned.

use crate::journal::Sequence;
use crate::kafka::RecordFault;
use std::collections::BTreeMap;

/// Whether a record may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// With the others.
    Go,
    /// Now, and nothing behind it until its report is in.
    Alone,
    /// Not before what is in flight is reported.
    Wait,
}

/// What a delivery meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// Nothing: it was no suspect, or more are waiting.
    Unremarkable,
    /// It was the last suspect, and somebody was at fault.
    Over,
    /// It was the last suspect, all passed alone: the batch was too large, not a record.
    BatchTooLarge,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Isolation {
    suspects: BTreeMap<Sequence, RecordFault>,
    alone: Option<Sequence>,
    condemned: u64,
    too_large: bool,
}

impl Isolation {
    /// Whether there are suspects.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// Number of suspects.
    #[must_use]
    pub fn suspects(&self) -> usize {
        self.suspects.len()
    }

    /// A record was refused; whether it is condemned: it was alone.
    #[must_use]
    pub fn refused(&mut self, sequence: Sequence, fault: RecordFault) -> bool {
        if self.alone == Some(sequence) {
            self.alone = None;
            self.suspects.remove(&sequence);
            self.condemned += 1;
            return true;
        }
        self.too_large |= fault == RecordFault::TooLarge;
        self.suspects.insert(sequence, fault);
        false
    }

    /// Whether `sequence` may be sent while so many are in flight.
    #[must_use]
    pub fn gate(&self, sequence: Sequence, in_flight: usize) -> Gate {
        if self.alone.is_some() {
            Gate::Wait
        } else if !self.suspects.contains_key(&sequence) {
            Gate::Go
        } else if in_flight == 0 {
            Gate::Alone
        } else {
            Gate::Wait
        }
    }

    /// A suspect was sent.
    pub const fn sent_alone(&mut self, sequence: Sequence) {
        self.alone = Some(sequence);
    }

    /// A record was delivered.
    pub fn delivered(&mut self, sequence: Sequence) -> Passed {
        if self.alone != Some(sequence) {
            return Passed::Unremarkable;
        }
        self.alone = None;
        self.suspects.remove(&sequence);
        if self.is_active() {
            return Passed::Unremarkable;
        }
        let all_passed = std::mem::take(&mut self.condemned) == 0;
        if std::mem::take(&mut self.too_large) && all_passed {
            Passed::BatchTooLarge
        } else {
            Passed::Over
        }
    }

    /// The session is over; suspects stay suspects.
    pub fn end_session(&mut self) {
        self.alone = None;
        if !self.is_active() {
            self.condemned = 0;
            self.too_large = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(suspects: &[u64], fault: RecordFault) -> Isolation {
        let mut isolation = Isolation::default();
        for suspect in suspects {
            assert!(!isolation.refused(Sequence(*suspect), fault));
        }
        isolation.end_session();
        isolation
    }

    #[test]
    fn a_suspect_waits_for_those_before_it_and_holds_those_behind_it() {
        let mut isolation = refused(&[3], RecordFault::Invalid);
        assert_eq!(isolation.gate(Sequence(2), 5), Gate::Go);
        assert_eq!(isolation.gate(Sequence(3), 1), Gate::Wait);
        assert_eq!(isolation.gate(Sequence(3), 0), Gate::Alone);
        isolation.sent_alone(Sequence(3));
        assert_eq!(isolation.gate(Sequence(4), 1), Gate::Wait);
        assert_eq!(isolation.delivered(Sequence(3)), Passed::Over);
        assert_eq!(isolation.gate(Sequence(4), 0), Gate::Go);
    }

    #[test]
    fn only_who_is_refused_alone_is_condemned() {
        let mut isolation = refused(&[3, 4], RecordFault::TooLarge);
        isolation.sent_alone(Sequence(3));
        assert!(isolation.refused(Sequence(3), RecordFault::TooLarge));
        isolation.end_session();
        isolation.sent_alone(Sequence(4));
        assert_eq!(isolation.delivered(Sequence(4)), Passed::Over);
        assert!(!isolation.is_active());
    }

    #[test]
    fn a_batch_is_too_large_when_all_its_records_pass_alone() {
        let mut isolation = refused(&[3, 4], RecordFault::TooLarge);
        isolation.sent_alone(Sequence(3));
        assert_eq!(isolation.delivered(Sequence(3)), Passed::Unremarkable);
        isolation.sent_alone(Sequence(4));
        assert_eq!(isolation.delivered(Sequence(4)), Passed::BatchTooLarge);
        let mut invalid = refused(&[7], RecordFault::Invalid);
        invalid.sent_alone(Sequence(7));
        assert_eq!(invalid.delivered(Sequence(7)), Passed::Over);
    }

    #[test]
    fn a_session_that_ends_for_another_reason_leaves_the_suspect_to_be_tried_again() {
        let mut isolation = refused(&[3], RecordFault::TooLarge);
        isolation.sent_alone(Sequence(3));
        isolation.end_session();
        assert_eq!(isolation.gate(Sequence(3), 0), Gate::Alone);
    }
}
