//! Hill climbing, from what did best on past tasks.

use std::collections::{HashSet, VecDeque};

use heirloom_kb::Architecture;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::candidates::Candidates;
use super::{Ancestors, Proposal, Strategy, propose_each};
use crate::own_trials::OwnTrials;
use crate::{SearchError, spaces};

/// Width of a number's steps, as a share of its range.
const STEP: f64 = 0.1;

/// Starts that are tried before the first climb, from the best of them.
const OPENING: usize = 4;

/// Candidates that stand for the neighbours where none of these is a candidate.
const NEAREST: usize = 8;

/// Tries a few of the best of past tasks, then the neighbours of the best architecture of a climb, in random order,
/// and moves on to the first that is better. Where none is, a new climb starts from the next best of past tasks, and
/// in the end from anywhere.
///
/// *Source*: White, Nolen, Savani, "Exploring the loss landscape in neural architecture search" ("Local search is
/// state of the art for NAS benchmarks"), arXiv:2005.02960, algorithm 1, in its form that queries until there is an
/// improvement.
pub(super) struct LocalSearchStrategy {
    candidates: Candidates,
    starts: VecDeque<Architecture>,
    /// Starts yet to be tried before climbing.
    opening: usize,
    climb: Option<Climb>,
    rng: Xoshiro256PlusPlus,
}

/// Where a climb stands.
struct Climb {
    at: Architecture,
    /// `None` until it is told.
    score: Option<f64>,
    /// Neighbours yet to be tried.
    near: Vec<Architecture>,
}

impl LocalSearchStrategy {
    /// Climbs among candidates, from a task's best own trial if it has one that did not fail, else from these
    /// ancestors.
    pub(super) fn new(
        candidates: Candidates,
        ancestors: &Ancestors,
        own: &OwnTrials,
        seed: u64,
    ) -> Result<Self, SearchError> {
        let rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let starts = ancestors.best_first().iter().cloned().collect();
        let mut strategy = LocalSearchStrategy { candidates, starts, opening: OPENING, climb: None, rng };
        if let Some((at, Some(score))) = own.best_last().pop() {
            strategy.climb = Some(strategy.climb_from(at, Some(score))?);
            strategy.opening = 0;
        }
        Ok(strategy)
    }

    fn climb_from(&mut self, at: Architecture, score: Option<f64>) -> Result<Climb, SearchError> {
        let encoder = self.candidates.encoder();
        let space = encoder.space();
        let near = spaces::surroundings(space, &at, STEP, usize::MAX, &mut self.rng);
        let near: Vec<Architecture> = near.iter().map(|one| spaces::canonical(space.id(), one)).collect();
        let mut keys = HashSet::from([encoder.key(&at)]);
        let mut near: Vec<Architecture> = near
            .into_iter()
            .filter(|one| self.candidates.knows(one) && keys.insert(encoder.key(one)))
            .collect();
        if near.is_empty() {
            // A few candidates of a large space: what is nearest is beside it.
            near = self.candidates.nearest(&at, NEAREST)?.into_iter().cloned().collect();
        }
        near.shuffle(&mut self.rng);
        Ok(Climb { at, score, near })
    }

    fn propose(&mut self) -> Result<Option<Proposal>, SearchError> {
        while self.opening > 0 {
            self.opening -= 1;
            if let Some(start) = self.next_start() {
                let why = "among the best on past tasks, to climb from the best of them";
                return Ok(Some(self.proposal(&start, why.into())));
            }
        }
        while let Some(climb) = &mut self.climb {
            let Some(next) = climb.near.pop() else { break };
            if self.candidates.allows(&next) {
                let why = format!("a neighbour of {}, the best of this climb", climb.at);
                return Ok(Some(self.proposal(&next, why)));
            }
        }
        let (start, why) = match self.next_start() {
            Some(start) => (start, "among the best on past tasks, to start a climb"),
            None => match self.candidates.any() {
                Some(start) => (start, "drawn at random, to start a climb"),
                None => return Ok(None),
            },
        };
        let proposal = self.proposal(&start, why.into());
        self.climb = Some(self.climb_from(start, None)?);
        Ok(Some(proposal))
    }

    fn next_start(&mut self) -> Option<Architecture> {
        while let Some(start) = self.starts.pop_front() {
            if self.candidates.allows(&start) {
                return Some(start);
            }
        }
        None
    }

    fn proposal(&mut self, canonical: &Architecture, why: String) -> Proposal {
        Proposal { architecture: self.candidates.take(canonical), mean: None, std: None, why }
    }
}

impl Strategy for LocalSearchStrategy {
    fn ask(&mut self, n: usize) -> Result<Vec<Proposal>, SearchError> {
        let proposals = propose_each(n, || self.propose())?;
        proposals.ok_or_else(|| self.candidates.exhausted())
    }

    fn take_up(&mut self, architecture: &Architecture) -> Result<(), SearchError> {
        self.candidates.spend_checked(architecture).map(drop)
    }

    fn tell(&mut self, architecture: &Architecture, score: Option<f64>) -> Result<(), SearchError> {
        let canonical = self.candidates.spend_checked(architecture)?;
        match (&mut self.climb, score) {
            // From what failed there is nothing to climb.
            (Some(climb), None) if climb.at == canonical => self.climb = None,
            (Some(climb), Some(_)) if climb.at == canonical => climb.score = score,
            (Some(climb), Some(new)) if climb.score.is_some_and(|best| new > best) => {
                self.climb = Some(self.climb_from(canonical, score)?);
            }
            (None, Some(_)) => self.climb = Some(self.climb_from(canonical, score)?),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::StrategyKind;
    use super::super::testing::{separable, separable_history, worth};
    use super::*;

    /// A separable landscape has one top: a climb gets there, along trials that it has seen to be better.
    #[test]
    fn a_climb_ends_on_the_top() {
        let weights = [1.0, 0.5, 2.0, 0.7, 1.5];
        let history = Arc::new(separable_history(&[]));
        for seed in 0..5 {
            let (pool, own) = (Arc::clone(history.pool()), OwnTrials::default());
            let mut strategy = StrategyKind::LocalSearch
                .start(&history, &crate::strategies::testing::new_task(), Vec::new(), pool, own, seed)
                .unwrap();
            let mut best = f64::NEG_INFINITY;
            // At most 20 neighbours a step and 20 steps, usually far fewer.
            for _ in 0..150 {
                let one = strategy.ask(1).unwrap().remove(0).architecture;
                best = best.max(worth(&one, &weights));
                strategy.tell(&one, Some(worth(&one, &weights))).unwrap();
            }
            assert_eq!(best, 4.0 * weights.iter().sum::<f64>());
        }
    }

    /// The first four proposals are the best of the past; the next ones differ from the best of these in one parameter;
    /// after them comes the next best of the past.
    #[test]
    fn climbs_start_from_the_past_one_after_another() {
        let weights = [1.0, 0.5, 2.0, 0.7, 1.5];
        let history = Arc::new(separable_history(&[weights]));
        let (pool, own) = (Arc::clone(history.pool()), OwnTrials::default());
        let mut strategy = StrategyKind::LocalSearch
            .start(&history, &crate::strategies::testing::new_task(), vec![0], pool, own, 0)
            .unwrap();
        let ancestors = Ancestors::new(&history, &[0], &mut Xoshiro256PlusPlus::seed_from_u64(0));
        let first: Vec<Architecture> =
            strategy.ask(OPENING).unwrap().into_iter().map(|proposal| proposal.architecture).collect();
        assert_eq!(first, ancestors.best_first()[..OPENING]);
        for (architecture, score) in first.iter().zip([None, Some(1.0), Some(2.0), Some(0.5)]) {
            strategy.tell(architecture, score).unwrap();
        }
        let space = separable();
        let changed = |one: &Architecture| {
            space.params().iter().filter(|param| one.get(&param.name) != first[2].get(&param.name)).count()
        };
        let next = loop {
            let next = strategy.ask(1).unwrap().remove(0);
            if changed(&next.architecture) > 1 {
                break next;
            }
            strategy.tell(&next.architecture, None).unwrap();
        };
        assert!(ancestors.best_first()[OPENING..].contains(&next.architecture), "{}", next.architecture);
        assert_eq!(next.why, "among the best on past tasks, to start a climb");
    }
}
