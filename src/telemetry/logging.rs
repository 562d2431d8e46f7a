//! Structured logs on standard error, as text for people or as JSON for programs.
//!
//! In: lines from everywhere. Out: the same on standard error. What always holds: whoever reads the
//! log may go, or its disk be full, and the program runs on.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::UtcTime;

/// Starts logging for the whole process.
///
/// `filter` is in the form of `tracing`'s directives (`info`, `imbridge::shipper=debug`); `colour` is
/// for a terminal.
///
/// # Errors
/// A sentence, when the filter cannot be read or logging was started before.
pub fn start(filter: &str, json: bool, colour: bool) -> Result<(), String> {
    let filter = EnvFilter::try_new(quieter(filter)).map_err(|error| error.to_string())?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_timer(UtcTime::rfc_3339())
        .with_ansi(colour)
        // A line that cannot be written is lost. The library would say so on standard error, which is
        // where it could not be written, and panic when that fails too.
        .log_internal_errors(false);
    let started = if json {
        lines.json().flatten_event(true).with_current_span(false).try_init()
    } else {
        lines.try_init()
    };
    started.map_err(|error| error.to_string())?;
    log_panics();
    Ok(())
}

/// The filter, without what actix tells of its own threads and sockets where only `info` is asked
/// for: none of it is news to an operator.
fn quieter(filter: &str) -> String {
    let asks = |what: &str| filter.split(',').any(|directive| directive.trim().starts_with(what));
    let quieter = asks("info") && !asks("actix");
    if quieter { format!("{filter},actix_server=warn") } else { filter.to_owned() }
}

/// Puts panics into the log, one line each, wherever they happen.
///
/// A message that was put together at run time is left out: indexing into a text quotes that text,
/// and what users write to each other stays out of the log. The place tells enough.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("-");
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("-");
        tracing::error!(at, thread, message, "panicked at {at}: {message}");
    }));
}

#[cfg(test)]
mod tests {
    use super::quieter;

    #[test]
    fn at_info_actix_is_quiet_unless_it_is_asked() {
        assert_eq!(quieter("info"), "info,actix_server=warn");
        assert_eq!(quieter("imbridge=debug, info"), "imbridge=debug, info,actix_server=warn");
        for filter in ["debug", "warn", "off", "info,actix_server=info", "imbridge=info"] {
            assert_eq!(quieter(filter), filter);
        }
    }
}
