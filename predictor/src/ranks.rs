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

/// Places scores of a few *chosen* trials on the Gaussian scale. Their ranks among each other say little about
/// their ranks among all architectures, for the good ones are tried first. So the k-th best score gets the k-th
/// best quantile of what was expected of these trials: the mixture of their predictive distributions.
///
/// # Shapes
/// `scores`, `mean` and `std` are `(n,)`, and so is the answer.
#[must_use]
pub fn expected_ranks(scores: &[Option<f64>], mean: &[f64], std: &[f64]) -> Vec<f64> {
    let n = scores.len() as f64;
    let cdf = mixture_cdf(mean, std);
    mean_ranks(scores).into_iter().map(|rank| quantile(&cdf, (rank + 0.5) / n)).collect()
}

/// Normalised scores lie within these bounds.
const WIDEST: f64 = 8.0;
/// Points at which a mixture's distribution function is tabled, 0.025 apart.
const POINTS: usize = 641;

/// The distribution function of an equal mixture of normals, tabled from `-WIDEST` to `WIDEST`.
fn mixture_cdf(mean: &[f64], std: &[f64]) -> Vec<f64> {
    let normal = Normal::standard();
    let at = |z: f64| {
        let total: f64 = mean.iter().zip(std).map(|(m, s)| normal.cdf((z - m) / s.max(1e-9))).sum();
        total / mean.len() as f64
    };
    (0..POINTS).map(|point| at(z_of(point as f64))).collect()
}

fn z_of(point: f64) -> f64 {
    WIDEST * (2.0 * point / (POINTS - 1) as f64 - 1.0)
}

/// The `p`-quantile of a tabled distribution function, linear between its points.
fn quantile(cdf: &[f64], p: f64) -> f64 {
    let above = cdf.partition_point(|value| *value < p).clamp(1, POINTS - 1);
    let (lo, hi) = (cdf[above - 1], cdf[above]);
    let share = if hi > lo { ((p - lo) / (hi - lo)).clamp(0.0, 1.0) } else { 0.5 };
    z_of((above - 1) as f64 + share)
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

    #[test]
    fn one_trial_is_as_good_as_expected() {
        let got = expected_ranks(&[Some(0.9)], &[1.5], &[0.4]);
        assert!((got[0] - 1.5).abs() < 1e-3, "{got:?}");
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

        #[test]
        fn expected_ranks_keep_the_order(
            trials in proptest::collection::vec((0.0_f64..1.0, -2.0_f64..2.0, 0.1_f64..1.0), 2..12),
        ) {
            let scores: Vec<_> = trials.iter().map(|t| Some(t.0)).collect();
            let mean: Vec<_> = trials.iter().map(|t| t.1).collect();
            let std: Vec<_> = trials.iter().map(|t| t.2).collect();
            let z = expected_ranks(&scores, &mean, &std);
            for i in 0..z.len() {
                for j in 0..z.len() {
                    prop_assert!(scores[i] >= scores[j] || z[i] <= z[j]);
                }
            }
        }
    }
}
