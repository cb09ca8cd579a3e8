//! Regularised evolution, from what did best on past tasks.

use std::collections::{HashMap, VecDeque};

use heirloom_kb::{Architecture, SearchSpace};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::candidates::Candidates;
use super::population::{Member, Population};
use super::standing::Standing;
use super::{Ancestors, Proposal, Strategy, propose_each};
use crate::own_trials::OwnTrials;
use crate::{SearchError, spaces};

/// Trials that can become parents. Few, for a study is of tens of trials and the first are the founders: with 8 and 16
/// the mean regret on NAS-Bench-Graph is .497 and .510, which is less than the intervals are wide
/// (`heirloom bench --space nas-bench-graph/1 --history 500 --seeds 3 --method evolution`).
const POPULATION: usize = 8;

/// Members that a parent is the best of.
const TOURNAMENT: usize = 5;

/// Children drawn of a parent until one is new and allowed.
const DRAWS: usize = 64;

/// How a child comes from its parent.
pub(super) trait Mutation: Send {
    /// What was done, to be learned from.
    type Action: Send;

    /// A child, not yet canonical.
    fn child(
        &mut self,
        space: &SearchSpace,
        parent: &Architecture,
        rng: &mut Xoshiro256PlusPlus,
    ) -> (Architecture, Self::Action);

    /// Learns by how much a child stands above its parent among all own trials, from -1 to 1.
    fn learn(&mut self, space: &SearchSpace, action: &Self::Action, gain: f64);
}

/// One parameter is changed: a choice is drawn anew, a number takes a step.
pub(super) struct AnyParameter;

/// Width of a number's steps, as a share of its range.
const STEP: f64 = 0.2;

impl Mutation for AnyParameter {
    type Action = ();

    fn child(
        &mut self,
        space: &SearchSpace,
        parent: &Architecture,
        rng: &mut Xoshiro256PlusPlus,
    ) -> (Architecture, ()) {
        (spaces::perturb(space, parent, STEP, rng), ())
    }

    fn learn(&mut self, _space: &SearchSpace, (): &(), _gain: f64) {}
}

/// Proposes first what did best on past tasks, then mutants of the winners of tournaments. Members of the population
/// age: the oldest leaves when a new trial is told, so nothing stays for having been lucky once.
///
/// *Source*: Real, Aggarwal, Huang, Le, "Regularized evolution for image classifier architecture search",
/// arXiv:1802.01548, algorithm 1; the population is started from past tasks instead of at random.
pub(super) struct EvolutionStrategy<M: Mutation> {
    candidates: Candidates,
    mutation: M,
    population: Population,
    /// Still to be tried before there are children.
    founders: VecDeque<Architecture>,
    /// Proposed and not yet told, as children of whom, by what.
    pending: HashMap<Vec<u64>, (Option<f64>, M::Action)>,
    standing: Standing,
    rng: Xoshiro256PlusPlus,
}

impl<M: Mutation> EvolutionStrategy<M> {
    /// Evolution among candidates, from these ancestors and a task's own trials.
    pub(super) fn new(
        candidates: Candidates,
        ancestors: &Ancestors,
        own: &OwnTrials,
        mutation: M,
        seed: u64,
    ) -> Self {
        let known = |founder: &&Architecture| candidates.allows(founder);
        let wanted = POPULATION.saturating_sub(own.len());
        let mut founders: VecDeque<Architecture> =
            ancestors.best_first().iter().filter(known).take(wanted).cloned().collect();
        // Without a past, the first generation is drawn at random.
        let drawn = candidates.open().iter().map(|at| &candidates.pool().architectures[*at]);
        let missing = wanted - founders.len();
        let drawn: Vec<_> = drawn.filter(|one| !founders.contains(one)).take(missing).cloned().collect();
        founders.extend(drawn);
        let mut strategy = EvolutionStrategy {
            candidates,
            mutation,
            population: Population::new(POPULATION),
            founders,
            pending: HashMap::new(),
            standing: Standing::default(),
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
        };
        strategy.join(own.best_last());
        strategy
    }

    fn join(&mut self, members: Vec<(Architecture, Option<f64>)>) {
        for (architecture, score) in members {
            self.standing.add(score);
            self.population.push(Member { architecture, score });
        }
    }

    fn propose(&mut self) -> Result<Option<Proposal>, SearchError> {
        while let Some(founder) = self.founders.pop_front() {
            if self.candidates.allows(&founder) {
                let why = "among the best on past tasks, to start the population".into();
                return Ok(Some(self.proposal(&founder, why)));
            }
        }
        let Some(parent) = self.population.tournament(TOURNAMENT, &mut self.rng).cloned() else {
            let any = self.candidates.any();
            return Ok(
                any.map(|any| self.proposal(&any, "drawn at random: nothing has been told yet".into()))
            );
        };
        let mut last = None;
        for _ in 0..DRAWS {
            let space = self.candidates.encoder().space();
            let (child, action) = self.mutation.child(space, &parent.architecture, &mut self.rng);
            let child = spaces::canonical(space.id(), &child);
            if self.candidates.allows(&child) {
                let key = self.candidates.encoder().key(&child);
                self.pending.insert(key, (parent.score, action));
                return Ok(Some(self.proposal(&child, bred(&parent, "a mutant"))));
            }
            last = Some(child);
        }
        let near = self.candidates.nearest(last.as_ref().unwrap_or(&parent.architecture), 1)?;
        let near = near.first().map(|near| (*near).clone());
        Ok(near.map(|near| self.proposal(&near, bred(&parent, "the candidate nearest to a mutant"))))
    }

    fn proposal(&mut self, canonical: &Architecture, why: String) -> Proposal {
        Proposal { architecture: self.candidates.take(canonical), mean: None, std: None, why }
    }
}

fn bred(parent: &Member, what: &str) -> String {
    format!("{what} of {}, the best of {TOURNAMENT} drawn from the latest trials", parent.architecture)
}

impl<M: Mutation> Strategy for EvolutionStrategy<M> {
    fn ask(&mut self, n: usize) -> Result<Vec<Proposal>, SearchError> {
        let proposals = propose_each(n, || self.propose())?;
        proposals.ok_or_else(|| self.candidates.exhausted())
    }

    fn take_up(&mut self, architecture: &Architecture) -> Result<(), SearchError> {
        self.candidates.spend_checked(architecture).map(drop)
    }

    fn tell(&mut self, architecture: &Architecture, score: Option<f64>) -> Result<(), SearchError> {
        let canonical = self.candidates.spend_checked(architecture)?;
        self.standing.add(score);
        if let Some((parent, action)) = self.pending.remove(&self.candidates.encoder().key(&canonical)) {
            let gain = self.standing.of(score) - self.standing.of(parent);
            self.mutation.learn(self.candidates.encoder().space(), &action, gain);
        }
        self.population.push(Member { architecture: canonical, score });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::StrategyKind;
    use super::super::testing::{best_of, separable_history};

    /// Six past tasks weigh five parameters much like the new one. Best scores after 24 trials, of at most 20, over
    /// 20 seeds.
    #[test]
    fn a_start_from_the_past_beats_chance_and_a_start_from_nothing() {
        let past: Vec<[f64; 5]> = (0..6).map(|t| [1.0 + 0.1 * t as f64, 0.5, 1.5, 0.8, 1.2]).collect();
        let (with, without) = (separable_history(&past), separable_history(&[]));
        let weights = [1.0, 1.0, 1.0, 1.0, 1.0];
        let warm = best_of(StrategyKind::Evolution, with, 24, weights);
        let cold = best_of(StrategyKind::Evolution, without, 24, weights);
        let random = best_of(StrategyKind::Random, separable_history(&[]), 24, weights);
        assert!(warm > cold + 0.5 && cold > random + 0.5, "{warm} {cold} {random}");
    }

    #[test]
    fn a_learned_mutation_climbs_faster() {
        let past = [[3.0, 0.1, 3.0, 0.1, 0.1], [2.0, 0.1, 3.0, 0.1, 0.1]];
        let weights = [3.0, 0.1, 2.0, 0.1, 0.1];
        let learned = best_of(StrategyKind::EvolutionPolicy, separable_history(&past), 24, weights);
        let blind = best_of(StrategyKind::Evolution, separable_history(&past), 24, weights);
        assert!(learned > blind, "{learned} {blind}");
    }
}
