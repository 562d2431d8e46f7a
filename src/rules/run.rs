//! Decides one intent: the order of rules, shadow rules, and what the record says.
//!
//! In: an intent, a set, its tables. Out: a [`Decision`]. What always holds: shadow rules never change
//! what is answered; the first matching enforce rule with an ending decides; a rule that panics is
//! taken out of service and the others go on; without a match nothing touches the heap.

use super::Intent;
use super::actions::{Counted, DefaultDeny, default_deny, outcome};
use super::expr::EvalError;
use super::frame::Frame;
use super::limits::KeyPart;
use super::memory::Memory;
use super::read::remember;
use super::schema::Scalar;
use super::set::{LimitUse, Rule, RuleSet, Tables, TargetPlan};
use super::sight::Sight;
use super::source::file::{Mode, OnError};
use crate::event::Value;
use crate::verdict::{Decision, Fault, Match, OnFault, Verdict};
use bumpalo::collections::Vec as BumpVec;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What deciding needs besides a set.
pub struct Services<'s> {
    /// Nanoseconds on the clock of [`Intent::received_ns`].
    pub ticks: &'s dyn Fn() -> u64,
    /// What earlier intents said.
    pub memory: &'s Memory,
}

/// How a rule fared.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    /// Its condition, if it was asked; without one it is not.
    pub when: Option<Result<bool, EvalError>>,
    /// Whether its limit was over, if it was asked.
    pub over: Option<bool>,
    /// Whether it matched.
    pub matched: bool,
    /// Whether the intent was decided before.
    pub late: bool,
}

/// Watches rules being run.
pub trait Watch {
    /// A rule of the target, in order; also of those that were not asked.
    fn rule(&mut self, index: usize, rule: &Rule, seen: &Seen, frame: &Frame<'_>) {
        let _ = (index, rule, seen, frame);
    }
}

/// Nobody watches.
pub struct Unwatched;

impl Watch for Unwatched {}

/// What came of running the rules of a target.
struct Ran<'a> {
    /// Places of the rules that matched, in order, and whether they were late.
    matched: BumpVec<'a, (usize, bool)>,
    /// Place in `matched` of the enforce rule that decided.
    decided: Option<usize>,
    /// Rules that failed.
    faults: BumpVec<'a, (usize, &'static str)>,
    /// Whether there was no time left for the rest.
    late: bool,
}

impl RuleSet {
    /// The decision about one intent.
    pub fn decide(
        &self,
        tables: &Tables,
        intent: &Intent<'_>,
        services: &Services<'_>,
        watch: &mut impl Watch,
    ) -> Decision {
        let version = || Some(Arc::clone(&self.version));
        let plain = || Decision { rules_version: version(), ..Decision::ALLOW };
        let Some(target) = self.target(intent.known) else { return plain() };
        let decided = catch_unwind(AssertUnwindSafe(|| {
            self.decide_target(target, tables, intent, services, watch)
        }));
        match decided {
            Ok(None) => plain(),
            Ok(Some(decision)) => Decision { rules_version: version(), ..decision },
            Err(_) => {
                let decision = self.failed(target, tables, intent, services);
                Decision { rules_version: version(), ..decision }
            }
        }
    }

    /// The decision, if any rule matched or failed.
    fn decide_target(
        &self,
        target: &TargetPlan,
        tables: &Tables,
        intent: &Intent<'_>,
        services: &Services<'_>,
        watch: &mut impl Watch,
    ) -> Option<Decision> {
        if target.remembered {
            remember(intent, services.memory);
        }
        if target.rules.is_empty() {
            return None;
        }
        let sight = Sight::new(self, tables, services.memory, intent, &target.places);
        let frame = sight.frame();
        let ran = self.run(target, tables, intent, services, &frame, watch);
        if ran.matched.is_empty() && ran.faults.is_empty() && !ran.late {
            return None;
        }
        Some(self.concluded(target, intent, &frame, &ran))
    }

    /// Asks the rules of a target in order.
    fn run<'f>(
        &self,
        target: &TargetPlan,
        tables: &Tables,
        intent: &Intent<'_>,
        services: &Services<'_>,
        frame: &Frame<'f>,
        watch: &mut impl Watch,
    ) -> Ran<'f> {
        let mut ran = Ran {
            matched: BumpVec::new_in(frame.arena),
            decided: None,
            faults: BumpVec::new_in(frame.arena),
            late: false,
        };
        let clock = target.is_long(frame, intent.known.body).then(|| (services.ticks)());
        let mut asking = Asking { set: self, target, tables, intent, frame, next: 0, clock };
        // One net for all rules: it is made anew behind a rule that fell into it.
        while asking.next < target.rules.len() {
            let asked = catch_unwind(AssertUnwindSafe(|| {
                asking.go_on(services, watch, &mut ran);
            }));
            if asked.is_err() {
                asking.recover(watch, &mut ran);
            }
        }
        ran
    }

    /// The decision about what matched.
    fn concluded(
        &self,
        target: &TargetPlan,
        intent: &Intent<'_>,
        frame: &Frame<'_>,
        ran: &Ran<'_>,
    ) -> Decision {
        let counted = |place: usize| {
            let rule = &self.rules[ran.matched[place].0];
            Counted { id: &rule.id, actions: &rule.actions, on_error: rule.on_error }
        };
        let is_enforced = |place: usize| self.rules[ran.matched[place].0].mode == Mode::Enforce;
        let last = ran.decided.map_or(ran.matched.len(), |decided| decided + 1);
        let enforced: Vec<Counted<'_>> =
            (0..last).filter(|place| is_enforced(*place)).map(counted).collect();
        let mut decision = if ran.late && target.on_fault == OnFault::Deny && ran.decided.is_none()
        {
            at_fault(target, intent, frame, &self.default_deny)
        } else {
            outcome(&enforced, &self.default_deny, intent, frame).into_decision(true)
        };
        // A change that cannot be made may turn a rule into a deny: what stands behind it does not count.
        let denied_by = decision.rule_id.as_ref().filter(|_| decision.verdict == Verdict::Deny);
        let ended = enforced.iter().position(|rule| Some(rule.id) == denied_by);
        let tags = tags(&enforced[..ended.map_or(enforced.len(), |end| end + 1)]);
        let mut watched_failed = false;
        if decision.verdict == Verdict::Allow && ran.decided.is_none() {
            let ends = |place: &usize| self.rules[ran.matched[*place].0].actions.decides();
            let last = (0..ran.matched.len()).find(ends).map_or(ran.matched.len(), |end| end + 1);
            let would: Vec<Counted<'_>> = (0..last).map(counted).collect();
            // What only watches must not bring down what is answered.
            let would = catch_unwind(AssertUnwindSafe(|| {
                outcome(&would, &self.default_deny, intent, frame).into_decision(false)
            }));
            match would {
                Ok(would) if would.verdict != Verdict::Allow => decision = would,
                Ok(_) => {}
                Err(_) => watched_failed = true,
            }
        }
        decision.tags = tags;
        decision.matches =
            ran.matched.iter().map(|(index, late)| self.matched(*index, *late)).collect();
        let faults = ran.faults.iter().map(|(index, fault)| Fault {
            rule_id: Some(Arc::clone(&self.rules[*index].id)),
            fault,
        });
        let mut faults: Vec<Fault> = faults.collect();
        faults.append(&mut decision.faults);
        if watched_failed {
            faults.push(Fault { rule_id: None, fault: "panic" });
        }
        if ran.late {
            faults.push(Fault { rule_id: None, fault: "deadline" });
        }
        decision.faults = faults;
        decision
    }

    fn matched(&self, index: usize, late: bool) -> Match {
        let rule = &self.rules[index];
        let action = rule.actions.word();
        Match { rule_id: Arc::clone(&rule.id), mode: rule.mode.word(), action, late }
    }

    /// The decision where the engine itself panicked.
    fn failed(
        &self,
        target: &TargetPlan,
        tables: &Tables,
        intent: &Intent<'_>,
        services: &Services<'_>,
    ) -> Decision {
        let frame = Sight::new(self, tables, services.memory, intent, &target.places).frame();
        let answer = |default: &DefaultDeny| at_fault(target, intent, &frame, default);
        // The texts of a deny may read the very field that it panicked on; plain ones read none.
        let filled = catch_unwind(AssertUnwindSafe(|| answer(&self.default_deny)));
        let decision = filled.unwrap_or_else(|_| answer(&DefaultDeny::default()));
        Decision { faults: vec![Fault { rule_id: None, fault: "panic" }], ..decision }
    }
}

/// What is answered when the engine itself failed.
fn at_fault(
    target: &TargetPlan,
    intent: &Intent<'_>,
    frame: &Frame<'_>,
    default: &DefaultDeny,
) -> Decision {
    match target.on_fault {
        OnFault::Allow => Decision::ALLOW,
        OnFault::Deny => default_deny(default, intent, frame).into_decision(true),
    }
}

/// Rules of a target being asked, in order.
struct Asking<'r, 'i, 'f> {
    set: &'r RuleSet,
    target: &'r TargetPlan,
    tables: &'r Tables,
    intent: &'r Intent<'i>,
    frame: &'r Frame<'f>,
    /// Place of the rule that is asked, or is next.
    next: usize,
    /// When it began, if it may take long.
    clock: Option<u64>,
}

impl Asking<'_, '_, '_> {
    /// Asks rules until all were asked, time is up, or one panics.
    fn go_on(&mut self, services: &Services<'_>, watch: &mut impl Watch, ran: &mut Ran<'_>) {
        while let Some(&index) = self.target.rules.get(self.next) {
            let index = usize::from(index);
            let rule = &self.set.rules[index];
            let late = ran.decided.is_some();
            let mut seen = Seen { late, ..Seen::default() };
            let is_over = late && rule.mode == Mode::Enforce;
            if !is_over && !rule.is_out_of_service() {
                self.ask(index, rule, &mut seen, ran);
            }
            self.told(index, rule, seen, watch, ran);
            self.next += 1;
            if let Some(start) = self.clock
                && (services.ticks)().saturating_sub(start) > self.set.deadline_ns
            {
                ran.late = true;
                self.next = self.target.rules.len();
            }
        }
    }

    #[inline]
    fn ask(&self, index: usize, rule: &Rule, seen: &mut Seen, ran: &mut Ran<'_>) {
        seen.when = rule.when.as_ref().map(|when| when.bool(self.frame));
        seen.matched = match seen.when {
            Some(Ok(false)) => return,
            Some(Ok(true)) | None => true,
            Some(Err(_)) => {
                ran.faults.push((index, "error"));
                rule.on_error == OnError::Match
            }
        };
        if let Some(limit) = &rule.limit
            && seen.matched
        {
            seen.over = over(limit, self.tables, self.intent, self.frame);
            seen.matched = seen.over == Some(true);
        }
    }

    /// A panic counts as a failed condition, and takes its rule out of service.
    #[cold]
    fn recover(&mut self, watch: &mut impl Watch, ran: &mut Ran<'_>) {
        let index = usize::from(self.target.rules[self.next]);
        let rule = &self.set.rules[index];
        rule.take_out_of_service();
        ran.faults.push((index, "panic"));
        let matched = rule.on_error == OnError::Match;
        let seen = Seen { matched, late: ran.decided.is_some(), ..Seen::default() };
        self.told(index, rule, seen, watch, ran);
        self.next += 1;
    }

    #[inline]
    fn told(
        &self,
        index: usize,
        rule: &Rule,
        seen: Seen,
        watch: &mut impl Watch,
        ran: &mut Ran<'_>,
    ) {
        watch.rule(index, rule, &seen, self.frame);
        if seen.matched {
            if rule.mode == Mode::Enforce && rule.actions.decides() {
                ran.decided = Some(ran.matched.len());
            }
            ran.matched.push((index, seen.late));
        }
    }
}

/// Whether the key is over the limit; `None` when all its parts are absent.
fn over(limit: &LimitUse, tables: &Tables, intent: &Intent<'_>, frame: &Frame<'_>) -> Option<bool> {
    let mut parts = [KeyPart::Text(""); 4];
    let mut any = false;
    for (part, (field, scalar)) in parts.iter_mut().zip(&limit.key) {
        let value = frame.value(*field);
        any |= !value.is_absent();
        // Absent reads as empty.
        *part = match (scalar, value) {
            (Scalar::Text, value) => KeyPart::Text(value.text().unwrap_or_default()),
            (Scalar::Int, value) => KeyPart::Int(value.int().unwrap_or_default()),
            (Scalar::Bool, value) => KeyPart::Bool(value == Value::Bool(true)),
        };
    }
    if !any {
        return None;
    }
    let parts = &parts[..limit.key.len()];
    let provider = intent.known.plan.provider;
    let asked = tables.limiters[limit.limiter].ask(parts, provider, intent.received_ns);
    Some(asked.matches(limit.full_matches))
}

fn tags(counting: &[Counted<'_>]) -> Vec<Arc<str>> {
    let mut tags: Vec<Arc<str>> = Vec::new();
    for tag in counting.iter().flat_map(|rule| rule.actions.tags()) {
        if !tags.contains(tag) {
            tags.push(Arc::clone(tag));
        }
    }
    tags
}
