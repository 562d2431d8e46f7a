//! What holds for whole sets, whatever their rules and the requests are.
//!
//! In: sets made by chance of rules that each can do something, and the samples of all before-commands.
//! Out: decisions, and the answers that the dialects write of them. What always holds is what the tests
//! are called.

use super::Intent;
use super::memory::Memory;
use super::probe::{Request, catalogue, samples};
use super::run::{Services, Unwatched};
use super::set::{RuleSet, Sources, Tables, build};
use crate::call::Provider;
use crate::catalogue::FieldType;
use crate::catalogue::plan::{ModifyForm, Plan, ReplyPlan};
use crate::dialect::reply::{Question, reply};
use crate::verdict::{Decision, OnFault};
use bumpalo::Bump;
use proptest::prelude::*;
use serde_json::{Map, Value as Json};
use std::collections::HashSet;
use std::sync::Arc;

const HEAD: &str = "\
version: 1
defaults: { deadline: 100ms }
lists:
  bad: { kind: words, items: [a, hello, 你, '1'] }
  some: { kind: ids, items: [u1, u2, dave] }
rules:
";

/// What a rule is for and does: `on`, and `provider` where it needs one; `then`.
const POOL: &[(&str, &str)] = &[
    ("on: [message.send]", "{ deny: true }"),
    (
        "on: [message.send]",
        "{ deny: { code: [5002, 10102, 120002], message: \"no {msg.sender_id}\\\"\\\\{{\", detail: d } }",
    ),
    ("on: [message.send]", "{ allow: true, tag: [seen] }"),
    ("on: [message.rewrite]", "{ mask: { msg.text: { list: bad } } }"),
    (
        "on: [message.rewrite]",
        "{ mask: { msg.text: { pattern: '[a-z]+', with: '\"' } }, allow: true }",
    ),
    ("on: [message.modify]", "{ set: { msg.sender_nickname: 'N\"', msg.extra: '{}' } }"),
    ("on: [message.rewrite], provider: tencent", "{ set: { msg.extra: e } }"),
    ("on: [C2C.CallbackBeforeSendMsg, Group.CallbackBeforeSendMsg]", "{ drop: true }"),
    (
        "on: [push.offline.send]",
        "{ set: { msg.push_title: T, msg.push_body: B, msg.recipient_ids: [u1, u2] } }",
    ),
    ("on: [user.update]", "{ set: { msg.nickname: N, msg.face_url: f } }"),
    ("on: [user.register]", "{ set: { msg.users.nickname: N, msg.users.extra: '\"' } }"),
    ("on: [user.register]", "{ mask: { msg.users.nickname: { pattern: '.' } } }"),
    ("on: [friend.remark.update]", "{ set: { msg.remark: R } }"),
    ("on: [friend.import]", "{ set: { msg.friend_ids: [u9] } }"),
    ("on: [group.create], provider: openim", "{ set: { msg.name: N, msg.extra: x } }"),
    (
        "on: [group.update], provider: openim",
        "{ set: { msg.name: N }, clamp: { msg.apply_member_friend: { min: 0, max: 1 } } }",
    ),
    (
        "on: [group.member.join], provider: openim",
        "{ set: { msg.nickname: N, msg.role: admin, msg.extra: x, msg.mute_until_at_ms: 5 } }",
    ),
    (
        "on: [group.member.update], provider: openim",
        "{ set: { msg.role: '80', msg.extra: x, msg.nickname: '' } }",
    ),
    (
        "on: [conversation.create]",
        "{ set: { msg.pinned: true, msg.private_chat: false, msg.burn_seconds: 7 } }",
    ),
    (
        "on: [group.member.invite], provider: tencent",
        "{ remove: { msg.member_ids: { list: some } } }",
    ),
    (
        "on: [official.account.subscribe]",
        "{ remove: { msg.subscriber_ids: { items: [bob, carol] } } }",
    ),
];

/// Conditions for any command.
const CONDITIONS: &[&str] = &[
    "now > 0",
    "ctx.provider == \"openim\"",
    "ctx.command.contains(\"Before\")",
    "size(ctx.kind) % 2 == 0",
    "ctx.kind.fold().matches(\"^[a-m]\")",
    "1 / (now - now) == 1",
    "ctx.deployment == \"nowhere\"",
];

/// A rule made by chance, without its id.
#[derive(Debug, Clone)]
struct Chance {
    does: usize,
    when: usize,
    rest: String,
}

impl Chance {
    fn line(&self, id: usize) -> String {
        let ((on, then), when) = (POOL[self.does], CONDITIONS[self.when]);
        format!("  - {{ id: r{id}, {on}, when: '{when}', then: {then}, {} }}\n", self.rest)
    }
}

fn rests() -> impl Strategy<Value = String> {
    let mode = prop::sample::select(&["enforce", "enforce", "shadow"][..]);
    let on_error = prop::sample::select(&["skip", "match"][..]);
    (mode, on_error, 0..3_u32).prop_map(|(mode, on_error, priority)| {
        format!("mode: {mode}, on_error: {on_error}, priority: {priority}")
    })
}

fn rules_for(does: impl Strategy<Value = usize>) -> impl Strategy<Value = Chance> {
    (does, 0..CONDITIONS.len(), rests()).prop_map(|(does, when, rest)| Chance { does, when, rest })
}

fn file(rules: &[Chance]) -> String {
    let lines = rules.iter().enumerate().map(|(id, rule)| rule.line(id));
    format!("{HEAD}{}", lines.collect::<String>())
}

fn built(file: &str, previous: Option<&RuleSet>) -> RuleSet {
    let read_list = |name: &str| -> Result<Arc<[u8]>, String> { Err(format!("no file {name}")) };
    let catalogue = catalogue();
    let sources = Sources {
        file: file.as_bytes(),
        read_list: &read_list,
        catalogue: &catalogue,
        on_fault: OnFault::Allow,
        previous,
    };
    let built = build(&sources);
    built.set.unwrap_or_else(|| panic!("{file}{:#?}", built.problems))
}

/// The decisions about all intents of a request, and its answer. Of a request without intent the
/// answer is none.
fn answered(set: &RuleSet, tables: &Tables, request: &Request, now_ns: u64) -> Answered {
    let memory = Memory::default();
    let services = Services { ticks: &|| 0, memory: &memory };
    let mut decisions = Vec::new();
    let mut answered = Answered::default();
    request.intents_at(now_ns, &mut |intent| {
        decisions.push(set.decide(tables, intent, &services, &mut Unwatched));
        let known = intent.known;
        let question = Question {
            provider: known.plan.provider,
            plan: Some(known.plan),
            body: Some(known.body),
            slots: known.slots,
        };
        answered.bytes = reply(&question, &decisions).into_owned();
    });
    answered.decisions = decisions;
    answered
}

#[derive(Debug, Default, PartialEq)]
struct Answered {
    decisions: Vec<Decision>,
    bytes: Vec<u8>,
}

/// Members that every answer of a provider has, and whether each is a text.
fn fixed(provider: Provider) -> &'static [(&'static str, bool)] {
    match provider {
        Provider::OpenIm => &[
            ("actionCode", false),
            ("errCode", false),
            ("errMsg", true),
            ("errDlt", true),
            ("nextCode", false),
        ],
        Provider::Tencent => &[("ActionStatus", true), ("ErrorInfo", true), ("ErrorCode", false)],
    }
}

fn is_integer(value: &Json) -> bool {
    value.as_i64().is_some()
}

/// Whether a changed member has the type that the server declares for it.
fn is_typed(form: &ModifyForm, field_type: FieldType, provider: Provider, value: &Json) -> bool {
    let all = |is: fn(&Json) -> bool| value.as_array().is_some_and(|list| list.iter().all(is));
    match (form, field_type, provider) {
        (ModifyForm::Content, _, Provider::OpenIm) => value.is_string(),
        (ModifyForm::Content | ModifyForm::Patch { .. }, ..) => all(Json::is_object),
        (ModifyForm::Ids, ..) | (_, FieldType::Texts, _) => all(Json::is_string),
        (ModifyForm::Enum(_), ..) => value.as_i64().is_some_and(|code| i32::try_from(code).is_ok()),
        (_, FieldType::Text, _) => value.is_string(),
        (_, FieldType::Int, _) => is_integer(value),
        (_, FieldType::Bool, _) => value.is_boolean(),
        (_, FieldType::Ints, _) => all(is_integer),
        (_, FieldType::Items | FieldType::Object, _) => value.is_object() || value.is_array(),
    }
}

/// What is wrong with an answer as the server of this command reads it.
fn wrong(plan: &Plan, body: &Json, intents: usize, answer: &[u8]) -> Option<String> {
    let reply = plan.reply.as_ref()?;
    let Ok(Json::Object(answer)) = serde_json::from_slice::<Json>(answer) else {
        return Some("it is no JSON object".to_owned());
    };
    let mut known: HashSet<&str> = HashSet::new();
    for (name, is_text) in fixed(plan.provider) {
        known.insert(name);
        let typed = |value: &Json| if *is_text { value.is_string() } else { is_integer(value) };
        if !answer.get(*name).is_some_and(typed) {
            return Some(format!("{name} is {:?}", answer.get(*name)));
        }
    }
    known.extend(reply.must_echo.iter().map(|name| &*name.text));
    known.extend(reply.modify.iter().map(|modify| &*modify.to[0]));
    known.extend(reply.per_member.iter().map(|per_member| &*per_member.to));
    known.extend(reply.refuse.iter().map(|(_, to)| &**to));
    known.extend(reply.items.iter().map(|(to, _)| &**to));
    if let Some(name) = answer.keys().find(|name| !known.contains(name.as_str())) {
        return Some(format!("nobody knows {name}"));
    }
    if let Some(name) = reply.never.iter().find(|name| answer.contains_key(&***name)) {
        return Some(format!("{name} must never be returned"));
    }
    if let Some((to, _)) = &reply.items
        && answer.get(&**to).and_then(Json::as_array).map_or(0, Vec::len) != intents
    {
        return Some(format!("{to} has not one object per element"));
    }
    let denied = ["actionCode", "ErrorCode"]
        .iter()
        .any(|name| answer.get(*name).is_some_and(|code| *code != 0));
    let lost = reply
        .must_echo
        .iter()
        .find(|name| body.get(&*name.text).is_some() && !answer.contains_key(&*name.text));
    if let Some(name) = lost.filter(|_| !denied) {
        return Some(format!("{} is not echoed", name.text));
    }
    mistyped(plan, reply, body, &answer)
}

/// A changed member that is not of its type.
fn mistyped(
    plan: &Plan,
    reply: &ReplyPlan,
    body: &Json,
    answer: &Map<String, Json>,
) -> Option<String> {
    let objects: Vec<&Map<String, Json>> = match &reply.per_member {
        None => vec![answer],
        Some(per_member) => {
            let list = answer.get(&*per_member.to).and_then(Json::as_array);
            list.into_iter().flatten().filter_map(Json::as_object).collect()
        }
    };
    for modify in &reply.modify {
        let (first, rest) = modify.to.split_first().expect("a member has a name");
        for object in &objects {
            let outer = object.get(&**first);
            let value = rest.iter().try_fold(outer?, |object, name| object.get(&**name));
            // An echo is as it was received.
            let Some(value) = value.filter(|_| outer != body.get(&**first)) else { continue };
            let field_type =
                catalogue().word(&modify.field).map_or(FieldType::Text, |word| word.field_type);
            if !is_typed(&modify.form, field_type, plan.provider, value) {
                return Some(format!("{} is {value}", modify.to.join(".")));
            }
        }
    }
    None
}

#[test]
fn every_rule_of_the_pool_can_do_what_it_says_to_some_sample() {
    let samples = samples();
    for (does, (on, then)) in POOL.iter().enumerate() {
        let rest = String::from("mode: enforce");
        let set = built(&file(&[Chance { does, when: 0, rest }]), None);
        let acts = samples.iter().any(|(_, request)| {
            let answered = answered(&set, set.tables(), request, 0);
            answered.decisions.iter().any(|decision| decision.rule_id.is_some())
        });
        assert!(acts, "{on} {then}");
    }
}

#[test]
fn a_decision_without_a_match_touches_no_heap() {
    let all: Vec<String> = samples().into_iter().map(|(command, _)| command).collect();
    let set = built(&QUIET.replace("ALL", &all.join(", ")), None);
    // Full with one message: what goes makes room for what comes.
    let memory = Memory::with_capacity(1);
    let services = Services { ticks: &|| 0, memory: &memory };
    let mut seen = HashSet::new();
    for (command, request) in samples() {
        request.intents_at(1, &mut |intent| {
            let arena = Bump::with_capacity(1 << 20);
            let intent = Intent { arena: &arena, ..*intent };
            let decide = || set.decide(set.tables(), &intent, &services, &mut Unwatched);
            // Regular expressions, keys of limits and remembered messages make room once.
            let first = decide();
            let none =
                Decision { rules_version: Some(Arc::clone(set.version())), ..Decision::ALLOW };
            assert_eq!(first, none, "{command} matches");
            let counted = allocation_counter::measure(|| assert_eq!(decide(), none));
            assert_eq!(counted.count_total, 0, "{command}");
            seen.insert(command.clone());
        });
    }
    assert!(seen.len() > 40, "{seen:?}");
}

/// Every way to ask about a message, and for any other command what can be asked of all.
const QUIET: &str = r#"
version: 1
lists:
  staff: { kind: ids, items: [nobody] }
  bad: { kind: words, items: [nowhere, 無處] }
  gapped: { kind: words, items: [no where], fold: [gaps, compat, case] }
  slurs: { kind: words, items: [nowhere], match: token }
limits:
  calm: { key: [ctx.command, ctx.kind], allow: 1000, per: 1s }
  chatty: { key: [msg.sender_id, msg.group_id, ctx.provider], allow: 1000, per: 1s }
windows:
  never: { tz: Asia/Shanghai, from: '03:00', to: '03:01' }
vars:
  is_staff: msg.sender_id in lists.staff
  who: 'ctx.provider == "openim" ? "a" : "b"'
rules:
  - { id: ids, on: [message.send], when: vars.is_staff || vars.who == "c", then: { deny: true } }
  - { id: words, on: [message.rewrite], when: 'msg.text.hits(lists.bad) || msg.extra.hits(lists.bad) || msg.text.hits(lists.gapped)', then: { mask: { msg.text: { list: [bad, gapped] } } } }
  - { id: token, on: [message.send], mode: shadow, when: msg.text.lowerAscii().hits(lists.slurs), then: { deny: true } }
  - { id: folded, on: [message.send], when: 'msg.text.fold().contains("nowhere") || msg.text.fold().matches("no[w]here")', then: { deny: true } }
  - { id: night, on: [message.send], when: windows.never && size(msg.text) > 3, then: { deny: true } }
  - { id: raw, on: [callbackBeforeSendGroupMsgCommand], when: 'raw.sessionType == 77 || raw.groupID == "nowhere" || "x" in raw.atUserList', then: { deny: true } }
  - { id: place, on: [message.modify], when: 'ctx.group_id == "nowhere" || ctx.conversation_id == "x"', then: { set: { msg.extra: x } } }
  - { id: loops, on: [message.send], when: 'msg.mentions.exists(m, m.fold() == "nowhere")', then: { deny: true } }
  - { id: flood, on: [message.send], limit: chatty, then: { deny: true } }
  - { id: rest, on: [ALL], when: 'ctx.correlation_id == "nowhere" || ctx.deployment == "nowhere" || now < 0', then: { deny: true } }
  - { id: calm, on: [ALL], limit: calm, then: { deny: true } }
"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_answer_of_every_set_is_one_that_the_server_reads(
        rules in prop::collection::vec(rules_for(0..POOL.len()), 1..12),
    ) {
        let set = built(&file(&rules), None);
        let catalogue = catalogue();
        for (command, request) in samples() {
            let answered = answered(&set, set.tables(), &request, 0);
            if answered.decisions.is_empty() {
                continue;
            }
            let row = catalogue.find(request.provider, &command).expect("samples are of known commands");
            let plan = catalogue.plan(row);
            let body = serde_json::from_str(&request.body).expect("samples are JSON");
            let wrong = wrong(plan, &body, answered.decisions.len(), &answered.bytes);
            let text = String::from_utf8_lossy(&answered.bytes);
            prop_assert_eq!(wrong, None, "{} {} {:?}", command, text, answered.decisions);
        }
    }

    #[test]
    fn rules_that_do_the_same_may_stand_in_any_order(
        does in 0..POOL.len(),
        (rules, shuffled) in prop::collection::vec((0..CONDITIONS.len(), rests()), 2..5).prop_flat_map(|rules| {
            (Just(rules.clone()), Just(rules).prop_shuffle())
        }),
    ) {
        let set = |rules: &[(usize, String)]| {
            let rules: Vec<Chance> =
                rules.iter().map(|(when, rest)| Chance { does, when: *when, rest: rest.clone() }).collect();
            built(&file(&rules), None)
        };
        let [one, other] = [set(&rules), set(&shuffled)];
        for (command, request) in samples() {
            let [a, b] = [&one, &other].map(|set| answered(set, set.tables(), &request, 0));
            prop_assert_eq!(&a.bytes, &b.bytes, "{}", &command);
            for (a, b) in a.decisions.iter().zip(&b.decisions) {
                let what = |decision: &Decision| {
                    let Decision { verdict, enforced, changes, refused_ids, .. } = decision.clone();
                    (verdict, enforced, changes, refused_ids)
                };
                prop_assert_eq!(what(a), what(b), "{}", &command);
            }
        }
    }

    #[test]
    fn the_same_bytes_again_change_nothing(
        rules in prop::collection::vec(rules_for(0..POOL.len()), 1..6),
        reload_at in 0..6_u64,
    ) {
        let limit = "limits: { two: { key: [ctx.command], allow: 2, per: 10s } }\n";
        let limited = "  - { id: limited, on: [message.send], limit: two, mode: shadow, then: { deny: true } }\n";
        let file = format!("{}{limited}", file(&rules)).replace("rules:\n", &format!("{limit}rules:\n"));
        let [stays, mut reloaded] = [built(&file, None), built(&file, None)];
        let mut over = 0;
        for turn in 0..6 {
            if turn == reload_at {
                reloaded = built(&file, Some(&reloaded));
            }
            for (command, request) in samples() {
                let [a, b] = [&stays, &reloaded].map(|set| answered(set, set.tables(), &request, turn));
                let hits = a.decisions.iter().flat_map(|decision| &decision.matches);
                over += hits.filter(|hit| &*hit.rule_id == "limited").count();
                prop_assert_eq!(a, b, "{}", &command);
            }
        }
        prop_assert!(over > 0, "the limit is over at the end");
    }
}
