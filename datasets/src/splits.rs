//! `Splits`: which examples are for fitting, for choosing, and for the end.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::Dataset;

/// The rows of a data set in three parts, each with the classes in the proportions of the whole: 60 % to fit on, 20 % to
/// choose on, 20 % looked at once. Where the makers set a test part aside, that is it, and the rest is split 80 to 20; a
/// validation part of theirs is kept likewise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splits {
    /// To fit on.
    pub train: Vec<usize>,
    /// To choose on.
    pub validation: Vec<usize>,
    /// For the end.
    pub test: Vec<usize>,
}

impl Splits {
    /// The parts of a data set, fixed by the seed. A class of three examples or more is in every part.
    #[must_use]
    pub fn new(dataset: &Dataset, seed: u64) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let (official, chosen) = (dataset.official_test(), dataset.official_validation());
        let mut is_free = vec![true; dataset.n()];
        official.into_iter().chain(chosen).flatten().for_each(|row| is_free[*row] = false);
        let mut splits = Splits { train: Vec::new(), validation: Vec::new(), test: Vec::new() };
        for class in 0..dataset.n_classes() {
            let of_class = (0..dataset.n()).filter(|row| dataset.y()[*row] == class);
            let mut rows: Vec<usize> = of_class.filter(|row| is_free[*row]).collect();
            rows.shuffle(&mut rng);
            let test = if official.is_some() { 0 } else { part(rows.len()) };
            let validation = if chosen.is_some() { 0 } else { part(rows.len()) };
            splits.test.extend(rows.drain(..test));
            splits.validation.extend(rows.drain(..validation));
            splits.train.extend(rows);
        }
        splits.test.extend(official.into_iter().flatten());
        let in_test = |row: &&usize| official.is_some_and(|test| test.binary_search(row).is_ok());
        splits.validation.extend(chosen.into_iter().flatten().filter(|row| !in_test(row)));
        for rows in [&mut splits.train, &mut splits.validation, &mut splits.test] {
            rows.sort_unstable();
        }
        splits
    }
}

impl Splits {
    /// The first `share` of these rows of each class, in an order fixed by the rows: a smaller share is part of a larger one.
    /// A class with a row keeps one.
    #[must_use]
    pub fn share_of(&self, rows: &[usize], dataset: &Dataset, share: f64) -> Vec<usize> {
        if share >= 1.0 {
            return rows.to_vec();
        }
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(rows.len() as u64);
        let mut kept = Vec::new();
        for class in 0..dataset.n_classes() {
            let mut of_class: Vec<usize> =
                rows.iter().copied().filter(|row| dataset.y()[*row] == class).collect();
            of_class.shuffle(&mut rng);
            let n = (of_class.len() as f64 * share).round().max(1.0) as usize;
            kept.extend(of_class.into_iter().take(n));
        }
        kept.sort_unstable();
        kept
    }
}

/// A fifth, rounded, but one as soon as three parts can have one each.
fn part(n: usize) -> usize {
    if n < 3 { 0 } else { ((n as f64 / 5.0).round() as usize).max(1) }
}

#[cfg(test)]
mod tests {
    use heirloom_kb::Domain;
    use ndarray::Array2;
    use proptest::prelude::*;

    use super::*;

    fn dataset(y: Vec<usize>) -> Dataset {
        let x = Array2::zeros((y.len(), 1));
        Dataset::new("d", Domain::Tabular, &[1], x, y, (0..4).map(|c| c.to_string()).collect(), "").unwrap()
    }

    proptest! {
        #[test]
        fn parts_are_disjoint_complete_and_stratified(y in proptest::collection::vec(0_usize..4, 1..120), seed in any::<u64>()) {
            let data = dataset(y.clone());
            let splits = Splits::new(&data, seed);
            let mut all = [splits.train.clone(), splits.validation.clone(), splits.test.clone()].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..y.len()).collect::<Vec<_>>());
            for class in 0..4 {
                let count = |rows: &[usize]| rows.iter().filter(|row| y[**row] == class).count() as f64;
                let n = y.iter().filter(|label| **label == class).count() as f64;
                for rows in [&splits.validation, &splits.test] {
                    prop_assert!((count(rows) - n / 5.0).abs() <= 1.0);
                    prop_assert!(n < 3.0 || count(rows) >= 1.0);
                }
                prop_assert!(n < 1.0 || count(&splits.train) >= 1.0);
            }
            prop_assert_eq!(Splits::new(&data, seed), splits);
        }
    }

    #[test]
    fn a_share_is_of_all_classes_and_part_of_a_larger_one() {
        let data = dataset([0, 0, 0, 1].repeat(50));
        let splits = Splits::new(&data, 0);
        let share = |share| splits.share_of(&splits.train, &data, share);
        let (tenth, half) = (share(0.1), share(0.5));
        assert_eq!((tenth.len(), half.len()), (12, 60));
        assert!(
            tenth.iter().all(|row| half.contains(row)) && half.iter().all(|row| splits.train.contains(row))
        );
        assert_eq!(tenth.iter().filter(|row| data.y()[**row] == 1).count(), 3);
        assert_eq!(share(1.0), splits.train);
        assert_eq!(share(1e-9).len(), 2);
    }

    #[test]
    fn an_official_test_part_is_kept() {
        let data = dataset([0, 1].repeat(50)).with_official_test(80..100);
        let splits = Splits::new(&data, 0);
        assert_eq!(splits.test, (80..100).collect::<Vec<_>>());
        assert_eq!((splits.train.len(), splits.validation.len()), (64, 16));
    }

    #[test]
    fn an_official_validation_part_is_kept_but_for_rows_of_the_test_part() {
        let data =
            dataset([0, 1].repeat(50)).with_official_validation([3, 90, 1]).with_official_test(80..100);
        let splits = Splits::new(&data, 0);
        assert_eq!((splits.validation, splits.test.len(), splits.train.len()), (vec![1, 3], 20, 78));
        let alone = Splits::new(&dataset([0, 1].repeat(50)).with_official_validation([3, 1]), 0);
        assert_eq!((alone.validation, alone.test.len(), alone.train.len()), (vec![1, 3], 20, 78));
    }
}
