//! What the shipper tells to whoever counts and shows.
//!
//! In: nothing. Out: the [`Observer`] seam, filled by telemetry. What always holds: every method is
//! called from the shipper's thread alone and must not block.

use crate::kafka::{Class, RecordFault, Stats};
use std::time::Duration;

/// Classes of failures, as metrics name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Topic, rights or settings; everything is held.
    Configuration,
    /// A new session will do.
    Retry,
    /// A broker refused a record.
    Record,
    /// The producer turned fatal.
    Fatal,
}

impl ErrorClass {
    /// All of them, for label sets that start at 0.
    pub const ALL: [Self; 4] = [Self::Configuration, Self::Retry, Self::Record, Self::Fatal];

    /// The class of a failed delivery.
    #[must_use]
    pub const fn of(class: Class) -> Self {
        match class {
            Class::Configuration => Self::Configuration,
            Class::Record(_) => Self::Record,
            Class::Fatal | Class::Over => Self::Fatal,
            Class::Retry | Class::TimedOut => Self::Retry,
        }
    }

    /// The class as metrics name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Retry => "retry",
            Self::Record => "record",
            Self::Fatal => "fatal",
        }
    }
}

/// Something that keeps Kafka from taking records as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Degraded {
    /// One of [`super::health::REASONS`].
    pub reason: &'static str,
    /// For people: what is wrong and what to do.
    pub text: String,
}

impl std::fmt::Display for Degraded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "kafka: {}", self.text)
    }
}

/// See the module's documentation.
pub trait Observer: Send + Sync {
    /// Records of a topic were delivered.
    fn delivered(&self, _topic: &str, _records: u64) {}
    /// The journal was confirmed past records that were appended so long ago.
    fn confirmed(&self, _records: u64, _age: Duration) {}
    /// Something failed; once per incident, not per record.
    fn error(&self, _class: ErrorClass) {}
    /// A record that was refused alone was put aside: in the dead-letter topic, if one is named, else
    /// in a file, or nowhere where there are none.
    fn dead_letter(&self, _reason: RecordFault, _topic: Option<&str>) {}
    /// So many records could not be read back and were left out.
    fn damaged(&self, _records: u64) {}
    /// A producer session began.
    fn session_started(&self) {}
    /// It ended: what its statistics said is over.
    fn session_ended(&self) {}
    /// New statistics of librdkafka.
    fn stats(&self, _stats: &Stats) {}
    /// The complete list of what is wrong; called when it changes.
    fn degraded(&self, _reasons: &[Degraded]) {}
    /// The shipper's thread is alive.
    fn heartbeat(&self, _unix_ms: i64) {}
}

/// Watches nothing.
impl Observer for () {}
