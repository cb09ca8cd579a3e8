//! What a study that knows of a constraint gains over one that does not and whose trials are filtered afterwards: each task of a
//! history in turn is the new one, and may cost no more than the cheapest part of its architectures do.
//!
//! `cargo run --release -p heirloom-search --example constrained_search -- HISTORY.jsonl SPACE COST [QUANTILE [TRIALS_A_TASK]]`
#![allow(clippy::print_stdout, reason = "it is a program")]

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use heirloom_kb::{Batch, KnowledgeStore, MemoryStore, Name, Split, Task, Trial, TrialQuery, jsonl};
use heirloom_search::{
    Bound, Constraints, HistoryChoice, Recommender, StrategyKind, Study, StudySetup, find_space,
};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

const CHECKPOINTS: [usize; 6] = [1, 2, 4, 8, 16, 32];
const SEEDS: u64 = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [file, space, cost, rest @ ..] = args.as_slice() else {
        return Err("usage: constrained_search HISTORY.jsonl SPACE COST [QUANTILE [TRIALS_A_TASK]]".into());
    };
    let quantile = rest.first().map_or(Ok(0.25), |quantile| quantile.parse::<f64>())?;
    let limit = rest.get(1).map_or(Ok(500), |limit| limit.parse::<usize>())?;
    let cost = Name::from(cost.as_str());
    let whole = MemoryStore::default();
    let options = jsonl::ImportOptions { strict: true, ..Default::default() };
    jsonl::import_path(Path::new(file), &whole, options, &mut |_| {})?;
    let trials = whole.trials(&TrialQuery::space(space.as_str(), Split::Validation))?.trials;
    let tasks = whole.tasks()?;
    let space = find_space(&whole, space)?;
    let mut sums = [[(0.0, 0.0); CHECKPOINTS.len()]; 2];
    let mut replays = 0.0;
    for seed in 0..SEEDS {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let by_task: Vec<&[Trial]> = trials.chunk_by(|a, b| a.task == b.task).collect();
        let sampled: Vec<Trial> = by_task
            .iter()
            .flat_map(|task| task.choose_multiple(&mut rng, limit).cloned().collect::<Vec<_>>())
            .collect();
        let store = MemoryStore::default();
        store.commit(&Batch { spaces: vec![space.clone()], tasks: tasks.clone(), trials: sampled })?;
        let recommender = Recommender::new(Arc::new(store));
        for of_task in by_task {
            let Some(task) = tasks.iter().find(|task| task.id == of_task[0].task) else { continue };
            let answers = Answers::new(task, of_task, &cost, quantile);
            replays += 1.0;
            for (sums, constrained) in sums.iter_mut().zip([true, false]) {
                let curve = replay(&recommender, space.id(), &answers, constrained, seed)?;
                for (sum, point) in sums.iter_mut().zip(curve) {
                    *sum = (sum.0 + point.0, sum.1 + point.1);
                }
            }
        }
    }
    println!(
        "regret among those within the constraint after so many trials, and the share of trials within it"
    );
    println!("{:>14} {}", "", CHECKPOINTS.map(|k| format!("{k:>12}")).join(""));
    for (name, sums) in ["constrained", "filtered"].iter().zip(sums) {
        let cells = sums.map(|(regret, kept)| format!("{:>7.3} {:.2}", regret / replays, kept / replays));
        println!("{name:>14} {}", cells.join(""));
    }
    Ok(())
}

/// What a task has measured, and the limit on its cost.
struct Answers<'a> {
    task: &'a Task,
    trials: &'a [Trial],
    cost: &'a Name,
    limit: f64,
    /// Scores of those within the limit, ascending, higher is better.
    within: Vec<f64>,
}

impl<'a> Answers<'a> {
    fn new(task: &'a Task, trials: &'a [Trial], cost: &'a Name, quantile: f64) -> Self {
        let mut costs: Vec<f64> = trials.iter().map(|trial| trial.costs[cost]).collect();
        costs.sort_by(f64::total_cmp);
        let limit = costs[(quantile * costs.len() as f64) as usize];
        let kept = trials.iter().filter(|trial| trial.costs[cost] <= limit);
        let scores = kept.filter_map(|trial| trial.score);
        let mut within: Vec<f64> = scores.map(|score| task.goal.higher_is_better(score)).collect();
        within.sort_by(f64::total_cmp);
        Answers { task, trials, cost, limit, within }
    }

    /// The best is 0, the median of those within the limit 1; nothing within counts as the worst of them.
    fn regret(&self, best: Option<f64>) -> f64 {
        let n = self.within.len();
        let (most, median) = (self.within[n - 1], self.within[n / 2]);
        (most - best.unwrap_or(self.within[0]).max(self.within[0])) / (most - median)
    }
}

/// Regret and share of trials within the limit at each checkpoint.
fn replay(
    recommender: &Recommender,
    space: &Name,
    answers: &Answers<'_>,
    constrained: bool,
    seed: u64,
) -> Result<Vec<(f64, f64)>, Box<dyn Error>> {
    let task = answers.task;
    let bound = Bound { min: None, max: Some(answers.limit) };
    let constraints = if constrained { [(answers.cost.clone(), bound)].into() } else { Constraints::new() };
    let setup = StudySetup {
        scheduler: None,
        task: task.id.clone(),
        space: space.clone(),
        candidates: Some(answers.trials.iter().map(|trial| trial.architecture.clone()).collect()),
        prior: None,
        strategy: StrategyKind::Surrogate,
        acquisition: None,
        seed,
        history: HistoryChoice { exclude_tasks: vec![task.id.clone()] },
        constraints,
        pareto: Vec::new(),
        per: None,
        device: None,
    };
    let mut study = Study::rehearse(recommender, setup)?;
    let book: HashMap<String, &Trial> =
        answers.trials.iter().map(|trial| (trial.architecture.to_string(), trial)).collect();
    let (mut best, mut kept): (Option<f64>, usize) = (None, 0);
    let mut curve = Vec::new();
    for n in 1..=CHECKPOINTS[CHECKPOINTS.len() - 1] {
        let proposal = study.ask(1)?.remove(0);
        let trial = book[&proposal.architecture.to_string()];
        if trial.costs[answers.cost] <= answers.limit {
            kept += 1;
            let score = trial.score.map(|score| task.goal.higher_is_better(score));
            best = best.into_iter().chain(score).reduce(f64::max);
        }
        study.tell(vec![trial.clone()])?;
        if CHECKPOINTS.contains(&n) {
            curve.push((answers.regret(best), kept as f64 / n as f64));
        }
    }
    Ok(curve)
}
