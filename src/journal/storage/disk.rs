//! Storage on a real directory.
//!
//! In: a directory, made when it is missing. Out: [`Storage`] over the operating system's calls.
//! What always holds: no name leads out of the directory; the lock is held until this is dropped.

use super::{Found, Space, Storage, StoredFile};
use parking_lot::Mutex;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// Name of the file that is locked.
const LOCK: &str = "LOCK";
/// Where Linux tells the identity of this start of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Zeroes written at a time.
const ZEROES: usize = 1 << 20;

/// See the module's documentation.
#[derive(Debug)]
pub struct DiskStorage {
    dir: PathBuf,
    read_only: bool,
    lock: Mutex<Option<File>>,
}

impl DiskStorage {
    /// Storage in `dir`, which is made if it is not there, with what is missing above it; the names
    /// that were made are safe.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new(dir: &Path) -> io::Result<Self> {
        let made = missing(dir);
        if !made.is_empty() {
            std::fs::create_dir_all(dir)?;
        }
        for dir in made {
            let above = dir.parent().filter(|above| !above.as_os_str().is_empty());
            match File::open(above.unwrap_or(Path::new("."))) {
                // What we may write and not read cannot be synced either.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                opened => opened?.sync_all()?,
            }
        }
        Self::existing(dir)
    }

    /// Storage in a directory that is there already; nothing is made.
    ///
    /// # Errors
    /// `NotFound` or `NotADirectory`.
    pub fn existing(dir: &Path) -> io::Result<Self> {
        if !std::fs::metadata(dir)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { dir: dir.to_owned(), read_only: false, lock: Mutex::new(None) })
    }

    /// As [`Self::existing`], for looking only: nothing can be changed through it, and no right to
    /// write is needed.
    ///
    /// # Errors
    /// As [`Self::existing`].
    pub fn read_only(dir: &Path) -> io::Result<Self> {
        Ok(Self { read_only: true, ..Self::existing(dir)? })
    }

    fn may_write(&self) -> io::Result<()> {
        if self.read_only { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(()) }
    }

    fn path(&self, name: &str) -> io::Result<PathBuf> {
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        if name.split('/').count() > 2 || !name.split('/').all(plain) || name.contains('\0') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("bad name {name:?}")));
        }
        Ok(self.dir.join(name))
    }

    fn folder(&self, folder: &str) -> io::Result<PathBuf> {
        if folder.is_empty() { Ok(self.dir.clone()) } else { self.path(folder) }
    }

    /// The path of a name whose folder was made if it was missing.
    fn path_in_folder(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.path(name)?;
        if let Some((folder, _)) = name.split_once('/') {
            let folder = self.dir.join(folder);
            if !folder.is_dir() {
                std::fs::create_dir_all(folder)?;
                self.sync_folder("")?;
            }
        }
        Ok(path)
    }
}

/// A directory and those above it that are not there, the highest first.
fn missing(dir: &Path) -> Vec<PathBuf> {
    let named = |one: &&Path| !one.as_os_str().is_empty() && !one.exists();
    let mut missing: Vec<PathBuf> = dir.ancestors().take_while(named).map(Path::to_owned).collect();
    missing.reverse();
    missing
}

impl Storage for DiskStorage {
    fn lock(&self) -> io::Result<()> {
        self.may_write()?;
        let path = self.dir.join(LOCK);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        file.try_lock().map_err(io::Error::from)?;
        *self.lock.lock() = Some(file);
        Ok(())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<Found>> {
        let entries = match std::fs::read_dir(self.folder(folder)?) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry?;
            // A file may go between the listing and the look at it.
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let Ok(name) = entry.file_name().into_string() else { continue };
            if metadata.is_file() {
                let changed = metadata.modified().ok();
                let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                let changed_ms = changed.and_then(|age| i64::try_from(age.as_millis()).ok());
                found.push(Found {
                    name,
                    bytes: metadata.len(),
                    changed_ms: changed_ms.unwrap_or_default(),
                });
            }
        }
        Ok(found)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        let file = OpenOptions::new().read(true).write(!self.read_only).open(self.path(name)?)?;
        Ok(Arc::new(DiskFile(file)))
    }

    fn create(&self, name: &str, space: Space) -> io::Result<Arc<dyn StoredFile>> {
        self.may_write()?;
        let path = self.path_in_folder(name)?;
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        match space {
            Space::Growing => {}
            Space::Reserved(bytes) => {
                rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes)?;
            }
            Space::Zeroed(bytes) => {
                let zeroes = vec![0; ZEROES];
                let mut at = 0;
                while at < bytes {
                    let piece = usize::try_from(bytes - at).unwrap_or(ZEROES).min(ZEROES);
                    file.write_all_at(&zeroes[..piece], at)?;
                    at += piece as u64;
                }
            }
        }
        Ok(Arc::new(DiskFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.may_write()?;
        std::fs::rename(self.path(from)?, self.path_in_folder(to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.may_write()?;
        std::fs::remove_file(self.path(name)?)
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        File::open(self.folder(folder)?)?.sync_all()
    }

    fn boot(&self) -> Option<u64> {
        let id = std::fs::read_to_string(BOOT_ID).ok()?;
        let digits: String = id.chars().filter(char::is_ascii_hexdigit).collect();
        // Random all of it: a half does.
        u64::from_str_radix(digits.get(..16)?, 16).ok()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.dir)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

/// An open file of a [`DiskStorage`].
#[derive(Debug)]
struct DiskFile(File);

impl StoredFile for DiskFile {
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        FileExt::write_at(&self.0, bytes, at)
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        FileExt::read_at(&self.0, into, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_directory() {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let storage = DiskStorage::new(dir.path()).expect("it is there");
        for name in ["../x", "/x", "a/../x", "a/b/c", "", ".", "a/"] {
            assert!(storage.create(name, Space::Growing).is_err(), "{name}");
        }
    }

    #[test]
    fn folders_above_are_made_and_their_names_synced() {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let below = dir.path().join("a/b/c");
        assert_eq!(missing(&below), [dir.path().join("a"), dir.path().join("a/b"), below.clone()]);
        DiskStorage::new(&below).expect("made").create("x", Space::Growing).expect("new");
        assert_eq!(missing(&below), [""; 0].map(PathBuf::from));
        assert_eq!(missing(Path::new("not-there-9")), [PathBuf::from("not-there-9")]);
        std::fs::write(dir.path().join("file"), b"").expect("written");
        assert!(DiskStorage::new(&dir.path().join("file/a")).is_err());
    }

    #[test]
    fn a_second_lock_would_block() {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let first = DiskStorage::new(dir.path()).expect("it is there");
        first.lock().expect("nobody has it");
        let second = DiskStorage::new(dir.path()).expect("it is there");
        let refused = second.lock().expect_err("the first has it");
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        drop(first);
        second.lock().expect("nobody has it any more");
    }

    #[test]
    fn read_only_storage_changes_nothing() {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let storage = DiskStorage::new(dir.path()).expect("it is there");
        storage.create("a", Space::Reserved(10)).expect("there is room");
        let looking = DiskStorage::read_only(dir.path()).expect("it is there");
        let kinds = [
            looking.lock().err(),
            looking.create("b", Space::Growing).err(),
            looking.rename("a", "c").err(),
            looking.remove("a").err(),
        ];
        let refused = Some(io::ErrorKind::ReadOnlyFilesystem);
        assert_eq!(kinds.map(|error| error.map(|error| error.kind())), [refused; 4]);
        let file = looking.open("a").expect("it is there");
        assert!(file.write_at(b"x", 0).is_err() && file.truncate(0).is_err());
        let mut bytes = [1; 20];
        assert_eq!(file.read_at(&mut bytes, 0).expect("readable"), 10);
    }

    #[test]
    fn zeroed_and_reserved_files_have_their_length_and_read_as_zeroes() {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let storage = DiskStorage::new(dir.path()).expect("it is there");
        for (name, space) in [("z", Space::Zeroed(3000)), ("f/r", Space::Reserved(3000))] {
            let file = storage.create(name, space).expect("there is room");
            assert_eq!(file.bytes().expect("it is there"), 3000);
            let mut bytes = [1; 4000];
            assert_eq!(file.read_at(&mut bytes, 0).expect("readable"), 3000);
            assert!(bytes[..3000].iter().all(|byte| *byte == 0));
        }
        let mut names: Vec<String> =
            storage.list("f").expect("there").into_iter().map(|found| found.name).collect();
        names.extend(storage.list("missing").expect("no error").into_iter().map(|f| f.name));
        assert_eq!(names, ["r"]);
    }
}
