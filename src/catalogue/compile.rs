//! Compiles rows into plans.
//!
//! In: [`Sources`]. Out: plans in the order of the rows, and what both providers' plans share. What
//! always holds: a row with a mistake is reported and left out, so that all mistakes are found;
//! whoever asks for the catalogue gets it only when there were none.
//!
//! Read next: `fields` (what a field takes), `kind`, `compile_content`, `compile_reply`, `raw`,
//! `check` (what rows must keep to among each other).

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::compile_content::{compile_content, read_models};
use super::compile_reply::compile_reply;
use super::fields::TakeReader;
use super::kind::{self, Kind, read_kinds, read_phase};
use super::locator::{Enums, LocatorReader};
use super::object::{Object, boxed};
use super::plan::{
    Case, ContentModel, Derived, Each, IdPart, KindIndex, KindPlan, Locator, Plan, Roots,
    SlotIndex, Source, Step, Take, Test,
};
use super::problem::{Problems, Spot};
use super::raw::read_raw;
use super::source::{Entry, LEGACY, Sources};
use super::vocabulary::{Vocabulary, WRITTEN, read_enums};
use super::{FieldType, check};
use crate::call::{Phase, Provider};

/// Keys of a row.
const ROW_KEYS: [&str; 17] = [
    "provider", "command", "phase", "kind", "kinds_by", "variant", "aliases", "use", "fields",
    "each", "content", "time", "id", "redact", "reply", "like", "raw",
];
/// Fields that the content walker fills.
const CONTENT_FIELDS: [&str; 5] =
    ["content_type", "content_types", "text", "text_incomplete", "media_urls"];

/// What rows refer to.
pub(super) struct Context<'a> {
    pub(super) sources: &'a Sources,
    pub(super) problems: &'a Problems,
    pub(super) vocabulary: Vocabulary,
    pub(super) enums: Enums,
    pub(super) kinds: Vec<Kind>,
    kind_index: HashMap<Box<str>, usize>,
    pub(super) models: [Option<Arc<ContentModel>>; 2],
}

/// A row, compiled, and its other names.
pub(super) struct Row {
    pub(super) plan: Plan,
    pub(super) aliases: Box<[Box<str>]>,
    pub(super) legacy: bool,
}

impl<'a> Context<'a> {
    pub(super) fn new(sources: &'a Sources, problems: &'a Problems) -> Self {
        let vocabulary = Vocabulary::read(&sources.words, problems);
        let enums = read_enums(&sources.enums, problems);
        let kinds = read_kinds(&sources.kinds, &vocabulary, problems);
        let kind_index =
            kinds.iter().enumerate().map(|(at, kind)| (kind.info.name.clone(), at)).collect();
        let models = read_models(&sources.content, problems);
        Self { sources, problems, vocabulary, enums, kinds, kind_index, models }
    }

    /// All rows. Field sets are read by themselves too, so that one that no row uses is checked.
    pub(super) fn rows(&self) -> Vec<Row> {
        for set in &self.sources.sets.entries {
            let mut mapping = Mapping::default();
            mapping.add(&set.value, &self.spot("field set", set));
            let mut locators = LocatorReader { element: true, ..LocatorReader::new(&self.enums) };
            self.takes(&mapping, &mut locators);
        }
        let rows = self.sources.rows.entries.iter();
        rows.filter_map(|entry| self.row(entry)).collect()
    }

    pub(super) fn spot(&self, what: &str, entry: &Entry) -> Spot<'a> {
        self.problems.spot(&entry.file, &format!("{what} {}", entry.name))
    }

    fn row(&self, entry: &Entry) -> Option<Row> {
        let spot = self.spot("row", entry);
        let resolved = self.resolve(entry, &spot)?;
        let object = Object::of(&resolved, spot)?;
        object.only(&ROW_KEYS);
        let provider = Provider::from_name(object.required_text("provider")?)?;
        let legacy = entry.file == LEGACY;
        RowCompiler { context: self, provider, object, legacy }.compile()
    }

    /// The row with what it takes from the one that it is `like`.
    fn resolve(&self, entry: &Entry, spot: &Spot<'_>) -> Option<Value> {
        let mut layers: Vec<&Map<String, Value>> = Vec::new();
        let mut entry = entry;
        loop {
            let own = entry.value.as_object()?;
            layers.push(own);
            let Some(like) = own.get("like") else { break };
            let provider = own.get("provider").and_then(Value::as_str).unwrap_or_default();
            let name = format!("{provider} {}", like.as_str().unwrap_or_default());
            let rows = &self.sources.rows;
            let Some(base) = rows.get(&name).filter(|_| layers.len() < rows.entries.len()) else {
                let spot = spot.at("like");
                if rows.get(&name).is_some() {
                    spot.report("expected a row that is not like this one in turn");
                } else {
                    spot.unknown("a row of the same provider", &name, rows.names());
                }
                return None;
            };
            entry = base;
        }
        let mut row = layers.pop()?.clone();
        while let Some(own) = layers.pop() {
            row.remove("aliases");
            if own.contains_key("kind") || own.contains_key("kinds_by") {
                row.remove("kind");
                row.remove("kinds_by");
            }
            row.extend(own.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        Some(Value::Object(row))
    }

    /// Takes of a mapping, by field.
    fn takes<'m>(
        &self,
        mapping: &'m Mapping<'_, '_>,
        locators: &mut LocatorReader<'_>,
    ) -> Vec<(&'m str, Take)> {
        let mut takes = Vec::with_capacity(mapping.0.len());
        for (name, value, spot) in &mapping.0 {
            let Some(word) = self.vocabulary.expect(name, spot) else { continue };
            if WRITTEN.contains(name) {
                spot.report("expected a field that rows may map: this one is written by itself");
                continue;
            }
            let mut reader = TakeReader { locators: &mut *locators, vocabulary: &self.vocabulary };
            takes.extend(reader.field(word, value, spot).map(|take| (*name, take)));
        }
        takes
    }
}

/// Fields with what they take and where that stands; later ones win.
#[derive(Default)]
struct Mapping<'v, 'p>(Vec<(&'v str, &'v Value, Spot<'p>)>);

impl<'v, 'p> Mapping<'v, 'p> {
    fn add(&mut self, fields: &'v Value, spot: &Spot<'p>) {
        let Some(fields) = Object::of(fields, spot.clone()) else { return };
        for (name, value) in fields.members() {
            let spot = spot.at(name);
            match self.0.iter_mut().find(|(known, ..)| *known == name) {
                Some(taken) => *taken = (name, value, spot),
                None => self.0.push((name, value, spot)),
            }
        }
    }
}

/// Cases, and the kinds they lead to.
type Cases = (Box<[Case]>, Box<[KindPlan]>);

/// One row on its way into a plan.
struct RowCompiler<'a, 'v> {
    context: &'a Context<'a>,
    provider: Provider,
    object: Object<'v, 'a>,
    legacy: bool,
}

impl RowCompiler<'_, '_> {
    fn compile(&self) -> Option<Row> {
        let (shared, object) = (self.context, &self.object);
        let mut locators = LocatorReader::new(&shared.enums);
        locators.roots = Some(Vec::new());
        let phase = read_phase(object);
        let each = self.each(&mut locators);
        locators.element = object.has("each");

        let mapping = self.mapping();
        let takes = shared.takes(&mapping, &mut locators);
        let slots = self.slots(&mapping);
        let slot = |name: &str| kind::slot(&slots, name);
        let fields: Box<[(SlotIndex, Take)]> =
            takes.into_iter().filter_map(|(name, take)| Some((slot(name)?, take))).collect();
        let content = compile_content(shared, object, self.provider, &slots, &mut locators);
        let time = self.time(&mut locators);
        let id = object.has("id").then(|| read_id(object, "id", &mut locators));
        let (cases, kinds) = self.cases(&mut locators, phase, &slots)?;
        let own = self.redact();
        let raw = read_raw(object, &own);
        let reply = compile_reply(shared, object, self.provider, phase);
        let derived = Derived {
            occurred_at_ms: slot("occurred_at_ms"),
            conversation_id: slot("conversation_id"),
            conversation_type: slot("conversation_type"),
            group_id: slot("group_id"),
        };
        let plan = Plan {
            provider: self.provider,
            command: object.required_text("command")?.into(),
            phase: phase?,
            roots: Roots::new(locators.roots.unwrap_or_default()),
            slots,
            fields,
            each,
            cases,
            kinds,
            content,
            time,
            derived,
            id: id.unwrap_or_default(),
            redact: own,
            raw,
            reply,
        };
        check::required_fields(&plan, &object.spot);
        let aliases = boxed(&object.texts("aliases"));
        Some(Row { plan, aliases, legacy: self.legacy })
    }

    fn each(&self, locators: &mut LocatorReader<'_>) -> Option<Each> {
        let text = self.object.text("each")?;
        let spot = self.object.spot.at("each");
        let path = locators.body_path(text).map_err(|error| spot.report(error)).ok()?;
        if path.root.is_none() || path.steps.iter().any(|step| !matches!(step, Step::Member(_))) {
            spot.report(format!("expected the path of one list ($.name), found {text:?}"));
        }
        Some(Each { text: text.into(), path })
    }

    /// The provider's fields, those of the sets in order, the row's own.
    fn mapping(&self) -> Mapping<'_, '_> {
        let (sources, object) = (self.context.sources, &self.object);
        let mut mapping = Mapping::default();
        if let Some(entry) = sources.providers.get(self.provider.name())
            && let Some(fields) = entry.value.get("fields")
        {
            mapping.add(fields, &self.context.spot("provider", entry));
        }
        for name in object.texts("use") {
            match sources.sets.get(name) {
                Some(set) => mapping.add(&set.value, &self.context.spot("field set", set)),
                None => object.spot.at("use").unknown("a field set", name, sources.sets.names()),
            }
        }
        if let Some(fields) = object.get("fields") {
            mapping.add(fields, &object.spot);
        }
        mapping
    }

    /// Names of all that the row can produce, in the order of the vocabulary.
    fn slots(&self, mapping: &Mapping<'_, '_>) -> Box<[Box<str>]> {
        let vocabulary = &self.context.vocabulary;
        let mut names: Vec<&str> = mapping.0.iter().map(|(name, ..)| *name).collect();
        if names.contains(&"conversation_id") {
            names.extend(["conversation_type", "group_id"]);
        }
        if self.object.has("content") {
            names.extend(CONTENT_FIELDS);
        }
        if self.object.list("time").is_some_and(|time| !time.is_empty()) {
            names.push("occurred_at_ms");
        }
        names.retain(|name| vocabulary.position(name).is_some());
        names.sort_by_key(|name| vocabulary.position(name));
        names.dedup();
        boxed(&names)
    }

    fn time(&self, locators: &mut LocatorReader<'_>) -> Box<[Locator]> {
        let spot = self.object.spot.at("time");
        let mut time = Vec::new();
        for text in self.object.texts("time") {
            let vocabulary = &self.context.vocabulary;
            let mut reader = TakeReader { locators: &mut *locators, vocabulary };
            let Some(locator) = reader.typed(FieldType::Int, text, &spot) else { continue };
            if !(text.ends_with("|ms") || text.ends_with("|s_to_ms")) {
                spot.report(format!("expected ms or s_to_ms at the end, found {text:?}"));
            }
            time.push(locator);
        }
        time.into()
    }

    /// The cases of `kinds_by`, or the one of `kind`, and the kinds they lead to.
    fn cases(
        &self,
        locators: &mut LocatorReader<'_>,
        phase: Option<Phase>,
        slots: &[Box<str>],
    ) -> Option<Cases> {
        let object = &self.object;
        let mut kinds: Vec<KindPlan> = Vec::new();
        let mut cases = Vec::new();
        if object.has("kind") == object.has("kinds_by") {
            object.spot.at("kind").report("expected either kind or kinds_by");
            return None;
        }
        if let Some(name) = object.text("kind") {
            self.kind(name, &object.spot.at("kind"), phase, slots, &mut kinds)?;
            cases.push(Case { at: Box::default(), test: Test::Not(Box::default()), kind: 0 });
        }
        if object.list("kinds_by").is_some_and(<[Value]>::is_empty) {
            object.spot.at("kinds_by").report("expected at least one case, found []");
            return None;
        }
        for value in object.list("kinds_by").unwrap_or_default() {
            let case = Object::of(value, object.spot.at("kinds_by"))?;
            case.only(&["at", "is", "not", "kind"]);
            let name = case.required_text("kind")?;
            let kind = self.kind(name, &case.spot.at("kind"), phase, slots, &mut kinds);
            let (at, test) = read_condition(&case, locators);
            cases.push(Case { at, test, kind: kind? });
        }
        Some((cases.into(), kinds.into()))
    }

    /// The place of a kind among those of this row.
    fn kind(
        &self,
        name: &str,
        spot: &Spot<'_>,
        phase: Option<Phase>,
        slots: &[Box<str>],
        kinds: &mut Vec<KindPlan>,
    ) -> Option<usize> {
        let context = self.context;
        let Some(at) = context.kind_index.get(name).copied() else {
            let known = context.kinds.iter().map(|kind| &*kind.info.name);
            spot.unknown("a kind", name, known);
            return None;
        };
        let found = &context.kinds[at];
        if let Some(phase) = phase
            && found.info.phase != phase
        {
            let message = format!("expected a kind of phase {}, found {name:?}", phase.name());
            spot.report(message);
        }
        if let Some(known) = kinds.iter().position(|kind| *kind.name == *name) {
            return Some(known);
        }
        let index = KindIndex(u16::try_from(at).expect("there are far fewer kinds"));
        kinds.push(found.plan(index, slots));
        Some(kinds.len() - 1)
    }

    /// Top-level members to redact: the provider's and the row's own.
    fn redact(&self) -> Box<[Box<str>]> {
        let provider = self.context.sources.providers.get(self.provider.name());
        let mut names = Vec::new();
        if let Some(entry) = provider
            && let Some(object) = Object::of(&entry.value, self.context.spot("provider", entry))
        {
            read_redact(&object, &mut names);
        }
        read_redact(&self.object, &mut names);
        names.into()
    }
}

/// `at`, `is` and `not` of a case.
fn read_condition(
    case: &Object<'_, '_>,
    locators: &mut LocatorReader<'_>,
) -> (Box<[Locator]>, Test) {
    let spot = case.spot.at("at");
    let texts: Vec<&str> = match case.get("at") {
        Some(Value::String(text)) => vec![text],
        Some(_) => case.texts("at"),
        None => Vec::new(),
    };
    let conditions = usize::from(case.has("is")) + usize::from(case.has("not"));
    if conditions != usize::from(!texts.is_empty()) {
        case.spot.report("expected either `is` or `not` beside `at`, and neither without it");
    }
    let at = texts
        .into_iter()
        .filter_map(|text| locators.source(text).map_err(|error| spot.report(error)).ok())
        .map(|source| Locator { source, coercions: Box::default() })
        .collect();
    let test = if case.has("is") {
        Test::Is(boxed(&case.some_texts("is")))
    } else {
        Test::Not(boxed(&case.texts("not")))
    };
    (at, test)
}

/// Names in `redact`, added to those that are there already.
pub(super) fn read_redact(object: &Object<'_, '_>, names: &mut Vec<Box<str>>) {
    for text in object.texts("redact") {
        match text.strip_prefix("$.") {
            Some(name) if !name.is_empty() && !name.contains(['.', '[']) => {
                if !names.iter().any(|known| **known == *name) {
                    names.push(name.into());
                }
            }
            _ => object.spot.at("redact").report(format!(
                "expected a top-level member of the body ($.name), found {text:?}"
            )),
        }
    }
}

/// Parts of an id.
pub(super) fn read_id(
    object: &Object<'_, '_>,
    key: &str,
    locators: &mut LocatorReader<'_>,
) -> Box<[IdPart]> {
    let spot = object.spot.at(key);
    locators.ids = true;
    let mut parts = Vec::new();
    for value in object.list(key).unwrap_or_default() {
        let (texts, optional): (Vec<&str>, bool) = match value {
            Value::String(text) => match text.strip_suffix('?') {
                Some(text) => (vec![text], true),
                None => (vec![text], false),
            },
            Value::Array(items) if items.iter().all(Value::is_string) && !items.is_empty() => {
                (items.iter().filter_map(Value::as_str).collect(), false)
            }
            _ => {
                spot.expected("a locator or a list of locators", value);
                continue;
            }
        };
        let any = texts
            .into_iter()
            .filter_map(|text| locators.locator(text).map_err(|error| spot.report(error)).ok())
            .collect();
        parts.push(IdPart { any, optional });
    }
    locators.ids = false;
    let is =
        |part: &IdPart, wanted: fn(&Source) -> bool| part.any.iter().any(|l| wanted(&l.source));
    for (at, part) in parts.iter().enumerate() {
        let next = parts.get(at + 1);
        if is(part, |source| matches!(source, Source::RawBody))
            && !next.is_some_and(|next| {
                next.optional && is(next, |source| matches!(source, Source::Index))
            })
        {
            spot.report("expected \"index?\" behind \"body\", so that no two events share an id");
        }
    }
    parts.into()
}
