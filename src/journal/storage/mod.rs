//! What the journal needs of a directory, as a trait: the only way from the journal to a disk.
//!
//! In: names of files below the journal's directory (at most one folder deep, with `/`), bytes and
//! offsets. Out: what the device said. What always holds: nothing here retries, caches or hides an
//! error; a write may be short; bytes are safe against power loss only once [`StoredFile::sync`]
//! returned without an error, and a name only once [`Storage::sync_folder`] did for its folder.
//!
//! [`disk`] is the real one; [`sim`], for tests, loses and refuses what real devices may.

pub mod disk;
pub mod sim;

use std::fmt;
use std::io;
use std::sync::Arc;

/// One file that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Name without its folder.
    pub name: String,
    /// Length in bytes.
    pub bytes: u64,
    /// When it was last changed, Unix milliseconds; 0 where that is not known.
    pub changed_ms: i64,
}

/// How the space of a new file is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// None is reserved; the file grows with its writes.
    Growing,
    /// Reserved, unwritten: an overwrite needs no new block, its first sync writes metadata.
    Reserved(u64),
    /// Written with zeroes: an overwrite is synced without metadata.
    Zeroed(u64),
}

/// A directory for one journal.
pub trait Storage: Send + Sync + fmt::Debug {
    /// Takes the journal for this process until the storage is dropped.
    ///
    /// # Errors
    /// `WouldBlock`: another process has it. Others: the device.
    fn lock(&self) -> io::Result<()>;

    /// The files (no folders) of a folder, in any order; `""` is the directory itself. A folder that
    /// is not there has none.
    ///
    /// # Errors
    /// The device.
    fn list(&self, folder: &str) -> io::Result<Vec<Found>>;

    /// Opens a file that is there, for reading and writing.
    ///
    /// # Errors
    /// `NotFound`, or the device.
    fn open(&self, name: &str) -> io::Result<Arc<dyn StoredFile>>;

    /// Makes a new file, and its folder if that is missing.
    ///
    /// # Errors
    /// `AlreadyExists`, `StorageFull`, or the device.
    fn create(&self, name: &str, space: Space) -> io::Result<Arc<dyn StoredFile>>;

    /// Gives a file another name, in place of a file that has it; makes the folder if it is missing.
    ///
    /// # Errors
    /// The device.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// `NotFound`, or the device.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes the names in a folder safe.
    ///
    /// # Errors
    /// The device.
    fn sync_folder(&self, folder: &str) -> io::Result<()>;

    /// Which start of the machine this is: at another one, what was written and not synced may be
    /// lost. `None` where that is not known.
    fn boot(&self) -> Option<u64> {
        None
    }

    /// Bytes that may still be written.
    ///
    /// # Errors
    /// The device.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// One open file; all methods may be called from any thread.
pub trait StoredFile: Send + Sync + fmt::Debug {
    /// Writes at an offset; how many bytes were taken.
    ///
    /// # Errors
    /// The device; nothing is known of the bytes then.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize>;

    /// Reads at an offset; how many bytes there were, 0 at the end.
    ///
    /// # Errors
    /// The device.
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize>;

    /// Makes all that was written safe. After an error nothing is known of what was not safe before,
    /// and another call may lie: it must not be tried again on this file.
    ///
    /// # Errors
    /// The device.
    fn sync(&self) -> io::Result<()>;

    /// Cuts or extends the file.
    ///
    /// # Errors
    /// The device.
    fn truncate(&self, bytes: u64) -> io::Result<()>;

    /// Length in bytes.
    ///
    /// # Errors
    /// The device.
    fn bytes(&self) -> io::Result<u64>;
}
