//! OpenIM processes as they call back: one queue, two workers and one HTTP client each.
//!
//! In: turns of the schedule and samples. Out: requests, outcomes in the recorder. Always holds:
//! an after-callback goes through the process's queue, where it waits up to 3 s for a slot and is
//! dropped after that; a before-callback is posted by the caller itself; nothing is sent twice.
//!
//! Source: OpenIM's memory queue (2 workers, 100 slots, 3 s) and HTTP wrapper (5 s per callback,
//! at most 100 connections, 2 of them kept when idle). One thing differs on the wire: the client
//! here also sends `Accept: */*`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE, USER_AGENT};
use tokio::sync::{Mutex, Semaphore, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::answer::{self, Reading};
use super::pace::Schedule;
use super::report::Recorder;
use super::samples::{Callback, Samples};
use super::{Error, Observer, Options, Outcome, Provider, Sent, base_url, client};
use crate::clock;

/// Workers of a process's queue.
pub const WORKERS: usize = 2;
/// Slots of a process's queue.
pub const SLOTS: usize = 100;
/// How long a caller waits for a slot before the event is dropped.
pub const PUSH_WAIT: Duration = Duration::from_secs(3);
/// Deadline of one callback, connecting included.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// Connections of a process at once, and kept when idle (defaults of Go's transport there).
const CONNECTIONS_MAX: usize = 100;
const IDLE_MAX: usize = 2;
/// How long queues may run empty after the last turn. A real server would not even do that.
const DRAIN: Duration = Duration::from_secs(5);

/// Starts all processes; the handle ends when all of them have.
pub(super) fn spawn<O: Observer>(
    options: &Options,
    samples: Samples,
    schedule: Arc<Schedule>,
    recorder: &Arc<Recorder<O>>,
) -> Result<JoinHandle<()>, Error> {
    let base = options.openim.clone().expect("samples are loaded for given addresses only");
    base_url(Provider::OpenIm, &base)?;
    let samples = Arc::new(samples);
    let mut processes = Vec::new();
    for _ in 0..options.processes {
        processes.push(Process {
            // The server never closes idle connections by itself.
            client: client().pool_max_idle_per_host(IDLE_MAX).pool_idle_timeout(None).build()?,
            base: base.clone(),
            connections: Semaphore::new(CONNECTIONS_MAX),
            samples: Arc::clone(&samples),
            recorder: Arc::clone(recorder),
        });
    }
    let callers = options.callers;
    Ok(tokio::spawn(async move {
        let running = processes
            .into_iter()
            .map(|process| tokio::spawn(Arc::new(process).run(callers, Arc::clone(&schedule))));
        for process in running.collect::<Vec<_>>() {
            process.await.expect("a process does not panic");
        }
    }))
}

struct Process<O: Observer> {
    client: reqwest::Client,
    base: String,
    connections: Semaphore,
    samples: Arc<Samples>,
    recorder: Arc<Recorder<O>>,
}

struct Job {
    callback: Callback,
    due: Instant,
}

impl<O: Observer> Process<O> {
    async fn run(self: Arc<Self>, callers: usize, schedule: Arc<Schedule>) {
        let poster = Arc::clone(&self);
        let abandoner = Arc::clone(&self);
        let queue = Queue::start(
            move |job: Job| {
                let process = Arc::clone(&poster);
                async move { process.post(job).await }
            },
            move |job: Job| {
                abandoner.lose(&job.callback, Outcome::Abandoned, "queued when the run ended");
            },
        );
        let mut tasks = JoinSet::new();
        for _ in 0..callers {
            let process = Arc::clone(&self);
            let push = queue.pusher();
            let schedule = Arc::clone(&schedule);
            tasks.spawn(async move {
                while let Some(turn) = schedule.next().await {
                    let callback = process.samples.next(turn.index, clock::unix_ms());
                    process.issue(Job { callback, due: turn.due }, &push).await;
                }
            });
        }
        while let Some(caller) = tasks.join_next().await {
            caller.expect("a caller does not panic");
        }
        queue.finish(DRAIN).await;
    }

    async fn issue(&self, job: Job, push: &Pusher<Job>) {
        if job.callback.phase == super::Phase::Before {
            return self.post(job).await;
        }
        let began = clock::now();
        let pushed = push.push(job).await;
        self.recorder.blocked(clock::now().duration_since(began));
        if let Err(job) = pushed {
            self.lose(&job.callback, Outcome::Dropped, "no slot within 3 s");
        }
    }

    async fn post(&self, job: Job) {
        let Job { callback, due } = job;
        let command = self.samples.command(callback.row);
        let phase = callback.phase;
        let operation_id = callback.operation_id.clone();
        let provider = Provider::OpenIm;
        let sent = Sent { provider, command, phase, operation_id: &operation_id };
        self.recorder.sent(&sent);
        let posted = clock::now();
        let reading = match timeout(DEADLINE, self.exchange(command, callback)).await {
            Ok(Ok((status, body))) => answer::openim(phase, status, &body),
            Ok(Err(e)) => Reading::bad(Outcome::ConnectionFailed, super::report::chain(&e)),
            Err(_) => Reading::bad(Outcome::TimedOut, "no answer within 5 s"),
        };
        self.recorder.answered(&sent, posted, due, reading);
    }

    async fn exchange(
        &self,
        command: &str,
        callback: Callback,
    ) -> Result<(u16, Vec<u8>), reqwest::Error> {
        let _slot = self.connections.acquire().await.expect("never closed");
        let Callback { row, operation_id, mut body, .. } = callback;
        let url = url(&self.base, command, self.samples.query(row), &body);
        body.push('\n');
        let response = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .header("operationid", operation_id)
            .header(USER_AGENT, "Go-http-client/1.1")
            .header(ACCEPT_ENCODING, "gzip")
            .body(body)
            .send()
            .await?;
        let status = response.status().as_u16();
        Ok((status, response.bytes().await?.to_vec()))
    }

    fn lose(&self, callback: &Callback, outcome: Outcome, reason: &str) {
        let command = self.samples.command(callback.row);
        self.recorder.lost(Provider::OpenIm, command, callback.phase, outcome, reason);
    }
}

/// The URL as OpenIM builds it, whatever the base looks like. The sample's query tells the form:
/// none and `key=` are those of today, `command=` that of 3.0 to 3.4, an empty one that of 2.x.
fn url(base: &str, command: &str, query: Option<&str>, body: &str) -> String {
    let url = format!("{base}/{command}");
    match query {
        None => return url,
        Some("") => return base.to_owned(),
        Some(query) if !query.starts_with("key=") => return format!("{base}?{query}"),
        Some(_) => {}
    }
    let key = key(body);
    let (path, query) = url.split_once('?').unwrap_or((&url, ""));
    let mut pairs: Vec<(String, String)> =
        form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    pairs.push(("key".to_owned(), key));
    // Go writes query parameters back in the order of their names.
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("{path}?{query}")
}

fn key(body: &str) -> String {
    #[derive(Default, serde::Deserialize, serde::Serialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Key {
        #[serde(rename = "sendID")]
        send: String,
        #[serde(rename = "recvID")]
        recv: String,
        #[serde(rename = "groupID")]
        group: String,
    }
    // A sample without these members, or with others than texts in them, gives an empty key.
    let key: Key = serde_json::from_str(body).unwrap_or_default();
    base64(serde_json::to_string(&key).expect("three strings serialise").as_bytes())
}

/// Standard base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let three = [chunk[0], *chunk.get(1).unwrap_or(&0), *chunk.get(2).unwrap_or(&0)];
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for digit in 0..4 {
            let sextet = (bits >> (18 - 6 * digit)) & 63;
            let used = digit <= u32::try_from(chunk.len()).expect("at most 3");
            out.push(if used { char::from(DIGITS[sextet as usize]) } else { '=' });
        }
    }
    out
}

/// The queue of one process.
pub(super) struct Queue<T> {
    push: mpsc::Sender<T>,
    workers: JoinSet<()>,
    /// True once what is still queued is to be abandoned.
    over: watch::Sender<bool>,
}

/// The callers' end of a queue.
pub(super) struct Pusher<T>(mpsc::Sender<T>);

impl<T> Pusher<T> {
    /// Puts a job into the queue, waiting up to 3 s for a slot.
    ///
    /// # Errors
    /// Gives the job back when there was none: the event is lost.
    pub(super) async fn push(&self, job: T) -> Result<(), T> {
        use mpsc::error::SendTimeoutError::{Closed, Timeout};
        self.0.send_timeout(job, PUSH_WAIT).await.map_err(|e| match e {
            Timeout(job) | Closed(job) => job,
        })
    }
}

impl<T: Send + 'static> Queue<T> {
    /// Starts the two workers. `work` handles a job, `abandon` one that came up too late.
    pub(super) fn start<F: Future<Output = ()> + Send + 'static>(
        work: impl Fn(T) -> F + Send + Sync + 'static,
        abandon: impl Fn(T) + Send + Sync + 'static,
    ) -> Self {
        let (push, pull) = mpsc::channel(SLOTS);
        let (over, is_over) = watch::channel(false);
        let pull = Arc::new(Mutex::new(pull));
        let (work, abandon) = (Arc::new(work), Arc::new(abandon));
        let mut workers = JoinSet::new();
        for _ in 0..WORKERS {
            let (pull, is_over) = (Arc::clone(&pull), is_over.clone());
            let (work, abandon) = (Arc::clone(&work), Arc::clone(&abandon));
            workers.spawn(async move {
                loop {
                    let job = pull.lock().await.recv().await;
                    let Some(job) = job else { break };
                    let too_late = *is_over.borrow();
                    if too_late {
                        abandon(job);
                    } else {
                        work(job).await;
                    }
                }
            });
        }
        Self { push, workers, over }
    }

    /// An end to push into.
    pub(super) fn pusher(&self) -> Pusher<T> {
        Pusher(self.push.clone())
    }

    /// Takes no more jobs; what is queued is worked on for `grace`, the rest is abandoned.
    pub(super) async fn finish(self, grace: Duration) {
        let Self { push, mut workers, over } = self;
        drop(push);
        let all = async {
            while let Some(worker) = workers.join_next().await {
                worker.expect("a worker does not panic");
            }
        };
        tokio::pin!(all);
        if timeout(grace, &mut all).await.is_err() {
            over.send_replace(true);
            all.await;
        }
    }
}

#[cfg(test)]
mod tests;
