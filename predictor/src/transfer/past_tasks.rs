//! `PastTasks`: a history, and which of it says anything.

use heirloom_kb::Task;

use super::Agreement;
use crate::{TaskModels, TrainingTable};

/// Tasks of fewer trials are given the benefit of the doubt.
const ENOUGH: usize = 40;
/// A model that explains a larger share of held-out variance has found more than noise. Models of 100 trials of pure noise
/// explain this much in one of some forty.
const EXPLAINED: f64 = 0.1;
/// So has the mean of the other tasks with a larger correlation; of 100 trials of noise one deviation is .1.
const FORETOLD: f64 = 0.25;

/// A history, from which any choice of past tasks can be taken.
#[derive(Clone, Copy)]
pub struct PastTasks<'a> {
    /// The scores.
    pub table: &'a TrainingTable,
    /// One model a task of the table.
    pub models: &'a TaskModels,
    /// How far tasks foretell each other.
    pub agreement: &'a Agreement,
    /// The tasks of the base, those of the table among them.
    pub tasks: &'a [Task],
    /// The past tasks that count, as positions in the table.
    pub columns: &'a [usize],
}

impl PastTasks<'_> {
    /// The past tasks whose scores are more than noise, in order: their own model foretells trials that it was not fitted to,
    /// or the other past tasks do. Without that their models are chance, and a start that follows them is worse than one
    /// that is spread. A table of models without descriptors is foretold by other tasks alone; a task of few trials and an
    /// only one cannot be judged and stay.
    #[must_use]
    pub fn telling(&self) -> Vec<usize> {
        let judged = self.columns.len() > 1;
        let tells = |(at, column): (usize, &usize)| {
            let z = &self.table.tasks()[*column].z;
            let n = z.len() as f64;
            if !judged || z.len() < ENOUGH {
                return Some(*column);
            }
            let mean = z.iter().sum::<f64>() / n;
            let variance = z.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / n;
            let explained = 1.0 - self.models.models()[*column].residual_variance() / variance.max(1e-9);
            let foretold = || self.agreement.foretold(self.columns, at).unwrap_or(0.0);
            (explained > EXPLAINED || foretold() > FORETOLD).then_some(*column)
        };
        self.columns.iter().enumerate().filter_map(|(at, column)| tells((at, column))).collect()
    }
}
