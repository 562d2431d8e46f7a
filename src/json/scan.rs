//! One pass over a text: strict JSON in, cells out.
//!
//! In: UTF-8 text. Out: cells in document order. An object's cell is followed by a cell per name and
//! the cells of its value, a list's cell by those of its items; `next` is the index behind a
//! value's own cells. What always holds: no name repeats in an object of the cells that go out, so
//! that looking up a name may stop at the first hit. A text with repeats is written anew without
//! them and read again; that costs only those who send such texts.

use super::{JsonError, Kind, name_hash};
use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// Objects with more names than this are searched for repeats by a set at their end; smaller ones
/// on the way, by 64 bits of hash and a look at the names before.
const NAMES_IN_LINE: u32 = 64;

/// One value or one name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    /// First byte in the text; for names and texts the one behind the quotation mark.
    pub(super) start: u32,
    /// One behind the last byte; for names and texts the closing quotation mark.
    pub(super) end: u32,
    /// Values: index behind the value's cells. Names: [`name_hash`] of the unescaped name.
    pub(super) next: u32,
    pub(super) kind: Kind,
    pub(super) flags: u8,
}

/// A name or text that has escapes.
pub(super) const ESCAPED: u8 = 1;
/// A number with a fraction or an exponent.
pub(super) const REAL: u8 = 2;
pub(super) struct Scanned<'a> {
    /// The text, unpaired surrogate escapes and repeated names replaced.
    pub(super) text: &'a str,
    pub(super) cells: &'a [Cell],
    /// No white space between tokens: the text of a value is its own copy.
    pub(super) tidy: bool,
}

struct Open {
    cell: u32,
    object: bool,
    names: u32,
    seen: u64,
}

struct Scanner<'t, 'a> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    cells: BumpVec<'a, Cell>,
    open: BumpVec<'a, Open>,
    /// Containers are nested no deeper.
    depth_max: usize,
    unpaired: Vec<usize>,
    repeats: bool,
    tidy: bool,
}

pub(super) fn scan<'a>(
    text: &'a str,
    depth_max: usize,
    arena: &'a Bump,
) -> Result<Scanned<'a>, JsonError> {
    if u32::try_from(text.len()).is_err() {
        return Err(JsonError::TooLarge);
    }
    let mut scanner = Scanner {
        text,
        bytes: text.as_bytes(),
        at: 0,
        // No more room than the text can fill: JSON inside strings is read by the thousand.
        cells: BumpVec::with_capacity_in((64 + text.len() / 64).min(text.len() / 2 + 1), arena),
        open: BumpVec::with_capacity_in(16, arena),
        depth_max,
        unpaired: Vec::new(),
        repeats: false,
        tidy: true,
    };
    scanner.skip_space();
    scanner.tidy = true;
    scanner.run()?;
    let Scanner { cells, unpaired, repeats, tidy, .. } = scanner;
    let text = if unpaired.is_empty() { text } else { without_unpaired(text, &unpaired, arena) };
    if repeats {
        let mut once = String::with_capacity(text.len());
        without_repeats(text, &cells, 0, &mut once);
        return scan(arena.alloc_str(&once), depth_max, arena);
    }
    Ok(Scanned { text, cells: cells.into_bump_slice(), tidy })
}

/// Writes the value at `at` with the last value of equal names at the place of the first. Depth is
/// bounded by the reader's limit, so recursion is too.
fn without_repeats(text: &str, cells: &[Cell], at: usize, out: &mut String) {
    let cell = cells[at];
    let mut inner = at + 1;
    match cell.kind {
        Kind::Object => {
            let mut members: Vec<(&str, usize)> = Vec::new();
            let mut places: HashMap<Cow<'_, str>, usize> = HashMap::new();
            while inner < cell.next as usize {
                let name = cells[inner];
                let source = &text[name.start as usize..name.end as usize];
                let place = *places.entry(plain(text, &name)).or_insert(members.len());
                if place == members.len() {
                    members.push((source, inner + 1));
                } else {
                    members[place].1 = inner + 1;
                }
                inner = cells[inner + 1].next as usize;
            }
            for (place, (name, value)) in members.into_iter().enumerate() {
                out.push_str(if place == 0 { "{\"" } else { ",\"" });
                out.push_str(name);
                out.push_str("\":");
                without_repeats(text, cells, value, out);
            }
            out.push_str(if cell.next as usize == at + 1 { "{}" } else { "}" });
        }
        Kind::List => {
            out.push('[');
            while inner < cell.next as usize {
                if inner > at + 1 {
                    out.push(',');
                }
                without_repeats(text, cells, inner, out);
                inner = cells[inner].next as usize;
            }
            out.push(']');
        }
        Kind::Text => out.push_str(&text[cell.start as usize - 1..=cell.end as usize]),
        _ => out.push_str(&text[cell.start as usize..cell.end as usize]),
    }
}

/// Writes the escape of U+FFFD over each unpaired one; they are equally long, so no cell moves.
fn without_unpaired<'a>(text: &str, unpaired: &[usize], arena: &'a Bump) -> &'a str {
    let mut mended = text.to_owned().into_bytes();
    for &at in unpaired {
        mended[at..at + 6].copy_from_slice(b"\\ufffd");
    }
    arena.alloc_str(std::str::from_utf8(&mended).expect("ASCII took the place of ASCII"))
}

impl Scanner<'_, '_> {
    fn syntax<T>(&self) -> Result<T, JsonError> {
        Err(JsonError::Syntax(self.at))
    }

    fn peek(&self) -> u8 {
        // 0 is no byte that JSON may have outside of a text, so it can stand for the end.
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn skip_space(&mut self) {
        let from = self.at;
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
        self.tidy &= from == self.at;
    }

    fn index(&self) -> u32 {
        u32::try_from(self.cells.len()).expect("there are fewer cells than bytes")
    }

    fn offset(at: usize) -> u32 {
        u32::try_from(at).expect("the text is shorter than 4 GiB")
    }

    fn push(&mut self, kind: Kind, flags: u8, start: usize, end: usize) {
        let next = self.index() + 1;
        let (start, end) = (Self::offset(start), Self::offset(end));
        self.cells.push(Cell { start, end, next, kind, flags });
    }

    /// Values until the outermost one is whole, then nothing but white space.
    fn run(&mut self) -> Result<(), JsonError> {
        loop {
            if self.value()? {
                continue;
            }
            while self.close_or_go_on()? {}
            if self.open.is_empty() {
                break;
            }
        }
        let tidy = self.tidy;
        self.skip_space();
        self.tidy = tidy;
        if self.at == self.bytes.len() { Ok(()) } else { self.syntax() }
    }

    /// Reads one value; true when it is a container that was opened and has something in it, whose
    /// first value is to be read next.
    fn value(&mut self) -> Result<bool, JsonError> {
        let start = self.at;
        match self.peek() {
            b'"' => {
                let (end, flags) = self.text()?;
                self.push(Kind::Text, flags, start + 1, end);
            }
            b'{' => return self.container(true),
            b'[' => return self.container(false),
            b't' => self.word(b"true", Kind::True)?,
            b'f' => self.word(b"false", Kind::False)?,
            b'n' => self.word(b"null", Kind::Null)?,
            b'-' | b'0'..=b'9' => self.number()?,
            _ => return self.syntax(),
        }
        Ok(false)
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<(), JsonError> {
        if !self.bytes[self.at..].starts_with(word) {
            return self.syntax();
        }
        self.push(kind, 0, self.at, self.at + word.len());
        self.at += word.len();
        Ok(())
    }

    fn container(&mut self, object: bool) -> Result<bool, JsonError> {
        if self.open.len() == self.depth_max {
            return Err(JsonError::TooDeep);
        }
        let cell = self.index();
        let kind = if object { Kind::Object } else { Kind::List };
        self.push(kind, 0, self.at, self.at);
        self.open.push(Open { cell, object, names: 0, seen: 0 });
        self.at += 1;
        self.skip_space();
        let close = if object { b'}' } else { b']' };
        if self.peek() == close {
            return Ok(false);
        }
        if object {
            self.name()?;
        }
        Ok(true)
    }

    /// Behind a value, or in an empty container: true when a container was closed, so that this is
    /// behind a value again; false when another value follows, or the outermost one is whole.
    fn close_or_go_on(&mut self) -> Result<bool, JsonError> {
        let Some(open) = self.open.last() else {
            return Ok(false);
        };
        let (object, first) = (open.object, open.cell as usize + 1);
        let close = if object { b'}' } else { b']' };
        self.skip_space();
        let byte = self.peek();
        if byte == close {
            self.at += 1;
            self.close();
            return Ok(!self.open.is_empty());
        }
        // An empty container is closed at once by its caller's loop; a comma there is an error, as
        // it is the byte that `container` has looked at.
        if byte != b',' || self.cells.len() == first {
            return self.syntax();
        }
        self.at += 1;
        self.skip_space();
        if object {
            self.name()?;
        }
        Ok(false)
    }

    fn close(&mut self) {
        let open = self.open.pop().expect("the caller looked at it");
        let next = self.index();
        self.repeats |= open.names > NAMES_IN_LINE && self.repeats_in_large(open.cell);
        let cell = &mut self.cells[open.cell as usize];
        cell.end = Self::offset(self.at);
        cell.next = next;
    }

    fn name(&mut self) -> Result<(), JsonError> {
        if self.peek() != b'"' {
            return self.syntax();
        }
        let start = self.at + 1;
        let (end, flags) = self.text()?;
        let hash = if flags & ESCAPED == 0 {
            name_hash(&self.bytes[start..end])
        } else {
            name_hash(super::node::unescape(&self.text[start..end]).as_bytes())
        };
        let (start, end) = (Self::offset(start), Self::offset(end));
        let name = Cell { start, end, next: hash, kind: Kind::Name, flags };
        self.note_name(&name);
        self.cells.push(name);
        self.skip_space();
        if self.peek() != b':' {
            return self.syntax();
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    /// Notes whether a name, not yet among the cells, was in the open object before.
    fn note_name(&mut self, name: &Cell) {
        let open = self.open.last_mut().expect("names stand in objects");
        open.names += 1;
        let bit = 1_u64 << (name.next & 63);
        let maybe = open.seen & bit != 0;
        open.seen |= bit;
        if !maybe || open.names > NAMES_IN_LINE || self.repeats {
            return;
        }
        let mut at = open.cell as usize + 1;
        while at < self.cells.len() {
            let other = &self.cells[at];
            if other.next == name.next && plain(self.text, other) == plain(self.text, name) {
                self.repeats = true;
                return;
            }
            at = self.cells[at + 1].next as usize;
        }
    }

    fn repeats_in_large(&self, object: u32) -> bool {
        let mut seen = HashSet::new();
        let mut at = object as usize + 1;
        while at < self.cells.len() {
            if !seen.insert(plain(self.text, &self.cells[at])) {
                return true;
            }
            at = self.cells[at + 1].next as usize;
        }
        false
    }

    /// From the opening quotation mark to behind the closing one; returns where the latter stands.
    fn text(&mut self) -> Result<(usize, u8), JsonError> {
        self.at += 1;
        let mut flags = 0;
        loop {
            self.at += plain_run(&self.bytes[self.at..]);
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return Ok((self.at - 1, flags));
                }
                b'\\' => {
                    flags = ESCAPED;
                    self.escape()?;
                }
                _ => return self.syntax(),
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        match self.bytes.get(start + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let unit = self.hex(start + 2)?;
                self.at += 6;
                if (0xdc00..0xe000).contains(&unit) {
                    self.unpaired.push(start);
                } else if (0xd800..0xdc00).contains(&unit) {
                    self.low_half(start)?;
                }
            }
            _ => return self.syntax(),
        }
        Ok(())
    }

    /// Behind the escape of a high surrogate at `high`: takes the low one if it follows.
    fn low_half(&mut self, high: usize) -> Result<(), JsonError> {
        if self.bytes[self.at..].starts_with(b"\\u") {
            let unit = self.hex(self.at + 2)?;
            if (0xdc00..0xe000).contains(&unit) {
                self.at += 6;
                return Ok(());
            }
        }
        self.unpaired.push(high);
        Ok(())
    }

    fn hex(&self, at: usize) -> Result<u32, JsonError> {
        let digits = self.bytes.get(at..at + 4).unwrap_or_default();
        if digits.len() != 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return self.syntax();
        }
        let digits = &self.text[at..at + 4];
        Ok(u32::from_str_radix(digits, 16).expect("four hex digits"))
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        let mut flags = 0;
        if self.peek() == b'-' {
            self.at += 1;
        }
        if self.peek() == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == b'.' {
            flags = REAL;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            flags = REAL;
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        self.push(Kind::Number, flags, start, self.at);
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        if !self.peek().is_ascii_digit() {
            return self.syntax();
        }
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        Ok(())
    }
}

/// The name or text of a cell, unescaped.
fn plain<'t>(text: &'t str, cell: &Cell) -> Cow<'t, str> {
    let name = &text[cell.start as usize..cell.end as usize];
    if cell.flags & ESCAPED == 0 { name.into() } else { super::node::unescape(name).into() }
}

/// Bytes up to the first quotation mark, backslash or control character, eight at a time.
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let mut at = 0;
    for chunk in bytes.chunks_exact(8) {
        let word = u64::from_le_bytes(chunk.try_into().expect("eight bytes"));
        let quote = zero(word ^ (ONES * u64::from(b'"')));
        let slash = zero(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let found = quote | slash | control;
        if found != 0 {
            // Borrows only run upwards, so the lowest mark is exact.
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = &bytes[at..];
    at + rest.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20).unwrap_or(rest.len())
}
