//! One producer session: from the lowest unconfirmed record on, until something ends it.
//!
//! In: the journal's records, a sink's reports. Out: the journal confirmed, and an [`End`]. What
//! always holds: records are sent in the journal's order; what is done is never sent again; nothing
//! is sent to a topic that the cluster was not seen to have; the thread is woken by time, not by
//! each record, while anything is in flight. Records that must be alone, suspects and dead letters,
//! go through a producer of their own while the session's has nothing in flight: a refused record
//! makes a gapless producer fatal, and a new session for each costs a second or two.

use super::dead_letter::Outcome;
use super::isolation::{Gate, Passed};
use super::observer::ErrorClass;
use super::sink::Sink;
use super::worker::Worker;
use crate::clock;
use crate::journal::{Chunk, Log, Read, Sequence};
use crate::kafka::{Class, Failed, Fault, Inbox, Outgoing, Refusal, SignalClass};
use crate::record::Record;
use std::sync::Arc;
use std::time::Duration;

/// How long reports are waited for once a session is over, in all and since the last one: a fatal
/// producer keeps some for itself.
const DRAIN_MAX: Duration = Duration::from_secs(5);
const DRAIN_QUIET: Duration = Duration::from_millis(300);
const DRAIN_POLL: Duration = Duration::from_millis(5);
/// Rest between looks for the report of a record that everything behind it waits for.
const ALONE_POLL: Duration = Duration::from_micros(500);

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// All is shipped, or the time to stop is up.
    Stopped,
    /// A record names a topic that was not seen yet; the session can go on once it was.
    Topic(u16),
    /// Batches must be smaller.
    TooLarge,
    /// It failed.
    Failed(Cause),
    /// A record that Kafka refuses cannot be put aside either.
    Stuck { sequence: Sequence, text: String },
}

/// What made a session fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cause {
    pub(super) class: ErrorClass,
    pub(super) text: String,
    /// The topic and position of the record that failed, if it was one.
    pub(super) record: Option<(String, Sequence)>,
    /// The topic does not exist.
    pub(super) missing_topic: bool,
}

impl Cause {
    /// One that is no record's, or a dead letter's.
    pub(super) const fn plain(class: ErrorClass, text: String) -> Self {
        Self { class, text, record: None, missing_topic: false }
    }
}

/// Why sending paused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// The journal has no more.
    Drained,
    /// Reports must come in first.
    Full,
    /// The session is over.
    Ended(End),
}

/// Reads the journal record by record.
struct Reader<'a> {
    log: &'a dyn Log,
    chunk: Option<Arc<Chunk>>,
    /// Where the next record begins in the chunk.
    at: usize,
    next: Sequence,
}

impl<'a> Reader<'a> {
    fn new(log: &'a dyn Log, next: Sequence) -> Self {
        Self { log, chunk: None, at: 0, next }
    }

    /// Makes sure that the next record is at hand; whether there is one. A chunk whose bytes are no
    /// records is left out: the positions up to its end are returned as damaged.
    fn fill(&mut self) -> Result<bool, Sequence> {
        loop {
            if let Some(chunk) = &self.chunk {
                if self.next <= chunk.last() {
                    return Ok(true);
                }
                self.chunk = None;
            }
            let chunk = match self.log.read(self.next) {
                Read::Nothing => return Ok(false),
                Read::Damaged { upto } => return Err(upto),
                Read::Chunk(chunk) => chunk,
            };
            self.at = 0;
            for _ in chunk.first.0..self.next.0 {
                let Some((_, taken)) = Record::decode(&chunk.batch.bytes()[self.at..]) else {
                    return Err(chunk.last());
                };
                self.at += taken;
            }
            self.chunk = Some(chunk);
        }
    }
}

/// What a session collects while it runs.
#[derive(Default)]
struct Seen {
    cause: Option<Cause>,
    too_large: bool,
    /// A record behind which nothing was sent is to be looked at again.
    again: bool,
    stuck: Option<End>,
}

impl Worker {
    /// Runs a session on `sink`.
    pub(super) fn session(&mut self, sink: &mut dyn Sink) -> End {
        let log = Arc::clone(&self.log);
        let mut reader = Reader::new(&*log, self.window.lowest());
        let mut inbox = Inbox::default();
        let mut seen = Seen::default();
        loop {
            if self.stop.is_over() {
                return End::Stopped;
            }
            let pause = self.send_what_is_there(sink, &mut reader);
            let idle = self.flight.records() == 0;
            match pause {
                Pause::Ended(end) => return self.finish(sink, end, &mut seen),
                Pause::Drained if idle && self.stop.is_asked() => return End::Stopped,
                Pause::Drained if idle => {
                    log.wait_for(reader.next, self.settings.idle);
                    sink.poll(Duration::ZERO, &mut inbox);
                }
                _ if self.isolation.waits_for_one() => {
                    self.poll_lone(ALONE_POLL, &mut inbox, &mut seen);
                    sink.poll(Duration::ZERO, &mut inbox);
                }
                // By time, not by event: one round serves all that came in meanwhile.
                _ => sink.poll(self.settings.active, &mut inbox),
            }
            self.take_in(&mut inbox, &mut seen);
            self.confirm();
            if !self.isolation.is_active() {
                self.lone = None;
            } else if std::mem::take(&mut seen.again) {
                reader = Reader::new(&*log, self.window.lowest());
            }
            self.tick();
            if let Some(stuck) = seen.stuck.take() {
                return self.finish(sink, stuck, &mut seen);
            }
            if let Some(cause) = seen.cause.take() {
                return self.finish(sink, End::Failed(cause), &mut seen);
            }
            if seen.too_large {
                return self.finish(sink, End::TooLarge, &mut seen);
            }
        }
    }

    /// Takes in what the producer of lone records has to say.
    fn poll_lone(&mut self, timeout: Duration, inbox: &mut Inbox, seen: &mut Seen) {
        if let Some(lone) = &mut self.lone {
            lone.poll(timeout, inbox);
            self.take_in(inbox, seen);
        }
    }

    fn send_what_is_there(&mut self, sink: &mut dyn Sink, reader: &mut Reader<'_>) -> Pause {
        let now_ms = clock::unix_ms();
        loop {
            match reader.fill() {
                Ok(true) => {}
                Ok(false) => return Pause::Drained,
                Err(upto) => match self.leave_out(reader, upto) {
                    None => continue,
                    Some(pause) => return pause,
                },
            }
            let chunk = reader.chunk.as_ref().expect("fill found a record");
            self.note_chunk(chunk);
            let Some((record, taken)) = Record::decode(&chunk.batch.bytes()[reader.at..]) else {
                let upto = chunk.last();
                match self.leave_out(reader, upto) {
                    None => continue,
                    Some(pause) => return pause,
                }
            };
            if !self.window.is_done(reader.next)
                && let Some(pause) = self.send(sink, reader.next, &record, taken, now_ms)
            {
                return pause;
            }
            reader.at += taken;
            reader.next = reader.next.next();
        }
    }

    /// Sends one record; what keeps it from being sent, if anything does.
    fn send(
        &mut self,
        sink: &mut dyn Sink,
        sequence: Sequence,
        record: &Record<'_>,
        bytes: usize,
        now_ms: i64,
    ) -> Option<Pause> {
        if !self.window.reaches(sequence) || !self.flight.has_room() {
            return Some(Pause::Full);
        }
        let gate = if self.isolation.is_active() {
            self.isolation.gate(sequence, self.flight.records())
        } else {
            Gate::Go
        };
        match gate {
            Gate::Go | Gate::Alone => {}
            Gate::Aside(condemned) => return self.send_letter(sequence, record, condemned),
            Gate::Wait => return Some(Pause::Full),
        }
        let topic = self.topics.number(record.topic);
        if !self.topics.is_known(topic) {
            let idle = self.flight.records() == 0;
            return Some(if idle { Pause::Ended(End::Topic(topic)) } else { Pause::Full });
        }
        let mut lone = None;
        if gate == Gate::Alone {
            match self.take_lone() {
                Ok(own) => lone = Some(own),
                Err(end) => return Some(Pause::Ended(end)),
            }
        }
        self.name_journal(sequence);
        let outgoing = Outgoing {
            sequence,
            record,
            journal: &self.journal,
            replay: self.window.is_replay(sequence),
            timestamp_ms: never_ahead(record.timestamp_ms, now_ms),
            more: &[],
        };
        let sent = match &mut lone {
            Some(lone) => lone.send(&outgoing),
            None => sink.send(&outgoing),
        };
        if lone.is_some() {
            self.lone = lone;
        }
        match sent {
            Ok(()) => {
                self.note_flight(sequence, topic, bytes);
                self.window.note_sent(sequence);
                if gate == Gate::Alone {
                    self.isolation.sent_alone(sequence);
                }
                None
            }
            Err(Refusal::Full) => Some(Pause::Full),
            // Refused before it could be part of a batch: it is alone.
            Err(Refusal::Fault(fault @ Fault { class: Class::Record(reason), .. })) => {
                self.observer.error(ErrorClass::Record);
                self.isolation.condemn(sequence, reason, fault);
                Some(Pause::Full)
            }
            Err(Refusal::Fault(fault)) => {
                let cause = cause(&Failed { sequence, fault }, record.topic);
                Some(Pause::Ended(End::Failed(cause)))
            }
        }
    }

    /// The header `journal` of a record.
    pub(super) fn name_journal(&mut self, sequence: Sequence) {
        self.journal.truncate(self.journal_prefix);
        self.journal.push_str(itoa::Buffer::new().format(sequence.0));
    }

    /// Takes in reports.
    fn take_in(&mut self, inbox: &mut Inbox, seen: &mut Seen) {
        if !inbox.delivered.is_empty() {
            self.take_in_delivered(&inbox.delivered, seen);
        }
        for failed in &inbox.failed {
            let Some(topic) = self.flight.take(failed.sequence) else { continue };
            if self.isolation.condemned(failed.sequence).is_some() {
                self.take_in_failed_letter(failed, seen);
                continue;
            }
            let cause = cause(failed, self.topics.name(topic));
            if let Class::Record(reason) = failed.fault.class
                && self.isolation.refused(failed.sequence, reason, failed.fault)
            {
                self.note_fault(ErrorClass::Record, cause.text);
                seen.again = true;
                continue;
            }
            let purged = failed.fault.class == Class::Over;
            if seen.cause.as_ref().is_none_or(|old| !purged && weight(&cause) > weight(old)) {
                seen.cause = Some(cause);
            }
        }
        let now = clock::now();
        for signal in &inbox.signals {
            self.health.signal(signal.class, &signal.text, now);
            if signal.class == SignalClass::Fatal && seen.cause.is_none() {
                seen.cause = Some(Cause {
                    class: ErrorClass::Fatal,
                    text: signal.text.clone(),
                    record: None,
                    missing_topic: false,
                });
            } else {
                self.complain(signal);
            }
        }
        if let Some(stats) = &inbox.stats {
            if stats.any_broker_up() {
                self.health.reached();
            }
            self.observer.stats(stats);
        }
        inbox.clear();
    }

    /// A dead letter that failed ends the session, unless the record is put aside all the same.
    fn take_in_failed_letter(&mut self, failed: &Failed, seen: &mut Seen) {
        let class = ErrorClass::of(failed.fault.class);
        match self.letter_failed(failed.sequence, Ok(failed.fault)) {
            Outcome::Settled(_) => {
                self.note_fault(class, failed.fault.to_string());
                // Its producer may be beyond use; another one is made where it is needed.
                self.lone = None;
            }
            Outcome::Again(cause) => seen.cause = Some(cause),
            Outcome::Stuck(text) => {
                seen.stuck = Some(End::Stuck { sequence: failed.sequence, text });
            }
        }
    }

    fn take_in_delivered(&mut self, delivered: &[u64], seen: &mut Seen) {
        let mut count = 0;
        for sequence in delivered.iter().copied().map(Sequence) {
            let Some(topic) = self.flight.take(sequence) else { continue };
            if self.isolation.is_active() {
                let is_letter = self.isolation.condemned(sequence).is_some();
                let passed = if is_letter {
                    self.letter_delivered(sequence)
                } else {
                    self.isolation.settled(sequence)
                };
                seen.too_large |= passed == Passed::BatchTooLarge;
                if is_letter {
                    continue;
                }
            }
            if self.window.mark(sequence) {
                count += 1;
                self.topics.count_delivered(topic);
            }
        }
        self.ledger.count_confirmed(count);
        let observer = &*self.observer;
        self.topics.take_delivered(|topic, records| observer.delivered(topic, records));
        self.health.reached();
        self.backoff.reset();
        self.silent_since = clock::now();
    }

    /// Ends a session: nothing more is sent, reports are waited for.
    fn finish(&mut self, sink: &mut dyn Sink, end: End, seen: &mut Seen) -> End {
        if matches!(end, End::Topic(_)) {
            return end;
        }
        if let End::Failed(cause) = &end {
            seen.cause = Some(cause.clone());
        }
        // What is queued must not be written behind what failed.
        sink.purge();
        if let Some(lone) = &mut self.lone {
            lone.purge();
        }
        let started = clock::now();
        let (mut heard, mut inbox) = (started, Inbox::default());
        while self.flight.records() > 0
            && heard.elapsed() < DRAIN_QUIET
            && started.elapsed() < DRAIN_MAX
            && !self.stop.is_over()
        {
            let before = self.flight.records();
            self.poll_lone(Duration::ZERO, &mut inbox, seen);
            sink.poll(DRAIN_POLL, &mut inbox);
            self.take_in(&mut inbox, seen);
            if self.flight.records() < before {
                heard = clock::now();
            }
            self.tick();
        }
        self.confirm();
        match (seen.stuck.take(), end, seen.cause.take()) {
            (Some(stuck), ..) => stuck,
            (None, End::Failed(_), Some(cause)) => End::Failed(cause),
            (None, end, _) => end,
        }
    }

    /// Leaves out what cannot be read, up to a position and as far as the window reaches: the rest
    /// must wait for what is in flight before it.
    fn leave_out(&mut self, reader: &mut Reader<'_>, upto: Sequence) -> Option<Pause> {
        if upto > self.damaged_upto {
            let from = reader.next;
            tracing::error!(
                %from,
                %upto,
                "records {from} to {upto} of the journal are unreadable; they are left out"
            );
            self.damaged_upto = upto;
        }
        let mut records = 0;
        reader.chunk = None;
        while reader.next <= upto && self.window.reaches(reader.next) {
            records += u64::from(self.window.mark(reader.next));
            self.isolation.forget(reader.next);
            reader.next = reader.next.next();
        }
        if records > 0 {
            self.ledger.count_damaged(records);
            self.observer.damaged(records);
        }
        (reader.next <= upto).then_some(Pause::Full)
    }
}

fn cause(failed: &Failed, topic: &str) -> Cause {
    Cause {
        class: ErrorClass::of(failed.fault.class),
        text: failed.fault.to_string(),
        record: Some((topic.to_owned(), failed.sequence)),
        missing_topic: failed.fault.is_missing_topic(),
    }
}

/// Of several causes the one that calls for the most is told.
const fn weight(cause: &Cause) -> u8 {
    match cause.class {
        ErrorClass::Retry => 0,
        ErrorClass::Fatal => 1,
        ErrorClass::Record => 2,
        ErrorClass::Configuration => 3,
    }
}

/// The receive time, unless the clock was ahead then. `read_ms` is a little old: a record that came
/// after it asks the clock anew.
pub(super) fn never_ahead(received_ms: i64, read_ms: i64) -> i64 {
    if received_ms <= read_ms { received_ms } else { received_ms.min(clock::unix_ms()) }
}
