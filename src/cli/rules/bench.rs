//! What all tools work with: the catalogue, and the settings that decisions depend on.
//!
//! In: the environment. Out: a [`Bench`] that builds sets as the bridge would. What always holds: of
//! the settings only those are looked at that a decision depends on, so that rules can be checked
//! where no bridge is set up.

use crate::app::rules::load::{Loaded, load};
use crate::catalogue::Catalogue;
use crate::cli::settings::Examined;
use crate::config::Problems;
use crate::files::FileError;
use crate::verdict::OnFault;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

/// Settings that decisions depend on.
const SETTINGS: [&str; 3] =
    ["IMBRIDGE_CATALOGUE", "IMBRIDGE_ON_FAULT", "IMBRIDGE_OPENIM_DEPLOYMENT"];

/// What tools work with.
pub(super) struct Bench {
    /// Commands, with an operator's rows.
    pub(super) catalogue: Arc<Catalogue>,
    /// Name of the OpenIM deployment.
    pub(super) deployment: String,
    /// What is answered when the engine fails and the rule file does not say.
    pub(super) on_fault: OnFault,
}

impl Bench {
    /// As the environment has it.
    ///
    /// # Errors
    /// Settings that are wrong, all of them.
    pub(super) fn of_environment() -> Result<Self, Problems> {
        Self::of(std::env::vars_os())
    }

    fn of(pairs: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, Problems> {
        let is_of_use = |name: &OsString| SETTINGS.iter().any(|known| name == *known);
        let mut settings = Examined::of(pairs.into_iter().filter(|(name, _)| is_of_use(name)));
        let catalogue = settings.catalogue();
        let config = settings.done()?;
        let (deployment, on_fault) = (config.openim.deployment, config.policy.on_fault);
        Ok(Self { catalogue, deployment, on_fault })
    }

    /// Reads a rule file and builds it.
    pub(super) fn load(&self, path: &Path) -> Result<Loaded, FileError> {
        load(path, &self.catalogue, self.on_fault, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bench(pairs: &[(&str, &str)]) -> Result<Bench, Problems> {
        Bench::of(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())))
    }

    #[test]
    fn only_settings_that_decisions_depend_on_are_looked_at() {
        let pairs = [
            ("IMBRIDGE_OPENIM_DEPLOYMENT", "prod"),
            ("IMBRIDGE_ON_FAULT", "deny"),
            ("IMBRIDGE_ACK_LEVEL", "nonsense"),
        ];
        let bench = bench(&pairs).expect("the others do not matter");
        assert_eq!((bench.deployment.as_str(), bench.on_fault), ("prod", OnFault::Deny));
    }

    #[test]
    fn settings_that_are_wrong_are_told_together() {
        let pairs = [
            ("IMBRIDGE_ON_FAULT", "maybe"),
            ("IMBRIDGE_CATALOGUE", "/nowhere/rows.json"),
            ("IMBRIDGE_OPENIM_DEPLOYMENT", "a/b"),
        ];
        let told = bench(&pairs).err().expect("all are wrong").to_string();
        for (name, _) in pairs {
            assert!(told.contains(name), "{name} is missing: {told}");
        }
    }
}
