//! `heirloom study`

use std::collections::HashSet;
use std::sync::Arc;

use clap::builder::PossibleValuesParser;
use heirloom_kb::{Architecture, Batch, KnowledgeStore, Name, Split, Status, Trial, TrialQuery};
use heirloom_search::train::TableTrainer;
use heirloom_search::{
    BeforeStudy, HistoryChoice, Objectives, PriorScores, Recommender, StrategyKind, Study, StudyReport,
    StudySetup, find_space, spaces,
};
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use super::Failure;
use super::acquisition::AcquisitionArgs;
use super::base::BaseArgs;
use super::jobs::{JobArgs, TrialRunner};
use super::objectives::ObjectiveArgs;
use super::output::{InputFault, Output};
use super::prior::PriorArgs;
use super::progress::{self, announce, bar};
use super::resumption;
use super::scheduler::SchedulerArgs;
use super::study_answer::{Answer, describe};
use super::trainer::TrainerArgs;

#[derive(Debug, clap::Args, Serialize, Deserialize)]
pub(super) struct StudyArgs {
    /// The task to search on. With --train it names the data set: digits, wine, breast_cancer, iris, mnist, …, or the data
    /// that --from gives.
    #[arg(long, required_unless_present = "resume")]
    task: Option<Name>,
    /// The search space.
    #[arg(long, required_unless_present = "resume")]
    space: Option<Name>,
    /// Go on with a study of the base that was broken off, or has ended and is to have more trials, by its id; what it has tried
    /// counts. It goes on with the options that it was started with; --top, --jobs and where the data are may be others.
    #[arg(long, value_name = "STUDY", conflicts_with = "table")]
    resume: Option<String>,
    /// Train the proposals with libtorch.
    #[arg(long, conflicts_with = "table")]
    train: bool,
    /// Look the proposals up among the trials that the base has of the task, as if they were new: a benchmark replayed.
    /// Nothing is written to the base.
    #[arg(long, conflicts_with = "from")]
    table: bool,
    /// How many architectures to try.
    #[arg(long, alias = "trials", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    top: u32,
    /// How many architectures to rank, when the space is too large to rank all of it.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    candidates: u64,
    /// Who decides what is tried next.
    #[arg(long, default_value = "surrogate", value_parser = PossibleValuesParser::new(StrategyKind::ALL.map(StrategyKind::as_str)))]
    strategy: String,
    /// Leave this past task out; may be given several times.
    #[arg(long, value_name = "TASK")]
    exclude_task: Vec<Name>,
    /// The seed of all chance in the study; one that is resumed keeps its own.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    jobs: JobArgs,
    #[command(flatten)]
    prior: PriorArgs,
    #[command(flatten)]
    acquisition: AcquisitionArgs,
    #[command(flatten)]
    scheduler: SchedulerArgs,
    #[command(flatten)]
    objectives: ObjectiveArgs,
    #[command(flatten)]
    trainer: TrainerArgs,
}

impl StudyArgs {
    fn task(&self) -> &Name {
        self.task.as_ref().expect("given, or known of the study that is resumed")
    }

    fn space(&self) -> &Name {
        self.space.as_ref().expect("given, or known of the study that is resumed")
    }

    /// Whether proposals are trained, not looked up.
    fn trains(&self) -> bool {
        !self.table
    }
}

pub(super) fn run(
    base: &BaseArgs,
    args: StudyArgs,
    given: &HashSet<String>,
    out: &Output,
) -> Result<(), Failure> {
    if args.strategy == StrategyKind::Ranked.as_str() && args.resume.is_none() && !args.prior.is_given() {
        let message = "the strategy \"ranked\" needs --rank-by, to know what to go by";
        return Err(InputFault(message.into()).into());
    }
    if !(args.train || args.table || args.resume.is_some()) {
        let message = "say what becomes of the proposals: --train has them trained, --table looks them up among the task's \
                       trials, and --resume STUDY goes on with a study; whoever trains them elsewhere asks the server \
                       (heirloom serve)";
        return Err(InputFault(message.into()).into());
    }
    // A study to be replayed or resumed needs a base that has it.
    let store = match (args.table, args.resume.is_some()) {
        (_, true) => base.open_existing()?,
        (true, false) => base.open_to_read()?,
        (false, false) => base.open()?,
    };
    let args = &match args.resume.clone() {
        Some(study) => resumption::resumed(&*store, &study, args, given)?,
        None => args,
    };
    let space = find_space(&*store, args.space())?;
    if args.trains() {
        args.trainer.check_space(&space)?;
    }
    let epochs = bar(Some(u64::from(args.trainer.epochs) * u64::from(args.top)), progress::COUNT);
    let (mut runner, read) = if args.trains() {
        let left = (args.top as usize).saturating_sub(tried(&*store, args)?);
        let before = before(&store, args);
        let (runner, read) =
            args.jobs.runner(base, &*before, (args.task(), &space), &args.trainer, (&epochs, left))?;
        (runner, Some(read))
    } else {
        (TrialRunner::Here(Box::new(table_trainer(&*store, args)?)), None)
    };
    store.commit(&Batch {
        spaces: vec![space.clone()],
        tasks: vec![runner.task().clone()],
        ..Batch::default()
    })?;
    let answer = search(&store, args, &mut runner, &epochs);
    epochs.finish_and_clear();
    let mut answer = answer?;
    if let Some(read) = read {
        answer.report.notes.extend(read.notes);
        answer.data_summary = Some(read.summary);
    }
    out.answer(&answer, describe)?;
    match all_failed(&answer.report.trials) {
        Some(message) => Err(InputFault(message).into()),
        None => Ok(()),
    }
}

/// What is said of a study that has nothing but failed trials.
fn all_failed(trials: &[Trial]) -> Option<String> {
    let failed = !trials.is_empty() && trials.iter().all(|trial| trial.status == Status::Failed);
    failed.then(|| {
        let reason = trials.last().and_then(|trial| trial.extra.get("reason")?.as_str()).unwrap_or("unknown");
        format!(
            "all {} trials of the study failed, the last of them: {reason}; they are kept as failed",
            trials.len()
        )
    })
}

/// What trials may inherit and learn from: the base as it was when the study was started. One that is resumed goes on as if it had
/// not been broken off, and does not start from its own trials.
fn before(store: &Arc<dyn KnowledgeStore>, args: &StudyArgs) -> Arc<dyn KnowledgeStore> {
    match &args.resume {
        Some(study) => Arc::new(BeforeStudy::new(store, study)),
        None => Arc::clone(store),
    }
}

/// How many trials a study that is resumed has already.
fn tried(store: &dyn KnowledgeStore, args: &StudyArgs) -> anyhow::Result<usize> {
    let Some(id) = &args.resume else { return Ok(0) };
    Ok(StudySetup::kept(store, id)?.trials(store, id)?.len())
}

/// The validation trials that the base has of the task in the space.
fn measured(store: &dyn KnowledgeStore, args: &StudyArgs) -> anyhow::Result<Vec<Trial>> {
    let query = TrialQuery {
        space: Some(args.space().clone()),
        split: Some(Split::Validation),
        ..TrialQuery::task(args.task().clone())
    };
    Ok(store.trials(&query)?.trials)
}

fn table_trainer(store: &dyn KnowledgeStore, args: &StudyArgs) -> anyhow::Result<TableTrainer> {
    let space = find_space(store, args.space())?;
    let trials = measured(store, args)?;
    let task = store.tasks()?.into_iter().find(|task| task.id == *args.task());
    match task.filter(|_| !trials.is_empty()) {
        Some(task) => Ok(TableTrainer::new(task, &space, trials)),
        None => {
            let message = format!(
                "the base has no validation trials of {:?} in {:?} to look up",
                args.task(),
                args.space()
            );
            Err(InputFault(message).into())
        }
    }
}

/// What may be proposed: of a table what it holds, else the space, or a sample of a large one.
fn candidates(store: &dyn KnowledgeStore, args: &StudyArgs) -> anyhow::Result<Vec<Architecture>> {
    if args.table {
        return Ok(measured(store, args)?.into_iter().map(|trial| trial.architecture).collect());
    }
    Ok(spaces::pool(&find_space(store, args.space())?, args.candidates, args.seed))
}

/// How a study that is not resumed is set up.
fn setup(store: &dyn KnowledgeStore, args: &StudyArgs) -> anyhow::Result<StudySetup> {
    let mut exclude_tasks = args.exclude_task.clone();
    if args.table {
        // What is looked up must not be known beforehand.
        exclude_tasks.push(args.task().clone());
    }
    let Objectives { constraints, pareto, per, device } = args.objectives.objectives();
    let candidates = candidates(store, args)?;
    Ok(StudySetup {
        task: args.task().clone(),
        space: args.space().clone(),
        prior: prior(store, args, &candidates)?,
        candidates: Some(candidates),
        strategy: StrategyKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == args.strategy)
            .unwrap_or_default(),
        acquisition: args.acquisition.acquisition()?,
        seed: args.seed,
        history: HistoryChoice { exclude_tasks },
        scheduler: args.scheduler.setup(max_epochs(store, args)?)?,
        constraints,
        pareto,
        per,
        device,
    })
}

fn search(
    store: &Arc<dyn KnowledgeStore>,
    args: &StudyArgs,
    runner: &mut TrialRunner,
    bar: &ProgressBar,
) -> anyhow::Result<Answer> {
    let recommender = Recommender::new(Arc::clone(store));
    let mut study = match &args.resume {
        Some(id) => resumed(&recommender, id, args)?,
        None if args.table => Study::rehearse(&recommender, setup(&**store, args)?)?,
        None => {
            let study = Study::create(&recommender, setup(&**store, args)?)?;
            resumption::keep(&**store, study.id(), args)?;
            let id = study.id();
            announce(bar, &format!("{id}; if it is broken off, go on with: heirloom study --resume {id}"));
            study
        }
    };
    // A resumed study has kept its own; one that was set up over REST may have none but what its space has.
    let pool = study.history().pool();
    let candidates = study.setup().candidates.as_ref().map_or(pool.architectures.len(), Vec::len);
    let done = study.trials().len();
    let past = study.history().past(args.task(), &args.exclude_task);
    let started_from = past.iter().map(|at| study.history().table().tasks()[*at].task.clone()).collect();
    let own = (!study.setup().history.exclude_tasks.contains(args.task()))
        .then(|| study.history().scores(args.task()).map(|scores| scores.rows.len()));
    let own_trials = own.flatten().unwrap_or(0);
    let left = (args.top as usize).min(candidates).saturating_sub(done);
    // A resumed study trains with its own seed, or it would not find the checkpoints of what was under way.
    let budget = args.trainer.budget(study.setup().seed, Split::Validation);
    let proposals = runner.run(&mut study, left, &budget)?;
    let mut report = StudyReport::of(&study);
    // Hundreds of architectures, which the base has.
    report.setup.candidates = None;
    Ok(Answer { report, proposals, started_from, own_trials, candidates, data_summary: None })
}

/// What is known of the candidates before any is trained.
fn prior(
    store: &dyn KnowledgeStore,
    args: &StudyArgs,
    candidates: &[Architecture],
) -> anyhow::Result<Option<PriorScores>> {
    let dataset = || args.trainer.dataset(args.task());
    args.prior.scores(&args.trainer.data, dataset, &find_space(store, args.space())?, candidates, args.seed)
}

/// The study of an id, if its trials are of these epochs.
fn resumed(recommender: &Recommender, id: &str, args: &StudyArgs) -> anyhow::Result<Study> {
    let study = Study::resume(recommender, id)?;
    same_fidelity(&study, args)?;
    Ok(study)
}

/// Refuses other epochs or another part of the data than those of the trials that a study has: they could not be compared.
fn same_fidelity(study: &Study, args: &StudyArgs) -> anyhow::Result<()> {
    let Some(whole) = study.trials().iter().find(|trial| trial.status == Status::Complete) else {
        return Ok(());
    };
    let now = args.trainer.budget(0, Split::Validation);
    let kept = |name: &str| whole.fidelity.get(name).copied();
    let fidelities = [
        ("epochs", kept("epochs"), f64::from(now.epochs)),
        // Trials on all of the data do not say so.
        ("data-fraction", kept("data_fraction").or(Some(1.0)), now.data_fraction),
    ];
    for (option, was, given) in fidelities {
        if let Some(was) = was.filter(|was| *was != given) {
            let id = args.resume.as_deref().unwrap_or_default();
            let message =
                format!("the trials of {id} have --{option} {was}, not {given}: give --{option} {was}");
            return Err(InputFault(message).into());
        }
    }
    Ok(())
}

/// Epochs of a whole training: of a table what its longest curve has.
fn max_epochs(store: &dyn KnowledgeStore, args: &StudyArgs) -> anyhow::Result<u32> {
    if !args.table {
        return Ok(args.trainer.epochs);
    }
    let trials = measured(store, args)?;
    let last = trials.iter().filter_map(|trial| trial.curve.last()).map(|(step, _)| *step as u32).max();
    Ok(last.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_study_of_failed_trials_alone_is_told_apart() {
        let trial = |status| {
            let mut trial =
                Trial::new("t", "s/1", Architecture::default(), Split::Validation, "accuracy", 0.5);
            trial.status = status;
            trial.extra.insert("reason".into(), "no room".into());
            trial
        };
        let said = all_failed(&[trial(Status::Failed), trial(Status::Failed)]).unwrap();
        assert_eq!(
            said,
            "all 2 trials of the study failed, the last of them: no room; they are kept as failed"
        );
        assert_eq!(all_failed(&[trial(Status::Failed), trial(Status::Complete)]), None);
        assert_eq!(all_failed(&[]), None);
    }
}
