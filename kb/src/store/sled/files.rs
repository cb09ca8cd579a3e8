//! `Files`: the folder of a base, opened with care and written through to the disk.

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ::sled::{IVec, Tree};

use super::super::StoreError;
use super::receipt::{self, Found, Receipt};
use super::writes::Writes;
use super::{keys, record};

/// Memory that sled may take for its page cache, in bytes.
const CACHE_BYTES: u64 = 64 << 20;
/// How long a base that is in use is waited for, and how often it is tried.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// Room on the disk that a write is to find: sled rewrites nodes around what is written, and goes on a segment at a time.
const ROOM: u64 = 4;
const RESERVE: u64 = 8 << 20;

/// The files of a sled database that are always there.
pub(super) const LOG: &str = "db";
pub(super) const CONFIG: &str = "conf";

/// The folder of a base: sled's default tree, and handles to write it through.
#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
    // Closed in this order: the tree before the database that flushes it.
    open: Option<(Tree, ::sled::Db)>,
    log: File,
    /// Writes so far; the base itself and the receipt beside it say the same.
    writes: AtomicU64,
    /// Whether the base was closed well when it was last written.
    was_closed: bool,
    /// A write has failed: sled may have done a part of it, and nothing more is to be written.
    is_broken: AtomicBool,
}

impl Files {
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        if dir.exists() && !dir.is_dir() {
            let source = std::io::Error::from(std::io::ErrorKind::NotADirectory);
            return Err(io("open", dir, source));
        }
        if holds_other_files(dir) {
            return Err(StoreError::OtherFiles { path: dir.display().to_string() });
        }
        fs::create_dir_all(dir).map_err(|source| io("create", dir, source))?;
        let receipt = Receipt::of(dir);
        let found = match &receipt {
            Some(receipt) => in_doubt(dir, receipt)?,
            None => None,
        };
        match Files::open_checked(dir, receipt.as_ref(), found.as_ref()) {
            Ok(mut files) => {
                files.was_closed = found.is_none();
                let whole = files.writes() >= receipt.unwrap_or_default().writes;
                if let Some(found) = found.filter(|found| whole && files.is_readable(found.path())) {
                    found.forget();
                }
                files.acknowledge();
                Ok(files)
            }
            Err(error) => {
                let back = found.map_or(Ok(()), Found::put_back);
                back.map_err(|source| io("put back", dir, source))?;
                Err(error)
            }
        }
    }

    /// Opens sled and compares what it holds with what was acknowledged.
    fn open_checked(
        dir: &Path,
        receipt: Option<&Receipt>,
        found: Option<&Found>,
    ) -> Result<Self, StoreError> {
        let mut files = Files::open_sled(dir)?;
        let (held, wanted) = (files.writes(), receipt.map_or(0, |receipt| receipt.writes));
        if held >= wanted {
            return Ok(files);
        }
        let was_closed = receipt.is_some_and(|receipt| receipt.closed.is_some());
        match found.filter(|_| !was_closed) {
            // It may be a copy made of a base in use, whose receipt was copied later than its log.
            Some(found) => {
                let kept = found.path().display();
                tracing::warn!(held, wanted, %kept, "the base lacks writes: it was copied while in use, or is damaged; its files are kept as they were found");
                Ok(files)
            }
            None => {
                // Closed without a receipt, which would say that this is all.
                files.open = None;
                Err(StoreError::Lost { path: dir.display().to_string(), held, wanted })
            }
        }
    }

    fn open_sled(dir: &Path) -> Result<Self, StoreError> {
        let database = match open_guarded(dir) {
            Err(StoreError::Database { source, .. }) if set_snapshots_aside(dir)? > 0 => {
                // sled rebuilds everything from its log; a snapshot only saves it the work.
                tracing::warn!(dir = %dir.display(), %source, "the snapshot is damaged; reading the log instead");
                open_guarded(dir)?
            }
            other => other?,
        };
        let log_path = dir.join(LOG);
        let log = File::open(&log_path).map_err(|source| io("open", &log_path, source))?;
        let tree = Tree::clone(&database);
        let files = Files {
            dir: dir.to_owned(),
            open: Some((tree, database)),
            log,
            writes: AtomicU64::new(0),
            was_closed: true,
            is_broken: AtomicBool::new(false),
        };
        if let Some(value) = files.get(keys::WRITES)? {
            files.writes.store(record::read_number(keys::WRITES, &value)?, Ordering::Relaxed);
        }
        Ok(files)
    }

    /// Reads everything once, for sled notices damage only when it comes to it, and removes large values that it cannot read.
    fn is_readable(&self, kept: &Path) -> bool {
        let unreadable = self.tree().iter().find_map(Result::err);
        if let Some(error) = &unreadable {
            let kept = kept.display();
            tracing::warn!(%kept, %error, "a part of the base is damaged; restore it from its last export; its files are kept as they were found");
        }
        unreadable.is_none()
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.open.as_ref().expect("a base is open until it is dropped").0
    }

    fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// Says beside the base what it holds by now.
    fn acknowledge(&self) {
        let receipt = Receipt { writes: self.writes(), closed: None };
        if let Err(error) = receipt.put(&self.dir) {
            tracing::warn!(dir = %self.dir.display(), %error, "cannot write the receipt beside the base");
        }
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        self.tree().get(key).map_err(|error| database(&self.dir, error))
    }

    /// Entries whose key begins with `prefix`, in order.
    pub(super) fn scan<'a>(
        &'a self,
        prefix: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<(IVec, IVec), StoreError>> + use<'a> {
        self.tree().scan_prefix(prefix).map(|entry| entry.map_err(|error| database(&self.dir, error)))
    }

    /// Entries from `start` until before `end`, in order.
    pub(super) fn range(
        &self,
        start: Vec<u8>,
        end: Vec<u8>,
    ) -> impl Iterator<Item = Result<(IVec, IVec), StoreError>> {
        self.tree().range(start..end).map(|entry| entry.map_err(|error| database_in_part(&self.dir, error)))
    }

    pub(super) fn put(&self, key: &[u8], value: Vec<u8>) -> Result<(), StoreError> {
        let mut writes = Writes::default();
        writes.insert(key, value);
        self.apply(writes)
    }

    /// Whether the base was closed well before it was opened.
    pub(super) fn was_closed(&self) -> bool {
        self.was_closed
    }

    /// Writes all or nothing, and returns when it is on the disk.
    ///
    /// # Errors
    /// [`StoreError::NoRoom`] before anything is written; what sled and the file system report, after which the base has to be opened
    /// anew.
    pub(super) fn apply(&self, writes: Writes) -> Result<(), StoreError> {
        if self.is_broken.load(Ordering::Relaxed) {
            return Err(StoreError::Broken { path: self.dir.display().to_string() });
        }
        check_room(&self.dir, writes.bytes())?;
        self.apply_unchecked(writes).inspect_err(|_| self.is_broken.store(true, Ordering::Relaxed))
    }

    /// As after a write that has failed.
    #[cfg(test)]
    pub(super) fn break_off(&self) {
        self.is_broken.store(true, Ordering::Relaxed);
    }

    fn apply_unchecked(&self, mut changes: Writes) -> Result<(), StoreError> {
        let writes = self.writes() + 1;
        changes.insert(keys::WRITES, record::number(writes));
        self.tree().apply_batch(changes.into_batch()).map_err(|error| database(&self.dir, error))?;
        self.writes.store(writes, Ordering::Relaxed);
        self.tree().flush().map_err(|error| database(&self.dir, error))?;
        // On Linux sled 0.34.7 flushes with sync_file_range, which power loss does not respect.
        self.log.sync_all().map_err(|source| io("sync", &self.dir.join(LOG), source))?;
        self.sync_blobs()?;
        self.acknowledge();
        Ok(())
    }

    /// sled keeps a value beyond its segment size in a file of its own.
    fn sync_blobs(&self) -> Result<(), StoreError> {
        let blobs = self.dir.join("blobs");
        let Ok(entries) = fs::read_dir(&blobs) else { return Ok(()) };
        for entry in entries.flatten() {
            let path = entry.path();
            match File::open(&path).and_then(|file| file.sync_all()) {
                // sled may have dropped it meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                done => done.map_err(|source| io("sync", &path, source))?,
            }
        }
        Ok(())
    }
}

impl Drop for Files {
    /// Closes sled and says beside the base what its files are, so that damage is told from what sled writes.
    fn drop(&mut self) {
        let Some(open) = self.open.take() else { return };
        drop(open);
        if self.is_broken.load(Ordering::Relaxed) {
            // It was not closed well: the next one who opens it looks at everything.
            return;
        }
        let closed = receipt::sums(&self.dir).map(Some);
        let put = closed.and_then(|closed| Receipt { writes: self.writes(), closed }.put(&self.dir));
        if let Err(error) = put {
            tracing::debug!(dir = %self.dir.display(), %error, "no receipt of the closed base");
        }
    }
}

/// sled does not take it well when a disk is full: its threads wait for each other, and a part of a batch may be kept.
pub(super) fn check_room(dir: &Path, bytes: u64) -> Result<(), StoreError> {
    // A file system that does not say is trusted.
    let Ok(disk) = rustix::fs::statvfs(dir) else { return Ok(()) };
    let (free, needed) = (disk.f_bavail.saturating_mul(disk.f_frsize), ROOM * bytes + RESERVE);
    if free < needed {
        return Err(StoreError::NoRoom { path: dir.display().to_string(), free, needed });
    }
    Ok(())
}

/// A copy of files that are not as they were when the base was closed: sled would cut off what it cannot read. `None` where they are.
fn in_doubt(dir: &Path, receipt: &Receipt) -> Result<Option<Found>, StoreError> {
    let start = Instant::now();
    while receipt::is_locked(&dir.join(LOG)) {
        if start.elapsed() > PATIENCE {
            return Err(StoreError::InUse { path: dir.display().to_string() });
        }
        std::thread::sleep(PAUSE);
    }
    if receipt.agrees(dir) {
        return Ok(None);
    }
    Found::copy(dir)
        .map(Some)
        .map_err(|source| io("keep a copy of what is damaged or was not closed in", dir, source))
}

/// Whether sled has begun a database in a folder.
pub(super) fn is_database(dir: &Path) -> bool {
    dir.join(LOG).is_file() || dir.join(CONFIG).is_file()
}

fn holds_other_files(dir: &Path) -> bool {
    let filled = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    filled && !is_database(dir)
}

/// Opens sled; a base that is in use gets a moment, for sled's own threads let go of its lock a little after it was closed.
fn open_guarded(dir: &Path) -> Result<::sled::Db, StoreError> {
    let start = Instant::now();
    loop {
        match open_once(dir) {
            Err(StoreError::InUse { .. }) if start.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
            done => return done,
        }
    }
}

/// A panic on a damaged file becomes an error.
fn open_once(dir: &Path) -> Result<::sled::Db, StoreError> {
    let config = ::sled::Config::new().path(dir).cache_capacity(CACHE_BYTES).flush_every_ms(Some(500));
    match catch_unwind(AssertUnwindSafe(|| config.open())) {
        Ok(Ok(database)) => Ok(database),
        Ok(Err(error)) if error.to_string().contains("could not acquire lock") => {
            Err(StoreError::InUse { path: dir.display().to_string() })
        }
        Ok(Err(error)) => Err(database(dir, error)),
        Err(_) => Err(StoreError::Database {
            path: dir.display().to_string(),
            source: "its log is damaged; restore the base from its last export".into(),
        }),
    }
}

/// Renames sled's snapshots so that it does not read them, and says how many there were.
fn set_snapshots_aside(dir: &Path) -> Result<usize, StoreError> {
    let entries = fs::read_dir(dir).map_err(|source| io("list", dir, source))?;
    let mut moved = 0;
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if receipt::is_snapshot(Path::new(&name)) {
            let aside = dir.join(format!("damaged-{name}"));
            fs::rename(&path, &aside).map_err(|source| io("rename", &path, source))?;
            moved += 1;
        }
    }
    Ok(moved)
}

fn database(dir: &Path, error: ::sled::Error) -> StoreError {
    damaged(dir, error, "a part of it is damaged; restore the base from its last export")
}

/// The same of trials, without which there is still a base.
fn database_in_part(dir: &Path, error: ::sled::Error) -> StoreError {
    let damage = "a part of it is damaged; restore the base from its last export (heirloom export --task still reads tasks that are whole)";
    damaged(dir, error, damage)
}

fn damaged(dir: &Path, error: ::sled::Error, damage: &'static str) -> StoreError {
    let path = dir.display().to_string();
    match error {
        ::sled::Error::Corruption { .. } => StoreError::Database { path, source: damage.into() },
        error => StoreError::Database { path, source: Box::new(error) },
    }
}

pub(super) fn io(act: &'static str, path: &Path, source: std::io::Error) -> StoreError {
    StoreError::Io { act, path: path.display().to_string(), source }
}
