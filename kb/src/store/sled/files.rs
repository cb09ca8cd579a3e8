//! `Files`: the folder of a base, opened with care and written through to the disk.

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ::sled::{IVec, Tree};

use super::super::StoreError;

/// Memory that sled may take for its page cache, in bytes.
const CACHE_BYTES: u64 = 64 << 20;
/// How long a base that is in use is waited for, and how often it is tried.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(20);

/// The files of a sled database that are always there.
const LOG: &str = "db";
const CONFIG: &str = "conf";

/// The folder of a base: sled's default tree, and handles to write it through.
#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
    // Dropped in this order: the tree before the database that flushes it.
    tree: Tree,
    _database: ::sled::Db,
    log: File,
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
        Ok(Files { dir: dir.to_owned(), tree, _database: database, log })
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        self.tree.get(key).map_err(|error| database(&self.dir, error))
    }

    /// Entries whose key begins with `prefix`, in order.
    pub(super) fn scan<'a>(
        &'a self,
        prefix: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<(IVec, IVec), StoreError>> + use<'a> {
        self.tree.scan_prefix(prefix).map(|entry| entry.map_err(|error| database(&self.dir, error)))
    }

    /// Entries from `start` until before `end`, in order.
    pub(super) fn range(
        &self,
        start: Vec<u8>,
        end: Vec<u8>,
    ) -> impl Iterator<Item = Result<(IVec, IVec), StoreError>> {
        self.tree.range(start..end).map(|entry| entry.map_err(|error| database(&self.dir, error)))
    }

    pub(super) fn put(&self, key: &[u8], value: Vec<u8>) -> Result<(), StoreError> {
        let mut batch = ::sled::Batch::default();
        batch.insert(key, value);
        self.apply(batch)
    }

    /// Writes a batch, all or nothing, and returns when it is on the disk.
    pub(super) fn apply(&self, batch: ::sled::Batch) -> Result<(), StoreError> {
        self.tree.apply_batch(batch).map_err(|error| database(&self.dir, error))?;
        self.tree.flush().map_err(|error| database(&self.dir, error))?;
        // On Linux sled 0.34.7 flushes with sync_file_range, which power loss does not respect.
        self.log.sync_all().map_err(|source| io("sync", &self.dir.join(LOG), source))?;
        self.sync_blobs()
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
        if name.starts_with("snap.") {
            let aside = dir.join(format!("damaged-{name}"));
            fs::rename(&path, &aside).map_err(|source| io("rename", &path, source))?;
            moved += 1;
        }
    }
    Ok(moved)
}

fn database(dir: &Path, error: ::sled::Error) -> StoreError {
    StoreError::Database { path: dir.display().to_string(), source: Box::new(error) }
}

fn io(act: &'static str, path: &Path, source: std::io::Error) -> StoreError {
    StoreError::Io { act, path: path.display().to_string(), source }
}
