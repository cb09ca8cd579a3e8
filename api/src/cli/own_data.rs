//! Data of one's own, on the command line.

use std::path::{Path, PathBuf};

use heirloom_datasets::loaders::{AudioFeatures, PathOptions, open_path};
use heirloom_datasets::{Dataset, DatasetError};
use serde::{Deserialize, Serialize};

/// A file or folder with data, and how to read it.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize)]
pub(super) struct OwnDataArgs {
    /// Your own data: a folder of class folders with PNG, JPEG or WAV files (train/ and test/ may stand above them), a table
    /// (.csv, .csv.gz, .parquet) or time series (.ts, .tsv).
    #[arg(long, value_name = "PATH")]
    from: Option<PathBuf>,
    /// The column of a table with the class; unless given, the last one.
    #[arg(long, value_name = "COLUMN", requires = "from")]
    label: Option<String>,
    /// Pixels a side that all images are brought to; unless given, their common size up to 64, else 32.
    #[arg(long, value_name = "PIXELS", requires = "from")]
    side: Option<usize>,
    /// Samples a second that all sounds are brought to; unless given, they must have the same.
    #[arg(long, value_name = "HZ", requires = "from")]
    rate: Option<u32>,
    /// What is made of sounds: log-mel (the default) or raw samples.
    #[arg(long, value_parser = ["log-mel", "raw"], requires = "from")]
    features: Option<String>,
}

impl OwnDataArgs {
    /// The data, if a path is given, under a name or that of the path.
    pub(super) fn open(&self, name: Option<&str>) -> Result<Option<Dataset>, DatasetError> {
        self.from.as_deref().map(|path| self.open_at(path, name)).transpose()
    }

    /// The data in the part of the path that is called so, under that name: the alphabets of a folder of alphabets.
    pub(super) fn open_part(&self, name: &str) -> Result<Option<Dataset>, DatasetError> {
        self.from.as_deref().map(|path| self.open_at(&path.join(name), Some(name))).transpose()
    }

    fn open_at(&self, path: &Path, name: Option<&str>) -> Result<Dataset, DatasetError> {
        let options = PathOptions {
            name: name.map(str::to_owned),
            label: self.label.clone(),
            side: self.side,
            rate: self.rate,
            features: self.features.as_deref().map(|features| match features {
                "raw" => AudioFeatures::Raw,
                _ => AudioFeatures::default(),
            }),
        };
        open_path(path, &options)
    }
}
