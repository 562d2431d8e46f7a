//! One running broker: its start, its faults, its end.
//!
//! In: [`Options`]. Out: an address at which a single Kafka broker answers, and a handle to hurt
//! it. Invariants: a broker that was handed out has answered a Metadata request under its own
//! cluster id; ports, cluster id and data stay the same over all of its restarts; the handle's end
//! is the broker's end, and its directory goes with it.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::process::{self, Guarded, OwnedDir, Signal};
use super::server::{self, Options, Ports, Security};
use super::{cache_dir, jars, tls};

/// Longest time until a started broker answers: 3–5 s on a quiet machine, some 20 s on a busy one
/// that recovers many partitions. Spent whole only by a start that fails.
const START_LIMIT: Duration = Duration::from_secs(90);
/// Longest orderly stop; it takes half a second when idle.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// How often a starting broker is asked.
const POLL: Duration = Duration::from_millis(50);
/// Longest wait for one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// Starts with other ports, when someone took ours between the look and the start.
const PORT_ATTEMPTS: usize = 5;
/// Lines of `broker.log` that go into an error.
const LOG_LINES: usize = 30;

/// A broker of one's own. Ended, and all its data removed, when dropped.
#[derive(Debug)]
pub(crate) struct Broker {
    // Before `home`: fields are dropped in this order, and the process lives in the directory.
    process: Option<Guarded>,
    frozen: bool,
    options: Options,
    ports: Ports,
    cluster: String,
    home: OwnedDir,
}

impl Broker {
    /// Starts a broker and waits until it answers.
    ///
    /// # Panics
    /// When it does not, with the reason and the end of its log.
    pub(crate) fn start(options: &Options) -> Self {
        match Self::try_start(options) {
            Ok(broker) => broker,
            Err(error) => panic!("the broker does not start: {error:#}"),
        }
    }

    /// As [`Broker::start`], with the failure as a value.
    pub(super) fn try_start(options: &Options) -> anyhow::Result<Self> {
        static LEFT_OVERS: Once = Once::new();
        let mut cleaned = Ok(());
        LEFT_OVERS.call_once(|| cleaned = process::end_left_overs(&Self::run_dir()));
        cleaned.context("cannot end the brokers of earlier test runs")?;
        let mut attempt = 1;
        loop {
            let mut broker = Self::prepare(options.clone())?;
            match broker.launch() {
                Ok(()) => return Ok(broker),
                Err(_) if broker.found_a_port_taken() && attempt < PORT_ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Where the directories of all running brokers are.
    pub(crate) fn run_dir() -> PathBuf {
        cache_dir().join("run")
    }

    /// Address of the listener for clients: `127.0.0.1:PORT`.
    pub(crate) fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.ports.client)
    }

    /// The librdkafka properties, the address aside, with which a client is let in.
    pub(crate) fn client_properties(&self) -> Vec<(String, String)> {
        self.options.client_properties(self.dir())
    }

    /// All of it as rdkafka takes it, with a back-off that suits a broker next door.
    pub(crate) fn client_config(&self) -> ClientConfig {
        let mut config: ClientConfig = self.client_properties().into_iter().collect();
        config
            .set("bootstrap.servers", self.bootstrap())
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "200");
        config
    }

    /// The broker's directory: `server.properties`, `broker.log`, `data`, `ca.pem` with TLS.
    pub(crate) fn dir(&self) -> &Path {
        self.home.path()
    }

    /// Writes a CA file that has nothing to do with this broker; returns its path.
    pub(crate) fn foreign_authority(&self) -> PathBuf {
        let path = self.dir().join("foreign-ca.pem");
        let pem = tls::foreign_authority().expect("a key can be made");
        fs::write(&path, pem).expect("the broker's directory can be written to");
        path
    }

    /// Whether it answers a Metadata request within a second.
    pub(crate) fn answers(&self) -> bool {
        self.client_config().create().is_ok_and(|client| self.answers_to(&client))
    }

    /// Freezes it (SIGSTOP): connections stay open, nothing is answered.
    pub(crate) fn sigstop(&mut self) {
        self.running().signal(Signal::Stop);
        self.frozen = true;
    }

    /// Ends a freeze (SIGCONT). The first answers may take a moment: after a freeze of more than a
    /// second and a half the controller has to let the broker in again.
    pub(crate) fn sigcont(&mut self) {
        self.running().signal(Signal::Continue);
        self.frozen = false;
    }

    /// Kills it (SIGKILL) and waits for its end. What it acknowledged stays in the page cache.
    pub(crate) fn sigkill(&mut self) {
        self.running().kill();
        self.ended();
    }

    /// Asks it to end (SIGTERM) and waits for that.
    ///
    /// # Panics
    /// When it takes more than half a minute.
    pub(crate) fn sigterm(&mut self) {
        self.running().signal(Signal::Terminate);
        assert!(self.running().ends_within(STOP_LIMIT), "no end after SIGTERM: {}", self.log_end());
        self.ended();
    }

    /// Starts a broker that was ended, on the same ports and data, and waits until it answers.
    ///
    /// # Panics
    /// When it still runs or does not start.
    pub(crate) fn start_again(&mut self) {
        assert!(self.process.is_none(), "the broker has not been ended");
        if let Err(error) = self.launch() {
            panic!("the broker does not start again: {error:#}");
        }
    }

    /// Makes it run and answer again, whatever was done to it.
    ///
    /// # Panics
    /// When it does not.
    pub(super) fn heal(&mut self) {
        if self.process.as_mut().is_some_and(Guarded::has_ended) {
            self.ended();
        }
        if self.process.is_none() {
            self.start_again();
        } else if self.frozen {
            self.sigcont();
            if let Err(error) = self.wait_until_it_answers() {
                panic!("the broker does not come back from a freeze: {error:#}");
            }
        }
    }

    /// Makes directory, files and formatted storage; nothing runs yet.
    fn prepare(options: Options) -> anyhow::Result<Self> {
        let home = OwnedDir::new(&Self::run_dir())?;
        let (ports, cluster) = (Ports::draw()?, server::cluster_id());
        let broker = Self { process: None, frozen: false, options, ports, cluster, home };
        let dir = broker.dir();
        fs::create_dir(dir.join("tmp"))?;
        fs::write(dir.join("log4j2.properties"), server::LOG4J2)?;
        fs::write(dir.join("server.properties"), broker.options.server_properties(ports))?;
        if broker.options.security == Security::Tls {
            tls::write_certificates(dir)?;
        }
        broker.format()?;
        Ok(broker)
    }

    fn format(&self) -> anyhow::Result<()> {
        let mut arguments = self.options.format_arguments(&self.cluster);
        arguments.insert(0, "kafka.tools.StorageTool".to_owned());
        let status = self.java(&arguments)?.wait()?;
        ensure!(status.success(), "StorageTool: {status}\n{}", self.log_end());
        Ok(())
    }

    /// Starts the process and waits until it answers. On failure nothing runs.
    fn launch(&mut self) -> anyhow::Result<()> {
        self.process = Some(self.java(&["kafka.Kafka", "server.properties"])?);
        let ready = self.wait_until_it_answers();
        if ready.is_err() {
            self.process = None;
        }
        ready
    }

    fn java<T: AsRef<OsStr>>(&self, program: &[T]) -> anyhow::Result<Guarded> {
        let mut arguments = server::java_arguments(jars::class_path()?, self.dir());
        arguments.extend(program.iter().map(|argument| argument.as_ref().to_owned()));
        Guarded::spawn(self.dir(), &self.log()?, "java", &arguments).context("cannot run sh")
    }

    /// The port listens before the broker is let into its cluster, so only an answer counts.
    fn wait_until_it_answers(&mut self) -> anyhow::Result<()> {
        let client: BaseConsumer = self.client_config().create()?;
        let deadline = Instant::now() + START_LIMIT;
        loop {
            ensure!(!self.running().has_ended(), "java has ended\n{}", self.log_end());
            if self.answers_to(&client) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("no answer within {START_LIMIT:?}\n{}", self.log_end());
            }
            thread::sleep(POLL);
        }
    }

    /// One broker, and this one: somebody else's may have taken the port before ours came to it.
    fn answers_to(&self, client: &BaseConsumer) -> bool {
        let alone = client
            .fetch_metadata(None, ANSWER_LIMIT)
            .is_ok_and(|metadata| metadata.brokers().len() == 1);
        alone && client.client().fetch_cluster_id(ANSWER_LIMIT).as_ref() == Some(&self.cluster)
    }

    fn running(&mut self) -> &mut Guarded {
        self.process.as_mut().expect("the broker was ended and not started again")
    }

    fn ended(&mut self) {
        self.process = None;
        self.frozen = false;
    }

    fn log(&self) -> anyhow::Result<File> {
        let path = self.dir().join("broker.log");
        OpenOptions::new().create(true).append(true).open(path).context("cannot open broker.log")
    }

    fn found_a_port_taken(&self) -> bool {
        self.log_end().contains("Address already in use")
    }

    fn log_end(&self) -> String {
        let bytes = fs::read(self.dir().join("broker.log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}
