//! The shipper's loop over a scripted Kafka: whatever fails, at whatever place, every record arrives
//! in order, what may be there already is marked, and only who is refused alone is skipped.

use super::patchy::PatchyLog;
use super::scripted::{BATCH, Script, Scripted, Written};
use super::*;
use crate::journal::{Read, Sequence};
use crate::kafka::{Class, RecordFault};
use crate::record::{Batch, Head};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

pub(super) const LIMIT: Duration = Duration::from_secs(20);
pub(super) const FOR_EVER: usize = usize::MAX;

pub(super) struct World {
    pub(super) log: Arc<PatchyLog>,
    pub(super) kafka: Scripted,
    pub(super) shipper: ShipperHandle,
}

pub(super) fn settings(topics: &[&str]) -> Settings {
    Settings {
        rest_first: Duration::from_millis(1),
        rest_longest: Duration::from_millis(10),
        rest_unreachable: Duration::from_millis(10),
        active: Duration::from_millis(1),
        idle: Duration::from_millis(5),
        ..Settings::new(topics.iter().map(|topic| (*topic).to_owned()).collect())
    }
}

impl World {
    /// A shipper over a log that holds `records` already, and a Kafka that follows `script`.
    fn new(records: usize, topics: &[&str], script: Script) -> Self {
        Self::with(records, settings(topics), script)
    }

    /// The same with settings of its own; the records go to their topics in turn.
    fn with(records: usize, settings: Settings, script: Script) -> Self {
        let log = PatchyLog::default();
        let topics: Vec<&str> = settings.topics.iter().map(String::as_str).collect();
        append(&log, records, &topics, 0);
        Self::over(log, settings, script, Arc::new(()))
    }

    /// A shipper over a log as it is.
    pub(super) fn over(
        log: PatchyLog,
        settings: Settings,
        script: Script,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let log = Arc::new(log);
        let kafka = Scripted(Arc::new(Mutex::new(script)));
        let sinks = Arc::new(kafka.clone());
        let as_log: Arc<dyn Log> = Arc::<PatchyLog>::clone(&log);
        let shipper = Shipper::spawn(as_log, sinks, settings, observer).expect("there is a thread");
        Self { log, kafka, shipper }
    }

    pub(super) fn wait(&self, what: &str, mut until: impl FnMut(&Self) -> bool) {
        let started = clock::now();
        while !until(self) {
            assert!(started.elapsed() < LIMIT, "{what}: {:?}", self.shipper.status());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(super) fn drain(&self) -> Vec<Written> {
        self.wait("all confirmed", |world| world.log.usage().records == 0);
        self.kafka.0.lock().written.clone()
    }

    pub(super) fn reasons(&self) -> Vec<&'static str> {
        self.shipper.status().degraded.iter().map(|one| one.reason).collect()
    }
}

pub(super) fn append(log: &dyn Log, records: usize, topics: &[&str], timestamp_ms: i64) {
    for number in 0..records {
        let mut batch = Batch::new();
        let topic = topics[number % topics.len()];
        let head = Head { id: "0123", topic, key: Some(b"k"), timestamp_ms };
        batch.push(&head, &[], b"value");
        log.append(&mut batch).expect("there is room");
    }
}

pub(super) fn script() -> Script {
    Script { creates: true, ..Script::default() }
}

/// All positions but `skipped` were written, first ones in order, later ones marked as replays.
pub(super) fn assert_complete(written: &[Written], records: u64, skipped: &[u64]) {
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for one in written {
        if seen.insert(one.sequence) {
            let last = last.entry(&one.topic).or_default();
            assert!(*last < one.sequence, "{} came after {last}", one.sequence);
            *last = one.sequence;
        } else {
            assert!(one.replay, "{} was written twice and is not marked", one.sequence);
        }
        assert!(one.journal.ends_with(&format!(":{}", one.sequence)), "{}", one.journal);
    }
    let wanted: BTreeSet<u64> = (1..=records).filter(|one| !skipped.contains(one)).collect();
    assert_eq!(seen, wanted);
}

#[test]
fn every_class_at_first_middle_and_last_record_delivers_all_in_order() {
    let classes = [
        Class::Over,
        Class::Fatal,
        Class::TimedOut,
        Class::Configuration,
        Class::Retry,
        Class::Record(RecordFault::TooLarge),
        Class::Record(RecordFault::Invalid),
    ];
    for class in classes {
        for at in [1, 55, 100] {
            for times in [1, 2] {
                let mut script = script();
                script.faults.insert(at, (class, times));
                let world = World::new(100, &["a"], script);
                let condemned = matches!(class, Class::Record(_)) && times == 2;
                let skipped: &[u64] = if condemned { &[at] } else { &[] };
                assert_complete(&world.drain(), 100, skipped);
                let ledger = world.shipper.ledger();
                assert_eq!(ledger.dead_lettered(), skipped.len() as u64, "{class:?} at {at}");
                assert_eq!(ledger.confirmed(), 100 - skipped.len() as u64);
            }
        }
    }
}

#[test]
fn topics_that_share_the_journal_keep_their_order_each() {
    let mut script = script();
    script.faults.insert(7, (Class::Configuration, 3));
    script.faults.insert(40, (Class::Fatal, 2));
    let world = World::new(200, &["a", "b", "c"], script);
    assert_complete(&world.drain(), 200, &[]);
}

#[test]
fn several_records_at_fault_are_found_and_the_others_keep_their_order() {
    let mut script = script();
    for at in [3, 4, 9, 57] {
        script.faults.insert(at, (Class::Record(RecordFault::Invalid), FOR_EVER));
    }
    let world = World::new(100, &["a"], script);
    assert_complete(&world.drain(), 100, &[3, 4, 9, 57]);
    assert_eq!(world.shipper.ledger().dead_lettered(), 4);
    let sessions = world.shipper.status().sessions;
    assert!(sessions <= 3, "{sessions} for two batches with records at fault");
}

#[test]
fn a_record_that_librdkafka_itself_refuses_is_skipped_without_a_new_session() {
    let mut script = script();
    script.refusals.insert(5, (Class::Record(RecordFault::TooLarge), FOR_EVER));
    let world = World::new(20, &["a"], script);
    assert_complete(&world.drain(), 20, &[5]);
    assert_eq!(world.kafka.0.lock().opened.len(), 1);
}

#[test]
fn a_batch_that_is_too_large_is_made_smaller_and_nothing_is_skipped() {
    let mut script = script();
    script.bytes_per_record = 1_000_000 / BATCH;
    script.limit_records = BATCH / 2;
    let world = World::new(100, &["a"], script);
    assert_complete(&world.drain(), 100, &[]);
    assert_eq!(world.shipper.ledger().dead_lettered(), 0);
    let opened = world.kafka.0.lock().opened.clone();
    assert!(opened.iter().any(|one| one.one_by_one), "found by isolation: {opened:?}");
    let last = opened.last().expect("a session was opened");
    assert_eq!((last.batch_bytes, last.one_by_one), (500_000, false));
}

#[test]
fn only_what_was_sent_before_is_marked_as_a_replay() {
    let mut script = script();
    script.faults.insert(1, (Class::Fatal, 1));
    let world = World::new(50, &["a"], script);
    world.drain();
    append(&*world.log, 1, &["a"], 0);
    let written = world.drain();
    assert!(written.iter().filter(|one| one.session == 1).all(|one| !one.replay));
    let second: Vec<_> = written.iter().filter(|one| one.session == 2).collect();
    assert!(second.iter().all(|one| one.replay == (one.sequence <= 50)));
    assert_eq!(written.last().map(|one| (one.sequence, one.replay)), Some((51, false)));
}

#[test]
fn a_missing_topic_holds_everything_and_is_named_until_it_is_there() {
    let mut script = script();
    script.creates = false;
    script.topics.insert("a".to_owned());
    let world = World::new(10, &["a", "gone"], script);
    world.wait("held", |world| {
        let status = world.shipper.status();
        status.degraded.iter().any(|one| one.text.contains("gone is missing"))
    });
    assert_eq!(world.reasons(), [health::TOPIC]);
    let written = world.kafka.0.lock().written.len();
    assert_eq!(written, 1, "nothing passes the record that waits for its topic");
    let alive = || world.kafka.0.lock().alive;
    world.wait("a session that nobody polls hoards statistics", |_| alive() == 0);
    world.kafka.0.lock().topics.insert("gone".to_owned());
    assert_complete(&world.drain(), 10, &[]);
    world.wait("healthy", |world| world.reasons().is_empty());
    assert_eq!(world.kafka.0.lock().opened.len(), 2, "the wait was not spent in a session");
}

#[test]
fn a_missing_topic_is_created_when_it_is_met() {
    let log = PatchyLog::default();
    append(&log, 3, &["not.announced"], 0);
    let world = World::over(log, settings(&[]), script(), Arc::new(()));
    assert_complete(&world.drain(), 3, &[]);
    assert_eq!(world.kafka.0.lock().opened.len(), 1, "the session went on");
}

#[test]
fn what_an_operator_must_put_right_is_tried_for_ever_and_never_skipped() {
    let mut script = script();
    script.faults.insert(5, (Class::Configuration, FOR_EVER));
    let world = World::new(100, &["a"], script);
    world.wait("tried often", |world| world.kafka.0.lock().opened.len() > 20);
    assert_eq!(world.reasons(), [health::TOPIC]);
    assert!(world.log.usage().records >= 96);
    world.kafka.0.lock().faults.clear();
    assert_complete(&world.drain(), 100, &[]);
    world.wait("healthy", |world| world.reasons().is_empty());
}

#[test]
fn a_kafka_that_is_down_at_the_start_is_found_when_it_comes() {
    let mut script = script();
    script.unreachable = 5;
    let world = World::new(10, &["a"], script);
    assert_complete(&world.drain(), 10, &[]);
    assert_eq!(world.kafka.0.lock().looks, 6);
}

/// Looks at a cluster that was away counted as failures of sessions: after an outage the first hiccup
/// was followed by a rest of half a minute.
#[test]
fn the_first_failure_after_an_outage_is_followed_by_a_short_rest() {
    let mut script = script();
    script.unreachable = 40;
    script.faults.insert(1, (Class::Fatal, 2));
    let settings = Settings { rest_longest: Duration::from_hours(1), ..settings(&["a"]) };
    let world = World::with(10, settings, script);
    assert_complete(&world.drain(), 10, &[]);
}

#[test]
fn a_stop_ships_what_is_there() {
    let world = World::new(5000, &["a", "b"], script());
    assert_eq!(world.shipper.stop(LIMIT), 0);
    assert_complete(&world.kafka.0.lock().written, 5000, &[]);
    assert_eq!(world.shipper.status().state, State::Stopped);
}

#[test]
fn a_stop_does_not_wait_for_a_kafka_that_hangs_or_is_away() {
    let stop = |change: fn(&mut Script)| -> (u64, Duration) {
        let mut script = script();
        change(&mut script);
        let world = World::new(10, &["a"], script);
        std::thread::sleep(Duration::from_millis(20));
        let started: Instant = clock::now();
        let left = world.shipper.stop(Duration::from_millis(200));
        (left, started.elapsed())
    };
    let changes: [fn(&mut Script); 2] =
        [|script| script.hung = true, |script| script.unreachable = FOR_EVER];
    for change in changes {
        let (left, took) = stop(change);
        assert_eq!(left, 10);
        assert!(took >= Duration::from_millis(200) && took < Duration::from_secs(2), "{took:?}");
    }
}

/// What Kafka had taken behind the first record that it did not take was counted as confirmed and,
/// at the end, as lost too.
#[test]
fn what_is_left_at_the_end_does_not_hold_what_kafka_took_behind_a_gap() {
    let mut script = script();
    script.faults.insert(2, (Class::Configuration, FOR_EVER));
    let world = World::new(20, &["a", "b"], script);
    world.wait("all of a", |world| world.shipper.ledger().confirmed() == 10);
    world.wait("the first is confirmed", |world| world.log.usage().records < 20);
    assert_eq!(world.log.usage().records, 19, "the second record holds the journal");
    assert_eq!(world.shipper.stop(Duration::from_millis(100)), 10);
    assert_eq!(world.shipper.ledger().confirmed(), 10);
}

/// A topic was made by hand and the bridge was stopped at once: the shipper slept through the stop in
/// a rest of many seconds, and what the journal in memory held was lost although Kafka was well.
#[test]
fn a_stop_within_a_long_rest_tries_again_and_ships_what_can_go_now() {
    let mut script = script();
    script.creates = false;
    let rests = Duration::from_hours(1);
    let settings = Settings { rest_first: rests, rest_longest: rests, ..settings(&["a"]) };
    let world = World::with(10, settings, script);
    world.wait("held", |world| world.shipper.status().state == State::Waiting);
    world.kafka.0.lock().topics.insert("a".to_owned());
    assert_eq!(world.shipper.stop(LIMIT), 0);
    assert_complete(&world.kafka.0.lock().written, 10, &[]);
}

#[test]
fn a_timestamp_is_never_ahead_of_the_clock() {
    let world = World::new(1, &["a"], script());
    append(&*world.log, 1, &["a"], i64::MAX);
    let written = world.drain();
    let now = clock::unix_ms();
    assert_eq!(written[0].timestamp_ms, 0, "one in the past is kept");
    assert!(written[1].timestamp_ms <= now && written[1].timestamp_ms > now - 60_000);
}

#[test]
fn a_lonely_record_after_idle_time_is_shipped() {
    let world = World::new(0, &["a"], script());
    for count in 1..20 {
        std::thread::sleep(Duration::from_millis(7));
        append(&*world.log, 1, &["a"], 0);
        assert_eq!(world.drain().len(), count);
    }
}

/// Counts what an observer is told.
#[derive(Default)]
pub(super) struct Counting(pub(super) Mutex<BTreeMap<String, u64>>);

impl Counting {
    fn add(&self, what: &str, count: u64) {
        *self.0.lock().entry(what.to_owned()).or_default() += count;
    }
}

impl Observer for Counting {
    fn delivered(&self, topic: &str, records: u64) {
        self.add(topic, records);
    }
    fn confirmed(&self, records: u64, _age: Duration) {
        self.add("confirmed", records);
    }
    fn error(&self, class: ErrorClass) {
        self.add(class.name(), 1);
    }
    fn dead_letter(&self, reason: RecordFault, topic: Option<&str>) {
        self.add(reason.name(), 1);
        self.add(&format!("letter in {}", topic.unwrap_or("no topic")), 1);
    }
    fn damaged(&self, records: u64) {
        self.add("damaged", records);
    }
    fn session_started(&self) {
        self.add("sessions", 1);
    }
    fn session_ended(&self) {
        self.add("ended sessions", 1);
    }
}

#[test]
fn an_observer_is_told_of_every_record_and_incident() {
    let mut script = script();
    script.faults.insert(12, (Class::Record(RecordFault::Invalid), FOR_EVER));
    script.refusals.insert(25, (Class::Record(RecordFault::TooLarge), FOR_EVER));
    let log = PatchyLog::default();
    append(&log, 30, &["a", "b"], 0);
    let observer = Arc::new(Counting::default());
    let as_observer: Arc<dyn Observer> = Arc::<Counting>::clone(&observer);
    let world = World::over(log, settings(&["a", "b"]), script, as_observer);
    assert_eq!(world.shipper.stop(LIMIT), 0);
    let seen = observer.0.lock().clone();
    let count = |what: &str| seen.get(what).copied().unwrap_or(0);
    assert_eq!((count("a"), count("b"), count("confirmed")), (14, 14, 30));
    assert_eq!((count("invalid"), count("too_large")), (1, 1));
    assert_eq!(count("record"), 3, "refused with others, then alone; not even taken");
    assert_eq!(count("sessions"), 2, "what is found alone costs none");
    assert_eq!(count("sessions"), count("ended sessions"));
}

/// Of records that cannot be read only those within the window were ever marked as done: behind a
/// longer stretch nothing was confirmed again.
#[test]
fn exactly_the_records_that_cannot_be_read_are_left_out_however_many() {
    for (before, damaged) in [(0, 1), (10, 1), (10, 20_000), (500, 9_000)] {
        let log = PatchyLog::default();
        for count in [before, damaged, 10] {
            append(&log, count, &["a", "b"], 0);
            // Ends the chunk.
            assert!(count == 0 || matches!(log.records.read(log.written()), Read::Chunk(_)));
        }
        let unreadable = before as u64 + 1..=(before + damaged) as u64;
        *log.damaged.lock() = Some(unreadable.clone());
        let observer = Arc::new(Counting::default());
        let as_observer: Arc<dyn Observer> = Arc::<Counting>::clone(&observer);
        let mut script = script();
        script.faults.insert(before as u64 + 1 + damaged as u64, (Class::Fatal, 1));
        let world = World::over(log, settings(&["a", "b"]), script, as_observer);
        let skipped: Vec<u64> = unreadable.collect();
        assert_complete(&world.drain(), (before + damaged + 10) as u64, &skipped);
        assert_eq!(world.shipper.stop(LIMIT), 0);
        let ledger = world.shipper.ledger();
        let ends = (ledger.confirmed(), ledger.damaged(), ledger.dead_lettered());
        assert_eq!(ends, (before as u64 + 10, damaged as u64, 0));
        assert_eq!(observer.0.lock().get("damaged"), Some(&(damaged as u64)));
    }
}

#[test]
fn what_an_earlier_run_may_have_sent_is_marked_as_a_replay() {
    let log = PatchyLog { replay_upto: Sequence(5), ..PatchyLog::default() };
    append(&log, 10, &["a"], 0);
    let world = World::over(log, settings(&["a"]), script(), Arc::new(()));
    let replays: Vec<bool> = world.drain().iter().map(|one| one.replay).collect();
    assert_eq!(replays, [[true; 5], [false; 5]].concat());
}

/// Panics when it is told of the first delivery; counts the others.
#[derive(Default)]
struct Fragile(Mutex<Option<u64>>);

impl Observer for Fragile {
    fn delivered(&self, _topic: &str, records: u64) {
        match &mut *self.0.lock() {
            Some(count) => *count += records,
            first => {
                *first = Some(0);
                panic!("a defect");
            }
        }
    }
}

/// What the thread had delivered behind the confirmed prefix was sent again, which must be, and
/// counted again, which made the ledger uneven.
#[test]
fn a_shipper_that_panics_begins_again_loses_nothing_and_counts_nothing_twice() {
    let log = PatchyLog::default();
    append(&log, 100, &["a"], 0);
    let observer = Arc::new(Fragile::default());
    let as_observer: Arc<dyn Observer> = Arc::<Fragile>::clone(&observer);
    let world = World::over(log, settings(&["a"]), script(), as_observer);
    assert_complete(&world.drain(), 100, &[]);
    append(&*world.log, 1, &["a"], 0);
    assert_complete(&world.drain(), 101, &[]);
    assert_eq!(world.shipper.stop(LIMIT), 0);
    assert_eq!(world.shipper.ledger().confirmed(), 101);
    assert_eq!(*observer.0.lock(), Some(101));
}
