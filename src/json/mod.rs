//! Reads JSON into a flat table of nodes over the received text, without copying it.
//!
//! In: UTF-8 text. Out: [`Json`], whose [`Node`]s borrow every key, text and number literal as it was
//! received. What always holds: only strict JSON (RFC 8259) is read; of equal names in one object
//! the last value counts, at the place of the first; number literals stay as they came; an
//! unpaired surrogate escape reads as U+FFFD; nesting deeper than [`DEPTH_MAX`] is refused. Nothing
//! recurses while reading, so no body can exhaust the stack.
//!
//! Why not `serde_json`: the events promise the received literals, order and bytes of a body, and
//! the answers echo members unchanged. A value tree loses literals or allocates per member; a typed
//! visitor cannot know the members of a catalogue that operators extend. The tests hold this
//! reader against `serde_json` on arbitrary input.
//!
//! Read next: `scan` (text to nodes), `node` (walking), `write` (compact form).

mod node;
mod scan;
mod write;

pub use node::{Kind, Member, Members, Node};
pub use write::{Rewrite, compact, copy, push_text, rewritten};

use bumpalo::Bump;
use scan::Cell;

/// Containers may be nested this deep, the outermost one counted as 1. The contract asks for 100;
/// readers of our events must be able to follow us, and theirs stop at 128 (`serde_json`) or more.
pub const DEPTH_MAX: usize = 100;

/// Nesting of our own events: a body of the greatest depth stands in them as `data.raw`.
pub const EVENT_DEPTH_MAX: usize = DEPTH_MAX + 2;

/// Why a text is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The text is no JSON; the offset is where reading stopped.
    #[error("no JSON at byte {0}")]
    Syntax(usize),
    /// Nested deeper than [`DEPTH_MAX`], or [`EVENT_DEPTH_MAX`].
    #[error("nested too deep")]
    TooDeep,
    /// Four gigabytes and more.
    #[error("too large")]
    TooLarge,
}

/// A text that was read.
#[derive(Debug, Clone, Copy)]
pub struct Json<'a> {
    text: &'a str,
    cells: &'a [Cell],
    tidy: bool,
    arena: &'a Bump,
}

impl<'a> Json<'a> {
    /// Reads `text`; nodes, and texts that had to be unescaped, live in `arena`.
    ///
    /// # Errors
    /// See [`JsonError`]; the text is then to be treated as no JSON at all.
    pub fn read(text: &'a str, arena: &'a Bump) -> Result<Self, JsonError> {
        Self::read_to(DEPTH_MAX, text, arena)
    }

    /// As [`Self::read`], for events of our own: nested as deep as [`EVENT_DEPTH_MAX`].
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_event(text: &'a str, arena: &'a Bump) -> Result<Self, JsonError> {
        Self::read_to(EVENT_DEPTH_MAX, text, arena)
    }

    fn read_to(depth_max: usize, text: &'a str, arena: &'a Bump) -> Result<Self, JsonError> {
        let scanned = scan::scan(text, depth_max, arena)?;
        Ok(Self { text: scanned.text, cells: scanned.cells, tidy: scanned.tidy, arena })
    }

    /// The outermost value.
    #[must_use]
    pub fn root(&'a self) -> Node<'a> {
        Node::new(self, 0)
    }
}

/// Hash of a member name, the same for names of the catalogue and names of a body. Not for tables
/// that an attacker can fill: members are compared after it.
#[must_use]
pub fn name_hash(name: &[u8]) -> u32 {
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    // Loads of a fixed width: copies of any other are calls.
    let (head, tail) = if let Some((head, tail)) = ends::<8>(name) {
        (u64::from_le_bytes(head), u64::from_le_bytes(tail))
    } else if let Some((head, tail)) = ends::<4>(name) {
        (u64::from(u32::from_le_bytes(head)), u64::from(u32::from_le_bytes(tail)))
    } else {
        let byte = |at: usize| name.get(at).map_or(0, |byte| u64::from(*byte));
        (byte(0) | byte(1) << 8 | byte(2) << 16, 0)
    };
    let mixed = (head ^ (name.len() as u64).rotate_left(56)).wrapping_mul(MIX);
    let mixed = (mixed ^ (mixed >> 29) ^ tail).wrapping_mul(MIX);
    u32::try_from(mixed >> 32).expect("32 bits are left")
}

/// The first and the last bytes of a name that has at least so many.
fn ends<const N: usize>(name: &[u8]) -> Option<([u8; N], [u8; N])> {
    Some((*name.first_chunk()?, *name.last_chunk()?))
}

#[cfg(test)]
mod tests;
