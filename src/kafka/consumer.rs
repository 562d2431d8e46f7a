//! Reads topics without belonging to a consumer group, for `imbridge tail`.
//!
//! In: a predicate on topic names, where to start, whether to stop. Out: [`Event`]s, one partition's
//! in order. What always holds: nothing is committed anywhere; "now" and "end" are what they were
//! when the reader was opened; topics that appear later are read from their beginning.
//!
//! An end that no record carries (aborted transactions, compaction) is not seen as reached; our own
//! topics have neither.

use super::admin::{AdminError, words};
use super::context::Quiet;
use super::producer::{SignalClass, explain, signal_class};
use super::settings::KafkaSettings;
use crate::clock;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Message, Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How often new topics are looked for.
const REFRESH: Duration = Duration::from_secs(3);
/// How long such a look may take.
const REFRESH_MAX: Duration = Duration::from_secs(1);
/// How often a bound that is not known is asked for again.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Where reading starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record that is kept.
    Beginning,
    /// Behind the newest record.
    Now,
}

/// A record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset in it.
    pub offset: i64,
    /// Kafka timestamp in Unix milliseconds.
    pub timestamp_ms: Option<i64>,
    /// Key.
    pub key: Option<Vec<u8>>,
    /// Headers in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Value.
    pub payload: Option<Vec<u8>>,
}

impl Event {
    /// The value of the first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let (_, value) = self.headers.iter().find(|(own, _)| own == name)?;
        value.as_deref()
    }

    fn copy(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().map_or_else(Vec::new, |headers| {
            headers
                .iter()
                .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
                .collect()
        });
        Self {
            topic: message.topic().to_owned(),
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            headers,
            payload: message.payload().map(<[u8]>::to_vec),
        }
    }
}

/// What [`Reader::next`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A record.
    Event(Event),
    /// Nothing within the time.
    Nothing,
    /// Everything up to the ends that were known at the start has been read.
    End,
}

/// Which record is the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum From {
    /// The oldest one.
    #[default]
    Beginning,
    /// The one with this offset.
    At(i64),
    /// The first one that comes from now on.
    End,
}

/// One partition's place.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    next: From,
    /// Where to stop, if at all.
    end: Option<i64>,
}

impl Place {
    fn is_done(self) -> bool {
        let next = match self.next {
            From::Beginning => 0,
            From::At(next) => next,
            From::End => return self.end.is_some(),
        };
        self.end.is_some_and(|end| next >= end)
    }
}

/// The wanted topics as the cluster speaks of them.
#[derive(Debug, Default)]
struct Look {
    /// Numbers of partitions.
    topics: BTreeMap<String, usize>,
    /// Those that are there, but of which nothing can be told now.
    troubled: BTreeMap<String, KafkaError>,
}

/// A reader; see the module's documentation.
pub struct Reader {
    consumer: BaseConsumer<Quiet>,
    wanted: Box<dyn Fn(&str) -> bool + Send>,
    until_end: bool,
    /// By topic; a partition's number is its place in the list.
    places: BTreeMap<String, Vec<Place>>,
    /// Topics that were there at the start, but of which nothing could be told: what is in them
    /// already is older than "now".
    awaited: BTreeSet<String>,
    start: Start,
    /// Topics that the last look did not find.
    missed: BTreeSet<String>,
    refreshed: Instant,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("places", &self.places).finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens a reader on all topics whose names are `wanted`; waits up to `timeout` for Kafka.
    ///
    /// # Errors
    /// A property is wrong, or no broker answered in time.
    pub fn open(
        settings: &KafkaSettings,
        wanted: impl Fn(&str) -> bool + Send + 'static,
        start: Start,
        until_end: bool,
        timeout: Duration,
    ) -> Result<Self, AdminError> {
        let consumer: BaseConsumer<Quiet> = settings
            .consumer()
            .create_with_context(Quiet::default())
            .map_err(|error| AdminError { class: SignalClass::Other, text: explain(&error) })?;
        let mut reader = Self {
            consumer,
            wanted: Box::new(wanted),
            until_end,
            places: BTreeMap::new(),
            awaited: BTreeSet::new(),
            start,
            missed: BTreeSet::new(),
            refreshed: clock::now(),
        };
        reader.look_first(timeout)?;
        if start == Start::Now || until_end {
            let ends = reader.bounds(Offset::End, timeout)?;
            reader.each(|topic, partition, place| {
                let end = known(&ends, topic, partition);
                place.end = end.filter(|_| until_end);
                place.next = match start {
                    Start::Now => end.map_or(From::End, From::At),
                    Start::Beginning => From::Beginning,
                };
            });
        }
        if until_end && start == Start::Beginning {
            let begins = reader.bounds(Offset::Beginning, timeout)?;
            reader.each(|topic, partition, place| {
                place.next = known(&begins, topic, partition).map_or(From::Beginning, From::At);
            });
        }
        reader.assign()?;
        Ok(reader)
    }

    /// Takes in what is there at the start. Whoever stops at the ends must know them all.
    fn look_first(&mut self, timeout: Duration) -> Result<(), AdminError> {
        let until = clock::now() + timeout;
        loop {
            let look = self.look(timeout)?;
            if self.until_end
                && let Some((topic, error)) = look.troubled.first_key_value()
            {
                if clock::now() < until {
                    std::thread::sleep(ASK_AGAIN);
                    continue;
                }
                return Err(unknown(&format!("of topic {topic}"), error));
            }
            let places = |(topic, partitions)| (topic, vec![Place::default(); partitions]);
            self.places = look.topics.into_iter().map(places).collect();
            self.awaited = look.troubled.into_keys().collect();
            return Ok(());
        }
    }

    /// The next record, waiting up to `timeout` for it.
    pub fn next(&mut self, timeout: Duration) -> Next {
        let until = clock::now() + timeout;
        loop {
            if self.until_end && self.places.values().flatten().all(|place| place.is_done()) {
                return Next::End;
            }
            if self.refreshed.elapsed() >= REFRESH {
                self.refresh();
            }
            let left = until.saturating_duration_since(clock::now());
            let slice = left.min(Duration::from_millis(200));
            // Errors are for `trouble`; librdkafka goes on by itself.
            if let Some(Ok(message)) = self.consumer.poll(slice) {
                let places = self.places.get_mut(message.topic());
                let partition = usize::try_from(message.partition()).unwrap_or(usize::MAX);
                let Some(place) = places.and_then(|all| all.get_mut(partition)) else { continue };
                let beyond = place.end.is_some_and(|end| message.offset() >= end);
                place.next = From::At(message.offset() + 1);
                if !beyond {
                    return Next::Event(Event::copy(&message));
                }
            } else if left.is_zero() {
                return Next::Nothing;
            }
        }
    }

    /// The last error that Kafka or the connection raised, if any.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.consumer.context().last_error().map(|(_, text)| text)
    }

    /// The topics that are being read.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// What the cluster says of the wanted topics.
    fn look(&self, timeout: Duration) -> Result<Look, AdminError> {
        let metadata =
            self.consumer.fetch_metadata(None, timeout).map_err(|error| self.failed(&error))?;
        let mut look = Look::default();
        for topic in metadata.topics().iter().filter(|topic| (self.wanted)(topic.name())) {
            let name = topic.name().to_owned();
            match topic.error().map(|error| KafkaError::MetadataFetch(error.into())) {
                None => {
                    look.topics.insert(name, topic.partitions().len());
                }
                Some(error) if is_gone(&error) => {}
                Some(error) => {
                    look.troubled.insert(name, error);
                }
            }
        }
        Ok(look)
    }

    /// First or last offsets of all places, one request per broker. A partition without a leader has
    /// none for now: whoever stops at the ends waits for it and fails without it.
    fn bounds(&self, bound: Offset, timeout: Duration) -> Result<TopicPartitionList, AdminError> {
        let until = clock::now() + timeout;
        loop {
            let list = self.list(|_| bound)?;
            if list.count() == 0 {
                return Ok(list);
            }
            let (answer, lacking) = match self.consumer.offsets_for_times(list, timeout) {
                Ok(answer) => {
                    let lacking = answer.elements().iter().find_map(|element| {
                        let of = format!(
                            "of partition {} of topic {}",
                            element.partition(),
                            element.topic()
                        );
                        Some(unknown(&of, &element.error().err()?))
                    });
                    (answer, lacking)
                }
                // The answer when no partition at all has a leader.
                Err(error) if error.rdkafka_error_code() == Some(Code::UnknownPartition) => {
                    (TopicPartitionList::new(), Some(unknown("of any partition", &error)))
                }
                Err(error) => return Err(self.failed(&error)),
            };
            match lacking {
                Some(error) if self.until_end => {
                    if clock::now() >= until {
                        return Err(error);
                    }
                }
                _ => return Ok(answer),
            }
            std::thread::sleep(ASK_AGAIN);
            // librdkafka asks nobody again about a partition that it has seen without a leader.
            self.look(timeout)?;
        }
    }

    /// Takes in topics that appeared and forgets those that went; failing to look is no failure.
    fn refresh(&mut self) {
        self.refreshed = clock::now();
        let Ok(look) = self.look(REFRESH_MAX) else { return };
        let shape = |places: &BTreeMap<String, Vec<Place>>| -> BTreeSet<(String, usize)> {
            places.iter().map(|(topic, all)| (topic.clone(), all.len())).collect()
        };
        let before = shape(&self.places);
        let is_there =
            |topic: &String| look.topics.contains_key(topic) || look.troubled.contains_key(topic);
        // A broker that has just started may not know all topics yet: twice missed is gone.
        let missed: BTreeSet<String> =
            self.places.keys().filter(|topic| !is_there(topic)).cloned().collect();
        self.places.retain(|topic, _| !(missed.contains(topic) && self.missed.contains(topic)));
        self.missed = missed;
        if !self.until_end {
            for (topic, partitions) in look.topics {
                let was_there = self.awaited.remove(&topic) && self.start == Start::Now;
                let next = if was_there { From::End } else { From::Beginning };
                let places = self.places.entry(topic).or_default();
                places.resize(partitions.max(places.len()), Place { next, end: None });
            }
        }
        if shape(&self.places) != before
            && let Err(error) = self.assign()
        {
            tracing::warn!(%error, "new topics are not read yet");
        }
    }

    fn assign(&self) -> Result<(), AdminError> {
        let list = self.list(|place| match place.next {
            From::Beginning => Offset::Beginning,
            From::At(next) => Offset::Offset(next),
            From::End => Offset::End,
        })?;
        self.consumer.assign(&list).map_err(|error| self.failed(&error))
    }

    fn list(&self, offset: impl Fn(Place) -> Offset) -> Result<TopicPartitionList, AdminError> {
        let mut list = TopicPartitionList::new();
        for (topic, places) in &self.places {
            for (partition, place) in (0_i32..).zip(places) {
                list.add_partition_offset(topic, partition, offset(*place))
                    .map_err(|error| self.failed(&error))?;
            }
        }
        Ok(list)
    }

    fn each(&mut self, mut change: impl FnMut(&str, i32, &mut Place)) {
        for (topic, places) in &mut self.places {
            for (partition, place) in (0_i32..).zip(places) {
                change(topic, partition, place);
            }
        }
    }

    fn failed(&self, error: &KafkaError) -> AdminError {
        let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
        // What went wrong on the way waits to be fetched. Once something is assigned a record could
        // be fetched in its place, and would be lost.
        if self.consumer.assignment().is_ok_and(|assigned| assigned.count() == 0) {
            let _nothing = self.consumer.poll(Duration::from_millis(10)).is_none();
        }
        match self.consumer.context().last_error() {
            Some((code, text)) => AdminError { class: signal_class(code), text },
            None => AdminError { class: signal_class(code), text: words(error) },
        }
    }
}

/// The offset that a bound was found to be.
fn known(bounds: &TopicPartitionList, topic: &str, partition: i32) -> Option<i64> {
    let bound = bounds.find_partition(topic, partition)?;
    match (bound.error(), bound.offset()) {
        (Ok(()), Offset::Offset(offset)) => Some(offset),
        _ => None,
    }
}

/// Why a bound is not known.
fn unknown(of: &str, error: &KafkaError) -> AdminError {
    let why = error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string());
    let text = format!("where the end {of} is cannot be told: {why}");
    AdminError { class: SignalClass::Other, text }
}

/// Whether the cluster says that a topic does not exist.
fn is_gone(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownTopicId)
    )
}
