//! A Gaussian process that learns which parts of an architecture matter.

mod course;
mod kernel;
mod pairs;
mod params;
mod part;

use linfa::traits::PredictInplace;
use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};
use serde::{Deserialize, Serialize};

use crate::examples::check_width;
use crate::{GaussianProcess, PredictError, Prediction, Surrogate};
pub use kernel::ArdKernel;
pub use params::{ArdParams, ArdValidParams};
pub use part::Part;

/// Rows that are predicted at a time: their covariances with the examples are held in memory.
const CHUNK: usize = 1_024;

/// A fitted Gaussian process over numbers and choices. Its kernel is the sum of one in which all parts must agree
/// (Matern-5/2 over numbers with a length scale each, `exp(-1 / length^2)` for each choice that differs) and one in which
/// each part speaks for itself; lengths and variances, the noise among them, are those of highest posterior density.
///
/// The standard deviation is that of a measurement, noise included.
///
/// *Source*: Rasmussen & Williams 2006, sections 2.2 and 5.4; Duvenaud, Nickisch, Rasmussen, "Additive Gaussian
/// Processes", NeurIPS 2011 (arXiv:1112.4394).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct ArdProcess {
    width: usize,
    parts: Vec<Part>,
    kernel: ArdKernel,
    /// The examples by part, `(n, G)`.
    points: Array2<f64>,
    /// Their targets, scaled, `(n,)`.
    targets: Array1<f64>,
    /// Mean and standard deviation of the targets.
    scaling: (f64, f64),
    process: GaussianProcess,
}

impl ArdProcess {
    fn condition(
        width: usize,
        parts: Vec<Part>,
        kernel: ArdKernel,
        points: Array2<f64>,
        targets: Array1<f64>,
        scaling: (f64, f64),
    ) -> Result<Self, PredictError> {
        let mut k = kernel.between(&parts, points.view(), points.view());
        k.diag_mut().mapv_inplace(|k| k + kernel.noise);
        let process = GaussianProcess::new(k.view(), targets.view())?;
        Ok(ArdProcess { width, parts, kernel, points, targets, scaling, process })
    }

    /// The kernel as learned.
    #[must_use]
    pub fn kernel(&self) -> &ArdKernel {
        &self.kernel
    }

    /// Which columns belong together, in the order of the kernel's lengths.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The log density of the scaled examples under the kernel.
    #[must_use]
    pub fn log_marginal(&self) -> f64 {
        self.process.log_marginal()
    }

    /// Mean squared error of each example as the others foretell it under the kernel as learned, in the targets' unit.
    ///
    /// *Source*: Rasmussen & Williams 2006, equation 5.12.
    #[must_use]
    pub fn left_out_variance(&self) -> f64 {
        let errors = self.process.weights() / &self.process.inverse().diag();
        self.scaling.1.powi(2) * errors.mapv(|error| error * error).mean().unwrap_or(0.0)
    }

    /// The mean prediction alone, which costs far less than the deviation.
    ///
    /// # Shapes
    /// `x` is `(n, d)`, the answer `(n,)`.
    ///
    /// # Errors
    /// [`PredictError::Lengths`] for another `d`.
    pub fn mean(&self, x: ArrayView2<'_, f64>) -> Result<Array1<f64>, PredictError> {
        check_width(x, self.width)?;
        let (location, scale) = self.scaling;
        let points = Part::gather(&self.parts, x);
        let alpha = self.process.weights().view();
        let sums = self.kernel.weighted_sums(&self.parts, points.view(), self.points.view(), alpha);
        Ok(sums.mapv(|mean| location + scale * mean))
    }

    fn cross(&self, x: ArrayView2<'_, f64>) -> Array2<f64> {
        self.kernel.between(&self.parts, Part::gather(&self.parts, x).view(), self.points.view())
    }
}

fn join(chunks: &[Array1<f64>]) -> Array1<f64> {
    let views: Vec<_> = chunks.iter().map(Array1::view).collect();
    concatenate(Axis(0), &views).unwrap_or_else(|_| Array1::zeros(0))
}

impl Surrogate for ArdProcess {
    fn predict(&self, x: ArrayView2<'_, f64>) -> Result<Prediction, PredictError> {
        check_width(x, self.width)?;
        let (location, scale) = self.scaling;
        let prior = self.kernel.joint + self.kernel.additive;
        let (mut means, mut stds) = (Vec::new(), Vec::new());
        for x in x.axis_chunks_iter(Axis(0), CHUNK) {
            let prior = Array1::from_elem(x.nrows(), prior);
            let (mean, variance) = self.process.predict(self.cross(x).view(), prior.view());
            means.push(mean.mapv(|mean| location + scale * mean));
            stds.push(variance.mapv(|variance| scale * (variance + self.kernel.noise).sqrt()));
        }
        Ok(Prediction { mean: join(&means), std: join(&stds) })
    }
}

impl PredictInplace<Array2<f64>, Array1<f64>> for ArdProcess {
    /// # Panics
    /// When `x` has another number of columns than were fitted, as linfa's models do.
    fn predict_inplace(&self, x: &Array2<f64>, y: &mut Array1<f64>) {
        y.assign(&self.mean(x.view()).expect("columns as fitted"));
    }

    fn default_target(&self, x: &Array2<f64>) -> Array1<f64> {
        Array1::zeros(x.nrows())
    }
}

/// A process as it is kept: its examples and its kernel, from which the rest is made again.
#[derive(Serialize, Deserialize)]
struct Saved {
    width: usize,
    parts: Vec<Part>,
    kernel: ArdKernel,
    points: Vec<Vec<f64>>,
    targets: Vec<f64>,
    scaling: (f64, f64),
}

impl From<ArdProcess> for Saved {
    fn from(process: ArdProcess) -> Saved {
        let points = process.points.rows().into_iter().map(|row| row.to_vec()).collect();
        let ArdProcess { width, parts, kernel, targets, scaling, .. } = process;
        Saved { width, parts, kernel, points, targets: targets.to_vec(), scaling }
    }
}

impl TryFrom<Saved> for ArdProcess {
    type Error = PredictError;

    fn try_from(saved: Saved) -> Result<Self, PredictError> {
        let groups = saved.parts.len();
        let lengths = std::iter::once(("length scales and parts", saved.kernel.lengths.len(), groups))
            .chain([("examples and targets", saved.points.len(), saved.targets.len())])
            .chain(saved.points.iter().map(|point| ("parts of an example and parts", point.len(), groups)));
        if let Some((what, left, right)) = lengths.into_iter().find(|(_, left, right)| left != right) {
            return Err(PredictError::Lengths { what, left, right });
        }
        let points =
            Array2::from_shape_fn((saved.points.len(), groups), |(row, part)| saved.points[row][part]);
        let Saved { width, parts, kernel, targets, scaling, .. } = saved;
        ArdProcess::condition(width, parts, kernel, points, Array1::from(targets), scaling)
    }
}
