//! How fast a backlog drains, and what each thread spends on a record.
//!
//! One command: `cargo bench --bench drain`. A log in memory is filled, then a shipper empties it into
//! librdkafka's mock cluster in this process; several runs, each line one. Processor time is read per
//! thread, so that the mock's own share can be left out; wall clock is only as good as the machine
//! is quiet. `--records N` and `--bytes N` change the backlog.

#![allow(clippy::cast_precision_loss, reason = "figures are for people")]
#![allow(missing_docs, unreachable_pub, clippy::print_stdout, reason = "a program, not a library")]

use imbridge::clock;
use imbridge::journal::Log;
use imbridge::journal::memory::MemoryLog;
use imbridge::kafka::KafkaSettings;
use imbridge::kafka::mock::MockKafka;
use imbridge::record::{Batch, Head, STRUCTURED};
use imbridge::shipper::{KafkaSinks, Settings, Shipper};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

const RUNS: usize = 5;
const TOPICS: [&str; 3] = ["im.message.group.sent", "im.message.direct.sent", "im.decisions"];
/// Ticks a second in `/proc/self/task/*/stat`.
const TICKS: f64 = 100.0;

fn option(name: &str, default: usize) -> usize {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Text that compresses about as well as events do.
fn value(number: usize, bytes: usize) -> Vec<u8> {
    let mut text = String::with_capacity(bytes + 100);
    let mut state = number as u64 + 1;
    while text.len() < bytes {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str("\"sender_platform\":\"ios\",\"message_id\":\"");
        write!(text, "{:016x}", state >> 7).expect("writing into memory");
        text.push_str("\",\"conversation_type\":\"group\",");
    }
    text.truncate(bytes);
    text.into_bytes()
}

fn fill(records: usize, bytes: usize) -> Arc<MemoryLog> {
    let log = Arc::new(MemoryLog::new(8 << 30));
    let values: Vec<Vec<u8>> = (0..1000).map(|number| value(number, bytes)).collect();
    let mut batch = Batch::new();
    for number in 0..records {
        let key = format!("group:{}", number % 5000);
        let topic = TOPICS[number / 3 % TOPICS.len()];
        let head = Head {
            id: "0123456789abcdef0123456789abcdef",
            topic,
            key: Some(key.as_bytes()),
            timestamp_ms: clock::unix_ms(),
        };
        batch.push(&head, &[("content-type", STRUCTURED)], &values[number % values.len()]);
        if batch.records() == 8 {
            log.append(&mut batch).expect("there is room");
        }
    }
    if !batch.is_empty() {
        log.append(&mut batch).expect("there is room");
    }
    log
}

/// Processor time so far by thread, in seconds; threads of librdkafka's brokers as one.
fn threads() -> BTreeMap<String, f64> {
    let mut seconds = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").expect("Linux") {
        let path = task.expect("a thread").path().join("stat");
        let Ok(stat) = std::fs::read_to_string(path) else { continue };
        let (name, rest) = stat.split_once(") ").expect("a name in brackets");
        let name = name.split_once('(').expect("a name in brackets").1;
        let ticks: f64 =
            rest.split(' ').skip(11).take(2).filter_map(|one| one.parse::<f64>().ok()).sum();
        let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
        *seconds.entry(name.to_owned()).or_insert(0.0) += ticks / TICKS;
    }
    seconds
}

fn main() {
    let (records, bytes) = (option("--records", 300_000), option("--bytes", 1500));
    for _ in 0..RUNS {
        let kafka = MockKafka::start(1).expect("a mock cluster");
        let topics: Vec<String> = TOPICS.iter().map(|topic| (*topic).to_owned()).collect();
        kafka.create_topics(&topics, 4).expect("new topics");
        let log = fill(records, bytes);
        let before = threads();
        let started = clock::now();
        let sinks = Arc::new(KafkaSinks::new(KafkaSettings::new(kafka.bootstrap())));
        let as_log: Arc<dyn Log> = Arc::<MemoryLog>::clone(&log);
        let shipper = Shipper::spawn(as_log, sinks, Settings::new(topics), Arc::new(()))
            .expect("there is a thread");
        while log.usage().records > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let wall = started.elapsed().as_secs_f64();
        let spent = threads().into_iter().filter_map(|(name, seconds)| {
            let micros = (seconds - before.get(&name).unwrap_or(&0.0)) * 1e6 / records as f64;
            (micros >= 0.05).then(|| format!("{name} {micros:.2}"))
        });
        let spent: Vec<String> = spent.collect();
        println!("{:.0} records/s; µs per record: {}", records as f64 / wall, spent.join(", "));
        shipper.stop(Duration::from_secs(1));
    }
}
