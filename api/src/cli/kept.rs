//! Trials whose weights are kept beside the base.

use heirloom_kb::{KnowledgeStore, Name, Status, Trial, TrialId, TrialQuery};
use heirloom_search::train::WeightStore;

use super::output::InputFault;

/// A trial and the hash of its weights.
pub(super) struct Kept {
    pub(super) trial: Trial,
    pub(super) hash: String,
}

/// The trial of an id.
pub(super) fn by_id(
    store: &dyn KnowledgeStore,
    weights: Option<&WeightStore>,
    id: TrialId,
) -> anyhow::Result<Kept> {
    let trial = store.trial(id)?.ok_or_else(|| InputFault(format!("the base has no trial {id}")))?;
    kept(trial, weights).ok_or_else(|| InputFault(format!("of trial {id} no weights are kept")).into())
}

/// The complete trial of a task with the best validation score among those with weights.
pub(super) fn best_of(
    store: &dyn KnowledgeStore,
    weights: Option<&WeightStore>,
    task: &Name,
) -> anyhow::Result<Kept> {
    let known = store.tasks()?.into_iter().find(|known| known.id == *task);
    let query = TrialQuery { split: Some(heirloom_kb::Split::Validation), ..TrialQuery::task(task.clone()) };
    let trials = store.trials(&query)?.trials;
    let usable = trials.into_iter().filter(|trial| trial.status == Status::Complete);
    let all = usable.filter_map(|trial| kept(trial, weights));
    let score = |kept: &Kept| {
        let score = kept.trial.score.unwrap_or(f64::NEG_INFINITY);
        known.as_ref().map_or(score, |task| task.goal.higher_is_better(score))
    };
    let best = all.max_by(|a, b| score(a).total_cmp(&score(b)));
    best.ok_or_else(|| InputFault(format!("of no trial of {task:?} weights are kept")).into())
}

fn kept(trial: Trial, weights: Option<&WeightStore>) -> Option<Kept> {
    let hash = weights?.of_trial(&trial)?.to_owned();
    Some(Kept { trial, hash })
}
