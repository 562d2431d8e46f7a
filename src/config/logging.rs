//! Settings of the log.
//!
//! In: texts. Out: [`Log`]. Invariant: the filter can be parsed, and each bare word in it is a
//! level.

use serde::Deserialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::read::{self, Reader};

/// The log.
#[derive(Debug, Clone)]
pub struct Log {
    /// `IMBRIDGE_LOG`, in the syntax of `tracing_subscriber::EnvFilter`.
    pub filter: String,
    /// `IMBRIDGE_LOG_FORMAT`.
    pub format: LogFormat,
}

/// Form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Deserialize)]
pub(super) struct LogVars {
    log: Option<String>,
    log_format: Option<String>,
}

pub(super) fn read(vars: LogVars, reader: &mut Reader) -> Log {
    let expected = "a level (off, error, warn, info, debug, trace) or a list of target=level";
    Log {
        filter: reader.value("IMBRIDGE_LOG", vars.log, expected, filter),
        format: reader.word(
            "IMBRIDGE_LOG_FORMAT",
            vars.log_format,
            &[("text", LogFormat::Text), ("json", LogFormat::Json)],
        ),
    }
}

/// The filter in the form that the library takes, if it does what its writer meant.
///
/// The library takes a bare word that is no level for a target, so that `verbose` would silence
/// everything.
fn filter(text: &str) -> Option<String> {
    let directives: Vec<&str> = read::list(text).collect();
    let is_clear = |directive: &&str| directive.contains(['=', '[']) || is_level(directive);
    if directives.is_empty() || !directives.iter().all(is_clear) {
        return None;
    }
    let filter = directives.join(",");
    EnvFilter::builder().parse(&filter).is_ok().then_some(filter)
}

fn is_level(word: &str) -> bool {
    word.parse::<LevelFilter>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn a_filter_is_a_level_or_targets_with_levels() {
        for text in ["info", "OFF", "warn,imbridge=debug", "info,imbridge[span{a}]=debug"] {
            assert_eq!(filter(text).as_deref(), Some(text));
        }
        let spaced = " info, imbridge::kafka=trace\n,";
        assert_eq!(filter(spaced).as_deref(), Some("info,imbridge::kafka=trace"));
        for text in
            ["verbose", "info,verbose", "imbridge::kafka", "imbridge=loud", "=", "in-fo", ","]
        {
            assert_eq!(filter(text), None, "{text}");
        }
    }
}
