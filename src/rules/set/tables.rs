//! What a set looks things up in while it runs: entries of lists, counts of limits.
//!
//! In: the lists and limits of a file. Out: [`Tables`], one for the running bridge, others for tests
//! that bring their own entries and begin counting anew. What always holds: the places in it are those
//! of the file's lists, and of the rules with a limit.

use super::super::limits::Limiter;
use super::super::words::Words;
use std::collections::HashSet;
use std::sync::Arc;

/// Ids of a list.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Ids(HashSet<Box<str>, foldhash::quality::RandomState>);

impl Ids {
    /// A list with these ids.
    pub(super) fn new<'a>(ids: impl Iterator<Item = &'a str>) -> Self {
        Self(ids.map(Into::into).collect())
    }

    /// Whether it has this one, exactly.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.0.contains(id)
    }

    /// Number of different ids.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Lists and counts.
#[derive(Clone)]
pub struct Tables {
    /// By the place of a list in the file; `None` for lists of words.
    pub(in super::super) ids: Box<[Option<Arc<Ids>>]>,
    /// All lists of words.
    pub(in super::super) words: Arc<Words>,
    /// By [`super::LimitUse::limiter`].
    pub(in super::super) limiters: Box<[Arc<Limiter>]>,
}
