//! Where the reader and the syncs have come to, in a file of two slots.
//!
//! In: the confirmed and the synced position. Out: the same after any stop, at most a little old.
//! What always holds: the slot that was synced last is not touched until the other one is synced,
//! so a torn write costs a little age and nothing else. A checkpoint that is old only makes
//! repeats; one that is missing makes many. The layout stands at the head of [`crate::journal`].

use super::frame::{u32_at, u64_at};
use super::quarantine::{remove_if_there, write_all};
use crate::journal::storage::{Space, Storage, StoredFile};
use crc32c::crc32c;
use std::io;
use std::sync::Arc;

/// Its file.
pub(super) const NAME: &str = "checkpoint";
/// A new one, until it takes the other's place.
const NEW_NAME: &str = "checkpoint.tmp";
/// Length of a slot: a sector, which devices write whole.
const SLOT_BYTES: usize = 512;
const MAGIC: &[u8; 8] = b"imbr-chk";
const VERSION: u32 = 1;

/// What a slot says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Checkpoint {
    /// Identity of the files: the seals are made of it.
    pub(super) uuid: [u8; 16],
    /// Of two slots the one with the higher generation counts.
    pub(super) generation: u64,
    /// Everything up to here is in Kafka.
    pub(super) confirmed: u64,
    /// Everything up to here was synced.
    pub(super) synced: u64,
    /// Identity that is told with the positions, in the header `journal` of every record.
    pub(super) told: [u8; 16],
    /// The start of the machine in which this was written, 0 where that is not known.
    pub(super) boot: u64,
    /// Whether positions above `synced` may have been told: with the machine, they may be lost.
    pub(super) loose: bool,
}

impl Checkpoint {
    pub(super) fn encode(&self) -> [u8; SLOT_BYTES] {
        let mut bytes = [0; SLOT_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.uuid);
        bytes[32..40].copy_from_slice(&self.generation.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.confirmed.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.synced.to_le_bytes());
        bytes[56..72].copy_from_slice(&self.told);
        bytes[72..80].copy_from_slice(&self.boot.to_le_bytes());
        bytes[80] = u8::from(self.loose);
        let crc = crc32c(&bytes[..SLOT_BYTES - 4]);
        bytes[SLOT_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `None` for bytes that are no slot of this version.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..SLOT_BYTES)?;
        let sealed = crc32c(&bytes[..SLOT_BYTES - 4]) == u32_at(bytes, SLOT_BYTES - 4);
        if !sealed || &bytes[..8] != MAGIC || u32_at(bytes, 8) != VERSION {
            return None;
        }
        let uuid = |at: usize| bytes[at..at + 16].try_into().expect("sixteen bytes");
        Some(Self {
            uuid: uuid(16),
            generation: u64_at(bytes, 32),
            confirmed: u64_at(bytes, 40),
            synced: u64_at(bytes, 48),
            told: uuid(56),
            boot: u64_at(bytes, 72),
            loose: bytes[80] != 0,
        })
    }

    /// The newer valid slot of a checkpoint's file.
    pub(super) fn newest(bytes: &[u8]) -> Option<Self> {
        let slots = bytes.chunks(SLOT_BYTES).take(2).filter_map(Self::decode);
        slots.max_by_key(|slot| slot.generation)
    }
}

/// What a checkpoint's file says; `None` when it is missing or says nothing valid.
///
/// # Errors
/// The device.
pub(super) fn read(storage: &dyn Storage) -> io::Result<Option<Checkpoint>> {
    Ok(open(storage)?.and_then(|(_, bytes)| Checkpoint::newest(&bytes)))
}

/// The checkpoint's file, and the bytes of its slots.
type Opened = (Arc<dyn StoredFile>, Vec<u8>);

/// `None` when it is missing.
fn open(storage: &dyn Storage) -> io::Result<Option<Opened>> {
    let file = match storage.open(NAME) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = vec![0; 2 * SLOT_BYTES];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    bytes.truncate(filled);
    Ok(Some((file, bytes)))
}

/// Writes checkpoints.
#[derive(Debug)]
pub(super) struct CheckpointFile {
    /// `None` after a sync failed: the next one goes to a new file.
    file: Option<Arc<dyn StoredFile>>,
    /// Which slot may be written: the other one was synced last.
    slot: u64,
    last: Checkpoint,
    /// What the file says of positions and of [`Checkpoint::loose`].
    said: Option<(u64, u64, bool)>,
    synced: bool,
    /// A sync of the file that stands there failed: it must not be written to again.
    given_up: bool,
}

impl CheckpointFile {
    /// `last`: the newest checkpoint, or where there is none, what it would say. The first one
    /// makes a new file, so nothing is taken from what stands in an old one; where there is no room
    /// for a new one it goes into the old one.
    pub(super) const fn new(last: Checkpoint) -> Self {
        Self { file: None, slot: 0, last, said: None, synced: false, given_up: false }
    }

    /// The confirmed position on the disk; safe only after [`Self::sync`].
    pub(super) const fn confirmed(&self) -> u64 {
        self.last.confirmed
    }

    /// Whether these positions are there already.
    pub(super) fn says(&self, confirmed: u64, synced: u64) -> bool {
        self.file.is_some() && self.said == Some((confirmed, synced, self.last.loose))
    }

    /// Writes the positions; safe against power loss only after [`Self::sync`].
    ///
    /// # Errors
    /// The device; the next call makes a new file.
    pub(super) fn write(
        &mut self,
        storage: &dyn Storage,
        confirmed: u64,
        synced: u64,
    ) -> io::Result<()> {
        let generation = self.last.generation.saturating_add(1);
        let next = Checkpoint { generation, confirmed, synced, ..self.last };
        let Some(file) = &self.file else {
            // A journal that has filled its disk would keep every segment for want of a kilobyte:
            // none is removed without a checkpoint.
            return self
                .replace(storage, next)
                .or_else(|error| if self.reuse(storage, next)? { Ok(()) } else { Err(error) });
        };
        if let Err(error) = write_slot(&**file, self.slot, &next) {
            self.file = None;
            return Err(error);
        }
        self.last = next;
        self.said = Some((confirmed, synced, next.loose));
        self.synced = false;
        Ok(())
    }

    /// Notes that nothing above the synced position will be told: the next write says so.
    pub(super) const fn settle(&mut self) {
        self.last.loose = false;
    }

    /// Makes what was written last safe.
    ///
    /// # Errors
    /// The device; the file is given up, the next [`Self::write`] makes a new one.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.synced {
            return Ok(());
        }
        let file = self.file.take().ok_or_else(|| io::Error::other("no checkpoint was written"))?;
        file.sync().inspect_err(|_| self.given_up = true)?;
        self.file = Some(file);
        self.slot = 1 - self.slot;
        self.synced = true;
        Ok(())
    }

    /// Writes `next` to a new file that takes the old one's place once it is synced.
    fn replace(&mut self, storage: &dyn Storage, next: Checkpoint) -> io::Result<()> {
        remove_if_there(storage, NEW_NAME)?;
        let file = storage.create(NEW_NAME, Space::Zeroed(2 * SLOT_BYTES as u64))?;
        write_slot(&*file, 0, &next)?;
        file.sync()?;
        storage.rename(NEW_NAME, NAME)?;
        storage.sync_folder("")?;
        let said = Some((next.confirmed, next.synced, next.loose));
        *self = Self { file: Some(file), slot: 1, last: next, said, synced: true, given_up: false };
        Ok(())
    }

    /// Writes `next` to the file that is there, into the slot that says less; synced, if it says more
    /// than other positions. Whether that could be
    /// done: not without a file of this journal, and not to one whose sync failed.
    fn reuse(&mut self, storage: &dyn Storage, next: Checkpoint) -> io::Result<bool> {
        let Some((file, bytes)) = open(storage)? else { return Ok(false) };
        let ours = |one: Checkpoint| one.uuid == next.uuid && one.generation < next.generation;
        let newest = Checkpoint::newest(&bytes);
        if self.given_up || bytes.len() < 2 * SLOT_BYTES || !newest.is_none_or(ours) {
            return Ok(false);
        }
        let slot = u64::from(newest.is_some() && Checkpoint::decode(&bytes) == newest);
        // What the other slot says must be safe before this one is touched.
        file.sync().inspect_err(|_| self.given_up = true)?;
        write_slot(&*file, slot, &next)?;
        // Positions may be an old file's; what decides about the identity may not.
        let decides = |one: Checkpoint| (one.loose, one.told, one.boot);
        let synced = newest.map(decides) != Some(decides(next));
        if synced {
            file.sync().inspect_err(|_| self.given_up = true)?;
        }
        let slot = if synced { 1 - slot } else { slot };
        let said = Some((next.confirmed, next.synced, next.loose));
        *self = Self { file: Some(file), slot, last: next, said, synced, given_up: false };
        Ok(true)
    }
}

fn write_slot(file: &dyn StoredFile, slot: u64, checkpoint: &Checkpoint) -> io::Result<()> {
    write_all(file, &checkpoint.encode(), slot * SLOT_BYTES as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::storage::disk::DiskStorage;

    const SOME: Checkpoint = Checkpoint {
        uuid: [3; 16],
        generation: 1,
        confirmed: 10,
        synced: 20,
        told: [4; 16],
        boot: 5,
        loose: true,
    };

    #[test]
    fn a_slot_is_read_back_and_no_flipped_bit_is_taken() {
        let bytes = SOME.encode();
        assert_eq!(Checkpoint::decode(&bytes), Some(SOME));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Checkpoint::decode(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn a_torn_slot_leaves_what_was_synced() {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let storage = DiskStorage::new(dir.path()).expect("it is there");
        let mut file = CheckpointFile::new(SOME);
        file.write(&storage, 11, 21).expect("written");
        for confirmed in 12..15 {
            file.write(&storage, confirmed, 21).expect("written");
        }
        let read_back = read(&storage).expect("readable").expect("valid");
        assert_eq!((read_back.confirmed, read_back.synced), (14, 21));
        let raw = storage.open(NAME).expect("it is there");
        raw.write_at(&[0xff; 100], SLOT_BYTES as u64).expect("torn");
        assert_eq!(read(&storage).expect("readable").expect("valid").confirmed, 11);
        file.sync().expect("synced");
        file.write(&storage, 15, 21).expect("written");
        assert_eq!(read(&storage).expect("readable").expect("valid").confirmed, 15);
        assert!(file.says(15, 21) && !file.says(16, 21));
        file.settle();
        assert!(!file.says(15, 21), "what it says has changed");
        file.write(&storage, 15, 21).expect("written");
        assert!(!read(&storage).expect("readable").expect("valid").loose);
    }

    /// A bridge that was started again on a disk that its journal had filled kept all segments for
    /// ever, although Kafka had every record: no checkpoint could be written, for it wanted a new
    /// file.
    #[test]
    fn without_room_for_a_new_file_the_old_one_is_written_to() {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let storage = DiskStorage::new(dir.path()).expect("it is there");
        let mut before = CheckpointFile::new(SOME);
        before.write(&storage, 11, 21).expect("written");
        before.write(&storage, 12, 21).expect("written");
        let found = read(&storage).expect("readable").expect("valid");
        // Stands in for a full disk: no file can be made under the new one's name.
        std::fs::create_dir(dir.path().join(NEW_NAME)).expect("it is not there");

        let mut after = CheckpointFile::new(found);
        after.write(&storage, 13, 23).expect("written to the old file");
        // The slot that said more is still there.
        let raw = storage.open(NAME).expect("it is there");
        let mut slots = [0; 2 * SLOT_BYTES];
        assert_eq!(raw.read_at(&mut slots, 0).expect("readable"), slots.len());
        let confirmed = |slot: &[u8]| Checkpoint::decode(slot).expect("valid").confirmed;
        assert_eq!((confirmed(&slots), confirmed(&slots[SLOT_BYTES..])), (13, 12));
        after.sync().expect("synced");
        after.write(&storage, 14, 24).expect("written");
        after.sync().expect("synced");
        assert_eq!(read(&storage).expect("readable").expect("valid").confirmed, 14);

        // Another journal's file is left alone.
        let mut stranger = CheckpointFile::new(Checkpoint { uuid: [4; 16], ..SOME });
        assert!(stranger.write(&storage, 15, 25).is_err());
        assert_eq!(read(&storage).expect("readable").expect("valid").confirmed, 14);
    }

    /// The one of a stop says that nothing above the synced position was told. Where there is no room
    /// for a new file, what replaces it must not be lost with the machine.
    #[test]
    fn what_makes_another_identity_due_is_safe_even_without_a_new_file() {
        use crate::journal::storage::sim::{Disk, Failure, Fault, Operation, SimStorage};
        let storage = SimStorage::new(Disk::default());
        let stopped = Checkpoint { loose: false, ..SOME };
        CheckpointFile::new(stopped).write(&storage, 20, 20).expect("written");
        let found = read(&storage).expect("readable").expect("valid");
        let (operation, failure) = (Operation::Create, Failure::Full);
        storage.fail(Fault { operation, ending: "", skip: 0, times: 9, failure });
        let mut after = CheckpointFile::new(Checkpoint { loose: true, ..found });
        after.write(&storage, 20, 20).expect("written to the old file");
        let left = SimStorage::new(storage.disk().after_power_loss(&mut |_| 0));
        assert!(read(&left).expect("readable").expect("valid").loose);
        // And the other slot is the next one to be written.
        after.write(&storage, 21, 20).expect("written");
        let left = SimStorage::new(storage.disk().after_power_loss(&mut |_| 0));
        assert!(read(&left).expect("readable").expect("valid").loose);
    }
}
