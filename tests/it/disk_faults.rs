//! What the program does at its disk levels when a real Apache Kafka hangs, dies, or refuses.
//!
//! In: faults, under load. Out: whether everything that was promised is in Kafka, in order, once or
//! marked; whether it goes on without a hand, and how soon.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::kafka::{self, Right, kafka_or_skip};
use crate::support::load::{Load, Message, Outcome, Plan};
use crate::support::process::{Bridge, SOON, wait_for};
use crate::support::scene::{Scene, confirmed, resumed, wait_until_flowing};

/// The promise is 2 s on a quiet machine; here others work beside us.
const RESUMES_WITHIN: Duration = Duration::from_secs(15);

fn assert_resumed_soon(what: &str, took: Duration) {
    eprintln!("{what}: records are confirmed again after {took:?}");
    assert!(took < RESUMES_WITHIN, "{what}: {took:?}");
}

/// Levels and faults that are tried: each once, or with `KILL_ROUNDS` all of them with each other.
fn outages() -> Vec<(&'static str, Outage)> {
    let mut outages = vec![("os", Outage::Hangs), ("fsync", Outage::Dies)];
    if std::env::var_os("KILL_ROUNDS").is_some() {
        outages.extend([("fsync", Outage::Hangs), ("os", Outage::Dies), ("kafka", Outage::Hangs)]);
    }
    outages
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outage {
    Hangs,
    Dies,
}

#[test]
fn a_broker_that_hangs_or_dies_costs_nothing_that_was_promised() {
    kafka_or_skip!();
    let mut broker = kafka::breakable();
    for (level, outage) in outages() {
        let scene = Scene::new(&format!("outage-{level}"), level);
        let bridge = scene.start(&broker.bootstrap());
        let load = Load::start(Plan::default());
        load.aim(Some(bridge.callbacks()));
        wait_until_flowing(&bridge);
        match outage {
            Outage::Hangs => broker.sigstop(),
            Outage::Dies => broker.sigkill(),
        }
        if level == "kafka" {
            wait_for("callbacks are refused", SOON, || (load.refused() > 20).then_some(()));
        } else {
            load.wait_for_accepted(300, SOON);
            thread::sleep(Duration::from_secs(1));
        }
        let before = confirmed(&bridge);
        match outage {
            Outage::Hangs => broker.sigcont(),
            Outage::Dies => broker.start_again(),
        }
        let back = Instant::now();
        let resumed = resumed(&bridge, before, back);
        assert_resumed_soon(&format!("{level}, {outage:?}"), resumed);
        wait_until_flowing(&bridge);
        let proof = scene.finish(&broker, bridge, load);
        proof.assert_whole();
        let accepted = proof.obligations.count(Outcome::Accepted);
        let all = proof.obligations.sent.len();
        assert!(accepted == all || level == "kafka", "{} not accepted", all - accepted);
    }
}

#[test]
fn a_broker_that_is_down_at_the_start_is_waited_for_over_a_restart_of_the_bridge() {
    kafka_or_skip!();
    let mut broker = kafka::breakable();
    let scene = Scene::new("down", "os");
    broker.sigkill();
    let load = Load::start(Plan::default());
    for _ in 0..2 {
        let bridge = scene.start(&broker.bootstrap());
        load.aim(Some(bridge.callbacks()));
        load.wait_for_accepted(300, SOON);
        load.aim(None);
        let ended = bridge.stop();
        assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    }
    let bridge = scene.start(&broker.bootstrap());
    load.aim(Some(bridge.callbacks()));
    broker.start_again();
    assert_resumed_soon("down at the start", resumed(&bridge, 0, Instant::now()));
    let proof = scene.finish(&broker, bridge, load);
    proof.assert_whole();
    // What two earlier runs left may have been sent by them, for all that the third one knows.
    assert!(proof.findings.marked >= 500, "{}", proof.findings);
}

#[test]
fn a_topic_that_is_deleted_under_load_takes_with_it_only_what_it_held() {
    kafka_or_skip!();
    let broker = kafka::shared();
    let scene = Scene::new("deleted", "os").set("TOPICS_CREATE", "false");
    let topic = format!("{}events", scene.prefix);
    broker.create_topic(&topic, 2, &[]);
    let bridge = scene.start(&broker.bootstrap());
    let load = Load::start(Plan::default());
    load.aim(Some(bridge.callbacks()));
    wait_until_flowing(&bridge);

    broker.delete_topic(&topic);
    let deleted = Instant::now();
    let text = bridge.wait_until_degraded(&topic, SOON);
    assert!(text.starts_with("kafka: "), "{text}");
    load.wait_for_accepted(300, SOON);
    // Held: what the old topic took is known for good.
    let delivered =
        |bridge: &Bridge| bridge.count(&format!("kafka_delivered_total{{topic=\"{topic}\"}}"));
    let in_old_topic = wait_for("deliveries stand still", SOON, || {
        let before = delivered(&bridge);
        thread::sleep(Duration::from_millis(500));
        (delivered(&bridge) == before).then_some(before)
    });
    let before = confirmed(&bridge);
    eprintln!("topic deleted: held for {:?}", deleted.elapsed());
    broker.create_topic(&topic, 2, &[]);
    assert_resumed_soon("topic made again", resumed(&bridge, before, Instant::now()));
    wait_until_flowing(&bridge);

    let proof = scene.finish(broker, bridge, load);
    // Exactly what Kafka had confirmed went with its topic.
    assert_eq!(proof.findings.gaps.len() as u64, in_old_topic, "{:?}", proof.findings.gaps);
    let missing = proof.findings.missing.len() as u64;
    assert!(missing <= in_old_topic, "{missing} missing, {in_old_topic} were in the old topic");
}

#[test]
fn a_topic_that_is_deleted_under_load_is_made_again_by_the_bridge() {
    kafka_or_skip!();
    let broker = kafka::shared();
    let scene = Scene::new("remade", "fsync").set("TOPIC_PARTITIONS", "2");
    let topic = format!("{}events", scene.prefix);
    let bridge = scene.start(&broker.bootstrap());
    let load = Load::start(Plan::default());
    load.aim(Some(bridge.callbacks()));
    wait_until_flowing(&bridge);
    broker.delete_topic(&topic);
    let (deleted, before) = (Instant::now(), confirmed(&bridge));
    assert_resumed_soon("topic made by the bridge", resumed(&bridge, before, deleted));
    load.wait_for_accepted(300, SOON);
    let proof = scene.finish(broker, bridge, load);
    let late: Vec<_> = proof.findings.missing.iter().filter(|one| one.at > deleted).collect();
    assert!(late.is_empty(), "sent after the deletion, and lost: {late:?}");
}

#[test]
fn rights_that_are_taken_away_under_load_are_waited_for() {
    kafka_or_skip!();
    let broker = kafka::breakable();
    let scene = Scene::new("rights", "os");
    let bridge = scene.start(&broker.bootstrap());
    let load = Load::start(Plan::default());
    load.aim(Some(bridge.callbacks()));
    wait_until_flowing(&bridge);
    let topic = format!("{}events", scene.prefix);
    for right in [Right::Write, Right::Everything] {
        broker.deny(&topic, right);
        bridge.wait_until_degraded(&topic, SOON);
        load.wait_for_accepted(200, SOON);
        broker.allow_again(&topic);
        let (given, before) = (Instant::now(), confirmed(&bridge));
        assert_resumed_soon(&format!("{right:?}"), resumed(&bridge, before, given));
        wait_until_flowing(&bridge);
    }
    let proof = scene.finish(&broker, bridge, load);
    proof.assert_whole();
    assert_eq!(proof.status["ledger"]["records"]["dead_lettered"], 0, "{}", proof.status);
}

#[test]
fn records_too_large_for_their_topic_are_dead_letters_and_nothing_else_is_touched() {
    kafka_or_skip!();
    let broker = kafka::breakable();
    let scene = Scene::new("large", "os");
    let topic = format!("{}events", scene.prefix);
    broker.create_topic(&topic, 2, &[("max.message.bytes", "9000")]);
    let bridge = scene.start(&broker.bootstrap());
    // Seldom: each costs some two seconds, in which everything behind it waits.
    let plan = Plan { connections: 2, large_every: 400, large_bytes: 40_000, ..Plan::default() };
    let load = Load::start(plan);
    load.aim(Some(bridge.callbacks()));
    let dead = |bridge: &Bridge| bridge.count("kafka_dead_letters_total{reason=\"too_large\"}");
    wait_for("dead letters", SOON, || (dead(&bridge) >= 3).then_some(()));
    // The dead-letter topic refuses as well: files take its place.
    let dead_topic = format!("{}deadletter", scene.prefix);
    broker.deny(&dead_topic, Right::Write);
    let before = dead(&bridge);
    wait_for("dead letters in files", SOON, || (dead(&bridge) >= before + 2).then_some(()));
    broker.allow_again(&dead_topic);

    let proof = scene.finish(&broker, bridge, load);
    let large = |message: &Message| message.text_bytes == plan.large_bytes;
    let missing: BTreeSet<String> = proof
        .findings
        .missing
        .iter()
        .map(|one| {
            assert!(large(&one.message), "lost: {one:?}");
            one.message.body().to_string()
        })
        .collect();
    let promised = proof.obligations.promised().filter(|one| large(&one.message)).count();
    assert_eq!(missing.len(), promised, "none can have passed");
    assert_eq!(proof.findings.gaps.len(), promised, "{:?}", proof.findings.gaps);
    assert_eq!(proof.status["ledger"]["records"]["dead_lettered"], promised);

    // Each is a dead letter, as it was, in the topic or in a file.
    let raw = |bytes: &[u8]| {
        let event: serde_json::Value = serde_json::from_slice(bytes).expect("an event");
        event["data"]["raw"].to_string()
    };
    let letters = proof.findings.dead_letters.iter();
    let letters: Vec<String> =
        letters.map(|one| raw(one.payload.as_deref().expect("the original bytes"))).collect();
    let files = std::fs::read_dir(scene.journal_dir().join("deadletter"));
    let files: Vec<String> = files
        .expect("some became files")
        .map(|entry| raw(&std::fs::read(entry.expect("readable").path()).expect("readable")))
        .collect();
    eprintln!("{} dead letters in the topic, {} in files", letters.len(), files.len());
    assert!(letters.len() >= 3 && files.len() >= 2);
    let found: BTreeSet<String> = letters.into_iter().chain(files).collect();
    assert_eq!(found, missing);
}
