//! Reads rule files.
//!
//! In: the bytes of a rule file. Out: a [`RuleFile`](file::RuleFile), and a problem for everything that
//! is not as the grammar wants it. What always holds: only YAML that cannot be read ends the search.

pub mod file;
