//! REINFORCE from a policy that past tasks have trained.

use heirloom_kb::Architecture;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::candidates::Candidates;
use super::policy::{Choices, Policy, pick};
use super::standing::Standing;
use super::{Proposal, Strategy, propose_each};
use crate::own_trials::OwnTrials;
use crate::{SearchError, spaces};

/// Draws from the policy until one is new.
const DRAWS: usize = 64;

/// How much of the baseline stays when a reward comes in.
const BASELINE_DECAY: f64 = 0.9;

/// Proposes what it draws from a [`Policy`], which learns from each score: the reward is the share of own trials that
/// a trial stands above, less a moving mean of such rewards. Where the candidates are listed, it draws among the open
/// ones, each as likely as the policy makes it; otherwise from the space.
///
/// *Source*: Zoph, Le, "Neural architecture search with reinforcement learning", arXiv:1611.01578, section 3.2, with a
/// distribution a parameter in the place of the recurrent network.
pub(super) struct ReinforceStrategy {
    candidates: Candidates,
    policy: Policy,
    /// Of the whole pool.
    choices: Vec<Choices>,
    standing: Standing,
    baseline: f64,
    rng: Xoshiro256PlusPlus,
}

impl ReinforceStrategy {
    /// Draws among candidates from a policy, which learns from a task's own trials first.
    pub(super) fn new(candidates: Candidates, policy: Policy, own: &OwnTrials, seed: u64) -> Self {
        let pool = &candidates.pool().architectures;
        let choices = pool.iter().map(|one| policy.choices(one)).collect();
        let (rng, standing) = (Xoshiro256PlusPlus::seed_from_u64(seed), Standing::default());
        let mut strategy = ReinforceStrategy { candidates, policy, choices, standing, baseline: 0.5, rng };
        own.best_last().iter().for_each(|(_, score)| strategy.standing.add(*score));
        own.best_last().iter().for_each(|(one, score)| strategy.learn(one, *score));
        strategy
    }

    fn learn(&mut self, canonical: &Architecture, score: Option<f64>) {
        let reward = self.standing.of(score);
        self.policy.reinforce(&self.policy.choices(canonical), reward - self.baseline);
        self.baseline = BASELINE_DECAY * self.baseline + (1.0 - BASELINE_DECAY) * reward;
    }

    fn propose(&mut self) -> Option<Proposal> {
        let drawn = if self.candidates.is_closed() { self.draw_listed() } else { self.draw_any() };
        let canonical = drawn.or_else(|| self.candidates.any())?;
        let why = "drawn from the policy".into();
        Some(Proposal { architecture: self.candidates.take(&canonical), mean: None, std: None, why })
    }

    fn draw_listed(&mut self) -> Option<Architecture> {
        let log = self.policy.log_probabilities();
        let of = |choices: &Choices| -> f64 {
            choices.iter().zip(&log).filter_map(|(category, log)| category.map(|at| log[at])).sum()
        };
        let open = self.candidates.open();
        let logs: Vec<f64> = open.iter().map(|at| of(&self.choices[*at])).collect();
        let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = logs.iter().map(|log| (log - most).exp()).collect();
        let at = open.get(pick(&weights, &mut self.rng))?;
        Some(self.candidates.pool().architectures[*at].clone())
    }

    fn draw_any(&mut self) -> Option<Architecture> {
        let space = self.candidates.encoder().space().id();
        let mut drawn = (0..DRAWS).map(|_| spaces::canonical(space, &self.policy.sample(&mut self.rng)));
        drawn.find(|drawn| self.candidates.allows(drawn))
    }
}

impl Strategy for ReinforceStrategy {
    fn ask(&mut self, n: usize) -> Result<Vec<Proposal>, SearchError> {
        let proposals = propose_each(n, || Ok(self.propose()))?;
        proposals.ok_or_else(|| self.candidates.exhausted())
    }

    fn take_up(&mut self, architecture: &Architecture) -> Result<(), SearchError> {
        self.candidates.spend_checked(architecture).map(drop)
    }

    fn tell(&mut self, architecture: &Architecture, score: Option<f64>) -> Result<(), SearchError> {
        let canonical = self.candidates.spend_checked(architecture)?;
        self.standing.add(score);
        self.learn(&canonical, score);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::StrategyKind;
    use super::super::testing::{separable, separable_history};
    use super::*;

    /// Only the first parameter counts on the new task, and its last option is best: later proposals choose it more
    /// often.
    #[test]
    fn proposals_shift_towards_what_scored() {
        let history = Arc::new(separable_history(&[]));
        let pool = Arc::clone(history.pool());
        let own = OwnTrials::default();
        let mut strategy = StrategyKind::Reinforce
            .start(&history, &crate::strategies::testing::new_task(), Vec::new(), pool, own, 3)
            .unwrap();
        let space = separable();
        let first = &space.params()[0];
        let mut chosen = Vec::new();
        for _ in 0..300 {
            let one = strategy.ask(1).unwrap().remove(0).architecture;
            let level = first.range.index_of(one.get(&first.name).unwrap()).unwrap();
            chosen.push(level == 4);
            strategy.tell(&one, Some(level as f64)).unwrap();
        }
        let share = |of: &[bool]| of.iter().filter(|best| **best).count() as f64 / of.len() as f64;
        let (early, late) = (share(&chosen[..50]), share(&chosen[200..]));
        assert!(early < 0.5 && late > 0.8, "{early} {late}");
    }
}
