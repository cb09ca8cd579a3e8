//! `Posterior`: what is expected of a new task once some trials are in.

use ndarray::{Array1, Array2, Axis, Slice};
use rayon::prelude::*;

use super::features::Features;
use super::kernel::{FIELDS, Kernel, Parts};
use super::score_shape::{Placed, Scale, ScoreShape};
use crate::{GaussianProcess, PredictError, Prediction};

/// Trials on which hyperparameters are tuned; more do not change the choice but cost their cube.
const TUNING_TRIALS: usize = 96;
/// Rows that are predicted at a time.
const CHUNK: usize = 1_024;
/// Units of a task that are tried around the expected one, in its deviations.
const UNIT_DEVIATIONS: [f64; 9] = [-2.5, -1.75, -1.1, -0.5, 0.0, 0.5, 1.1, 1.75, 2.5];
/// Readings of a smaller probability are left out: they cost time and change nothing.
const RULED_OUT: f64 = 1e-4;
/// Scores below this are all alike: bad.
const FLOOR: f64 = -3.0;

/// A new task's own trials, as the model sees them.
pub(super) struct Told<'a> {
    pub(super) features: &'a Features,
    /// Raw scores, higher is better; `None` for a failed trial.
    pub(super) scores: &'a [Option<f64>],
}

/// What is believed of the logarithm of a task's unit, its best minus its median score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct UnitBelief {
    pub(super) log_mean: f64,
    pub(super) log_std: f64,
}

/// One reading of a new task: with the past tasks' mean, or without.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// The coefficient of the past tasks' mean that is expected.
    pub(super) slope: f64,
    pub(super) kernel: Kernel,
    pub(super) scale: Scale,
    /// Log density of the trials under this reading.
    pub(super) log_evidence: f64,
    features: Features,
    /// Scores on the normalised scale, told or believed.
    z: Array1<f64>,
    process: GaussianProcess,
}

impl Reading {
    /// Tunes the kernel on the trials and conditions on them.
    pub(super) fn new(
        slope: f64,
        default: Kernel,
        told: &Told<'_>,
        shape: &ScoreShape,
        unit: UnitBelief,
    ) -> Result<Self, PredictError> {
        let parts = Parts::between(told.features, told.features);
        let first = Field::new(slope, default, told, &parts)?.place(told.scores, shape, unit);
        let kernel = tune(default, slope, told, &first.z)?;
        let field = Field::new(slope, kernel, told, &parts)?;
        let placed = field.place(told.scores, shape, unit);
        let k = field.k;
        let surprise = &placed.z - &(&told.features.mean * slope);
        Ok(Reading {
            slope,
            kernel,
            scale: placed.scale,
            log_evidence: placed.log_density,
            features: told.features.clone(),
            process: GaussianProcess::new(k.view(), surprise.view())?,
            z: placed.z,
        })
    }

    /// The same with architectures that are being tried, as if they had scored what is expected of them (Ginsbourger, Le
    /// Riche, Carraro 2010, the "kriging believer").
    pub(super) fn believe(self, pending: &Features) -> Result<Self, PredictError> {
        if pending.len() == 0 {
            return Ok(self);
        }
        let expected = self.mean(pending);
        let features = self.features.joined(pending);
        let z: Array1<f64> = self.z.iter().chain(&expected).copied().collect();
        let k = noisy(self.kernel.between(&features, &features), self.kernel.noise);
        let surprise = &z - &(&features.mean * self.slope);
        Ok(Reading { process: GaussianProcess::new(k.view(), surprise.view())?, features, z, ..self })
    }

    /// The trials, and what is believed.
    pub(super) fn features(&self) -> &Features {
        &self.features
    }

    /// What the trials scored beside what was expected of them, `(n,)`.
    pub(super) fn surprise(&self) -> Array1<f64> {
        &self.z - &(&self.features.mean * self.slope)
    }

    /// `K^-1 y`, noise in `K`, `(n,)`.
    pub(super) fn solve(&self, y: &Array1<f64>) -> Array1<f64> {
        self.process.inverse().dot(y)
    }

    /// Expected normalised scores but for what the smooth part learns: products of features, which need no covariances.
    fn broad_mean(&self, asked: &Features) -> Array1<f64> {
        self.broad_mean_under(asked, self.process.weights())
    }

    fn broad_mean_under(&self, asked: &Features, alpha: &Array1<f64>) -> Array1<f64> {
        let kernel = &self.kernel;
        let by_mean = kernel.mean * self.features.mean.dot(alpha) + self.slope;
        let by_task = self.features.deviations.t().dot(alpha) * kernel.tasks;
        let by_column = self.features.x.t().dot(alpha) * kernel.linear;
        &asked.mean * by_mean + asked.deviations.dot(&by_task) + asked.x.dot(&by_column)
    }

    /// Expected normalised scores.
    pub(super) fn mean(&self, asked: &Features) -> Array1<f64> {
        self.mean_under(asked, self.process.weights())
    }

    /// The past's mean times the slope, plus the covariances with the trials, weighed by `alpha` `(n,)`.
    pub(super) fn mean_under(&self, asked: &Features, alpha: &Array1<f64>) -> Array1<f64> {
        let kernel = &self.kernel;
        let mut mean = self.broad_mean_under(asked, alpha);
        let scale = -0.5 / (kernel.length * kernel.length);
        mean.axis_chunks_iter_mut(Axis(0), CHUNK).into_par_iter().enumerate().for_each(|(at, mut mean)| {
            let rows = Slice::from(at * CHUNK..at * CHUNK + mean.len());
            let dots = asked.x.slice_axis(Axis(0), rows).dot(&self.features.x.t());
            let norms = asked.norms.slice_axis(Axis(0), rows);
            for ((row, own), mean) in dots.rows().into_iter().zip(norms).zip(&mut mean) {
                let near = row.iter().zip(&self.features.norms).zip(alpha);
                let sum: f64 = near
                    .map(|((dot, norm), alpha)| alpha * (scale * (own + norm - 2.0 * dot).max(0.0)).exp())
                    .sum();
                *mean += kernel.own * sum;
            }
        });
        mean
    }

    /// Mean and variance, the noise not counted.
    pub(super) fn predict(&self, asked: &Features) -> (Array1<f64>, Array1<f64>) {
        let cross = self.kernel.between(asked, &self.features);
        let (shift, variance) = self.process.predict(cross.view(), self.kernel.variances(asked).view());
        (&asked.mean * self.slope + shift, variance)
    }
}

fn noisy(mut k: Array2<f64>, noise: f64) -> Array2<f64> {
    k.diag_mut().mapv_inplace(|variance| variance + noise);
    k
}

/// The joint normal density of the trials' normalised scores.
struct Field {
    k: Array2<f64>,
    centre: Array1<f64>,
    /// Of a surprise of nothing.
    at_rest: GaussianProcess,
}

impl Field {
    fn new(slope: f64, kernel: Kernel, told: &Told<'_>, parts: &Parts) -> Result<Self, PredictError> {
        let k = noisy(parts.covariance(&kernel), kernel.noise);
        let at_rest = GaussianProcess::new(k.view(), Array1::zeros(told.scores.len()).view())?;
        Ok(Field { k, centre: &told.features.mean * slope, at_rest })
    }

    /// Places raw scores on the normalised scale: the median and unit of the task under which the scores are most likely,
    /// given what is expected of these very architectures and what units are usual.
    fn place(&self, scores: &[Option<f64>], shape: &ScoreShape, unit: UnitBelief) -> Placed {
        let raw: Vec<f64> = scores.iter().flatten().copied().collect();
        if raw.is_empty() {
            let z = Array1::from_elem(scores.len(), FLOOR);
            let scale = Scale { median: 0.0, unit: 1.0 };
            return Placed { log_density: self.log_density(&z), z, scale };
        }
        let heights: Vec<f64> = self.centre.iter().map(|z| shape.height(*z)).collect();
        let measured =
            scores.iter().zip(&heights).filter_map(|(score, height)| score.map(|score| (score, *height)));
        let measured: Vec<(f64, f64)> = measured.collect();
        let n = measured.len() as f64;
        let mut best: Option<Placed> = None;
        for deviations in UNIT_DEVIATIONS {
            let size = (unit.log_mean + deviations * unit.log_std).exp();
            let middle = measured.iter().map(|(score, height)| score - size * height).sum::<f64>() / n;
            let mut step = 0.4 * size;
            let mut here = self.at(scores, shape, Scale { median: middle, unit: size });
            // A line search for the median: the density has one hill or few.
            for _ in 0..7 {
                let sides = [-1.0, 1.0].map(|side| {
                    let median = here.scale.median + side * step;
                    self.at(scores, shape, Scale { median, unit: size })
                });
                for side in sides {
                    if side.log_density > here.log_density {
                        here = side;
                    }
                }
                step *= 0.6;
            }
            here.log_density -= 0.5 * deviations * deviations;
            if best.as_ref().is_none_or(|best| here.log_density > best.log_density) {
                best = Some(here);
            }
        }
        best.expect("some unit was tried")
    }

    fn at(&self, scores: &[Option<f64>], shape: &ScoreShape, scale: Scale) -> Placed {
        let mut log_rise = 0.0;
        let mut z: Vec<f64> = Vec::with_capacity(scores.len());
        for score in scores.iter().flatten() {
            let (place, rise) = shape.place((score - scale.median) / scale.unit);
            log_rise += (rise * scale.unit).ln();
            z.push(place);
        }
        let lowest = z.iter().copied().fold(0.0, f64::min).max(FLOOR);
        let mut placed = z.into_iter();
        let z = scores.iter().map(|score| match score {
            Some(_) => placed.next().map_or(FLOOR, |z| z.max(FLOOR)),
            None => (lowest - 0.5).max(FLOOR),
        });
        let z: Array1<f64> = z.collect();
        Placed { log_density: self.log_density(&z) - log_rise, z, scale }
    }

    fn log_density(&self, z: &Array1<f64>) -> f64 {
        let surprise = z - &self.centre;
        self.at_rest.log_marginal() - 0.5 * surprise.dot(&self.at_rest.inverse().dot(&surprise))
    }
}

/// The kernel that explains placed scores best, by coordinate search on the log marginal likelihood plus the log prior.
fn tune(default: Kernel, slope: f64, told: &Told<'_>, z: &Array1<f64>) -> Result<Kernel, PredictError> {
    let keep: Vec<usize> = (0..z.len().min(TUNING_TRIALS)).collect();
    if keep.len() < 2 {
        return Ok(default);
    }
    let features = told.features.select(&keep);
    let surprise = z.select(Axis(0), &keep) - &(&features.mean * slope);
    let parts = Parts::between(&features, &features);
    let score = |kernel: Kernel| -> Result<f64, PredictError> {
        let k = noisy(parts.covariance(&kernel), kernel.noise);
        Ok(GaussianProcess::new(k.view(), surprise.view())?.log_marginal() + kernel.log_prior(default))
    };
    let mut best = default;
    let mut best_score = score(best)?;
    for field in FIELDS.iter().chain(&FIELDS[..3]) {
        let centre = best;
        for factor in [1.0 / 2.5, 2.5] {
            let mut candidate = centre;
            *field(&mut candidate) *= factor;
            let candidate_score = score(candidate)?;
            if candidate_score > best_score {
                (best, best_score) = (candidate, candidate_score);
            }
        }
    }
    Ok(best)
}

/// What is expected of a new task once some trials are in: a mixture of the reading that trusts the past, one that does not
/// and one that takes it the wrong way round, weighed by how well each foretold the trials. This is the guard against a
/// history that misleads.
#[derive(Clone, Debug)]
pub struct Posterior {
    /// Probabilities of the readings, the trusting one first, then without the past, then the reversed one.
    pub(super) beliefs: Vec<f64>,
    /// The readings that are not all but ruled out, and their probabilities.
    pub(super) readings: Vec<(f64, Reading)>,
    /// The best raw score so far.
    pub(super) best: Option<f64>,
    pub(super) shape: ScoreShape,
}

impl Posterior {
    /// Weighs readings of prior probabilities by their evidence.
    pub(super) fn new(
        read: Vec<(f64, Reading)>,
        pending: &Features,
        best: Option<f64>,
        shape: ScoreShape,
    ) -> Result<Self, PredictError> {
        let logs: Vec<f64> = read.iter().map(|(prior, reading)| prior.ln() + reading.log_evidence).collect();
        let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = logs.iter().map(|log| (log - most).exp()).sum();
        let beliefs: Vec<f64> = logs.iter().map(|log| (log - most).exp() / total).collect();
        let kept = read.into_iter().zip(&beliefs).filter(|(_, belief)| **belief > RULED_OUT);
        let readings = kept.map(|((_, reading), belief)| Ok((*belief, reading.believe(pending)?)));
        let mut readings = readings.collect::<Result<Vec<_>, PredictError>>()?;
        let total: f64 = readings.iter().map(|(belief, _)| belief).sum();
        readings.iter_mut().for_each(|(belief, _)| *belief /= total);
        Ok(Posterior { beliefs, readings, best, shape })
    }

    /// The probability that the past tasks say something about this one, and the right way round.
    #[must_use]
    pub fn trust(&self) -> f64 {
        self.beliefs.first().copied().unwrap_or(0.0)
    }

    /// The probability that what past tasks say is the opposite of what holds for this one.
    #[must_use]
    pub fn reversed(&self) -> f64 {
        self.beliefs.get(2).copied().unwrap_or(0.0)
    }

    /// The trials' scores on the normalised scale, then those that are believed of what is under way.
    #[must_use]
    pub fn scores(&self) -> Vec<f64> {
        let trials = self.readings.first().map_or(0, |(_, reading)| reading.z.len());
        let mean = |at: usize| self.readings.iter().map(|(share, reading)| share * reading.z[at]).sum();
        (0..trials).map(mean).collect()
    }

    /// Mean and standard deviation of the mixture: of what a trial would measure, with `noise`, or of what lies behind it.
    pub(super) fn predict(&self, asked: &Features, noise: bool) -> Prediction {
        let mut mean = Array1::<f64>::zeros(asked.len());
        let mut square = Array1::<f64>::zeros(asked.len());
        for (share, reading) in &self.readings {
            let (m, v) = reading.predict(asked);
            let noise = if noise { reading.kernel.noise } else { 0.0 };
            square += &((&m * &m + v + noise) * *share);
            mean += &(m * *share);
        }
        let std = (square - &mean * &mean).mapv(|variance| variance.max(1e-9).sqrt());
        Prediction { mean, std }
    }

    /// As [`Posterior::mean`], the smooth parts left out.
    pub(super) fn broad_mean(&self, asked: &Features) -> Array1<f64> {
        let mut mean = Array1::zeros(asked.len());
        for (share, reading) in &self.readings {
            mean.scaled_add(*share, &reading.broad_mean(asked));
        }
        mean
    }

    /// Expected normalised scores of the mixture.
    pub(super) fn mean(&self, asked: &Features) -> Array1<f64> {
        let mut mean = Array1::zeros(asked.len());
        for (share, reading) in &self.readings {
            mean.scaled_add(*share, &reading.mean(asked));
        }
        mean
    }

    /// Expected improvement over the best score, in raw units: heights of the shape, times the task's unit. What a trial will
    /// measure counts, the noise with it: it is measured once, and most of what a kernel calls noise is particular to an
    /// architecture.
    pub(super) fn improvement(&self, asked: &Features) -> Vec<f64> {
        let mut gains = vec![0.0; asked.len()];
        for (share, reading) in &self.readings {
            let (mean, variance) = reading.predict(asked);
            let floor = self.best.map(|best| (best - reading.scale.median) / reading.scale.unit);
            let gain = |(mean, variance): (&f64, &f64)| {
                let std = (variance + reading.kernel.noise).sqrt();
                reading.scale.unit * self.shape.expected_gain(*mean, std, floor)
            };
            let new: Vec<f64> = mean
                .as_slice()
                .unwrap_or_default()
                .par_iter()
                .zip(variance.as_slice().unwrap_or_default())
                .map(gain)
                .collect();
            gains.iter_mut().zip(new).for_each(|(sum, new)| *sum += share * new);
        }
        gains
    }
}
