//! Reads one locator: `source|coercion|…`.
//!
//! In: its text, and what the surroundings allow. Out: a [`Locator`], or a sentence about what was
//! expected. What always holds: nothing is left to look up by name when a request comes, save the
//! members of bodies; enum tables are shared.

use std::collections::HashMap;
use std::sync::Arc;

use super::plan::{Coercion, EnumTable, Locator, Name, Path, RootIndex, Source, Step};
use super::problem::did_you_mean;

/// Enum tables by name.
pub(super) type Enums = HashMap<String, Arc<EnumTable>>;

const SOURCES: &str = "a source ($.path, @.path, query:Name, header:Name, const:text, correlation, \
                       or a function)";
const ID_SOURCES: [&str; 3] = ["received:minute", "body", "index"];

/// Functions and the number of their arguments.
const FUNCTIONS: [(&str, usize); 7] = [
    ("direct", 2),
    ("notification", 2),
    ("group", 1),
    ("topic", 1),
    ("official_account", 1),
    ("native", 1),
    ("session", 4),
];

/// Coercions without an argument.
const PLAIN: [(&str, Coercion); 20] = [
    ("id", Coercion::Id),
    ("ids", Coercion::Ids),
    ("strs", Coercion::Strs),
    ("ints", Coercion::Ints),
    ("str", Coercion::Str),
    ("text", Coercion::Text),
    ("int", Coercion::Int),
    ("uint", Coercion::Uint),
    ("positive", Coercion::Positive),
    ("nonzero", Coercion::Nonzero),
    ("ms", Coercion::Ms),
    ("s_to_ms", Coercion::SToMs),
    ("bool", Coercion::Bool),
    ("char", Coercion::Char),
    ("lower", Coercion::Lower),
    ("join", Coercion::Join),
    ("list", Coercion::List),
    ("unique", Coercion::Unique),
    ("nonempty", Coercion::Nonempty),
    ("null_empty", Coercion::NullEmpty),
];

/// Coercions with an argument behind a colon.
const WITH_ARGUMENT: [&str; 4] = ["enum", "enums", "contains", "without"];

/// Reads locators in certain surroundings.
#[derive(Debug, Clone)]
pub(super) struct LocatorReader<'a> {
    /// Tables for `enum:`.
    pub(super) enums: &'a Enums,
    /// Top-level members seen so far; `None` where paths begin at the body itself.
    pub(super) roots: Option<Vec<Box<str>>>,
    /// Whether there is an element for `@`.
    pub(super) element: bool,
    /// Whether this is an id list.
    pub(super) ids: bool,
}

impl<'a> LocatorReader<'a> {
    /// Paths begin at the body, no element, no id list.
    pub(super) fn new(enums: &'a Enums) -> Self {
        Self { enums, roots: None, element: false, ids: false }
    }

    /// A locator; the error is what was expected and found.
    pub(super) fn locator(&mut self, text: &str) -> Result<Locator, String> {
        let mut pieces = text.split('|');
        let source = self.source(pieces.next().unwrap_or_default())?;
        let coercions: Vec<Coercion> =
            pieces.map(|piece| self.coercion(piece)).collect::<Result<_, _>>()?;
        if coercions.iter().skip(1).any(|coercion| matches!(coercion, Coercion::NullEmpty)) {
            return Err(format!("expected null_empty as the first coercion, found {text:?}"));
        }
        Ok(Locator { source, coercions: coercions.into() })
    }

    /// A place without coercions.
    pub(super) fn source(&mut self, text: &str) -> Result<Source, String> {
        if text.contains('|') {
            return Err(format!("expected a place without coercions, found {text:?}"));
        }
        if text.starts_with('$') {
            return self.body_path(text).map(Source::Body);
        }
        if text.starts_with('@') {
            return self.element_path(text).map(Source::Element);
        }
        if ID_SOURCES.contains(&text) && !self.ids {
            return Err(format!("expected {SOURCES}, found {text:?}, which is for id lists only"));
        }
        match text {
            "correlation" => return Ok(Source::Correlation),
            "received:minute" => return Ok(Source::ReceivedMinute),
            "body" => return Ok(Source::RawBody),
            "index" => return Ok(Source::Index),
            _ => {}
        }
        if let Some((name, arguments)) = text.strip_suffix(')').and_then(|t| t.split_once('(')) {
            return self.function(name, arguments);
        }
        let unknown = || {
            let known = ["query:", "header:", "const:", "correlation"];
            let hint = did_you_mean(text, known.into_iter().chain(ID_SOURCES));
            format!("expected {SOURCES}, found {text:?}{hint}")
        };
        let (head, rest) = text.split_once(':').ok_or_else(unknown)?;
        if rest.is_empty() && head != "const" {
            return Err(format!("expected a name behind {head}:, found {text:?}"));
        }
        match head {
            "query" => Ok(Source::Query(rest.into())),
            "header" => Ok(Source::Header(rest.into())),
            "const" => Ok(Source::Const(rest.into())),
            _ => Err(unknown()),
        }
    }

    /// `$.path`
    pub(super) fn body_path(&mut self, text: &str) -> Result<Path, String> {
        let rest = text
            .strip_prefix('$')
            .ok_or_else(|| format!("expected a path in the body ($.name), found {text:?}"))?;
        let mut steps = steps(rest, text)?;
        let root = match (&mut self.roots, steps.first()) {
            (Some(roots), Some(Step::Member(name))) => {
                let found = roots.iter().position(|root| *root == name.text);
                let at = found.unwrap_or_else(|| {
                    roots.push(name.text.clone());
                    roots.len() - 1
                });
                steps.remove(0);
                Some(RootIndex(u16::try_from(at).expect("rows have far fewer members")))
            }
            _ => None,
        };
        Ok(Path { root, steps: steps.into() })
    }

    /// `@.path` or `@`
    pub(super) fn element_path(&self, text: &str) -> Result<Path, String> {
        let rest = text
            .strip_prefix('@')
            .ok_or_else(|| format!("expected a path in the element (@.name), found {text:?}"))?;
        if !self.element {
            return Err(format!(
                "expected a path in the body ($.name), found {text:?}: there is no element here, \
                 the row has no `each`"
            ));
        }
        Ok(Path { root: None, steps: steps(rest, text)?.into() })
    }

    fn function(&mut self, name: &str, arguments: &str) -> Result<Source, String> {
        let known = FUNCTIONS.map(|(name, _)| name);
        let Some((_, count)) = FUNCTIONS.into_iter().find(|(known, _)| *known == name) else {
            let hint = did_you_mean(name, known);
            return Err(format!(
                "expected one of the functions {}, found {name:?}{hint}",
                known.join(", ")
            ));
        };
        let texts: Vec<&str> = arguments.split(',').map(str::trim).collect();
        if texts.len() != count {
            let found = format!("{name}({arguments})");
            return Err(format!("expected {count} arguments of {name}, found {found:?}"));
        }
        if let Some(inner) = texts.iter().find(|text| text.contains('(')) {
            return Err(format!("expected plain sources as arguments of {name}, found {inner:?}"));
        }
        let mut sources = Vec::with_capacity(count);
        for text in texts {
            sources.push(self.source(text)?);
        }
        let mut sources = sources.into_iter().map(Box::new);
        let mut next = || sources.next().expect("their number was checked");
        Ok(match name {
            "direct" => Source::Pair("direct:", next(), next()),
            "notification" => Source::Pair("notification:", next(), next()),
            "group" => Source::Prefixed("group:", next()),
            "topic" => Source::Prefixed("topic:", next()),
            "official_account" => Source::Prefixed("official_account:", next()),
            "native" => Source::Native(next()),
            _ => Source::Session(Box::new([*next(), *next(), *next(), *next()])),
        })
    }

    fn coercion(&self, text: &str) -> Result<Coercion, String> {
        if let Some((_, coercion)) = PLAIN.iter().find(|(name, _)| *name == text) {
            return Ok(coercion.clone());
        }
        let (name, argument) = text.split_once(':').unwrap_or((text, ""));
        if !WITH_ARGUMENT.contains(&name) {
            let known = PLAIN.iter().map(|(name, _)| *name).chain(WITH_ARGUMENT);
            let hint = did_you_mean(name, known.clone());
            let known: Vec<&str> = known.collect();
            return Err(format!(
                "expected one of the coercions {}, found {text:?}{hint}",
                known.join(", ")
            ));
        }
        if argument.is_empty() {
            return Err(format!("expected an argument behind {name}:, found {text:?}"));
        }
        Ok(match name {
            "contains" => Coercion::Contains(argument.into()),
            "without" => Coercion::Without(argument.into()),
            "enum" => Coercion::Enum(self.enum_table(argument)?),
            _ => Coercion::Enums(self.enum_table(argument)?),
        })
    }

    /// A table by name.
    pub(super) fn enum_table(&self, name: &str) -> Result<Arc<EnumTable>, String> {
        self.enums.get(name).cloned().ok_or_else(|| {
            let hint = did_you_mean(name, self.enums.keys().map(String::as_str));
            format!("expected the name of an enum table, found {name:?}{hint}")
        })
    }
}

/// A path relative to an element of a message, `sourcePicture.url`, `ImageInfoArray[*].URL`.
pub(super) fn relative_path(text: &str) -> Result<Path, String> {
    let steps = steps(&format!(".{text}"), text)?;
    Ok(Path { root: None, steps: steps.into() })
}

/// Steps of `.a[*].b`; `whole` is for the message.
fn steps(mut rest: &str, whole: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let broken = || {
            Err(format!(
                "expected steps like .name, [0], [*] or [Key=text], found {rest:?} in {whole:?}"
            ))
        };
        if let Some(behind) = rest.strip_prefix('.') {
            let end = behind.find(['.', '[']).unwrap_or(behind.len());
            if end == 0 {
                return broken();
            }
            if behind[..end].ends_with('?') {
                return Err(format!(
                    "expected ? nowhere but at the very end of a part of an id list, found {:?} in \
                     {whole:?}",
                    &behind[..end]
                ));
            }
            steps.push(Step::Member(Name::new(&behind[..end])));
            rest = &behind[end..];
        } else if let Some((inner, behind)) =
            rest.strip_prefix('[').and_then(|inner| inner.split_once(']'))
        {
            let step = match (inner, inner.split_once('=')) {
                ("*", _) => Step::All,
                (_, Some((key, text))) if !key.is_empty() => {
                    Step::Find(Name::new(key), text.into())
                }
                _ if !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_digit()) => {
                    let Ok(item) = inner.parse() else { return broken() };
                    Step::Item(item)
                }
                _ => return broken(),
            };
            steps.push(step);
            rest = behind;
        } else {
            return broken();
        }
    }
    Ok(steps)
}

#[cfg(test)]
#[path = "tests/locator.rs"]
mod tests;
