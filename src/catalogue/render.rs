//! Turns compiled locators back into the text they were read from.
//!
//! In: parts of a plan and its roots. Out: text in the locator language. What always holds: reading
//! that text again gives the same; a test proves it for every locator of the embedded files.

use std::fmt::Write;

use super::plan::{Coercion, IdPart, Locator, Path, Roots, Source, Step, Take, Test};

/// Renders what belongs to a plan with these roots.
pub(super) struct Renderer<'a>(pub(super) &'a Roots);

impl Renderer<'_> {
    /// A take; alternatives are separated by commas.
    pub(super) fn take(&self, take: &Take) -> String {
        match take {
            Take::First(takes) => {
                takes.iter().map(|take| self.take(take)).collect::<Vec<_>>().join(", ")
            }
            Take::Locator(locator) => self.locator(locator),
            Take::When { at, test, take } => {
                let condition = match test {
                    Test::Is(texts) => format!("is {}", texts.join(" or ")),
                    Test::Not(texts) => format!("is not {}", texts.join(" or ")),
                };
                format!("{} when {} {condition}", self.take(take), self.source(at))
            }
            Take::Projection { each, fields, .. } => {
                let fields =
                    fields.iter().map(|(name, take)| format!("{name}: {}", self.take(take)));
                let fields: Vec<String> = fields.collect();
                format!("each of {} {{{}}}", self.source(each), fields.join(", "))
            }
        }
    }

    /// Alternatives.
    pub(super) fn first(&self, locators: &[Locator]) -> String {
        locators.iter().map(|locator| self.locator(locator)).collect::<Vec<_>>().join(", ")
    }

    /// A part of an id: alternatives in parentheses, a question mark when it may be absent.
    pub(super) fn id_part(&self, part: &IdPart) -> String {
        let text = self.first(&part.any);
        let text = if part.any.len() > 1 { format!("({text})") } else { text };
        if part.optional { format!("{text}?") } else { text }
    }

    pub(super) fn locator(&self, locator: &Locator) -> String {
        let mut text = self.source(&locator.source);
        for coercion in &locator.coercions {
            text.push('|');
            match coercion {
                Coercion::Enum(table) => text.extend(["enum:", &table.name]),
                Coercion::Enums(table) => text.extend(["enums:", &table.name]),
                Coercion::Contains(wanted) => text.extend(["contains:", wanted]),
                Coercion::Without(unwanted) => text.extend(["without:", unwanted]),
                plain => text.push_str(plain_name(plain)),
            }
        }
        text
    }

    fn source(&self, source: &Source) -> String {
        match source {
            Source::Body(path) => self.path('$', path),
            Source::Element(path) => self.path('@', path),
            Source::Query(name) => format!("query:{name}"),
            Source::Header(name) => format!("header:{name}"),
            Source::Const(text) => format!("const:{text}"),
            Source::Correlation => "correlation".to_owned(),
            Source::ReceivedMinute => "received:minute".to_owned(),
            Source::RawBody => "body".to_owned(),
            Source::Index => "index".to_owned(),
            Source::Pair(prefix, a, b) => {
                format!("{}({},{})", function(prefix), self.source(a), self.source(b))
            }
            Source::Prefixed(prefix, id) => format!("{}({})", function(prefix), self.source(id)),
            Source::Native(id) => format!("native({})", self.source(id)),
            Source::Session(parts) => {
                let parts: Vec<String> = parts.iter().map(|part| self.source(part)).collect();
                format!("session({})", parts.join(","))
            }
        }
    }

    fn path(&self, start: char, path: &Path) -> String {
        let mut text = String::from(start);
        if let Some(root) = path.root {
            text.push('.');
            text.push_str(&self.0.names()[usize::from(root.0)]);
        }
        for step in &path.steps {
            match step {
                Step::Member(name) => write!(text, ".{}", name.text),
                Step::Item(item) => write!(text, "[{item}]"),
                Step::All => write!(text, "[*]"),
                Step::Find(key, wanted) => write!(text, "[{}={wanted}]", key.text),
            }
            .expect("a String takes all that is written");
        }
        text
    }
}

/// `direct:` is made by `direct`.
fn function(prefix: &str) -> &str {
    prefix.trim_end_matches(':')
}

fn plain_name(coercion: &Coercion) -> &'static str {
    match coercion {
        Coercion::Id => "id",
        Coercion::Ids => "ids",
        Coercion::Strs => "strs",
        Coercion::Ints => "ints",
        Coercion::Str => "str",
        Coercion::Text => "text",
        Coercion::Int => "int",
        Coercion::Uint => "uint",
        Coercion::Positive => "positive",
        Coercion::Nonzero => "nonzero",
        Coercion::Ms => "ms",
        Coercion::SToMs => "s_to_ms",
        Coercion::Bool => "bool",
        Coercion::Char => "char",
        Coercion::Lower => "lower",
        Coercion::Join => "join",
        Coercion::List => "list",
        Coercion::Unique => "unique",
        Coercion::Nonempty => "nonempty",
        Coercion::NullEmpty => "null_empty",
        Coercion::Enum(_) => "enum",
        Coercion::Enums(_) => "enums",
        Coercion::Contains(_) => "contains",
        Coercion::Without(_) => "without",
    }
}
