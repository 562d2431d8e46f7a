//! imbridge: callbacks of instant-messaging servers in, normalised events on Kafka out.
//!
//! The way of the data, and the modules in the order in which it meets them:
//!
//! ```text
//!  provider ──POST──▶ http ─RawCall─▶ dialect ─Callback─▶ normalise ─slots─▶ write ─Record─┐
//!                                    (authentic?)   before only: rules ─Decision─┐          │
//!  provider ◀──200─── http ◀─Answer─ dialect ◀───────────────────────────────────┘          ▼
//!                                    (after: answered once appended)                     journal
//!                                                                                           │
//!                consumers ◀── Kafka ◀── kafka ◀── shipper ◀────── read back ───────────────┘
//! ```
//!
//! A module imports from floors below its own; siblings (⟂) are strangers; `tests/it/tidy.rs` holds
//! them to it. `docs/ARCHITECTURE.md` tells the whole story.
//!
//! | floor | modules | what it is |
//! | --- | --- | --- |
//! | 0 words | [`json`], [`call`], [`event`], [`verdict`], [`record`] | what is spoken of; pure |
//! | 1a | [`catalogue`] | what the providers send, as data, compiled into plans; pure |
//! | 1b | [`normalise`] | from a callback to events and records; pure |
//! | 1c | [`dialect`] ⟂ [`rules`] | the door and the answers ⟂ the decisions; pure |
//! | 2a | [`clock`], [`telemetry`], [`files`] | time, metrics and logs, files of operators |
//! | 2b | [`journal`] ⟂ [`kafka`] | the log between the halves ⟂ all that knows librdkafka |
//! | 3 | [`intake`] ⟂ [`shipper`] | the two halves; they meet only in the journal |
//! | 4 | [`http`] | the edge: sockets and actix |
//! | 5 | [`config`], [`app`], [`simulate`], [`cli`] | settings, assembly, the senders, the commands |

// Floor 0: words.
pub mod call;
pub mod event;
pub mod json;
pub mod record;
pub mod verdict;

// Floor 1: pure.
pub mod catalogue;
pub mod dialect;
pub mod normalise;
pub mod rules;

// Floor 2: the world.
pub mod clock;
pub mod files;
pub mod journal;
pub mod kafka;
pub mod telemetry;

// Floor 3: the halves.
pub mod intake;
pub mod shipper;

// Floors 4 and 5: the edge and the assembly.
pub mod app;
pub mod cli;
pub mod config;
pub mod http;
pub mod simulate;

/// Version of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Commit it was built from, `unknown` when the build did not know it.
pub const COMMIT: &str = env!("BUILD_COMMIT");
