//! Questions and wishes about topics: which are there, how large a batch they take, create them.
//!
//! In: names. Out: [`Topic`]s, limits, and for each topic that could not be created the reason. What
//! always holds: every call ends within its time limit; nothing is created that was not named.

use super::context::Quiet;
use super::producer::{SignalClass, explain, signal_class};
use super::settings::KafkaSettings;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::types::RDKafkaErrorCode as Code;
use std::cell::OnceCell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

/// Partitions and replication when an operator leaves them to the broker.
const BROKERS_DEFAULT: i32 = -1;
/// Most events that are looked at for a reason: log lines and errors of one attempt.
const EVENTS_MAX: usize = 10_000;

/// A topic of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Number of partitions.
    pub partitions: usize,
    /// Replicas of the first partition.
    pub replication: usize,
}

/// Why a question was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct AdminError {
    /// What it is about.
    pub class: SignalClass,
    /// In librdkafka's words.
    pub text: String,
}

/// A topic that could not be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotCreated {
    /// Its name.
    pub topic: String,
    /// Why, in librdkafka's words.
    pub why: String,
}

/// What came of a wish for topics; those that it does not name were there already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Created {
    /// Those that are new.
    pub made: Vec<String>,
    /// Those that still do not exist.
    pub refused: Vec<NotCreated>,
}

/// A client for questions about topics.
pub struct Admin {
    /// Asks what is there. rust-rdkafka's admin client never looks at the errors that its own client
    /// raises, so that a wrong password would show as a time-out; a producer's are served by polling.
    contact: BaseProducer<Quiet>,
    config: ClientConfig,
    /// Made when first needed.
    client: OnceCell<AdminClient<Quiet>>,
    partitions: i32,
    replication: i32,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

impl Admin {
    /// Makes a client. Does not wait for Kafka.
    ///
    /// # Errors
    /// A property is wrong or a file that one names cannot be read.
    pub fn open(settings: &KafkaSettings) -> Result<Self, AdminError> {
        let config = settings.admin();
        let contact = config.create_with_context(Quiet::default()).map_err(|e| unusable(&e))?;
        Ok(Self {
            contact,
            config,
            client: OnceCell::new(),
            partitions: settings.partitions.unwrap_or(BROKERS_DEFAULT),
            replication: settings.replication.unwrap_or(BROKERS_DEFAULT),
        })
    }

    /// All topics of the cluster, internal ones too, sorted by name.
    ///
    /// # Errors
    /// No broker answered in time.
    pub fn topics(&self, timeout: Duration) -> Result<Vec<Topic>, AdminError> {
        let metadata = self
            .contact
            .client()
            .fetch_metadata(None, timeout)
            .map_err(|error| self.failed(&error))?;
        let mut topics: Vec<Topic> = metadata
            .topics()
            .iter()
            .filter(|topic| topic.error().is_none() && !topic.partitions().is_empty())
            .map(|topic| Topic {
                name: topic.name().to_owned(),
                partitions: topic.partitions().len(),
                replication: topic.partitions().first().map_or(0, |one| one.replicas().len()),
            })
            .collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    /// Creates topics. One that exists already is fine.
    ///
    /// # Errors
    /// No broker answered in time.
    pub fn create(&self, names: &[&str], timeout: Duration) -> Result<Created, AdminError> {
        let topic =
            |name| NewTopic::new(name, self.partitions, TopicReplication::Fixed(self.replication));
        let wanted: Vec<NewTopic<'_>> = names.iter().copied().map(topic).collect();
        let results = wait(self.client()?.create_topics(&wanted, &options(timeout)))
            .map_err(|error| self.failed(&error))?;
        let mut created = Created::default();
        for result in results {
            match result {
                Ok(topic) => created.made.push(topic),
                Err((_, Code::TopicAlreadyExists)) => {}
                Err((topic, code)) => {
                    created.refused.push(NotCreated { topic, why: code.to_string() });
                }
            }
        }
        Ok(created)
    }

    /// The smallest `max.message.bytes` among topics; `None` where none could be read.
    ///
    /// # Errors
    /// No broker answered in time, or reading is not supported.
    pub fn smallest_limit(
        &self,
        names: &[&str],
        timeout: Duration,
    ) -> Result<Option<usize>, AdminError> {
        let wanted: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let results = wait(self.client()?.describe_configs(&wanted, &options(timeout)))
            .map_err(|error| self.failed(&error))?;
        let limits = results.into_iter().flatten().filter_map(|topic| {
            let entry = topic.entries.iter().find(|entry| entry.name == "max.message.bytes")?;
            entry.value.as_ref()?.parse().ok()
        });
        Ok(limits.min())
    }

    fn client(&self) -> Result<&AdminClient<Quiet>, AdminError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let made = self.config.create_with_context(Quiet::default());
        let made = made.map_err(|error| unusable(&error))?;
        Ok(self.client.get_or_init(|| made))
    }

    /// An error with the reason that the client gave meanwhile: a wrong password shows as a time-out
    /// otherwise.
    fn failed(&self, error: &KafkaError) -> AdminError {
        // One call serves one event, and a failed handshake logs dozens of lines.
        let events = || self.contact.context().events();
        for _ in 0..EVENTS_MAX {
            let before = events();
            self.contact.poll(Duration::ZERO);
            if events() == before {
                break;
            }
        }
        let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
        match self.contact.context().last_error() {
            Some((code, reason)) => AdminError { class: signal_class(code), text: reason },
            None => AdminError { class: signal_class(code), text: words(error) },
        }
    }
}

/// An error for people.
pub(super) fn words(error: &KafkaError) -> String {
    match error.rdkafka_error_code() {
        Some(
            Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::OperationTimedOut
            | Code::RequestTimedOut,
        ) => "no broker answered in time".to_owned(),
        _ => error.to_string(),
    }
}

fn unusable(error: &KafkaError) -> AdminError {
    AdminError { class: SignalClass::Other, text: explain(error) }
}

fn options(timeout: Duration) -> AdminOptions {
    AdminOptions::new().request_timeout(Some(timeout)).operation_timeout(Some(timeout))
}

/// Parks this thread until a future is ready. Admin futures are woken by the client's own thread.
fn wait<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
