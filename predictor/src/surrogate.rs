//! What every surrogate offers.

use ndarray::{Array1, ArrayView2, Axis};

use crate::PredictError;

/// A normalised score, as far as it is known.
///
/// # Shapes
/// Both are `(n,)` for `n` rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Expected normalised score; 0 is the median of the space, higher is better.
    pub mean: Array1<f64>,
    /// Its standard deviation.
    pub std: Array1<f64>,
}

impl Prediction {
    /// The entries at these rows.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Prediction {
        Prediction { mean: self.mean.select(Axis(0), rows), std: self.std.select(Axis(0), rows) }
    }
}

/// A fitted model: features in, mean and standard deviation of the normalised score out.
pub trait Surrogate: Send + Sync {
    /// Predicts the scores of encoded architectures.
    ///
    /// # Shapes
    /// `x` is `(n, d)` with the `d` the model was fitted on.
    ///
    /// # Errors
    /// [`PredictError::Lengths`] for another `d`.
    fn predict(&self, x: ArrayView2<'_, f64>) -> Result<Prediction, PredictError>;
}
