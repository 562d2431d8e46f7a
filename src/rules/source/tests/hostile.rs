//! Files made to hurt, and random ones: no panic, an answer soon, a place in the file.

use super::super::super::problem::{Position, Problems};
use super::super::render::Source;
use super::FULL;
use proptest::prelude::*;
use std::fmt::Write;

/// What YAML gives a meaning, and what is none.
const SIGNS: &[u8] = b"[]{}:,?|>&*!%'\"#~\\ \n\r\t-0a\xff\x00";
const MEBIBYTE: usize = 1024 * 1024;

/// Reads, looks at every place, and renders some: what is told must be tellable.
fn survive(bytes: &[u8]) -> Vec<(Position, String)> {
    let problems = Problems::default();
    let file = super::super::read(bytes, &problems);
    assert!(file.is_some() || problems.errors() > 0, "nothing is refused without a word");
    let text = String::from_utf8_lossy(bytes);
    let lines = text.split(['\n', '\r']).count() + 1;
    let source = Source::new("rules.yaml", &text);
    let problems = problems.into_sorted();
    for problem in &problems {
        let Position { line, column } = problem.at;
        assert!(line >= 1 && column >= 1, "{problem:?}");
        assert!(usize::try_from(line).expect("small") <= lines, "{problem:?}");
        assert!(problem.message.len() < 700, "{} bytes", problem.message.len());
    }
    for problem in problems.iter().take(3) {
        assert!(source.render(problem).len() < 2000, "{problem:?}");
    }
    problems.into_iter().map(|problem| (problem.at, problem.message)).collect()
}

/// A file of a mebibyte that repeats `part` between `before` and `behind`.
fn full(before: &str, part: &str, behind: &str) -> String {
    sized(MEBIBYTE, before, part, behind)
}

/// The same of an eighth of that: as long as it need be, as tests should be fast.
fn long(before: &str, part: &str, behind: &str) -> String {
    sized(MEBIBYTE / 8, before, part, behind)
}

fn sized(bytes: usize, before: &str, part: &str, behind: &str) -> String {
    let times = (bytes - before.len() - behind.len()) / part.len();
    format!("{before}{}{behind}", part.repeat(times))
}

/// Mappings around one another, one per line.
fn ladder(depth: usize) -> String {
    (0..depth).flat_map(|depth| [" ".repeat(depth), "a:\n".to_owned()]).collect()
}

#[test]
fn files_made_to_hurt_are_refused_at_a_place() {
    let mut corpus = vec![
        "[".repeat(100_000),
        "{".repeat(100_000),
        "]".repeat(100_000),
        "[{".repeat(50_000),
        "{a: ".repeat(50_000),
        "- ".repeat(100_000),
        "? ".repeat(100_000),
        "a: ".repeat(100_000),
        ladder(1000),
        full("", ":", ""),
        long("", ": ", ""),
        long("", "%", ""),
        long("", "!", ""),
        long("", "&", ""),
        long("", "\"", ""),
        long("", "'", ""),
        long("", "\0", ""),
        long("", " ", ""),
        long("", "\n", ""),
        long("", "#\n", ""),
        long("", "---\n", ""),
        long("", "--- a\n...\n", ""),
        long("", "%TAG !e! tag:x\n", ""),
        long("", "a:\n", ""),
        long("", "- - - - - - - -\n", ""),
        long("\"", "a ", "\""),
        long("? ", "a", "\n: b"),
        long("|\n", " a\n", ""),
        long("a: |\n", " \n", "x"),
        full("[", "a,", "]"),
        long("[", "a: b,", "]"),
        long("[", "&a x,", "]"),
        long("[", "*a,", "]"),
        long("[", "!a x,", "]"),
        long("[", ",", ""),
        long("[", "[],", "]"),
        long("version: 1\nrules: [", "~,", "]"),
        long("version: 1\nrules: [", "{},", "]"),
        full("version: 1\nrules:\n", "- {id: a, on: b, then: c}\n", ""),
    ];
    // Nine to the power of nine copies, if aliases were followed.
    let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (name, before) in ('b'..='i').zip('a'..) {
        let copies = format!("*{before},").repeat(9);
        writeln!(bomb, "{name}: &{name} [{copies}]").expect("a string");
    }
    corpus.push(bomb);
    for text in corpus {
        let start: String = text.chars().take(20).collect();
        assert!(!survive(text.as_bytes()).is_empty(), "{start:?}");
    }
}

#[test]
fn of_very_many_mistakes_a_thousand_are_reported() {
    let rules = "- {}\n".repeat(2000);
    let found = survive(format!("version: 1\nrules:\n{rules}").as_bytes());
    assert_eq!(found.len(), 1001);
    assert_eq!(found[1000].1, "too many mistakes; those from here on are not shown");
}

#[test]
fn a_key_as_long_as_the_file_costs_no_comparison() {
    let found = survive(full("version: 1\nrules: []\n? ", "a", "\n: b\n").as_bytes());
    assert_eq!(found.len(), 1);
    assert!(found[0].1.starts_with("a rule file has no key \"aaaa"), "{found:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        survive(&bytes);
    }

    #[test]
    fn random_yaml_like_texts_do_no_harm(text in r##"([\[\]{}:,?|>&*!%@'"#~\\ \n\r\t-]|[a-c0-1]|赌|\x{feff}){0,120}"##) {
        survive(text.as_bytes());
    }

    #[test]
    fn a_good_file_with_random_changes_does_no_harm(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..12, any::<u8>()), 1..8),
    ) {
        let mut bytes = FULL.as_bytes().to_vec();
        for (place, cut, byte) in changes {
            let at = place.index(bytes.len());
            let end = (at + cut).min(bytes.len());
            let put = SIGNS[usize::from(byte) % SIGNS.len()];
            bytes.splice(at..end, [put]);
        }
        survive(&bytes);
    }

    #[test]
    fn a_good_file_with_lines_taken_out_or_twice_does_no_harm(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..8),
    ) {
        let mut lines: Vec<&str> = FULL.lines().collect();
        for (place, twice) in changes {
            let at = place.index(lines.len());
            if twice { lines.insert(at, lines[at]); } else { lines.remove(at); }
        }
        survive(lines.join("\n").as_bytes());
    }
}
