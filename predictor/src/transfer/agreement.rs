//! `Agreement`: how far past tasks foretell each other.

use std::collections::BTreeSet;

use ndarray::{Array1, Array2, ArrayView1, Axis};
use rand::SeedableRng;
use rand::seq::index::sample;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::factors::Factors;
use super::recall::Recall;
use super::views::Views;
use crate::{PredictError, TaskModels, TaskScores, TrainingTable};

/// Architectures of each task that are compared.
pub(super) const PROBED: usize = 150;

/// Some measured architectures of each task, as all tasks' models see them: what one needs to tell, for any choice of past
/// tasks, how well the others would have foretold each of them.
#[derive(Clone, Debug, Default)]
pub struct Agreement {
    /// For each task of the table.
    probes: Vec<Probe>,
    /// What all tasks have found of all these architectures beyond their models, each once, `(n, T)`, NaN where they have not tried
    /// them.
    found: Array2<f64>,
}

/// Some architectures that a task has measured.
#[derive(Clone, Debug)]
struct Probe {
    /// Its normalised scores, `(p,)`.
    z: Array1<f64>,
    /// What all tasks' models expect, `(p, T)`.
    by_task: Array2<f64>,
    /// What all tasks have found beyond that, `(p, T)`, NaN where they have not tried them.
    found: Array2<f64>,
}

/// What past tasks say about a task of their kind: `z = slope * mean + rest`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Foretelling {
    /// The slope that is expected, shrunk towards [`USUAL_SLOPE`] where there are few tasks.
    pub(crate) slope: f64,
    /// Its variance between tasks.
    pub(crate) slope_variance: f64,
    /// Variance of what the mean leaves open.
    pub(crate) rest: f64,
    /// Mean correlation of the others' mean with a task's scores.
    pub(crate) correlation: f64,
    /// How many tasks have shown this.
    pub(crate) shown_by: f64,
}

impl Foretelling {
    /// What `shown_by` tasks show that are foretold with this slope and correlation, beside what is usual.
    pub(crate) fn shown(slope: f64, correlation: f64, shown_by: f64) -> Self {
        let pooled = |usual: f64, shown: f64| with_usual(usual, shown_by * shown, shown_by);
        let correlation = correlation.min(1.0);
        Foretelling {
            slope: pooled(USUAL_SLOPE, slope),
            slope_variance: USUAL_SLOPE_VARIANCE,
            rest: pooled(USUAL_REST, (1.0 - correlation * correlation).max(0.02)),
            correlation: pooled(USUAL_CORRELATION, correlation),
            shown_by,
        }
    }

    /// The probability, before any trial, that what past tasks say holds for a new one.
    pub(crate) fn trust(&self) -> f64 {
        let shown = (0.5 + self.correlation).clamp(0.55, 0.95);
        with_usual(USUAL_TRUST, self.shown_by * shown, self.shown_by)
    }
}

/// What tasks found of architectures themselves counts if it raises that correlation by more than this.
const RECALLED: f64 = 0.005;

/// Factors count if they leave less than this share of the squares open that the common part leaves.
const FACTORS: f64 = 0.97;

/// What is taken as usual before tasks have shown theirs, with the weight of so many tasks.
const USUAL_SLOPE: f64 = 0.9;
/// Where past tasks contradict each other, each is foretold the wrong way round by the others: its own part is missing from their mean.
/// A new task is not missing, so the past is not turned upside down before its first trial.
const LEAST_SLOPE: f64 = 0.3;
const USUAL_SLOPE_VARIANCE: f64 = 0.15;
const USUAL_REST: f64 = 0.6;
const USUAL_CORRELATION: f64 = 0.5;
const USUAL_TRUST: f64 = 0.6;
const USUAL_WEIGHT: f64 = 1.5;

impl Agreement {
    /// The rows of a table that are asked about, ascending: some of each task's.
    #[must_use]
    pub fn rows(table: &TrainingTable) -> Vec<usize> {
        // Tasks often share their architectures: each is asked about once.
        let of_task = |scores: &TaskScores| probed(scores).into_iter().map(|at| scores.rows[at]).collect();
        let rows: BTreeSet<usize> = table.tasks().iter().flat_map::<Vec<usize>, _>(of_task).collect();
        rows.into_iter().collect()
    }

    /// Probes every task of a table.
    ///
    /// # Errors
    /// [`PredictError::Lengths`] for models of another encoding.
    pub fn new(table: &TrainingTable, models: &TaskModels) -> Result<Self, PredictError> {
        let rows = Agreement::rows(table);
        let x = table.x().select(Axis(0), &rows);
        let by_task = models.evaluate(x.view())?;
        let places: Vec<Option<usize>> = rows.iter().copied().map(Some).collect();
        Ok(Agreement::of_views(table, &rows, &Views::new(table, &places, x, by_task)))
    }

    /// The same from views of the architectures in these `rows`, which are [`Agreement::rows`].
    ///
    /// # Shapes
    /// `views` is of as many architectures as there are rows, in their order.
    #[must_use]
    pub fn of_views(table: &TrainingTable, rows: &[usize], views: &Views) -> Self {
        let probe = |scores: &TaskScores| {
            let chosen = probed(scores);
            let own = chosen.iter().map(|at| scores.rows[*at]);
            let places: Vec<usize> = own.map(|row| rows.partition_point(|other| *other < row)).collect();
            let of = |all: &Array2<f64>| all.select(Axis(0), &places);
            let z = chosen.iter().map(|at| scores.z[*at]).collect();
            Probe { z, by_task: of(&views.by_task), found: of(&views.found) }
        };
        Agreement { probes: table.tasks().iter().map(probe).collect(), found: views.found.clone() }
    }

    /// How well the mean of the other past tasks, under these weights, foretells each past task. `weights(t)` are those of
    /// all `past` tasks if `past[t]` were new; its own is not used.
    pub(super) fn foretelling(
        &self,
        past: &[usize],
        recall: Recall,
        weights: impl Fn(usize) -> Vec<f64>,
    ) -> Foretelling {
        let each: Vec<(f64, f64, f64)> = if past.len() < 2 {
            Vec::new()
        } else {
            (0..past.len()).filter_map(|at| self.one(past, at, recall, &weights(at))).collect()
        };
        let n = each.len() as f64;
        let pooled = |usual: f64, value: &dyn Fn(&(f64, f64, f64)) -> f64| {
            with_usual(usual, each.iter().map(value).sum(), n)
        };
        let slope = pooled(USUAL_SLOPE, &|one| one.0).max(LEAST_SLOPE);
        Foretelling {
            slope,
            slope_variance: pooled(USUAL_SLOPE_VARIANCE, &|one| (one.0 - slope).powi(2)),
            rest: pooled(USUAL_REST, &|one| one.1),
            correlation: pooled(USUAL_CORRELATION, &|one| one.2),
            shown_by: n,
        }
    }

    /// How far what past tasks have found of an architecture itself is to count: what lets them foretell each other best.
    pub(super) fn recall(&self, past: &[usize], weights: impl Fn(usize) -> Vec<f64>) -> Recall {
        let worth = |recall| self.foretelling(past, recall, &weights).correlation;
        let mut best = (Recall::NONE, worth(Recall::NONE) + RECALLED);
        for recall in Recall::STEPS {
            let correlation = worth(recall);
            if correlation > best.1 {
                best = (recall, correlation);
            }
        }
        best.0
    }

    /// What few factors tell of findings, if that is more than what is common to all tasks does.
    pub(super) fn factors(&self, past: &[usize]) -> Option<Factors> {
        let found = self.found.select(Axis(1), past);
        // Where no architecture was tried by two tasks, as in spaces of reals, no finding tells of another.
        let tried = |row: ArrayView1<'_, f64>| row.iter().filter(|found| !found.is_nan()).count();
        if found.rows().into_iter().all(|row| tried(row) < 2) {
            return None;
        }
        Factors::learned(found.view(), FACTORS * Recall::least_open(found.view()))
    }

    /// The correlation of the plain mean of the past tasks at the places `by` with the scores of `past[at]`; `None` where it cannot
    /// be told.
    pub(crate) fn foretold(&self, past: &[usize], at: usize, by: &[usize]) -> Option<f64> {
        let mut weights = vec![0.0; past.len()];
        by.iter().for_each(|by| weights[*by] = 1.0);
        self.one(past, at, Recall::NONE, &weights).map(|(_, _, correlation)| correlation)
    }

    /// The mean of the others under these weights at the trials of `past[at]` that are compared; `None` where no other counts.
    pub(super) fn mean_of_others(
        &self,
        past: &[usize],
        at: usize,
        recall: Recall,
        weights: &[f64],
    ) -> Option<Array1<f64>> {
        let Probe { by_task, found, .. } = &self.probes[past[at]];
        let others: Vec<(usize, f64)> = past
            .iter()
            .copied()
            .zip(weights.iter().copied())
            .filter(|(other, _)| *other != past[at])
            .collect();
        let columns: Vec<usize> = others.iter().map(|(other, _)| *other).collect();
        let said = recall.recalled(&by_task.select(Axis(1), &columns), &found.select(Axis(1), &columns));
        let weights: Array1<f64> = others.iter().map(|(_, weight)| *weight).collect();
        let total = weights.sum();
        (total > 0.0).then(|| said.dot(&weights) / total)
    }

    /// Slope, rest variance and correlation of one past task on the mean of the others.
    fn one(&self, past: &[usize], at: usize, recall: Recall, weights: &[f64]) -> Option<(f64, f64, f64)> {
        let z = &self.probes[past[at]].z;
        if z.len() < 5 {
            return None;
        }
        let mean = self.mean_of_others(past, at, recall, weights)?;
        let (zz, mm, zm) = moments(z.view(), mean.view());
        if mm < 1e-9 || zz < 1e-9 {
            return None;
        }
        // A little noise on the mean's side keeps slopes of nearly constant means from running off.
        let slope = (zm / (mm + 0.02)).clamp(-2.0, 2.0);
        Some((slope, (zz - slope * zm).max(0.02), zm / (zz * mm).sqrt()))
    }
}

/// The mean of what `n` tasks show, of this sum, and of what is usual.
fn with_usual(usual: f64, sum: f64, n: f64) -> f64 {
    (sum + USUAL_WEIGHT * usual) / (n + USUAL_WEIGHT)
}

/// Which of a task's trials are compared, ascending.
pub(super) fn probed(scores: &TaskScores) -> Vec<usize> {
    let n = scores.rows.len();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(n as u64);
    let mut chosen = sample(&mut rng, n, n.min(PROBED)).into_vec();
    chosen.sort_unstable();
    chosen
}

/// Variances of both and their covariance.
pub(super) fn moments(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> (f64, f64, f64) {
    let n = a.len() as f64;
    let (mean_a, mean_b) = (a.sum() / n, b.sum() / n);
    let fold = |sums: (f64, f64, f64), (a, b): (&f64, &f64)| {
        let (a, b) = (a - mean_a, b - mean_b);
        (sums.0 + a * a / n, sums.1 + b * b / n, sums.2 + a * b / n)
    };
    a.iter().zip(b).fold((0.0, 0.0, 0.0), fold)
}

/// Pearson's correlation; 0 where one side is constant.
pub(super) fn correlation(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> f64 {
    let (square_a, square_b, cross) = moments(a, b);
    let norm = (square_a * square_b).sqrt();
    if norm > 0.0 { cross / norm } else { 0.0 }
}
