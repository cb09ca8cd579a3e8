//! What damage does, and does not do, to a base.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::*;
use crate::schema::Split;
use crate::store::conformance::{space, task, trial};

fn trials(range: std::ops::Range<usize>) -> Vec<Trial> {
    range.map(|n| trial("a", "s/1", Split::Validation, n)).collect()
}

/// A base of `n` trials, closed.
fn base(n: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let batch = Batch { spaces: vec![space("s/1")], tasks: vec![task("a")], trials: trials(0..n) };
    SledStore::open(dir.path()).unwrap().commit(&batch).unwrap();
    dir
}

fn snapshots(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap.")).collect()
}

fn count(dir: &Path) -> usize {
    SledStore::open(dir).unwrap().trials(&TrialQuery::default()).unwrap().trials.len()
}

#[test]
fn a_left_over_empty_snapshot_is_set_aside() {
    let dir = base(900);
    fs::write(dir.path().join("snap.00000000000F4240.generating"), "").unwrap();
    assert_eq!(count(dir.path()), 900);
}

#[test]
fn a_truncated_snapshot_is_set_aside_and_kept() {
    let dir = base(900);
    assert_eq!(count(dir.path()), 900);
    let snapshots = snapshots(dir.path());
    assert!(!snapshots.is_empty(), "opening what was written writes a snapshot");
    for path in &snapshots {
        fs::write(path, &fs::read(path).unwrap()[..10]).unwrap();
    }
    assert_eq!(count(dir.path()), 900);
    let aside = format!("damaged-{}", snapshots[0].file_name().unwrap().to_string_lossy());
    assert!(dir.path().join(aside).exists());
}

#[test]
fn without_any_snapshot_all_data_come_back() {
    let dir = base(900);
    assert_eq!(count(dir.path()), 900);
    for path in snapshots(dir.path()) {
        fs::remove_file(path).unwrap();
    }
    assert_eq!(count(dir.path()), 900);
}

#[test]
fn a_log_cut_short_is_an_error_not_a_panic() {
    let dir = base(900);
    for path in snapshots(dir.path()) {
        fs::remove_file(path).unwrap();
    }
    fs::write(dir.path().join("db"), b"this was a database once").unwrap();
    let error = SledStore::open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Lost { held: 0, wanted: 2, .. }), "{error}");
    assert_eq!(fs::read(dir.path().join("db")).unwrap(), b"this was a database once");
}

#[test]
fn a_flipped_bit_is_found_and_the_other_records_are_read() {
    let dir = base(900);
    let store = SledStore::open(dir.path()).unwrap();
    let group = Group::of(&trials(0..1)[0]);
    let key = keys::block(&group, 512);
    let mut value = store.files.get(&key).unwrap().unwrap().to_vec();
    let last = value.len() - 1;
    value[last] ^= 1;
    store.files.put(&key, value).unwrap();
    let first = TrialQuery { limit: Some(400), ..TrialQuery::default() };
    assert_eq!(store.trials(&first).unwrap().trials, trials(0..400));
    let error = store.trials(&TrialQuery::default()).unwrap_err().to_string();
    assert!(
        error.starts_with(r"the record at ba\x00s/1\x00\x01") && error.ends_with("checksum does not match"),
        "{error}"
    );
}

/// Changes a base behind its back, and leaves it as a write that was broken off does.
fn broken_off(dir: &Path, change: impl FnOnce(&mut Writes)) {
    let store = SledStore::open(dir).unwrap();
    let mut writes = Writes::default();
    change(&mut writes);
    store.files.apply(writes).unwrap();
    store.files.break_off();
}

/// After a full disk counters may run ahead of blocks or lag behind, and blocks may be missing. What is there is kept, and what comes
/// later is written over nothing.
#[test]
fn a_write_that_was_broken_off_is_mended_and_costs_nothing_that_is_there() {
    let group = Group::of(&trials(0..1)[0]);
    let block = |first| keys::block(&group, first);
    type Change<'a> = &'a dyn Fn(&mut Writes);
    let cases: [(&str, Change<'_>, usize); 5] = [
        (
            "the counter runs ahead",
            &|writes| writes.insert(keys::count(&group), record::number(9_999)),
            2_000,
        ),
        ("the counter lags behind", &|writes| writes.insert(keys::count(&group), record::number(700)), 2_000),
        ("there is no counter", &|writes| writes.remove(keys::count(&group)), 2_000),
        ("a block is missing", &|writes| writes.remove(block(512)), 1_488),
        ("the last block is missing", &|writes| writes.remove(block(1_536)), 1_536),
    ];
    for (what, change, held) in cases {
        let dir = base(2_000);
        broken_off(dir.path(), change);
        let store = SledStore::open(dir.path()).unwrap();
        assert_eq!(store.stats().unwrap().trials(), held as u64, "{what}");
        let kept = store.trials(&TrialQuery::default()).unwrap().trials;
        let written: HashSet<TrialId> = trials(0..2_000).iter().map(Trial::id).collect();
        assert!(kept.len() == held && kept.iter().all(|trial| written.contains(&trial.id())), "{what}");
        // All of them once more, and others.
        let done = store.append(&trials(0..2_600)).unwrap();
        assert_eq!((done.trials_known, store.stats().unwrap().trials()), (held, 2_600), "{what}");
        drop(store);
        let store = SledStore::open(dir.path()).unwrap();
        let mut all = store.trials(&TrialQuery::default()).unwrap().trials;
        all.sort_by_key(Trial::id);
        let mut want = trials(0..2_600);
        want.sort_by_key(Trial::id);
        assert!(all == want, "{what}");
    }
}

#[test]
fn trials_of_a_task_that_was_not_kept_are_dropped() {
    let dir = base(600);
    broken_off(dir.path(), |writes| writes.remove(keys::task("a")));
    let store = SledStore::open(dir.path()).unwrap();
    assert_eq!(store.stats().unwrap().trials(), 0);
    store.commit(&Batch { tasks: vec![task("a")], trials: trials(0..600), ..Batch::default() }).unwrap();
    assert_eq!(store.trials(&TrialQuery::default()).unwrap().trials, trials(0..600));
}

#[test]
fn without_room_nothing_is_written_and_after_a_failure_nothing_more() {
    let dir = base(10);
    let store = SledStore::open(dir.path()).unwrap();
    let error = super::files::check_room(dir.path(), 1 << 56).unwrap_err();
    assert!(matches!(error, StoreError::NoRoom { .. }), "{error}");
    assert!(error.to_string().ends_with("MB are needed; nothing was written"), "{error}");
    store.append(&trials(10..20)).unwrap();
    store.files.break_off();
    let error = store.append(&trials(20..30)).unwrap_err();
    assert!(matches!(error, StoreError::Broken { .. }), "{error}");
    drop(store);
    assert_eq!(count(dir.path()), 20);
}

#[test]
fn a_base_that_is_just_being_closed_is_waited_for() {
    let dir = base(1);
    let store = SledStore::open(dir.path()).unwrap();
    let closing = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(100));
        drop(store);
    });
    assert_eq!(SledStore::open(dir.path()).unwrap().stats().unwrap().trials(), 1);
    closing.join().unwrap();
}

#[test]
fn a_newer_format_is_left_alone() {
    let dir = base(1);
    SledStore::open(dir.path()).unwrap().files.put(keys::FORMAT, record::number(9)).unwrap();
    let error = SledStore::open(dir.path()).unwrap_err().to_string();
    assert_eq!(error, "the base has format 9, this Heirloom reads up to 1; use a newer one");
}

#[test]
fn another_program_s_database_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    ::sled::open(dir.path()).unwrap().insert("k", "v").unwrap();
    assert!(matches!(SledStore::open(dir.path()), Err(StoreError::Corrupt { .. })));
}

#[test]
fn a_file_is_no_base() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(matches!(SledStore::open(file.path()), Err(StoreError::Io { .. })));
}

#[test]
fn blocks_grow_as_trials_come_one_by_one() {
    let dir = base(0);
    let store = SledStore::open(dir.path()).unwrap();
    for one in trials(0..200) {
        store.append(&[one]).unwrap();
    }
    let group = Group::of(&trials(0..1)[0]);
    let blocks = store.files.scan(&keys::group_prefix(&group)).count();
    assert!(blocks <= 8, "{blocks} blocks for 200 trials");
}

const CHILD: &str = "HEIRLOOM_TEST_CHILD_BASE";

/// Not a test of its own: the child process of the next one, which commits until it is killed.
#[test]
fn child_that_commits() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let store = SledStore::open(Path::new(&dir)).unwrap();
    let start = store.stats().unwrap().trials() as usize;
    for n in (start..).step_by(20) {
        store.append(&trials(n..n + 20)).unwrap();
        println!("acknowledged {}", n + 20);
        std::io::stdout().flush().unwrap();
    }
}

#[test]
fn a_killed_process_loses_nothing_it_acknowledged() {
    let dir = base(0);
    for round in 1..=4_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::sled::faults::child_that_commits", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let wanted = 3 + 7 * round as usize;
        let mut acknowledged = 0;
        let numbers =
            lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("acknowledged ")?.parse().ok());
        for number in numbers.take(wanted) {
            acknowledged = number;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let kept = SledStore::open(dir.path()).unwrap().trials(&TrialQuery::default()).unwrap().trials;
        assert!(kept.len() >= acknowledged, "round {round}: {} of {acknowledged}", kept.len());
        assert!(kept.len().is_multiple_of(20), "no torn batch");
        assert_eq!(kept, trials(0..kept.len()));
    }
}
