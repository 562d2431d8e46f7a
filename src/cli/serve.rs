//! `imbridge serve`: the service.

use super::settings::Examined;
use super::stop::HangUp;
use super::terminal;
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

Example:
  IMBRIDGE_KAFKA_BROKERS=localhost:9092 imbridge serve";

/// Take callbacks and publish them as events on Kafka
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {}

/// Serves until SIGTERM, SIGINT or SIGHUP, then stops within the drain time; a second signal ends that wait.
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
    let config = settings.done()?;
    let json = config.log.format == LogFormat::Json;
    logging::start(&config.log.filter, json, !json && terminal::colour_on_stderr())
        .map_err(anyhow::Error::msg)?;
    warn(&config, &passed_in);
    crate::http::block_on(serve(&config, catalogue, passed_in.listener))
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
    catalogue: Arc<Catalogue>,
    passed_in: Option<TcpListener>,
) -> anyhow::Result<ExitCode> {
    let brokers = config.require_brokers()?.to_owned();
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut hang_up = HangUp::watch().context("cannot listen for SIGHUP")?;
    let listeners = app::listeners(config, passed_in)?;
    let app = App::start_on(config, &brokers, catalogue, listeners)?;
    if let Err(error) = announce(&app) {
        // Whoever started the bridge may not care where it listens; the senders do.
        tracing::warn!(%error, "standard output cannot be written; serving all the same");
    }
    let mut signalled = async || {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM"),
            _ = interrupt.recv() => tracing::info!("SIGINT"),
            () = hang_up.recv() => tracing::info!("SIGHUP: the terminal was closed"),
        }
    };
    signalled().await;
    // A second signal means that somebody does not want to wait; the drain time is his to give up.
    app.stop_unless(signalled()).await;
    Ok(ExitCode::SUCCESS)
}
