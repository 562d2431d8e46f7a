//! The life of the rule set in a running bridge: read, built, tried, put in force, and again when its
//! files change or somebody asks.
//!
//! In: the path of a rule file. Out: an engine for the workers, and what operators are told. What
//! always holds: a set is in force as a whole or not at all; the last good one stays in force whatever
//! becomes of its files; nothing here is done by a worker or an event loop.
//!
//! * [`load`] – reads the files and builds a set
//! * `shop` – makes a set and runs its tests
//! * `first` – the set that a bridge starts with, or why it does not
//! * `keeper` – the thread that watches the files and reloads
//! * `desk` – the pages of the admin port
//! * `told` – what is wrong with a file, counted and as JSON

mod desk;
mod first;
mod keeper;
pub mod load;
mod shop;
mod told;

#[cfg(test)]
mod tests;

pub(super) use desk::Desk;
pub use first::{First, Refused};
pub(super) use keeper::Keeper;
