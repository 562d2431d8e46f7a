//! `imbridge rules check`: whether a rule file is right.
//!
//! In: a rule file and its lists. Out: one line with its numbers, or all mistakes with their places.
//! What always holds: a file that is right here is one that the bridge takes.

use super::bench::Bench;
use super::report::Page;
use super::{RuleFile, counted};
use crate::cli::written;
use crate::rules::problem::Severity;
use crate::rules::set::{RuleSet, Summary};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  imbridge rules check rules.yaml
  IMBRIDGE_RULES=/etc/imbridge/rules.yaml imbridge rules check --strict
  imbridge rules check rules.yaml --json | jq '.errors[].message'

Exit codes: 0 the file is right, 1 it is not, 64 it cannot be read.";

/// Check a rule file and the lists beside it
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    rules: RuleFile,
    /// Take warnings for errors
    #[arg(long)]
    strict: bool,
    /// JSON in place of text, as the bridge answers a reload:
    /// `{"ok","rules","version","warnings"}` or `{"ok","errors","warnings"}`
    #[arg(long)]
    json: bool,
}

/// Checks.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let path = args.rules.path()?;
    let loaded = Bench::of_environment()?.load(&path)?;
    let page = Page::new(&path, &loaded);
    let warnings = page.count(Severity::Warning);
    let Some(set) = &loaded.built.set else { return page.refuse(args.json) };
    let refused = args.strict && warnings > 0;
    let decided = if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    let mut out = std::io::stdout();
    if args.json {
        let mut answer = accepted(set, &page.entries(Severity::Warning));
        answer["ok"] = Value::from(!refused);
        return written(writeln!(out, "{answer}"), decided);
    }
    page.tell_problems();
    if refused {
        page.tell_line(&format!("{}, and --strict takes none", counted(warnings, "warning")));
        return Ok(decided);
    }
    written(writeln!(out, "{}: ok, {}", page.name(), numbers(set)), decided)
}

/// The answer to a reload that was taken.
fn accepted(set: &RuleSet, warnings: &[Value]) -> Value {
    let (rules, version) = (set.summary().rules, &**set.version());
    json!({"ok": true, "rules": rules, "version": version, "warnings": warnings})
}

/// `6 rules, 2 lists (1204 words, 12 ids), 1 limit, 1 window, version 3f2a9c0d1e2b`
fn numbers(set: &RuleSet) -> String {
    let Summary { rules, lists, words, ids, limits, windows } = set.summary();
    let entries = format!(" ({}, {})", counted(words, "word"), counted(ids, "id"));
    let parts = [
        counted(rules, "rule"),
        counted(lists, "list") + if lists > 0 { &entries } else { "" },
        counted(limits, "limit"),
        counted(windows, "window"),
        format!("version {}", set.version()),
    ];
    parts.join(", ")
}
