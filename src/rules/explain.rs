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
#[must_use]
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
            rules.push((place, RuleTrace::of(rule, Seen::default())));
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
        self.rules.push((index, RuleTrace { operands, ..RuleTrace::of(rule, *seen) }));
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
    fn of(rule: &Rule, seen: Seen) -> Self {
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

#[cfg(test)]
mod tests {
    use super::super::given;
    use super::super::memory::Memory;
    use super::super::trial::tests::set;
    use super::*;
    use crate::catalogue::Catalogue;
    use bumpalo::Bump;

    const RULES: &str = "\
version: 1
limits: { chatty: { key: [msg.sender_id], allow: 1, per: 1h } }
rules:
  - { id: last, on: [message.group.send], priority: 3000, mode: shadow, then: { tag: [seen] } }
  - { id: off, on: [message.send], mode: \"off\", when: 'msg.text == \"\"', then: { deny: {} } }
  - { id: other, on: [message.modify], mode: \"off\", then: { deny: {} } }
  - { id: fails, on: [message.group.send], when: msg.sent_at_ms / msg.sequence > 1, then: { deny: {} } }
  - { id: flood, on: [message.group.send], limit: chatty, then: { deny: {} } }
  - { id: deny, on: [message.group.send], when: 'msg.sender_id == \"u1\"', then: { deny: {} } }
  - { id: unseen, on: [message.group.send], when: 'msg.sender_id == \"u2\"', then: { deny: {} } }
";

    fn traced() -> Trace {
        let catalogue = Arc::new(Catalogue::embedded());
        let (set, schema) = (set(RULES, &catalogue), Schema::new(&catalogue));
        let targets = schema.targets("callbackBeforeSendGroupMsgCommand", None);
        let target = targets.expect("a command of the catalogue")[0];
        let arena = Bump::new();
        let json = |text| given::json(text, &arena).expect("JSON");
        let fields = json(r#"{"sender_id":"u1","sent_at_ms":5}"#);
        let known = given::known(&catalogue, target, fields, json("{}"), &arena, |_, _| {});
        let intent = Intent {
            known: &known,
            source: "/openim/demo",
            correlation: None,
            received_at_ms: 0,
            received_ns: 0,
            arena: &arena,
            given: None,
        };
        let services = Services { ticks: &|| 0, memory: &Memory::default() };
        trace(&set, &schema, set.tables(), &intent, &services)
    }

    #[test]
    fn every_rule_of_the_target_is_told_in_order_with_what_was_asked_of_it() {
        let trace = traced().json();
        let expected = json!([
            {"id": "off", "mode": "off", "matched": false, "late": false},
            {"id": "fails", "mode": "enforce", "when": "error", "matched": false, "late": false},
            {"id": "flood", "mode": "enforce", "limit": "under", "matched": false, "late": false},
            {"id": "deny", "mode": "enforce", "when": true, "matched": true, "late": false},
            {"id": "unseen", "mode": "enforce", "matched": false, "late": true},
            {"id": "last", "mode": "shadow", "matched": true, "late": true},
        ]);
        assert_eq!(trace["rules"], expected);
        let target = json!({"provider": "openim", "command": "callbackBeforeSendGroupMsgCommand",
            "kind": "message.group.send"});
        assert_eq!(trace["target"], target);
        let decision = &trace["decision"];
        assert_eq!((&decision["rule_id"], &decision["deny_code"]), (&json!("deny"), &json!(5001)));
        assert_eq!(decision["faults"], json!([{"rule_id": "fails", "fault": "error"}]));
    }

    #[test]
    fn operands_are_told_of_conditions_that_were_asked_and_of_no_others() {
        let trace = traced();
        let of = |id: &str| {
            let rule = trace.rules.iter().find(|rule| *rule.id == *id).expect("a rule of the file");
            rule.operands
                .iter()
                .map(|one| (one.text.as_str(), one.value.clone()))
                .collect::<Vec<_>>()
        };
        let told = |text: &str| Ok(text.to_owned());
        let condition = ("msg.sender_id == \"u1\"", told("true"));
        assert_eq!(of("deny"), [condition, ("msg.sender_id", told("\"u1\""))]);
        assert_eq!(of("unseen"), []);
        assert_eq!(of("off"), []);
        let fails = ("msg.sent_at_ms / msg.sequence > 1", Err(EvalError::DivisionByZero));
        assert_eq!(of("fails")[0], fails);
        assert!(of("fails").contains(&("msg.sequence", told("0"))), "{:?}", of("fails"));
    }
}
