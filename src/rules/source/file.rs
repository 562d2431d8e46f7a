//! What a rule file says, before anything in it is looked up.
//!
//! In: the reader of this folder makes it from YAML. Out: definitions whose shapes, ranges and names'
//! spellings are right, each with its place, for `schema`, `expr`, `actions` and `set` to check
//! against the catalogue. What always holds: what was reported as wrong is left out or has its
//! default, so that the rest of the file can be checked too; names are unique, and so are ids of rules
//! unless that was reported. Nobody runs a file about which an error was reported.

use super::super::problem::Position;
use crate::call::Provider;
use crate::verdict::OnFault;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it begins: behind the quotation mark of a quoted text.
    pub at: Position,
}

/// A text whose characters can be pointed at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The text.
    pub value: Box<str>,
    /// Where it begins: behind the quotation mark of a quoted text.
    pub at: Position,
    /// How the text stands in the file.
    pub layout: TextLayout,
}

/// How the characters of a text stand in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextLayout {
    /// On one line, as they are.
    Line,
    /// On lines of their own (`|`): where each line of the text begins.
    Block(Box<[Position]>),
    /// Without a mark for lines, over several: where each part of the text that is on one line begins,
    /// in the text (bytes) and in the file.
    Flow(Box<[(usize, Position)]>),
    /// With escapes or folds in between: only the beginning is known.
    Unknown,
}

impl Text {
    /// The place of the character that begins at byte `offset` of the value; the text's own beginning
    /// where that is not known.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let before = &self.value[..self.value.floor_char_boundary(offset)];
        let columns = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        match &self.layout {
            TextLayout::Line => {
                Position { column: self.at.column + columns(before), line: self.at.line }
            }
            TextLayout::Block(lines) => {
                let line = before.matches('\n').count();
                let in_line = before.rsplit('\n').next().unwrap_or_default();
                let start = lines.get(line).copied().unwrap_or(self.at);
                Position { column: start.column + columns(in_line), line: start.line }
            }
            TextLayout::Flow(parts) => {
                let behind = parts.partition_point(|(part, _)| *part <= before.len());
                let found = behind.checked_sub(1).and_then(|part| parts.get(part));
                let (part, start) = found.copied().unwrap_or((0, self.at));
                Position { column: start.column + columns(&before[part..]), line: start.line }
            }
            TextLayout::Unknown => self.at,
        }
    }
}

/// A rule file.
#[derive(Debug, Clone, Default)]
pub struct RuleFile {
    /// What rules that do not say take.
    pub defaults: Defaults,
    /// Lists in file order.
    pub lists: Vec<ListDef>,
    /// Limits in file order.
    pub limits: Vec<LimitDef>,
    /// Windows in file order.
    pub windows: Vec<WindowDef>,
    /// Variables in file order.
    pub vars: Vec<VarDef>,
    /// Rules in file order.
    pub rules: Vec<RuleDef>,
    /// Embedded tests in file order.
    pub tests: Vec<TestDef>,
    /// What stands in the file, was reported and left out: `lists.staff`, `vars.loud`. Who meets such
    /// a name need not report it again.
    pub reported: BTreeSet<Box<str>>,
}

/// Mode of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// It decides.
    #[default]
    Enforce,
    /// It is recorded.
    Shadow,
    /// It is checked and not run.
    Off,
}

impl Mode {
    /// The word in files and records.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
            Self::Off => "off",
        }
    }
}

/// What a rule counts as when its condition fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// As not matching.
    #[default]
    Skip,
    /// As matching.
    Match,
}

/// `defaults`.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// `mode`
    pub mode: Mode,
    /// `on_error`
    pub on_error: OnError,
    /// `on_fault`: for kinds and commands, in file order.
    pub on_fault: Vec<(Text, OnFault)>,
    /// `on_fault` as a word, or its `default`; `None` takes the setting of the bridge.
    pub on_fault_default: Option<OnFault>,
    /// `deadline`; `None` is 10 ms.
    pub deadline: Option<At<Duration>>,
    /// `deny`
    pub deny: DenyDef,
}

/// `deny`, of a rule or of `defaults`.
#[derive(Debug, Clone, Default)]
pub struct DenyDef {
    /// `code`, in order; empty when it says none.
    pub code: Vec<At<i64>>,
    /// `message`
    pub message: Option<Text>,
    /// `detail`
    pub detail: Option<Text>,
}

/// A list.
#[derive(Debug, Clone)]
pub struct ListDef {
    /// Its name.
    pub name: At<Arc<str>>,
    /// `ids`, or `words` with how they are looked for.
    pub kind: ListKind,
    /// Where its entries are.
    pub source: ListSource,
}

/// Kind of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListKind {
    /// Whole values, compared exactly.
    Ids,
    /// Words in texts.
    Words {
        /// How texts and words are folded.
        fold: Fold,
        /// Whether an occurrence needs borders.
        token: bool,
    },
}

/// Which differences between a text and a word do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the file")]
pub struct Fold {
    /// Invisible characters.
    pub invisible: bool,
    /// Full and half width.
    pub width: bool,
    /// Case.
    pub case: bool,
    /// Compatibility forms.
    pub compat: bool,
    /// Characters between the letters.
    pub gaps: bool,
}

impl Fold {
    /// That of lists that do not say, and of `fold()`.
    pub const DEFAULT: Self =
        Self { invisible: true, width: true, case: true, compat: false, gaps: false };
}

/// Where the entries of a list are.
#[derive(Debug, Clone)]
pub enum ListSource {
    /// In the rule file.
    Items(Vec<At<Box<str>>>),
    /// In a file of its own, relative to the rule file.
    File(Text),
}

/// A limit.
#[derive(Debug, Clone)]
pub struct LimitDef {
    /// Its name.
    pub name: At<Arc<str>>,
    /// `key`: fields, such as `msg.sender_id`.
    pub key: Vec<Text>,
    /// Requests per `per`.
    pub allow: u32,
    /// Period.
    pub per: Duration,
    /// Requests that pass at once.
    pub burst: u32,
    /// Most keys kept.
    pub max_keys: u32,
    /// Whether a rule matches for a new key when there is no room.
    pub full_matches: bool,
}

/// A window of time.
#[derive(Debug, Clone)]
pub struct WindowDef {
    /// Its name.
    pub name: At<Arc<str>>,
    /// Zone as written; whether it exists is for `windows` to say.
    pub tz: Text,
    /// Days it begins on, Monday first.
    pub days: [bool; 7],
    /// First minute of the day that is inside.
    pub from: u16,
    /// First minute behind; 1440 is `24:00`.
    pub to: u16,
}

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// A YAML boolean.
    Constant(At<bool>),
    /// An expression.
    Expression(Text),
}

/// A variable.
#[derive(Debug, Clone)]
pub struct VarDef {
    /// Its name.
    pub name: At<Arc<str>>,
    /// Its expression.
    pub value: Condition,
}

/// A rule.
#[derive(Debug, Clone)]
pub struct RuleDef {
    /// Its id, with the place of the value; empty, at the rule, when it was reported as missing.
    pub id: At<Arc<str>>,
    /// `on`, in file order; empty only when that was reported.
    pub on: Vec<Text>,
    /// `provider`, with its place.
    pub provider: Option<At<Provider>>,
    /// `priority`
    pub priority: u32,
    /// `mode`, or the default.
    pub mode: Mode,
    /// `on_error`, or the default.
    pub on_error: OnError,
    /// `when`
    pub when: Option<Condition>,
    /// `limit`: a name.
    pub limit: Option<Text>,
    /// `then`
    pub then: ThenDef,
}

/// What a rule does.
#[derive(Debug, Clone)]
pub struct ThenDef {
    /// Where the mapping is.
    pub at: Position,
    /// Ending with the place of its key.
    pub ending: Option<At<EndingDef>>,
    /// Changes in file order.
    pub changes: Vec<ChangeDef>,
    /// Tags in file order.
    pub tags: Vec<Arc<str>>,
}

/// What ends the decision.
#[derive(Debug, Clone)]
pub enum EndingDef {
    /// `allow: true`
    Allow,
    /// `drop: true`
    Drop,
    /// `deny`
    Deny(DenyDef),
}

/// One change of one field.
#[derive(Debug, Clone)]
pub struct ChangeDef {
    /// Field behind `msg.`: `extra`, `users.nickname`. Its place is that of the whole key.
    pub field: Text,
    /// What is done to it.
    pub action: ChangeAction,
}

/// What a change does.
#[derive(Debug, Clone)]
pub enum ChangeAction {
    /// `set`
    Set(At<SetValue>),
    /// `unset`
    Unset,
    /// `clamp`; at least one bound is there, `min` is not above `max`.
    Clamp {
        /// Smallest value.
        min: Option<At<i64>>,
        /// Largest value.
        max: Option<At<i64>>,
    },
    /// `remove`
    Remove(RemoveDef),
    /// `mask`
    Mask {
        /// What is covered.
        what: MaskDef,
        /// What covers it; one visible character.
        with: char,
    },
}

/// A constant of `set`.
#[derive(Debug, Clone, PartialEq)]
pub enum SetValue {
    /// A text.
    Text(Box<str>),
    /// An integer.
    Int(i64),
    /// A boolean.
    Bool(bool),
    /// A list of texts or integers.
    List(Vec<At<SetItem>>),
}

/// An entry of a list of `set`.
#[derive(Debug, Clone, PartialEq)]
pub enum SetItem {
    /// A text.
    Text(Box<str>),
    /// An integer.
    Int(i64),
}

/// What `remove` takes out.
#[derive(Debug, Clone)]
pub enum RemoveDef {
    /// What is in these lists.
    Lists(Vec<Text>),
    /// These ids.
    Items(Vec<At<Box<str>>>),
}

/// What `mask` covers.
#[derive(Debug, Clone)]
pub enum MaskDef {
    /// Words of these lists.
    Lists(Vec<Text>),
    /// What a regular expression finds.
    Pattern(Text),
}

/// A test in the file.
#[derive(Debug, Clone)]
pub struct TestDef {
    /// Its place.
    pub at: Position,
    /// `name`, with its place.
    pub name: Text,
    /// `on`
    pub on: Text,
    /// `provider`
    pub provider: Option<At<Provider>>,
    /// `given`: fields of the kind.
    pub given: Vec<(Text, At<serde_json::Value>)>,
    /// `raw`
    pub raw: Vec<(Text, At<serde_json::Value>)>,
    /// `ctx`
    pub ctx: Vec<(Text, At<serde_json::Value>)>,
    /// `lists`: other entries for a list.
    pub lists: Vec<(Text, Vec<At<Box<str>>>)>,
    /// `at`, in Unix milliseconds; of a test that does not say, the first of 2025.
    pub received_at_ms: i64,
    /// `repeat`
    pub repeat: u32,
    /// `every`
    pub every: Duration,
    /// `expect`: member to value, null for what must be absent.
    pub expect: Vec<(Text, At<serde_json::Value>)>,
}
