//! A real Apache Kafka (`KRaft`, one process) inside `cargo test`.
//!
//! In: `java`, and `mvn` the first time. Out: running brokers, their topics and what is in them.
//! Invariants: no broker outlives the test process by more than a moment, however that process
//! ends (`process`); without `java` or `mvn` a test says "skipped" and returns, and with
//! `REQUIRE_KAFKA=1` it fails.
//!
//! A start costs seconds of processor time, so tests share brokers: [`shared`] for all that only
//! read and write topics of their own, [`breakable`] for those that stop or kill Kafka, and
//! [`Broker::start`] for those that need other settings. The usual opening of a test:
//!
//! ```ignore
//! kafka_or_skip!();
//! let broker = kafka::shared();
//! let topic = kafka::topic_prefix("orders") + "created";
//! ```
//!
//! Read next: `broker` for the handle, `topics` for what tests see of the records.

mod broker;
mod jars;
mod process;
mod rights;
mod server;
mod tls;
mod topics;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

pub(crate) use broker::Broker;
pub(crate) use process::{Guarded, OwnedDir, end_left_overs, mark, marked_processes};
pub(crate) use rights::Right;
pub(crate) use server::{Options, SASL_PASSWORD, SASL_USER, Security};
pub(crate) use topics::Consumed;

/// Returns from the test, with a word on standard error, where no Kafka can be run.
///
/// # Panics
/// With `REQUIRE_KAFKA=1` instead of returning.
macro_rules! kafka_or_skip {
    () => {
        if !$crate::support::kafka::available() {
            return;
        }
    };
}
pub(crate) use kafka_or_skip;

/// Says whether a broker can be run here; where it cannot, prints why the test is skipped.
///
/// # Panics
/// Where it cannot and `REQUIRE_KAFKA` is `1`.
pub(crate) fn available() -> bool {
    static MISSING: OnceLock<Option<&str>> = OnceLock::new();
    let Some(missing) = MISSING.get_or_init(missing_program) else {
        return true;
    };
    let required = std::env::var_os("REQUIRE_KAFKA").is_some_and(|value| value == "1");
    assert!(!required, "REQUIRE_KAFKA=1, but there is no `{missing}` in the PATH");
    eprintln!("skipped: there is no `{missing}` in the PATH to run Apache Kafka with");
    false
}

/// The broker that all tests of this process share, without security. Only topics of one's own are
/// written to; it cannot be stopped.
///
/// # Panics
/// When it does not start, with the reason and the end of its log; then for every caller.
pub(crate) fn shared() -> &'static Broker {
    // A static is never dropped: the guard process of `process` ends this broker.
    static SHARED: OnceLock<Result<Broker, String>> = OnceLock::new();
    let started = SHARED
        .get_or_init(|| Broker::try_start(&Options::plain()).map_err(|error| format!("{error:#}")));
    match started {
        Ok(broker) => broker,
        Err(error) => panic!("the shared broker does not start: {error}"),
    }
}

/// The broker that tests may stop, kill and start again, for one test at a time. It runs when the
/// guard is handed out, whatever the test before did to it.
///
/// # Panics
/// When it does not start.
pub(crate) fn breakable() -> MutexGuard<'static, Broker> {
    static BREAKABLE: OnceLock<Mutex<Broker>> = OnceLock::new();
    let broker = BREAKABLE.get_or_init(|| Mutex::new(Broker::start(&breakable_options())));
    // A test that failed with the guard in its hand says nothing about the broker's worth.
    let mut broker = broker.lock().unwrap_or_else(PoisonError::into_inner);
    broker.heal();
    broker
}

/// Rights on its topics can be taken away, too ([`Broker::deny`]).
fn breakable_options() -> Options {
    rights::AUTHORIZER
        .iter()
        .fold(Options::plain(), |options, (name, value)| options.property(name, value))
}

/// A beginning for topic names that no other call in this process gets: `name-3.`.
pub(crate) fn topic_prefix(name: &str) -> String {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    format!("{name}-{}.", CALLS.fetch_add(1, Ordering::Relaxed))
}

/// Where all that Kafka needs is kept between test runs: under the target directory.
fn cache_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("cargo makes this directory inside the target directory")
        .join("kafka")
}

/// The program that is needed and not there.
fn missing_program() -> Option<&'static str> {
    let has = |name: &str| {
        std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).is_file()))
    };
    if !has("java") {
        return Some("java");
    }
    (!jars::cached() && !has("mvn")).then_some("mvn")
}
