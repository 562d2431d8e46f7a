//! Calls that arrive together, taken in together.
//!
//! In: requests that were read whole, each in a [`Seat`], as the event loop comes by them. Out: what
//! became of each, in its seat. Reading a socket, taking a call in and answering it run through more
//! code and data than the nearest caches of a processor hold; request by request, each of the three
//! finds there what the other two left. A busy event loop therefore reads all requests that are there,
//! then takes them in one behind the other, then answers them. What always holds:
//!
//! * Calls are taken in in the order in which they were read whole.
//! * Whoever of a round is polled again first takes the whole round in. A handler that goes away
//!   before that wakes another one, so no round is left lying.
//! * A call that nobody waits for any more when its round is taken in, is not taken in: a seat is left
//!   together with its handler.
//! * What panics costs the call it panics in, and nobody else's answer.
//! * Where requests come one by one there is nothing to gain, and the other one would be waited for:
//!   there each is taken in at once, and only now and then a round is tried.

#[cfg(test)]
mod tests;

use super::{Intake, Step, Turn};
use crate::call::RawCall;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A round of fewer calls does not make up for the wait of its first one.
const ROUND_MIN: usize = 8;
/// So many calls are taken in one by one before a round is tried again.
const ALONE: u32 = 64;

/// A request that was read whole.
pub trait Received {
    /// It, as intake reads it.
    fn call(&self) -> RawCall<'_>;
}

/// A request with a place in a round; lives at least as long as its handler.
pub struct Seat<R: ?Sized> {
    waker: Cell<Option<Waker>>,
    step: Cell<Option<Step>>,
    counted: Cell<bool>,
    received: R,
}

impl<R> Seat<R> {
    /// A seat for a request.
    pub fn new(received: R) -> Rc<Self> {
        Rc::new(Self {
            waker: Cell::new(None),
            step: Cell::new(None),
            counted: Cell::new(false),
            received,
        })
    }
}

impl<R: ?Sized> Seat<R> {
    /// Whether the call was answered in its round, and counted as what it was answered with, even if
    /// its handler has not heard of it.
    pub fn is_counted(&self) -> bool {
        self.counted.get()
    }
}

impl<R: ?Sized> Deref for Seat<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.received
    }
}

impl<R: ?Sized + fmt::Debug> fmt::Debug for Seat<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").field("received", &&self.received).finish_non_exhaustive()
    }
}

/// The rounds of one worker's thread.
#[derive(Default)]
pub(super) struct Rounds {
    seats: RefCell<Vec<Rc<Seat<dyn Received>>>>,
    /// Memory of the round before.
    spare: Cell<Vec<Rc<Seat<dyn Received>>>>,
    /// Calls that are still taken in one by one before the next round.
    alone: Cell<u32>,
}

impl Rounds {
    /// Whether a call that comes now is taken in by itself.
    pub(super) fn is_alone(&self) -> bool {
        let left = self.alone.get();
        if left == 0 || !self.seats.borrow().is_empty() {
            return false;
        }
        self.alone.set(left - 1);
        true
    }

    /// Sits down. The first one sees to it that it is polled again.
    fn join(&self, seat: Rc<Seat<dyn Received>>, waker: &Waker) {
        seat.waker.set(Some(waker.clone()));
        let mut seats = self.seats.borrow_mut();
        if seats.is_empty() {
            waker.wake_by_ref();
        }
        seats.push(seat);
    }

    /// Gets up before the round was taken in, and wakes somebody who still sits: the one that leaves
    /// may be the one that was to come back.
    fn leave<R: Received + 'static>(&self, seat: &Rc<Seat<R>>) {
        let mut seats = self.seats.borrow_mut();
        // Its handler holds it, too, so nothing is dropped here.
        seats.retain(|other| !std::ptr::addr_eq(Rc::as_ptr(other), Rc::as_ptr(seat)));
        if let Some(waker) = seats.iter().find_map(|seat| seat.waker.take()) {
            waker.wake();
        }
    }

    /// Everybody who sits, for one who takes the round in.
    fn begin(&self) -> Vec<Rc<Seat<dyn Received>>> {
        self.seats.replace(self.spare.take())
    }

    fn end(&self, mut round: Vec<Rc<Seat<dyn Received>>>) {
        if round.len() < ROUND_MIN {
            self.alone.set(ALONE);
        }
        round.clear();
        self.spare.set(round);
    }
}

/// A call on its way through a round.
pub(super) struct Seated<'a, R: Received + 'static> {
    intake: &'a Intake,
    turn: &'a Rc<Turn>,
    seat: &'a Rc<Seat<R>>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Fresh,
    Waits,
    Over,
}

impl<'a, R: Received + 'static> Seated<'a, R> {
    pub(super) const fn new(intake: &'a Intake, turn: &'a Rc<Turn>, seat: &'a Rc<Seat<R>>) -> Self {
        Self { intake, turn, seat, stage: Stage::Fresh }
    }
}

impl<R: Received + 'static> Future for Seated<'_, R> {
    type Output = Step;

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Step> {
        if self.stage == Stage::Fresh {
            self.stage = Stage::Waits;
            let seat: Rc<Seat<R>> = Rc::clone(self.seat);
            self.turn.rounds.join(seat, context.waker());
            return Poll::Pending;
        }
        let mut step = self.seat.step.take();
        if step.is_none() {
            let (intake, turn) = (self.intake, self.turn);
            let taken = catch_unwind(AssertUnwindSafe(|| take_in(intake, turn)));
            step = self.seat.step.take();
            if let (Err(panic), None) = (taken, &step) {
                self.stage = Stage::Over;
                resume_unwind(panic);
            }
        }
        self.stage = Stage::Over;
        Poll::Ready(step.expect("its seat was in the round that was just taken in"))
    }
}

impl<R: Received + 'static> Drop for Seated<'_, R> {
    fn drop(&mut self) {
        if self.stage == Stage::Waits {
            self.turn.rounds.leave(self.seat);
        }
    }
}

/// A round that was begun. Dropped, by a panic too, it ends the round, and wakes whoever was not come
/// to: without an answer in its seat such a handler answers what it would if it had panicked itself.
struct Begun<'a> {
    rounds: &'a Rounds,
    seats: Vec<Rc<Seat<dyn Received>>>,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        for waker in self.seats.iter().filter_map(|seat| seat.waker.take()) {
            waker.wake();
        }
        self.rounds.end(std::mem::take(&mut self.seats));
    }
}

/// Takes in everybody who sits.
fn take_in(intake: &Intake, turn: &Rc<Turn>) {
    let begun = Begun { rounds: &turn.rounds, seats: turn.rounds.begin() };
    for seat in &begun.seats {
        let mut step = intake.step(turn, &seat.call());
        seat.counted.set(matches!(step, Step::Done(_)));
        let waker = seat.waker.take();
        match (&mut step, waker) {
            (Step::Wait { place, .. }, Some(waker)) => place.enroll(waker),
            (Step::Done(_), Some(waker)) => waker.wake(),
            // It was woken in place of another one and comes by itself.
            (_, None) => {}
        }
        seat.step.set(Some(step));
    }
    drop(begun);
    turn.end_round();
}
