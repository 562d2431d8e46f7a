//! Takes events that an operator put into `requeue/` back into the journal, as new records.
//!
//! In: files in that folder of the journal's directory, each a structured event; looked for at the
//! start and every few seconds. Out: records with the header `replay`, and the files gone. What
//! always holds: a file goes only once its record is as safe as the ack level promises, so what is
//! asked for is never lost and may at worst be repeated; a file that cannot be taken stays and is
//! logged once, not at every look; no file is removed that was not read; records are counted like
//! those of callbacks; nothing here blocks the runtime or outruns a full journal.

use crate::journal::folders::{self, REQUEUE};
use crate::journal::storage::disk::DiskStorage;
use crate::journal::storage::{Found, Storage};
use crate::journal::{Log, Sequence};
use crate::normalise::{Class, Normaliser, Restored};
use crate::record::Batch;
use crate::telemetry::{Ledger, Metrics};
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
pub(crate) const FILE_BYTES_MAX: u64 = 256 << 20;
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
    metrics: Arc<Metrics>,
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
    /// What they count for.
    classes: Vec<Class>,
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
    (metrics, ledger): (&Arc<Metrics>, &Arc<Ledger>),
) -> std::io::Result<JoinHandle<()>> {
    let requeue = Requeue {
        storage: Arc::new(DiskStorage::existing(dir)?),
        normaliser: Arc::clone(normaliser),
        log: Arc::clone(log),
        metrics: Arc::clone(metrics),
        ledger: Arc::clone(ledger),
        stays: HashMap::new(),
    };
    Ok(tokio::task::spawn_local(requeue.run()))
}

impl Requeue {
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
                Ok(Restored::Whole(class)) => {
                    run.classes.extend(class);
                    run.files.push(file);
                }
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
            // Before, for the shipper may have confirmed them when `append` returns.
            self.ledger.appended(records);
            if let Ok(range) = self.log.append(&mut run.batch) {
                break *range.end();
            }
            self.ledger.not_appended(records);
            let _woken = tokio::time::timeout(PATIENCE, room).await.is_ok();
        };
        self.count(&run.classes);
        self.durable(last).await;
        tracing::info!(records, "took {records} events from {REQUEUE}/ into the journal");
        Some(run.files)
    }

    /// Counts records that are in the log.
    fn count(&self, classes: &[Class]) {
        for class in classes {
            match *class {
                Class::Kind(kind) => self.metrics.kind(kind).inc(),
                Class::Unknown(provider, reason) => {
                    let labels = [provider.name(), reason.word()];
                    self.metrics.records_unknown.with_label_values(&labels).inc();
                }
            }
        }
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

    /// Removes files whose records are safe. Another file may stand in the place of one by now, for
    /// at level `kafka` hours may have passed: that one is left for the next look.
    fn remove(&mut self, files: &[Found]) {
        if files.is_empty() {
            return;
        }
        let now = self.storage.list(REQUEUE);
        let now: Result<HashMap<String, Found>, _> =
            now.map(|now| now.into_iter().map(|file| (file.name.clone(), file)).collect());
        for file in files {
            let removed = match &now {
                Ok(now) if now.get(&file.name) != Some(file) => Ok(()),
                Ok(_) => self.storage.remove(&format!("{REQUEUE}/{}", file.name)),
                Err(error) => Err(error.kind().into()),
            };
            match removed {
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
        if let Err(error) = self.storage.sync_folder(REQUEUE) {
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
mod tests;
