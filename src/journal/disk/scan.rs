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

/// Whether a file has the name of a segment.
#[must_use]
pub fn is_segment(name: &str) -> bool {
    segment::first_of(name).is_some()
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
    let SegmentView { records, damage, .. } = &mut view;
    let end = through(&*opened.file, seal, span, &mut |step| {
        match step {
            Step::Frame { .. } => *records += 1,
            Step::Damaged { from, upto } => damage.push(Sequence(from)..=Sequence(upto)),
            Step::End => {}
        }
        true
    })?;
    let end = end.expect("everything was visited");
    if before != u64::MAX && end.expected < before {
        view.damage.push(Sequence(end.expected)..=Sequence(before - 1));
    }
    view.bytes = end.at;
    if !view.damage.is_empty() {
        view.state = State::Damaged;
    }
    Ok(view)
}

/// Calls `visit` with the frames of a span and what is damaged between them, in order, until it
/// returns `false`. Returns what is left of the span behind the last frame, `None` when `visit` wants
/// no more.
///
/// Damage in a segment that is written is looked at again: the window in memory may end in what was
/// not written yet when it was read, and the next one begin with what has come since. Frames are
/// written in order, so whatever stood in front of the found one then stands there now.
fn through(
    file: &dyn StoredFile,
    seal: Seal,
    span: Span,
    visit: &mut dyn FnMut(Step<'_>) -> bool,
) -> io::Result<Option<Span>> {
    let mut walk = Walk::new(file, seal, span, Window::lenient(WINDOW_BYTES));
    let (mut left, mut again) = (span, false);
    loop {
        match walk.next()? {
            Step::End => return Ok(Some(left)),
            Step::Damaged { .. } if span.before == u64::MAX && !again => {
                left.bytes = file.bytes()?;
                walk = Walk::new(file, seal, left, walk.into_window());
                again = true;
                continue;
            }
            step => {
                if !visit(step) {
                    return Ok(None);
                }
            }
        }
        (left.at, left.expected, again) = (walk.at(), walk.expected(), false);
    }
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
        let end = through(&*file, seal, span, &mut |step| match step {
            Step::End => true,
            Step::Damaged { upto, .. } if upto < from.0 => true,
            Step::Frame { sequence, .. } if sequence < from.0 => true,
            Step::Damaged { from, upto } => visit(Entry::Damaged(Sequence(from)..=Sequence(upto))),
            Step::Frame { sequence, ms, record, .. } => visit(Entry::Record {
                sequence: Sequence(sequence),
                appended_ms: created_ms.saturating_add(i64::from(ms)),
                bytes: record,
            }),
        })?;
        let Some(end) = end else { return Ok(false) };
        let (end, before) = (end.expected.max(from.0), segment.before);
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

#[cfg(test)]
mod tests {
    use super::super::tests::{PATIENCE, Told, batch, dir, settings, until};
    use super::super::{DiskLog, Settings};
    use super::*;
    use crate::journal::storage::disk::DiskStorage;
    use crate::journal::storage::{Found, Space};
    use crate::journal::{Level, Log};
    use parking_lot::Mutex;
    use std::fmt;

    /// What is to happen once, right after the next large piece was read.
    type Meanwhile = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

    /// A journal's directory in which something happens while it is read.
    struct Busy {
        storage: DiskStorage,
        meanwhile: Meanwhile,
    }

    struct BusyFile {
        file: Arc<dyn StoredFile>,
        meanwhile: Meanwhile,
    }

    impl fmt::Debug for Busy {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.storage.fmt(f)
        }
    }

    impl fmt::Debug for BusyFile {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.file.fmt(f)
        }
    }

    impl Storage for Busy {
        fn lock(&self) -> io::Result<()> {
            self.storage.lock()
        }
        fn list(&self, folder: &str) -> io::Result<Vec<Found>> {
            self.storage.list(folder)
        }
        fn open(&self, name: &str) -> io::Result<Arc<dyn StoredFile>> {
            let file = self.storage.open(name)?;
            Ok(Arc::new(BusyFile { file, meanwhile: Arc::clone(&self.meanwhile) }))
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

    impl StoredFile for BusyFile {
        fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
            self.file.write_at(bytes, at)
        }
        fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
            let read = self.file.read_at(into, at)?;
            if into.len() >= WINDOW_BYTES
                && let Some(happens) = self.meanwhile.lock().take()
            {
                happens();
            }
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

    /// Appends so many records of some 70 bytes, in one go.
    fn append(log: &DiskLog, records: u64) {
        let next = log.usage().head.0 + 1;
        log.append(&mut batch(next..=next + records - 1)).expect("there is room");
        until(|| log.written().0 >= next + records - 1);
    }

    /// A live journal with one segment of several windows, written up to the middle of the first.
    fn live() -> (tempfile::TempDir, Arc<DiskLog>, Busy) {
        let dir = dir();
        let settings =
            Settings { segment_bytes: 8 << 20, bytes_max: 64 << 20, ..settings(Level::Os) };
        let storage = Arc::new(DiskStorage::new(dir.path()).expect("a directory"));
        let log =
            DiskLog::open(storage, settings, Arc::<Told>::default()).expect("it always opens");
        // A segment that was not prepared is as long as what is written.
        until(|| log.shared.desk.lock().ahead.is_some());
        append(&log, 4000);
        let storage = DiskStorage::read_only(dir.path()).expect("it is there");
        (dir, log, Busy { storage, meanwhile: Arc::default() })
    }

    /// Lets the bridge write past the first window while that is looked at.
    fn go_on_meanwhile(log: &Arc<DiskLog>, storage: &Busy) {
        let log = Arc::clone(log);
        let go_on = move || {
            append(&log, 20_000);
            append(&log, 20_000);
        };
        *storage.meanwhile.lock() = Some(Box::new(go_on));
    }

    /// `journal verify` and `export` beside a busy bridge told of damage where there was none: the
    /// first window ended in what was not written yet, and the second held what had come meanwhile.
    #[test]
    fn what_is_written_while_it_is_looked_at_is_no_damage() {
        let (_dir, log, storage) = live();
        go_on_meanwhile(&log, &storage);
        let view = scan(&storage).expect("readable");
        assert!(storage.meanwhile.lock().is_none(), "it was written meanwhile");
        assert_eq!((view.segments.len(), &*view.segments[0].damage), (1, &[][..]));
        assert_eq!((view.segments[0].records, view.segments[0].state), (44_000, State::Open));
        log.close(PATIENCE);
    }

    /// The same with `journal cat | less`: minutes may pass between two windows.
    #[test]
    fn what_is_written_while_it_is_shown_is_no_damage_and_is_shown() {
        let (_dir, log, storage) = live();
        let view = scan(&storage).expect("readable");
        assert_eq!(view.segments[0].records, 4000);
        go_on_meanwhile(&log, &storage);
        let mut seen = Vec::new();
        let mut visit = |entry: Entry<'_>| {
            match entry {
                Entry::Record { sequence, .. } => seen.push(sequence.0),
                Entry::Damaged(range) => panic!("{range:?} of a good journal"),
            }
            true
        };
        view.each(&storage, Sequence(3000), &mut visit).expect("readable");
        assert!(storage.meanwhile.lock().is_none(), "it was written meanwhile");
        assert_eq!(seen, (3000..=44_000).collect::<Vec<u64>>());
        log.close(PATIENCE);
    }

    #[test]
    fn damage_in_the_segment_that_is_written_is_told_as_ever() {
        let (dir, log, storage) = live();
        append(&log, 40_000);
        let bend = |at: u64| {
            let writable = DiskStorage::existing(dir.path()).expect("there");
            let file = writable.open(&segment::name(1)).expect("there");
            file.write_at(&[0xff; 10], at).expect("written");
        };
        let good = scan(&storage).expect("readable");
        bend(2 << 20);
        bend(1 << 20);
        let view = scan(&storage).expect("readable");
        assert_eq!((view.segments[0].damage.len(), view.segments[0].state), (2, State::Damaged));
        let lost: u64 =
            view.segments[0].damage.iter().map(|one| one.end().0 - one.start().0 + 1).sum();
        assert_eq!(view.segments[0].records + lost, good.segments[0].records);
        let mut damage = Vec::new();
        let mut visit = |entry: Entry<'_>| {
            if let Entry::Damaged(range) = entry {
                damage.push(range);
            }
            true
        };
        view.each(&storage, Sequence::FIRST, &mut visit).expect("readable");
        assert_eq!(damage, view.segments[0].damage);
        log.close(PATIENCE);
    }
}
