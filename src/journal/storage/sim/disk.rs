//! A simulated disk: files with names, of which some are safe and some are not.
//!
//! In: changes, in the order in which they happened. Out: the disk behind them, and what is left of
//! it when the process or the power goes. What always holds: the same changes make the same disk, so
//! that a recorded run can be taken to any of its moments again.

use super::super::Found;
use super::pages::Pages;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Something that happened to a disk. Files are known by a number, names come and go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new file of so many zeroes.
    Create {
        /// Its name.
        name: String,
        /// Its number.
        file: u64,
        /// Its length.
        bytes: u64,
    },
    /// Bytes were taken.
    Write {
        /// Which file.
        file: u64,
        /// Offset.
        at: u64,
        /// What was taken.
        bytes: Arc<[u8]>,
    },
    /// A file was cut or extended.
    Truncate {
        /// Which file.
        file: u64,
        /// Its new length.
        bytes: u64,
    },
    /// A sync of a file succeeded.
    Sync {
        /// Which file.
        file: u64,
    },
    /// A sync of a file failed: what it should have made safe never is.
    SyncFailed {
        /// Which file.
        file: u64,
    },
    /// A file has another name.
    Rename {
        /// Its name before.
        from: String,
        /// Its name now.
        to: String,
    },
    /// A name is gone.
    Remove {
        /// The name.
        name: String,
    },
    /// A sync of a folder succeeded.
    SyncFolder {
        /// Which folder.
        folder: String,
    },
}

/// A change of names that is not safe yet.
#[derive(Debug, Clone)]
struct Pending {
    /// The name that goes.
    gone: Option<String>,
    /// The name that comes, and whose it is.
    come: Option<(String, u64)>,
}

/// See the module's documentation.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    files: BTreeMap<u64, Pages>,
    names: BTreeMap<String, u64>,
    safe_names: BTreeMap<String, u64>,
    pending: Vec<Pending>,
    next: u64,
    changes: i64,
    /// How often the power went.
    boots: u64,
}

impl Disk {
    /// A disk with these files, safe all of them.
    #[must_use]
    pub fn with(files: &[(&str, &[u8])]) -> Self {
        let mut disk = Self::default();
        for (name, content) in files {
            disk.put(name, content);
        }
        disk
    }

    /// Puts a file there, safe, in place of one that has its name.
    pub fn put(&mut self, name: &str, content: &[u8]) {
        let file = self.next_file();
        self.next += 1;
        self.files.insert(file, Pages::safe(content));
        self.names.insert(name.to_owned(), file);
        self.safe_names.insert(name.to_owned(), file);
    }

    /// Takes a file away for good.
    pub fn take(&mut self, name: &str) {
        self.names.remove(name);
        self.safe_names.remove(name);
    }

    /// Names and contents of all files, as a reader sees them.
    #[must_use]
    pub fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let file = |(name, file): (&String, &u64)| (name.clone(), self.files[file].content());
        self.names.iter().map(file).collect()
    }

    /// Content of a file, as a reader sees it.
    #[must_use]
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        Some(self.files[self.names.get(name)?].content())
    }

    /// Whether a file of that name has something that counts as clean and is not safe, because a sync
    /// of it failed: no later sync will say so.
    #[must_use]
    pub fn is_deceived(&self, name: &str) -> bool {
        self.names.get(name).is_some_and(|file| self.files[file].is_deceived())
    }

    /// Number that the next file gets.
    pub(super) const fn next_file(&self) -> u64 {
        self.next
    }

    pub(super) fn file(&self, name: &str) -> Option<u64> {
        self.names.get(name).copied()
    }

    pub(super) fn name_of(&self, file: u64) -> Option<&str> {
        let named = self.names.iter().find(|(_, other)| **other == file);
        named.map(|(name, _)| name.as_str())
    }

    pub(super) fn pages(&self, file: u64) -> &Pages {
        &self.files[&file]
    }

    pub(super) fn list(&self, folder: &str) -> Vec<Found> {
        let inside = |(name, file): (&String, &u64)| {
            let name = name_in(name, folder)?.to_owned();
            let pages = &self.files[file];
            Some(Found { name, bytes: pages.bytes(), changed_ms: pages.changed_ms })
        };
        self.names.iter().filter_map(inside).collect()
    }

    pub(super) const fn boots(&self) -> u64 {
        self.boots
    }

    /// Bytes that are used or promised.
    pub(super) fn used(&self) -> u64 {
        self.names.values().map(|file| self.files[file].room()).sum()
    }

    /// Lets a change happen.
    pub fn apply(&mut self, change: &Change) {
        self.changes += 1;
        match change {
            Change::Create { name, file, bytes } => {
                self.files.insert(*file, Pages::zeroes(*bytes));
                self.next = self.next.max(file + 1);
                self.rename(None, Some((name.clone(), *file)));
            }
            Change::Write { file, at, bytes } => self.pages_mut(*file).write(bytes, *at),
            Change::Truncate { file, bytes } => self.pages_mut(*file).truncate(*bytes),
            Change::Sync { file } => self.pages_mut(*file).sync(),
            Change::SyncFailed { file } => self.pages_mut(*file).sync_failed(),
            Change::Rename { from, to } => {
                let file = self.names[from];
                self.rename(Some(from.clone()), Some((to.clone(), file)));
            }
            Change::Remove { name } => self.rename(Some(name.clone()), None),
            Change::SyncFolder { folder } => self.sync_folder(folder),
        }
        if let Change::Create { file, .. } | Change::Write { file, .. } = change {
            let now = self.changes;
            self.pages_mut(*file).changed_ms = now;
        }
    }

    /// The disk as the next process finds it when this one is killed: all that was written is there.
    #[must_use]
    pub fn after_kill(&self) -> Self {
        let mut left = self.clone();
        let named = |file: &u64| {
            self.names.values().chain(self.safe_names.values()).any(|other| other == file)
        };
        let pending = |file: &u64| {
            self.pending
                .iter()
                .any(|change| change.come.as_ref().is_some_and(|come| come.1 == *file))
        };
        left.files.retain(|file, _| named(file) || pending(file));
        left
    }

    /// The disk as the next process finds it when the power goes: of what was not safe, any part is
    /// there. `choose` is asked once for each thing that may be or not be, and says which of so many
    /// outcomes it takes: 0 for what was safe, the last one for what was done last.
    #[must_use]
    pub fn after_power_loss(&self, choose: &mut dyn FnMut(usize) -> usize) -> Self {
        let mut names = self.safe_names.clone();
        for change in &self.pending {
            if choose(2) == 1 {
                change.apply(&mut names);
            }
        }
        let mut files = BTreeMap::new();
        for file in names.values() {
            if !files.contains_key(file) {
                files.insert(*file, self.files[file].after_power_loss(choose));
            }
        }
        Self {
            files,
            safe_names: names.clone(),
            names,
            pending: Vec::new(),
            next: self.next,
            changes: self.changes,
            boots: self.boots + 1,
        }
    }

    fn pages_mut(&mut self, file: u64) -> &mut Pages {
        self.files.get_mut(&file).expect("a change is about a file that was made")
    }

    fn rename(&mut self, gone: Option<String>, come: Option<(String, u64)>) {
        let change = Pending { gone, come };
        change.apply(&mut self.names);
        self.pending.push(change);
    }

    /// Makes the changes in a folder safe, and those in others that they rest on.
    fn sync_folder(&mut self, folder: &str) {
        let mut touched: Vec<String> = Vec::new();
        let mut safe = vec![false; self.pending.len()];
        for (change, safe) in self.pending.iter().zip(&mut safe).rev() {
            let here = |name: &String| name_in(name, folder).is_some() || touched.contains(name);
            if change.names().any(here) {
                touched.extend(change.names().cloned());
                *safe = true;
            }
        }
        let pending = std::mem::take(&mut self.pending);
        for (change, safe) in pending.into_iter().zip(safe) {
            if safe {
                change.apply(&mut self.safe_names);
            } else {
                self.pending.push(change);
            }
        }
    }
}

impl Pending {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        if let Some(gone) = &self.gone {
            names.remove(gone);
        }
        if let Some((name, file)) = &self.come {
            names.insert(name.clone(), *file);
        }
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        self.gone.iter().chain(self.come.iter().map(|come| &come.0))
    }
}

/// The name without its folder, if it is in that folder.
fn name_in<'a>(name: &'a str, folder: &str) -> Option<&'a str> {
    let rest =
        if folder.is_empty() { name } else { name.strip_prefix(folder)?.strip_prefix('/')? };
    (!rest.contains('/')).then_some(rest)
}
