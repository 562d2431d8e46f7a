//! What the demo puts on the stage: settings, Kafka, the bridge's listeners, the senders, a reader.
//!
//! In: the environment and the demo's own options. Out: the parts, each running, and [`News`] of
//! what happens. What always holds: nothing outside this process is needed or written to: the journal
//! is in memory.

use crate::call::{Phase, Provider};
use crate::catalogue::Catalogue;
use crate::config::Config;
use crate::config::table::{KAFKA_PROPERTY_PREFIX, SETTINGS};
use crate::http::bind;
use crate::kafka::KafkaSettings;
use crate::kafka::consumer::{Event as Record, Next, Reader, Start};
use crate::kafka::mock::MockKafka;
use crate::simulate::{self, Observer, Options, Outcome, Pace, Report, Sent};
use anyhow::Context as _;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use tokio::sync::oneshot;

/// Tencent's application in the demo.
pub(super) const APP_ID: u64 = 1_400_000_001;
/// The settings that make sense here; the demo ignores all others.
const KEPT: &[&str] = &[
    "IMBRIDGE_ADMIN_LISTEN",
    "IMBRIDGE_CATALOGUE",
    "IMBRIDGE_EVENT_FORMAT",
    "IMBRIDGE_LISTEN",
    "IMBRIDGE_LOG",
    "IMBRIDGE_LOG_FORMAT",
    "IMBRIDGE_ON_FAULT",
    "IMBRIDGE_RULES",
    "IMBRIDGE_TOPIC_BY",
    "IMBRIDGE_TOPIC_PREFIX",
    "IMBRIDGE_WORKERS",
];
/// What counts where the environment says nothing: this machine only, and no log lines between the
/// pairs but warnings.
const DEFAULTS: &[(&str, &str)] = &[
    ("IMBRIDGE_LISTEN", "127.0.0.1:8080"),
    ("IMBRIDGE_LOG", "warn,librdkafka=error"),
    ("IMBRIDGE_ACK", "memory"),
    ("IMBRIDGE_TOPICS_CREATE", "false"),
];
/// Partitions of each topic: order across a whole topic is easier to look at.
const PARTITIONS: u16 = 1;
/// How long the in-process Kafka may take to answer.
const KAFKA: Duration = Duration::from_secs(10);
/// How often the reader looks for the stop.
const LOOK: Duration = Duration::from_millis(100);

/// What happens on the stage.
#[derive(Debug)]
pub(super) enum News {
    /// A callback goes out.
    WentOut(Call),
    /// A callback was answered.
    CameBack(Call, Duration, Outcome),
    /// An event was read from Kafka.
    Read(Box<Record>),
}

/// A callback, as [`Sent`].
#[derive(Debug, Clone)]
pub(super) struct Call {
    provider: Provider,
    command: String,
    phase: Phase,
    operation_id: String,
}

impl Call {
    pub(super) fn of(sent: &Sent<'_>) -> Self {
        Self {
            provider: sent.provider,
            command: sent.command.to_owned(),
            phase: sent.phase,
            operation_id: sent.operation_id.to_owned(),
        }
    }

    /// As the simulator has it.
    pub(super) fn sent(&self) -> Sent<'_> {
        let Self { provider, phase, .. } = *self;
        Sent { provider, command: &self.command, phase, operation_id: &self.operation_id }
    }
}

/// The settings of the bridge in the demo, and the names of those that are set and ignored.
pub(super) fn settings(
    pairs: impl IntoIterator<Item = (OsString, OsString)>,
) -> (Vec<(OsString, OsString)>, Vec<String>) {
    let mut ignored = Vec::new();
    let mut kept: Vec<(OsString, OsString)> = pairs
        .into_iter()
        .filter(|(name, value)| {
            let Some(name) = name.to_str() else { return true };
            let known = SETTINGS.iter().any(|setting| setting.name == name);
            let ignore = name.starts_with(KAFKA_PROPERTY_PREFIX) || known && !KEPT.contains(&name);
            if ignore && !value.is_empty() {
                ignored.push(name.to_owned());
            }
            !ignore
        })
        .collect();
    ignored.sort_unstable();
    // Of a name that comes twice the first counts, so these are defaults.
    let default =
        |(name, value): &(&str, &str)| (OsStr::new(name).into(), OsStr::new(value).into());
    kept.extend(DEFAULTS.iter().map(default));
    (kept, ignored)
}

/// Starts Kafka with every topic that the bridge may write to. Stays on this thread.
pub(super) fn kafka(topics: &[String]) -> anyhow::Result<MockKafka> {
    let kafka = MockKafka::start(1)?;
    kafka.create_topics(topics, PARTITIONS)?;
    Ok(kafka)
}

/// Binds both ports; one that is taken gives way to any that is free.
pub(super) fn listeners(config: &Config) -> anyhow::Result<(TcpListener, TcpListener)> {
    let listen = |address: SocketAddr| {
        bind(address)
            .or_else(|_| bind(SocketAddr::new(address.ip(), 0)))
            .with_context(|| format!("cannot listen on {address}"))
    };
    Ok((listen(config.http.listen)?, listen(config.admin.listen)?))
}

/// The address to show for one that is listened on.
pub(super) fn shown(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    address
}

/// Tells the view what the senders do.
struct Witness(SyncSender<News>);

impl Witness {
    /// Never waits, for it is called on the senders' tasks; what finds no room is not shown.
    fn tell(&self, news: News) {
        let _shown = self.0.try_send(news).is_ok();
    }
}

impl Observer for Witness {
    fn went_out(&self, sent: &Sent<'_>) {
        self.tell(News::WentOut(Call::of(sent)));
    }

    fn came_back(&self, sent: &Sent<'_>, latency: Duration, outcome: Outcome) {
        self.tell(News::CameBack(Call::of(sent), latency, outcome));
    }
}

/// Both senders, played until their time is over or `stop` is dropped; blocks this thread.
pub(super) fn senders(
    callbacks: SocketAddr,
    (rate, seconds): (f64, Option<u64>),
    catalogue: &Catalogue,
    news: SyncSender<News>,
    stop: oneshot::Receiver<()>,
) -> anyhow::Result<Report> {
    let options = Options {
        openim: Some(format!("http://{callbacks}/openim")),
        tencent: Some(format!("http://{callbacks}/tencent")),
        pace: Pace::PerSecond(rate),
        time_max: seconds.map(Duration::from_secs),
        app_id: APP_ID,
        ..Options::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the senders' runtime")?;
    let phase_of = |provider, command: &str| crate::cli::phase_of(catalogue, provider, command);
    let witness = Arc::new(Witness(news));
    let stop = async {
        let _dropped = stop.await.is_err();
    };
    Ok(runtime.block_on(simulate::run(&options, phase_of, witness, stop))?)
}

/// Reads what is in Kafka back until `stop` is up, and counts it; blocks this thread.
pub(super) fn reader(
    bootstrap: &str,
    topics: Vec<String>,
    news: &SyncSender<News>,
    (read, stop): (&AtomicU64, &AtomicBool),
) -> anyhow::Result<()> {
    let settings = KafkaSettings::new(bootstrap);
    let topics: HashSet<String> = topics.into_iter().collect();
    let wanted = move |topic: &str| topics.contains(topic);
    let mut reader = Reader::open(&settings, wanted, Start::Beginning, false, KAFKA)?;
    while !stop.load(Ordering::Relaxed) {
        if let Next::Event(record) = reader.next(LOOK) {
            read.fetch_add(1, Ordering::Relaxed);
            // A view that has ended needs no news, but what is read is counted to the end.
            let _unseen = news.send(News::Read(Box::new(record))).is_err();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(all: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        all.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn the_demo_ignores_what_leads_out_of_this_process_and_names_it() {
        let (kept, ignored) = settings(pairs(&[
            ("IMBRIDGE_KAFKA_BROKERS", "prod:9092"),
            ("IMBRIDGE_KAFKA_PROPERTY_SECURITY_PROTOCOL", "ssl"),
            ("IMBRIDGE_OPENIM_PATH", ""),
            ("IMBRIDGE_TOPIC_BY", "one"),
            ("IMBRIDGE_LISTEN", "127.0.0.1:0"),
        ]));
        assert_eq!(
            ignored,
            ["IMBRIDGE_KAFKA_BROKERS", "IMBRIDGE_KAFKA_PROPERTY_SECURITY_PROTOCOL"]
        );
        let config = Config::from_vars(kept).unwrap();
        assert_eq!(config.kafka.brokers, None);
        assert_eq!(config.kafka.topic_by, crate::config::TopicBy::One);
        assert_eq!(config.http.listen.port(), 0, "what is set counts more than the default");
        assert_eq!(config.log.filter, "warn,librdkafka=error");
        assert!(!config.kafka.topics_create);
    }

    #[test]
    fn a_misspelt_setting_is_an_error_in_the_demo_too() {
        let (kept, _) = settings(pairs(&[("IMBRIDGE_TOPIC_BI", "one")]));
        assert!(Config::from_vars(kept).unwrap_err().to_string().contains("IMBRIDGE_TOPIC_BY"));
    }

    #[test]
    fn a_port_that_is_taken_gives_way() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let own = pairs(&[
            ("IMBRIDGE_LISTEN", &address.to_string()),
            ("IMBRIDGE_ADMIN_LISTEN", &address.to_string()),
        ]);
        let config = Config::from_vars(settings(own).0).unwrap();
        let (callbacks, admin) = listeners(&config).unwrap();
        let ports = [&callbacks, &admin].map(|listener| listener.local_addr().unwrap().port());
        assert!(!ports.contains(&address.port()) && ports[0] != ports[1]);
    }
}
