//! `Precedents`: each past task as what the new one might be.

use ndarray::{Array1, Array2, ArrayView1};

use super::features::Features;
use super::score_shape::ScoreShape;

/// How much the order of two trials tells of which past task the new one is like.
const TELLING: f64 = 0.6;
/// Past tasks order two architectures for sure if they say that they are so far apart.
const APART: f64 = 0.5;
/// By how much it speaks against a past task that it tells two trials apart which scored the same, as a share of what an order counts.
const TIED: f64 = 0.25;
/// Trials that are compared with each other; more would not change which past tasks count, but cost their square.
const COMPARED: usize = 96;
/// So many past tasks that the new one might as well be like have as much of a say as the posterior has.
const SEVERAL: f64 = 8.0;
/// What no past task promises may be better all the same: this share of what the posterior expects.
const UNHEARD_OF: f64 = 0.1;
/// Heights below the median count as nothing but for this share of the normalised score: how bad an architecture is says nothing of whether it
/// is the best somewhere.
const BELOW: f64 = 1.0 / 6.0;

/// A new task may be like one past task and not a blend of all. What past tasks scored with an architecture is often skewed: hopeless
/// on most, the best on few. A posterior of normal distributions knows a mean and a deviation, and takes every large deviation for
/// a chance to be the best. Here the improvement over what was tried is worked out for each past task as if it were the new one, and
/// the tasks are weighed by how they order the new task's own trials:
///
/// `p_t ~ w_t exp(0.6 / sqrt(n - 1) sum_(i<j) sign(y_i - y_j) tanh((z_ti - z_tj) / 0.5))`
///
/// with `w_t` the task's weight before any trial, `y` the trials' scores and `z_t` what the task says of them. As long as many
/// tasks are likely this is an adaptive portfolio (see [`super::Portfolio`]); the fewer they are, the less it counts.
///
/// *Source*: RGPE (arXiv:1802.02219) weighs past tasks by how they order trials too; greedy portfolios over past tasks as in Feurer
/// et al., "Auto-sklearn 2.0" (arXiv:2007.04074), section 4.
#[derive(Clone, Debug)]
pub(super) struct Precedents {
    /// The weight of each task before any trial, `(T,)`.
    weights: Array1<f64>,
    /// The probability of each task, `(T,)`.
    probabilities: Array1<f64>,
    /// The worth of the best that was tried or is under way, by each task, `(T,)`.
    reached: Array1<f64>,
    /// How much of a say they have.
    share: f64,
}

impl Precedents {
    /// Of past tasks with these weights, after trials, higher is better; nothing where there are not two.
    pub(super) fn of(
        weights: &[f64],
        tried: &Features,
        scores: &[Option<f64>],
        pending: &Features,
        shape: &ScoreShape,
    ) -> Option<Self> {
        if weights.len() < 2 {
            return None;
        }
        let weights = Array1::from(weights.to_vec());
        let said = tried.said(weights.view());
        let logs = agreements(&said, scores);
        let most = logs.fold(f64::NEG_INFINITY, |most, log| most.max(*log));
        let mut probabilities: Array1<f64> =
            logs.iter().zip(&weights).map(|(log, weight)| weight * (log - most).exp()).collect();
        probabilities /= probabilities.sum();
        let likely = 1.0 / probabilities.dot(&probabilities);
        let under_way = pending.said(weights.view());
        let mut reached = Array1::from_elem(weights.len(), f64::NEG_INFINITY);
        for row in said.rows().into_iter().chain(under_way.rows()) {
            reached.zip_mut_with(&row, |reached, z| *reached = reached.max(worth(shape, *z)));
        }
        Some(Precedents { weights, probabilities, reached, share: say(likely) })
    }

    /// The improvement over what was tried that is expected of each architecture if the new task is one of the past, `(n,)`, in heights.
    fn gains(&self, asked: &Features, shape: &ScoreShape) -> Array1<f64> {
        let gain = |row: ArrayView1<'_, f64>| {
            let tasks = row.iter().zip(&self.reached).zip(&self.probabilities);
            tasks.map(|((z, reached), p)| p * (worth(shape, *z) - reached).max(0.0)).sum()
        };
        asked.said(self.weights.view()).rows().into_iter().map(gain).collect()
    }

    /// Blends a posterior's expected improvements with those of the past tasks: their weighted geometric mean, for either rules out what the other
    /// takes for a chance. `unit` is that of the improvements, `trust` how far past tasks say something at all.
    pub(super) fn temper(
        &self,
        gains: &mut [f64],
        asked: &Features,
        shape: &ScoreShape,
        unit: f64,
        trust: f64,
    ) {
        let share = self.share * trust;
        for (gain, heights) in gains.iter_mut().zip(self.gains(asked, shape)) {
            let past = unit * heights + UNHEARD_OF * *gain;
            if past > 0.0 {
                *gain = gain.powf(1.0 - share) * past.powf(share);
            }
        }
    }
}

/// How much of a say so many past tasks have; few are a poor picture of what tasks there may be.
fn say(likely: f64) -> f64 {
    likely.powi(2) / (likely.powi(2) + SEVERAL.powi(2))
}

/// How far each past task orders the trials as they came out, `(T,)`: logarithms of likelihoods up to a constant.
fn agreements(said: &Array2<f64>, scores: &[Option<f64>]) -> Array1<f64> {
    let n = scores.len().min(COMPARED);
    let mut sums = Array1::zeros(said.ncols());
    for (a, b) in (0..n).flat_map(|a| (0..a).map(move |b| (a, b))) {
        // A failed trial comes after all others.
        let order = scores[a].partial_cmp(&scores[b]);
        for (sum, (x, y)) in sums.iter_mut().zip(said.row(a).iter().zip(said.row(b))) {
            let apart = ((x - y) / APART).tanh();
            *sum += match order {
                Some(std::cmp::Ordering::Greater) => apart,
                Some(std::cmp::Ordering::Less) => -apart,
                _ => -TIED * apart.abs(),
            };
        }
    }
    // Pairs of few trials are many, but tell no more than the trials do.
    sums * (TELLING / (n as f64 - 1.0).max(1.0).sqrt())
}

fn worth(shape: &ScoreShape, z: f64) -> f64 {
    shape.height(z).max(0.0) + BELOW * z
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::super::features::Lens;
    use super::super::{Recall, Views};
    use super::*;

    /// Places of which the models of tasks of equal weight say this, `(n, T)`.
    fn heard(says: &Array2<f64>) -> Features {
        let (n, tasks) = says.dim();
        let x = Array2::zeros((n, 0)).into_shared();
        let views = Views { x, by_task: says.clone(), found: Array2::from_elem((n, tasks), f64::NAN) };
        Lens::new(&weights(tasks), (Recall::NONE, None), &[], views.x.view()).see(&views)
    }

    fn weights(tasks: usize) -> Vec<f64> {
        vec![1.0 / tasks as f64; tasks]
    }

    fn precedents(says: &Array2<f64>, scores: &[Option<f64>], pending: &Array2<f64>) -> Precedents {
        let shape = ScoreShape::of(std::iter::empty());
        Precedents::of(&weights(says.ncols()), &heard(says), scores, &heard(pending), &shape).unwrap()
    }

    fn gains(precedents: &Precedents, says: &Array2<f64>) -> Array1<f64> {
        precedents.gains(&heard(says), &ScoreShape::of(std::iter::empty()))
    }

    #[test]
    fn what_tasks_say_is_found_again() {
        let says = array![[0.3, -1.0, 2.0], [0.0, 0.5, -0.5]];
        let back = heard(&says).said(ArrayView1::from(&weights(3)));
        assert!((&back - &says).iter().all(|gap| gap.abs() < 1e-12), "{back}");
    }

    #[test]
    fn tasks_that_order_the_trials_as_they_came_out_are_likely() {
        let says = array![[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 0.0]];
        let told = precedents(&says, &[Some(0.9), Some(0.2), None], &Array2::zeros((0, 3)));
        let p = &told.probabilities;
        assert!(p[0] > p[2] && p[2] > p[1] && (p.sum() - 1.0).abs() < 1e-12, "{p}");
        // Whoever tells apart what is the same is less likely than whoever does not.
        let tied = precedents(&says, &[Some(0.5); 3], &Array2::zeros((0, 3))).probabilities;
        assert!(tied[2] > tied[0] && (tied[0] - tied[1]).abs() < 1e-12, "{tied}");
    }

    #[test]
    fn only_what_some_past_task_finds_better_than_all_that_was_tried_gains() {
        let tried = array![[1.0, 0.0]];
        let told = precedents(&tried, &[Some(0.5)], &Array2::zeros((0, 2)));
        let asked = array![[0.9, -0.1], [0.9, 1.0], [2.0, 2.0]];
        let gained = gains(&told, &asked);
        assert!(gained[0] == 0.0 && 0.0 < gained[1] && gained[1] < gained[2], "{gained}");
        let under_way = precedents(&tried, &[Some(0.5)], &array![[0.0, 1.0]]);
        assert!(gains(&under_way, &asked)[1] == 0.0);
    }

    #[test]
    fn a_past_that_says_nothing_changes_nothing_and_no_promise_leaves_an_order() {
        let told = precedents(&array![[1.0, 0.0]], &[Some(0.5)], &Array2::zeros((0, 2)));
        let (asked, shape) = (heard(&array![[0.0, -1.0], [0.5, -1.0]]), ScoreShape::of(std::iter::empty()));
        let mut gains = [0.02, 0.01];
        told.temper(&mut gains, &asked, &shape, 1.0, 0.0);
        assert_eq!(gains, [0.02, 0.01]);
        told.temper(&mut gains, &asked, &shape, 1.0, 1.0);
        assert!(gains[0] < 0.02 && (gains[0] / gains[1] - 2.0).abs() < 1e-9, "{gains:?}");
    }
}
