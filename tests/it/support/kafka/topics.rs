//! Topics of a broker and what is in them, as tests see it.
//!
//! In: names. Out: [`Consumed`] records by partition and offset. Invariants: bytes are given as
//! they were stored, absent told from empty; every wait has an end, and that end is a panic that
//! says what was there instead.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::metadata::MetadataTopic;
use rdkafka::{Offset, TopicPartitionList};

use super::Broker;

/// Longest wait for one request; a broker that recovers answers late.
const REQUEST_LIMIT: Duration = Duration::from_secs(20);
/// Longest time to read what is there already: tests write some thousands of records at most.
const READ_LIMIT: Duration = Duration::from_mins(1);
/// How often the broker is asked for something that is to come.
const PAUSE: Duration = Duration::from_millis(50);

/// A record as it lies in Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Consumed {
    /// Number of the partition, from 0.
    pub(crate) partition: i32,
    /// Its place there.
    pub(crate) offset: i64,
    /// `None` for a record without a key, which is not the same as an empty one.
    pub(crate) key: Option<Vec<u8>>,
    /// `None` for a tombstone.
    pub(crate) payload: Option<Vec<u8>>,
    /// In the order written; names may come twice.
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
    /// Unix milliseconds, as the producer set them.
    pub(crate) timestamp_ms: i64,
}

impl Broker {
    /// Makes a topic with `config` entries (`max.message.bytes`, …) and waits until all of its
    /// partitions can be written. `partitions` of -1: as many as the broker likes.
    ///
    /// # Panics
    /// When the broker refuses, for example since the topic exists.
    pub(crate) fn create_topic(&self, name: &str, partitions: i32, config: &[(&str, &str)]) {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let topic = config.iter().fold(topic, |topic, (name, value)| topic.set(name, value));
        let options = AdminOptions::new();
        let answer = self.administer(|admin| admin.create_topics([&topic], &options));
        assert_eq!(answer, [Ok(name.to_owned())], "cannot create the topic");
        let asked = i32::max(partitions, 1);
        let made = wait_until_led(&self.reader(), name, REQUEST_LIMIT);
        assert!(made >= asked, "{name} has {made} partitions, not {asked}");
    }

    /// Deletes a topic and waits until it is gone.
    ///
    /// # Panics
    /// When the broker refuses, for example since there is none.
    pub(crate) fn delete_topic(&self, name: &str) {
        let options = AdminOptions::new();
        let answer = self.administer(|admin| admin.delete_topics(&[name], &options));
        assert_eq!(answer, [Ok(name.to_owned())], "cannot delete the topic");
        wait_for(&self.reader(), name, REQUEST_LIMIT, |found| found.is_none());
    }

    /// All topics that are there, with the number of their partitions.
    ///
    /// # Panics
    /// When the broker does not answer.
    pub(crate) fn topics(&self) -> BTreeMap<String, usize> {
        let found = found_topics(&self.reader(), REQUEST_LIMIT).expect("the broker answers");
        found.into_iter().map(|(name, found)| (name, found.partitions)).collect()
    }

    /// Every record that is in `topic` at the time of the call, by partition and offset.
    ///
    /// # Panics
    /// When there is no such topic, or it cannot be read.
    pub(crate) fn consume_all(&self, topic: &str) -> Vec<Consumed> {
        let reader = self.reader();
        let there = self.topics().contains_key(topic);
        assert!(there, "there is no topic {topic}");
        let partitions = wait_until_led(&reader, topic, READ_LIMIT);
        let mut open = ends(&reader, topic, partitions);
        open.retain(|_, (begin, end)| begin < end);
        assign(&reader, topic, partitions);
        let deadline = Instant::now() + READ_LIMIT;
        let mut records = Vec::new();
        while !open.is_empty() {
            assert!(Instant::now() < deadline, "{topic} cannot be read to its end: {open:?} left");
            match reader.poll(PAUSE) {
                Some(Ok(message)) => {
                    let record = consumed(&message);
                    let Some(&(_, end)) = open.get(&record.partition) else {
                        continue; // written after the call
                    };
                    if record.offset + 1 >= end {
                        open.remove(&record.partition);
                    }
                    if record.offset < end {
                        records.push(record);
                    }
                }
                // The end may lie behind the last record: compaction, control records.
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    open.remove(&partition);
                }
                Some(Err(error)) => panic!("cannot read {topic}: {error}"),
                None => {}
            }
        }
        sorted(records)
    }

    /// Every record of every topic whose name begins with `prefix`, by name without the prefix.
    /// Only what was confirmed before the call is sure to be among them.
    ///
    /// # Panics
    /// When one of them cannot be read.
    pub(crate) fn consume_prefix(&self, prefix: &str) -> BTreeMap<String, Vec<Consumed>> {
        let mut records: BTreeMap<String, Vec<Consumed>> = BTreeMap::new();
        self.read_prefix(prefix, |topic, record| {
            records.entry(topic.to_owned()).or_default().push(record);
        });
        records.into_iter().map(|(name, records)| (name, sorted(records))).collect()
    }

    /// How many records there are in all topics whose names begin with `prefix`.
    ///
    /// # Panics
    /// When the broker does not answer.
    pub(crate) fn count_prefix(&self, prefix: &str) -> u64 {
        let reader = self.reader();
        let topics = self.topics().into_keys().filter(|name| name.starts_with(prefix));
        let count = |topic: String| -> i64 {
            let partitions = wait_until_led(&reader, &topic, READ_LIMIT);
            ends(&reader, &topic, partitions).values().map(|(begin, end)| end - begin).sum()
        };
        u64::try_from(topics.map(count).sum::<i64>()).expect("ends are not before beginnings")
    }

    /// As [`Broker::consume_prefix`], record by record, each partition's in order, without keeping
    /// them.
    ///
    /// # Panics
    /// When one of them cannot be read, or nothing comes for a minute.
    pub(crate) fn read_prefix(&self, prefix: &str, mut each: impl FnMut(&str, Consumed)) {
        let reader = self.reader();
        let topics: Vec<(String, usize)> =
            self.topics().into_iter().filter(|(name, _)| name.starts_with(prefix)).collect();
        let mut places = TopicPartitionList::new();
        let mut open = 0;
        for (topic, partitions) in &topics {
            for partition in 0..i32::try_from(*partitions).expect("partitions fit in 32 bits") {
                places
                    .add_partition_offset(topic, partition, Offset::Beginning)
                    .expect("the beginning is a place that can be listed");
                open += 1;
            }
        }
        reader.assign(&places).expect("listed partitions can be assigned");
        let mut deadline = Instant::now() + READ_LIMIT;
        // The end of a partition is told once for as long as nothing is written to it.
        let mut eofs = 0;
        while eofs < open {
            assert!(Instant::now() < deadline, "{prefix}: {eofs} of {open} ends seen");
            match reader.poll(PAUSE) {
                Some(Ok(message)) => {
                    each(&message.topic()[prefix.len()..], consumed(&message));
                    deadline = Instant::now() + READ_LIMIT;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => eofs += 1,
                Some(Err(error)) => panic!("cannot read {prefix}…: {error}"),
                None => {}
            }
        }
    }

    /// Reads `topic` from its beginning until `count` records were seen; the topic may be missing
    /// at first, and the broker down. Ask [`Broker::consume_all`] whether there are more.
    ///
    /// # Panics
    /// When there are fewer after `limit`, with those that came.
    pub(crate) fn consume_until(
        &self,
        topic: &str,
        count: usize,
        limit: Duration,
    ) -> Vec<Consumed> {
        let deadline = Instant::now() + limit;
        let reader = self.reader();
        let partitions = wait_until_led(&reader, topic, limit);
        assign(&reader, topic, partitions);
        let mut records = Vec::new();
        while records.len() < count {
            assert!(
                Instant::now() < deadline,
                "{topic} has {} of {count} records after {limit:?}: {records:?}",
                records.len()
            );
            // Errors are those of an outage, or the end of a partition: more is to come.
            if let Some(Ok(message)) = reader.poll(PAUSE) {
                records.push(consumed(&message));
            }
        }
        sorted(records)
    }

    fn reader(&self) -> BaseConsumer {
        self.client_config()
            .set("group.id", "imbridge-test-reader")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .create()
            .expect("the client's properties are valid")
    }

    fn administer<T, F>(&self, request: impl FnOnce(&AdminClient<DefaultClientContext>) -> F) -> T
    where
        F: Future<Output = Result<T, KafkaError>>,
    {
        let admin = self.client_config().create().expect("the client's properties are valid");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime without drivers can be built");
        runtime.block_on(request(&admin)).expect("the broker answers")
    }
}

/// What Metadata says about a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    partitions: usize,
    /// Those that can be written and read now: after a restart some lack a leader for a moment.
    led: usize,
}

fn found_topics(
    reader: &BaseConsumer,
    limit: Duration,
) -> Result<BTreeMap<String, Found>, KafkaError> {
    let metadata = reader.fetch_metadata(None, limit)?;
    let found = |topic: &MetadataTopic| {
        let led = topic.partitions().iter().filter(|partition| partition.leader() >= 0).count();
        Found { partitions: topic.partitions().len(), led }
    };
    Ok(metadata.topics().iter().map(|topic| (topic.name().to_owned(), found(topic))).collect())
}

/// Asks about `topic` until the answer is `good`, and returns that answer. An outage is waited out.
fn wait_for(
    reader: &BaseConsumer,
    topic: &str,
    limit: Duration,
    good: impl Fn(Option<Found>) -> bool,
) -> Option<Found> {
    let deadline = Instant::now() + limit;
    loop {
        let answer = found_topics(reader, limit.min(REQUEST_LIMIT));
        let answer = answer.map(|topics| topics.get(topic).copied());
        match answer {
            Ok(found) if good(found) => return found,
            _ => assert!(Instant::now() < deadline, "{topic} after {limit:?}: {answer:?}"),
        }
        thread::sleep(PAUSE);
    }
}

/// Waits until all partitions of `topic` have a leader; returns how many there are.
fn wait_until_led(reader: &BaseConsumer, topic: &str, limit: Duration) -> i32 {
    let led = |found: Option<Found>| {
        found.is_some_and(|found| found.led > 0 && found.led == found.partitions)
    };
    let found = wait_for(reader, topic, limit, led).expect("a topic with leaders is there");
    i32::try_from(found.partitions).expect("Kafka counts partitions in 32 bits")
}

/// Where each partition begins and ends now.
fn ends(reader: &BaseConsumer, topic: &str, partitions: i32) -> BTreeMap<i32, (i64, i64)> {
    let marks = |partition| {
        let marks = reader.fetch_watermarks(topic, partition, REQUEST_LIMIT);
        (partition, marks.unwrap_or_else(|error| panic!("no ends of {topic}: {error}")))
    };
    (0..partitions).map(marks).collect()
}

/// Sets the reader to the beginning of all partitions.
fn assign(reader: &BaseConsumer, topic: &str, partitions: i32) {
    let mut places = TopicPartitionList::new();
    for partition in 0..partitions {
        places
            .add_partition_offset(topic, partition, Offset::Beginning)
            .expect("the beginning is a place that can be listed");
    }
    reader.assign(&places).expect("listed partitions can be assigned");
}

fn consumed(message: &BorrowedMessage<'_>) -> Consumed {
    let headers = message.headers().map(|headers| {
        let owned = |header: rdkafka::message::Header<'_, &[u8]>| {
            (header.key.to_owned(), header.value.map(<[u8]>::to_vec))
        };
        headers.iter().map(owned).collect()
    });
    Consumed {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
        timestamp_ms: message.timestamp().to_millis().expect("Kafka stamps every record"),
    }
}

fn sorted(mut records: Vec<Consumed>) -> Vec<Consumed> {
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}
