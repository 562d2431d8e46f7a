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
                "the rule engine panicked over an intent; what was not decided by then is by on_fault"
            ),
            _ => tracing::warn!(
                event_id,
                count,
                "the rules of an intent were not done within their deadline"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::stage::{BEFORE, Stage, on_a_worker, told};
    use crate::rules::{Intent, Rules};
    use crate::verdict::{Decision, Fault};
    use std::rc::Rc;
    use std::sync::Arc;

    /// Fails as an engine does.
    struct Failing;

    impl Rules for Failing {
        fn decide(&self, _intent: &Intent<'_>) -> Decision {
            let fault = |rule: Option<&str>, fault| Fault { rule_id: rule.map(Arc::from), fault };
            Decision {
                faults: vec![fault(Some("r"), "panic"), fault(None, "deadline")],
                rules_version: Some(Arc::from("v")),
                ..Decision::ALLOW
            }
        }
    }

    #[test]
    fn what_an_engine_fails_at_is_counted_and_the_sender_answered() {
        on_a_worker(|| async {
            let mut stage = Stage::new(false);
            let intake = Rc::get_mut(&mut stage.intake).expect("nobody else has it yet");
            intake.rules = Box::new(Failing);
            let rule = (Arc::from("r"), "enforce");
            intake.metrics.rules.put_in_force("v", std::iter::once((&rule.0, rule.1)));
            assert_eq!(told(stage.call(BEFORE, "g")).await.0, 200);
            let counted = [
                "rules_errors_total{rule=\"r\"}",
                "rules_fail_open_total{reason=\"deadline\"}",
                "rules_deadline_exceeded_total",
                "rule_evaluation_seconds_count",
            ];
            for series in counted {
                assert_eq!(stage.metric(series), 1, "{series}");
            }
        });
    }

    #[test]
    fn without_a_set_decisions_are_counted_and_no_time_is_taken() {
        on_a_worker(|| async {
            let stage = Stage::new(false);
            assert_eq!(told(stage.call(BEFORE, "g")).await.0, 200);
            let command = BEFORE.trim_start_matches('/');
            let series = format!(
                "rules_decisions_total{{command=\"{command}\",enforced=\"true\",verdict=\"allow\"}}"
            );
            assert_eq!(stage.metric(&series), 1);
            assert_eq!(stage.metric("rule_evaluation_seconds_count"), 0);
        });
    }
}
