//! A linear surrogate: linfa's elastic net, its penalty chosen by cross-validation.

use linfa::ParamGuard;
use linfa::dataset::DatasetBase;
use linfa::traits::{Fit, PredictInplace};
use ndarray::{Array1, Array2, ArrayView2, Axis};

use crate::examples::{check_examples, check_width, location_and_scale};
use crate::folds::folds;
use crate::{PredictError, Prediction, Surrogate};

/// Penalties tried, in standard deviations of the targets.
const PENALTIES: [f64; 6] = [0.3, 0.1, 0.03, 0.01, 0.003, 0.001];

/// Checked settings of an elastic net.
#[derive(Clone, Debug, PartialEq)]
pub struct ElasticNetValidParams {
    penalty: Option<f64>,
    l1_ratio: f64,
    folds: usize,
    seed: u64,
}

/// Settings of an elastic net, to be checked: [`linfa::ParamGuard`] says what is wrong with them.
#[derive(Clone, Debug, PartialEq)]
pub struct ElasticNetParams(ElasticNetValidParams);

impl Default for ElasticNetParams {
    fn default() -> Self {
        ElasticNetParams(ElasticNetValidParams { penalty: None, l1_ratio: 0.5, folds: 5, seed: 0 })
    }
}

impl ElasticNetParams {
    /// The weight of the penalty; the best of six on held-out parts unless set.
    #[must_use]
    pub fn penalty(mut self, penalty: f64) -> Self {
        self.0.penalty = Some(penalty);
        self
    }

    /// The share of the penalty that is on absolute values, in `[0, 1]`, the rest on squares; 0.5 unless set.
    #[must_use]
    pub fn l1_ratio(mut self, l1_ratio: f64) -> Self {
        self.0.l1_ratio = l1_ratio;
        self
    }

    /// Parts held out in turn; 5 unless set.
    #[must_use]
    pub fn folds(mut self, folds: usize) -> Self {
        self.0.folds = folds;
        self
    }

    /// The random seed of the parts.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }
}

impl ParamGuard for ElasticNetParams {
    type Checked = ElasticNetValidParams;
    type Error = PredictError;

    fn check_ref(&self) -> Result<&ElasticNetValidParams, PredictError> {
        let p = &self.0;
        let bad =
            |parameter, value: String, allowed| Err(PredictError::BadParameter { parameter, value, allowed });
        match p.penalty {
            Some(penalty) if !(penalty > 0.0 && penalty.is_finite()) => {
                bad("penalty", penalty.to_string(), "positive and finite")
            }
            _ if !(0.0..=1.0).contains(&p.l1_ratio) => bad("l1_ratio", p.l1_ratio.to_string(), "in [0, 1]"),
            _ if p.folds < 2 => bad("folds", p.folds.to_string(), "at least 2"),
            _ => Ok(p),
        }
    }

    fn check(self) -> Result<ElasticNetValidParams, PredictError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

/// A fitted linear model. Its standard deviation is that of the residuals on held-out parts, the same for all rows.
///
/// *Source*: Zou & Hastie, "Regularization and variable selection via the elastic net", 2005; the objective is
/// `|y - x w - b|^2 / 2n + penalty (l1_ratio |w|_1 + (1 - l1_ratio) |w|^2 / 2)`.
#[derive(Clone, Debug, PartialEq)]
pub struct ElasticNet {
    weights: Array1<f64>,
    intercept: f64,
    penalty: f64,
    std: f64,
}

impl ElasticNet {
    /// What each column is multiplied by, `(d,)`.
    #[must_use]
    pub fn weights(&self) -> &Array1<f64> {
        &self.weights
    }

    /// The answer where all columns are 0.
    #[must_use]
    pub fn intercept(&self) -> f64 {
        self.intercept
    }

    /// The penalty chosen or given.
    #[must_use]
    pub fn penalty(&self) -> f64 {
        self.penalty
    }
}

impl Fit<Array2<f64>, Array1<f64>, PredictError> for ElasticNetValidParams {
    type Object = ElasticNet;

    /// # Shapes
    /// Records `(n, d)`, targets `(n,)`.
    ///
    /// # Errors
    /// [`PredictError::NoData`], [`PredictError::Lengths`], [`PredictError::NotFinite`], or linfa's.
    fn fit(&self, dataset: &DatasetBase<Array2<f64>, Array1<f64>>) -> Result<ElasticNet, PredictError> {
        let (x, y) = (&dataset.records, &dataset.targets);
        check_examples("an elastic net", x.view(), y.view())?;
        let (_, scale) = location_and_scale(y.view());
        let penalties = match self.penalty {
            Some(penalty) => vec![penalty],
            None => PENALTIES.iter().map(|penalty| penalty * scale).collect(),
        };
        let mut best = (f64::INFINITY, penalties[0]);
        for penalty in penalties {
            let error = self.held_out_error(x, y, penalty)?;
            if error < best.0 {
                best = (error, penalty);
            }
        }
        let (error, penalty) = best;
        let (weights, intercept) = self.solve(x, y, penalty)?;
        let std = if error.is_finite() { error.sqrt() } else { 0.0 };
        Ok(ElasticNet { weights, intercept, penalty, std })
    }
}

impl ElasticNetValidParams {
    /// Mean squared error on parts held out; infinite where there are too few rows to hold out any.
    fn held_out_error(&self, x: &Array2<f64>, y: &Array1<f64>, penalty: f64) -> Result<f64, PredictError> {
        let parts = folds(y.len(), self.folds, self.seed);
        let mut sum = 0.0;
        for fold in &parts {
            let (train, of_train) = (x.select(Axis(0), &fold.train), y.select(Axis(0), &fold.train));
            let (weights, intercept) = self.solve(&train, &of_train, penalty)?;
            let error = |row: &usize| (y[*row] - intercept - x.row(*row).dot(&weights)).powi(2);
            sum += fold.test.iter().map(error).sum::<f64>();
        }
        Ok(if parts.is_empty() { f64::INFINITY } else { sum / y.len() as f64 })
    }

    /// linfa centres the targets alone, so the columns are centred here: then the intercept is not penalised.
    fn solve(
        &self,
        x: &Array2<f64>,
        y: &Array1<f64>,
        penalty: f64,
    ) -> Result<(Array1<f64>, f64), PredictError> {
        let centres = x.sum_axis(Axis(0)) / y.len() as f64;
        let data = DatasetBase::new(x - &centres, y.clone());
        let params = linfa_elasticnet::ElasticNet::<f64>::params()
            .penalty(penalty)
            .l1_ratio(self.l1_ratio)
            .tolerance(1e-6)
            .max_iterations(5_000);
        let fitted = params
            .fit(&data)
            .map_err(|source| PredictError::Fit { model: "an elastic net", source: Box::new(source) })?;
        let weights = fitted.hyperplane().to_owned();
        let intercept = fitted.intercept() - centres.dot(&weights);
        Ok((weights, intercept))
    }
}

impl Surrogate for ElasticNet {
    fn predict(&self, x: ArrayView2<'_, f64>) -> Result<Prediction, PredictError> {
        check_width(x, self.weights.len())?;
        let mean = x.dot(&self.weights) + self.intercept;
        let std = Array1::from_elem(mean.len(), self.std);
        Ok(Prediction { mean, std })
    }
}

impl PredictInplace<Array2<f64>, Array1<f64>> for ElasticNet {
    /// # Panics
    /// When `x` has another number of columns than were fitted, as linfa's models do.
    fn predict_inplace(&self, x: &Array2<f64>, y: &mut Array1<f64>) {
        y.assign(&self.predict(x.view()).expect("columns as fitted").mean);
    }

    fn default_target(&self, x: &Array2<f64>) -> Array1<f64> {
        Array1::zeros(x.nrows())
    }
}
