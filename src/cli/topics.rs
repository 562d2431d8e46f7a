//! `imbridge topics`: the topics that the settings lead to, as Kafka has them.
//!
//! In: settings and catalogue, which name the topics; the cluster. Out: a table or JSON, and topics
//! that were missing. What always holds: no topic is created that the bridge would not write to,
//! none is changed or deleted.

use super::terminal::{BOLD, DIM, GREEN, Line, PLAIN, RED, Screen};
use super::{examine_with_kafka, kafka_of, remark, unreachable, written};
use crate::clock;
use crate::kafka::{Admin, Topic};
use clap::Subcommand;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

/// How long Kafka may take for an answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a broker may take to tell of topics that it has made.
const SHOWN: Duration = Duration::from_secs(10);
/// How often it is asked.
const LOOK: Duration = Duration::from_millis(100);

const EXAMPLES: &str = "\
Examples:
  imbridge topics list --brokers localhost:9092
  imbridge topics create --brokers localhost:9092

The names follow IMBRIDGE_TOPIC_PREFIX, IMBRIDGE_TOPIC_BY and IMBRIDGE_CATALOGUE; partitions and
replication of new topics follow IMBRIDGE_TOPIC_PARTITIONS and IMBRIDGE_TOPIC_REPLICATION.";

const LIST_EXAMPLE: &str = "\
Example:
  imbridge topics list --json --brokers localhost:9092";

const CREATE_EXAMPLE: &str = "\
Example:
  IMBRIDGE_TOPIC_PARTITIONS=12 imbridge topics create --brokers localhost:9092

Exit code 0: all are there now. 1: at least one is not, and a line says why.";

/// List or create the topics that the bridge writes to
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// Which topics there are to be, and which of them are there
    #[command(after_help = LIST_EXAMPLE)]
    List(Options),
    /// Create those that are missing
    #[command(after_help = CREATE_EXAMPLE)]
    Create(Options),
}

#[derive(Clone, Debug, clap::Args)]
struct Options {
    /// JSON: [{"topic","partitions","replication"}], partitions 0 for a missing one
    #[arg(long)]
    json: bool,
    /// Bootstrap servers, in place of `IMBRIDGE_KAFKA_BROKERS`
    #[arg(long, value_name = "HOST:PORT,…")]
    brokers: Option<String>,
}

/// Lists or creates.
///
/// # Errors
/// The settings are wrong, or Kafka cannot be reached.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (Action::List(options) | Action::Create(options)) = &args.action;
    let mut settings = examine_with_kafka(options.brokers.as_deref());
    let catalogue = settings.catalogue();
    let names = settings.topics(&catalogue);
    let kafka = kafka_of(&settings.done()?)?;
    let failed = |error| unreachable(&kafka.brokers, &error);
    let admin = Admin::open(&kafka).map_err(failed)?;
    let mut rows = rows(&names, admin.topics(ANSWER).map_err(failed)?);
    let mut done = ExitCode::SUCCESS;
    if matches!(args.action, Action::Create(_)) {
        let missing: Vec<&str> =
            rows.iter().filter(|row| row.partitions == 0).map(|row| &*row.name).collect();
        if !missing.is_empty() {
            let created = admin.create(&missing, ANSWER).map_err(|error| {
                anyhow::anyhow!("{} missing topics cannot be created: {error}", missing.len())
            })?;
            for refused in &created.refused {
                remark(&format!("topic {} cannot be created: {}", refused.topic, refused.why));
                done = ExitCode::FAILURE;
            }
            // A broker tells of topics a moment after it has made them.
            let began = clock::now();
            loop {
                rows = self::rows(&names, admin.topics(ANSWER).map_err(failed)?);
                let absent = rows.iter().filter(|row| row.partitions == 0).count();
                if absent <= created.refused.len() || began.elapsed() > SHOWN {
                    break;
                }
                std::thread::sleep(LOOK);
            }
        }
    }
    let text = if options.json { to_json(&rows) } else { table(&rows, Screen::stdout().colour) };
    written(std::io::stdout().write_all(text.as_bytes()), done)
}

/// The named topics, as far as the cluster has them.
fn rows(names: &[String], there: Vec<Topic>) -> Vec<Topic> {
    let mut there: BTreeMap<String, Topic> =
        there.into_iter().map(|topic| (topic.name.clone(), topic)).collect();
    let row = |name: &String| {
        there.remove(name).unwrap_or(Topic { name: name.clone(), partitions: 0, replication: 0 })
    };
    names.iter().map(row).collect()
}

fn to_json(rows: &[Topic]) -> String {
    let line = |row: &Topic| {
        let Topic { name, partitions, replication } = row;
        json!({"topic": name, "partitions": partitions, "replication": replication}).to_string()
    };
    let lines: Vec<String> = rows.iter().map(line).collect();
    format!("[\n  {}\n]\n", lines.join(",\n  "))
}

fn table(rows: &[Topic], colour: bool) -> String {
    let longest = rows.iter().map(|row| row.name.len()).max().unwrap_or(5).max(5);
    let mut text = String::new();
    let mut add = |line: &Line| {
        writeln!(text, "{}", line.render(colour, None)).expect("writing to a String cannot fail");
    };
    let mut head = Line::default();
    head.cell(BOLD, "TOPIC", longest).push(BOLD, "  PARTITIONS  REPLICATION");
    add(&head);
    for row in rows {
        let mut line = Line::default();
        line.cell(PLAIN, &row.name, longest);
        if row.partitions == 0 {
            line.push(RED, "     missing");
        } else {
            line.cell_right(GREEN, &row.partitions.to_string(), 12);
            line.cell_right(PLAIN, &row.replication.to_string(), 13);
        }
        add(&line);
    }
    let missing = rows.iter().filter(|row| row.partitions == 0).count();
    let mut last = Line::default();
    last.push(DIM, &format!("{} topics, {missing} missing", rows.len()));
    add(&last);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Vec<Topic> {
        let there = |name: &str| Topic { name: name.to_owned(), partitions: 12, replication: 3 };
        rows(&["im.a".to_owned(), "im.longer".to_owned()], vec![there("im.longer"), there("other")])
    }

    #[test]
    fn the_json_has_every_topic_of_ours_and_no_other() {
        let listed: serde_json::Value = serde_json::from_str(&to_json(&two())).unwrap();
        assert_eq!(
            listed,
            json!([
                {"topic": "im.a", "partitions": 0, "replication": 0},
                {"topic": "im.longer", "partitions": 12, "replication": 3},
            ])
        );
    }

    #[test]
    fn the_table_is_aligned_and_counts_what_is_missing() {
        assert_eq!(
            table(&two(), false),
            "TOPIC      PARTITIONS  REPLICATION\n\
             im.a          missing\n\
             im.longer          12            3\n\
             2 topics, 1 missing\n"
        );
    }
}
