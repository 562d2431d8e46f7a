//! What calls wait on: the records of one hand-over, told to be safe or late.
//!
//! In: an outcome, once for each patience. Out: the calls of that patience woken. What always holds: a
//! call is told once; a [`Place`] that is dropped leaves nothing behind but a waker.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// How long a call may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::intake) enum Patience {
    /// For the hold time: for room, for a stalled write, for Kafka.
    Held,
    /// For an ordinary write, not for room.
    Unheld,
}

/// Why a call was not accepted in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::intake) enum Late {
    /// Its records are not written, or not synced where that was promised.
    Journal,
    /// Its records are written; Kafka has not confirmed them.
    Kafka,
}

impl Late {
    /// The word in `callbacks_refused_total`.
    pub(in crate::intake) const fn word(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Kafka => "kafka",
        }
    }
}

/// The records that are handed over together, as the calls that wait for them see them. Both arrays
/// are indexed by [`Patience`].
#[derive(Debug)]
pub(super) struct Epoch {
    pub(super) created: Instant,
    outcomes: [Cell<Option<Result<(), Late>>>; 2],
    waiters: [RefCell<Vec<Waker>>; 2],
    /// Whether any of its calls is [`Patience::Unheld`].
    pub(super) unheld: Cell<bool>,
}

impl Epoch {
    pub(super) fn new(created: Instant) -> Rc<Self> {
        Rc::new(Self {
            created,
            outcomes: [Cell::new(None), Cell::new(None)],
            waiters: [RefCell::default(), RefCell::default()],
            unheld: Cell::new(false),
        })
    }

    /// Tells the calls of one patience, if they were not told before.
    pub(super) fn tell(&self, patience: Patience, outcome: Result<(), Late>) {
        let told = &self.outcomes[patience as usize];
        if told.get().is_some() {
            return;
        }
        told.set(Some(outcome));
        for waker in self.waiters[patience as usize].take() {
            waker.wake();
        }
    }

    pub(super) fn tell_all(&self, outcome: Result<(), Late>) {
        self.tell(Patience::Held, outcome);
        self.tell(Patience::Unheld, outcome);
    }

    pub(super) fn has_unheld(&self) -> bool {
        self.unheld.get() && self.outcomes[Patience::Unheld as usize].get().is_none()
    }
}

/// What a call waits on: ready when its epoch is safe, or was waited for long enough.
#[derive(Debug)]
#[must_use = "a call is accepted once its place is ready"]
pub(in crate::intake) struct Place {
    pub(super) epoch: Rc<Epoch>,
    pub(super) patience: Patience,
    /// Where its waker stands in the list of the epoch.
    pub(super) at: Option<usize>,
}

impl Place {
    /// Has a call told that does not wait on its place yet.
    pub(in crate::intake) fn enroll(&mut self, waker: Waker) {
        let index = self.patience as usize;
        if self.epoch.outcomes[index].get().is_some() {
            waker.wake();
            return;
        }
        let mut waiters = self.epoch.waiters[index].borrow_mut();
        waiters.push(waker);
        self.at = Some(waiters.len() - 1);
    }
}

impl Future for Place {
    type Output = Result<(), Late>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let index = self.patience as usize;
        if let Some(outcome) = self.epoch.outcomes[index].get() {
            return Poll::Ready(outcome);
        }
        let at = {
            let mut waiters = self.epoch.waiters[index].borrow_mut();
            if let Some(at) = self.at {
                waiters[at].clone_from(context.waker());
                at
            } else {
                waiters.push(context.waker().clone());
                waiters.len() - 1
            }
        };
        self.at = Some(at);
        Poll::Pending
    }
}
