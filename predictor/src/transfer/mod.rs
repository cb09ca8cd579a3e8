//! `TransferModel`: what past tasks and a new task's own trials say together.

mod acquisition;
mod agreement;
#[cfg(test)]
mod deviation_tests;
mod draw;
mod factors;
mod fantasies;
mod features;
mod field;
mod kernel;
mod opinion;
mod past_tasks;
#[cfg(test)]
mod past_tasks_tests;
mod plateau;
mod pooled;
mod portfolio;
mod posterior;
mod precedents;
mod promising;
mod reading;
mod readings;
mod recall;
#[cfg(test)]
mod recall_tests;
mod relevance;
mod scale_belief;
mod score_shape;
mod task_shares;
#[cfg(test)]
mod tests;
mod views;

use heirloom_kb::Task;
use ndarray::Array1;

use crate::outlying::finite;
use crate::task_similarity::{LENGTHS, TaskSimilarity};
use crate::{PredictError, Prediction, TaskScores, gaussian_ranks};
pub use acquisition::{Acquisition, USUAL_BETA};
pub use agreement::Agreement;
use agreement::Foretelling;
use factors::Factors;
use features::{Features, Lens};
use field::Told;
use kernel::Kernel;
pub use past_tasks::PastTasks;
use pooled::Pooled;
pub use portfolio::Portfolio;
pub use posterior::Posterior;
use precedents::Precedents;
use recall::Recall;
use relevance::Relevance;
use scale_belief::ScaleBelief;
use score_shape::ScoreShape;
pub(crate) use score_shape::median_and_unit;
pub use task_shares::task_shares;
pub use views::Views;

/// Similarity of meta-features counts if it raises the correlation between what past tasks foretell and what they find by
/// more than this.
const WORTHWHILE: f64 = 0.02;
/// The length of what is particular to an architecture, as a share of the length of what is particular to a task.
/// Without it the nearest neighbours of the best trial all look as if they could be better still by chance (BENCHMARKS.md, "Spaces of
/// real numbers").
const GRAIN: f64 = 0.15;

/// The usual variance of chance in what has fallen to the bottom. Without it a few failures or divergences that are chance pull what is
/// like them down with them, and a past that did not foresee them looks like noise.
const SLIP: f64 = 0.5;
/// Numbers of own trials after which parameters are weighed anew: each time the pool has to be seen anew, and of many trials one more
/// changes little.
const ATTUNING: [usize; 22] =
    [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 22, 24, 28, 32, 40, 48, 64, 96];
/// The usual length of what few own trials say where there is no past, and in the reading in which it says nothing, as a share of that of
/// what is particular to a task: alone it has to tell all, down to where the best lies. By the evidence of the second the past is judged, and
/// with a shorter length still it would explain too much. What more trials say they tell themselves, and noise looks like a function of a
/// short length.
const ALONE: f64 = 0.5;
const BESIDE_PAST: f64 = 0.7;
const FEW: usize = 32;

/// The prior that `T` past tasks give for a new one, and its update by the new task's own trials.
///
/// The new task's normalised score is taken as
///
/// `f(x) = (b + w0) m(x) + sum_t w_t g_t(x) + l(x) + r(x)`
///
/// with `m` the mean of what the past tasks say (their models and, if that foretells better among them, what they found of `x`
/// itself), weighed by their reliability and, if that foretells better too, by the similarity of meta-features; `g_t` their
/// deviations from it, in which few factors of what tasks found beyond their models stand in for what a task has not tried, if
/// they foretell that; `w_t ~ N(0, a / (T - 1))`, for `a = 1` the sample covariance between tasks; `l` a linear and `r` a smooth function of the encoding, which are the new task's own, the latter
/// with a grain where the space has real numbers: most of what an architecture scores beyond all that it would score again, and
/// so would its nearest neighbours. The
/// slope `b`, the variance of `w0` and how much is left to `l` and `r` are learned from how the past tasks foretell each
/// other ([`Agreement`]); own trials tune all variances further. Beside this reading stand one in which the past says
/// nothing and, once that explains the trials better than the first, one in which it says the opposite, with `-b` for `b`;
/// they are weighed by how well they foretold the trials ([`Posterior::trust`], [`Posterior::reversed`]).
///
/// Expected improvements are tempered by what each past task, as if it were the new one, has left to improve (`Precedents`).
///
/// Raw scores are placed on the normalised scale by the usual shape of scores over ranks in past tasks; the new task's
/// median and unit are those of highest posterior density.
///
/// *Source*: multi-task Gaussian processes (Swersky, Snoek, Adams, NeurIPS 2013) with past tasks' models as fixed features,
/// as in Feurer et al., RGPE (arXiv:1802.02219), but Bayesian.
#[derive(Clone, Debug)]
pub struct TransferModel {
    /// Weight of each past task in the mean, summing to one.
    weights: Vec<f64>,
    recall: Recall,
    /// What sets past tasks apart beyond their models.
    factors: Option<Factors>,
    foretelling: Foretelling,
    /// What stands for the mean of the past tasks where each alone says too little, and how many there are.
    pooled: Option<(Pooled, usize)>,
    shape: ScoreShape,
    /// What the past says about medians and units; absent where no past task has the new one's metric.
    scale: Option<ScaleBelief>,
    /// How much parameters matter by the past.
    relevance: Relevance,
    /// Scales of the encoding's columns, `(d,)`.
    scales: Vec<f64>,
    /// The usual length scale of what is particular to a task.
    length: f64,
    /// That of what is particular to an architecture; 0 where the space has no real numbers.
    grain: f64,
}

/// A pool of candidates as a transfer model sees it.
#[derive(Clone, Debug)]
pub struct Seen {
    lens: Lens,
    features: Features,
    /// Mean squared norm of the encodings, which linear functions are measured by.
    norm: f64,
}

impl Seen {
    /// Other architectures, seen as these are.
    #[must_use]
    pub fn also(&self, views: &Views) -> Seen {
        Seen { lens: self.lens.clone(), features: self.lens.see(views), norm: self.norm }
    }

    /// The candidates at these positions.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Seen {
        Seen { lens: self.lens.clone(), features: self.features.select(rows), norm: self.norm }
    }
}

impl TransferModel {
    /// The model that past tasks give for a new one.
    #[must_use]
    pub fn new(past: PastTasks<'_>, new: &Task) -> Self {
        let columns = past.columns;
        let scores: Vec<&TaskScores> = columns.iter().map(|at| &past.table.tasks()[*at]).collect();
        let reliability: Vec<f64> =
            columns.iter().map(|at| past.models.models()[*at].reliability()).collect();
        let tasks: Vec<&Task> = scores
            .iter()
            .filter_map(|scores| past.tasks.iter().find(|task| task.id == scores.task))
            .chain(std::iter::once(new))
            .collect();
        let similarity = TaskSimilarity::new(&tasks);
        let weights_for = |of: usize, length: Option<f64>| -> Vec<f64> {
            let weigh = |(at, trust): (usize, &f64)| trust * similarity.weight(of, at, length);
            reliability.iter().enumerate().map(weigh).collect()
        };
        let recall = past.agreement.recall(columns, |of| weights_for(of, None));
        let foretelling = |length| past.agreement.foretelling(columns, recall, |of| weights_for(of, length));
        let mut best = (None, foretelling(None));
        for length in LENGTHS.into_iter().skip(1) {
            let candidate = foretelling(length);
            let bar = if best.0.is_none() { best.1.correlation + WORTHWHILE } else { best.1.correlation };
            if similarity.tells() && candidate.correlation > bar {
                best = (length, candidate);
            }
        }
        let others = |at: usize| past.agreement.mean_of_others(columns, at, recall, &weights_for(at, best.0));
        let (pooled, foretelling) = match Pooled::of(past, others).ok().flatten() {
            Some((pooled, foretelling)) => (Some((pooled, columns.len())), foretelling),
            None => (None, best.1),
        };
        let mut weights = weights_for(columns.len(), best.0);
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= total);
        let shape = ScoreShape::of(weights.iter().copied().zip(scores.iter().copied()));
        let encoder = past.table.encoder();
        let relevance = Relevance::of_past(encoder, &past);
        let length = if encoder.width() > encoder.own_width() { 0.7 } else { 0.5 };
        TransferModel {
            grain: if encoder.space().has_reals() { GRAIN * length } else { 0.0 },
            scale: ScaleBelief::of_past(&scores, &tasks, new),
            scales: relevance.scales(),
            relevance,
            length,
            foretelling,
            pooled,
            recall,
            factors: past.agreement.factors(columns),
            weights,
            shape,
        }
    }

    /// How many of a task's own trials parameters are weighed by, of so many.
    #[must_use]
    pub fn attuning(trials: usize) -> usize {
        ATTUNING.into_iter().rev().find(|n| *n <= trials).unwrap_or(0)
    }

    /// The same with parameters weighed by how much they matter to a task's own trials as well: to what they scored beyond what the
    /// past lets expect. Whoever does not learn that some do not matter looks for improvement in all directions.
    ///
    /// # Shapes
    /// As of [`TransferModel::condition`].
    ///
    /// # Errors
    /// [`PredictError::NotPositiveDefinite`].
    pub fn attuned(&self, own: &Views, scores: &[Option<f64>]) -> Result<Self, PredictError> {
        if scores.is_empty() {
            return Ok(self.clone());
        }
        let mean = self.lens(own).see(own).mean;
        let z = Array1::from(gaussian_ranks(scores));
        let share = (z.dot(&mean) / mean.dot(&mean).max(1e-9)).clamp(0.0, self.slope().max(0.0));
        let surprise = z - &(mean * share);
        let relevance = self.relevance.with_own(own.x.view(), surprise.view())?;
        Ok(TransferModel { scales: relevance.scales(), ..self.clone() })
    }

    /// What usually lies between a task's median and its best score, by past tasks of the new one's metric; `None` where there are none.
    #[must_use]
    pub fn usual_unit(&self) -> Option<f64> {
        self.scale.map(|belief| belief.usual_unit())
    }

    fn lens(&self, views: &Views) -> Lens {
        Lens::new(&self.weights, (self.recall, self.factors.clone()), &self.scales, views.x.view())
            .with_pooled(self.pooled.clone())
    }

    /// A pool as this model sees it.
    ///
    /// # Shapes
    /// `views` has the model's past tasks as its columns, in order.
    #[must_use]
    pub fn see(&self, views: &Views) -> Seen {
        let lens = self.lens(views);
        let features = lens.see(views);
        let norm = features.norms.mean().unwrap_or(0.0).max(1e-9);
        Seen { lens, features, norm }
    }

    /// What the past tasks alone expect a trial of a new one to measure.
    #[must_use]
    pub fn prior(&self, seen: &Seen) -> Prediction {
        let kernel = self.trusting(seen);
        let mean = &seen.features.mean * self.slope();
        let variances = kernel.variances(&seen.features) + kernel.chance();
        let amplitude = self.amplitude(seen, &variances);
        Prediction { mean, std: (variances * amplitude).mapv(f64::sqrt) }
    }

    /// What the variances of the kernel that past tasks suggest are multiplied by where it is said how sure one is: that kernel leaves
    /// more open than past tasks leave open of each other, for what a search tries, and how far it trusts the past, goes by it.
    ///
    /// # Shapes
    /// `variances` are those of the pool under that kernel, `(n,)`.
    fn amplitude(&self, seen: &Seen, variances: &Array1<f64>) -> f64 {
        if self.weights.is_empty() {
            return 1.0;
        }
        let Features { mean, .. } = &seen.features;
        let taken = variances.mean().unwrap_or(1.0);
        let of_slope = self.foretelling.slope_variance * mean.mapv(|mean| mean * mean).mean().unwrap_or(0.0);
        (self.foretelling.rest + of_slope) / taken
    }

    /// What past tasks and the new task's own trials say.
    ///
    /// # Shapes
    /// `own` views the `n` architectures tried, `scores` are theirs, `(n,)`, higher is better, `None` for a failed trial;
    /// `pending` views those being tried.
    ///
    /// # Errors
    /// [`PredictError::NoData`] without a trial, [`PredictError::Lengths`], [`PredictError::NotPositiveDefinite`].
    pub fn condition(
        &self,
        seen: &Seen,
        own: &Views,
        scores: &[Option<f64>],
        pending: &Views,
    ) -> Result<Posterior, PredictError> {
        let (left, right) = (own.x.nrows(), scores.len());
        if left != right {
            return Err(PredictError::Lengths { what: "architectures tried and scores", left, right });
        }
        if scores.is_empty() {
            return Err(PredictError::NoData { model: "a posterior" });
        }
        let scores: Vec<Option<f64>> = scores.iter().map(|score| score.map(finite)).collect();
        let scores = &scores[..];
        let features = seen.lens.see(own);
        let pending = seen.lens.see(pending);
        let told = Told { features: &features, scores };
        let of_scores = || ScaleBelief::of_scores(scores, &features, self.slope(), &self.shape);
        let read = self.readings(seen, &told, self.scale.unwrap_or_else(of_scores))?;
        let precedents = Precedents::of(&self.weights, &features, scores, &pending, &self.shape);
        let posterior = Posterior::new(read, precedents, &pending, scores, self.shape.clone(), self.length)?;
        Ok(if self.weights.is_empty() { posterior.centred(&seen.features) } else { posterior })
    }

    fn slope(&self) -> f64 {
        if self.weights.is_empty() { 0.0 } else { self.foretelling.slope }
    }

    /// The kernel that past tasks suggest.
    fn trusting(&self, seen: &Seen) -> Kernel {
        if self.weights.is_empty() {
            return self.alone(seen);
        }
        let rest = self.foretelling.rest;
        Kernel {
            mean: self.foretelling.slope_variance,
            tasks: if self.weights.len() < 2 { 0.0 } else { 0.8 },
            linear: 0.25 * rest / seen.norm,
            own: 0.4 * rest,
            length: self.length,
            noise: 0.06 + 0.6 * rest,
            grain: self.grain,
            slip: SLIP,
        }
    }

    /// The kernel of a task without a past.
    fn alone(&self, seen: &Seen) -> Kernel {
        let (length, linear) = (self.length, 0.3 / seen.norm);
        Kernel { mean: 0.0, tasks: 0.0, linear, own: 0.7, length, noise: 0.08, grain: self.grain, slip: SLIP }
    }
}
