//! The words and signs of an expression, with their places.
//!
//! In: the text of an expression. Out: its tokens, brackets paired. The `cel` crate reads the text
//! itself; it is asked second, because its messages name its own grammar, it knows the place of an
//! operator but not of the name beside it, and its stack should not depend on who wrote the text.
//! What always holds: what passes is small (4 KiB, 256 nodes), shallow, and free of everything that
//! conditions leave out and that can be told from single tokens.

use super::{ExprError, wrong};

/// Bytes of an expression: more is a program, and the `cel` parser was tried up to here.
const BYTES_MAX: usize = 4096;
/// Nodes of an expression: names, constants outside lists, operators, calls.
const NODES_MAX: usize = 256;
/// Constants of a list; longer ones belong into a list of the file.
const CONSTANTS_MAX: usize = 64;
/// Brackets inside brackets, needless ones too; what they hold may nest 24 deep. Keeps the parser's
/// recursion in bounds.
const BRACKETS_MAX: usize = 64;
/// Names of a path; the catalogue has none with more than four.
const PARTS_MAX: usize = 16;

/// A word or sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// First byte.
    pub(super) start: usize,
    /// Byte behind the last.
    pub(super) end: usize,
    /// Of a bracket, the place of the other one among the tokens.
    pub(super) pair: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    Name,
    /// `true`, `false`, `in`.
    Word,
    Int,
    Text,
    Sign,
    Open,
    Close,
}

/// All tokens of a text.
///
/// # Errors
/// The first thing that no expression has, or that conditions leave out.
pub(super) fn scan(text: &str) -> Result<Vec<Token>, ExprError> {
    if text.len() > BYTES_MAX {
        let bytes = text.len();
        return Err(wrong(
            0,
            format!("the expression has {bytes} bytes, the limit is {BYTES_MAX}"),
        ));
    }
    let mut scanner = Scanner { text, at: 0, tokens: Vec::new() };
    while scanner.skip_blanks() {
        let (kind, end) = scanner.token()?;
        scanner.tokens.push(Token { kind, start: scanner.at, end, pair: 0 });
        scanner.at = end;
    }
    let mut tokens = scanner.tokens;
    if tokens.is_empty() {
        return Err(wrong(0, "the expression is empty"));
    }
    pair_brackets(text, &mut tokens)?;
    count(text, &tokens)?;
    Ok(tokens)
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
    tokens: Vec<Token>,
}

impl<'t> Scanner<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// Goes over white space and comments; false at the end.
    fn skip_blanks(&mut self) -> bool {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start_matches(['\t', ' ', '\r', '\n', '\x0C']).len();
            self.at += blank;
            if !self.rest().starts_with("//") {
                return self.at < self.text.len();
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    /// Kind of the token that begins here, and where it ends.
    fn token(&self) -> Result<(TokenKind, usize), ExprError> {
        let rest = self.rest();
        let quote = rest.trim_start_matches(['r', 'R', 'b', 'B']);
        if rest.len() - quote.len() <= 2 && quote.starts_with(['"', '\'']) {
            return self.quoted(rest.len() - quote.len());
        }
        let first = rest.chars().next().unwrap_or_default();
        if first.is_ascii_alphabetic() || first == '_' {
            return self.name();
        }
        let dotted = rest.strip_prefix('.').is_some_and(|more| more.starts_with(is_digit));
        if first.is_ascii_digit() || dotted {
            return self.number();
        }
        self.sign(first)
    }

    fn name(&self) -> Result<(TokenKind, usize), ExprError> {
        let rest = self.rest();
        let name = &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())];
        let kind = match name {
            "true" | "false" | "in" => TokenKind::Word,
            "null" => {
                let message = "null is not part of conditions: an absent field reads as empty, \
                               has() tells them apart";
                return Err(wrong(self.at, message));
            }
            _ => TokenKind::Name,
        };
        Ok((kind, self.at + name.len()))
    }

    fn number(&self) -> Result<(TokenKind, usize), ExprError> {
        let rest = self.rest();
        let is_part = |c: char| is_name(c) || c == '.';
        let run = |text: &str, of: fn(char) -> bool| text.find(|c| !of(c)).unwrap_or(text.len());
        let hex =
            rest.strip_prefix("0x").map_or(0, |digits| run(digits, |c| c.is_ascii_hexdigit()));
        let digits = if hex > 0 { hex + 2 } else { run(rest, |c| c.is_ascii_digit()) };
        let behind = &rest[digits..];
        if digits > 0 && !behind.starts_with(is_name) {
            let fraction = behind.strip_prefix('.').is_some_and(|more| more.starts_with(is_digit));
            if !fraction {
                return Ok((TokenKind::Int, self.at + digits));
            }
        }
        let whole = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        let whole = cut(whole);
        let tail = behind.trim_start_matches(['u', 'U']);
        let message = if digits > 0 && behind.len() == tail.len() + 1 && !tail.starts_with(is_name)
        {
            format!("{whole} is a uint; conditions know int only, leave the u out")
        } else if hex == 0 && whole.replace(['.', 'e', 'E'], "").bytes().all(|b| b.is_ascii_digit())
        {
            format!("{whole} is a double; conditions know whole numbers only")
        } else {
            format!("{whole} is no number")
        };
        Err(wrong(self.at, message))
    }

    /// A text whose quotation mark stands behind `prefix` letters.
    fn quoted(&self, prefix: usize) -> Result<(TokenKind, usize), ExprError> {
        let rest = self.rest();
        let letters = rest[..prefix].to_ascii_lowercase();
        match letters.as_str() {
            "" | "r" => {}
            "b" | "br" => {
                return Err(wrong(self.at, "bytes are not part of conditions, leave the b out"));
            }
            _ => return Err(wrong(self.at, format!("{letters} is no prefix of a text"))),
        }
        let quote = &rest[prefix..=prefix];
        let triple = quote.repeat(3);
        let long = rest[prefix..].starts_with(&triple);
        let mark = if long { triple.as_str() } else { quote };
        let mut at = self.at + prefix + mark.len();
        while let Some(next) = self.text[at..].chars().next() {
            if self.text[at..].starts_with(mark) {
                return Ok((TokenKind::Text, at + mark.len()));
            }
            match next {
                '\n' | '\r' if !long => break,
                '\\' if prefix == 0 => at = self.escape(at)?,
                _ => at += next.len_utf8(),
            }
        }
        Err(wrong(self.at, format!("the text that begins here has no closing {mark}")))
    }

    /// Where the escape that begins here ends.
    fn escape(&self, at: usize) -> Result<usize, ExprError> {
        let behind = &self.text[at + 1..];
        let letter = behind.chars().next().unwrap_or_default();
        let digits = |count: usize, radix: u32| {
            let from = usize::from(radix != 8);
            let digits = behind.get(from..from + count)?;
            let all = digits.chars().all(|c| c.is_digit(radix));
            let code = if all { u32::from_str_radix(digits, radix).ok() } else { None };
            code.and_then(char::from_u32).map(|_| at + 1 + from + count)
        };
        let end = match letter {
            'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' | '?' | '"' | '\'' | '`' => Some(at + 2),
            'x' | 'X' => digits(2, 16),
            'u' => digits(4, 16),
            'U' => digits(8, 16),
            '0'..='3' => digits(3, 8),
            _ => None,
        };
        end.ok_or_else(|| {
            let message = match letter {
                'x' | 'X' | 'u' | 'U' | '0'..='3' => format!("\\{letter} here names no character"),
                _ => format!(
                    "\\{letter} is no escape; a backslash itself is \\\\, or put r before the text"
                ),
            };
            wrong(at, message)
        })
    }

    fn sign(&self, first: char) -> Result<(TokenKind, usize), ExprError> {
        const LONG: [&str; 6] = ["==", "!=", "<=", ">=", "&&", "||"];
        let rest = self.rest();
        if LONG.iter().any(|sign| rest.starts_with(sign)) {
            return Ok((TokenKind::Sign, self.at + 2));
        }
        let message = match first {
            '(' | '[' => return self.open(),
            ')' | ']' => return Ok((TokenKind::Close, self.at + 1)),
            '.' if rest[1..].starts_with('?') => OPTIONAL.to_owned(),
            '.' | ',' | '-' | '!' | '?' | ':' | '+' | '*' | '/' | '%' | '<' | '>' => {
                return Ok((TokenKind::Sign, self.at + 1));
            }
            '=' => "one = has no meaning, == compares".to_owned(),
            '&' => "one & has no meaning, && is and".to_owned(),
            '|' => "one | has no meaning, || is or".to_owned(),
            '{' | '}' => "maps and messages are not part of conditions".to_owned(),
            '“' | '”' | '‘' | '’' | '「' | '」' | '＂' => {
                format!("{first} has no meaning here; texts stand in \" or '")
            }
            _ => format!("{first:?} has no meaning here"),
        };
        Err(wrong(self.at, message))
    }

    fn open(&self) -> Result<(TokenKind, usize), ExprError> {
        if self.rest().starts_with("[?") {
            return Err(wrong(self.at, OPTIONAL));
        }
        Ok((TokenKind::Open, self.at + 1))
    }
}

const OPTIONAL: &str = "optional values are not part of conditions: an absent field reads as empty";

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The beginning of a text that may be long, for a message.
pub(super) fn cut(text: &str) -> String {
    const SHOWN: usize = 40;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn pair_brackets(text: &str, tokens: &mut [Token]) -> Result<(), ExprError> {
    // Places of the open ones, with the `?` since: those nest like brackets.
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut loose = 0;
    for place in 0..tokens.len() {
        let token = tokens[place];
        let word = &text[token.start..token.end];
        match token.kind {
            TokenKind::Open => open.push((place, 0)),
            TokenKind::Close => {
                let matching = if word == ")" { "(" } else { "[" };
                let Some((other, _)) = open.pop() else {
                    return Err(wrong(token.start, format!("{word} closes nothing")));
                };
                let opened = &text[tokens[other].start..tokens[other].end];
                if opened != matching {
                    return Err(wrong(token.start, format!("{word} does not close {opened}")));
                }
                tokens[other].pair = place;
                tokens[place].pair = other;
            }
            TokenKind::Sign if word == "?" => {
                *open.last_mut().map_or(&mut loose, |(_, asked)| asked) += 1;
            }
            TokenKind::Sign if word == "," => {
                *open.last_mut().map_or(&mut loose, |(_, asked)| asked) = 0;
            }
            _ => {}
        }
        let depth = loose + open.iter().map(|(_, asked)| asked + 1).sum::<usize>();
        if depth > BRACKETS_MAX {
            let message = format!("brackets and ?: nest more than {BRACKETS_MAX} deep");
            return Err(wrong(token.start, message));
        }
    }
    match open.pop() {
        Some((place, _)) => {
            let token = tokens[place];
            let word = &text[token.start..token.end];
            Err(wrong(token.start, format!("{word} is not closed")))
        }
        None => Ok(()),
    }
}

/// Looks at the sizes before anything is built.
fn count(text: &str, tokens: &[Token]) -> Result<(), ExprError> {
    let word = |place: usize| tokens.get(place).map_or("", |t| &text[t.start..t.end]);
    let (mut nodes, mut parts) = (0, 0);
    // Whether the brackets that are open hold constants, and how many so far.
    let mut lists: Vec<Option<usize>> = Vec::new();
    for (place, token) in tokens.iter().enumerate() {
        let behind_dot = place > 0 && word(place - 1) == ".";
        let in_list = lists.last_mut().and_then(Option::as_mut);
        match token.kind {
            TokenKind::Name if behind_dot => {
                parts += 1;
                nodes += usize::from(word(place + 1) == "(");
            }
            TokenKind::Open => {
                let list = is_list(text, tokens, place);
                nodes += usize::from(word(place) == "[");
                lists.push(list.then_some(0));
            }
            TokenKind::Close => {
                lists.pop();
            }
            TokenKind::Sign if matches!(word(place), "." | "," | ":") => {}
            TokenKind::Sign if word(place) == "-" && in_list.is_some() => {}
            TokenKind::Int | TokenKind::Text | TokenKind::Word if in_list.is_some() => {
                let constants = in_list.expect("it was just looked at");
                *constants += 1;
                if *constants > CONSTANTS_MAX {
                    let message = format!(
                        "a list has at most {CONSTANTS_MAX} constants; longer ones belong under \
                         lists: and are named lists.…"
                    );
                    return Err(wrong(token.start, message));
                }
            }
            _ => nodes += 1,
        }
        if token.kind == TokenKind::Name && !behind_dot {
            parts = 1;
        }
        if parts > PARTS_MAX {
            return Err(wrong(token.start, format!("a name has at most {PARTS_MAX} parts")));
        }
        if nodes > NODES_MAX {
            let message = format!(
                "the expression has more than {NODES_MAX} names, constants and operators; \
                 split it with vars"
            );
            return Err(wrong(token.start, message));
        }
    }
    Ok(())
}

/// Whether the bracket begins a list, not an index or a call.
fn is_list(text: &str, tokens: &[Token], place: usize) -> bool {
    let value_before = place.checked_sub(1).is_some_and(|before| {
        let before = &tokens[before];
        match before.kind {
            TokenKind::Name | TokenKind::Int | TokenKind::Text | TokenKind::Close => true,
            TokenKind::Word => &text[before.start..before.end] != "in",
            TokenKind::Sign | TokenKind::Open => false,
        }
    });
    text[tokens[place].start..].starts_with('[') && !value_before
}
