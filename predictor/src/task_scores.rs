//! `TaskScores`: what one task's trials say.

use std::collections::HashMap;

use heirloom_kb::{Name, Status, Task, Trial, TrialId};
use rayon::prelude::*;

use crate::effort::{Efforts, effort, least_comparable};
use crate::fidelity_levels::{Course, FidelityLevels, FullScores};
use crate::gaussian_ranks;
use crate::rows::{ByRow, Renumbered};

/// What one task's trials say, one entry an architecture, in the order that the task first tried them.
#[derive(Clone, Debug)]
pub struct TaskScores {
    /// The task's id.
    pub task: Name,
    /// Rows of the table, `(n_t,)`, no row twice.
    pub rows: Vec<usize>,
    /// Scores at the highest fidelity measured, the mean over seeds, or what they let expect in full; higher is better, `None`
    /// where all failed.
    pub scores: Vec<Option<f64>>,
    /// The scores as Gaussian ranks within the task.
    pub z: Vec<f64>,
    /// The trial that each score comes from (the first of several seeds).
    pub trials: Vec<TrialId>,
    /// Whether a score is what shorter or stopped trials let expect.
    pub carried: Vec<bool>,
    /// Whether an architecture was measured at far less than most others, so that the task itself may be advised to try it in full.
    pub partial: Vec<bool>,
    /// Rows of architectures that are left out because their trials were stopped and nothing tells how they would have gone on.
    pub(crate) untold: Vec<usize>,
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

    /// Scores that were measured in full.
    pub fn measured(&self) -> impl Iterator<Item = f64> {
        let scores = self.scores.iter().zip(&self.carried);
        scores.filter_map(|(score, carried)| score.filter(|_| !carried))
    }

    /// Puts the rows' numbers in a table in place of those that they had while it was made.
    pub(crate) fn renumber(&mut self, renumbered: &Renumbered) {
        renumbered.renumber(&mut self.rows);
        renumbered.renumber(&mut self.untold);
        self.by_row = ByRow::of(&self.rows);
    }
}

/// What is measured of one architecture: its row, its score, what that took, and the trial that it comes from.
#[derive(Clone, Debug)]
struct Measured<'a> {
    row: usize,
    score: Option<f64>,
    effort: f64,
    first: &'a Trial,
    carried: bool,
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
    let efforts = Efforts::of(trials);
    let measured = by_row.iter().map(|(row, trials)| summarise(task, &efforts, *row, trials)).collect();
    let Carried { measured, z, untold } = carry_on(task, &efforts, measured, &by_row);
    let partial = partial(&measured);
    TaskScores {
        task: task.id.clone(),
        rows: measured.iter().map(|one| one.row).collect(),
        z,
        scores: measured.iter().map(|one| one.score).collect(),
        trials: measured.par_iter().map(|one| one.first.id()).collect(),
        carried: measured.iter().map(|one| one.carried).collect(),
        partial,
        untold,
        by_row: ByRow::default(),
    }
}

/// The mean score of the trials at the highest fidelity, and the first of them; those that were stopped count where there are no others.
fn summarise<'a>(task: &Task, efforts: &Efforts, row: usize, trials: &[&'a Trial]) -> Measured<'a> {
    let ended: Vec<&Trial> = trials.iter().filter(|trial| trial.status != Status::Pruned).copied().collect();
    let (trials, carried) = if ended.is_empty() { (trials, true) } else { (ended.as_slice(), false) };
    let most = trials.iter().map(|trial| effort(trial)).fold(f64::NEG_INFINITY, f64::max);
    let full: Vec<&'a Trial> = trials.iter().filter(|trial| effort(trial) >= most).copied().collect();
    let ends = full.iter().filter_map(|trial| efforts.course(trial, task.goal).pop());
    let (ends, scores): (Vec<f64>, Vec<f64>) = ends.unzip();
    let score = (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64);
    let effort = ends.into_iter().fold(0.0, f64::max);
    Measured { row, score, effort, first: full[0], carried }
}

/// What counts of a task's measurements, its Gaussian ranks, and the rows of what does not.
struct Carried<'a> {
    measured: Vec<Measured<'a>>,
    z: Vec<f64>,
    untold: Vec<usize>,
}

/// What scores let expect in full, where some architectures were measured at far less than others ([`FidelityLevels`]), and the Gaussian
/// ranks of all. What was stopped is left out where nothing tells how it would have gone on.
fn carry_on<'a>(
    task: &Task,
    efforts: &Efforts,
    all: Vec<Measured<'a>>,
    by_row: &[(usize, Vec<&Trial>)],
) -> Carried<'a> {
    let levels =
        FidelityLevels::of(all.iter().filter(|one| one.score.is_some()).map(|one| one.effort).collect());
    if levels.is_one() {
        let z = gaussian_ranks(&all.iter().map(|one| one.score).collect::<Vec<_>>());
        return Carried { measured: all, z, untold: Vec::new() };
    }
    let courses: Vec<Vec<Course>> = by_row
        .par_iter()
        .map(|(_, trials)| trials.iter().map(|trial| efforts.course(trial, task.goal)).collect())
        .collect();
    let goes_on = levels.go_on(&all.iter().map(|one| one.effort).collect::<Vec<_>>(), &courses);
    let all = all.into_iter().zip(courses).zip(goes_on);
    let (told, untold): (Vec<_>, Vec<_>) =
        all.partition(|((one, _), goes_on)| !one.carried || one.score.is_some() && *goes_on);
    let (mut measured, courses): (Vec<Measured<'a>>, Vec<Vec<Course>>) =
        told.into_iter().map(|(one, _)| one).unzip();
    let standings = levels.standings(&courses);
    let standings: Vec<Option<f64>> = measured
        .iter()
        .zip(standings)
        .map(|(one, standing)| standing.filter(|_| one.score.is_some()))
        .collect();
    let is_full = |one: &Measured<'_>| !one.carried && levels.is_full(one.effort);
    let full = measured.iter().zip(&standings).filter(|(one, _)| is_full(one));
    let full = FullScores::of(full.filter_map(|(one, standing)| Some(((*standing)?, one.score?))).collect());
    for (one, standing) in measured.iter_mut().zip(&standings) {
        one.carried = one.score.is_some() && !is_full(one);
        if let (true, Some(full), Some(standing)) = (one.carried, &full, standing) {
            one.score = Some(full.at(*standing));
        }
    }
    let untold = untold.into_iter().map(|((one, _), _)| one.row).collect();
    Carried { z: gaussian_ranks(&standings), measured, untold }
}

/// Which architectures were measured at less than half of what the fullest third was. What was stopped has been judged, and what says
/// nothing of its fidelity is given the benefit of the doubt.
fn partial(measured: &[Measured<'_>]) -> Vec<bool> {
    let told = |one: &Measured<'_>| {
        let told =
            one.score.is_some() && one.first.status == Status::Complete && !one.first.fidelity.is_empty();
        told.then_some(one.effort)
    };
    let efforts: Vec<Option<f64>> = measured.iter().map(told).collect();
    let least = least_comparable(efforts.iter().flatten().copied().collect());
    let is_partial = |effort: Option<f64>| effort.zip(least).is_some_and(|(effort, least)| effort < least);
    efforts.into_iter().map(is_partial).collect()
}
