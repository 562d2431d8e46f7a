//! How long to rest between attempts: doubling from a first rest to a longest one, with jitter.
//!
//! In: a random number per attempt. Out: a duration. What always holds: a rest is between half of and
//! the whole of its step, and never above the longest.

use std::time::Duration;

/// See the module's documentation.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    attempts: u32,
}

impl Backoff {
    /// Rests from `first` up to `longest`.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, attempts: 0 }
    }

    /// The next rest; `random` is spread over the whole of `u32`.
    pub fn next(&mut self, random: u32) -> Duration {
        let step = self.first.saturating_mul(1_u32.checked_shl(self.attempts).unwrap_or(u32::MAX));
        self.attempts = (self.attempts + 1).min(31);
        let step = step.min(self.longest);
        step.mul_f64(0.5 + f64::from(random) / f64::from(u32::MAX) / 2.0)
    }

    /// Begins again with the first rest; whether there was any since the last time.
    pub const fn reset(&mut self) -> bool {
        std::mem::replace(&mut self.attempts, 0) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(30);

    #[test]
    fn rests_double_up_to_the_longest_and_begin_again_after_a_reset() {
        let mut backoff = Backoff::new(FIRST, LONGEST);
        let mut next = || backoff.next(u32::MAX).as_millis();
        assert_eq!([next(), next(), next()], [100, 200, 400]);
        for _ in 0..100 {
            next();
        }
        assert_eq!(next(), 30_000);
        assert!(backoff.reset() && !backoff.reset());
        assert_eq!(backoff.next(u32::MAX), FIRST);
    }

    proptest! {
        #[test]
        fn jitter_takes_away_half_at_most(attempts in 0_u32..200, random in any::<u32>()) {
            let mut backoff = Backoff::new(FIRST, LONGEST);
            let mut twin = backoff.clone();
            for _ in 0..attempts {
                let _rest = backoff.next(0);
                let _rest = twin.next(0);
            }
            let (rest, whole) = (backoff.next(random), twin.next(u32::MAX));
            prop_assert!(rest <= whole && rest + Duration::from_micros(1) >= whole / 2);
        }
    }
}
