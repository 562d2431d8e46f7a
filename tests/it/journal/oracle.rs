//! The judge of every test here: what a journal must hold after whatever happened to it.
//!
//! In: [`Truth`], all that was ever appended, and a [`Promise`], what the log had said by then. Out:
//! nothing, or the first sentence that does not hold. What always holds: the judge asks the log only
//! what the shipper and the tools ask; it knows no byte of the format.

use super::{PATIENCE, eventually, open, open_told, record, wait_durable};
use imbridge::journal::disk::scan::{Entry, scan};
use imbridge::journal::disk::{DiskLog, Recovered, Settings};
use imbridge::journal::storage::sim::{Disk, SimStorage};
use imbridge::journal::{Log, Read, Sequence};
use imbridge::record::{Batch, Record};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// First number of the records that the judge appends himself; tests count from 1.
const JUDGES: u64 = 1 << 40;
/// Longest time until something is told of which nobody waits for an answer.
const SOON: Duration = Duration::from_secs(5);

/// Everything that was appended, by position.
#[derive(Debug, Clone, Default)]
pub(super) struct Truth {
    pub(super) records: BTreeMap<u64, Vec<u8>>,
    /// Positions whose records the test has made unreadable.
    pub(super) lost: BTreeSet<u64>,
    /// Under which identity positions were told.
    pub(super) uuid: String,
}

impl Truth {
    /// Remembers what stands where.
    pub(super) fn appended(&mut self, range: &RangeInclusive<Sequence>, batch: &Batch) {
        let records: Vec<_> = split(batch.bytes());
        let count = range.end().0 + 1 - range.start().0;
        assert_eq!(records.len() as u64, count, "as many positions as records");
        self.records.extend((range.start().0..).zip(records));
    }

    /// The last position that was given away.
    pub(super) fn last(&self) -> u64 {
        let last = self.records.last_key_value().map_or(0, |(position, _)| *position);
        last.max(self.lost.last().copied().unwrap_or_default())
    }
}

/// What the log had said when it came to its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Promise {
    /// Everything up to here must be there, but what was confirmed.
    pub(super) safe: u64,
    /// Everything up to here may be gone.
    pub(super) confirmed: u64,
    /// Everything up to here may have been read, and told to the world.
    pub(super) told: u64,
    /// Whether the identity must be what it was.
    pub(super) same: bool,
}

/// What a log gives back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) uuid: String,
    pub(super) confirmed: u64,
    pub(super) records: BTreeMap<u64, Vec<u8>>,
    pub(super) damaged: Vec<RangeInclusive<u64>>,
    /// The last position, readable or not.
    pub(super) last: u64,
    /// What the log said when it was opened.
    pub(super) recovered: Recovered,
}

/// What is in quarantine, and what was told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quarantined {
    /// Bytes of its files after the opening, before anything was read back.
    pub(super) at_start: u64,
    /// Bytes of its files at the end.
    pub(super) bytes: u64,
    /// The last that the observer was told of it.
    pub(super) told_bytes: u64,
    /// Damaged records, as the observer counted them.
    pub(super) told_damaged: u64,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { uuid, confirmed, records, damaged, last, recovered } = self;
        let records: Vec<_> = records.keys().collect();
        write!(f, "{uuid}, confirmed {confirmed}, last {last}, {records:?}, ")?;
        write!(f, "damaged {damaged:?}, {recovered:?}")
    }
}

/// The encoded records of a batch, each by itself.
fn split(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while let Some((_, taken)) = Record::decode(bytes) {
        records.push(bytes[..taken].to_vec());
        bytes = &bytes[taken..];
    }
    assert!(bytes.is_empty(), "a batch ends with a record");
    records
}

/// Reads a log as the shipper does, from the confirmed position to its end.
pub(super) fn walk(log: &DiskLog) -> Result<Found, String> {
    walk_within(log, PATIENCE).map_err(|refused| refused.to_string())
}

/// Why a walk did not come to its end.
#[derive(Debug)]
pub(super) enum Refused {
    /// The log has nothing where something is: the device may have failed.
    Nothing(u64),
    /// The log contradicts itself.
    Nonsense(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing(at) => write!(f, "nothing at {at}, which is written"),
            Self::Nonsense(problem) => f.write_str(problem),
        }
    }
}

/// The same; how long the log may need until it gives something back.
pub(super) fn walk_within(log: &DiskLog, patience: Duration) -> Result<Found, Refused> {
    let started = Instant::now();
    let confirmed = log.usage().confirmed.0;
    let mut found = Found {
        uuid: log.uuid().to_owned(),
        confirmed,
        records: BTreeMap::new(),
        damaged: Vec::new(),
        last: log.written().0,
        recovered: log.recovered().clone(),
    };
    let mut from = confirmed + 1;
    while from <= found.last {
        match log.read(Sequence(from)) {
            Read::Nothing if started.elapsed() < patience => {}
            Read::Nothing => return Err(Refused::Nothing(from)),
            Read::Damaged { upto } if upto.0 < from => {
                return Err(Refused::Nonsense(format!("at {from} damage that ends at {upto}")));
            }
            Read::Damaged { upto } => {
                found.damaged.push(from..=upto.0);
                from = upto.0 + 1;
            }
            Read::Chunk(chunk) => {
                let records = split(chunk.batch.bytes());
                if records.len() != chunk.batch.records() as usize
                    || !(chunk.first.0..=chunk.last().0).contains(&from)
                {
                    let what = format!("at {from} a chunk {}..={}", chunk.first, chunk.last());
                    return Err(Refused::Nonsense(what));
                }
                let skip = usize::try_from(from - chunk.first.0).expect("small");
                found.records.extend((from..).zip(records.into_iter().skip(skip)));
                from = chunk.last().0 + 1;
            }
        }
    }
    Ok(found)
}

/// What must hold of what was found. A log that calls too much confirmed is caught too: it does not
/// give back what is due.
pub(super) fn compare(found: &Found, truth: &Truth, promise: Promise) -> Result<(), String> {
    for (position, bytes) in &found.records {
        match truth.records.get(position) {
            None => return Err(format!("{position} was never appended")),
            Some(appended) if appended != bytes => {
                return Err(format!("{position} is not what was appended"));
            }
            Some(_) => {}
        }
    }
    let mut due = (promise.confirmed + 1..=promise.safe).filter(|at| !truth.lost.contains(at));
    match due.find(|position| !found.records.contains_key(position)) {
        Some(lost) => Err(format!("{lost} of {promise:?} is lost; damaged {:?}", found.damaged)),
        None => Ok(()),
    }
}

/// What must hold of the files, whoever reads them: one record for a position, in order.
fn compare_files(storage: &SimStorage, found: &Found) -> Result<(), String> {
    let view = scan(storage).map_err(|error| format!("scan: {error}"))?;
    let mut seen = BTreeMap::new();
    let mut problem = None;
    let mut last = 0;
    let visited = view.each(storage, Sequence(found.confirmed + 1), &mut |entry| {
        if let Entry::Record { sequence, bytes, .. } = entry {
            if sequence.0 <= last {
                problem = Some(format!("{sequence} stands behind {last}"));
            }
            last = sequence.0;
            seen.insert(sequence.0, bytes.to_vec());
        }
        true
    });
    visited.map_err(|error| format!("each: {error}"))?;
    seen.retain(|position, _| *position > found.confirmed);
    match problem {
        Some(problem) => Err(problem),
        None if seen != found.records => {
            let keys = |records: &BTreeMap<u64, _>| records.keys().copied().collect::<Vec<_>>();
            Err(format!("the tools see {:?}, the log {:?}", keys(&seen), keys(&found.records)))
        }
        None => Ok(()),
    }
}

/// Appends one record to a healthy log, and sees it written.
pub(super) fn append_fresh(log: &DiskLog, number: u64) -> Result<(u64, Vec<u8>), String> {
    let mut batch = record(JUDGES + number, 10);
    let bytes = batch.bytes().to_vec();
    let started = Instant::now();
    let range = loop {
        match log.append(&mut batch) {
            Ok(range) => break range,
            Err(error) if started.elapsed() > PATIENCE => {
                return Err(format!("takes nothing ({error}): {:?}", log.usage()));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    if !eventually(PATIENCE, || log.written() >= *range.end()) {
        return Err(format!("{range:?} is never written: {:?}", log.usage()));
    }
    Ok((range.end().0, bytes))
}

/// Opens a disk and looks at what is there.
fn look(
    storage: &Arc<SimStorage>,
    settings: &Settings,
    truth: &Truth,
    promise: Promise,
) -> Result<(Arc<DiskLog>, Found, Quarantined), String> {
    let opened = open_told(storage, settings);
    let (log, told) = opened.map_err(|error| format!("does not open: {error}"))?;
    let at_start = quarantine_bytes(storage);
    let found = walk(&log)?;
    let bytes = quarantine_bytes(storage);
    // The first look at the folder is another thread's.
    eventually(SOON, || told.counts().1 >= bytes);
    let (told_damaged, told_bytes) = told.counts();
    let quarantined = Quarantined { at_start, bytes, told_bytes, told_damaged };
    if !matches!(log.read(Sequence(found.last + 1)), Read::Nothing) {
        return Err(format!("something stands behind the end {}", found.last));
    }
    compare(&found, truth, promise)?;
    if promise.same && found.uuid != truth.uuid {
        return Err(format!("it is {} now, and was {}", found.uuid, truth.uuid));
    }
    let gone = found.recovered.missing_prefix + found.recovered.synced_data_lost;
    if promise.same && truth.lost.is_empty() && gone > 0 {
        return Err(format!("an alarm where nothing is lost: {found}"));
    }
    Ok((log, found, quarantined))
}

/// Bytes of the files in quarantine.
fn quarantine_bytes(storage: &SimStorage) -> u64 {
    let contents = storage.disk().contents();
    let files = contents.iter().filter(|(name, _)| name.starts_with("quarantine/"));
    files.map(|(_, content)| content.len() as u64).sum()
}

/// Opens a disk once and lets be true what can be seen then; also returns what is in quarantine.
pub(super) fn glance(
    disk: Disk,
    settings: &Settings,
    truth: &Truth,
    promise: Promise,
) -> Result<(Found, Quarantined), String> {
    let storage = Arc::new(SimStorage::new(disk));
    let (log, found, quarantined) = look(&storage, settings, truth, promise)?;
    log.close(PATIENCE);
    Ok((found, quarantined))
}

/// Opens a disk twice and lets everything be true that must be; also returns what is in quarantine
/// after the first time.
pub(super) fn judge(
    disk: Disk,
    settings: &Settings,
    truth: &Truth,
    promise: Promise,
) -> Result<(Found, Quarantined), String> {
    let storage = Arc::new(SimStorage::new(disk));
    let (first, found, quarantined) = look(&storage, settings, truth, promise)?;
    compare_files(&storage, &found)?;
    let (fresh, bytes) = append_fresh(&first, 0)?;
    if fresh <= found.last || (fresh <= promise.told && found.uuid == truth.uuid) {
        return Err(format!("{fresh} is given away again, behind {}: {promise:?}", found.last));
    }
    let left = first.close(PATIENCE);
    if left > 0 {
        return Err(format!("{left} records are left at the stop"));
    }
    drop(first);
    // A stop syncs at every level: a power loss behind it costs nothing.
    let left = Arc::new(SimStorage::new(storage.disk().after_power_loss(&mut |_| 0)));
    let second = open(&left, settings).map_err(|error| format!("does not open again: {error}"))?;
    let mut again = walk(&second)?;
    if again.records.remove(&fresh) != Some(bytes) {
        return Err(format!("the fresh {fresh} is lost at the next opening"));
    }
    (again.last, again.recovered) = (found.last, found.recovered.clone());
    if again != found {
        return Err(format!("the second opening finds {again}, the first {found}"));
    }
    second.close(PATIENCE);
    Ok((found, quarantined))
}

/// The same as [`wait_durable`], as a sentence.
pub(super) fn becomes_durable(log: &DiskLog, upto: u64) -> Result<(), String> {
    if wait_durable(log, upto, PATIENCE) {
        Ok(())
    } else {
        Err(format!("{upto} does not become durable: {:?}", log.usage()))
    }
}
