//! Where files go that something is wrong with: kept, never read again by the journal.
//!
//! In: a segment. Out: its bytes in `quarantine/`, synced. What always holds: what stands there is
//! never overwritten; a name is made of the first position, the journal and the reason.

use crate::journal::folders::QUARANTINE;
use crate::journal::storage::{Space, Storage, StoredFile};
use std::io;

/// Bytes copied at a time.
const PIECE_BYTES: usize = 256 * 1024;
/// What a device loses at a time; a piece that cannot be read is narrowed down to this.
const PAGE_BYTES: usize = 4096;

/// The name of a segment's place: another journal's segment of the same name has another one.
pub(super) fn name(segment: &str, uuid: &[u8; 16], reason: &str) -> String {
    let [a, b, c, d, ..] = uuid;
    format!("{segment}.{a:02x}{b:02x}{c:02x}{d:02x}.{reason}")
}

/// Copies a stretch of a file, synced, unless a copy of that name is there. Pages that cannot be
/// read are zeroes in the copy. Returns the bytes copied.
///
/// # Errors
/// The device; the copy is not there then, or not under its name.
pub(super) fn copy(
    storage: &dyn Storage,
    from: &dyn StoredFile,
    range: std::ops::Range<u64>,
    name: &str,
) -> io::Result<u64> {
    if storage.list(QUARANTINE)?.iter().any(|file| file.name == name) {
        return Ok(0);
    }
    let (place, draft) = (format!("{QUARANTINE}/{name}"), format!("{QUARANTINE}/{name}.tmp"));
    remove_if_there(storage, &draft)?;
    let to = storage.create(&draft, Space::Growing)?;
    let mut piece = vec![0; PIECE_BYTES];
    let mut at = range.start;
    while at < range.end {
        let want = usize::try_from(range.end - at).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let read = read_some(from, &mut piece[..want], at);
        if read == 0 {
            break;
        }
        write_all(&*to, &piece[..read], at - range.start)?;
        at += read as u64;
    }
    to.sync()?;
    storage.rename(&draft, &place)?;
    storage.sync_folder(QUARANTINE)?;
    Ok(at - range.start)
}

/// Moves a file of the journal's directory away, under a name that is free, and makes that safe.
///
/// # Errors
/// The device; the file is where it was, or has moved and that is not safe.
pub(super) fn take(storage: &dyn Storage, file: &str, name: &str) -> io::Result<()> {
    rename(storage, file, name)?;
    storage.sync_folder(QUARANTINE)?;
    storage.sync_folder("")
}

/// Moves a file of the journal's directory away, under a name that is free.
///
/// # Errors
/// The device; the file is where it was.
pub(super) fn rename(storage: &dyn Storage, file: &str, name: &str) -> io::Result<()> {
    let there = storage.list(QUARANTINE)?;
    let free = |name: &str| there.iter().all(|file| file.name != name);
    let mut place = name.to_owned();
    let mut number = 1;
    while !free(&place) {
        number += 1;
        place = format!("{name}.{number}");
    }
    storage.rename(file, &format!("{QUARANTINE}/{place}"))
}

/// Removes a file, which may be missing.
///
/// # Errors
/// The device.
pub(super) fn remove_if_there(storage: &dyn Storage, name: &str) -> io::Result<()> {
    match storage.remove(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes all of `bytes`; a short write is an error, for the device takes no more.
///
/// # Errors
/// The device.
pub(super) fn write_all(file: &dyn StoredFile, bytes: &[u8], at: u64) -> io::Result<()> {
    if file.write_at(bytes, at)? == bytes.len() {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::WriteZero, "the device took a part of a write only"))
    }
}

/// Reads a piece; where the device refuses, page by page, refused ones as zeroes.
fn read_some(from: &dyn StoredFile, piece: &mut [u8], at: u64) -> usize {
    if let Ok(read) = from.read_at(piece, at) {
        return read;
    }
    let page = piece.len().min(PAGE_BYTES);
    from.read_at(&mut piece[..page], at).unwrap_or_else(|_| {
        piece[..page].fill(0);
        page
    })
}
