//! `PastTasks`: a history, and which of it says anything.

use heirloom_kb::Task;

use super::Agreement;
use super::agreement::PROBED;
use crate::{Part, TaskModels, TrainingTable};

/// Tasks of fewer trials are given the benefit of the doubt.
const ENOUGH: usize = 40;
/// A model that explains a larger share of held-out variance has found more than noise. Models of 100 trials of pure noise
/// explain this much in one of some forty.
const EXPLAINED: f64 = 0.1;
/// So has the mean of the other tasks with a larger correlation; of 100 trials of noise one deviation is .1.
const FORETOLD: f64 = 0.25;
/// So has a single other task, if the correlation is larger than this and than so many deviations: there are many of them.
const FORETOLD_BY_ONE: f64 = 0.4;
const DEVIATIONS: f64 = 3.5;

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
    /// or the other past tasks do, together or one of them. Without that their models are chance, and a start that follows
    /// them is worse than one that is spread. A table of models without descriptors is foretold by other tasks alone, so that
    /// an only one cannot be judged and stays, as does a task of few trials.
    #[must_use]
    pub fn telling(&self) -> Vec<usize> {
        let judged = self.columns.len() > 1 || !self.is_bare_table();
        let tells = |at: usize| !judged || self.explains_itself(self.columns[at]) || self.is_foretold(at);
        (0..self.columns.len()).filter(|at| tells(*at)).map(|at| self.columns[at]).collect()
    }

    /// Whether a task's model foretells more of held-out trials than it would of noise; taken for granted where trials are few.
    fn explains_itself(&self, column: usize) -> bool {
        let z = &self.table.tasks()[column].z;
        if z.len() < ENOUGH {
            return true;
        }
        let n = z.len() as f64;
        let mean = z.iter().sum::<f64>() / n;
        let variance = z.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / n;
        1.0 - self.models.models()[column].residual_variance() / variance.max(1e-9) > EXPLAINED
    }

    /// Whether the others foretell the task at this place, together or one of them. A minority that agrees with itself is no noise.
    fn is_foretold(&self, at: usize) -> bool {
        let bar = FORETOLD_BY_ONE.max(DEVIATIONS / self.trials(at).sqrt());
        let foretold = |by: &[usize]| self.agreement.foretold(self.columns, at, by);
        let all: Vec<usize> = (0..self.columns.len()).filter(|by| *by != at).collect();
        foretold(&all).is_some_and(|correlation| correlation > FORETOLD)
            || all.iter().any(|by| foretold(&[*by]).is_some_and(|correlation| correlation > bar))
    }

    /// The past tasks that the others, taken together, foretell the wrong way round, beyond chance.
    #[must_use]
    pub fn reversed(&self) -> Vec<usize> {
        let is_reversed = |at: &usize| {
            let all: Vec<usize> = (0..self.columns.len()).filter(|by| by != at).collect();
            let bar = FORETOLD.max(DEVIATIONS / self.trials(*at).sqrt());
            self.agreement.foretold(self.columns, *at, &all).is_some_and(|correlation| correlation < -bar)
        };
        (0..self.columns.len()).filter(is_reversed).map(|at| self.columns[at]).collect()
    }

    /// Trials of the task at this place that a correlation is told from.
    fn trials(&self, at: usize) -> f64 {
        self.table.tasks()[self.columns[at]].z.len().min(PROBED) as f64
    }

    /// Whether nothing is known of the architectures but their names.
    fn is_bare_table(&self) -> bool {
        let encoder = self.table.encoder();
        let parts = Part::of(&encoder.features()[..encoder.own_width()]);
        encoder.width() == encoder.own_width() && matches!(parts[..], [Part::Choice(_)])
    }
}
