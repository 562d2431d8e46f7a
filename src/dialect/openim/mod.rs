//! `OpenIM`: HTTP server callbacks of 2.x to 3.8.
//!
//! In: what the shared parts of the dialect hand over. Out: JSON that Go's `encoding/json` decodes
//! into the response structs. What always holds: integers are printed as integers, the body is one
//! object and never empty.

mod read;
pub mod reply;

pub(crate) use read::command;
