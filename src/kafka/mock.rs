//! librdkafka's mock cluster, in this process: for the demo, tests and benches.
//!
//! In: topics to make, errors to inject. Out: a bootstrap address. What always holds: it keeps some
//! 5 MB per partition and forgets older records; it cannot create topics by request, so they are
//! made here; it does not check producer sequences, so nothing may be concluded from duplicates.

use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr as E};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Every broker of the cluster.
const ALL: i32 = -1;

/// An answer that the mock can be told to give to a produce request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of Kafka's protocol")]
pub enum ProduceError {
    NotLeader,
    NotEnoughReplicas,
    NotEnoughReplicasAfterAppend,
    StorageError,
    RequestTimedOut,
    Disconnect,
    CorruptMessage,
    UnknownTopic,
    UnknownProducerId,
    MessageSizeTooLarge,
    InvalidRecord,
    PolicyViolation,
    Unknown,
    ThrottlingQuotaExceeded,
    ClusterAuthorizationFailed,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    TopicAuthorizationFailed,
    OutOfOrderSequence,
}

impl ProduceError {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::NotLeader,
        Self::NotEnoughReplicas,
        Self::NotEnoughReplicasAfterAppend,
        Self::StorageError,
        Self::RequestTimedOut,
        Self::Disconnect,
        Self::CorruptMessage,
        Self::UnknownTopic,
        Self::UnknownProducerId,
        Self::MessageSizeTooLarge,
        Self::InvalidRecord,
        Self::PolicyViolation,
        Self::Unknown,
        Self::ThrottlingQuotaExceeded,
        Self::ClusterAuthorizationFailed,
        Self::InvalidProducerEpoch,
        Self::InvalidProducerIdMapping,
        Self::TopicAuthorizationFailed,
        Self::OutOfOrderSequence,
    ];

    const fn code(self) -> E {
        match self {
            Self::NotLeader => E::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            Self::NotEnoughReplicas => E::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
            Self::NotEnoughReplicasAfterAppend => {
                E::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND
            }
            Self::StorageError => E::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
            Self::RequestTimedOut => E::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
            Self::Disconnect => E::RD_KAFKA_RESP_ERR__TRANSPORT,
            Self::CorruptMessage => E::RD_KAFKA_RESP_ERR_INVALID_MSG,
            Self::UnknownTopic => E::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
            Self::UnknownProducerId => E::RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
            Self::MessageSizeTooLarge => E::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
            Self::InvalidRecord => E::RD_KAFKA_RESP_ERR_INVALID_RECORD,
            Self::PolicyViolation => E::RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
            Self::Unknown => E::RD_KAFKA_RESP_ERR_UNKNOWN,
            Self::ThrottlingQuotaExceeded => E::RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED,
            Self::ClusterAuthorizationFailed => E::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
            Self::InvalidProducerEpoch => E::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
            Self::InvalidProducerIdMapping => E::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING,
            Self::TopicAuthorizationFailed => E::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            Self::OutOfOrderSequence => E::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
        }
    }
}

/// A mock cluster; lives as long as this value. Stays on the thread that made it.
pub struct MockKafka {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl std::fmt::Debug for MockKafka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("MockKafka").field(&self.bootstrap()).finish()
    }
}

/// Why the mock cluster did not do something.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the in-process Kafka: {0}")]
pub struct MockError(String);

impl From<KafkaError> for MockError {
    fn from(error: KafkaError) -> Self {
        Self(error.to_string())
    }
}

impl MockKafka {
    /// Starts a cluster with a number of brokers, on free ports of the loopback interface.
    ///
    /// # Errors
    /// No port, no thread.
    pub fn start(brokers: u8) -> Result<Self, MockError> {
        Ok(Self { cluster: MockCluster::new(i32::from(brokers))? })
    }

    /// Addresses of the brokers, for `bootstrap.servers`.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    /// Makes a topic.
    ///
    /// # Errors
    /// It exists already, or the name is no topic name.
    pub fn create_topic(&self, name: &str, partitions: u16) -> Result<(), MockError> {
        Ok(self.cluster.create_topic(name, i32::from(partitions), 1)?)
    }

    /// Makes many topics.
    ///
    /// The cluster's thread now and then sleeps through a wish, for up to a second, unless a
    /// connection wakes it (librdkafka 2): so it is kept awake meanwhile. 81 topics take 0.1 s so,
    /// and 16 s one by one.
    ///
    /// # Errors
    /// As [`Self::create_topic`]; those before the failing one exist then.
    pub fn create_topics(&self, names: &[String], partitions: u16) -> Result<(), MockError> {
        let (bootstrap, done) = (self.bootstrap(), AtomicBool::new(false));
        let address = bootstrap.split(',').next().unwrap_or_default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // Connecting is all that is wanted of it.
                    let _woken = TcpStream::connect(address).is_ok();
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            let made = names.iter().try_for_each(|name| self.create_topic(name, partitions));
            done.store(true, Ordering::Relaxed);
            made
        })
    }

    /// Answers the next `times` produce requests with an error.
    pub fn fail_produce(&self, error: ProduceError, times: usize) {
        self.cluster.request_errors(RDKafkaApiKey::Produce, &vec![error.code(); times]);
    }

    /// Answers the next produce requests as told; `None`: as ever.
    pub fn answer_produce(&self, answers: &[Option<ProduceError>]) {
        let code = |answer: &Option<ProduceError>| {
            answer.map_or(E::RD_KAFKA_RESP_ERR_NO_ERROR, ProduceError::code)
        };
        let codes: Vec<E> = answers.iter().map(code).collect();
        self.cluster.request_errors(RDKafkaApiKey::Produce, &codes);
    }

    /// Forgets the errors that were not given yet.
    pub fn clear_produce_errors(&self) {
        self.cluster.clear_request_errors(RDKafkaApiKey::Produce);
    }

    /// Takes the leader of a partition away, or gives it back to the first broker.
    ///
    /// # Errors
    /// There is no such partition.
    pub fn lead(&self, topic: &str, partition: u16, led: bool) -> Result<(), MockError> {
        Ok(self.cluster.partition_leader(topic, i32::from(partition), led.then_some(1))?)
    }

    /// Lets the cluster say of a topic that it can tell nothing now, or lets it speak again.
    ///
    /// # Errors
    /// Never in practice.
    pub fn trouble(&self, topic: &str, troubled: bool) -> Result<(), MockError> {
        let answer = if troubled {
            E::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE
        } else {
            E::RD_KAFKA_RESP_ERR_NO_ERROR
        };
        Ok(self.cluster.topic_error(topic, answer)?)
    }

    /// Closes all connections and takes no new ones.
    ///
    /// # Errors
    /// Never in practice.
    pub fn down(&self) -> Result<(), MockError> {
        Ok(self.cluster.broker_down(ALL)?)
    }

    /// Takes connections again.
    ///
    /// # Errors
    /// Never in practice.
    pub fn up(&self) -> Result<(), MockError> {
        Ok(self.cluster.broker_up(ALL)?)
    }

    /// Delays every answer.
    ///
    /// # Errors
    /// Never in practice.
    pub fn round_trip_time(&self, delay: Duration) -> Result<(), MockError> {
        Ok(self.cluster.broker_round_trip_time(ALL, delay)?)
    }
}
