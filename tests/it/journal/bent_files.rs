//! A small journal whose files were bent by hand: only what was touched is lost.
//!
//! In: three segments of three records and a checkpoint, with every bit flipped, cut to every
//! length, with garbage, zeroes and stale frames behind them. Out: after each, [`judge`]'s verdict;
//! and what is missing is told as damaged or cut, and kept in `quarantine/`. Where a record stands is
//! found by searching for its bytes: the format is not known here.

use super::oracle::{
    Found, Promise, Quarantined, Truth, append_fresh, becomes_durable, glance, judge, walk,
};
use super::{PATIENCE, is_segment, open, record, seed, tiny};
use imbridge::journal::disk::Settings;
use imbridge::journal::storage::sim::{Disk, SimStorage};
use imbridge::journal::{Level, Log, Sequence};
use std::collections::BTreeMap;
use std::sync::Arc;

const RECORDS: u64 = 9;

/// A journal that was closed in good order.
struct Sample {
    settings: Settings,
    disk: Disk,
    truth: Truth,
    confirmed: u64,
    /// File, range of bytes and position of each frame, as far as it can be told from outside: from
    /// the end of the record before to the end of the record, padding included.
    frames: Vec<(String, std::ops::Range<usize>, u64)>,
}

impl Sample {
    fn new(confirmed: u64) -> Self {
        let settings = tiny(Level::Fsync, 400);
        let storage = Arc::new(SimStorage::new(Disk::default()));
        let log = open(&storage, &settings).expect("an empty directory can be used");
        let mut truth = Truth::default();
        for number in 1..=RECORDS {
            let mut batch = record(number, 10);
            let copy = batch.clone();
            truth.appended(&log.append(&mut batch).expect("there is room"), &copy);
            becomes_durable(&log, number).expect("nothing fails");
        }
        log.confirm(Sequence(confirmed));
        assert_eq!(log.close(PATIENCE), 0);
        let disk = storage.disk().after_kill();
        let frames = frames(&disk, &truth);
        assert_eq!(frames.len() as u64, RECORDS, "every record is found once");
        let files = disk.contents().keys().filter(|name| is_segment(name)).count();
        assert_eq!(files, 3, "three records fill a segment: {:?}", disk.contents().keys());
        Self { settings, disk, truth, confirmed, frames }
    }

    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.disk.contents()
    }

    /// The positions whose frames a range of bytes of a file touches.
    fn touched(&self, file: &str, bytes: std::ops::Range<usize>) -> Vec<u64> {
        let touches = |frame: &&(String, std::ops::Range<usize>, u64)| {
            frame.0 == file && frame.1.start < bytes.end && bytes.start < frame.1.end
        };
        self.frames.iter().filter(touches).map(|frame| frame.2).collect()
    }

    /// Judges the journal with one file replaced, where only some records may be lost.
    fn bent(&self, file: &str, content: &[u8], may_be_lost: &[u64]) -> Result<(), String> {
        let mut disk = self.disk.clone();
        disk.put(file, content);
        self.judge(disk, may_be_lost)
    }

    fn judge(&self, disk: Disk, may_be_lost: &[u64]) -> Result<(), String> {
        self.look(disk, may_be_lost, true)
    }

    fn look(&self, disk: Disk, may_be_lost: &[u64], twice: bool) -> Result<(), String> {
        let mut truth = self.truth.clone();
        truth.lost.extend(may_be_lost);
        let confirmed = self.confirmed;
        let promise = Promise { safe: RECORDS, confirmed, told: RECORDS, same: false };
        let before = disk.contents();
        let judge = if twice { judge } else { glance };
        let (found, quarantined) = judge(disk, &self.settings, &truth, promise)?;
        self.told(&before, &found, &quarantined)
    }

    /// What is missing was told and counted, and what is left of it is in quarantine, with its bytes
    /// told.
    fn told(
        &self,
        files: &BTreeMap<String, Vec<u8>>,
        found: &Found,
        quarantined: &Quarantined,
    ) -> Result<(), String> {
        let there = |position: &u64| found.records.contains_key(position);
        let missing: Vec<u64> =
            (self.confirmed + 1..=RECORDS).filter(|position| !there(position)).collect();
        // Damage between the others, then what is missing in front of them and behind them.
        let damaged: u64 = found.damaged.iter().map(|range| range.end() - range.start() + 1).sum();
        let told = damaged + found.recovered.missing_prefix;
        if told != missing.len() as u64 {
            return Err(format!("{missing:?} are missing, told is {found}"));
        }
        if quarantined.told_damaged != told {
            return Err(format!("{missing:?} are missing, counted is {quarantined:?}: {found}"));
        }
        let left = missing.iter().any(|position| self.has_bytes(files, *position));
        if left && quarantined.bytes == 0 {
            return Err(format!("{missing:?} are missing, and nothing is in quarantine"));
        }
        let Quarantined { at_start, bytes, told_bytes, .. } = *quarantined;
        if (found.recovered.quarantined_bytes, told_bytes) != (at_start, bytes) {
            return Err(format!("{quarantined:?}, told is {found}"));
        }
        Ok(())
    }

    /// Whether something is left of a record's frame.
    fn has_bytes(&self, files: &BTreeMap<String, Vec<u8>>, position: u64) -> bool {
        let frame = self.frames.iter().find(|frame| frame.2 == position).expect("every one is");
        let content = files.get(&frame.0).map_or(&[][..], Vec::as_slice);
        content.iter().skip(frame.1.start).take(frame.1.len()).any(|byte| *byte != 0)
    }
}

/// Where the records stand.
fn frames(disk: &Disk, truth: &Truth) -> Vec<(String, std::ops::Range<usize>, u64)> {
    let mut frames = Vec::new();
    for (name, content) in disk.contents() {
        if !is_segment(&name) {
            continue;
        }
        let mut before = None;
        for (position, record) in &truth.records {
            let Some(at) = content.windows(record.len()).position(|bytes| bytes == record) else {
                continue;
            };
            let end = (at + record.len()).next_multiple_of(8);
            // The first frame begins as far in front of its record as all others do.
            let start = before.unwrap_or_else(|| at.saturating_sub(24));
            frames.push((name.clone(), start..end, *position));
            before = Some(end);
        }
    }
    frames.sort_by_key(|frame| frame.2);
    frames
}

/// Fails with the first problem and what was done.
fn assert_fine(verdict: Result<(), String>, what: impl FnOnce() -> String) {
    if let Err(problem) = verdict {
        panic!("{}: {problem}", what());
    }
}

fn flip_every_bit(sample: &Sample, which: impl Fn(&str) -> bool) {
    let mut flipped = 0;
    for (name, content) in sample.files().into_iter().filter(|(name, _)| which(name)) {
        for bit in 0..content.len() * 8 {
            let at = bit / 8;
            let mut bent = content.clone();
            bent[at] ^= 1 << (bit % 8);
            let touched = sample.touched(&name, at..at + 1);
            assert!(touched.len() <= 1, "a bit is in one frame");
            let mut disk = sample.disk.clone();
            disk.put(&name, &bent);
            // One bit of each byte is looked at twice: the time for all of them is better spent.
            let verdict = sample.look(disk, &touched, bit % 8 == at % 8);
            assert_fine(verdict, || format!("bit {bit} of {name}"));
            flipped += 1;
        }
    }
    assert!(flipped > 3 * 64 * 8, "{flipped} bits were flipped");
}

#[test]
fn a_flipped_bit_in_a_segment_costs_the_record_it_is_in() {
    flip_every_bit(&Sample::new(0), is_segment);
}

#[test]
fn the_head_of_another_segment_costs_nothing() {
    let sample = Sample::new(0);
    let files = sample.files();
    let segments = || files.iter().filter(|(name, _)| is_segment(name));
    for (name, content) in segments() {
        let head =
            sample.frames.iter().find(|frame| frame.0 == *name).expect("it has frames").1.start;
        for (other, from) in segments().filter(|(other, _)| *other != name) {
            let bent = [&from[..head], &content[head..]].concat();
            assert_fine(sample.bent(name, &bent, &[]), || {
                format!("{name} with the head of {other}")
            });
        }
    }
}

#[test]
fn a_flipped_bit_in_the_checkpoint_costs_nothing() {
    flip_every_bit(&Sample::new(2), |name| name == "checkpoint");
}

#[test]
fn a_file_cut_to_any_length_costs_the_records_behind_the_cut() {
    for confirmed in [0, 2] {
        let sample = Sample::new(confirmed);
        for (name, content) in sample.files() {
            for length in 0..content.len() {
                let lost = sample.touched(&name, length..content.len());
                let verdict = sample.bent(&name, &content[..length], &lost);
                assert_fine(verdict, || format!("{name} cut to {length} bytes"));
            }
            let mut disk = sample.disk.clone();
            disk.take(&name);
            let lost = sample.touched(&name, 0..content.len());
            assert_fine(sample.judge(disk, &lost), || format!("without {name}"));
        }
    }
}

#[test]
fn whatever_stands_behind_the_last_frame_costs_nothing() {
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let sample = Sample::new(1);
    let files = sample.files();
    let mut tails: Vec<(String, Vec<u8>)> = Vec::new();
    for length in [1, 7, 8, 23, 24, 25, 64, 500, 5000] {
        tails.push((format!("{length} zeroes"), vec![0; length]));
        tails.push((format!("{length} ones"), vec![0xff; length]));
        let garbage = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
        tails.push((format!("{length} random bytes"), garbage));
    }
    // A length of u32::MAX in front of what looks like a frame.
    let mut huge = u32::MAX.to_le_bytes().to_vec();
    huge.extend_from_slice(&[7; 60]);
    tails.push(("a huge length".to_owned(), huge));
    for (name, content) in files.iter().filter(|(name, _)| is_segment(name)) {
        // Frames of a recycled file: from this one, and from others.
        tails.push((format!("frames of {name}"), content[64..].to_vec()));
        tails.push((format!("all of {name}"), content.clone()));
    }
    for (name, content) in &files {
        for (what, tail) in &tails {
            let bent = [content.as_slice(), tail].concat();
            let verdict = sample.bent(name, &bent, &[]);
            assert_fine(verdict, || format!("{what} behind {name}, JOURNAL_SEED={seed}"));
        }
    }
}

#[test]
fn bytes_written_over_a_stretch_cost_the_records_in_it() {
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let sample = Sample::new(0);
    let files = sample.files();
    for round in 0..400 * super::effort() {
        let (name, content) = files.iter().nth(random.usize(..files.len())).expect("below");
        let from = random.usize(..content.len());
        let upto = random.usize(from..content.len()) + 1;
        let mut bent = content.clone();
        match random.u8(..4) {
            0 => bent[from..upto].fill(0),
            1 => bent[from..upto].fill(0xff),
            2 => bent[from..upto].iter_mut().for_each(|byte| *byte = random.u8(..)),
            // Another file's bytes, as a device writes them to the wrong place.
            _ => {
                let (_, other) = files.iter().nth(random.usize(..files.len())).expect("below");
                let end = upto.min(other.len()).max(from);
                let piece = other.get(from..end).unwrap_or_default();
                bent[from..from + piece.len()].copy_from_slice(piece);
            }
        }
        let lost = sample.touched(name, from..upto);
        let verdict = sample.bent(name, &bent, &lost);
        assert_fine(verdict, || {
            format!("round {round}: {from}..{upto} of {name}, JOURNAL_SEED={seed}")
        });
    }
}

/// Content that is nothing, anything, or a piece of a real file in any place.
fn arbitrary(random: &mut fastrand::Rng, files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let length = random.usize(..700);
    let mut content: Vec<u8> = match random.u8(..3) {
        0 => vec![0; length],
        1 => std::iter::repeat_with(|| random.u8(..)).take(length).collect(),
        _ => files.values().nth(random.usize(..files.len())).expect("below").clone(),
    };
    for _ in 0..random.u8(..3) {
        let other = files.values().nth(random.usize(..files.len())).expect("below");
        let from = random.usize(..other.len());
        let at = random.usize(..=content.len());
        let piece = other[from..random.usize(from..=other.len())].to_vec();
        content.splice(at..at, piece);
    }
    content
}

#[test]
fn whatever_files_there_are_a_journal_opens_takes_records_and_keeps_them() {
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let sample = Sample::new(1);
    let files = sample.files();
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let others = [
        "00000000000000000000.seg",
        "00000000000000000002.seg",
        "00000000000000000005.seg",
        "09223372036854775807.seg",
        "18446744073709551615.seg",
        "99999999999999999999.seg",
        "1.seg",
        "checkpoint.tmp",
        "LOCK",
        "something",
        "quarantine/00000000000000000001.seg",
    ];
    let names: Vec<&str> = names.into_iter().chain(others).collect();
    for round in 0..300 * super::effort() {
        let mut disk = Disk::default();
        for _ in 0..random.usize(1..6) {
            let name = names[random.usize(..names.len())];
            disk.put(name, &arbitrary(&mut random, &files));
        }
        let listed: Vec<String> = disk.contents().into_keys().collect();
        let verdict = takes_and_keeps(disk, &sample.settings);
        assert_fine(verdict, || format!("round {round}, {listed:?}, JOURNAL_SEED={seed}"));
    }
}

fn takes_and_keeps(disk: Disk, settings: &Settings) -> Result<(), String> {
    let storage = Arc::new(SimStorage::new(disk));
    let log = open(&storage, settings).map_err(|error| format!("does not open: {error}"))?;
    let mut before = walk(&log)?;
    let (fresh, bytes) = append_fresh(&log, 0)?;
    becomes_durable(&log, fresh)?;
    log.close(PATIENCE);
    drop(log);
    let next = Arc::new(SimStorage::new(storage.disk().after_power_loss(&mut |_| 0)));
    let log = open(&next, settings).map_err(|error| format!("does not open again: {error}"))?;
    let after = walk(&log)?;
    log.close(PATIENCE);
    before.records.insert(fresh, bytes);
    if before.records == after.records { Ok(()) } else { Err("other records".to_owned()) }
}
