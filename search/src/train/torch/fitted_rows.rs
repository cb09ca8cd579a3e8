//! Which examples weights were fitted on, and whether a new task keeps them back.

use std::collections::BTreeMap;

use heirloom_datasets::{Dataset, RowTrace, RowTraces, Splits};
use heirloom_kb::{Json, Trial};

use crate::train::{INIT_FIELD, TrainError, WeightStore};

/// The field of a trial with the hash of the traces of some examples that its weights were fitted on; they lie beside its weights.
const FITTED_FIELD: &str = "fitted_rows";
/// The field in which earlier releases wrote the marks alone, in hexadecimal, eight digits each.
const MARKS_FIELD: &str = "fitted_on";
/// The ending of the files with traces.
const ENDING: &str = "rows.json";
/// The field with the fingerprint of a trial's data.
pub(super) const DATA_FIELD: &str = "data";
/// Examples in a sample: those of the smallest marks, so that the sample of two sets together follows from theirs.
const SAMPLED: usize = 64;
/// Weights are left alone if a larger share of what they were fitted on is kept back here, and more than one example: two tasks may
/// have a blank picture in common.
pub(super) const MOST_SHARED: f64 = 0.05;

/// A sample of examples, by their marks.
///
/// *Source*: bottom-k sketches, Cohen and Kaplan 2007 (doi:10.1145/1281100.1281133).
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct FittedRows(BTreeMap<u32, RowTrace>);

impl FittedRows {
    /// Of these rows of a data set.
    pub(super) fn of(dataset: &Dataset, rows: &[usize]) -> Self {
        let places: BTreeMap<u32, usize> = rows.iter().map(|row| (dataset.row_mark(*row), *row)).collect();
        let traces = RowTraces::of(dataset);
        let sampled = places.into_iter().take(SAMPLED);
        FittedRows(sampled.map(|(mark, row)| (mark, traces.trace(row))).collect())
    }

    /// What a trial says, with the file beside its weights; nothing where it says nothing.
    pub(super) fn of_trial(trial: &Trial, store: Option<&WeightStore>) -> Self {
        let text = |field| trial.extra.get(field).and_then(Json::as_str);
        if let Some((hash, store)) = text(FITTED_FIELD).zip(store) {
            match FittedRows::read(hash, store) {
                Ok(rows) => return rows,
                Err(error) => {
                    tracing::warn!(trial = %trial.id(), %error, "what it was fitted on is not known")
                }
            }
        }
        let text = text(MARKS_FIELD).unwrap_or_default();
        let marks =
            (0..text.len() / 8).filter_map(|at| u32::from_str_radix(text.get(8 * at..8 * at + 8)?, 16).ok());
        FittedRows::sampled(marks.map(|mark| RowTrace { mark, ..RowTrace::default() }))
    }

    fn read(hash: &str, store: &WeightStore) -> Result<Self, TrainError> {
        let traces: Vec<RowTrace> =
            serde_json::from_slice(&store.get_as(hash, ENDING)?).map_err(|error| TrainError::BadWeights {
                file: format!("{hash}.{ENDING}"),
                reason: error.to_string(),
            })?;
        Ok(FittedRows::sampled(traces))
    }

    fn sampled(traces: impl IntoIterator<Item = RowTrace>) -> Self {
        let all: BTreeMap<u32, RowTrace> = traces.into_iter().map(|trace| (trace.mark, trace)).collect();
        FittedRows(all.into_iter().take(SAMPLED).collect())
    }

    /// The sample of what either is of: weights that were inherited have seen what their source has.
    pub(super) fn and(self, other: &FittedRows) -> Self {
        FittedRows::sampled(other.0.values().cloned().chain(self.0.into_values()))
    }

    /// What weights of this hash were fitted on, if they are copies of kept ones.
    pub(super) fn of_copy(weights: &str, store: &WeightStore) -> Self {
        let fitted = store.fitted(weights).and_then(|fitted| FittedRows::read(&fitted, store).ok());
        fitted.unwrap_or_default()
    }

    /// Writes it into a trial and beside its weights, which are those of this hash.
    ///
    /// # Errors
    /// [`TrainError::File`]; the trial says nothing of it then.
    pub(super) fn note(
        &self,
        trial: &mut Trial,
        weights: &str,
        store: &WeightStore,
    ) -> Result<(), TrainError> {
        let traces: Vec<&RowTrace> = self.0.values().collect();
        let bytes = serde_json::to_vec(&traces).expect("a trace holds numbers");
        let fitted = store.put_as(&bytes, ENDING)?;
        store.put_fitted(weights, &fitted)?;
        trial.extra.insert(FITTED_FIELD.into(), fitted.into());
        Ok(())
    }

    /// How many of the examples of these marks it can tell of, and how many of those are among what it is of. All are told of where it is
    /// no sample; else those whose marks are as small as the sample's.
    pub(super) fn met(&self, marks: &[u32]) -> [usize; 2] {
        let last = self.0.keys().next_back().filter(|_| self.0.len() == SAMPLED);
        let told = |mark: &&u32| !self.0.is_empty() && last.is_none_or(|last| *mark <= last);
        let known = |mark: &&u32| self.0.contains_key(mark);
        [marks.iter().filter(told).count(), marks.iter().filter(known).count()]
    }

    /// The share of it that a data set keeps back, unless it is so small that it may be chance.
    pub(super) fn known_by(&self, dataset: &Dataset, splits: &Splits) -> Option<f64> {
        // To look at all rows takes a while.
        if self.0.is_empty() { None } else { self.shared(&RowTraces::of(dataset), &kept_back(splits)) }
    }

    /// The share of it that is among some rows of a data set, unless it is so small that it may be chance.
    pub(super) fn shared(&self, traces: &RowTraces<'_>, rows: &[usize]) -> Option<f64> {
        self.shared_but(traces, rows, &[])
    }

    /// The same without what is among `others` too: of one data set rows may be alike across its parts.
    fn shared_but(&self, traces: &RowTraces<'_>, rows: &[usize], others: &[usize]) -> Option<f64> {
        let own: Vec<RowTrace> = self.0.values().cloned().collect();
        let (known, elsewhere) = (traces.recognised(&own, rows), traces.recognised(&own, others));
        let shared =
            known.iter().zip(&elsewhere).filter(|(known, elsewhere)| **known && !**elsewhere).count();
        let share = shared as f64 / own.len().max(1) as f64;
        (shared > 1 && share > MOST_SHARED).then_some(share)
    }
}

/// What a data set keeps back to choose on and for the end.
pub(super) fn kept_back(splits: &Splits) -> Vec<usize> {
    [&splits.validation[..], &splits.test].concat()
}

/// Takes the sources out of a list whose weights have been fitted on examples that a data set keeps back to choose on and for the
/// end: a score with them would be one of memory. Why, by trial. Weights of the same data have been fitted on the same part, unless they
/// started from a file.
pub(super) fn leave_out_knowing(
    sources: &mut Vec<Trial>,
    store: Option<&WeightStore>,
    dataset: &Dataset,
    fingerprint: &str,
    splits: &Splits,
) -> BTreeMap<String, String> {
    let mut left_out = BTreeMap::new();
    let is_same = |source: &Trial| source.extra.get(DATA_FIELD).and_then(Json::as_str) == Some(fingerprint);
    let is_known = |source: &Trial| is_same(source) && !source.extra.contains_key(INIT_FIELD);
    if sources.iter().all(is_known) {
        return left_out;
    }
    let (traces, kept_back) = (RowTraces::of(dataset), kept_back(splits));
    sources.retain(|source| {
        if is_known(source) {
            return true;
        }
        let fitted = FittedRows::of_trial(source, store);
        let own_part = if is_same(source) { &splits.train[..] } else { &[] };
        let Some(share) = fitted.shared_but(&traces, &kept_back, own_part) else { return true };
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
    use rand::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    fn data(name: &str, rows: std::ops::Range<usize>) -> Dataset {
        scaled(name, rows, 1.0)
    }

    /// Some rows of a table of five columns of chance, the last one scaled.
    fn scaled(name: &str, rows: std::ops::Range<usize>, by: f32) -> Dataset {
        let value = |row: usize, column: usize| {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64((5 * row + column) as u64);
            rng.r#gen::<f32>() * if column == 4 { by } else { 1.0 }
        };
        let x = Array2::from_shape_fn((rows.len(), 5), |(row, column)| value(rows.start + row, column));
        let y = (0..rows.len()).map(|row| row % 2).collect();
        Dataset::new(name, Domain::Tabular, &[5], x, y, vec!["a".into(), "b".into()], "").unwrap()
    }

    /// A trial whose weights were fitted on the training part of a data set.
    fn source(dataset: &Dataset, store: &WeightStore) -> Trial {
        let architecture: Architecture = [("a", 1)].into_iter().collect();
        let mut trial = Trial::new(dataset.name(), "s/1", architecture, Split::Validation, "accuracy", 0.5);
        trial.extra.insert(DATA_FIELD.into(), dataset.fingerprint().into());
        FittedRows::of(dataset, &Splits::new(dataset, 0).train).note(&mut trial, "w", store).unwrap();
        trial
    }

    #[test]
    fn weights_that_know_what_is_kept_back_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let store = WeightStore::new(dir.path());
        let source = |dataset: &Dataset| source(dataset, &store);
        let new = data("new", 0..300);
        let (splits, fingerprint) = (Splits::new(&new, 0), new.fingerprint());
        let mut silent = source(&data("silent", 0..290));
        silent.extra.remove(FITTED_FIELD);
        // As earlier releases wrote it.
        let mut earlier = silent.clone();
        let marks: String = (0..80).map(|row| format!("{:08x}", new.row_mark(row))).collect();
        earlier.task = "earlier".into();
        earlier.extra.insert(MARKS_FIELD.into(), marks.into());
        // The same rows and some more, with another column; other rows, the very same data, and a trial that does not say.
        let knowing = [source(&data("more", 0..320)), source(&scaled("scaled", 0..320, 1e3)), earlier];
        let others = [source(&data("others", 300..600)), source(&new), silent];
        let mut sources = [&knowing[..], &others].concat();
        let left_out = leave_out_knowing(&mut sources, Some(&store), &new, &fingerprint, &splits);
        assert_eq!(sources, others);
        for trial in &knowing {
            let why = &left_out[&trial.id().to_string()];
            assert!(why.contains("new keeps back") && why.contains('%'), "{why}");
        }
        assert_eq!(left_out.len(), knowing.len());
    }

    #[test]
    fn a_sample_of_two_sets_is_that_of_both_together() {
        let dir = tempfile::tempdir().unwrap();
        let store = WeightStore::new(dir.path());
        let (a, b) = (data("a", 0..200), data("b", 150..500));
        let all = data("all", 0..500);
        let of = |data: &Dataset| FittedRows::of(data, &(0..data.n()).collect::<Vec<_>>());
        let marks = |rows: &FittedRows| rows.0.keys().copied().collect::<Vec<_>>();
        assert_eq!(marks(&of(&a).and(&of(&b))), marks(&of(&all)));
        let mut trial = source(&a, &store);
        of(&all).note(&mut trial, "w", &store).unwrap();
        assert_eq!(FittedRows::of_copy("w", &store), of(&all));
        assert_eq!(FittedRows::of_copy("other", &store), FittedRows::default());
        assert_eq!(FittedRows::of_trial(&trial, Some(&store)), of(&all));
        assert_eq!(of(&all).0.len(), SAMPLED);
    }
}
