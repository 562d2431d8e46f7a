//! Lines of a text, as YAML and editors count them.
//!
//! In: a text. Out: its lines without their ends, and places of offsets. What always holds: a line
//! ends at a line feed, a carriage return, or both together; columns count characters.

use super::super::problem::Position;

/// A text and where its lines begin.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// Finds the lines.
    pub(super) fn new(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        let ends = memchr::memchr2_iter(b'\n', b'\r', bytes)
            .filter(|at| bytes[*at] == b'\n' || bytes.get(at + 1) != Some(&b'\n'));
        let starts = std::iter::once(0).chain(ends.map(|at| at + 1)).collect();
        Self { text, starts }
    }

    /// The line of this number, from 1, without its end.
    pub(super) fn get(&self, line: u32) -> Option<&'a str> {
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        let start = *self.starts.get(index)?;
        let end = self.starts.get(index + 1).copied().unwrap_or(self.text.len());
        let line = &self.text[start..end];
        let line = line.strip_suffix('\n').unwrap_or(line);
        Some(line.strip_suffix('\r').unwrap_or(line))
    }

    /// All lines with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &'a str)> + '_ {
        (1..).map_while(|line| Some((line, self.get(line)?)))
    }

    /// Place of the character that begins at byte `offset`.
    pub(super) fn position(&self, offset: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let before = &self.text[self.starts[line - 1]..offset];
        Position { line: number(line), column: number(before.chars().count() + 1) }
    }
}

/// A count as positions hold it.
pub(super) fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Lines, Position};

    #[test]
    fn a_line_ends_at_a_line_feed_a_carriage_return_or_both() {
        let lines = Lines::new("a\r\nb\rc\n\nd");
        let all: Vec<_> = lines.iter().collect();
        assert_eq!(all, [(1, "a"), (2, "b"), (3, "c"), (4, ""), (5, "d")]);
        assert_eq!(lines.get(6), None);
        assert_eq!(lines.get(0), None);
    }

    #[test]
    fn an_empty_text_is_one_empty_line() {
        assert_eq!(Lines::new("").iter().collect::<Vec<_>>(), [(1, "")]);
    }

    #[test]
    fn columns_count_characters() {
        let lines = Lines::new("ab\n赌博x");
        assert_eq!(lines.position(0), Position::START);
        assert_eq!(lines.position(9), Position { line: 2, column: 3 });
        assert_eq!(lines.position(10), Position { line: 2, column: 4 });
    }
}
