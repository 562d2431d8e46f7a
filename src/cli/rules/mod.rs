//! `imbridge rules`: what an author of rules needs beside an editor.
//!
//! In: rule files, requests, recorded decisions. Out: verdicts on them, for people or as JSON. What
//! always holds: nothing is sent, bound or changed; results go to standard output, mistakes of rule
//! files to standard error; exit code 0, 1 (the answer is no) or 64 (usage, unreadable file).

mod bench;
mod check;
mod explain;
mod replay;
mod report;
mod request;
mod test;

use super::{USAGE, complain};
use crate::files::FileError;
use clap::Subcommand;
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  imbridge rules check rules.yaml
  imbridge rules test rules.yaml --cover
  imbridge rules explain rules.yaml --body request.json
  imbridge rules replay --old rules.yaml --new draft.yaml --records decisions.jsonl

docs/rules.md tells how to write rules. IMBRIDGE_CATALOGUE, IMBRIDGE_ON_FAULT and
IMBRIDGE_OPENIM_DEPLOYMENT count as in `imbridge serve`.
Exit codes: 0 yes, 1 the answer is no, 64 wrong usage or a file that cannot be read.";

/// Check, test, explain and replay rule files
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    Check(check::Args),
    Test(test::Args),
    Explain(explain::Args),
    Replay(replay::Args),
}

/// Wrong usage that only a look at the files or the settings shows.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// Does what is asked for.
///
/// # Errors
/// The settings are wrong, or standard output cannot be written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let done = match &args.action {
        Action::Check(args) => check::run(args),
        Action::Test(args) => test::run(args),
        Action::Explain(args) => explain::run(args),
        Action::Replay(args) => replay::run(args),
    };
    match done {
        Err(error) if error.is::<FileError>() || error.is::<Usage>() => {
            complain(&error);
            Ok(ExitCode::from(USAGE))
        }
        done => done,
    }
}

/// Which rule file.
#[derive(Clone, Debug, clap::Args)]
struct RuleFile {
    /// Rule file, in place of `IMBRIDGE_RULES`
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

impl RuleFile {
    fn path(&self) -> Result<PathBuf, Usage> {
        let given = self.file.clone().or_else(of_environment);
        given.ok_or_else(|| Usage("no rule file: name one, or set IMBRIDGE_RULES".to_owned()))
    }
}

/// The rule file of the settings.
fn of_environment() -> Option<PathBuf> {
    std::env::var_os("IMBRIDGE_RULES").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// `1 rule`, `2 rules`.
fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
