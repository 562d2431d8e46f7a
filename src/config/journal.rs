//! Settings of the acknowledgement and the journal.
//!
//! In: texts. Out: [`Journal`]. Invariant: what has no effect at the chosen level is named.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::read::{Reader, SECONDS_MAX};

/// A hold above this many milliseconds gets a warning: Tencent Cloud Chat gives up after 2 s.
const HOLD_MILLISECONDS_WARN: u128 = 1500;
/// With a journal on disk every answer waits for a write, so a shorter hold would refuse callbacks
/// that nothing is wrong with.
const HOLD_ON_DISK_MIN: Duration = Duration::from_millis(10);
/// Budget of the journal in memory when none is set, bytes.
const BYTES_MAX_IN_MEMORY: u64 = 256 << 20;

/// The journal and what an answer promises.
#[derive(Debug, Clone)]
pub struct Journal {
    /// `IMBRIDGE_ACK`.
    pub ack: AckLevel,
    /// `IMBRIDGE_HOLD_MILLISECONDS`; zero (at level `memory` only): no waiting.
    pub hold: Duration,
    /// `IMBRIDGE_JOURNAL_DIR`.
    pub dir: PathBuf,
    /// `IMBRIDGE_JOURNAL_BYTES_MAX`, at least 1.
    pub bytes_max: u64,
    /// `IMBRIDGE_JOURNAL_FREE_BYTES_MIN`.
    pub free_bytes_min: u64,
    /// `IMBRIDGE_JOURNAL_SEGMENT_BYTES`, at least 1.
    pub segment_bytes: u64,
    /// Names of settings that were set and have no effect, for the level is `memory`; `serve` names
    /// them.
    pub ignored_at_memory: Vec<&'static str>,
}

/// What an answer to an after-callback promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckLevel {
    /// The event is in the bounded log in memory.
    Memory,
    /// The event is in the kernel's page cache.
    Os,
    /// The event is on the disk.
    Fsync,
    /// Kafka has confirmed the event.
    Kafka,
}

impl AckLevel {
    /// The word in settings, logs and `/status`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Os => "os",
            Self::Fsync => "fsync",
            Self::Kafka => "kafka",
        }
    }

    /// All, the weakest promise first.
    pub const ALL: [Self; 4] = [Self::Memory, Self::Os, Self::Fsync, Self::Kafka];

    /// What an answer of 200 promises at this level, in one sentence.
    #[must_use]
    pub const fn promise(self) -> &'static str {
        match self {
            Self::Memory => {
                "200 means: in the bounded journal in memory; lost if the process ends before Kafka has it"
            }
            Self::Os => {
                "200 means: in the kernel's page cache; outlives the process, and loses at most the \
                 last 200 ms or 4 MiB when the machine goes down"
            }
            Self::Fsync => {
                "200 means: synced to the disk; outlives power loss if the device honours flushes"
            }
            Self::Kafka => {
                "200 means: confirmed by Kafka; a callback is refused when that takes longer than \
                 the hold time, and its event may be published all the same"
            }
        }
    }
}

#[derive(Deserialize)]
pub(super) struct JournalVars {
    ack: Option<String>,
    hold_milliseconds: Option<String>,
    journal_dir: Option<String>,
    journal_bytes_max: Option<String>,
    journal_free_bytes_min: Option<String>,
    journal_segment_bytes: Option<String>,
}

pub(super) fn read(vars: JournalVars, reader: &mut Reader) -> Journal {
    let ack = ack(vars.ack, reader);
    let disk_only = [
        ("IMBRIDGE_JOURNAL_DIR", vars.journal_dir.is_some()),
        ("IMBRIDGE_JOURNAL_FREE_BYTES_MIN", vars.journal_free_bytes_min.is_some()),
        ("IMBRIDGE_JOURNAL_SEGMENT_BYTES", vars.journal_segment_bytes.is_some()),
    ];
    let in_memory = ack == AckLevel::Memory;
    let ignored = disk_only.iter().filter(|(_, set)| *set && in_memory);
    let bytes_max = if in_memory && vars.journal_bytes_max.is_none() {
        BYTES_MAX_IN_MEMORY
    } else {
        reader.bytes("IMBRIDGE_JOURNAL_BYTES_MAX", vars.journal_bytes_max)
    };
    Journal {
        ack,
        hold: hold(vars.hold_milliseconds, ack, reader),
        dir: reader.text("IMBRIDGE_JOURNAL_DIR", vars.journal_dir).into(),
        bytes_max,
        free_bytes_min: reader
            .bytes_or_none("IMBRIDGE_JOURNAL_FREE_BYTES_MIN", vars.journal_free_bytes_min),
        segment_bytes: reader.bytes("IMBRIDGE_JOURNAL_SEGMENT_BYTES", vars.journal_segment_bytes),
        ignored_at_memory: ignored.map(|(name, _)| *name).collect(),
    }
}

fn ack(given: Option<String>, reader: &mut Reader) -> AckLevel {
    reader.word("IMBRIDGE_ACK", given, &AckLevel::ALL.map(|level| (level.word(), level)))
}

fn hold(given: Option<String>, ack: AckLevel, reader: &mut Reader) -> Duration {
    let name = "IMBRIDGE_HOLD_MILLISECONDS";
    let hold = Duration::from_millis(reader.number(name, given, 0..=SECONDS_MAX * 1000));
    if hold.as_millis() > HOLD_MILLISECONDS_WARN {
        reader.warnings.push(format!(
            "{name} is {}: Tencent Cloud Chat waits 2000 ms for an answer, so a callback that is \
             held longer than {HOLD_MILLISECONDS_WARN} ms may have failed there before \
             it is answered",
            hold.as_millis()
        ));
    }
    if ack != AckLevel::Memory && hold < HOLD_ON_DISK_MIN {
        reader.warnings.push(format!(
            "{name} is {}: at level {} every answer waits for a write, so {} counts",
            hold.as_millis(),
            ack.word(),
            HOLD_ON_DISK_MIN.as_millis()
        ));
        return HOLD_ON_DISK_MIN;
    }
    hold
}
