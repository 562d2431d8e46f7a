//! A text that must not be seen: tokens, passwords, keys.
//!
//! In: the text. Out: the text, only where a caller asks for it by name. Invariant: printing a
//! value that contains a [`Secret`] shows `[redacted]`.

use std::fmt;

/// A secret text. `Debug` shows `[redacted]`; there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Hand it to whoever needs it; never log it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
