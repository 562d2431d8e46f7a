//! What a scalar without quotes means: the core schema of YAML 1.2.
//!
//! In: the text as written. Out: null, a boolean, a number, or a text. What always holds: `on`, `no`
//! and `22:00` are texts.

/// Meaning of a plain scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Core {
    /// Nothing.
    Null,
    /// `true`, `false`
    Bool(bool),
    /// An integer; `None` when it does not fit 64 bits.
    Int(Option<i64>),
    /// A number with a fraction or an exponent.
    Float,
    /// Anything else.
    Text,
}

/// What `plain` means.
pub(super) fn meaning(plain: &str) -> Core {
    match plain {
        "" | "~" | "null" | "Null" | "NULL" => Core::Null,
        "true" | "True" | "TRUE" => Core::Bool(true),
        "false" | "False" | "FALSE" => Core::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Core::Float,
        _ => number(plain).unwrap_or(Core::Text),
    }
}

fn number(plain: &str) -> Option<Core> {
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = plain.strip_prefix(prefix) {
            let all = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
            return all.then(|| Core::Int(i64::from_str_radix(digits, radix).ok()));
        }
    }
    let unsigned = plain.strip_prefix(['-', '+']).unwrap_or(plain);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Some(Core::Float);
    }
    let (whole, rest) = digits(unsigned);
    if !whole.is_empty() && rest.is_empty() {
        return Some(Core::Int(plain.parse().ok()));
    }
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), digits);
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let Some(exponent) = rest.strip_prefix(['e', 'E']) else {
        return rest.is_empty().then_some(Core::Float);
    };
    let (exponent, rest) = digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent));
    (!exponent.is_empty() && rest.is_empty()).then_some(Core::Float)
}

/// Leading digits, and what follows.
fn digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::{Core, meaning};

    #[test]
    fn the_core_schema_of_yaml_1_2_says_what_a_plain_scalar_is() {
        let cases = [
            (Core::Null, &["", "~", "null", "Null", "NULL"][..]),
            (Core::Bool(true), &["true", "True", "TRUE"]),
            (Core::Bool(false), &["false", "False", "FALSE"]),
            (Core::Int(Some(7)), &["7", "007", "+7", "0x7", "0o7"]),
            (Core::Int(Some(-7)), &["-7", "-07"]),
            (Core::Int(Some(i64::MIN)), &["-9223372036854775808"]),
            (Core::Int(None), &["9223372036854775808", "0xffffffffffffffff"]),
            (
                Core::Float,
                &["1.", "1.5", ".5", "-.5", "1e3", "1E-3", "+1.e+2", ".inf", "-.INF", ".NaN"],
            ),
            (
                Core::Text,
                &[
                    "on", "no", "yes", "off", "22:00", "1_000", "0x", "0xg", "0o8", "-0x7", ".",
                    "-", "+", "1e", "1.5.2", "nUll", "tRUE", "e3", ".e3", "10ms", "٣", "-.nan",
                    "1 2",
                ],
            ),
        ];
        for (expected, texts) in cases {
            for text in texts {
                assert_eq!(meaning(text), expected, "{text:?}");
            }
        }
    }
}
