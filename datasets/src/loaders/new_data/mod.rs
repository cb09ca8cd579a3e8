//! `NewData`: what a trained network is to be applied to, prepared as the examples that it was trained on.

mod files;
mod rows;
mod series;
mod texts;

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::ops::Range;
use std::path::Path;

use ndarray::{Array2, Axis};
use serde::Serialize;

use super::audio_folder::{SOUNDS, SoundForm};
use super::cell::is_missing;
use super::class_folders::{FileKind, listed};
use super::files::io;
use super::image_folder::IMAGES;
use super::log_mel::LogMel;
use crate::{DatasetError, Preparation};
use files::Files;
use texts::{MissingTexts, meant};

/// Where an example of new data stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Its row or series, from 1.
    Row(usize),
    /// Its file, from the folder on that was opened.
    File(String),
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Row(row) => row.fmt(f),
            Place::File(name) => name.fmt(f),
        }
    }
}

/// Examples that a trained network is to be applied to, with or without classes. What is made of them is what the network's
/// [`Preparation`] says, whatever else the new data hold: medians, words and sizes are those of the training.
#[derive(Debug)]
pub struct NewData {
    places: Vec<Place>,
    labels: Vec<Option<String>>,
    notes: Vec<String>,
    examples: Examples,
}

/// The values of examples, or where they are read from when they are asked for.
#[derive(Debug)]
enum Examples {
    Values(Array2<f32>),
    Files(Files),
}

/// What is found at a path, before it is known which labels are classes.
struct Found {
    places: Vec<Place>,
    /// The labels as they are written, one an example; `None` without any.
    labels: Vec<Option<String>>,
    notes: Vec<String>,
    examples: Examples,
}

impl NewData {
    /// Opens new data for a network with this preparation and these classes: of a table a `.csv` (`.csv.gz`), `.tsv` or `.parquet` file, of images
    /// and sounds one file or a folder with files, of time series a `.ts` or `.tsv` file.
    ///
    /// Columns of a table are found by their names, others are passed over; `label` names that with the class, unless it is called as it was in
    /// training, and a cell that is missing is a row without a class. Of files the class is the folder they are in, unless that is the
    /// one that is opened (or what their names say as the free spoken digits have it). Where no label at all is one of the classes, the data count as
    /// without labels.
    ///
    /// # Errors
    /// [`DatasetError::NoColumn`], [`DatasetError::OtherKind`], [`DatasetError::BadOption`], and [`DatasetError::Format`] with the file and the
    /// place for what cannot be read; [`DatasetError::Io`].
    pub fn open(
        path: &Path,
        preparation: &Preparation,
        classes: &[String],
        label: Option<&str>,
    ) -> Result<Self, DatasetError> {
        if !path.exists() {
            return Err(io("open", path, std::io::ErrorKind::NotFound.into()));
        }
        if let (Some(_), false) = (label, matches!(preparation, Preparation::Table { .. })) {
            let reason = "it is for a table, and the network takes none".into();
            let file = path.display().to_string();
            return Err(DatasetError::BadOption { option: "label", file, reason });
        }
        let found = match preparation {
            Preparation::Table { label: usual, features, missing, missing_among_numbers } => {
                let missing = MissingTexts::of(missing, missing_among_numbers);
                rows::open(path, features, &missing, (usual, label))?
            }
            &Preparation::Images { channels, height, width, divided_by, ref resampling } => {
                files::images(path, [channels, height, width], divided_by, resampling.is_none())?
            }
            Preparation::Sounds { rate, length, log_mel } => {
                let log_mel = log_mel.as_ref().map(|settings| LogMel::of_settings(*rate, settings));
                files::sounds(path, SoundForm { rate: *rate, length: *length, log_mel }, classes)?
            }
            Preparation::Series { channels, length } => series::open(path, [*channels, *length], classes)?,
        };
        Ok(found.labelled(classes))
    }

    /// The number of examples.
    #[must_use]
    pub fn n(&self) -> usize {
        self.places.len()
    }

    /// Where the examples stand, `(n,)`.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// What they are said to be, `(n,)`; a label may be none of the network's classes.
    #[must_use]
    pub fn labels(&self) -> &[Option<String>] {
        &self.labels
    }

    /// What is to be known of how they were read.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Some of the examples; those of files are read now.
    ///
    /// # Shapes
    /// `(rows, product of the shape of an example)`.
    ///
    /// # Errors
    /// [`DatasetError::Format`] for a file that cannot be read, by its name, [`DatasetError::Io`].
    pub fn examples(&self, rows: Range<usize>) -> Result<Array2<f32>, DatasetError> {
        match &self.examples {
            Examples::Values(values) => Ok(values.slice_axis(Axis(0), rows.into()).to_owned()),
            Examples::Files(files) => files.read(rows),
        }
    }
}

impl Found {
    /// The new data, their labels as the network calls its classes.
    fn labelled(mut self, classes: &[String]) -> NewData {
        let has_labels = self.labels.iter().any(Option::is_some);
        let labels: Vec<Option<String>> =
            self.labels.into_iter().map(|label| class_of(&label?, classes)).collect();
        let known = labels.iter().flatten().filter(|label| classes.contains(label)).count();
        let foreign: BTreeSet<&String> =
            labels.iter().flatten().filter(|label| !classes.contains(label)).collect();
        let foreign: Vec<String> = foreign.into_iter().map(|label| format!("{label:?}")).collect();
        let all = labels.iter().flatten().count();
        if all == 0 && has_labels {
            self.notes.push("all labels are missing, so that nothing is compared".into());
        }
        let is_foreign = known == 0 && all > 0;
        if is_foreign {
            self.notes.push(format!(
                "no label is a class of the network, so they are passed over: {}; its classes are {}",
                listed(&foreign),
                listed(classes)
            ));
        } else if !foreign.is_empty() {
            let (said, foreign) = (all - known, listed(&foreign));
            self.notes.push(match said {
                1 => {
                    format!("1 label is no class of the network, and counts as predicted wrongly: {foreign}")
                }
                n => format!(
                    "{n} labels are no classes of the network, and count as predicted wrongly: {foreign}"
                ),
            });
        }
        let n = self.places.len();
        let labels = if is_foreign { vec![None; n] } else { labels };
        NewData { places: self.places, labels, notes: self.notes, examples: self.examples }
    }
}

/// What a path is that is not what is wanted, by its ending.
fn other_kind(path: &Path, wanted: &'static str) -> DatasetError {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let ending = name.trim_end_matches(".gz").rsplit('.').next().unwrap_or_default().to_owned();
    let is_of = |kind: &FileKind| kind.endings.contains(&&*ending) || kind.unreadable.contains(&&*ending);
    let found = match ending.as_str() {
        _ if path.is_dir() => "a folder",
        "csv" | "parquet" | "pq" => "a table",
        "ts" => "of time series",
        _ if is_of(&IMAGES) => "an image",
        _ if is_of(&SOUNDS) => "a sound",
        _ => "of another format, by its ending",
    };
    DatasetError::OtherKind { place: path.display().to_string(), found, wanted }
}

/// A number of things.
fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// The class that a label means, if it is not missing: however numbers, and in which case words are written.
fn class_of(label: &str, classes: &[String]) -> Option<String> {
    let words: Vec<&str> = classes.iter().map(String::as_str).collect();
    if words.contains(&label) {
        return Some(label.to_owned());
    }
    (!is_missing(label)).then(|| meant(label, &words).unwrap_or(label).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(labels: &[&str]) -> NewData {
        let n = labels.len();
        let labels = labels.iter().map(|label| Some((*label).to_owned())).collect();
        let places = (1..=n).map(Place::Row).collect();
        let examples = Examples::Values(Array2::zeros((n, 2)));
        Found { places, labels, notes: Vec::new(), examples }.labelled(&["1".to_owned(), "none".into()])
    }

    #[test]
    fn labels_are_classes_however_they_are_written_or_missing_or_foreign() {
        let data = found(&["1.0", "None", "NA", "", "2", "one"]);
        let label = |text: &str| Some(text.to_owned());
        let expected = [label("1"), label("none"), None, None, label("2"), label("one")];
        assert_eq!(data.labels(), expected);
        let said = "2 labels are no classes of the network, and count as predicted wrongly: \"2\", \"one\"";
        assert_eq!(data.notes(), [said]);
    }

    #[test]
    fn data_of_which_no_label_is_a_class_have_none() {
        let data = found(&["batch1", "batch2", "batch2"]);
        assert_eq!(data.labels(), [None, None, None]);
        assert!(
            data.notes()[0].ends_with("\"batch1\", \"batch2\"; its classes are 1, none"),
            "{:?}",
            data.notes()
        );
        assert_eq!(data.examples(1..3).unwrap().dim(), (2, 2));
        assert!(found(&["?", "1"]).notes().is_empty());
    }
}
