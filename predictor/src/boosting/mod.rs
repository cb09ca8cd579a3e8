//! Gradient boosting over binned features (linfa 0.8 has none).

mod params;
mod tree;

use linfa::traits::PredictInplace;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::examples::check_width;
use crate::{PredictError, Prediction, Surrogate};
pub use params::{BoostingParams, BoostingValidParams};
use tree::Tree;

/// A fitted sum of small trees, each grown on what the ones before leave open (squared loss).
///
/// The standard deviation is one number for all rows: that of the residuals on rows held out while the number of
/// trees was chosen. [`crate::Conformal`] makes intervals of it.
///
/// *Source*: Friedman, "Greedy function approximation", 2001, and "Stochastic gradient boosting", 2002; leaf-wise
/// growth and histograms as in Ke et al., "LightGBM", NeurIPS 2017.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoostedTrees {
    width: usize,
    base: f64,
    trees: Vec<Tree>,
    residual_variance: f64,
}

impl BoostedTrees {
    /// The number of trees.
    #[must_use]
    pub fn rounds(&self) -> usize {
        self.trees.len()
    }

    /// Mean squared error on the rows held out; that of the fit where none were.
    #[must_use]
    pub fn residual_variance(&self) -> f64 {
        self.residual_variance
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
        let mut mean = Array1::from_elem(x.nrows(), self.base);
        let chunks = mean.axis_chunks_iter_mut(Axis(0), 512).into_par_iter();
        chunks.zip(x.axis_chunks_iter(Axis(0), 512)).for_each(|(mut mean, x)| {
            for tree in &self.trees {
                for (mean, row) in mean.iter_mut().zip(x.rows()) {
                    *mean += tree.value(row);
                }
            }
        });
        Ok(mean)
    }
}

impl Surrogate for BoostedTrees {
    fn predict(&self, x: ArrayView2<'_, f64>) -> Result<Prediction, PredictError> {
        let mean = self.mean(x)?;
        let std = Array1::from_elem(mean.len(), self.residual_variance.sqrt());
        Ok(Prediction { mean, std })
    }
}

impl PredictInplace<Array2<f64>, Array1<f64>> for BoostedTrees {
    /// # Panics
    /// When `x` has another number of columns than were fitted, as linfa's models do.
    fn predict_inplace(&self, x: &Array2<f64>, y: &mut Array1<f64>) {
        y.assign(&self.mean(x.view()).expect("columns as fitted"));
    }

    fn default_target(&self, x: &Array2<f64>) -> Array1<f64> {
        Array1::zeros(x.nrows())
    }
}

#[cfg(test)]
mod tests {
    use linfa::ParamGuard;
    use linfa::dataset::DatasetBase;
    use linfa::traits::Fit;
    use ndarray::array;

    use super::*;

    fn slope(n: usize) -> DatasetBase<Array2<f64>, Array1<f64>> {
        let x = Array2::from_shape_fn((n, 2), |(i, j)| ((i * (7 + 4 * j)) % n) as f64 / n as f64);
        let y = x.rows().into_iter().map(|row| row[0]).collect();
        DatasetBase::new(x, y)
    }

    #[test]
    fn one_tree_of_two_leaves_is_the_best_stump() {
        let data = DatasetBase::new(array![[0.0], [1.0], [2.0], [3.0]], array![1.0, 1.0, 5.0, 5.0]);
        let stump = BoostingParams::default()
            .rounds(1)
            .learning_rate(0.5)
            .leaves(2)
            .min_leaf(1)
            .l2(0.0)
            .rows(1.0)
            .columns(1.0)
            .held_out(0)
            .fit(&data)
            .unwrap();
        let got = stump.mean(array![[1.4], [1.6]].view()).unwrap();
        // Base 3, half of the residuals -2 and 2.
        assert_eq!(got, array![2.0, 4.0]);
        assert_eq!(stump.residual_variance(), 1.0);
    }

    #[test]
    fn holding_out_stops_before_noise_is_learned() {
        let mut data = slope(200);
        // The target is a fixed shuffle of itself: there is nothing to learn.
        data.targets =
            (0..200).map(|i| ((i * 131 + 17) % 200) as f64 / 200.0).map(|y| (y * 97.0).sin()).collect();
        let boosted = BoostingParams::default().fit(&data).unwrap();
        assert!(boosted.rounds() < 40, "{}", boosted.rounds());
        let boosted = BoostingParams::default().held_out(5).fit(&slope(200)).unwrap();
        assert!(boosted.rounds() > 40, "{}", boosted.rounds());
        assert!(boosted.residual_variance() < 0.002, "{}", boosted.residual_variance());
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        let message = |p: BoostingParams| p.check().unwrap_err().to_string();
        assert_eq!(message(BoostingParams::default().rounds(0)), "rounds is 0, it must be at least 1");
        assert_eq!(message(BoostingParams::default().leaves(1)), "leaves is 1, it must be at least 2");
        assert_eq!(message(BoostingParams::default().rows(0.0)), "rows is 0, it must be in (0, 1]");
        assert_eq!(message(BoostingParams::default().held_out(6)), "held_out is 6, it must be at most 5");
        let negative = message(BoostingParams::default().l2(-1.0));
        assert_eq!(negative, "l2 is -1, it must be finite and not negative");
    }
}
