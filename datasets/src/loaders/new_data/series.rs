//! New time series.

use std::path::Path;

use ndarray::Array2;

use super::{Examples, Found, Place, class_of, other_kind};
use crate::DatasetError;
use crate::loaders::files::{format, io};
use crate::loaders::table::Class;
use crate::loaders::time_series::{Series, fill, is_ts, value};
use crate::loaders::{cell::is_missing, ts_file};

const WANTED: &str = "time series: a .ts or .tsv file";

/// Opens a file of series for a network that was trained on some of these channels and this length.
pub(super) fn open(
    path: &Path,
    [channels, length]: [usize; 2],
    classes: &[String],
) -> Result<Found, DatasetError> {
    let all = read(path, length, classes)?;
    let (mut values, mut cut, mut short) = (Vec::with_capacity(all.len() * channels * length), 0, 0);
    for series in &all {
        let bad = |reason: String| format(path, format!("line {}: {reason}", series.line));
        if series.channels.len() != channels {
            let n = series.channels.len();
            return Err(bad(format!("{n} channels, the series of the training had {channels}")));
        }
        cut += usize::from(series.channels.iter().any(|cells| cells.len() > length));
        short += usize::from(series.channels.iter().any(|cells| cells.len() < length));
        for (at, cells) in (1..).zip(&series.channels) {
            // What lies behind the end is of no account, not even for what is missing before it.
            let cells = &cells[..cells.len().min(length)];
            values
                .extend(fill(cells, length).ok_or_else(|| bad(format!("channel {at} has no value at all")))?);
        }
    }
    let n = all.len();
    let values =
        Array2::from_shape_vec((n, channels * length), values).expect("every channel has its length");
    let mut notes = Vec::new();
    if cut > 0 {
        notes.push(format!("{cut} series are cut to {length} values, the length of the longest in training"));
    }
    if short > 0 {
        notes.push(format!(
            "{short} series are shorter than the longest in training, {length} values: their last value is repeated"
        ));
    }
    if !is_ts(path) && all.iter().any(|series| series.class.is_some()) {
        notes.push("the first cell of each line is taken for its class".into());
    }
    Ok(Found {
        places: (1..=n).map(Place::Row).collect(),
        labels: all.into_iter().map(|series| series.class.map(|class| class.to_string())).collect(),
        notes,
        examples: Examples::Values(values),
    })
}

fn read(path: &Path, length: usize, classes: &[String]) -> Result<Vec<Series>, DatasetError> {
    let is_tsv = || path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("tsv"));
    if path.is_dir() || !is_ts(path) && !is_tsv() {
        return Err(other_kind(path, WANTED));
    }
    let text = std::fs::read_to_string(path).map_err(|source| io("read", path, source))?;
    let series = if is_ts(path) { ts_file::parse(&text, true) } else { tsv(&text, length, classes) };
    let series = series.map_err(|reason| format(path, reason))?;
    if series.is_empty() { Err(format(path, "it has no series".into())) } else { Ok(series) }
}

/// The class, which may be missing, and the values of one channel in each line, or the values alone.
fn tsv(text: &str, length: usize, classes: &[String]) -> Result<Vec<Series>, String> {
    let lines = (1..).zip(text.lines()).filter(|(_, row)| !row.trim().is_empty());
    let rows: Vec<(usize, Vec<&str>)> =
        lines.map(|(line, row)| (line, row.split('\t').map(str::trim).collect())).collect();
    let has_classes = begin_with_classes(&rows, length, classes);
    let series = |(line, cells): (usize, Vec<&str>)| {
        let values = cells[usize::from(has_classes)..].iter().map(|cell| value(cell));
        let values = values.collect::<Result<Vec<_>, _>>().map_err(|why| format!("line {line}, {why}"))?;
        let class = Some(cells[0]).filter(|class| has_classes && !is_missing(class)).map(Class::read);
        Ok(Series { channels: vec![values], class, line })
    };
    rows.into_iter().map(series).collect()
}

/// Whether the first cells of lines are classes, which is told of all lines together: that of one may be a number that happens to be a
/// class. They are where they are no numbers, or one more than the values of a series of the training; with just as many cells
/// only if all are classes of the network, and else if most are.
fn begin_with_classes(rows: &[(usize, Vec<&str>)], length: usize, classes: &[String]) -> bool {
    let all_have = |n: usize| rows.iter().all(|(_, cells)| cells.len() == n);
    let first: Vec<&str> = rows.iter().map(|(_, cells)| cells[0]).filter(|cell| !is_missing(cell)).collect();
    if all_have(length + 1) || first.iter().any(|cell| value(cell).is_err()) {
        return true;
    }
    let is_class = |cell: &&&str| class_of(cell, classes).is_some_and(|class| classes.contains(&class));
    let known = first.iter().filter(is_class).count();
    if all_have(length) { known > 0 && known == first.len() } else { 2 * known > first.len() }
}

#[cfg(test)]
mod tests {
    use crate::Preparation;
    use crate::loaders::NewData;

    fn open(name: &str, text: &str) -> Result<NewData, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        let three = Preparation::Series { channels: 1, length: 3 };
        let classes = ["-1".to_owned(), "1".into()];
        NewData::open(&file, &three, &classes, None).map_err(|error| error.to_string())
    }

    #[test]
    fn series_are_brought_to_the_length_of_the_training() {
        let data = open("a.tsv", "1.0\t1\t2\t3\t9\n-1\t4\n?\t5\tNaN\t6\n").unwrap();
        let x = data.examples(0..3).unwrap();
        assert_eq!(x.row(0).to_vec(), [1.0, 2.0, 3.0]);
        assert_eq!(x.row(1).to_vec(), [4.0, 4.0, 4.0]);
        assert_eq!(x.row(2).to_vec(), [5.0, 5.5, 6.0]);
        assert_eq!(data.labels(), [Some("1".to_owned()), Some("-1".into()), None]);
        assert_eq!(
            data.notes(),
            [
                "1 series are cut to 3 values, the length of the longest in training",
                "1 series are shorter than the longest in training, 3 values: their last value is repeated",
                "the first cell of each line is taken for its class",
            ]
        );
        let data = open("a.TS", "@classLabel true -1 1\n@data\n1,2,3:1\n4,5,6:?\n").unwrap();
        assert_eq!(data.labels(), [Some("1".to_owned()), None]);
        assert!(data.notes().is_empty(), "{:?}", data.notes());
    }

    #[test]
    fn files_without_classes() {
        let data = open("a.tsv", "7\t8\t9\n1.5\t2\t3\n").unwrap();
        assert_eq!(
            (data.labels(), data.examples(0..1).unwrap().row(0).to_vec()),
            (&[None, None][..], vec![7.0, 8.0, 9.0])
        );
        // As many cells, but all begin with a class; where one alone does, it is a value.
        let data = open("a.tsv", "1\t8\t9\n-1\t2\t3\n").unwrap();
        assert_eq!(data.examples(0..1).unwrap().row(0).to_vec(), [8.0, 9.0, 9.0]);
        for text in ["1\t8\t9\n7\t2\t3\n", "1\t8\n7\t2\n5\t1\n"] {
            let data = open("a.tsv", text).unwrap();
            assert_eq!(
                (data.labels()[0].as_ref(), data.examples(0..1).unwrap()[[0, 0]]),
                (None, 1.0),
                "{text}"
            );
        }
        // One more is what labelled series of that length have, whatever their classes are called.
        let data = open("a.tsv", "5\t8\t9\t1\n7\t2\t3\t1\n").unwrap();
        assert_eq!(data.examples(0..1).unwrap().row(0).to_vec(), [8.0, 9.0, 1.0]);
        let data = open("a.ts", "@classLabel false\n@data\n1,2,3\n").unwrap();
        assert_eq!(data.labels(), [None]);
    }

    #[test]
    fn refusals_name_file_and_line() {
        let why = |name: &str, text: &str| open(name, text).unwrap_err();
        assert!(
            why("a.ts", "@classLabel false\n@data\n1:2\n")
                .ends_with("line 3: 2 channels, the series of the training had 1")
        );
        assert!(why("a.tsv", "1\tNaN\n").ends_with("line 1: channel 1 has no value at all"));
        assert!(why("a.tsv", "1\tx\n").ends_with("line 1, \"x\" is no finite number"));
        assert!(why("a.tsv", "\n").ends_with("it has no series"));
        assert!(
            why("a.csv", "1")
                .ends_with("a.csv is a table; the network takes time series: a .ts or .tsv file")
        );
    }
}
