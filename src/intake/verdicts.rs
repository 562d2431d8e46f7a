//! What is told about decisions beside their records: counts, times, log lines.
//!
//! In: each decision, with its intent. Out: metrics by command and rule; a line at `debug` for every
//! decision, an error for a panic and a warning for a missed deadline, at a bounded rate. What always
//! holds: nothing that a user wrote is logged; without a set no clock is read for it.

use crate::clock;
use crate::normalise::Event;
use crate::telemetry::{Limiter, Metrics};
use crate::verdict::{Decision, Fault};

/// Each rule that panics is named in the log, up to so many a second: it does so once per set.
const PANIC_LINES: u32 = 10;

/// Gates of the log lines about rules that fail.
#[derive(Debug)]
pub struct Verdicts {
    panics: Limiter,
    deadlines: Limiter,
}

impl Default for Verdicts {
    fn default() -> Self {
        Self { panics: Limiter::lines(PANIC_LINES), deadlines: Limiter::new() }
    }
}

impl Verdicts {
    /// Counts and tells a decision that was begun at `began_ns` on [`clock::ticks`].
    pub(super) fn tell(
        &self,
        metrics: &Metrics,
        event: &Event<'_>,
        decision: &Decision,
        began_ns: u64,
    ) {
        let Ok(known) = &event.known else { return };
        if decision.rules_version.is_some() {
            let took = clock::ticks().saturating_sub(began_ns);
            #[expect(clippy::cast_precision_loss, reason = "exact for a hundred days")]
            metrics.rules.evaluation_seconds.observe(took as f64 / 1e9);
        }
        metrics.rules.decided((known.row, &known.plan.command), decision);
        tracing::debug!(
            event_id = event.id,
            command = &*known.plan.command,
            verdict = decision.verdict.word(),
            enforced = decision.enforced,
            rule_id = decision.rule_id.as_deref(),
            rules_version = decision.rules_version.as_deref(),
            "decided"
        );
        for fault in &decision.faults {
            self.tell_fault(event, fault);
        }
    }

    fn tell_fault(&self, event: &Event<'_>, fault: &Fault) {
        let event_id = event.id;
        let gate = match fault.fault {
            "panic" => &self.panics,
            "deadline" => &self.deadlines,
            _ => return,
        };
        let Some(count) = gate.pass(clock::now()) else { return };
        match (fault.fault, fault.rule_id.as_deref()) {
            ("panic", Some(rule_id)) => tracing::error!(
                event_id,
                rule_id,
                count,
                "rule {rule_id} panicked and is out of service until the rules are read again"
            ),
            ("panic", None) => tracing::error!(
                event_id,
                count,
                "the rule engine panicked; the intent is answered by on_fault"
            ),
            _ => tracing::warn!(
                event_id,
                count,
                "the rules of an intent were not done within their deadline"
            ),
        }
    }
}
