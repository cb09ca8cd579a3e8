//! Rows of a new table.

use std::collections::BTreeSet;
use std::path::Path;

use ndarray::Array2;

use super::texts::{Cells, MissingTexts, Wanted};
use super::{Examples, Found, Place, counted, other_kind};
use crate::loaders::cell::number;
use crate::loaders::class_folders::listed;
use crate::loaders::column::Column;
use crate::loaders::csv_table::{has_head, named, records};
use crate::loaders::files::{format, read};
use crate::loaders::parquet_table;
use crate::loaders::table::unique;
use crate::{DatasetError, Feature, FeatureValue};

const WANTED: &str = "rows of a table: a .csv (.csv.gz), .tsv or .parquet file";
/// What columns are called without a head.
const NUMBERED: &str = "column ";

/// Opens the rows of a table for a network that takes these features. The class is in the column that is asked for, else in that which
/// is usual, if it is there.
pub(super) fn open(
    path: &Path,
    features: &[Feature],
    missing: &MissingTexts,
    (usual, label): (&str, Option<&str>),
) -> Result<Found, DatasetError> {
    let wanted = columns(features);
    let table = NewTable::read(path, &wanted, label.unwrap_or(usual))?;
    let mut values = Array2::zeros((table.n, features.len()));
    let mut notes: Vec<String> = table.namesakes.iter().cloned().collect();
    for column in &wanted {
        let cells = &table.columns[table.place(column.name).expect("it was looked for")];
        let refused =
            |(row, why): (usize, String)| format(path, format!("row {row}, column {:?}: {why}", column.name));
        let read = column.wanted().read(cells, missing, &column.words()).map_err(refused)?;
        column.fill(&read, &mut values).map_err(refused)?;
        notes.extend(column.notes(&read));
    }
    let labels = table.labels(path, label, usual, &mut notes)?;
    let passed_over = table.passed_over(&wanted, label.unwrap_or(usual));
    if !passed_over.is_empty() {
        notes.push(format!(
            "columns that the network does not take are passed over: {}",
            listed(&passed_over)
        ));
    }
    let places = (1..=table.n).map(Place::Row).collect();
    Ok(Found { places, labels, notes, examples: Examples::Values(values) })
}

/// What a network takes in of one column: positions in an example, and the values there.
struct WantedColumn<'a> {
    name: &'a str,
    values: Vec<(usize, &'a FeatureValue)>,
}

/// The columns that features are made of, in the order of the features.
fn columns(features: &[Feature]) -> Vec<WantedColumn<'_>> {
    let mut columns: Vec<WantedColumn> = Vec::new();
    for (at, feature) in features.iter().enumerate() {
        match columns.iter_mut().find(|column| column.name == feature.column) {
            Some(column) => column.values.push((at, &feature.value)),
            None => columns.push(WantedColumn { name: &feature.column, values: vec![(at, &feature.value)] }),
        }
    }
    columns
}

impl WantedColumn<'_> {
    fn wanted(&self) -> Wanted {
        Wanted::of(&self.values.iter().map(|(_, value)| *value).collect::<Vec<_>>())
    }

    /// The words that the training knew.
    fn words(&self) -> Vec<&str> {
        let mut words: BTreeSet<&str> = BTreeSet::new();
        for (_, value) in &self.values {
            match value {
                FeatureValue::Is { word, other } => {
                    words.extend([Some(word), other.as_ref()].into_iter().flatten().map(String::as_str))
                }
                FeatureValue::IsOther { than } => words.extend(than.iter().map(String::as_str)),
                FeatureValue::Number { .. } | FeatureValue::IsMissing => {}
            }
        }
        words.into_iter().collect()
    }

    /// Writes what is made of the cells into the examples, or says which row, from 1, has too large a number.
    fn fill(&self, cells: &Column, examples: &mut Array2<f32>) -> Result<(), (usize, String)> {
        for (at, value) in &self.values {
            for (row, target) in examples.column_mut(*at).iter_mut().enumerate() {
                *target = made_of(value, cells, row);
                if !target.is_finite() {
                    return Err((row + 1, "the number is too large".into()));
                }
            }
        }
        Ok(())
    }

    /// What the training had not met.
    fn notes(&self, cells: &Column) -> Vec<String> {
        let mut notes = Vec::new();
        let marks_missing = self.values.iter().any(|(_, value)| **value == FeatureValue::IsMissing);
        let (missing, n) = (cells.n_missing(), cells.len());
        let instead = match cells {
            Column::Words(_) if marks_missing => "they count as missing".to_owned(),
            Column::Words(_) => {
                format!("taken as {}", self.without_mark().unwrap_or_else(|| "no word".into()))
            }
            _ => "the median of the training stands there".into(),
        };
        if missing > 0 && !marks_missing {
            let missing = counted(missing, "missing cell");
            notes.push(format!("column {:?} has {missing}, in training it had none; {instead}", self.name));
        } else if missing == n && n > 1 {
            notes.push(format!("column {:?} has no value at all; {instead}", self.name));
        }
        notes.extend(self.unseen_words(cells));
        notes
    }

    /// What a cell counts as whose word has no mark of its own; `None` where that was not told.
    fn without_mark(&self) -> Option<String> {
        let (mut n_marks, mut other) = (0, None);
        for (_, value) in &self.values {
            match value {
                // The words without a value of their own are not told.
                FeatureValue::IsOther { .. } => return None,
                FeatureValue::Is { other: word, .. } => (n_marks, other) = (n_marks + 1, word.as_ref()),
                FeatureValue::Number { .. } | FeatureValue::IsMissing => {}
            }
        }
        // Of a column of one mark, earlier builds do not say what the word without one was.
        match other {
            Some(other) => Some(format!("{other:?}")),
            None => (n_marks > 1).then(|| "no word".into()),
        }
    }

    /// How many cells hold words that the training did not know, and which.
    fn unseen_words(&self, cells: &Column) -> Option<String> {
        let Column::Words(cells) = cells else { return None };
        let instead = self.without_mark()?;
        let known = self.words();
        let unseen: Vec<&String> =
            cells.iter().flatten().filter(|cell| !known.contains(&cell.as_str())).collect();
        let words: BTreeSet<String> = unseen.iter().map(|word| format!("{word:?}")).collect();
        let words: Vec<String> = words.into_iter().collect();
        (!unseen.is_empty()).then(|| {
            let (name, cells) = (self.name, counted(unseen.len(), "cell"));
            let words = listed(&words);
            format!(
                "column {name:?} has {cells} with words that training had not, taken as {instead}: {words}"
            )
        })
    }
}

/// The value that a cell gives an example.
fn made_of(value: &FeatureValue, cells: &Column, row: usize) -> f32 {
    let mark = |is: bool| f32::from(u8::from(is));
    match (value, cells) {
        (
            FeatureValue::Number { if_missing, less, .. },
            Column::Numbers(cells) | Column::Written(_, cells),
        ) => (cells[row].unwrap_or(*if_missing) - less) as f32,
        (FeatureValue::Is { word, .. }, Column::Words(cells)) => mark(cells[row].as_ref() == Some(word)),
        (FeatureValue::IsOther { than }, Column::Words(cells)) => {
            mark(cells[row].as_ref().is_some_and(|word| !than.contains(word)))
        }
        (FeatureValue::IsMissing, Column::Numbers(cells) | Column::Written(_, cells)) => {
            mark(cells[row].is_none())
        }
        (FeatureValue::IsMissing, Column::Words(cells)) => mark(cells[row].is_none()),
        // A column of which both numbers and words are taken in was never made.
        (FeatureValue::Number { .. }, Column::Words(_))
        | (FeatureValue::Is { .. } | FeatureValue::IsOther { .. }, _) => f32::NAN,
    }
}

/// Named columns of one length.
struct NewTable {
    names: Vec<String>,
    columns: Vec<Cells>,
    n: usize,
    /// A note about columns of one name.
    namesakes: Option<String>,
}

impl NewTable {
    fn read(path: &Path, wanted: &[WantedColumn], label: &str) -> Result<Self, DatasetError> {
        let (names, columns, has_head) = match kind(path)? {
            Kind::Parquet => {
                let table = parquet_table::read(path)?;
                (table.names, table.columns.into_iter().map(Cells::Typed).collect(), true)
            }
            Kind::Csv => texts(path, wanted, label)?,
        };
        let given = names;
        let names = unique(&given);
        let namesakes = namesakes(&given, &names);
        let gone = |column: &&WantedColumn| !names.iter().any(|name| name == column.name);
        let gone: Vec<String> =
            wanted.iter().filter(gone).map(|column| format!("{:?}", column.name)).collect();
        if !gone.is_empty() {
            let hint =
                if has_head { "" } else { " (its first line names no columns, and is taken for a row)" };
            let (missing, found) = (listed(&gone), listed(&names));
            return Err(DatasetError::NoColumn { file: path.display().to_string(), missing, found, hint });
        }
        let n = columns.first().map_or(0, Cells::len);
        if n == 0 {
            return Err(format(path, "it has no rows".into()));
        }
        Ok(NewTable { names, columns, n, namesakes })
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|found| found == name)
    }

    /// The labels of the rows: of the column that is asked for, or of the usual one if it is there.
    fn labels(
        &self,
        path: &Path,
        asked: Option<&str>,
        usual: &str,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Option<String>>, DatasetError> {
        match (self.place(asked.unwrap_or(usual)), asked) {
            (Some(place), _) => Ok(self.columns[place].texts().into_iter().map(Some).collect()),
            (None, Some(asked)) => {
                let reason = format!("there is no column {asked:?}; there are {}", listed(&self.names));
                Err(DatasetError::BadOption { option: "label", file: path.display().to_string(), reason })
            }
            (None, None) => {
                notes.push(format!("there is no column {usual:?} with classes, so that nothing is compared"));
                Ok(vec![None; self.n])
            }
        }
    }

    fn passed_over(&self, wanted: &[WantedColumn], label: &str) -> Vec<String> {
        let is_idle = |name: &&String| *name != label && !wanted.iter().any(|column| column.name == **name);
        self.names.iter().filter(is_idle).cloned().collect()
    }
}

/// A note about names that several columns have, and so are others once each has its own.
fn namesakes(given: &[String], unique: &[String]) -> Option<String> {
    let again = given.iter().zip(unique).filter(|(given, unique)| given != unique);
    let again: BTreeSet<String> = again.map(|(given, _)| format!("{given:?}")).collect();
    let again: Vec<String> = again.into_iter().collect();
    (!again.is_empty()).then(|| {
        format!(
            "several columns are called {}: they are told apart by their order, as in training",
            listed(&again)
        )
    })
}

enum Kind {
    Csv,
    Parquet,
}

fn kind(path: &Path) -> Result<Kind, DatasetError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    let ending = plain.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending {
        "csv" | "tsv" if !path.is_dir() => Ok(Kind::Csv),
        "parquet" | "pq" if !path.is_dir() && plain == name => Ok(Kind::Parquet),
        _ => Err(other_kind(path, WANTED)),
    }
}

/// The names, the cells and whether the first line is a head of a CSV file.
fn texts(
    path: &Path,
    wanted: &[WantedColumn],
    label: &str,
) -> Result<(Vec<String>, Vec<Cells>, bool), DatasetError> {
    let (rows, delimiter) = records(&read(path)?, path)?;
    let is_wanted = |cell: &str| cell == label || wanted.iter().any(|column| column.name == cell);
    // A single row that names nothing is one of data where the training's columns had no names.
    let may_be_numbered = wanted.iter().all(|column| column.name.starts_with(NUMBERED));
    let has_head = rows[0].iter().any(is_wanted)
        || (rows.len() > 1 || !may_be_numbered) && has_head(&rows, |cell| number(cell, delimiter));
    let (names, rows) = named(&rows, has_head);
    let column = |at: usize| Cells::Texts(rows.iter().map(|row| row[at].to_owned()).collect(), delimiter);
    let columns = (0..names.len()).map(column).collect();
    Ok((names, columns, has_head))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loaders::{NewData, TableOptions, csv_table};
    use crate::{Dataset, Preparation};

    const TRAINING: &str =
        "row,age,town,smokes,ill\n5,30,Ulm,no,y\n9,,Bonn,yes,n\n2,50,Ulm,no,n\n7,41,,no,y\n3,35,Jena,yes,y\n";

    struct Trained {
        dir: tempfile::TempDir,
        data: Dataset,
    }

    impl Trained {
        fn on(text: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("training.csv");
            std::fs::write(&file, text).unwrap();
            let data = csv_table(&file, "t", &TableOptions::default()).unwrap();
            Trained { dir, data }
        }

        fn open_with(&self, text: &str, label: Option<&str>) -> Result<NewData, DatasetError> {
            let file = self.dir.path().join("new.csv");
            std::fs::write(&file, text).unwrap();
            NewData::open(&file, self.data.preparation().unwrap(), self.data.classes(), label)
        }

        fn open(&self, text: &str) -> NewData {
            self.open_with(text, None).unwrap()
        }

        fn why(&self, text: &str) -> String {
            self.open_with(text, None).unwrap_err().to_string()
        }
    }

    #[test]
    fn the_rows_of_the_training_become_its_examples() {
        let trained = Trained::on(TRAINING);
        let again = trained.open(TRAINING);
        assert_eq!(again.examples(0..5).unwrap(), trained.data.x());
        let classes: Vec<&str> =
            trained.data.y().iter().map(|y| trained.data.classes()[*y].as_str()).collect();
        let labels: Vec<&str> = again.labels().iter().map(|label| label.as_deref().unwrap()).collect();
        assert_eq!((labels, again.places()[4].clone()), (classes, Place::Row(5)));
        assert!(again.notes().is_empty(), "{:?}", again.notes());
    }

    #[test]
    fn columns_are_found_by_name_and_others_passed_over() {
        let trained = Trained::on(TRAINING);
        let data = trained.open("smokes;x;town;row;age\nyes;a;Jena;3;35\nno;b;;7;41\n");
        let x = data.examples(0..2).unwrap();
        assert_eq!(x.row(0), trained.data.x().row(4));
        assert_eq!(x.row(1), trained.data.x().row(3));
        assert_eq!(data.labels(), [None, None]);
        let notes = [
            "there is no column \"ill\" with classes, so that nothing is compared",
            "columns that the network does not take are passed over: x",
        ];
        assert_eq!(data.notes(), notes);
        let why = trained.why("age,smokes,ill\n30,no,y\n");
        assert!(
            why.ends_with("new.csv: columns that the network was trained on are not there: \"row\", \"town\"; there are age, smokes, ill"),
            "{why}"
        );
        let why = trained.why("5,30,Ulm,no\n9,40,Bonn,yes\n");
        assert!(why.ends_with("column 4 (its first line names no columns, and is taken for a row)"), "{why}");
    }

    #[test]
    fn what_training_had_not_met_is_counted() {
        let trained = Trained::on(TRAINING);
        let data = trained
            .open("row,age,town,smokes,ill\n,1,Rom,never,y\n4,2,Rom,no,\n5,,Oslo,,?\n6,3,Ulm,no,maybe\n");
        let x = data.examples(0..4).unwrap();
        let town: Vec<usize> = trained.features("town");
        assert!(town.iter().all(|at| x[[0, *at]] == 0.0 && x[[2, *at]] == 0.0), "{x}");
        // The median of the training, 5, not that of the new rows.
        assert_eq!(x[[0, 0]], 5.0);
        let label = |text: &str| Some(text.to_owned());
        assert_eq!(data.labels(), [label("y"), None, None, label("maybe")]);
        assert_eq!(
            data.notes(),
            [
                "column \"row\" has 1 missing cell, in training it had none; the median of the training stands there",
                "column \"town\" has 3 cells with words that training had not, taken as no word: \"Oslo\", \"Rom\"",
                "column \"smokes\" has 1 missing cell, in training it had none; taken as \"no\"",
                "column \"smokes\" has 1 cell with words that training had not, taken as \"no\": \"never\"",
                "1 label is no class of the network, and counts as predicted wrongly: \"maybe\"",
            ]
        );
    }

    impl Trained {
        fn features(&self, column: &str) -> Vec<usize> {
            let Some(Preparation::Table { features, .. }) = self.data.preparation() else {
                panic!("a table")
            };
            (0..features.len()).filter(|at| features[*at].column == column).collect()
        }
    }

    /// One table is written `True` by one program and `true` by another.
    #[test]
    fn words_are_those_of_the_training_in_any_case() {
        let trained = Trained::on(TRAINING);
        let again = trained.open(&TRAINING.replace("yes", "Yes").replace("no", "NO").replace("Ulm", "ULM"));
        assert_eq!(again.examples(0..5).unwrap(), trained.data.x());
        assert!(again.notes().is_empty(), "{:?}", again.notes());
        let none = trained.open("row,age,town,smokes,ill\n1,,Ulm,no,?\n2,,Ulm,no,\n");
        assert_eq!(
            none.notes(),
            [
                "column \"age\" has no value at all; the median of the training stands there",
                "all labels are missing, so that nothing is compared",
            ]
        );
    }

    #[test]
    fn refusals_name_row_and_column() {
        let trained = Trained::on(TRAINING);
        let why = trained.why("row,age,town,smokes\n1,2,Ulm,no\n2,old,Ulm,no\n");
        assert!(
            why.ends_with("row 2, column \"age\": \"old\" stands where the training had numbers"),
            "{why}"
        );
        let why = trained.why("row,age,town,smokes\n1,1e300,Ulm,no\n");
        assert!(why.ends_with("row 1, column \"age\": the number is too large"), "{why}");
        assert!(trained.why("row,age,town,smokes\n").ends_with("it has no rows"));
        let why = trained.open_with(TRAINING, Some("sick")).unwrap_err().to_string();
        assert!(why.contains("there is no column \"sick\"; there are row, age"), "{why}");
        for (name, found) in [("a.png", "an image"), ("a.doc", "of another format, by its ending")] {
            let file = trained.dir.path().join(name);
            std::fs::write(&file, "").unwrap();
            let error = NewData::open(&file, trained.data.preparation().unwrap(), &[], None).unwrap_err();
            assert!(
                matches!(&error, DatasetError::OtherKind { found: said, .. } if *said == found),
                "{error}"
            );
        }
    }

    #[test]
    fn another_label_columns_without_names_and_a_single_column() {
        let trained = Trained::on(TRAINING);
        let data = trained.open_with("row,age,town,smokes,truth\n1,2,Ulm,no,y\n", Some("truth")).unwrap();
        assert_eq!(data.labels(), [Some("y".to_owned())]);
        let unnamed = Trained::on("5.1,3.5,a\n4.9,3.0,b\n5.0,3.1,a\n");
        for text in ["5.1,3.5\n", "5.1,3.5\n4.9,3.0\n", "column 2,column 1\n3.5,5.1\n"] {
            let data = unnamed.open(text);
            assert_eq!(data.examples(0..1).unwrap().row(0), unnamed.data.x().row(0), "{text}");
        }
        let namesakes = Trained::on("a,b,a,class\n1,5,10,x\n2,6,20,y\n1,7,30,x\n");
        let data = namesakes.open("b,a,a\n5,1,10\n");
        assert_eq!(data.examples(0..1).unwrap().row(0), namesakes.data.x().row(0));
        let note = "several columns are called \"a\": they are told apart by their order, as in training";
        assert!(data.notes().iter().any(|given| given == note), "{:?}", data.notes());
        let single = Trained::on("a,class\n1,x\n2,y\n1,x\n");
        assert_eq!(single.open("a\n1\n").examples(0..1).unwrap()[[0, 0]], 1.0);
    }
}
