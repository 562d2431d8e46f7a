//! The folders beside the segments, and the small files in them.
//!
//! In: a journal's directory. Out: names of its folders, whole files. What always holds: no read is
//! larger than the bound its caller names.

use super::storage::{Found, Storage};
use std::io;

/// Segments with damage, copied before anything of them is skipped.
pub const QUARANTINE: &str = "quarantine";
/// Events that Kafka cannot take, one a file.
pub const DEAD_LETTERS: &str = "deadletter";
/// Whole events whose records went out without `raw`, one a file.
pub const OVERSIZE: &str = "oversize";
/// Events that are to be appended as new records, one a file.
pub const REQUEUE: &str = "requeue";

/// The whole of a file.
///
/// # Errors
/// The device; `FileTooLarge` when it has more than `bytes_max`.
pub fn read_whole(storage: &dyn Storage, name: &str, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = storage.open(name)?;
    let length = file.bytes()?;
    if length > bytes_max {
        let why = format!("{length} bytes, more than {bytes_max}");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    let mut at = 0;
    while at < bytes.len() {
        match file.read_at(&mut bytes[at..], at as u64)? {
            0 => break,
            read => at += read,
        }
    }
    bytes.truncate(at);
    Ok(bytes)
}

/// Files and bytes in a folder.
///
/// # Errors
/// The device.
pub fn size(storage: &dyn Storage, folder: &str) -> io::Result<(usize, u64)> {
    let files = storage.list(folder)?;
    Ok((files.len(), files.iter().map(|file| file.bytes).sum()))
}

/// The files of a folder, the oldest first; of equally old ones by name.
///
/// # Errors
/// The device.
pub fn by_age(storage: &dyn Storage, folder: &str) -> io::Result<Vec<Found>> {
    let mut files = storage.list(folder)?;
    files.sort_unstable_by(|a, b| (a.changed_ms, &a.name).cmp(&(b.changed_ms, &b.name)));
    Ok(files)
}
