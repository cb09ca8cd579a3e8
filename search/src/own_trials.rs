//! `OwnTrials`: what a new task has tried itself.

use std::collections::HashSet;

use heirloom_kb::{Architecture, Name};

use crate::pool::Pool;
use crate::space_history::SpaceHistory;

/// Own trials that the Gaussian process is conditioned on; its cost grows with their cube.
const CONDITIONED: usize = 256;
/// So many of them are the best. Were they half, those of thousands of noisy trials would lie in a heap at the top, and the
/// median that is told from them far from the task's.
const BEST: usize = CONDITIONED / 8;

/// What a task has tried itself: canonical architectures and their scores, higher is better.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnTrials {
    architectures: Vec<Architecture>,
    scores: Vec<Option<f64>>,
}

impl OwnTrials {
    /// The trials that the base has of a task, unless the task is excluded or they leave nothing to try; the latter
    /// makes a note.
    pub(crate) fn of_task(
        history: &SpaceHistory,
        task: &Name,
        exclude_tasks: &[Name],
        pool: &Pool,
        notes: &mut Vec<String>,
    ) -> Self {
        if exclude_tasks.contains(task) {
            return OwnTrials::default();
        }
        let Some(scores) = history.scores(task) else { return OwnTrials::default() };
        let table = history.table();
        let counting: Vec<usize> = (0..scores.rows.len()).filter(|at| !scores.partial[*at]).collect();
        let tried: HashSet<usize> = counting.iter().map(|at| scores.rows[*at]).collect();
        let all = pool
            .architectures
            .iter()
            .all(|candidate| table.row(candidate).is_some_and(|row| tried.contains(&row)));
        if all {
            let n = pool.architectures.len();
            notes.push(format!(
                "all {n} candidates have been tried on {task} already; the answer is what a new task would get, \
                 from the other tasks alone, but that its own trials say what they cost"
            ));
            return OwnTrials::default();
        }
        OwnTrials {
            architectures: counting.iter().map(|at| table.architectures().at(scores.rows[*at])).collect(),
            scores: counting.iter().map(|at| scores.scores[*at]).collect(),
        }
    }

    pub(crate) fn push(&mut self, architecture: Architecture, score: Option<f64>) {
        self.architectures.push(architecture);
        self.scores.push(score);
    }

    pub(crate) fn len(&self) -> usize {
        self.scores.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    pub(crate) fn architectures(&self) -> &[Architecture] {
        &self.architectures
    }

    /// Higher is better, `None` for a failed trial.
    pub(crate) fn scores(&self) -> &[Option<f64>] {
        &self.scores
    }

    /// Architectures and scores, the worst first and the failed before them.
    pub(crate) fn best_last(&self) -> Vec<(Architecture, Option<f64>)> {
        let trials = self.architectures.iter().cloned().zip(self.scores.iter().copied());
        let mut trials: Vec<_> = trials.collect();
        let worth = |score: Option<f64>| score.unwrap_or(f64::NEG_INFINITY);
        trials.sort_by(|a, b| worth(a.1).total_cmp(&worth(b.1)));
        trials
    }

    /// The `n` best, best first; among equals the latest.
    pub(crate) fn best(&self, n: usize) -> Vec<Architecture> {
        let worth = |at: usize| self.scores[at].unwrap_or(f64::NEG_INFINITY);
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_unstable_by(|a, b| worth(*b).total_cmp(&worth(*a)).then(b.cmp(a)));
        order.iter().take(n).map(|at| self.architectures[*at].clone()).collect()
    }

    /// The architectures at these positions.
    pub(crate) fn select(&self, positions: &[usize]) -> Vec<Architecture> {
        positions.iter().map(|at| self.architectures[*at].clone()).collect()
    }

    /// The scores at these positions.
    pub(crate) fn scores_of(&self, positions: &[usize]) -> Vec<Option<f64>> {
        positions.iter().map(|at| self.scores[*at]).collect()
    }

    /// The architectures at these positions that have a score, each with its place on the normalised scale.
    pub(crate) fn scored(&self, positions: &[usize], z: &[f64]) -> Vec<(Architecture, f64)> {
        let all = positions.iter().zip(z).filter(|(at, _)| self.scores[**at].is_some());
        all.map(|(at, z)| (self.architectures[*at].clone(), *z)).collect()
    }

    /// Positions of the trials that a posterior is conditioned on, as they came: all, or the best few and an even spread of the others
    /// by score. As they came, for a kernel is tuned on the first, which are to be like the rest: the best alone look as if there were no
    /// noise, and so the scores of all others as if they lay at the bottom.
    pub(crate) fn telling(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        if order.len() <= CONDITIONED {
            return order;
        }
        let key = |at: &usize| self.scores[*at].unwrap_or(f64::NEG_INFINITY);
        order.sort_by(|a, b| key(b).total_cmp(&key(a)).then(a.cmp(b)));
        let (best, rest) = order.split_at(BEST);
        let spread = CONDITIONED - BEST;
        let spread = (0..spread).map(|at| rest[at * rest.len() / spread]);
        let mut telling: Vec<usize> = best.iter().copied().chain(spread).collect();
        telling.sort_unstable();
        telling
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_the_last_of_those_in_order() {
        let mut own = OwnTrials::default();
        for (at, score) in
            [Some(2.0), None, Some(5.0), Some(2.0), Some(-1.0), None, Some(5.0)].into_iter().enumerate()
        {
            own.push([("a", at as i64)].into_iter().collect(), score);
        }
        let all: Vec<Architecture> = own.best_last().into_iter().rev().map(|(one, _)| one).collect();
        for n in 0..9 {
            assert_eq!(own.best(n), all[..n.min(7)]);
        }
    }

    #[test]
    fn of_many_trials_those_tell_that_are_like_all_and_the_best() {
        let mut own = OwnTrials::default();
        let score = |at: i64| (at * 611 % 1000) as f64;
        (0..1000).for_each(|at| own.push([("a", at)].into_iter().collect(), Some(score(at))));
        let telling = own.telling();
        assert_eq!(telling.len(), CONDITIONED);
        assert!(telling.windows(2).all(|pair| pair[0] < pair[1]), "as they came, each once");
        let scores: Vec<f64> = own.scores_of(&telling).into_iter().flatten().collect();
        assert!((990..1000).all(|best| scores.contains(&f64::from(best))));
        let median = |mut scores: Vec<f64>| {
            scores.sort_by(f64::total_cmp);
            scores[scores.len() / 2]
        };
        assert!((median(scores.clone()) - 500.0).abs() < 100.0, "{}", median(scores));
        // What a kernel is tuned on.
        let first = median(scores[..96].to_vec());
        assert!((first - 500.0).abs() < 150.0, "{first}");
    }
}
