//! Events in `requeue/` on their way into a log in memory.
//!
//! In: files on a real directory, a log that takes, refuses or is quick. Out: what became of the
//! files, the records and the counts.

use super::*;
use crate::catalogue::Catalogue;
use crate::event::{EventFormat, TopicBy};
use crate::journal::memory::MemoryLog;
use crate::journal::{AppendError, Aside, Read, Usage};
use crate::normalise::Settings;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tempfile::TempDir;
use tokio::sync::Notify;

const EVENT: &str = r#"{"specversion":"1.0","id":"ID","source":"/openim/default","type":"im.group.dismissed","time":"2025-01-01T00:00:00.123Z","recordedtime":"2025-01-01T00:00:00.123Z","partitionkey":"group:g1","improvider":"openim","imcommand":"callbackAfterDisMissGroupCommand","datacontenttype":"application/json","data":{"group_id":"g1","raw":{}}}"#;
/// Room for one event as above, and little more.
const LIMIT: usize = 500;

struct Place {
    dir: TempDir,
    log: Arc<MemoryLog>,
    metrics: Arc<Metrics>,
    ledger: Arc<Ledger>,
}

impl Place {
    fn new() -> (Self, Requeue) {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let settings = Settings {
            topic_prefix: "im.".to_owned(),
            topic_by: TopicBy::Kind,
            event_format: EventFormat::Structured,
            event_bytes_max: LIMIT,
        };
        let catalogue = Arc::new(Catalogue::embedded());
        let metrics = Arc::new(Metrics::new(&catalogue, "0", "0"));
        let log = Arc::new(MemoryLog::new(1 << 20));
        let place = Self { dir, log, metrics, ledger: Arc::default() };
        let requeue = Requeue {
            storage: Arc::new(DiskStorage::new(place.dir.path()).expect("it is there")),
            normaliser: Arc::new(Normaliser::new(catalogue, settings)),
            log: Arc::<MemoryLog>::clone(&place.log),
            metrics: Arc::clone(&place.metrics),
            ledger: Arc::clone(&place.ledger),
            stays: HashMap::new(),
        };
        (place, requeue)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(REQUEUE).join(name)
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
        std::fs::write(path, text).expect("it can be written");
    }

    fn left(&self) -> Vec<String> {
        let name = |path: &Path| path.file_name().expect("a file").to_string_lossy().into_owned();
        let entries = std::fs::read_dir(self.dir.path().join(REQUEUE)).expect("it is there");
        let mut left: Vec<String> =
            entries.map(|entry| name(&entry.expect("readable").path())).collect();
        left.sort();
        left
    }

    /// Ids of all records, each of which must say that it may be a repeat.
    fn ids(&self) -> Vec<String> {
        let mut ids = Vec::new();
        let mut from = Sequence::FIRST;
        while let Read::Chunk(chunk) = self.log.read(from) {
            for record in &chunk.batch {
                assert!(record.is_replay() && record.topic == "im.group.dismissed");
                ids.push(record.id.to_owned());
            }
            from = chunk.last().next();
        }
        ids
    }
}

fn event(id: &str) -> String {
    EVENT.replace("ID", id)
}

#[tokio::test]
async fn events_become_records_and_their_files_go() {
    let (place, requeue) = Place::new();
    let requeue = requeue.look().await;
    assert_eq!(place.ids(), Vec::<String>::new());
    for id in ["a", "b", "c"] {
        place.put(&format!("{id}.json"), &event(id));
    }
    let requeue = requeue.look().await;
    assert_eq!((place.ids(), place.left()), (["a", "b", "c"].map(str::to_owned).into(), vec![]));
    assert_eq!(place.ledger.snapshot().records.appended, 3);
    place.put("a.json", &event("a"));
    let _requeue = requeue.look().await;
    assert_eq!((place.ids().len(), place.left().len()), (4, 0));
}

#[tokio::test]
async fn what_is_no_event_or_does_not_fit_stays_until_it_is_another_file() {
    let (place, requeue) = Place::new();
    place.put("good.json", &event("good"));
    place.put("large.json", &event("large").replace("{}", &format!("\"{:0>400}\"", 7)));
    place.put("notes.txt", "buy milk");
    place.put("bytes", "");
    let odd = ["bytes", "large.json", "notes.txt"].map(str::to_owned);
    let mut requeue = requeue;
    for _ in 0..3 {
        requeue = requeue.look().await;
        assert_eq!((place.ids(), place.left()), (vec!["good".to_owned()], odd.to_vec()));
        let told: Vec<Why> = requeue.stays.values().map(|stays| stays.why).collect();
        assert_eq!(told, [Why::Unfit; 3]);
        // What was looked at is not read again.
        assert!(requeue.list().is_empty());
    }
    place.put("large.json", &event("small"));
    requeue.look().await;
    assert_eq!(place.ids(), ["good", "small"]);
    assert_eq!(place.left(), ["bytes", "notes.txt"]);
}

/// A corrected file was put in the place of one whose record waited for Kafka; when Kafka was
/// back it was removed by its name, and nobody had read it.
#[tokio::test]
async fn another_file_of_the_same_name_is_not_removed_with_the_one_that_was_read() {
    let (place, mut requeue) = Place::new();
    place.put("a.json", &event("a"));
    place.put("b.json", &event("b"));
    let files = requeue.list();
    let (run, rest) = requeue.read(files);
    assert!(rest.is_empty());
    let read = requeue.append(run).await.expect("there are records");
    place.put("a.json", &event("corrected"));
    requeue.remove(&read);
    assert_eq!(place.left(), ["a.json"]);
    let requeue = requeue.look().await;
    assert_eq!(place.ids(), ["a", "b", "corrected"]);
    assert_eq!((place.left().len(), requeue.stays.len()), (0, 0));
}

/// A log that refuses once, and whose records are confirmed before `append` returns, as the shipper
/// may.
#[derive(Debug)]
struct Quick {
    log: Arc<MemoryLog>,
    ledger: Arc<Ledger>,
    refused: AtomicBool,
}

impl Log for Quick {
    fn append(&self, batch: &mut Batch) -> Result<RangeInclusive<Sequence>, AppendError> {
        if !self.refused.swap(true, Ordering::SeqCst) {
            return Err(AppendError::Full { since: crate::clock::now() });
        }
        let records = u64::from(batch.records());
        let range = self.log.append(batch)?;
        assert_eq!(self.ledger.snapshot().records.waiting, records, "counted before");
        self.log.confirm(*range.end());
        self.ledger.confirmed(records);
        Ok(range)
    }
    fn try_append(&self, batch: &mut Batch) -> Result<RangeInclusive<Sequence>, AppendError> {
        self.log.try_append(batch)
    }
    fn is_immediate(&self) -> bool {
        self.log.is_immediate()
    }
    fn durable(&self) -> Sequence {
        self.log.durable()
    }
    fn written(&self) -> Sequence {
        self.log.written()
    }
    fn progress(&self) -> &Notify {
        self.log.progress()
    }
    fn stalled_since(&self) -> Option<Instant> {
        self.log.stalled_since()
    }
    fn read(&self, from: Sequence) -> Read {
        self.log.read(from)
    }
    fn confirm(&self, upto: Sequence) {
        self.log.confirm(upto);
    }
    fn wait_for(&self, from: Sequence, timeout: Duration) {
        self.log.wait_for(from, timeout);
    }
    fn room(&self) -> &Notify {
        self.log.room()
    }
    fn put_aside(&self, aside: Aside) {
        self.log.put_aside(aside);
    }
    fn put_aside_now(&self, aside: &Aside) -> std::io::Result<()> {
        self.log.put_aside_now(aside)
    }
    fn usage(&self) -> Usage {
        self.log.usage()
    }
    fn uuid(&self) -> &str {
        self.log.uuid()
    }
    fn replay_upto(&self) -> Sequence {
        self.log.replay_upto()
    }
    fn close(&self, within: Duration) -> u64 {
        self.log.close(within)
    }
}

/// Records were counted as appended only after the log had them: the shipper could confirm more
/// than there was.
#[tokio::test]
async fn records_are_counted_before_they_can_be_confirmed() {
    let (place, requeue) = Place::new();
    place.put("a.json", &event("a"));
    let (log, ledger) = (Arc::clone(&place.log), Arc::clone(&place.ledger));
    let log = Arc::new(Quick { log, ledger, refused: AtomicBool::new(false) });
    let requeue = Requeue { log, ..requeue };
    requeue.look().await;
    let records = place.ledger.snapshot().records;
    assert_eq!((records.appended, records.confirmed, records.waiting), (1, 1, 0));
}

#[tokio::test]
async fn records_count_for_their_kind_or_for_why_they_have_none() {
    let (place, requeue) = Place::new();
    place.put("a.json", &event("a"));
    place.put("b.json", &event("b"));
    let unknown = event("u").replace("im.group.dismissed", "im.unknown");
    let unknown = unknown.replace(r#""group_id":"g1""#, r#""unknown_reason":"unmatched_kind""#);
    place.put("c.json", &unknown);
    place.put("large.json", &event("large").replace("{}", &format!("\"{:0>400}\"", 7)));
    requeue.look().await;
    assert_eq!((place.ledger.snapshot().records.appended, place.left().len()), (3, 1));
    let text = String::from_utf8(place.metrics.text()).expect("metrics are text");
    for (series, count) in [
        (r#"records_total{kind="group.dismissed"}"#, 2),
        (r#"records_unknown_total{provider="openim",reason="unmatched_kind"}"#, 1),
    ] {
        assert!(text.contains(&format!("imbridge_{series} {count}\n")), "{series} in {text}");
    }
}

/// A file that cannot be removed would otherwise be appended at every look, for ever.
#[tokio::test]
async fn a_file_that_cannot_be_removed_is_taken_once() {
    let (place, requeue) = Place::new();
    place.put("a.json", &event("a"));
    let storage = Arc::new(Stuck(DiskStorage::new(place.dir.path()).expect("it is there")));
    let mut requeue = Requeue { storage, ..requeue };
    for _ in 0..3 {
        requeue = requeue.look().await;
    }
    assert_eq!((place.ids(), place.left()), (vec!["a".to_owned()], vec!["a.json".to_owned()]));
    let storage = DiskStorage::new(place.dir.path()).expect("it is there");
    let requeue = Requeue { storage: Arc::new(storage), ..requeue };
    requeue.look().await;
    assert_eq!((place.ids().len(), place.left().len()), (1, 0));
}

#[tokio::test]
async fn many_files_go_in_runs_of_bounded_size() {
    let (place, mut requeue) = Place::new();
    for number in 0..3000 {
        place.put(&format!("{number}.json"), &event(&number.to_string()));
    }
    let files = requeue.list();
    assert_eq!(files.len(), 3000);
    let (run, rest) = requeue.read(files);
    let largest = RUN_BYTES + LIMIT + 100;
    assert!(run.batch.bytes().len() < largest && !rest.is_empty() && !run.files.is_empty());
    requeue.log = Arc::new(MemoryLog::new(1 << 23));
    let requeue = requeue.look().await;
    assert_eq!((requeue.log.usage().records, place.left().len()), (3000, 0));
}

/// Removes nothing.
#[derive(Debug)]
struct Stuck(DiskStorage);

impl Storage for Stuck {
    fn lock(&self) -> std::io::Result<()> {
        self.0.lock()
    }
    fn list(&self, folder: &str) -> std::io::Result<Vec<Found>> {
        self.0.list(folder)
    }
    fn open(&self, name: &str) -> std::io::Result<Arc<dyn crate::journal::storage::StoredFile>> {
        self.0.open(name)
    }
    fn create(
        &self,
        name: &str,
        space: crate::journal::storage::Space,
    ) -> std::io::Result<Arc<dyn crate::journal::storage::StoredFile>> {
        self.0.create(name, space)
    }
    fn rename(&self, from: &str, to: &str) -> std::io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, _name: &str) -> std::io::Result<()> {
        Err(ErrorKind::PermissionDenied.into())
    }
    fn sync_folder(&self, folder: &str) -> std::io::Result<()> {
        self.0.sync_folder(folder)
    }
    fn free_bytes(&self) -> std::io::Result<u64> {
        self.0.free_bytes()
    }
}
