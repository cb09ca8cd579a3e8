//! `WeightStore`: trained weights beside the base.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use heirloom_kb::{Json, Trial};
use serde::{Deserialize, Serialize};

use super::TrainError;

/// The ending of the files that say what weights were fitted on.
#[cfg(feature = "torch")]
const FITTED: &str = "fitted";

/// The field of a trial that names its weights.
pub const WEIGHTS_FIELD: &str = "weights";

/// A folder of safetensors files, each named by the BLAKE3 hash of its bytes, so that a file is never written over and what is
/// read is what was written. A trial names its own in the field [`WEIGHTS_FIELD`]. Beside them, trials under way are kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WeightStore {
    folder: PathBuf,
}

impl WeightStore {
    /// The store in a folder, which is made with the first file.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        WeightStore { folder: folder.into() }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where trials under way are kept.
    #[must_use]
    pub fn under_way(&self) -> PathBuf {
        self.folder.join("under-way")
    }

    /// The file of a hash.
    #[must_use]
    pub fn file(&self, hash: &str) -> PathBuf {
        self.file_as(hash, "safetensors")
    }

    fn file_as(&self, hash: &str, ending: &str) -> PathBuf {
        let shelf = hash.get(..2).unwrap_or(hash);
        self.folder.join(shelf).join(format!("{hash}.{ending}"))
    }

    /// Keeps the bytes of a safetensors file and returns their hash.
    ///
    /// # Errors
    /// [`TrainError::File`]; nothing is left of them then.
    pub fn put(&self, bytes: &[u8]) -> Result<String, TrainError> {
        self.put_as(bytes, "safetensors")
    }

    /// As [`WeightStore::put`], of bytes of another kind.
    pub(crate) fn put_as(&self, bytes: &[u8], ending: &str) -> Result<String, TrainError> {
        let hash = content_hash(bytes);
        let file = self.file_as(&hash, ending);
        // One that is damaged is written anew.
        let is_kept = fs::read(&file).is_ok_and(|kept| kept == bytes);
        if !is_kept {
            // Two processes may keep the same bytes at once; each writes beside the file under a name of its own.
            write_beside(&file, &format!("{}.part", std::process::id()), bytes)?;
        }
        Ok(hash)
    }

    /// The bytes of a hash.
    ///
    /// # Errors
    /// [`TrainError::File`] when they cannot be read, [`TrainError::BadWeights`] when they are not what was written.
    pub fn get(&self, hash: &str) -> Result<Vec<u8>, TrainError> {
        self.get_as(hash, "safetensors")
    }

    /// As [`WeightStore::get`], of bytes of another kind.
    pub(crate) fn get_as(&self, hash: &str, ending: &str) -> Result<Vec<u8>, TrainError> {
        let file = self.file_as(hash, ending);
        let bytes = fs::read(&file).map_err(|source| file_error("read", &file, source))?;
        let found = content_hash(&bytes);
        if found != hash {
            let reason = format!("the file is damaged: its hash is {found}");
            return Err(TrainError::BadWeights { file: file.display().to_string(), reason });
        }
        Ok(bytes)
    }

    /// Writes beside weights what else of them is kept here, by its hash: the examples they were fitted on. So it is known of a copy of
    /// them too that comes from outside.
    #[cfg(feature = "torch")]
    pub(crate) fn put_fitted(&self, weights: &str, fitted: &str) -> Result<(), TrainError> {
        write_beside(
            &self.file_as(weights, FITTED),
            &format!("{}.part", std::process::id()),
            fitted.as_bytes(),
        )
    }

    /// That hash, if weights of this one are kept here, by a build that wrote it.
    #[cfg(feature = "torch")]
    pub(crate) fn fitted(&self, weights: &str) -> Option<String> {
        fs::read_to_string(self.file_as(weights, FITTED)).ok()
    }

    /// The hash of a trial's weights, if it names some and they are there.
    #[must_use]
    pub fn of_trial<'a>(&self, trial: &'a Trial) -> Option<&'a str> {
        named(trial).filter(|hash| self.file(hash).exists())
    }

    /// The file of a trial's weights, if it names some and that is gone.
    #[must_use]
    pub fn gone(&self, trial: &Trial) -> Option<PathBuf> {
        named(trial).map(|hash| self.file(hash)).filter(|file| !file.exists())
    }
}

/// What bytes are known by: 128 bits of their BLAKE3 hash, in hexadecimal.
pub(crate) fn content_hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..32].to_owned()
}

/// Writes a file all or not at all: what was there before stays until the new bytes are on the disk. Nobody else may write it
/// at the same time.
///
/// # Errors
/// [`TrainError::File`]; nothing of the new bytes is left then.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    write_beside(path, "part", bytes)
}

/// Writes a file under another ending and then renames it.
fn write_beside(path: &Path, ending: &str, bytes: &[u8]) -> Result<(), TrainError> {
    let beside = path.with_extension(ending);
    let write = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|source| {
        // Best effort: the file that could not be written is of no use.
        let _ = fs::remove_file(&beside);
        file_error("write", path, source)
    })
}

pub(crate) fn file_error(act: &'static str, path: &Path, source: std::io::Error) -> TrainError {
    TrainError::File { act, file: path.display().to_string(), source }
}

/// The hash of the weights that a trial names.
fn named(trial: &Trial) -> Option<&str> {
    trial.extra.get(WEIGHTS_FIELD).and_then(Json::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_are_kept_once_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let store = WeightStore::new(dir.path().join("weights"));
        let hash = store.put(b"some").unwrap();
        assert_eq!(store.put(b"some").unwrap(), hash);
        assert_ne!(store.put(b"other").unwrap(), hash);
        assert_eq!(store.get(&hash).unwrap(), b"some");
    }

    #[test]
    fn damaged_and_missing_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let store = WeightStore::new(dir.path());
        let hash = store.put(b"some").unwrap();
        fs::write(store.file(&hash), b"sone").unwrap();
        let words = store.get(&hash).unwrap_err().to_string();
        assert!(words.contains(&hash) && words.contains("damaged"), "{words}");
        store.put(b"some").unwrap();
        assert_eq!(store.get(&hash).unwrap(), b"some", "who has the bytes mends it");
        assert!(store.get("0123").unwrap_err().to_string().starts_with("cannot read"));
    }

    #[test]
    fn a_full_disk_leaves_the_good_file_and_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weights.safetensors");
        write_whole(&path, b"good").unwrap();
        // Whatever is written to this device fails as on a disk without room.
        std::os::unix::fs::symlink("/dev/full", dir.path().join("weights.part")).unwrap();
        let error = write_whole(&path, b"bad").unwrap_err();
        assert!(error.to_string().contains("weights.safetensors"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"good");
    }
}
