//! Checks what a rule wants done against what its commands can do.
//!
//! In: `then` as written and a [`Site`]: the commands of the rule and the names it may use. Out:
//! [`Actions`]; mistakes and warnings go to the site. What always holds: what is wrong is reported
//! and left out, so that one pass finds all; for every provider and kind that an entry of `on` names,
//! at least one command can do what is left.

use super::super::expr::Names;
use super::super::frame::ListId;
use super::super::problem::{Position, did_you_mean};
use super::super::schema::Root;
use super::super::source::file::{
    At, ChangeAction, ChangeDef, DenyDef, EndingDef, MaskDef, RemoveDef, Text, ThenDef,
};
use super::able::{Way, way};
use super::constant::{self, number_range};
use super::deny::{Deny, check_codes};
use super::possible::Site;
use super::{Action, Actions, Bounds, Change, Ending, Mask, Masked, Removal, full_name};
use crate::catalogue::FieldType;
use crate::catalogue::plan::{ModifyForm, ModifyPlan, Plan};
use std::collections::HashSet;

/// Checks `then`.
pub fn compile(then: &ThenDef, site: &mut Site<'_>) -> Actions {
    let ending = then.ending.as_ref().and_then(|ending| site.ending(ending));
    let changes = then.changes.iter().filter_map(|change| site.change(change)).collect();
    Actions { ending, changes, tags: then.tags.clone().into() }
}

impl<'s> Site<'s> {
    fn ending(&mut self, ending: &At<EndingDef>) -> Option<Ending> {
        match &ending.value {
            EndingDef::Allow => Some(Ending::Allow),
            EndingDef::Drop => self.can_drop(ending.at).then_some(Ending::Drop),
            EndingDef::Deny(deny) => Some(Ending::Deny(self.deny(deny))),
        }
    }

    fn deny(&mut self, def: &DenyDef) -> Deny {
        let plans: Vec<&Plan> = self.plans().map(|(_, plan, _)| plan).collect();
        if self.on_complete && !plans.is_empty() {
            let report = &mut |at, message| self.error(at, message);
            check_codes(&def.code, &plans, "of this rule", report);
        }
        Deny::compile(def, self.names, self.problems, self.rule)
    }

    fn change(&mut self, def: &ChangeDef) -> Option<Change> {
        let (field, item) = match def.field.value.split_once('.') {
            Some((field, item)) => (field, Some(item)),
            None => (&*def.field.value, None),
        };
        let at = def.field.at;
        let field_type = self.field_type(field, item, at)?;
        let action = self.action(def, (field, item), field_type)?;
        if !self.is_possible((field, item), &action, at) {
            return None;
        }
        self.warn_of_the_wire(field, &action, at);
        let order = self.order(field, item);
        Some(Change { field: field.into(), item: item.map(Into::into), order, at, action })
    }

    /// Type of the field; `None` when it is none.
    fn field_type(&mut self, field: &str, item: Option<&str>, at: Position) -> Option<FieldType> {
        let Some(word) = self.catalogue.word(field) else {
            let changeable = self.replies().flat_map(|reply| {
                let refused = reply.refuse.iter().map(|(field, _)| &**field);
                reply.modify.iter().map(|modify| &*modify.field).chain(refused)
            });
            let words = self.catalogue.vocabulary.iter().map(|word| &*word.field);
            let hint = did_you_mean(field, changeable.chain(words));
            let mut message = format!("no field {field:?}{hint}");
            // It may be a provider's own name.
            if hint.is_empty()
                && let Err(better) = self.names.field(Root::Msg, field)
            {
                message = better;
            }
            self.error(at, message);
            return None;
        };
        let known = || word.items.iter().map(|item| &**item);
        let Some(item) = item else {
            if word.field_type != FieldType::Items {
                return Some(word.field_type);
            }
            let each: Vec<String> =
                self.item_fields(field).iter().map(|item| full_name(field, Some(item))).collect();
            let hint =
                if each.is_empty() { String::new() } else { format!(": {}", each.join(", ")) };
            self.error(at, format!("msg.{field} changes by a field of its objects{hint}"));
            return None;
        };
        if word.field_type != FieldType::Items {
            self.error(at, format!("msg.{field} is {}, it has no fields", word.field_type.name()));
            return None;
        }
        if !known().any(|known| known == item) {
            let hint = did_you_mean(item, known());
            self.error(at, format!("no field {item:?} in msg.{field}{hint}"));
            return None;
        }
        Some(self.catalogue.word(item).map_or(FieldType::Text, |word| word.field_type))
    }

    /// Fields of a field's objects that some command of the rule can change.
    fn item_fields(&self, field: &str) -> Vec<&'s str> {
        let mut found: Vec<&str> = Vec::new();
        for modify in self.replies().flat_map(|reply| &reply.modify) {
            if let ModifyForm::Patch { each, .. } = &modify.form
                && *modify.field == *field
            {
                found.extend(each.iter().map(|(item, _)| &**item));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn order(&self, field: &str, item: Option<&str>) -> (usize, usize) {
        let words = &self.catalogue.vocabulary;
        let place = words.iter().position(|word| *word.field == *field).unwrap_or(words.len());
        let items = words.get(place).map(|word| &*word.items).unwrap_or_default();
        (place, items.iter().position(|known| item == Some(known)).unwrap_or_default())
    }

    /// What is done, if it goes with a field of this type.
    fn action(
        &mut self,
        def: &ChangeDef,
        (field, item): (&str, Option<&str>),
        field_type: FieldType,
    ) -> Option<Action> {
        let at = def.field.at;
        let name = full_name(field, item);
        let takers: Vec<&ModifyPlan> = self.takers(field, item);
        let is_free = || {
            field_type == FieldType::Text
                && !item.unwrap_or(field).ends_with("_id")
                && !takers.iter().any(|taker| matches!(taker.form, ModifyForm::Enum(_)))
        };
        let is_content = field == "text" && item.is_none();
        let found = || format!("{name} is {}", described(field_type, is_free()));
        match &def.action {
            ChangeAction::Set(_) if is_content => {
                self.error(at, format!("{name} is never set: mask what is in it"));
                None
            }
            ChangeAction::Set(set) => {
                let field = (item.unwrap_or(field), field_type);
                let constant = constant::read(&set.value, set.at, field, takers.iter().copied());
                let constant = constant.map_err(|(at, message)| self.error(at, message)).ok()?;
                Some(Action::Set(constant))
            }
            ChangeAction::Unset if is_content || !is_free() => {
                let found = if is_content { format!("{name} is the message") } else { found() };
                self.error(at, format!("unset goes with free text, {found}"));
                None
            }
            ChangeAction::Unset if takers.iter().any(|taker| taker.nonempty) => {
                let message = "cannot be emptied: the server takes that for unchanged";
                self.error(at, format!("{name} {message}"));
                None
            }
            ChangeAction::Unset => Some(Action::Unset),
            ChangeAction::Clamp { min, max } if field_type == FieldType::Int => {
                self.bounds(item.unwrap_or(field), min.as_ref(), max.as_ref()).map(Action::Clamp)
            }
            ChangeAction::Clamp { .. } => {
                self.error(at, format!("clamp goes with int fields, {}", found()));
                None
            }
            ChangeAction::Remove(remove) if field_type == FieldType::Texts => {
                self.removal(remove).map(Action::Remove)
            }
            ChangeAction::Remove(_) => {
                self.error(at, format!("remove goes with lists of ids, {}", found()));
                None
            }
            ChangeAction::Mask { what, with } if is_content || is_free() => {
                let what = self.masked(what)?;
                Some(Action::Mask(Mask { what, with: *with }))
            }
            ChangeAction::Mask { .. } => {
                self.error(at, format!("mask goes with free text and msg.text, {}", found()));
                None
            }
        }
    }

    /// How the answers of the rule's commands take the field.
    fn takers(&self, field: &str, item: Option<&str>) -> Vec<&'s ModifyPlan> {
        let ways = self.replies().filter_map(|reply| way(reply, field, item));
        ways.filter_map(|way| if let Way::Modify(modify) = way { Some(modify) } else { None })
            .collect()
    }

    fn bounds(&self, field: &str, min: Option<&At<i64>>, max: Option<&At<i64>>) -> Option<Bounds> {
        let (range, what) = number_range(field);
        let mut fits = true;
        for bound in min.into_iter().chain(max).filter(|bound| !range.contains(&bound.value)) {
            self.error(bound.at, format!("expected {what} for {field}, found {}", bound.value));
            fits = false;
        }
        let value = |bound: Option<&At<i64>>| bound.map(|bound| bound.value);
        fits.then_some(Bounds { min: value(min), max: value(max) })
    }

    fn lists(
        &mut self,
        lists: &[Text],
        find: impl Fn(&mut dyn Names, &str) -> Result<ListId, String>,
    ) -> Option<Box<[ListId]>> {
        let mut found = Vec::with_capacity(lists.len());
        for list in lists {
            match find(self.names, &list.value) {
                Ok(id) => found.push(id),
                Err(message) => self.error(list.at, message),
            }
        }
        (found.len() == lists.len()).then_some(found.into())
    }

    fn removal(&mut self, remove: &RemoveDef) -> Option<Removal> {
        match remove {
            RemoveDef::Items(items) => {
                let items = items.iter().map(|item| item.value.clone()).collect();
                Some(Removal { lists: Box::default(), items })
            }
            RemoveDef::Lists(lists) => {
                let lists = self.lists(lists, |names, name| names.ids(name))?;
                Some(Removal { lists, items: HashSet::new() })
            }
        }
    }

    fn masked(&mut self, mask: &MaskDef) -> Option<Masked> {
        match mask {
            MaskDef::Lists(lists) => {
                self.lists(lists, |names, name| names.words(name)).map(Masked::Words)
            }
            MaskDef::Pattern(pattern) => match self.names.regex(&pattern.value) {
                Ok(regex) => Some(Masked::Pattern(regex)),
                Err(message) => {
                    self.error(pattern.at, message);
                    None
                }
            },
        }
    }
}

const fn described(field_type: FieldType, is_free: bool) -> &'static str {
    match field_type {
        FieldType::Text if is_free => "free text",
        FieldType::Text => "an id or a word of a table",
        FieldType::Int => "int",
        FieldType::Bool => "bool",
        FieldType::Texts => "list<string>",
        FieldType::Ints => "list<int>",
        FieldType::Items | FieldType::Object => "list<object>",
    }
}
