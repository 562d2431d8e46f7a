//! Entries of `on`: which targets they name.
//!
//! In: an entry as written, and the provider that the rule is for. Out: targets in the order of the
//! catalogue, at least one, or what is wrong with the entry. What always holds: names are exact.

use super::{SEND_KINDS, Schema, Target};
use crate::call::{Phase, Provider};
use crate::catalogue::plan::{KindPlan, Plan};
use crate::rules::problem::did_you_mean;

/// The entry for all sends of messages.
pub const SEND: &str = "message.send";
/// The entry for all commands whose answer can change the text of a message.
pub const REWRITE: &str = "message.rewrite";

impl Schema {
    /// The targets that an entry of `on` names, in the order of the catalogue.
    ///
    /// # Errors
    /// The entry names none, or none of this provider.
    pub fn targets(&self, entry: &str, provider: Option<Provider>) -> Result<Vec<Target>, String> {
        let mut found: Vec<Target> = self
            .all()
            .filter(|(_, plan, kind)| names(entry, plan, kind))
            .map(|(target, ..)| target)
            .collect();
        if found.is_empty() {
            return Err(self.unknown(entry));
        }
        let Some(wanted) = provider else { return Ok(found) };
        let sender = found[0].provider;
        found.retain(|target| target.provider == wanted);
        if found.is_empty() {
            let (wanted, sender) = (wanted.name(), sender.name());
            return Err(format!(
                "provider {wanted} leaves nothing of {entry:?}: only {sender} sends it"
            ));
        }
        Ok(found)
    }

    /// Every target there is.
    #[must_use]
    pub fn all_targets(&self) -> Vec<Target> {
        self.all().map(|(target, ..)| target).collect()
    }

    fn all(&self) -> impl Iterator<Item = (Target, &Plan, &KindPlan)> {
        let rows = self.catalogue.indexed_rows().filter(|(_, plan)| plan.phase == Phase::Before);
        rows.flat_map(|(row, plan)| {
            plan.kinds.iter().enumerate().map(move |(place, kind)| {
                let place = u8::try_from(place).expect("a row has a handful of kinds");
                (Target { provider: plan.provider, row, kind: place }, plan, kind)
            })
        })
    }

    fn unknown(&self, entry: &str) -> String {
        const WANTED: &str = "a kind or a command that asks before something happens";
        if entry.contains(['*', '?']) {
            return format!(
                "expected {WANTED}, found {entry:?}: wildcards are not taken; name each, or say \
                 {SEND} or {REWRITE}"
            );
        }
        if let Some(command) = self.command_of_alias(entry) {
            return format!("{entry:?} is another name of {command:?}, which is the one to write");
        }
        let known: Vec<&str> = self.entries();
        let hint = did_you_mean(entry, known);
        let kinds = &self.catalogue.kinds;
        match kinds.iter().find(|kind| *kind.name == *entry).map(|kind| kind.phase) {
            Some(Phase::Before) => return format!("no command has the kind {entry:?}{hint}"),
            Some(Phase::After) => {
                return format!("{entry:?} tells what has happened, expected {WANTED}{hint}");
            }
            None => {}
        }
        if self.catalogue.rows.iter().any(|plan| *plan.command == *entry) {
            return format!("{entry:?} tells what has happened, expected {WANTED}{hint}");
        }
        format!("expected {WANTED}, found {entry:?}{hint}")
    }

    /// All that an entry may be.
    #[must_use]
    pub fn entries(&self) -> Vec<&str> {
        let mut known = vec![SEND, REWRITE];
        known.extend(self.all().flat_map(|(_, plan, kind)| [&*kind.name, &*plan.command]));
        known.sort_unstable();
        known.dedup();
        known
    }

    fn command_of_alias(&self, name: &str) -> Option<&str> {
        let mut rows = self.catalogue.indexed_rows();
        let (_, plan) = rows.find(|(row, plan)| {
            let aliases = self.catalogue.aliases(*row);
            plan.phase == Phase::Before && aliases.iter().any(|alias| **alias == *name)
        })?;
        Some(&plan.command)
    }
}

fn names(entry: &str, plan: &Plan, kind: &KindPlan) -> bool {
    let send = SEND_KINDS.contains(&&*kind.name);
    match entry {
        SEND => send,
        REWRITE => &*kind.name == "message.modify" || (send && rewrites(plan)),
        _ => *kind.name == *entry || *plan.command == *entry,
    }
}

/// Whether the answer can change the text of the message.
fn rewrites(plan: &Plan) -> bool {
    plan.reply.iter().flat_map(|reply| &reply.modify).any(|change| &*change.field == "text")
}
