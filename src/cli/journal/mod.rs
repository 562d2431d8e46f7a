//! `imbridge journal`: looks into a journal on disk, and puts events back that were put aside.
//!
//! In: a directory, of a running bridge or of one that is gone. Out: tables, lines or JSON on
//! standard output. What always holds: nothing is locked; nothing is changed but by `requeue`, which
//! moves files and never writes or removes one; every mistake is one sentence on standard error.

mod cat;
mod export;
mod ls;
mod place;
mod progress;
mod records;
mod requeue;
mod verify;

use clap::Subcommand;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  imbridge journal ls
  imbridge journal verify --dir /var/lib/imbridge
  imbridge journal requeue --all

A running bridge need not be stopped for any of these. docs/journal.md says what is in the
directory, docs/journal-format.md how.";

/// Look into a journal, and put back what was put aside
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    Ls(ls::Args),
    Verify(verify::Args),
    Cat(cat::Args),
    Export(export::Args),
    Requeue(requeue::Args),
}

/// Looks or moves.
///
/// # Errors
/// There is no journal, or it cannot be read; standard output cannot be written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.action {
        Action::Ls(args) => ls::run(args),
        Action::Verify(args) => verify::run(args),
        Action::Cat(args) => cat::run(args),
        Action::Export(args) => export::run(args),
        Action::Requeue(args) => requeue::run(args),
    }
}

/// `1 record`, `2 records`.
fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Bytes in the largest unit that leaves a number of one or more.
fn human(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let Some(unit) = (0..UNITS.len()).rev().find(|unit| bytes >> (10 * (unit + 1)) > 0) else {
        return format!("{bytes} B");
    };
    let tenths = (u128::from(bytes) * 10) >> (10 * (unit + 1));
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_the_unit_that_fits() {
        let told = [0, 1023, 1024, 1536, 64 << 20, (3 << 30) + (5 << 28), u64::MAX].map(human);
        let wanted =
            ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "64.0 MiB", "4.2 GiB", "16777215.9 TiB"];
        assert_eq!(told, wanted);
    }
}
