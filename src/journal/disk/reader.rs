//! Reads the log back, for the shipper.
//!
//! In: a position. Out: a chunk of records from there on, checked and stripped of their frames; or
//! what cannot be read. What always holds: what is called damaged was copied to quarantine before, or
//! moved there when the device does not open it, unless its file is gone; a device that fails is asked
//! for ten seconds before its answer counts as damage; a device that takes neither copy nor move, a
//! file that we may not open (its rights were changed), and having too many files open hold everything
//! up instead; memory does not grow with the backlog.

use super::frame::Seal;
use super::quarantine;
use super::segment::{self, Span, Step, Walk, Window};
use super::segments::{Place, Segment};
use super::shared::Shared;
use crate::journal::storage::StoredFile;
use crate::journal::{Chunk, Read, Sequence};
use crate::record::Batch;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Bytes that are read at a time, and about the size of a chunk.
const CHUNK_BYTES: usize = 1 << 20;
/// Chunks that are kept: the shipper looks again at one that it has just left.
const CHUNKS_KEPT: usize = 3;
/// How often a device that fails is asked for the same position, and the rest in between.
const TRIES: u32 = 50;
const TRY_PAUSE: Duration = Duration::from_millis(200);
/// The raw error of a device that fails.
const EIO: i32 = 5;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Reader {
    window: Option<Window>,
    /// The file at hand: first position and edition of its segment.
    open: Option<(u64, u32, Arc<dyn StoredFile>)>,
    /// The position behind the last chunk, and where it stands in the file at hand.
    next: Option<(u64, u64)>,
    recent: VecDeque<Arc<Chunk>>,
    spare: Vec<Vec<u8>>,
    /// Failures in a row that tell of the file.
    failures: u32,
    /// Failures in a row of any kind.
    complaints: u32,
}

/// What one look into a segment found.
enum Look {
    Chunk {
        first: u64,
        batch: Batch,
        appended_ms: i64,
    },
    Damaged {
        from: u64,
        upto: u64,
    },
    /// There is no file to look into, or it cannot be opened.
    Gone,
}

impl Reader {
    pub(super) const fn new() -> Self {
        Self {
            window: None,
            open: None,
            next: None,
            recent: VecDeque::new(),
            spare: Vec::new(),
            failures: 0,
            complaints: 0,
        }
    }

    /// What stands at a position.
    pub(super) fn read(&mut self, shared: &Shared, from: u64) -> Read {
        let written = shared.written();
        if from > written {
            return Read::Nothing;
        }
        // The last slice of a large batch may not be told yet: what is confirmed above `written` is
        // confirmed for nobody. Until then the files have the slices in front of it.
        let told = |chunk: &Arc<Chunk>| chunk.last().0 <= written;
        if let Some(chunk) = shared.tail.lock().at(from).filter(told) {
            return Read::Chunk(chunk);
        }
        let holds = |chunk: &&Arc<Chunk>| chunk.first.0 <= from && from <= chunk.last().0;
        if let Some(chunk) = self.recent.iter().find(holds) {
            return Read::Chunk(Arc::clone(chunk));
        }
        let mut segment = match shared.segments.lock().place(from) {
            Place::In(segment) => segment.clone(),
            // Counted when the journal was opened.
            Place::Before(next) => {
                let upto = next.map_or(written, |next| next - 1);
                return Read::Damaged { upto: Sequence(upto) };
            }
        };
        if let Some(range) = segment.damage.iter().find(|range| range.contains(&from)) {
            return Read::Damaged { upto: Sequence(*range.end()) };
        }
        segment.last = segment.last.min(written);
        match self.look(shared, &segment, from) {
            Ok(Look::Chunk { first, batch, appended_ms }) => {
                (self.failures, self.complaints) = (0, 0);
                let appended_at = shared.instant(appended_ms);
                shared.refine_age(first, appended_at);
                let chunk = Arc::new(Chunk { first: Sequence(first), batch, appended_at });
                self.remember(Arc::clone(&chunk));
                Read::Chunk(chunk)
            }
            Ok(Look::Damaged { from, upto }) => {
                if let Err(error) = self.copy(shared, &segment) {
                    shared.complain("quarantine", &segment::name(segment.first), &error);
                    std::thread::sleep(TRY_PAUSE);
                    return Read::Nothing;
                }
                self.damaged(shared, segment.first, from, upto)
            }
            Ok(Look::Gone) => self.damaged(shared, segment.first, from, segment.last),
            Err(error) => {
                self.failures += u32::from(tells_of_the_file(&error));
                self.complaints += 1;
                // Asked five times a second: not each time is worth a line.
                if self.complaints.is_power_of_two() {
                    shared.complain("read", &segment::name(segment.first), &error);
                } else {
                    shared.observer.error("read");
                }
                (self.open, self.next) = (None, None);
                std::thread::sleep(TRY_PAUSE);
                Read::Nothing
            }
        }
    }

    fn look(&mut self, shared: &Shared, segment: &Segment, from: u64) -> io::Result<Look> {
        let lenient = self.failures >= TRIES;
        let file = match self.file(shared, segment) {
            Err(error) if lenient && is_lost(shared, segment, &error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    move_away(shared, segment)?;
                }
                return Ok(Look::Gone);
            }
            opened => opened?,
        };
        let start = self.next.filter(|(next, _)| *next == from);
        let start = start.or_else(|| segment.place(from));
        let mut span = Span::whole(segment.first, segment.last + 1, segment.bytes);
        if let Some((sequence, at)) = start {
            (span.expected, span.at) = (sequence, at);
        }
        let window = if lenient { Window::lenient(CHUNK_BYTES) } else { Window::new(CHUNK_BYTES) };
        let window = if lenient { window } else { self.window.take().unwrap_or(window) };
        let seal = Seal::new(&shared.uuid, segment.first);
        let mut walk = Walk::new(&*file, seal, span, window);
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        let looked = fill(&mut walk, segment, from, &mut buffer);
        self.next = Some((walk.expected(), walk.at()));
        if !lenient {
            self.window = Some(walk.into_window());
        }
        let (found, end) = looked?;
        match found {
            Found::Records { first, records, ms } => {
                self.next = Some(end);
                let batch = Batch::from_parts(buffer, records);
                let appended_ms = segment.created_ms.saturating_add(i64::from(ms));
                Ok(Look::Chunk { first, batch, appended_ms })
            }
            Found::Damage { from, upto } => {
                self.spare.push(buffer);
                Ok(Look::Damaged { from, upto })
            }
        }
    }

    /// The file of a segment, opened when it is another one than last time.
    fn file(&mut self, shared: &Shared, segment: &Segment) -> io::Result<Arc<dyn StoredFile>> {
        if let Some((first, edition, file)) = &self.open
            && (*first, *edition) == (segment.first, segment.edition)
        {
            return Ok(Arc::clone(file));
        }
        (self.open, self.next) = (None, None);
        let file = shared.storage.open(&segment::name(segment.first))?;
        self.open = Some((segment.first, segment.edition, Arc::clone(&file)));
        Ok(file)
    }

    /// Puts a copy of a segment into quarantine, once.
    fn copy(&mut self, shared: &Shared, segment: &Segment) -> io::Result<()> {
        let place = quarantine::name(&segment::name(segment.first), &shared.uuid, "damaged");
        let file = self.file(shared, segment)?;
        let bytes = file.bytes()?;
        quarantine::copy(&*shared.storage, &*file, 0..bytes, &place)?;
        shared.observe_quarantine();
        Ok(())
    }

    /// Counts damage that is new, and remembers it.
    fn damaged(&mut self, shared: &Shared, first: u64, from: u64, upto: u64) -> Read {
        shared.count_damaged(from, upto);
        if let Some(segment) = shared.segments.lock().get_mut(first) {
            segment.damage.push(from..=upto);
        }
        (self.failures, self.complaints) = (0, 0);
        Read::Damaged { upto: Sequence(upto) }
    }

    /// Keeps a chunk for a while; takes back the memory of one that nobody holds any more.
    fn remember(&mut self, chunk: Arc<Chunk>) {
        self.recent.push_back(chunk);
        if self.recent.len() > CHUNKS_KEPT
            && let Some(old) = self.recent.pop_front()
            && let Ok(old) = Arc::try_unwrap(old)
        {
            let buffer = old.batch.into_bytes();
            if self.spare.len() < CHUNKS_KEPT && buffer.capacity() <= 2 * CHUNK_BYTES {
                self.spare.push(buffer);
            }
        }
    }
}

/// Whether a segment that was not opened is lost. One that waits to be written again has a copy.
fn is_lost(shared: &Shared, segment: &Segment, error: &io::Error) -> bool {
    tells_of_the_file(error) && !shared.desk.lock().failed.contains(&segment.first)
}

/// Whether asking for it often enough makes an error that of the file, and not of who asks: no
/// descriptors, memory or rights may be there tomorrow.
fn tells_of_the_file(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(EIO)
}

/// Moves a segment that the device does not open into quarantine, where nobody deletes it: it may be
/// whole, and readable another day. A device that does not take even that is waited for.
fn move_away(shared: &Shared, segment: &Segment) -> io::Result<()> {
    let _surgery = shared.surgery.lock();
    let name = segment::name(segment.first);
    let place = quarantine::name(&name, &shared.uuid, "unopened");
    quarantine::rename(&*shared.storage, &name, &place)?;
    // The keeper makes both names safe.
    shared.desk.lock().names_dirty = true;
    shared.observe_quarantine();
    Ok(())
}

/// What stands at a position of a segment.
enum Found {
    Records { first: u64, records: u32, ms: u32 },
    Damage { from: u64, upto: u64 },
}

/// Copies records from a position on into a buffer, until it is full, the segment ends or damage
/// is met; also the position behind them and its offset.
fn fill(
    walk: &mut Walk<'_>,
    segment: &Segment,
    from: u64,
    buffer: &mut Vec<u8>,
) -> io::Result<(Found, (u64, u64))> {
    let (mut first, mut records, mut first_ms) = (0, 0, 0);
    let mut end = (walk.expected(), walk.at());
    let damage = loop {
        match walk.next()? {
            Step::Frame { sequence, .. } if sequence < from => {}
            Step::Frame { sequence, ms, record, .. } => {
                if records == 0 {
                    (first, first_ms) = (sequence, ms);
                }
                records += 1;
                buffer.extend_from_slice(record);
            }
            Step::Damaged { upto, .. } if upto < from => {}
            Step::Damaged { from, upto } => break Some((from, upto)),
            Step::End => {
                break (walk.expected() <= segment.last).then_some((walk.expected(), segment.last));
            }
        }
        end = (walk.expected(), walk.at());
        if buffer.len() >= CHUNK_BYTES {
            break None;
        }
    };
    let found = match damage {
        Some((lost, upto)) if records == 0 => Found::Damage { from: lost.max(from), upto },
        _ => Found::Records { first, records, ms: first_ms },
    };
    Ok((found, end))
}
