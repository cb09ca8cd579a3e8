//! `CostMap`: how the costs of one place follow from those of others.

use faer::linalg::solvers::{DenseSolveCore, Solve};
use faer::{Mat, Side};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use crate::PredictError;

/// How many measurements the error seen between past places counts for, when a new place's own error is estimated.
const PRIOR_MEASUREMENTS: f64 = 6.0;

/// Variance of the stretch of the mean, before places have shown how they differ.
pub(super) const STRETCH: f64 = 0.25;

/// Rounds in which noise and weights settle.
const ROUNDS: usize = 4;

/// The least error of a cost on the model's scale: 1e-4 of the cost itself where the scale is logarithmic.
const LEAST_VARIANCE: f64 = 1e-8;

/// What is believed of a new place before anything is measured there.
#[derive(Clone, Debug)]
pub(super) struct CostPrior {
    /// Weights of the other places, `(S,)`, summing to 1 unless there are none.
    pub(super) weights: Array1<f64>,
    /// Expected level: the mean cost over architectures, on the model's scale.
    pub(super) level: f64,
    /// Its variance.
    pub(super) level_variance: f64,
    /// Variance of the stretch of the mean.
    pub(super) stretch: f64,
    /// Variance of the costs that the map does not explain.
    pub(super) noise: f64,
}

/// The map from the costs of `S` places to those of another, on the model's scale:
///
/// `y(x) = level + (1 + w0) m(x) + sum_s w_s (v_s(x) - m(x)) + e`, with `v_s` the costs of place `s` around their
/// level, `m` their weighted mean, `w0 ~ N(0, stretch)`, `w_s ~ N(0, 1 / (S - 1))`, which makes the prior covariance that between
/// the places seen, and `e ~ N(0, noise)`. Affine in the logarithms of the costs, so a device twice as slow, or
/// one on which large networks cost more than in proportion, is learned from few measurements.
///
/// *Source*: Bayesian linear regression, Bishop, "Pattern Recognition and Machine Learning", 2006, section 3.3; the
/// log-linear map between devices is the baseline of Lee et al., HELP (arXiv:2106.08630).
#[derive(Clone, Debug)]
pub(super) struct CostMap {
    prior: CostPrior,
    /// Posterior mean of level, `w0` and the `w_s`.
    mean: Array1<f64>,
    covariance: Array2<f64>,
    noise: f64,
    /// What the noise rests on: a Student t of so many degrees has its place.
    degrees: f64,
}

impl CostMap {
    /// The map after `n` measurements.
    ///
    /// # Shapes
    /// `views` are the other places' costs of the architectures measured, around their levels, `(n, S)`, `y` the costs, `(n,)`.
    ///
    /// # Errors
    /// [`PredictError::NotPositiveDefinite`], which takes views that are not finite.
    pub(super) fn new(
        prior: CostPrior,
        views: ArrayView2<'_, f64>,
        y: ArrayView1<'_, f64>,
    ) -> Result<Self, PredictError> {
        let features = features(views, &prior.weights);
        let target = &y - &expected(views, &prior);
        let variances = weight_variances(&prior, views.ncols());
        let mut map = CostMap {
            mean: Array1::zeros(variances.len()),
            covariance: Array2::from_diag(&variances),
            noise: prior.noise.max(LEAST_VARIANCE),
            degrees: PRIOR_MEASUREMENTS,
            prior,
        };
        if y.is_empty() {
            return Ok(map);
        }
        // The noise and the weights depend on each other; they settle in few rounds.
        for _ in 0..ROUNDS {
            let fit = Regression::new(&features, &target, &variances, map.noise)?;
            map.degrees = PRIOR_MEASUREMENTS + (target.len() as f64 - fit.used).max(0.0);
            let squares = PRIOR_MEASUREMENTS * map.prior.noise + fit.squares;
            map.noise = (squares / map.degrees).max(LEAST_VARIANCE);
            (map.mean, map.covariance) = (fit.mean, fit.covariance);
        }
        Ok(map)
    }

    /// The variance of costs that the map leaves unexplained, as it is estimated now.
    pub(super) fn noise(&self) -> f64 {
        self.noise
    }

    /// Mean and variance of the costs of architectures.
    ///
    /// # Shapes
    /// `views` is `(m, S)`, both answers `(m,)`.
    pub(super) fn predict(&self, views: ArrayView2<'_, f64>) -> (Array1<f64>, Array1<f64>) {
        let features = features(views, &self.prior.weights);
        let mean = expected(views, &self.prior) + features.dot(&self.mean);
        let doubt = (&features.dot(&self.covariance) * &features).sum_axis(Axis(1));
        let tails = self.degrees / (self.degrees - 2.0);
        (mean, doubt.mapv(|doubt| doubt.max(0.0) + tails * self.noise))
    }
}

/// How a past place differs from the others: what to expect of the next one.
pub(super) struct Difference {
    /// The variance of its costs that the map from the others leaves unexplained, degrees of freedom counted.
    pub(super) noise: f64,
    /// How much further apart its costs lie than the others' mean: 0 where as far; `None` where that has no spread.
    pub(super) stretch: Option<f64>,
}

/// How costs `(n,)` at a place differ from the views of the others, `(n, S)`.
pub(super) fn difference(
    views: ArrayView2<'_, f64>,
    y: ArrayView1<'_, f64>,
    weights: &Array1<f64>,
) -> Result<Difference, PredictError> {
    let n = y.len() as f64;
    let level = y.sum() / n;
    let spread = (y.mapv(|y| (y - level).powi(2)).sum() / n).max(LEAST_VARIANCE);
    let mut noise = (0.1 * spread).max(LEAST_VARIANCE);
    let prior =
        CostPrior { weights: weights.clone(), level, level_variance: spread, stretch: STRETCH, noise };
    let variances = weight_variances(&prior, views.ncols());
    let (features, target) = (features(views, weights), &y - &expected(views, &prior));
    for _ in 0..ROUNDS {
        let fit = Regression::new(&features, &target, &variances, noise)?;
        noise = (fit.squares / (n - fit.used).max(1.0)).max(LEAST_VARIANCE);
    }
    Ok(Difference { noise, stretch: slope(&views.dot(weights), y).map(|slope| slope - 1.0) })
}

/// The slope of `y` over `x`, by least squares; `None` where `x` has no spread.
fn slope(x: &Array1<f64>, y: ArrayView1<'_, f64>) -> Option<f64> {
    let n = y.len() as f64;
    let (x, y) = (x - x.sum() / n, &y - y.sum() / n);
    let squares = x.dot(&x);
    (squares > n * LEAST_VARIANCE).then(|| x.dot(&y) / squares)
}

/// Weights with normal priors around zero, given the noise.
struct Regression {
    mean: Array1<f64>,
    covariance: Array2<f64>,
    /// Sum of squared errors.
    squares: f64,
    /// Degrees of freedom taken up.
    used: f64,
}

impl Regression {
    fn new(
        features: &Array2<f64>,
        target: &Array1<f64>,
        variances: &Array1<f64>,
        noise: f64,
    ) -> Result<Self, PredictError> {
        let gram = features.t().dot(features);
        let p = variances.len();
        let precision =
            Mat::from_fn(p, p, |i, j| gram[[i, j]] / noise + if i == j { 1.0 / variances[i] } else { 0.0 });
        let solved = precision
            .llt(Side::Lower)
            .map_err(|_| PredictError::NotPositiveDefinite { n: features.nrows() })?;
        let right = features.t().dot(target) / noise;
        let mean = solved.solve(&Mat::from_fn(p, 1, |i, _| right[i]));
        let inverse = solved.inverse();
        let mean = Array1::from_shape_fn(p, |i| mean[(i, 0)]);
        let covariance = Array2::from_shape_fn((p, p), |(i, j)| inverse[(i, j)]);
        let errors = target - &features.dot(&mean);
        let used = (&covariance * &gram).sum() / noise;
        Ok(Regression { squares: errors.dot(&errors), used, mean, covariance })
    }
}

/// `level + m(x)`.
fn expected(views: ArrayView2<'_, f64>, prior: &CostPrior) -> Array1<f64> {
    views.dot(&prior.weights) + prior.level
}

/// Columns: one, `m(x)`, and each place's deviation from it: `(n, S + 2)`; only the one where there is no other place.
fn features(views: ArrayView2<'_, f64>, weights: &Array1<f64>) -> Array2<f64> {
    let (n, places) = views.dim();
    if places == 0 {
        return Array2::ones((n, 1));
    }
    let mean = views.dot(weights);
    let mut features = Array2::ones((n, places + 2));
    features.column_mut(1).assign(&mean);
    for (at, place) in views.columns().into_iter().enumerate() {
        features.column_mut(at + 2).assign(&(&place - &mean));
    }
    features
}

fn weight_variances(prior: &CostPrior, places: usize) -> Array1<f64> {
    let mut variances = vec![prior.level_variance];
    if places > 0 {
        variances.push(prior.stretch);
        // Of one place alone nothing deviates: any variance does.
        variances.extend(vec![1.0 / (places as f64 - 1.0).max(1.0); places]);
    }
    Array1::from(variances)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn prior(places: usize) -> CostPrior {
        let weights = Array1::from_elem(places, 1.0 / places as f64);
        CostPrior { weights, level: 1.0, level_variance: 4.0, stretch: STRETCH, noise: 0.01 }
    }

    /// Two places that order architectures alike, one of them with twice the spread.
    fn views() -> Array2<f64> {
        array![[-1.0, -2.0], [-0.5, -1.0], [0.0, 0.0], [0.5, 1.0], [1.0, 2.0]]
    }

    #[test]
    fn before_any_measurement_it_is_the_prior() {
        let none = Array1::zeros(0);
        let map = CostMap::new(prior(2), Array2::zeros((0, 2)).view(), none.view()).unwrap();
        let (mean, variance) = map.predict(views().view());
        assert!((mean[4] - 2.5).abs() < 1e-12 && (mean[2] - 1.0).abs() < 1e-12);
        // At the level: 4 of the level and 0.01 of noise, with the tails of 6 degrees.
        assert!((variance[2] - (4.0 + 0.015)).abs() < 1e-12, "{variance}");
        assert!(variance[4] > variance[2]);
    }

    #[test]
    fn an_affine_map_is_learned_from_few_measurements() {
        // Three times the spread of the first place, at another level.
        let truth = views().column(0).mapv(|v| 7.0 + 3.0 * v);
        let seen = views().select(Axis(0), &[0, 1, 3]);
        let y = truth.select(Axis(0), &[0, 1, 3]);
        let map = CostMap::new(CostPrior { noise: 1e-4, ..prior(2) }, seen.view(), y.view()).unwrap();
        let (mean, variance) = map.predict(views().view());
        for (mean, truth) in mean.iter().zip(&truth) {
            assert!((mean - truth).abs() < 0.05, "{mean} {truth}");
        }
        assert!(variance.iter().all(|variance| *variance < 0.01), "{variance}");
    }

    /// With S = 0: the conjugate normal mean for known noise, (4 * 3 + noise * 1) / (4 + noise) for one y = 3.
    #[test]
    fn without_other_places_the_level_is_learned() {
        let map = CostMap::new(
            CostPrior { weights: Array1::zeros(0), ..prior(1) },
            Array2::zeros((1, 0)).view(),
            array![3.0].view(),
        )
        .unwrap();
        let (mean, _) = map.predict(Array2::zeros((2, 0)).view());
        let noise = map.noise;
        assert!((mean[0] - (4.0 * 3.0 + noise) / (4.0 + noise)).abs() < 1e-3, "{mean}");
        assert_eq!(mean[0], mean[1]);
    }

    #[test]
    fn what_the_map_explains_is_not_noise() {
        let y = views().column(0).mapv(|v| 7.0 + 3.0 * v);
        let weights = array![0.5, 0.5];
        let found = difference(views().view(), y.view(), &weights).unwrap();
        assert!(found.noise < 1e-3 && (found.stretch.unwrap() - 1.0).abs() < 1e-12);
        let other = array![1.0, -1.0, 1.0, -1.0, 1.0];
        assert!(difference(views().view(), other.view(), &weights).unwrap().noise > 0.5);
    }
}
