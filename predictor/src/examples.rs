//! What every surrogate asks of its examples.

use ndarray::{ArrayView1, ArrayView2, Axis};

use crate::PredictError;

/// Refuses examples that nothing can be fitted on.
///
/// # Errors
/// [`PredictError::Lengths`], [`PredictError::NoData`] or [`PredictError::NotFinite`].
pub(crate) fn check_examples(
    model: &'static str,
    x: ArrayView2<'_, f64>,
    y: ArrayView1<'_, f64>,
) -> Result<(), PredictError> {
    let (left, right) = (x.nrows(), y.len());
    if left != right {
        return Err(PredictError::Lengths { what: "rows and targets", left, right });
    }
    if y.is_empty() {
        return Err(PredictError::NoData { model });
    }
    check_finite(x)?;
    match y.iter().position(|y| !y.is_finite()) {
        Some(index) => Err(PredictError::NotFinite { what: "target", index }),
        None => Ok(()),
    }
}

/// # Errors
/// [`PredictError::Lengths`] when `x` has not the columns that were fitted.
pub(crate) fn check_width(x: ArrayView2<'_, f64>, width: usize) -> Result<(), PredictError> {
    let (left, right) = (x.ncols(), width);
    if left == right {
        return Ok(());
    }
    Err(PredictError::Lengths { what: "columns given and columns fitted", left, right })
}

fn check_finite(x: ArrayView2<'_, f64>) -> Result<(), PredictError> {
    match x.axis_iter(Axis(0)).position(|row| row.iter().any(|value| !value.is_finite())) {
        Some(index) => Err(PredictError::NotFinite { what: "row", index }),
        None => Ok(()),
    }
}

/// Mean and standard deviation, the latter 1 where all are equal, so that one can divide by it.
pub(crate) fn location_and_scale(y: ArrayView1<'_, f64>) -> (f64, f64) {
    let n = y.len() as f64;
    let mean = y.sum() / n;
    let variance = y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / n;
    (mean, if variance > 1e-18 { variance.sqrt() } else { 1.0 })
}
