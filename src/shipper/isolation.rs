//! Finds the record at fault after a broker refused a batch, and knows what still has to be put aside.
//!
//! In: positions that were refused, and later what became of them alone. Out: when a record may be
//! sent, who is at fault, and when all is as it should be. What always holds: a suspect is sent
//! alone, with nothing in flight before it and nothing sent behind it until its report is in; so is
//! the dead letter of one that was condemned. So the journal's order is kept, and only a record that
//! was refused alone is condemned.

use crate::journal::Sequence;
use crate::kafka::{Fault, RecordFault};
use std::collections::BTreeMap;

/// Whether a record may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// With the others.
    Go,
    /// Now, and nothing behind it until its report is in.
    Alone,
    /// As a dead letter, now, and nothing behind it until it is put aside.
    Aside(Condemned),
    /// Not before what is in flight is reported.
    Wait,
}

/// What a delivery, or a record put aside, meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// Nothing: it was no suspect, or more are waiting.
    Unremarkable,
    /// It was the last one, and somebody was at fault.
    Over,
    /// It was the last suspect, all passed alone: the batch was too large, not a record.
    BatchTooLarge,
}

/// A record that was refused alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condemned {
    /// Why, as metrics name it.
    pub reason: RecordFault,
    /// Why, as Kafka says it.
    pub fault: Fault,
    /// Dead letters that failed.
    pub tries: u8,
    /// Whether a dead letter was ever sent: whatever was heard of it, it may be there.
    pub sent: bool,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Isolation {
    suspects: BTreeMap<Sequence, RecordFault>,
    condemned: BTreeMap<Sequence, Condemned>,
    alone: Option<Sequence>,
    /// Whether anybody was condemned since suspects were first named.
    at_fault: bool,
    too_large: bool,
}

impl Isolation {
    /// Whether records go one by one.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.suspects.is_empty() || !self.condemned.is_empty()
    }

    /// A record was refused, alone or with others: it is condemned or a suspect; whether it is
    /// condemned.
    pub fn refused(&mut self, sequence: Sequence, reason: RecordFault, fault: Fault) -> bool {
        if self.alone == Some(sequence) {
            self.condemn(sequence, reason, fault);
            return true;
        }
        self.too_large |= reason == RecordFault::TooLarge;
        self.suspects.insert(sequence, reason);
        false
    }

    /// Whether a record is on its way that must be alone.
    #[must_use]
    pub const fn waits_for_one(&self) -> bool {
        self.alone.is_some()
    }

    /// A record was refused, and it was alone.
    pub fn condemn(&mut self, sequence: Sequence, reason: RecordFault, fault: Fault) {
        self.alone = None;
        self.suspects.remove(&sequence);
        self.condemned.insert(sequence, Condemned { reason, fault, tries: 0, sent: false });
        self.at_fault = true;
    }

    /// The record, if it was condemned and is not put aside yet.
    #[must_use]
    pub fn condemned(&self, sequence: Sequence) -> Option<Condemned> {
        self.condemned.get(&sequence).copied()
    }

    /// A dead letter failed; how many did for this record, this one included.
    pub fn letter_failed(&mut self, sequence: Sequence) -> u8 {
        self.alone = None;
        self.condemned.get_mut(&sequence).map_or(0, |condemned| {
            condemned.tries = condemned.tries.saturating_add(1);
            condemned.tries
        })
    }

    /// Whether `sequence` may be sent while so many are in flight.
    #[must_use]
    pub fn gate(&self, sequence: Sequence, in_flight: usize) -> Gate {
        let condemned = self.condemned(sequence);
        if self.alone.is_some() {
            Gate::Wait
        } else if condemned.is_none() && !self.suspects.contains_key(&sequence) {
            Gate::Go
        } else if in_flight > 0 {
            Gate::Wait
        } else {
            condemned.map_or(Gate::Alone, Gate::Aside)
        }
    }

    /// A suspect, or the dead letter of a condemned one, was sent.
    pub fn sent_alone(&mut self, sequence: Sequence) {
        self.alone = Some(sequence);
        if let Some(condemned) = self.condemned.get_mut(&sequence) {
            condemned.sent = true;
        }
    }

    /// A record cannot be read any more: nobody will judge it.
    pub fn forget(&mut self, sequence: Sequence) {
        let condemned = self.condemned.remove(&sequence).is_some();
        if self.suspects.remove(&sequence).is_none() && !condemned {
            return;
        }
        // Whether the batch was too large or this record is not known now; if it was the batch, it
        // is refused again.
        self.at_fault = true;
        if !self.is_active() {
            (self.at_fault, self.too_large) = (false, false);
        }
    }

    /// A record was delivered, or one that was condemned is put aside.
    pub fn settled(&mut self, sequence: Sequence) -> Passed {
        let suspected = self.alone == Some(sequence);
        if self.condemned.remove(&sequence).is_none() && !suspected {
            return Passed::Unremarkable;
        }
        self.alone = None;
        self.suspects.remove(&sequence);
        if self.is_active() {
            return Passed::Unremarkable;
        }
        let all_passed = !std::mem::take(&mut self.at_fault);
        if std::mem::take(&mut self.too_large) && all_passed {
            Passed::BatchTooLarge
        } else {
            Passed::Over
        }
    }

    /// The session is over; suspects stay suspects, and what was condemned stays so.
    pub const fn end_session(&mut self) {
        self.alone = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::Class;

    fn fault(reason: RecordFault) -> Fault {
        Fault::example(Class::Record(reason))
    }

    fn refuse(isolation: &mut Isolation, sequence: u64, reason: RecordFault) {
        let condemned = isolation.refused(Sequence(sequence), reason, fault(reason));
        assert_eq!(condemned, isolation.condemned(Sequence(sequence)).is_some());
    }

    fn refused(suspects: &[u64], reason: RecordFault) -> Isolation {
        let mut isolation = Isolation::default();
        for suspect in suspects {
            refuse(&mut isolation, *suspect, reason);
            assert_eq!(isolation.condemned(Sequence(*suspect)), None);
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
        assert_eq!(isolation.settled(Sequence(3)), Passed::Over);
        assert_eq!(isolation.gate(Sequence(4), 0), Gate::Go);
    }

    #[test]
    fn only_who_is_refused_alone_is_condemned_and_its_letter_goes_alone_too() {
        let mut isolation = refused(&[3, 4], RecordFault::TooLarge);
        isolation.sent_alone(Sequence(3));
        refuse(&mut isolation, 3, RecordFault::TooLarge);
        isolation.end_session();
        let condemned = isolation.condemned(Sequence(3)).expect("it was alone");
        assert_eq!((condemned.reason, condemned.tries), (RecordFault::TooLarge, 0));
        assert_eq!(isolation.gate(Sequence(3), 1), Gate::Wait);
        assert_eq!(isolation.gate(Sequence(3), 0), Gate::Aside(condemned));
        isolation.sent_alone(Sequence(3));
        assert_eq!(isolation.gate(Sequence(4), 1), Gate::Wait);
        assert_eq!(isolation.settled(Sequence(3)), Passed::Unremarkable, "4 is still suspected");
        isolation.sent_alone(Sequence(4));
        assert_eq!(isolation.settled(Sequence(4)), Passed::Over);
        assert!(!isolation.is_active());
    }

    #[test]
    fn letters_that_fail_are_counted_and_the_record_stays_condemned() {
        let mut isolation = Isolation::default();
        isolation.condemn(Sequence(3), RecordFault::Invalid, fault(RecordFault::Invalid));
        for tries in 1..4 {
            isolation.sent_alone(Sequence(3));
            assert_eq!(isolation.letter_failed(Sequence(3)), tries);
            isolation.end_session();
            assert!(matches!(isolation.gate(Sequence(3), 0), Gate::Aside(_)));
        }
        assert_eq!(isolation.settled(Sequence(3)), Passed::Over, "it is in a file");
    }

    #[test]
    fn a_batch_is_too_large_when_all_its_records_pass_alone() {
        let mut isolation = refused(&[3, 4], RecordFault::TooLarge);
        isolation.sent_alone(Sequence(3));
        assert_eq!(isolation.settled(Sequence(3)), Passed::Unremarkable);
        isolation.sent_alone(Sequence(4));
        assert_eq!(isolation.settled(Sequence(4)), Passed::BatchTooLarge);
        let mut invalid = refused(&[7], RecordFault::Invalid);
        invalid.sent_alone(Sequence(7));
        assert_eq!(invalid.settled(Sequence(7)), Passed::Over);
    }

    #[test]
    fn who_is_forgotten_is_waited_for_no_longer_and_leaves_no_verdict() {
        let mut isolation = refused(&[3, 4], RecordFault::TooLarge);
        isolation.forget(Sequence(9));
        isolation.forget(Sequence(3));
        isolation.sent_alone(Sequence(4));
        assert_eq!(isolation.settled(Sequence(4)), Passed::Over, "3 may have been at fault");
        refuse(&mut isolation, 5, RecordFault::TooLarge);
        isolation.forget(Sequence(5));
        assert!(!isolation.is_active());
        refuse(&mut isolation, 6, RecordFault::TooLarge);
        isolation.sent_alone(Sequence(6));
        assert_eq!(isolation.settled(Sequence(6)), Passed::BatchTooLarge);
    }

    #[test]
    fn a_session_that_ends_for_another_reason_leaves_the_suspect_to_be_tried_again() {
        let mut isolation = refused(&[3], RecordFault::TooLarge);
        isolation.sent_alone(Sequence(3));
        isolation.end_session();
        assert_eq!(isolation.gate(Sequence(3), 0), Gate::Alone);
    }
}
