//! What the program does when a real Apache Kafka is down, hangs, dies, or refuses records.
//!
//! In: faults, under callbacks one by one or under the simulated servers' load. Out: whether it
//! answers all the while, says what is wrong, goes on without a hand, and whether everything that
//! was accepted is in Kafka in order. Every test ends with the loss ledger.

use std::net::TcpStream;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use imbridge::simulate::{self, Options, Outcome, Pace, Report};
use serde_json::{Value, json};

use crate::support::bridge::catalogue;
use crate::support::kafka::{self, kafka_or_skip};
use crate::support::process::{Bridge, SOON, wait_for};
use crate::support::shipped::{Shipped, Trail};

/// Both simulated servers, until they are told to stop.
struct Load {
    stop: tokio::sync::oneshot::Sender<()>,
    thread: JoinHandle<Report>,
}

impl Load {
    fn start(bridge: &Bridge, rate: f64) -> Self {
        let options = Options {
            openim: Some(bridge.base() + "/openim"),
            tencent: Some(bridge.base() + "/tencent"),
            pace: Pace::PerSecond(rate),
            time_max: None,
            ..Options::default()
        };
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime can be had");
            let phases = |provider, command: &str| {
                let catalogue = catalogue();
                let row = catalogue.find(provider, command).expect("samples are of the catalogue");
                catalogue.plan(row).phase
            };
            let stop = async { stopped.await.expect("the test says stop") };
            let run = simulate::run(&options, phases, std::sync::Arc::new(()), stop);
            runtime.block_on(run).expect("the options are right")
        });
        Self { stop, thread }
    }

    /// Ends the load; what became of it.
    fn report(self) -> Report {
        self.stop.send(()).expect("it runs until now");
        self.thread.join().expect("senders do not panic")
    }

    /// Ends the load; every callback must have been taken. Returns how many there were.
    fn end(self) -> u64 {
        let report = self.report();
        assert!(report.is_good(), "{:?}", report.complaints);
        report.issued()
    }
}

fn group_message(group: &str, number: usize, text: &str) -> Value {
    json!({
        "callbackCommand": "callbackAfterSendGroupMsgCommand",
        "sendID": "u1", "groupID": group, "sessionType": 3, "contentType": 101,
        "serverMsgID": format!("server-{number}"), "clientMsgID": format!("client-{number}"),
        "sendTime": 1_735_689_600_000_u64, "createTime": 1_735_689_600_000_u64, "seq": number,
        "content": json!({"content": text}).to_string(),
    })
}

fn send_message(bridge: &Bridge, number: usize, text: &str) {
    let body = group_message("g1", number, text);
    bridge.accept("/openim/callbackAfterSendGroupMsgCommand", &body);
}

fn dismiss(bridge: &Bridge, group: &str) {
    let body = json!({
        "callbackCommand": "callbackAfterDisMissGroupCommand",
        "groupID": group, "groupType": 2, "ownerID": "u1", "membersID": ["u2"],
    });
    bridge.accept("/openim/callbackAfterDisMissGroupCommand", &body);
}

/// The numbers that `send_message` gave, as they stand in Kafka.
fn numbers(trail: &Trail) -> Vec<u64> {
    let number = |event: &Value| event["data"]["sequence"].as_u64().expect("a number");
    trail.records.iter().map(|one| number(&one.value())).collect()
}

fn confirmed(bridge: &Bridge) -> u64 {
    bridge.status()["ledger"]["records"]["confirmed"].as_u64().expect("a count")
}

/// Waits until the load's records are being confirmed.
fn wait_until_flowing(bridge: &Bridge) {
    let before = confirmed(bridge);
    wait_for("records are confirmed", SOON, || (confirmed(bridge) > before + 100).then_some(()));
}

/// Waits until more is confirmed than `before`; from `began` on.
fn resumed_after(bridge: &Bridge, before: u64, began: Instant) -> Duration {
    wait_for("records are confirmed again", SOON, || (confirmed(bridge) > before).then_some(()));
    began.elapsed()
}

/// After the load: drains, stops and finds every record that was appended.
fn assert_nothing_lost(bridge: Bridge, broker: &kafka::Broker, prefix: &str, sent: u64) -> Trail {
    let status = bridge.drained(SOON);
    let ledger = &status["ledger"];
    assert_eq!(ledger["requests"]["received"], sent, "{ledger}");
    assert_eq!(ledger["requests"]["refused"], 0, "{ledger}");
    let dead = &ledger["records"]["dead_lettered"];
    assert_eq!((dead, &ledger["records"]["lost"]), (&json!(0), &json!(0)), "{ledger}");
    assert_eq!(bridge.stop().code, Some(0));
    let trail = Trail::read(broker, prefix);
    trail.assert_whole(ledger["records"]["appended"].as_u64().expect("a count"));
    trail
}

#[test]
fn with_kafka_down_at_the_start_it_answers_and_ships_everything_when_kafka_comes() {
    kafka_or_skip!();
    let mut broker = kafka::breakable();
    let prefix = kafka::topic_prefix("down");
    broker.sigkill();
    let more = [("IMBRIDGE_TOPIC_BY", "one"), ("IMBRIDGE_TOPIC_PARTITIONS", "2")];
    let bridge = Bridge::start(&broker.bootstrap(), &prefix, &more);
    for number in 1..=50 {
        send_message(&bridge, number, "kept");
    }
    let text = bridge.wait_until_degraded("no broker can be reached", SOON);
    assert!(text.starts_with("kafka: "), "{text}");
    let unreachable = "kafka_degraded{reason=\"unreachable\"}";
    assert_eq!(bridge.metric(unreachable).to_bits(), 1_f64.to_bits());
    let records = &bridge.status()["ledger"]["records"];
    assert_eq!((&records["appended"], &records["waiting"]), (&json!(50), &json!(50)));

    broker.start_again();
    let resumed = resumed_after(&bridge, 0, Instant::now());
    bridge.drained(SOON);
    wait_for("nothing is degraded", SOON, || bridge.degraded().is_empty().then_some(()));
    assert_eq!(bridge.metric(unreachable).to_bits(), 0_f64.to_bits());
    let trail = assert_nothing_lost(bridge, &broker, &prefix, 50);
    assert_eq!(numbers(&trail), (1..=50).collect::<Vec<_>>());
    eprintln!("down at the start: first record {resumed:?} after the broker's first answer");
    assert!(resumed < Duration::from_secs(15), "{resumed:?}");
}

#[test]
fn a_broker_that_hangs_under_load_loses_nothing_and_is_called_stalled() {
    kafka_or_skip!();
    let mut broker = kafka::breakable();
    let prefix = kafka::topic_prefix("hang");
    let more = [("IMBRIDGE_TOPIC_BY", "one"), ("IMBRIDGE_TOPIC_PARTITIONS", "3")];
    let bridge = Bridge::start(&broker.bootstrap(), &prefix, &more);
    let load = Load::start(&bridge, 300.0);
    wait_until_flowing(&bridge);
    let frozen = Instant::now();
    broker.sigstop();
    bridge.wait_until_degraded("oldest unconfirmed record", Duration::from_secs(12));
    thread::sleep(Duration::from_secs(15).saturating_sub(frozen.elapsed()));
    let before = confirmed(&bridge);
    broker.sigcont();
    let resumed = resumed_after(&bridge, before, Instant::now());
    wait_until_flowing(&bridge);
    let sent = load.end();
    let trail = assert_nothing_lost(bridge, &broker, &prefix, sent);
    eprintln!(
        "frozen for 15 s: resumed {resumed:?} after, {} records, {} repeats",
        trail.records.len(),
        trail.repeats
    );
    assert!(resumed < Duration::from_secs(15), "{resumed:?}");
}

#[test]
fn a_broker_that_is_killed_under_load_and_comes_back_loses_nothing() {
    kafka_or_skip!();
    let mut broker = kafka::breakable();
    let prefix = kafka::topic_prefix("killed");
    let more = [("IMBRIDGE_TOPIC_BY", "one"), ("IMBRIDGE_TOPIC_PARTITIONS", "3")];
    let bridge = Bridge::start(&broker.bootstrap(), &prefix, &more);
    let load = Load::start(&bridge, 300.0);
    wait_until_flowing(&bridge);
    broker.sigkill();
    bridge.wait_until_degraded("no broker can be reached", SOON);
    let before = confirmed(&bridge);
    broker.start_again();
    let resumed = resumed_after(&bridge, before, Instant::now());
    wait_until_flowing(&bridge);
    let sent = load.end();
    let trail = assert_nothing_lost(bridge, &broker, &prefix, sent);
    eprintln!(
        "killed: resumed {resumed:?} after the broker's first answer, {} records, {} repeats",
        trail.records.len(),
        trail.repeats
    );
    assert!(resumed < Duration::from_secs(15), "{resumed:?}");
}

#[test]
fn a_stop_under_load_that_never_pauses_loses_nothing_that_was_accepted() {
    kafka_or_skip!();
    let (broker, prefix) = (kafka::shared(), kafka::topic_prefix("stop-load"));
    // The linger makes sure that something is on its way at any moment.
    let more = [
        ("IMBRIDGE_TOPIC_BY", "one"),
        ("IMBRIDGE_TOPIC_PARTITIONS", "2"),
        ("IMBRIDGE_KAFKA_PROPERTY_LINGER_MS", "300"),
        ("IMBRIDGE_DRAIN_SECONDS", "8"),
    ];
    let bridge = Bridge::start(&broker.bootstrap(), &prefix, &more);
    // A sender that stays connected: without it the bridge would find a moment without any.
    let address = bridge.base();
    let address = address.strip_prefix("http://").expect("a URL");
    let _connected = TcpStream::connect(address).expect("it listens");
    let load = Load::start(&bridge, 300.0);
    wait_until_flowing(&bridge);
    let ended = bridge.stop();
    let report = load.report();
    let accepted = report.count(Outcome::Accepted);
    eprintln!("stop under load: took {:?}, {accepted} accepted", ended.took);

    assert_eq!(ended.code, Some(0), "{:?}", ended.log);
    assert!(ended.took < Duration::from_secs(11), "{:?}", ended.took);
    let told = ended.log.iter().find(|line| line.contains("not in Kafka at the end"));
    assert_eq!(told, None);
    let trail = Trail::read(broker, &prefix);
    let records = trail.sequences().last().copied().expect("there are records");
    trail.assert_whole(records);
    assert!(records >= accepted, "{records} records of {accepted} accepted callbacks");
}

#[test]
fn a_topic_that_is_deleted_while_it_is_written_is_made_again() {
    kafka_or_skip!();
    let (broker, prefix) = (kafka::shared(), kafka::topic_prefix("deleted"));
    let more = [("IMBRIDGE_TOPIC_BY", "one"), ("IMBRIDGE_TOPIC_PARTITIONS", "2")];
    let bridge = Bridge::start(&broker.bootstrap(), &prefix, &more);
    for number in 1..=20 {
        send_message(&bridge, number, "before");
    }
    bridge.drained(SOON);
    broker.delete_topic(&format!("{prefix}events"));
    let deleted = Instant::now();
    for number in 21..=60 {
        send_message(&bridge, number, "behind");
    }
    let status = bridge.drained(SOON);
    let took = deleted.elapsed();
    eprintln!("deleted topic: all shipped {took:?} after the deletion");
    assert!(took < Duration::from_secs(25), "{took:?}, without librdkafka's patience of 30 s");

    let trail = Trail::read(broker, &prefix);
    // What was there is gone with the topic; what came after is all there, in order.
    assert_eq!(numbers(&trail), (21..=60).collect::<Vec<_>>());
    assert_eq!(status["ledger"]["records"]["confirmed"], 60);
    wait_for("nothing is degraded", SOON, || bridge.degraded().is_empty().then_some(()));
    assert_eq!(bridge.stop().code, Some(0));
}

#[test]
fn without_the_wish_to_create_topics_a_missing_one_is_named_and_waited_for() {
    kafka_or_skip!();
    let (broker, prefix) = (kafka::shared(), kafka::topic_prefix("by-hand"));
    let more = [("IMBRIDGE_TOPICS_CREATE", "false")];
    broker.create_topic(&format!("{prefix}message.group.sent"), 1, &[]);
    let bridge = Bridge::start(&broker.bootstrap(), &prefix, &more);
    send_message(&bridge, 1, "there is a topic for it");
    wait_for("the first is in Kafka", SOON, || (confirmed(&bridge) == 1).then_some(()));
    dismiss(&bridge, "g1");
    send_message(&bridge, 2, "behind what is held");

    let missing = format!("{prefix}group.dismissed");
    let text = bridge.wait_until_degraded(&missing, SOON);
    let advice = format!("topic {missing} is missing; create it, or set IMBRIDGE_TOPICS_CREATE");
    assert!(text.contains(&advice), "{text}");
    assert_eq!(bridge.metric("kafka_degraded{reason=\"topic\"}").to_bits(), 1_f64.to_bits());
    assert!(!broker.topics().contains_key(&missing), "nothing is created against the wish");
    assert_eq!(confirmed(&bridge), 1, "order: the record behind it waits too");

    let made = Instant::now();
    broker.create_topic(&missing, 1, &[]);
    bridge.drained(SOON);
    eprintln!("topic made by hand: shipped {:?} after", made.elapsed());
    let trail = Trail::read(broker, &prefix);
    trail.assert_whole(3);
    wait_for("nothing is degraded", SOON, || bridge.degraded().is_empty().then_some(()));

    // Deleted and made again by hand, while it runs.
    broker.delete_topic(&missing);
    dismiss(&bridge, "g2");
    bridge.wait_until_degraded(&missing, SOON);
    send_message(&bridge, 3, "held");
    broker.create_topic(&missing, 1, &[]);
    bridge.drained(SOON);
    let trail = Trail::read(broker, &prefix);
    assert_eq!(trail.sequences(), [1, 3, 4, 5], "the second went with its topic");
    assert_eq!(bridge.stop().code, Some(0));
}

/// Text that no codec makes smaller than its half.
fn noise(bytes: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'a' + u8::try_from(state % 26).expect("below 26"))
    };
    (0..bytes).map(|_| next()).collect()
}

#[test]
fn a_record_too_large_for_its_topic_is_put_aside_alone_counted_and_named() {
    kafka_or_skip!();
    let (broker, prefix) = (kafka::shared(), kafka::topic_prefix("large"));
    let more = [("IMBRIDGE_TOPIC_PARTITIONS", "1")];
    broker.create_topic(
        &format!("{prefix}message.group.sent"),
        1,
        &[("max.message.bytes", "9000")],
    );
    let bridge = Bridge::start(&broker.bootstrap(), &prefix, &more);
    let too_large = noise(40_000);
    for round in 0..3 {
        for number in 0..20 {
            let text = if number == 7 { &too_large } else { "small" };
            send_message(&bridge, 20 * round + number, text);
            dismiss(&bridge, "g1");
        }
    }
    let status = bridge.drained(SOON);

    let records = &status["ledger"]["records"];
    assert_eq!((&records["appended"], &records["confirmed"]), (&json!(120), &json!(117)));
    assert_eq!(records["dead_lettered"], 3, "{records}");
    let counted = bridge.metric("kafka_dead_letters_total{reason=\"too_large\"}");
    assert_eq!(counted.to_bits(), 3_f64.to_bits());
    // Each refusal is fatal to a gapless producer: new sessions came, and each time it went on.
    let sessions = bridge.metric("kafka_sessions_total");
    assert!(sessions >= 4.0, "{sessions}");
    assert!(bridge.metric("kafka_errors_total{class=\"record\"}") >= 3.0);
    let trail = Trail::read(broker, &prefix);
    // All are there: three of them, message 7 of each round, record 15 of its 40, as dead letters.
    trail.assert_whole(120);
    let aside = [15, 55, 95];
    let letters: Vec<&Shipped> =
        trail.records.iter().filter(|one| one.topic == "deadletter").collect();
    assert_eq!(letters.iter().map(|one| one.sequence).collect::<Vec<_>>(), aside);
    for letter in letters {
        assert_eq!(letter.value()["data"]["text"], too_large);
        assert!(letter.key().is_some_and(|key| key.starts_with("group:")), "{:?}", letter.key());
        let header = |name: &str| letter.header(name).expect("letters have it");
        assert!(header("error").starts_with("too_large: "), "{}", header("error"));
        assert_eq!(header("topic"), format!("{prefix}message.group.sent"));
        assert_eq!(header("sequence"), letter.sequence.to_string());
        assert_eq!(letter.header("replay"), None, "it is new there");
    }
    // What was on its way behind a refused record was sent again, and says so.
    assert!(trail.records.iter().any(|one| one.header("replay") == Some("1")));
    let log = bridge.log();
    let lines: Vec<&String> =
        log.iter().filter(|line| line.contains("refuses this record")).collect();
    assert_eq!(lines.len(), 3, "{log:?}");
    for (line, sequence) in lines.iter().zip(aside) {
        let id = line.split("event_id=").nth(1).expect("the id is named");
        let id = id.trim_start_matches('"');
        assert!(id.bytes().take(32).all(|byte| byte.is_ascii_hexdigit()), "{line}");
        assert!(line.contains(&format!("sequence={sequence} ")), "{line}");
        assert!(line.contains("too_large") && line.contains("message.group.sent"), "{line}");
        assert!(!line.contains(&too_large[..40]), "no message text in the log");
    }
    assert!(bridge.degraded().is_empty(), "{:?}", bridge.degraded());
    assert_eq!(bridge.stop().code, Some(0));
    eprintln!("too large: {sessions} sessions for 3 records, {} repeats", trail.repeats);
}

#[test]
fn a_topic_with_a_tiny_limit_makes_small_batches_and_loses_nothing() {
    kafka_or_skip!();
    let (broker, prefix) = (kafka::shared(), kafka::topic_prefix("tiny"));
    // Below the smallest batch: refused batches are sent again one by one, and all pass.
    let limit = [("max.message.bytes", "3000"), ("compression.type", "uncompressed")];
    broker.create_topic(&format!("{prefix}events"), 1, &limit);
    let more = [
        ("IMBRIDGE_TOPIC_BY", "one"),
        ("IMBRIDGE_KAFKA_PROPERTY_COMPRESSION_TYPE", "none"),
        ("IMBRIDGE_KAFKA_PROPERTY_LINGER_MS", "100"),
    ];
    let bridge = Bridge::start(&broker.bootstrap(), &prefix, &more);
    for number in 0..60 {
        send_message(&bridge, number, "some three of these make a batch too large");
    }
    let status = bridge.drained(SOON);
    assert_eq!(status["ledger"]["records"]["confirmed"], 60, "{status}");
    let trail = Trail::read(broker, &prefix);
    trail.assert_whole(60);
    let sessions = &status["kafka"]["sessions"];
    eprintln!("tiny limit: {sessions} sessions for 60 records, {} repeats", trail.repeats);
    assert_eq!(bridge.stop().code, Some(0));
}
