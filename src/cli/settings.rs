//! Settings together with what only their use shows: rows and rules of an operator, topics,
//! librdkafka's word.
//!
//! In: the environment. Out: a checked [`Config`] and what was made of it on the way, or
//! [`Problems`] with every mistake at once. What always holds: nothing is bound, started or asked
//! over the network; a mistake does not hide another one.

use crate::app;
use crate::app::rules::First;
use crate::catalogue::Catalogue;
use crate::config::{Config, Problem, Problems};
use crate::files;
use crate::normalise::topics::{Topics, illegal};
use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

/// Settings under examination.
pub(super) struct Examined {
    config: Config,
    problems: Vec<Problem>,
}

impl Examined {
    /// What every command needs.
    pub(super) fn of(pairs: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let (config, problems) = Config::examine(pairs);
        Self { config, problems }
    }

    /// What `serve` needs.
    pub(super) fn for_serve(pairs: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let (config, problems) = Config::examine_for_serve(pairs);
        Self { config, problems }
    }

    /// Whether nobody says where Kafka is; a list that is wrong was reported.
    pub(super) fn is_without_brokers(&self) -> bool {
        let told = |problem: &Problem| problem.variable == "IMBRIDGE_KAFKA_BROKERS";
        self.config.kafka.brokers.is_none() && !self.problems.iter().any(told)
    }

    /// What goes into which topic.
    pub(super) fn topic_names(&self, catalogue: &Catalogue) -> Topics {
        let kafka = &self.config.kafka;
        Topics::new(catalogue, &kafka.topic_prefix, kafka.topic_by)
    }

    /// Reports a mistake.
    pub(super) fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// The catalogue with the operator's rows; without them when they have a mistake.
    pub(super) fn catalogue(&mut self) -> Arc<Catalogue> {
        let catalogue = match self.config.policy.catalogue.as_deref().map(with_extra) {
            None => None,
            Some(Ok(catalogue)) => Some(catalogue),
            Some(Err(problems)) => {
                let of =
                    |problem| Problem::of("IMBRIDGE_CATALOGUE", &format!("is wrong: {problem}"));
                self.problems.extend(problems.into_iter().map(of));
                None
            }
        };
        Arc::new(catalogue.unwrap_or_else(Catalogue::embedded))
    }

    /// Names of all topics that the bridge may write to. A long prefix and a long name of an
    /// operator's row may be too much together.
    pub(super) fn topics(&mut self, catalogue: &Catalogue) -> Vec<String> {
        let names = self.topic_names(catalogue).all(catalogue);
        for why in names.iter().filter_map(|topic| illegal(topic)) {
            let what = format!("and IMBRIDGE_CATALOGUE together are wrong: {why}");
            self.problems.push(Problem::of("IMBRIDGE_TOPIC_PREFIX", &what));
        }
        names
    }

    /// The rules to start with, if a file has any. What is wrong with it is told at once, on standard
    /// error; nothing where the rows of the operator are wrong, for rules may speak of them.
    pub(super) fn rules(&mut self, catalogue: &Arc<Catalogue>) -> Option<First> {
        let policy = &self.config.policy;
        let path = policy.rules.as_deref()?;
        if self.problems.iter().any(|problem| problem.variable == "IMBRIDGE_CATALOGUE") {
            return None;
        }
        let refused = match First::load(path, catalogue, policy.on_fault) {
            Ok(first) => return Some(first),
            Err(refused) => refused,
        };
        let _unheard = writeln!(anstream::stderr(), "{refused}").is_err();
        let what = format!("names a file that cannot be used: {}", refused.summary());
        self.problems.push(Problem::of("IMBRIDGE_RULES", &what));
        None
    }

    /// What librdkafka says to its properties.
    pub(super) fn properties(&mut self) {
        // It looks at the list of brokers when it makes a client; any will do.
        let brokers = self.config.kafka.brokers.as_deref().unwrap_or("localhost");
        for refused in app::kafka_settings(&self.config, brokers).refused() {
            let mut all = self.config.kafka.properties.iter();
            let culprit = all.find(|known| Some(&known.name) == refused.property.as_ref());
            let problem = culprit.map(|culprit| culprit.refused(&refused.why));
            self.problems.push(problem.unwrap_or_else(|| self.refused_together(&refused.why)));
        }
    }

    /// librdkafka does not say which property it means.
    fn refused_together(&self, why: &str) -> Problem {
        let properties = &self.config.kafka.properties;
        let mut variables: Vec<&str> = properties.iter().map(|one| one.variable.as_str()).collect();
        variables.sort_unstable();
        variables.dedup();
        if variables.is_empty() {
            return Problem::of(
                "IMBRIDGE_KAFKA_BROKERS",
                &format!("is refused: librdkafka: {why}"),
            );
        }
        Problem::of(&variables.join(", "), &format!("together: librdkafka refuses: {why}"))
    }

    /// The settings, if nothing was wrong.
    pub(super) fn done(self) -> Result<Config, Problems> {
        Problems::none_in(self.problems).map(|()| self.config)
    }
}

fn with_extra(path: &Path) -> Result<Catalogue, Vec<String>> {
    let name = path.display().to_string();
    let text = files::read_text(path, files::SMALL_FILE_BYTES_MAX * 16)
        .map_err(|error| vec![error.to_string()])?;
    Catalogue::with_extra(&name, &text)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}
