//! The floors of the house, as data, and what they forbid.
//!
//! In: a source and its place. Out: breaches, each with file, line and what would be right. The same
//! table stands for people at the top of `src/lib.rs`; a test holds the two together.

use super::tokens::{Named, Token, paths};

/// One line of the map: the modules on it, and whether they are strangers to each other. Where
/// they are not, a later one may import those before it.
pub(super) struct Step {
    pub(super) floor: &'static str,
    pub(super) modules: &'static [&'static str],
    pub(super) strangers: bool,
}

const fn step(floor: &'static str, modules: &'static [&'static str], strangers: bool) -> Step {
    Step { floor, modules, strangers }
}

/// From the ground up.
pub(super) const STEPS: &[Step] = &[
    step("0 words", &["json", "call", "event", "verdict", "record"], false),
    step("1a", &["catalogue"], false),
    step("1b", &["normalise"], false),
    step("1c", &["dialect", "rules"], true),
    step("2a", &["clock", "telemetry", "files"], false),
    step("2b", &["journal", "kafka"], true),
    step("3", &["intake", "shipper"], true),
    step("4", &["http"], false),
    step("5", &["config", "app", "simulate", "cli"], false),
];

/// Folders of one module that do not know each other.
const STRANGERS: &[(&str, &str)] = &[("dialect::openim", "dialect::tencent")];

/// What is never there although it lies on a floor below: place, modules, why.
const NEVER: &[(&[&str], &[&str], &str)] = &[
    (
        &["clock", "telemetry", "files", "journal", "kafka"],
        &["dialect", "rules"],
        "the world does not know providers or decisions",
    ),
    (&["intake"], &["kafka"], "the first half does not know Kafka"),
    (&["shipper"], &["dialect", "rules", "normalise", "catalogue"], "it ships finished records"),
    (&["http"], &["kafka", "files", "journal", "shipper"], "the edge knows no Kafka and no files"),
];

/// Items of the crate's root that anyone may name.
const ROOT_ITEMS: &[&str] = &["VERSION", "COMMIT"];

const PURE: &[&str] = &[
    "src/json/",
    "src/call.rs",
    "src/event.rs",
    "src/verdict.rs",
    "src/record.rs",
    "src/catalogue/",
    "src/normalise/",
    "src/dialect/",
    "src/rules/",
];

/// A path that only some places may name.
struct Ban {
    what: &'static [&'static str],
    /// Prefixes of the files that may.
    only: Option<&'static [&'static str]>,
    /// Prefixes of the files that may not.
    never: &'static [&'static str],
}

const fn only(what: &'static [&'static str], places: &'static [&'static str]) -> Ban {
    Ban { what, only: Some(places), never: &[] }
}

const BANS: &[Ban] = &[
    only(&["actix_web", "actix_rt", "actix_http"], &["src/http/"]),
    only(&["rdkafka", "rdkafka_sys"], &["src/kafka/"]),
    only(&["std::fs", "tokio::fs"], &["src/files.rs", "src/journal/storage"]),
    only(&["std::env"], &["src/config/", "src/cli/"]),
    only(&["SystemTime::now", "Instant::now"], &["src/clock.rs"]),
    only(&["Authentic::vouch"], &["src/dialect/"]),
    only(&["cel"], &["src/rules/expr/parse.rs", "src/rules/expr/tests/differential.rs"]),
    Ban {
        what: &[
            "tokio",
            "futures_util",
            "socket2",
            "reqwest",
            "tracing",
            "async",
            "await",
            "std::thread",
            "std::process",
        ],
        only: None,
        never: PURE,
    },
];

/// What `file` names that it may not, by floor and by place.
pub(super) fn breaches(file: &str, tokens: &[Token]) -> Vec<String> {
    let named = paths(tokens);
    let mut found = Vec::new();
    for path in &named {
        let at = format!("{file}:{}: `{}`", path.line, path.text());
        for ban in BANS.iter().filter(|ban| !ban.allows(file)) {
            if ban.what.iter().any(|what| is_about(path, what)) {
                found.push(match ban.only {
                    Some(places) => format!("{at} belongs to {}", places.join(", ")),
                    None => format!("{at} is nothing for the pure floors"),
                });
            }
        }
        found.extend(floor_breach(file, path).map(|why| format!("{at}: {why}")));
    }
    found
}

/// Crates and modules are named from their root; methods wherever the type is named.
fn is_about(path: &Named, what: &str) -> bool {
    let method = what.starts_with(char::is_uppercase);
    if method { path.contains(what) } else { path.starts_with(what) }
}

impl Ban {
    fn allows(&self, file: &str) -> bool {
        let among = |places: &[&str]| places.iter().any(|place| file.starts_with(place));
        self.only.is_none_or(among) && !among(self.never)
    }
}

fn floor_breach(file: &str, path: &Named) -> Option<String> {
    let own = module_path(file);
    let target = resolved(&own, path)?;
    let [module, ..] = &target[..] else { return Some("names the whole crate".to_owned()) };
    if ROOT_ITEMS.contains(&module.as_str()) {
        return None;
    }
    let Some(there) = place(module) else {
        return Some(format!("{module} is on no floor; put it on the map in src/lib.rs and tidy"));
    };
    let (from, to) = (own.join("::"), target.join("::"));
    let within =
        |path: &str, folder: &str| path == folder || path.starts_with(&format!("{folder}::"));
    for (one, other) in STRANGERS {
        if within(&from, one) && within(&to, other) || within(&from, other) && within(&to, one) {
            return Some(format!("{one} and {other} are strangers"));
        }
    }
    let top = own.first().filter(|top| *top != module)?;
    for (places, modules, why) in NEVER {
        if places.contains(&top.as_str()) && modules.iter().any(|module| within(&to, module)) {
            return Some(format!("never in {top}: {why}"));
        }
    }
    let here = place(top)?;
    let step = &STEPS[there.0];
    if here.0 == there.0 && step.strangers {
        return Some(format!("{top} and {module} are strangers (floor {})", step.floor));
    }
    (there > here).then(|| format!("{module} is above {top} (floor {})", step.floor))
}

/// Step, and place on the step.
fn place(module: &str) -> Option<(usize, usize)> {
    STEPS
        .iter()
        .enumerate()
        .find_map(|(at, step)| Some((at, step.modules.iter().position(|known| *known == module)?)))
}

/// `src/dialect/openim/read.rs` is `[dialect, openim, read]`.
pub(super) fn module_path(file: &str) -> Vec<String> {
    let inner = file.strip_prefix("src/").unwrap_or(file);
    let inner = inner.strip_suffix(".rs").unwrap_or(inner);
    let mut words: Vec<String> = inner.split('/').map(str::to_owned).collect();
    if matches!(words.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        words.pop();
    }
    words
}

/// The path from the crate's root, if it says where it begins.
fn resolved(own: &[String], path: &Named) -> Option<Vec<String>> {
    let words = &path.words;
    match words.first().map(String::as_str) {
        Some("crate" | "imbridge") if words.len() > 1 => Some(words[1..].to_vec()),
        Some("super") => {
            let ups = words.iter().take_while(|word| *word == "super").count();
            let base = &own[..own.len().checked_sub(ups)?];
            Some([base, &words[ups..]].concat())
        }
        _ => None,
    }
}
