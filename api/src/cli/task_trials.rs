//! The trials of one task, which `heirloom status --task` lists.

use heirloom_kb::{IdentifiedTrial, KnowledgeStore, Name, Status, Task, Trial, TrialQuery};
use heirloom_search::SearchError;
use heirloom_search::train::WeightStore;
use serde::Serialize;

use super::output::{counted, table};

/// A task and its trials.
#[derive(Serialize)]
pub(super) struct TaskTrials {
    task: Task,
    /// All that the base has, those that are not listed too.
    n_trials: usize,
    /// The best first, of each space and split.
    trials: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    trial: IdentifiedTrial,
    /// Whether a network of it can be had.
    has_weights: bool,
}

impl TaskTrials {
    /// The `top` best of each space and split.
    pub(super) fn of(
        store: &dyn KnowledgeStore,
        weights: Option<&WeightStore>,
        id: &Name,
        top: usize,
    ) -> anyhow::Result<Self> {
        let tasks = store.tasks()?;
        let Some(task) = tasks.iter().find(|task| task.id == *id).cloned() else {
            let known = tasks.into_iter().map(|task| task.id).collect();
            return Err(SearchError::UnknownTask { task: id.clone(), known }.into());
        };
        let mut trials = store.trials(&TrialQuery::task(id.clone()))?.trials;
        let worth =
            |trial: &Trial| trial.score.map_or(f64::NEG_INFINITY, |score| task.goal.higher_is_better(score));
        let part = |trial: &Trial| (trial.space.clone(), trial.split);
        // Of equals the first stays first, as in a study.
        trials.sort_by(|a, b| part(a).cmp(&part(b)).then(worth(b).total_cmp(&worth(a))));
        let n_trials = trials.len();
        let best = trials.chunk_by(|a, b| part(a) == part(b)).flat_map(|part| part.iter().take(top));
        let listed = |trial: &Trial| Listed {
            has_weights: weights.is_some_and(|weights| weights.of_trial(trial).is_some()),
            trial: trial.clone().into(),
        };
        Ok(TaskTrials { n_trials, trials: best.map(listed).collect(), task })
    }
}

fn status(trial: &Trial) -> String {
    let status = match trial.status {
        Status::Complete => "complete",
        Status::Pruned => "pruned",
        Status::Failed => "failed",
    };
    let reason = trial.extra.get("reason").and_then(|reason| reason.as_str());
    reason.map_or_else(|| status.into(), |reason| format!("{status}: {reason}"))
}

pub(super) fn describe(answer: &TaskTrials) -> String {
    let TaskTrials { task, n_trials, trials } = answer;
    let mut rows = table(&["trial", "space", "split", &task.metric, "status", "weights", "architecture"]);
    for Listed { trial: IdentifiedTrial { id, trial }, has_weights } in trials {
        let score = trial.score.map_or("-".into(), |score| format!("{score:.4}"));
        let weights = if *has_weights { "kept" } else { "-" };
        rows.add_row([
            id.to_string(),
            trial.space.to_string(),
            trial.split.to_string(),
            score,
            status(trial),
            weights.into(),
            trial.architecture.to_string(),
        ]);
    }
    let listed = match trials.len() {
        n if n == *n_trials => String::new(),
        n => format!(", {n} of them listed"),
    };
    format!("{}: {}{listed}\n{rows}", task.id, counted(*n_trials, "trial"))
}
