//! The command line: one file per subcommand.
//!
//! In: arguments. Out: an exit code: 0 ok, 1 the answer is no or something failed, 64 the command line
//! or the configuration is wrong. What always holds: results go to standard output, everything else
//! to standard error; colours only on a terminal.

pub mod catalogue;
pub mod demo;
pub mod health;
pub mod journal;
pub mod rules;
pub mod serve;
mod settings;
pub mod simulate;
mod stop;
pub mod tail;
mod terminal;
pub mod topics;

use crate::app;
use crate::call::{Phase, Provider};
use crate::catalogue::Catalogue;
use crate::config::{Config, Problem};
use crate::kafka::KafkaSettings;
use crate::kafka::SignalClass;
use crate::kafka::admin::AdminError;
use anyhow::Context as _;
use clap::{Parser, Subcommand};
use settings::Examined;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

/// Usage or configuration.
pub const USAGE: u8 = 64;

/// Version and commit.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("BUILD_COMMIT"), ")");

const EXAMPLES: &str = "\
Examples:
  imbridge demo                                          all in one process, to look at
  IMBRIDGE_KAFKA_BROKERS=localhost:9092 imbridge serve   the service
  imbridge tail --brokers localhost:9092                 what comes out

Settings are environment variables, see docs/configuration.md.
Exit codes: 0 ok, 1 the answer is no or something failed, 64 wrong usage or configuration.";

/// imbridge: callbacks of OpenIM and Tencent Cloud Chat in, normalised events on Kafka out
#[derive(Debug, Parser)]
#[command(name = "imbridge", version = VERSION, disable_help_subcommand = true)]
#[command(after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Demo(demo::Args),
    Simulate(simulate::Args),
    Tail(tail::Args),
    Journal(journal::Args),
    Rules(rules::Args),
    Topics(topics::Args),
    Catalogue(catalogue::Args),
    Health(health::Args),
}

/// Runs the program on the process's own arguments.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked = !error.use_stderr();
            let _told = error.print().is_ok();
            return if asked { ExitCode::SUCCESS } else { ExitCode::from(USAGE) };
        }
    };
    let done = match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Simulate(args) => {
            let catalogue = Catalogue::embedded();
            simulate::run(&args, |provider, command| phase_of(&catalogue, provider, command))
        }
        Command::Tail(args) => tail::run(&args),
        Command::Journal(args) => journal::run(&args),
        Command::Rules(args) => rules::run(&args),
        Command::Topics(args) => topics::run(&args),
        Command::Catalogue(args) => catalogue::run(&args),
        Command::Health(args) => health::run(&args),
    };
    done.unwrap_or_else(|error| {
        let usage = error.downcast_ref::<crate::config::Problems>().is_some()
            || error.downcast_ref::<app::rules::Refused>().is_some()
            || error.downcast_ref::<crate::simulate::Error>().is_some();
        complain(&error);
        if usage { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
    })
}

/// The exit code that a command has decided on, after it wrote its results to standard output. It
/// stands when whoever reads them has read enough (`| head`).
///
/// # Errors
/// Standard output cannot be written for another reason.
fn written(done: std::io::Result<()>, decided: ExitCode) -> anyhow::Result<ExitCode> {
    match done {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("standard output cannot be written")
        }
        _ => Ok(decided),
    }
}

/// Phase of a command; those without a row count as after.
fn phase_of(catalogue: &Catalogue, provider: Provider, command: &str) -> Phase {
    catalogue.find(provider, command).map_or(Phase::After, |row| catalogue.plan(row).phase)
}

/// The settings of a command that needs Kafka; `brokers` stands in place of the setting.
fn examine_with_kafka(brokers: Option<&str>) -> Examined {
    // Of a name that comes twice the first counts.
    let given = brokers.map(|brokers| ("IMBRIDGE_KAFKA_BROKERS".into(), brokers.into()));
    let mut settings = Examined::of(given.into_iter().chain(std::env::vars_os()));
    if settings.is_without_brokers() {
        let what = "is not set, and there is no --brokers: expected HOST:PORT of a broker";
        settings.report(Problem::of("IMBRIDGE_KAFKA_BROKERS", what));
    }
    settings.properties();
    settings
}

/// The way to Kafka that settings name.
fn kafka_of(config: &Config) -> anyhow::Result<KafkaSettings> {
    Ok(app::kafka_settings(config, config.require_brokers()?))
}

/// Why nothing was heard from Kafka.
fn unreachable(brokers: &str, error: &AdminError) -> anyhow::Error {
    let what = match error.class {
        SignalClass::Other => "cannot answer",
        _ => "cannot be reached",
    };
    anyhow::anyhow!("Kafka at {brokers} (--brokers, IMBRIDGE_KAFKA_BROKERS) {what}: {error}")
}

fn complain(error: &anyhow::Error) {
    for line in format!("{error:#}").lines() {
        remark(line);
    }
}

/// A line on standard error.
fn remark(text: &str) {
    let _unheard = writeln!(anstream::stderr(), "imbridge: {text}").is_err();
}
