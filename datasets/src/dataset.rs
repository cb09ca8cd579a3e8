//! `Dataset`: examples and their classes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use heirloom_kb::{Domain, Goal, Name, Task};
use ndarray::{Array2, ArrayView1};

use crate::row_traces::mark_of;
use crate::{DatasetError, Preparation, meta_features};

/// Examples of one shape, each of one class.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    name: String,
    domain: Domain,
    shape: Vec<usize>,
    x: Array2<f32>,
    y: Vec<usize>,
    classes: Vec<String>,
    source: String,
    official_test: Option<Vec<usize>>,
    official_validation: Option<Vec<usize>>,
    notes: Vec<String>,
    preparation: Option<Preparation>,
    raw_marks: Option<Vec<u32>>,
    /// Worked out when first asked for.
    meta_features: Once<BTreeMap<Name, f64>>,
}

/// Something derived from the rest, which therefore does not count when two are compared.
#[derive(Clone, Debug, Default)]
struct Once<T>(OnceLock<T>);

impl<T> PartialEq for Once<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What an example of these values is known by, `(product of its shape,)`: see [`Dataset::row_mark`].
#[must_use]
pub fn value_mark(values: ArrayView1<'_, f32>) -> u32 {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    mark_of(&bytes)
}

impl Dataset {
    /// A data set. `shape` is that of one example: `[channels, height, width]` or `[features]`.
    ///
    /// # Shapes
    /// `x` is `(n, product of shape)`, `y` is `(n,)` with positions in `classes`.
    ///
    /// # Errors
    /// [`DatasetError::Bad`] when lengths disagree, a label is out of range or a value is not finite.
    pub fn new(
        name: &str,
        domain: Domain,
        shape: &[usize],
        x: Array2<f32>,
        y: Vec<usize>,
        classes: Vec<String>,
        source: &str,
    ) -> Result<Self, DatasetError> {
        let bad = |reason: String| Err(DatasetError::Bad { name: name.to_owned(), reason });
        let width: usize = shape.iter().product();
        if x.ncols() != width || width == 0 {
            return bad(format!("examples of {} values do not have the shape {shape:?}", x.ncols()));
        }
        if x.nrows() != y.len() || y.is_empty() {
            return bad(format!("there are {} examples and {} labels", x.nrows(), y.len()));
        }
        if let Some((row, label)) = y.iter().enumerate().find(|(_, label)| **label >= classes.len()) {
            return bad(format!("row {row} has the label {label}, there are {} classes", classes.len()));
        }
        if let Some(((row, column), value)) = x.indexed_iter().find(|(_, value)| !value.is_finite()) {
            return bad(format!("row {row}, column {column} is {value}"));
        }
        Ok(Dataset {
            name: name.to_owned(),
            domain,
            shape: shape.to_vec(),
            x,
            y,
            classes,
            source: source.to_owned(),
            official_test: None,
            official_validation: None,
            notes: Vec::new(),
            preparation: None,
            raw_marks: None,
            meta_features: Once::default(),
        })
    }

    /// The same data set with these rows as the test part that its makers set aside. Rows that do not exist are passed over.
    #[must_use]
    pub fn with_official_test(mut self, rows: impl IntoIterator<Item = usize>) -> Self {
        self.official_test = Some(self.sorted(rows));
        self.meta_features = Once::default();
        self
    }

    /// The same data set with these rows as the validation part that its makers set aside. Rows of their test part, and rows
    /// that do not exist, are passed over.
    #[must_use]
    pub fn with_official_validation(mut self, rows: impl IntoIterator<Item = usize>) -> Self {
        self.official_validation = Some(self.sorted(rows));
        self.meta_features = Once::default();
        self
    }

    fn sorted(&self, rows: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let rows: BTreeSet<usize> = rows.into_iter().filter(|row| *row < self.n()).collect();
        rows.into_iter().collect()
    }

    /// The same data set with these remarks on how it was read.
    #[must_use]
    pub(crate) fn with_notes(mut self, notes: Vec<String>) -> Self {
        self.notes = notes;
        self
    }

    /// The same data set, made of raw data like this.
    #[must_use]
    pub(crate) fn prepared(mut self, preparation: Option<Preparation>) -> Self {
        self.preparation = preparation;
        self
    }

    /// The same data set, of whose examples these are the marks as their files have them, `(n,)`.
    #[must_use]
    pub(crate) fn with_raw_marks(mut self, marks: Option<Vec<u32>>) -> Self {
        self.raw_marks = marks.filter(|marks| marks.len() == self.n());
        self
    }

    /// Refuses data of one class: there is nothing to tell apart.
    pub(crate) fn of_several_classes(self) -> Result<Self, DatasetError> {
        match self.y.iter().find(|class| **class != self.y[0]) {
            Some(_) => Ok(self),
            None => {
                let class = self.classes[self.y[0]].clone();
                Err(DatasetError::OneClass { place: self.source, class })
            }
        }
    }

    /// The same data set under another name.
    #[must_use]
    pub fn with_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// The task's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the data are.
    #[must_use]
    pub fn domain(&self) -> Domain {
        self.domain
    }

    /// The shape of one example.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The examples, `(n, product of shape)`.
    #[must_use]
    pub fn x(&self) -> &Array2<f32> {
        &self.x
    }

    /// The classes of the examples, `(n,)`.
    #[must_use]
    pub fn y(&self) -> &[usize] {
        &self.y
    }

    /// The classes' names.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Where the data come from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The rows that the makers set aside for testing, ascending.
    #[must_use]
    pub fn official_test(&self) -> Option<&[usize]> {
        self.official_test.as_deref()
    }

    /// The rows that the makers set aside for validation, ascending.
    #[must_use]
    pub fn official_validation(&self) -> Option<&[usize]> {
        self.official_validation.as_deref()
    }

    /// What is to be known of how it was read: columns that were left out, and why.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// How examples were made of raw data, where the loader says so.
    #[must_use]
    pub fn preparation(&self) -> Option<&Preparation> {
        self.preparation.as_ref()
    }

    /// The number of examples.
    #[must_use]
    pub fn n(&self) -> usize {
        self.y.len()
    }

    /// The number of classes.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.classes.len()
    }

    /// A BLAKE3 hash of shape, values and labels, in hexadecimal: the same data have the same.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for side in &self.shape {
            hasher.update(&(*side as u64).to_le_bytes());
        }
        for row in self.x.rows() {
            let bytes: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
            hasher.update(&bytes);
        }
        for label in &self.y {
            hasher.update(&(*label as u64).to_le_bytes());
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }

    /// What an example is known by, its class not counted: 32 bits of the BLAKE3 hash of its values.
    #[must_use]
    pub fn row_mark(&self, row: usize) -> u32 {
        value_mark(self.x.row(row))
    }

    /// What an example is known by as its file has it, before it was brought to the shape that all get; nothing where the
    /// loader does not change it.
    #[must_use]
    pub fn raw_mark(&self, row: usize) -> Option<u32> {
        self.raw_marks.as_ref().map(|marks| marks[row])
    }

    /// What [`meta_features`] says of the data, worked out once.
    #[must_use]
    pub fn meta_features(&self) -> &BTreeMap<Name, f64> {
        self.meta_features.0.get_or_init(|| meta_features(self))
    }

    /// The task of telling the classes apart, scored by accuracy.
    #[must_use]
    pub fn task(&self) -> Task {
        let mut task = Task::new(self.name.as_str(), self.domain, "accuracy", Goal::Maximize);
        task.meta_features = self.meta_features().clone();
        task.source = Some(self.source.as_str().into());
        task
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn dataset(x: Array2<f32>, y: Vec<usize>) -> Result<Dataset, DatasetError> {
        Dataset::new("d", Domain::Tabular, &[2], x, y, vec!["a".into(), "b".into()], "here")
    }

    #[test]
    fn refusals_name_the_place() {
        let why = |result: Result<Dataset, DatasetError>| result.unwrap_err().to_string();
        assert_eq!(
            why(dataset(array![[1.0, 2.0]], vec![0, 1])),
            r#"data set "d": there are 1 examples and 2 labels"#
        );
        assert_eq!(
            why(dataset(array![[1.0, 2.0]], vec![2])),
            r#"data set "d": row 0 has the label 2, there are 2 classes"#
        );
        assert_eq!(why(dataset(array![[1.0, f32::NAN]], vec![0])), r#"data set "d": row 0, column 1 is NaN"#);
        assert!(why(dataset(array![[1.0]], vec![0])).contains("shape [2]"));
        assert!(why(dataset(Array2::zeros((0, 2)), vec![])).contains("0 examples"));
    }

    #[test]
    fn fingerprints_tell_data_apart() {
        let a = dataset(array![[1.0, 2.0]], vec![0]).unwrap();
        let b = dataset(array![[1.0, 2.0]], vec![1]).unwrap();
        assert_eq!(a.fingerprint(), a.clone().fingerprint());
        assert_ne!(a.fingerprint(), b.fingerprint());
        // Of examples their values count, wherever they stand.
        let more = dataset(array![[3.0, 2.0], [1.0, 2.0]], vec![0, 1]).unwrap();
        assert_eq!([a.row_mark(0), b.row_mark(0)], [more.row_mark(1); 2]);
        assert_ne!(more.row_mark(0), more.row_mark(1));
    }
}
