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

/// Unix milliseconds of a time as [`push_rfc3339`] writes it; `None` for any other text.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let bytes: &[u8; LENGTH] = text.as_bytes().try_into().ok()?;
    let signs = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
    if signs.iter().any(|(at, sign)| bytes[*at] != *sign) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| -> Option<u16> {
        let digits = &bytes[range];
        let digits = digits.iter().all(u8::is_ascii_digit).then_some(digits)?;
        Some(digits.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0')))
    };
    let small = |range| number(range).and_then(|number| u8::try_from(number).ok());
    let month = time::Month::try_from(small(5..7)?).ok()?;
    let date = time::Date::from_calendar_date(number(0..4)?.into(), month, small(8..10)?).ok()?;
    let (hour, minute, second) = (small(11..13)?, small(14..16)?, small(17..19)?);
    let clock = time::Time::from_hms_milli(hour, minute, second, number(20..23)?).ok()?;
    let at = time::PrimitiveDateTime::new(date, clock).assume_utc();
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
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

    #[test]
    fn a_text_of_another_form_is_no_time() {
        for text in [
            "",
            "2024-12-31",
            "2024-12-31T23:59:59Z",
            "2024-12-31T23:59:59.5000",
            "2024-13-31T23:59:59.500Z",
            "2024-02-30T23:59:59.500Z",
            "2024-12-31T24:59:59.500Z",
            "2024-12-31 23:59:59.500Z",
            "2024-12-31T23:59:5\u{e9}.50Z",
            "+024-12-31T23:59:59.500Z",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn written_times_read_back(ms in 0_i64..4_102_444_800_000) {
            let mut out = Vec::new();
            push_rfc3339(ms, &mut out);
            prop_assert_eq!(parse_rfc3339(std::str::from_utf8(&out).unwrap()), Some(ms));
        }
    }
}
