//! The real program as a process of its own: `imbridge serve`, spoken to over its two ports.
//!
//! In: brokers, a topic prefix, further settings. Out: a [`Bridge`] that listens, or the words with
//! which it refused to start. Invariants: it inherits no setting from the test's environment; ports
//! and journal are its own, at the default ack level; its end is looked at (exit code, log), its
//! ledger too, and dropping the handle ends it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::ledger;

/// Longest wait for what takes a moment on a quiet machine.
pub(crate) const SOON: Duration = Duration::from_mins(1);
/// How often something that is to come is looked for.
const PAUSE: Duration = Duration::from_millis(50);
/// Size of a segment: small, so that tests see many, and need little of the disk.
pub(crate) const SEGMENT_BYTES: &str = "1048576";
/// Exit code of a wrong configuration.
const USAGE: i32 = 64;

/// Waits until `found` gives something.
///
/// # Panics
/// When it does not within `limit`.
pub(crate) fn wait_for<T>(what: &str, limit: Duration, found: impl FnMut() -> Option<T>) -> T {
    within(limit, found).unwrap_or_else(|| panic!("not within {limit:?}: {what}"))
}

/// As [`wait_for`], `None` when it does not.
fn within<T>(limit: Duration, mut found: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = found() {
            return Some(found);
        }
        if Instant::now() > deadline {
            return None;
        }
        thread::sleep(PAUSE);
    }
}

/// A bridge that serves.
#[derive(Debug)]
pub(crate) struct Bridge {
    child: Child,
    callbacks: String,
    admin: String,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
    segment_bytes: u64,
    _journal: TempDir,
}

/// An answer over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// What a bridge left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) log: Vec<String>,
    /// The last `/status` that was seen while it stopped.
    pub(crate) status: Value,
    /// From the signal to the end.
    pub(crate) took: Duration,
}

/// The memory of a process of ours; of no use after its end.
#[derive(Debug)]
pub(crate) struct Memory(u32);

impl Memory {
    /// Bytes that it has resident now; 0 when it is gone.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        1024 * kibibytes.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// Another build of the program to be tested, where figures count; an absolute path.
fn other_binary() -> Option<std::ffi::OsString> {
    std::env::var_os("PROOF_BINARY").filter(|path| !path.is_empty())
}

/// Whether the program under test is another build than the debug one: a release build.
pub(crate) fn is_release() -> bool {
    other_binary().is_some()
}

fn command(brokers: &str, prefix: &str, journal: &TempDir, more: &[(&str, &str)]) -> Command {
    let program = other_binary().unwrap_or_else(|| env!("CARGO_BIN_EXE_imbridge").into());
    let mut command = Command::new(program);
    command
        .arg("serve")
        .env_clear()
        .env("IMBRIDGE_LISTEN", "127.0.0.1:0")
        .env("IMBRIDGE_ADMIN_LISTEN", "127.0.0.1:0")
        .env("IMBRIDGE_WORKERS", "1")
        .env("IMBRIDGE_KAFKA_BROKERS", brokers)
        .env("IMBRIDGE_TOPIC_PREFIX", prefix)
        .env("IMBRIDGE_OPENIM_DEPLOYMENT", "demo")
        .env("IMBRIDGE_JOURNAL_DIR", journal.path())
        .env("IMBRIDGE_JOURNAL_SEGMENT_BYTES", SEGMENT_BYTES)
        .env("IMBRIDGE_JOURNAL_FREE_BYTES_MIN", "0")
        // A machine that is busy with other tests may take its time for a write.
        .env("IMBRIDGE_HOLD_MILLISECONDS", "1500")
        .envs(more.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Bridge {
    /// Starts a bridge and waits for its two lines.
    ///
    /// # Panics
    /// When it does not print them.
    pub(crate) fn start(brokers: &str, prefix: &str, more: &[(&str, &str)]) -> Self {
        let journal = TempDir::new().expect("a directory can be made");
        let mut child =
            command(brokers, prefix, &journal, more).spawn().expect("the binary was built");
        let set = more.iter().find(|(name, _)| *name == "IMBRIDGE_JOURNAL_SEGMENT_BYTES");
        let segment_bytes = set.map_or(SEGMENT_BYTES, |(_, value)| value);
        let log = Arc::new(Mutex::new(Vec::new()));
        let errors = BufReader::new(child.stderr.take().expect("it is piped"));
        let into = Arc::clone(&log);
        let reader = thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                into.lock().expect("nobody panics with it").push(line);
            }
        });
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut bridge = Self {
            child,
            callbacks: String::new(),
            admin: String::new(),
            log,
            reader: Some(reader),
            segment_bytes: segment_bytes.parse().expect("a test's setting is right"),
            _journal: journal,
        };
        let mut address = |start: &str| match lines.next() {
            Some(Ok(line)) if line.starts_with(start) => line[start.len()..].to_owned(),
            other => panic!("not {start:?} but {other:?}\n{}", bridge.log_text()),
        };
        let callbacks = address("callbacks listening on http://");
        let admin = address("admin listening on http://");
        (bridge.callbacks, bridge.admin) = (callbacks, admin);
        bridge
    }

    /// Runs a bridge whose settings are wrong: what it said before it exited with 64.
    ///
    /// # Panics
    /// When it serves, or ends in another way.
    pub(crate) fn refusal(brokers: &str, prefix: &str, more: &[(&str, &str)]) -> String {
        let journal = TempDir::new().expect("a directory can be made");
        let mut child =
            command(brokers, prefix, &journal, more).spawn().expect("the binary was built");
        let ended = Instant::now() + SOON;
        let status = loop {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                break status;
            }
            if Instant::now() > ended {
                child.kill().expect("a child that is not reaped can be killed");
            }
            thread::sleep(PAUSE);
        };
        let mut text = String::new();
        let errors = child.stderr.as_mut().expect("it is piped");
        errors.read_to_string(&mut text).expect("its words are UTF-8");
        assert_eq!(status.code(), Some(USAGE), "{text}");
        text
    }

    /// Starts a bridge as [`Bridge::start`] does and kills it (SIGKILL) after `life`, wherever it
    /// is then.
    pub(crate) fn start_and_kill(
        brokers: &str,
        prefix: &str,
        more: &[(&str, &str)],
        life: Duration,
    ) {
        let journal = TempDir::new().expect("a directory can be made");
        let mut command = command(brokers, prefix, &journal, more);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary was built");
        thread::sleep(life);
        child.kill().expect("a child that is not reaped can be killed");
        let status = child.wait().expect("a child can be waited for");
        assert_eq!(status.code(), None, "it ended by itself instead of starting");
    }

    /// Kills it (SIGKILL) and waits for its end; the log of its life.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.child.kill().expect("a child that is not reaped can be killed");
        self.child.wait().expect("a child can be waited for");
        self.reader.take().expect("only here").join().expect("it only reads");
        self.log()
    }

    /// Eyes for its memory, for a thread of their own.
    pub(crate) fn memory(&self) -> Memory {
        Memory(self.child.id())
    }

    /// Address of the callback port.
    pub(crate) fn callbacks(&self) -> SocketAddr {
        self.callbacks.parse().expect("it printed an address")
    }

    /// `http://ADDRESS` of the callback port.
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.callbacks)
    }

    /// `ADDRESS` of the admin port.
    pub(crate) fn admin(&self) -> &str {
        &self.admin
    }

    /// Posts a callback on a connection of its own. `target` is path and query as on the wire.
    pub(crate) fn post(&self, target: &str, headers: &[(String, String)], body: &[u8]) -> Answer {
        let lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let lines = lines.concat();
        let has_host = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host"));
        let host = if has_host { "" } else { "Host: bridge\r\n" };
        let head = format!(
            "POST {target} HTTP/1.1\r\n{host}{lines}Content-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        exchange(&self.callbacks, &head, body).expect("the bridge answers")
    }

    /// Posts JSON to `target` and insists on being accepted.
    pub(crate) fn accept(&self, target: &str, body: &Value) -> Answer {
        let headers = [("Content-Type".to_owned(), "application/json".to_owned())];
        let answer = self.post(target, &headers, body.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    fn get(&self, path: &str) -> std::io::Result<Answer> {
        let head = format!("GET {path} HTTP/1.1\r\nHost: bridge\r\nConnection: close\r\n\r\n");
        exchange(&self.admin, &head, &[])
    }

    /// The page `/status`.
    pub(crate) fn status(&self) -> Value {
        self.get("/status").expect("the admin port answers").json()
    }

    /// What `/ready` lists as degraded; it must say ready.
    pub(crate) fn degraded(&self) -> Vec<String> {
        let answer = self.get("/ready").expect("the admin port answers");
        let page = answer.json();
        assert!(answer.status == 200 && page["ready"] == true, "{page}");
        let list = page["degraded"].as_array().expect("a list");
        list.iter().map(|one| one.as_str().expect("a text").to_owned()).collect()
    }

    /// Waits until `/ready` lists something that contains `word`.
    pub(crate) fn wait_until_degraded(&self, word: &str, limit: Duration) -> String {
        let found = within(limit, || self.degraded().into_iter().find(|one| one.contains(word)));
        found.unwrap_or_else(|| panic!("no {word:?} in {:?}: {}", self.degraded(), self.log_text()))
    }

    /// The value of a series such as `kafka_sessions_total` or `x_total{reason="y"}`.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let page = self.get("/metrics").expect("the admin port answers");
        let text = String::from_utf8(page.body).expect("metrics are text");
        let wanted = format!("imbridge_{series} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&wanted));
        line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().expect("a number")
    }

    /// As [`Bridge::metric`], of a counter.
    pub(crate) fn count(&self, series: &str) -> u64 {
        let count = self.metric(series);
        format!("{count}").parse().unwrap_or_else(|_| panic!("{series} is no count: {count}"))
    }

    /// Waits until nothing waits for Kafka, and looks whether both sums of the ledger are even and
    /// agree with the journal's own counts. Returns `/status`.
    pub(crate) fn drained(&self, limit: Duration) -> Value {
        let status = within(limit, || {
            let status = self.status();
            let idle = status["ledger"]["requests"]["in_flight"] == 0;
            // On disk the segment that is written to stays, and others go a moment later.
            let on_disk = status["ack"]["level"] != "memory";
            let left = if on_disk { self.segment_bytes } else { 0 };
            let freed = status["journal"]["bytes"].as_u64().is_some_and(|bytes| bytes <= left);
            (idle && freed && status["ledger"]["records"]["waiting"] == 0).then_some(status)
        });
        let status = status
            .unwrap_or_else(|| panic!("records wait: {}\n{}", self.status(), self.log_text()));
        ledger::assert_even(&status);
        let journal = &status["journal"];
        assert_eq!(journal["records"], 0, "{status}");
        assert_eq!(journal["head_sequence"], journal["confirmed_sequence"], "{status}");
        status
    }

    /// The log so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().expect("nobody panics with it").clone()
    }

    fn log_text(&self) -> String {
        let log = self.log();
        log[log.len().saturating_sub(40)..].join("\n")
    }

    /// Looks whether the journal holds what waits, asks it to end (SIGTERM) and waits for that.
    pub(crate) fn stop(mut self) -> Ended {
        let mut status = self.status();
        ledger::assert_kept(|| Some(self.status()));
        let asked = Instant::now();
        let pid = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -TERM \"$1\"", "sh", &pid]).status();
        assert!(sent.expect("sh can be run").success(), "a child can be asked to end");
        let code = wait_for("the bridge ends after SIGTERM", SOON, || {
            // The admin port is the last to close.
            if let Ok(page) = self.get("/status") {
                status = page.json();
            }
            self.child.try_wait().expect("a child can be waited for")
        });
        let took = asked.elapsed();
        self.reader.take().expect("only here").join().expect("it only reads");
        ledger::assert_even(&status);
        Ended { code: code.code(), log: self.log(), status, took }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if let Ok(admin) = self.admin.parse() {
            ledger::assert_even_at_the_end(admin, None);
        }
        // It may have ended by itself.
        let _ended = self.child.kill().is_err();
        let _reaped = self.child.wait().is_ok();
    }
}

fn exchange(address: &str, head: &str, body: &[u8]) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SOON))?;
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status = std::str::from_utf8(&bytes[9..12]).ok().and_then(|digits| digits.parse().ok());
    let status = status.ok_or(std::io::ErrorKind::InvalidData)?;
    Ok(Answer { status, body: bytes.split_off(end + 4) })
}
