//! What we say about librdkafka's properties, held against librdkafka's own page about them.
//!
//! In: `CONFIGURATION.md` of the librdkafka that this package builds, found through Cargo. Out:
//! whether our lists agree with it. What always holds: where the page cannot be found the tests say
//! that they were skipped; with `REQUIRE_KAFKA=1` they fail.

#![allow(clippy::disallowed_methods, reason = "Cargo and the tests' switch are named by variables")]

use super::super::properties::{ALIASES, REFUSED, WITH_UNDERSCORE};
use crate::kafka::settings::PROTECTED;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A row of the page: name and description, and whether it is a property of topics.
type Row = (String, String, bool);

/// The page, of the very version in the lock file.
fn page() -> Result<PathBuf, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let run = |arguments: &[&str]| -> Result<String, String> {
        let mut command = Command::new(&cargo);
        let command = command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
        let output = command.output().map_err(|error| format!("{cargo}: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = || String::from_utf8_lossy(&output.stderr).into_owned();
        output.status.success().then_some(text).ok_or_else(errors)
    };
    let version = run(&["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or("cargo does not know its host")?;
    // Of other platforms some packages were never fetched.
    let arguments =
        ["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host];
    let metadata: serde_json::Value =
        serde_json::from_str(&run(&arguments)?).map_err(|error| error.to_string())?;
    let packages = metadata["packages"].as_array().ok_or("no packages")?;
    let of = packages.iter().find(|package| package["name"] == "rdkafka-sys");
    let manifest = of.and_then(|package| package["manifest_path"].as_str());
    let folder = manifest.and_then(|manifest| Path::new(manifest).parent());
    Ok(folder.ok_or("no package rdkafka-sys")?.join("librdkafka/CONFIGURATION.md"))
}

/// The rows of the page; `None` after it was said that it is not here.
fn rows() -> Option<Vec<Row>> {
    let text = page().and_then(|page| {
        std::fs::read_to_string(&page).map_err(|error| format!("{}: {error}", page.display()))
    });
    let text = text.inspect_err(|why| {
        let required = std::env::var_os("REQUIRE_KAFKA").is_some_and(|value| value == "1");
        assert!(
            !required,
            "REQUIRE_KAFKA=1, but librdkafka's page of properties is not here: {why}"
        );
        eprintln!("skipped: librdkafka's page of properties is not here: {why}");
    });
    let (mut rows, mut of_topics) = (Vec::new(), false);
    for line in text.ok()?.lines() {
        of_topics |= line.starts_with("## Topic configuration");
        let cells: Vec<&str> = line.split(" | ").map(str::trim).collect();
        let [name, _, .., description] = &*cells else { continue };
        if !name.starts_with("Property") && !name.starts_with("---") {
            let name = name.trim_start_matches('|').trim().to_owned();
            rows.push((name, (*description).to_owned(), of_topics));
        }
    }
    assert!(rows.len() > 150, "{} rows", rows.len());
    Some(rows)
}

/// What a row stands for, if it is another name.
fn real(row: &Row) -> Option<&str> {
    let (_, rest) = row.1.split_once("Alias for `")?;
    rest.split_once('`').map(|(real, _)| real)
}

#[test]
fn our_aliases_are_those_of_librdkafka() {
    let Some(rows) = rows() else { return };
    // `enable.auto.commit` is a property of consumers, and another name only among topics'.
    let own: BTreeSet<&str> = rows
        .iter()
        .filter(|row| !row.2 && real(row).is_none())
        .map(|(name, ..)| name.as_str())
        .collect();
    let theirs: BTreeSet<(&str, &str)> = rows
        .iter()
        .filter(|(name, ..)| !own.contains(name.as_str()))
        .filter_map(|row| Some((row.0.as_str(), real(row)?)))
        .collect();
    assert_eq!(ALIASES.iter().copied().collect::<BTreeSet<_>>(), theirs);
}

#[test]
fn our_names_with_underscores_are_those_of_librdkafka() {
    let Some(rows) = rows() else { return };
    let names = rows.iter().map(|(name, ..)| name.as_str());
    let theirs: BTreeSet<&str> = names.filter(|name| name.contains('_')).collect();
    let ours: BTreeSet<&str> = WITH_UNDERSCORE.iter().copied().collect();
    let missing: Vec<_> = theirs.difference(&ours).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn what_we_refuse_and_what_we_protect_are_the_same_properties_of_librdkafka() {
    let Some(rows) = rows() else { return };
    let real_names: BTreeSet<&str> =
        rows.iter().filter(|row| real(row).is_none()).map(|(name, ..)| name.as_str()).collect();
    for name in REFUSED {
        assert!(real_names.contains(name), "{name} is no property of its own");
    }
    let with_aliases: BTreeSet<&str> = REFUSED
        .iter()
        .copied()
        .chain(ALIASES.iter().filter(|(_, real)| REFUSED.contains(real)).map(|(alias, _)| *alias))
        .collect();
    assert_eq!(PROTECTED.iter().copied().collect::<BTreeSet<_>>(), with_aliases);
}
