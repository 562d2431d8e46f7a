//! What rows must keep to among each other, and what their kinds ask of them.
//!
//! In: compiled rows. Out: reports. What always holds: behind these checks a name leads to one row.

use std::collections::HashMap;

use super::compile::{Context, Row};
use super::plan::Plan;
use super::problem::Spot;
use crate::call::{Phase, Provider};

/// Reports names that two rows of a provider have.
pub(super) fn names(context: &Context<'_>, rows: &[Row]) {
    let mut taken: HashMap<(Provider, &str), &str> = HashMap::new();
    for row in rows {
        taken.insert((row.plan.provider, &row.plan.command), &row.plan.command);
    }
    for row in rows {
        let Plan { provider, command, .. } = &row.plan;
        let Some(entry) = context.sources.rows.get(&format!("{provider} {command}")) else {
            continue;
        };
        for alias in &row.aliases {
            if let Some(other) = taken.insert((*provider, alias), command) {
                let message =
                    format!("expected a name of its own, found {alias:?}, which {other} has");
                context.spot("row", entry).at("aliases").report(message);
            }
        }
    }
}

/// Reports fields that a kind requires and that an after-row never has: all its events would be
/// unknown.
pub(super) fn required_fields(plan: &Plan, spot: &Spot<'_>) {
    if plan.phase == Phase::Before {
        return;
    }
    for kind in &plan.kinds {
        for (name, slot) in &kind.required {
            if slot.is_none() {
                spot.at(name).report(format!(
                    "expected a locator, as the kind {:?} requires this field, found nothing",
                    kind.name
                ));
            }
        }
    }
}
