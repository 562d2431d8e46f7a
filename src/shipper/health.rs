//! Whether Kafka takes records as it should, and what to tell people when it does not.
//!
//! In: errors, statistics, deliveries, the age of the oldest unconfirmed record, the time. Out: the
//! list of [`Degraded`] reasons. What always holds: the age decides (a hung broker raises no error);
//! what flickers for less than [`PATIENCE`] is not shown; a reason stays until its opposite was seen.

use super::observer::Degraded;
use crate::kafka::SignalClass;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Every reason there is, for label sets that start at 0.
pub const REASONS: [&str; 8] =
    [UNREACHABLE, STALLED, AUTHENTICATION, TLS, TOPIC, REFUSED, CONFIGURATION, DEAD_LETTER];

/// No broker can be reached.
pub const UNREACHABLE: &str = "unreachable";
/// Records wait for too long, whatever the cause.
pub const STALLED: &str = "stalled";
/// Brokers refuse our credentials.
pub const AUTHENTICATION: &str = "authentication";
/// TLS fails.
pub const TLS: &str = "tls";
/// A topic is missing, or could not be created.
pub const TOPIC: &str = "topic";
/// A broker refuses records for rights or policy.
pub const REFUSED: &str = "refused";
/// A librdkafka property is wrong.
pub const CONFIGURATION: &str = "configuration";
/// A record that Kafka refuses can be put neither into the dead-letter topic nor into a file.
pub const DEAD_LETTER: &str = "dead_letter";

/// Connections may be down for so long before it shows.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// An oldest record of this age means that records wait.
pub const STALLED_AFTER: Duration = Duration::from_secs(5);
/// They no longer wait once the oldest is younger than this.
pub const FLOWING_BELOW: Duration = Duration::from_secs(1);

/// A single sign may be an idle connection that was closed: it takes a second one this much later.
const SECOND_SIGN: Duration = Duration::from_millis(500);
/// Without a further sign, and with nothing waiting, a loss of connection is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);

/// Topics that one line of the log names; it counts the others.
const TOPICS_NAMED: usize = 5;

/// A trouble with the connection.
#[derive(Debug)]
struct Trouble {
    since: Instant,
    last: Instant,
    text: String,
}

impl Trouble {
    fn shows(&self, waiting: bool, now: Instant) -> bool {
        let lasting = now.saturating_duration_since(self.since) >= PATIENCE;
        let again = self.last.saturating_duration_since(self.since) >= SECOND_SIGN;
        let fresh = now.saturating_duration_since(self.last) < FORGOTTEN_AFTER;
        lasting && (waiting || again && fresh)
    }
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Health {
    unreachable: Option<Trouble>,
    refused_us: Option<(SignalClass, String)>,
    stalled: bool,
    held: Option<(&'static str, String)>,
    not_created: BTreeMap<String, String>,
    shown: Vec<Degraded>,
}

impl Health {
    /// An error beside records.
    pub fn signal(&mut self, class: SignalClass, text: &str, now: Instant) {
        match class {
            SignalClass::Unreachable => {
                let since = self.unreachable.as_ref().map_or(now, |trouble| trouble.since);
                self.unreachable = Some(Trouble { since, last: now, text: text.to_owned() });
            }
            SignalClass::Authentication | SignalClass::Tls => {
                self.refused_us = Some((class, text.to_owned()));
            }
            SignalClass::Fatal | SignalClass::Other => {}
        }
    }

    /// A broker answered, or is connected.
    pub fn reached(&mut self) {
        self.unreachable = None;
        self.refused_us = None;
    }

    /// Everything is held, for a reason that an operator must remove.
    pub fn hold(&mut self, reason: &'static str, text: String) {
        self.held = Some((reason, text));
    }

    /// Nothing is held any more.
    pub fn release(&mut self) {
        self.held = None;
    }

    /// Topics that could not be created, with the cause; replaces what was said before. Returns what
    /// is news, for the log: a line for each cause.
    pub fn not_created(
        &mut self,
        topics: impl IntoIterator<Item = (String, String)>,
    ) -> Vec<String> {
        let topics: BTreeMap<String, String> = topics.into_iter().collect();
        let mut news: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (topic, why) in &topics {
            if self.not_created.get(topic) != Some(why) {
                news.entry(why).or_default().push(topic);
            }
        }
        let line = |(why, topics): (&str, Vec<&str>)| {
            let count = topics.len();
            let named = topics[..count.min(TOPICS_NAMED)].join(", ");
            let more = if count > TOPICS_NAMED { ", ..." } else { "" };
            let topics = if count == 1 { "1 topic is" } else { &*format!("{count} topics are") };
            format!("{topics} missing and could not be created ({why}): {named}{more}")
        };
        let lines = news.into_iter().map(line).collect();
        self.not_created = topics;
        lines
    }

    /// Whether topics could not be created.
    #[must_use]
    pub fn lacks_topics(&self) -> bool {
        !self.not_created.is_empty()
    }

    /// What is wrong now.
    #[must_use]
    pub fn degraded(&self) -> &[Degraded] {
        &self.shown
    }

    /// Judges anew; whether the reasons changed. A text alone that changed is no change.
    pub fn judge(&mut self, oldest: Option<Duration>, now: Instant) -> bool {
        let limit = if self.stalled { FLOWING_BELOW } else { STALLED_AFTER };
        self.stalled = oldest.is_some_and(|age| age >= limit);
        let list = self.list(oldest, now);
        let names = |list: &[Degraded]| list.iter().map(|one| one.reason).collect::<Vec<_>>();
        let changed = names(&list) != names(&self.shown);
        self.shown = list;
        changed
    }

    fn list(&self, oldest: Option<Duration>, now: Instant) -> Vec<Degraded> {
        let mut list = Vec::new();
        if let Some(trouble) = &self.unreachable
            && trouble.shows(oldest.is_some(), now)
        {
            // librdkafka's count of brokers that are down is often 0 here.
            let text = match &*trouble.text {
                counted if counted.ends_with("brokers are down") => {
                    "no broker can be reached".to_owned()
                }
                why => format!("no broker can be reached ({why})"),
            };
            list.push(Degraded { reason: UNREACHABLE, text });
        }
        if let Some((class, text)) = &self.refused_us {
            let (reason, text) = if *class == SignalClass::Tls {
                (TLS, format!("TLS fails; check certificates and security.protocol ({text})"))
            } else {
                (AUTHENTICATION, format!("brokers refuse our credentials ({text})"))
            };
            list.push(Degraded { reason, text });
        }
        if let Some((reason, text)) = &self.held {
            list.push(Degraded { reason, text: text.clone() });
        }
        let held = self.held.as_ref().is_some_and(|(reason, _)| *reason == TOPIC);
        if let Some((topic, why)) = self.not_created.iter().next()
            && !held
        {
            let more = match self.not_created.len() - 1 {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let text =
                format!("topic {topic}{more} could not be created ({why}); create it by hand");
            list.push(Degraded { reason: TOPIC, text });
        }
        if self.stalled {
            let age = oldest.unwrap_or_default().as_secs();
            let text = format!("the oldest unconfirmed record has waited for {age} s");
            list.push(Degraded { reason: STALLED, text });
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const SECOND: Duration = Duration::from_secs(1);

    fn reasons(health: &Health) -> Vec<&'static str> {
        health.degraded().iter().map(|one| one.reason).collect()
    }

    #[test]
    fn a_hung_broker_shows_by_the_age_of_the_oldest_record_alone() {
        let (mut health, now) = (Health::default(), clock::now());
        assert!(!health.judge(Some(4 * SECOND), now));
        assert!(health.judge(Some(5 * SECOND), now));
        assert_eq!(reasons(&health), [STALLED]);
        assert!(!health.judge(Some(2 * SECOND), now), "not before it flows again");
        assert!(health.judge(Some(SECOND / 2), now));
        assert!(health.degraded().is_empty());
    }

    #[test]
    fn a_short_loss_of_connection_is_not_shown() {
        let (mut health, now) = (Health::default(), clock::now());
        health.signal(SignalClass::Unreachable, "refused", now);
        assert!(!health.judge(None, now + SECOND));
        health.reached();
        assert!(!health.judge(None, now + 3 * SECOND));
        health.signal(SignalClass::Unreachable, "refused", now + 3 * SECOND);
        health.signal(SignalClass::Unreachable, "refused", now + 4 * SECOND);
        assert!(health.judge(None, now + 5 * SECOND), "counted from the first sign");
        assert_eq!(reasons(&health), [UNREACHABLE]);
        health.reached();
        assert!(health.judge(None, now + 6 * SECOND));
    }

    #[test]
    fn an_idle_connection_that_was_closed_is_no_outage() {
        let (mut health, now) = (Health::default(), clock::now());
        health.signal(SignalClass::Unreachable, "disconnected", now);
        assert!(!health.judge(None, now + 20 * SECOND));
        assert!(health.judge(Some(SECOND), now + 21 * SECOND), "unless a record waits");
    }

    #[test]
    fn credentials_and_tls_are_told_apart() {
        let (mut health, now) = (Health::default(), clock::now());
        health.signal(SignalClass::Authentication, "no", now);
        health.judge(None, now);
        assert_eq!(reasons(&health), [AUTHENTICATION]);
        health.signal(SignalClass::Tls, "no", now);
        health.judge(None, now);
        assert_eq!(reasons(&health), [TLS]);
    }

    /// Eighty lines every 30 s for ever where nobody grants the right to create topics.
    #[test]
    fn a_topic_that_cannot_be_created_is_told_of_once_for_each_cause() {
        let mut health = Health::default();
        let all =
            |why: &str| (1..=7).map(|n| (format!("im.{n}"), why.to_owned())).collect::<Vec<_>>();
        let denied = "7 topics are missing and could not be created (denied): im.1, im.2, im.3, im.4, im.5, ...";
        assert_eq!(health.not_created(all("denied")), [denied]);
        assert!(health.not_created(all("denied")).is_empty());
        let mut changed = all("denied");
        "late".clone_into(&mut changed[3].1);
        let late = "1 topic is missing and could not be created (late): im.4";
        assert_eq!(health.not_created(changed), [late]);
        assert!(health.not_created([]).is_empty() && !health.lacks_topics());
        assert_eq!(health.not_created(all("denied")), [denied], "they were there meanwhile");
    }

    #[test]
    fn a_held_topic_is_named_once_and_released() {
        let (mut health, now) = (Health::default(), clock::now());
        let news = health
            .not_created([("im.a".to_owned(), "no".to_owned()), ("im.b".into(), "no".into())]);
        assert_eq!(news.len(), 1);
        assert!(health.judge(None, now));
        assert!(health.degraded()[0].text.contains("im.a and 1 more"));
        health.hold(TOPIC, "topic im.a is missing".to_owned());
        assert!(!health.judge(None, now), "the same reason, a better text");
        assert_eq!(health.degraded()[0].text, "topic im.a is missing");
        health.release();
        assert!(health.not_created([]).is_empty());
        assert!(health.judge(None, now));
        assert!(health.degraded().is_empty());
    }
}
