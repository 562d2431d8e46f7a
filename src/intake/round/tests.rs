//! Rounds on one worker: who is taken in when, and what becomes of those who leave.

use super::{ALONE, ROUND_MIN, Received, Seat};
use crate::call::{Provider, RawCall};
use crate::intake::Outgoing;
use crate::intake::stage::{AFTER, Sent, Stage, body, on_a_worker, settle};
use futures_util::FutureExt;
use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// What happened, in order: a call `sits` when its handler was polled first.
type Told = Rc<RefCell<Vec<String>>>;

struct Watched {
    sent: Sent,
    group: String,
    told: Told,
}

impl Received for Watched {
    fn call(&self) -> RawCall<'_> {
        self.told.borrow_mut().push(format!("{} is taken in", self.group));
        self.sent.call()
    }
}

fn watched(group: &str, told: &Told) -> Rc<Seat<Watched>> {
    let sent = Sent { path: AFTER, body: body(group) };
    Seat::new(Watched { sent, group: group.to_owned(), told: Rc::clone(told) })
}

fn immediate() -> Stage {
    let stage = Stage::new(false);
    stage.log.now.lock().immediate = true;
    stage
}

type Handler = Pin<Box<dyn Future<Output = Outgoing>>>;

fn handler(stage: &Stage, seat: &Rc<Seat<Watched>>) -> Handler {
    let (intake, turn) = (Rc::clone(&stage.intake), Rc::clone(&stage.turn));
    let seat = Rc::clone(seat);
    intake.ledger.received();
    Box::pin(async move { intake.take_in_round(&turn, &seat).await })
}

fn poll(handler: &mut Handler) -> Poll<u16> {
    let mut context = Context::from_waker(Waker::noop());
    handler.as_mut().poll(&mut context).map(|outgoing| outgoing.status)
}

#[test]
fn calls_that_arrive_together_are_taken_in_behind_one_another_in_their_order() {
    on_a_worker(async || {
        let (stage, told) = (immediate(), Told::default());
        let names: Vec<String> = (0..10).map(|at| at.to_string()).collect();
        let calls: Vec<_> = names
            .iter()
            .map(|name| tokio::task::spawn_local(sitting(&stage, name, &told)))
            .collect();
        for call in calls {
            assert_eq!(call.await.expect("no call panics"), 200);
        }
        let sits = names.iter().map(|name| format!("{name} sits"));
        let taken = names.iter().map(|name| format!("{name} is taken in"));
        assert_eq!(*told.borrow(), sits.chain(taken).collect::<Vec<_>>());
        assert_eq!(stage.log.batches().concat(), names);
        assert_eq!(stage.intake.ledger.snapshot().requests.accepted, 10);
    });
}

/// A handler that notes when it sits, and waits then for a word of somebody's.
fn sitting(stage: &Stage, name: &str, told: &Told) -> impl Future<Output = u16> + 'static {
    let mut handler = handler(stage, &watched(name, told));
    let (name, told) = (name.to_owned(), Rc::clone(told));
    let mut sits = false;
    std::future::poll_fn(move |context| {
        let polled = handler.as_mut().poll(context).map(|outgoing| outgoing.status);
        if !std::mem::replace(&mut sits, true) {
            assert!(polled.is_pending(), "others may come");
            told.borrow_mut().push(format!("{name} sits"));
        }
        polled
    })
}

#[test]
fn a_handler_that_goes_away_first_leaves_nobody_behind() {
    on_a_worker(async || {
        let (stage, told) = (immediate(), Told::default());
        let mut calls: Vec<_> = ["a", "b", "c"]
            .map(|name| tokio::task::spawn_local(sitting(&stage, name, &told)))
            .into();
        // The first one has woken itself, but this task comes before.
        let first = calls.remove(0);
        tokio::task::spawn_local(async move { first.abort() });
        settle().await;
        for call in calls {
            assert_eq!(call.await.expect("no call panics"), 200);
        }
        assert!(!told.borrow().contains(&"a is taken in".to_owned()), "nobody waits for it");
    });
}

#[test]
fn a_handler_that_goes_away_wakes_one_that_stays() {
    on_a_worker(async || {
        let (stage, told) = (immediate(), Told::default());
        let (mut gone, stays) =
            (handler(&stage, &watched("gone", &told)), handler(&stage, &watched("stays", &told)));
        // The one that is gone was polled by nobody who heard that it wants to be polled again.
        assert!(poll(&mut gone).is_pending());
        let stays = tokio::task::spawn_local(stays);
        settle().await;
        assert!(!stays.is_finished(), "only the first one of a round wakes itself");
        drop(gone);
        settle().await;
        assert_eq!(stays.await.expect("no call panics").status, 200);
        assert_eq!(*told.borrow(), ["stays is taken in"]);
    });
}

/// A seat that nobody sat in any more was there, so the next one thought that somebody would come back,
/// and waited, and so did everybody behind it.
#[test]
fn a_round_that_everybody_has_left_is_empty() {
    on_a_worker(async || {
        let (stage, told) = (immediate(), Told::default());
        let seat = watched("gone", &told);
        let left = Rc::downgrade(&seat);
        let mut gone = handler(&stage, &seat);
        drop(seat);
        assert!(poll(&mut gone).is_pending());
        drop(gone);
        assert!(left.upgrade().is_none(), "its body and its connection go with it");
        let next = tokio::task::spawn_local(handler(&stage, &watched("next", &told)));
        settle().await;
        assert!(next.is_finished());
        assert_eq!(*told.borrow(), ["next is taken in"]);
    });
}

/// A request whose reading panics, outside of what intake catches.
struct Broken;

impl Received for Broken {
    fn call(&self) -> RawCall<'_> {
        panic!("as it was told")
    }
}

#[test]
fn a_request_that_cannot_be_asked_leaves_nobody_waiting() {
    on_a_worker(async || {
        let (stage, told) = (immediate(), Told::default());
        let mut first = handler(&stage, &watched("first", &told));
        assert!(poll(&mut first).is_pending());
        let broken = {
            let (intake, turn) = (Rc::clone(&stage.intake), Rc::clone(&stage.turn));
            let broken = async move { intake.take_in_round(&turn, &Seat::new(Broken)).await };
            tokio::task::spawn_local(AssertUnwindSafe(broken).catch_unwind())
        };
        let behind = handler(&stage, &watched("behind", &told));
        let behind = tokio::task::spawn_local(AssertUnwindSafe(behind).catch_unwind());
        settle().await;
        assert_eq!(poll(&mut first), Poll::Ready(200), "it was taken in before");
        settle().await;
        assert!(broken.is_finished() && behind.is_finished());
        let next = tokio::task::spawn_local(handler(&stage, &watched("next", &told)));
        settle().await;
        assert!(next.is_finished());
    });
}

#[test]
fn a_call_that_was_answered_in_its_round_is_counted_even_if_its_handler_never_hears_of_it() {
    on_a_worker(async || {
        let (stage, told) = (immediate(), Told::default());
        let (first, second) = (watched("first", &told), watched("second", &told));
        let mut handlers = (handler(&stage, &first), handler(&stage, &second));
        assert!(poll(&mut handlers.0).is_pending() && poll(&mut handlers.1).is_pending());
        assert!(!first.is_counted() && !second.is_counted());
        assert_eq!(poll(&mut handlers.1), Poll::Ready(200));
        drop(handlers.0);
        assert!(first.is_counted(), "so nobody counts it again");
        let requests = stage.intake.ledger.snapshot().requests;
        assert_eq!((requests.accepted, requests.in_flight), (2, 0));
        assert_eq!(stage.log.batches().concat(), ["first", "second"]);
    });
}

#[test]
fn a_call_that_waits_for_the_log_is_not_counted_before_it_is_safe() {
    on_a_worker(async || {
        let (stage, told) = (Stage::new(false), Told::default());
        let seat = watched("a", &told);
        let mut gone = handler(&stage, &seat);
        assert!(poll(&mut gone).is_pending() && poll(&mut gone).is_pending());
        assert_eq!(stage.log.batches(), [["a"]], "handed over with its round");
        drop(gone);
        assert!(!seat.is_counted());
        stage.intake.abandoned(Provider::OpenIm);
        stage.log.catch_up();
        settle().await;
        let requests = stage.intake.ledger.snapshot().requests;
        assert_eq!((requests.accepted, requests.refused, requests.in_flight), (0, 1, 0));
    });
}

#[test]
fn calls_that_come_one_by_one_do_not_wait_for_others() {
    on_a_worker(async || {
        let (stage, told) = (immediate(), Told::default());
        let lone = |name: &str| handler(&stage, &watched(name, &told));
        for _ in 0..3 {
            let mut tries = lone("a round of one");
            assert!(poll(&mut tries).is_pending());
            assert_eq!(poll(&mut tries), Poll::Ready(200));
            for _ in 0..ALONE {
                assert_eq!(poll(&mut lone("alone")), Poll::Ready(200), "at once");
            }
        }
        // A round that is large enough is followed by another one.
        for _ in 0..3 {
            let mut round: Vec<_> = (0..ROUND_MIN).map(|_| lone("one of many")).collect();
            assert!(round.iter_mut().all(|handler| poll(handler).is_pending()));
            assert!(round.iter_mut().all(|handler| poll(handler) == Poll::Ready(200)));
        }
    });
}

#[test]
fn a_call_that_panics_is_answered_and_so_are_the_others_of_its_round() {
    on_a_worker(async || {
        let (stage, told) = (immediate(), Told::default());
        stage.log.now.lock().panics = true;
        let mut round: Vec<_> =
            ["a", "b"].map(|name| handler(&stage, &watched(name, &told))).into();
        assert!(round.iter_mut().all(|handler| poll(handler).is_pending()));
        assert!(round.iter_mut().all(|handler| poll(handler).is_ready()));
        assert_eq!(stage.refused("panic"), 2);
        stage.log.now.lock().panics = false;
        let again = handler(&stage, &watched("again", &told)).now_or_never();
        assert_eq!(again.map(|outgoing| outgoing.status), Some(200));
    });
}
