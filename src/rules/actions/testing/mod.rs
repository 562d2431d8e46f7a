//! Rules at real requests, for the tests of this folder.
//!
//! In: `then` as JSON in the form of a rule file, lists of words and ids, requests. Out: problems,
//! outcomes, and the answers that the dialects write for them. Words are looked for as they are:
//! folding has tests of its own.

mod defs;

pub(super) use defs::{deny_def, line};

use super::super::expr::{EvalError, Names};
use super::super::frame::{FieldId, Frame, Host, ListId, Place, RegexId, VarId, WindowId};
use super::super::problem::{Problem, Problems, Severity};
use super::super::schema::{FieldInfo, Root, Scalar, Target, Type};
use super::super::source::file::{OnError, Text};
use super::super::{Given, Intent};
use super::{Actions, Counted, DefaultDeny, Outcome, Site, compile, outcome};
use crate::call::{Headers, Phase, Provider, RawCall};
use crate::catalogue::{Catalogue, FieldType};
use crate::dialect::door::{Door, Everybody};
use crate::dialect::reply::{Question, reply};
use crate::event::{EventFormat, TopicBy, Value};
use crate::normalise::{Event, Known, Normaliser, Settings};
use bumpalo::Bump;
use defs::{text, then_def};
use regex::Regex;
use serde_json::{Value as Json, json};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

pub(super) static CATALOGUE: LazyLock<Arc<Catalogue>> =
    LazyLock::new(|| Arc::new(Catalogue::embedded()));

/// Lists and patterns, and the fields that texts have asked for.
pub(super) struct World {
    pub(super) catalogue: Arc<Catalogue>,
    lists: Vec<(&'static str, bool, Vec<&'static str>)>,
    patterns: Vec<(String, Regex)>,
    fields: Vec<(Root, String)>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(Arc::clone(&CATALOGUE))
    }

    pub(super) fn with(catalogue: Arc<Catalogue>) -> Self {
        Self { catalogue, lists: Vec::new(), patterns: Vec::new(), fields: Vec::new() }
    }

    pub(super) fn words(mut self, name: &'static str, words: &[&'static str]) -> Self {
        self.lists.push((name, true, words.to_vec()));
        self
    }

    pub(super) fn ids(mut self, name: &'static str, ids: &[&'static str]) -> Self {
        self.lists.push((name, false, ids.to_vec()));
        self
    }

    /// The entries of `on` with their targets.
    pub(super) fn on(&self, entries: &[&str]) -> Vec<(Text, Vec<Target>)> {
        entries.iter().map(|entry| (text(0, entry), self.targets(entry))).collect()
    }

    fn targets(&self, entry: &str) -> Vec<Target> {
        let mut targets = Vec::new();
        for (row, plan) in self.catalogue.indexed_rows() {
            if plan.phase != Phase::Before {
                continue;
            }
            let modify = plan.reply.iter().flat_map(|reply| &reply.modify);
            let rewrites = modify.clone().any(|modify| &*modify.field == "text");
            for (kind, plan_kind) in (0..).zip(&plan.kinds) {
                let name = &*plan_kind.name;
                let sends = ["message.direct.send", "message.group.send", "message.official.send"];
                let named = match entry {
                    "message.send" => sends.contains(&name),
                    "message.rewrite" => {
                        name == "message.modify" || (sends.contains(&name) && rewrites)
                    }
                    entry => entry == name || *entry == *plan.command,
                };
                if named {
                    targets.push(Target { provider: plan.provider, row, kind });
                }
            }
        }
        assert!(!targets.is_empty(), "{entry} names nothing");
        targets
    }

    /// What a rule does, and what was reported about it.
    pub(super) fn load(&mut self, entries: &[&str], then: &Json) -> (Actions, Vec<Problem>) {
        let on = self.on(entries);
        self.load_on(&on, then)
    }

    /// As [`Self::load`], for one provider.
    pub(super) fn load_for(
        &mut self,
        provider: Provider,
        entries: &[&str],
        then: &Json,
    ) -> (Actions, Vec<Problem>) {
        let mut on = self.on(entries);
        for (_, targets) in &mut on {
            targets.retain(|target| target.provider == provider);
        }
        self.load_on(&on, then)
    }

    fn load_on(&mut self, on: &[(Text, Vec<Target>)], then: &Json) -> (Actions, Vec<Problem>) {
        let problems = Problems::default();
        let catalogue = Arc::clone(&self.catalogue);
        let mut site = Site {
            problems: &problems,
            rule: &"r".into(),
            catalogue: &catalogue,
            on,
            on_complete: true,
            names: self,
        };
        let actions = compile(&then_def(then), &mut site);
        (actions, problems.into_sorted())
    }

    /// As [`Self::load`], of a rule without mistakes.
    pub(super) fn actions(&mut self, entries: &[&str], then: &Json) -> Actions {
        let (actions, problems) = self.load(entries, then);
        let errors: Vec<_> =
            problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{then}: {errors:#?}");
        actions
    }
}

impl Names for World {
    fn field(&mut self, root: Root, path: &str) -> Result<(FieldId, FieldInfo), String> {
        let kind = match root {
            Root::Ctx | Root::Raw => Type::Scalar(Scalar::Text),
            Root::Msg => {
                let word = self.catalogue.word(path).ok_or(format!("no field {path:?}"))?;
                match word.field_type {
                    FieldType::Text => Type::Scalar(Scalar::Text),
                    FieldType::Int => Type::Scalar(Scalar::Int),
                    FieldType::Bool => Type::Scalar(Scalar::Bool),
                    FieldType::Ints => Type::List(Scalar::Int),
                    FieldType::Texts => Type::List(Scalar::Text),
                    FieldType::Items | FieldType::Object => Type::Items([].into()),
                }
            }
        };
        self.fields.push((root, path.to_owned()));
        let id = u16::try_from(self.fields.len() - 1).expect("tests are small");
        Ok((FieldId(id), FieldInfo { kind, words: None }))
    }

    fn ids(&mut self, name: &str) -> Result<ListId, String> {
        self.list(name, false)
    }

    fn words(&mut self, name: &str) -> Result<ListId, String> {
        self.list(name, true)
    }

    fn window(&mut self, name: &str) -> Result<WindowId, String> {
        Err(format!("no window {name:?}"))
    }

    fn var(&mut self, name: &str) -> Result<(VarId, Scalar), Option<String>> {
        Err(Some(format!("no variable {name:?}")))
    }

    fn regex(&mut self, pattern: &str) -> Result<RegexId, String> {
        let regex = Regex::new(pattern).map_err(|error| error.to_string())?;
        self.patterns.push((pattern.to_owned(), regex));
        Ok(RegexId(u16::try_from(self.patterns.len() - 1).expect("tests are small")))
    }
}

impl World {
    fn list(&self, name: &str, words: bool) -> Result<ListId, String> {
        let wanted = |(known, kind, _): &(&str, bool, _)| *known == name && *kind == words;
        let at = self.lists.iter().position(wanted).ok_or(format!("no list {name:?}"))?;
        Ok(ListId(u16::try_from(at).expect("tests are small")))
    }
}

/// What a world says about one intent.
struct Asked<'a> {
    world: &'a World,
    known: &'a Known<'a>,
}

impl<'a> Host<'a> for Asked<'a> {
    fn value(&self, field: FieldId) -> Value<'a> {
        let (root, path) = &self.world.fields[usize::from(field.0)];
        match (root, &**path) {
            (Root::Ctx, "provider") => Value::Text(self.known.plan.provider.name()),
            (Root::Ctx, "kind") => Value::Text(&self.known.kind.name),
            (Root::Raw, name) => {
                self.known.body.get(name).and_then(|v| v.text()).map_or(Value::Absent, Value::Text)
            }
            _ => Value::Absent,
        }
    }

    fn fold(&self, _: Option<FieldId>, text: &'a str) -> &'a str {
        text
    }

    fn hits(&self, _: Option<FieldId>, text: &'a str, list: ListId) -> bool {
        self.world.lists[usize::from(list.0)].2.iter().any(|word| text.contains(word))
    }

    fn spans(&self, text: &str, lists: &[ListId], spans: &mut Vec<Range<usize>>) {
        for word in lists.iter().flat_map(|list| &self.world.lists[usize::from(list.0)].2) {
            // Overlapping ones too, so from every character.
            for (from, _) in text.char_indices() {
                if text[from..].starts_with(word) {
                    spans.push(from..from + word.len());
                }
            }
        }
    }

    fn has_id(&self, list: ListId, id: &str) -> bool {
        self.world.lists[usize::from(list.0)].2.contains(&id)
    }

    fn window(&self, _: WindowId) -> bool {
        false
    }

    fn var(&self, _: VarId) -> Result<Value<'a>, EvalError> {
        Ok(Value::Bool(false))
    }

    fn regex(&self, regex: RegexId) -> &Regex {
        &self.world.patterns[usize::from(regex.0)].1
    }
}

/// A rule that counts.
pub(super) type Rule<'r> = (&'r str, OnError, &'r Actions);

/// What came of one intent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ran {
    pub(super) outcome: Outcome,
    /// The answer, when the outcome is enforced and the request has no other intent.
    pub(super) answer: Json,
}

impl Ran {
    pub(super) fn rule(&self) -> Option<&str> {
        self.outcome.rule_id.as_deref()
    }

    /// Changes as recorded.
    pub(super) fn changes(&self) -> Json {
        let changes = self.outcome.changes.iter().map(|(field, change)| {
            let value = match change {
                crate::verdict::Change::Value(value) => value.clone(),
                crate::verdict::Change::Content { text, .. } => json!(text),
            };
            (field.clone(), value)
        });
        Json::Object(changes.collect())
    }

    /// Members of the answer behind those of every allow.
    pub(super) fn members(&self) -> Json {
        let fixed = [
            "actionCode",
            "errCode",
            "errMsg",
            "errDlt",
            "nextCode",
            "ActionStatus",
            "ErrorInfo",
            "ErrorCode",
        ];
        let members = self.answer.as_object().expect("answers are objects").iter();
        let members = members.filter(|(name, _)| !fixed.contains(&name.as_str()));
        Json::Object(members.map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}

struct NoHeaders;

impl Headers for NoHeaders {
    fn get(&self, _: &str) -> Option<&[u8]> {
        None
    }
}

impl World {
    /// The rules at a request that is one intent.
    pub(super) fn one(&self, rules: &[Rule<'_>], command: &str, body: &Json) -> Ran {
        self.one_with(rules, &DefaultDeny::default(), command, body)
    }

    pub(super) fn one_with(
        &self,
        rules: &[Rule<'_>],
        default: &DefaultDeny,
        command: &str,
        body: &Json,
    ) -> Ran {
        let mut all = self.all(rules, default, command, &body.to_string(), None);
        assert_eq!(all.len(), 1, "{command} {body}");
        all.remove(0)
    }

    /// The rules at every intent of a request; its body is sent as it is.
    pub(super) fn all(
        &self,
        rules: &[Rule<'_>],
        default: &DefaultDeny,
        command: &str,
        body: &str,
        given: Option<Given<'_>>,
    ) -> Vec<Ran> {
        self.all_but(rules, default, command, body, given, |_| ())
    }

    /// As [`Self::all`], with each intent touched before the rules see it.
    pub(super) fn all_but(
        &self,
        rules: &[Rule<'_>],
        default: &DefaultDeny,
        command: &str,
        body: &str,
        given: Option<Given<'_>>,
        touch: impl Fn(&mut Known<'_>),
    ) -> Vec<Ran> {
        let provider = if command.contains('.') { Provider::Tencent } else { Provider::OpenIm };
        let (path, query) = match provider {
            Provider::OpenIm => (format!("/{command}"), String::new()),
            Provider::Tencent => (String::new(), format!("CallbackCommand={command}&SdkAppid=1")),
        };
        let call = RawCall {
            provider,
            path: &path,
            query: &query,
            headers: &NoHeaders,
            peer: None,
            body: body.as_bytes(),
            received_at_ms: 1_735_689_600_123,
        };
        let settings = Settings {
            topic_prefix: "im.".to_owned(),
            topic_by: TopicBy::Kind,
            event_format: EventFormat::Structured,
            event_bytes_max: 1_000_000,
        };
        let door = Door::new(Arc::clone(&self.catalogue), "test", Box::new(Everybody));
        let normaliser = Normaliser::new(Arc::clone(&self.catalogue), settings);
        let arena = Bump::new();
        let callback = door.read(&call, &arena).ok().expect("everybody may pass");
        let events = normaliser.events(&callback, &arena);
        let ran = |event: &Event<'_>| {
            let mut known = event.known.expect("requests of tests have a kind");
            touch(&mut known);
            self.ran(rules, default, &known, &arena, given)
        };
        events.iter().map(ran).collect()
    }

    fn ran<'a>(
        &'a self,
        rules: &[Rule<'_>],
        default: &DefaultDeny,
        known: &'a Known<'a>,
        arena: &'a Bump,
        given: Option<Given<'_>>,
    ) -> Ran {
        let place = |(root, path): &(Root, String)| match root {
            Root::Msg => {
                let mut slots = known.kind.keep.iter().map(|(slot, _)| *slot);
                let slot = slots.find(|slot| *known.plan.slots[usize::from(slot.0)] == **path);
                slot.map_or(Place::Absent, Place::Slot)
            }
            Root::Raw | Root::Ctx => Place::Asked,
        };
        let places: Vec<Place> = self.fields.iter().map(place).collect();
        let host = Asked { world: self, known };
        let frame = Frame {
            arena,
            now: 0,
            places: arena.alloc_slice_copy(&places),
            slots: known.slots,
            host: arena.alloc(host),
        };
        let intent = Intent {
            known,
            source: "/openim/test",
            correlation: None,
            received_at_ms: 0,
            received_ns: 0,
            arena,
            given: given.as_ref(),
        };
        let ids: Vec<Arc<str>> = rules.iter().map(|(id, ..)| (*id).into()).collect();
        let counting: Vec<Counted<'_>> = ids
            .iter()
            .zip(rules)
            .map(|(id, (_, on_error, actions))| Counted { id, on_error: *on_error, actions })
            .collect();
        let outcome = outcome(&counting, default, &intent, &frame);
        let question = Question {
            provider: known.plan.provider,
            plan: Some(known.plan),
            body: Some(known.body),
            slots: known.slots,
        };
        let answer = reply(&question, &[outcome.clone().into_decision(true)]);
        let answer = serde_json::from_slice(&answer).expect("every answer parses as JSON");
        Ran { outcome, answer }
    }
}

/// An OpenIM message with this content type and content, and more members.
pub(super) fn openim_message(kind: u32, content: &str, more: &Json) -> Json {
    let mut body = json!({
        "sendID": "u1", "serverMsgID": "srv1", "clientMsgID": "cli1", "operationID": "",
        "senderPlatformID": 1, "senderNickname": "Ann", "sessionType": 1, "msgFrom": 100,
        "contentType": kind, "status": 1, "sendTime": 1_735_689_599_000_i64,
        "createTime": 1_735_689_598_900_i64, "content": content, "seq": 0, "atUserList": null,
        "faceURL": "", "ex": ""
    });
    for (name, value) in more.as_object().expect("members") {
        body[name] = value.clone();
    }
    body
}

/// A Tencent direct message with one text.
pub(super) fn tencent_message(text: &str) -> Json {
    json!({
        "From_Account": "u1", "To_Account": "u2", "MsgSeq": 5, "MsgRandom": 7,
        "MsgTime": 1_735_689_599, "MsgKey": "5_7_1735689599", "OnlineOnlyFlag": 0,
        "MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": {"Text": text}}],
        "CloudCustomData": ""
    })
}
