//! Tencent Cloud Chat.
//!
//! In: what the shared parts of the dialect hand over. Out: JSON with the three members that the
//! vendor requires. What always holds: `ActionStatus` is `OK`, for a denial too: what `FAIL` does
//! to a before-command is documented nowhere.

mod read;
pub mod reply;

pub(crate) use read::{parts, source};
