//! The queue under a paused clock, and requests as they stand on the wire.

use parking_lot::Mutex as SyncMutex;
use tokio::time::{Instant, sleep};

use super::*;

type Jobs = Arc<SyncMutex<Vec<u32>>>;

/// A queue whose jobs take `work` each, with the numbers of those done and abandoned.
fn queue(work: Duration) -> (Queue<u32>, Jobs, Jobs) {
    let (done, abandoned) = (Jobs::default(), Jobs::default());
    let (into_done, into_abandoned) = (Arc::clone(&done), Arc::clone(&abandoned));
    let queue = Queue::start(
        move |job| {
            let done = Arc::clone(&into_done);
            async move {
                sleep(work).await;
                done.lock().push(job);
            }
        },
        move |job| into_abandoned.lock().push(job),
    );
    (queue, done, abandoned)
}

#[tokio::test(start_paused = true)]
async fn two_workers_and_a_hundred_slots_take_102_events_at_once() {
    let (queue, _, _) = queue(Duration::from_mins(1));
    let push = queue.pusher();
    let began = Instant::now();
    for job in 0..102 {
        // The workers need a turn to take the first two out of the slots.
        tokio::task::yield_now().await;
        push.push(job).await.unwrap();
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(push.push(102).await, Err(102));
    assert_eq!(began.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_caller_gets_the_slot_that_comes_free_within_three_seconds() {
    let (queue, done, _) = queue(Duration::from_millis(2_900));
    let push = queue.pusher();
    for job in 0..102 {
        tokio::task::yield_now().await;
        push.push(job).await.unwrap();
    }
    let began = Instant::now();
    push.push(102).await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_millis(2_900));
    assert!(!done.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn throughput_is_two_over_the_receivers_latency() {
    let (queue, done, _) = queue(Duration::from_millis(200));
    let push = queue.pusher();
    let began = Instant::now();
    let mut pushed = 0;
    while began.elapsed() < Duration::from_secs(12) {
        push.push(pushed).await.unwrap();
        pushed += 1;
    }
    // 12 s at 2 / 0.2 s, and the 102 that are on their way.
    let done = done.lock().len();
    assert!((118..=120).contains(&done), "{done}");
    assert!((218..=223).contains(&pushed), "{pushed}");
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_too_long_after_the_end_is_abandoned() {
    let (queue, done, abandoned) = queue(Duration::from_secs(2));
    let push = queue.pusher();
    for job in 0..20 {
        push.push(job).await.unwrap();
    }
    drop(push);
    queue.finish(Duration::from_secs(5)).await;
    let (done, abandoned) = (done.lock().len(), abandoned.lock().len());
    // Rounds of two begin at 0, 2 and 4 s.
    assert_eq!((done, abandoned), (6, 14));
}

#[test]
fn the_url_is_base_slash_command_whatever_the_base() {
    let online = "callbackAfterUserOnlineCommand";
    let url = |base| url(base, online, None, "{}");
    assert_eq!(url("http://h/openim"), format!("http://h/openim/{online}"));
    assert_eq!(url("http://h/"), format!("http://h//{online}"));
    assert_eq!(url("http://h/?token=a"), format!("http://h/?token=a/{online}"));
}

#[test]
fn older_servers_put_the_command_elsewhere() {
    let url = |query| url("http://h/openim", "callbackMsgModifyCommand", Some(query), "{}");
    assert_eq!(url(""), "http://h/openim");
    assert_eq!(url("command=c"), "http://h/openim?command=c");
}

#[test]
fn message_events_carry_a_key_for_load_balancers() {
    let body = r#"{"sendID":"u2","groupID":"g1","recvID":""}"#;
    let url = |base, command| url(base, command, Some("key=of-the-sample"), body);
    assert_eq!(
        url("http://h", "callbackAfterMsgSaveDBCommand"),
        "http://h/callbackAfterMsgSaveDBCommand?key=eyJzZW5kSUQiOiJ1MiIsInJlY3ZJRCI6IiIsImdyb3VwSUQiOiJnMSJ9"
    );
    let swallowed = url("http://h?token=abc", "callbackAfterSendGroupMsgCommand");
    assert!(swallowed.starts_with("http://h?key=eyJ"), "{swallowed}");
    assert!(swallowed.ends_with("&token=abc%2FcallbackAfterSendGroupMsgCommand"), "{swallowed}");
}

#[test]
fn base64_pads() {
    let encoded = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|t| base64(t.as_bytes()));
    assert_eq!(encoded, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
}
