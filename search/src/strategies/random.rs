//! Candidates in random order.

use heirloom_kb::Architecture;

use super::candidates::Candidates;
use super::{Proposal, Strategy};
use crate::SearchError;

/// Candidates in random order, whatever their scores: what every other strategy has to beat.
pub struct RandomStrategy {
    candidates: Candidates,
}

impl RandomStrategy {
    /// The order that the candidates were drawn in.
    pub(super) fn new(candidates: Candidates) -> Self {
        RandomStrategy { candidates }
    }
}

impl Strategy for RandomStrategy {
    fn ask(&mut self, n: usize) -> Result<Vec<Proposal>, SearchError> {
        let next: Vec<usize> = self.candidates.open().iter().take(n).copied().collect();
        if next.is_empty() {
            return Err(self.candidates.exhausted());
        }
        next.iter().for_each(|position| self.candidates.spend(*position));
        let propose = |position: usize| Proposal {
            architecture: self.candidates.pool().shown[position].clone(),
            mean: None,
            std: None,
            why: "drawn at random".into(),
        };
        Ok(next.into_iter().map(propose).collect())
    }

    fn take_up(&mut self, architecture: &Architecture) -> Result<(), SearchError> {
        self.candidates.spend_checked(architecture).map(drop)
    }

    fn tell(&mut self, architecture: &Architecture, _score: Option<f64>) -> Result<(), SearchError> {
        self.candidates.spend_checked(architecture).map(|_| ())
    }
}
