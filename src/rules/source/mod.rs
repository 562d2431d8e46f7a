//! Reads rule files.
//!
//! In: the bytes of a rule file. Out: a [`RuleFile`], and a problem for everything that is not as the
//! grammar wants it. What always holds: only YAML that cannot be read ends the search; whatever the
//! bytes are, reading takes time and memory in proportion to the at most 1 MiB they have.
//!
//! The way of a file: `tree` makes nodes of YAML, `scalar` says what a plain scalar means, `reader` has
//! what all parts are read with; then `defaults`, `lists`, `limits` (with windows and variables),
//! `rules`, `then` and `embedded` (the tests in a file) make definitions. `list_file` reads files of
//! lists, `render` shows problems.

mod defaults;
mod embedded;
pub mod file;
mod limits;
mod lines;
pub mod list_file;
mod lists;
mod reader;
pub mod render;
mod rules;
mod scalar;
mod then;
mod tree;

#[cfg(test)]
mod tests;

pub use embedded::rfc3339;

use super::problem::Problems;
use file::RuleFile;
use reader::{Reader, What};
use scalar::Core;
use std::cell::Cell;
use tree::{Kind, Node};

/// Reads a section into the file.
type Section = fn(&Node, &Reader<'_>, &mut RuleFile);

/// Reads a rule file; every mistake in it is reported. `None` when the YAML cannot be read.
pub fn read(bytes: &[u8], problems: &Problems) -> Option<RuleFile> {
    let reported = Cell::new(0);
    let reader = Reader::new(problems, &reported);
    let root = tree::parse(bytes, &reader)?;
    let mut file = RuleFile::default();
    let keys =
        ["version", "defaults", "lists", "limits", "windows", "vars", "rules", "tests", "note"];
    let Some(fields) = reader.fields(&root, What::Words("a rule file"), &keys) else {
        return Some(file);
    };
    reader.note(&fields);
    if let Some(node) = reader.required(&fields, "version") {
        version(node, &reader);
    }
    if let Some(node) = fields.get("defaults") {
        file.defaults = defaults::read(node, &reader);
    }
    let sections: [(&str, Section); 5] = [
        ("lists", lists::read),
        ("limits", limits::read),
        ("windows", limits::read_windows),
        ("vars", limits::read_vars),
        ("tests", embedded::read),
    ];
    if let Some(node) = reader.required(&fields, "rules") {
        rules::read(node, &reader, &mut file);
    }
    for (key, read) in sections {
        if let Some(node) = fields.get(key) {
            read(node, &reader, &mut file);
        }
    }
    Some(file)
}

fn version(node: &Node, reader: &Reader<'_>) {
    let what = What::Key("version");
    if let Kind::Plain(_, Core::Int(Some(version))) = node.kind
        && version != 1
    {
        reader.error(node.at, format!("version {version} is not known here; this reads version 1"));
    } else {
        reader.integer(node, what, 1..=1);
    }
}
