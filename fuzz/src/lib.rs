//! What fuzzers throw bytes at, and what must hold whatever the bytes are.
//!
//! In: arbitrary bytes. Out: nothing; a broken promise panics. `cargo fuzz run openim` (nightly) looks
//! for such bytes for as long as it is let; `cargo test --test it fuzz_targets` runs the same
//! functions on stable over random and bent seeds, longer with `FUZZ_CASES=100`.

mod callbacks;
pub mod journal;

pub use callbacks::{openim, tencent};
