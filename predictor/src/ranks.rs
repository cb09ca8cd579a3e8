//! Scores of different tasks made comparable: Gaussian ranks, and their undoing.

use statrs::distribution::{ContinuousCDF, Normal};

/// Scores as standard normal quantiles of their ranks (a Gaussian copula's marginal), so that tasks with other
/// metrics, scales and outliers compare. Ties share their mean rank; a missing score (a failed trial) ranks
/// below all others and shares its place with its like.
///
/// *Source*: Salinas, Shen, Perrone, "A Quantile-based Approach for Hyperparameter Transfer Learning",
/// ICML 2020 (arXiv:1909.13595), section 4; the offset 1/2 is Hazen's plotting position.
///
/// # Shapes
/// `(n,)` scores, higher is better, `None` for a failed trial, give `(n,)` quantiles.
#[must_use]
pub fn gaussian_ranks(scores: &[Option<f64>]) -> Vec<f64> {
    let normal = Normal::standard();
    let n = scores.len() as f64;
    mean_ranks(scores).into_iter().map(|rank| normal.inverse_cdf((rank + 0.5) / n)).collect()
}

/// The 0-based mean rank of each score, ascending.
fn mean_ranks(scores: &[Option<f64>]) -> Vec<f64> {
    let key = |at: usize| scores[at].unwrap_or(f64::NEG_INFINITY);
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| key(*a).total_cmp(&key(*b)));
    let mut ranks = vec![0.0; scores.len()];
    let mut from = 0;
    while from < order.len() {
        let tied = order[from..].iter().take_while(|at| key(**at) == key(order[from])).count();
        let mean = from as f64 + (tied as f64 - 1.0) / 2.0;
        for at in &order[from..from + tied] {
            ranks[*at] = mean;
        }
        from += tied;
    }
    ranks
}

/// The share of architectures that one of normalised score `z` is expected to beat, in `[0, 1]`.
#[must_use]
pub fn percentile(z: f64) -> f64 {
    Normal::standard().cdf(z)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// scipy.stats.norm.ppf((scipy.stats.rankdata(s) - 0.5) / len(s)) for s = [3, 1, 1, 7].
    #[test]
    fn agrees_with_scipy() {
        let got = gaussian_ranks(&[Some(3.0), Some(1.0), Some(1.0), Some(7.0)]);
        let want = [
            0.318_639_363_964_375_15,
            -0.674_489_750_196_081_7,
            -0.674_489_750_196_081_7,
            1.150_349_380_376_008,
        ];
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() < 1e-9, "{got} {want}");
        }
    }

    #[test]
    fn failed_trials_rank_last_together() {
        let got = gaussian_ranks(&[None, Some(-1e9), None, Some(0.5)]);
        assert_eq!(got[0], got[2]);
        assert!(got[0] < got[1] && got[1] < got[3]);
    }

    #[test]
    fn constant_scores_say_nothing() {
        assert!(gaussian_ranks(&[Some(0.7); 9]).iter().all(|z| z.abs() < 1e-12));
    }

    proptest! {
        #[test]
        fn ranks_survive_any_rising_map(scores in proptest::collection::vec(-50.0_f64..50.0, 1..40)) {
            let plain: Vec<_> = scores.iter().map(|s| Some(*s)).collect();
            let mapped: Vec<_> = scores.iter().map(|s| Some((s / 10.0).exp())).collect();
            let (a, b) = (gaussian_ranks(&plain), gaussian_ranks(&mapped));
            for (a, b) in a.iter().zip(&b) {
                prop_assert!((a - b).abs() < 1e-9);
            }
            prop_assert!(a.iter().sum::<f64>().abs() < 1e-6, "centred");
        }
    }
}
