//! From a callback to events: the plan runner.
//!
//! In: an authentic callback and the compiled catalogue. Out: [`Event`]s, whose fields stand in slots
//! where rules can look at them, and from those finished Kafka records in a batch. Pure: no clock,
//! no I/O; the same callback gives the same bytes. What always holds: every body, however odd, gives
//! at least one event; what cannot be classified is an event of kind `unknown` with its reason.
//!
//! The way of one body: find the plan's top-level members (`roots`), run the locators (`scope`,
//! `coerce`, `path`), walk the message (`content`), derive, choose the kind, look for required
//! fields, make the id (`id`) and the attributes (`template`), apply privacy; then `write`.

pub mod content;
pub mod path;
pub mod request;
pub mod time;
pub mod topics;

mod coerce;
mod id;
mod redact;
mod restore;
mod scope;
mod spent;
mod template;
mod write;

pub use coerce::raw_value;
pub use restore::{Class, NoEvent, Restored};
pub use write::{Written, decision_json};

use crate::call::{Callback, CommandName, Part, Phase, RowIndex};
use crate::catalogue::plan::{ContentForm, Derived, Each, KindPlan, Plan, SlotIndex};
use crate::catalogue::{Catalogue, ProviderPlan};
use crate::event::{EventFormat, TopicBy, Value};
use crate::json::{Node, Rewrite};
use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;
use id::{IdInput, event_id};
use scope::Scope;
use spent::{RECORD_BYTES, Spent};
use std::borrow::Cow;
use std::sync::Arc;
use topics::Topics;

/// Text of a body that is no JSON object is cut at so many bytes.
const RAW_TEXT_BYTES_MAX: usize = 65_536;

/// Kind of an event that cannot be classified.
const UNKNOWN: &str = "unknown";

/// How records are named and written.
#[derive(Debug, Clone)]
pub struct Settings {
    /// First part of every topic.
    pub topic_prefix: String,
    /// What a topic stands for.
    pub topic_by: TopicBy,
    /// How an event becomes a record.
    pub event_format: EventFormat,
    /// Limit of value, key and headers.
    pub event_bytes_max: usize,
}

/// The plan runner; one for the whole process, shared by all workers.
#[derive(Debug)]
pub struct Normaliser {
    catalogue: Arc<Catalogue>,
    topics: Topics,
    settings: Settings,
}

/// Why an event cannot be classified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The body is no JSON object.
    NotJson,
    /// There is no command anywhere.
    NoCommand,
    /// The command has no row.
    UnknownCommand,
    /// No case of the row matches.
    UnmatchedKind,
    /// A required field, or the list to split, is absent.
    MissingField,
}

impl Reason {
    /// All, in the order of the metric's labels.
    pub const ALL: [Self; 5] = [
        Self::UnknownCommand,
        Self::NoCommand,
        Self::UnmatchedKind,
        Self::MissingField,
        Self::NotJson,
    ];

    /// The word in `unknown_reason`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::NoCommand => "no_command",
            Self::UnknownCommand => "unknown_command",
            Self::UnmatchedKind => "unmatched_kind",
            Self::MissingField => "missing_field",
        }
    }
}

/// One event of a callback, before it is written.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Event id.
    pub id: &'a str,
    /// Command as the table spells it, or as received; an attribute.
    pub command: Option<&'a str>,
    /// Operation id or RequestID; an attribute.
    pub correlation: Option<&'a str>,
    /// Entity path.
    pub subject: Option<&'a str>,
    /// Kafka key.
    pub partition_key: Option<&'a str>,
    /// The object that becomes `raw`, and what is changed in it.
    pub raw: Option<(Node<'a>, Rewrite<'a>)>,
    /// What the catalogue makes of it, or why it makes nothing of it.
    pub known: Result<Known<'a>, Unknown<'a>>,
}

/// An event that has a kind.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Row of the command.
    pub row: RowIndex,
    /// Plan of the row.
    pub plan: &'a Plan,
    /// Kind.
    pub kind: &'a KindPlan,
    /// Fields, by the plan's slots.
    pub slots: &'a [Value<'a>],
    /// Event time, if the sender told one and the kind keeps it.
    pub time_ms: Option<i64>,
    /// The body of splitting step 1.
    pub body: Node<'a>,
    /// The element of a fan-out.
    pub element: Option<Node<'a>>,
}

/// An event that has none.
#[derive(Debug, Clone, Copy)]
pub struct Unknown<'a> {
    /// Why.
    pub reason: Reason,
    /// Fields that were not found.
    pub missing: &'a [&'a str],
    /// The body as text, when it is no JSON object.
    pub raw_text: Option<&'a str>,
    /// Whether this is a request that would have become too much by being split, whole.
    pub unsplit: bool,
}

impl Normaliser {
    /// A runner over a checked catalogue.
    #[must_use]
    pub fn new(catalogue: Arc<Catalogue>, settings: Settings) -> Self {
        let topics = Topics::new(&catalogue, &settings.topic_prefix, settings.topic_by);
        Self { catalogue, topics, settings }
    }

    /// The catalogue it runs.
    #[must_use]
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// Name of the topic for records that Kafka refuses.
    #[must_use]
    pub fn dead_letter_topic(&self) -> &str {
        self.topics.dead_letters()
    }

    /// Names of all topics that records may go to.
    #[must_use]
    pub fn all_topics(&self) -> Vec<String> {
        self.topics.all(&self.catalogue)
    }

    /// The events of a callback, in order; never none. A callback whose events would repeat too much
    /// of it ([`spent`]) is one event, whole and of kind `unknown`.
    pub fn events<'a>(&'a self, callback: &'a Callback<'a>, arena: &'a Bump) -> &'a [Event<'a>] {
        let mut spent = Spent::default();
        if callback.envelope {
            let texts = callback.parts.iter().filter(|part| part.body.is_none()).count();
            spent.times(callback.parts.len() - 1, RECORD_BYTES);
            spent.times(texts.saturating_sub(1), callback.text.len().min(RAW_TEXT_BYTES_MAX));
        }
        let mut events = BumpVec::new_in(arena);
        for part in callback.parts {
            if spent.too_much() {
                break;
            }
            self.part(callback, part, arena, &mut spent, &mut events);
        }
        if spent.too_much() {
            return arena.alloc_slice_copy(&[self.unsplit(callback, arena)]);
        }
        events.into_bump_slice()
    }

    /// The request as one event, as if the list to split were none.
    fn unsplit<'a>(&'a self, callback: &'a Callback<'a>, arena: &'a Bump) -> Event<'a> {
        let provider = &self.catalogue.providers[callback.provider.index()];
        let mut part = callback.whole;
        let plan = match part.command {
            CommandName::Row(row) => Some(self.catalogue.plan(row)),
            _ => None,
        };
        let list = match (&provider.split, plan.and_then(|plan| plan.each.as_ref())) {
            (Some(split), _) if callback.envelope => {
                // Redaction knows elements, but not where they stand in the body of an envelope.
                part.body = part.body.filter(|_| provider.redact_text.is_empty());
                bumpalo::format!(in arena, "$.{}", split.text).into_bump_str()
            }
            (_, each) => each.map_or("$", |each| &each.text),
        };
        let run = self.run(callback, arena.alloc(part), arena);
        let spent = &mut Spent::default();
        let mut event = match part.body {
            Some(_) => run.unknown(
                plan,
                Reason::MissingField,
                arena.alloc_slice_copy(&[list]),
                None,
                spent,
            ),
            None => run.unknown(plan, Reason::NotJson, &[], None, spent),
        };
        if let Err(unknown) = &mut event.known {
            unknown.unsplit = true;
        }
        event
    }

    fn run<'a>(
        &'a self,
        callback: &'a Callback<'a>,
        part: &'a Part<'a>,
        arena: &'a Bump,
    ) -> Run<'a> {
        let provider = &self.catalogue.providers[callback.provider.index()];
        let mut scope = Scope {
            callback,
            pair_separator: &provider.pair_separator,
            body: part.body,
            roots: &[],
            element: None,
            correlation: None,
            arena,
        };
        scope.correlation = scope.first(&provider.correlation).text();
        Run { provider, part, scope }
    }

    fn part<'a>(
        &'a self,
        callback: &'a Callback<'a>,
        part: &'a Part<'a>,
        arena: &'a Bump,
        spent: &mut Spent<'a>,
        events: &mut BumpVec<'a, Event<'a>>,
    ) {
        let mut run = self.run(callback, part, arena);
        if !events.is_empty() {
            spent.next();
        }
        let CommandName::Row(row) = part.command else {
            let reason = match part.command {
                _ if part.body.is_none() => Reason::NotJson,
                CommandName::Missing => Reason::NoCommand,
                _ => Reason::UnknownCommand,
            };
            return events.push(run.unknown(None, reason, &[], None, spent));
        };
        let plan = self.catalogue.plan(row);
        let Some(body) = part.body else {
            return events.push(run.unknown(Some(plan), Reason::NotJson, &[], None, spent));
        };
        run.scope.roots = roots(plan, body, arena);
        let Some(each) = &plan.each else {
            return events.push(run.event(row, plan, body, None, spent));
        };
        run.fan_out(row, plan, body, each, spent, events);
    }
}

/// The plan's top-level members, found in one pass over the body.
fn roots<'a>(plan: &Plan, body: Node<'a>, arena: &'a Bump) -> &'a [Option<Node<'a>>] {
    let roots = arena.alloc_slice_fill_copy(plan.roots.len(), None);
    for member in body.members() {
        if let Some(root) = plan.roots.find(member.name, member.hash) {
            roots[usize::from(root.0)] = Some(member.value);
        }
    }
    roots
}

/// One body on its way.
#[derive(Clone, Copy)]
struct Run<'a> {
    provider: &'a ProviderPlan,
    part: &'a Part<'a>,
    scope: Scope<'a>,
}

impl<'a> Run<'a> {
    fn fan_out(
        &self,
        row: RowIndex,
        plan: &'a Plan,
        body: Node<'a>,
        each: &'a Each,
        spent: &mut Spent<'a>,
        events: &mut BumpVec<'a, Event<'a>>,
    ) {
        let list = self.scope.node(&each.path).filter(Node::is_list);
        let Some(list) = list.filter(|list| !list.is_empty_container()) else {
            let missing = self.scope.arena.alloc_slice_copy(&[&*each.text]);
            let event = self.unknown(Some(plan), Reason::MissingField, missing, None, spent);
            return events.push(event);
        };
        let rest = body.source().len() - list.source().len();
        spent.times(list.items().count() - 1, RECORD_BYTES + rest);
        for (position, element) in list.items().enumerate() {
            if spent.too_much() {
                return;
            }
            let run = Self { scope: self.scope.at(element), ..*self };
            let place = Place { list, element, position };
            events.push(run.event(row, plan, body, Some(place), spent));
            spent.next();
        }
    }

    /// `""`, `3`, or `1.0`.
    fn index(&self, place: Option<Place<'a>>) -> &'a str {
        let arena = self.scope.arena;
        match (self.part.position, place) {
            (None, None) => "",
            (Some(outer), None) => bumpalo::format!(in arena, "{}", outer).into_bump_str(),
            (None, Some(place)) => bumpalo::format!(in arena, "{}", place.position).into_bump_str(),
            (Some(outer), Some(place)) => {
                bumpalo::format!(in arena, "{}.{}", outer, place.position).into_bump_str()
            }
        }
    }

    fn attribute(&self, text: &'a str) -> &'a str {
        template::attribute(text, self.scope.arena)
    }

    fn correlation(&self) -> Option<&'a str> {
        self.scope.correlation.map(|text| self.attribute(text))
    }

    fn event(
        &self,
        row: RowIndex,
        plan: &'a Plan,
        body: Node<'a>,
        place: Option<Place<'a>>,
        spent: &mut Spent<'a>,
    ) -> Event<'a> {
        let case = plan.cases.iter().find(|case| self.scope.matches(&case.at, &case.test));
        let Some(case) = case else {
            return self.unknown(Some(plan), Reason::UnmatchedKind, &[], place, spent);
        };
        let kind = &plan.kinds[case.kind];
        let slots = self.slots(plan);
        spent.fields(slots);
        if plan.phase == Phase::After {
            let missing = kind.required.iter().filter(|(_, slot)| absent(slots, *slot));
            let missing = BumpVec::from_iter_in(missing.map(|(name, _)| &**name), self.scope.arena);
            if !missing.is_empty() {
                let missing = missing.into_bump_slice();
                return self.unknown(Some(plan), Reason::MissingField, missing, place, spent);
            }
        }
        let input = IdInput {
            command: &plan.command,
            index: self.index(place),
            body: Some(body),
            position: self.part.position,
            redact: &plan.redact,
            redacted_text: None,
        };
        let id = event_id(&input, &plan.id, &self.provider.fallback_id, &self.scope, spent);
        for slot in &kind.privacy.drop {
            slots[usize::from(slot.0)] = Value::Absent;
        }
        let arena = self.scope.arena;
        let fill = |alternatives| {
            template::fill(alternatives, slots, &self.provider.pair_separator, arena)
        };
        let kept =
            plan.derived.occurred_at_ms.filter(|at| kind.keep.iter().any(|(slot, _)| slot == at));
        Event {
            id,
            command: Some(&plan.command),
            correlation: self.correlation(),
            subject: fill(&kind.subject),
            partition_key: fill(&kind.partition_key),
            raw: Some((body, rewrite(&plan.redact, place))),
            known: Ok(Known {
                row,
                plan,
                kind,
                time_ms: kept.and_then(|slot| slots[usize::from(slot.0)].int()),
                slots,
                body,
                element: place.map(|place| place.element),
            }),
        }
    }

    /// Locators, content, time, derived fields: in this order.
    fn slots(&self, plan: &'a Plan) -> &'a mut [Value<'a>] {
        let slots = self.scope.arena.alloc_slice_fill_copy(plan.slots.len(), Value::Absent);
        for (slot, take) in &plan.fields {
            slots[usize::from(slot.0)] = self.scope.take(take);
        }
        self.content(plan, slots);
        if let Some(slot) = plan.derived.occurred_at_ms {
            slots[usize::from(slot.0)] = self.scope.first(&plan.time);
        }
        derive(plan.derived, slots);
        slots
    }

    fn content(&self, plan: &'a Plan, slots: &mut [Value<'a>]) {
        let Some(content) = &plan.content else { return };
        let node = |value: Value<'a>| if let Value::Json(node) = value { Some(node) } else { None };
        let body = node(self.scope.locate(&content.body));
        let arena = self.scope.arena;
        let read = match content.model.form {
            ContentForm::OpenIm => {
                let code = content.kind.as_ref().map(|kind| self.scope.locate(kind));
                let code = code.map(|code| coerce::id(code, arena)).and_then(|code| code.text());
                content::read_openim(&content.model, code, body, arena)
            }
            ContentForm::Tencent => {
                let Some(read) = content::read_tencent(&content.model, body, arena) else { return };
                read
            }
        };
        let mut set = |slot: SlotIndex, value: Value<'a>| slots[usize::from(slot.0)] = value;
        set(content.content_type, read.content_type.map_or(Value::Absent, Value::Text));
        set(content.content_types, Value::List(read.content_types));
        set(content.text, read.text.map_or(Value::Absent, Value::Text));
        if read.text_incomplete {
            set(content.text_incomplete, Value::Bool(true));
        }
        if !read.media_urls.is_empty() {
            set(content.media_urls, Value::List(read.media_urls));
        }
    }

    fn unknown(
        &self,
        plan: Option<&'a Plan>,
        reason: Reason,
        missing: &'a [&'a str],
        place: Option<Place<'a>>,
        spent: &mut Spent<'a>,
    ) -> Event<'a> {
        let arena = self.scope.arena;
        let command: Option<&'a str> = match (plan, self.part.command) {
            (Some(plan), _) => Some(&plan.command),
            (None, CommandName::Unknown(name)) => Some(name),
            _ => None,
        };
        let redact = plan.map_or(&*self.provider.redact, |plan| &*plan.redact);
        let whole = self.scope.callback.text;
        let text = self.part.body.is_none().then(|| {
            *spent.raw_text.get_or_insert_with(|| {
                match redact::text(whole, &self.provider.redact_text) {
                    Cow::Borrowed(text) => (text, false),
                    Cow::Owned(text) => (&*arena.alloc_str(&text), true),
                }
            })
        });
        let input = IdInput {
            command: command.unwrap_or_default(),
            index: self.index(place),
            body: self.part.body,
            position: self.part.position,
            redact,
            redacted_text: text.filter(|(_, replaced)| *replaced).map(|(text, _)| text),
        };
        let shown = command.map(|command| self.attribute(command));
        let subject = shown.filter(|command| !command.is_empty()).map(|command| {
            self.attribute(bumpalo::format!(in arena, "command/{}", command).into_bump_str())
        });
        Event {
            id: event_id(&input, &[], &self.provider.fallback_id, &self.scope, spent),
            command: shown,
            correlation: self.correlation(),
            subject,
            partition_key: None,
            raw: self.part.body.map(|body| (body, rewrite(redact, place))),
            known: Err(Unknown {
                reason,
                missing,
                raw_text: text
                    .map(|(text, _)| &text[..text.floor_char_boundary(RAW_TEXT_BYTES_MAX)]),
                unsplit: false,
            }),
        }
    }
}

/// Place of an event in a fan-out.
#[derive(Clone, Copy)]
struct Place<'a> {
    list: Node<'a>,
    element: Node<'a>,
    position: usize,
}

fn rewrite<'a>(redact: &'a [Box<str>], place: Option<Place<'a>>) -> Rewrite<'a> {
    Rewrite { redact, cut: place.map(|place| (place.list, place.element)) }
}

fn absent(slots: &[Value<'_>], slot: Option<SlotIndex>) -> bool {
    slot.is_none_or(|slot| slots[usize::from(slot.0)].is_absent())
}

/// The conversation names its type, and the group when it is one and the row gave none.
fn derive(derived: Derived, slots: &mut [Value<'_>]) {
    let Some(id) = derived.conversation_id.and_then(|slot| slots[usize::from(slot.0)].text())
    else {
        return;
    };
    let Some((kind, rest)) = id.split_once(':') else { return };
    if let Some(slot) = derived.conversation_type {
        slots[usize::from(slot.0)] = Value::Text(kind);
    }
    if let Some(slot) = derived.group_id
        && kind == "group"
        && slots[usize::from(slot.0)].is_absent()
    {
        slots[usize::from(slot.0)] = Value::Text(rest);
    }
}
