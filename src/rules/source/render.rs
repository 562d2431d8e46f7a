//! Problems as people and programs read them.
//!
//! In: problems, and the text of the file they are in. Out: lines for a terminal, or a JSON object.
//! What always holds: one line per message; no control character of the file reaches the terminal;
//! the caret stands below the character that is meant, tabs and wide characters included.

use super::super::problem::{Position, Problem, Severity};
use super::lines::Lines;
use std::fmt::Write;
use unicode_width::UnicodeWidthChar;

/// Widest part of a source line that is shown.
const WIDTH_MAX: usize = 120;
/// How much of it stands before the place that is meant, at most.
const BEFORE_MAX: usize = 60;
/// Stands where a line was cut.
const CUT: char = '…';

/// A file that problems point into: the rule file, or one of its list files.
#[derive(Debug)]
pub struct Source<'a> {
    name: &'a str,
    lines: Lines<'a>,
}

impl<'a> Source<'a> {
    /// `name` stands in front of messages; of a list file it is the path as written in the rule file.
    /// What is not UTF-8 in a file is best replaced before.
    #[must_use]
    pub fn new(name: &'a str, text: &'a str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { name, lines: Lines::new(text) }
    }

    /// The line of a problem, then the line it is about and one with a caret where there is such
    /// a line; each ends with a line feed. A problem of another list file has no such line.
    #[must_use]
    pub fn render(&self, problem: &Problem) -> String {
        let mut out = headline(self.name, problem);
        out.push('\n');
        let here = problem.file.as_deref().is_none_or(|file| file == self.name);
        if here && let Some(line) = self.lines.get(problem.at.line) {
            excerpt(line, problem.at, &mut out);
        }
        out
    }
}

/// `rules.yaml:31:12: rule flood: …`, `rules.yaml:9:3: warning: rule x: …`; without its line's end.
/// `file` is the rule file's name; problems of list files begin with their own.
#[must_use]
pub fn headline(file: &str, problem: &Problem) -> String {
    let file = problem.file.as_deref().unwrap_or(file);
    let Position { line, column } = problem.at;
    let mut out = format!("{file}:{line}:{column}: ");
    if problem.severity == Severity::Warning {
        out.push_str("warning: ");
    }
    if let Some(rule) = &problem.rule {
        write!(out, "rule {rule}: ").expect("strings take everything");
    }
    out.push_str(&problem.message);
    harmless(&out)
}

/// `{"file", "line", "column", "rule", "message"}`; `file` as for [`headline`].
#[must_use]
pub fn json(file: &str, problem: &Problem) -> serde_json::Value {
    let file = problem.file.as_deref().unwrap_or(file);
    serde_json::json!({
        "file": file,
        "line": problem.at.line,
        "column": problem.at.column,
        "rule": problem.rule.as_deref(),
        "message": problem.message,
    })
}

/// Whether a terminal would obey the character: controls, and what turns the direction of writing.
fn is_obeyed(char: char) -> bool {
    char.is_control() || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text without such characters.
fn harmless(text: &str) -> String {
    let shown = |char| if is_obeyed(char) { char::REPLACEMENT_CHARACTER } else { char };
    text.chars().map(shown).collect()
}

/// The source line and the caret line, cut around the place where the line is long.
fn excerpt(line: &str, at: Position, out: &mut String) {
    let column = usize::try_from(at.column).unwrap_or(usize::MAX);
    let place =
        line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(offset, _)| offset);
    let (before, behind) = line.split_at(place);
    let whole = line.chars().map(weight).sum::<usize>() <= WIDTH_MAX;
    let before = if whole { before } else { last(before, BEFORE_MAX) };
    let shown = first(behind, WIDTH_MAX.saturating_sub(before.chars().map(weight).sum()));
    let mut caret = String::new();
    if before.len() < place {
        out.push(CUT);
        caret.push(' ');
    }
    for char in before.chars() {
        if char == '\t' {
            caret.push('\t');
        } else {
            caret.extend(std::iter::repeat_n(' ', columns(char)));
        }
    }
    for char in before.chars().chain(shown.chars()) {
        let odd = is_obeyed(char) && char != '\t';
        out.push(if odd { char::REPLACEMENT_CHARACTER } else { char });
    }
    if shown.len() < behind.len() {
        out.push(CUT);
    }
    out.push('\n');
    out.push_str(&caret);
    out.push_str("^\n");
}

/// Columns of a terminal that a character takes; a tab counts as one.
fn columns(char: char) -> usize {
    if is_obeyed(char) { 1 } else { char.width().unwrap_or_default() }
}

/// What a character counts when a line is cut: nothing is free, or a line of joiners had no end.
fn weight(char: char) -> usize {
    columns(char).max(1)
}

/// The last part that fits.
fn last(text: &str, width: usize) -> &str {
    let mut used = 0;
    for (offset, char) in text.char_indices().rev() {
        used += weight(char);
        if used > width {
            return &text[offset + char.len_utf8()..];
        }
    }
    text
}

/// The first part that fits.
fn first(text: &str, width: usize) -> &str {
    let mut used = 0;
    for (offset, char) in text.char_indices() {
        used += weight(char);
        if used > width {
            return &text[..offset];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Position, Problem, Severity, Source, headline, json};
    use std::sync::Arc;

    fn problem(line: u32, column: u32, rule: Option<&str>, message: &str) -> Problem {
        Problem {
            file: None,
            at: Position { line, column },
            severity: Severity::Error,
            rule: rule.map(Arc::from),
            message: message.to_owned(),
        }
    }

    /// The two lines below the message.
    fn excerpt(text: &str, line: u32, column: u32) -> String {
        let all = Source::new("r", text).render(&problem(line, column, None, "m"));
        all.strip_prefix(&format!("r:{line}:{column}: m\n")).expect("begins so").to_owned()
    }

    #[test]
    fn a_mistake_is_shown_with_its_line_and_a_caret() {
        let text = "rules:\n    when: msg.groupid == \"g\"\n";
        let message = "message.group.send has no field \"groupid\", did you mean \"group_id\"?";
        let shown = Source::new("rules.yaml", text).render(&problem(2, 15, Some("flood"), message));
        let expected = "rules.yaml:2:15: rule flood: message.group.send has no field \"groupid\", did you mean \"group_id\"?
    when: msg.groupid == \"g\"
              ^
";
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_warning_says_so_before_the_rule() {
        let warning = Problem { severity: Severity::Warning, ..problem(9, 3, Some("x"), "odd") };
        assert_eq!(headline("rules.yaml", &warning), "rules.yaml:9:3: warning: rule x: odd");
        let warning = Problem { rule: None, ..warning };
        assert_eq!(headline("rules.yaml", &warning), "rules.yaml:9:3: warning: odd");
    }

    #[test]
    fn programs_read_members() {
        let expected =
            serde_json::json!({"file": "a", "line": 9, "column": 3, "rule": "x", "message": "odd"});
        assert_eq!(json("a", &problem(9, 3, Some("x"), "odd")), expected);
        let expected = serde_json::json!({"file": "a", "line": 9, "column": 3, "rule": null, "message": "odd"});
        assert_eq!(json("a", &problem(9, 3, None, "odd")), expected);
    }

    #[test]
    fn a_problem_of_a_list_file_has_its_name_and_is_shown_in_it_only() {
        let problem = Problem { file: Some(Arc::from("l.txt")), ..problem(2, 1, None, "odd") };
        assert_eq!(json("rules.yaml", &problem)["file"], "l.txt");
        let shown = Source::new("l.txt", "a\nb").render(&problem);
        assert_eq!(shown, "l.txt:2:1: odd\nb\n^\n");
        let shown = Source::new("rules.yaml", "a\nb").render(&problem);
        assert_eq!(shown, "l.txt:2:1: odd\n");
    }

    #[test]
    fn the_caret_stands_below_its_character_behind_tabs_and_wide_ones() {
        assert_eq!(excerpt("\ta赌e\u{301}x", 1, 6), "\ta赌e\u{301}x\n\t    ^\n");
        assert_eq!(excerpt("ab", 1, 3), "ab\n  ^\n");
        assert_eq!(excerpt("ab", 1, 30), "ab\n  ^\n");
        assert_eq!(excerpt("\u{feff}ab", 1, 1), "ab\n^\n");
    }

    #[test]
    fn a_place_outside_of_the_file_is_shown_without_a_line() {
        assert_eq!(excerpt("ab\n", 2, 1), "\n^\n");
        assert_eq!(excerpt("ab\n", 3, 1), "");
        assert_eq!(excerpt("ab\n", 0, 0), "");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let line: String = ('a'..='z').cycle().take(400).collect();
        let shown = excerpt(&line, 1, 200);
        let [source, caret] = shown.lines().collect::<Vec<_>>()[..] else { panic!("{shown}") };
        assert!(source.starts_with('…') && source.ends_with('…'), "{source}");
        assert_eq!(source.chars().count(), 122);
        assert_eq!(source.chars().nth(caret.len() - 1), line.chars().nth(199));
        let shown = excerpt(&line, 1, 1);
        assert_eq!(shown, format!("{}…\n^\n", &line[..120]));
        let shown = excerpt(&line, 1, 400);
        assert_eq!(shown, format!("…{}\n{}^\n", &line[339..], " ".repeat(61)));
        let wide = "赌".repeat(400);
        let shown = excerpt(&wide, 1, 200);
        assert_eq!(shown, format!("…{}…\n{}^\n", "赌".repeat(60), " ".repeat(61)));
        let joiners = "\u{200d}".repeat(4000);
        assert!(excerpt(&joiners, 1, 200).len() < 1000);
    }

    #[test]
    fn nothing_in_a_file_is_obeyed_by_a_terminal() {
        let odd = "a\u{1b}[31m\u{7f}\u{9b}\u{202e}b";
        assert_eq!(excerpt(odd, 1, 10), "a�[31m���b\n         ^\n");
        assert_eq!(headline("r", &problem(1, 1, Some(odd), "x\ny")), "r:1:1: rule a�[31m���b: x�y");
    }
}
