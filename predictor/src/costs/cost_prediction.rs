//! `CostPrediction`: what architectures are expected to cost.

use ndarray::Array1;
use statrs::distribution::{ContinuousCDF, Normal};

/// One cost of architectures, as far as it is known: a normal distribution each, of the cost's logarithm where the cost is
/// positive.
///
/// # Shapes
/// The arrays are `(n,)` for `n` architectures.
#[derive(Clone, Debug, PartialEq)]
pub struct CostPrediction {
    /// Expected cost on the model's scale: its natural logarithm, or the cost itself where `log` is false.
    pub mean: Array1<f64>,
    /// Standard deviation on that scale; 0 for a cost that is known.
    pub std: Array1<f64>,
    /// The cost that the architecture stays below as likely as not, in the cost's own unit; the cost itself, to the last
    /// bit, where it is known.
    pub median: Array1<f64>,
    /// Whether the scale is logarithmic.
    pub log: bool,
}

impl CostPrediction {
    pub(super) fn new(mean: Array1<f64>, std: Array1<f64>, log: bool) -> Self {
        let median = if log { mean.mapv(f64::exp) } else { mean.clone() };
        CostPrediction { mean, std, median, log }
    }

    /// Puts what was measured in the place of what was expected.
    pub(super) fn know(&mut self, at: usize, cost: f64) {
        self.mean[at] = if self.log { cost.ln() } else { cost };
        (self.std[at], self.median[at]) = (0.0, cost);
    }

    /// The mean cost of one architecture, in the cost's own unit: on the logarithmic scale that of a log-normal,
    /// `exp(mean + std^2 / 2)`.
    #[must_use]
    pub fn expected(&self, at: usize) -> f64 {
        if self.log { self.median[at] * (0.5 * self.std[at].powi(2)).exp() } else { self.median[at] }
    }

    /// Half the width of the interval that holds the cost of one architecture with 68 %, in the cost's own unit: its
    /// standard deviation, where the scale is not logarithmic.
    #[must_use]
    pub fn spread(&self, at: usize) -> f64 {
        if self.log { self.median[at] * self.std[at].sinh() } else { self.std[at] }
    }

    /// The probability of each architecture that its cost is at most this; 0 or 1 where the cost is known.
    ///
    /// # Shapes
    /// `(n,)`.
    #[must_use]
    pub fn at_most(&self, limit: f64) -> Vec<f64> {
        self.probability(limit, |cost| cost <= limit, |below| below)
    }

    /// The probability of each architecture that its cost is at least this; 0 or 1 where the cost is known.
    ///
    /// # Shapes
    /// `(n,)`.
    #[must_use]
    pub fn at_least(&self, limit: f64) -> Vec<f64> {
        self.probability(limit, |cost| cost >= limit, |below| 1.0 - below)
    }

    fn probability(&self, limit: f64, known: impl Fn(f64) -> bool, of: impl Fn(f64) -> f64) -> Vec<f64> {
        let normal = Normal::standard();
        // No positive cost is below a limit that is not positive.
        let scaled = match self.log {
            true if limit <= 0.0 => f64::NEG_INFINITY,
            true => limit.ln(),
            false => limit,
        };
        let each = (0..self.mean.len()).map(|at| {
            if self.std[at] > 0.0 {
                of(normal.cdf((scaled - self.mean[at]) / self.std[at]))
            } else {
                f64::from(u8::from(known(self.median[at])))
            }
        });
        each.collect()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_known_cost_meets_a_bound_or_does_not() {
        let mut cost = CostPrediction::new(array![3.0], array![1.0], true);
        cost.know(0, 1_736_711.0);
        assert_eq!((cost.median[0], cost.expected(0), cost.spread(0)), (1_736_711.0, 1_736_711.0, 0.0));
        assert_eq!(cost.at_most(1_736_711.0), [1.0]);
        assert_eq!(cost.at_least(1_736_711.0), [1.0]);
        assert_eq!(cost.at_most(1_736_710.0), [0.0]);
        assert_eq!(cost.at_least(1_736_712.0), [0.0]);
    }

    #[test]
    fn a_positive_cost_is_above_any_bound_that_is_not() {
        let cost = CostPrediction::new(array![0.0], array![3.0], true);
        assert_eq!((cost.at_most(0.0), cost.at_least(-1.0)), (vec![0.0], vec![1.0]));
    }

    /// scipy.stats.lognorm(s=0.5, scale=2): cdf(3), mean(), and half the width between its 15.87 % and 84.13 %
    /// quantiles.
    #[test]
    fn agrees_with_scipy() {
        let cost = CostPrediction::new(array![2.0_f64.ln()], array![0.5], true);
        assert!((cost.at_most(3.0)[0] - 0.791_297_126_615_528_6).abs() < 1e-9);
        assert!((cost.at_least(3.0)[0] - 0.208_702_873_384_471_4).abs() < 1e-9);
        assert!((cost.expected(0) - 2.266_296_906_133_652_6).abs() < 1e-9);
        assert!((cost.median[0] - 2.0).abs() < 1e-12);
        assert!((cost.spread(0) - 1.042_190_610_987_494_8).abs() < 1e-9);
    }
}
