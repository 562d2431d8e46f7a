//! Texts with holes.
//!
//! In: `message` and `detail` as written. Out: a [`Template`] that is filled per intent. What always
//! holds: a filled text has at most [`FILLED_BYTES_MAX`] bytes and no control characters.

use super::super::expr::Names;
use super::super::frame::{FieldId, Frame};
use super::super::problem::Problems;
use super::super::schema::{Root, Type};
use super::super::source::file::Text;
use crate::event::Value;
use std::sync::Arc;

/// Longest text that users are shown, bytes: phones cut it earlier, and servers log it whole.
pub(super) const FILLED_BYTES_MAX: usize = 256;

/// A text with holes.
#[derive(Debug, Default)]
pub(super) struct Template(Box<[Piece]>);

#[derive(Debug)]
enum Piece {
    Text(Box<str>),
    Field(FieldId),
}

impl Template {
    /// A text without holes.
    pub(super) fn plain(text: &str) -> Self {
        Self([Piece::Text(text.into())].into())
    }

    /// Checks a text; what is wrong with it is reported and left out.
    pub(super) fn compile(
        text: &Text,
        names: &mut dyn Names,
        problems: &Problems,
        rule: Option<&Arc<str>>,
    ) -> Self {
        let written = &*text.value;
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut at = 0;
        while let Some(brace) = written[at..].find(['{', '}']).map(|found| at + found) {
            plain.push_str(&written[at..brace]);
            let rest = &written[brace..];
            if let Some(sign) = ["{{", "}}"].into_iter().find(|sign| rest.starts_with(sign)) {
                plain.push_str(&sign[..1]);
                at = brace + sign.len();
                continue;
            }
            match hole(rest, names) {
                Ok((field, length)) => {
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain).into()));
                    }
                    pieces.push(Piece::Field(field));
                    at = brace + length;
                }
                Err((offset, message, length)) => {
                    problems.error(text.position(brace + offset), rule, message);
                    at = brace + length;
                }
            }
        }
        plain.push_str(&written[at..]);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain.into()));
        }
        Self(pieces.into())
    }

    /// Fields that it reads.
    pub(super) fn reads(&self) -> impl Iterator<Item = FieldId> + '_ {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Field(field) => Some(*field),
            Piece::Text(_) => None,
        })
    }

    /// The text about this intent.
    pub(super) fn fill(&self, frame: &Frame<'_>) -> String {
        let mut filled = Filled { text: String::new(), full: false };
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => filled.push(text),
                Piece::Field(field) => match frame.value(*field) {
                    Value::Text(text) => filled.push(text),
                    Value::Int(number) => filled.push(itoa::Buffer::new().format(number)),
                    Value::Bool(yes) => filled.push(if yes { "true" } else { "false" }),
                    // A hole is of one of these types, so it is absent: empty.
                    Value::Absent | Value::Json(_) | Value::List(_) | Value::Items(_) => {}
                },
            }
        }
        filled.text
    }
}

/// A text that is being filled.
struct Filled {
    text: String,
    full: bool,
}

impl Filled {
    fn push(&mut self, text: &str) {
        for character in text.chars().filter(|character| !character.is_control()) {
            self.full = self.full || self.text.len() + character.len_utf8() > FILLED_BYTES_MAX;
            if self.full {
                return;
            }
            self.text.push(character);
        }
    }
}

/// The field of the hole that `rest` begins with, and the hole's length; or where what is wrong with
/// it, and how much of it to leave out. All in bytes.
fn hole(rest: &str, names: &mut dyn Names) -> Result<(FieldId, usize), (usize, String, usize)> {
    const FORM: &str = "expected a field such as {msg.sender_id}";
    const BRACES: &str = "a brace is written {{ or }}";
    if rest.starts_with('}') {
        return Err((0, format!("}} closes nothing; {BRACES}"), 1));
    }
    let Some(end) = rest.find('}') else {
        return Err((0, format!("nothing closes this {{; {BRACES}"), 1));
    };
    let (inside, length) = (&rest[1..end], end + 1);
    let wrong = || (1, format!("{FORM}, found {{{inside}}}; {BRACES}"), length);
    let (root, path) = inside.split_once('.').ok_or_else(wrong)?;
    let roots = [Root::Msg, Root::Ctx, Root::Raw];
    let root = roots.into_iter().find(|known| known.name() == root).ok_or_else(wrong)?;
    let path_at = end - path.len();
    let (field, info) = names.field(root, path).map_err(|message| (path_at, message, length))?;
    let kind = match info.kind {
        Type::Scalar(_) => return Ok((field, length)),
        Type::List(scalar) => format!("list<{}>", scalar.name()),
        Type::Items(_) => "list<object>".to_owned(),
    };
    let message = format!("expected a string, int or bool, found {inside}, which is {kind}");
    Err((path_at, message, length))
}
