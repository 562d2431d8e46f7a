//! Watches the files of the set in force, and reloads when they change or somebody asks.
//!
//! In: stamps of the files, every two seconds; requests of operators, from any thread. Out: another set
//! in force, or the same one and why; each request gets the outcome of a reading that began after it.
//! What always holds: one attempt at a time, on the keeper's own thread; requests that wait together
//! share one; a file that is refused when the watch finds it is told once, not at every look.

use super::first::First;
use super::load::Stamps;
use super::shop::{Attempt, Shop};
use super::told;
use crate::clock;
use crate::rules::engine::Engine;
use crate::rules::problem::{Problem, Severity};
use crate::rules::set::RuleSet;
use crate::rules::source::file::Mode;
use crate::rules::source::render::headline;
use crate::telemetry::Metrics;
use parking_lot::{Condvar, Mutex};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(2);
/// Mistakes of a refused file, or warnings about one, that are named in the log; mistakes are all in
/// `GET /rules`, both in the answer of a reload.
const LINES_MAX: usize = 50;

/// Why the files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// `POST /rules/reload`
    Request,
    /// SIGHUP
    HangUp,
    /// One of them is another one.
    Watch,
    /// None seems to be another one; to be sure.
    Doubt,
}

impl Cause {
    const fn words(self) -> &'static str {
        match self {
            Self::Request => "POST /rules/reload",
            Self::HangUp => "SIGHUP",
            Self::Watch | Self::Doubt => "a file changed",
        }
    }
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    /// Whether the files are in force.
    pub(super) ok: bool,
    /// The answer of the admin port.
    pub(super) body: Value,
}

/// What operators are told of the last reading.
#[derive(Debug, Clone)]
pub(super) struct News {
    /// When the set in force was put so, Unix milliseconds.
    pub(super) loaded_at_ms: i64,
    /// Mistakes, where the last reading was refused.
    pub(super) errors: Option<Value>,
}

/// See the module's documentation; dropped or stopped, its thread ends.
pub(in crate::app) struct Keeper(Arc<Shared>);

struct Shared {
    shop: Shop,
    metrics: Arc<Metrics>,
    news: Mutex<News>,
    asked: Mutex<Asked>,
    bell: Condvar,
}

#[derive(Default)]
struct Asked {
    stopped: bool,
    waiting: Vec<(Cause, oneshot::Sender<Outcome>)>,
}

/// What the last reading left behind.
struct Last {
    stamps: Stamps,
    again: Option<Cause>,
    /// The rule file and its mistakes, where it was refused.
    refused: Option<(Vec<u8>, Vec<Problem>)>,
    /// The set before, kept for a while so that it is not a worker that takes it apart.
    retired: Option<Arc<RuleSet>>,
}

impl Keeper {
    /// Puts the first set in force and begins to watch.
    pub(in crate::app) fn start(first: First, metrics: &Arc<Metrics>) -> std::io::Result<Self> {
        let First { shop, attempt, set } = first;
        let shared = Arc::new(Shared {
            shop,
            metrics: Arc::clone(metrics),
            news: Mutex::new(News { loaded_at_ms: clock::unix_ms(), errors: None }),
            asked: Mutex::default(),
            bell: Condvar::new(),
        });
        shared.put_in_force(&set, &attempt.problems, "start");
        let last = Last::accepted(attempt, None);
        let thread = std::thread::Builder::new().name("rules-watch".to_owned());
        let own = Arc::clone(&shared);
        thread.spawn(move || own.run(last))?;
        Ok(Self(shared))
    }

    /// The engine that decides.
    pub(in crate::app) fn engine(&self) -> &Arc<Engine> {
        &self.0.shop.engine
    }

    /// Name of the rule file.
    pub(super) fn name(&self) -> String {
        self.0.shop.name()
    }

    pub(super) fn news(&self) -> News {
        self.0.news.lock().clone()
    }

    /// Whether the last reading was refused.
    pub(super) fn is_refused(&self) -> bool {
        self.0.news.lock().errors.is_some()
    }

    /// Has the files read; the outcome follows, unless the bridge ends before.
    pub(super) fn ask(&self, cause: Cause) -> oneshot::Receiver<Outcome> {
        let (tell, told) = oneshot::channel();
        let mut asked = self.0.asked.lock();
        if !asked.stopped {
            asked.waiting.push((cause, tell));
            self.0.bell.notify_one();
        }
        told
    }

    /// Watches no more; whoever waits is told nothing.
    pub(super) fn stop(&self) {
        let mut asked = self.0.asked.lock();
        asked.stopped = true;
        asked.waiting.clear();
        self.0.bell.notify_one();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn run(&self, mut last: Last) {
        while let Some(waiting) = self.wait() {
            let cause = match waiting.first() {
                Some((cause, _)) => Some(*cause),
                None if last.stamps.are_stale() => Some(Cause::Watch),
                None => last.again,
            };
            let Some(cause) = cause else {
                drop(last.retired.take());
                continue;
            };
            let outcome;
            (last, outcome) = self.reload(cause, &last);
            for (_, tell) in waiting {
                // Somebody who went away meanwhile wants no answer.
                let _unheard = tell.send(outcome.clone()).is_err();
            }
        }
    }

    /// Who asks, all at once; nobody when it is time for a look; `None` when it is over.
    fn wait(&self) -> Option<Vec<(Cause, oneshot::Sender<Outcome>)>> {
        let mut asked = self.asked.lock();
        if asked.waiting.is_empty() && !asked.stopped {
            // Early or late, a look does no harm.
            let _in_time = self.bell.wait_for(&mut asked, INTERVAL).timed_out();
        }
        (!asked.stopped).then(|| std::mem::take(&mut asked.waiting))
    }

    fn reload(&self, cause: Cause, before: &Last) -> (Last, Outcome) {
        let mut attempt = self.shop.attempt();
        let current = self.shop.engine.current();
        let Some(set) = attempt.set.take() else {
            let outcome = self.refuse(&attempt, cause, before);
            return (Last::refused(attempt), outcome);
        };
        let same = current.as_ref().is_some_and(|current| current.version() == set.version());
        let warnings = told::entries(&self.shop.name(), &attempt.problems, Severity::Warning);
        let body = json!({
            "ok": true,
            "rules": set.summary().rules,
            "version": &**set.version(),
            "warnings": warnings,
        });
        let outcome = Outcome { ok: true, body };
        if cause == Cause::Doubt && same && before.refused.is_none() {
            return (Last { again: None, ..Last::accepted(attempt, None) }, outcome);
        }
        self.put_in_force(&set, &attempt.problems, cause.words());
        (Last::accepted(attempt, current), outcome)
    }

    fn put_in_force(&self, set: &Arc<RuleSet>, problems: &[Problem], cause: &str) {
        let now_ms = clock::unix_ms();
        let runs = set.rules().iter().filter(|rule| rule.mode != Mode::Off);
        let series = runs.map(|rule| (&rule.id, rule.mode.word()));
        self.metrics.rules.put_in_force(set.version(), series);
        self.shop.engine.install(Arc::clone(set));
        self.metrics.rules.reloaded(true, now_ms);
        *self.news.lock() = News { loaded_at_ms: now_ms, errors: None };
        let (name, version) = (self.shop.name(), set.version());
        let rules = told::counted(set.summary().rules, "rule");
        tracing::info!(
            file = name,
            version = &**version,
            cause,
            "{rules} of {name} in force, version {version} ({cause})"
        );
        for problem in problems.iter().take(LINES_MAX) {
            tracing::warn!("{}", headline(&name, problem));
        }
    }

    fn refuse(&self, attempt: &Attempt, cause: Cause, before: &Last) -> Outcome {
        let name = self.shop.name();
        let errors = told::entries(&name, &attempt.problems, Severity::Error);
        let warnings = told::entries(&name, &attempt.problems, Severity::Warning);
        let body = json!({ "ok": false, "errors": &errors, "warnings": warnings });
        self.metrics.rules.reloaded(false, clock::unix_ms());
        self.news.lock().errors = Some(errors);
        let watched = matches!(cause, Cause::Watch | Cause::Doubt);
        let known = before.refused.as_ref().is_some_and(|(source, problems)| {
            *source == attempt.source && *problems == attempt.problems
        });
        if !(watched && known) {
            self.tell_refused(&name, &attempt.problems, cause);
        }
        Outcome { ok: false, body }
    }

    fn tell_refused(&self, name: &str, problems: &[Problem], cause: Cause) {
        let count = told::errors(problems);
        let version = self.shop.engine.current().map(|set| Arc::clone(set.version()));
        let version = version.as_deref().unwrap_or("none");
        let (errors, cause) = (told::counted(count, "error"), cause.words());
        tracing::error!(
            file = name,
            version,
            cause,
            "{name} has {errors} and is refused, version {version} stays in force ({cause})"
        );
        let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
        for problem in errors.take(LINES_MAX) {
            tracing::error!("{}", headline(name, problem));
        }
    }
}

impl Last {
    fn accepted(attempt: Attempt, retired: Option<Arc<RuleSet>>) -> Self {
        let again = attempt.young.then_some(Cause::Doubt);
        Self { stamps: attempt.stamps, again, refused: None, retired }
    }

    fn refused(attempt: Attempt) -> Self {
        // Rights may change, which no stamp tells.
        let again = if attempt.unread { Some(Cause::Watch) } else { None };
        let again = again.or_else(|| attempt.young.then_some(Cause::Doubt));
        let refused = Some((attempt.source, attempt.problems));
        Self { stamps: attempt.stamps, again, refused, retired: None }
    }
}
