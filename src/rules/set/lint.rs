//! Warnings, and mistakes that only rules together make.
//!
//! In: rules in order of evaluation with all that they use. Out: problems. What always holds: a warning
//! never depends on what was measured, so that a file that passes here passes everywhere.

use super::super::actions::{Placed, check_together};
use super::super::expr::{Constant, Expr, Memo, Prices};
use super::super::frame::{FieldId, RegexId, VarId};
use super::super::problem::Position;
use super::super::schema::{Root, Scalar, Target, Type};
use super::super::source::file::{At, Condition, Mode};
use super::build::Draft;
use super::names::Workshop;
use super::{Price, TargetPlan};
use crate::call::Provider;
use crate::catalogue::Catalogue;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Characters of a text that is no message, for the price of a command.
const SHORT_TEXT: u64 = 256;
/// Price of asking a limit, in nanoseconds.
const LIMIT_NS: u64 = 50;

/// Reports what is odd about a file as a whole.
pub(super) fn check(
    drafts: &[Draft<'_>],
    shop: &Workshop<'_>,
    plans: &[TargetPlan],
    catalogue: &Catalogue,
    deadline: Duration,
) {
    prices(shop, plans, catalogue, deadline);
    together(drafts, shop, catalogue);
    for draft in drafts {
        constants(draft, shop);
        one_sided(draft, shop);
    }
    behind_endings(drafts, shop);
    only_watched(drafts, shop, plans, catalogue);
    unused(shop);
}

/// What the rules of a command may cost.
pub(super) fn price(drafts: &[Draft<'_>], rules: &[u16], shop: &Workshop<'_>) -> Price {
    let of = |long: u64| {
        let mut paid = Paid { shop, long, memos: HashSet::new(), vars: HashSet::new() };
        let rules = rules.iter().map(|rule| &drafts[usize::from(*rule)].rule);
        let costs = rules.map(|rule| {
            let when = rule.when.as_ref().map_or(0, |when| paid.price(when));
            when + if rule.limit.is_some() { LIMIT_NS } else { 0 }
        });
        costs.sum()
    };
    Price { at_cap: of(super::LONG_TEXT), at_rest: of(0) }
}

/// Prices of a command's expressions, each memory paid once.
struct Paid<'s, 'f> {
    shop: &'s Workshop<'f>,
    /// Characters of a long text.
    long: u64,
    memos: HashSet<Memo>,
    vars: HashSet<VarId>,
}

impl Paid<'_, '_> {
    fn price(&mut self, expr: &Expr) -> u64 {
        let own = expr.price_with(self);
        let vars = expr.reads().vars.iter().map(|var| {
            if self.vars.insert(*var) { self.price(&self.shop.vars[usize::from(var.0)]) } else { 0 }
        });
        let vars: Vec<u64> = vars.collect();
        own + vars.iter().sum::<u64>()
    }
}

impl Prices for Paid<'_, '_> {
    fn chars(&mut self, field: FieldId) -> u64 {
        let field = &self.shop.fields[usize::from(field.0)];
        if is_long(field) { self.long } else { SHORT_TEXT }
    }

    fn regex(&mut self, regex: RegexId) -> u64 {
        self.shop.regex_price(regex)
    }

    fn first(&mut self, memo: Memo) -> bool {
        let memo = match memo {
            // One search of a text serves all lists of a folding.
            Memo::Hits(field, list) => Memo::Hits(field, self.shop.first_list_of_fold(list)),
            fold @ Memo::Fold(_) => fold,
        };
        self.memos.insert(memo)
    }
}

fn is_long(field: &super::Field) -> bool {
    field.root == Root::Msg && matches!(&*field.path, "text" | "extra")
}

/// Fields whose texts may be long.
pub(super) fn long_fields(shop: &Workshop<'_>) -> Box<[FieldId]> {
    let fields = shop
        .fields
        .iter()
        .enumerate()
        .filter(|(_, field)| is_long(field) && field.kind == Type::Scalar(Scalar::Text));
    fields.map(|(at, _)| FieldId(u16::try_from(at).expect("a file names fewer fields"))).collect()
}

fn prices(shop: &Workshop<'_>, plans: &[TargetPlan], catalogue: &Catalogue, deadline: Duration) {
    let deadline_ns = u64::try_from(deadline.as_nanos()).expect("at most 100 ms");
    let at = shop.file.defaults.deadline.as_ref().map_or(Position::START, |deadline| deadline.at);
    let mut told = HashSet::new();
    for plan in plans {
        let price = plan.price.at_cap;
        let command = &catalogue.plan(plan.target.row).command;
        if price <= deadline_ns / 2 || !told.insert(command) {
            continue;
        }
        let message = format!(
            "the {} rules of {command} may take {} at the longest text, the deadline is {}",
            plan.rules.len(),
            milliseconds(price),
            milliseconds(deadline_ns)
        );
        if price > deadline_ns {
            shop.problems.error(at, None, message);
        } else {
            shop.problems.warning(at, None, format!("{message}: more than half of it"));
        }
    }
}

fn milliseconds(nanoseconds: u64) -> String {
    format!("{}.{} ms", nanoseconds / 1_000_000, nanoseconds / 100_000 % 10)
}

fn together(drafts: &[Draft<'_>], shop: &Workshop<'_>, catalogue: &Catalogue) {
    let running: Vec<&Draft<'_>> =
        drafts.iter().filter(|draft| draft.rule.mode == Mode::Enforce).collect();
    let placed: Vec<Placed<'_>> = running
        .iter()
        .map(|draft| Placed {
            id: &draft.rule.id,
            targets: &draft.targets,
            actions: &draft.rule.actions,
        })
        .collect();
    // Behind a rule that decides, the later of the two does not count.
    let may_both = |one: usize, other: usize| {
        !running[one.min(other)].rule.actions.decides()
            && !never(running[one])
            && !never(running[other])
    };
    check_together(&placed, catalogue, &may_both, shop.problems);
}

/// Whether a rule cannot match.
fn never(draft: &Draft<'_>) -> bool {
    let constant = draft.rule.when.as_ref().and_then(Expr::constant);
    constant == Some(Constant::Bool(false))
}

fn constants(draft: &Draft<'_>, shop: &Workshop<'_>) {
    let Some(Condition::Expression(text)) = &draft.def.when else {
        if let Some(Condition::Constant(At { value: false, at })) = &draft.def.when {
            let message =
                "the condition is always false: the rule never matches, mode: off says so";
            shop.problems.warning(*at, Some(&draft.rule.id), message);
        }
        return;
    };
    let message = match draft.rule.when.as_ref().and_then(Expr::constant) {
        Some(Constant::Bool(true)) => "the condition is always true".to_owned(),
        Some(Constant::Bool(false)) => {
            "the condition is always false: the rule never matches".to_owned()
        }
        Some(Constant::Fails(error)) => format!("the condition always fails: {error}"),
        _ => return,
    };
    shop.problems.warning(text.at, Some(&draft.rule.id), message);
}

/// Fields that one provider of a rule never carries, in its condition, variables and limit.
fn one_sided(draft: &Draft<'_>, shop: &Workshop<'_>) {
    let of = |provider: Provider| -> Vec<Target> {
        draft.targets.iter().copied().filter(|target| target.provider == provider).collect()
    };
    let sides = Provider::ALL.map(|provider| (provider, of(provider)));
    if sides.iter().any(|(_, targets)| targets.is_empty()) {
        return;
    }
    let report = |field: FieldId, at: Position| {
        let field = &shop.fields[usize::from(field.0)];
        if field.root != Root::Msg {
            return;
        }
        for (provider, targets) in &sides {
            let carried = |target: &Target| shop.schema.carries(*target, field.root, &field.path);
            if !targets.iter().any(carried) {
                let message = format!(
                    "no command of {provider} that this rule is for carries {:?}: it is empty there",
                    field.path
                );
                shop.problems.warning(at, Some(&draft.rule.id), message);
            }
        }
    };
    let in_expression = |text: &Condition, expr: &Expr| {
        if let Condition::Expression(text) = text {
            for (field, offset) in &expr.reads().fields {
                report(*field, text.position(*offset));
            }
        }
    };
    let mut vars: Vec<VarId> = Vec::new();
    if let (Some(text), Some(when)) = (&draft.def.when, &draft.rule.when) {
        in_expression(text, when);
        vars.extend(&when.reads().vars);
    }
    let mut seen = HashSet::new();
    while let Some(var) = vars.pop() {
        if seen.insert(var) {
            let (text, expr) = shop.variable(var);
            in_expression(text, expr);
            vars.extend(&expr.reads().vars);
        }
    }
    if let (Some(name), Some(used)) = (&draft.def.limit, &draft.rule.limit)
        && let Some(def) = shop.file.limits.iter().find(|def| *def.name.value == *name.value)
    {
        for (text, (field, _)) in def.key.iter().zip(&used.key) {
            report(*field, text.position("msg.".len()));
        }
    }
}

/// Rules that an earlier one always decides for.
fn behind_endings(drafts: &[Draft<'_>], shop: &Workshop<'_>) {
    let mut ended: Vec<(Target, &Arc<str>)> = Vec::new();
    for draft in drafts.iter().filter(|draft| draft.rule.mode == Mode::Enforce) {
        let ender = |target: &Target| ended.iter().find(|(known, _)| known == target);
        let enders: Option<Vec<_>> = draft.targets.iter().map(ender).collect();
        if let Some(enders) = enders
            && let Some((_, id)) = enders.first()
        {
            let message = format!("it is never reached: rule {id} decides before it, always");
            shop.problems.warning(draft.def.id.at, Some(&draft.rule.id), message);
        }
        let always = draft.rule.limit.is_none()
            && draft
                .rule
                .when
                .as_ref()
                .is_none_or(|when| when.constant() == Some(Constant::Bool(true)));
        if always && draft.rule.actions.decides() {
            ended.extend(draft.targets.iter().map(|target| (*target, &draft.rule.id)));
        }
    }
}

/// Commands whose callbacks wait for rules that change nothing.
fn only_watched(
    drafts: &[Draft<'_>],
    shop: &Workshop<'_>,
    plans: &[TargetPlan],
    catalogue: &Catalogue,
) {
    let mut told: HashSet<&Arc<str>> = HashSet::new();
    for plan in plans.iter().filter(|plan| !plan.rules.is_empty()) {
        let acts = |rule: &u16| {
            let rule = &drafts[usize::from(*rule)].rule;
            rule.mode == Mode::Enforce && !rule.actions.only_tags()
        };
        if plan.rules.iter().any(acts) {
            continue;
        }
        let draft = &drafts[usize::from(plan.rules[0])];
        if told.insert(&draft.rule.id) {
            let command = &catalogue.plan(plan.target.row).command;
            let message = format!(
                "only shadow or tag rules for {command}: its callback waits for an answer that is \
                 always allow"
            );
            shop.problems.warning(draft.def.id.at, Some(&draft.rule.id), message);
        }
    }
}

fn unused(shop: &Workshop<'_>) {
    let (file, used, problems) = (shop.file, &shop.used, shop.problems);
    let report = |what: &str, names: Vec<&At<Arc<str>>>, used: &HashSet<usize>| {
        for (place, name) in names.into_iter().enumerate() {
            if !used.contains(&place) {
                problems.warning(name.at, None, format!("{what} {:?} is used nowhere", name.value));
            }
        }
    };
    report("list", file.lists.iter().map(|def| &def.name).collect(), &used.lists);
    report("limit", file.limits.iter().map(|def| &def.name).collect(), &used.limits);
    report("window", file.windows.iter().map(|def| &def.name).collect(), &used.windows);
    report("variable", file.vars.iter().map(|def| &def.name).collect(), &used.vars);
}
