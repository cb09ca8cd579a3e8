//! `Policy`: which values of which parameters are worth trying.

use heirloom_kb::{Architecture, Param, Range, SearchSpace, Value};
use heirloom_predictor::TaskScores;
use ndarray::Array1;
use rand::Rng;

use crate::space_history::SpaceHistory;
use crate::spaces;

/// Shares that a range of many numbers is cut into.
const BINS: usize = 8;

/// Integer ranges of at most so many values have a category a value.
const FEW: u64 = 16;

/// How much likelier a category is whose trials scored a standard deviation more, as a logarithm.
const SHARPNESS: f64 = 2.0;

/// Average trials that every category is thought to have had besides.
const PRIOR_TRIALS: f64 = 4.0;

/// Rate of a step of reinforcement.
const RATE: f64 = 0.3;

/// Weight of the entropy in what is reinforced.
const ENTROPY: f64 = 0.01;

/// The category of each parameter's value, `None` where it is inactive.
pub(super) type Choices = Vec<Option<usize>>;

/// A distribution over the architectures of a space: one categorical distribution a parameter, in logits, of which
/// only those of active parameters count. Options, levels and few integers are a category each; a range of more
/// numbers is cut into equal shares, within which a number is drawn uniformly.
pub(super) struct Policy {
    space: SearchSpace,
    /// Logits, `(categories,)` a parameter.
    pub(super) logits: Vec<Array1<f64>>,
}

impl Policy {
    /// Every category as likely as the others.
    pub(super) fn uniform(space: &SearchSpace) -> Self {
        let logits = space.params().iter().map(|param| Array1::zeros(categories(&param.range))).collect();
        Policy { space: space.clone(), logits }
    }

    /// A step of natural policy gradient from the uniform policy, of a fixed length: the logit of a category is the
    /// mean normalised score of a task's trials that chose it, the mean over tasks, times the length. Means and not
    /// sums are taken, so that a category is not favoured for having been tried often; few trials are drawn towards
    /// 0, the average.
    ///
    /// *Source*: Kakade, "A natural policy gradient", 2001, theorem 1: for a softmax the natural gradient is the
    /// advantages.
    pub(super) fn trained(history: &SpaceHistory, past: &[usize]) -> Self {
        let mut policy = Policy::uniform(history.space());
        let table = history.table();
        let choices: Vec<Choices> = table.architectures().iter().map(|one| policy.choices(&one)).collect();
        for scores in past.iter().map(|at| &table.tasks()[*at]) {
            policy.learn_task(scores, &choices, 1.0 / past.len() as f64);
        }
        policy
    }

    fn learn_task(&mut self, scores: &TaskScores, choices: &[Choices], share: f64) {
        let mut sums: Vec<Array1<f64>> =
            self.logits.iter().map(|logits| Array1::zeros(logits.len())).collect();
        let mut counts: Vec<Array1<f64>> =
            self.logits.iter().map(|logits| Array1::from_elem(logits.len(), PRIOR_TRIALS)).collect();
        for (row, z) in scores.rows.iter().zip(&scores.z) {
            for (param, category) in choices[*row].iter().enumerate() {
                let Some(category) = *category else { continue };
                sums[param][category] += z;
                counts[param][category] += 1.0;
            }
        }
        for ((logits, sums), counts) in self.logits.iter_mut().zip(sums).zip(counts) {
            logits.scaled_add(SHARPNESS * share, &(sums / counts));
        }
    }

    /// The category of each parameter.
    pub(super) fn choices(&self, architecture: &Architecture) -> Choices {
        let category =
            |param: &Param| architecture.get(&param.name).map(|value| category(&param.range, value));
        self.space.params().iter().map(category).collect()
    }

    /// Log probability of each category of each parameter.
    pub(super) fn log_probabilities(&self) -> Vec<Array1<f64>> {
        self.logits.iter().map(log_softmax).collect()
    }

    /// An architecture drawn from the policy.
    pub(super) fn sample(&self, rng: &mut impl Rng) -> Architecture {
        let mut architecture = Architecture::default();
        for (at, param) in self.space.params().iter().enumerate() {
            if self.space.is_active(param, &architecture) {
                architecture.set(&param.name, self.draw(at, rng));
            }
        }
        architecture
    }

    /// A value of the `at`-th parameter.
    pub(super) fn draw(&self, at: usize, rng: &mut impl Rng) -> Value {
        let probabilities: Vec<f64> = log_softmax(&self.logits[at]).iter().map(|log| log.exp()).collect();
        self.value(at, pick(&probabilities, rng), rng)
    }

    /// A value of a category of the `at`-th parameter.
    pub(super) fn value(&self, at: usize, category: usize, rng: &mut impl Rng) -> Value {
        let range = &self.space.params()[at].range;
        match range.value_at(category as u64).filter(|_| is_exact(range)) {
            Some(value) => value,
            None => spaces::value_near(range, (category as f64 + rng.r#gen::<f64>()) / BINS as f64),
        }
    }

    /// A step of policy gradient: up the log probability of what was chosen by an advantage, and up the entropy.
    ///
    /// *Source*: Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement learning",
    /// 1992, equation 4; for a softmax the gradient is `chosen - probabilities`.
    pub(super) fn reinforce(&mut self, choices: &Choices, advantage: f64) {
        for (logits, category) in self.logits.iter_mut().zip(choices) {
            let Some(category) = *category else { continue };
            let log = log_softmax(logits);
            let p = log.mapv(f64::exp);
            let entropy = -(&p * &log).sum();
            let mut gradient = p.mapv(|p| -advantage * p);
            gradient[category] += advantage;
            gradient.scaled_add(-ENTROPY, &(&p * &(log + entropy)));
            logits.scaled_add(RATE, &gradient);
        }
    }
}

/// A position drawn in proportion to weights; the last one that has any, should rounding run past the end.
pub(super) fn pick(weights: &[f64], rng: &mut impl Rng) -> usize {
    let total: f64 = weights.iter().sum();
    let mut left = rng.r#gen::<f64>() * total;
    let mut last = 0;
    for (at, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        left -= weight;
        last = at;
        if left < 0.0 {
            break;
        }
    }
    last
}

fn log_softmax(logits: &Array1<f64>) -> Array1<f64> {
    let most = logits.fold(f64::NEG_INFINITY, |a, b| a.max(*b));
    let total = logits.mapv(|logit| (logit - most).exp()).sum();
    logits.mapv(|logit| logit - most - total.ln())
}

/// Whether each value is a category of its own.
pub(super) fn is_exact(range: &Range) -> bool {
    match range {
        Range::Choice { .. } | Range::Levels { .. } => true,
        Range::Int { .. } => range.cardinality().is_some_and(|n| n <= FEW),
        Range::Real { .. } => false,
    }
}

fn categories(range: &Range) -> usize {
    match range.cardinality().filter(|_| is_exact(range)) {
        Some(n) => n as usize,
        None => BINS,
    }
}

fn category(range: &Range, value: &Value) -> usize {
    if is_exact(range) {
        return range.index_of(value).unwrap_or(0) as usize;
    }
    ((spaces::position(range, value) * BINS as f64) as usize).min(BINS - 1)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::super::testing::{history, mixed, trial};
    use super::*;

    fn p(policy: &Policy, param: usize) -> Vec<f64> {
        policy.log_probabilities()[param].mapv(f64::exp).to_vec()
    }

    #[test]
    fn training_follows_scores_and_not_how_often_something_was_tried() {
        // "a" was tried most and did worst, on a task whose scores are a thousand times those of the other.
        let mut trials: Vec<_> = (0..30).map(|n| trial("t", "a", n % 10, (n as f64) - 9e3)).collect();
        trials.extend((0..10).map(|n| trial("t", "d", n, 1e3 + n as f64)));
        trials
            .extend((0..10).map(|n| trial("u", "a", n, 0.1)).chain((0..10).map(|n| trial("u", "d", n, 0.9))));
        let policy = Policy::trained(&history(&trials), &[0, 1]);
        let of = p(&policy, 0);
        assert!(of[3] > 3.0 * of[0] && of[3] > of[2] && of[2] > of[0], "{of:?}");
        assert!((of.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        // n mattered only within the tasks, a little.
        assert!(p(&policy, 1).iter().all(|p| (0.02..0.3).contains(p)));
        assert_eq!(p(&Policy::trained(&history(&trials), &[]), 0), p(&Policy::uniform(&mixed()), 0));
    }

    /// The gradient against differences of `advantage * log p + ENTROPY * H`.
    #[test]
    fn a_step_goes_up_the_gradient() {
        let mut policy = Policy::uniform(&mixed());
        policy.logits[0] = Array1::from(vec![0.3, -0.2, 0.9, 0.0, -1.0]);
        let before = policy.logits[0].clone();
        let aim = |logits: &Array1<f64>| {
            let log = log_softmax(logits);
            0.7 * log[1] - ENTROPY * (&log * &log.mapv(f64::exp)).sum()
        };
        policy.reinforce(&vec![Some(1), None, None], 0.7);
        for at in 0..5 {
            let (mut up, mut down) = (before.clone(), before.clone());
            up[at] += 1e-5;
            down[at] -= 1e-5;
            let slope = (aim(&up) - aim(&down)) / 2e-5;
            let step = (policy.logits[0][at] - before[at]) / RATE;
            assert!((slope - step).abs() < 1e-8, "{at}: {slope} {step}");
        }
        assert!(policy.logits[1].iter().all(|logit| *logit == 0.0), "inactive parameters learn nothing");
    }

    #[test]
    fn samples_are_of_the_space_and_follow_the_policy() {
        let (space, mut rng) = (mixed(), Xoshiro256PlusPlus::seed_from_u64(5));
        let mut policy = Policy::uniform(&space);
        policy.logits[0][2] = 3.0;
        policy.logits[2][7] = 3.0;
        let drawn: Vec<Architecture> = (0..2_000).map(|_| policy.sample(&mut rng)).collect();
        for one in &drawn {
            assert_eq!(&space.normalise(one).unwrap(), one);
            assert_eq!(policy.choices(one)[2].is_some(), one.number("lr").is_some());
        }
        let share =
            |of: &dyn Fn(&&Architecture) -> bool| drawn.iter().filter(of).count() as f64 / drawn.len() as f64;
        let c = share(&|one| one.text("op") == Some("c"));
        assert!((c - p(&policy, 0)[2]).abs() < 0.03, "{c}");
        let active = share(&|one| one.number("lr").is_some());
        let high = share(&|one| one.number("lr").is_some_and(|lr| lr > 1e-4 * 1e4_f64.powf(7.0 / 8.0)));
        assert!((high / active - p(&policy, 2)[7]).abs() < 0.06, "{high} of {active}");
    }
}
