//! Reads Rust sources as far as tidiness needs: words, paths, and what is only there for tests.
//!
//! In: the text of a file. Out: its tokens without comments, texts and `#[cfg(test)]` items; from
//! those the paths that it names, `use` groups spelled out. What always holds: a word in a comment
//! or a text is never a token.

/// A word or one character, with the line it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

/// A path as it is written: `crate::call::Phase` is three words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) words: Vec<String>,
    pub(super) line: usize,
}

impl Named {
    pub(super) fn text(&self) -> String {
        self.words.join("::")
    }

    /// Whether the path is `words` or something below it.
    pub(super) fn starts_with(&self, words: &str) -> bool {
        let wanted: Vec<&str> = words.split("::").collect();
        self.words.len() >= wanted.len() && self.words.iter().zip(&wanted).all(|(a, b)| a == b)
    }

    /// Whether `words` stand in the path next to each other.
    pub(super) fn contains(&self, words: &str) -> bool {
        let wanted: Vec<&str> = words.split("::").collect();
        self.words
            .windows(wanted.len())
            .any(|window| window.iter().zip(&wanted).all(|(a, b)| a == b))
    }
}

/// The tokens of a source.
pub(super) fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let end = match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => line_end(&chars, at),
            '/' if chars.get(at + 1) == Some(&'*') => comment_end(&chars, at),
            '"' => text_end(&chars, at),
            '\'' => quote_end(&chars, at),
            c if c.is_alphanumeric() || c == '_' => {
                let end = word_end(&chars, at);
                let word: String = chars[at..end].iter().collect();
                let hashes = chars[end..].iter().take_while(|c| **c == '#').count();
                let raw = matches!(word.as_str(), "r" | "br" | "cr");
                if raw && chars.get(end + hashes) == Some(&'"') {
                    raw_text_end(&chars, end + hashes, hashes)
                } else {
                    found.push(Token { text: word, line });
                    end
                }
            }
            c => {
                if !c.is_whitespace() {
                    found.push(Token { text: c.to_string(), line });
                }
                at + 1
            }
        };
        line += chars[at..end].iter().filter(|c| **c == '\n').count();
        at = end;
    }
    found
}

fn line_end(chars: &[char], from: usize) -> usize {
    chars[from..].iter().position(|c| *c == '\n').map_or(chars.len(), |length| from + length)
}

fn word_end(chars: &[char], from: usize) -> usize {
    let length = chars[from..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
    from + length
}

/// Comments nest.
fn comment_end(chars: &[char], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (at, depth) = (at + 2, depth + 1),
            ('*', Some('/')) => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

fn text_end(chars: &[char], from: usize) -> usize {
    let mut at = from + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn raw_text_end(chars: &[char], quote: usize, hashes: usize) -> usize {
    let closes = |at: usize| {
        chars[at] == '"'
            && chars[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
    };
    (quote + 1..chars.len()).find(|at| closes(*at)).map_or(chars.len(), |at| at + 1 + hashes)
}

/// A character literal, or only the quote of a lifetime.
fn quote_end(chars: &[char], from: usize) -> usize {
    match (chars.get(from + 1), chars.get(from + 2)) {
        (Some('\\'), _) => {
            let close = chars[from + 3..].iter().position(|c| *c == '\'');
            close.map_or(chars.len(), |length| from + 4 + length)
        }
        (Some(_), Some('\'')) => from + 3,
        _ => from + 1,
    }
}

/// Takes items under `#[cfg(test)]` out. The second list names the modules among them that are
/// files of their own.
pub(super) fn without_tests(all: &[Token]) -> (Vec<Token>, Vec<String>) {
    let (mut kept, mut modules) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < all.len() {
        let Some(item) = test_item(all, at) else {
            kept.push(all[at].clone());
            at += 1;
            continue;
        };
        let end = item_end(all, item);
        let words: Vec<&str> = all[item..end].iter().map(|token| token.text.as_str()).collect();
        if let ["mod", name, ";"] | ["pub", "mod", name, ";"] = words[..] {
            modules.push(name.to_owned());
        }
        at = end;
    }
    (kept, modules)
}

/// Where the item begins whose attributes begin at `at`, if one of them is `cfg(test)` or a
/// `cfg(any(test, …))`, `cfg(all(test, …))`.
fn test_item(all: &[Token], mut at: usize) -> Option<usize> {
    let word = |at: usize| all.get(at).map_or("", |token| token.text.as_str());
    let mut for_tests = false;
    while word(at) == "#" && word(at + 1) == "[" {
        let end = closing(all, at + 1);
        let words: Vec<&str> = (at + 2..end).map(word).collect();
        for_tests |= words[0] == "cfg" && words.contains(&"test") && !words.contains(&"not");
        at = end + 1;
    }
    for_tests.then_some(at)
}

/// Index of the bracket that closes the one at `open`.
fn closing(all: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in all.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    all.len() - 1
}

/// Index behind the item at `from`: behind its `;`, or behind its body.
fn item_end(all: &[Token], from: usize) -> usize {
    let mut at = from;
    while at < all.len() {
        match all[at].text.as_str() {
            ";" => return at + 1,
            "{" => return closing(all, at) + 1,
            "(" | "[" => at = closing(all, at),
            _ => {}
        }
        at += 1;
    }
    at
}

/// The paths that tokens name, single words included.
pub(super) fn paths(all: &[Token]) -> Vec<Named> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < all.len() {
        at = if is_word(&all[at].text) { path(all, at, &[], &mut found) } else { at + 1 };
    }
    found
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Reads the path at `at` below `prefix`; gives the index behind it.
fn path(all: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<Named>) -> usize {
    let word = |at: usize| all.get(at).map_or("", |token| token.text.as_str());
    let line = all[at].line;
    let mut words = prefix.to_vec();
    loop {
        match word(at) {
            "self" if !words.is_empty() => {}
            text if is_word(text) || text == "*" => words.push(text.to_owned()),
            _ => break,
        }
        at += 1;
        if word(at) != ":" || word(at + 1) != ":" {
            break;
        }
        if word(at + 2) == "{" {
            return group(all, at + 2, &words, found);
        }
        if word(at + 2) != "*" && !is_word(word(at + 2)) {
            break;
        }
        at += 2;
    }
    found.push(Named { words, line });
    at
}

fn group(all: &[Token], open: usize, prefix: &[String], found: &mut Vec<Named>) -> usize {
    let end = closing(all, open);
    let mut at = open + 1;
    while at < end {
        at = match all[at].text.as_str() {
            // The new name of an import says nothing about where it comes from.
            "as" => at + 2,
            text if is_word(text) || text == "*" => path(all, at, prefix, found),
            _ => at + 1,
        };
    }
    end + 1
}
