//! Rows cut into parts, each held out once.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Rows to fit on and rows to test on, each ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fold {
    pub(crate) train: Vec<usize>,
    pub(crate) test: Vec<usize>,
}

/// Cuts the rows below `n` into parts whose sizes differ by one at most, at random; fewer parts where there are fewer
/// rows. One row cannot be held out: then there is no fold.
pub(crate) fn folds(n: usize, parts: usize, seed: u64) -> Vec<Fold> {
    let parts = parts.min(n);
    if parts < 2 {
        return Vec::new();
    }
    let mut part_of: Vec<usize> = (0..n).map(|row| row % parts).collect();
    part_of.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
    let fold = |part: usize| {
        let (test, train) = (0..n).partition(|row| part_of[*row] == part);
        Fold { train, test }
    };
    (0..parts).map(fold).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_row_is_held_out_once(n in 0_usize..60, parts in 1_usize..8, seed in 0_u64..9) {
            let folds = folds(n, parts, seed);
            prop_assert_eq!(folds.is_empty(), n.min(parts) < 2);
            let mut held: Vec<usize> = folds.iter().flat_map(|fold| fold.test.clone()).collect();
            held.sort_unstable();
            prop_assert!(folds.is_empty() || held == (0..n).collect::<Vec<_>>());
            for fold in &folds {
                prop_assert_eq!(fold.train.len() + fold.test.len(), n);
                prop_assert!(fold.train.iter().all(|row| !fold.test.contains(row)));
                prop_assert!(fold.test.len().abs_diff(n / folds.len()) <= 1);
            }
        }
    }
}
