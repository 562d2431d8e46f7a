//! Laws that join the embedded catalogue with other files of the repository.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use imbridge::call::Provider;
use imbridge::catalogue::Catalogue;

#[test]
fn every_row_has_a_fixture_folder_and_every_folder_a_row() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rows");
    let mut found = BTreeSet::new();
    for provider in Provider::ALL {
        for folder in fs::read_dir(fixtures.join(provider.name())).expect("a folder per provider") {
            let name = folder.expect("a readable folder").file_name();
            found.insert(format!("{provider} {}", name.display()));
        }
    }
    let catalogue = Catalogue::embedded();
    let rows = catalogue.rows.iter().map(|plan| format!("{} {}", plan.provider, plan.command));
    assert_eq!(found, rows.collect::<BTreeSet<_>>());
}
