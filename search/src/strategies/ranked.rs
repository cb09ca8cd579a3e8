//! Candidates in the order of prior scores.

use heirloom_kb::Architecture;

use super::candidates::Candidates;
use super::{Proposal, Strategy};
use crate::SearchError;
use crate::prior_scores::Opinion;

/// Candidates in the order of a study's prior scores, the highest first, whatever is told of them: one-shot search, when a
/// supernet has made the scores. Those without a score come last, in random order.
///
/// *Source*: Guo et al., "Single path one-shot neural architecture search with uniform sampling", ECCV 2020
/// (arXiv:1904.00420); with the probabilities of a differentiable search, Liu, Simonyan & Yang, "DARTS", ICLR 2019
/// (arXiv:1806.09055), which takes the first alone.
pub(super) struct RankedStrategy {
    candidates: Candidates,
    opinion: Option<Opinion>,
}

impl RankedStrategy {
    /// Without an order as yet.
    pub(super) fn new(candidates: Candidates) -> Self {
        RankedStrategy { candidates, opinion: None }
    }

    /// The prior score of a position in the pool.
    fn score(&self, position: usize) -> Option<f64> {
        let key = self.candidates.encoder().key(&self.candidates.pool().architectures[position]);
        self.opinion.as_ref()?.score(&key)
    }

    fn why(&self, score: Option<f64>) -> String {
        match (&self.opinion, score) {
            (Some(opinion), Some(score)) => {
                format!("the highest score by {} of those left: {score:.5}", opinion.by())
            }
            _ => "no prior score; drawn at random".into(),
        }
    }
}

impl Strategy for RankedStrategy {
    fn ask(&mut self, n: usize) -> Result<Vec<Proposal>, SearchError> {
        let open = self.candidates.open().iter();
        let mut order: Vec<(usize, Option<f64>)> = open.map(|at| (*at, self.score(*at))).collect();
        if order.is_empty() {
            return Err(self.candidates.exhausted());
        }
        let worth = |score: Option<f64>| score.unwrap_or(f64::NEG_INFINITY);
        // A stable sort: equals stay in the order they were drawn in.
        order.sort_by(|a, b| worth(b.1).total_cmp(&worth(a.1)));
        order.truncate(n);
        order.iter().for_each(|(position, _)| self.candidates.spend(*position));
        let propose = |(position, score): (usize, Option<f64>)| Proposal {
            architecture: self.candidates.pool().shown[position].clone(),
            mean: None,
            std: None,
            why: self.why(score),
        };
        Ok(order.into_iter().map(propose).collect())
    }

    fn take_up(&mut self, architecture: &Architecture) -> Result<(), SearchError> {
        self.candidates.spend_checked(architecture).map(drop)
    }

    fn tell(&mut self, architecture: &Architecture, _score: Option<f64>) -> Result<(), SearchError> {
        self.candidates.spend_checked(architecture).map(|_| ())
    }

    fn heed(&mut self, opinion: Opinion) -> Result<(), SearchError> {
        self.opinion = Some(opinion);
        Ok(())
    }
}
