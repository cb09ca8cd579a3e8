//! `Asha`: asynchronous successive halving.

use std::collections::BTreeSet;

use super::Decision;
use super::rungs::{Rungs, crossed, levels};

/// Asynchronous successive halving: at `min`, `min eta`, `min eta^2`, … epochs a trial goes on if it is among the best
/// `1 / eta` that have come so far. It has two variants. *Stopping* ([`Asha::report`]) decides at once, so nothing needs to
/// be paused; *promotion* ([`Asha::next_job`], the paper's) pauses every trial at its rung and takes up the best again.
/// One object serves one of them.
///
/// *Source*: Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2018 (arXiv:1810.05934), algorithm 2;
/// the stopping variant decides as trials come, ties in the trial's favour, and lets the first `eta - 1` of a rung pass.
#[derive(Clone, Debug)]
pub struct Asha {
    rungs: Rungs,
    max: u32,
    eta: u32,
    /// Trials promoted out of each rung.
    promoted: Vec<BTreeSet<u64>>,
}

/// A piece of work of the promotion variant: a paused trial to be trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// The trial.
    pub trial: u64,
    /// Epochs it has been trained for.
    pub from: u32,
    /// Epochs it is to be trained to.
    pub to: u32,
}

impl Asha {
    /// Rungs at `min`, `min eta`, … below `max` epochs.
    #[must_use]
    pub fn new(min: u32, max: u32, eta: u32) -> Self {
        let rungs = Rungs::new(levels(min, max, eta));
        Asha { promoted: vec![BTreeSet::new(); rungs.levels.len()], rungs, max, eta }
    }

    /// Stopping variant: a trial's score at `step` epochs, higher is better, its report before having been at `before`
    /// (0 for none).
    pub fn report(&mut self, trial: u64, before: u32, step: u32, score: f64) -> Decision {
        let Some(rung) = crossed(&self.rungs.levels, before, step) else {
            return Decision::go_on("between two rungs");
        };
        let standing = self.rungs.enter(rung, trial, score);
        let level = self.rungs.levels[rung];
        let why = standing.why(self.eta, &format!("at {level} epochs"));
        Decision::when(!standing.survives(self.eta), why)
    }

    /// Promotion variant: a trial has been trained to a rung and is paused there; `step` is the rung's.
    ///
    /// A step that is no rung's is the end of a trial and changes nothing.
    pub fn paused(&mut self, trial: u64, step: u32, score: f64) {
        if let Some(rung) = self.rungs.levels.iter().position(|level| *level == step) {
            self.rungs.enter(rung, trial, score);
        }
    }

    /// Promotion variant: the paused trial to be trained on, of the highest rung that has one among its best `1 / eta`;
    /// absent when a new trial is to be started, to [`Asha::first_rung`] epochs.
    pub fn next_job(&mut self) -> Option<Job> {
        for rung in (0..self.rungs.levels.len()).rev() {
            let mut order = self.rungs.scores[rung].clone();
            // The earlier of equals comes first.
            order.sort_by(|a, b| b.1.total_cmp(&a.1));
            let best = order.iter().take(order.len() / self.eta as usize);
            let Some((trial, _)) = best.into_iter().find(|(trial, _)| !self.promoted[rung].contains(trial))
            else {
                continue;
            };
            self.promoted[rung].insert(*trial);
            let to = self.rungs.levels.get(rung + 1).copied().unwrap_or(self.max);
            return Some(Job { trial: *trial, from: self.rungs.levels[rung], to });
        }
        None
    }

    /// Epochs that a new trial is trained for in the promotion variant.
    #[must_use]
    pub fn first_rung(&self) -> u32 {
        self.rungs.levels.first().copied().unwrap_or(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The jobs of a single worker over nine configurations, as (trial, epochs).
    fn jobs(scores: &[f64], max: u32) -> Vec<(u64, u32)> {
        let mut asha = Asha::new(1, max, 3);
        let mut done = Vec::new();
        let mut next = 0;
        loop {
            let (trial, to) = match asha.next_job() {
                Some(job) => (job.trial, job.to),
                None if next < scores.len() => {
                    next += 1;
                    (next as u64, asha.first_rung())
                }
                None => return done,
            };
            asha.paused(trial, to, scores[trial as usize - 1]);
            done.push((trial, to));
        }
    }

    /// The example of the paper: n = 9, r = 1, R = 9, eta = 3 give rungs of 9, 3 and 1 jobs of 1, 3 and 9 epochs. Of each
    /// three that come, the first, sixth and eighth are the best so far, and of these the eighth.
    #[test]
    fn promotion_follows_the_papers_example() {
        let scores = [0.7, 0.1, 0.2, 0.3, 0.4, 0.8, 0.5, 0.9, 0.6];
        let done = jobs(&scores, 9);
        let at = |epochs| done.iter().filter(|job| job.1 == epochs).map(|job| job.0).collect::<Vec<_>>();
        assert_eq!(at(1), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(at(3), [1, 6, 8]);
        assert_eq!(at(9), [8]);
        // A promotion does not wait for the rung to fill.
        assert_eq!(done[..4], [(1, 1), (2, 1), (3, 1), (1, 3)]);
        assert_eq!(jobs(&scores, 3).iter().filter(|job| job.1 == 3).count(), 3);
    }

    #[test]
    fn stopping_keeps_the_best_third_of_what_has_come() {
        let mut asha = Asha::new(1, 9, 3);
        let scores = [0.5, 0.6, 0.4, 0.7, 0.65, 0.66, 0.7];
        let stopped: Vec<bool> =
            (0..).zip(scores).map(|(trial, score)| asha.report(trial, 0, 1, score).is_stop()).collect();
        // The first two have nobody to be compared with; the last ties with the best, and 2 of 7 go on.
        assert_eq!(stopped, [false, false, true, false, true, false, false]);
        assert!(!asha.report(3, 1, 2, 0.0).is_stop());
        assert!(!asha.report(3, 2, 9, 0.0).is_stop());
    }
}
