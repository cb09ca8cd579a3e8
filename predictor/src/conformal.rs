//! `Conformal`: intervals that hold what they promise.

use ndarray::{Array1, ArrayView1, ArrayView2};

use crate::{PredictError, Prediction, Surrogate};

/// Deviations below this are taken as this, so that one can divide by them.
const LEAST_STD: f64 = 1e-9;

/// A surrogate whose intervals are calibrated on rows that it was not fitted on (split conformal prediction): of new rows
/// drawn like these, a share of at least `1 - alpha` falls into the `1 - alpha` interval, whatever the surrogate.
///
/// *Source*: Lei, G'Sell, Rinaldo, Tibshirani, Wasserman, "Distribution-Free Predictive Inference for Regression", 2018
/// (arXiv:1604.04173), algorithm 2 with the locally weighted residuals of section 5.2.
pub struct Conformal<S> {
    surrogate: S,
    /// `|y - mean| / std` of the calibration rows, ascending.
    ratios: Vec<f64>,
}

impl<S: Surrogate> Conformal<S> {
    /// Calibrates a surrogate on rows that it has not seen.
    ///
    /// # Shapes
    /// `x` is `(n, d)`, `y` is `(n,)`.
    ///
    /// # Errors
    /// [`PredictError::NoData`], [`PredictError::Lengths`], [`PredictError::NotFinite`].
    pub fn new(surrogate: S, x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>) -> Result<Self, PredictError> {
        crate::examples::check_examples("a calibration", x, y)?;
        let Prediction { mean, std } = surrogate.predict(x)?;
        let mut ratios: Vec<f64> = y
            .iter()
            .zip(&mean)
            .zip(&std)
            .map(|((y, mean), std)| (y - mean).abs() / std.max(LEAST_STD))
            .collect();
        ratios.sort_by(f64::total_cmp);
        Ok(Conformal { surrogate, ratios })
    }

    /// How many standard deviations wide the half of the `1 - alpha` interval is: the `ceil((n + 1)(1 - alpha))`-th
    /// smallest ratio, infinite where there are too few calibration rows to promise anything.
    ///
    /// # Errors
    /// [`PredictError::BadParameter`] for an `alpha` outside `(0, 1)`.
    pub fn factor(&self, alpha: f64) -> Result<f64, PredictError> {
        if !(alpha > 0.0 && alpha < 1.0) {
            let value = alpha.to_string();
            return Err(PredictError::BadParameter { parameter: "alpha", value, allowed: "in (0, 1)" });
        }
        // A hair less, so that rounding in (n + 1)(1 - alpha) does not ask for one row more.
        let rank = ((self.ratios.len() as f64 + 1.0) * (1.0 - alpha) - 1e-9).ceil() as usize;
        Ok(self.ratios.get(rank.max(1) - 1).copied().unwrap_or(f64::INFINITY))
    }

    /// The lower and upper ends of the `1 - alpha` intervals.
    ///
    /// # Shapes
    /// `x` is `(n, d)`, both answers `(n,)`.
    ///
    /// # Errors
    /// As [`Conformal::factor`] and the surrogate's.
    pub fn intervals(
        &self,
        x: ArrayView2<'_, f64>,
        alpha: f64,
    ) -> Result<(Array1<f64>, Array1<f64>), PredictError> {
        let factor = self.factor(alpha)?;
        let Prediction { mean, std } = self.surrogate.predict(x)?;
        let half = std.mapv(|std| factor * std.max(LEAST_STD));
        Ok((&mean - &half, &mean + &half))
    }

    /// The surrogate as it came.
    pub fn surrogate(&self) -> &S {
        &self.surrogate
    }
}

/// The one-sigma interval of a normal distribution leaves out this share.
const OUTSIDE_ONE_SIGMA: f64 = 0.317_310_507_862_914_1;

impl<S: Surrogate> Surrogate for Conformal<S> {
    /// The surrogate's mean, its deviation scaled so that one of it covers 68.3 %; as it came where there are too few
    /// calibration rows for that.
    fn predict(&self, x: ArrayView2<'_, f64>) -> Result<Prediction, PredictError> {
        let Prediction { mean, std } = self.surrogate.predict(x)?;
        let factor = self.factor(OUTSIDE_ONE_SIGMA)?;
        let scale = if factor.is_finite() { factor } else { 1.0 };
        Ok(Prediction { mean, std: std.mapv(|std| scale * std.max(LEAST_STD)) })
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    use super::*;

    /// Says 0, give or take the first column.
    struct Zero;

    impl Surrogate for Zero {
        fn predict(&self, x: ArrayView2<'_, f64>) -> Result<Prediction, PredictError> {
            Ok(Prediction { mean: Array1::zeros(x.nrows()), std: x.column(0).to_owned() })
        }
    }

    #[test]
    fn the_rank_is_that_of_the_paper() {
        let x = Array2::ones((9, 1));
        let conformal = Conformal::new(Zero, x.view(), Array1::range(1.0, 10.0, 1.0).view()).unwrap();
        // ceil(10 * 0.8) = 8, ceil(10 * 0.9) = 9, ceil(10 * 0.95) = 10 > 9.
        assert_eq!(conformal.factor(0.2).unwrap(), 8.0);
        assert_eq!(conformal.factor(0.1).unwrap(), 9.0);
        assert_eq!(conformal.factor(0.05).unwrap(), f64::INFINITY);
        assert_eq!(conformal.intervals(array![[2.0]].view(), 0.2).unwrap(), (array![-16.0], array![16.0]));
        let error = conformal.factor(1.0).unwrap_err().to_string();
        assert_eq!(error, "alpha is 1, it must be in (0, 1)");
    }

    #[test]
    fn no_deviation_is_no_obstacle() {
        let conformal = Conformal::new(Zero, Array2::zeros((5, 1)).view(), Array1::ones(5).view()).unwrap();
        let prediction = conformal.predict(array![[0.0]].view()).unwrap();
        assert!((prediction.std[0] - 1.0).abs() < 1e-9, "{prediction:?}");
        assert!(Conformal::new(Zero, Array2::zeros((0, 1)).view(), Array1::zeros(0).view()).is_err());
    }

    proptest! {
        #[test]
        fn at_least_the_promised_share_of_its_own_rows_is_inside(
            y in proptest::collection::vec(-9.0_f64..9.0, 1..80),
            alpha in 0.01_f64..0.99,
        ) {
            let x = Array2::ones((y.len(), 1));
            let y = Array1::from(y);
            let conformal = Conformal::new(Zero, x.view(), y.view()).unwrap();
            let (lower, upper) = conformal.intervals(x.view(), alpha).unwrap();
            let inside = (0..y.len()).filter(|row| lower[*row] <= y[*row] && y[*row] <= upper[*row]).count();
            prop_assert!(inside as f64 >= (1.0 - alpha) * y.len() as f64 - 1e-9);
        }
    }
}
