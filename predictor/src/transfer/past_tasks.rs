//! `PastTasks`: a history, and which of it says anything.

use std::cell::LazyCell;

use heirloom_kb::Task;

use super::Agreement;
use super::agreement::PROBED;
use crate::{Part, TaskModels, TrainingTable};

/// Tasks of fewer trials are given the benefit of the doubt, unless they have so many together and even so neither explain themselves on
/// average nor foretell each other.
const ENOUGH: usize = 40;
const ENOUGH_TOGETHER: usize = 150;
/// Of fewer trials a model cannot keep any back to tell what it explains.
const TESTED: usize = 8;
/// A model that explains a larger share of held-out variance has found more than noise. Of 480 models of 40 to 400 trials of pure noise
/// over six to twenty parameters four explained this much. Where tasks foretell each other, noise is rarer, does less harm
/// and less will do, of which one in twenty was as good.
const EXPLAINED: f64 = 0.1;
const EXPLAINED_AMONG_OTHERS: f64 = 0.03;
/// So has the mean of the other tasks with a larger correlation, if it is so many deviations (of 100 trials of noise one is .1), or if
/// past tasks on the whole foretell each other: of six tasks of 80 trials of noise one in twelve or so is foretold this well.
const FORETOLD: f64 = 0.25;
const JOINT_DEVIATIONS: f64 = 2.7;
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
    /// an only one cannot be judged and stays, as do tasks of few trials unless there are many of them.
    #[must_use]
    pub fn telling(&self) -> Vec<usize> {
        let judged = self.columns.len() > 1 || !self.is_bare_table();
        let agree = LazyCell::new(|| self.foretell_each_other());
        let is_given = self.is_given_the_benefit(|| *agree);
        let tells = |at: usize| {
            let explained = self.explained(self.columns[at]);
            if !judged || explained > EXPLAINED || is_given && self.has_few(self.columns[at]) {
                return true;
            }
            *agree && explained > EXPLAINED_AMONG_OTHERS || self.is_foretold(at, *agree)
        };
        (0..self.columns.len()).filter(|at| tells(*at)).map(|at| self.columns[at]).collect()
    }

    fn has_few(&self, column: usize) -> bool {
        self.table.tasks()[column].z.len() < ENOUGH
    }

    /// Whether tasks of few trials count although nothing foretells them. `agree` is [`PastTasks::foretell_each_other`].
    fn is_given_the_benefit(&self, agree: impl Fn() -> bool) -> bool {
        let few = || self.columns.iter().copied().filter(|column| self.has_few(*column));
        let together: usize = few().map(|column| self.table.tasks()[column].z.len()).sum();
        let explained = || few().map(|column| self.explained(column)).sum::<f64>() / few().count() as f64;
        together < ENOUGH_TOGETHER || explained() > EXPLAINED_AMONG_OTHERS || agree()
    }

    /// The share of held-out variance that a task's model explains; all of it where none are held out.
    fn explained(&self, column: usize) -> f64 {
        let z = &self.table.tasks()[column].z;
        if z.len() < TESTED {
            return 1.0;
        }
        let n = z.len() as f64;
        let mean = z.iter().sum::<f64>() / n;
        let variance = z.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / n;
        1.0 - self.models.models()[column].residual_variance() / variance.max(1e-9)
    }

    /// Whether the others foretell the task at this place, together or one of them. A minority that agrees with itself is no noise.
    /// `agree` is [`PastTasks::foretell_each_other`].
    fn is_foretold(&self, at: usize, agree: bool) -> bool {
        let deviation = self.trials(at).sqrt().recip();
        let by_one = FORETOLD_BY_ONE.max(DEVIATIONS * deviation);
        let by_all = if agree { FORETOLD } else { FORETOLD.max(JOINT_DEVIATIONS * deviation) };
        self.by_all_others(at).is_some_and(|correlation| correlation > by_all)
            || (0..self.columns.len())
                .filter(|by| *by != at)
                .filter_map(|by| self.agreement.foretold(self.columns, at, &[by]))
                .any(|correlation| correlation > by_one)
    }

    /// The correlation of what all others expect of the task at this place with its scores.
    fn by_all_others(&self, at: usize) -> Option<f64> {
        let others: Vec<usize> = (0..self.columns.len()).filter(|by| *by != at).collect();
        self.agreement.foretold(self.columns, at, &others)
    }

    /// Whether tasks foretell each other beyond chance, taken together. Each pair counts twice, which the deviation allows for.
    fn foretell_each_other(&self) -> bool {
        let each = (0..self.columns.len()).filter_map(|at| Some((self.by_all_others(at)?, self.trials(at))));
        let (count, sum, trials) = each
            .fold((0.0, 0.0, 0.0), |(count, sum, trials), one| (count + 1.0, sum + one.0, trials + one.1));
        count > 0.0 && sum / count > JOINT_DEVIATIONS * (2.0 / trials).sqrt()
    }

    /// The past tasks that the others, taken together, foretell the wrong way round, beyond chance.
    #[must_use]
    pub fn reversed(&self) -> Vec<usize> {
        let is_reversed = |at: &usize| {
            let bar = FORETOLD.max(DEVIATIONS / self.trials(*at).sqrt());
            self.by_all_others(*at).is_some_and(|correlation| correlation < -bar)
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
