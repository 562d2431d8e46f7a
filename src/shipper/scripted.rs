//! A Kafka that follows a script, for tests of the shipper's loop.
//!
//! In: faults by position. Out: what was "written", in order. It behaves as measured: batches of
//! ten; a batch that a broker refuses turns a gapless producer fatal and purges what is behind it;
//! one that fails for its topic does not, so what is queued behind it is written later unless the
//! shipper purges it; after a fault that leaves the outcome open the batch was written all the same.

use super::sink::{Prepared, Sink, SinkSettings, Sinks};
use crate::journal::Sequence;
use crate::kafka::{Class, Failed, Fault, Inbox, Outgoing, Refusal, Signal, SignalClass};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub(super) const BATCH: usize = 10;
/// Name of the dead-letter topic.
pub(super) const DEAD: &str = "dead";
/// What is left over is written at the next poll, behind what failed, unless it is purged.
const BATCHES_PER_POLL: usize = 2;

/// A record that the script's Kafka took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) sequence: u64,
    pub(super) topic: String,
    pub(super) journal: String,
    pub(super) replay: bool,
    pub(super) timestamp_ms: i64,
    pub(super) session: u64,
    /// Headers of a dead letter.
    pub(super) more: BTreeMap<String, String>,
    pub(super) value: Vec<u8>,
}

#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) written: Vec<Written>,
    /// A batch that holds the position fails so many times.
    pub(super) faults: BTreeMap<u64, (Class, usize)>,
    /// The same in the topic [`DEAD`].
    pub(super) letter_faults: BTreeMap<u64, (Class, usize)>,
    /// Letters of these positions are written, and the session ends before that is reported.
    pub(super) unreported_letters: BTreeSet<u64>,
    /// `send` itself refuses the position so many times.
    pub(super) refusals: BTreeMap<u64, (Class, usize)>,
    pub(super) topics: BTreeSet<String>,
    pub(super) creates: bool,
    /// So many looks at the cluster find nobody.
    pub(super) unreachable: usize,
    /// Nothing is ever reported.
    pub(super) hung: bool,
    /// Batches of more records than `batch_bytes / this` are refused as too large.
    pub(super) bytes_per_record: usize,
    pub(super) limit_records: usize,
    pub(super) opened: Vec<SinkSettings>,
    /// Sessions that are not thrown away yet.
    pub(super) alive: usize,
    pub(super) looks: usize,
}

#[derive(Clone, Default)]
pub(super) struct Scripted(pub(super) Arc<Mutex<Script>>);

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

impl Sinks for Scripted {
    fn prepare(&self, topics: &[String]) -> Result<Prepared, Signal> {
        let mut script = self.0.lock();
        script.looks += 1;
        if script.unreachable > 0 {
            script.unreachable -= 1;
            let text = "nobody there".to_owned();
            return Err(Signal { class: SignalClass::Unreachable, text });
        }
        let mut prepared = Prepared::default();
        for topic in topics {
            if script.creates {
                script.topics.insert(topic.clone());
            }
            if script.topics.contains(topic) {
                prepared.present.insert(topic.clone());
            } else {
                prepared.not_created.push((topic.clone(), "not allowed".to_owned()));
            }
        }
        Ok(prepared)
    }

    fn open(&self, settings: SinkSettings) -> Result<Box<dyn Sink>, String> {
        let mut script = self.0.lock();
        script.opened.push(settings);
        script.alive += 1;
        let session = script.opened.len() as u64;
        drop(script);
        Ok(Box::new(ScriptedSink {
            script: Arc::clone(&self.0),
            settings,
            session,
            queue: VecDeque::new(),
            fatal: false,
            purged: Vec::new(),
        }))
    }

    fn batch_bytes(&self, _smallest_limit: Option<usize>, cap: Option<usize>) -> usize {
        cap.unwrap_or(1_000_000)
    }
}

struct ScriptedSink {
    script: Arc<Mutex<Script>>,
    settings: SinkSettings,
    session: u64,
    queue: VecDeque<Written>,
    fatal: bool,
    purged: Vec<u64>,
}

impl Sink for ScriptedSink {
    fn send(&mut self, outgoing: &Outgoing<'_>) -> Result<(), Refusal> {
        let sequence = outgoing.sequence.0;
        let mut script = self.script.lock();
        if let Some((class, times)) = script.refusals.get_mut(&sequence)
            && *times > 0
        {
            *times -= 1;
            return Err(Refusal::Fault(Fault::example(*class)));
        }
        if self.fatal {
            return Err(Refusal::Fault(Fault::example(Class::Fatal)));
        }
        self.queue.push_back(Written {
            sequence,
            topic: outgoing.record.topic.to_owned(),
            journal: outgoing.journal.to_owned(),
            replay: outgoing.replay,
            timestamp_ms: outgoing.timestamp_ms,
            session: self.session,
            more: (outgoing.more.iter())
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            value: outgoing.record.value.to_vec(),
        });
        Ok(())
    }

    fn poll(&mut self, _timeout: Duration, inbox: &mut Inbox) {
        let script = Arc::clone(&self.script);
        let mut script = script.lock();
        let over = |sequence: u64| Failed {
            sequence: Sequence(sequence),
            fault: Fault::example(Class::Over),
        };
        inbox.failed.extend(self.purged.drain(..).map(over));
        if script.hung {
            return;
        }
        for _ in 0..BATCHES_PER_POLL {
            if self.queue.is_empty() {
                break;
            }
            let batch = self.next_batch();
            if batch[0].topic == DEAD && script.unreported_letters.remove(&batch[0].sequence) {
                script.written.extend(batch);
                self.end(inbox);
                break;
            }
            match self.verdict(&batch, &mut script) {
                None => {
                    inbox.delivered.extend(batch.iter().map(|one| one.sequence));
                    script.written.extend(batch);
                }
                Some(class) => {
                    self.fail(class, batch, &mut script, inbox);
                    break;
                }
            }
        }
    }

    fn purge(&mut self) {
        self.purged.extend(self.queue.drain(..).map(|one| one.sequence));
    }
}

impl Drop for ScriptedSink {
    fn drop(&mut self) {
        self.script.lock().alive -= 1;
    }
}

impl ScriptedSink {
    /// Records of one topic, as a real batch has.
    fn next_batch(&mut self) -> Vec<Written> {
        let topic = self.queue[0].topic.clone();
        let mut batch = Vec::new();
        self.queue.retain(|one| {
            let taken = batch.len() < BATCH && one.topic == topic;
            if taken {
                batch.push(one.clone());
            }
            !taken
        });
        batch
    }

    fn verdict(&self, batch: &[Written], script: &mut Script) -> Option<Class> {
        for one in batch {
            let faults =
                if one.topic == DEAD { &mut script.letter_faults } else { &mut script.faults };
            if let Some((class, times)) = faults.get_mut(&one.sequence)
                && *times > 0
            {
                *times = times.saturating_sub(1);
                return Some(*class);
            }
        }
        let allowed = self.settings.batch_bytes / script.bytes_per_record.max(1);
        let too_many = script.limit_records > 0 && batch.len().min(allowed) > script.limit_records;
        too_many.then_some(Class::Record(crate::kafka::RecordFault::TooLarge))
    }

    fn fail(&mut self, class: Class, batch: Vec<Written>, script: &mut Script, inbox: &mut Inbox) {
        let fault = Fault::example(class);
        let failed = |one: &Written| Failed { sequence: Sequence(one.sequence), fault };
        inbox.failed.extend(batch.iter().map(failed));
        match class {
            Class::Configuration => {}
            Class::Record(_) if self.settings.one_by_one => {}
            Class::Fatal | Class::Retry | Class::TimedOut | Class::Record(_) | Class::Over => {
                if matches!(class, Class::Fatal | Class::TimedOut) {
                    script.written.extend(batch);
                }
                self.end(inbox);
            }
        }
    }

    /// The producer turns fatal.
    fn end(&mut self, inbox: &mut Inbox) {
        self.fatal = true;
        self.purge();
        let text = "the guarantee is broken".to_owned();
        inbox.signals.push(Signal { class: SignalClass::Fatal, text });
    }
}
