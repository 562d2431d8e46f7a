//! Log lines at a bounded rate: so many a second per reason, with the count of those held back.

use super::metrics::REFUSALS;
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// The time in which a gate lets through one line, or as many as it was made for.
const INTERVAL: Duration = Duration::from_secs(1);

/// Gate in front of one kind of log line.
#[derive(Debug)]
pub struct Limiter {
    lines: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the interval began, and how many lines it had.
    since: Option<Instant>,
    passed: u32,
    held_back: u64,
}

impl Default for Limiter {
    fn default() -> Self {
        Self::lines(1)
    }
}

impl Limiter {
    /// A gate that is open, for one line a second.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same for so many lines a second.
    #[must_use]
    pub fn lines(lines: u32) -> Self {
        Self { lines, state: Mutex::default() }
    }

    /// Whether to log now, and how many happened since the last line, this one included.
    pub fn pass(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock();
        state.held_back += 1;
        if state.since.is_none_or(|since| now.duration_since(since) >= INTERVAL) {
            (state.since, state.passed) = (Some(now), 0);
        }
        if state.passed == self.lines {
            return None;
        }
        state.passed += 1;
        Some(std::mem::take(&mut state.held_back))
    }
}

/// Gates in front of the log lines about refusals, one for each reason: a flood of one must not hide
/// the first of another.
#[derive(Debug, Default)]
pub struct ReasonLimiters([Limiter; REFUSALS.len()]);

impl ReasonLimiters {
    /// Gates that are open.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`Limiter::pass`] for one of [`REFUSALS`]; other words share a gate.
    pub fn pass(&self, reason: &str, now: Instant) -> Option<u64> {
        let known = REFUSALS.iter().position(|known| *known == reason);
        self.0[known.unwrap_or(REFUSALS.len() - 1)].pass(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_with_the_count_of_all() {
        let limiter = Limiter::new();
        let start = crate::clock::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(limiter.pass(at(0)), Some(1));
        assert_eq!((limiter.pass(at(10)), limiter.pass(at(999))), (None, None));
        assert_eq!(limiter.pass(at(1000)), Some(3));
    }

    #[test]
    fn several_lines_a_second_where_each_one_counts() {
        let limiter = Limiter::lines(2);
        let start = crate::clock::now();
        let pass = |ms| limiter.pass(start + Duration::from_millis(ms));
        assert_eq!([pass(0), pass(1), pass(2), pass(3)], [Some(1), Some(1), None, None]);
        assert_eq!([pass(1000), pass(1001), pass(1999)], [Some(3), Some(1), None]);
    }

    #[test]
    fn a_flood_of_one_reason_does_not_hide_another() {
        let limiters = ReasonLimiters::new();
        let now = crate::clock::now();
        assert_eq!((limiters.pass("slow", now), limiters.pass("slow", now)), (Some(1), None));
        assert_eq!(limiters.pass("journal", now), Some(1));
    }
}
