//! Sorts the environment: which variables are ours, which are known, which may be ignored.
//!
//! In: pairs as the operating system gives them, of any bytes. Out: [`Vars`], the texts of our
//! settings and of the single librdkafka properties, plus a problem for every variable that is
//! unknown or no text. Invariant: variables that do not begin with `IMBRIDGE_` are never looked at,
//! empty ones count as not set.

use std::collections::BTreeMap;
use std::ffi::OsString;

use serde::de::DeserializeOwned;

use super::problems::Problem;
use super::table::{self, KAFKA_PROPERTY_PREFIX, PREFIX};

/// The variables that are set, sorted by use.
#[derive(Default)]
pub(super) struct Vars {
    /// Known settings by full name; values trimmed and not empty.
    settings: BTreeMap<String, String>,
    /// `IMBRIDGE_KAFKA_PROPERTY_*` by full name; values trimmed and not empty.
    pub(super) kafka_properties: BTreeMap<String, String>,
}

impl Vars {
    /// Sorts `pairs`. Of a name that comes twice the first counts, as with `getenv`.
    pub(super) fn sort(
        pairs: impl IntoIterator<Item = (OsString, OsString)>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut vars = Self::default();
        for (name, value) in pairs {
            let Some(name) = own_name(name, problems) else { continue };
            let Ok(value) = value.into_string() else {
                if !is_service_link(&name) {
                    problems.push(Problem::of(&name, "has a value that is not UTF-8 text"));
                }
                continue;
            };
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            if name.starts_with(KAFKA_PROPERTY_PREFIX) {
                vars.kafka_properties.entry(name).or_insert_with(|| value.to_owned());
            } else if table::find(&name).is_some() {
                vars.settings.entry(name).or_insert_with(|| value.to_owned());
            } else if !is_service_link(&name) {
                problems.push(unknown(&name));
            }
        }
        vars
    }

    /// Whether the setting with this full name is set.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.settings.contains_key(name)
    }

    /// Fills one flat struct of optional texts, whose fields are names of settings in lower case
    /// without `IMBRIDGE_`.
    pub(super) fn fill<T: DeserializeOwned>(&self) -> T {
        let pairs = self.settings.iter().map(|(name, value)| {
            (name.strip_prefix(PREFIX).unwrap_or(name).to_owned(), value.clone())
        });
        envy::from_iter(pairs).expect("all fields are optional texts, and a map has no name twice")
    }
}

/// The name, if the variable is one of ours; reports names that begin like ours and are no text.
fn own_name(name: OsString, problems: &mut Vec<Problem>) -> Option<String> {
    if !name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
        return None;
    }
    name.into_string()
        .map_err(|name| {
            let shown = name.to_string_lossy().into_owned();
            problems.push(Problem::of(&shown, "is not a setting: its name is not UTF-8 text"));
        })
        .ok()
}

/// The problem for a variable that nobody reads. Its value stays out: it may be a misspelt secret.
fn unknown(name: &str) -> Problem {
    let nearest = table::SETTINGS
        .iter()
        .map(|setting| setting.name)
        .min_by_key(|known| strsim::damerau_levenshtein(known, name))
        .expect("the table has settings");
    Problem::of(name, &format!("is not a setting: the nearest known one is {nearest}"))
}

/// Whether Kubernetes made this variable for a service whose name begins with `imbridge`.
///
/// The forms are `IMBRIDGE_(…_)SERVICE_HOST`, `…SERVICE_PORT(_…)`, `IMBRIDGE_(…_)PORT` and
/// `…PORT_<digits>_(TCP|UDP)(_…)`. Every pod of the namespace gets them, so they must not stop a
/// start.
fn is_service_link(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    let words: Vec<&str> = rest.split('_').collect();
    let has_port_number = words.windows(3).any(|three| {
        let number = !three[1].is_empty() && three[1].bytes().all(|byte| byte.is_ascii_digit());
        three[0] == "PORT" && number && matches!(three[2], "TCP" | "UDP")
    });
    words.ends_with(&["SERVICE", "HOST"])
        || words.windows(2).any(|two| two == ["SERVICE", "PORT"])
        || words.ends_with(&["PORT"])
        || has_port_number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_links_are_told_from_misspelt_settings() {
        let links = [
            "IMBRIDGE_SERVICE_HOST",
            "IMBRIDGE_KAFKA_SERVICE_HOST",
            "IMBRIDGE_SERVICE_PORT",
            "IMBRIDGE_ADMIN_SERVICE_PORT_METRICS",
            "IMBRIDGE_PORT",
            "IMBRIDGE_ADMIN_PORT",
            "IMBRIDGE_PORT_8080_TCP",
            "IMBRIDGE_ADMIN_PORT_9464_TCP_ADDR",
            "IMBRIDGE_PORT_53_UDP_PROTO",
        ];
        for name in links {
            assert!(is_service_link(name), "{name} is a service link");
        }
        let others = [
            "IMBRIDGE_SERVICE_HOSTS",
            "IMBRIDGE_SERVICE_HOST_NAME",
            "IMBRIDGE_MYSERVICE_HOST",
            "IMBRIDGE_SUPPORT",
            "IMBRIDGE_PORT_TCP",
            "IMBRIDGE_PORT_80A_TCP",
            "IMBRIDGE_PORT__TCP",
            "IMBRIDGE_PORT_8080_SCT",
            "IMBRIDGE_EXPORT_8080_TCP",
            "KAFKA_SERVICE_HOST",
        ];
        for name in others {
            assert!(!is_service_link(name), "{name} is no service link");
        }
    }

    #[test]
    fn no_setting_looks_like_a_service_link() {
        for setting in table::SETTINGS {
            assert!(!is_service_link(setting.name), "{}", setting.name);
        }
    }
}
