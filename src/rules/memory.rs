//! Where messages go, remembered from one callback of OpenIM for the next.
//!
//! In: the message id of a `message.*.send` callback with group, recipient and conversation, and the
//! time. Out: the same for a later callback with that id: `message.modify` carries none of the three.
//! What always holds: nothing older than [`AGE_MAX`] is told; at most [`MESSAGES_MAX`] messages and
//! [`TEXT_BYTES_MAX`] bytes for each are kept, the oldest go first; times come in.
//!
//! One lock over all of it: which message is the oldest is then exact, and what happens under the
//! lock is one look-up and the copy of some hundred bytes.

use bumpalo::Bump;
use parking_lot::Mutex;
use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::time::Duration;

/// Messages that are kept.
pub const MESSAGES_MAX: usize = 100_000;
/// How long a message is kept.
pub const AGE_MAX: Duration = Duration::from_mins(1);
/// Longest texts of a message, all together. Ids have some dozen bytes; a message with longer ones
/// is not remembered, so that the whole stays within a hundred megabytes whatever is sent.
pub const TEXT_BYTES_MAX: usize = 1024;

/// Where a message goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place<'a> {
    /// The group.
    pub group_id: Option<&'a str>,
    /// The user.
    pub recipient_id: Option<&'a str>,
    /// The conversation.
    pub conversation_id: Option<&'a str>,
}

/// Remembers where messages go; shared by all workers.
#[derive(Debug)]
pub struct Memory {
    hasher: RandomState,
    messages_max: usize,
    kept: Mutex<Kept>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::with_capacity(MESSAGES_MAX)
    }
}

impl Memory {
    /// One that keeps so many messages.
    #[must_use]
    pub fn with_capacity(messages_max: usize) -> Self {
        Self { hasher: RandomState::new(), messages_max, kept: Mutex::default() }
    }

    /// Keeps where a message goes. A message that comes again is the newest one.
    pub fn remember(&self, message_id: &str, place: Place<'_>, now_ns: u64) {
        let Some(lengths) = Lengths::of(message_id, place) else { return };
        let hash = self.hasher.hash_one(message_id);
        let mut kept = self.kept.lock();
        let mut text = kept.make_room(self.messages_max, now_ns);
        text.clear();
        text.reserve(lengths.sum());
        text.push_str(message_id);
        for part in place.parts().into_iter().flatten() {
            text.push_str(part);
        }
        kept.push(Message { hash, at_ns: now_ns, lengths, text });
    }

    /// Where the message goes, if it was remembered at most [`AGE_MAX`] ago.
    #[must_use]
    pub fn recall<'a>(&self, message_id: &str, now_ns: u64, arena: &'a Bump) -> Option<Place<'a>> {
        let hash = self.hasher.hash_one(message_id);
        let kept = self.kept.lock();
        let message = kept.find(hash).filter(|message| !message.is_old(now_ns))?;
        message.place(message_id, arena)
    }

    /// Forgets all of it, and gives the room back.
    pub fn clear(&self) {
        let kept = std::mem::take(&mut *self.kept.lock());
        // A hundred thousand texts take a while: nobody waits for that.
        drop(kept);
    }

    /// Messages that are kept, some of them maybe too old to be told.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.lock().messages.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Messages in the order in which they came.
#[derive(Debug, Default)]
struct Kept {
    messages: VecDeque<Message>,
    /// Messages that have gone since the beginning: the number of the first in `messages`.
    gone: u64,
    /// Number of the newest message by the hash of its id. Of two ids with one hash, which a keyed
    /// hash of 64 bits hardly ever gives, the later is found.
    newest: HashMap<u64, u64, foldhash::fast::FixedState>,
}

impl Kept {
    /// Lets go of what is too old or too much; gives the text of the last, to be written over.
    fn make_room(&mut self, messages_max: usize, now_ns: u64) -> String {
        let mut text = String::new();
        while let Some(oldest) = self.messages.front() {
            if self.messages.len() < messages_max && !oldest.is_old(now_ns) {
                break;
            }
            if self.newest.get(&oldest.hash) == Some(&self.gone) {
                self.newest.remove(&oldest.hash);
            }
            text = self.messages.pop_front().expect("there is a front").text;
            self.gone += 1;
        }
        text
    }

    fn push(&mut self, message: Message) {
        self.newest.insert(message.hash, self.gone + self.messages.len() as u64);
        self.messages.push_back(message);
    }

    fn find(&self, hash: u64) -> Option<&Message> {
        let number = self.newest.get(&hash)?.checked_sub(self.gone)?;
        self.messages.get(usize::try_from(number).ok()?)
    }
}

/// One message.
#[derive(Debug)]
struct Message {
    hash: u64,
    at_ns: u64,
    lengths: Lengths,
    /// Its id, then the texts of its place.
    text: String,
}

impl Message {
    /// Workers see their times in any order: what comes from the future is new.
    fn is_old(&self, now_ns: u64) -> bool {
        u128::from(now_ns.saturating_sub(self.at_ns)) > AGE_MAX.as_nanos()
    }

    /// Its place, if it has this id.
    fn place<'a>(&self, message_id: &str, arena: &'a Bump) -> Option<Place<'a>> {
        let mut rest = self.text.strip_prefix(message_id)?;
        if message_id.len() != usize::from(self.lengths.message_id) {
            return None;
        }
        let mut part = |length: Option<u16>| {
            let (text, behind) = rest.split_at(usize::from(length?));
            rest = behind;
            Some(&*arena.alloc_str(text))
        };
        let [group, recipient, conversation] = self.lengths.parts;
        Some(Place {
            group_id: part(group),
            recipient_id: part(recipient),
            conversation_id: part(conversation),
        })
    }
}

/// Lengths of the texts of a message, in bytes.
#[derive(Debug, Clone, Copy)]
struct Lengths {
    message_id: u16,
    parts: [Option<u16>; 3],
}

impl Lengths {
    /// `None` when the texts are too long to be kept.
    fn of(message_id: &str, place: Place<'_>) -> Option<Self> {
        let parts = place.parts();
        let all = message_id.len() + parts.into_iter().flatten().map(str::len).sum::<usize>();
        let length = |text: &str| u16::try_from(text.len()).expect("the sum is far smaller");
        (all <= TEXT_BYTES_MAX).then(|| Self {
            message_id: length(message_id),
            parts: parts.map(|part| part.map(length)),
        })
    }
}

impl Lengths {
    fn sum(self) -> usize {
        let parts = self.parts.into_iter().flatten().map(usize::from);
        usize::from(self.message_id) + parts.sum::<usize>()
    }
}

impl<'a> Place<'a> {
    const fn parts(&self) -> [Option<&'a str>; 3] {
        [self.group_id, self.recipient_id, self.conversation_id]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn group(id: &str) -> Place<'_> {
        Place { group_id: Some(id), ..Place::default() }
    }

    fn recalled(memory: &Memory, message: &str, now_ns: u64) -> Option<String> {
        let arena = Bump::new();
        let place = memory.recall(message, now_ns, &arena)?;
        place.group_id.map(str::to_owned)
    }

    #[test]
    fn all_three_ids_come_back_and_absent_ones_stay_absent() {
        let memory = Memory::default();
        let arena = Bump::new();
        let whole = Place {
            group_id: Some("g"),
            recipient_id: Some(""),
            conversation_id: Some("direct:a_b"),
        };
        memory.remember("m", whole, 0);
        let gap = Place { conversation_id: None, recipient_id: Some("张三"), group_id: None };
        memory.remember("mm", gap, 0);
        assert_eq!(memory.recall("m", 0, &arena), Some(whole));
        assert_eq!(memory.recall("mm", 0, &arena), Some(gap));
        assert_eq!(memory.recall("mmm", 0, &arena), None);
        assert_eq!(memory.recall("", 0, &arena), None);
    }

    #[test]
    fn a_message_is_told_for_sixty_seconds_and_no_longer() {
        let memory = Memory::default();
        memory.remember("m", group("g"), 5 * SECOND);
        assert_eq!(recalled(&memory, "m", 65 * SECOND).as_deref(), Some("g"));
        assert_eq!(recalled(&memory, "m", 65 * SECOND + 1), None);
        memory.remember("n", group("g"), 66 * SECOND);
        assert_eq!(memory.len(), 1, "what is too old makes room");
    }

    #[test]
    fn the_oldest_go_first_and_never_a_younger_one() {
        let memory = Memory::with_capacity(3);
        for number in 0..10_u64 {
            memory.remember(&format!("m{number}"), group(&format!("g{number}")), number);
            for other in 0..=number {
                let expected = (other + 3 > number).then(|| format!("g{other}"));
                assert_eq!(recalled(&memory, &format!("m{other}"), 10), expected, "after {number}");
            }
        }
        assert_eq!(memory.len(), 3);
    }

    #[test]
    fn a_message_that_comes_again_is_the_newest_and_tells_what_was_said_last() {
        let memory = Memory::with_capacity(3);
        for (message, place) in [("a", "g1"), ("b", "g2"), ("a", "g3")] {
            memory.remember(message, group(place), 0);
        }
        assert_eq!(recalled(&memory, "a", 0).as_deref(), Some("g3"));
        memory.remember("c", group("g4"), 0);
        assert_eq!(recalled(&memory, "a", 0).as_deref(), Some("g3"));
        assert_eq!(recalled(&memory, "b", 0).as_deref(), Some("g2"));
        memory.remember("d", group("g5"), 0);
        assert_eq!(recalled(&memory, "b", 0), None);
        assert_eq!(recalled(&memory, "a", 0).as_deref(), Some("g3"));
    }

    #[test]
    fn a_clock_that_seems_to_go_back_loses_nothing() {
        let memory = Memory::default();
        memory.remember("late", group("g"), 100 * SECOND);
        memory.remember("early", group("h"), 30 * SECOND);
        assert_eq!(recalled(&memory, "late", 0).as_deref(), Some("g"));
        assert_eq!(recalled(&memory, "early", 0).as_deref(), Some("h"));
        assert_eq!(recalled(&memory, "late", 120 * SECOND).as_deref(), Some("g"));
        assert_eq!(recalled(&memory, "early", 120 * SECOND), None, "its own time counts");
        assert_eq!(recalled(&memory, "late", u64::MAX), None);
    }

    #[test]
    fn texts_beyond_the_bound_are_not_kept_and_take_no_room() {
        let memory = Memory::default();
        let id = "m".repeat(TEXT_BYTES_MAX - 1);
        memory.remember(&id, group("g"), 0);
        assert_eq!(recalled(&memory, &id, 0).as_deref(), Some("g"));
        memory.remember(&id, group("gg"), 0);
        assert_eq!(recalled(&memory, &id, 0).as_deref(), Some("g"));
        assert_eq!(memory.len(), 1);
        memory.clear();
        assert!(memory.is_empty() && recalled(&memory, &id, 0).is_none());
    }

    #[test]
    fn a_full_memory_writes_over_the_texts_it_lets_go() {
        let memory = Memory::with_capacity(2);
        for message in ["aaaa", "bbbb"] {
            memory.remember(message, group("g"), 0);
        }
        let counted = allocation_counter::measure(|| {
            for _ in 0..8 {
                memory.remember("aaaa", group("g"), 0);
                memory.remember("bbbb", group("h"), 0);
            }
        });
        assert_eq!(counted.count_total, 0);
    }

    #[test]
    fn many_workers_remember_and_recall_at_once() {
        let memory = Memory::with_capacity(64);
        std::thread::scope(|scope| {
            for worker in 0..4_u64 {
                let memory = &memory;
                scope.spawn(move || {
                    for number in 0..2_000_u64 {
                        let message = format!("{worker}-{number}");
                        memory.remember(&message, group(&message), number);
                        let found = recalled(memory, &message, number);
                        assert!(found.is_none_or(|found| found == message));
                    }
                });
            }
        });
        assert_eq!(memory.len(), 64);
        let kept = memory.kept.lock();
        assert_eq!(kept.newest.len(), 64, "nothing that has gone is pointed at");
    }
}
