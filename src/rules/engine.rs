//! The engine in a running bridge: the set in force, and the switch.
//!
//! In: intents from any worker; sets and the switch from whoever looks after the files. Out:
//! decisions. What always holds: an intent is decided by one whole set; swapping never waits for a
//! worker, nor a worker for it; switched off, everything is allowed and nothing is run.

use super::memory::Memory;
use super::run::{Services, Unwatched};
use super::set::RuleSet;
use super::{Intent, Rules};
use crate::verdict::Decision;
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Rules for all workers.
pub struct Engine {
    set: ArcSwapOption<RuleSet>,
    off: AtomicBool,
    memory: Memory,
    /// Nanoseconds on the clock of [`Intent::received_ns`].
    ticks: fn() -> u64,
}

impl Engine {
    /// An engine without a set: it allows everything until there is one.
    #[must_use]
    pub fn new(ticks: fn() -> u64) -> Self {
        let (set, off) = (ArcSwapOption::empty(), AtomicBool::new(false));
        Self { set, off, memory: Memory::default(), ticks }
    }

    /// Puts a set in force for the intents that come from now on. What messages were remembered for
    /// is forgotten once no rule asks.
    pub fn install(&self, set: Arc<RuleSet>) {
        let remembers = set.remembers();
        self.set.store(Some(set));
        if !remembers {
            self.memory.clear();
        }
    }

    /// The set in force.
    #[must_use]
    pub fn current(&self) -> Option<Arc<RuleSet>> {
        self.set.load_full()
    }

    /// The emergency switch; it outlives changes of the set.
    pub fn switch(&self, on: bool) {
        self.off.store(!on, Ordering::Relaxed);
    }

    /// Messages that are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.memory.len()
    }

    /// Whether rules are run.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.off.load(Ordering::Relaxed)
    }
}

impl Rules for Engine {
    fn decide(&self, intent: &Intent<'_>) -> Decision {
        if !self.is_on() {
            return Decision::ALLOW;
        }
        let set = self.set.load();
        let Some(set) = &*set else { return Decision::ALLOW };
        let services = Services { ticks: &self.ticks, memory: &self.memory };
        set.decide(set.tables(), intent, &services, &mut Unwatched)
    }
}
