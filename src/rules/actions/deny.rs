//! Codes and texts of a deny.
//!
//! In: `deny` of a rule and of `defaults`. Out: what a deny of one command is answered with. What
//! always holds: the code is one that the command takes; the texts are those of the rule, else of
//! `defaults`, else [`MESSAGE`] and nothing.

use super::super::Intent;
use super::super::expr::Names;
use super::super::frame::{FieldId, Frame};
use super::super::problem::{Position, Problems};
use super::super::source::file::{At, DenyDef};
use super::combine::Outcome;
use super::template::Template;
use crate::catalogue::Catalogue;
use crate::catalogue::plan::{PLAIN_DENY, Plan, ReplyPlan, ReplyStyle};
use crate::verdict::Verdict;
use std::sync::Arc;

/// Text of a deny for which nobody has given one.
const MESSAGE: &str = "Not allowed";

/// `deny` of a rule.
#[derive(Debug, Default)]
pub(super) struct Deny {
    codes: Box<[i64]>,
    message: Option<Template>,
    detail: Option<Template>,
}

/// `defaults.deny`: what a deny that does not say takes.
#[derive(Debug)]
pub struct DefaultDeny {
    codes: Box<[i64]>,
    message: Template,
    detail: Template,
}

impl Default for DefaultDeny {
    fn default() -> Self {
        Self {
            codes: Box::default(),
            message: Template::plain(MESSAGE),
            detail: Template::default(),
        }
    }
}

impl DefaultDeny {
    /// Fields that its texts read.
    pub fn reads(&self) -> impl Iterator<Item = FieldId> + '_ {
        self.message.reads().chain(self.detail.reads())
    }
}

/// Checks `defaults.deny`. Its texts may name fields of any command, so `names` has to know them all;
/// each of its codes has to fit some command.
pub fn compile_default_deny(
    def: &DenyDef,
    catalogue: &Catalogue,
    names: &mut dyn Names,
    problems: &Problems,
) -> DefaultDeny {
    let plans: Vec<&Plan> = catalogue.rows.iter().filter(|plan| plan.reply.is_some()).collect();
    check_codes(&def.code, &plans, "at all", &mut |at, message| problems.error(at, None, message));
    let mut text = |text| Template::compile(text, &mut *names, problems, None);
    let default = DefaultDeny::default();
    DefaultDeny {
        codes: def.code.iter().map(|code| code.value).collect(),
        message: def.message.as_ref().map_or(default.message, &mut text),
        detail: def.detail.as_ref().map_or(default.detail, &mut text),
    }
}

/// Reports codes that none of the commands takes; `which` says what commands those are.
pub(super) fn check_codes(
    codes: &[At<i64>],
    plans: &[&Plan],
    which: &str,
    report: &mut dyn FnMut(Position, String),
) {
    let replies = || plans.iter().filter_map(|plan| plan.reply.as_ref());
    for code in codes {
        if !replies().any(|reply| reply.takes(code.value)) {
            let message = format!(
                "code {} fits no command {which}: {}",
                code.value,
                allowed_by(plans).join(", ")
            );
            report(code.at, message);
        }
    }
}

/// `openim allows 5000 to 9999`, for each different set of codes; Tencent's are told by command.
fn allowed_by(plans: &[&Plan]) -> Vec<String> {
    let mut told: Vec<(String, &str)> = Vec::new();
    for plan in plans {
        let Some(reply) = &plan.reply else { continue };
        let codes = allowed(reply);
        if !told.iter().any(|(known, _)| *known == codes) {
            let who = match reply.style {
                ReplyStyle::OpenIm | ReplyStyle::OpenImLegacy => plan.provider.name(),
                ReplyStyle::Tencent | ReplyStyle::TencentItems => &plan.command,
            };
            told.push((codes, who));
        }
    }
    told.into_iter().map(|(codes, who)| format!("{who} allows {codes}")).collect()
}

/// The codes that a command may be denied with, in words: `1 and 10100 to 10200`.
#[must_use]
pub fn allowed(reply: &ReplyPlan) -> String {
    let mut singles = vec![reply.deny_code, PLAIN_DENY];
    singles.dedup();
    let outside = |code: &i64| !reply.codes.is_some_and(|(low, high)| (low..=high).contains(code));
    singles.retain(|code| reply.takes(*code) && outside(code));
    let singles = singles.into_iter().map(|code| code.to_string());
    let range = reply.codes.map(|(low, high)| format!("{low} to {high}"));
    singles.chain(range).collect::<Vec<_>>().join(" and ")
}

impl Deny {
    /// Checks `deny` of a rule; its codes are checked elsewhere.
    pub(super) fn compile(
        def: &DenyDef,
        names: &mut dyn Names,
        problems: &Problems,
        rule: &Arc<str>,
    ) -> Self {
        let mut text = |text| Template::compile(text, &mut *names, problems, Some(rule));
        Self {
            codes: def.code.iter().map(|code| code.value).collect(),
            message: def.message.as_ref().map(&mut text),
            detail: def.detail.as_ref().map(&mut text),
        }
    }

    pub(super) fn reads(&self) -> impl Iterator<Item = FieldId> + '_ {
        self.message.iter().chain(&self.detail).flat_map(Template::reads)
    }

    /// The deny of this intent.
    pub(super) fn outcome(
        &self,
        default: &DefaultDeny,
        reply: &ReplyPlan,
        frame: &Frame<'_>,
    ) -> Outcome {
        let mut codes = self.codes.iter().chain(&default.codes).copied();
        let code = codes.find(|code| reply.takes(*code)).unwrap_or(reply.deny_code);
        Outcome {
            verdict: Verdict::Deny,
            deny_code: Some(code),
            deny_message: Some(self.message.as_ref().unwrap_or(&default.message).fill(frame)),
            deny_detail: Some(self.detail.as_ref().unwrap_or(&default.detail).fill(frame)),
            ..Outcome::default()
        }
    }
}

/// The default deny of this intent, with no rule behind it: for faults of the engine.
#[must_use]
pub fn default_deny(default: &DefaultDeny, intent: &Intent<'_>, frame: &Frame<'_>) -> Outcome {
    let reply = intent.known.plan.reply.as_ref();
    reply.map(|reply| Deny::default().outcome(default, reply, frame)).unwrap_or_default()
}
