//! Tests of the answers: plans built by hand, and readers that read as the providers do.
//!
//! `accept` are the readers, `matrix` runs the whole table through them, `replies` looks at single
//! answers, `golden` at the worked examples, `properties` at arbitrary texts.

mod accept;
mod golden;
mod matrix;
mod properties;
mod replies;

use super::reply::{Question, reply};
use crate::call::{Phase, Provider};
use crate::catalogue::plan::{
    Derived, Each, EnumTable, ModifyForm, ModifyPlan, Name, Other, Path, Plan, ReplyPlan,
    ReplyStyle, Roots, Step,
};
use crate::event::Value;
use crate::json::{Json, Node};
use crate::verdict::{Change, Decision, Verdict};
use bumpalo::Bump;
use std::sync::Arc;

fn provider_of(style: ReplyStyle) -> Provider {
    match style {
        ReplyStyle::OpenIm | ReplyStyle::OpenImLegacy => Provider::OpenIm,
        ReplyStyle::Tencent | ReplyStyle::TencentItems => Provider::Tencent,
    }
}

/// A before-command of that style which can do nothing but allow and deny.
fn reply_plan(style: ReplyStyle) -> ReplyPlan {
    let (codes, deny_code) = match style {
        ReplyStyle::OpenIm | ReplyStyle::OpenImLegacy => ((5000, 9999), 5001),
        ReplyStyle::Tencent => ((120_001, 130_000), 1),
        ReplyStyle::TencentItems => ((38_000, 39_000), 38_000),
    };
    ReplyPlan {
        style,
        no_answer_allows: provider_of(style) == Provider::Tencent,
        codes: Some(codes),
        deny_code,
        drop_code: None,
        must_echo: Box::default(),
        never: Box::default(),
        modify: Box::default(),
        per_member: None,
        refuse: None,
        items: None,
    }
}

fn plan(reply: ReplyPlan) -> Plan {
    Plan {
        provider: provider_of(reply.style),
        command: "a command".into(),
        phase: Phase::Before,
        roots: Roots::default(),
        slots: Box::default(),
        fields: Box::default(),
        each: None,
        cases: Box::default(),
        kinds: Box::default(),
        content: None,
        time: Box::default(),
        derived: Derived::default(),
        id: Box::default(),
        redact: Box::default(),
        raw: Box::default(),
        reply: Some(reply),
    }
}

/// The friend commands: elements in `FriendItem`, ids in `To_Account`.
fn friends() -> Plan {
    let items = Some(("ResultItem".into(), path("To_Account")));
    let each = Each { text: "$.FriendItem".into(), path: path("FriendItem") };
    let reply = ReplyPlan { items, ..reply_plan(ReplyStyle::TencentItems) };
    Plan { each: Some(each), ..plan(reply) }
}

fn path(dotted: &str) -> Path {
    let steps = dotted.split('.').map(|name| Step::Member(Name::new(name)));
    Path { root: None, steps: steps.collect() }
}

fn names(names: &[&str]) -> Box<[Name]> {
    names.iter().map(|name| Name::new(name)).collect()
}

fn modify(field: &str, to: &str) -> ModifyPlan {
    ModifyPlan {
        field: field.into(),
        to: to.split('.').map(Box::from).collect(),
        form: ModifyForm::Plain,
        only_if: None,
        unless: None,
        nonempty: false,
        base: Box::default(),
    }
}

/// `openim_role`.
fn roles() -> Arc<EnumTable> {
    let rows = [("20", "member"), ("60", "admin"), ("100", "owner")];
    Arc::new(EnumTable {
        name: "openim_role".into(),
        words: rows.iter().map(|(code, word)| ((*code).into(), Some((*word).into()))).collect(),
        codes: rows.iter().map(|(code, word)| ((*word).into(), (*code).into())).collect(),
        other: Other::Keep,
    })
}

fn verdict(verdict: Verdict) -> Decision {
    Decision { verdict, ..Decision::ALLOW }
}

fn deny(code: i64, message: &str) -> Decision {
    let deny_message = Some(message.to_owned());
    Decision { deny_code: Some(code), deny_message, ..verdict(Verdict::Deny) }
}

fn changed(field: &str, value: impl Into<serde_json::Value>) -> Decision {
    let changes = vec![(field.to_owned(), Change::Value(value.into()))];
    Decision { changes, ..verdict(Verdict::Modify) }
}

/// Asks about `body` with nothing normalised, and hands over `look`'s result.
fn asked<T>(plan: &Plan, body: &str, look: impl FnOnce(&Question<'_>) -> T) -> T {
    asked_with(plan, body, &[], look)
}

fn asked_with<T>(
    plan: &Plan,
    body: &str,
    slots: &[Value<'_>],
    look: impl FnOnce(&Question<'_>) -> T,
) -> T {
    let arena = Bump::new();
    let json = Json::read(body, &arena).ok();
    let body = json.as_ref().map(Json::root).filter(Node::is_object);
    look(&Question { provider: plan.provider, plan: Some(plan), body, slots })
}

/// The answer to `body` after `decisions`, as text.
fn answered(plan: &Plan, body: &str, decisions: &[Decision]) -> String {
    asked(plan, body, |question| text(&reply(question, decisions)))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("answers are UTF-8")
}
