//! `Factors`: what past tasks find of architectures beyond their models, as products of few numbers.

use ndarray::{Array2, ArrayView1, ArrayView2, Axis, Zip};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Numbers an architecture and a task are told by.
const RANK: usize = 4;
/// Rounds of alternating fits; the error changes little after that.
const ROUNDS: usize = 12;
/// Ridges among which the one is taken that foretells best.
const RIDGES: [f64; 4] = [0.3, 1.0, 3.0, 10.0];

/// Share that counts of what a task found of an architecture beyond its model and the factors: most of that is chance.
const SINGLE: f64 = 0.3;

type Few = [f64; RANK];

/// What task `t` finds of architecture `x` beyond its model's expectation is taken as `u_x . v_t` and noise. An architecture that
/// some tasks have tried is so foretold to those that have not: what is particular to a pretrained model shows in tasks of one
/// kind, and not in those of another.
///
/// *Source*: matrix completion by alternating ridge regressions, Hastie, Mazumder, Lee, Zadeh, "Matrix completion and low-rank
/// SVD via fast alternating least squares" (arXiv:1410.2596), with the ridge counted once a row as in its equation 2.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Factors {
    /// `v_t` of each task.
    tasks: Vec<Few>,
    ridge: f64,
}

impl Factors {
    /// Learned of findings `(n, T)`, NaN where a task has not tried an architecture.
    fn fit(found: ArrayView2<'_, f64>, ridge: f64) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(found.ncols() as u64);
        let some = |_| std::array::from_fn(|at| if at == 0 { 1.0 } else { rng.gen_range(-1.0..1.0) });
        let mut tasks: Vec<Few> = (0..found.ncols()).map(some).collect();
        let columns = found.t().as_standard_layout().into_owned();
        for _ in 0..ROUNDS {
            let rows: Vec<Few> = found.rows().into_iter().map(|row| regressed(row, &tasks, ridge)).collect();
            tasks = columns.rows().into_iter().map(|column| regressed(column, &rows, ridge)).collect();
        }
        Factors { tasks, ridge }
    }

    /// The factors that foretell findings which they were not fitted to best, if they leave less than `bar` of the squares open.
    pub(super) fn learned(found: ArrayView2<'_, f64>, bar: f64) -> Option<Self> {
        let halves = [0, 1].map(|half| (half..found.nrows()).step_by(2).collect::<Vec<usize>>());
        let halves = halves.map(|rows| found.select(Axis(0), &rows));
        let open = |ridge: f64| {
            let over = |fitted: usize| {
                let factors = Factors::fit(halves[fitted].view(), ridge);
                left_open(halves[1 - fitted].view(), |others, at| {
                    dot(&factors.of(others), &factors.tasks[at])
                })
            };
            over(0) + over(1)
        };
        let errors = RIDGES.map(|ridge| (ridge, open(ridge)));
        let (ridge, error) =
            errors.into_iter().reduce(|best, next| if next.1 < best.1 { next } else { best })?;
        (error < bar).then(|| Factors::fit(found, ridge))
    }

    /// What each task says, `(n, T)`: what its model expects and the factors add to that, and a share of what it found beyond.
    ///
    /// # Shapes
    /// `by_task` and `found` are `(n, T)`; there may be more tasks at the end, which have found nothing.
    pub(super) fn completed(&self, by_task: &Array2<f64>, found: &Array2<f64>) -> Array2<f64> {
        let mut said = by_task.clone();
        Zip::from(said.rows_mut()).and(found.rows()).for_each(|mut said, found| {
            if found.iter().all(|found| found.is_nan()) {
                return;
            }
            let row = self.of(found);
            for ((said, found), task) in said.iter_mut().zip(found).zip(&self.tasks) {
                let told = dot(&row, task);
                *said += if found.is_nan() { told } else { told + SINGLE * (found - told) };
            }
        });
        said
    }

    fn of(&self, found: ArrayView1<'_, f64>) -> Few {
        regressed(found, &self.tasks, self.ridge)
    }
}

/// Squares left open of findings `(n, T)` when `guess` is told the other tasks' of the same architecture, and which task is asked of.
pub(super) fn left_open(
    found: ArrayView2<'_, f64>,
    guess: impl Fn(ArrayView1<'_, f64>, usize) -> f64,
) -> f64 {
    let of_row = |row: ArrayView1<'_, f64>| -> f64 {
        let mut others = row.to_owned();
        let mut open = 0.0;
        for (at, value) in row.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
            others[at] = f64::NAN;
            open += (value - guess(others.view(), at)).powi(2);
            others[at] = *value;
        }
        open
    };
    found.rows().into_iter().map(of_row).sum()
}

/// The ridge regression of the values that there are on their regressors.
fn regressed(values: ArrayView1<'_, f64>, regressors: &[Few], ridge: f64) -> Few {
    let mut square = [[0.0; RANK]; RANK];
    let mut cross = [0.0; RANK];
    for (value, with) in values.iter().zip(regressors).filter(|(value, _)| !value.is_nan()) {
        for i in 0..RANK {
            cross[i] += value * with[i];
            for j in 0..=i {
                square[i][j] += with[i] * with[j];
            }
        }
    }
    (0..RANK).for_each(|at| square[at][at] += ridge);
    solved(square, cross)
}

/// `x` of `A x = b`, `A` symmetric and positive definite, of which the lower half is read: by Cholesky's factor.
fn solved(mut a: [Few; RANK], mut b: Few) -> Few {
    for i in 0..RANK {
        for j in 0..=i {
            let sum: f64 = a[i][j] - (0..j).map(|k| a[i][k] * a[j][k]).sum::<f64>();
            a[i][j] = if i == j { sum.sqrt() } else { sum / a[j][j] };
        }
    }
    for i in 0..RANK {
        b[i] = (b[i] - (0..i).map(|k| a[i][k] * b[k]).sum::<f64>()) / a[i][i];
    }
    for i in (0..RANK).rev() {
        b[i] = (b[i] - (i + 1..RANK).map(|k| a[k][i] * b[k]).sum::<f64>()) / a[i][i];
    }
    b
}

fn dot(a: &Few, b: &Few) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Findings of two factors, of which each task has a share of the architectures.
    fn findings(share: f64, noise: f64) -> (Array2<f64>, Array2<f64>) {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
        let mut any = |n: usize| Array2::from_shape_fn((n, 2), |_| rng.gen_range(-1.0..1.0));
        let truth = any(150).dot(&any(30).t());
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(6);
        let found = truth.mapv(|value| {
            let value = value + noise * rng.gen_range(-1.0..1.0);
            if rng.gen_bool(share) { value } else { f64::NAN }
        });
        (found, truth)
    }

    #[test]
    fn what_tasks_have_not_tried_is_completed_where_few_factors_tell_it() {
        let (found, truth) = findings(0.3, 0.1);
        let factors = Factors::learned(found.view(), f64::INFINITY).unwrap();
        let said = factors.completed(&Array2::zeros(found.dim()), &found);
        let (mut open, mut all) = (0.0, 0.0);
        for ((found, truth), said) in found.iter().zip(&truth).zip(&said) {
            if found.is_nan() {
                open += (truth - said).powi(2);
                all += truth * truth;
            }
        }
        assert!(open < 0.25 * all, "{open} of {all}");
    }

    #[test]
    fn noise_has_no_factors() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        let noise = Array2::from_shape_fn((100, 10), |_| rng.gen_range(-1.0..1.0));
        let squares = noise.mapv(|value: f64| value * value).sum();
        assert_eq!(Factors::learned(noise.view(), 0.95 * squares), None);
        let untried = Array2::from_elem((5, 3), f64::NAN);
        assert_eq!(Factors::learned(untried.view(), 0.0), None);
    }

    #[test]
    fn a_system_is_solved() {
        let a = [[4.0, 0.0, 0.0, 0.0], [1.0, 3.0, 0.0, 0.0], [0.5, 0.2, 2.0, 0.0], [0.1, 0.3, 0.4, 1.0]];
        let x = solved(a, [1.0, 2.0, 3.0, 4.0]);
        let whole = |i: usize, j: usize| if i >= j { a[i][j] } else { a[j][i] };
        for (i, b) in [1.0, 2.0, 3.0, 4.0].iter().enumerate() {
            let product: f64 = (0..RANK).map(|j| whole(i, j) * x[j]).sum();
            assert!((product - b).abs() < 1e-12, "{product} {b}");
        }
    }
}
