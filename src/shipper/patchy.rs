//! A log in memory with what a log on disk may bring: records that cannot be read, a directory that
//! takes files or does not, records of an earlier run. For tests of the shipper's loop.

use crate::journal::memory::MemoryLog;
use crate::journal::{AppendError, Aside, Log, NoDirectory, Read, Sequence, Usage};
use crate::record::Batch;
use parking_lot::Mutex;
use std::io;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// What becomes of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Directory {
    None,
    Fails,
    Works,
}

#[derive(Debug)]
pub(super) struct PatchyLog {
    pub(super) records: MemoryLog,
    /// These cannot be read; the chunks around them end at their borders.
    pub(super) damaged: Mutex<Option<RangeInclusive<u64>>>,
    pub(super) directory: Mutex<Directory>,
    /// What was put aside.
    pub(super) files: Mutex<Vec<Aside>>,
    pub(super) replay_upto: Sequence,
}

impl Default for PatchyLog {
    fn default() -> Self {
        Self {
            records: MemoryLog::new(1 << 26),
            damaged: Mutex::default(),
            directory: Mutex::new(Directory::None),
            files: Mutex::default(),
            replay_upto: Sequence::NONE,
        }
    }
}

impl Log for PatchyLog {
    fn append(&self, batch: &mut Batch) -> Result<RangeInclusive<Sequence>, AppendError> {
        self.records.append(batch)
    }

    fn try_append(&self, batch: &mut Batch) -> Result<RangeInclusive<Sequence>, AppendError> {
        self.records.try_append(batch)
    }

    fn is_immediate(&self) -> bool {
        self.records.is_immediate()
    }

    fn durable(&self) -> Sequence {
        self.records.durable()
    }

    fn written(&self) -> Sequence {
        self.records.written()
    }

    fn progress(&self) -> &Notify {
        self.records.progress()
    }

    fn stalled_since(&self) -> Option<Instant> {
        self.records.stalled_since()
    }

    fn read(&self, from: Sequence) -> Read {
        match &*self.damaged.lock() {
            Some(range) if range.contains(&from.0) => {
                Read::Damaged { upto: Sequence(*range.end()) }
            }
            _ => self.records.read(from),
        }
    }

    fn confirm(&self, upto: Sequence) {
        self.records.confirm(upto);
    }

    fn wait_for(&self, from: Sequence, timeout: Duration) {
        self.records.wait_for(from, timeout);
    }

    fn room(&self) -> &Notify {
        self.records.room()
    }

    fn put_aside(&self, aside: Aside) {
        self.files.lock().push(aside);
    }

    fn put_aside_now(&self, aside: &Aside) -> io::Result<()> {
        match *self.directory.lock() {
            Directory::None => Err(io::Error::other(NoDirectory)),
            Directory::Fails => Err(io::Error::from(io::ErrorKind::StorageFull)),
            Directory::Works => {
                self.files.lock().push(aside.clone());
                Ok(())
            }
        }
    }

    fn usage(&self) -> Usage {
        self.records.usage()
    }

    fn uuid(&self) -> &str {
        self.records.uuid()
    }

    fn replay_upto(&self) -> Sequence {
        self.replay_upto
    }

    fn close(&self, within: Duration) -> u64 {
        self.records.close(within)
    }
}
