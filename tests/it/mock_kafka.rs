//! The shipper over librdkafka's mock cluster.
//!
//! What the mock can and cannot prove: it answers produce requests with any error, goes away and
//! comes back, and partitions are chosen by the client; but it does not check producer sequences, so
//! nothing is said about duplicates, and it keeps 5 MB per partition.

use imbridge::clock;
use imbridge::journal::Log;
use imbridge::journal::memory::MemoryLog;
use imbridge::kafka::KafkaSettings;
use imbridge::kafka::consumer::{Event, Next, Reader, Start};
use imbridge::kafka::mock::{MockKafka, ProduceError};
use imbridge::record::{Batch, Head};
use imbridge::shipper::{KafkaSinks, Settings, Shipper, ShipperHandle, health};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_mins(1);
/// Name of the dead-letter topic.
const DEAD: &str = "dead";
const SECOND: Duration = Duration::from_secs(1);

struct Bridge {
    log: Arc<MemoryLog>,
    shipper: ShipperHandle,
    appended: u64,
}

impl Bridge {
    /// A shipper whose batches hold some ten records, so that faults hit one of several.
    fn start(brokers: &str, topics: &[&str]) -> Self {
        Self::over(sinks(brokers), topics)
    }

    fn over(sinks: Arc<KafkaSinks>, topics: &[&str]) -> Self {
        Self::with(sinks, topics, None)
    }

    /// With a dead-letter topic, which must be there: the mock does not create it.
    fn with(sinks: Arc<KafkaSinks>, topics: &[&str], letters: Option<&str>) -> Self {
        let log = Arc::new(MemoryLog::new(1 << 28));
        let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let dead_letter_topic = letters.map(str::to_owned);
        let settings = Settings { dead_letter_topic, ..Settings::new(topics) };
        let as_log: Arc<dyn Log> = Arc::<MemoryLog>::clone(&log);
        let shipper =
            Shipper::spawn(as_log, sinks, settings, Arc::new(())).expect("there is a thread");
        Self { log, shipper, appended: 0 }
    }

    /// Appends records with ten keys in turn.
    fn append(&mut self, topic: &str, records: u64) {
        let mut batch = Batch::new();
        for _ in 0..records {
            self.appended += 1;
            let key = format!("key-{}", self.appended % 10);
            let value = self.appended.to_string();
            let head =
                Head { id: "00", topic, key: Some(key.as_bytes()), timestamp_ms: clock::unix_ms() };
            batch.push(&head, &[("content-type", b"text/plain")], value.as_bytes());
        }
        self.log.append(&mut batch).expect("there is room");
    }

    fn wait(&self, what: &str, mut until: impl FnMut(&Self) -> bool) {
        let started = clock::now();
        while !until(self) {
            assert!(started.elapsed() < LIMIT, "{what}: {:?}", self.shipper.status());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn drain(&self) {
        self.wait("all confirmed", |bridge| bridge.log.usage().records == 0);
    }

    fn is_degraded(&self, reason: &str) -> bool {
        self.shipper.status().degraded.iter().any(|one| one.reason == reason)
    }
}

fn sinks(brokers: &str) -> Arc<KafkaSinks> {
    sinks_with(brokers, &[])
}

fn sinks_with(brokers: &str, more: &[(&str, &str)]) -> Arc<KafkaSinks> {
    let mut kafka = KafkaSettings::new(brokers);
    for (name, value) in
        [("batch.num.messages", "10"), ("retry.backoff.ms", "20")].iter().chain(more)
    {
        kafka.properties.push(((*name).to_owned(), (*value).to_owned()));
    }
    Arc::new(KafkaSinks::new(kafka))
}

fn read_all(brokers: &str, topic: &str) -> Vec<Event> {
    let settings = KafkaSettings::new(brokers);
    let topic = topic.to_owned();
    let wanted = move |name: &str| name == topic;
    let mut reader = Reader::open(&settings, wanted, Start::Beginning, true, 10 * SECOND)
        .expect("the mock answers");
    let started = clock::now();
    let mut events = Vec::new();
    loop {
        match reader.next(SECOND) {
            Next::Event(event) => events.push(event),
            Next::End => return events,
            Next::Nothing => assert!(started.elapsed() < LIMIT, "{:?}", reader.trouble()),
        }
    }
}

/// First occurrences of each key's values rise, and none is missing.
fn assert_complete(events: &[Event], records: u64) {
    let mut seen = BTreeSet::new();
    let mut last: BTreeMap<&[u8], u64> = BTreeMap::new();
    for event in events {
        let text = std::str::from_utf8(event.payload.as_deref().expect("a value")).expect("text");
        let number: u64 = text.parse().expect("a number");
        let journal = event.header("journal").expect("every record has it");
        assert!(String::from_utf8_lossy(journal).ends_with(&format!(":{number}")));
        assert_eq!(event.header("content-type"), Some(b"text/plain".as_slice()));
        if seen.insert(number) {
            let last = last.entry(event.key.as_deref().expect("a key")).or_default();
            assert!(*last < number, "{number} came after {last}");
            *last = number;
        }
    }
    assert_eq!(seen, (1..=records).collect());
}

/// One cluster for many cases, with a topic for each.
struct Cases {
    kafka: MockKafka,
    sinks: Arc<KafkaSinks>,
    count: usize,
}

impl Cases {
    fn new() -> Self {
        let kafka = MockKafka::start(1).expect("a mock cluster");
        let sinks = sinks(&kafka.bootstrap());
        Self { kafka, sinks, count: 0 }
    }

    /// Ships a hundred records; after so many batches the broker answers with errors.
    fn deliver_despite(&mut self, error: ProduceError, times: usize, batches_before: u64) {
        self.count += 1;
        let topic = format!("events-{}", self.count);
        self.kafka.create_topic(&topic, 1).expect("a new topic");
        let mut bridge = Bridge::over(Arc::clone(&self.sinks), &[&topic]);
        bridge.append(&topic, 1 + batches_before * 10);
        bridge.drain();
        self.kafka.fail_produce(error, times);
        bridge.append(&topic, 100 - batches_before * 10 - 1);
        bridge.drain();
        let ledger = bridge.shipper.ledger();
        assert_eq!((ledger.dead_lettered(), ledger.confirmed()), (0, 100), "{error:?}");
        assert_complete(&read_all(&self.kafka.bootstrap(), &topic), 100);
    }
}

/// Every broker error, once, after so many batches.
fn each_broker_error_after(batches: u64) {
    let mut cases = Cases::new();
    for error in ProduceError::ALL {
        cases.deliver_despite(*error, 1, batches);
    }
}

#[test]
fn each_broker_error_at_the_first_batch_delivers_all_in_order() {
    each_broker_error_after(0);
}

#[test]
fn each_broker_error_at_a_middle_batch_delivers_all_in_order() {
    each_broker_error_after(5);
}

#[test]
fn each_broker_error_at_the_last_batch_delivers_all_in_order() {
    each_broker_error_after(9);
}

#[test]
fn broker_errors_may_repeat() {
    let mut cases = Cases::new();
    for error in [
        ProduceError::NotLeader,
        ProduceError::NotEnoughReplicas,
        ProduceError::NotEnoughReplicasAfterAppend,
        ProduceError::Disconnect,
        ProduceError::Unknown,
        ProduceError::OutOfOrderSequence,
        ProduceError::TopicAuthorizationFailed,
    ] {
        cases.deliver_despite(error, 3, 0);
    }
}

#[test]
fn fatal_errors_in_a_row_deliver_all_in_order() {
    let mut cases = Cases::new();
    for batches in [0, 5, 9] {
        cases.deliver_despite(ProduceError::OutOfOrderSequence, 2, batches);
    }
}

/// The values in a topic, in the order of one partition.
fn values(events: &[Event]) -> Vec<String> {
    let text =
        |event: &Event| event.payload.as_deref().map(String::from_utf8_lossy).map(Into::into);
    events.iter().filter_map(text).collect()
}

/// Ten records in one batch; the broker refuses the batch, then the fifth of them alone, and its dead
/// letter so many times. The bridge, drained.
fn fifth_of_a_batch_refused(kafka: &MockKafka, letters: usize) -> Bridge {
    kafka.create_topic("events", 1).expect("a new topic");
    kafka.create_topic(DEAD, 1).expect("a new topic");
    // However busy the machine is: the ten are one batch.
    let sinks = sinks_with(&kafka.bootstrap(), &[("linger.ms", "300")]);
    let mut bridge = Bridge::with(sinks, &["events"], Some(DEAD));
    bridge.append("events", 1);
    bridge.drain();
    let mut answers = vec![Some(ProduceError::InvalidRecord), None, None, None, None];
    answers.extend(vec![Some(ProduceError::InvalidRecord); 1 + letters]);
    kafka.answer_produce(&answers);
    bridge.append("events", 10);
    bridge.drain();
    bridge.append("events", 20);
    bridge.drain();
    let ledger = bridge.shipper.ledger();
    assert_eq!((ledger.dead_lettered(), ledger.confirmed()), (1, 30));
    let rest: Vec<String> =
        (1..=31).filter(|one| *one != 6).map(|one: u64| one.to_string()).collect();
    assert_eq!(values(&read_all(&kafka.bootstrap(), "events")), rest, "in order, each once");
    bridge
}

#[test]
fn a_record_at_fault_in_the_middle_of_a_batch_becomes_a_dead_letter_as_it_was() {
    let kafka = MockKafka::start(1).expect("a mock cluster");
    let bridge = fifth_of_a_batch_refused(&kafka, 0);
    let letters = read_all(&kafka.bootstrap(), DEAD);
    assert_eq!(values(&letters), ["6"]);
    let letter = &letters[0];
    assert_eq!(letter.key.as_deref(), Some(b"key-6".as_slice()));
    let header = |name: &str| letter.header(name).map(String::from_utf8_lossy);
    assert_eq!(header("content-type").as_deref(), Some("text/plain"));
    assert_eq!(header("journal"), Some(format!("{}:6", bridge.log.uuid()).into()));
    assert_eq!(header("sequence").as_deref(), Some("6"));
    assert_eq!(header("topic").as_deref(), Some("events"));
    assert!(header("error").is_some_and(|error| error.starts_with("invalid: ")));
    assert!(header("time").is_some_and(|time| time.len() == 24 && time.ends_with('Z')));
    assert_eq!(header("replay"), None);
}

#[test]
fn a_dead_letter_that_is_refused_too_holds_nothing_up() {
    let kafka = MockKafka::start(1).expect("a mock cluster");
    // In memory there is no file for it: it is skipped.
    fifth_of_a_batch_refused(&kafka, 1);
    assert!(read_all(&kafka.bootstrap(), DEAD).is_empty());
}

#[test]
fn without_a_dead_letter_topic_a_record_that_is_refused_alone_is_skipped() {
    let kafka = MockKafka::start(1).expect("a mock cluster");
    kafka.create_topic("events", 1).expect("a new topic");
    let mut bridge = Bridge::start(&kafka.bootstrap(), &["events"]);
    bridge.append("events", 1);
    bridge.drain();
    kafka.fail_produce(ProduceError::InvalidRecord, 2);
    bridge.append("events", 1);
    bridge.drain();
    bridge.append("events", 20);
    bridge.drain();
    let ledger = bridge.shipper.ledger();
    assert_eq!((ledger.dead_lettered(), ledger.confirmed()), (1, 21));
    let wanted: Vec<_> = (1..=22).filter(|one| *one != 2).map(|one: u64| one.to_string()).collect();
    assert_eq!(values(&read_all(&kafka.bootstrap(), "events")), wanted);
}

#[test]
fn a_broker_that_is_down_at_the_start_gets_everything_when_it_comes() {
    let kafka = MockKafka::start(1).expect("a mock cluster");
    kafka.create_topic("events", 4).expect("a new topic");
    kafka.down().expect("it goes down");
    let mut bridge = Bridge::start(&kafka.bootstrap(), &["events"]);
    bridge.append("events", 50);
    bridge.wait("seen as away", |bridge| bridge.is_degraded(health::UNREACHABLE));
    assert_eq!(bridge.shipper.ledger().confirmed(), 0);
    kafka.up().expect("it comes up");
    bridge.drain();
    assert_complete(&read_all(&kafka.bootstrap(), "events"), 50);
    bridge.wait("healthy again", |bridge| bridge.shipper.status().degraded.is_empty());
}

#[test]
fn an_outage_in_between_loses_nothing() {
    let kafka = MockKafka::start(1).expect("a mock cluster");
    kafka.create_topic("events", 4).expect("a new topic");
    let mut bridge = Bridge::start(&kafka.bootstrap(), &["events"]);
    bridge.append("events", 500);
    kafka.down().expect("it goes down");
    bridge.append("events", 500);
    std::thread::sleep(SECOND);
    kafka.up().expect("it comes up");
    bridge.drain();
    assert_complete(&read_all(&kafka.bootstrap(), "events"), 1000);
}

#[test]
fn a_missing_topic_holds_records_until_it_is_made() {
    let kafka = MockKafka::start(1).expect("a mock cluster");
    kafka.create_topic("other", 1).expect("a new topic");
    // The mock cannot create topics by request: the shipper's own attempt fails.
    let mut bridge = Bridge::start(&kafka.bootstrap(), &["events"]);
    bridge.append("events", 10);
    bridge.wait("held", |bridge| bridge.is_degraded(health::TOPIC));
    kafka.create_topic("events", 1).expect("a new topic");
    bridge.drain();
    assert_complete(&read_all(&kafka.bootstrap(), "events"), 10);
}

#[test]
fn a_stop_with_kafka_away_ends_at_its_deadline_and_counts_what_is_left() {
    let kafka = MockKafka::start(1).expect("a mock cluster");
    kafka.create_topic("events", 1).expect("a new topic");
    let mut bridge = Bridge::start(&kafka.bootstrap(), &["events"]);
    bridge.append("events", 1);
    bridge.drain();
    kafka.down().expect("it goes down");
    bridge.append("events", 7);
    let started = clock::now();
    assert_eq!(bridge.shipper.stop(SECOND / 2), 7);
    let took = started.elapsed();
    assert!(took >= SECOND / 2 && took < 2 * SECOND, "{took:?}");
}

/// Keys with the hash that Java's producer computes for them.
const MURMUR2: &[(&str, i32)] = &[
    ("21", -973_932_308),
    ("foobar", -790_332_482),
    ("a-little-bit-long-string", -985_981_536),
    ("a-little-bit-longer-string", -1_486_304_829),
    ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
    ("abc", 479_470_107),
];

#[test]
fn keys_land_where_a_java_producer_puts_them() {
    const PARTITIONS: u16 = 97;
    let kafka = MockKafka::start(1).expect("a mock cluster");
    kafka.create_topic("keys", PARTITIONS).expect("a new topic");
    let mut bridge = Bridge::start(&kafka.bootstrap(), &["keys"]);
    let mut batch = Batch::new();
    for (key, _) in MURMUR2 {
        let head = Head { id: "00", topic: "keys", key: Some(key.as_bytes()), timestamp_ms: 1_000 };
        batch.push(&head, &[], b"v");
    }
    bridge.log.append(&mut batch).expect("there is room");
    bridge.appended += MURMUR2.len() as u64;
    bridge.drain();
    let landed: BTreeMap<Vec<u8>, i32> = read_all(&kafka.bootstrap(), "keys")
        .into_iter()
        .map(|event| (event.key.expect("a key"), event.partition))
        .collect();
    for (key, hash) in MURMUR2 {
        let wanted = (hash & i32::MAX) % i32::from(PARTITIONS);
        assert_eq!(landed.get(key.as_bytes()), Some(&wanted), "{key}");
    }
}
