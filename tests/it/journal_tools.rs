//! `imbridge journal`: what the tools say of journals that are whole, damaged, odd or none at all.
//!
//! The journals are written here, byte by byte, from `docs/journal-format.md` and nothing of the
//! journal's own code: so the page is true, or these tests fail. `journal_live` has those of running
//! bridges.

use crate::cli::{Ran, command, run};
use crate::restore::EVENT;
use crc32c::{crc32c, crc32c_append};
use imbridge::record::{Batch, Head};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const UUID: [u8; 16] = *b"0123456789abcdef";
const UUID_TEXT: &str = "30313233-3435-3637-3839-616263646566";
/// 2025-01-01T00:00:00.123Z, when everything in here happened.
const CREATED_MS: i64 = 1_735_689_600_123;
/// Bytes of a segment's header, and of a frame's.
const HEADER: usize = 64;
const FRAME: usize = 24;

/// A journal that is being written.
struct Written {
    dir: TempDir,
}

/// One encoded record about group `g<number>`, in binary form if the number is even.
fn record(number: u64) -> Vec<u8> {
    let mut batch = Batch::new();
    let (id, key) = (format!("{number:032x}"), format!("group:g{number}"));
    let event = event(number);
    let topic = "im.group.dismissed";
    let head = Head { id: &id, topic, key: Some(key.as_bytes()), timestamp_ms: CREATED_MS };
    if number.is_multiple_of(2) {
        let event: Value = serde_json::from_str(&event).unwrap();
        let mut headers = vec![("content-type".to_owned(), "application/json")];
        for (name, value) in event.as_object().unwrap() {
            if let Some(text) = value.as_str().filter(|_| name != "datacontenttype") {
                headers.push((format!("ce_{name}"), text));
            }
        }
        let headers: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        batch.push(&head, &headers, event["data"].to_string().as_bytes());
    } else {
        let headers: [(&str, &[u8]); 1] =
            [("content-type", b"application/cloudevents+json; charset=UTF-8")];
        batch.push(&head, &headers, event.as_bytes());
    }
    batch.into_bytes()
}

/// The event of that record.
fn event(number: u64) -> String {
    EVENT.replace("0123456789abcdef0123456789abcdef", &format!("{number:032x}")).replace(
        r#""group_id":"g1","raw":{"groupID":"g1"}"#,
        &format!(r#""group_id":"g{number}","raw":{{"groupID":"g{number}","n":1.50}}"#),
    )
}

fn segment(uuid: [u8; 16], first: u64, records: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"imbr-seg".to_vec();
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(uuid);
    bytes.extend(first.to_le_bytes());
    bytes.extend(CREATED_MS.to_le_bytes());
    bytes.extend([0; 12]);
    bytes.extend(crc32c(&bytes).to_le_bytes());
    assert_eq!(bytes.len(), HEADER);
    for (sequence, record) in (first..).zip(records) {
        let mut head = u32::try_from(record.len()).unwrap().to_le_bytes().to_vec();
        head.extend(crc32c(record).to_le_bytes());
        head.extend(sequence.to_le_bytes());
        head.extend(1000_u32.to_le_bytes());
        let seal = crc32c_append(crc32c(&uuid), &first.to_le_bytes());
        head.extend(crc32c_append(seal, &head).to_le_bytes());
        assert_eq!(head.len(), FRAME);
        bytes.extend(head);
        bytes.extend(record);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    }
    bytes
}

fn slot(generation: u64, confirmed: u64, synced: u64) -> Vec<u8> {
    let mut bytes = b"imbr-chk".to_vec();
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(UUID);
    for number in [generation, confirmed, synced] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(UUID); // the one that is told
    bytes.resize(508, 0);
    bytes.extend(crc32c(&bytes).to_le_bytes());
    bytes
}

fn name(first: u64) -> String {
    format!("{first:020}.seg")
}

impl Written {
    /// Records 1 to 5 in a segment, 6 to 8 in another with room behind them; Kafka has 1 to 3.
    fn new() -> Self {
        let written = Self { dir: TempDir::new().unwrap() };
        let records = |range: std::ops::Range<u64>| range.map(record).collect::<Vec<_>>();
        written.put(&name(1), &segment(UUID, 1, &records(1..6)));
        let mut open = segment(UUID, 6, &records(6..9));
        open.resize(open.len() + 10_000, 0);
        written.put(&name(6), &open);
        written.put("checkpoint", &[slot(8, 2, 8), slot(9, 3, 8)].concat());
        written.put("LOCK", b"");
        written
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.dir.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.dir.path().join(name)).unwrap();
    }

    fn dir(&self) -> &str {
        self.dir.path().to_str().unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let arguments = [&["journal"], arguments, &["--dir", self.dir()]].concat();
        run(&arguments, &[])
    }

    /// Exit code and standard error where standard output is closed already.
    fn run_unheard(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let arguments = [&["journal"], arguments, &["--dir", self.dir()]].concat();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ran = command(&arguments, &[]).stdout(writer).output().unwrap();
        (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
    }

    /// A run that says yes.
    fn out(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{arguments:?}: {}", ran.out);
        ran.out
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.run(arguments).out).unwrap()
    }

    /// Damage as `verify` tells it, and its exit code.
    fn damage(&self) -> (Option<i32>, Value) {
        (self.run(&["verify"]).code, self.json(&["verify", "--json"])["damage"].clone())
    }

    /// All files with what is in them.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(self.dir.path(), "", &mut files);
        files
    }
}

fn collect(dir: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &format!("{name}/"), files);
        } else {
            files.insert(name, fs::read(entry.path()).unwrap());
        }
    }
}

/// Where the frame of the `index`-th record of a segment begins.
fn frame(first: u64, index: u64) -> usize {
    segment(UUID, first, &(first..first + index).map(record).collect::<Vec<_>>()).len()
}

fn lost(segment: Option<u64>, from: u64, upto: u64, confirmed: bool) -> Value {
    let what = if segment.is_some() { "unreadable" } else { "missing" };
    json!({
        "segment": segment.map(name),
        "first_sequence": from,
        "last_sequence": upto,
        "what": what,
        "confirmed": confirmed,
    })
}

#[test]
fn ls_lists_segments_how_far_kafka_is_and_what_was_put_aside() {
    let journal = Written::new();
    journal.put("oversize/a.json", &[b' '; 2048]);
    journal.put("deadletter/b.json", b"{}");
    let table = journal.out(&["ls"]);
    let (first, second) = (frame(1, 5), frame(6, 3));
    let expected = format!(
        "SEGMENT                          FIRST       RECORDS         BYTES  STATE\n\
         00000000000000000001.seg             1             5          {first}  sealed\n\
         00000000000000000006.seg             6             3          {second}  open\n\
         2 segments, 8 records, {}.{} KiB\n\
         journal       {UUID_TEXT}\n\
         confirmed     up to 3, 5 records waiting for Kafka\n\
         quarantine    0 files, 0 B\n\
         dead letters  1 file, 2 B\n\
         oversize      1 file, 2.0 KiB\n\
         requeue       0 files, 0 B\n",
        (first + second) / 1024,
        (first + second) % 1024 * 10 / 1024,
    );
    assert_eq!(table, expected);
    assert_eq!(
        journal.json(&["ls", "--json"]),
        json!([
            {"segment": name(1), "first_sequence": 1, "records": 5, "bytes": first, "state": "sealed"},
            {"segment": name(6), "first_sequence": 6, "records": 3, "bytes": second, "state": "open"},
        ])
    );
}

#[test]
fn the_directory_may_come_from_the_setting() {
    let journal = Written::new();
    let by_setting = run(&["journal", "ls"], &[("IMBRIDGE_JOURNAL_DIR", journal.dir())]);
    assert_eq!((by_setting.code, by_setting.out), (Some(0), journal.out(&["ls"])));
}

#[test]
fn a_whole_journal_is_well() {
    let journal = Written::new();
    let told = journal.out(&["verify"]);
    assert!(told.starts_with("2 segments, 8 records readable, "), "{told}");
    assert!(told.ends_with(": all is well\n"), "{told}");
    let (first, second) = (frame(1, 5), frame(6, 3));
    let expected = json!({
        "segments": 2,
        "records": 8,
        "bytes": first + second,
        "confirmed_sequence": 3,
        "damaged_records": 0,
        "damage": [],
        "damaged_headers": [],
        "foreign": [],
    });
    assert_eq!(journal.json(&["verify", "--json"]), expected);
}

#[test]
fn an_append_that_was_cut_off_is_no_damage() {
    let journal = Written::new();
    journal.change(&name(6), |bytes| bytes.truncate(frame(6, 3) - 5));
    assert_eq!(journal.json(&["verify", "--json"])["records"], 7);
    // The checkpoint knows better: what was synced must be there.
    assert_eq!(journal.damage(), (Some(1), json!([lost(None, 8, 8, false)])));
    journal.put("checkpoint", &slot(10, 3, 7));
    assert_eq!(journal.damage(), (Some(0), json!([])));
}

#[test]
fn a_flipped_bit_costs_its_record_and_verify_says_which() {
    let journal = Written::new();
    journal.change(&name(1), |bytes| bytes[frame(1, 1) + FRAME + 100] ^= 4);
    journal.change(&name(1), |bytes| bytes[frame(1, 3) + 9] ^= 1);
    let damage = json!([lost(Some(1), 2, 2, true), lost(Some(1), 4, 4, false)]);
    assert_eq!(journal.damage(), (Some(1), damage));
    let told = journal.run(&["verify"]).out;
    let expected = format!(
        "record 2 of {0} cannot be read; Kafka has what stood there\n\
         record 4 of {0} cannot be read\n\
         2 segments, 6 records readable, ",
        name(1)
    );
    assert!(told.starts_with(&expected), "{told}");
    assert!(told.ends_with(": 2 records damaged or missing\n"), "{told}");
    assert_eq!(journal.json(&["ls", "--json"])[0]["state"], "damaged");
    assert_eq!(journal.run(&["ls"]).code, Some(0));
}

#[test]
fn what_is_not_there_at_all_is_missed() {
    let journal = Written::new();
    journal.change(&name(1), |bytes| bytes.truncate(frame(1, 3)));
    assert_eq!(journal.damage(), (Some(1), json!([lost(Some(1), 4, 5, false)])));
    journal.remove(&name(1));
    assert_eq!(journal.damage(), (Some(1), json!([lost(None, 4, 5, false)])));
    journal.put("checkpoint", &slot(10, 5, 8));
    assert_eq!(journal.damage(), (Some(0), json!([])));
    journal.remove(&name(6));
    assert_eq!(journal.damage(), (Some(1), json!([lost(None, 6, 8, false)])));
}

/// Without a checkpoint everything counts as waiting: repeats, no loss.
#[test]
fn a_journal_without_a_checkpoint_is_read_all_the_same() {
    let journal = Written::new();
    journal.remove("checkpoint");
    assert_eq!(journal.damage(), (Some(0), json!([])));
    assert!(journal.out(&["ls"]).contains("nothing yet, 8 records waiting for Kafka"));
    assert_eq!(journal.out(&["export"]).lines().count(), 8);
}

#[test]
fn a_damaged_head_is_told_and_costs_no_record() {
    let journal = Written::new();
    journal.change(&name(1), |bytes| bytes[41] ^= 1);
    journal.put("checkpoint", &[7; 1024]);
    let seen = journal.json(&["verify", "--json"]);
    assert_eq!(seen["damaged_headers"], json!(["checkpoint", name(1)]));
    assert_eq!((&seen["records"], &seen["damage"]), (&json!(8), &json!([])));
    let ran = journal.run(&["verify"]);
    let told = "checkpoint has a damaged head; it can be done without\n";
    assert!(ran.out.starts_with(told), "{}", ran.out);
    assert!(ran.out.ends_with(": 0 records damaged or missing\n"), "{}", ran.out);
    assert_eq!(ran.code, Some(1));
}

#[test]
fn a_segment_of_another_journal_is_named_and_not_read() {
    let journal = Written::new();
    journal.put(&name(9), &segment(*b"fedcba9876543210", 9, &[record(9)]));
    let seen = journal.json(&["verify", "--json"]);
    assert_eq!((&seen["records"], &seen["foreign"]), (&json!(8), &json!([name(9)])));
    assert!(journal.out(&["verify"]).contains("belongs to another journal and is left alone"));
    assert!(journal.out(&["ls"]).contains(&format!("foreign       {}\n", name(9))));
}

#[test]
fn cat_shows_records_one_a_line() {
    let journal = Written::new();
    let line = |number: u64| {
        format!(
            "{number:>12}  2025-01-01T00:00:00.123Z  im.group.dismissed              \
             group:g{number}                    {number:032x}\n"
        )
    };
    assert_eq!(journal.out(&["cat"]), (1..9).map(line).collect::<String>());
    let some = journal.out(&["cat", "--from", "5", "--limit", "2"]);
    assert_eq!(some, (5..7).map(line).collect::<String>());
    assert_eq!(journal.out(&["cat", "--from", "9"]), "");
    assert_eq!(journal.out(&["cat", "--limit", "0"]), "");
}

#[test]
fn cat_gives_all_of_a_record_as_json() {
    let journal = Written::new();
    let records = journal.out(&["cat", "--json", "--from", "3", "--limit", "2"]);
    let records: Vec<Value> =
        records.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected = |number: u64, confirmed: bool, headers: Value, value: Value| {
        json!({
            "sequence": number,
            "time": "2025-01-01T00:00:00.123Z",
            "appended_at": "2025-01-01T00:00:01.123Z",
            "confirmed": confirmed,
            "topic": "im.group.dismissed",
            "key": format!("group:g{number}"),
            "id": format!("{number:032x}"),
            "headers": headers,
            "value": value,
        })
    };
    let three: Value = serde_json::from_str(&event(3)).unwrap();
    let structured = json!({"content-type": "application/cloudevents+json; charset=UTF-8"});
    assert_eq!(records[0], expected(3, true, structured, three));
    let four: Value = serde_json::from_str(&event(4)).unwrap();
    let headers = &records[1]["headers"];
    assert_eq!(
        (&headers["content-type"], &headers["ce_id"]),
        (&json!("application/json"), &four["id"])
    );
    assert_eq!(headers.as_object().unwrap().len(), 11);
    assert_eq!(records[1], expected(4, false, headers.clone(), four["data"].clone()));
}

#[test]
fn export_gives_what_kafka_lacks_in_structured_form_whichever_form_it_has() {
    let journal = Written::new();
    let events = |range: std::ops::Range<u64>| -> String {
        range.map(|number| event(number) + "\n").collect()
    };
    assert_eq!(journal.out(&["export"]), events(4..9));
    assert_eq!(journal.out(&["export", "--from", "7"]), events(7..9));
    assert_eq!(journal.out(&["export", "--from", "1"]), events(4..9));
    assert_eq!(journal.out(&["export", "--all"]), events(1..9));
    assert_eq!(journal.out(&["export", "--all", "--from", "3", "--json"]), events(3..9));
}

#[test]
fn what_cannot_be_read_is_left_out_and_told() {
    let journal = Written::new();
    journal.change(&name(1), |bytes| bytes[frame(1, 3) + FRAME] ^= 1);
    for arguments in [&["export"][..], &["cat", "--from", "4"]] {
        let ran = journal.run(arguments);
        assert_eq!(ran.code, Some(1), "{arguments:?}");
        assert_eq!(ran.err, "imbridge: records 4 to 4 cannot be read\n", "{arguments:?}");
        assert_eq!(ran.out.lines().count(), 4, "{arguments:?}");
    }
    // A frame whose record is none, with checksums that are right.
    let journal = Written::new();
    journal.put(&name(6), &segment(UUID, 6, &[record(6), b"odd".to_vec(), record(8)]));
    let ran = journal.run(&["export"]);
    assert_eq!((ran.code, ran.out.lines().count()), (Some(1), 4), "{}", ran.err);
}

#[test]
fn looking_changes_nothing() {
    let journal = Written::new();
    journal.change(&name(1), |bytes| bytes[frame(1, 1) + FRAME] ^= 1);
    journal.put("oversize/a.json", EVENT.as_bytes());
    let before = journal.files();
    for arguments in [&["ls"][..], &["verify"], &["cat"], &["export", "--all"]] {
        journal.run(arguments);
        assert!(journal.files() == before, "{arguments:?}");
    }
}

#[test]
fn what_is_no_journal_is_told_in_one_sentence() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().to_str().unwrap();
    let (missing, file) = (format!("{path}/missing"), format!("{path}/notes.txt"));
    fs::write(&file, "buy milk").unwrap();
    let said = |dir: &str, what: &str| format!("imbridge: {dir}{what}\n");
    let both = "(--dir, IMBRIDGE_JOURNAL_DIR)";
    let cases = [
        (&missing, said(&missing, &format!(": no such directory {both}"))),
        (&file, said(&file, &format!(" is no directory {both}"))),
        (&path.to_owned(), said(path, " is no journal: it has neither segments nor a checkpoint")),
    ];
    for (dir, sentence) in cases {
        for tool in [&["ls"][..], &["verify"], &["cat"], &["export"], &["requeue", "--all"]] {
            let ran = run(&[&["journal"], tool, &["--dir", dir]].concat(), &[]);
            assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{tool:?}");
            assert_eq!(ran.err, sentence, "{tool:?}");
        }
    }
}

#[test]
fn requeue_moves_what_was_asked_for() {
    let journal = Written::new();
    let one = |number: u64| event(number).into_bytes();
    let file = |folder: &str, number: u64| format!("{folder}/{number:032x}.json");
    for (folder, number) in [("oversize", 1), ("oversize", 2), ("deadletter", 2), ("deadletter", 3)]
    {
        journal.put(&file(folder, number), &one(number));
    }
    let told = journal.out(&["requeue", &format!("{:032x}", 1)]);
    let moved =
        format!("{} -> {}\n1 event moved to requeue/\n", file("oversize", 1), file("requeue", 1));
    assert_eq!(told, moved);
    let ran = journal.json(&["requeue", "--all", "--json"]);
    let folders: Vec<&str> =
        ran.as_array().unwrap().iter().map(|one| one["folder"].as_str().unwrap()).collect();
    assert_eq!(folders, ["deadletter", "deadletter", "oversize"]);
    assert!(
        ran.as_array().unwrap().iter().all(|one| one["fits"] == true && one["problem"].is_null())
    );
    // Both versions of an event are kept.
    let mut left = journal.files();
    left.retain(|name, _| name.contains('/'));
    let expected = [
        file("requeue", 1),
        file("requeue", 2),
        format!("requeue/{:032x}-2.json", 2),
        file("requeue", 3),
    ];
    let numbers = [1, 2, 2, 3];
    let expected: BTreeMap<String, Vec<u8>> = expected.into_iter().zip(numbers.map(one)).collect();
    assert_eq!(left, expected);
    assert_eq!(journal.out(&["requeue", "--all"]), "0 events moved to requeue/\n");
    assert_eq!(journal.out(&["requeue", "--all", "--json"]), "[]\n");
}

#[test]
fn what_cannot_be_published_is_told_and_ends_with_1() {
    let journal = Written::new();
    let large = event(1).replace("1.50", &format!("\"{:0>1000}\"", 7));
    journal.put("oversize/large.json", large.as_bytes());
    journal.put("oversize/good.json", event(2).as_bytes());
    journal.put("deadletter/odd.json", b"{}");
    journal.put("deadletter/notes.txt", b"buy milk");
    let limit = [("IMBRIDGE_EVENT_BYTES_MAX", "1000")];
    let ran = run(&["journal", "requeue", "--all", "--dir", journal.dir()], &limit);
    assert_eq!(ran.code, Some(1));
    let bytes =
        large.len() + "group:g1content-typeapplication/cloudevents+json; charset=UTF-8".len();
    let expected = format!(
        "imbridge: deadletter/odd.json is not moved: it is no event: data is missing or odd\n\
         imbridge: oversize/large.json does not fit: its record would have {bytes} bytes, \
         IMBRIDGE_EVENT_BYTES_MAX is 1000; it waits in requeue/ until the service has a larger limit\n"
    );
    assert_eq!(ran.err, expected);
    assert!(
        ran.out.ends_with(
            "2 events moved to requeue/, 1 of them too large for now, 1 left where they are\n"
        ),
        "{}",
        ran.out
    );
    let files = journal.files();
    for there in
        ["requeue/large.json", "requeue/good.json", "deadletter/odd.json", "deadletter/notes.txt"]
    {
        assert!(files.contains_key(there), "{there}");
    }
    let ran = journal.run(&["requeue", "nobody"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), "0 events moved to requeue/\n"));
    assert_eq!(ran.err, "imbridge: no file of event nobody in deadletter/ or oversize/\n");
}

/// One file that could not be read ended the run: what was moved before it was neither synced nor
/// told.
#[test]
fn a_file_that_cannot_be_read_stays_and_the_others_are_moved_and_told() {
    let journal = Written::new();
    for name in ["deadletter/a.json", "deadletter/c.json"] {
        journal.put(name, event(1).as_bytes());
    }
    // Larger than any event, and of no bytes on the disk.
    let huge = fs::File::create(journal.dir.path().join("deadletter/b.json")).unwrap();
    huge.set_len((256 << 20) + 1).unwrap();
    let ran = journal.run(&["requeue", "--all"]);
    let told = "deadletter/a.json -> requeue/a.json\n\
                deadletter/c.json -> requeue/c.json\n\
                2 events moved to requeue/, 1 left where they are\n";
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), told), "{}", ran.err);
    let why = "imbridge: deadletter/b.json is not moved: it cannot be read: ";
    assert!(ran.err.starts_with(why) && ran.err.lines().count() == 1, "{}", ran.err);
}

/// `verify | head -1` said that all is well: whoever stops reading was taken for the answer yes.
#[test]
fn a_reader_that_has_read_enough_does_not_change_the_answer() {
    let journal = Written::new();
    for tool in [&["ls"][..], &["verify"], &["cat"], &["export"], &["requeue", "--all"]] {
        assert_eq!(journal.run_unheard(tool), (Some(0), String::new()), "{tool:?}");
    }
    assert_eq!(journal.run_unheard(&["requeue", "nobody"]).0, Some(1));
    journal.change(&name(1), |bytes| bytes[frame(1, 1) + FRAME + 100] ^= 4);
    for tool in [&["verify"][..], &["verify", "--json"], &["cat"], &["export", "--all"]] {
        assert_eq!(journal.run_unheard(tool).0, Some(1), "{tool:?}");
    }
    assert_eq!(journal.run_unheard(&["ls"]).0, Some(0));
}

/// Privacy, topics and the rest of the settings are those of the service, so a mistake in them is
/// told rather than passed over.
#[test]
fn requeue_reads_the_settings_and_refuses_wrong_ones() {
    let journal = Written::new();
    let wrong = [("IMBRIDGE_EVENT_BYTES_MAX", "many")];
    let ran = run(&["journal", "requeue", "--all", "--dir", journal.dir()], &wrong);
    assert_eq!((ran.code, ran.out.as_str()), (Some(64), ""), "{}", ran.err);
    assert!(ran.err.contains("IMBRIDGE_EVENT_BYTES_MAX"), "{}", ran.err);
}
