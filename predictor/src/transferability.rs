//! How well features that were learned elsewhere tell a new task's classes apart, before anything is trained.

use faer::Mat;
use ndarray::{Array1, Array2, ArrayView2, Axis};

use crate::PredictError;

/// Rounds of the fixed-point iteration; it settles in a few.
const ROUNDS: usize = 11;
const TOLERANCE: f64 = 1e-3;

/// The logarithm of the evidence, an example, for linear models that read the classes off the features: higher is better. It
/// is averaged over the classes, each against the rest.
///
/// Not meant for fewer examples than a few a class. Features of another network on other examples do not compare.
///
/// # Shapes
/// `features` is `(n, d)`, `labels` holds `n` classes below `n_classes`.
///
/// # Errors
/// [`PredictError::BadFeatures`] for no example, other lengths or features that are not finite.
///
/// *Source*: You et al., "LogME: practical assessment of pre-trained models for transfer learning", ICML 2021
/// (arXiv:2102.11005), algorithm 3 with the fixed point of section 4.4.
pub fn log_me(
    features: ArrayView2<'_, f64>,
    labels: &[usize],
    n_classes: usize,
) -> Result<f64, PredictError> {
    check(features, labels, n_classes)?;
    let decomposed = Decomposed::new(features)?;
    let evidences = (0..n_classes).map(|class| {
        let target: Array1<f64> = labels.iter().map(|label| f64::from(u8::from(*label == class))).collect();
        decomposed.evidence(&target)
    });
    Ok(evidences.sum::<f64>() / n_classes.max(1) as f64)
}

/// `trace(cov(features)^-1 cov(class means))`: how much of the features' spread lies between the classes. Higher is better;
/// with shrunk covariance, since there may be more features than examples.
///
/// # Shapes
/// As for [`log_me`].
///
/// # Errors
/// As for [`log_me`].
///
/// *Source*: Bao et al., "An information-theoretic approach to transferability in task transfer learning", ICIP 2019
/// (arXiv:2212.10082), equation 3; shrinkage of Ibrahim et al., "Newer is not always better" (arXiv:2110.06893).
pub fn h_score(
    features: ArrayView2<'_, f64>,
    labels: &[usize],
    n_classes: usize,
) -> Result<f64, PredictError> {
    check(features, labels, n_classes)?;
    let (n, d) = features.dim();
    let mean = features.mean_axis(Axis(0)).expect("there are examples");
    let centred = &features - &mean;
    let mut between = Array2::<f64>::zeros((n_classes, d));
    let mut counts = vec![0.0; n_classes];
    for (row, label) in centred.rows().into_iter().zip(labels) {
        between.row_mut(*label).scaled_add(1.0, &row);
        counts[*label] += 1.0;
    }
    for (mut row, count) in between.rows_mut().into_iter().zip(&counts) {
        // A class's mean counts as often as the class: sqrt(count) on both sides of the outer product.
        row.mapv_inplace(|sum| if *count > 0.0 { sum / f64::sqrt(*count) } else { 0.0 });
    }
    let total = centred.t().dot(&centred) / n as f64;
    // A little of the mean variance on the diagonal, as Ledoit and Wolf shrink; enough for a factor to exist.
    let shrink = 1.0 / (1.0 + n as f64 / d as f64);
    let level = total.diag().sum() / d as f64;
    let shrunk = Mat::from_fn(d, d, |i, j| {
        (1.0 - shrink) * total[[i, j]] + if i == j { shrink * level + 1e-12 } else { 0.0 }
    });
    let factor = shrunk
        .llt(faer::Side::Lower)
        .map_err(|_| PredictError::BadFeatures { reason: "the features do not vary".into() })?;
    let means = Mat::from_fn(d, n_classes, |i, class| between[[class, i]]);
    let solved = faer::linalg::solvers::Solve::solve(&factor, &means);
    let products = (0..n_classes).flat_map(|class| (0..d).map(move |i| (class, i)));
    Ok(products.map(|(class, i)| between[[class, i]] * solved[(i, class)]).sum::<f64>() / n as f64)
}

fn check(features: ArrayView2<'_, f64>, labels: &[usize], n_classes: usize) -> Result<(), PredictError> {
    let bad = |reason: String| Err(PredictError::BadFeatures { reason });
    if features.nrows() == 0 || features.nrows() != labels.len() {
        return bad(format!("there are {} rows of features and {} labels", features.nrows(), labels.len()));
    }
    if let Some(label) = labels.iter().find(|label| **label >= n_classes) {
        return bad(format!("the label {label} is none of {n_classes} classes"));
    }
    if let Some(((row, column), value)) = features.indexed_iter().find(|(_, value)| !value.is_finite()) {
        return bad(format!("feature {column} of row {row} is {value}"));
    }
    Ok(())
}

/// The features' singular vectors over the examples, `(n, k)`, and the squared singular values.
struct Decomposed {
    vectors: Array2<f64>,
    squares: Vec<f64>,
}

impl Decomposed {
    fn new(features: ArrayView2<'_, f64>) -> Result<Self, PredictError> {
        let (n, d) = features.dim();
        let matrix = Mat::from_fn(n, d, |i, j| features[[i, j]]);
        let svd = matrix.thin_svd().map_err(|_| PredictError::BadFeatures {
            reason: "the features have no singular values".into(),
        })?;
        let values = svd.S();
        let squares = (0..n.min(d)).map(|at| values[at].powi(2));
        let largest = squares.clone().fold(0.0, f64::max);
        // A direction in which nothing varies tells nothing; they come in falling order.
        let squares: Vec<f64> = squares.take_while(|square| *square > 1e-12 * largest).collect();
        let vectors = svd.U();
        let vectors = Array2::from_shape_fn((n, squares.len()), |(i, j)| vectors[(i, j)]);
        Ok(Decomposed { vectors, squares })
    }

    /// The log evidence of one target, an example, with the prior precision alpha and the noise precision beta at their fixed
    /// point.
    fn evidence(&self, target: &Array1<f64>) -> f64 {
        let n = target.len() as f64;
        let projected = self.vectors.t().dot(target);
        let squared = projected.mapv(|value| value * value);
        // What no combination of the features explains.
        let rest = (target.dot(target) - squared.sum()).max(0.0);
        let (mut alpha, mut beta) = (1.0, 1.0);
        let mut moments = Moments::at(self, &squared, rest, 1.0);
        for _ in 0..ROUNDS {
            let ratio = alpha / beta;
            moments = Moments::at(self, &squared, rest, ratio);
            // A target of one class alone would make both infinite; the paper's own code adds the same.
            alpha = moments.gamma / (moments.weight + 1e-5);
            beta = (n - moments.gamma) / (moments.residual + 1e-5);
            if (alpha / beta - ratio).abs() <= TOLERANCE * ratio {
                break;
            }
        }
        let determinant: f64 = self.squares.iter().map(|square| (alpha + beta * square).ln()).sum();
        // Directions without an example keep their prior, so they cancel out of the sum.
        let used = self.squares.len() as f64;
        let prior = if used > 0.0 { used / 2.0 * f64::ln(alpha) } else { 0.0 };
        let evidence = prior + n / 2.0 * f64::ln(beta)
            - 0.5 * determinant
            - beta / 2.0 * moments.residual
            - alpha / 2.0 * moments.weight
            - n / 2.0 * (2.0 * std::f64::consts::PI).ln();
        evidence / n
    }
}

/// Of the posterior over a linear model's weights.
struct Moments {
    /// The effective number of parameters.
    gamma: f64,
    /// The squared norm of the mean weights.
    weight: f64,
    /// The squared residuals.
    residual: f64,
}

impl Moments {
    fn at(of: &Decomposed, squared: &Array1<f64>, rest: f64, ratio: f64) -> Self {
        let mut moments = Moments { gamma: 0.0, weight: 0.0, residual: rest };
        for (square, projected) in of.squares.iter().zip(squared) {
            moments.gamma += square / (square + ratio);
            moments.weight += square * projected / (square + ratio).powi(2);
            moments.residual += projected / (1.0 + square / ratio).powi(2);
        }
        moments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Features that hold the class in their first column, as `numpy` would make them without chance.
    fn features(n: usize, d: usize) -> (Array2<f64>, Vec<usize>) {
        let labels: Vec<usize> = (0..n).map(|row| row % 3).collect();
        let features = Array2::from_shape_fn((n, d), |(i, j)| {
            f64::sin((i * (j + 2)) as f64) + if j < 2 { labels[i] as f64 * (j + 1) as f64 } else { 0.0 }
        });
        (features, labels)
    }

    /// Figures of the authors' code (github.com/thuml/LogME, class `LogME`, method fixed point) in numpy, and of
    /// `np.trace(np.linalg.solve(shrunk, between))` with the shrinkage above.
    #[test]
    fn figures_are_those_of_the_papers_code() {
        let (features, labels) = features(60, 5);
        let got = log_me(features.view(), &labels, 3).unwrap();
        assert!((got - LOG_ME).abs() < 1e-6, "{got}");
        let got = h_score(features.view(), &labels, 3).unwrap();
        assert!((got - H_SCORE).abs() < 1e-6, "{got}");
    }

    const LOG_ME: f64 = -0.642_717_378_993_726;
    const H_SCORE: f64 = 0.933_497_384_973_003_9;

    #[test]
    fn features_that_know_the_classes_score_higher() {
        let (good, labels) = features(90, 6);
        let bad = good.mapv(|value| f64::sin(value * 1e4));
        for score in [log_me, h_score] {
            let (good, bad) =
                (score(good.view(), &labels, 3).unwrap(), score(bad.view(), &labels, 3).unwrap());
            assert!(good > bad, "{good} {bad}");
        }
    }

    #[test]
    fn features_that_are_all_alike_tell_nothing() {
        let (good, labels) = features(60, 4);
        let none = log_me(Array2::zeros((60, 4)).view(), &labels, 3).unwrap();
        assert!(none.is_finite() && none < log_me(good.view(), &labels, 3).unwrap());
    }

    #[test]
    fn more_features_than_examples_are_fine_and_bad_input_is_not() {
        let (wide, labels) = features(12, 40);
        assert!(log_me(wide.view(), &labels, 3).unwrap().is_finite());
        assert!(h_score(wide.view(), &labels, 3).unwrap().is_finite());
        assert!(log_me(wide.view(), &labels[1..], 3).unwrap_err().to_string().contains("12 rows"));
        assert!(log_me(wide.view(), &labels, 2).unwrap_err().to_string().contains("label 2"));
        let mut broken = wide.clone();
        broken[[3, 4]] = f64::NAN;
        assert!(h_score(broken.view(), &labels, 3).unwrap_err().to_string().contains("feature 4 of row 3"));
    }
}
