//! Files, plain or packed, with errors that name them.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;

use crate::DatasetError;

/// The bytes of a file; one whose name ends in `.gz` is unpacked.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, DatasetError> {
    let bytes = fs::read(path).map_err(|source| io("read", path, source))?;
    if path.extension().is_some_and(|ending| ending == "gz") { gunzip(&bytes, path) } else { Ok(bytes) }
}

pub(super) fn gunzip(bytes: &[u8], path: &Path) -> Result<Vec<u8>, DatasetError> {
    let mut unpacked = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes)
        .read_to_end(&mut unpacked)
        .map_err(|error| format(path, format!("it does not unpack: {error}")))?;
    Ok(unpacked)
}

/// The bytes of a member of a zip file.
pub(super) fn read_member(path: &Path, member: &str) -> Result<Vec<u8>, DatasetError> {
    let file = File::open(path).map_err(|source| io("open", path, source))?;
    let mut archive = zip::ZipArchive::new(BufReader::new(file))
        .map_err(|error| format(path, format!("it is no whole zip file: {error}")))?;
    let mut entry =
        archive.by_name(member).map_err(|error| format(path, format!("member {member}: {error}")))?;
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(|error| format(path, format!("member {member}: {error}")))?;
    Ok(bytes)
}

pub(super) fn io(act: &'static str, path: &Path, source: std::io::Error) -> DatasetError {
    DatasetError::Io { act, file: path.display().to_string(), source }
}

pub(super) fn format(path: &Path, reason: String) -> DatasetError {
    DatasetError::Format { file: path.display().to_string(), reason }
}
