//! A read-only view of a journal, for tools.
//!
//! In: a storage, locked by somebody or not. Out: [`View`]: the segments, what is wrong with them,
//! and every record that can be read. What always holds: nothing is written, cut or moved; a live
//! journal may be looked at, and what is written or deleted meanwhile may be missing.

use super::checkpoint::{self, Checkpoint};
use super::frame::{Seal, SegmentHeader};
use super::recover::read_header;
use super::segment::{self, Span, Step, Walk, Window};
use crate::journal::Sequence;
use crate::journal::storage::{Storage, StoredFile};
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Bytes of a segment that are read at a time.
const WINDOW_BYTES: usize = 1 << 20;

/// What a segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The last one: frames may still come, an unfinished one at its end is no damage.
    Open,
    /// Complete.
    Sealed,
    /// Some of its records cannot be read.
    Damaged,
}

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentView {
    /// Name of the file.
    pub name: String,
    /// First position in it.
    pub first: Sequence,
    /// Records that can be read.
    pub records: u64,
    /// Bytes up to the end of its last frame.
    pub bytes: u64,
    /// What it is.
    pub state: State,
    /// Positions whose records cannot be read.
    pub damage: Vec<RangeInclusive<Sequence>>,
    /// The position at which the next segment begins, [`u64::MAX`] in the last one.
    before: u64,
}

/// A journal as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Identity; `None` when there is neither a checkpoint nor a segment to tell it.
    pub uuid: Option<String>,
    /// In order.
    pub segments: Vec<SegmentView>,
    /// Everything up to here is in Kafka.
    pub confirmed: Sequence,
    /// Everything up to here was synced.
    pub synced: Sequence,
    /// Files that have the name of a segment and are none of this journal.
    pub foreign: Vec<String>,
    /// Segments whose header is damaged, and a checkpoint without a valid slot: they are done
    /// without.
    pub unsealed: Vec<String>,
    identity: [u8; 16],
}

/// What stands in a segment, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A record.
    Record {
        /// Its position.
        sequence: Sequence,
        /// When it was appended, Unix milliseconds.
        appended_ms: i64,
        /// The encoded record, see [`crate::record::Record::decode`].
        bytes: &'a [u8],
    },
    /// Records that cannot be read.
    Damaged(RangeInclusive<Sequence>),
}

/// A segment that was opened.
struct Opened {
    first: u64,
    name: String,
    file: Arc<dyn StoredFile>,
    header: Option<SegmentHeader>,
}

/// Looks at a journal: every segment is walked through.
///
/// # Errors
/// The device.
pub fn scan(storage: &dyn Storage) -> io::Result<View> {
    scan_with(storage, &mut |_, _| {})
}

/// The same; `progress` is told, before each segment, how many are done and how many there are.
///
/// # Errors
/// The device.
pub fn scan_with(
    storage: &dyn Storage,
    progress: &mut dyn FnMut(usize, usize),
) -> io::Result<View> {
    let saved = checkpoint::read(storage)?;
    let mut opened = Vec::new();
    let mut unsealed = Vec::new();
    for found in storage.list("")? {
        if found.name == checkpoint::NAME && saved.is_none() {
            unsealed.push(found.name);
            continue;
        }
        let Some(first) = segment::first_of(&found.name) else { continue };
        // A live journal deletes what is confirmed.
        if let Some(file) = there(storage.open(&found.name))? {
            let header = read_header(&*file);
            opened.push(Opened { first, name: found.name, file, header });
        }
    }
    opened.sort_unstable_by_key(|segment| segment.first);
    let headers: Vec<_> = opened.iter().filter_map(|segment| segment.header).collect();
    let identity = super::recover::identity(saved.as_ref(), &headers);
    let saved = saved.filter(|saved: &Checkpoint| Some(saved.uuid) == identity);
    let uuid = identity.unwrap_or_default();
    let (mut ours, mut foreign) = (Vec::new(), Vec::new());
    for segment in opened {
        let place = if belongs(&segment, &uuid)? { &mut ours } else { &mut foreign };
        place.push(segment);
    }
    let opened = ours;
    let mut view = View {
        uuid: saved
            .map_or(identity, |saved| Some(saved.told))
            .map(|uuid| uuid::Uuid::from_bytes(uuid).to_string()),
        segments: Vec::new(),
        confirmed: Sequence(saved.map_or(0, |saved| saved.confirmed)),
        synced: Sequence(saved.map_or(0, |saved| saved.synced)),
        foreign: foreign.into_iter().map(|segment| segment.name).collect(),
        unsealed,
        identity: uuid,
    };
    for (at, segment) in opened.iter().enumerate() {
        progress(at, opened.len());
        let before = opened.get(at + 1).map_or(u64::MAX, |next| next.first);
        let seen = look(segment, &uuid, before)?;
        if segment.header.is_none() && seen.records > 0 {
            view.unsealed.push(seen.name.clone());
        }
        view.segments.push(seen);
    }
    progress(opened.len(), opened.len());
    if saved.is_none() {
        let first = view.segments.first().map_or(Sequence::FIRST, |segment| segment.first);
        view.confirmed = Sequence(first.0 - 1);
    }
    Ok(view)
}

/// Whether a segment is this journal's, by its header or, where that is another's, by its frames.
fn belongs(opened: &Opened, uuid: &[u8; 16]) -> io::Result<bool> {
    if opened.header.is_none_or(|head| head.is_of(uuid, opened.first)) {
        return Ok(true);
    }
    let span = Span::whole(opened.first, u64::MAX, opened.file.bytes()?);
    let seal = Seal::new(uuid, opened.first);
    let mut walk = Walk::new(&*opened.file, seal, span, Window::lenient(WINDOW_BYTES));
    Ok(walk.next()? != Step::End)
}

/// Walks through one segment.
fn look(opened: &Opened, uuid: &[u8; 16], before: u64) -> io::Result<SegmentView> {
    let mut view = SegmentView {
        name: opened.name.clone(),
        first: Sequence(opened.first),
        records: 0,
        bytes: 0,
        state: if before == u64::MAX { State::Open } else { State::Sealed },
        damage: Vec::new(),
        before,
    };
    let seal = Seal::new(uuid, opened.first);
    let span = Span::whole(opened.first, before, opened.file.bytes()?);
    let mut walk = Walk::new(&*opened.file, seal, span, Window::lenient(WINDOW_BYTES));
    loop {
        match walk.next()? {
            Step::Frame { .. } => view.records += 1,
            Step::Damaged { from, upto } => view.damage.push(Sequence(from)..=Sequence(upto)),
            Step::End => break,
        }
    }
    if before != u64::MAX && walk.expected() < before {
        view.damage.push(Sequence(walk.expected())..=Sequence(before - 1));
    }
    view.bytes = walk.at();
    if !view.damage.is_empty() {
        view.state = State::Damaged;
    }
    Ok(view)
}

impl View {
    /// Calls `visit` with everything from position `from` on, in order, until it returns `false`.
    ///
    /// # Errors
    /// The device.
    pub fn each(
        &self,
        storage: &dyn Storage,
        from: Sequence,
        visit: &mut dyn FnMut(Entry<'_>) -> bool,
    ) -> io::Result<()> {
        for segment in &self.segments {
            if segment.before > from.0 && !self.each_in(segment, storage, from, visit)? {
                break;
            }
        }
        Ok(())
    }

    /// The same for one of [`Self::segments`]; whether `visit` wants more.
    ///
    /// # Errors
    /// The device.
    pub fn each_in(
        &self,
        segment: &SegmentView,
        storage: &dyn Storage,
        from: Sequence,
        visit: &mut dyn FnMut(Entry<'_>) -> bool,
    ) -> io::Result<bool> {
        let Some(file) = there(storage.open(&segment.name))? else { return Ok(true) };
        let header = read_header(&*file);
        let header = header.filter(|head| head.is_of(&self.identity, segment.first.0));
        let created_ms = header.map_or(0, |header| header.created_ms);
        let seal = Seal::new(&self.identity, segment.first.0);
        let span = Span::whole(segment.first.0, segment.before, file.bytes()?);
        let mut walk = Walk::new(&*file, seal, span, Window::lenient(WINDOW_BYTES));
        loop {
            let entry = match walk.next()? {
                Step::End => break,
                Step::Damaged { upto, .. } if upto < from.0 => continue,
                Step::Frame { sequence, .. } if sequence < from.0 => continue,
                Step::Damaged { from, upto } => Entry::Damaged(Sequence(from)..=Sequence(upto)),
                Step::Frame { sequence, ms, record, .. } => Entry::Record {
                    sequence: Sequence(sequence),
                    appended_ms: created_ms.saturating_add(i64::from(ms)),
                    bytes: record,
                },
            };
            if !visit(entry) {
                return Ok(false);
            }
        }
        let (end, before) = (walk.expected().max(from.0), segment.before);
        if before != u64::MAX && end < before {
            return Ok(visit(Entry::Damaged(Sequence(end)..=Sequence(before - 1))));
        }
        Ok(true)
    }
}

/// `None` for a file that is not there any more.
fn there<T>(opened: io::Result<T>) -> io::Result<Option<T>> {
    match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}
