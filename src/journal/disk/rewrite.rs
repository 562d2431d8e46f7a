//! Writes a segment again whose sync failed.
//!
//! In: the first position of the segment; its bytes can still be read, from the page cache or the
//! disk. Out: its records, with their numbers, in a new file of the same name that is synced; the
//! old file is in quarantine. What always holds: at every moment one of the two has the records
//! under a name that recovery reads; what is called [`COPY`] is whole, synced, and newer than what
//! has the segment's name; whatever failed half-way, another try ends it.

use super::frame::{SEGMENT_HEADER_BYTES, Seal, SegmentHeader};
use super::quarantine::{self, remove_if_there, write_all};
use super::recover::insist;
use super::segment::{self, COPY, DRAFT, ENDING, Span, Step, Walk, Window};
use super::segments::Segment;
use super::shared::Shared;
use crate::journal::folders::QUARANTINE;
use crate::journal::storage::{Space, StoredFile};
use std::io;

/// Bytes that are copied at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Does it; a segment that is gone or wholly confirmed needs nothing.
///
/// # Errors
/// The device; the segment is as it was, or only its copy is there: try again later.
pub(super) fn rewrite(shared: &Shared, first: u64) -> io::Result<()> {
    let _surgery = shared.surgery.lock();
    let storage = &*shared.storage;
    let name = segment::name(first);
    let (whole, draft) = (name.replace(ENDING, COPY), name.replace(ENDING, DRAFT));
    let old = shared.segments.lock().get(first).cloned();
    let Some(old) = old.filter(|old| old.last > shared.confirmed()) else {
        return remove_if_there(storage, &whole);
    };
    let (old_file, is_named) = match storage.open(&name) {
        // An earlier try moved it away and came no further.
        Err(error) if error.kind() == io::ErrorKind::NotFound => match storage.open(&whole) {
            // Somebody took both away; who reads it finds out.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => (opened?, false),
        },
        opened => (opened?, true),
    };
    remove_if_there(storage, &draft)?;
    let new_file = storage.create(&draft, Space::Growing)?;
    let new = copy(shared, &old, &*old_file, &*new_file)?;
    new_file.sync()?;
    storage.rename(&draft, &whole)?;
    storage.sync_folder("")?;
    if is_named {
        let place = quarantine::name(&name, &shared.uuid, "unsynced");
        quarantine::rename(storage, &name, &place)?;
    }
    insist(|| storage.rename(&whole, &name))?;
    // From here on it is done: whichever of the names a loss of power keeps, recovery takes the
    // copy. The keeper makes them safe if this does not.
    for folder in ["", QUARANTINE] {
        if let Err(error) = storage.sync_folder(folder) {
            shared.complain("sync", "a folder", &error);
            shared.desk.lock().names_dirty = true;
        }
    }
    taken_over(shared, &old, new);
    Ok(())
}

/// Puts the new segment in the place of the old one.
fn taken_over(shared: &Shared, old: &Segment, new: Segment) {
    let (name, first, last) = (segment::name(old.first), old.first, old.last);
    tracing::warn!(
        segment = name,
        "journal: records {first} to {last} of {name} were written again"
    );
    let from = shared.confirmed() + 1;
    for range in new.damage.iter().filter(|range| !old.damage.contains(range)) {
        if *range.end() >= from {
            shared.count_damaged(from.max(*range.start()), *range.end());
        }
    }
    let mut segments = shared.segments.lock();
    segments.replace(first, new);
    let held = segments.bytes();
    drop(segments);
    shared.queue.lock().set_held(held);
    shared.desk.lock().open.retain(|open| open.first != first);
    shared.observe_quarantine();
}

/// Copies the frames.
fn copy(
    shared: &Shared,
    old: &Segment,
    old_file: &dyn StoredFile,
    new_file: &dyn StoredFile,
) -> io::Result<Segment> {
    let header = SegmentHeader { uuid: shared.uuid, first: old.first, created_ms: old.created_ms };
    let mut new = Segment {
        edition: old.edition + 1,
        bytes: SEGMENT_HEADER_BYTES as u64,
        marks: Vec::new(),
        damage: Vec::new(),
        ..old.clone()
    };
    write_all(new_file, &header.encode(), 0)?;
    let seal = Seal::new(&shared.uuid, old.first);
    let span = Span::whole(old.first, old.last + 1, old_file.bytes()?);
    let mut walk = Walk::new(old_file, seal, span, Window::lenient(PIECE_BYTES));
    let mut frames = Vec::new();
    let flush = |frames: &mut Vec<u8>, new: &mut Segment| {
        write_all(new_file, frames, new.bytes)?;
        new.bytes += frames.len() as u64;
        frames.clear();
        io::Result::Ok(())
    };
    loop {
        match walk.next()? {
            Step::Frame { sequence, ms, record, .. } => {
                new.mark(sequence, new.bytes + frames.len() as u64);
                seal.push(&mut frames, sequence, ms, record);
            }
            Step::Damaged { from, upto } => new.damage.push(from..=upto),
            Step::End => break,
        }
        if frames.len() >= PIECE_BYTES {
            flush(&mut frames, &mut new)?;
        }
    }
    flush(&mut frames, &mut new)?;
    if walk.expected() <= old.last {
        new.damage.push(walk.expected()..=old.last);
    }
    Ok(new)
}
