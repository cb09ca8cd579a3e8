//! Spaces and histories for the tests of strategies.

use std::sync::Arc;

use heirloom_kb::{Architecture, Domain, Goal, SearchSpace, Split, Task, Trial, Value};

use super::StrategyKind;
use crate::own_trials::OwnTrials;
use crate::space_history::SpaceHistory;
use crate::spaces;

/// A choice, a whole number, and a real number that counts for two options only.
pub(super) fn mixed() -> SearchSpace {
    serde_json::from_str(
        r#"{"id":"mixed/1","params":[
            {"name":"op","range":{"kind":"choice","options":["a","b","c","d","e"]}},
            {"name":"n","range":{"kind":"int","lo":0,"hi":9}},
            {"name":"lr","range":{"kind":"real","lo":1e-4,"hi":1.0,"log":true},"active_if":[{"param":"op","any_of":["a","b"]}]}]}"#,
    )
    .unwrap()
}

fn task(id: &str) -> Task {
    Task::new(id, Domain::Tabular, "accuracy", Goal::Maximize)
}

/// A trial in [`mixed`].
pub(super) fn trial(task: &str, op: &str, n: i64, score: f64) -> Trial {
    let mut architecture: Architecture = [("op", Value::from(op)), ("n", n.into())].into_iter().collect();
    if matches!(op, "a" | "b") {
        architecture.set(&"lr".into(), 0.01.into());
    }
    Trial::new(task, "mixed/1", architecture, Split::Validation, "accuracy", score)
}

/// The history in [`mixed`] of tasks `t` and `u`.
pub(super) fn history(trials: &[Trial]) -> SpaceHistory {
    SpaceHistory::from_trials(mixed(), vec![task("t"), task("u")], trials).unwrap()
}

/// Five choices of five options: 3,125 architectures.
pub(crate) fn separable() -> SearchSpace {
    let params: Vec<String> = (0..5)
        .map(|n| format!(r#"{{"name":"p{n}","range":{{"kind":"choice","options":["0","1","2","3","4"]}}}}"#))
        .collect();
    serde_json::from_str(&format!(r#"{{"id":"separable/1","params":[{}]}}"#, params.join(","))).unwrap()
}

/// The sum of the options' numbers, weighted: at most four times the weights.
pub(crate) fn worth(architecture: &Architecture, weights: &[f64; 5]) -> f64 {
    let number = |n: usize| architecture.text(&format!("p{n}")).unwrap().parse::<f64>().unwrap();
    weights.iter().enumerate().map(|(n, weight)| weight * number(n)).sum()
}

/// Sixty trials of each of several tasks in [`separable`], which weigh the parameters so.
pub(super) fn separable_history(tasks: &[[f64; 5]]) -> SpaceHistory {
    let names = (0..tasks.len()).map(|t| format!("t{t}"));
    let mut trials = Vec::new();
    for ((name, weights), seed) in names.clone().zip(tasks).zip(0..) {
        for architecture in crate::strategies::testing::drawn(60, seed) {
            let score = worth(&architecture, weights);
            trials.push(Trial::new(
                &*name,
                "separable/1",
                architecture,
                Split::Validation,
                "accuracy",
                score,
            ));
        }
    }
    SpaceHistory::from_trials(separable(), names.map(|name| task(&name)).collect(), &trials).unwrap()
}

/// Architectures of [`separable`] drawn at random.
pub(crate) fn drawn(n: usize, seed: u64) -> Vec<Architecture> {
    use rand::SeedableRng;
    let mut rng = rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(seed);
    (0..n).map(|_| spaces::sample(&separable(), &mut rng)).collect()
}

/// The best that a strategy finds on a new task that weighs the parameters so, the mean over 20 seeds.
pub(super) fn best_of(kind: StrategyKind, history: SpaceHistory, trials: usize, weights: [f64; 5]) -> f64 {
    let history = Arc::new(history);
    let past: Vec<usize> = (0..history.table().tasks().len()).collect();
    let one = |seed: u64| {
        let (pool, own) = (Arc::clone(history.pool()), OwnTrials::default());
        let mut strategy = kind.start(&history, &new_task(), past.clone(), pool, own, seed).unwrap();
        (0..trials).fold(0.0_f64, |best, _| {
            let next = strategy.ask(1).unwrap().remove(0).architecture;
            let score = worth(&next, &weights);
            strategy.tell(&next, Some(score)).unwrap();
            best.max(score)
        })
    };
    (0..20).map(one).sum::<f64>() / 20.0
}

/// A task that no history has.
pub(super) fn new_task() -> Task {
    task("new")
}
