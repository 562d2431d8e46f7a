//! Which segments there are, what stands where in them, and what was confirmed.
//!
//! In: what recovery found, what the writer wrote. Out: the place of a position. What always holds:
//! segments are in the order of their positions and do not overlap; the last one is never removed,
//! for its name is the only sure sign of the numbers that were used.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// Distance in bytes between two places of a segment that are remembered, so that the reader need
/// not walk there: 64 of them in 64 MiB.
const MARK_BYTES: u64 = 1 << 20;

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    /// Its first position; its name.
    pub(super) first: u64,
    /// The last position that belongs to it; below `first` while it is empty.
    pub(super) last: u64,
    /// Which file of that name it is: another one may have taken its place.
    pub(super) edition: u32,
    /// Unix milliseconds from which its frames' times count.
    pub(super) created_ms: i64,
    /// Where its frames end; of one that was not walked through, its length.
    pub(super) bytes: u64,
    /// Positions and the offsets of their frames, ascending, about [`MARK_BYTES`] apart.
    pub(super) marks: Vec<(u64, u64)>,
    /// Positions that are known to be unreadable: counted, and the file copied.
    pub(super) damage: Vec<RangeInclusive<u64>>,
}

impl Segment {
    /// Remembers where a frame stands, if it is far enough from the last one remembered.
    pub(super) fn mark(&mut self, sequence: u64, at: u64) {
        if self.marks.last().is_none_or(|(_, last)| at >= last + MARK_BYTES) {
            self.marks.push((sequence, at));
        }
    }

    /// The nearest place at or before a position.
    pub(super) fn place(&self, sequence: u64) -> Option<(u64, u64)> {
        let behind = self.marks.partition_point(|(marked, _)| *marked <= sequence);
        behind.checked_sub(1).map(|at| self.marks[at])
    }
}

/// Where a position is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place<'a> {
    In(&'a Segment),
    /// In no segment; the next position that is in one, if there is one.
    Before(Option<u64>),
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Segments {
    list: VecDeque<Segment>,
}

impl Segments {
    pub(super) fn new(list: Vec<Segment>) -> Self {
        Self { list: list.into() }
    }

    /// Adds one behind the others.
    pub(super) fn push(&mut self, segment: Segment) {
        self.list.push_back(segment);
    }

    pub(super) fn last_mut(&mut self) -> Option<&mut Segment> {
        self.list.back_mut()
    }

    /// The one that begins at a position.
    pub(super) fn get_mut(&mut self, first: u64) -> Option<&mut Segment> {
        self.list.iter_mut().find(|segment| segment.first == first)
    }

    /// The one that begins at a position.
    pub(super) fn get(&self, first: u64) -> Option<&Segment> {
        self.list.iter().find(|segment| segment.first == first)
    }

    /// Puts one in the place of another, whose positions it has.
    pub(super) fn replace(&mut self, old: u64, new: Segment) {
        if let Some(at) = self.list.iter().position(|segment| segment.first == old) {
            self.list[at] = new;
        }
    }

    /// Takes the last one out, which holds nothing.
    pub(super) fn pop(&mut self) -> Option<Segment> {
        self.list.pop_back()
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.list.iter().map(|segment| segment.bytes).sum()
    }

    /// Where a position is.
    pub(super) fn place(&self, sequence: u64) -> Place<'_> {
        let behind = self.list.partition_point(|segment| segment.first <= sequence);
        match behind.checked_sub(1).map(|at| &self.list[at]) {
            Some(segment) if sequence <= segment.last => Place::In(segment),
            _ => Place::Before(self.list.get(behind).map(|segment| segment.first)),
        }
    }

    /// The first one, if all of it is confirmed and another one follows.
    pub(super) fn done(&self, confirmed: u64) -> Option<&Segment> {
        let first = self.list.front()?;
        (self.list.len() > 1 && first.last <= confirmed).then_some(first)
    }

    /// Removes the first one.
    pub(super) fn forget_first(&mut self) -> Option<Segment> {
        self.list.pop_front()
    }
}
