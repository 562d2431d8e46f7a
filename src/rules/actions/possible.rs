//! Whether the commands of a rule can do what it wants.
//!
//! In: a [`Site`], the rule's entries of `on` with their commands. Out: mistakes and warnings. What
//! always holds: for every provider and kind that an entry names at least one command has to be
//! able, and a command that is named by itself is judged by itself; commands of today that are left
//! as they are make a warning.

use super::super::expr::Names;
use super::super::problem::{Position, Problems};
use super::super::schema::Target;
use super::super::source::file::Text;
use super::able::{Unable, able};
use super::{Action, Bounds};
use crate::call::{Provider, RowIndex};
use crate::catalogue::Catalogue;
use crate::catalogue::plan::{KindPlan, Plan, ReplyPlan};
use std::sync::Arc;

/// The rule that does it.
pub struct Site<'s> {
    /// Takes mistakes and warnings.
    pub problems: &'s Problems,
    /// Id of the rule.
    pub rule: &'s Arc<str>,
    /// What commands can do.
    pub catalogue: &'s Catalogue,
    /// The entries of `on` that name something, and what they name.
    pub on: &'s [(Text, Vec<Target>)],
    /// Whether those are all entries: of an entry that was reported nobody knows what it allows.
    pub on_complete: bool,
    /// Names of lists, patterns and fields.
    pub names: &'s mut dyn Names,
}

/// A provider and a kind that an entry of `on` names, and the commands for it.
struct Group<'s> {
    provider: Provider,
    /// The kind, or the command when the entry is one.
    name: &'s str,
    rows: Vec<(RowIndex, &'s Plan, &'s KindPlan)>,
}

/// Of a rule's groups those that cannot do something, and commands of the others that cannot.
struct Judged<'s> {
    /// Who cannot: `openim message.group.send`.
    unable: Vec<(String, &'s str, Unable)>,
    /// Who can.
    able: Vec<Provider>,
    /// Commands that are left as they are.
    left: Vec<(&'s Plan, Unable)>,
}

impl<'s> Site<'s> {
    pub(super) fn error(&self, at: Position, message: impl Into<String>) {
        self.problems.error(at, Some(self.rule), message);
    }

    pub(super) fn warning(&self, at: Position, message: impl Into<String>) {
        self.problems.warning(at, Some(self.rule), message);
    }

    pub(super) fn plans(
        &self,
    ) -> impl Iterator<Item = (RowIndex, &'s Plan, &'s KindPlan)> + use<'s> {
        let catalogue = self.catalogue;
        self.on.iter().flat_map(|(_, targets)| targets).map(move |target| {
            let plan = catalogue.plan(target.row);
            (target.row, plan, &plan.kinds[usize::from(target.kind)])
        })
    }

    pub(super) fn replies(&self) -> impl Iterator<Item = &'s ReplyPlan> + use<'s> {
        self.plans().filter_map(|(_, plan, _)| plan.reply.as_ref())
    }

    fn groups(&self) -> Vec<Group<'s>> {
        let mut groups: Vec<Group<'s>> = Vec::new();
        for (entry, targets) in self.on {
            let first = groups.len();
            for target in targets {
                let plan = self.catalogue.plan(target.row);
                let kind = &plan.kinds[usize::from(target.kind)];
                let row = (target.row, plan, kind);
                let same = |group: &&mut Group<'s>| {
                    group.provider == plan.provider && *group.rows[0].2.name == *kind.name
                };
                if let Some(group) = groups[first..].iter_mut().find(same) {
                    group.rows.push(row);
                } else {
                    let by_command = *entry.value == *plan.command;
                    let name = if by_command { &plan.command } else { &kind.name };
                    groups.push(Group { provider: plan.provider, name, rows: vec![row] });
                }
            }
        }
        groups
    }

    /// Who can do something, and who cannot.
    fn judge(&self, can: impl Fn(&Plan, &KindPlan) -> Result<(), Unable>) -> Judged<'s> {
        let mut judged = Judged { unable: Vec::new(), able: Vec::new(), left: Vec::new() };
        for group in self.groups() {
            let verdicts: Vec<_> =
                group.rows.iter().map(|row| (row, can(row.1, row.2).err())).collect();
            if verdicts.iter().any(|(_, why)| why.is_none()) {
                judged.able.push(group.provider);
                let left = verdicts.iter().filter(|(row, _)| !self.catalogue.is_legacy(row.0));
                judged.left.extend(left.filter_map(|(row, why)| Some((row.1, (*why)?))));
                continue;
            }
            // The nearest miss says most.
            let whys = || verdicts.iter().filter_map(|(_, why)| *why);
            let why = whys().find(|why| *why != Unable::Change).or_else(|| whys().next());
            let who = format!("{} {}", group.provider, group.name);
            let kind = &*group.rows[0].2.name;
            if let Some(why) = why.filter(|_| judged.unable.iter().all(|(known, ..)| *known != who))
            {
                judged.unable.push((who, kind, why));
            }
        }
        judged.left.dedup_by_key(|(plan, _)| &*plan.command);
        judged
    }

    /// Whether the rule's commands know a silent drop.
    pub(super) fn can_drop(&self, at: Position) -> bool {
        let drops = |plan: &Plan, _: &KindPlan| {
            let code = plan.reply.as_ref().and_then(|reply| reply.drop_code);
            code.map(|_| ()).ok_or(Unable::Change)
        };
        let judged = self.judge(drops);
        for (plan, _) in &judged.left {
            self.warning(at, format!("{} knows no drop and is let pass", plan.command));
        }
        if judged.unable.is_empty() {
            return true;
        }
        let who = names_of(&judged.unable);
        let hint = other_provider(&judged).unwrap_or_else(|| "; deny instead".to_owned());
        self.error(at, format!("the answer to {who} cannot drop{hint}"));
        false
    }

    /// Whether for every provider and kind that the rule names some answer can have the change.
    pub(super) fn is_possible(
        &self,
        (field, item): (&str, Option<&str>),
        action: &Action,
        at: Position,
    ) -> bool {
        let judged = self.judge(|plan, kind| able(plan, kind, (field, item), action));
        let name = item.map_or_else(|| field.to_owned(), |item| format!("{field}.{item}"));
        for (plan, why) in &judged.left {
            let why = match why {
                Unable::Change | Unable::OnlyRemove => "cannot be changed",
                Unable::Tell => "is not told",
            };
            let command = &plan.command;
            self.warning(at, format!("{name:?} {why} at {command}, which is left as it is"));
        }
        let with = |wanted: Unable| {
            let unable = judged.unable.iter().filter(move |(.., why)| *why == wanted);
            unable.cloned().collect::<Vec<_>>()
        };
        for (unable, message) in [
            (with(Unable::Change), "cannot change"),
            (with(Unable::OnlyRemove), "can only refuse some (remove) of"),
        ] {
            if !unable.is_empty() {
                let hint = self.hint((field, item), action, &judged, &unable);
                let who = names_of(&unable);
                self.error(at, format!("the answer to {who} {message} {name:?}{hint}"));
            }
        }
        let untold = with(Unable::Tell);
        if !untold.is_empty() {
            let who = names_of(&untold);
            let message = format!("{who} does not tell {name:?}, so it can be set at most");
            self.error(at, message);
        }
        judged.unable.is_empty()
    }

    /// Where the change would be possible.
    fn hint(
        &self,
        (field, item): (&str, Option<&str>),
        action: &Action,
        judged: &Judged<'_>,
        unable: &[(String, &str, Unable)],
    ) -> String {
        let mut kinds: Vec<(&str, Provider)> = Vec::new();
        for plan in &self.catalogue.rows {
            for kind in &plan.kinds {
                let known = kinds.contains(&(&kind.name, plan.provider));
                if !known && able(plan, kind, (field, item), action).is_ok() {
                    kinds.push((&kind.name, plan.provider));
                }
            }
        }
        let is_message = |kind: &str| kind.starts_with("message.");
        let about_messages = unable.iter().any(|(_, kind, _)| is_message(kind));
        if about_messages && kinds.iter().any(|(kind, _)| is_message(kind)) {
            return "; use on: [message.rewrite]".to_owned();
        }
        if let Some(hint) = other_provider(judged) {
            return hint;
        }
        let mut names: Vec<&str> = kinds.into_iter().map(|(kind, _)| kind).collect();
        names.dedup();
        if names.is_empty() {
            return String::new();
        }
        names.truncate(4);
        format!("; {} can", names.join(", "))
    }

    /// Warns of changes that the server keeps from acting.
    pub(super) fn warn_of_the_wire(&self, field: &str, action: &Action, at: Position) {
        let has = |command: &str| self.plans().any(|(_, plan, _)| *plan.command == *command);
        match action {
            Action::Mask(_) | Action::Unset
                if field == "extra" && has("callbackBeforeUpdateUserInfoCommand") =>
            {
                self.warning(
                    at,
                    "OpenIM never fills \"extra\" of callbackBeforeUpdateUserInfoCommand: only set \
                     acts there",
                );
            }
            Action::Clamp(Bounds { min: Some(1..), .. })
                if has("callbackBeforeSetGroupInfoCommand") =>
            {
                self.warning(
                    at,
                    format!(
                        "a 0 of {field:?} at callbackBeforeSetGroupInfoCommand may as well mean \
                         untouched: clamp leaves it alone there"
                    ),
                );
            }
            _ => {}
        }
    }
}

/// `openim message.direct.send and openim message.group.send`.
fn names_of(unable: &[(String, &str, Unable)]) -> String {
    let names: Vec<&str> = unable.iter().map(|(who, ..)| &**who).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Advice for a rule that only one of its providers can follow.
fn other_provider(judged: &Judged<'_>) -> Option<String> {
    let unable = |provider: &Provider| {
        let prefix = format!("{provider} ");
        judged.unable.iter().any(|(who, ..)| who.starts_with(&prefix))
    };
    let provider = judged.able.iter().find(|provider| !unable(provider))?;
    Some(format!("; use provider: {provider}"))
}
