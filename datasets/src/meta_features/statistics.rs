//! Statistics of the columns of a sample.

use linfa_linalg::eigh::{EigSort, EigValsh};
use ndarray::{Array2, ArrayView1, Axis};

use super::landmarkers::products;
use super::sample::Sample;

/// Columns that are paired for correlations, spread evenly over all.
const PAIRED: usize = 64;
/// Examples whose principal components are counted.
const ROWS: usize = 250;
/// Spread below which a column counts as constant, relative to its size.
const CONSTANT: f64 = 1e-7;

/// The names and values; absent where no column varies.
pub(super) fn statistics(sample: &Sample) -> Vec<(&'static str, f64)> {
    let raw = sample.raw.mapv(f64::from);
    let n = raw.len() as f64;
    let columns: Vec<Moments> = raw.columns().into_iter().filter_map(Moments::of).collect();
    let mut statistics = vec![
        ("zero_frac", raw.iter().filter(|value| **value == 0.0).count() as f64 / n),
        ("constant_frac", 1.0 - columns.len() as f64 / raw.ncols() as f64),
    ];
    if columns.is_empty() {
        return statistics;
    }
    let mean = |of: fn(&Moments) -> f64| columns.iter().map(of).sum::<f64>() / columns.len() as f64;
    statistics.push(("skewness_mean", mean(|column| column.skewness.abs())));
    statistics.push(("kurtosis_mean", mean(|column| column.kurtosis)));
    let step = columns.len().div_ceil(PAIRED);
    let paired: Vec<&Moments> = columns.iter().step_by(step).collect();
    if paired.len() > 1 {
        statistics.push(("correlation_mean", mean_correlation(&paired)));
    }
    statistics.extend(components(&sample.train));
    statistics
}

/// A column that varies.
struct Moments {
    skewness: f64,
    /// Excess kurtosis.
    kurtosis: f64,
    /// The values with mean 0 and length 1.
    unit: Vec<f64>,
}

impl Moments {
    fn of(column: ArrayView1<'_, f64>) -> Option<Self> {
        let n = column.len() as f64;
        let mean = column.sum() / n;
        let centred: Vec<f64> = column.iter().map(|value| value - mean).collect();
        let moment = |power| centred.iter().map(|value| value.powi(power)).sum::<f64>() / n;
        let deviation = moment(2).sqrt();
        if deviation <= CONSTANT * mean.abs() || deviation <= f64::MIN_POSITIVE.sqrt() {
            return None;
        }
        let unit = centred.iter().map(|value| value / (deviation * n.sqrt())).collect();
        Some(Moments {
            skewness: moment(3) / deviation.powi(3),
            kurtosis: moment(4) / deviation.powi(4) - 3.0,
            unit,
        })
    }
}

fn mean_correlation(columns: &[&Moments]) -> f64 {
    let (mut sum, mut n) = (0.0, 0.0);
    for (at, a) in columns.iter().enumerate() {
        for b in &columns[..at] {
            sum += a.unit.iter().zip(&b.unit).map(|(a, b)| a * b).sum::<f64>().abs();
            n += 1.0;
        }
    }
    sum / n
}

/// How many principal components have 95 % of the variance, and the share of the first. The variances along them are the
/// eigenvalues of the products of examples, which are fewer than the columns.
fn components(train: &Array2<f64>) -> Vec<(&'static str, f64)> {
    let rows: Vec<usize> = (0..train.nrows().min(ROWS)).collect();
    let mut x = train.select(Axis(0), &rows);
    let Some(mean) = x.mean_axis(Axis(0)) else { return Vec::new() };
    x -= &mean;
    let Ok(eigenvalues) = products(&x, &x).eigvalsh() else { return Vec::new() };
    let variances: Vec<f64> = eigenvalues.sort_eig_desc().iter().map(|value| value.max(0.0)).collect();
    let total: f64 = variances.iter().sum();
    if total <= f64::MIN_POSITIVE {
        return Vec::new();
    }
    let mut sum = 0.0;
    let covered = variances.iter().take_while(|variance| {
        let is_short = sum < 0.95 * total;
        sum += **variance;
        is_short
    });
    vec![("pca_95", covered.count() as f64), ("pca_first_frac", variances[0] / total)]
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    // from scipy.stats import skew, kurtosis; x = [1, 2, 2, 3, 9]; skew(x), kurtosis(x)
    #[test]
    fn moments_are_those_of_scipy() {
        let column = Moments::of(array![1.0, 2.0, 2.0, 3.0, 9.0].view()).unwrap();
        assert!((column.skewness - 1.321_086_967_875).abs() < 1e-9, "{}", column.skewness);
        assert!((column.kurtosis - 0.017_296_634_933).abs() < 1e-9, "{}", column.kurtosis);
        assert!(Moments::of(array![3.3, 3.3, 3.3].view()).is_none());
    }

    #[test]
    fn components_of_a_line_and_of_a_plane() {
        let line = Array2::from_shape_fn((40, 3), |(row, column)| row as f64 * (column + 1) as f64);
        let of_line = components(&line);
        assert_eq!(of_line[0], ("pca_95", 1.0));
        assert!((of_line[1].1 - 1.0).abs() < 1e-9);
        let plane = Array2::from_shape_fn((40, 3), |(row, column)| {
            if column == 2 {
                0.0
            } else if column == 0 {
                (row / 2) as f64
            } else {
                15.0 * (row % 2) as f64
            }
        });
        assert_eq!(components(&plane)[0], ("pca_95", 2.0));
        assert!(components(&Array2::zeros((4, 3))).is_empty());
    }

    #[test]
    fn columns_that_agree_are_correlated() {
        let columns: Vec<Moments> = [array![1.0, 2.0, 3.0], array![-2.0, -4.0, -6.0], array![1.0, -2.0, 1.0]]
            .iter()
            .filter_map(|column| Moments::of(column.view()))
            .collect();
        let correlation = mean_correlation(&columns.iter().collect::<Vec<_>>());
        assert!((correlation - 1.0 / 3.0).abs() < 1e-12, "{correlation}");
    }
}
