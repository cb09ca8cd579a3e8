//! `Outlying`: scores so far above all others of their task that they may be errors.

/// Fewer scores than this say nothing of how far apart scores lie.
const SEVERAL: usize = 5;
/// How many times as far from the others as these lie apart what may be an error is.
const FAR: f64 = 20.0;
/// One score in so many may be an error, up to `MOST`: beyond that the others are those that failed.
const ONE_IN: usize = 5;
/// See [`ONE_IN`].
const MOST: usize = 2;
/// Scores count as no larger than this, so that their differences stay finite.
const LARGEST: f64 = 1e150;

/// Scores of one task that lie above all others by more than 20 times what sets the best of these apart from their lower quartile: one
/// in per cent among shares, one in another unit, the loss of a training that broke.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlying {
    /// Where they stand among the scores, the best first.
    pub places: Vec<usize>,
    /// The lowest of the others.
    pub worst: f64,
    /// The best of the others.
    pub next: f64,
    /// What they are taken for where heights and not ranks count: as far above the best of the others as that is above their quartile.
    tamed: f64,
}

impl Outlying {
    /// What may be an error among scores, higher is better, `None` for a failed trial; nothing where nothing stands out.
    #[must_use]
    pub fn of(scores: &[Option<f64>]) -> Option<Self> {
        let mut order: Vec<(f64, usize)> =
            scores.iter().enumerate().filter_map(|(at, score)| Some((finite((*score)?), at))).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let n = order.len();
        let most = if n < SEVERAL { 0 } else { (n / ONE_IN).min(MOST) };
        let stands_out = |count: &usize| {
            let (next, quartile) = (order[n - count - 1].0, order[(n - count - 1) / 4].0);
            next > quartile && order[n - count].0 - next > FAR * (next - quartile)
        };
        let count = (1..=most).rev().find(stands_out)?;
        let (next, quartile) = (order[n - count - 1].0, order[(n - count - 1) / 4].0);
        let places = order[n - count..].iter().rev().map(|(_, at)| *at).collect();
        Some(Outlying { places, worst: order[0].0, next, tamed: next + (next - quartile) })
    }
}

/// Scores that were measured, ascending, those that may be errors tamed.
pub(crate) fn tamed(scores: &[Option<f64>]) -> Vec<f64> {
    let most = Outlying::of(scores).map_or(LARGEST, |outlying| outlying.tamed);
    let mut sorted: Vec<f64> = scores.iter().flatten().map(|score| finite(*score).min(most)).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn finite(score: f64) -> f64 {
    score.clamp(-LARGEST, LARGEST)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(scores: &[f64]) -> Option<Outlying> {
        Outlying::of(&scores.iter().map(|score| Some(*score)).collect::<Vec<_>>())
    }

    #[test]
    fn a_score_in_another_unit_stands_out_and_what_one_training_in_ten_reaches_does_not() {
        let found = of(&[0.81, 0.79, 81.0, 0.7, 0.75]).unwrap();
        assert_eq!((found.places, found.worst, found.next), (vec![2], 0.7, 0.81));
        assert_eq!(of(&[0.8, 0.5, 0.7, 0.6, -81.0]), None, "what diverged is no error");
        assert_eq!(of(&[0.8, 0.5, 0.7, 2.0, 0.6]), None);
        assert_eq!(of(&[0.8, 0.79, 0.81, 81.0]), None, "too few to say");
        assert_eq!(of(&[0.8, 0.8, 0.8, 0.8, 0.9]), None, "all others are alike");
        // What has not learned lies about chance, and three have.
        let mut scores: Vec<f64> = (0..27).map(|at| 0.1 + 1e-4 * f64::from(at)).collect();
        scores.extend([0.7, 0.8, 0.9]);
        assert_eq!(of(&scores), None);
    }

    #[test]
    fn two_stand_out_together_the_best_first() {
        let mut scores: Vec<f64> = (0..20).map(|at| 0.6 + 0.01 * f64::from(at)).collect();
        scores[3] = 1e30;
        scores[7] = f64::MAX;
        assert_eq!(of(&scores).unwrap().places, [7, 3]);
    }

    proptest! {
        #[test]
        fn taming_keeps_the_order_and_is_finite(mut scores in prop::collection::vec(-1e3..1e3_f64, 5..40), huge in 1e6..f64::MAX) {
            scores[2] = huge;
            let told: Vec<Option<f64>> = scores.iter().copied().map(Some).collect();
            let tamed = tamed(&told);
            prop_assert!(tamed.windows(2).all(|pair| pair[0] <= pair[1] && (pair[1] - pair[0]).is_finite()));
            scores.sort_by(f64::total_cmp);
            let last = scores.len() - 1;
            prop_assert_eq!(&tamed[..last], &scores[..last]);
            prop_assert!(tamed[last] <= scores[last]);
        }
    }
}
