//! What a history that misleads costs: the guard against negative transfer.

use std::sync::Arc;

use heirloom_kb::{Architecture, Domain, Goal, SearchSpace, Split, Task, Trial};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::CHECKPOINTS;
use super::replay::{Answers, Method, replay};
use crate::space_history::SpaceHistory;
use crate::{StrategyKind, spaces};

const SPACE: &str = "misled/1";
/// Candidates of the new task.
const CANDIDATES: usize = 400;
/// Trials of each past task.
const PAST_TRIALS: usize = 100;
/// Past tasks, unless it is said otherwise.
const PAST_TASKS: usize = 4;
/// New tasks, over which regrets are averaged.
const TARGETS: u64 = 48;
const TRIALS: usize = 32;
/// What a misleading history may cost from 8 trials on, as a share of best minus median.
const COST: f64 = 0.05;

/// A choice, two whole numbers and a real number.
fn space() -> SearchSpace {
    serde_json::from_str(
        r#"{"id":"misled/1","params":[
            {"name":"op","range":{"kind":"choice","options":["a","b","c","d","e"]}},
            {"name":"width","range":{"kind":"int","lo":4,"hi":256,"log":true}},
            {"name":"depth","range":{"kind":"int","lo":1,"hi":8}},
            {"name":"lr","range":{"kind":"real","lo":1e-4,"hi":1.0,"log":true}}]}"#,
    )
    .unwrap()
}

/// A smooth function of an architecture.
struct Target {
    options: [f64; 5],
    width: f64,
    depth: f64,
    lr: f64,
    /// How far the best learning rate moves with the depth.
    tie: f64,
}

impl Target {
    /// Any.
    fn drawn(rng: &mut Xoshiro256PlusPlus) -> Self {
        Target {
            options: [(); 5].map(|()| rng.gen_range(0.0..1.0)),
            width: rng.gen_range(0.1..0.9),
            depth: rng.gen_range(0.1..0.9),
            lr: rng.gen_range(0.3..0.7),
            tie: rng.gen_range(-0.4..0.4),
        }
    }

    /// One that is like this one.
    fn relative(&self, rng: &mut Xoshiro256PlusPlus) -> Self {
        let mut near = |middle: f64| middle + rng.gen_range(-0.12..0.12);
        Target {
            options: self.options.map(&mut near),
            width: near(self.width),
            depth: near(self.depth),
            lr: near(self.lr),
            tie: near(self.tie),
        }
    }

    fn score(&self, architecture: &Architecture) -> f64 {
        let option = "abcde".find(architecture.text("op").unwrap()).unwrap();
        let number = |name: &str| architecture.number(name).unwrap();
        let width = (number("width") / 4.0).log2() / 6.0;
        let depth = (number("depth") - 1.0) / 7.0;
        let lr = (number("lr") / 1e-4).log10() / 4.0;
        let best_lr = self.lr + self.tie * (depth - 0.5);
        self.options[option]
            - 2.0 * (width - self.width).powi(2)
            - (depth - self.depth).powi(2)
            - 4.0 * (lr - best_lr).powi(2)
    }
}

/// What is the matter with the past tasks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Past {
    Reversed,
    Noise,
    /// True, as a loss on another scale.
    OtherMetric,
    /// All but the first reversed.
    MostlyReversed,
}

impl Past {
    fn task(self, id: &str) -> Task {
        match self {
            Past::OtherMetric => Task::new(id, Domain::Tabular, "loss", Goal::Minimize),
            _ => Task::new(id, Domain::Tabular, "accuracy", Goal::Maximize),
        }
    }

    fn score(self, at: usize, truth: f64, rng: &mut Xoshiro256PlusPlus) -> f64 {
        match self {
            Past::Reversed => -truth,
            Past::Noise => rng.gen_range(0.0..1.0),
            Past::OtherMetric => 1e3 * (5.0 - truth),
            Past::MostlyReversed => {
                if at == 0 {
                    truth
                } else {
                    -truth
                }
            }
        }
    }
}

fn drawn(n: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<Architecture> {
    (0..n).map(|_| spaces::sample(&space(), rng)).collect()
}

/// Regrets at the checkpoints, averaged over new tasks: of the surrogate with the history of so many past tasks, of the surrogate
/// without, and of random order.
fn regrets(kind: Past, past_tasks: usize) -> [Vec<f64>; 3] {
    let mut sums = [(); 3].map(|()| vec![0.0; 6]);
    for seed in 0..TARGETS {
        let curves = one(kind, past_tasks, seed);
        for (sum, curve) in sums.iter_mut().zip(curves) {
            sum.iter_mut().zip(curve).for_each(|(sum, regret)| *sum += regret / TARGETS as f64);
        }
    }
    let [with, without, random] = &sums;
    println!("{past_tasks} {kind:?}: with {with:.3?}, without {without:.3?}, random {random:.3?}");
    sums
}

fn one(kind: Past, past_tasks: usize, seed: u64) -> [Vec<f64>; 3] {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let new = Task::new("new", Domain::Tabular, "accuracy", Goal::Maximize);
    let target = Target::drawn(&mut rng);
    let trial = |task: &Task, architecture: Architecture, score: f64| {
        Trial::new(&*task.id, SPACE, architecture, Split::Validation, &*task.metric, score)
    };
    let mut tasks = vec![new.clone()];
    let mut trials = Vec::new();
    for at in 0..past_tasks {
        let task = kind.task(&format!("past-{at}"));
        let truth = target.relative(&mut rng);
        for architecture in drawn(PAST_TRIALS, &mut rng) {
            let score = kind.score(at, truth.score(&architecture), &mut rng);
            trials.push(trial(&task, architecture, score));
        }
        tasks.push(task);
    }
    let own: Vec<Trial> = drawn(CANDIDATES, &mut rng)
        .into_iter()
        .map(|architecture| {
            let score = target.score(&architecture);
            trial(&new, architecture, score)
        })
        .collect();
    let history = Arc::new(SpaceHistory::from_trials(space(), tasks, &trials).unwrap());
    let answers = Answers::new(&new, &own, &[], &history);
    let pool = Arc::new(history.candidates(answers.architectures()).unwrap());
    let past = history.past("new", &[]);
    let runs = [
        (StrategyKind::Surrogate, past),
        (StrategyKind::Surrogate, Vec::new()),
        (StrategyKind::Random, Vec::new()),
    ];
    runs.map(|(kind, past)| {
        let method = Method { kind, acquisition: None };
        let curve = replay(method, &history, past, &pool, &answers, TRIALS, seed).unwrap();
        curve.iter().map(|point| point.regret).collect()
    })
}

/// A misleading history costs little once it has been found out, at 8 trials and more.
#[test]
fn a_history_that_misleads_is_found_out() {
    for kind in [Past::Noise, Past::MostlyReversed] {
        costs_little(kind, PAST_TASKS);
    }
}

/// A history that is the wrong way round, once the first trials have shown it, helps nearly as much as one that is right; so does one
/// of few tasks, which nothing in the past tells from a right one.
#[test]
fn a_reversed_history_is_put_to_use() {
    for past_tasks in [1, 3, PAST_TASKS] {
        let [with, without, _] = costs_little(Past::Reversed, past_tasks);
        // Of a single task, after four trials of which one was spread over the pool, it is about a half, above or below by chance.
        let first = if past_tasks == 1 { 0.75 } else { 0.5 };
        for (at, share) in [(2, first), (3, 0.5), (4, 0.5)] {
            assert!(with[at] < share * without[at], "{past_tasks}: {with:?}, {without:?}");
        }
    }
}

fn costs_little(kind: Past, past_tasks: usize) -> [Vec<f64>; 3] {
    let all = regrets(kind, past_tasks);
    let [with, without, _] = &all;
    for at in [3, 4, 5] {
        let (trials, cost) = (CHECKPOINTS[at], with[at] - without[at]);
        assert!(
            cost <= COST,
            "{past_tasks} {kind:?} cost {cost:.3} after {trials} trials: {with:?}, {without:?}"
        );
    }
    all
}

#[test]
fn a_loss_on_another_scale_helps_from_the_first_trial() {
    let [with, without, random] = regrets(Past::OtherMetric, PAST_TASKS);
    for at in [0, 1, 2, 3] {
        assert!(with[at] < without[at] && with[at] < random[at], "{with:?}, {without:?}, {random:?}");
    }
}
