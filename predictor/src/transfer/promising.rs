//! Ranking a pool by expected improvement, worked out for the promising alone.

use super::{Posterior, Seen};
use crate::Prediction;

/// Candidates among which an improvement is worked out in full: the most promising by a bound.
const PROMISING: usize = 1_000;
/// An improvement by so little, as a share of a task's best beyond its median, is none.
const NOTHING: f64 = 1e-4;
/// Candidates whose mean is worked out in full before that.
const LOOKED_AT: usize = 2_500;

impl Posterior {
    /// Mean and standard deviation of the normalised score that a trial would measure.
    ///
    /// # Shapes
    /// `(n,)` for a pool of `n`.
    #[must_use]
    pub fn expect(&self, seen: &Seen) -> Prediction {
        self.predict(&seen.features, true)
    }

    /// Expected improvement in raw score over the best so far, of each.
    ///
    /// # Shapes
    /// `(n,)` for `n` architectures.
    #[must_use]
    pub fn gains(&self, seen: &Seen) -> Vec<f64> {
        self.improvement(&seen.features)
    }

    /// The candidates among `open` that promise the largest expected improvement in raw score, best first: position in the
    /// pool and improvement. Worked out for the most promising by upper bound only.
    #[must_use]
    pub fn improvements(&self, seen: &Seen, open: &[usize]) -> Vec<(usize, f64)> {
        let promising = self.promising(seen, open);
        let features = seen.features.select(&promising);
        let gains = self.improvement(&features);
        let unit: f64 = self.readings.iter().map(|(share, reading)| share * reading.scale.unit).sum();
        // Where nothing is left to gain, what is expected to be best goes first.
        let means = self.mean(&features);
        let key = |at: usize| gains[at] + NOTHING * unit * self.shape.height(means[at]);
        let mut order: Vec<usize> = (0..promising.len()).collect();
        let keys: Vec<f64> = order.iter().map(|at| key(*at)).collect();
        // A stable sort: equals stay in the order they were given in.
        order.sort_by(|a, b| keys[*b].total_cmp(&keys[*a]));
        order.into_iter().map(|at| (promising[at], gains[at])).collect()
    }

    /// Up to [`PROMISING`] of the open candidates, those of the largest mean plus prior deviation, in the order of `open`. Of
    /// many, those are looked at whose mean is large without the smooth parts, which only few candidates are near to.
    fn promising(&self, seen: &Seen, open: &[usize]) -> Vec<usize> {
        if open.len() <= PROMISING {
            return open.to_vec();
        }
        let mut spread = ndarray::Array1::<f64>::zeros(seen.features.len());
        for (share, reading) in &self.readings {
            spread.scaled_add(*share, &reading.kernel.variances(&seen.features));
        }
        let broad = self.broad_mean(&seen.features);
        let bound: Vec<f64> = open.iter().map(|at| broad[*at] + spread[*at].sqrt()).collect();
        let wide: Vec<usize> = largest(&bound, LOOKED_AT).into_iter().map(|at| open[at]).collect();
        let mean = self.mean(&seen.features.select(&wide));
        let bound: Vec<f64> = wide.iter().zip(&mean).map(|(at, mean)| mean + spread[*at].sqrt()).collect();
        largest(&bound, PROMISING).into_iter().map(|at| wide[at]).collect()
    }
}

/// Positions of the `n` largest values, ascending.
fn largest(values: &[f64], n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    if values.len() > n {
        order.select_nth_unstable_by(n, |a, b| values[*b].total_cmp(&values[*a]).then(a.cmp(b)));
        order.truncate(n);
        order.sort_unstable();
    }
    order
}
