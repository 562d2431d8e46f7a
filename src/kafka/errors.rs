//! What an error means for a record: the error table of the shipper as one pure function.
//!
//! In: a code of librdkafka or of a broker. Out: a [`Fault`] with its [`Class`]. What always holds:
//! a code that is not listed is [`Class::Retry`], so nothing unknown ever condemns a record; purges
//! and time-outs never do either. Whether the broker may have written the record all the same is not
//! asked: every record without an ok report counts as a possible repeat.

use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;
use std::fmt;

/// What the shipper does about a failed record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The session was over when the record's turn came; says nothing about the record.
    Over,
    /// The producer is beyond use: a new session.
    Fatal,
    /// The message timed out; does not happen with our settings, leads to a new session.
    TimedOut,
    /// Topic, rights or settings are wrong: hold everything, say so, try again for ever.
    Configuration,
    /// Anything else: a new session.
    Retry,
    /// The record itself may be at fault: send what failed one by one.
    Record(RecordFault),
}

/// Why a broker does not want a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordFault {
    /// Larger than its topic takes (or its batch was).
    TooLarge,
    /// The broker calls it invalid, such as one without a key in a compacted topic.
    Invalid,
}

impl RecordFault {
    /// The reason as metrics name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Invalid => "invalid",
        }
    }
}

/// An error as it was reported, with its class.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// What to do about it.
    pub class: Class,
    code: Code,
}

impl Fault {
    /// Sorts an error of librdkafka or a broker.
    #[must_use]
    pub(super) const fn of(code: Code) -> Self {
        Self { class: classify(code), code }
    }

    /// Sorts an error of rust-rdkafka; one without a code is worth a retry.
    #[must_use]
    pub(super) fn of_error(error: &KafkaError) -> Self {
        Self::of(error.rdkafka_error_code().unwrap_or(Code::Fail))
    }

    /// A typical error of a class, for tests of those who cannot name librdkafka's codes.
    #[must_use]
    pub const fn example(class: Class) -> Self {
        let code = match class {
            Class::Over => Code::PurgeQueue,
            Class::Fatal => Code::OutOfOrderSequenceNumber,
            Class::TimedOut => Code::MessageTimedOut,
            Class::Configuration => Code::UnknownPartition,
            Class::Retry => Code::Unknown,
            Class::Record(RecordFault::TooLarge) => Code::MessageSizeTooLarge,
            Class::Record(RecordFault::Invalid) => Code::InvalidRecord,
        };
        Self { class, code }
    }

    /// Whether the topic does not exist, as opposed to rights and settings.
    #[must_use]
    pub const fn is_missing_topic(&self) -> bool {
        use Code::{UnknownPartition, UnknownTopic, UnknownTopicId, UnknownTopicOrPartition};
        matches!(
            self.code,
            UnknownTopic | UnknownTopicOrPartition | UnknownPartition | UnknownTopicId
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.fmt(f)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({:?})", self.class, self.code)
    }
}

const fn classify(code: Code) -> Class {
    use Code as C;
    match code {
        C::PurgeQueue | C::PurgeInflight => Class::Over,
        C::MessageTimedOut => Class::TimedOut,
        C::Fatal
        | C::GaplessGuarantee
        | C::Fenced
        | C::ProducerFenced
        | C::OutOfOrderSequenceNumber
        | C::Inconsistent => Class::Fatal,
        C::UnknownTopic
        | C::UnknownPartition
        | C::UnknownTopicOrPartition
        | C::UnknownTopicId
        | C::InvalidTopic
        | C::TopicAuthorizationFailed
        | C::ClusterAuthorizationFailed
        | C::TransactionalIdAuthorizationFailed
        | C::SaslAuthenticationFailed
        | C::Authentication
        | C::SSL
        | C::PolicyViolation
        | C::InvalidTimestamp
        | C::InvalidRequiredAcks
        | C::UnsupportedForMessageFormat
        | C::UnsupportedCompressionType
        | C::UnsupportedVersion
        | C::UnsupportedFeature
        | C::SecurityDisabled => Class::Configuration,
        C::MessageSizeTooLarge | C::MessageBatchTooLarge => Class::Record(RecordFault::TooLarge),
        C::InvalidRecord => Class::Record(RecordFault::Invalid),
        _ => Class::Retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_class(class: Class, codes: &[Code]) {
        for code in codes {
            assert_eq!(Fault::of(*code).class, class, "{code:?}");
        }
    }

    #[test]
    fn purged_records_are_never_condemned() {
        assert_class(Class::Over, &[Code::PurgeQueue, Code::PurgeInflight]);
    }

    #[test]
    fn an_out_of_order_sequence_and_a_broken_gapless_guarantee_are_fatal() {
        let fatal = [Code::OutOfOrderSequenceNumber, Code::GaplessGuarantee, Code::Fatal];
        assert_class(Class::Fatal, &fatal);
    }

    #[test]
    fn a_timeout_is_a_class_of_its_own() {
        assert_class(Class::TimedOut, &[Code::MessageTimedOut]);
    }

    #[test]
    fn rights_topics_policies_and_early_timestamps_are_for_the_operator() {
        let codes = [
            Code::TopicAuthorizationFailed,
            Code::ClusterAuthorizationFailed,
            Code::UnknownTopicOrPartition,
            Code::UnknownTopic,
            Code::UnknownPartition,
            Code::PolicyViolation,
            Code::InvalidTimestamp,
            Code::InvalidTopic,
        ];
        assert_class(Class::Configuration, &codes);
    }

    #[test]
    fn transient_and_unlisted_errors_are_tried_again() {
        let codes = [
            Code::Unknown,
            Code::ThrottlingQuotaExceeded,
            Code::InvalidProducerEpoch,
            Code::InvalidProducerIdMapping,
            Code::UnknownProducerId,
            Code::NotLeaderForPartition,
            Code::NotEnoughReplicas,
            Code::NotEnoughReplicasAfterAppend,
            Code::KafkaStorageError,
            Code::RequestTimedOut,
            Code::InvalidMessage,
            Code::BrokerTransportFailure,
            Code::QueueFull,
            Code::GroupAuthorizationFailed,
        ];
        assert_class(Class::Retry, &codes);
    }

    #[test]
    fn only_size_and_validity_are_the_records_own_fault() {
        let large = [Code::MessageSizeTooLarge, Code::MessageBatchTooLarge];
        assert_class(Class::Record(RecordFault::TooLarge), &large);
        assert_class(Class::Record(RecordFault::Invalid), &[Code::InvalidRecord]);
    }

    #[test]
    fn every_example_is_of_its_class() {
        for class in [
            Class::Over,
            Class::Fatal,
            Class::TimedOut,
            Class::Configuration,
            Class::Retry,
            Class::Record(RecordFault::TooLarge),
            Class::Record(RecordFault::Invalid),
        ] {
            let example = Fault::example(class);
            assert_eq!(Fault::of(example.code).class, class);
        }
    }
}
