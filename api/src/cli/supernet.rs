//! `heirloom supernet`

use std::collections::{BTreeMap, HashSet};

use clap::builder::PossibleValuesParser;
use heirloom_datasets::Dataset;
use heirloom_kb::{Architecture, Batch, KnowledgeStore, Name, SearchSpace, Split, Status, Trial};
use heirloom_search::train::{Budget, SharedScore, SharingMethod, SharingOptions, Strengths, Trainer};
use heirloom_search::{RankCorrelation, find_space, spaces};
use serde::Serialize;

use super::Failure;
use super::base::BaseArgs;
use super::output::{InputFault, Output, bold, table};
use super::past_scores;
use super::progress::{self, bar};
use super::proxies::correlation;
use super::trainer::{DataArgs, TrainerArgs, TrainerParts};

/// More assignments than a cell space has: a differentiable search ranks all of it.
const WHOLE: u64 = 20_000;

#[derive(Debug, clap::Args)]
#[command(mut_arg("epochs", |epochs| epochs.default_value("50").help("Passes over the training data of the shared weights")))]
#[command(mut_arg("data_fraction", |share| share.help("The share of the training data for what is trained on its own")))]
pub(super) struct SupernetArgs {
    /// The data set, which names the task too: digits, mnist, cifar10, …, or the data that --from gives
    #[arg(long)]
    task: Name,
    /// The search space, one of cells.
    #[arg(long, default_value = "nas-bench-201/1")]
    space: Name,
    /// How the shared weights are trained: one path a step, all operations equally often, or a differentiable search.
    #[arg(long, default_value = "single-path", value_parser = PossibleValuesParser::new(SharingMethod::ALL.map(SharingMethod::as_str)))]
    method: String,
    /// How many architectures to rank, drawn at random; a differentiable search ranks the whole space.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    candidates: u64,
    /// How many architectures to show.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    top: u64,
    /// Train so many architectures, drawn at random, each on its own, keep the trials and say how their order agrees. What
    /// the base has already, with as many epochs and the same seed, is taken from there.
    #[arg(long, default_value_t = 0, value_name = "N")]
    stand_alone: u64,
    /// Train so many of the best each on its own and keep the trials.
    #[arg(long, default_value_t = 0, value_name = "N")]
    train_top: usize,
    /// Passes over the training data of what is trained on its own.
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    trial_epochs: u32,
    /// Stages of the shared network; the published one has 3.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=5))]
    stages: u8,
    /// Cells in each of its stages; the published one has 5.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=20))]
    cells: u8,
    /// Channels of its first stage; the published one has 16.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=128))]
    width: u8,
    /// Learning rate of its first step.
    #[arg(long, default_value_t = 0.05)]
    learning_rate: f64,
    /// The seed of all chance.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    trainer: TrainerArgs,
}

/// What shared weights say.
pub(super) struct Shared {
    /// The mean loss of each epoch.
    losses: Vec<f64>,
    pub(super) ranked: Vec<SharedScore>,
    strengths: Option<Strengths>,
}

/// An architecture that was trained on its own.
#[derive(Serialize)]
struct Own {
    architecture: Architecture,
    /// Its place in the ranking, from 1.
    place: usize,
    score: f64,
    params: Option<f64>,
}

#[derive(Serialize)]
struct Answer {
    task: Name,
    space: Name,
    method: String,
    losses: Vec<f64>,
    candidates: usize,
    ranked: Vec<SharedScore>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strengths: Option<Strengths>,
    /// A random sample, each trained on its own.
    stand_alone: Vec<Own>,
    /// How the ranking agrees with the sample's own scores.
    agreement: Option<RankCorrelation>,
    /// How the plain number of parameters agrees with them: what the ranking has to beat.
    agreement_of_params: Option<RankCorrelation>,
    /// The best of the ranking, each trained on its own.
    trained_top: Vec<Own>,
}

/// Refuses options of which nothing would be made.
fn refuse_idle(args: &SupernetArgs, given: &HashSet<String>) -> anyhow::Result<()> {
    let refuse = |option: &str, why: &str| {
        let message = format!("--{} {why}", option.replace('_', "-"));
        Err(InputFault(message).into())
    };
    if given.contains("inherit") {
        return refuse("inherit", "is not for supernet, which trains from fresh weights: leave it away");
    }
    let mut options = args.trainer.training_options()?;
    options.push("trial_epochs".into());
    let trains = args.stand_alone > 0 || args.train_top > 0;
    match options.iter().find(|option| !trains && given.contains(*option)) {
        Some(idle) => refuse(
            idle,
            "is for what is trained on its own, and not for the shared weights: give --stand-alone N or --train-top N, or leave it away",
        ),
        None => Ok(()),
    }
}

pub(super) fn run(
    base: &BaseArgs,
    args: &SupernetArgs,
    given: &HashSet<String>,
    out: &Output,
) -> Result<(), Failure> {
    refuse_idle(args, given)?;
    let store = base.open()?;
    let space = find_space(&*store, &args.space)?;
    let options = options(args);
    let sample =
        if args.stand_alone > 0 { spaces::pool(&space, args.stand_alone, args.seed) } else { vec![] };
    let limit = if options.method == SharingMethod::Darts { WHOLE } else { args.candidates };
    let mut candidates = spaces::pool(&space, limit, args.seed);
    let missing: Vec<Architecture> =
        sample.iter().filter(|architecture| !candidates.contains(architecture)).cloned().collect();
    candidates.extend(missing);
    let dataset = args.trainer.dataset(&args.task)?;
    let shared = share(&args.trainer.data, &dataset, &space, options, &candidates)?;
    let best: Vec<Architecture> =
        shared.ranked.iter().take(args.train_top).map(|score| score.architecture.clone()).collect();
    let all: Vec<Architecture> = sample.iter().chain(&best).cloned().collect();
    let trials = on_their_own(base, &*store, args, dataset, &space, &all)?;
    let own = |of: &[Architecture]| -> Vec<Own> {
        of.iter().filter_map(|architecture| Own::of(architecture, &shared.ranked, &trials)).collect()
    };
    let stand_alone = own(&sample);
    let scores: Vec<f64> = stand_alone.iter().map(|own| own.score).collect();
    let places: Vec<f64> = stand_alone.iter().map(|own| -(own.place as f64)).collect();
    let params: Vec<f64> = stand_alone.iter().filter_map(|own| own.params).collect();
    let answer = Answer {
        task: args.task.clone(),
        space: args.space.clone(),
        method: args.method.clone(),
        losses: shared.losses,
        candidates: candidates.len(),
        agreement: RankCorrelation::of(&places, &scores),
        agreement_of_params: Some(params)
            .filter(|params| params.len() == scores.len())
            .and_then(|params| RankCorrelation::of(&params, &scores)),
        trained_top: own(&best),
        stand_alone,
        ranked: shared.ranked.into_iter().take(args.top as usize).collect(),
        strengths: shared.strengths,
    };
    out.answer(&answer, describe)?;
    Ok(())
}

impl Own {
    /// `None` for what failed.
    fn of(
        architecture: &Architecture,
        ranked: &[SharedScore],
        trials: &BTreeMap<String, Trial>,
    ) -> Option<Self> {
        let trial = trials.get(&architecture.to_string()).filter(|trial| trial.status == Status::Complete)?;
        let place = ranked.iter().position(|score| score.architecture == *architecture)? + 1;
        let params = trial.costs.get("params").copied();
        Some(Own { architecture: architecture.clone(), place, score: trial.score?, params })
    }
}

fn options(args: &SupernetArgs) -> SharingOptions {
    let method = SharingMethod::ALL.into_iter().find(|method| method.as_str() == args.method);
    SharingOptions {
        method: method.unwrap_or_default(),
        skeleton: spaces::CellSkeleton {
            stages: args.stages.into(),
            cells: args.cells.into(),
            width: args.width.into(),
        },
        epochs: args.trainer.epochs,
        learning_rate: args.learning_rate,
        seed: args.seed,
        ..SharingOptions::default()
    }
}

/// Trains the shared weights and ranks the candidates.
#[cfg(feature = "torch")]
pub(super) fn share(
    data: &DataArgs,
    dataset: &Dataset,
    space: &SearchSpace,
    options: SharingOptions,
    candidates: &[Architecture],
) -> anyhow::Result<Shared> {
    use heirloom_search::train::torch::Supernet;
    let mut supernet = Supernet::new(dataset, space, options, data.device_choice())?;
    let epochs = bar(Some(options.epochs.into()), progress::COUNT);
    let mut losses = Vec::new();
    let trained = supernet.train(&mut |report| {
        epochs.inc(1);
        epochs.set_message(format!("shared weights, loss {:.3}", report.loss));
        losses.push(report.loss);
    });
    epochs.finish_and_clear();
    trained?;
    let ranking = bar(Some(candidates.len() as u64), progress::COUNT);
    ranking.set_message("ranking");
    let ranked = supernet.rank(candidates, &mut || ranking.inc(1));
    ranking.finish_and_clear();
    Ok(Shared { losses, ranked: ranked?, strengths: supernet.strengths() })
}

#[cfg(not(feature = "torch"))]
pub(super) fn share(
    data: &DataArgs,
    _: &Dataset,
    _: &SearchSpace,
    _: SharingOptions,
    _: &[Architecture],
) -> anyhow::Result<Shared> {
    Err(data.without_torch())
}

/// The trials of architectures trained on their own, by name: from the base, or trained now and kept there.
fn on_their_own(
    base: &BaseArgs,
    store: &dyn KnowledgeStore,
    args: &SupernetArgs,
    dataset: Dataset,
    space: &SearchSpace,
    architectures: &[Architecture],
) -> anyhow::Result<BTreeMap<String, Trial>> {
    let budget = Budget { epochs: args.trial_epochs, ..args.trainer.budget(args.seed, Split::Validation) };
    let mut trials: BTreeMap<String, Trial> =
        past_scores::of_budget(store, &args.task, &args.space, &budget)?
            .into_iter()
            .map(|trial| (trial.architecture.to_string(), trial))
            .collect();
    let missing = architectures.iter().filter(|architecture| !trials.contains_key(&architecture.to_string()));
    let mut missing: Vec<Architecture> = missing.cloned().collect();
    missing.sort_by_key(ToString::to_string);
    missing.dedup();
    if missing.is_empty() {
        return Ok(trials);
    }
    let bar = bar(Some(missing.len() as u64 * u64::from(args.trial_epochs)), progress::COUNT);
    let teacher = args.trainer.start.teacher(store, base.weights()?, &args.task)?;
    let parts = TrainerParts { weights: base.weights()?, teacher, ..TrainerParts::default() };
    let mut trainer: Box<dyn Trainer> = args.trainer.trainer(dataset, parts, &bar)?;
    for architecture in missing {
        let trial = trainer.train(space, &architecture, &budget)?;
        let (spaces, tasks) = (vec![space.clone()], vec![trainer.task().clone()]);
        store.commit(&Batch { spaces, tasks, trials: vec![trial.clone()] })?;
        trials.insert(architecture.to_string(), trial);
    }
    bar.finish_and_clear();
    Ok(trials)
}

fn cell_name(architecture: &Architecture) -> String {
    spaces::to_cell_string(architecture).unwrap_or_else(|| architecture.to_string())
}

fn describe(answer: &Answer) -> String {
    let head = bold(&format!("{} on {}", answer.space, answer.task));
    let loss = |loss: Option<&f64>| loss.map_or("-".into(), |loss| format!("{loss:.3}"));
    let mut lines = vec![format!(
        "{head}: {} candidates ranked by {}; the shared weights' loss went from {} to {}",
        answer.candidates,
        answer.method,
        loss(answer.losses.first()),
        loss(answer.losses.last())
    )];
    let mut rows = table(&["place", "architecture", "score", "loss"]);
    for (at, score) in answer.ranked.iter().enumerate() {
        let name = cell_name(&score.architecture);
        rows.add_row([(at + 1).to_string(), name, format!("{:.4}", score.score), loss(score.loss.as_ref())]);
    }
    lines.push(rows.to_string());
    for (title, trained) in [("drawn at random", &answer.stand_alone), ("the best", &answer.trained_top)] {
        if trained.is_empty() {
            continue;
        }
        lines.push(format!("{title}, each trained on its own:"));
        let mut rows = table(&["place", "architecture", "score on its own"]);
        for own in trained {
            rows.add_row([own.place.to_string(), cell_name(&own.architecture), format!("{:.4}", own.score)]);
        }
        lines.push(rows.to_string());
    }
    let agreements = [("the ranking", &answer.agreement), ("parameters alone", &answer.agreement_of_params)];
    for (what, found) in agreements {
        if let Some(found) = found {
            let [spearman, kendall] = correlation(found);
            lines.push(format!(
                "{what} agrees with {} scores of their own: Spearman {spearman}, Kendall {kendall}",
                found.n
            ));
        }
    }
    lines.join("\n")
}
