//! The one task of a worker's turn.
//!
//! In: a call's word that it has written, the log's that it made progress or has room, the time. Out:
//! records handed over, calls told. What always holds: it waits for nothing else, and no word is lost
//! between two looks.

use super::Turn;
use crate::clock;
use std::pin::pin;
use std::rc::Rc;
use std::time::Instant;

/// The turn as its task holds it; a task that ends, in whatever way, has a successor.
pub(super) struct Driver(pub(super) Rc<Turn>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.driven.set(false);
        *self.0.driver.borrow_mut() = None;
    }
}

/// Hands over what calls have written, once the calls of this turn of the event loop are through, and
/// tells them what became of it.
pub(super) async fn drive(driver: Driver) {
    let turn = &driver.0;
    let log = &*turn.log;
    // Made before the state is looked at, so that no word is missed: they hear everything from here.
    let mut progress = pin!(log.progress().notified());
    let mut room = pin!(log.room().notified());
    let mut sleep = pin!(tokio::time::sleep(turn.hold));
    let mut armed: Option<Instant> = None;
    loop {
        let (in_hand, blocked) = {
            // Whatever a call has said so far is looked at now.
            turn.called.set(false);
            let state = &mut *turn.state.borrow_mut();
            turn.hand_over(state);
            turn.settle(state);
            if let Some(next) = turn.next_deadline(state)
                && armed.is_none_or(|armed| next < armed)
            {
                sleep.as_mut().reset(next.into());
                armed = Some(next);
            }
            (!state.handed.is_empty(), state.blocked.is_some())
        };
        tokio::select! {
            biased;
            () = std::future::poll_fn(|context| turn.poll_called(context)) => {}
            () = &mut progress, if in_hand => progress.set(log.progress().notified()),
            () = &mut room, if blocked => room.set(log.room().notified()),
            () = &mut sleep, if armed.is_some() => {
                armed = None;
                let state = &mut *turn.state.borrow_mut();
                // What became safe in the last moment is safe.
                turn.settle(state);
                turn.expire(state, clock::now());
            }
        }
    }
}
