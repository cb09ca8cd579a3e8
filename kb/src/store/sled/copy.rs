//! `BaseCopy`: a base as it is now, in a folder of its own, for those who read while another process writes, or where nothing can be written.

use std::io;
use std::path::Path;

use rustix::io::Errno;
use tempfile::TempDir;

use super::super::StoreError;
use super::files::{self, PATIENCE, PAUSE};
use super::receipt::{self, Receipt};

/// Copies are tried for as long as a base that is in use is waited for.
const TRIES: u32 = (PATIENCE.as_millis() / PAUSE.as_millis()) as u32;

/// Why a base is read from a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopiedAs {
    /// Another process has it open.
    InUse,
    /// Its folder, or the disk, is not for us to write on.
    ReadOnly,
    /// The disk is full.
    NoRoom,
}

/// A folder that is gone when this is dropped.
#[derive(Debug)]
pub(super) struct BaseCopy(TempDir);

impl BaseCopy {
    /// Copies a base. What its owner is writing meanwhile is not in it; what was acknowledged before is.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if it does not hold still for long enough, [`StoreError::Io`].
    pub(super) fn of(dir: &Path) -> Result<Self, StoreError> {
        let failed = |source| files::io("copy to a temporary folder the base", dir, source);
        for _ in 0..TRIES {
            if let Some(copy) = BaseCopy::at_rest(dir).map_err(failed)? {
                return Ok(copy);
            }
            std::thread::sleep(PAUSE);
        }
        Err(StoreError::InUse { path: dir.display().to_string() })
    }

    /// `None` if a file changed while it was copied.
    fn at_rest(dir: &Path) -> io::Result<Option<Self>> {
        let copy = TempDir::with_prefix("heirloom-")?;
        // The receipt first: what it says is in the log by then.
        if let Some(receipt) = Receipt::of(dir) {
            receipt.put(copy.path())?;
        }
        let copied = receipt::copy_to(dir, copy.path())?;
        Ok((receipt::sums(dir)? == copied).then_some(BaseCopy(copy)))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Why sled could not open a base in a folder, as far as that can be told before it tries; it writes as soon as it opens.
pub(super) fn reason(dir: &Path) -> Option<CopiedAs> {
    if is_read_only(dir) {
        return Some(CopiedAs::ReadOnly);
    }
    let is_full = matches!(files::check_room(dir, 0), Err(StoreError::NoRoom { .. }));
    is_full.then_some(CopiedAs::NoRoom)
}

/// Whether a base that is there must not be written to.
pub(super) fn is_read_only(dir: &Path) -> bool {
    let refuses = |path: &Path| {
        let answer = rustix::fs::access(path, rustix::fs::Access::WRITE_OK);
        matches!(answer, Err(Errno::ACCESS | Errno::ROFS | Errno::PERM))
    };
    refuses(dir) || refuses(&dir.join(files::LOG))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::SledStore;
    use super::*;
    use crate::schema::{Split, Trial};
    use crate::store::conformance::{space, task, trial};
    use crate::store::{Batch, KnowledgeStore, Stats};

    fn one(n: usize) -> Trial {
        trial("a", "s/1", Split::Validation, n)
    }

    fn trials(store: &SledStore) -> u64 {
        store.stats().as_ref().map(Stats::trials).unwrap()
    }

    fn base_of_two(dir: &Path) -> SledStore {
        let store = SledStore::open(dir).unwrap();
        let trials = vec![one(1), one(2)];
        store.commit(&Batch { spaces: vec![space("s/1")], tasks: vec![task("a")], trials }).unwrap();
        store
    }

    #[test]
    fn a_base_in_use_is_read_as_it_is_and_neither_hears_of_the_others_writes() {
        let dir = tempfile::tempdir().unwrap();
        let owner = base_of_two(dir.path());
        let (reader, why) = SledStore::open_to_read(dir.path()).unwrap();
        assert_eq!((trials(&reader), why), (2, Some(CopiedAs::InUse)));
        owner.append(&[one(3)]).unwrap();
        reader.append(&[one(4), one(5)]).unwrap();
        assert_eq!((trials(&owner), trials(&reader)), (3, 4));
        drop((reader, owner));
        let (alone, why) = SledStore::open_to_read(dir.path()).unwrap();
        assert_eq!((trials(&alone), why), (3, None));
    }

    #[test]
    fn a_base_that_is_written_to_all_the_time_is_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        let owner = base_of_two(dir.path());
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for n in 3..60 {
                    owner.append(&[one(n)]).unwrap();
                }
            });
            while !writer.is_finished() {
                let known = trials(&owner);
                let (reader, _) = SledStore::open_to_read(dir.path()).unwrap();
                assert!(trials(&reader) >= known);
            }
        });
    }

    #[test]
    fn a_base_that_must_not_be_written_to_is_read() {
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().unwrap();
        drop(base_of_two(dir.path()));
        let permit = |mode_of_files, mode| {
            for path in receipt::sums(dir.path()).unwrap().keys() {
                fs::set_permissions(dir.path().join(path), fs::Permissions::from_mode(mode_of_files))
                    .unwrap();
            }
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        };
        permit(0o444, 0o555);
        // Root may write all the same.
        let wanted = rustix::fs::access(dir.path(), rustix::fs::Access::WRITE_OK).is_err();
        let wanted = wanted.then_some(CopiedAs::ReadOnly);
        let (reader, why) = SledStore::open_to_read(dir.path()).unwrap();
        assert_eq!((trials(&reader), why), (2, wanted));
        drop(reader);
        assert_eq!(SledStore::open(dir.path()).is_err(), wanted.is_some());
        permit(0o644, 0o755);
    }
}
