//! The processes beside the sender: a bare server, the bridge, the mock cluster.
//!
//! Each is this very program, started again with the name of its part. It pins itself to its core
//! before it has a second thread, prints one line once it can be used, answers lines on its standard
//! input, and ends with it.

use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context, bail, ensure};
use imbridge::app;
use imbridge::catalogue::Catalogue;
use imbridge::config::Config;
use imbridge::http;
use imbridge::kafka::mock::MockKafka;
use imbridge::normalise::{Normaliser, Settings};
use imbridge::telemetry::Ledger;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Core of the server under test.
pub const SERVER_CORE: usize = 0;
/// Core of everything else.
pub const OTHER_CORE: usize = 1;
/// Partitions of each topic.
const PARTITIONS: u16 = 4;
/// What the bridge answers to an accepted `OpenIM` callback; the sender checks that both servers
/// answer the same.
const ALLOW: &str = r#"{"actionCode":0,"errCode":0,"errMsg":"","errDlt":"","nextCode":0}"#;

/// A part of this program that runs in a process of its own.
pub struct Part {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// What it said once it could be used: an address.
    pub address: String,
}

impl Part {
    pub fn start(name: &str, argument: &str) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?;
        let mut child = Command::new(program)
            .args([name, argument])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("its output is a pipe")?);
        let mut part = Self { child, input, output, address: String::new() };
        part.address = part.line()?;
        ensure!(!part.address.is_empty(), "{name} ended before it could be used");
        Ok(part)
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    /// Records appended, and confirmed by Kafka; none for the bare server.
    pub fn ledger(&mut self) -> anyhow::Result<(u64, u64)> {
        let input = self.input.as_mut().context("the part was not stopped")?;
        writeln!(input, "ledger")?;
        let line = self.line()?;
        let (appended, confirmed) = line.split_once(' ').context("two numbers")?;
        Ok((appended.parse()?, confirmed.parse()?))
    }

    /// Processor time by thread name, nanoseconds.
    pub fn processor_ns(&self) -> anyhow::Result<Vec<(String, u64)>> {
        let mut threads: Vec<(String, u64)> = Vec::new();
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let task = task?.path();
            let name = std::fs::read_to_string(task.join("comm"))?.trim().to_owned();
            let spent = std::fs::read_to_string(task.join("schedstat"))?;
            let spent: u64 = spent.split(' ').next().context("three numbers")?.parse()?;
            match threads.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += spent,
                None => threads.push((name, spent)),
            }
        }
        Ok(threads)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // The end of its input is its sign to stop.
        drop(self.input.take());
        let _status = self.child.wait();
    }
}

/// Keeps this thread, and all that it starts, on one core.
pub fn pin(core: usize) -> anyhow::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).with_context(|| format!("cannot run on core {core} alone"))
}

/// The part `name` of a process that was started by [`Part::start`].
pub fn run(name: &str, argument: &str) -> anyhow::Result<()> {
    match name {
        "broker" => broker(),
        "server-bare" => bare(),
        "server-bridge" => bridge(argument),
        other => bail!("there is no part {other}"),
    }
}

/// Says where it can be reached, then answers lines until there are no more.
fn serve_lines(address: &str, answer: impl Fn() -> String) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{address}")?;
    for line in std::io::stdin().lines() {
        let _wish = line?;
        writeln!(out, "{}", answer())?;
    }
    Ok(())
}

fn broker() -> anyhow::Result<()> {
    pin(OTHER_CORE)?;
    let settings = Settings {
        topic_prefix: "im.".to_owned(),
        topic_by: imbridge::event::TopicBy::Kind,
        event_format: imbridge::event::EventFormat::Structured,
        event_bytes_max: usize::MAX,
    };
    let kafka = MockKafka::start(1)?;
    for topic in Normaliser::new(Arc::new(Catalogue::embedded()), settings).all_topics() {
        kafka.create_topic(&topic, PARTITIONS)?;
    }
    serve_lines(&kafka.bootstrap(), || "0 0".to_owned())
}

fn bare() -> anyhow::Result<()> {
    pin(SERVER_CORE)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    http::block_on(async move {
        let server = HttpServer::new(|| App::new().default_service(web::to(read_and_answer)))
            .workers(1)
            .keep_alive(Duration::from_hours(2))
            .disable_signals()
            .listen(listener)?
            .run();
        let handle = server.handle();
        let lines =
            std::thread::spawn(move || serve_lines(&address.to_string(), || "0 0".to_owned()));
        let stop = actix_web::rt::task::spawn_blocking(move || lines.join());
        tokio::select! {
            ended = server => ended?,
            _ = stop => handle.stop(false).await,
        }
        Ok(())
    })
}

async fn read_and_answer(body: web::Bytes) -> HttpResponse {
    std::hint::black_box(&body);
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")))
        .body(web::Bytes::from_static(ALLOW.as_bytes()))
}

/// `argument` is three lines: brokers, ack level, directory of the journal.
fn bridge(argument: &str) -> anyhow::Result<()> {
    pin(SERVER_CORE)?;
    let [brokers, ack, dir] = *argument.split('\n').collect::<Vec<_>>() else {
        bail!("three lines are expected, not {argument:?}");
    };
    let settings = [
        ("IMBRIDGE_LISTEN", "127.0.0.1:0"),
        ("IMBRIDGE_ADMIN_LISTEN", "127.0.0.1:0"),
        ("IMBRIDGE_WORKERS", "1"),
        ("IMBRIDGE_ACK", ack),
        ("IMBRIDGE_JOURNAL_DIR", dir),
        ("IMBRIDGE_KAFKA_BROKERS", brokers),
    ];
    // Properties of librdkafka can be tried from outside.
    let tried = std::env::vars_os()
        .filter(|(name, _)| name.to_string_lossy().starts_with("IMBRIDGE_KAFKA_PROPERTY_"));
    let settings = settings.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let config = Config::for_serve(settings.into_iter().chain(tried))?;
    let brokers = brokers.to_owned();
    http::block_on(async move {
        let app = app::App::start(&config, &brokers, Arc::new(Catalogue::embedded()))?;
        let address: SocketAddr = app.callbacks_address();
        let ledger = Arc::clone(app.ledger());
        let lines =
            std::thread::spawn(move || serve_lines(&address.to_string(), || counts(&ledger)));
        let ended = actix_web::rt::task::spawn_blocking(move || lines.join()).await;
        let lost = app.stop().await;
        ensure!(lost == 0, "{lost} records were lost");
        ended?.map_err(|_| anyhow::anyhow!("the thread that answers panicked"))?
    })
}

fn counts(ledger: &Ledger) -> String {
    let records = ledger.snapshot().records;
    format!("{} {}", records.appended, records.confirmed)
}
