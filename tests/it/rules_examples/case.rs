//! Cases as they stand in `tests/fixtures/rules`.
//!
//! In: a YAML file. Out: a [`Case`]. Invariant: a member that nobody knows fails the reading, so that
//! nothing a case asks for is passed over.

use jiff::{SignedDuration, Timestamp, Zoned};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A case.
#[derive(Debug)]
pub(super) struct Case {
    /// Name of its file without the ending: the area, a dot, what it shows.
    pub(super) name: String,
    pub(super) rules: String,
    /// List files beside the rule file.
    pub(super) files: BTreeMap<String, String>,
    pub(super) wants: Wants,
}

/// What a case expects of its rule file.
#[derive(Debug)]
pub(super) enum Wants {
    /// It is taken, and then this happens.
    Steps(Vec<Step>),
    /// It is refused.
    Errors(Vec<WantedError>),
    /// Its embedded tests end so.
    Test { exit: i32, output: Vec<String> },
}

/// One step.
#[derive(Debug)]
pub(super) struct Step {
    /// Earliest time after the first step.
    pub(super) at: Duration,
    pub(super) does: Does,
}

#[derive(Debug)]
pub(super) enum Does {
    Request { request: Request, repeat: u64, reply: Value, decisions: Option<Vec<Value>> },
    Reload { rules: String, status: u16 },
    Admin { method: String, path: String, has: Value },
}

/// A request to the base path of a provider.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) provider: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) body: String,
}

/// An error that a refused file has.
#[derive(Debug)]
pub(super) struct WantedError {
    pub(super) line: u64,
    pub(super) column: Option<u64>,
    /// `None`: it is not looked at; null: it is outside rules.
    pub(super) rule: Option<Value>,
    pub(super) names: Vec<String>,
}

/// Where all cases are.
pub(super) fn folder() -> PathBuf {
    root().join("tests/fixtures/rules")
}

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The cases of a folder by name; only those whose name contains `CASES`, when that is set.
pub(super) fn cases(folders: &[&str]) -> Vec<Case> {
    let wanted = std::env::var("CASES").unwrap_or_default();
    let mut files = Vec::new();
    for folder in folders.iter().map(|name| folder().join(name)) {
        let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        files.extend(entries.map(|entry| entry.expect("an entry").path()));
    }
    files.sort();
    let name = |file: &PathBuf| file.file_stem().unwrap().to_string_lossy().into_owned();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "yaml"));
    assert!(!files.is_empty(), "{folders:?} have cases");
    files.iter().filter(|file| name(file).contains(&wanted)).map(|file| read(file)).collect()
}

fn read(file: &Path) -> Case {
    let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let value: Value =
        serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let mut members = Members::of(file.display().to_string(), value);
    assert!(!members.text("name").is_empty(), "a case says what it shows");
    let (rules, mut files) = match members.optional("rules_file") {
        Some(path) => of_repository(&mut members, path.as_str().expect("a path")),
        None => (members.text("rules"), BTreeMap::new()),
    };
    for (name, text) in members.optional("files").iter().flat_map(object) {
        files.insert(name.clone(), text.as_str().expect("a file is a text").to_owned());
    }
    let wants = if let Some(errors) = members.optional("errors") {
        Wants::Errors(list(&errors).iter().map(|one| wanted_error(&members.place, one)).collect())
    } else if let Some(test) = members.optional("test") {
        let mut test = Members::of(members.place.clone(), test);
        let exit = i32::try_from(test.number("exit")).expect("a small number");
        let output = test.optional("output").unwrap_or_default();
        test.end();
        Wants::Test { exit, output: texts(&output) }
    } else {
        let steps = members.needed("steps");
        Wants::Steps(list(&steps).iter().map(|one| step(&members.place, one)).collect())
    };
    members.end();
    let name = file.file_stem().expect("it has a name").to_string_lossy().into_owned();
    Case { name, rules, files, wants }
}

/// A rule file of the repository, as the case wants it, with the list files beside it.
fn of_repository(members: &mut Members, path: &str) -> (String, BTreeMap<String, String>) {
    let file = root().join(path);
    let mut rules = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{path}: {e}"));
    if let Some(line) = members.optional("until") {
        let line = format!("\n{}\n", line.as_str().expect("a line"));
        rules.truncate(rules.find(&line).unwrap_or_else(|| panic!("{path} has no {line:?}")) + 1);
    }
    for (from, to) in members.optional("replace").iter().flat_map(object) {
        assert!(rules.contains(from), "{path} has no {from:?}");
        rules = rules.replace(from, to.as_str().expect("a text"));
    }
    let lists = file.with_file_name("lists");
    let entries = fs::read_dir(lists).into_iter().flatten().map(|entry| entry.unwrap().path());
    let files = entries.map(|list| {
        let name = list.file_name().unwrap().to_string_lossy().into_owned();
        (format!("lists/{name}"), fs::read_to_string(&list).expect("lists are texts"))
    });
    (rules, files.collect())
}

fn wanted_error(place: &str, value: &Value) -> WantedError {
    let mut members = Members::of(place.to_owned(), value.clone());
    let error = WantedError {
        line: members.number("line"),
        column: members.optional("column").map(|column| column.as_u64().expect("a number")),
        rule: members.optional("rule"),
        names: texts(&members.needed("names")),
    };
    members.end();
    error
}

fn step(place: &str, value: &Value) -> Step {
    let mut members = Members::of(place.to_owned(), value.clone());
    let at = members.optional("at_ms").map_or(0, |at| at.as_u64().expect("milliseconds"));
    let does = if let Some(request) = members.optional("request") {
        let decisions = members.optional("decisions");
        Does::Request {
            request: self::request(place, &request),
            repeat: members.optional("repeat").map_or(1, |times| times.as_u64().expect("a number")),
            reply: members.needed("reply"),
            decisions: decisions.map(|decisions| list(&decisions).to_vec()),
        }
    } else if let Some(rules) = members.optional("reload") {
        let status = u16::try_from(members.number("status")).expect("a status");
        Does::Reload { rules: rules.as_str().expect("a rule file").to_owned(), status }
    } else {
        let call = members.text("admin");
        let (method, path) = call.split_once(' ').expect("METHOD /path");
        let has = members.needed("has");
        Does::Admin { method: method.to_owned(), path: path.to_owned(), has }
    };
    members.end();
    Step { at: Duration::from_millis(at), does }
}

fn request(place: &str, value: &Value) -> Request {
    let mut members = Members::of(place.to_owned(), value.clone());
    let body = members.needed("body");
    let request = Request {
        provider: members.text("provider"),
        path: members
            .optional("path")
            .map_or_else(String::new, |path| path.as_str().unwrap().to_owned()),
        query: members
            .optional("query")
            .map_or_else(String::new, |query| query.as_str().unwrap().to_owned()),
        body: body.as_str().map_or_else(|| body.to_string(), str::to_owned),
    };
    members.end();
    request
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("{value} is no object"))
}

fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(|one| one.as_str().expect("a text").to_owned()).collect()
}

/// Members of a mapping, each to be taken once.
struct Members {
    place: String,
    left: Map<String, Value>,
}

impl Members {
    fn of(place: String, value: Value) -> Self {
        let Value::Object(left) = value else { panic!("{place}: {value} is no mapping") };
        Self { place, left }
    }

    fn optional(&mut self, name: &str) -> Option<Value> {
        self.left.remove(name)
    }

    fn needed(&mut self, name: &str) -> Value {
        self.optional(name).unwrap_or_else(|| panic!("{}: {name} is missing", self.place))
    }

    fn text(&mut self, name: &str) -> String {
        let value = self.needed(name);
        value.as_str().unwrap_or_else(|| panic!("{}: {name} is no text", self.place)).to_owned()
    }

    fn number(&mut self, name: &str) -> u64 {
        let value = self.needed(name);
        value.as_u64().unwrap_or_else(|| panic!("{}: {name} is no number", self.place))
    }

    fn end(self) {
        assert!(self.left.is_empty(), "{}: nobody knows {:?}", self.place, self.left);
    }
}

/// The rule file with its `${HM zone minutes}` and `${DAY zone days}` filled in.
pub(super) fn filled(rules: &str, now: Timestamp) -> String {
    let mut filled = String::with_capacity(rules.len());
    let mut rest = rules;
    while let Some((before, behind)) = rest.split_once("${") {
        let (hole, behind) = behind.split_once('}').expect("a hole ends with }");
        filled.push_str(before);
        filled.push_str(&fill(hole, now));
        rest = behind;
    }
    filled.push_str(rest);
    filled
}

fn fill(hole: &str, now: Timestamp) -> String {
    let words: Vec<&str> = hole.split(' ').collect();
    let &[form, zone, far] = &words[..] else { panic!("${{{hole}}} has three words") };
    let far: i64 = far.parse().expect("a whole number");
    let at = |minutes: i64| -> Zoned {
        let time = now.checked_add(SignedDuration::from_mins(minutes)).expect("it is near");
        time.in_tz(zone).unwrap_or_else(|e| panic!("{zone}: {e}"))
    };
    match form {
        "HM" => at(far).strftime("%H:%M").to_string(),
        "DAY" => at(far * 24 * 60).strftime("%a").to_string().to_lowercase(),
        other => panic!("nobody knows {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_filled_with_the_local_time_and_day() {
        let now: Timestamp = "2025-01-03T17:30:00Z".parse().unwrap();
        assert_eq!(filled("a ${HM Asia/Shanghai -90} b ${HM UTC 45}", now), "a 00:00 b 18:15");
        assert_eq!(filled("${DAY Asia/Shanghai 0}-${DAY UTC 1}", now), "sat-sat");
        assert_eq!(filled("nothing {msg.sender_id}", now), "nothing {msg.sender_id}");
    }

    #[test]
    fn every_case_of_the_contract_can_be_read() {
        let files = fs::read_dir(folder().join("contract")).expect("it is there").count();
        assert_eq!(files, 52);
        if std::env::var_os("CASES").is_none() {
            assert_eq!(cases(&["contract"]).len(), files);
        }
    }
}
