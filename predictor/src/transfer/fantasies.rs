//! `Fantasies`: what trials under way may measure.

use ndarray::{Array1, Array2};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::draw::normal;
use super::features::Features;
use super::field::measured;
use super::reading::Reading;
use crate::PredictError;
use crate::gaussian_process::lower_factor;

/// Drawn in pairs of opposite surprises.
const PAIRS: usize = 8;
/// The same in all readings and at each step, so that what differs between candidates is not chance.
const SEED: u64 = 7;

/// Possible scores of architectures under way, drawn together from what is believed of them. An improvement is one over them too:
/// what is near to one of them rises and falls with it, so that it seldom adds much, whereas with a believed score alone the
/// noise of a trial makes all its neighbours look like improvements.
///
/// *Source*: Snoek, Larochelle, Adams, "Practical Bayesian optimization of machine learning algorithms", 2012 (arXiv:1206.2944),
/// section 3.2.
#[derive(Clone, Debug, Default)]
pub(super) struct Fantasies {
    /// By how much each under way scores more than is believed, `(pending, fantasies)`.
    pub(super) surprises: Array2<f64>,
    /// The best normalised score under way in each, `(fantasies,)`.
    pub(super) best: Array1<f64>,
}

impl Fantasies {
    /// Of architectures of which `believed` is expected, under a reading that has not heard of them.
    ///
    /// # Errors
    /// [`PredictError::NotPositiveDefinite`].
    pub(super) fn new(
        reading: &Reading,
        pending: &Features,
        believed: &Array1<f64>,
    ) -> Result<Self, PredictError> {
        let kernel = &reading.kernel;
        let cross = kernel.between(pending, reading.features());
        let told = cross.dot(reading.inverse()).dot(&cross.t());
        let left = measured(kernel.between(pending, pending) - told, kernel, &[]);
        let factor = lower_factor(left.view())?;
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(SEED);
        let mut drawn = Array2::zeros((pending.len(), 2 * PAIRS));
        for mut row in drawn.rows_mut() {
            for pair in 0..PAIRS {
                let value = normal(&mut rng);
                (row[2 * pair], row[2 * pair + 1]) = (value, -value);
            }
        }
        let surprises = factor.dot(&drawn);
        let best = surprises
            .columns()
            .into_iter()
            .map(|surprise| (&surprise + believed).iter().copied().fold(f64::NEG_INFINITY, f64::max));
        Ok(Fantasies { best: best.collect(), surprises })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::history_of;
    use super::super::{Posterior, Seen};
    use super::*;

    /// Two tasks over the numbers 0 to 40, of which the middle is best, and what is believed of a third after trials at 4, 12
    /// and 36 and with these under way.
    fn under_way(pending: &[usize]) -> (Seen, Posterior) {
        let history = history_of(41, &[19.0, 22.0].map(|top| move |a: i64| -(a as f64 - top).powi(2)));
        let (model, views) = (history.model(), &history.views);
        let seen = model.see(views);
        let scores = [4.0_f64, 12.0, 36.0].map(|a| Some(-(a - 20.0).powi(2)));
        let own = views.select(&[4, 12, 36]);
        let posterior = model.condition(&seen, &own, &scores, &views.select(pending)).unwrap();
        (seen, posterior)
    }

    #[test]
    fn surprises_come_in_pairs_and_scatter_as_is_believed() {
        let (_, posterior) = under_way(&[20, 21, 2]);
        let (_, reading) = &posterior.readings[0];
        let surprises = &reading.fantasies.surprises;
        assert_eq!(surprises.dim(), (3, 2 * PAIRS));
        assert!(surprises.sum_axis(ndarray::Axis(1)).iter().all(|sum| sum.abs() < 1e-9));
        assert!(surprises.iter().any(|surprise| surprise.abs() > 0.1 * reading.kernel.noise.sqrt()));
        // The best of each is one of the three.
        let believed = reading.z.slice_axis(ndarray::Axis(0), ndarray::Slice::from(3..));
        for (column, best) in surprises.columns().into_iter().zip(&reading.fantasies.best) {
            assert!((&column + &believed).iter().any(|score| (score - best).abs() < 1e-12));
        }
        assert_eq!(under_way(&[]).1.readings[0].1.fantasies.best.len(), 0);
    }

    #[test]
    fn what_is_near_to_trials_under_way_promises_less_than_with_their_believed_scores_alone() {
        let (seen, posterior) = under_way(&[20, 21]);
        let mut believing = posterior.clone();
        believing.readings.iter_mut().for_each(|(_, reading)| reading.fantasies = Fantasies::default());
        let (with, without) = (posterior.gains(&seen), believing.gains(&seen));
        assert!(with[19] < 0.9 * without[19], "{} {}", with[19], without[19]);
        assert!(with.iter().all(|gain| gain.is_finite() && *gain >= 0.0));
    }
}
