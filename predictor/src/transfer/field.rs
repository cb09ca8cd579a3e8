//! `Field`: how likely a new task's own trials are, and where their raw scores lie on the normalised scale.

use ndarray::{Array1, Array2};

use super::features::Features;
use super::kernel::{Kernel, Parts};
use super::scale_belief::{ScaleBelief, told_unit};
use super::score_shape::{FLOOR, Placed, Scale, ScoreShape};
use crate::{GaussianProcess, PredictError};

/// How far off the likeliest median of each unit a task's median is taken to be too, in units, and how much of the line each
/// stands for.
const OFFSETS: [(f64, f64); 7] =
    [(-0.7, 0.35), (-0.35, 0.275), (-0.15, 0.175), (0.0, 0.15), (0.15, 0.175), (0.35, 0.275), (0.7, 0.35)];
/// The variance of where a trial lies that is its own. What it shares with the others, for all are read by one shape, is the shape's
/// misplacement. With .3 to 1.2 shares within 95 % intervals are within .03 of each other on twenty histories (`heirloom bench`).
const OWN_PLACE: f64 = 0.5;
/// Places of a smaller probability are left out.
const UNLIKELY: f64 = 5e-3;

/// Heights are not told apart beyond this, so that their squares stay finite.
const FARTHEST: f64 = 1e9;

/// A new task's own trials, as the model sees them.
pub(super) struct Told<'a> {
    pub(super) features: &'a Features,
    /// Raw scores, higher is better; `None` for a failed trial.
    pub(super) scores: &'a [Option<f64>],
}

/// Another place of the trials on the normalised scale.
#[derive(Clone, Debug)]
pub(super) struct Alternative {
    /// Its probability.
    pub(super) share: f64,
    /// By how much the trials score more there than where they were placed, `(n,)`.
    pub(super) difference: Array1<f64>,
}

/// The joint normal density of the trials' normalised scores, and what is believed of where their raw scores lie.
pub(super) struct Field<'a> {
    told: &'a Told<'a>,
    shape: &'a ScoreShape,
    belief: ScaleBelief,
    slope: f64,
    centre: Array1<f64>,
    /// Of a surprise of nothing.
    at_rest: GaussianProcess,
}

impl<'a> Field<'a> {
    pub(super) fn new(
        slope: f64,
        kernel: Kernel,
        told: &'a Told<'a>,
        parts: &Parts,
        shape: &'a ScoreShape,
        belief: ScaleBelief,
        fallen: &[bool],
    ) -> Result<Self, PredictError> {
        let k = measured(parts.covariance(&kernel), &kernel, fallen);
        let at_rest = GaussianProcess::new(k.view(), Array1::zeros(told.scores.len()).view())?;
        Ok(Field { told, shape, belief, slope, centre: &told.features.mean * slope, at_rest })
    }

    /// Places raw scores on the normalised scale: the likeliest median of the task for each of some units, given what is expected
    /// of these very architectures and what medians and units are usual.
    pub(super) fn places(&self) -> Vec<Placed> {
        let measured = self.measured();
        if measured.is_empty() {
            let z = Array1::from_elem(self.told.scores.len(), FLOOR);
            let scale = Scale { median: 0.0, unit: 1.0 };
            return vec![Placed { log_density: self.log_density(&z), z, scale }];
        }
        let told = told_unit(self.told.scores, self.told.features, self.slope, self.shape);
        self.belief.units(told, measured.len()).into_iter().map(|unit| self.placed(&measured, unit)).collect()
    }

    /// The likeliest place under a unit. A line search for the median: the density has one hill or few.
    fn placed(&self, measured: &[(f64, f64)], unit: f64) -> Placed {
        let mut step = 0.4 * unit;
        let starts = medians(measured, unit).map(|median| self.at(Scale { median, unit }));
        let mut here = likeliest(starts);
        for _ in 0..7 {
            let sides =
                [-1.0, 1.0].map(|side| self.at(Scale { median: here.scale.median + side * step, unit }));
            for side in sides {
                if side.log_density > here.log_density {
                    here = side;
                }
            }
            step *= 0.6;
        }
        here
    }

    /// Where the scores might lie as well: around each of `places`, as differences from the place that was taken. A task's
    /// median and unit stay uncertain while its trials are few; whoever takes the likeliest for certain finds that proposals
    /// score less than was said, by up to a whole deviation. And they stay so with many, for the shape is that of other tasks:
    /// under a wrong shape more trials do not tell the right place, they only seem to, so their likelihood is tempered.
    ///
    /// *Source*: power likelihoods for misspecified models, Grünwald and van Ommen 2017 (doi:10.1214/17-BA1085).
    pub(super) fn alternatives(&self, places: &[Placed], taken: &Placed) -> Vec<Alternative> {
        let mut all = Vec::new();
        // Where every trial has failed there is nothing to place.
        let places = if self.told.scores.iter().any(Option::is_some) { places } else { &[] };
        let temper = self.temper(&taken.z);
        for place in places {
            let Scale { median, unit } = place.scale;
            for (offset, width) in OFFSETS {
                let other = self.at(Scale { median: median + offset * unit, unit });
                let share = width * (temper * (other.log_density - taken.log_density)).exp();
                all.push(Alternative { share, difference: other.z - &taken.z });
            }
        }
        let total: f64 = all.iter().map(|one: &Alternative| one.share).sum();
        all.retain(|one| one.share > UNLIKELY * total);
        let total: f64 = all.iter().map(|one| one.share).sum();
        all.iter_mut().for_each(|one| one.share /= total);
        all
    }

    /// The power of the likelihood of trials that lie here: as if there were so many fewer of them as alike errors leave (the design
    /// effect of Kish, "Survey Sampling", 1965, 5.4).
    fn temper(&self, z: &Array1<f64>) -> f64 {
        let n = z.len() as f64;
        let shared = z.iter().map(|z| self.shape.misplacement(*z)).sum::<f64>() / n;
        let alike = shared / (shared + OWN_PLACE);
        (1.0 + (n - 1.0) * alike).recip()
    }

    /// The scores that there are, each with the height that was expected of it.
    fn measured(&self) -> Vec<(f64, f64)> {
        let heights = self.centre.iter().map(|z| self.shape.height(*z));
        let scores = self.told.scores.iter();
        scores.zip(heights).filter_map(|(score, height)| score.map(|score| (score, height))).collect()
    }

    /// The place under a scale, and its density, the belief in the scale counted.
    fn at(&self, scale: Scale) -> Placed {
        let scores = self.told.scores;
        let mut log_density = self.belief.log_density(scale);
        let mut z: Vec<f64> = Vec::with_capacity(scores.len());
        for score in scores.iter().flatten() {
            let (place, rise) =
                self.shape.place(((score - scale.median) / scale.unit).clamp(-FARTHEST, FARTHEST));
            log_density -= (rise * scale.unit).ln();
            z.push(place);
        }
        let lowest = z.iter().copied().fold(0.0, f64::min);
        let mut placed = z.into_iter();
        let z = scores.iter().map(|score| match score {
            Some(_) => placed.next().unwrap_or(FLOOR),
            None => (lowest - 0.5).max(FLOOR).min(lowest),
        });
        let z: Array1<f64> = z.collect();
        Placed { log_density: log_density + self.log_density(&z), z, scale }
    }

    fn log_density(&self, z: &Array1<f64>) -> f64 {
        self.at_rest.log_density_of(&(z - &self.centre))
    }

    /// The process of trials of these normalised scores.
    pub(super) fn of(self, z: &Array1<f64>) -> GaussianProcess {
        self.at_rest.observing((z - &self.centre).view())
    }
}

/// The likeliest of some places, of which there is one at least.
pub(super) fn likeliest(places: impl IntoIterator<Item = Placed>) -> Placed {
    let best = places.into_iter().reduce(|a, b| if b.log_density > a.log_density { b } else { a });
    best.expect("there is one at least")
}

/// Medians under which some of the measured scores lie just where they were expected: quartiles, so that a few scores that are far off,
/// such as the loss of a training that diverged, do not decide.
fn medians(measured: &[(f64, f64)], unit: f64) -> [f64; 3] {
    let mut all: Vec<f64> = measured.iter().map(|(score, height)| score - unit * height).collect();
    all.sort_by(f64::total_cmp);
    [0.25, 0.5, 0.75].map(|share| all[(share * (all.len() - 1) as f64).round() as usize])
}

/// Covariances of what is measured: with the variance of the noise and, of what has fallen to the bottom, of a slip. `fallen` may be
/// shorter; what is beyond has not.
pub(super) fn measured(mut k: Array2<f64>, kernel: &Kernel, fallen: &[bool]) -> Array2<f64> {
    k.diag_mut().mapv_inplace(|variance| variance + kernel.chance());
    for (variance, _) in k.diag_mut().iter_mut().zip(fallen).filter(|(_, fallen)| **fallen) {
        *variance += kernel.slip;
    }
    k
}
