//! What the answer to a command can do about a field.
//!
//! In: plans of the catalogue. Out: whether a change can be made there at all, whatever the request
//! says. What always holds: what is able here is written by the dialects, if the request is one that
//! the server applies it to.

use super::Action;
use crate::catalogue::plan::{KindPlan, ModifyForm, ModifyPlan, Plan, ReplyPlan, Take};

/// How an answer takes a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way<'p> {
    /// With a new value.
    Modify(&'p ModifyPlan),
    /// As a list of the ids that are refused.
    Refuse,
}

/// How an answer takes a field, or a field of its objects.
pub(super) fn way<'p>(reply: &'p ReplyPlan, field: &str, item: Option<&str>) -> Option<Way<'p>> {
    let modify = reply.modify.iter().find(|modify| *modify.field == *field);
    if let Some(modify) = modify {
        let takes_item = match (&modify.form, item) {
            (ModifyForm::Patch { each, .. }, Some(item)) => {
                each.iter().any(|(known, _)| **known == *item)
            }
            (ModifyForm::Patch { .. }, None) => false,
            (_, item) => item.is_none(),
        };
        let never = modify.to.first().is_none_or(|to| reply.never.contains(to));
        return (takes_item && !never).then_some(Way::Modify(modify));
    }
    let refuses = reply.refuse.as_ref().is_some_and(|(known, _)| **known == *field);
    (refuses && item.is_none()).then_some(Way::Refuse)
}

/// Whether the kind lists the field and the row maps it.
pub(super) fn carries(plan: &Plan, kind: &KindPlan, field: &str, item: Option<&str>) -> bool {
    let slot = kind.keep.iter().map(|(slot, _)| *slot);
    let Some(slot) = slot.into_iter().find(|slot| *plan.slots[usize::from(slot.0)] == *field)
    else {
        return false;
    };
    let Some(item) = item else { return true };
    plan.fields.iter().any(|(known, take)| *known == slot && projects(take, item))
}

fn projects(take: &Take, item: &str) -> bool {
    match take {
        Take::Projection { fields, .. } => fields.iter().any(|(known, _)| **known == *item),
        Take::First(takes) => takes.iter().any(|take| projects(take, item)),
        Take::When { take, .. } => projects(take, item),
        Take::Locator(_) => false,
    }
}

/// Why a change cannot be made in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unable {
    /// The answer has no place for it.
    Change,
    /// The request does not tell what would be changed.
    Tell,
    /// The answer can only refuse some of the ids.
    OnlyRemove,
}

/// Whether the answer to a command can have the change.
pub(super) fn able(
    plan: &Plan,
    kind: &KindPlan,
    (field, item): (&str, Option<&str>),
    action: &Action,
) -> Result<(), Unable> {
    let reply = plan.reply.as_ref().ok_or(Unable::Change)?;
    let way = way(reply, field, item).ok_or(Unable::Change)?;
    let told = || carries(plan, kind, field, item).then_some(()).ok_or(Unable::Tell);
    match (way, action) {
        (Way::Modify(_), Action::Set(_)) => Ok(()),
        (Way::Refuse, Action::Remove(_)) | (Way::Modify(_), _) => told(),
        (Way::Refuse, _) => Err(Unable::OnlyRemove),
    }
}
