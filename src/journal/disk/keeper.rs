//! The helper thread: all that the journal's thread must not wait for.
//!
//! In: what the writer has left on the desk. Out: a segment prepared ahead, syncs in the background
//! (levels `os` and `kafka`), checkpoints, deletions, a look at the free space. What always holds:
//! a segment is removed only after a checkpoint that lies behind it was synced; a file whose sync
//! failed is never synced again.

use super::asides;
use super::checkpoint::{self, CheckpointFile};
use super::segment::{self, AHEAD, COPY, ENDING};
use super::shared::{Ended, OpenFile, Prepared, Shared};
use super::writer::UNSYNCED_BYTES_MAX;
use crate::clock;
use crate::journal::storage::{Space, StoredFile};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Time between two rounds; the age that a checkpoint may have.
const ROUND: Duration = Duration::from_millis(100);
/// Longest time that written bytes wait for a sync; the promise of level `os`.
const SYNC_AFTER: Duration = Duration::from_millis(200);
/// How long something that failed is left alone.
const PAUSE: Duration = Duration::from_secs(1);
/// Time between two looks at the quarantine, which operators empty.
const QUARANTINE_AFTER: Duration = Duration::from_secs(5);

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Keeper {
    shared: Arc<Shared>,
    checkpoint: CheckpointFile,
    synced_at: Instant,
    /// When is synced again after a folder failed.
    sync_at: Instant,
    /// Number of the next prepared segment.
    number: u64,
    /// The file system can reserve space, as far as is known.
    reserves: bool,
    /// When the disk is looked at again, and segments are prepared and deleted, after a failure.
    look_at: Instant,
    prepare_at: Instant,
    delete_at: Instant,
    checkpoint_at: Instant,
    quarantine_at: Instant,
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>, checkpoint: CheckpointFile) -> Self {
        let now = clock::now();
        Self {
            shared,
            checkpoint,
            synced_at: now,
            sync_at: now,
            number: 0,
            reserves: true,
            look_at: now,
            prepare_at: now,
            delete_at: now,
            checkpoint_at: now,
            quarantine_at: now,
        }
    }

    /// Works until the writer has ended.
    pub(super) fn run(mut self) {
        loop {
            self.look_at_the_disk();
            self.prepare();
            self.sync(false);
            self.write_checkpoint();
            self.delete();
            self.keep_asides();
            self.look_at_the_quarantine();
            if !self.pause() {
                break;
            }
        }
        self.last_round();
        self.shared.desk.lock().ended = Ended::Both;
        self.shared.desk_changed.notify_all();
    }

    /// Waits for the next round; `false` when it is the last one.
    fn pause(&self) -> bool {
        let until = clock::now() + ROUND;
        let mut desk = self.shared.desk.lock();
        while !desk.woken && desk.ended == Ended::None {
            if self.shared.desk_changed.wait_until(&mut desk, until).timed_out() {
                break;
            }
        }
        desk.woken = false;
        desk.ended == Ended::None
    }

    fn look_at_the_disk(&mut self) {
        if clock::now() < self.look_at {
            return;
        }
        let shared = &*self.shared;
        let free = match shared.storage.free_bytes() {
            Ok(free) => free,
            Err(error) => {
                shared.complain("free", "the disk", &error);
                self.look_at = clock::now() + PAUSE;
                return;
            }
        };
        shared.free_bytes.store(free, Ordering::SeqCst);
        let confirmed = shared.confirmed();
        // With a segment at most left, deleting makes no more room: do not wait for it.
        let one_left = shared.segments.lock().len() <= 1;
        let mut queue = shared.queue.lock();
        let extra = if one_left { 0 } else { shared.settings.segment_bytes };
        let floor = shared.settings.free_bytes_min;
        let was_low = queue.is_disk_low();
        let low = free < if was_low { floor.saturating_add(extra) } else { floor };
        let room = queue.disk(low, confirmed, clock::now());
        drop(queue);
        if low && !was_low {
            tracing::error!(
                free,
                floor,
                "journal: {free} bytes are free on the disk, {floor} must be"
            );
        }
        if room {
            shared.tell_room();
        }
    }

    /// Makes the next segment, if there is none and the disk has room for it.
    fn prepare(&mut self) {
        let shared = Arc::clone(&self.shared);
        let needed = shared.settings.free_bytes_min.saturating_add(shared.settings.segment_bytes);
        let there = shared.desk.lock().ahead.is_some();
        let free = shared.free_bytes.load(Ordering::SeqCst);
        if there || free < needed || clock::now() < self.prepare_at {
            return;
        }
        self.number += 1;
        let name = format!("{AHEAD}{}", self.number);
        match self.make(&name) {
            Ok(file) => shared.desk.lock().ahead = Some(Prepared { name, file }),
            Err(error) => {
                shared.complain("prepare", &name, &error);
                self.prepare_at = clock::now() + PAUSE;
                // It may be there, and hold the space that is wanting.
                let _gone = shared.storage.remove(&name);
            }
        }
    }

    fn make(&mut self, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        let storage = &*self.shared.storage;
        let bytes = self.shared.settings.segment_bytes;
        let space = match self.shared.is_fsync() {
            true => Space::Zeroed(bytes),
            false if self.reserves => Space::Reserved(bytes),
            false => Space::Growing,
        };
        let file = match storage.create(name, space) {
            Err(error) if self.reserves && error.kind() == io::ErrorKind::Unsupported => {
                tracing::warn!(
                    "journal: the file system reserves no space ({error}): segments grow with what \
                     is written to them"
                );
                self.reserves = false;
                super::quarantine::remove_if_there(storage, name)?;
                storage.create(name, Space::Growing)?
            }
            created => created?,
        };
        file.sync()?;
        storage.sync_folder("")?;
        Ok(file)
    }

    /// Syncs what was written, if it is time; and what was sealed, which is cut before.
    fn sync(&mut self, now: bool) {
        let shared = &*self.shared;
        if !now && clock::now() < self.sync_at {
            return;
        }
        let desk = shared.desk.lock();
        let sealed = desk.open.iter().any(|open| open.sealed_at.is_some());
        let due = desk.unsynced_bytes >= UNSYNCED_BYTES_MAX
            || ((desk.unsynced_bytes > 0 || desk.names_dirty)
                && self.synced_at.elapsed() >= SYNC_AFTER);
        let asides = !desk.asides.is_empty();
        drop(desk);
        if !(now || sealed || due || asides) {
            return;
        }
        // What is written from here on belongs to the next sync.
        let written = shared.written();
        let mut desk = shared.desk.lock();
        let bytes = std::mem::take(&mut desk.unsynced_bytes);
        let open: Vec<OpenFile> = desk.open.iter().cloned().collect();
        let names = std::mem::take(&mut desk.names_dirty);
        let mut asides = std::mem::take(&mut desk.asides);
        drop(desk);
        self.synced_at = clock::now();
        if names && let Err(error) = shared.storage.sync_folder("") {
            shared.complain("sync", "the directory", &error);
            self.sync_at = clock::now() + PAUSE;
            // All of it is still to be done.
            let mut desk = shared.desk.lock();
            (desk.names_dirty, desk.unsynced_bytes) = (true, desk.unsynced_bytes + bytes);
            asides.append(&mut desk.asides);
            desk.asides = asides;
            return;
        }
        for (file, folder) in asides {
            if let Err(error) = file.sync() {
                shared.complain("aside", folder, &error);
            } else if let Err(error) = shared.storage.sync_folder(folder) {
                shared.complain("aside", folder, &error);
                self.sync_at = clock::now() + PAUSE;
                shared.desk.lock().asides.push((file, folder));
            }
        }
        for file in &open {
            self.sync_one(file);
        }
        // A segment that must be written again holds up the position: it is in front of it.
        if !shared.is_fsync() && shared.desk.lock().failed.is_empty() {
            shared.synced.fetch_max(written, Ordering::SeqCst);
        }
    }

    fn sync_one(&self, open: &OpenFile) {
        let shared = &*self.shared;
        let name = segment::name(open.first);
        if let Some(end) = open.sealed_at
            && let Err(error) = open.file.truncate(end)
        {
            // It keeps the space that it does not need; its end is known without it.
            shared.complain("write", &name, &error);
        }
        let started = clock::now();
        let synced = open.file.sync();
        let mut desk = shared.desk.lock();
        if synced.is_err() || open.sealed_at.is_some() {
            let same = |other: &OpenFile| Arc::ptr_eq(&other.file, &open.file);
            desk.open.retain(|other| !same(other));
        }
        match synced {
            Ok(()) => shared.observer.synced(started.elapsed().as_secs_f64()),
            // At level `fsync` its records were synced when they were written.
            Err(error) if shared.is_fsync() => {
                drop(desk);
                shared.complain("sync", &name, &error);
            }
            Err(error) => {
                // The writer looks at it after its next write, or within a second.
                desk.failed.push(open.first);
                drop(desk);
                shared.complain("sync", &name, &error);
            }
        }
    }

    fn write_checkpoint(&mut self) {
        let shared = &*self.shared;
        let (confirmed, synced) = (shared.confirmed(), shared.synced.load(Ordering::SeqCst));
        if self.checkpoint.says(confirmed, synced) || clock::now() < self.checkpoint_at {
            return;
        }
        self.checkpoint_at = clock::now() + ROUND;
        if let Err(error) = self.checkpoint.write(&*shared.storage, confirmed, synced) {
            shared.complain("checkpoint", checkpoint::NAME, &error);
            self.checkpoint_at = clock::now() + PAUSE;
        }
    }

    /// Removes segments that are wholly confirmed.
    fn delete(&mut self) {
        let shared = Arc::clone(&self.shared);
        let confirmed = shared.confirmed();
        if shared.segments.lock().done(confirmed).is_none() || clock::now() < self.delete_at {
            return;
        }
        if let Err((what, error)) = self.delete_upto(confirmed) {
            shared.complain(what, "a segment", &error);
            self.delete_at = clock::now() + PAUSE;
        }
    }

    fn delete_upto(&mut self, confirmed: u64) -> Result<(), (&'static str, io::Error)> {
        let shared = &*self.shared;
        let synced = shared.synced.load(Ordering::SeqCst);
        let checkpoint = &mut self.checkpoint;
        if checkpoint.confirmed() < confirmed {
            let written = checkpoint.write(&*shared.storage, confirmed, synced);
            written.map_err(|error| ("checkpoint", error))?;
        }
        checkpoint.sync().map_err(|error| ("checkpoint", error))?;
        let _surgery = shared.surgery.lock();
        loop {
            let Some(first) = shared.segments.lock().done(confirmed).map(|done| done.first) else {
                break;
            };
            let name = segment::name(first);
            // A copy that was given up half-way would have its name at the next start.
            for name in [name.replace(ENDING, COPY), name] {
                super::quarantine::remove_if_there(&*shared.storage, &name)
                    .map_err(|error| ("delete", error))?;
            }
            shared.desk.lock().open.retain(|open| open.first != first);
            let gone = shared.segments.lock().forget_first().map_or(0, |segment| segment.bytes);
            let room = shared.queue.lock().release(gone, shared.confirmed());
            if room {
                shared.tell_room();
            }
        }
        shared.storage.sync_folder("").map_err(|error| ("delete", error))
    }

    fn keep_asides(&self) {
        let grew = std::mem::take(&mut self.shared.desk.lock().oversize_grew);
        if grew && let Err(error) = asides::keep_budget(&self.shared) {
            self.shared.complain("aside", "the oversize files", &error);
        }
    }

    fn look_at_the_quarantine(&mut self) {
        if clock::now() >= self.quarantine_at {
            self.quarantine_at = clock::now() + QUARANTINE_AFTER;
            self.shared.observe_quarantine();
        }
    }

    /// Leaves everything synced and nothing prepared.
    fn last_round(&mut self) {
        self.sync(true);
        self.checkpoint_at = clock::now();
        if self.shared.synced.load(Ordering::SeqCst) >= self.shared.written() {
            self.checkpoint.settle();
        }
        self.write_checkpoint();
        if let Err(error) = self.checkpoint.sync() {
            self.shared.complain("checkpoint", checkpoint::NAME, &error);
        }
        let ahead = self.shared.desk.lock().ahead.take();
        if let Some(Prepared { name, .. }) = ahead {
            // The next start removes it if this does not.
            let _gone = self.shared.storage.remove(&name);
        }
    }
}
