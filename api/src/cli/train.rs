//! `heirloom train`

use anyhow::Context;
use heirloom_datasets::DataSummary;
use heirloom_kb::{Architecture, Batch, Name, Split, Status, Trial, TrialId};
use heirloom_search::find_space;
use heirloom_search::train::{Inherited, Taken};
use serde::Serialize;

use super::Failure;
use super::base::BaseArgs;
use super::output::{InputFault, Output};
use super::progress::{self, bar};
use super::recipe::by_option;
use super::trainer::{TrainerArgs, summary};

#[derive(Debug, clap::Args)]
pub(super) struct TrainArgs {
    /// The data set to train on, which names the task too: digits, wine, breast_cancer, iris, mnist, …, or the data that
    /// --from gives.
    #[arg(long)]
    task: Name,
    /// The search space of the architecture.
    #[arg(long)]
    space: Name,
    /// The architecture as JSON: {"layers":2,"width1":64,…}
    #[arg(long, value_name = "JSON")]
    architecture: String,
    /// What to score on: validation, or once, at the end, test (then trained on training and validation part).
    #[arg(long, default_value = "validation", value_parser = ["validation", "test"])]
    split: String,
    /// The seed of all chance in the trial.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    trainer: TrainerArgs,
}

pub(super) fn run(base: &BaseArgs, args: &TrainArgs, out: &Output) -> Result<(), Failure> {
    let architecture: Architecture =
        serde_json::from_str(&args.architecture).context("--architecture is not a JSON object of values")?;
    let store = base.open()?;
    let space = find_space(&*store, &args.space)?;
    args.trainer.check_space(&space)?;
    let architecture = space.normalise(&architecture)?;
    let bar = bar(Some(args.trainer.epochs.into()), progress::COUNT);
    let dataset = args.trainer.dataset(&args.task)?;
    let notes = dataset.notes().to_vec();
    let data_summary = summary(&dataset);
    let parts = args.trainer.parts(base, &*store, &args.task, &dataset)?;
    let mut trainer = args.trainer.trainer(dataset, parts, &bar)?;
    let split = if args.split == "test" { Split::Test } else { Split::Validation };
    trainer.check_start(&space, &architecture)?;
    let trial = trainer.train(&space, &architecture, &args.trainer.budget(args.seed, split));
    bar.finish_and_clear();
    let trial = trial.map_err(by_option)?;
    let task = trainer.task().clone();
    store.commit(&Batch { spaces: vec![space], tasks: vec![task], trials: vec![trial.clone()] })?;
    let answer = Answer { id: trial.id(), trial, data_summary, notes };
    out.answer(&answer, describe)?;
    let trial = answer.trial;
    if trial.status == Status::Failed {
        let reason = trial.extra.get("reason").and_then(|reason| reason.as_str()).unwrap_or("unknown");
        return Err(InputFault(format!("the trial failed: {reason}; it is kept as failed")).into());
    }
    Ok(())
}

/// A trial, and what is to be known of its data.
#[derive(Serialize)]
struct Answer {
    /// What other verbs know it by.
    id: TrialId,
    #[serde(flatten)]
    trial: Trial,
    /// A trial has a field `data` of its own, the fingerprint.
    data_summary: DataSummary,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

fn describe(answer: &Answer) -> String {
    let Answer { id, trial, data_summary, notes } = answer;
    let score = trial.score.map_or("failed".into(), |score| format!("{score:.4}"));
    let cost = |name: &str| trial.costs.get(name).copied().unwrap_or(f64::NAN);
    let taken = Taken::of_trial(trial).map(|taken| taken.words());
    let inherited = Inherited::of_trial(trial).map(|inherited| inherited.words());
    let all = match trial.split {
        Split::Test => "; with --split test the first two parts are fitted on, and the last is scored on",
        _ => "",
    };
    let more = std::iter::once(format!("{}{all}", data_summary.words()))
        .chain(taken)
        .chain(inherited)
        .chain(notes.iter().map(|note| format!("note: {note}")));
    let more: String = more.map(|line| format!("\n{line}")).collect();
    let spent = match trial.costs.get("train_s") {
        Some(seconds) => format!(", {} parameters, {seconds:.1} s", cost("params")),
        None => String::new(),
    };
    format!("{} on {} ({}): {score}{}\ntrial {id}{more}", trial.metric, trial.task, trial.split, spent)
}
