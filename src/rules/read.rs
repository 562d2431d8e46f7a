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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Given;
    use crate::rules::probe::Request;
    use serde_json::{Value as Json, json};

    fn raw(provider: Provider, body: &Json, path: &str, wanted: RawType) -> Vec<String> {
        let mut found = Vec::new();
        Request::new(provider, body).intents(&mut |intent| {
            let field = RawField::new(path, wanted);
            found.push(shown(intent.arena.alloc(field).of(intent)));
        });
        found
    }

    fn shown(value: Value<'_>) -> String {
        match value {
            Value::Absent => "absent".to_owned(),
            Value::Text(text) => text.to_owned(),
            Value::List(items) => {
                items.iter().map(|item| shown(*item)).collect::<Vec<_>>().join("+")
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn members_are_read_with_the_coercion_of_their_type() {
        let body = |value: &str| -> Json {
            let value: Json = serde_json::from_str(value).expect("JSON");
            json!({"CallbackCommand": "Live.CallbackBeforeSendGift", "GiftWater": {"x": value}})
        };
        for (value, text, int, bool, texts) in [
            ("\"\"", "", "absent", "absent", "absent"),
            ("\"12\"", "12", "Int(12)", "absent", "12"),
            ("1", "1", "Int(1)", "Bool(true)", "1"),
            ("1.50", "1.50", "absent", "absent", "absent"),
            ("true", "true", "absent", "Bool(true)", "absent"),
            ("null", "absent", "absent", "absent", "absent"),
            ("[]", "[]", "absent", "absent", ""),
            ("[\"a\",\"\",2,null]", "[\"a\",\"\",2,null]", "absent", "absent", "a+2"),
            ("{\"a\": 1}", "{\"a\":1}", "absent", "absent", "absent"),
        ] {
            let read = |wanted| raw(Provider::Tencent, &body(value), "GiftWater.x", wanted);
            assert_eq!(read(RawType::Text), [text], "{value}");
            assert_eq!(read(RawType::Int), [int], "{value}");
            assert_eq!(read(RawType::Bool), [bool], "{value}");
            assert_eq!(read(RawType::Texts), [texts], "{value}");
        }
        let odd = raw(Provider::Tencent, &body("1"), "GiftWater.x.y", RawType::Text);
        assert_eq!(odd, ["absent"], "a number has no members");
    }

    #[test]
    fn every_intent_of_a_fan_out_reads_the_whole_body() {
        let body = json!({
            "CallbackCommand": "Sns.CallbackPrevFriendAdd",
            "From_Account": "u1", "AddType": "Add_Type_Both",
            "FriendItem": [{"To_Account": "u2", "AddType": "no"}, {"To_Account": "u3"}],
        });
        let read = |path: &str| raw(Provider::Tencent, &body, path, RawType::Text);
        assert_eq!(read("AddType"), ["Add_Type_Both", "Add_Type_Both"]);
        assert_eq!(read("To_Account"), ["absent", "absent"], "that is a member of the element");
    }

    /// All fields of `ctx` of a body's one intent.
    fn ctx(body: &Json, memory: Option<&Memory>, received_ns: u64) -> Vec<String> {
        let provider = match body.get("callbackCommand") {
            Some(_) => Provider::OpenIm,
            None => Provider::Tencent,
        };
        let mut found = Vec::new();
        Request::new(provider, body).intents_at(received_ns, &mut |intent| {
            assert!(found.is_empty(), "one intent");
            if let Some(memory) = memory {
                remember(intent, memory);
            }
            found.extend(Ctx::ALL.map(|field| shown(field.of(intent, memory))));
        });
        found
    }

    fn send(group: bool) -> Json {
        let mut body = json!({
            "callbackCommand": "callbackBeforeSendSingleMsgCommand",
            "operationID": "op-1", "serverMsgID": "m1", "sendID": "a", "recvID": "b",
        });
        if group {
            body["callbackCommand"] = "callbackBeforeSendGroupMsgCommand".into();
            body["groupID"] = "g1".into();
        }
        body
    }

    fn modify(message: &str) -> Json {
        json!({"callbackCommand": "callbackMsgModifyCommand", "serverMsgID": message, "sendID": "a"})
    }

    #[test]
    fn the_context_of_a_request_is_its_own() {
        assert_eq!(
            ctx(&send(false), None, 0),
            [
                "openim",
                "callbackBeforeSendSingleMsgCommand",
                "message.direct.send",
                "demo",
                "op-1",
                "absent",
                "b",
                "direct:a_b",
            ]
        );
        let tencent = json!({
            "CallbackCommand": "Group.CallbackBeforeSendMsg", "GroupId": "g", "From_Account": "a",
        });
        assert_eq!(
            ctx(&tencent, None, 0),
            [
                "tencent",
                "Group.CallbackBeforeSendMsg",
                "message.group.send",
                "1400000001",
                "absent",
                "g",
                "absent",
                "group:g",
            ]
        );
    }

    #[test]
    fn a_modify_has_the_place_of_the_send_with_the_same_id() {
        let memory = Memory::default();
        let place = |body: &Json, at: u64| ctx(body, Some(&memory), at)[5..].join(" ");
        assert_eq!(place(&modify("m1"), 0), "absent absent absent");
        place(&send(true), 1_000_000_000);
        assert_eq!(place(&modify("m1"), 61_000_000_000), "g1 absent group:g1");
        assert_eq!(place(&modify("m1"), 61_000_000_001), "absent absent absent");
        assert_eq!(place(&modify("m2"), 2_000_000_000), "absent absent absent");
        assert_eq!(ctx(&modify("m1"), None, 2_000_000_000)[5], "absent", "nobody remembers");
        place(&send(false), 3_000_000_000);
        assert_eq!(place(&modify("m1"), 3_000_000_000), "absent b direct:a_b", "the last send");
    }

    #[test]
    fn only_sends_of_openim_are_remembered() {
        let memory = Memory::default();
        ctx(&modify("m1"), Some(&memory), 0);
        let mut without = send(true);
        without["serverMsgID"] = "".into();
        ctx(&without, Some(&memory), 0);
        let tencent = json!({
            "CallbackCommand": "C2C.CallbackBeforeSendMsg", "From_Account": "a", "To_Account": "b",
            "MsgKey": "m1",
        });
        ctx(&tencent, Some(&memory), 0);
        assert!(memory.is_empty());
        ctx(&send(true), Some(&memory), 0);
        assert_eq!(memory.len(), 1);
    }

    #[test]
    fn what_is_given_by_hand_counts_before_all_else() {
        let given = Given { ctx: &[("group_id", "g9"), ("command", "")], one_piece: false };
        Request::new(Provider::OpenIm, &send(true)).intents(&mut |intent| {
            let intent = Intent { given: Some(&given), ..*intent };
            let read = |field: Ctx| shown(field.of(&intent, None));
            assert_eq!(read(Ctx::GroupId), "g9");
            assert_eq!(read(Ctx::Command), "");
            assert_eq!(read(Ctx::ConversationId), "group:g1", "the rest is the request's");
        });
    }

    #[test]
    fn names_lead_to_fields_and_back() {
        for field in Ctx::ALL {
            assert_eq!(Ctx::from_name(field.name()), Some(field));
        }
        assert_eq!(Ctx::from_name("GroupId"), None);
    }
}
