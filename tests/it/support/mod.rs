//! What the integration tests stand on: outside programs, and eyes for their effects.
//!
//! In: what a test asks for. Out: handles that end what they started when they are dropped.
//! Invariant: nothing that is started here outlives the test run.

pub(crate) mod bridge;
pub(crate) mod flood;
pub(crate) mod kafka;
pub(crate) mod ledger;
pub(crate) mod load;
pub(crate) mod oracle;
pub(crate) mod process;
pub(crate) mod record_rules;
pub(crate) mod routes;
pub(crate) mod rules;
pub(crate) mod scene;
pub(crate) mod serve;
pub(crate) mod shipped;
pub(crate) mod wire;
