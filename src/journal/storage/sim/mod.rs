//! Storage in memory that loses and refuses what real devices may; for tests, fuzzing and benches.
//!
//! In: the calls of a journal, and orders to fail, to be full, to stall. Out: what a device would
//! say; the [`Disk`] as it is, from which come the disks that a kill or a power loss leaves; and, when
//! asked for, every [`Change`] since then. What always holds: without an order nothing fails; reads
//! see what was written, whatever may be lost later.
//!
//! How it is worse than most real devices, so that nothing rests on their kindness: pages, lengths
//! and names that were not synced are lost or kept independently of each other; a new file's name is
//! not made safe by a sync of the file; after a sync that failed the pages count as clean; a kept
//! page may be an older one, or new in some sectors and old in others.

mod disk;
mod pages;

pub use disk::{Change, Disk};

use super::{Found, Space, Storage, StoredFile};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What raw error a device gives that cannot.
const EIO: i32 = 5;
/// Room on a disk that was not told otherwise.
const ROOM: u64 = 1 << 40;

/// The calls, for faults and counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// [`Storage::lock`]
    Lock,
    /// [`Storage::list`]
    List,
    /// [`Storage::open`]
    Open,
    /// [`Storage::create`]
    Create,
    /// [`Storage::rename`]
    Rename,
    /// [`Storage::remove`]
    Remove,
    /// [`Storage::sync_folder`]
    SyncFolder,
    /// [`Storage::free_bytes`]
    FreeBytes,
    /// [`StoredFile::write_at`]
    Write,
    /// [`StoredFile::read_at`]
    Read,
    /// [`StoredFile::sync`]
    Sync,
    /// [`StoredFile::truncate`]
    Truncate,
}

/// Number of [`Operation`]s.
const OPERATIONS: usize = 12;

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// An I/O error; nothing was done. A sync loses for good what it should have made safe.
    Io,
    /// No space; nothing was done, but a file that was to be made is there, empty.
    Full,
    /// A write takes only so many bytes, without an error.
    Short(usize),
    /// An I/O error after so many bytes of a write were taken.
    IoAfter(usize),
}

/// An order to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Which calls.
    pub operation: Operation,
    /// Only for files whose name, at that time, ends so; `""` for all.
    pub ending: &'static str,
    /// How many calls still succeed before.
    pub skip: u64,
    /// How many calls fail then.
    pub times: u64,
    /// How they do.
    pub failure: Failure,
}

/// What happens to a disk from some moment on.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The disk at that moment.
    pub start: Disk,
    /// The changes since.
    pub changes: Vec<Change>,
}

/// Told the number of a change, from 0, right before it happens.
pub type Observer = Box<dyn FnMut(usize) + Send>;

/// See the module's documentation. The lock of the journal is held until this is dropped.
#[derive(Debug)]
pub struct SimStorage {
    shared: Arc<Shared>,
    has_lock: AtomicBool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    released: Condvar,
    locked: AtomicBool,
}

#[derive(Default)]
struct State {
    disk: Disk,
    trace: Option<(Trace, Observer)>,
    faults: Vec<Fault>,
    stalled: Vec<Operation>,
    waiting: usize,
    calls: [u64; OPERATIONS],
    room: Option<u64>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("disk", &self.disk).finish_non_exhaustive()
    }
}

impl SimStorage {
    /// Storage over a disk.
    #[must_use]
    pub fn new(disk: Disk) -> Self {
        let state = Mutex::new(State { disk, ..State::default() });
        let shared = Arc::new(Shared { state, ..Shared::default() });
        Self { shared, has_lock: AtomicBool::new(false) }
    }

    /// The same disk and the same orders, for another process.
    #[must_use]
    pub fn another(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), has_lock: AtomicBool::new(false) }
    }

    /// The disk as it is now.
    #[must_use]
    pub fn disk(&self) -> Disk {
        self.shared.state.lock().disk.clone()
    }

    /// Records every change from now on; `observer` must not call this storage.
    pub fn record(&self, observer: Observer) {
        let mut state = self.shared.state.lock();
        let trace = Trace { start: state.disk.clone(), changes: Vec::new() };
        state.trace = Some((trace, observer));
    }

    /// Ends the recording and returns it; `None` when nothing was recorded.
    #[must_use]
    pub fn recorded(&self) -> Option<Trace> {
        Some(self.shared.state.lock().trace.take()?.0)
    }

    /// Orders to fail; orders given earlier are looked at first.
    pub fn fail(&self, fault: Fault) {
        self.shared.state.lock().faults.push(fault);
    }

    /// How many calls are still ordered to fail.
    #[must_use]
    pub fn ordered(&self) -> u64 {
        self.shared.state.lock().faults.iter().map(|fault| fault.times).sum()
    }

    /// Takes all orders to fail back.
    pub fn heal(&self) {
        self.shared.state.lock().faults.clear();
    }

    /// Leaves so much room on the device in all, for what is there already too; `None`: plenty.
    pub fn set_room(&self, bytes: Option<u64>) {
        self.shared.state.lock().room = bytes;
    }

    /// Lets calls of these kinds wait until [`Self::release`].
    pub fn stall(&self, operations: &[Operation]) {
        self.shared.state.lock().stalled = operations.to_vec();
    }

    /// Lets all calls go on.
    pub fn release(&self) {
        self.shared.state.lock().stalled.clear();
        self.shared.released.notify_all();
    }

    /// How many calls wait for [`Self::release`] now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.state.lock().waiting
    }

    /// How many calls of a kind there were.
    #[must_use]
    pub fn calls(&self, operation: Operation) -> u64 {
        self.shared.state.lock().calls[operation as usize]
    }
}

impl Drop for SimStorage {
    fn drop(&mut self) {
        if self.has_lock.load(Ordering::SeqCst) {
            self.shared.locked.store(false, Ordering::SeqCst);
        }
    }
}

/// What a call is about.
#[derive(Debug, Clone, Copy)]
enum Subject<'a> {
    Name(&'a str),
    /// By its number: it may have another name than when it was opened.
    File(u64),
}

impl Shared {
    /// Counts a call, lets it wait while its kind is stalled, and says whether and how it fails.
    fn admit(
        &self,
        operation: Operation,
        subject: Subject<'_>,
    ) -> (MutexGuard<'_, State>, Option<Failure>) {
        let mut state = self.state.lock();
        state.calls[operation as usize] += 1;
        while state.stalled.contains(&operation) {
            state.waiting += 1;
            self.released.wait(&mut state);
            state.waiting -= 1;
        }
        let failure = state.due(operation, subject);
        (state, failure)
    }

    /// The same for a call that can only be done or not.
    fn admit_whole(
        &self,
        operation: Operation,
        subject: Subject<'_>,
    ) -> io::Result<MutexGuard<'_, State>> {
        match self.admit(operation, subject) {
            (state, None) => Ok(state),
            (_, Some(Failure::Full)) => Err(io::ErrorKind::StorageFull.into()),
            (_, Some(_)) => Err(io::Error::from_raw_os_error(EIO)),
        }
    }
}

impl State {
    fn due(&mut self, operation: Operation, subject: Subject<'_>) -> Option<Failure> {
        let name = match subject {
            Subject::Name(name) => name,
            Subject::File(file) => self.disk.name_of(file).unwrap_or_default(),
        };
        let concerns =
            |fault: &&mut Fault| fault.operation == operation && name.ends_with(fault.ending);
        for fault in self.faults.iter_mut().filter(concerns) {
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if fault.times > 0 {
                fault.times -= 1;
                return Some(fault.failure);
            }
        }
        None
    }

    fn happens(&mut self, change: Change) {
        if let Some((trace, observer)) = &mut self.trace {
            observer(trace.changes.len());
        }
        self.disk.apply(&change);
        if let Some((trace, _)) = &mut self.trace {
            trace.changes.push(change);
        }
    }

    fn room_left(&self) -> u64 {
        self.room.unwrap_or(ROOM).saturating_sub(self.disk.used())
    }

    fn known(&self, name: &str) -> io::Result<u64> {
        self.disk.file(name).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Storage for SimStorage {
    fn lock(&self) -> io::Result<()> {
        let state = self.shared.admit_whole(Operation::Lock, Subject::Name(""))?;
        let taken = self.shared.locked.swap(true, Ordering::SeqCst);
        drop(state);
        if taken {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.has_lock.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<Found>> {
        Ok(self.shared.admit_whole(Operation::List, Subject::Name(folder))?.disk.list(folder))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        let file = self.shared.admit_whole(Operation::Open, Subject::Name(name))?.known(name)?;
        Ok(SimFile::shared(&self.shared, file))
    }

    fn create(&self, name: &str, space: Space) -> io::Result<Arc<dyn StoredFile>> {
        let bytes = match space {
            Space::Growing => 0,
            Space::Reserved(bytes) | Space::Zeroed(bytes) => bytes,
        };
        let (mut state, failure) = self.shared.admit(Operation::Create, Subject::Name(name));
        let full = failure == Some(Failure::Full) || bytes > state.room_left();
        if failure.is_some() && !full {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        if state.disk.file(name).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = state.disk.next_file();
        let bytes = if full { 0 } else { bytes };
        state.happens(Change::Create { name: name.to_owned(), file, bytes });
        drop(state);
        if full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(SimFile::shared(&self.shared, file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.shared.admit_whole(Operation::Rename, Subject::Name(from))?;
        state.known(from)?;
        state.happens(Change::Rename { from: from.to_owned(), to: to.to_owned() });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.shared.admit_whole(Operation::Remove, Subject::Name(name))?;
        state.known(name)?;
        state.happens(Change::Remove { name: name.to_owned() });
        Ok(())
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        let mut state = self.shared.admit_whole(Operation::SyncFolder, Subject::Name(folder))?;
        state.happens(Change::SyncFolder { folder: folder.to_owned() });
        Ok(())
    }

    fn boot(&self) -> Option<u64> {
        Some(self.shared.state.lock().disk.boots())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.shared.admit_whole(Operation::FreeBytes, Subject::Name(""))?.room_left())
    }
}

/// An open file of a [`SimStorage`]; it stays usable when its name is gone.
#[derive(Debug)]
struct SimFile {
    shared: Arc<Shared>,
    file: u64,
}

impl SimFile {
    fn shared(shared: &Arc<Shared>, file: u64) -> Arc<dyn StoredFile> {
        Arc::new(Self { shared: Arc::clone(shared), file })
    }
}

impl StoredFile for SimFile {
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        let (mut state, failure) = self.shared.admit(Operation::Write, Subject::File(self.file));
        let fits = state.disk.pages(self.file).fits(bytes.len(), at, state.room_left());
        let (taken, error) = match failure {
            Some(Failure::Io) => (0, Some(io::Error::from_raw_os_error(EIO))),
            Some(Failure::Full) => (0, Some(io::ErrorKind::StorageFull.into())),
            Some(Failure::Short(most)) => (most.min(fits), None),
            Some(Failure::IoAfter(most)) => {
                (most.min(fits), Some(io::Error::from_raw_os_error(EIO)))
            }
            None if fits == 0 && !bytes.is_empty() => (0, Some(io::ErrorKind::StorageFull.into())),
            None => (fits, None),
        };
        if taken > 0 {
            let bytes = Arc::from(&bytes[..taken]);
            state.happens(Change::Write { file: self.file, at, bytes });
        }
        error.map_or(Ok(taken), Err)
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let state = self.shared.admit_whole(Operation::Read, Subject::File(self.file))?;
        Ok(state.disk.pages(self.file).read(into, at))
    }

    fn sync(&self) -> io::Result<()> {
        let (mut state, failure) = self.shared.admit(Operation::Sync, Subject::File(self.file));
        if failure.is_some() {
            state.happens(Change::SyncFailed { file: self.file });
            return Err(io::Error::from_raw_os_error(EIO));
        }
        state.happens(Change::Sync { file: self.file });
        Ok(())
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.shared.admit_whole(Operation::Truncate, Subject::File(self.file))?;
        state.happens(Change::Truncate { file: self.file, bytes });
        Ok(())
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.shared.state.lock().disk.pages(self.file).bytes())
    }
}

#[cfg(test)]
mod tests;
