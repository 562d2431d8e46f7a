//! The admin port's pages about rules, and what the other pages say of them.
//!
//! In: what operators ask for. Out: JSON; sets reloaded, rules switched off and on. What always holds:
//! without a rule file everything here answers, and says so.

use super::keeper::{Cause, Keeper};
use super::told;
use crate::http::admin::{Reloaded, RulePages};
use crate::rules::set::{Rule, RuleSet};
use crate::rules::source::file::Mode;
use crate::telemetry::Metrics;
use serde_json::{Value, json};
use std::pin::Pin;
use std::sync::Arc;

/// See the module's documentation.
pub(in crate::app) struct Desk {
    keeper: Option<Keeper>,
    metrics: Arc<Metrics>,
}

impl Desk {
    /// `keeper` looks after the rule file, if there is one.
    pub(in crate::app) fn new(keeper: Option<Keeper>, metrics: &Arc<Metrics>) -> Self {
        Self { keeper, metrics: Arc::clone(metrics) }
    }

    /// Has the rule file read again because of a SIGHUP; false without one.
    pub(in crate::app) fn hang_up(&self) -> bool {
        let asked = self.keeper.as_ref().map(|keeper| keeper.ask(Cause::HangUp));
        asked.is_some()
    }

    /// Watches no more.
    pub(in crate::app) fn stop(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.stop();
        }
    }

    /// Brings gauges up to date.
    pub(in crate::app) fn gauge(&self) {
        self.metrics.rules.active.set(i64::try_from(self.active()).unwrap_or(i64::MAX));
    }

    /// `rules` of `/status`.
    pub(in crate::app) fn status(&self) -> Value {
        let Some(keeper) = &self.keeper else { return json!({ "active": 0, "version": null }) };
        let news = keeper.news();
        json!({
            "active": self.active(),
            "version": version(self.current().as_deref()),
            "file": keeper.name(),
            "switched_on": keeper.engine().is_on(),
            "loaded_at_ms": news.loaded_at_ms,
            "last_error": news.errors,
        })
    }

    /// What is wrong though callbacks are answered.
    pub(in crate::app) fn degraded(&self) -> Vec<String> {
        let (Some(keeper), Some(set)) = (&self.keeper, self.current()) else { return Vec::new() };
        let mut degraded = Vec::new();
        if !keeper.engine().is_on() {
            degraded.push("rules: switched off, every before-callback is allowed".to_owned());
        }
        if keeper.is_refused() {
            let version = set.version();
            // Anybody may read this: where the file is and what it says is on the other pages.
            degraded.push(format!(
                "rules: the rule file was refused when it was last read, version {version} is in \
                 force"
            ));
        }
        let out = set.rules().iter().filter(|rule| rule.is_out_of_service()).count();
        if out > 0 {
            let rules = told::counted(out, "rule");
            degraded.push(format!("rules: {rules} out of service after a panic, until a reload"));
        }
        degraded
    }

    fn current(&self) -> Option<Arc<RuleSet>> {
        self.keeper.as_ref()?.engine().current()
    }

    /// Rules that are run now.
    fn active(&self) -> usize {
        let on = self.keeper.as_ref().is_some_and(|keeper| keeper.engine().is_on());
        self.current().filter(|_| on).map_or(0, |set| set.in_service())
    }

    fn rule(&self, rule: &Rule) -> Value {
        json!({
            "id": &*rule.id,
            "mode": rule.mode.word(),
            "priority": rule.priority,
            "on": rule.on,
            "provider": rule.provider.map(crate::call::Provider::name),
            "in_service": rule.mode != Mode::Off && !rule.is_out_of_service(),
            "matches": self.metrics.rules.matches_of(&rule.id),
        })
    }
}

impl RulePages for Desk {
    fn rules(&self) -> Value {
        let Some(keeper) = &self.keeper else { return json!({ "active": false, "rules": [] }) };
        let (news, set) = (keeper.news(), self.current());
        let rules = set.as_ref().map_or(&[][..], |set| set.rules());
        json!({
            "active": set.is_some() && keeper.engine().is_on(),
            "version": version(set.as_deref()),
            "loaded_at_ms": news.loaded_at_ms,
            "last_error": news.errors,
            "rules": rules.iter().map(|rule| self.rule(rule)).collect::<Vec<Value>>(),
        })
    }

    fn switch(&self, on: bool) -> Value {
        if let Some(keeper) = &self.keeper {
            keeper.engine().switch(on);
            if on {
                tracing::info!("the rules are switched on (POST /rules/on)");
            } else {
                tracing::warn!(
                    "the rules are switched off, every before-callback is allowed (POST /rules/off)"
                );
            }
        }
        self.rules()
    }

    fn reload(&self) -> Pin<Box<dyn Future<Output = Reloaded>>> {
        let asked = self.keeper.as_ref().map(|keeper| keeper.ask(Cause::Request));
        Box::pin(async move {
            let Some(asked) = asked else { return Reloaded::NoFile };
            match asked.await {
                Ok(outcome) if outcome.ok => Reloaded::Done(outcome.body),
                Ok(outcome) => Reloaded::Refused(outcome.body),
                Err(_) => Reloaded::Stopping,
            }
        })
    }
}

fn version(set: Option<&RuleSet>) -> Option<&str> {
    set.map(|set| &**set.version())
}
