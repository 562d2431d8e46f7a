//! The simulated disk keeps, loses and refuses exactly what it says.

use super::*;
use std::collections::BTreeSet;

const SECTOR: usize = 512;

fn storage() -> SimStorage {
    SimStorage::new(Disk::default())
}

fn file(storage: &SimStorage, name: &str, content: &[u8]) -> Arc<dyn StoredFile> {
    let file = storage.create(name, Space::Growing).expect("nothing is ordered to fail");
    assert_eq!(file.write_at(content, 0).expect("there is room"), content.len());
    file
}

/// Every disk that a power loss may leave.
fn outcomes(disk: &Disk) -> Vec<Disk> {
    let mut left = Vec::new();
    let mut path: Vec<(usize, usize)> = Vec::new();
    loop {
        let mut at = 0;
        left.push(disk.after_power_loss(&mut |of| {
            if at == path.len() {
                path.push((0, of));
            }
            at += 1;
            path[at - 1].0
        }));
        while path.last().is_some_and(|(chosen, of)| chosen + 1 == *of) {
            path.pop();
        }
        match path.last_mut() {
            Some(last) => last.0 += 1,
            None => return left,
        }
    }
}

#[test]
fn what_was_synced_under_a_synced_name_outlives_every_power_loss() {
    let storage = storage();
    file(&storage, "f/a", b"safe").sync().expect("nothing fails");
    storage.sync_folder("f").expect("nothing fails");
    let all = outcomes(&storage.disk());
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].content("f/a").as_deref(), Some(&b"safe"[..]));
}

#[test]
fn a_name_that_was_not_synced_may_be_lost_with_its_content() {
    let storage = storage();
    file(&storage, "f/a", b"safe").sync().expect("nothing fails");
    storage.sync_folder("").expect("nothing fails");
    let contents: Vec<_> = outcomes(&storage.disk()).iter().map(|d| d.content("f/a")).collect();
    assert_eq!(contents, [None, Some(b"safe".to_vec())]);
}

#[test]
fn pages_that_were_not_synced_are_lost_in_any_subset_and_torn_at_sectors() {
    let storage = storage();
    let file = storage.create("a", Space::Zeroed(2 * 4096)).expect("nothing fails");
    file.sync().expect("nothing fails");
    storage.sync_folder("").expect("nothing fails");
    file.write_at(&[1; 2 * SECTOR], 4096 - SECTOR as u64).expect("there is room");
    file.write_at(&[2; 1], 4096 + SECTOR as u64).expect("there is room");
    let seen: BTreeSet<[u8; 3]> = outcomes(&storage.disk())
        .iter()
        .map(|disk| {
            let content = disk.content("a").expect("its name is safe");
            [content[4095], content[4096], content[4096 + SECTOR]]
        })
        .collect();
    // Second page: lost, first write, both writes; torn between them is new here and old there.
    let expected = [[0, 0, 0], [0, 1, 0], [0, 1, 2], [1, 0, 0], [1, 1, 0], [1, 1, 2]];
    assert_eq!(seen, expected.into_iter().collect());

    file.write_at(&[3; 2 * SECTOR], 0).expect("there is room");
    let torn = outcomes(&storage.disk()).into_iter().any(|disk| {
        let content = disk.content("a").expect("its name is safe");
        content[0] == 3 && content[SECTOR] == 0
    });
    assert!(torn, "a page may be new in one sector and old in the next");
}

#[test]
fn a_sync_that_failed_loses_what_a_later_one_does_not_write_again() {
    let storage = storage();
    let file = storage.create("a", Space::Zeroed(8)).expect("nothing fails");
    file.sync().expect("nothing fails");
    storage.sync_folder("").expect("nothing fails");
    storage.fail(Fault {
        operation: Operation::Sync,
        ending: "",
        skip: 0,
        times: 1,
        failure: Failure::Io,
    });
    file.write_at(b"1", 0).expect("there is room");
    assert!(file.sync().is_err());
    assert!(storage.disk().is_deceived("a"));
    file.sync().expect("it lies: the page counts as clean");
    let lost = storage.disk().after_power_loss(&mut |_| 0);
    assert_eq!(lost.content("a").expect("a safe name"), [0; 8]);
    assert_eq!(storage.disk().after_kill().content("a").expect("a safe name")[0], b'1');
}

#[test]
fn a_cut_that_was_not_synced_may_be_undone_and_a_new_length_lost() {
    let storage = storage();
    let file = file(&storage, "a", b"abcdef");
    file.sync().expect("nothing fails");
    storage.sync_folder("").expect("nothing fails");
    file.truncate(2).expect("nothing fails");
    let seen: BTreeSet<Vec<u8>> =
        outcomes(&storage.disk()).iter().map(|disk| disk.content("a").expect("safe")).collect();
    for content in [&b"abcdef"[..], b"ab", b"ab\0\0\0\0"] {
        assert!(seen.contains(content), "{content:?} of {seen:?}");
    }
}

#[test]
fn a_rename_happens_or_not_and_a_removed_name_may_come_back() {
    let storage = storage();
    for name in ["a", "b"] {
        file(&storage, name, name.as_bytes()).sync().expect("nothing fails");
    }
    storage.sync_folder("").expect("nothing fails");
    storage.rename("a", "f/c").expect("nothing fails");
    storage.remove("b").expect("nothing fails");
    let seen: BTreeSet<Vec<String>> = outcomes(&storage.disk())
        .iter()
        .map(|disk| disk.contents().into_keys().collect())
        .collect();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let expected = [&["a", "b"][..], &["a"], &["b", "f/c"], &["f/c"]];
    assert_eq!(seen, expected.into_iter().map(names).collect());
    storage.sync_folder("f").expect("nothing fails");
    let with_c = outcomes(&storage.disk()).iter().all(|disk| disk.content("f/c").is_some());
    assert!(with_c, "the rename is safe once either folder is");
}

#[test]
fn a_full_device_takes_what_fits_and_says_so() {
    let storage = storage();
    storage.set_room(Some(2 * 4096));
    let file = storage.create("a", Space::Reserved(100)).expect("there is room");
    assert_eq!(storage.free_bytes().expect("nothing fails"), 4096);
    assert_eq!(file.write_at(&[1; 4096], 4000).expect("a part fits"), 4096);
    assert_eq!(file.write_at(&[1; 4097], 8000).expect("a part fits"), 192);
    let full = file.write_at(&[1; 1], 8192).expect_err("nothing fits");
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    let refused = storage.create("b", Space::Reserved(1)).expect_err("nothing fits");
    assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
    storage.remove("a").expect("it is there");
    assert_eq!(storage.free_bytes().expect("nothing fails"), 2 * 4096);
}

#[test]
fn the_ordered_call_fails_as_ordered_and_the_others_do_not() {
    let storage = storage();
    let (seg, other) = (file(&storage, "ahead", b"x"), file(&storage, "b", b"x"));
    storage.rename("ahead", "a.seg").expect("nothing fails");
    let write = |skip, times, failure| {
        storage.fail(Fault { operation: Operation::Write, ending: ".seg", skip, times, failure });
    };
    write(1, 1, Failure::Short(2));
    write(0, 1, Failure::IoAfter(1));
    assert_eq!(other.write_at(b"abc", 0).expect("another file"), 3);
    // The first order lets this one pass, so the second takes it.
    assert!(seg.write_at(b"abc", 0).is_err());
    assert_eq!(storage.disk().content("a.seg").expect("there"), b"a");
    assert_eq!(seg.write_at(b"xyz", 0).expect("short"), 2);
    assert_eq!(storage.ordered(), 0);
    assert_eq!(seg.write_at(b"xyz", 0).expect("whole"), 3);
}

#[test]
fn a_stalled_write_ends_when_it_is_released() {
    let storage = storage();
    let file = file(&storage, "a", b"");
    storage.stall(&[Operation::Write]);
    let writer = std::thread::spawn(move || file.write_at(b"late", 0));
    while storage.waiting() == 0 {
        std::thread::yield_now();
    }
    assert_eq!(storage.disk().content("a").expect("there"), b"");
    storage.release();
    assert_eq!(writer.join().expect("it ends").expect("nothing fails"), 4);
    assert_eq!(storage.disk().content("a").expect("there"), b"late");
}

#[test]
fn a_recorded_run_leads_to_the_same_disk_again() {
    let storage = storage();
    let early = file(&storage, "a", b"early");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let observer = Arc::clone(&seen);
    storage.record(Box::new(move |change| observer.lock().push(change)));
    early.write_at(b"E", 0).expect("nothing fails");
    early.sync().expect("nothing fails");
    storage.rename("a", "b").expect("nothing fails");
    let trace = storage.recorded().expect("it was recorded");
    assert_eq!(*seen.lock(), [0, 1, 2]);
    let mut disk = trace.start;
    trace.changes.iter().for_each(|change| disk.apply(change));
    assert_eq!(disk.contents(), storage.disk().contents());
    assert_eq!(outcomes(&disk).len(), outcomes(&storage.disk()).len());
}

#[test]
fn one_process_at_a_time_has_the_lock() {
    let first = storage();
    let second = first.another();
    first.lock().expect("nobody has it");
    let refused = second.lock().expect_err("the first has it");
    assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
    drop(first);
    second.lock().expect("nobody has it any more");
}
