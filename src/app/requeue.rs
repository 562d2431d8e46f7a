//! Takes events that an operator put into `requeue/` back into the journal, as new records.
//!
//! In: files in that folder of the journal's directory, each a structured event; looked for at the
//! start and every few seconds. Out: records with the header `replay`, and the files gone. What
//! always holds: a file goes only once its record is as safe as the ack level promises, so what is
//! asked for is never lost and may at worst be repeated; a file that cannot be taken stays and is
//! logged once, not at every look; nothing here blocks the runtime or outruns a full journal.

use crate::journal::folders::{self, REQUEUE};
use crate::journal::storage::disk::DiskStorage;
use crate::journal::storage::{Found, Storage};
use crate::journal::{Log, Sequence};
use crate::normalise::{Normaliser, Restored};
use crate::record::Batch;
use crate::telemetry::Ledger;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(5);
/// A larger file is no event: the largest body has 16 MiB unless an operator wishes otherwise, and
/// stands in its event with its texts beside it.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Records are appended in runs of so many bytes, so that a folder of any size needs little memory.
const RUN_BYTES: usize = 1 << 20;
/// A waiter that nobody woke looks again after this long.
const PATIENCE: Duration = Duration::from_secs(1);

/// Takes events in until it is dropped.
#[derive(Debug)]
struct Requeue {
    storage: Arc<dyn Storage>,
    normaliser: Arc<Normaliser>,
    log: Arc<dyn Log>,
    ledger: Arc<Ledger>,
    /// Files that stay, as they were when that was found.
    stays: HashMap<String, Stays>,
}

/// Why a file stays, and of which state of the file that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stays {
    bytes: u64,
    changed_ms: i64,
    why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// It is no event of ours, or too large; only another file would help.
    Unfit,
    /// It cannot be read now.
    Unreadable,
    /// Its record is in the journal and the file cannot be removed.
    Taken,
}

/// Records of several files on their way into the journal.
#[derive(Debug, Default)]
struct Run {
    batch: Batch,
    files: Vec<Found>,
}

/// Begins to look into the journal's directory, on a task of the local set; the handle ends it.
///
/// # Errors
/// The directory is not there.
pub(super) fn start(
    dir: &Path,
    normaliser: &Arc<Normaliser>,
    log: &Arc<dyn Log>,
    ledger: &Arc<Ledger>,
) -> std::io::Result<JoinHandle<()>> {
    let storage = Arc::new(DiskStorage::existing(dir)?);
    let (normaliser, log) = (Arc::clone(normaliser), Arc::clone(log));
    let requeue = Requeue::new(storage, normaliser, log, Arc::clone(ledger));
    Ok(tokio::task::spawn_local(requeue.run()))
}

impl Requeue {
    fn new(
        storage: Arc<dyn Storage>,
        normaliser: Arc<Normaliser>,
        log: Arc<dyn Log>,
        ledger: Arc<Ledger>,
    ) -> Self {
        Self { storage, normaliser, log, ledger, stays: HashMap::new() }
    }

    /// Looks now and then until it is dropped.
    async fn run(mut self) {
        let mut interval = tokio::time::interval(INTERVAL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            self = self.look().await;
        }
    }

    /// Takes in everything that is there now.
    async fn look(self) -> Self {
        let (mut this, mut files) = blocking(self, Self::list).await;
        while !files.is_empty() {
            let run;
            (this, (run, files)) = blocking(this, |this| this.read(files)).await;
            let Some(run) = this.append(run).await else { continue };
            (this, ()) = blocking(this, move |this| this.remove(&run)).await;
        }
        this
    }

    /// The files to be taken, the oldest first.
    fn list(&mut self) -> Vec<Found> {
        let files = match folders::by_age(&*self.storage, REQUEUE) {
            Ok(files) => files,
            Err(error) => {
                tracing::warn!(%error, "the journal's folder {REQUEUE}/ cannot be listed");
                return Vec::new();
            }
        };
        self.stays.retain(|name, _| files.iter().any(|file| file.name == *name));
        let (again, files): (Vec<Found>, _) =
            files.into_iter().partition(|file| self.reason(file) == Some(Why::Taken));
        self.remove(&again);
        files.into_iter().filter(|file| self.reason(file) != Some(Why::Unfit)).collect()
    }

    /// Why a file stays, if it is the one of which that was found.
    fn reason(&self, file: &Found) -> Option<Why> {
        let stays = self.stays.get(&file.name)?;
        (stays.bytes == file.bytes && stays.changed_ms == file.changed_ms).then_some(stays.why)
    }

    /// Notes that a file stays, and says so unless it was said before.
    fn stays(&mut self, file: &Found, why: Why, text: &str) {
        if self.reason(file) != Some(why) {
            let name = &file.name;
            tracing::error!(file = %name, "{REQUEUE}/{name} stays: {text}");
        }
        let stays = Stays { bytes: file.bytes, changed_ms: file.changed_ms, why };
        self.stays.insert(file.name.clone(), stays);
    }

    /// Makes records of the first files; the others are given back.
    fn read(&mut self, files: Vec<Found>) -> (Run, Vec<Found>) {
        let mut run = Run::default();
        let mut files = files.into_iter();
        while run.batch.bytes().len() < RUN_BYTES
            && let Some(file) = files.next()
        {
            let name = format!("{REQUEUE}/{}", file.name);
            let bytes = match folders::read_whole(&*self.storage, &name, FILE_BYTES_MAX) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => {
                    self.stays(&file, Why::Unreadable, &format!("it cannot be read: {error}"));
                    continue;
                }
            };
            let text = str::from_utf8(&bytes).unwrap_or_default();
            match self.normaliser.restore(text, &mut run.batch) {
                Ok(Restored::Whole) => run.files.push(file),
                Ok(Restored::TooLarge(bytes)) => {
                    let text = format!(
                        "its record would have {bytes} bytes, more than IMBRIDGE_EVENT_BYTES_MAX"
                    );
                    self.stays(&file, Why::Unfit, &text);
                }
                Err(why) => self.stays(&file, Why::Unfit, &why.to_string()),
            }
        }
        (run, files.collect())
    }

    /// Appends the records, however long that takes, and waits until they are safe.
    async fn append(&self, mut run: Run) -> Option<Vec<Found>> {
        let records = u64::from(run.batch.records());
        if records == 0 {
            return None;
        }
        let last = loop {
            let mut room = std::pin::pin!(self.log.room().notified());
            room.as_mut().enable();
            if let Ok(range) = self.log.append(&mut run.batch) {
                break *range.end();
            }
            let _woken = tokio::time::timeout(PATIENCE, room).await.is_ok();
        };
        self.ledger.appended(records);
        self.durable(last).await;
        tracing::info!(records, "took {records} events from {REQUEUE}/ into the journal");
        Some(run.files)
    }

    async fn durable(&self, last: Sequence) {
        loop {
            let mut progress = std::pin::pin!(self.log.progress().notified());
            progress.as_mut().enable();
            if self.log.durable() >= last {
                return;
            }
            let _woken = tokio::time::timeout(PATIENCE, progress).await.is_ok();
        }
    }

    /// Removes files whose records are safe.
    fn remove(&mut self, files: &[Found]) {
        for file in files {
            match self.storage.remove(&format!("{REQUEUE}/{}", file.name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    let text =
                        format!("its record is in the journal, but it is not removed: {error}");
                    self.stays(file, Why::Taken, &text);
                }
                _ => {
                    self.stays.remove(&file.name);
                }
            }
        }
        // A name that comes back after a loss of power is a repeat that says so.
        if !files.is_empty()
            && let Err(error) = self.storage.sync_folder(REQUEUE)
        {
            tracing::warn!(%error, "the journal's folder {REQUEUE}/ is not synced");
        }
    }
}

/// Does a piece of work that touches files where it may block.
async fn blocking<T: Send + 'static>(
    mut this: Requeue,
    work: impl FnOnce(&mut Requeue) -> T + Send + 'static,
) -> (Requeue, T) {
    let done = tokio::task::spawn_blocking(move || {
        let done = work(&mut this);
        (this, done)
    });
    done.await.expect("reading files does not panic")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;
    use crate::event::{EventFormat, TopicBy};
    use crate::journal::Read;
    use crate::journal::memory::MemoryLog;
    use crate::normalise::Settings;
    use std::path::PathBuf;
    use tempfile::TempDir;

    const EVENT: &str = r#"{"specversion":"1.0","id":"ID","source":"/openim/default","type":"im.group.dismissed","time":"2025-01-01T00:00:00.123Z","recordedtime":"2025-01-01T00:00:00.123Z","partitionkey":"group:g1","improvider":"openim","imcommand":"callbackAfterDisMissGroupCommand","datacontenttype":"application/json","data":{"group_id":"g1","raw":{}}}"#;
    /// Room for one event as above, and little more.
    const LIMIT: usize = 500;

    struct Place {
        dir: TempDir,
        log: Arc<MemoryLog>,
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
            let place =
                Self { log: Arc::new(MemoryLog::new(1 << 20)), ledger: Arc::default(), dir };
            let normaliser = Normaliser::new(Arc::new(Catalogue::embedded()), settings);
            let storage = DiskStorage::new(place.dir.path()).expect("it is there");
            let log: Arc<dyn Log> = Arc::<MemoryLog>::clone(&place.log);
            let ledger = Arc::clone(&place.ledger);
            let requeue = Requeue::new(Arc::new(storage), Arc::new(normaliser), log, ledger);
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
            let name =
                |path: &Path| path.file_name().expect("a file").to_string_lossy().into_owned();
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
        assert_eq!(
            (place.ids(), place.left()),
            (["a", "b", "c"].map(str::to_owned).into(), vec![])
        );
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
        fn open(
            &self,
            name: &str,
        ) -> std::io::Result<Arc<dyn crate::journal::storage::StoredFile>> {
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
}
