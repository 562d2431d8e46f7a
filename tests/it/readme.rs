//! What pages for people print and a program can check: README.md, docs/catalogue.md, and links.
//!
//! In: the pages as they stand. Out: a failure that names what a reader would stumble over. The
//! commands are taken apart as a shell does it and run through the pure floors; `golden` holds those
//! to the contract.

use crate::support::bridge::{Made, Request, allow, catalogue, run, settings};
use imbridge::call::Provider;
use imbridge::catalogue::Catalogue;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// 2025-01-01T00:00:00.123Z, the time in the printed events.
const RECEIVED_AT_MS: i64 = 1_735_689_600_123;

/// The published callbacks, in the order of the page.
const DOCUMENTED: [&str; 5] = [
    "openim/callbackAfterDisMissGroupCommand.documented",
    "openim/callbackAfterKickGroupCommand.documented",
    "openim/callbackAfterSendGroupMsgCommand.documented",
    "openim/callbackBeforeSetGroupMemberInfoCommand.documented",
    "tencent/Group.CallbackAfterGroupDestroyed.documented",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Fenced blocks of a page: language and text.
pub(crate) fn blocks(page: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => open = Some((language.to_owned(), String::new())),
            (Some(_), Some("")) => found.extend(open.take()),
            (Some((_, text)), _) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "every block is closed");
    found
}

/// Words of a command as a shell sees them. Only what the page uses: blanks, single quotes, a
/// backslash at the end of a line.
fn words(command: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut characters = command.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            _ if quoted => word.get_or_insert_default().push(c),
            '\\' => {
                assert_eq!(characters.next(), Some('\n'), "only lines are continued: {command}");
            }
            c if c.is_whitespace() => found.extend(word.take()),
            '"' | '$' | '&' | ';' | '|' | '!' | '`' | '<' | '>' | '*' | '?' => {
                panic!("{c} outside quotes means something to a shell: {command}")
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    assert!(!quoted, "quotes are closed: {command}");
    found.extend(word);
    found
}

/// The request that a curl command of the page sends.
fn request(command: &str) -> Request {
    let words = words(command);
    let mut words = words.iter().map(String::as_str);
    assert_eq!(words.next(), Some("curl"));
    let (mut url, mut headers, mut body) = (None, Vec::new(), None);
    while let Some(word) = words.next() {
        match word {
            "-sS" => {}
            "-H" => {
                let header = words.next().expect("a header");
                let (name, value) = header.split_once(": ").expect("a header is `name: value`");
                headers.push((name.to_owned(), value.to_owned()));
            }
            "-d" => body = words.next().map(str::to_owned),
            other => {
                assert!(url.is_none() && other.starts_with("http://"), "{other} in {command}");
                url = Some(other);
            }
        }
    }
    let place =
        url.expect("an address").strip_prefix("http://127.0.0.1:8080/").expect("the default port");
    let (path, query) = place.split_once('?').unwrap_or((place, ""));
    let (provider, path) = path.split_once('/').unwrap_or((path, ""));
    Request {
        provider: Provider::from_name(provider).expect("the base paths are the providers' names"),
        deployment: "default".to_owned(),
        path: format!("/{path}"),
        query: query.to_owned(),
        headers,
        body: body.expect("a body").into_bytes(),
        received_at_ms: RECEIVED_AT_MS,
    }
}

/// One example of the README: the command, the answer, the event.
struct Example {
    command: String,
    answer: Value,
    event: Value,
}

fn examples() -> Vec<Example> {
    let blocks = blocks(&page("README.md"));
    let starts = blocks.iter().enumerate().filter(|(_, (_, text))| text.starts_with("curl "));
    let json = |at: usize| -> Value {
        let (language, text) = &blocks[at];
        assert_eq!(language, "json");
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    starts
        .map(|(at, (language, command))| {
            assert_eq!(language, "sh");
            Example { command: command.clone(), answer: json(at + 1), event: json(at + 2) }
        })
        .collect()
}

fn fixture(folder: &str, file: &str) -> Option<Value> {
    let path = root().join("tests/fixtures/golden").join(folder).join(file);
    let text = fs::read_to_string(path).ok()?;
    Some(serde_json::from_str(&text).expect("fixtures are JSON"))
}

fn made(command: &str) -> Made {
    run(&request(command), settings(), &allow)
}

#[test]
fn the_five_commands_of_the_readme_send_the_published_callbacks() {
    let examples = examples();
    assert_eq!(examples.len(), DOCUMENTED.len());
    for (example, folder) in examples.iter().zip(DOCUMENTED) {
        let published =
            Request::read(&fixture(folder, "request.json").expect("there is a request"));
        let sent = request(&example.command);
        let json = |body: &[u8]| serde_json::from_slice::<Value>(body).expect("it is JSON");
        assert_eq!(json(&sent.body), json(&published.body), "{folder}");
        assert_eq!((sent.provider, &sent.query), (published.provider, &published.query));
        assert_eq!(sent.path.trim_matches('/'), published.path.trim_matches('/'));
    }
}

#[test]
fn the_five_commands_of_the_readme_give_the_printed_answers_and_events() {
    for (example, folder) in examples().iter().zip(DOCUMENTED) {
        let made = made(&example.command);
        assert_eq!(made.reply, example.answer, "{folder}");
        let [record] = &made.records[..] else { panic!("one record: {:?}", made.records) };
        let mut event = record["event"].clone();
        if example.event["data"].get("raw").is_none() {
            event["data"].as_object_mut().expect("data").remove("raw").expect("raw is there");
        }
        assert_eq!(event, example.event, "{folder}\n{event:#}");
        let (topic, key) = (record["topic"].as_str().unwrap(), record["key"].as_str().unwrap());
        let place = format!("in topic `{topic}` with key `{key}`");
        assert!(page("README.md").contains(&place), "the page says {place:?}");
    }
}

/// The contract's own event for the same body; id and source follow from how it was sent.
#[test]
fn the_printed_events_are_those_of_the_contract() {
    for (example, folder) in examples().iter().zip(DOCUMENTED) {
        let files = ["event.json", "decision.allow.json"];
        let mut wanted = files.iter().find_map(|file| fixture(folder, file)).expect("an event");
        let mut event = made(&example.command).records.remove(0)["event"].take();
        for attribute in ["id", "source"] {
            for event in [&mut wanted, &mut event] {
                event.as_object_mut().expect("an object").remove(attribute).expect("it is there");
            }
        }
        assert_eq!(event, wanted, "{folder}");
    }
}

#[test]
fn a_body_pasted_with_comments_goes_to_unknown_and_is_answered() {
    let example = examples().pop().expect("the last one is Tencent's");
    let mut request = request(&example.command);
    let text = String::from_utf8(request.body).expect("it is text");
    request.body = text.replacen(",\n", ", // as printed\n", 1).into_bytes();
    let made = run(&request, settings(), &allow);
    assert_eq!(made.records[0]["topic"], "im.unknown");
    assert_eq!(made.records[0]["event"]["data"]["unknown_reason"], "not_json");
    assert_eq!(made.reply, example.answer);
}

/// The worked example of docs/catalogue.md: the file, a callback, the event.
#[test]
fn the_example_of_a_catalogue_file_can_be_loaded_and_gives_the_printed_event() {
    let blocks = blocks(&page("docs/catalogue.md"));
    let at = blocks
        .iter()
        .position(|(_, text)| text.contains("\"commands\""))
        .expect("the page prints a file");
    let [(_, file), (_, body), (_, event)] = &blocks[at..at + 3] else { panic!("three blocks") };
    let extended = Catalogue::with_extra("example.json", file).unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    });
    let request = Request {
        provider: Provider::OpenIm,
        deployment: "default".to_owned(),
        path: String::new(),
        query: String::new(),
        headers: vec![("Operationid".to_owned(), "op-1".to_owned())],
        body: body.clone().into_bytes(),
        received_at_ms: RECEIVED_AT_MS,
    };
    let made = crate::support::bridge::run_with(&extended.into(), &request, settings(), &allow);
    let wanted: Value = serde_json::from_str(event).expect("the event is JSON");
    assert_eq!(made.records[0]["event"], wanted, "{:#}", made.records[0]["event"]);
    let known = run(&request, settings(), &allow);
    assert_eq!(known.records[0]["topic"], "im.unknown", "without the file it is not known");
    assert!(catalogue().rows.len() > 100);
}

/// Coercions that the page explains are those that the language has, and the other way round.
#[test]
fn the_page_of_the_catalogue_explains_every_coercion_that_its_rows_use() {
    let page = page("docs/catalogue.md");
    let mut files = Vec::new();
    json_files(&root().join("catalogue"), &mut files);
    let mut used = std::collections::BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(file).expect("the catalogue can be read");
        let value: Value = serde_json::from_str(&text).expect("the catalogue is JSON");
        coercions(&value, &mut used);
    }
    assert!(used.len() > 15, "{used:?}");
    for coercion in used {
        assert!(page.contains(&format!("`{coercion}")), "{coercion} is not explained");
    }
}

fn json_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "samples") {
            json_files(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "json") {
            files.push(path);
        }
    }
}

fn coercions(value: &Value, used: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::String(text) if text.starts_with(['$', '@']) => {
            used.extend(text.split('|').skip(1).map(|word| {
                word.split_once(':').map_or(word.to_owned(), |(name, _)| format!("{name}:"))
            }));
        }
        Value::Array(items) => items.iter().for_each(|item| coercions(item, used)),
        Value::Object(members) => members.values().for_each(|member| coercions(member, used)),
        _ => {}
    }
}

/// Cells of the rows of a page's tables, without the quotes of code.
fn table_rows(page: &str) -> Vec<Vec<String>> {
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    rows.map(|row| {
        let cells = row.trim_matches('|').split(" | ");
        cells.map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    })
    .collect()
}

#[test]
fn the_bounds_in_the_architecture_are_those_of_the_code() {
    let (mut settings, mut constants) = (0, 0);
    for row in table_rows(&page("docs/ARCHITECTURE.md")) {
        match &row[..] {
            [_, default, name] if name.starts_with("IMBRIDGE_") => {
                let line = format!("| `{name}` | `{default}` |");
                assert!(page("docs/configuration.md").contains(&line), "{line}");
                settings += 1;
            }
            [_, value, file, name]
                if Path::new(file).extension().is_some_and(|end| end == "rs") =>
            {
                let source = page(file);
                let declared =
                    source.lines().find(|line| line.contains(&format!("const {name}: ")));
                let declared = declared.unwrap_or_else(|| panic!("{file} has no {name}"));
                assert!(declared.ends_with(&format!("= {value};")), "{value} is not {declared}");
                constants += 1;
            }
            _ => {}
        }
    }
    assert!(settings >= 8 && constants >= 20, "{settings} settings, {constants} constants");
}

#[test]
fn the_files_that_pages_name_are_there() {
    let mut seen = 0;
    for name in ["docs/ARCHITECTURE.md", "CONTRIBUTING.md", "docs/catalogue.md", "README.md"] {
        for quoted in page(name).split('`').skip(1).step_by(2) {
            let folder = quoted.split('/').next().unwrap_or_default();
            let ours = ["src", "catalogue", "tests", "docs", "deploy", "benches"].contains(&folder);
            if ours && quoted.contains('/') && !quoted.contains(['<', ' ']) {
                seen += 1;
                assert!(root().join(quoted).exists(), "{name} names {quoted}, which is not there");
            }
        }
    }
    assert!(seen > 40, "{seen} names");
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut pages = vec!["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "deploy/README.md"]
        .into_iter()
        .map(PathBuf::from)
        .collect::<Vec<_>>();
    for entry in fs::read_dir(root().join("docs")).expect("there are docs") {
        pages.push(Path::new("docs").join(entry.expect("an entry").file_name()));
    }
    let mut seen = 0;
    for path in pages {
        let text = page(path.to_str().expect("a text"));
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap_or_default();
            if target.is_empty() || target.starts_with("http") {
                continue;
            }
            seen += 1;
            let there = root().join(&path).with_file_name("").join(target);
            assert!(there.exists(), "{} links to {target}, which is not there", path.display());
        }
    }
    assert!(seen > 20, "{seen} links");
}
