//! Promises of the support itself: a real Kafka that comes, obeys and goes.
//!
//! In: brokers from `support::kafka`. Out: whether they do what other tests rest on. What imbridge
//! does with a real Kafka is not looked at here.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::support::kafka::{
    self, Broker, Consumed, Guarded, Options, OwnedDir, SASL_PASSWORD, SASL_USER, Security,
    kafka_or_skip,
};

/// Longest wait for what comes within a second on a quiet machine.
const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_record_is_read_as_it_was_written() {
    kafka_or_skip!();
    let broker = kafka::shared();
    let topic = kafka::topic_prefix("round-trip") + "all";
    broker.create_topic(&topic, 1, &[]);
    let producer: BaseProducer = broker.client_config().create().expect("valid properties");
    let headers = OwnedHeaders::new()
        .insert(Header { key: "journal", value: Some("first") })
        .insert(Header { key: "none", value: None::<&str> })
        .insert(Header { key: "journal", value: Some("") });
    let full = BaseRecord::to(&topic).key("k").payload("v").headers(headers).timestamp(1_700_000);
    producer.send(full).expect("there is room");
    producer.send(BaseRecord::<str, str>::to(&topic).key("").timestamp(5)).expect("there is room");
    producer.send(BaseRecord::<str, str>::to(&topic).payload("").timestamp(6)).expect("room");
    producer.flush(SOON).expect("the broker takes records");

    let bytes = |text: &str| Some(text.as_bytes().to_vec());
    let headers = vec![
        ("journal".to_owned(), bytes("first")),
        ("none".to_owned(), None),
        ("journal".to_owned(), bytes("")),
    ];
    let record = |offset, key, payload, headers, timestamp_ms| Consumed {
        partition: 0,
        offset,
        key,
        payload,
        headers,
        timestamp_ms,
    };
    let expected = [
        record(0, bytes("k"), bytes("v"), headers, 1_700_000),
        record(1, bytes(""), None, vec![], 5),
        record(2, None, bytes(""), vec![], 6),
    ];
    assert_eq!(broker.consume_all(&topic), expected);
}

#[test]
fn all_partitions_are_read_to_their_ends() {
    kafka_or_skip!();
    let broker = kafka::shared();
    let topic = kafka::topic_prefix("partitions") + "all";
    broker.create_topic(&topic, 6, &[("max.message.bytes", "2000")]);
    let keys: Vec<String> = (0..200).map(|number| format!("key {number}")).collect();
    write(&broker.client_config(), &topic, &keys);

    let records = broker.consume_all(&topic);
    let mut partitions: Vec<i32> = records.iter().map(|record| record.partition).collect();
    partitions.dedup();
    assert_eq!(partitions, [0, 1, 2, 3, 4, 5], "by partition, none left out");
    assert_eq!(payloads(&records), sorted(&keys));
    assert_eq!(broker.topics().get(&topic), Some(&6));
    assert!(!accepts(broker, &topic, &"x".repeat(2500)), "the topic's own limit holds");
}

#[test]
fn waiting_for_records_starts_before_the_topic_exists() {
    kafka_or_skip!();
    let broker = kafka::shared();
    let topic = kafka::topic_prefix("waiting") + "late";
    let keys = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
    thread::scope(|scope| {
        let reader = scope.spawn(|| broker.consume_until(&topic, 3, SOON));
        broker.create_topic(&topic, 2, &[]);
        for key in &keys {
            write(&broker.client_config(), &topic, std::slice::from_ref(key));
        }
        let records = reader.join().expect("three records come");
        assert_eq!(payloads(&records), keys);
    });
}

#[test]
fn a_deleted_topic_is_gone_and_can_be_made_again_empty() {
    kafka_or_skip!();
    let broker = kafka::shared();
    let topic = kafka::topic_prefix("deleted") + "one";
    broker.create_topic(&topic, 1, &[]);
    write(&broker.client_config(), &topic, &["before".to_owned()]);
    broker.delete_topic(&topic);
    assert_eq!(broker.topics().get(&topic), None);
    broker.create_topic(&topic, 2, &[]);
    assert_eq!(broker.consume_all(&topic), []);
}

#[test]
fn a_killed_or_stopped_broker_keeps_its_records_over_a_restart() {
    kafka_or_skip!();
    let mut broker = kafka::breakable();
    let topic = kafka::topic_prefix("restart") + "kept";
    broker.create_topic(&topic, 3, &[]);
    let (bootstrap, config) = (broker.bootstrap(), broker.client_config());
    write(&config, &topic, &["1 before the kill".to_owned()]);
    broker.sigkill();
    assert!(!broker.answers(), "a killed broker answers nothing");
    broker.start_again();
    write(&config, &topic, &["2 before the stop".to_owned()]);
    broker.sigterm();
    broker.start_again();
    write(&config, &topic, &["3 after both".to_owned()]);

    assert_eq!(broker.bootstrap(), bootstrap);
    let expected = ["1 before the kill", "2 before the stop", "3 after both"];
    assert_eq!(payloads(&broker.consume_all(&topic)), expected);
}

#[test]
fn a_frozen_broker_answers_nothing_until_it_goes_on() {
    kafka_or_skip!();
    let mut broker = kafka::breakable();
    broker.sigstop();
    assert!(!broker.answers());
    broker.sigcont();
    assert!(within(SOON, || broker.answers()));
    drop(broker);

    kafka::breakable().sigstop();
    assert!(kafka::breakable().answers(), "the next test gets it in good health");
}

#[test]
fn a_sasl_broker_lets_in_the_right_password_only() {
    kafka_or_skip!();
    let broker = Broker::start(&Options::with(Security::Sasl));
    let topic = kafka::topic_prefix("sasl") + "in";
    broker.create_topic(&topic, 1, &[]);
    let mut written = Vec::new();
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let mut config = broker.client_config();
        config.set("sasl.mechanism", mechanism).set("sasl.username", SASL_USER);
        let right = config.clone().set("sasl.password", SASL_PASSWORD).clone();
        write(&right, &topic, &[mechanism.to_owned()]);
        written.push(mechanism);
        let wrong = config.set("sasl.password", "guessed").clone();
        assert_eq!(first_error(&wrong), RDKafkaErrorCode::Authentication, "{mechanism}");
    }
    assert_eq!(payloads(&broker.consume_all(&topic)), written);
}

#[test]
fn a_tls_broker_is_trusted_through_its_own_authority_only() {
    kafka_or_skip!();
    let options = Options::with(Security::Tls).property("num.partitions", "3");
    let broker = Broker::start(&options);
    let topic = kafka::topic_prefix("tls") + "in";
    broker.create_topic(&topic, -1, &[]);
    assert_eq!(broker.topics().get(&topic), Some(&3), "the broker's own number, as set above");
    for host in ["127.0.0.1", "localhost"] {
        let port = broker.bootstrap().rsplit_once(':').expect("host:port").1.to_owned();
        let mut config = broker.client_config();
        config.set("bootstrap.servers", format!("{host}:{port}"));
        write(&config, &topic, &[host.to_owned()]);
    }
    assert_eq!(payloads(&broker.consume_all(&topic)), ["127.0.0.1", "localhost"]);

    let foreign = broker.foreign_authority();
    let mut config = broker.client_config();
    config.set("ssl.ca.location", foreign.to_str().expect("cargo's paths are UTF-8"));
    assert_eq!(first_error(&config), RDKafkaErrorCode::SSL);
}

/// A test run may end by Ctrl-C or a kill, and a static is never dropped. So this very binary is
/// run with one test that starts the shared broker, and killed as soon as that broker is seen.
#[test]
fn no_broker_outlives_a_killed_test_run() {
    kafka_or_skip!();
    // By this name it is found even when a build has put another binary in its place meanwhile.
    let mut run = Command::new("/proc/self/exe")
        .args(["--exact", "real_kafka::a_record_is_read_as_it_was_written"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the test binary can be run");
    let own = format!("{}-", run.id());
    let of_that_run = |dir: &Path| {
        dir.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(&own))
    };
    let alive = || {
        let dirs = kafka::marked_processes(&Broker::run_dir()).into_iter().map(|(_, dir)| dir);
        dirs.filter(|dir| of_that_run(dir)).collect::<Vec<_>>()
    };
    // A directory that only the broker makes: its storage is formatted by a process before it.
    let serves = |dir: &PathBuf| dir.join("data/__cluster_metadata-0").exists();
    let started = within(Duration::from_mins(2), || alive().iter().any(serves));
    run.kill().expect("a child that is not reaped can be killed");
    run.wait().expect("a child can be waited for");
    assert!(started, "the other run starts a broker");
    assert!(within(SOON, || alive().is_empty()), "its broker ends with it");
    let left = || {
        let dirs = fs::read_dir(Broker::run_dir()).expect("brokers run there");
        dirs.flatten().any(|dir| of_that_run(&dir.path()))
    };
    assert!(within(SOON, || !left()), "and its directory goes");
}

#[test]
fn a_process_whose_test_run_is_gone_is_ended_by_its_guard_even_when_frozen() {
    let run = tempfile::tempdir().expect("a temporary directory");
    let home = OwnedDir::new(run.path()).expect("a directory in it");
    let log = File::create(home.path().join("log")).expect("a file in it");
    let [shell, arguments @ ..] = frozen_shell(home.path());
    let mut process =
        Guarded::spawn(home.path(), &log, shell.to_str().expect("sh"), &arguments).expect("sh");
    let found = || kafka::marked_processes(run.path());
    assert!(within(SOON, || found().contains(&(process.id(), home.path().to_owned()))));

    process.abandon();
    assert!(process.ends_within(SOON));
    assert!(within(SOON, || !home.path().exists()), "its directory goes too");
    assert!(within(SOON, || found().is_empty()), "and the guard does not stay");
}

#[test]
fn only_processes_whose_owner_is_gone_count_as_left_over() {
    let run = tempfile::tempdir().expect("a temporary directory");
    let owned = OwnedDir::new(run.path()).expect("a directory in it");
    let left = run.path().join("1-left");
    fs::create_dir(&left).expect("a directory in it");
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let start = |dir: &Path| {
        let [shell, arguments @ ..] = frozen_shell(dir);
        Command::new(shell).args(arguments).spawn().expect("sh can be run")
    };
    let mut processes = [owned.path(), &left, elsewhere.path()].map(start);
    kafka::end_left_overs(run.path()).expect("the directory is ours");

    let [of_the_living, left_over, of_another_run] = &mut processes;
    // Its command line is gone a moment before its end can be seen.
    let mut status = None;
    assert!(within(SOON, || {
        status = left_over.try_wait().expect("a child can be waited for");
        status.is_some()
    }));
    assert_eq!(status.and_then(|status| status.signal()), Some(9), "ended, and by SIGKILL");
    for process in [of_the_living, of_another_run] {
        assert_eq!(process.try_wait().expect("a child can be waited for"), None);
        process.kill().expect("a child that is not reaped can be killed");
        process.wait().expect("a child can be waited for");
    }
    assert!(owned.path().exists() && !left.exists());
}

/// A command that freezes itself and bears the mark of `dir`.
fn frozen_shell(dir: &Path) -> [OsString; 4] {
    ["sh".into(), "-c".into(), "kill -STOP $$".into(), kafka::mark(dir)]
}

/// Writes `texts` as key and value; returns when each is acknowledged or refused.
fn write(config: &ClientConfig, topic: &str, texts: &[String]) {
    let producer: BaseProducer = config.create().expect("valid properties");
    for text in texts {
        producer.send(BaseRecord::to(topic).key(text).payload(text)).expect("there is room");
    }
    producer.flush(SOON).expect("the broker takes records");
}

/// Whether the broker takes `text` into `topic`.
fn accepts(broker: &Broker, topic: &str, text: &str) -> bool {
    let before = broker.consume_all(topic).len();
    write(&broker.client_config(), topic, &[text.to_owned()]);
    broker.consume_all(topic).len() > before
}

fn payloads(records: &[Consumed]) -> Vec<String> {
    let text = |record: &Consumed| {
        String::from_utf8(record.payload.clone().expect("a payload")).expect("written as text")
    };
    sorted(&records.iter().map(text).collect::<Vec<_>>())
}

fn sorted(texts: &[String]) -> Vec<String> {
    let mut texts = texts.to_vec();
    texts.sort();
    texts
}

/// Whether `condition` holds at some time before `limit`.
fn within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Collects what librdkafka reports about a session.
#[derive(Default)]
struct Errors(Mutex<Vec<RDKafkaErrorCode>>);

impl ClientContext for Errors {
    fn error(&self, error: KafkaError, _reason: &str) {
        let mut seen = self.0.lock().expect("no holder panics");
        seen.extend(error.rdkafka_error_code());
    }
}

impl ConsumerContext for Errors {}

/// The first error of a client that tries to connect.
fn first_error(config: &ClientConfig) -> RDKafkaErrorCode {
    let mut config = config.clone();
    config.set("group.id", "refused");
    let client: BaseConsumer<Errors> =
        config.create_with_context(Errors::default()).expect("valid properties");
    let deadline = Instant::now() + SOON;
    loop {
        let _nothing_is_subscribed = client.poll(Duration::from_millis(50));
        let first = client.context().0.lock().expect("no holder panics").first().copied();
        if let Some(error) = first {
            return error;
        }
        assert!(Instant::now() < deadline, "no error within {SOON:?}");
    }
}
