//! A bridge with a rule file that changes under it, and the program `imbridge rules`.
//!
//! In: rule files, requests. Out: answers at once, and later the decision records of each request.
//! Invariants: a file is replaced in one step, so that nobody reads half of it; behind every request a
//! callback of our own is sent, and since records keep the order of their requests, what lies between
//! two of those belongs to one request.

use super::process::{SOON, wait_for};
use super::serve::{Builder, Kafka, TOPIC, TestBridge, mock};
use super::wire::{Response, Wire, post, post_with};
use imbridge::kafka::KafkaSettings;
use imbridge::kafka::consumer::{Event, Next, Reader, Start};
use imbridge::kafka::mock::MockKafka;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A rule file that decides nothing.
const NO_RULES: &str = "version: 1\nrules: []\n";

/// Rule and list files in a directory of their own.
#[derive(Debug)]
pub(crate) struct Files(TempDir);

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Files {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().expect("a directory can be made"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, or replaces it in one step.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is in a directory")).expect("it can be made");
        let new = self.path("new");
        fs::write(&new, text).expect("the directory can be written");
        fs::rename(new, path).expect("a file can be replaced");
    }

    /// Removes every file but the rule file.
    fn clear(&self) {
        for entry in fs::read_dir(self.0.path()).expect("it can be listed") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                fs::remove_dir_all(path).expect("it is ours");
            } else if !path.ends_with("rules.yaml") {
                fs::remove_file(path).expect("it is ours");
            }
        }
    }

    /// Runs `imbridge rules ARGUMENTS` where the files are, without settings.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_imbridge"))
            .arg("rules")
            .args(arguments)
            .current_dir(self.0.path())
            .env_clear()
            .stdin(Stdio::null())
            .output()
            .expect("the binary was built");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints text");
        Ran { code: output.status.code(), output: text(output.stdout), errors: text(output.stderr) }
    }
}

/// A request to the base path of a provider.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) provider: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) body: &'a str,
}

/// A bridge in this process, in front of a mock cluster.
pub(crate) struct RuleBridge {
    wire: Wire,
    bridge: TestBridge,
    reader: Reader,
    _kafka: MockKafka,
    files: Files,
    marks: u64,
    /// The first request whose records were not asked for yet.
    unread: u64,
}

impl RuleBridge {
    pub(crate) fn start() -> Self {
        let files = Files::new();
        files.write("rules.yaml", NO_RULES);
        let kafka = mock();
        let path = files.path("rules.yaml");
        let path = path.to_str().expect("temporary names are text");
        let bridge = Builder::new(Kafka::at(&kafka.bootstrap())).set("RULES", path).start();
        let settings = KafkaSettings::new(kafka.bootstrap());
        let reader = Reader::open(&settings, |topic| topic == TOPIC, Start::Beginning, false, SOON);
        let reader = reader.expect("the mock answers");
        Self { wire: bridge.connect(), bridge, reader, _kafka: kafka, files, marks: 0, unread: 0 }
    }

    /// Removes the list files of somebody else.
    pub(crate) fn clear(&self) {
        self.files.clear();
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        self.files.write(name, text);
    }

    /// The answer of `POST /rules/reload`.
    pub(crate) fn reload(&self) -> Response {
        self.admin("POST", "/rules/reload")
    }

    pub(crate) fn admin(&self, method: &str, path: &str) -> Response {
        if method == "GET" {
            return self.bridge.page(path);
        }
        assert_eq!(method, "POST");
        let mut wire = Wire::connect(self.bridge.admin);
        wire.send(post(path, ""));
        wire.response()
    }

    /// The answer to a request.
    pub(crate) fn ask(&mut self, asked: &Asked<'_>) -> Response {
        let Asked { provider, path, query, body } = asked;
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        self.wire.send(post(&format!("/{provider}{path}{query}"), body));
        let answer = self.wire.response();
        let command = "callbackAfterUserOnlineCommand";
        let header = format!("Operationid: {}\r\n", mark(self.marks));
        let body = format!(
            "{{\"callbackCommand\":{command:?},\"userID\":\"mark\",\"platformID\":1,\"status\":1}}"
        );
        self.wire.send(post_with(&format!("/openim/{command}"), &header, body));
        assert_eq!(self.wire.response().status, 200, "an event is taken at once");
        self.marks += 1;
        answer
    }

    /// The data of the decision records of each request since this was asked last, in order.
    pub(crate) fn decisions(&mut self) -> Vec<Vec<Value>> {
        let mut of_requests = Vec::new();
        let mut of_one = Vec::new();
        wait_for("the records are in Kafka", SOON, || {
            while self.unread < self.marks {
                let Next::Event(event) = self.reader.next(Duration::from_secs(1)) else {
                    return None;
                };
                let mut event = value(&event)?;
                if event["correlationid"] == mark(self.unread) {
                    self.unread += 1;
                    of_requests.push(std::mem::take(&mut of_one));
                } else if event["data"].get("verdict").is_some() {
                    of_one.push(event["data"].take());
                }
            }
            Some(())
        });
        of_requests
    }
}

fn mark(number: u64) -> String {
    format!("mark-{number}")
}

/// The event of a record; `None` for one that may be a repeat.
fn value(record: &Event) -> Option<Value> {
    if record.header("replay").is_some() {
        return None;
    }
    let payload = record.payload.as_deref().expect("records have values");
    Some(serde_json::from_slice(payload).expect("values are JSON"))
}
