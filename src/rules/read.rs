//! Reads fields that are in no slot: members of the body (`raw`), and what the bridge knows besides
//! (`ctx`).
//!
//! In: a name, once; then an intent, and for `ctx` maybe the memory of earlier callbacks. Out: values
//! that live in the request's arena. What always holds: nothing fails; what is not there, or is not
//! of the declared type, is absent. Every read walks the body anew: whoever asks twice remembers.

use super::Intent;
use super::memory::{Memory, Place};
use super::schema::{Scalar, Type};
use crate::call::Provider;
use crate::catalogue::plan::{KindPlan, Name, Plan, RawType, SlotIndex, Step};
use crate::event::Value;
use crate::json::Node;
use crate::normalise::path::{Found, find};
use crate::normalise::raw_value;
use bumpalo::Bump;

/// A member of the body.
#[derive(Debug)]
pub struct RawField {
    steps: Box<[Step]>,
    wanted: RawType,
}

impl RawField {
    /// The member at `path`, whose dots lead into objects, read as `wanted`.
    #[must_use]
    pub fn new(path: &str, wanted: RawType) -> Self {
        let steps = path.split('.').map(|name| Step::Member(Name::new(name))).collect();
        Self { steps, wanted }
    }

    /// The member of an intent. In a fan-out it is that of the whole body, not of the element.
    #[must_use]
    pub fn of<'a>(&self, intent: &Intent<'a>) -> Value<'a> {
        self.read(intent.known.body, intent.arena)
    }

    /// The member of a body.
    #[must_use]
    pub fn read<'a>(&self, body: Node<'a>, arena: &'a Bump) -> Value<'a> {
        match find(body, &self.steps, arena) {
            Found::One(node) => raw_value(node, self.wanted, arena),
            Found::Nothing | Found::Many(_) => Value::Absent,
        }
    }
}

/// The type that conditions see.
#[must_use]
pub const fn type_of(raw: RawType) -> Type {
    match raw {
        RawType::Text => Type::Scalar(Scalar::Text),
        RawType::Int => Type::Scalar(Scalar::Int),
        RawType::Bool => Type::Scalar(Scalar::Bool),
        RawType::Texts => Type::List(Scalar::Text),
    }
}

/// A field of `ctx`. All are texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ctx {
    /// `openim` or `tencent`.
    Provider,
    /// The command, as the attribute `imcommand` has it.
    Command,
    /// The kind.
    Kind,
    /// The last part of `source`.
    Deployment,
    /// Operation id or `RequestID`.
    CorrelationId,
    /// The group that the message goes to.
    GroupId,
    /// The user that the message goes to.
    RecipientId,
    /// The conversation of the message.
    ConversationId,
}

impl Ctx {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::Provider,
        Self::Command,
        Self::Kind,
        Self::Deployment,
        Self::CorrelationId,
        Self::GroupId,
        Self::RecipientId,
        Self::ConversationId,
    ];

    /// The name behind `ctx.`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Command => "command",
            Self::Kind => "kind",
            Self::Deployment => "deployment",
            Self::CorrelationId => "correlation_id",
            Self::GroupId => "group_id",
            Self::RecipientId => "recipient_id",
            Self::ConversationId => "conversation_id",
        }
    }

    /// The field of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// Whether a set that reads this field needs a [`Memory`].
    #[must_use]
    pub const fn needs_memory(self) -> bool {
        matches!(self, Self::GroupId | Self::RecipientId | Self::ConversationId)
    }

    /// The value of an intent: what is given by hand, the request's own, what is remembered.
    #[must_use]
    pub fn of<'a>(self, intent: &Intent<'a>, memory: Option<&Memory>) -> Value<'a> {
        if let Some(given) = intent.given
            && let Some((_, text)) = given.ctx.iter().find(|(name, _)| *name == self.name())
        {
            return Value::Text(text);
        }
        let known = intent.known;
        match self {
            Self::Provider => Value::Text(known.plan.provider.name()),
            Self::Command => Value::Text(&known.plan.command),
            Self::Kind => Value::Text(&known.kind.name),
            Self::Deployment => Value::Text(deployment(intent.source)),
            Self::CorrelationId => optional(intent.correlation),
            Self::GroupId | Self::RecipientId | Self::ConversationId => {
                let own = own_text(intent, self.name());
                optional(own.or_else(|| self.recalled(intent, memory?)))
            }
        }
    }

    fn recalled<'a>(self, intent: &Intent<'a>, memory: &Memory) -> Option<&'a str> {
        let plan = intent.known.plan;
        // A send callback has said all that there is to remember.
        if plan.provider != Provider::OpenIm || is_send(intent.known.kind) {
            return None;
        }
        let message = own_text(intent, "message_id")?;
        let place = memory.recall(message, intent.received_ns, intent.arena)?;
        match self {
            Self::GroupId => place.group_id,
            Self::RecipientId => place.recipient_id,
            _ => place.conversation_id,
        }
    }
}

/// Keeps where a message goes, when the intent is one of OpenIM's `message.*.send`.
pub fn remember(intent: &Intent<'_>, memory: &Memory) {
    let known = intent.known;
    if known.plan.provider != Provider::OpenIm || !is_send(known.kind) {
        return;
    }
    let Some(message) = own_text(intent, "message_id") else { return };
    let place = Place {
        group_id: own_text(intent, "group_id"),
        recipient_id: own_text(intent, "recipient_id"),
        conversation_id: own_text(intent, "conversation_id"),
    };
    memory.remember(message, place, intent.received_ns);
}

/// The slot of a field, if the kind lists it.
#[must_use]
pub fn slot_of(plan: &Plan, kind: &KindPlan, field: &str) -> Option<SlotIndex> {
    let is = |slot: SlotIndex| *plan.slots[usize::from(slot.0)] == *field;
    kind.keep.iter().map(|(slot, _)| *slot).find(|slot| is(*slot))
}

fn own_text<'a>(intent: &Intent<'a>, field: &str) -> Option<&'a str> {
    let known = intent.known;
    slot_of(known.plan, known.kind, field).and_then(|slot| known.slots[usize::from(slot.0)].text())
}

fn is_send(kind: &KindPlan) -> bool {
    super::schema::SEND_KINDS.contains(&&*kind.name)
}

fn deployment(source: &str) -> &str {
    source.rsplit('/').next().unwrap_or_default()
}

fn optional(text: Option<&str>) -> Value<'_> {
    text.map_or(Value::Absent, Value::Text)
}
