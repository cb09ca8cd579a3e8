//! A folder of WAV files: class folders, the Speech Commands layout, or that of the free spoken digits.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use heirloom_kb::Domain;
use ndarray::Array2;
use rayon::prelude::*;

use super::class_folders::{ClassFile, ClassFolders, FileKind, Part, files};
use super::files::{format, io};
use super::log_mel::LogMel;
use super::wav::{WavHead, resample, resampled_length, samples};
use crate::row_traces::mark_of;
use crate::{Dataset, DatasetError, Preparation};

pub(super) const SOUNDS: FileKind =
    FileKind { what: "WAV", endings: &["wav"], unreadable: &["mp3", "flac", "ogg", "m4a", "aac", "opus"] };

/// Where the free spoken digits keep their files.
const RECORDINGS: &str = "recordings";
/// Their recordings with a lower number are the test part.
const FIRST_TRAINING_NUMBER: u32 = 5;
/// The share of sounds that are not cut.
const UNCUT_FRAC: f64 = 0.95;

/// What a network is given of a sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudioFeatures {
    /// Logarithms of the power in bands on the mel scale over time: `[1, mels, frames]`.
    LogMel {
        /// Bands.
        mels: usize,
        /// Frames, spread evenly over the length.
        frames: usize,
    },
    /// The samples themselves: `[1, length]`.
    Raw,
}

impl Default for AudioFeatures {
    fn default() -> Self {
        AudioFeatures::LogMel { mels: 40, frames: 64 }
    }
}

/// How sounds of any length become examples of one shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AudioFolderOptions {
    /// Samples a second that all sounds are brought to; unless given, they must all have the same.
    pub rate: Option<u32>,
    /// Samples that all sounds are cut to or filled up to with silence; unless given, so many that 95 % are not cut.
    pub length: Option<usize>,
    /// What a network is given.
    pub features: AudioFeatures,
}

/// Loads a folder with WAV files, in one of three layouts:
/// - `<class>/<file>.wav`, or with `train/` and `test/` (`validation/`) above the classes;
/// - the same with `testing_list.txt` and `validation_list.txt` that name files of the official parts, as Speech Commands has
///   it; `_background_noise_` is no class;
/// - `recordings/<class>_<speaker>_<number>.wav`, as the free spoken digits have it, where the numbers 0 to 4 are the
///   official test part.
///
/// Channels are averaged.
///
/// # Shapes
/// An example is `[1, mels, frames]` or `[1, length]`.
///
/// # Errors
/// [`DatasetError::Format`] for a folder without WAV files, one that cannot be read and one of another rate than the others,
/// each by its name; [`DatasetError::BadOption`], [`DatasetError::Io`].
///
/// *Sources*: Warden, "Speech Commands", arXiv:1804.03209; Jackson et al., "Free Spoken Digit Dataset".
pub fn audio_folder(dir: &Path, name: &str, options: &AudioFolderOptions) -> Result<Dataset, DatasetError> {
    check(dir, options)?;
    let sounds = layout(dir)?;
    let heads: Vec<Result<WavHead, DatasetError>> =
        sounds.files.par_iter().map(|file| WavHead::read(&file.path)).collect();
    let heads: Vec<WavHead> = heads.into_iter().collect::<Result<_, _>>()?;
    let rate = match options.rate {
        Some(rate) => rate,
        None => common_rate(&sounds, &heads)?,
    };
    let length = options.length.unwrap_or_else(|| usual_length(&heads, rate));
    let (shape, log_mel) = match options.features {
        AudioFeatures::LogMel { mels, frames } => {
            (vec![1, mels, frames], Some(LogMel::new(rate, length, mels, frames)))
        }
        AudioFeatures::Raw => (vec![1, length], None),
    };
    let size: usize = shape.iter().product();
    let form = SoundForm { rate, length, log_mel };
    let mut values = vec![0.0_f32; sounds.files.len() * size];
    let fill = |(values, (file, head)): (&mut [f32], (&ClassFile, &WavHead))| {
        let sound = samples(&file.path)?;
        let mark = mark_of(&sound.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<u8>>());
        values.copy_from_slice(&form.example(&sound, head.rate));
        Ok(mark)
    };
    // All of them, so that the first bad file is named whichever thread met one first.
    let marks: Vec<Result<u32, DatasetError>> =
        values.par_chunks_mut(size).zip(sounds.files.par_iter().zip(&heads)).map(fill).collect();
    let marks: Vec<u32> = marks.into_iter().collect::<Result<_, _>>()?;
    let x = Array2::from_shape_vec((heads.len(), size), values).expect("every sound has its values");
    let source = format!("folder {name:?} of sounds at {rate} Hz");
    let data = Dataset::new(name, Domain::Audio, &shape, x, sounds.y(), sounds.classes.clone(), &source)?;
    let log_mel = form.log_mel.as_ref().map(LogMel::settings);
    let data = data.prepared(Some(Preparation::Sounds { rate, length, log_mel }));
    Ok(sounds.with_parts(data.with_raw_marks(Some(marks))))
}

/// What all sounds are brought to.
pub(super) struct SoundForm {
    pub(super) rate: u32,
    pub(super) length: usize,
    /// The pictures that are made of them, or the samples are the example.
    pub(super) log_mel: Option<LogMel>,
}

impl SoundForm {
    /// The example that becomes of the samples of a sound at its own rate.
    pub(super) fn example(&self, samples: &[f32], rate: u32) -> Vec<f32> {
        let mut sound = resample(samples, rate, self.rate, self.length);
        sound.resize(self.length, 0.0);
        match &self.log_mel {
            Some(log_mel) => log_mel.apply(&sound),
            None => sound,
        }
    }
}

fn check(dir: &Path, options: &AudioFolderOptions) -> Result<(), DatasetError> {
    let bad = |option, reason: String| {
        Err(DatasetError::BadOption { option, file: dir.display().to_string(), reason })
    };
    if let Some(rate) = options.rate.filter(|rate| !(1_000..=192_000).contains(rate)) {
        return bad("rate", format!("{rate} Hz is not from 1000 to 192000"));
    }
    if options.length == Some(0) {
        return bad("length", "a sound needs a sample".into());
    }
    match options.features {
        AudioFeatures::LogMel { mels, frames }
            if !(1..=256).contains(&mels) || !(1..=4_096).contains(&frames) =>
        {
            bad("features", format!("{mels} bands and {frames} frames are not from 1 to 256 and 1 to 4096"))
        }
        _ => Ok(()),
    }
}

/// The files of whichever layout the folder has.
fn layout(dir: &Path) -> Result<ClassFolders, DatasetError> {
    for folder in [dir.to_owned(), dir.join(RECORDINGS)] {
        if folder.is_dir() {
            let paths = files(&folder, &SOUNDS)?;
            if !paths.is_empty() {
                return spoken_digits(paths);
            }
        }
    }
    let mut sounds = ClassFolders::read(dir, &SOUNDS)?;
    for (list, part) in [("validation_list.txt", Part::Validation), ("testing_list.txt", Part::Test)] {
        let list = dir.join(list);
        if list.is_file() {
            set_aside(&mut sounds, dir, &list, part)?;
        }
    }
    Ok(sounds)
}

/// Files called `<class>_<speaker>_<number>.wav`.
pub(super) fn spoken_digits(paths: Vec<PathBuf>) -> Result<ClassFolders, DatasetError> {
    let mut read = Vec::new();
    for path in paths {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let parts: Vec<&str> = stem.split('_').collect();
        let number = parts.last().and_then(|number| number.parse::<u32>().ok());
        let (Some(number), Some(class), true) = (number, parts.first(), parts.len() >= 3) else {
            let reason = "a name like <class>_<speaker>_<number>.wav was expected, or files in class folders";
            return Err(format(&path, reason.into()));
        };
        read.push((path, (*class).to_owned(), number));
    }
    let classes: BTreeSet<String> = read.iter().map(|(_, class, _)| class.clone()).collect();
    let classes: Vec<String> = classes.into_iter().collect();
    let file = |(path, class, number): (PathBuf, String, u32)| ClassFile {
        path,
        class: classes.binary_search(&class).expect("it was collected"),
        part: if number < FIRST_TRAINING_NUMBER { Part::Test } else { Part::Train },
    };
    Ok(ClassFolders { files: read.into_iter().map(file).collect(), classes, notes: Vec::new() })
}

/// Puts the files that a list names, `<class>/<file>` a line, into a part. Classes whose folder is not there are passed over.
fn set_aside(sounds: &mut ClassFolders, dir: &Path, list: &Path, part: Part) -> Result<(), DatasetError> {
    let text = std::fs::read_to_string(list).map_err(|source| io("read", list, source))?;
    let places: BTreeMap<PathBuf, usize> =
        sounds.files.iter().enumerate().map(|(at, file)| (file.path.clone(), at)).collect();
    for (line, name) in (1..).zip(text.lines().map(str::trim)).filter(|(_, name)| !name.is_empty()) {
        match places.get(&dir.join(name)) {
            Some(at) => sounds.files[*at].part = part,
            None => {
                let class = name.split('/').next().unwrap_or_default();
                if sounds.classes.iter().any(|known| known == class) {
                    return Err(format(list, format!("line {line}: there is no file {name:?}")));
                }
            }
        }
    }
    Ok(())
}

/// The rate that all files have.
fn common_rate(sounds: &ClassFolders, heads: &[WavHead]) -> Result<u32, DatasetError> {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    heads.iter().for_each(|head| *counts.entry(head.rate).or_default() += 1);
    let usual = counts.iter().max_by_key(|(_, count)| **count).map_or(0, |(rate, _)| *rate);
    match heads.iter().position(|head| head.rate != usual) {
        None => Ok(usual),
        Some(odd) => {
            let reason = format!(
                "it has {} Hz, {} of the {} files have {usual} Hz; give a rate to bring all to",
                heads[odd].rate,
                counts[&usual],
                heads.len()
            );
            Err(format(&sounds.files[odd].path, reason))
        }
    }
}

/// Samples within which 95 % of the sounds end.
fn usual_length(heads: &[WavHead], rate: u32) -> usize {
    let mut lengths: Vec<usize> =
        heads.iter().map(|head| resampled_length(head.length, head.rate, rate)).collect();
    lengths.sort_unstable();
    lengths[((lengths.len() as f64 * UNCUT_FRAC).ceil() as usize).clamp(1, lengths.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::super::wav::tests::{tone, write};
    use super::*;
    use crate::LogMelSettings;

    const RAW: AudioFolderOptions =
        AudioFolderOptions { rate: None, length: Some(100), features: AudioFeatures::Raw };

    fn put(dir: &Path, paths: &[&str]) {
        paths.iter().for_each(|path| write(&dir.join(path), 8_000, &tone(440.0, 8_000, 400)));
    }

    fn why(dir: &Path, options: AudioFolderOptions) -> String {
        audio_folder(dir, "mine", &options).unwrap_err().to_string()
    }

    #[test]
    fn class_folders_as_pictures_or_samples() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), &["high/1.wav", "low/1.wav"]);
        write(&dir.path().join("low/2.wav"), 8_000, &[0.5; 10]);
        let data = audio_folder(dir.path(), "mine", &AudioFolderOptions::default()).unwrap();
        assert_eq!(
            (data.domain(), data.shape(), data.y()),
            (Domain::Audio, &[1, 40, 64][..], &[0, 1, 1][..])
        );
        // 64 frames cover 400 samples, a window is the power of two that 25 ms fit in.
        let pictures = LogMelSettings { mels: 40, frames: 64, window: 256, hop: 7, floor: 1e-6 };
        let prepared = |length, log_mel| Some(Preparation::Sounds { rate: 8_000, length, log_mel });
        assert_eq!(data.preparation(), prepared(400, Some(pictures)).as_ref());
        let raw = audio_folder(dir.path(), "mine", &RAW).unwrap();
        assert_eq!(raw.preparation(), prepared(100, None).as_ref());
        assert_eq!(raw.shape(), [1, 100]);
        assert!((raw.x()[[2, 9]] - 0.5).abs() < 1e-4 && raw.x()[[2, 10]] == 0.0);
        assert!(raw.official_test().is_none());
    }

    #[test]
    fn speech_commands_name_their_parts_in_lists() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), &["_background_noise_/hum.wav", "no/a.wav", "no/b.wav", "yes/a.wav", "yes/b.wav"]);
        std::fs::write(dir.path().join("testing_list.txt"), "no/b.wav\nup/a.wav\n").unwrap();
        std::fs::write(dir.path().join("validation_list.txt"), "yes/a.wav\n").unwrap();
        let data = audio_folder(dir.path(), "mine", &RAW).unwrap();
        assert_eq!(data.classes(), ["no", "yes"]);
        assert_eq!((data.official_validation(), data.official_test()), (Some(&[2][..]), Some(&[1][..])));
        std::fs::write(dir.path().join("testing_list.txt"), "\nno/c.wav\n").unwrap();
        assert!(why(dir.path(), RAW).ends_with("testing_list.txt: line 2: there is no file \"no/c.wav\""));
    }

    #[test]
    fn spoken_digits_have_it_all_in_their_names() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), &["recordings/0_ann_4.wav", "recordings/0_ann_5.wav", "recordings/3_bob_12.wav"]);
        let data = audio_folder(dir.path(), "mine", &RAW).unwrap();
        assert_eq!((data.classes(), data.y()), (&["0".to_owned(), "3".into()][..], &[0, 0, 1][..]));
        assert_eq!(data.official_test(), Some(&[0][..]));
        put(dir.path(), &["recordings/noise.wav"]);
        assert!(
            why(dir.path(), RAW).contains("recordings/noise.wav: a name like <class>_<speaker>_<number>.wav")
        );
    }

    #[test]
    fn a_file_of_another_rate_is_named_unless_a_rate_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), &["a/1.wav", "a/2.wav"]);
        write(&dir.path().join("a/0.wav"), 16_000, &tone(440.0, 16_000, 800));
        let error = why(dir.path(), RAW);
        assert!(error.contains("a/0.wav: it has 16000 Hz, 2 of the 3 files have 8000 Hz"), "{error}");
        let data =
            audio_folder(dir.path(), "mine", &AudioFolderOptions { rate: Some(8_000), ..RAW }).unwrap();
        let gap = (data.x()[[0, 60]] - data.x()[[1, 60]]).abs();
        assert!(gap < 0.01, "{gap}");
        let higher =
            audio_folder(dir.path(), "mine", &AudioFolderOptions { rate: Some(11_025), ..RAW }).unwrap();
        assert_eq!(data.raw_mark(0), higher.raw_mark(0), "it is known again at another rate");
        assert_ne!(data.raw_mark(0), data.raw_mark(1));
        assert!(why(dir.path(), AudioFolderOptions { rate: Some(1), ..RAW }).contains("option \"rate\""));
        assert!(why(dir.path(), AudioFolderOptions { length: Some(0), ..RAW }).contains("option \"length\""));
        let features = AudioFeatures::LogMel { mels: 0, frames: 3 };
        assert!(why(dir.path(), AudioFolderOptions { features, ..RAW }).contains("0 bands and 3 frames"));
    }

    #[test]
    fn what_is_no_sound_is_named() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), &["a/1.wav", "b/1.wav"]);
        std::fs::write(dir.path().join("b/0.wav"), "text").unwrap();
        assert!(why(dir.path(), RAW).contains("b/0.wav: it is no readable WAV file"));
        std::fs::rename(dir.path().join("b/0.wav"), dir.path().join("b/0.mp3")).unwrap();
        assert!(why(dir.path(), RAW).contains("b/0.mp3: a WAV file was expected, not .mp3"));
        std::fs::remove_file(dir.path().join("b/0.mp3")).unwrap();
        std::fs::create_dir(dir.path().join("c")).unwrap();
        assert!(why(dir.path(), RAW).contains("/c: it has no WAV file"));
    }
}
