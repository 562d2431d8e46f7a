//! What became of one intent, rule by rule.
//!
//! In: an intent and a set. Out: a [`Trace`]: every rule of the target in order with what its
//! condition saw, and the decision. What always holds: a trace decides as the engine does, for it is
//! the engine that it watches.

use super::Intent;
use super::expr::{EvalError, Operand};
use super::frame::Frame;
use super::run::{Seen, Services, Watch};
use super::schema::{Schema, Target};
use super::set::{Rule, RuleSet, Tables};
use super::source::file::Mode;
use crate::call::Provider;
use crate::normalise::decision_json;
use crate::verdict::Decision;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// One intent on its way through the rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// Who asks.
    pub provider: Provider,
    /// Its command.
    pub command: Box<str>,
    /// Its kind.
    pub kind: Box<str>,
    /// Rules of the target in order of evaluation.
    pub rules: Vec<RuleTrace>,
    /// As its record says it.
    pub decision: Decision,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleTrace {
    /// Its id.
    pub id: Arc<str>,
    /// Its mode.
    pub mode: Mode,
    /// Its condition, if it was asked.
    pub when: Option<Result<bool, EvalError>>,
    /// Parts of the condition as written, with their values, if it was asked.
    pub operands: Vec<Operand>,
    /// Name of its limit.
    pub limit: Option<Arc<str>>,
    /// Whether the limit was over, if it was asked.
    pub over: Option<bool>,
    /// Whether it matched.
    pub matched: bool,
    /// Whether the intent was decided before it.
    pub late: bool,
}

/// Decides an intent and looks at every rule on the way; rules that are off are shown where they
/// would have been asked.
pub fn trace(
    set: &RuleSet,
    schema: &Schema,
    tables: &Tables,
    intent: &Intent<'_>,
    services: &Services<'_>,
) -> Trace {
    let mut tracer = Tracer::default();
    let decision = set.decide(tables, intent, services, &mut tracer);
    let known = intent.known;
    let target = Target::of(known);
    let is_for_it = |rule: &Rule| {
        let mut entries = rule.on.iter().filter_map(|on| schema.targets(on, rule.provider).ok());
        entries.any(|targets| targets.contains(&target))
    };
    let mut rules = tracer.rules;
    for (place, rule) in set.rules().iter().enumerate() {
        if rule.mode == Mode::Off && is_for_it(rule) {
            rules.push((place, RuleTrace::of(rule, &Seen::default())));
        }
    }
    rules.sort_by_key(|(place, _)| *place);
    Trace {
        provider: known.plan.provider,
        command: known.plan.command.clone(),
        kind: known.kind.name.clone(),
        rules: rules.into_iter().map(|(_, rule)| rule).collect(),
        decision,
    }
}

/// Rules with their places in the set.
#[derive(Default)]
struct Tracer {
    rules: Vec<(usize, RuleTrace)>,
}

impl Watch for Tracer {
    fn rule(&mut self, index: usize, rule: &Rule, seen: &Seen, frame: &Frame<'_>) {
        let asked = rule.when.as_ref().filter(|_| seen.when.is_some());
        let operands = asked.map(|when| when.operands(frame)).unwrap_or_default();
        self.rules.push((index, RuleTrace { operands, ..RuleTrace::of(rule, seen) }));
    }
}

impl Trace {
    /// `{"target":{…},"rules":[…],"decision":{…}}`
    #[must_use]
    pub fn json(&self) -> Value {
        let target =
            json!({"provider": self.provider.name(), "command": self.command, "kind": self.kind});
        let rules: Vec<Value> = self.rules.iter().map(RuleTrace::json).collect();
        json!({"target": target, "rules": rules, "decision": fields(&self.kind, &self.decision)})
    }
}

impl RuleTrace {
    fn of(rule: &Rule, seen: &Seen) -> Self {
        Self {
            id: Arc::clone(&rule.id),
            mode: rule.mode,
            when: seen.when,
            operands: Vec::new(),
            limit: rule.limit.as_ref().map(|limit| Arc::clone(&limit.name)),
            over: seen.over,
            matched: seen.matched,
            late: seen.late,
        }
    }

    fn json(&self) -> Value {
        let mut members = Map::new();
        members.insert("id".to_owned(), Value::from(&*self.id));
        members.insert("mode".to_owned(), Value::from(self.mode.word()));
        if let Some(when) = self.when {
            let when = when.map_or(Value::from("error"), Value::from);
            members.insert("when".to_owned(), when);
        }
        if let Some(over) = self.over {
            members.insert("limit".to_owned(), Value::from(if over { "over" } else { "under" }));
        }
        members.insert("matched".to_owned(), Value::from(self.matched));
        members.insert("late".to_owned(), Value::from(self.late));
        Value::Object(members)
    }
}

/// The fields of a decision as its record has them.
#[must_use]
pub fn fields(kind: &str, decision: &Decision) -> Value {
    serde_json::from_slice(&decision_json(kind, decision)).expect("a record is JSON")
}
