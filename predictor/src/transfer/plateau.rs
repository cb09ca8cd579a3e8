//! `Plateau`: trials that scored exactly what the best one did.

use ndarray::{Array1, ArrayView1};

use super::kernel::Parts;

/// Trials that count against a tie from the start.
const DOUBT: f64 = 1.0;
/// Ties reach so far, in lengths of what is particular to a task.
const REACH: f64 = 0.5;

/// Different architectures that score exactly the same stand on a plateau: a ceiling, or all that networks reach which have
/// learned nothing but how frequent classes are. A normal distribution knows none. Where the past thinks well of a plateau,
/// expected improvement would try it to the end; but whoever ties with the best does not improve on it. Most of all trials stand on
/// a plateau. A few that tie among many that do not have met by chance, on a validation part of few examples, and the best
/// is often beside them.
#[derive(Clone, Debug, Default)]
pub(super) struct Plateau {
    /// The trials that scored what the best did, more than one; else none.
    tied: Vec<usize>,
    /// Their share among all trials that are told; what is under way does not count.
    share: f64,
}

impl Plateau {
    /// Of raw scores and the best of them, higher is better.
    pub(super) fn of(scores: &[Option<f64>], best: Option<f64>) -> Self {
        let ties = |at: &usize| scores[*at].is_some() && scores[*at] == best;
        let tied: Vec<usize> = (0..scores.len()).filter(ties).collect();
        let share = tied.len() as f64 / scores.len().max(1) as f64;
        Plateau { tied: if tied.len() > 1 { tied } else { Vec::new() }, share }
    }

    /// The probability that each architecture does not tie with the best, `(n,)`: one minus the share of ties among the trials
    /// near to it, times the square of their share among all trials. One of the ties is what the others tie with and does not count.
    ///
    /// `parts` are those between what is asked of and the trials.
    pub(super) fn escapes(&self, parts: &Parts, length: f64) -> Option<Array1<f64>> {
        if self.tied.is_empty() {
            return None;
        }
        let near = parts.likeness(REACH * length);
        let escape = |row: ArrayView1<'_, f64>| {
            let nearest = self.tied.iter().map(|at| row[*at]).fold(0.0, f64::max);
            let ties = self.tied.iter().map(|at| row[*at]).sum::<f64>() - nearest;
            1.0 - self.share.powi(2) * ties / (row.sum() - nearest + DOUBT)
        };
        Some(near.rows().into_iter().map(escape).collect())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::super::features::Features;
    use super::*;

    /// Places on a line, of which no past task says anything.
    fn places(x: Array1<f64>) -> Features {
        let (n, norms) = (x.len(), &x * &x);
        let x = x.insert_axis(ndarray::Axis(1));
        Features {
            mean: Array1::zeros(n),
            deviations: Array2::zeros((n, 0)),
            spreads: Array1::zeros(n),
            x,
            norms,
        }
    }

    fn escapes(scores: &[Option<f64>]) -> Option<Array1<f64>> {
        let tried = places(array![0.0, 0.1, 0.2, 5.0]);
        let parts = Parts::between(&places(array![0.05, 0.3, 9.0]), &tried);
        let best = scores.iter().flatten().copied().reduce(f64::max);
        Plateau::of(scores, best).escapes(&parts, 1.0)
    }

    #[test]
    fn who_is_near_to_ties_hardly_improves_on_them() {
        let told = [Some(0.7), Some(0.7), Some(0.7), Some(0.2)];
        let three_in_four = escapes(&told).unwrap();
        assert!(three_in_four[0] < 0.7 && three_in_four[0] < three_in_four[1], "{three_in_four}");
        assert!(three_in_four[1] < 0.75 && three_in_four[2] > 0.999, "{three_in_four}");
        let all = escapes(&[Some(0.7); 4]).unwrap();
        assert!(all[0] < 0.4, "{all}");
    }

    #[test]
    fn what_is_under_way_does_not_hide_a_plateau() {
        let plateau = Plateau::of(&[Some(0.7); 2], Some(0.7));
        let asked = places(array![0.05]);
        let told = plateau.escapes(&Parts::between(&asked, &places(array![0.0, 0.1])), 1.0).unwrap();
        let x = array![0.0, 0.1, 8.0, 9.0];
        let batch = plateau.escapes(&Parts::between(&asked, &places(x)), 1.0).unwrap();
        assert!((told[0] - batch[0]).abs() < 1e-9 && told[0] < 0.6, "{told} {batch}");
    }

    #[test]
    fn a_few_ties_among_many_trials_are_chance() {
        let x = Array1::from_shape_fn(20, |at| at as f64 / 10.0);
        let parts = Parts::between(&places(array![0.05]), &places(x));
        let scores: Vec<_> = (0..20).map(|at| Some(if at < 3 { 0.7 } else { 0.01 * at as f64 })).collect();
        let escapes = Plateau::of(&scores, Some(0.7)).escapes(&parts, 1.0).unwrap();
        assert!(escapes[0] > 0.95, "{escapes}");
    }

    #[test]
    fn a_best_of_its_own_and_ties_below_it_are_no_plateau() {
        assert_eq!(escapes(&[Some(0.7), Some(0.6), Some(0.6), Some(0.6)]), None);
        assert_eq!(escapes(&[None, None, None, None]), None);
    }

    #[test]
    fn trials_near_by_that_do_not_tie_speak_for_going_on() {
        let all = escapes(&[Some(0.7), Some(0.7), Some(0.7), Some(0.2)]).unwrap();
        let some = escapes(&[Some(0.7), Some(0.2), Some(0.7), Some(0.2)]).unwrap();
        assert!(some[0] > all[0], "{some} {all}");
    }
}
