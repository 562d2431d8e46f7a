//! Writes a segment again whose sync failed.
//!
//! In: the first position of the segment; its bytes can still be read, from the page cache or the
//! disk. Out: its unconfirmed records, with their numbers, in a new file that is synced; the old
//! file is in quarantine. What always holds: at every moment one of the two has the records under a
//! name that recovery reads.

use super::frame::{SEGMENT_HEADER_BYTES, Seal, SegmentHeader};
use super::quarantine::{self, remove_if_there, write_all};
use super::recover::insist;
use super::segment::{self, COPY, DRAFT, ENDING, Span, Step, Walk, Window};
use super::segments::Segment;
use super::shared::Shared;
use crate::journal::storage::{Space, StoredFile};
use std::io;

/// Bytes that are copied at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Does it; a segment that is gone or wholly confirmed needs nothing.
///
/// # Errors
/// The device; the segment is as it was, try again later.
pub(super) fn rewrite(shared: &Shared, first: u64) -> io::Result<()> {
    let _surgery = shared.surgery.lock();
    let Some(old) = shared.segments.lock().get(first).cloned() else { return Ok(()) };
    let from = old.first.max(shared.confirmed() + 1);
    if from > old.last {
        return Ok(());
    }
    let storage = &*shared.storage;
    let (old_name, new_name) = (segment::name(first), segment::name(from));
    // Only a copy that has the old one's own name is left without a name for a moment; recovery
    // takes it when the old one is gone, and then it is complete.
    let draft = new_name.replace(ENDING, if from == old.first { COPY } else { DRAFT });
    remove_if_there(storage, &draft)?;
    let old_file = storage.open(&old_name)?;
    let new_file = storage.create(&draft, Space::Growing)?;
    let new = copy(shared, &old, from, &*old_file, &*new_file)?;
    new_file.sync()?;
    storage.sync_folder("")?;
    let place = quarantine::name(&old_name, &shared.uuid, "unsynced");
    if from == old.first {
        quarantine::take(storage, &old_name, &place)?;
        insist(|| storage.rename(&draft, &new_name))?;
    } else {
        storage.rename(&draft, &new_name)?;
        storage.sync_folder("")?;
        quarantine::take(storage, &old_name, &place)?;
    }
    storage.sync_folder("")?;
    tracing::warn!(
        segment = old_name,
        "journal: records {from} to {} of {old_name} were written again",
        old.last
    );
    for range in new.damage.iter().filter(|range| !old.damage.contains(range)) {
        shared.count_damaged(*range.start(), *range.end());
    }
    let mut segments = shared.segments.lock();
    segments.replace(first, new);
    let held = segments.bytes();
    drop(segments);
    shared.queue.lock().set_held(held);
    shared.desk.lock().open.retain(|open| open.first != first);
    shared.observe_quarantine();
    Ok(())
}

/// Copies the frames from a position on, sealed for the new segment.
fn copy(
    shared: &Shared,
    old: &Segment,
    from: u64,
    old_file: &dyn StoredFile,
    new_file: &dyn StoredFile,
) -> io::Result<Segment> {
    let header = SegmentHeader { uuid: shared.uuid, first: from, created_ms: old.created_ms };
    let mut new = Segment {
        first: from,
        edition: old.edition + 1,
        bytes: SEGMENT_HEADER_BYTES as u64,
        marks: Vec::new(),
        damage: Vec::new(),
        ..old.clone()
    };
    write_all(new_file, &header.encode(), 0)?;
    let seal = Seal::new(&shared.uuid, from);
    let span = Span::whole(old.first, old.last + 1, old_file.bytes()?);
    let old_seal = Seal::new(&shared.uuid, old.first);
    let mut walk = Walk::new(old_file, old_seal, span, Window::lenient(PIECE_BYTES));
    let mut frames = Vec::new();
    let flush = |frames: &mut Vec<u8>, new: &mut Segment| {
        write_all(new_file, frames, new.bytes)?;
        new.bytes += frames.len() as u64;
        frames.clear();
        io::Result::Ok(())
    };
    loop {
        match walk.next()? {
            Step::Frame { sequence, ms, record, .. } if sequence >= from => {
                new.mark(sequence, new.bytes + frames.len() as u64);
                seal.push(&mut frames, sequence, ms, record);
            }
            Step::Damaged { from: lost, upto } if upto >= from => {
                new.damage.push(lost.max(from)..=upto);
            }
            Step::Frame { .. } | Step::Damaged { .. } => {}
            Step::End => break,
        }
        if frames.len() >= PIECE_BYTES {
            flush(&mut frames, &mut new)?;
        }
    }
    flush(&mut frames, &mut new)?;
    if walk.expected() <= old.last {
        new.damage.push(walk.expected().max(from)..=old.last);
    }
    Ok(new)
}
