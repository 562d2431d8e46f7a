//! `imbridge tail`: events from Kafka, as they come.
//!
//! In: arguments, settings, the topics. Out: a line per event on standard output, readable or as
//! JSON; remarks on standard error. What always holds: nothing is committed, no consumer group is
//! joined; a closed pipe and Ctrl-C end it with status 0.

pub(super) mod envelope;
mod filter;
pub(super) mod line;

use super::stop::Flag;
use super::terminal::Screen;
use super::{examine_with_kafka, kafka_of, remark, written};
use crate::clock;
use crate::kafka::consumer::{Event as Record, Next, Reader, Start};
use clap::ValueEnum;
use envelope::Envelope;
use filter::Filter;
use serde_json::{Value, json};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// How long Kafka may take to answer at the start, twice: for topics and for offsets.
const OPEN: Duration = Duration::from_secs(8);
/// How often the stop is looked at while nothing comes.
const LOOK: Duration = Duration::from_millis(200);

const EXAMPLES: &str = "\
Examples:
  imbridge tail --brokers localhost:9092
  imbridge tail --from beginning --until-end --kind 'group.*' --json
  imbridge tail --conversation group:G001 --user alice

Brokers and librdkafka properties come from the settings that `imbridge serve` has. Without --topic
all topics are read whose names begin with IMBRIDGE_TOPIC_PREFIX (im.), new ones too. Times are UTC.
Exit code 0: ended by Ctrl-C, at the end, or by a closed pipe; 1: Kafka cannot be reached.";

/// Show events from Kafka as they come
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// One CloudEvent a line, in structured form whatever form the topic holds
    #[arg(long)]
    pub json: bool,
    /// With --json: wrap each in {"topic","partition","offset","key","event"}
    #[arg(long, requires = "json")]
    pub meta: bool,
    /// Only this topic; may be repeated
    #[arg(long = "topic", value_name = "NAME")]
    pub topics: Vec<String>,
    /// Only events of this kind, such as group.dismissed or group.*; may be repeated
    #[arg(long = "kind", value_name = "KIND")]
    pub kinds: Vec<String>,
    /// Only events of this conversation, such as group:G001; may be repeated
    #[arg(long = "conversation", value_name = "ID")]
    pub conversations: Vec<String>,
    /// Only events that name this user in any field; may be repeated
    #[arg(long = "user", value_name = "ID")]
    pub users: Vec<String>,
    /// Where to begin
    #[arg(long, value_enum, default_value = "now")]
    pub from: From,
    /// Stop at what were the ends of the topics at the start
    #[arg(long)]
    pub until_end: bool,
    /// Bootstrap servers, in place of `IMBRIDGE_KAFKA_BROKERS`
    #[arg(long, value_name = "HOST:PORT,…")]
    pub brokers: Option<String>,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// At the oldest record that Kafka keeps
    Beginning,
    /// Behind the newest record
    Now,
}

/// Shows events until somebody says stop.
///
/// # Errors
/// The settings are wrong, Kafka cannot be reached, standard output cannot be written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = examine_with_kafka(args.brokers.as_deref()).done()?;
    let kafka = kafka_of(&config)?;
    let stop = Flag::watch();
    let start = match args.from {
        From::Beginning => Start::Beginning,
        From::Now => Start::Now,
    };
    let (named, prefix) = (args.topics.clone(), config.kafka.topic_prefix.clone());
    let wanted = move |topic: &str| match &*named {
        [] => topic.starts_with(&prefix) && !topic.starts_with("__"),
        named => named.iter().any(|name| name == topic),
    };
    let mut reader = Reader::open(&kafka, wanted, start, args.until_end, OPEN)
        .map_err(|error| super::unreachable(&kafka.brokers, &error))?;
    stop.heed();
    remark_topics(args, &config.kafka.topic_prefix, &reader);
    let filter = Filter {
        kinds: args.kinds.clone(),
        conversations: args.conversations.clone(),
        users: args.users.clone(),
    };
    let mut show = Show { args, filter, screen: Screen::stdout(), foreign: 0 };
    let mut trouble = None;
    let mut out = std::io::stdout().lock();
    while !stop.is_up() {
        match reader.next(LOOK) {
            Next::Event(record) => {
                if let Some(line) = show.line(&record)
                    && let done @ Err(_) = writeln!(out, "{line}").and_then(|()| out.flush())
                {
                    return written(done, ExitCode::SUCCESS);
                }
            }
            Next::End => break,
            Next::Nothing => {
                let now = reader.trouble();
                if let Some(text) = now.as_ref().filter(|_| now != trouble) {
                    remark(&format!("Kafka: {text}; still trying"));
                }
                trouble = now;
            }
        }
    }
    if show.foreign > 0 {
        remark(&format!("{} records were no CloudEvents and were left out", show.foreign));
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what is not there; silence would look as if nothing happened in the chat.
fn remark_topics(args: &Args, prefix: &str, reader: &Reader) {
    let there: Vec<&str> = reader.topics().collect();
    for name in args.topics.iter().filter(|name| !there.contains(&name.as_str())) {
        remark(&format!("topic {name} is not there"));
    }
    if args.topics.is_empty() && there.is_empty() {
        remark(&format!("no topic begins with {prefix} (IMBRIDGE_TOPIC_PREFIX)"));
    }
}

/// Makes lines of records.
struct Show<'a> {
    args: &'a Args,
    filter: Filter,
    screen: Screen,
    /// Records that were no CloudEvents.
    foreign: u64,
}

impl Show<'_> {
    /// The line of a record; `None` when it is not asked for.
    fn line(&mut self, record: &Record) -> Option<String> {
        let Some(event) = Envelope::read(record) else {
            if self.args.meta && self.filter.is_empty() {
                return Some(wrapped(record, "null"));
            }
            self.foreign += 1;
            return None;
        };
        if !self.filter.takes(&event) {
            return None;
        }
        Some(match (self.args.json, self.args.meta) {
            (true, true) => wrapped(record, event.text()),
            (true, false) => event.text().to_owned(),
            (false, _) => {
                let line = line::line(&event, &today(clock::unix_ms()));
                line.render(self.screen.colour, self.screen.columns())
            }
        })
    }
}

fn wrapped(record: &Record, event: &str) -> String {
    let key = record.key.as_deref().map_or(Value::Null, |key| json!(String::from_utf8_lossy(key)));
    let (topic, partition, offset) = (json!(record.topic), record.partition, record.offset);
    format!(
        r#"{{"topic":{topic},"partition":{partition},"offset":{offset},"key":{key},"event":{event}}}"#
    )
}

/// The UTC date as `2024-12-31`.
pub(super) fn today(unix_ms: i64) -> String {
    let date = time::OffsetDateTime::from_unix_timestamp(unix_ms.div_euclid(1000));
    date.map_or_else(
        |_| String::new(),
        |at| format!("{:04}-{:02}-{:02}", at.year(), u8::from(at.month()), at.day()),
    )
}

#[cfg(test)]
mod tests {
    use super::envelope::tests::record;
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn shown(arguments: &[&str], record: &Record) -> (Option<String>, u64) {
        let all = ["tail"].iter().chain(arguments);
        let args = Cli::try_parse_from(all).unwrap().args;
        let filter = Filter { kinds: args.kinds.clone(), ..Filter::default() };
        let screen = Screen { colour: false, terminal: false };
        let mut show = Show { args: &args, filter, screen, foreign: 0 };
        let line = show.line(record);
        (line, show.foreign)
    }

    const EVENT: &str = r#"{"specversion":"1.0","type":"im.user.online","data":{"user_id":"a"}}"#;

    #[test]
    fn meta_wraps_the_event_with_its_place() {
        let mut record = record(EVENT, &[]);
        record.key = Some(b"user:\"a\"".to_vec());
        let meta = r#"{"topic":"im.t","partition":0,"offset":7,"key":"user:\"a\"","event":"#;
        let expected = format!("{meta}{EVENT}}}");
        assert_eq!(shown(&["--json", "--meta"], &record), (Some(expected), 0));
        assert_eq!(shown(&["--json"], &record), (Some(EVENT.to_owned()), 0));
        assert_eq!(shown(&["--json", "--kind", "user.offline"], &record), (None, 0));
    }

    #[test]
    fn records_that_are_no_events_are_counted_and_only_meta_has_a_place_for_them() {
        let foreign = record("hello", &[]);
        assert_eq!(shown(&["--json"], &foreign), (None, 1));
        assert_eq!(shown(&[], &foreign), (None, 1));
        let meta = r#"{"topic":"im.t","partition":0,"offset":7,"key":null,"event":null}"#;
        assert_eq!(shown(&["--json", "--meta"], &foreign), (Some(meta.to_owned()), 0));
        assert_eq!(shown(&["--json", "--meta", "--kind", "x"], &foreign), (None, 1));
    }

    #[test]
    fn meta_is_for_json_only() {
        assert!(
            Cli::try_parse_from(["tail", "--meta"]).unwrap_err().to_string().contains("--json")
        );
    }

    #[test]
    fn the_date_is_utc() {
        assert_eq!(today(1_735_689_599_999), "2024-12-31");
        assert_eq!(today(-1), "1969-12-31");
    }
}
