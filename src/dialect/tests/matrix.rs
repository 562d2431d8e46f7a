//! The whole table: every situation, every route, both choices for faults.

use super::accept::{self, Outcome};
use super::{asked, friends, names, plan, reply_plan};
use crate::call::{Phase, Provider};
use crate::catalogue::plan::{Plan, ReplyPlan, ReplyStyle};
use crate::dialect::answers::{Answer, AnswerBody, Route, Situation, answer};
use crate::dialect::reply::{Question, body};
use crate::verdict::{Decision, OnFault};
use AnswerBody::{BothAllow, FaultDeny, PlainAllow, Verdict};

const FAULTS: [OnFault; 2] = [OnFault::Allow, OnFault::Deny];

fn cells() -> impl Iterator<Item = (Situation, Route, OnFault, Answer)> {
    Situation::ALL.into_iter().flat_map(|situation| {
        Route::ALL.into_iter().flat_map(move |route| {
            FAULTS.into_iter().map(move |on_fault| {
                (situation, route, on_fault, answer(situation, route, on_fault))
            })
        })
    })
}

/// Statuses in the order of [`Route::ALL`], and what a before-command gets with `on_fault=deny`.
const TABLE: [(Situation, [u16; 7], AnswerBody); 13] = [
    (Situation::Accepted, [200, 200, 200, 200, 200, 200, 200], Verdict),
    (Situation::Unclassified, [200, 200, 200, 200, 200, 200, 200], PlainAllow),
    (Situation::Undecided, [200, 200, 200, 200, 200, 200, 200], FaultDeny),
    (Situation::Unauthorized, [401, 401, 401, 200, 403, 200, 401], FaultDeny),
    (Situation::Forbidden, [403, 403, 403, 200, 403, 200, 403], FaultDeny),
    (Situation::TooLarge, [413, 413, 413, 200, 413, 200, 413], FaultDeny),
    (Situation::TooSlow, [408, 408, 408, 200, 408, 200, 408], FaultDeny),
    (Situation::Overloaded, [503, 503, 503, 200, 503, 200, 503], FaultDeny),
    (Situation::Encoded, [415, 415, 415, 200, 415, 200, 415], FaultDeny),
    (Situation::JournalRefused, [503, 503, 200, 200, 503, 200, 503], Verdict),
    (Situation::Panicked, [500, 500, 500, 200, 500, 200, 500], FaultDeny),
    (Situation::Method, [405, 405, 405, 405, 405, 405, 405], BothAllow),
    (Situation::Path, [404, 404, 404, 404, 404, 404, 404], BothAllow),
];

fn is_before(route: Route) -> bool {
    let before = Some(Phase::Before);
    [Route::OpenIm { phase: before }, Route::Tencent { phase: before }].contains(&route)
}

#[test]
fn every_cell_is_the_one_of_the_table() {
    assert_eq!(TABLE.map(|(situation, ..)| situation), Situation::ALL);
    for (situation, statuses, when_asked) in TABLE {
        for (route, status) in Route::ALL.into_iter().zip(statuses) {
            let deny = answer(situation, route, OnFault::Deny);
            let allow = answer(situation, route, OnFault::Allow);
            let expected = match when_asked {
                _ if route == Route::Outside => BothAllow,
                BothAllow => BothAllow,
                when_asked if is_before(route) => when_asked,
                _ => PlainAllow,
            };
            assert_eq!((deny.status, deny.body), (status, expected), "{situation:?} {route:?}");
            let expected = if expected == FaultDeny { PlainAllow } else { expected };
            assert_eq!((allow.status, allow.body), (status, expected), "{situation:?} {route:?}");
            assert_eq!((deny.close, deny.headers), (allow.close, allow.headers));
        }
    }
}

#[test]
fn only_what_leaves_a_body_unread_closes_the_connection() {
    use Situation::{Encoded, Overloaded, TooLarge, TooSlow};
    for (situation, route, _, answer) in cells() {
        let unread = [TooLarge, TooSlow, Overloaded, Encoded].contains(&situation);
        assert_eq!(answer.close, unread, "{situation:?} {route:?}");
    }
}

#[test]
fn headers_go_with_the_statuses_that_need_them() {
    for (situation, route, _, answer) in cells() {
        let named: Vec<_> = answer.headers.iter().map(|(name, _)| *name).collect();
        let expected: &[&str] = match (situation, answer.status) {
            (_, 401) => &["www-authenticate"],
            (_, 405) => &["allow"],
            (_, 415) => &["accept-encoding"],
            (Situation::JournalRefused, 503) => &["retry-after"],
            _ => &[],
        };
        assert_eq!(named, expected, "{situation:?} {route:?}");
    }
}

fn echoing() -> Plan {
    let must_echo = names(&["groupID", "groupName"]);
    plan(ReplyPlan { must_echo, ..reply_plan(ReplyStyle::OpenIm) })
}

/// Commands of that route, with the reader of their provider's version.
fn plans(route: Route) -> Vec<Option<Plan>> {
    let styles: &[ReplyStyle] = match route {
        Route::OpenIm { phase: Some(Phase::Before) } => {
            return vec![Some(plan(reply_plan(ReplyStyle::OpenIm))), Some(echoing())];
        }
        Route::Tencent { phase: Some(Phase::Before) } => {
            return vec![Some(plan(reply_plan(ReplyStyle::Tencent))), Some(friends())];
        }
        Route::OpenIm { phase: Some(Phase::After) } => &[ReplyStyle::OpenIm],
        Route::Tencent { phase: Some(Phase::After) } => &[ReplyStyle::Tencent],
        Route::OpenIm { phase: None } | Route::Tencent { phase: None } | Route::Outside => {
            return vec![None];
        }
    };
    let after =
        |style: &ReplyStyle| Plan { phase: Phase::After, reply: None, ..plan(reply_plan(*style)) };
    styles.iter().map(|style| Some(after(style))).collect()
}

const BODIES: [&str; 4] = [
    "no JSON, or none that could be read",
    "{}",
    r#"{"groupID":"g\"1","groupName":null,"FriendItem":[{"To_Account":"u3"},{"To_Account":7}]}"#,
    r#"{"FriendItem":[]}"#,
];

/// What the provider does with the answer of that cell, for every kind of command and body.
fn outcomes(cell: Answer, route: Route, decisions: &[Decision]) -> Vec<Outcome> {
    let providers: &[Provider] = match route {
        Route::OpenIm { .. } => &[Provider::OpenIm],
        Route::Tencent { .. } => &[Provider::Tencent],
        Route::Outside => &Provider::ALL,
    };
    let mut outcomes = Vec::new();
    for provider in providers {
        for plan in plans(route) {
            for given in BODIES {
                let write = |question: &Question<'_>| body(cell.body, question, decisions);
                let answer = match &plan {
                    Some(plan) => asked(plan, given, write),
                    None => {
                        write(&Question { provider: *provider, plan: None, body: None, slots: &[] })
                    }
                };
                let outcome = accept::read(*provider, cell.status, &answer);
                outcomes.push(outcome.unwrap_or_else(|problem| {
                    panic!("{problem}: {cell:?} {route:?} {}", super::text(&answer))
                }));
            }
        }
    }
    outcomes
}

fn passes(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Passes => true,
        Outcome::Friends(items) => items.iter().all(|(_, code, _)| *code == 0),
        Outcome::Denied(..) | Outcome::Dropped | Outcome::Failed => false,
    }
}

#[test]
fn every_answer_parses_as_its_provider_would_parse_it_and_lets_pass_unless_told_otherwise() {
    for (situation, route, on_fault, cell) in cells() {
        for outcome in outcomes(cell, route, &[]) {
            let told = cell.body == FaultDeny && on_fault == OnFault::Deny;
            let failed = outcome == Outcome::Failed && cell.status != 200;
            assert!(passes(&outcome) || told || failed, "{situation:?} {route:?} {outcome:?}");
        }
    }
}

#[test]
fn nobody_who_asks_tencent_s_way_gets_a_failed_call() {
    for (situation, route, _, cell) in cells() {
        let posted = !matches!(situation, Situation::Method | Situation::Path);
        let asks = matches!(route, Route::Tencent { phase: None | Some(Phase::Before) });
        if posted && asks {
            assert!(!outcomes(cell, route, &[]).contains(&Outcome::Failed), "{situation:?}");
        }
    }
}

#[test]
fn a_fault_denies_when_told_to_and_the_command_is_known() {
    let before = Route::OpenIm { phase: Some(Phase::Before) };
    let cell = answer(Situation::Panicked, before, OnFault::Deny);
    let denied = Outcome::Denied(5001, "Not allowed".to_owned());
    assert_eq!(outcomes(cell, before, &[]), vec![denied; 8]);

    let before = Route::Tencent { phase: Some(Phase::Before) };
    let cell = answer(Situation::Forbidden, before, OnFault::Deny);
    let refused = |id: &str| (id.to_owned(), 38_000, "Not allowed".to_owned());
    let mut expected = vec![Outcome::Denied(1, "Not allowed".to_owned()); 4];
    // Whom the body does not name cannot be denied.
    expected.extend([
        Outcome::Passes,
        Outcome::Passes,
        Outcome::Friends(vec![refused("\"u3\""), refused("7")]),
        Outcome::Passes,
    ]);
    assert_eq!(outcomes(cell, before, &[]), expected);
}

#[test]
fn a_refused_request_is_still_echoed() {
    let before = Route::OpenIm { phase: Some(Phase::Before) };
    let cell = answer(Situation::Unauthorized, before, OnFault::Allow);
    let given = r#"{"groupID":"g1","groupName":"n"}"#;
    let answer = asked(&echoing(), given, |question| body(cell.body, question, &[]));
    let echoes = r#""nextCode":0,"groupID":"g1","groupName":"n"}"#;
    assert!(super::text(&answer).ends_with(echoes), "{}", super::text(&answer));
}
