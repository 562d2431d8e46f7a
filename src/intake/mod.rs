//! The first half of the way: from a call to an answer and a record in the journal.
//!
//! In: a raw call with its body complete. Out: status, headers and JSON of the answer; records in the
//! log. What always holds: an after-callback is accepted only when all its records are as safe as the
//! ack level promises; a before-callback waits for nothing but its round; whatever happens, there is an
//! answer that its provider can parse. Knows nothing of HTTP or Kafka.
//!
//! Calls that arrive together are taken in together, in a [`round`]. A log in memory has records as
//! soon as it takes them, and the answer follows in one breath. With any other, and when there is no
//! room, they go through the worker's [`turn`].

mod round;
mod tally;
mod turn;
mod verdicts;

#[cfg(test)]
mod stage;

use crate::call::{CommandName, Part, Phase, Provider, RawCall};
use crate::catalogue::plan::Plan;
use crate::clock;
use crate::dialect::answers::{Route, Situation, answer};
use crate::dialect::door::{Door, Refusal, Refused};
use crate::dialect::reply::{self, Question};
use crate::event::Value;
use crate::journal::{AppendError, Aside, Folder, Log};
use crate::normalise::{Event, Normaliser, Unknown, Written};
use crate::record::Batch;
use crate::rules::{Intent, Rules};
use crate::telemetry::{Ledger, Limiter, Metrics, ReasonLimiters};
use crate::verdict::{Decision, OnFault};
use bumpalo::Bump;
use round::Seated;
pub use round::{Received, Seat};
use std::borrow::Cow;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tally::{Records, RecordsMark, Tally};
pub use turn::Turn;
use turn::{Late, Patience, Place};
pub use verdicts::Verdicts;

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
    /// Longest time that an after-callback waits in all; also how long the log may be full or stalled
    /// before they are refused at once.
    pub hold: Duration,
    /// Whether a record is safe only once Kafka has confirmed it.
    pub waits_for_kafka: bool,
    /// Answer to a before-callback that cannot be decided.
    pub on_fault: OnFault,
    /// Gates of the log lines about refusals.
    pub refusals: ReasonLimiters,
    /// Gate of the log lines about events too large to go out whole, and requests too large to split.
    pub oversize: Limiter,
    /// Gate of the log line about decision records that found no room.
    pub dropped: Limiter,
    /// Tells what was decided.
    pub verdicts: Verdicts,
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
    records: Records,
    tally: Tally,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// How far a call came without waiting.
enum Step {
    /// It is answered, and counted.
    Done(Outgoing),
    /// Its records are in the worker's turn.
    Wait { place: Place, tally: Tally, provider: Provider, accepted: Outgoing },
}

impl Intake {
    /// What each worker thread has for itself; [`Self::take`] is given it with each call.
    #[must_use]
    pub fn turn(&self) -> Rc<Turn> {
        let (metrics, ledger) = (Arc::clone(&self.metrics), Arc::clone(&self.ledger));
        Turn::new(Arc::clone(&self.log), metrics, ledger, self.hold, self.waits_for_kafka)
    }

    /// Takes one call by itself; the future is ready at once when the log is immediate and has room.
    /// `turn` is that of this thread, which is inside a `LocalSet`.
    pub async fn take(&self, turn: &Rc<Turn>, call: &RawCall<'_>) -> Outgoing {
        let step = self.step(turn, call);
        self.answered(turn, step).await
    }

    /// Takes a request together with those that arrive in the same turn of this thread's event loop.
    /// When the future is dropped, [`Seat::is_counted`] says whether the call was.
    pub async fn take_in_round<R: Received + 'static>(
        &self,
        turn: &Rc<Turn>,
        seat: &Rc<Seat<R>>,
    ) -> Outgoing {
        if turn.rounds.is_alone() {
            return self.take(turn, &seat.call()).await;
        }
        let step = Seated::new(self, turn, seat).await;
        self.answered(turn, step).await
    }

    async fn answered(&self, turn: &Rc<Turn>, step: Step) -> Outgoing {
        match step {
            Step::Done(outgoing) => outgoing,
            Step::Wait { place, tally, provider, accepted } => match place.await {
                Ok(()) => {
                    tally.count(&self.metrics, provider);
                    turn.give_back(tally);
                    self.ledger.accepted();
                    accepted
                }
                Err(late) => self.late(provider, tally.has_row(), late),
            },
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
    /// answer, while the body was read or its records waited to be safe. Those may be published.
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

    /// Takes a call as far as it comes without waiting.
    fn step(&self, turn: &Rc<Turn>, call: &RawCall<'_>) -> Step {
        let step = catch_unwind(AssertUnwindSafe(|| self.step_in_scratch(turn, call)));
        step.unwrap_or_else(|_| Step::Done(self.panicked(call)))
    }

    fn step_in_scratch(&self, turn: &Rc<Turn>, call: &RawCall<'_>) -> Step {
        SCRATCH.with(|scratch| {
            let scratch = &mut *scratch.borrow_mut();
            scratch.arena.reset();
            scratch.batch.clear();
            scratch.records.clear();
            scratch.tally.clear();
            let step = self.read(turn, call, scratch);
            // Now and not with the next request, which may be hours away.
            if scratch.arena.allocated_bytes() > SCRATCH_BYTES_KEPT {
                scratch.arena = Bump::new();
            }
            if scratch.batch.capacity() > SCRATCH_BYTES_KEPT {
                scratch.batch = Batch::new();
                scratch.records = Records::default();
            }
            if scratch.tally.is_large() {
                scratch.tally = Tally::default();
            }
            step
        })
    }

    fn read(&self, turn: &Rc<Turn>, call: &RawCall<'_>, scratch: &mut Scratch) -> Step {
        let Scratch { arena, batch, records, tally } = scratch;
        let callback = match self.door.read(call, arena) {
            Ok(callback) => &*arena.alloc(callback),
            Err(refused) => return Step::Done(self.turned_away(call, &refused)),
        };
        let provider = callback.provider;
        let events = self.normaliser.events(callback, arena);
        tally.received_at_ms = callback.received_at_ms;
        if matches!(events, [Event { known: Err(Unknown { unsplit: true, .. }), .. }]) {
            tally.part(&callback.whole);
            self.log_unsplit(callback, &events[0]);
        } else {
            callback.parts.iter().for_each(|part| tally.part(part));
        }
        let plan = (!callback.envelope).then(|| self.plan(&callback.parts[0])).flatten();
        if plan.is_some_and(|plan| plan.phase == Phase::Before) {
            let outgoing = self.decide(callback, plan, events, arena, (batch, records), tally);
            tally.count(&self.metrics, provider);
            self.ledger.accepted();
            return Step::Done(outgoing);
        }
        // A command without a row may be a new before-command: it is never held.
        let held = plan.is_some() || callback.envelope;
        let patience = if held { Patience::Held } else { Patience::Unheld };
        let placed = if self.log.is_immediate() && turn.is_clear() {
            self.write_all(callback, events, batch, records, tally);
            match self.append(batch, records) {
                Ok(()) => Ok(None),
                Err(error) => turn.take_in(batch, records, error.since()).finish(patience),
            }
        } else if turn.is_stalled(patience) {
            Err(Late::Journal)
        } else {
            let mut writing = turn.begin();
            let (batch, records) = writing.parts();
            self.write_all(callback, events, batch, records, tally);
            writing.finish(patience)
        };
        let place = match placed {
            Ok(place) => place,
            Err(late) => return Step::Done(self.late(provider, tally.has_row(), late)),
        };
        let situation = if tally.unknown() { Situation::Unclassified } else { Situation::Accepted };
        let question = Question { provider, plan: None, body: None, slots: &[] };
        let phase = plan.map(|plan| plan.phase);
        let accepted = self.outgoing(route(provider, phase), situation, &question, &[]);
        if let Some(place) = place {
            let tally = std::mem::replace(tally, turn.spare_tally());
            return Step::Wait { place, tally, provider, accepted };
        }
        tally.count(&self.metrics, provider);
        self.ledger.accepted();
        Step::Done(accepted)
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

    /// Appends and counts what a call wrote past the turn.
    fn append(&self, batch: &mut Batch, records: &mut Records) -> Result<(), AppendError> {
        let count = u64::from(batch.records());
        records.offer_asides(&*self.log, &self.metrics, &self.ledger);
        if count > 0 {
            self.ledger.appended(count);
            let appended = self.log.append(batch);
            appended.inspect_err(|_| self.ledger.not_appended(count))?;
            records.count(&self.metrics);
        }
        self.hand_asides_over(records);
        Ok(())
    }

    fn hand_asides_over(&self, records: &mut Records) {
        let all = RecordsMark::default();
        records.hand_asides_over(all, &*self.log, &self.metrics, &self.ledger);
    }

    /// The answer to an after-callback that was not accepted in time.
    fn late(&self, provider: Provider, has_row: bool, late: Late) -> Outgoing {
        self.refuse(provider, late.word());
        let phase = Some(Phase::After).filter(|_| has_row);
        let question = Question { provider, plan: None, body: None, slots: &[] };
        self.outgoing(route(provider, phase), Situation::JournalRefused, &question, &[])
    }

    fn decide(
        &self,
        callback: &crate::call::Callback<'_>,
        plan: Option<&Plan>,
        events: &[Event<'_>],
        arena: &Bump,
        (batch, records): (&mut Batch, &mut Records),
        tally: &mut Tally,
    ) -> Outgoing {
        let received_ns = clock::ticks();
        let mut decisions = Vec::with_capacity(events.len());
        let mut slots: &[Value<'_>] = &[];
        let mut own = Bump::new();
        for event in events {
            let Ok(known) = &event.known else {
                self.write(callback, event, None, batch, (records, tally));
                decisions.push(Decision::ALLOW);
                continue;
            };
            // Of one intent, as nearly all are, the time that is known will do.
            let began_ns = if decisions.is_empty() { received_ns } else { clock::ticks() };
            // Of many intents, what the rules of each make does not add up.
            let scratch = if events.len() > 1 {
                own.reset();
                &own
            } else {
                arena
            };
            let decision = self.rules.decide(&Intent {
                known,
                source: callback.source,
                correlation: event.correlation,
                received_at_ms: callback.received_at_ms,
                received_ns,
                arena: scratch,
                given: None,
            });
            self.verdicts.tell(&self.metrics, event, &decision, began_ns);
            self.write(callback, event, Some(&decision), batch, (records, tally));
            slots = known.slots;
            decisions.push(decision);
        }
        self.try_append(batch, records);
        let undecided = events.iter().all(|event| event.known.is_err());
        let situation = if undecided { Situation::Unclassified } else { Situation::Accepted };
        let body = callback.parts[0].body;
        let question = Question { provider: callback.provider, plan, body, slots };
        let route = route(callback.provider, Some(Phase::Before));
        self.outgoing(route, situation, &question, &decisions)
    }

    /// Appends the records of a before-callback if that can be done at once; counts them in any case.
    fn try_append(&self, batch: &mut Batch, records: &mut Records) {
        let count = u64::from(batch.records());
        records.offer_asides(&*self.log, &self.metrics, &self.ledger);
        if count == 0 {
            return self.hand_asides_over(records);
        }
        self.ledger.appended(count);
        let Err(error) = self.log.try_append(batch) else {
            records.count(&self.metrics);
            return self.hand_asides_over(records);
        };
        self.ledger.not_appended(count);
        let reason = match error {
            _ if self.log.usage().poisoned => "broken",
            AppendError::Full { .. } => "full",
            AppendError::Stalled { .. } => "slow",
        };
        // A body that fits no case has no intent, so its record is no decision.
        let (decisions, others) = records.counts();
        self.metrics.decisions_dropped.with_label_values(&[reason]).inc_by(decisions);
        self.metrics.records_dropped.with_label_values(&[reason]).inc_by(others);
        if let Some(count) = self.dropped.pass(clock::now()) {
            tracing::warn!(
                reason,
                count,
                "the journal takes nothing now: the record of a before-callback is not written"
            );
        }
    }

    fn write_all(
        &self,
        callback: &crate::call::Callback<'_>,
        events: &[Event<'_>],
        batch: &mut Batch,
        records: &mut Records,
        tally: &mut Tally,
    ) {
        const ALLOW: &Decision = &Decision::ALLOW;
        for event in events {
            // An intent inside an envelope is recorded; nobody waits for its answer.
            let asked = event.known.is_ok_and(|known| known.plan.phase == Phase::Before);
            self.write(callback, event, asked.then_some(ALLOW), batch, (records, tally));
        }
    }

    fn write(
        &self,
        callback: &crate::call::Callback<'_>,
        event: &Event<'_>,
        decision: Option<&Decision>,
        batch: &mut Batch,
        (records, tally): (&mut Records, &mut Tally),
    ) {
        tally.event(event);
        let written = self.normaliser.write(callback, event, decision, batch);
        if written != Written::Whole {
            let json = self.normaliser.whole(callback, event, decision);
            self.too_large(event, written, json, records);
        }
        if !matches!(written, Written::TooLarge(_)) {
            records.add(callback.provider, event);
        }
    }

    /// Keeps an event whole whose record goes out without `raw`, or not at all.
    fn too_large(&self, event: &Event<'_>, written: Written, json: Vec<u8>, records: &mut Records) {
        let (id, bytes) = (event.id, json.len());
        let folder = match written {
            Written::Whole | Written::WithoutRaw => Folder::Oversize,
            Written::TooLarge(_) => Folder::DeadLetter,
        };
        if let Some(count) = self.oversize.pass(clock::now()) {
            match written {
                Written::Whole | Written::WithoutRaw => tracing::warn!(
                    event_id = id,
                    bytes,
                    count,
                    "event {id} has {bytes} bytes, too many for IMBRIDGE_EVENT_BYTES_MAX: it goes \
                     out without raw"
                ),
                Written::TooLarge(rest) => tracing::error!(
                    event_id = id,
                    bytes,
                    count,
                    "event {id} has {bytes} bytes, {rest} without raw, too many for \
                     IMBRIDGE_EVENT_BYTES_MAX: it does not go to Kafka"
                ),
            }
        }
        records.put_aside(Aside { folder, id: id.to_owned(), json });
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
            let (name, to) = match provider.map(Provider::name) {
                Some(name) => (name, format!(" to {name}")),
                None => ("none", String::new()),
            };
            tracing::warn!(provider = name, reason, count, "refused a request{to}: {reason}");
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
