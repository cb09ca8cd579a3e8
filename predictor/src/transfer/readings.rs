//! The readings of a new task: what its past may mean for it.

use super::field::Told;
use super::reading::Reading;
use super::scale_belief::ScaleBelief;
use super::{ALONE, BESIDE_PAST, FEW, Seen, TransferModel};
use crate::PredictError;

/// The prior weight of a past that says the opposite, as a share of the distrust in it: scores filed under the wrong goal, or a
/// task for which is bad what is good elsewhere. Rare, but then all that is known of the past serves again.
const REVERSED: f64 = 0.3;

impl TransferModel {
    /// The readings of the trials that count, with their prior weights: one that trusts the past, and where there is a past,
    /// one in which it says nothing, and perhaps one in which it says the opposite.
    ///
    /// The last counts only if it explains the trials better than the first. Before that it would have its say in what is
    /// tried next, for it promises wonders where the past thinks worst, and would cost every helpful history some trials.
    /// Its weight comes on top of the others', so that where it does not count all is as without it.
    pub(super) fn readings(
        &self,
        seen: &Seen,
        told: &Told<'_>,
        belief: ScaleBelief,
    ) -> Result<Vec<(f64, Reading)>, PredictError> {
        let read =
            |slope, kernel, amplitude| Reading::new(slope, kernel, told, &self.shape, belief, amplitude);
        let share = if self.weights.is_empty() { ALONE } else { BESIDE_PAST };
        let unguided = self.alone(seen).shortened(if told.scores.len() > FEW { 1.0 } else { share });
        if self.weights.is_empty() {
            return Ok(vec![(1.0, read(0.0, unguided, 1.0)?)]);
        }
        let kernel = self.trusting(seen);
        let usual = self.amplitude(seen, &(kernel.variances(&seen.features) + kernel.chance()));
        let (trusting, (alone, reversed)) = rayon::join(
            || read(self.slope(), kernel, usual),
            || rayon::join(|| read(0.0, unguided, 1.0), || read(-self.slope(), kernel, usual)),
        );
        let (trusting, alone, reversed) = (trusting?, alone?, reversed?);
        let trust = self.foretelling.trust();
        let weight = REVERSED * (1.0 - trust);
        let counts = weight.ln() + reversed.log_evidence > trust.ln() + trusting.log_evidence;
        let mut readings = vec![(trust, trusting), (1.0 - trust, alone)];
        if counts {
            readings.push((weight, reversed));
        }
        Ok(readings)
    }
}
