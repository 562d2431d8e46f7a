//! The directory of a journal, as the tools come to it.
//!
//! In: `--dir` or the setting. Out: a [`Place`] to read from. What always holds: what cannot be read
//! is named by its path; nothing can be changed through it.

use super::progress::Progress;
use crate::config::table::{self, DefaultValue};
use crate::journal::disk::scan::{View, is_segment, scan};
use crate::journal::storage::disk::DiskStorage;
use crate::journal::storage::{Found, Space, Storage, StoredFile};
use anyhow::bail;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The setting whose value counts without `--dir`.
const SETTING: &str = "IMBRIDGE_JOURNAL_DIR";

/// Which journal.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Dir {
    /// Directory of the journal; `journal` where neither this nor the variable says otherwise
    #[arg(long, value_name = "DIR", env = SETTING)]
    dir: Option<OsString>,
}

impl Dir {
    /// The directory; an empty variable counts as not set.
    pub(super) fn path(&self) -> PathBuf {
        let given = self.dir.as_ref().filter(|dir| !dir.is_empty());
        given.map_or_else(default, PathBuf::from)
    }

    /// Its journal, to look at.
    pub(super) fn look(&self) -> anyhow::Result<Place> {
        let dir = self.path();
        let storage = DiskStorage::read_only(&dir).map_err(|error| unusable(&dir, &error))?;
        let read = Arc::new(AtomicU64::new(0));
        let storage = Named { storage, dir: dir.clone(), read };
        let files = storage.list("")?;
        if !files.iter().any(|file| is_ours(&file.name)) {
            bail!("{} is no journal: it has neither segments nor a checkpoint", dir.display());
        }
        Ok(Place { storage })
    }

    /// The same, with every segment read.
    pub(super) fn view(&self) -> anyhow::Result<(Place, View)> {
        let place = self.look()?;
        let view = place.scan()?;
        Ok((place, view))
    }
}

/// Why a directory is none.
pub(super) fn unusable(dir: &Path, error: &io::Error) -> anyhow::Error {
    let dir = dir.display();
    match error.kind() {
        ErrorKind::NotFound => anyhow::anyhow!("{dir}: no such directory (--dir, {SETTING})"),
        ErrorKind::NotADirectory => anyhow::anyhow!("{dir} is no directory (--dir, {SETTING})"),
        _ => anyhow::anyhow!("{dir} cannot be used: {error}"),
    }
}

/// Whether a file shows that a directory is a journal.
pub(super) fn is_ours(name: &str) -> bool {
    matches!(name, "LOCK" | "checkpoint") || is_segment(name)
}

fn default() -> PathBuf {
    let setting = table::find(SETTING).expect("the table has every setting");
    match setting.default {
        DefaultValue::Text(text) => text.into(),
        _ => unreachable!("the default is a path"),
    }
}

/// A journal that is looked at.
#[derive(Debug)]
pub(super) struct Place {
    storage: Named,
}

impl Place {
    /// Reads every segment.
    pub(super) fn scan(&self) -> anyhow::Result<View> {
        let bytes = self.bytes()?;
        let _progress = Progress::start(&self.storage.read, bytes);
        Ok(scan(&self.storage)?)
    }

    /// Shows how far a second reading has come, until it is dropped.
    pub(super) fn progress(&self) -> anyhow::Result<Progress> {
        Ok(Progress::start(&self.storage.read, self.bytes()?))
    }

    pub(super) fn storage(&self) -> &dyn Storage {
        &self.storage
    }

    /// Bytes of all segments.
    fn bytes(&self) -> io::Result<u64> {
        let files = self.storage.list("")?;
        Ok(files.iter().filter(|file| is_segment(&file.name)).map(|file| file.bytes).sum())
    }
}

/// Storage whose errors name the file, and which counts what was read.
#[derive(Debug)]
struct Named {
    storage: DiskStorage,
    dir: PathBuf,
    read: Arc<AtomicU64>,
}

impl Named {
    fn name<T>(&self, name: &str, done: io::Result<T>) -> io::Result<T> {
        done.map_err(|error| {
            let path = if name.is_empty() { self.dir.clone() } else { self.dir.join(name) };
            io::Error::new(error.kind(), format!("{} cannot be read: {error}", path.display()))
        })
    }
}

impl Storage for Named {
    fn lock(&self) -> io::Result<()> {
        self.storage.lock()
    }

    fn list(&self, folder: &str) -> io::Result<Vec<Found>> {
        self.name(folder, self.storage.list(folder))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        let file = self.name(name, self.storage.open(name))?;
        Ok(Arc::new(Counted { file, read: Arc::clone(&self.read) }))
    }

    fn create(&self, name: &str, space: Space) -> io::Result<Arc<dyn StoredFile>> {
        self.storage.create(name, space)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.storage.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.storage.remove(name)
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.storage.sync_folder(folder)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.storage.free_bytes()
    }
}

/// A file that counts what was read of it.
#[derive(Debug)]
struct Counted {
    file: Arc<dyn StoredFile>,
    read: Arc<AtomicU64>,
}

impl StoredFile for Counted {
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        self.file.write_at(bytes, at)
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let read = self.file.read_at(into, at)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.file.truncate(bytes)
    }

    fn bytes(&self) -> io::Result<u64> {
        self.file.bytes()
    }
}
