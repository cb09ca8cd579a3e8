//! How far the cost model is off on a task that it has not seen, against the number of trials that the task has made: each task
//! of a history in turn is the new one.
//!
//! `cargo run --release -p heirloom-search --example cost_errors -- HISTORY.jsonl SPACE [TRIALS_A_TASK]`
#![allow(clippy::print_stdout, reason = "it is a program")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use heirloom_kb::{KnowledgeStore, MemoryStore, Name, SearchSpace, Split, Trial, TrialQuery, jsonl};
use heirloom_predictor::{CostModel, CostTable, CostTarget, CostViews};
use heirloom_search::{find_space, spaces};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

const SAMPLES: [usize; 8] = [0, 1, 2, 4, 8, 16, 32, 64];
const SEEDS: u64 = 3;
/// Trials of the new task that the model is held against.
const TESTED: usize = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [file, space, rest @ ..] = args.as_slice() else {
        return Err("usage: cost_errors HISTORY.jsonl SPACE [TRIALS_A_TASK]".into());
    };
    let limit = rest.first().map(|limit| limit.parse::<usize>()).transpose()?;
    let store = MemoryStore::default();
    let options = jsonl::ImportOptions { strict: true, ..Default::default() };
    jsonl::import_path(Path::new(file), &store, options, &mut |_| {})?;
    let trials = store.trials(&TrialQuery::space(space.as_str(), Split::Validation))?.trials;
    let space = find_space(&store, space)?;
    let names: std::collections::BTreeSet<Name> =
        trials.iter().flat_map(|trial| trial.costs.keys().cloned()).collect();
    for cost in names {
        let found = measure(&space, &trials, &cost, limit)?;
        println!("{cost}: median relative error, and the share of costs within the 95 % interval");
        println!("{:>20} {}", "task \\ own trials", SAMPLES.map(|n| format!("{n:>12}")).join(""));
        let mut means = vec![(0.0, 0.0); SAMPLES.len()];
        for (task, curve) in &found {
            print_line(task, curve);
            for (mean, point) in means.iter_mut().zip(curve) {
                mean.0 += point.0 / found.len() as f64;
                mean.1 += point.1 / found.len() as f64;
            }
        }
        print_line("mean", &means);
    }
    Ok(())
}

fn print_line(name: &str, curve: &[(f64, f64)]) {
    let cells: Vec<String> = curve.iter().map(|(error, kept)| format!("{error:>7.3} {kept:.2}")).collect();
    println!("{name:>20} {}", cells.join(""));
}

/// By task: error and coverage for each number of own trials, means over seeds.
type Curves = BTreeMap<Name, Vec<(f64, f64)>>;

fn measure(
    space: &SearchSpace,
    trials: &[Trial],
    cost: &Name,
    limit: Option<usize>,
) -> Result<Curves, Box<dyn Error>> {
    let mut found = Curves::new();
    for seed in 0..SEEDS {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let by_task: Vec<&[Trial]> = trials.chunk_by(|a, b| a.task == b.task).collect();
        let history: Vec<Trial> = by_task
            .iter()
            .flat_map(|task| task.choose_multiple(&mut rng, limit.unwrap_or(task.len())).cloned())
            .collect();
        let canonical = |architecture: &_| spaces::canonical(space.id(), architecture);
        let table = Arc::new(CostTable::new(space, &history, canonical)?);
        let model = CostModel::new(&table, cost, None)?;
        for task in by_task {
            let curve = found.entry(task[0].task.clone()).or_insert_with(|| vec![(0.0, 0.0); SAMPLES.len()]);
            let order: Vec<&Trial> = task
                .choose_multiple(&mut rng, TESTED + 64)
                .filter(|trial| trial.costs.contains_key(cost))
                .collect();
            for (point, n) in curve.iter_mut().zip(SAMPLES) {
                let (error, kept) = one(&model, space, &task[0].task, cost, &order, n)?;
                point.0 += error / SEEDS as f64;
                point.1 += kept / SEEDS as f64;
            }
        }
    }
    Ok(found)
}

fn one(
    model: &CostModel,
    space: &SearchSpace,
    task: &Name,
    cost: &Name,
    order: &[&Trial],
    n: usize,
) -> Result<(f64, f64), Box<dyn Error>> {
    let exclude = [task.clone()];
    let target = CostTarget { task, device: None, exclude_tasks: &exclude };
    let mut place = model.at(&target)?;
    let costs = |trials: &[&Trial]| trials.iter().map(|trial| trial.costs[cost]).collect::<Vec<f64>>();
    let (own, tested) = (&order[..n.min(order.len() / 2)], &order[64.min(order.len() / 2)..]);
    place.learn(&views(model, space, own)?, &costs(own))?;
    let Some(got) = place.predict(&views(model, space, tested)?)? else { return Ok((f64::NAN, f64::NAN)) };
    let truth = costs(tested);
    let mut errors: Vec<f64> =
        got.median.iter().zip(&truth).map(|(got, truth)| (got / truth - 1.0).abs()).collect();
    errors.sort_by(f64::total_cmp);
    let within = (0..truth.len()).filter(|at| {
        let gap = if got.log { truth[*at].ln() - got.mean[*at] } else { truth[*at] - got.mean[*at] };
        gap.abs() <= 1.96 * got.std[*at] + 1e-12
    });
    Ok((errors[errors.len() / 2], within.count() as f64 / truth.len() as f64))
}

fn views(model: &CostModel, space: &SearchSpace, trials: &[&Trial]) -> Result<CostViews, Box<dyn Error>> {
    let architectures: Vec<_> =
        trials.iter().map(|trial| spaces::canonical(space.id(), &trial.architecture)).collect();
    let table = model.table();
    let rows = architectures.iter().map(|architecture| table.row(architecture)).collect();
    Ok(model.views(rows, table.encoder().encode(&architectures)?.into_shared())?)
}
