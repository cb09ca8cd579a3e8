//! `Reading`: one way to read a new task's own trials, with the past tasks' mean or without.

use ndarray::{Array1, Array2, Axis, Slice};
use rayon::prelude::*;

use super::features::Features;
use super::kernel::{FIELDS, Kernel, Parts};
use super::score_shape::{Placed, Scale, ScoreShape};
use crate::{GaussianProcess, PredictError};

/// Trials on which hyperparameters are tuned; more do not change the choice but cost their cube.
const TUNING_TRIALS: usize = 96;
/// Rows that are predicted at a time.
const CHUNK: usize = 1_024;
/// Units of a task that are tried around the expected one, in its deviations.
const UNIT_DEVIATIONS: [f64; 9] = [-2.5, -1.75, -1.1, -0.5, 0.0, 0.5, 1.1, 1.75, 2.5];
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
    pub(super) z: Array1<f64>,
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
    pub(super) fn broad_mean(&self, asked: &Features) -> Array1<f64> {
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
        let mut mean = self.broad_mean_under(asked, alpha);
        add_waves(&mut mean, asked, &self.features, &[self.wave(1.0, alpha)]);
        mean
    }

    /// The smooth part of a share of the expected scores.
    pub(super) fn smooth(&self, share: f64) -> Wave {
        self.wave(share, self.process.weights())
    }

    fn wave(&self, share: f64, alpha: &Array1<f64>) -> Wave {
        let kernel = &self.kernel;
        Wave { weights: alpha * (kernel.own * share), scale: -0.5 / (kernel.length * kernel.length) }
    }

    /// Mean and variance, the noise not counted.
    ///
    /// # Shapes
    /// `parts` are those between what is asked of and the trials.
    pub(super) fn predict(&self, asked: &Features, parts: &Parts) -> (Array1<f64>, Array1<f64>) {
        let cross = parts.covariance(&self.kernel);
        let (shift, variance) = self.process.predict(cross.view(), self.kernel.variances(asked).view());
        (&asked.mean * self.slope + shift, variance)
    }
}

/// A function that falls off with the squared distance from the trials: the sum of `weights exp(scale distance)`.
pub(super) struct Wave {
    weights: Array1<f64>,
    scale: f64,
}

/// Adds such functions to the values at what is asked of. The distances, which take most of the time, are worked out once.
pub(super) fn add_waves(values: &mut Array1<f64>, asked: &Features, told: &Features, waves: &[Wave]) {
    values.axis_chunks_iter_mut(Axis(0), CHUNK).into_par_iter().enumerate().for_each(|(at, mut values)| {
        let rows = Slice::from(at * CHUNK..at * CHUNK + values.len());
        let dots = asked.x.slice_axis(Axis(0), rows).dot(&told.x.t());
        let norms = asked.norms.slice_axis(Axis(0), rows);
        for ((row, own), value) in dots.rows().into_iter().zip(norms).zip(&mut values) {
            let square = |(dot, norm): (&f64, &f64)| (own + norm - 2.0 * dot).max(0.0);
            for wave in waves {
                let near = row.iter().zip(&told.norms).map(square).zip(&wave.weights);
                *value += near.map(|(square, weight)| weight * (wave.scale * square).exp()).sum::<f64>();
            }
        }
    });
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
