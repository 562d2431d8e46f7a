//! The way from definitions to a set.
//!
//! In: the bytes of a rule file, its list files, the catalogue, the set in force. Out: a set, and all
//! problems in order. What always holds: a mistake in one place does not hide those in others; limits
//! that stayed as they were keep their counts, lists that stayed as they were are not built again.

use super::super::actions::{self, Site};
use super::super::expr::{self, Expr};
use super::super::limits::{Limiter, Numbers};
use super::super::problem::{Problem, Problems, Severity, did_you_mean};
use super::super::schema::{Root, Schema, Target, Type};
use super::super::source;
use super::super::source::file::{Condition, LimitDef, Mode, RuleDef, RuleFile, Text};
use super::super::trial;
use super::super::windows::Window;
use super::lint;
use super::lists::{self, Lists};
use super::names::{Scope, Workshop};
use super::{LimitUse, Rule, RuleSet, Summary, Tables, TargetPlan};
use crate::call::{Provider, RowIndex};
use crate::catalogue::Catalogue;
use crate::verdict::OnFault;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Most rules of a command.
const RULES_PER_COMMAND_MAX: usize = 500;
/// Time for all rules of an intent, when the file does not say.
const DEADLINE: Duration = Duration::from_millis(10);

/// Gives the bytes of a list file, or says why not.
pub type ReadList<'a> = &'a dyn Fn(&str) -> Result<Arc<[u8]>, String>;

/// What a set is made of.
pub struct Sources<'a> {
    /// Bytes of the rule file.
    pub file: &'a [u8],
    /// Bytes of a list file, by the name written in the rule file; or why they cannot be had.
    pub read_list: ReadList<'a>,
    /// Commands, with an operator's rows.
    pub catalogue: &'a Arc<Catalogue>,
    /// The bridge's own `on_fault`.
    pub on_fault: OnFault,
    /// The set in force.
    pub previous: Option<&'a RuleSet>,
}

/// What came of it.
pub struct Built {
    /// The set; none if there is an error among the problems.
    pub set: Option<RuleSet>,
    /// Errors and warnings, sorted.
    pub problems: Vec<Problem>,
}

/// Builds a set. Needs a stack of 16 MiB for hostile files.
#[must_use]
pub fn build(sources: &Sources<'_>) -> Built {
    let problems = Problems::default();
    let file = source::read(sources.file, &problems);
    let set = file.and_then(|file| compile(sources, file, &problems));
    let set = set.inspect(|set| trial::check_entries(set, &problems));
    let mut problems = problems.into_sorted();
    let failed = problems.iter().any(|problem| problem.severity == Severity::Error);
    if failed {
        // What the file means is not known, so neither is what is odd about it.
        problems.retain(|problem| problem.severity == Severity::Error);
    }
    Built { set: set.filter(|_| !failed), problems }
}

/// A rule on its way.
pub(super) struct Draft<'f> {
    pub(super) def: &'f RuleDef,
    pub(super) targets: Vec<Target>,
    pub(super) rule: Rule,
}

fn compile(sources: &Sources<'_>, file: RuleFile, problems: &Problems) -> Option<RuleSet> {
    let catalogue = sources.catalogue;
    let schema = Schema::new(catalogue);
    let lists = lists::read(&file, sources, problems);
    let windows: Vec<Option<Window>> = file
        .windows
        .iter()
        .map(|def| Window::new(def).map_err(|why| problems.error(def.tz.at, None, why)).ok())
        .collect();
    let mut shop = Workshop::new(&file, &schema, problems);
    let all = schema.all_targets();
    let deny = &file.defaults.deny;
    let default_deny =
        actions::compile_default_deny(deny, catalogue, &mut shop.scope(&all).of_any(), problems);
    let mut drafts: Vec<Draft<'_>> = Vec::with_capacity(file.rules.len());
    let mut limiters: Vec<Arc<Limiter>> = Vec::new();
    for def in &file.rules {
        drafts.push(draft(def, &mut shop, &all, sources, &mut limiters));
    }
    check_unused_vars(&mut shop, &all);
    // Stable: equal priorities stay in file order.
    drafts.sort_by_key(|draft| draft.def.priority);
    let faults = faults(&file, &schema, problems, sources.on_fault);
    let deadline = file.defaults.deadline.as_ref().map_or(DEADLINE, |deadline| deadline.value);
    let targets = targets(&drafts, &shop, &schema, catalogue, &faults);
    lint::check(&drafts, &shop, &targets, catalogue, deadline);
    trial::check(&file, &schema, problems);
    if problems.errors() > 0 {
        return None;
    }
    let Lists { ids, words, marks, words_count, ids_count, version } = lists?;
    let summary = Summary {
        rules: drafts.len(),
        lists: file.lists.len(),
        words: words_count,
        ids: ids_count,
        limits: file.limits.len(),
        windows: file.windows.len(),
    };
    let Workshop { fields, regexes, vars, .. } = shop;
    let rules = drafts.into_iter().map(|draft| draft.rule).collect();
    Some(RuleSet {
        version,
        rules,
        fields: fields.into(),
        vars: vars.into(),
        regexes: regexes.into(),
        windows: windows.into_iter().collect::<Option<_>>()?,
        targets: by_row(catalogue, targets),
        tables: Tables { ids, words, limiters: limiters.into() },
        list_marks: marks,
        default_deny,
        deadline_ns: u64::try_from(deadline.as_nanos()).expect("at most 100 ms"),
        summary,
        file,
    })
}

fn draft<'f>(
    def: &'f RuleDef,
    shop: &mut Workshop<'f>,
    all: &[Target],
    sources: &Sources<'_>,
    limiters: &mut Vec<Arc<Limiter>>,
) -> Draft<'f> {
    let (id, problems) = (&def.id.value, shop.problems);
    let provider = def.provider.as_ref().map(|provider| provider.value);
    let mut on = Vec::with_capacity(def.on.len());
    for entry in &def.on {
        match shop.schema.targets(&entry.value, provider) {
            Ok(targets) => on.push((entry.clone(), targets)),
            Err(why) => problems.error(entry.at, Some(id), why),
        }
    }
    let mut targets: Vec<Target> = on.iter().flat_map(|(_, targets)| targets).copied().collect();
    targets.sort();
    targets.dedup();
    let on_complete = on.len() == def.on.len();
    // Of an entry that nobody knows, nobody knows the fields.
    let mut scope = shop.scope(if on_complete { &targets } else { all });
    let when = def.when.as_ref().and_then(|when| condition(when, id, &mut scope));
    let limit = def
        .limit
        .as_ref()
        .and_then(|limit| limit_use(limit, def, &mut scope, sources.previous, limiters));
    let names = &mut scope;
    let catalogue = sources.catalogue;
    let mut site = Site { problems, rule: id, catalogue, on: &on, on_complete, names };
    let actions = actions::compile(&def.then, &mut site);
    let rule = Rule {
        id: Arc::clone(id),
        on: def.on.iter().map(|entry| entry.value.clone()).collect(),
        provider,
        priority: def.priority,
        mode: def.mode,
        on_error: def.on_error,
        when,
        limit,
        actions,
        out_of_service: AtomicBool::new(false),
    };
    Draft { def, targets, rule }
}

/// The condition; `None` when it always holds, or is broken.
fn condition(when: &Condition, id: &Arc<str>, scope: &mut Scope<'_, '_>) -> Option<Expr> {
    match when {
        Condition::Constant(flag) if flag.value => None,
        Condition::Constant(_) => expr::compile("false", None, scope).ok(),
        Condition::Expression(text) => {
            let compiled = expr::compile(&text.value, Some(super::Scalar::Bool), scope);
            let report = |error: &expr::ExprError| {
                if let Some(message) = &error.message {
                    let at = text.position(error.offset);
                    scope.shop.problems.error(at, Some(id), message.clone());
                }
            };
            compiled.inspect_err(report).ok()
        }
    }
}

fn limit_use(
    name: &Text,
    def: &RuleDef,
    scope: &mut Scope<'_, '_>,
    previous: Option<&RuleSet>,
    limiters: &mut Vec<Arc<Limiter>>,
) -> Option<LimitUse> {
    let (id, limits) = (&def.id.value, &scope.shop.file.limits);
    let Some(place) = limits.iter().position(|limit| *limit.name.value == *name.value) else {
        let near = did_you_mean(&name.value, limits.iter().map(|limit| &*limit.name.value));
        let message = format!("there is no limit {:?}{near}", name.value);
        scope.shop.problems.error(name.at, Some(id), message);
        return None;
    };
    scope.shop.used.limits.insert(place);
    let limit = &limits[place];
    let mut key = Vec::with_capacity(limit.key.len());
    for part in &limit.key {
        match key_field(part, scope) {
            Ok(field) => key.push(field),
            Err((offset, why)) => {
                scope.shop.problems.error(part.position(offset), Some(id), why);
            }
        }
    }
    let limiter = limiter(limit, id, previous);
    limiters.push(limiter);
    let name = Arc::clone(&limit.name.value);
    (key.len() == limit.key.len()).then(|| LimitUse {
        name,
        key: key.into(),
        limiter: limiters.len() - 1,
        full_matches: limit.full_matches,
    })
}

/// A part of a key, or the byte it is wrong at and why.
fn key_field(
    part: &Text,
    scope: &mut Scope<'_, '_>,
) -> Result<(super::FieldId, super::Scalar), (usize, String)> {
    use super::super::expr::Names;
    let (root, path) = part.value.split_once('.').expect("the reader has looked at its form");
    let roots = [Root::Msg, Root::Raw, Root::Ctx];
    let root = roots.into_iter().find(|known| known.name() == root);
    let root = root.expect("the reader has looked at its form");
    let behind = root.name().len() + 1;
    let (id, info) = scope.field(root, path).map_err(|why| (behind, why))?;
    match info.kind {
        Type::Scalar(scalar) => Ok((id, scalar)),
        Type::List(_) | Type::Items(_) => {
            let what = format!("expected a string, int or bool, {} is a list", part.value);
            Err((behind, what))
        }
    }
}

/// The counts in force if the rule, the limit's name and its numbers are as they were.
fn limiter(limit: &LimitDef, id: &Arc<str>, previous: Option<&RuleSet>) -> Arc<Limiter> {
    let LimitDef { allow, per, burst, max_keys, .. } = *limit;
    let numbers = Numbers { allow, per, burst, max_keys };
    let old = previous.and_then(|set| {
        let rule = set.rules.iter().find(|rule| rule.id == *id)?;
        let old_use = rule.limit.as_ref().filter(|old| old.name == limit.name.value)?;
        let old_def = set.file.limits.iter().find(|old| old.name.value == limit.name.value)?;
        let same_key =
            old_def.key.iter().map(|part| &part.value).eq(limit.key.iter().map(|part| &part.value));
        same_key.then(|| &set.tables.limiters[old_use.limiter])
    });
    let old = old.filter(|old| old.same_numbers(numbers)).cloned();
    old.unwrap_or_else(|| Arc::new(Limiter::new(numbers)))
}

/// A variable that no rule uses is checked against all that rules may be for.
fn check_unused_vars(shop: &mut Workshop<'_>, all: &[Target]) {
    let names: Vec<Arc<str>> = (0..shop.file.vars.len())
        .filter(|place| !shop.used.vars.contains(place))
        .map(|place| Arc::clone(&shop.file.vars[place].name.value))
        .collect();
    let used = shop.used.vars.clone();
    for name in names {
        use super::super::expr::Names;
        // What is wrong with it is reported on the way.
        drop(shop.scope(all).var(&name));
    }
    shop.used.vars = used;
}

/// `on_fault` by target.
fn faults(
    file: &RuleFile,
    schema: &Schema,
    problems: &Problems,
    bridge: OnFault,
) -> impl Fn(Target) -> OnFault + use<> {
    let mut by_kind: HashMap<Target, OnFault> = HashMap::new();
    let mut by_command: HashMap<Target, OnFault> = HashMap::new();
    for (name, on_fault) in &file.defaults.on_fault {
        match schema.targets(&name.value, None) {
            // Commands say more than kinds; a command's name has capitals.
            Ok(targets) if name.value.chars().any(char::is_uppercase) => {
                by_command.extend(targets.into_iter().map(|target| (target, *on_fault)));
            }
            Ok(targets) => by_kind.extend(targets.into_iter().map(|target| (target, *on_fault))),
            Err(why) => problems.error(name.at, None, why),
        }
    }
    let rest = file.defaults.on_fault_default.unwrap_or(bridge);
    move |target| {
        let named = by_command.get(&target).or_else(|| by_kind.get(&target));
        named.copied().unwrap_or(rest)
    }
}

/// The plans of all targets that some rule is for.
fn targets(
    drafts: &[Draft<'_>],
    shop: &Workshop<'_>,
    schema: &Schema,
    catalogue: &Catalogue,
    on_fault: &impl Fn(Target) -> OnFault,
) -> Vec<TargetPlan> {
    let remembers = shop.fields.iter().any(|field| {
        field.root == Root::Ctx
            && matches!(&*field.path, "group_id" | "recipient_id" | "conversation_id")
    });
    let mut rules: HashMap<Target, Vec<u16>> = HashMap::new();
    for (place, draft) in drafts.iter().enumerate() {
        if draft.rule.mode == Mode::Off {
            continue;
        }
        for target in &draft.targets {
            let of_target = rules.entry(*target).or_default();
            of_target.push(u16::try_from(place).expect("at most 2,000 rules"));
            if of_target.len() == RULES_PER_COMMAND_MAX + 1 {
                let command = &catalogue.plan(target.row).command;
                let message =
                    format!("expected at most {RULES_PER_COMMAND_MAX} rules for {command}");
                shop.problems.error(draft.def.id.at, Some(&draft.rule.id), message);
            }
        }
    }
    if remembers {
        for target in schema.all_targets() {
            if is_remembered(catalogue, target) {
                rules.entry(target).or_default();
            }
        }
    }
    let mut plans: Vec<TargetPlan> = rules
        .into_iter()
        .map(|(target, rules)| {
            let place = |field: &super::Field| schema.place(target, field.root, &field.path);
            let places = shop.fields.iter().map(place).collect();
            let price = lint::price(drafts, &rules, shop);
            TargetPlan {
                target,
                places,
                on_fault: on_fault(target),
                remembered: remembers && is_remembered(catalogue, target),
                price,
                long: lint::long_fields(shop),
                rules: rules.into(),
            }
        })
        .collect();
    plans.sort_by_key(|plan| plan.target);
    plans
}

/// Whether a later `message.modify` may ask for the ids of such an intent.
fn is_remembered(catalogue: &Catalogue, target: Target) -> bool {
    let kind = &catalogue.plan(target.row).kinds[usize::from(target.kind)].name;
    target.provider == Provider::OpenIm && kind.starts_with("message.") && kind.ends_with(".send")
}

fn by_row(catalogue: &Catalogue, plans: Vec<TargetPlan>) -> Box<[Box<[Option<TargetPlan>]>]> {
    let mut rows: Vec<Vec<Option<TargetPlan>>> =
        catalogue.rows.iter().map(|_| Vec::new()).collect();
    for plan in plans {
        let RowIndex(row) = plan.target.row;
        let kinds = &mut rows[usize::from(row)];
        if kinds.is_empty() {
            kinds.resize_with(catalogue.rows[usize::from(row)].kinds.len(), || None);
        }
        let kind = usize::from(plan.target.kind);
        kinds[kind] = Some(plan);
    }
    rows.into_iter().map(Into::into).collect()
}

/// First 12 hex digits of the hash over the rule file and its list files, each as length, `:`, bytes.
pub(super) fn version<'b>(files: impl Iterator<Item = &'b [u8]>) -> Arc<str> {
    let mut hash = Sha256::new();
    for bytes in files {
        hash.update(format!("{}:", bytes.len()));
        hash.update(bytes);
    }
    let start = hash.finalize().iter().take(6).fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
    format!("{start:012x}").into()
}
