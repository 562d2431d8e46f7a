//! Redaction of bodies that are no JSON object, and so can only be looked at as text.

use std::borrow::Cow;

const MARK: &str = "[redacted]";

/// Replaces what follows `"name"`, a colon and a quotation mark, up to the next quotation mark that
/// no backslash takes, or to the end, unless it is empty. Left to right, at any depth.
pub(super) fn text<'t>(text: &'t str, names: &[Box<str>]) -> Cow<'t, str> {
    if names.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut kept = String::new();
    let mut from = 0;
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'"', &text.as_bytes()[at..]) {
        let quote = at + found;
        at = quote + 1;
        let Some(value) = names.iter().find_map(|name| value_of(text, at, name)) else { continue };
        let end = end_of(text.as_bytes(), value);
        if end > value {
            kept.push_str(&text[from..value]);
            kept.push_str(MARK);
            from = end;
        }
        // Goes on at the closing mark itself, which may open the next name.
        at = end;
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    kept.push_str(&text[from..]);
    Cow::Owned(kept)
}

/// First byte of the text value of the member whose name begins at `at`, behind its mark.
fn value_of(text: &str, at: usize, name: &str) -> Option<usize> {
    let space = |text: &str| text.len() - text.trim_start_matches([' ', '\t', '\n', '\r']).len();
    let rest = text.get(at..)?.strip_prefix(name)?.strip_prefix('"')?;
    let rest = &rest[space(rest)..];
    let rest = rest.strip_prefix(':')?;
    let rest = rest[space(rest)..].strip_prefix('"')?;
    Some(text.len() - rest.len())
}

fn end_of(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at,
            // Takes the character behind it; if that is several bytes long, none is a mark.
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn redacted(body: &str) -> String {
        text(body, &["secret".into(), "token".into()]).into_owned()
    }

    #[test]
    fn the_example_of_the_event_model() {
        let body = r#"{"secret" : "a\"b","token":"","x":{"token":"c"#;
        let left = r#"{"secret" : "[redacted]","token":"","x":{"token":"[redacted]"#;
        assert_eq!(redacted(body), left);
    }

    #[test]
    fn other_spellings_numbers_and_lists_stay() {
        for body in [
            r#"{"Secret":"a"}"#,
            r#"{"token":1,"secret":["a"]}"#,
            r#"{"token""a"}"#,
            "",
            "\"token\":\"",
        ] {
            assert_eq!(redacted(body), body);
        }
        assert_eq!(redacted("\"token\"\n:\t\"a"), "\"token\"\n:\t\"[redacted]");
        assert_eq!(redacted(r#""token":"x\"#), r#""token":"[redacted]"#);
    }

    proptest! {
        #[test]
        fn any_text_is_redacted_without_panic(body in "(\"token\"|secret|[:\" \\\\]|\u{e9}|a){0,30}") {
            let once = redacted(&body);
            prop_assert!(once.len() <= body.len() + body.matches("token").count() * MARK.len() + MARK.len() * body.matches("secret").count());
        }
    }
}
