//! Reads a rule file and the list files beside it, and builds a set of them.
//!
//! In: a path, or files that are part of the program. Out: [`Loaded`]: the set or its mistakes, and the stamps of all files that were looked
//! at, so that a change can be noticed. What always holds: stamps are taken before the files are
//! read, so a change meanwhile is noticed later rather than never; hostile files meet a large stack.

use crate::catalogue::Catalogue;
use crate::files::{self, FileError, Stamp};
use crate::rules::set::{self, Built, RuleSet, Sources};
use crate::verdict::OnFault;
use std::borrow::Cow;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest rule file in bytes.
const RULE_FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Largest list file in bytes: a million ids of 256 bytes, each on a line of its own.
const LIST_FILE_BYTES_MAX: u64 = 257 * 1_000_000;
/// Stack of the thread that builds, in bytes: expressions may be nested deep before they are refused.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// A rule file that is part of the program, with its lists: it never changes.
#[derive(Debug, Clone)]
pub struct BuiltIn {
    /// What it is called in messages.
    pub name: &'static str,
    /// The rule file.
    pub rules: Cow<'static, str>,
    /// List files by the name that the rule file gives them.
    pub lists: &'static [(&'static str, &'static str)],
}

impl BuiltIn {
    /// As [`load`]: a list that is not there is a mistake.
    #[must_use]
    pub fn load(
        &self,
        catalogue: &Arc<Catalogue>,
        on_fault: OnFault,
        previous: Option<&RuleSet>,
    ) -> Loaded {
        let source = self.rules.as_bytes().to_vec();
        let read_list = |name: &str| {
            let list = self.lists.iter().find(|(known, _)| *known == name);
            let bytes = list.map(|(_, text)| Arc::from(text.as_bytes()));
            bytes.ok_or_else(|| format!("{name} is not part of the program"))
        };
        let built = on_a_large_stack(|| {
            let (file, read_list) = (&*source, &read_list);
            set::build(&Sources { file, read_list, catalogue, on_fault, previous })
        });
        Loaded { built, source, stamps: Stamps::default() }
    }
}

/// What was made of a rule file.
pub struct Loaded {
    /// The set, or its mistakes.
    pub built: Built,
    /// Bytes of the rule file: what messages point into.
    pub source: Vec<u8>,
    /// The files as they were before they were read.
    pub stamps: Stamps,
}

/// The rule file and the list files that it names, as they were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamps(Vec<(PathBuf, Option<Stamp>)>);

impl Stamps {
    /// Those of a rule file that was not read.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        Self(vec![(path.to_owned(), files::stamp(path))])
    }

    /// When the last of the files was written, in nanoseconds since 1970.
    #[must_use]
    pub fn newest_ns(&self) -> Option<i128> {
        self.0.iter().filter_map(|(_, stamp)| stamp.map(|stamp| stamp.modified_ns)).max()
    }

    /// Whether any of the files is another one now.
    #[must_use]
    pub fn are_stale(&self) -> bool {
        self.0.iter().any(|(path, stamp)| files::stamp(path) != *stamp)
    }
}

/// Reads and builds. `previous` is the set in force, whose counts and unchanged lists are kept.
/// Works on a thread of its own and waits for it.
///
/// # Errors
/// The rule file cannot be read, or is too large. A list file that cannot be read is a mistake of the
/// rule file, among the problems of what was built.
pub fn load(
    path: &Path,
    catalogue: &Arc<Catalogue>,
    on_fault: OnFault,
    previous: Option<&RuleSet>,
) -> Result<Loaded, FileError> {
    let stamps = Stamps::of(path);
    let source = files::read_bytes(path, RULE_FILE_BYTES_MAX)?;
    let (built, lists) = on_a_large_stack(|| {
        let lists = RefCell::new(Vec::new());
        let read_list = |name: &str| {
            let path = beside(path, name);
            lists.borrow_mut().push((path.clone(), files::stamp(&path)));
            let bytes = files::read_bytes(&path, LIST_FILE_BYTES_MAX);
            bytes.map(Arc::from).map_err(|error| error.to_string())
        };
        let read_list = &read_list;
        let built =
            set::build(&Sources { file: &source, read_list, catalogue, on_fault, previous });
        (built, lists.take())
    });
    let stamps = Stamps(stamps.0.into_iter().chain(lists).collect());
    Ok(Loaded { built, source, stamps })
}

/// Paths of list files are relative to the rule file.
fn beside(rules: &Path, name: &str) -> PathBuf {
    rules.parent().map_or_else(|| PathBuf::from(name), |folder| folder.join(name))
}

fn on_a_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("rules".to_owned()).stack_size(STACK_BYTES);
        let thread = builder.spawn_scoped(scope, work).expect("the system has room for a thread");
        match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn write(path: &Path, text: &str) {
        let mut file = std::fs::File::create(path).expect("a temporary file can be made");
        file.write_all(text.as_bytes()).expect("a temporary file can be written");
    }

    fn built(path: &Path) -> Loaded {
        let catalogue = Arc::new(Catalogue::embedded());
        load(path, &catalogue, OnFault::Allow, None).expect("the rule file is there")
    }

    const RULES: &str = "\
version: 1
lists: { staff: { kind: ids, file: lists/staff.txt } }
rules:
  - { id: r, on: [message.group.send], when: msg.sender_id in lists.staff, then: { deny: {} } }
";

    #[test]
    fn list_files_are_found_beside_the_rule_file_and_a_change_of_either_is_noticed() {
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        let (rules, lists) = (folder.path().join("rules.yaml"), folder.path().join("lists"));
        std::fs::create_dir(&lists).expect("ours");
        write(&rules, RULES);
        write(&lists.join("staff.txt"), "s1\ns2\n");
        let loaded = built(&rules);
        assert_eq!(loaded.built.problems, []);
        let set = loaded.built.set.expect("there is no mistake");
        assert_eq!((set.summary().ids, set.summary().rules), (2, 1));
        assert!(!loaded.stamps.are_stale());
        write(&lists.join("staff.txt"), "s1\n");
        assert!(loaded.stamps.are_stale());
        let again = built(&rules);
        write(&rules, "version: 1\nrules: []\n");
        assert!(again.stamps.are_stale());
    }

    #[test]
    fn a_list_file_that_is_not_there_is_a_mistake_and_its_coming_is_noticed() {
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        let rules = folder.path().join("rules.yaml");
        write(&rules, RULES);
        let loaded = built(&rules);
        assert!(loaded.built.set.is_none());
        let [problem] = &loaded.built.problems[..] else { panic!("{:?}", loaded.built.problems) };
        assert!(problem.message.contains("lists/staff.txt cannot be read"), "{}", problem.message);
        assert_eq!(problem.at.line, 2);
        std::fs::create_dir(folder.path().join("lists")).expect("ours");
        write(&folder.path().join("lists/staff.txt"), "s1\n");
        assert!(loaded.stamps.are_stale());
    }

    #[test]
    fn a_rule_file_that_is_not_there_is_an_error() {
        let catalogue = Arc::new(Catalogue::embedded());
        let error = load(Path::new("/nowhere/rules.yaml"), &catalogue, OnFault::Allow, None);
        let told = error.err().expect("missing").to_string();
        assert!(told.starts_with("file /nowhere/rules.yaml cannot be read: "), "{told}");
        assert!(
            Stamps::of(Path::new("/nowhere/rules.yaml"))
                == Stamps::of(Path::new("/nowhere/rules.yaml"))
        );
    }
}
