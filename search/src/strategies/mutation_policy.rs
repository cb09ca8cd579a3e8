//! `MutationPolicy`: mutation that has learned which changes pay.

use heirloom_kb::{Architecture, SearchSpace};
use ndarray::Array1;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::evolution::Mutation;
use super::policy::{Choices, Policy, is_exact, pick};
use crate::spaces;

/// Rate of a step of reinforcement.
const RATE: f64 = 0.3;

/// Draws which parameter of a parent to change, and to which value. A change of parameter `j` from `c` to `v` has the
/// probability
///
/// `exp(s_j + l_j(v) - l_j(c)) / m_j`, over the sum of these,
///
/// where `l` are the logits of a [`Policy`] that past tasks have trained, `s` the worth of changing a parameter at
/// all and `m_j` the number of values to change to. So a parameter that matters is changed often where it has a bad
/// value, and seldom where it has a good one. Both `s` and `l` go up the gradient of the log probability by how much
/// a child stands above its parent.
///
/// *Source*: Williams, 1992 (as for [`Policy::reinforce`]); Chen et al., "Reinforced evolutionary neural architecture
/// search", arXiv:1808.00193, for a mutation that is learned.
pub(super) struct MutationPolicy {
    policy: Policy,
    sites: Array1<f64>,
}

/// What was done to a parent.
pub(super) struct Change {
    parent: Choices,
    /// Parameter and category; `None` where there was nothing to change.
    to: Option<(usize, usize)>,
}

impl MutationPolicy {
    pub(super) fn new(policy: Policy) -> Self {
        let sites = Array1::zeros(policy.logits.len());
        MutationPolicy { policy, sites }
    }

    /// Changes of a parent with their probabilities.
    fn changes(&self, space: &SearchSpace, parent: &Choices) -> Vec<((usize, usize), f64)> {
        let mut changes = Vec::new();
        for (param, now) in parent.iter().enumerate() {
            let Some(now) = *now else { continue };
            let logits = &self.policy.logits[param];
            // Within a share of many numbers there is somewhere to go.
            let exact = is_exact(&space.params()[param].range);
            let to: Vec<usize> = (0..logits.len()).filter(|to| *to != now || !exact).collect();
            let even = (to.len() as f64).ln();
            changes.extend(
                to.iter().map(|to| ((param, *to), self.sites[param] + logits[*to] - logits[now] - even)),
            );
        }
        let most = changes.iter().fold(f64::NEG_INFINITY, |most, (_, log)| most.max(*log));
        changes.iter_mut().for_each(|(_, log)| *log = (*log - most).exp());
        let total: f64 = changes.iter().map(|(_, weight)| weight).sum();
        changes.iter_mut().for_each(|(_, weight)| *weight /= total);
        changes
    }
}

impl Mutation for MutationPolicy {
    type Action = Change;

    fn child(
        &mut self,
        space: &SearchSpace,
        parent: &Architecture,
        rng: &mut Xoshiro256PlusPlus,
    ) -> (Architecture, Change) {
        let choices = self.policy.choices(parent);
        let changes = self.changes(space, &choices);
        let weights: Vec<f64> = changes.iter().map(|(_, weight)| *weight).collect();
        let Some(((at, category), _)) = changes.get(pick(&weights, rng)).copied() else {
            return (parent.clone(), Change { parent: choices, to: None });
        };
        let value = self.policy.value(at, category, rng);
        let fresh = |param: &heirloom_kb::Param| {
            let at = space.params().iter().position(|one| one.name == param.name);
            self.policy.draw(at.expect("the parameter is one of the space"), rng)
        };
        let child = spaces::with_value(space, parent, &space.params()[at], &value, fresh);
        (child, Change { parent: choices, to: Some((at, category)) })
    }

    fn learn(&mut self, space: &SearchSpace, change: &Change, gain: f64) {
        let Some(done) = change.to else { return };
        for ((param, category), probability) in self.changes(space, &change.parent) {
            let chosen = f64::from(u8::from((param, category) == done));
            let step = RATE * gain * (chosen - probability);
            self.sites[param] += step;
            self.policy.logits[param][category] += step;
            if let Some(now) = change.parent[param] {
                self.policy.logits[param][now] -= step;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::super::testing::{separable, separable_history};
    use super::*;

    fn share_of_first(mutation: &mut MutationPolicy, parent: &Architecture) -> f64 {
        let (space, mut rng) = (separable(), Xoshiro256PlusPlus::seed_from_u64(2));
        let first = &space.params()[0].name;
        let changed = |child: &Architecture| child.get(first) != parent.get(first);
        let children = (0..2_000).map(|_| mutation.child(&space, parent, &mut rng).0);
        children.filter(changed).count() as f64 / 2_000.0
    }

    fn all(option: usize) -> Architecture {
        let space = separable();
        let params = space.params().iter();
        params.map(|param| (param.name.clone(), param.range.value_at(option as u64).unwrap())).collect()
    }

    /// On the past task the first of five parameters decides, the higher the better.
    #[test]
    fn the_parameter_that_mattered_is_changed_where_it_is_bad() {
        let history = separable_history(&[[8.0, 0.1, 0.1, 0.1, 0.1]]);
        let mut trained = MutationPolicy::new(Policy::trained(&history, &[0]));
        let mut blank = MutationPolicy::new(Policy::uniform(&separable()));
        let (bad, good) = (all(0), all(4));
        let of_blank = share_of_first(&mut blank, &bad);
        assert!((of_blank - 0.2).abs() < 0.03, "{of_blank}");
        let (at_bad, at_good) = (share_of_first(&mut trained, &bad), share_of_first(&mut trained, &good));
        assert!(at_bad > 0.7 && at_good < 0.1, "{at_bad} {at_good}");
    }

    #[test]
    fn changes_that_paid_are_made_again() {
        let space = separable();
        let mut mutation = MutationPolicy::new(Policy::uniform(&space));
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(4);
        let first = &space.params()[0].name;
        for _ in 0..200 {
            let (child, change) = mutation.child(&space, &all(2), &mut rng);
            let gain = if child.get(first) == all(2).get(first) { -0.3 } else { 0.3 };
            mutation.learn(&space, &change, gain);
        }
        let share = share_of_first(&mut mutation, &all(2));
        assert!(share > 0.5, "{share}");
    }
}
