//! What rows are compiled into: flat tables that a request runs through without looking at a name of
//! the catalogue, a path string or a map again.
//!
//! In: checked rows (`compile`). Out: [`Plan`]s for the normaliser, the dialects and the rules. What
//! always holds: every [`SlotIndex`] of a plan is below [`Plan::slots`]'s length; slots are in the
//! order of the vocabulary; every [`RootIndex`] is below the length of [`Plan::roots`].

use crate::call::{Phase, Provider};
use std::sync::Arc;

/// A map that requests look into. Its keys are the catalogue's, so nobody outside can fill it with
/// keys of one hash, and a fast hash without a secret will do.
pub type Lookup<T> = std::collections::HashMap<Box<str>, T, foldhash::fast::FixedState>;

/// Place of a normalised field in the slots of one plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SlotIndex(pub u16);

/// Place of a top-level member in the roots of one plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootIndex(pub u16);

/// Place of a kind in [`super::Catalogue::kinds`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KindIndex(pub u16);

/// One command, compiled.
#[derive(Debug)]
pub struct Plan {
    /// Who sends it.
    pub provider: Provider,
    /// Name as the table spells it.
    pub command: Box<str>,
    /// Whether it asks or reports.
    pub phase: Phase,
    /// Top-level members that locators of this plan begin with.
    pub roots: Roots,
    /// Names of the slots, in the order of the vocabulary.
    pub slots: Box<[Box<str>]>,
    /// What fills the slots from members; content, time and derived fields come on top.
    pub fields: Box<[(SlotIndex, Take)]>,
    /// Fan-out: one event per item of this list.
    pub each: Option<Each>,
    /// Cases in order; the first that matches names the kind.
    pub cases: Box<[Case]>,
    /// Kinds that cases refer to.
    pub kinds: Box<[KindPlan]>,
    /// Message body.
    pub content: Option<ContentPlan>,
    /// Event time, first that yields.
    pub time: Box<[Locator]>,
    /// Slots that the normaliser fills by itself.
    pub derived: Derived,
    /// Parts of the natural id; empty: always the fallback.
    pub id: Box<[IdPart]>,
    /// Top-level members to redact in `raw`: the provider's and the row's own.
    pub redact: Box<[Box<str>]>,
    /// Members of the body that rules may read, sorted by name; a dot leads into an object.
    pub raw: Box<[(Box<str>, RawType)]>,
    /// Answer of a before-command.
    pub reply: Option<ReplyPlan>,
}

/// Type of a member that rules read by the provider's own name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RawType {
    /// `string`: read as [`Coercion::Text`].
    Text,
    /// `int`: read as [`Coercion::Int`].
    Int,
    /// `bool`: read as [`Coercion::Bool`].
    Bool,
    /// `array<string>`: read as [`Coercion::Strs`].
    Texts,
}

impl RawType {
    /// The word in the files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Int => "int",
            Self::Bool => "bool",
            Self::Texts => "array<string>",
        }
    }
}

/// Slots filled from other slots or from [`Plan::time`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Derived {
    /// `occurred_at_ms`; there when the plan has a time.
    pub occurred_at_ms: Option<SlotIndex>,
    /// `conversation_id`, as the row maps it.
    pub conversation_id: Option<SlotIndex>,
    /// `conversation_type`; there when the row maps it or `conversation_id`.
    pub conversation_type: Option<SlotIndex>,
    /// `group_id`; there when the row maps it or `conversation_id`.
    pub group_id: Option<SlotIndex>,
}

/// Top-level members of interest; looked up by hash and position, see [`Roots::find`].
#[derive(Debug, Default)]
pub struct Roots {
    names: Box<[Box<str>]>,
    /// Open addressing over `hash % table.len()` (a power of two); `u16::MAX` is free.
    table: Box<[u16]>,
}

impl Plan {
    /// The type of a member that rules may read.
    #[must_use]
    pub fn raw_type(&self, name: &str) -> Option<RawType> {
        let at = self.raw.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        Some(self.raw[at].1)
    }
}

impl Roots {
    /// A table over distinct names.
    #[must_use]
    pub fn new(names: Vec<Box<str>>) -> Self {
        let size = (names.len() * 4).next_power_of_two().max(8);
        let mut table = vec![u16::MAX; size].into_boxed_slice();
        for (index, name) in names.iter().enumerate() {
            let mut at = crate::json::name_hash(name.as_bytes()) as usize & (size - 1);
            while table[at] != u16::MAX {
                at = (at + 1) & (size - 1);
            }
            table[at] = u16::try_from(index).expect("rows have far fewer members");
        }
        Self { names: names.into(), table }
    }

    /// Number of roots.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether no locator begins at the body.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Names in the order of [`RootIndex`].
    #[must_use]
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// The root of that name, given [`crate::json::name_hash`] of it.
    #[must_use]
    pub fn find(&self, name: &str, hash: u32) -> Option<RootIndex> {
        let mask = self.table.len().checked_sub(1)?;
        let mut at = hash as usize & mask;
        loop {
            let index = self.table[at];
            if index == u16::MAX {
                return None;
            }
            if *self.names[usize::from(index)] == *name {
                return Some(RootIndex(index));
            }
            at = (at + 1) & mask;
        }
    }
}

/// A fan-out.
#[derive(Debug)]
pub struct Each {
    /// The list, as written in the row (`$.users`): what `missing_fields` says when there is none.
    pub text: Box<str>,
    /// The list.
    pub path: Path,
}

/// One case of `kinds_by`, or the only one of a row with `kind`.
#[derive(Debug)]
pub struct Case {
    /// Where to look, first that is there; empty: the case always matches.
    pub at: Box<[Locator]>,
    /// What the id text found there must be.
    pub test: Test,
    /// Index into [`Plan::kinds`].
    pub kind: usize,
}

/// Condition of a case or of a [`Take::When`].
#[derive(Debug)]
pub enum Test {
    /// One of these texts.
    Is(Box<[Box<str>]>),
    /// Present, and none of these texts.
    Not(Box<[Box<str>]>),
}

/// What one kind takes of a plan's slots.
#[derive(Debug)]
pub struct KindPlan {
    /// Which kind.
    pub kind: KindIndex,
    /// Name of the kind.
    pub name: Box<str>,
    /// `"sender_id":` and so on, for the slots that the kind lists, in the order of the vocabulary.
    pub keep: Box<[(SlotIndex, Box<str>)]>,
    /// Required fields in the order of the vocabulary; without a slot they are always missing. `raw`
    /// is not among them: it is always there.
    pub required: Box<[(Box<str>, Option<SlotIndex>)]>,
    /// Alternatives of the subject.
    pub subject: Box<[Template]>,
    /// Alternatives of the key.
    pub partition_key: Box<[Template]>,
    /// What of it is personal and may not leave.
    pub privacy: PrivacyStep,
}

/// Applied to the slots of an event after rules and ids, before subject, key and data are written.
#[derive(Debug, Default)]
pub struct PrivacyStep {
    /// Slots that are left out.
    pub drop: Box<[SlotIndex]>,
}

/// An alternative of a subject or key; fails when one of its slots has no value.
pub type Template = Box<[Segment]>;

/// A piece of a template.
#[derive(Debug)]
pub enum Segment {
    /// Text between placeholders.
    Text(Box<str>),
    /// `{field}`; `None` when the plan never has it.
    Field(Option<SlotIndex>),
    /// `{field[0]}`.
    First(Option<SlotIndex>),
    /// `{pair:a,b}`, joined by the separator of the provider.
    Pair(Option<SlotIndex>, Option<SlotIndex>),
}

/// How a field gets its value.
#[derive(Debug)]
pub enum Take {
    /// First alternative that yields.
    First(Box<[Take]>),
    /// One locator.
    Locator(Locator),
    /// `when`: only if the test holds.
    When {
        /// Where to look, uncoerced.
        at: Source,
        /// What must be there.
        test: Test,
        /// What is taken then.
        take: Box<Take>,
    },
    /// `each`: a list of flat objects.
    Projection {
        /// The list.
        each: Source,
        /// Fields of one item.
        fields: Box<[(Box<str>, Take)]>,
        /// Index into `fields`: items that repeat it are dropped.
        unique_by: Option<usize>,
    },
}

/// A place and what is made of what is found there.
#[derive(Debug)]
pub struct Locator {
    /// Where.
    pub source: Source,
    /// Applied left to right.
    pub coercions: Box<[Coercion]>,
}

/// Where a value comes from.
#[derive(Debug)]
pub enum Source {
    /// `$.path`
    Body(Path),
    /// `@.path`, `@`
    Element(Path),
    /// `query:Name`
    Query(Box<str>),
    /// `header:Name`
    Header(Box<str>),
    /// `const:text`
    Const(Box<str>),
    /// `correlation`
    Correlation,
    /// `received:minute`; ids only.
    ReceivedMinute,
    /// `body`; ids only.
    RawBody,
    /// `index`; ids only.
    Index,
    /// `direct(a,b)`, `notification(a,b)`: the prefix with its colon, and two ids in byte order.
    Pair(&'static str, Box<Source>, Box<Source>),
    /// `group(g)`, `topic(t)`, `official_account(o)`: the prefix with its colon, and an id.
    Prefixed(&'static str, Box<Source>),
    /// `native(c)`
    Native(Box<Source>),
    /// `session(type,from,to,group)`
    Session(Box<[Source; 4]>),
}

/// A way through objects and lists.
#[derive(Debug, Default)]
pub struct Path {
    /// The first step, when it is a member of the body and so was found already; not in `steps`.
    pub root: Option<RootIndex>,
    /// The steps behind it.
    pub steps: Box<[Step]>,
}

/// One step of a path.
#[derive(Debug)]
pub enum Step {
    /// `.name`
    Member(Name),
    /// `[0]`
    Item(usize),
    /// `[*]`
    All,
    /// `[key=value]`
    Find(Name, Box<str>),
}

/// A member's name and its [`crate::json::name_hash`].
#[derive(Debug, Clone)]
pub struct Name {
    /// The name, unescaped.
    pub text: Box<str>,
    /// Its hash.
    pub hash: u32,
}

impl Name {
    /// Hashes `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { text: text.into(), hash: crate::json::name_hash(text.as_bytes()) }
    }
}

/// Coercions; what each takes and gives is in `docs/catalogue.md`.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names are those of the catalogue")]
pub enum Coercion {
    Id,
    Ids,
    Strs,
    Ints,
    Str,
    Text,
    Int,
    Uint,
    Positive,
    Nonzero,
    Ms,
    SToMs,
    Bool,
    Enum(Arc<EnumTable>),
    Enums(Arc<EnumTable>),
    Char,
    Lower,
    Contains(Box<str>),
    Join,
    List,
    Unique,
    Nonempty,
    Without(Box<str>),
    NullEmpty,
}

/// A table of codes.
#[derive(Debug)]
pub struct EnumTable {
    /// Name in `enums`.
    pub name: Box<str>,
    /// Code to word; `None`: the code means that nothing is known.
    pub words: Lookup<Option<Box<str>>>,
    /// Word to the first code that has it, in the table's order.
    pub codes: Lookup<Box<str>>,
    /// What a code outside the table gives.
    pub other: Other,
}

/// See [`EnumTable::other`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Other {
    /// The code itself.
    Keep,
    /// Nothing.
    Absent,
    /// This word.
    Word(Box<str>),
}

/// A part of an id.
#[derive(Debug)]
pub struct IdPart {
    /// First alternative that is there.
    pub any: Box<[Locator]>,
    /// May be absent or empty.
    pub optional: bool,
}

/// A message body and the slots that its walker fills.
#[derive(Debug)]
pub struct ContentPlan {
    /// How bodies of the provider are walked.
    pub model: Arc<ContentModel>,
    /// OpenIM's content type.
    pub kind: Option<Locator>,
    /// The body.
    pub body: Locator,
    /// `content_type`
    pub content_type: SlotIndex,
    /// `content_types`
    pub content_types: SlotIndex,
    /// `text`
    pub text: SlotIndex,
    /// `text_incomplete`
    pub text_incomplete: SlotIndex,
    /// `media_urls`
    pub media_urls: SlotIndex,
}

/// Which walker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentForm {
    /// JSON in a text, by content type code.
    OpenIm,
    /// A list of typed elements.
    Tencent,
}

/// How message bodies of a provider are walked.
#[derive(Debug)]
pub struct ContentModel {
    /// Which walker.
    pub form: ContentForm,
    /// Row by type code or `MsgType`.
    pub types: Lookup<ContentRow>,
    /// Codes of digits within these bounds (inclusive) are of this type, and nothing is read.
    pub ranges: Box<[(u64, u64, ContentRow)]>,
    /// Row of all other types.
    pub other: ContentRow,
    /// OpenIM: code to the element's member in a nested message.
    pub elements: Lookup<Name>,
    /// OpenIM: type word to the element's member in a nested message, for codes not in `elements`.
    pub element_ranges: Lookup<Name>,
    /// Depth that is still read; the message itself has 0.
    pub depth_max: usize,
    /// Text is cut at so many bytes.
    pub text_bytes_max: usize,
    /// Addresses kept.
    pub urls_max: usize,
}

/// What is read of one element.
#[derive(Debug, Default)]
pub struct ContentRow {
    /// Word of the type.
    pub word: Box<str>,
    /// Human-readable texts.
    pub text: Box<[Path]>,
    /// Free texts, maybe JSON.
    pub loose: Box<[Path]>,
    /// `*` among `loose`: every text value of the element.
    pub loose_all: bool,
    /// Addresses of media and links.
    pub urls: Box<[Path]>,
    /// Nested OpenIM messages.
    pub messages: Box<[Path]>,
    /// Nested Tencent bodies.
    pub bodies: Box<[Path]>,
    /// A member that stands for content that is not in the callback.
    pub hidden: Option<Name>,
}

/// What every Tencent command that is denied as a whole may be denied with.
pub const PLAIN_DENY: i64 = 1;

/// Form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyStyle {
    /// actionCode 0 and nextCode 1 deny.
    OpenIm,
    /// actionCode 1 denies.
    OpenImLegacy,
    /// `ErrorCode`.
    Tencent,
    /// One `ResultItem` per element.
    TencentItems,
}

/// What a before-command may be answered. Paths in it have no roots: they begin at the body itself.
#[derive(Debug)]
pub struct ReplyPlan {
    /// Form of a deny.
    pub style: ReplyStyle,
    /// What the sender does without an answer: true lets the action pass.
    pub no_answer_allows: bool,
    /// Codes that a rule may deny with, inclusive.
    pub codes: Option<(i64, i64)>,
    /// Code of a deny without one: the row's `default`, else its `plain`.
    pub deny_code: i64,
    /// Code of a silent drop.
    pub drop_code: Option<i64>,
    /// Members copied into every answer that is no deny.
    pub must_echo: Box<[Name]>,
    /// Members never to be returned.
    pub never: Box<[Box<str>]>,
    /// What rules may change.
    pub modify: Box<[ModifyPlan]>,
    /// Changes go into one object per id.
    pub per_member: Option<PerMember>,
    /// Field whose ids may be refused, and the member that lists them.
    pub refuse: Option<(Box<str>, Box<str>)>,
    /// Member that takes one object per element, and the element's id as received.
    pub items: Option<(Box<str>, Path)>,
}

impl ReplyPlan {
    /// Whether the command may be denied with this code: one of its range, its own, and for Tencent
    /// commands that are denied as a whole the plain 1.
    #[must_use]
    pub fn takes(&self, code: i64) -> bool {
        self.codes.is_some_and(|(from, to)| (from..=to).contains(&code))
            || code == self.deny_code
            || (code == PLAIN_DENY && self.style == ReplyStyle::Tencent)
    }
}

/// One field that a rule may change. Paths in it have no roots: they begin at the body itself.
#[derive(Debug)]
pub struct ModifyPlan {
    /// Normalised field.
    pub field: Box<str>,
    /// Member of the answer; a second name is a member of the object at the first.
    pub to: Box<[Box<str>]>,
    /// How the value is written.
    pub form: ModifyForm,
    /// Only if the request has a value there that is not null.
    pub only_if: Option<Path>,
    /// Not if the id text there is one of these.
    pub unless: Option<(Path, Box<[Box<str>]>)>,
    /// An empty value changes nothing.
    pub nonempty: bool,
    /// Members that the object at `to[0]` starts from: name and where the request has it.
    pub base: Box<[(Box<str>, Path)]>,
}

/// How a changed value is written.
#[derive(Debug)]
pub enum ModifyForm {
    /// As the field's type.
    Plain,
    /// Every piece of the message body goes through the change, the whole body is returned.
    Content,
    /// A list of ids.
    Ids,
    /// The first code of the word.
    Enum(Arc<EnumTable>),
    /// A copy of a request list, items matched by id and changed.
    Patch {
        /// The list.
        list: Path,
        /// Field of the change's items, and the member of the list's items it must equal.
        matches: (Box<str>, Box<str>),
        /// Field of the change's items to member of the list's items.
        each: Box<[(Box<str>, Box<str>)]>,
    },
}

/// See [`ReplyPlan::per_member`].
#[derive(Debug)]
pub struct PerMember {
    /// List in the answer.
    pub to: Box<str>,
    /// Member of its objects that holds the id.
    pub id: Box<str>,
    /// Field that lists the ids.
    pub ids: Box<str>,
}
