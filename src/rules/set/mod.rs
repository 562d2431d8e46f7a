//! A rule set: a rule file with its lists, checked against the catalogue and compiled.
//!
//! In: the bytes of the files. Out: a [`RuleSet`] that decides, or every mistake. What always holds: a
//! set that is handed out has no mistake that can be seen without a request; what a target may cost
//! at most fits the deadline; the same bytes give the same set and the same problems.
//!
//! * `build` – the way from definitions to a set
//! * `names` – what names in expressions and actions stand for
//! * `lists` – entries of lists, from the rule file and from files beside it
//! * `lint` – warnings, and mistakes that only rules together make
//! * [`tables`] – what is looked up at run time and may be replaced for a test

mod build;
mod lint;
mod lists;
mod names;
mod tables;

pub use build::{Built, ReadList, Sources, build};
pub use tables::{Ids, Tables};

use super::actions::{Actions, DefaultDeny};
use super::expr::Expr;
use super::frame::{FieldId, Frame, Place};
use super::problem::Position;
use super::read::{Ctx, RawField};
use super::schema::{Root, Scalar, Target, Type};
use super::source::file::{At, Mode, OnError, RuleFile, TestDef, Text};
use super::windows::Window;
use crate::call::Provider;
use crate::json::Node;
use crate::normalise::Known;
use crate::verdict::OnFault;
use regex::Regex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A field that some rule names.
#[derive(Debug)]
pub(super) struct Field {
    root: Root,
    path: Box<str>,
    kind: Type,
    /// Reads it where it is in no slot.
    pub(super) reader: Reader,
}

/// How a field is read.
#[derive(Debug)]
pub(super) enum Reader {
    /// In the slot that the target has for it.
    Slot,
    /// From the body.
    Raw(RawField),
    /// From what the bridge knows besides.
    Ctx(Ctx),
}

/// The limit of a rule.
#[derive(Debug)]
pub struct LimitUse {
    /// Name of the limit.
    pub name: Arc<str>,
    /// Parts of the key.
    pub(super) key: Box<[(FieldId, Scalar)]>,
    /// Place in [`Tables::limiters`].
    pub(super) limiter: usize,
    /// Whether a new key counts as over when there is no room for it.
    pub(super) full_matches: bool,
}

/// A rule, compiled. What is asked of every rule for every intent stands in front, in one line of the
/// processor's cache.
#[derive(Debug)]
#[repr(C)]
pub struct Rule {
    /// `mode`
    pub mode: Mode,
    /// `on_error`
    pub on_error: OnError,
    out_of_service: AtomicBool,
    /// `provider`
    pub provider: Option<Provider>,
    /// `priority`
    pub priority: u32,
    /// Its condition; none when it always matches.
    pub when: Option<Expr>,
    /// Its limit.
    pub limit: Option<LimitUse>,
    /// What it does.
    pub(super) actions: Actions,
    /// Its id.
    pub id: Arc<str>,
    /// Entries of `on`, as written.
    pub on: Box<[Box<str>]>,
}

impl Rule {
    /// Whether it panicked, and so is not run until the next set.
    #[must_use]
    pub fn is_out_of_service(&self) -> bool {
        self.out_of_service.load(Ordering::Relaxed)
    }

    pub(super) fn take_out_of_service(&self) {
        self.out_of_service.store(true, Ordering::Relaxed);
    }
}

/// One command with one of its kinds, as this set sees it.
#[derive(Debug)]
pub(super) struct TargetPlan {
    target: Target,
    /// By [`FieldId`].
    pub(super) places: Box<[Place]>,
    /// Places of its rules, in order of evaluation.
    pub(super) rules: Box<[u16]>,
    /// What is answered when the engine fails.
    pub(super) on_fault: OnFault,
    /// Whether its ids are kept for the `message.modify` that follows.
    pub(super) remembered: bool,
    /// Price of its rules per character of its longest texts, and without any: nanoseconds.
    price: Price,
    /// Fields whose texts may be long.
    long: Box<[FieldId]>,
}

/// What rules may cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Price {
    /// With texts at their caps, in nanoseconds.
    at_cap: u64,
    /// Without any character of long texts.
    at_rest: u64,
}

/// Longest message text that rules see, in bytes.
const LONG_TEXT: u64 = 65_536;
/// Below this, rules are not asked to look at the clock: nanoseconds.
const SHORT: u64 = 200_000;

impl TargetPlan {
    /// Whether the rules may take long enough for looking at the clock in between.
    pub(super) fn is_long(&self, frame: &Frame<'_>, body: Node<'_>) -> bool {
        // Prices know texts up to their caps, and no text but that of a message is cut to its own.
        if body.source().len() as u64 > LONG_TEXT {
            return true;
        }
        if self.price.at_cap <= SHORT {
            return false;
        }
        let bytes = self.long.iter().filter_map(|field| frame.value(*field).text());
        let bytes = bytes.map(|text| text.len() as u64).max().unwrap_or_default().min(LONG_TEXT);
        let rest = self.price.at_cap - self.price.at_rest;
        self.price.at_rest + rest.saturating_mul(bytes) / LONG_TEXT > SHORT
    }
}

/// Numbers of a set, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Rules, those that are off too.
    pub rules: usize,
    /// Lists.
    pub lists: usize,
    /// Words in them.
    pub words: usize,
    /// Ids in them.
    pub ids: usize,
    /// Limits.
    pub limits: usize,
    /// Windows.
    pub windows: usize,
}

/// A compiled rule set.
pub struct RuleSet {
    pub(super) version: Arc<str>,
    /// In order of evaluation.
    pub(super) rules: Box<[Rule]>,
    pub(super) fields: Box<[Field]>,
    pub(super) vars: Box<[Expr]>,
    pub(super) regexes: Box<[Regex]>,
    pub(super) windows: Box<[Window]>,
    /// By row: the row's kinds, in the plan's order; empty for rows without rules.
    targets: Box<[Box<[Option<TargetPlan>]>]>,
    tables: Tables,
    file: RuleFile,
    /// Fingerprints of list contents, by the place in the file.
    list_marks: Box<[u64]>,
    pub(super) default_deny: DefaultDeny,
    pub(super) deadline_ns: u64,
    summary: Summary,
}

impl RuleSet {
    /// First 12 hex digits of the hash of its files.
    #[must_use]
    pub fn version(&self) -> &Arc<str> {
        &self.version
    }

    /// Rules in order of evaluation.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Number of rules that are run.
    #[must_use]
    pub fn in_service(&self) -> usize {
        let runs = |rule: &&Rule| rule.mode != Mode::Off && !rule.is_out_of_service();
        self.rules.iter().filter(runs).count()
    }

    /// Tests in the file.
    #[must_use]
    pub fn tests(&self) -> &[TestDef] {
        &self.file.tests
    }

    /// Numbers for people.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// Entries of lists and counts of limits in force.
    #[must_use]
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Tables with fresh counts, and other entries for some lists.
    ///
    /// # Errors
    /// A list that is not there, or entries that it cannot have; with the place.
    pub fn fresh_tables(
        &self,
        others: &[(Text, Vec<At<Box<str>>>)],
    ) -> Result<Tables, (Position, String)> {
        lists::replaced(&self.file, &self.tables, others)
    }

    /// Whether it keeps where messages go, for some rule asks.
    #[must_use]
    pub fn remembers(&self) -> bool {
        self.targets.iter().flatten().flatten().any(|plan| plan.remembered)
    }

    /// The plan of an intent, if there are rules for it.
    pub(super) fn target(&self, known: &Known<'_>) -> Option<&TargetPlan> {
        let kinds = self.targets.get(usize::from(known.row.0))?;
        let kind = if kinds.len() > 1 {
            known.plan.kinds.iter().position(|kind| kind.kind == known.kind.kind)?
        } else {
            0
        };
        kinds.get(kind)?.as_ref()
    }

    /// Breaks the set: every look at a field panics.
    #[cfg(test)]
    pub(super) fn forget_places(&mut self) {
        for plan in self.targets.iter_mut().flat_map(|kinds| kinds.iter_mut()).flatten() {
            plan.places = Box::default();
        }
    }
}
