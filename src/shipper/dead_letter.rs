//! What becomes of a record that Kafka refuses alone: the dead-letter topic, else a file, else it
//! waits.
//!
//! In: a condemned record, and what became of its dead letter. Out: the record put aside, counted
//! once and logged, or an [`End`] of the session. What always holds: a record counts as put aside
//! only when Kafka has confirmed its dead letter, or its file is synced; where there is neither, it
//! holds everything and is tried for ever. Only a log without a directory, in memory, skips it.

use super::isolation::{Condemned, Passed};
use super::observer::ErrorClass;
use super::session::{Cause, End, Pause, never_ahead};
use super::worker::Worker;
use crate::clock;
use crate::journal::{Aside, Folder, NoDirectory, Read, Sequence};
use crate::kafka::{Class, Fault, Outgoing, Refusal};
use crate::record::Record;
use time::OffsetDateTime;

/// A dead letter whose failure says nothing about it (a leader that moved, a session that ended) is
/// tried so often before the record goes to a file.
const TRIES: u8 = 3;

/// Where a record was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Topic,
    File,
    Nowhere,
}

/// What came of a dead letter that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The record is put aside.
    Settled(Passed),
    /// It is to be tried again in a new session.
    Again(Cause),
    /// There is no place for it; why.
    Stuck(String),
}

impl Worker {
    /// Sends a condemned record to the dead-letter topic, or puts it into a file where that cannot
    /// be: nothing is in flight, and nothing follows before it is done.
    pub(super) fn send_letter(
        &mut self,
        sequence: Sequence,
        record: &Record<'_>,
        condemned: Condemned,
    ) -> Option<Pause> {
        let known = self.dead_letter_topic.filter(|topic| self.topics.is_known(*topic));
        let Some(topic) = known else {
            return self.after(sequence, Err("there is no dead-letter topic".to_owned()));
        };
        let mut lone = match self.take_lone() {
            Ok(lone) => lone,
            Err(end) => return Some(Pause::Ended(end)),
        };
        let now_ms = clock::unix_ms();
        let error = format!("{}: {}", condemned.reason.name(), condemned.fault);
        let (number, time) = (sequence.to_string(), rfc3339(now_ms));
        self.name_journal(sequence);
        let outgoing = Outgoing {
            sequence,
            record: &record.for_topic(self.topics.name(topic)),
            journal: &self.journal,
            // The record was refused everywhere; its letter is new, unless one was sent before.
            replay: condemned.sent || sequence <= self.log.replay_upto(),
            timestamp_ms: never_ahead(record.timestamp_ms, now_ms),
            more: &[
                ("error", &error),
                ("sequence", &number),
                ("time", &time),
                ("topic", record.topic),
            ],
        };
        let sent = lone.send(&outgoing);
        self.lone = Some(lone);
        match sent {
            Ok(()) => {
                self.note_flight(sequence, topic, record.value.len());
                self.isolation.sent_alone(sequence);
                None
            }
            Err(Refusal::Full) => Some(Pause::Full),
            Err(Refusal::Fault(fault)) => self.after(sequence, Ok(fault)),
        }
    }

    /// After a dead letter that was not even sent.
    fn after(&mut self, sequence: Sequence, failed: Result<Fault, String>) -> Option<Pause> {
        match self.letter_failed(sequence, failed) {
            Outcome::Settled(_) => None,
            Outcome::Again(cause) => Some(Pause::Ended(End::Failed(cause))),
            Outcome::Stuck(text) => Some(Pause::Ended(End::Stuck { sequence, text })),
        }
    }

    /// Kafka has a dead letter.
    pub(super) fn letter_delivered(&mut self, sequence: Sequence) -> Passed {
        self.settle(sequence, Place::Topic)
    }

    /// A dead letter failed, for a fault or for want of a topic: the record goes to a file, unless
    /// another try is worth it.
    pub(super) fn letter_failed(
        &mut self,
        sequence: Sequence,
        failed: Result<Fault, String>,
    ) -> Outcome {
        let tries = self.isolation.letter_failed(sequence);
        let why = match failed {
            Ok(fault) => {
                let final_word = matches!(fault.class, Class::Record(_) | Class::Configuration);
                if !final_word && tries < TRIES {
                    return Outcome::Again(Cause::plain(
                        ErrorClass::of(fault.class),
                        fault.to_string(),
                    ));
                }
                fault.to_string()
            }
            Err(why) => why,
        };
        let aside = self.with_record(sequence, |record| Aside {
            folder: Folder::DeadLetter,
            id: record.id.to_owned(),
            json: record.structured().into_owned(),
        });
        // What has become unreadable meanwhile is left out by the next session.
        let Some(aside) = aside else {
            let text = "the record has become unreadable".to_owned();
            return Outcome::Again(Cause::plain(ErrorClass::Retry, text));
        };
        tracing::warn!(%sequence, why, "the dead-letter topic does not take record {sequence}: {why}");
        match self.log.put_aside_now(&aside) {
            Ok(()) => Outcome::Settled(self.settle(sequence, Place::File)),
            Err(error) if NoDirectory::is(&error) => {
                Outcome::Settled(self.settle(sequence, Place::Nowhere))
            }
            Err(error) => Outcome::Stuck(format!(
                "record {sequence} is refused by its topic and by the dead-letter topic ({why}), and \
                 its file deadletter/{}.json cannot be written ({error})",
                aside.id
            )),
        }
    }

    fn settle(&mut self, sequence: Sequence, place: Place) -> Passed {
        let condemned = self.isolation.condemned(sequence);
        let passed = self.isolation.settled(sequence);
        let Some(Condemned { reason, fault, .. }) = condemned else { return passed };
        if !self.window.mark(sequence) {
            return passed;
        }
        self.ledger.count_dead_lettered();
        let letter = self.dead_letter_topic.filter(|_| place == Place::Topic);
        let letter = letter.map(|topic| self.topics.name(topic));
        self.observer.dead_letter(reason, letter);
        let named = |record: &Record<'_>| (record.id.to_owned(), record.topic.to_owned());
        let (id, topic) = self.with_record(sequence, named).unwrap_or_default();
        let place = match (place, letter) {
            (Place::Topic, Some(name)) => format!("it is in topic {name}"),
            (Place::Topic, None) | (Place::File, _) => format!("it is in deadletter/{id}.json"),
            (Place::Nowhere, _) => "it is skipped, for a journal in memory has no files".to_owned(),
        };
        tracing::error!(
            event_id = id,
            topic,
            %sequence,
            reason = reason.name(),
            "Kafka refuses this record by itself ({fault}); {place}"
        );
        passed
    }

    /// Shows a record that is not confirmed; `None` when it cannot be read.
    fn with_record<T>(&self, sequence: Sequence, show: impl Fn(&Record<'_>) -> T) -> Option<T> {
        let Read::Chunk(chunk) = self.log.read(sequence) else { return None };
        let place = usize::try_from(sequence.0.checked_sub(chunk.first.0)?).ok()?;
        chunk.batch.iter().nth(place).map(|record| show(&record))
    }
}

/// `2024-12-31T23:59:59.500Z`.
fn rfc3339(unix_ms: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second, millis) = at.to_hms_milli();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_with_milliseconds() {
        assert_eq!(rfc3339(1_735_689_599_500), "2024-12-31T23:59:59.500Z");
        assert_eq!(rfc3339(951_782_400_001), "2000-02-29T00:00:00.001Z");
        assert_eq!(rfc3339(i64::MAX), "1970-01-01T00:00:00.000Z");
    }
}
