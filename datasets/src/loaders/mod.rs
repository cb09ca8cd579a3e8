//! Real data in their standard formats.

mod audio_folder;
mod cell;
mod cifar;
mod class_folders;
mod column;
mod csv_table;
mod download;
mod files;
mod idx;
mod image_folder;
mod log_mel;
mod new_data;
mod parquet_table;
mod path;
mod sklearn;
mod table;
mod time_series;
mod ts_file;
mod wav;

use std::path::Path;

use crate::{Dataset, DatasetError};

pub use audio_folder::{AudioFeatures, AudioFolderOptions, audio_folder};
pub use csv_table::csv_table;
pub use download::{Digest, RemoteFile, fetch};
pub use image_folder::{ImageFolderOptions, image_folder};
pub use new_data::{NewData, Place};
pub use parquet_table::parquet_table;
pub use path::{PathOptions, open_path};
pub use table::TableOptions;
pub use time_series::time_series;

/// The data sets by name, and how to get them.
const KNOWN: [(&str, Loader); 10] = [
    ("breast_cancer", sklearn::load),
    ("cifar10", cifar::load),
    ("cifar100", cifar::load),
    ("cifar100-coarse", cifar::load),
    ("digits", sklearn::load),
    ("digits-table", sklearn::load),
    ("fashion-mnist", idx::load),
    ("iris", sklearn::load),
    ("mnist", idx::load),
    ("wine", sklearn::load),
];

/// Loads a data set by name out of a folder; may download what is missing.
type Loader = fn(&str, &Path, bool) -> Result<Dataset, DatasetError>;

/// Loads a data set by name.
///
/// `digits`, `digits-table`, `wine`, `breast_cancer` and `iris` come out of a wheel of scikit-learn in the folder `dir`,
/// or of its unpacked `datasets/data`; `mnist` and `fashion-mnist` out of IDX files, `cifar10`, `cifar100` and `cifar100-coarse` (its
/// super-classes) out of the binary version, in `dir` or its subfolder of that name. With `download` the latter are fetched when missing.
///
/// # Errors
/// [`DatasetError::Unknown`], [`DatasetError::Missing`], [`DatasetError::Format`] and what a download can meet.
pub fn open(name: &str, dir: &Path, download: bool) -> Result<Dataset, DatasetError> {
    match KNOWN.iter().find(|(known, _)| *known == name) {
        Some((_, load)) => load(name, dir, download),
        None => Err(DatasetError::Unknown {
            name: name.to_owned(),
            known: names().collect::<Vec<_>>().join(", "),
        }),
    }
}

/// The names of the data sets.
pub fn names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|(name, _)| *name)
}
