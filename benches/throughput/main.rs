//! How fast the bridge takes callbacks, against a handler that only reads them.
//!
//! One command, one table: `cargo bench --bench throughput`. Two servers take turns on core 0, each a
//! process with one worker: a bare actix handler that reads the body and answers what the bridge
//! answers, and the bridge at the ack level of `--ack` (`memory` unless it is given; with a journal in a
//! directory beside the program) with shipping on. The sender and librdkafka's mock
//! cluster (a process of its own) have core 1. A turn of the bridge ends when Kafka has confirmed
//! everything; the processor time of all its threads counts. The figures that count are ratios of
//! turns that follow one another; `docs/performance.md` tells how they came to be what they are.

#![allow(
    clippy::cast_precision_loss,
    clippy::must_use_candidate,
    clippy::unchecked_time_subtraction,
    reason = "figures are for people; a bench is no library and may stop at a broken clock"
)]
#![allow(missing_docs, unreachable_pub, clippy::print_stdout, reason = "a program, not a library")]

mod load;
mod requests;
mod servers;
mod table;

use anyhow::{Context, ensure};
use imbridge::clock;
use load::{Load, Run, exchange};
use servers::Part;
use std::time::Duration;

/// Kafka must have confirmed a turn within this time after the last answer.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(30);
/// How often it is asked for.
const LOOK: Duration = Duration::from_millis(1);

struct Options {
    seconds: f64,
    rounds: usize,
    connections: Vec<usize>,
    sanity: bool,
    /// Ack level of the bridge.
    ack: String,
    /// The bridge alone, for profilers.
    only_bridge: bool,
}

/// One server's turn.
pub struct Turn {
    pub run: Run,
    /// From the first request until everything was confirmed.
    pub elapsed: Duration,
    /// Processor time of the server by thread, nanoseconds.
    pub processor_ns: Vec<(String, u64)>,
}

impl Turn {
    pub fn rate(&self) -> f64 {
        self.run.requests as f64 / self.elapsed.as_secs_f64()
    }

    pub fn processor_us(&self) -> f64 {
        let all: u64 = self.processor_ns.iter().map(|(_, spent)| spent).sum();
        all as f64 / 1000.0 / self.run.requests as f64
    }
}

/// Both turns of a round.
pub struct Round {
    pub bare: Turn,
    pub bridge: Turn,
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [part, argument] = &*arguments
        && !part.starts_with('-')
    {
        return servers::run(part, argument);
    }
    let options = options(&arguments)?;
    servers::pin(servers::OTHER_CORE)?;
    let broker = Part::start("broker", "")?;
    let mut bare = Part::start("server-bare", "")?;
    let journal = journal_dir()?;
    let argument = [&broker.address, &options.ack, &journal.path().display().to_string()];
    let mut bridge = Part::start("server-bridge", &argument.map(String::as_str).join("\n"))?;
    same_answer(&bare, &bridge)?;
    let mut all = Vec::new();
    for &connections in &options.connections {
        let mut rounds = Vec::new();
        for round in 0..options.rounds {
            let bridge_turn = if options.only_bridge {
                let turn = turn(&mut bridge, connections, &options)?;
                println!("{:.2} µs", turn.processor_us());
                continue;
            } else if round % 2 == 0 {
                None
            } else {
                Some(turn(&mut bridge, connections, &options)?)
            };
            let bare = turn(&mut bare, connections, &options)?;
            let bridge = match bridge_turn {
                Some(turn) => turn,
                None => turn(&mut bridge, connections, &options)?,
            };
            rounds.push(Round { bare, bridge });
        }
        all.push((connections, rounds));
    }
    let (appended, confirmed) = bridge.ledger()?;
    ensure!(appended > 0 && appended == confirmed, "{confirmed} of {appended} are confirmed");
    if options.sanity {
        println!("sanity: {appended} records went through and were confirmed");
    } else if !options.only_bridge {
        table::print(&options.ack, &all);
    }
    Ok(())
}

fn options(arguments: &[String]) -> anyhow::Result<Options> {
    let mut options = Options {
        seconds: 3.0,
        rounds: 6,
        connections: vec![64, 2],
        sanity: false,
        ack: "memory".to_owned(),
        only_bridge: false,
    };
    let mut arguments = arguments.iter();
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{name} needs a value"));
        match name.as_str() {
            "--seconds" => options.seconds = value()?.parse()?,
            "--rounds" => options.rounds = value()?.parse()?,
            "--connections" => {
                let list = value()?.split(',').map(str::parse).collect::<Result<_, _>>();
                options.connections = list?;
            }
            "--ack" => {
                let level = value()?;
                let known = ["memory", "os", "fsync"];
                ensure!(known.contains(&level.as_str()), "--ack takes memory, os or fsync");
                level.clone_into(&mut options.ack);
            }
            "--sanity" => {
                options.sanity = true;
                (options.seconds, options.rounds) = (0.3, 1);
            }
            "--only-bridge" => options.only_bridge = true,
            // Cargo says so to every bench.
            "--bench" => {}
            other => anyhow::bail!(
                "{other}? There are --ack memory|os|fsync, --seconds N, --rounds N, \
                 --connections N,N, --sanity and --only-bridge"
            ),
        }
    }
    Ok(options)
}

/// A directory on the disk that this program lies on: a temporary one may be in memory.
fn journal_dir() -> anyhow::Result<tempfile::TempDir> {
    let program = std::env::current_exe()?;
    let beside = program.parent().context("a program lies in a directory")?;
    Ok(tempfile::Builder::new().prefix("bench-journal-").tempdir_in(beside)?)
}

/// Both servers must say the same, but for the date.
fn same_answer(bare: &Part, bridge: &Part) -> anyhow::Result<()> {
    let answer = |part: &Part| -> anyhow::Result<Vec<String>> {
        let answer = exchange(part.address.parse()?, &requests::group_text(0))?;
        let answer = String::from_utf8(answer)?;
        let mut lines: Vec<String> = answer.lines().map(str::to_owned).collect();
        lines.retain(|line| !line.starts_with("date:"));
        lines.sort();
        Ok(lines)
    };
    let (bare, bridge) = (answer(bare)?, answer(bridge)?);
    ensure!(bare == bridge, "the servers answer differently: {bare:?} and {bridge:?}");
    Ok(())
}

fn turn(part: &mut Part, connections: usize, options: &Options) -> anyhow::Result<Turn> {
    let requests = (0..connections).map(requests::group_text).collect();
    let mut load = Load::connect(part.address.parse()?, requests)?;
    let time = Duration::from_secs_f64(options.seconds);
    load.run(time / 8)?;
    confirmed(part)?;
    let before = part.processor_ns()?;
    let started = clock::now();
    let run = load.run(time)?;
    confirmed(part)?;
    let elapsed = started.elapsed();
    let mut processor_ns = part.processor_ns()?;
    for (name, spent) in &mut processor_ns {
        let earlier = before.iter().find(|(known, _)| known == name).map_or(0, |(_, ns)| *ns);
        *spent = spent.saturating_sub(earlier);
    }
    Ok(Turn { run, elapsed, processor_ns })
}

/// Waits until everything is in Kafka.
fn confirmed(part: &mut Part) -> anyhow::Result<()> {
    let until = clock::now() + CONFIRMED_WITHIN;
    loop {
        let (appended, confirmed) = part.ledger()?;
        if appended == confirmed {
            return Ok(());
        }
        ensure!(clock::now() < until, "{confirmed} of {appended} are confirmed");
        std::thread::sleep(LOOK);
    }
}
