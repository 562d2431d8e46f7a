//! Files of lists: one entry per line.
//!
//! In: the bytes of a list file. Out: its entries with their places, and a problem with the file's
//! own name for each that cannot be one. What always holds: white space around an entry, empty lines
//! and lines that begin with `#` are no entries; a leading `\` protects what follows. An entry that
//! stands twice is there twice.

use super::super::problem::{Position, Problem, Problems, Severity};
use super::file::{At, ListKind};
use super::lines::{Lines, number};
use super::lists::{entries_max, mistake};
use std::sync::Arc;

/// Most mistakes of one list file that are reported each by itself: a file of the wrong kind has as
/// many as lines.
const MISTAKES_MAX: usize = 20;

/// Reads a list file. `name` is the path as written in the rule file.
pub fn parse(
    name: &Arc<str>,
    bytes: &[u8],
    kind: &ListKind,
    problems: &Problems,
) -> Vec<At<Box<str>>> {
    let report = |at: Position, message: String| {
        let file = Some(Arc::clone(name));
        problems.add(Problem { file, at, severity: Severity::Error, rule: None, message });
    };
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = str::from_utf8(&bytes[..error.valid_up_to()]).expect("checked as UTF-8");
            let valid = valid.strip_prefix('\u{feff}').unwrap_or(valid);
            let at = Lines::new(valid).position(valid.len());
            report(at, "the list is not UTF-8 from here on".to_owned());
            return Vec::new();
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let most = entries_max(kind);
    let mut entries = Vec::new();
    let mut mistakes = 0;
    for entry in Lines::new(text).iter().filter_map(|(line, text)| entry(line, text)) {
        if let Some(message) = mistake(entry.value, Some(kind)) {
            mistakes += 1;
            if mistakes <= MISTAKES_MAX {
                report(entry.at, message);
            } else if mistakes == MISTAKES_MAX + 1 {
                report(entry.at, "too many mistakes; those from here on are not shown".to_owned());
            }
        } else if entries.len() == most {
            report(entry.at, format!("the list has more entries than {most}, which is the limit"));
            break;
        } else {
            entries.push(At { value: entry.value.into(), at: entry.at });
        }
    }
    entries
}

/// What a line says, without what protects it.
fn entry(line: u32, text: &str) -> Option<At<&str>> {
    let begun = text.trim_start();
    let column = text[..text.len() - begun.len()].chars().count() + 1;
    let written = begun.trim_end();
    if written.is_empty() || written.starts_with('#') {
        return None;
    }
    let (value, column) = match written.strip_prefix('\\') {
        Some(rest) => (rest, column + 1),
        None => (written, column),
    };
    Some(At { value, at: Position { line, column: number(column) } })
}

#[cfg(test)]
mod tests {
    use super::super::file::{Fold, ListKind};
    use super::{Arc, Problems, parse};

    const WORDS: ListKind = ListKind::Words { fold: Fold::DEFAULT, token: false };

    /// Entries as `line:column text`, and mistakes as `file:line:column message`.
    fn read(bytes: &[u8], kind: &ListKind) -> (Vec<String>, Vec<String>) {
        let problems = Problems::default();
        let entries = parse(&Arc::from("lists/a.txt"), bytes, kind, &problems);
        let entries = entries
            .iter()
            .map(|entry| format!("{}:{} {}", entry.at.line, entry.at.column, entry.value))
            .collect();
        let mistakes = problems.into_sorted().into_iter().map(|problem| {
            let file = problem.file.expect("the list file's name");
            format!("{file}:{}:{} {}", problem.at.line, problem.at.column, problem.message)
        });
        (entries, mistakes.collect())
    }

    #[test]
    fn white_space_comments_and_protected_signs_are_read() {
        let text = "\u{feff}s1\n# a comment\n\n  @TGS#1  \r\n\\#hash\n\\\\back\n#nor this\n\t#\n\\ a \n\u{3000}赌 博\ns1";
        let (entries, mistakes) = read(text.as_bytes(), &ListKind::Ids);
        let expected =
            ["1:1 s1", "4:3 @TGS#1", "5:2 #hash", "6:2 \\back", "9:2  a", "10:2 赌 博", "11:1 s1"];
        assert_eq!(entries, expected);
        assert_eq!(mistakes, Vec::<String>::new());
    }

    #[test]
    fn an_empty_file_is_an_empty_list() {
        assert_eq!(read(b"", &WORDS), (vec![], vec![]));
        assert_eq!(read(b"\xef\xbb\xbf", &WORDS), (vec![], vec![]));
    }

    #[test]
    fn mistakes_stand_at_their_line_of_the_list_file() {
        let text = format!("a\n\\\n  {}\nb\n", "赌".repeat(65));
        let (entries, mistakes) = read(text.as_bytes(), &WORDS);
        assert_eq!(entries, ["1:1 a", "4:1 b"]);
        let word = "赌".repeat(60);
        let expected = [
            "lists/a.txt:2:2 an empty entry".to_owned(),
            format!("lists/a.txt:3:3 the word \"{word}\"… has 65 characters, limit is 64"),
        ];
        assert_eq!(mistakes, expected);
        let text = format!("{}\n{}\n", "a".repeat(256), "a".repeat(257));
        let (entries, mistakes) = read(text.as_bytes(), &ListKind::Ids);
        assert_eq!((entries.len(), mistakes.len()), (1, 1));
        assert!(mistakes[0].ends_with("has 257 bytes, limit is 256"), "{mistakes:?}");
    }

    #[test]
    fn what_is_not_utf_8_is_no_list() {
        let (entries, mistakes) =
            read("a\n赌\u{e9}".as_bytes().split_last().expect("long").1, &WORDS);
        assert_eq!(entries, Vec::<String>::new());
        assert_eq!(mistakes, ["lists/a.txt:2:2 the list is not UTF-8 from here on"]);
    }

    #[test]
    fn two_hundred_thousand_words_are_read_and_not_one_more() {
        let (entries, mistakes) = read("a\n".repeat(200_000).as_bytes(), &WORDS);
        assert_eq!((entries.len(), mistakes.len()), (200_000, 0));
        let (entries, mistakes) = read("a\n".repeat(200_003).as_bytes(), &WORDS);
        assert_eq!(entries.len(), 200_000);
        let expected =
            ["lists/a.txt:200001:1 the list has more entries than 200000, which is the limit"];
        assert_eq!(mistakes, expected);
    }

    #[test]
    fn of_very_many_mistakes_twenty_are_reported() {
        let (entries, mistakes) = read("\\\n".repeat(1000).as_bytes(), &WORDS);
        assert_eq!((entries.len(), mistakes.len()), (0, 21));
        let last = "lists/a.txt:21:2 too many mistakes; those from here on are not shown";
        assert_eq!(mistakes[20], last);
    }
}
