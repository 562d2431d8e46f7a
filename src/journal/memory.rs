//! The log in memory: bounded, gone with the process.
//!
//! Records are copied into a tail chunk; when the reader asks for it, or it has grown to
//! [`CHUNK_BYTES`], it is sealed and shared without a further copy. What always holds: the bytes of
//! all chunks stay below the budget plus one batch; a log that has less than an eighth free and
//! cannot take a batch is full, and takes nothing until an eighth is free again, so that intake does
//! not flutter between taking and refusing. With more than that free only the batch that does not
//! fit is refused: it may wait for what is confirmed next, and smaller ones pass it. A closed log takes
//! nothing; what is in it can still be read and confirmed.

use super::{AppendError, Aside, Chunk, Log, NoDirectory, Read, Sequence, Usage};
use crate::clock;
use crate::record::Batch;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// A chunk that is this large is sealed even when nobody reads; what one confirmation can free.
const CHUNK_BYTES: usize = 256 * 1024;
/// Buffers of freed chunks that are kept for new ones: 8 MiB at most, for a buffer may have grown to
/// twice its chunk.
const SPARE_BUFFERS: usize = 16;

/// See the module's documentation.
#[derive(Debug)]
pub struct MemoryLog {
    uuid: String,
    bytes_max: u64,
    state: Mutex<State>,
    head: AtomicU64,
    reader_waits: AtomicBool,
    appended: Condvar,
    room: Notify,
    progress: Notify,
}

#[derive(Debug)]
struct State {
    sealed: VecDeque<Arc<Chunk>>,
    tail: Batch,
    tail_first: Sequence,
    tail_since: Instant,
    bytes: u64,
    confirmed: Sequence,
    full_since: Option<Instant>,
    /// Since when nothing is taken any more.
    closed_since: Option<Instant>,
    /// Since when batches are refused that a log with room for others has none for.
    crowded_since: Option<Instant>,
    spare: Vec<Vec<u8>>,
}

impl MemoryLog {
    /// An empty log with a budget in bytes.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        Self {
            uuid: uuid::Uuid::new_v4().to_string(),
            bytes_max,
            state: Mutex::new(State {
                sealed: VecDeque::new(),
                tail: Batch::new(),
                tail_first: Sequence::FIRST,
                tail_since: clock::now(),
                bytes: 0,
                confirmed: Sequence::NONE,
                full_since: None,
                closed_since: None,
                crowded_since: None,
                spare: Vec::new(),
            }),
            head: AtomicU64::new(0),
            reader_waits: AtomicBool::new(false),
            appended: Condvar::new(),
            room: Notify::new(),
            progress: Notify::new(),
        }
    }

    fn wake_reader(&self) {
        // The reader announces itself, then looks at `head` again before it sleeps; `head` is set
        // before this look. One of the two sees the other (both are SeqCst), so no wake-up is lost.
        if self.reader_waits.load(Ordering::SeqCst) {
            let _state = self.state.lock();
            self.appended.notify_one();
        }
    }
}

impl State {
    fn take_in(&mut self, batch: &mut Batch) {
        if self.tail.is_empty() {
            self.tail_since = clock::now();
        }
        let bytes = batch.bytes().len();
        self.bytes += bytes as u64;
        self.tail.extend(batch);
        batch.clear();
        if self.tail.bytes().len() >= CHUNK_BYTES {
            self.seal();
        }
    }

    fn seal(&mut self) {
        if self.tail.is_empty() {
            return;
        }
        let fresh = Batch::from_parts(self.spare.pop().unwrap_or_default(), 0);
        let batch = std::mem::replace(&mut self.tail, fresh);
        let first = self.tail_first;
        self.tail_first = Sequence(first.0 + u64::from(batch.records()));
        self.sealed.push_back(Arc::new(Chunk { first, batch, appended_at: self.tail_since }));
    }

    /// Since when a batch of so many bytes is refused; `None`: it is not.
    fn refused_since(&mut self, bytes: u64, bytes_max: u64) -> Option<Instant> {
        let fits = self.bytes == 0 || self.bytes.saturating_add(bytes) <= bytes_max;
        if self.full_since.is_some() || fits {
            return self.full_since;
        }
        let free = bytes_max.saturating_sub(self.bytes);
        let since =
            if free < bytes_max / 8 { &mut self.full_since } else { &mut self.crowded_since };
        Some(*since.get_or_insert_with(clock::now))
    }

    /// Frees whole chunks up to `upto`; true when there was one.
    fn release(&mut self, upto: Sequence) -> bool {
        let before = self.bytes;
        while let Some(chunk) = self.sealed.front()
            && chunk.last() <= upto
        {
            self.bytes -= chunk.batch.bytes().len() as u64;
            let chunk = self.sealed.pop_front().expect("the front was just looked at");
            if let Ok(chunk) = Arc::try_unwrap(chunk)
                && self.spare.len() < SPARE_BUFFERS
            {
                let mut bytes = chunk.batch.into_bytes();
                if bytes.capacity() <= 2 * CHUNK_BYTES {
                    bytes.clear();
                    self.spare.push(bytes);
                }
            }
        }
        self.bytes < before
    }
}

impl Log for MemoryLog {
    fn append(&self, batch: &mut Batch) -> Result<RangeInclusive<Sequence>, AppendError> {
        let range = {
            let mut state = self.state.lock();
            if let Some(since) = state.closed_since {
                return Err(AppendError::Stalled { since });
            }
            let bytes = batch.bytes().len() as u64;
            if let Some(since) = state.refused_since(bytes, self.bytes_max) {
                return Err(AppendError::Full { since });
            }
            let first = state.tail_first.0 + u64::from(state.tail.records());
            let last = first + u64::from(batch.records()) - 1;
            state.take_in(batch);
            self.head.store(last, Ordering::SeqCst);
            Sequence(first)..=Sequence(last)
        };
        self.wake_reader();
        Ok(range)
    }

    fn try_append(&self, batch: &mut Batch) -> Result<RangeInclusive<Sequence>, AppendError> {
        self.append(batch)
    }

    fn durable(&self) -> Sequence {
        Sequence(self.head.load(Ordering::SeqCst))
    }

    fn written(&self) -> Sequence {
        self.durable()
    }

    fn is_immediate(&self) -> bool {
        true
    }

    fn progress(&self) -> &Notify {
        // An append is all there is to wait for, and it has happened when it returns.
        &self.progress
    }

    fn stalled_since(&self) -> Option<Instant> {
        None
    }

    fn read(&self, from: Sequence) -> Read {
        if from.0 > self.head.load(Ordering::SeqCst) {
            return Read::Nothing;
        }
        let mut state = self.state.lock();
        if from >= state.tail_first {
            state.seal();
        }
        let at = state.sealed.partition_point(|chunk| chunk.last() < from);
        state.sealed.get(at).cloned().map_or(Read::Nothing, Read::Chunk)
    }

    fn confirm(&self, upto: Sequence) {
        let mut state = self.state.lock();
        state.confirmed = state.confirmed.max(upto);
        let freed = state.release(upto);
        // Half a budget may be one oversize batch: an empty log always has room.
        let free_enough = state.bytes <= self.bytes_max - self.bytes_max / 8;
        let was_full = state.full_since.take_if(|_| free_enough).is_some();
        let was_crowded = state.crowded_since.take_if(|_| freed).is_some();
        drop(state);
        if was_full || was_crowded {
            self.room.notify_waiters();
        }
    }

    fn wait_for(&self, from: Sequence, timeout: Duration) {
        let mut state = self.state.lock();
        self.reader_waits.store(true, Ordering::SeqCst);
        if self.head.load(Ordering::SeqCst) < from.0 {
            let _timed_out = self.appended.wait_for(&mut state, timeout);
        }
        self.reader_waits.store(false, Ordering::SeqCst);
    }

    fn room(&self) -> &Notify {
        &self.room
    }

    fn usage(&self) -> Usage {
        let state = self.state.lock();
        let head = Sequence(self.head.load(Ordering::SeqCst));
        let tail = (!state.tail.is_empty()).then_some(state.tail_since);
        Usage {
            bytes: state.bytes,
            bytes_max: self.bytes_max,
            records: head.0 - state.confirmed.0,
            head,
            confirmed: state.confirmed,
            oldest: state.sealed.front().map(|chunk| chunk.appended_at).or(tail),
            full_since: state.full_since,
            stalled_since: None,
            poisoned: false,
            free_bytes: None,
            damaged: 0,
        }
    }

    fn put_aside(&self, _aside: Aside) {
        // There is nowhere to put it; whoever had it has counted it and named it in the log.
    }

    fn put_aside_now(&self, _aside: &Aside) -> std::io::Result<()> {
        Err(std::io::Error::other(NoDirectory))
    }

    fn replay_upto(&self) -> Sequence {
        Sequence::NONE
    }

    fn close(&self, _within: Duration) -> u64 {
        self.state.lock().closed_since.get_or_insert_with(clock::now);
        let usage = self.usage();
        usage.head.0 - usage.confirmed.0
    }

    fn uuid(&self) -> &str {
        &self.uuid
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Head;

    fn batch(values: &[&str]) -> Batch {
        let mut batch = Batch::new();
        for value in values {
            let head = Head { id: value, topic: "t", key: None, timestamp_ms: 0 };
            batch.push(&head, &[], value.as_bytes());
        }
        batch
    }

    fn read_all(log: &MemoryLog, mut from: Sequence) -> Vec<(u64, String)> {
        let mut seen = Vec::new();
        while let Read::Chunk(chunk) = log.read(from) {
            for (at, record) in chunk.batch.iter().enumerate() {
                let position = chunk.first.0 + at as u64;
                if position >= from.0 {
                    seen.push((position, record.id.to_owned()));
                }
            }
            from = chunk.last().next();
        }
        seen
    }

    #[test]
    fn records_are_read_back_in_order_from_any_position_until_confirmed() {
        let log = MemoryLog::new(1 << 20);
        assert_eq!(log.append(&mut batch(&["a", "b"])), Ok(Sequence(1)..=Sequence(2)));
        assert_eq!(read_all(&log, Sequence(2)), [(2, "b".to_owned())]);
        assert_eq!(log.append(&mut batch(&["c"])), Ok(Sequence(3)..=Sequence(3)));
        let all = [(1, "a".to_owned()), (2, "b".to_owned()), (3, "c".to_owned())];
        assert_eq!(read_all(&log, Sequence(1)), all);
        log.confirm(Sequence(1));
        assert_eq!(read_all(&log, Sequence(2)), all[1..]);
        log.confirm(Sequence(3));
        assert_eq!((log.usage().bytes, log.usage().records), (0, 0));
    }

    #[test]
    fn a_full_log_takes_nothing_until_an_eighth_is_free() {
        let one = batch(&["x"]).bytes().len() as u64;
        let log = MemoryLog::new(one * 16);
        for _ in 0..16 {
            log.append(&mut batch(&["x"])).expect("there is room for sixteen");
            assert!(
                matches!(log.read(log.durable()), Read::Chunk(_)),
                "each record becomes a chunk of its own"
            );
        }
        let mut refused = batch(&["y"]);
        assert!(log.append(&mut refused).is_err());
        assert_eq!(refused.records(), 1, "a refused batch is left as it was");
        log.confirm(Sequence(1));
        assert!(log.append(&mut refused).is_err(), "a sixteenth is not enough");
        log.confirm(Sequence(2));
        assert_eq!(log.append(&mut refused), Ok(Sequence(17)..=Sequence(17)));
    }

    /// One large batch marked the log as full although it was half empty, and while Kafka was away
    /// nothing cleared that: everybody was refused.
    #[test]
    fn a_batch_that_does_not_fit_is_refused_alone_while_there_is_room_for_others() {
        let one = batch(&["x"]).bytes().len() as u64;
        let log = MemoryLog::new(one * 16);
        for _ in 0..8 {
            log.append(&mut batch(&["x"])).expect("there is room for sixteen");
            let _sealed = log.read(log.durable());
        }
        let mut large = batch(&["y"; 9]);
        let first = log.append(&mut large).expect_err("nine do not fit");
        assert_eq!(log.usage().full_since, None);
        assert_eq!(log.append(&mut large), Err(first), "counted from the first refusal");
        assert!(log.append(&mut batch(&["x"])).is_ok(), "a smaller one passes");
        let room = log.room().notified();
        let mut room = std::pin::pin!(room);
        room.as_mut().enable();
        log.confirm(Sequence(2));
        let woken = futures_util::FutureExt::now_or_never(room.as_mut());
        assert!(woken.is_some(), "what waits is told of each chunk that is freed");
        assert!(log.append(&mut large).is_ok(), "nine of the sixteen are free");
        assert_eq!(large.records(), 0);
        let refused = log.append(&mut batch(&["z"])).expect_err("now it is full");
        assert_eq!(log.usage().full_since, Some(refused.since()));
    }

    #[test]
    fn a_batch_larger_than_the_budget_is_taken_by_an_empty_log() {
        let log = MemoryLog::new(1);
        assert!(log.append(&mut batch(&["large"])).is_ok());
        assert!(log.append(&mut batch(&["next"])).is_err());
        let _sealed = log.read(Sequence::FIRST);
        log.confirm(Sequence::FIRST);
        assert!(log.append(&mut batch(&["next"])).is_ok());
    }

    /// At a stop that was hurried, requests in progress were accepted after the loss was counted.
    #[test]
    fn a_closed_log_takes_nothing_and_gives_what_it_has() {
        let log = MemoryLog::new(1 << 20);
        log.append(&mut batch(&["a", "b"])).expect("there is room");
        assert_eq!(log.close(Duration::ZERO), 2);
        assert!(matches!(log.append(&mut batch(&["c"])), Err(AppendError::Stalled { .. })));
        assert_eq!(read_all(&log, Sequence::FIRST).len(), 2);
        log.confirm(Sequence(2));
        assert_eq!(log.close(Duration::ZERO), 0);
    }

    #[test]
    fn a_lonely_record_wakes_a_sleeping_reader() {
        let log = Arc::new(MemoryLog::new(1 << 20));
        for position in 1..200 {
            let reader = {
                let log = Arc::clone(&log);
                std::thread::spawn(move || {
                    while matches!(log.read(Sequence(position)), Read::Nothing) {
                        log.wait_for(Sequence(position), Duration::from_secs(20));
                    }
                })
            };
            log.append(&mut batch(&["z"])).expect("there is room");
            let started = clock::now();
            reader.join().expect("the reader ends");
            assert!(started.elapsed() < Duration::from_secs(10), "woken, not timed out");
        }
    }
}
