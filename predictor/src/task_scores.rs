//! `TaskScores`: what one task's trials say.

use std::collections::HashMap;

use heirloom_kb::{Name, Status, Task, Trial, TrialId};
use rayon::prelude::*;

use crate::effort::{effort, least_comparable};
use crate::gaussian_ranks;
use crate::rows::{ByRow, Renumbered};

/// What one task's trials say, one entry an architecture, in the order that the task first tried them.
#[derive(Clone, Debug)]
pub struct TaskScores {
    /// The task's id.
    pub task: Name,
    /// Rows of the table, `(n_t,)`, no row twice.
    pub rows: Vec<usize>,
    /// Scores at the highest fidelity measured, the mean over seeds; higher is better, `None` where all failed.
    pub scores: Vec<Option<f64>>,
    /// The scores as Gaussian ranks within the task.
    pub z: Vec<f64>,
    /// The trial that each score comes from (the first of several seeds).
    pub trials: Vec<TrialId>,
    /// Rows of architectures that are left out because they were measured at far less than the others.
    pub partial: Vec<usize>,
    by_row: ByRow,
}

impl TaskScores {
    /// The position in these lists of what stands in a row of the table, if the task has tried it.
    #[must_use]
    pub fn position(&self, row: usize) -> Option<usize> {
        self.by_row.at(&self.rows, row)
    }

    /// The Gaussian rank of what stands in a row of the table, if the task has tried it.
    #[must_use]
    pub fn z_of(&self, row: usize) -> Option<f64> {
        self.position(row).map(|at| self.z[at])
    }

    /// Puts the rows' numbers in a table in place of those that they had while it was made.
    pub(crate) fn renumber(&mut self, renumbered: &Renumbered) {
        renumbered.renumber(&mut self.rows);
        renumbered.renumber(&mut self.partial);
        self.by_row = ByRow::of(&self.rows);
    }
}

/// What is measured of one architecture: its row, its score, and the trial that this comes from.
#[derive(Clone, Copy)]
struct Measured<'a> {
    row: usize,
    score: Option<f64>,
    first: &'a Trial,
}

impl Measured<'_> {
    /// What a measurement took, if it has a score and says so.
    fn full(&self) -> Option<f64> {
        (self.score.is_some() && !self.first.fidelity.is_empty()).then(|| effort(self.first))
    }
}

/// The scores of a task's trials, which are of these rows.
pub(crate) fn task_scores(task: &Task, rows: &[usize], trials: &[&Trial]) -> TaskScores {
    let mut places: HashMap<usize, usize> = HashMap::new();
    let mut by_row: Vec<(usize, Vec<&Trial>)> = Vec::new();
    for (row, trial) in rows.iter().zip(trials) {
        let place = *places.entry(*row).or_insert(by_row.len());
        if place == by_row.len() {
            by_row.push((*row, Vec::new()));
        }
        by_row[place].1.push(trial);
    }
    let all: Vec<Measured<'_>> = by_row.iter().map(|(row, trials)| summarise(task, *row, trials)).collect();
    let (measured, partial) = comparable(all);
    let scores: Vec<Option<f64>> = measured.iter().map(|one| one.score).collect();
    TaskScores {
        task: task.id.clone(),
        rows: measured.iter().map(|one| one.row).collect(),
        z: gaussian_ranks(&scores),
        scores,
        trials: measured.par_iter().map(|one| one.first.id()).collect(),
        partial: partial.iter().map(|one| one.row).collect(),
        by_row: ByRow::default(),
    }
}

/// The mean score of the trials at the highest fidelity, and the first of them.
fn summarise<'a>(task: &Task, row: usize, trials: &[&'a Trial]) -> Measured<'a> {
    let most = trials.iter().map(|trial| effort(trial)).fold(f64::NEG_INFINITY, f64::max);
    let full: Vec<&Trial> = trials.iter().filter(|trial| effort(trial) >= most).copied().collect();
    let complete = full.iter().filter(|trial| trial.status == Status::Complete);
    let scores: Vec<f64> =
        complete.filter_map(|trial| trial.score).map(|score| task.goal.higher_is_better(score)).collect();
    let score = (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64);
    Measured { row, score, first: full[0] }
}

/// What can be compared: scores after one epoch and after fifty have no common scale. What was measured at less than half of what the
/// fullest third of the architectures was is left out. Failed trials stay, and so does what says nothing of its fidelity.
fn comparable(measured: Vec<Measured<'_>>) -> (Vec<Measured<'_>>, Vec<Measured<'_>>) {
    let least = least_comparable(measured.iter().filter_map(Measured::full).collect());
    let compares = |effort: f64| least.is_none_or(|least| effort >= least);
    measured.into_iter().partition(|one| one.full().is_none_or(compares))
}
