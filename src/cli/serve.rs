//! `imbridge serve`: the service.

use super::{USAGE, terminal};
use crate::app::{self, App};
use crate::catalogue::Catalogue;
use crate::config::{Config, LogFormat, properties_refused};
use crate::files;
use crate::normalise::topics::{Topics, illegal};
use crate::telemetry::logging;
use anyhow::Context;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

const HELP: &str = "\
Settings are environment variables, see docs/configuration.md.

What an answer of 200 means (IMBRIDGE_ACK):
  memory  in the bounded journal in memory; lost if the process ends before Kafka has it
  os, fsync, kafka: not yet supported

SIGTERM or SIGINT stop it: requests are served on until senders fall silent, then what is left goes
to Kafka, all within IMBRIDGE_DRAIN_SECONDS. A second signal ends the wait.

Example:
  IMBRIDGE_KAFKA_BROKERS=localhost:9092 imbridge serve";

/// Take callbacks and publish them as events on Kafka
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {}

/// Serves until SIGTERM or SIGINT, then stops within the drain time; a second signal ends that wait.
///
/// # Errors
/// What the caller shows; problems of the configuration are shown here.
pub fn run(_args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::for_serve(std::env::vars_os())?;
    let Some(catalogue) = catalogue(&config)? else { return Ok(ExitCode::from(USAGE)) };
    if topics(&config, &catalogue)?.is_none() {
        return Ok(ExitCode::from(USAGE));
    }
    let json = config.log.format == LogFormat::Json;
    logging::start(&config.log.filter, json, !json && terminal::colour_on_stderr())
        .map_err(anyhow::Error::msg)?;
    let brokers = config.require_brokers()?;
    app::kafka_settings(&config, brokers).check().map_err(|why| properties_refused(&why))?;
    warn(&config);
    crate::http::block_on(serve(&config, catalogue))
}

/// The catalogue with the operator's rows; `None` after its mistakes were shown.
pub(super) fn catalogue(config: &Config) -> anyhow::Result<Option<Arc<Catalogue>>> {
    read_catalogue(config.catalogue.as_deref())
}

/// The catalogue with the rows of a file, if there is one; `None` after its mistakes were shown.
pub(super) fn read_catalogue(file: Option<&Path>) -> anyhow::Result<Option<Arc<Catalogue>>> {
    let Some(path) = file else {
        return Ok(Some(Arc::new(Catalogue::embedded())));
    };
    let name = path.display().to_string();
    let text = files::read_text(path, files::SMALL_FILE_BYTES_MAX * 16)
        .map_err(|error| anyhow::anyhow!("IMBRIDGE_CATALOGUE: {error}"));
    let problems = match text {
        Ok(text) => match Catalogue::with_extra(&name, &text) {
            Ok(catalogue) => return Ok(Some(Arc::new(catalogue))),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        },
        Err(error) => vec![error.to_string()],
    };
    let mut out = anstream::stderr().lock();
    for problem in problems {
        writeln!(out, "imbridge: {problem}")?;
    }
    Ok(None)
}

/// Names of all topics that the bridge may write to; `None` after the illegal ones were shown: a
/// long prefix and a long name of an operator's row may be too much together.
pub(super) fn topics(
    config: &Config,
    catalogue: &Catalogue,
) -> anyhow::Result<Option<Vec<String>>> {
    let topics = Topics::new(catalogue, &config.kafka.topic_prefix, config.kafka.topic_by);
    let names = topics.all(catalogue);
    let problems: Vec<String> = names.iter().filter_map(|topic| illegal(topic)).collect();
    let mut out = anstream::stderr().lock();
    for problem in &problems {
        writeln!(out, "imbridge: IMBRIDGE_TOPIC_PREFIX, IMBRIDGE_CATALOGUE: {problem}")?;
    }
    Ok(problems.is_empty().then_some(names))
}

fn warn(config: &Config) {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let ignored = config.journal.ignored_at_memory.join(", ");
    if config.journal.ack_defaulted {
        tracing::warn!(
            "IMBRIDGE_ACK is not set and means memory for now: accepted events are lost if the \
             process ends before Kafka has them"
        );
    }
    if !ignored.is_empty() {
        tracing::warn!("without effect, for the journal is in memory: {ignored}");
    }
    tracing::info!(
        bytes_max = config.journal.bytes_max,
        ack = config.journal.ack.word(),
        "journal in memory, budget {} bytes",
        config.journal.bytes_max
    );
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

async fn serve(config: &Config, catalogue: Arc<Catalogue>) -> anyhow::Result<ExitCode> {
    let brokers = config.require_brokers()?.to_owned();
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let app = App::start(config, &brokers, catalogue)?;
    if let Err(error) = announce(&app) {
        // Whoever started the bridge may not care where it listens; the senders do.
        tracing::warn!(%error, "standard output cannot be written; serving all the same");
    }
    let mut signalled = async || {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM"),
            _ = interrupt.recv() => tracing::info!("SIGINT"),
        }
    };
    signalled().await;
    // A second signal means that somebody does not want to wait; the drain time is his to give up.
    app.stop_unless(signalled()).await;
    Ok(ExitCode::SUCCESS)
}
