//! Makes a set of the files as they are now, and runs the tests in it.
//!
//! In: the files. Out: an [`Attempt`]: a set that may be put in force, or what is wrong. What always
//! holds: the set in force is not touched; whatever a file does to the compiler, it is an attempt that
//! failed and no end of the thread.

use super::load::{BuiltIn, Loaded, Stamps, load};
use super::told;
use crate::catalogue::Catalogue;
use crate::clock;
use crate::files::FileError;
use crate::rules::engine::Engine;
use crate::rules::problem::Problem;
use crate::rules::set::RuleSet;
use crate::rules::trial;
use crate::verdict::OnFault;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

/// A file that was written so shortly before it was read may be written again within the same tick of
/// its file system's clock.
const YOUNG_NS: i128 = 2_000_000_000;

/// Runs the tests of a set; a problem for each that fails.
pub(super) type Trials = fn(&RuleSet, &Arc<Catalogue>) -> Vec<Problem>;

/// Where the files are.
pub(super) enum Place {
    /// On the disk.
    Disk(PathBuf),
    /// In the program.
    Program(BuiltIn),
}

impl Place {
    /// The name of the rule file in messages.
    fn name(&self) -> String {
        match self {
            Self::Disk(path) => path.display().to_string(),
            Self::Program(files) => files.name.to_owned(),
        }
    }

    /// Before anything is read.
    fn stamps(&self) -> Stamps {
        match self {
            Self::Disk(path) => Stamps::of(path),
            Self::Program(_) => Stamps::default(),
        }
    }
}

/// What sets are made with.
pub(super) struct Shop {
    place: Place,
    catalogue: Arc<Catalogue>,
    on_fault: OnFault,
    pub(super) trials: Trials,
    /// Has the set in force.
    pub(super) engine: Arc<Engine>,
}

/// What came of the files.
pub(super) struct Attempt {
    /// A set that has passed its tests; none if there is an error.
    pub(super) set: Option<Arc<RuleSet>>,
    /// Errors and warnings.
    pub(super) problems: Vec<Problem>,
    /// Bytes of the rule file.
    pub(super) source: Vec<u8>,
    /// The files as they were.
    pub(super) stamps: Stamps,
    /// Whether the rule file could not be read at all.
    pub(super) unread: bool,
    /// Whether a file may have changed since without a trace.
    pub(super) young: bool,
}

impl Shop {
    pub(super) fn new(place: Place, catalogue: &Arc<Catalogue>, on_fault: OnFault) -> Self {
        Self {
            place,
            catalogue: Arc::clone(catalogue),
            on_fault,
            trials,
            engine: Arc::new(Engine::new(clock::ticks)),
        }
    }

    /// The name of the rule file in messages.
    pub(super) fn name(&self) -> String {
        self.place.name()
    }

    /// Makes a set.
    pub(super) fn attempt(&self) -> Attempt {
        let (began_ms, before) = (clock::unix_ms(), self.place.stamps());
        let made = catch_unwind(AssertUnwindSafe(|| self.make(&before)));
        let mut attempt = made.unwrap_or_else(|_| {
            let why = "the bridge itself failed on these rules, and the log has more about that";
            Attempt::failed(&before, why.to_owned())
        });
        let newest = attempt.stamps.newest_ns();
        let age = newest.map(|newest| i128::from(began_ms) * 1_000_000 - newest);
        attempt.young = age.is_some_and(|age| (-YOUNG_NS..YOUNG_NS).contains(&age));
        attempt
    }

    fn make(&self, before: &Stamps) -> Attempt {
        let previous = self.engine.current();
        let loaded = match self.load(previous.as_deref()) {
            Ok(loaded) => loaded,
            Err(error) => {
                return Attempt { unread: true, ..Attempt::failed(before, error.to_string()) };
            }
        };
        let mut problems = loaded.built.problems;
        let set = loaded.built.set.filter(|set| {
            let failed = (self.trials)(set, &self.catalogue);
            let passed = failed.is_empty();
            problems.extend(failed);
            passed
        });
        problems.sort();
        let (source, stamps) = (loaded.source, loaded.stamps);
        let set = set.map(Arc::new);
        Attempt { set, problems, source, stamps, unread: false, young: false }
    }
}

impl Shop {
    fn load(&self, previous: Option<&RuleSet>) -> Result<Loaded, FileError> {
        match &self.place {
            Place::Disk(path) => load(path, &self.catalogue, self.on_fault, previous),
            Place::Program(files) => Ok(files.load(&self.catalogue, self.on_fault, previous)),
        }
    }
}

impl Attempt {
    fn failed(stamps: &Stamps, why: String) -> Self {
        Self {
            set: None,
            problems: vec![told::of_all(why)],
            source: Vec::new(),
            stamps: stamps.clone(),
            unread: false,
            young: false,
        }
    }
}

/// The tests of a file as problems.
fn trials(set: &RuleSet, catalogue: &Arc<Catalogue>) -> Vec<Problem> {
    trial::run(set, catalogue).failures.iter().map(trial::Failure::problem).collect()
}
