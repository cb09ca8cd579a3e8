//! `EpochScores`: how good a training was after each epoch, which epoch was the best, and when to wait no longer.

use tch::TchError;
use tch::nn::VarStore;

use super::weights::{self, Tensors};

/// The scores of a training's epochs. With patience it has the weights of the best one too.
pub(super) struct EpochScores {
    scores: Vec<f64>,
    patience: Option<u32>,
    best: Tensors,
}

impl EpochScores {
    /// None yet; a better one is waited for so many epochs, if that is limited.
    pub(super) fn new(patience: Option<u32>) -> Self {
        EpochScores { scores: Vec::new(), patience, best: Tensors::new() }
    }

    /// Those of a training that goes on where it was.
    pub(super) fn go_on(&mut self, scores: Vec<f64>, best: Tensors) {
        (self.scores, self.best) = (scores, best);
    }

    /// One score an epoch, from the first on.
    pub(super) fn all(&self) -> &[f64] {
        &self.scores
    }

    /// The weights of the best epoch; empty without patience.
    pub(super) fn best_weights(&self) -> &Tensors {
        &self.best
    }

    /// The score of the next epoch, after which the weights are these.
    pub(super) fn push(&mut self, score: f64, store: &VarStore) {
        self.scores.push(score);
        let is_best = self.best_epoch() == Some(self.scores.len() - 1);
        if self.patience.is_some() && is_best {
            let copies = weights::of(store).into_iter().map(|(name, t)| (name, t.detach().copy()));
            self.best = copies.collect();
        }
    }

    /// Whether after the epoch at a position the score has not become better for as long as one is patient.
    pub(super) fn is_exhausted(&self, at: usize) -> bool {
        let patience = self.patience.map(|epochs| epochs as usize);
        self.best_epoch().zip(patience).is_some_and(|(best, patience)| at.saturating_sub(best) >= patience)
    }

    /// With patience: gives the store the weights of the best epoch, and tells its position.
    pub(super) fn take_best(&self, store: &VarStore) -> Result<Option<usize>, TchError> {
        let best = self.best_epoch().filter(|_| !self.best.is_empty());
        if best.is_some() {
            weights::load(store, &self.best)?;
        }
        Ok(best)
    }

    /// The position of the first epoch with the best score.
    fn best_epoch(&self) -> Option<usize> {
        let scores = self.scores.iter().enumerate();
        scores.max_by(|(a, x), (b, y)| x.total_cmp(y).then(b.cmp(a))).map(|(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;

    #[test]
    fn the_first_of_the_best_counts_and_is_waited_on_for_so_long() {
        let store = VarStore::new(Device::Cpu);
        let mut weight = store.root().zeros("w", &[1]);
        let mut patient = EpochScores::new(Some(2));
        let mut without = EpochScores::new(None);
        let exhausted: Vec<bool> = [0.5, 0.7, 0.7, 0.6]
            .iter()
            .enumerate()
            .map(|(at, score)| {
                tch::no_grad(|| drop(weight.fill_(at as f64)));
                patient.push(*score, &store);
                without.push(*score, &store);
                assert!(!without.is_exhausted(at));
                patient.is_exhausted(at)
            })
            .collect();
        assert_eq!(exhausted, [false, false, false, true]);
        let value = || f64::try_from(weight.sum(Kind::Double)).unwrap();
        assert_eq!((without.take_best(&store).unwrap(), value()), (None, 3.0));
        assert_eq!((patient.take_best(&store).unwrap(), value()), (Some(1), 1.0));
        assert!(weight.equal(&Tensor::from_slice(&[1.0_f32])));
    }
}
