//! Writes the JSON of an answer.
//!
//! In: which body ([`AnswerBody`]), what is known of the request ([`Question`]), and the decisions.
//! Out: JSON in the style of the command. What always holds: only enforced decisions show; an allow
//! carries the members that the command wants echoed, as received, whenever the body could be read
//! (without them `OpenIM` would undo the user's change); an allow without echoes is a constant and
//! costs no allocation; a code that the command does not take is never sent.

use super::answers::AnswerBody;
use super::members::Members;
use super::{modify, openim, tencent};
use crate::call::Provider;
use crate::catalogue::plan::{Plan, ReplyPlan, ReplyStyle, Step};
use crate::event::Value;
use crate::json::Node;
use crate::normalise::request::locate;
use crate::verdict::{Decision, Verdict};
use std::borrow::Cow;

/// Text of a deny for which nobody has given one.
pub const DENY_MESSAGE: &str = "Not allowed";

const BOTH_ALLOW: &[u8] = br#"{"actionCode":0,"errCode":0,"errMsg":"","errDlt":"","nextCode":0,"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#;

/// What an answer has to fit.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// Who asked.
    pub provider: Provider,
    /// The command's plan; `None` for commands without a row, and for envelopes, which always get the
    /// plain allow.
    pub plan: Option<&'a Plan>,
    /// The body, when it was read as a JSON object; also when the request is refused.
    pub body: Option<Node<'a>>,
    /// Values of the plan's slots before any privacy step; empty when nothing was normalised. Asked
    /// for the ids of [`ReplyPlan::per_member`] only.
    pub slots: &'a [Value<'a>],
}

impl<'a> Question<'a> {
    fn reply_plan(&self) -> Option<(&'a Plan, &'a ReplyPlan)> {
        let plan = self.plan?;
        Some((plan, plan.reply.as_ref()?))
    }
}

/// The body of a cell of the table. `decisions` are those of the intents, in order; of a fan-out one
/// per element, [`Decision::ALLOW`] for an element without intent. Only [`AnswerBody::Verdict`] looks
/// at them.
#[must_use]
pub fn body(
    which: AnswerBody,
    question: &Question<'_>,
    decisions: &[Decision],
) -> Cow<'static, [u8]> {
    match which {
        AnswerBody::PlainAllow => reply(question, &[]),
        AnswerBody::Verdict => reply(question, decisions),
        AnswerBody::FaultDeny => fault_deny(question),
        AnswerBody::BothAllow => Cow::Borrowed(both_allow()),
    }
}

/// The allow of a provider, without echoes.
#[must_use]
pub const fn plain_allow(provider: Provider) -> &'static [u8] {
    match provider {
        Provider::OpenIm => openim::reply::ALLOW,
        Provider::Tencent => tencent::reply::ALLOW,
    }
}

/// An allow with the members of both providers: for requests that may come from either.
#[must_use]
pub const fn both_allow() -> &'static [u8] {
    BOTH_ALLOW
}

/// What was decided; without decisions the command's allow.
#[must_use]
pub fn reply(question: &Question<'_>, decisions: &[Decision]) -> Cow<'static, [u8]> {
    write(question, deciding(decisions), |index| decisions.get(index))
}

/// The command's default deny; an allow for commands that ask nothing. Friend commands can deny only
/// whom they can name, so a body that could not be read gets the plain allow there.
#[must_use]
pub fn fault_deny(question: &Question<'_>) -> Cow<'static, [u8]> {
    let deny = Decision { verdict: Verdict::Deny, ..Decision::ALLOW };
    write(question, Some(&deny), |_| Some(&deny))
}

/// The code that a deny goes out with: `wanted`, if the command takes it, else the command's own.
/// `OpenIM` would show success for a 0, and Tencent lets the action pass with codes it does not know.
#[must_use]
pub fn deny_code(plan: &ReplyPlan, wanted: Option<i64>) -> i64 {
    wanted.filter(|code| plan.takes(*code)).unwrap_or(plan.deny_code)
}

/// Of several decisions for one answer, which only a fan-out without items has: a deny of one denies
/// all, for the action is one; otherwise the first that does anything.
fn deciding(decisions: &[Decision]) -> Option<&Decision> {
    let mut enforced = decisions.iter().filter(|decision| decision.enforced);
    let deny = enforced.clone().find(|decision| decision.verdict == Verdict::Deny);
    deny.or_else(|| enforced.find(|decision| decision.verdict != Verdict::Allow))
}

fn write<'d>(
    question: &Question<'_>,
    decision: Option<&'d Decision>,
    of_element: impl Fn(usize) -> Option<&'d Decision>,
) -> Cow<'static, [u8]> {
    let Some((plan, reply)) = question.reply_plan() else {
        return Cow::Borrowed(plain_allow(question.provider));
    };
    let per_item = reply.style == ReplyStyle::TencentItems;
    if !per_item && let Some(refusal) = decision.and_then(|decision| refusal(reply, decision)) {
        return Cow::Owned(refusal);
    }
    let mut members = Members::default();
    if let Some(body) = question.body {
        modify::echo(reply, body, &mut members);
        if per_item {
            items(plan, reply, body, of_element, &mut members);
        } else if let Some(decision) = decision {
            modify::apply(plan, reply, body, question.slots, decision, &mut members);
        }
    }
    members.behind(match reply.style {
        ReplyStyle::OpenIm | ReplyStyle::OpenImLegacy => openim::reply::ALLOW,
        ReplyStyle::Tencent | ReplyStyle::TencentItems => tencent::reply::ALLOW,
    })
}

/// A deny or a drop; `None` when the decision lets pass, and when it is a drop that the command does
/// not know: such commands are left alone.
fn refusal(plan: &ReplyPlan, decision: &Decision) -> Option<Vec<u8>> {
    match decision.verdict {
        Verdict::Deny => {
            let code = deny_code(plan, decision.deny_code);
            let message = decision.deny_message.as_deref().unwrap_or(DENY_MESSAGE);
            let detail = decision.deny_detail.as_deref().unwrap_or("");
            Some(match plan.style {
                ReplyStyle::OpenIm => openim::reply::deny(false, code, message, detail),
                ReplyStyle::OpenImLegacy => openim::reply::deny(true, code, message, detail),
                ReplyStyle::Tencent | ReplyStyle::TencentItems => {
                    tencent::reply::refusal(code, message)
                }
            })
        }
        Verdict::Drop => plan.drop_code.map(|code| tencent::reply::refusal(code, "")),
        Verdict::Allow | Verdict::Modify | Verdict::Refuse => None,
    }
}

/// One item per element that has an id. Without a list, or with an empty one, nobody is asked about,
/// and the answer has no such member.
fn items<'d, 'p>(
    plan: &'p Plan,
    reply: &'p ReplyPlan,
    body: Node<'_>,
    of_element: impl Fn(usize) -> Option<&'d Decision>,
    members: &mut Members<'p>,
) {
    let (Some((to, id)), Some(each)) = (&reply.items, &plan.each) else { return };
    let list = locate(&each.path, &plan.roots, body).filter(Node::is_list);
    let Some(list) = list.filter(|list| !list.is_empty_container()) else { return };
    let member = match id.steps.last() {
        Some(Step::Member(name)) => &*name.text,
        _ => "To_Account",
    };
    let mut json = vec![b'['];
    for (index, element) in list.items().enumerate() {
        let Some(id) = locate(id, &plan.roots, element) else { continue };
        if json.len() > 1 {
            json.push(b',');
        }
        let denied = of_element(index)
            .filter(|decision| decision.enforced && decision.verdict == Verdict::Deny);
        let (code, message) = denied.map_or((0, ""), |decision| {
            let message = decision.deny_message.as_deref().unwrap_or(DENY_MESSAGE);
            (deny_code(reply, decision.deny_code), message)
        });
        tencent::reply::push_item(member, id, code, message, &mut json);
    }
    json.push(b']');
    members.set(to, json);
}
