//! What a terminal shows: colours where they are wanted, columns that line up, nothing that could
//! take the terminal over.
//!
//! In: texts, some of them from strangers. Out: lines. What always holds: a line never holds a
//! control character of its texts; its width counts columns, so that wide characters line up too;
//! without colours it holds no escape sequence.

use anstyle::{AnsiColor, Style};
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use unicode_width::UnicodeWidthChar as _;

/// Nothing special.
pub(super) const PLAIN: Style = Style::new();
/// Of less weight.
pub(super) const DIM: Style = Style::new().dimmed();
/// Of more weight.
pub(super) const BOLD: Style = Style::new().bold();
/// Well, or told.
pub(super) const GREEN: Style = AnsiColor::Green.on_default();
/// Asked.
pub(super) const YELLOW: Style = AnsiColor::Yellow.on_default();
/// Not well.
pub(super) const RED: Style = AnsiColor::Red.on_default();

/// The colour of a provider.
pub(super) fn provider_style(provider: &str) -> Style {
    match provider {
        "openim" => AnsiColor::Cyan.on_default(),
        "tencent" => AnsiColor::Magenta.on_default(),
        _ => PLAIN,
    }
}

/// What standard output is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Screen {
    /// Whether colours are wanted (a terminal, and no `NO_COLOR`).
    pub(super) colour: bool,
    /// Whether there are columns, and lines can be drawn over.
    pub(super) terminal: bool,
}

impl Screen {
    /// Standard output as it is now.
    pub(super) fn stdout() -> Self {
        let out = std::io::stdout();
        let colour = anstream::AutoStream::choice(&out) != anstream::ColorChoice::Never;
        let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        Self { colour, terminal: out.is_terminal() && !dumb }
    }

    /// Columns of the terminal now; `None` where lines may be of any length.
    pub(super) fn columns(self) -> Option<usize> {
        let size = self.terminal.then(|| terminal_size::terminal_size_of(std::io::stdout()))?;
        size.map(|(width, _)| usize::from(width.0))
    }
}

/// Whether colours are wanted on standard error: a terminal, and no `NO_COLOR`.
pub(super) fn colour_on_stderr() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}

/// A line under construction.
#[derive(Debug, Default, Clone)]
pub(super) struct Line {
    spans: Vec<(Style, String)>,
    width: usize,
}

impl Line {
    /// Adds a text, cleaned.
    pub(super) fn push(&mut self, style: Style, text: &str) -> &mut Self {
        let text = clean(text);
        self.width += width(&text);
        self.spans.push((style, text));
        self
    }

    /// Adds a text that takes exactly `columns`: cut or padded.
    pub(super) fn cell(&mut self, style: Style, text: &str, columns: usize) -> &mut Self {
        let end = self.width + columns;
        self.push(style, &fit(&clean(text), columns)).pad_to(end)
    }

    /// As [`Self::cell`], at the right end of its columns.
    pub(super) fn cell_right(&mut self, style: Style, text: &str, columns: usize) -> &mut Self {
        let text = fit(&clean(text), columns);
        let start = self.width + columns - width(&text);
        self.pad_to(start).push(style, &text)
    }

    /// Adds spaces up to a column.
    pub(super) fn pad_to(&mut self, column: usize) -> &mut Self {
        let missing = column.saturating_sub(self.width);
        if missing > 0 {
            self.spans.push((PLAIN, " ".repeat(missing)));
            self.width += missing;
        }
        self
    }

    /// Columns so far.
    #[cfg(test)]
    pub(super) const fn width(&self) -> usize {
        self.width
    }

    /// The text, cut at `columns` where there are so many, without spaces at its end.
    pub(super) fn render(&self, colour: bool, columns: Option<usize>) -> String {
        let mut text = String::new();
        let mut left = columns.unwrap_or(usize::MAX);
        let whole = self.width <= left;
        let last = self.spans.iter().rposition(|(_, span)| !span.trim_end().is_empty());
        for (at, (style, span)) in self.spans.iter().enumerate() {
            let Some(last) = last.filter(|last| at <= *last && left > 0) else { break };
            let span = if at == last && whole { span.trim_end() } else { span };
            // The cut shows as an ellipsis in the last column, also where it falls between spans.
            let ends_here = !whole && width(span) >= left;
            let span = if ends_here { cut(span, left) } else { span.to_owned() };
            left -= width(&span).min(left);
            if colour && *style != PLAIN && !span.is_empty() {
                write!(text, "{}{span}{}", style.render(), style.render_reset())
                    .expect("writing to a String cannot fail");
            } else {
                text.push_str(&span);
            }
            if ends_here {
                break;
            }
        }
        text
    }
}

/// Columns that a text takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(|char| char.width().unwrap_or(0)).sum()
}

/// The text, or as much of it as fits with an ellipsis behind it.
pub(super) fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns { text.to_owned() } else { cut(text, columns) }
}

fn cut(text: &str, columns: usize) -> String {
    let Some(room) = columns.checked_sub(1) else { return String::new() };
    let mut out = String::new();
    let mut taken = 0;
    for char in text.chars() {
        taken += char.width().unwrap_or(0);
        if taken > room {
            break;
        }
        out.push(char);
    }
    out.push('…');
    out
}

/// The text without what would move the cursor, colour the rest or turn its direction; line ends
/// show as `⏎`.
pub(super) fn clean(text: &str) -> String {
    let shown = |char: char| match char {
        '\n' => '⏎',
        '\t' => ' ',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '·',
        char if char.is_control() => '·',
        char => char,
    };
    text.chars().filter(|char| *char != '\r').map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_line_up_whatever_the_width_of_their_characters() {
        let mut line = Line::default();
        line.cell(PLAIN, "群组消息", 6).cell(PLAIN, "ab", 4).cell_right(PLAIN, "7", 3);
        assert_eq!(line.width(), 13);
        assert_eq!(line.render(false, None), "群组… ab    7");
    }

    #[test]
    fn a_line_is_cut_at_the_border_with_an_ellipsis() {
        let mut line = Line::default();
        line.push(PLAIN, "abc").push(BOLD, "defgh").push(PLAIN, "  ");
        assert_eq!(line.render(false, Some(6)), "abcde…");
        assert_eq!(line.render(false, Some(3)), "ab…");
        assert_eq!(line.render(false, Some(0)), "");
        assert_eq!(line.render(false, Some(10)), "abcdefgh");
        let coloured = line.render(true, Some(6));
        assert_eq!(coloured, "abc\u{1b}[1mde…\u{1b}[0m");
    }

    #[test]
    fn texts_of_strangers_cannot_take_the_terminal_over() {
        assert_eq!(clean("a\u{1b}[2Jb\r\nc\u{7}\u{202e}d"), "a·[2Jb⏎c··d");
        let mut line = Line::default();
        line.push(PLAIN, "\u{1b}[31mred");
        assert!(!line.render(true, None).contains('\u{1b}'));
    }
}
