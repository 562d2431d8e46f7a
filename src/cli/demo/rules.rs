//! The rules of the demo: the starter set, enforced, unless somebody brings their own.
//!
//! In: the settings. Out: a set that has passed its tests. What always holds: the starter set is part of
//! the program, so that the demo needs no file; it differs from `deploy/rules/rules.yaml` in its mode
//! alone.

use crate::app::rules::load::BuiltIn;
use crate::app::rules::{First, Refused};
use crate::catalogue::Catalogue;
use crate::verdict::OnFault;
use std::sync::Arc;

/// What it is called in messages.
pub(super) const NAME: &str = "deploy/rules/rules.yaml";

const RULES: &str = include_str!("../../../deploy/rules/rules.yaml");
const LISTS: &[(&str, &str)] = &[
    ("lists/staff.txt", include_str!("../../../deploy/rules/lists/staff.txt")),
    ("lists/banned-words.txt", include_str!("../../../deploy/rules/lists/banned-words.txt")),
    ("lists/adverts.txt", include_str!("../../../deploy/rules/lists/adverts.txt")),
];
/// The line that keeps all rules of the starter set from acting, and the one that does not.
const MODES: [&str; 2] = ["\n  mode: shadow\n", "\n  mode: enforce\n"];

/// The starter set, enforced.
///
/// # Errors
/// Its rules do not go with rows of the operator.
pub(super) fn starter(catalogue: &Arc<Catalogue>, on_fault: OnFault) -> Result<First, Refused> {
    let [watching, acting] = MODES;
    let rules = RULES.replacen(watching, acting, 1).into();
    First::built_in(BuiltIn { name: NAME, rules, lists: LISTS }, catalogue, on_fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_starter_set_of_the_demo_is_right_and_enforced() {
        let catalogue = Arc::new(Catalogue::embedded());
        let first = starter(&catalogue, OnFault::Allow);
        let first = first.unwrap_or_else(|refused| panic!("{refused}"));
        assert!(first.rules() >= 4);
        assert_eq!(RULES.matches(MODES[0]).count(), 1, "one line says so for all rules");
    }
}
