//! An opinion that is no past task's: what is known of the new task's candidates before any is tried.

use ndarray::{ArrayView1, Axis, Slice};

use super::agreement::correlation;
use super::{TransferModel, Views};

/// A correlation of one would leave nothing open.
const MOST: f64 = 0.95;

impl TransferModel {
    /// The same with one more opinion, such as the ranking of a supernet, which views have as their last column from then on.
    /// `foretells` is how far it correlates with scores, from 0 to 1; the column is that times Gaussian ranks, what it makes
    /// one expect of a score.
    ///
    /// It shares the mean with the past tasks as in the regression of scores on both: with correlations `r` of the past's
    /// mean and `h` of the opinion with scores, and `c` of the two with each other over the pool,
    /// `b_r = (r - c h) / (1 - c^2)`, `b_h = (h - c r) / (1 - c^2)`. From then on it is treated as a past task: own trials say
    /// how far it holds, and whether it says anything.
    ///
    /// # Shapes
    /// `pool` has the model's past tasks and the opinion as its columns.
    ///
    /// # Panics
    /// If it has another number of columns.
    #[must_use]
    pub fn with_opinion(mut self, pool: &Views, foretells: f64) -> Self {
        let past = self.weights.len();
        assert_eq!(pool.by_task.ncols(), past + 1, "the past tasks and the opinion");
        let h = foretells.clamp(0.0, MOST);
        if past == 0 {
            self.weights = vec![1.0];
            self.foretelling.correlation = h;
            return self;
        }
        let mean =
            pool.by_task.slice_axis(Axis(1), Slice::from(..past)).dot(&ArrayView1::from(&self.weights));
        let mean = match &self.pooled {
            Some((pooled, _)) => pooled.expected(&mean, pool.x.view()),
            None => mean,
        };
        let alike = correlation(mean.view(), pool.by_task.column(past)).clamp(-MOST, MOST);
        let r = self.foretelling.correlation.clamp(0.0, MOST);
        let open = 1.0 - alike * alike;
        let (by_past, by_opinion) = ((r - alike * h).max(0.0) / open, (h - alike * r).max(0.0) / open);
        // Both columns are what one expects by them alone, so their coefficients are of about this size.
        let coefficient = |part: f64, alone: f64| if part > 0.0 { part / alone } else { 0.0 };
        let (a, b) = (coefficient(by_past, r), coefficient(by_opinion, h));
        let share = if b > 0.0 { b / (a + b) } else { 0.0 };
        if share > 0.0 {
            let together = (by_past * r + by_opinion * h).clamp(r * r, MOST * MOST);
            self.foretelling.slope *= (a + b).clamp(1.0, 2.0);
            self.foretelling.rest *= (1.0 - together) / (1.0 - r * r);
            self.foretelling.correlation = together.sqrt();
        }
        self.weights.iter_mut().for_each(|weight| *weight *= 1.0 - share);
        self.weights.push(share);
        self
    }
}
