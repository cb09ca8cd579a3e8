//! `heirloom joint`

use std::sync::Arc;

use heirloom_datasets::Dataset;
use heirloom_kb::{Architecture, Batch, Name, Split, Trial, TrialId};
use heirloom_search::{JointPick, Recommender, find_space, joint_pick, spaces};
use serde::Serialize;

use super::Failure;
use super::base::BaseArgs;
use super::output::{InputFault, Output, table};
use super::progress::{self, bar};
use super::trainer::{TrainerArgs, check_data};

#[derive(Debug, clap::Args)]
pub(super) struct JointArgs {
    /// A task to learn together with the others; at least two, of one domain and shape of example. With --from it names a
    /// part of that folder: --from images --task Greek --task Latin.
    #[arg(long, required = true, value_name = "TASK")]
    task: Vec<Name>,
    /// The search space.
    #[arg(long)]
    space: Name,
    /// How many architectures to try.
    #[arg(long, alias = "trials", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    top: u32,
    /// How many architectures to rank, when the space is too large to rank all of it.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    candidates: u64,
    /// The seed of all chance.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    trainer: TrainerArgs,
}

/// An architecture that was trained on all tasks.
#[derive(Serialize)]
struct Tried {
    pick: JointPick,
    /// The mean over tasks of the accuracy above chance; absent when training failed.
    joint_score: Option<f64>,
    ids: Vec<TrialId>,
    trials: Vec<Trial>,
    /// What is to be known of how the data were read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

pub(super) fn run(base: &BaseArgs, args: &JointArgs, out: &Output) -> Result<(), Failure> {
    if args.task.len() < 2 {
        return Err(InputFault("at least two tasks are needed: --task a --task b".into()).into());
    }
    let store = base.open()?;
    let datasets = args.task.iter().map(|task| Ok(Arc::new(args.trainer.data.one_of_several(task)?)));
    let datasets = datasets.collect::<anyhow::Result<Vec<_>>>()?;
    datasets.iter().try_for_each(|dataset| check_data(&*store, dataset))?;
    let notes = notes(&datasets);
    let bar = bar(Some(u64::from(args.trainer.epochs) * u64::from(args.top)), progress::COUNT);
    let mut train = args.trainer.joint(&datasets, base.weights()?, &bar)?;
    let space = find_space(&*store, &args.space)?;
    args.trainer.check_space(&space)?;
    let tasks = datasets.iter().map(|dataset| dataset.task()).collect();
    store.commit(&Batch { spaces: vec![space.clone()], tasks, ..Batch::default() })?;
    let candidates = spaces::pool(&space, args.candidates, args.seed);
    let recommender = Recommender::new(Arc::clone(&store));
    let mut tried: Vec<Tried> = Vec::new();
    while tried.len() < args.top as usize {
        let pick = joint_pick(&recommender, &args.task, &args.space, &candidates, args.seed)?;
        let Some(pick) = pick else { break };
        let budget = args.trainer.budget(args.seed, Split::Validation);
        let trials: Vec<Trial> = train(&space, &pick.architecture, &budget)?;
        let trials = trials.iter().map(|trial| trial.normalise(&space)).collect::<Result<Vec<_>, _>>()?;
        store.append(&trials)?;
        let score = trials.first().and_then(|trial| trial.extra.get("joint")?.get("score")?.as_f64());
        let ids = trials.iter().map(Trial::id).collect();
        tried.push(Tried { pick, joint_score: score, ids, trials, notes: notes.clone() });
    }
    bar.finish_and_clear();
    out.answer(&tried, |tried| describe(&args.task, tried, &notes))?;
    Ok(())
}

/// What is to be known of how each task's data were read.
fn notes(datasets: &[Arc<Dataset>]) -> Vec<String> {
    let of = |dataset: &Arc<Dataset>| {
        let notes = dataset.notes().iter();
        notes.map(|note| format!("{}: {note}", dataset.name())).collect::<Vec<_>>()
    };
    datasets.iter().flat_map(of).collect()
}

fn describe(tasks: &[Name], tried: &[Tried], notes: &[String]) -> String {
    let names = tasks.iter().map(|task| &**task);
    let head: Vec<&str> = ["trial", "architecture", "joint"].into_iter().chain(names).collect();
    let mut rows = table(&head);
    let shown = |score: Option<f64>| score.map_or("failed".into(), |score| format!("{score:.4}"));
    for (at, Tried { pick, joint_score, trials, .. }) in tried.iter().enumerate() {
        let architecture: &Architecture = &pick.architecture;
        let own = [(at + 1).to_string(), architecture.to_string(), shown(*joint_score)];
        rows.add_row(own.into_iter().chain(trials.iter().map(|trial| shown(trial.score))));
    }
    let notes: String = notes.iter().map(|note| format!("\nnote: {note}")).collect();
    format!("{rows}{notes}")
}
