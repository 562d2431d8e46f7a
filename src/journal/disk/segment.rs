//! Names of segments, and the way through the frames of one.
//!
//! In: an open file, its seal, the positions that are expected in it. Out: [`Step`] by step its
//! records, what is unreadable between them, and where it ends. What always holds: a frame is given
//! only when both its checksums are right and its position is the next one or follows a gap that
//! was told; the walk ends, in time proportional to the file; memory is bounded by the window and
//! the largest record that the file can hold.

use super::frame::{
    ALIGNMENT, FRAME_HEADER_BYTES, FrameHeader, SEGMENT_HEADER_BYTES, Seal, u32_at,
};
use super::recover::insist;
use crate::journal::storage::StoredFile;
use std::io;

/// Behind the digits of a segment's name.
pub(super) const ENDING: &str = ".seg";
/// The same for a copy that is to take a segment's place.
pub(super) const COPY: &str = ".new";
/// Behind the name of a file that is not finished.
pub(super) const DRAFT: &str = ".tmp";
/// In front of the name of a segment that was prepared.
pub(super) const AHEAD: &str = "ahead-";
const DIGITS: usize = 20;
/// What a device loses at a time; unreadable stretches are narrowed down to this.
const PAGE_BYTES: usize = 4096;
/// Bytes that cannot be read up to which each page is asked for again.
const PATIENT_BYTES: u64 = 64 * 1024;
/// A page of nothing, to compare with.
const NO_BYTES: [u8; PAGE_BYTES] = [0; PAGE_BYTES];

/// Name of the file of the segment that begins at `first`.
pub(super) fn name(first: u64) -> String {
    format!("{first:020}{ENDING}")
}

/// The first position of a segment by its file's name, 1 or above.
pub(super) fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(ENDING)?;
    let plain = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|first| plain && *first > 0)
}

/// Where a walk begins and how far it may go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// Offset of the first frame to look at.
    pub(super) at: u64,
    /// Position that is expected there.
    pub(super) expected: u64,
    /// The position at which another segment begins; frames from there on are not looked at.
    pub(super) before: u64,
    /// Bytes of the file that may be looked at.
    pub(super) bytes: u64,
}

impl Span {
    /// A whole segment.
    pub(super) const fn whole(first: u64, before: u64, bytes: u64) -> Self {
        Self { at: SEGMENT_HEADER_BYTES as u64, expected: first, before, bytes }
    }
}

/// What a walk meets next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// A record.
    Frame {
        sequence: u64,
        ms: u32,
        /// Where its frame begins.
        at: u64,
        record: &'a [u8],
    },
    /// Records from one position up to another cannot be read; a readable one follows.
    Damaged { from: u64, upto: u64 },
    /// No readable frame follows; [`Walk::at`] and [`Walk::expected`] say where the last one ended.
    End,
}

/// A walk through the frames of a segment.
#[derive(Debug)]
pub(super) struct Walk<'f> {
    file: &'f dyn StoredFile,
    seal: Seal,
    at: u64,
    expected: u64,
    before: u64,
    bytes: u64,
    window: Window,
}

impl<'f> Walk<'f> {
    pub(super) fn new(file: &'f dyn StoredFile, seal: Seal, span: Span, window: Window) -> Self {
        let Span { at, expected, before, bytes } = span;
        Self { file, seal, at, expected, before, bytes, window: window.over_nothing() }
    }

    /// Offset behind the last frame that was given, or, after damage, of the one that follows.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    /// The position that is expected next.
    pub(super) const fn expected(&self) -> u64 {
        self.expected
    }

    /// Bytes that could not be read so far and were taken for zeroes; at least that many.
    pub(super) const fn holes(&self) -> u64 {
        self.window.holes
    }

    /// The buffer, for another walk.
    pub(super) fn into_window(self) -> Window {
        self.window
    }

    /// # Errors
    /// The device; the walk stands where it stood.
    pub(super) fn next(&mut self) -> io::Result<Step<'_>> {
        if self.expected >= self.before {
            return Ok(Step::End);
        }
        let at = self.at;
        match self.frame(at)? {
            Some(header) if header.sequence == self.expected => {
                self.at += header.framed();
                self.expected += 1;
                let (sequence, ms) = (header.sequence, header.ms);
                let record = self.window.record(at, &header);
                Ok(Step::Frame { sequence, ms, at, record })
            }
            // A frame stands here, but others are missing in front of it.
            Some(header) if (self.expected..self.before).contains(&header.sequence) => {
                let from = std::mem::replace(&mut self.expected, header.sequence);
                Ok(Step::Damaged { from, upto: header.sequence - 1 })
            }
            _ => match self.find()? {
                Some((found, sequence)) => {
                    let from = self.expected;
                    self.at = found;
                    self.expected = sequence;
                    if sequence == from {
                        return self.next();
                    }
                    Ok(Step::Damaged { from, upto: sequence - 1 })
                }
                None => Ok(Step::End),
            },
        }
    }

    /// Counts the bytes behind the last frame up to the last one that is not zero.
    ///
    /// # Errors
    /// The device.
    pub(super) fn rest(&mut self) -> io::Result<u64> {
        let (mut at, mut end) = (self.at, self.at);
        while at < self.bytes {
            let bytes = self.window.some(self.file, at, 1, self.bytes)?;
            if bytes.is_empty() {
                break;
            }
            if !is_zero(bytes) {
                let last = bytes.iter().rposition(|byte| *byte != 0).unwrap_or_default();
                end = at + last as u64 + 1;
            }
            at += bytes.len() as u64;
        }
        Ok(end - self.at)
    }

    /// The header of a whole and valid frame at an offset; its record is in the window then.
    fn frame(&mut self, at: u64) -> io::Result<Option<FrameHeader>> {
        let Some(header) = self.header(at)? else { return Ok(None) };
        let need = FRAME_HEADER_BYTES + header.length as usize;
        let bytes = self.window.some(self.file, at, need, self.bytes)?;
        let whole = bytes.get(FRAME_HEADER_BYTES..need);
        Ok(whole.is_some_and(|record| header.holds(record)).then_some(header))
    }

    /// A valid header at an offset, whose record fits into the file.
    fn header(&mut self, at: u64) -> io::Result<Option<FrameHeader>> {
        let bytes = self.window.some(self.file, at, FRAME_HEADER_BYTES, self.bytes)?;
        let header = self.seal.header(bytes);
        Ok(header.filter(|header| self.fits(at, header.length)))
    }

    /// Whether a record of that length can stand in the file. Asked before anything is allocated.
    const fn fits(&self, at: u64, length: u32) -> bool {
        length > 0 && at + FRAME_HEADER_BYTES as u64 + length as u64 <= self.bytes
    }

    /// Offset and position of the next whole and valid frame of this segment.
    fn find(&mut self) -> io::Result<Option<(u64, u64)>> {
        let mut at = self.at;
        // A good header in front of a bad record says where the next frame is.
        if let Some(header) = self.header(at)? {
            at += header.framed();
        } else {
            at += ALIGNMENT as u64;
        }
        while at + FRAME_HEADER_BYTES as u64 <= self.bytes {
            let seen = self.window.some(self.file, at, PAGE_BYTES, self.bytes)?;
            if seen.len() < FRAME_HEADER_BYTES {
                return Ok(None);
            }
            if seen.len() >= PAGE_BYTES && is_zero(&seen[..PAGE_BYTES]) {
                // The last bytes may belong to a header that begins in the next page's: none does,
                // for a header begins with a length, which is not zero.
                at += PAGE_BYTES as u64;
                continue;
            }
            let length = u32_at(seen, 0);
            let header = if self.fits(at, length) { self.header(at)? } else { None };
            let Some(header) = header else {
                at += ALIGNMENT as u64;
                continue;
            };
            let due = (self.expected..self.before).contains(&header.sequence);
            if due && self.frame(at)?.is_some() {
                return Ok(Some((at, header.sequence)));
            }
            at += header.framed();
        }
        Ok(None)
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(PAGE_BYTES).all(|chunk| chunk == &NO_BYTES[..chunk.len()])
}

/// The part of a file that is in memory.
#[derive(Debug)]
pub(super) struct Window {
    bytes: Vec<u8>,
    /// Offset of the first byte in the file.
    base: u64,
    /// Bytes that are valid.
    filled: usize,
    /// Bytes that are read at a time.
    step: usize,
    /// Pages that cannot be read are taken for zeroes instead of an error.
    lenient: bool,
    /// Bytes of such pages, those that were read again included.
    holes: u64,
}

impl Window {
    pub(super) const fn new(step: usize) -> Self {
        Self { bytes: Vec::new(), base: 0, filled: 0, step, lenient: false, holes: 0 }
    }

    /// One that takes pages for zeroes that cannot be read.
    pub(super) const fn lenient(step: usize) -> Self {
        Self { bytes: Vec::new(), base: 0, filled: 0, step, lenient: true, holes: 0 }
    }

    /// The same for another file: its memory, not its bytes. What one large record made it grow to
    /// is given back.
    fn over_nothing(mut self) -> Self {
        if self.bytes.len() > 2 * self.step {
            self.bytes = Vec::new();
        }
        (self.filled, self.holes) = (0, 0);
        self
    }

    /// The bytes from an offset on: at least `need`, unless the file or the `limit` ends before.
    fn some(
        &mut self,
        file: &dyn StoredFile,
        at: u64,
        need: usize,
        limit: u64,
    ) -> io::Result<&[u8]> {
        let here = at.checked_sub(self.base).and_then(|skip| usize::try_from(skip).ok());
        let need = need.min(usize::try_from(limit.saturating_sub(at)).unwrap_or(usize::MAX));
        if let Some(skip) = here
            && skip + need <= self.filled
        {
            return Ok(&self.bytes[skip..self.filled]);
        }
        let left = usize::try_from(limit.saturating_sub(at)).unwrap_or(usize::MAX);
        let want = need.max(self.step).min(left);
        if self.bytes.len() < want {
            self.bytes.resize(want, 0);
        }
        (self.base, self.filled) = (at, 0);
        while self.filled < want {
            match file.read_at(&mut self.bytes[self.filled..want], at + self.filled as u64) {
                Ok(0) => break,
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) if self.lenient => self.pages(file, want),
                Err(error) => {
                    self.filled = 0;
                    return Err(error);
                }
            }
        }
        Ok(&self.bytes[..self.filled])
    }

    /// Reads one more page at most; one that cannot be read becomes zeroes. The first few are asked
    /// for with patience: a hiccup must not look like damage, and a dead device must not take hours.
    fn pages(&mut self, file: &dyn StoredFile, want: usize) {
        let end = (self.filled + PAGE_BYTES).min(want);
        let page = &mut self.bytes[self.filled..end];
        let at = self.base + self.filled as u64;
        let patient = self.holes < PATIENT_BYTES;
        let read = if patient { insist(|| file.read_at(page, at)) } else { file.read_at(page, at) };
        match read {
            Ok(0) => {
                // The file is shorter than it was.
                self.bytes[self.filled..want].fill(0);
                self.filled = want;
                return;
            }
            Ok(read) => {
                self.filled += read;
                return;
            }
            Err(_) => {}
        }
        page.fill(0);
        self.holes += (end - self.filled) as u64;
        self.filled = end;
    }

    /// The record of a frame that was found whole.
    fn record(&self, at: u64, header: &FrameHeader) -> &[u8] {
        let skip = usize::try_from(at - self.base).expect("it is in the window");
        &self.bytes[skip + FRAME_HEADER_BYTES..][..header.length as usize]
    }
}

/// Length of the first of some records that a batch wrote; `None` at their end.
pub(super) fn record_bytes(records: &[u8]) -> Option<usize> {
    let behind = u32_at(records.get(..4)?, 0) as usize;
    Some((4 + behind).min(records.len()))
}
