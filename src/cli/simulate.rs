//! `imbridge simulate`: plays OpenIM and Tencent against an address and reports what they saw.
//!
//! In: arguments. Out: a report on standard output, progress on standard error where that is a
//! terminal, exit code 0 when every callback was taken or denied, 1 when any was not.

use std::io::{IsTerminal as _, Write as _};
use std::num::{NonZeroU64, NonZeroUsize};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;

use super::{stop, written};
use crate::simulate::{self, Mix, Observer, Options, Outcome, Pace, Phase, Provider};

const EXAMPLES: &str = "\
Examples:
  imbridge simulate --openim http://127.0.0.1:8080/openim
  imbridge simulate --openim http://127.0.0.1:8080/openim --tencent http://127.0.0.1:8080/tencent \\
      --rate 500 --seconds 60
  imbridge simulate --tencent http://127.0.0.1:8080/tencent --commands Group.CallbackBeforeSendMsg \\
      --count 1 --token xxxxyyyy
  imbridge simulate --openim http://127.0.0.1:8080/openim --flat-out --processes 4 --json

Point it only at a server that is yours: it sends as much as the server takes.";

/// Send callbacks as OpenIM and Tencent Cloud Chat do, and report how they were answered
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = EXAMPLES,
    long_about = "Send callbacks as OpenIM and Tencent Cloud Chat do, and report how they were \
        answered.\n\nOpenIM is played with its own queue: 2 workers and 100 slots per process; an \
        event that finds no slot for 3 s is dropped, as a real server would drop it. Tencent waits \
        2 s for an answer. Nothing is retried. Exit code 0: every callback was accepted, or denied \
        by a rule. 1: any was lost, late, refused or answered in a form that the server would not \
        understand."
)]
pub struct Args {
    /// Base address for OpenIM callbacks, `user:password@` included where it is asked for
    #[arg(long, value_name = "URL", required_unless_present = "tencent")]
    pub openim: Option<String>,
    /// Address for Tencent callbacks
    #[arg(long, value_name = "URL")]
    pub tencent: Option<String>,
    /// Callbacks per second over all; 0 is as fast as possible [default: 100]
    #[arg(long, value_name = "N", conflicts_with = "flat_out", value_parser = rate, allow_negative_numbers = true)]
    pub rate: Option<f64>,
    /// As fast as the answers come
    #[arg(long)]
    pub flat_out: bool,
    /// End after so many seconds [default: 10, unless --count is given]
    #[arg(long, value_name = "N")]
    pub seconds: Option<NonZeroU64>,
    /// End after so many callbacks over all
    #[arg(long, value_name = "N")]
    pub count: Option<NonZeroU64>,
    /// OpenIM processes, each with a queue and connections of its own
    #[arg(long, value_name = "N", default_value = "1")]
    pub processes: NonZeroUsize,
    /// Users' requests at once in each OpenIM process
    #[arg(long, value_name = "N", default_value = "32")]
    pub callers: NonZeroUsize,
    /// Tencent callbacks in flight at once
    #[arg(long, value_name = "N", default_value = "32")]
    pub connections: NonZeroUsize,
    /// Only these commands
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub commands: Vec<String>,
    /// How often each command comes
    #[arg(long, value_enum, default_value = "realistic")]
    pub mix: MixArg,
    /// Same seed, same callbacks (but for their times)
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: u64,
    /// Tencent's SdkAppid
    #[arg(long, value_name = "N", default_value = "1400000001")]
    pub app_id: u64,
    /// Tencent's callback token: sign every callback with it
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,
    /// Report as JSON, latencies in microseconds
    #[arg(long)]
    pub json: bool,
}

/// How often each command comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MixArg {
    /// Messages most, presence and read marks often, all else at least once per cycle
    Realistic,
    /// Every command once per cycle
    Every,
}

/// Plays until a bound or a signal ends it, then prints the report.
///
/// `phase_of` is the catalogue's answer for a command.
///
/// # Errors
/// When the arguments cannot be followed (nothing is sent then), or the output cannot be written.
pub fn run(args: &Args, phase_of: impl Fn(Provider, &str) -> Phase) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let report = runtime.block_on(async {
        let counts = Arc::new(Counts::default());
        let progress = std::io::stderr().is_terminal();
        let printer = progress.then(|| tokio::spawn(print_progress(Arc::clone(&counts))));
        let report = simulate::run(&args.options(), phase_of, counts, stop::asked()).await;
        if let Some(printer) = printer {
            printer.abort();
            // The report begins on a line of its own; whoever closed the terminal gets it all the same.
            let _closed = write!(std::io::stderr(), "{ERASE_LINE}").is_err();
        }
        Ok::<_, anyhow::Error>(report?)
    })?;
    let decided = if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    let mut out = anstream::stdout();
    let done = if args.json {
        writeln!(out, "{}", report.json())
    } else {
        write!(out, "{}", report.table())
    };
    written(done, decided)
}

impl Args {
    /// The same as the library takes it.
    #[must_use]
    pub fn options(&self) -> Options {
        let pace = match self.rate {
            _ if self.flat_out => Pace::FlatOut,
            Some(0.0) => Pace::FlatOut,
            Some(rate) => Pace::PerSecond(rate),
            None => Pace::PerSecond(100.0),
        };
        let seconds = match (self.seconds, self.count) {
            (None, None) => Some(10),
            (seconds, _) => seconds.map(NonZeroU64::get),
        };
        Options {
            openim: self.openim.clone(),
            tencent: self.tencent.clone(),
            pace,
            time_max: seconds.map(Duration::from_secs),
            count_max: self.count.map(NonZeroU64::get),
            processes: self.processes.get(),
            callers: self.callers.get(),
            connections: self.connections.get(),
            commands: self.commands.clone(),
            mix: match self.mix {
                MixArg::Realistic => Mix::Realistic,
                MixArg::Every => Mix::Every,
            },
            seed: self.seed,
            app_id: self.app_id,
            token: self.token.clone(),
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate >= 0.0 => Ok(rate),
        _ => Err("must be a number of 0 or more".to_owned()),
    }
}

/// What the progress line shows.
#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    ended: AtomicU64,
    bad: AtomicU64,
}

impl Observer for Counts {
    fn sent(&self, _: Provider, _: &str, _: Phase) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    fn answered(&self, _: Provider, _: &str, _: Phase, _: Duration, outcome: Outcome) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        if !outcome.is_good() {
            self.bad.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Makes room for the next line of progress. No colour, so it stays where colours are not wanted.
const ERASE_LINE: &str = "\r\x1b[K";

async fn print_progress(counts: Arc<Counts>) {
    let mut seconds = 0_u64;
    let mut before = 0;
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.tick().await;
    loop {
        tick.tick().await;
        seconds += 1;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (sent, ended, bad) = (read(&counts.sent), read(&counts.ended), read(&counts.bad));
        let rate = ended - before;
        before = ended;
        let line = format!("{seconds:>4} s  {sent} sent  {rate}/s  {bad} failed");
        let mut err = std::io::stderr();
        // A terminal that went away is no reason to stop sending.
        if write!(err, "{ERASE_LINE}{line}").and_then(|()| err.flush()).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn options(arguments: &[&str]) -> Options {
        let all = ["simulate", "--openim", "http://h"].iter().chain(arguments);
        Cli::try_parse_from(all).unwrap().args.options()
    }

    #[test]
    fn a_run_ends_after_ten_seconds_unless_told_otherwise() {
        let bounds = |arguments: &[&str]| {
            let options = options(arguments);
            (options.time_max.map(|time| time.as_secs()), options.count_max)
        };
        assert_eq!(bounds(&[]), (Some(10), None));
        assert_eq!(bounds(&["--seconds", "3"]), (Some(3), None));
        assert_eq!(bounds(&["--count", "7"]), (None, Some(7)));
        assert_eq!(bounds(&["--count", "7", "--seconds", "3"]), (Some(3), Some(7)));
    }

    #[test]
    fn the_pace_is_a_hundred_a_second_a_given_rate_or_flat_out() {
        assert_eq!(options(&[]).pace, Pace::PerSecond(100.0));
        assert_eq!(options(&["--rate", "2.5"]).pace, Pace::PerSecond(2.5));
        assert_eq!(options(&["--rate", "0"]).pace, Pace::FlatOut);
        assert_eq!(options(&["--flat-out"]).pace, Pace::FlatOut);
    }

    #[test]
    fn commands_are_split_at_commas() {
        assert_eq!(options(&["--commands", "a,b"]).commands, ["a", "b"]);
    }

    #[test]
    fn an_address_is_asked_for_and_numbers_are_checked() {
        let fails = |arguments: &[&str]| Cli::try_parse_from(arguments).unwrap_err().to_string();
        assert!(fails(&["simulate"]).contains("--openim"));
        let tencent = ["simulate", "--tencent", "http://h"];
        for bad in [["--rate", "-1"], ["--rate", "NaN"], ["--count", "0"], ["--processes", "0"]] {
            let text = fails(&[&tencent[..], &bad[..]].concat());
            assert!(text.contains(bad[0]), "{text}");
        }
        assert!(
            fails(&[&tencent[..], &["--rate", "1", "--flat-out"]].concat()).contains("--flat-out")
        );
    }

    #[test]
    fn help_has_examples() {
        let help = Cli::try_parse_from(["simulate", "--help"]).unwrap_err().to_string();
        assert!(help.contains("Examples:\n  imbridge simulate --openim"), "{help}");
    }
}
