//! `TrainingTable`: the validation scores of past tasks, ready for a surrogate.

use std::collections::{BTreeMap, HashMap};

use heirloom_kb::{Architecture, Name, SearchSpace, Split, Status, Task, Trial, TrialId};
use ndarray::Array2;
use rayon::prelude::*;

use crate::{Descriptors, Encoder, PredictError, gaussian_ranks};

/// What one task's trials say, one entry an architecture.
#[derive(Clone, Debug)]
pub struct TaskScores {
    /// The task's id.
    pub task: Name,
    /// Rows of the table, `(n_t,)`, ascending, no row twice.
    pub rows: Vec<usize>,
    /// Scores at the highest fidelity measured, the mean over seeds; higher is better, `None` where all failed.
    pub scores: Vec<Option<f64>>,
    /// The scores as Gaussian ranks within the task.
    pub z: Vec<f64>,
    /// The trial that each score comes from (the first of several seeds).
    pub trials: Vec<TrialId>,
    /// The costs of that trial.
    pub costs: Vec<BTreeMap<Name, f64>>,
    /// Architectures that are left out because they were measured at far less than the others.
    pub partial: usize,
}

impl TaskScores {
    /// The Gaussian rank of what stands in a row of the table, if the task has tried it.
    #[must_use]
    pub fn z_of(&self, row: usize) -> Option<f64> {
        self.rows.binary_search(&row).ok().map(|at| self.z[at])
    }
}

/// The trials of one space over several tasks: each architecture once, each task's scores beside it.
///
/// Only complete and failed trials on the validation split, in the task's own metric, count: a surrogate never
/// sees a test score.
#[derive(Clone, Debug)]
pub struct TrainingTable {
    encoder: Encoder,
    architectures: Vec<Architecture>,
    x: Array2<f64>,
    tasks: Vec<TaskScores>,
    rows: HashMap<Vec<u64>, usize>,
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
        if let Some(other) = trials.iter().find(|trial| trial.space != *space.id()) {
            let (expected, found) = (space.id().clone(), other.space.clone());
            return Err(PredictError::OtherSpace { expected, found });
        }
        let encoder = Encoder::with_descriptors(space, descriptors);
        let keys: Vec<Vec<u64>> = trials.par_iter().map(|trial| encoder.key(&trial.architecture)).collect();
        let mut distinct = Distinct::default();
        let mut by_task: BTreeMap<&Name, Vec<(usize, &Trial)>> = BTreeMap::new();
        let metrics: HashMap<&Name, &Task> = tasks.iter().map(|task| (&task.id, task)).collect();
        for (key, trial) in keys.into_iter().zip(trials) {
            if metrics.get(&trial.task).is_none_or(|task| !counts(trial, task)) {
                continue;
            }
            let row = distinct.row(key, || {
                let architecture = canonical(&trial.architecture);
                (encoder.key(&architecture), architecture)
            });
            by_task.entry(&trial.task).or_default().push((row, trial));
        }
        let tasks = by_task.into_par_iter().map(|(id, of_task)| task_scores(metrics[id], &of_task)).collect();
        let x = encoder.encode(&distinct.architectures)?;
        Ok(TrainingTable { encoder, architectures: distinct.architectures, x, tasks, rows: distinct.rows })
    }

    /// How architectures become rows.
    #[must_use]
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// The architectures, `(n,)`.
    #[must_use]
    pub fn architectures(&self) -> &[Architecture] {
        &self.architectures
    }

    /// The encoded architectures, `(n, d)`.
    #[must_use]
    pub fn x(&self) -> &Array2<f64> {
        &self.x
    }

    /// The tasks' scores, by task id.
    #[must_use]
    pub fn tasks(&self) -> &[TaskScores] {
        &self.tasks
    }

    /// The row of a canonical architecture that was measured on any task.
    #[must_use]
    pub fn row(&self, architecture: &Architecture) -> Option<usize> {
        self.rows.get(&self.encoder.key(architecture)).copied()
    }
}

/// Numbers architectures as they come, isomorphic ones alike.
#[derive(Default)]
struct Distinct {
    architectures: Vec<Architecture>,
    /// Keys as written in trials and as canonical, to rows.
    rows: HashMap<Vec<u64>, usize>,
}

impl Distinct {
    /// The row of a key; the canonical form is made only for keys not met before.
    fn row(&mut self, key: Vec<u64>, canonical: impl FnOnce() -> (Vec<u64>, Architecture)) -> usize {
        if let Some(row) = self.rows.get(&key) {
            return *row;
        }
        let (canonical_key, architecture) = canonical();
        let row = *self.rows.entry(canonical_key).or_insert(self.architectures.len());
        if row == self.architectures.len() {
            self.architectures.push(architecture);
        }
        self.rows.insert(key, row);
        row
    }
}

fn counts(trial: &Trial, task: &Task) -> bool {
    trial.split == Split::Validation && trial.metric == task.metric && trial.status != Status::Pruned
}

/// Fidelities have the same names within a history, so their product orders them.
fn effort(trial: &Trial) -> f64 {
    trial.fidelity.values().product()
}

fn task_scores(task: &Task, of_task: &[(usize, &Trial)]) -> TaskScores {
    let mut by_row: BTreeMap<usize, Vec<&Trial>> = BTreeMap::new();
    for (row, trial) in of_task {
        by_row.entry(*row).or_default().push(trial);
    }
    let measured: BTreeMap<usize, (Option<f64>, &Trial)> =
        by_row.iter().map(|(row, trials)| (*row, summarise(task, trials))).collect();
    let all = measured.len();
    let measured = comparable(measured);
    let (scores, firsts): (Vec<Option<f64>>, Vec<&Trial>) = measured.values().copied().unzip();
    TaskScores {
        task: task.id.clone(),
        partial: all - measured.len(),
        rows: measured.into_keys().collect(),
        z: gaussian_ranks(&scores),
        scores,
        trials: firsts.iter().map(|trial| trial.id()).collect(),
        costs: firsts.iter().map(|trial| trial.costs.clone()).collect(),
    }
}

/// The mean score of the trials at the highest fidelity, and the first of them.
fn summarise<'a>(task: &Task, trials: &[&'a Trial]) -> (Option<f64>, &'a Trial) {
    let most = trials.iter().map(|trial| effort(trial)).fold(f64::NEG_INFINITY, f64::max);
    let full: Vec<&Trial> = trials.iter().filter(|trial| effort(trial) >= most).copied().collect();
    let complete = full.iter().filter(|trial| trial.status == Status::Complete);
    let scores: Vec<f64> =
        complete.filter_map(|trial| trial.score).map(|score| task.goal.higher_is_better(score)).collect();
    let mean = (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64);
    (mean, full[0])
}

/// The share of a task's architectures that set what a full measurement is, and the share of that which still counts as one.
const FULLEST: usize = 3;
const NEARLY: f64 = 0.5;

/// What can be compared: scores after one epoch and after fifty have no common scale. What was measured at less than half of what the
/// fullest third of the architectures was is left out. Failed trials stay, and so does what says nothing of its fidelity.
fn comparable(
    mut measured: BTreeMap<usize, (Option<f64>, &Trial)>,
) -> BTreeMap<usize, (Option<f64>, &Trial)> {
    let full = |(score, trial): &(Option<f64>, &Trial)| {
        (score.is_some() && !trial.fidelity.is_empty()).then(|| effort(trial))
    };
    let mut efforts: Vec<f64> = measured.values().filter_map(full).collect();
    efforts.sort_by(|a, b| b.total_cmp(a));
    let Some(fullest) = efforts.get(efforts.len().saturating_sub(1) / FULLEST).copied() else {
        return measured;
    };
    measured.retain(|_, one| full(one).is_none_or(|effort| effort >= NEARLY * fullest));
    measured
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
    fn test_scores_other_metrics_and_pruned_trials_are_not_seen() {
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
    fn scores_of_far_fewer_epochs_are_not_compared() {
        let tasks = [Task::new("t", Domain::Tabular, "loss", Goal::Minimize)];
        let at = |a: i64, epochs: f64| {
            let mut trial = trial("t", a, 1.0 / epochs);
            trial.fidelity.insert("epochs".into(), epochs);
            trial
        };
        let table =
            |trials: &[Trial]| TrainingTable::new(&space(), &tasks, trials, Clone::clone, None).unwrap();
        let mut failed = at(5, 1.0);
        failed.status = Status::Failed;
        let unsaid = trial("t", 6, 0.3);
        let mixed = table(&[at(0, 50.0), at(1, 50.0), at(2, 1.0), at(3, 1.0), at(4, 30.0), failed, unsaid]);
        assert_eq!(mixed.tasks()[0].scores.len(), 5);
        assert_eq!(mixed.tasks()[0].partial, 2);
        // One far fuller than the rest does not outvote them.
        let few = table(&[at(0, 500.0), at(1, 50.0), at(2, 50.0), at(3, 50.0), at(4, 50.0)]);
        assert_eq!(few.tasks()[0].partial, 0);
        assert_eq!(table(&[at(0, 1.0), at(1, 1.0)]).tasks()[0].partial, 0);
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
