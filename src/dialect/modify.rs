//! Puts echoes and the changes of a decision into members of an answer.
//!
//! In: the reply plan, the body, and the decision. Out: members. What always holds: a member that the
//! plan says must never be returned is not there; nothing is written for a change that the server
//! could not apply or would choke on; a value goes out in the type that the server declares for it.

use super::members::{Members, text_json};
use super::{openim, tencent};
use crate::call::Provider;
use crate::catalogue::plan::{EnumTable, ModifyForm, ModifyPlan, Plan, ReplyPlan};
use crate::event::Value;
use crate::json::{Node, copy, push_text};
use crate::normalise::request::{id_text, is_open, locate};
use crate::verdict::{Change, Decision, Verdict};
use serde_json::Value as Json;
use std::collections::HashMap;

/// Copies the members that every allow of this command must have.
pub(super) fn echo<'p>(plan: &'p ReplyPlan, body: Node<'_>, members: &mut Members<'p>) {
    for name in &plan.must_echo {
        if let Some(value) = body.get_hashed(&name.text, name.hash)
            && !is_never(plan, &name.text)
        {
            members.set(&name.text, copied(value));
        }
    }
}

/// Adds what a modify or a refuse changes.
pub(super) fn apply<'p>(
    plan: &'p Plan,
    reply: &'p ReplyPlan,
    body: Node<'_>,
    slots: &[Value<'_>],
    decision: &Decision,
    members: &mut Members<'p>,
) {
    if !matches!(decision.verdict, Verdict::Modify | Verdict::Refuse) {
        return;
    }
    match &reply.per_member {
        None => changes(plan, reply, body, decision, members),
        Some(per_member) => {
            let mut each = Members::default();
            changes(plan, reply, body, decision, &mut each);
            let at = plan.slots.iter().position(|name| *name == per_member.ids);
            let ids = at.and_then(|at| slots.get(at)).copied().unwrap_or_default();
            if let Some(json) = objects(&per_member.id, ids, &each) {
                members.set(&per_member.to, json);
            }
        }
    }
    if let Some((_, to)) = &reply.refuse
        && !decision.refused_ids.is_empty()
    {
        members.set(to, texts(decision.refused_ids.iter().map(String::as_str)));
    }
}

/// The changes that can be made, each at its member.
fn changes<'p>(
    plan: &'p Plan,
    reply: &'p ReplyPlan,
    body: Node<'_>,
    decision: &Decision,
    members: &mut Members<'p>,
) {
    for modify in &reply.modify {
        let Some((last, outer)) = modify.to.split_last() else { continue };
        let Some(change) = decision.change(&modify.field) else { continue };
        if is_never(reply, &modify.to[0]) || !is_open(modify, &plan.roots, body) {
            continue;
        }
        let Some(json) = value(modify, plan, body, change) else { continue };
        let mut target = &mut *members;
        for name in outer {
            target = target.object(name);
        }
        for (name, path) in modify.base.iter().filter(|_| !outer.is_empty()) {
            if let Some(value) = locate(path, &plan.roots, body) {
                target.set_if_new(name, copied(value));
            }
        }
        target.set(last, json);
    }
}

fn is_never(plan: &ReplyPlan, name: &str) -> bool {
    plan.never.iter().any(|never| **never == *name)
}

/// The new value as JSON; `None` when there is none that the server would take.
fn value(modify: &ModifyPlan, plan: &Plan, body: Node<'_>, change: &Change) -> Option<Vec<u8>> {
    let value = match (change, &modify.form) {
        (Change::Content { body, .. }, ModifyForm::Content) => {
            return Some(match plan.provider {
                Provider::OpenIm => openim::reply::content(body),
                Provider::Tencent => tencent::reply::content(body),
            });
        }
        (Change::Content { text, .. }, _) => return Some(text_json(text)),
        (Change::Value(value), _) => value,
    };
    let is_empty =
        value.as_str().is_some_and(str::is_empty) || value.as_array().is_some_and(Vec::is_empty);
    if modify.nonempty && is_empty {
        return None;
    }
    match &modify.form {
        ModifyForm::Plain => plain(value),
        // A body that no walker has written would replace the whole message by a guess.
        ModifyForm::Content => None,
        ModifyForm::Ids => ids(value),
        ModifyForm::Enum(table) => code(table, value),
        ModifyForm::Patch { list, matches, each } => {
            let list = locate(list, &plan.roots, body)?;
            patched(list, value.as_array()?, matches, each)
        }
    }
}

/// Reals and null are no value of any field: Go refuses the one and takes the other for "unchanged".
fn plain(value: &Json) -> Option<Vec<u8>> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text_json(text)),
        Json::Number(number) => {
            let integer = number.as_i64().map(|number| number.to_string());
            let integer = integer.or_else(|| number.as_u64().map(|number| number.to_string()));
            integer.map(String::into_bytes)
        }
        Json::Bool(_) | Json::Array(_) | Json::Object(_) => serde_json::to_vec(value).ok(),
    }
}

fn ids(value: &Json) -> Option<Vec<u8>> {
    let ids: Vec<String> = value.as_array()?.iter().filter_map(id_of).collect();
    Some(texts(ids.iter().map(String::as_str)))
}

/// The first code of a word, a word without code as it is; what reads as an integer goes out as one.
fn code(table: &EnumTable, value: &Json) -> Option<Vec<u8>> {
    let word = id_of(value)?;
    let code = table.codes.get(word.as_str()).map_or(word.as_str(), |code| code);
    Some(integer(code).unwrap_or_else(|| text_json(code)))
}

/// `-?[0-9]+` as JSON spells it: without leading zeros, and without a sign in front of zero.
fn integer(text: &str) -> Option<Vec<u8>> {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    Some(if digits.is_empty() { b"0".to_vec() } else { format!("{sign}{digits}").into_bytes() })
}

/// The request's list with the changed items changed; `None` when no item is. Items that are no
/// objects are left out: the server panics on null ones.
fn patched(
    list: Node<'_>,
    changed: &[Json],
    (field, id_member): &(Box<str>, Box<str>),
    each: &[(Box<str>, Box<str>)],
) -> Option<Vec<u8>> {
    // By id, because a batch may register many thousands at once.
    let mut by_id: HashMap<String, &Json> = HashMap::with_capacity(changed.len());
    for change in changed {
        if let Some(id) = change.get(&**field).and_then(id_of) {
            by_id.entry(id).or_insert(change);
        }
    }
    let mut any = false;
    let mut out = vec![b'['];
    for item in list.items().filter(Node::is_object) {
        let id = item.get(id_member).and_then(id_text);
        let change = id.and_then(|id| by_id.get(id));
        let mut object = Members::of(item.members().map(|m| (m.name, copied(m.value))));
        for (field, member) in each {
            if let Some(json) = change.and_then(|change| change.get(&**field)).and_then(plain) {
                any = true;
                object.set(member, json);
            }
        }
        out.extend_from_slice(if out.len() > 1 { b",{" } else { b"{" });
        object.write(true, &mut out);
        out.push(b'}');
    }
    out.push(b']');
    any.then_some(out)
}

fn id_of(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// One object per id, each with the changes; `None` when nobody or nothing is to be changed.
fn objects(id_member: &str, ids: Value<'_>, each: &Members<'_>) -> Option<Vec<u8>> {
    let Value::List(ids) = ids else { return None };
    if each.is_empty() {
        return None;
    }
    let mut out = vec![b'['];
    for id in ids.iter().filter_map(Value::text) {
        out.extend_from_slice(if out.len() > 1 { b",{" } else { b"{" });
        push_text(id_member, &mut out);
        out.push(b':');
        push_text(id, &mut out);
        each.write(false, &mut out);
        out.push(b'}');
    }
    out.push(b']');
    (out.len() > 2).then_some(out)
}

fn texts<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<u8> {
    let mut out = vec![b'['];
    for text in texts {
        if out.len() > 1 {
            out.push(b',');
        }
        push_text(text, &mut out);
    }
    out.push(b']');
    out
}

fn copied(node: Node<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(node.source().len());
    copy(node, &mut out);
    out
}
