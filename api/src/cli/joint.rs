//! `heirloom joint`

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use heirloom_datasets::Dataset;
use heirloom_kb::{Architecture, Batch, KnowledgeStore, Name, Split, Trial, TrialId, TrialQuery};
use heirloom_search::{JointPick, Recommender, find_space, joint_pick, spaces};
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use super::Failure;
use super::base::BaseArgs;
use super::output::{InputFault, Output, bold, table};
use super::progress::{self, announce, bar};
use super::resumption;
use super::trainer::{TrainerArgs, check_data, summary};

#[derive(Debug, clap::Args, Serialize, Deserialize)]
pub(super) struct JointArgs {
    /// A task to learn together with the others; at least two, of one domain and shape of example. With --from it names a
    /// part of that folder: --from images --task Greek --task Latin.
    #[arg(long, required_unless_present = "resume", value_name = "TASK")]
    task: Vec<Name>,
    /// The search space.
    #[arg(long, required_unless_present = "resume")]
    space: Option<Name>,
    /// Go on with a joint search of the base that was broken off, or has ended and is to have more trials, by its id, with the
    /// options that it was started with; --top and where the data are may be others.
    #[arg(long, value_name = "SEARCH")]
    resume: Option<String>,
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

/// What a trial says of the joint search that it belongs to.
#[derive(Serialize, Deserialize)]
struct Mark {
    search: String,
    /// From 0.
    place: usize,
    mean: f64,
    std: f64,
}

/// The field of a trial with its [`Mark`].
const MARK_FIELD: &str = "joint_search";

pub(super) fn run(
    base: &BaseArgs,
    args: JointArgs,
    given: &HashSet<String>,
    out: &Output,
) -> Result<(), Failure> {
    let store = if args.resume.is_some() { base.open_existing()? } else { base.open()? };
    let resumed = args.resume.clone();
    let args = match &resumed {
        Some(search) => resumption::resumed_joint(&*store, search, args, given)?,
        None => args,
    };
    if args.task.len() < 2 {
        return Err(InputFault("at least two tasks are needed: --task a --task b".into()).into());
    }
    let space = args.space.as_ref().expect("given, or known of the search that is resumed");
    let datasets = args.task.iter().map(|task| Ok(Arc::new(args.trainer.data.one_of_several(task)?)));
    let datasets = datasets.collect::<anyhow::Result<Vec<_>>>()?;
    datasets.iter().try_for_each(|dataset| check_data(&*store, dataset))?;
    let notes = notes(&datasets);
    let read: Vec<String> =
        datasets.iter().map(|dataset| format!("{}: {}", dataset.name(), summary(dataset).words())).collect();
    let bar = bar(Some(u64::from(args.trainer.epochs) * u64::from(args.top)), progress::COUNT);
    let mut train = args.trainer.joint(&datasets, base.weights()?, &bar)?;
    let space = find_space(&*store, space)?;
    args.trainer.check_space(&space)?;
    datasets.iter().try_for_each(|dataset| args.trainer.check_networks(&space, dataset))?;
    let tasks = datasets.iter().map(|dataset| dataset.task()).collect();
    store.commit(&Batch { spaces: vec![space.clone()], tasks, ..Batch::default() })?;
    let candidates = spaces::pool(&space, args.candidates, args.seed);
    let (search, mut tried) = match resumed {
        Some(search) => (search.clone(), trials_of(&*store, &args, &search, &notes)?),
        None => (started(&*store, &args, &bar)?, Vec::new()),
    };
    bar.inc(u64::from(args.trainer.epochs) * tried.len() as u64);
    let recommender = Recommender::new(Arc::clone(&store));
    while tried.len() < args.top as usize {
        let pick = joint_pick(&recommender, &args.task, space.id(), &candidates, args.seed)?;
        let Some(pick) = pick else { break };
        let budget = args.trainer.budget(args.seed, Split::Validation);
        let mark = Mark { search: search.clone(), place: tried.len(), mean: pick.mean, std: pick.std };
        let mark = serde_json::to_value(mark).expect("a mark holds names and numbers");
        let mut trials: Vec<Trial> = train(&space, &pick.architecture, &budget)?;
        for trial in &mut trials {
            trial.extra.insert(MARK_FIELD.into(), mark.clone());
        }
        let trials = trials.iter().map(|trial| trial.normalise(&space)).collect::<Result<Vec<_>, _>>()?;
        store.append(&trials)?;
        tried.push(Tried::new(pick, trials, &notes));
    }
    bar.finish_and_clear();
    out.answer(&tried, |tried| {
        let head = bold(&format!(
            "{search} on {}",
            args.task.iter().map(|task| &**task).collect::<Vec<_>>().join(", ")
        ));
        format!("{head}\n{}\n{}", read.join("\n"), describe(&args.task, tried, &notes))
    })?;
    Ok(())
}

/// Keeps in the base how a search is started, and gives its id.
fn started(store: &dyn KnowledgeStore, args: &JointArgs, bar: &ProgressBar) -> anyhow::Result<String> {
    let search = resumption::next_joint_id(store)?;
    resumption::keep(store, &search, args)?;
    announce(bar, &format!("{search}; if it is broken off, go on with: heirloom joint --resume {search}"));
    Ok(search)
}

/// What a search has tried, in its order.
fn trials_of(
    store: &dyn KnowledgeStore,
    args: &JointArgs,
    search: &str,
    notes: &[String],
) -> anyhow::Result<Vec<Tried>> {
    let mut by_place: BTreeMap<usize, (Mark, Vec<Trial>)> = BTreeMap::new();
    for task in &args.task {
        for trial in store.trials(&TrialQuery::task(task.clone()))?.trials {
            let mark = trial.extra.get(MARK_FIELD).and_then(|mark| Mark::deserialize(mark).ok());
            if let Some(mark) = mark.filter(|mark| mark.search == search) {
                by_place.entry(mark.place).or_insert((mark, Vec::new())).1.push(trial);
            }
        }
    }
    let tried = by_place.into_values().map(|(Mark { mean, std, .. }, trials)| {
        let architecture = trials[0].architecture.clone();
        Tried::new(JointPick { architecture, mean, std }, trials, notes)
    });
    Ok(tried.collect())
}

impl Tried {
    fn new(pick: JointPick, trials: Vec<Trial>, notes: &[String]) -> Self {
        let joint_score = trials.first().and_then(|trial| trial.extra.get("joint")?.get("score")?.as_f64());
        let ids = trials.iter().map(Trial::id).collect();
        Tried { pick, joint_score, ids, trials, notes: notes.to_vec() }
    }
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
    format!("{rows}\n{}{notes}", best(tasks, tried))
}

/// Which is the best, how its networks are named, and what the joint score is.
fn best(tasks: &[Name], tried: &[Tried]) -> String {
    let scored = tried.iter().enumerate().filter_map(|(at, tried)| Some((at + 1, tried.joint_score?, tried)));
    let Some((number, score, best)) = scored.max_by(|a, b| a.1.total_cmp(&b.1)) else {
        let reason = tried.last().and_then(|tried| tried.trials.first()?.extra.get("reason")?.as_str());
        return format!("none was trained to its end: {}", reason.unwrap_or("there was no candidate left"));
    };
    let ids = tasks.iter().zip(&best.ids).map(|(task, id)| format!("{task} {id}"));
    format!(
        "best: trial {number}, joint score {score:.4} (the mean over tasks of the accuracy above chance); its networks: {}",
        ids.collect::<Vec<_>>().join(", ")
    )
}
