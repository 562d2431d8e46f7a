//! The shipper's thread: looks at the cluster, runs session after session, rests in between.
//!
//! In: why a session ended. Out: what to do next. What always holds: nothing that an operator can
//! put right makes it give up or skip a record; it rests between failures; a wish to stop is obeyed
//! within a fraction of a second, whatever Kafka does.

use super::Settings;
use super::backoff::Backoff;
use super::flight::Flight;
use super::health::{self, Health};
use super::isolation::Isolation;
use super::observer::{ErrorClass, Observer};
use super::session::{Cause, End};
use super::sink::{Prepared, Sink, SinkSettings, Sinks};
use super::status::{Ledger, State, Status, Stop};
use super::topics::Topics;
use super::window::Window;
use crate::clock;
use crate::journal::{Chunk, Log, Sequence};
use crate::kafka::{Signal, SignalClass};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

/// How often state is published and health judged.
const TICK: Duration = Duration::from_millis(100);
/// Topics that could not be created are looked for again this often.
const RECHECK: Duration = Duration::from_secs(30);
/// Once a stop is asked for, everything is tried again after this at the latest: what an operator put
/// right a moment ago must still count before the deadline.
const STOP_REST_MAX: Duration = Duration::from_millis(200);
/// When nothing was delivered for so long, a topic may have gone: librdkafka stays silent about one
/// that it has known for less than 30 s.
const SILENCE: Duration = Duration::from_secs(3);
/// How often to look again while the silence lasts.
const SILENCE_RECHECK: Duration = Duration::from_secs(10);
/// The same failure is logged once in this time.
const COMPLAINT: Duration = Duration::from_secs(1);
/// The same error beside records is logged once in this time: an outage raises several a second.
const SIGNAL_COMPLAINT: Duration = Duration::from_secs(30);

type Preparing = Receiver<Result<Prepared, Signal>>;

/// See the module's documentation.
pub(super) struct Worker {
    pub(super) log: Arc<dyn Log>,
    sinks: Arc<dyn Sinks>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) settings: Settings,
    pub(super) stop: Arc<Stop>,
    pub(super) ledger: Arc<Ledger>,
    status: Arc<Mutex<Status>>,
    pub(super) window: Window,
    pub(super) flight: Flight,
    pub(super) topics: Topics,
    pub(super) isolation: Isolation,
    pub(super) health: Health,
    pub(super) backoff: Backoff,
    /// Rests between looks at a cluster that does not answer.
    reaching: Backoff,
    /// Header value of the record at hand; begins with `<uuid>:`.
    pub(super) journal: String,
    pub(super) journal_prefix: usize,
    /// Chunks that are not confirmed: last position and age.
    chunks: VecDeque<(Sequence, Instant)>,
    chunks_upto: Sequence,
    confirmed: Sequence,
    /// Number of the dead-letter topic.
    pub(super) dead_letter_topic: Option<u16>,
    /// The producer of records that must be alone, while there are any.
    pub(super) lone: Option<Box<dyn Sink>>,
    /// What is unreadable was told of up to here.
    pub(super) damaged_upto: Sequence,
    /// The record that everything waits for.
    held: Option<Sequence>,
    batch_cap: Option<usize>,
    state: State,
    sessions: u64,
    batch_bytes: usize,
    last_error: Option<String>,
    ticked: Instant,
    /// Since when nothing was delivered although something was in flight.
    pub(super) silent_since: Instant,
    recheck: Option<Preparing>,
    rechecked: Instant,
    complaints: HashMap<&'static str, (Instant, u64)>,
}

impl Worker {
    pub(super) fn new(
        log: Arc<dyn Log>,
        sinks: Arc<dyn Sinks>,
        observer: Arc<dyn Observer>,
        settings: Settings,
        stop: Arc<Stop>,
        ledger: Arc<Ledger>,
        status: Arc<Mutex<Status>>,
    ) -> Self {
        let confirmed = log.usage().confirmed;
        let journal = format!("{}:", log.uuid());
        let mut topics = Topics::default();
        for topic in &settings.topics {
            let _number = topics.number(topic);
        }
        let dead_letter_topic =
            settings.dead_letter_topic.as_ref().map(|topic| topics.number(topic));
        let now = clock::now();
        Self {
            journal_prefix: journal.len(),
            journal,
            window: Window::new(confirmed, log.replay_upto()),
            flight: Flight::new(settings.in_flight_records, settings.in_flight_bytes),
            backoff: Backoff::new(settings.rest_first, settings.rest_longest),
            reaching: Backoff::new(settings.rest_first, settings.rest_unreachable),
            topics,
            isolation: Isolation::default(),
            health: Health::default(),
            chunks: VecDeque::new(),
            chunks_upto: confirmed,
            confirmed,
            dead_letter_topic,
            lone: None,
            damaged_upto: confirmed,
            held: None,
            batch_cap: None,
            state: State::Connecting,
            sessions: 0,
            batch_bytes: 0,
            last_error: None,
            ticked: now,
            silent_since: now,
            recheck: None,
            rechecked: now,
            complaints: HashMap::new(),
            log,
            sinks,
            observer,
            settings,
            stop,
            ledger,
            status,
        }
    }

    /// Ships until it is asked to stop; the number of records left.
    pub(super) fn run(&mut self) -> u64 {
        let mut sink: Option<(Box<dyn Sink>, SinkSettings)> = None;
        let mut wanted = None;
        while !self.is_done() {
            self.enter(State::Connecting);
            let Some(prepared) = self.prepare(wanted) else {
                // A producer that nobody polls hoards what it has to say. Nothing is in flight.
                if let Some((idle, _)) = sink.take() {
                    self.retire(idle);
                }
                continue;
            };
            let settings = SinkSettings {
                batch_bytes: self.sinks.batch_bytes(prepared.smallest_limit, self.batch_cap),
                one_by_one: false,
            };
            // A session that met a new topic goes on once that is there, unless its batches are too
            // large now.
            let fits = |open: &SinkSettings| open.batch_bytes <= settings.batch_bytes;
            if let Some((misfit, _)) = sink.take_if(|(_, open)| !fits(open)) {
                self.retire(misfit);
            }
            if sink.is_none() {
                sink = self.open(settings).map(|fresh| (fresh, settings));
            }
            let Some((mut open, settings)) = sink.take() else { continue };
            self.enter(State::Shipping);
            let end = self.session(&mut *open);
            wanted = None;
            match end {
                End::Topic(topic) => {
                    wanted = Some(topic);
                    sink = Some((open, settings));
                    continue;
                }
                End::Stopped => {}
                End::TooLarge => self.make_batches_smaller(),
                End::Failed(cause) => self.failed(&cause),
                End::Stuck { sequence, text } => {
                    self.held = Some(sequence);
                    self.hold(health::DEAD_LETTER, text);
                }
            }
            self.retire(open);
        }
        if let Some((idle, _)) = sink.take() {
            self.retire(idle);
        }
        self.enter(State::Stopped);
        self.left()
    }

    /// Ends a session, on a thread of its own; whatever it still reports reaches nobody.
    fn retire(&mut self, sink: Box<dyn Sink>) {
        drop(sink);
        self.lone = None;
        self.flight.clear();
        self.isolation.end_session();
        self.observer.session_ended();
    }

    /// Records that ended nowhere yet.
    pub(super) fn left(&self) -> u64 {
        self.ledger.left(self.log.usage().head)
    }

    /// After a panic: what the session had in flight may be in Kafka, what was reported is known.
    pub(super) fn recover(&mut self) {
        self.lone = None;
        self.flight.clear();
        self.isolation.end_session();
        self.recheck = None;
    }

    fn is_done(&self) -> bool {
        // Not `durable`: at ack level `kafka` that is what was confirmed.
        let drained = || self.log.written() < self.window.lowest();
        self.stop.is_over() || self.stop.is_asked() && drained()
    }

    /// Looks at the cluster; `None`: not yet, rested already. `wanted` is the topic that the next
    /// record needs.
    fn prepare(&mut self, wanted: Option<u16>) -> Option<Prepared> {
        let answer = self.start_preparing();
        let prepared = loop {
            match answer.recv_timeout(Duration::from_millis(20)) {
                Ok(prepared) => break prepared,
                Err(RecvTimeoutError::Timeout) if self.is_done() => return None,
                Err(RecvTimeoutError::Timeout) => self.tick(),
                Err(RecvTimeoutError::Disconnected) => {
                    let text = "looking at the cluster failed".to_owned();
                    break Err(Signal { class: SignalClass::Other, text });
                }
            }
        };
        match prepared {
            Ok(prepared) => {
                self.health.reached();
                if self.reaching.reset() {
                    // It was away: what failed before says nothing about now.
                    self.backoff.reset();
                }
                self.take_in_topics(&prepared);
                match wanted.filter(|topic| !self.topics.is_known(*topic)) {
                    None => Some(prepared),
                    Some(topic) => {
                        self.hold_for_topic(topic, &prepared);
                        None
                    }
                }
            }
            Err(signal) => {
                self.health.signal(signal.class, &signal.text, clock::now());
                if signal.class == SignalClass::Other {
                    self.health.hold(health::CONFIGURATION, signal.text.clone());
                }
                self.complain(&signal);
                self.last_error = Some(signal.text);
                let rest = self.reaching.next(random());
                self.rest(rest);
                None
            }
        }
    }

    fn start_preparing(&self) -> Preparing {
        let (tell, answer) = sync_channel(1);
        let (sinks, topics) = (Arc::clone(&self.sinks), self.topics.names());
        let thread = std::thread::Builder::new().name("kafka-prepare".to_owned());
        // Without a thread the channel is closed, which counts as a failed attempt.
        let started = thread.spawn(move || {
            // Nobody listens any more when the shipper has ended meanwhile.
            let _unheard = tell.send(sinks.prepare(&topics)).is_err();
        });
        if let Err(error) = started {
            tracing::warn!(%error, "no thread to look at the cluster on");
        }
        answer
    }

    fn take_in_topics(&mut self, prepared: &Prepared) {
        self.topics.set_known(&prepared.present);
        if self.held.is_none() {
            self.health.release();
        }
        for news in self.health.not_created(prepared.not_created.iter().cloned()) {
            tracing::warn!("{news}");
        }
        self.rechecked = clock::now();
    }

    /// A record's topic is missing: everything waits for it.
    fn hold_for_topic(&mut self, topic: u16, prepared: &Prepared) {
        let name = self.topics.name(topic);
        let why = prepared.not_created.iter().find(|(failed, _)| failed == name);
        let text = match why {
            Some((_, why)) => format!(
                "topic {name} is missing and could not be created ({why}); create it, or grant the right to"
            ),
            None => {
                format!("topic {name} is missing; create it, or set IMBRIDGE_TOPICS_CREATE=true")
            }
        };
        self.held = Some(self.window.lowest());
        self.hold(health::TOPIC, text);
    }

    fn hold(&mut self, reason: &'static str, text: String) {
        self.observer.error(ErrorClass::Configuration);
        self.health.hold(reason, text.clone());
        self.complain_about(reason, &text, COMPLAINT);
        self.last_error = Some(text);
        let rest = self.backoff.next(random());
        self.rest(rest);
    }

    fn open(&mut self, settings: SinkSettings) -> Option<Box<dyn Sink>> {
        match self.sinks.open(settings) {
            Ok(sink) => {
                self.window.begin_session();
                self.sessions += 1;
                self.batch_bytes = settings.batch_bytes;
                self.observer.session_started();
                tracing::debug!(session = self.sessions, ?settings, "a producer session begins");
                Some(sink)
            }
            Err(text) => {
                self.hold(health::CONFIGURATION, text);
                None
            }
        }
    }

    /// The producer for records that must be alone: one that a refused record does not make fatal.
    /// It is put back into `lone` when it has sent.
    pub(super) fn take_lone(&mut self) -> Result<Box<dyn Sink>, End> {
        if let Some(lone) = self.lone.take() {
            return Ok(lone);
        }
        let settings = SinkSettings { batch_bytes: self.batch_bytes, one_by_one: true };
        let cause = |text| End::Failed(Cause::plain(ErrorClass::Configuration, text));
        self.sinks.open(settings).map_err(cause)
    }

    fn make_batches_smaller(&mut self) {
        let half = (self.batch_bytes / 2).max(crate::kafka::settings::BATCH_BYTES_MIN);
        tracing::warn!(bytes = half, "batches were larger than a topic takes; smaller ones now");
        self.batch_cap = Some(half);
    }

    /// Counts and logs what failed without ending the session.
    pub(super) fn note_fault(&mut self, class: ErrorClass, text: String) {
        self.complain_about(class.name(), &text, COMPLAINT);
        self.observer.error(class);
        self.last_error = Some(text);
    }

    fn failed(&mut self, cause: &Cause) {
        match (&cause.class, &cause.record) {
            (ErrorClass::Configuration, Some((topic, sequence))) => {
                self.held = Some(*sequence);
                let (reason, text) = if cause.missing_topic {
                    (health::TOPIC, format!("topic {topic} is gone: {}", cause.text))
                } else {
                    let advice = "check its rights and policies";
                    (health::REFUSED, format!("topic {topic}: {}; {advice}", cause.text))
                };
                self.hold(reason, text);
                return;
            }
            _ => self.note_fault(cause.class, cause.text.clone()),
        }
        // Isolation makes progress with every record that it judges.
        if cause.class == ErrorClass::Record {
            self.backoff.reset();
        } else {
            let rest = self.backoff.next(random());
            self.rest(rest);
        }
    }

    /// Rests; a wish to stop shortens it, and ends it once there is nothing to wait for.
    fn rest(&mut self, rest: Duration) {
        self.enter(State::Waiting);
        let begun = clock::now();
        loop {
            let rest = if self.stop.is_asked() { rest.min(STOP_REST_MAX) } else { rest };
            let left = rest.saturating_sub(begun.elapsed());
            if left.is_zero() || self.is_done() {
                break;
            }
            std::thread::park_timeout(left.min(TICK));
            self.tick();
        }
    }

    /// Confirms what is done from the lowest record on.
    pub(super) fn confirm(&mut self) {
        let Some(upto) = self.window.advance() else { return };
        self.log.confirm(upto);
        if self.held.is_some_and(|held| held <= upto) {
            self.held = None;
            self.health.release();
            tracing::info!("records are taken again");
        }
        let now = clock::now();
        while let Some((last, since)) = self.chunks.front().copied()
            && last <= upto
        {
            self.chunks.pop_front();
            self.observer
                .confirmed(last.0 - self.confirmed.0, now.saturating_duration_since(since));
            self.confirmed = last;
        }
    }

    /// Remembers when a chunk was appended.
    pub(super) fn note_chunk(&mut self, chunk: &Chunk) {
        if chunk.last() > self.chunks_upto {
            self.chunks_upto = chunk.last();
            self.chunks.push_back((chunk.last(), chunk.appended_at));
        }
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.publish();
    }

    /// What has to happen now and then.
    pub(super) fn tick(&mut self) {
        let now = clock::now();
        if now.saturating_duration_since(self.ticked) >= TICK {
            self.ticked = now;
            self.observer.heartbeat(clock::unix_ms());
            self.recheck_topics(now);
            self.publish();
        }
    }

    fn publish(&mut self) {
        let now = clock::now();
        let oldest = self.log.usage().oldest.map(|since| now.saturating_duration_since(since));
        if self.health.judge(oldest, now) {
            let degraded = self.health.degraded();
            match degraded {
                [] => tracing::info!("Kafka takes records as it should"),
                list => list.iter().for_each(|one| {
                    tracing::warn!(reason = one.reason, "degraded: {one}");
                }),
            }
            self.observer.degraded(degraded);
        }
        let mut status = self.status.lock();
        let isolating = self.state == State::Shipping && self.isolation.is_active();
        status.state = if isolating { State::Isolating } else { self.state };
        status.sessions = self.sessions;
        status.in_flight = self.flight.records();
        status.batch_bytes = self.batch_bytes;
        if status.degraded != self.health.degraded() {
            status.degraded = self.health.degraded().to_vec();
        }
        if status.last_error != self.last_error {
            status.last_error.clone_from(&self.last_error);
        }
    }

    /// A record was handed to the session's producer.
    pub(super) fn note_flight(&mut self, sequence: Sequence, topic: u16, bytes: usize) {
        if self.flight.records() == 0 {
            self.silent_since = clock::now();
        }
        self.flight.add(sequence, topic, bytes);
    }

    /// Whether it is time to look at the cluster's topics while a session runs.
    fn recheck_is_due(&self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.rechecked);
        let silent = self.flight.records() > 0
            && now.saturating_duration_since(self.silent_since) >= SILENCE;
        since >= RECHECK && self.health.lacks_topics() || since >= SILENCE_RECHECK && silent
    }

    /// Topics that could not be created may be there by now, others may have gone.
    fn recheck_topics(&mut self, now: Instant) {
        match self.recheck.as_ref().map(Receiver::try_recv) {
            None => {
                if self.state == State::Shipping && self.recheck_is_due(now) {
                    self.recheck = Some(self.start_preparing());
                }
            }
            Some(Err(TryRecvError::Empty)) => {}
            Some(Ok(Ok(prepared))) => {
                self.recheck = None;
                self.take_in_topics(&prepared);
            }
            Some(Ok(Err(_)) | Err(TryRecvError::Disconnected)) => {
                self.recheck = None;
                self.rechecked = now;
            }
        }
    }

    /// Logs an error beside records, seldom.
    pub(super) fn complain(&mut self, signal: &Signal) {
        let class = match signal.class {
            SignalClass::Unreachable => health::UNREACHABLE,
            SignalClass::Authentication => health::AUTHENTICATION,
            SignalClass::Tls => health::TLS,
            SignalClass::Fatal => "fatal",
            SignalClass::Other => "other",
        };
        self.complain_about(class, &signal.text, SIGNAL_COMPLAINT);
    }

    fn complain_about(&mut self, class: &'static str, text: &str, pause: Duration) {
        let now = clock::now();
        let (last, untold) = self.complaints.entry(class).or_insert((now, 0));
        let first = *last == now;
        if !first && now.saturating_duration_since(*last) < pause {
            *untold += 1;
            return;
        }
        tracing::warn!(class, untold = *untold, "Kafka: {text}");
        (*last, *untold) = (now, 0);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "half of the random bits will do")]
fn random() -> u32 {
    RandomState::new().hash_one(0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::memory::MemoryLog;
    use crate::shipper::scripted::Scripted;

    fn worker() -> Worker {
        Worker::new(
            Arc::new(MemoryLog::new(1 << 20)),
            Arc::new(Scripted::default()),
            Arc::new(()),
            Settings::new(vec!["a".to_owned()]),
            Arc::new(Stop::default()),
            Arc::new(Ledger::new(Sequence::NONE)),
            Arc::new(Mutex::new(Status::default())),
        )
    }

    /// The silence was counted from the last delivery on: a bridge with one record a minute looked at
    /// the cluster whenever the shipper looked up between a record and its report.
    #[test]
    fn the_time_in_which_nothing_was_in_flight_is_no_silence() {
        let mut worker = worker();
        let minute = Duration::from_mins(1);
        let long_ago = clock::now().checked_sub(minute).expect("the machine runs for longer");
        (worker.rechecked, worker.silent_since) = (long_ago, long_ago);
        worker.note_flight(Sequence(1), 0, 10);
        assert!(!worker.recheck_is_due(clock::now()), "it was just sent");
        let later = clock::now() + SILENCE;
        assert!(worker.recheck_is_due(later));
        worker.note_flight(Sequence(2), 0, 10);
        assert!(worker.recheck_is_due(later), "the first one still waits");
    }
}
