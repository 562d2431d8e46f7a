//! Which records of the window are done: a ring of bits from the lowest one that is not.
//!
//! In: positions in any order, as reports come. Out: how far the journal may be confirmed. What
//! always holds: everything below [`Window::lowest`] is done, `lowest` itself is not; a position
//! counts once, however often it is reported; positions outside the window are ignored.

use crate::journal::Sequence;

/// Positions that a window spans.
pub const CAPACITY: u64 = 8192;
const WORDS: usize = 128;

/// See the module's documentation.
#[derive(Debug, Clone)]
pub struct Window {
    lowest: u64,
    done: Box<[u64; WORDS]>,
    /// Highest position that was ever sent; those of an earlier session may be in Kafka.
    sent: u64,
    /// Highest position sent before this session.
    sent_before: u64,
}

impl Window {
    /// A window whose first position is the one behind `confirmed`. Records up to `replay_upto` may
    /// have been sent by an earlier run.
    #[must_use]
    pub fn new(confirmed: Sequence, replay_upto: Sequence) -> Self {
        Self {
            lowest: confirmed.0 + 1,
            done: Box::new([0; WORDS]),
            sent: replay_upto.0,
            sent_before: replay_upto.0,
        }
    }

    /// The lowest position that is not done.
    #[must_use]
    pub const fn lowest(&self) -> Sequence {
        Sequence(self.lowest)
    }

    /// Whether the position is inside the window or below it.
    #[must_use]
    pub const fn reaches(&self, sequence: Sequence) -> bool {
        sequence.0 < self.lowest + CAPACITY
    }

    /// Whether the position is done.
    #[must_use]
    pub const fn is_done(&self, sequence: Sequence) -> bool {
        if sequence.0 < self.lowest {
            return true;
        }
        let (word, bit) = place(sequence.0);
        self.reaches(sequence) && self.done[word] & bit != 0
    }

    /// Notes that a position is done; whether that is news.
    pub const fn mark(&mut self, sequence: Sequence) -> bool {
        if !self.reaches(sequence) || self.is_done(sequence) {
            return false;
        }
        let (word, bit) = place(sequence.0);
        self.done[word] |= bit;
        true
    }

    /// Moves up over what is done; the position up to which all is done, if that is news.
    pub fn advance(&mut self) -> Option<Sequence> {
        let before = self.lowest;
        loop {
            let (word, bit) = place(self.lowest);
            let shift = bit.trailing_zeros();
            let ones = (self.done[word] >> shift).trailing_ones();
            if ones == 0 {
                break;
            }
            let run = u64::MAX >> (64 - ones);
            self.done[word] &= !(run << shift);
            self.lowest += u64::from(ones);
        }
        (self.lowest > before).then(|| Sequence(self.lowest - 1))
    }

    /// Notes that a position was sent; whether it may be in Kafka already.
    pub fn note_sent(&mut self, sequence: Sequence) {
        self.sent = self.sent.max(sequence.0);
    }

    /// Whether an earlier session may have delivered the position without our knowing.
    #[must_use]
    pub const fn is_replay(&self, sequence: Sequence) -> bool {
        sequence.0 <= self.sent_before
    }

    /// A new session begins: what was sent so far may be in Kafka.
    pub const fn begin_session(&mut self) {
        self.sent_before = self.sent;
    }
}

const fn place(sequence: u64) -> (usize, u64) {
    let word = (sequence / 64 % WORDS as u64) as usize;
    (word, 1 << (sequence % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn window() -> Window {
        Window::new(Sequence::NONE, Sequence::NONE)
    }

    #[test]
    fn a_gap_holds_the_window_back_until_it_is_filled() {
        let mut window = window();
        assert!(window.mark(Sequence(2)) && window.mark(Sequence(3)));
        assert_eq!(window.advance(), None);
        assert!(window.mark(Sequence(1)));
        assert_eq!(window.advance(), Some(Sequence(3)));
        assert_eq!((window.advance(), window.lowest()), (None, Sequence(4)));
    }

    #[test]
    fn positions_outside_the_window_are_no_news() {
        let mut window = window();
        assert!(!window.mark(Sequence(CAPACITY + 1)));
        assert!(window.mark(Sequence(CAPACITY)));
        assert!(!window.mark(Sequence(CAPACITY)), "twice");
        assert!(window.mark(Sequence(1)));
        window.advance();
        assert!(!window.mark(Sequence(1)), "below");
        assert!(window.mark(Sequence(CAPACITY + 1)), "the window has moved by one");
    }

    #[test]
    fn only_what_an_earlier_session_sent_is_a_replay() {
        let mut window = window();
        window.note_sent(Sequence(5));
        assert!(!window.is_replay(Sequence(1)));
        window.begin_session();
        assert!(window.is_replay(Sequence(5)) && !window.is_replay(Sequence(6)));
        let recovered = Window::new(Sequence(7), Sequence(9));
        assert!(recovered.is_replay(Sequence(9)) && !recovered.is_replay(Sequence(10)));
    }

    proptest! {
        #[test]
        fn reports_in_any_order_confirm_exactly_the_done_prefix(
            start in 0_u64..20_000,
            order in Just((1_u64..=700).collect::<Vec<_>>()).prop_shuffle(),
            every in 1_usize..50,
        ) {
            let mut window = Window::new(Sequence(start), Sequence::NONE);
            let mut missing: std::collections::BTreeSet<u64> = (1..=701).collect();
            for (at, offset) in order.iter().enumerate() {
                prop_assert!(window.mark(Sequence(start + offset)));
                prop_assert!(!window.mark(Sequence(start + offset)));
                missing.remove(offset);
                if at % every == 0 {
                    let before = window.lowest();
                    let upto = window.advance();
                    let lowest = missing.first().expect("the last one is never reported");
                    prop_assert_eq!(window.lowest(), Sequence(start + lowest));
                    let news = (window.lowest() > before).then(|| Sequence(start + lowest - 1));
                    prop_assert_eq!(upto, news);
                }
            }
            window.advance();
            prop_assert_eq!(window.lowest(), Sequence(start + 701));
        }
    }
}
