//! `TrainingTable`: the validation scores of past tasks, ready for a surrogate.

use std::collections::BTreeMap;

use heirloom_kb::{Architecture, Name, SearchSpace, Split, Status, Task, Trial};
use ndarray::Array2;

use crate::rows::{Architectures, FirstMet, Growth, Rows};
pub use crate::task_scores::TaskScores;
use crate::task_scores::task_scores;
use crate::{Descriptors, Encoder, PredictError};

/// The trials of one space over several tasks: each architecture once, each task's scores beside it.
///
/// Only trials on the validation split, in the task's own metric, count: a surrogate never sees a test score. What is said of a task follows from its own trials alone, but for the numbers of the rows.
#[derive(Clone, Debug)]
pub struct TrainingTable {
    rows: Rows,
    tasks: Vec<TaskScores>,
}

impl TrainingTable {
    /// The table of the trials of one space. `canonical` maps isomorphic architectures to one; `descriptors` add columns.
    ///
    /// # Errors
    /// [`PredictError::OtherSpace`] or [`PredictError::Architecture`] for a trial of another space.
    pub fn new(
        space: &SearchSpace,
        tasks: &[Task],
        trials: &[Trial],
        canonical: impl Fn(&Architecture) -> Architecture,
        descriptors: Option<Descriptors>,
    ) -> Result<Self, PredictError> {
        check_space(space, trials)?;
        let empty = TrainingTable::empty(space, descriptors);
        let mut growth = empty.grow();
        let mut by_task: BTreeMap<&Name, Vec<&Trial>> = BTreeMap::new();
        trials.iter().for_each(|trial| by_task.entry(&trial.task).or_default().push(trial));
        for task in tasks {
            if let Some(trials) = by_task.remove(&task.id) {
                growth.take(task, trials, &canonical)?;
            }
        }
        Ok(growth.finish())
    }

    /// A table without trials.
    #[must_use]
    pub fn empty(space: &SearchSpace, descriptors: Option<Descriptors>) -> Self {
        TrainingTable { rows: Rows::empty(Encoder::with_descriptors(space, descriptors)), tasks: Vec::new() }
    }

    /// This table, to be added to.
    #[must_use]
    pub fn grow(&self) -> TableGrowth<'_> {
        let tasks = self.tasks.iter().map(|scores| (scores.task.clone(), scores.clone())).collect();
        TableGrowth { rows: self.rows.grow(), tasks }
    }

    /// How architectures become rows.
    #[must_use]
    pub fn encoder(&self) -> &Encoder {
        self.rows.encoder()
    }

    /// The architectures, `(n,)`.
    #[must_use]
    pub fn architectures(&self) -> Architectures<'_> {
        Architectures::of(&self.rows)
    }

    /// What identifies the architecture in a row, see [`Encoder::key`].
    ///
    /// # Panics
    /// Beyond the last row.
    #[must_use]
    pub fn key(&self, row: usize) -> &[u64] {
        self.rows.key(row)
    }

    /// The encoded architectures, `(n, d)`.
    #[must_use]
    pub fn x(&self) -> &Array2<f64> {
        self.rows.x()
    }

    /// The tasks' scores, by task id.
    #[must_use]
    pub fn tasks(&self) -> &[TaskScores] {
        &self.tasks
    }

    /// The row of a canonical architecture that was measured on any task.
    #[must_use]
    pub fn row(&self, architecture: &Architecture) -> Option<usize> {
        self.rows.row(architecture)
    }
}

/// A table in the making: what an earlier one had, and what some tasks have tried by now. It comes to the same as one made of all
/// trials, and costs what is new.
pub struct TableGrowth<'a> {
    rows: Growth<'a>,
    tasks: BTreeMap<Name, TaskScores>,
}

impl TableGrowth<'_> {
    /// Takes in all trials that a task has by now, in place of those that the table had of it. `canonical` maps isomorphic
    /// architectures to one, as it did before.
    ///
    /// # Errors
    /// [`PredictError::OtherSpace`] or [`PredictError::Architecture`] for a trial of another space.
    pub fn take<'t>(
        &mut self,
        task: &Task,
        trials: impl IntoIterator<Item = &'t Trial>,
        canonical: impl Fn(&Architecture) -> Architecture,
    ) -> Result<(), PredictError> {
        let trials: Vec<&Trial> = trials.into_iter().collect();
        let has_ended = trials.iter().any(|trial| counts(trial, task) && trial.status != Status::Pruned);
        let counts = |trial: &Trial| has_ended && counts(trial, task);
        let (counting, rows) = self.rows.take_trials(trials, counts, canonical)?;
        if counting.is_empty() {
            self.tasks.remove(&task.id);
        } else {
            self.tasks.insert(task.id.clone(), task_scores(task, &rows, &counting));
        }
        Ok(())
    }

    /// The table. Its rows are in the order in which the tasks, by id, first tried them.
    #[must_use]
    pub fn finish(self) -> TrainingTable {
        let mut tasks: Vec<TaskScores> = self.tasks.into_values().collect();
        let mut met = FirstMet::default();
        for scores in &tasks {
            met.meet(&scores.rows);
            met.meet(&scores.untold);
        }
        let renumbered = self.rows.finish(&met.order);
        tasks.iter_mut().for_each(|scores| scores.renumber(&renumbered));
        TrainingTable { rows: renumbered.rows, tasks }
    }
}

/// Refuses trials of another space.
pub(crate) fn check_space(space: &SearchSpace, trials: &[Trial]) -> Result<(), PredictError> {
    match trials.iter().find(|trial| trial.space != *space.id()) {
        Some(other) => {
            Err(PredictError::OtherSpace { expected: space.id().clone(), found: other.space.clone() })
        }
        None => Ok(()),
    }
}

/// Whether a trial says something of a task; one that was stopped does if it has a score.
fn counts(trial: &Trial, task: &Task) -> bool {
    let has_score = trial.status != Status::Pruned || trial.score.is_some() || !trial.curve.is_empty();
    trial.task == task.id && trial.split == Split::Validation && trial.metric == task.metric && has_score
}

#[cfg(test)]
mod tests {
    use heirloom_kb::{Domain, Goal};

    use super::*;

    fn space() -> SearchSpace {
        serde_json::from_str(r#"{"id":"s/1","params":[{"name":"a","range":{"kind":"int","lo":0,"hi":9}}]}"#)
            .unwrap()
    }

    fn trial(task: &str, a: i64, score: f64) -> Trial {
        Trial::new(task, "s/1", [("a", a)].into_iter().collect(), Split::Validation, "loss", score)
    }

    #[test]
    fn one_row_an_architecture_and_lower_losses_rank_higher() {
        let tasks = [
            Task::new("t", Domain::Tabular, "loss", Goal::Minimize),
            Task::new("u", Domain::Tabular, "loss", Goal::Minimize),
        ];
        let trials = [trial("t", 1, 0.5), trial("u", 1, 0.1), trial("t", 2, 0.2)];
        let table = TrainingTable::new(&space(), &tasks, &trials, Clone::clone, None).unwrap();
        assert_eq!(table.architectures().len(), 2);
        assert_eq!(table.tasks().len(), 2);
        assert!(table.tasks()[0].z[1] > table.tasks()[0].z[0]);
        assert_eq!(table.tasks()[0].z_of(1), Some(table.tasks()[0].z[1]));
        assert_eq!(table.tasks()[1].z_of(1), None);
        assert_eq!(table.row(&trials[2].architecture), Some(1));
        assert_eq!(table.tasks()[1].trials, [trials[1].id()]);
    }

    #[test]
    fn test_scores_other_metrics_and_stopped_trials_without_a_link_are_not_seen() {
        let tasks = [Task::new("t", Domain::Tabular, "loss", Goal::Minimize)];
        let mut test = trial("t", 1, 0.5);
        test.split = Split::Test;
        let mut other = trial("t", 2, 0.5);
        other.metric = "accuracy".into();
        let mut pruned = trial("t", 3, 0.5);
        pruned.status = Status::Pruned;
        let table = TrainingTable::new(&space(), &tasks, &[test, other, pruned], Clone::clone, None).unwrap();
        assert!(table.tasks().is_empty());
    }

    #[test]
    fn the_highest_fidelity_counts_and_seeds_are_averaged() {
        let tasks = [Task::new("t", Domain::Tabular, "loss", Goal::Minimize)];
        let at = |epochs: f64, seed: u64, score: f64| {
            let mut trial = trial("t", 1, score);
            trial.fidelity.insert("epochs".into(), epochs);
            trial.seed = Some(seed);
            trial
        };
        let trials = [at(1.0, 0, 9.0), at(10.0, 0, 0.4), at(10.0, 1, 0.6)];
        let table = TrainingTable::new(&space(), &tasks, &trials, Clone::clone, None).unwrap();
        assert_eq!(table.tasks()[0].scores, [Some(-0.5)]);
        assert_eq!(table.tasks()[0].trials, [trials[1].id()]);
    }

    #[test]
    fn scores_of_far_fewer_epochs_are_carried_on() {
        let tasks = [Task::new("t", Domain::Tabular, "loss", Goal::Minimize)];
        let at = |a: i64, epochs: f64, loss: f64| {
            let mut trial = trial("t", a, loss);
            trial.fidelity.insert("epochs".into(), epochs);
            trial
        };
        let table =
            |trials: &[Trial]| TrainingTable::new(&space(), &tasks, trials, Clone::clone, None).unwrap();
        let mut failed = at(7, 1.0, 0.0);
        failed.status = Status::Failed;
        let mut trials: Vec<Trial> = (0..5).map(|a| at(a, 50.0, 0.1 * (a + 1) as f64)).collect();
        trials.extend([at(5, 1.0, 0.7), at(6, 1.0, 0.9), failed, trial("t", 8, 0.05)]);
        let mixed = table(&trials);
        let mixed = &mixed.tasks()[0];
        assert_eq!(mixed.scores.len(), 9);
        let is = |flags: &[bool], wanted: &[usize]| (0..9).all(|at| flags[at] == wanted.contains(&at));
        assert!(is(&mixed.carried, &[5, 6]) && is(&mixed.partial, &[5, 6]), "{mixed:?}");
        // Nothing links the levels: each has a better and a worse half.
        assert!(mixed.z[5] > mixed.z[3] && mixed.z[6] < mixed.z[2] && mixed.z[7] < mixed.z[4]);
        assert!(mixed.scores[5] > Some(-0.4) && mixed.scores[6] < Some(-0.2));
        assert_eq!(mixed.measured().count(), 6);
        // One far fuller than the rest does not outvote them.
        let few = table(&[500.0, 50.0, 50.0, 50.0, 50.0].map(|epochs| at(epochs as i64 / 60, epochs, 0.1)));
        assert!(few.tasks()[0].carried.iter().all(|carried| !carried));
        assert!(table(&[at(0, 1.0, 0.1), at(1, 1.0, 0.2)]).tasks()[0].partial.iter().all(|partial| !partial));
    }

    #[test]
    fn isomorphs_share_a_row() {
        let tasks = [Task::new("t", Domain::Tabular, "loss", Goal::Minimize)];
        let trials = [trial("t", 3, 0.4), trial("t", 8, 0.6), trial("t", 2, 0.1)];
        let fold = |a: &Architecture| [("a", a.number("a").unwrap() as i64 % 5)].into_iter().collect();
        let table = TrainingTable::new(&space(), &tasks, &trials, fold, None).unwrap();
        assert_eq!(table.architectures().len(), 2);
        assert_eq!(table.tasks()[0].scores, [Some(-0.5), Some(-0.1)]);
    }

    #[test]
    fn a_failed_trial_has_no_score_and_ranks_last() {
        let tasks = [Task::new("t", Domain::Tabular, "loss", Goal::Minimize)];
        let mut failed = trial("t", 1, 0.0);
        failed.status = Status::Failed;
        let table =
            TrainingTable::new(&space(), &tasks, &[failed, trial("t", 2, 5.0)], Clone::clone, None).unwrap();
        assert_eq!(table.tasks()[0].scores, [None, Some(-5.0)]);
        assert!(table.tasks()[0].z[0] < table.tasks()[0].z[1]);
    }
}
