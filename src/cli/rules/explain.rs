//! `imbridge rules explain`: what the rules make of one request, and why.
//!
//! In: a rule file, and a body or a whole request. Out: for each intent every rule of its target with
//! what its condition saw, the decision, and the answer that the sender would get. What always holds:
//! the request takes the way of the bridge: the same door, normaliser, engine and answer.

use super::RuleFile;
use super::bench::Bench;
use super::report::Page;
use super::request::{Request, Said};
use crate::call::{Callback, CommandName, Phase, Provider, RawCall};
use crate::cli::terminal::{
    BOLD, DIM, GREEN, Line, PLAIN, RED, Screen, YELLOW, clean, fit, provider_style, width,
};
use crate::cli::written;
use crate::clock;
use crate::dialect::answers::{Route, Situation, answer};
use crate::dialect::door::{Door, Everybody};
use crate::dialect::reply::{self, Question};
use crate::event::{self, EventFormat, TopicBy};
use crate::files;
use crate::normalise::{Event, Normaliser, Reason, Settings};
use crate::rules::Intent;
use crate::rules::explain::{RuleTrace, Trace, trace};
use crate::rules::expr::Operand;
use crate::rules::memory::Memory;
use crate::rules::run::Services;
use crate::rules::schema::Schema;
use crate::rules::set::RuleSet;
use crate::rules::source::file::Mode;
use crate::verdict::{Decision, Verdict};
use anstyle::Style;
use bumpalo::Bump;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  imbridge rules explain rules.yaml --body request.json
  imbridge rules explain --body body.json --command callbackBeforeSendGroupMsgCommand
  imbridge rules explain --body body.json --at 2025-06-01T23:30:00+08:00 --json

The file holds the body of a callback, or a request as {\"path\",\"query\",\"headers\",\"body\"}.
Counts of limits begin anew.
Exit codes: 0 explained, whatever was decided, 1 the rule file is wrong, 64 a file cannot be read.";

/// Largest request in bytes.
const REQUEST_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Show what the rules make of a request, rule by rule
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    rules: RuleFile,
    /// The request
    #[arg(long, value_name = "FILE")]
    body: PathBuf,
    /// Who sent it, where that cannot be told from it
    #[arg(long, value_name = "openim|tencent", value_parser = provider)]
    provider: Option<Provider>,
    /// Its command, where the request does not name it
    #[arg(long, value_name = "NAME")]
    command: Option<String>,
    /// When it came, such as 2025-06-01T23:30:00+08:00 [default: as it says, else now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<i64>,
    /// JSON in place of text: `{"intents":[{"target","rules","decision"}],"reply"}`
    #[arg(long)]
    json: bool,
}

fn provider(name: &str) -> Result<Provider, String> {
    Provider::from_name(name).ok_or_else(|| "expected openim or tencent".to_owned())
}

/// Unix milliseconds.
fn time(text: &str) -> Result<i64, String> {
    let parsed: Result<jiff::Timestamp, _> = text.parse();
    let example = "expected a time of RFC 3339, such as 2025-06-01T23:30:00+08:00";
    parsed.map(jiff::Timestamp::as_millisecond).map_err(|_| example.to_owned())
}

/// Explains.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let path = args.rules.path()?;
    let bench = Bench::of_environment()?;
    let loaded = bench.load(&path)?;
    let mut request = Request::read(files::read_bytes(&args.body, REQUEST_BYTES_MAX)?)?;
    let page = Page::new(&path, &loaded);
    let Some(set) = &loaded.built.set else { return page.refuse(args.json) };
    let said = Said { provider: args.provider, command: args.command.as_deref(), at_ms: args.at };
    let call = request.call(said, &bench.catalogue, clock::unix_ms())?;
    let explained = explain(set, &bench, &call);
    let text = if args.json {
        format!("{}\n", explained.json())
    } else {
        explained.text(Screen::stdout().colour)
    };
    written(std::io::stdout().write_all(text.as_bytes()), ExitCode::SUCCESS)
}

/// What became of a request.
struct Explained {
    intents: Vec<Trace>,
    /// Why there is none.
    silence: Option<String>,
    /// The answer, JSON.
    reply: Vec<u8>,
}

/// The way of `intake`, without a log and with a look at every rule.
fn explain(set: &RuleSet, bench: &Bench, call: &RawCall<'_>) -> Explained {
    let catalogue = &bench.catalogue;
    let door = Door::new(Arc::clone(catalogue), &bench.deployment, Box::new(Everybody));
    let normaliser = Normaliser::new(Arc::clone(catalogue), settings());
    let arena = Bump::new();
    let Ok(callback) = door.read(call, &arena) else { unreachable!("everybody may pass") };
    let events = normaliser.events(&callback, &arena);
    let single = callback.parts.first().filter(|_| !callback.envelope);
    let plan = single.and_then(|part| match part.command {
        CommandName::Row(row) => Some(catalogue.plan(row)),
        _ => None,
    });
    let asks = plan.is_some_and(|plan| plan.phase == Phase::Before);
    let asked = if asks { decide(set, bench, &callback, events, &arena) } else { Asked::default() };
    let Asked { intents, decisions, slots } = asked;
    let situation =
        if intents.is_empty() && asks { Situation::Unclassified } else { Situation::Accepted };
    let phase = plan.map(|plan| plan.phase);
    let route = match call.provider {
        Provider::OpenIm => Route::OpenIm { phase },
        Provider::Tencent => Route::Tencent { phase },
    };
    let body = single.and_then(|part| part.body);
    let plan = plan.filter(|_| asks);
    let question = Question { provider: call.provider, plan, body, slots };
    let answer = answer(situation, route, bench.on_fault);
    let reply = reply::body(answer.body, &question, &decisions).into_owned();
    let silence = intents.is_empty().then(|| silence(&callback, phase, events));
    Explained { intents, silence, reply }
}

/// No record is written, so it does not matter how.
fn settings() -> Settings {
    Settings {
        topic_prefix: "im.".to_owned(),
        topic_by: TopicBy::Kind,
        event_format: EventFormat::Structured,
        event_bytes_max: usize::MAX,
    }
}

/// What was decided about the intents of a request.
#[derive(Default)]
struct Asked<'a> {
    intents: Vec<Trace>,
    /// One for each event, those that are no intent included.
    decisions: Vec<Decision>,
    /// Fields of the last intent.
    slots: &'a [event::Value<'a>],
}

fn decide<'a>(
    set: &RuleSet,
    bench: &Bench,
    callback: &Callback<'a>,
    events: &'a [Event<'a>],
    arena: &'a Bump,
) -> Asked<'a> {
    let schema = Schema::new(&bench.catalogue);
    // A clock that stands still: nothing is late while somebody looks.
    let services = Services { ticks: &|| 0, memory: &Memory::default() };
    let mut asked = Asked::default();
    for event in events {
        let Ok(known) = &event.known else {
            asked.decisions.push(Decision::ALLOW);
            continue;
        };
        let intent = Intent {
            known,
            source: callback.source,
            correlation: event.correlation,
            received_at_ms: callback.received_at_ms,
            received_ns: 0,
            arena,
            given: None,
        };
        let traced = trace(set, &schema, set.tables(), &intent, &services);
        asked.slots = known.slots;
        asked.decisions.push(traced.decision.clone());
        asked.intents.push(traced);
    }
    asked
}

/// Why no rule is asked.
fn silence(callback: &Callback<'_>, phase: Option<Phase>, events: &[Event<'_>]) -> String {
    if callback.envelope {
        return "an envelope of events asks nothing: no rule is run".to_owned();
    }
    let first = events.first();
    let command = first.and_then(|event| event.command).unwrap_or_default();
    let unknown = first.and_then(|event| event.known.as_ref().err());
    let Some(unknown) = unknown.filter(|_| phase != Some(Phase::After)) else {
        return format!("{command} reports what happened: no rule is run");
    };
    match unknown.reason {
        Reason::NotJson => "the body is no JSON object: no rule is run".to_owned(),
        Reason::NoCommand => {
            "the request names no command: no rule is run; --command says which".to_owned()
        }
        Reason::UnknownCommand => {
            format!("the catalogue has no command {command:?}: no rule is run")
        }
        Reason::UnmatchedKind => format!("this {command} is of no known kind: no rule is run"),
        Reason::MissingField => {
            let missing = unknown.missing.join(", ");
            format!("{command} asks about nobody, without {missing}: no rule is run")
        }
    }
}

impl Explained {
    fn json(&self) -> Value {
        let intents: Vec<Value> = self.intents.iter().map(Trace::json).collect();
        let reply: Value = serde_json::from_slice(&self.reply).expect("answers are JSON");
        json!({"intents": intents, "reply": reply})
    }

    fn text(&self, colour: bool) -> String {
        let mut paper = Paper { text: String::new(), colour };
        if let Some(why) = &self.silence {
            paper.line(Line::default().push(YELLOW, why));
        }
        for intent in &self.intents {
            paper.intent(intent);
        }
        let reply = String::from_utf8_lossy(&self.reply);
        paper.line(Line::default().cell(BOLD, "answer", LABEL).push(PLAIN, &reply));
        paper.text
    }
}

/// Columns of labels, of rules' ids at least and at most, of modes, of operands and their values at
/// most.
const LABEL: usize = 10;
const ID: usize = 16;
const ID_MAX: usize = 64;
const MODE: usize = 9;
const OPERAND_MAX: usize = 48;
const VALUE_MAX: usize = 200;

/// Lines under construction.
struct Paper {
    text: String,
    colour: bool,
}

impl Paper {
    fn line(&mut self, line: &Line) {
        writeln!(self.text, "{}", line.render(self.colour, None))
            .expect("writing to a String cannot fail");
    }

    fn intent(&mut self, intent: &Trace) {
        let provider = intent.provider.name();
        let mut head = Line::default();
        head.cell(BOLD, "intent", LABEL);
        head.push(provider_style(provider), provider).push(PLAIN, " ").push(BOLD, &intent.command);
        self.line(head.push(PLAIN, " ").push(DIM, &intent.kind));
        if intent.rules.is_empty() {
            self.line(Line::default().pad_to(LABEL).push(DIM, "no rule is for it"));
        }
        let longest = intent.rules.iter().map(|rule| rule.id.len()).max().unwrap_or_default();
        let columns = longest.clamp(ID, ID_MAX) + 2;
        for rule in &intent.rules {
            self.rule(rule, columns);
        }
        self.decision(intent);
    }

    fn rule(&mut self, rule: &RuleTrace, columns: usize) {
        let mut line = Line::default();
        let (style, mark) = if rule.matched { (GREEN, "●") } else { (DIM, "○") };
        line.pad_to(2).push(style, mark).push(PLAIN, " ").cell(BOLD, &rule.id, columns);
        let mode = if rule.mode == Mode::Enforce { PLAIN } else { YELLOW };
        line.cell(mode, rule.mode.word(), MODE);
        let (style, outcome) = outcome(rule);
        self.line(line.push(style, &outcome));
        let widest = rule.operands.iter().map(|one| width(&clean(&one.text))).max();
        let widest = widest.unwrap_or_default().min(OPERAND_MAX);
        for Operand { text, value } in &rule.operands {
            let mut line = Line::default();
            line.pad_to(6).cell(DIM, text, widest).push(PLAIN, "  ");
            match value {
                Ok(value) => line.push(PLAIN, &fit(&clean(value), VALUE_MAX)),
                Err(error) => line.push(RED, &error.to_string()),
            };
            self.line(&line);
        }
    }

    fn decision(&mut self, intent: &Trace) {
        let decision = &intent.decision;
        let style = match decision.verdict {
            Verdict::Allow => GREEN,
            Verdict::Modify | Verdict::Refuse => YELLOW,
            Verdict::Deny | Verdict::Drop => RED,
        };
        let mut line = Line::default();
        line.cell(BOLD, "decision", LABEL);
        if !decision.enforced {
            line.push(YELLOW, "would have been ");
        }
        line.push(style, decision.verdict.word());
        if let Some(rule) = &decision.rule_id {
            line.push(PLAIN, " by rule ").push(BOLD, rule);
        }
        self.line(&line);
        self.line(Line::default().cell(BOLD, "record", LABEL).push(PLAIN, &record(intent)));
    }
}

/// The decision's fields on one line.
fn record(intent: &Trace) -> String {
    intent.json()["decision"].to_string()
}

/// `when true, limit chatty over: matches`
fn outcome(rule: &RuleTrace) -> (Style, String) {
    let mut steps: Vec<String> = Vec::new();
    match rule.when {
        Some(Ok(value)) => steps.push(format!("when {value}")),
        Some(Err(error)) => steps.push(format!("when fails: {error}")),
        None => {}
    }
    if let (Some(limit), Some(over)) = (&rule.limit, rule.over) {
        steps.push(format!("limit {limit} {}", if over { "over" } else { "under" }));
    }
    let (style, end) = match (rule.matched, rule.late) {
        (true, false) => (GREEN, "matches"),
        (true, true) => (YELLOW, "matches, late"),
        (false, _) if rule.mode == Mode::Off => (DIM, "not run"),
        (false, true) if steps.is_empty() => (DIM, "skipped: it is decided"),
        (false, _) => (DIM, "does not match"),
    };
    steps.push(end.to_owned());
    (style, steps.join(", "))
}
