//! Which architecture is worth a trial.

use statrs::distribution::{Continuous, ContinuousCDF, Normal};

use crate::Prediction;

/// Expected improvement over `best`, for scores of which more is better.
///
/// *Source*: Jones, Schonlau, Welch, "Efficient Global Optimization of Expensive Black-Box Functions", 1998,
/// equation 15.
///
/// # Shapes
/// `(n,)` predictions give `(n,)` improvements, none negative.
#[must_use]
pub fn expected_improvement(prediction: &Prediction, best: f64) -> Vec<f64> {
    let normal = Normal::standard();
    let improve = |(mean, std): (&f64, &f64)| {
        let gap = mean - best;
        if *std <= 0.0 {
            return gap.max(0.0);
        }
        (gap * normal.cdf(gap / std) + std * normal.pdf(gap / std)).max(0.0)
    };
    prediction.mean.iter().zip(&prediction.std).map(improve).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    /// (m - b) * norm.cdf((m - b) / s) + s * norm.pdf((m - b) / s) with scipy, for (1, .5) and (0, 2), b = 0.8.
    #[test]
    fn agrees_with_scipy() {
        let got = expected_improvement(&Prediction { mean: array![1.0, 0.0], std: array![0.5, 2.0] }, 0.8);
        for (got, want) in got.iter().zip(SCIPY) {
            assert!((got - want).abs() < 1e-9, "{got} {want}");
        }
    }

    const SCIPY: [f64; 2] = [0.315_219_418_473_726_5, 0.460_877_673_894_906];

    #[test]
    fn without_doubt_it_is_the_gap() {
        let got = expected_improvement(&Prediction { mean: array![1.0, 0.0], std: array![0.0, 0.0] }, 0.75);
        assert_eq!(got, [0.25, 0.0]);
    }
}
