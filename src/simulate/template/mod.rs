//! A sample body with holes where people, groups, ids, times and words go.
//!
//! In: the JSON of one sample. Out: as many different bodies of the same structure as are wanted.
//! Always holds: members, their order, their types and all numbers that are no time, sequence or
//! random number are those of the sample; an id that stood in several places of the sample, also
//! inside JSON texts and composed ids, is again the same in all of them.

mod roles;

use std::collections::HashMap;

use serde_json::Value;

use super::{Provider, words};
use roles::{Role, is_person, json_inside, number_piece, role};

/// One sample, ready to be filled in.
#[derive(Debug)]
pub(super) struct Template {
    segments: Vec<Segment>,
    users: usize,
    groups: usize,
    html_escapes: bool,
}

/// What the holes of one body are filled with.
pub(super) struct Draw<'a> {
    /// Everything random about this body.
    pub(super) rng: &'a mut fastrand::Rng,
    /// The time of the event, Unix milliseconds.
    pub(super) now_ms: i64,
    /// The callback's number, for sequence numbers that grow.
    pub(super) index: u64,
    /// The operation id of the request.
    pub(super) operation_id: &'a str,
    /// Tencent's `SdkAppid`.
    pub(super) app_id: u64,
}

#[derive(Clone, Debug)]
struct Segment {
    piece: Piece,
    /// How often the piece is escaped as a JSON string: 0 for a bare number, 2 in JSON in a text.
    depth: usize,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Fixed(String),
    User(usize),
    /// The group's number in the body, and what stands before it, as in `@TGS#`.
    Group(usize, String),
    Nickname,
    Sentence,
    /// So many milliseconds after the event.
    Milliseconds(i64),
    /// So many seconds after the event.
    Seconds(i64),
    /// The number's place among the sequence numbers of the body.
    Sequence(u64),
    Random32,
    Operation,
    App,
    /// Characters of the same classes as these, the same ones wherever these stood.
    Fresh(String),
}

impl Template {
    /// Finds the holes in a sample.
    pub(super) fn compile(provider: Provider, body: &Value) -> Self {
        let mut known = Known::default();
        known.collect(body);
        let html_escapes = provider == Provider::OpenIm;
        let mut compiler = Compiler { known: &known, html_escapes, segments: Vec::new() };
        compiler.value("", body, 0);
        Self {
            segments: merged(compiler.segments),
            users: known.users.len(),
            groups: known.groups.len(),
            html_escapes,
        }
    }

    /// Writes one body.
    pub(super) fn render(&self, draw: &mut Draw<'_>) -> String {
        let first_user = draw.rng.usize(0..words::USERS.saturating_sub(self.users).max(1));
        let first_group = draw.rng.usize(0..words::GROUPS.saturating_sub(self.groups).max(1));
        let sentence = draw.rng.usize(0..words::SENTENCES.len());
        let random32 = draw.rng.u32(1..);
        let fresh_seed = draw.rng.u64(..);
        let mut out = String::with_capacity(1024);
        for segment in &self.segments {
            let text = match &segment.piece {
                Piece::Fixed(text) => {
                    out.push_str(text);
                    continue;
                }
                Piece::User(position) => words::user_id(first_user + position),
                Piece::Group(position, prefix) if prefix.starts_with('@') => {
                    format!("{prefix}{}", words::group_code(first_group + position))
                }
                Piece::Group(position, prefix) => {
                    format!("{prefix}{}", words::group_number(first_group + position))
                }
                Piece::Nickname => words::nickname(first_user).to_owned(),
                Piece::Sentence => words::SENTENCES[sentence].to_owned(),
                Piece::Milliseconds(later) => (draw.now_ms + later).to_string(),
                Piece::Seconds(later) => (draw.now_ms / 1000 + later).to_string(),
                // Room for the sequence numbers of one body before those of the next begin.
                Piece::Sequence(place) => ((draw.index + 1) * 8 + place).to_string(),
                Piece::Random32 => random32.to_string(),
                Piece::Operation => draw.operation_id.to_owned(),
                Piece::App => draw.app_id.to_string(),
                Piece::Fresh(shape) => fresh(shape, fresh_seed),
            };
            push_escaped(&mut out, text, segment.depth, self.html_escapes);
        }
        out
    }
}

/// The ids of one sample and their places among the drawn ones.
#[derive(Default)]
struct Known {
    users: Vec<String>,
    groups: Vec<String>,
    sequences: Vec<u64>,
    /// Texts that stand for something inside composed ids, such as a message key.
    parts: HashMap<String, Piece>,
}

impl Known {
    fn collect(&mut self, body: &Value) {
        self.walk("", body);
        // A sorted pair in the sample is drawn as a sorted pair.
        self.users.sort();
        self.users.dedup();
        self.groups.sort();
        self.groups.dedup();
        self.sequences.sort_unstable();
        self.sequences.dedup();
    }

    fn walk(&mut self, key: &str, value: &Value) {
        match value {
            Value::Object(members) => members.iter().for_each(|(key, value)| self.walk(key, value)),
            Value::Array(items) => items.iter().for_each(|item| self.walk(key, item)),
            Value::String(text) => match (json_inside(text), role(key)) {
                (Some(inner), _) => self.walk("", &inner),
                (None, Role::User) if is_person(text) => self.users.push(text.clone()),
                (None, Role::Group) if !text.is_empty() => self.groups.push(text.clone()),
                (None, Role::Composed) => {
                    self.groups.extend(text.strip_prefix("sg_").map(str::to_owned));
                }
                _ => {}
            },
            Value::Number(number) => {
                let text = number.to_string();
                match number_piece(key, &text) {
                    Some(Piece::Sequence(number)) => self.sequences.push(number),
                    Some(piece) => drop(self.parts.insert(text, piece)),
                    None => {}
                }
            }
            _ => {}
        }
    }

    /// The hole for a number, if it is one that differs from callback to callback.
    fn number(&self, key: &str, text: &str) -> Option<Piece> {
        match number_piece(key, text)? {
            Piece::Sequence(number) => self.sequence(number),
            piece => Some(piece),
        }
    }

    fn sequence(&self, number: u64) -> Option<Piece> {
        let place = self.sequences.binary_search(&number).ok()?;
        Some(Piece::Sequence(u64::try_from(place).expect("a small number")))
    }

    fn user(&self, text: &str) -> Option<Piece> {
        self.users.binary_search_by(|known| known.as_str().cmp(text)).ok().map(Piece::User)
    }

    /// A topic's id begins with that of its community: `@TGS#_c1@TOPIC#_t1`.
    fn topic(&self, text: &str) -> Option<Vec<Piece>> {
        let (community, topic) = text.split_once("@TOPIC#")?;
        let community = self.group(community).unwrap_or(Piece::Fixed(community.to_owned()));
        let topic = Piece::Fresh(topic.to_owned());
        Some(vec![community, Piece::Fixed("@TOPIC#".to_owned()), topic])
    }

    fn group(&self, text: &str) -> Option<Piece> {
        let position = self.groups.binary_search_by(|known| known.as_str().cmp(text)).ok()?;
        let prefix = text.rfind(['#', '_', '-']).map_or("", |end| &text[..=end]);
        Some(Piece::Group(position, prefix.to_owned()))
    }

    /// Replaces what is known inside an id that is made of several: `si_a_b`, `6_77_1735689599`.
    fn composed(&self, text: &str) -> Vec<Piece> {
        let whole = |part: &str| self.user(part).or_else(|| self.group(part));
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            // The longest known id that starts here wins: ids may have `_` in them.
            let known = rest
                .char_indices()
                .map(|(start, c)| start + c.len_utf8())
                .rev()
                .filter(|end| rest.len() == *end || rest[*end..].starts_with('_'))
                .find_map(|end| whole(&rest[..end]).map(|piece| (piece, end)));
            let (piece, end) = known.unwrap_or_else(|| {
                let end = rest.find('_').unwrap_or(rest.len());
                let part = &rest[..end];
                let fresh = part.len() > 3 && part.bytes().all(|b| b.is_ascii_digit());
                let sequence = || part.parse().ok().and_then(|number| self.sequence(number));
                let piece = self.parts.get(part).cloned().or_else(sequence);
                let other = if fresh { Piece::Fresh } else { Piece::Fixed };
                (piece.unwrap_or_else(|| other(part.to_owned())), end)
            });
            pieces.push(piece);
            rest = &rest[end..];
            if let Some(after) = rest.strip_prefix('_') {
                pieces.push(Piece::Fixed("_".to_owned()));
                rest = after;
            }
        }
        pieces
    }
}

struct Compiler<'a> {
    known: &'a Known,
    html_escapes: bool,
    segments: Vec<Segment>,
}

impl Compiler<'_> {
    fn value(&mut self, key: &str, value: &Value, depth: usize) {
        match value {
            Value::Object(members) => {
                for (position, (key, value)) in members.iter().enumerate() {
                    self.fixed(if position == 0 { "{" } else { "," }, depth);
                    self.fixed("\"", depth);
                    self.fixed(key, depth + 1);
                    self.fixed("\":", depth);
                    self.value(key, value, depth);
                }
                self.fixed(if members.is_empty() { "{}" } else { "}" }, depth);
            }
            Value::Array(items) => {
                for (position, item) in items.iter().enumerate() {
                    self.fixed(if position == 0 { "[" } else { "," }, depth);
                    self.value(key, item, depth);
                }
                self.fixed(if items.is_empty() { "[]" } else { "]" }, depth);
            }
            Value::String(text) => {
                self.fixed("\"", depth);
                self.text(key, text, depth + 1);
                self.fixed("\"", depth);
            }
            Value::Number(number) => {
                let text = number.to_string();
                match self.known.number(key, &text) {
                    Some(piece) => self.hole(piece, depth),
                    None => self.fixed(&text, depth),
                }
            }
            Value::Bool(_) | Value::Null => self.fixed(&value.to_string(), depth),
        }
    }

    fn text(&mut self, key: &str, text: &str, depth: usize) {
        if let Some(inner) = json_inside(text) {
            return self.value("", &inner, depth);
        }
        match text_pieces(self.known, key, text) {
            Some(pieces) => {
                for piece in pieces {
                    match piece {
                        Piece::Fixed(fixed) => self.fixed(&fixed, depth),
                        hole => self.hole(hole, depth),
                    }
                }
            }
            None => self.fixed(text, depth),
        }
    }

    fn hole(&mut self, piece: Piece, depth: usize) {
        self.segments.push(Segment { piece, depth });
    }

    /// Fixed text is escaped here, once for all bodies.
    fn fixed(&mut self, text: &str, depth: usize) {
        let mut escaped = String::new();
        push_escaped(&mut escaped, text.to_owned(), depth, self.html_escapes);
        self.segments.push(Segment { piece: Piece::Fixed(escaped), depth: 0 });
    }
}

fn merged(segments: Vec<Segment>) -> Vec<Segment> {
    let mut merged: Vec<Segment> = Vec::new();
    for segment in segments {
        match (merged.last_mut().map(|last| &mut last.piece), &segment.piece) {
            (Some(Piece::Fixed(before)), Piece::Fixed(text)) => before.push_str(text),
            _ => merged.push(segment),
        }
    }
    merged
}

fn text_pieces(known: &Known, key: &str, text: &str) -> Option<Vec<Piece>> {
    if text.is_empty() {
        return None;
    }
    let piece = match role(key) {
        Role::User => known.user(text)?,
        Role::Group if text.contains("@TOPIC#") => return known.topic(text),
        Role::Group => known.group(text)?,
        Role::Composed => return Some(known.composed(text)),
        Role::Fresh => Piece::Fresh(text.to_owned()),
        // An address, and a mention that belongs to a list beside it.
        Role::Text if text.starts_with("http") || text.starts_with('@') => return None,
        Role::Text => Piece::Sentence,
        Role::Nickname => Piece::Nickname,
        Role::Operation => Piece::Operation,
        // A time in quotes.
        Role::Other => known.number(key, text)?,
    };
    Some(vec![piece])
}

/// Other characters of the same classes. `seed` and `shape` decide, so that one id stays one id.
fn fresh(shape: &str, seed: u64) -> String {
    let mut hash = seed;
    for byte in shape.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    }
    let mut rng = fastrand::Rng::with_seed(hash);
    // `call-310`: what stands before the number says what it is.
    if let Some((word, number)) = shape.split_once('-')
        && word.bytes().all(|b| b.is_ascii_lowercase())
        && number.bytes().all(|b| b.is_ascii_digit())
    {
        return format!("{word}-{}", rng.u32(10_000_000..100_000_000));
    }
    let is_hex = shape.chars().all(|c| !c.is_ascii_alphabetic() || c.is_ascii_hexdigit());
    let letters = if is_hex { 6 } else { 26 };
    shape
        .char_indices()
        .map(|(at, c)| match c {
            // A number keeps its length.
            '0'..='9' if at == 0 => char::from(b'1' + rng.u8(0..9)),
            '0'..='9' => char::from(b'0' + rng.u8(0..10)),
            'a'..='z' => char::from(b'a' + rng.u8(0..letters)),
            'A'..='Z' => char::from(b'A' + rng.u8(0..letters)),
            other => other,
        })
        .collect()
}

/// Escapes `text` as the inside of a JSON string, `depth` times over.
fn push_escaped(out: &mut String, text: String, depth: usize, html_escapes: bool) {
    let mut text = text;
    for _ in 0..depth {
        if text.bytes().all(|b| !needs_escape(b, html_escapes)) {
            break;
        }
        let quoted = serde_json::to_string(&text).expect("a string serialises");
        quoted[1..quoted.len() - 1].clone_into(&mut text);
        if html_escapes {
            for (plain, escaped) in HTML_ESCAPES {
                if text.contains(plain) {
                    text = text.replace(plain, escaped);
                }
            }
        }
    }
    out.push_str(&text);
}

/// Go's encoder writes these as escapes, so that JSON is safe in HTML.
const HTML_ESCAPES: [(&str, &str); 5] = [
    ("<", "\\u003c"),
    (">", "\\u003e"),
    ("&", "\\u0026"),
    ("\u{2028}", "\\u2028"),
    ("\u{2029}", "\\u2029"),
];

fn needs_escape(byte: u8, html_escapes: bool) -> bool {
    byte < 0x20
        || matches!(byte, b'"' | b'\\')
        // 0xE2 begins U+2028 and U+2029.
        || (html_escapes && matches!(byte, b'<' | b'>' | b'&' | 0xE2))
}

#[cfg(test)]
mod tests;
