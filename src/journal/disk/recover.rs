//! Finds out what a journal's directory holds, after a stop of any kind.
//!
//! In: the files. Out: [`State`]: the segments, the last position, what was confirmed, and a report
//! of what was cut, moved and lost. What always holds: it succeeds whatever the files hold; nothing
//! is skipped, cut or replaced before it was copied to `quarantine/`; what it counts as there is
//! synced; opening again right after gives the same.
//!
//! Only the last segment is walked through: the others are checked by the reader when it comes to
//! them, and know their range by their names.

use super::checkpoint::{self, Checkpoint, CheckpointFile};
use super::frame::{SEGMENT_HEADER_BYTES, Seal, SegmentHeader, framed};
use super::quarantine;
use super::segment::{self, AHEAD, COPY, DRAFT, ENDING, Span, Step, Walk, Window};
use super::segments::Segment;
use super::{JournalObserver, Recovered};
use crate::journal::storage::{Found, Storage, StoredFile};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a segment that are read at a time.
const WINDOW_BYTES: usize = 1 << 20;
/// Bytes that are written again at a time.
const PIECE_BYTES: usize = 256 * 1024;
/// How often a failing device is asked, and how long it is left alone in between: a hiccup must not
/// make a segment look lost.
const TRIES: u32 = 3;
const TRY_PAUSE: Duration = Duration::from_millis(20);

/// What was found.
#[derive(Debug)]
pub(super) struct State {
    /// Identity of the files.
    pub(super) uuid: [u8; 16],
    /// Identity that is told with the positions.
    pub(super) told: [u8; 16],
    pub(super) segments: Vec<Segment>,
    /// Last position that was used.
    pub(super) tail: u64,
    pub(super) confirmed: u64,
    /// Everything up to here is on the disk.
    pub(super) synced: u64,
    pub(super) checkpoint: CheckpointFile,
    /// First positions of segments that could not be synced.
    pub(super) unsynced: Vec<u64>,
    pub(super) report: Recovered,
}

/// A file with the name of a segment.
struct Candidate {
    found: Found,
    first: u64,
    /// `None` when it cannot be opened.
    file: Option<Arc<dyn StoredFile>>,
    header: Option<SegmentHeader>,
}

/// Brings a directory into order and says what it holds. `loose`: positions will be told before
/// they are synced.
///
/// # Errors
/// The directory cannot be listed, or not be written at all.
pub(super) fn recover(
    storage: &dyn Storage,
    observer: &dyn JournalObserver,
    loose: bool,
) -> io::Result<State> {
    let saved = insist(|| checkpoint::read(storage));
    let mut unreadable = saved.as_ref().err().map(io::Error::kind);
    let saved = saved.unwrap_or_else(|error| {
        complain(observer, "checkpoint", checkpoint::NAME, &error);
        None
    });
    let mut recovery = Recovery {
        storage,
        observer,
        uuid: [0; 16],
        told: [0; 16],
        loose,
        report: Recovered::default(),
        window: Window::lenient(WINDOW_BYTES),
    };
    let mut candidates = recovery.candidates(&mut unreadable)?;
    let headers: Vec<_> = candidates.iter().filter_map(|candidate| candidate.header).collect();
    let identity = identity(saved.as_ref(), &headers);
    if let (None, Some(kind)) = (identity, unreadable) {
        // There is a journal, and nothing can be read of it: to begin another one would lose it.
        return Err(kind.into());
    }
    recovery.uuid = identity.unwrap_or_else(|| *uuid::Uuid::new_v4().as_bytes());
    let saved = saved.filter(|saved| saved.uuid == recovery.uuid);
    recovery.told = match &saved {
        Some(saved) if !may_have_lost(saved, storage.boot()) => saved.told,
        None if headers.is_empty() => recovery.uuid,
        _ => *uuid::Uuid::new_v4().as_bytes(),
    };
    candidates.retain_mut(|candidate| recovery.belongs(candidate));
    let mut state = recovery.settle(candidates, saved.as_ref());
    recovery.keep(&mut state, saved.as_ref());
    Ok(state)
}

/// The journal whose files these are. The checkpoint's, unless no segment is of it; then that of
/// most segments, and of two the later one's.
pub(super) fn identity(saved: Option<&Checkpoint>, headers: &[SegmentHeader]) -> Option<[u8; 16]> {
    let uuids = || headers.iter().map(|header| header.uuid);
    if let Some(saved) = saved
        && (headers.is_empty() || uuids().any(|uuid| uuid == saved.uuid))
    {
        return Some(saved.uuid);
    }
    uuids().max_by_key(|one| uuids().filter(|uuid| uuid == one).count())
}

/// Whether positions may have been told whose records are lost, so that they are given to others:
/// they were not synced, and the machine was started again. A reader who takes a position for a
/// repeat would drop what is new; under another identity it does not.
fn may_have_lost(saved: &Checkpoint, boot: Option<u64>) -> bool {
    saved.loose && boot.is_none_or(|boot| boot != saved.boot)
}

struct Recovery<'a> {
    storage: &'a dyn Storage,
    observer: &'a dyn JournalObserver,
    uuid: [u8; 16],
    told: [u8; 16],
    loose: bool,
    report: Recovered,
    window: Window,
}

impl Recovery<'_> {
    /// Opens everything that has the name of a segment, in order; notes what the device refused.
    fn candidates(&mut self, unreadable: &mut Option<io::ErrorKind>) -> io::Result<Vec<Candidate>> {
        let mut candidates = Vec::new();
        let names = insist(|| self.storage.list(""))?;
        self.finish_drafts(&names)?;
        for found in insist(|| self.storage.list(""))? {
            let Some(first) = segment::first_of(&found.name) else { continue };
            let file = insist(|| self.storage.open(&found.name));
            let file =
                file.inspect_err(|error| complain(self.observer, "read", &found.name, error));
            let header = file.as_ref().map_err(io::Error::kind);
            let header = header.and_then(|file| ask_header(&**file).map_err(|error| error.kind()));
            let header = header.unwrap_or_else(|kind| {
                *unreadable = Some(kind);
                None
            });
            let file = file.ok();
            candidates.push(Candidate { found, first, file, header });
        }
        candidates.sort_unstable_by_key(|candidate| candidate.first);
        Ok(candidates)
    }

    /// Ends what a stop interrupted: copies of segments get their name, prepared segments and drafts
    /// are removed.
    fn finish_drafts(&mut self, files: &[Found]) -> io::Result<()> {
        let there = |name: &str| files.iter().find(|other| other.name == name);
        for Found { name, .. } in files {
            let copy_of = name.strip_suffix(COPY).map(|digits| format!("{digits}{ENDING}"));
            if let Some(segment) = copy_of.filter(|name| segment::first_of(name).is_some()) {
                self.finish_copy(name, &segment, there(&segment))?;
            } else if let Some(segment) = self.used_ahead(name)
                && there(&segment).is_none()
                && there(&segment.replace(ENDING, COPY)).is_none()
            {
                // It was in use, under the name it was prepared under: a rename that was not synced.
                if let Err(error) = self.storage.rename(name, &segment) {
                    complain(self.observer, "create", &segment, &error);
                }
            } else if [COPY, DRAFT].iter().any(|ending| name.ends_with(ending))
                || name.starts_with(AHEAD)
            {
                self.remove(name);
            }
        }
        Ok(())
    }

    /// Gives a copy its segment's name. It was whole and synced before it was called a copy; the
    /// segment was not, or it would not have been written again. A start without the copy would take
    /// its records for lost and give their numbers away, so a directory in which nothing can be
    /// renamed is an error; no new segment could be named there either.
    fn finish_copy(&mut self, copy: &str, segment: &str, old: Option<&Found>) -> io::Result<()> {
        if let Some(old) = old {
            let header = self.storage.open(copy).ok().and_then(|file| read_header(&*file));
            let uuid = header.map_or(self.uuid, |header| header.uuid);
            tracing::error!(segment, "segment {segment} was not synced; it goes to quarantine");
            let place = quarantine::name(segment, &uuid, "unsynced");
            // Nothing may come between the two renames; both are safe once the directory is synced.
            match insist(|| quarantine::rename(self.storage, segment, &place)) {
                // A try that reported a failure had moved it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                moved => moved?,
            }
            self.report.quarantined_bytes += old.bytes;
        }
        insist(|| self.storage.rename(copy, segment))
    }

    /// The name that a prepared segment should have because frames were written to it.
    fn used_ahead(&self, name: &str) -> Option<String> {
        let file = name.starts_with(AHEAD).then(|| self.storage.open(name).ok())??;
        read_header(&*file).map(|header| segment::name(header.first))
    }

    /// Whether a file is a segment of this journal; what is not goes to quarantine, unless it holds
    /// nothing at all.
    fn belongs(&mut self, candidate: &mut Candidate) -> bool {
        let Some(file) = &candidate.file else { return true };
        if candidate.header.is_some_and(|head| head.is_of(&self.uuid, candidate.first)) {
            return true;
        }
        // Without its header, or with that of another segment, the frames still tell whose they are:
        // their seals are made of the journal's uuid and the first position, and the name has that.
        let seal = Seal::new(&self.uuid, candidate.first);
        let span = Span::whole(candidate.first, u64::MAX, candidate.found.bytes);
        let mut walk = Walk::new(&**file, seal, span, self.fresh_window());
        let frames = !matches!(walk.next(), Ok(Step::End));
        let start = Span { at: 0, ..span };
        let mut walk = Walk::new(&**file, seal, start, walk.into_window());
        // The window is lenient: it has no errors, here and below.
        let bytes = walk.rest().unwrap_or(1);
        let unreadable = walk.holes() > 0;
        self.window = walk.into_window();
        if unreadable && !frames {
            return true;
        }
        if frames {
            tracing::warn!(
                segment = candidate.found.name,
                "the head of segment {} is damaged; its frames are there",
                candidate.found.name
            );
            candidate.header = Some(SegmentHeader {
                uuid: self.uuid,
                first: candidate.first,
                created_ms: candidate.found.changed_ms,
            });
        } else if let Some(header) = candidate.header {
            self.take(&candidate.found, &header.uuid, "foreign");
        } else if bytes == 0 {
            // Prepared, named, and never written.
            self.remove(&candidate.found.name);
        } else {
            self.take(&candidate.found, &self.uuid.clone(), "headless");
        }
        frames
    }

    /// From files to segments: finds the end, cuts what is unfinished behind it.
    fn settle(&mut self, mut candidates: Vec<Candidate>, saved: Option<&Checkpoint>) -> State {
        let mut used = saved.map_or(0, |saved| saved.confirmed.max(saved.synced));
        let mut segments = Vec::new();
        // From the end: segments without a frame are dropped until one has some.
        while let Some(candidate) = candidates.last() {
            if let Some(last) = self.last(candidate, saved) {
                segments.push(last);
                break;
            }
            // Its name says that the numbers in front of it were used.
            used = used.max(candidate.first - 1);
            candidates.pop();
        }
        for pair in candidates.windows(2).rev() {
            segments.push(sealed(&pair[0], pair[1].first));
        }
        segments.reverse();
        let found_tail = segments.last().map_or(0, |last: &Segment| last.last);
        let tail = found_tail.max(used);
        let first = segments.first().map(|segment| segment.first);
        let confirmed = self.confirmed(saved, first, tail);
        let lost = saved.map_or(0, |saved| saved.synced).saturating_sub(found_tail.max(confirmed));
        if lost > 0 {
            let (from, upto) = (found_tail.max(confirmed) + 1, found_tail.max(confirmed) + lost);
            self.report.synced_data_lost = lost;
            self.damaged(
                from,
                upto,
                "synced data is lost: the device did not keep what it promised",
            );
        }
        let there = found_tail.max(confirmed).max(saved.map_or(0, |saved| saved.synced));
        if tail > there {
            // An empty segment behind them says that they were written.
            self.report.damaged += tail - there;
            self.damaged(there + 1, tail, "records at the end were lost before they were synced");
        }
        self.report.unconfirmed = tail - confirmed;
        self.report.bytes = segments.iter().map(|segment| segment.bytes).sum();
        let generation = saved.map_or(0, |saved| saved.generation);
        let synced = saved.map_or(0, |saved| saved.synced);
        let last = Checkpoint {
            uuid: self.uuid,
            generation,
            confirmed,
            synced,
            told: self.told,
            boot: self.storage.boot().unwrap_or_default(),
            loose: self.loose,
        };
        State {
            uuid: self.uuid,
            told: self.told,
            segments,
            tail,
            confirmed,
            synced,
            checkpoint: CheckpointFile::new(last),
            unsynced: Vec::new(),
            report: std::mem::take(&mut self.report),
        }
    }

    /// What was confirmed, given the first position that is there.
    fn confirmed(&mut self, saved: Option<&Checkpoint>, first: Option<u64>, tail: u64) -> u64 {
        let there = first.map_or(tail, |first| first - 1);
        let Some(saved) = saved else { return there };
        if saved.confirmed < there {
            let missing = there - saved.confirmed;
            self.report.missing_prefix = missing;
            self.damaged(
                saved.confirmed + 1,
                there,
                "records in front of the first segment are gone",
            );
            return there;
        }
        saved.confirmed
    }

    /// Walks through the last segment and cuts it behind its last frame; `None` when it has none.
    fn last(&mut self, candidate: &Candidate, saved: Option<&Checkpoint>) -> Option<Segment> {
        let name = &candidate.found.name;
        let first = candidate.first;
        let mut segment = Segment {
            first,
            last: first - 1,
            edition: 0,
            created_ms: candidate.header.map_or(candidate.found.changed_ms, |head| head.created_ms),
            bytes: candidate.found.bytes,
            marks: Vec::new(),
            damage: Vec::new(),
        };
        let Some(file) = &candidate.file else {
            // What it holds is not known: numbers are left out rather than used twice.
            let frames = candidate.found.bytes / framed(1);
            segment.last = first.saturating_add(frames);
            return Some(segment);
        };
        let seal = Seal::new(&self.uuid, first);
        let span = Span::whole(first, u64::MAX, candidate.found.bytes);
        let mut walk = Walk::new(&**file, seal, span, self.fresh_window());
        loop {
            match walk.next() {
                Ok(Step::Frame { sequence, at, .. }) => segment.mark(sequence, at),
                Ok(Step::Damaged { from, upto }) => segment.damage.push(from..=upto),
                Ok(Step::End) | Err(_) => break,
            }
        }
        segment.last = walk.expected() - 1;
        let end = walk.at();
        let rest = walk.rest().unwrap_or(1);
        let holes = walk.holes();
        self.window = walk.into_window();
        if holes > 0 {
            // What stands there is not known, and may be readable again one day: nothing is cut, and
            // numbers are left out rather than used twice.
            let what = format!("{holes} bytes of segment {name}");
            complain(self.observer, "read", &what, &io::ErrorKind::UnexpectedEof.into());
            let frames = holes / framed(1);
            segment.last = segment.last.saturating_add(frames);
            return Some(segment);
        }
        if segment.last < first {
            self.drop_empty(candidate, rest);
            return None;
        }
        let lost = saved.is_some_and(|saved| saved.synced > segment.last);
        if !segment.damage.is_empty() || lost {
            let whole = 0..candidate.found.bytes;
            self.copy(&**file, whole, &quarantine::name(name, &self.uuid, "damaged"));
            for range in segment.damage.clone() {
                self.damaged(
                    *range.start(),
                    *range.end(),
                    "frames in the last segment are damaged",
                );
                self.report.damaged += range.end() - range.start() + 1;
            }
        }
        self.cut(candidate, end, rest);
        segment.bytes = end;
        Some(segment)
    }

    /// Removes a segment that has no frame; what stands in it besides is copied first.
    fn drop_empty(&mut self, candidate: &Candidate, rest: u64) {
        let name = &candidate.found.name;
        if rest == 0 {
            self.remove(name);
        } else {
            self.report.cut_bytes += rest;
            self.take(&candidate.found, &self.uuid.clone(), "unfinished");
        }
    }

    /// Cuts a segment behind its last frame.
    fn cut(&mut self, candidate: &Candidate, end: u64, rest: u64) {
        let Some(file) = &candidate.file else { return };
        let name = &candidate.found.name;
        if rest > 0 {
            tracing::warn!(
                segment = name,
                bytes = rest,
                "segment {name} ends with {rest} bytes of unfinished frames; they are cut"
            );
            self.report.cut_bytes += rest;
            let place = quarantine::name(name, &self.uuid, &format!("cut-{end}"));
            if !self.copy(&**file, end..end + rest, &place) {
                return;
            }
        }
        if end < candidate.found.bytes
            && let Err(error) = file.truncate(end)
        {
            complain(self.observer, "write", name, &error);
        }
    }

    /// Makes everything safe that was found, then says so in a new checkpoint.
    fn keep(&mut self, state: &mut State, saved: Option<&Checkpoint>) {
        let synced = saved.map_or(0, |saved| saved.synced);
        let last = state.segments.last().map(|segment| segment.first);
        for segment in &state.segments {
            // The last one may just have been cut.
            if segment.last <= synced && Some(segment.first) != last {
                continue;
            }
            let name = segment::name(segment.first);
            let kept = self.storage.open(&name).and_then(|file| {
                if let Some(saved) = saved {
                    write_again(&*file, segment, saved.synced)?;
                }
                file.sync()
            });
            if let Err(error) = kept {
                complain(self.observer, "sync", &name, &error);
                state.unsynced.push(segment.first);
            }
        }
        if let Err(error) = self.storage.sync_folder("") {
            complain(self.observer, "sync", "the directory", &error);
            return;
        }
        if state.unsynced.is_empty() {
            state.synced = state.tail;
        }
        let written = state.checkpoint.write(self.storage, state.confirmed, state.synced);
        if let Err(error) = written {
            complain(self.observer, "checkpoint", checkpoint::NAME, &error);
        }
    }

    fn damaged(&self, from: u64, upto: u64, what: &str) {
        tracing::error!(from, upto, "journal: {what}: records {from} to {upto}");
        self.observer.damaged(upto - from + 1);
    }

    /// Whether the copy is there.
    fn copy(&mut self, file: &dyn StoredFile, range: std::ops::Range<u64>, name: &str) -> bool {
        match quarantine::copy(self.storage, file, range, name) {
            Ok(bytes) => {
                self.report.quarantined_bytes += bytes;
                true
            }
            Err(error) => {
                complain(self.observer, "quarantine", name, &error);
                false
            }
        }
    }

    fn take(&mut self, found: &Found, uuid: &[u8; 16], reason: &'static str) {
        let name = &found.name;
        tracing::error!(
            segment = name,
            reason,
            "segment {name} is {reason}; it goes to quarantine"
        );
        match quarantine::take(self.storage, name, &quarantine::name(name, uuid, reason)) {
            Ok(()) => self.report.quarantined_bytes += found.bytes,
            Err(error) => complain(self.observer, "quarantine", name, &error),
        }
    }

    fn remove(&self, name: &str) {
        if let Err(error) = quarantine::remove_if_there(self.storage, name) {
            complain(self.observer, "delete", name, &error);
        }
    }

    fn fresh_window(&mut self) -> Window {
        std::mem::replace(&mut self.window, Window::lenient(WINDOW_BYTES))
    }
}

/// Writes what was not synced to where it stands. When a sync failed under the process before this
/// one, its pages count as clean although the disk does not have them, and a sync alone would lie.
/// Without a checkpoint this is not done: it might be the whole backlog.
fn write_again(file: &dyn StoredFile, segment: &Segment, synced: u64) -> io::Result<()> {
    let mut at = segment.place(synced + 1).map_or(0, |(_, at)| at);
    let mut piece = vec![0; PIECE_BYTES];
    while at < segment.bytes {
        let want = usize::try_from(segment.bytes - at).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let read = file.read_at(&mut piece[..want], at)?;
        if read == 0 {
            break;
        }
        quarantine::write_all(file, &piece[..read], at)?;
        at += read as u64;
    }
    Ok(())
}

/// A segment that another one follows.
fn sealed(candidate: &Candidate, next: u64) -> Segment {
    let created_ms = candidate.header.map_or(candidate.found.changed_ms, |head| head.created_ms);
    Segment {
        first: candidate.first,
        last: next - 1,
        edition: 0,
        created_ms,
        bytes: candidate.found.bytes,
        marks: Vec::new(),
        damage: Vec::new(),
    }
}

/// The header of a segment, if it can be read and is valid.
pub(super) fn read_header(file: &dyn StoredFile) -> Option<SegmentHeader> {
    ask_header(file).ok().flatten()
}

/// The header of a segment, if it is valid.
fn ask_header(file: &dyn StoredFile) -> io::Result<Option<SegmentHeader>> {
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    let mut filled = 0;
    while filled < bytes.len() {
        match insist(|| file.read_at(&mut bytes[filled..], filled as u64))? {
            0 => return Ok(None),
            read => filled += read,
        }
    }
    Ok(SegmentHeader::decode(&bytes))
}

/// Asks a device that may have a hiccup.
pub(super) fn insist<T>(mut ask: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut tries = 1;
    loop {
        match ask() {
            Err(error) if tries < TRIES && error.kind() != io::ErrorKind::NotFound => {
                tries += 1;
                std::thread::sleep(TRY_PAUSE);
            }
            answer => return answer,
        }
    }
}

/// Counts and logs a failure of the device.
pub(super) fn complain(
    observer: &dyn JournalObserver,
    operation: &'static str,
    what: &str,
    error: &io::Error,
) {
    observer.error(operation);
    tracing::error!(operation, %error, "journal: {operation} of {what} failed: {error}");
}
