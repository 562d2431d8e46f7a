//! The journal of a configuration: opened, watched, told about.
//!
//! In: settings, metrics. Out: the [`Log`] of the ack level, with what was found in it said in the
//! log. What always holds: a journal that another process has, or whose directory cannot be used, is
//! an error of one sentence that names the directory; everything else opens.

use crate::config::{AckLevel, Config, Journal};
use crate::journal::disk::{DiskLog, JournalObserver, OPERATIONS, OpenError, Recovered, Settings};
use crate::journal::memory::MemoryLog;
use crate::journal::storage::Storage;
use crate::journal::storage::disk::DiskStorage;
use crate::journal::{Level, Log, Usage};
use crate::telemetry::{Ledger, Metrics};
use std::path::Path;
use std::sync::Arc;

/// Budget of the whole events whose records went out without `raw`.
const OVERSIZE_BYTES_MAX: u64 = 1 << 30;

/// Opens the journal, in `storage` or else in the configured directory; what was found in it counts
/// as appended.
///
/// # Errors
/// One sentence: another process has the directory, or it cannot be used at all.
pub(super) fn open(
    config: &Config,
    storage: Option<Arc<dyn Storage>>,
    metrics: &Arc<Metrics>,
    ledger: &Ledger,
) -> anyhow::Result<Arc<dyn Log>> {
    for operation in OPERATIONS {
        let _at_zero = metrics.journal.errors.with_label_values(&[operation]);
    }
    let journal = &config.journal;
    let level = match journal.ack {
        AckLevel::Memory => {
            tell_budget(journal, None);
            return Ok(Arc::new(MemoryLog::new(journal.bytes_max)));
        }
        AckLevel::Os => Level::Os,
        AckLevel::Fsync => Level::Fsync,
        AckLevel::Kafka => Level::Kafka,
    };
    let settings = Settings {
        ack: level,
        bytes_max: journal.bytes_max,
        free_bytes_min: journal.free_bytes_min,
        segment_bytes: journal.segment_bytes,
        oversize_bytes_max: OVERSIZE_BYTES_MAX,
    };
    let observer = Arc::new(JournalMetrics(Arc::clone(metrics)));
    let refused = |error| refusal(&journal.dir, &error);
    let storage = match storage {
        Some(storage) => Ok(storage),
        None => DiskStorage::new(&journal.dir).map(|disk| Arc::new(disk) as Arc<dyn Storage>),
    };
    let storage = storage.map_err(OpenError::Unusable).map_err(refused)?;
    let log = DiskLog::open(Arc::clone(&storage), settings, observer).map_err(refused)?;
    tell_recovered(log.recovered());
    // The log looks at the disk's free space now and then, and may not have done so yet.
    let usage = Usage { free_bytes: storage.free_bytes().ok(), ..log.usage() };
    tell_budget(journal, Some(&usage));
    ledger.appended(usage.records);
    Ok(log)
}

fn refusal(dir: &Path, error: &OpenError) -> anyhow::Error {
    let dir = dir.display();
    match error {
        OpenError::Locked => anyhow::anyhow!(
            "the journal in {dir} is in use by another process: stop that one, or set \
             IMBRIDGE_JOURNAL_DIR to another directory"
        ),
        OpenError::Unusable(why) => anyhow::anyhow!(
            "the journal's directory {dir} cannot be used (IMBRIDGE_JOURNAL_DIR): {why}"
        ),
    }
}

/// What the journal may really hold: a full disk is nearer than a large budget.
fn effective(usage: &Usage, free_bytes_min: u64) -> u64 {
    let free = usage.free_bytes.unwrap_or(u64::MAX).saturating_sub(free_bytes_min);
    usage.bytes_max.min(usage.bytes.saturating_add(free))
}

fn tell_budget(journal: &Journal, usage: Option<&Usage>) {
    let (ack, bytes_max) = (journal.ack.word(), journal.bytes_max);
    let Some(usage) = usage else {
        tracing::info!(ack, bytes_max, "journal in memory, budget {bytes_max} bytes");
        return;
    };
    let dir = journal.dir.display();
    let bytes = effective(usage, journal.free_bytes_min);
    let free_bytes_min = journal.free_bytes_min;
    if bytes < bytes_max {
        tracing::warn!(
            ack,
            bytes_max,
            effective_bytes = bytes,
            free_bytes = usage.free_bytes,
            free_bytes_min,
            "journal in {dir}, budget {bytes} bytes: less than IMBRIDGE_JOURNAL_BYTES_MAX, for the \
             disk has no more while {free_bytes_min} bytes stay free"
        );
    } else {
        tracing::info!(
            ack,
            bytes_max,
            effective_bytes = bytes,
            "journal in {dir}, budget {bytes} bytes"
        );
    }
}

fn tell_recovered(found: &Recovered) {
    let Recovered { unconfirmed, damaged, cut_bytes, quarantined_bytes, bytes, .. } = *found;
    if unconfirmed > 0 || bytes > 0 {
        tracing::info!(
            records = unconfirmed,
            journal_bytes = bytes,
            "found {unconfirmed} records in the journal that Kafka has not confirmed"
        );
    }
    if cut_bytes > 0 {
        tracing::warn!(
            cut_bytes,
            "cut {cut_bytes} bytes of unfinished records off the journal's end; nobody was told \
             that they are safe"
        );
    }
    if damaged > 0 {
        tracing::error!(
            damaged,
            "{damaged} records of the journal are unreadable; what is left of them is in quarantine/"
        );
    }
    if quarantined_bytes > 0 {
        tracing::warn!(
            quarantined_bytes,
            "{quarantined_bytes} bytes that were cut off or taken out of the journal were put into \
             quarantine/, see the lines before"
        );
    }
    if found.synced_data_lost > 0 {
        tracing::error!(
            records = found.synced_data_lost,
            "synced data lost: {} records were synced and not confirmed, and are gone from the disk",
            found.synced_data_lost
        );
    }
    if found.missing_prefix > 0 {
        tracing::error!(
            records = found.missing_prefix,
            "{} records that were not confirmed are missing at the beginning of the journal",
            found.missing_prefix
        );
    }
}

/// What the journal reports, as metrics.
#[derive(Debug)]
struct JournalMetrics(Arc<Metrics>);

impl JournalObserver for JournalMetrics {
    fn written(&self, seconds: f64) {
        self.0.journal.write_seconds.observe(seconds);
    }

    fn synced(&self, seconds: f64) {
        self.0.journal.sync_seconds.observe(seconds);
    }

    fn error(&self, operation: &'static str) {
        self.0.journal.errors.with_label_values(&[operation]).inc();
    }

    // The ledger counts them when the shipper comes to them: until then they wait like all others.
    fn damaged(&self, records: u64) {
        self.0.journal.damaged_records.inc_by(records);
    }

    fn quarantined_bytes(&self, bytes: u64) {
        self.0.journal.quarantined_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    fn oversize_file_dropped(&self) {
        self.0.oversize_files_dropped.inc();
    }

    fn poisoned(&self, now: bool) {
        self.0.journal.poisoned.set(i64::from(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Sequence;

    #[test]
    fn the_effective_budget_is_what_the_disk_has_left() {
        let usage = |bytes, free_bytes| Usage {
            bytes,
            bytes_max: 1000,
            records: 0,
            head: Sequence::NONE,
            confirmed: Sequence::NONE,
            oldest: None,
            full_since: None,
            stalled_since: None,
            poisoned: false,
            free_bytes,
            damaged: 0,
        };
        assert_eq!(effective(&usage(0, Some(10_000)), 500), 1000);
        assert_eq!(effective(&usage(100, Some(800)), 500), 400);
        assert_eq!(effective(&usage(100, Some(300)), 500), 100, "what is there is there");
        assert_eq!(effective(&usage(0, None), 500), 1000);
    }

    #[test]
    fn a_refusal_is_one_sentence_that_names_the_directory() {
        let dir = Path::new("/var/lib/journal");
        let locked = refusal(dir, &OpenError::Locked).to_string();
        assert!(locked.contains("/var/lib/journal") && locked.contains("another process"));
        let unusable = OpenError::Unusable(std::io::ErrorKind::PermissionDenied.into());
        let unusable = refusal(dir, &unusable).to_string();
        assert!(unusable.contains("/var/lib/journal") && unusable.contains("permission denied"));
        assert!(!locked.contains('\n') && !unusable.contains('\n'));
    }
}
