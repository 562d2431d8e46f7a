//! `imbridge catalogue`: shows which commands are known and what becomes of them.
//!
//! In: arguments, settings and the catalogue. Out: a table, one command in detail, or JSON. What always
//! holds: the exit status is 0, or 1 when the command is not known. A command that can give several
//! kinds has an entry for each, in the table and in JSON.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use super::settings::Examined;
use super::{remark, written};
use crate::call::RowIndex;
use crate::catalogue::Catalogue;
use crate::catalogue::listing::{self, TopicOf};
use crate::normalise::topics::Topics;

const EXAMPLES: &str = "\
Examples:
  imbridge catalogue
  imbridge catalogue callbackAfterDismissGroupCommand
  imbridge catalogue --json | jq -r '.[] | select(.phase == \"before\").command'

Topics follow IMBRIDGE_TOPIC_PREFIX and IMBRIDGE_TOPIC_BY, as in `imbridge serve`.
Exit code 1: no such command.";

/// Show which commands are known and what becomes of them
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Show this command in detail: its fields, where they come from, what may be answered.
    /// Without it all commands are listed.
    pub command: Option<String>,
    /// JSON in place of text: `[{"provider","command","phase","kind","topic","aliases"}]`, an entry
    /// per command and kind.
    #[arg(long)]
    pub json: bool,
    /// File with further commands, in place of `IMBRIDGE_CATALOGUE`
    #[arg(long, value_name = "FILE")]
    pub file: Option<OsString>,
}

/// Shows what is asked for.
///
/// # Errors
/// The settings are wrong, or standard output cannot be written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    // Of a name that comes twice the first counts.
    let given = args.file.as_ref().map(|file| ("IMBRIDGE_CATALOGUE".into(), file.clone()));
    let mut settings = Examined::of(given.into_iter().chain(std::env::vars_os()));
    let catalogue = settings.catalogue();
    settings.topics(&catalogue);
    let topics = settings.topic_names(&catalogue);
    settings.done()?;
    match show(args, (&catalogue, &topics), &mut std::io::stdout().lock()) {
        Ok(status) => Ok(ExitCode::from(status)),
        Err(error) => written(Err(error), ExitCode::SUCCESS),
    }
}

/// Shows it on `out`, and gives the exit status.
fn show(
    args: &Args,
    (catalogue, topics): (&Catalogue, &Topics),
    out: &mut dyn Write,
) -> std::io::Result<u8> {
    let rows = match args.command.as_deref() {
        None => None,
        Some(name) => {
            let rows = listing::search(catalogue, name);
            if rows.is_empty() {
                remark(&unknown(catalogue, name));
                return Ok(1);
            }
            Some(rows)
        }
    };
    let topic = |row, kind| topics.of(catalogue.plan(row), row, kind).to_owned();
    out.write_all(text(args.json, catalogue, rows.as_deref(), &topic).as_bytes())?;
    out.flush()?;
    Ok(0)
}

fn text(
    json: bool,
    catalogue: &Catalogue,
    rows: Option<&[RowIndex]>,
    topic: TopicOf<'_>,
) -> String {
    match (json, rows) {
        (true, None) => listing::to_json(catalogue, topic),
        (true, Some(rows)) => listing::rows_to_json(catalogue, rows, topic),
        (false, None) => listing::table(catalogue, topic),
        (false, Some(rows)) => {
            let details: Vec<String> =
                rows.iter().map(|row| listing::detail(catalogue, *row, topic)).collect();
            details.join("\n")
        }
    }
}

fn unknown(catalogue: &Catalogue, name: &str) -> String {
    let hint = listing::nearest_command(catalogue, name)
        .map_or_else(String::new, |known| format!(", did you mean {known}?"));
    format!("no command {name:?} in the catalogue{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::TopicBy;

    fn shown(command: Option<&str>, json: bool) -> (u8, String) {
        let args = Args { command: command.map(str::to_owned), json, file: None };
        let mut out = Vec::new();
        let catalogue = Catalogue::embedded();
        let topics = Topics::new(&catalogue, "chat.", TopicBy::Command);
        let status = show(&args, (&catalogue, &topics), &mut out).expect("a Vec takes all");
        (status, String::from_utf8(out).expect("text"))
    }

    #[test]
    fn without_a_command_all_are_listed() {
        let (status, text) = shown(None, false);
        assert_eq!(status, 0);
        assert!(text.starts_with("PROVIDER") && text.contains("C2C.CallbackAfterSendMsg"));
    }

    #[test]
    fn a_command_is_shown_in_detail_or_as_json() {
        let (status, text) = shown(Some("callbackAfterDismissGroupCommand"), false);
        assert_eq!(status, 0);
        assert!(text.starts_with("command   callbackAfterDisMissGroupCommand\n"), "{text}");
        let (_, text) = shown(Some("C2C.CallbackAfterSendMsg"), true);
        let kinds = text.matches("\"kind\":").count();
        assert_eq!(kinds, 2, "{text}");
    }

    #[test]
    fn an_unknown_command_ends_with_1_and_shows_nothing_on_out() {
        assert_eq!(shown(Some("callbackAfterDismissGroupComand"), false), (1, String::new()));
        let told = unknown(&Catalogue::embedded(), "callbackAfterDismissGroupComand");
        assert_eq!(
            told,
            "no command \"callbackAfterDismissGroupComand\" in the catalogue, did you mean \
             callbackAfterDisMissGroupCommand?"
        );
    }
}
