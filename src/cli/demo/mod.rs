//! `imbridge demo`: everything in one process, to look at.
//!
//! In: nothing but this program. Out: a live view of what two simulated servers send and what comes
//! out of an in-process Kafka, and a summary. What always holds: the exit code is 0 when nothing was
//! lost, however the demo ended; nothing outside this process is written to.

mod pairs;
mod rules;
mod stage;
mod summary;
mod view;

use super::settings::Examined;
use super::terminal::{self, Screen};
use super::{stop, written};
use crate::app::App;
use crate::app::rules::First;
use crate::catalogue::Catalogue;
use crate::clock;
use crate::config::{Config, LogFormat};
use crate::http;
use crate::simulate::Report;
use crate::telemetry::{Ledger, logging};
use std::io::Write as _;
use std::num::NonZeroU64;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use summary::{End, Place};
use tokio::sync::{Notify, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};
use view::{Totals, View};

/// News that may wait for the view: some seconds at the highest rates.
const NEWS_MAX: usize = 65_536;
/// How long the last events may take to be read back.
const READ_BACK: Duration = Duration::from_secs(5);

const EXAMPLES: &str = "\
Examples:
  imbridge demo
  imbridge demo --seconds 10 --rate 200
  IMBRIDGE_RULES=rules.yaml imbridge demo

Needs nothing else: Kafka is librdkafka's mock cluster, kept in memory and gone at the end, and so
is the journal (ack level memory). The starter set of rules decides, unless IMBRIDGE_RULES names
others. Ports 8080 and 9464 are used where they are free (IMBRIDGE_LISTEN, IMBRIDGE_ADMIN_LISTEN),
else any. Exit code 0: nothing was lost.";

/// Look at it: simulated servers, the bridge and a Kafka in one process
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// End by itself after so many seconds [default: Ctrl-C ends it]
    #[arg(long, value_name = "N")]
    pub seconds: Option<NonZeroU64>,
    /// Callbacks per second of both servers together
    #[arg(long, value_name = "N", default_value = "40")]
    pub rate: NonZeroU64,
}

/// Plays until the time is over or somebody says stop.
///
/// # Errors
/// The settings are wrong, a part cannot be started.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (pairs, ignored) = stage::settings(std::env::vars_os());
    let mut settings = Examined::of(pairs);
    let catalogue = settings.catalogue();
    let topics = settings.topics(&catalogue);
    let own = settings.rules(&catalogue);
    let config = settings.done()?;
    let first = match own {
        Some(own) => own,
        None => rules::starter(&catalogue, config.policy.on_fault)?,
    };
    let json = config.log.format == LogFormat::Json;
    logging::start(&config.log.filter, json, !json && terminal::colour_on_stderr())
        .map_err(anyhow::Error::msg)?;
    http::block_on(play(args, &config, (catalogue, topics, first), &ignored))
}

/// What runs beside the bridge, each on a thread of its own.
struct Cast {
    senders: JoinHandle<anyhow::Result<Report>>,
    reader: JoinHandle<anyhow::Result<()>>,
    view: JoinHandle<std::io::Result<Totals>>,
    /// One of the three has ended, whichever.
    over: Arc<Notify>,
    stop_senders: oneshot::Sender<()>,
    stop_reader: Arc<AtomicBool>,
    read: Arc<AtomicU64>,
}

async fn play(
    args: &Args,
    config: &Config,
    (catalogue, topics, first): (Arc<Catalogue>, Vec<String>, First),
    ignored: &[String],
) -> anyhow::Result<ExitCode> {
    let kafka = stage::kafka(&topics)?;
    let bootstrap = kafka.bootstrap();
    let listeners = stage::listeners(config)?;
    let rules = (config.policy.rules.is_none(), first.rules());
    let begun = (None, Some(first));
    let app = App::start_ruled(config, &bootstrap, Arc::clone(&catalogue), listeners, begun)?;
    let screen = Screen::stdout();
    let place = Place {
        callbacks: stage::shown(app.callbacks_address()),
        admin: stage::shown(app.admin_address()),
        bootstrap: &bootstrap,
        topics: topics.len(),
        rules,
    };
    let header = summary::text(&summary::header(&place, ignored), screen);
    if let done @ Err(_) = std::io::stdout().write_all(header.as_bytes()) {
        return written(done, ExitCode::SUCCESS);
    }
    let cast = cast(args, &place, topics, catalogue, View::new(screen, Arc::clone(app.ledger())));
    let ledger = Arc::clone(app.ledger());
    let (report, totals, read) = act(cast, app).await?;
    let ledger = ledger.snapshot();
    let lost = summary::lost(&ledger, &report);
    let decided = if lost == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    let Some(totals) = totals else { return Ok(decided) };
    let end = End { ledger, report: &report, totals: &totals, read };
    written(std::io::stdout().write_all(summary::text(&end.lines(), screen).as_bytes()), decided)
}

fn cast(
    args: &Args,
    place: &Place<'_>,
    topics: Vec<String>,
    catalogue: Arc<Catalogue>,
    view: View,
) -> Cast {
    let (news, for_view) = sync_channel(NEWS_MAX);
    let (stop_senders, stop) = oneshot::channel();
    let (stop_reader, read) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (callbacks, bootstrap) = (place.callbacks, place.bootstrap.to_owned());
    let over = Arc::new(Notify::new());
    let for_reader = (Arc::clone(&read), Arc::clone(&stop_reader), news.clone());
    let reader = run_aside(&over, move || {
        let (read, stop, news) = for_reader;
        stage::reader(&bootstrap, topics, &news, (&read, &stop))
    });
    #[expect(clippy::cast_precision_loss, reason = "nobody asks for 2^53 callbacks a second")]
    let speed = (args.rate.get() as f64, args.seconds.map(NonZeroU64::get));
    let senders =
        run_aside(&over, move || stage::senders(callbacks, speed, &catalogue, news, stop));
    let view = run_aside(&over, move || view.run(&for_view, &mut std::io::stdout()));
    Cast { senders, reader, view, over, stop_senders, stop_reader, read }
}

/// Runs on a thread of its own, and tells when it is over.
fn run_aside<T: Send + 'static>(
    over: &Arc<Notify>,
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let over = Arc::clone(over);
    spawn_blocking(move || {
        let done = work();
        over.notify_one();
        done
    })
}

/// Waits for the end and takes everything down in order. No totals: nobody looks any more.
async fn act(cast: Cast, app: App) -> anyhow::Result<(Report, Option<Totals>, u64)> {
    let Cast { senders, reader, view, over, stop_senders, stop_reader, read } = cast;
    tokio::select! {
        () = stop::asked() => {}
        () = over.notified() => {}
    }
    drop(stop_senders);
    let report = senders.await.expect("the senders do not panic")?;
    read_back(app.ledger(), &read).await;
    app.stop().await;
    stop_reader.store(true, Ordering::Relaxed);
    reader.await.expect("the reader does not panic")?;
    let totals = view.await.expect("the view does not panic");
    Ok((report, totals.ok(), read.load(Ordering::Relaxed)))
}

/// Waits until what was accepted is in Kafka and was read back, not longer than it is worth.
async fn read_back(ledger: &Ledger, read: &AtomicU64) {
    let until = clock::now() + READ_BACK;
    while clock::now() < until {
        let records = ledger.snapshot().records;
        if records.waiting == 0 && read.load(Ordering::Relaxed) >= records.confirmed {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
