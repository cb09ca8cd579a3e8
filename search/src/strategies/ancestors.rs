//! `Ancestors`: what did best on past tasks.

use heirloom_kb::Architecture;
use rand::seq::SliceRandom;

use crate::space_history::SpaceHistory;

/// More than a search ever starts from.
const MOST: usize = 1_024;

/// Architectures that did best on past tasks, best first.
///
/// What counts is the sum of an architecture's normalised scores over the past tasks that measured it, divided by one
/// more than their number: a good mean that rests on several tasks comes before the same mean on one. Where no
/// architecture was measured twice, the best of each task come first, then the second best.
pub(super) struct Ancestors(Vec<Architecture>);

impl Ancestors {
    /// Of the past tasks in the columns `past`; equals come in an order drawn at random.
    pub(super) fn new(history: &SpaceHistory, past: &[usize], rng: &mut impl rand::Rng) -> Self {
        let table = history.table();
        let mut sums = vec![(0.0, 1.0); table.architectures().len()];
        for scores in past.iter().map(|at| &table.tasks()[*at]) {
            for (row, z) in scores.rows.iter().zip(&scores.z) {
                sums[*row] = (sums[*row].0 + z, sums[*row].1 + 1.0);
            }
        }
        let mut order: Vec<usize> = (0..sums.len()).filter(|row| sums[*row].1 > 1.0).collect();
        order.shuffle(rng);
        let pooled = |row: &usize| sums[*row].0 / sums[*row].1;
        order.sort_by(|a, b| pooled(b).total_cmp(&pooled(a)));
        order.truncate(MOST);
        Ancestors(order.into_iter().map(|row| table.architectures().at(row)).collect())
    }

    pub(super) fn best_first(&self) -> &[Architecture] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{history, trial};
    use super::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    fn names(past: &[usize]) -> Vec<String> {
        let trials = [
            trial("t", "a", 0, 3.0),
            trial("t", "b", 0, 2.0),
            trial("t", "c", 0, 1.0),
            trial("u", "b", 0, 9.0),
            trial("u", "c", 0, 8.0),
            trial("u", "d", 0, 7.0),
        ];
        let history = history(&trials);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
        let ancestors = Ancestors::new(&history, past, &mut rng);
        ancestors.best_first().iter().map(|a| a.text("op").unwrap_or("?").to_owned()).collect()
    }

    /// z is (z, 0, -z) on both: b has (0 + z) / 3, a has z / 2, c (-z + 0) / 3, d -z / 2.
    #[test]
    fn evidence_from_more_tasks_counts_more() {
        assert_eq!(names(&[0, 1]), ["a", "b", "c", "d"]);
        assert_eq!(names(&[1]), ["b", "c", "d"]);
        assert!(names(&[]).is_empty());
    }
}
