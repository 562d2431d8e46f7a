//! The house stays as it was laid out: who may import whom, what is named where, and how files look.
//!
//! In: the sources. Out: one list of breaches per law. `floors` has the table, `tokens` reads Rust.
//! Parts that are compiled for tests only, and everything below `tests/`, are free of floors.

mod floors;
mod tokens;

use floors::{STEPS, breaches};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tokens::{tokens, without_tests};

/// Longest file; see `CONTRIBUTING.md`.
const LINES_MAX: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Rust files below a folder as `(path from the root, text)`, sorted.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    collect(&root().join(folder), &mut files);
    files.sort();
    let named = files.into_iter().map(|path| {
        let name = path.strip_prefix(root()).expect("below the root").to_str().expect("a text");
        (name.to_owned(), fs::read_to_string(&path).expect("sources are UTF-8"))
    });
    let found: Vec<_> = named.collect();
    assert!(!found.is_empty(), "{folder} has sources");
    found
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

/// Sources of the program itself: what only tests are compiled from is left out.
fn program() -> Vec<(String, Vec<tokens::Token>)> {
    let all = sources("src");
    let mut for_tests = BTreeSet::new();
    let mut kept = Vec::new();
    for (file, text) in all {
        let (rest, modules) = without_tests(&tokens(&text));
        let folder = file.strip_suffix("mod.rs").map_or_else(
            || format!("{}/", file.strip_suffix(".rs").expect("a Rust file")),
            str::to_owned,
        );
        let folder = if file == "src/lib.rs" { "src/".to_owned() } else { folder };
        for module in modules {
            for_tests.insert(format!("{folder}{module}.rs"));
            for_tests.insert(format!("{folder}{module}/"));
        }
        kept.push((file, rest));
    }
    kept.retain(|(file, _)| !for_tests.iter().any(|place| file.starts_with(place)));
    kept
}

/// Breaches of a source as it would be judged at that place.
fn judge(file: &str, source: &str) -> Vec<String> {
    breaches(file, &without_tests(&tokens(source)).0)
}

fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "{} breaches\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn modules_import_only_from_below_and_name_only_what_belongs_to_them() {
    let program = program();
    assert!(program.len() > 80, "most files are the program's: {}", program.len());
    let found: Vec<String> =
        program.iter().flat_map(|(file, tokens)| breaches(file, tokens)).collect();
    assert_none(&found);
}

#[test]
fn a_breach_of_a_floor_is_seen_in_every_way_to_write_it() {
    let cases = [
        ("src/normalise/id.rs", "use crate::dialect::door::Door;"),
        ("src/normalise/id.rs", "use crate::{call::Phase, dialect::door::Door as D};"),
        ("src/normalise/id.rs", "fn f() -> crate::rules::AllowAll { loop {} }"),
        ("src/normalise/id.rs", "use super::super::rules::Rules;"),
        ("src/normalise/mod.rs", "use super::{catalogue::Catalogue, rules::Rules};"),
        ("src/dialect/reply.rs", "use crate::rules::Rules;"),
        ("src/rules/mod.rs", "use crate::dialect::door::Door;"),
        ("src/kafka/producer.rs", "use crate::journal::Sequence;"),
        ("src/journal/mod.rs", "pub use crate::kafka::Inbox;"),
        ("src/shipper/mod.rs", "use crate::intake::Intake;"),
        ("src/intake/mod.rs", "use crate::kafka::Producer;"),
        ("src/dialect/openim/read.rs", "use crate::dialect::tencent::read::commands;"),
        ("src/dialect/openim/read.rs", "use super::super::tencent::read;"),
        ("src/dialect/tencent/mod.rs", "use super::openim;"),
        ("src/telemetry/metrics.rs", "use crate::dialect::answers::Answer;"),
        ("src/http/admin.rs", "use crate::config::Config;"),
        ("src/call.rs", "use crate::record::Batch;"),
        ("src/app/mod.rs", "use crate::nowhere::Thing;"),
        ("src/app/mod.rs", "use crate::*;"),
    ];
    for (file, source) in cases {
        assert_eq!(judge(file, source).len(), 1, "{file}: {source}");
    }
}

#[test]
fn what_belongs_to_one_place_is_seen_elsewhere() {
    let cases = [
        ("src/intake/mod.rs", "use actix_web::web;"),
        ("src/shipper/session.rs", "fn f(e: rdkafka::error::KafkaError) {}"),
        ("src/shipper/session.rs", "use {std::sync::Arc, rdkafka::error::KafkaError};"),
        ("src/config/read.rs", "use std::{fs, path::Path};"),
        ("src/cli/serve.rs", "fn f() { let _ = ::std::fs::read(\"a\"); }"),
        ("src/kafka/admin.rs", "use std::env;"),
        ("src/kafka/admin.rs", "fn f() { let at = std::time::Instant::now(); }"),
        ("src/journal/memory.rs", "fn f() { SystemTime::now() }"),
        ("src/intake/mod.rs", "fn f() { Authentic::vouch() }"),
        ("src/normalise/mod.rs", "fn f() { tracing::warn!(\"x\"); }"),
        ("src/json/scan.rs", "async fn f() {}"),
    ];
    for (file, source) in cases {
        assert_eq!(judge(file, source).len(), 1, "{file}: {source}");
    }
}

#[test]
fn what_is_allowed_or_only_spoken_of_is_no_breach() {
    let cases = [
        ("src/normalise/id.rs", "use crate::catalogue::plan::{IdPart, Source};"),
        ("src/record.rs", "use crate::json::Json;"),
        ("src/telemetry/metrics.rs", "use crate::normalise::Reason;"),
        ("src/http/mod.rs", "use actix_web::web; use crate::intake::Intake;"),
        ("src/files.rs", "use std::fs::File;"),
        ("src/clock.rs", "fn f() { Instant::now() }"),
        ("src/dialect/mod.rs", "use self::tencent::read; fn f() { openim::read::f() }"),
        ("src/json/scan.rs", "// use rdkafka::x;\n/* tokio /* nested */ async */ fn f() {}"),
        ("src/json/scan.rs", "fn f<'a>(c: char) -> &'a str { '\"'; r#\"std::fs\" async\"# }"),
        ("src/json/scan.rs", "#[cfg(test)]\n#[allow(x)]\nmod tests { use std::fs; fn f() {} }"),
        ("src/json/scan.rs", "#[cfg(test)] use std::fs; fn f() {}"),
    ];
    for (file, source) in cases {
        assert_eq!(judge(file, source), Vec::<String>::new(), "{file}: {source}");
    }
    assert_eq!(judge("src/json/scan.rs", "#[cfg(not(test))] use std::fs;").len(), 1);
    assert_eq!(judge("src/json/scan.rs", "#[cfg(test)] mod tests {} use std::fs;").len(), 1);
}

/// The map at the top of `src/lib.rs`: floor, modules, whether `⟂` stands between them.
fn map(lib: &str) -> Vec<(String, Vec<String>, bool)> {
    let rows = lib.lines().filter_map(|line| line.strip_prefix("//! | "));
    rows.skip(2)
        .map(|row| {
            let mut cells = row.split(" | ");
            let floor = cells.next().expect("a floor").to_owned();
            let modules = cells.next().expect("modules");
            let names = modules.split('[').skip(1).map(|rest| {
                rest.split(']').next().expect("a link is closed").trim_matches('`').to_owned()
            });
            (floor, names.collect(), modules.contains('⟂'))
        })
        .collect()
}

#[test]
fn the_map_in_lib_rs_is_the_house() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).expect("there is a library");
    let table: Vec<(String, Vec<String>, bool)> = STEPS
        .iter()
        .map(|step| {
            let modules = step.modules.iter().map(|module| (*module).to_owned()).collect();
            (step.floor.to_owned(), modules, step.strangers)
        })
        .collect();
    assert_eq!(map(&lib), table, "src/lib.rs and tests/it/tidy/floors.rs tell the same");
    let on_map: BTreeSet<String> = table.into_iter().flat_map(|(_, modules, _)| modules).collect();
    let declared: BTreeSet<String> = tokens(&lib)
        .windows(2)
        .filter(|pair| pair[0].text == "mod")
        .map(|pair| pair[1].text.clone())
        .collect();
    assert_eq!(on_map, declared, "what is declared is on the map");
    let files: BTreeSet<String> = sources("src")
        .iter()
        .filter_map(|(file, _)| floors::module_path(file).first().cloned())
        .collect();
    assert_eq!(on_map, files, "what is on the map is there");
}

#[test]
fn every_file_opens_by_saying_what_it_is_for() {
    let silent: Vec<String> = ["src", "tests", "benches"]
        .into_iter()
        .flat_map(sources)
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(file, _)| format!("{file} does not begin with `//!`"))
        .collect();
    assert_none(&silent);
}

#[test]
fn no_file_is_longer_than_one_can_keep_in_mind() {
    let mut lengths: Vec<(usize, String)> = ["src", "tests", "benches"]
        .into_iter()
        .flat_map(sources)
        .map(|(file, text)| (text.lines().count(), file))
        .collect();
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    let long: Vec<String> = lengths
        .iter()
        .take_while(|(lines, _)| *lines > LINES_MAX)
        .map(|(lines, file)| format!("{file} has {lines} lines, the limit is {LINES_MAX}"))
        .collect();
    assert_none(&long);
}
