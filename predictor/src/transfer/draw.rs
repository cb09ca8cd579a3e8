//! `Draw`: one function out of what is believed of a new task.

use ndarray::{Array1, Array2, Axis};
use rand::Rng;
use statrs::distribution::{ContinuousCDF, Normal};

use super::features::Features;
use super::kernel::Kernel;
use super::reading::Reading;

/// Waves that a smooth function is drawn as a sum of.
const WAVES: usize = 256;

/// A function drawn from a reading's posterior: one from the prior, bent to go through the trials.
///
/// The joint covariance of a whole pool, 26,206 by 26,206, would neither fit nor be factored. All parts of the prior but the
/// smooth one have as many coefficients as features and are drawn exactly; the smooth one is a sum of random waves. The
/// bending is exact, for it needs covariances with the trials only.
///
/// *Source*: Wilson, Borovitskiy, Terenin, Mostowsky, Deisenroth, "Efficiently sampling functions from Gaussian process
/// posteriors" (arXiv:2002.09309), equation 9; Rahimi & Recht, "Random features for large-scale kernel machines", 2007.
pub(super) struct Draw<'a> {
    reading: &'a Reading,
    prior: PriorDraw,
    /// What the covariances with the trials are weighed by, `(n,)`.
    bend: Array1<f64>,
}

/// A function drawn from a kernel's prior.
struct PriorDraw {
    by_mean: f64,
    /// A coefficient a past task.
    by_task: Array1<f64>,
    /// A coefficient a column of the encoding.
    by_column: Array1<f64>,
    /// One smooth function for each length.
    smooth: Vec<SmoothDraw>,
}

/// A smooth function drawn as a sum of waves.
struct SmoothDraw {
    /// `(columns, waves)`.
    frequencies: Array2<f64>,
    phases: Array1<f64>,
    heights: Array1<f64>,
}

impl<'a> Draw<'a> {
    pub(super) fn new(reading: &'a Reading, rng: &mut impl Rng) -> Self {
        let told = reading.features();
        let prior = PriorDraw::new(&reading.kernel, told, rng);
        let noise = reading.kernel.chance().sqrt();
        let missed =
            reading.surprise() - prior.at(told) - Array1::from_shape_fn(told.len(), |_| noise * normal(rng));
        Draw { reading, prior, bend: reading.solve(&missed) }
    }

    /// Its normalised scores, `(n,)`.
    pub(super) fn at(&self, asked: &Features) -> Array1<f64> {
        self.prior.at(asked) + self.reading.mean_under(asked, &self.bend)
    }
}

impl PriorDraw {
    fn new(kernel: &Kernel, like: &Features, rng: &mut impl Rng) -> Self {
        let (tasks, columns) = (like.deviations.ncols(), like.x.ncols());
        let mut drawn = |n: usize, variance: f64| Array1::from_shape_fn(n, |_| variance.sqrt() * normal(rng));
        let by_mean = drawn(1, kernel.mean)[0];
        let (by_task, by_column) = (drawn(tasks, kernel.tasks), drawn(columns, kernel.linear));
        let smooth =
            kernel.smooth_parts().into_iter().map(|part| SmoothDraw::new(part, columns, rng)).collect();
        PriorDraw { by_mean, by_task, by_column, smooth }
    }

    fn at(&self, asked: &Features) -> Array1<f64> {
        let mut sum = &asked.mean * self.by_mean;
        sum += &asked.deviations.dot(&self.by_task);
        sum += &asked.x.dot(&self.by_column);
        for smooth in &self.smooth {
            sum += &smooth.at(asked);
        }
        sum
    }
}

impl SmoothDraw {
    fn new((variance, length): (f64, f64), columns: usize, rng: &mut impl Rng) -> Self {
        let height = (2.0 * variance / WAVES as f64).sqrt();
        let heights = Array1::from_shape_fn(WAVES, |_| height * normal(rng));
        let frequencies = Array2::from_shape_fn((columns, WAVES), |_| normal(rng) / length);
        let phases = Array1::from_shape_fn(WAVES, |_| rng.gen_range(0.0..std::f64::consts::TAU));
        SmoothDraw { frequencies, phases, heights }
    }

    fn at(&self, asked: &Features) -> Array1<f64> {
        let mut waves = asked.x.dot(&self.frequencies);
        waves += &self.phases.view().insert_axis(Axis(0));
        waves.mapv_inplace(f64::cos);
        waves.dot(&self.heights)
    }
}

pub(super) fn normal(rng: &mut impl Rng) -> f64 {
    Normal::standard().inverse_cdf(rng.gen_range(1e-12..1.0))
}
