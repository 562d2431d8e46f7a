//! Decides recorded decisions again, under two sets.
//!
//! In: decision records, one by one, and two sets. Out: how each would be decided under both, and how
//! often which pair of verdicts came. What always holds: an intent is decided from the fields and the
//! `raw` of its record, at the time when it was recorded; counts and memory begin empty, each set has
//! its own; a line that is no decision record is counted and left out.

use super::explain::fields;
use super::given;
use super::memory::Memory;
use super::run::{Services, Unwatched};
use super::schema::Target;
use super::set::RuleSet;
use super::source::rfc3339;
use super::{Given, Intent};
use crate::call::{Phase, Provider};
use crate::catalogue::Catalogue;
use crate::json::Node;
use crate::verdict::Decision;
use bumpalo::Bump;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An arena that a large record has blown up beyond this is given back.
const SCRATCH_BYTES_KEPT: usize = 1 << 20;

/// What a decision comes to: its verdict, and whether the sender is answered with it.
pub type Outcome = (&'static str, bool);

/// One set with counts and a memory of its own.
struct Side {
    set: RuleSet,
    memory: Memory,
}

/// Two sets, and what they said so far.
pub struct Replay {
    catalogue: Arc<Catalogue>,
    old: Side,
    new: Side,
    arena: Bump,
    /// Records that were decided.
    pub records: u64,
    /// Lines that are no decision record that the catalogue knows.
    pub skipped: u64,
    /// How often the first set came to the one and the second to the other.
    pub pairs: BTreeMap<(Outcome, Outcome), u64>,
}

/// A record that the sets decide differently.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// Event id.
    pub id: String,
    /// Command.
    pub command: String,
    /// When it was recorded, as written.
    pub recorded: String,
    /// Fields of the decision under the first set.
    pub old: Value,
    /// Under the second.
    pub new: Value,
}

/// What is needed of a record.
struct Recorded<'a> {
    target: Target,
    id: &'a str,
    source: &'a str,
    correlation: Option<&'a str>,
    recorded: &'a str,
    recorded_at_ms: i64,
    data: Node<'a>,
}

impl Replay {
    /// Two sets that have not decided anything yet.
    #[must_use]
    pub fn new(catalogue: Arc<Catalogue>, old: RuleSet, new: RuleSet) -> Self {
        let side = |set| Side { set, memory: Memory::default() };
        Self {
            catalogue,
            old: side(old),
            new: side(new),
            arena: Bump::new(),
            records: 0,
            skipped: 0,
            pairs: BTreeMap::new(),
        }
    }

    /// Decides one record, a structured event; `None` when both decide the same, or it is none.
    pub fn record(&mut self, line: &str) -> Option<Changed> {
        if self.arena.allocated_bytes() > SCRATCH_BYTES_KEPT {
            self.arena = Bump::new();
        }
        self.arena.reset();
        let Some(recorded) = Recorded::read(line, &self.catalogue, &self.arena) else {
            self.skipped += 1;
            return None;
        };
        self.records += 1;
        let decide = |side: &Side| recorded.decide(side, &self.catalogue, &self.arena);
        let (old, new) = (decide(&self.old), decide(&self.new));
        let outcome = |decision: &Decision| (decision.verdict.word(), decision.enforced);
        *self.pairs.entry((outcome(&old), outcome(&new))).or_default() += 1;
        if without_version(&old) == without_version(&new) {
            return None;
        }
        let plan = self.catalogue.plan(recorded.target.row);
        let kind = &given::kind_of(&self.catalogue, recorded.target).name;
        Some(Changed {
            id: recorded.id.to_owned(),
            command: plan.command.to_string(),
            recorded: recorded.recorded.to_owned(),
            old: fields(kind, &old),
            new: fields(kind, &new),
        })
    }
}

/// Two sets differ in their versions always.
fn without_version(decision: &Decision) -> Decision {
    Decision { rules_version: None, ..decision.clone() }
}

impl<'a> Recorded<'a> {
    fn read(line: &str, catalogue: &Catalogue, arena: &'a Bump) -> Option<Self> {
        let root = given::json(line.trim(), arena)?;
        // `imbridge tail --meta` wraps events.
        let event = root.get("event").filter(Node::is_object).unwrap_or(root);
        let text = |name: &str| event.get(name).and_then(|value| value.text());
        let data = event.get("data").filter(Node::is_object)?;
        data.get("verdict")?;
        let kind = data.get("kind").and_then(|kind| kind.text())?;
        let provider = Provider::from_name(text("improvider")?)?;
        let row = catalogue.find(provider, text("imcommand")?)?;
        let plan = catalogue.plan(row);
        let place = plan.kinds.iter().position(|known| *known.name == *kind)?;
        let recorded = text("recordedtime")?;
        let target = Target { provider, row, kind: u8::try_from(place).ok()? };
        (plan.phase == Phase::Before).then_some(Self {
            target,
            id: text("id")?,
            source: text("source")?,
            correlation: text("correlationid"),
            recorded,
            recorded_at_ms: rfc3339(recorded)?,
            data,
        })
    }

    fn decide(&self, side: &Side, catalogue: &Catalogue, arena: &Bump) -> Decision {
        let raw = self.data.get("raw").filter(Node::is_object);
        // A record that was too large has no `raw`: its message is what its fields say.
        let one_piece = raw.is_none();
        let body = raw.or_else(|| given::json("{}", arena)).expect("an empty object is JSON");
        let known = given::known(catalogue, self.target, self.data, body, arena, |_, _| {});
        let at = u64::try_from(self.recorded_at_ms).unwrap_or_default();
        let intent = Intent {
            known: &known,
            source: self.source,
            correlation: self.correlation,
            received_at_ms: self.recorded_at_ms,
            received_ns: at.saturating_mul(1_000_000),
            arena,
            given: Some(&Given { ctx: &[], one_piece }),
        };
        // The time that deciding takes today says nothing about then.
        let services = Services { ticks: &|| 0, memory: &side.memory };
        side.set.decide(side.set.tables(), &intent, &services, &mut Unwatched)
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::tests::set;
    use super::*;
    use serde_json::json;

    fn replay(old: &str, new: &str) -> Replay {
        let catalogue = Arc::new(Catalogue::embedded());
        let (old, new) = (set(old, &catalogue), set(new, &catalogue));
        Replay::new(catalogue, old, new)
    }

    const NONE: &str = "version: 1\nrules: []\n";

    fn event(command: &str, second: u32, data: &Value) -> Value {
        json!({
            "specversion": "1.0", "id": "7f", "source": "/openim/demo", "type": "im.decision",
            "recordedtime": format!("2025-01-01T00:00:{second:02}.000Z"), "improvider": "openim",
            "imcommand": command, "correlationid": "op1", "data": data,
        })
    }

    fn group_message(second: u32) -> Value {
        let data = json!({"kind": "message.group.send", "verdict": "deny", "enforced": true,
            "rule_id": "old", "sender_id": "u1", "conversation_id": "group:g1", "group_id": "g1",
            "message_id": "m1"});
        event("callbackBeforeSendGroupMsgCommand", second, &data)
    }

    #[test]
    fn fields_context_time_and_memory_are_those_of_the_records() {
        let rules = "\
version: 1
rules:
  - { id: a, on: [message.group.send], when: 'ctx.correlation_id == \"op1\" && ctx.deployment == \"demo\"', then: { tag: [ctx] } }
  - { id: b, on: [message.group.send], when: now == 1735689605000, then: { tag: [now] } }
  - { id: c, on: [message.modify], when: 'ctx.group_id == \"g1\"', then: { deny: {} } }
";
        let mut replay = replay(NONE, rules);
        let changed = replay.record(&group_message(5).to_string()).expect("tags are new");
        assert_eq!(changed.new["tags"], json!(["ctx", "now"]));
        assert_eq!(changed.old.get("tags"), None);
        assert_eq!(
            (changed.id.as_str(), changed.command.as_str()),
            ("7f", "callbackBeforeSendGroupMsgCommand")
        );
        assert_eq!(changed.recorded, "2025-01-01T00:00:05.000Z");
        let data = json!({"kind": "message.modify", "verdict": "allow", "enforced": true,
            "sender_id": "u1", "message_id": "m1"});
        let modify = event("callbackBeforeMsgModifyCommand", 6, &data).to_string();
        let changed = replay.record(&modify).expect("the message went to that group");
        assert_eq!(changed.new["verdict"], json!("deny"));
        let pairs: Vec<_> = replay.pairs.iter().map(|(pair, count)| (*pair, *count)).collect();
        let allow = ("allow", true);
        assert_eq!(pairs, [((allow, allow), 1), ((allow, ("deny", true)), 1)]);
    }

    #[test]
    fn a_message_is_masked_in_its_body_where_the_record_has_one() {
        let rules = "\
version: 1
lists: { bad: { kind: words, items: [gold] } }
rules: [{ id: m, on: [message.modify], then: { mask: { msg.text: { list: bad } } } }]
";
        let mut replay = replay(NONE, rules);
        let data = |raw: &Value| {
            let mut data = json!({"kind": "message.modify", "verdict": "allow", "sender_id": "u1",
                "content_type": "text", "text": "gold"});
            if !raw.is_null() {
                data["raw"] = raw.clone();
            }
            event("callbackBeforeMsgModifyCommand", 1, &data).to_string()
        };
        let raw = json!({"contentType": 101, "content": "{\"content\":\"gold and gold\"}"});
        let changed = replay.record(&data(&raw)).expect("it is masked");
        assert_eq!(changed.new["changes"], json!({"text": "**** and ****"}));
        let changed = replay.record(&data(&Value::Null)).expect("its text is one piece");
        assert_eq!(changed.new["changes"], json!({"text": "****"}));
    }

    #[test]
    fn what_is_no_decision_record_of_the_catalogue_is_skipped() {
        let mut replay = replay(NONE, NONE);
        let mut after = group_message(1);
        after["imcommand"] = json!("callbackAfterSendGroupMsgCommand");
        let mut undecided = group_message(1);
        undecided["data"].as_object_mut().expect("an object").remove("verdict");
        let mut kind = group_message(1);
        kind["data"]["kind"] = json!("message.direct.send");
        let mut time = group_message(1);
        time["recordedtime"] = json!("yesterday");
        for event in [&after, &undecided, &kind, &time] {
            assert_eq!(replay.record(&event.to_string()), None);
        }
        for line in ["", "null", "[1]", "{\"event\":5}", "no json"] {
            assert_eq!(replay.record(line), None);
        }
        assert_eq!((replay.records, replay.skipped), (0, 9));
        assert_eq!(replay.record(&json!({"event": group_message(1)}).to_string()), None);
        assert_eq!((replay.records, replay.skipped), (1, 9));
    }
}
