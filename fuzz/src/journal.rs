//! Opening a journal whose files hold anything.
//!
//! In: bytes that become files of a journal's directory. Out: nothing. What always holds: the tools'
//! view and the opening succeed, without a panic and in bounded time; a record that is appended
//! then is durable, is read back and outlives another opening; what cannot be read is told as
//! damage, and reading ends.

use imbridge::journal::disk::scan::scan;
use imbridge::journal::disk::{DiskLog, JournalObserver, Settings};
use imbridge::journal::storage::disk::DiskStorage;
use imbridge::journal::{Level, Log, Read, Sequence};
use imbridge::record::{Batch, Head};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Longest wait for one record to be written; a fuzzer's machine may be busy.
const SOON: Duration = Duration::from_secs(20);
const SEGMENT: &str = "00000000000000000001.seg";
const CHECKPOINT: &str = "checkpoint";

#[derive(Debug)]
struct Nobody;

impl JournalObserver for Nobody {
    fn written(&self, _seconds: f64) {}
    fn synced(&self, _seconds: f64) {}
    fn error(&self, _operation: &'static str) {}
    fn damaged(&self, _records: u64) {}
    fn quarantined_bytes(&self, _bytes: u64) {}
    fn oversize_file_dropped(&self) {}
    fn poisoned(&self, _now: bool) {}
}

fn open(dir: &Path) -> Arc<DiskLog> {
    let settings = Settings {
        ack: Level::Os,
        bytes_max: 1 << 20,
        free_bytes_min: 0,
        segment_bytes: 1 << 14,
        oversize_bytes_max: 1 << 20,
    };
    let storage = Arc::new(DiskStorage::new(dir).expect("it is there"));
    DiskLog::open(storage, settings, Arc::new(Nobody)).expect("a journal always opens")
}

fn batch(id: &str) -> Batch {
    let mut batch = Batch::new();
    let head = Head { id, topic: "im.unknown", key: Some(b"k"), timestamp_ms: 7 };
    batch.push(&head, &[("h", b"v")], b"{\"some\":\"value\"}");
    batch
}

/// Appends a record, and waits until it is written.
fn append(log: &DiskLog, id: &str) -> Sequence {
    let range = log.append(&mut batch(id)).expect("there is room");
    log.wait_for(*range.end(), SOON);
    assert!(log.durable() >= *range.end(), "a record that was appended becomes durable");
    *range.end()
}

/// Reads all that is not confirmed; the ids that can be read, with their positions.
fn read(log: &DiskLog) -> Vec<(u64, String)> {
    let mut next = log.usage().confirmed.next();
    let mut seen = Vec::new();
    loop {
        match log.read(next) {
            Read::Nothing => break,
            Read::Damaged { upto } => {
                assert!(upto >= next, "reading goes on");
                next = upto.next();
            }
            Read::Chunk(chunk) => {
                let positions = chunk.first.0..;
                for (position, record) in positions.zip(chunk.batch.iter()) {
                    if position >= next.0 {
                        seen.push((position, record.id.to_owned()));
                    }
                }
                next = chunk.last().next();
            }
        }
    }
    assert!(next > log.written(), "reading comes to the end");
    seen
}

/// Opens a directory of these files, twice, and judges it.
fn judge(files: &[(&str, &[u8])]) {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    for (name, bytes) in files {
        std::fs::write(dir.path().join(name), bytes).expect("there is room");
    }
    let view = DiskStorage::existing(dir.path()).expect("it is there");
    scan(&view).expect("it can be looked at");
    let log = open(dir.path());
    let found = read(&log);
    let last = append(&log, "appended");
    let again = read(&log);
    assert_eq!(again.last(), Some(&(last.0, "appended".to_owned())));
    assert_eq!(again[..again.len() - 1], found, "what was there is still there");
    assert_eq!(log.close(SOON), 0);
    drop(log);
    let log = open(dir.path());
    assert_eq!(read(&log), again, "another opening finds the same");
    assert_eq!(log.written(), last);
    log.close(SOON);
}

/// A small journal, whole: its segment and its checkpoint.
fn whole() -> &'static (Vec<u8>, Vec<u8>) {
    static WHOLE: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let log = open(dir.path());
        for id in ["one", "two", "three"] {
            append(&log, id);
        }
        log.confirm(Sequence(1));
        log.close(SOON);
        drop(log);
        let file = |name: &str| std::fs::read(dir.path().join(name)).expect("it is there");
        (file(SEGMENT), file(CHECKPOINT))
    })
}

/// The seeds: bytes of a whole segment, of a whole checkpoint, and both behind a length.
pub fn seeds() -> [Vec<u8>; 3] {
    let (segment, checkpoint) = whole();
    let mut both = (u16::try_from(checkpoint.len()).expect("a kilobyte")).to_le_bytes().to_vec();
    both.extend(checkpoint);
    both.extend(segment);
    [segment.clone(), checkpoint.clone(), both]
}

/// A segment of any bytes, frames included, beside a whole checkpoint.
pub fn segment(bytes: &[u8]) {
    judge(&[(SEGMENT, bytes), (CHECKPOINT, &whole().1)]);
}

/// A checkpoint of any bytes beside a whole segment.
pub fn checkpoint(bytes: &[u8]) {
    judge(&[(SEGMENT, &whole().0), (CHECKPOINT, bytes)]);
}

/// A directory of any bytes: the length of the checkpoint, the checkpoint, a segment; what is behind
/// 4 KiB is a second segment.
pub fn journal(bytes: &[u8]) {
    let (length, rest) = bytes.split_at(bytes.len().min(2));
    let length = length.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let (checkpoint, segments) = rest.split_at(length.min(rest.len()));
    let (first, second) = segments.split_at(segments.len().min(4096));
    let mut files = vec![(CHECKPOINT, checkpoint), (SEGMENT, first)];
    if !second.is_empty() {
        files.push(("00000000000000000004.seg", second));
    }
    judge(&files);
}
