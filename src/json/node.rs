//! Walking what was read: members by name, items by index, texts unescaped when asked for.

use super::scan::{Cell, ESCAPED, REAL};
use super::{Json, name_hash};

/// What a cell stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true`
    True,
    /// `false`
    False,
    /// A number; its literal is [`Node::source`].
    Number,
    /// A text.
    Text,
    /// A list.
    List,
    /// An object.
    Object,
    /// A member's name; never the kind of a [`Node`].
    Name,
}

/// One value of a [`Json`].
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    json: &'a Json<'a>,
    at: u32,
}

impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.json, other.json) && self.at == other.at
    }
}

impl<'a> Node<'a> {
    pub(super) const fn new(json: &'a Json<'a>, at: u32) -> Self {
        Self { json, at }
    }

    fn cell(&self) -> &'a Cell {
        &self.json.cells[self.at as usize]
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.cell().kind
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.kind() == Kind::Null
    }

    /// Whether it is an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.kind() == Kind::Object
    }

    /// Whether it is a list.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.kind() == Kind::List
    }

    /// Whether it is a number without fraction and exponent.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        self.kind() == Kind::Number && self.cell().flags & REAL == 0
    }

    /// As received: literal, text with its quotation marks, container with all in it.
    #[must_use]
    pub fn source(&self) -> &'a str {
        let cell = self.cell();
        let (start, end) = (cell.start as usize, cell.end as usize);
        match cell.kind {
            Kind::Text => &self.json.text[start - 1..=end],
            _ => &self.json.text[start..end],
        }
    }

    /// Whether [`Self::source`] has no white space between tokens.
    pub(super) fn is_tidy(&self) -> bool {
        self.json.tidy
    }

    /// The text, unescaped; `None` for other values.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        let cell = self.cell();
        (cell.kind == Kind::Text).then(|| self.plain(cell))
    }

    fn plain(&self, cell: &Cell) -> &'a str {
        let text = &self.json.text[cell.start as usize..cell.end as usize];
        if cell.flags & ESCAPED == 0 { text } else { self.json.arena.alloc_str(&unescape(text)) }
    }

    /// The literal of a number; `None` for other values.
    #[must_use]
    pub fn literal(&self) -> Option<&'a str> {
        (self.kind() == Kind::Number).then(|| self.source())
    }

    /// The member of that name; `None` when it is not there or this is no object.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Node<'a>> {
        self.get_hashed(name, name_hash(name.as_bytes()))
    }

    /// As [`Self::get`], with [`name_hash`] of the name at hand.
    #[must_use]
    pub fn get_hashed(&self, name: &str, hash: u32) -> Option<Node<'a>> {
        let cell = self.cell();
        if cell.kind != Kind::Object {
            return None;
        }
        let mut at = self.at + 1;
        while at < cell.next {
            let key = &self.json.cells[at as usize];
            if key.next == hash && self.plain(key) == name {
                return Some(Node::new(self.json, at + 1));
            }
            at = self.json.cells[at as usize + 1].next;
        }
        None
    }

    /// Members in received order; none for other values.
    #[must_use]
    pub fn members(&self) -> Members<'a> {
        let cell = self.cell();
        let end = if cell.kind == Kind::Object { cell.next } else { self.at };
        Members { object: *self, at: self.at + 1, end }
    }

    /// Items in order; none for other values.
    pub fn items(&self) -> impl Iterator<Item = Node<'a>> + use<'a> {
        let cell = self.cell();
        let (json, end) = (self.json, if cell.kind == Kind::List { cell.next } else { self.at });
        let mut at = self.at + 1;
        std::iter::from_fn(move || {
            (at < end).then(|| {
                let item = Node::new(json, at);
                at = json.cells[at as usize].next;
                item
            })
        })
    }

    /// Whether it is a container with nothing in it.
    #[must_use]
    pub fn is_empty_container(&self) -> bool {
        let cell = self.cell();
        matches!(cell.kind, Kind::List | Kind::Object) && cell.next == self.at + 1
    }
}

/// See [`Node::members`].
#[derive(Debug, Clone)]
pub struct Members<'a> {
    object: Node<'a>,
    at: u32,
    end: u32,
}

/// A member: its name, unescaped, [`name_hash`] of it, and its value.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// Name, unescaped.
    pub name: &'a str,
    /// [`name_hash`] of the name.
    pub hash: u32,
    /// Value.
    pub value: Node<'a>,
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Member<'a>> {
        if self.at >= self.end {
            return None;
        }
        let json = self.object.json;
        let name = &json.cells[self.at as usize];
        let value = Node::new(json, self.at + 1);
        self.at = json.cells[self.at as usize + 1].next;
        Some(Member { name: self.object.plain(name), hash: name.next, value })
    }
}

/// Resolves the escapes of a text that was read; unpaired surrogates become U+FFFD.
pub(super) fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        plain.push_str(&rest[..at]);
        let escape = rest.as_bytes()[at + 1];
        rest = &rest[at + 2..];
        match escape {
            b'b' => plain.push('\u{8}'),
            b'f' => plain.push('\u{c}'),
            b'n' => plain.push('\n'),
            b'r' => plain.push('\r'),
            b't' => plain.push('\t'),
            b'u' => {
                let high = unit(rest);
                rest = &rest[4..];
                let low = rest.strip_prefix("\\u").filter(|_| (0xd800..0xdc00).contains(&high));
                let pair = low.map(unit).filter(|low| (0xdc00..0xe000).contains(low));
                let code = pair.map_or(high, |low| {
                    rest = &rest[6..];
                    0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)
                });
                plain.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            other => plain.push(char::from(other)),
        }
    }
    plain.push_str(rest);
    plain
}

fn unit(digits: &str) -> u32 {
    digits.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0)
}
