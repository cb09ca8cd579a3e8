//! How the kernel of a process is learned.

use linfa::ParamGuard;
use linfa::dataset::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2, Axis, Slice};
use rand::SeedableRng;
use rand::seq::index::sample;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::pairs::Pairs;
use super::{ArdKernel, ArdProcess, Part};
use crate::examples::{check_examples, location_and_scale};
use crate::lbfgs::minimise;
use crate::{GaussianProcess, PredictError};

/// Checked settings of a process.
#[derive(Clone, Debug, PartialEq)]
pub struct ArdValidParams {
    parts: Option<Vec<Part>>,
    kernel: Option<ArdKernel>,
    iterations: usize,
    max_rows: usize,
    tuning_rows: usize,
    seed: u64,
}

/// Settings of a process, to be checked: [`linfa::ParamGuard`] says what is wrong with them.
#[derive(Clone, Debug, PartialEq)]
pub struct ArdParams(ArdValidParams);

impl Default for ArdParams {
    fn default() -> Self {
        ArdParams(ArdValidParams {
            parts: None,
            kernel: None,
            iterations: 50,
            max_rows: 1_000,
            tuning_rows: 500,
            seed: 0,
        })
    }
}

impl ArdParams {
    /// Which columns belong together ([`Part::of`] an encoder's features); inferred from the examples unless set.
    #[must_use]
    pub fn parts(mut self, parts: Vec<Part>) -> Self {
        self.0.parts = Some(parts);
        self
    }

    /// The kernel to use as it is; learned from the examples unless set.
    #[must_use]
    pub fn kernel(mut self, kernel: ArdKernel) -> Self {
        self.0.kernel = Some(kernel);
        self
    }

    /// The most steps of learning the kernel; 50 unless set.
    #[must_use]
    pub fn iterations(mut self, iterations: usize) -> Self {
        self.0.iterations = iterations;
        self
    }

    /// The most examples to condition on, drawn at random beyond; 1,000 unless set. Time grows with their cube.
    #[must_use]
    pub fn max_rows(mut self, max_rows: usize) -> Self {
        self.0.max_rows = max_rows;
        self
    }

    /// The most examples to learn the kernel on; 500 unless set. This is where most of the time goes.
    #[must_use]
    pub fn tuning_rows(mut self, tuning_rows: usize) -> Self {
        self.0.tuning_rows = tuning_rows;
        self
    }

    /// The random seed; it matters where examples are drawn.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }
}

impl ParamGuard for ArdParams {
    type Checked = ArdValidParams;
    type Error = PredictError;

    fn check_ref(&self) -> Result<&ArdValidParams, PredictError> {
        let p = &self.0;
        let counts = [("max_rows", p.max_rows), ("tuning_rows", p.tuning_rows)];
        if let Some((parameter, _)) = counts.into_iter().find(|(_, n)| *n == 0) {
            return Err(PredictError::BadParameter { parameter, value: "0".into(), allowed: "at least 1" });
        }
        if let Some(kernel) = &p.kernel {
            let variances = [("joint", kernel.joint), ("additive", kernel.additive), ("noise", kernel.noise)];
            let lengths = kernel.lengths.iter().map(|length| ("lengths", *length));
            let bad = |(_, value): &(_, f64)| !(*value > 0.0 && value.is_finite());
            if let Some((parameter, value)) = variances.into_iter().chain(lengths).find(bad) {
                let value = value.to_string();
                return Err(PredictError::BadParameter { parameter, value, allowed: "positive and finite" });
            }
        }
        Ok(p)
    }

    fn check(self) -> Result<ArdValidParams, PredictError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

impl Fit<Array2<f64>, Array1<f64>, PredictError> for ArdValidParams {
    type Object = ArdProcess;

    /// # Shapes
    /// Records `(n, d)`, targets `(n,)`.
    ///
    /// # Errors
    /// [`PredictError::NoData`], [`PredictError::Lengths`], [`PredictError::NotFinite`], or
    /// [`PredictError::NotPositiveDefinite`].
    fn fit(&self, dataset: &DatasetBase<Array2<f64>, Array1<f64>>) -> Result<ArdProcess, PredictError> {
        let (x, y) = (&dataset.records, &dataset.targets);
        check_examples("a process", x.view(), y.view())?;
        let parts = self.parts.clone().unwrap_or_else(|| Part::infer(x.view()));
        check_parts(&parts, x.ncols(), self.kernel.as_ref())?;
        let rows = self.draw(y.len());
        let (points, y) = (Part::gather(&parts, x.select(Axis(0), &rows).view()), y.select(Axis(0), &rows));
        let (location, scale) = location_and_scale(y.view());
        let targets = y.mapv(|y| (y - location) / scale);
        let kernel = self.kernel.clone().unwrap_or_else(|| self.learn(&parts, &points, &targets));
        ArdProcess::condition(x.ncols(), parts, kernel, points, targets, (location, scale))
    }
}

fn check_parts(parts: &[Part], width: usize, kernel: Option<&ArdKernel>) -> Result<(), PredictError> {
    let end = |part: &Part| match part {
        Part::Number(column) => column + 1,
        Part::Choice(columns) => columns.end,
    };
    let needed = parts.iter().map(end).max().unwrap_or(0);
    if needed > width {
        return Err(PredictError::Lengths {
            what: "columns given and columns of the parts",
            left: width,
            right: needed,
        });
    }
    match kernel.map(|kernel| kernel.lengths.len()) {
        Some(left) if left != parts.len() => {
            Err(PredictError::Lengths { what: "length scales and parts", left, right: parts.len() })
        }
        _ => Ok(()),
    }
}

impl ArdValidParams {
    /// Up to `max_rows` rows, in random order where there are more than needed to learn on.
    fn draw(&self, n: usize) -> Vec<usize> {
        if n <= self.max_rows.min(self.tuning_rows) {
            return (0..n).collect();
        }
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        sample(&mut rng, n, n.min(self.max_rows)).into_vec()
    }

    /// The kernel of highest posterior density: log marginal likelihood of the targets plus log prior.
    fn learn(&self, parts: &[Part], points: &Array2<f64>, targets: &Array1<f64>) -> ArdKernel {
        let keep = targets.len().min(self.tuning_rows);
        let first = Slice::from(..keep);
        let (points, targets) =
            (points.slice_axis(Axis(0), first), targets.slice_axis(Axis(0), first).to_owned());
        let pairs = Pairs::new(parts, points);
        let prior = Prior::new(parts.len());
        let found = minimise(prior.centre.clone(), self.iterations, |logs| {
            surprise(logs, &pairs, &targets, &prior).unwrap_or((f64::INFINITY, vec![0.0; logs.len()]))
        });
        ArdKernel::from_logs(&found)
    }
}

/// Minus the log posterior density of a kernel, up to a constant, and its gradient; `None` where the matrix is singular.
///
/// *Source*: Rasmussen & Williams 2006, equation 5.9.
fn surprise(logs: &[f64], pairs: &Pairs, targets: &Array1<f64>, prior: &Prior) -> Option<(f64, Vec<f64>)> {
    // Beyond these, variances and lengths say no more than at them.
    if logs.iter().any(|log| log.abs() > 12.0) {
        return None;
    }
    let kernel = ArdKernel::from_logs(logs);
    let process = GaussianProcess::new(pairs.covariance(&kernel).view(), targets.view()).ok()?;
    let weights = process.weights();
    let column = weights.view().insert_axis(Axis(1));
    let w = process.inverse() - &column.dot(&column.t());
    let mut gradient = pairs.derivative(&kernel, w.view());
    let mut value = -process.log_marginal();
    for (at, log) in logs.iter().enumerate() {
        let deviation = (log - prior.centre[at]) / prior.width[at];
        value += 0.5 * deviation * deviation;
        gradient[at] += deviation / prior.width[at];
    }
    value.is_finite().then_some((value, gradient))
}

/// Log-normal beliefs about a kernel: medians and widths, as logarithms.
///
/// Lengths grow with the square root of the number of parts, as in Hvarfner, Hellsten, Nardi, "Vanilla Bayesian
/// Optimization Performs Great in High Dimensions", ICML 2024 (arXiv:2402.02229); shorter and firmer than there, which
/// predicts held-out rows better from few examples.
struct Prior {
    centre: Vec<f64>,
    width: Vec<f64>,
}

impl Prior {
    fn new(parts: usize) -> Self {
        let length = (0.5 * (parts.max(1) as f64).sqrt()).ln();
        let mut centre = vec![length; parts];
        centre.extend([0.0, 0.5_f64.ln(), 0.1_f64.ln()]);
        let mut width = vec![1.0; parts];
        width.extend([1.0, 1.0, 2.0]);
        Prior { centre, width }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let parts = [Part::Number(0), Part::Choice(1..3)];
        let points =
            Array2::from_shape_fn((12, 2), |(i, g)| if g == 0 { i as f64 / 12.0 } else { (i % 2) as f64 });
        let targets = Array1::from_shape_fn(12, |i| (i as f64).sin());
        let prior = Prior::new(2);
        let logs: Vec<f64> = prior.centre.iter().map(|centre| centre + 0.2).collect();
        let pairs = Pairs::new(&parts, points.view());
        let at = |logs: &[f64]| surprise(logs, &pairs, &targets, &prior).unwrap();
        let (_, gradient) = at(&logs);
        for (index, exact) in gradient.iter().enumerate() {
            let moved = |by: f64| {
                let mut logs = logs.clone();
                logs[index] += by;
                at(&logs).0
            };
            let numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((exact - numeric).abs() < 1e-5, "{index}: {exact} {numeric}");
        }
    }
}
