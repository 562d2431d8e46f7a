//! `imbridge rules test`: whether the rules do what their author says of them.
//!
//! In: a rule file with tests. Out: how many hold, how the others fail, and with `--cover` which
//! rules no test has matched. What always holds: the outcome depends on the files alone.

use super::RuleFile;
use super::bench::Bench;
use super::report::Page;
use crate::cli::terminal::Screen;
use crate::cli::written;
use crate::rules::set::RuleSet;
use crate::rules::source::file::Mode;
use crate::rules::trial::{self, Report};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  imbridge rules test rules.yaml
  imbridge rules test rules.yaml --cover
  imbridge rules test --json | jq '.errors[].message'

Exit codes: 0 all hold, 1 some do not, or the file is wrong, 64 it cannot be read.";

/// Run the tests in a rule file
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    rules: RuleFile,
    /// Say which rules no test has matched
    #[arg(long)]
    cover: bool,
    /// JSON in place of text: `{"ok","passed","failed","errors"}`, with --cover `"uncovered"` too
    #[arg(long)]
    json: bool,
}

/// Runs the tests.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let path = args.rules.path()?;
    let bench = Bench::of_environment()?;
    let loaded = bench.load(&path)?;
    let page = Page::new(&path, &loaded);
    let Some(set) = &loaded.built.set else { return page.refuse(args.json) };
    let report = trial::run(set, &bench.catalogue);
    let uncovered = args.cover.then(|| uncovered(set, &report));
    let text = if args.json {
        json(&page, &report, uncovered.as_deref())
    } else {
        text(&page, &report, uncovered.as_deref())
    };
    let failed = !report.failures.is_empty();
    let decided = if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    written(std::io::stdout().write_all(text.as_bytes()), decided)
}

/// Rules that no test has matched, in order of evaluation, and their modes.
fn uncovered<'s>(set: &'s RuleSet, report: &Report) -> Vec<(&'s str, Mode)> {
    let rules = set.rules().iter().filter(|rule| !report.matched.contains(&rule.id));
    rules.map(|rule| (&*rule.id, rule.mode)).collect()
}

fn text(page: &Page<'_>, report: &Report, uncovered: Option<&[(&str, Mode)]>) -> String {
    let mut text = String::new();
    let colour = Screen::stdout().colour;
    for failure in &report.failures {
        text += &page.text(&failure.problem(), colour);
    }
    let mut add = |line: &str| writeln!(text, "{line}").expect("writing to a String cannot fail");
    add(&format!("{} passed, {} failed", report.passed, report.failures.len()));
    match uncovered {
        None => {}
        Some([]) => add("every rule is matched by a test"),
        Some(rules) => {
            let word = |mode: Mode| match mode {
                Mode::Enforce => String::new(),
                other => format!(" ({})", other.word()),
            };
            let names: Vec<String> =
                rules.iter().map(|(id, mode)| format!("{id}{}", word(*mode))).collect();
            add(&format!("not matched by any test: {}", names.join(", ")));
        }
    }
    text
}

fn json(page: &Page<'_>, report: &Report, uncovered: Option<&[(&str, Mode)]>) -> String {
    let failures = report.failures.iter();
    let errors: Vec<Value> = failures.map(|failure| page.entry(&failure.problem())).collect();
    let (passed, failed) = (report.passed, errors.len());
    let mut all = json!({"ok": failed == 0, "passed": passed, "failed": failed, "errors": errors});
    if let Some(rules) = uncovered {
        all["uncovered"] = rules.iter().map(|(id, _)| Value::from(*id)).collect();
    }
    format!("{all}\n")
}
