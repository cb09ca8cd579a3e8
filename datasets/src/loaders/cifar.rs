//! CIFAR-10 and CIFAR-100 in their binary version.
//!
//! *Source*: Krizhevsky, "Learning multiple layers of features from tiny images", 2009, and the data sets' home page.

use std::io::Read;
use std::path::{Path, PathBuf};

use heirloom_kb::Domain;
use ndarray::Array2;

use super::download::{Digest, RemoteFile, fetch};
use super::files::{format, gunzip, io};
use crate::{Dataset, DatasetError, Preparation};

const PIXELS: usize = 3 * 32 * 32;

/// What sets the two apart.
struct Version {
    /// The archive as it is distributed, with the MD5 sum that the home page gives.
    archive: &'static str,
    md5: &'static str,
    /// The folder that it unpacks to.
    unpacked: &'static str,
    train: &'static [&'static str],
    test: &'static str,
    /// Bytes before the pixels.
    labels: usize,
    /// Which of them is the label.
    label: usize,
    classes: usize,
    /// The file with the names of the classes, a line each.
    names: &'static str,
}

const CIFAR10: Version = Version {
    archive: "cifar-10-binary.tar.gz",
    md5: "c32a1d4ab5d03f1284b67883e8d87530",
    unpacked: "cifar-10-batches-bin",
    train: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    test: "test_batch.bin",
    labels: 1,
    label: 0,
    classes: 10,
    names: "batches.meta.txt",
};

const CIFAR100: Version = Version {
    archive: "cifar-100-binary.tar.gz",
    md5: "03b5dce01913d631647c71ecec9e9cb8",
    unpacked: "cifar-100-binary",
    train: &["train.bin"],
    test: "test.bin",
    labels: 2,
    label: 1,
    classes: 100,
    names: "fine_label_names.txt",
};

/// The twenty super-classes of CIFAR-100, whose label stands before that of the class.
const COARSE: Version = Version { label: 0, classes: 20, names: "coarse_label_names.txt", ..CIFAR100 };

pub(super) fn load(name: &str, dir: &Path, download: bool) -> Result<Dataset, DatasetError> {
    let version = match name {
        "cifar10" => CIFAR10,
        "cifar100" => CIFAR100,
        _ => COARSE,
    };
    let folders = [dir.join(name.trim_end_matches("-coarse")), dir.to_owned()];
    let unpacked = folders.each_ref().map(|folder| folder.join(version.unpacked));
    // Its own folder first: files of the other version may stand beside it.
    let mut places = unpacked.iter().chain(&folders);
    if let Some(folder) = places.find(|folder| folder.join(version.test).is_file()) {
        let read = |file: &str| {
            let path = folder.join(file);
            let bytes = std::fs::read(&path).map_err(|source| io("read", &path, source))?;
            Ok((path, bytes))
        };
        return build(name, &version, read);
    }
    let known = folders.iter().map(|folder| folder.join(version.archive)).find(|path| path.is_file());
    let archive = match known {
        Some(path) => path,
        None if download => {
            let url = ["https://www.cs.toronto.edu/~kriz/", version.archive].concat();
            fetch(&RemoteFile { url, digest: Digest::Md5(version.md5) }, &folders[0].join(version.archive))?
        }
        None => {
            return Err(DatasetError::Missing {
                name: name.to_owned(),
                wanted: format!("{}, nor {},", version.test, version.archive),
                dir: dir.display().to_string(),
                hint: "put the binary version there, or allow the download (--download)".into(),
            });
        }
    };
    let members = unpack(&archive)?;
    build(name, &version, |file: &str| {
        let found = members.iter().find(|(path, _)| path.file_name().is_some_and(|name| name == file));
        let (_, bytes) = found.ok_or_else(|| format(&archive, format!("member {file} is missing")))?;
        Ok((archive.join(file), bytes.clone()))
    })
}

/// The members of an archive with examples and names.
fn unpack(path: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, DatasetError> {
    let packed = std::fs::read(path).map_err(|source| io("read", path, source))?;
    let bytes = gunzip(&packed, path)?;
    let bad = |error: std::io::Error| format(path, format!("it is no whole archive: {error}"));
    let mut members = Vec::new();
    for entry in tar::Archive::new(bytes.as_slice()).entries().map_err(bad)? {
        let mut entry = entry.map_err(bad)?;
        let name = entry.path().map_err(bad)?.into_owned();
        if name.extension().is_some_and(|ending| ending == "bin" || ending == "txt") {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(bad)?;
            members.push((name, content));
        }
    }
    Ok(members)
}

/// The names of so many classes, a line each.
fn names(bytes: &[u8], classes: usize) -> Option<Vec<String>> {
    let lines = std::str::from_utf8(bytes).ok()?.lines().map(str::trim).filter(|line| !line.is_empty());
    let names: Vec<String> = lines.map(str::to_owned).collect();
    (names.len() == classes).then_some(names)
}

/// Training rows first, then the official test part. Classes are called as the file beside them says, or numbered where it is missing.
fn build(
    name: &str,
    version: &Version,
    read: impl Fn(&str) -> Result<(PathBuf, Vec<u8>), DatasetError>,
) -> Result<Dataset, DatasetError> {
    let (mut pixels, mut y) = (Vec::new(), Vec::new());
    let mut n_train = 0;
    for file in version.train.iter().chain([&version.test]) {
        n_train = y.len();
        let (path, bytes) = read(file)?;
        let record = version.labels + PIXELS;
        if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
            let reason = format!("{} bytes are not a whole number of records of {record}", bytes.len());
            return Err(format(&path, reason));
        }
        for (row, record) in bytes.chunks_exact(record).enumerate() {
            let label = usize::from(record[version.label]);
            if label >= version.classes {
                let reason =
                    format!("record {row} has the label {label}, there are {} classes", version.classes);
                return Err(format(&path, reason));
            }
            y.push(label);
            pixels.extend(record[version.labels..].iter().map(|byte| f32::from(*byte) / 255.0));
        }
    }
    let n = y.len();
    let x = Array2::from_shape_vec((n, PIXELS), pixels).expect("every record was counted");
    let names = read(version.names).ok().and_then(|(_, bytes)| names(&bytes, version.classes));
    let classes = names.unwrap_or_else(|| (0..version.classes).map(|class| class.to_string()).collect());
    let data = Dataset::new(name, Domain::Image, &[3, 32, 32], x, y, classes, name)?;
    let preparation =
        Preparation::Images { channels: 3, height: 32, width: 32, divided_by: 255.0, resampling: None };
    Ok(data.with_official_test(n_train..n).prepared(Some(preparation)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(label: u8) -> Vec<u8> {
        std::iter::once(label).chain([label; PIXELS]).collect()
    }

    #[test]
    fn files_and_archive_give_the_same() {
        let (dir, packed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut archive = tar::Builder::new(gzip);
        for (at, file) in CIFAR10.train.iter().chain([&CIFAR10.test]).enumerate() {
            let bytes = [record(at as u8), record(9)].concat();
            std::fs::write(dir.path().join(file), &bytes).unwrap();
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            archive
                .append_data(&mut header, format!("cifar-10-batches-bin/{file}"), bytes.as_slice())
                .unwrap();
        }
        let bytes = archive.into_inner().unwrap().finish().unwrap();
        std::fs::write(packed.path().join(CIFAR10.archive), bytes).unwrap();
        let data = load("cifar10", dir.path(), false).unwrap();
        assert_eq!((data.n(), data.official_test()), (12, Some(&[10, 11][..])));
        assert_eq!(load("cifar10", packed.path(), false).unwrap(), data);
        // As the archive unpacks, beside other data.
        let whole = tempfile::tempdir().unwrap();
        std::fs::rename(dir.path(), whole.path().join("cifar-10-batches-bin")).unwrap();
        assert_eq!(load("cifar10", whole.path(), false).unwrap(), data);
    }

    #[test]
    fn classes_are_called_as_the_file_beside_them_says() {
        let dir = tempfile::tempdir().unwrap();
        for file in CIFAR10.train.iter().chain([&CIFAR10.test]) {
            std::fs::write(dir.path().join(file), [record(0), record(9)].concat()).unwrap();
        }
        let first = || load("cifar10", dir.path(), false).unwrap().classes()[0].clone();
        assert_eq!(first(), "0");
        let names: String = (0..10).map(|class| format!("kind {class}\n")).collect();
        std::fs::write(dir.path().join("batches.meta.txt"), names + "\n").unwrap();
        assert_eq!(first(), "kind 0");
        std::fs::write(dir.path().join("batches.meta.txt"), "one\n").unwrap();
        assert_eq!(first(), "0", "there are ten classes");
    }

    #[test]
    fn super_classes_have_a_label_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let record: Vec<u8> = [19, 99].into_iter().chain([0; PIXELS]).collect();
        for file in ["train.bin", "test.bin"] {
            std::fs::write(dir.path().join(file), &record).unwrap();
        }
        let of = |name: &str| {
            load(name, dir.path(), false).map(|data| (data.n_classes(), data.y().to_vec())).unwrap()
        };
        assert_eq!(of("cifar100"), (100, vec![99, 99]));
        assert_eq!(of("cifar100-coarse"), (20, vec![19, 19]));
    }

    #[test]
    fn refusals_name_file_and_record() {
        let dir = tempfile::tempdir().unwrap();
        let put = |bytes: &[u8]| {
            for file in CIFAR10.train.iter().chain([&CIFAR10.test]) {
                std::fs::write(dir.path().join(file), bytes).unwrap();
            }
            load("cifar10", dir.path(), false).unwrap_err().to_string()
        };
        assert!(
            put(&[0; 100]).ends_with("data_batch_1.bin: 100 bytes are not a whole number of records of 3073")
        );
        assert!(put(&record(10)).ends_with("record 0 has the label 10, there are 10 classes"));
        assert!(load("cifar100", tempfile::tempdir().unwrap().path(), false).is_err());
    }
}
