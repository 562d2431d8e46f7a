//! The deck deals every command, and the embedded samples survive being varied.

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;

/// Good enough where only the difference matters; the program asks the catalogue.
pub(in crate::simulate) fn phase_by_name(_: Provider, command: &str) -> Phase {
    if command.contains("Before") || command.contains("Prev") {
        Phase::Before
    } else {
        Phase::After
    }
}

fn load(provider: Provider, options: Options) -> Samples {
    let target = Some("http://localhost".to_owned());
    let options = Options { openim: target.clone(), tencent: target, ..options };
    Samples::load(provider, &options, &phase_by_name).unwrap().unwrap()
}

/// The structure of a body: member names in order, types, and JSON inside texts.
fn shape(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| format!("{key}:{}", shape(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(shape).collect::<Vec<_>>().join(","))
        }
        Value::String(text) if text.starts_with(['{', '[']) => {
            serde_json::from_str(text).map_or("text".to_owned(), |inner| shape(&inner))
        }
        Value::String(text) => if text.is_empty() { "empty" } else { "text" }.to_owned(),
        Value::Number(_) => "number".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Null => "null".to_owned(),
    }
}

#[test]
fn every_sample_varies_and_keeps_its_structure() {
    for provider in [Provider::OpenIm, Provider::Tencent] {
        let samples = load(provider, Options { mix: Mix::Every, ..Options::default() });
        let originals = parse(provider).unwrap();
        assert_eq!(samples.rows.len(), originals.len());
        for round in 0..5 {
            for (place, original) in originals.iter().enumerate() {
                let index = round * originals.len() + place;
                let callback = samples.next(index as u64, 1_801_234_567_890);
                assert_eq!(samples.command(callback.row), original.command);
                let body: Value = serde_json::from_str(&callback.body).unwrap();
                assert_eq!(shape(&body), shape(&original.body), "{}", original.command);
            }
        }
    }
}

#[test]
fn a_cycle_has_every_command_and_mostly_messages() {
    let samples = load(Provider::OpenIm, Options::default());
    let cards: usize = samples.rows.iter().map(|row| row.weight).sum();
    let mut dealt = BTreeMap::new();
    for index in 0..cards as u64 {
        *dealt.entry(samples.next(index, 0).row).or_insert(0) += 1;
    }
    let weights: BTreeMap<usize, usize> =
        samples.rows.iter().enumerate().map(|(at, row)| (at, row.weight)).collect();
    assert_eq!(dealt, weights);
    let messages: usize = dealt
        .iter()
        .filter(|(row, _)| samples.command(**row).contains("Send"))
        .map(|(_, times)| times)
        .sum();
    assert!(messages * 2 > cards / 2, "{messages} of {cards}");
}

#[test]
fn the_seed_decides_what_is_sent() {
    let bodies = |seed: u64| {
        let samples = load(Provider::Tencent, Options { seed, ..Options::default() });
        (0..50).map(|index| samples.next(index, 7).body).collect::<Vec<_>>()
    };
    assert_eq!(bodies(5), bodies(5));
    assert_ne!(bodies(5), bodies(6));
}

#[test]
fn a_filter_with_a_misspelt_command_names_the_nearest() {
    let options = Options {
        tencent: Some("http://localhost".to_owned()),
        commands: vec!["Group.CallbackAfterSendMessage".to_owned()],
        ..Options::default()
    };
    assert_eq!(
        check_filter(&options).unwrap_err().to_string(),
        "no command named Group.CallbackAfterSendMessage here; did you mean \
         Group.CallbackAfterSendMsg?"
    );
}
