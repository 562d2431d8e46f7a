//! Turns over a log whose writes end when the test says so, in time that stands still.
//!
//! In: calls on one worker, and what the log does to them. Out: which call is answered when and how,
//! what the log was offered, and what was counted.

use super::Patience;
use crate::call::Provider;
use crate::clock;
use crate::intake::stage::{AFTER, BEFORE, Stage, UNHEARD_OF, on_a_worker, settle, told};
use crate::journal::Folder;
use crate::record::Head;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::sleep;

#[test]
fn calls_of_one_turn_are_handed_over_together_and_answered_once_they_are_safe() {
    on_a_worker(async || {
        let stage = Stage::new(false);
        let calls: Vec<_> = ["a", "b", "c"].map(|group| stage.call(AFTER, group)).into();
        settle().await;
        assert_eq!(stage.log.batches(), [["a", "b", "c"]], "one hand-over, in order");
        assert!(calls.iter().all(|call| !call.is_finished()), "nothing is safe yet");
        let next = stage.call(AFTER, "d");
        settle().await;
        assert_eq!(stage.log.batches().len(), 2, "a lone call is handed over at once, too");
        stage.log.catch_up_to(3);
        for call in calls {
            assert_eq!(told(call).await, (200, 0));
        }
        assert!(!next.is_finished(), "its own records are not safe");
        assert_eq!(stage.intake.ledger.snapshot().requests.accepted, 3);
        stage.log.catch_up();
        assert_eq!(told(next).await, (200, 0));
        assert_eq!(stage.dismissed(), 4);
        let records = stage.intake.ledger.snapshot().records;
        assert_eq!((records.appended, records.waiting), (4, 4));
    });
}

#[test]
fn a_stalled_write_is_waited_for_from_its_beginning_on_and_then_not_at_all() {
    on_a_worker(async || {
        let stage = Stage::new(false);
        stage.log.stall();
        let early = stage.call(AFTER, "early");
        sleep(Duration::from_millis(400)).await;
        let late = stage.call(AFTER, "late");
        settle().await;
        let early = told(early).await;
        assert_eq!((early, told(late).await), ((503, 1000), (503, 600)));
        for group in ["x", "y"] {
            sleep(Duration::from_secs(3)).await;
            assert_eq!(told(stage.call(AFTER, group)).await, (503, 0), "at once");
        }
        assert_eq!(stage.refused("journal"), 4);
        assert_eq!(stage.log.batches(), [["early"], ["late"]], "they may be published later");
        stage.log.catch_up();
        let again = stage.call(AFTER, "again");
        settle().await;
        stage.log.catch_up();
        assert_eq!(told(again).await, (200, 0));
        let requests = stage.intake.ledger.snapshot().requests;
        assert_eq!((requests.received, requests.accepted, requests.in_flight), (5, 1, 0));
        assert_eq!(stage.dismissed(), 3, "what the log took is counted, whoever was told what");
    });
}

#[test]
fn a_slow_write_that_ends_within_the_hold_time_is_waited_for() {
    on_a_worker(async || {
        let stage = Stage::new(false);
        stage.log.stall();
        let call = stage.call(AFTER, "a");
        sleep(Duration::from_millis(900)).await;
        stage.log.catch_up();
        assert_eq!(told(call).await, (200, 900));
        assert_eq!(stage.refused("journal"), 0);
    });
}

#[test]
fn a_full_log_is_waited_for_from_the_moment_it_ran_full() {
    on_a_worker(async || {
        let stage = Stage::new(false);
        stage.log.run_full();
        sleep(Duration::from_millis(700)).await;
        let calls: Vec<_> = ["a", "b"].map(|group| stage.call(AFTER, group)).into();
        settle().await;
        for call in calls {
            assert_eq!(told(call).await, (503, 300));
        }
        sleep(Duration::from_secs(5)).await;
        let (outgoing, took) = stage.call(AFTER, "c").await.expect("no call panics");
        assert_eq!((outgoing.status, took), (503, Duration::ZERO), "at once");
        assert_eq!(outgoing.headers, [("retry-after", "1")]);
        assert_eq!(stage.refused("journal"), 3);
        assert_eq!((stage.dismissed(), stage.log.batches().len()), (0, 0));
        let records = stage.intake.ledger.snapshot().records;
        assert_eq!(
            (records.appended, records.waiting),
            (0, 0),
            "what was not taken is not counted"
        );
    });
}

#[test]
fn room_lets_those_in_who_wait_in_the_order_in_which_they_came() {
    on_a_worker(async || {
        let stage = Stage::new(false);
        stage.log.run_full();
        let mut calls = Vec::new();
        for group in ["a", "b", "c"] {
            calls.push(stage.call(AFTER, group));
            sleep(Duration::from_millis(100)).await;
        }
        stage.log.make_room();
        settle().await;
        assert_eq!(stage.log.batches().concat(), ["a", "b", "c"]);
        stage.log.catch_up();
        for (call, took) in calls.into_iter().zip([300, 200, 100]) {
            assert_eq!(told(call).await, (200, took));
        }
        assert_eq!((stage.dismissed(), stage.refused("journal")), (3, 0));
    });
}

#[test]
fn after_a_long_time_without_room_the_first_call_that_finds_some_is_taken() {
    on_a_worker(async || {
        let stage = Stage::new(false);
        stage.log.run_full();
        assert_eq!(told(stage.call(AFTER, "lost")).await, (503, 1000));
        // Nobody waits: whether the word that there is room was heard must not matter.
        stage.log.now.lock().full_since = None;
        let call = stage.call(AFTER, "found");
        settle().await;
        stage.log.catch_up();
        assert_eq!(told(call).await, (200, 0));
        assert_eq!(stage.log.batches(), [["found"]], "what was refused is gone");
    });
}

#[test]
fn a_command_without_a_row_waits_for_a_write_but_is_never_held() {
    on_a_worker(async || {
        let stage = Stage::new(false);
        let call = stage.call(UNHEARD_OF, "a");
        settle().await;
        assert!(!call.is_finished(), "it is answered once it is safe");
        stage.log.catch_up();
        assert_eq!(told(call).await, (200, 0));
        stage.log.run_full();
        let held = stage.call(AFTER, "b");
        settle().await;
        assert_eq!(told(stage.call(UNHEARD_OF, "c")).await, (503, 0));
        stage.log.make_room();
        settle().await;
        stage.log.stall();
        assert_eq!(told(stage.call(UNHEARD_OF, "d")).await, (503, 100));
        assert_eq!(told(stage.call(UNHEARD_OF, "e")).await, (503, 0));
        assert!(!held.is_finished(), "others wait on");
        stage.log.catch_up();
        assert_eq!(told(held).await, (200, 100));
    });
}

#[test]
fn a_command_without_a_row_ends_as_soon_as_the_log_proves_full() {
    on_a_worker(async || {
        let stage = Stage::new(false);
        stage.log.run_full();
        // Both are in one hand-over, and nobody knew before it.
        let (held, unheld) = (stage.call(AFTER, "a"), stage.call(UNHEARD_OF, "b"));
        assert_eq!(told(unheld).await, (503, 0));
        assert_eq!(told(held).await, (503, 1000));
    });
}

#[test]
fn what_is_written_and_waits_for_kafka_is_refused_for_kafka() {
    on_a_worker(async || {
        let stage = Stage::new(true);
        let first = stage.call(AFTER, "a");
        settle().await;
        stage.log.write();
        sleep(Duration::from_millis(300)).await;
        let second = stage.call(AFTER, "b");
        settle().await;
        stage.log.write();
        assert_eq!(told(first).await, (503, 1000));
        assert_eq!((stage.refused("kafka"), stage.refused("journal")), (1, 0));
        stage.log.catch_up();
        assert_eq!(told(second).await, (200, 700));
        stage.log.stall();
        assert_eq!(told(stage.call(AFTER, "c")).await, (503, 1000));
        assert_eq!((stage.refused("kafka"), stage.refused("journal")), (1, 1));
    });
}

#[test]
fn before_callbacks_are_decided_at_once_while_writes_block_for_ten_seconds() {
    on_a_worker(async || {
        let stage = Stage::new(false);
        stage.log.stall();
        stage.log.now.lock().queue_is_full = true;
        for _ in 0..20 {
            let after = stage.call(AFTER, "a");
            assert_eq!(told(stage.call(BEFORE, "b")).await, (200, 0));
            let (status, took) = told(after).await;
            assert!(status == 503 && took <= 1000, "{status} after {took} ms");
            sleep(Duration::from_millis(500)).await;
        }
        let dropped =
            |reason| stage.metric(&format!("decisions_dropped_total{{reason=\"{reason}\"}}"));
        assert_eq!((dropped("slow"), dropped("full"), dropped("broken")), (20, 0, 0));
        stage.log.now.lock().poisoned = true;
        assert_eq!(told(stage.call(BEFORE, "b")).await, (200, 0));
        assert_eq!((dropped("slow"), dropped("broken")), (20, 1));
        assert_eq!(stage.log.batches().len(), 0);
        assert_eq!(stage.intake.ledger.snapshot().records.appended, 0);
        let written = || stage.metric("records_total{kind=\"group.member.update\"}");
        assert_eq!(written(), 0, "a record that was dropped was not written");
        stage.log.catch_up();
        assert_eq!(told(stage.call(BEFORE, "c")).await, (200, 0));
        assert_eq!((written(), dropped("slow") + dropped("broken")), (1, 21));
    });
}

#[test]
fn a_body_that_fits_no_case_is_no_dropped_decision() {
    on_a_worker(async || {
        let stage = Stage::new(false);
        stage.log.run_full();
        assert_eq!(told(stage.send(BEFORE, "[]".to_owned())).await, (200, 0));
        assert_eq!(stage.metric("decisions_dropped_total{reason=\"full\"}"), 0);
        assert_eq!(stage.metric("records_dropped_total{reason=\"full\"}"), 1);
    });
}

#[test]
fn a_sender_that_goes_away_while_it_waits_takes_nothing_with_it() {
    on_a_worker(async || {
        let stage = Stage::new(false);
        let (gone, stays) = (stage.call(AFTER, "gone"), stage.call(AFTER, "stays"));
        settle().await;
        gone.abort();
        stage.intake.abandoned(Provider::OpenIm);
        settle().await;
        stage.log.catch_up();
        assert_eq!(told(stays).await, (200, 0));
        assert_eq!(stage.log.batches(), [["gone", "stays"]]);
        assert_eq!(stage.dismissed(), 2);
        let requests = stage.intake.ledger.snapshot().requests;
        assert_eq!((requests.accepted, requests.refused, requests.in_flight), (1, 1, 0));
        // And while there is no room.
        stage.log.run_full();
        let gone = stage.call(AFTER, "gone2");
        settle().await;
        gone.abort();
        stage.intake.abandoned(Provider::OpenIm);
        stage.log.make_room();
        settle().await;
        stage.log.catch_up();
        let next = stage.call(AFTER, "next");
        settle().await;
        stage.log.catch_up();
        assert_eq!(told(next).await, (200, 0));
        assert_eq!(stage.intake.ledger.snapshot().requests.in_flight, 0);
    });
}

#[test]
fn a_record_that_is_half_written_when_its_call_panics_is_taken_back() {
    on_a_worker(async || {
        let stage = Stage::new(false);
        let before = stage.call(AFTER, "before");
        let turn = Rc::clone(&stage.turn);
        let panics = spawn_local(async move {
            let half = catch_unwind(AssertUnwindSafe(|| {
                let mut writing = turn.begin();
                let (batch, _) = writing.parts();
                let head = Head { id: "x", topic: "t", key: None, timestamp_ms: 0 };
                batch.push(&head, &[], b"{}");
                let mut open = batch.begin(&head);
                batch.value(&mut open).extend_from_slice(b"{\"half\":");
                panic!("in the middle of a record");
            }));
            assert!(half.is_err());
            let none = turn.begin().finish(Patience::Held);
            assert!(none.is_ok_and(|place| place.is_none()), "no records, nothing to wait for");
        });
        let after = stage.call(AFTER, "after");
        settle().await;
        panics.await.expect("its panic was caught");
        assert_eq!(stage.log.batches(), [["before", "after"]]);
        stage.log.catch_up();
        assert_eq!((told(before).await, told(after).await), ((200, 0), (200, 0)));
        assert_eq!(stage.dismissed(), 2);
    });
}

#[test]
fn a_log_that_panics_refuses_who_waits_and_nobody_after() {
    on_a_worker(async || {
        let stage = Stage::new(false);
        stage.log.now.lock().panics = true;
        assert_eq!(told(stage.call(AFTER, "a")).await, (503, 0));
        stage.log.now.lock().panics = false;
        let call = stage.call(AFTER, "b");
        settle().await;
        stage.log.catch_up();
        assert_eq!(told(call).await, (200, 0));
        let ledger = stage.intake.ledger.snapshot();
        assert_eq!((ledger.requests.in_flight, ledger.records.appended), (0, 1));
    });
}

#[test]
fn what_waits_for_room_is_offered_in_pieces() {
    on_a_worker(async || {
        let stage = Stage::new(false);
        stage.log.run_full();
        let long = "x".repeat(300_000);
        let calls: Vec<_> = (0..9)
            .map(|at| {
                let body = format!("{{\"groupID\":\"{at}\",\"ownerID\":\"o\",\"x\":\"{long}\"}}");
                stage.send(AFTER, body)
            })
            .collect();
        settle().await;
        stage.log.make_room();
        settle().await;
        stage.log.catch_up();
        let batches = stage.log.batches();
        assert_eq!(batches.concat(), ["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 1]);
        for call in calls {
            assert_eq!(told(call).await, (200, 0));
        }
    });
}

#[test]
fn nothing_is_offered_again_and_again_while_there_is_no_room() {
    on_a_worker(async || {
        let stage = Stage::new(false);
        stage.log.run_full();
        let call = stage.call(AFTER, "a");
        sleep(Duration::from_millis(999)).await;
        settle().await;
        assert!(stage.log.now.lock().offered <= 2, "{}", stage.log.now.lock().offered);
        assert_eq!(told(call).await, (503, 1000));
    });
}

/// A large call without room took the small ones behind it with it, although there was room for them.
#[test]
fn large_calls_that_are_given_up_make_way_for_small_ones() {
    on_a_worker(async || {
        let stage = Stage::new(false);
        stage.log.now.lock().crowded = Some((1 << 20, clock::now()));
        let long = "x".repeat(700_000);
        let large = ["l", "m"].map(|group| {
            stage.send(AFTER, format!("{{\"groupID\":\"{group}\",\"x\":\"{long}\"}}"))
        });
        settle().await;
        sleep(Duration::from_millis(500)).await;
        let small = stage.call(AFTER, "small");
        settle().await;
        for large in large {
            assert_eq!(told(large).await, (503, 1000));
        }
        settle().await;
        assert_eq!(stage.log.batches(), [["small"]]);
        stage.log.catch_up();
        assert_eq!(told(small).await, (200, 500));
    });
}

#[test]
fn a_call_that_is_refused_leaves_no_file_and_no_count() {
    on_a_worker(async || {
        let stage = Stage::new(false);
        stage.log.run_full();
        let large = || {
            let long = "x".repeat(1 << 20);
            stage.send(AFTER, format!("{{\"groupID\":\"a\",\"ownerID\":\"o\",\"x\":\"{long}\"}}"))
        };
        assert_eq!(told(large()).await, (503, 1000));
        assert_eq!(
            (stage.log.now.lock().asides.len(), stage.metric("records_oversize_total")),
            (0, 0)
        );
        stage.log.make_room();
        let call = large();
        settle().await;
        stage.log.catch_up();
        assert_eq!(told(call).await, (200, 0));
        assert_eq!(stage.log.now.lock().asides, [Folder::Oversize]);
        assert_eq!(stage.metric("records_oversize_total"), 1);
    });
}

#[test]
fn what_waits_for_room_on_a_worker_is_bounded() {
    on_a_worker(async || {
        let stage = Stage::new(false);
        stage.log.run_full();
        let long = "x".repeat(500_000);
        let calls: Vec<_> = (0..400)
            .map(|at| stage.send(AFTER, format!("{{\"groupID\":\"{at}\",\"x\":\"{long}\"}}")))
            .collect();
        settle().await;
        let refused = calls.iter().filter(|call| call.is_finished()).count();
        assert!((200..390).contains(&refused), "{refused} of 400, a MB each, were too many");
        stage.log.make_room();
        settle().await;
        stage.log.catch_up();
        settle().await;
        assert!(calls.iter().all(JoinHandle::is_finished));
        let requests = stage.intake.ledger.snapshot().requests;
        assert_eq!((requests.accepted, requests.refused), (400 - refused as u64, refused as u64));
    });
}
