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
use super::{Given, Intent};
use crate::call::{Phase, Provider};
use crate::catalogue::Catalogue;
use crate::json::Node;
use crate::normalise::time::parse_rfc3339;
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
            recorded_at_ms: parse_rfc3339(recorded)?,
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
