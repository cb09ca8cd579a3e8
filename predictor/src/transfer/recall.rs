//! `Recall`: how far what past tasks found of an architecture itself counts beside what their models expect of its like.

use ndarray::{Array2, ArrayView1, ArrayView2, Zip};

use super::factors::left_open;

/// A task's model smooths: of an architecture that the task has tried it expects about what its like scored. What was found
/// beyond that is chance or particular to the architecture, and the latter may hold in other tasks too, as with pretrained
/// models, which are little like each other.
///
/// What an architecture `x` scores beyond the models is taken as `c(x) + e`, with `c` common to all tasks and `e` not, which
/// has `noise` times the variance of `c`; the best guess of `c` from `n` tasks is the sum of their findings over `n + noise`
/// (best linear unbiased prediction, Henderson, Biometrics 31, 1975). A task that has not tried `x` is taken to find `c`, one
/// that has to find `c` and as much of the rest as a single finding is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Recall {
    /// Infinite where findings do not count.
    noise: f64,
}

impl Recall {
    /// Models alone count.
    pub(super) const NONE: Recall = Recall { noise: f64::INFINITY };

    /// From none to nearly all.
    pub(super) const STEPS: [Recall; 5] = [
        Recall { noise: 30.0 },
        Recall { noise: 10.0 },
        Recall { noise: 3.0 },
        Recall { noise: 1.0 },
        Recall { noise: 0.3 },
    ];

    /// The squares that the best of these leaves open of findings `(n, T)` when it is told the other tasks' of the same architecture.
    pub(super) fn least_open(found: ArrayView2<'_, f64>) -> f64 {
        let open = |recall: Recall| left_open(found, |others, _| recall.common(others));
        Recall::STEPS.into_iter().map(open).fold(open(Recall::NONE), f64::min)
    }

    /// The best guess of what is common to all tasks in findings of one architecture.
    fn common(self, found: ArrayView1<'_, f64>) -> f64 {
        let known = || found.iter().filter(|found| !found.is_nan());
        known().sum::<f64>() / (known().count() as f64 + self.noise)
    }

    /// What each task is taken to say, `(n, T)`, of what its model expects and what it has found, both `(n, T)`.
    pub(super) fn recalled(self, by_task: &Array2<f64>, found: &Array2<f64>) -> Array2<f64> {
        let mut said = by_task.clone();
        if self == Recall::NONE {
            return said;
        }
        let single = 1.0 / (1.0 + self.noise);
        Zip::from(said.rows_mut()).and(found.rows()).for_each(|mut said, found| {
            let common = self.common(found);
            for (said, found) in said.iter_mut().zip(&found) {
                *said += if found.is_nan() { common } else { common + single * (found - common) };
            }
        });
        said
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    const UNTRIED: f64 = f64::NAN;

    #[test]
    fn models_alone_count_where_findings_do_not() {
        let by_task = array![[0.5, -0.5]];
        assert_eq!(Recall::NONE.recalled(&by_task, &array![[3.0, 3.0]]), by_task);
        let untried = array![[UNTRIED, UNTRIED]];
        Recall::STEPS.iter().for_each(|recall| assert_eq!(recall.recalled(&by_task, &untried), by_task));
    }

    #[test]
    fn what_more_tasks_have_found_is_believed_more_and_by_tasks_that_have_not_tried_it_too() {
        let by_task = Array2::zeros((3, 3));
        let found = array![[1.0, UNTRIED, UNTRIED], [1.0, 1.0, UNTRIED], [1.0, -1.0, UNTRIED]];
        let said = Recall { noise: 1.0 }.recalled(&by_task, &found);
        // One finding over one and the noise; two over two and the noise; two that contradict each other.
        assert_eq!(said.column(2), array![0.5, 2.0 / 3.0, 0.0]);
        // Who has tried it finds half of the rest too.
        assert_eq!(said[[0, 0]], 0.5 + 0.5 * (1.0 - 0.5));
        assert_eq!(said.row(2), array![0.5, -0.5, 0.0]);
    }
}
