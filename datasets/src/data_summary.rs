//! `DataSummary`: how many examples a data set has, and where they go.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{Dataset, Splits};

/// Classes of fewer examples than this are not in every part.
const IN_EVERY_PART: usize = 3;
/// Classes that are named at most in a sentence.
const NAMED: usize = 3;

/// How many examples a data set has, and where they go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DataSummary {
    /// All examples.
    pub examples: usize,
    /// Those that networks are fitted on.
    pub fitted_on: usize,
    /// Those that are scored on while one searches.
    pub chosen_on: usize,
    /// Those that only `--split test` looks at.
    pub kept_for_the_end: usize,
    /// Examples of each class.
    pub classes: BTreeMap<String, usize>,
}

impl DataSummary {
    /// Of a data set in these parts.
    #[must_use]
    pub fn of(dataset: &Dataset, splits: &Splits) -> Self {
        let mut counts = vec![0; dataset.n_classes()];
        dataset.y().iter().for_each(|class| counts[*class] += 1);
        DataSummary {
            examples: dataset.n(),
            fitted_on: splits.train.len(),
            chosen_on: splits.validation.len(),
            kept_for_the_end: splits.test.len(),
            classes: dataset.classes().iter().cloned().zip(counts).collect(),
        }
    }

    /// In a sentence, with the share of the largest class, which is what guessing scores, and classes that are too small.
    #[must_use]
    pub fn words(&self) -> String {
        let DataSummary { examples, fitted_on, chosen_on, kept_for_the_end, classes } = self;
        let mut words = format!(
            "data: {examples} examples of {} classes: {fitted_on} to fit on, {chosen_on} to choose on, {kept_for_the_end} kept for the end",
            classes.len()
        );
        if let Some((class, most)) = classes.iter().max_by_key(|(_, n)| **n) {
            words.push_str(&format!("; {:.0} % are {class:?}", 100.0 * *most as f64 / *examples as f64));
        }
        let small: Vec<String> = classes
            .iter()
            .filter(|(_, n)| **n < IN_EVERY_PART)
            .map(|(class, n)| format!("{class:?} ({n})"))
            .collect();
        if !small.is_empty() {
            let more = if small.len() > NAMED { ", …" } else { "" };
            let named = small[..small.len().min(NAMED)].join(", ");
            words.push_str(&format!("; too small to be in every part: {named}{more}"));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use heirloom_kb::Domain;
    use ndarray::Array2;

    use super::*;

    #[test]
    fn it_counts_parts_and_classes_and_names_what_is_too_small() {
        let y: Vec<usize> = (0..20).map(|row| usize::from(row >= 15) + usize::from(row == 19)).collect();
        let x = Array2::from_shape_fn((20, 2), |(row, column)| (row + column) as f32);
        let classes = vec!["a".into(), "b".into(), "c".into()];
        let data = Dataset::new("d", Domain::Tabular, &[2], x, y, classes, "").unwrap();
        let summary = DataSummary::of(&data, &Splits::new(&data, 0));
        assert_eq!(summary.fitted_on + summary.chosen_on + summary.kept_for_the_end, 20);
        assert_eq!((summary.classes["a"], summary.classes["b"], summary.classes["c"]), (15, 4, 1));
        let words = summary.words();
        assert!(words.starts_with("data: 20 examples of 3 classes: "), "{words}");
        assert!(words.ends_with("; 75 % are \"a\"; too small to be in every part: \"c\" (1)"), "{words}");
    }
}
