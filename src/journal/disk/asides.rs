//! Files of single events: oversize ones, and those that Kafka cannot take.
//!
//! In: an event's JSON. Out: `<folder>/<id>.json`. What always holds: a file under that name is whole
//! whatever becomes of the process; at level `fsync`, and where the caller waits for it, whatever
//! becomes of the machine. At the levels `os` and `kafka` the keeper syncs a file soon after it has its
//! name, which it needs before its record is written: a loss of power in between may leave it empty,
//! as it may take the record. The folder of oversize events stays within its budget, by the age of
//! its files.

use super::quarantine::{remove_if_there, write_all};
use super::segment::DRAFT;
use super::shared::Shared;
use crate::journal::folders::{self, DEAD_LETTERS, OVERSIZE};
use crate::journal::storage::{Space, StoredFile};
use crate::journal::{Aside, Folder};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Makes the names of drafts unique, for two threads write them.
static DRAFTS: AtomicU64 = AtomicU64::new(0);

/// Name of a folder in the journal's directory.
const fn folder(folder: Folder) -> &'static str {
    match folder {
        Folder::Oversize => OVERSIZE,
        Folder::DeadLetter => DEAD_LETTERS,
    }
}

/// Writes a file for the journal's thread: synced as the ack level wants it, at once or by the
/// keeper. A failure is counted and logged.
pub(super) fn put(shared: &Shared, aside: &Aside) {
    if let Err(error) = write(shared, aside, shared.is_fsync()) {
        shared.complain("aside", &aside.id, &error);
    }
}

/// Writes a file and syncs it.
///
/// # Errors
/// The device; there is no such file then, or an older one.
pub(super) fn put_now(shared: &Shared, aside: &Aside) -> io::Result<()> {
    write(shared, aside, true)
}

fn write(shared: &Shared, aside: &Aside, synced: bool) -> io::Result<()> {
    let storage = &*shared.storage;
    let draft = format!("aside-{}{DRAFT}", DRAFTS.fetch_add(1, Ordering::Relaxed));
    let folder = folder(aside.folder);
    let place = format!("{folder}/{}.json", aside.id);
    remove_if_there(storage, &draft)?;
    let file = storage.create(&draft, Space::Growing)?;
    let finished = finish(shared, &*file, aside, [&draft, &place], synced);
    if finished.is_err() {
        // The draft may be gone already, and another start removes it.
        let _gone = storage.remove(&draft);
    }
    finished?;
    let mut desk = shared.desk.lock();
    desk.oversize_grew |= aside.folder == Folder::Oversize;
    if !synced {
        desk.asides.push((Arc::clone(&file), folder));
    }
    Ok(())
}

fn finish(
    shared: &Shared,
    file: &dyn StoredFile,
    aside: &Aside,
    [draft, place]: [&str; 2],
    synced: bool,
) -> io::Result<()> {
    write_all(file, &aside.json, 0)?;
    if synced {
        file.sync()?;
    }
    shared.storage.rename(draft, place)?;
    if synced {
        shared.storage.sync_folder(folder(aside.folder))?;
    }
    Ok(())
}

/// Removes the oldest oversize files above the budget. Somebody else may take some meanwhile.
///
/// # Errors
/// The device.
pub(super) fn keep_budget(shared: &Shared) -> io::Result<()> {
    let files = folders::by_age(&*shared.storage, OVERSIZE)?;
    let mut bytes: u64 = files.iter().map(|file| file.bytes).sum();
    for file in files {
        if bytes <= shared.settings.oversize_bytes_max {
            break;
        }
        bytes -= file.bytes;
        match shared.storage.remove(&format!("{OVERSIZE}/{}", file.name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            removed => removed?,
        }
        shared.observer.oversize_file_dropped();
        tracing::warn!(
            file = file.name,
            "oversize file {} is removed to keep the budget",
            file.name
        );
    }
    Ok(())
}
