//! `imbridge journal export`: the events of a journal.
//!
//! In: a journal. Out: structured CloudEvents, one a line, whichever form the records have. The
//! exit status is 1 when some of them cannot be read.

use super::place::Dir;
use super::records::each;
use crate::journal::Sequence;
use std::io::Write as _;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  imbridge journal export > events.jsonl
  imbridge journal export --all --from 120034 | jq -r .type | sort | uniq -c

Events that Kafka has already are left out, unless --all is given; then all that the files still
hold come out. What was put aside is not in here: see the files in deadletter/ and oversize/.
Exit code 1: some of them cannot be read; a line on standard error says which.";

/// Write events that wait for Kafka, one CloudEvent a line
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Begin at this position
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
    /// Events that Kafka has, too
    #[arg(long)]
    all: bool,
    /// For symmetry with the other tools: events are JSON in any case
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    dir: Dir,
}

/// Writes.
///
/// # Errors
/// There is no journal or it cannot be read; standard output cannot be written.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (place, view) = args.dir.view()?;
    let waiting = if args.all { Sequence::NONE } else { view.confirmed.next() };
    let from = Sequence(args.from.unwrap_or_default()).max(waiting);
    each(&place, &view, from, u64::MAX, &mut |out, stored| {
        let mut event = stored.record.structured().into_owned();
        // Between the tokens of JSON a line end is a space; inside of texts there is none.
        event.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        event.push(b'\n');
        out.write_all(&event)
    })
}
