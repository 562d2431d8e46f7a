//! One worker's records on their way into a log that is not immediate, and the calls that wait.
//!
//! In: the records of after-callbacks, call by call. Out: one hand-over to the log for all that came
//! in one turn of the worker's event loop, and for each call a [`Place`] that is ready once its
//! records are safe, or once they were waited for long enough. What always holds:
//!
//! * All of this lives on one worker's thread; no method waits for a device.
//! * Records are handed over in the order in which calls finished writing them; those of a call that
//!   panics are taken back, those of the others stay.
//! * A record is counted when the log has taken it, a call when it is answered. A call that nobody
//!   waits for any more changes neither.
//!
//! The records of one hand-over, and the calls that wait for them, are an *epoch*. One task per
//! worker, [`drive::drive`], hands over, hears that the log made progress or has room, and keeps the one
//! timer: a call costs a place in a list, no timer and no wake-up of another thread.

mod drive;
mod epoch;

#[cfg(test)]
mod tests;

pub(super) use epoch::{Late, Patience, Place};

use super::round::Rounds;
use super::tally::{Records, RecordsMark, Tally};
use crate::clock;
use crate::journal::{AppendError, Log, Sequence};
use crate::record::{Batch, Mark};
use crate::telemetry::{Ledger, Metrics};
use drive::{Driver, drive};
use epoch::Epoch;
use std::cell::{Cell, RefCell, RefMut};
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// A hand-over is not made larger than this: what a log without room is offered again and again
/// should find room piece by piece.
const EPOCH_BYTES: usize = 1 << 20;
/// Records that wait for room on one worker are not more than this and one call's, without the files
/// that go with them: a call that finds so much before it is refused.
const FILLED_BYTES_MAX: usize = 64 << 20;
/// Tallies that are kept for their memory: about as many as wait at once on a device that works.
const TALLIES_KEPT: usize = 256;
/// A command without a row may be a new before-command, and somebody waits: it is not held, only
/// given the time that a write takes on a device that works.
const UNHELD: Duration = Duration::from_millis(100);

/// Records that wait to be handed over, with their epoch.
#[derive(Debug)]
struct Filled {
    epoch: Rc<Epoch>,
    batch: Batch,
    records: Records,
}

/// An epoch that the log has taken, up to a position.
#[derive(Debug)]
struct Handed {
    epoch: Rc<Epoch>,
    last: Sequence,
}

#[derive(Debug, Default)]
struct State {
    /// The epoch that calls join now, with their records in `batch`.
    open: Option<Rc<Epoch>>,
    batch: Batch,
    records: Records,
    /// Epochs that are as large as they may be and wait, the oldest first; all before `open`.
    filled: VecDeque<Filled>,
    /// Epochs that are not safe yet, the oldest first.
    handed: VecDeque<Handed>,
    /// Since when the log has taken nothing, as it said at the last attempt.
    blocked: Option<Instant>,
}

impl State {
    /// Bytes of records that are not handed over, without those that calls join now.
    fn filled_bytes(&self) -> usize {
        self.filled.iter().map(|filled| filled.batch.bytes().len()).sum()
    }
}

/// See the module's documentation; one per worker thread.
pub struct Turn {
    log: Arc<dyn Log>,
    metrics: Arc<Metrics>,
    ledger: Arc<Ledger>,
    hold: Duration,
    waits_for_kafka: bool,
    state: RefCell<State>,
    /// Calls of this turn that are taken in together.
    pub(super) rounds: Rounds,
    /// Tallies of calls that were answered, for their memory.
    tallies: RefCell<Vec<Tally>>,
    /// Whether [`drive()`] runs, whether it has something to do, and how to wake it.
    driven: Cell<bool>,
    called: Cell<bool>,
    driver: RefCell<Option<Waker>>,
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Turn {
    pub(super) fn new(
        log: Arc<dyn Log>,
        metrics: Arc<Metrics>,
        ledger: Arc<Ledger>,
        hold: Duration,
        waits_for_kafka: bool,
    ) -> Rc<Self> {
        Rc::new(Self {
            log,
            metrics,
            ledger,
            hold,
            waits_for_kafka,
            state: RefCell::default(),
            rounds: Rounds::default(),
            tallies: RefCell::default(),
            driven: Cell::new(false),
            called: Cell::new(false),
            driver: RefCell::new(None),
        })
    }

    /// Whether nothing waits to be handed over: a call that came before would otherwise be overtaken
    /// by one that goes past the turn.
    pub(super) fn is_clear(&self) -> bool {
        let state = self.state.borrow();
        state.batch.is_empty() && state.filled.is_empty()
    }

    /// Whether writing has stopped for so long that a call need not wait at all.
    pub(super) fn is_stalled(&self, patience: Patience) -> bool {
        let since = self.log.stalled_since();
        since.is_some_and(|since| since + self.limit(patience) <= clock::now())
    }

    /// Begins to take a call's records in.
    pub(super) fn begin(self: &Rc<Self>) -> Writing<'_> {
        let state = self.state.borrow_mut();
        let mark = state.batch.mark();
        let records_mark = state.records.mark();
        Writing { turn: self, state, mark, records_mark, finished: false }
    }

    /// Takes in the records of a call that an immediate log had no room for since an instant.
    pub(super) fn take_in(
        self: &Rc<Self>,
        batch: &mut Batch,
        records: &mut Records,
        since: Instant,
    ) -> Writing<'_> {
        let mut writing = self.begin();
        writing.state.blocked = Some(since);
        let (into, counted) = writing.parts();
        into.extend(batch);
        batch.clear();
        counted.take_in(records);
        writing
    }

    /// A round is written: hands it over, for the task that would do so comes behind all its handlers.
    /// If that panics the task does it, and whoever leads the round is answered as was counted.
    pub(super) fn end_round(&self) {
        let handed = catch_unwind(AssertUnwindSafe(|| {
            let state = &mut *self.state.borrow_mut();
            if state.open.is_some() && state.blocked.is_none() {
                self.hand_over(state);
            }
        }));
        if handed.is_err() {
            tracing::error!("the hand-over of a round panicked, see the line before");
        }
    }

    /// A tally for the call after one that waits.
    pub(super) fn spare_tally(&self) -> Tally {
        self.tallies.borrow_mut().pop().unwrap_or_default()
    }

    /// Keeps the memory of a tally that is not needed any more.
    pub(super) fn give_back(&self, tally: Tally) {
        let mut tallies = self.tallies.borrow_mut();
        if tallies.len() < TALLIES_KEPT && !tally.is_large() {
            tallies.push(tally);
        }
    }

    /// Longest wait of a call whose records the log has.
    fn limit(&self, patience: Patience) -> Duration {
        match patience {
            Patience::Held => self.hold,
            Patience::Unheld => self.hold.min(UNHELD),
        }
    }

    fn call(self: &Rc<Self>) {
        if !self.driven.replace(true) {
            tokio::task::spawn_local(drive(Driver(Rc::clone(self))));
        }
        if !self.called.replace(true)
            && let Some(waker) = &*self.driver.borrow()
        {
            waker.wake_by_ref();
        }
    }

    fn poll_called(&self, context: &Context<'_>) -> Poll<()> {
        if self.called.replace(false) {
            return Poll::Ready(());
        }
        let mut driver = self.driver.borrow_mut();
        if !driver.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
            *driver = Some(context.waker().clone());
        }
        Poll::Pending
    }

    /// Offers the log all that waits, in order.
    fn hand_over(&self, state: &mut State) {
        let State { open, batch, records, filled, handed, blocked } = state;
        while let Some(next) = filled.front_mut() {
            match self.append(&mut next.batch, &mut next.records, &next.epoch) {
                Ok(last) => {
                    let next = filled.pop_front().expect("the front was just looked at");
                    handed.extend(last.map(|last| Handed { epoch: next.epoch, last }));
                }
                Err(error) => return block(state, error.since()),
            }
        }
        if let Some(epoch) = open {
            match self.append(batch, records, epoch) {
                Ok(last) => {
                    let epoch = open.take().expect("it was just looked at");
                    handed.extend(last.map(|last| Handed { epoch, last }));
                }
                Err(error) => return block(state, error.since()),
            }
        }
        *blocked = None;
    }

    fn hand_asides_over(&self, records: &mut Records, mark: RecordsMark) {
        records.hand_asides_over(mark, &*self.log, &self.metrics, &self.ledger);
    }

    /// The last position of a batch in the log; `None` when the log panicked and its calls were told.
    fn append(
        &self,
        batch: &mut Batch,
        records: &mut Records,
        epoch: &Epoch,
    ) -> Result<Option<Sequence>, AppendError> {
        let count = u64::from(batch.records());
        records.offer_asides(&*self.log, &self.metrics, &self.ledger);
        // Before, for the shipper may have confirmed them when `append` returns.
        self.ledger.appended(count);
        let appended = catch_unwind(AssertUnwindSafe(|| self.log.append(batch)));
        match appended {
            Ok(Ok(range)) => {
                records.count(&self.metrics);
                self.hand_asides_over(records, RecordsMark::default());
                records.clear();
                return Ok(Some(*range.end()));
            }
            Ok(Err(error)) => {
                self.ledger.not_appended(count);
                return Err(error);
            }
            Err(_) => {}
        }
        // Without this the calls would wait for ever, and this worker's next ones with them.
        tracing::error!(records = count, "the journal panicked, see the line before");
        self.ledger.not_appended(count);
        batch.clear();
        records.clear();
        epoch.tell_all(Err(Late::Journal));
        Ok(None)
    }

    /// Tells the calls whose records are safe.
    fn settle(&self, state: &mut State) {
        if state.handed.is_empty() {
            return;
        }
        let durable = self.log.durable();
        while let Some(first) = state.handed.front()
            && first.last <= durable
        {
            let first = state.handed.pop_front().expect("the front was just looked at");
            first.epoch.tell_all(Ok(()));
        }
    }

    /// When calls of an epoch have waited long enough that waits since an instant.
    fn deadline(&self, epoch: &Epoch, since: Instant, patience: Patience) -> Instant {
        epoch.created.min(since) + self.limit(patience)
    }

    /// Since when a handed epoch counts as waiting, and for whom.
    fn waits(
        &self,
        handed: &Handed,
        written: Sequence,
        stalled: Option<Instant>,
    ) -> (Instant, Late) {
        let created = handed.epoch.created;
        if self.waits_for_kafka && handed.last <= written {
            return (created, Late::Kafka);
        }
        (stalled.map_or(created, |stalled| stalled.min(created)), Late::Journal)
    }

    /// When the first call will have waited long enough.
    fn next_deadline(&self, state: &State) -> Option<Instant> {
        let (written, stalled) = (self.log.written(), self.log.stalled_since());
        let of = |epoch: &Epoch, since: Instant| {
            let patience = if epoch.has_unheld() { Patience::Unheld } else { Patience::Held };
            self.deadline(epoch, since, patience)
        };
        let handed = state.handed.iter().map(|handed| {
            let (since, _) = self.waits(handed, written, stalled);
            of(&handed.epoch, since)
        });
        let waiting = state.filled.iter().map(|filled| &filled.epoch).chain(&state.open);
        let waiting = waiting.map(|epoch| of(epoch, state.blocked.unwrap_or(epoch.created)));
        handed.chain(waiting).min()
    }

    /// Tells the calls that have waited long enough, and forgets records that were not handed over
    /// when all their calls are told.
    fn expire(&self, state: &mut State, now: Instant) {
        let (written, stalled) = (self.log.written(), self.log.stalled_since());
        state.handed.retain(|handed| {
            let (since, late) = self.waits(handed, written, stalled);
            if self.deadline(&handed.epoch, since, Patience::Held) <= now {
                handed.epoch.tell_all(Err(late));
                return false;
            }
            if self.deadline(&handed.epoch, since, Patience::Unheld) <= now {
                handed.epoch.tell(Patience::Unheld, Err(late));
            }
            true
        });
        let Some(blocked) = state.blocked else { return };
        let over = |epoch: &Epoch| self.deadline(epoch, blocked, Patience::Held) <= now;
        state.filled.retain(|filled| {
            let over = over(&filled.epoch);
            if over {
                filled.epoch.tell_all(Err(Late::Journal));
            }
            !over
        });
        // What was large and is gone may have stood in the way of small ones.
        self.hand_over(state);
        let Some(blocked) = state.blocked else { return };
        let over = |epoch: &Epoch| self.deadline(epoch, blocked, Patience::Held) <= now;
        if let Some(epoch) = state.open.take_if(|epoch| over(epoch)) {
            epoch.tell_all(Err(Late::Journal));
            state.batch.clear();
            state.records.clear();
        }
    }
}

/// The log takes nothing since an instant: what is not held ends at once.
fn block(state: &mut State, since: Instant) {
    state.blocked = Some(since);
    for epoch in state.filled.iter().map(|filled| &filled.epoch).chain(&state.open) {
        epoch.tell(Patience::Unheld, Err(Late::Journal));
    }
}

/// A call's records while they are written. Dropped unfinished (the call panicked, or has none), it
/// takes them back.
pub(super) struct Writing<'a> {
    turn: &'a Rc<Turn>,
    state: RefMut<'a, State>,
    mark: Mark,
    records_mark: RecordsMark,
    finished: bool,
}

impl Writing<'_> {
    /// Where the records go, and what they will count for.
    pub(super) fn parts(&mut self) -> (&mut Batch, &mut Records) {
        let State { batch, records, .. } = &mut *self.state;
        (batch, records)
    }

    /// Ends the call's records; they are handed over at the end of this turn of the event loop.
    /// `None` when there are none.
    ///
    /// # Errors
    /// The log has taken nothing for so long that the call need not wait; its records are taken back.
    pub(super) fn finish(mut self, patience: Patience) -> Result<Option<Place>, Late> {
        let turn = self.turn;
        let state = &mut *self.state;
        if state.batch.mark() == self.mark {
            if !state.records.is_whole_since(self.records_mark) {
                turn.hand_asides_over(&mut state.records, self.records_mark);
            }
            return Ok(None);
        }
        let fresh = state.open.is_none();
        let epoch = Rc::clone(state.open.get_or_insert_with(|| Epoch::new(clock::now())));
        if state.blocked.is_some() {
            // Asked anew by every call: a word that there is room again may still be on its way.
            turn.hand_over(state);
        }
        let crowded = state.filled_bytes() >= FILLED_BYTES_MAX;
        if let Some(since) = state.blocked
            && (crowded || patience == Patience::Unheld || since + turn.hold <= clock::now())
        {
            if fresh {
                state.open = None;
            }
            return Err(Late::Journal);
        }
        self.finished = true;
        if patience == Patience::Unheld {
            epoch.unheld.set(true);
        }
        if state.batch.bytes().len() >= EPOCH_BYTES
            && let Some(epoch) = state.open.take()
        {
            let (batch, records) =
                (std::mem::take(&mut state.batch), std::mem::take(&mut state.records));
            state.filled.push_back(Filled { epoch, batch, records });
            if state.filled_bytes() >= FILLED_BYTES_MAX {
                turn.hand_over(state);
            }
        }
        turn.call();
        Ok(Some(Place { epoch, patience, at: None }))
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if !self.finished {
            let State { batch, records, .. } = &mut *self.state;
            batch.cut(self.mark);
            records.cut(self.records_mark);
            if batch.is_empty() && batch.capacity() > EPOCH_BYTES {
                *batch = Batch::new();
            }
        }
    }
}
