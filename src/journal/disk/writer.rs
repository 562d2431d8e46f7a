//! The journal's thread: everything that is appended goes through it to the disk.
//!
//! In: what waits in the queue. Out: frames in segments, positions published. What always holds:
//! nothing is written behind a frame that is not whole; at level `fsync` a position is published
//! only when a sync that covers it succeeded; a record that was handed over stays in this thread's
//! hands until it is written, however often that fails, with its number.

use super::frame::{FRAME_HEADER_BYTES, SEGMENT_HEADER_BYTES, Seal, SegmentHeader, framed};
use super::quarantine::{remove_if_there, write_all};
use super::queue::Work;
use super::segment::{self, AHEAD, record_bytes};
use super::segments::Segment;
use super::shared::{Ended, OpenFile, Prepared, Shared};
use super::{asides, rewrite};
use crate::clock;
use crate::journal::storage::{Space, StoredFile};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Frames written at a time: enough to make a call cheap, little enough to stay in the cache.
const SLICE_BYTES: usize = 1 << 20;
/// Unsynced bytes that make the keeper sync before its time; ingest.md 6 promises no more.
pub(super) const UNSYNCED_BYTES_MAX: u64 = 4 << 20;
/// How long a device that fails is left alone.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// How long a segment whose sync failed waits for the next try to write it again.
const REWRITE_PAUSE: Duration = Duration::from_secs(1);
const REWRITE_PAUSE_MAX: Duration = Duration::from_secs(32);

/// The segment that is written to.
#[derive(Debug)]
struct Active {
    file: Arc<dyn StoredFile>,
    first: u64,
    header: SegmentHeader,
    seal: Seal,
    /// Where the next frame goes; 0 before the header is written.
    end: u64,
}

/// A write or a sync failed; it was counted and logged, the segment at hand is given up.
#[derive(Debug, Clone, Copy)]
struct Failed;

/// A place in a [`Work`].
#[derive(Debug, Clone, Copy)]
struct Cursor {
    at: usize,
    sequence: u64,
    run: usize,
}

/// How far a slice came.
#[derive(Debug, Clone, Copy)]
struct Slice {
    cursor: Cursor,
    /// Bytes of records and of their frames.
    records: u64,
    frames: u64,
    /// When its first record was appended.
    at_ms: i64,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    active: Option<Active>,
    /// Frames of the slice at hand.
    frames: Vec<u8>,
    /// Failures since the last success.
    failures: u32,
    rewrite_at: Option<Instant>,
    rewrite_pause: Duration,
}

impl Writer {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            active: None,
            frames: Vec::new(),
            failures: 0,
            rewrite_at: None,
            rewrite_pause: REWRITE_PAUSE,
        }
    }

    /// Writes until the log is closed and nothing waits.
    pub(super) fn run(mut self) {
        let mut work = Work::default();
        while self.take(&mut work) {
            for aside in work.asides.drain(..) {
                asides::put(&self.shared, &aside);
            }
            if !self.write(&mut work) {
                break;
            }
            work.clear();
            self.rewrite_failed();
        }
        if let Some(active) = self.active.take() {
            self.retire(&active);
        }
        // Segments whose sync failed do not wait for their time: a stop leaves everything synced.
        self.rewrite_at = None;
        self.rewrite_failed();
        self.shared.desk.lock().ended = Ended::Writer;
        self.shared.desk_changed.notify_all();
    }

    /// Waits for work; `false` when there will be none. There may be nothing in it.
    fn take(&self, work: &mut Work) -> bool {
        let mut queue = self.shared.queue.lock();
        loop {
            if queue.take(work, clock::now()) {
                return true;
            }
            if queue.closing_since.is_some() {
                return false;
            }
            queue.sleeping = true;
            let slept = self.shared.work.wait_for(&mut queue, REWRITE_PAUSE);
            queue.sleeping = false;
            if slept.timed_out() {
                // Segments that are to be written again are looked at in between.
                return true;
            }
        }
    }

    /// Writes all of a work, however long it takes; `false` when a stop came in between.
    fn write(&mut self, work: &mut Work) -> bool {
        if work.bytes.is_empty() {
            // Files that were put aside, or only the time to look after failed segments.
            self.shared.queue.lock().busy_since = None;
            return true;
        }
        let mut cursor = Cursor { at: 0, sequence: work.first, run: 0 };
        loop {
            let done = self.write_from(work, &mut cursor);
            if done.is_ok() && self.finish(work, cursor).is_ok() {
                break;
            }
            self.failures += 1;
            cursor = self.rewound(work, cursor);
            self.rewrite_failed();
            if self.failures > 1 && !self.rest() {
                return false;
            }
        }
        self.succeeded();
        self.shared.queue.lock().busy_since = None;
        true
    }

    /// Writes what follows the cursor, slice by slice.
    fn write_from(&mut self, work: &mut Work, cursor: &mut Cursor) -> Result<(), Failed> {
        let fsync = self.shared.is_fsync();
        while cursor.at < work.bytes.len() {
            let slice = self.write_slice(work, *cursor)?;
            *cursor = slice.cursor;
            let more = cursor.at < work.bytes.len();
            if !more && !fsync {
                self.hand_over(work, *cursor);
            }
            self.publish(&slice, more);
        }
        Ok(())
    }

    /// At level `fsync`: makes all of a work safe and tells it.
    fn finish(&mut self, work: &mut Work, cursor: Cursor) -> Result<(), Failed> {
        let upto = cursor.sequence - 1;
        if self.sync(upto)? {
            let at_ms = work.appended_ms();
            self.hand_over(work, cursor);
            self.shared.publish(upto, at_ms);
        }
        Ok(())
    }

    /// Leaves the records of a work, all of which are written, to the shipper.
    fn hand_over(&self, work: &mut Work, cursor: Cursor) {
        let records = u32::try_from(cursor.sequence - work.first).expect("memory holds fewer");
        let appended_at = self.shared.instant(work.appended_ms());
        let bytes = std::mem::take(&mut work.bytes);
        work.bytes = self.shared.tail.lock().push(work.first, records, bytes, appended_at);
    }

    /// Writes the next slice into the segment at hand, or, if it does not fit, into the next one.
    fn write_slice(&mut self, work: &Work, cursor: Cursor) -> Result<Slice, Failed> {
        let next = record_bytes(&work.bytes[cursor.at..]).expect("a batch holds whole records");
        let at_ms = work.runs[cursor.run].at_ms;
        let has_room = |active: &Active| active.has_room(active.end, next, at_ms, &self.shared);
        if self.active.as_ref().is_some_and(|active| !has_room(active)) {
            // No record of the next one is answered before this one is safe.
            self.sync_through(work, cursor)?;
            self.retire_active();
        }
        if self.active.is_none() {
            self.active = Some(self.open(cursor.sequence, at_ms)?);
        }
        let active = self.active.as_mut().expect("it was just opened");
        let slice = seal(&self.shared, active, &mut self.frames, work, cursor);
        let started = clock::now();
        if let Err(error) = write_all(&*active.file, &self.frames, active.end) {
            self.shared.complain("write", &segment::name(active.first), &error);
            self.abandon(work, cursor);
            return Err(Failed);
        }
        self.shared.observer.written(started.elapsed().as_secs_f64());
        let place = active.end.max(SEGMENT_HEADER_BYTES as u64);
        active.end += self.frames.len() as u64;
        self.shelve(cursor.sequence, place, slice.cursor.sequence - 1);
        if self.frames.capacity() > 2 * SLICE_BYTES {
            self.frames = Vec::new();
        }
        Ok(slice)
    }

    /// Notes in the list of segments what was written.
    fn shelve(&self, first: u64, at: u64, last: u64) {
        let active = self.active.as_ref().expect("it was just written to");
        let mut segments = self.shared.segments.lock();
        let is_new = segments.last_mut().is_none_or(|segment| segment.first != active.first);
        if is_new {
            segments.push(Segment {
                first: active.first,
                last,
                edition: 0,
                created_ms: active.header.created_ms,
                bytes: 0,
                marks: Vec::new(),
                damage: Vec::new(),
            });
        }
        let segment = segments.last_mut().expect("it is there or was just added");
        segment.mark(first, at);
        (segment.last, segment.bytes) = (last, active.end);
        drop(segments);
        if is_new {
            self.shared.queue.lock().hold(SEGMENT_HEADER_BYTES as u64);
        }
    }

    /// Tells what was written; at level `fsync` its sync tells it.
    fn publish(&mut self, slice: &Slice, more: bool) {
        let fsync = self.shared.is_fsync();
        let mut queue = self.shared.queue.lock();
        let room = queue.wrote(slice.records, slice.frames);
        if more && !fsync {
            queue.busy_since = Some(clock::now());
        }
        drop(queue);
        if room {
            self.shared.tell_room();
        }
        if fsync {
            return;
        }
        self.succeeded();
        self.shared.publish(slice.cursor.sequence - 1, slice.at_ms);
        let mut desk = self.shared.desk.lock();
        desk.unsynced_bytes += slice.frames;
        let wake = desk.unsynced_bytes >= UNSYNCED_BYTES_MAX && !desk.woken;
        desk.woken |= wake;
        drop(desk);
        if wake {
            self.shared.desk_changed.notify_all();
        }
    }

    /// At level `fsync`: syncs the segment at hand and tells what stands before the cursor.
    fn sync_through(&mut self, work: &Work, cursor: Cursor) -> Result<(), Failed> {
        let upto = cursor.sequence - 1;
        if self.sync(upto)? {
            self.shared.publish(upto, work.appended_ms());
        }
        Ok(())
    }

    /// At level `fsync`: syncs the segment at hand; whether that was needed.
    fn sync(&mut self, upto: u64) -> Result<bool, Failed> {
        if !self.shared.is_fsync() || upto <= self.shared.synced.load(Ordering::SeqCst) {
            return Ok(false);
        }
        let Some(active) = &self.active else { return Ok(false) };
        let started = clock::now();
        if let Err(error) = active.file.sync() {
            self.shared.complain("sync", &segment::name(active.first), &error);
            self.latch();
            return Err(Failed);
        }
        self.shared.observer.synced(started.elapsed().as_secs_f64());
        self.shared.synced.store(upto, Ordering::SeqCst);
        Ok(true)
    }

    /// Gives up the segment at hand, whose sync failed: nothing is known of what was not synced
    /// before, and it must not be asked again. What was is written again elsewhere.
    fn latch(&mut self) {
        let Some(active) = self.active.take() else { return };
        let synced = self.shared.synced.load(Ordering::SeqCst);
        let mut segments = self.shared.segments.lock();
        if let Some(segment) = segments.last_mut().filter(|last| last.first == active.first) {
            segment.last = segment.last.min(synced);
            if segment.last < segment.first {
                segments.pop();
            }
        }
        let held = segments.bytes();
        let kept = segments.get(active.first).is_some();
        drop(segments);
        self.shared.queue.lock().set_held(held);
        if kept {
            self.shared.desk.lock().failed.push(active.first);
        } else {
            self.drop_file(active.first);
        }
    }

    /// Gives up the segment at hand, whose write failed: it ends behind its last whole frame.
    fn abandon(&mut self, work: &Work, cursor: Cursor) {
        let Some(active) = &self.active else { return };
        let (first, end) = (active.first, active.end);
        if end == 0 {
            self.active = None;
            self.drop_file(first);
            return;
        }
        if let Err(error) = active.file.truncate(end) {
            // What stands behind is not looked at: the next segment begins with its position.
            self.shared.complain("write", &segment::name(first), &error);
        }
        if self.sync_through(work, cursor).is_ok() {
            self.retire_active();
        }
    }

    /// Removes a segment that holds nothing; where that fails, the next one takes its name.
    fn drop_file(&self, first: u64) {
        if let Err(error) = remove_if_there(&*self.shared.storage, &segment::name(first)) {
            self.shared.complain("delete", &segment::name(first), &error);
        }
        self.shared.desk.lock().open.retain(|open| open.first != first);
    }

    /// Where to go on after a failure: at level `fsync` behind what is synced.
    fn rewound(&self, work: &Work, cursor: Cursor) -> Cursor {
        let next = self.shared.synced.load(Ordering::SeqCst) + 1;
        if !self.shared.is_fsync() || next >= cursor.sequence {
            return cursor;
        }
        let mut to = Cursor { at: 0, sequence: work.first, run: 0 };
        while to.sequence < next {
            to.step(work);
        }
        let (mut at, mut frames) = (to, 0);
        while at.sequence < cursor.sequence {
            frames += framed(at.step(work));
        }
        self.shared.queue.lock().unwrote((cursor.at - to.at) as u64, frames);
        to
    }

    fn retire_active(&mut self) {
        if let Some(active) = self.active.take() {
            self.retire(&active);
        }
    }

    /// Hands a segment to the keeper, who cuts it behind its frames and syncs it.
    fn retire(&self, active: &Active) {
        let mut desk = self.shared.desk.lock();
        desk.open.retain(|open| open.first != active.first);
        if desk.failed.contains(&active.first) {
            // Its sync failed in the meantime: it must not be asked again.
            return;
        }
        let (first, file) = (active.first, Arc::clone(&active.file));
        desk.open.push_back(OpenFile { first, file, sealed_at: Some(active.end) });
    }

    /// Takes the prepared segment, or makes one, and gives it its name.
    fn open(&self, first: u64, at_ms: i64) -> Result<Active, Failed> {
        let shared = &*self.shared;
        let prepared = shared.desk.lock().ahead.take();
        shared.wake_keeper();
        let name = segment::name(first);
        let opened = prepared.map_or_else(|| self.make(), Ok).and_then(|prepared| {
            shared.storage.rename(&prepared.name, &name).inspect_err(|_| {
                // It must not hold space for nothing; the next start removes it if this does not.
                let _gone = shared.storage.remove(&prepared.name);
            })?;
            if shared.is_fsync() {
                shared.storage.sync_folder("")?;
            }
            Ok(prepared.file)
        });
        let file = opened.map_err(|error| {
            shared.complain("create", &name, &error);
            Failed
        })?;
        let header = SegmentHeader { uuid: shared.uuid, first, created_ms: at_ms };
        if !shared.is_fsync() {
            let mut desk = shared.desk.lock();
            desk.names_dirty = true;
            let file = Arc::clone(&file);
            desk.open.push_back(OpenFile { first, file, sealed_at: None });
        }
        let seal = Seal::new(&shared.uuid, first);
        Ok(Active { file, header, seal, first, end: 0 })
    }

    /// A segment when none was prepared: it grows with its writes, so that nobody waits for space.
    fn make(&self) -> io::Result<Prepared> {
        let name = format!("{AHEAD}now");
        remove_if_there(&*self.shared.storage, &name)?;
        let file = self.shared.storage.create(&name, Space::Growing)?;
        Ok(Prepared { name, file })
    }

    /// Writes segments again whose sync failed, if there are any and it is time.
    fn rewrite_failed(&mut self) {
        let failed = self.shared.desk.lock().failed.clone();
        if failed.is_empty() || self.rewrite_at.is_some_and(|at| clock::now() < at) {
            return;
        }
        self.rewrite_at = None;
        for first in failed {
            if self.active.as_ref().is_some_and(|active| active.first == first) {
                self.active = None;
            }
            match rewrite::rewrite(&self.shared, first) {
                Ok(()) => {
                    self.shared.desk.lock().failed.retain(|one| *one != first);
                    self.rewrite_pause = REWRITE_PAUSE;
                }
                Err(error) => {
                    self.shared.complain("sync", &segment::name(first), &error);
                    self.rewrite_at = Some(clock::now() + self.rewrite_pause);
                }
            }
        }
        if self.rewrite_at.is_some() {
            self.rewrite_pause = (self.rewrite_pause * 2).min(REWRITE_PAUSE_MAX);
        }
    }

    fn succeeded(&mut self) {
        if self.failures > 0 {
            self.failures = 0;
            self.shared.set_poisoned(false);
        }
    }

    /// Leaves a device alone that failed twice in a row; `false` when the time to stop is up.
    fn rest(&self) -> bool {
        self.shared.set_poisoned(true);
        let pause = BACKOFF_MIN.saturating_mul(1 << self.failures.saturating_sub(2).min(8));
        let pause = pause.min(BACKOFF_MAX);
        let until = clock::now() + pause;
        let mut queue = self.shared.queue.lock();
        while clock::now() < until {
            if queue.closing_since.is_some() && self.shared.is_time_up() {
                return false;
            }
            let _woken = self.shared.work.wait_until(&mut queue, until);
        }
        true
    }
}

impl Active {
    /// Whether a record of that length belongs into this segment behind an offset.
    fn has_room(&self, end: u64, record: usize, at_ms: i64, shared: &Shared) -> bool {
        let fits = end + framed(record) <= shared.settings.segment_bytes;
        let in_time = at_ms.saturating_sub(self.header.created_ms) <= i64::from(u32::MAX);
        // A segment has one frame at least, whatever its size.
        (fits && in_time) || end <= SEGMENT_HEADER_BYTES as u64
    }
}

impl Cursor {
    /// Goes past a record; its length.
    fn step(&mut self, work: &Work) -> usize {
        let length = record_bytes(&work.bytes[self.at..]).expect("a batch holds whole records");
        self.at += length;
        self.sequence += 1;
        while self.run + 1 < work.runs.len() && work.runs[self.run].end <= self.at {
            self.run += 1;
        }
        length
    }
}

/// Seals what follows the cursor into `frames`, as much as fits into a slice and the segment, but
/// one record at least.
fn seal(
    shared: &Shared,
    active: &Active,
    frames: &mut Vec<u8>,
    work: &Work,
    mut cursor: Cursor,
) -> Slice {
    frames.clear();
    if active.end == 0 {
        frames.extend_from_slice(&active.header.encode());
    }
    let (start, head) = (cursor, frames.len());
    let first_ms = work.runs[cursor.run].at_ms;
    while let Some(length) = record_bytes(&work.bytes[cursor.at..]) {
        let at_ms = work.runs[cursor.run].at_ms;
        let after = frames.len() + FRAME_HEADER_BYTES + length;
        let begun = frames.len() > head;
        let end = active.end + frames.len() as u64;
        if begun && (after > SLICE_BYTES || !active.has_room(end, length, at_ms, shared)) {
            break;
        }
        let ms = at_ms.saturating_sub(active.header.created_ms).max(0);
        let record = &work.bytes[cursor.at..cursor.at + length];
        active.seal.push(frames, cursor.sequence, u32::try_from(ms).unwrap_or(u32::MAX), record);
        cursor.step(work);
    }
    Slice {
        cursor,
        records: (cursor.at - start.at) as u64,
        frames: (frames.len() - head) as u64,
        at_ms: first_ms,
    }
}
