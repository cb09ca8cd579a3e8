//! `Outlying`: scores so far above all others of their task that they may be errors.

/// Fewer scores than this say nothing of how far apart scores lie.
const SEVERAL: usize = 5;
/// How many times as far from the others as these lie apart what may be an error is.
const FAR: f64 = 20.0;
/// One score in so many may be an error, up to `MOST`: beyond that the others are those that failed.
const ONE_IN: usize = 5;
/// See [`ONE_IN`].
const MOST: usize = 2;
/// Scores count as no larger than this, so that their squares and differences stay finite.
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
}

impl Outlying {
    /// What may be an error among scores, higher is better, `None` for a failed trial; nothing where nothing stands out.
    #[must_use]
    pub fn of(scores: &[Option<f64>]) -> Option<Self> {
        let sorted = ascending(scores);
        let Standing { next, .. } = Standing::of(&sorted)?;
        let known = scores.iter().enumerate().filter_map(|(at, score)| Some((at, finite((*score)?))));
        let mut above: Vec<(usize, f64)> = known.filter(|(_, score)| *score > next).collect();
        above.sort_by(|a, b| b.1.total_cmp(&a.1));
        Some(Outlying { places: above.into_iter().map(|(at, _)| at).collect(), worst: sorted[0], next })
    }
}

/// How many of a task's scores stand out, beside the best and the lower quartile of the others.
struct Standing {
    count: usize,
    next: f64,
    quartile: f64,
}

impl Standing {
    /// Of ascending scores.
    fn of(sorted: &[f64]) -> Option<Self> {
        let n = sorted.len();
        let most = if n < SEVERAL { 0 } else { (n / ONE_IN).min(MOST) };
        let beside = |count: usize| {
            let others = &sorted[..n - count];
            Standing { count, next: others[others.len() - 1], quartile: others[(others.len() - 1) / 4] }
        };
        let stands_out = |one: &Standing| {
            one.next > one.quartile && sorted[n - one.count] - one.next > FAR * (one.next - one.quartile)
        };
        (1..=most).rev().map(beside).find(stands_out)
    }
}

/// Scores that were measured, ascending, those that may be errors tamed: as far above the best of the others as that is above their
/// quartile.
pub(crate) fn tamed(scores: &[Option<f64>]) -> Vec<f64> {
    let mut sorted = ascending(scores);
    if let Some(Standing { count, next, quartile }) = Standing::of(&sorted) {
        let from = sorted.len() - count;
        sorted[from..].fill(next + (next - quartile));
    }
    sorted
}

fn ascending(scores: &[Option<f64>]) -> Vec<f64> {
    let mut sorted: Vec<f64> = scores.iter().flatten().copied().map(finite).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// A score of which squares and differences stay finite.
pub(crate) fn finite(score: f64) -> f64 {
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
