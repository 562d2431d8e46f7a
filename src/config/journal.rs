//! Settings of the acknowledgement and the journal.
//!
//! In: texts. Out: [`Journal`]. Invariant: the level is one that this version keeps, never a
//! promise that it cannot hold.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::read::{Reader, SECONDS_MAX};

/// A hold above this many milliseconds gets a warning: Tencent Cloud Chat gives up after 2 s.
const HOLD_MILLISECONDS_WARN: u128 = 1500;

/// The journal and what an answer promises.
#[derive(Debug, Clone)]
pub struct Journal {
    /// `IMBRIDGE_ACK`.
    pub ack: AckLevel,
    /// `IMBRIDGE_ACK` was not set: `serve` warns that the level is not durable.
    pub ack_defaulted: bool,
    /// `IMBRIDGE_HOLD_MILLISECONDS`; zero: no waiting.
    pub hold: Duration,
    /// `IMBRIDGE_JOURNAL_DIR`.
    pub dir: PathBuf,
    /// `IMBRIDGE_JOURNAL_BYTES_MAX`, at least 1.
    pub bytes_max: u64,
    /// `IMBRIDGE_JOURNAL_FREE_BYTES_MIN`, at least 1.
    pub free_bytes_min: u64,
    /// `IMBRIDGE_JOURNAL_SEGMENT_BYTES`, at least 1.
    pub segment_bytes: u64,
    /// Names of settings that were set and have no effect at level `memory`; `serve` names them.
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

    /// What an answer of 200 promises at this level, in one sentence.
    #[must_use]
    pub const fn promise(self) -> &'static str {
        match self {
            Self::Memory => {
                "200 means: in the bounded journal in memory; lost if the process ends before Kafka has it"
            }
            Self::Os => {
                "200 means: in the kernel's page cache; survives the end of the process, not of the machine"
            }
            Self::Fsync => {
                "200 means: on the disk; survives power loss if the device honours flushes"
            }
            Self::Kafka => "200 means: confirmed by Kafka",
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
    let disk_only = [
        ("IMBRIDGE_JOURNAL_DIR", vars.journal_dir.is_some()),
        ("IMBRIDGE_JOURNAL_FREE_BYTES_MIN", vars.journal_free_bytes_min.is_some()),
        ("IMBRIDGE_JOURNAL_SEGMENT_BYTES", vars.journal_segment_bytes.is_some()),
    ];
    let ignored_at_memory =
        disk_only.iter().filter(|(_, set)| *set).map(|(name, _)| *name).collect();
    Journal {
        ack_defaulted: vars.ack.is_none(),
        ack: ack(vars.ack, reader),
        hold: hold(vars.hold_milliseconds, reader),
        dir: reader.text("IMBRIDGE_JOURNAL_DIR", vars.journal_dir).into(),
        bytes_max: reader.bytes("IMBRIDGE_JOURNAL_BYTES_MAX", vars.journal_bytes_max),
        free_bytes_min: reader
            .bytes("IMBRIDGE_JOURNAL_FREE_BYTES_MIN", vars.journal_free_bytes_min),
        segment_bytes: reader.bytes("IMBRIDGE_JOURNAL_SEGMENT_BYTES", vars.journal_segment_bytes),
        ignored_at_memory,
    }
}

fn ack(given: Option<String>, reader: &mut Reader) -> AckLevel {
    let name = "IMBRIDGE_ACK";
    let levels = [AckLevel::Memory, AckLevel::Os, AckLevel::Fsync, AckLevel::Kafka];
    let level = reader.word(name, given, &levels.map(|level| (level.word(), level)));
    if level != AckLevel::Memory {
        let what = format!("is {:?}: not yet supported in this version, only memory", level.word());
        reader.problem(name, &what);
    }
    level
}

fn hold(given: Option<String>, reader: &mut Reader) -> Duration {
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
    hold
}
