//! Limits: how many requests of one key pass in a time.
//!
//! In: the numbers of a limit, then keys with the receive times of their requests, on a clock that
//! never goes back. Out: whether a key is over its limit. What always holds: a key never passes more
//! often than its burst and its rate allow; refused requests do not prolong the wait; a key that is
//! known touches no heap, and one ask does a bounded amount of work. A clock that does go back does no
//! harm.
//!
//! The rule is GCRA, told by the time at which a key has recovered: a request that passes moves it one
//! step on, from now or from where it was, and passes only if it stays within a burst of steps from
//! now. Keys are kept as 64-bit hashes under a secret of the process.

use crate::call::Provider;
use parking_lot::Mutex;
use std::cmp::Reverse;
use std::collections::hash_map::{Entry, RandomState};
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// The numbers of a limit. Counts go on through a reload that leaves them alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// Requests per `per`; 1 at least.
    pub allow: u32,
    /// Period.
    pub per: Duration,
    /// Requests that pass at once; 1 at least.
    pub burst: u32,
    /// Most keys kept.
    pub max_keys: u32,
}

/// A part of a key. An absent field is an empty part of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPart<'a> {
    /// A text.
    Text(&'a str),
    /// An integer.
    Int(i64),
    /// A boolean.
    Bool(bool),
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It passes and was counted.
    Under,
    /// Its key is over the limit; it was not counted.
    Over,
    /// Its key is new and there is no room for it; it was not counted.
    Full,
}

impl Asked {
    /// Whether the rule matches. `full_matches` is `when_full` of the limit, which is no number: it may
    /// change while the counts go on.
    #[must_use]
    pub fn matches(self, full_matches: bool) -> bool {
        match self {
            Self::Under => false,
            Self::Over => true,
            Self::Full => full_matches,
        }
    }
}

/// The counts of one rule under its limit.
#[derive(Debug)]
pub struct Limiter {
    numbers: Numbers,
    /// Time that one request takes to recover, in nanoseconds.
    step: u64,
    /// How far behind now a key may recover.
    ahead_max: u64,
    secret: RandomState,
    /// Number of keys, those that are about to be added included.
    keys: AtomicUsize,
    shards: [Shard; SHARDS],
}

/// Workers that ask about different keys seldom wait for each other.
const SHARDS: usize = 16;

/// Keys that one ask looks at most at to make room. Each that turns out to be busy is put back at its
/// right place, where nothing looks at it before it has recovered, so that asks that follow get on.
const LOOKS_MAX: usize = 256;

/// Nobody waits longer than this to recover (146 years), whatever the numbers say: times of a clock
/// and this fit one integer.
const AHEAD_MAX: u64 = 1 << 62;

/// On a cache line of its own.
#[derive(Debug)]
#[repr(align(64))]
struct Shard {
    /// No key of it has recovered before. Written under the lock.
    earliest: AtomicU64,
    keys: Mutex<Keys>,
}

#[derive(Debug, Default)]
struct Keys {
    /// By key: when it has recovered.
    recovered: HashMap<u64, u64, BuildHasherDefault<AsItIs>>,
    /// Every key once, with a time at which it had not recovered yet, or just has.
    order: BinaryHeap<Reverse<(u64, u64)>>,
}

impl Limiter {
    /// A limit that nobody has asked yet.
    #[must_use]
    pub fn new(numbers: Numbers) -> Self {
        let step = numbers.per.as_nanos() / u128::from(numbers.allow.max(1));
        let ahead_max = (step * u128::from(numbers.burst)).min(AHEAD_MAX.into());
        let small = |nanoseconds| u64::try_from(nanoseconds).unwrap_or(AHEAD_MAX);
        Self {
            numbers,
            step: small(step),
            ahead_max: small(ahead_max),
            secret: RandomState::new(),
            keys: AtomicUsize::new(0),
            shards: std::array::from_fn(|_| Shard {
                earliest: AtomicU64::new(u64::MAX),
                keys: Mutex::default(),
            }),
        }
    }

    /// Whether the limit has these numbers, so that its counts go on.
    #[must_use]
    pub fn same_numbers(&self, numbers: Numbers) -> bool {
        self.numbers == numbers
    }

    /// Its numbers.
    #[must_use]
    pub const fn numbers(&self) -> Numbers {
        self.numbers
    }

    /// Asks for one request of a key, and counts it if it passes. `now_ns` is nanoseconds since any
    /// moment. A limit whose parts are all absent is not asked.
    pub fn ask(&self, key: &[KeyPart<'_>], provider: Provider, now_ns: u64) -> Asked {
        let key = self.hash(key, provider);
        // Maps take the lowest and the highest bits.
        let home = usize::try_from(key >> 32 & 0xffff).expect("16 bits") % SHARDS;
        let shard = &self.shards[home];
        let first = now_ns.saturating_add(self.step);
        {
            let mut keys = shard.keys.lock();
            if let Some(recovered) = keys.recovered.get_mut(&key) {
                return self.count(recovered, now_ns);
            }
            if self.step > self.ahead_max {
                return Asked::Over;
            }
            if self.take_place() {
                shard.add(&mut keys, key, first);
                return Asked::Under;
            }
        }
        if !self.make_room(home, now_ns) {
            return Asked::Full;
        }
        let mut keys = shard.keys.lock();
        if let Some(recovered) = keys.recovered.get_mut(&key) {
            // Another worker was faster with the same key; the place is free for the next one.
            self.keys.fetch_sub(1, Ordering::Relaxed);
            return self.count(recovered, now_ns);
        }
        shard.add(&mut keys, key, first);
        Asked::Under
    }

    fn hash(&self, key: &[KeyPart<'_>], provider: Provider) -> u64 {
        let mut hasher = self.secret.build_hasher();
        hasher.write_u8(match provider {
            Provider::OpenIm => 0,
            Provider::Tencent => 1,
        });
        // Type and length stand in front, so that no two keys are one row of bytes.
        for part in key {
            match *part {
                KeyPart::Text(text) => {
                    hasher.write_u8(0);
                    hasher.write_usize(text.len());
                    hasher.write(text.as_bytes());
                }
                KeyPart::Int(int) => {
                    hasher.write_u8(1);
                    hasher.write_i64(int);
                }
                KeyPart::Bool(bool) => {
                    hasher.write_u8(2);
                    hasher.write_u8(bool.into());
                }
            }
        }
        hasher.finish()
    }

    #[inline]
    fn count(&self, recovered: &mut u64, now_ns: u64) -> Asked {
        let next = (*recovered).max(now_ns).saturating_add(self.step);
        if next - now_ns > self.ahead_max {
            return Asked::Over;
        }
        *recovered = next;
        Asked::Under
    }

    /// Takes a place for one more key, if there is one.
    fn take_place(&self) -> bool {
        let max = usize::try_from(self.numbers.max_keys).unwrap_or(usize::MAX);
        let more = |keys: usize| (keys < max).then_some(keys + 1);
        self.keys.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Lets a key go that has recovered, from the shard `home` on; its place is the caller's.
    fn make_room(&self, home: usize, now_ns: u64) -> bool {
        let mut looks = LOOKS_MAX;
        let shards = self.shards.iter().cycle().skip(home).take(SHARDS);
        for shard in shards.filter(|shard| shard.earliest.load(Ordering::Relaxed) <= now_ns) {
            let mut keys = shard.keys.lock();
            let removed = keys.remove_recovered(now_ns, &mut looks);
            let next = keys.order.peek().map_or(u64::MAX, |Reverse((time, _))| *time);
            shard.earliest.store(next, Ordering::Relaxed);
            if removed || looks == 0 {
                return removed;
            }
        }
        false
    }
}

impl Shard {
    /// Adds a new key, whose place is taken.
    fn add(&self, keys: &mut Keys, key: u64, recovered: u64) {
        keys.recovered.insert(key, recovered);
        keys.order.push(Reverse((recovered, key)));
        if recovered < self.earliest.load(Ordering::Relaxed) {
            self.earliest.store(recovered, Ordering::Relaxed);
        }
    }
}

impl Keys {
    /// Removes a key that has recovered by now, if one is found in so many looks.
    fn remove_recovered(&mut self, now_ns: u64, looks: &mut usize) -> bool {
        while *looks > 0 {
            let Some(mut first) = self.order.peek_mut() else { return false };
            let Reverse((time, key)) = *first;
            if time > now_ns {
                return false;
            }
            *looks -= 1;
            match self.recovered.entry(key) {
                Entry::Occupied(entry) if *entry.get() > now_ns => {
                    // It was asked since; here is its place now.
                    *first = Reverse((*entry.get(), key));
                }
                entry => {
                    std::collections::binary_heap::PeekMut::pop(first);
                    if let Entry::Occupied(entry) = entry {
                        entry.remove();
                    }
                    return true;
                }
            }
        }
        false
    }
}

/// Keys are hashes already.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    fn numbers(allow: u32, per_ms: u64, burst: u32, max_keys: u32) -> Numbers {
        Numbers { allow, per: Duration::from_millis(per_ms), burst, max_keys }
    }

    fn ask(limiter: &Limiter, key: i64, now_ns: u64) -> Asked {
        limiter.ask(&[KeyPart::Int(key)], Provider::OpenIm, now_ns)
    }

    #[test]
    fn the_burst_passes_at_once_then_one_every_step() {
        let limiter = Limiter::new(numbers(2, 1000, 3, 10));
        let at = |half_seconds: u64| ask(&limiter, 1, half_seconds * SECOND / 2);
        assert_eq!(
            [at(0), at(0), at(0), at(0)].map(|asked| asked == Asked::Under),
            [true, true, true, false]
        );
        assert_eq!((at(1), at(1)), (Asked::Under, Asked::Over));
        assert_eq!(ask(&limiter, 1, SECOND - 1), Asked::Over);
        assert_eq!((at(2), at(2)), (Asked::Under, Asked::Over));
        // Long after, the burst is there again, and no more.
        assert_eq!([0; 4].map(|_| at(100) == Asked::Under), [true, true, true, false]);
    }

    #[test]
    fn refused_requests_do_not_prolong_the_wait() {
        let limiter = Limiter::new(numbers(1, 1000, 1, 10));
        assert_eq!(ask(&limiter, 1, 0), Asked::Under);
        assert!((1..SECOND).step_by(1_000_003).all(|now| ask(&limiter, 1, now) == Asked::Over));
        assert_eq!(ask(&limiter, 1, SECOND), Asked::Under);
    }

    #[test]
    fn steps_are_whole_nanoseconds() {
        // 10 ms by 3 are 3,333,333 ns.
        let limiter = Limiter::new(numbers(3, 10, 1, 10));
        assert_eq!(ask(&limiter, 1, 0), Asked::Under);
        assert_eq!(ask(&limiter, 1, 3_333_332), Asked::Over);
        assert_eq!(ask(&limiter, 1, 3_333_333), Asked::Under);
    }

    #[test]
    fn keys_and_providers_count_by_themselves() {
        use KeyPart::{Bool, Int, Text};
        let keys: &[&[KeyPart<'_>]] = &[
            &[Text("")],
            &[Text(""), Text("")],
            &[Text("ab"), Text("c")],
            &[Text("a"), Text("bc")],
            &[Text("abc")],
            &[Text("1")],
            &[Int(1)],
            &[Int(0)],
            &[Int(-1)],
            &[Bool(true)],
            &[Bool(false)],
            &[Text("\0\0\0\0\0\0\0\0")],
            &[Bool(true), Int(1)],
            &[Int(1), Bool(true)],
        ];
        let limiter = Limiter::new(numbers(1, 1000, 1, 100));
        for expected in [Asked::Under, Asked::Over] {
            for provider in Provider::ALL {
                for key in keys {
                    assert_eq!(limiter.ask(key, provider, 5), expected, "{key:?}");
                }
            }
        }
    }

    #[test]
    fn a_full_limit_lets_keys_go_that_have_recovered() {
        let limiter = Limiter::new(numbers(1, 1000, 2, 2));
        assert_eq!(ask(&limiter, 1, 0), Asked::Under);
        assert_eq!(ask(&limiter, 2, 0), Asked::Under);
        assert_eq!(ask(&limiter, 2, 0), Asked::Under);
        assert_eq!(ask(&limiter, 3, SECOND - 1), Asked::Full);
        // 1 has recovered, 2 has not.
        assert_eq!(ask(&limiter, 3, SECOND), Asked::Under);
        assert_eq!(ask(&limiter, 4, SECOND), Asked::Full);
        assert_eq!(ask(&limiter, 2, SECOND), Asked::Under);
        assert_eq!(ask(&limiter, 2, SECOND), Asked::Over);
        assert_eq!(limiter.keys.load(Ordering::Relaxed), 2);
        assert!(!Asked::Full.matches(false) && Asked::Full.matches(true));
        assert!(!Asked::Under.matches(true) && Asked::Over.matches(false));
    }

    #[test]
    fn many_busy_keys_in_front_are_put_back_in_bounded_steps() {
        let limiter = Limiter::new(numbers(1, 1000, 100, 20_000));
        for key in 0..20_000 {
            assert_eq!(ask(&limiter, key, 0), Asked::Under);
        }
        // All but one stay busy; that one recovers at one second.
        for key in 1..20_000 {
            assert_eq!(ask(&limiter, key, 1), Asked::Under);
        }
        let asks =
            (0..200).take_while(|n| ask(&limiter, 30_000 + n, SECOND) == Asked::Full).count();
        assert!(asks <= 20_000 / LOOKS_MAX + 1, "{asks}");
        assert_eq!(ask(&limiter, 40_000, SECOND), Asked::Full);
        let kept = |shard: &Shard| {
            let keys = shard.keys.lock();
            (keys.recovered.len(), keys.order.len())
        };
        let (kept, ordered): (Vec<_>, Vec<_>) = limiter.shards.iter().map(kept).unzip();
        assert_eq!((kept.iter().sum::<usize>(), kept == ordered), (20_000, true));
    }

    #[test]
    fn the_largest_numbers_do_no_harm() {
        let limiter = Limiter::new(numbers(1, 86_400_000, 1_000_000, 1));
        for _ in 0..60_000 {
            // 146 years of days.
            if ask(&limiter, 1, 1) == Asked::Over {
                break;
            }
        }
        assert_eq!(ask(&limiter, 1, 1), Asked::Over);
        let limiter = Limiter::new(numbers(1_000_000, 10, 1_000_000, 1));
        assert_eq!(ask(&limiter, 1, u64::MAX), Asked::Under);
        assert_eq!(ask(&limiter, 1, u64::MAX), Asked::Under);
        assert_eq!(ask(&limiter, 1, 0), Asked::Over);
    }

    #[test]
    fn counts_go_on_while_the_numbers_stay() {
        let limiter = Limiter::new(numbers(1, 1000, 1, 10));
        assert!(limiter.same_numbers(numbers(1, 1000, 1, 10)));
        for other in [
            numbers(2, 1000, 1, 10),
            numbers(1, 999, 1, 10),
            numbers(1, 1000, 2, 10),
            numbers(1, 1000, 1, 9),
        ] {
            assert!(!limiter.same_numbers(other));
        }
    }

    #[test]
    fn a_known_key_touches_no_heap() {
        let limiter = Limiter::new(numbers(1, 1000, 2, 10));
        let key = [KeyPart::Text("user 1"), KeyPart::Int(7)];
        assert_eq!(limiter.ask(&key, Provider::Tencent, 0), Asked::Under);
        let mut asked = Vec::with_capacity(2);
        let count = allocation_counter::measure(|| {
            asked.push(limiter.ask(&key, Provider::Tencent, 1));
            asked.push(limiter.ask(&key, Provider::Tencent, 1));
        });
        assert_eq!((count.count_total, &asked[..]), (0, &[Asked::Under, Asked::Over][..]));
    }

    #[test]
    fn workers_together_pass_no_more_than_the_burst_and_keep_no_more_keys_than_allowed() {
        let limiter = Limiter::new(numbers(1, 1000, 50, 8));
        let passed = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for worker in 0..4_u64 {
                let (limiter, passed) = (&limiter, &passed);
                scope.spawn(move || {
                    for n in 0..5000 {
                        // All ask for one key at one time, and for keys that come and go before that.
                        let under = ask(limiter, -1, u64::MAX / 2) == Asked::Under;
                        passed.fetch_add(under.into(), Ordering::Relaxed);
                        let now = n * 2 * SECOND + worker;
                        ask(limiter, i64::try_from(n * 3 + worker / 2).unwrap(), now);
                    }
                });
            }
        });
        assert_eq!(passed.load(Ordering::Relaxed), 50);
        let kept: usize = limiter.shards.iter().map(|s| s.keys.lock().recovered.len()).sum();
        assert_eq!((kept, kept <= 8), (limiter.keys.load(Ordering::Relaxed), true));
    }

    /// Word for word what the design says; keys that have recovered are as good as gone.
    struct Model {
        numbers: Numbers,
        stored: HashMap<i64, u128>,
    }

    impl Model {
        fn ask(&mut self, key: i64, t: u128) -> Asked {
            let step = self.numbers.per.as_nanos() / u128::from(self.numbers.allow);
            self.stored.retain(|_, stored| *stored > t);
            let full = self.stored.len() >= self.numbers.max_keys as usize;
            if full && !self.stored.contains_key(&key) {
                return Asked::Full;
            }
            let new = self.stored.get(&key).copied().unwrap_or_default().max(t) + step;
            if new - t > u128::from(self.numbers.burst) * step {
                return Asked::Over;
            }
            self.stored.insert(key, new);
            Asked::Under
        }
    }

    fn any_numbers() -> impl Strategy<Value = Numbers> {
        (1..20_u32, 10..2000_u64, 1..20_u32, 1..6_u32)
            .prop_map(|(allow, per, burst, max_keys)| numbers(allow, per, burst, max_keys))
    }

    proptest! {
        #[test]
        fn a_limit_is_the_formula(
            numbers in any_numbers(),
            asks in proptest::collection::vec((0..8_i64, 0..500_000_000_u64, any::<bool>()), 1..300),
        ) {
            let limiter = Limiter::new(numbers);
            let mut model = Model { numbers, stored: HashMap::new() };
            let mut now = 0;
            for (key, later, at_once) in asks {
                now += if at_once { 0 } else { later };
                prop_assert_eq!(ask(&limiter, key, now), model.ask(key, now.into()));
            }
        }

        /// Whatever the clock does, also back: between two moments no more pass than the burst and what
        /// the rate gives in the widest time seen.
        #[test]
        fn no_more_pass_than_burst_and_rate_allow(
            numbers in any_numbers(),
            times in proptest::collection::vec(0..20_000_000_000_u64, 1..400),
        ) {
            let limiter = Limiter::new(Numbers { max_keys: 10, ..numbers });
            let passed = times.iter().filter(|now| ask(&limiter, 1, **now) == Asked::Under).count();
            let step = numbers.per.as_nanos() / u128::from(numbers.allow);
            let widest = times.iter().max().unwrap() - times.iter().min().unwrap();
            let allowed = u128::from(numbers.burst) + u128::from(widest) / step;
            prop_assert!(passed as u128 <= allowed, "{} of {}", passed, allowed);
        }
    }
}
