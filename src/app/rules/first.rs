//! The set that a bridge starts with.
//!
//! In: the path of a rule file, or one that is part of the program. Out: [`First`], a set that is ready, or [`Refused`], every mistake.
//! What always holds: nothing is in force before the bridge starts.

use super::load::BuiltIn;
use super::shop::{Attempt, Place, Shop};
use super::told;
use crate::catalogue::Catalogue;
use crate::rules::problem::Problem;
use crate::rules::set::RuleSet;
use crate::rules::source::render::Source;
use crate::verdict::OnFault;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A set that has passed its tests.
pub struct First {
    pub(super) shop: Shop,
    pub(super) attempt: Attempt,
    pub(super) set: Arc<RuleSet>,
}

impl First {
    /// Reads a rule file, builds its set and runs its tests.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn load(
        path: &Path,
        catalogue: &Arc<Catalogue>,
        on_fault: OnFault,
    ) -> Result<Self, Refused> {
        Self::of(Place::Disk(path.to_owned()), catalogue, on_fault)
    }

    /// The same of files that are part of the program.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn built_in(
        files: BuiltIn,
        catalogue: &Arc<Catalogue>,
        on_fault: OnFault,
    ) -> Result<Self, Refused> {
        Self::of(Place::Program(files), catalogue, on_fault)
    }

    /// Number of rules.
    #[must_use]
    pub fn rules(&self) -> usize {
        self.set.rules().len()
    }

    fn of(place: Place, catalogue: &Arc<Catalogue>, on_fault: OnFault) -> Result<Self, Refused> {
        let shop = Shop::new(place, catalogue, on_fault);
        let attempt = shop.attempt();
        match &attempt.set {
            Some(set) => Ok(Self { set: Arc::clone(set), shop, attempt }),
            None => Err(Refused {
                name: shop.name(),
                source: attempt.source,
                problems: attempt.problems,
            }),
        }
    }
}

/// Why a rule file is not used; displays as lines for a terminal.
#[derive(Debug)]
pub struct Refused {
    name: String,
    source: Vec<u8>,
    problems: Vec<Problem>,
}

impl Refused {
    /// `rules.yaml has 3 errors`
    #[must_use]
    pub fn summary(&self) -> String {
        let errors = told::counted(told::errors(&self.problems), "error");
        format!("{} has {errors}", self.name)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(&self.source);
        let source = Source::new(&self.name, &text);
        for problem in &self.problems {
            f.write_str(&source.render(problem))?;
        }
        let errors = told::counted(told::errors(&self.problems), "error");
        write!(f, "{}: {errors}", self.name)
    }
}

impl std::error::Error for Refused {}
