//! What an author may have meant by a name that leads nowhere.
//!
//! In: targets and a name that none of them has. Out: a sentence. What always holds: what is offered
//! is there for the targets. Names of the providers are answered with the common ones, which the
//! locators of the rows tell.

use super::{Root, Schema, Target};
use crate::call::Phase;
use crate::catalogue::plan::{Locator, Path, Plan, Source, Step, Take};
use crate::rules::problem::did_you_mean;
use crate::rules::read::Ctx;

impl Schema {
    /// Why these targets have no such field of `msg`.
    pub(super) fn no_field(&self, targets: &[Target], name: &str) -> String {
        if name == "raw" {
            return "msg has no field \"raw\": members of the body are raw.member".to_owned();
        }
        let kinds = self.kinds(targets);
        let listed = |kind: &&str| {
            let mut all = self.catalogue.kinds.iter();
            let info = all.find(|info| *info.name == **kind);
            info.is_some_and(|info| info.fields.iter().any(|(field, _)| **field == *name))
        };
        if kinds.iter().any(listed) {
            return format!("no command of this rule carries {name:?}");
        }
        if let Some(field) = self.common_name(targets, name, false) {
            return format!("no field {name:?}, did you mean {field:?}?");
        }
        let subject = match *kinds {
            [kind] => format!("{kind} has no field {name:?}"),
            _ => format!("no kind of this rule has a field {name:?}"),
        };
        match Ctx::from_name(name) {
            Some(ctx) if !ctx.needs_memory() => {
                return format!("{subject}, did you mean ctx.{name}?");
            }
            // Only the message's earlier callback tells where it goes.
            Some(_) if kinds.contains(&"message.modify") => {
                return format!("{subject}; ctx.{name} may know it");
            }
            _ => {}
        }
        let near = did_you_mean(name, self.carried(targets));
        if !near.is_empty() {
            return format!("{subject}{near}");
        }
        if let Some(field) = self.common_name(targets, name, true) {
            return format!("{subject}, did you mean {field:?}?");
        }
        if targets.iter().any(|target| self.carries(*target, Root::Raw, name)) {
            return format!("{subject}, did you mean raw.{name}?");
        }
        subject
    }

    /// Why these targets have no such member of the body.
    pub(super) fn no_member(&self, targets: &[Target], path: &str) -> String {
        let plans = || targets.iter().map(|target| self.plan(*target));
        let top = path.split('.').next().unwrap_or_default();
        if plans().any(|plan| plan.redact.iter().any(|redacted| **redacted == *top)) {
            return format!("raw.{path} is redacted, so no rule reads it");
        }
        let subject = match targets {
            [target] => format!("{} has no member {path:?}", self.plan(*target).command),
            _ => format!("no command of this rule has a member {path:?}"),
        };
        let mut names: Vec<&str> =
            plans().flat_map(|plan| plan.raw.iter().map(|(name, _)| &**name)).collect();
        names.sort_unstable();
        names.dedup();
        let inside: Vec<String> = names
            .iter()
            .filter(|name| name.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
            .map(|name| format!("raw.{name}"))
            .collect();
        if !inside.is_empty() {
            return format!("{subject} that is a single value; in it are {}", inside.join(", "));
        }
        if targets.iter().any(|target| self.carries(*target, Root::Msg, path)) {
            return format!("{subject}, did you mean msg.{path}?");
        }
        let near = did_you_mean(path, names);
        if !near.is_empty() {
            return format!("{subject}{near}");
        }
        match self.common_name(targets, path, false) {
            Some(field) => format!("{subject}, did you mean msg.{field}?"),
            None => subject,
        }
    }

    /// Why there is no such field of `ctx`.
    pub(super) fn no_context(&self, name: &str) -> String {
        let known = Ctx::ALL.map(Ctx::name);
        let subject = format!("ctx has no field {name:?}");
        let near = did_you_mean(name, known);
        if name == "now" {
            format!("{subject}: the receive time is now, without ctx")
        } else if !near.is_empty() {
            format!("{subject}{near}")
        } else if self.any_msg(name).is_ok() {
            format!("{subject}, did you mean msg.{name}?")
        } else {
            format!("{subject}; its fields are {}", known.join(", "))
        }
    }

    /// Kinds of the targets, each once, in order.
    fn kinds(&self, targets: &[Target]) -> Vec<&str> {
        let mut kinds: Vec<&str> = Vec::new();
        for target in targets {
            let name = &*self.kind(*target).name;
            if !kinds.contains(&name) {
                kinds.push(name);
            }
        }
        kinds
    }

    /// The field, carried by one of the targets, that stands for a provider's own name: of their own
    /// rows first, and of those that read it most directly.
    fn common_name(&self, targets: &[Target], name: &str, any_case: bool) -> Option<&str> {
        let carried = self.carried(targets);
        let mut best = None;
        for (row, plan) in self.catalogue.indexed_rows() {
            if plan.phase != Phase::Before {
                continue;
            }
            let foreign = !targets.iter().any(|target| target.row == row);
            for (spelled, field, detour) in own_names(plan) {
                let same = spelled == name || (any_case && spelled.eq_ignore_ascii_case(name));
                if same && let Some(place) = carried.iter().position(|known| **known == *field) {
                    let found = (foreign, detour, place);
                    best = Some(best.map_or(found, |known| found.min(known)));
                }
            }
        }
        best.map(|(.., place)| carried[place])
    }
}

/// What the provider calls the fields of a row: name, field, and how far the way is between them.
fn own_names(plan: &Plan) -> Vec<(String, &str, u8)> {
    let mut names = Names { plan, found: Vec::new() };
    for (slot, take) in &plan.fields {
        names.take(&plan.slots[usize::from(slot.0)], take, 0);
    }
    if let Some(content) = &plan.content {
        names.locator("text", &content.body, 0);
        if let Some(kind) = &content.kind {
            names.locator("content_type", kind, 0);
        }
    }
    for locator in &plan.time {
        names.locator("occurred_at_ms", locator, 2);
    }
    names.found
}

struct Names<'p> {
    plan: &'p Plan,
    found: Vec<(String, &'p str, u8)>,
}

impl<'p> Names<'p> {
    fn take(&mut self, field: &'p str, take: &'p Take, detour: u8) {
        match take {
            Take::First(takes) => takes.iter().for_each(|take| self.take(field, take, detour)),
            Take::Locator(locator) => self.locator(field, locator, detour),
            Take::When { take, .. } => self.take(field, take, detour),
            Take::Projection { each, fields, .. } => {
                self.source(field, each, detour + 1);
                for (_, take) in fields {
                    self.take(field, take, detour + 4);
                }
            }
        }
    }

    fn locator(&mut self, field: &'p str, locator: &'p Locator, detour: u8) {
        self.source(field, &locator.source, detour);
    }

    fn source(&mut self, field: &'p str, source: &'p Source, detour: u8) {
        match source {
            Source::Body(path) | Source::Element(path) => self.path(field, path, detour),
            Source::Query(name) | Source::Header(name) => {
                self.found.push((name.to_string(), field, detour));
            }
            Source::Pair(_, a, b) => {
                self.source(field, a, detour + 3);
                self.source(field, b, detour + 3);
            }
            Source::Prefixed(_, id) | Source::Native(id) => self.source(field, id, detour + 3),
            Source::Session(parts) => {
                parts.iter().for_each(|part| self.source(field, part, detour + 3));
            }
            Source::Const(_)
            | Source::Correlation
            | Source::ReceivedMinute
            | Source::RawBody
            | Source::Index => {}
        }
    }

    /// The whole way, and its last member alone.
    fn path(&mut self, field: &'p str, path: &'p Path, detour: u8) {
        let root = path.root.map(|root| &*self.plan.roots.names()[usize::from(root.0)]);
        let steps = path.steps.iter().filter_map(|step| match step {
            Step::Member(name) => Some(&*name.text),
            Step::Item(_) | Step::All | Step::Find(..) => None,
        });
        let members: Vec<&str> = root.into_iter().chain(steps).collect();
        let Some(last) = members.last() else { return };
        self.found.push((members.join("."), field, detour));
        if members.len() > 1 {
            self.found.push(((*last).to_owned(), field, detour + 2));
        }
    }
}
