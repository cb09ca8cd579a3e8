//! Damage to sled's files is noticed, and nothing is made worse.

use std::fs;
use std::path::{Path, PathBuf};

use super::receipt::{RECEIPT, Receipt, sums};
use super::*;
use crate::schema::Split;
use crate::store::conformance::{space, task, trial};

/// A closed base of trials that came in commits of so many each.
fn base(commits: usize, each: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path()).unwrap();
    store.commit(&Batch { spaces: vec![space("s/1")], tasks: vec![task("a")], trials: vec![] }).unwrap();
    for commit in 0..commits {
        let trials: Vec<Trial> =
            (0..each).map(|n| trial("a", "s/1", Split::Validation, commit * each + n)).collect();
        store.append(&trials).unwrap();
    }
    dir
}

fn trials(dir: &Path) -> u64 {
    SledStore::open(dir).unwrap().stats().unwrap().trials()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 4;
    fs::write(path, bytes).unwrap();
}

fn copies(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("unopened")).collect()
}

#[test]
fn a_base_that_was_closed_is_opened_as_it_is() {
    let dir = base(3, 10);
    for _ in 0..3 {
        assert!(Receipt::of(dir.path()).unwrap().agrees(dir.path()));
        assert_eq!(trials(dir.path()), 30);
    }
    assert!(copies(dir.path()).is_empty());
}

/// Wherever a bit of the log flips, either all that was acknowledged is there or the base is refused as it is, and is there again once the
/// bit is put right.
#[test]
fn a_flipped_bit_in_the_log_is_never_a_silent_loss() {
    let dir = base(30, 1);
    let log = dir.path().join("db");
    let used = fs::read(&log).unwrap().iter().rposition(|byte| *byte != 0).unwrap();
    let mut lost = 0;
    for part in 1..12 {
        let at = used * part / 12;
        flip(&log, at);
        let before = sums(dir.path()).unwrap();
        match SledStore::open(dir.path()) {
            Ok(store) => assert_eq!(store.stats().unwrap().trials(), 30, "bit {at}"),
            Err(error) => {
                lost += u32::from(matches!(error, StoreError::Lost { .. }));
                assert_eq!(sums(dir.path()).unwrap(), before, "bit {at}: {error}");
                assert!(SledStore::open(dir.path()).is_err(), "bit {at}: refused once only");
            }
        }
        flip(&log, at);
        assert_eq!(trials(dir.path()), 30, "bit {at}");
        assert!(copies(dir.path()).is_empty());
    }
    assert!(lost > 0, "no flip hit what was written");
}

#[test]
fn a_missing_log_is_refused() {
    let dir = base(1, 6_000);
    assert_eq!(trials(dir.path()), 6_000);
    let log = dir.path().join("db");
    let away = dir.path().join("damaged-db");
    fs::rename(&log, &away).unwrap();
    let error = SledStore::open(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("of 3 writes that it has acknowledged 0 can be read; nothing was changed"),
        "{error}"
    );
    assert!(!log.exists());
    fs::rename(&away, &log).unwrap();
    assert_eq!(trials(dir.path()), 6_000);
}

/// A copy of a base in use may have a receipt that is newer than its log: it is opened, and kept as it was found.
#[test]
fn a_copy_of_a_base_in_use_is_opened_and_kept() {
    let dir = base(4, 5);
    let mut receipt = Receipt::of(dir.path()).unwrap();
    (receipt.writes, receipt.closed) = (receipt.writes + 2, None);
    receipt.put(dir.path()).unwrap();
    let found = fs::read(dir.path().join("db")).unwrap();
    assert_eq!(trials(dir.path()), 20);
    let copies = copies(dir.path());
    assert_eq!(copies.len(), 1);
    assert_eq!(fs::read(copies[0].join("db")).unwrap(), found);
    // It is said once.
    assert_eq!(Receipt::of(dir.path()).unwrap().writes, receipt.writes - 2);
}

#[test]
fn a_base_without_a_receipt_is_opened_and_gets_one() {
    let dir = base(2, 5);
    fs::remove_file(dir.path().join(RECEIPT)).unwrap();
    assert_eq!(trials(dir.path()), 10);
    assert!(Receipt::of(dir.path()).unwrap().agrees(dir.path()));
}
