//! A kernel surrogate: linfa's support vector regression.

use linfa::ParamGuard;
use linfa::dataset::DatasetBase;
use linfa::traits::{Fit, Predict, PredictInplace};
use linfa_svm::Svm;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::SeedableRng;
use rand::seq::index::sample;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use crate::examples::{check_examples, check_width, location_and_scale};
use crate::folds::{Fold, folds};
use crate::{PredictError, Prediction, Surrogate};

/// Parts that the examples are cut into for the residual.
const FOLDS: usize = 5;
/// Rows from which one part held out is enough.
const MANY: usize = 500;

/// Checked settings of support vector regression.
#[derive(Clone, Debug, PartialEq)]
pub struct SupportVectorsValidParams {
    cost: f64,
    tube: f64,
    max_rows: usize,
    seed: u64,
}

/// Settings of support vector regression, to be checked: [`linfa::ParamGuard`] says what is wrong with them.
#[derive(Clone, Debug, PartialEq)]
pub struct SupportVectorsParams(SupportVectorsValidParams);

impl Default for SupportVectorsParams {
    fn default() -> Self {
        SupportVectorsParams(SupportVectorsValidParams { cost: 1.0, tube: 0.1, max_rows: 2_000, seed: 0 })
    }
}

impl SupportVectorsParams {
    /// What an error costs against smoothness; 1 unless set.
    #[must_use]
    pub fn cost(mut self, cost: f64) -> Self {
        self.0.cost = cost;
        self
    }

    /// Errors that cost nothing, in standard deviations of the targets; 0.1 unless set.
    #[must_use]
    pub fn tube(mut self, tube: f64) -> Self {
        self.0.tube = tube;
        self
    }

    /// The most examples to fit on, drawn at random beyond; 2,000 unless set. Time and memory grow with their square at
    /// least.
    #[must_use]
    pub fn max_rows(mut self, max_rows: usize) -> Self {
        self.0.max_rows = max_rows;
        self
    }

    /// The random seed of what is drawn.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }
}

impl ParamGuard for SupportVectorsParams {
    type Checked = SupportVectorsValidParams;
    type Error = PredictError;

    fn check_ref(&self) -> Result<&SupportVectorsValidParams, PredictError> {
        let p = &self.0;
        let bad =
            |parameter, value: String, allowed| Err(PredictError::BadParameter { parameter, value, allowed });
        if !(p.cost > 0.0 && p.cost.is_finite()) {
            return bad("cost", p.cost.to_string(), "positive and finite");
        }
        if !(p.tube >= 0.0 && p.tube.is_finite()) {
            return bad("tube", p.tube.to_string(), "finite and not negative");
        }
        if p.max_rows == 0 {
            return bad("max_rows", "0".into(), "at least 1");
        }
        Ok(p)
    }

    fn check(self) -> Result<SupportVectorsValidParams, PredictError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

/// A fitted epsilon-support-vector regression with a Gaussian kernel of width `d var(x)`. The standard deviation is that
/// of the residuals on held-out parts, the same for all rows.
///
/// *Source*: Drucker et al., "Support vector regression machines", NeurIPS 1996.
#[derive(Debug)]
pub struct SupportVectors {
    width: usize,
    machine: Machine,
    std: f64,
}

/// A machine for scaled targets; none where all targets are alike, for then there is nothing to support.
#[derive(Debug)]
struct Machine {
    svm: Option<Svm<f64, f64>>,
    scaling: (f64, f64),
}

impl Machine {
    fn mean(&self, x: &Array2<f64>) -> Array1<f64> {
        let (location, scale) = self.scaling;
        match &self.svm {
            Some(svm) => svm.predict(x).mapv(|mean| location + scale * mean),
            None => Array1::from_elem(x.nrows(), location),
        }
    }
}

impl Fit<Array2<f64>, Array1<f64>, PredictError> for SupportVectorsValidParams {
    type Object = SupportVectors;

    /// # Shapes
    /// Records `(n, d)`, targets `(n,)`.
    ///
    /// # Errors
    /// [`PredictError::NoData`], [`PredictError::Lengths`], [`PredictError::NotFinite`], or linfa's.
    fn fit(&self, dataset: &DatasetBase<Array2<f64>, Array1<f64>>) -> Result<SupportVectors, PredictError> {
        check_examples("support vectors", dataset.records.view(), dataset.targets.view())?;
        let n = dataset.targets.len();
        let mut rows: Vec<usize> = (0..n).collect();
        if n > self.max_rows {
            rows = sample(&mut Xoshiro256PlusPlus::seed_from_u64(self.seed), n, self.max_rows).into_vec();
        }
        let (x, y) = (dataset.records.select(Axis(0), &rows), dataset.targets.select(Axis(0), &rows));
        let parts = folds(rows.len(), FOLDS, self.seed);
        let parts = if rows.len() < MANY { &parts[..] } else { &parts[..1] };
        let held: usize = parts.iter().map(|fold| fold.test.len()).sum();
        let errors = parts
            .par_iter()
            .map(|fold| self.error(&x, &y, fold))
            .collect::<Result<Vec<f64>, PredictError>>()?;
        let std = if held > 0 { (errors.iter().sum::<f64>() / held as f64).sqrt() } else { 0.0 };
        Ok(SupportVectors { width: x.ncols(), machine: self.solve(x, &y)?, std })
    }
}

impl SupportVectorsValidParams {
    /// The summed squared error on a part held out.
    fn error(&self, x: &Array2<f64>, y: &Array1<f64>, fold: &Fold) -> Result<f64, PredictError> {
        let machine = self.solve(x.select(Axis(0), &fold.train), &y.select(Axis(0), &fold.train))?;
        let mean = machine.mean(&x.select(Axis(0), &fold.test));
        Ok(fold.test.iter().zip(&mean).map(|(row, mean)| (y[*row] - mean).powi(2)).sum())
    }

    fn solve(&self, x: Array2<f64>, y: &Array1<f64>) -> Result<Machine, PredictError> {
        let (location, scale) = location_and_scale(y.view());
        let targets = y.mapv(|y| (y - location) / scale);
        let width = kernel_width(&x);
        if width == 0.0 || targets.iter().all(|target| target.abs() < 1e-9) {
            return Ok(Machine { svm: None, scaling: (location, scale) });
        }
        let params = Svm::<f64, f64>::params().c_svr(self.cost, Some(self.tube)).gaussian_kernel(width);
        let svm = params
            .fit(&DatasetBase::new(x, targets))
            .map_err(|source| PredictError::Fit { model: "support vectors", source: Box::new(source) })?;
        Ok(Machine { svm: Some(svm), scaling: (location, scale) })
    }
}

/// What squared distances are divided by: columns times the variance of all entries, scikit-learn's "scale".
fn kernel_width(x: &Array2<f64>) -> f64 {
    let n = x.len().max(1) as f64;
    let mean = x.sum() / n;
    x.ncols() as f64 * x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n
}

impl Surrogate for SupportVectors {
    fn predict(&self, x: ArrayView2<'_, f64>) -> Result<Prediction, PredictError> {
        check_width(x, self.width)?;
        let mean = self.machine.mean(&x.to_owned());
        let std = Array1::from_elem(mean.len(), self.std);
        Ok(Prediction { mean, std })
    }
}

impl PredictInplace<Array2<f64>, Array1<f64>> for SupportVectors {
    /// # Panics
    /// When `x` has another number of columns than were fitted, as linfa's models do.
    fn predict_inplace(&self, x: &Array2<f64>, y: &mut Array1<f64>) {
        assert_eq!(x.ncols(), self.width, "columns as fitted");
        y.assign(&self.machine.mean(x));
    }

    fn default_target(&self, x: &Array2<f64>) -> Array1<f64> {
        Array1::zeros(x.nrows())
    }
}
