//! `Reading`: one way to read a new task's own trials, with the past tasks' mean or without.

use ndarray::{Array1, Array2, ArrayViewMut1, Axis, Slice};
use rayon::prelude::*;

use super::fantasies::Fantasies;
use super::features::Features;
use super::field::{Alternative, Field, Told, likeliest, measured};
use super::kernel::{self, FIELDS, Kernel, Parts};
use super::scale_belief::ScaleBelief;
use super::score_shape::{Scale, ScoreShape};
use crate::{GaussianProcess, PredictError};

/// Trials on which hyperparameters are tuned; more do not change the choice but cost their cube.
const TUNING_TRIALS: usize = 96;
/// Rounds of tuning, unless one changes nothing. Tables are as well served by one and a half; trials that close in on the best of a
/// smooth function are told apart only once the noise is a hundredth of what is usual (BENCHMARKS.md, "Peers in spaces of real numbers").
const ROUNDS: usize = 6;
/// What a number is multiplied or divided by at a time.
const FACTOR: f64 = 2.5;
/// What is placed below this has fallen to the bottom.
const BOTTOM: f64 = -2.5;
/// As many own trials say as much of the amplitude of variances as the past does: less, and trials that were chosen for promising much
/// make it too large; more, and a past that was chosen by an optimiser, or is of one task, leaves it too small.
const USUAL_TRIALS: f64 = 20.0;
/// Rows that are predicted at a time.
const CHUNK: usize = 1_024;

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
    /// Where the scores might lie as well.
    pub(super) alternatives: Vec<Alternative>,
    /// What is under way may measure.
    pub(super) fantasies: Fantasies,
    process: GaussianProcess,
    /// What has fallen to the bottom.
    fallen: Vec<bool>,
    /// What the kernel's variances are multiplied by where it is said how sure one is.
    pub(super) amplitude: f64,
}

impl Reading {
    /// Tunes the kernel on the trials and conditions on them.
    pub(super) fn new(
        slope: f64,
        default: Kernel,
        told: &Told<'_>,
        shape: &ScoreShape,
        belief: ScaleBelief,
        usual_amplitude: f64,
    ) -> Result<Self, PredictError> {
        let parts = Parts::between(told.features, told.features);
        let field = |kernel, fallen: &[bool]| Field::new(slope, kernel, told, &parts, shape, belief, fallen);
        let failed: Vec<bool> = told.scores.iter().map(Option::is_none).collect();
        let first = likeliest(field(default, &failed)?.places());
        let fallen: Vec<bool> =
            first.z.iter().zip(&failed).map(|(z, failed)| *failed || *z < BOTTOM).collect();
        let slip = if fallen.contains(&true) { default.slip } else { 0.0 };
        let default = Kernel { slip, ..default };
        let kernel = tune(default, slope, told, &first.z, &fallen)?;
        let field = field(kernel, &fallen)?;
        let places = field.places();
        let placed = likeliest(places.clone());
        let alternatives = field.alternatives(&places, &placed);
        let process = field.of(&placed.z);
        let surprise = &placed.z - &(&told.features.mean * slope);
        let amplitude = amplitude(surprise.dot(process.weights()), told.scores.len(), usual_amplitude);
        Ok(Reading {
            slope,
            kernel,
            scale: placed.scale,
            log_evidence: placed.log_density,
            features: told.features.clone(),
            process,
            z: placed.z,
            alternatives,
            fantasies: Fantasies::default(),
            fallen,
            amplitude,
        })
    }

    /// The same with architectures that are being tried, as if they had scored what is expected of them (Ginsbourger, Le
    /// Riche, Carraro 2010, the "kriging believer"), and what else they may score.
    pub(super) fn believe(self, pending: &Features) -> Result<Self, PredictError> {
        if pending.len() == 0 {
            return Ok(self);
        }
        let expected = self.mean(pending);
        let fantasies = Fantasies::new(&self, pending, &expected)?;
        let features = self.features.joined(pending);
        let z: Array1<f64> = self.z.iter().chain(&expected).copied().collect();
        let k = measured(self.kernel.between(&features, &features), &self.kernel, &self.fallen);
        let surprise = &z - &(&features.mean * self.slope);
        let cross = self.kernel.between(pending, &self.features);
        let alternatives = self.alternatives.iter().map(|other| {
            let believed = cross.dot(&self.solve(&other.difference));
            let difference = other.difference.iter().chain(&believed).copied().collect();
            Alternative { share: other.share, difference }
        });
        let alternatives = alternatives.collect();
        let process = GaussianProcess::new(k.view(), surprise.view())?;
        Ok(Reading { process, features, z, alternatives, fantasies, ..self })
    }

    /// `K^-1` of the trials, and of what is believed, `(n, n)`.
    pub(super) fn inverse(&self) -> &Array2<f64> {
        self.process.inverse()
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

    /// A share of the expected normalised scores but for what the smooth part learns.
    pub(super) fn broad(&self, share: f64) -> Broad {
        self.broad_under(share, self.process.weights())
    }

    fn broad_under(&self, share: f64, alpha: &Array1<f64>) -> Broad {
        let kernel = &self.kernel;
        Broad {
            mean: share * self.coefficient_under(alpha),
            tasks: self.features.deviations.t().dot(alpha) * (share * kernel.tasks),
            columns: self.features.x.t().dot(alpha) * (share * kernel.linear),
        }
    }

    /// The coefficient of the past tasks' mean after the trials.
    pub(super) fn coefficient(&self) -> f64 {
        self.coefficient_under(self.process.weights())
    }

    fn coefficient_under(&self, alpha: &Array1<f64>) -> f64 {
        self.kernel.mean * self.features.mean.dot(alpha) + self.slope
    }

    /// Expected normalised scores.
    pub(super) fn mean(&self, asked: &Features) -> Array1<f64> {
        self.mean_under(asked, self.process.weights())
    }

    /// The past's mean times the slope, plus the covariances with the trials, weighed by `alpha` `(n,)`.
    pub(super) fn mean_under(&self, asked: &Features, alpha: &Array1<f64>) -> Array1<f64> {
        let mut mean = self.broad_under(1.0, alpha).at(asked);
        add_waves(&mut mean, asked, &self.features, &self.waves(1.0, alpha));
        mean
    }

    /// The smooth parts of a share of the expected scores.
    pub(super) fn smooth(&self, share: f64) -> Vec<Wave> {
        self.waves(share, self.process.weights())
    }

    fn waves(&self, share: f64, alpha: &Array1<f64>) -> Vec<Wave> {
        let parts = self.kernel.smooth_parts();
        let wave = |(variance, length): (f64, f64)| Wave {
            weights: alpha * (variance * share),
            scale: -0.5 / (length * length),
        };
        parts.into_iter().map(wave).collect()
    }

    /// Mean and variance, chance not counted.
    ///
    /// # Shapes
    /// `parts` are those between what is asked of and the trials.
    pub(super) fn predict(&self, asked: &Features, parts: &Parts) -> (Array1<f64>, Array1<f64>) {
        self.predict_across(asked, &parts.covariance(&self.kernel))
    }

    /// Mean and variance, and by how much each fantasy moves the mean, `(n, fantasies)`.
    pub(super) fn predict_fantasies(
        &self,
        asked: &Features,
        parts: &Parts,
    ) -> (Array1<f64>, Array1<f64>, Array2<f64>) {
        let cross = parts.covariance(&self.kernel);
        let (mean, variance) = self.predict_across(asked, &cross);
        let surprises = &self.fantasies.surprises;
        // What is under way comes last.
        let told = self.features.len() - surprises.nrows();
        let weights = self.inverse().slice_axis(Axis(1), Slice::from(told..)).dot(surprises);
        (mean, variance, cross.dot(&weights))
    }

    /// The same from the covariances with the trials, `(n, m)`.
    fn predict_across(&self, asked: &Features, cross: &Array2<f64>) -> (Array1<f64>, Array1<f64>) {
        let (shift, variance) = self.process.predict(cross.view(), self.kernel.variances(asked).view());
        (&asked.mean * self.slope + shift, variance)
    }

    /// The same where the places of the trials on the normalised scale are not taken for certain: each alternative moves what is
    /// expected, and how far they differ is a variance of its own, the last.
    pub(super) fn predict_placed(
        &self,
        asked: &Features,
        parts: &Parts,
    ) -> (Array1<f64>, Array1<f64>, Array1<f64>) {
        let cross = parts.covariance(&self.kernel);
        let (mean, variance) = self.predict_across(asked, &cross);
        let mut weights = Array2::zeros((self.features.len(), self.alternatives.len()));
        for (mut column, other) in weights.columns_mut().into_iter().zip(&self.alternatives) {
            column.assign(&self.solve(&other.difference));
        }
        let moved = cross.dot(&weights);
        let shares: Array1<f64> = self.alternatives.iter().map(|other| other.share).collect();
        let shift = moved.dot(&shares);
        let more = moved.mapv(|moved| moved * moved).dot(&shares) - &shift * &shift;
        (mean + shift, variance, more.mapv(|more| more.max(0.0)))
    }
}

/// A function of products of features, which needs no covariances: coefficients of the past tasks' mean, of their deviations and
/// of the columns of the encoding.
pub(super) struct Broad {
    mean: f64,
    tasks: Array1<f64>,
    columns: Array1<f64>,
}

impl Broad {
    /// The sum of both. They must be of the same features.
    pub(super) fn and(self, other: Broad) -> Broad {
        Broad {
            mean: self.mean + other.mean,
            tasks: self.tasks + other.tasks,
            columns: self.columns + other.columns,
        }
    }

    /// Its values, `(n,)`.
    pub(super) fn at(&self, asked: &Features) -> Array1<f64> {
        let mut values = Array1::zeros(asked.len());
        in_chunks(&mut values, |rows, mut values| {
            values.assign(&asked.x.slice_axis(Axis(0), rows).dot(&self.columns));
            values += &asked.deviations.slice_axis(Axis(0), rows).dot(&self.tasks);
            values.scaled_add(self.mean, &asked.mean.slice_axis(Axis(0), rows));
        });
        values
    }
}

/// A function that falls off with the squared distance from the trials: the sum of `weights exp(scale distance)`.
pub(super) struct Wave {
    weights: Array1<f64>,
    scale: f64,
}

/// Adds such functions to the values at what is asked of. The distances, which take most of the time, are worked out once.
pub(super) fn add_waves(values: &mut Array1<f64>, asked: &Features, told: &Features, waves: &[Wave]) {
    in_chunks(values, |rows, mut values| {
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

/// Works on some rows at a time, in parallel: `work` is given which they are, and their values.
fn in_chunks(values: &mut Array1<f64>, work: impl Fn(Slice, ArrayViewMut1<'_, f64>) + Sync) {
    values.axis_chunks_iter_mut(Axis(0), CHUNK).into_par_iter().enumerate().for_each(|(at, values)| {
        let rows = Slice::from(at * CHUNK..at * CHUNK + values.len());
        work(rows, values);
    });
}

/// What a kernel's variances are to be multiplied by to be those of what is measured: what is usual, and what own trials say of it.
/// `squares` is their `y' K^-1 y`, which is `n` on average under the kernel; two trials' worth of it went into the median and the unit
/// of the task. Expected scores stay as they are when the whole kernel is multiplied.
///
/// *Source*: the conjugate scale of a process, as in Shah, Wilson, Ghahramani 2014 (arXiv:1402.4306), its mean for its distribution.
fn amplitude(squares: f64, trials: usize, usual: f64) -> f64 {
    let own = (trials as f64 - 2.0).max(0.0);
    (USUAL_TRIALS * usual + squares) / (USUAL_TRIALS + own)
}

/// The kernel that explains placed scores best, by coordinate search on the log marginal likelihood plus the log prior.
fn tune(
    default: Kernel,
    slope: f64,
    told: &Told<'_>,
    z: &Array1<f64>,
    fallen: &[bool],
) -> Result<Kernel, PredictError> {
    let keep: Vec<usize> = (0..z.len().min(TUNING_TRIALS)).collect();
    if keep.len() < 2 {
        return Ok(default);
    }
    let features = told.features.select(&keep);
    let surprise = z.select(Axis(0), &keep) - &(&features.mean * slope);
    let parts = Parts::between(&features, &features);
    let score = |kernel: Kernel| -> Result<f64, PredictError> {
        let k = measured(parts.covariance(&kernel), &kernel, fallen);
        Ok(GaussianProcess::log_density(k.view(), surprise.view())? + kernel.log_prior(default))
    };
    let mut best = (default, score(default)?);
    for _ in 0..ROUNDS {
        let before = best.0;
        for field in FIELDS {
            best = better(best, field, score)?;
        }
        if best.0 == before {
            break;
        }
    }
    Ok(best.0)
}

/// The best of a kernel with its score and of those with one number smaller or larger.
fn better(
    found: (Kernel, f64),
    field: kernel::Field,
    score: impl Fn(Kernel) -> Result<f64, PredictError>,
) -> Result<(Kernel, f64), PredictError> {
    let mut best = found;
    for factor in [1.0 / FACTOR, FACTOR] {
        let mut candidate = found.0;
        *field(&mut candidate) *= factor;
        // What is 0 stays 0, and needs no look.
        if candidate == found.0 {
            break;
        }
        let score = score(candidate)?;
        if score > best.1 {
            best = (candidate, score);
        }
    }
    Ok(best)
}
