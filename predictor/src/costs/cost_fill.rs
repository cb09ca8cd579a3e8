//! `CostFill`: what a place would have measured of architectures that it did not.

use linfa::dataset::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2, ArrayView2};

use crate::{ArdParams, ArdProcess, ForestParams, Part, PredictError, RegressionForest};

/// Measurements that a process is conditioned on, and on which its kernel is learned.
const PROCESS_ROWS: usize = 200;
const TUNING_ROWS: usize = 96;
/// Steps of learning a kernel.
const TUNING_STEPS: usize = 20;
/// Fewer measurements than this cannot tell which of the two is better.
const FEW: usize = 8;

/// The costs of one place: a process or a forest, whichever foretells measurements better that it has not seen.
///
/// A forest answers with means of what was measured, so at the low end of the costs, which is where bounds are, it says too
/// much; a process over the logarithm goes on where measurements end. On the tables of `BENCHMARKS.md` the process is the better for most costs.
#[derive(Clone, Debug)]
pub(super) enum CostFill {
    Forest(RegressionForest),
    Process(Box<ArdProcess>),
}

impl CostFill {
    /// Fits costs on the model's scale. `parts` says which columns are one choice.
    ///
    /// # Shapes
    /// `x` is `(n, d)`, `y` `(n,)`.
    ///
    /// # Errors
    /// [`PredictError::NoData`].
    pub(super) fn fit(x: Array2<f64>, y: Array1<f64>, parts: &[Part]) -> Result<Self, PredictError> {
        let n = y.len();
        let data = DatasetBase::new(x, y);
        let forest = ForestParams::default().trees(32).features(0.7).fit(&data)?;
        if n < FEW {
            return Ok(CostFill::Forest(forest));
        }
        let params = ArdParams::default().parts(parts.to_vec()).max_rows(PROCESS_ROWS);
        // Costs that no matrix can be made of are the forest's.
        let Ok(process) = params.tuning_rows(TUNING_ROWS).iterations(TUNING_STEPS).fit(&data) else {
            return Ok(CostFill::Forest(forest));
        };
        let better = process.left_out_variance() < forest.out_of_bag_variance();
        Ok(if better { CostFill::Process(Box::new(process)) } else { CostFill::Forest(forest) })
    }

    /// Expected costs on the model's scale.
    ///
    /// # Shapes
    /// `x` is `(n, d)`, the answer `(n,)`.
    ///
    /// # Errors
    /// [`PredictError::Lengths`] for another `d`.
    pub(super) fn mean(&self, x: ArrayView2<'_, f64>) -> Result<Array1<f64>, PredictError> {
        match self {
            CostFill::Forest(forest) => forest.mean(x),
            CostFill::Process(process) => process.mean(x),
        }
    }
}
