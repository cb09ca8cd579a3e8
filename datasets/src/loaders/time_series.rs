//! Time series of the UCR and UEA archives.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use heirloom_kb::Domain;
use ndarray::Array2;

use super::files::{format, io};
use super::table::Class;
use super::ts_file;
use crate::{Dataset, DatasetError, Preparation};

/// One example as its file has it.
#[derive(Debug, PartialEq)]
pub(super) struct Series {
    /// The values of each channel; `None` is a missing one.
    pub(super) channels: Vec<Vec<Option<f64>>>,
    /// Absent of series whose class is not known.
    pub(super) class: Option<Class>,
    /// Its line in the file, from 1.
    pub(super) line: usize,
}

/// Loads series out of a `.ts` file (also of several channels) or a `.tsv` file as UCR has it: the class, then the values. Of
/// `NAME_TRAIN` and `NAME_TEST` beside each other both are read, and the second is the official test part.
///
/// A missing value lies on the line between its neighbours. Series that are shorter than the longest keep their last value to
/// the end.
///
/// # Shapes
/// An example is `[channels, length]`.
///
/// # Errors
/// [`DatasetError::Format`] with line and place, for values that are none, a head that does not fit the data, series without
/// classes or without any value; [`DatasetError::Io`].
///
/// *Sources*: Dau et al., "The UCR time series archive", arXiv:1810.07758; Bagnall et al., "The UEA multivariate time series
/// classification archive", arXiv:1811.00075.
pub fn time_series(file: &Path, name: &str) -> Result<Dataset, DatasetError> {
    let (train_file, test_file) = pair(file);
    let train = read(&train_file)?;
    let test = test_file.as_deref().map(read).transpose()?;
    let channels = train.first().map_or(0, |series| series.channels.len());
    let classes: Vec<Class> =
        train.iter().filter_map(|series| series.class.clone()).collect::<BTreeSet<_>>().into_iter().collect();
    let all = || train.iter().chain(test.iter().flatten());
    let length = all().flat_map(|series| &series.channels).map(Vec::len).max().unwrap_or(0);
    let (mut values, mut y) = (Vec::new(), Vec::new());
    for (at, series) in all().enumerate() {
        let file = test_file.as_deref().filter(|_| at >= train.len()).unwrap_or(&train_file);
        let bad = |reason: String| format(file, format!("line {}: {reason}", series.line));
        if series.channels.len() != channels {
            let n = series.channels.len();
            return Err(bad(format!("{n} channels, the first series of the training part has {channels}")));
        }
        let class = series.class.as_ref().ok_or_else(|| bad("it has no class".into()))?;
        let place = classes.binary_search(class);
        y.push(place.map_err(|_| bad(format!("the training part has no class {class}")))?);
        for (channel, cells) in series.channels.iter().enumerate() {
            let filled = fill(cells, length);
            values.extend(filled.ok_or_else(|| bad(format!("channel {} has no value at all", channel + 1)))?);
        }
    }
    let x =
        Array2::from_shape_vec((y.len(), channels * length), values).expect("every channel has its length");
    let (n, n_train) = (y.len(), train.len());
    let classes = classes.iter().map(ToString::to_string).collect();
    let source = format!("time series {name:?}");
    let data = Dataset::new(name, Domain::Timeseries, &[channels, length], x, y, classes, &source)?;
    let data = data.prepared(Some(Preparation::Series { channels, length }));
    Ok(if test_file.is_some() { data.with_official_test(n_train..n) } else { data })
}

/// Whether it is a `.ts` file, and no `.tsv`.
pub(super) fn is_ts(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("ts"))
}

/// The training file and the test file beside it.
pub(super) fn pair(file: &Path) -> (PathBuf, Option<PathBuf>) {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for (here, there) in [("_TRAIN.", "_TEST."), ("_TEST.", "_TRAIN.")] {
        let other = file.with_file_name(name.replacen(here, there, 1));
        if name.contains(here) && other.is_file() {
            return if here == "_TRAIN." {
                (file.to_owned(), Some(other))
            } else {
                (other, Some(file.to_owned()))
            };
        }
    }
    (file.to_owned(), None)
}

fn read(file: &Path) -> Result<Vec<Series>, DatasetError> {
    let text = std::fs::read_to_string(file).map_err(|source| io("read", file, source))?;
    let series = if is_ts(file) { ts_file::parse(&text, false) } else { tsv(&text) };
    let series = series.map_err(|reason| format(file, reason))?;
    if series.is_empty() { Err(format(file, "it has no series".into())) } else { Ok(series) }
}

/// The class and the values of one channel in each line, all of one length.
fn tsv(text: &str) -> Result<Vec<Series>, String> {
    let mut all: Vec<Series> = Vec::new();
    for (line, row) in (1..).zip(text.lines()).filter(|(_, row)| !row.trim().is_empty()) {
        let mut cells = row.split('\t').map(str::trim);
        let class =
            cells.next().filter(|class| !class.is_empty()).ok_or(format!("line {line} has no class"))?;
        let values: Vec<Option<f64>> =
            cells.map(value).collect::<Result<_, _>>().map_err(|why| format!("line {line}, {why}"))?;
        let first = all.first().map_or(values.len(), |first| first.channels[0].len());
        if values.len() != first || values.is_empty() {
            let hint = "series that end earlier have NaN there";
            return Err(format!("line {line} has {} values, the first has {first}; {hint}", values.len()));
        }
        all.push(Series { channels: vec![values], class: Some(Class::read(class)), line });
    }
    Ok(all)
}

/// A value of a series; `?` and `NaN` are missing ones.
pub(super) fn value(text: &str) -> Result<Option<f64>, String> {
    match text.parse::<f64>() {
        _ if text == "?" => Ok(None),
        Ok(value) if value.is_nan() => Ok(None),
        Ok(value) if value.abs() <= f64::from(f32::MAX) => Ok(Some(value)),
        _ => Err(format!("{text:?} is no finite number")),
    }
}

/// The values at `length` places; `None` without any.
pub(super) fn fill(cells: &[Option<f64>], length: usize) -> Option<Vec<f32>> {
    let known: Vec<(usize, f64)> =
        cells.iter().enumerate().filter_map(|(at, cell)| cell.map(|value| (at, value))).collect();
    let (first, last) = (known.first()?, known.last()?);
    let at_place = |at: usize| {
        let next = known.partition_point(|(place, _)| *place < at);
        match (next.checked_sub(1).map(|before| known[before]), known.get(next)) {
            (_, Some((place, value))) if *place == at => *value,
            (Some((left, low)), Some((right, high))) => {
                low + (high - low) * (at - left) as f64 / (right - left) as f64
            }
            (None, _) => first.1,
            (_, None) => last.1,
        }
    };
    Some((0..length).map(|at| at_place(at) as f32).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| std::fs::write(dir.path().join(name), text).unwrap());
        dir
    }

    fn load(files: &[(&str, &str)]) -> Result<Dataset, String> {
        time_series(&folder(files).path().join(files[0].0), "mine").map_err(|error| error.to_string())
    }

    #[test]
    fn both_parts_are_read_and_missing_values_lie_between() {
        let files = [("A_TRAIN.tsv", "1\t0\tNaN\t4\n-1\t5\t6\tNaN\n"), ("A_TEST.tsv", "1.0\t7\t8\t9\n")];
        for files in [files, [files[1], files[0]]] {
            let data = load(&files).unwrap();
            assert_eq!((data.domain(), data.shape()), (Domain::Timeseries, &[1, 3][..]));
            assert_eq!(data.classes(), ["-1", "1"]);
            assert_eq!(data.preparation(), Some(&Preparation::Series { channels: 1, length: 3 }));
            assert_eq!(data.x().row(0).to_vec(), [0.0, 2.0, 4.0]);
            assert_eq!(data.x().row(1).to_vec(), [5.0, 6.0, 6.0]);
            assert_eq!((data.y(), data.official_test()), (&[1, 0, 1][..], Some(&[2][..])));
        }
        assert_eq!(load(&[("B.tsv", "a\t1\nb\t2\n")]).unwrap().official_test(), None);
    }

    #[test]
    fn channels_and_unequal_lengths() {
        let head = "# a comment\n@problemName x\n@univariate false\n@classLabel true up down\n@data\n";
        let text = format!("{head}1,2,3:4,?,6:up\n7:8,9:down\n");
        let data = load(&[("C.ts", &text)]).unwrap();
        assert_eq!((data.shape(), data.classes()), (&[2, 3][..], &["down".to_owned(), "up".into()][..]));
        assert_eq!(data.x().row(0).to_vec(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(data.x().row(1).to_vec(), [7.0, 7.0, 7.0, 8.0, 9.0, 9.0]);
    }

    #[test]
    fn refusals_name_file_line_and_operand() {
        let why = |text: &str| load(&[("A.tsv", text)]).unwrap_err();
        assert!(why("1\t2\n2\tx\n").ends_with("A.tsv: line 2, \"x\" is no finite number"));
        assert!(why("1\t2\t3\n2\t1\n").contains("line 2 has 1 values, the first has 2"));
        assert!(why("1\t2\n2\tNaN\n").ends_with("line 2: channel 1 has no value at all"));
        assert!(why("\n").ends_with("A.tsv: it has no series"));
        let error = load(&[("A_TRAIN.tsv", "1\t2\n2\t3\n"), ("A_TEST.tsv", "3\t1\n")]).unwrap_err();
        assert!(error.ends_with("A_TEST.tsv: line 1: the training part has no class 3"), "{error}");
        assert!(time_series(Path::new("/no.ts"), "x").unwrap_err().to_string().contains("/no.ts"));
    }

    proptest! {
        #[test]
        fn known_values_stay_and_others_lie_between(cells in proptest::collection::vec(proptest::option::of(-1e3_f64..1e3), 1..40), more in 0_usize..5) {
            let Some(filled) = fill(&cells, cells.len() + more) else {
                prop_assert!(cells.iter().all(Option::is_none));
                return Ok(());
            };
            let known = || cells.iter().flatten().copied();
            let (low, high) = (known().fold(f64::MAX, f64::min), known().fold(f64::MIN, f64::max));
            prop_assert_eq!(filled.len(), cells.len() + more);
            for (at, value) in filled.iter().enumerate() {
                prop_assert!(*value >= low as f32 - 1e-3 && *value <= high as f32 + 1e-3);
                if let Some(Some(cell)) = cells.get(at) {
                    prop_assert_eq!(*value, *cell as f32);
                }
            }
        }
    }
}
