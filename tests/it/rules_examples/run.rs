//! Runs a case over HTTP.
//!
//! In: a [`Case`]. Out: what came out otherwise. Invariants: the bridge of the case before is used, and
//! another one is started after a panic; requests go out one after the other on one connection.

use super::case::{Case, Does, Request, Step, WantedError, Wants, filled};
use super::compare::{decision_differences, differences, missing};
use crate::support::rules::{Asked, RuleBridge};
use jiff::Timestamp;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Runs cases on one bridge.
#[derive(Default)]
pub(super) struct Runner {
    bridge: Option<RuleBridge>,
}

impl Runner {
    pub(super) fn run(&mut self, case: &Case) -> Vec<String> {
        // When this one panics, the bridge goes with it.
        let mut bridge = self.bridge.take().unwrap_or_else(RuleBridge::start);
        bridge.clear();
        for (name, text) in &case.files {
            bridge.write(name, text);
        }
        bridge.write("rules.yaml", &filled(&case.rules, Timestamp::now()));
        let reloaded = bridge.reload();
        let found = match (&case.wants, reloaded.status) {
            (Wants::Errors(wanted), 422) => missing_errors(&reloaded.json(), wanted),
            (Wants::Errors(_), status) => vec![format!("is not refused: {status}")],
            (Wants::Steps(steps), 200) => run_steps(&mut bridge, steps),
            (_, status) => vec![format!("is refused: {status} {}", reloaded.text())],
        };
        self.bridge = Some(bridge);
        found
    }
}

/// Which wanted errors are not in the answer of a reload, or of `rules check --json`.
pub(super) fn missing_errors(answer: &Value, wanted: &[WantedError]) -> Vec<String> {
    let mut found = Vec::new();
    if answer["ok"] != false {
        found.push(format!("\"ok\" is {}", answer["ok"]));
    }
    let errors = answer["errors"].as_array().map_or(&[][..], Vec::as_slice);
    for wanted in wanted {
        if !errors.iter().any(|error| is_error(error, wanted)) {
            let errors: Vec<String> = errors.iter().map(Value::to_string).collect();
            found.push(format!("no {wanted:?} among\n    {}", errors.join("\n    ")));
        }
    }
    found
}

fn is_error(error: &Value, wanted: &WantedError) -> bool {
    let message = error["message"].as_str().unwrap_or_default();
    error["line"] == wanted.line
        && wanted.column.is_none_or(|column| error["column"] == column)
        && wanted.rule.as_ref().is_none_or(|rule| error["rule"] == *rule)
        && error["file"].as_str().is_some_and(|file| file.ends_with("rules.yaml"))
        && wanted.names.iter().all(|name| message.contains(name))
}

fn run_steps(bridge: &mut RuleBridge, steps: &[Step]) -> Vec<String> {
    let began = Instant::now();
    let mut found = Vec::new();
    // What was asked, and what its records shall be.
    let mut asked: Vec<(String, Option<&[Value]>)> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let place = format!("steps[{index}]");
        std::thread::sleep(step.at.saturating_sub(began.elapsed()).max(Duration::ZERO));
        match &step.does {
            Does::Request { request, repeat, reply, decisions } => {
                for _ in 0..*repeat {
                    let answer = bridge.ask(&asking(request));
                    if answer.status != 200 {
                        found.push(format!("{place}: status {}", answer.status));
                    }
                    let place_of = format!("{place}.reply");
                    found.extend(differences(&place_of, &answer.json(), reply));
                    asked.push((place.clone(), decisions.as_deref()));
                }
            }
            Does::Reload { rules, status } => {
                bridge.write("rules.yaml", &filled(rules, Timestamp::now()));
                let answer = bridge.reload();
                if answer.status != *status {
                    let text = answer.text();
                    found.push(format!("{place}: reload gives {} {text}", answer.status));
                }
            }
            Does::Admin { method, path, has } => {
                let answer = bridge.admin(method, path);
                found.extend(missing(&format!("{place}.answer"), &answer.json(), has));
            }
        }
    }
    let records = bridge.decisions();
    assert_eq!(records.len(), asked.len(), "each request has its records");
    for ((place, wanted), seen) in asked.iter().zip(&records) {
        let Some(wanted) = wanted else { continue };
        if wanted.len() != seen.len() {
            found.push(format!("{place} has {} records, wanted {}", seen.len(), wanted.len()));
        }
        for (index, (seen, wanted)) in seen.iter().zip(*wanted).enumerate() {
            found.extend(decision_differences(
                &format!("{place}.decisions[{index}]"),
                seen,
                wanted,
            ));
        }
    }
    found
}

fn asking(request: &Request) -> Asked<'_> {
    let Request { provider, path, query, body } = request;
    Asked { provider, path, query, body }
}
