//! Reading the records of a journal, one after the other.
//!
//! In: a journal and where to begin. Out: each record that can be read; a remark on standard error
//! for those that cannot.

use super::place::Place;
use crate::cli::{remark, written};
use crate::journal::Sequence;
use crate::journal::disk::scan::{Entry, View};
use crate::record::Record;
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write as _};
use std::ops::RangeInclusive;
use std::process::ExitCode;

/// A record where it stands.
#[derive(Debug)]
pub(super) struct Stored<'a> {
    pub(super) sequence: Sequence,
    /// Unix milliseconds.
    pub(super) appended_ms: i64,
    pub(super) record: Record<'a>,
}

/// Calls `show` with all records from `from` on, `limit` at most, until standard output takes no
/// more. The exit status is 1 when some of those that were looked at could not be read.
///
/// # Errors
/// The journal cannot be read, standard output cannot be written.
pub(super) fn each(
    place: &Place,
    view: &View,
    from: Sequence,
    limit: u64,
    show: &mut dyn FnMut(&mut BufWriter<StdoutLock<'_>>, &Stored<'_>) -> io::Result<()>,
) -> anyhow::Result<ExitCode> {
    let mut out = BufWriter::new(io::stdout().lock());
    // A line that is drawn over has no place between lines that stay.
    let _progress = (!io::stdout().is_terminal()).then(|| place.progress()).transpose()?;
    let (mut left, mut whole, mut failed) = (limit, true, None);
    let mut damaged = |range: RangeInclusive<Sequence>| {
        whole = false;
        remark(&format!("records {} to {} cannot be read", range.start(), range.end()));
    };
    let mut visit = |entry: Entry<'_>| {
        if left == 0 {
            return false;
        }
        let (sequence, appended_ms, bytes) = match entry {
            Entry::Damaged(range) => {
                damaged(range);
                return true;
            }
            Entry::Record { sequence, appended_ms, bytes } => (sequence, appended_ms, bytes),
        };
        let Some((record, _)) = Record::decode(bytes) else {
            damaged(sequence..=sequence);
            return true;
        };
        left -= 1;
        match show(&mut out, &Stored { sequence, appended_ms, record }) {
            Ok(()) => left > 0,
            Err(error) => {
                failed = Some(error);
                false
            }
        }
    };
    view.each(place.storage(), from, &mut visit)?;
    let done = failed.map_or_else(|| out.flush(), Err);
    written(done, if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
