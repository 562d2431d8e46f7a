//! `imbridge journal requeue`: puts events back that were put aside.
//!
//! In: ids of events, or all; the settings, which say what fits. Out: files moved from `deadletter/`
//! and `oversize/` to `requeue/`, from where `serve` takes them. What always holds: a file is moved
//! whole and never replaces another one; what is no event is not moved. The exit status is 1 when
//! something was asked for that will not be published as it is.

use super::place::{Dir, is_ours, unusable};
use crate::app::{self, requeue::FILE_BYTES_MAX};
use crate::cli::settings::Examined;
use crate::cli::terminal::{Line, PLAIN, RED, Screen, YELLOW};
use crate::cli::{self, written};
use crate::journal::folders::{self, DEAD_LETTERS, OVERSIZE, REQUEUE};
use crate::journal::storage::Storage;
use crate::journal::storage::disk::DiskStorage;
use crate::normalise::{Normaliser, Restored};
use crate::record::Batch;
use anyhow::{Context as _, bail};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::ExitCode;

/// What the names of files end with.
const ENDING: &str = ".json";

const EXAMPLES: &str = "\
Examples:
  imbridge journal requeue --all
  imbridge journal requeue 92c3b64151dea3036def68ba47913de8
  imbridge journal requeue oversize/92c3b64151dea3036def68ba47913de8 --dir /var/lib/imbridge

`imbridge serve` looks into requeue/ when it starts and every 5 s, appends each event as a new
record with the header replay: 1, and removes its file when the record is safe. Run this with the
settings of the service: IMBRIDGE_EVENT_BYTES_MAX and IMBRIDGE_CATALOGUE decide what it will take.
Exit code 0: all were moved. 1: an event was not found, cannot be read, is none, or does not fit;
one that does not fit is moved all the same and waits there until the service has a larger limit.";

/// Give events of dead-letter and oversize files to the service again
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Id of an event, as its file is named; a folder in front tells two files of one event apart
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<String>,
    /// Everything in deadletter/ and oversize/
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// JSON in place of text: `[{"event","folder","moved_to","fits","problem"}]`
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    dir: Dir,
}

/// A file that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Asked {
    folder: &'static str,
    /// Name without folder.
    file: String,
}

/// What became of it.
#[derive(Debug)]
struct Done {
    asked: Asked,
    /// Its new name below the journal's directory.
    moved_to: Option<String>,
    fits: bool,
    problem: Option<String>,
}

impl Done {
    /// It stays where it is.
    fn stays(asked: Asked, why: &str) -> Self {
        let problem = Some(format!("is not moved: {why}"));
        Self { asked, moved_to: None, fits: false, problem }
    }
}

/// Moves.
///
/// # Errors
/// The settings are wrong, there is no journal, its folders cannot be read or synced.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut settings = Examined::of(std::env::vars_os());
    let catalogue = settings.catalogue();
    let config = settings.done()?;
    let normaliser = Normaliser::new(catalogue, app::settings(&config));
    let dir = args.dir.path();
    let storage = DiskStorage::existing(&dir).map_err(|error| unusable(&dir, &error))?;
    let names = |folder| -> anyhow::Result<BTreeSet<String>> {
        let unreadable = || format!("{} cannot be read", dir.join(folder).display());
        let files = storage.list(folder).with_context(unreadable)?;
        Ok(files.into_iter().map(|file| file.name).collect())
    };
    let there = [(DEAD_LETTERS, names(DEAD_LETTERS)?), (OVERSIZE, names(OVERSIZE)?)];
    let nothing_aside = there.iter().all(|(_, names)| names.is_empty());
    if nothing_aside && !names("")?.iter().any(|name| is_ours(name)) {
        bail!("{} is no journal: it has neither segments nor a checkpoint", dir.display());
    }
    let mut taken = names(REQUEUE)?;
    let (asked, missing) =
        if args.all { (all(&there), Vec::new()) } else { find(&args.ids, &there) };
    let mut done = Vec::new();
    for asked in asked {
        done.push(put_back(&storage, &normaliser, asked, &mut taken));
    }
    sync(&storage, &done).with_context(|| format!("{} is not synced", dir.display()))?;
    remark(args.json, &done, &missing);
    let good = missing.is_empty() && done.iter().all(|done| done.problem.is_none());
    let decided = if good { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    written(show(args.json, &done), decided)
}

/// Every event; other files are unfinished, or somebody's notes.
fn all(there: &[(&'static str, BTreeSet<String>)]) -> Vec<Asked> {
    let mut asked = Vec::new();
    for (folder, names) in there {
        let events = names.iter().filter(|file| file.ends_with(ENDING)).cloned();
        asked.extend(events.map(|file| Asked { folder, file }));
    }
    asked
}

/// The files of some ids, and the ids that have none.
fn find(ids: &[String], there: &[(&'static str, BTreeSet<String>)]) -> (Vec<Asked>, Vec<String>) {
    let (mut asked, mut missing) = (Vec::new(), Vec::new());
    for id in ids {
        let before = asked.len();
        for (folder, names) in there {
            let inside = id.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
            let stem = inside.unwrap_or(id);
            let file =
                if stem.ends_with(ENDING) { stem.to_owned() } else { format!("{stem}{ENDING}") };
            if names.contains(&file) {
                asked.push(Asked { folder, file });
            }
        }
        if asked.len() == before {
            missing.push(id.clone());
        }
    }
    let mut seen = BTreeSet::new();
    asked.retain(|one| seen.insert(one.clone()));
    (asked, missing)
}

/// Looks at one file and moves it if it is an event. What one file does not allow is told of that
/// file: the others are moved all the same.
fn put_back(
    storage: &DiskStorage,
    normaliser: &Normaliser,
    asked: Asked,
    taken: &mut BTreeSet<String>,
) -> Done {
    let path = format!("{}/{}", asked.folder, asked.file);
    let bytes = match folders::read_whole(storage, &path, FILE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) => return Done::stays(asked, &format!("it cannot be read: {error}")),
    };
    let text = str::from_utf8(&bytes).unwrap_or_default();
    let (fits, problem) = match normaliser.restore(text, &mut Batch::new()) {
        Ok(Restored::Whole(_)) => (true, None),
        Ok(Restored::TooLarge(bytes)) => {
            let limit = normaliser.event_bytes_max();
            let text = format!(
                "does not fit: its record would have {bytes} bytes, IMBRIDGE_EVENT_BYTES_MAX is \
                 {limit}; it waits in {REQUEUE}/ until the service has a larger limit"
            );
            (false, Some(text))
        }
        Err(why) => return Done::stays(asked, &why.to_string()),
    };
    let file = free_name(&asked.file, taken);
    let to = format!("{REQUEUE}/{file}");
    if let Err(error) = storage.rename(&path, &to) {
        return Done::stays(asked, &format!("{to} cannot be made: {error}"));
    }
    taken.insert(file);
    Done { asked, moved_to: Some(to), fits, problem }
}

/// The name, or one like it that no file in `requeue/` has: both folders may hold the same event.
fn free_name(file: &str, taken: &BTreeSet<String>) -> String {
    let stem = file.strip_suffix(ENDING).unwrap_or(file);
    let others = (2_u64..).map(|number| format!("{stem}-{number}{ENDING}"));
    let mut names = std::iter::once(file.to_owned()).chain(others);
    names.find(|name| !taken.contains(name)).expect("there are more names than files")
}

/// The new names first: a loss of power in between leaves a file in two places, not in none.
fn sync(storage: &DiskStorage, done: &[Done]) -> std::io::Result<()> {
    let moved = || done.iter().filter(|done| done.moved_to.is_some());
    if moved().next().is_some() {
        storage.sync_folder(REQUEUE)?;
    }
    for folder in [DEAD_LETTERS, OVERSIZE] {
        if moved().any(|done| done.asked.folder == folder) {
            storage.sync_folder(folder)?;
        }
    }
    Ok(())
}

/// Says on standard error what was not found and what is wrong; JSON has what is wrong in it.
fn remark(as_json: bool, done: &[Done], missing: &[String]) {
    for id in missing {
        cli::remark(&format!("no file of event {id} in {DEAD_LETTERS}/ or {OVERSIZE}/"));
    }
    for Done { asked: Asked { folder, file }, problem, .. } in done {
        if let Some(problem) = problem.as_ref().filter(|_| !as_json) {
            cli::remark(&format!("{folder}/{file} {problem}"));
        }
    }
}

fn show(as_json: bool, done: &[Done]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if as_json {
        let one = |done: &Done| {
            json!({
                "event": done.asked.file.strip_suffix(ENDING).unwrap_or(&done.asked.file),
                "folder": done.asked.folder,
                "moved_to": done.moved_to,
                "fits": done.fits,
                "problem": done.problem,
            })
            .to_string()
        };
        let lines: Vec<String> = done.iter().map(one).collect();
        return if lines.is_empty() {
            writeln!(out, "[]")
        } else {
            writeln!(out, "[\n  {}\n]", lines.join(",\n  "))
        };
    }
    let colour = Screen::stdout().colour;
    for done in done {
        if let Some(to) = &done.moved_to {
            writeln!(out, "{}/{} -> {to}", done.asked.folder, done.asked.file)?;
        }
    }
    let moved = done.iter().filter(|done| done.moved_to.is_some()).count() as u64;
    let waiting = done.iter().filter(|done| done.moved_to.is_some() && !done.fits).count() as u64;
    let mut last = Line::default();
    last.push(PLAIN, &format!("{} moved to {REQUEUE}/", super::counted(moved, "event")));
    if waiting > 0 {
        last.push(YELLOW, &format!(", {waiting} of them too large for now"));
    }
    let left = done.len() as u64 - moved;
    if left > 0 {
        last.push(RED, &format!(", {left} left where they are"));
    }
    writeln!(out, "{}", last.render(colour, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there() -> [(&'static str, BTreeSet<String>); 2] {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        [
            (DEAD_LETTERS, names(&["a.json", "b.json"])),
            (OVERSIZE, names(&["b.json", "c.json", "d.tmp"])),
        ]
    }

    fn found(ids: &[&str]) -> (Vec<String>, Vec<String>) {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let (asked, missing) = find(&ids, &there());
        (asked.iter().map(|one| format!("{}/{}", one.folder, one.file)).collect(), missing)
    }

    #[test]
    fn an_id_names_its_files_in_both_folders_and_a_folder_in_front_one_of_them() {
        assert_eq!(found(&["b"]).0, ["deadletter/b.json", "oversize/b.json"]);
        assert_eq!(found(&["oversize/b"]).0, ["oversize/b.json"]);
        assert_eq!(
            found(&["oversize/b.json", "b", "b"]).0,
            ["oversize/b.json", "deadletter/b.json"]
        );
        assert_eq!(found(&["d", "oversize/a", "a"]).1, ["d", "oversize/a"]);
        assert_eq!(all(&there()).len(), 4);
    }

    #[test]
    fn no_file_takes_the_name_of_another() {
        let taken: BTreeSet<String> = ["a.json", "a-2.json"].map(str::to_owned).into();
        assert_eq!(free_name("a.json", &taken), "a-3.json");
        assert_eq!(free_name("b.json", &taken), "b.json");
    }
}
