//! A bridge around a test: in this process, or the real program.
//!
//! In: settings, and which Kafka it has. Out: a [`TestBridge`] with its two addresses. Invariants:
//! it inherits no setting; its ports are its own, its journal is in memory unless it is told
//! otherwise; its ledger comes out even when the test is done with it; dropping it ends it; nobody listens where
//! [`Kafka::nobody`] points, for as long as the bridge lives.

use super::ledger;
use super::process::{SEGMENT_BYTES, SOON, wait_for};
use super::wire::{Response, Wire, post};
use imbridge::app::App;
use imbridge::config::Config;
use imbridge::http;
use imbridge::journal::storage::Storage;
use imbridge::kafka::mock::MockKafka;
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// Topic of everything where tests look into Kafka: the mock makes no topics by request.
pub(crate) const TOPIC: &str = "im.events";
/// Topic of what that one refuses.
const DEAD_LETTERS: &str = "im.deadletter";

/// The Kafka of a bridge.
#[derive(Debug)]
pub(crate) struct Kafka {
    brokers: String,
    /// Keeps the port taken, so that nobody else comes to listen there.
    _port: Option<Socket>,
}

impl Kafka {
    /// An address where connections are refused.
    pub(crate) fn nobody() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a descriptor is left");
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        socket.bind(&any.into()).expect("a port is free");
        let address = socket.local_addr().expect("it is bound").as_socket().expect("it is IPv4");
        Self { brokers: address.to_string(), _port: Some(socket) }
    }

    /// Their addresses.
    pub(crate) fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Brokers that somebody runs.
    pub(crate) fn at(brokers: &str) -> Self {
        Self { brokers: brokers.to_owned(), _port: None }
    }
}

/// A mock cluster with [`TOPIC`]; stays on the test's thread.
pub(crate) fn mock() -> MockKafka {
    let kafka = MockKafka::start(1).expect("a port is free");
    kafka.create_topic(TOPIC, 1).expect("it is new");
    // The mock refuses wishes for topics only when their time is up.
    kafka.create_topic(DEAD_LETTERS, 1).expect("it is new");
    kafka
}

/// What a bridge is started with.
#[derive(Debug)]
pub(crate) struct Builder {
    vars: BTreeMap<String, String>,
    kafka: Kafka,
    journal: Option<TempDir>,
}

/// A bridge that serves.
#[derive(Debug)]
pub(crate) struct TestBridge {
    pub(crate) callbacks: SocketAddr,
    pub(crate) admin: SocketAddr,
    token: Option<String>,
    runs: Runs,
    /// What must not end before it does.
    _behind: (Kafka, Option<TempDir>),
}

#[derive(Debug)]
enum Runs {
    Here { stop: Option<oneshot::Sender<()>>, thread: Option<JoinHandle<u64>> },
    Apart { child: Child, log: Arc<Mutex<String>>, reader: Option<JoinHandle<()>> },
}

impl Builder {
    /// One worker, everything into [`TOPIC`], and a stop that waits for nothing.
    pub(crate) fn new(kafka: Kafka) -> Self {
        let mut new = Self { vars: BTreeMap::new(), kafka, journal: None };
        let brokers = new.kafka.brokers.clone();
        for (name, value) in [
            ("KAFKA_BROKERS", &*brokers),
            ("LISTEN", "127.0.0.1:0"),
            ("ADMIN_LISTEN", "127.0.0.1:0"),
            ("WORKERS", "1"),
            ("TOPIC_BY", "one"),
            ("TOPICS_CREATE", "false"),
            ("DRAIN_SECONDS", "0"),
            ("ACK", "memory"),
        ] {
            new = new.set(name, value);
        }
        new
    }

    /// A journal in a directory of its own, at the default ack level.
    pub(crate) fn on_disk(mut self) -> Self {
        let journal = TempDir::new().expect("a directory can be made");
        let dir = journal.path().to_str().expect("temporary names are text").to_owned();
        self.journal = Some(journal);
        self.set("ACK", "")
            .set("JOURNAL_DIR", &dir)
            .set("JOURNAL_SEGMENT_BYTES", SEGMENT_BYTES)
            .set("JOURNAL_FREE_BYTES_MIN", "0")
    }

    /// Sets `IMBRIDGE_<name>`.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.vars.insert(format!("IMBRIDGE_{name}"), value.to_owned());
        self
    }

    /// A bridge in this process, on a thread of its own.
    pub(crate) fn start(self) -> TestBridge {
        self.start_over(None)
    }

    /// The same, with the journal in a storage of the test's.
    pub(crate) fn start_over(self, storage: Option<Arc<dyn Storage>>) -> TestBridge {
        let pairs = self.vars.iter().map(|(name, value)| (OsString::from(name), value.into()));
        let config = Config::for_serve(pairs).expect("the test's settings are right");
        let token = self.vars.get("IMBRIDGE_ADMIN_TOKEN").cloned();
        let brokers = self.kafka.brokers.clone();
        let (stop, stopped) = oneshot::channel();
        let (tell, started) = sync_channel(1);
        let thread = thread::spawn(move || {
            http::block_on(async move {
                let listeners = (
                    http::bind(config.http.listen).expect("any port"),
                    http::bind(config.admin.listen).expect("any port"),
                );
                let catalogue = super::bridge::catalogue();
                let app = App::start_over(&config, &brokers, catalogue, listeners, storage);
                let app = app.expect("starts");
                tell.send((app.callbacks_address(), app.admin_address()))
                    .expect("it is waited for");
                // A handle that was dropped means stop, too.
                let _dropped = stopped.await.is_err();
                app.stop().await
            })
        });
        let (callbacks, admin) = started.recv_timeout(SOON).expect("the bridge starts");
        let runs = Runs::Here { stop: Some(stop), thread: Some(thread) };
        let behind = (self.kafka, self.journal);
        TestBridge { callbacks, admin, token, runs, _behind: behind }
    }

    /// The real program.
    pub(crate) fn spawn(self) -> TestBridge {
        let mut child = Command::new(env!("CARGO_BIN_EXE_imbridge"))
            .arg("serve")
            .env_clear()
            .envs(&self.vars)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built");
        let log = Arc::new(Mutex::new(String::new()));
        let mut errors = BufReader::new(child.stderr.take().expect("it is piped"));
        let into = Arc::clone(&log);
        let reader = thread::spawn(move || {
            let mut line = String::new();
            while errors.read_line(&mut line).is_ok_and(|read| read > 0) {
                into.lock().expect("nobody panics with it").push_str(&line);
                line.clear();
            }
        });
        let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
        let runs = Runs::Apart { child, log, reader: Some(reader) };
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let token = self.vars.get("IMBRIDGE_ADMIN_TOKEN").cloned();
        let behind = (self.kafka, self.journal);
        let mut bridge =
            TestBridge { callbacks: nowhere, admin: nowhere, token, runs, _behind: behind };
        let mut address = |start: &str| {
            let mut line = String::new();
            out.read_line(&mut line).expect("it prints text");
            let address = line.trim_end().strip_prefix(start).and_then(|rest| rest.parse().ok());
            address.unwrap_or_else(|| panic!("{line:?} instead of {start:?}\n{}", bridge.log()))
        };
        let callbacks = address("callbacks listening on http://");
        let admin = address("admin listening on http://");
        (bridge.callbacks, bridge.admin) = (callbacks, admin);
        // Whoever writes more to standard output gets no broken pipe.
        thread::spawn(move || out.read_to_end(&mut Vec::new()));
        bridge
    }
}

impl TestBridge {
    /// In this process, without Kafka, at the default ack level.
    pub(crate) fn alone() -> Self {
        Builder::new(Kafka::nobody()).on_disk().start()
    }

    pub(crate) fn connect(&self) -> Wire {
        Wire::connect(self.callbacks)
    }

    /// Posts on a connection of its own.
    pub(crate) fn post(&self, target: &str, body: impl AsRef<[u8]>) -> Response {
        let mut wire = self.connect();
        wire.send(post(target, body));
        wire.response()
    }

    /// A page of the admin port, with the token if there is one.
    pub(crate) fn page(&self, path: &str) -> Response {
        let token = self.token.as_ref();
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        self.page_with(path, &token.unwrap_or_default())
    }

    /// A page of the admin port, with these header lines.
    pub(crate) fn page_with(&self, path: &str, headers: &str) -> Response {
        let port = self.admin.port();
        let mut wire = Wire::connect(([127, 0, 0, 1], port).into());
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: bridge\r\n{headers}\r\n"));
        wire.response()
    }

    pub(crate) fn status(&self) -> Value {
        let page = self.page("/status");
        assert_eq!(page.status, 200, "{}", page.text());
        page.json()
    }

    pub(crate) fn ready(&self) -> Response {
        self.page("/ready")
    }

    /// The count in a series such as `kafka_sessions_total` or `x_total{reason="y"}`.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let text = self.page("/metrics").text();
        let wanted = format!("imbridge_{series} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&wanted));
        line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().expect("a whole number")
    }

    /// Waits until no request is served, then looks whether both sums of the ledger come out and
    /// what waits is what the journal holds. Returns `/status`.
    pub(crate) fn assert_ledger_even(&self) -> Value {
        let mut last = Value::Null;
        wait_for("nothing is in flight", SOON, || {
            last = self.status();
            ledger::assert_even(&last);
            // The journal is looked at a moment before the ledger: records may travel in between.
            let fits = last["ledger"]["records"]["waiting"] == last["journal"]["records"];
            (last["ledger"]["requests"]["in_flight"] == 0 && fits).then_some(()).or_else(|| {
                eprintln!("not yet: {} {}", last["ledger"], last["journal"]);
                None
            })
        });
        last
    }

    /// Asks the bridge in this process to stop and waits for that: how many records were lost.
    pub(crate) fn stop(mut self) -> u64 {
        let Runs::Here { stop, thread } = &mut self.runs else { panic!("signal a process") };
        drop(stop.take());
        thread.take().expect("stopped once").join().expect("the bridge does not panic")
    }

    /// Sends the program a signal, `TERM` or `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let Runs::Apart { child, .. } = &self.runs else { panic!("no process") };
        let script = format!("kill -{name} {}", child.id());
        let sent = Command::new("sh").args(["-c", &script]).status();
        assert!(sent.expect("sh can be run").success(), "a child can be signalled");
    }

    /// Waits for the program's end, and for the end of its log.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let Runs::Apart { child, reader, .. } = &mut self.runs else { panic!("no process") };
        let status =
            wait_for("the end of the program", SOON, || child.try_wait().expect("a child"));
        if let Some(reader) = reader.take() {
            reader.join().expect("it only reads");
        }
        status
    }

    /// What the program has logged.
    pub(crate) fn log(&self) -> String {
        let Runs::Apart { log, .. } = &self.runs else { panic!("no process") };
        log.lock().expect("nobody panics with it").clone()
    }
}

impl Drop for TestBridge {
    fn drop(&mut self) {
        ledger::assert_even_at_the_end(self.admin, self.token.as_deref());
        match &mut self.runs {
            Runs::Here { stop, thread } => {
                drop(stop.take());
                if let Some(thread) = thread.take() {
                    // A second panic would hide the first.
                    let _failed = thread.join().is_err();
                }
            }
            Runs::Apart { child, .. } => {
                let _ended = child.kill().is_err();
                let _reaped = child.wait().is_ok();
            }
        }
    }
}
