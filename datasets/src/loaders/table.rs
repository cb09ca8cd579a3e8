//! `Table`: named columns, one of them the class, whatever file they came from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use heirloom_kb::Domain;
use ndarray::Array2;

use super::cell::{MISSING, MISSING_AMONG_NUMBERS, is_code};
use super::class_folders::listed;
use super::column::{Column, Encoded, LEVELS};
use super::files::format;
use crate::{Dataset, DatasetError, Feature, Preparation};

/// Named columns of one length.
#[derive(Debug, PartialEq)]
pub(super) struct Table {
    pub(super) names: Vec<String>,
    pub(super) columns: Vec<Column>,
    /// Whether a missing cell is a text.
    pub(super) has_texts: bool,
}

/// What a last column is called that needs no word about being the class.
const USUAL_LABELS: [&str; 5] = ["class", "label", "target", "y", "species"];

/// How a table becomes a data set.
///
/// Numbers keep their values, of percents that before the sign, of dates the number of days and of times that of seconds since 1970; a
/// missing one (empty, `NA`, `NaN`, `null`, `#N/A`, `?`, in a column
/// of numbers also `-` and `None`) becomes the median of its column *over all
/// rows*, the test part included, and a further column says where values were missing. A median is robust enough that
/// single test rows do not show through it, and labels never enter it. Words become columns of 0 and 1, the 32 most frequent
/// a column each, the rest one together. Columns with one value, row numbers and identifiers are left out,
/// and the data set's notes say so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableOptions {
    /// The column with the class; unless given, the last one.
    pub label: Option<String>,
}

impl Table {
    /// The data set in the table.
    ///
    /// # Errors
    /// [`DatasetError::BadOption`] for a label that is no column, with those that are; [`DatasetError::Format`] for a label
    /// that is missing in a row or is no class, values too large for single precision, and a table without features.
    pub(super) fn dataset(
        &self,
        file: &Path,
        name: &str,
        options: &TableOptions,
    ) -> Result<Dataset, DatasetError> {
        let label = self.label(file, options.label.as_deref())?;
        let is_named = options.label.is_some() || self.has_usual_label(label);
        let (y, classes) = self.classes(file, label).map_err(|error| unless_named(error, is_named))?;
        let (mut features, mut notes): (Vec<Feature>, Vec<String>) = (Vec::new(), Vec::new());
        let title = self.names[label].as_str();
        if !is_named {
            notes.push(format!(
                "the last column, {title:?}, is taken for the class; name another with --label"
            ));
        }
        let mut values: Vec<Vec<f32>> = Vec::new();
        let titles = unique(&self.names);
        for (at, (column, title)) in self.columns.iter().zip(&titles).enumerate() {
            if at == label {
                continue;
            }
            if column.looks_like_dates() {
                notes.push(format!("column {title:?} seems to hold dates, which are words here; written as 2024-05-31 they are numbers"));
            }
            match column.encode(title) {
                Encoded::Numbers(columns) => {
                    let infinite =
                        |(_, column): &(_, Vec<f32>)| column.iter().position(|value| !value.is_finite());
                    if let Some(row) = columns.iter().find_map(infinite) {
                        let reason = format!("row {}, column {title:?}: the number is too large", row + 1);
                        return Err(format(file, reason));
                    }
                    notes.extend(column.shared_words().map(|n| {
                        format!("of column {title:?} the {n} words beyond the {LEVELS} most frequent share one value")
                    }));
                    for (value, column) in columns {
                        features.push(Feature { column: title.clone(), value });
                        values.push(column);
                    }
                }
                Encoded::LeftOut(why) => {
                    notes.push(format!("column {title:?} is left out: {why}"));
                }
            }
        }
        if features.is_empty() {
            let reason = format!(
                "no column but the label {:?} tells anything; {}",
                self.names[label],
                notes.join("; ")
            );
            return Err(format(file, reason));
        }
        let (n, d) = (y.len(), features.len());
        let x = Array2::from_shape_fn((n, d), |(row, column)| values[column][row]);
        let data = Dataset::new(name, Domain::Tabular, &[d], x, y, classes, &format!("table {name:?}"))?;
        let texts = |texts: &[&str]| match self.has_texts {
            true => texts.iter().map(|text| (*text).to_owned()).collect(),
            false => Vec::new(),
        };
        let preparation = Preparation::Table {
            label: self.names[label].clone(),
            features,
            missing: texts(&MISSING),
            missing_among_numbers: texts(&MISSING_AMONG_NUMBERS),
        };
        Ok(data.with_notes(notes).prepared(Some(preparation)))
    }

    /// Whether a column is called as labels are.
    fn has_usual_label(&self, label: usize) -> bool {
        USUAL_LABELS.contains(&self.names[label].to_lowercase().as_str())
    }

    /// The position of the label.
    fn label(&self, file: &Path, asked: Option<&str>) -> Result<usize, DatasetError> {
        let bad = |reason: String| {
            Err(DatasetError::BadOption { option: "label", file: file.display().to_string(), reason })
        };
        let Some(asked) = asked else {
            let last = self.names.len().checked_sub(1);
            return last.ok_or_else(|| format(file, "it has no columns".into()));
        };
        let places: Vec<usize> = (0..self.names.len()).filter(|at| self.names[*at] == asked).collect();
        match places[..] {
            [place] => Ok(place),
            [] => bad(format!("there is no column {asked:?}; there are {}", listed(&self.names))),
            _ => bad(format!("{} columns are called {asked:?}", places.len())),
        }
    }

    /// The classes of the rows, as positions among their names.
    fn classes(&self, file: &Path, label: usize) -> Result<(Vec<usize>, Vec<String>), DatasetError> {
        let title = &self.names[label];
        let missing = |row: usize| format(file, format!("row {}: the label {title:?} is missing", row + 1));
        let mut values: Vec<Class> = Vec::new();
        match &self.columns[label] {
            Column::Words(cells) => {
                for (row, cell) in cells.iter().enumerate() {
                    values.push(Class::Word(cell.clone().ok_or_else(|| missing(row))?));
                }
            }
            Column::Numbers(cells) | Column::Written(_, cells) => {
                for (row, cell) in cells.iter().enumerate() {
                    let number = cell.ok_or_else(|| missing(row))?;
                    if number.fract() != 0.0 || number.abs() > 1e15 {
                        let reason = "a class was expected, a word or a whole number";
                        return Err(format(
                            file,
                            format!("row {}: the label {title:?} is {number}; {reason}", row + 1),
                        ));
                    }
                    values.push(Class::Number(number as i64));
                }
            }
        }
        let classes: Vec<&Class> = values.iter().collect::<BTreeSet<_>>().into_iter().collect();
        match classes.len() {
            0 => return Err(format(file, "it has no rows".into())),
            1 => {
                let place = format!("{}, label {title:?}", file.display());
                return Err(DatasetError::OneClass { place, class: classes[0].to_string() });
            }
            n if n > 2 && 2 * n > values.len() => {
                let reason = format!(
                    "the label {title:?} has {n} different values in {} rows; a column of classes was expected, of: {}",
                    values.len(),
                    listed(&self.names)
                );
                return Err(format(file, reason));
            }
            _ => {}
        }
        let place = |value: &Class| classes.binary_search(&value).expect("it was collected");
        Ok((values.iter().map(place).collect(), classes.iter().map(ToString::to_string).collect()))
    }
}

/// An error of classes, with what to do where the last column was taken for the label.
fn unless_named(error: DatasetError, is_named: bool) -> DatasetError {
    match error {
        DatasetError::Format { file, reason } if !is_named => {
            let reason =
                format!("{reason}; the last column was taken for the label, name another with --label");
            DatasetError::Format { file, reason }
        }
        error => error,
    }
}

/// The names of columns, those that stand before numbered from the second on, as pandas does: `a`, `a.1`, `a.2`.
pub(super) fn unique(names: &[String]) -> Vec<String> {
    let mut before: BTreeMap<&str, usize> = BTreeMap::new();
    let title = |at: usize| {
        let n = before.entry(&names[at]).or_default();
        *n += 1;
        if *n == 1 { names[at].clone() } else { format!("{}.{}", names[at], *n - 1) }
    };
    (0..names.len()).map(title).collect()
}

/// A class, so that 10 stands behind 9.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Number(i64),
    Word(String),
}

impl Class {
    /// A whole number, however it is written, or a word; codes such as `01` are words.
    pub(super) fn read(text: &str) -> Self {
        if is_code(text) {
            return Class::Word(text.to_owned());
        }
        match text.parse::<f64>() {
            Ok(number) if number.fract() == 0.0 && number.abs() < 1e15 => Class::Number(number as i64),
            _ => Class::Word(text.to_owned()),
        }
    }
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Class::Number(number) => number.fmt(f),
            Class::Word(word) => word.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(label: Column) -> Table {
        Table {
            names: vec!["height".into(), "class".into()],
            columns: vec![Column::Numbers(vec![Some(1.5), Some(2.0), Some(3.0), None]), label],
            has_texts: true,
        }
    }

    fn words(cells: [&str; 4]) -> Column {
        Column::Words(cells.iter().map(|cell| Some((*cell).to_owned())).collect())
    }

    fn load(table: &Table, label: Option<&str>) -> Result<Dataset, String> {
        let options = TableOptions { label: label.map(str::to_owned) };
        table.dataset(Path::new("t.csv"), "t", &options).map_err(|error| error.to_string())
    }

    #[test]
    fn classes_are_sorted_as_numbers_or_words() {
        let numbers = Column::Numbers([10.0, 9.0, 9.0, 10.0].map(Some).to_vec());
        let data = load(&table(numbers), None).unwrap();
        assert_eq!((data.classes(), data.y()), (&["9".to_owned(), "10".into()][..], &[1, 0, 0, 1][..]));
        let data = load(&table(words(["b", "a", "a", "b"])), Some("class")).unwrap();
        assert_eq!((data.classes(), data.y()), (&["a".to_owned(), "b".into()][..], &[1, 0, 0, 1][..]));
        assert_eq!(data.x().column(0).to_vec(), [1.5, 2.0, 3.0, 2.0]);
        assert_eq!(data.x().column(1).to_vec(), [0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn columns_of_one_name_are_told_apart() {
        assert_eq!(unique(&["a", "b", "a", "a"].map(String::from)), ["a", "b", "a.1", "a.2"]);
    }

    #[test]
    fn refusals_name_row_and_column() {
        let good = table(words(["b", "a", "a", "b"]));
        assert_eq!(
            load(&good, Some("kind")).unwrap_err(),
            r#"option "label" with t.csv: there is no column "kind"; there are height, class"#
        );
        let why = |label| load(&table(label), None).unwrap_err();
        let numbers = |cells: [Option<f64>; 4]| why(Column::Numbers(cells.to_vec()));
        assert!(
            numbers([Some(1.0), None, Some(2.0), Some(1.0)])
                .ends_with("row 2: the label \"class\" is missing")
        );
        assert!(
            numbers([Some(1.0), Some(2.5), None, None])
                .contains("row 2: the label \"class\" is 2.5; a class")
        );
        assert!(why(words(["a"; 4])).ends_with(
            "t.csv, label \"class\": all examples are of the class \"a\"; two classes are needed"
        ));
        assert!(why(words(["a", "b", "c", "d"])).contains("4 different values in 4 rows"));
        let mut unnamed = table(Column::Numbers(vec![Some(1.0), None, Some(2.0), Some(1.0)]));
        unnamed.names[1] = "usage".into();
        assert!(load(&unnamed, None).unwrap_err().ends_with(
            "row 2: the label \"usage\" is missing; the last column was taken for the label, name another with --label"
        ));
        assert!(load(&unnamed, Some("usage")).unwrap_err().ends_with("the label \"usage\" is missing"));
        let mut large = table(words(["b", "a", "a", "b"]));
        large.columns[0] = Column::Numbers(vec![None, Some(1.0), Some(1e300), Some(2.0)]);
        assert!(
            load(&large, None).unwrap_err().ends_with("row 3, column \"height\": the number is too large")
        );
        large.columns[0] = Column::Numbers(vec![Some(1.0); 4]);
        assert!(load(&large, None).unwrap_err().contains("no column but the label \"class\" tells anything"));
    }
}
