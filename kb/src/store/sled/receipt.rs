//! `Receipt`: what a base has acknowledged, kept beside sled's files, which cut off without a word what they cannot read.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::{CONFIG, LOG};

/// The file that holds it.
pub(super) const RECEIPT: &str = "receipt.json";
/// The folder, in that of the base, of the files as they were found; numbered from 2 on where one is there.
const ASIDE: &str = "unopened";
const BLOBS: &str = "blobs";

/// Length and CRC-32 of files, by their path in the folder.
type Sums = BTreeMap<String, (u64, u32)>;

/// How many writes were acknowledged and, once the base was closed, what its files were then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Receipt {
    pub(super) writes: u64,
    /// Absent while the base is open, and after a process was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) closed: Option<Sums>,
}

impl Receipt {
    /// That of a folder; `None` where there is none that can be read.
    pub(super) fn of(dir: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(dir.join(RECEIPT)).ok()?).ok()
    }

    /// Puts it beside the base, whole at all times. It guards against damage, not against power loss: an older one is still true.
    pub(super) fn put(&self, dir: &Path) -> io::Result<()> {
        let unfinished = dir.join(format!("{RECEIPT}.unfinished"));
        fs::write(&unfinished, serde_json::to_vec(self)?)?;
        fs::rename(&unfinished, dir.join(RECEIPT))
    }

    /// Whether the files are as they were when the base was closed.
    pub(super) fn agrees(&self, dir: &Path) -> bool {
        self.closed.as_ref().is_some_and(|closed| sums(dir).is_ok_and(|now| now == *closed))
    }
}

/// The sums of what sled keeps results in. Its snapshots only save it work.
pub(super) fn sums(dir: &Path) -> io::Result<Sums> {
    sums_with(dir, |_, _| Ok(()))
}

/// The same, each file given out as it is read.
fn sums_with(dir: &Path, take: impl Fn(&Path, &[u8]) -> io::Result<()>) -> io::Result<Sums> {
    let mut sums = Sums::new();
    for path in files(dir)?.into_iter().filter(|path| !is_snapshot(path)) {
        let bytes = fs::read(dir.join(&path))?;
        take(&path, &bytes)?;
        sums.insert(path.to_string_lossy().into_owned(), (bytes.len() as u64, crc32fast::hash(&bytes)));
    }
    Ok(sums)
}

/// Writes what sled keeps results in into another folder, without its permissions, which may forbid what sled wants to do, and gives the sums of what was
/// written.
pub(super) fn copy_to(dir: &Path, copy: &Path) -> io::Result<Sums> {
    fs::create_dir(copy.join(BLOBS))?;
    sums_with(dir, |path, bytes| fs::write(copy.join(path), bytes))
}

/// A copy of sled's files as they were found, which are cut and rewritten as it opens them.
#[derive(Debug)]
pub(super) struct Found {
    dir: PathBuf,
    copy: PathBuf,
}

impl Found {
    /// Copies them into a new folder in that of the base.
    pub(super) fn copy(dir: &Path) -> io::Result<Self> {
        let names = (2..).map(|n| format!("{ASIDE}-{n}"));
        let mut free = std::iter::once(ASIDE.to_owned()).chain(names).map(|name| dir.join(name));
        let copy = free.find(|path| !path.exists()).unwrap_or_else(|| dir.join(ASIDE));
        fs::create_dir_all(copy.join(BLOBS))?;
        let found = Found { dir: dir.to_owned(), copy };
        for path in files(dir)? {
            if let Err(error) = fs::copy(dir.join(&path), found.copy.join(&path)) {
                found.forget();
                return Err(error);
            }
        }
        Ok(found)
    }

    /// Where the copy is.
    pub(super) fn path(&self) -> &Path {
        &self.copy
    }

    /// Puts everything back. Files are replaced and not rewritten: threads of sled's may still write to those that it had opened.
    pub(super) fn put_back(self) -> io::Result<()> {
        for path in files(&self.dir)? {
            fs::remove_file(self.dir.join(path))?;
        }
        for path in files(&self.copy)? {
            fs::rename(self.copy.join(&path), self.dir.join(&path))?;
        }
        fs::remove_dir_all(&self.copy)
    }

    /// Removes the copy.
    pub(super) fn forget(self) {
        if let Err(error) = fs::remove_dir_all(&self.copy) {
            tracing::warn!(copy = %self.copy.display(), %error, "a copy that is not needed stays");
        }
    }
}

/// sled's files: its log, its configuration, its snapshots, and large values.
fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = PathBuf::from(entry?.file_name());
        if name.as_os_str() == LOG || name.as_os_str() == CONFIG || is_snapshot(&name) {
            files.push(name);
        }
    }
    match fs::read_dir(dir.join(BLOBS)) {
        Ok(entries) => {
            for entry in entries {
                files.push(Path::new(BLOBS).join(entry?.file_name()));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(files)
}

/// Whether a file, by its path in the folder, is one of sled's snapshots.
pub(super) fn is_snapshot(path: &Path) -> bool {
    path.to_string_lossy().starts_with("snap.")
}

/// Whether somebody holds sled's lock on a log.
pub(super) fn is_locked(log: &Path) -> bool {
    matches!(File::open(log).map(|log| log.try_lock()), Ok(Err(TryLockError::WouldBlock)))
}
