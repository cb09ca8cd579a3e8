//! A Gaussian process over a given kernel matrix.

use faer::linalg::solvers::{DenseSolveCore, Llt, Solve};
use faer::{Mat, Side};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, Zip};

use crate::PredictError;

/// A zero-mean Gaussian process, conditioned on `n` observations. The caller makes the kernels; this solves.
///
/// *Source*: Rasmussen & Williams, "Gaussian Processes for Machine Learning", 2006, algorithm 2.1.
#[derive(Clone, Debug)]
pub struct GaussianProcess {
    /// `K^-1 y`, `(n,)`.
    weights: Array1<f64>,
    /// `K^-1`, `(n, n)`.
    inverse: Array2<f64>,
    /// The log density of observations that are all as expected.
    log_at_rest: f64,
    log_marginal: f64,
}

impl GaussianProcess {
    /// Conditions on observations `y` whose covariance, noise included, is `k`. Jitter is added to the diagonal
    /// where rounding asks for it.
    ///
    /// # Shapes
    /// `k` is `(n, n)`, `y` is `(n,)`.
    ///
    /// # Errors
    /// [`PredictError::NotPositiveDefinite`] when even a jitter of 1 % of the diagonal does not help.
    pub fn new(k: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>) -> Result<Self, PredictError> {
        let n = y.len();
        let cholesky = factor(k)?;
        let weights = solve(&cholesky, y);
        let inverse = cholesky.inverse();
        let inverse = Array2::from_shape_fn((n, n), |(i, j)| inverse[(i, j)]);
        let log_at_rest = log_at_rest(&cholesky);
        let log_marginal = log_at_rest - 0.5 * y.dot(&weights);
        Ok(GaussianProcess { weights, inverse, log_at_rest, log_marginal })
    }

    /// The same conditioned on other observations, at a fraction of the cost.
    ///
    /// # Shapes
    /// `y` is `(n,)`.
    pub(crate) fn observing(self, y: ArrayView1<'_, f64>) -> Self {
        let weights = self.inverse.dot(&y);
        GaussianProcess { log_marginal: self.log_at_rest - 0.5 * y.dot(&weights), weights, ..self }
    }

    /// The log density of other observations.
    pub(crate) fn log_density_of(&self, y: &Array1<f64>) -> f64 {
        self.log_at_rest - 0.5 * y.dot(&self.inverse.dot(y))
    }

    /// The log density of observations alone, as [`GaussianProcess::log_marginal`]: what a kernel is chosen by, at a third of
    /// the cost.
    ///
    /// # Shapes
    /// `k` is `(n, n)`, `y` is `(n,)`.
    ///
    /// # Errors
    /// As [`GaussianProcess::new`].
    pub fn log_density(k: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>) -> Result<f64, PredictError> {
        let cholesky = factor(k)?;
        Ok(log_at_rest(&cholesky) - 0.5 * y.dot(&solve(&cholesky, y)))
    }

    /// `K^-1 y`, `(n,)`.
    pub(crate) fn weights(&self) -> &Array1<f64> {
        &self.weights
    }

    /// `K^-1`, `(n, n)`.
    pub(crate) fn inverse(&self) -> &Array2<f64> {
        &self.inverse
    }

    /// The log density of the observations under the kernel.
    #[must_use]
    pub fn log_marginal(&self) -> f64 {
        self.log_marginal
    }

    /// Posterior mean and variance of the noiseless function.
    ///
    /// # Shapes
    /// `cross` is the kernel between `m` points and the `n` observations, `(m, n)`; `prior` the points' prior
    /// variances, `(m,)`. Both answers are `(m,)`.
    #[must_use]
    pub fn predict(
        &self,
        cross: ArrayView2<'_, f64>,
        prior: ArrayView1<'_, f64>,
    ) -> (Array1<f64>, Array1<f64>) {
        let mean = cross.dot(&self.weights);
        let solved = cross.dot(&self.inverse);
        let mut variance = prior.to_owned();
        Zip::from(&mut variance)
            .and(cross.axis_iter(Axis(0)))
            .and(solved.axis_iter(Axis(0)))
            .for_each(|variance, cross, solved| *variance = (*variance - cross.dot(&solved)).max(1e-9));
        (mean, variance)
    }
}

/// The lower triangular factor `L` of a covariance `L L^T`, with as much jitter as it takes.
///
/// # Shapes
/// Both are `(n, n)`.
///
/// # Errors
/// As [`GaussianProcess::new`].
pub(crate) fn lower_factor(k: ArrayView2<'_, f64>) -> Result<Array2<f64>, PredictError> {
    let factor = factor(k)?;
    let lower = factor.L();
    Ok(Array2::from_shape_fn(k.raw_dim(), |(i, j)| if j <= i { lower[(i, j)] } else { 0.0 }))
}

/// The Cholesky factor of a covariance, with as much jitter as it takes.
fn factor(k: ArrayView2<'_, f64>) -> Result<Llt<f64>, PredictError> {
    let n = k.nrows();
    let scale = k.diag().iter().sum::<f64>() / n.max(1) as f64;
    for jitter in [0.0, 1e-8, 1e-6, 1e-4, 1e-2] {
        let matrix = Mat::from_fn(n, n, |i, j| k[[i, j]] + if i == j { jitter * scale } else { 0.0 });
        if let Ok(cholesky) = matrix.llt(Side::Lower) {
            return Ok(cholesky);
        }
    }
    Err(PredictError::NotPositiveDefinite { n })
}

/// `K^-1 y`.
fn solve(cholesky: &Llt<f64>, y: ArrayView1<'_, f64>) -> Array1<f64> {
    let solved = cholesky.solve(&Mat::from_fn(y.len(), 1, |i, _| y[i]));
    Array1::from_shape_fn(y.len(), |i| solved[(i, 0)])
}

fn log_at_rest(cholesky: &Llt<f64>) -> f64 {
    let factor = cholesky.L();
    let n = factor.nrows();
    let half_log_det: f64 = (0..n).map(|i| factor[(i, i)].ln()).sum();
    -half_log_det - 0.5 * n as f64 * std::f64::consts::TAU.ln()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn rbf(a: f64, b: f64) -> f64 {
        (-(a - b).powi(2) / 2.0).exp()
    }

    /// scikit-learn 1.9: GaussianProcessRegressor(RBF(1.0, "fixed"), alpha=0.1, optimizer=None)
    /// .fit([[0.], [1.], [3.]], [0.5, -0.2, 1.0]); .predict([[0.5], [2.]], return_std=True) and
    /// .log_marginal_likelihood_value_.
    #[test]
    fn agrees_with_scikit_learn() {
        let x = [0.0, 1.0, 3.0];
        let k = Array2::from_shape_fn((3, 3), |(i, j)| rbf(x[i], x[j]) + if i == j { 0.1 } else { 0.0 });
        let process = GaussianProcess::new(k.view(), array![0.5, -0.2, 1.0].view()).unwrap();
        let at = [0.5, 2.0];
        let cross = Array2::from_shape_fn((2, 3), |(i, j)| rbf(at[i], x[j]));
        let (mean, variance) = process.predict(cross.view(), array![1.0, 1.0].view());
        for (got, want) in mean.iter().zip(SKLEARN_MEAN) {
            assert!((got - want).abs() < 1e-8, "{got} {want}");
        }
        for (got, want) in variance.iter().zip(SKLEARN_STD) {
            assert!((got.sqrt() - want).abs() < 1e-8, "{got} {want}");
        }
        assert!((process.log_marginal() - SKLEARN_LOG_MARGINAL).abs() < 1e-8, "{}", process.log_marginal());
        let alone = GaussianProcess::log_density(k.view(), array![0.5, -0.2, 1.0].view()).unwrap();
        assert_eq!(alone, process.log_marginal());
        let indefinite =
            GaussianProcess::log_density(array![[1.0, 2.0], [2.0, 1.0]].view(), array![0.0, 1.0].view());
        assert!(matches!(indefinite, Err(PredictError::NotPositiveDefinite { n: 2 })));
    }

    const SKLEARN_MEAN: [f64; 2] = [0.123_428_929_221_911_11, 0.245_037_141_112_011_66];
    const SKLEARN_STD: [f64; 2] = [0.293_823_870_955_824_63, 0.606_131_415_939_723_9];
    const SKLEARN_LOG_MARGINAL: f64 = -3.506_118_273_808_339_4;

    #[test]
    fn equal_points_without_noise_get_jitter() {
        let k = array![[1.0, 1.0], [1.0, 1.0]];
        let process = GaussianProcess::new(k.view(), array![1.0, 1.0].view()).unwrap();
        let (mean, _) = process.predict(array![[1.0, 1.0]].view(), array![1.0].view());
        assert!((mean[0] - 1.0).abs() < 1e-3, "{mean}");
    }

    #[test]
    fn a_matrix_that_is_no_kernel_is_refused() {
        let k = array![[1.0, 5.0], [5.0, 1.0]];
        let error = GaussianProcess::new(k.view(), array![1.0, 1.0].view()).unwrap_err();
        assert_eq!(error.to_string(), "the kernel matrix of 2 trials is not positive definite");
    }
}
