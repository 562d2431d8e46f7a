//! The command line as people meet it: help, exit codes, sentences, the demo.
//!
//! Here belongs what the binary says and how it exits. `cli_kafka` has the commands that read Kafka.

use std::io::Read;
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::process::{Bridge, SOON, wait_for};

/// Exit code of wrong usage or configuration.
pub(crate) const USAGE: i32 = 64;
/// Nobody listens there.
pub(crate) const NOBODY: &str = "127.0.0.1:1";

/// The binary with these arguments and settings, and no others.
pub(crate) fn command(arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imbridge"));
    command
        .args(arguments)
        .env_clear()
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What a run of the binary left behind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("its words are UTF-8");
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

/// Runs the binary to its end.
pub(crate) fn run(arguments: &[&str], settings: &[(&str, &str)]) -> Ran {
    Ran::of(&command(arguments, settings).output().expect("the binary was built"))
}

/// Sends a signal to a child of the test.
pub(crate) fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("sh").args(["-c", "kill -\"$1\" \"$2\"", "sh", name, &pid]).status();
    assert!(sent.expect("sh can be run").success(), "a child can be asked to end");
}

/// Waits for the end of a child and takes its words.
pub(crate) fn ended(mut child: Child) -> Ran {
    let status = wait_for("the program ends", SOON, || child.try_wait().expect("a child"));
    let (mut out, mut err) = (String::new(), String::new());
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_string(&mut out).expect("its words are UTF-8");
    }
    child.stderr.take().expect("it is piped").read_to_string(&mut err).expect("UTF-8");
    Ran { code: status.code(), out, err }
}

#[test]
fn every_command_has_help_with_an_example() {
    let commands: &[&[&str]] = &[
        &[],
        &["serve"],
        &["demo"],
        &["simulate"],
        &["tail"],
        &["topics"],
        &["topics", "list"],
        &["topics", "create"],
        &["catalogue"],
        &["health"],
        &["journal"],
        &["journal", "ls"],
        &["journal", "verify"],
        &["journal", "cat"],
        &["journal", "export"],
        &["journal", "requeue"],
        &["rules"],
        &["rules", "check"],
        &["rules", "test"],
        &["rules", "explain"],
        &["rules", "replay"],
    ];
    for command in commands {
        let ran = run(&[command, &["--help"][..]].concat(), &[]);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{command:?}");
        assert!(ran.out.contains("Example"), "{command:?} has no example:\n{}", ran.out);
        // What is laid out by hand is not wrapped by clap, which has 100 columns without a terminal.
        let wide = run(&[command, &["--help"][..]].concat(), &[("COLUMNS", "200")]).out;
        let by_hand = |help: &str| help.find("\nExample").map(|at| help[at..].to_owned());
        assert_eq!(by_hand(&ran.out), by_hand(&wide), "{command:?}");
    }
    let all = run(&["--help"], &[]).out;
    for command in commands.iter().filter_map(|command| command.first()) {
        assert!(all.contains(&format!("\n  {command} ")), "{command} is not listed:\n{all}");
    }
}

#[test]
fn the_version_names_the_commit() {
    let ran = run(&["--version"], &[]);
    let expected = format!("imbridge {} ({})\n", imbridge::VERSION, imbridge::COMMIT);
    assert_eq!((ran.code, ran.out), (Some(0), expected));
    let is_commit = imbridge::COMMIT.bytes().all(|byte| byte.is_ascii_alphanumeric());
    assert!(is_commit && !imbridge::COMMIT.is_empty(), "{}", imbridge::COMMIT);
}

#[test]
fn wrong_usage_exits_with_64() {
    for arguments in [
        &[][..],
        &["sever"],
        &["serve", "--port", "1"],
        &["simulate"],
        &["tail", "--from", "later"],
        &["tail", "--meta"],
        &["topics", "delete"],
        &["journal"],
        &["journal", "repair"],
        &["journal", "requeue"],
        &["journal", "requeue", "--all", "0123"],
        &["journal", "cat", "--from", "here"],
        &["demo", "--seconds", "0"],
    ] {
        let ran = run(arguments, &[]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(USAGE), ""), "{arguments:?}");
        assert!(!ran.err.is_empty(), "{arguments:?}");
    }
}

#[test]
fn an_unknown_setting_exits_with_64_and_names_the_nearest() {
    let wrong = [("IMBRIDGE_TOPIC_PREFX", "x"), ("IMBRIDGE_KAFKA_BROKERS", NOBODY)];
    for arguments in
        [&["serve"][..], &["tail"], &["topics", "list"], &["health"], &["demo"], &["catalogue"]]
    {
        let ran = run(arguments, &wrong);
        assert_eq!(ran.code, Some(USAGE), "{arguments:?}: {}", ran.err);
        let line = "imbridge: IMBRIDGE_TOPIC_PREFX is not a setting: the nearest known one is \
                    IMBRIDGE_TOPIC_PREFIX\n";
        assert_eq!(ran.err, line, "{arguments:?}");
    }
}

/// `cargo run -- demo` once exited with 64: Cargo hands the variables of a build script on to what it
/// runs, and ours was named like a setting. It does the same for tests.
#[test]
fn what_cargo_hands_on_to_the_program_is_no_setting() {
    assert_eq!(std::env::var("BUILD_COMMIT").as_deref(), Ok(imbridge::COMMIT));
    let mut health = command(&["health"], &[]);
    let health = health.envs(std::env::vars_os()).env("IMBRIDGE_ADMIN_LISTEN", NOBODY);
    let ran = Ran::of(&health.output().expect("the binary was built"));
    assert_eq!(ran.code, Some(1), "{}", ran.err);
}

#[test]
fn all_mistakes_in_the_settings_are_reported_at_once() {
    let ran = run(&["serve"], &[("IMBRIDGE_WORKERS", "many"), ("IMBRIDGE_LISTEN", "8080")]);
    assert_eq!(ran.code, Some(USAGE));
    let told = |name: &str| ran.err.lines().filter(|line| line.contains(name)).count();
    for name in ["IMBRIDGE_WORKERS", "IMBRIDGE_LISTEN", "IMBRIDGE_KAFKA_BROKERS"] {
        assert_eq!(told(name), 1, "{name} in {}", ran.err);
    }
    assert!(ran.err.lines().all(|line| line.starts_with("imbridge: ")), "{}", ran.err);
}

#[test]
fn a_property_that_librdkafka_does_not_know_exits_with_64() {
    let settings =
        [("IMBRIDGE_KAFKA_BROKERS", NOBODY), ("IMBRIDGE_KAFKA_PROPERTY_LINGER_NEVER", "1")];
    for arguments in [&["serve"][..], &["tail"], &["topics", "list"]] {
        let ran = run(arguments, &settings);
        assert_eq!((ran.code, ran.out.as_str()), (Some(USAGE), ""), "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains("linger.never"), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn commands_that_need_kafka_exit_with_64_when_nobody_says_where_it_is() {
    for arguments in [&["tail"][..], &["topics", "list"], &["topics", "create"]] {
        let ran = run(arguments, &[]);
        let sentence = "imbridge: IMBRIDGE_KAFKA_BROKERS is not set, and there is no --brokers: \
                        expected HOST:PORT of a broker\n";
        assert_eq!((ran.code, ran.err.as_str()), (Some(USAGE), sentence), "{arguments:?}");
    }
}

#[test]
fn a_port_in_use_is_one_sentence_with_address_and_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it is bound").to_string();
    for setting in ["IMBRIDGE_LISTEN", "IMBRIDGE_ADMIN_LISTEN"] {
        let mut settings = vec![
            ("IMBRIDGE_LISTEN", "127.0.0.1:0"),
            ("IMBRIDGE_ADMIN_LISTEN", "127.0.0.1:0"),
            ("IMBRIDGE_KAFKA_BROKERS", NOBODY),
            ("IMBRIDGE_LOG", "off"),
        ];
        settings.retain(|(name, _)| *name != setting);
        settings.push((setting, &address));
        let ran = run(&["serve"], &settings);
        assert_eq!(ran.code, Some(1), "{}", ran.err);
        let start = format!("imbridge: cannot listen on {address} ({setting}): ");
        assert!(ran.err.starts_with(&start) && ran.err.lines().count() == 1, "{}", ran.err);
    }
}

#[test]
fn the_catalogue_is_listed_and_a_command_is_explained() {
    let ran = run(&["catalogue", "--json"], &[]);
    let listed: Vec<Value> = serde_json::from_str(&ran.out).expect("JSON");
    assert!(ran.code == Some(0) && listed.len() >= 162, "{} entries", listed.len());
    let names = ["provider", "command", "phase", "kind", "topic", "aliases"];
    for entry in &listed {
        let keys: Vec<&String> = entry.as_object().expect("an object").keys().collect();
        assert_eq!(keys, names);
    }
    let detail = run(&["catalogue", "callbackAfterDismissGroupCommand"], &[]);
    assert!(detail.code == Some(0) && detail.out.contains("im.group.dismissed"), "{detail:?}");
    let unknown = run(&["catalogue", "callbackAfterDismissGrupCommand"], &[]);
    assert_eq!((unknown.code, unknown.out.as_str()), (Some(1), ""));
    assert!(unknown.err.contains("did you mean callbackAfterDisMissGroupCommand"), "{unknown:?}");
}

#[test]
fn the_catalogue_shows_the_topics_that_the_settings_lead_to() {
    // It showed `im.` and the kind, whatever was set.
    let name = "callbackAfterDismissGroupCommand";
    for (by, after, before) in [
        ("kind", "chat.group.dismissed", "chat.decisions"),
        ("command", "chat.openim.callbackAfterDisMissGroupCommand", "chat.decisions"),
        ("one", "chat.events", "chat.events"),
    ] {
        let settings = [("IMBRIDGE_TOPIC_PREFIX", "chat."), ("IMBRIDGE_TOPIC_BY", by)];
        let ran = run(&["catalogue", "--json"], &settings);
        let listed: Vec<Value> = serde_json::from_str(&ran.out).expect("JSON");
        let topic = |command: &str| {
            let entry = listed.iter().find(|entry| entry["command"] == command);
            entry.expect("it has a row")["topic"].clone()
        };
        assert_eq!(topic("callbackAfterDisMissGroupCommand"), after);
        assert_eq!(topic("callbackBeforeSendSingleMsgCommand"), before);
        let one = run(&["catalogue", "--json", name], &settings);
        assert!(one.out.contains(&format!("\"topic\":\"{after}\"")), "{}", one.out);
        let detail = run(&["catalogue", name], &settings);
        assert!(detail.out.contains(&format!("\ntopic     {after}\n")), "{}", detail.out);
        let table = run(&["catalogue"], &settings);
        assert!(!table.out.contains("im.group"), "{}", table.out);
        let help = run(&["catalogue", "--help"], &[]).out;
        assert!(help.contains("IMBRIDGE_TOPIC_PREFIX and IMBRIDGE_TOPIC_BY"), "{help}");
    }
}

#[test]
fn a_mistake_in_an_operators_catalogue_exits_with_64_and_names_the_file() {
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let file = folder.path().join("more.json");
    std::fs::write(&file, r#"{"commands": [{"provider": "openim"}]}"#).expect("writable");
    let path = file.to_str().expect("a text");
    for arguments in [&["catalogue"][..], &["demo"], &["serve"]] {
        let settings = [("IMBRIDGE_CATALOGUE", path), ("IMBRIDGE_KAFKA_BROKERS", NOBODY)];
        let ran = run(arguments, &settings);
        assert_eq!((ran.code, ran.out.as_str()), (Some(USAGE), ""), "{arguments:?}");
        assert!(ran.err.contains(path), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let mut child = command(&["catalogue"], &[]).spawn().expect("the binary was built");
    drop(child.stdout.take());
    let ran = ended(child);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
}

#[test]
fn health_is_0_for_a_bridge_that_is_ready_and_1_where_nobody_is() {
    let nobody = run(&["health"], &[("IMBRIDGE_ADMIN_LISTEN", NOBODY)]);
    assert_eq!(nobody.code, Some(1));
    let start = format!("imbridge: not healthy: nobody answers on http://{NOBODY}/ready: ");
    assert!(nobody.err.starts_with(&start) && nobody.err.lines().count() == 1, "{}", nobody.err);

    // Ready although Kafka is away: before-callbacks are decided all the same.
    let bridge = Bridge::start(NOBODY, "im.", &[]);
    let admin = bridge.admin().to_owned();
    let ready = run(&["health"], &[("IMBRIDGE_ADMIN_LISTEN", &admin)]);
    assert_eq!((ready.code, ready.err.as_str()), (Some(0), ""));
    assert!(ready.out.contains("\"ready\":true"), "{}", ready.out);
    let everywhere = admin.replace("127.0.0.1", "0.0.0.0");
    assert_eq!(run(&["health"], &[("IMBRIDGE_ADMIN_LISTEN", &everywhere)]).code, Some(0));
}

#[test]
fn health_is_1_for_a_server_that_is_not_ready_or_never_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    let setting = [("IMBRIDGE_ADMIN_LISTEN", address.as_str())];
    let began = std::time::Instant::now();
    let silent = run(&["health"], &setting);
    assert_eq!(silent.code, Some(1), "{silent:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "health checks must not pile up");

    let server = std::thread::spawn(move || {
        // The silent one's connection comes first.
        for stream in listener.incoming().take(2) {
            let mut stream = stream.expect("a connection");
            let _request = stream.read(&mut [0; 1024]).is_ok();
            let answer = b"HTTP/1.1 503 Service Unavailable\r\n\r\n{\"ready\":false}";
            let _gone = std::io::Write::write_all(&mut stream, answer).is_err();
        }
    });
    let stopping = run(&["health"], &setting);
    server.join().expect("it only answers");
    let sentence =
        format!("imbridge: not ready: http://{address}/ready answered 503 {{\"ready\":false}}\n");
    assert_eq!((stopping.code, stopping.err), (Some(1), sentence));
}

const OWN_PORTS: [(&str, &str); 2] =
    [("IMBRIDGE_LISTEN", "127.0.0.1:0"), ("IMBRIDGE_ADMIN_LISTEN", "127.0.0.1:0")];

#[test]
fn the_demo_shows_both_servers_loses_nothing_and_ends_by_itself() {
    let mut settings = OWN_PORTS.to_vec();
    settings.push(("IMBRIDGE_KAFKA_BROKERS", NOBODY));
    let ran = run(&["demo", "--seconds", "3", "--rate", "200"], &settings);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
    assert!(ran.out.contains("IMBRIDGE_KAFKA_BROKERS: the demo has its own"), "{}", ran.out);
    assert!(!ran.out.contains('\u{1b}'), "colours are for terminals");
    let pairs: Vec<&str> = ran.out.lines().filter(|line| line.contains(" →  im.")).collect();
    for provider in ["openim", "tencent"] {
        assert!(pairs.iter().any(|line| line.contains(provider)), "{provider}\n{}", ran.out);
    }
    for verdict in ["? deny ", "? modify "] {
        assert!(pairs.iter().any(|line| line.contains(verdict)), "{verdict}\n{}", ran.out);
    }
    assert!(ran.out.ends_with("  nothing lost\n"), "{}", ran.out);
    let records = ran.out.lines().find(|line| line.starts_with("  records")).expect("a ledger");
    let number = |before: &str| -> u64 {
        let (_, rest) = records.split_once(before).expect("the ledger's words");
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    };
    assert!(number("appended ") >= 100, "{records}");
    assert_eq!(number("appended "), number("in Kafka "), "{records}");
    let (_, read_back) = records.rsplit_once("; ").expect("the ledger's words");
    assert_eq!(read_back, format!("{} read back", number("appended ")));
}

#[test]
fn the_demo_ends_cleanly_when_it_is_interrupted() {
    let child = command(&["demo", "--rate", "20"], &OWN_PORTS).spawn().expect("the binary");
    std::thread::sleep(Duration::from_secs(3));
    signal(&child, "INT");
    let ran = ended(child);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
    assert!(ran.out.ends_with("  nothing lost\n"), "{}", ran.out);
}
