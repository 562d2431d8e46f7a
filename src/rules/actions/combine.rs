//! What several rules do together to one request.
//!
//! In: the rules that count, in order, up to the one that decides. Out: an [`Outcome`]. What always
//! holds: a deny or drop discards all changes; a change is in the outcome only when the answer has
//! it; the rule that is named decided, or is the first that had a part in what was made.

use super::super::Intent;
use super::super::frame::Frame;
use super::super::source::file::OnError;
use super::able::{Way, way};
use super::deny::{DefaultDeny, Deny};
use super::field::{Made, RuleChange, Rules, make, masks, removals};
use super::message::mask_message;
use super::users::make_each;
use super::{Actions, Ending};
use crate::catalogue::plan::{ModifyForm, ModifyPlan, Plan, ReplyPlan};
use crate::event::Value;
use crate::normalise::request::{is_open, is_shut};
use crate::verdict::{Change, Decision, Fault, Verdict};
use std::collections::HashSet;
use std::sync::Arc;

/// A rule whose actions count.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'c> {
    /// Its id.
    pub id: &'c Arc<str>,
    /// What it counts as when something of it fails.
    pub on_error: OnError,
    /// What it does.
    pub actions: &'c Actions,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// The rule that decided, or the first that had a part in a change that was made.
    pub rule_id: Option<Arc<str>>,
    /// Code of a deny: one that the command takes.
    pub deny_code: Option<i64>,
    /// Text of a deny.
    pub deny_message: Option<String>,
    /// Further text of a deny.
    pub deny_detail: Option<String>,
    /// Changes that are made, in the order of the vocabulary.
    pub changes: Vec<(String, Change)>,
    /// Ids that are refused, in the order of the request, each once.
    pub refused_ids: Vec<String>,
    /// What could not be masked.
    pub faults: Vec<Fault>,
}

impl Outcome {
    /// Whether nobody decided and nothing was made.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        matches!(self.verdict, Verdict::Allow) && self.rule_id.is_none()
    }

    /// The decision that says so, without tags, matches and version.
    #[must_use]
    pub fn into_decision(self, enforced: bool) -> Decision {
        Decision {
            verdict: self.verdict,
            enforced,
            rule_id: self.rule_id,
            deny_code: self.deny_code,
            deny_message: self.deny_message,
            deny_detail: self.deny_detail,
            changes: self.changes,
            refused_ids: self.refused_ids,
            faults: self.faults,
            ..Decision::ALLOW
        }
    }
}

/// What the rules do: `counting` in order, those behind the first that decides are not looked at.
#[must_use]
pub fn outcome(
    counting: &[Counted<'_>],
    default: &DefaultDeny,
    intent: &Intent<'_>,
    frame: &Frame<'_>,
) -> Outcome {
    let plan = intent.known.plan;
    let Some(reply) = &plan.reply else { return Outcome::default() };
    let deciding = counting.iter().position(|rule| rule.actions.decides());
    let counting = &counting[..deciding.map_or(counting.len(), |at| at + 1)];
    let ending =
        deciding.and_then(|at| Some((counting[at].id, counting[at].actions.ending.as_ref()?)));
    match ending {
        Some((id, Ending::Deny(deny))) => named(id, deny.outcome(default, reply, frame)),
        Some((id, Ending::Drop)) if reply.drop_code.is_some() => {
            named(id, Outcome { verdict: Verdict::Drop, ..Outcome::default() })
        }
        // A command that knows no drop is left alone, but the decision is made.
        Some((id, Ending::Allow | Ending::Drop)) => {
            let changed = changed(counting, default, reply, intent, frame);
            if changed.is_plain() { named(id, changed) } else { changed }
        }
        None => changed(counting, default, reply, intent, frame),
    }
}

fn named(id: &Arc<str>, outcome: Outcome) -> Outcome {
    Outcome { rule_id: Some(Arc::clone(id)), ..outcome }
}

/// What the changes of all rules make.
fn changed(
    counting: &[Counted<'_>],
    default: &DefaultDeny,
    reply: &ReplyPlan,
    intent: &Intent<'_>,
    frame: &Frame<'_>,
) -> Outcome {
    let mut changes: Vec<RuleChange<'_>> = Vec::new();
    for (rule, counted) in counting.iter().enumerate() {
        changes.extend(counted.actions.changes.iter().map(|change| (rule, change)));
    }
    if changes.is_empty() {
        return Outcome::default();
    }
    // Stable: within a field the order of the rules, and of each rule's file, stays.
    changes.sort_by_key(|(_, change)| change.order);
    let mut combine = Combine { reply, intent, frame, found: Found::default() };
    for same in changes.chunk_by(|(_, a), (_, b)| a.field == b.field) {
        combine.field(same);
    }
    combine.found.outcome(counting, default, reply, frame)
}

/// What was found while the fields were gone through.
#[derive(Default)]
struct Found {
    changes: Vec<(String, Change)>,
    refused: Vec<String>,
    /// Rules that had a part in something that was made.
    rules: Rules,
    /// Rules that could not mask something.
    unmaskable: Rules,
    /// Of lists of which nothing would be left: the first rule that took something out.
    emptied_by: Rules,
}

impl Found {
    fn outcome(
        self,
        counting: &[Counted<'_>],
        default: &DefaultDeny,
        reply: &ReplyPlan,
        frame: &Frame<'_>,
    ) -> Outcome {
        let fault = |rule: &usize| Fault {
            rule_id: Some(Arc::clone(counting[*rule].id)),
            fault: "unmaskable",
        };
        let faults = self.unmaskable.iter().map(fault).collect();
        let strict = |rule: &&usize| counting[**rule].on_error == OnError::Match;
        let denying = self.unmaskable.iter().filter(strict).chain(&self.emptied_by).min();
        if let Some(rule) = denying {
            let deny = Deny::default().outcome(default, reply, frame);
            return named(counting[*rule].id, Outcome { faults, ..deny });
        }
        let verdict = if !self.refused.is_empty() {
            Verdict::Refuse
        } else if !self.changes.is_empty() {
            Verdict::Modify
        } else {
            return Outcome { faults, ..Outcome::default() };
        };
        let rule_id = self.rules.first().map(|rule| Arc::clone(counting[*rule].id));
        let (changes, refused_ids) = (self.changes, self.refused);
        Outcome { verdict, rule_id, changes, refused_ids, faults, ..Outcome::default() }
    }
}

/// One request being changed.
struct Combine<'c, 'a, 'f> {
    reply: &'c ReplyPlan,
    intent: &'c Intent<'a>,
    frame: &'c Frame<'f>,
    found: Found,
}

impl<'c, 'a, 'f> Combine<'c, 'a, 'f> {
    fn plan(&self) -> &'a Plan {
        self.intent.known.plan
    }

    /// All changes of one field.
    fn field(&mut self, changes: &[RuleChange<'_>]) {
        let change = changes[0].1;
        match way(self.reply, &change.field, change.item.as_deref()) {
            Some(Way::Modify(modify)) if self.is_open(modify) => self.modify(modify, changes),
            Some(Way::Refuse) => self.refuse(&change.field, changes),
            Some(Way::Modify(_)) | None => {}
        }
    }

    fn modify(&mut self, modify: &'c ModifyPlan, changes: &[RuleChange<'_>]) {
        let value = self.value(&modify.field);
        match &modify.form {
            ModifyForm::Content if !self.is_one_piece() => {
                let rewritten = mask_message(self.intent, &masks(changes), self.frame);
                self.found.unmaskable.extend(rewritten.unmaskable);
                self.made(&modify.field, rewritten.change, rewritten.rules);
            }
            ModifyForm::Patch { .. } => {
                let Value::Items(items) = value else { return };
                let (made, rules) = make_each(items, &modify.form, changes, self.frame);
                self.made(&modify.field, made.map(Change::Value), rules);
            }
            _ => {
                let Made { value, rules, emptied_by } =
                    make(value, changes, modify.nonempty, self.frame);
                self.found.emptied_by.extend(emptied_by.first());
                self.made(&modify.field, value.map(Change::Value), rules);
            }
        }
    }

    fn made(&mut self, field: &str, change: Option<Change>, rules: Rules) {
        if let Some(change) = change {
            self.found.changes.push((field.to_owned(), change));
            self.found.rules.extend(rules);
        }
    }

    /// Ids that any rule takes out of a list of whom the answer can refuse some.
    fn refuse(&mut self, field: &str, changes: &[RuleChange<'_>]) {
        let Value::List(ids) = self.value(field) else { return };
        let mut refused = HashSet::new();
        for id in ids.iter().filter_map(Value::text) {
            let mut by = removals(changes).filter(|(_, removal)| removal.has(id, self.frame));
            let Some((first, _)) = by.next() else { continue };
            self.found.rules.insert(first);
            self.found.rules.extend(by.map(|(rule, _)| rule));
            // By hash: an invitation may name very many.
            if refused.insert(id) {
                self.found.refused.push(id.to_owned());
            }
        }
    }

    fn value(&self, field: &str) -> Value<'f> {
        let at = self.plan().slots.iter().position(|name| **name == *field);
        at.and_then(|at| self.frame.slots.get(at)).copied().unwrap_or_default()
    }

    fn is_one_piece(&self) -> bool {
        self.intent.given.is_some_and(|given| given.one_piece)
    }

    /// Whether the server would apply the change to this request, and there is somebody to change.
    fn is_open(&self, modify: &ModifyPlan) -> bool {
        let (roots, body) = (&self.plan().roots, self.intent.known.body);
        let open = match self.intent.given {
            // A request that is given by its fields has the member if it has the field.
            Some(_) if !self.value(&modify.field).is_absent() => !is_shut(modify, roots, body),
            _ => is_open(modify, roots, body),
        };
        let somebody = self.reply.per_member.as_ref().is_none_or(|per_member| {
            let ids = self.value(&per_member.ids);
            matches!(ids, Value::List(ids) if ids.iter().any(|id| id.text().is_some()))
        });
        open && somebody
    }
}
