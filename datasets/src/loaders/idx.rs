//! MNIST and Fashion-MNIST in IDX files.
//!
//! *Source*: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", the section on the file format.

use std::path::{Path, PathBuf};

use heirloom_kb::Domain;
use ndarray::Array2;

use super::download::{Digest, RemoteFile, fetch};
use super::files::{format, read};
use crate::{Dataset, DatasetError, Preparation};

/// The four files with the MD5 sums that torchvision publishes.
type Files = [(&'static str, &'static str); 4];

const MNIST: Files = [
    ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
    ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
    ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
    ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
];

const FASHION: Files = [
    ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
    ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
    ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
    ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
];

pub(super) fn load(name: &str, dir: &Path, download: bool) -> Result<Dataset, DatasetError> {
    let (files, url) = match name {
        "mnist" => (MNIST, "https://ossci-datasets.s3.amazonaws.com/mnist/"),
        _ => (FASHION, "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"),
    };
    let paths = files
        .iter()
        .map(|(file, md5)| {
            let remote = RemoteFile { url: [url, file].concat(), digest: Digest::Md5(md5) };
            locate(name, dir, file, download.then_some(&remote))
        })
        .collect::<Result<Vec<PathBuf>, _>>()?;
    join(name, &paths)
}

/// A file in the folder or in the subfolder of the data set's name, packed or not; fetched if it may be.
fn locate(name: &str, dir: &Path, file: &str, remote: Option<&RemoteFile>) -> Result<PathBuf, DatasetError> {
    let plain = file.trim_end_matches(".gz");
    let folders = [dir.join(name), dir.to_owned()];
    let found =
        folders.iter().flat_map(|folder| [folder.join(file), folder.join(plain)]).find(|path| path.is_file());
    match (found, remote) {
        (Some(path), _) => Ok(path),
        (None, Some(remote)) => fetch(remote, &folders[0].join(file)),
        (None, None) => Err(DatasetError::Missing {
            name: name.to_owned(),
            wanted: file.to_owned(),
            dir: dir.display().to_string(),
            hint: "put the four IDX files there, or allow the download (--download)".into(),
        }),
    }
}

/// Training rows first, then the official test part.
fn join(name: &str, paths: &[PathBuf]) -> Result<Dataset, DatasetError> {
    let (train, test) = (images(&paths[0])?, images(&paths[2])?);
    if train.side != test.side {
        let reason = format!("images of {:?}, those of the training part are {:?}", test.side, train.side);
        return Err(format(&paths[2], reason));
    }
    let mut y = labels(&paths[1])?;
    let n_train = y.len();
    y.extend(labels(&paths[3])?);
    let pixels: Vec<f32> =
        train.pixels.iter().chain(&test.pixels).map(|byte| f32::from(*byte) / 255.0).collect();
    let [height, width] = train.side;
    let n = pixels.len() / (height * width);
    let x = Array2::from_shape_vec((n, height * width), pixels).expect("every image was counted");
    let n_rows = y.len();
    let classes = (0..10).map(|class| class.to_string()).collect();
    let data = Dataset::new(name, Domain::Image, &[1, height, width], x, y, classes, name)?;
    let preparation = Preparation::Images { channels: 1, height, width, divided_by: 255.0, resampling: None };
    Ok(data.with_official_test(n_train..n_rows).prepared(Some(preparation)))
}

struct Images {
    side: [usize; 2],
    pixels: Vec<u8>,
}

fn images(path: &Path) -> Result<Images, DatasetError> {
    let bytes = read(path)?;
    let (sizes, pixels) = head::<3>(&bytes, 0x0803, path)?;
    let [n, height, width] = sizes;
    if n * height * width != pixels.len() || pixels.is_empty() {
        let reason = format!("{n} images of {height} x {width} do not make {} bytes", pixels.len());
        return Err(format(path, reason));
    }
    Ok(Images { side: [height, width], pixels: pixels.to_vec() })
}

fn labels(path: &Path) -> Result<Vec<usize>, DatasetError> {
    let bytes = read(path)?;
    let ([n], labels) = head::<1>(&bytes, 0x0801, path)?;
    if n != labels.len() {
        return Err(format(path, format!("{n} labels do not make {} bytes", labels.len())));
    }
    Ok(labels.iter().map(|label| usize::from(*label)).collect())
}

/// The magic number, then the size of each dimension, all big endian.
fn head<'a, const D: usize>(
    bytes: &'a [u8],
    magic: u32,
    path: &Path,
) -> Result<([usize; D], &'a [u8]), DatasetError> {
    let word = |at: usize| {
        let word = bytes.get(4 * at..4 * at + 4).and_then(|word| word.try_into().ok());
        word.map(u32::from_be_bytes)
            .ok_or_else(|| format(path, format!("its head is cut at {} bytes", bytes.len())))
    };
    let found = word(0)?;
    if found != magic {
        return Err(format(path, format!("its magic number is 0x{found:08x}, not 0x{magic:08x}")));
    }
    let mut sizes = [0; D];
    for (at, size) in sizes.iter_mut().enumerate() {
        *size = word(at + 1)? as usize;
    }
    Ok((sizes, &bytes[4 * (D + 1)..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idx(magic: u32, sizes: &[u32], data: &[u8]) -> Vec<u8> {
        let words = std::iter::once(magic).chain(sizes.iter().copied());
        words.flat_map(u32::to_be_bytes).chain(data.iter().copied()).collect()
    }

    fn folder(train_images: &[u8]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
        put("train-images-idx3-ubyte", train_images);
        put("train-labels-idx1-ubyte", &idx(0x0801, &[2], &[3, 9]));
        put("t10k-images-idx3-ubyte", &idx(0x0803, &[1, 1, 2], &[0, 51]));
        put("t10k-labels-idx1-ubyte", &idx(0x0801, &[1], &[1]));
        dir
    }

    #[test]
    fn four_files_make_a_data_set() {
        let dir = folder(&idx(0x0803, &[2, 1, 2], &[0, 255, 255, 0]));
        let data = load("mnist", dir.path(), false).unwrap();
        assert_eq!((data.n(), data.shape(), data.y()), (3, &[1, 1, 2][..], &[3, 9, 1][..]));
        assert_eq!(data.x()[[2, 1]], 0.2);
        assert_eq!(data.official_test(), Some(&[2][..]));
    }

    #[test]
    fn refusals_name_file_and_numbers() {
        let why = |bytes: &[u8]| load("mnist", folder(bytes).path(), false).unwrap_err().to_string();
        assert!(
            why(&idx(0x0803, &[2, 1, 2], &[0, 1, 2]))
                .ends_with("idx3-ubyte: 2 images of 1 x 2 do not make 3 bytes")
        );
        assert!(
            why(&idx(0x0801, &[2, 1, 2], &[0; 4]))
                .ends_with("its magic number is 0x00000801, not 0x00000803")
        );
        assert!(why(&[0, 0, 8, 3, 0]).ends_with("its head is cut at 5 bytes"));
        let empty = tempfile::tempdir().unwrap();
        let error = load("fashion-mnist", empty.path(), false).unwrap_err().to_string();
        assert!(error.contains("allow the download"), "{error}");
    }
}
