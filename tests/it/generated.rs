//! Pages that are written from tables in the code and kept in the repository: they must be fresh.
//!
//! Here belongs every such page. `UPDATE=1 cargo test` rewrites them instead of comparing.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use imbridge::catalogue::{Catalogue, listing};
use imbridge::config::docs;
use imbridge::rules::listing as rules_listing;
use imbridge::telemetry::Metrics;
use imbridge::telemetry::maker::metrics_md;

/// Compares a file of the repository with what the code says it should be, or rewrites it.
fn check(path: &str, expected: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs::write(&file, expected).expect("the repository can be written");
        return;
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == expected,
        "{path} is stale: run `UPDATE=1 cargo test` and commit it with the change"
    );
}

#[test]
fn the_page_of_settings_is_what_the_table_says() {
    check("docs/configuration.md", &docs::configuration_md());
}

#[test]
fn the_example_environment_is_what_the_table_says() {
    check(".env.example", &docs::env_example());
}

#[test]
fn the_page_of_commands_is_what_the_catalogue_says() {
    check("docs/commands.md", &listing::commands_md(&Catalogue::embedded()));
}

#[test]
fn the_page_of_what_rules_may_name_is_what_the_catalogue_says() {
    let catalogue = Arc::new(Catalogue::embedded());
    check("docs/rules-fields.md", &rules_listing::fields_md(&catalogue));
}

#[test]
fn the_page_of_metrics_is_what_is_registered() {
    let metrics = Metrics::new(&Catalogue::embedded(), "version", "commit");
    check("docs/metrics.md", &metrics_md(metrics.descriptions()));
}

/// The other direction of the page's law: what a scrape shows is described, with its type.
#[test]
fn every_metric_of_a_scrape_is_described() {
    let metrics = Metrics::new(&Catalogue::embedded(), "version", "commit");
    let scrape = String::from_utf8(metrics.text()).expect("the text form is UTF-8");
    let types: Vec<(&str, &str)> = scrape
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .filter(|(name, _)| !name.starts_with("process_"))
        .collect();
    assert!(types.len() > 20, "the labels that are known start at 0: {types:?}");
    for (name, form) in types {
        let found = metrics.descriptions().iter().find(|metric| metric.name == name);
        assert_eq!(found.map(|metric| metric.form), Some(form), "{name}");
    }
}
