//! Fields: which a set of targets has, of what type, in what words, and where.
//!
//! In: targets and the name of a field. Out: what is known about it, or what is wrong with the name.
//! What always holds: a field that is handed out for some targets has a place in at least one of
//! them. No targets at all stand for every target there is: a rule whose `on` is broken is checked
//! as far as that goes.

use super::{FieldInfo, ItemField, Root, Scalar, Schema, Target, Type, Words};
use crate::call::{Phase, Provider};
use crate::catalogue::plan::RawType;
use crate::catalogue::{FieldType, Word};
use crate::rules::frame::Place;
use crate::rules::problem::did_you_mean;
use crate::rules::read::{Ctx, slot_of, type_of};
use std::borrow::Cow;
use std::collections::BTreeMap;

const TEXT: FieldInfo = FieldInfo { kind: Type::Scalar(Scalar::Text), words: None };

impl Schema {
    /// A field of the event that at least one of the targets carries.
    ///
    /// # Errors
    /// None does; the text says whether a kind lists it, and what may have been meant.
    pub fn msg(&self, targets: &[Target], name: &str) -> Result<FieldInfo, String> {
        let targets = self.or_all(targets);
        let carried = targets.iter().any(|target| self.carries(*target, Root::Msg, name));
        let info = self.catalogue.word(name).filter(|_| carried).and_then(|word| self.info(word));
        info.ok_or_else(|| self.no_field(&targets, name))
    }

    /// A field of the vocabulary, whoever carries it: for texts that stand for all rules.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn any_msg(&self, name: &str) -> Result<FieldInfo, String> {
        let words =
            || self.catalogue.vocabulary.iter().filter_map(|word| self.info(word).map(|_| word));
        let info = self.catalogue.word(name).and_then(|word| self.info(word));
        info.ok_or_else(|| {
            let known = words().map(|word| &*word.field);
            format!("there is no field {name:?}{}", did_you_mean(name, known))
        })
    }

    /// A member of the body that at least one of the targets has.
    ///
    /// # Errors
    /// None has, or two type it differently.
    pub fn raw(&self, targets: &[Target], path: &str) -> Result<FieldInfo, String> {
        Ok(FieldInfo { kind: type_of(self.raw_type(targets, path)?), words: None })
    }

    /// As [`Self::raw`], the type as it is read.
    ///
    /// # Errors
    /// As [`Self::raw`].
    pub fn raw_type(&self, targets: &[Target], path: &str) -> Result<RawType, String> {
        let all = self.or_all(targets);
        let mut typed = all
            .iter()
            .filter_map(|target| Some((self.plan(*target), self.plan(*target).raw_type(path)?)));
        let Some((first, wanted)) = typed.next() else { return Err(self.no_member(&all, path)) };
        match typed.find(|(_, found)| *found != wanted) {
            Some((other, found)) if !targets.is_empty() => Err(format!(
                "raw.{path} is {} in {} {} and {} in {} {}: name commands of one of them",
                wanted.name(),
                first.provider.name(),
                first.command,
                found.name(),
                other.provider.name(),
                other.command,
            )),
            _ => Ok(wanted),
        }
    }

    /// A field of `ctx`; all requests have all of them.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn ctx(&self, name: &str) -> Result<FieldInfo, String> {
        let words: Option<Words> = match Ctx::from_name(name) {
            Some(Ctx::Provider) => {
                Some(Provider::ALL.iter().map(|one| one.name().into()).collect())
            }
            Some(Ctx::Kind) => {
                let kinds = self.catalogue.kinds.iter();
                let before = kinds.filter(|kind| kind.phase == Phase::Before);
                Some(before.map(|kind| kind.name.clone()).collect())
            }
            Some(_) => None,
            None => return Err(self.no_context(name)),
        };
        Ok(FieldInfo { words, ..TEXT })
    }

    /// Where a target has a field.
    #[must_use]
    pub fn place(&self, target: Target, root: Root, path: &str) -> Place {
        let plan = self.plan(target);
        match root {
            Root::Msg => slot_of(plan, self.kind(target), path).map_or(Place::Absent, Place::Slot),
            Root::Raw if plan.raw_type(path).is_none() => Place::Absent,
            Root::Raw | Root::Ctx => Place::Asked,
        }
    }

    /// Whether a target may ever have a value there.
    #[must_use]
    pub fn carries(&self, target: Target, root: Root, path: &str) -> bool {
        self.place(target, root, path) != Place::Absent
    }

    /// Names of the fields of `msg` that at least one of the targets carries, in the order of the
    /// vocabulary.
    #[must_use]
    pub fn carried(&self, targets: &[Target]) -> Vec<&str> {
        let mut names = BTreeMap::new();
        for target in targets {
            let slots = &self.plan(*target).slots;
            for (slot, _) in &self.kind(*target).keep {
                let name = &*slots[usize::from(slot.0)];
                names.insert(self.position(name), name);
            }
        }
        names.into_values().collect()
    }

    /// Place of a word in the vocabulary.
    pub(super) fn position(&self, name: &str) -> usize {
        let words = &self.catalogue.vocabulary;
        words.iter().position(|word| *word.field == *name).unwrap_or(words.len())
    }

    pub(super) fn or_all<'t>(&self, targets: &'t [Target]) -> Cow<'t, [Target]> {
        match targets {
            [] => Cow::Owned(self.all_targets()),
            _ => Cow::Borrowed(targets),
        }
    }

    /// Nothing for objects, which conditions do not have.
    fn info(&self, word: &Word) -> Option<FieldInfo> {
        let kind = match word.field_type {
            FieldType::Text => Type::Scalar(Scalar::Text),
            FieldType::Int => Type::Scalar(Scalar::Int),
            FieldType::Bool => Type::Scalar(Scalar::Bool),
            FieldType::Texts => Type::List(Scalar::Text),
            FieldType::Ints => Type::List(Scalar::Int),
            FieldType::Items => {
                Type::Items(word.items.iter().map(|name| self.item(name)).collect())
            }
            FieldType::Object => return None,
        };
        Some(FieldInfo { kind, words: closed(word) })
    }

    /// A field of an item: as the word of that name, a text where there is none.
    fn item(&self, name: &str) -> ItemField {
        let word = self.catalogue.word(name);
        let scalar = match word.map(|word| word.field_type) {
            Some(FieldType::Int) => Scalar::Int,
            Some(FieldType::Bool) => Scalar::Bool,
            _ => Scalar::Text,
        };
        ItemField { name: name.into(), scalar, words: word.and_then(closed) }
    }
}

/// The words of a word that has no others.
fn closed(word: &Word) -> Option<Words> {
    (!word.open && !word.values.is_empty()).then(|| word.values.clone().into())
}
