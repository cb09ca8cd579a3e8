//! Architectures in the form that the kernel of a [`super::TransferModel`] wants.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use super::factors::Factors;
use super::pooled::Pooled;
use super::{Recall, Views};

/// Architectures as a transfer model sees them.
#[derive(Clone, Debug)]
pub(super) struct Features {
    /// Weighted mean of the past tasks' opinions, `(n,)`.
    pub(super) mean: Array1<f64>,
    /// The tasks' deviations from it, `(n, T)`, scaled so that their products are the covariance between tasks.
    pub(super) deviations: Array2<f64>,
    /// Squared norms of the rows of `deviations`.
    pub(super) spreads: Array1<f64>,
    /// Encodings, centred and scaled, columns that say nothing left out, `(n, c)`.
    pub(super) x: Array2<f64>,
    /// Squared norms of the rows of `x`.
    pub(super) norms: Array1<f64>,
}

impl Features {
    pub(super) fn len(&self) -> usize {
        self.mean.len()
    }

    pub(super) fn select(&self, rows: &[usize]) -> Features {
        Features {
            mean: self.mean.select(Axis(0), rows),
            deviations: self.deviations.select(Axis(0), rows),
            spreads: self.spreads.select(Axis(0), rows),
            x: self.x.select(Axis(0), rows),
            norms: self.norms.select(Axis(0), rows),
        }
    }

    /// What each past task says, `(n, T)`: the mean and the task's deviation. `weights` are those that the deviations were scaled by,
    /// `(T,)`; a task of none says what the mean does.
    pub(super) fn said(&self, weights: ArrayView1<'_, f64>) -> Array2<f64> {
        let back = roots(weights).mapv(|root| if root > 0.0 { root.recip() } else { 0.0 });
        &self.deviations * &back + self.mean.view().insert_axis(Axis(1))
    }

    /// The rows of both, in order.
    pub(super) fn joined(&self, other: &Features) -> Features {
        let entries = |a: &Array1<f64>, b: &Array1<f64>| a.iter().chain(b).copied().collect();
        Features {
            mean: entries(&self.mean, &other.mean),
            deviations: stacked(&self.deviations, &other.deviations),
            spreads: entries(&self.spreads, &other.spreads),
            x: stacked(&self.x, &other.x),
            norms: entries(&self.norms, &other.norms),
        }
    }
}

fn stacked(a: &Array2<f64>, b: &Array2<f64>) -> Array2<f64> {
    ndarray::concatenate(Axis(0), &[a.view(), b.view()]).expect("both were made by one lens")
}

/// What makes the products of deviations the covariance between tasks, `(T,)`. Weights of one over T are the plain sample covariance
/// between T tasks.
fn roots(weights: ArrayView1<'_, f64>) -> Array1<f64> {
    let tasks = weights.len() as f64;
    let spread = tasks / (tasks - 1.0).max(1.0);
    weights.mapv(|weight| (weight * spread).sqrt())
}

fn squared_norms(x: &Array2<f64>) -> Array1<f64> {
    x.rows().into_iter().map(|row| row.dot(&row)).collect()
}

/// How a pool of candidates, and whatever else is compared with them, becomes [`Features`].
#[derive(Clone, Debug)]
pub(super) struct Lens {
    /// Weight of each past task in the mean, summing to one.
    weights: Array1<f64>,
    recall: Recall,
    factors: Option<Factors>,
    /// What stands for the mean of the past tasks, and how many of the first columns it stands for.
    pooled: Option<(Pooled, usize)>,
    /// Columns of the encoding that differ within the pool, with their centres and scales.
    columns: Vec<(usize, f64, f64)>,
}

impl Lens {
    /// A lens for a pool. `scales` are the columns' `(d,)`.
    pub(super) fn new(
        weights: &[f64],
        (recall, factors): (Recall, Option<Factors>),
        scales: &[f64],
        x: ArrayView2<'_, f64>,
    ) -> Self {
        let column = |(at, values): (usize, ArrayView1<'_, f64>)| {
            let first = values.first().copied().unwrap_or(0.0);
            let centre = values.mean().unwrap_or(0.0);
            values.iter().any(|value| *value != first).then_some((at, centre, scales[at]))
        };
        let columns = x.columns().into_iter().enumerate().filter_map(column).collect();
        Lens { weights: Array1::from(weights.to_vec()), recall, factors, pooled: None, columns }
    }

    /// The same with what stands for the mean of the past tasks, which are the first columns.
    pub(super) fn with_pooled(self, pooled: Option<(Pooled, usize)>) -> Self {
        Lens { pooled, ..self }
    }

    /// The mean where the past tasks' part in it is that of one model of them all too.
    fn pooled_mean(
        &self,
        (pooled, past): &(Pooled, usize),
        said: &Array2<f64>,
        x: ArrayView2<'_, f64>,
    ) -> Array1<f64> {
        let (of_past, of_others) = self.weights.view().split_at(Axis(0), *past);
        let (by_past, by_others) = said.view().split_at(Axis(1), *past);
        let total = of_past.sum();
        let mean = by_past.dot(&of_past) / total.max(1e-9);
        pooled.expected(&mean, x) * total + by_others.dot(&of_others)
    }

    pub(super) fn see(&self, views: &Views) -> Features {
        let (n, tasks) = views.by_task.dim();
        let said = self.recall.recalled(&views.by_task, &views.found);
        let mean_of =
            |said: &Array2<f64>| if tasks == 0 { Array1::zeros(n) } else { said.dot(&self.weights) };
        let centre = mean_of(&said);
        let pooled = self.pooled.as_ref().map(|pooled| self.pooled_mean(pooled, &said, views.x.view()));
        let mean = pooled.unwrap_or_else(|| centre.clone());
        let mut deviations = match &self.factors {
            None => said - centre.insert_axis(Axis(1)),
            Some(factors) => {
                let said = factors.completed(&views.by_task, &views.found);
                let mean = mean_of(&said);
                said - mean.insert_axis(Axis(1))
            }
        };
        deviations *= &roots(self.weights.view());
        let mut x = Array2::zeros((n, self.columns.len()));
        for ((at, centre, scale), mut to) in self.columns.iter().zip(x.columns_mut()) {
            to.iter_mut().zip(views.x.column(*at)).for_each(|(to, from)| *to = (from - centre) * scale);
        }
        let norms = squared_norms(&x);
        Features { mean, spreads: squared_norms(&deviations), deviations, x, norms }
    }
}
