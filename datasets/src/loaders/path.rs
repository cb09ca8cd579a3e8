//! Data of one's own: a file or a folder, whose format is guessed.

use std::path::{Path, PathBuf};

use super::audio_folder::{AudioFeatures, AudioFolderOptions, SOUNDS, audio_folder};
use super::class_folders::{FileKind, entries, folders};
use super::csv_table::csv_table;
use super::files::{format, io};
use super::image_folder::{IMAGES, ImageFolderOptions, image_folder};
use super::parquet_table::parquet_table;
use super::table::TableOptions;
use super::time_series::{time_series, value};
use crate::{Dataset, DatasetError};

/// How deep in a folder its files are looked for: `train/<class>/<file>`.
const DEPTH: usize = 3;
/// The formats, for a message.
const FORMATS: &str =
    "a folder of class folders with PNG, JPEG or WAV files, a .csv (.csv.gz), .parquet, .ts or .tsv file";

/// What is to be done with data of one's own. An option that does not apply to the format is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathOptions {
    /// The data set's name; unless given, that of the file or folder.
    pub name: Option<String>,
    /// Of a table: see [`TableOptions::label`].
    pub label: Option<String>,
    /// Of images: see [`ImageFolderOptions::side`].
    pub side: Option<usize>,
    /// Of sounds: see [`AudioFolderOptions::rate`].
    pub rate: Option<u32>,
    /// Of sounds: see [`AudioFolderOptions::features`].
    pub features: Option<AudioFeatures>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Images,
    Sounds,
    Csv,
    Parquet,
    Series,
}

/// Loads data of one's own. The format is guessed: of a file from its ending, of a folder from what is in it. A `.tsv` file
/// is one of time series if its first line is all numbers, else a table.
///
/// # Errors
/// [`DatasetError::Format`] where no format can be told, [`DatasetError::BadOption`], [`DatasetError::OneClass`], and what the loader of the format
/// reports: [`image_folder`], [`audio_folder`], [`csv_table`], [`parquet_table`], [`time_series`].
pub fn open_path(path: &Path, options: &PathOptions) -> Result<Dataset, DatasetError> {
    let (form, path) = if path.is_dir() { of_folder(path)? } else { (of_file(path)?, path.to_owned()) };
    refuse_idle(form, &path, options)?;
    let name = options.name.clone().unwrap_or_else(|| name(&path));
    let table = || TableOptions { label: options.label.clone() };
    let data = match form {
        Format::Images => {
            image_folder(&path, &name, &ImageFolderOptions { side: options.side, channels: None })
        }
        Format::Sounds => {
            let features = options.features.unwrap_or_default();
            audio_folder(&path, &name, &AudioFolderOptions { rate: options.rate, length: None, features })
        }
        Format::Csv => csv_table(&path, &name, &table()),
        Format::Parquet => parquet_table(&path, &name, &table()),
        Format::Series => time_series(&path, &name),
    };
    data?.of_several_classes()
}

/// Refuses options that the format has no use for.
fn refuse_idle(form: Format, path: &Path, options: &PathOptions) -> Result<(), DatasetError> {
    let is_table = matches!(form, Format::Csv | Format::Parquet);
    let idle = [
        ("label", options.label.is_some() && !is_table, "a table"),
        ("side", options.side.is_some() && form != Format::Images, "a folder of images"),
        ("rate", options.rate.is_some() && form != Format::Sounds, "a folder of sounds"),
        ("features", options.features.is_some() && form != Format::Sounds, "a folder of sounds"),
    ];
    match idle.into_iter().find(|(_, is_idle, _)| *is_idle) {
        None => Ok(()),
        Some((option, _, of)) => Err(DatasetError::BadOption {
            option,
            file: path.display().to_string(),
            reason: format!("it is for {of}, and this is read as {}", form.described()),
        }),
    }
}

impl Format {
    pub(super) fn described(self) -> &'static str {
        match self {
            Format::Images => "a folder of images",
            Format::Sounds => "a folder of sounds",
            Format::Csv | Format::Parquet => "a table",
            Format::Series => "time series",
        }
    }
}

/// The file's name without its endings, or the folder's.
fn name(path: &Path) -> String {
    // `..` and `.` have a name only when they are followed.
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = whole.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if whole.is_dir() {
        return name;
    }
    let stem = name.strip_suffix(".gz").unwrap_or(&name);
    let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
    stem.trim_end_matches("_TRAIN").trim_end_matches("_TEST").to_owned()
}

fn of_file(path: &Path) -> Result<Format, DatasetError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let ending = |name: &str| name.rsplit_once('.').map_or(String::new(), |(_, ending)| ending.to_owned());
    let packed = name.strip_suffix(".gz");
    match (ending(packed.unwrap_or(&name)).as_str(), packed.is_some()) {
        ("csv", _) => Ok(Format::Csv),
        ("parquet" | "pq", false) => Ok(Format::Parquet),
        ("ts", false) => Ok(Format::Series),
        ("tsv", false) => {
            let text = std::fs::read_to_string(path).map_err(|source| io("read", path, source))?;
            let mut cells = text.lines().next().unwrap_or_default().split('\t').skip(1).peekable();
            let is_series = cells.peek().is_some() && cells.all(|cell| value(cell.trim()).is_ok());
            Ok(if is_series { Format::Series } else { Format::Csv })
        }
        _ if !path.exists() => {
            let source = std::io::Error::from(std::io::ErrorKind::NotFound);
            Err(io("open", path, source))
        }
        _ => Err(format(path, format!("its format cannot be told from its ending; {FORMATS} was expected"))),
    }
}

/// What a folder holds, and the path to open: of time series the file.
pub(super) fn of_folder(dir: &Path) -> Result<(Format, PathBuf), DatasetError> {
    for ending in ["_train.ts", "_train.tsv"] {
        let of_series = |(name, _): &(String, PathBuf)| name.to_lowercase().ends_with(ending);
        let mut files: Vec<(String, PathBuf)> = entries(dir)?.into_iter().filter(of_series).collect();
        if files.len() > 1 {
            let reason = format!("there are {} files *_TRAIN in it; give one of them", files.len());
            return Err(format(dir, reason));
        }
        if let Some((_, file)) = files.pop() {
            return Ok((Format::Series, file));
        }
    }
    for (kind, form) in [(&IMAGES, Format::Images), (&SOUNDS, Format::Sounds)] {
        if holds(dir, kind, DEPTH)? {
            return Ok((form, dir.to_owned()));
        }
    }
    Err(format(dir, format!("its format cannot be told from what is in it; {FORMATS} was expected")))
}

/// Whether a folder has files of a kind, in itself or in the folders in it.
fn holds(dir: &Path, kind: &FileKind, depth: usize) -> Result<bool, DatasetError> {
    let is_of_kind = |(_, path): &(String, PathBuf)| {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let is_known = kind.endings.contains(&&*ending) || kind.unreadable.contains(&&*ending);
        is_known && path.is_file()
    };
    if entries(dir)?.iter().any(is_of_kind) {
        return Ok(true);
    }
    if depth > 1 {
        for (_, folder) in folders(dir)? {
            if holds(&folder, kind, depth - 1)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use heirloom_kb::Domain;

    use super::super::wav::tests::{tone, write};
    use super::*;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        for path in ["pets/cat/1.png", "pets/dog/1.png"] {
            image::GrayImage::new(4, 4).save(at(path)).unwrap();
        }
        write(&at("words/train/yes/1.wav"), 8_000, &tone(440.0, 8_000, 99));
        write(&at("words/train/no/1.wav"), 8_000, &tone(880.0, 8_000, 99));
        write(&at("one-word/yes/1.wav"), 8_000, &tone(440.0, 8_000, 99));
        image::GrayImage::new(4, 4).save(at("one-pet/cat/1.png")).unwrap();
        fs::write(at("one.csv"), "a,class\n1,cat\n2,cat\n").unwrap();
        fs::write(at("one.ts"), "@classLabel true cat dog\n@data\n1,2,3:cat\n2,3,4:cat\n").unwrap();
        write(&at("words/test/yes/1.wav"), 8_000, &tone(440.0, 8_000, 99));
        fs::write(at("table.csv"), "a,class\n1,x\n2,y\n").unwrap();
        fs::write(at("named.tsv"), "a\tclass\n1\tx\n2\ty\n").unwrap();
        fs::write(at("Ucr/Gun_TRAIN.tsv"), "1\t2\t3\n2\t2\t4\n").unwrap();
        fs::write(at("Ucr/Gun_TEST.tsv"), "1\t2\t3\n2\t2\t5\n").unwrap();
        fs::write(at("notes.txt"), "").unwrap();
        fs::create_dir(at("empty")).unwrap();
        dir
    }

    #[test]
    fn formats_are_guessed_and_named() {
        let dir = tree();
        let expected = [
            ("pets", "pets", Domain::Image, &[1, 4, 4][..]),
            ("words", "words", Domain::Audio, &[1, 40, 64]),
            ("table.csv", "table", Domain::Tabular, &[1]),
            ("named.tsv", "named", Domain::Tabular, &[1]),
            ("Ucr", "Gun", Domain::Timeseries, &[1, 2]),
            ("Ucr/Gun_TEST.tsv", "Gun", Domain::Timeseries, &[1, 2]),
        ];
        for (path, name, domain, shape) in expected {
            let data = open_path(&dir.path().join(path), &PathOptions::default()).unwrap();
            assert_eq!((data.name(), data.domain(), data.shape()), (name, domain, shape), "{path}");
            let options = PathOptions { name: Some("mine".into()), ..PathOptions::default() };
            assert_eq!(open_path(&dir.path().join(path), &options).unwrap().name(), "mine");
        }
    }

    #[test]
    fn options_reach_the_loader_or_are_refused() {
        let dir = tree();
        let open = |path: &str, options: PathOptions| {
            open_path(&dir.path().join(path), &options).map_err(|error| error.to_string())
        };
        let side = || PathOptions { side: Some(2), ..PathOptions::default() };
        let raw = || PathOptions { features: Some(AudioFeatures::Raw), ..PathOptions::default() };
        let rate = || PathOptions { rate: Some(4_000), ..PathOptions::default() };
        let label = || PathOptions { label: Some("a".into()), ..PathOptions::default() };
        assert_eq!(open("pets", side()).unwrap().shape(), [1, 2, 2]);
        assert_eq!(open("words", raw()).unwrap().shape(), [1, 99]);
        assert_eq!(
            open("words", PathOptions { ..rate() }).unwrap().source(),
            "folder \"words\" of sounds at 4000 Hz"
        );
        assert_eq!(open("table.csv", label()).unwrap().classes(), ["1", "2"]);
        let refused = [("table.csv", side()), ("pets", rate()), ("Ucr", raw()), ("words", label())];
        for (path, options) in refused {
            let error = open(path, options).unwrap_err();
            assert!(error.starts_with("option ") && error.contains("and this is read as"), "{error}");
        }
    }

    #[test]
    fn one_class_is_refused_whatever_the_format() {
        let dir = tree();
        for (path, class) in [("one-word", "yes"), ("one-pet", "cat"), ("one.csv", "cat"), ("one.ts", "cat")]
        {
            let error = open_path(&dir.path().join(path), &PathOptions::default()).unwrap_err();
            assert!(
                matches!(&error, DatasetError::OneClass { class: found, .. } if found == class),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_no_data_is_refused() {
        let dir = tree();
        let why =
            |path: &str| open_path(&dir.path().join(path), &PathOptions::default()).unwrap_err().to_string();
        assert!(why("notes.txt").contains("notes.txt: its format cannot be told from its ending"));
        assert!(why("empty").contains("empty: its format cannot be told from what is in it"));
        assert!(why("nowhere").starts_with("cannot open"));
        assert!(why("nowhere.csv").starts_with("cannot read"));
    }
}
