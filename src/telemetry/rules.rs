//! Metrics of decisions and of the rule set in force.
//!
//! In: the catalogue, for counts that start at 0; the rules of each set that is put in force; what was
//! decided. Out: counts by command, verdict and rule. What always holds: a decision without a match
//! costs one addition and looks up no label; rules that are gone leave no series behind, and a late
//! decision of the set before brings none back.

use super::maker::Maker;
use crate::call::{Phase, RowIndex};
use crate::catalogue::Catalogue;
use crate::catalogue::plan::ReplyPlan;
use crate::verdict::{Decision, Verdict};
use parking_lot::RwLock;
use prometheus::{Gauge, Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use std::collections::HashMap;
use std::sync::Arc;

/// 1 µs to 100 ms, the longest deadline.
const EVALUATION_BUCKETS: [f64; 14] = [
    0.000_001,
    0.000_002_5,
    0.000_005,
    0.000_01,
    0.000_025,
    0.000_05,
    0.000_1,
    0.000_25,
    0.000_5,
    0.001,
    0.005,
    0.01,
    0.05,
    0.1,
];
const VERDICTS: [Verdict; 5] =
    [Verdict::Allow, Verdict::Deny, Verdict::Drop, Verdict::Modify, Verdict::Refuse];

/// See the module's documentation.
#[derive(Debug)]
pub struct RuleMetrics {
    /// By row; empty for rows that only report.
    commands: Vec<Option<Box<CommandCounts>>>,
    decisions: IntCounterVec,
    matches: IntCounterVec,
    errors: IntCounterVec,
    /// Rules of the set in force, by id.
    rules: RwLock<HashMap<Arc<str>, RuleCounts>>,
    fail_open_panic: IntCounter,
    fail_open_deadline: IntCounter,
    deadline_exceeded: IntCounter,
    /// Time of all rules of one intent.
    pub evaluation_seconds: Histogram,
    /// Rules in service; 0 when switched off.
    pub active: IntGauge,
    info: IntGaugeVec,
    last_reload_success: IntGauge,
    last_reload_timestamp_seconds: Gauge,
}

/// Counts of a command by verdict, enforced ones first.
type CommandCounts = [[Option<IntCounter>; VERDICTS.len()]; 2];

/// Counts of a rule; it has one mode as long as a set is in force.
#[derive(Debug)]
struct RuleCounts {
    mode: &'static str,
    matches: IntCounter,
    errors: IntCounter,
}

impl RuleMetrics {
    pub(super) fn new(make: &mut Maker, catalogue: &Catalogue) -> Self {
        let decisions = make.counters(
            "rules_decisions_total",
            "Decisions about intents; `enforced` is `false` where shadow rules would have decided so.",
            &["command", "verdict", "enforced"],
        );
        let fail_open = make.counters(
            "rules_fail_open_total",
            "Intents that passed because the rule engine failed on them and `on_fault` is `allow`.",
            &["reason"],
        );
        let commands = catalogue.rows.iter().map(|plan| {
            let reply = plan.reply.as_ref().filter(|_| plan.phase == Phase::Before)?;
            Some(Box::new(counts(&decisions, &plan.command, reply)))
        });
        let metrics = Self {
            commands: commands.collect(),
            decisions,
            matches: make.counters(
                "rule_matches_total",
                "Matches of a rule of the set in force, in the mode that it has.",
                &["rule", "mode"],
            ),
            errors: make.counters(
                "rules_errors_total",
                "Failures of a rule of the set in force: its condition could not be computed, or it panicked.",
                &["rule"],
            ),
            rules: RwLock::default(),
            fail_open_panic: fail_open.with_label_values(&["panic"]),
            fail_open_deadline: fail_open.with_label_values(&["deadline"]),
            deadline_exceeded: make.counter(
                "rules_deadline_exceeded_total",
                "Intents whose rules were not done in time.",
            ),
            evaluation_seconds: make.histogram(
                "rule_evaluation_seconds",
                "Time of all rules of one intent, while a set runs.",
                &EVALUATION_BUCKETS,
            ),
            active: make.gauge("rules_active", "Rules in service; 0 when switched off."),
            info: make.gauges("rules_info", "1, with the version in force.", &["version"]),
            last_reload_success: make.gauge(
                "rules_last_reload_success",
                "0 while the rule file was refused when it was last read, else 1.",
            ),
            last_reload_timestamp_seconds: make.seconds(
                "rules_last_reload_timestamp_seconds",
                "When the rule file was last read, Unix seconds; 0 without one.",
            ),
        };
        metrics.last_reload_success.set(1);
        metrics
    }

    /// Counts a decision about an intent of a command with this row.
    pub fn decided(&self, (row, command): (RowIndex, &str), decision: &Decision) {
        let verdict = decision.verdict as usize;
        let known = self.commands.get(usize::from(row.0)).and_then(Option::as_ref);
        let counts = known.map(|counts| &counts[usize::from(!decision.enforced)]);
        if let Some(count) = counts.and_then(|counts| counts[verdict].as_ref()) {
            count.inc();
        } else {
            let labels = [command, decision.verdict.word(), enforced_word(decision.enforced)];
            self.decisions.with_label_values(&labels).inc();
        }
        if !decision.matches.is_empty() || !decision.faults.is_empty() {
            self.count_rules(decision);
        }
    }

    fn count_rules(&self, decision: &Decision) {
        let rules = self.rules.read();
        for matched in &decision.matches {
            match rules.get(&matched.rule_id) {
                Some(counts) if counts.mode == matched.mode => counts.matches.inc(),
                // Decided by the set before; its series are gone.
                _ => {}
            }
        }
        let passed =
            !(decision.enforced && matches!(decision.verdict, Verdict::Deny | Verdict::Drop));
        for fault in &decision.faults {
            match (&fault.rule_id, fault.fault) {
                (Some(rule), "error" | "panic") => {
                    if let Some(counts) = rules.get(rule) {
                        counts.errors.inc();
                    }
                }
                (None, "panic") if passed => self.fail_open_panic.inc(),
                (None, "deadline") => {
                    self.deadline_exceeded.inc();
                    if passed {
                        self.fail_open_deadline.inc();
                    }
                }
                _ => {}
            }
        }
    }

    /// A set is in force: these rules, with their modes. Those that were there before go on counting.
    pub fn put_in_force<'a>(
        &self,
        version: &str,
        rules: impl Iterator<Item = (&'a Arc<str>, &'static str)>,
    ) {
        let mut known = self.rules.write();
        let mut before = std::mem::take(&mut *known);
        for (id, mode) in rules {
            let kept = before.remove(id);
            if let Some(kept) = kept.as_ref().filter(|kept| kept.mode != mode) {
                // A series that was not made is as good as gone.
                let _was_there = self.matches.remove_label_values(&[id, kept.mode]).is_ok();
            }
            let counts = kept.filter(|kept| kept.mode == mode).unwrap_or_else(|| RuleCounts {
                mode,
                matches: self.matches.with_label_values(&[id, mode]),
                errors: self.errors.with_label_values(&[id]),
            });
            known.insert(Arc::clone(id), counts);
        }
        for (id, gone) in before {
            let _was_there = [
                self.matches.remove_label_values(&[&*id, gone.mode]).is_ok(),
                self.errors.remove_label_values(&[&*id]).is_ok(),
            ];
        }
        self.info.reset();
        self.info.with_label_values(&[version]).set(1);
    }

    /// The rule file was read, and its set put in force or not.
    pub fn reloaded(&self, success: bool, at_ms: i64) {
        self.last_reload_success.set(i64::from(success));
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century are exact")]
        self.last_reload_timestamp_seconds.set(at_ms as f64 / 1000.0);
    }

    /// How often a rule of the set in force has matched.
    #[must_use]
    pub fn matches_of(&self, rule: &str) -> u64 {
        self.rules.read().get(rule).map_or(0, |counts| counts.matches.get())
    }
}

/// Counts of what can be decided about a command, at 0.
fn counts(decisions: &IntCounterVec, command: &str, reply: &ReplyPlan) -> CommandCounts {
    let can = |verdict| match verdict {
        Verdict::Allow | Verdict::Deny => true,
        Verdict::Drop => reply.drop_code.is_some(),
        Verdict::Modify => !reply.modify.is_empty(),
        Verdict::Refuse => reply.refuse.is_some(),
    };
    [true, false].map(|enforced| {
        VERDICTS.map(|verdict| {
            // What would have been allowed is what was: an allow is always enforced.
            let is_possible = can(verdict) && (enforced || verdict != Verdict::Allow);
            let labels = [command, verdict.word(), enforced_word(enforced)];
            is_possible.then(|| decisions.with_label_values(&labels))
        })
    })
}

const fn enforced_word(enforced: bool) -> &'static str {
    if enforced { "true" } else { "false" }
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::*;
    use crate::call::Provider;
    use crate::verdict::{Fault, Match};

    const COMMAND: &str = "callbackBeforeSetGroupMemberInfoCommand";

    fn metrics() -> (Metrics, RowIndex) {
        let catalogue = Catalogue::embedded();
        let row = catalogue.find(Provider::OpenIm, COMMAND).expect("it is in the catalogue");
        (Metrics::new(&catalogue, "", ""), row)
    }

    fn series(metrics: &Metrics, start: &str) -> Vec<String> {
        let text = String::from_utf8(metrics.text()).expect("it is text");
        let start = format!("imbridge_{start}");
        text.lines().filter(|line| line.starts_with(&start)).map(str::to_owned).collect()
    }

    fn in_force(metrics: &Metrics, version: &str, rules: &[(&str, &'static str)]) {
        let rules: Vec<(Arc<str>, &str)> =
            rules.iter().map(|(id, mode)| (Arc::from(*id), *mode)).collect();
        metrics.rules.put_in_force(version, rules.iter().map(|(id, mode)| (id, *mode)));
    }

    fn matched(rule: &str, mode: &'static str) -> Match {
        Match { rule_id: rule.into(), mode, action: "deny", late: false }
    }

    fn fault(rule: Option<&str>, fault: &'static str) -> Fault {
        Fault { rule_id: rule.map(Arc::from), fault }
    }

    #[test]
    fn what_a_command_can_be_answered_starts_at_zero() {
        let (metrics, row) = metrics();
        let of_command =
            || series(&metrics, &format!("rules_decisions_total{{command=\"{COMMAND}\""));
        let at_start = of_command();
        let count = |verdict: &str, enforced: &str, count: u64| {
            format!(
                "imbridge_rules_decisions_total{{command=\"{COMMAND}\",enforced=\"{enforced}\",\
                 verdict=\"{verdict}\"}} {count}"
            )
        };
        for (verdict, enforced) in
            [("allow", "true"), ("deny", "true"), ("deny", "false"), ("modify", "true")]
        {
            assert!(at_start.contains(&count(verdict, enforced, 0)), "{at_start:?}");
        }
        assert!(!at_start.iter().any(|line| line.contains("drop") || line.contains("refuse")));
        assert!(!at_start.contains(&count("allow", "false", 0)));
        let deny = Decision { verdict: Verdict::Deny, enforced: false, ..Decision::ALLOW };
        metrics.rules.decided((row, COMMAND), &deny);
        metrics.rules.decided((row, COMMAND), &Decision::ALLOW);
        // Nothing says so, and it is counted all the same.
        let odd = Decision { verdict: Verdict::Drop, ..Decision::ALLOW };
        metrics.rules.decided((row, COMMAND), &odd);
        let now = of_command();
        for line in [count("deny", "false", 1), count("allow", "true", 1), count("drop", "true", 1)]
        {
            assert!(now.contains(&line), "{line}: {now:?}");
        }
    }

    #[test]
    fn rules_that_are_gone_leave_no_series_and_a_late_match_brings_none_back() {
        let (metrics, row) = metrics();
        in_force(&metrics, "v1", &[("stays", "enforce"), ("turns", "enforce"), ("goes", "shadow")]);
        let decision = Decision {
            matches: ["stays", "turns"].map(|rule| matched(rule, "enforce")).into(),
            faults: vec![fault(Some("goes"), "error"), fault(Some("goes"), "unmaskable")],
            ..Decision::ALLOW
        };
        metrics.rules.decided((row, COMMAND), &decision);
        assert_eq!(metrics.rules.matches_of("stays"), 1);
        assert_eq!(
            series(&metrics, "rules_errors_total{rule=\"goes\"}"),
            ["imbridge_rules_errors_total{rule=\"goes\"} 1"]
        );
        in_force(&metrics, "v2", &[("stays", "enforce"), ("turns", "shadow")]);
        metrics.rules.decided((row, COMMAND), &decision);
        assert_eq!(
            series(&metrics, "rule_matches_total"),
            [
                "imbridge_rule_matches_total{mode=\"enforce\",rule=\"stays\"} 2",
                "imbridge_rule_matches_total{mode=\"shadow\",rule=\"turns\"} 0",
            ]
        );
        let errors = series(&metrics, "rules_errors_total");
        assert!(errors.len() == 2 && errors.iter().all(|line| line.ends_with(" 0")), "{errors:?}");
        assert_eq!(series(&metrics, "rules_info"), ["imbridge_rules_info{version=\"v2\"} 1"]);
    }

    #[test]
    fn a_failure_of_the_engine_counts_as_open_only_where_the_intent_passed() {
        let (metrics, row) = metrics();
        let decide = |verdict, enforced, rule, name| {
            let faults = vec![fault(rule, name)];
            let decision = Decision { verdict, enforced, faults, ..Decision::ALLOW };
            metrics.rules.decided((row, COMMAND), &decision);
        };
        decide(Verdict::Allow, true, None, "panic");
        decide(Verdict::Deny, true, None, "panic");
        decide(Verdict::Deny, false, None, "deadline");
        decide(Verdict::Modify, true, None, "deadline");
        decide(Verdict::Deny, true, None, "deadline");
        decide(Verdict::Allow, true, Some("r"), "panic");
        let mut seen = series(&metrics, "rules_fail_open_total{");
        seen.extend(series(&metrics, "rules_deadline_exceeded_total"));
        assert_eq!(
            seen,
            [
                "imbridge_rules_fail_open_total{reason=\"deadline\"} 2",
                "imbridge_rules_fail_open_total{reason=\"panic\"} 1",
                "imbridge_rules_deadline_exceeded_total 3",
            ]
        );
    }
}
