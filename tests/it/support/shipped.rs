//! What a bridge shipped, as it lies in Kafka.
//!
//! In: a broker and the topic prefix of one bridge, drained. Out: a [`Trail`] in the journal's order.
//! Invariant, checked on each trail: one journal; in every partition the first copies stand in the
//! journal's order; whatever comes a second time is marked as a replay.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::kafka::{Broker, Consumed};

/// A record with what its `journal` and `replay` headers say.
#[derive(Debug)]
pub(crate) struct Shipped {
    /// Without the prefix.
    pub(crate) topic: String,
    pub(crate) sequence: u64,
    pub(crate) record: Consumed,
}

/// First copies by sequence.
#[derive(Debug)]
pub(crate) struct Trail {
    pub(crate) records: Vec<Shipped>,
    /// Further copies.
    pub(crate) repeats: usize,
}

impl Shipped {
    fn new(topic: &str, record: Consumed) -> (String, Self) {
        let journal = header(&record, "journal").expect("every record has its place");
        let (uuid, sequence) = journal.split_once(':').expect("uuid:sequence");
        assert!(uuid.len() == 36 && uuid.matches('-').count() == 4, "{journal}");
        let sequence = sequence.parse().expect("a sequence is a number");
        (uuid.to_owned(), Self { topic: topic.to_owned(), sequence, record })
    }

    /// The value as JSON.
    pub(crate) fn value(&self) -> Value {
        let bytes = self.record.payload.as_deref().expect("records have values");
        serde_json::from_slice(bytes).expect("values are JSON")
    }

    pub(crate) fn key(&self) -> Option<&str> {
        self.record.key.as_deref().map(|key| std::str::from_utf8(key).expect("keys are text"))
    }

    /// A header's value; the name must not come twice.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.record, name)
    }
}

fn header<'a>(record: &'a Consumed, name: &str) -> Option<&'a str> {
    let mut found = record.headers.iter().filter(|(known, _)| known == name);
    let value = found.next()?.1.as_deref().expect("no header of ours is null");
    assert!(found.next().is_none(), "{name} comes twice: {record:?}");
    Some(std::str::from_utf8(value).expect("headers are text"))
}

impl Trail {
    /// Reads all topics of `prefix`.
    pub(crate) fn read(broker: &Broker, prefix: &str) -> Self {
        Self::of(broker.consume_prefix(prefix))
    }

    pub(crate) fn of(topics: BTreeMap<String, Vec<Consumed>>) -> Self {
        let (mut journals, mut repeats) = (BTreeSet::new(), 0);
        let mut first = BTreeMap::new();
        for (topic, records) in topics {
            let mut last: BTreeMap<i32, u64> = BTreeMap::new();
            for record in records {
                let (journal, shipped) = Shipped::new(&topic, record);
                journals.insert(journal);
                let replay = shipped.header("replay");
                assert!(replay.is_none_or(|value| value == "1"), "{shipped:?}");
                if first.contains_key(&shipped.sequence) {
                    assert_eq!(replay, Some("1"), "an unmarked repeat: {shipped:?}");
                    repeats += 1;
                    continue;
                }
                let before = last.insert(shipped.record.partition, shipped.sequence);
                assert!(
                    before.is_none_or(|before| before < shipped.sequence),
                    "{topic}/{}: {} stands behind {before:?}",
                    shipped.record.partition,
                    shipped.sequence
                );
                first.insert(shipped.sequence, shipped);
            }
        }
        assert!(journals.len() <= 1, "one bridge, one start, one journal: {journals:?}");
        Self { records: first.into_values().collect(), repeats }
    }

    /// The sequences, in order.
    pub(crate) fn sequences(&self) -> Vec<u64> {
        self.records.iter().map(|one| one.sequence).collect()
    }

    /// Insists that nothing is missing: the sequences are 1 to `appended`.
    pub(crate) fn assert_whole(&self, appended: u64) {
        let mut missing: BTreeSet<u64> = (1..=appended).collect();
        for sequence in self.sequences() {
            assert!(missing.remove(&sequence), "{sequence} was never appended");
        }
        assert!(missing.is_empty(), "{} of {appended} are lost: {missing:?}", missing.len());
    }
}

/// Where the Java client puts a key: murmur2 as `org.apache.kafka.common.utils.Utils` has it.
pub(crate) fn java_partition(key: &[u8], partitions: u32) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let length = u32::try_from(key.len()).expect("keys are short");
    let mut hash = 0x9747_b28c ^ length;
    let (words, rest) = key.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (index, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^= hash >> 15;
    (hash & 0x7fff_ffff) % partitions
}
