//! What `imbridge serve` makes of the terminal, the pipes and the sockets that it is started with.
//!
//! In: the real program, started as shells and service managers start it. Out: it serves, or says in
//! one sentence each why it does not.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::cli::{NOBODY, USAGE, command, ended, run, signal};
use crate::support::process::{SOON, wait_for};
use crate::support::wire::Wire;

/// A port of its own for each listener, a Kafka that is never there, and no directory.
const SETTINGS: [(&str, &str); 5] = [
    ("IMBRIDGE_ACK", "memory"),
    ("IMBRIDGE_LISTEN", "127.0.0.1:0"),
    ("IMBRIDGE_ADMIN_LISTEN", "127.0.0.1:0"),
    ("IMBRIDGE_KAFKA_BROKERS", NOBODY),
    ("IMBRIDGE_DRAIN_SECONDS", "0"),
];

/// Reads log lines until one contains `word`.
fn read_until(log: &mut impl BufRead, word: &str) -> String {
    let mut seen = String::new();
    while log.read_line(&mut seen).expect("its words are UTF-8") > 0 {
        if seen.contains(word) {
            return seen;
        }
    }
    panic!("no {word:?} in {seen}");
}

/// Asks a child to end; it must end well.
fn end(mut child: Child, mut log: impl Read) {
    signal(&child, "TERM");
    let status = wait_for("the program ends", SOON, || child.try_wait().expect("a child"));
    let mut rest = String::new();
    // A terminal whose last user is gone is an error to read, not an end.
    let _over = log.read_to_string(&mut rest).is_err();
    assert_eq!(status.code(), Some(0), "{rest}");
}

#[test]
fn it_serves_although_nobody_reads_its_standard_output() {
    // `imbridge serve | true` ended at once, without a word and with exit code 0.
    let mut child = command(&["serve"], &SETTINGS).spawn().expect("the binary was built");
    drop(child.stdout.take());
    let mut log = BufReader::new(child.stderr.take().expect("it is piped"));
    let told = read_until(&mut log, "standard output cannot be written");
    assert!(told.contains("WARN"), "{told}");
    assert!(child.try_wait().expect("a child").is_none(), "it serves: {told}");
    let listening = told.lines().find(|line| line.contains("listening")).expect("it says where");
    let (_, address) = listening.split_once("callbacks=").expect("the address is in the log");
    let address = address.split_ascii_whitespace().next().expect("an address");
    let _connected = TcpStream::connect(address).expect("it accepts");
    end(child, log);
}

#[test]
fn it_serves_although_nobody_reads_its_log_any_more() {
    // The first line that could not be written was a panic, and the second panic an abort: a log
    // collector that went away took the bridge along, with all that was in memory.
    let mut child = command(&["serve"], &SETTINGS).spawn().expect("the binary was built");
    let address = first_line(&mut child);
    let address = address.trim_end().strip_prefix("callbacks listening on http://");
    let address = address.expect("an address").parse().expect("an address");
    drop(child.stderr.take());
    for path in ["/nowhere", "/elsewhere"] {
        let mut wire = Wire::connect(address);
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: b\r\n\r\n"));
        assert_eq!(wire.response().status, 404, "which is told in the log");
        // Refusals are told once a second.
        std::thread::sleep(Duration::from_millis(1100));
    }
    let mut wire = Wire::connect(address);
    wire.send(crate::support::routes::routes()[0].request());
    assert_eq!(wire.response().status, 200);
    end(child, std::io::empty());
}

#[test]
fn a_hang_up_without_rules_is_told_and_ends_nothing_nor_does_any_under_nohup() {
    let mut child = command(&["serve"], &SETTINGS).spawn().expect("the binary was built");
    first_line(&mut child);
    signal(&child, "HUP");
    let mut log = BufReader::new(child.stderr.take().expect("it is piped"));
    let told = read_until(&mut log, "SIGHUP");
    assert!(told.contains("IMBRIDGE_RULES is not set"), "{told}");
    assert!(child.try_wait().expect("a child").is_none(), "it serves on");
    end(child, log);

    let script = format!("trap '' HUP; exec {} serve", env!("CARGO_BIN_EXE_imbridge"));
    let mut sh = Command::new("sh");
    sh.args(["-c", &script]).env_clear().envs(SETTINGS);
    let sh = sh.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = sh.spawn().expect("sh can be run");
    first_line(&mut child);
    signal(&child, "HUP");
    std::thread::sleep(Duration::from_secs(1));
    assert!(child.try_wait().expect("a child").is_none(), "it serves on");
    let log = child.stderr.take().expect("it is piped");
    end(child, log);
}

#[test]
fn a_closed_terminal_is_a_stop_like_any_other() {
    // The kernel ended the program on the spot: what was in memory was lost, uncounted.
    let (shows, takes) = terminal();
    let mut setsid = Command::new("setsid");
    setsid.args(["--ctty", env!("CARGO_BIN_EXE_imbridge"), "serve"]).env_clear().envs(SETTINGS);
    setsid.env("PATH", "/usr/bin:/bin").stdin(takes);
    setsid.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = setsid.spawn().expect("util-linux is installed");
    // The parent's hand on the program's end of the terminal.
    drop(setsid);
    first_line(&mut child);
    drop(shows);
    let ran = ended(child);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let told = ran.err.contains("SIGHUP: the terminal was closed") && ran.err.contains("stopped");
    assert!(told, "{}", ran.err);
}

/// A terminal: the end that shows, and the end for the program.
fn terminal() -> (File, OwnedFd) {
    // A program that held the showing end itself would never see it closed.
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let shows = openpt(flags).expect("a terminal is left");
    grantpt(&shows).expect("it is ours");
    unlockpt(&shows).expect("it is ours");
    let name = ptsname(&shows, Vec::new()).expect("it has a name");
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let writes = rustix::fs::open(&name, flags, Mode::empty()).expect("it can be opened");
    (shows.into(), writes)
}

#[test]
fn the_log_has_colours_on_a_terminal_unless_somebody_does_not_want_them() {
    for (setting, coloured) in [("IMBRIDGE_LOG", true), ("NO_COLOR", false)] {
        let (shows, writes) = terminal();
        let mut serve = command(&["serve"], &SETTINGS);
        serve.env("TERM", "xterm").env(setting, "info").stdout(Stdio::null()).stderr(writes);
        let child = serve.spawn().expect("the binary was built");
        // The parent's hand on the program's end of the terminal.
        drop(serve);
        let mut log = BufReader::new(shows);
        let told = read_until(&mut log, "listening");
        assert_eq!(told.contains('\u{1b}'), coloured, "{setting}: {told:?}");
        end(child, log);
    }
}

#[test]
fn the_log_has_no_colours_in_a_pipe() {
    let mut child = command(&["serve"], &SETTINGS).spawn().expect("the binary was built");
    let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
    read_until(&mut out, "admin listening on http://");
    signal(&child, "TERM");
    let ran = ended(child);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.err.contains("stopped") && !ran.err.contains('\u{1b}'), "{}", ran.err);
}

/// `imbridge serve` with a socket as descriptor 3, as a service manager starts it. `count` is what
/// it says about the number of sockets, `pid` whom it means.
fn activated(socket: OwnedFd, count: &str, pid: &str) -> Command {
    let program = env!("CARGO_BIN_EXE_imbridge");
    let script =
        format!("LISTEN_FDS={count} LISTEN_PID={pid} exec {program} serve 3<&0 </dev/null");
    let mut sh = Command::new("sh");
    sh.args(["-c", &script]).env_clear().envs(SETTINGS);
    sh.stdin(Stdio::from(socket)).stdout(Stdio::piped()).stderr(Stdio::piped());
    sh
}

fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
    out.read_line(&mut line).expect("its words are UTF-8");
    line
}

#[test]
fn callbacks_arrive_at_the_one_socket_that_was_passed_in() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = socket.local_addr().expect("it is bound");
    // Only the program listens from here on.
    let mut child = activated(socket.into(), "1", "$$").spawn().expect("sh can be run");
    assert_eq!(first_line(&mut child), format!("callbacks listening on http://{address}\n"));
    let mut wire = Wire::connect(address);
    wire.send(crate::support::routes::routes()[0].request());
    assert_eq!(wire.response().status, 200);
    let mut log = BufReader::new(child.stderr.take().expect("it is piped"));
    let told = read_until(&mut log, "LISTEN_FDS");
    assert!(told.contains("INFO") && told.contains("IMBRIDGE_LISTEN is ignored"), "{told}");
    end(child, log);
}

#[test]
fn sockets_for_another_process_or_too_many_leave_the_setting_in_force() {
    for (count, pid, warned) in [("1", "1", false), ("2", "$$", true), ("0", "$$", false)] {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = socket.local_addr().expect("it is bound").to_string();
        let mut child = activated(socket.into(), count, pid).spawn().expect("sh can be run");
        let line = first_line(&mut child);
        assert!(line.starts_with("callbacks listening on http://127.0.0.1:"), "{line:?}");
        assert!(!line.contains(&address), "{count} for {pid}: {line}");
        let mut log = BufReader::new(child.stderr.take().expect("it is piped"));
        let told = read_until(&mut log, "listening");
        assert_eq!(told.contains(&format!("LISTEN_FDS is {count}: none")), warned, "{told}");
        end(child, log);
    }
}

#[test]
fn a_passed_in_descriptor_that_callbacks_cannot_arrive_at_exits_with_64() {
    let datagrams = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    let peer = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let connected =
        TcpStream::connect(peer.local_addr().expect("it is bound")).expect("it listens");
    let file = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .expect("the manifest is there");
    let sentence =
        "imbridge: LISTEN_FDS is 1: expected a TCP socket that listens as file descriptor 3\n";
    for odd in [OwnedFd::from(datagrams), connected.into(), file.into()] {
        let ran = ended(activated(odd, "1", "$$").spawn().expect("sh can be run"));
        assert_eq!((ran.code, ran.err.as_str()), (Some(USAGE), sentence));
    }
}

#[test]
fn every_mistake_is_reported_at_once_wherever_it_is_found_and_by_its_variable() {
    // Once only the first sort of mistakes was reported, and a refused property as
    // `IMBRIDGE_KAFKA_PROPERTY_* or IMBRIDGE_KAFKA_PROPERTIES`.
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).expect("it is ours");
        file.to_str().expect("a text").to_owned()
    };
    let rows = write("rows.json", r#"{"commands": [{"provider": "openim"}]}"#);
    let properties =
        write("kafka.properties", "client.id=me\nno pair\n= nothing\nqueue.x=1\nacks=1\n");
    let settings = [
        ("IMBRIDGE_WORKERS", "many"),
        ("IMBRIDGE_KAFKA_BROKERS", NOBODY),
        ("IMBRIDGE_CATALOGUE", &*rows),
        ("IMBRIDGE_KAFKA_PROPERTIES", &*properties),
        ("IMBRIDGE_KAFKA_PROPERTY_LINGER_NEVER", "1"),
        ("IMBRIDGE_KAFKA_PROPERTY_LINGER_MS", "soon"),
    ];
    for arguments in [&["serve"][..], &["topics", "list"]] {
        let ran = run(arguments, &settings);
        assert_eq!((ran.code, ran.out.as_str()), (Some(USAGE), ""), "{arguments:?}: {}", ran.err);
        let expected = [
            "IMBRIDGE_WORKERS is \"many\"".to_owned(),
            format!(
                "IMBRIDGE_KAFKA_PROPERTIES names a file that cannot be used: file {properties}, line 2"
            ),
            format!(
                "IMBRIDGE_KAFKA_PROPERTIES names a file that cannot be used: file {properties}, line 3"
            ),
            format!(
                "IMBRIDGE_KAFKA_PROPERTIES names file {properties}, which sets \"acks\", which is not allowed"
            ),
            format!("IMBRIDGE_CATALOGUE is wrong: {rows}: "),
            "IMBRIDGE_KAFKA_PROPERTY_LINGER_NEVER sets linger.never, which librdkafka refuses: "
                .to_owned(),
            "IMBRIDGE_KAFKA_PROPERTY_LINGER_MS sets linger.ms, which librdkafka refuses: "
                .to_owned(),
            format!(
                "IMBRIDGE_KAFKA_PROPERTIES names file {properties}, which sets \"queue.x\", which librdkafka refuses: "
            ),
        ];
        for start in &expected {
            let lines = ran.err.lines().filter_map(|line| line.strip_prefix("imbridge: "));
            let found = lines.filter(|line| line.starts_with(start)).count();
            assert!(found > 0, "{arguments:?}: {start}\n{}", ran.err);
            assert!(found == 1 || start.contains("CATALOGUE"), "{found} × {start}\n{}", ran.err);
        }
        assert!(ran.err.lines().all(|line| line.starts_with("imbridge: IMBRIDGE_")), "{}", ran.err);
    }
}

#[test]
fn a_file_that_a_property_names_and_that_is_not_there_is_reported_by_the_variable() {
    let settings = [
        ("IMBRIDGE_KAFKA_BROKERS", NOBODY),
        ("IMBRIDGE_KAFKA_PROPERTY_SECURITY_PROTOCOL", "ssl"),
        ("IMBRIDGE_KAFKA_PROPERTY_SSL_CA_LOCATION", "/nowhere/ca.pem"),
    ];
    let ran = run(&["serve"], &settings);
    assert_eq!(ran.code, Some(USAGE), "{}", ran.err);
    let start = "imbridge: IMBRIDGE_KAFKA_PROPERTY_SSL_CA_LOCATION sets ssl.ca.location, which \
                 librdkafka refuses: ";
    assert!(ran.err.starts_with(start) && ran.err.lines().count() == 1, "{}", ran.err);
}
