//! `RankCorrelation`: how well two scores agree on an order.

use serde::Serialize;

/// Two-sided 95 % of the normal distribution.
const Z_95: f64 = 1.959_963_984_540_054;

/// How well two scores agree on the order of the same things.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RankCorrelation {
    /// How many things both scores are known of.
    pub n: usize,
    /// Spearman's rank correlation, ties sharing their mean rank.
    pub spearman: f64,
    /// 95 % interval of it; absent below five things.
    pub spearman_95: Option<(f64, f64)>,
    /// Kendall's tau-b, which allows for ties.
    pub kendall: f64,
    /// 95 % interval of it; absent below five things.
    pub kendall_95: Option<(f64, f64)>,
}

impl RankCorrelation {
    /// Of two scores of the same things; `None` where one of them tells nothing apart, or there are fewer than three things.
    ///
    /// # Shapes
    /// `x` and `y` are `(n,)`; what one has beyond the other's length is left out.
    ///
    /// *Source*: intervals on the scale of Fisher's z; the standard error of Spearman's is that of Bonett & Wright,
    /// Psychometrika 65 (2000), 23-28, `sqrt((1 + r^2 / 2) / (n - 3))`; of Kendall's that of Fieller, Hartley & Pearson,
    /// Biometrika 44 (1957), 470-481, `sqrt(0.437 / (n - 4))`.
    #[must_use]
    pub fn of(x: &[f64], y: &[f64]) -> Option<Self> {
        let n = x.len().min(y.len());
        let (x, y) = (&x[..n], &y[..n]);
        if n < 3 {
            return None;
        }
        let spearman = correlation(&mean_ranks(x), &mean_ranks(y))?;
        let kendall = tau_b(x, y)?;
        let size = n as f64;
        let error = |variance: f64| (n >= 5).then(|| variance.sqrt());
        let spearman_error = error((1.0 + spearman * spearman / 2.0) / (size - 3.0));
        Some(RankCorrelation {
            n,
            spearman,
            spearman_95: spearman_error.map(|error| around(spearman, error)),
            kendall,
            kendall_95: error(0.437 / (size - 4.0)).map(|error| around(kendall, error)),
        })
    }
}

/// The interval around a correlation whose z has this standard error.
fn around(correlation: f64, error: f64) -> (f64, f64) {
    let z = correlation.clamp(-1.0, 1.0).atanh();
    // Of a perfect order z is infinite, and so are both ends.
    ((z - Z_95 * error).tanh(), (z + Z_95 * error).tanh())
}

/// Ranks from 1, ties sharing their mean.
pub(crate) fn mean_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let mean = before as f64 + (tied.len() as f64 + 1.0) / 2.0;
        tied.iter().for_each(|at| ranks[*at] = mean);
        before += tied.len();
    }
    ranks
}

/// Pearson's correlation; `None` where one side is constant.
pub(crate) fn correlation(x: &[f64], y: &[f64]) -> Option<f64> {
    let n = x.len() as f64;
    let (mean_x, mean_y) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        x.iter().zip(y).map(|(x, y)| of(x - mean_x, y - mean_y)).sum()
    };
    let (xx, yy, xy) = (sum(&|x, _| x * x), sum(&|_, y| y * y), sum(&|x, y| x * y));
    (xx > 0.0 && yy > 0.0).then(|| xy / (xx * yy).sqrt())
}

/// Pairs in the same order less pairs in the opposite one, over what is left without ties on either side.
fn tau_b(x: &[f64], y: &[f64]) -> Option<f64> {
    let (mut balance, mut apart_x, mut apart_y) = (0.0, 0.0, 0.0);
    for i in 0..x.len() {
        for j in 0..i {
            let (dx, dy) = (sign(x[i], x[j]), sign(y[i], y[j]));
            balance += dx * dy;
            apart_x += dx.abs();
            apart_y += dy.abs();
        }
    }
    (apart_x > 0.0 && apart_y > 0.0).then(|| balance / f64::sqrt(apart_x * apart_y))
}

fn sign(a: f64, b: f64) -> f64 {
    f64::from(i8::from(a > b)) - f64::from(i8::from(a < b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// scipy.stats.spearmanr([1, 2, 2, 3, 5], [2, 1, 3, 3, 9]) is 0.7631578947368421.
    #[test]
    fn the_correlation_agrees_with_scipy() {
        let got =
            correlation(&mean_ranks(&[1.0, 2.0, 2.0, 3.0, 5.0]), &mean_ranks(&[2.0, 1.0, 3.0, 3.0, 9.0]));
        assert!((got.unwrap() - 0.763_157_894_736_842_1).abs() < 1e-12, "{got:?}");
        assert_eq!(correlation(&[1.0, 1.0], &[1.0, 2.0]), None);
    }

    /// scipy.stats.spearmanr and kendalltau of these are 0.8414522910076115 and 0.6851601597031489; the intervals by hand.
    #[test]
    fn both_agree_with_scipy() {
        let x = [1.0, 2.0, 2.0, 3.0, 5.0, 4.0, 7.0];
        let y = [2.0, 1.0, 3.0, 3.0, 9.0, 3.0, 6.0];
        let got = RankCorrelation::of(&x, &y).unwrap();
        assert!((got.spearman - 0.841_452_291_007_611_5).abs() < 1e-12, "{got:?}");
        assert!((got.kendall - 0.685_160_159_703_148_9).abs() < 1e-12, "{got:?}");
        let near = |got: Option<(f64, f64)>, lo: f64, hi: f64| {
            let (low, high) = got.unwrap();
            assert!((low - lo).abs() < 1e-12 && (high - hi).abs() < 1e-12, "{low} {high}");
        };
        // numpy: tanh(arctanh(r) -+ 1.96 error), with the errors of the documentation.
        near(got.spearman_95, 0.085_586_603_692_841_07, 0.982_552_006_814_775_2);
        near(got.kendall_95, 0.090_481_977_808_357_34, 0.919_660_590_854_735_7);
    }

    #[test]
    fn what_tells_nothing_apart_has_no_correlation() {
        assert_eq!(RankCorrelation::of(&[1.0; 6], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), None);
        assert_eq!(RankCorrelation::of(&[1.0, 2.0], &[1.0, 2.0]), None);
        let four = RankCorrelation::of(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!((four.spearman, four.kendall, four.spearman_95), (1.0, 1.0, None));
    }

    proptest! {
        #[test]
        fn an_order_agrees_with_itself_and_not_with_its_reverse(values in prop::collection::vec(-50_i32..50, 5..40)) {
            let x: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
            let grown: Vec<f64> = x.iter().map(|value| value.powi(3) + 7.0).collect();
            let reversed: Vec<f64> = x.iter().map(|value| -value).collect();
            if let Some(same) = RankCorrelation::of(&x, &grown) {
                prop_assert!((same.spearman - 1.0).abs() < 1e-12 && (same.kendall - 1.0).abs() < 1e-12);
                let other = RankCorrelation::of(&x, &reversed).unwrap();
                prop_assert!((other.spearman + 1.0).abs() < 1e-12 && (other.kendall + 1.0).abs() < 1e-12);
            }
        }
    }
}
