//! Worked examples: requests with the records and answers that the contract gives for them.
//!
//! `golden/` are the contract's own, with the verdicts of rules beside them; `rows/` has one request
//! per command, `edges.jsonl` one per corner of the rules. What stands in the latter two was made by
//! the reference implementation in `tests/reference`, from the same text and nothing of this code.

use crate::support::bridge::{Request, allow, catalogue, run, settings};
use bumpalo::Bump;
use imbridge::call::Provider;
use imbridge::json::Json;
use imbridge::normalise::Event;
use imbridge::normalise::content::{rewrite_openim, rewrite_tencent, text_after};
use imbridge::verdict::{Change, Decision, Fault, Match, Verdict};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn read(path: &Path) -> Value {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Folders of a kind of fixtures, by provider.
fn folders(kind: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Provider::ALL
        .iter()
        .flat_map(|provider| fs::read_dir(fixtures().join(kind).join(provider.name())).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    assert!(found.len() > 20, "fixtures of {kind} are there");
    found
}

/// The contract's own examples print `1.50` as `1.5`: there numbers are compared by value.
fn by_value(value: &Value) -> Value {
    match value {
        Value::Number(number) => {
            let literal = number.to_string();
            if literal.contains(['.', 'e', 'E']) {
                Value::String(format!("{:?}", literal.parse::<f64>().unwrap()))
            } else {
                value.clone()
            }
        }
        Value::Array(items) => items.iter().map(by_value).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), by_value(value))).collect()
        }
        other => other.clone(),
    }
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        one => vec![one],
    }
}

fn check(at: &Path, seen: &[Value], wanted: Value, differences: &mut Vec<String>) {
    let seen: Vec<Value> = seen.iter().map(by_value).collect();
    let wanted: Vec<Value> = list(wanted).iter().map(by_value).collect();
    if seen != wanted {
        let show = |values: &[Value]| serde_json::to_string_pretty(values).unwrap();
        differences.push(format!(
            "{}:\nseen {}\nwanted {}",
            at.display(),
            show(&seen),
            show(&wanted)
        ));
    }
}

fn events(records: &[Value]) -> Vec<Value> {
    records.iter().map(|record| record["event"].clone()).collect()
}

fn decision(case: &Value, event: &Event<'_>, request: &Request) -> Decision {
    let text = |name: &str| case[name].as_str().map(str::to_owned);
    let texts = |name: &str| -> Vec<String> {
        let items = case[name].as_array().into_iter().flatten();
        items.map(|item| item.as_str().unwrap().to_owned()).collect()
    };
    let word = |text: &str| match text {
        "enforce" => "enforce",
        "shadow" => "shadow",
        "allow" => "allow",
        "deny" => "deny",
        "drop" => "drop",
        "change" => "change",
        "tag" => "tag",
        other => panic!("no word for {other}"),
    };
    let matches = case["matches"].as_array().into_iter().flatten().map(|one| Match {
        rule_id: one["rule_id"].as_str().unwrap().into(),
        mode: word(one["mode"].as_str().unwrap()),
        action: word(one["action"].as_str().unwrap()),
        late: one["late"] == true,
    });
    let changes = case["changes"].as_object().into_iter().flatten();
    assert!(case["faults"].is_null(), "no example has faults: {:?}", Vec::<Fault>::new());
    Decision {
        verdict: match case["verdict"].as_str().unwrap() {
            "allow" => Verdict::Allow,
            "deny" => Verdict::Deny,
            "drop" => Verdict::Drop,
            "modify" => Verdict::Modify,
            other => panic!("no verdict {other}"),
        },
        enforced: case["enforced"] == true,
        rule_id: text("rule_id").map(Into::into),
        deny_code: case["deny_code"].as_i64(),
        deny_message: text("deny_message"),
        changes: changes
            .map(|(field, value)| (field.clone(), change(value, event, request)))
            .collect(),
        refused_ids: texts("refused_ids"),
        tags: texts("tags").into_iter().map(Into::into).collect(),
        matches: matches.collect(),
        rules_version: text("rules_version").map(Into::into),
        ..Decision::ALLOW
    }
}

/// `{"replace": {from: to}}` is a mask over the message's pieces, everything else a new value.
fn change(value: &Value, event: &Event<'_>, request: &Request) -> Change {
    let Some(replace) = value.get("replace").and_then(Value::as_object) else {
        return Change::Value(value.clone());
    };
    let known = event.known.as_ref().expect("rules see known events");
    let model = &known.plan.content.as_ref().expect("it is a message").model;
    let mut edit = |piece: &str| {
        let edited = replace
            .iter()
            .fold(piece.to_owned(), |text, (from, to)| text.replace(from, to.as_str().unwrap()));
        (edited != piece).then_some(edited)
    };
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let arena = Bump::new();
    match request.provider {
        Provider::OpenIm => {
            let code = body["contentType"].to_string();
            let content = body["content"].as_str().unwrap();
            let written = rewrite_openim(model, Some(&code), content, &mut edit, &arena);
            let written = written.expect("it can be written").expect("it changes");
            let text = text_after(model, Some(&code), &written, &arena).unwrap().to_owned();
            Change::Content { text, body: written }
        }
        Provider::Tencent => {
            let source = body["MsgBody"].to_string();
            let json = Json::read(&source, &arena).unwrap();
            let written = rewrite_tencent(model, json.root(), &mut edit, &arena);
            let written = written.expect("it changes");
            let text = text_after(model, None, &written, &arena).unwrap().to_owned();
            Change::Content { text, body: written }
        }
    }
}

#[test]
fn the_contracts_examples_come_out_as_printed() {
    let mut differences = Vec::new();
    for folder in folders("golden") {
        let request = Request::read(&read(&folder.join("request.json")));
        if folder.join("event.json").exists() {
            let made = run(&request, settings(), &allow);
            check(
                &folder,
                &events(&made.records),
                read(&folder.join("event.json")),
                &mut differences,
            );
            check(&folder, &[made.reply], read(&folder.join("reply.json")), &mut differences);
            continue;
        }
        let intent = run(&request, settings(), &|_, _| None);
        check(
            &folder,
            &events(&intent.records),
            read(&folder.join("intent.json")),
            &mut differences,
        );
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let Some(case) = name.strip_prefix("case.") else { continue };
            let cases = list(read(&path));
            let made = run(&request, settings(), &|index, event| {
                Some(decision(&cases[index], event, &request))
            });
            let beside = |kind: &str| read(&folder.join(format!("{kind}.{case}")));
            check(&path, &events(&made.records), beside("decision"), &mut differences);
            check(&path, &[made.reply], beside("reply"), &mut differences);
            for record in &made.records {
                assert_eq!(record["topic"], "im.decisions");
                assert_eq!(record["key"], record["event"]["partitionkey"]);
            }
        }
    }
    assert!(differences.is_empty(), "{} differ\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn every_row_gives_what_the_reference_gives() {
    let mut differences = Vec::new();
    let folders = folders("rows");
    for folder in &folders {
        let made = run(&Request::read(&read(&folder.join("request.json"))), settings(), &allow);
        check(folder, &made.records, read(&folder.join("records.json")), &mut differences);
        check(folder, &[made.reply], read(&folder.join("reply.json")), &mut differences);
    }
    assert_eq!(folders.len(), catalogue().rows.len());
    assert!(differences.is_empty(), "{} differ\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn every_corner_gives_what_the_reference_gives() {
    let lines = |name: &str| -> Vec<Value> {
        let text = fs::read_to_string(fixtures().join(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let (requests, expected) = (lines("edges.jsonl"), lines("edges.expected.jsonl"));
    assert!(requests.len() == expected.len() && requests.len() > 100);
    let mut differences = Vec::new();
    for (request, wanted) in requests.iter().zip(&expected) {
        let made = run(&Request::read(request), settings(), &allow);
        let name = Path::new(request["name"].as_str().unwrap());
        let seen = serde_json::json!({"records": made.records, "reply": made.reply});
        let wanted = serde_json::json!({"records": wanted["records"], "reply": wanted["reply"]});
        if seen != wanted {
            let show = |value: &Value| serde_json::to_string_pretty(value).unwrap();
            let short = |text: String| text.chars().take(3000).collect::<String>();
            differences.push(format!(
                "{}:\nseen {}\nwanted {}",
                name.display(),
                short(show(&seen)),
                short(show(&wanted))
            ));
        }
    }
    assert!(differences.is_empty(), "{} differ\n{}", differences.len(), differences.join("\n"));
}
