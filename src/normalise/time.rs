//! Times as events write them: `2024-12-31T23:59:59.500Z`.

use time::OffsetDateTime;

/// Length of the written form, for years of four digits.
const LENGTH: usize = 24;

/// Appends `ms` (Unix milliseconds) in UTC with milliseconds.
pub fn push_rfc3339(ms: i64, out: &mut Vec<u8>) {
    let Ok(at) = OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000)) else {
        // Outside of years that can be written: only a broken clock gets here.
        return push_rfc3339(0, out);
    };
    let millis = u32::try_from(ms.rem_euclid(1000)).expect("below a thousand");
    let year = at.year().unsigned_abs();
    let mut text = *b"0000-00-00T00:00:00.000Z";
    text[0..2].copy_from_slice(&pair(year / 100));
    text[2..4].copy_from_slice(&pair(year % 100));
    text[5..7].copy_from_slice(&pair(u32::from(u8::from(at.month()))));
    text[8..10].copy_from_slice(&pair(u32::from(at.day())));
    text[11..13].copy_from_slice(&pair(u32::from(at.hour())));
    text[14..16].copy_from_slice(&pair(u32::from(at.minute())));
    text[17..19].copy_from_slice(&pair(u32::from(at.second())));
    text[20..22].copy_from_slice(&pair(millis / 10));
    text[22] = b'0' + digit(millis % 10);
    debug_assert_eq!(text.len(), LENGTH);
    out.extend_from_slice(&text);
}

/// Two digits of a number below a hundred.
fn pair(number: u32) -> [u8; 2] {
    [b'0' + digit(number / 10), b'0' + digit(number % 10)]
}

const fn digit(number: u32) -> u8 {
    (number % 10) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_written_in_utc_with_milliseconds() {
        let written = |ms| {
            let mut out = Vec::new();
            push_rfc3339(ms, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(1_735_689_599_500), "2024-12-31T23:59:59.500Z");
        assert_eq!(written(4_102_444_800_000), "2100-01-01T00:00:00.000Z");
        assert_eq!(written(951_782_400_001), "2000-02-29T00:00:00.001Z");
        assert_eq!(written(i64::MAX), "1970-01-01T00:00:00.000Z");
    }

    proptest! {
        #[test]
        fn written_times_read_back(ms in 0_i64..4_102_444_800_000) {
            let mut out = Vec::new();
            push_rfc3339(ms, &mut out);
            let text = String::from_utf8(out).unwrap();
            let (date, clock) = text.trim_end_matches('Z').split_once('T').unwrap();
            let date: Vec<i32> = date.split('-').map(|part| part.parse().unwrap()).collect();
            let month = time::Month::try_from(u8::try_from(date[1]).unwrap()).unwrap();
            let date = time::Date::from_calendar_date(date[0], month, u8::try_from(date[2]).unwrap()).unwrap();
            let (clock, millis) = clock.split_once('.').unwrap();
            let clock: Vec<u8> = clock.split(':').map(|part| part.parse().unwrap()).collect();
            let clock = time::Time::from_hms_milli(clock[0], clock[1], clock[2], millis.parse().unwrap()).unwrap();
            let at = time::PrimitiveDateTime::new(date, clock).assume_utc();
            prop_assert_eq!(at.unix_timestamp_nanos(), i128::from(ms) * 1_000_000);
        }
    }
}
