//! Everything that speaks to Kafka, and the only place that knows `rdkafka`.
//!
//! In: finished records from the shipper, questions about topics, wishes to read events back. Out:
//! delivery reports sorted into classes, topics with their partitions, events. What always holds: no
//! type of `rdkafka` is visible outside, nothing here decides what happens to a record (that is the
//! shipper's), and our settings win over an operator's properties wherever promises rest on them.
//!
//! * [`settings`]: brokers, librdkafka properties, topic creation
//! * [`producer`]: one producer session, idempotent and gapless
//! * [`errors`]: what an error of librdkafka or a broker means for a record
//! * [`admin`]: topics: which exist, create, size limits
//! * [`consumer`]: reading topics without a consumer group, for `imbridge tail`
//! * [`stats`]: the few of librdkafka's statistics that are shown
//! * [`mock`]: librdkafka's mock cluster, for the demo, tests and benches

pub mod admin;
pub mod consumer;
mod context;
pub mod errors;
pub mod mock;
pub mod producer;
pub mod settings;
pub mod stats;

pub use admin::{Admin, Topic};
pub use errors::{Class, Fault, RecordFault};
pub use producer::{Failed, Inbox, Outgoing, Producer, Refusal, Signal, SignalClass};
pub use settings::KafkaSettings;
pub use stats::Stats;
