//! How good the proposals are: leave-one-task-out over what a base holds.

#[cfg(test)]
mod misleading;
mod replay;
mod report;

use std::sync::Arc;

use heirloom_kb::{Architecture, KnowledgeStore, Name, Split, Task, Trial, TrialQuery};
use heirloom_predictor::Acquisition;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Serialize;

use crate::pool::Pool;
use crate::space_history::{SpaceHistory, find_space};
use crate::{SearchError, StrategyKind, spaces};
use replay::{Answers, Method, replay};
pub(crate) use report::half_width;
pub use report::{BenchmarkReport, MethodReport, Point, TaskReport};

/// The numbers of trials that are reported.
pub const CHECKPOINTS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// What to measure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BenchmarkSetup {
    /// The space whose trials are replayed.
    pub space: Name,
    /// The methods, side by side.
    pub methods: Vec<StrategyKind>,
    /// What makes a candidate worth the next trial, of methods that choose by one; absent, their own choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acquisition: Option<Acquisition>,
    /// How often everything is repeated, with other samples of the history and other ties.
    pub seeds: u64,
    /// Trials of each past task that are known, drawn anew for each seed; absent, all.
    pub history_per_task: Option<usize>,
    /// Trials of the new task, at most the last of [`CHECKPOINTS`].
    pub trials: usize,
    /// The tasks that are new in turn; empty, all that have trials in the space.
    pub tasks: Vec<Name>,
}

/// How far a benchmark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BenchmarkProgress {
    /// Replays done.
    pub done: usize,
    /// Replays in all: methods, seeds and tasks.
    pub of: usize,
}

/// Replays every task as if it were new: the history is that of the other tasks, a method proposes architectures that
/// the task has measured, one after another, and sees the validation score of each. Test scores are read at the end, of
/// the architecture that validation chose.
///
/// # Errors
/// [`SearchError::UnknownSpace`], [`SearchError::UnknownTask`], [`SearchError::NothingToPropose`] when no task has
/// trials in the space, [`SearchError::BadAcquisition`] with a method that takes none, [`SearchError::BadPrior`] with one that
/// needs prior scores.
pub fn benchmark(
    store: &dyn KnowledgeStore,
    setup: &BenchmarkSetup,
    progress: &mut dyn FnMut(BenchmarkProgress),
) -> Result<BenchmarkReport, SearchError> {
    if setup.methods.iter().any(|kind| kind.needs_prior()) {
        let reason = "a benchmark has none for the strategy \"ranked\" to go by".into();
        return Err(SearchError::BadPrior { by: "none".into(), reason });
    }
    let space = find_space(store, &setup.space)?;
    let all = store.trials(&TrialQuery::space(setup.space.clone(), Split::Validation))?.trials;
    let tests = store.trials(&TrialQuery::space(setup.space.clone(), Split::Test))?.trials;
    let tasks = new_tasks(store, setup, &all)?;
    let known = store.tasks()?;
    let mut report = BenchmarkReport::new(setup);
    let of = setup.methods.len() * setup.seeds as usize * tasks.len();
    let mut done = 0;
    for seed in 0..setup.seeds {
        let sampled = sample(&all, setup.history_per_task, seed);
        let history = Arc::new(SpaceHistory::from_trials(space.clone(), known.clone(), &sampled)?);
        for task in &tasks {
            let answers = Answers::new(task, &all, &tests, &history);
            let pool = Arc::new(history.candidates(answers.architectures())?);
            for (at, method) in setup.methods.iter().enumerate() {
                let past = history.past(&task.id, &[]);
                let method = Method { kind: *method, acquisition: setup.acquisition };
                let curve = replay(method, &history, past, &pool, &answers, setup.trials, seed)?;
                report.add(at, &task.id, curve);
                done += 1;
                progress(BenchmarkProgress { done, of });
            }
        }
    }
    report.summarise();
    Ok(report)
}

/// The tasks that are new in turn.
fn new_tasks(
    store: &dyn KnowledgeStore,
    setup: &BenchmarkSetup,
    all: &[Trial],
) -> Result<Vec<Task>, SearchError> {
    let mut known = store.tasks()?;
    known.retain(|task| all.iter().any(|trial| trial.task == task.id && trial.metric == task.metric));
    let names: Vec<Name> = known.iter().map(|task| task.id.clone()).collect();
    if let Some(unknown) = setup.tasks.iter().find(|task| !names.contains(task)) {
        return Err(SearchError::UnknownTask { task: unknown.clone(), known: names });
    }
    if known.is_empty() {
        let reason = format!("the base has no validation trials in {}", setup.space);
        return Err(SearchError::NothingToPropose { reason });
    }
    known.retain(|task| setup.tasks.is_empty() || setup.tasks.contains(&task.id));
    Ok(known)
}

/// `n` trials of each task, drawn at random; all of them where there is no `n`.
fn sample(all: &[Trial], n: Option<usize>, seed: u64) -> Vec<Trial> {
    let Some(n) = n else { return all.to_vec() };
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    // Trials of a task stand together.
    let by_task = all.chunk_by(|a, b| a.task == b.task);
    by_task.flat_map(|of_task| of_task.choose_multiple(&mut rng, n).cloned().collect::<Vec<_>>()).collect()
}

/// The canonical form that answers are looked up by.
fn canonical_key(history: &SpaceHistory, architecture: &Architecture) -> Vec<u64> {
    history.table().encoder().key(&spaces::canonical(history.space().id(), architecture))
}

/// Pools are shared by the methods.
type SharedPool = Arc<Pool>;
