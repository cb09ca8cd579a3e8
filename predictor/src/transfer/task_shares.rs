//! Which past tasks an expectation rests on.

use ndarray::{ArrayView1, ArrayView2};

use super::agreement::correlation;

/// The share that each past task has in what is expected of a new one: how closely the posterior mean over some
/// architectures follows each task's opinion, as non-negative correlations that sum to one.
///
/// # Shapes
/// `mean` is `(n,)`, `by_task` `(n, T)`, the answer `(T,)`.
#[must_use]
pub fn task_shares(mean: ArrayView1<'_, f64>, by_task: ArrayView2<'_, f64>) -> Vec<f64> {
    let positive: Vec<f64> =
        by_task.columns().into_iter().map(|column| correlation(mean, column).max(0.0)).collect();
    let total: f64 = positive.iter().sum();
    positive
        .iter()
        .map(|share| if total > 0.0 { share / total } else { 1.0 / positive.len() as f64 })
        .collect()
}
