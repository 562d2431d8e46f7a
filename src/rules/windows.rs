//! Windows of time: hours of the week on the wall clock of a zone.
//!
//! In: a window as the rule file has it, then points in time. Out: whether each is inside. What always
//! holds: the answer depends on the time alone, whatever was asked before and in whatever order; what
//! is remembered is only how long the last answer stays true. No clock is read here.

use super::problem::did_you_mean;
use super::source::file::WindowDef;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::sync::atomic::{AtomicU64, Ordering};

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// A window, ready to be asked.
#[derive(Debug)]
pub struct Window {
    zone: TimeZone,
    days: [bool; 7],
    from: u16,
    to: u16,
    /// The last [`Answer`] that was worked out.
    known: AtomicU64,
}

impl Window {
    /// The window in the bundled data of zones, which knows no machine's own.
    ///
    /// # Errors
    /// There is no such zone; the message names the one that may be meant. Or the window begins and
    /// ends at one time.
    pub fn new(def: &WindowDef) -> Result<Self, String> {
        if def.from == def.to {
            return Err("a window cannot end at the time it begins".to_owned());
        }
        let zones = TimeZoneDatabase::bundled();
        let name = &*def.tz.value;
        let zone = zones.get(name).ok().filter(|zone| !zone.is_unknown());
        let zone = zone.ok_or_else(|| {
            let names: Vec<String> = zones.available().map(|name| name.to_string()).collect();
            let near = did_you_mean(name, names.iter().map(String::as_str));
            format!("there is no time zone {name:?}{near}")
        })?;
        let known = AtomicU64::new(Answer::NONE.0);
        Ok(Self { zone, days: def.days, from: def.from, to: def.to, known })
    }

    /// Whether the time, in Unix milliseconds, is inside.
    #[inline]
    #[must_use]
    pub fn inside(&self, now_ms: i64) -> bool {
        let second = now_ms.div_euclid(1000);
        let known = Answer(self.known.load(Ordering::Relaxed));
        if known.is_about(second) { known.is_inside() } else { self.look(second) }
    }

    /// Works it out, and how long it stays true.
    #[cold]
    fn look(&self, second: i64) -> bool {
        let (first, last) = (Timestamp::MIN, Timestamp::MAX);
        let instant = second.clamp(first.as_second(), last.as_second());
        let instant = Timestamp::from_second(instant).expect("between the first and the last");
        let local = self.zone.to_datetime(instant);
        let inside = self.is_inside(local);
        let (since, until) = self.stretch(second, instant, local);
        if let Some(answer) = Answer::new(since, until, inside) {
            self.known.store(answer.0, Ordering::Relaxed);
        }
        inside
    }

    /// Whether this time of the zone's wall clock is inside.
    fn is_inside(&self, local: DateTime) -> bool {
        let today = usize::try_from(local.weekday().to_monday_zero_offset()).expect("0 to 6");
        let yesterday = (today + 6) % 7;
        let minute = minute(local);
        if self.from < self.to {
            self.days[today] && (self.from..self.to).contains(&minute)
        } else {
            self.days[today] && minute >= self.from || self.days[yesterday] && minute < self.to
        }
    }

    /// A stretch of seconds around `second` in which the answer is the same: without a change of the
    /// zone's offset, and on the wall clock without midnight or an end of the window.
    fn stretch(&self, second: i64, instant: Timestamp, local: DateTime) -> (i64, i64) {
        let minute = minute(local);
        let edges = [0, self.from, self.to, DAY];
        let before = edges.into_iter().filter(|edge| *edge <= minute).max().unwrap_or(0);
        let behind = edges.into_iter().filter(|edge| *edge > minute).min().unwrap_or(DAY);
        let of_day = i64::from(minute) * 60 + i64::from(local.second());
        let mut since = second.saturating_add(i64::from(before) * 60 - of_day);
        let mut until = second.saturating_add(i64::from(behind) * 60 - of_day);
        // Changes come at whole seconds, the last one may be at this very one.
        let next = instant.saturating_add(jiff::SignedDuration::from_secs(1)).unwrap_or(instant);
        if let Some(change) = self.zone.preceding(next).next() {
            since = since.max(change.timestamp().as_second());
        }
        if let Some(change) = self.zone.following(instant).next() {
            until = until.min(change.timestamp().as_second());
        }
        (since, until)
    }
}

fn minute(local: DateTime) -> u16 {
    let part = |part: i8| u16::try_from(part).expect("hours and minutes are not negative");
    part(local.hour()) * 60 + part(local.minute())
}

/// That all seconds from one on, so many, are inside or outside, in one integer so that it is read and
/// written at once: 34 bits for the Unix second (until the year 2514), 29 for the number, 1 for inside.
#[derive(Clone, Copy)]
struct Answer(u64);

impl Answer {
    /// It is about no second.
    const NONE: Self = Self(0);
    const LENGTH_BITS: u32 = 29;
    const START_BITS: u32 = 34;

    /// `None` where the bits do not hold it.
    fn new(since: i64, until: i64, inside: bool) -> Option<Self> {
        let start = u64::try_from(since).ok().filter(|start| *start < 1 << Self::START_BITS)?;
        let length = u64::try_from(until.saturating_sub(since)).ok();
        let length = length.filter(|length| *length < 1 << Self::LENGTH_BITS)?;
        Some(Self(start << (Self::LENGTH_BITS + 1) | length << 1 | u64::from(inside)))
    }

    #[inline]
    fn is_about(self, second: i64) -> bool {
        // Before the start it wraps to more than any length.
        second.cast_unsigned().wrapping_sub(self.0 >> (Self::LENGTH_BITS + 1)) < self.length()
    }

    fn length(self) -> u64 {
        self.0 >> 1 & ((1 << Self::LENGTH_BITS) - 1)
    }

    fn is_inside(self) -> bool {
        self.0 & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::problem::Position;
    use crate::rules::source::file::{At, Text, TextLayout};
    use proptest::prelude::*;

    const WEEK: [bool; 7] = [true; 7];
    const FRIDAY: [bool; 7] = [false, false, false, false, true, false, false];

    fn def(tz: &str, days: [bool; 7], from: u16, to: u16) -> WindowDef {
        let at = Position::START;
        WindowDef {
            name: At { value: "w".into(), at },
            tz: Text { value: tz.into(), at, layout: TextLayout::Line },
            days,
            from,
            to,
        }
    }

    fn window(tz: &str, days: [bool; 7], from: &str, to: &str) -> Window {
        let minute = |text: &str| {
            let (hour, minute) = text.split_once(':').unwrap();
            hour.parse::<u16>().unwrap() * 60 + minute.parse::<u16>().unwrap()
        };
        Window::new(&def(tz, days, minute(from), minute(to))).unwrap()
    }

    fn ms(time: &str) -> i64 {
        time.parse::<Timestamp>().unwrap().as_millisecond()
    }

    /// Asks about each time in both orders.
    fn check(window: &Window, times: &[(&str, bool)]) {
        for (time, inside) in times.iter().chain(times.iter().rev()) {
            assert_eq!(window.inside(ms(time)), *inside, "{time}");
        }
    }

    #[test]
    fn a_window_has_its_first_minute_and_not_its_last() {
        let window = window("Asia/Shanghai", WEEK, "09:00", "18:00");
        check(
            &window,
            &[
                ("2025-03-05T08:59:59.999+08:00", false),
                ("2025-03-05T09:00:00+08:00", true),
                ("2025-03-05T17:59:59.999+08:00", true),
                ("2025-03-05T18:00:00+08:00", false),
            ],
        );
    }

    #[test]
    fn one_over_midnight_belongs_to_the_day_it_begins() {
        let of_friday = window("Asia/Shanghai", FRIDAY, "22:00", "07:00");
        check(
            &of_friday,
            &[
                ("2025-03-07T06:00:00+08:00", false),
                ("2025-03-07T21:59:00+08:00", false),
                ("2025-03-07T22:00:00+08:00", true),
                ("2025-03-08T00:00:00+08:00", true),
                ("2025-03-08T06:59:59+08:00", true),
                ("2025-03-08T07:00:00+08:00", false),
                ("2025-03-08T23:00:00+08:00", false),
            ],
        );
        // Sunday's goes on into Monday.
        let sunday = [false, false, false, false, false, false, true];
        let of_sunday = window("UTC", sunday, "22:00", "07:00");
        check(&of_sunday, &[("2025-03-10T03:00:00Z", true), ("2025-03-09T03:00:00Z", false)]);
    }

    #[test]
    fn twenty_four_hours_end_with_the_day() {
        let evening = window("UTC", FRIDAY, "18:00", "24:00");
        check(&evening, &[("2025-03-07T23:59:59.999Z", true), ("2025-03-08T00:00:00Z", false)]);
        let all_day = window("UTC", FRIDAY, "00:00", "24:00");
        check(
            &all_day,
            &[
                ("2025-03-06T23:59:59.999Z", false),
                ("2025-03-07T00:00:00Z", true),
                ("2025-03-07T12:00:00Z", true),
                ("2025-03-08T00:00:00Z", false),
            ],
        );
        let until_midnight = window("UTC", FRIDAY, "18:00", "00:00");
        check(&until_midnight, &[("2025-03-07T23:59:59Z", true), ("2025-03-08T00:00:00Z", false)]);
    }

    #[test]
    fn an_hour_that_daylight_saving_repeats_is_inside_twice() {
        let hour = window("America/New_York", WEEK, "01:00", "02:00");
        check(
            &hour,
            &[
                ("2024-11-03T00:59:59-04:00", false),
                ("2024-11-03T01:30:00-04:00", true),
                ("2024-11-03T01:59:59-04:00", true),
                ("2024-11-03T01:00:00-05:00", true),
                ("2024-11-03T01:59:59-05:00", true),
                ("2024-11-03T02:00:00-05:00", false),
            ],
        );
        let quarter = window("America/New_York", WEEK, "01:30", "01:45");
        check(
            &quarter,
            &[
                ("2024-11-03T01:44:59-04:00", true),
                ("2024-11-03T01:50:00-04:00", false),
                ("2024-11-03T01:00:00-05:00", false),
                ("2024-11-03T01:30:00-05:00", true),
                ("2024-11-03T01:45:00-05:00", false),
            ],
        );
    }

    #[test]
    fn an_hour_that_daylight_saving_leaves_out_never_comes() {
        let never = window("America/New_York", WEEK, "02:00", "03:00");
        check(
            &never,
            &[
                ("2024-03-10T01:59:59-05:00", false),
                ("2024-03-10T03:00:00-04:00", false),
                ("2024-03-11T02:30:00-04:00", true),
            ],
        );
        let until_half_past = window("America/New_York", WEEK, "01:00", "02:30");
        check(
            &until_half_past,
            &[("2024-03-10T01:59:59-05:00", true), ("2024-03-10T03:00:00-04:00", false)],
        );
    }

    #[test]
    fn a_zone_that_does_not_exist_is_named_with_the_one_that_may_be_meant() {
        let error = |tz| Window::new(&def(tz, WEEK, 0, DAY)).err();
        assert_eq!(
            error("Asia/Shangai").as_deref(),
            Some(r#"there is no time zone "Asia/Shangai", did you mean "Asia/Shanghai"?"#)
        );
        for unknown in ["", "Mars/Olympus_Mons", "Etc/Unknown", "+08:00", "CST6CDT,M3.2.0"] {
            assert!(error(unknown).is_some_and(|error| error.contains(unknown)), "{unknown}");
        }
        for known in ["UTC", "Etc/GMT-8", "Asia/Kathmandu", "Europe/Dublin", "asia/shanghai"] {
            assert_eq!(error(known), None, "{known}");
        }
        assert!(Window::new(&def("UTC", WEEK, 60, 60)).is_err());
    }

    #[test]
    fn times_beyond_the_calendar_do_no_harm() {
        let window = window("Europe/Dublin", WEEK, "00:00", "24:00");
        for time in [i64::MIN, -1, 0, 1 << 45, i64::MAX] {
            assert!(window.inside(time), "{time}");
        }
    }

    #[test]
    fn what_was_worked_out_is_asked_again_without_looking() {
        let window = window("Europe/Berlin", WEEK, "08:00", "20:00");
        assert!(window.inside(ms("2025-03-05T12:00:00+01:00")));
        let known = Answer(window.known.load(Ordering::Relaxed));
        let second = |time| ms(time) / 1000;
        assert!(known.is_inside());
        assert!(known.is_about(second("2025-03-05T08:00:00+01:00")));
        assert!(known.is_about(second("2025-03-05T19:59:59+01:00")));
        assert!(!known.is_about(second("2025-03-05T20:00:00+01:00")));
        assert!(!known.is_about(second("2025-03-05T07:59:59+01:00")));
        assert!(!known.is_about(i64::MIN) && !known.is_about(i64::MAX));
    }

    /// Word for word what the design says, with nothing remembered.
    fn naive(def: &WindowDef, now_ms: i64) -> bool {
        let zone = TimeZone::get(&def.tz.value).unwrap();
        let local = Timestamp::from_millisecond(now_ms).unwrap().to_zoned(zone);
        let minute = i64::from(local.hour()) * 60 + i64::from(local.minute());
        let (from, to) = (i64::from(def.from), i64::from(def.to));
        let day = i64::from(local.weekday().to_monday_zero_offset());
        // The window of today, and that of yesterday as far as it reaches into today.
        [0, 1].into_iter().any(|ago| {
            let begins = usize::try_from((day - ago).rem_euclid(7)).unwrap();
            let to = if to > from { to } else { to + 1440 };
            let minute = minute + ago * 1440;
            def.days[begins] && from <= minute && minute < to
        })
    }

    const ZONES: &[&str] = &[
        "Asia/Shanghai",
        "America/New_York",
        "America/Sao_Paulo",
        "Europe/Dublin",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "Africa/Monrovia",
        "Asia/Kathmandu",
        "Asia/Gaza",
        "Pacific/Apia",
        "Pacific/Chatham",
        "America/Havana",
        "Antarctica/Troll",
        "Europe/Amsterdam",
        "UTC",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn a_window_is_what_a_naive_look_at_the_wall_clock_says(
            zone in proptest::sample::select(ZONES),
            days: [bool; 7],
            (from, to) in (0..DAY, 0..=DAY).prop_filter("not empty", |(from, to)| from != to),
            year in 1960..2060_i64,
            change in 0..3_usize,
            steps in proptest::collection::vec((-100_000..100_000_i64, any::<bool>()), 1..80),
        ) {
            let def = def(zone, days, from, to);
            let window = Window::new(&def).unwrap();
            let start = (year - 1970) * 31_556_952_000;
            let at = Timestamp::from_millisecond(start).unwrap();
            // Around a change of the zone's offset, if it has one, or any time.
            let changes = TimeZone::get(zone).unwrap();
            let middle = changes.following(at).nth(change).map_or(start, |c| c.timestamp().as_millisecond());
            let mut now = middle;
            for (seconds, go_on) in steps {
                now = if go_on { now } else { middle } + seconds * 777;
                prop_assert_eq!(window.inside(now), naive(&def, now), "{}", Timestamp::from_millisecond(now).unwrap());
            }
        }
    }

    #[test]
    fn every_minute_around_every_change_is_right() {
        for zone in ZONES {
            let changes = TimeZone::get(zone).unwrap();
            for (days, from, to) in [
                (WEEK, 90, 150),
                (FRIDAY, 1380, 90),
                ([true, false, true, false, true, false, true], 0, DAY),
            ] {
                let def = def(zone, days, from, to);
                let window = Window::new(&def).unwrap();
                let begin = Timestamp::from_second(1_300_000_000).unwrap();
                for change in changes.following(begin).take(4) {
                    let middle = change.timestamp().as_millisecond();
                    for minute in -200..200 {
                        for second in [-1, 0] {
                            let now = middle + minute * 60_000 + second;
                            assert_eq!(window.inside(now), naive(&def, now), "{zone} {now}");
                        }
                    }
                }
            }
        }
    }
}
