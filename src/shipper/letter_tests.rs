//! Records that Kafka refuses by themselves, over a scripted Kafka and a log with a directory: into
//! the dead-letter topic, else into a file, else they hold everything; the others keep their order.

use super::health;
use super::observer::Observer;
use super::patchy::{Directory, PatchyLog};
use super::scripted::{DEAD, Script, Written};
use super::tests::{Counting, FOR_EVER, LIMIT, World, append, assert_complete, script, settings};
use super::{Settings, State};
use crate::journal::{Folder, Log};
use crate::kafka::{Class, RecordFault};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

const INVALID: Class = Class::Record(RecordFault::Invalid);

/// A shipper with a dead-letter topic over a hundred records of topic `a` and a directory.
fn world(directory: Directory, script: Script) -> World {
    over(directory, script, Arc::new(()))
}

fn over(directory: Directory, script: Script, observer: Arc<dyn Observer>) -> World {
    let log = PatchyLog { directory: Mutex::new(directory), ..PatchyLog::default() };
    append(&log, 100, &["a"], 0);
    let dead_letter_topic = Some(DEAD.to_owned());
    let settings = Settings { dead_letter_topic, ..settings(&["a"]) };
    World::over(log, settings, script, observer)
}

/// A script that refuses some records whenever they come, and their letters so many times.
fn refusing(records: &[u64], letters: Option<(Class, usize)>) -> Script {
    let mut script = script();
    for record in records {
        script.faults.insert(*record, (INVALID, FOR_EVER));
        if let Some(fault) = letters {
            script.letter_faults.insert(*record, fault);
        }
    }
    script
}

/// Waits until all is confirmed; everything but `aside` arrived in order. The letters.
fn drain(world: &World, aside: &[u64]) -> Vec<Written> {
    let (letters, rest): (Vec<Written>, Vec<Written>) =
        world.drain().into_iter().partition(|one| one.topic == DEAD);
    assert_complete(&rest, 100, aside);
    let ledger = world.shipper.ledger();
    assert_eq!(ledger.dead_lettered(), aside.len() as u64, "each exactly once");
    assert_eq!(ledger.confirmed(), 100 - aside.len() as u64);
    letters
}

fn files(world: &World) -> usize {
    world.log.files.lock().len()
}

#[test]
fn a_record_at_fault_is_in_the_dead_letter_topic_with_what_is_known_of_it() {
    let observer = Arc::new(Counting::default());
    let as_observer: Arc<dyn Observer> = Arc::<Counting>::clone(&observer);
    let aside = [1, 3, 4, 57, 100];
    let world = over(Directory::Works, refusing(&aside, None), as_observer);
    let letters = drain(&world, &aside);
    let sequences: Vec<u64> = letters.iter().map(|one| one.sequence).collect();
    assert_eq!(sequences, aside, "once each, in order");
    for letter in &letters {
        assert_eq!(letter.value, b"value");
        assert!(letter.journal.ends_with(&format!(":{}", letter.sequence)), "{letter:?}");
        assert!(!letter.replay, "it is new in that topic");
        let header = |name: &str| letter.more[name].as_str();
        assert!(header("error").starts_with("invalid: "), "{letter:?}");
        assert_eq!(header("sequence"), letter.sequence.to_string());
        assert_eq!((header("topic"), header("time").len()), ("a", 24));
        assert!(header("time").starts_with("20") && header("time").ends_with('Z'), "{letter:?}");
    }
    assert_eq!(files(&world), 0);
    let sessions = 1 + 3;
    assert_eq!(world.shipper.stop(LIMIT), 0);
    let seen = observer.0.lock().clone();
    assert_eq!((seen["invalid"], seen["letter in dead"], seen["a"]), (5, 5, 95));
    assert_eq!(world.shipper.status().sessions, sessions, "one new session for each batch");
}

#[test]
fn a_letter_that_is_refused_is_a_file() {
    let classes = [INVALID, Class::Record(RecordFault::TooLarge), Class::Configuration];
    for class in classes {
        let aside = [5, 6, 50];
        let world = world(Directory::Works, refusing(&aside, Some((class, FOR_EVER))));
        assert!(drain(&world, &aside).is_empty());
        let files = world.log.files.lock().clone();
        assert_eq!(files.len(), 3, "{class:?}");
        for file in files {
            assert_eq!(
                (file.folder, &*file.id, &*file.json),
                (Folder::DeadLetter, "0123", &b"value"[..])
            );
        }
        world.wait("healthy", |world| world.reasons().is_empty());
    }
}

#[test]
fn a_letter_that_only_had_bad_luck_is_tried_again_before_it_is_a_file() {
    for class in [Class::Retry, Class::Fatal, Class::Over, Class::TimedOut] {
        let twice = world(Directory::Works, refusing(&[50], Some((class, 2))));
        let letters = drain(&twice, &[50]);
        let last = letters.last().expect("the third try succeeds");
        assert!(last.replay, "an earlier one may be there: {class:?}");
        assert_eq!(files(&twice), 0);
        let always = world(Directory::Works, refusing(&[50], Some((class, FOR_EVER))));
        drain(&always, &[50]);
        assert_eq!(files(&always), 1, "{class:?}");
    }
}

/// Only a letter that was reported as failed counted as one that may be there.
#[test]
fn a_letter_that_was_under_way_when_its_session_ended_is_marked_when_it_is_sent_again() {
    let mut script = refusing(&[50], None);
    script.unreported_letters.insert(50);
    let world = world(Directory::Works, script);
    let replays: Vec<bool> = drain(&world, &[50]).iter().map(|one| one.replay).collect();
    assert_eq!(replays, [false, true]);
}

/// Nothing was left to judge, and yet records went one by one until the next start.
#[test]
fn a_condemned_record_that_becomes_unreadable_is_forgotten() {
    let world = world(Directory::Fails, refusing(&[50], Some((INVALID, FOR_EVER))));
    world.wait("held", |world| world.reasons() == [health::DEAD_LETTER]);
    *world.log.damaged.lock() = Some(50..=50);
    world.wait("all confirmed", |world| world.log.usage().records == 0);
    let ledger = world.shipper.ledger();
    assert_eq!((ledger.confirmed(), ledger.damaged(), ledger.dead_lettered()), (99, 1, 0));
    world.wait("back to full speed", |world| world.shipper.status().state == State::Shipping);
}

#[test]
fn without_a_dead_letter_topic_it_is_a_file_and_nothing_waits_for_the_topic() {
    let mut script = refusing(&[7, 60], None);
    script.creates = false;
    script.topics.insert("a".to_owned());
    let world = world(Directory::Works, script);
    assert!(drain(&world, &[7, 60]).is_empty());
    assert_eq!(files(&world), 2);
}

#[test]
fn a_record_that_librdkafka_itself_refuses_is_a_file_without_a_new_session() {
    let mut script = script();
    script.refusals.insert(5, (Class::Record(RecordFault::TooLarge), FOR_EVER));
    let world = world(Directory::Works, script);
    assert!(drain(&world, &[5]).is_empty());
    assert_eq!((files(&world), world.shipper.status().sessions), (1, 1));
}

#[test]
fn what_fits_nowhere_holds_everything_until_it_does() {
    let world = world(Directory::Fails, refusing(&[50], Some((INVALID, FOR_EVER))));
    world.wait("held", |world| world.reasons() == [health::DEAD_LETTER]);
    let tried = world.kafka.0.lock().opened.len();
    world.wait("tried again", |world| world.kafka.0.lock().opened.len() > tried + 3);
    assert_eq!((world.shipper.ledger().confirmed(), files(&world)), (49, 0));
    *world.log.directory.lock() = Directory::Works;
    drain(&world, &[50]);
    assert_eq!(files(&world), 1);
    world.wait("healthy", |world| world.reasons().is_empty());
}

#[test]
fn what_fits_nowhere_yet_goes_to_its_topic_once_that_takes_it() {
    let world = world(Directory::Fails, refusing(&[50], Some((INVALID, FOR_EVER))));
    world.wait("held", |world| world.reasons() == [health::DEAD_LETTER]);
    world.kafka.0.lock().letter_faults.clear();
    let letters = drain(&world, &[50]);
    assert_eq!(letters.len(), 1);
    assert!(letters[0].replay && files(&world) == 0);
}

#[test]
fn a_stop_while_a_record_fits_nowhere_leaves_it_and_all_behind_it() {
    let world = world(Directory::Fails, refusing(&[50], Some((INVALID, FOR_EVER))));
    world.wait("held", |world| world.reasons() == [health::DEAD_LETTER]);
    assert_eq!(world.shipper.stop(Duration::from_millis(300)), 51);
    assert_eq!(world.log.usage().records, 51);
}

#[test]
fn in_memory_a_record_without_a_place_is_skipped_and_counted() {
    let world = world(Directory::None, refusing(&[50], Some((INVALID, FOR_EVER))));
    assert!(drain(&world, &[50]).is_empty());
    assert_eq!(files(&world), 0);
}
