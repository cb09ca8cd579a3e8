//! Which examples weights were fitted on, and whether a new task keeps them back.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use heirloom_datasets::{Dataset, Splits};
use heirloom_kb::{Json, Trial};

/// The field of a trial with a sample of the examples that its weights were fitted on: their marks in hexadecimal, eight digits each.
const FITTED_FIELD: &str = "fitted_on";
/// The field with the fingerprint of a trial's data.
pub(super) const DATA_FIELD: &str = "data";
/// Examples in a sample: those of the smallest marks, so that the sample of two sets together follows from theirs.
const SAMPLED: usize = 64;
/// Weights are left alone if a larger share of what they were fitted on is kept back here, and more than one example: two tasks may
/// have a blank picture in common.
const MOST_SHARED: f64 = 0.05;

/// A sample of examples, by their marks.
///
/// *Source*: bottom-k sketches, Cohen and Kaplan 2007 (doi:10.1145/1281100.1281133).
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct FittedRows(BTreeSet<u32>);

impl FittedRows {
    /// Of these rows of a data set.
    pub(super) fn of(dataset: &Dataset, rows: &[usize]) -> Self {
        FittedRows::smallest(rows.iter().map(|row| dataset.row_mark(*row)).collect())
    }

    /// What a trial says; nothing where it says nothing.
    pub(super) fn of_trial(trial: &Trial) -> Self {
        let text = trial.extra.get(FITTED_FIELD).and_then(Json::as_str).unwrap_or_default();
        let marks =
            (0..text.len() / 8).filter_map(|at| u32::from_str_radix(text.get(8 * at..8 * at + 8)?, 16).ok());
        FittedRows(marks.collect())
    }

    fn smallest(marks: BTreeSet<u32>) -> Self {
        FittedRows(marks.into_iter().take(SAMPLED).collect())
    }

    /// The sample of what either is of: weights that were inherited have seen what their source has.
    pub(super) fn and(self, other: &FittedRows) -> Self {
        FittedRows::smallest(self.0.union(&other.0).copied().collect())
    }

    /// Writes it into a trial.
    pub(super) fn note(&self, trial: &mut Trial) {
        let text: String = self.0.iter().map(|mark| format!("{mark:08x}")).collect();
        trial.extra.insert(FITTED_FIELD.into(), text.into());
    }

    /// The share that is kept back, unless it is so small that it may be chance.
    fn shared(&self, kept_back: &HashSet<u32>) -> Option<f64> {
        let shared = self.0.iter().filter(|mark| kept_back.contains(mark)).count();
        let share = shared as f64 / self.0.len().max(1) as f64;
        (shared > 1 && share > MOST_SHARED).then_some(share)
    }
}

/// Takes the sources out of a list whose weights have been fitted on examples that a data set keeps back to choose on and for the
/// end: a score with them would be one of memory. Why, by trial. Weights of the same data have been fitted on the same part.
pub(super) fn leave_out_knowing(
    sources: &mut Vec<Trial>,
    dataset: &Dataset,
    fingerprint: &str,
    splits: &Splits,
) -> BTreeMap<String, String> {
    let mut left_out = BTreeMap::new();
    if sources.is_empty() {
        return left_out;
    }
    let kept_back: HashSet<u32> =
        splits.validation.iter().chain(&splits.test).map(|row| dataset.row_mark(*row)).collect();
    sources.retain(|source| {
        let same = source.extra.get(DATA_FIELD).and_then(Json::as_str) == Some(fingerprint);
        let shared = FittedRows::of_trial(source).shared(&kept_back).filter(|_| !same);
        let Some(share) = shared else { return true };
        let why = format!(
            "{:.0} % of what its weights were fitted on are examples that {} keeps back for validation and test",
            100.0 * share,
            dataset.name()
        );
        tracing::warn!(trial = %source.id(), task = %source.task, why, "these weights are not inherited");
        left_out.insert(source.id().to_string(), why);
        false
    });
    left_out
}

#[cfg(test)]
mod tests {
    use heirloom_kb::{Architecture, Domain, Split};
    use ndarray::Array2;

    use super::*;

    fn data(name: &str, rows: std::ops::Range<usize>) -> Dataset {
        let n = rows.len();
        let x = Array2::from_shape_fn((n, 2), |(row, column)| ((rows.start + row) * (column + 1)) as f32);
        let y = (0..n).map(|row| row % 2).collect();
        Dataset::new(name, Domain::Tabular, &[2], x, y, vec!["a".into(), "b".into()], "").unwrap()
    }

    /// A trial whose weights were fitted on the training part of a data set.
    fn source(dataset: &Dataset) -> Trial {
        let architecture: Architecture = [("a", 1)].into_iter().collect();
        let mut trial = Trial::new(dataset.name(), "s/1", architecture, Split::Validation, "accuracy", 0.5);
        trial.extra.insert(DATA_FIELD.into(), dataset.fingerprint().into());
        FittedRows::of(dataset, &Splits::new(dataset, 0).train).note(&mut trial);
        trial
    }

    #[test]
    fn weights_that_know_what_is_kept_back_are_left_out() {
        let new = data("new", 0..300);
        let (splits, fingerprint) = (Splits::new(&new, 0), new.fingerprint());
        let mut silent = source(&data("silent", 0..290));
        silent.extra.remove(FITTED_FIELD);
        // The same rows and some more, other rows, the very same data, and a trial that does not say.
        let all = [source(&data("more", 0..320)), source(&data("others", 300..600)), source(&new), silent];
        let mut sources = all.to_vec();
        let left_out = leave_out_knowing(&mut sources, &new, &fingerprint, &splits);
        assert_eq!(sources, all[1..]);
        let why = &left_out[&all[0].id().to_string()];
        assert!(left_out.len() == 1 && why.contains("new keeps back") && why.contains('%'), "{why}");
    }

    #[test]
    fn a_sample_of_two_sets_is_that_of_both_together() {
        let (a, b) = (data("a", 0..200), data("b", 150..500));
        let all = data("all", 0..500);
        let of = |data: &Dataset| FittedRows::of(data, &(0..data.n()).collect::<Vec<_>>());
        assert_eq!(of(&a).and(&of(&b)), of(&all));
        let mut trial = source(&a);
        of(&all).note(&mut trial);
        assert_eq!(FittedRows::of_trial(&trial), of(&all));
        assert_eq!(of(&all).0.len(), SAMPLED);
    }
}
