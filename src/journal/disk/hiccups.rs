//! The log over a simulated disk that refuses single calls, and loses what was not synced.

use super::tests::{PATIENCE, Told, append_one, batch, read_all, settings, until, whole};
use super::*;
use crate::journal::Folder;
use crate::journal::storage::sim::{Disk, Failure, Fault, Operation, SimStorage};

const FIRST: &str = "00000000000000000001.seg";

fn open_on(disk: Disk, settings: Settings) -> (Arc<DiskLog>, Arc<SimStorage>, Arc<Told>) {
    let storage = Arc::new(SimStorage::new(disk));
    let (log, told) = open_in(&storage, settings);
    (log, storage, told)
}

fn open_in(storage: &Arc<SimStorage>, settings: Settings) -> (Arc<DiskLog>, Arc<Told>) {
    let told = Arc::new(Told::default());
    let observer = Arc::<Told>::clone(&told);
    let log = DiskLog::open(Arc::clone(storage) as Arc<_>, settings, observer);
    (log.expect("it always opens"), told)
}

/// One segment for all that a test appends.
fn roomy(ack: Level) -> Settings {
    Settings { segment_bytes: 1 << 16, ..settings(ack) }
}

fn refuse(storage: &SimStorage, operation: Operation, ending: &'static str, times: u64) {
    storage.fail(Fault { operation, ending, skip: 0, times, failure: Failure::Io });
}

/// A disk with three records in one segment, synced; and that segment.
fn three_records() -> (Disk, Vec<u8>) {
    let (log, storage, _told) = open_on(Disk::default(), roomy(Level::Os));
    log.append(&mut batch(1..=3)).expect("there is room");
    until(|| log.written() == Sequence(3));
    assert_eq!(log.close(PATIENCE), 0);
    let disk = cold(&storage);
    let content = disk.content(FIRST).expect("it was synced");
    (disk, content)
}

/// What a power loss leaves that takes all that was not synced.
fn cold(storage: &SimStorage) -> Disk {
    storage.disk().after_power_loss(&mut |_| 0)
}

/// The old file was in quarantine, the copy had no segment's name yet, and one call failed: the next
/// try removed the copy, the only file with the records.
#[test]
fn a_segment_that_is_written_again_outlives_a_failure_between_its_two_names() {
    let between = [(Operation::SyncFolder, "quarantine", 1), (Operation::Rename, ".new", 3)];
    for (operation, ending, times) in between {
        let (log, storage, told) = open_on(Disk::default(), roomy(Level::Os));
        append_one(&log);
        until(|| cold(&storage).content(FIRST).is_some());
        refuse(&storage, operation, ending, times);
        refuse(&storage, Operation::Sync, ".seg", 1);
        append_one(&log);
        until(|| storage.ordered() == 0);
        append_one(&log);
        until(|| storage.disk().content(FIRST).is_some());
        until(|| log.shared.desk.lock().failed.is_empty());
        let killed = storage.disk().after_kill();
        drop(log);
        for disk in [killed, cold(&storage)] {
            let (log, _storage, told) = open_on(disk, roomy(Level::Os));
            assert_eq!(read_all(&log, 1), whole(1..=3), "{operation:?}");
            assert_eq!(*told.damaged.lock(), 0);
        }
        assert_eq!(*told.damaged.lock(), 0);
    }
}

/// The same run, ended before each of its changes by a kill and by losses of power.
#[test]
fn while_a_segment_is_written_again_every_moment_may_be_the_last() {
    let between = [(Operation::SyncFolder, "quarantine", 1), (Operation::Rename, ".new", 3)];
    for (operation, ending, times) in between {
        let (log, storage, _told) = open_on(Disk::default(), roomy(Level::Os));
        append_one(&log);
        until(|| log.shared.synced.load(Ordering::SeqCst) == 1);
        storage.record(Box::new(|_| {}));
        refuse(&storage, operation, ending, times);
        refuse(&storage, Operation::Sync, ".seg", 1);
        append_one(&log);
        until(|| storage.ordered() == 0);
        until(|| log.shared.desk.lock().failed.is_empty());
        log.close(PATIENCE);
        let trace = storage.recorded().expect("it was recorded");
        let copied = |name: &String| name.starts_with("quarantine/");
        assert!(storage.disk().contents().keys().any(copied), "it was written again");
        let mut disk = trace.start;
        let mut random = fastrand::Rng::with_seed(trace.changes.len() as u64);
        for change in trace.changes {
            let mut ends = vec![disk.after_kill(), disk.after_power_loss(&mut |_| 0)];
            for _ in 0..6 {
                ends.push(disk.after_power_loss(&mut |of| random.usize(..of)));
            }
            for end in ends {
                let names: Vec<String> = end.contents().into_keys().collect();
                let (log, _storage, told) = open_on(end, roomy(Level::Os));
                let found = read_all(&log, 1);
                assert_eq!(found.first(), Some(&Ok(1)), "before {change:?}: {names:?}");
                assert_eq!(*told.damaged.lock(), 0, "before {change:?}: {names:?}");
            }
            disk.apply(&change);
        }
    }
}

/// The copy was whole and synced under its name, the power went, and what the disk had kept of the
/// segment was taken instead.
#[test]
fn of_a_segment_and_its_copy_the_copy_is_taken_and_the_other_one_kept_aside() {
    let (mut disk, content) = three_records();
    disk.put(&FIRST.replace(".seg", ".new"), &content);
    // As if only the head of the second record's frame had been lost, whose sync had failed.
    let mut torn = content.clone();
    torn[64 + 56 + 30] ^= 1;
    disk.put(FIRST, &torn);
    disk.take("checkpoint");
    let storage = Arc::new(SimStorage::new(disk));
    refuse(&storage, Operation::SyncFolder, "quarantine", 1);
    refuse(&storage, Operation::Rename, ".new", 1);
    let (log, told) = open_in(&storage, roomy(Level::Os));
    assert_eq!(read_all(&log, 1), whole(1..=3));
    assert_eq!((*told.damaged.lock(), log.recovered().damaged), (0, 0));
    let files = storage.disk().contents();
    assert!(!files.contains_key(&FIRST.replace(".seg", ".new")));
    let kept: Vec<&Vec<u8>> = files
        .iter()
        .filter_map(|(name, content)| name.starts_with("quarantine/").then_some(content))
        .collect();
    assert_eq!(kept, [&torn]);
}

/// The shipper waited for ever for a segment that was gone, or that the disk did not open.
#[test]
fn a_segment_that_cannot_be_opened_costs_its_records_and_holds_nobody_for_ever() {
    let (log, storage, _told) = open_on(Disk::default(), settings(Level::Os));
    for _ in 0..20 {
        append_one(&log);
    }
    log.close(PATIENCE);
    drop(log);
    let left = storage.disk();
    std::thread::scope(|scope| {
        for is_gone in [true, false] {
            let left = left.clone();
            scope.spawn(move || {
                let (log, storage, told) = open_on(left, settings(Level::Os));
                if is_gone {
                    storage.remove(FIRST).expect("it is there");
                } else {
                    refuse(&storage, Operation::Open, FIRST, 1000);
                }
                until(|| matches!(log.read(Sequence(1)), Read::Damaged { .. }));
                let found = read_all(&log, 1);
                let lost = found.iter().filter(|one| one.is_err()).count();
                let expected = (1..=20).map(|at| if at <= lost as u64 { Err(at) } else { Ok(at) });
                assert!(found.iter().copied().eq(expected), "{found:?}");
                assert!((1..20).contains(&lost), "one segment: {found:?}");
                assert_eq!(*told.damaged.lock(), lost as u64, "counted once");
                let name = FIRST.to_owned();
                let kept = |files: Vec<String>| {
                    files.iter().any(|file| file.starts_with(&format!("quarantine/{name}")))
                };
                let files = storage.disk().contents().into_keys().collect();
                assert_eq!(kept(files), !is_gone, "what may be whole is kept");
            });
        }
    });
}

/// A device that does not open a segment may be back tomorrow: without a place in quarantine for the
/// file its records are waited for.
#[test]
fn a_segment_that_can_neither_be_opened_nor_moved_is_waited_for() {
    let (log, storage, _told) = open_on(Disk::default(), settings(Level::Os));
    for _ in 0..20 {
        append_one(&log);
    }
    log.close(PATIENCE);
    drop(log);
    let (log, storage, told) = open_on(storage.disk(), settings(Level::Os));
    refuse(&storage, Operation::Open, FIRST, 1000);
    refuse(&storage, Operation::Rename, FIRST, 1000);
    for _ in 0..60 {
        assert!(matches!(log.read(Sequence(1)), Read::Nothing));
    }
    storage.heal();
    assert_eq!(read_all(&log, 1), whole(1..=20));
    assert_eq!(*told.damaged.lock(), 0);
}

/// The records of a copy that did not get its name were taken for lost, and their numbers given away.
#[test]
fn a_start_at_which_nothing_can_be_renamed_is_an_error_while_a_copy_waits_for_its_name() {
    let (mut disk, content) = three_records();
    disk.put(&FIRST.replace(".seg", ".new"), &content);
    disk.take(FIRST);
    let storage = Arc::new(SimStorage::new(disk));
    refuse(&storage, Operation::Rename, ".new", 1000);
    let told = Arc::new(Told::default());
    let opened = DiskLog::open(Arc::<SimStorage>::clone(&storage), roomy(Level::Os), told);
    assert!(opened.is_err());
    let (log, _storage, _told) = open_on(storage.disk().after_kill(), roomy(Level::Os));
    assert_eq!(read_all(&log, 1), whole(1..=3));
}

/// A folder that could not be synced once made the keeper forget what it had to sync.
#[test]
fn what_a_failing_folder_held_up_is_synced_when_it_recovers() {
    let (log, storage, told) = open_on(Disk::default(), roomy(Level::Os));
    until(|| log.shared.desk.lock().ahead.is_some());
    refuse(&storage, Operation::SyncFolder, "", 1000);
    let (folder, id) = (Folder::DeadLetter, "a".to_owned());
    log.put_aside(Aside { folder, id, json: b"{}".to_vec() });
    append_one(&log);
    until(|| told.errors.lock().contains(&"sync"));
    std::thread::sleep(Duration::from_millis(300));
    storage.heal();
    until(|| cold(&storage).content("deadletter/a.json").is_some_and(|json| json == b"{}"));
    until(|| cold(&storage).content(FIRST).is_some_and(|content| content[64] != 0));
    until(|| log.shared.synced.load(Ordering::SeqCst) == 1);
}

/// The folder of what was put aside was asked once, and its new name never made safe.
#[test]
fn the_name_of_a_file_put_aside_is_made_safe_when_its_folder_recovers() {
    let (log, storage, told) = open_on(Disk::default(), roomy(Level::Os));
    append_one(&log);
    until(|| log.shared.synced.load(Ordering::SeqCst) == 1);
    refuse(&storage, Operation::SyncFolder, "deadletter", 1);
    let (folder, id) = (Folder::DeadLetter, "a".to_owned());
    log.put_aside(Aside { folder, id, json: b"{}".to_vec() });
    until(|| told.errors.lock().contains(&"aside"));
    until(|| cold(&storage).content("deadletter/a.json").is_some_and(|json| json == b"{}"));
}

/// A confirmation of records whose write was not told yet is cut short and never said again.
#[test]
fn no_chunk_has_records_that_are_not_told_as_written() {
    let (log, storage, _told) = open_on(Disk::default(), roomy(Level::Os));
    log.append(&mut batch(1..=3)).expect("there is room");
    until(|| log.written() == Sequence(3));
    log.close(PATIENCE);
    let (log, _storage, _told) = open_on(storage.disk().after_kill(), roomy(Level::Os));
    // As between the last slice of a large batch and the word of it.
    let bytes = batch(2..=4).into_bytes();
    log.shared.tail.lock().push(2, 3, bytes, clock::now());
    assert_eq!(read_all(&log, 2), whole(2..=3));
}

/// Only the name of the second segment and its head had outlived the loss of power.
#[test]
fn records_in_front_of_an_empty_segment_are_counted_as_damaged() {
    let (log, storage, _told) = open_on(Disk::default(), roomy(Level::Os));
    for _ in 0..3 {
        append_one(&log);
    }
    log.close(PATIENCE);
    let mut disk = storage.disk().after_kill();
    let uuid = *uuid::Uuid::parse_str(log.uuid()).expect("a uuid").as_bytes();
    let header = frame::SegmentHeader { uuid, first: 11, created_ms: clock::unix_ms() };
    disk.put(&segment::name(11), &header.encode());
    let (log, _storage, told) = open_on(disk, roomy(Level::Os));
    let expected: Vec<_> = (1..=10).map(|at| if at <= 3 { Ok(at) } else { Err(at) }).collect();
    assert_eq!(read_all(&log, 1), expected);
    assert_eq!((*told.damaged.lock(), log.recovered().damaged, log.usage().damaged), (7, 7, 7));
}

/// The gauge was set at the start and at damage only.
#[test]
fn what_was_removed_from_quarantine_is_not_told_for_long() {
    let mut disk = Disk::default();
    disk.put("quarantine/x", &[1; 100]);
    let (_log, storage, told) = open_on(disk, settings(Level::Os));
    until(|| *told.quarantined.lock() == 100);
    storage.remove("quarantine/x").expect("it is there");
    until(|| *told.quarantined.lock() == 0);
}

/// Until it was read, the oldest record counted as being as old as its segment.
#[test]
fn after_a_start_the_oldest_record_is_not_taken_for_older_than_it_is() {
    let (log, storage, _told) = open_on(Disk::default(), roomy(Level::Os));
    append_one(&log);
    append_one(&log);
    std::thread::sleep(Duration::from_millis(300));
    let before = clock::now().checked_sub(Duration::from_millis(50)).expect("we run for longer");
    append_one(&log);
    let after = clock::now();
    log.confirm(Sequence(2));
    log.close(PATIENCE);
    std::thread::sleep(Duration::from_millis(300));
    let (log, _storage, _told) = open_on(storage.disk().after_kill(), roomy(Level::Os));
    let oldest = log.usage().oldest.expect("something waits");
    assert!(oldest >= before, "{:?} too old", before - oldest);
    assert_eq!(read_all(&log, 3), whole(3..=3));
    let oldest = log.usage().oldest.expect("something waits");
    assert!((before..after).contains(&oldest), "known once it was read");
}

/// The same while a backlog is worked off: each chunk that was read tells its age.
#[test]
fn the_age_follows_what_is_confirmed_inside_of_a_segment() {
    let (log, storage, _told) = open_on(
        Disk::default(),
        Settings { bytes_max: 1 << 26, segment_bytes: 1 << 24, ..settings(Level::Os) },
    );
    let mut head = 0;
    let mut between = clock::now();
    for _ in 0..2 {
        between = clock::now();
        log.append(&mut batch(head + 1..=head + 40_000)).expect("there is room");
        head += 40_000;
        until(|| log.written().0 == head);
        std::thread::sleep(Duration::from_millis(150));
    }
    log.close(PATIENCE);
    let (log, _storage, _told) = open_on(storage.disk().after_kill(), roomy(Level::Os));
    assert_eq!(read_all(&log, 1).len() as u64, head);
    log.confirm(Sequence(head - 1));
    let between = between.checked_sub(Duration::from_millis(20)).expect("we run for longer");
    let oldest = log.usage().oldest.expect("something waits");
    assert!(oldest >= between, "{:?} too old", between - oldest);
}
