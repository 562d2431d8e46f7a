//! What every part of a rule file is read with: nodes in, values out, mistakes reported.
//!
//! In: nodes of the tree. Out: values of the wanted type; `None` when there is none, which was
//! reported. What always holds: a mistake is reported once, at the offending key or value, and says
//! what was written and what is expected.

use super::super::problem::{Position, Problems, did_you_mean};
use super::file::{At, Text};
use super::scalar::Core;
use super::tree::{Kind, Node};
use std::cell::Cell;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// Most mistakes of one file that are reported; nobody reads more, and a file of 1 MiB can hold
/// a hundred thousand.
const MISTAKES_MAX: usize = 1000;

/// Reports mistakes, for a rule or outside of rules.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    problems: &'a Problems,
    reported: &'a Cell<usize>,
    rule: Option<Arc<str>>,
}

/// What a value belongs to, in messages.
#[derive(Clone, Copy)]
pub(super) enum What<'a> {
    /// The value of a key.
    Key(&'a str),
    /// An entry of the list that is the value of a key.
    Entry(&'a str),
    /// In words.
    Words(&'a str),
}

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "{key:?}"),
            Self::Entry(key) => write!(f, "an entry of {key:?}"),
            Self::Words(words) => f.write_str(words),
        }
    }
}

/// A text in quotes, cut where it gets long.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// What stands there, in messages.
fn found(node: &Node) -> String {
    match &node.kind {
        Kind::Plain(_, Core::Null) => "null".to_owned(),
        Kind::Plain(text, Core::Bool(_)) => format!("the boolean {}", text.value),
        Kind::Plain(text, Core::Int(_)) => format!("the integer {}", cut(&text.value)),
        Kind::Plain(text, Core::Float) => format!("the number {}", cut(&text.value)),
        Kind::Plain(text, Core::Text) | Kind::Quoted(text) => shown(&text.value),
        Kind::List(_) => "a list".to_owned(),
        Kind::Map(_) => "a mapping".to_owned(),
        Kind::Bad => "this".to_owned(),
    }
}

/// A number, cut where it gets long.
pub(super) fn cut(text: &str) -> &str {
    text.get(..60).unwrap_or(text)
}

impl<'a> Reader<'a> {
    pub(super) fn new(problems: &'a Problems, reported: &'a Cell<usize>) -> Self {
        Self { problems, reported, rule: None }
    }

    /// The same inside a rule.
    pub(super) fn inside(&self, rule: &Arc<str>) -> Self {
        Self { rule: Some(Arc::clone(rule)), ..self.clone() }
    }

    /// Reports a mistake.
    pub(super) fn error(&self, at: Position, message: impl Into<String>) {
        let number = self.reported.get() + 1;
        self.reported.set(number);
        if number <= MISTAKES_MAX {
            self.problems.error(at, self.rule.as_ref(), message);
        } else if number == MISTAKES_MAX + 1 {
            self.problems.error(at, None, "too many mistakes; those from here on are not shown");
        }
    }

    /// Reports that something else is there than wanted, unless it was reported already.
    pub(super) fn expected(&self, node: &Node, what: What<'_>, wanted: &str) {
        self.expected_or(node, what, wanted, "");
    }

    fn expected_or(&self, node: &Node, what: What<'_>, wanted: &str, hint: &str) {
        if !matches!(node.kind, Kind::Bad) {
            self.error(node.at, format!("{what} takes {wanted}, not {}{hint}", found(node)));
        }
    }

    /// A text.
    pub(super) fn text(&self, node: &Node, what: What<'_>) -> Option<Text> {
        match &node.kind {
            Kind::Quoted(text) | Kind::Plain(text, Core::Text) => return Some(text.clone()),
            Kind::Plain(_, Core::Bool(_) | Core::Int(_) | Core::Float) => {
                self.expected_or(node, what, "a text", "; put it in quotes");
            }
            _ => self.expected(node, what, "a text"),
        }
        None
    }

    /// A text that passes `right`; `form` says how such a text looks.
    pub(super) fn text_like(
        &self,
        node: &Node,
        what: What<'_>,
        form: &str,
        right: impl FnOnce(&str) -> bool,
    ) -> Option<Text> {
        let text = self.text(node, what)?;
        if right(&text.value) {
            return Some(text);
        }
        self.error(text.at, format!("{what} takes {form}, not {}", shown(&text.value)));
        None
    }

    /// A text or value of a list, as written.
    pub(super) fn written(&self, node: &Node, what: What<'_>) -> Option<At<Box<str>>> {
        match &node.kind {
            Kind::Plain(_, Core::Null) => {
                self.expected_or(node, what, "a text", "; put it in quotes");
                None
            }
            Kind::Quoted(text) | Kind::Plain(text, _) => {
                Some(At { value: text.value.clone(), at: text.at })
            }
            _ => {
                self.expected(node, what, "a text");
                None
            }
        }
    }

    /// An integer of a range.
    pub(super) fn integer(
        &self,
        node: &Node,
        what: What<'_>,
        range: RangeInclusive<i64>,
    ) -> Option<At<i64>> {
        if let Kind::Plain(_, Core::Int(Some(value))) = node.kind
            && range.contains(&value)
        {
            return Some(At { value, at: node.at });
        }
        let wanted = if range == (i64::MIN..=i64::MAX) {
            "an integer of 64 bits".to_owned()
        } else {
            format!("an integer from {} to {}", range.start(), range.end())
        };
        self.expected(node, what, &wanted);
        None
    }

    /// An integer of a range within 32 bits.
    pub(super) fn count(&self, node: &Node, key: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let wide = i64::from(*range.start())..=i64::from(*range.end());
        let value = self.integer(node, What::Key(key), wide)?.value;
        Some(u32::try_from(value).expect("the range is within 32 bits"))
    }

    /// A boolean.
    pub(super) fn boolean(&self, node: &Node, what: What<'_>) -> Option<bool> {
        if let Kind::Plain(_, Core::Bool(value)) = node.kind {
            return Some(value);
        }
        self.expected(node, what, "true or false");
        None
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(
        &self,
        node: &Node,
        what: What<'_>,
        words: &[(&str, T)],
    ) -> Option<T> {
        let text = match &node.kind {
            Kind::Quoted(text) | Kind::Plain(text, Core::Text) => Some(&*text.value),
            _ => None,
        };
        let known = words.iter().find(|(word, _)| Some(*word) == text);
        if let Some((_, value)) = known {
            return Some(*value);
        }
        let all: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let hint = did_you_mean(text.unwrap_or_default(), all.iter().copied());
        self.expected_or(node, what, &either(&all), &hint);
        None
    }

    /// A duration, such as `10s`.
    pub(super) fn duration(
        &self,
        node: &Node,
        key: &str,
        range: RangeInclusive<Duration>,
        form: &str,
    ) -> Option<At<Duration>> {
        let value = match &node.kind {
            Kind::Quoted(text) | Kind::Plain(text, _) => duration(&text.value),
            _ => None,
        };
        match value {
            Some(value) if range.contains(&value) => Some(At { value, at: node.at }),
            _ => {
                self.expected(node, What::Key(key), form);
                None
            }
        }
    }

    /// The entries of a list; those beyond the most that may be are reported and left out.
    pub(super) fn list<'n>(
        &self,
        node: &'n Node,
        what: What<'_>,
        range: RangeInclusive<usize>,
    ) -> Option<&'n [Node]> {
        let Kind::List(entries) = &node.kind else {
            self.expected(node, what, "a list");
            return None;
        };
        if entries.len() < *range.start() {
            self.error(node.at, format!("{what} is an empty list"));
        }
        let most = *range.end();
        if let Some(first) = entries.get(most) {
            let message = format!("{what} has {} entries, limit is {most}", entries.len());
            self.error(first.at, message);
        }
        Some(&entries[..entries.len().min(most)])
    }

    /// Keys and values of a mapping whose keys are the author's.
    pub(super) fn map<'n>(&self, node: &'n Node, what: What<'_>) -> Option<&'n [(Text, Node)]> {
        if let Kind::Map(pairs) = &node.kind {
            return Some(pairs);
        }
        self.expected(node, what, "a mapping");
        None
    }

    /// A mapping with some of these keys; others are reported.
    pub(super) fn fields<'n, 'w>(
        &self,
        node: &'n Node,
        what: What<'w>,
        known: &[&str],
    ) -> Option<Fields<'n, 'w>> {
        let pairs = self.map(node, what)?;
        for (key, _) in pairs.iter().filter(|(key, _)| !known.contains(&&*key.value)) {
            let near = did_you_mean(&key.value, known.iter().copied());
            let near = if near.is_empty() { format!("; it takes {}", either(known)) } else { near };
            self.error(key.at, format!("{what} has no key {}{near}", shown(&key.value)));
        }
        Some(Fields { at: node.at, what, pairs })
    }

    /// The value of a key that must be there.
    pub(super) fn required<'n>(&self, fields: &Fields<'n, '_>, key: &str) -> Option<&'n Node> {
        let value = fields.get(key);
        if value.is_none() {
            self.error(fields.at, format!("{} lacks the key {key:?}", fields.what));
        }
        value
    }

    /// Looks whether `note` is a text, and no more.
    pub(super) fn note(&self, fields: &Fields<'_, '_>) {
        if let Some(note) = fields.get("note") {
            self.text(note, What::Key("note"));
        }
    }
}

/// A mapping whose keys are known.
pub(super) struct Fields<'n, 'w> {
    /// Where it begins.
    pub(super) at: Position,
    what: What<'w>,
    pub(super) pairs: &'n [(Text, Node)],
}

impl<'n> Fields<'n, '_> {
    /// A key with its value.
    pub(super) fn pair(&self, key: &str) -> Option<(&'n Text, &'n Node)> {
        self.pairs.iter().find(|(name, _)| &*name.value == key).map(|(key, node)| (key, node))
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.pair(key).map(|(_, node)| node)
    }
}

/// `a, b or c`
fn either(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// A positive integer of at most nine digits and its unit.
fn duration(text: &str) -> Option<Duration> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit())?;
    let (digits, unit) = text.split_at(end);
    if !(1..=9).contains(&digits.len()) || digits.starts_with('0') {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "ms" => Duration::from_millis(count),
        "s" => Duration::from_secs(count),
        "m" => Duration::from_secs(count * 60),
        "h" => Duration::from_secs(count * 3600),
        "d" => Duration::from_secs(count * 86_400),
        _ => return None,
    })
}

/// How names of lists, limits, windows and variables look.
pub(super) const NAME_FORM: &str =
    "a name of at most 64 of a-z, 0-9 and _ that begins with a letter";

/// Whether a text is such a name.
pub(super) fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.len() <= 64
        && text.bytes().all(inner)
}

/// Whether a text is an id of a rule, or a tag where `more` may stand in it, too.
pub(super) fn is_slug(text: &str, more: &[u8]) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inner = |byte: u8| letter(byte) || byte == b'-' || more.contains(&byte);
    text.bytes().next().is_some_and(letter) && text.len() <= 64 && text.bytes().all(inner)
}
