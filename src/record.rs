//! A finished Kafka record and the flat bytes in which records travel through the journal.
//!
//! In: topic, key, headers, value, as the normaliser wrote them. Out: [`Batch`], a run of encoded
//! records that a worker hands to the journal in one piece, and [`Record`], the borrowed view that
//! the shipper reads back. Invariant: whatever [`Batch`] wrote, [`Record::decode`] reads back byte
//! for byte, and decoding bytes that no batch wrote returns `None` and never panics.
//!
//! One encoded record, integers little-endian:
//!
//! ```text
//! length u32      of everything behind it
//! timestamp i64   Kafka timestamp: receive time, Unix milliseconds
//! flags u8        bit 0: has a key
//! id u8           length of the event id
//! topic u16       length
//! key u16         length, 0 without a key
//! headers u32     length of the encoded headers
//! id, topic, key, headers, then the value up to the end
//! header          name length u16, value length u32, name, value
//! ```

use crate::json::push_text;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// Header `content-type` of a record whose value is the whole event.
pub const STRUCTURED: &[u8] = b"application/cloudevents+json; charset=UTF-8";
/// What the names of attributes begin with in the headers of a record in binary form.
const ATTRIBUTE: &str = "ce_";

/// Bytes in front of the variable parts, the length field included.
const FIXED_BYTES: usize = 4 + 8 + 1 + 1 + 2 + 2 + 4;
const HAS_KEY: u8 = 1;

/// Name of the header of a record that may be a repeat.
pub const REPLAY: &str = "replay";
/// Its value.
pub const REPLAYED: &str = "1";

/// What a record carries beside its value; see [`Batch::push`].
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// Event id, at most 255 bytes; for logs and dead letters.
    pub id: &'a str,
    /// Kafka topic.
    pub topic: &'a str,
    /// Kafka key; `None` leaves the partition to the client.
    pub key: Option<&'a [u8]>,
    /// Receive time in Unix milliseconds.
    pub timestamp_ms: i64,
}

/// Position of a record in its journal; the first one is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The position before the first record.
    pub const NONE: Self = Self(0);
    /// The position of the first record.
    pub const FIRST: Self = Self(1);

    /// The position behind this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A run of encoded records, in the order in which they were pushed.
#[derive(Debug, Default, Clone)]
pub struct Batch {
    bytes: Vec<u8>,
    records: u32,
}

/// How much stands in a batch; see [`Batch::mark`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    bytes: usize,
    records: u32,
}

/// A record under construction: headers first, then the value; see [`Batch::begin`].
#[derive(Debug, Clone, Copy)]
#[must_use = "a record that is not finished leaves the batch unreadable"]
pub struct Open {
    start: usize,
    headers_start: usize,
    value_start: usize,
    /// Bytes that count towards `IMBRIDGE_EVENT_BYTES_MAX` before the value: key and headers.
    counted: usize,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), records: 0 }
    }

    /// A batch over bytes that a batch wrote earlier.
    #[must_use]
    pub const fn from_parts(bytes: Vec<u8>, records: u32) -> Self {
        Self { bytes, records }
    }

    /// Number of finished records.
    #[must_use]
    pub const fn records(&self) -> u32 {
        self.records
    }

    /// Whether nothing was pushed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// The encoded records.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The encoded records, with the memory they stand in.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Bytes of memory that it holds, used or not.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Appends copies of all records of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.bytes.extend_from_slice(&other.bytes);
        self.records += other.records;
    }

    /// Forgets all records, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.records = 0;
    }

    /// What stands in the batch now, for [`Self::cut`].
    #[must_use]
    pub const fn mark(&self) -> Mark {
        Mark { bytes: self.bytes.len(), records: self.records }
    }

    /// Takes back everything that came after `mark`, a record that was begun and not finished too.
    pub fn cut(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        self.records = self.records.min(mark.records);
    }

    /// The records, in order.
    #[must_use]
    pub fn iter(&self) -> Records<'_> {
        Records { bytes: &self.bytes }
    }

    /// Appends a whole record.
    pub fn push(&mut self, head: &Head<'_>, headers: &[(&str, &[u8])], value: &[u8]) {
        let mut open = self.begin(head);
        for (name, value) in headers {
            self.header(&mut open, name, value);
        }
        self.value(&mut open).extend_from_slice(value);
        self.finish(open);
    }

    /// Starts a record; then any number of [`Self::header`], [`Self::value`], and [`Self::finish`].
    pub fn begin(&mut self, head: &Head<'_>) -> Open {
        let start = self.bytes.len();
        let key = head.key.unwrap_or_default();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&head.timestamp_ms.to_le_bytes());
        self.bytes.push(if head.key.is_some() { HAS_KEY } else { 0 });
        self.bytes.push(u8::try_from(head.id.len()).expect("ids are 32 hex digits"));
        let topic = u16::try_from(head.topic.len()).expect("topics are at most 249 bytes");
        self.bytes.extend_from_slice(&topic.to_le_bytes());
        let key_len = u16::try_from(key.len()).expect("keys are cut at 1024 bytes");
        self.bytes.extend_from_slice(&key_len.to_le_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(head.id.as_bytes());
        self.bytes.extend_from_slice(head.topic.as_bytes());
        self.bytes.extend_from_slice(key);
        let headers_start = self.bytes.len();
        Open { start, headers_start, value_start: headers_start, counted: key.len() }
    }

    /// Adds a header to a record whose value has not begun.
    pub fn header(&mut self, open: &mut Open, name: &str, value: &[u8]) {
        let name_len = u16::try_from(name.len()).expect("header names are our own constants");
        let value_len = u32::try_from(value.len()).expect("header values are cut at 1024 bytes");
        self.bytes.extend_from_slice(&name_len.to_le_bytes());
        self.bytes.extend_from_slice(&value_len.to_le_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(value);
        open.counted += name.len() + value.len();
        open.value_start = self.bytes.len();
    }

    /// The buffer to append the value to; nothing that is there already may be touched.
    pub fn value(&mut self, open: &mut Open) -> &mut Vec<u8> {
        open.value_start = self.bytes.len();
        &mut self.bytes
    }

    /// Ends the record and returns the bytes that count towards `IMBRIDGE_EVENT_BYTES_MAX`: value,
    /// key, header names and values.
    pub fn finish(&mut self, open: Open) -> usize {
        let length = u32::try_from(self.bytes.len() - open.start - 4).expect("bodies are bounded");
        let headers = u32::try_from(open.value_start - open.headers_start).expect("as above");
        self.bytes[open.start..open.start + 4].copy_from_slice(&length.to_le_bytes());
        let at = open.start + FIXED_BYTES - 4;
        self.bytes[at..at + 4].copy_from_slice(&headers.to_le_bytes());
        self.records += 1;
        self.bytes.len() - open.value_start + open.counted
    }

    /// Takes back a record that was begun and is not wanted after all, finished or not, provided
    /// nothing was begun after it.
    pub fn take_back(&mut self, open: Open, finished: bool) {
        self.bytes.truncate(open.start);
        if finished {
            self.records -= 1;
        }
    }
}

/// One record, borrowed from the bytes of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Event id.
    pub id: &'a str,
    /// Kafka topic.
    pub topic: &'a str,
    /// Kafka key.
    pub key: Option<&'a [u8]>,
    /// Receive time in Unix milliseconds.
    pub timestamp_ms: i64,
    /// Encoded headers; see [`Record::headers`].
    header_bytes: &'a [u8],
    /// Kafka value.
    pub value: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads the first record of `bytes` and the length of what it took; `None` when the bytes are
    /// not what a [`Batch`] writes.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let length = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let end = length.checked_add(4)?;
        let whole = bytes.get(..end)?;
        let fixed = whole.get(..FIXED_BYTES)?;
        let timestamp_ms = i64::from_le_bytes(fixed[4..12].try_into().ok()?);
        let has_key = fixed[12] & HAS_KEY != 0;
        let id_len = usize::from(fixed[13]);
        let topic_len = usize::from(u16::from_le_bytes([fixed[14], fixed[15]]));
        let key_len = usize::from(u16::from_le_bytes([fixed[16], fixed[17]]));
        let headers_len = u32::from_le_bytes(fixed[18..22].try_into().ok()?) as usize;
        let mut at = FIXED_BYTES;
        let mut take = |len: usize| -> Option<&'a [u8]> {
            let range: Range<usize> = at..at.checked_add(len)?;
            at = range.end;
            whole.get(range)
        };
        let id = std::str::from_utf8(take(id_len)?).ok()?;
        let topic = std::str::from_utf8(take(topic_len)?).ok()?;
        let key = take(key_len)?;
        let header_bytes = take(headers_len)?;
        let value = whole.get(at..)?;
        let key = has_key.then_some(key);
        Some((Self { id, topic, key, timestamp_ms, header_bytes, value }, end))
    }

    /// The same record for another topic.
    #[must_use]
    pub const fn for_topic(self, topic: &'a str) -> Self {
        Self { topic, ..self }
    }

    /// The event in structured form, for files and for people: the value as it is, or put together
    /// from `ce_` headers and data, byte for byte what the same event has as a value.
    #[must_use]
    pub fn structured(&self) -> Cow<'a, [u8]> {
        let mut out = Vec::new();
        for (name, value) in self.headers() {
            if let Some(name) = name.strip_prefix(ATTRIBUTE) {
                out.push(if out.is_empty() { b'{' } else { b',' });
                member(name, &String::from_utf8_lossy(value), &mut out);
            }
        }
        if out.is_empty() {
            return Cow::Borrowed(self.value);
        }
        for (name, value) in self.headers() {
            if name == "content-type" {
                out.push(b',');
                member("datacontenttype", &String::from_utf8_lossy(value), &mut out);
            }
        }
        out.extend_from_slice(b",\"data\":");
        out.extend_from_slice(self.value);
        out.push(b'}');
        Cow::Owned(out)
    }

    /// The headers in order.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let mut rest = self.header_bytes;
        std::iter::from_fn(move || {
            let name_len = usize::from(u16::from_le_bytes(rest.get(..2)?.try_into().ok()?));
            let value_len = u32::from_le_bytes(rest.get(2..6)?.try_into().ok()?) as usize;
            let name = std::str::from_utf8(rest.get(6..6 + name_len)?).ok()?;
            let end = (6 + name_len).checked_add(value_len)?;
            let value = rest.get(6 + name_len..end)?;
            rest = &rest[end..];
            Some((name, value))
        })
    }
}

fn member(name: &str, value: &str, out: &mut Vec<u8>) {
    push_text(name, out);
    out.push(b':');
    push_text(value, out);
}

/// The records of a batch in order; ends early at bytes that are no record.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    bytes: &'a [u8],
}

impl<'a> Records<'a> {
    /// Records in bytes that batches wrote, one behind the other.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let (record, taken) = Record::decode(self.bytes)?;
        self.bytes = &self.bytes[taken..];
        Some(record)
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = Record<'a>;
    type IntoIter = Records<'a>;

    fn into_iter(self) -> Records<'a> {
        self.iter()
    }
}

impl Record<'_> {
    /// Whether the record says of itself that it may be a repeat.
    #[must_use]
    pub fn is_replay(&self) -> bool {
        self.headers().any(|(name, _)| name == REPLAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_record_taken_back_leaves_the_ones_before_it() {
        let head = Head { id: "a", topic: "t", key: None, timestamp_ms: 1 };
        let mut batch = Batch::new();
        batch.push(&head, &[], b"one");
        let before = batch.bytes().to_vec();
        let open = batch.begin(&head);
        batch.finish(open);
        batch.take_back(open, true);
        assert_eq!((batch.records(), batch.bytes()), (1, before.as_slice()));
    }

    fn structured(headers: &[(&str, &[u8])], value: &[u8]) -> String {
        let head = Head { id: "0", topic: "t", key: None, timestamp_ms: 0 };
        let mut batch = Batch::new();
        batch.push(&head, headers, value);
        let record = batch.iter().next().expect("it was pushed");
        String::from_utf8(record.structured().into_owned()).expect("JSON is UTF-8")
    }

    #[test]
    fn a_record_in_structured_form_is_its_value() {
        let headers = [("content-type", STRUCTURED)];
        assert_eq!(structured(&headers, br#"{"id":"1"}"#), r#"{"id":"1"}"#);
    }

    #[test]
    fn a_record_in_binary_form_is_put_together() {
        let headers = [
            ("content-type", "application/json".as_bytes()),
            ("ce_specversion", b"1.0"),
            ("ce_subject", "group/\"g\"".as_bytes()),
        ];
        assert_eq!(
            structured(&headers, br#"{"a":1}"#),
            r#"{"specversion":"1.0","subject":"group/\"g\"","datacontenttype":"application/json","data":{"a":1}}"#
        );
    }

    proptest! {
        #[test]
        fn what_was_pushed_is_read_back(
            id in "[0-9a-f]{0,32}", topic in "[a-z.]{1,20}", key in proptest::option::of(any::<Vec<u8>>()),
            headers in proptest::collection::vec(("[a-z_]{1,8}", any::<Vec<u8>>()), 0..4),
            value in any::<Vec<u8>>(), timestamp_ms in any::<i64>(), count in 1_usize..4,
        ) {
            let borrowed: Vec<(&str, &[u8])> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
            let head = Head { id: &id, topic: &topic, key: key.as_deref(), timestamp_ms };
            let mut batch = Batch::new();
            for _ in 0..count {
                batch.push(&head, &borrowed, &value);
            }
            prop_assert_eq!(batch.iter().count(), count);
            for record in &batch {
                prop_assert_eq!((record.id, record.topic, record.key), (id.as_str(), topic.as_str(), key.as_deref()));
                prop_assert_eq!((record.timestamp_ms, record.value), (timestamp_ms, value.as_slice()));
                prop_assert_eq!(record.headers().collect::<Vec<_>>(), borrowed.clone());
            }
        }

        #[test]
        fn bytes_that_no_batch_wrote_never_panic(bytes in any::<Vec<u8>>()) {
            for record in Records::new(&bytes) {
                let _seen = record.headers().count();
            }
        }
    }
}
