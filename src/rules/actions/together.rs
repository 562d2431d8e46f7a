//! Rules that cannot go together, or that undo each other.
//!
//! In: all rules of a file that run, in the order of evaluation. Out: a mistake for ranges that leave
//! nothing, a warning for values of which one never comes. What always holds: only rules that share a
//! command whose answer takes the field are held against each other.

use super::super::problem::Problems;
use super::super::schema::Target;
use super::able::able;
use super::{Action, Actions, Bounds, Change};
use crate::catalogue::Catalogue;
use std::collections::HashMap;
use std::sync::Arc;

/// A rule with its commands.
#[derive(Debug, Clone, Copy)]
pub struct Placed<'p> {
    /// Its id.
    pub id: &'p Arc<str>,
    /// Its commands.
    pub targets: &'p [Target],
    /// What it does.
    pub actions: &'p Actions,
}

/// A change and its rule's place.
type Use<'p> = (usize, &'p Change);

/// Reports rules whose changes of one field cannot go together. `may_both(a, b)` says whether the
/// rules at these places may match one request; rules that never run are not in `rules`.
pub fn check_together(
    rules: &[Placed<'_>],
    catalogue: &Catalogue,
    may_both: &dyn Fn(usize, usize) -> bool,
    problems: &Problems,
) {
    let mut uses: HashMap<(&str, Option<&str>), Vec<Use<'_>>> = HashMap::new();
    for (rule, placed) in rules.iter().enumerate() {
        for change in &placed.actions.changes {
            let field = (&*change.field, change.item.as_deref());
            uses.entry(field).or_default().push((rule, change));
        }
    }
    let check = Check { rules, catalogue, may_both, problems };
    for uses in uses.values() {
        check.ranges(uses);
        check.sets(uses);
    }
}

struct Check<'c> {
    rules: &'c [Placed<'c>],
    catalogue: &'c Catalogue,
    may_both: &'c dyn Fn(usize, usize) -> bool,
    problems: &'c Problems,
}

impl Check<'_> {
    /// Every two ranges meet, so all of them do.
    fn ranges(&self, uses: &[Use<'_>]) {
        let bounds = |(rule, change): &Use<'_>| match change.action {
            Action::Clamp(bounds) => Some((*rule, bounds)),
            _ => None,
        };
        let ranges: Vec<_> = uses.iter().filter_map(|used| Some((*used, bounds(used)?))).collect();
        for (at, (used, (rule, mine))) in ranges.iter().enumerate() {
            let apart = |(other, (_, theirs)): &&(Use<'_>, (usize, Bounds))| {
                mine.and(*theirs).is_empty() && self.meet(*other, *used)
            };
            if let Some((_, (other, theirs))) = ranges[..at].iter().find(apart) {
                let message = format!(
                    "{} of {} leaves nothing together with {} of rule {}",
                    written(*mine),
                    used.1.name(),
                    written(*theirs),
                    self.rules[*other].id
                );
                self.problems.error(used.1.at, Some(self.rules[*rule].id), message);
            }
        }
    }

    /// The first value wins; of the others one is told about.
    fn sets(&self, uses: &[Use<'_>]) {
        let is_set = |used: &&Use<'_>| matches!(used.1.action, Action::Set(_) | Action::Unset);
        let sets: Vec<Use<'_>> = uses.iter().filter(is_set).copied().collect();
        for (at, used) in sets.iter().enumerate() {
            let (rule, change) = *used;
            let both = |other: &&Use<'_>| {
                other.0 == rule || ((self.may_both)(other.0, rule) && self.meet(**other, *used))
            };
            if let Some((other, _)) = sets[..at].iter().find(both) {
                let who = if *other == rule {
                    "this rule".to_owned()
                } else {
                    format!("rule {}", self.rules[*other].id)
                };
                let message = format!("{who} sets {} too, and comes first", change.name());
                self.problems.warning(change.at, Some(self.rules[rule].id), message);
            }
        }
    }

    /// Whether two rules share a command whose answer takes what both do.
    fn meet(&self, one: Use<'_>, other: Use<'_>) -> bool {
        let takes = |(_, change): Use<'_>, target: &Target| {
            let plan = self.catalogue.plan(target.row);
            let kind = &plan.kinds[usize::from(target.kind)];
            let field = (&*change.field, change.item.as_deref());
            able(plan, kind, field, &change.action).is_ok()
        };
        let theirs = self.rules[other.0].targets;
        let mut shared = self.rules[one.0].targets.iter().filter(|target| theirs.contains(target));
        shared.any(|target| takes(one, target) && takes(other, target))
    }
}

/// `5 to 60`, `at least 5`, `at most 60`.
fn written(bounds: Bounds) -> String {
    match (bounds.min, bounds.max) {
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => "any number".to_owned(),
    }
}
