//! The topics that records name: numbered, with what is known of each.
//!
//! In: names, what the cluster has. Out: small numbers for the hot path, and delivery counts. What
//! always holds: a topic keeps its number; one that the cluster was not seen to have is not known.

use std::collections::{BTreeSet, HashMap};

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Topics {
    names: Vec<String>,
    by_name: HashMap<String, u16>,
    known: Vec<bool>,
    delivered: Vec<u64>,
    last: u16,
}

impl Topics {
    /// The number of a topic; records of one topic often stand together.
    pub fn number(&mut self, name: &str) -> u16 {
        if self.names.get(usize::from(self.last)).is_some_and(|last| last == name) {
            return self.last;
        }
        self.last = self.by_name.get(name).copied().unwrap_or_else(|| self.insert(name));
        self.last
    }

    fn insert(&mut self, name: &str) -> u16 {
        let number =
            u16::try_from(self.names.len()).expect("there are far fewer than 65536 topics");
        self.names.push(name.to_owned());
        self.by_name.insert(name.to_owned(), number);
        self.known.push(false);
        self.delivered.push(0);
        number
    }

    /// The name of a number that [`Self::number`] gave.
    #[must_use]
    pub fn name(&self, number: u16) -> &str {
        &self.names[usize::from(number)]
    }

    /// All names so far.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    /// Whether the cluster has the topic, as far as we know.
    #[must_use]
    pub fn is_known(&self, number: u16) -> bool {
        self.known[usize::from(number)]
    }

    /// The cluster has exactly these of our topics.
    pub fn set_known(&mut self, present: &BTreeSet<String>) {
        for (name, known) in self.names.iter().zip(&mut self.known) {
            *known = present.contains(name);
        }
    }

    /// One more was delivered.
    pub fn count_delivered(&mut self, number: u16) {
        self.delivered[usize::from(number)] += 1;
    }

    /// Hands out the counts since the last time.
    pub fn take_delivered(&mut self, mut each: impl FnMut(&str, u64)) {
        for (name, count) in self.names.iter().zip(&mut self.delivered) {
            if *count > 0 {
                each(name, *count);
                *count = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_keeps_its_number_and_is_unknown_until_seen() {
        let mut topics = Topics::default();
        let (a, b) = (topics.number("a"), topics.number("b"));
        assert_ne!(a, b);
        assert_eq!((topics.number("a"), topics.name(b)), (a, "b"));
        topics.set_known(&BTreeSet::from(["b".to_owned()]));
        assert!(!topics.is_known(a) && topics.is_known(b));
    }

    #[test]
    fn counts_are_handed_out_once() {
        let mut topics = Topics::default();
        let number = topics.number("a");
        topics.count_delivered(number);
        topics.count_delivered(number);
        let mut seen = Vec::new();
        topics.take_delivered(|name, count| seen.push((name.to_owned(), count)));
        topics.take_delivered(|name, count| seen.push((name.to_owned(), count)));
        assert_eq!(seen, [("a".to_owned(), 2)]);
    }
}
