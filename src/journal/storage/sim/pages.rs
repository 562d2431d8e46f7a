//! What one simulated file holds: for its readers, and on the platter.
//!
//! In: writes, cuts and syncs. Out: the content as readers see it, and what may be left of it when
//! the power goes. What always holds: a sync that succeeded makes exactly the pages safe that were
//! written since the last sync, whether that one succeeded or not; the platter holds whole sectors.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the kernel writes back in one piece.
pub(super) const PAGE: usize = 4096;
/// What a device writes in one piece.
const SECTOR: usize = 512;
/// Contents that a page is remembered to have had since it was safe; older ones are forgotten.
const VERSIONS_MAX: usize = 6;

type Page = Arc<[u8; PAGE]>;

/// See the module's documentation. A page that is in none of the maps reads as zeroes.
#[derive(Debug, Clone, Default)]
pub(super) struct Pages {
    /// What readers see.
    cached: BTreeMap<u64, Page>,
    bytes: u64,
    /// What is safe.
    stable: BTreeMap<u64, Page>,
    stable_bytes: u64,
    /// What a page may hold instead of what is safe, in the order in which it was written.
    loose: BTreeMap<u64, Vec<Option<Page>>>,
    loose_bytes: Vec<u64>,
    /// Pages that the next sync writes.
    dirty: BTreeSet<u64>,
    bytes_dirty: bool,
    /// Bytes from the beginning for which there is room on the device, written or not.
    reserved: u64,
    /// When it was last changed.
    pub(super) changed_ms: i64,
}

impl Pages {
    /// A file of zeroes with room for them, not safe yet.
    pub(super) fn zeroes(bytes: u64) -> Self {
        let mut pages = Self { reserved: bytes, ..Self::default() };
        if bytes > 0 {
            pages.set_bytes(bytes);
        }
        pages
    }

    /// A file with this content, all of it safe.
    pub(super) fn safe(content: &[u8]) -> Self {
        let mut pages = Self::default();
        pages.write(content, 0);
        pages.sync();
        pages
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of the device that are used or promised.
    pub(super) fn room(&self) -> u64 {
        let reserved = self.reserved.div_ceil(PAGE as u64);
        let beyond = self.cached.range(reserved..).count() as u64;
        (reserved + beyond) * PAGE as u64
    }

    /// How many of these bytes can be written when that much room is left on the device.
    pub(super) fn fits(&self, bytes: usize, at: u64, room: u64) -> usize {
        let reserved = self.reserved.div_ceil(PAGE as u64);
        let mut left = room / PAGE as u64;
        let mut end = at;
        while end < at + bytes as u64 {
            let page = end / PAGE as u64;
            if page >= reserved && !self.cached.contains_key(&page) {
                if left == 0 {
                    break;
                }
                left -= 1;
            }
            end = (page + 1) * PAGE as u64;
        }
        usize::try_from(end.min(at + bytes as u64) - at).expect("no more than was given")
    }

    pub(super) fn read(&self, into: &mut [u8], at: u64) -> usize {
        let there = usize::try_from(self.bytes.saturating_sub(at)).unwrap_or(usize::MAX);
        let wanted = into.len().min(there);
        let mut done = 0;
        while done < wanted {
            let (page, from) = place(at + done as u64);
            let piece = (PAGE - from).min(wanted - done);
            let target = &mut into[done..done + piece];
            match self.cached.get(&page) {
                Some(page) => target.copy_from_slice(&page[from..from + piece]),
                None => target.fill(0),
            }
            done += piece;
        }
        wanted
    }

    pub(super) fn content(&self) -> Vec<u8> {
        let mut content = vec![0; usize::try_from(self.bytes).expect("it is in memory")];
        self.read(&mut content, 0);
        content
    }

    pub(super) fn write(&mut self, bytes: &[u8], at: u64) {
        let mut done = 0;
        while done < bytes.len() {
            let (page, from) = place(at + done as u64);
            let piece = (PAGE - from).min(bytes.len() - done);
            self.change(page, |content| {
                content[from..from + piece].copy_from_slice(&bytes[done..done + piece]);
            });
            done += piece;
        }
        self.set_bytes(self.bytes.max(at + bytes.len() as u64));
        // A page that is written back takes the length with it, whatever became of an earlier sync.
        self.bytes_dirty |= self.bytes != self.stable_bytes;
    }

    pub(super) fn truncate(&mut self, bytes: u64) {
        if bytes < self.bytes {
            let (boundary, from) = place(bytes);
            let first_gone = if from > 0 { boundary + 1 } else { boundary };
            if from > 0 && self.cached.contains_key(&boundary) {
                self.change(boundary, |content| content[from..].fill(0));
            }
            for page in self.cached.split_off(&first_gone).into_keys() {
                self.loosen(page, None);
            }
            self.reserved = self.reserved.min(bytes);
        }
        self.set_bytes(bytes);
    }

    /// A sync that succeeded.
    pub(super) fn sync(&mut self) {
        for page in std::mem::take(&mut self.dirty) {
            self.loose.remove(&page);
            match self.cached.get(&page) {
                Some(content) => self.stable.insert(page, Arc::clone(content)),
                None => self.stable.remove(&page),
            };
        }
        if std::mem::take(&mut self.bytes_dirty) {
            self.stable_bytes = self.bytes;
            self.loose_bytes.clear();
        }
    }

    /// A sync that failed: what was to be written counts as clean from now on, so that no later sync
    /// writes it, and is as unsafe as it was.
    pub(super) fn sync_failed(&mut self) {
        self.dirty.clear();
        self.bytes_dirty = false;
    }

    /// Whether something counts as clean and is not safe.
    pub(super) fn is_deceived(&self) -> bool {
        self.loose.keys().any(|page| !self.dirty.contains(page))
    }

    /// What is left after a power loss: `choose` is asked, once for each page and length that is not
    /// safe, which of so many outcomes it takes. 0 is what was safe, the last one what was written
    /// last; between them are older contents and torn ones.
    pub(super) fn after_power_loss(&self, choose: &mut dyn FnMut(usize) -> usize) -> Self {
        let mut left = self.stable.clone();
        for (page, versions) in &self.loose {
            match self.outcome(*page, versions, choose) {
                Some(content) => left.insert(*page, content),
                None => left.remove(page),
            };
        }
        let mut bytes = self.stable_bytes;
        if !self.loose_bytes.is_empty() {
            let chosen = choose(self.loose_bytes.len() + 1);
            bytes = chosen.checked_sub(1).map_or(bytes, |at| self.loose_bytes[at]);
        }
        let mut after = Self { cached: left, changed_ms: self.changed_ms, ..Self::default() };
        after.bytes = u64::MAX;
        after.truncate(bytes);
        after.reserved = self.reserved.min(bytes);
        Self {
            stable: after.cached.clone(),
            stable_bytes: bytes,
            cached: after.cached,
            bytes,
            reserved: after.reserved,
            changed_ms: after.changed_ms,
            ..Self::default()
        }
    }

    fn outcome(
        &self,
        page: u64,
        versions: &[Option<Page>],
        choose: &mut dyn FnMut(usize) -> usize,
    ) -> Option<Page> {
        let safe = self.stable.get(&page);
        let (last, older) = versions.split_last().expect("a loose page was written");
        let before = older.last().map_or(safe, Option::as_ref);
        let torn = torn(before, last.as_ref());
        let chosen = choose(1 + torn.len() + versions.len());
        if chosen == 0 {
            return safe.cloned();
        }
        match torn.get(chosen - 1) {
            Some(page) => Some(Arc::clone(page)),
            None => versions[chosen - 1 - torn.len()].clone(),
        }
    }

    fn change(&mut self, page: u64, how: impl FnOnce(&mut [u8; PAGE])) {
        let mut content = self.cached.get(&page).map_or([0; PAGE], |content| **content);
        how(&mut content);
        let content = Arc::new(content);
        self.cached.insert(page, Arc::clone(&content));
        self.loosen(page, Some(content));
    }

    fn loosen(&mut self, page: u64, content: Option<Page>) {
        let versions = self.loose.entry(page).or_default();
        versions.push(content);
        if versions.len() > VERSIONS_MAX {
            versions.remove(0);
        }
        self.dirty.insert(page);
    }

    fn set_bytes(&mut self, bytes: u64) {
        if bytes != self.bytes {
            self.bytes = bytes;
            self.bytes_dirty = true;
            self.loose_bytes.push(bytes);
            if self.loose_bytes.len() > VERSIONS_MAX {
                self.loose_bytes.remove(0);
            }
        }
    }
}

/// Page, and offset in it.
fn place(at: u64) -> (u64, usize) {
    let from = usize::try_from(at % PAGE as u64).expect("less than a page");
    (at / PAGE as u64, from)
}

/// Pages that are new up to a sector and old behind it, and the other way round.
fn torn(before: Option<&Page>, after: Option<&Page>) -> Vec<Page> {
    const ZEROES: [u8; PAGE] = [0; PAGE];
    let before = before.map_or(&ZEROES, |page| &**page);
    let after = after.map_or(&ZEROES, |page| &**page);
    let mut found = Vec::new();
    for cut in (SECTOR..PAGE).step_by(SECTOR) {
        if before[..cut] != after[..cut] && before[cut..] != after[cut..] {
            for (head, tail) in [(after, before), (before, after)] {
                let mut page = *tail;
                page[..cut].copy_from_slice(&head[..cut]);
                found.push(Arc::new(page));
            }
        }
    }
    found
}
