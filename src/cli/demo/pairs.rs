//! Brings a callback and its event together, and chooses which pairs are shown.
//!
//! In: callbacks as they go out and come back, events as they are read from Kafka, in any order.
//! Out: pairs. What always holds: a pair's callback was answered and its event was read; an event
//! of somebody else's callback makes a pair without an answer. Memory is bounded: what is too much
//! is forgotten, oldest first; so pairs are for looking at, never for counting.
//!
//! Events of OpenIM say which callback they come from (`correlationid`), those of Tencent seldom:
//! there the oldest callback of the same command is taken.

use crate::call::{Phase, Provider};
use crate::cli::tail::envelope::Envelope;
use crate::simulate::Sent;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

/// So many callbacks are remembered.
const REMEMBERED_MAX: usize = 20_000;
/// So many pairs wait to be shown: enough to find two of one kind among them.
const POOL_MAX: usize = 500;
/// An event that is not there so long after its callback's answer will not be recognised.
const LATE: Duration = Duration::from_secs(3);

/// A callback and the event that came of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pair {
    /// Who called.
    pub(super) provider: Provider,
    /// Command as it was called.
    pub(super) command: String,
    /// Phase; `None` for somebody else's callback.
    pub(super) phase: Option<Phase>,
    /// From request to answer; `None` for somebody else's callback.
    pub(super) latency: Option<Duration>,
    /// Topic of the event.
    pub(super) topic: String,
    /// The first event.
    pub(super) event: Envelope,
    /// How many more events the callback gave so far.
    pub(super) more: u32,
    /// Number of the callback.
    number: u64,
}

impl Pair {
    /// What it is about: the kind, and what rules made of it, if anything. Both are worth seeing.
    fn news(&self) -> String {
        let kind = self.event.kind();
        match self.event.verdict() {
            Some(verdict) if self.is_ruled() => format!("{kind} {verdict}"),
            _ => kind.to_owned(),
        }
    }

    /// Whether rules did more than let it pass.
    fn is_ruled(&self) -> bool {
        self.event.verdict().is_some_and(|verdict| verdict != "allow")
    }
}

#[derive(Debug)]
struct Callback {
    provider: Provider,
    command: String,
    phase: Phase,
    operation_id: String,
    answered: Option<(Instant, Duration)>,
    event: Option<(String, Envelope)>,
    more: u32,
    /// It is in the pool or was.
    paired: bool,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Pairing {
    /// Where our own Tencent events come from.
    tencent_source: String,
    next: u64,
    callbacks: BTreeMap<u64, Callback>,
    by_id: HashMap<(Provider, String), u64>,
    /// Tencent's callbacks whose event is still to come.
    by_command: HashMap<String, VecDeque<u64>>,
    /// The last of each Tencent command that an event was found for, and when that was recorded:
    /// events of one callback share it.
    last: HashMap<String, (String, u64)>,
    pool: VecDeque<Pair>,
}

impl Pairing {
    /// A pairing that takes Tencent events of this `source` for ours.
    pub(super) fn new(tencent_source: String) -> Self {
        Self {
            tencent_source,
            next: 0,
            callbacks: BTreeMap::new(),
            by_id: HashMap::new(),
            by_command: HashMap::new(),
            last: HashMap::new(),
            pool: VecDeque::new(),
        }
    }

    /// A callback of ours goes out.
    pub(super) fn went_out(&mut self, sent: &Sent<'_>) {
        let number = self.next;
        self.next += 1;
        self.by_id.insert((sent.provider, sent.operation_id.to_owned()), number);
        if sent.provider == Provider::Tencent {
            self.by_command.entry(sent.command.to_owned()).or_default().push_back(number);
        }
        let callback = Callback {
            provider: sent.provider,
            command: sent.command.to_owned(),
            phase: sent.phase,
            operation_id: sent.operation_id.to_owned(),
            answered: None,
            event: None,
            more: 0,
            paired: false,
        };
        self.callbacks.insert(number, callback);
        if self.callbacks.len() > REMEMBERED_MAX
            && let Some((_, oldest)) = self.callbacks.pop_first()
        {
            self.by_id.remove(&(oldest.provider, oldest.operation_id));
        }
    }

    /// A callback of ours was answered; `now` is for telling what is late.
    pub(super) fn came_back(&mut self, sent: &Sent<'_>, latency: Duration, now: Instant) {
        let id = (sent.provider, sent.operation_id.to_owned());
        let Some(number) = self.by_id.get(&id).copied() else { return };
        if let Some(callback) = self.callbacks.get_mut(&number) {
            callback.answered = Some((now, latency));
            self.pair(number);
        }
    }

    /// An event was read.
    pub(super) fn read(&mut self, topic: &str, event: Envelope, now: Instant) {
        let Some(provider) = Provider::from_name(event.attribute("improvider")) else { return };
        let Some(number) = self.callback_of(provider, &event, now) else {
            if self.is_foreign(provider, &event) {
                self.add_foreign(provider, topic, event);
            }
            return;
        };
        let Some(callback) = self.callbacks.get_mut(&number) else { return };
        if callback.event.is_some() || callback.paired {
            callback.more += 1;
            if let Some(pair) = self.pool.iter_mut().find(|pair| pair.number == number) {
                pair.more += 1;
            }
            return;
        }
        callback.event = Some((topic.to_owned(), event));
        self.pair(number);
    }

    fn callback_of(&mut self, provider: Provider, event: &Envelope, now: Instant) -> Option<u64> {
        let correlation = event.attribute("correlationid");
        if !correlation.is_empty() {
            return self.by_id.get(&(provider, correlation.to_owned())).copied();
        }
        if provider != Provider::Tencent || event.attribute("source") != self.tencent_source {
            return None;
        }
        let (command, recorded) = (event.attribute("imcommand"), event.attribute("recordedtime"));
        if let Some((last, number)) = self.last.get(command)
            && last == recorded
        {
            return Some(*number);
        }
        let queue = self.by_command.get_mut(command)?;
        let number = std::iter::from_fn(|| queue.pop_front()).find(|number| {
            let callback = self.callbacks.get(number);
            callback.is_some_and(|callback| {
                let late = callback.answered.is_some_and(|(at, _)| now.duration_since(at) > LATE);
                callback.event.is_none() && !callback.paired && !late
            })
        })?;
        self.last.insert(command.to_owned(), (recorded.to_owned(), number));
        Some(number)
    }

    /// Whether an event without a callback of ours came of somebody else's, as far as one can tell.
    fn is_foreign(&self, provider: Provider, event: &Envelope) -> bool {
        // Once callbacks were forgotten, not knowing one means nothing.
        let knows_all = self.next <= REMEMBERED_MAX as u64;
        match provider {
            Provider::OpenIm => knows_all || event.attribute("correlationid").is_empty(),
            Provider::Tencent => event.attribute("source") != self.tencent_source,
        }
    }

    fn add_foreign(&mut self, provider: Provider, topic: &str, event: Envelope) {
        let number = u64::MAX;
        let (command, topic) = (event.attribute("imcommand").to_owned(), topic.to_owned());
        let (phase, latency, more) = (None, None, 0);
        self.add(Pair { provider, command, phase, latency, topic, event, more, number });
    }

    /// Puts a callback into the pool once both its answer and its event are there.
    fn pair(&mut self, number: u64) {
        let Some(callback) = self.callbacks.get_mut(&number) else { return };
        let Some((_, latency)) = callback.answered else { return };
        let Some((topic, event)) = callback.event.take() else { return };
        callback.paired = true;
        let pair = Pair {
            provider: callback.provider,
            command: callback.command.clone(),
            phase: Some(callback.phase),
            latency: Some(latency),
            topic,
            event,
            more: callback.more,
            number,
        };
        self.add(pair);
    }

    fn add(&mut self, pair: Pair) {
        if self.pool.len() >= POOL_MAX {
            self.pool.pop_front();
        }
        self.pool.push_back(pair);
    }
}

/// Chooses what is shown: somebody else's at once, else two callbacks of different servers that
/// mean the same, else what was shown least.
#[derive(Debug, Default)]
pub(super) struct Chooser {
    /// By [`Pair::news`].
    shown: HashMap<String, u32>,
    last: Option<Provider>,
}

impl Chooser {
    /// Takes one pair, or two of one kind, out of the pool; none when it is empty.
    pub(super) fn choose(&mut self, pairing: &mut Pairing) -> Vec<Pair> {
        let pool = &mut pairing.pool;
        if let Some(at) = pool.iter().position(|pair| pair.phase.is_none()) {
            return pool.remove(at).into_iter().collect();
        }
        let couple = |pair: &Pair| {
            let fits = |other: &Pair| {
                other.provider != pair.provider
                    && other.phase == pair.phase
                    && other.news() == pair.news()
            };
            pool.iter().position(fits)
        };
        let rank = |pair: &Pair| {
            let shown = self.shown.get(&pair.news()).copied().unwrap_or(0);
            (shown, !pair.is_ruled(), couple(pair).is_none(), Some(pair.provider) == self.last)
        };
        let best = pool.iter().enumerate().min_by_key(|(_, pair)| rank(pair));
        let Some(first) = best.map(|(at, _)| at) else { return Vec::new() };
        let second = couple(&pool[first]);
        let mut places: Vec<usize> = std::iter::once(first).chain(second).collect();
        // From the back, so that places stay true.
        places.sort_unstable_by_key(|place| std::cmp::Reverse(*place));
        let mut chosen: Vec<Pair> =
            places.into_iter().filter_map(|place| pool.remove(place)).collect();
        chosen.sort_by_key(|pair| pair.provider);
        for pair in &chosen {
            *self.shown.entry(pair.news()).or_default() += 1;
            self.last = Some(pair.provider);
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tail::envelope::tests::record;
    use crate::clock;

    const OURS: &str = "/tencent/1400";

    fn sent<'a>(provider: Provider, command: &'a str, operation_id: &'a str) -> Sent<'a> {
        Sent { provider, command, phase: Phase::After, operation_id }
    }

    fn event(provider: &str, command: &str, kind: &str, more: &str) -> Envelope {
        let text = format!(
            r#"{{"specversion":"1.0","type":"im.{kind}","improvider":"{provider}","imcommand":"{command}"{more}}}"#
        );
        Envelope::read(&record(&text, &[])).unwrap()
    }

    fn pool(pairing: &Pairing) -> Vec<(String, Option<Phase>, u32)> {
        let pairs = pairing.pool.iter();
        pairs.map(|pair| (pair.command.clone(), pair.phase, pair.more)).collect()
    }

    #[test]
    fn an_openim_event_finds_its_callback_by_the_operation_id_before_and_after_the_answer() {
        let (mut pairing, now) = (Pairing::new(OURS.to_owned()), clock::now());
        let (a, b) = (sent(Provider::OpenIm, "x", "1"), sent(Provider::OpenIm, "x", "2"));
        pairing.went_out(&a);
        pairing.went_out(&b);
        pairing.read("im.k", event("openim", "x", "k", r#","correlationid":"2""#), now);
        assert!(pool(&pairing).is_empty(), "not answered yet");
        pairing.came_back(&b, Duration::from_millis(2), now);
        assert_eq!(pool(&pairing), [("x".to_owned(), Some(Phase::After), 0)]);
        pairing.read("im.k", event("openim", "x", "k", r#","correlationid":"2""#), now);
        assert_eq!(pool(&pairing), [("x".to_owned(), Some(Phase::After), 1)]);
        assert_eq!(pairing.pool[0].latency, Some(Duration::from_millis(2)));
    }

    #[test]
    fn a_tencent_event_finds_the_oldest_callback_of_its_command() {
        let (mut pairing, now) = (Pairing::new(OURS.to_owned()), clock::now());
        for (command, id) in [("x", "1"), ("y", "2"), ("y", "3")] {
            pairing.went_out(&sent(Provider::Tencent, command, id));
            pairing.came_back(&sent(Provider::Tencent, command, id), Duration::ZERO, now);
        }
        let more = |recorded| format!(r#","source":"{OURS}","recordedtime":"{recorded}""#);
        pairing.read("im.k", event("tencent", "y", "k", &more("t1")), now);
        pairing.read("im.k", event("tencent", "y", "k", &more("t1")), now);
        pairing.read("im.k", event("tencent", "y", "k", &more("t2")), now);
        let after = Some(Phase::After);
        assert_eq!(pool(&pairing), [("y".to_owned(), after, 1), ("y".to_owned(), after, 0)]);
        let late = now + LATE + Duration::from_millis(1);
        pairing.read("im.k", event("tencent", "x", "k", &more("t3")), late);
        assert_eq!(pool(&pairing).len(), 2, "that callback's event is long overdue");
    }

    #[test]
    fn an_event_of_somebody_elses_callback_is_shown_first() {
        let (mut pairing, now) = (Pairing::new(OURS.to_owned()), clock::now());
        let own = sent(Provider::OpenIm, "x", "1");
        pairing.went_out(&own);
        pairing.came_back(&own, Duration::ZERO, now);
        pairing.read("im.k", event("openim", "x", "k", r#","correlationid":"1""#), now);
        pairing.read("im.k", event("openim", "x", "k", ""), now);
        pairing.read("im.k", event("tencent", "y", "k", r#","source":"/tencent/1""#), now);
        let mut chooser = Chooser::default();
        let mut phases = || -> Vec<Option<Phase>> {
            chooser.choose(&mut pairing).iter().map(|pair| pair.phase).collect()
        };
        assert_eq!(
            (phases(), phases(), phases()),
            (vec![None], vec![None], vec![Some(Phase::After)])
        );
        assert_eq!(phases(), []);
    }

    #[test]
    fn two_servers_that_mean_the_same_are_shown_together_and_rare_kinds_come_first() {
        let (mut pairing, now) = (Pairing::new(OURS.to_owned()), clock::now());
        let mut add = |provider: Provider, kind: &str, id: &str| {
            let own = sent(provider, kind, id);
            pairing.went_out(&own);
            pairing.came_back(&own, Duration::ZERO, now);
            let more = format!(r#","correlationid":"{id}""#);
            pairing.read("im.k", event(provider.name(), kind, kind, &more), now);
        };
        for (at, kind) in ["often", "often", "often", "alone"].into_iter().enumerate() {
            add(Provider::OpenIm, kind, &at.to_string());
        }
        add(Provider::Tencent, "often", "t");
        let mut chooser = Chooser::default();
        let mut kinds = || -> Vec<(&'static str, String)> {
            let chosen = chooser.choose(&mut pairing);
            chosen.iter().map(|pair| (pair.provider.name(), pair.command.clone())).collect()
        };
        let one = |provider, kind: &str| (provider, kind.to_owned());
        assert_eq!(kinds(), [one("openim", "often"), one("tencent", "often")]);
        assert_eq!(kinds(), [one("openim", "alone")]);
        assert_eq!(kinds(), [one("openim", "often")]);
    }

    #[test]
    fn what_a_rule_refused_is_not_taken_for_one_more_of_its_kind() {
        let (mut pairing, now) = (Pairing::new(OURS.to_owned()), clock::now());
        for (id, verdict) in ["allow", "allow", "allow", "deny"].into_iter().enumerate() {
            let id = id.to_string();
            let own = sent(Provider::OpenIm, "x", &id);
            pairing.went_out(&own);
            pairing.came_back(&own, Duration::ZERO, now);
            let data = format!(r#""data":{{"kind":"k","verdict":"{verdict}"}}"#);
            let more = format!(r#","correlationid":"{id}",{data}"#);
            pairing.read("im.decisions", event("openim", "x", "k", &more), now);
        }
        let mut chooser = Chooser::default();
        let mut verdicts = || {
            let chosen = chooser.choose(&mut pairing);
            chosen[0].event.verdict().map(str::to_owned).expect("it is a decision")
        };
        assert_eq!([verdicts(), verdicts(), verdicts()], ["deny", "allow", "allow"]);
    }

    #[test]
    fn what_is_too_much_is_forgotten() {
        let (mut pairing, now) = (Pairing::new(OURS.to_owned()), clock::now());
        for id in 0..=REMEMBERED_MAX {
            pairing.went_out(&sent(Provider::OpenIm, "x", &id.to_string()));
        }
        assert_eq!(
            (pairing.callbacks.len(), pairing.by_id.len()),
            (REMEMBERED_MAX, REMEMBERED_MAX)
        );
        pairing.read("im.k", event("openim", "x", "k", r#","correlationid":"0""#), now);
        assert!(pairing.pool.is_empty(), "a forgotten callback is not taken for somebody else's");
    }
}
