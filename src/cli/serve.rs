//! `imbridge serve`: the service.

use super::settings::Examined;
use super::stop::{HangUp, HungUp};
use super::terminal;
use crate::app::rules::First;
use crate::app::{self, App};
use crate::catalogue::Catalogue;
use crate::config::sockets::{self, PassedIn};
use crate::config::{AckLevel, Config, LogFormat};
use crate::telemetry::logging;
use anyhow::Context;
use std::io::Write;
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

const HELP: &str = "\
Settings are environment variables, see docs/configuration.md.

What an answer of 200 to an after-callback means (IMBRIDGE_ACK); the event was accepted, and is

  memory  in the bounded journal in memory
  os      in the kernel's page cache (the default)
  fsync   on the disk: an fdatasync that covers it was successful
  kafka   in Kafka: confirmed with acks=all; in the journal as with os before

and what becomes of it then:

          SIGKILL, panic,  kernel crash, power loss   disk full, EIO  Kafka down for an hour
          out of memory
  memory  lost             lost                       -               kept up to the budget,
                                                                      then 503
  os      kept             the last 200 ms or 4 MiB   503, nothing    kept
                           at most are lost           acked is lost
  fsync   kept             kept, if the device        503, nothing    kept
                           honours flushes            acked is lost
  kafka   kept             kept by the cluster        503, nothing    503 after the hold time
                                                      acked is lost

SIGTERM or SIGINT stop it, and so does closing its terminal: requests are served on until senders
fall silent, all within IMBRIDGE_DRAIN_SECONDS. What is left then is on the disk for the next start; at level memory it goes
to Kafka within the same time, or is lost. A second signal ends the wait.

SIGHUP has the rule file (IMBRIDGE_RULES) read again; without one it does nothing.

Example:
  IMBRIDGE_KAFKA_BROKERS=localhost:9092 imbridge serve";

/// Take callbacks and publish them as events on Kafka
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {}

/// Serves until SIGTERM, SIGINT or the end of its terminal, then stops within the drain time; a second
/// signal ends that wait. SIGHUP has the rules read again.
///
/// # Errors
/// What the caller shows; problems of the configuration are shown here.
pub fn run(_args: &Args) -> anyhow::Result<ExitCode> {
    // First of all: descriptors that were passed in have the numbers that others get otherwise.
    let passed_in = sockets::passed_in();
    let mut settings = Examined::for_serve(std::env::vars_os());
    let passed_in = passed_in.unwrap_or_else(|problem| {
        settings.report(problem);
        PassedIn::default()
    });
    let catalogue = settings.catalogue();
    settings.topics(&catalogue);
    settings.properties();
    let rules = settings.rules(&catalogue);
    let config = settings.done()?;
    let json = config.log.format == LogFormat::Json;
    logging::start(&config.log.filter, json, !json && terminal::colour_on_stderr())
        .map_err(anyhow::Error::msg)?;
    warn(&config, &passed_in);
    crate::http::block_on(serve(&config, (catalogue, rules), passed_in.listener))
}

fn warn(config: &Config, passed_in: &PassedIn) {
    for warning in config.warnings.iter().chain(&passed_in.warning) {
        tracing::warn!("{warning}");
    }
    if passed_in.listener.is_some() {
        tracing::info!(
            "LISTEN_FDS: callbacks arrive at the socket that was passed in, and \
             IMBRIDGE_LISTEN is ignored"
        );
    }
    let journal = &config.journal;
    if journal.ack == AckLevel::Memory {
        tracing::warn!(
            "IMBRIDGE_ACK is memory: accepted events are lost if the process ends before Kafka has \
             them"
        );
    }
    let ignored = journal.ignored_at_memory.join(", ");
    if !ignored.is_empty() {
        tracing::warn!("without effect, for the journal is in memory: {ignored}");
    }
}

/// Says where it listens: the sockets accept from here on.
fn announce(app: &App) -> std::io::Result<()> {
    let (callbacks, admin) = (app.callbacks_address(), app.admin_address());
    tracing::info!(%callbacks, %admin, "listening");
    let mut out = std::io::stdout().lock();
    writeln!(out, "callbacks listening on http://{callbacks}")?;
    writeln!(out, "admin listening on http://{admin}")?;
    out.flush()
}

async fn serve(
    config: &Config,
    (catalogue, rules): (Arc<Catalogue>, Option<First>),
    passed_in: Option<TcpListener>,
) -> anyhow::Result<ExitCode> {
    let brokers = config.require_brokers()?.to_owned();
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut hang_up = HangUp::watch().context("cannot listen for SIGHUP")?;
    let listeners = app::listeners(config, passed_in)?;
    let app = App::start_ruled(config, &brokers, catalogue, listeners, (None, rules))?;
    let reload = app.rule_reloader();
    if let Err(error) = announce(&app) {
        // Whoever started the bridge may not care where it listens; the senders do.
        tracing::warn!(%error, "standard output cannot be written; serving all the same");
    }
    let mut stop_signal = async || loop {
        tokio::select! {
            _ = terminate.recv() => return tracing::info!("SIGTERM"),
            _ = interrupt.recv() => return tracing::info!("SIGINT"),
            hung_up = hang_up.recv() => match hung_up {
                HungUp::Terminal => return tracing::info!("SIGHUP: the terminal was closed"),
                HungUp::Asked if reload() => tracing::info!("SIGHUP: the rules are read again"),
                HungUp::Asked => tracing::info!(
                    "SIGHUP: there are no rules to read again, for IMBRIDGE_RULES is not set"
                ),
            },
        }
    };
    stop_signal().await;
    // A second signal means that somebody does not want to wait; the drain time is his to give up.
    app.stop_unless(stop_signal()).await;
    Ok(ExitCode::SUCCESS)
}
