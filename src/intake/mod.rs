//! The first half of the way: from a call to an answer and a record in the journal.
//!
//! In: a raw call with its body complete. Out: status, headers and JSON of the answer; records in the
//! log. What always holds: an after-callback is accepted only when all its records are in the log; a
//! before-callback never waits for anything; whatever happens, there is an answer that its provider
//! can parse. Knows nothing of HTTP or Kafka.

mod tally;

use crate::call::{CommandName, Part, Phase, Provider, RawCall};
use crate::catalogue::plan::Plan;
use crate::clock;
use crate::dialect::answers::{Route, Situation, answer};
use crate::dialect::door::{Door, Refusal, Refused};
use crate::dialect::reply::{self, Question};
use crate::event::Value;
use crate::journal::{AppendError, Log};
use crate::normalise::{Event, Normaliser, Unknown, Written};
use crate::record::Batch;
use crate::rules::{Intent, Rules};
use crate::telemetry::{Ledger, Limiter, Metrics, ReasonLimiters};
use crate::verdict::{Decision, OnFault};
use bumpalo::Bump;
use std::borrow::Cow;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tally::Tally;

/// An arena or a batch that a large body has blown up beyond this is given back after the request.
const SCRATCH_BYTES_KEPT: usize = 1 << 20;

/// Everything that intake works with; shared by all workers.
pub struct Intake {
    /// Reads calls.
    pub door: Door,
    /// Makes events of them.
    pub normaliser: Arc<Normaliser>,
    /// Decides about intents.
    pub rules: Box<dyn Rules>,
    /// Takes records.
    pub log: Arc<dyn Log>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Counts that must come out even.
    pub ledger: Arc<Ledger>,
    /// Longest time that the log may be full before after-callbacks are refused.
    pub hold: Duration,
    /// Answer to a before-callback that cannot be decided.
    pub on_fault: OnFault,
    /// Gates of the log lines about refusals.
    pub refusals: ReasonLimiters,
    /// Gate of the log lines about records too large for anything, and requests too large to split.
    pub oversize: Limiter,
    /// Gate of the log line about decision records that found no room.
    pub dropped: Limiter,
}

/// What goes back to the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// HTTP status.
    pub status: u16,
    /// Headers beside the content type.
    pub headers: &'static [(&'static str, &'static str)],
    /// JSON.
    pub body: Cow<'static, [u8]>,
    /// Whether the connection must end with it.
    pub close: bool,
    /// Phase of the command; after-callbacks and commands without a row count as after.
    pub phase: Phase,
}

/// What is reused from request to request; one per worker thread.
#[derive(Default)]
struct Scratch {
    arena: Bump,
    batch: Batch,
    tally: Tally,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// How far a call came without waiting.
enum Step {
    Done(Outgoing),
    /// Its records wait for room in the log.
    Hold {
        batch: Batch,
        tally: Tally,
        until: Instant,
        provider: Provider,
        accepted: Outgoing,
    },
}

impl Intake {
    /// Takes one call; the future is ready at once unless the log is full.
    pub async fn take(&self, call: &RawCall<'_>) -> Outgoing {
        let step = catch_unwind(AssertUnwindSafe(|| self.step(call)));
        match step {
            Ok(Step::Done(outgoing)) => outgoing,
            Ok(Step::Hold { batch, tally, until, provider, accepted }) => {
                self.hold(batch, tally, until, provider, accepted).await
            }
            Err(_) => self.panicked(call),
        }
    }

    /// The answer to a call whose body was not read, or that a handler failed on: all that is known is
    /// its head.
    pub fn refuse_unread(
        &self,
        provider: Provider,
        path: &str,
        query: &str,
        situation: Situation,
    ) -> Outgoing {
        let row = self.door.row_of_head(provider, path, query);
        let plan = row.map(|row| self.normaliser.catalogue().plan(row));
        let question = Question { provider, plan, body: None, slots: &[] };
        self.refuse(provider, word(situation));
        let phase = plan.map(|plan| plan.phase);
        self.outgoing(route(provider, phase), situation, &question, &[])
    }

    /// Counts and logs a request that no provider sends: other methods, other paths. It is no
    /// callback, so the ledger does not know it.
    pub fn refuse_outside(&self, provider: Option<Provider>, situation: Situation) {
        self.count_refusal(provider, word(situation));
    }

    /// Counts a call that nobody waits for any more: its sender went away before there was an
    /// answer, while the body was read or held for room in the log. None of its records was taken.
    pub fn abandoned(&self, provider: Provider) {
        self.refuse(provider, word(Situation::TooSlow));
    }

    fn panicked(&self, call: &RawCall<'_>) -> Outgoing {
        // The arena may hold half a request; a fresh one cannot.
        SCRATCH.with(|scratch| {
            if let Ok(mut scratch) = scratch.try_borrow_mut() {
                *scratch = Scratch::default();
            }
        });
        // Read again for the echoes: without them the sender would undo the user's change. What
        // panicked may do so again; then the head must do.
        let again = catch_unwind(AssertUnwindSafe(|| {
            let arena = Bump::new();
            let parts = match self.door.read(call, &arena) {
                Ok(callback) => callback.parts,
                Err(refused) => refused.parts,
            };
            self.answer_parts(call, parts, Situation::Panicked)
        }));
        let Ok(outgoing) = again else {
            return self.refuse_unread(call.provider, call.path, call.query, Situation::Panicked);
        };
        // Counted behind the second reading, so that it is counted once.
        self.refuse(call.provider, "panic");
        outgoing
    }

    fn step(&self, call: &RawCall<'_>) -> Step {
        SCRATCH.with(|scratch| {
            let scratch = &mut *scratch.borrow_mut();
            scratch.arena.reset();
            scratch.batch.clear();
            scratch.tally.clear();
            let step = self.read(call, scratch);
            // Now and not with the next request, which may be hours away.
            if scratch.arena.allocated_bytes() > SCRATCH_BYTES_KEPT {
                scratch.arena = Bump::new();
            }
            if scratch.batch.capacity() > SCRATCH_BYTES_KEPT {
                scratch.batch = Batch::new();
                scratch.tally = Tally::default();
            }
            step
        })
    }

    fn read(&self, call: &RawCall<'_>, scratch: &mut Scratch) -> Step {
        let Scratch { arena, batch, tally } = scratch;
        let callback = match self.door.read(call, arena) {
            Ok(callback) => &*arena.alloc(callback),
            Err(refused) => return Step::Done(self.turned_away(call, &refused)),
        };
        let provider = callback.provider;
        let events = self.normaliser.events(callback, arena);
        if matches!(events, [Event { known: Err(Unknown { unsplit: true, .. }), .. }]) {
            tally.part(&callback.whole);
            self.log_unsplit(callback, &events[0]);
        } else {
            callback.parts.iter().for_each(|part| tally.part(part));
        }
        let plan = (!callback.envelope).then(|| self.plan(&callback.parts[0])).flatten();
        if plan.is_some_and(|plan| plan.phase == Phase::Before) {
            let outgoing = self.decide(callback, plan, events, batch, tally);
            tally.count(&self.metrics, provider, callback.received_at_ms);
            self.ledger.accepted();
            return Step::Done(outgoing);
        }
        for event in events {
            // An intent inside an envelope is recorded; nobody waits for its answer.
            let asked = event.known.is_ok_and(|known| known.plan.phase == Phase::Before);
            self.write(callback, event, asked.then_some(&Decision::ALLOW), batch, tally);
        }
        let situation = if tally.unknown() { Situation::Unclassified } else { Situation::Accepted };
        let question = Question { provider, plan: None, body: None, slots: &[] };
        let phase = plan.map(|plan| plan.phase);
        let accepted = self.outgoing(route(provider, phase), situation, &question, &[]);
        match self.append(batch) {
            Ok(()) => {
                tally.count(&self.metrics, provider, callback.received_at_ms);
                self.ledger.accepted();
                Step::Done(accepted)
            }
            Err(error) => {
                let since = error.since();
                tally.received_at_ms = callback.received_at_ms;
                let (batch, tally) = (std::mem::take(batch), std::mem::take(tally));
                // A command without a row may be a new before-command: it is never held.
                let held = plan.is_some() || callback.envelope;
                let until = if held { since + self.hold } else { since };
                Step::Hold { batch, tally, until, provider, accepted }
            }
        }
    }

    fn log_unsplit(&self, callback: &crate::call::Callback<'_>, event: &Event<'_>) {
        if let Some(count) = self.oversize.pass(clock::now()) {
            tracing::warn!(
                id = event.id,
                provider = callback.provider.name(),
                bytes = callback.body.len(),
                count,
                "the records of a request would repeat too much of its body: event {} holds it \
                 whole, in the topic of unknowns",
                event.id
            );
        }
    }

    fn append(&self, batch: &mut Batch) -> Result<(), AppendError> {
        let records = u64::from(batch.records());
        if records > 0 {
            self.log.append(batch)?;
            self.ledger.appended(records);
        }
        Ok(())
    }

    /// Waits for room until the given instant: that is when the log will have been full for the hold
    /// time, whenever this call came.
    async fn hold(
        &self,
        mut batch: Batch,
        tally: Tally,
        until: Instant,
        provider: Provider,
        accepted: Outgoing,
    ) -> Outgoing {
        loop {
            let room = self.log.room().notified();
            let mut room = std::pin::pin!(room);
            room.as_mut().enable();
            if self.append(&mut batch).is_ok() {
                tally.count(&self.metrics, provider, tally.received_at_ms);
                self.ledger.accepted();
                return accepted;
            }
            let left = until.saturating_duration_since(clock::now());
            if left.is_zero() || tokio::time::timeout(left, room).await.is_err() {
                break;
            }
        }
        self.refuse(provider, "journal");
        let phase = Some(Phase::After).filter(|_| tally.has_row());
        let question = Question { provider, plan: None, body: None, slots: &[] };
        self.outgoing(route(provider, phase), Situation::JournalRefused, &question, &[])
    }

    fn decide(
        &self,
        callback: &crate::call::Callback<'_>,
        plan: Option<&Plan>,
        events: &[Event<'_>],
        batch: &mut Batch,
        tally: &mut Tally,
    ) -> Outgoing {
        let mut decisions = Vec::with_capacity(events.len());
        let mut slots: &[Value<'_>] = &[];
        for event in events {
            let Ok(known) = &event.known else {
                self.write(callback, event, None, batch, tally);
                decisions.push(Decision::ALLOW);
                continue;
            };
            let decision = self.rules.decide(&Intent { callback, known });
            self.write(callback, event, Some(&decision), batch, tally);
            slots = known.slots;
            decisions.push(decision.into_owned());
        }
        let records = u64::from(batch.records());
        if records > 0 {
            match self.log.try_append(batch) {
                Ok(_) => self.ledger.appended(records),
                Err(error) => {
                    let reason = match error {
                        AppendError::Full { .. } => "full",
                        AppendError::Stalled { .. } => "slow",
                    };
                    self.metrics.decisions_dropped.with_label_values(&[reason]).inc_by(records);
                    if let Some(count) = self.dropped.pass(clock::now()) {
                        tracing::warn!(count, "the journal is full: a decision is not recorded");
                    }
                }
            }
        }
        let undecided = events.iter().all(|event| event.known.is_err());
        let situation = if undecided { Situation::Unclassified } else { Situation::Accepted };
        let body = callback.parts[0].body;
        let question = Question { provider: callback.provider, plan, body, slots };
        let route = route(callback.provider, Some(Phase::Before));
        self.outgoing(route, situation, &question, &decisions)
    }

    fn write(
        &self,
        callback: &crate::call::Callback<'_>,
        event: &Event<'_>,
        decision: Option<&Decision>,
        batch: &mut Batch,
        tally: &mut Tally,
    ) {
        match self.normaliser.write(callback, event, decision, batch) {
            Written::Whole => {}
            Written::WithoutRaw => self.metrics.records_oversize.inc(),
            Written::TooLarge(bytes) => {
                self.metrics.records_oversize.inc();
                self.metrics.kafka.dead_letters.with_label_values(&["too_large"]).inc();
                self.ledger.appended(1);
                self.ledger.dead_lettered(1);
                if let Some(count) = self.oversize.pass(clock::now()) {
                    tracing::error!(
                        id = event.id,
                        bytes,
                        count,
                        "event {} has {bytes} bytes without raw, more than \
                         IMBRIDGE_EVENT_BYTES_MAX: put aside",
                        event.id
                    );
                }
            }
        }
        tally.event(event);
    }

    fn turned_away(&self, call: &RawCall<'_>, refused: &Refused<'_>) -> Outgoing {
        let provider = call.provider;
        let situation = match refused.refusal {
            Refusal::Unauthenticated if provider == Provider::OpenIm => Situation::Unauthorized,
            _ => Situation::Forbidden,
        };
        self.refuse(provider, refused.refusal.word());
        self.answer_parts(call, refused.parts, situation)
    }

    fn answer_parts(
        &self,
        call: &RawCall<'_>,
        parts: &[Part<'_>],
        situation: Situation,
    ) -> Outgoing {
        let provider = call.provider;
        let single = parts.first().filter(|part| part.position.is_none());
        let plan = single.and_then(|part| self.plan(part));
        let body = single.and_then(|part| part.body);
        // What the query calls an envelope is all that is known of it when its body is not read; and
        // whatever that is, an envelope gets the plain allow.
        let named = || self.door.row_of_head(provider, call.path, call.query);
        let named = if single.is_none() { named() } else { None };
        let named = named.map(|row| self.normaliser.catalogue().plan(row).phase);
        let phase = plan.map(|plan| plan.phase).or(named.filter(|phase| *phase == Phase::After));
        let question = Question { provider, plan, body, slots: &[] };
        self.outgoing(route(provider, phase), situation, &question, &[])
    }

    fn plan(&self, part: &Part<'_>) -> Option<&Plan> {
        match part.command {
            CommandName::Row(row) => Some(self.normaliser.catalogue().plan(row)),
            _ => None,
        }
    }

    fn outgoing(
        &self,
        route: Route,
        situation: Situation,
        question: &Question<'_>,
        decisions: &[Decision],
    ) -> Outgoing {
        let answer = answer(situation, route, self.on_fault);
        let phase = match route {
            Route::OpenIm { phase } | Route::Tencent { phase } => phase.unwrap_or(Phase::After),
            Route::Outside => Phase::After,
        };
        Outgoing {
            status: answer.status,
            headers: answer.headers,
            body: reply::body(answer.body, question, decisions),
            close: answer.close,
            phase,
        }
    }

    fn refuse(&self, provider: Provider, reason: &'static str) {
        self.ledger.refused();
        self.count_refusal(Some(provider), reason);
    }

    fn count_refusal(&self, provider: Option<Provider>, reason: &'static str) {
        self.metrics.refuse(provider, reason);
        if let Some(count) = self.refusals.pass(reason, clock::now()) {
            let provider = provider.map_or("none", Provider::name);
            tracing::warn!(provider, reason, count, "refused a request to {provider}: {reason}");
        }
    }
}

const fn route(provider: Provider, phase: Option<Phase>) -> Route {
    match provider {
        Provider::OpenIm => Route::OpenIm { phase },
        Provider::Tencent => Route::Tencent { phase },
    }
}

/// The word of a situation in `callbacks_refused_total`.
const fn word(situation: Situation) -> &'static str {
    match situation {
        Situation::TooLarge => "too_large",
        Situation::TooSlow => "slow",
        Situation::Overloaded => "overloaded",
        Situation::Encoded => "encoding",
        Situation::JournalRefused => "journal",
        Situation::Panicked => "panic",
        Situation::Method => "method",
        Situation::Path => "path",
        Situation::Forbidden => "address",
        Situation::Accepted
        | Situation::Unclassified
        | Situation::Undecided
        | Situation::Unauthorized => "unauthenticated",
    }
}
