//! What the bridge tells about itself: metrics, the loss ledger, and log lines at a bounded rate.

pub mod ledger;
pub mod limiter;
pub mod logging;
pub mod maker;
pub mod metrics;
pub mod rules;

pub use ledger::Ledger;
pub use limiter::{Limiter, ReasonLimiters};
pub use metrics::Metrics;
pub use rules::RuleMetrics;
