//! The log on a real directory: written, stopped, damaged, read back.

use super::scan::{Entry, State, scan};
use super::*;
use crate::journal::Folder;
use crate::journal::storage::disk::DiskStorage;
use crate::journal::storage::{Space, StoredFile};
use crate::record::Head;
use parking_lot::Mutex;
use std::path::Path;

/// Longest wait for something that other threads do.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Counts what it is told.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) errors: Mutex<Vec<&'static str>>,
    pub(super) damaged: Mutex<u64>,
    pub(super) quarantined: Mutex<u64>,
    pub(super) dropped: Mutex<u64>,
}

impl JournalObserver for Told {
    fn written(&self, _seconds: f64) {}
    fn synced(&self, _seconds: f64) {}
    fn error(&self, operation: &'static str) {
        self.errors.lock().push(operation);
    }
    fn damaged(&self, records: u64) {
        *self.damaged.lock() += records;
    }
    fn quarantined_bytes(&self, bytes: u64) {
        *self.quarantined.lock() = bytes;
    }
    fn oversize_file_dropped(&self) {
        *self.dropped.lock() += 1;
    }
    fn poisoned(&self, _now: bool) {}
}

pub(super) fn settings(ack: Level) -> Settings {
    Settings {
        ack,
        bytes_max: 1 << 20,
        free_bytes_min: 1,
        segment_bytes: 512,
        oversize_bytes_max: 100,
    }
}

fn open_with(dir: &Path, settings: Settings) -> (Arc<DiskLog>, Arc<Told>) {
    let storage = Arc::new(DiskStorage::new(dir).expect("a directory"));
    let told = Arc::new(Told::default());
    let observer = Arc::<Told>::clone(&told);
    (DiskLog::open(storage, settings, observer).expect("it always opens"), told)
}

fn open(dir: &Path) -> Arc<DiskLog> {
    open_with(dir, settings(Level::Os)).0
}

pub(super) fn dir() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory can be made")
}

pub(super) fn batch(ids: RangeInclusive<u64>) -> Batch {
    let mut batch = Batch::new();
    for id in ids {
        let id = id.to_string();
        let head = Head { id: &id, topic: "t", key: None, timestamp_ms: 0 };
        batch.push(&head, &[], id.as_bytes());
    }
    batch
}

/// Appends one record, whose id is its position, and waits for it.
pub(super) fn append_one(log: &DiskLog) -> u64 {
    let next = log.usage().head.0 + 1;
    let range = log.append(&mut batch(next..=next)).expect("there is room");
    assert_eq!(range, Sequence(next)..=Sequence(next));
    until(|| log.written().0 >= next);
    next
}

/// A log that took so many records and was stopped.
fn left_behind(dir: &Path, records: u64) {
    let log = open(dir);
    for _ in 0..records {
        append_one(&log);
    }
    assert_eq!(log.close(PATIENCE), 0);
}

pub(super) fn until(mut done: impl FnMut() -> bool) {
    let started = clock::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "it does not happen");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What a reader meets from a position on: ids, and positions that are damaged.
pub(super) fn read_all(log: &DiskLog, mut from: u64) -> Vec<Result<u64, u64>> {
    let mut seen = Vec::new();
    loop {
        match log.read(Sequence(from)) {
            Read::Nothing => return seen,
            Read::Damaged { upto } => {
                seen.extend((from..=upto.0).map(Err));
                from = upto.0 + 1;
            }
            Read::Chunk(chunk) => {
                for (sequence, record) in (chunk.first.0..).zip(&chunk.batch) {
                    if sequence >= from {
                        assert_eq!(record.id, sequence.to_string());
                        seen.push(Ok(sequence));
                    }
                }
                from = chunk.last().0 + 1;
            }
        }
    }
}

pub(super) fn whole(range: RangeInclusive<u64>) -> Vec<Result<u64, u64>> {
    range.map(Ok).collect()
}

fn segments(dir: &Path) -> Vec<String> {
    let storage = DiskStorage::existing(dir).expect("it is there");
    let files = storage.list("").expect("readable");
    let mut names: Vec<String> = files.into_iter().map(|file| file.name).collect();
    names.retain(|name| segment::first_of(name).is_some());
    names.sort();
    names
}

fn file(dir: &Path, name: &str) -> Arc<dyn StoredFile> {
    DiskStorage::existing(dir).expect("there").open(name).expect("there")
}

fn flip(dir: &Path, name: &str, at: u64) {
    let mut byte = [0];
    let file = file(dir, name);
    assert_eq!(file.read_at(&mut byte, at).expect("readable"), 1);
    file.write_at(&[byte[0] ^ 1], at).expect("writable");
}

/// A frame of a record of [`batch`] with an id of one digit: header 24, record 22 + 1 + 1 + 1,
/// padding.
const FRAME: u64 = 56;

#[test]
fn what_is_appended_is_read_back_over_many_segments_and_starts() {
    for ack in [Level::Os, Level::Fsync, Level::Kafka] {
        let dir = dir();
        for round in 0_u64..3 {
            let (log, told) = open_with(dir.path(), settings(ack));
            assert_eq!(log.recovered().unconfirmed, round * 40);
            assert_eq!(log.replay_upto(), Sequence(round * 40));
            for _ in 0..20 {
                append_one(&log);
            }
            let next = round * 40 + 21;
            log.append(&mut batch(next..=next + 19)).expect("there is room");
            until(|| log.written().0 == next + 19);
            assert_eq!(read_all(&log, 1), whole(1..=next + 19));
            assert_eq!(read_all(&log, next), whole(next..=next + 19));
            assert_eq!(log.close(PATIENCE), 0);
            assert_eq!(*told.errors.lock(), [""; 0]);
        }
        assert!(segments(dir.path()).len() > 10, "tiny segments roll over");
    }
}

#[test]
fn a_journal_that_is_open_is_locked_until_it_is_closed() {
    let dir = dir();
    let log = open(dir.path());
    let storage = Arc::new(DiskStorage::new(dir.path()).expect("a directory"));
    let second = DiskLog::open(storage, settings(Level::Os), Arc::new(Told::default()));
    assert!(matches!(second, Err(OpenError::Locked)));
    drop(log);
    open(dir.path());
}

#[test]
fn the_identity_and_what_was_confirmed_outlive_a_stop_and_segments_are_deleted() {
    let dir = dir();
    let log = open(dir.path());
    for _ in 0..50 {
        append_one(&log);
    }
    let (uuid, many) = (log.uuid().to_owned(), segments(dir.path()).len());
    log.confirm(Sequence(45));
    until(|| segments(dir.path()).len() < many - 3);
    assert_eq!(log.usage().records, 5);
    assert_eq!(read_all(&log, 46), whole(46..=50));
    log.close(PATIENCE);
    drop(log);
    let log = open(dir.path());
    assert_eq!((log.uuid(), log.usage().confirmed), (uuid.as_str(), Sequence(45)));
    assert_eq!((log.recovered().unconfirmed, append_one(&log)), (5, 51));
    assert_eq!(read_all(&log, 46), whole(46..=51));
}

#[test]
fn a_torn_last_frame_is_cut_and_counted_and_its_number_used_again() {
    let dir = dir();
    left_behind(dir.path(), 3);
    // As if the checkpoint were of before the last frame.
    DiskStorage::existing(dir.path()).expect("there").remove("checkpoint").expect("there");
    let name = &segments(dir.path())[0];
    file(dir.path(), name).truncate(64 + 3 * FRAME - 20).expect("cut");
    let log = open(dir.path());
    // Up to the last byte that is not zero.
    assert!((24..=FRAME - 20).contains(&log.recovered().cut_bytes), "{:?}", log.recovered());
    assert_eq!(log.recovered().unconfirmed, 2);
    assert_eq!(log.recovered().quarantined_bytes, log.recovered().cut_bytes);
    assert_eq!(append_one(&log), 3);
    assert_eq!(read_all(&log, 1), whole(1..=3));
    log.close(PATIENCE);
    drop(log);
    let log = open(dir.path());
    assert_eq!((log.recovered().cut_bytes, log.recovered().unconfirmed), (0, 3));
    assert_eq!(read_all(&log, 1), whole(1..=3));
}

#[test]
fn a_flipped_byte_costs_the_frame_it_is_in_and_is_counted_once() {
    // In a header, in a record, in a length; in a segment that is not the last one.
    for at in [8, 24, 0] {
        let dir = dir();
        left_behind(dir.path(), 20);
        let names = segments(dir.path());
        flip(dir.path(), &names[0], 64 + FRAME + at);
        let (log, told) = open_with(dir.path(), settings(Level::Os));
        let mut expected = whole(1..=20);
        expected[1] = Err(2);
        assert_eq!(read_all(&log, 1), expected, "offset {at}");
        assert_eq!(read_all(&log, 2), expected[1..], "offset {at}, again");
        assert_eq!((*told.damaged.lock(), log.usage().damaged), (1, 1));
        let storage = DiskStorage::existing(dir.path()).expect("there");
        let kept = storage.list("quarantine").expect("there");
        assert!(kept.len() == 1 && kept[0].name.starts_with(&names[0]), "{kept:?}");
    }
}

#[test]
fn damage_in_the_last_segment_is_not_taken_for_its_end() {
    let dir = dir();
    left_behind(dir.path(), 5);
    flip(dir.path(), &segments(dir.path())[0], 64 + 2 * FRAME + 3);
    for _ in 0..2 {
        let (log, told) = open_with(dir.path(), settings(Level::Os));
        assert_eq!((log.recovered().unconfirmed, log.recovered().damaged), (5, 1));
        let expected = [Ok(1), Ok(2), Err(3), Ok(4), Ok(5)];
        assert_eq!(read_all(&log, 1), expected);
        assert_eq!(*told.damaged.lock(), 1);
    }
}

#[test]
fn a_synced_record_that_is_gone_is_an_alarm_and_its_number_is_not_used_again() {
    let dir = dir();
    left_behind(dir.path(), 5);
    file(dir.path(), &segments(dir.path())[0]).truncate(64 + 3 * FRAME).expect("cut");
    for _ in 0..2 {
        let log = open(dir.path());
        assert_eq!((log.recovered().synced_data_lost, log.recovered().unconfirmed), (2, 5));
        assert_eq!(read_all(&log, 1), [Ok(1), Ok(2), Ok(3), Err(4), Err(5)]);
    }
    let log = open(dir.path());
    assert_eq!(append_one(&log), 6);
    assert_eq!(read_all(&log, 3), [Ok(3), Err(4), Err(5), Ok(6)]);
}

#[test]
fn a_damaged_head_of_a_segment_costs_nothing() {
    let dir = dir();
    left_behind(dir.path(), 20);
    for name in segments(dir.path()) {
        flip(dir.path(), &name, 20);
    }
    let log = open(dir.path());
    assert_eq!(read_all(&log, 1), whole(1..=20));
}

#[test]
fn foreign_and_empty_files_do_not_disturb() {
    let (dir, other) = (dir(), dir());
    for place in [&dir, &other] {
        left_behind(place.path(), 10);
    }
    let storage = DiskStorage::new(dir.path()).expect("there");
    let theirs = std::fs::read(other.path().join(segment::name(1))).expect("there");
    let place = storage.create(&segment::name(500), Space::Growing).expect("new");
    place.write_at(&theirs, 0).expect("written");
    storage.create(&segment::name(600), Space::Reserved(512)).expect("new");
    let garbage = storage.create(&segment::name(700), Space::Growing).expect("new");
    garbage.write_at(&[7; 300], 0).expect("written");
    storage.create("ahead-1", Space::Growing).expect("new");
    let log = open(dir.path());
    assert_eq!((log.recovered().unconfirmed, read_all(&log, 1)), (10, whole(1..=10)));
    let mut kept: Vec<String> =
        storage.list("quarantine").expect("there").into_iter().map(|file| file.name).collect();
    kept.sort();
    assert_eq!(kept.len(), 2, "the foreign one and the garbage: {kept:?}");
    assert!(kept[0].ends_with("foreign") && kept[1].ends_with("headless"), "{kept:?}");
}

#[test]
fn a_full_log_refuses_and_takes_again_after_a_segment_was_freed() {
    let dir = dir();
    let small = Settings { bytes_max: 2048, ..settings(Level::Os) };
    let (log, _told) = open_with(dir.path(), small);
    let mut head = 0;
    while log.append(&mut batch(head + 1..=head + 1)).is_ok() {
        head += 1;
        until(|| log.written().0 == head);
    }
    assert!(head > 20 && log.usage().full_since.is_some(), "{head}");
    assert!(log.usage().bytes <= 2048);
    let room = log.room().notified();
    log.confirm(Sequence(head - 2));
    until(|| log.usage().full_since.is_none());
    let mut room = std::pin::pin!(room);
    assert!(room.as_mut().enable(), "those who wait are told");
    assert_eq!(append_one(&log), head + 1);
}

#[test]
fn a_batch_that_does_not_fit_leaves_room_for_smaller_ones() {
    let dir = dir();
    let small = Settings { bytes_max: 4096, segment_bytes: 512, ..settings(Level::Os) };
    let (log, _told) = open_with(dir.path(), small);
    append_one(&log);
    assert!(log.append(&mut batch(1000..=1200)).is_err());
    assert_eq!(log.usage().full_since, None);
    append_one(&log);
    log.confirm(Sequence(2));
    let mut large = batch(3..=203);
    let taken = log.append(&mut large).expect("an empty log takes what is larger than its budget");
    assert_eq!((taken, large.records()), (Sequence(3)..=Sequence(203), 0));
    until(|| log.written().0 == 203);
    assert_eq!(read_all(&log, 3), whole(3..=203));
}

#[test]
fn files_are_put_aside_before_the_record_and_the_oldest_are_removed() {
    for ack in [Level::Os, Level::Fsync] {
        let dir = dir();
        let (log, told) = open_with(dir.path(), settings(ack));
        for id in ["a", "b", "c"] {
            let aside = Aside { folder: Folder::Oversize, id: id.to_owned(), json: vec![b'x'; 40] };
            log.put_aside(aside);
            append_one(&log);
        }
        assert!(dir.path().join("oversize/c.json").exists(), "it was there before the record");
        until(|| *told.dropped.lock() == 1);
        assert!(!dir.path().join("oversize/a.json").exists());
        let dead = Aside { folder: Folder::DeadLetter, id: "d".to_owned(), json: vec![1] };
        log.put_aside_now(&dead).expect("written");
        assert_eq!(std::fs::read(dir.path().join("deadletter/d.json")).expect("there"), [1]);
        log.close(PATIENCE);
        let storage = DiskStorage::existing(dir.path()).expect("there");
        let drafts = storage.list("").expect("readable");
        assert!(drafts.iter().all(|file| !file.name.contains(".tmp")), "{drafts:?}");
    }
}

#[test]
fn a_closed_log_has_everything_synced_and_takes_nothing() {
    let dir = dir();
    let log = open(dir.path());
    log.append(&mut batch(1..=30)).expect("there is room");
    assert_eq!(log.close(PATIENCE), 0);
    assert!(log.append(&mut batch(1..=1)).is_err());
    let view = scan(&DiskStorage::existing(dir.path()).expect("there")).expect("readable");
    assert_eq!(view.synced, Sequence(30));
}

#[test]
fn a_lonely_record_wakes_a_sleeping_reader() {
    let dir = dir();
    let log = open(dir.path());
    for position in 1..100 {
        let reader = {
            let log = Arc::clone(&log);
            std::thread::spawn(move || {
                while matches!(log.read(Sequence(position)), Read::Nothing) {
                    log.wait_for(Sequence(position), PATIENCE);
                }
            })
        };
        log.append(&mut batch(position..=position)).expect("there is room");
        let started = clock::now();
        reader.join().expect("the reader ends");
        assert!(started.elapsed() < PATIENCE / 2, "woken, not timed out");
    }
}

#[test]
fn durable_is_what_the_level_says() {
    for (ack, durable) in [(Level::Os, 1), (Level::Fsync, 1), (Level::Kafka, 0)] {
        let dir = dir();
        let (log, _told) = open_with(dir.path(), settings(ack));
        append_one(&log);
        assert_eq!(log.durable(), Sequence(durable), "{ack:?}");
        log.confirm(Sequence(1));
        assert_eq!(log.durable(), Sequence(1));
    }
}

#[test]
fn a_live_journal_can_be_looked_at() {
    let dir = dir();
    let log = open(dir.path());
    for _ in 0..12 {
        append_one(&log);
    }
    log.confirm(Sequence(2));
    let storage = DiskStorage::existing(dir.path()).expect("there");
    until(|| scan(&storage).expect("readable").confirmed == Sequence(2));
    let view = scan(&storage).expect("readable");
    assert_eq!(view.uuid.as_deref(), Some(log.uuid()));
    assert_eq!(view.segments.iter().map(|segment| segment.records).sum::<u64>(), 12);
    let states: Vec<State> = view.segments.iter().map(|segment| segment.state).collect();
    assert_eq!(states, [State::Sealed, State::Open]);
    let mut seen = Vec::new();
    let mut visit = |entry: Entry<'_>| {
        if let Entry::Record { sequence, bytes, .. } = entry {
            let (record, _) = crate::record::Record::decode(bytes).expect("a record");
            assert_eq!(record.id, sequence.0.to_string());
            seen.push(sequence.0);
        }
        true
    };
    view.each(&storage, Sequence(5), &mut visit).expect("readable");
    assert_eq!(seen, (5..=12).collect::<Vec<u64>>());
}
