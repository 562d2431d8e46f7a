//! The catalogue: what the providers send, as data, and what is made of it at start.
//!
//! In: the embedded files of `catalogue/` and maybe one of the operator's. Out: a [`Catalogue`] of
//! [`plan::Plan`]s. What always holds: a catalogue that is handed out is without mistakes; embedded
//! rows have the same [`RowIndex`] with and without an operator's file.
//!
//! * `source` – the files, and how an operator's entries replace ours
//! * `object`, `problem` – reading JSON, reporting mistakes with file, row and field
//! * `vocabulary`, `kind` – words, tables of codes, kinds with their templates
//! * `locator`, `fields` – the locator language, and the types of what it gives
//! * `compile`, `compile_content`, `compile_reply`, `raw` – rows into plans
//! * `check` – what rows must keep to among each other
//! * [`plan`] – what comes out, for the normaliser, the dialects and the rules
//! * [`listing`], `render` – the commands for people and programs, `docs/commands.md`

mod check;
mod compile;
mod compile_content;
mod compile_reply;
mod fields;
mod kind;
pub mod listing;
mod locator;
mod object;
pub mod plan;
mod problem;
mod raw;
mod render;
mod repeats;
mod source;
mod vocabulary;

use std::collections::HashMap;

use crate::call::{Provider, RowIndex};
use compile::{Context, Row, read_id, read_redact};
use fields::TakeReader;
use locator::LocatorReader;
use object::Object;
use plan::{IdPart, KindIndex, Locator, Lookup, Name, Plan, Step};
use problem::Problems;
use source::Sources;

pub use kind::KindInfo;
pub use problem::CatalogueProblem;
pub use vocabulary::{FieldType, Word};

/// Everything that is known about commands.
#[derive(Debug)]
pub struct Catalogue {
    /// Plans by [`RowIndex`]: OpenIM's in the order of the table, Tencent's, then those that an
    /// operator added.
    pub rows: Vec<Plan>,
    /// Fields, in the order in which records have them.
    pub vocabulary: Vec<Word>,
    /// Kinds by [`KindIndex`].
    pub kinds: Vec<KindInfo>,
    /// In the order of [`Provider::ALL`].
    pub providers: [ProviderPlan; 2],
    aliases: Vec<Box<[Box<str>]>>,
    legacy: Vec<bool>,
    /// Rows by name and alias, per provider.
    names: [Lookup<RowIndex>; 2],
    /// OpenIM's rows by lower-case name; the first of a name.
    folded: HashMap<String, RowIndex>,
    /// Longest name in `folded`, so that a long unknown name costs nothing.
    folded_bytes_max: usize,
}

/// What all rows of a provider share. Locators here begin at the body part itself: they have no
/// roots.
#[derive(Debug)]
pub struct ProviderPlan {
    /// Joins the two ids of a pair.
    pub pair_separator: Box<str>,
    /// The operation id of a request, first that yields.
    pub correlation: Box<[Locator]>,
    /// Parts of an id that has no natural one.
    pub fallback_id: Box<[IdPart]>,
    /// Top-level members to redact in `raw` of unknown commands.
    pub redact: Box<[Box<str>]>,
    /// Names to redact in `raw_text`: those of the provider and of all its rows.
    pub redact_text: Box<[Box<str>]>,
    /// Member whose list makes a body an envelope.
    pub split: Option<Name>,
    /// The plain allow, compact JSON.
    pub allow: Box<str>,
}

impl Catalogue {
    /// The catalogue as it is built in. Takes some milliseconds: keep it.
    #[must_use]
    pub fn embedded() -> Self {
        match Self::build(None) {
            Ok(catalogue) => catalogue,
            Err(problems) => {
                let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                panic!("the tests compile the embedded catalogue:\n{}", lines.join("\n"))
            }
        }
    }

    /// The built-in catalogue with an operator's file over it; `file_name` is for messages.
    ///
    /// # Errors
    /// Every mistake in the file, and in what it does to other rows. None of them can be worked
    /// around: stop with a setting error.
    pub fn with_extra(file_name: &str, text: &str) -> Result<Self, Vec<CatalogueProblem>> {
        Self::build(Some((file_name, text)))
    }

    fn build(extra: Option<(&str, &str)>) -> Result<Self, Vec<CatalogueProblem>> {
        let problems = Problems::default();
        let sources = Sources::read(extra, &problems);
        let context = Context::new(&sources, &problems);
        let rows = context.rows();
        check::names(&context, &rows);
        let providers = Provider::ALL.map(|provider| read_provider(&context, provider, &rows));
        let vocabulary = context.vocabulary.words;
        let kinds = context.kinds.into_iter().map(|kind| kind.info).collect();
        match (problems.into_vec(), providers) {
            (problems, [Some(openim), Some(tencent)]) if problems.is_empty() => {
                Ok(Self::indexed(rows, vocabulary, kinds, [openim, tencent]))
            }
            (problems, _) => Err(problems),
        }
    }

    fn indexed(
        rows: Vec<Row>,
        vocabulary: Vec<Word>,
        kinds: Vec<KindInfo>,
        providers: [ProviderPlan; 2],
    ) -> Self {
        let mut names = [Lookup::default(), Lookup::default()];
        let mut folded = HashMap::new();
        for (at, Row { plan, aliases, .. }) in rows.iter().enumerate() {
            let index = RowIndex(u16::try_from(at).expect("there are far fewer rows"));
            let names = &mut names[plan.provider.index()];
            names.insert(plan.command.clone(), index);
            names.extend(aliases.iter().map(|alias| (alias.clone(), index)));
            if plan.provider == Provider::OpenIm {
                folded.entry(plan.command.to_ascii_lowercase()).or_insert(index);
            }
        }
        let folded_bytes_max = folded.keys().map(String::len).max().unwrap_or_default();
        let legacy = rows.iter().map(|row| row.legacy).collect();
        let (rows, aliases) = rows.into_iter().map(|row| (row.plan, row.aliases)).unzip();
        Self {
            rows,
            vocabulary,
            kinds,
            providers,
            aliases,
            legacy,
            names,
            folded,
            folded_bytes_max,
        }
    }

    /// The row of a command: by name or alias as it stands; for OpenIM otherwise the first row
    /// whose name is equal without ASCII case.
    #[must_use]
    pub fn find(&self, provider: Provider, name: &str) -> Option<RowIndex> {
        let exact = self.names[provider.index()].get(name).copied();
        if exact.is_some() || provider != Provider::OpenIm || name.len() > self.folded_bytes_max {
            return exact;
        }
        self.folded.get(&name.to_ascii_lowercase()).copied()
    }

    /// The plan of a row.
    #[must_use]
    pub fn plan(&self, row: RowIndex) -> &Plan {
        &self.rows[usize::from(row.0)]
    }

    /// Other names of a row.
    #[must_use]
    pub fn aliases(&self, row: RowIndex) -> &[Box<str>] {
        &self.aliases[usize::from(row.0)]
    }

    /// Whether servers of today no longer send the command.
    #[must_use]
    pub fn is_legacy(&self, row: RowIndex) -> bool {
        self.legacy[usize::from(row.0)]
    }

    /// All rows with their numbers.
    pub fn indexed_rows(&self) -> impl Iterator<Item = (RowIndex, &Plan)> {
        self.rows.iter().enumerate().map(|(at, plan)| {
            (RowIndex(u16::try_from(at).expect("there are far fewer rows")), plan)
        })
    }

    /// A kind.
    #[must_use]
    pub fn kind(&self, kind: KindIndex) -> &KindInfo {
        &self.kinds[usize::from(kind.0)]
    }

    /// What all rows of a provider share.
    #[must_use]
    pub fn provider(&self, provider: Provider) -> &ProviderPlan {
        &self.providers[provider.index()]
    }

    /// The word of a field.
    #[must_use]
    pub fn word(&self, field: &str) -> Option<&Word> {
        self.vocabulary.iter().find(|word| *word.field == *field)
    }
}

fn read_provider(context: &Context<'_>, provider: Provider, rows: &[Row]) -> Option<ProviderPlan> {
    let entry = context.sources.providers.get(provider.name())?;
    let object = Object::of(&entry.value, context.spot("provider", entry))?;
    object.only(&["pair_separator", "correlation", "fallback_id", "fields", "redact", "split"]);
    let mut locators = LocatorReader::new(&context.enums);
    let mut correlation = Vec::new();
    for text in object.texts("correlation") {
        let vocabulary = &context.vocabulary;
        let mut reader = TakeReader { locators: &mut locators, vocabulary };
        correlation.extend(reader.typed(FieldType::Text, text, &object.spot.at("correlation")));
    }
    let split = object.text("split").and_then(|text| {
        let path = locators.body_path(text).map_err(|error| object.spot.at("split").report(error));
        if let [Step::Member(name)] = &*path.ok()?.steps {
            return Some(name.clone());
        }
        object.spot.at("split").report("expected a top-level member of the body ($.name)");
        None
    });
    let mut redact = Vec::new();
    read_redact(&object, &mut redact);
    let mut redact_text = redact.clone();
    for name in
        rows.iter().filter(|row| row.plan.provider == provider).flat_map(|row| &row.plan.redact)
    {
        if !redact_text.contains(name) {
            redact_text.push(name.clone());
        }
    }
    Some(ProviderPlan {
        pair_separator: object.required_text("pair_separator")?.into(),
        correlation: correlation.into(),
        fallback_id: read_id(&object, "fallback_id", &mut locators),
        redact: redact.into(),
        redact_text: redact_text.into(),
        split,
        allow: context.sources.allow.get(provider.name())?.value.to_string().into(),
    })
}

#[cfg(test)]
mod tests;
