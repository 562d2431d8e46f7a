//! Judges what lies in Kafka against what was promised to senders.
//!
//! In: all records below a topic prefix, and the [`Obligations`] of a load. Out: [`Findings`]: what
//! is missing, and how much came twice. Always insisted on, by a panic that says where:
//!
//! * one journal, whose sequence numbers mean one record each: copies are equal to the byte;
//! * an event carries the key of its conversation and, as `raw`, the very body that was sent; it has
//!   one sequence number (nothing was sent twice);
//! * in each partition first copies stand in the journal's order, in the order of their
//!   conversation, and behind all that was answered before they were sent;
//! * a further copy is marked by `replay`.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

use super::kafka::{Broker, Consumed};
use super::load::{Message, Obligations, Sent};

/// Topic of dead letters, without the prefix.
const DEAD_LETTERS: &str = "deadletter";

/// What was found; see the module's documentation for what was insisted on.
#[derive(Debug)]
pub(crate) struct Findings {
    /// Records found, each once.
    pub(crate) records: u64,
    /// Further copies.
    pub(crate) repeats: u64,
    /// Records whose first copy says that it may be a repeat.
    pub(crate) marked: u64,
    /// Sequence numbers below the highest of which there is no record.
    pub(crate) gaps: Vec<u64>,
    /// Highest sequence number.
    pub(crate) last: u64,
    /// Promised, and not there.
    pub(crate) missing: Vec<Sent>,
    /// Records in the dead-letter topic.
    pub(crate) dead_letters: Vec<Consumed>,
}

impl Findings {
    /// Insists that everything promised is there, and that the journal's numbers are dense.
    pub(crate) fn assert_whole(&self) {
        assert!(
            self.missing.is_empty(),
            "{} promised events are lost: {:?} …",
            self.missing.len(),
            &self.missing[..self.missing.len().min(5)]
        );
        assert!(self.gaps.is_empty(), "records without promise are lost: {:?}", self.gaps);
    }
}

impl std::fmt::Display for Findings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { records, repeats, marked, .. } = self;
        write!(f, "{records} records, {repeats} repeats, {marked} marked without being one")
    }
}

/// A callback's name: its group, its number.
type Name = (String, u64);

/// What is known of a record whose first copy was seen.
struct First {
    digest: u64,
    name: Option<Name>,
}

struct Judge<'a> {
    sent: HashMap<Name, &'a Sent>,
    journal: Option<String>,
    first: BTreeMap<u64, First>,
    /// Callbacks that were found, with the sequence of their record.
    found: HashMap<Name, u64>,
    /// First copies by topic and partition, in order.
    partitions: BTreeMap<(String, i32), Vec<u64>>,
    repeats: u64,
    marked: u64,
    dead_letters: Vec<Consumed>,
}

/// Reads all topics of `prefix` and judges them; see the module's documentation.
///
/// # Panics
/// When something that is insisted on does not hold.
pub(crate) fn judge(broker: &Broker, prefix: &str, obligations: &Obligations) -> Findings {
    judge_records(|each| broker.read_prefix(prefix, each), obligations)
}

/// As [`judge`], of the records that `read` hands over, with their topic without the prefix.
///
/// # Panics
/// As [`judge`].
pub(crate) fn judge_records(
    read: impl FnOnce(&mut dyn FnMut(&str, Consumed)),
    obligations: &Obligations,
) -> Findings {
    let name = |message: &Message| (message.group(), u64::from(message.number));
    let mut judge = Judge {
        sent: obligations.sent.iter().map(|one| (name(&one.message), one)).collect(),
        journal: None,
        first: BTreeMap::new(),
        found: HashMap::new(),
        partitions: BTreeMap::new(),
        repeats: 0,
        marked: 0,
        dead_letters: Vec::new(),
    };
    read(&mut |topic, record| judge.record(topic, record));
    judge.order();
    let last = judge.first.last_key_value().map_or(0, |(sequence, _)| *sequence);
    let lost = |one: &&Sent| !judge.found.contains_key(&name(&one.message));
    let missing = obligations.promised().filter(lost).copied().collect();
    Findings {
        records: judge.first.len() as u64,
        repeats: judge.repeats,
        marked: judge.marked,
        gaps: (1..=last).filter(|sequence| !judge.first.contains_key(sequence)).collect(),
        last,
        missing,
        dead_letters: judge.dead_letters,
    }
}

impl Judge<'_> {
    fn record(&mut self, topic: &str, record: Consumed) {
        if topic == DEAD_LETTERS {
            self.dead_letters.push(record);
            return;
        }
        let place = format!("{topic}/{}@{}", record.partition, record.offset);
        let journal = header(&record, "journal").unwrap_or_else(|| panic!("no place: {record:?}"));
        let (uuid, sequence) = journal.split_once(':').expect("uuid:sequence");
        let sequence: u64 = sequence.parse().expect("a sequence is a number");
        let one = self.journal.get_or_insert_with(|| uuid.to_owned());
        assert_eq!(one, uuid, "one directory is one journal");
        let replay = header(&record, "replay");
        assert!(replay.is_none_or(|value| value == "1"), "{place}: {replay:?}");

        let mut hasher = DefaultHasher::new();
        (topic, &record.key, &record.payload, record.timestamp_ms).hash(&mut hasher);
        let digest = hasher.finish();
        if let Some(first) = self.first.get(&sequence) {
            assert_eq!(first.digest, digest, "{place}: {sequence} means two records");
            assert_eq!(replay, Some("1"), "{place}: {sequence} comes again without a mark");
            self.repeats += 1;
            return;
        }
        self.marked += u64::from(replay.is_some());
        let name = self.callback(&place, &record);
        if let Some(name) = &name {
            let twice = self.found.insert(name.clone(), sequence);
            assert_eq!(
                twice, None,
                "{place}: {name:?} was sent once and is there as {sequence} too"
            );
        }
        self.first.insert(sequence, First { digest, name });
        let partition = (topic.to_owned(), record.partition);
        self.partitions.entry(partition).or_default().push(sequence);
    }

    /// Which callback a record is about, checked against what was sent; `None` for others than the
    /// load's.
    fn callback(&self, place: &str, record: &Consumed) -> Option<Name> {
        let payload = record.payload.as_deref().expect("records have values");
        let event: Value = serde_json::from_slice(payload).expect("values are JSON");
        let raw = &event["data"]["raw"];
        let (group, number) = if event["improvider"] == "tencent" {
            (&raw["GroupId"], &raw["Random"])
        } else {
            (&raw["groupID"], &raw["seq"])
        };
        let name = (group.as_str()?.to_owned(), number.as_u64()?);
        let sent = self.sent.get(&name)?;
        assert_eq!(*raw, sent.message.body(), "{place}: {name:?} is not what was sent");
        let key = format!("group:{}", name.0);
        assert_eq!(record.key.as_deref(), Some(key.as_bytes()), "{place}: {name:?}");
        Some(name)
    }

    fn order(&self) {
        for (place, sequences) in &self.partitions {
            let ascending = sequences.windows(2).find(|two| two[0] >= two[1]);
            assert_eq!(ascending, None, "{place:?}: out of the journal's order");
            let mut numbers: HashMap<&str, u64> = HashMap::new();
            // From the end: what lies behind a record must not have been answered before it was sent.
            let mut earliest: Option<&Sent> = None;
            for sequence in sequences.iter().rev() {
                let Some(name) = &self.first[sequence].name else { continue };
                let sent = self.sent[name];
                if let Some(behind) = earliest {
                    assert!(behind.answered > sent.began, "{place:?}: {behind:?} behind {sent:?}");
                }
                if earliest.is_none_or(|behind| sent.answered < behind.answered) {
                    earliest = Some(sent);
                }
                let behind = numbers.insert(&name.0, name.1);
                let right = behind.is_none_or(|behind| behind > name.1);
                assert!(right, "{place:?}: {name:?} before {behind:?}");
            }
        }
    }
}

fn header<'a>(record: &'a Consumed, name: &str) -> Option<&'a str> {
    let (_, value) = record.headers.iter().find(|(known, _)| known == name)?;
    let value = value.as_deref().expect("no header of ours is null");
    Some(std::str::from_utf8(value).expect("headers are text"))
}
