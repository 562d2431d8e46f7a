//! Settings: from environment variables to one checked [`Config`].
//!
//! In: pairs of name and value as the operating system has them. Out: a [`Config`], or [`Problems`]
//! with every mistake at once; the caller prints them and exits with 64.
//!
//! The way: `vars` sorts the environment, `envy` fills one flat struct of optional texts per
//! concern, and `read` with the file of that concern turns texts into values. `table` has the row
//! of every setting, `docs` writes `docs/configuration.md` and `.env.example` from it. To add a
//! setting: its row in `table`, a field in the struct of its concern, its value in the result,
//! `UPDATE=1 cargo test`.
//!
//! Invariant: no secret is ever shown, neither by a problem nor by `Debug`; what this version
//! cannot do is refused, never ignored in silence.

pub mod docs;
mod http;
mod journal;
mod kafka;
mod logging;
mod problems;
mod properties;
mod providers;
mod read;
mod secret;
pub mod sockets;
pub mod table;
mod vars;

#[cfg(test)]
mod tests;

use std::ffi::OsString;

pub use crate::event::{EventFormat, TopicBy};
pub use http::{Admin, Http};
pub use journal::{AckLevel, Journal};
pub use kafka::Kafka;
pub use logging::{Log, LogFormat};
pub use problems::{Problem, Problems};
pub use properties::Property;
pub use providers::{OpenIm, Policy, Tencent};
pub use secret::Secret;
pub use table::{SETTINGS, Setting};

use read::Reader;
use table::Support;
use vars::Vars;

/// All settings, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The callback port.
    pub http: Http,
    /// The admin port.
    pub admin: Admin,
    /// The log.
    pub log: Log,
    /// Kafka, topics, events.
    pub kafka: Kafka,
    /// What an answer promises, and the journal.
    pub journal: Journal,
    /// `OpenIM`.
    pub openim: OpenIm,
    /// Tencent Cloud Chat.
    pub tencent: Tencent,
    /// Decisions, and the files of operators about them.
    pub policy: Policy,
    /// What is allowed and probably not meant; `serve` logs each at start.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads the settings from the environment of this process.
    ///
    /// # Errors
    /// Every problem with the settings; the caller exits with 64.
    pub fn from_env() -> Result<Self, Problems> {
        Self::from_vars(std::env::vars_os())
    }

    /// Reads the settings from `pairs` of name and value. Reads the files that hold secrets and
    /// librdkafka properties, and no others.
    ///
    /// # Errors
    /// Every problem with the settings; the caller exits with 64.
    pub fn from_vars(
        pairs: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Problems> {
        let (config, problems) = Self::examine(pairs);
        Problems::none_in(problems).map(|()| config)
    }

    /// Like [`Config::from_vars`] for `serve`, which needs brokers: a missing list is reported with
    /// all else.
    ///
    /// # Errors
    /// Every problem with the settings; the caller exits with 64.
    pub fn for_serve(
        pairs: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Problems> {
        let (config, problems) = Self::examine_for_serve(pairs);
        Problems::none_in(problems).map(|()| config)
    }

    /// As [`Config::from_vars`], for whoever has more to check: defaults stand in for what is wrong.
    #[must_use]
    pub fn examine(pairs: impl IntoIterator<Item = (OsString, OsString)>) -> (Self, Vec<Problem>) {
        Self::read(pairs, |_, _| {})
    }

    /// As [`Config::for_serve`], for whoever has more to check: defaults stand in for what is wrong.
    #[must_use]
    pub fn examine_for_serve(
        pairs: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> (Self, Vec<Problem>) {
        Self::read(pairs, |vars, reader| {
            if !vars.is_set("IMBRIDGE_KAFKA_BROKERS") {
                reader.problems.push(brokers_missing());
            }
        })
    }

    fn read(
        pairs: impl IntoIterator<Item = (OsString, OsString)>,
        more_checks: impl FnOnce(&Vars, &mut Reader),
    ) -> (Self, Vec<Problem>) {
        let mut reader = Reader::default();
        let vars = Vars::sort(pairs, &mut reader.problems);
        refuse_what_is_not_there_yet(&vars, &mut reader);
        let (openim, tencent) = providers::read(vars.fill(), &mut reader);
        let mut config = Self {
            http: http::read_http(vars.fill(), &mut reader),
            admin: http::read_admin(vars.fill(), &mut reader),
            log: logging::read(vars.fill(), &mut reader),
            kafka: kafka::read(vars.fill(), &vars.kafka_properties, &mut reader),
            journal: journal::read(vars.fill(), &mut reader),
            openim,
            tencent,
            policy: providers::read_policy(vars.fill(), &mut reader),
            warnings: Vec::new(),
        };
        more_checks(&vars, &mut reader);
        warn_of_a_small_budget(&config, &mut reader);
        config.warnings = reader.warnings;
        (config, reader.problems)
    }

    /// The brokers, for commands that cannot do without.
    ///
    /// # Errors
    /// The problem that `IMBRIDGE_KAFKA_BROKERS` is not set; the caller exits with 64.
    pub fn require_brokers(&self) -> Result<&str, Problems> {
        self.kafka.brokers.as_deref().ok_or_else(|| Problems(vec![brokers_missing()]))
    }
}

fn brokers_missing() -> Problem {
    let what =
        "is not set: expected the bootstrap servers of a Kafka cluster, such as localhost:9092";
    Problem::of("IMBRIDGE_KAFKA_BROKERS", what)
}

/// A journal that cannot take the largest record would hold such a callback until it is refused,
/// every time.
fn warn_of_a_small_budget(config: &Config, reader: &mut Reader) {
    let (event, journal) = (config.kafka.event_bytes_max, config.journal.bytes_max);
    if event as u64 > journal {
        reader.warnings.push(format!(
            "IMBRIDGE_EVENT_BYTES_MAX is {event}, more than IMBRIDGE_JOURNAL_BYTES_MAX \
             ({journal}): events above the latter never find room"
        ));
    }
}

/// Reports every setting that asks for something a later version will do.
fn refuse_what_is_not_there_yet(vars: &Vars, reader: &mut Reader) {
    for setting in SETTINGS.iter().filter(|setting| setting.support == Support::NotYet) {
        if vars.is_set(setting.name) {
            reader.problem(setting.name, "is not yet supported in this version");
        }
    }
}
