//! Senders that behave as the real servers do, for trying the bridge and for measuring it.
//!
//! In: addresses, a pace, the embedded samples. Out: HTTP callbacks on the wire, one `Report`, and
//! a call to the `Observer` for each callback as it goes out and as it comes back. Always holds:
//! whatever is issued ends in exactly one `Outcome`, so the columns of the report add up.
//!
//! OpenIM is played with its queue (2 workers, 100 slots, a 3 s wait, then the event is gone),
//! Tencent with its 2 s deadline. Read next: `openim` for the queue, `samples` for the bodies.

pub mod answer;
pub mod openim;
mod pace;
pub mod report;
pub mod samples;
mod template;
pub mod tencent;
mod words;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub use crate::call::{Phase, Provider};
pub use pace::Pace;
pub use report::Report;
pub use samples::Mix;

use pace::Schedule;
use report::Recorder;
use samples::Samples;

/// What became of one callback, seen from the sending server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Answered in a form that the server understands, and taken.
    Accepted,
    /// A before-callback that the answer denied.
    Denied,
    /// The answer parses, but its status says that the callback was not taken.
    Refused,
    /// The answer does not parse as the server parses it (90007 for OpenIM users).
    Rejected,
    /// No complete answer within the server's deadline.
    TimedOut,
    /// Connection refused, reset or closed before the answer.
    ConnectionFailed,
    /// The sender's queue stayed full: a real server would have dropped the event.
    Dropped,
    /// Still queued when the run was over: a real server that stops loses these too.
    Abandoned,
}

impl Outcome {
    /// Every outcome, in the order of the report's columns.
    pub const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Denied,
        Self::Refused,
        Self::Rejected,
        Self::TimedOut,
        Self::ConnectionFailed,
        Self::Dropped,
        Self::Abandoned,
    ];

    /// One word, also the key in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Denied => "denied",
            Self::Refused => "refused",
            Self::Rejected => "rejected",
            Self::TimedOut => "timed_out",
            Self::ConnectionFailed => "connection_failed",
            Self::Dropped => "dropped",
            Self::Abandoned => "abandoned",
        }
    }

    /// Whether the callback did what callbacks are for: it was taken, or a rule said no.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(self, Self::Accepted | Self::Denied)
    }
}

/// A callback that goes out on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// Whose it is.
    pub provider: Provider,
    /// Its command.
    pub command: &'a str,
    /// Whether it asks or tells.
    pub phase: Phase,
    /// The operation id of OpenIM, which its events carry as `correlationid`; a request id of
    /// Tencent, which not every callback carries.
    pub operation_id: &'a str,
}

/// Is told about every callback; called on the senders' tasks, so it must be quick.
pub trait Observer: Send + Sync + 'static {
    /// A request is about to be written to the wire.
    fn sent(&self, provider: Provider, command: &str, phase: Phase) {
        let _ = (provider, command, phase);
    }

    /// As [`Self::sent`], for observers that tell one callback from another.
    fn went_out(&self, sent: &Sent<'_>) {
        self.sent(sent.provider, sent.command, sent.phase);
    }

    /// As [`Self::answered`], for a callback that went out.
    fn came_back(&self, sent: &Sent<'_>, latency: Duration, outcome: Outcome) {
        self.answered(sent.provider, sent.command, sent.phase, latency, outcome);
    }

    /// A callback ended. `latency` runs from the request to its answer; it is zero for callbacks
    /// that never went out (`Dropped`, `Abandoned`).
    fn answered(
        &self,
        provider: Provider,
        command: &str,
        phase: Phase,
        latency: Duration,
        outcome: Outcome,
    ) {
        let _ = (provider, command, phase, latency, outcome);
    }
}

impl Observer for () {}

/// What to send, where, and how fast.
#[derive(Clone, Debug)]
pub struct Options {
    /// Base URL for OpenIM callbacks, with `user:password@` if the bridge asks for it.
    pub openim: Option<String>,
    /// URL for Tencent callbacks.
    pub tencent: Option<String>,
    /// How fast; a rate is split evenly when both servers are played.
    pub pace: Pace,
    /// Ends the run after this time.
    pub time_max: Option<Duration>,
    /// Ends the run after this many callbacks over all.
    pub count_max: Option<u64>,
    /// OpenIM processes, each with its own queue, workers and connections.
    pub processes: usize,
    /// Concurrent user requests in each OpenIM process.
    pub callers: usize,
    /// Callbacks in flight at once from Tencent.
    pub connections: usize,
    /// Only these commands, names as in the catalogue; all when empty.
    pub commands: Vec<String>,
    /// How often each command comes.
    pub mix: Mix,
    /// Seed of everything random: the same seed sends the same callbacks but for their times.
    pub seed: u64,
    /// Tencent's `SdkAppid`.
    pub app_id: u64,
    /// Tencent's callback token: adds `Sign` and `RequestTime`.
    pub token: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            openim: None,
            tencent: None,
            pace: Pace::PerSecond(100.0),
            time_max: Some(Duration::from_secs(10)),
            count_max: None,
            processes: 1,
            callers: 32,
            connections: 32,
            commands: Vec::new(),
            mix: Mix::Realistic,
            seed: 1,
            app_id: 1_400_000_001,
            token: None,
        }
    }
}

/// Why a run cannot start. All of them are the caller's to correct.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither address was given.
    #[error("nowhere to send to: give the address of an OpenIM or a Tencent endpoint, or both")]
    NoTarget,
    /// An address is not an absolute `http` URL.
    #[error("{provider} address {url}: {problem}")]
    Url {
        /// Whose address.
        provider: &'static str,
        /// What was given, without user and password.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A command of the filter has no sample for the servers that are played.
    #[error("no command named {name} here{}", nearest.as_ref().map(|n| format!("; did you mean {n}?")).unwrap_or_default())]
    Command {
        /// What was asked for.
        name: String,
        /// The most similar known name.
        nearest: Option<String>,
    },
    /// A number that must be at least 1, or a rate that is no positive number.
    #[error("{name} is {value}, must be more than 0")]
    TooSmall {
        /// The option.
        name: &'static str,
        /// What was given.
        value: String,
    },
    /// An embedded sample is not what the generator needs: a defect of the build.
    #[error("sample {name}: {problem}")]
    Sample {
        /// File and command.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The HTTP client could not be set up.
    #[error("HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// Sends until a bound of `options` or `stop` ends it, then lets what is in flight finish.
///
/// `phase_of` is the catalogue's answer for each command. After `stop` callbacks in flight keep
/// their own deadlines (5 s and 2 s) and queues get 5 s to run empty.
///
/// # Errors
/// Before anything is sent, when `options` cannot be followed; see [`Error`].
pub async fn run<O: Observer>(
    options: &Options,
    phase_of: impl Fn(Provider, &str) -> Phase,
    observer: Arc<O>,
    stop: impl Future<Output = ()>,
) -> Result<Report, Error> {
    check(options)?;
    let openim = Samples::load(Provider::OpenIm, options, &phase_of)?;
    let tencent = Samples::load(Provider::Tencent, options, &phase_of)?;
    samples::check_filter(options)?;
    let sides = u64::from(openim.is_some()) + u64::from(tencent.is_some());

    let recorder = Arc::new(Recorder::new(options.pace, observer));
    let (stop_tx, stop_rx) = watch::channel(false);
    let started = crate::clock::now();
    let schedule = |part| Arc::new(Schedule::part(options, started, part, sides, stop_rx.clone()));

    let mut halves = Vec::new();
    let mut schedules = Vec::new();
    if let Some(samples) = openim {
        let schedule = schedule(0);
        schedules.push(Arc::clone(&schedule));
        halves.push(openim::spawn(options, samples, schedule, &recorder)?);
    }
    if let Some(samples) = tencent {
        let schedule = schedule(sides - 1);
        schedules.push(Arc::clone(&schedule));
        halves.push(tencent::spawn(options, samples, schedule, &recorder)?);
    }

    let work = async {
        for half in halves {
            half.await.expect("a sender does not panic");
        }
    };
    tokio::pin!(work);
    tokio::select! {
        () = &mut work => {}
        () = stop => {
            stop_tx.send_replace(true);
            work.await;
        }
    }
    let elapsed = crate::clock::now().duration_since(started);
    let planned = schedules.iter().map(|schedule| schedule.planned(elapsed)).sum();
    Ok(recorder.report(elapsed, planned))
}

fn check(options: &Options) -> Result<(), Error> {
    if options.openim.is_none() && options.tencent.is_none() {
        return Err(Error::NoTarget);
    }
    let numbers = [
        ("processes", options.processes),
        ("callers", options.callers),
        ("connections", options.connections),
    ];
    if let Some((name, value)) = numbers.into_iter().find(|(_, value)| *value == 0) {
        return Err(Error::TooSmall { name, value: value.to_string() });
    }
    if let Pace::PerSecond(rate) = options.pace
        && !(rate.is_finite() && rate > 0.0)
    {
        return Err(Error::TooSmall { name: "rate", value: rate.to_string() });
    }
    Ok(())
}

/// What the clients of both have in common: nothing between them and the address, nothing sent twice.
fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .http1_only()
        .http1_title_case_headers()
        .no_proxy()
        .retry(reqwest::retry::never())
}

/// Checks an address once, at the start, so that senders can build on it.
fn base_url(provider: Provider, text: &str) -> Result<reqwest::Url, Error> {
    let wrong = |problem: String, shown: &str| Error::Url {
        provider: provider.name(),
        url: shown.to_owned(),
        problem,
    };
    let url = reqwest::Url::parse(text).map_err(|e| wrong(e.to_string(), "(unreadable)"))?;
    if url.scheme() != "http" || url.host_str().is_none() {
        let mut shown = url.clone();
        let hidden = shown.set_password(None).and_then(|()| shown.set_username(""));
        let shown = if hidden.is_ok() { shown.to_string() } else { "(unreadable)".to_owned() };
        return Err(wrong("must begin with http://".to_owned(), &shown));
    }
    Ok(url)
}

#[cfg(test)]
mod tests;
