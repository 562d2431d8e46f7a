//! Turns the text of one setting into a value, and takes the default from the table when it is not
//! set.
//!
//! In: a setting's name and its text. Out: a value. Mistakes are collected, and the default stands
//! in for the wrong value, so that reading goes on and the next mistake is found too.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::problems::Problem;
use super::secret::Secret;
use super::table::{self, DefaultValue};
use crate::files;

/// Longest time that any setting may ask for: a year. Keeps all arithmetic with times from
/// overflowing.
pub(super) const SECONDS_MAX: u64 = 365 * 24 * 60 * 60;

/// Collects what is wrong or worth a warning while settings are read.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

impl Reader {
    /// Reports a value that is not what `name` needs; the value is quoted.
    pub(super) fn unexpected(&mut self, name: &str, value: &str, expected: &str) {
        self.problems.push(Problem::unexpected(name, value, expected));
    }

    /// Reports any other mistake; `what` follows the variable's name.
    pub(super) fn problem(&mut self, name: &str, what: &str) {
        self.problems.push(Problem::of(name, what));
    }

    /// The one door of all readers below: parses the text that was given, or else the default.
    pub(super) fn value<T>(
        &mut self,
        name: &'static str,
        given: Option<String>,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> T {
        if let Some(text) = given {
            if let Some(value) = parse(&text) {
                return value;
            }
            self.unexpected(name, &text, expected);
        }
        parse(default_text(name)).expect("a test parses every default of the table")
    }

    /// A whole number in `range`.
    pub(super) fn number(
        &mut self,
        name: &'static str,
        given: Option<String>,
        range: RangeInclusive<u64>,
    ) -> u64 {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.value(name, given, &expected, |text| {
            digits(text).filter(|number| range.contains(number))
        })
    }

    /// A number of bytes that fits into memory's address space; at least 1.
    pub(super) fn memory_bytes(&mut self, name: &'static str, given: Option<String>) -> usize {
        self.value(name, given, EXPECTED_BYTES, |text| {
            digits(text).filter(|bytes| *bytes > 0).and_then(|bytes| usize::try_from(bytes).ok())
        })
    }

    /// A number of bytes on disk; at least 1.
    pub(super) fn bytes(&mut self, name: &'static str, given: Option<String>) -> u64 {
        self.value(name, given, EXPECTED_BYTES, |text| digits(text).filter(|bytes| *bytes > 0))
    }

    /// A number of bytes on disk, 0 too.
    pub(super) fn bytes_or_none(&mut self, name: &'static str, given: Option<String>) -> u64 {
        self.value(name, given, "a number of bytes in digits only", digits)
    }

    /// Whole seconds, from `seconds_min` to a year.
    pub(super) fn seconds(
        &mut self,
        name: &'static str,
        given: Option<String>,
        seconds_min: u64,
    ) -> Duration {
        Duration::from_secs(self.number(name, given, seconds_min..=SECONDS_MAX))
    }

    /// An IP address and port.
    pub(super) fn address(&mut self, name: &'static str, given: Option<String>) -> SocketAddr {
        let expected = "an IP address and a port, such as 0.0.0.0:8080 or [::]:8080";
        self.value(name, given, expected, |text| text.parse().ok())
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        name: &'static str,
        given: Option<String>,
        words: &[(&str, T)],
    ) -> T {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.value(name, given, &format!("one of {}", known.join(", ")), |text| {
            words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
        })
    }

    /// Any text.
    pub(super) fn text(&mut self, name: &'static str, given: Option<String>) -> String {
        self.value(name, given, "text", |text| Some(text.to_owned()))
    }

    /// A secret that is a single item, given as text or in a file.
    ///
    /// `names` are the variable for the text and the one for the file. Both given, a file that
    /// cannot be read, an empty one and one with several items are problems.
    pub(super) fn secret(
        &mut self,
        names: (&'static str, &'static str),
        text: Option<String>,
        file: Option<String>,
    ) -> Option<(&'static str, Secret)> {
        match (text, file) {
            (None, None) => None,
            (Some(text), None) => Some((names.0, Secret::new(text))),
            (Some(_), Some(_)) => {
                self.problem(
                    names.0,
                    &format!("and {} are both set: expected only one of them", names.1),
                );
                None
            }
            (None, Some(path)) => match files::read_items(Path::new(&path)) {
                Err(error) => {
                    self.problem(names.1, &format!("names a file that cannot be used: {error}"));
                    None
                }
                Ok(items) => match <[String; 1]>::try_from(items) {
                    Ok([item]) => Some((names.1, Secret::new(item))),
                    Err(items) => {
                        let what =
                            format!("names file {path} with {} lines: expected one", items.len());
                        self.problem(names.1, &what);
                        None
                    }
                },
            },
        }
    }
}

const EXPECTED_BYTES: &str = "a number of bytes, at least 1, in digits only";

/// The parts of a list: split at commas and line ends, trimmed, empty ones left out.
pub(super) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', '\n', '\r']).map(str::trim).filter(|item| !item.is_empty())
}

/// A number in ASCII digits only: no sign, no space, no unit.
pub(super) fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// The default of a setting that has one in the table.
fn default_text(name: &str) -> &'static str {
    match table::find(name).map(|setting| setting.default) {
        Some(DefaultValue::Text(text)) => text,
        _ => unreachable!("{name} is read with a default and has none in the table"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_at_commas_and_line_ends_and_trimmed() {
        let items: Vec<&str> = list(" a, b\r\nc\n\n,d e ,").collect();
        assert_eq!(items, ["a", "b", "c", "d e"]);
    }

    #[test]
    fn numbers_are_digits_only() {
        assert_eq!(digits("0042"), Some(42));
        for text in ["", "+1", "-1", "1 ", "1k", "0x10", "1.0", "99999999999999999999", "٣"] {
            assert_eq!(digits(text), None, "{text:?}");
        }
    }
}
