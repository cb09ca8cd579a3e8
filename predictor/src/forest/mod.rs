//! A regression forest over binned features (linfa 0.8 has none).

mod params;
mod tree;

use linfa::traits::PredictInplace;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::examples::check_width;
use crate::{PredictError, Prediction, Surrogate};
pub use params::{ForestParams, ForestValidParams};
use tree::Tree;

/// A fitted regression forest: the mean of trees grown on bootstrap samples with random feature subsets.
///
/// Predictive variance is that of the mixture of the leaves' normals (law of total variance), as in
/// Hutter et al., "Algorithm runtime prediction: Methods & evaluation", AIJ 2014 (arXiv:1211.0906), section 4.3.
///
/// Not for extrapolation: outside the range of the examples it answers with the nearest leaf.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegressionForest {
    width: usize,
    trees: Vec<Tree>,
    out_of_bag_variance: f64,
}

impl RegressionForest {
    /// Mean squared error on rows that a tree did not see, estimated on at most 2,000 rows; the variance of the
    /// targets where every tree saw every row.
    #[must_use]
    pub fn out_of_bag_variance(&self) -> f64 {
        self.out_of_bag_variance
    }

    /// The number of columns it was fitted on.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The mean prediction alone, in parallel over rows.
    ///
    /// # Shapes
    /// `x` is `(n, d)`, the answer `(n,)`.
    ///
    /// # Errors
    /// [`PredictError::Lengths`] for another `d`.
    pub fn mean(&self, x: ArrayView2<'_, f64>) -> Result<Array1<f64>, PredictError> {
        check_width(x, self.width)?;
        let mut mean = Array1::zeros(x.nrows());
        let chunks = mean.axis_chunks_iter_mut(Axis(0), 512).into_par_iter();
        chunks.zip(x.axis_chunks_iter(Axis(0), 512)).for_each(|(mut mean, x)| {
            // Tree by tree: one tree stays in the cache while the rows pass.
            for tree in &self.trees {
                for (mean, row) in mean.iter_mut().zip(x.rows()) {
                    *mean += tree.leaf(row).mean;
                }
            }
            mean /= self.trees.len() as f64;
        });
        Ok(mean)
    }

    fn mixture(&self, row: ArrayView1<'_, f64>) -> (f64, f64) {
        let n = self.trees.len() as f64;
        let (mut mean, mut square, mut within) = (0.0, 0.0, 0.0);
        for leaf in self.trees.iter().map(|tree| tree.leaf(row)) {
            mean += leaf.mean / n;
            square += leaf.mean * leaf.mean / n;
            within += leaf.variance / n;
        }
        (mean, (square - mean * mean).max(0.0) + within)
    }
}

impl Surrogate for RegressionForest {
    fn predict(&self, x: ArrayView2<'_, f64>) -> Result<Prediction, PredictError> {
        check_width(x, self.width)?;
        let both: Vec<(f64, f64)> =
            x.axis_iter(Axis(0)).into_par_iter().map(|row| self.mixture(row)).collect();
        let mean = both.iter().map(|(mean, _)| *mean).collect();
        let std = both.iter().map(|(_, variance)| variance.sqrt()).collect();
        Ok(Prediction { mean, std })
    }
}

impl PredictInplace<Array2<f64>, Array1<f64>> for RegressionForest {
    /// # Panics
    /// When `x` has another number of columns than the forest was fitted on, as linfa's models do.
    fn predict_inplace(&self, x: &Array2<f64>, y: &mut Array1<f64>) {
        y.assign(&self.mean(x.view()).expect("columns as fitted"));
    }

    fn default_target(&self, x: &Array2<f64>) -> Array1<f64> {
        Array1::zeros(x.nrows())
    }
}
