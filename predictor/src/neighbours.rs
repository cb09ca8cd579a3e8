//! A surrogate that asks the nearest examples, on linfa's index.

use linfa::ParamGuard;
use linfa::dataset::DatasetBase;
use linfa::traits::{Fit, PredictInplace};
use linfa_nn::distance::L2Dist;
use linfa_nn::{LinearSearch, NearestNeighbour};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rand::SeedableRng;
use rand::seq::index::sample;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use crate::examples::{check_examples, check_width};
use crate::{PredictError, Prediction, Surrogate};

/// Rows on which the residual is estimated.
const RESIDUAL_ROWS: usize = 500;

/// Checked settings of nearest neighbours.
#[derive(Clone, Debug, PartialEq)]
pub struct NeighboursValidParams {
    k: usize,
    seed: u64,
}

/// Settings of nearest neighbours, to be checked: [`linfa::ParamGuard`] says what is wrong with them.
#[derive(Clone, Debug, PartialEq)]
pub struct NeighboursParams(NeighboursValidParams);

impl Default for NeighboursParams {
    fn default() -> Self {
        NeighboursParams(NeighboursValidParams { k: 7, seed: 0 })
    }
}

impl NeighboursParams {
    /// How many neighbours are asked; 7 unless set.
    #[must_use]
    pub fn k(mut self, k: usize) -> Self {
        self.0.k = k;
        self
    }

    /// The random seed of the rows on which the residual is estimated.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }
}

impl ParamGuard for NeighboursParams {
    type Checked = NeighboursValidParams;
    type Error = PredictError;

    fn check_ref(&self) -> Result<&NeighboursValidParams, PredictError> {
        if self.0.k == 0 {
            return Err(PredictError::BadParameter {
                parameter: "k",
                value: "0".into(),
                allowed: "at least 1",
            });
        }
        Ok(&self.0)
    }

    fn check(self) -> Result<NeighboursValidParams, PredictError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

/// The examples themselves: a row scores as its nearest ones do, weighted by the inverse of the Euclidean distance; where
/// some are at no distance, they alone count. The standard deviation is that of the examples' own residuals when each is
/// left out (of 500 of them at most).
///
/// Rows are compared with every example, for in the dozens of columns that encodings have a tree saves nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    k: usize,
    x: Array2<f64>,
    y: Array1<f64>,
    std: f64,
}

impl Fit<Array2<f64>, Array1<f64>, PredictError> for NeighboursValidParams {
    type Object = Neighbours;

    /// # Shapes
    /// Records `(n, d)`, targets `(n,)`.
    ///
    /// # Errors
    /// [`PredictError::NoData`], [`PredictError::Lengths`], [`PredictError::NotFinite`], or linfa's, where there is no
    /// column.
    fn fit(&self, dataset: &DatasetBase<Array2<f64>, Array1<f64>>) -> Result<Neighbours, PredictError> {
        let (x, y) = (&dataset.records, &dataset.targets);
        check_examples("nearest neighbours", x.view(), y.view())?;
        let mut fitted = Neighbours { k: self.k, x: x.clone(), y: y.clone(), std: 0.0 };
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let rows = sample(&mut rng, y.len(), y.len().min(RESIDUAL_ROWS)).into_vec();
        let left_out = fitted.ask(x.select(Axis(0), &rows).view(), Some(&rows))?;
        let residuals: Array1<f64> = rows.iter().zip(&left_out).map(|(row, mean)| y[*row] - mean).collect();
        fitted.std =
            if y.len() > 1 { (residuals.dot(&residuals) / residuals.len() as f64).sqrt() } else { 0.0 };
        Ok(fitted)
    }
}

impl Neighbours {
    /// What the neighbours of each row say; those of the `i`-th row without example `without[i]`.
    fn ask(&self, x: ArrayView2<'_, f64>, without: Option<&[usize]>) -> Result<Vec<f64>, PredictError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| PredictError::Fit {
            model: "nearest neighbours",
            source,
        };
        let index =
            LinearSearch::new().from_batch(&self.x, L2Dist).map_err(|source| failed(Box::new(source)))?;
        let one = |(at, row): (usize, ArrayView1<'_, f64>)| {
            let without = without.map(|without| without[at]);
            let asked = self.k + usize::from(without.is_some());
            let mut near = index.k_nearest(row, asked).map_err(|source| failed(Box::new(source)))?;
            near.retain(|(_, example)| Some(*example) != without);
            near.truncate(self.k);
            let distances = near.iter().map(|(point, example)| {
                let square: f64 = point.iter().zip(row).map(|(a, b)| (a - b).powi(2)).sum();
                (square.sqrt(), self.y[*example])
            });
            Ok(weighted(&distances.collect::<Vec<_>>()))
        };
        x.axis_iter(Axis(0)).into_par_iter().enumerate().map(one).collect()
    }
}

/// The mean of `(distance, target)` weighted by inverse distance; 0 of none.
fn weighted(near: &[(f64, f64)]) -> f64 {
    let exact: Vec<f64> = near.iter().filter(|(distance, _)| *distance == 0.0).map(|(_, y)| *y).collect();
    if !exact.is_empty() {
        return exact.iter().sum::<f64>() / exact.len() as f64;
    }
    let weights: f64 = near.iter().map(|(distance, _)| 1.0 / distance).sum();
    let sum: f64 = near.iter().map(|(distance, y)| y / distance).sum();
    if weights > 0.0 { sum / weights } else { 0.0 }
}

impl Surrogate for Neighbours {
    fn predict(&self, x: ArrayView2<'_, f64>) -> Result<Prediction, PredictError> {
        check_width(x, self.x.ncols())?;
        let mean = Array1::from(self.ask(x, None)?);
        let std = Array1::from_elem(mean.len(), self.std);
        Ok(Prediction { mean, std })
    }
}

impl PredictInplace<Array2<f64>, Array1<f64>> for Neighbours {
    /// # Panics
    /// When `x` has another number of columns than were fitted, as linfa's models do.
    fn predict_inplace(&self, x: &Array2<f64>, y: &mut Array1<f64>) {
        y.assign(&self.predict(x.view()).expect("columns as fitted").mean);
    }

    fn default_target(&self, x: &Array2<f64>) -> Array1<f64> {
        Array1::zeros(x.nrows())
    }
}
