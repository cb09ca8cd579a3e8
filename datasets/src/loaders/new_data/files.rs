//! New images and sounds: one file, or a folder of files.

use std::ops::Range;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use rayon::prelude::*;

use super::{Examples, Found, Place, counted, other_kind};
use crate::DatasetError;
use crate::loaders::audio_folder::{SOUNDS, SoundForm, spoken_digits};
use crate::loaders::class_folders::{FileKind, files, folders, listed};
use crate::loaders::files::format;
use crate::loaders::image_folder::{self, Head, IMAGES};
use crate::loaders::path::of_folder;
use crate::loaders::wav::{WavHead, samples};

const WANTED_IMAGES: &str = "images: a PNG or JPEG file, or a folder of them";
const WANTED_SOUNDS: &str = "sounds: a WAV file, or a folder of them";
/// How many folders deep files are looked for: `test/<class>/<file>`.
const DEPTH: usize = 2;

/// Files that are read when they are asked for.
pub(super) struct Files {
    paths: Vec<PathBuf>,
    form: Form,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} files", self.paths.len())
    }
}

/// What becomes of a file.
enum Form {
    Image { shape: [usize; 3], divided_by: f64 },
    Sound(SoundForm),
}

/// Opens images for a network that takes them in this shape, pixels divided by this.
pub(super) fn images(
    path: &Path,
    shape: [usize; 3],
    divided_by: f64,
    were_of_one_size: bool,
) -> Result<Found, DatasetError> {
    let listing = Listing::read(path, &IMAGES, WANTED_IMAGES)?;
    let note = look_at(&listing.paths, shape, were_of_one_size)?;
    let mut found = listing.found(Form::Image { shape, divided_by });
    found.notes.extend(note);
    Ok(found)
}

/// Opens sounds for a network that takes them in this form.
pub(super) fn sounds(path: &Path, form: SoundForm, classes: &[String]) -> Result<Found, DatasetError> {
    let mut listing = Listing::read(path, &SOUNDS, WANTED_SOUNDS)?;
    if path.is_dir() {
        listing.name_spoken_digits(classes);
    }
    let note = listen_to(&listing.paths, form.rate)?;
    let mut found = listing.found(Form::Sound(form));
    found.notes.extend(note);
    Ok(found)
}

/// Files with their names from the opened folder on, and the folders they are in.
#[derive(Default)]
struct Listing {
    paths: Vec<PathBuf>,
    names: Vec<String>,
    labels: Vec<Option<String>>,
    notes: Vec<String>,
}

impl Listing {
    fn read(path: &Path, kind: &FileKind, wanted: &'static str) -> Result<Self, DatasetError> {
        let mut listing = Listing::default();
        if path.is_dir() {
            listing.add(path, "", kind, DEPTH)?;
            return if listing.paths.is_empty() { Err(nothing(path, kind, wanted)) } else { Ok(listing) };
        }
        refuse_others(path, kind, wanted)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        listing.push(path.to_owned(), name, None);
        Ok(listing)
    }

    fn found(self, form: Form) -> Found {
        Found {
            places: self.names.into_iter().map(Place::File).collect(),
            labels: self.labels,
            notes: self.notes,
            examples: Examples::Files(Files { paths: self.paths, form }),
        }
    }

    fn push(&mut self, path: PathBuf, name: String, label: Option<&str>) {
        self.paths.push(path);
        self.names.push(name);
        self.labels.push(label.map(str::to_owned));
    }

    /// Adds the files of a folder by name, then those of the folders in it.
    fn add(&mut self, dir: &Path, within: &str, kind: &FileKind, depth: usize) -> Result<(), DatasetError> {
        let label = within.trim_end_matches('/').rsplit('/').next().filter(|label| !label.is_empty());
        for path in files(dir, kind)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.push(path, format!("{within}{name}"), label);
        }
        let folders = folders(dir)?;
        if depth == 0 && !folders.is_empty() {
            let names: Vec<String> = folders.into_iter().map(|(name, _)| name).collect();
            self.notes.push(format!("folders in {within:?} are not read: {}", listed(&names)));
            return Ok(());
        }
        for (name, folder) in folders {
            self.add(&folder, &format!("{within}{name}/"), kind, depth.saturating_sub(1))?;
        }
        Ok(())
    }

    /// Takes labels from names as the free spoken digits have them, where those of all files are classes.
    fn name_spoken_digits(&mut self, classes: &[String]) {
        let is_class = |label: &&String| classes.contains(label);
        if self.labels.iter().flatten().any(|label| is_class(&label)) {
            return;
        }
        let Ok(read) = spoken_digits(self.paths.clone()) else { return };
        if read.classes.iter().all(|class| is_class(&class)) {
            self.labels = read.files.iter().map(|file| Some(read.classes[file.class].clone())).collect();
            self.notes.push("the classes are what the names of the files begin with".into());
        }
    }
}

/// Why nothing is found in a folder.
fn nothing(dir: &Path, kind: &FileKind, wanted: &'static str) -> DatasetError {
    match of_folder(dir) {
        Ok((form, _)) => {
            let place = dir.display().to_string();
            DatasetError::OtherKind { place, found: form.described(), wanted }
        }
        Err(_) => format(dir, format!("it has no {} file, nor have the folders in it", kind.what)),
    }
}

/// Refuses a file that is told by its ending to be of another kind; what one without a known ending holds will show.
fn refuse_others(path: &Path, kind: &FileKind, wanted: &'static str) -> Result<(), DatasetError> {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let is_of = |kind: &FileKind| kind.endings.contains(&&*ending) || kind.unreadable.contains(&&*ending);
    let is_table = ["csv", "gz", "parquet", "pq", "tsv", "ts"].contains(&&*ending);
    let is_other = is_table || [&IMAGES, &SOUNDS].into_iter().any(is_of);
    if is_other && !is_of(kind) { Err(other_kind(path, wanted)) } else { Ok(()) }
}

impl Files {
    /// The examples of some of the files.
    pub(super) fn read(&self, rows: Range<usize>) -> Result<Array2<f32>, DatasetError> {
        let paths = &self.paths[rows];
        let size = self.form.size();
        let mut values = vec![0.0_f32; paths.len() * size];
        let fill = |(values, path): (&mut [f32], &PathBuf)| self.form.fill(path, values);
        // All of them, so that the first bad file is named whichever thread met one first.
        let done: Vec<Result<(), DatasetError>> =
            values.par_chunks_mut(size).zip(paths.par_iter()).map(fill).collect();
        done.into_iter().collect::<Result<(), _>>()?;
        Ok(Array2::from_shape_vec((paths.len(), size), values).expect("every file has its values"))
    }
}

/// What is read of each file; the first bad one is named, whichever thread met one first.
fn all_of<T: Send>(
    paths: &[PathBuf],
    read: fn(&Path) -> Result<T, DatasetError>,
) -> Result<Vec<T>, DatasetError> {
    let each: Vec<Result<T, DatasetError>> = paths.par_iter().map(|path| read(path)).collect();
    each.into_iter().collect()
}

/// Reads the heads of all images, so that what is none is found before the first is predicted; says how many are stretched where
/// none was in training.
fn look_at(
    paths: &[PathBuf],
    [_, height, width]: [usize; 3],
    were_of_one_size: bool,
) -> Result<Option<String>, DatasetError> {
    let heads = all_of(paths, Head::read)?;
    let others = heads.iter().filter(|head| head.size != [height, width]).count();
    Ok((were_of_one_size && others > 0).then(|| {
        format!(
            "{} of another size, stretched to {width} x {height} pixels, which all had in training",
            counted(others, "image")
        )
    }))
}

/// Reads the heads of all sounds, so that what is none is found before the first is predicted; says how many lack what a sound of the
/// training's rate has.
fn listen_to(paths: &[PathBuf], rate: u32) -> Result<Option<String>, DatasetError> {
    let heads = all_of(paths, WavHead::read)?;
    let lower: Vec<u32> = heads.iter().map(|head| head.rate).filter(|own| *own < rate).collect();
    Ok(lower.iter().min().map(|least| {
        let n = counted(lower.len(), "sound");
        format!("{n} of a lower rate than the training's {rate} Hz (down to {least} Hz): what lies above half their own rate is missing")
    }))
}

impl Form {
    /// Values of an example.
    fn size(&self) -> usize {
        match self {
            Form::Image { shape, .. } => shape.iter().product(),
            Form::Sound(SoundForm { log_mel: Some(log_mel), .. }) => log_mel.size(),
            Form::Sound(SoundForm { length, .. }) => *length,
        }
    }

    fn fill(&self, path: &Path, values: &mut [f32]) -> Result<(), DatasetError> {
        match self {
            Form::Image { shape, divided_by } => {
                image_folder::read(path, values, *shape, *divided_by)?;
                match values.iter().find(|value| **value > 1.0) {
                    Some(value) => {
                        let pixel = f64::from(*value) * divided_by;
                        let reason = format!(
                            "a pixel is {pixel:.0}; those of the training were from 0 to {divided_by}"
                        );
                        Err(format(path, reason))
                    }
                    None => Ok(()),
                }
            }
            Form::Sound(form) => {
                let head = WavHead::read(path)?;
                values.copy_from_slice(&form.example(&samples(path)?, head.rate));
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use image::{GrayImage, Luma};

    use super::*;
    use crate::Preparation;
    use crate::loaders::wav::tests::{tone, write};
    use crate::loaders::{
        AudioFeatures, AudioFolderOptions, ImageFolderOptions, NewData, audio_folder, image_folder,
    };

    fn save(dir: &Path, path: &str, side: u32, value: u8) {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        GrayImage::from_fn(side, side, |x, _| Luma([value.wrapping_add(x as u8)])).save(path).unwrap();
    }

    fn classes() -> Vec<String> {
        vec!["cat".into(), "dog".into()]
    }

    fn open_images(path: &Path, divided_by: f64) -> Result<NewData, DatasetError> {
        let resampling = (divided_by == 255.0).then(|| "bilinear".to_owned());
        let eight = Preparation::Images { channels: 1, height: 8, width: 8, divided_by, resampling };
        NewData::open(path, &eight, &classes(), None)
    }

    fn names(data: &NewData) -> Vec<String> {
        data.places().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_images_of_the_training_become_its_examples_with_and_without_classes() {
        let dir = tempfile::tempdir().unwrap();
        let pets = dir.path().join("pets");
        for (path, side, value) in [("cat/2.png", 20, 9), ("cat/1.png", 8, 70), ("dog/1.png", 31, 200)] {
            save(&pets, path, side, value);
            save(&dir.path().join("flat"), &path.replace('/', "-"), side, value);
        }
        let options = ImageFolderOptions { side: Some(8), channels: None };
        let trained = image_folder(&pets, "pets", &options).unwrap();
        let data = NewData::open(&pets, trained.preparation().unwrap(), trained.classes(), None).unwrap();
        assert_eq!(names(&data), ["cat/1.png", "cat/2.png", "dog/1.png"]);
        assert_eq!(data.labels(), [Some("cat".to_owned()), Some("cat".into()), Some("dog".into())]);
        assert_eq!(data.examples(0..3).unwrap(), trained.x());
        assert_eq!(data.examples(1..2).unwrap().row(0), trained.x().row(1));
        let flat = open_images(&dir.path().join("flat"), 255.0).unwrap();
        assert_eq!(names(&flat), ["cat-1.png", "cat-2.png", "dog-1.png"]);
        assert_eq!((flat.labels(), flat.notes().len()), (&[None, None, None][..], 0));
        assert_eq!(flat.examples(0..3).unwrap(), trained.x());
        let single = open_images(&pets.join("dog/1.png"), 255.0).unwrap();
        assert_eq!((names(&single), single.labels()), (vec!["1.png".to_owned()], &[None][..]));
        assert_eq!(single.examples(0..1).unwrap().row(0), trained.x().row(2));
    }

    #[test]
    fn parts_above_classes_and_folders_that_are_no_classes() {
        let dir = tempfile::tempdir().unwrap();
        save(dir.path(), "test/cat/1.png", 8, 1);
        save(dir.path(), "test/cat/deep/1.png", 8, 1);
        save(dir.path(), "test/wolf/1.png", 8, 1);
        save(dir.path(), "0.png", 8, 1);
        let data = open_images(dir.path(), 255.0).unwrap();
        assert_eq!(names(&data), ["0.png", "test/cat/1.png", "test/wolf/1.png"]);
        assert_eq!(data.labels(), [None, Some("cat".to_owned()), Some("wolf".into())]);
        assert!(data.notes()[0].contains("\"test/cat/\" are not read: deep"), "{:?}", data.notes());
        let data = open_images(&dir.path().join("test/wolf"), 255.0).unwrap();
        assert_eq!(data.labels(), [None]);
    }

    #[test]
    fn refusals_name_the_file() {
        let dir = tempfile::tempdir().unwrap();
        save(dir.path(), "a/1.png", 8, 200);
        fs::write(dir.path().join("a/2.png"), "no image").unwrap();
        let why =
            |path: &str, divided_by| open_images(&dir.path().join(path), divided_by).unwrap_err().to_string();
        assert!(
            why("a", 255.0).contains("a/2.png: it is no readable PNG or JPEG image"),
            "{}",
            why("a", 255.0)
        );
        assert!(why("nowhere", 255.0).starts_with("cannot open"));
        let pixels = open_images(&dir.path().join("a/1.png"), 16.0).unwrap();
        let error = pixels.examples(0..1).unwrap_err().to_string();
        assert!(error.ends_with("a pixel is 200; those of the training were from 0 to 16"), "{error}");
        save(dir.path(), "a/1.png", 4, 10);
        let said = open_images(&dir.path().join("a/1.png"), 16.0).unwrap().notes().to_vec();
        assert_eq!(said, ["1 image of another size, stretched to 8 x 8 pixels, which all had in training"]);
        fs::create_dir(dir.path().join("empty")).unwrap();
        assert!(
            why("empty", 255.0).ends_with("empty: it has no PNG or JPEG file, nor have the folders in it")
        );
        fs::write(dir.path().join("a/3.gif"), "").unwrap();
        assert!(why("a", 255.0).contains("3.gif"));
        write(&dir.path().join("s/1.wav"), 8_000, &tone(440.0, 8_000, 99));
        assert!(why("s", 255.0).ends_with(
            "s is a folder of sounds; the network takes images: a PNG or JPEG file, or a folder of them"
        ));
        assert!(why("s/1.wav", 255.0).contains("s/1.wav is a sound; the network takes images"));
        fs::write(dir.path().join("t.csv"), "a\n1\n").unwrap();
        assert!(why("t.csv", 255.0).contains("t.csv is a table; the network"));
    }

    #[test]
    fn sounds_of_another_rate_and_length_are_brought_to_those_of_the_training() {
        let dir = tempfile::tempdir().unwrap();
        let digits = dir.path().join("digits/recordings");
        fs::create_dir_all(&digits).unwrap();
        for (name, hertz, n) in [("cat_a_0", 440.0, 900), ("cat_b_9", 500.0, 500), ("dog_a_7", 880.0, 700)] {
            write(&digits.join(format!("{name}.wav")), 8_000, &tone(hertz, 8_000, n));
        }
        for features in [AudioFeatures::Raw, AudioFeatures::LogMel { mels: 8, frames: 10 }] {
            let options = AudioFolderOptions { rate: Some(4_000), length: None, features };
            let trained = audio_folder(&dir.path().join("digits"), "digits", &options).unwrap();
            let open = |path: &Path| {
                NewData::open(path, trained.preparation().unwrap(), trained.classes(), None).unwrap()
            };
            let data = open(&digits);
            assert_eq!(data.examples(0..3).unwrap(), trained.x());
            let labels: Vec<&str> = data.labels().iter().map(|label| label.as_deref().unwrap()).collect();
            assert_eq!(labels, ["cat", "cat", "dog"]);
            assert_eq!(data.notes(), ["the classes are what the names of the files begin with"]);
            let single = open(&digits.join("dog_a_7.wav"));
            assert_eq!((single.labels(), single.notes().len()), (&[None][..], 0));
            assert_eq!(single.examples(0..1).unwrap().row(0), trained.x().row(2));
            write(&dir.path().join("low.wav"), 1, &tone(440.0, 8_000, 9_000));
            let low = open(&dir.path().join("low.wav"));
            assert_eq!(
                low.notes(),
                [
                    "1 sound of a lower rate than the training's 4000 Hz (down to 1 Hz): what lies above half their own rate is missing"
                ]
            );
            assert!(low.examples(0..1).unwrap().iter().all(|value| value.is_finite()));
        }
        let file = dir.path().join("0.wav");
        fs::write(&file, "no sound").unwrap();
        let raw = Preparation::Sounds { rate: 8_000, length: 9, log_mel: None };
        let error = NewData::open(&file, &raw, &classes(), None).unwrap_err().to_string();
        assert!(error.contains("0.wav: it is no readable WAV file"), "{error}");
    }
}
