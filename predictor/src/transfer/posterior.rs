//! `Posterior`: what is expected of a new task once some trials are in.

use ndarray::Array1;
use rayon::prelude::*;

use super::features::Features;
use super::kernel::Parts;
use super::plateau::Plateau;
use super::precedents::Precedents;
use super::reading::{Broad, Reading, Wave, add_waves};
use super::score_shape::ScoreShape;
use crate::{PredictError, Prediction};

/// Readings of a smaller probability are left out: they cost time and change nothing.
const RULED_OUT: f64 = 1e-4;
/// In spaces with real numbers, the distance within which architectures count as the same, as a share of the usual length: whoever
/// tells a trial may have rounded its numbers, and would be told to try it once more.
const SAME: f64 = 0.02;
/// Fewer candidates than this are no sample of a space.
const SEVERAL: usize = 32;
/// The least variance of scores that is left open over them.
const LEAST_OPEN: f64 = 0.2;

/// What is expected of a new task once some trials are in: a mixture of the reading that trusts the past, one that does not
/// and one that takes it the wrong way round, weighed by how well each foretold the trials. This is the guard against a
/// history that misleads.
#[derive(Clone, Debug)]
pub struct Posterior {
    /// Probabilities that the past holds, and that its opposite does.
    sides: (f64, f64),
    /// The readings that are not all but ruled out, and their probabilities.
    pub(super) readings: Vec<(f64, Reading)>,
    /// The best raw score so far.
    pub(super) best: Option<f64>,
    pub(super) shape: ScoreShape,
    /// Where trials have scored what the best did.
    plateau: Plateau,
    /// The past tasks, each as what the new one might be.
    precedents: Option<Precedents>,
    /// The usual length of what is particular to a task.
    length: f64,
    /// By how much what is said of scores lies above the normalised scale.
    offset: f64,
    /// What its deviations are multiplied by.
    width: f64,
}

impl Posterior {
    /// Weighs readings of prior probabilities by their evidence.
    pub(super) fn new(
        read: Vec<(f64, Reading)>,
        precedents: Option<Precedents>,
        pending: &Features,
        scores: &[Option<f64>],
        shape: ScoreShape,
        length: f64,
    ) -> Result<Self, PredictError> {
        let evidence = |log: f64| if log.is_finite() { log } else { f64::MIN };
        let logs: Vec<f64> =
            read.iter().map(|(prior, reading)| prior.ln() + evidence(reading.log_evidence)).collect();
        let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = logs.iter().map(|log| (log - most).exp()).sum();
        let beliefs: Vec<f64> = logs.iter().map(|log| (log - most).exp() / total).collect();
        let sides = sides(&read, &beliefs);
        let kept = read.into_iter().zip(&beliefs).filter(|(_, belief)| **belief > RULED_OUT);
        let readings = kept.map(|((_, reading), belief)| Ok((*belief, reading.believe(pending)?)));
        let mut readings = readings.collect::<Result<Vec<_>, PredictError>>()?;
        let total: f64 = readings.iter().map(|(belief, _)| belief).sum();
        readings.iter_mut().for_each(|(belief, _)| *belief /= total);
        let best = scores.iter().flatten().copied().reduce(f64::max);
        Ok(Posterior {
            sides,
            readings,
            best,
            shape,
            plateau: Plateau::of(scores, best),
            precedents,
            length,
            offset: 0.0,
            width: 1.0,
        })
    }

    /// The same, what is said having mean 0 and variance 1 over all candidates, that of what is expected and what is left open together, as
    /// normalised scores of a space do. Where no past task tells where scores lie, nothing else keeps them there: a smooth function takes
    /// the place of all trials for its own. What is tried next does not depend on it.
    pub(super) fn centred(self, candidates: &Features) -> Self {
        if candidates.len() < SEVERAL {
            return self;
        }
        let Prediction { mean, std } = self.predict(candidates, true);
        let open = std.mapv(|std| std * std).mean().unwrap_or(1.0);
        let width = ((1.0 - mean.var(0.0)).max(LEAST_OPEN) / open).sqrt().min(1.0);
        Posterior { offset: mean.mean().unwrap_or(0.0), width, ..self }
    }

    /// The probability that the past tasks say something about this one that its own trials do not say themselves, and the right way
    /// round.
    #[must_use]
    pub fn trust(&self) -> f64 {
        self.sides.0
    }

    /// The probability that what past tasks say is the opposite of what holds for this one.
    #[must_use]
    pub fn reversed(&self) -> f64 {
        self.sides.1
    }

    /// The trials' scores on the normalised scale, then those that are believed of what is under way.
    #[must_use]
    pub fn scores(&self) -> Vec<f64> {
        let trials = self.readings.first().map_or(0, |(_, reading)| reading.z.len());
        let mean =
            |at: usize| self.readings.iter().map(|(share, reading)| share * reading.z[at]).sum::<f64>();
        (0..trials).map(|at| mean(at) - self.offset).collect()
    }

    /// Mean and standard deviation of the mixture: of what a trial would measure, with its noise and with what is uncertain about
    /// where the trials lie on the normalised scale; or, not `measured`, of what lies behind it.
    pub(super) fn predict(&self, asked: &Features, measured: bool) -> Prediction {
        let mut mean = Array1::<f64>::zeros(asked.len());
        let mut square = Array1::<f64>::zeros(asked.len());
        let parts = self.parts(asked);
        for (share, reading) in &self.readings {
            let (m, v) = if measured {
                let (m, v, mut more) = reading.predict_placed(asked, &parts);
                if self.best.is_some() {
                    let prior = reading.kernel.variances(asked);
                    for (((v, more), m), prior) in v.iter().zip(&mut more).zip(&m).zip(&prior) {
                        // As far as the trials say what is expected here, it is off as they are.
                        let told = (1.0 - *v / prior).clamp(0.0, 1.0);
                        *more += told * self.shape.misplacement(*m);
                    }
                }
                (m, (v + reading.kernel.chance()) * reading.amplitude + more)
            } else {
                reading.predict(asked, &parts)
            };
            square += &((&m * &m + v) * *share);
            mean += &(m * *share);
        }
        let std = (square - &mean * &mean).mapv(|variance| variance.max(1e-9).sqrt());
        if measured {
            Prediction { mean: mean - self.offset, std: std * self.width }
        } else {
            Prediction { mean, std }
        }
    }

    /// As [`Posterior::mean`], the smooth parts left out.
    pub(super) fn broad_mean(&self, asked: &Features) -> Array1<f64> {
        // One pass over the features, however many readings.
        let all = self.readings.iter().map(|(share, reading)| reading.broad(*share)).reduce(Broad::and);
        all.map_or_else(|| Array1::zeros(asked.len()), |all| all.at(asked))
    }

    /// Expected normalised scores of the mixture.
    pub(super) fn mean(&self, asked: &Features) -> Array1<f64> {
        let mut mean = self.broad_mean(asked);
        let waves: Vec<Wave> =
            self.readings.iter().flat_map(|(share, reading)| reading.smooth(*share)).collect();
        add_waves(&mut mean, asked, self.told(), &waves);
        mean
    }

    /// The trials, and what is believed: the same in all readings.
    fn told(&self) -> &Features {
        self.readings[0].1.features()
    }

    fn parts(&self, asked: &Features) -> Parts {
        Parts::between(asked, self.told())
    }

    /// Expected improvement over the best score and over what is under way, in raw units: heights of the shape, times the
    /// task's unit. What a trial will measure counts, the noise with it: it is measured once, and most of what a kernel calls
    /// noise is particular to an architecture.
    pub(super) fn improvement(&self, asked: &Features) -> Vec<f64> {
        let mut gains = vec![0.0; asked.len()];
        let parts = self.parts(asked);
        for (share, reading) in &self.readings {
            let (mean, variance, moved) = reading.predict_fantasies(asked, &parts);
            let floors = self.floors(reading);
            let gain = |at: usize| {
                let std = (variance[at] + reading.kernel.chance()).sqrt();
                let under = |(at_floor, floor): (usize, &Option<f64>)| {
                    let moved = moved.get((at, at_floor)).copied().unwrap_or(0.0);
                    self.shape.expected_gain(mean[at] + moved, std, *floor)
                };
                let sum: f64 = floors.iter().enumerate().map(under).sum();
                reading.scale.unit * sum / floors.len() as f64
            };
            let new: Vec<f64> = (0..asked.len()).into_par_iter().map(gain).collect();
            gains.iter_mut().zip(new).for_each(|(sum, new)| *sum += share * new);
        }
        // Without a score yet these are heights and no improvements, which may be negative.
        if let Some(precedents) = self.precedents.as_ref().filter(|_| self.best.is_some()) {
            // Of the trusting reading; where that is ruled out, the trust is next to nothing.
            let unit = self.readings[0].1.scale.unit;
            precedents.temper(&mut gains, asked, &self.shape, unit, self.trust());
        }
        if self.readings.iter().any(|(_, reading)| reading.kernel.grain > 0.0) {
            let apart = parts.apart(SAME * self.length);
            gains.iter_mut().zip(&apart).for_each(|(gain, apart)| *gain *= apart);
        }
        if let Some(escapes) = self.plateau.escapes(&parts, self.length) {
            gains.iter_mut().zip(&escapes).for_each(|(gain, escape)| *gain *= escape);
        }
        gains
    }

    /// The heights that an improvement is one over: one of the best score, or one for each fantasy of what is under way.
    fn floors(&self, reading: &Reading) -> Vec<Option<f64>> {
        let best = self.best.map(|best| (best - reading.scale.median) / reading.scale.unit);
        let fantasies = reading.fantasies.best.iter().map(|pending| {
            let pending = self.shape.height(*pending);
            Some(best.map_or(pending, |best| best.max(pending)))
        });
        let floors: Vec<Option<f64>> = fantasies.collect();
        if floors.is_empty() { vec![best] } else { floors }
    }
}

/// The probabilities that the past holds and that its opposite does, of readings of these beliefs, of which the second is the one without
/// the past. Which way round a reading takes the past is told by the coefficient of its mean after the trials: many trials may turn round
/// what was expected before.
fn sides(read: &[(f64, Reading)], beliefs: &[f64]) -> (f64, f64) {
    let mut sides = (0.0, 0.0);
    for (_, ((_, reading), belief)) in read.iter().zip(beliefs).enumerate().filter(|(at, _)| *at != 1) {
        let side = if reading.coefficient() >= 0.0 { &mut sides.0 } else { &mut sides.1 };
        *side += belief;
    }
    sides
}
